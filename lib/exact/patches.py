"""A training-free image machine: the exact local score over a set of training pictures."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch.nn.functional import unfold


class PatchMachine:
    r"""A posterior over training patches for every pixel, of which it keeps the centre.

    The denoised pixel is the mean of the patches' centre pixels, weighted by the Gaussian
    likelihood of the noisy pixels in the pixel window times exp(-penalty n): n counts the grid
    cells in the symmetric difference of the two condition sets within the condition radius,
    relative to the centre. Patches are pooled over all positions whose window the picture's edge
    cuts in the same way, so a window as wide as the picture compares whole pictures in place.
    In the spirit of Kamb and Ganguli (2024), with conditions. Computes in the pictures' dtype.
    """

    def __init__(
        self,
        pictures,
        locations,
        mask,
        pixel_radius=2,
        condition_radius=2,
        penalty=20.0,
        same_position=False,
        grid=16,
    ):
        """Collects the distinct patches and their conditions.

        Args:
            pictures: (N, C, H, W), H = W.
            locations: (N, K, 2), x and y in [0, 1], rounded to the cells of the grid.
            mask: (N, K), which of the locations are conditions.
            pixel_radius: the window is (2 r + 1)^2 pixels.
            condition_radius: conditions count up to so many cells away, rows and columns.
            penalty: the cost lambda of a cell that differs, finite.
            same_position: use patches from the same position only.
            grid: cells along a side.

        Raises:
            ValueError: pictures of another shape, a number outside its range.
        """
        size = pictures.shape[-1]
        if pictures.ndim != 4 or pictures.shape[-2] != size or size % grid:
            raise ValueError(
                f"pictures must be (N, C, H, H), H a multiple of {grid}: {tuple(pictures.shape)}"
            )
        if len(pictures) != len(locations):
            raise ValueError(f"{len(pictures)} pictures, but {len(locations)} lists of locations")
        if min(pixel_radius, condition_radius, penalty) < 0:
            raise ValueError("pixel_radius, condition_radius and penalty must not be negative")
        if not np.isfinite(penalty):
            raise ValueError(f"penalty must be finite, not {penalty}: 1000 a cell forbids as well")
        self.shape, self.grid, self.penalty = pictures.shape[1:], grid, penalty
        in_place = same_position or 2 * pixel_radius >= size - 1
        kind = _InPlace if in_place else _Pooled
        cells = occupied_cells(locations, mask, grid)
        # A copy: the caller may write into theirs later.
        self._posterior = kind(pictures.clone(), cells, pixel_radius, condition_radius)
        self._last = None  # the last conditions and their priors: a sampler asks many times

    def denoise(self, x, sigma, conditions=None):
        """The posterior mean of the centre pixel at every pixel, (B, C, H, W).

        Args:
            x: (B, C, H, W), noisy.
            sigma: a number > 0.
            conditions: (locations (B, K, 2), mask (B, K)), or None for none.
        """
        if x.shape[1:] != self.shape:
            raise ValueError(f"x must be (B, *{tuple(self.shape)}), got {tuple(x.shape)}")
        if torch.as_tensor(sigma).numel() != 1 or not sigma > 0:
            raise ValueError(
                f"sigma must be > 0, one number: the training pictures are points, got {sigma}"
            )
        return self._posterior.mean(x, sigma, self._priors(conditions, len(x)))

    def score(self, x, sigma, conditions=None):
        r"""$(D(x) - x) / \sigma^2$ with D = `denoise`, (B, C, H, W), :eq:`eq-patch-score`."""
        return (self.denoise(x, sigma, conditions) - x) / sigma**2

    def mismatch(self, conditions):
        """The least n over the training patches that a pixel may use, (B, H, W).

        Above 0 where no training patch has the conditions that the pixel sees.
        """
        best = self._posterior.least_difference(occupied_cells(*conditions, self.grid))
        return best.view(-1, *self.shape[1:])

    def _priors(self, conditions, batch):
        if conditions is None:
            conditions = torch.zeros(batch, 1, 2), torch.zeros(batch, 1, dtype=torch.bool)
        if len(conditions[1]) != batch:
            raise ValueError(f"{batch} pictures, but conditions for {len(conditions[1])}")
        if self._last is None or not all(map(torch.equal, conditions, self._last[0])):
            cells = occupied_cells(*conditions, self.grid)
            copies = tuple(condition.clone() for condition in conditions)
            self._last = copies, self._posterior.priors(cells, self.penalty)
        return self._last[1]


class _InPlace:
    """Patches from the same position: windowed sums over whole pictures, for any window."""

    def __init__(self, pictures, cells, pixel_radius, condition_radius):
        self.pictures, self.cells = pictures, cells
        self.condition_radius = condition_radius
        self.near = torch.from_numpy(_band(pictures.shape[-1], pixel_radius)).to(pictures)
        self.half = self.near @ pictures.square().sum(1) @ self.near / 2  # (N, H, W)

    def differences(self, cells):
        """n for every asked and training picture and every pixel, a list of (N, H W)."""
        cell = _cell_of_pixel(self.pictures.shape[-1], cells.shape[-1])
        near = _band(cells.shape[-1], self.condition_radius)
        sums = (near @ (self.cells ^ asked).astype(float) @ near for asked in cells)
        return [n.reshape(len(n), -1)[:, cell] for n in sums]

    def least_difference(self, cells):
        return torch.from_numpy(np.stack([n.min(0) for n in self.differences(cells)]))

    def priors(self, cells, penalty):
        return [-penalty * n for n in self.differences(cells)]

    def mean(self, x, sigma, priors):
        return torch.stack([self._mean(*one, sigma) for one in zip(x, priors, strict=True)])

    def _mean(self, x, prior, sigma):
        product = (self.pictures * x).sum(1)  # not einsum: it would copy to (H, W, N, C) first
        fit = (self.near @ product @ self.near - self.half) / sigma**2
        share = torch.softmax(torch.from_numpy(prior).to(fit).view_as(fit) + fit, 0)  # (N, H, W)
        return (share[:, None] * self.pictures).sum(0)


@dataclass(frozen=True)
class _Table:
    """The distinct patches among windows that the picture's edge cuts in one way."""

    positions: np.ndarray  # (n,) the pixels with such windows
    patches: torch.Tensor  # (M, C (2 r + 1)^2)
    centres: torch.Tensor  # (M, C)
    patch: np.ndarray  # (T,) distinct pairs of a patch and its conditions, by patch
    pattern: np.ndarray  # (T,) the row of the pair's conditions among the patterns
    log_count: np.ndarray  # (T,) how often the pair occurs


class _Pooled:
    """Patches from everywhere: each distinct one is stored once, with its number."""

    def __init__(self, pictures, cells, pixel_radius, condition_radius):
        self.pixel_radius, self.condition_radius = pixel_radius, condition_radius
        self.cell = _cell_of_pixel(pictures.shape[-1], cells.shape[-1])
        self.patterns, pattern = _distinct(_cell_windows(cells, condition_radius))
        pattern = pattern.reshape(len(pictures), -1)[:, self.cell]  # (N, H W)
        windows = _pixel_windows(pictures, pixel_radius)  # (N, H W, C (2 r + 1)^2)
        centres = pictures.flatten(2).mT  # (N, H W, C)
        self.tables = [
            _table(pixels, windows[:, pixels], centres[:, pixels], pattern[:, pixels])
            for pixels in _same_cut(pictures.shape[-1], pixel_radius)
        ]
        self.order = np.concatenate([table.positions for table in self.tables]).argsort()

    def differences(self, cells):
        """n between the distinct asked patterns and the training ones, and who asks which."""
        asked, which = _distinct(_cell_windows(cells, self.condition_radius))
        a, b = asked.astype(np.float32), self.patterns.astype(np.float32)
        n = a.sum(1)[:, None] + b.sum(1) - 2 * a @ b.T  # (asked, patterns)
        return n.astype(np.float64), which.reshape(len(cells), -1)[:, self.cell]

    def least_difference(self, cells):
        n, which = self.differences(cells)
        best = [n[:, np.unique(t.pattern)].min(1)[which[:, t.positions]] for t in self.tables]
        return torch.from_numpy(np.concatenate(best, axis=1))[:, self.order]

    def priors(self, cells, penalty):
        """For each table: log-weights (rows, M), and the row of every pixel in it, (B, n)."""
        n, which = self.differences(cells)
        priors = []
        for table in self.tables:
            rows, used = np.unique(which[:, table.positions], return_inverse=True)
            parts = np.array_split(penalty * n[rows], 1 + len(rows) // 64)  # to bound memory
            weights = np.concatenate([_log_weights(table, part) for part in parts])
            priors.append((weights, used.reshape(len(cells), -1)))
        return priors

    def mean(self, x, sigma, priors):
        windows = _pixel_windows(x, self.pixel_radius)  # (B, H W, C (2 r + 1)^2)
        means = []
        for table, (weights, used) in zip(self.tables, priors, strict=True):
            used, weights = torch.from_numpy(used), torch.from_numpy(weights).to(x)
            weights = weights - table.patches.square().sum(1) / (2 * sigma**2)
            rows = max(1, 2**18 // len(table.patches))  # at a time: few enough for the cache
            asked = windows[:, table.positions].flatten(0, 1).split(rows)
            centres = [
                torch.softmax(weights[row].addmm(some, table.patches.T, alpha=sigma**-2), 1)
                @ table.centres
                for some, row in zip(asked, used.flatten().split(rows), strict=True)
            ]
            means.append(torch.cat(centres).unflatten(0, used.shape))  # (B, n, C)
        return torch.cat(means, 1)[:, self.order].mT.reshape(x.shape)


def occupied_cells(locations, mask, grid=16):
    """The cells of a grid that hold a condition, boolean numpy (B, grid, grid), rows downwards.

    Args:
        locations: (B, K, 2), x and y in [0, 1].
        mask: (B, K).
        grid: cells a side.
    """
    if locations.shape[:-1] != mask.shape or locations.shape[-1] != 2:
        raise ValueError(
            "locations and mask must be (B, K, 2) and (B, K), got "
            f"{tuple(locations.shape)} and {tuple(mask.shape)}"
        )
    # By lists, as tensors give no arrays inside torch.func's transforms.
    picture, slot = np.nonzero(np.array(mask.tolist()))
    places = np.array(locations.tolist())[picture, slot]
    if ((places < 0) | (places > 1)).any():
        raise ValueError("locations must be in [0, 1]")
    x, y = np.minimum(places * grid, grid - 1).astype(int).T
    cells = np.zeros((len(mask), grid, grid), dtype=bool)
    cells[picture, y, x] = True
    return cells


def _table(positions, windows, centres, pattern):
    """The table of windows (N, n, P), centres (N, n, C) and patterns (N, n) at some positions."""
    patches, patch = _distinct(windows.flatten(0, 1).numpy())
    first = np.unique(patch, return_index=True)[1]
    pairs = patch.astype(np.int64) * (pattern.max() + 1) + pattern.reshape(-1)
    pairs, counts = np.unique(pairs, return_counts=True)
    patch, pattern = np.divmod(pairs, pattern.max() + 1)
    centres = centres.flatten(0, 1)[first]
    return _Table(positions, torch.from_numpy(patches), centres, patch, pattern, np.log(counts))


def _log_weights(table, cost):
    """The log-weight of each patch under asked patterns with `cost` (rows, patterns): (rows, M)."""
    terms = table.log_count - cost[:, table.pattern]  # (rows, T)
    starts = np.unique(table.patch, return_index=True)[1]
    best = np.maximum.reduceat(terms, starts, axis=1)
    return best + np.log(np.add.reduceat(np.exp(terms - best[:, table.patch]), starts, axis=1))


def _distinct(rows):
    """The distinct rows of a numpy array (n, k), and which of them each row is, (n,)."""
    rows = np.ascontiguousarray(rows)
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return rows[first], which


def _same_cut(size, radius):
    """The flat pixels of a picture, grouped by how its edge cuts their windows: a list of (n,)."""
    place = np.arange(size)
    cut = np.minimum(place, radius) + radius - np.minimum(size - 1 - place, radius)  # 0..2 radius
    both = (cut[:, None] * (2 * radius + 1) + cut).ravel()
    return [np.flatnonzero(both == kind) for kind in np.unique(both)]


def _pixel_windows(pictures, radius):
    """The window around each pixel, zero outside the picture, (N, H W, C (2 r + 1)^2)."""
    return unfold(pictures, 2 * radius + 1, padding=radius).mT


def _cell_windows(cells, radius):
    """The conditions within a radius of each cell, boolean numpy (N grid^2, (2 R + 1)^2)."""
    side = 2 * radius + 1
    padded = np.pad(cells, ((0, 0), (radius, radius), (radius, radius)))
    return sliding_window_view(padded, (side, side), (1, 2)).reshape(-1, side * side)


def _cell_of_pixel(size, grid):
    """The flat cell of each flat pixel, (size^2,)."""
    cell = np.arange(size) * grid // size
    return (cell[:, None] * grid + cell).flatten()


def _band(size, radius):
    """The matrix whose products from both sides sum over windows, (size, size)."""
    place = np.arange(size)
    return (abs(place[:, None] - place) <= radius).astype(float)
