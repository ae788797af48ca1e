"""Ways of asking a denoiser for several requests, without training it for them.

The answers to single requests, and to none, are put together place by place::

    D(x)[i] = D(x; none)[i] + sum_j h_j(i) (D(x; c_j)[i] - D(x; none)[i])       (eq-asked)

where h_j(i) says how much place i hears of request j (`lib.diffusion.hearing`). With h = 1 the
scores are composed (Du et al. 2023); with weights that add up to 1 nothing of the answer to none is
left: one request a place, a mean, borders hard or soft. A cut through pictures that were drawn
separately, `pasted`, uses the same weights once, at the end.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lib.diffusion import edm, hearing
from lib.diffusion.pathways import Locations

Hear = Callable[[Locations, float], Tensor]  # conditions, sigma -> weights (B, K, grid, grid)


def level_of(sigma: float | Tensor) -> float:
    """The one noise level of a batch: who is heard depends on it.

    Raises:
        ValueError: Pictures have levels of their own.
    """
    levels = torch.as_tensor(sigma).flatten()
    if not (levels == levels[0]).all():
        raise ValueError(f"all pictures must be asked at one noise level, not {levels.tolist()}")
    return float(levels[0])


def singly(conditions: Locations) -> Locations:
    """Each request alone, as a batch of pictures: (B, K) -> (K B, 1), request by request."""
    locations, mask = conditions
    return locations.transpose(0, 1).reshape(-1, 1, 2), mask.T.reshape(-1, 1)


def singly_and_none(conditions: Locations) -> Locations:
    """As `singly`, and after them no request: (B, K) -> ((K + 1) B, 1)."""
    locations, mask = singly(conditions)
    batch = len(conditions[1])
    none = locations.new_zeros(batch, 1, 2), mask.new_zeros(batch, 1)
    return torch.cat([locations, none[0]]), torch.cat([mask, none[1]])


def enlarged(weights: Tensor, size: int) -> Tensor:
    """Weights of cells as weights of pixels: (..., grid, grid) -> (..., size, size)."""
    cell = size // weights.shape[-1]
    return weights.repeat_interleave(cell, -1).repeat_interleave(cell, -2)


def added(none: Tensor, answers: Sequence[Tensor], weights: Tensor | None = None) -> Tensor:
    """The answer to none, and what each other one adds to it: the sum of `by_place`.

    Args:
        none: (B, C, H, W), as each of the answers is.
        answers: K of them.
        weights: How much of each is added where, (B, K, H, W); 1 if not given.

    Returns:
        (B, C, H, W).
    """
    moved = [answer - none for answer in answers]
    if weights is not None:
        moved = [m * h[:, None] for m, h in zip(moved, weights.unbind(1), strict=True)]
    return sum(moved, none)


def by_place(denoiser: edm.Denoiser, hear: Hear) -> edm.Denoiser:
    """A denoiser that answers by :eq:`eq-asked`, in K + 1 calls made at once.

    Args:
        denoiser: D, of pictures (B, C, size, size) and locations.
        hear: Who hears what.
    """

    def function(x: Tensor, sigma: float | Tensor, conditions: Locations) -> Tensor:
        count = conditions[1].shape[1]
        if not count:
            return denoiser(x, sigma, conditions)
        levels = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
        asked = x.repeat(count + 1, 1, 1, 1), levels.repeat(count + 1), singly_and_none(conditions)
        answers = denoiser(*asked)
        *each, none = answers.chunk(count + 1)
        weights = enlarged(hear(conditions, level_of(sigma)), x.shape[-1]).to(x)
        return added(none, each, weights)

    return function


class AddedUp(nn.Module):
    """What takes conditions in, asked for each request alone: what each adds to none is summed.

    As if the requests were added after the small network that they go through, not before it; the
    network behind is called once.
    """

    def __init__(self, inner: nn.Module, heard: Callable[[Locations], Tensor] | None = None):
        """Takes the place of `inner`, a pathway or a `lib.diffusion.patch.CellEncoder`.

        `heard` says how much of each request's part a cell gets, (B, K, grid, grid) weights of
        conditions; all of it everywhere if not given.
        """
        super().__init__()
        self.inner, self.heard = inner, heard

    def forward(self, conditions: Locations, x: Tensor) -> Any:
        """What `inner` gives, a tensor or a pair of which one may be None, of conditions and x."""
        count = conditions[1].shape[1]
        told = self.inner(singly_and_none(conditions), x.repeat(count + 1, 1, 1, 1))
        weights = None if self.heard is None else self.heard(conditions).to(x)

        def summed(part: Tensor | None) -> Tensor | None:
            if part is None:
                return None
            *each, none = part.chunk(count + 1)
            return added(none, each, weights)

        return tuple(map(summed, told)) if isinstance(told, tuple) else summed(told)


def with_hearing(denoiser: edm.Denoiser, hear: Hear) -> edm.Denoiser:
    """A denoiser whose network is told who hears what, in one call.

    The same as `by_place` where conditions enter after the last layer that mixes places and each
    place hears one request; else another way of asking.

    Args:
        denoiser: Its network takes conditions with weights, see `lib.diffusion.hearing`.
        hear: Who hears what.
    """

    def function(x: Tensor, sigma: float | Tensor, conditions: Locations) -> Tensor:
        return denoiser(x, sigma, (*conditions, hear(conditions, level_of(sigma)).to(x)))

    return function


def pasted(
    draw: Callable[[Tensor, Any], Tensor], noise: Tensor, conditions: Locations, weights: Tensor
) -> Tensor:
    """Pictures drawn separately, one a request, cut along the weights' borders and put together.

    Args:
        draw: `draw(noise (B, C, H, H), conditions)` gives pictures like the noise.
        noise: Of each request's picture, (B, K, C, H, H), or one for all, (B, C, H, H).
        conditions: Locations (B, K, 2) and mask (B, K), K > 0.
        weights: Which request's picture is seen where, (B, K, grid, grid), see `hearing.nearest`.

    Returns:
        (B, C, H, H).
    """
    count = conditions[1].shape[1]
    each = noise if noise.ndim == 5 else noise[:, None].expand(-1, count, -1, -1, -1)
    locations, mask = singly(conditions)
    drawn = draw(each.transpose(0, 1).flatten(0, 1), (locations, mask))
    shown = enlarged(weights, noise.shape[-1]).to(drawn)
    return (drawn.unflatten(0, (count, -1)).transpose(0, 1) * shown[:, :, None]).sum(1)


def displaced(hear: Hear) -> Hear:
    """Each cell hears what the cell half a picture away would: as local, but elsewhere."""

    def function(conditions: Locations, sigma: float) -> Tensor:
        weights = hear(conditions, sigma)
        half = weights.shape[-1] // 2
        return weights.roll((half, half), (-2, -1))

    return function


def by_level(low: float, high: float, inside: edm.Denoiser, outside: edm.Denoiser) -> edm.Denoiser:
    """One denoiser at noise levels from `low` to `high`, another at all others."""

    def function(x: Tensor, sigma: float | Tensor, conditions: Any = None) -> Tensor:
        return (inside if low <= level_of(sigma) <= high else outside)(x, sigma, conditions)

    return function


def nearest(grid: int, softness: float = 0.0) -> Hear:
    """`hearing.nearest` at every noise level."""
    return lambda conditions, sigma: hearing.nearest(conditions, grid, softness)
