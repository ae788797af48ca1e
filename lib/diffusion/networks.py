"""Networks that see exactly what is written here.

A picture (B, channels, size, size) is cut into grid x grid cells of m x m pixels, m = size / grid;
a cell's pixels are its channels, so that one 3x3 convolution sees 3x3 cells. Normalisation is per
place, over channels: group or batch normalisation would let every pixel see the whole picture.

How conditions get in: `lib.diffusion.pathways`.
"""

import math
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lib.diffusion.pathways import PATHWAYS, Locations, centres, check_sizes, fourier

# What a network's name leaves out is as here; the names of stored weights rest on it.
UNSAID = {"channels": 3, "dimensions": 4, "embedding": 64, "blocks": 2}


def size_suffix(**sizes: int) -> str:
    """The part of a network's name that tells the sizes that are not the usual: `.blocks3`."""
    return "".join(f".{name}{size}" for name, size in sizes.items() if size != UNSAID[name])


def normalise(x: Tensor) -> Tensor:
    """Zero mean and unit variance over channels, at each place alone: (B, C, H, W) -> the same."""
    return functional.layer_norm(x.movedim(1, -1), (x.shape[1],)).movedim(-1, 1)


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

    What a pathway offers as an embedding is added to the noise level's, what it offers as planes
    to the places before the trunk: see `lib.diffusion.pathways`.
    """

    def __init__(
        self,
        pathway: str | nn.Module = "none",
        size: int = 32,
        grid: int = 16,
        channels: int = 3,
        width: int = 64,
        embedding: int = 128,
        told: int = 128,
        hidden: int = 256,
        dimensions: int = 4,
        limit: int = 16,
    ):
        """A network for pictures (B, channels, size, size).

        Args:
            pathway: One of `lib.diffusion.pathways.PATHWAYS`; or a pathway itself, made for these
                sizes, whose class then stands in the network's name.
            size: Side of the picture in pixels, a multiple of the grid.
            grid: Cells a side, even.
            channels: Of the picture.
            width: Channels at a cell, even.
            embedding: Channels of the noise level, even.
            told: Channels of the embedding of locations, even.
            hidden: Channels where that meets the places, even.
            dimensions: Of the condition of `continuous`; kinds of `things`.
            limit: Most locations a picture.

        Raises:
            ValueError: The pathway is unknown or the sizes do not fit.
        """
        super().__init__()
        given = isinstance(pathway, nn.Module)
        if not given and pathway not in PATHWAYS:
            raise ValueError(f"unknown pathway {pathway!r}: choose among {(*PATHWAYS,)}")
        check_sizes(size=size, grid=grid, channels=channels, dimensions=dimensions, limit=limit)
        check_sizes(2, 2, width=width, embedding=embedding, told=told, hidden=hidden)
        if size % grid or grid % 2:
            raise ValueError(f"the grid ({grid}) must be even and divide the size ({size})")
        kind = type(pathway).__name__.lower() if given else pathway
        self.name = f"unet.{kind}.size{size}.grid{grid}.width{width}.embedding{embedding}"
        self.name += size_suffix(channels=channels, dimensions=dimensions)
        self.cell, self.limit = size // grid, limit
        self.noise = NoiseEmbedding(embedding)
        sizes = SimpleNamespace(
            size=size,
            grid=grid,
            width=width,
            embedding=embedding,
            told=told,
            hidden=hidden,
            dimensions=dimensions,
            limit=limit,
        )
        self.condition = pathway if given else PATHWAYS[pathway](sizes)
        if hasattr(self.condition, "meeting"):  # which is made with these
            self.name += f".told{told}.hidden{hidden}"
        self.enter = nn.Conv2d(channels * self.cell**2, width, 1)
        self.positions = nn.Parameter(fourier(centres(grid), width).movedim(-1, 0))
        self.trunk = FullTrunk(width, embedding)
        self.leave = nn.Conv2d(width, channels * self.cell**2, 1)
        nn.init.zeros_(self.leave.weight)

    def forward(self, x: Tensor, noise: Tensor, conditions: Locations | Tensor | None) -> Tensor:
        """The raw output, like x (B, channels, size, size); noise is ln(sigma) / 4 (B,)."""
        level = self.noise(noise)
        embedding, planes = self.condition(conditions, x)
        places = self.enter(functional.pixel_unshuffle(x, self.cell)) + self.positions
        if embedding is not None:
            level = level + embedding
        if planes is not None:
            places = places + planes
        h = self.trunk(places, level[..., None, None])
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
