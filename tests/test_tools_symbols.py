"""Formulas that are one symbol lead to its row of the notation."""

import re

import pytest

from tests.conftest import ROOT
from tools import symbols

MATH = '<span class="math notranslate nohighlight">\\({}\\)</span>'.format
ROW = '<tr class="row-odd"><td>{}</td><td>m</td><td></td><td><p>{}</p></td></tr>'.format


def test_a_row_is_known_by_its_symbols_in_its_chapters_only():
    table = ROW(f"{MATH('A = B(a)')}, {MATH('w_{ij}')}", "1 to 3, 11") + ROW(MATH("A"), "D, 8")
    page, rows = symbols.read(f"<tr><td>head</td></tr>{table}")
    assert page.count(' id="symbol-') == 2
    assert rows["2"] == {"A": "symbol-1", "w_{ij}": "symbol-1"} == rows["11"]
    assert rows["8"] == {"A": "symbol-2"} == rows["D"]
    assert "4" not in rows
    with pytest.raises(ValueError, match="gives A two meanings in 3"):
        symbols.read(table + ROW(MATH("A"), "3"))
    with pytest.raises(ValueError, match="'2-4' is no chapter"):
        symbols.read(ROW(MATH("A"), "2-4"))


def test_only_whole_formulas_outside_of_links_are_marked():
    places = {"w_{ij}": "symbol-1", "a<b": "symbol-2"}
    page = "<p>{}{}{}<a>{}</a>{}</p>".format(
        MATH("w_{i j}"), MATH("w_{ij} = 0"), MATH("2w_{ij}"), MATH("w_{ij}"), MATH("a &lt; b")
    )
    text = symbols.marked(page, places)
    assert re.findall(r'data-symbol="([\w-]+)">\\\((.*?)\\\)', text) == [
        ("symbol-1", "w_{i j}"),
        ("symbol-2", "a &lt; b"),
    ]
    assert re.sub(r' data-symbol="[^"]*"', "", text) == page


def test_every_row_of_the_notation_says_its_chapters():
    page = (ROOT / "chapters/notation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!symbol).*\|$", page.partition("## Symbols with more")[0], re.M)
    assert len(rows) > 60
    for row in rows:
        assert symbols.chapters(row.rstrip("| ").rpartition("| ")[2])


def test_a_site_s_chapters_are_marked_and_a_book_without_notation_is_left_alone(tmp_path):
    (tmp_path / "chapters").mkdir()
    pages = {
        "02": f'<h1><span class="section-number">2. </span>C</h1>{MATH("A")}',
        "diffusion": f"<h1>What a diffusion model is</h1>{MATH('A')}",
        "copy": f"<h1>Copy</h1>{MATH('A')}",
    }
    for name, text in pages.items():
        (tmp_path / f"chapters/{name}.html").write_text(text)
    symbols.finish(tmp_path)
    assert (tmp_path / "chapters/02.html").read_text() == pages["02"]
    (tmp_path / "chapters/notation.html").write_text(ROW(MATH("A"), "2") + ROW(MATH("A"), "D"))
    symbols.finish(tmp_path)
    found = {n: (tmp_path / f"chapters/{n}.html").read_text() for n in pages}
    assert 'data-symbol="symbol-1"' in found["02"]
    assert 'data-symbol="symbol-2"' in found["diffusion"]
    assert found["copy"] == pages["copy"]
