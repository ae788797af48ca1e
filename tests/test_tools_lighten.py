"""What pages shed, what they gain, and the pages that are made when the site is built."""

import csv
import io
import re

import nbformat
import pytest

from lib.book import claims, ledger
from tests.conftest import ROOT
from tools import checks, five_minutes, five_minutes_words, ledger_page, lighten

ICONS = 'x={bars:[448,512,["navicon"],"f0c9","M0 96z"],sun:[512,512,[],"f1","M1 1z"]}'


def test_icons_are_drawn_and_scripts_that_idle_are_gone():
    page = (
        '<html><meta charset="utf-8"><script defer src="a/scripts/fontawesome.js?d=1"></script>'
        '<script src="../searchindex.js"></script>'
        '<i class="x fa-solid fa-bars fa-lg" title="t"></i>'
        '<script async="async" src="../_static/mathjax/startup.js"></script></html>'
    )
    text = lighten.page(page, ICONS)
    assert "fontawesome" not in text
    assert "searchindex" not in text
    assert '<svg class="svg-inline--fa x fa-solid fa-bars fa-lg" title="t"' in text
    assert 'd="M0 96z"' in text
    assert text.count("preload") == len(lighten.MATHJAX) + len(lighten.FONTS)
    assert "searchindex" in lighten.page(page, ICONS, search=True)
    with pytest.raises(ValueError, match="none called 'moon'"):
        lighten.page('<i class="fa-solid fa-moon"></i>', ICONS)


def test_the_style_sheet_loses_icons_only():
    sheet = (
        "a{b:c}.fa-x{--fa:1}.fa-y:before,.fa-z{q:r}@font-face{font-family:Font Awesome}.own{d:e}"
    )
    assert lighten.style(sheet) == "a{b:c}.own{d:e}"


def test_figures_of_a_chapter_have_numbers_and_all_have_places():
    figure = '<figure class="book-figure">x<figcaption>c</figcaption></figure>'
    text = lighten.numbered(f'<h1><span class="section-number">3. </span></h1>{figure}{figure}')
    assert re.findall(r'href="#(figure-\d)">Figure (3\.\d)<', text) == [
        ("figure-1", "3.1"),
        ("figure-2", "3.2"),
    ]
    assert 'id="figure-1"' in lighten.numbered(figure)


def test_the_ledger_s_page_has_every_row_once_and_the_papers_claims_first():
    rows = claims.rows()
    text = ledger_page.source(ROOT, rows)
    for row in rows:
        assert text.count(f'id="claim-{row["id"]}"') == 1
    kinds = re.findall(r'data-kind="(\w+)"', text)
    assert kinds == sorted(kinds, key=["claim", "finding", "check"].index)
    before = text.partition("## Rules that were replaced")[2]
    assert re.findall(r"^\| \[`([\w.-]+)`\]", before, re.M) == [
        r["id"] for r in rows if r["changed"]
    ]
    table = list(csv.DictReader(io.StringIO(ledger_page.as_csv(rows))))
    assert [line["id"] for line in table] == [row["id"] for row in rows]
    assert [line["verdict"] for line in table] == [row["verdict"] for row in rows]


def test_a_replaced_rule_says_whether_it_turned_the_verdict():
    rows = claims.rows()
    assert all(row["turned"] != row["verdict"] for row in rows)
    lines = ledger_page.source(ROOT, rows).partition("## Rules that were replaced")[2]
    for id, said in (
        ("length.sum.far", "from “does not hold”"),
        ("length.near.six", "no"),
        ("local.retention", "not known"),
    ):
        (line,) = re.findall(rf"^\| \[`{re.escape(id)}`\].*$", lines, re.M)
        assert cells_of(line)[-1] == said
    table = list(csv.DictReader(io.StringIO(ledger_page.as_csv(rows))))
    assert [line["turned"] for line in table] == [row["turned"] for row in rows]


def test_the_counts_at_the_ledger_s_top_are_those_of_its_rows():
    rows = claims.rows()
    lines = ledger_page.source(ROOT, rows).split("\n\n")[0].split("\n")
    table = {c[0].strip("*"): [int(n or 0) for n in c[1:]] for c in map(cells_of, lines[2:])}
    for verdict in {row["verdict"] for row in rows}:
        of = [row["kind"] for row in rows if row["verdict"] == verdict]
        assert table[verdict] == [of.count(kind) for kind, _ in ledger_page.PARTS]
    assert sum(table["all"]) == len(rows)
    open_ = [row["kind"] for row in rows if row["undecided"]]
    assert table["of these undecided"] == [open_.count(kind) for kind, _ in ledger_page.PARTS]


def test_a_row_whose_interval_reaches_over_the_bound_is_undecided_and_says_so():
    rows = {row["id"]: row for row in claims.rows()}
    for rule, low, high, wanted in (
        (ledger.above(0.5), 0.40, 0.53, True),
        (ledger.above(0.5), 0.40, 0.49, False),
        (ledger.above(0.5), 0.51, 0.60, False),
        (ledger.within(0.5, 0.4), 0.0, 1.0, True),
        (ledger.within(0.5, 0.4), 0.0, 0.05, False),
    ):
        assert claims.reaches_over(rule, low, high) == wanted
    assert rows["mlp.share.d2"]["undecided"]
    assert not rows["swing.figure5.a"]["undecided"]  # computed
    assert not any(row["undecided"] for row in rows.values() if row["verdict"] != "does not hold")
    text = ledger_page.source(ROOT, list(rows.values()))
    marked = re.findall(r'id="claim-([\w.-]+)".*\(undecided\) \|$', text, re.M)
    assert sorted(marked) == sorted(id for id in rows if rows[id]["undecided"])


def cells_of(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("address", ["claims.html", "../chapters/claims.html", "#"])
@pytest.mark.parametrize("kind", ["std std-doc", "doc std std-doc"])
def test_a_row_s_identifier_leads_to_its_row(address, kind):
    def link(address, id):
        return (
            f'<a href="{address}"><span class="{kind}"><code><span class="pre">{id}</span></code>'
        )

    page = ledger_page.led_to_rows(link(address, "sim.a.rate"), {"sim.a.rate"})
    assert page == link(f"{address.rstrip('#')}#claim-sim.a.rate", "sim.a.rate")
    other = link(address, "lib.sim")
    assert ledger_page.led_to_rows(other, {"sim.a.rate"}) == other


def test_a_row_that_prose_names_leads_to_it():
    def code(name):
        return f'<code class="docutils literal notranslate"><span class="pre">{name}</span></code>'

    ids = ["sim.a.rate", "sim.a.slow", "sim.ab"]
    for name, id in (
        ("sim.a.rate", "sim.a.rate"),
        ("sim.a", "sim.a.rate"),
        ("sim.a.*", "sim.a.rate"),
        ("sim.ab", "sim.ab"),
    ):
        page = ledger_page.led_from_names(f"of {code(name)}, say", ids)
        assert page == f'of <a href="claims.html#claim-{id}">{code(name)}</a>, say'
    for other in ("sim", "sim.a.r", "lib.sim", "sim.c"):
        assert ledger_page.led_from_names(code(other), ids) == code(other)
    within = f'<a href="x.html"><span class="doc std std-doc">{code("sim.ab")}</span></a>'
    assert ledger_page.led_from_names(within, ids) == within


def test_every_row_that_was_tested_is_led_to_the_cell_that_records_it():
    rows = claims.rows()
    places = ledger_page.recorded(ROOT, rows)
    assert set(places) == {row["id"] for row in rows if row["samples"]}
    cells = {
        path.stem: [c.source for c in nbformat.read(path, 4).cells[1:] if c.cell_type == "code"]
        for path in checks.toc_notebooks(ROOT, ROOT)
    }
    for row in (one for one in rows if one["samples"]):
        chapter, k = places[row["id"]]
        code = cells[chapter][k]
        if row["recorder"] != chapter:
            assert f'"{row["recorder"].removeprefix("experiments/")}"' in code
        elif any(f'record("{row["id"]}"' in other for other in cells[chapter]):
            assert f'"{row["id"]}"' in code
        else:
            assert row["id"].partition(".")[0] in code
            assert ".record" in code


def test_cells_and_rows_lead_to_each_other():
    code = '<span class="s2">"a.b"</span>'
    page = f'<p/><div class="cell tag_x"><p/></div>{code}<div class="cell">{code}{code}</div>'
    text = ledger_page.led_to_cells(page, {"a.b": 1, "a.c": 0})
    assert text == (
        '<p/><span id="cell-a.c"></span><div class="cell tag_x"><p/></div>'
        + code
        + '<div class="cell"><a class="book-claim" id="cell-a.b" href="claims.html#claim-a.b">'
        f"{code}</a>{code}</div>"
    )


def test_the_foremost_rows_are_claims_and_what_does_not_hold():
    rows = claims.rows()
    shown = claims.foremost(rows)
    assert len(shown) == 5
    assert {(row["kind"], row["verdict"]) for row in shown} == {("claim", "does not hold")}
    assert [row["id"] for row in claims.foremost(rows, ["sim.a.rate"])] == ["sim.a.rate"]
    with pytest.raises(ValueError, match=r"called sim\.b"):
        claims.foremost(rows, ["sim.b"])


def test_every_picture_of_five_minutes_is_on_its_page_and_draws():
    page = (ROOT / "chapters/five_minutes.md").read_text()
    named = re.findall(r"<!-- picture: (\w+) -->", page)
    assert named == [*five_minutes.PICTURES]
    text = five_minutes.filled(page, claims.rows())
    assert text.count("<figure") == len(named)


def test_the_papers_claims_are_counted_once_and_the_book_s_readings_apart():
    rows = [row for row in claims.rows() if row["kind"] == "claim"]
    assert {row["id"] for row in rows} >= five_minutes.READINGS
    assert {r["id"] for r in rows if "read as typical" in r["claim"]} <= five_minutes.READINGS
    lines = five_minutes.counts(rows).split("\n")[2:]
    table = {c[0]: [int(n.split()[0]) for n in c[1:]] for c in map(cells_of, lines)}
    assert sum(map(sum, table.values())) == len(rows)
    read = table["Yang et al. 2025, as read by this book"]
    assert sum(read) == len(five_minutes.READINGS)
    by_verdict = lines[0].split(" | ")
    assert by_verdict[3] == "3 (1 undecided)"  # figure 5, the bend; whether it arrives is undecided
    assert "(1 undecided)" in lines[1]
    assert "(1 undecided)" in lines[2]


def test_what_five_minutes_says_in_words_is_on_its_page_and_so():
    page = (ROOT / "chapters/five_minutes.md").read_text()
    rows = claims.rows()
    assert five_minutes_words.untrue(rows) == []
    for words in (*five_minutes_words.VERDICTS, *five_minutes_words.statements(rows)):
        assert words in page, words


def test_each_of_these_words_can_be_untrue_by_name():
    rows, verdicts = claims.rows(), five_minutes_words.VERDICTS
    other = [row | {"verdict": f"not {row['verdict']}", "undecided": False} for row in rows]
    found = five_minutes_words.untrue(other)
    for words in verdicts:
        assert any(one.startswith(words) for one in found), words
    moved = [row | {"value": row["samples"] and row["value"] - 3} for row in rows]
    of_rows = ("most starts swing where", "a quarter", "to a third", "far from it in between")
    found = five_minutes_words.untrue(moved)
    for words in of_rows:
        assert any(one.startswith(words) for one in found), words


def test_a_share_on_the_page_is_that_of_its_row():
    rows = claims.rows()
    value = next(row["value"] for row in rows if row["id"] == "swing.start.one_sign")
    said = five_minutes.filled("so <!-- share: swing.start.one_sign --> of them", rows)
    assert value < 1  # and so not all
    assert said == "so more than 99% of them"
    row = {"id": "a.b", "kind": "check"}
    for row["value"], wanted in ((0.0, "0%"), (0.001, "fewer than 1%"), (0.5, "50%"), (1, "100%")):
        assert five_minutes.filled("<!-- share: a.b -->", [row]) == wanted
    assert "<!-- share" not in five_minutes.filled(
        (ROOT / "chapters/five_minutes.md").read_text(), rows
    )
    with pytest.raises(ValueError, match=r"no\.such, which no tested row"):
        five_minutes.filled("<!-- share: no.such -->", rows)


def test_a_long_line_of_code_goes_on_below_and_nothing_else_does():
    long = "    " + "caption=" + '<span class="s2">&quot;' + "w " * 40 + "&quot;</span>,"
    torn = '<span class="sd">' + "x" * 90  # its string ends in another line
    text = f'<div class="highlight"><pre>short = 1\n{long}\n{torn}\n</pre></div><p>{long}</p>'
    found = lighten.wrapped(text)
    assert found.count("book-long") == 1
    assert f'<span class="book-long" style="--indent:8ch">{long}</span>\n' in found
    assert re.sub(r'<span class="book-long"[^>]*>(.*)</span>', r"\1", found) == text
