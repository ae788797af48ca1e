"""The picture on the opening page and in the README, computed by the book's own code.

`python -m tools.cover` (part of `make results`) writes `assets/cover.svg` for the README; the site
draws it anew, in the page's own ink.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from lib.book import figures
from lib.page import drag_flow, surface
from lib.sim import SIMTask, linear, ood_loss, two_layer

ROOT = Path(__file__).resolve().parents[1]
CARD = "card.png"
ALT = (
    "Left: concept space with two training clusters on the axes and the held-out composition. One "
    "layer's answer bends towards it; two layers' answer approaches it, turns back towards the "
    "training cluster of the stronger concept, and returns. Right: the error at the held-out "
    "composition over training time: one layer's falls, two layers' falls, rises, and falls again."
)


def draw() -> Figure:
    """One layer and two layers learn the same task from the same small initialisation."""
    task = SIMTask(mu=(3.0, 1.0), sigma=(0.05, 0.05))
    w0 = two_layer.correlated_start(0.1, 0.97)
    t = torch.linspace(0, 9, 600, dtype=torch.float64)
    models = [
        ("one layer", figures.GREY, linear.jacobian(task, w0, t)),
        ("two layers", figures.RED, two_layer.flow(w0, task.a, t)),
    ]
    points = task.sample(80, torch.Generator().manual_seed(1))
    fig, (plane, curve) = plt.subplots(1, 2, figsize=(8, 3.1))
    plane.plot(*points[:80].T, "o", ms=3, color=figures.BLUE, alpha=0.5)
    plane.plot(*points[80:].T, "o", ms=3, color=figures.ORANGE, alpha=0.5)
    for name, colour, w in models:
        plane.plot(*(w @ task.test_point).T, color=colour, label=name, lw=2.2)
        curve.plot(t, ood_loss(w, task), color=colour, label=name, lw=2.2)
    error = ood_loss(models[1][2], task)
    turns = error.diff().sign().diff().nonzero()[:2, 0] + 1  # where it starts and ends to rise
    plane.plot(*(models[1][2] @ task.test_point)[turns].T, "o", color=figures.RED, ms=6)
    curve.plot(t[turns], error[turns], "o", color=figures.RED, ms=6, label="turns back, returns")
    plane.plot(*task.test_point, "*", ms=16, color=figures.HELD_OUT)
    plane.text(2.82, 1.02, "never shown", ha="right", fontsize=9)
    plane.set(xlabel="concept 1", ylabel="concept 2", title="the answer's path", ylim=(-0.3, 1.2))
    plane.legend(*curve.get_legend_handles_labels(), loc="lower center", fontsize=9)
    curve.set(xlabel="training time", title="the error on the new combination", ylim=(0, 1.2))
    return fig


def card(path: Path) -> None:
    """The picture that goes with a link to the book, 1200 by 630 pixels, as PNG."""
    fig = draw()
    fig.set(size_inches=(8, 4.2), facecolor="white")
    fig.suptitle("Compositional generalisation in diffusion models", fontsize=15)
    fig.savefig(path, dpi=150)
    plt.close(fig)


def flow() -> str:
    """The same flow for the opening page, to be taken hold of there."""
    caption = (
        "Two layers learn in this page: drag the arrows (how they start), the rings (what they are "
        "shown) and the ring below the error (training time). "
        '<a href="03_swing_by.html">Swing-by</a> explains what you see.'
    )
    return surface.element("drag_flow", *drag_flow.parts((2.0, 1.0), (0.05, 0.05)), caption)


def main() -> None:
    """Writes the README's picture, on white."""
    figures.use_style()
    text = figures.labelled(figures.svg(draw()), ALT)
    size = text.index('style="')
    text = text[:size] + 'style="background: #fff; color: #1a1a1a; ' + text[size + len('style="') :]
    (ROOT / "assets" / "cover.svg").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
