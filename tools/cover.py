"""The pictures on the opening page, in the README and beside a link, computed by the book's code.

`python -m tools.cover` (part of `make results`) writes `assets/cover.svg` for the README; the site
draws its own, in the page's ink. Both papers are on each.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.book import figures
from lib.page import drag_flow, surface
from lib.sim import linear, ood_loss, two_layer
from tools import five_minutes

ROOT = Path(__file__).resolve().parents[1]
CARD = "card.png"
FIRST = "It comes near, turns back, and arrives"
SECOND = "What composes looks at its own part"
ALT = (
    "Left: concept space with two training clusters on the axes and the held-out composition. One "
    "layer's answer bends towards it; two layers' answer approaches it, turns back towards the "
    "training cluster of the stronger concept, and returns. Right: the error at the held-out "
    "composition over training time: one layer's falls, two layers' falls, rises, and falls again."
)


def draw() -> Figure:
    """One layer and two layers learn the same task from the same small initialisation."""
    fig, (plane, curve) = plt.subplots(1, 2, figsize=(8, 3.1))
    learn(plane, curve)
    return fig


def whole() -> Figure:
    """Both papers on one picture: how a model learns to compose, and who looks where."""
    fig = plt.figure(figsize=(5.2, 5))  # read on a phone too, where it is as wide as that
    above, below = fig.subfigures(2, 1, height_ratios=(3, 2.1))
    learn(*above.subplots(1, 2))
    above.suptitle(f"1. {FIRST}", fontsize=12, x=0.01, ha="left")
    five_minutes.local_maps(below.subplots(1, 3))
    below.suptitle(f"2. {SECOND}", fontsize=12, x=0.01, ha="left")
    return fig


def learn(plane: Axes, curve: Axes | None = None) -> None:
    """Draws the paths of both models' answers and, where there is room, their errors over time."""
    task, w0 = five_minutes.CLEAR, two_layer.correlated_start(**five_minutes.START)
    t = torch.linspace(0, 9, 600, dtype=torch.float64)
    models = [
        ("one layer", figures.GREY, linear.jacobian(task, w0, t)),
        ("two layers", figures.RED, two_layer.flow(w0, task.a, t)),
    ]
    points = task.sample(80, torch.Generator().manual_seed(1))
    plane.plot(*points[:80].T, "o", ms=3, color=figures.BLUE, alpha=0.5)
    plane.plot(*points[80:].T, "o", ms=3, color=figures.ORANGE, alpha=0.5)
    for name, colour, w in models:
        plane.plot(*(w @ task.test_point).T, color=colour, label=name, lw=2.2)
        if curve:
            curve.plot(t, ood_loss(w, task), color=colour, lw=2.2)
    error = ood_loss(models[1][2], task)
    turns = error.diff().sign().diff().nonzero()[:2, 0] + 1  # where it starts and ends to rise
    dots = {"color": figures.RED, "ms": 6, "label": "turns back, returns"}
    plane.plot(*(models[1][2] @ task.test_point)[turns].T, "o", **dots)
    plane.plot(*task.test_point, "*", ms=16, color=figures.HELD_OUT)
    plane.text(2.82, 1.02, "never shown", ha="right", fontsize=9)
    plane.set(xlabel="concept 1", ylabel="concept 2", title="the answer's path", ylim=(-0.3, 1.2))
    plane.legend(loc="lower center", fontsize=9)
    if curve:
        curve.plot(t[turns], error[turns], "o", **dots)
        curve.set(xlabel="training time", title="the error on it", ylim=(0, 1.2))


def card(path: Path) -> None:
    """The picture that goes with a link to the book, 1200 by 630 pixels, as PNG."""
    fig = plt.figure(figsize=(8, 4.2), facecolor="white")
    fig.suptitle("Compositional generalisation in diffusion models", fontsize=18)
    left, right = fig.subfigures(1, 2, width_ratios=(1, 1.05))
    left.suptitle(FIRST, fontsize=13)
    right.suptitle(SECOND, fontsize=13)
    plane = left.subplots()
    learn(plane)
    plane.set_title("")
    regions = five_minutes.local_maps(right.subplots(1, 3, width_ratios=(0.001, 1, 1)))[0]
    regions.set_visible(False)  # there is room for the two maps
    fig.savefig(path, dpi=150)
    plt.close(fig)


def opening() -> str:
    """Both papers' pictures for the opening page, in the page's ink."""
    pictures = {ALT: draw(), five_minutes.LOCAL: five_minutes.who_looks_where()[0]}
    shown = (
        figures.scrolling(figures.labelled(figures.pair(fig), alt)) for alt, fig in pictures.items()
    )
    return "".join(f'<figure class="book-figure">{picture}</figure>' for picture in shown)


def flow() -> str:
    """The same flow for the opening page, to be taken hold of there."""
    caption = (
        "Two layers learn in this page: drag the arrows (how they start), the rings (what they are "
        "shown) and the ring below the error (training time). "
        '<a href="03_swing_by.html">Swing-by</a> explains what you see.'
    )
    task = five_minutes.CLEAR
    parts = drag_flow.parts(task.mu, task.sigma, **five_minutes.START)
    return surface.element("drag_flow", *parts, caption)


def main() -> None:
    """Writes the README's picture, on white, which is read on a dark page too."""
    figures.use_style()
    text = figures.labelled(figures.svg(whole()), f"{ALT} {five_minutes.LOCAL}")
    size = text.index('style="')
    text = text[:size] + 'style="background: #fff; color: #1a1a1a; ' + text[size + len('style="') :]
    (ROOT / "assets" / "cover.svg").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
