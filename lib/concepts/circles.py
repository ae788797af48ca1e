"""The colour-size world: one disc, red or blue, big or small, on a light background.

A place in concept space is a pair (colour, size): 0 is red and big, 1 blue and small, as class
means; pictures of a class scatter about its mean. Three compositions are trained on, blue and
small is held out. A disc has four properties, its RGB colour and its radius; they are also the
condition of a picture. Lengths are in units in which the canvas is [-1, 1]^2.

Source: the public configuration files of Park et al., "Emergence of Hidden Capabilities", NeurIPS
2024; the data of the diffusion experiment of Yang et al., arXiv 2410.08309.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

COMPOSITIONS = {
    "red big": (0.0, 0.0),
    "blue big": (1.0, 0.0),
    "red small": (0.0, 1.0),
    "blue small": (1.0, 1.0),
}
HELD_OUT = "blue small"
CONCEPTS = ("colour", "size")

RADIUS = (0.65, 0.25)  # means of big and small
RADIUS_JITTER = 0.15  # uniform within this of the mean
COLOR_JITTER = 1 / 8  # uniform within this share of the colour signal, each channel
CENTRE = 0.5  # within this of the canvas' centre, each axis
BACKGROUND = (0.8, 1.0)  # each channel
NOISE = 0.001  # standard deviation, of a pixel in [0, 1]


@dataclass(frozen=True)
class Circles:
    """The distribution of pictures.

    Attributes:
        signal: Distance of the class means of red and blue in either of these channels, in (0, 1].
        jitter: Factor on the scatter of colour and radius about their class means.
        held_out: The composition that is not trained on.
        balance: `colour` or `size`, whose two values are then shown alike often; none for all
            three compositions alike often.
    """

    signal: float
    jitter: float = 1.0
    held_out: str = HELD_OUT
    balance: str = "none"

    def __post_init__(self):
        """Refuses a world that cannot be drawn."""
        place_of(self.held_out)
        if self.balance not in ("none", *CONCEPTS):
            raise ValueError(f"balanced is one of {CONCEPTS} or none, not {self.balance!r}")
        if not 0 < self.signal <= 1:
            raise ValueError(f"the colour signal must lie in (0, 1], not be {self.signal}")
        most = RADIUS[1] / RADIUS_JITTER
        if not 0 <= self.jitter < most:
            raise ValueError(
                f"the jitter must lie in [0, {most:.3g}), for a radius is positive: {self.jitter}"
            )

    @property
    def training(self) -> tuple[str, ...]:
        """The compositions that are trained on."""
        return tuple(name for name in COMPOSITIONS if name != self.held_out)

    @property
    def shares(self) -> tuple[float, ...]:
        """How often each of them is shown."""
        if self.balance == "none":
            return (1 / 3,) * 3
        concept = CONCEPTS.index(self.balance)
        # Of this concept, the value of the held-out composition is seen in one of the three alone.
        rare = COMPOSITIONS[self.held_out][concept]
        return tuple(0.5 if COMPOSITIONS[name][concept] == rare else 0.25 for name in self.training)

    @property
    def mu(self) -> tuple[float, float]:
        """Distance of the class means of each concept, in units of the condition."""
        return math.sqrt(2) * self.signal, RADIUS[0] - RADIUS[1]

    @property
    def sigma(self) -> tuple[float, float]:
        """Standard deviation about the class means along the same two directions."""
        half = COLOR_JITTER * self.signal, RADIUS_JITTER
        return tuple(self.jitter * width / math.sqrt(3) for width in half)

    def means(self, places: Tensor) -> Tensor:
        """The properties (..., 4), RGB and radius, in the middle of places (..., 2)."""
        color, size = places.unbind(-1)
        swing = self.signal * (color - 0.5)
        low = torch.full_like(swing, 0.5 - self.signal / 2)
        radius = RADIUS[0] + size * (RADIUS[1] - RADIUS[0])
        return torch.stack([0.5 - swing, low, 0.5 + swing, radius], -1)

    def places(self, properties: Tensor) -> Tensor:
        """The places (..., 2) of properties (..., 4): linear, 0 and 1 at the class means."""
        red, _, blue, radius = properties.unbind(-1)
        color = ((blue - red) / self.signal + 1) / 2
        return torch.stack([color, (RADIUS[0] - radius) / (RADIUS[0] - RADIUS[1])], -1)

    def properties(self, places: Tensor, generator: torch.Generator) -> Tensor:
        """Properties (B, 4) drawn about places (B, 2)."""
        means = self.means(places)
        width = means.new_tensor([*[COLOR_JITTER * self.signal] * 3, RADIUS_JITTER])
        return means + self.jitter * width * _uniform(means.shape, -1, 1, generator)

    def classes(self, count: int, generator: torch.Generator) -> Tensor:
        """Places (count, 2) of compositions trained on, drawn by their shares."""
        device = generator.device
        corners = torch.tensor([COMPOSITIONS[name] for name in self.training], device=device)
        if self.balance == "none":
            index = torch.randint(len(corners), (count,), generator=generator, device=device)
        else:
            weights = torch.tensor(self.shares, device=device)
            index = torch.multinomial(weights, count, True, generator=generator)
        return corners[index]

    def batch(
        self, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Fresh training pictures, their properties, places of their class, and how they cover.

        Drawn on the generator's device.

        Returns:
            (count, 3, 32, 32), (count, 4), (count, 2), and of `coverage` (count, 32, 32).
        """
        places = self.classes(count, generator)
        properties = self.properties(places, generator)
        pictures, discs = _drawn(properties, generator)
        return pictures, properties, places, discs


def towards(places, held_out: str = HELD_OUT):
    """Places (..., 2) seen from the corner opposite to a composition, which then lies at (1, 1).

    Tensors or arrays. For (blue, small) nothing changes.
    """
    color, size = place_of(held_out)
    seen = places.copy() if hasattr(places, "copy") else places.clone()
    for concept, value in enumerate((color, size)):
        if not value:
            seen[..., concept] = 1 - seen[..., concept]
    return seen


def all_towards(places, held_out: str = HELD_OUT):
    """Places (..., 4, 2) of all compositions, seen from the corner opposite to the held-out one.

    In the order of `COMPOSITIONS` again, so that the held-out one comes last, at (1, 1), behind
    those that have its colour alone and its size alone. For (blue, small) nothing changes.
    """
    corners = towards(np.array(list(COMPOSITIONS.values())), held_out).tolist()
    order = [corners.index(list(corner)) for corner in COMPOSITIONS.values()]
    return towards(places, held_out)[..., order, :]


def place_of(name: str) -> tuple[float, float]:
    """The place of a composition.

    Raises:
        ValueError: There is no such composition.
    """
    if name not in COMPOSITIONS:
        raise ValueError(f"a composition is one of {list(COMPOSITIONS)}, not {name!r}")
    return COMPOSITIONS[name]


def draw(properties: Tensor, generator: torch.Generator, size: int = 32) -> Tensor:
    """Pictures (B, 3, size, size) in [-1, 1] with properties (B, 4), all else at random."""
    return _drawn(properties, generator, size)[0]


def _drawn(properties: Tensor, generator: torch.Generator, size: int = 32) -> tuple[Tensor, Tensor]:
    """Pictures as of `draw`, and how far each of their pixels belongs to the disc."""
    centre, background = surroundings(len(properties), generator)
    discs = coverage(centre, properties[:, 3], size)
    pictures = _painted(discs, properties, background)
    noise = torch.randn(pictures.shape, generator=generator, device=generator.device)
    return pictures + 2 * NOISE * noise, discs


def counted_alike(discs: Tensor) -> Tensor:
    """How much each pixel's error must count for a wrong colour to cost alike in every disc.

    A disc's colour off by d is an error of d times its coverage. Beside the disc a pixel counts 1,
    inside 1 + a, and a is such that the squared errors cost what they do in a big disc of mean
    radius where all pixels count alike.

    Args:
        discs: Of `coverage`, (B, size, size).

    Returns:
        (B, 1, size, size).
    """
    middle, radius = discs.new_zeros(1, 2), discs.new_tensor([RADIUS[0]])
    target = (coverage(middle, radius, discs.shape[-1]) ** 2).sum()
    squares, cubes = ((discs**power).sum((1, 2), keepdim=True) for power in (2, 3))
    return (1 + discs * (target - squares) / cubes)[:, None]


def surroundings(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Centres (count, 2) and colours of the background (count, 3): what no condition speaks of."""
    centre = _uniform((count, 2), -CENTRE, CENTRE, generator)
    return centre, _uniform((count, 3), *BACKGROUND, generator)


def coverage(centre: Tensor, radius: Tensor, size: int = 32) -> Tensor:
    """How far each pixel belongs to the disc: (B, size, size) in [0, 1].

    A disc with centre (B, 2), x right and y down, and radius (B,), its edge smoothed by a Gaussian
    of one pixel.
    """
    pixel = 2 / size
    middle = (torch.arange(size, device=centre.device) + 0.5) * pixel - 1
    x, y = middle - centre[:, :1], middle - centre[:, 1:]
    distance = (y[:, :, None] ** 2 + x[:, None, :] ** 2).sqrt()
    return torch.special.ndtr((radius[:, None, None] - distance) / pixel)


def render(properties: Tensor, centre: Tensor, background: Tensor, size: int = 32) -> Tensor:
    """Pictures (B, 3, size, size) in [-1, 1], without noise.

    Args:
        properties: (B, 4), RGB in [0, 1] and radius.
        centre: (B, 2).
        background: (B, 3), RGB in [0, 1].
        size: Pixels a side.
    """
    return _painted(coverage(centre, properties[:, 3], size), properties, background)


def _painted(discs: Tensor, properties: Tensor, background: Tensor) -> Tensor:
    """The pictures of `render`, of discs that cover so much of each pixel, see `coverage`."""
    color, background = (c[..., None, None] for c in (properties[:, :3], background))
    return 2 * (background + discs[:, None] * (color - background)) - 1


def _uniform(shape, low: float, high: float, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(shape, generator=generator, device=generator.device)
    return low + (high - low) * drawn
