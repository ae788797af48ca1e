"""The pictures of the length experiments, one function each.

A function returns the figure and what it says in words, for `lib.book.figures.show`. It draws what
it is given: a network or a way that was not measured is left out.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from lib.book import figures, player
from lib.experiments import length_colours, length_lamps, length_line, length_results
from lib.experiments.length_asking import LEVELS
from lib.experiments.length_generalization import SETTINGS
from lib.experiments.length_results import ONE_LABEL, SEEN_BEFORE, SIGMA
from lib.experiments.length_words import LABELS, PAIRS, TOLD_HOW, TOLD_TO, WAYS, second_requests
from lib.scenes import coherence, detector, failures, labelling, measure, render
from lib.scenes.scene import Scenes

KINDS = {  # of what a picture shows of a request
    "hit": figures.GREEN,
    "misplaced": figures.ORANGE,
    "missing": figures.GREY,
    "blended": figures.PURPLE,
    "extra": figures.TEAL,
}
SEEING = ("sees all", "sees near")  # in the order of `length_colours.PLAIN`
GAP = 2  # pixels between the pictures of a strip
LOOKS = {  # colour and line of a network
    "label_all.vector": (figures.GREEN, "-"),
    "label_all.map": (figures.TEAL, "--"),
    "label_one.vector": (figures.RED, "-"),
    "label_one.map": (figures.TEAL, "-"),
    "label_one.full_all": (figures.ORANGE, "-"),
    "label_one.full_local": (figures.PURPLE, "-"),
    "label_one.local_all": (figures.GREY, ":"),
    "label_one.local_local": (figures.BLUE, "--"),
    "label_all.full_nearest": (figures.GREEN, "--"),
    "label_all.full_random": (figures.INK, "--"),
}
REACHING = {  # kinds of networks, by what they are told and how
    "one label, rows summed": (
        SEEN_BEFORE,
        length_results.ASKED,
        SEEN_BEFORE + length_line.HALF,
        length_results.ALONE,
        f"{SEEN_BEFORE}.objects-5",
        "label_one.local_all",
    ),
    "one label, products": (length_results.PRODUCT, length_results.PRODUCT + length_line.HALF),
    "one label, attended": (length_results.ATTENDS, length_results.SCATTERED),
    "one label, a map": ("label_one.map",),
    "all labels, rows summed": (
        length_results.TOLD_ALL,
        length_results.TOLD_ALL + length_line.HALF,
        f"{length_results.TOLD_ALL}.objects-5",
    ),
    "all labels, attended": (length_results.ATTENDS_ALL,),
    "all labels, a map": (length_results.AS_MAP,),
}
ASKED_INKS = {  # by what is told to a place: ways of asking, colour and mark
    "all six at once": (("all",), figures.INK, "X"),
    "diluted, or elsewhere": (("random", "mean", "displaced"), figures.GREY, "o"),
    "its nearest, or a window": (("nearest", "window-2", "nearest-heard"), figures.BLUE, "o"),
    "each alone, differences added": (("composed",), figures.PURPLE, "o"),
    "scissors, one noise": (("paste",), figures.RED, "s"),
    "scissors, other noise": (("paste-apart",), figures.RED, "D"),
    "scissors, with glue": (("glued", "glued-near"), figures.ORANGE, "s"),
}
REACHING_INKS = (
    figures.RED,
    figures.ORANGE,
    figures.PURPLE,
    figures.INK,
    figures.GREEN,
    figures.BLUE,
    figures.TEAL,
)
TOLD_LOOKS = (  # colour and line, in the order of `length_words.TOLD_HOW`
    (figures.RED, "-"),
    (figures.ORANGE, "-"),
    (figures.BLUE, "-"),
    (figures.RED, ":"),
    (figures.ORANGE, ":"),
)
GLUE = {
    "paste": figures.RED,
    "glued": figures.ORANGE,
    "nearest": figures.BLUE,
    "glued-near": figures.PURPLE,
}
DRAWN = {  # how pictures come about; the first in the way of a row of `length_lamps.IN_ONE`
    "one picture": ("", figures.BLUE),
    "scissors, one noise": ("paste", figures.RED),
    "scissors, other noises": ("paste-apart", figures.ORANGE),
}
DRAWN_TITLES = {"three": "asked for three", "near": "asked near, for six"}
PAINTERS = {  # that the judge of coherence was tried on
    "real": ("real scenes", figures.GREEN),
    "recoloured": ("other colours", figures.TEAL),
    "smeared": ("smeared", figures.BLUE),
    "scissors_one_light": ("scissors under one light", figures.ORANGE),
    "scissors": ("scissors on real scenes", figures.RED),
}
Answers = dict[str, dict[int, dict]]  # of `length_generalization.answers`
Results = dict[str, list[dict]]  # of `length_generalization.finished_runs`


def show_picture(ax: Axes, pixels: Tensor, title: str = "") -> None:
    """Draws a picture (3, H, W) in [-1, 1]."""
    ax.imshow(((pixels + 1) / 2).clamp(0, 1).permute(1, 2, 0).numpy())
    ax.set_title(title, fontsize=9)
    ax.axis("off")


def strip(pictures: Tensor) -> np.ndarray:
    """Pictures (n, 3, S, S) in [-1, 1] side by side, (S, W, 3) in [0, 1]."""
    framed = torch.nn.functional.pad((pictures + 1) / 2, (0, GAP), value=0.5)
    joined = framed.permute(2, 0, 3, 1).flatten(1, 2)[:, :-GAP]
    return joined.clamp(0, 1).numpy()


def spots(places: Tensor, size: int = 32) -> Tensor:
    """Where places (n, K, 2) in [0, 1] lie in a strip of n pictures: (n K, 2), pixels."""
    right = torch.arange(len(places))[:, None, None] * torch.tensor([size + GAP, 0])
    return (places * size - 0.5 + right).flatten(0, 1)


def opening(
    drawn: dict[str, Tensor], places: Tensor, skill: dict[str, float]
) -> tuple[Figure, str]:
    """Six requests and what was drawn of them.

    Args:
        drawn: By way, pictures (n, 3, 32, 32).
        places: Asked for, (n, 6, 2).
        skill: By way, at six.
    """
    columns = {
        "real": "real pictures\nof the requests",
        "told all": f"told all labels,\nas a map: {skill['told all']:.2f}",
        "all": f"told one, asked\nfor all six: {skill['all']:.2f}",
        "nearest": f"same weights, each\nits nearest: {skill['nearest']:.2f}",
        "paste": f"same weights,\nscissors: {skill['paste']:.2f}",
    }
    fig, axes = plt.subplots(1, len(columns), figsize=(9.4, 0.5 + 1.8 * len(places)))
    for ax, (way, text) in zip(axes, columns.items(), strict=True):
        ax.imshow(strip(drawn[way].mT).transpose(1, 0, 2))  # below each other
        ax.plot(*spots(places.flip(-1)).flip(-1).T, "o", ms=8, mfc="none", mec="white", mew=0.8)
        ax.set_title(text, fontsize=10, loc="left")
        ax.axis("off")
    shown = [f"{skill[way]:.2f}" for way in ("all", "nearest", "paste")]
    return fig, (
        "Columns of pictures with six asked places ringed: real scenes; a network told all labels "
        "as a map; one told a single label, asked for all six, which fills few places (skill "
        f"{shown[0]}); the same weights asked at each cell for its nearest request ({shown[1]}); "
        f"and pasted from pictures drawn separately ({shown[2]})."
    )


def examples(scenes: dict[str, Scenes]) -> Figure:
    """A scene by title, as the world is and as networks see it, its locations ringed."""
    fig, axes = plt.subplots(2, len(scenes), figsize=(7.6, 3.9))
    for (above, below), (title, scene) in zip(axes.T, scenes.items(), strict=True):
        show_picture(above, render(scene, 128)[0], title)
        show_picture(below, render(scene, 32)[0])
        where, there = labelling.label_all(scene)
        below.plot(*(where[there] * 32 - 0.5).T, "o", ms=9, mfc="none", mec="white")
    return fig


def read_again(
    read: Sequence[tuple[Tensor, Tensor, Tensor]], frame: Tensor, marks: Tensor
) -> Figure:
    """Scenes read from files, and an official scene's coordinates.

    Args:
        read: The picture read (3, S, S), the one rendered again, and the locations (K, 2).
        frame: What was rendered at the official coordinates, (3, H, W).
        marks: Where its file says that they are, (N, 2), pixels.
    """
    fig, axes = plt.subplots(1, 2 * len(read) + 1, figsize=(8.8, 2.1))
    for i, (small, again, places) in enumerate(read):
        for ax, pixels, title in zip(
            axes[2 * i : 2 * i + 2], (small, again), ("as read", "rendered again"), strict=True
        ):
            show_picture(ax, pixels, title)
            ax.plot(*(places * pixels.shape[-1] - 0.5).T, "+", ms=8, color="white")
    show_picture(axes[-1], frame, "CLEVR_val_000000")
    axes[-1].plot(*(marks - 0.5).T, "+", ms=8, color="white")
    return fig


def judge_on_painters(rows: dict[str, dict[str, float]]) -> Figure:
    """What share of the pictures of painters of known worth passes, by number of objects."""
    fig, ax = plt.subplots(figsize=(5.6, 2.9))
    for painter, (label, colour) in PAINTERS.items():
        passing = [row[painter] for row in rows.values()]
        ax.plot(list(map(int, rows)), passing, "o-", ms=4, color=colour, label=label)
    ax.set(
        xlabel="objects in the picture", ylim=(-0.03, 1.03), title="share that passes for one scene"
    )
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig


def skill_by_count(results: Results) -> tuple[Figure, str]:
    """Skill against the number of objects: networks without windows, and with."""
    fig, axes = plt.subplots(1, 2, figsize=(8.6, 3.9), sharey=True)
    for ax, windows, title in zip(
        axes,
        (False, True),
        ("skill: requests enter early", "skill: requests enter late"),
        strict=True,
    ):
        ax.axvspan(0.6, 3.5, color=figures.GREY, alpha=0.12, lw=0)
        ax.axhline(0, color=figures.INK, lw=0.8)
        for name, seeds in results.items():
            if (SETTINGS[name].pathway == "window") != windows:
                continue
            colour, style = LOOKS[name]
            each = length_results.by_count(seeds)
            values = np.array(list(each.values()))
            ax.plot(list(each), values.mean(1), style, color=colour, label=LABELS[name])
            ax.plot(list(each), values, ".", ms=5, color=colour)
        ax.set(xlabel="objects asked for, K", ylim=(-0.12, 1.05), xlim=(0.6, 10.4))
        if ax.lines[1:]:  # below, for the curves fill the panel
            ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.2))
        ax.set_title(title)
    told = []
    for name, seeds in results.items():
        one, six = (f"{np.mean(length_results.skills(seeds, K)):.2f}" for K in (1, 6))
        told.append(f"{LABELS[name]} {one} and {six}")
    said = "Skill against the number of objects asked for, at one and at six"
    return fig, f"{said}: {'; '.join(told)}."


def skill_and_coherence(answers: Answers) -> tuple[Figure, str]:
    """Ways of asking by what they tell, a mark a way and seed, for each network told one label."""
    fig, panels = _panels(answers, (4.4, 3.4))
    for name, ax in panels.items():
        rows = length_results.by_way(answers[name])
        for told, (ways, colour, mark) in ASKED_INKS.items():
            skill, passing = (
                [value for way in ways if way in rows for value in rows[way][kind]]
                for kind in ("skill", "coherence")
            )
            ax.plot(skill, passing, mark, ms=7, mec="none", color=colour, alpha=0.75, label=told)
        ax.axhline(np.mean(rows["real"]["coherence"]), color=figures.GREEN, lw=1, label="real")
        ax.set(xlabel="skill at 6", xlim=(-0.08, 1.03), ylim=(-0.05, 1.05), title=LABELS[name])
    first = next(iter(panels.values()))
    first.set_ylabel("pass for one scene")
    fig.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    rows = length_results.by_way(answers[SEEN_BEFORE])
    skill, passing = (length_results.average(rows, kind) for kind in ("skill", "coherence"))
    near, paste = (
        f"{skill[way]:.2f}, of which {passing[way]:.0%} pass" for way in ("nearest", "paste")
    )
    return fig, (
        "Ways of asking, each a point, skill at six to the right, share of pictures that pass for "
        f"one scene upward. As trained: skill {skill['all']:.2f}; asked near {near}; scissors "
        f"{paste}."
    )


def _panels(answers: Answers, size: tuple[float, float]) -> tuple[Figure, dict[str, Axes]]:
    """A panel for each network told one label that was asked, `size` inches each."""
    names = [name for name in ONE_LABEL if name in answers]
    fig, axes = plt.subplots(
        1, len(names), figsize=(size[0] * len(names), size[1]), sharey=True, squeeze=False
    )
    return fig, dict(zip(names, axes[0], strict=True))


def _bars(ax: Axes, rows: dict[str, tuple[Sequence[float], str]]) -> None:
    """A bar from above for each row's mean and a point for each seed: by name numbers, colour."""
    for y, (values, colour) in enumerate(rows.values()):
        ax.barh(y, np.mean(values), color=colour, alpha=0.5)
        ax.plot(values, [y] * len(values), "o", ms=4, color=colour)


def _name_bars(ax: Axes, names: Sequence[str]) -> None:
    """The names of rows of bars, from above."""
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()


def glue_bars(answers: dict[int, dict]) -> tuple[Figure, str]:
    """Scissors with and without glue beside asking near: skill, coherence and seams.

    Args:
        answers: Of one network, by seed.
    """
    rows = length_results.by_way(answers)
    names = WAYS | {"paste": "scissors"}
    shown = [way for way in GLUE if way in rows]
    kinds = {"skill": "skill at 6", "coherence": "pass for one scene", "seams": "seams, brightness"}
    mean = {kind: length_results.average(rows, kind) for kind in kinds}
    fig, axes = plt.subplots(1, 3, figsize=(8.6, 2.5), sharey=True)
    for ax, (kind, title) in zip(axes, kinds.items(), strict=True):
        _bars(ax, {way: (rows[way][kind], GLUE[way]) for way in shown})
        if "real" in mean[kind]:
            ax.axvline(mean[kind]["real"], color=figures.GREEN, lw=1.2)
        ax.set_title(title, fontsize=9)
    for ax in axes[:2]:
        ax.set_xlim(0, 1)
    _name_bars(axes[0], [names[way] for way in shown])
    looks = {
        w: f"{mean['coherence'][w]:.0%} pass, seams {mean['seams'][w]:.3f}"
        for w in (*shown, "real")
    }
    told = "; ".join(f"{names[w]}: skill {mean['skill'][w]:.2f}, {looks[w]}" for w in shown)
    return fig, (
        "Skill at six, share of pictures that pass for one scene, and seams, of the network told "
        f"one label as a row. {told}. Real pictures: {looks['real']}."
    )


def light_bars(measured: dict[str, dict]) -> tuple[Figure, str]:
    """How far places of a picture agree on its lamps: drawn in one, cut and pasted, and real.

    Args:
        measured: Of `length_lamps.results`.
    """
    fresh = {name: length_results.leave_out_first(read) for name, read in measured["read"].items()}
    shown = [row for row, (name, *_) in length_lamps.IN_ONE.items() if fresh.get(name)]
    fig, axes = plt.subplots(
        1, len(shown), figsize=(4.3 * len(shown), 2.1), sharey=True, sharex=True, squeeze=False
    )
    told = []
    for ax, row in zip(axes[0], shown, strict=True):
        name, count, way = length_lamps.IN_ONE[row]
        seeds, read = fresh[name], {}
        for said, (of, ink) in DRAWN.items():
            values = length_lamps.agreements(seeds, count, of or way)
            read[said] = [list(values.values()), ink]
        real = np.mean(list(length_lamps.agreements(seeds, count, "real").values()))
        _bars(ax, read)
        ax.axvline(real, color=figures.GREEN, lw=1.2)
        title = f"{LABELS[name]}, {DRAWN_TITLES[row]}"
        ax.set_title(title, fontsize=9)
        ax.set_xlabel("agreement on the lamps")
        means = ", ".join(f"{said} {np.mean(values):.2f}" for said, (values, _) in read.items())
        told.append(f"{title}: {means}, real pictures {real:.2f}")
    _name_bars(axes[0, 0], list(DRAWN))
    return fig, f"How far places of one picture agree on its lamps. {'; '.join(told)}."


def second_request_bars(answers: Answers) -> tuple[Figure, str]:
    """Skill where each cell hears its nearest request and one other."""
    fig, panels = _panels(answers, (4.2, 2.7))
    told = []
    for name, ax in panels.items():
        skill = second_requests(length_results.by_way(answers[name]))
        colours = {way: figures.RED if way.startswith("pair") else figures.BLUE for way in skill}
        _bars(ax, {way: (values, colours[way]) for way, values in skill.items()})
        ax.set(xlabel="skill at 6", xlim=(0, 1), title=LABELS[name])
        means = ", ".join(f"{PAIRS[way]} {np.mean(v):.2f}" for way, v in skill.items())
        told.append(f"{LABELS[name]}: {means}")
    _name_bars(next(iter(panels.values())), list(PAIRS.values()))
    said = "Skill at six where each cell hears its nearest request and one other."
    return fig, f"{said} {'; '.join(told)}."


def rows_of_pictures(drawn: dict[str, Tensor], places: Tensor, meaning: str) -> tuple[Figure, str]:
    """The same requests drawn in several ways, a row each.

    Args:
        drawn: By what stands above the row, pictures (n, 3, 32, 32).
        places: Asked for, (n, K, 2).
        meaning: What is to be seen in them, in a sentence.
    """
    fig, axes = plt.subplots(len(drawn), 1, figsize=(8.4, 1.35 * len(drawn)))
    for ax, (said, pictures) in zip(axes, drawn.items(), strict=True):
        ax.imshow(strip(pictures))
        ax.plot(*spots(places).T, "o", ms=8, mfc="none", mec="white", mew=0.7)
        ax.set_title(said, fontsize=9, loc="left")
        ax.axis("off")
    return fig, f"Rows of pictures: {'; '.join(drawn)}. {meaning}"


def shared_colours(measured: dict[str, dict]) -> tuple[Figure, str]:
    """Pairs of one colour in pictures of three, of networks that see all and that see near.

    Args:
        measured: Of `length_colours.results`.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 2.9), sharey=True, width_ratios=(1, 1.8))
    middles = np.mean(list(pairwise(length_colours.APART)), axis=1)
    told = []
    for x, (name, plain) in enumerate(length_colours.PLAIN.items()):
        ink, line = LOOKS[plain]
        for data, face, paler in ((name, ink, 1.0), (plain, "none", 0.45)):
            seeds = length_colours.agreement_of(measured, data, "3")
            left.plot([x] * len(seeds), list(seeds.values()), "o", color=ink, mfc=face, ms=6)
            label = SEEING[x] if data == name else f"{SEEING[x]}, plain scenes"
            told.append(f"{label} {', '.join(f'{v:.2f}' for v in seeds.values())}")
            for apart in measured["distances"].get(data, {}).values():
                share = length_colours.by_distance(apart["3"], length_colours.APART)
                right.plot(
                    middles, share, color=ink, ls=line, marker="o", mfc=face, ms=3, lw=1,
                    alpha=paler, label=label,
                )  # fmt: skip
                label = None
    for ax in (left, right):
        ax.axhline(1 / 8, color=figures.GREY, ls="--", lw=0.8)
    right.axvline(length_colours.REACH, color=figures.GREY, ls=":", lw=0.8)
    left.set(ylabel="pairs of one colour", ylim=(0, 1), xlim=(-0.6, 1.6))
    left.set_xticks(range(2), SEEING)
    right.set(xlabel="how far apart they stand, in widths of the picture")
    right.legend(fontsize=8)
    return fig, (
        "The share of pairs of objects of one colour in pictures of three, a dot a network, hollow "
        f"after training on plain scenes: {'; '.join(told)}; by chance one in eight. Beside it the "
        "same by how far apart the objects of a pair stand: close pairs agree in all, far ones "
        "where all is seen."
    )


def far_share_lines(near: Answers, counts: Sequence[int]) -> tuple[Figure, str]:
    """How much of what changes when a request moves lies far away, by number and noise level.

    Args:
        near: Of `length_generalization.answers`, kind `local`.
        counts: Numbers of requests.
    """
    at = length_results.LEVELS.index(SIGMA)
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.3), sharey=True)
    told = []
    for name in (*ONE_LABEL, length_results.TOLD_ALL, length_results.AS_MAP):
        if name not in near:
            continue
        colour, style = LOOKS[name]
        each = length_results.far_shares(near[name], counts)
        mean = each.mean(0)  # (K, levels)
        left.plot(counts, mean[:, at], style, color=colour, label=LABELS[name])
        left.plot(counts, each[:, :, at].T, ".", ms=5, color=colour)
        for k, line in ((counts.index(1), style), (counts.index(3), ":")):
            right.semilogx(length_results.LEVELS, mean[k], line, color=colour, lw=1.5)
        told.append(f"{LABELS[name]}: {', '.join(f'{v:.2f}' for v in mean[:, at])}")
    left.axvspan(0.6, 3.5, color=figures.GREY, alpha=0.12, lw=0)
    left.set(
        xlabel="requests at once, K",
        ylabel="of the squared change, far",
        ylim=(-0.02, 1.0),
        xlim=(0.6, 6.4),
        title="noise level 1",
    )
    right.set(xlabel="noise level", title="one request; dotted: three")
    left.legend(fontsize=8)
    asked = ", ".join(map(str, counts[:-1]))
    return fig, (
        f"Share of the squared change far from a request that moves, asked for {asked} and "
        f"{counts[-1]}: {'; '.join(told)}. Right: over noise levels, for one request and for "
        "three; largest at low noise."
    )


def kept_by_reach(by_count: dict[int, dict[str, dict[str, float]]]) -> tuple[Figure, str]:
    """What kinds of networks keep at six, by how far their answers reach.

    Args:
        by_count: Of `length_line.kinds`, by number of requests; at six first.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.3))
    of = by_count[6]
    for (told, names), colour in zip(REACHING.items(), REACHING_INKS, strict=True):
        for name in names:
            fill = "none" if name in length_line.HELD_OUT else colour
            at = of[name]["removed"], of[name]["kept"]
            left.plot(*at, "o", color=colour, mfc=fill, label=told if name == names[0] else None)
    slope, start = length_line.line(of)
    ends = np.array([0.15, 0.93])
    left.plot(ends, start + slope * ends, "-", color=figures.GREY, lw=1, zorder=0)
    left.set(xlabel="share outside, one of six goes", ylabel="kept at six")
    left.legend(fontsize=7)
    counts = sorted(by_count)
    told = []
    for (by, said), style in zip(length_line.SHARES.items(), ("-o", "--o", ":o"), strict=True):
        missed = [np.mean([*length_line.errors(by_count[K], by).values()]) for K in counts]
        right.plot(counts, missed, style, color=figures.BLUE, ms=4, label=said)
        told.append(f"{said}: {', '.join(f'{v:.2f}' for v in missed)}")
    own, beside = (np.mean([*length_line.errors(of, by).values()]) for by in ("own", "beside"))
    none = np.mean([*length_line.errors_of_the_mean(of).values()])
    right.plot(6, own, "x", color=figures.RED, label="at its own place")
    right.plot(6, beside, "+", color=figures.RED, label="there, beside the others")
    right.axhline(none, color=figures.GREY, ls="--", lw=1, label="the mean of the seven")
    right.set(xlabel="requests at once", ylabel="missed, in kinds held out", ylim=(0, None))
    right.legend(fontsize=7, loc=(0.5, 0.47))
    return fig, (
        "Left: what kinds of networks keep at six falls on a line with the share outside, "
        f"from {start + slope * 0.2:.2f} at .2 to {start + slope * 0.85:.2f} at .85. Right: by how "
        f"much such lines miss the kinds held out, asked for {', '.join(map(str, counts))}: "
        f"{'; '.join(told)}; by what a request does at its own place {own:.2f}, beside the others "
        f"{beside:.3f}; without any line {none:.2f}."
    )


def skill_by_level(answers: Answers) -> tuple[Figure, str]:
    """Skill against the noise level at which the way of asking changes."""
    fig, panels = _panels(answers, (4.3, 3.3))
    for name, ax in panels.items():
        rows = length_results.by_way(answers[name])
        for side, colour, text in (
            ("above", figures.BLUE, "near above, all below"),
            ("below", figures.ORANGE, "all above, near below"),
        ):
            known = [v for v in LEVELS if f"nearest-{side}-{v:g}" in rows]
            each = [rows[f"nearest-{side}-{v:g}"]["skill"] for v in known]
            ax.semilogx(known, list(map(np.mean, each)), color=colour, label=text)
            for level, values in zip(known, each, strict=True):
                ax.plot([level] * len(values), values, "o", ms=4, color=colour)
        for way, line in (("nearest", "-"), ("all", ":")):
            ax.axhline(np.mean(rows[way]["skill"]), color=figures.INK, lw=0.9, ls=line)
        ax.set(xlabel="noise level of the change", title=LABELS[name])
        ax.set_xticks(known, [f"{level:g}" for level in known])
        ax.minorticks_off()
    first = next(iter(panels.values()))
    first.set(ylabel="skill at 6", ylim=(-0.1, 1.0))
    first.legend(fontsize=8)
    skill = length_results.average(length_results.by_way(answers[SEEN_BEFORE]), "skill")
    shown = [f"{skill[f'nearest-{change}']:.2f}" for change in ("above-1", "below-1", "below-3")]
    return fig, (
        "Skill at six against the noise level at which the way of asking changes, a panel a "
        f"network. Told one label as a row: near above 1 and all below {shown[0]}; all above 1 and "
        f"near below {shown[1]}; all above 3 and near below {shown[2]}."
    )


def account_bars(account: dict[str, Sequence[float]], names: dict[str, str]) -> tuple[Figure, str]:
    """What pictures show of what was asked: objects drawn to the right, missing ones to the left.

    Args:
        account: By way or network, objects a picture of each kind, as the mean of
            `lib.scenes.failures.accounts`.
        names: Of the ways or networks, beside their bars.
    """
    kinds = failures.KINDS
    missing = kinds.index("missing")
    fig, ax = plt.subplots(figsize=(6.4, 1.4 + 0.56 * len(account)))
    for y, values in enumerate(account.values()):
        label = "missing" if y == 0 else None
        ax.barh(y, -values[missing], color=KINDS["missing"], label=label)
        start = 0.0
        for k, kind in enumerate(kinds):
            if k != missing:
                label = kind if y == 0 else None
                ax.barh(y, values[k], left=start, color=KINDS[kind], label=label)
                start += values[k]
    ax.axvline(0, color=figures.INK, lw=0.8)
    _name_bars(ax, [names[way] for way in account])
    ax.set(xlabel="places missed, and objects, a picture; six asked for", xlim=(-6.2, 8.6))
    fig.legend(*ax.get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=3)
    told = (
        f"{names[way]}: "
        + ", ".join(f"{v:.1f} {kind}" for v, kind in zip(values, kinds, strict=True))
        for way, values in account.items()
    )
    return fig, "; ".join(told) + "."


def along_training(results: Results) -> Figure:
    """Skill at one and at six, and the outside share of a moved request, a line a run.

    Who hears one request a cell has no share: it was measured told everything.
    """
    fig, axes = plt.subplots(1, 3, figsize=(8.8, 3.0))
    reads: list[Callable] = [
        lambda seen: length_results.skill(seen["counts"]["1"]),
        lambda seen: length_results.skill(seen["counts"]["6"]),
        lambda seen: seen["locality"]["moved"][length_results.LEVELS.index(SIGMA)],
    ]
    for name, seeds in results.items():
        colour, style = LOOKS[name]
        for label, result in zip([LABELS[name], *[None] * len(seeds)], seeds, strict=False):
            steps = sorted(map(int, result["training"]))
            one_a_cell = name in (length_results.NEAREST, length_results.AT_RANDOM)
            for ax, read in zip(axes[: 2 if one_a_cell else 3], reads, strict=False):
                values = [read(result["training"][str(step)]) for step in steps]
                ax.semilogx(steps, values, style, color=colour, label=label)
    axes[0].set(title="skill at 1", xlabel="step", ylim=(-0.15, 1.05))
    axes[1].set(title="skill at 6", xlabel="step", ylim=(-0.15, 1.05))
    axes[2].set(title="outside, a request moved", xlabel="step", ylim=(-0.02, 1.0))
    axes[2].legend(*axes[0].get_legend_handles_labels(), fontsize=6, loc="upper right")
    return fig


def window_in_training(
    trained: dict[int, list[dict]], asked: dict[int, list[float]]
) -> tuple[Figure, str]:
    """What is kept at six against the window: trained with it, and only asked with it.

    Args:
        trained: Runs by k, cells to each side.
        asked: By k what the same weights keep, a number a seed.
    """
    kept = {k: length_results.retention(seeds) for k, seeds in trained.items()}
    widths = sorted({*kept, *asked})
    fig, ax = plt.subplots(figsize=(5.6, 3.0))
    told = []
    for said, ink, values in (
        ("the window in training", figures.PURPLE, kept),
        ("in asking alone", figures.ORANGE, asked),
    ):
        places = [widths.index(k) for k in values]
        ax.plot(places, [np.mean(each) for each in values.values()], color=ink, label=said)
        for place, each in zip(places, values.values(), strict=True):
            ax.plot([place] * len(each), each, "o", ms=4, color=ink)
        means = ", ".join(f"{k}: {np.mean(each):.2f}" for k, each in values.items())
        told.append(f"{said} {means}")
    ax.set_xticks(range(len(widths)), widths)
    ax.set(xlabel="cells heard to each side", ylabel="kept at six", ylim=(-0.1, 1.0))
    ax.legend(fontsize=8)
    return fig, f"What is kept at six by cells heard to each side: {'; '.join(told)}."


def told_to(answers: Answers) -> tuple[Figure, str]:
    """Skill and coherence at six by the cells that are told of a request, and how requests meet."""
    fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.2))
    told = []
    for (said, (name, ways)), (colour, line) in zip(TOLD_HOW.items(), TOLD_LOOKS, strict=True):
        of_kinds = [length_results.asked_in(answers[name], ways, k) for k in ("skill", "coherence")]
        for ax, values in zip(axes, of_kinds, strict=True):
            ax.plot(values.mean(1), line, color=colour, label=said)
            ax.plot(values, "o", ms=3, color=colour, mfc="none" if line == ":" else colour)
        told.append(f"{said} {', '.join(f'{value:.2f}' for value in of_kinds[0].mean(1))}")
    for ax, label in zip(axes, ("skill at 6", "share that passes for one scene"), strict=True):
        ax.set_xticks(range(len(TOLD_TO)), TOLD_TO)
        ax.set(xlabel="cells told of a request", ylabel=label, ylim=(-0.05, 1.0))
    axes[0].legend(fontsize=7, loc="lower right")
    return fig, f"Skill at six, each request told to {', to '.join(TOLD_TO)}: {'; '.join(told)}."


def attention_maps(weights: list[Tensor], places: list[Tensor]) -> tuple[Figure, str]:
    """How much each cell attends to the requests of a picture, all of them together: a panel each.

    Args:
        weights: Of each picture (K, grid, grid).
        places: Asked for, (K, 2) each.
    """
    fig, axes = plt.subplots(1, len(weights), figsize=(8.4, 2.3))
    most = max(float(part.sum(0).max()) for part in weights)
    for ax, part, where in zip(axes, weights, places, strict=True):
        grid = part.shape[-1]
        image = ax.imshow(part.sum(0).numpy(), cmap=figures.SEQUENTIAL, vmin=0, vmax=most)
        for place in where.numpy() * grid - 0.5:  # as wide as 5 cells, whatever the panel's size
            ax.add_patch(plt.Circle(place, 2.5, fill=False, color="white", lw=0.8))
        ax.set_title(f"$K = {len(part)}$", fontsize=9)
        ax.axis("off")
    fig.colorbar(image, ax=axes, label="attention to requests", shrink=0.8)
    peaks = ", ".join(f"{float(part.sum(0).max()):.2f}" for part in weights)
    return fig, f"Maps of how much each cell attends to requests; at most {peaks}."


def hits_and_passes(pictures: Tensor, asked: Tensor, finder, judge) -> str:
    """How many places (n, K, 2) are hit and how many pictures pass for one scene, in words."""
    where = detector.detect(finder, pictures)
    hits = sum(len(measure.matched(p[m], a)) for p, m, a in zip(*where, asked, strict=True))
    passing = int((coherence.logits(judge, pictures) > 0).sum())
    return f"{hits} of {asked[..., 0].numel()} places hit, {passing} of {len(asked)} pass"


def asked_otherwise(
    drawn: dict[int, dict[str, Tensor]], places: dict[int, Tensor], finder, judge
) -> dict[str, Any]:
    """Every way of asking at every number of locations, for `lib.book.player.show`.

    Args:
        drawn: By number of locations K and way, pictures (n, 3, 32, 32); 6 and `nearest`, at which
            it starts, are among them.
        places: By K, those asked for, (n, K, 2).
        finder: Finds objects, see `lib.scenes.detector`.
        judge: Of coherence.

    Returns:
        The arguments but for the caption.
    """
    others = {"told all": "another network, told all as a map", "real": "real pictures"}
    counts, ways = list(drawn), list(drawn[6])
    grid, n = (len(ways), len(counts)), len(places[6])
    tiles = np.stack([np.stack([strip(drawn[K][way]) for K in counts]) for way in ways])
    hits = [
        [hits_and_passes(drawn[K][way], places[K], finder, judge) for K in counts] for way in ways
    ]
    turn = np.linspace(0, 2 * np.pi, 14)
    ring = 1.6 * np.stack([np.cos(turn), np.sin(turn)], 1)
    rings = np.full((len(counts), n * max(counts), len(turn) + 1, 2), np.nan)
    for own, K in zip(rings, counts, strict=True):
        own[: n * K, :-1] = spots(places[K])[:, None].numpy() + ring
    rings = rings.reshape(1, len(counts), -1, 2)
    fig, ax = plt.subplots(figsize=(7.4, 7.4 / n + 0.3))
    image = ax.imshow(tiles[0, 0])
    (circle,) = ax.plot([], [], color="white", lw=1.0)
    ax.set(xlim=(-0.5, tiles.shape[3] - 0.5), ylim=(31.5, -0.5))
    ax.axis("off")
    return {
        "figure": fig,
        "sliders": {"each cell hears": [WAYS.get(w, others.get(w)) for w in ways], "K": counts},
        "marks": [player.Image(image, tiles), player.Line(circle, rings[..., 0], rings[..., 1])],
        "alt": "{each cell hears}, {K} requests: {hits}.",
        "readouts": {"hits": np.reshape(hits, grid)},
        "play": "K",
        "start": {"K": counts.index(6), "each cell hears": ways.index("nearest")},
    }
