"""What stands at a chapter's head."""

import json

import pytest
import torch

from lib.book import chapter, runtime


@pytest.mark.parametrize(("static", "links"), [("1", 1), ("0", 0)])
def test_on_the_site_the_head_says_how_to_get_a_copy_and_run_it(monkeypatch, static, links):
    monkeypatch.setenv("BOOK_STATIC", static)
    budget = runtime.BUDGETS["smoke"]
    head = chapter._head(chapter.Chapter("01_sim_task", budget, torch.device("cpu")))
    assert head.count('href="copy.html"') == links
    assert "minutes to read" in head


@pytest.fixture
def shown(monkeypatch):
    """What is displayed."""
    outputs = []
    monkeypatch.setattr(chapter, "display", lambda output: outputs.append(output.data))
    return outputs


def row(k):
    """A row of the ledger as it is evaluated."""
    return {
        "id": f"a.row{k}", "claim": "it is", "source": "this book", "paper": "none", "rule": "",
        "why": "not yet", "samples": 0, "verdict": "not tested", "undecided": False,
        "kind": "finding",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("many", "said"),
    [(5, None), (6, "The other row stands in [the"), (8, "The other 3 rows stand in [the")],
)
def test_rows_that_are_not_shown_are_counted(shown, many, said):
    chapter._show_rows([row(k) for k in range(many)], ())
    assert sum(f"a.row{k}`" in shown[0] for k in range(many)) == 5
    assert ("The other" in shown[0]) == (said is not None)
    assert said is None or said in shown[0]


def test_the_head_tells_the_last_run_s_minutes_and_those_of_reading(monkeypatch, tmp_path):
    times = {"one": {"laptop": {"seconds": 90, "machine": "a machine"}}}
    (tmp_path / "times.json").write_text(json.dumps(times))
    (tmp_path / "chapters").mkdir()
    cells = [
        {"cell_type": "markdown", "source": ["word " * 20_000, "word " * 40_000]},
        {"cell_type": "code", "source": ["word " * 900]},
    ]
    (tmp_path / "chapters/one.ipynb").write_text(json.dumps({"cells": cells}))
    monkeypatch.setattr(chapter, "TIMES", tmp_path / "times.json")
    monkeypatch.setattr(chapter.storage, "ROOT", tmp_path)
    head = chapter._head(chapter.Chapter("one", runtime.BUDGETS["laptop"], torch.device("cpu")))
    assert head.startswith("About 300 minutes to read. The last recorded run took 1.5 minutes (a")
    assert "at most 0.8 minutes on 2 CPU cores" in head  # 45 seconds
    other = chapter._head(chapter.Chapter("two", runtime.BUDGETS["gpu"], torch.device("cpu")))
    assert other.startswith("No run is recorded yet, with the setting <strong>gpu</strong>")
    assert "at most 5.0 minutes on a GPU" in other
