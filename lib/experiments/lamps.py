"""Trains the reader of lamps and tries it on painters of known worth.

    python -m lib.experiments lamps run
    python -m lib.experiments lamps store

Every step paints scenes of 3 to 10 objects, smears them a little and makes them noisy, as drawn
pictures are, and asks of crops, half of them about objects and half anywhere, where the lamps
stand. Then agreement is tried, by number of objects, on pictures that it has not seen, about the
places of all objects: of real scenes, sharp and smeared (high), of scissors on real scenes of one
object each (about 0), and of scissors under one light (as high as of real ones: borders do not
count).
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lib import storage
from lib.diffusion.train import stream
from lib.experiments._training import Seed, judge_training, train_watched
from lib.experiments.coherence import COUNTS, blemished, scissors, smeared
from lib.scenes import lamps, render, sample_scenes
from lib.scenes.labelling import request_scenes
from lib.scenes.scene import locations

Setting = Seed
RUNS = storage.RUNS / "lamps"
KEPT = storage.RESULTS
CROPS = 8  # a picture in training


@dataclass(frozen=True)
class Scale:
    """How long.

    Attributes:
        steps: Of training.
        batch: Pictures a step.
        learning_rate: The highest.
    """

    steps: int = 1500
    batch: int = 24
    learning_rate: float = 2e-3


def batch(size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Crops (8 size, 6, 11, 11) of `size` pictures, and where their lamps stand (8 size, 9)."""
    kwargs = {"generator": generator, "device": generator.device}
    count = COUNTS[int(torch.randint(len(COUNTS), (), **kwargs))]
    scenes = sample_scenes(size, count, count, generator)
    pictures = blemished(render(scenes, lamps.SIZE), generator, recolour=False)
    chosen = torch.randint(count, (size, CROPS // 2), **kwargs)[..., None].expand(-1, -1, 2)
    objects = locations(scenes).gather(1, chosen).clamp(0, 1)
    places = torch.cat([objects, torch.rand(objects.shape, **kwargs)], 1)
    seen = lamps.crops(pictures, places)
    return seen.flatten(0, 1), lamps.truth(scenes).repeat_interleave(CROPS, 0)


def painters(count: int, samples: int, stream: torch.Generator) -> tuple[dict[str, Tensor], Tensor]:
    """What painters of known worth make of the same requests (samples, 3, 32, 32), and these."""
    scenes = request_scenes(samples, count, stream)
    real = render(scenes, lamps.SIZE)
    painted = {
        "real": real,
        "smeared": smeared(real, 0.6),
        "scissors": scissors(scenes, lamps.SIZE, stream),
        "scissors_one_light": scissors(scenes, lamps.SIZE, stream, one_light=True),
    }
    return painted, locations(scenes)


def one_shade(
    samples: int, stream: torch.Generator, count: int = 6, spread: float = 0.1
) -> tuple[Tensor, Tensor]:
    """Scissors whose pieces share no lamps but one brightness: a rival of one light.

    Args:
        samples: Pictures.
        stream: Draws scenes and brightness.
        count: Objects in a picture.
        spread: Standard deviation of the brightness that is added to a whole picture.

    Returns:
        Pictures (samples, 3, 32, 32), and the places of their objects (samples, count, 2).
    """
    scenes = request_scenes(samples, count, stream)
    shade = spread * torch.randn(samples, 1, 1, 1, generator=stream, device=stream.device)
    return (scissors(scenes, lamps.SIZE, stream) + shade).clamp(-1, 1), locations(scenes)


def agreement_of_painters(
    reader: lamps.Reader, samples: int, seed: int
) -> dict[str, dict[str, float]]:
    """The agreement of each painter by number of objects."""
    found: dict[str, dict[str, float]] = {}
    for count in COUNTS:
        painted, places = painters(count, samples, stream(seed, count))
        found[str(count)] = {
            name: lamps.agreement(lamps.compared(reader, pictures, places))
            for name, pictures in painted.items()
        }
    return found


def run(setting: Seed, scale: Scale, folder: Path = RUNS, *, samples: int = 256) -> dict:
    """Trains, stores the weights and tries them on the painters, or does what is missing of it.

    Args:
        setting: What is trained.
        scale: How long.
        folder: Where files go.
        samples: Pictures of each painter.

    Returns:
        What is in lamps.json.

    Raises:
        ValueError, FloatingPointError: As `lib.experiments._training.train_watched`.
    """

    def judged(reader: lamps.Reader) -> dict:
        return {
            "samples": samples,
            "painters": agreement_of_painters(reader, samples, 1000 + setting.seed),
        }

    training = judge_training(
        lamps.Reader(), batch, F.mse_loss, setting, scale, warmup=50, beta2=0.999
    )
    return train_watched(folder / "lamps", setting, scale, training, judge=judged)
