"""From a picture to its place in concept space.

A small convolutional network says where the disc is and how large. Given that, a picture is linear
in the colours of disc and background, so that these follow by least squares, and what is left over
says whether the picture is one of this world at all. The network is trained on all places alike,
those between and beyond the classes too: no composition is held out from it.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from lib.concepts.circles import COMPOSITIONS, Circles, coverage, draw, render, surroundings
from lib.storage import check_finite, checkpoint

SIZE = 32
ACCURACY = 0.99  # least, on fresh pictures of each class
MOST_NOISE = 0.1  # greatest standard deviation of the noise on training pictures
READABLE = 0.5  # least share of its variance that a disc explains in a picture
WEIGHTS = Path(__file__).parents[1] / "results" / "concept_learning" / "classifier.safetensors"


class Finder(nn.Module):
    """Pictures (B, 3, 32, 32) to x and y of the disc's centre and its radius (B, 3)."""

    name = "disc-finder-32"

    def __init__(self, width: int = 24):
        """A network with random weights."""
        super().__init__()
        layers, channels = [nn.PixelUnshuffle(2)], 12
        for step in range(3):
            layers += [nn.Conv2d(channels, width * (step + 1), 3, 1 + (step > 0), 1), nn.SiLU()]
            channels = width * (step + 1)
        layers += [nn.Flatten(), nn.Linear(16 * channels, 64), nn.SiLU(), nn.Linear(64, 3)]
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        """Centre and radius, in units of the canvas [-1, 1]^2."""
        return self.layers(pictures)


@dataclass(frozen=True)
class Reading:
    """What pictures show.

    Attributes:
        properties: (B, 4), RGB and radius of the disc.
        explained: (B,), share of the picture's variance that a disc of that kind explains: near 1
            for a picture of this world, 0 for an empty one or for noise.
    """

    properties: Tensor
    explained: Tensor

    @property
    def readable(self) -> Tensor:
        """Whether each picture shows a disc, (B,)."""
        return self.explained > READABLE


@torch.no_grad()
def read(finder: Finder, pictures: Tensor) -> Reading:
    """Reads pictures (B, 3, 32, 32) in [-1, 1].

    Raises:
        ValueError: They have another shape; they, or what the network says of them, are not finite:
            those would count as unreadable.
    """
    if pictures.shape[1:] != (3, SIZE, SIZE):
        raise ValueError(f"pictures must be (B, 3, {SIZE}, {SIZE}), not {tuple(pictures.shape)}")
    check_finite(pictures, "pictures")
    found = finder(pictures)
    check_finite(found, "the network's outputs")
    x, y, radius = found.unbind(1)
    disc = coverage(torch.stack([x, y], 1), radius, SIZE).flatten(1)  # (B, 1024)
    basis = torch.stack([disc, 1 - disc], 2)
    pixels = pictures.flatten(2).mT  # (B, 1024, 3)
    ridge = 1e-3 * torch.eye(2, device=basis.device)  # where a disc covers nothing
    colors = torch.linalg.solve(basis.mT @ basis + ridge, basis.mT @ pixels)  # (B, 2, 3)
    left = (pixels - basis @ colors).square().mean((1, 2))
    variance = (pixels - pixels.mean(1, keepdim=True)).square().mean((1, 2))
    properties = torch.cat([(colors[:, 0] + 1) / 2, radius[:, None]], 1)
    return Reading(properties, (variance - left) / (variance + 1e-6))  # 0 for one colour


def accuracy(finder: Finder, world: Circles, samples: int, generator: torch.Generator) -> dict:
    """The share of fresh pictures of each composition whose class is read off rightly.

    Args:
        finder: Trained.
        world: Where the pictures come from.
        samples: Pictures of each composition.
        generator: Of the pictures.

    Returns:
        One share a composition, by name.
    """
    shares = {}
    for name, place in COMPOSITIONS.items():
        asked = torch.tensor(place, device=generator.device).expand(samples, 2)
        pictures = draw(world.properties(asked, generator), generator)
        found = world.places(read(finder, pictures).properties)
        shares[name] = ((found > 0.5) == (asked > 0.5)).all(1).double().mean().item()
    return shares


def check_accuracy(
    finder: Finder, world: Circles, generator: torch.Generator, samples: int = 250
) -> dict:
    """`accuracy`, where it suffices for every composition.

    Raises:
        ValueError: It does not.
    """
    shares = accuracy(finder, world, samples, generator)
    if min(shares.values()) < ACCURACY:
        raise ValueError(
            f"the classifier is right on {shares} of fresh pictures at signal {world.signal}: "
            f"each must be at least {ACCURACY}; train it anew"
        )
    return shares


def batch(size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Training pictures (size, 3, 32, 32), and centre and radius of their discs (size, 3).

    Of all colour signals and of places from -0.4 to 1.4, with more noise than the world has.
    """
    signal, noise, *places = torch.rand(4, size, generator=generator, device=generator.device)
    properties = Circles(1.0).means(1.8 * torch.stack(places, 1) - 0.4)
    properties[:, :3] = 0.5 + signal[:, None] * (properties[:, :3] - 0.5)
    centre, background = surroundings(size, generator)
    pictures = render(properties, centre, background)
    normal = torch.randn(pictures.shape, generator=generator, device=generator.device)
    truth = torch.cat([centre, properties[:, 3:]], 1)
    return pictures + MOST_NOISE * noise[:, None, None, None] * normal, truth


def loss(found: Tensor, truth: Tensor) -> Tensor:
    """How far off centre and radius (B, 3) are: a scalar."""
    return functional.smooth_l1_loss(found, truth, beta=0.02)


def load(path: str | Path = WEIGHTS) -> Finder:
    """The finder that `python -m lib.experiments classifier` trained.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or holds another network.
    """
    return checkpoint.loaded(Finder(), path)
