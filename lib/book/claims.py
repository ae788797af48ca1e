"""The claims ledger: what the book says of each claim, computed from raw measurements on reading.

A chapter or an experiment records raw numbers under a row's identifier; value, interval and verdict
are computed from them here and stored nowhere. `make results` copies the records into
`lib/results/claims/`, the only thing that the ledger page and `python -m lib.book.claims` (JSON)
read.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from lib.book import runtime

VERDICTS = ("holds", "holds at our scale", "does not hold", "not tested")
COMMITTED = runtime.RESULTS / "claims"
LIVE = runtime.ROOT / "_build" / "claims"
DRAWS = 2000  # of the bootstrap


@dataclass(frozen=True)
class Rule:
    """When a claim counts as holding.

    Attributes:
        text: the rule as the ledger page states it.
        holds: whether it is met, from value, low, high and whether several samples gave them.
        verdict: what the ledger says then.
    """

    text: str
    holds: Callable[[float, float, float, bool], bool]
    verdict: str = "holds"

    def __call__(self, value: float, low: float, high: float, sampled: bool) -> str:
        """The verdict."""
        return self.verdict if self.holds(value, low, high, sampled) else "does not hold"


@dataclass(frozen=True)
class Row:
    """A claim of the ledger.

    Attributes:
        id: a dotted name.
        claim: one sentence, Markdown.
        source: where the claim is made: a paper, or "this book".
        recorder: the chapter (`01_sim_task`) or experiment (`experiments/NAME`) that measures it.
        rule: decides on the verdict; None where none was fixed.
        paper: the paper's value, or "unknown"; "none" where the claim gives no number.
        untested: why the claim is not tested, or not yet: a rule may be fixed before the run.
        needs: the identifier of a row of the same recorder without which this one does not hold.
    """

    id: str
    claim: str
    source: str
    recorder: str
    rule: "Rule | None"
    paper: str = "none"
    untested: str = ""
    needs: str = ""

    def __post_init__(self):
        """Holds that a row has a rule or says why not."""
        if self.rule is None and not self.untested:
            raise ValueError(f"{self.id}: a row has a rule or a reason for not being tested.")


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its interval."""

    value: float
    low: float
    high: float


def within(target: float, by: float) -> Rule:
    """The rule "the value is `target` to `by`", and so is the whole interval where there is one."""

    def holds(value, low, high, sampled):
        return all(abs(v - target) <= by for v in ((low, high) if sampled else (value,)))

    return Rule(f"{target:g} ± {by:g}", holds)


def above(bound: float, verdict: str = "holds") -> Rule:
    """The rule "the whole interval lies above `bound`"."""
    return Rule(f"interval above {bound:g}", lambda value, low, high, sampled: low > bound, verdict)


def below(bound: float, verdict: str = "holds") -> Rule:
    """The rule "the whole interval lies below `bound`"."""
    return Rule(
        f"interval below {bound:g}", lambda value, low, high, sampled: high < bound, verdict
    )


def estimate(samples: Sequence[float], tolerance: float | None = None) -> Estimate:
    """Value and interval of raw numbers.

    A deterministic claim is one number, give or take its tolerance. Else the value is the mean of
    the samples; the 95 % interval is Wilson's where all are 0 or 1, and Student's otherwise.

    Args:
        samples: one number a seed or run.
        tolerance: of a deterministic claim; its samples are then one number.

    Raises:
        ValueError: no finite numbers, several with a tolerance, one without.
    """
    x = np.asarray(samples, float).reshape(-1)
    if not len(x) or not np.isfinite(x).all():
        raise ValueError(f"A claim needs finite numbers; these are {samples!r}.")
    if tolerance is not None:
        if len(x) != 1 or not tolerance >= 0:
            raise ValueError("A deterministic claim is one number with a tolerance of at least 0.")
        return Estimate(x[0], x[0] - tolerance, x[0] + tolerance)
    if len(x) < 2:
        raise ValueError("One sample gives no interval: record several, or state a tolerance.")
    if np.isin(x, (0, 1)).all():
        share = stats.binomtest(int(x.sum()), len(x)).proportion_ci(method="wilson")
        return Estimate(x.mean(), share.low, share.high)
    half = stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x))
    return Estimate(x.mean(), x.mean() - half, x.mean() + half)


def estimate_ratio(runs: Sequence, less: Sequence = ()) -> Estimate:
    """Value and interval of a ratio of sums over cases, such as hits over requests, in some runs.

    The interval is the middle 95 % of a bootstrap (2,000 draws) over runs and over the cases of
    each.

    Args:
        runs: for each run its cases, (numerator, denominator, how many such cases) each.
        less: other runs, whose ratio is taken off.

    Raises:
        ValueError: no cases, or none with a denominator.
    """
    rng = np.random.default_rng(0)
    value, draws = _bootstrapped(runs, rng)
    if less:
        other, taken = _bootstrapped(less, rng)
        value, draws = value - other, draws - taken
    return Estimate(float(value), *np.nanquantile(draws, (0.025, 0.975)).tolist())


def _bootstrapped(runs: Sequence, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """The ratio, and its draws (D,)."""
    cases = [np.asarray(run, float).reshape(-1, 3) for run in runs]
    sums = np.array([run[:, 2] @ run[:, :2] for run in cases])
    if not len(cases) or not (sums[:, 1] != 0).all():
        raise ValueError("A ratio needs runs of cases whose denominators do not add up to 0.")
    drawn = np.zeros((DRAWS, 2))
    for _ in cases:
        chosen = rng.integers(len(cases), size=DRAWS)
        for k, run in enumerate(cases):
            often = rng.multinomial(
                int(run[:, 2].sum()), run[:, 2] / run[:, 2].sum(), (chosen == k).sum()
            )
            drawn[chosen == k] += often @ run[:, :2]
    total = sums.sum(0)
    return total[0] / total[1], drawn[:, 0] / drawn[:, 1]


def record(id: str, samples: float | Sequence[float], tolerance: float | None = None) -> Estimate:
    """Records the raw numbers of a claim, and holds them against the committed ones.

    A chapter's records go to `_build/claims/CHAPTER.BUDGET.json`, an experiment's to
    `runs/NAME/claims.json`.

    Args:
        id: a row of the ledger.
        samples: one number a seed or run, or one number with a tolerance.
        tolerance: of a deterministic claim.

    Raises:
        ValueError: no such row, a row that says "not tested", or numbers that give no interval.
        AssertionError: the run lies outside the committed interval, widened for its size (not under
            `make results`, which makes the committed ones anew).
    """
    raw = [float(x) for x in np.asarray(samples, float).reshape(-1)]
    return _recorded(id, {"samples": raw, "tolerance": tolerance})


def record_ratio(id: str, runs: Sequence, less: Sequence = ()) -> Estimate:
    """Records a claim about a ratio of sums over cases, see `estimate_ratio`.

    Args:
        id: a row of the ledger.
        runs: for each run its cases, (numerator, denominator) each; equal ones are counted.
        less: other runs, whose ratio is taken off.

    Raises:
        ValueError, AssertionError: as `record`.
    """
    packed = [
        [
            [[*case, times] for case, times in sorted(Counter(map(tuple, run)).items())]
            for run in part
        ]
        for part in (runs, less)
    ]
    entry = {"samples": packed[0], "tolerance": None}
    return _recorded(id, entry | ({"less": packed[1]} if less else {}))


def _recorded(id: str, entry: dict) -> Estimate:
    """Keeps a claim's raw numbers, held against the committed ones."""
    row = _row(id)
    if row.untested:
        raise ValueError(f"{id} is declared not tested ({row.untested}); it takes no record.")
    result = _estimated(entry)
    path = live_path(row.recorder)
    stored = runtime.read_json(path) if path.exists() else {"records": {}}
    stored["provenance"] = runtime.provenance()
    stored["records"][id] = entry
    runtime.write_json(path, stored)
    if not row.recorder.startswith("experiments/") and not os.environ.get("BOOK_NEW_RESULTS"):
        _compare(id, entry, committed().get(id))
    return result


def _estimated(entry: dict) -> Estimate:
    """What a record's raw numbers say."""
    if np.ndim(entry["samples"][:1]) > 1:
        return estimate_ratio(entry["samples"], entry.get("less", ()))
    return estimate(entry["samples"], entry["tolerance"])


def live_path(recorder: str) -> Path:
    """Where a recorder's numbers go before `make results` commits them."""
    if recorder.startswith("experiments/"):
        return runtime.RUNS / recorder.removeprefix("experiments/") / "claims.json"
    return LIVE / f"{recorder}.{runtime.budget().name}.json"


def _row(id: str) -> Row:
    from lib.book.ledger import ROWS

    by_id = {row.id: row for row in ROWS}
    if id not in by_id:
        raise ValueError(f"The ledger has no row {id!r}; add it to lib/book/ledger.py.")
    return by_id[id]


def _compare(id: str, entry: dict, stored: dict | None) -> None:
    """Holds a run's numbers against the committed interval.

    The interval is widened for the smaller sample, and from 95 % to 99.9 %: a test asks whether
    the claim broke, not how large it is.
    """
    if stored is None:
        return
    kept, ours = _estimated(stored), _estimated(entry)
    slack = 0.0
    if entry["tolerance"] is None:
        widening = math.sqrt(1 + len(stored["samples"]) / len(entry["samples"])) * 3.29 / 1.96
        slack = max(kept.high - kept.low, 1e-12) / 2 * widening - (kept.high - kept.low) / 2
    if not kept.low - slack <= ours.value <= kept.high + slack:
        raise AssertionError(
            f"{id}: this run gives {ours.value:.6g}; the committed record says {kept.value:.6g} "
            f"({kept.low - slack:.6g} to {kept.high + slack:.6g} for a run of this size)."
        )


def committed(folder: Path | None = None) -> dict[str, dict]:
    """All committed records by identifier, each with its recorder and provenance.

    Args:
        folder: where they lie, `lib/results/claims` if not given.
    """
    folder, found = folder or COMMITTED, {}
    for path in sorted(folder.glob("**/*.json")):
        stored = runtime.read_json(path)
        recorder = str(path.relative_to(folder).with_suffix(""))
        for id, entry in stored["records"].items():
            found[id] = {**entry, "recorder": recorder, "provenance": stored["provenance"]}
    return found


def rows() -> list[dict]:
    """The ledger: a dict a row with id, source, claim, paper, value, low, high, verdict.

    Raises:
        ValueError: ledger and records do not fit each other; the message lists each fault.
    """
    from lib.book.ledger import ROWS

    records = committed()
    if faults := mismatches(ROWS, records):
        raise ValueError("The claims ledger does not fit its records:\n" + "\n".join(faults))
    return [evaluated(row, records) for row in ROWS]


def live_rows(recorder: str) -> list[dict]:
    """One recorder's rows, from what it recorded in this run."""
    path = live_path(recorder)
    records = runtime.read_json(path)["records"] if path.exists() else {}
    return _rows(recorder, records, f"{recorder} has not recorded {{}} in this run.")


def committed_rows(recorder: str) -> list[dict]:
    """One recorder's rows, from its committed records.

    Raises:
        ValueError: a row has no record and is not declared not tested.
    """
    return _rows(recorder, committed(), f"There is no committed record of {{}} by {recorder}.")


def _rows(recorder: str, records: dict[str, dict], complaint: str) -> list[dict]:
    """One recorder's rows from these records; the complaint is about those that are missing."""
    from lib.book.ledger import ROWS

    own = [row for row in ROWS if row.recorder == recorder]
    missing = [row.id for row in own if not row.untested and row.id not in records]
    if missing:
        raise ValueError(complaint.format(", ".join(missing)))
    return [evaluated(row, records) for row in own]


def evaluated(row: Row, records: dict[str, dict]) -> dict:
    """A row with its value, interval and verdict, computed from the raw numbers in the records."""
    stored = records.get(row.id)
    out = {"id": row.id, "source": row.source, "claim": row.claim, "paper": row.paper}
    rule = row.rule.text if row.rule else ""
    out |= {"recorder": row.recorder, "rule": rule + ", and what it needs holds" * bool(row.needs)}
    if stored is None:
        none = dict.fromkeys(("value", "low", "high"))
        return out | none | {"verdict": "not tested", "why": row.untested, "samples": 0}
    e = _estimated(stored)
    numbers = {"value": e.value, "low": e.low, "high": e.high}
    sampled = stored["tolerance"] is None
    verdict = row.rule(e.value, e.low, e.high, sampled)
    if row.needs and not evaluated(_row(row.needs), records)["verdict"].startswith("holds"):
        verdict = "does not hold"
    samples = len(stored["samples"]) if sampled else 1
    return out | numbers | {"verdict": verdict, "why": "", "samples": samples, "sampled": sampled}


def mismatches(ledger: Sequence[Row], records: dict[str, dict]) -> list[str]:
    """What is wrong between ledger and records, a sentence each; nothing where they fit."""
    by_id = {row.id: row for row in ledger}
    ids = [row.id for row in ledger]
    faults = [f"{id}: two rows have this id" for id in by_id if ids.count(id) > 1]
    for id, row in by_id.items():
        if row.untested and id in records:
            faults.append(f"{id}: declared not tested, but has a record")
        if not row.untested and id not in records:
            faults.append(f"{id}: no record; run {row.recorder}, then `make results`")
        other = by_id.get(row.needs)
        known = other and not other.untested and other.recorder == row.recorder
        if row.needs and not row.untested and not known:
            faults.append(f"{id}: needs {row.needs}, which {row.recorder} does not record")
    for id, entry in records.items():
        if id not in by_id:
            faults.append(f"{id}: recorded by {entry['recorder']}, but the ledger has no such row")
        elif entry["recorder"] != by_id[id].recorder:
            faults.append(f"{id}: recorded by {entry['recorder']}, not by {by_id[id].recorder}")
    return faults


def markdown(evaluated_rows: Sequence[dict]) -> str:
    """Rows as a Markdown table."""
    lines = [
        "| claim | source | here | 95 % interval | holds if | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for row in evaluated_rows:
        value, span = "", row["why"]
        if row["samples"] and not row["sampled"]:
            value, span = f"{row['value']:.4g}", "none: computed"
        elif row["samples"]:
            value = f"{row['value']:.4g}"
            span = f"{row['low']:.4g} to {row['high']:.4g} (n = {row['samples']})"
        paper = "" if row["paper"] == "none" else f" (its value: {row['paper']})"
        lines.append(
            f"| {row['claim']} `{row['id']}` | {row['source']}{paper} | {value} | {span} "
            f"| {row['rule']} | **{row['verdict']}** |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(json.dumps(rows(), indent=1))
