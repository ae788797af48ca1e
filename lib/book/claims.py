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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from lib import storage
from lib.book import intervals, ledger, runtime
from lib.book.intervals import Estimate, mean, share
from lib.book.ledger import Row

COMMITTED = storage.RESULTS / "claims"
LIVE = storage.ROOT / "_build" / "claims"
ALARM = 0.001  # how often a run of an unchanged book is held to differ from the committed one


def record(id: str, samples: float | Sequence[float], tolerance: float | None = None) -> Estimate:
    """Records the raw numbers of a claim, and holds them against the committed ones.

    A chapter's records go to `_build/claims/CHAPTER.BUDGET.json`, an experiment's to
    `runs/NAME/claims.json`.

    Args:
        id: a row of the ledger.
        samples: one number for each of the row's sampling units, 0 or 1 for a share, two or more
            for a correlation; where its number is exact, that.
        tolerance: of an exact number.

    Raises:
        ValueError: no such row, a row that says "not tested", numbers that are not finite or not of
            the row's kind.
        AssertionError: the run differs from the committed one by more than chance (not under
            `make results`, which makes the committed ones anew).
    """
    raw = np.atleast_1d(np.asarray(samples, float))
    if raw.ndim > 1 and _row(id).of != "correlation":
        raise ValueError(
            f"{id}: one number a unit is recorded, not an array {raw.shape}; several numbers of "
            "one run are one sample"
        )
    return _recorded(id, {"samples": raw.tolist(), "tolerance": tolerance})


def record_ratio(id: str, runs: Sequence, less: Sequence = ()) -> Estimate:
    """Records a claim about a ratio of sums over cases, see `lib.book.intervals.ratio`.

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


def record_all(recorder: str, samples: dict[str, Any]) -> dict[str, Estimate]:
    """Records every row of a recorder that the ledger does not declare untested.

    Args:
        recorder: as in the rows: a chapter, or `experiments/NAME`.
        samples: what stands behind each row: as `record` takes it, of a ratio as `record_ratio`;
            an exact number is taken as it is. Of rows declared untested nothing is kept.

    Returns:
        Estimates by the rows' identifiers.

    Raises:
        ValueError: the ledger declares something tested that was not measured; or as `record`.
    """
    due = {row.id: row for row in ledger.ROWS if row.recorder == recorder and not row.untested}
    if missing := sorted(set(due) - set(samples)):
        raise ValueError(f"declared tested, but not measured: {missing}")
    return {
        id: record_ratio(id, samples[id])
        if row.of == "ratio"
        else record(id, samples[id], 0.0 if row.of == "exact" else None)
        for id, row in sorted(due.items())
    }


def _recorded(id: str, entry: dict) -> Estimate:
    """Keeps a claim's raw numbers, held against the committed ones."""
    row = _row(id)
    if row.untested:
        raise ValueError(f"{id} is declared not tested ({row.untested}); it takes no record.")
    result = estimated(row, entry)
    path = live_path(row.recorder)
    stored = storage.read_json(path) if path.exists() else {"records": {}}
    stored["provenance"] = storage.provenance()
    stored["records"][id] = entry
    storage.write_json(path, stored)
    if not row.recorder.startswith("experiments/") and not os.environ.get("BOOK_NEW_RESULTS"):
        _compare(row, entry, committed().get(id))
    return result


def estimated(row: Row, entry: dict) -> Estimate:
    """What a record's raw numbers say of a row.

    Raises:
        ValueError: they are not of the row's kind; the message names the row.
    """
    depth = np.ndim(entry["samples"][:1])  # of one number a unit 1, of several 2, of cases 3
    try:
        if (depth > 2) != (row.of == "ratio"):
            raise ValueError("Cases are recorded by `record_ratio`, for a ratio and nothing else.")
        if (depth == 2) != (row.of == "correlation"):
            raise ValueError("A correlation has several numbers a unit, and nothing else has.")
        if row.of == "ratio":
            return intervals.ratio(entry["samples"], entry.get("less", ()), row.unit)
        if row.of == "exact":
            if len(entry["samples"]) != 1:
                raise ValueError(f"A computed number is one; these are {len(entry['samples'])}.")
            return intervals.exact(entry["samples"][0], entry["tolerance"])
        if entry["tolerance"] is not None:
            raise ValueError("Samples have an interval, and no tolerance.")
        if row.of == "correlation":
            return intervals.correlation(entry["samples"])
        return share(entry["samples"]) if row.of == "share" else mean(entry["samples"])
    except ValueError as error:
        raise ValueError(f"{row.id} is recorded as {row.of}: {error}") from None


def live_path(recorder: str) -> Path:
    """Where a recorder's numbers go before `make results` commits them."""
    if recorder.startswith("experiments/"):
        return storage.RUNS / recorder.removeprefix("experiments/") / "claims.json"
    return LIVE / f"{recorder}.{runtime.budget().name}.json"


def _row(id: str) -> Row:
    by_id = {row.id: row for row in ledger.ROWS}
    if id not in by_id:
        raise ValueError(f"The ledger has no row {id!r}; add it to lib/book/ledger/.")
    return by_id[id]


def _compare(row: Row, entry: dict, stored: dict | None) -> None:
    """Holds a run's numbers against the committed ones: a test asks whether the claim broke.

    Raises:
        AssertionError: a difference that chance gives once in a thousand runs.
    """
    if stored is None:
        return
    kept, ours = estimated(row, stored), estimated(row, entry)
    if row.of == "exact":
        differs = not kept.low <= ours.value <= kept.high
    else:
        differs = not chance(row, entry, stored) >= ALARM
    if differs:
        raise AssertionError(
            f"{row.id}: this run gives {ours.value:.6g} (n = {ours.n}); the committed record says "
            f"{kept.value:.6g} ({kept.low:.6g} to {kept.high:.6g}, n = {kept.n})."
        )


def chance(row: Row, ours: dict, stored: dict) -> float:
    """How often two records of the same quantity differ by as much as these, or more.

    Fisher's exact test of two shares, his of two correlations; Student's of two means with one
    variance, which for a ratio are those of its runs or, where they are the sampling unit, of its
    cases.
    """
    if row.of == "share":
        counts = [
            [sum(e["samples"]), len(e["samples"]) - sum(e["samples"])] for e in (ours, stored)
        ]
        return float(stats.fisher_exact(np.array(counts, int)).pvalue)
    if row.of == "correlation":
        return intervals.same_correlation(ours["samples"], stored["samples"])
    if row.of != "ratio":
        return _two_means(*(np.asarray(e["samples"], float) for e in (ours, stored)))
    found = []
    for part in ("samples", "less"):
        if ours.get(part):
            units = [intervals.units(e[part], row.unit) for e in (ours, stored)]
            both, _ = intervals.departures(np.concatenate(units))
            found.append(_two_means(*(intervals.departures(u, both)[1] for u in units)))
    return min(1.0, len(found) * min(found))


def _two_means(a: np.ndarray, b: np.ndarray) -> float:
    """The p-value of Student's test of two means; where nothing varies they are equal or not."""
    if math.isclose(a.mean(), b.mean(), rel_tol=1e-9, abs_tol=1e-12):
        return 1.0
    df = len(a) + len(b) - 2
    variance = (len(a) * a.var() + len(b) * b.var()) / df
    error = math.sqrt(variance * (1 / len(a) + 1 / len(b)))
    return float(2 * stats.t.sf(abs(a.mean() - b.mean()) / error, df)) if error > 0 else 0.0


def committed(folder: Path | None = None) -> dict[str, dict]:
    """All committed records by identifier, each with its recorder and provenance.

    Args:
        folder: where they lie, `lib/results/claims` if not given.
    """
    folder, found = folder or COMMITTED, {}
    for path in sorted(folder.glob("**/*.json")):
        stored = storage.read_json(path)
        recorder = str(path.relative_to(folder).with_suffix(""))
        for id, entry in stored["records"].items():
            found[id] = {**entry, "recorder": recorder, "provenance": stored["provenance"]}
    return found


def rows() -> list[dict]:
    """The ledger: a dict a row, see `evaluated`.

    Raises:
        ValueError: ledger and records do not fit each other; the message lists each fault.
    """
    records = committed()
    if faults := mismatches(ledger.ROWS, records):
        raise ValueError("The claims ledger does not fit its records:\n" + "\n".join(faults))
    return [evaluated(row, records) for row in ledger.ROWS]


def live_rows(recorder: str) -> list[dict]:
    """One recorder's rows, from what it recorded in this run."""
    path = live_path(recorder)
    records = storage.read_json(path)["records"] if path.exists() else {}
    return _rows(recorder, records, f"{recorder} has not recorded {{}} in this run.")


def committed_rows(recorder: str) -> list[dict]:
    """One recorder's rows, from its committed records.

    Raises:
        ValueError: a row has no record and is not declared not tested.
    """
    return _rows(recorder, committed(), f"There is no committed record of {{}} by {recorder}.")


def _rows(recorder: str, records: dict[str, dict], complaint: str) -> list[dict]:
    """One recorder's rows from these records; the complaint is about those that are missing."""
    own = [row for row in ledger.ROWS if row.recorder == recorder]
    missing = [row.id for row in own if not row.untested and row.id not in records]
    if missing:
        raise ValueError(complaint.format(", ".join(missing)))
    return [evaluated(row, records) for row in own]


def evaluated(row: Row, records: dict[str, dict]) -> dict[str, Any]:
    """A row with its value, interval and verdict, computed from the raw numbers in the records.

    Returns:
        id, source, claim, paper, kind, of, unit, recorder, rule, changed, turned: as the row says;
        value, low, high, verdict; samples: how many units gave them, 0 where nothing was recorded;
        sampled: whether there is an interval; undecided: whether it does not hold only because its
        interval reaches over the bound; why: the reason for not being tested.
    """
    names = ("id", "source", "claim", "paper", "kind", "of", "unit", "recorder")
    names += ("changed", "turned")
    out = {name: getattr(row, name) for name in names}
    rule = row.rule.text if row.rule else ""
    rule += ", and what it needs holds" * bool(row.needs)
    out["rule"] = rule + "; inconclusive unless its gate holds" * bool(row.gate)
    stored = records.get(row.id)
    if stored is None:
        none = dict.fromkeys(("value", "low", "high"))
        told = {"verdict": "not tested", "why": row.untested, "samples": 0, "undecided": False}
        return out | none | told
    e, sampled = estimated(row, stored), row.of != "exact"
    verdict = row.rule(e.value, e.low, e.high, sampled)
    needed = [evaluated(_row(id), records)["verdict"] for id in row.needs]
    gates = [evaluated(_row(id), records)["verdict"] for id in row.gate]
    if "does not hold" in needed:
        verdict = "does not hold"
    if {"inconclusive", "not tested"} & {*needed, *gates} or "does not hold" in gates:
        verdict = "inconclusive"
    numbers = {"value": e.value, "low": e.low, "high": e.high, "samples": e.n, "sampled": sampled}
    open_ = verdict == "does not hold" and sampled and reaches_over(row.rule, e.low, e.high)
    return out | numbers | {"verdict": verdict, "why": "", "undecided": open_}


def reaches_over(rule: ledger.Rule, low: float, high: float) -> bool:
    """Whether a rule, which asks for the whole interval, is met in some of it but not all over."""
    met = [rule.holds(v, v, v, True) for v in np.linspace(low, high, 1001)]
    return any(met) and not all(met)


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
        for name in () if row.untested else (*row.needs, *row.gate):
            other = by_id.get(name)
            if not other or other.untested or other.recorder != row.recorder:
                faults.append(f"{id}: needs {name}, which {row.recorder} does not record")
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
            span = f"{row['low']:.4g} to {row['high']:.4g} ({row['of']}, {counted(row)})"
        paper = "" if row["paper"] == "none" else f" (its value: {row['paper']})"
        lines.append(
            f"| {row['claim']} {linked(row['id'])} | {row['source']}{paper} | {value} | {span} "
            f"| {row['rule']} | **{row['verdict']}**{' (undecided)' * row['undecided']} |"
        )
    return "\n".join(lines)


def counted(row: dict) -> str:
    """How many independent units gave a row's interval, in words: "3 batches of 200 starts"."""
    first, space, rest = row["unit"].partition(" ")
    if row["samples"] != 1:
        first += "es" if first.endswith("ch") else "s"
    return f"{row['samples']} {first}{space}{rest}"


def linked(id: str) -> str:
    """A row's identifier, leading to the ledger's page."""
    return f"[`{id}`](claims.md)"


def foremost(evaluated_rows: Sequence[dict], ids: Sequence[str] = (), most: int = 5) -> list[dict]:
    """The rows that matter most: those asked for, else claims before findings before checks.

    Of one kind those that do not hold come first: they are what a reader would not expect.

    Args:
        evaluated_rows: of one recorder.
        ids: which to take, in this order; all of them, if any are named.
        most: how many to take if none are named.

    Raises:
        ValueError: an identifier that none of the rows has.
    """
    by_id = {row["id"]: row for row in evaluated_rows}
    if unknown := [id for id in ids if id not in by_id]:
        raise ValueError(f"No row here is called {', '.join(unknown)}; there are {list(by_id)}.")
    if ids:
        return [by_id[id] for id in ids]

    def rank(row):
        return ledger.KINDS.index(row["kind"]), row["verdict"] != "does not hold"

    return sorted(evaluated_rows, key=rank)[:most]


if __name__ == "__main__":
    print(json.dumps(rows(), indent=1))
