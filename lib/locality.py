"""How much a score at one place depends on other pixels and on each condition.

Any score or denoiser `f(x, sigma, conditions=None)` is taken, and called with `x` as it is given:
flat, (d,) or (B, d), or a picture, (C, H, W) or (B, C, H, W). Maps are (d,) or (H, W): norms over
channels, averaged over the batch.
"""

import torch


def pixel_locality(score, x, sigma, conditions, pixel):
    r"""The heat map of one pixel, :eq:`eq-pixel-locality`.

    $\|\partial s_{\text{pixel}} / \partial x\|$, the Frobenius norm over both places' channels.
    Reverse mode, one pass a channel: it is never dearer than forward mode, for a pixel has no more
    outputs than the picture has inputs.

    Args:
        score: `f(x, sigma, conditions)` of the shape of x, each batch entry by itself.
        x: (d,), (B, d), (C, H, W) or (B, C, H, W).
        sigma: handed to `score` as it is, as are `conditions`.
        conditions: see `sigma`.
        pixel: an index if x is flat, (row, column) if it is a picture.

    Returns:
        (d,) or (H, W), in units of the score over those of x.

    Raises:
        ValueError: x has another number of dimensions, or `pixel` is none of its places.
    """
    is_picture = _is_picture(x)
    index = _index(x, pixel, is_picture)
    value, pull = torch.func.vjp(lambda y: score(y, sigma, conditions)[index], x)
    if not is_picture:
        return _batch_mean(pull(torch.ones_like(value))[0].abs(), 1)
    channels = torch.eye(value.shape[-1], dtype=value.dtype, device=value.device)
    rows = torch.stack([pull(channel.expand_as(value))[0] for channel in channels])
    return _batch_mean(rows.square().sum((0, -3)).sqrt(), 2)


def conditional_locality(score, x, sigma, conditions, change):
    r"""Where the score moves when one condition is changed, :eq:`eq-condition-locality`.

    Entry j is the norm of $s(x | c) - s(x | c')$ with c' = `change(conditions, j)`. Two changes
    tell two things: another value for c_j, and its removal (`remove`). In an exact CPC the first
    moves the block of c_j only, the second the background too.

    Args:
        score: `f(x, sigma, conditions)` of the shape of x.
        x: (d,), (B, d), (C, H, W) or (B, C, H, W).
        sigma: handed to `score` as it is.
        conditions: a tuple of names, or (locations (B, K, 2), mask (B, K)): then j is a slot.
        change: `change(conditions, j)` gives the changed conditions.

    Returns:
        (J, d) or (J, H, W), in units of the score.

    Raises:
        ValueError: There are no conditions, or x has another number of dimensions.
    """
    J = _count(conditions)
    if not J:
        raise ValueError("conditions hold nothing that could be changed")
    is_picture = _is_picture(x)
    with torch.no_grad():
        s = score(x, sigma, conditions)
        moved = torch.stack([score(x, sigma, change(conditions, j)) - s for j in range(J)])
    if not is_picture:
        return torch.stack([_batch_mean(m.abs(), 1) for m in moved])
    return torch.stack([_batch_mean(m.norm(dim=-3), 2) for m in moved])


def remove(conditions, j):
    """The conditions without the j-th: a shorter tuple of names, or a mask with slot j off."""
    if not _is_slots(conditions):
        return conditions[:j] + conditions[j + 1 :]
    locations, mask = conditions
    return locations, mask & (torch.arange(mask.shape[-1], device=mask.device) != j)


def outside_share(maps, inside):
    """The one-number summary of locality: the share of the maps' norm that lies outside.

    0 if everything is inside, 1 if nothing is; 0 for maps that are zero throughout. For pixel
    locality `inside` is the pixel's window, for condition locality row j is the block of c_j.

    Args:
        maps: (..., d) or (..., H, W), as `pixel_locality` and `conditional_locality` give.
        inside: boolean, of the same shape.

    Returns:
        A float: the root of the squares outside over all squares, of all maps together.

    Raises:
        ValueError: `inside` is not boolean or of another shape than the maps, or the maps are not
            finite.
    """
    if maps.shape != inside.shape or inside.dtype != torch.bool:
        raise ValueError(
            f"inside must be boolean of shape {tuple(maps.shape)}, got {inside.dtype} "
            f"of {tuple(inside.shape)}"
        )
    if not maps.isfinite().all():
        bad = (~maps.isfinite()).sum().item()
        raise ValueError(f"the maps are not finite: {bad} of {maps.numel()} entries")
    whole = maps.norm()
    return (maps[~inside].norm() / whole).item() if whole > 0 else 0.0


def window(height, width, pixel, radius):
    """The pixels at most `radius` rows and columns from `pixel` (row, column), boolean (H, W)."""
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    return ((rows - pixel[0]).abs() <= radius) & ((columns - pixel[1]).abs() <= radius)


def _is_picture(x):
    if not 1 <= x.ndim <= 4:
        raise ValueError(f"x must be (d,), (B, d), (C, H, W) or (B, C, H, W), got {tuple(x.shape)}")
    return x.ndim > 2


def _index(x, pixel, is_picture):
    """The index of `pixel` behind any leading dimensions, checked against x."""
    sizes = x.shape[-2:] if is_picture else x.shape[-1:]
    place = torch.as_tensor(pixel)
    whole = not place.is_floating_point()
    place = tuple(place.flatten().tolist())
    if (
        not whole
        or len(place) != len(sizes)
        or not all(0 <= p < n for p, n in zip(place, sizes, strict=True))
    ):
        kind = "(row, column)" if is_picture else "an index"
        raise ValueError(f"pixel must be {kind} within {tuple(sizes)}, got {pixel!r}")
    return (..., *place)


def _is_slots(conditions):
    return len(conditions) == 2 and all(isinstance(c, torch.Tensor) for c in conditions)


def _count(conditions):
    if conditions is None:
        return 0
    return conditions[1].shape[-1] if _is_slots(conditions) else len(conditions)


def _batch_mean(maps, ndim):
    """The mean over all but the last `ndim` dimensions."""
    return maps.reshape(-1, *maps.shape[-ndim:]).mean(0)
