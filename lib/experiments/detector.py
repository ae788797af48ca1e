"""Trains the detector of objects in pictures and measures it.

    python -m lib.experiments detector run
    python -m lib.experiments detector store

Every step renders new scenes of 0 to 12 objects, takes their mirror images too, and adds a little
noise. What is measured, for each number of objects on new pictures, is the ceiling that results on
drawn pictures are read against: with the weights as they are stored, in bfloat16.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from lib import storage
from lib.book.runtime import device, progress
from lib.diffusion.train import stream
from lib.experiments._training import Seed, judge_training, train_watched
from lib.scenes import Annotations, annotate, render, sample_scenes
from lib.scenes.detector import NOISE, SIZE, Detector, detect, loss
from lib.scenes.labelling import label_all, request_scenes
from lib.scenes.measure import MEASURE, raw_scores

Setting = Seed
RUNS = storage.RUNS / "detector"
KEPT = storage.RESULTS
MOST = 12  # objects


@dataclass(frozen=True)
class Scale:
    """How long.

    Attributes:
        steps: Of training.
        batch: Scenes a step.
        learning_rate: The highest.
    """

    steps: int = 1200
    batch: int = 32
    learning_rate: float = 3e-3


def run(setting: Seed, scale: Scale, folder: Path = RUNS, *, samples: int = 1000) -> dict:
    """Trains, stores the weights, measures them, or does what is still missing of it.

    Args:
        setting: What is trained.
        scale: How long.
        folder: Where files go.
        samples: Pictures of each number of objects that it is measured on.

    Returns:
        What is in detector.json.

    Raises:
        ValueError, FloatingPointError: As `lib.experiments._training.train_watched`.
    """

    def judge(network: Detector) -> dict:
        return {"measure": asdict(MEASURE), "rows": measure(network, samples, setting.seed)}

    training = judge_training(Detector(), batch, loss, setting, scale, device(), warmup=50)
    return train_watched(folder / "detector", setting, scale, training, judge=judge)


def batch(size: int, stream: torch.Generator) -> tuple[Tensor, Annotations]:
    """Pictures (2 size, 3, 32, 32) of new scenes and of their mirror images, and what they show."""
    scenes = sample_scenes(size, 0, MOST, stream)
    pictures, truth = render(scenes, SIZE), annotate(scenes)
    pictures = torch.cat([pictures, pictures.flip(3)])
    sides = truth.location.new_tensor([[1, 1], [-1, 1]])
    location = torch.cat([truth.location, truth.location * sides[1] + (1 - sides[1]) / 2])
    noise, amount = (
        torch.empty(shape, device=pictures.device)
        for shape in (pictures.shape, (len(pictures), 1, 1, 1))
    )
    noise.normal_(generator=stream)
    amount.uniform_(0, NOISE, generator=stream)
    twice = {n: torch.cat([getattr(truth, n)] * 2) for n in ("depth", "visibility", "mask")}
    return pictures + amount * noise, Annotations(location=location, **twice)


def measure(
    network: Detector, samples: int, seed: int, counts: Iterable[int] = range(MOST + 1)
) -> list[dict]:
    """What the detector finds in new pictures of K objects, none heavily hidden.

    Args:
        network: Trained.
        samples: Pictures for each K.
        seed: Of the scenes.
        counts: Values of K.

    Returns:
        For each K: `count`, `hits` and `blind` (shares of the objects), `false` (detections a
        picture that match none), `exact` (share of pictures counted right) and `error` (mean
        distance of the hits, in widths).
    """
    rows = []
    for count in progress(counts, "measuring"):
        scenes = request_scenes(samples, count, stream(seed + 1, count, 1, device()))
        found = detect(network, render(scenes, SIZE))
        record = raw_scores(found, label_all(scenes), found)
        hits, objects = sum(record["hits"]), samples * count
        row = {
            "count": count,
            "hits": hits / objects if objects else None,
            "blind": sum(record["blind"]) / objects if objects else None,
            "false": (sum(record["found"]) - hits) / samples,
            "exact": record["found"].count(count) / samples,
            "error": sum(record["error"]) / hits if hits else None,
        }
        rows.append(row)
    return rows
