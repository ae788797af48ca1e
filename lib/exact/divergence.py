"""How far two mixtures are apart at a noise level: Fisher error, KL, information, de Bruijn."""

import math
from typing import NamedTuple

import numpy as np
import torch

from lib.exact.mixture import GaussianMixture, independent

FEWEST = 17  # nodes an axis: one and a half deviations apart, every other one three


class Estimate(NamedTuple):
    """A number and its error: of the quadrature, or one standard error of a Monte Carlo mean."""

    value: float
    error: float


def expectation(f, p, sigma, generator=None, n=None):
    r"""$E_{p_\sigma} f(x)$ for a mixture `p`.

    Without a generator by the trapezoidal rule around each component (1 or 2 dimensions; `n`
    points an axis, 161 unless told, over 12 standard deviations each way), the error being what
    every other point would change. With one by Monte Carlo over `n` draws (100,000 unless told).

    Args:
        f: (N, d) -> (N,).
        p: `GaussianMixture` in d dimensions.
        sigma: noise level, a number.
        generator: for Monte Carlo.
        n: points an axis, odd and at least 17, for others say too little of their error; or
            draws, at least 2.

    Returns:
        `Estimate`.

    Raises:
        ValueError: another n, or more dimensions than 2 without a generator.
    """
    if generator is not None:
        if n is not None and n < 2:
            raise ValueError(f"needs at least 2 draws for a number and its error, not {n}")
        values = f(p.sample(n or 100_000, generator, sigma))
        return Estimate(values.mean().item(), values.std().item() / math.sqrt(len(values)))
    if p.d > 2:
        raise ValueError(f"quadrature is for d <= 2, got {p.d}: give a generator for Monte Carlo")
    if n is not None and (n < FEWEST or n % 2 == 0):
        raise ValueError(
            f"needs an odd number of points an axis, at least {FEWEST}, for a number and its "
            f"error, not {n}"
        )
    x, fine, coarse = _nodes(p, sigma, n or 161)
    values = torch.cat([f(some) for some in x.split(2048)])  # small enough for the cache
    value = (fine @ values).item()
    return Estimate(value, abs((coarse @ values).item() - value))


def fisher(p, score, sigma, relative=False, generator=None, n=None):
    r"""The Fisher error $E_{p_\sigma} \|\nabla \log p_\sigma - s\|^2$ of a score, :eq:`eq-fisher`.

    For the score of a distribution q it is the relative Fisher information I(p, q). Absolute, in
    units of 1/x^2; with `relative=True` divided by $E_{p_\sigma} \|\nabla \log p_\sigma\|^2$.

    Args:
        p: `GaussianMixture`.
        score: `f(x, sigma)`.
        sigma: noise level, a number.
        relative: divide by the mean squared norm of p's own score.
        generator: for Monte Carlo; without it, quadrature. See `expectation`, as for `n`.
        n: points an axis, or draws.

    Returns:
        `Estimate`.
    """

    def gap(x):
        return (p.score(x, sigma) - score(x, sigma)).square().sum(-1)

    error = expectation(gap, p, sigma, generator, n)
    if not relative:
        return error
    whole = expectation(lambda x: p.score(x, sigma).square().sum(-1), p, sigma, generator, n)
    ratio = error.value / whole.value
    return Estimate(ratio, (error.error + ratio * whole.error) / whole.value)


def kl(p, q, sigma, generator=None, n=None):
    r"""$KL(p_\sigma \| q_\sigma)$ of two mixtures in nats; `generator`, `n` as in `expectation`."""
    return expectation(
        lambda x: p.log_prob(x, sigma) - q.log_prob(x, sigma), p, sigma, generator, n
    )


def factorised(p, blocks):
    """The product of the mixture's marginals on `blocks`, lists of pixels that partition 0..d-1."""
    if sorted(pixel for pixels in blocks for pixel in pixels) != list(range(p.d)):
        raise ValueError(f"blocks must hold each of 0..{p.d - 1} once, got {blocks}")
    return independent([(pixels, p.marginal(pixels)) for pixels in blocks])


def mutual_information(p, blocks, sigma, generator=None, n=None):
    r"""The information in nats that the blocks of $p_\sigma$ hold about each other.

    $KL(p_\sigma \| \prod_b p_\sigma(x_b))$; `generator` and `n` as in `expectation`.
    """
    return kl(p, factorised(p, blocks), sigma, generator, n)


def de_bruijn(p, q, low, high, generator=None, n=None, levels=64):
    r"""$\frac12 \int I(p_\sigma, q_\sigma) d\sigma^2$ from noise `low` to `high`.

    The identity :eq:`eq-de-bruijn` says that it equals
    $KL(p_{low} \| q_{low}) - KL(p_{high} \| q_{high})$. Gauss-Legendre in log sigma with `levels`
    nodes; `generator` and `n` as in `expectation`. The error adds up those of the Fisher errors.

    Returns:
        `Estimate`.
    """
    if not 0 < low < high:
        raise ValueError(f"needs 0 < low < high, got {low}, {high}")
    half = math.log(high / low) / 2
    nodes, weights = np.polynomial.legendre.leggauss(levels)
    sigmas = math.sqrt(low * high) * np.exp(half * nodes)
    errors = np.array([fisher(p, q.score, s, generator=generator, n=n) for s in sigmas.tolist()])
    value, error = (half * weights * sigmas**2) @ errors
    return Estimate(float(value), float(error))


def entangled(knob, spread=0.0):
    r"""A family from factorised to entangled: four points $(\pm 1, \pm 1)$ in the plane.

    Equal signs have probability (1 + knob) / 4 each, unequal ones (1 - knob) / 4, so that the
    marginals do not move and the covariance of the two coordinates is `knob`.

    Args:
        knob: 0 is a product (CPC), 1 is the two points (1, 1) and (-1, -1); -1 to 1.
        spread: standard deviation around each point, in both directions.
    """
    if not -1 <= knob <= 1:
        raise ValueError(f"knob must be in [-1, 1], got {knob}")
    means = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 2)
    weights = (1 + knob * means.double().prod(1)) / 4
    means, weights = means[weights > 0], weights[weights > 0]
    covs = spread**2 * torch.eye(2, dtype=torch.float64).expand(len(means), 2, 2)
    return GaussianMixture(weights, means, covs)


def textured(ratio, correlation=0.8):
    r"""A family from a texture to two points: $x = \pm(m, m) + w u$ in the plane.

    The sign is fair: a choice that both coordinates share. $u$ is a texture, Gaussian with unit
    variances and a correlation. $m^2 + w^2 = 1$, so that each coordinate has variance 1 at every
    ratio.

    Args:
        ratio: $m / w$, how far apart the two pictures lie beside the texture's deviation: 0 is the
            texture alone, `math.inf` the two points (1, 1) and (-1, -1).
        correlation: of the texture's two coordinates, in (-1, 1).
    """
    if not ratio >= 0 or not -1 < correlation < 1:
        raise ValueError(
            f"needs a ratio of at least 0 and a correlation in (-1, 1), got {ratio}, {correlation}"
        )
    w = 1 / math.hypot(1, ratio)
    m = ratio * w if math.isfinite(ratio) else 1.0
    means = torch.tensor([[m, m], [-m, -m]] if ratio else [[0.0, 0.0]], dtype=torch.float64)
    cov = w**2 * torch.tensor([[1.0, correlation], [correlation, 1.0]], dtype=torch.float64)
    return GaussianMixture([1 / len(means)] * len(means), means, cov.expand(len(means), 2, 2))


def mixed_difference(log_prob, x, y, pixels):
    """How far a density is from separable between `pixels` and the rest, at two points, (...,).

    log p(x) + log p(y) less the same with the two points' `pixels` exchanged: zero everywhere if
    and only if the pixels are independent of the rest (where the density is positive).

    Args:
        log_prob: (..., d) -> (...,).
        x: (..., d).
        y: (..., d).
        pixels: the block whose values are exchanged.
    """
    x_swapped, y_swapped = x.clone(), y.clone()
    x_swapped[..., pixels], y_swapped[..., pixels] = y[..., pixels], x[..., pixels]
    return log_prob(x) + log_prob(y) - log_prob(x_swapped) - log_prob(y_swapped)


def _nodes(p, sigma, n, reach=12.0):
    """Nodes (N, d) around p's components, and the weights of all and of every other one, (N,)."""
    steps = torch.linspace(-reach, reach, n, dtype=torch.float64)
    z = torch.cartesian_prod(*[steps] * p.d).reshape(-1, p.d)
    sparse = torch.zeros(n, dtype=torch.float64)
    sparse[::2] = 1
    kept = torch.cartesian_prod(*[sparse] * p.d).reshape(-1, p.d).prod(1)
    density = torch.exp(-z.square().sum(1) / 2)
    fine, coarse = density / density.sum(), density * kept / (density * kept).sum()
    there = p.weights > 0
    x = (p.means[there, None] + z @ p.roots(sigma)[there].mT).flatten(0, 1)
    return x, torch.kron(p.weights[there], fine), torch.kron(p.weights[there], coarse)
