"""What the length experiments measured, as the book keeps it, and what the ledger reads of it.

`python -m lib.experiments length_generalization --store` takes finished runs, and what was asked of
their weights, out of runs/length_generalization/ and writes to lib/results/length_generalization/
the measurements of every seed and the weights of seed 0; then it records the claims. Commit it.
"""

import json
import math
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from lib import storage
from lib.book import claims
from lib.book.intervals import Estimate
from lib.book.ledger import ROWS
from lib.diffusion import edm, pathways, train
from lib.experiments import length_generalization as length
from lib.experiments import length_locality
from lib.experiments.length_generalization import ASKED, KEPT, SETTINGS, Scale, Setting
from lib.scenes import conditions as labels
from lib.scenes import detector, measure, render
from lib.scenes.coherence import coherence
from lib.scenes.scene import locations, moved

RECORDER = "experiments/length_generalization"
FOLDER = KEPT
SIX = "6"
SEEN_BEFORE = "label_one.vector"  # seed 0 was looked at before its rules; the others confirm it
DIGITS = {"error": 4, "losses": 4, "locality": 5}


def thinned(result: dict) -> dict:
    """A run's measurements with the digits that count."""

    def walk(value: Any, digits: int | None = None) -> Any:
        if isinstance(value, dict):
            return {key: walk(item, DIGITS.get(key, digits)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, digits) for item in value]
        return round(value, digits) if digits and isinstance(value, float) else value

    return walk(result)


def write(path: Path, result: dict) -> None:
    """Writes a run's measurements as JSON, a list of numbers a line."""
    text = json.dumps(thinned(result), indent=1, sort_keys=True)
    text = re.sub(r"\[\s+([-\d.,e\s]+?)\s+\]", lambda m: f"[{''.join(m[1].split())}]", text)
    storage.write_atomically(path, (text + "\n").encode())


def store(runs: Path = length.RUNS, folder: Path = FOLDER) -> list[str]:
    """Takes over what has been run.

    Args:
        runs: Where finished runs are; those that are not finished stay there.
        folder: Where the book keeps them.

    Returns:
        The names of the files written.

    Raises:
        ValueError: Runs of a family of networks differ in scale, or weights are damaged or of
            another network.
    """
    results = [result for seeds in length.finished(runs).values() for result in seeds]
    answers = {path.name: storage.read_json(path) for path in sorted(runs.glob("asked.*.json"))}
    scales: dict[Scale, set] = {}  # by the scale at which their family is reported
    for result in (*results, *answers.values()):
        family = scales.setdefault(length.reported(Setting(**result["setting"])), set())
        family.add(json.dumps(result["scale"], sort_keys=True))
    for family in scales.values():
        if len(family) > 1:
            raise ValueError(f"the runs in {runs} differ in scale: {'; '.join(sorted(family))}")
    written = []
    for result in results:
        setting = Setting(**result["setting"])
        stem = f"{setting.name}.seed{setting.seed}"
        write(folder / f"{stem}.json", result)
        written.append(f"{stem}.json")
        if setting.seed == 0 and setting.name in SETTINGS:
            weights = f"{stem}.safetensors"
            train.load_weights(runs / weights, length.network(setting, Scale(**result["scale"])))
            shutil.copyfile(runs / weights, folder / weights)
            written.append(weights)
    for name, result in answers.items():
        write(folder / name, result)
        written.append(name)
    return written


def asked(folder: Path = FOLDER) -> dict[str, dict[int, dict]]:
    """What was asked of weights, by setting and seed: see `lib.experiments.length_asking`."""
    found: dict[str, dict[int, dict]] = {}
    for path in sorted(folder.glob("asked.*.json")):
        result = storage.read_json(path)
        setting = Setting(**result["setting"])
        found.setdefault(setting.name, {})[setting.seed] = result["counts"]
    return found


def denoiser(name: str, folder: Path = FOLDER) -> edm.Preconditioned:
    """The denoiser of a setting as it was stored and measured: seed 0, bfloat16.

    Args:
        name: Of the setting, as `Setting.name`.
        folder: Where the book keeps it.

    Raises:
        FileNotFoundError: The setting was not run.
        ValueError: The file is damaged, or of another network.
    """
    result = storage.read_json(folder / f"{name}.seed0.json")
    made = length.network(Setting(**result["setting"]), Scale(**result["scale"]))
    return train.load_weights(folder / f"{name}.seed0.safetensors", made)[0]


def skill(scores: dict, wide: bool = False) -> float:
    """Skill of one run at one number of objects, as `lib.scenes.measure` defines it.

    Args:
        scores: What `lib.scenes.measure.scored` gave.
        wide: At twice the radius of the verdicts.

    Raises:
        ValueError: Real pictures hit no more than blind ones, or a number is not finite.
    """
    part = scores["wide"] if wide else scores
    hits, blind, ceiling = (sum(part[name]) for name in ("hits", "blind", "ceiling"))
    if not blind < ceiling < math.inf or not math.isfinite(hits):
        raise ValueError(
            f"skill needs finite hits ({hits}) and a ceiling ({ceiling}) above blind hits ({blind})"
        )
    return (hits - blind) / (ceiling - blind)


def skills(results: Sequence[dict], count: int, wide: bool = False) -> list[float]:
    """Skill of each seed."""
    return [skill(result["counts"][str(count)], wide) for result in results]


def retention(results: Sequence[dict]) -> list[float]:
    """Skill at six over skill at one, seed by seed.

    Raises:
        ValueError: A seed has no skill at one, of which nothing could be kept.
    """
    ones = skills(results, 1)
    if min(ones, default=1.0) <= 0:
        raise ValueError(f"retention needs skill above 0 at one object, not {ones}")
    return [six / one for six, one in zip(skills(results, 6), ones, strict=True)]


def coherent(answers: dict, way: str) -> float:
    """Coherence of one way of asking, at one number of objects."""
    return coherence(torch.tensor(answers[way]["looks"]))


def by_way(answers: dict[int, dict], count: int = 6) -> dict[str, dict[str, list[float]]]:
    """Skill and coherence of each way of asking one setting's weights, a number a seed.

    Args:
        answers: Of `asked`, of one setting.
        count: Locations asked for.

    Returns:
        By way, `skill` and `coherence`: of the seeds that were asked so, in their order.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for seed in sorted(answers):
        part = answers[seed].get(str(count), {})
        for way in part:
            if way != "real":
                row = found.setdefault(way, {"skill": [], "coherence": []})
                row["skill"].append(skill(part[way]))
                row["coherence"].append(coherent(part, way))
    return found


def equivalent(differences: Sequence[float], margin: float = 0.1) -> bool:
    """Whether paired differences are shown to be no larger than a margin: two one-sided t-tests.

    Args:
        differences: One a seed, two or more.
        margin: What counts as no difference.

    Raises:
        ValueError: There are fewer than two, or one is not finite.
    """
    values = np.asarray(differences, float)
    if len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"need two or more finite differences, not {values.tolist()}")
    half = stats.t.ppf(0.95, len(values) - 1) * stats.sem(values)
    return bool(abs(values.mean()) + half < margin)


def told(count: int = 6, samples: int = measure.MEASURE.samples) -> float:
    """Skill of a perfect drawer told what the pathways tell; `lib.scenes.measure` defines skill.

    It draws real scenes whose objects stand where the shares in the cells say.

    Args:
        count: Objects in a picture.
        samples: Pictures.

    Raises:
        FileNotFoundError: The detector has not been trained.
    """
    scenes = labels.asked(samples, count, train.stream(0, count))
    middles = pathways.centres(length.GRID).flatten(0, 1)
    places = pathways.shares(locations(scenes), length.GRID) @ middles
    finder = detector.trained()
    drawn, real = (
        detector.detect(finder, render(s, detector.SIZE)) for s in (moved(scenes, places), scenes)
    )
    return skill(measure.scored(drawn, labels.label_all(scenes), real))


def samples(
    results: dict[str, list[dict]],
    answers: dict[str, dict[int, dict]],
    painters: dict,
    near: dict[str, dict[int, dict]],
) -> dict[str, list[float]]:
    """What stands behind each row of the ledger: a number a seed, or one that was computed.

    Args:
        results: Of `length_generalization.finished`.
        answers: Of `asked`.
        painters: What the judge of coherence made of painters of known worth, by number of objects:
            `lib/results/coherence.json`.
        near: How local answers are, of `lib.experiments.length_locality.stored`.
    """
    found: dict[str, list[float]] = {}
    for name, seeds in results.items():
        found[f"length.one.{name}"] = skills(seeds, 1)
        found[f"length.retention.{name}"] = retention(seeds)
    six = [counts[SIX] for counts in answers.get(ASKED, {}).values() if SIX in counts]
    if six:
        ways = set.intersection(*(set(ways) for ways in six)) - {"real"}
        by_way = {way: [skill(part[way]) for part in six] for way in ways}
        looks = {way: [coherent(part, way) for part in six] for way in ways}
        found |= {f"length.asked.{way}": values for way, values in by_way.items()}
        found |= {f"length.coherence.{way}": values for way, values in looks.items()}
        if "nearest-above-3" in ways:
            found["length.level.above"] = by_way["nearest-above-3"]
        found |= _paired("length.account.near", by_way, "nearest", "random")
        found |= _paired("length.account.weights", by_way, "nearest", "all")
        found |= _paired("length.level.below", by_way, "nearest-below-3", "nearest")
        found |= _paired("length.coherence.gain", looks, "nearest", "paste")
    fresh = [c[SIX] for seed, c in answers.get(SEEN_BEFORE, {}).items() if seed and SIX in c]
    if fresh:
        ways = set.intersection(*map(set, fresh)) - {"real"}
        by_way = {way: [skill(part[way]) for part in fresh] for way in ways}
        looks = {way: [coherent(part, way) for part in fresh] for way in ways}
        found |= _paired("length.again.near", by_way, "nearest", "random")
        found |= _paired("length.again.weights", by_way, "nearest", "all")
        found |= _paired("length.again.below", by_way, "nearest-below-3", "nearest")
        found |= _paired("length.again.coherence", looks, "nearest", "paste")
        found |= _paired("length.sum.second", by_way, "pair-near", "nearest-heard")
        found |= _paired("length.sum.far", by_way, "pair-far", "pair-near")
        found |= _paired("length.sum.added", by_way, "added-far", "pair-far")
    found |= length_locality.samples(near)
    rows = painters.values()
    passed = [min(row["smeared"], row["recoloured"]) for row in rows]
    found["length.coherence.real"] = [sum(passed) / len(passed)]
    failed = [row["scissors"] for row in rows]
    found["length.coherence.scissors"] = [sum(failed) / len(failed)]
    return found


def _paired(id: str, values: dict[str, list[float]], way: str, other: str) -> dict:
    """One way less another, seed by seed, where both were asked."""
    return {id: less(values[way], values[other])} if {way, other} <= set(values) else {}


def less(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Paired differences."""
    return [a - b for a, b in zip(values, others, strict=True)]


def record(measured: dict[str, list[float]], ceilings: Sequence[Sequence[int]]) -> dict:
    """Records every row that the ledger does not declare untested.

    Args:
        measured: Of `samples`.
        ceilings: Hits in real pictures of eight objects, for each seed's requests.

    Returns:
        Estimates by the rows' identifiers.

    Raises:
        ValueError: The ledger declares something tested that was not measured.
    """
    due = {row.id: row for row in ROWS if row.recorder == RECORDER and not row.untested}
    known = set(measured) | {"length.detector.k8"}
    if missing := sorted(set(due) - known):
        raise ValueError(f"declared tested, but not measured: {missing}")
    found: dict[str, Estimate] = {}
    for id, row in sorted(due.items()):
        if id == "length.detector.k8":
            found[id] = claims.record_ratio(id, [[(n, 8) for n in hits] for hits in ceilings])
        else:
            found[id] = claims.record(id, measured[id], 0.0 if row.of == "exact" else None)
    return found


def main(runs: Path = length.RUNS) -> None:
    """Stores what has been run and records its claims."""
    for name in store(runs):
        print(f"stored {name}")
    results = length.finished(FOLDER)
    painters = storage.read_json(storage.RESULTS / "coherence.json")["painters"]
    measured = samples(results, asked(), painters, length_locality.stored()) | {
        "length.told": [told()]
    }
    seeds = {r["setting"]["seed"]: r["counts"]["8"]["ceiling"] for s in results.values() for r in s}
    for id, e in record(measured, list(seeds.values())).items():
        print(f"{id}: {e.value:.3f} ({e.low:.3f} to {e.high:.3f})")
