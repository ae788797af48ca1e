"""Do the objects of a picture share their colour, as those of the training data do?

    python -m lib.experiments length_colours run --name label_one.full_local.data-one_colour

draws pictures by a finished run's weights, trained on data of one colour a picture, finds the
objects in them and reads their colours. What is far can only be known by seeing far: no request
says a colour. The rows `length.far.*`, written before a network that sees near was trained on such
data, say which account predicts what. Real pictures, read by the same rule, are the ceiling; pairs
of objects with colours of their own agree in one of eight. One seed of one network, from nothing::

    python -m lib.experiments length_generalization run --pathway window --pixels full \\
        --data one_colour --seed 0
    python -m lib.experiments length_locality run --name NAME --seed 0 --counts 3
    python -m lib.experiments length_colours run --name NAME --seed 0

with `label_one.full_local.data-one_colour` for NAME; with `--pixels local`,
`label_one.local_local.data-one_colour`. What they wrote is stored and recorded by `length_colours`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lib import storage
from lib.diffusion import train
from lib.experiments import length_generalization as length
from lib.experiments import length_results
from lib.experiments._worlds import Find
from lib.experiments.length_asking import Setting
from lib.experiments.length_generalization import RUNS
from lib.experiments.length_words import Bounds
from lib.experiments.local_features import Judge, pixels_of_single
from lib.scenes import colours, measure, render, sample_scenes

KEPT = storage.RESULTS / "length_colours"
SEES_ALL, SEES_NEAR = (
    f"{n}.data-one_colour" for n in (length_results.NEAR, length_results.SEES_NEAR)
)
PLAIN = {
    SEES_ALL: length_results.NEAR,
    SEES_NEAR: length_results.SEES_NEAR,
}  # trained on plain data
KINDS = "colours", "local"  # of what is asked of finished weights
APART = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.8)  # widths, between which pairs are counted
REACH = 2.5 / length.GRID  # widths from the middle of a window of 5 cells to its edge
SEED = 7_100  # of the objects that the rule is made of


@dataclass(frozen=True)
class Scale:
    """How much is drawn.

    Attributes:
        counts: Numbers of objects.
        samples: Pictures of each.
    """

    counts: tuple[int, ...] = (1, 3, 6)
    samples: int = 96


def make_rule(find: Find, size: int, samples: int = 400) -> colours.Rule:
    """The rule on a pixel, of real objects that are alone in their pictures."""
    scenes = sample_scenes(samples, 1, 1, train.stream(SEED, 0))
    pixels = pixels_of_single(find, scenes, render(scenes, size))
    return colours.fitted(pixels, scenes.color[:, 0])


Pairs = list[tuple[Tensor, Tensor]]  # of each picture, of each pair: distance, and if they agree


def find_pairs(find: Find, rule: colours.Rule, pictures: Tensor) -> Pairs:
    """Of each picture and each pair of its objects: how far apart they are, and if they agree."""
    found = []
    for places, seen in Judge(find, rule).seen(pictures):
        first, second = torch.triu_indices(len(seen), len(seen), 1)
        found.append((measure.distance(places, places)[first, second], seen[first] == seen[second]))
    return found


def agreement(pairs: Pairs) -> list[list[int]]:
    """Of each picture the pairs of its objects that share a colour, and all pairs."""
    return [[int(same.sum()), len(same)] for _, same in pairs]


def measure_distances(pairs: Pairs) -> dict[str, list[float]]:
    """How far apart the objects of a pair are, in widths: of the `same` colour, and of `other`.

    Of all pictures together.
    """
    apart, same = (torch.cat(each) for each in zip(*pairs, strict=True))
    return {"same": apart[same].tolist(), "other": apart[~same].tolist()}


def run(setting: Setting, scale: Scale, folder: Path = RUNS) -> dict:
    """Draws by one finished run's weights, and reads the colours.

    Args:
        setting: Whose weights.
        scale: How much.
        folder: Where the run is; `colours.NAME.seedS.json` is written beside it.

    Returns:
        What is in that file: `counts`, by number of objects, of pictures `drawn` and `real` the
        pairs that share a colour and all pairs, a picture each; `distances` of those drawn.

    Raises:
        FileNotFoundError: There is no such run.
        ValueError: A file is damaged or of another network.
    """
    stem = f"{setting.name}.seed{setting.seed}"
    result, trained, denoiser, world = length.load_run(setting.name, folder, setting.seed)
    draw = length.painter(denoiser, trained, world)
    rule = make_rule(world.find, trained.size)
    counts, apart = {}, {}
    for K in scale.counts:
        scenes = world.sample(scale.samples, K, K, train.stream(trained.seed, K), clear=True)
        drawn = torch.cat(
            [
                draw(scenes[i : i + 32], train.stream(trained.seed, K, i))
                for i in range(0, scale.samples, 32)
            ]
        )
        both = {"drawn": drawn, "real": world.render(scenes, trained.size)}
        pairs = {kind: find_pairs(world.find, rule, x) for kind, x in both.items()}
        counts[str(K)] = {kind: agreement(each) for kind, each in pairs.items()}
        apart[str(K)] = measure_distances(pairs["drawn"])
    found = {
        "setting": result["setting"],
        "scale": result["scale"],
        "counts": counts,
        "distances": apart,
        "provenance": storage.provenance(),
    }
    storage.write_numbers(folder / f"colours.{stem}.json", found, {"distances": 3})
    return found


def shares(pairs: list[list[int]]) -> list[float]:
    """The share of pairs that agree, a picture each that has a pair.

    Raises:
        ValueError: None has.
    """
    found = [same / every for same, every in pairs if every]
    if not found:
        raise ValueError("no picture shows two objects: there is no pair to agree")
    return found


def store(folder: Path = RUNS, kept: Path = KEPT) -> list[str]:
    """Takes over what was run on data of one colour; see `length_generalization.store`.

    And how the colours were read of the same networks trained on plain data, seed 0.
    """
    both = {SEES_ALL, SEES_NEAR}
    names = [f"colours.{name}.seed0.json" for name in PLAIN.values()]
    plain = storage.copy_files(folder, kept, *(n for n in names if (folder / n).exists()))
    stored = length.store_runs(folder, kept, KINDS, both, lambda setting: setting.name in both)
    return stored + plain


def results(folder: Path = KEPT) -> dict[str, dict]:
    """What is finished: the `runs` by setting, and by setting and seed what was asked of them.

    With `distances` of the seeds whose colours were read since these are kept.
    """
    apart: dict[str, dict[int, dict]] = {}
    for path in sorted(folder.glob("colours.*.json")):
        found = storage.read_json(path)
        if "distances" in found:
            setting = length.Setting(**found["setting"])
            apart.setdefault(setting.name, {})[setting.seed] = found["distances"]
    asked = {kind: length.answers(folder, kind) for kind in KINDS}
    return {"runs": length.finished_runs(folder), "distances": apart} | asked


def by_distance(distances: dict[str, list[float]], edges: Sequence[float]) -> np.ndarray:
    """The share of pairs of one colour among those that stand so far apart.

    Args:
        distances: Of `measure_distances`, one network and number of objects.
        edges: (n + 1,), of the distances, in widths.

    Returns:
        (n,), nan where no pair stands so.
    """
    same, other = (np.histogram(distances[kind], edges)[0] for kind in ("same", "other"))
    both = same + other
    return np.divide(same, both, out=np.full(len(both), np.nan), where=both > 0)


def claims(measured: dict[str, dict]) -> dict[str, list[float]]:
    """What stands behind the rows `length.far.*`: a number a run, a pair of runs of one seed, or a
    real picture.

    Args:
        measured: Of `results`.
    """
    found = {}
    runs = {
        name: {one["setting"]["seed"]: one for one in measured["runs"].get(name, [])}
        for name in (SEES_ALL, SEES_NEAR)
    }
    for row, name in (("all", SEES_ALL), ("near", SEES_NEAR)):
        found[f"length.far.one.{row}"] = length_results.skills(list(runs[name].values()), 1)
    found["length.far.six"] = length_results.skills(list(runs[SEES_ALL].values()), 6)
    found["length.far.kept"] = _near_less_all(
        {
            name: dict(zip(seeds, length_results.retention(list(seeds.values())), strict=True))
            for name, seeds in runs.items()
        }
    )
    sight = measured["local"].get(SEES_ALL, {})
    at = length_results.LEVELS.index(length_results.FAR)
    found["length.far.one_colour"] = [sight[s]["3"]["pixel"][at] for s in sorted(sight)]
    seen = measured["colours"].get(SEES_ALL, {})
    found["length.far.agree.real"] = [x for s in sorted(seen) for x in shares(seen[s]["3"]["real"])]
    agree = agreements(measured, "3")
    found["length.far.agree.all"] = list(agree[SEES_ALL].values())
    found["length.far.agree"] = _near_less_all(agree)
    found["length.far.agree.one"] = _near_less_all(agreements(measured, "1"))
    return found


def statements(measured: dict[str, dict], plain: dict[str, list[dict]]) -> dict[str, Bounds]:
    """The chapter's sentences that rest on these numbers, see `length_words.statements`.

    Args:
        measured: Of `results`.
        plain: Of `length_generalization.finished_runs`, trained on scenes of any colours.
    """
    found = claims(measured)
    usual = [length_results.seen_outside(each) for each in plain[length_results.NEAR]]
    three = {name: list(seeds.values()) for name, seeds in agreements(measured, "3").items()}
    all_, near = three[SEES_ALL], three[SEES_NEAR]
    apart = {
        name: np.array([by_distance(each["3"], APART) for each in seeds.values()])
        for name, seeds in measured["distances"].items()
    }
    beyond = np.array(APART[:-1]) >= 0.2  # past the window's edge
    plain_all, plain_near = (agreement_of(measured, PLAIN[n], "3")[0] for n in three)
    return {
        "far pixels count twice as much as on plain scenes": (
            np.mean(found["length.far.one_colour"]) / np.mean(usual), 1.7, 2.4),
        "seeing all, .51 of pairs at least": (min(all_), 0.505, 0.515),
        "and .58 at most": (max(all_), 0.575, 0.585),
        "seeing near, .17 at least": (min(near), 0.165, 0.175),
        "and .18 at most": (max(near), 0.175, 0.185),
        "as many as after plain scenes": (np.mean(near) - plain_near, -0.05, 0.05),
        "seeing all, many more": (np.mean(all_) - plain_all, 0.3, 1),
        "real ones nearly all": (np.mean(found["length.far.agree.real"]), 0.95, inf),
        "close pairs agree after plain scenes too": (
            min(apart[name][0, 0] for name in PLAIN.values()), 0.35, inf),
        "who sees near agrees beyond the window by chance": (
            apart[SEES_NEAR][:, beyond].mean(), 0.1, 0.17),
        "who sees all agrees there too": (apart[SEES_ALL][:, beyond].mean(), 0.4, inf),
        "places are filled as well": (np.mean(found["length.far.kept"]), -0.1, 0.1),
    }  # fmt: skip


def agreements(measured: dict[str, dict], count: str) -> dict[str, dict[int, float]]:
    """`agreement_of` both networks."""
    return {name: agreement_of(measured, name, count) for name in (SEES_ALL, SEES_NEAR)}


def agreement_of(measured: dict[str, dict], name: str, count: str) -> dict[int, float]:
    """Of drawn pictures the share of pairs that share a colour, the mean over pictures, by seed."""
    return {
        seed: float(np.mean(shares(counts[count]["drawn"])))
        for seed, counts in sorted(measured["colours"].get(name, {}).items())
    }


def _near_less_all(values: dict[str, dict[int, float]]) -> list[float]:
    """Paired differences, of the seeds that both networks have."""
    return length_results.less_by_seed(values[SEES_NEAR], values[SEES_ALL])
