"""The rooms of the book: who imports whom, what is documented, how long chapters take."""

import ast
import itertools
import json
import re
from pathlib import Path

import nbformat
import pytest

from lib.book import chapter, runtime
from tests.conftest import ROOT
from tools import checks

# What each part of `lib` may import of `lib`, itself aside.
ALLOWED = {
    "storage": set(),
    "sim": set(),
    "exact": set(),
    "locality": set(),
    "diffusion": {"storage", "exact.flow"},
    "scenes": {"storage"},
    "concepts": {"storage"},
    "book": {"storage"},
    "page": {"sim", "exact", "diffusion", "scenes", "book", "storage"},
    "experiments": {
        "storage",
        "sim",
        "exact",
        "locality",
        "diffusion",
        "scenes",
        "concepts",
        "book",
    },
}


def imports(path: Path) -> set[str]:
    """The modules of `lib` a file imports, without the leading `lib.`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("lib.") for name in found if name.startswith("lib.")}


@pytest.mark.parametrize("path", sorted((ROOT / "lib").rglob("*.py")), ids=lambda p: str(p.name))
def test_imports_run_downwards_only(path):
    part = path.relative_to(ROOT / "lib").with_suffix("").parts[0]
    if part == "__init__":
        assert not imports(path)
        return
    for name in imports(path):
        allowed = ALLOWED[part] | {part}
        assert any(name == a or name.startswith(f"{a}.") for a in allowed), f"{path} imports {name}"


def test_nothing_of_lib_or_the_chapters_needs_the_tools():
    for path in (ROOT / "lib").rglob("*.py"):
        assert not re.search(r"^\s*(?:from|import) tools\b", path.read_text(), re.M), path


def shadowed(path: Path) -> set[str]:
    """The functions of a module whose names an argument or a local variable bears in it."""
    tree = ast.parse(path.read_text())
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.Lambda)]
    inside = [node for function in functions for node in ast.walk(function)]
    names = {node.arg for node in inside if isinstance(node, ast.arg)}
    names |= {n.id for n in inside if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return own & names


def test_a_name_in_a_module_means_one_thing(tmp_path):
    """Else a reader takes a number for the function, and a line that is moved calls a number."""
    planted = tmp_path / "planted.py"
    planted.write_text("def film(): ...\ndef look(sheet):\n    return [film for film in sheet]\n")
    assert shadowed(planted) == {"film"}
    found = {str(p.relative_to(ROOT)): shadowed(p) for p in (ROOT / "lib").rglob("*.py")}
    assert {path: names for path, names in found.items() if names} == {}


def published() -> list[Path]:
    """The chapters of the table of contents."""
    return checks.toc_notebooks(ROOT, ROOT)


def test_what_chapters_import_is_on_the_api_page():
    cells = [c.source for path in published() for c in nbformat.read(path, 4).cells]
    api = set(re.findall(r"automodule:: (\S+)", (ROOT / "chapters/api.md").read_text()))
    assert set(checks.published_modules(ROOT, cells)) == api


@pytest.mark.parametrize("path", published(), ids=lambda p: p.stem)
def test_a_chapter_is_built_like_the_others(path):
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    for part in ("**The question.**", "**Why care.**", "**What you need.**", "## What we saw",
                 "## Exercises", "## What it means"):  # fmt: skip
        assert part in text, f"{path.name} lacks {part}"
    exercises = re.findall(r":::\{exercise\}.*\n:label: (\S+)", text)
    assert len(exercises) >= 3
    assert re.findall(r":::\{solution-start\} (\S+)\n:class: dropdown", text) == exercises
    code = "\n".join(c.source for c in cells if c.cell_type == "code")
    assert f'chapter.start("{path.stem}")' in code
    assert "book.download(" in code
    assert "book.ledger()" in code
    assert re.search(r"player\.(?:show|frames)\(|(?:drag|ask)_\w+\.show\(", code)
    for before, cell in itertools.pairwise(cells):  # on the site it is one dead picture
        if "player.live(" in cell.source:
            assert not re.search(r"\b[Tt]ry\b|\bYour turn\b|\?\s*$", before.source), before.source
    assert "**Where next.**" in text
    assert solutions(cells) == dict.fromkeys(exercises, True), "a solution asserts nothing"


def test_the_opening_table_names_what_chapters_say_is_needed():
    """Of the chapters listed: whom one's "What you need" asks for is among its needs, or theirs.

    Whether a chapter is listed is free: see CONTRIBUTING.
    """
    lines = re.findall(
        r"^\| (D|\d+) \| \[.*?\]\((.*?)\.ipynb\) \| .*? \| ?(.*?) ?\|$",
        (ROOT / "chapters/index.md").read_text(encoding="utf-8"),
        re.M,
    )
    numbers = {name: number for number, name, _ in lines}
    needs = {number: set(filter(None, said.split(", "))) for number, _, said in lines}
    assert set(numbers) <= {path.stem for path in published()}
    assert len(numbers) >= 12, "the table is read"

    def reached(number):
        return {number}.union(*(reached(other) for other in needs[number]))

    for name, number in numbers.items():
        text = (ROOT / f"chapters/{name}.ipynb").read_text(encoding="utf-8")
        said = re.search(r"\*\*What you need\.\*\*(.*)", text)[1]
        # What a page offers as "a chapter of its own" it does without.
        said = re.sub(r"\[a chapter of its own\]\(.*?\)", "", said)
        named = re.findall(r"\((\w+)\.ipynb", said)
        asked = {numbers[other] for other in named if other in numbers}
        assert asked <= reached(number), name


def solutions(cells) -> dict[str, bool]:
    """For each exercise that has a solution, whether its code asserts something."""
    label, found = None, {}
    for cell in cells:
        if start := re.search(r"\{solution-start\} (\S+)", cell.source):
            label = start[1]
            found[label] = False
        elif "{solution-end}" in cell.source:
            label = None
        elif label and cell.cell_type == "code":
            found[label] |= "assert " in cell.source
    return found


def test_chapters_keep_their_budgets():
    """The recorded times: each within its budget, all, two at a time, in four minutes of a test."""
    times = json.loads(chapter.TIMES.read_text())
    assert set(times) == {path.stem for path in published()}
    for name, by_budget in times.items():
        assert set(by_budget) >= {"smoke", "laptop"}
        for budget, entry in by_budget.items():
            assert entry["seconds"] <= runtime.BUDGETS[budget].seconds, (name, budget)
    assert sum(entry["smoke"]["seconds"] for entry in times.values()) / 2 <= 240


def test_nothing_speaks_of_this_machine():
    for path in [*ROOT.glob("*.*"), *(ROOT / "lib").rglob("*.py"), *(ROOT / "chapters").glob("*")]:
        if path.is_file() and path.suffix in (".py", ".md", ".ipynb", ".yml", ".toml", ".txt"):
            assert not re.search(r"/(?:work|tmp|home|root)/\w", path.read_text()), path


def test_every_planted_fault_names_a_test_that_is_there():
    """The table of planted faults: at least 60, each held by a test that runs."""
    rows = re.findall(
        r"^\| (?!what was done|---).*\|$", (ROOT / "chapters/faults.md").read_text(), re.M
    )
    assert len(rows) >= 60
    for row in rows:
        *said, named = (cell.strip() for cell in row.strip("|").split("|"))
        assert len(said) == 2, row
        file, function = re.fullmatch(r"`(test_\w+\.py)::(test_\w+)`", named).groups()
        tree = ast.parse((ROOT / "tests" / file).read_text())
        found = [node for node in tree.body if getattr(node, "name", "") == function]
        assert len(found) == 1, named
        marks = {ast.unparse(mark) for mark in found[0].decorator_list}
        assert not any("skip" in mark or "xfail" in mark for mark in marks), named
