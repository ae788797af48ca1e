"""The table of speeds: what was measured, on what, and what was not there."""

import sys
from pathlib import Path

import pytest

from lib import storage
from tests.conftest import ROOT
from tools import bench


def test_ratios_are_read_from_what_a_benchmark_prints(tmp_path, monkeypatch):
    (tmp_path / "benchmarks").mkdir()
    said = "print('ratio: a.b 2.50'); print('no ratio: c 3'); print('ratio: d 0.9')"
    (tmp_path / "benchmarks/good.py").write_text(said)
    (tmp_path / "benchmarks/bad.py").write_text(said + "; raise SystemExit(3)")
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    found = bench.measured(Path(sys.executable), "good", ["--steps", "1"])
    assert found["ratios"] == {"a.b": 2.5, "d": 0.9}
    assert found["command"] == "python -m benchmarks.good --steps 1"
    assert not found["failed"]
    assert bench.measured(Path(sys.executable), "bad", [])["failed"]


def test_the_page_says_what_was_not_there_and_what_failed():
    libraries = dict.fromkeys(bench.PEERS, "1.0") | {"torch": "2", "mitsuba": None}
    ratios = {"render_64_mitsuba": 2.0, "render_32_mitsuba": 3.216}
    run = {"command": "c", "ratios": ratios, "failed": True, "date": "2026-01-02", "busy": 3.2}
    text = bench.page({"machine": "m", "libraries": libraries, "runs": {"render": run}})
    assert "Not installed there: mitsuba." in text
    assert "Ended in an error, so only what came before it is shown: render." in text
    assert "Not run: sim_sweep, sim_ensembles, diffusion." in text
    assert "Measured on 2026-01-02: m; torch 2," in text
    first, second = (line for line in text.splitlines() if "Mitsuba" in line)
    assert first == "| Pictures of three objects | Mitsuba's path tracer, 32 pixels wide | 3.22 |"
    assert second == "|  | Mitsuba's path tracer, 64 pixels wide | 2 |"


def test_the_book_shows_all_that_was_measured():
    table = storage.read_json(bench.TABLE)
    measured = {(name, key) for name, run in table["runs"].items() for key in run["ratios"]}
    assert measured == {(name, key) for name, _, keys in bench.COMPARED for key in keys}
    assert table["runs"].keys() == bench.RUNS.keys()
    assert not any(run["failed"] for run in table["runs"].values())


def test_every_benchmark_is_in_the_table_or_said_to_be_run_by_hand():
    files = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert files == {*bench.RUNS, "learning"}
    named = (ROOT / "benchmarks/requirements.txt").read_text().replace("-", "_")
    assert all(f"{peer}==" in named for peer in bench.PEERS)


def test_options_of_no_benchmark_are_refused(capsys):
    with pytest.raises(SystemExit):
        bench.main(["--kept", "--", "--steps", "1"])
    assert "name it with --only" in capsys.readouterr().err
