"""Terms in the text lead to the glossary."""

from tests.conftest import ROOT
from tools import glossary

PAGE = """<dt id="term-Score">Score<a class="headerlink" href="#x">#</a></dt>
<dt id="term-Composed-score">Composed score<a class="headerlink" href="#x">#</a></dt>
<dt id="term-LCS">Local conditional scores (LCS)<a class="headerlink" href="#x">#</a></dt>
<dt id="term-Noise">Noise<a class="headerlink" href="#x">#</a></dt>"""


def test_terms_are_read_with_their_short_forms_and_without_everyday_words():
    assert glossary.read(PAGE) == {
        "score": "term-Score",
        "composed score": "term-Composed-score",
        "local conditional scores": "term-LCS",
        "lcs": "term-LCS",
    }


def test_the_first_use_in_the_text_is_linked_and_nothing_else():
    terms = glossary.read(PAGE)
    link = '<a class="reference internal book-term" href="notation.html#{}">{}</a>'.format
    page = (
        "<h1>The score</h1>\n<p><strong>Score.</strong> <code>score</code> "
        '<a href="x">the score</a> <span class="math">\\(score\\)</span> underscored {} {}s; '
        "a score, LCS once: {}.</p>\n<td><p>score</p></td>"
    )
    plain = page.format("composed score", "Score", "local conditional scores").replace("LCS", "{}")
    first = plain.format("LCS")
    wanted = page.format(
        link("term-Composed-score", "composed score"),
        link("term-Score", "Score"),
        "local conditional scores",
    ).replace("LCS", link("term-LCS", "LCS"), 1)
    # The plural's s stays outside of the link; the second form of one term is not linked again.
    assert glossary.linked(first, terms) == wanted


def test_pages_that_are_no_chapters_and_books_without_a_glossary_are_left_alone(tmp_path):
    (tmp_path / "chapters").mkdir()
    page = tmp_path / "chapters/x.html"
    page.write_text("<h1>Copy</h1>\n<p>a score</p>")
    glossary.finish(tmp_path)
    (tmp_path / "chapters/notation.html").write_text(PAGE)
    glossary.finish(tmp_path)
    assert page.read_text() == "<h1>Copy</h1>\n<p>a score</p>"
    page.write_text('<h1><span class="section-number">1. </span>C</h1>\n<p>a score</p>')
    glossary.finish(tmp_path)
    assert 'notation.html#term-Score">score</a>' in page.read_text()


def test_the_pages_by_which_the_book_opens_are_linked_too(tmp_path):
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters/notation.html").write_text(PAGE)
    pages = [tmp_path / "chapters" / name for name in glossary.OPENING]
    for page in pages:
        page.write_text("<h1>The book</h1>\n<p>a score</p>")
    glossary.finish(tmp_path)
    for page in pages:
        assert 'notation.html#term-Score">score</a>' in page.read_text()
        assert (ROOT / "chapters" / page.with_suffix(".md").name).exists()


def test_every_technical_term_is_in_the_glossary():
    text = (ROOT / "chapters/notation.md").read_text(encoding="utf-8").partition("```{glossary}")[2]
    known = {line.lower() for line in text.splitlines() if line and not line.startswith(" ")}
    assert known >= glossary.TECHNICAL
