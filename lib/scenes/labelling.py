"""What a network is told of a scene: locations (B, K, 2) in [0, 1] and a mask (B, K).

How a network reads them (as cells, as a map, as Fourier features) is the network's own affair.
"""

import torch
from torch import Tensor

from lib.scenes.measure import MEASURE
from lib.scenes.render import annotate
from lib.scenes.scene import Scenes, concatenated, locations, sample_scenes

Conditions = tuple[Tensor, Tensor]


def label_all(scenes: Scenes) -> Conditions:
    """The rule of experiment 1: every object's location is a condition.

    Args:
        scenes: B scenes.

    Returns:
        Locations (B, K, 2) and mask (B, K). An object whose centre is outside the square, as in
        official pictures, is no condition; its location is set to 0, as where there is no object.
    """
    place = locations(scenes)
    mask = scenes.mask & ((place >= 0) & (place <= 1)).all(-1)
    return place * mask[..., None], mask


def label_one(scenes: Scenes, generator: torch.Generator) -> Conditions:
    """The rule of experiments 2 and 3: one object's location, however many objects there are.

    Args:
        scenes: B scenes.
        generator: Chooses, uniformly among a scene's objects.

    Returns:
        Locations (B, 1, 2) and mask (B, 1), false in a scene without objects.
    """
    return one_of(label_all(scenes), generator)


def one_of(conditions: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
    """One of each picture's conditions, all that is said of it.

    Args:
        conditions: Locations (B, K, 2), a mask (B, K), and what else there is, (B, K, ...).
        generator: Chooses, uniformly.

    Returns:
        The same with K = 1, the mask false where there was none.
    """
    mask = conditions[1]
    chance = torch.rand(mask.shape, generator=generator, device=generator.device).to(mask.device)
    chance = torch.nn.functional.pad(chance * mask, (0, 1))  # a column of nothing for K = 0
    rows, chosen = torch.arange(len(mask), device=mask.device), chance.argmax(1)
    padded = (
        torch.cat([part, part.new_zeros(len(part), 1, *part.shape[2:])], 1) for part in conditions
    )
    return tuple(part[rows, chosen][:, None] for part in padded)


def request_scenes(batch: int, count: int, generator: torch.Generator) -> Scenes:
    """Scenes whose locations a network is asked for in a test.

    They are real scenes with that many objects, so their locations are possible together; none
    of the objects is heavily hidden (a visibility under `MEASURE.visible`), so a picture can show
    each. `label_all` of them is the request, `render` of them the picture that sets the ceiling.

    Args:
        batch: Number of scenes.
        count: Objects in each, K.
        generator: Source of all randomness.

    Returns:
        `batch` scenes of exactly `count` objects.

    Raises:
        ValueError: `batch` is less than 1, or `count` negative or more than find room.
    """
    kept, missing = [], batch
    while missing > 0 or not kept:
        scenes = sample_scenes(missing, count, count, generator)
        kept.append(scenes[(annotate(scenes).visibility >= MEASURE.visible).all(1)])
        missing -= len(kept[-1])
    return concatenated(kept)


def request(places, batch: int = 1) -> Conditions:
    """Asks for places of one's own.

    Args:
        places: (K, 2), fractions of the picture's width and height from its upper left corner; a
            tensor, an array or a list of pairs.
        batch: How many pictures are asked for them.

    Returns:
        Locations (batch, K, 2) and mask (batch, K), all true.

    Raises:
        ValueError: A place is no pair of numbers, or lies outside the picture.
    """
    place = torch.as_tensor(places, dtype=torch.float32)
    place = place.reshape(0, 2) if place.numel() == 0 else place
    if place.ndim != 2 or place.shape[1] != 2:
        raise ValueError(f"places are K pairs (x, y), got numbers of shape {tuple(place.shape)}")
    outside = ~((place >= 0) & (place <= 1)).all(-1)
    if outside.any():
        k = int(outside.nonzero()[0])
        raise ValueError(
            f"place {k}, {place[k].tolist()}, is outside the picture: x and y must be in [0, 1], "
            "as fractions of its width and height"
        )
    return place.expand(batch, -1, -1), torch.ones(batch, len(place), dtype=torch.bool)
