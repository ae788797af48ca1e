"""The ledger: each mismatch and each wrong number found, records kept apart from verdicts."""

import json
import subprocess
import sys

import numpy as np
import pytest

from lib.book import claims, ledger
from lib.book.ledger import Row, above, within
from tests.conftest import ROOT


def row(id, rule=None, of="mean", unit="run", recorder="01_one", **fields):
    """A finding, for what a test does not ask about."""
    unit = "" if of == "exact" else unit
    return Row(id, recorder, f"it is {id}", "finding", of, rule, unit, **fields)


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A ledger of a few rows, in folders of its own."""
    rows = [
        row("a.mean", above(0.0)),
        row("a.exact", within(2.0, 0.1), of="exact"),
        row("a.open", untested="too long"),
        row("a.later", above(0.0), untested="not yet run"),
    ]
    monkeypatch.setattr(ledger, "ROWS", rows)
    monkeypatch.setattr(claims, "LIVE", tmp_path / "live")
    monkeypatch.setattr(claims, "COMMITTED", tmp_path / "committed")
    monkeypatch.setenv("BOOK_BUDGET", "laptop")
    return tmp_path


@pytest.fixture
def add(book, monkeypatch):
    """Adds rows to that ledger."""
    return lambda *rows: monkeypatch.setattr(ledger, "ROWS", [*ledger.ROWS, *rows])


def commit(book):
    (book / "committed").mkdir()
    text = (book / "live/01_one.laptop.json").read_text()
    (book / "committed/01_one.json").write_text(text)


def test_ratios_are_recorded_as_counted_cases(book, add):
    add(row("a.ratio", above(0.0), of="ratio", unit="picture"))
    e = claims.record_ratio("a.ratio", [[(1, 2), (2, 2), (1, 2)]], less=[[(0, 2)]])
    stored = json.loads((book / "live/01_one.laptop.json").read_text())["records"]["a.ratio"]
    assert stored == {
        "samples": [[[1, 2, 2], [2, 2, 1]]],
        "tolerance": None,
        "less": [[[0, 2, 1]]],
    }
    assert np.isclose(e.value, 4 / 6)
    claims.record("a.exact", 2.0, tolerance=0.01)
    claims.record("a.mean", [1.0, 1.1])
    commit(book)
    found = next(one for one in claims.rows() if one["id"] == "a.ratio")
    assert (found["value"], found["low"], found["high"]) == (e.value, e.low, e.high)
    assert found["verdict"] == "holds"
    assert "0.5 to 1 (ratio, 1 picture)" in claims.markdown([found])


@pytest.mark.parametrize(
    ("unit", "said"),
    [("run", "3 runs"), ("pair of requests", "3 pairs of requests"), ("batch", "3 batches")],
)
def test_units_are_counted_in_words(unit, said):
    assert claims.counted({"samples": 3, "unit": unit}) == said


def test_records_hold_raw_numbers_only(book):
    claims.record("a.mean", [1.0, 2.0, 3.0])
    claims.record("a.exact", 2.05, tolerance=0.01)
    stored = json.loads((book / "live/01_one.laptop.json").read_text())
    assert stored["records"] == {
        "a.mean": {"samples": [1.0, 2.0, 3.0], "tolerance": None},
        "a.exact": {"samples": [2.05], "tolerance": 0.01},
    }
    commit(book)
    rows = {one["id"]: one for one in claims.rows()}
    fields = "id source claim paper value low high verdict kind of unit rule samples"
    assert set(rows["a.mean"]) >= set(fields.split())
    assert (rows["a.mean"]["kind"], rows["a.mean"]["of"]) == ("finding", "mean")
    assert (rows["a.mean"]["unit"], rows["a.mean"]["samples"]) == ("run", 3)
    assert rows["a.mean"]["verdict"] == "does not hold"  # the interval reaches below 0
    assert rows["a.exact"]["verdict"] == "holds"
    assert rows["a.open"]["verdict"] == "not tested"
    assert rows["a.open"]["value"] is None
    assert rows["a.later"]["verdict"] == "not tested"
    assert rows["a.later"]["rule"] == "interval above 0"  # fixed before the run
    assert "too long" in claims.markdown(claims.rows())


def test_an_unknown_or_untested_row_takes_no_record(book):
    with pytest.raises(ValueError, match=r"no row 'a\.b'"):
        claims.record("a.b", [1.0, 2.0])
    with pytest.raises(ValueError, match="declared not tested"):
        claims.record("a.open", [1.0, 2.0])
    with pytest.raises(ValueError, match="declared not tested"):
        claims.record("a.later", [1.0, 2.0])


def verdicts(samples, exact):
    """Those of the chapter's rows, `a.both` recorded with these samples."""
    claims.record("a.both", samples)
    claims.record("a.mean", [1.0, 1.1])
    claims.record("a.exact", exact, tolerance=0.0)
    return {one["id"]: one for one in claims.live_rows("01_one")}


CASES = [(samples, exact) for samples in ([1.0, 1.1], [-1.0, 1.0]) for exact in (2.0, 3.0)]


def test_a_row_that_needs_another_holds_only_if_that_does(add):
    add(row("a.both", above(0.0), needs=("a.exact", "a.mean")))
    found = [verdicts(*case)["a.both"] for case in CASES]
    assert [one["verdict"] for one in found] == ["holds"] + ["does not hold"] * 3
    assert found[0]["rule"] == "interval above 0, and what it needs holds"


def test_a_row_whose_gate_does_not_hold_is_inconclusive_and_so_is_what_needs_it(add):
    add(
        row("a.both", above(0.0), gate=("a.exact",)),
        row("a.last", within(1.0, 0.0), of="exact", needs=("a.both",)),
    )
    claims.record("a.last", 1.0, tolerance=0.0)
    found = [verdicts(*case) for case in CASES]
    open_ = ["holds", "inconclusive", "does not hold", "inconclusive"]
    assert [one["a.both"]["verdict"] for one in found] == open_
    assert [one["a.last"]["verdict"] for one in found] == open_
    assert "inconclusive unless its gate holds" in found[0]["a.both"]["rule"]


def test_what_a_row_needs_is_recorded_by_the_same_recorder(book):
    other = row("b", above(0.0), recorder="02_two", needs=("a.exact",))
    nothing = row("c", above(0.0), recorder="02_two", gate=("c.none",))
    later = row("d", above(0.0), needs=("a.open",))
    records = {id: {"recorder": "02_two"} for id in ("b", "c")}
    faults = claims.mismatches([*ledger.ROWS, other, nothing, later], records)
    assert [f for f in faults if "needs" in f] == [
        "b: needs a.exact, which 02_two does not record",
        "c: needs c.none, which 02_two does not record",
        "d: needs a.open, which 01_one does not record",
    ]


@pytest.mark.parametrize(
    ("of", "samples", "tolerance", "message"),
    [
        ("share", [0, 1, 0.999], None, "0 or 1; one of these is 0.999"),
        ("share", [0, 1, -1], None, "0 or 1; one of these is -1"),
        ("share", [True], None, "One sample"),
        ("share", [1, 1], 0.1, "no tolerance"),
        ("mean", [1.0, float("nan")], None, "finite numbers; there is nan"),
        ("mean", [1.0, float("-inf")], None, "finite numbers; there is -inf"),
        ("mean", [], None, "finite numbers; there is none"),
        ("mean", [1.0], None, "One sample"),
        ("difference", [1.0, 2.0], 0.1, "no tolerance"),
        ("exact", [1.0], None, "needs a tolerance"),
        ("exact", [1.0], -0.1, "needs a tolerance"),
        ("exact", [1.0], float("nan"), "needs a tolerance"),
        ("exact", [1.0, 2.0], 0.1, "one; these are 2"),
        ("exact", float("nan"), 0.1, "finite numbers; there is nan"),
        ("exact", float("inf"), 0.1, "finite numbers; there is inf"),
        ("ratio", [1.0, 2.0], None, "Cases are recorded"),
        ("correlation", [1.0, 2.0], None, "several numbers a unit"),
    ],
)
def test_what_is_not_of_the_row_s_kind_is_refused_by_name(
    book, add, of, samples, tolerance, message
):
    add(row("a.new", above(0.5), of=of))
    with pytest.raises(ValueError, match=f"^a.new is recorded as {of}: .*{message}"):
        claims.record("a.new", samples, tolerance)
    assert not (book / "live").exists()  # refused before anything is kept


def test_cases_are_of_a_ratio_and_finite(book, add):
    add(row("a.ratio", above(0.0), of="ratio"))
    with pytest.raises(ValueError, match=r"a\.mean is recorded as mean: Cases are recorded"):
        claims.record_ratio("a.mean", [[(1, 2)], [(1, 2)]])
    with pytest.raises(ValueError, match=r"a\.ratio is recorded as ratio: .*there is nan"):
        claims.record_ratio("a.ratio", [[(float("nan"), 2)], [(1, 2)]])
    with pytest.raises(ValueError, match=r"a\.ratio is recorded as ratio: One run gives no"):
        claims.record_ratio("a.ratio", [[(1, 2), (0, 2)]])


def test_a_correlation_keeps_its_numbers_together(book, add):
    add(row("a.goes", above(0.0), of="correlation"))
    pairs = [[1.0, 1.1], [2.0, 1.9], [3.0, 3.2], [4.0, 4.0]]
    assert claims.record("a.goes", pairs).value > 0.9
    entry = {"samples": pairs, "tolerance": None}
    assert claims.evaluated(ledger.ROWS[-1], {"a.goes": entry})["verdict"] == "holds"
    mean = row("a.mean", above(0.0))
    with pytest.raises(ValueError, match="several numbers a unit, and nothing else has"):
        claims.estimated(mean, {"samples": pairs, "tolerance": None})


def test_each_mismatch_is_found(book):
    records = {
        "a.mean": {"recorder": "02_two"},
        "a.open": {"recorder": "01_one"},
        "a.more": {"recorder": "01_one"},
    }
    twice = [*ledger.ROWS, ledger.ROWS[0]]
    faults = "\n".join(claims.mismatches(twice, records))
    for part in (
        "a.exact: no record",
        "a.mean: recorded by 02_two, not by 01_one",
        "a.mean: two rows",
        "a.more: recorded by 01_one, but the ledger has no such row",
        "a.open: declared not tested, but has a record",
    ):
        assert part in faults
    assert len(faults.split("\n")) == 5
    with pytest.raises(ValueError, match="does not fit its records"):
        claims.rows()


def test_a_smoke_run_is_held_against_the_committed_interval(book, monkeypatch):
    samples = np.random.default_rng(0).normal(5, 1, 40)
    claims.record("a.mean", samples)
    claims.record("a.exact", 2.0, tolerance=0.01)
    commit(book)
    monkeypatch.setenv("BOOK_BUDGET", "smoke")
    claims.record("a.mean", samples[:5])
    claims.record("a.exact", 2.005, tolerance=0.01)
    with pytest.raises(AssertionError, match=r"a\.mean: this run gives"):
        claims.record("a.mean", samples[:5] + 3)
    with pytest.raises(AssertionError, match=r"a\.exact: this run gives"):
        claims.record("a.exact", 2.02, tolerance=0.01)


def test_a_number_without_tolerance_may_be_as_it_was(book):
    claims.record("a.exact", 2.0, tolerance=0.0)
    claims.record("a.mean", [1.0, 1.1])
    commit(book)
    claims.record("a.exact", 2.0, tolerance=0.0)
    with pytest.raises(AssertionError, match=r"a\.exact: this run gives"):
        claims.record("a.exact", 2.001, tolerance=0.0)


def test_live_rows_need_every_record_of_the_chapter(book):
    claims.record("a.mean", [1.0, 2.0])
    with pytest.raises(ValueError, match=r"has not recorded a\.exact"):
        claims.live_rows("01_one")


def test_committed_rows_are_those_of_the_recorder(book, add):
    claims.record("a.mean", [1.0, 2.0, 3.0])
    claims.record("a.exact", 2.0, tolerance=0.01)
    commit(book)
    add(row("b", above(0.0), recorder="experiments/b"))
    found = {one["id"]: one["verdict"] for one in claims.committed_rows("01_one")}
    untested = {"a.open": "not tested", "a.later": "not tested"}
    assert found == {"a.mean": "does not hold", "a.exact": "holds"} | untested
    with pytest.raises(ValueError, match="no committed record of b by experiments/b"):
        claims.committed_rows("experiments/b")


def test_a_sampled_value_needs_its_whole_interval_within(book):
    rule = within(1.0, 0.05)
    assert rule(1.0, 0.9, 1.1, True) == "does not hold"
    assert rule(1.0, 0.96, 1.04, True) == "holds"
    assert rule(1.0, 0.0, 2.0, False) == "holds"  # a tolerance is no interval


def test_making_results_anew_is_not_held_against_the_old_ones(book, monkeypatch):
    claims.record("a.mean", [1.0, 1.1])
    claims.record("a.exact", 2.0, tolerance=0.01)
    commit(book)
    with pytest.raises(AssertionError):
        claims.record("a.exact", 3.0, tolerance=0.01)
    monkeypatch.setenv("BOOK_NEW_RESULTS", "1")
    claims.record("a.exact", 3.0, tolerance=0.01)


def test_the_command_prints_the_ledger_as_json():
    command = [sys.executable, "-m", "lib.book.claims"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    assert {one["verdict"] for one in rows} <= set(ledger.VERDICTS)
    assert {one["kind"] for one in rows} == set(ledger.KINDS)
    assert len(rows) == len(ledger.ROWS)


def test_several_numbers_of_one_run_are_refused_and_not_counted_as_many(book, add):
    add(row("a.runs", above(0.0)))
    with pytest.raises(ValueError, match=r"a\.runs: one number a unit .* not an array \(3, 40\)"):
        claims.record("a.runs", np.ones((3, 40)))
