"""PDFs of pages, and the way to them."""

import shutil

import pytest

from tests.conftest import SITE
from tools import pdf

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


def test_without_a_browser_it_says_what_it_needs(monkeypatch, capsys):
    monkeypatch.setattr(pdf.shutil, "which", lambda _: None)
    assert pdf.main() == 1
    assert "Chromium" in capsys.readouterr().err
