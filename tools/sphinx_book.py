"""The book's Sphinx extension: ledger, formulas in docstrings, own MathJax, light pages."""

import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from lib.book import claims
from tools import lighten

# The theme sets sphinx-thebe up on every page though no kernel serves this book: an error on each.
THEBE = re.compile(r"<script[^>]*>[^<]*thebe[^<]*</script>|<script[^>]*thebe[^>]*></script>")


class ClaimsLedger(Directive):
    """`{claims-ledger}`: the whole ledger as a table."""

    def run(self) -> list[nodes.Node]:
        """The table's nodes, parsed as Markdown so that formulas and links work."""
        box = nodes.container(classes=["book-ledger"])
        lines = claims.markdown(claims.rows()).split("\n")
        self.state.nested_parse(StringList(lines, "ledger"), self.content_offset, box)
        return [box]


def finish(app, exception) -> None:
    """Adds MathJax to the site, and takes off it what no page needs."""
    if exception or app.builder.format != "html":
        return
    lighten.copy_mathjax(Path(app.outdir))
    lighten.site(Path(app.outdir))


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
    app.add_directive("claims-ledger", ClaimsLedger)
    app.connect("autodoc-process-docstring", dollar_formulas)
    app.connect("build-finished", finish)
    app.connect("html-page-context", mend_page, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
