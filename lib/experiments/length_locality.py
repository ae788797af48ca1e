"""How local the answer of a trained network is, by how many requests it is asked for at once.

    python -m lib.experiments length_locality --name label_one.full_all --seed 0

measures `lib.experiments.length_generalization.localities` of a finished run's weights at each of
`COUNTS` and keeps it with the book. A network that was told one label a picture never met two
requests. If it fails at many because its *answers* look too far, the answer to one request does so
already; if because a sum of requests was never met, one is answered locally, and far sight comes
with the second. The rival of the second account: pictures of more objects are less local for every
network, since objects hide and light each other; a network told all labels shows how much that is.

Seed 0 was looked at before the rows `length.local.*` were written, so they count the others.
"""

import argparse
from pathlib import Path

from lib import storage
from lib.diffusion import train
from lib.experiments.length_generalization import (
    KEPT,
    LEVELS,
    RUNS,
    Scale,
    Setting,
    localities,
    network,
)

COUNTS = (1, 2, 3, 6)
SCENES = 16
SIGMA = 1.0  # the level that the rows are about
ONE_LABEL = ("label_one.vector", "label_one.full_all")  # networks that hear everything


def run(name: str, seed: int, folder: Path = RUNS, kept: Path = KEPT) -> dict:
    """Measures one finished run at each number of requests.

    Args:
        name: Of the setting, as `Setting.name`.
        seed: Of the run.
        folder: Where its weights are.
        kept: Where `local.NAME.seedS.json` is written.

    Returns:
        What is in that file: `counts`, by number of requests what `localities` gives.

    Raises:
        FileNotFoundError: There is no such run.
        ValueError: A file is damaged or of another network.
    """
    stem = folder / f"{name}.seed{seed}"
    result = storage.read_json(stem.with_name(stem.name + ".json"))
    setting, scale = Setting(**result["setting"]), Scale(**result["scale"])
    weights = stem.with_name(stem.name + ".safetensors")
    denoiser, _ = train.load_weights(weights, network(setting, scale))
    found = {
        "setting": result["setting"],
        "scale": result["scale"],
        "levels": list(LEVELS),
        "scenes": SCENES,
        "counts": {
            str(K): {
                kind: [round(value, 4) for value in values]
                for kind, values in localities(denoiser, setting.size, seed, K, SCENES).items()
            }
            for K in COUNTS
        },
        "provenance": storage.provenance(),
    }
    storage.write_json(kept / f"local.{name}.seed{seed}.json", found)
    return found


def stored(folder: Path = KEPT) -> dict[str, dict[int, dict]]:
    """What was measured, by setting and seed: of `run`, its `counts`."""
    found: dict[str, dict[int, dict]] = {}
    for path in sorted(folder.glob("local.*.json")):
        result = storage.read_json(path)
        setting = Setting(**result["setting"])
        found.setdefault(setting.name, {})[setting.seed] = result["counts"]
    return found


def outside(counts: dict, count: int, sigma: float = SIGMA) -> float:
    """Outside share of the change when one of `count` requests moves, at one noise level."""
    return counts[str(count)]["moved"][LEVELS.index(sigma)]


def samples(measured: dict[str, dict[int, dict]]) -> dict[str, list[float]]:
    """What stands behind the rows `length.local.*`: a number a run, seed 0 left out."""
    fresh = [c for name in ONE_LABEL for s, c in sorted(measured.get(name, {}).items()) if s]
    if not fresh:
        return {}
    return {
        "length.local.one": [outside(counts, 1) for counts in fresh],
        "length.local.grows": [outside(counts, 3) - outside(counts, 1) for counts in fresh],
    }


def main(argv: list[str] | None = None) -> None:
    """Command line: measures one finished run."""
    parser = argparse.ArgumentParser(
        prog="python -m lib.experiments length_locality", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--name", default="label_one.full_all", help="of the setting")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=RUNS)
    options = parser.parse_args(argv)
    run(options.name, options.seed, options.folder)
