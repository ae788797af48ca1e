"""The ledger's page: the papers' claims first, then the book's findings; its own checks folded."""

import csv
import html
import io
import json
import re
from collections import Counter
from collections.abc import Collection, Sequence
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
# A row's identifier that leads to the ledger's page, or stands on it: Sphinx writes "#" there, and
# "doc" only where a document is named by a role.
_ROW_LINK = re.compile(
    r'href="([\w/.]*claims\.html|#)("><span class="(?:doc )?std std-doc"><code[^>]*>'
    r'<span class="pre">)([\w.]+)(?=</span>)'
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
            "## Rules that were replaced\n\nWhat a rule or an interval was, and why not now."
        )
        lines = [f"| {claims.linked(row['id'])} | {row['changed']} |" for row in changed]
        parts.append("\n".join(["| row | before |", "|---|---|", *lines]))
    return "\n\n".join(parts)


def as_csv(rows: Sequence[dict]) -> str:
    """The ledger as comma-separated values, a line a row."""
    names = ("id", "kind", "source", "recorder", "claim", "paper", "rule", *NUMBERS, "verdict")
    names += ("of", "unit", "why", "changed")
    out = io.StringIO()
    writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def finish(site: Path, rows: Sequence[dict]) -> None:
    """Writes the downloads, and leads each row to its cell and each chapter's row to the ledger.

    Args:
        site: the built site; its pages are changed in place.
        rows: as `claims.rows` gives them.
    """
    (site / "_static" / "claims.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    (site / "_static" / "claims.csv").write_text(as_csv(rows), encoding="utf-8")
    cells, ids = {}, {row["id"] for row in rows}
    for path in sorted((site / "chapters").glob("*.html")):
        text = led_to_rows(path.read_text(encoding="utf-8"), ids)
        if path.stem != "claims":
            for row in rows:
                code = f'<span class="s2">"{row["id"]}"</span>'
                if row["id"] not in cells and code in text:
                    cells[row["id"]] = f"{path.name}#cell-{row['id']}"
                    text = text.replace(code, f'<span id="cell-{row["id"]}">{code}</span>', 1)
        path.write_text(text, encoding="utf-8")
    page = site / "chapters" / "claims.html"
    if not page.exists():  # a book without a ledger's page
        return
    text = page.read_text(encoding="utf-8")
    for row in rows:
        link = f'<a href="{cells[row["id"]]}">cell</a>' if row["id"] in cells else ""
        text = text.replace(f'<span class="book-cell" title="{row["id"]}"></span>', link)
    page.write_text(text, encoding="utf-8")


def led_to_rows(page: str, ids: Collection[str]) -> str:
    """A built page whose rows' identifiers lead to their rows and not to the ledger's top."""

    def led(match: re.Match) -> str:
        address, between, id = match.groups()
        return f'href="{address.rstrip("#")}#claim-{id}{between}{id}' if id in ids else match[0]

    return _ROW_LINK.sub(led, page)


def _chapters(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The chapters' titles by name, and which chapter shows an experiment's rows."""
    titles, shown = {}, {}
    for path in checks.toc_notebooks(root, root):
        cells = nbformat.read(path, as_version=4).cells
        text = "\n".join(cell.source for cell in cells)
        titles[path.stem] = next(
            c.source.split("\n")[0].removeprefix("# ") for c in cells if c.cell_type == "markdown"
        )
        for name in re.findall(r'book\.experiment\(\s*"(\w+)"', text):
            shown[f"experiments/{name}"] = path.stem
    return titles, shown


def _counts(rows: Sequence[dict]) -> str:
    """How many rows of each kind have which verdict."""
    found = Counter((row["kind"], row["verdict"]) for row in rows)
    kinds = [kind for kind, _ in PARTS]
    lines = [f"| | {' | '.join(f'{kind}s' for kind in kinds)} |", "|---|---|---|---|"]
    for verdict in ledger.VERDICTS:
        cells = [str(found[kind, verdict] or "") for kind in kinds]
        lines.append(f"| {verdict} | {' | '.join(cells)} |")
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
