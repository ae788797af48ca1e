"""Gaussian mixtures: noised density, score, posterior and push-forward in closed form, float64."""

import math

import torch


class GaussianMixture:
    r"""The distribution $\sum_k w_k N(\mu_k, C_k)$; a point mass is a component with $C_k = 0$.

    Every method that takes `sigma` speaks of the mixture after isotropic noise of that standard
    deviation, $\sum_k w_k N(\mu_k, C_k + \sigma^2 I)$. `x` is (..., d), and `sigma` a number or a
    tensor that broadcasts with the leading dimensions of `x`.
    """

    def __init__(self, weights, means, covs):
        """Checks the parameters and diagonalises the covariances.

        Args:
            weights: (K,), not negative, sum 1.
            means: (K, d).
            covs: (K, d, d), symmetric, no negative eigenvalue; singular ones need `sigma > 0`.

        Raises:
            ValueError: wrong shapes, weights that are no probabilities, covariances that are none.
        """
        self.weights, self.means = _float64(weights).clone(), _float64(means).clone()
        covs = _float64(covs)
        _check_parameters(self.weights, self.means, covs)
        self.covs = (covs + covs.mT) / 2
        values, self._axes = torch.linalg.eigh(self.covs)  # (K, d), (K, d, d): axes in columns
        top = values[:, -1:].clamp(min=0)
        if (values < -1e-7 * top.clamp(min=1e-300)).any():
            raise ValueError("a covariance has a negative eigenvalue; all must be >= 0")
        negligible = values <= self.d * torch.finfo(torch.float64).eps * top
        self._variances = values.masked_fill(negligible, 0.0)

    @property
    def d(self):
        """The number of coordinates."""
        return self.means.shape[1]

    @property
    def mean(self):
        """The mean of the whole mixture, (d,)."""
        return self.weights @ self.means

    @property
    def cov(self):
        """The covariance of the whole mixture, (d, d)."""
        spread = self.means - self.mean
        within = torch.einsum("k,kde->de", self.weights, self.covs)
        return within + torch.einsum("k,kd,ke->de", self.weights, spread, spread)

    def log_prob(self, x, sigma):
        """The log-density of the noised mixture at `x`, (...,), by log-sum-exp. :eq:`eq-noising`"""
        return torch.logsumexp(self._log_joint(*self._along_axes(x, sigma)), -1)

    def responsibilities(self, x, sigma):
        """The posterior probability of each component given the noised `x`, (..., K)."""
        return torch.softmax(self._log_joint(*self._along_axes(x, sigma)), -1)

    def score(self, x, sigma, conditions=None):
        r"""The score $\nabla_x \log p_\sigma(x)$, (..., d); see :eq:`eq-mixture-score`.

        `conditions` is there so that a mixture fits wherever a score is called; it must be empty.
        """
        if conditions is not None and len(conditions):
            raise ValueError(f"a mixture knows no conditions, got {conditions!r}")
        along, variances = self._along_axes(x, sigma)
        share = torch.softmax(self._log_joint(along, variances), -1)
        return self._back(share[..., None] * (-along / variances))

    def posterior_mean(self, x, sigma):
        r"""$E[x_0 | x]$, (..., d), component by component: :eq:`eq-denoiser`.

        Equal to $x + \sigma^2 s(x)$, without its cancellation at low noise.
        """
        share, means, _ = self._posteriors(x, sigma)
        return (share[..., None] * means).sum(-2)

    def posterior_cov(self, x, sigma):
        r"""$\mathrm{Cov}(x_0 | x)$, (..., d, d): second-order Tweedie, :eq:`eq-tweedie-two`.

        Equal to $\sigma^2 I + \sigma^4 \nabla^2 \log p_\sigma(x)$, without its cancellation.
        """
        share, means, variances = self._posteriors(x, sigma)
        spread = means - (share[..., None] * means).sum(-2, keepdim=True)
        between = torch.einsum("...k,...kd,...ke->...de", share, spread, spread)
        weighted = share[..., None] * variances  # (..., K, d)
        return between + torch.einsum("...ki,kdi,kei->...de", weighted, self._axes, self._axes)

    def marginal(self, pixels):
        """The mixture of the coordinates `pixels`, in that order; equal components are merged."""
        pixels = list(pixels)
        if not pixels or len(set(pixels)) < len(pixels) or not set(pixels) <= set(range(self.d)):
            raise ValueError(f"pixels must be distinct and in 0..{self.d - 1}, got {pixels}")
        means, covs = self.means[:, pixels], self.covs[:, pixels][:, :, pixels]
        rows = torch.cat([means, covs.flatten(1)], 1)
        rows, component = torch.unique(rows, dim=0, return_inverse=True)
        means, covs = rows.split([len(pixels), len(pixels) ** 2], 1)
        weights = self.weights.new_zeros(len(rows)).index_add(0, component, self.weights)
        return GaussianMixture(weights, means, covs.unflatten(1, (len(pixels), -1)))

    def push_forward(self, A):
        """The mixture of `A x`, for a matrix `A` (e, d)."""
        A = _float64(A)
        if A.ndim != 2 or A.shape[1] != self.d:
            raise ValueError(f"A must be (e, {self.d}), got {tuple(A.shape)}")
        return GaussianMixture(self.weights, self.means @ A.T, A @ self.covs @ A.T)

    def roots(self, sigma):
        """A root R of each component's noised covariance, R R^T, (K, d, d); `sigma` a number."""
        return self._axes * (self._variances + sigma**2).sqrt()[:, None, :]

    def sample(self, n, generator, sigma=0.0):
        """`n` draws of the mixture with noise `sigma` added, (n, d), from `generator`."""
        component = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        x = torch.randn(n, self.d, generator=generator, dtype=torch.float64)
        scales = (self._variances + sigma**2).sqrt()
        for k in component.unique():  # one matrix a component that was drawn, and none built
            drawn = component == k
            x[drawn] = self.means[k] + (x[drawn] * scales[k]) @ self._axes[k].T
        return x

    def _along_axes(self, x, sigma):
        """`x - mu_k` and the noised variance, both along the axes of component k, (..., K, d)."""
        x, sigma = self._check(x, sigma)
        along = torch.einsum("...kd,kde->...ke", x[..., None, :] - self.means, self._axes)
        return along, self._variances + sigma[..., None, None] ** 2

    def _back(self, along):
        """The sum over components of vectors along their axes, (..., K, d) -> (..., d)."""
        return along.flatten(-2) @ self._axes.mT.flatten(0, 1)

    def _log_joint(self, along, variances):
        """log w_k + log N(x; mu_k, C_k + sigma^2 I), (..., K)."""
        terms = along**2 / variances + torch.log(2 * math.pi * variances)
        return self.weights.log() - terms.sum(-1) / 2

    def _posteriors(self, x, sigma):
        """Of each component given x: share (..., K), mean (..., K, d), variances along its axes."""
        along, noised = self._along_axes(x, sigma)
        shrunk = along * (self._variances / noised)
        means = self.means + torch.einsum("...ke,kde->...kd", shrunk, self._axes)
        variances = self._variances * (_float64(sigma)[..., None, None] ** 2 / noised)
        return torch.softmax(self._log_joint(along, noised), -1), means, variances

    def _check(self, x, sigma):
        x, sigma = _float64(x), _float64(sigma)
        if x.shape[-1:] != (self.d,):
            raise ValueError(f"x must be (..., {self.d}), got {tuple(x.shape)}")
        try:
            torch.broadcast_shapes(x.shape[:-1], sigma.shape)
        except RuntimeError:
            raise ValueError(
                f"sigma {tuple(sigma.shape)} does not broadcast with x {tuple(x.shape)} less d"
            ) from None
        if not (sigma >= 0).all():
            raise ValueError("sigma must not be negative")
        if (sigma == 0).any() and (self._variances == 0).any():
            raise ValueError("sigma must be > 0: a component is a point mass or singular")
        return x, sigma


def independent(blocks):
    """The enumerated mixture in which blocks of coordinates are independent.

    Args:
        blocks: pairs (pixels, mixture) whose pixels together are 0..d-1, each once.

    Returns:
        A `GaussianMixture` with one component for every choice of a component in every block.
    """
    blocks = [(list(pixels), mixture) for pixels, mixture in blocks]
    everything = sorted(pixel for pixels, _ in blocks for pixel in pixels)
    d = len(everything)
    if everything != list(range(d)) or any(len(p) != m.d for p, m in blocks):
        raise ValueError("the blocks' pixels must be 0..d-1, each once, as many as coordinates")
    choices = torch.cartesian_prod(*[torch.arange(len(m.weights)) for _, m in blocks])
    choices = choices.reshape(-1, len(blocks))  # (K, blocks)
    weights = torch.ones(len(choices), dtype=torch.float64)
    means, covs = weights.new_zeros(len(choices), d), weights.new_zeros(len(choices), d, d)
    for (pixels, mixture), k in zip(blocks, choices.T, strict=True):
        index = torch.tensor(pixels)
        weights *= mixture.weights[k]
        means[:, index] = mixture.means[k]
        covs[:, index[:, None], index] = mixture.covs[k]
    return GaussianMixture(weights, means, covs)


def _float64(value):
    return torch.as_tensor(value, dtype=torch.float64)


def _check_parameters(weights, means, covs):
    K, d = (len(weights), means.shape[-1]) if weights.ndim == 1 and means.ndim == 2 else (0, 0)
    if not K or not d or means.shape != (K, d) or covs.shape != (K, d, d):
        raise ValueError(
            "weights, means and covs must be (K,), (K, d) and (K, d, d), got "
            f"{tuple(weights.shape)}, {tuple(means.shape)} and {tuple(covs.shape)}"
        )
    if not all(torch.isfinite(p).all() for p in (weights, means, covs)):
        raise ValueError("weights, means and covs must be finite")
    if (weights < 0).any() or abs(weights.sum().item() - 1) > 1e-6:
        raise ValueError(f"weights must be >= 0 and sum to 1, got {weights.tolist()[:8]}")
    if (covs - covs.mT).abs().max() > 1e-6 * covs.abs().max():
        raise ValueError("covs must be symmetric")
