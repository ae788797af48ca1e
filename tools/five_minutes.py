"""The pictures and counts of the page "The book in five minutes", made when the site is built."""

import html
import re
from collections import Counter
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.book import figures, ledger
from lib.exact import CPC, GaussianMixture
from lib.exact.divergence import entangled, factorised, fisher
from lib.experiments import concept_learning, length_results
from lib.experiments import length_generalization as length
from lib.locality import pixel_locality
from lib.scenes import measure
from lib.sim import SIMTask, ood_loss, two_layer
from lib.sim.error_curves import swing, swings

# A turn that the eye sees, of chapter 3's first picture; its canonical one is told by digits.
CLEAR = SIMTask(mu=(3.0, 1.0), sigma=(0.05, 0.05))
START = {"omega": 0.1, "c": 0.97}
STARTS = 100
# Claims that a paper does not make as they stand: single runs read as typical, and the first
# paper's order of learning asked of a score, in a toy of this book.
READINGS = {
    "mlp.share.d2",
    "mlp.share.d3.weak",
    "mlp.share.d3.strong",
    "mlp.figure8.rises",
    "mlp.figure9.rises",
    "synthesis.order.one_layer",
    "synthesis.order",
    "synthesis.order.relu",
}
LOCAL = "What a pixel's score looks at: inside an object, that object; on the table, the table."


def turning_back() -> tuple[Figure, str]:
    """Two layers learn a new combination: nearer, back, and there."""
    task, t = CLEAR, torch.linspace(0, 6, 400, dtype=torch.float64)
    path = two_layer.flow(two_layer.correlated_start(**START), task.a, t)
    answer, errors = path @ task.test_point, ood_loss(path, task)
    fig, (plane, curve) = plt.subplots(1, 2, figsize=(8, 3))
    points = task.sample(80, torch.Generator().manual_seed(1))
    plane.plot(*points[:80].T, "o", ms=3, color=figures.BLUE, alpha=0.5)
    plane.plot(*points[80:].T, "o", ms=3, color=figures.ORANGE, alpha=0.5)
    plane.plot(*answer.T, color=figures.PURPLE)
    plane.plot(*task.test_point, "*", ms=15, color=figures.HELD_OUT)
    plane.set(xlabel="concept 1", ylabel="concept 2", title="the answer's path")
    curve.plot(t, errors, color=figures.ANSWER)
    curve.set(xlabel="training time", title="its error")
    alt = "The answer to a combination never shown (the star) first comes nearer, then turns back "
    alt += (
        "towards a training cluster (blue), then arrives; its error falls, rises and falls again. "
        f"Drawn for a start that turns far back, by {swing(errors):.0%} of its first error."
    )
    return fig, alt


def how_often() -> tuple[Figure, str]:
    """The share of random starts that swing, by width and by the kind of start."""
    task = SIMTask(mu=(2.0, 1.0), sigma=(0.05, 0.05))
    t = torch.linspace(0, 12, 240, dtype=torch.float64)
    widths = (2, 8, 64)
    fig, ax = plt.subplots(figsize=(6, 2.9))
    told = []
    for name, colour, draw in (
        ("entries between 0 and b", figures.PURPLE, lambda *s: torch.rand(*s[:3], generator=s[3])),
        ("entries of zero mean", figures.GREY, lambda *s: torch.randn(*s[:3], generator=s[3])),
    ):
        shares = []
        for width in widths:
            u = draw(STARTS, 2, width, torch.Generator().manual_seed(width)).double()
            w0 = 0.01 * (u @ u.mT) / (u**2).sum(-1).mean()
            errors = ood_loss(two_layer.flow(w0, task.a, t), task)
            shares.append(swings(errors).double().mean().item())
        ax.plot(range(len(widths)), shares, "o-", color=colour, label=name)
        told.append(f"{name}: {', '.join(f'{share:.2f}' for share in shares)}")
    ax.set(xticks=range(len(widths)), xticklabels=widths, ylim=(-0.03, 1.03), xlabel="hidden width")
    ax.set_title("share of starts that swing")
    ax.legend()
    return (
        fig,
        f"Share of {STARTS} starts whose error swings by more than 1 %, at width {widths}: "
        + ("; ".join(told)),
    )


def a_network() -> tuple[Figure, str]:
    """The held-out path of trained diffusion models in concept space."""
    runs = concept_learning.tables()["signal0.4"]
    fig, ax = plt.subplots(figsize=(4.4, 3.2))
    for run in runs:
        ax.plot(*concept_learning.path(run)[1][:, -1].T, color=figures.ANSWER, alpha=0.8, lw=1.3)
    for corner in ((0, 0), (0, 1), (1, 0)):
        ax.plot(*corner, "s", ms=8, mfc="none", color=figures.BLUE)
    ax.plot(1, 1, "*", ms=15, color=figures.HELD_OUT)
    ax.set(xlabel="colour: red to blue", ylabel="size: big to small")
    return (
        fig,
        f"Paths of {len(runs)} trained networks, asked for small blue discs (the star), which they "
        "never saw; squares: what they were shown. Colours .4 apart.",
    )


def who_looks_where() -> tuple[Figure, str]:
    """A picture that composes, and what the exact score at one pixel of it looks at."""
    fig, axes = plt.subplots(1, 3, figsize=(7.2, 2.5))
    local_maps(axes)
    return fig, LOCAL


def local_maps(axes: Sequence[Axes]) -> Sequence[Axes]:
    """Draws a picture's regions, and the map of a pixel in one of them and in none."""
    side = 9
    at = torch.cartesian_prod(torch.arange(side), torch.arange(side)).double()
    smooth = (
        0.25 * torch.exp(-(torch.cdist(at, at) ** 2) / 2.88) + 0.05 * torch.eye(side**2).double()
    )
    table = GaussianMixture([1.0], torch.zeros(1, side**2).double(), smooth[None])
    blocks = {
        name: tuple((r + a) * side + c + b for a in range(3) for b in range(3))
        for name, (r, c) in {"1": (1, 1), "2": (5, 4)}.items()
    }
    brightness = 0.05 * torch.eye(9).double() + 0.15
    thing = GaussianMixture([1.0], torch.ones(1, 9).double(), brightness[None])
    scene = CPC(table, {name: (pixels, thing) for name, pixels in blocks.items()})
    x = scene.joint(("1", "2")).sample(1, torch.Generator().manual_seed(5))[0]
    maps = [
        pixel_locality(scene.score, x, 0.5, ("1", "2"), k) for k in (2 * side + 2, 4 * side + 1)
    ]
    owner = torch.zeros(side**2)
    for k, pixels in enumerate(blocks.values()):
        owner[list(pixels)] = k + 1
    axes[0].imshow(owner.reshape(side, side).numpy(), cmap="tab20c", vmax=12)
    for ax, heat, (r, c) in zip(axes[1:], maps, ((2, 2), (4, 1)), strict=True):
        ax.imshow(heat.clamp(min=1e-4).log10().reshape(side, side).numpy(), cmap=figures.SEQUENTIAL)
        ax.plot(c, r, "x", color=figures.RED, ms=9, mew=2)
    titles = ("two objects, a table", "a pixel of an object", "a pixel of the table")
    for ax, title in zip(axes, titles, strict=True):
        ax.set(title=title, xticks=[], yticks=[])
        ax.grid(False)
    return axes


def noise_and_locality() -> tuple[Figure, str]:
    """How far two pixels that agree are from local, over noise."""
    points = entangled(1.0)
    square = factorised(points, [[0], [1]])
    levels = np.geomspace(0.1, 10, 25)
    errors = [fisher(points, square.score, s, n=61).value for s in levels.tolist()]
    fig, ax = plt.subplots(figsize=(6, 2.8))
    ax.semilogx(levels, errors, color=figures.BLUE)
    ax.set(xlabel="noise", ylabel="mean square", title="what a local score gets wrong")
    return fig, (
        "The error of the best local score on two points, in the absolute measure: next to none "
        "at low noise and at high."
    )


def asked_otherwise(answers: dict, name: str = "label_one.vector") -> dict[str, float]:
    """Skill at six of a network told one place, by two other ways of asking it."""
    six = [part["6"] for part in answers[name].values()]
    return {
        way: np.mean([length_results.skill(part[way]) for part in six])
        for way in ("nearest", "paste")
    }


def networks() -> tuple[Figure, str]:
    """Skill by the number of objects, and of the network that fails when it is asked otherwise."""
    results, answers = length.finished_runs(length.KEPT), length.answers()
    counts = [k for k in measure.MEASURE.counts if k]
    fig, ax = plt.subplots(figsize=(6, 3))
    told = []
    for name, text, colour in (
        ("label_all.map", "told all places, as a map", figures.TEAL),
        ("label_all.vector", "told all places, as rows", figures.GREEN),
        ("label_one.vector", "told one place, as a row", figures.RED),
    ):
        curve = [np.mean(length_results.skills(results[name], k)) for k in counts]
        ax.plot(counts, curve, "o-", ms=4, color=colour, label=text)
        told.append(f"{text}: {curve[counts.index(6)]:.2f}")
    for (text, mark), value in zip(
        (("the same, each cell asked for its nearest", "*"), ("the same, cut and pasted", "s")),
        asked_otherwise(answers).values(),
        strict=True,
    ):
        ax.plot(6, value, mark, ms=11, color=figures.RED, mfc="none", label=text)
        told.append(f"{text}: {value:.2f}")
    ax.set(xlabel="objects asked for", ylim=(-0.05, 1.15), title="skill")
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return fig, (
        "Skill: filled places, of which drawing blindly has 0 and a real picture 1. Trained on one "
        f"to three objects; at six: {'; '.join(told)}."
    )


PICTURES: dict[str, Callable] = {
    "turning_back": turning_back,
    "how_often": how_often,
    "a_network": a_network,
    "who_looks_where": who_looks_where,
    "noise_and_locality": noise_and_locality,
    "networks": networks,
}


def counts(rows: Sequence[dict]) -> str:
    """The papers' claims by verdict, as a Markdown table; the book's readings apart."""
    claims_ = [row for row in rows if row["kind"] == "claim"]
    shown = [v for v in ledger.VERDICTS if any(row["verdict"] == v for row in claims_)]
    lines = [f"| claims of | {' | '.join(shown)} |", "|---|" + "---|" * len(shown)]
    by = {True: [], False: []}
    for row in claims_:
        by[row["id"] in READINGS].append(row)
    parts = {
        f"{source}{more}": [row for row in part if row["source"] == source]
        for part, more in ((by[False], ""), (by[True], ", as read by this book"))
        for source in dict.fromkeys(row["source"] for row in part)
    }
    for name, part in parts.items():
        found = Counter(row["verdict"] for row in part)
        cells = {verdict: str(found[verdict]) for verdict in shown}
        if open_ := sum(row["undecided"] for row in part):
            cells["does not hold"] += f" ({open_} undecided)"
        lines.append(f"| {name} | {' | '.join(cells.values())} |")
    return "\n".join(lines)


def filled(text: str, rows: Sequence[dict]) -> str:
    """The page with its pictures and counts in place.

    Args:
        text: Markdown in which `<!-- picture: NAME -->`, `<!-- share: ID -->` (the value of a row
            of the ledger, in per cent, of which only all are 100 and only none 0) and
            `<!-- counts -->` hold their places.
        rows: as `claims.rows` gives them.

    Raises:
        ValueError: A share is of no row, or of one that was not tested.
    """
    values = {row["id"]: row.get("value") for row in rows}

    def share(match: re.Match) -> str:
        if values.get(match[1]) is None:
            raise ValueError(f"the page names {match[1]}, which no tested row of the ledger is")
        value, said = values[match[1]], f"{values[match[1]]:.0%}"
        bound = {"0%": "fewer than 1%", "100%": "more than 99%"}
        return said if value in (0, 1) else bound.get(said, said)

    text = re.sub(r"<!-- share: ([\w.]+) -->", share, text)
    figures.use_style()
    for name, draw in PICTURES.items():
        place = f"<!-- picture: {name} -->"
        if place in text:
            fig, alt = draw()
            picture = figures.scrolling(figures.labelled(figures.pair(fig), alt))
            said = f"<figcaption>{html.escape(alt)}</figcaption>"
            whole = f'<figure class="book-figure">{picture}{said}</figure>'
            text = text.replace(place, "```{raw} html\n" + whole + "\n```")
    return text.replace("<!-- counts -->", counts(rows))
