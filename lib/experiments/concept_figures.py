"""The pictures of `concept_arrival`, one function each.

A function returns the figure and what it says in words, for `lib.book.figures.show`.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.book import figures, player
from lib.concepts import trajectory
from lib.concepts.circles import COMPOSITIONS
from lib.experiments import concept_arrival as arrival
from lib.experiments import concept_learning as learning

STEPS = (200, 2000, 8000, 20000)  # that are marked
FAR = 1.5  # squared error from which on all requests look alike
NOTHING = (0.6, 0.6, 0.6)  # where no picture shows a disc
MOVED = 0.1  # between minimum and peak: less of colour than this is not divided by


def signal_of(run_: dict) -> float:
    """A run's colour signal."""
    return run_["setting"]["signal"]


def to_the_end(runs: Sequence[dict]) -> tuple[Figure, str]:
    """Error and colour of the held-out composition from where it is heard to the end.

    Args:
        runs: Of `concept_arrival.stored_runs`; a panel a signal, a line a run.
    """
    signals = sorted({signal_of(run_) for run_ in runs})
    fig, axes = plt.subplots(
        2, len(signals), figsize=(9.4, 3.7), sharex=True, sharey="row", squeeze=False
    )
    said = []
    for (above, below), signal in zip(axes.T, signals, strict=True):
        own = [run_ for run_ in runs if signal_of(run_) == signal]
        arrives = [_draw_way(above, below, run_) for run_ in own]
        below.axhline(trajectory.LEARNED, ls="--", color=figures.GREY, lw=0.8)
        below.set(xticks=np.sqrt(STEPS), xticklabels=STEPS, xlabel="step")
        below.tick_params("x", rotation=45, labelsize=8)
        above.set(title=f"signal {signal:g}", yscale="log", ylim=(1e-4, 3))
        said.append(f"at signal {signal:g} {sum(arrives)} of {len(own)}")
    axes[0, 0].set_ylabel("squared error")
    axes[1, 0].set_ylabel("colour")
    fig.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncol=3, fontsize=9
    )
    return fig, (
        "Above the squared error, below the colour of the held-out composition over the steps, a "
        f"panel a signal, a line a run. It falls, rises and falls again. Runs that arrive: "
        f"{', '.join(said)}."
    )


def _draw_way(above: Axes, below: Axes, run_: dict) -> bool:
    """Draws a run into both panels; says whether it arrives."""
    steps, places = learning.way(run_)
    arrived = learning.measure_run(run_)["arrives"]
    corners = np.array(list(COMPOSITIONS.values()))
    error = ((places - corners) ** 2).sum(-1)
    drawn = (steps <= arrival.SHORT) | (np.arange(len(steps)) % 4 == 0)  # a page is to be light
    drawn[-1] = True
    root, first = np.sqrt(steps[drawn]), not above.lines
    above.plot(
        root, error[drawn, :-1].max(1), color=figures.GREY, lw=0.7, alpha=0.7,
        label="worst composition of training" if first else None,
    )  # fmt: skip
    kinds = ((True, figures.GREEN, "held out, arrives"), (False, figures.RED, "does not arrive"))
    for arrives, ink, label in kinds:
        there = arrived == arrives
        above.plot(  # an empty line for the other kind, so that the legend names both
            root if there else [], error[drawn, -1] if there else [], color=ink, lw=1.1,
            label=label if first else None,
        )  # fmt: skip
        if there:
            below.plot(root, places[drawn, -1, 0], color=ink, lw=1.1)
    return arrived


def resting_places(run_: dict) -> np.ndarray:
    """Mean places (2, 2) of the held-out composition: over the last fifth but one, and the last."""
    steps, places = learning.way(run_)
    last = learning.end_of(steps)
    before = slice(2 * last.start, last.start)
    return np.array([places[before, -1].mean(0), places[last, -1].mean(0)])


def shares_of_change(run_: dict) -> np.ndarray | None:
    """Which part of the change of colour comes in with the denoisers exchanged at each level.

    Returns:
        (2, levels): 0 where the pictures have the colour that the denoiser of the peak gives alone,
        1 where that of the minimum's, NaN where none shows a disc; first with the minimum's above
        a level and the peak's below, then the other way round. None where the two differ by less
        than `MOVED`, or one draws no disc.
    """
    pairs = [run_["exchange"][f"{a}-{b}"] for a, b in (("minimum", "peak"), ("peak", "minimum"))]
    colour = np.array(pairs, float)[..., 0]
    peak, minimum = colour[0, [0, -1]]  # below the highest level all is the second one's
    if not minimum - peak > MOVED:
        return None
    return (colour - peak) / (minimum - peak)


def exchanged(runs: Sequence[dict]) -> tuple[Figure, str, np.ndarray]:
    """The part of the change of colour against the level at which the denoisers are exchanged.

    Args:
        runs: Of `concept_arrival.stored_runs`.

    Returns:
        The figure, its words, and `shares_of_change` of the runs that have them, (R, 2, levels).
    """
    found = [(run_, shares_of_change(run_)) for run_ in runs]
    shares = np.array([share for _, share in found if share is not None])
    levels = np.array(runs[0]["exchange"]["levels"])
    fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.3), sharey=True)
    titles = ("minimum above, peak below", "peak above, minimum below")
    for order, (ax, title) in enumerate(zip(axes, titles, strict=True)):
        ax.semilogx(levels, shares[:, order].T, color=figures.GREY, lw=0.7, alpha=0.7)
        ax.semilogx(
            levels, np.nanmedian(shares[:, order], 0), "o-", color=figures.BLUE, label="median"
        )
        ax.set(title=title, xlabel="exchanged at noise level", ylim=(-0.4, 1.6))
        for value in (0, 1):
            ax.axhline(value, color=figures.GREY, lw=0.8, ls="--")
    axes[0].set_ylabel("colour: 0 peak's, 1 minimum's")
    axes[0].legend(fontsize=9)
    half = half_way(shares, levels)
    words = (
        f"Of {len(shares)} runs the colour that two denoisers draw together, against the noise "
        "level at which they are exchanged, as a part of the way between what each draws alone: "
        f"with the minimum's above, half of it is there at level {np.median(half):.1f} in the "
        "median. With the peak's above many pictures show no disc at middle levels."
    )
    return fig, words, shares


def half_way(shares: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The highest level (R,) by which half of the change has come in, of (R, 2, levels)."""
    return levels[(np.nan_to_num(shares[:, 0]) >= 0.5).argmax(1)]


def requests(runs: Sequence[dict]) -> None:
    """Puts the scans of what is asked for on the page: a player over signals and steps.

    Args:
        runs: Of `concept_arrival.stored_runs`, those of a signal are averaged.
    """
    colours, sizes = arrival.ASKED.values()
    signals = sorted({signal_of(run_) for run_ in runs})
    steps = sorted({int(step) for run_ in runs for step in run_["scans"]})
    errors = np.array([[_mean_errors(runs, s, step) for step in steps] for s in signals])
    obtained = np.array([[_mean_colours(runs, s, step) for step in steps] for s in signals])
    fig, (line_ax, map_ax) = plt.subplots(1, 2, figsize=(8.4, 3.5), width_ratios=(1, 1.15))
    line_ax.plot(colours, colours, color=figures.GREY, lw=0.8, ls="--")
    line_ax.axhline(1, color=figures.GREY, lw=0.8)
    (line,) = line_ax.plot([], [], color=figures.BLUE)
    line_ax.set(
        xlim=(colours[0], colours[-1]), ylim=(0, 2.5), xlabel="colour asked for, size 1",
        ylabel="colour obtained",
    )  # fmt: skip
    tint = plt.get_cmap(figures.SEQUENTIAL)
    shown = tint(1 - np.clip(errors / FAR, 0, 1) ** 0.5)[..., :3]
    shown[~np.isfinite(errors)] = NOTHING
    image = map_ax.imshow(shown[0, 0].swapaxes(0, 1), origin="lower", aspect="auto")
    h, v = arrival.HONEST
    map_ax.plot(h, v, "s", ms=22, mfc="none", mec=figures.RED, mew=2)
    map_ax.set(
        xticks=range(len(colours)), xticklabels=[f"{c:g}" for c in colours],
        yticks=range(len(sizes)), yticklabels=[f"{s:g}" for s in sizes],
        xlabel="colour asked for", ylabel="size asked for",
    )  # fmt: skip
    map_ax.grid(False)
    honest = errors[:, :, h, v]
    flat = np.where(np.isfinite(errors), errors, np.inf).reshape(*errors.shape[:2], -1)
    where = np.unravel_index(flat.argmin(-1), errors.shape[2:])
    said = [f"{error:.3f}" if np.isfinite(error) else "no disc" for error in honest.flat]
    player.show(
        fig,
        {"colour signal": [f"{s:g}" for s in signals], "step": steps},
        [
            player.Line(line, np.array(colours)[None, None], obtained),
            player.Image(image, shown.swapaxes(2, 3)),
        ],
        alt="Colour signal {colour signal}, step {step}: squared error {asked honestly} when blue "
        "and small are asked for, {asked best} at the best request, {best request}.",
        readouts={
            "asked honestly": np.array(said, object).reshape(honest.shape),
            "asked best": np.round(flat.min(-1), 3),
            "best request": _requests_in_words(where),
        },
        play="step",
        start={"colour signal": len(signals) // 2, "step": len(steps) - 1},
        formats={"step": "d"},
        caption="Left, what colour comes out when small and more or less blue is asked for; "
        "dashed: what was asked. Right, how near (blue, small) each request comes: bright is "
        "near, grey shows no disc, the square is the honest request. Means over seeds, eight "
        "pictures a request and seed, of which few may show a disc; the best request is chosen "
        "from the same ones, so its error is too low by chance.",
    )


def _requests_in_words(where: tuple) -> np.ndarray:
    colours, sizes = (np.array(values) for values in arrival.ASKED.values())
    pairs = zip(colours[where[0]].flat, sizes[where[1]].flat, strict=True)
    words = [f"colour {colour:g}, size {size:g}" for colour, size in pairs]
    return np.array(words, object).reshape(where[0].shape)


def _scans(runs: Sequence[dict], signal: float, step: int) -> np.ndarray:
    """Places (seeds, colours, sizes, 2 halves, 2)."""
    own = [run_ for run_ in runs if signal_of(run_) == signal and str(step) in run_["scans"]]
    return np.array([run_["scans"][str(step)] for run_ in own], float)


def _mean_errors(runs: Sequence[dict], signal: float, step: int) -> np.ndarray:
    scans = _scans(runs, signal, step)
    return _nanmean(((scans - 1) ** 2).sum(-1), (0, 3))


def _mean_colours(runs: Sequence[dict], signal: float, step: int) -> np.ndarray:
    """Obtained (colours,) where size 1 is asked for."""
    return _nanmean(_scans(runs, signal, step)[:, :, arrival.HONEST[1], :, 0], (0, 2))


def _nanmean(values: np.ndarray, axes: tuple) -> np.ndarray:
    """Means over what is there; NaN, without a warning, where nothing is."""
    there = np.isfinite(values)
    count = there.sum(axes)
    return np.where(count > 0, np.where(there, values, 0).sum(axes) / np.maximum(count, 1), np.nan)
