"""Does locality go with retention, in networks that differ by nothing but their seed?

    python -m lib.experiments local_retention run --all
    python -m lib.experiments local_retention store
    python -m lib.experiments local_retention record

trains the network told all labels, as chapter 9 does, with seeds that were not looked at before,
and asks of each how far its answer moves when one of three requests goes (the share outside that
request's window, noise 1, on pictures that are the same for all seeds) and how much of its skill at
one object it keeps at six. Settings that differ by construction differ in both, and say nothing of
a mechanism. Written down before the first of these runs, three accounts of seeds of one setting:

==============  ==========================================  =======================================
account         far answers and retention                   the same, at equal skill at three
==============  ==========================================  =======================================
*mechanism*     the farther, the less is kept               likewise
*maturity*      likewise: a seed that has learned more is   no relation
                ahead in both
*chance*        no relation: seeds differ by luck           no relation
==============  ==========================================  =======================================

The network was trained on three objects at most, so its skill there says how far it has come. The
row's correlation is at equal skill at three (`local.retention`); that of two numbers alone stands
beside it (`local.retention.plain`). Both can only be seen if seeds differ by more than what a
measurement of them errs: the gates are that either number, measured on two sets of pictures, goes
with itself (`local.retention.far`, `local.retention.kept`). Twelve seeds show a correlation of six
tenths or more, and no smaller one: its interval says so.
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from lib import storage
from lib.experiments import length_generalization as length
from lib.experiments import length_results, local_results
from lib.experiments.length_words import Bounds

RUNS = storage.RUNS / "local_retention"
KEPT = storage.RESULTS / "local_retention"
SEEDS = range(3, 15)  # those before were looked at
LEVEL = 1.0  # of noise, at which chapter 10 compares networks
PICTURES = 900_000, 900_001  # seeds of two sets of pictures, the same for all networks


@dataclass(frozen=True)
class Setting:
    """One network.

    Attributes:
        seed: Of its weights, data and noise.
    """

    seed: int = SEEDS[0]

    @property
    def trained(self) -> length.Setting:
        """What is trained."""
        return length.Setting("label_all", seed=self.seed)


@dataclass(frozen=True)
class Scale(length.Scale):
    """How long it trains, as in chapter 9, and on how many pictures of a set it is asked.

    Attributes:
        scenes: Of a set.
    """

    scenes: int = 48


def missing(folder: Path = RUNS) -> list[tuple[Setting, dict]]:
    """The seeds that are not finished."""
    return [(Setting(s), {}) for s in SEEDS if not (folder / f"seed{s}.json").exists()]


def run(setting: Setting, scale: Scale, folder: Path = RUNS) -> dict:
    """Trains one network, or what is still missing of it, and asks it.

    Args:
        setting: Whose.
        scale: How long, and how much.
        folder: Where files go; the network's own are those of `length_generalization.run`.

    Returns:
        What is in seedN.json: `counts`, the raw scores at one, three and six objects; `removed`,
        the outside share on each set of pictures; `along`, of `local_results.along_training`.

    Raises:
        ValueError: As `length_generalization.run`.
    """
    trained = setting.trained
    own = {field.name: getattr(scale, field.name) for field in fields(length.Scale)}
    result = length.run(trained, length.Scale(**own), folder)
    _, _, denoiser, world = length.load_run(trained.name, folder, setting.seed)
    far = [
        length.localities(denoiser, world, trained.size, s, 3, scale.scenes, (LEVEL,))["removed"][0]
        for s in PICTURES
    ]
    names = ("hits", "blind", "ceiling")
    counts = {str(K): {n: result["counts"][str(K)][n] for n in names} for K in length.TRACED}
    found = {
        "setting": asdict(setting),
        "scale": asdict(scale),
        "counts": counts,
        "removed": far,
        "along": local_results.along_training(result),
        "seconds": result["seconds"],
        "provenance": storage.provenance(),
    }
    storage.write_numbers(folder / f"seed{setting.seed}.json", found, {"along": 4})
    return found


def store(folder: Path = RUNS, kept: Path = KEPT) -> list[str]:
    """Takes over what was measured of each finished network; the names of the files."""
    return storage.copy_files(folder, kept, *(p.name for p in sorted(folder.glob("seed*.json"))))


def results(folder: Path = KEPT) -> list[dict]:
    """What was measured of each network that has been asked, by seed."""
    found = [storage.read_json(path) for path in folder.glob("seed*.json")]
    return sorted(found, key=lambda result: result["setting"]["seed"])


def retention(result: dict, part: slice = slice(None)) -> float:
    """Skill at six over skill at one, of one network, at six of a part of the pictures alone."""
    six = {name: values[part] for name, values in result["counts"]["6"].items()}
    return length_results.retention([{"counts": result["counts"] | {"6": six}}])[0]


def claims(measured: list[dict]) -> dict[str, list[list[float]]]:
    """What stands behind the rows `local.retention*`: numbers of each seed, see the module."""
    far = [float(np.mean(result["removed"])) for result in measured]
    three = [length_results.skill(result["counts"]["3"]) for result in measured]
    plain = [[x, retention(result)] for x, result in zip(far, measured, strict=True)]
    return {
        "local.retention.far": [result["removed"] for result in measured],
        "local.retention.kept": [
            [retention(result, slice(i, None, 2)) for i in (0, 1)] for result in measured
        ],
        "local.retention.plain": plain,
        "local.retention": [[*pair, skill] for pair, skill in zip(plain, three, strict=True)],
        "local.retention.one": length_results.skills(measured, 1),
        "local.retention.level": [kept for _, kept in plain],
    }


def half_way(steps, values) -> float:
    """The step by which half of a change from first to last is made, interpolated in log steps.

    Args:
        steps: (T,), positive and rising.
        values: (T,).

    Raises:
        ValueError: The last value is the first.
    """
    x = np.asarray(values, float)
    if x[-1] == x[0]:
        raise ValueError("nothing has changed from first to last: there is no half of it")
    done = np.maximum.accumulate((x - x[0]) / (x[-1] - x[0]))
    k = int(np.argmax(done >= 0.5))
    part = (0.5 - done[k - 1]) / (done[k] - done[k - 1])
    first, last = np.log(np.asarray(steps, float)[[k - 1, k]])
    return float(np.exp(first + part * (last - first)))


def half_ways(measured: list[dict]) -> dict[str, list[float]]:
    """By `removed`, `one` and `six` the half-way steps of each seed: `half_way` along training."""
    return {
        name: [half_way(result["along"]["steps"], result["along"][name]) for result in measured]
        for name in ("removed", "one", "six")
    }


def ahead(measured: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """Of each seed whether skill at one comes before the reach, and the reach before six."""
    half = {name: np.array(steps) for name, steps in half_ways(measured).items()}
    return half["one"] < half["removed"], half["removed"] < half["six"]


def in_words(measured: list[dict], rows: dict[str, dict]) -> str:
    """What the seeds said, in numbers.

    Args:
        measured: Of `results`.
        rows: Of the ledger, by identifier.
    """

    def interval(name: str) -> str:
        return "{value:.2f} ({low:.2f} to {high:.2f})".format(**rows[f"local.retention{name}"])

    one_first, six_last = ahead(measured)
    return (
        f"Seeds: {len(measured)}. Correlation: {interval('.plain')}; at equal skill at three: "
        f"{interval('')}. On other pictures the reach goes with itself by {interval('.far')}, what "
        f"is kept by {interval('.kept')}. Skill at one is ahead of the reach in "
        f"{one_first.sum()} seeds, skill at six behind it in {six_last.sum()}."
    )


def statements(measured: list[dict], rows: dict[str, dict]) -> dict[str, Bounds]:
    """The chapter's sentences that rest on these numbers, see `length_words.statements`.

    Args:
        measured: Of `results`.
        rows: Of the ledger, by identifier.
    """
    one_first, six_last = ahead(measured)
    return {
        "what a seed keeps does not go with itself": (rows["local.retention.kept"]["low"], -1.1, 0),
        "how far it answers does": (rows["local.retention.far"]["low"], 0, 1),
        "skill at one comes before the reach": (one_first.mean(), 0.7, 1.1),
        "the reach before skill at six": (six_last.mean(), 0.7, 1.1),
    }
