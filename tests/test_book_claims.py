"""The ledger: intervals against scipy, each mismatch found, records kept apart from verdicts."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lib.book import claims, ledger
from tests.conftest import ROOT


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A ledger of two rows, in folders of its own."""
    rows = [
        claims.Row("a.mean", "a mean", "us", "01_one", claims.above(0.0)),
        claims.Row("a.exact", "exact", "us", "01_one", claims.within(2.0, 0.1)),
        claims.Row("a.open", "open", "us", "01_one", None, untested="too long"),
        claims.Row("a.later", "later", "us", "01_one", claims.above(0.0), untested="not yet run"),
    ]
    monkeypatch.setattr(ledger, "ROWS", rows)
    monkeypatch.setattr(claims, "LIVE", tmp_path / "live")
    monkeypatch.setattr(claims, "COMMITTED", tmp_path / "committed")
    monkeypatch.setenv("BOOK_BUDGET", "laptop")
    return tmp_path


def commit(book):
    (book / "committed").mkdir()
    text = (book / "live/01_one.laptop.json").read_text()
    (book / "committed/01_one.json").write_text(text)


@given(st.lists(st.floats(-1e3, 1e3).filter(lambda v: v not in (0, 1)), min_size=2, max_size=50))
def test_the_interval_of_a_mean_is_student_s(samples):
    e = claims.estimate(samples)
    assert np.isclose(e.value, np.mean(samples))
    if np.std(samples) > 1e-6:
        low, high = stats.t.interval(0.95, len(samples) - 1, np.mean(samples), stats.sem(samples))
        assert np.allclose([e.low, e.high], [low, high], rtol=1e-6, atol=1e-9)


@given(st.lists(st.sampled_from([0, 1]), min_size=2, max_size=200))
def test_the_interval_of_a_share_contains_it_and_stays_in_0_1(samples):
    e = claims.estimate(samples)
    assert -1e-12 <= e.low <= e.value + 1e-12
    assert e.value - 1e-12 <= e.high <= 1 + 1e-12


@pytest.mark.parametrize(
    ("samples", "tolerance", "message"),
    [
        ([], None, "finite"),
        ([1.0, float("nan")], None, "finite"),
        ([1.0], None, "One sample"),
        ([1.0, 2.0], 0.1, "one number"),
        ([1.0], -0.1, "one number"),
    ],
)
def test_numbers_without_an_interval_are_refused(samples, tolerance, message):
    with pytest.raises(ValueError, match=message):
        claims.estimate(samples, tolerance)


def pictures(rng, n, skill):
    """Cases of a ratio: hits of six requests each."""
    return [(int(h), 6) for h in rng.binomial(6, skill, n)]


def test_a_ratio_of_one_run_has_the_interval_of_its_cases():
    rng = np.random.default_rng(1)
    cases = pictures(rng, 400, 0.3)
    e = claims.estimate_ratio([[(*case, 1) for case in cases]])
    hits = np.array([h for h, _ in cases]) / 6
    assert np.isclose(e.value, hits.mean())
    low, high = stats.norm.interval(0.95, hits.mean(), stats.sem(hits))
    assert np.allclose([e.low, e.high], [low, high], atol=0.003)


def test_a_ratio_of_runs_that_differ_is_as_uncertain_as_they_are():
    runs = [[(h, 6, 500)] for h in (1, 2, 3)]  # no spread within a run
    e = claims.estimate_ratio(runs)
    assert np.isclose(e.value, 1 / 3)
    # Means of three draws out of 1/6, 2/6, 3/6: the outermost have probability 1/27 each.
    assert np.allclose([e.low, e.high], [1 / 6, 1 / 2])


def test_a_ratio_can_be_less_another():
    e = claims.estimate_ratio([[(3, 6, 9)]], [[(1, 6, 9)], [(2, 6, 9)]])
    assert np.allclose([e.value, e.low, e.high], [1 / 4, 1 / 6, 1 / 3])
    with pytest.raises(ValueError, match="denominators"):
        claims.estimate_ratio([[(0, 0, 3)]])


def test_ratios_are_recorded_as_counted_cases(book):
    e = claims.record_ratio("a.mean", [[(1, 2), (2, 2), (1, 2)]], less=[[(0, 2)]])
    stored = json.loads((book / "live/01_one.laptop.json").read_text())["records"]["a.mean"]
    assert stored == {
        "samples": [[[1, 2, 2], [2, 2, 1]]],
        "tolerance": None,
        "less": [[[0, 2, 1]]],
    }
    assert np.isclose(e.value, 4 / 6)
    claims.record("a.exact", 2.0, tolerance=0.01)
    commit(book)
    row = next(row for row in claims.rows() if row["id"] == "a.mean")
    assert (row["value"], row["low"], row["high"]) == (e.value, e.low, e.high)
    assert row["verdict"] == "holds"
    assert "0.5 to 1 (n = 1)" in claims.markdown([row])


def test_records_hold_raw_numbers_only(book):
    claims.record("a.mean", [1.0, 2.0, 3.0])
    claims.record("a.exact", 2.05, tolerance=0.01)
    stored = json.loads((book / "live/01_one.laptop.json").read_text())
    assert stored["records"] == {
        "a.mean": {"samples": [1.0, 2.0, 3.0], "tolerance": None},
        "a.exact": {"samples": [2.05], "tolerance": 0.01},
    }
    commit(book)
    rows = {row["id"]: row for row in claims.rows()}
    assert set(rows["a.mean"]) >= {
        "id",
        "source",
        "claim",
        "paper",
        "value",
        "low",
        "high",
        "verdict",
    }
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


def test_a_row_that_needs_another_holds_only_if_that_does(book, monkeypatch):
    row = claims.Row("a.both", "both", "us", "01_one", claims.above(0.0), needs="a.exact")
    monkeypatch.setattr(ledger, "ROWS", [row, *ledger.ROWS])
    verdicts = {}
    for samples in ([1.0, 1.1], [-1.0, 1.0]):
        for exact in (2.0, 3.0):
            claims.record("a.both", samples)
            claims.record("a.mean", [1.0, 1.1])
            claims.record("a.exact", exact, tolerance=0.0)
            found = {row["id"]: row for row in claims.live_rows("01_one")}
            verdicts[samples[0], exact] = found["a.both"]["verdict"]
            assert found["a.mean"]["verdict"] == "holds"
    assert verdicts.pop((1.0, 2.0)) == "holds"
    assert set(verdicts.values()) == {"does not hold"}
    assert found["a.both"]["rule"] == "interval above 0, and what it needs holds"
    other = claims.Row("b", "b", "us", "02_two", claims.above(0.0), needs="a.exact")
    nothing = claims.Row("c", "c", "us", "02_two", claims.above(0.0), needs="c.none")
    later = claims.Row("d", "d", "us", "01_one", claims.above(0.0), needs="a.open")
    records = {id: {"recorder": "02_two"} for id in ("b", "c")}
    faults = claims.mismatches([*ledger.ROWS, other, nothing, later], records)
    assert [f for f in faults if "needs" in f] == [
        "b: needs a.exact, which 02_two does not record",
        "c: needs c.none, which 02_two does not record",
        "d: needs a.open, which 01_one does not record",
    ]


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


def test_live_rows_need_every_record_of_the_chapter(book):
    claims.record("a.mean", [1.0, 2.0])
    with pytest.raises(ValueError, match=r"has not recorded a\.exact"):
        claims.live_rows("01_one")


def test_committed_rows_are_those_of_the_recorder(book, monkeypatch):
    claims.record("a.mean", [1.0, 2.0, 3.0])
    claims.record("a.exact", 2.0, tolerance=0.01)
    commit(book)
    other = claims.Row("b", "other", "us", "experiments/b", claims.above(0.0))
    monkeypatch.setattr(ledger, "ROWS", [*ledger.ROWS, other])
    found = {row["id"]: row["verdict"] for row in claims.committed_rows("01_one")}
    untested = {"a.open": "not tested", "a.later": "not tested"}
    assert found == {"a.mean": "does not hold", "a.exact": "holds"} | untested
    with pytest.raises(ValueError, match="no committed record of b by experiments/b"):
        claims.committed_rows("experiments/b")


def test_a_sampled_value_needs_its_whole_interval_within(book):
    rule = claims.within(1.0, 0.05)
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


def test_a_row_needs_a_rule_or_a_reason():
    with pytest.raises(ValueError, match="a rule or a reason"):
        claims.Row("x", "x", "us", "01_one", None)


def test_the_command_prints_the_ledger_as_json():
    command = [sys.executable, "-m", "lib.book.claims"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    assert {row["verdict"] for row in rows} <= set(claims.VERDICTS)
    assert len(rows) == len(ledger.ROWS)
