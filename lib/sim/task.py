"""The Structured Identity Mapping (SIM) task: its data, its losses, its held-out points.

Source: Yang et al., "Swing-by Dynamics in Concept Learning and Compositional Generalization",
ICLR 2025, arXiv 2410.08309. Everything is float64; lengths are in units of concept space.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import torch

from lib.sim import _arguments


@dataclass(frozen=True)
class SIMTask:
    """Learn the identity from clusters x ~ N(mu_p e_p, diag(sigma)^2), one for each concept p.

    Args:
        mu: concept signal strengths, s numbers: cluster p is centred at mu_p e_p.
        sigma: data diversities, s standard deviations, shared by all clusters. The data do not
            vary along the other d - s coordinates.
        d: dimension of the space, s if not given.
        origin_cluster: whether an equally weighted cluster at the origin is added, as the
            official code does for its networks.

    Raises:
        ValueError: mu or sigma empty, of different lengths, not finite, sigma negative, or d < s.
    """

    mu: Sequence[float]
    sigma: Sequence[float]
    d: int | None = None
    origin_cluster: bool = False

    def __post_init__(self):
        """Check the arguments and store them as plain numbers, so that tasks can be compared."""
        for name in ("mu", "sigma"):
            values = _arguments.as_float64(getattr(self, name), name)
            if values.ndim != 1 or not len(values):
                raise ValueError(f"{name} must be a sequence with one number for each concept")
            object.__setattr__(self, name, tuple(values.tolist()))
        if len(self.mu) != len(self.sigma):
            raise ValueError(
                f"mu and sigma must be equally long, but hold {len(self.mu)} and {len(self.sigma)}"
            )
        if min(self.sigma) < 0:
            raise ValueError(f"sigma is a standard deviation: {min(self.sigma):g} is negative")
        d = self.s if self.d is None else self.d
        if not isinstance(d, Integral) or d < self.s:
            raise ValueError(f"d must be a whole number, at least s = {self.s} concepts, not {d}")
        object.__setattr__(self, "d", int(d))

    @property
    def s(self) -> int:
        """Number of concepts."""
        return len(self.mu)

    @property
    def a(self) -> torch.Tensor:
        """Diagonal (d,) of A = E[x x^T], the *uncentred* second moment of a training point.

        a_p = sigma_p^2 + mu_p^2 / s for p <= s (s + 1 with an origin cluster), else 0.
        :eq:`eq-sim-a`
        """
        sigma, mu = self._padded(self.sigma), self.test_point
        return sigma**2 + mu**2 / self._clusters

    @property
    def test_point(self) -> torch.Tensor:
        """The held-out composition x_hat = sum_p mu_p e_p, shape (d,)."""
        return self._padded(self.mu)

    def corners(self) -> torch.Tensor:
        """The hierarchy of tests x_hat^(v) = sum_p v_p mu_p e_p, shape (2**s, d).

        Rows count v in {0, 1}^s upwards in binary, the first concept as the leading digit: row 0
        is the origin and the last row is `test_point`.
        """
        v = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * self.s)
        corners = torch.zeros(2**self.s, self.d, dtype=torch.float64)
        corners[:, : self.s] = v.reshape(-1, self.s) * self.test_point[: self.s]
        return corners

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw n training points a cluster, shape (s * n, d), on the generator's device.

        Rows come in the order of the clusters; an origin cluster adds n rows at the end.

        Raises:
            ValueError: n below 1.
        """
        if not isinstance(n, Integral) or n < 1:
            raise ValueError(f"n must be a whole number of points a cluster, at least 1, not {n}")
        centres = torch.zeros(self._clusters, 1, self.d, dtype=torch.float64)
        centres[: self.s, 0] = torch.diag(self.test_point)[: self.s]
        device = generator.device
        noise = torch.randn(
            self._clusters, n, self.d, generator=generator, dtype=torch.float64, device=device
        )
        points = centres.to(device) + self._padded(self.sigma).to(device) * noise
        return points.reshape(-1, self.d)

    @property
    def _clusters(self) -> int:
        return self.s + self.origin_cluster

    def _padded(self, values: tuple[float, ...]) -> torch.Tensor:
        padded = torch.zeros(self.d, dtype=torch.float64)
        padded[: self.s] = torch.tensor(values, dtype=torch.float64)
        return padded


def population_loss(w, task: SIMTask) -> torch.Tensor:
    """Training loss of the linear maps f(x) = W x at infinitely many points. :eq:`eq-sim-loss`

    1/2 ||(W - I) A^{1/2}||_F^2: `w` (..., d, d) -> (...).

    Raises:
        ValueError: w of another shape or not finite.
    """
    w = _arguments.square(w, "w", task.d)
    error = w - torch.eye(task.d, dtype=w.dtype, device=w.device)
    return (error**2 * task.a.to(w)).sum((-2, -1)) / 2


def ood_loss(w, task: SIMTask) -> torch.Tensor:
    """Loss of the linear maps f(x) = W x at the held-out composition. :eq:`eq-sim-ood`

    1/2 ||W x_hat - x_hat||^2: `w` (..., d, d) -> (...).

    Raises:
        ValueError: w of another shape or not finite.
    """
    w = _arguments.square(w, "w", task.d)
    x = task.test_point.to(w)
    return ((w @ x - x) ** 2).sum(-1) / 2
