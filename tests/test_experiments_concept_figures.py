"""The pictures of the long runs: as many marks as measurements, and what they say of them."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib.book import figures
from lib.experiments import concept_arrival as arrival
from lib.experiments import concept_figures as pictures
from lib.experiments import concept_learning as learning

RUNS = list(arrival.stored_runs(arrival.SHORT).values())
MAIN = [run_ for run_ in RUNS if arrival.Setting(**run_["setting"]) in arrival.MAIN]


@pytest.fixture(autouse=True)
def style():
    figures.use_style()
    yield
    plt.close("all")


def test_the_ways_to_the_end_are_a_line_a_run_in_the_panel_of_its_signal():
    fig, words = pictures.to_the_end(MAIN)
    above, below = fig.axes[:5], fig.axes[5:]
    assert [ax.get_title(loc="left") for ax in above] == [f"signal {s}" for s in arrival.SIGNALS]
    for ax, signal in zip(below, arrival.SIGNALS, strict=True):
        own = [r for r in MAIN if pictures.signal_of(r) == signal]
        lines = [line.get_xydata() for line in ax.lines[: len(own)]]
        for run_, line in zip(own, lines, strict=True):
            steps, places = learning.way(run_)
            assert np.allclose(line, np.stack([np.sqrt(steps), places[:, -1, 0]], 1))
    assert "signal 0.4 0 of 3" in words
    errors = [line.get_ydata() for line in above[0].lines if line.get_color() == figures.RED]
    first = learning.way(next(r for r in MAIN if pictures.signal_of(r) == 0.3))[1][:, -1]
    assert any(np.allclose(e, ((first - 1) ** 2).sum(1)) for e in errors if len(e) == len(first))


def test_a_run_that_arrives_has_the_ink_of_one_that_does(monkeypatch):
    measured = learning.measure_run(MAIN[0])
    monkeypatch.setattr(learning, "measure_run", lambda run_: measured | {"arrives": True})
    fig, words = pictures.to_the_end(MAIN[:1])
    assert [line.get_color() for line in fig.axes[1].lines[:1]] == [figures.GREEN]
    assert "1 of 1" in words
    assert [t.get_text() for t in fig.legends[0].get_texts()] == [
        "worst composition of training",
        "held out, arrives",
        "does not arrive",
    ]


def test_where_a_run_rests_is_its_last_two_fifths():
    steps, places = learning.way(MAIN[0])
    count = len(steps) // 5
    before, last = pictures.resting_places(MAIN[0])
    assert np.allclose(last, places[-count:, 3].mean(0))
    assert np.allclose(before, places[-2 * count : -count, 3].mean(0))
    assert not np.allclose(before, last)


def drawn_together(first, second):
    pairs = {"minimum-peak": first, "peak-minimum": second}
    return {"exchange": {name: [[c, 1.0] for c in pair] for name, pair in pairs.items()}}


def test_a_share_of_the_change_is_counted_from_the_peak_to_the_minimum():
    run_ = drawn_together([0.4, 0.5, 0.8], [0.8, None, 0.4])
    shares = pictures.shares_of_change(run_)
    assert np.allclose(shares, [[0, 0.25, 1], [1, np.nan, 0]], equal_nan=True)
    assert pictures.shares_of_change(drawn_together([0.4, 0.4, 0.48], [0.48, 0.4, 0.4])) is None
    assert pictures.shares_of_change(drawn_together([0.4, 0.4, None], [None, 0.4, 0.4])) is None
    levels = np.array([9.0, 3.0, 1.0])
    assert pictures.half_way(np.array([shares]), levels) == [1.0]
    late = np.array([[[0, 0.5, 0.2], [0, 0, 0]], [[0, np.nan, 1], [0, 0, 0]]])
    assert pictures.half_way(late, levels).tolist() == [3.0, 1.0]


def test_the_picture_of_the_exchange_shows_every_run_that_changed():
    fig, words, shares = pictures.exchanged(MAIN)
    changed = [s for s in map(pictures.shares_of_change, MAIN) if s is not None]
    assert np.array_equal(shares, changed, equal_nan=True)
    for order, ax in enumerate(fig.axes):
        assert np.allclose(ax.lines[0].get_ydata(), shares[0, order], equal_nan=True)
        assert np.allclose(ax.lines[len(shares)].get_ydata(), np.nanmedian(shares[:, order], 0))
    assert words.startswith(f"Of {len(shares)} runs")


def test_the_player_of_requests_says_what_the_scans_say(monkeypatch):
    put = {}
    monkeypatch.setattr(
        pictures.player, "show", lambda fig, sliders, marks, **more: put.update(locals())
    )
    pictures.requests(MAIN)
    steps = sorted(map(int, MAIN[0]["scans"]))
    assert list(put["sliders"]["step"]) == steps
    s, t = arrival.SIGNALS.index(0.5), len(steps) - 1
    own = [r["scans"][str(steps[t])] for r in MAIN if pictures.signal_of(r) == 0.5]
    scans = np.array(own, float)
    error = np.nanmean(((scans - 1) ** 2).sum(-1), (0, 3))
    asked = put["more"]["readouts"]
    assert asked["asked honestly"][s, t] == f"{error[arrival.HONEST]:.3f}"
    assert asked["asked best"][s, t] == pytest.approx(np.nanmin(error), abs=1e-3)
    colour, size = map(float, re.findall(r"[\d.]+", asked["best request"][s, t]))
    where = [list(v).index(x) for v, x in zip(arrival.ASKED.values(), (colour, size), strict=True)]
    assert error[tuple(where)] == np.nanmin(error)
    line, image = put["marks"]
    honest_size = np.nanmean(scans[:, :, arrival.HONEST[1], :, 0], (0, 2))
    assert np.allclose(line.y[s, t], honest_size, equal_nan=True)
    near, far = image.values[s, t].swapaxes(0, 1)[tuple(where)], image.values[s, t].swapaxes(0, 1)
    brightest = np.unravel_index(far.sum(-1).argmax(), error.shape)
    assert np.allclose(near, far[brightest])


def test_where_no_picture_shows_a_disc_the_map_is_grey_and_the_readout_says_so(monkeypatch):
    put = {}
    monkeypatch.setattr(pictures.player, "show", lambda *a, **more: put.update(more, marks=a[2]))
    shape = [len(v) for v in arrival.ASKED.values()]
    scan = np.full((*shape, 2, 2), None)
    scan[0, 0] = 1.0
    pictures.requests([{"setting": {"signal": 0.5}, "scans": {"10": scan.tolist()}}])
    assert put["readouts"]["asked honestly"].tolist() == [["no disc"]]
    assert put["readouts"]["asked best"].tolist() == [[0.0]]
    grey = (put["marks"][1].values[0, 0] == pictures.NOTHING).all(-1)
    assert grey.sum() == grey.size - 1
