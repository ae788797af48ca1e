"""What the runs of `length_generalization` measured, as the book keeps it.

The command ::

    python -m lib.experiments length_results

takes the finished runs out of runs/length_generalization/ and writes to
lib/results/length_generalization/ the measurements of every seed, the weights of seed 0, and in
search/ the runs that fixed the scale; then it records the claims. Commit it.
"""

import argparse
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.book import claims, runtime
from lib.book.ledger import ROWS
from lib.diffusion import checkpoint, edm, train
from lib.experiments import length_generalization as length
from lib.experiments.length_generalization import Scale, Setting

FOLDER = runtime.RESULTS / "length_generalization"
SEARCH = runtime.RUNS / "length_search"
FIRST = {
    setting.name: setting
    for setting in (
        Setting("label_all"),
        Setting("label_one"),
        Setting("label_one", "map"),
        *(
            Setting("label_one", "window", pixels, windows)
            for pixels in ("full", "local")
            for windows in ("all", "local")
        ),
    )
}  # what runs first, by name, in the order of the tables
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
    checkpoint.write_atomically(path, (text + "\n").encode())


def store(runs: Path = length.RUNS, search: Path = SEARCH, folder: Path = FOLDER) -> list[str]:
    """Takes over what has been run.

    Args:
        runs: Where finished runs are; those that are not finished stay there.
        search: Where the runs are that fixed the scale, in folders of any name, finished or not.
        folder: Where the book keeps them.

    Returns:
        The names of the files written.

    Raises:
        ValueError: The runs differ in scale, or weights are damaged or another network's.
    """
    results = [result for seeds in length.finished(runs).values() for result in seeds]
    scales = {json.dumps(result["scale"], sort_keys=True) for result in results}
    if len(scales) > 1:
        raise ValueError(f"the runs in {runs} differ in scale: {'; '.join(sorted(scales))}")
    written = []
    for result in results:
        setting = Setting(**result["setting"])
        stem = f"{setting.name}.seed{setting.seed}"
        write(folder / f"{stem}.json", result)
        written.append(f"{stem}.json")
        if setting.seed == 0 and setting.name in FIRST:
            weights = f"{stem}.safetensors"
            train.load_weights(runs / weights, length.network(setting, Scale(**result["scale"])))
            shutil.copyfile(runs / weights, folder / weights)
            written.append(weights)
    for path in sorted(search.glob("*/*.json")):
        name = f"search/{path.parent.name}.json"
        write(folder / name, runtime.read_json(path))
        written.append(name)
    return written


def denoiser(name: str, folder: Path = FOLDER) -> edm.Preconditioned:
    """The denoiser of a setting as it was stored and measured: seed 0, bfloat16.

    Args:
        name: Of the setting, as `Setting.name`.
        folder: Where the book keeps it.

    Raises:
        FileNotFoundError: The setting was not run.
        ValueError: The file is damaged, or of another network.
    """
    result = runtime.read_json(folder / f"{name}.seed0.json")
    made = length.network(Setting(**result["setting"]), Scale(**result["scale"]))
    return train.load_weights(folder / f"{name}.seed0.safetensors", made)[0]


def cases(results: Sequence[dict], count: int) -> list[list[tuple[int, int]]]:
    """Skill as a ratio of sums: (hits - blind, ceiling - blind) of each picture of each seed."""
    parts = [result["counts"][str(count)] for result in results]
    return [
        [(h - b, c - b) for h, b, c in zip(p["hits"], p["blind"], p["ceiling"], strict=True)]
        for p in parts
    ]


def outside(result: dict, sense: str) -> float:
    """What lies outside the windows at sigma = 1 at the end of a run: `pixel` or `moved`."""
    last = str(result["scale"]["steps"])
    return result["training"][last]["locality"][sense][length.LEVELS.index(1.0)]


def farther(seeds: Sequence[dict], plain: Sequence[dict], sense: str) -> list[float]:
    """How much more lies outside the windows than in the runs of plain data, seed by seed."""
    usual = {result["setting"]["seed"]: outside(result, sense) for result in plain}
    return [outside(r, sense) - usual[r["setting"]["seed"]] for r in seeds]


def record(results: dict[str, list[dict]]) -> dict[str, claims.Estimate]:
    """Records every claim that the ledger does not declare untested.

    Args:
        results: As `length_generalization.finished` gives them.

    Returns:
        Estimates by the rows' identifiers.

    Raises:
        ValueError: The ledger declares something untested that was measured, or the reverse.
    """
    ratios = {f"length.{name}": (cases(seeds, 6), ()) for name, seeds in results.items()}
    for id, name, other in (
        ("length.causal", "label_one.local_local", "label_one.full_all"),
        ("length.labels", "label_all.vector", "label_one.vector"),
        ("length.table.one", "label_one.local_local.objects-1", "label_one.vector.objects-1"),
        ("length.table.five", "label_one.local_local.objects-5", "label_one.vector.objects-5"),
    ):
        if {name, other} <= set(results):
            ratios[id] = cases(results[name], 6), cases(results[other], 6)
    # Runs of a seed are asked for the same scenes, whatever their setting.
    by_seed = {
        r["setting"]["seed"]: r["counts"]["8"]["ceiling"] for s in results.values() for r in s
    }
    if by_seed:
        ratios["length.detector.k8"] = [[(n, 8) for n in c] for c in by_seed.values()], ()
    numbers = {
        f"length.{name}.kmax": length.summary(seeds)["k_max"]["0.8"]
        for name, seeds in results.items()
    }
    senses = {
        f"length.{name}.{sense}": farther(seeds, results["label_all.vector"], sense)
        for name, seeds in results.items()
        if ".data-" in name and "label_all.vector" in results
        for sense in ("pixel", "moved")
    }
    own = {row.id for row in ROWS if row.recorder == "experiments/length_generalization"}
    due = {row.id for row in ROWS if row.id in own and not row.untested}
    measured = (set(ratios) | set(numbers) | set(senses)) & own
    if due != measured:
        raise ValueError(
            f"measured, but declared not tested: {sorted(measured - due)}; declared tested, but "
            f"not measured: {sorted(due - measured)}; mend its ledger"
        )
    found = {id: claims.record_ratio(id, *ratios[id]) for id in sorted(due & set(ratios))}
    found |= {id: claims.record(id, numbers[id], 0.0) for id in sorted(due & set(numbers))}
    for id in sorted(due & set(senses)):  # one seed alone gives no interval
        found[id] = claims.record(id, senses[id], None if len(senses[id]) > 1 else 0.0)
    return found


def main(argv: list[str] | None = None) -> None:
    """Command line: stores what has been run and records its claims."""
    parser = argparse.ArgumentParser(
        prog="python -m lib.experiments length_results", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--runs", type=Path, default=length.RUNS)
    parser.add_argument("--search", type=Path, default=SEARCH)
    options = parser.parse_args(argv)
    for name in store(options.runs, options.search):
        print(f"stored {name}")
    for id, e in record(length.finished(FOLDER)).items():
        print(f"{id}: {e.value:.3f} ({e.low:.3f} to {e.high:.3f})")
