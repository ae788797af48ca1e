"""A flow to drag: one or two layers on two concepts, their start and data in the reader's hand.

`drag_flow.js` goes on from the first state that is drawn here.
"""

import math
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import Circle

from lib.book import figures
from lib.page import surface
from lib.page.surface import Panel
from lib.sim import SIMTask, linear, ood_loss, phase, two_layer
from lib.sim.error_curves import swing

SIZE = (3.4, 2.9)  # inches: two side by side on a page, one on a phone
TIMES = np.concatenate([[0], np.geomspace(0.05, 200, 240)])
RATIOS = np.linspace(0.05, 0.97, 14)
LEVELS = (0.001, 0.01, 0.1, 0.5)  # squared lengths at which the arrows' plane has a ring
SCALES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5)  # as in drag_flow.js
DOWN = -0.55  # how far off its axis a cluster's width is shown


def show(
    mu: tuple[float, float] = (2.0, 1.0),
    sigma: tuple[float, float] = (0.05, 0.05),
    omega: float = 0.01,
    c: float = 0.9,
    layers: int = 2,
    caption: str = "",
    starts: int = 0,
    scale: float = 0.3,
) -> None:
    """Puts a flow on the page whose start and task the reader drags.

    Args:
        mu, sigma: of the task at first, signals in [0.3, 4], diversities in [0, 2].
        omega: squared length of both rows of U at first, in [1e-4, 0.6].
        c: cosine of the angle between them, in [-1, 1].
        layers: 2, tied; or 1, which has no rows of U.
        caption: as in `figures.show`.
        starts: of one layer, how many random W(0) are shown at once; with 0 it starts at zero.
        scale: of their entries' standard deviation at first, one of `SCALES`.

    Raises:
        ValueError: an argument outside its range.
    """
    surface.show("drag_flow", *parts(mu, sigma, omega, c, layers, starts, scale), caption)


def parts(
    mu, sigma, omega=0.01, c=0.9, layers: int = 2, starts: int = 0, scale: float = 0.3
) -> tuple[dict[str, Panel], dict]:
    """The panels of the first state, and the settings that the module begins with."""
    if not (all(0.3 <= m <= 4 for m in mu) and all(0 <= s <= 2 for s in sigma)):
        raise ValueError(f"mu lies in [0.3, 4] and sigma in [0, 2], not {mu} and {sigma}")
    if not (1e-4 <= omega <= 0.6 and -1 <= c <= 1):
        raise ValueError(f"omega lies in [1e-4, 0.6] and c in [-1, 1], not {omega} and {c}")
    if layers not in (1, 2):
        raise ValueError(f"layers lies in 1..2, not {layers}")
    if starts < 0 or (starts and layers == 2) or scale not in SCALES:
        raise ValueError(
            f"the scale of random starts lies in {SCALES}, and they in one layer, not {starts} at "
            f"{scale} in {layers}"
        )
    task = SIMTask(mu=mu, sigma=sigma)
    generator = torch.Generator().manual_seed(1)
    normal = torch.randn(starts, 2, 2, generator=generator, dtype=torch.float64)
    normal = (1e4 * normal).round() / 1e4  # as they are stored
    if layers == 2:
        w = two_layer.flow(two_layer.correlated_start(omega, c), task.a, TIMES)
    else:
        first = scale * normal[0] if starts else torch.zeros(2, 2, dtype=torch.float64)
        w = linear.jacobian(task, first, torch.as_tensor(TIMES))
    error = ood_loss(w, task)
    path, share = (w @ task.test_point).numpy(), swing(error).item()
    now = int((error - error.cummin(-1).values).argmax()) if share > 0.01 else len(TIMES) - 1
    angles = [math.pi / 3, math.pi / 3 - math.acos(c)]
    panels = {
        "plane": _plane(mu, sigma, path, now, share),
        "error": _error((error / error[0]).numpy(), now, share),
    }
    if starts:
        _many(panels, task, scale * normal)
    if layers == 2:
        panels = {"rows": _rows(omega, angles)} | panels
        panels["phase"] = _phase(task.a.tolist(), omega, c)
    settings = {
        "layers": layers,
        "mu": list(mu),
        "sigma": list(sigma),
        "rows": [{"w": omega, "angle": angle} for angle in angles],
        "starts": normal.flatten(1).tolist(),
        "scale": scale,
        "times": TIMES.tolist(),
        "now": now,
    }
    return panels, settings


def _many(panels: dict[str, Panel], task: SIMTask, w0: torch.Tensor) -> None:
    """Lays the answers and errors from all starts (n, 2, 2) under those of the first."""
    times = TIMES[::4]
    w = linear.jacobian(task, w0[:, None], torch.as_tensor(times))  # (n, T, 2, 2)
    error = ood_loss(w, task)
    curves = {
        "plane": ("others", (w @ task.test_point).numpy()),
        "error": ("errors", np.stack([times + 0 * error.numpy(), error / error[:, :1]], -1)[:, 1:]),
    }
    for name, (mark, lines) in curves.items():
        gap = np.full((len(lines), 1, 2), np.nan)
        joined = np.concatenate([lines, gap], 1).reshape(-1, 2)
        style = {"color": figures.BLUE, "lw": 0.8, "alpha": 0.5, "zorder": 1}
        (many,) = panels[name].axes.plot(*joined.T, **style)
        panels[name] = replace(panels[name], marks={mark: many} | dict(panels[name].marks))


def _rows(omega: float, angles: list[float]) -> Panel:
    """The rows of U as arrows; at the distance w^(1/4), so that short ones can be seen too."""
    ax = plt.subplots(figsize=SIZE)[1]
    ax.set(xlim=(-1.16, 1.16), ylim=(-0.99, 0.99), title="the two rows of U")
    ax.axis("off")
    ax.set_aspect("equal")
    for level in LEVELS:
        ax.add_patch(Circle((0, 0), level**0.25, fill=False, ec=figures.INK, alpha=0.2, lw=0.8))
        ax.text(
            0, -(level**0.25), f"{level:g}", ha="center", va="center", fontsize=8, alpha=0.75,
            color=figures.INK,
        )  # fmt: skip
    marks = {}
    for p, angle in enumerate(angles):
        tip = omega**0.25 * np.array([math.cos(angle), math.sin(angle)])
        (marks[f"row{p + 1}"],) = ax.plot(
            [0, tip[0]], [0, tip[1]], color=figures.COLOURS[p], lw=2.6
        )
    alt = (
        f"Two arrows from a centre, of squared length {omega:g} each, {_degrees(angles)} degrees "
        "apart."
    )
    return Panel(ax, marks, alt)


def _degrees(angles: list[float]) -> int:
    return round(math.degrees(abs(angles[0] - angles[1])))


def _plane(mu, sigma, path: np.ndarray, now: int, share: float) -> Panel:
    """Concept space: clusters, the held-out star, the answer's path."""
    ax = plt.subplots(figsize=SIZE)[1]
    ax.set(xlim=(-1.1, 4.7), ylim=(-0.9, 4.2), xlabel="concept 1", ylabel="concept 2")
    ax.set_title("the answer to the star")
    ax.set_aspect("equal", adjustable="box")
    turn = np.linspace(0, 2 * np.pi, 60)
    marks = {}
    for p in range(2):
        centre = np.where(np.arange(2) == p, mu[p], 0.0)
        ring = [centre[k] + sigma[k] * f(turn) for k, f in enumerate((np.cos, np.sin))]
        (marks[f"cluster{p + 1}"],) = ax.plot(*ring, color=figures.COLOURS[p], lw=2)
        width = [(mu[p], mu[p] + sigma[p]), (DOWN, DOWN)]
        (marks[f"width{p + 1}"],) = ax.plot(
            *(width if p == 0 else width[::-1]), color=figures.COLOURS[p], lw=2
        )
    (marks["path"],) = ax.plot(*path.T, color=figures.RED, lw=2)
    (marks["star"],) = ax.plot([mu[0]], [mu[1]], "o", ms=5, color=figures.GREEN)
    (marks["now"],) = ax.plot(*path[[now]].T, "o", ms=7, color=figures.RED)
    what = "turns back on its way" if share > 0.01 else "does not turn back"
    alt = (
        f"Two clusters, at {mu[0]:g} on the first axis and {mu[1]:g} on the second, and the "
        f"answer's path from its start to the held-out star; it {what}."
    )
    return Panel(ax, marks, alt)


def _error(ratio: np.ndarray, now: int, share: float) -> Panel:
    """The error over time."""
    ax = plt.subplots(figsize=SIZE)[1]
    ax.set(xscale="log", xlim=(0.05, 200), ylim=(0, 1.25), xlabel="training time t")
    ax.set_title("error E(t) / E(0)")
    (curve,) = ax.plot(TIMES[1:], ratio[1:], color=figures.RED, lw=2)
    (dot,) = ax.plot(TIMES[[now]], ratio[[now]], "o", ms=7, color=figures.RED)
    alt = f"The error over time; its largest rise is {share:.1%} of its start."
    return Panel(ax, {"curve": curve, "now": dot}, alt)


def _phase(a: list[float], omega: float, c: float) -> Panel:
    """Where this flow stands among all: ratio of rates and correlation."""
    ax = plt.subplots(figsize=SIZE)[1]
    ax.set(xlim=(0, 1), ylim=(-1, 1), xlabel="ratio of rates r", ylabel="correlation c")
    ax.set_title("where it stands")
    border = phase.critical_correlation(omega, torch.as_tensor(RATIOS), 0.01).numpy()
    (line,) = ax.plot(RATIOS, border, color=figures.INK, lw=1.4)
    ax.text(0.5, -0.5, "below the line: no swing", ha="center", fontsize=9)
    r = min(a) / max(a)
    (here,) = ax.plot([r], [c], "o", ms=9, color=figures.PURPLE)
    alt = (
        f"A diagram of ratio of rates and correlation with the border above which flows swing by "
        f"more than 1 % of their start; this one stands at r = {r:.2f}, c = {c:.2f}."
    )
    return Panel(ax, {"border": line, "here": here}, alt)
