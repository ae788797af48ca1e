"""Sliders that need no kernel: a figure whose marks follow native range inputs.

Matplotlib draws the axes and the first state once; the player holds the data of every other state
in compact arrays and moves the marks. The first state is a plain picture, so that print and pages
without scripts show something true. It works on the website, in JupyterLab and in Colab.
"""

import base64
import hashlib
import io
import itertools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import PIL.Image
from IPython.display import HTML, display
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text

from lib.book import figures, runtime

MAX_BYTES = 1_000_000
_SCRIPT = Path(__file__).with_name("player.js").read_text(encoding="utf-8")
_NAMES = re.compile(r"\{([^{}]*)\}")  # as in player.js
_SHEET = 50_000  # bytes; colour pictures that take more are stored as one WebP picture
_shown = itertools.count(1)
_STEPS_PER_POINT = 40  # coordinates are stored as 16-bit multiples of 1/40 pt


@dataclass(frozen=True)
class Line:
    """A line, its markers, or both, that move.

    Attributes:
        artist: from `axes.plot`; the player gives it its data.
        x, y: (grid..., n) in data coordinates; an axis of the grid on which the data do not depend
            may have length 1. NaN interrupts a line; not allowed where there are markers.
    """

    artist: Line2D
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Image:
    """A heat map or a picture that changes.

    Attributes:
        artist: from `axes.imshow`; its colour map and limits hold for every state.
        values: (grid..., H, W) for the artist's colour map, or (grid..., H, W, 3) as RGB in [0, 1].
    """

    artist: AxesImage
    values: np.ndarray


@dataclass(frozen=True)
class Label:
    """A text that changes in its place.

    Attributes:
        artist: from `axes.text`.
        strings: (grid...) of str.
    """

    artist: Text
    strings: np.ndarray


def show(
    figure: Figure,
    sliders: Mapping[str, Sequence],
    marks: Sequence[Line | Image | Label],
    alt: str,
    *,
    readouts: Mapping[str, np.ndarray] | None = None,
    play: str | None = None,
    start: Mapping[str, int] | None = None,
    formats: Mapping[str, str] | None = None,
    caption: str = "",
) -> None:
    """Puts a figure with sliders on the page.

    Args:
        figure: drawn under `figures.use_style`; it is closed.
        sliders: a name and its values for each axis of the grid, in the grid's order. Strings make
            a list to choose from instead of a slider.
        marks: what moves.
        alt: a text alternative that follows the state: `{name}` stands for a slider's or a
            readout's value.
        readouts: numbers (or strings) over the grid, shown under the sliders.
        play: the slider that the Play button moves.
        start: the index at which a slider starts; 0 where it is not named.
        formats: format specifications by slider or readout, `.3g` where none is named.
        caption: as in `figures.show`.

    Raises:
        ValueError: a name in `alt`, `play`, `start` or `formats` that does not exist, an array that
            does not fit the grid, or an output larger than `MAX_BYTES`.
    """
    grid = tuple(len(values) for values in sliders.values())
    readouts = dict(readouts or {})
    state = tuple((start or {}).get(name, 0) for name in sliders)
    _check_names(sliders, readouts, play, start or {}, formats or {})
    spec = _controls(sliders, readouts, grid, state, play, formats or {})
    spec["alt"] = alt
    first_alt = _filled(alt, spec, state)

    figure.set_dpi(72)  # one point, one pixel: SVG's units
    for k, mark in enumerate(marks):
        mark.artist.set_gid(f"mark-{k}")
        _set_state(mark, grid, state)
    _settle(figure)
    spec["marks"] = [_encoded(mark, grid, figure) for mark in marks]
    wide = [_corners(mark, figure) for mark in marks]

    def on_a_phone():
        _settle(figure)
        for mark, coded, before in zip(marks, spec["marks"], wide, strict=True):
            coded["narrow"] = _moved(mark, before, figure)

    _put(figures.labelled(figures.pair(figure, on_a_phone), first_alt), spec, caption)


def frames(
    draw: Callable[..., Figure],
    sliders: Mapping[str, Sequence],
    alt: str,
    *,
    play: str | None = None,
    formats: Mapping[str, str] | None = None,
    caption: str = "",
) -> None:
    """Puts a figure on the page that is drawn whole for each state: for a few dozen states.

    Args:
        draw: takes one value a slider, in order, and returns a figure.
        sliders, alt, play, formats, caption: as in `show`.

    Raises:
        ValueError: as in `show`.
    """
    grid = tuple(len(values) for values in sliders.values())
    _check_names(sliders, {}, play, {}, formats or {})
    start = (0,) * len(grid)
    spec = _controls(sliders, {}, grid, start, play, formats or {})
    spec["alt"] = alt
    first_alt = _filled(alt, spec, start)
    values = list(sliders.values())
    spec["frames"] = [
        figures.pair(draw(*(v[i] for v, i in zip(values, index, strict=True))))
        for index in np.ndindex(*grid)
    ]
    _put(figures.labelled(spec["frames"][0], first_alt), spec, caption)


def live(draw: Callable[..., Figure], alt: str, **sliders: ipywidgets.Widget) -> None:
    """Lets the reader go beyond a stored grid where a kernel runs; elsewhere shows one picture.

    Args:
        draw: takes the widgets' values by name and returns a figure.
        alt: the text alternative of every state.
        sliders: ipywidgets by the names of `draw`'s arguments, in what versions 7.7 and 8 share.
    """
    if runtime.static():
        figures.show(
            draw(**{name: widget.value for name, widget in sliders.items()}),
            alt,
            "One state of it. In JupyterLab (<code>make lab</code>) or Colab the cell has sliders.",
        )
        return
    picture = ipywidgets.interactive_output(
        lambda **values: figures.show(draw(**values), alt), sliders
    )
    display(ipywidgets.VBox([*sliders.values(), picture]))


def _check_names(sliders, readouts, play, start, formats) -> None:
    """Sliders have values, and what is named exists."""
    if not sliders or not all(len(values) for values in sliders.values()):
        raise ValueError("A player needs sliders, and each slider needs values.")
    for asked in (*([play] if play else []), *start):
        if asked not in sliders:
            raise ValueError(f"No slider is called {asked!r}; there are {list(sliders)}.")
    for name in formats:
        if name not in sliders and name not in readouts:
            raise ValueError(f"No slider or readout is called {name!r}, as `formats` has it.")
    for name, index in start.items():
        if not 0 <= index < len(sliders[name]):
            raise ValueError(f"{name!r} starts at {index}; it has {len(sliders[name])} values.")


def _controls(sliders, readouts, grid, state, play, formats) -> dict[str, Any]:
    """What the controls say: labels, and every value as the reader sees it."""

    def text(name, value):
        return value if isinstance(value, str) else format(value, formats.get(name, ".3g"))

    return {
        "sliders": [
            {
                "label": name,
                "values": [text(name, value) for value in values],
                "choice": isinstance(values[0], str),
                "start": start,
                "play": name == play,
            }
            for (name, values), start in zip(sliders.items(), state, strict=True)
        ],
        "readouts": [
            {
                "label": name,
                "values": [text(name, v) for v in np.asarray(values).reshape(-1).tolist()],
                "shape": _grid_of(np.asarray(values), grid, 0, name),
            }
            for name, values in readouts.items()
        ],
    }


def _filled(alt: str, spec: dict, state: tuple[int, ...]) -> str:
    """The text alternative of one state."""
    values = {s["label"]: s["values"][i] for s, i in zip(spec["sliders"], state, strict=True)}
    for readout in spec["readouts"]:
        strings = np.array(readout["values"], dtype=object).reshape(readout["shape"])
        values[readout["label"]] = _at(strings, state)
    for name in _NAMES.findall(alt):
        if name not in values:
            known = ", ".join(map(repr, values))
            raise ValueError(f"The alt text names {name!r}; it can name {known}.")
    return _NAMES.sub(lambda match: values[match[1]], alt)


def _grid_of(array: np.ndarray, grid: tuple[int, ...], trailing: int, what: str) -> list[int]:
    """The part of the array's shape that runs over the grid."""
    shape = array.shape[: array.ndim - trailing]
    fits = len(shape) == len(grid) and all(n in (1, m) for n, m in zip(shape, grid, strict=True))
    if not fits:
        raise ValueError(
            f"{what} has shape {array.shape}; its first axes must be those of the sliders, {grid} "
            f"(or 1 where it does not depend on one), followed by {trailing} of its own."
        )
    return list(shape)


def _at(array: np.ndarray, state: tuple[int, ...]):
    """The array's entry for a state, axes of length 1 broadcast."""
    return array[tuple(min(i, n - 1) for i, n in zip(state, array.shape, strict=False))]


def _set_state(mark, grid: tuple[int, ...], state: tuple[int, ...]) -> None:
    """Gives the artist the data of one state, and its axes room for all of them."""
    if isinstance(mark, Line):
        x, y = np.asarray(mark.x, float), np.asarray(mark.y, float)
        for name, values in (("x", x), ("y", y)):
            _grid_of(values, grid, 1, f"A line's {name}")
            if mark.artist.get_marker() != "None" and not np.isfinite(values).all():
                raise ValueError(
                    f"A line with markers needs finite numbers; its {name} has others."
                )
        mark.artist.set_data(_at(x, state), _at(y, state))
        axes = mark.artist.axes
        corners = [[np.nanmin(x), np.nanmin(y)], [np.nanmax(x), np.nanmax(y)]]
        axes.update_datalim(corners)
        axes.autoscale_view()
    elif isinstance(mark, Image):
        if not np.isfinite(mark.values).all():
            raise ValueError("An image needs finite numbers.")
        mark.artist.set_data(_at(np.asarray(mark.values), state))
    else:
        mark.artist.set_text(str(_at(np.asarray(mark.strings), state)))


def _settle(figure: Figure) -> None:
    """Lays the figure out with SVG's text metrics, not the screen's; that layout is final."""
    figure.savefig(io.StringIO(), format="svg")
    figure.set_layout_engine("none")


def _corners(mark, figure: Figure) -> np.ndarray | None:
    """Where a line's artist puts the corners of its axes' limits, in the picture's units (2, 2)."""
    if not isinstance(mark, Line):
        return None
    axes = mark.artist.axes
    corners = np.column_stack([axes.get_xlim(), axes.get_ylim()])
    places = mark.artist.get_transform().transform(corners)
    return places * [1, -1] + [0, figure.bbox.height]


def _moved(mark, before: np.ndarray | None, figure: Figure) -> Any:
    """How a mark of the wide picture lies in the narrow one.

    Returns:
        For a line factor and offset in x, then in y; for a label its place and size; None for an
        image.
    """
    if isinstance(mark, Label):
        return {"at": _svg_position(mark.artist, figure), "size": mark.artist.get_fontsize()}
    if before is None:
        return None
    after = _corners(mark, figure)
    factor = (after[1] - after[0]) / (before[1] - before[0])
    offset = after[0] - factor * before[0]
    return [round(float(v), 5) for v in (factor[0], offset[0], factor[1], offset[1])]


def _encoded(mark, grid: tuple[int, ...], figure: Figure) -> dict[str, Any]:
    """A mark's states as the script reads them."""
    if isinstance(mark, Line):
        return {
            "kind": "line",
            "x": _points(mark, 0, grid, figure),
            "y": _points(mark, 1, grid, figure),
        }
    if isinstance(mark, Image):
        return _pixels(mark, grid)
    strings = np.asarray(mark.strings)
    if mark.artist.get_rotation() or any("$" in text for text in strings.reshape(-1)):
        raise ValueError("A label that changes is plain text, not rotated and without formulas.")
    colour = mark.artist.get_color()
    return {
        "kind": "label",
        "colour": "currentColor" if colour == figures.INK else to_hex(colour),
        "baseline": {"center": "central", "top": "hanging"}.get(mark.artist.get_va(), "auto"),
        "shape": _grid_of(strings, grid, 0, "A label"),
        "strings": strings.reshape(-1).tolist(),
        "size": mark.artist.get_fontsize(),
        "anchor": {"left": "start", "center": "middle", "right": "end"}[mark.artist.get_ha()],
        "at": _svg_position(mark.artist, figure),
    }


def _svg_position(artist: Text, figure: Figure) -> list[float]:
    x, y = artist.get_transform().transform(artist.get_position())
    return [round(x, 2), round(figure.bbox.height - y, 2)]


def _points(mark: Line, axis: int, grid: tuple[int, ...], figure: Figure) -> dict[str, Any]:
    """One coordinate of a line in the picture's own units, as 16-bit integers."""
    values = np.asarray(mark.y if axis else mark.x, float)
    pairs = np.ones((values.size, 2))
    pairs[:, axis] = values.reshape(-1)
    places = mark.artist.get_transform().transform(pairs)[:, axis]
    if axis:
        places = figure.bbox.height - places
    whole = np.clip(np.round(places * _STEPS_PER_POINT), -32767, 32767)
    coded = np.where(np.isfinite(whole), whole, -32768).astype("<i2")
    return {
        "shape": _grid_of(values, grid, 1, "A line"),
        "n": values.shape[-1],
        "data": base64.b64encode(coded.tobytes()).decode(),
    }


def _pixels(mark: Image, grid: tuple[int, ...]) -> dict[str, Any]:
    """Pictures as bytes: an index into a palette, or RGB."""
    values = np.asarray(mark.values)
    rgb = values.ndim == len(grid) + 3
    if rgb and values.shape[-1] != 3:
        raise ValueError(f"pictures have three channels, RGB, not {values.shape[-1]}")
    shape = _grid_of(values, grid, 3 if rgb else 2, "An image")
    coded = {"kind": "image", "shape": shape, "height": values.shape[len(grid)]}
    coded["width"] = values.shape[len(grid) + 1]
    if rgb:
        levels = np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)
    else:
        scaled = np.asarray(mark.artist.norm(values))
        levels = np.round(np.clip(scaled, 0, 1) * 255).astype(np.uint8)
        palette = mark.artist.cmap(np.arange(256) / 255)[:, :3]
        coded["palette"] = base64.b64encode(np.round(palette * 255).astype(np.uint8)).decode()
    if rgb and levels.size > _SHEET:
        coded |= _sheet(levels.reshape(-1, *levels.shape[-3:]))
    else:
        coded["data"] = base64.b64encode(levels.tobytes()).decode()
    return coded


def _sheet(pictures: np.ndarray) -> dict[str, Any]:
    """Many colour pictures (n, H, W, 3) as one, row by row: a tenth of the bytes."""
    n, height, width, _ = pictures.shape
    across = math.ceil(math.sqrt(n))
    down = math.ceil(n / across)
    room = np.zeros((across * down, height, width, 3), np.uint8)
    room[:n] = pictures
    whole = room.reshape(down, across, height, width, 3).swapaxes(1, 2)
    image = PIL.Image.fromarray(whole.reshape(down * height, across * width, 3))
    return {"across": across, "sheet": base64.b64encode(figures.webp(image)).decode()}


def _put(picture: str, spec: dict[str, Any], caption: str) -> None:
    """Displays the picture, its data and the script as one output."""
    data = json.dumps(spec, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    under = f"<figcaption>{caption}</figcaption>" if caption else ""
    # Its own name: a viewer may move the script, and several notebooks may share a page.
    name = f"player-{hashlib.sha256(data.encode()).hexdigest()[:12]}-{next(_shown)}"
    script = _SCRIPT.replace("PLAYER", name)
    output = (
        f'<figure class="book-player" id="{name}" style="margin: 1em 0">'
        f"{figures.scrolling(picture)}"
        '<div class="book-controls"></div>'
        f'{under}<script type="application/json">{data}</script><script>{script}</script></figure>'
    )
    size = len(output.encode())
    if size > MAX_BYTES:
        raise ValueError(
            f"This player takes {size / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB. Store fewer "
            f"states than {math.prod(len(s['values']) for s in spec['sliders'])}, or turn sliders "
            "that multiply into a list of named cases."
        )
    display(HTML(output))
