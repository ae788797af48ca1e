"""SIM's concepts as conditions of a picture: condition c_j is the brightness of block j.

A picture has s blocks of m pixels. Given conditions c it is x0 = B c + texture: column j of B is
flat on block j, of length one, so that c_j moves block j and nothing else, and texture is white
noise of standard deviation tau. That is a conditional projective composition (CPC) whose background
factorises, an absent condition being c_j = 0. Training draws c from SIM's clusters: one condition
at a time, mu_j strong, all of them varying by sigma_p. The held-out conditions are all at once.

Noise of level sigma makes x = x0 + sigma n. With nu^2 = tau^2 + sigma^2 the conditional score is
s(x | c) = (B c - x) / nu^2, so that a network has to find the picture's mean B c: SIM's identity.
Derived in the book. Everything is float64.
"""

from dataclasses import dataclass
from functools import cached_property
from numbers import Integral

import torch

from lib.sim import _arguments
from lib.sim.task import SIMTask


@dataclass(frozen=True)
class Blocks:
    """Pictures whose blocks the concepts of a SIM task light up, at one noise level.

    Args:
        task: strengths and diversities of the conditions; d = s, without an origin cluster.
        pixels: m, pixels a block.
        texture: tau, standard deviation of the texture at each pixel.
        noise: sigma, the noise level.
        correlation: of the diversities of any two conditions; 0 as in SIM.

    Raises:
        ValueError: a task of another kind, an argument outside its range, a correlation that no
            s variables can have.
    """

    task: SIMTask
    pixels: int = 4
    texture: float = 0.3
    noise: float = 3.0
    correlation: float = 0.0

    def __post_init__(self):
        """Check the arguments."""
        if self.task.d != self.task.s or self.task.origin_cluster:
            raise ValueError("the task must have d = s and no origin cluster")
        if not isinstance(self.pixels, Integral) or self.pixels < 1:
            raise ValueError(f"pixels must be a whole number, at least 1, not {self.pixels}")
        if not (0 < self.texture < torch.inf and 0 < self.noise < torch.inf):
            raise ValueError(
                "texture and noise must be positive and finite, not "
                f"{self.texture} and {self.noise}"
            )
        least = -1 / max(1, self.task.s - 1)
        if not least <= self.correlation <= 1:
            raise ValueError(f"correlation must lie in [{least:.3g}, 1], not {self.correlation}")

    @property
    def n(self) -> int:
        """Number of pixels, s m."""
        return self.task.s * self.pixels

    @cached_property
    def owner(self) -> torch.Tensor:
        """The block (n,) that each pixel belongs to."""
        return torch.arange(self.task.s).repeat_interleave(self.pixels)

    @cached_property
    def pattern(self) -> torch.Tensor:
        """B (n, s): what each condition adds to the picture, in columns of length one."""
        return (self.owner[:, None] == torch.arange(self.task.s)).double() / self.pixels**0.5

    @property
    def variance(self) -> float:
        """nu^2 = tau^2 + sigma^2, of a noisy pixel about its mean given the conditions."""
        return self.texture**2 + self.noise**2

    @property
    def kept_share(self) -> float:
        """Share of a pixel's departure from its mean that the best denoiser keeps, tau^2/nu^2."""
        return self.texture**2 / self.variance

    @cached_property
    def scale(self) -> float:
        """Factor on what a network sees of the picture: its pixels then have mean square one."""
        return (self.variance + self.moments.trace().item() / self.n) ** -0.5

    @cached_property
    def moments(self) -> torch.Tensor:
        """A = E[c c^T] (s, s) of the conditions in training: SIM's, diagonal if uncorrelated."""
        sigma = torch.tensor(self.task.sigma, dtype=torch.float64)
        shared = self.correlation * torch.outer(sigma, sigma)
        return torch.diag(self.task.a) + shared - torch.diag(shared.diagonal())

    def conditions(self, lead: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        """Conditions as in training, `lead` then (s,): one about mu_j, the others about zero."""
        s = self.task.s
        cluster = torch.randint(s, lead, generator=generator)
        jitter = torch.randn(*lead, s, generator=generator, dtype=torch.float64)
        if self.correlation:
            equal = torch.full((s, s), self.correlation, dtype=torch.float64).fill_diagonal_(1)
            values, axes = torch.linalg.eigh(equal)
            jitter = jitter @ (axes * values.clamp(min=0).sqrt()).mT
        sigma = torch.tensor(self.task.sigma, dtype=torch.float64)
        return torch.diag(self.task.test_point)[cluster] + sigma * jitter

    def pictures(self, c, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Clean pictures and the same with noise, (..., n) each, under conditions c (..., s)."""
        shape = (2, *c.shape[:-1], self.n)
        texture, noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        clean = c @ self.pattern.mT + self.texture * texture
        return clean, clean + self.noise * noise

    def target(self, clean, noisy) -> torch.Tensor:
        """What a network's answer is trained towards: (x0 - k x) / (1 - k), k = `kept`.

        Its mean given x and c is B c. Both (..., n).
        """
        return (clean - self.kept_share * noisy) / (1 - self.kept_share)

    def denoise(self, answer, x) -> torch.Tensor:
        """The denoiser that a network's answer F (..., n) makes: k x + (1 - k) F."""
        return self.kept_share * x + (1 - self.kept_share) * answer

    def score(self, answer, x) -> torch.Tensor:
        """The score that a network's answer makes: (F - x) / nu^2. :eq:`eq-blocks-score`

        With the answer B c it is the exact one. Both (..., n).
        """
        return (answer - x) / self.variance


def denoising_loss(blocks: Blocks, p, q) -> torch.Tensor:
    """Expected denoising loss of answers F = P (scale x) + Q c, over (1 - k)^2, less its least.

    That is SIM's loss with a noisy picture as a second witness: :eq:`eq-blocks-loss`,
    1/2 ||(M - B) A^{1/2}||^2 + 1/2 scale^2 nu^2 ||P||^2 with M = scale P B + Q.

    Args:
        blocks: the pictures.
        p: (..., n, n). q: (..., n, s).

    Returns:
        (...).

    Raises:
        ValueError: other shapes, or not finite.
    """
    p, q = _arguments.as_float64(p, "p"), _arguments.as_float64(q, "q")
    if p.shape[-2:] != (blocks.n, blocks.n) or q.shape[-2:] != (blocks.n, blocks.task.s):
        raise ValueError(
            f"p and q must be (..., {blocks.n}, {blocks.n}) and (..., {blocks.n}, "
            f"{blocks.task.s}), not {tuple(p.shape)} and {tuple(q.shape)}"
        )
    error = blocks.scale * p @ blocks.pattern + q - blocks.pattern
    response = ((error @ blocks.moments) * error).sum((-2, -1))
    return (response + blocks.scale**2 * blocks.variance * p.square().sum((-2, -1))) / 2


def one_layer(blocks: Blocks, t) -> tuple[torch.Tensor, torch.Tensor]:
    """What one layer hears of each block's picture and of its condition. :eq:`eq-blocks-one-layer`

    From zero, under gradient flow on `denoising_loss`, block j alone: the weight p_j of its own
    pattern in the (scaled) picture and q_j of its own condition follow two exponentials. With
    uncorrelated conditions there is nothing else, p_ij = q_ij = 0 off the diagonal.

    Args:
        blocks: uncorrelated.
        t: times (T,), steps times learning rate, not negative and not going backwards.

    Returns:
        p and q, (T, s) each; at the end 0 and 1.

    Raises:
        ValueError: correlated conditions, bad times.
    """
    if blocks.correlation:
        raise ValueError("the closed form is for uncorrelated conditions")
    t, a, scale = _arguments.times(t), blocks.task.a, blocks.scale
    if t.ndim != 1:
        raise ValueError(f"t must have shape (T,), not {tuple(t.shape)}")
    seen, both = scale**2 * (a + blocks.variance), scale * a
    moments = torch.stack([torch.stack([seen, both], -1), torch.stack([both, a], -1)], -2)
    rates, axes = torch.linalg.eigh(moments)  # (s, 2), (s, 2, 2)
    decayed = torch.exp(-rates * t[:, None, None]) * axes[:, 1]  # of the error (0, -1)
    missing = (axes @ decayed.unsqueeze(-1)).squeeze(-1)  # (T, s, 2)
    return -missing[..., 0], 1 - missing[..., 1]
