"""Networks that see exactly what is written here, and the ways a condition gets into them.

A picture (B, channels, size, size) is cut into grid x grid cells of m x m pixels, m = size / grid;
a cell's pixels are its channels, so that one 3x3 convolution sees 3x3 cells. Normalisation is per
place, over channels: group or batch normalisation would let every pixel see the whole picture.

Conditions are either `(locations (B, K, 2), mask (B, K))`, locations as (x, y) in [0, 1] from the
upper left corner and mask true where there is one, or a vector (B, d); None is no condition.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Locations = tuple[Tensor, Tensor]  # (B, K, 2) in [0, 1] and (B, K)
# What a network's name leaves out is as here; the names of stored weights rest on it.
UNSAID = {"channels": 3, "dimensions": 4, "embedding": 64, "blocks": 2}


def said(**sizes: int) -> str:
    """The part of a network's name that tells the sizes that are not the usual: `.blocks3`."""
    return "".join(f".{name}{size}" for name, size in sizes.items() if size != UNSAID[name])


def check_sizes(least: int = 1, multiple: int = 1, **sizes: int) -> None:
    """Raises ValueError unless all sizes are integers of at least `least`, in whole multiples."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < least or size % multiple:
            kind = f"an integer of at least {least}" + (" and even" if multiple == 2 else "")
            raise ValueError(f"{name} must be {kind}, not {size!r}")


def normalise(x: Tensor) -> Tensor:
    """Zero mean and unit variance over channels, at each place alone: (B, C, H, W) -> the same."""
    return functional.layer_norm(x.movedim(1, -1), (x.shape[1],)).movedim(-1, 1)


def fourier(positions: Tensor, width: int) -> Tensor:
    """Fourier features of positions: sines and cosines of plane waves in all directions.

    The waves are fixed and fill a disc of up to 5 periods a picture evenly, as seeds do in a
    sunflower. Two places' inner product falls with their distance, within a tenth of the picture,
    and a sum over places keeps which x belongs to which y.

    Args:
        positions: (..., 2) in [0, 1].
        width: Number of features, even.

    Returns:
        (..., width), of mean square 1/2.

    Raises:
        ValueError: The width is odd or less than 2.
    """
    check_sizes(2, 2, width=width)
    index = torch.arange(width // 2, device=positions.device, dtype=positions.dtype)
    angle = index * math.pi * (3 - math.sqrt(5))
    periods = 5 * ((index + 0.5) / (width // 2)).sqrt()
    x, y = positions[..., :1], positions[..., 1:]
    # Products and no matrix product: lower precision, where asked for, would blur the places.
    phase = 2 * math.pi * periods * (x * angle.cos() + y * angle.sin())
    return torch.cat([phase.cos(), phase.sin()], -1)


def centres(grid: int) -> Tensor:
    """The cells' centres (grid, grid, 2): (x, y) in [0, 1], rows first."""
    middle = (torch.arange(grid) + 0.5) / grid
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    return torch.stack([x, y], -1)


def described(conditions: object) -> str:
    """What was given for conditions, in words."""
    if isinstance(conditions, Tensor):
        return f"a tensor {tuple(conditions.shape)}"
    count = f" of {len(conditions)}" if isinstance(conditions, tuple | list) else ""
    return f"a {type(conditions).__name__}{count}"


def checked(conditions: Locations | None, x: Tensor, limit: int) -> Locations:
    """The conditions of a batch x, or none at all for None, if a network can take them.

    Raises:
        ValueError: They are of another kind, a shape is off, there are more conditions than `limit`
            in a picture, or a location lies outside the picture.
    """
    if conditions is None:
        return x.new_zeros(len(x), 0, 2), x.new_zeros(len(x), 0, dtype=torch.bool)
    batch = len(x)
    kind = f"conditions are locations ({batch}, K, 2) and a boolean mask ({batch}, K)"
    if not isinstance(conditions, tuple | list) or len(conditions) != 2:
        raise ValueError(f"{kind}, not {described(conditions)}")
    locations, mask = conditions
    if locations.shape != (*mask.shape, 2) or len(mask) != batch or mask.ndim != 2:
        raise ValueError(f"{kind}, not {tuple(locations.shape)} and {tuple(mask.shape)}")
    if mask.dtype != torch.bool:
        raise ValueError(f"{kind}, not one of {mask.dtype}")
    if torch.compiler.is_compiling():  # these checks read values, which a compiled graph cannot
        return locations, mask
    if int(mask.sum(1).max()) > limit:
        raise ValueError(f"at most {limit} conditions a picture, not {int(mask.sum(1).max())}")
    if not ((locations >= 0) & (locations <= 1))[mask].all():
        raise ValueError("a location lies outside the picture: x and y must be within [0, 1]")
    return locations, mask


def cells(locations: Tensor, grid: int) -> Tensor:
    """The number of the cell (row * grid + column) that each location lies in: (B, K)."""
    column, row = (locations * grid).long().clamp(0, grid - 1).unbind(-1)
    return row * grid + column


class NoiseEmbedding(nn.Module):
    """The noise level as an embedding."""

    def __init__(self, width: int):
        """An embedding (B, width)."""
        super().__init__()
        frequencies = 2 * math.pi * torch.logspace(-2, 3, 16, base=2)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.layers = nn.Sequential(nn.Linear(32, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, noise: Tensor) -> Tensor:
        """The embedding (B, width) of ln(sigma) / 4 (B,)."""
        phase = noise[:, None].to(self.frequencies) * self.frequencies
        return self.layers(torch.cat([phase.cos(), phase.sin()], 1))


class VectorPathway(nn.Module):
    """Locations as a multi-hot vector over the absolute cells, mapped linearly.

    The map starts as the Fourier features of the cells' centres.
    """

    def __init__(self, grid: int, width: int, limit: int):
        """An embedding (B, width) of at most `limit` locations over grid x grid cells."""
        super().__init__()
        self.grid, self.limit = grid, limit
        self.table = nn.Parameter(fourier(centres(grid), width).flatten(0, 1))

    def forward(self, conditions: Locations | None, x: Tensor) -> Tensor:
        """The embedding (B, width) of the conditions of a batch x."""
        locations, mask = checked(conditions, x, self.limit)
        hot = self.table.new_zeros(len(x), self.grid**2)
        hot.scatter_reduce_(1, cells(locations, self.grid), mask.to(hot), "amax")
        return hot @ self.table


class FourierPathway(nn.Module):
    """Fourier features of the locations, summed over conditions, mapped linearly."""

    def __init__(self, width: int, limit: int):
        """An embedding (B, width) of at most `limit` locations."""
        super().__init__()
        self.limit = limit
        self.linear = nn.Linear(width, width, bias=False)

    def forward(self, conditions: Locations | None, x: Tensor) -> Tensor:
        """The embedding (B, width) of the conditions of a batch x."""
        locations, mask = checked(conditions, x, self.limit)
        features = fourier(locations, self.linear.in_features)
        return self.linear(features.masked_fill(~mask[..., None], 0).sum(1))


class ContinuousPathway(nn.Module):
    """A vector of numbers, such as a colour and a radius, through a small network."""

    def __init__(self, dimensions: int, width: int):
        """An embedding (B, width) of vectors (B, dimensions)."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dimensions, width), nn.SiLU(), nn.Linear(width, width)
        )

    def forward(self, conditions: Tensor | None, x: Tensor) -> Tensor:
        """The embedding (B, width) of vectors (B, dimensions); zeros for None."""
        first, last = self.layers[0], self.layers[-1]
        if conditions is None:
            return x.new_zeros(len(x), last.out_features)
        expected = (len(x), first.in_features)
        if not isinstance(conditions, Tensor) or conditions.shape != expected:
            raise ValueError(f"the condition must be {expected}, not {described(conditions)}")
        return self.layers(conditions)


def location_map(conditions: Locations | None, x: Tensor, limit: int) -> Tensor:
    """The map pathway: a picture (B, 1, H, H) beside x, 1 at each location's pixel, else 0."""
    locations, mask = checked(conditions, x, limit)
    size = x.shape[-1]
    flat = x.new_zeros(len(x), size**2)
    flat.scatter_reduce_(1, cells(locations, size), mask.to(flat), "amax")
    return flat.view(len(x), 1, size, size)


class Block(nn.Module):
    """A residual block, modulated by an embedding.

    x + conv2(silu(scale * normalise(conv1(silu(normalise(x)))) + shift)), where scale and shift are
    linear in the embedding, so that the embedding of several conditions acts as the sum of theirs.
    """

    def __init__(
        self, width: int, embedding: int, kernel: int = 3, mixing: int = 2, pad: bool = True
    ):
        """A block of `width` channels.

        Args:
            width: Channels in and out.
            embedding: Channels of the embedding.
            kernel: Side of the windows of the convolutions that mix places, in cells; odd.
            mixing: How many of the two convolutions mix places; the others are 1x1.
            pad: Whether zeros outside keep the picture's size; else it loses (kernel - 1) / 2 cells
                on each side for each mixing convolution.

        Raises:
            ValueError: A size is no positive integer, or the kernel is even.
        """
        super().__init__()
        check_sizes(width=width, embedding=embedding, kernel=kernel)
        if kernel % 2 == 0:
            raise ValueError(f"a window has a middle: kernel must be odd, not {kernel}")
        sides = [kernel if i < mixing else 1 for i in range(2)]
        self.margin = 0 if pad else sum(side // 2 for side in sides)
        self.conv1, self.conv2 = (
            nn.Conv2d(width, width, side, padding=side // 2 if pad else 0) for side in sides
        )
        self.modulation = nn.Conv2d(embedding, 2 * width, 1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, width, H, W) and an embedding (B, E, 1, 1) or one a place -> (B, width, H', W')."""
        scale, shift = self.modulation(embedding).chunk(2, 1)
        h = self.conv1(functional.silu(normalise(x)))
        h = self.conv2(functional.silu(torch.addcmul(shift, normalise(h), 1 + scale)))
        m = self.margin
        return x[..., m : x.shape[-2] - m, m : x.shape[-1] - m] + h


class Attention(nn.Module):
    """Self-attention over all places, added to its input."""

    def __init__(self, width: int, heads: int = 4):
        """Attention over `width` channels, split evenly among `heads`; else ValueError."""
        super().__init__()
        check_sizes(width=width, heads=heads)
        if width % heads:
            raise ValueError(f"{width} channels cannot be split evenly among {heads} heads")
        self.heads = heads
        self.enter = nn.Conv2d(width, 3 * width, 1)
        self.leave = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.leave.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) -> the same shape."""
        shape = x.shape
        qkv = self.enter(normalise(x)).flatten(2).mT  # (B, H W, 3 width)
        q, k, v = (t.unflatten(2, (self.heads, -1)).transpose(1, 2) for t in qkv.chunk(3, 2))
        h = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return x + self.leave(h.mT.unflatten(2, shape[2:]))


class FullTrunk(nn.Module):
    """A small U-Net with attention: every place sees the whole picture.

    One block at full resolution, two blocks and attention at half of it, one block at full.
    """

    def __init__(self, width: int, embedding: int):
        """`width` channels at the full resolution and twice as many at half of it."""
        super().__init__()
        self.first = Block(width, embedding)
        self.down = nn.Conv2d(width, 2 * width, 2, stride=2)
        self.before = Block(2 * width, embedding)
        self.attention = Attention(2 * width)
        self.after = Block(2 * width, embedding)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.last = Block(width, embedding)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, width, H, W), even sides, and an embedding (B, E, 1, 1) -> (B, width, H, W)."""
        fine = self.first(x, embedding)
        coarse = self.before(self.down(fine), embedding)
        coarse = self.after(self.attention(coarse), embedding)
        return self.last(fine + self.up(coarse), embedding)


class UNet(nn.Module):
    """A U-Net with attention whose conditions come in by one of the pathways.

    `vector`, `fourier` and `continuous` add an embedding to the noise level's, `map` lays a
    picture of the locations beside the noisy one, `none` takes no conditions.
    """

    PATHWAYS = ("vector", "fourier", "continuous", "map", "none")

    def __init__(
        self,
        pathway: str = "none",
        size: int = 32,
        grid: int = 16,
        channels: int = 3,
        width: int = 64,
        embedding: int = 128,
        dimensions: int = 4,
        limit: int = 16,
    ):
        """A network for pictures (B, channels, size, size).

        Args:
            pathway: One of `PATHWAYS`.
            size: Side of the picture in pixels, a multiple of the grid.
            grid: Cells a side, even.
            channels: Of the picture.
            width: Channels at a cell, even.
            embedding: Channels of noise level and conditions, even.
            dimensions: Of the condition of `continuous`.
            limit: Most locations a picture.

        Raises:
            ValueError: The pathway is unknown or the sizes do not fit.
        """
        super().__init__()
        if pathway not in self.PATHWAYS:
            raise ValueError(f"unknown pathway {pathway!r}: choose among {self.PATHWAYS}")
        check_sizes(size=size, grid=grid, channels=channels, dimensions=dimensions, limit=limit)
        check_sizes(2, 2, width=width, embedding=embedding)
        if size % grid or grid % 2:
            raise ValueError(f"the grid ({grid}) must be even and divide the size ({size})")
        self.name = f"unet.{pathway}.size{size}.grid{grid}.width{width}.embedding{embedding}"
        self.name += said(channels=channels, dimensions=dimensions)
        self.pathway, self.cell, self.limit = pathway, size // grid, limit
        self.noise = NoiseEmbedding(embedding)
        self.condition = {
            "vector": lambda: VectorPathway(grid, embedding, limit),
            "fourier": lambda: FourierPathway(embedding, limit),
            "continuous": lambda: ContinuousPathway(dimensions, embedding),
        }.get(pathway, lambda: None)()
        planes = channels + (pathway == "map")
        self.enter = nn.Conv2d(planes * self.cell**2, width, 1)
        self.positions = nn.Parameter(fourier(centres(grid), width).movedim(-1, 0))
        self.trunk = FullTrunk(width, embedding)
        self.leave = nn.Conv2d(width, channels * self.cell**2, 1)
        nn.init.zeros_(self.leave.weight)

    def forward(self, x: Tensor, noise: Tensor, conditions: Locations | Tensor | None) -> Tensor:
        """The raw output, like x (B, channels, size, size); noise is ln(sigma) / 4 (B,)."""
        embedding = self.noise(noise)
        if self.condition is not None:
            embedding = embedding + self.condition(conditions, x)
        if self.pathway == "map":
            x = torch.cat([x, location_map(conditions, x, self.limit)], 1)
        elif self.pathway == "none" and conditions is not None:
            raise ValueError("this network takes no conditions")
        places = self.enter(functional.pixel_unshuffle(x, self.cell)) + self.positions
        h = self.trunk(places, embedding[..., None, None])
        return functional.pixel_shuffle(self.leave(h), self.cell)


def initialise(network: nn.Module, generator: torch.Generator) -> nn.Module:
    """Draws the weights anew from a stream of their own; a layer that starts at zero stays there.

    Uniform within 1 / sqrt(number of inputs), which is torch's default, but torch draws it from the
    global stream.

    Args:
        network: Changed in place; on the generator's device.
        generator: Where the numbers come from.

    Returns:
        The network.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            bound = module.weight[0].numel() ** -0.5 if module.weight.any() else 0.0
            for tensor in (module.weight, module.bias):
                if tensor is not None:
                    nn.init.uniform_(tensor, -bound, bound, generator=generator)
    return network


def parameters(network: nn.Module) -> int:
    """The number of trained parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def matching_width(build: Callable[[int], nn.Module], target: int) -> int:
    """The width, a multiple of 4, at which a network comes closest to a number of parameters.

    Args:
        build: Makes the network of a width; called on the meta device, so nothing is allocated.
            Its number of parameters is a quadratic polynomial of the width.
        target: Number of trained parameters.

    Raises:
        ValueError: No width comes within 10 %.
    """

    def count(width: int) -> int:
        with torch.device("meta"):
            return parameters(build(width))

    a, b, c = np.polyfit((32, 64, 96), [count(width) for width in (32, 64, 96)], 2)
    width = min(range(4, 1024, 4), key=lambda w: abs(a * w**2 + b * w + c - target))
    if abs(count(width) - target) > 0.1 * target:
        raise ValueError(f"no width gives {target} parameters to 10 %: {width} has {count(width)}")
    return width
