"""Are the places of a drawn picture lit by the same lamps, and does one picture do better there
than scissors?

    python -m lib.experiments length_lamps run --name label_one.vector --seed 4

draws what a finished run of `length_generalization` is asked for, in some of the ways of
`length_asking`, and reads the lamps off the places asked for (`lib.scenes.lamps`): no border is
looked at, so glue and blur can't help and cuts can't harm. Agreement is 0 where every place has a
light of its own; of real pictures it is .46 at three places and .31 at six, for a crop says little.

Accounts, written down when the ways of one seed of `label_one.vector` and of `label_all.map` were
known (at six, told one label as a row: asked near .11, scissors of one noise .18, of other noises
.00; told all as a map: .19, its scissors .21 and .00), and before any other seed was read:

- *One picture has one light*: what is drawn in one go is lit alike, and pieces drawn separately are
  not: more than scissors, of whatever noise.
- *The noise decides the light*: pieces drawn separately of **one** noise are lit as much alike as
  one picture, and those of other noises not at all. Then what is drawn in one go buys no light.
- *Neither*: networks do not draw one light; all agreements are those of scissors of other noises.

The networks: `label_all.vector` asked for three, which it was trained on, of the twelve runs of
`local_retention` (their places are filled, so that what is read is not ground); and
`label_one.vector` asked near for six, of runs that were trained for this (seeds 4 to 6).

A network that sees near, through windows, sees at each step the noise near it alone. If the noise
decides the light, its places agree less, though its windows cost it no places. (The same is
foretold where its trunk cannot carry a light, whoever decides it.)

What an opponent found afterwards, and the chapter says: a brightness that a whole picture has is
read as lamps too (`lib.experiments.lamps.one_shade`); pictures of one noise are nearly one picture
away from what is asked, so that the finding is that requests do not move the light; and empty
ground is read as more alike than full pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from lib import storage
from lib.experiments import length_asking, length_results
from lib.experiments import length_generalization as length
from lib.experiments.length_asking import Setting
from lib.experiments.length_generalization import RUNS
from lib.experiments.length_words import Bounds
from lib.scenes import detector, labelling, lamps, measure, render

KEPT = storage.RESULTS / "length_lamps"
KIND = "lamps"  # of what is asked of finished weights
THREE, SIX = "3", "6"
IN_ONE = {  # a row's network, number of places, and its way of drawing one picture
    "three": (length_results.TOLD_ALL, THREE, "all"),
    "near": (length_results.SEEN_BEFORE, SIX, "nearest"),
}
NEAR_LESS_ALL = length_results.SEES_NEAR, length_results.NEAR


@dataclass(frozen=True)
class Scale:
    """How much is drawn.

    Attributes:
        counts: Numbers of locations.
        ways: Of `length_asking.ways`.
    """

    counts: tuple[int, ...] = (3, 6)
    ways: tuple[str, ...] = ("all", "nearest", "paste", "paste-apart")


def run(setting: Setting, scale: Scale, folder: Path = RUNS) -> dict:
    """Draws by one finished run's weights, or what is missing of it, and reads the lamps.

    Args:
        setting: Whose weights.
        scale: How much.
        folder: Where the run is; `lamps.NAME.seedS.json` is written beside it.

    Returns:
        What is in that file: `counts`, by number of locations and way what
        `lib.scenes.measure.raw_scores` gives, and `lamps`, what `lib.scenes.lamps.shared` gives of
        each picture; of `real` pictures of the same scenes the latter alone.

    Raises:
        FileNotFoundError: There is no such run, or no reader or detector.
        ValueError: A file is damaged or of another network, or of other data than is asked about.
    """
    return length_asking.ask_run(KIND, "lamps", setting, scale, folder, read_ways)


def read_ways(denoiser, count: int, names: Sequence[str], seed: int) -> dict[str, dict]:
    """What `run` keeps of some ways at one number of locations: requests and noise of `asking`."""
    scenes, noise = length_asking.scenes_and_noise(count, seed)
    conditions, real = labelling.label_all(scenes), render(scenes, 32)
    finder, reader = detector.load(), lamps.load()

    def read(pictures: torch.Tensor) -> dict[str, list]:
        sums = lamps.compared(reader, pictures, conditions[0])
        return {"lamps": [[round(v, 4) for v in both] for both in sums.tolist()]}

    draws = length_asking.ways(denoiser, seed, count)
    found, standing = {"real": read(real)}, detector.detect(finder, real)
    for name in names:
        pictures = draws[name](noise, conditions)
        scores = measure.raw_scores(detector.detect(finder, pictures), conditions, standing)
        found[name] = scores | read(pictures)
    return found


def store(folder: Path = RUNS, kept: Path = KEPT) -> list[str]:
    """Takes over what was read, from a folder of runs."""
    return storage.copy_files(
        folder, kept, *(p.name for p in sorted(folder.glob(f"{KIND}.*.json")))
    )


def results(folder: Path = KEPT) -> dict[str, dict]:
    """What was read, by setting, seed and number of places; and the trial of the reader."""
    return {
        "read": length.answers(folder, KIND),
        "painters": storage.read_json(storage.RESULTS / "lamps.json")["painters"],
    }


def agreements(read: dict[int, dict], count: str, way: str) -> dict[int, float]:
    """Agreement of one way of drawing, by seed: of those that drew so."""
    return {
        seed: lamps.agreement(torch.tensor(counts[count][way]["lamps"], dtype=torch.float64))
        for seed, counts in sorted(read.items())
        if way in counts.get(count, {})
    }


def claims(measured: dict[str, dict]) -> dict[str, list[float]]:
    """What stands behind the rows `length.lamps.*`: a number a run, or one of the trial.

    Args:
        measured: Of `results`.
    """
    trial, read = measured["painters"][SIX], measured["read"]
    found = {f"length.lamps.{name}": [trial[name]] for name in ("real", "scissors")}
    found["length.lamps.borders"] = [trial["scissors_one_light"] - trial["real"]]
    for row, (name, count, way) in IN_ONE.items():
        fresh = length_results.leave_out_first(read.get(name, {}))
        one, same, other = (agreements(fresh, count, w) for w in (way, "paste", "paste-apart"))
        each = (counts.get(count, {}) for _, counts in sorted(fresh.items()))
        drawn = [ways[way] for ways in each if way in ways]
        found[f"length.lamps.{row}.filled"] = [length_results.skill(part) for part in drawn]
        found[f"length.lamps.{row}.noise"] = length_results.less_by_seed(same, other)
        found[f"length.lamps.{row}.beyond"] = length_results.less_by_seed(one, other)
        found[f"length.lamps.{row}.one"] = length_results.less_by_seed(one, same)
    near, all_ = (
        agreements(length_results.leave_out_first(read.get(name, {})), SIX, "all")
        for name in NEAR_LESS_ALL
    )
    found["length.lamps.window"] = length_results.less_by_seed(near, all_)
    return {row: values for row, values in found.items() if values}


def statements(measured: dict[str, dict]) -> dict[str, Bounds]:
    """The chapter's sentences that rest on these numbers, see `length_words.statements`.

    Args:
        measured: Of `results`.
    """
    rows = claims(measured)
    mean = partial(mean_agreement, measured)
    name, three, way = IN_ONE["three"]
    one, same, other, real = (mean(name, three, w) for w in (way, "paste", "paste-apart", "real"))
    asked, six, near_way = IN_ONE["near"]
    near, near_cut = (mean(asked, six, w) for w in (near_way, "paste"))
    mapped, cut = (mean(length_results.AS_MAP, SIX, w, fresh=False) for w in ("all", "paste"))
    sees_near, sees_all = (mean(name, SIX, "all", fresh=False) for name in NEAR_LESS_ALL)
    fresh = [length_results.leave_out_first(measured["read"][name]) for name in NEAR_LESS_ALL]
    full = [np.mean([of_full_pictures(s[SIX]["all"]) for s in of.values()]) for of in fresh]
    window = rows["length.lamps.window"]
    return {
        "asked for three, one picture .23": (one, 0.225, 0.235),
        "scissors of one noise .24": (same, 0.235, 0.245),
        "of other noises next to nothing": (other, -0.05, 0.05),
        "real ones .42": (real, 0.415, 0.425),
        "one picture no more alike": (np.mean(rows["length.lamps.three.one"]), -0.05, 0.05),
        "half of it is missing": (one / real, 0.4, 0.6),
        "asked near for six, .14": (near, 0.135, 0.145),
        "its scissors .21": (near_cut, 0.205, 0.215),
        "less in each of three": (max(rows["length.lamps.near.one"]), -1, 0),
        "told all as a map, asked for six, .17": (mapped, 0.165, 0.175),
        "its scissors .22": (cut, 0.215, 0.225),
        "who sees all, .20": (sees_all, 0.19, 0.205),
        "who sees near, .07": (sees_near, 0.065, 0.075),
        "less by .12": (max(window), -0.125, -0.115),
        "and .16": (min(window), -0.16, -0.15),
        "in full pictures .05": (full[0], 0.045, 0.055),
        "beside .19": (full[1], 0.18, 0.195),
    }


def plain_agreements(measured: dict[str, dict]) -> dict:
    """Agreement of all that was read, by setting, seed, number of places and way."""
    return {
        name: {
            seed: {
                count: {way: agreements({seed: counts}, count, way)[seed] for way in ways}
                for count, ways in counts.items()
            }
            for seed, counts in seeds.items()
        }
        for name, seeds in measured["read"].items()
    }


def of_full_pictures(part: dict, hits: int = 4) -> float:
    """Agreement in pictures in which so many places are filled, of one way of one seed."""
    full = np.array(part["hits"]) >= hits
    return lamps.agreement(torch.tensor(part["lamps"], dtype=torch.float64)[full])


def mean_agreement(
    measured: dict[str, dict], name: str, count: str, way: str, fresh: bool = True
) -> float:
    """The mean over the seeds of one setting of `agreements`, the first left out where `fresh`."""
    read = measured["read"][name]
    read = length_results.leave_out_first(read) if fresh else read
    return float(np.mean(list(agreements(read, count, way).values())))
