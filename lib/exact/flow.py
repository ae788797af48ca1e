"""The probability-flow ODE, integrated down a list of noise levels with any score."""

from itertools import pairwise

import torch


def noise_levels(steps, low=0.01, high=20.0, rho=7.0):
    r"""The noise levels of `steps` solver steps, (steps + 1,), falling from `high` to 0.

    `steps` levels from `high` to `low`, even in $\sigma^{1/\rho}$, then 0 (Karras et al. 2022,
    equation 5).
    """
    if steps < 1 or not 0 < low < high:
        raise ValueError(f"needs steps >= 1 and 0 < low < high, got {steps}, {low}, {high}")
    top, bottom = high ** (1 / rho), low ** (1 / rho)
    shares = [i / max(steps - 1, 1) for i in range(steps)]
    levels = [(top + share * (bottom - top)) ** rho for share in shares]
    return torch.tensor([*levels, 0.0], dtype=torch.float64)


def heun(slope, x, sigmas):
    r"""Walks $dx / d\sigma$ = `slope(x, sigma)` down noise levels by Heun's method.

    Each step is :eq:`eq-heun`: deterministic and second order. The last, to noise 0, is Euler's and
    ends on the denoised picture (Karras et al. 2022, algorithm 1).

    Args:
        slope: of the shape of x.
        x: at `sigmas[0]`, any shape.
        sigmas: falling numbers, T; only the last may be 0.

    Yields:
        (sigma, x), T times.
    """
    yield sigmas[0], x
    for sigma, after in pairwise(sigmas):
        first = slope(x, sigma)
        euler = x + (after - sigma) * first
        x = x + (after - sigma) * ((first + slope(euler, after)) / 2) if after > 0 else euler
        yield after, x


def probability_flow(score, noise, sigmas, conditions=None):
    r"""The path of $dx / d\sigma = -\sigma s_\sigma(x)$ from `noise`, by `heun`.

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
    walked = heun(lambda x, sigma: -sigma * score(x, sigma, conditions), noise, sigmas.tolist())
    path = torch.stack([x for _, x in walked])
    lost = ~path.reshape(len(path), -1).isfinite().all(1)
    if lost.any():
        level = sigmas[int(lost.int().argmax())].item()
        raise FloatingPointError(f"the path is not finite at noise level {level:g}")
    return path


def annealed_langevin(score, noise, sigmas, generator, conditions=None, steps=20, rate=0.2):
    r"""Draws by Langevin dynamics at falling noise levels, each begun where the last one ended.

    At each level `steps` steps $x \leftarrow x + \epsilon s_\sigma(x) + \sqrt{2\epsilon}\,n$ with
    $\epsilon$ = rate $\sigma^2$ (Song and Ermon 2019, algorithm 1, in these variables). Unlike the
    probability flow it needs no score of a noised density: at each level it draws from whatever
    density has that level's score, so a sum of scores may be used.

    Args:
        score: `f(x, sigma, conditions)` of the shape of x.
        noise: where to begin, any shape, usually `sigmas[0]` times a standard normal draw.
        sigmas: falling noise levels above 0, (T,). Where the data have a spread of their own, the
            last need not be below it.
        generator: randomness.
        conditions: handed to `score` as they are.
        steps: at each level.
        rate: step size over the squared noise level, below 1.

    Returns:
        x after the last level, of the shape of `noise`.

    Raises:
        ValueError: the levels do not fall or are not above 0, or the rate is not in (0, 1).
    """
    sigmas = torch.as_tensor(sigmas, dtype=torch.float64)
    if sigmas.ndim != 1 or not len(sigmas) or (sigmas.diff() >= 0).any() or sigmas[-1] <= 0:
        raise ValueError("sigmas must be falling levels above 0")
    if not 0 < rate < 1:
        raise ValueError(f"the rate must be in (0, 1), got {rate}")
    x = noise
    for sigma in sigmas.tolist():
        epsilon = rate * sigma**2
        for _ in range(steps):
            kick = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = x + epsilon * score(x, sigma, conditions) + (2 * epsilon) ** 0.5 * kick
    return x
