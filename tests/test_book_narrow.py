"""A figure as a phone shows it fits, and its text can be read."""

import itertools
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib.book import figures, narrow, player


@pytest.fixture(autouse=True)
def style():
    figures.use_style()
    yield
    plt.close("all")


def inside(figure) -> bool:
    """Whether all that is drawn lies within the figure, to two points."""
    box = figure.get_tightbbox().padded(-2 / 72)
    return box.x0 >= 0 and box.x1 <= figure.get_figwidth() and box.y0 >= 0


def test_plots_stand_below_each_other_with_the_scales_they_shared():
    fig, axes = plt.subplots(1, 3, figsize=(9, 3), sharey=True)
    for k, ax in enumerate(axes):
        ax.plot([0, k + 1], label="a line")
        ax.legend(fontsize=7)
    axes[0].set_ylabel("error")
    narrow.relayout(fig)
    boxes = [ax.get_window_extent() for ax in axes]
    assert all(above.y0 > below.y1 for above, below in itertools.pairwise(boxes))
    assert {ax.get_ylabel() for ax in axes} == {"error"}
    assert all(ax.yaxis.get_tick_params()["labelleft"] for ax in axes)
    assert fig.get_figwidth() == narrow.WIDTH
    assert min(text.get_fontsize() for text in axes[0].get_legend().get_texts()) >= narrow.TEXT
    assert inside(fig)


def test_a_high_panel_stays_high_only_for_the_rows_that_it_lists():
    for rows, least, most in ((20, 5, 9), (5, 2, 4)):
        fig, ax = plt.subplots(figsize=(9, 6))
        ax.barh(range(rows), range(rows))
        ax.set_yticks(range(rows))
        narrow.relayout(fig)
        assert least < fig.get_figheight() < most


@pytest.mark.parametrize(
    ("size", "names"),
    [
        ((6.4, 4), ["all labelled, hears one at random", "one labelled"] * 5),
        ((8, 6.2), ["13-16: three layers swing, in one setting"] * 17),
    ],
    ids=["few", "many"],
)
def test_long_names_along_a_scale_do_not_meet(size, names):
    figure, axes = plt.subplots(figsize=size)
    axes.set_yticks(range(len(names)), names)
    assert narrow.relayout(figure)
    figure.draw_without_rendering()
    boxes = sorted((t.get_window_extent() for t in axes.get_yticklabels()), key=lambda b: b.y0)
    assert all(low.y1 < high.y0 for low, high in itertools.pairwise(boxes))


def test_powers_along_a_scale_are_no_long_names():
    figure, axes = plt.subplots(figsize=(6.4, 2.5))
    axes.set(yscale="log", ylim=(1e-4, 3))
    before = figure.get_figheight()
    assert narrow.relayout(figure)
    assert figure.get_figheight() == before


def test_a_panel_without_a_title_gets_that_of_its_column():
    fig, axes = plt.subplots(3, 2, figsize=(9, 6))
    for ax, title in zip(axes[0], ("weak", "strong"), strict=True):
        ax.set_title(title)
    axes[2, 1].set_title("its own")
    narrow.relayout(fig)
    found = [next(t.get_text() for t in narrow._titles(ax) if t.get_text()) for ax in axes.flat]
    assert found == ["weak", "strong", "weak", "strong", "weak", "its own"]
    fig, axes = plt.subplots(2, 1, figsize=(9, 6))
    axes[0].set_title("above")
    narrow.relayout(fig)  # they stood below each other before
    assert not any(t.get_text() for t in narrow._titles(axes[1]))


def test_a_name_is_not_lent_to_a_panel_with_another_scale():
    fig, (one, two) = plt.subplots(1, 2, figsize=(9, 3))
    one.set_ylabel("error")
    narrow.relayout(fig)
    assert two.get_ylabel() == ""


def test_pictures_stay_side_by_side_where_their_titles_let_them():
    for title, columns in (("a", 4), ("a title that needs its room", 1)):
        fig, axes = plt.subplots(1, 4, figsize=(8, 2))
        for ax in axes:
            ax.imshow(np.eye(3))
            ax.set(xticks=[], yticks=[], title=title)
        narrow.relayout(fig)
        assert len({round(ax.get_position().x0, 2) for ax in axes}) == columns
        assert inside(fig)


def test_a_wide_legend_goes_below_and_a_long_title_over_two_lines():
    fig, ax = plt.subplots(figsize=(7, 3))
    ax.plot([0, 1], label="a label that takes most of the width of a telephone")
    ax.legend()
    ax.set(xlabel="time", title="a title that is longer than any telephone is wide, by far")
    narrow.relayout(fig)
    assert ax.get_legend().get_window_extent().y1 <= ax.get_window_extent().y0
    assert ax._left_title.get_window_extent().height > 2 * ax._left_title.get_fontsize()
    assert inside(fig)


def test_a_tall_legend_below_stays_clear_of_the_scale_s_name():
    fig, ax = plt.subplots(figsize=(6, 3))
    for k in range(5):
        ax.plot([0, k], label=f"line {k}, whose name takes most of a line")
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    ax.set(xlabel="objects asked for")
    narrow.relayout(fig)
    assert ax.get_legend().get_window_extent().y1 <= ax.xaxis.label.get_window_extent().y0
    assert inside(fig)


def test_a_small_legend_outside_goes_below_its_own_panel():
    fig, axes = plt.subplots(1, 2, figsize=(8, 3))
    for ax in axes:
        ax.plot([0, 1], label="a")
        ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.2))
    narrow.relayout(fig)
    first, second = (ax.get_legend().get_window_extent() for ax in axes)
    assert axes[1].title.get_window_extent().y1 <= first.y0
    assert first.y1 <= axes[0].xaxis.label.get_window_extent().y0
    assert second.y1 <= axes[1].xaxis.label.get_window_extent().y0
    assert inside(fig)


@pytest.mark.parametrize("place", ["lower", "upper"])
def test_a_legend_of_the_whole_figure_gets_as_many_columns_as_there_is_room_for(place):
    names = ["held out", "sum of the single ways", "interaction", "at random"]
    for shown, columns in ((names[::3], 2), (names, 2), ([f"{n}, {n}, {n}" for n in names], 1)):
        fig, ax = plt.subplots(figsize=(9, 3))
        for k, name in enumerate(shown):
            ax.plot([0, k], label=name, color=figures.COLOURS[k])
        fig.legend(loc=f"outside {place} center", ncol=4, fontsize=9)
        narrow.relayout(fig)
        (legend,) = fig.legends
        assert [text.get_text().replace("\n", " ") for text in legend.get_texts()] == shown
        inks = [handle.get_color() for handle in legend.legend_handles]
        assert inks == [*figures.COLOURS[: len(shown)]]
        lefts = {round(text.get_window_extent().x0) for text in legend.get_texts()}
        assert len(lefts) == columns, shown
        assert inside(fig)


def test_a_legend_that_goes_below_takes_no_room_from_its_panel():
    heights = []
    for count in (0, 9):
        fig, ax = plt.subplots(figsize=(7, 3))
        for k in range(count):
            ax.plot([0, 1], label=f"line {k}, of many that are named")
        if count:
            ax.legend()
        narrow.relayout(fig)
        heights.append(ax.get_window_extent().height)
    assert heights[1] == pytest.approx(heights[0], rel=0.1)


def test_strips_below_each_other_stand_close():
    """They get lower with the page, and so do the rows they stand in."""
    fig, axes = plt.subplots(3, 1, figsize=(8.4, 4.05))
    for ax in axes:
        ax.imshow(np.zeros((32, 202)))
        ax.set_title("a row", fontsize=9, loc="left")
        ax.axis("off")
    narrow.relayout(fig)
    boxes = [ax.get_window_extent() for ax in axes]
    gaps = [above.y0 - below.y1 for above, below in itertools.pairwise(boxes)]
    assert max(gaps) < boxes[0].height
    assert boxes[0].width > 0.9 * fig.get_figwidth() * fig.dpi


def test_long_names_along_a_scale_are_broken_and_where_nothing_helps_the_wide_one_does():
    fig, ax = plt.subplots(figsize=(8, 2))
    ax.barh(range(3), [1, 2, 3])
    ax.set_yticks(range(3), ["a name that is far too long for any telephone of these days"] * 3)
    assert narrow.relayout(fig)
    assert ax.get_window_extent().width > 0.4 * fig.bbox.width
    fig, ax = plt.subplots(figsize=(8, 2))
    ax.set_yticks([0], ["one$x$word" * 7])
    assert figures.pair(fig).count("<svg ") == 1


def test_a_small_figure_is_left_alone_and_axes_of_no_grid_keep_their_place():
    small, ax = plt.subplots(figsize=(3, 2))
    ax.set_title("a", fontsize=10)
    assert narrow.fits(small)
    free = plt.figure(figsize=(7, 3), layout="none")
    free.add_axes([0.1, 0.1, 0.8, 0.8])
    narrow.relayout(free)
    assert free.get_figwidth() == narrow.WIDTH


def test_a_phone_s_figure_is_as_wide_as_what_margins_leave_of_it():
    assert round(96 * narrow.WIDTH) == 346  # CSS pixels of a phone's 390
    assert round(96 / 72 * narrow.TEXT, 1) == 11.2
    fig, ax = plt.subplots(figsize=(3.6, 2))
    ax.set_title("a", fontsize=9)
    ax.tick_params(labelsize=8.4)
    assert narrow.fits(fig)
    ax.tick_params(labelsize=8.3)
    assert not narrow.fits(fig)
    ax.tick_params(labelsize=8.4)
    fig.set_figwidth(3.61)
    assert not narrow.fits(fig)


def test_a_drawing_with_equal_scales_is_as_high_as_its_width_makes_it():
    for top, height in ((1, 0.8 * 3.6 / 2 + 0.6), (3, 0.8 * 3.6 * 1.5 + 0.6), (8, 6)):
        fig, ax = plt.subplots(figsize=(9, 6))
        ax.set(xlim=(-1, 1), ylim=(0, top), aspect="equal")
        narrow.relayout(fig)
        assert fig.get_figheight() == pytest.approx(height)


def test_pictures_keep_their_shape_and_their_rows_stay_equal():
    for letters, columns, height in ((1, 4, 0.9), (10, 2, 3.6), (16, 2, 3.6), (30, 1, 8.0)):
        fig, axes = plt.subplots(1, 4, figsize=(8, 2))
        for ax in axes:
            ax.set(xticks=[], yticks=[], title="n" * letters)
        narrow.relayout(fig)
        assert len({round(ax.get_position().x0, 2) for ax in axes}) == columns, letters
        assert fig.get_figheight() == pytest.approx(height)


def test_both_pictures_share_their_glyphs_and_no_identifier():
    fig, ax = plt.subplots(figsize=(7, 3))
    ax.set_title("glyphs")
    text = figures.pair(fig)
    opened = re.findall(r"<svg [^>]*>", text)
    assert ["book-wide" in tag for tag in opened] == [True, False]
    assert ["book-narrow" in tag for tag in opened] == [False, True]
    assert "display: none" in opened[1]
    assert text.count("display: none") == 1
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(ids)
    assert text.count('<path id="') < 1.5 * text.split("book-narrow")[0].count('<path id="')


def test_a_mark_lies_on_the_axes_of_both_pictures(monkeypatch):
    """The line that the first state draws goes through the same points as the moved one."""
    kept = []
    monkeypatch.setattr(player, "_put", lambda picture, spec, caption: kept.append((picture, spec)))
    fig, (ax, _) = plt.subplots(1, 2, figsize=(8, 3))
    ax.set_yscale("log")
    (line,) = ax.plot([1.0], [1.0])
    x, y = np.array([[1.0, 2, 3], [2, 3, 4]]), np.array([[1.0, 10, 50], [3, 4, 90]])
    player.show(fig, {"k": [0, 1]}, [player.Line(line, x, y)], alt="k {k}")
    picture, spec = kept[0]
    paths = [
        np.array(re.findall(r"-?[\d.]+", re.search(r' d="([^"]+)"', group)[1]), float)
        for group in re.findall(r'<g id="[^"]*mark-0">.*?</g>', picture, re.S)
    ]
    assert len(paths) == 2
    wide, phone = (path.reshape(-1, 2) for path in paths)
    ax_, bx, ay, by = spec["marks"][0]["narrow"]
    assert np.abs(wide * [ax_, ay] + [bx, by] - phone).max() < 0.05
