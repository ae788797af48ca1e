"""What colour an object has in a picture: a rule on one pixel.

The pixel in which the object's centre lies is compared with what that pixel is in real pictures of
each of CLEVR's colours: a linear discriminant, eight means and one covariance of three channels.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from lib.scenes.scene import COLORS
from lib.storage import check_finite


class Rule(NamedTuple):
    """Means (8, 3) of the colours in `COLORS`' order, and the inverse covariance (3, 3)."""

    means: Tensor
    precision: Tensor


def fitted(pixels: Tensor, colours: Tensor) -> Rule:
    """The rule of real objects.

    Args:
        pixels: (N, 3), see `pixel`.
        colours: (N,), indices into `COLORS`.

    Raises:
        ValueError: A colour has fewer than two objects, or a pixel is not finite.
    """
    check_finite(pixels, "pixels")
    count = torch.bincount(colours, minlength=len(COLORS))
    if (count < 2).any():
        names = [name for name, n in zip(COLORS, count.tolist(), strict=True) if n < 2]
        raise ValueError(f"need two objects or more of each colour, not so of {names}")
    means = torch.stack([pixels[colours == c].mean(0) for c in range(len(COLORS))])
    within = torch.cov((pixels - means[colours]).T)
    return Rule(means, torch.linalg.inv(within))


def read(rule: Rule, pixels: Tensor) -> Tensor:
    """The colours (...) of objects, indices into `COLORS`, by their pixels (..., 3).

    Raises:
        ValueError: A pixel is not finite: the first colour would be read off it.
    """
    check_finite(pixels.reshape(-1, 3), "pixels")
    apart = pixels[..., None, :] - rule.means
    return ((apart @ rule.precision) * apart).sum(-1).argmin(-1)


def pixel(pictures: Tensor, places: Tensor) -> Tensor:
    """The pixels in which places lie: pictures (B, 3, S, S), places (B, K, 2) -> (B, K, 3)."""
    size = pictures.shape[-1]
    column, row = (places * size).long().clamp(0, size - 1).unbind(-1)
    return pictures.permute(0, 2, 3, 1)[torch.arange(len(pictures))[:, None], row, column]
