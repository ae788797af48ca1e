"""Trains the finder of discs, by which pictures are read off, and measures how often it is right.

    python -m lib.experiments classifier run
    python -m lib.experiments classifier store

It is trained on all places alike: no composition is held out from it.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from lib import storage
from lib.book.runtime import generator
from lib.concepts.circles import Circles
from lib.concepts.classifier import Finder, batch, check_accuracy, loss
from lib.experiments._training import Seed, judge_training, train_watched

Setting = Seed
RUNS = storage.RUNS / "classifier"
KEPT = storage.RESULTS / "concept_learning"
SIGNALS = tuple(round(0.1 * k, 1) for k in range(1, 9))


@dataclass(frozen=True)
class Scale:
    """How long.

    Attributes:
        steps: Of training.
        batch: Pictures a step.
        learning_rate: The highest.
    """

    steps: int = 3000
    batch: int = 64
    learning_rate: float = 2e-3


def run(setting: Seed, scale: Scale, folder: Path = RUNS) -> dict:
    """Trains, stores the weights in float16, and measures them at each colour signal.

    Returns:
        What is in classifier.json: `accuracy` by signal and composition.

    Raises:
        ValueError, FloatingPointError: As `lib.experiments._training.train_watched`; or it is not
            accurate enough at some signal.
    """

    def judge(finder: Finder) -> dict:
        found = {f"{s:g}": check_accuracy(finder, Circles(s), generator(1)) for s in SIGNALS}
        return {"accuracy": found}

    training = judge_training(Finder(), batch, loss, setting, scale, warmup=300, beta2=0.999)
    stem = folder / "classifier"
    return train_watched(stem, setting, scale, training, judge=judge, dtype=torch.float16)
