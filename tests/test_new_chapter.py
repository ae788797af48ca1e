"""A new experiment with its chapter, planted by exactly the files that CONTRIBUTING names."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.conftest import ROOT
from tools import stamp

MODULE = '''"""Whether a coin is fair: the least experiment that there can be."""

from dataclasses import dataclass
from pathlib import Path

import torch

from lib import storage

RUNS, KEPT = storage.RUNS / "planted", storage.RESULTS


@dataclass(frozen=True)
class Setting:
    """One run."""

    seed: int = 0


@dataclass(frozen=True)
class Scale:
    """What is equal in all runs."""

    throws: int = 200


def run(setting: Setting = Setting(), scale: Scale = Scale(), folder: Path = RUNS) -> dict:
    """Throws it."""
    generator = torch.Generator().manual_seed(setting.seed)
    heads = torch.randint(2, (scale.throws,), generator=generator).tolist()
    storage.write_json(folder / "planted.json", {"heads": heads})


def store(folder: Path = RUNS, kept: Path = KEPT) -> list[str]:
    """Takes the throws over."""
    return storage.copy_files(folder, kept, "planted.json")


def results(folder: Path = KEPT) -> dict:
    """What fell."""
    return storage.read_json(folder / "planted.json")


def claims(measured: dict) -> dict:
    """The samples behind the row."""
    return {"planted.fair": measured["heads"]}
'''
ROWS = """["planted.fair"]
claim = "A coin of this book falls on heads as often as not"
kind = "check"
of = "share"
unit = "throw"
within = [0.5, 0.2]
"""
TEST = """from lib.experiments import planted


def test_it_is_thrown_as_often_as_told(tmp_path):
    planted.run(scale=planted.Scale(7), folder=tmp_path)
    assert len(planted.results(tmp_path)["heads"]) == 7
"""
WORDS = """# Is it fair?

**The answer.** As far as 200 throws can tell.

**The question.** Is it? **Why care.** One bets.

**What you need.** [The SIM task](01_sim_task.ipynb).

## What it means

## What we saw

**Where next.** Home.

## Exercises"""
EXERCISE = """:::{exercise} Again
:label: ex-again-%d

Throw it again.
:::"""
CODE = """from lib.book import chapter, figures, player
from lib.experiments import planted

book = chapter.start("12_planted")
player.show(planted.results())
book.ledger()
book.download("planted.json")"""
# What CONTRIBUTING names. `runs/` and what `make results` writes nobody touches by hand.
PROGRAMS = """
import json
from lib.book import chapter, claims
from lib.experiments import __main__ as program
from lib import storage
from tools import checks, results
for command in ("run", "store", "record"):
    assert program.main(["planted", command]) == 0
results.copy_experiments(storage.RUNS, claims.COMMITTED)
times = storage.read_json(chapter.TIMES)
storage.write_json(chapter.TIMES, times | {"12_planted": times["01_sim_task"]})
assert checks.sources(storage.ROOT) == []
import pytest
protocol = "tests/test_experiments_protocol.py::test_"
raise SystemExit(pytest.main([
    "-q", "-p", "no:cacheprovider", "tests/test_structure.py", "tests/test_planted.py",
    protocol + "an_experiment_offers_what_the_program_asks_of_it[planted]",
    protocol + "what_the_book_keeps_says_what_is_recorded[planted]",
]))
"""


def notebook():
    """The least that the rules of chapters allow."""
    cells = [new_code_cell(stamp.first_cell(*stamp.repository(ROOT)))]
    cells += [new_markdown_cell(WORDS), new_code_cell(CODE)]
    for k in range(3):
        cells += [
            new_markdown_cell(EXERCISE % k),
            new_markdown_cell(f":::{{solution-start}} ex-again-{k}\n:class: dropdown\n:::"),
            new_code_cell("assert planted.results()"),
            new_markdown_cell(":::{solution-end}\n:::"),
        ]
    return nbformat.writes(new_notebook(cells=cells))


def plant(book):
    """Touches the files by hand; which they were."""
    new = {
        "lib/experiments/planted.py": MODULE,
        "lib/book/ledger/experiments/planted.toml": ROWS,
        "tests/test_planted.py": TEST,
        "chapters/12_planted.ipynb": notebook(),
    }
    for name, text in new.items():
        (book / name).write_text(text, encoding="utf-8")
    toc, api = book / "_toc.yml", book / "chapters/api.md"
    line = "      - file: chapters/11_synthesis\n"
    assert toc.read_text().count(line) == 1
    toc.write_text(toc.read_text().replace(line, f"{line}      - file: chapters/12_planted\n"))
    page = "\n```{eval-rst}\n.. automodule:: lib.experiments.planted\n   :members:\n```\n"
    api.write_text(api.read_text() + page)
    return [*new, "_toc.yml", "chapters/api.md"]


def test_a_new_chapter_touches_six_files_by_hand(tmp_path):
    for folder in ("lib", "tests", "tools", "chapters"):
        ignored = shutil.ignore_patterns("__pycache__", "*.safetensors", "*.png", ".*")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    for path in ROOT.glob("[!.]*.*"):
        if path.is_file():
            shutil.copy(path, tmp_path)
    touched = plant(tmp_path)
    text = (ROOT / "CONTRIBUTING.md").read_text()
    said = re.search(r"A new experiment with its chapter touches by hand: (.*?)\.(?:\s|$)", text)[1]
    assert len(re.split(r", | and ", said)) == len(touched) <= 6
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAMS],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
