"""A mixture to drag: its components in the reader's hand, and the exact flow of its score.

`drag_mixture.js` goes on from the first state that is drawn here.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from lib.book import figures
from lib.diffusion import edm
from lib.exact import GaussianMixture
from lib.page import surface
from lib.page.surface import Panel

SIZE = (3.4, 3.1)  # inches: two side by side on a page, one on a phone
MEANS = ((-1.2, 0.0), (0.8, 0.9), (0.8, -0.9))
SPREADS = (0.25, 0.25, 0.25)
COLOURS = (figures.BLUE, figures.ORANGE, figures.GREEN)
POINTS, PATHS = 240, 24
LOW = 0.02  # the lowest level before 0
HIGHS = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0, 80.0)
STEPS = (1, 2, 3, 4, 6, 8, 12, 18, 24, 32, 48, 64)
REACH = 3.2


def show(steps: int = 18, high: float = 10.0, caption: str = "") -> None:
    """Puts a mixture on the page whose components the reader drags, and its sampler.

    Args:
        steps: of the sampler at first, one of `STEPS`.
        high: the noise level that it starts from, one of `HIGHS`.
        caption: as in `figures.show`.

    Raises:
        ValueError: steps or high outside their range.
    """
    surface.show("drag_mixture", *parts(steps, high), caption)


def mixture(means=MEANS, spreads=SPREADS) -> GaussianMixture:
    """Round components of equal weight in the plane."""
    covs = torch.as_tensor(spreads, dtype=torch.float64)[:, None, None] ** 2 * torch.eye(2)
    return GaussianMixture([1 / len(means)] * len(means), means, covs)


def parts(steps: int, high: float) -> tuple[dict[str, Panel], dict]:
    """The panels of the first state, and the settings that the module begins with."""
    if steps not in STEPS or high not in HIGHS:
        raise ValueError(f"steps lie in {STEPS} and high in {HIGHS}, not {steps} and {high}")
    noise = np.random.default_rng(3).standard_normal((POINTS, 2)).round(4)
    noise[0] = (0.05, 0.55)  # the marked one
    exact = mixture()
    walk = edm.path(
        lambda x, sigma, conditions: exact.posterior_mean(x, sigma),
        torch.as_tensor(noise),
        steps=steps,
        sigma_min=LOW,
        sigma_max=high,
    )
    levels, points = zip(*walk, strict=True)
    points = torch.stack(points)  # (steps + 1, POINTS, 2)
    shares = exact.responsibilities(points[:-1, 0], torch.as_tensor(levels[:-1]))
    panels = {
        "plane": _plane(points.numpy()),
        "shares": _shares(levels[:-1], shares.numpy(), high),
    }
    settings = {
        "means": [list(mean) for mean in MEANS],
        "spreads": list(SPREADS),
        "noise": noise.ravel().tolist(),
        "paths": PATHS,
        "steps": steps,
        "low": LOW,
        "high": high,
        "highs": list(HIGHS),
        "offered": list(STEPS),
        "churn": 0,
    }
    return panels, settings


def _plane(points: np.ndarray) -> Panel:
    """Components, the paths of some points and where all of them end."""
    ax = plt.subplots(figsize=SIZE)[1]
    ax.set(xlim=(-REACH, REACH), ylim=(-2.6, 2.6), title="from noise to the mixture")
    ax.set_aspect("equal")
    marks = {}
    for k, colour in enumerate(COLOURS):
        turn = np.linspace(0, 2 * np.pi, 49)
        ring = np.array(MEANS[k])[:, None] + 2 * SPREADS[k] * np.array([np.cos(turn), np.sin(turn)])
        (marks[f"ring{k + 1}"],) = ax.plot(*ring, color=colour, lw=1.6)
    gap = np.full((1, PATHS, 2), np.nan)
    lines = np.concatenate([points[:, 1 : PATHS + 1], gap]).swapaxes(0, 1).reshape(-1, 2)
    (marks["paths"],) = ax.plot(*lines.T, color=figures.GREY, lw=0.8, alpha=0.7)
    (marks["points"],) = ax.plot(*points[-1].T, "o", ms=2.6, color=figures.PURPLE, mew=0)
    (marks["marked"],) = ax.plot(*points[:, 0].T, color=figures.RED, lw=2)
    alt = (
        f"Three clusters of a mixture; {POINTS} points walked from noise end on them. Paths come "
        "in nearly straight towards the middle, bend, and end each on one cluster."
    )
    return Panel(ax, marks, alt)


def _shares(levels, shares: np.ndarray, high: float) -> Panel:
    """When the marked path decides: the probability of each component along it."""
    ax = plt.subplots(figsize=SIZE)[1]
    ax.set(xscale="log", xlim=(100, 0.01), ylim=(-0.03, 1.03), xlabel="noise level σ")
    ax.set_title("where the red path may end")
    marks = {}
    for k, colour in enumerate(COLOURS):
        (marks[f"share{k + 1}"],) = ax.plot(levels, shares[:, k], color=colour, lw=2)
    (marks["levels"],) = ax.plot(
        levels, np.full(len(levels), 0.0), "o", ms=3.5, color=figures.INK, mew=0
    )
    alt = (
        f"The probability of each cluster given the red path's point, from noise {high:g} down: "
        "all alike at first, then one of them takes all. Dots mark the levels of the steps."
    )
    return Panel(ax, marks, alt)
