"""Puts pictures on a page that a module of this folder brings to life.

Matplotlib draws each panel once; the module moves its marks and lays handles over it. The first
state is a plain picture, for print and for pages without scripts. The module's source goes with the
output, so that it works on the site, in JupyterLab, in Colab and from a file.
"""

import hashlib
import html
import io
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.book import figures

FOLDER = Path(__file__).parent
IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";$', re.M)
EXPORT = re.compile(r"^export (?:function\*?|class|const) (\w+)", re.M)
STILL = "Where scripts run, this picture can be taken hold of; here it shows its first state."

_counter = itertools.count(1)


@dataclass(frozen=True)
class Panel:
    """One picture of a module.

    Attributes:
        axes: the only axes of their figure, with final limits, linear or logarithmic.
        marks: by name, the lines that the module moves, each from `axes.plot`, either a line or
            markers (which become round dots).
        alt: what the first state shows; the module writes what later ones show.
    """

    axes: Axes
    marks: Mapping[str, Line2D]
    alt: str


def show(
    module: str, panels: Mapping[str, Panel], settings: Mapping[str, Any], caption: str = ""
) -> None:
    """Puts a module's first state on the page, and the module with it.

    Args and errors as in `element`.
    """
    display(HTML(element(module, panels, settings, caption)))


def element(
    module: str, panels: Mapping[str, Panel], settings: Mapping[str, Any], caption: str = ""
) -> str:
    """The `<figure>` that `show` displays.

    Args:
        module: the name of its file in this folder, without `.js`; it exports `mount(page)`.
        panels: by the names that the module knows; side by side where there is room for it.
        settings: JSON data for the module.
        caption: as in `figures.show`.

    Raises:
        FileNotFoundError: no such module.
        ValueError: a panel without an alt text, settings that are no JSON, a figure with more than
            one axes.
    """
    source = script(module)
    boxes, specs = [], {}
    for name, panel in panels.items():
        picture, specs[name] = _drawn(name, panel)
        style = f"position:relative;flex:0 1 {96 * panel.axes.figure.get_figwidth():.0f}px"
        boxes.append(f'<div class="book-panel" data-panel="{name}" style="{style}">{picture}</div>')
    spec = json.dumps({"panels": specs, "settings": dict(settings)}, allow_nan=False)
    spec = spec.replace("<", "\\u003c")
    digest = hashlib.sha256((spec + source).encode()).hexdigest()[:8]
    name = f"page-{digest}-{next(_counter)}"
    under = f"<figcaption>{caption}</figcaption>" if caption else ""
    code = f'(() => {{\n{source}\nsurface_js.start("{name}", {module}_js.mount);\n}})();'
    return (
        f'<figure class="book-page" id="{name}" data-module="{module}" style="margin: 1em 0">'
        '<div class="book-panels" style="display:flex;flex-wrap:wrap;gap:.5em 1.2em">'
        f'{"".join(boxes)}</div><div class="book-controls"></div>'
        f'<p class="book-note" role="status" style="margin:.4em 0">{html.escape(STILL)}</p>'
        f'{under}<script type="application/json">{spec}</script>'
        f"<script>{code}</script></figure>"
    )


def script(module: str) -> str:
    """A module and what it imports of this folder as one script, each file in a scope of its own.

    A page opened from a file, and the output of a notebook, can import no other files.

    Raises:
        FileNotFoundError: no such file in this folder.
    """
    parts: dict[str, str] = {}
    _collect(module, parts)
    return "\n".join(parts.values())


def _collect(name: str, parts: dict[str, str]) -> None:
    """Adds a file to `parts`, after those that it imports."""
    path = FOLDER / f"{name}.js"
    if not path.is_file():
        known = ", ".join(sorted(p.name for p in FOLDER.glob("*.js")))
        raise FileNotFoundError(f"the page has no module {path.name!r}; it has {known}")
    text = path.read_text(encoding="utf-8")
    for _, imported in IMPORT.findall(text):
        if imported not in parts:
            _collect(imported, parts)
    names = EXPORT.findall(text)
    text = EXPORT.sub(lambda found: found[0].removeprefix("export "), text)
    text = IMPORT.sub(r"const {\1} = \2_js;", text)
    parts[name] = f"const {name}_js = (() => {{\n{text}\nreturn {{ {', '.join(names)} }};\n}})();"


def _drawn(name: str, panel: Panel) -> tuple[str, dict]:
    """The panel's picture, and its scales and marks as the module reads them."""
    figure = panel.axes.figure
    if figure.axes != [panel.axes]:
        raise ValueError(f"the panel {name!r} must be the only axes of its figure")
    figure.set_dpi(72)  # one point, one pixel: SVG's units
    for mark, artist in panel.marks.items():
        artist.set_gid(f"mark-{mark}")
    figure.savefig(io.StringIO(), format="svg")  # lays out with SVG's text metrics
    figure.set_layout_engine("none")  # and that layout is final
    spec = {
        "x": _scale(panel.axes, 0, figure),
        "y": _scale(panel.axes, 1, figure),
        "marks": {mark: _style(artist) for mark, artist in panel.marks.items()},
    }
    return figures.labelled(figures.svg(figure), panel.alt), spec


def _scale(axes: Axes, axis: int, figure: Figure) -> dict[str, Any]:
    """Data and picture coordinates of both ends of an axis."""
    kind = (axes.get_xscale, axes.get_yscale)[axis]()
    if kind not in ("linear", "log"):
        raise ValueError(f"an axis of a panel is linear or logarithmic, not {kind!r}")
    low, high = zip(axes.get_xlim(), axes.get_ylim(), strict=True)
    start, end = axes.transData.transform([low, high])[:, axis]
    if axis:
        start, end = figure.bbox.height - start, figure.bbox.height - end
    return {
        "log": kind == "log",
        "from": float(low[axis]),
        "to": float(high[axis]),
        "start": round(float(start), 4),
        "end": round(float(end), 4),
    }


def _style(artist: Line2D) -> dict[str, Any]:
    """How the module draws a mark."""
    dots = artist.get_linestyle() == "None"
    colour = artist.get_markerfacecolor() if dots else artist.get_color()
    width = artist.get_markersize() if dots else artist.get_linewidth()
    dashes = {"--": (3.7 * width, 1.6 * width), ":": (width, 1.65 * width)}
    return {
        "dots": dots,
        "colour": "currentColor" if colour == figures.INK else to_hex(colour),
        "width": float(width),
        "alpha": 1.0 if artist.get_alpha() is None else artist.get_alpha(),
        "dashes": " ".join(f"{n:.2f}" for n in dashes.get(artist.get_linestyle(), ())) or "none",
    }
