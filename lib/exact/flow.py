"""The probability-flow ODE, integrated down a list of noise levels with any score."""

import torch


def noise_levels(steps, low=0.01, high=20.0, rho=7.0):
    r"""The noise levels of `steps` solver steps, (steps + 1,), falling from `high` to 0.

    `steps` levels from `high` to `low`, even in $\sigma^{1/\rho}$, then 0 (Karras et al. 2022,
    equation 5).
    """
    if steps < 2 or not 0 < low < high:
        raise ValueError(f"needs steps >= 2 and 0 < low < high, got {steps}, {low}, {high}")
    ramp = torch.linspace(high ** (1 / rho), low ** (1 / rho), steps, dtype=torch.float64) ** rho
    return torch.cat([ramp, ramp.new_zeros(1)])


def probability_flow(score, noise, sigmas, conditions=None):
    r"""The path of $dx / d\sigma = -\sigma s_\sigma(x)$ from `noise`, by Heun's method.

    Deterministic and second order; the last step, to noise 0, is Euler's and ends on the denoised
    picture (Karras et al. 2022, algorithm 1).

    Args:
        score: `f(x, sigma, conditions)` of the shape of x.
        noise: x at `sigmas[0]`, any shape, usually `sigmas[0]` times a standard normal draw.
        sigmas: falling noise levels, (T,); only the last may be 0.
        conditions: handed to `score` as they are.

    Returns:
        The path, (T, ...) with the shape of `noise` behind; its last entry is the sample.

    Raises:
        ValueError: the levels do not fall.
        FloatingPointError: the path does not stay finite; the message names the level.
    """
    sigmas = torch.as_tensor(sigmas, dtype=torch.float64)
    if sigmas.ndim != 1 or len(sigmas) < 2 or (sigmas.diff() >= 0).any() or sigmas[-1] < 0:
        raise ValueError("sigmas must be at least two falling levels, the last >= 0")
    path = [noise]
    for sigma, following in zip(sigmas[:-1].tolist(), sigmas[1:].tolist(), strict=True):
        x, step = path[-1], following - sigma
        slope = -sigma * score(x, sigma, conditions)
        if following > 0:
            ahead = -following * score(x + step * slope, following, conditions)
            slope = (slope + ahead) / 2
        path.append(x + step * slope)
    path = torch.stack(path)
    lost = ~path.reshape(len(path), -1).isfinite().all(1)
    if lost.any():
        level = sigmas[int(lost.int().argmax())].item()
        raise FloatingPointError(f"the path is not finite at noise level {level:g}")
    return path
