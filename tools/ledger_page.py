"""The ledger's page: the papers' claims first, then the book's findings; its own checks folded."""

import csv
import html
import io
import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import nbformat

from lib.book import claims, ledger
from tools import checks

PARTS = (
    ("claim", "Claims of the papers"),
    ("finding", "Findings of this book"),
    ("check", "Checks of its own formulas and measures"),
)
NUMBERS = ("value", "low", "high", "samples")
_EXPERIMENT = re.compile(r'book\.experiment\(\s*"(\w+)"')
# A row's identifier that leads to the ledger's page, or stands on it: Sphinx writes "#" there, and
# "doc" only where a document is named by a role.
_ROW_LINK = re.compile(
    r'href="([\w/.]*claims\.html|#)("><span class="(?:doc )?std std-doc"><code[^>]*>'
    r'<span class="pre">)([\w.-]+)(?=</span>)'
)
# One that stands in a chapter's prose, and not within a link.
_NAMED = re.compile(
    r'(?<!std-doc">)<code class="docutils literal notranslate"><span class="pre">'
    r"([\w-]+\.[\w.-]+?)(?:\.\*)?</span></code>"
)


def source(root: Path, rows: Sequence[dict]) -> str:
    """The ledger as Markdown, with headings by chapter.

    Args:
        root: the book, whose chapters say which of them shows an experiment.
        rows: as `claims.rows` gives them.
    """
    chapters, shown = _chapters(root)
    parts = [_counts(rows), _downloads()]
    for kind, title in PARTS:
        own = [row for row in rows if row["kind"] == kind]
        parts.append(f"## {title}")
        if kind == "check":
            parts.append('<details class="book-checks"><summary>Show the checks</summary>')
        for name, heading in chapters.items():
            here = [row for row in own if shown.get(row["recorder"], row["recorder"]) == name]
            if here:
                parts += [f"### {title.split()[0]}: [{heading}]({name}.ipynb)", _table(here)]
        if kind == "check":
            parts.append("</details>")
    if changed := [row for row in rows if row["changed"]]:
        parts.append(
            "## Rules that were replaced\n\nWhat a rule or an interval was, and why not now; and "
            "whether that turned the verdict: the one before is what the ledger gave or, where "
            "nothing was recorded yet, what the old rule says of what is recorded now."
        )
        lines = [
            f"| {claims.linked(row['id'])} | {row['changed']} | {_turned(row)} |" for row in changed
        ]
        parts.append("\n".join(["| row | before | turned |", "|---|---|---|", *lines]))
    return "\n\n".join(parts)


def as_csv(rows: Sequence[dict]) -> str:
    """The ledger as comma-separated values, a line a row."""
    names = ("id", "kind", "source", "recorder", "claim", "paper", "rule", *NUMBERS, "verdict")
    names += ("of", "unit", "why", "changed", "turned")
    out = io.StringIO()
    writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def finish(site: Path, root: Path, rows: Sequence[dict]) -> None:
    """Writes the downloads, and leads each row to its cell and each cell to its rows.

    Args:
        site: the built site; its pages are changed in place.
        root: the book, whose notebooks say which cell records what.
        rows: as `claims.rows` gives them.
    """
    (site / "_static" / "claims.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    (site / "_static" / "claims.csv").write_text(as_csv(rows), encoding="utf-8")
    ids, places = [row["id"] for row in rows], recorded(root, rows)
    for path in sorted((site / "chapters").glob("*.html")):
        text = led_from_names(led_to_rows(path.read_text(encoding="utf-8"), ids), ids)
        own = {id: k for id, (name, k) in places.items() if name == path.stem}
        path.write_text(led_to_cells(text, own), encoding="utf-8")
    page = site / "chapters" / "claims.html"
    if not page.exists():  # a book without a ledger's page
        return
    text = page.read_text(encoding="utf-8")
    for row in rows:
        id = row["id"]
        link = f'<a href="{places[id][0]}.html#cell-{id}">cell</a>' if id in places else ""
        text = text.replace(f'<span class="book-cell" title="{id}"></span>', link)
    page.write_text(text, encoding="utf-8")


def recorded(root: Path, rows: Sequence[dict]) -> dict[str, tuple[str, int]]:
    """Where each row is recorded: the chapter, and which of the cells on its page it is.

    A cell that puts identifiers together, `f"swing.start.{name}"`, records each row that fits. What
    an experiment measured is recorded by no cell; it stands where a chapter shows it.

    Args:
        root: the book.
        rows: as `claims.rows` gives them.
    """
    cells = [
        (path.stem, *cell)
        for path in checks.toc_notebooks(root, root)
        for cell in enumerate(_shown_cells(path))
    ]
    found = {}
    for names_of in (_written_out, _put_together):  # one written out is not taken for another
        for chapter, k, cell in cells:
            names = names_of(cell) if ".record" in cell else []
            shown = {f"experiments/{name}" for name in _EXPERIMENT.findall(cell)}
            for row in (one for one in rows if one["samples"] and one["id"] not in found):
                here = row["recorder"] == chapter and any(re.fullmatch(n, row["id"]) for n in names)
                if here or row["recorder"] in shown:
                    found[row["id"]] = chapter, k
    return found


def _shown_cells(path: Path) -> list[str]:
    """The code of a chapter's cells that its page has a place for."""
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    return [c.source for c in code if "remove-cell" not in c.metadata.get("tags", [])]


def _written_out(cell: str) -> list[str]:
    """Identifiers in a cell's code, as patterns."""
    return [re.escape(name) for name in re.findall(r'"([a-z]\w*\.[\w.]+)"', cell)]


def _put_together(cell: str) -> list[str]:
    """Identifiers in a cell's code that hold other names, as patterns."""
    names = re.findall(r'f"([a-z]\w*\.[^"\s]*\{[^"\s]+)"', cell)
    return ["[\\w.]+".join(map(re.escape, re.split(r"\{[^}]*\}", name))) for name in names]


def led_to_cells(page: str, places: Mapping[str, int]) -> str:
    """A chapter's page on which each row has a place, whose identifier there leads to the ledger.

    Args:
        page: as it was built.
        places: for each row which of the page's cells records it, counted from 0.
    """
    parts = re.split(r'(?=<div class="cell[ "])', page)
    for id, k in places.items():
        code = f'<span class="s2">"{id}"</span>'
        link = f'<a class="book-claim" id="cell-{id}" href="claims.html#claim-{id}">{code}</a>'
        if code in parts[k + 1]:
            parts[k + 1] = parts[k + 1].replace(code, link, 1)
        else:  # not shown, or put together
            parts[k + 1] = f'<span id="cell-{id}"></span>' + parts[k + 1]
    return "".join(parts)


def led_to_rows(page: str, ids: Collection[str]) -> str:
    """A built page whose rows' identifiers lead to their rows and not to the ledger's top."""

    def led(match: re.Match) -> str:
        address, between, id = match.groups()
        return f'href="{address.rstrip("#")}#claim-{id}{between}{id}' if id in ids else match[0]

    return _ROW_LINK.sub(led, page)


def led_from_names(page: str, ids: Collection[str]) -> str:
    """A built page on which a row's identifier in the prose is a link to its row.

    Args:
        page: as it was built.
        ids: of all rows, in the ledger's order; what several begin with leads to the first of them.
    """

    def led(match: re.Match) -> str:
        name = match[1]
        first = name if name in ids else next((i for i in ids if i.startswith(name + ".")), None)
        return f'<a href="claims.html#claim-{first}">{match[0]}</a>' if first else match[0]

    return _NAMED.sub(led, page)


def _chapters(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The chapters' titles by name, and which chapter shows an experiment's rows."""
    titles, shown = {}, {}
    for path in checks.toc_notebooks(root, root):
        cells = nbformat.read(path, as_version=4).cells
        text = "\n".join(cell.source for cell in cells)
        titles[path.stem] = next(
            c.source.split("\n")[0].removeprefix("# ") for c in cells if c.cell_type == "markdown"
        )
        for name in _EXPERIMENT.findall(text):
            shown[f"experiments/{name}"] = path.stem
    return titles, shown


def _turned(row: dict) -> str:
    """What a change of its rule made of a row's verdict, in words."""
    if row["turned"] in ledger.VERDICTS:
        return f"from “{row['turned']}”"
    return row["turned"]


def _counts(rows: Sequence[dict]) -> str:
    """How many rows of each kind have which verdict."""
    found = Counter((row["kind"], row["verdict"]) for row in rows)
    kinds = [kind for kind, _ in PARTS]
    lines = [f"| | {' | '.join(f'{kind}s' for kind in kinds)} |", "|---|---|---|---|"]
    for verdict in ledger.VERDICTS:
        cells = [str(found[kind, verdict] or "") for kind in kinds]
        lines.append(f"| {verdict} | {' | '.join(cells)} |")
        if verdict == "does not hold":
            open_ = Counter(row["kind"] for row in rows if row["undecided"])
            cells = [str(open_[kind] or "") for kind in kinds]
            lines.append(f"| of these undecided | {' | '.join(cells)} |")
    sums = [sum(row["kind"] == kind for row in rows) for kind in kinds]
    lines.append(f"| **all** | {' | '.join(map(str, sums))} |")
    return "\n".join(lines)


def _downloads() -> str:
    return (
        'The whole ledger <a href="../_static/claims.json" download>as JSON</a> and '
        '<a href="../_static/claims.csv" download>as CSV</a>, as `python -m lib.book.claims` '
        "prints it: with kind, unit and the paper's own value where there is one (“unknown” where "
        "it was not at hand)."
    )


def _table(rows: Sequence[dict]) -> str:
    """One chapter's rows, each with its identifier, a link to it, and one to its cell."""
    lines = claims.markdown(rows).split("\n")
    for k, row in enumerate(rows):
        id, data = row["id"], ""
        for name in ("kind", "source", "verdict"):
            data += f' data-{name}="{html.escape(row[name])}"'
        anchor = f'<span class="book-row" id="claim-{id}"{data}></span>'
        links = f'<a href="#claim-{id}"><code>{id}</code></a> '
        links += f'<span class="book-cell" title="{id}"></span>'
        line = lines[k + 2].replace(claims.linked(id), links, 1)
        lines[k + 2] = line.replace("| ", f"| {anchor}", 1)
    return "\n".join(lines)
