"""What makes the book unfit to be read: each check returns its faults, a sentence each."""

import ast
import importlib
import inspect
import re
from html import escape as html_escape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import nbformat
import yaml

from lib.book import claims
from tools import stamp

EQUATION = re.compile(r"\$\$\s*\((eq-[\w-]+)\)")
CITED = re.compile(r":eq:`(eq-[\w-]+)`")
DRAWS = re.compile(r"\b(?:figures|player|drag_\w+|ask_\w+)\.(?:show|frames|live)\(")


def sources(root: Path) -> list[str]:
    """Faults of the notebooks as stored, of equations against docstrings, and of the ledger."""
    faults = []
    url, branch = stamp.repository(root)
    paths = toc_notebooks(root, root)
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        faults += stored_outputs(path.name, notebook)
        faults += other_first_cell(path.name, notebook, stamp.first_cell(url, branch))
    cells = [c.source for p in paths for c in nbformat.read(p, as_version=4).cells]
    faults += equations(cells, docstrings(root, published_modules(root, cells)))
    from lib.book.ledger import ROWS

    return faults + claims.mismatches(ROWS, claims.committed(root / "lib/results/claims"))


def published_modules(root: Path, cells: list[str]) -> list[str]:
    """The modules of `lib` that chapters import from or that the page on the code documents."""
    api = (root / "chapters/api.md").read_text(encoding="utf-8")
    found = set(re.findall(r"automodule:: (\S+)", api))
    for package, names in re.findall(
        r"^from (lib[\w.]*) import (\([^)]*\)|[\w, ]+)$", "\n".join(cells), re.M
    ):
        for name in re.findall(r"(\w+)(?: as \w+)?\s*(?:,|\)|$)", names):
            module = importlib.import_module(package)
            value = getattr(module, name, None) or importlib.import_module(f"{package}.{name}")
            if inspect.ismodule(value):
                found.add(value.__name__)
            elif hasattr(value, "__module__"):  # and not a constant, which has no page of its own
                found.add(value.__module__)
    return sorted(found)


def execution(root: Path, copy: Path) -> list[str]:
    """Faults of the notebooks as executed."""
    faults = []
    for path in toc_notebooks(root, copy):
        notebook = nbformat.read(path, as_version=4)
        for check in (failed_cells, noisy_cells, missing_figures, missing_alt):
            faults += check(path.name, notebook)
    return faults


def site(html: Path, copy: Path) -> list[str]:
    """Faults of the built site."""
    return dead_links(html) + lost_figures(html, copy) + machine_paths(html, copy)


def toc_names(root: Path) -> list[str]:
    """Every page of the table of contents, as `chapters/NAME`.

    Raises:
        FileNotFoundError: a page that is named there does not exist.
    """
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    parts = [toc, *toc.get("parts", [])]
    names = [toc["root"], *(entry["file"] for part in parts for entry in part.get("chapters", []))]
    names = [re.sub(r"\.(ipynb|md)$", "", name) for name in names]
    for name in names:
        if not any((root / f"{name}.{kind}").exists() for kind in ("ipynb", "md")):
            raise FileNotFoundError(f"_toc.yml names {name}, but there is no such page.")
    return names


def toc_notebooks(root: Path, base: Path) -> list[Path]:
    """The notebooks of the table of contents, as files below `base`."""
    return [base / f"{n}.ipynb" for n in toc_names(root) if (root / f"{n}.ipynb").exists()]


def stored_outputs(name: str, notebook) -> list[str]:
    """A notebook is stored without outputs: they would grow stale."""
    kept = [k for k, c in enumerate(_code(notebook)) if c.outputs or c.execution_count]
    return [f"{name}: stored with outputs (code cells {kept}); run `make lint`"] if kept else []


def other_first_cell(name: str, notebook, code: str) -> list[str]:
    """Every notebook begins with the same cell, which finds `lib`."""
    same = notebook.cells and notebook.cells[0].source == code
    return [] if same else [f"{name}: its first cell is not the common one; run `make stamp`"]


def failed_cells(name: str, notebook) -> list[str]:
    """No cell ends in an error, and every cell ran."""
    faults = []
    for k, cell in enumerate(_code(notebook)):
        if any(output.output_type == "error" for output in cell.outputs):
            faults.append(f"{name}: code cell {k} failed")
        elif cell.source.strip() and cell.execution_count is None:
            faults.append(f"{name}: code cell {k} did not run")
    return faults


def noisy_cells(name: str, notebook) -> list[str]:
    """No cell writes to stderr: a warning on a page is a fault."""
    return [
        f"{name}: code cell {k} wrote to stderr: {output.text.strip()[:200]}"
        for k, cell in enumerate(_code(notebook))
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]


def missing_figures(name: str, notebook) -> list[str]:
    """A cell that draws shows a figure, and only through `figures` and `player`."""
    faults = []
    for k, cell in enumerate(_code(notebook)):
        shown = "".join(_html(cell)).count("<figure")
        if shown < len(DRAWS.findall(cell.source)):
            faults.append(f"{name}: code cell {k} draws, but not all its figures came out")
        if any(kind.startswith("image/") for o in cell.outputs for kind in o.get("data", {})):
            faults.append(f"{name}: code cell {k} shows a bare picture; use figures.show")
        if sum(map(len, _html(cell))) > 1_000_000 * max(shown, 1):
            faults.append(f"{name}: code cell {k} shows more than 1 MB a figure")
    return faults


def missing_alt(name: str, notebook) -> list[str]:
    """Every picture says what it shows."""
    faults = []
    for k, cell in enumerate(_code(notebook)):
        for text in _html(cell):
            pictures = re.findall(
                r"<(?:svg|img)\b[^>]*>", re.sub(r"<script.*?</script>", "", text, flags=re.S)
            )
            bare = [
                p for p in pictures if not re.search(r'(?<![\w-])(?:aria-label|alt)="[^"]*\w', p)
            ]
            faults += [f"{name}: code cell {k} has a picture without alt text"] * len(bare)
    return faults


def equations(cells: list[str], cited: dict[str, list[str]]) -> list[str]:
    """A labelled equation names its function, and that function's docstring names the label.

    Args:
        cells: the sources of all cells.
        cited: for each label, the dotted names whose docstrings cite it.
    """
    faults, equations = [], {}
    for cell in cells:
        for label in EQUATION.findall(cell):
            if label in equations:
                faults.append(f"{label}: two equations have this label")
            equations[label] = cell
    for label, names in cited.items():
        if label not in equations:
            faults.append(f"{label}: cited by {', '.join(names)}, but no chapter has it")
            continue
        faults += [
            f"{label}: cited by {name}, but its cell does not name that function"
            for name in names
            if not re.search(rf"{re.escape(name)}(?![\w.]*\w)", equations[label])
        ]
    return faults + [f"{label}: no docstring cites it" for label in equations if label not in cited]


def docstrings(root: Path, modules: list[str]) -> dict[str, list[str]]:
    """For each equation label, the dotted names in the modules whose docstrings cite it."""
    found: dict[str, list[str]] = {}

    def visit(node, dotted):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            for label in CITED.findall(ast.get_docstring(node) or ""):
                found.setdefault(label, []).append(dotted)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                visit(child, f"{dotted}.{child.name}")

    for module in modules:
        path = root / module.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        visit(ast.parse(path.read_text(encoding="utf-8")), module)
    return found


LINKING = ("a", "img", "link", "script", "iframe", "source", "object", "use", "image")


class _Page(HTMLParser):
    """The identifiers of a page, and what it links to."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for key, value in attrs:
            if value and (key == "id" or (key == "name" and tag == "a")):
                self.ids.add(value)
            elif key in ("href", "xlink:href", "src") and value and tag in LINKING:
                self.links.append(value)


def dead_links(html: Path) -> list[str]:
    """Every internal link of every page leads to a file and, with `#`, to a place in it."""
    own = [p for p in sorted(html.rglob("*.html")) if "_static" not in p.parts]
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in own}
    faults = []
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            target = target / "index.html" if target.is_dir() else target
            where = f"{path.relative_to(html)}: {link}"
            if not target.exists() or not target.is_relative_to(html.resolve()):
                faults.append(f"{where}: no such file in the site")
            elif (
                url.fragment and target in pages and unquote(url.fragment) not in pages[target].ids
            ):
                faults.append(f"{where}: no such place in the page")
    return faults


def lost_figures(html: Path, copy: Path) -> list[str]:
    """Every figure of an executed notebook stands on its page."""
    faults = []
    for path in sorted((copy / "chapters").glob("*.ipynb")):
        page = html / "chapters" / f"{path.stem}.html"
        if page.exists():
            drawn = sum(
                text.count("<figure") for c in _code(nbformat.read(path, 4)) for text in _html(c)
            )
            shown = len(re.findall(r'<figure class="book-', page.read_text(encoding="utf-8")))
            if shown < drawn:
                faults.append(f"{path.name}: {drawn} figures drawn, {shown} on its page")
    return faults


def machine_paths(html: Path, copy: Path) -> list[str]:
    """No page carries a path of the machine that built it."""
    base = str(copy.resolve().parents[1])
    path = carries(base)
    return [
        f"{page.relative_to(html)}: carries the path {base}"
        for page in sorted(html.rglob("*.html"))
        if path.search(page.read_text(encoding="utf-8"))
    ]


def carries(base: str) -> re.Pattern:
    """What finds the path of a folder in a page, as it is, escaped or as an address.

    Only where the path begins and a name ends: `/book` is neither in `_static/book.css` nor, for
    `/code`, in `</code>`.
    """
    spellings = {base, html_escape(base), quote(base), base.replace("\\", "\\\\")}
    either = "|".join(map(re.escape, sorted(spellings)))
    return re.compile(rf"(?<![\w.~%/<-])(?<!&lt;)(?:file://)?(?:{either})(?![\w.~%-])")


def _code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _html(cell) -> list[str]:
    return [str(o["data"]["text/html"]) for o in cell.outputs if "text/html" in o.get("data", {})]
