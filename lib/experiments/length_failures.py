"""What the pictures of a trained network show of what was asked: what stands where, and what not.

    python -m lib.experiments length_failures run --name label_one.vector --seed 0

draws the requests of `lib.experiments.length_asking` from a finished run's weights and keeps the
account of each picture (`lib.scenes.failures`), as an error budget of the network;
`length_generalization` stores what comes out. No row of the ledger rests on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.experiments import length_asking
from lib.experiments.length_asking import Setting
from lib.experiments.length_generalization import RUNS
from lib.scenes import detector, failures, labelling

KIND = "failed"  # of what is asked of finished weights


@dataclass(frozen=True)
class Scale:
    """How much is drawn.

    Attributes:
        counts: Numbers of locations.
        ways: Of `length_asking.ways`.
    """

    counts: tuple[int, ...] = (6,)
    ways: tuple[str, ...] = ("all",)


def run(setting: Setting, scale: Scale, folder: Path = RUNS) -> dict:
    """Draws by one finished run's weights, or what is missing of it.

    Args:
        setting: Whose weights.
        scale: How much.
        folder: Where the run is; `failed.NAME.seedS.json` is written beside it.

    Returns:
        What is in that file: `counts`, by number of locations and way `accounts`, of each picture
        how many of each of `lib.scenes.failures.KINDS`.

    Raises:
        FileNotFoundError, ValueError: As `length_asking.run`.
    """
    return length_asking.ask_run(KIND, "accounts", setting, scale, folder, count_failures)


def count_failures(
    denoiser, count: int, names: Sequence[str], seed: int
) -> dict[str, dict[str, list]]:
    """What `run` keeps of some ways at one number of locations: requests and noise of `asking`."""
    scenes, noise = length_asking.scenes_and_noise(count, seed)
    request, finder = labelling.label_all(scenes), detector.load()
    draws = length_asking.ways(denoiser, seed, count)
    found = {name: detector.detect(finder, draws[name](noise, request)) for name in names}
    return {n: {"accounts": failures.accounts(p, request).tolist()} for n, p in found.items()}


def budget(failed: dict[int, dict], way: str = "all", count: int = 6) -> np.ndarray:
    """Objects a picture of each of `lib.scenes.failures.KINDS`, the mean over seeds.

    Args:
        failed: By seed, of one setting: of `length_generalization.answers`.
        way: Of asking.
        count: Locations asked for.
    """
    return np.mean([counts[str(count)][way]["accounts"] for counts in failed.values()], (0, 1))
