"""Figures follow light and dark, carry their text, and are the same on every run."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib.book import figures


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", figures.COLOURS)
def test_colours_stand_out_on_white_and_on_near_black(colour):
    ours = luminance(colour) + 0.05
    assert 1.05 / ours >= 3
    assert ours / (luminance("#121212") + 0.05) >= 3


def drawn():
    figures.use_style()
    fig, ax = plt.subplots()
    ax.plot([1, 3, 2], label="a line")
    ax.set(xlabel="x", title="$\\mu_1$")
    ax.legend()
    return fig


def test_ink_is_the_page_s_text_colour_and_ids_are_unique():
    one, two = figures.svg(drawn()), figures.svg(drawn())
    assert figures.INK not in one
    assert "currentColor" in one
    assert "<style" not in one  # it would hold for the whole page
    ids = re.findall(r'\bid="([^"]+)"', one + two)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', one))
    assert used <= set(ids)


def test_what_a_player_may_replace_defines_nothing_that_others_use():
    text = figures.svg(drawn())
    head = text[: text.index("<g ")]
    assert head.count("<defs>") == text.count("<defs>") > 1


def test_the_same_figure_twice_is_the_same_but_for_its_prefix():
    one, two = (re.sub(r"\bf\d+-", "", figures.svg(drawn())) for _ in range(2))
    assert one == two


HOSTILE = {
    "savefig.bbox": "tight", "savefig.pad_inches": 1.0, "figure.dpi": 200, "font.family": "serif",
    "axes.xmargin": 0.3, "lines.marker": "o", "xtick.direction": "in", "svg.fonttype": "none",
    "axes.facecolor": "#000000", "legend.fontsize": 20, "image.origin": "lower",
}  # fmt: skip


def test_nothing_of_the_machine_s_matplotlibrc_reaches_a_figure():
    usual = re.sub(r"\bf\d+-", "", figures.svg(drawn()))
    plt.rcParams.update(HOSTILE)
    assert re.sub(r"\bf\d+-", "", figures.svg(drawn())) == usual
    figures.use_style()
    plt.rcParams["savefig.bbox"] = "tight"  # set after the style
    fig = drawn()
    plt.rcParams["savefig.bbox"] = "tight"
    assert re.sub(r"\bf\d+-", "", figures.svg(fig)) == usual


def test_a_figure_is_as_wide_as_it_is_said_to_be_and_no_wider_than_the_page():
    figures.use_style()
    fig, _ = plt.subplots(figsize=(4.0, 2.0))
    text = figures.svg(fig)
    assert "width: min(100%, 384px); height: auto" in text  # 96 pixels an inch
    assert re.search(r'viewBox="0 0 288 144"', text)


def test_only_pictures_that_gain_much_are_compressed():
    figures.use_style()
    for side, kind in ((20, "png"), (200, "webp")):
        fig, ax = plt.subplots(figsize=(3, 3))
        ax.imshow(np.random.default_rng(0).random((side, side, 3)))
        assert re.findall(r"data:image/(\w+);base64", figures.svg(fig)) == [kind]


def test_a_band_holds_the_middle_four_fifths_of_the_curves():
    figures.use_style()
    _, ax = plt.subplots()
    x = np.arange(3.0)
    figures.band(ax, x, np.arange(11.0)[::-1, None] + x, figures.BLUE, "runs")
    (line,), (area,) = ax.lines, ax.collections
    assert line.get_label() == "runs"
    assert np.allclose(line.get_xydata(), np.column_stack([x, 5 + x]))
    corners = area.get_paths()[0].vertices
    for k in range(3):
        heights = corners[corners[:, 0] == k, 1]
        assert np.allclose([heights.min(), heights.max()], [1 + k, 9 + k])
    plt.close("all")


def test_a_figure_without_alt_text_is_refused():
    with pytest.raises(ValueError, match="alt text"):
        figures.show(drawn(), alt=" ")
    plt.close("all")


def test_the_alt_text_is_escaped(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "display", lambda html: shown.append(html.data))
    figures.show(drawn(), alt='a "quoted" <line>', caption="Look <em>here</em>.")
    assert 'role="img" aria-label="a &quot;quoted&quot; &lt;line&gt;"' in shown[0]
    assert "<figcaption>Look <em>here</em>.</figcaption>" in shown[0]
