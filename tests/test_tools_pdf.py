"""PDFs of pages, and the way to them."""

import re
import shutil
import zlib

import pytest

from tests.conftest import ROOT, SITE
from tools import checks, pdf

PAGE = """<div class="onlyprint"><h1>Swing-by</h1><nav>Contents</nav></div>
<article><h1><span>3. </span>Swing-by<a class="headerlink" href="#x">#</a></h1></article>"""


def test_the_link_stands_beside_the_title_that_is_seen_and_once(tmp_path):
    (tmp_path / "chapters").mkdir()
    page = tmp_path / "chapters/03.html"
    page.write_text(PAGE)
    pdf.offer(tmp_path, [tmp_path / "pdf/03.pdf"])
    text = page.read_text()
    assert text.index("<article>") < text.index('href="../pdf/03.pdf"') < text.index("3. </span>")
    pdf.offer(tmp_path, [tmp_path / "pdf/03.pdf"])
    assert page.read_text() == text


@pytest.mark.site
def test_a_page_is_printed_and_offered(browser, site, tmp_path):
    """In a copy of the site, so that no other test meets the link."""
    html = tmp_path / "html"
    shutil.copytree(SITE, html, ignore=shutil.ignore_patterns("*.zip", "_sources"))
    made = pdf.printed(html, ["chapters/copy"], browser=browser)
    assert made[0].read_bytes().startswith(b"%PDF")
    pdf.offer(html, made)
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto((html / "chapters/copy.html").as_uri())
    link = page.locator("a.book-pdf")
    assert link.is_visible()
    title = page.locator(".bd-article h1").bounding_box()
    assert abs(link.bounding_box()["y"] - title["y"]) < title["height"]
    page.close()


def drawn_on_sheets(data):
    """How many texts and pictures each sheet of a PDF of Chromium's shows, and lines and areas."""
    objects = dict(re.findall(rb"(?:^|\n)(\d+) 0 obj\s(.*?)\sendobj", data, re.S))
    counts = []
    for body in objects.values():
        if re.search(rb"/Type\s*/Page\b", body.split(b"stream")[0]):
            named = re.search(rb"/Contents\s*\[?((?:\s*\d+ 0 R)+)", body)[1]
            streams = [objects[n] for n in re.findall(rb"(\d+) 0 R", named)]
            parts = [s.split(b"stream\n", 1)[1].rsplit(b"endstream", 1)[0] for s in streams]
            code = b"\n".join(zlib.decompressobj().decompress(part) for part in parts)
            counts.append(len(re.findall(rb"\b(?:Tj|TJ|Do|S|f|f\*)\s", code)))
    return counts


def test_an_empty_sheet_is_seen(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "_FOOT", "<span></span>")
    alone = '<div style="break-before: page; height: 9px">'
    (tmp_path / "a.html").write_text(f"<p>one</p>{alone}</div>{alone}two</div>")
    (made,) = pdf.printed(tmp_path, ["a"], browser=browser)
    first, empty, last = drawn_on_sheets(made.read_bytes())
    assert first > 0 == empty < last


@pytest.mark.weekly
@pytest.mark.site
def test_every_page_is_printed_and_no_sheet_is_empty(browser, site, tmp_path, monkeypatch):
    html = tmp_path / "html"
    shutil.copytree(SITE, html, ignore=shutil.ignore_patterns("*.zip", "_sources"))
    monkeypatch.setattr(pdf, "_FOOT", "<span></span>")  # else each sheet shows its number
    names = checks.toc_names(ROOT)
    made = pdf.printed(html, names, browser=browser)
    assert len(made) == len(names)
    for path in made:
        sheets = drawn_on_sheets(path.read_bytes())
        assert sheets, path.name
        assert all(sheets), f"{path.name}: {sheets}"


def test_without_a_browser_it_says_what_it_needs(monkeypatch, capsys):
    monkeypatch.setattr(pdf.shutil, "which", lambda _: None)
    assert pdf.main() == 1
    assert "Chromium" in capsys.readouterr().err
