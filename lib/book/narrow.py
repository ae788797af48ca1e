"""A figure as it fits a phone: its panels below each other, its text no smaller than it reads well.

The figure is laid out a second time at the width of a phone. Plots get the full width; small
pictures without scales stay side by side as long as they fit. Nothing is drawn anew: the artists
are the same, so what moves in a player moves in both.
"""

import math
import textwrap
import warnings

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import ScaledTranslation

WIDTH = 3.6  # inches; 346 CSS pixels, what a phone of 390 leaves beside its margins
TEXT = 8.4  # points: 11.2 CSS pixels
_TILE = 0.85  # inches: the least width of a picture beside others
_HANDLE = 60  # points beside the text of a legend: its handle, and the panel's scale
_NAME = 16  # letters of a line of a name along a scale
_LEGEND = 0.55  # of a panel's width or height: a larger legend goes below it


def fits(figure: Figure) -> bool:
    """Whether the figure fits a phone as it is."""
    small = min((text.get_fontsize() for text in _texts(figure)), default=TEXT)
    return figure.get_figwidth() <= WIDTH and small >= TEXT


def relayout(figure: Figure) -> bool:
    """Lays the figure out for a phone, in place.

    Args:
        figure: of axes on one grid; one with other axes keeps its arrangement and is only made
            narrower.

    Returns:
        Whether there is room for what it says; if not, the wide one has to do.
    """
    panels = _panels(figure)
    height = figure.get_figheight()
    for legend in figure.legends.copy():
        _in_columns(legend)
    texts = _texts(figure)
    if panels:
        columns, heights = _arranged(panels, height)
        if columns < _columns(panels):
            for axes in panels:
                _with_scales(axes, panels)
                _with_title(axes, panels)
        grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
        for k, axes in enumerate(panels):
            axes.set_subplotspec(grid[k // columns, k % columns])
        height = sum(heights)
    figure.set_size_inches(WIDTH, height)
    named = {label for axes in figure.axes for label in axes.get_yticklabels()}  # see `_wrap_scale`
    named |= {text for legend in figure.legends for text in legend.get_texts()}
    for text in texts:
        text.set_fontsize(max(text.get_fontsize(), TEXT))
        if text not in named and (text.axes is None or text in _headings(text.axes)):
            text.set_wrap(True)
    for axes in figure.axes:
        _wrap_scale(axes)
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    for legend in legends:  # first the panels, then whether a legend has room in its own
        legend.set_in_layout(False)
        for text in legend.get_texts():
            text.set_text(_filled(text))
    on_grid = any(axes.get_subplotspec() for axes in figure.axes)
    figure.set_layout_engine("constrained" if on_grid else "none")
    if not _lay_out(figure):
        return False
    room = sum(_below(legend) for legend in legends)
    figure.set_size_inches(WIDTH, figure.get_figheight() + room)
    return _lay_out(figure)


def _wrap_scale(axes: Axes) -> None:
    """Breaks the names along a scale that would leave no room for the panel."""
    names = _broken(axes)
    if any(len(lines) > 1 for lines in names):
        axes.set_yticks(axes.get_yticks(), ["\n".join(lines) for lines in names])


def _broken(axes: Axes) -> list[list[str]]:
    """The lines of the names along a scale; none if they are formulas, which cannot be broken."""
    names = [label.get_text() for label in axes.get_yticklabels()]
    return [] if any("$" in name for name in names) else [textwrap.wrap(n, _NAME) for n in names]


def _lay_out(figure: Figure) -> bool:
    """Lets the layout settle, in a taller figure where there is no room in this one."""
    for _ in range(4):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            figure.draw_without_rendering()
        if not said:
            return True
        figure.set_size_inches(WIDTH, 1.3 * figure.get_figheight())
    return False


def _panels(figure: Figure) -> list[Axes]:
    """The axes in reading order, without colour bars; none if they lie on several grids."""
    panels = [axes for axes in figure.axes if not hasattr(axes, "_colorbar")]
    specs = [axes.get_subplotspec() for axes in panels]
    if figure.subfigs or not specs or None in specs:
        return []
    if len({id(spec.get_gridspec()) for spec in specs}) > 1:
        return []
    starts = {a: (s.rowspan.start, s.colspan.start) for a, s in zip(panels, specs, strict=True)}
    return sorted((axes for axes in panels if axes.get_visible()), key=starts.get)


def _columns(panels: list[Axes]) -> int:
    """How many panels stand side by side."""
    return max(axes.get_subplotspec().colspan.stop for axes in panels)


def _arranged(panels: list[Axes], height: float) -> tuple[int, list[float]]:
    """How many columns a phone shows, and the height of each row in inches."""
    before = _columns(panels)
    rows = max(axes.get_subplotspec().rowspan.stop for axes in panels)
    if all(_is_tile(axes) for axes in panels):
        across = panels[0].figure.get_figwidth() / before
        columns = min(before, max(1, int(WIDTH / max(_TILE, _widest_title(panels)))))
        while before % columns and columns > 2:  # equal rows, so that a grid stays one
            columns -= 1
        if before == 1:  # strips, which a narrower page makes lower
            return 1, [_height(axes, height / rows) for axes in panels]
        scale = min(1.0, WIDTH / columns / across) if columns > 1 else 1.0
        return columns, [height / rows * scale] * math.ceil(len(panels) / columns)
    return 1, [_height(axes, height / rows) for axes in panels]


def _widest_title(panels: list[Axes]) -> float:
    """The width in inches that the panels' titles need."""
    titles = [text for axes in panels for text in _headings(axes) if text.get_text()]
    sizes = [t.get_window_extent().width * max(1, TEXT / t.get_fontsize()) for t in titles]
    return max(sizes, default=0) / panels[0].figure.dpi + 0.1


def _height(axes: Axes, before: float) -> float:
    """The height of a panel that has the width to itself."""
    spec = axes.get_subplotspec()
    before *= len(spec.rowspan)
    if axes.get_aspect() == "auto":
        alike = axes.get_shared_y_axes().get_siblings(axes)  # of which one alone has the names
        usual = min(before, 3.2) if len(axes.get_yticks()) < 12 else before
        return max(usual, *map(_room, alike))
    x0, x1 = axes.get_xlim()
    y0, y1 = axes.get_ylim()
    shape = abs(y1 - y0) / abs(x1 - x0) * float(axes.get_aspect())
    if _is_tile(axes):  # beside it nothing, and a line above
        return min(before, WIDTH * shape + 0.35)
    return min(max(before, 1.0), 0.8 * WIDTH * shape + 0.6)


def _room(axes: Axes) -> float:
    """The height in inches at which names along the scale that are broken do not meet."""
    names = _broken(axes)
    lines = max(map(len, names), default=0)
    size = max((label.get_fontsize() for label in axes.get_yticklabels()), default=TEXT)
    return lines * len(names) * 1.6 * max(size, TEXT) / 72 + 0.6 if lines > 1 else 0.0


def _is_tile(axes: Axes) -> bool:
    """Whether a panel is a picture without scales."""
    bare = not len(axes.get_xticks()) and not len(axes.get_yticks())
    return bare or not axes.axison


def _with_scales(axes: Axes, panels: list[Axes]) -> None:
    """Gives a panel the scales and names that it shares with those beside and below it."""
    for name, shared, tick in (
        ("x", axes.get_shared_x_axes(), "labelbottom"),
        ("y", axes.get_shared_y_axes(), "labelleft"),
    ):
        others = [other for other in shared.get_siblings(axes) if other in panels]
        if len(others) > 1:
            named = [getattr(other, f"get_{name}label")() for other in others]
            getattr(axes, f"set_{name}label")(next(filter(None, named), ""))
            axes.tick_params(**{tick: True})


def _with_title(axes: Axes, panels: list[Axes]) -> None:
    """Gives a panel without a title that of its column."""
    spec = axes.get_subplotspec()
    column = [p for p in panels if p.get_subplotspec().colspan.start == spec.colspan.start]
    above = [p for p in column if p.get_subplotspec().rowspan.start < spec.rowspan.start]
    titles = [t for p in above for t in _titles(p) if t.get_text()]
    if titles and not any(t.get_text() for t in _titles(axes)):
        axes.set_title(titles[-1].get_text(), fontsize=titles[-1].get_fontsize())


def _texts(figure: Figure) -> list:
    """Every text that the figure shows."""
    figure.draw_without_rendering()  # labels of ticks exist once drawn
    return [t for t in figure.findobj(Text) if t.get_visible() and t.get_text()]


def _titles(axes: Axes) -> list:
    return [axes.title, axes._left_title, axes._right_title]


def _headings(axes: Axes) -> list:
    return [*_titles(axes), axes.xaxis.label]


def _filled(text: Text) -> str:
    """A name of a legend, in lines that a phone has room for."""
    letters = int((WIDTH * 72 - _HANDLE) / (0.62 * max(text.get_fontsize(), TEXT)))
    return textwrap.fill(text.get_text(), letters)


def _in_columns(legend: Legend) -> None:
    """Puts a legend of the whole figure below it, in as many columns as a phone has room for."""
    figure, room = legend.figure, WIDTH * legend.figure.dpi
    if legend.get_window_extent().width <= room:
        return
    handles, names = legend.legend_handles, [_filled(text) for text in legend.get_texts()]
    for columns in range(len(names), 0, -1):
        legend.remove()
        legend = figure.legend(
            handles, names, loc="outside lower center", ncols=columns, fontsize=TEXT
        )
        if legend.get_window_extent().width <= room:
            return


def _below(legend: Legend) -> float:
    """Puts a legend below its panel where it would cover much of it, or lies outside.

    Returns:
        The height in inches that it takes there; 0 where it stays.
    """
    box, panel = legend.get_window_extent(), legend.axes.get_window_extent()
    small = box.width <= _LEGEND * panel.width and box.height <= _LEGEND * panel.height
    if small and panel.count_contains(box.corners()) == 4:
        return 0.0
    # Below the scale and its name, by inches: the panel gets lower when the legend takes its room.
    figure = legend.axes.figure
    under = (legend.axes.get_tightbbox().y0 - panel.y0) / figure.dpi
    below = ScaledTranslation(0, under, figure.dpi_scale_trans)
    legend.set_loc("upper left")
    legend.set_bbox_to_anchor((0, 0), legend.axes.transAxes + below)
    legend.set_in_layout(True)
    return box.height / figure.dpi
