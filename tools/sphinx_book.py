"""The book's Sphinx extension: ledger, formulas in docstrings, own MathJax, light pages."""

import re
from pathlib import Path

from lib import storage
from lib.book import claims
from lib.page import ask_network
from tools import (
    bench,
    cover,
    data,
    five_minutes,
    glossary,
    ledger_page,
    lighten,
    mutants,
    symbols,
)

# The theme sets sphinx-thebe up on every page though no kernel serves this book: an error on each.
THEBE = re.compile(r"<script[^>]*>[^<]*thebe[^<]*</script>|<script[^>]*thebe[^>]*></script>")


def fill_page(app, name, text) -> None:
    """Puts rows, pictures and counts where a page asks for them."""
    if name == "chapters/claims":
        rows = ledger_page.source(Path(app.srcdir), claims.rows())
        text[0] = text[0].replace("```{claims-ledger}\n```", rows)
    if name in ("chapters/five_minutes", "chapters/index"):
        text[0] = five_minutes.filled(text[0], claims.rows())
    if name == "chapters/benchmarks":
        table = bench.page(storage.read_json(bench.TABLE))
        text[0] = text[0].replace("```{benchmarks-table}\n```", table)
    if name == "chapters/faults":
        text[0] = text[0].replace("```{mutants-draw}\n```", mutants.page())


def finish(app, exception) -> None:
    """Adds MathJax and networks to the site, and takes off it what no page needs."""
    if exception or app.builder.format != "html":
        return
    lighten.copy_mathjax(Path(app.outdir))
    ask_network.publish(Path(app.outdir) / "_static" / "networks")
    lighten.site(Path(app.outdir), app.config.html_baseurl)
    ledger_page.finish(Path(app.outdir), Path(app.srcdir), claims.rows())
    glossary.finish(Path(app.outdir))
    symbols.finish(Path(app.outdir))
    data.pack(storage.RESULTS, Path(app.outdir) / "_static")
    cover.card(Path(app.outdir) / "_static" / cover.CARD)


def mend_page(app, pagename, templatename, context, doctree) -> None:
    """Leaves sphinx-thebe's scripts out, and a role that claims a list which is none."""
    if "body" in context:
        body = THEBE.sub("", context["body"])
        context["body"] = body.replace('<div role="list" class="citation-list">', "<div>")
    if "script_files" in context:
        context["script_files"] = [s for s in context["script_files"] if "thebe" not in str(s)]


def dollar_formulas(app, what, name, obj, options, lines) -> None:
    """A `$...$` in a docstring is a formula, as it is in the chapters."""
    lines[:] = re.sub(r"\$([^$]+)\$", r":math:`\1`", "\n".join(lines)).split("\n")


def setup(app) -> dict:
    """Registers the extension."""
    app.connect("source-read", fill_page)
    app.connect("autodoc-process-docstring", dollar_formulas)
    app.connect("build-finished", finish)
    app.connect("html-page-context", mend_page, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
