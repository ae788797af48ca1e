"""Whether far parts of a picture are lit by the same lamps, whatever their borders look like.

A judge of whole pictures (`lib.scenes.coherence`) sees the cuts of a paste, and what it says is
mostly about them. Here no border is looked at: a small network, trained by `lib.experiments.lamps`
on real scenes, reads off a single crop where the three lamps stand. Crops that do not overlap are
read apart; in a real picture they are lit alike, in a paste of separate pictures each by its own.
`agreement` is the share of what readings vary by that two crops of one picture have in common.
"""

from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from lib.scenes.scene import LAMP_JITTER, LAMPS, Scenes
from lib.storage import check_finite, checkpoint

WEIGHTS = Path(__file__).parents[1] / "results" / "lamps.safetensors"
SIZE = 32  # of the pictures that are read, pixels
REACH = 5  # pixels that a crop reaches to each side of its middle
WIDE = 2 * REACH + 1


class Reader(nn.Module):
    """Crops (N, 6, 11, 11), see `crops`, to where the lamps stand (N, 9), see `truth`."""

    name = "lamps-11"

    def __init__(self, width: int = 48):
        """A network with random weights."""
        super().__init__()
        self.layers = nn.Sequential(
            *_layer(6, width),
            *_layer(width, width, 2),
            *_layer(width, width),
            *_layer(width, 2 * width, 2),
            nn.Flatten(),
            nn.Linear(2 * width * 9, 96),
            nn.SiLU(),
            nn.Linear(96, 9),
        )

    def forward(self, seen: Tensor) -> Tensor:
        """The readings."""
        return self.layers(seen)


def _layer(channels: int, width: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, 3, stride, 1), nn.GroupNorm(8, width), nn.SiLU()]


def truth(scenes: Scenes) -> Tensor:
    """Where the lamps of scenes stand, (B, 9): of mean 0 and variance 1 over CLEVR's jitter."""
    usual = torch.tensor(LAMPS, dtype=scenes.lamps.dtype, device=scenes.lamps.device)
    return ((scenes.lamps - usual) * (3**0.5 / LAMP_JITTER)).flatten(1)


def crops(pictures: Tensor, places: Tensor) -> Tensor:
    """What is seen about each place: colour, what is inside the picture, and where it is.

    Args:
        pictures: (B, 3, 32, 32), in [-1, 1].
        places: (B, K, 2), x and y as fractions of the picture; a crop's middle is their pixel.

    Returns:
        (B, K, 6, 11, 11); beyond the picture all is 0.

    Raises:
        ValueError: The shapes do not fit, a place is outside, or something is not finite.
    """
    if pictures.shape[1:] != (3, SIZE, SIZE) or places.shape[::2] != (len(pictures), 2):
        raise ValueError(
            f"need pictures (B, 3, {SIZE}, {SIZE}) and places (B, K, 2), not "
            f"{tuple(pictures.shape)} and {tuple(places.shape)}"
        )
    check_finite(pictures, "pictures")
    if not ((places >= 0) & (places <= 1)).all():
        raise ValueError(f"a place is outside the picture: {places.tolist()}")
    line = torch.linspace(-1, 1, SIZE, device=pictures.device, dtype=pictures.dtype)
    about = torch.stack(
        [torch.ones(SIZE, SIZE).to(line), *torch.meshgrid(line, line, indexing="xy")]
    )
    shown = torch.cat([pictures, about.expand(len(pictures), -1, -1, -1)], 1)
    tiles = (
        F.pad(shown, (REACH,) * 4).unfold(2, WIDE, 1).unfold(3, WIDE, 1)
    )  # (B, 6, 32, 32, 11, 11)
    column, row = pixels(places).unbind(-1)
    return tiles.permute(0, 2, 3, 1, 4, 5)[torch.arange(len(pictures))[:, None], row, column]


def pixels(places: Tensor) -> Tensor:
    """The pixels (B, K, 2) in which places fall: column and row."""
    return (places * SIZE).long().clamp(max=SIZE - 1)


def disjoint(places: Tensor) -> Tensor:
    """Which pairs of crops about places (B, K, 2) share no pixel: (B, K, K), the first before."""
    at = pixels(places)
    apart = (at[:, :, None] - at[:, None]).abs().amax(-1) >= WIDE
    return apart & torch.ones_like(apart).triu(1)


@torch.no_grad()
def readings(reader: Reader, pictures: Tensor, places: Tensor) -> Tensor:
    """What a reader says of the crops about places (B, K, 2) of pictures: (B, K, 9)."""
    seen = crops(pictures, places)
    return reader(seen.flatten(0, 1)).unflatten(0, seen.shape[:2])


def shared(read: Tensor, pairs: Tensor) -> Tensor:
    """What the readings of a pair have in common, and what they vary by, a picture each.

    Args:
        read: (B, K, 9), of `readings`.
        pairs: (B, K, K), of `disjoint`.

    Returns:
        (B, 2): sums over the pairs of the product of both readings, and of half the sum of their
        squares, each less the mean of all that are in pairs; 0 where there is none.

    Raises:
        ValueError: A reading is not finite.
    """
    check_finite(read, "readings")
    b, first, second = pairs.nonzero(as_tuple=True)
    one, other = read[b, first].double(), read[b, second].double()
    middle = torch.cat([one, other]).mean(0)  # of no pair not a number, which no sum takes in
    one, other = one - middle, other - middle
    both = torch.stack([(one * other).sum(1), (one.square() + other.square()).sum(1) / 2], 1)
    return both.new_zeros(len(read), 2).index_add(0, b, both)


def compared(reader: Reader, pictures: Tensor, places: Tensor) -> Tensor:
    """What is `shared` by the readings of places (B, K, 2) whose crops are disjoint: (B, 2)."""
    return shared(readings(reader, pictures, places), disjoint(places))


def agreement(sums: Tensor) -> float:
    """The share of the readings' variance that two crops of one picture have in common.

    Of `shared` (B, 2), all pictures together: the intraclass correlation of the readings. 0 where
    pictures are lit piece by piece; 1 is out of reach, for one crop says little of the lamps.

    Raises:
        ValueError: There is no pair, or all readings are the same.
    """
    common, total = sums.sum(0).tolist()
    if not total > 0:
        raise ValueError("no two crops are disjoint, or all are read alike: nothing can agree")
    return common / total


def load(path: str | Path = WEIGHTS) -> Reader:
    """The reader that `python -m lib.experiments lamps` trained.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or holds another network.
    """
    return checkpoint.loaded(Reader(), path)
