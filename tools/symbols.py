"""Leads formulas that are one symbol to its row of the notation, which hovering shows."""

import html
import re
from collections.abc import Mapping
from pathlib import Path

from tools import glossary

INTRODUCTION = "D"  # the chapter without a number, as the column of chapters calls it

_ROW = re.compile(r"<tr([^>]*)>(.*?)</tr>", re.S)
_CELL = re.compile(r"<td[^>]*>(.*?)</td>", re.S)
_FORMULA = re.compile(r'<span class="(math notranslate nohighlight)">\\\((.*?)\\\)</span>', re.S)
_LINK = re.compile(r"(<a\b.*?</a>)", re.S)


def finish(site: Path) -> None:
    """Marks symbols on every chapter's page of a built site, in place, and their rows."""
    path = site / "chapters" / "notation.html"
    if not path.exists():  # a book without one
        return
    page, rows = read(path.read_text(encoding="utf-8"))
    path.write_text(page, encoding="utf-8")
    for path, text, number in glossary.chapter_pages(site):
        path.write_text(marked(text, rows.get(number or INTRODUCTION, {})), encoding="utf-8")


def read(page: str) -> tuple[str, dict[str, dict[str, str]]]:
    """The notation's page with a place for each row, and for each chapter its symbols' places.

    A row of symbols has four cells: symbols, meaning, code and the chapters in which it holds.

    Raises:
        ValueError: a symbol has two meanings in one chapter.
    """
    rows: dict[str, dict[str, str]] = {}
    count = 0

    def place(match: re.Match) -> str:
        nonlocal count
        cells = _CELL.findall(match[2])
        symbols = [symbol(tex) for _, tex in _FORMULA.findall(cells[0])] if len(cells) == 4 else []
        if not symbols:
            return match[0]
        count += 1
        for chapter in chapters(re.sub(r"<[^>]+>", "", cells[3])):
            own = rows.setdefault(chapter, {})
            for name in symbols:
                if name in own:
                    raise ValueError(f"the notation gives {name} two meanings in {chapter}")
                own[name] = f"symbol-{count}"
        return f'<tr{match[1]} id="symbol-{count}">{match[2]}</tr>'

    return _ROW.sub(place, page), rows


def chapters(said: str) -> list[str]:
    """The chapters of a column's cell: "D, 6 to 8" are D, 6, 7 and 8.

    Raises:
        ValueError: It is no such list.
    """
    found = []
    for part in said.strip().split(", "):
        ends = re.fullmatch(r"(\d+)(?: to (\d+))?", part)
        if not ends and part != INTRODUCTION:
            raise ValueError(f"{part!r} is no chapter: a number, '1 to 4' or {INTRODUCTION}")
        first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (0, -1)
        found += [str(k) for k in range(first, last + 1)] if ends else [INTRODUCTION]
    return found


def symbol(tex: str) -> str:
    """What a formula names: without spaces, and of an equation what stands on its left."""
    return re.sub(r"\s+", "", html.unescape(tex)).split("=")[0]


def marked(page: str, places: Mapping[str, str]) -> str:
    """A page on which each formula that is one symbol, and in no link, says where its row is.

    Args:
        page: as it was built.
        places: the anchors of symbols on the notation's page.
    """

    def mark(match: re.Match) -> str:
        if "=" in match[2] or symbol(match[2]) not in places:
            return match[0]
        where = places[symbol(match[2])]
        return f'<span class="{match[1]}" data-symbol="{where}">\\({match[2]}\\)</span>'

    parts = _LINK.split(page)
    parts[::2] = [_FORMULA.sub(mark, part) for part in parts[::2]]
    return "".join(parts)
