"""Coloured discs on a dark ground: the smallest pictures with objects at labelled places."""

import numpy as np
import scipy.ndimage
import torch

COLOURS = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, -1]])
RADIUS = 2.6  # pixels at a size of 32: 24 pixels a disc


def sample_places(batch, counts, generator, gap=4, grid=16):
    """Random places of discs, no two closer than `gap` cells in both row and column.

    Args:
        batch: number of pictures.
        counts: the numbers of discs to choose from, evenly.
        generator: randomness.
        gap: cells, at least.
        grid: cells a side; the outermost stay empty.

    Returns:
        Locations (batch, max(counts), 2), cell centres in [0, 1] as x and y, and the mask.

    Raises:
        ValueError: if so many do not fit.
    """
    most = max(counts)
    counts = torch.tensor(counts)[torch.randint(len(counts), (batch,), generator=generator)]
    cells = torch.zeros(batch, most, 2)
    for k, n in enumerate(counts.tolist()):  # places depend on those already taken
        cells[k, :n] = _spread_out(n, gap, grid, generator)
    return (cells + 0.5) / grid, torch.arange(most) < counts[:, None]


def draw(locations, mask, generator, size=32):
    """Pictures of discs in random colours at the locations, (B, 3, size, size) in [-1, 1]."""
    return paint(locations, mask, sample_colours(mask.shape, generator), size)


def sample_colours(shape, generator):
    """Colours (..., 3) of discs, in [-1, 1]."""
    return COLOURS[torch.randint(len(COLOURS), shape, generator=generator)]


def paint(locations, mask, colours, size=32):
    """Pictures (B, 3, size, size) in [-1, 1] of discs of these colours (B, K, 3)."""
    middles = (torch.arange(size) + 0.5) / size
    x, y = locations[..., 0, None, None], locations[..., 1, None, None]
    inside = (middles - x) ** 2 + (middles[:, None] - y) ** 2 <= (RADIUS / 32) ** 2  # (B, K, H, W)
    inside = (inside & mask[..., None, None]).to(colours)
    return torch.einsum("bkhw,bkc->bchw", inside, colours + 1) - 1


def find(pictures, least=12):
    """The centres of the bright spots of at least `least` pixels, B tensors (n, 2) in [0, 1].

    Raises:
        ValueError: pictures that are not finite: they would show nothing.
    """
    if not pictures.isfinite().all():
        raise ValueError("pictures must be finite: what is not a number counts as dark")
    size = pictures.shape[-1]
    return [_spots(one.amax(0).numpy() > 0, least) / size for one in pictures]


def _spread_out(n, gap, grid, generator):
    """`n` cells (n, 2) in the inner grid, at least `gap` apart, by starting anew when stuck."""
    for _ in range(100):
        free = torch.zeros(grid, grid, dtype=torch.bool)
        free[1:-1, 1:-1] = True
        chosen = []
        while len(chosen) < n and free.any():
            options = free.nonzero()
            pick = options[torch.randint(len(options), (1,), generator=generator)].squeeze(0)
            chosen.append(pick)
            y, x = ((torch.arange(grid) - pick[:, None]).abs() < gap).unbind()
            free &= ~(y[:, None] & x)
        if len(chosen) == n:
            return torch.stack(chosen).flip(1) if chosen else torch.zeros(0, 2)
    raise ValueError(f"{n} discs at least {gap} cells apart do not fit in {grid} x {grid} cells")


def _spots(bright, least):
    spots, n = scipy.ndimage.label(bright)
    kept = 1 + np.flatnonzero(np.bincount(spots.ravel(), minlength=n + 1)[1:] >= least)
    centres = np.array(scipy.ndimage.center_of_mass(bright, spots, kept)).reshape(-1, 2)
    return torch.from_numpy(centres[:, ::-1] + 0.5)
