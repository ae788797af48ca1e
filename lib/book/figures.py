"""How the book's figures look, and how they reach a page: as SVG that follows light and dark.

Text, axes and grid are drawn in the page's own text colour (`currentColor`), everything else in
colours that stand out on white and on near-black alike. A figure is shown with the sentence that
says what it shows, for readers who do not see it.
"""

import base64
import contextlib
import html
import io
import itertools
import re
from collections.abc import Callable

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.book import narrow

# A colour no figure uses: where Matplotlib wrote it, the page's text colour goes.
INK = "#010203"

BLUE, ORANGE, GREEN, RED, PURPLE, TEAL, GREY = COLOURS = (
    "#2f7fd6",
    "#d2691e",
    "#23925a",
    "#d9436a",
    "#8b62d9",
    "#12869a",
    "#808080",
)

# One colour, one meaning, wherever these are drawn.
HELD_OUT = GREEN  # the combination that training does not show; a star
ANSWER = RED  # what the model in question gives: its path, its error
RIVAL = BLUE  # what it is compared with: one layer, another account

# Sequential and diverging maps whose middle tones stay visible on both backgrounds.
SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.prop_cycle": mpl.cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.constrained_layout.use": True,
    "figure.figsize": (7.2, 3.6),
    "font.size": 10,
    "grid.alpha": 0.12,
    "grid.color": INK,
    "image.interpolation": "none",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "patch.edgecolor": INK,
    "savefig.facecolor": "none",
    "svg.fonttype": "path",
    "svg.hashsalt": "book",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}

_counter = itertools.count(1)
_DIGITS = re.compile(r"(?:scale|matrix)\([^)]*\)|-?\d+\.\d{3,}(?![\w-])")
_EMBEDDED = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")
_SMALL = 15_000  # bytes; heat maps and small pictures stay as they are, exactly


def use_style() -> None:
    """Draws all that follows in the book's style, whatever the machine's matplotlibrc says."""
    mpl.rcdefaults()
    mpl.rcParams.update(STYLE)
    with contextlib.suppress(ValueError):  # IPython keeps figures from being shown a second time
        plt.ioff()


def svg(figure: Figure) -> str:
    """The figure as an `<svg>` element in the page's ink, its identifiers unique on the page."""
    text = as_svg(figure, f"f{next(_counter)}-")
    plt.close(figure)
    return text


def pair(figure: Figure, between: Callable[[], None] = lambda: None) -> str:
    """The figure as a wide page shows it, and again as a phone does; the style sheet picks one.

    Args:
        figure: drawn under `use_style`; it is closed.
        between: called when the figure is laid out for a phone and before it is drawn so.
    """
    prefix = f"f{next(_counter)}-"
    wide = as_svg(figure, prefix)
    if narrow.fits(figure) or not narrow.relayout(figure):
        plt.close(figure)
        return wide
    between()
    other = as_svg(figure, f"{prefix}n-")
    plt.close(figure)
    for name, glyph in re.findall(r'<path id="([^"]+)"( d="[^"]*"[^>]*/>)', other):
        own = name.replace(f"{prefix}n-", prefix)  # a glyph that both use stands once
        if f'<path id="{own}"{glyph}' in wide:
            other = other.replace(f'<path id="{name}"{glyph}', "")
            other = other.replace(f'href="#{name}"', f'href="#{own}"')
    return wide.replace("<svg ", '<svg class="book-wide" ', 1) + other.replace(
        "<svg ", '<svg class="book-narrow" ', 1
    ).replace('style="', 'style="display: none; ', 1)


def as_svg(figure: Figure, prefix: str) -> str:
    """The figure, left open, as an `<svg>` element whose identifiers begin with `prefix`."""
    buffer = io.StringIO()
    # The whole figure: cut to its content, a player's marks would lie beside their axes.
    with mpl.rc_context({"savefig.bbox": None}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    text = _EMBEDDED.sub(_lighter, text)
    # No eye and no screen tells a hundredth of a point.
    text = _DIGITS.sub(_rounded, text)
    # Glyphs are defined where they first occur, which may be a text that a player replaces.
    defined = "".join(re.findall(r"<defs>.*?</defs>", text, re.S))
    text = re.sub(r"<defs>.*?</defs>", "", text, flags=re.S)
    text = re.sub(r"(<svg[^>]*>)", lambda match: match[1] + defined, text, count=1)
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}", text)
    width, height = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', text).groups()
    size = f'style="width: min(100%, {float(width) * 4 / 3:.0f}px); height: auto" '
    size += 'stroke-linejoin="round"'
    return text.replace(f'width="{width}pt" height="{height}pt"', size, 1).strip()


def webp(picture: PIL.Image.Image) -> bytes:
    """A picture in few bytes; what is lost is below what a screen shows."""
    buffer = io.BytesIO()
    picture.save(buffer, "webp", quality=90, method=6, exact=True)
    return buffer.getvalue()


def _rounded(match: re.Match) -> str:
    """A coordinate to a hundredth of a point; what stretches a picture stays as it is."""
    number = match[0]
    return number if "(" in number else f"{float(number):.2f}".rstrip("0").rstrip(".")


def _lighter(match: re.Match) -> str:
    """An embedded picture as WebP, where that saves much."""
    data = base64.b64decode(match[1])
    if len(data) < _SMALL:
        return match[0]
    coded = webp(PIL.Image.open(io.BytesIO(data)))
    return f"data:image/webp;base64,{base64.b64encode(coded).decode()}"


def labelled(element: str, alt: str) -> str:
    """The `<svg>` element, or the pair, as one picture with the text alternative `alt`.

    Raises:
        ValueError: `alt` is empty.
    """
    if not alt.strip():
        raise ValueError("A figure needs an alt text: one sentence that says what it shows.")
    return element.replace("<svg ", f'<svg role="img" aria-label="{html.escape(alt)}" ')


def show(figure: Figure, alt: str, caption: str = "") -> None:
    """Puts the figure on the page.

    Args:
        figure: drawn under `use_style`; it is closed.
        alt: what the figure shows, for readers who do not see it.
        caption: what to look at, for everybody; plain text or inline HTML.

    Raises:
        ValueError: `alt` is empty.
    """
    under = f"<figcaption>{caption}</figcaption>" if caption else ""
    picture = scrolling(labelled(pair(figure), alt))
    display(HTML(f'<figure class="book-figure" style="margin: 1em 0">{picture}{under}</figure>'))


def band(axes: Axes, x, curves, colour: str, label: str = "") -> None:
    """Draws an ensemble: the median of the curves and the band from 10 to 90 %.

    Args:
        axes: where.
        x: (T,).
        curves: (runs, T).
        colour: of line and band.
        label: for the legend.
    """
    low, middle, high = np.quantile(np.asarray(curves), (0.1, 0.5, 0.9), axis=0)
    axes.fill_between(x, low, high, color=colour, alpha=0.25, lw=0)
    axes.plot(x, middle, color=colour, label=label)


def scrolling(element: str) -> str:
    """The element in a frame of its own."""
    return f'<div class="book-scroll">{element}</div>'
