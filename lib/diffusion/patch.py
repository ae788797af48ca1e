"""Networks that see through windows: pixels through one, conditions through another.

The picture is cut into grid x grid cells of m x m pixels. The window of a cell is the square of
(2k + 1) x (2k + 1) cells about it. Four networks {local, full} x {local, all} share one head and
one encoder of conditions; conditions enter only after the last layer that mixes places, for an
embedding fed into convolutions or attention would carry every condition everywhere.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lib.diffusion import hearing
from lib.diffusion.networks import Block, FullTrunk, NoiseEmbedding, size_suffix
from lib.diffusion.pathways import Locations, centres, check_heard, check_sizes, fourier, shares


class LocalTrunk(nn.Module):
    """Two residual blocks of one convolution each, without padding, that see k cells each way."""

    def __init__(self, width: int, embedding: int, k: int):
        """`width` channels at a cell; the picture loses k cells on each side."""
        super().__init__()
        halves = (k - k // 2, k // 2)
        self.blocks = nn.ModuleList(
            Block(width, embedding, 2 * half + 1, mixing=1, pad=False) for half in halves
        )

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, width, H, W), embedding (B, E, 1, 1) -> (B, width, H - 2k, W - 2k)."""
        for block in self.blocks:
            x = block(x, embedding)
        return x


class CellEncoder(nn.Module):
    """What a cell knows of the conditions.

    At cell i a small MLP reads the sum of W[c_j] over the conditions that i hears, W over absolute
    cells and interpolated between them, and the Fourier features of i's own position. W starts as
    the same Fourier features.
    """

    def __init__(
        self,
        grid: int,
        k: int | None,
        width: int,
        limit: int,
        features: int = 64,
        hidden: int = 256,
    ):
        """An embedding (B, width) a cell.

        Args:
            grid: Cells a side.
            k: Half the condition window, in cells; None for a window without bounds.
            width: Channels of the embedding.
            limit: Most conditions a picture.
            features: Length of W's rows and of the Fourier features.
            hidden: Channels between.
        """
        super().__init__()
        self.grid, self.k, self.limit = grid, k, limit
        positions = fourier(centres(grid), features)  # (grid, grid, features)
        self.table = nn.Parameter(positions.flatten(0, 1).clone())
        self.register_buffer("positions", positions.movedim(-1, 0), persistent=False)
        self.layers = nn.Sequential(
            nn.Conv2d(2 * features, hidden, 1), nn.SiLU(), nn.Conv2d(hidden, width, 1)
        )

    def sum_heard(self, conditions: Locations | None, x: Tensor) -> Tensor:
        """The sum of rows that each cell hears: (B, features, grid, grid)."""
        locations, mask, given = check_heard(conditions, x, self.limit, self.grid)
        if given is None:
            reach = self.grid if self.k is None else self.k
            given = hearing.window((locations, mask), self.grid, reach)
        rows = shares(locations, self.grid).to(self.table) @ self.table  # (B, K, features)
        sums = given.flatten(2).mT.to(rows) @ rows  # (B, cells, features)
        return sums.mT.unflatten(2, (self.grid, self.grid))

    def forward(self, conditions: Locations | None, x: Tensor) -> Tensor:
        """The embeddings (B, width, grid, grid) of the conditions of a batch x."""
        own = self.positions.expand(len(x), -1, -1, -1)
        return self.layers(torch.cat([self.sum_heard(conditions, x), own], 1))


class WindowNetwork(nn.Module):
    """One of the four networks of the causal test.

    A trunk sees picture, noise level and position through the pixel window; a head of 1x1 blocks,
    the same in all four, is modulated at each cell by what `CellEncoder` makes of the conditions.
    Outside the picture everything is 0, and one channel says what is inside: the picture is padded
    once by k cells and then convolved without padding.
    """

    def __init__(
        self,
        pixels: str = "local",
        conditions: str = "local",
        size: int = 32,
        grid: int = 16,
        channels: int = 3,
        k: int = 2,
        trunk_width: int = 128,
        width: int = 96,
        embedding: int = 64,
        blocks: int = 2,
        limit: int = 16,
    ):
        """A network for pictures (B, channels, size, size).

        Args:
            pixels: The pixel window, `local` or `full`.
            conditions: The condition window, `local` or `all`.
            size: Side of the picture in pixels, a multiple of the grid.
            grid: Cells a side, even.
            channels: Of the picture.
            k: Half the local windows, in cells.
            trunk_width: Channels at a cell in the trunk, even.
            width: Channels at a cell in the head.
            embedding: Channels of noise level and conditions.
            blocks: Of the head.
            limit: Most conditions a picture.

        Raises:
            ValueError: A window is unknown or the sizes do not fit.
        """
        super().__init__()
        if pixels not in ("local", "full") or conditions not in ("local", "all"):
            raise ValueError(
                "the pixel window is 'local' or 'full' and the condition window 'local' or 'all', "
                f"not {pixels!r} and {conditions!r}"
            )
        check_sizes(size=size, grid=grid, channels=channels, width=width, embedding=embedding)
        check_sizes(0, blocks=blocks, k=k)
        check_sizes(limit=limit)
        check_sizes(2, 2, trunk_width=trunk_width)
        if size % grid or grid % 2 or not 0 <= k < grid:
            raise ValueError(
                f"the grid ({grid}) must be even and divide the size ({size}), "
                f"and k ({k}) must be from 0 to {grid - 1}"
            )
        self.name = (
            f"window.{pixels}.{conditions}.size{size}.grid{grid}.k{k}.width{trunk_width}+{width}"
            + size_suffix(channels=channels, embedding=embedding, blocks=blocks)
        )
        self.cell, self.margin = size // grid, k if pixels == "local" else 0
        self.noise = NoiseEmbedding(embedding)
        self.enter = nn.Conv2d(channels * self.cell**2 + 1, trunk_width, 1, bias=False)
        self.positions = nn.Parameter(fourier(centres(grid), trunk_width).movedim(-1, 0))
        self.trunk = (
            LocalTrunk(trunk_width, embedding, k)
            if pixels == "local"
            else FullTrunk(trunk_width, embedding)
        )
        self.join = nn.Conv2d(trunk_width, width, 1)
        reach = k if conditions == "local" else None
        self.encoder = CellEncoder(grid, reach, embedding, limit)
        self.head = nn.ModuleList(Block(width, embedding, kernel=1) for _ in range(blocks))
        self.leave = nn.Conv2d(width, channels * self.cell**2, 1)
        nn.init.zeros_(self.leave.weight)

    def forward(self, x: Tensor, noise: Tensor, conditions: Locations | None) -> Tensor:
        """The raw output, like x (B, channels, size, size); noise is ln(sigma) / 4 (B,)."""
        level = self.noise(noise)[..., None, None]
        trunk = self.trunk(self.enter(self.padded(x)) + self.places(), level)
        return self.finish(trunk, level + self.encoder(conditions, x))

    def padded(self, x: Tensor) -> Tensor:
        """The cells' pixels and one channel that is 1 inside, padded: (B, C m^2 + 1, G', G')."""
        pixels = functional.pixel_unshuffle(x, self.cell)
        inside = torch.ones_like(pixels[:, :1])
        return functional.pad(torch.cat([pixels, inside], 1), [self.margin] * 4)

    def places(self) -> Tensor:
        """What is added to tell where a cell is, 0 outside: (trunk_width, G', G')."""
        return functional.pad(self.positions, [self.margin] * 4)

    def finish(self, trunk: Tensor, embedding: Tensor) -> Tensor:
        """The head, and the cells put together: (B, width, H, W) -> (B, channels, m H, m W)."""
        h = self.join(trunk)
        for block in self.head:
            h = block(h, embedding)
        return functional.pixel_shuffle(self.leave(h), self.cell)


@torch.no_grad()
def cell_by_cell(network: WindowNetwork, x: Tensor, noise: Tensor, conditions: Locations) -> Tensor:
    """The definition of the (local, local) network, one cell after the other.

    Each cell is computed from its own patch and the conditions inside it, with nothing else at
    hand. The same numbers as one convolutional pass, more slowly: the oracle of the tests, and what
    the benchmark states the speed-up over.

    Args:
        network: A network with local windows.
        x: Pictures (B, channels, size, size).
        noise: ln(sigma) / 4 (B,).
        conditions: Locations (B, K, 2) and mask (B, K).

    Returns:
        The raw output, like x.
    """
    k, grid, m = network.encoder.k, network.encoder.grid, network.cell
    locations, mask = conditions
    column, row = (locations * grid).long().clamp(max=grid - 1).unbind(-1)
    known_rows = shares(locations, grid) @ network.encoder.table
    level = network.noise(noise)[..., None, None]
    padded, places = network.padded(x), network.places()
    out = torch.empty_like(x)
    for i in range(grid):
        for j in range(grid):
            window = ..., slice(i, i + 2 * k + 1), slice(j, j + 2 * k + 1)
            patch = network.enter(padded[window]) + places[window]
            trunk = network.trunk(patch, level)  # (B, width, 1, 1)
            near = mask & ((row - i).abs() <= k) & ((column - j).abs() <= k)
            rows = known_rows * near[..., None]
            own = network.encoder.positions[:, i, j]
            known = torch.cat([rows.sum(1), own.expand(len(x), -1)], 1)[..., None, None]
            cell = network.finish(trunk, level + network.encoder.layers(known))
            out[..., m * i : m * (i + 1), m * j : m * (j + 1)] = cell
    return out
