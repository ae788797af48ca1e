"""Whether a picture shows one scene under one light, or pieces of several.

Hits cannot tell a scene from a paste: pictures of one object each, cut along the borders between
the nearest requests, fill every place. A small network, trained by `lib.experiments.coherence`,
learned the difference on real pictures: scenes of K objects, against scissors on real scenes of one
object each. `coherence` is the share of pictures that pass for one scene.
"""

from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from lib.storage import check_finite, checkpoint

WEIGHTS = Path(__file__).parents[1] / "results" / "coherence.safetensors"


class Judge(nn.Module):
    """Pictures (B, 3, 32, 32) to the logit (B,) of being one scene."""

    name = "coherence-32"

    def __init__(self):
        """A network with random weights."""
        super().__init__()
        self.body = nn.Sequential(
            _block(6, 32), _block(32, 48, 2), _block(48, 64, 2), _block(64, 96, 2), _block(96, 96)
        )
        self.out = nn.Linear(96, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """The logits. Edges are shown enlarged: on the ground a seam is a few hundredths high."""
        around = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
        edges = (10 * (pictures - around)).clamp(-1, 1)
        return self.out(self.body(torch.cat([pictures, edges], 1)).mean((2, 3)))[:, 0]


def _block(channels: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride, 1, bias=False),
        nn.GroupNorm(8, width),
        nn.SiLU(),
        nn.Conv2d(width, width, 3, 1, 1, bias=False),
        nn.GroupNorm(8, width),
        nn.SiLU(),
    )


@torch.no_grad()
def logits(judge: Judge, pictures: Tensor) -> Tensor:
    """How much each picture (B, 3, S, S), S a multiple of 32, looks like one scene: (B,).

    Raises:
        ValueError: The pictures are of another shape, or not finite.
    """
    size = pictures.shape[-1]
    if pictures.shape[1:] != (3, size, size) or not size or size % 32:
        raise ValueError(f"pictures are (B, 3, S, S), 32 dividing S, not {tuple(pictures.shape)}")
    check_finite(pictures, "pictures")
    return judge(F.adaptive_avg_pool2d(pictures, 32))


def coherence(values: Tensor) -> float:
    """The share of pictures that pass for one scene, by their logits (n,): those above 0.

    Raises:
        ValueError: A logit is not finite, or there is none.
    """
    if not len(values) or not values.isfinite().all():
        raise ValueError(f"coherence needs finite logits, not {values.tolist()}")
    return float((values > 0).double().mean())


def seams(pictures: Tensor, owners: Tensor) -> Tensor:
    """How much higher a picture's steps are across the borders between pieces than beside them.

    Of each pair of neighbouring pixels on two sides of a border: the step between them less the
    mean of the two steps that follow it on either side; steps are absolute, a mean over channels.
    About 0 wherever a picture does not know of the borders, smooth or not.

    Args:
        pictures: (B, C, S, S), in [-1, 1].
        owners: Which piece a pixel is of, (B, S, S), integers.

    Returns:
        The mean over all such pairs, (B,), in units of brightness.

    Raises:
        ValueError: The shapes do not fit, a picture has no border, or one is not finite.
    """
    check_finite(pictures, "pictures")
    if owners.shape != pictures.shape[:1] + pictures.shape[2:]:
        raise ValueError(f"owners are (B, S, S) of pictures, not {tuple(owners.shape)}")
    total, count = pictures.new_zeros(len(pictures)), owners.new_zeros(len(pictures))
    for turned, of in ((pictures, owners), (pictures.mT, owners.mT)):
        steps = turned.diff().abs().mean(1)
        excess = steps[..., 1:-1] - (steps[..., :-2] + steps[..., 2:]) / 2
        border = of.diff()[..., 1:-1] != 0
        total += (excess * border).sum((1, 2))
        count += border.sum((1, 2))
    if not count.all():
        raise ValueError("a picture of one piece has no border to look along")
    return total / count


def load(path: str | Path = WEIGHTS) -> Judge:
    """The judge that `python -m lib.experiments coherence` trained.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or holds another network.
    """
    return checkpoint.loaded(Judge(), path)
