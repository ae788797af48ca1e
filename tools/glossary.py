"""Leads the first use of a term on a page to the glossary, which hovering shows.

The pages are the chapters' and the two by which the book opens.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

# Of single words only these: "noise" and "heard" are mostly said as everybody says them.
TECHNICAL = {"denoiser", "preconditioning", "scissors", "score", "skill", "swing", "whitening"}
OPENING = ("index.html", "five_minutes.html")  # of pages that are no chapters, those with terms

_TERM = re.compile(r'<dt id="(term-[^"]+)">([^<]+)<')
_PARAGRAPH = re.compile(r"(?<=\n)<p>.*?</p>", re.S)  # and no cell of a table or item of a list
# What is left alone: links, code, formulas, what is set in bold, and tags.
_OTHER = re.compile(r'(<(a|code|strong)\b.*?</\2>|<span class="math.*?</span>|<[^>]+>)', re.S)
_CHAPTER = re.compile(r'<h1>(?:<span class="section-number">(\d+)|What a diffusion model is)')


def finish(site: Path) -> None:
    """Links terms on the opening pages and every chapter's of a built site, in place."""
    glossary = site / "chapters" / "notation.html"
    if not glossary.exists():  # a book without one
        return
    terms = read(glossary.read_text(encoding="utf-8"))
    opening = [path for name in OPENING if (path := site / "chapters" / name).exists()]
    for path in [*opening, *(path for path, _, _ in chapter_pages(site))]:
        path.write_text(linked(path.read_text(encoding="utf-8"), terms), encoding="utf-8")


def chapter_pages(site: Path) -> Iterator[tuple[Path, str, str | None]]:
    """Each chapter's page of a built site: its place, its text, and its number if it has one."""
    for path in sorted((site / "chapters").glob("*.html")):
        text = path.read_text(encoding="utf-8")
        if found := _CHAPTER.search(text):
            yield path, text, found[1]


def read(page: str) -> dict[str, str]:
    """The terms of the glossary's page, in small letters, and the anchor of each.

    A term with a short form in brackets, "Factorised conditionals (FC)", is known by both.
    """
    terms = {}
    for anchor, words in _TERM.findall(page):
        long, _, short = words.rstrip(")").partition(" (")
        if short:
            terms[short.lower()] = anchor
        if not long.isalpha() or long.lower() in TECHNICAL:
            terms[long.lower()] = anchor
    return terms


def linked(page: str, terms: Mapping[str, str]) -> str:
    """A page on which the first use of each term in its text leads to the glossary.

    Args:
        page: as it was built.
        terms: as `read` gives them.
    """
    words = "|".join(map(re.escape, sorted(terms, key=len, reverse=True)))
    term, seen = re.compile(rf"\b({words})(?=s?\b)(?!-)", re.I), set()

    def lead(match: re.Match) -> str:
        anchor = terms[match[1].lower()]
        if anchor in seen:
            return match[0]
        seen.add(anchor)
        return (
            f'<a class="reference internal book-term" href="notation.html#{anchor}">{match[0]}</a>'
        )

    def paragraph(match: re.Match) -> str:
        out, at = [], 0
        for other in _OTHER.finditer(match[0]):
            out += [term.sub(lead, match[0][at : other.start()]), other[0]]
            at = other.end()
        return "".join(out)

    return _PARAGRAPH.sub(paragraph, page)
