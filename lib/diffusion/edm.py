"""Diffusion in the variables of EDM: preconditioning, loss, noise levels, sampling.

Conventions, everywhere in the book: x = x0 + sigma * n with n standard normal; a denoiser D and a
score s are called `f(x, sigma, conditions=None)`; x is a batch (B, ...); sigma is a float or (B,);
conditions are whatever the network takes, and pass through here unread.

Source: Karras, Aittala, Aila, Laine, "Elucidating the Design Space of Diffusion-Based Generative
Models", NeurIPS 2022; "Table 1", "Algorithm 1" and equation numbers below are theirs.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lib.exact import flow

Denoiser = Callable[..., Tensor]  # (x, sigma, conditions=None) -> an array like x
Score = Callable[..., Tensor]  # the same


class Preconditioned(nn.Module):
    """A denoiser out of a raw network whose input and target have unit variance at every sigma.

    D(x; sigma) = c_skip x + c_out F(c_in x, ln(sigma) / 4, conditions): equation 7 and Table 1,
    :eq:`eq-preconditioning`.
    """

    def __init__(self, network: nn.Module, sigma_data: float = 0.5):
        """Wraps a network.

        Args:
            network: F, called `network(x (B, ...), noise (B,), conditions)`.
            sigma_data: Standard deviation of the data, about their mean over the data set.

        Raises:
            ValueError: sigma_data is not positive.
        """
        super().__init__()
        if not sigma_data > 0:
            raise ValueError(f"sigma_data must be positive, not {sigma_data}")
        self.network = network
        self.sigma_data = sigma_data

    def forward(self, x: Tensor, sigma: float | Tensor, conditions: Any = None) -> Tensor:
        """The denoised x, in x's precision; x itself where sigma is 0.

        Raises:
            ValueError: sigma is negative or not finite.
        """
        levels = _levels(sigma, x)  # (B, 1, ...)
        total = (levels**2 + self.sigma_data**2).sqrt()
        noise = levels.flatten().clamp(min=torch.finfo(x.dtype).tiny).log() / 4
        raw = self.network(x / total, noise, conditions)
        skip, out = (self.sigma_data / total) ** 2, levels * self.sigma_data / total
        return torch.where(levels > 0, skip * x + out * raw.to(x.dtype), x)


def loss(
    denoiser: Denoiser,
    x0: Tensor,
    conditions: Any,
    generator: torch.Generator,
    p_mean: float = -1.2,
    p_std: float = 1.2,
    sigma_data: float | None = None,
    counts: Tensor | None = None,
) -> Tensor:
    """The weighted denoising error of a batch, :eq:`eq-edm-loss`; 1 for a network that says 0.

    ln(sigma) ~ N(p_mean, p_std^2), weight (sigma^2 + sigma_data^2) / (sigma sigma_data)^2:
    equation 2 and Table 1. The noise levels of one batch are stratified: one quantile each, rising
    with the place in the batch, which must be in no order of its own.

    Args:
        denoiser: D.
        x0: Clean data (B, ...).
        conditions: Of the same batch.
        generator: Where the noise comes from, on x0's device.
        p_mean: Mean of ln(sigma).
        p_std: Standard deviation of ln(sigma).
        sigma_data: As in `Preconditioned`; the denoiser's own where it has one, else 0.5.
        counts: How much each element's error counts, of a shape that x0's takes; alike if not
            given.

    Returns:
        The mean over batch and elements, ().

    Raises:
        ValueError: sigma_data is not the denoiser's own: 1 would then not be what silence costs.
    """
    own = getattr(denoiser, "sigma_data", None)
    if sigma_data is None:
        sigma_data = 0.5 if own is None else own
    elif own is not None and own != sigma_data:
        raise ValueError(f"the denoiser's sigma_data is {own}, not {sigma_data}")
    n = len(x0)
    uniform = torch.rand(n, generator=generator, device=x0.device, dtype=x0.dtype)
    quantile = (torch.arange(n, device=x0.device) + uniform) / n
    normal = math.sqrt(2) * torch.erfinv((2 * quantile - 1).clamp(-0.999999, 0.999999))
    sigma = (p_mean + p_std * normal).exp()
    noise = torch.randn(x0.shape, generator=generator, device=x0.device, dtype=x0.dtype)
    levels = _levels(sigma, x0)
    weight = (levels**2 + sigma_data**2) / (levels * sigma_data) ** 2
    if counts is not None:
        weight = weight * counts
    return (weight * (denoiser(x0 + levels * noise, sigma, conditions) - x0) ** 2).mean()


def noise_levels(
    steps: int, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
) -> list[float]:
    """The levels of `steps` steps, from sigma_max down to sigma_min and then 0: equation 5.

    :eq:`eq-noise-levels`.

    Raises:
        ValueError: Fewer than one step, or not 0 < sigma_min < sigma_max.
    """
    if steps < 1:
        raise ValueError(f"sampling takes at least 1 step, not {steps}")
    if not 0 < sigma_min < sigma_max:
        raise ValueError(f"need 0 < sigma_min < sigma_max, not {sigma_min} and {sigma_max}")
    return flow.noise_levels(steps, sigma_min, sigma_max, rho).tolist()


@torch.no_grad()
def path(
    denoiser: Denoiser, noise: Tensor, conditions: Any = None, steps: int = 18, **levels: float
) -> Iterator[tuple[float, Tensor]]:
    """Walks the probability-flow ODE dx/dsigma = (x - D(x; sigma)) / sigma by Heun's method.

    The equation is :eq:`eq-probability-flow`. Algorithm 1 without churn: deterministic,
    2 steps - 1 calls of the denoiser.

    Args:
        denoiser: D.
        noise: Standard normal (B, ...); scaled here by sigma_max.
        conditions: Of the same batch.
        steps: Number of steps.
        **levels: sigma_min, sigma_max, rho of `noise_levels`.

    Yields:
        (sigma, x (B, ...)), steps + 1 times: from the noise at sigma_max to the sample at 0.

    Raises:
        ValueError: See `noise_levels`.
    """
    sigmas = noise_levels(steps, **levels)
    yield from flow.heun(
        lambda x, sigma: (x - denoiser(x, sigma, conditions)) / sigma, noise * sigmas[0], sigmas
    )


def sample(
    denoiser: Denoiser, noise: Tensor, conditions: Any = None, steps: int = 18, **levels: float
) -> Tensor:
    """The end of `path`: samples (B, ...). Takes and refuses the same; same noise, same sample.

    Raises:
        ValueError: See `noise_levels`.
        FloatingPointError: The samples are not finite, so that nothing can be measured on them.
    """
    for _, x in path(denoiser, noise, conditions, steps, **levels):
        last = x
    if not last.isfinite().all():
        bad = (~last.reshape(len(last), -1).isfinite().all(1)).sum().item()
        raise FloatingPointError(f"{bad} of {len(last)} samples are not finite after {steps} steps")
    return last


def as_score(denoiser: Denoiser) -> Score:
    """The score that belongs to a denoiser: (D(x; sigma) - x) / sigma^2, equation 3 (Tweedie).

    A sigma that is not above 0 is a ValueError: without noise a denoiser says nothing of the score.
    """

    def function(x: Tensor, sigma: float | Tensor, conditions: Any = None) -> Tensor:
        levels = _levels(sigma, x, zero=False)
        return (denoiser(x, sigma, conditions) - x) / levels**2

    return function


def as_denoiser(score: Score) -> Denoiser:
    """The denoiser that belongs to a score: x + sigma^2 s(x; sigma). The inverse of `as_score`.

    :eq:`eq-score-denoiser`.
    """

    def function(x: Tensor, sigma: float | Tensor, conditions: Any = None) -> Tensor:
        return x + _levels(sigma, x) ** 2 * score(x, sigma, conditions)

    return function


def _levels(sigma: float | Tensor, x: Tensor, zero: bool = True) -> Tensor:
    """Sigma as (B, 1, ...), checked; 0 is a level only where `zero` says so."""
    sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
    if not torch.compiler.is_compiling():  # the check reads values, which a compiled graph cannot
        fine = sigma.isfinite() & ((sigma >= 0) if zero else (sigma > 0))
        if not fine.all():
            least = "at least" if zero else "above"
            raise ValueError(f"sigma must be finite and {least} 0, not {sigma.tolist()}")
    return sigma.expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
