"""What the page says of the length experiments: names, tables, and sentences with their numbers.

`statements` are the sentences that rest on stored measurements, each with the number that it is
about and the bounds between which it is true; `untrue` names those that are not.
"""

from collections.abc import Iterable, Sequence
from math import inf

import numpy as np

from lib.experiments import length_results
from lib.experiments.length_generalization import SETTINGS, Setting, varied
from lib.experiments.length_results import (
    ALONE,
    AS_MAP,
    ASKED,
    AT_RANDOM,
    ATTENDS,
    ATTENDS_ALL,
    NEAR,
    NEAREST,
    ONE_LABEL,
    PRODUCT,
    SEEN_BEFORE,
    SEES_NEAR,
    TOLD_ALL,
)
from lib.scenes import failures

LABELS = {  # of networks
    "label_all.vector": "all labelled",
    "label_all.map": "all labelled, as a map",
    "label_one.vector": "one labelled",
    "label_one.map": "one labelled, as a map",
    "label_one.full_all": "sees all, hears all",
    "label_one.full_local": "sees all, hears near",
    "label_one.local_all": "sees near, hears all",
    "label_one.local_local": "sees near, hears near",
    "label_all.full_nearest": "all labelled, hears its nearest",
    "label_all.full_random": "all labelled, hears one at random",
}
WAYS = {  # what each cell hears
    "all": "all requests, as trained",
    "nearest": "its nearest request",
    "random": "one at random",
    "mean": "the mean of all",
    "composed": "each alone, differences added",
    "window-2": "those in a window",
    "displaced": "those in a window elsewhere",
    "nearest-heard": "its nearest, all in one call",
    "paste": "scissors, one noise",
    "paste-apart": "scissors, other noise",
    "glued": "scissors, then glue",
    "glued-near": "scissors, glued near",
}
WAYS_NEAR = {  # of the network that hears near
    "all": "all in its window, as trained",
    "nearest-window": "of its window, the nearest",
    "nearest": "its nearest, however far",
    "paste": "scissors, one noise",
}
PAIRS = {  # a second request, near or far
    "alone": "its nearest alone",
    "pair-near": "and its second nearest, one call",
    "pair-far": "and the farthest, one call",
    "added-near": "and its second nearest, answers added",
    "added-far": "and the farthest, answers added",
}
LIT = {  # painters that the reader of lamps was tried on
    "real": "real scenes",
    "smeared": "smeared",
    "scissors_one_light": "scissors, one light",
    "scissors": "scissors, own lights",
}
CROWDED = {"none": (0, 0), "one or two": (1, 2), "three": (3, 3), "four and more": (4, 6)}
LOSES = {  # network and way of asking
    (SEEN_BEFORE, "nearest"): "one labelled, asked near",
    (SEEN_BEFORE, "paste"): "its scissors",
    (NEAR, "all"): "sees all, hears near",
    (NEAR, "nearest-window"): "the same, each cell hearing one",
}
HEARS = {
    "local": "5 × 5 cells",
    "all": "everything",
    "nearest": "its nearest",
    "random": "one at random",
}
LOCAL_ALL = "label_one.local_all"  # sees near, hears all
Bounds = tuple[float, float, float]  # a number, what it is above, what it is below
GOALS = ((1, 0.8), (6, 0.6), (6, 0.8))  # objects, skill
SHOWN = (SEEN_BEFORE, SEES_NEAR, TOLD_ALL)  # networks that were shown fewer objects, or more
PAPER = {  # the paper's K_max, by the most objects in a training picture
    "label_one.vector": {1: 1, 3: 2, 5: 3},
    "label_one.local_local": {1: 5, 3: 9, 5: 10},
}


def mean_and_ends(values: Sequence[float], form: str = ".2f") -> str:
    """A mean, and the ends of what the seeds gave; per cent are said once."""
    mean, *ends = (f"{value:{form}}" for value in (np.mean(values), min(values), max(values)))
    low, high = (end.removesuffix("%") for end in ends)
    return mean if len(values) == 1 else f"{mean} ({low} to {high})"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def own_way(name: str) -> str:
    """The way of asking in which a network was trained, of `length_asking.ways`."""
    conditions = SETTINGS[name].conditions
    return conditions if conditions in ("nearest", "random") else "all"


def networks_table(results: dict[str, list[dict]], answers: dict[str, dict[int, dict]]) -> str:
    """The table of the networks, what each keeps, and how often its six pass for one scene.

    Args:
        results: Of `length_generalization.finished_runs`.
        answers: Of `length_generalization.answers`; of who is not in it coherence is left open.
    """
    rows = []
    for name, seeds in results.items():
        setting = SETTINGS[name]
        window = setting.pathway == "window"
        sees = HEARS[setting.pixels] if window and setting.pixels == "local" else "everything"
        one, six = (f"{np.mean(length_results.skills(seeds, K)):.2f}" for K in (1, 6))
        own, asked = own_way(name), length_results.by_way(answers[name]) if name in answers else {}
        looks = asked[own]["coherence"] if own in asked else []
        rows.append(
            [
                f"**{LABELS[name]}**",
                *(one, six, f"{np.mean(length_results.retention(seeds)):.0%}"),
                f"{np.mean(looks):.0%}" if looks else "",
                len(seeds),
                "all" if setting.labels == "label_all" else "one",
                sees,
                HEARS[setting.conditions] if window else "everything",
            ]
        )
    head = "skill at 1|at 6|kept|one scene|seeds|labelled|sees|hears"  # a phone shows the first few
    return markdown_table(["", *head.split("|")], rows)


def _measured(row: dict[str, list[float]] | None) -> list[str]:
    """Three cells of a table: skill, coherence and seams, see `length_results.by_way`."""
    if row is None:
        return [""] * 3
    return [
        mean_and_ends(row["skill"]) if row["skill"] else "1",  # real pictures
        mean_and_ends(row["coherence"], ".0%"),
        str(round(1000 * np.mean(row["seams"]))) if row["seams"] else "",
    ]


def ways_table(answers: dict[str, dict[int, dict]]) -> str:
    """The table of the ways of asking the networks that were told one label.

    Args:
        answers: Of `length_generalization.answers`; a network that is not in it has no column.
    """
    columns = {n: length_results.by_way(answers[n]) for n in ONE_LABEL if n in answers}
    head, *rows = _columns(columns, WAYS)
    others = {TOLD_ALL: "*another, told all labels, asked for all*", AS_MAP: "*and as a map*"}
    for name, said in others.items():  # of the first network's kind
        if name in answers:
            whole = length_results.by_way(answers[name])["all"]
            rows.append([said, *_measured(whole), *[""] * 3 * (len(columns) - 1)])
    real = (cell for column in columns.values() for cell in _measured(column["real"]))
    return markdown_table(head, [*rows, ["*real pictures*", *real]])


def ways_near_table(answers: dict[str, dict[int, dict]], names: Sequence[str] = (NEAR,)) -> str:
    """As `ways`, of networks that hear near."""
    columns = {name: length_results.by_way(answers[name]) for name in names if name in answers}
    head, *rows = _columns(columns, WAYS_NEAR)
    return markdown_table(head, rows)


def _columns(columns: dict[str, dict], names: dict[str, str]) -> list[list[str]]:
    """Head and rows of a table of ways, with three columns a network."""
    head, rows = ["each cell hears"], [[f"**{said}**"] for said in names.values()]
    for name, column in columns.items():
        own = f"{LABELS[name]}: " if len(columns) > 1 else ""
        head += [f"{own}skill at 6", "one scene", "seams"]
        for row, way in zip(rows, names, strict=True):
            row += _measured(column.get(way))
    return [head, *rows]


def ten_table(answers: dict[int, dict]) -> str:
    """The table of six beside ten locations, of one network's seeds."""
    rows = [length_results.by_way(answers, K) for K in (6, 10)]
    kinds = (("skill", ".2f"), ("coherence", ".0%"))
    return markdown_table(
        ["each cell hears", "skill at 6", "at 10", "one scene at 6", "at 10"],
        [
            [f"**{WAYS[way]}**"]
            + [f"{np.mean(row[way][kind]):{form}}" for kind, form in kinds for row in rows]
            for way in ("all", "composed", "nearest", "glued", "paste")
        ],
    )


def learning_table(results: dict[str, list[dict]]) -> str:
    """The table of how fast networks learn: pictures and minutes to the first look at each goal.

    Args:
        results: As of `networks_table`. The looks are those at five steps of a training, 32
            pictures each; skill is the mean over seeds; minutes are of one processor core, looking
            included, the mean of those seeds of which they were taken.
    """
    rows = []
    for name, seeds in results.items():
        size, steps = seeds[0]["scale"]["batch"], seeds[0]["steps"]
        timed = [run["cpu_seconds"] for run in seeds if "cpu_seconds" in run]
        minutes = np.mean(timed) / steps / 60 if timed else None
        reached = []
        for count, level in GOALS:
            looks = length_results.skill_along(seeds, count)
            first = next((step for step, skill in looks.items() if skill >= level), None)
            said = f"{first * size:,}" if first else ""
            reached.append(f"{said} ({first * minutes:.1f})" if first and timed else said)
        rows.append([f"**{LABELS[name]}**", *reached])
    goals = (f"skill {level} at {count}" for count, level in GOALS)
    return markdown_table(["pictures (minutes) to", *goals], rows)


def ideas_table(ideas: dict[str, dict]) -> str:
    """The table of what makes one network learn sooner, best at six first.

    Args:
        ideas: Of one setting in `lib/results/learning.json`: by what was changed the `batch`, CPU
            `seconds` a step, and `looks`: `step` and `skill_1`, `skill_3`, `skill_6`.
    """
    rows = []
    for idea, run in sorted(ideas.items(), key=lambda each: -each[1]["looks"][-1]["skill_6"]):
        last = run["looks"][-1]
        reached = (minutes_to(run, *aim) for aim in GOALS)
        whole = f"{last['step'] * run['seconds'] / 60:.1f}"
        said = "nothing (Muon, batches of 32, rows)" if idea == "as reported" else idea
        numbers = ("" if each == inf else f"{each:.1f}" for each in reached)
        rows.append([f"**{said}**", f"{last['skill_6']:.2f}", *numbers, whole])
    head = (
        f"{'minutes ' * (not k)}to {level} at {count}" for k, (count, level) in enumerate(GOALS)
    )
    return markdown_table(["changed", "skill at 6", *head, "minutes in all"], rows)


def minutes_to(run: dict, count: int, level: float) -> float:
    """CPU minutes to the first look at which an idea is as skilled; infinity if at none."""
    steps = [look["step"] for look in run["looks"] if look[f"skill_{count}"] >= level]
    return min(steps, default=inf) * run["seconds"] / 60


def of_ideas(ideas: dict[str, dict]) -> dict[str, Bounds]:
    """The chapter's sentences about `ideas_table`, see `statements`."""
    muon, adamw, small, as_map = (
        ideas[name] for name in ("as reported", "AdamW", "batches of 16", "places as a map")
    )
    first = [run["looks"][0]["skill_1"] for run in (muon, adamw)]
    last = {name: run["looks"][-1]["skill_6"] for name, run in ideas.items()}
    by_map, product = last.pop("places as a map"), "rows meet places in products"
    by_product, usual, noises = last.pop(product), last["as reported"], ("more noise", "less noise")
    thrice = last.pop("half the rate, three times the pictures")
    attends = "places attend to requests"
    by_attention = last.pop(attends)
    dearer = small["seconds"] / small["batch"] / (muon["seconds"] / muon["batch"])
    behind = [look["skill_1"] for look in as_map["looks"][:3]]
    rates = ("twice the learning rate", "as reported", "half the learning rate")
    batches = ("batches of 16", "as reported", "batches of 64")
    rising = [np.diff([last[name] for name in names]) for names in (rates, batches)]
    return {
        "Muon .67 after an eighth": (first[0], 0.66, 0.68),
        "AdamW .26": (first[1], 0.25, 0.27),
        "and ends no lower": (last["AdamW"] - last["as reported"], -0.03, inf),
        "half the batch costs a quarter more a picture": (dearer, 1.15, 1.35),
        "a map is late": (max(behind), -inf, 0.4),
        "and best at six": (by_map - by_attention, 0.02, inf),
        "attention is next": (by_attention - by_product, 0.04, inf),
        "the smaller the rate the more of six": (min(rising[0]), 0.05, inf),
        "the larger the batch the more": (min(rising[1]), 0.05, inf),
        "less by a late fall": (last["a late fall of the rate"] - last["as reported"], -inf, -0.05),
        "products come then": (by_product - max(last.values()), 0.05, inf),
        "by attention .8": (minutes_to(ideas[attends], 1, 0.8), 0.75, 0.87),
        "1.3": (minutes_to(ideas[attends], 6, 0.6), 1.2, 1.35),
        "and 2.1": (minutes_to(ideas[attends], 6, 0.8), 2.0, 2.15),
        ".35 at twice the rate": (last["twice the learning rate"], 0.345, 0.355),
        ".54 at it": (usual, 0.535, 0.545),
        ".67 at half": (last["half the learning rate"], 0.665, 0.675),
        ".69 at a quarter of the rate": (last["a quarter of the learning rate"], 0.685, 0.695),
        "half the parameters, little": (abs(last["half the parameters"] - usual), -inf, 0.05),
        "noise levels, little": (max(abs(last[n] - usual) for n in noises), -inf, 0.05),
        "three times the pictures, .76": (thrice, 0.755, 0.765),
        "by products .4": (minutes_to(ideas[product], 1, 0.8), 0.35, 0.45),
        ".9": (minutes_to(ideas[product], 6, 0.6), 0.8, 0.95),
        "and 3.0": (minutes_to(ideas[product], 6, 0.8), 2.9, 3.05),
        "by a sum of rows .9": (minutes_to(muon, 1, 0.8), 0.8, 0.95),
        "2.6 at half the rate": (minutes_to(ideas["half the learning rate"], 6, 0.6), 2.55, 2.7),
    }


def of_ideas_near(ideas: dict[str, dict]) -> dict[str, Bounds]:
    """The chapter's sentences about the ideas of the network that hears near, see `statements`."""
    usual, adamw, half = (
        ideas[name] for name in ("as reported", "AdamW", "half the learning rate")
    )
    last = [run["looks"][-1]["skill_6"] for run in (usual, adamw, half)]
    ones = [look["skill_1"] for look in usual["looks"][1:]]
    return {
        "hearing near, .6 at six after 12.5 minutes": (minutes_to(usual, 6, 0.6), 12.2, 12.9),
        "one at .72": (min(ones), 0.715, 0.725),
        "to .78": (max(ones), 0.775, 0.79),
        "six at .65": (last[0], 0.64, 0.655),
        "at half the rate too": (last[2], 0.64, 0.655),
        "AdamW .58": (last[1], 0.575, 0.59),
    }


def painters_of_light(painters: dict[str, dict[str, float]]) -> str:
    """The table of agreement on the lamps of painters of known worth, by number of objects.

    Args:
        painters: `lib/results/lamps.json`, what the reader made of them.
    """
    return markdown_table(
        ["agreement on the lamps", *LIT.values()],
        [
            [f"{count} objects", *(f"{painters[count][name]:.2f}" for name in LIT)]
            for count in sorted(painters, key=int)
        ],
    )


def k_max_table(results: dict[str, list[dict]]) -> str:
    """The table of K_max, see `length_results.k_max_of_means`."""
    return markdown_table(
        ["trained on 1 to 3 objects", "$K_{\\max}$ at .8", "at .6"],
        [
            [LABELS[n], *(length_results.k_max_of_means(seeds, v) for v in (0.8, 0.6))]
            for n, seeds in results.items()
        ],
    )


def objects_table(runs: dict[str, dict[int, list[dict]]], answers: dict) -> str:
    """The table of how far networks go by how many objects they were shown, beside the paper's.

    Args:
        runs: By network and by the most objects in a training picture, as `networks_table`.
        answers: As of `networks_table`; who was not asked otherwise has no numbers there.
    """
    head = "shown|skill at 1|at 6|kept|one scene|near|scissors|$K_{\\max}$|paper's|seeds"
    rows = []
    for name, shown in runs.items():
        for most, seeds in shown.items():
            own = Setting(**seeds[0]["setting"]).name
            asked = length_results.by_way(answers.get(own, {}))
            nothing = {"skill": [], "coherence": []}
            otherwise = (asked.get(way, nothing)["skill"] for way in ("nearest", "paste"))
            passing = asked.get("all", nothing)["coherence"]
            rows.append(
                [
                    f"**{LABELS[name]}**" if most == min(shown) else "",
                    "1" if most == 1 else f"1–{most}",
                    *(f"{np.mean(length_results.skills(seeds, K)):.2f}" for K in (1, 6)),
                    f"{np.mean(length_results.retention(seeds)):.0%}",
                    f"{np.mean(passing):.0%}" if passing else "",
                    *(f"{np.mean(each):.2f}" if each else "" for each in otherwise),
                    length_results.k_max_of_means(seeds, 0.8),
                    PAPER.get(name, {}).get(most, ""),
                    len(seeds),
                ]
            )
    return markdown_table(["", *head.split("|")], rows)


TOLD_TO = ("all cells", "5 × 5 about it", "those nearest to it")  # the cells that hear a request
TOLD_HOW = {  # told one label as a row: whose weights, how requests meet, and asked by `TOLD_TO`
    "a sum of rows, bent": (SEEN_BEFORE, ("all", "window-heard", "nearest-heard")),
    "each row bent alone": (SEEN_BEFORE, ("embedded", "embedded-window", "nearest-heard")),
    "rows in products": (PRODUCT, ("all", "window-heard", "nearest-heard")),
    "one object met: a sum": (ALONE, ("all", "window-heard", "nearest-heard")),
    "one object met: each alone": (ALONE, ("embedded", "embedded-window", "nearest-heard")),
}


ATTENDED = {  # ways of asking the network whose places attend
    "all": "all requests, as trained",
    "attending-apart": "each attended to as if alone",
    "attending-alike": "all cells alike, as on average",
    "attending-loud": "all cells alike, as where it stands",
    "window-heard": "each told to 5 × 5 cells",
    "nearest-heard": "its nearest",
    "paste": "scissors: drawn separately, cut and pasted",
}


def attention_table(answers: dict[int, dict]) -> str:
    """The table of ways in which the network whose places attend was asked.

    Args:
        answers: Of `length_generalization.answers`, of that network.
    """
    counts = {count: length_results.by_way(answers, count) for count in (1, 6, 10)}
    rows = []
    for way, said in ATTENDED.items():
        skill = [f"{np.mean(n[way]['skill']):.2f}" if way in n else "" for n in counts.values()]
        rows.append([f"**{said}**", *skill, f"{np.mean(counts[6][way]['coherence']):.0%}"])
    return markdown_table(["each place hears", "skill at 1", "6", "10", "one scene, of 6"], rows)


def plain_answers(answers: dict[str, dict[int, dict]]) -> dict:
    """Skill and coherence of all that was asked, by setting, seed, number of locations and way."""
    return {
        name: {
            seed: {
                K: {
                    way: [length_results.skill(part[way]), length_results.coherent(part, way)]
                    for way in part
                    if way != "real"
                }
                for K, part in counts.items()
            }
            for seed, counts in seeds.items()
        }
        for name, seeds in answers.items()
    }


def crowded_skill(
    answers: dict[str, dict[int, dict]], crowding: dict[int, np.ndarray]
) -> dict[tuple[str, str], list[float]]:
    """Skill at six of some networks and ways, by how many places hear a second in their window.

    Args:
        answers: Of `length_generalization.answers`.
        crowding: By seed, of each request: `length_asking.crowding`.

    Returns:
        By network and way the skill in each of `CROWDED`, of all seeds together.
    """
    return {
        (name, way): [
            length_results.skill_where(
                answers[name],
                way,
                {seed: (least <= n) & (n <= most) for seed, n in crowding.items()},
            )
            for least, most in CROWDED.values()
        ]
        for name, way in LOSES
    }


def crowded_table(found: dict[tuple[str, str], list[float]]) -> str:
    """The table of `crowded_skill`."""
    return markdown_table(
        ["skill at six, by how many of six have another within 5 × 5 cells", *CROWDED],
        [
            [f"**{said}**", *(f"{value:.2f}" for value in found[which])]
            for which, said in LOSES.items()
        ],
    )


def of_crowds(found: dict[tuple[str, str], list[float]]) -> dict[str, Bounds]:
    """The chapter's sentences about `crowded_skill`, see `statements`."""
    near, paste, hears, alone = (np.array(found[which]) for which in LOSES)
    return {
        "asked near .83 alone": (near[0], 0.825, 0.835),
        ".70 in a crowd": (near[-1], 0.695, 0.705),
        "scissors .88 alone": (paste[0], 0.875, 0.885),
        "scissors .88 in a crowd": (paste[-1], 0.875, 0.885),
        "hearing near, .75 alone": (hears[0], 0.745, 0.755),
        ".47 in a crowd": (hears[-1], 0.465, 0.475),
        "one of a window gives it back": (min(alone - hears[0]), -0.05, inf),
    }


def of_budgets(budgets: dict[str, np.ndarray]) -> dict[str, Bounds]:
    """The chapter's sentence about `length_failures.budget`, network by network."""
    blended = [each[failures.KINDS.index("blended")] for each in budgets.values()]
    return {"a quarter of an object is blended at most": (max(blended), 0.2, 0.25)}


def of_bends(runs: dict[str, list[dict]], answers: dict) -> dict[str, Bounds]:
    """The chapter's sentences on what bends and what reaches, see `statements`."""
    told = {
        said: length_results.asked_in(answers[name], ways)
        for said, (name, ways) in TOLD_HOW.items()
    }
    (all_, near, one), (each_all, each_near, _), (product, product_near, _), *alone = (
        skill.mean(1) for skill in told.values()
    )
    found = length_results.reaching(answers)
    pairs = ("nearest-heard", "pair-near", "pair-far")
    row, in_products = (
        length_results.asked_in(answers[n], pairs).mean(1) for n in (SEEN_BEFORE, PRODUCT)
    )
    bent_alone = length_results.asked_in(
        answers[SEEN_BEFORE], ("nearest-heard", "embedded-pair-near", "embedded-pair-far")
    ).mean(1)
    more = length_results.more_in_products(runs)
    cut = (*found["length.reach.one"], *found["length.reach.one.product"])
    windows = ("embedded", "window-2", "embedded-window")
    cut_off, cut_off_near, cut_off_both = length_results.asked_in(answers[ASKED], windows).mean(1)
    return {
        "as trained .02": (all_, 0.015, 0.025),
        "each bent alone, .34": (each_all, 0.335, 0.345),
        "told near, .57": (near, 0.56, 0.575),
        "both, .65": (each_near, 0.645, 0.66),
        "its nearest, .68": (one, 0.675, 0.685),
        "in products .51": (product, 0.505, 0.515),
        "and .69 near": (product_near, 0.685, 0.695),
        "bending costs .09 near": (np.mean(found["length.reach.bends"]), 0.085, 0.095),
        "products draw .02 more near": (np.mean(found["length.reach.left"]), 0.015, 0.025),
        "after one alone, .50 near": (alone[0][1], 0.49, 0.505),
        "and none told everywhere": (max(alone[0][0], alone[1][0]), -inf, 0.01),
        "cut at windows one is drawn": (min(cut), 0.92, inf),
        "a second, as a bent sum, .37 near": (row[1], 0.365, 0.375),
        "and .35 far": (row[2], 0.345, 0.36),
        "bent alone .59 near": (bent_alone[1], 0.585, 0.595),
        "and .67 far": (bent_alone[2], 0.665, 0.675),
        "a second costs .13 in products, near": (in_products[0] - in_products[1], 0.12, 0.135),
        "and .02 far": (in_products[0] - in_products[2], 0.015, 0.025),
        "in products half is kept": (np.mean(length_results.retention(runs[PRODUCT])), 0.45, 0.6),
        "more in each of six pairs": (min(more) if len(more) == 6 else -inf, 0.3, inf),
        "with windows .09": (cut_off, 0.085, 0.095),
        "told near .52": (cut_off_near, 0.515, 0.525),
        "and both .62": (cut_off_both, 0.615, 0.625),
    }


def of_attention(
    runs: dict[str, list[dict]], answers: dict, shares: dict[int, dict[str, float]]
) -> dict[str, Bounds]:
    """The chapter's sentences about the network whose places attend, see `statements`.

    Args:
        runs: Of `length_generalization.finished_runs`.
        answers: Of `length_generalization.answers`.
        shares: Of its first seed by number of requests: `length_locality.attention_shares`.
    """
    own, asked = runs[ATTENDS], answers[ATTENDS]
    six, ten = (length_results.by_way(asked, count) for count in (6, 10))
    skill, last, one = (
        length_results.average(rows, "skill")
        for rows in (six, ten, length_results.by_way(asked, 1))
    )
    passing = length_results.average(six, "coherence")
    kept = length_results.kept_of(own, asked, "nearest-heard")
    shuffled = length_results.retention(runs[length_results.SCATTERED])
    told_all = length_results.average(length_results.by_way(answers[ATTENDS_ALL]), "coherence")
    far = {
        name: np.mean([length_results.seen_outside(run, 1.0, "moved") for run in runs[name]])
        for name in (ATTENDS, "label_one.map", SEEN_BEFORE)
    }
    return {
        "of a moved request's change .22 is far": (far[ATTENDS], 0.21, 0.225),
        "of a map's .18": (far["label_one.map"], 0.175, 0.19),
        "of a sum of rows' .53": (far[SEEN_BEFORE], 0.52, 0.535),
        "it keeps .69": (np.mean(length_results.retention(own)), 0.68, 0.695),
        "draws one at .92": (np.mean(length_results.skills(own, 1)), 0.915, 0.925),
        "products keep .54": (np.mean(length_results.retention(runs[PRODUCT])), 0.535, 0.55),
        "told all, .92": (np.mean(length_results.retention(runs[ATTENDS_ALL])), 0.91, 0.925),
        "and ten at .75": (np.mean(length_results.skills(runs[ATTENDS_ALL], 10)), 0.745, 0.76),
        "a map ten at .82": (np.mean(length_results.skills(runs[AS_MAP], 10)), 0.815, 0.83),
        "a map at .9": (np.mean(length_results.retention(runs[AS_MAP])), 0.85, 0.93),
        "attends by .44 where a request stands": (shares[1]["at"], 0.43, 0.45),
        "by .08 elsewhere": (shares[1]["elsewhere"], 0.07, 0.085),
        "a quarter goes to its nearest": (shares[6]["nearest"], 0.22, 0.28),
        "alike, next to none": (skill["attending-alike"], -inf, 0.05),
        "and of one": (one["attending-alike"], -inf, 0.1),
        "as loud as at its place, one at .81": (one["attending-loud"], 0.8, 0.815),
        "but none of six": (skill["attending-loud"], -inf, 0.08),
        "as trained, .66": (skill["all"], 0.65, 0.665),
        "apart, fewer pass": (passing["attending-apart"] - passing["all"], -inf, -0.08),
        "apart, about as many": (skill["attending-apart"] - skill["all"], -0.06, 0.06),
        "told near .77": (skill["window-heard"], 0.765, 0.78),
        "its nearest .81": (skill["nearest-heard"], 0.8, 0.815),
        "of which it keeps .88": (np.mean(kept), 0.87, 0.9),
        "a second request costs .04 near": (
            skill["nearest-heard"] - skill["pair-near"],
            0.03,
            0.045,
        ),
        "and .02 far": (skill["nearest-heard"] - skill["pair-far"], 0.01, 0.03),
        "begun shuffled, .64": (np.mean(shuffled), 0.63, 0.645),
        "at least .61": (min(shuffled), 0.61, 0.62),
        "at most .65": (max(shuffled), 0.645, 0.66),
        "told all, .82 pass": (told_all["all"], 0.815, 0.83),
        "of its pastes .42": (told_all["paste"], 0.415, 0.43),
        "at ten .39": (last["all"], 0.385, 0.395),
        "and .68 near": (last["nearest-heard"], 0.675, 0.685),
    }


def of_reach(reach: dict[str, float]) -> dict[str, Bounds]:
    """The chapter's sentence about `length_locality.added_outside`, by network."""
    return {
        "products .53 beyond": (reach[PRODUCT], 0.525, 0.535),
        "of the bent network's .75": (reach[SEEN_BEFORE], 0.745, 0.755),
        "of a map's none": (reach["label_one.map"], -1e-6, 1e-6),
    }


def of_the_rate(runs: dict[str, list[dict]], slower: dict[str, list[dict]]) -> dict[str, Bounds]:
    """The chapter's sentences about half the learning rate, see `statements`.

    Args:
        runs: Of `length_generalization.finished_runs`.
        slower: Of those at half the rate.
    """
    all_, one = (np.mean(length_results.retention(slower[n])) for n in (TOLD_ALL, SEEN_BEFORE))
    then = np.mean(length_results.retention(runs[SEEN_BEFORE]))
    more = length_results.at_half_the_rate(runs, slower)["length.rate.more"]
    return {
        "half the rate, two thirds are kept": (all_, 0.62, 0.72),
        "more in each pair": (min(more), 0, inf),
        "one label, half the rate, .14": (one, 0.135, 0.145),
        "in place of .03": (then, 0.025, 0.035),
        "products at half the rate .52": (*length_results.retention(slower[PRODUCT]), 0.51, 0.525),
        "where it kept .61": (length_results.retained(runs[PRODUCT])[0], 0.605, 0.615),
    }


def of_third(
    results: dict[str, list[dict]],
    third: dict[str, list[dict]],
    answers: dict[str, dict[int, dict]],
) -> dict[str, Bounds]:
    """What is said of the third experiment's later runs, see `statements`.

    Args:
        results: Of `length_generalization.finished_runs`.
        third: The later runs: `third` in `length_generalization.results`.
        answers: What was asked of their weights: `third_answers` there.
    """
    runs, asked = third[SEES_NEAR], answers[SEES_NEAR]
    nine = [*results[SEES_NEAR], *runs]
    kept = length_results.retention(nine)
    looks = length_results.average(length_results.by_way(asked), "coherence")
    whole, pasted = (length_results.pool(asked, way) for way in ("all", "paste"))
    return {
        "four runs draw": (len(runs), 3.5, 4.5),
        "one at .83": (np.mean(length_results.skills(runs, 1)), 0.825, 0.835),
        "and keep .71": (np.mean(length_results.retention(runs)), 0.705, 0.715),
        "all nine draw": (len(nine), 8.5, 9.5),
        "one at .84": (np.mean(length_results.skills(nine, 1)), 0.835, 0.845),
        "and keep .70": (np.mean(kept), 0.695, 0.705),
        "at least .63": (min(kept), 0.625, 0.635),
        "at most .76": (max(kept), 0.75, 0.765),
        "the fourth draws one at .79": (
            length_results.skills(results[SEES_NEAR], 1)[3],
            0.785,
            0.795,
        ),
        ".66 pass": (looks["all"], 0.655, 0.665),
        "pasted .50": (looks["paste"], 0.495, 0.505),
        "where seams are as low no lead is seen": (
            max(length_results.lead_at_equal_seams(whole, pasted, bins) for bins in (2, 3, 4, 6)),
            -inf,
            0.05,
        ),
    }


def of_hidden(
    answers: dict[int, dict], seen: dict[int, np.ndarray], crowding: dict[int, np.ndarray]
) -> dict[str, Bounds]:
    """The chapter's sentence about objects that hide each other, see `statements`.

    Args:
        answers: Of one network that is asked near.
        seen: By seed, of each request: `length_asking.least_seen`.
        crowding: As for `crowded_skill`.
    """
    third = np.quantile(np.concatenate(list(seen.values())), 1 / 3)
    (least, _), *_, (most, _) = CROWDED.values()
    alone, crowd = (
        length_results.skill_where(
            answers, "nearest", {s: (v > third) & chosen(crowding[s]) for s, v in seen.items()}
        )
        for chosen in (lambda n: n == least, lambda n: n >= most)
    )
    return {
        "without the most hidden, .84 alone": (alone, 0.835, 0.845),
        "and .72 in a crowd": (crowd, 0.715, 0.725),
    }


def second_requests(rows: dict[str, dict[str, list[float]]]) -> dict[str, list[float]]:
    """Skill of each of `PAIRS`, of `length_results.by_way`.

    A network with windows is told its nearest in one call anyway; another, as `nearest-heard`.
    """
    alone = rows["nearest-heard" if "nearest-heard" in rows else "nearest"]
    return {way: (alone if way == "alone" else rows[way])["skill"] for way in PAIRS}


def untrue(found: dict[str, Bounds]) -> list[str]:
    """Those `statements` that the measurements do not bear out, and why."""
    return [
        f"{s}: {v:.3f}, not in {a:g} to {b:g}" for s, (v, a, b) in found.items() if not a < v < b
    ]


def statements(results, answers, near) -> dict[str, Bounds]:
    """The chapter's sentences that rest on stored measurements.

    Args:
        results: Of `length_generalization.finished_runs`.
        answers: Of `length_generalization.answers`.
        near: The same of kind `local`.
    """
    found = _of_labels(results) | _of_a_row(results, answers) | _of_glue(answers[SEEN_BEFORE])
    for name in ONE_LABEL:
        each = _of_one_label(length_results.by_way(answers[name]))
        each |= _of_far_shares(near[name], near[TOLD_ALL])
        found |= {f"{LABELS[name]}: {sentence}": bounds for sentence, bounds in each.items()}
    found |= _of_both(answers) | _of_pixels(near) | _of_windows(results, answers)
    found |= _of_one_a_cell(results, answers) | _of_one_alone(results, answers)
    found |= _of_glue_near(results, answers)
    return found | _of_what_was_shown(results, answers) | _of_widths(results, answers)


def _of_widths(results, answers) -> dict[str, Bounds]:
    """Of windows that are wider or narrower in training, and of the same in asking alone."""
    wider = varied(results, NEAR, "k", (0, 1, 2, 4, 8))
    _, one, two, four, eight = (np.mean(length_results.retention(r)) for r in wider.values())
    heard_all, asked = (results[ASKED], answers[ASKED]), {}
    for k in (0, 1, 2, 4):
        asked[k] = np.mean(length_results.kept_of(*heard_all, f"window-{k}"))
    rows = length_results.average(length_results.by_way(answers[SEEN_BEFORE]), "skill")
    return {
        "one cell to each side keeps .80": (one, 0.795, 0.805),
        "two .71": (two, 0.705, 0.715),
        "four cells to each side keep .22": (four, 0.215, 0.23),
        "eight next to nothing": (eight, -inf, 0.05),
        "but draws one at .57": (np.mean(length_results.skills(wider[0], 1)), 0.565, 0.575),
        "in asking .15 at four": (asked[4], 0.14, 0.155),
        ".62 at two": (asked[2], 0.615, 0.625),
        ".76 at one": (asked[1], 0.755, 0.77),
        "through its own cell far less": (asked[0], 0.5, 0.6),
        "told a row, windows of one fill .69": (rows["window-1"], 0.685, 0.695),
        "of two .77": (rows["window-2"], 0.76, 0.775),
        "of four .72": (rows["window-4"], 0.715, 0.725),
        "of eight .59": (rows["window-8"], 0.585, 0.595),
        "soft borders .67": (rows["soft"], 0.665, 0.675),
    }


def _of_glue_near(results, answers) -> dict[str, Bounds]:
    """Of pastes that are glued while each place is asked for its nearest, by fresh seeds."""
    own = results[SEEN_BEFORE]
    fresh = length_results.of_seeds(answers[SEEN_BEFORE], length_results.FRESH)
    six, ten = (np.mean(length_results.kept_of(own, fresh, "glued-near", K)) for K in ("6", "10"))
    passing = length_results.average(length_results.by_way(fresh, 10), "coherence")
    return {
        "glued while asked near, .96 of six": (six, 0.95, 0.965),
        ".85 of ten so glued": (ten, 0.84, 0.855),
        "at ten .87 of them pass": (passing["glued-near"], 0.865, 0.875),
        "and .32 unglued": (passing["paste"], 0.315, 0.325),
    }


def _of_one_alone(results, answers) -> dict[str, Bounds]:
    """Of the network that met one object alone, as trained and asked otherwise."""
    rows = length_results.by_way(answers[ALONE])
    skill, passing = (length_results.average(rows, kind) for kind in ("skill", "coherence"))
    kept = {
        way: np.mean(length_results.kept_of(results[ALONE], answers[ALONE], way))
        for way in ("nearest", "nearest-heard")
    }
    ten = length_results.average(length_results.by_way(answers[ALONE], 10), "coherence")
    return {
        "and at ten .85": (
            np.mean(length_results.kept_of(results[ALONE], answers[ALONE], count="10")),
            0.845,
            0.86,
        ),
        "at ten nine of ten pass": (ten["nearest"], 0.85, 0.95),
        "of its pastes one in five": (ten["paste"], 0.15, 0.25),
        "of one alone, none of six": (max(rows["all"]["skill"]), -inf, 0.05),
        "it draws one": (min(length_results.skills(results[ALONE], 1)), 0.95, inf),
        "after one alone, near, .92": (skill["nearest"], 0.915, 0.93),
        "kept are .93": (kept["nearest"], 0.925, 0.935),
        "in a single call, two thirds": (kept["nearest-heard"], 0.62, 0.7),
        "and .44 of ten": (
            np.mean(length_results.kept_of(results[ALONE], answers[ALONE], "nearest-heard", "10")),
            0.435,
            0.45,
        ),
        "its scissors fill .98": (skill["paste"], 0.97, 0.985),
        "of its .66": (skill["nearest-heard"], 0.655, 0.665),
        "two in a call, .24": (skill["pair-near"], 0.235, 0.247),
        "added, .80": (skill["added-near"], 0.795, 0.81),
        "of its glued pastes .67": (passing["glued"], 0.665, 0.68),
        "of its pictures .85 pass": (passing["nearest"], 0.845, 0.855),
        "of its pastes .39": (passing["paste"], 0.38, 0.395),
    }


def _of_what_was_shown(results, answers) -> dict[str, Bounds]:
    """Of networks that were shown one object, up to three or up to five, in as many steps."""
    shown = {name: varied(results, name, "objects", (1, 3, 5)) for name in SHOWN}
    near = shown[SEES_NEAR].values()
    kept = [np.mean(length_results.retention(runs)) for runs in near]
    one, six = (
        [np.mean(length_results.skills(runs, K, wide=True)) for runs in near] for K in (1, 6)
    )
    exact = [np.mean(length_results.skills(runs, 1)) for runs in near]
    named = [np.mean(length_results.skills(runs, 6)) for runs in shown[TOLD_ALL].values()]
    rows = {most: answers[Setting(**runs[0]["setting"]).name]
            for most, runs in shown[SEEN_BEFORE].items()}  # fmt: skip
    added = {m: length_results.by_way(asked)["composed"]["skill"] for m, asked in rows.items()}
    called = [
        np.mean(length_results.kept_of(shown[SEEN_BEFORE][m], rows[m], "nearest-heard"))
        for m in (3, 5)
    ]
    k_max, farthest = (
        [length_results.k_max_of_means(runs, 0.8) for runs in shown[name].values()]
        for name in (SEEN_BEFORE, SEES_NEAR)
    )
    alike = [length_results.six_where_one(runs) for runs in near]
    return {
        "as good at one, .47 of six": (min(alike), 0.465, 0.475),
        "to .50 where as good at one": (max(alike), 0.495, 0.505),
        "whatever was shown, two thirds are kept": (max(abs(np.subtract(kept, 2 / 3))), -inf, 0.06),
        "placed less exactly the more there were": (max(np.diff(exact)), -inf, 0),
        "at twice the radius one at .95 or more": (min(one), 0.949, inf),
        "and six at .65": (min(six), 0.64, 0.655),
        "to .69 at twice the radius": (max(six), 0.685, 0.695),
        "K_max falls": (max(np.diff(farthest)), -inf, 0),
        "told a row K_max is 1": (max(k_max), 0, 2),
        "all named, over .52": (named[0], 0.515, 0.525),
        "to .75, all named": (named[1], 0.745, 0.755),
        "who met three or five, eight tenths": (np.mean(called), 0.75, 0.85),
        "after one, differences come to nothing": (max(added[1]), -inf, 0.05),
        "after three .49": (np.mean(added[3]), 0.485, 0.495),
        "after five .48": (min(added[5]), 0.475, 0.485),
        "and .70 the other": (max(added[5]), 0.695, 0.705),
    }


def _of_one_a_cell(results, answers) -> dict[str, Bounds]:
    """Of networks that hear one request a cell in training too, as trained and asked crosswise."""
    kept = {name: np.mean(length_results.retention(results[name])) for name in (NEAREST, AT_RANDOM)}
    three, ten = (
        np.mean(length_results.skills(results[n], K)) for n, K in ((AT_RANDOM, 3), (NEAREST, 10))
    )
    asked = {n: length_results.average(length_results.by_way(answers[n]), "skill") for n in kept}
    alone = length_results.skills(results[LOCAL_ALL], 6)
    return {
        "hearing its nearest it keeps .94": (kept[NEAREST], 0.935, 0.945),
        "and draws ten at .87": (ten, 0.865, 0.875),
        "hearing one at random, .17": (kept[AT_RANDOM], 0.165, 0.175),
        "a third of three": (three, 0.3, 0.37),
        "trained at random and asked near, .68": (asked[AT_RANDOM]["nearest"], 0.675, 0.685),
        "trained near and asked at random, .18": (asked[NEAREST]["random"], 0.175, 0.185),
        "seeing near alone, none of six": (max(alone), -inf, 0.05),
    }


def _of_labels(results) -> dict[str, Bounds]:
    kept = {name: length_results.retention(seeds) for name, seeds in results.items()}
    three = np.mean(length_results.skills(results[TOLD_ALL], 3))
    (off, gone), (off_near, gone_near), *failing = (
        length_results.errors(results[name])[1:3] for name in (TOLD_ALL, NEAR, *ONE_LABEL)
    )
    off_one, gone_one = length_results.errors(results[NEAR], 1)[1:3]
    chance = {
        n: length_results.errors(results[n], hit="blind")[1:3] for n in (TOLD_ALL, *ONE_LABEL)
    }
    by_chance = {name: _share(o, o + g) for name, (o, g) in chance.items()}
    failing_less = [
        _share(o, o + g) - by_chance[n] for n, (o, g) in zip(ONE_LABEL, failing, strict=True)
    ]
    return {
        "of other scenes' places three in ten": (by_chance[TOLD_ALL], 0.27, 0.35),
        "in those that fail as by chance": (max(np.abs(failing_less)), -inf, 0.03),
        "told all labels as a map, nine tenths": (np.mean(kept[AS_MAP]), 0.85, 0.95),
        "at six .90": (np.mean(length_results.skills(results[AS_MAP], 6)), 0.895, 0.905),
        "at ten most": (np.mean(length_results.skills(results[AS_MAP], 10)), 0.75, 0.9),
        "told all labels, half is kept at six": (np.mean(kept[TOLD_ALL]), 0.45, 0.6),
        "at three, nine of ten": (three, 0.9, inf),
        "told one label, next to nothing": (np.mean(kept[SEEN_BEFORE]), -inf, 0.05),
        "told it as a map, eight tenths": (np.mean(kept["label_one.map"]), 0.75, 0.85),
        "four in ten misses are off the spot": (_share(off, off + gone), 0.3, 0.5),
        "hearing near, as many": (_share(off_near, off_near + gone_near), 0.3, 0.5),
        "of those that fail one in eight": (max(_share(o, o + g) for o, g in failing), 0.05, 0.15),
        "at one, windows miss by little": (_share(off_one, off_one + gone_one), 0.8, inf),
        "windows are about at the gate": (min(length_results.skills(results[ASKED], 1)), 0.75, inf),
        "and keep little": (max(kept[ASKED]), -inf, 0.15),
    }


def _of_a_row(results, answers) -> dict[str, Bounds]:
    """Of the network told one label as a row, whose seed 0 was looked at first."""
    own = answers[SEEN_BEFORE]
    again = length_results.of_seeds(own, length_results.CONFIRMING)
    rows = length_results.by_way(own)
    skill, looks = (length_results.average(rows, kind) for kind in ("skill", "coherence"))
    first = length_results.average(length_results.by_way({0: own[0]}), "skill")
    ones = {r["setting"]["seed"]: length_results.skills([r], 1)[0] for r in results[SEEN_BEFORE]}
    one, near = ones[0], skill["nearest"]
    told = np.mean(length_results.skills(results[TOLD_ALL], 6))
    of_all = length_results.by_way(answers[TOLD_ALL])
    whole, pasted = np.mean(of_all["all"]["coherence"]), np.mean(of_all["paste"]["skill"])
    kept = {K: np.mean(length_results.kept_near(ones, again, K)) for K in ("6", "10")}
    glued_near = np.mean(length_results.kept_near(ones, again, "6", "glued-near"))
    in_one = [
        np.mean(length_results.kept_of(results[SEEN_BEFORE], own, "nearest-heard", K))
        for K in ("6", "10")
    ]
    ten = {w: np.array(r["coherence"]) for w, r in length_results.by_way(again, 10).items()}
    fail = max(skill[way] for way in ("random", "mean", "displaced"))
    high = max(skill["nearest-above-3"], skill["nearest-below-0.3"])
    return {
        "it is competent at one object": (one, 0.8, inf),
        "asked for six it draws hardly any": (skill["all"], -inf, 0.2 * one),
        "asked near, most of what it can": (near, 0.7 * one, inf),
        "at random, the mean and elsewhere as little": (fail, -inf, 0.2 * one),
        "a narrow window does as the nearest": (skill["window-2"], 0.7 * one, inf),
        "in one call nearly as many": (skill["nearest-heard"], 0.7 * near, inf),
        "scissors fill more": (skill["paste"], near, inf),
        "but pass less, and real pictures more": (looks["nearest"], looks["paste"], looks["real"]),
        "near below 3 is nearly as good": (skill["nearest-below-3"], 0.9 * near, inf),
        "near above 0.3 too": (first["nearest-above-0.3"], 0.8 * near, inf),
        "near above 3 or below 0.3 is not": (high, -inf, 0.3 * one),
        "asked near, .76": (near, 0.754, 0.766),
        "beside .52 told all labels": (told, 0.515, 0.525),
        "of the pictures .83 pass": (looks["nearest"], 0.825, 0.835),
        "and .80 of one told all labels": (whole, 0.795, 0.805),
        "it keeps .85 of its skill at six": (kept["6"], 0.844, 0.856),
        "and .76 at ten": (kept["10"], 0.754, 0.766),
        "in one call .79": (in_one[0], 0.78, 0.795),
        "and .60 at ten": (in_one[1], 0.595, 0.61),
        "glued near, .93": (glued_near, 0.924, 0.936),
        "at ten near passes more than glued": (min(ten["nearest"] - ten["glued"]), 0.2, inf),
        "by a quarter": (np.mean(ten["nearest"] - ten["glued"]), 0.22, 0.3),
        "at ten a quarter of pastes pass": (np.mean(ten["paste"]), 0.22, 0.3),
        "told all, its answers pasted fill nearly all": (pasted, 0.95, inf),
        "and than scissors": (min(ten["nearest"] - ten["paste"]), 0.5, inf),
    }


def _of_glue(answers) -> dict[str, Bounds]:
    """Of fresh seeds of the network told one label as a row."""
    again = length_results.of_seeds(answers, length_results.CONFIRMING)
    rows = length_results.by_way(again)
    kinds = ("skill", "coherence", "seams")
    skill, looks, seams = (length_results.average(rows, kind) for kind in kinds)
    pooled = [length_results.pool(again, way) for way in ("nearest", "glued")]
    lead, left = (looks["nearest"] - looks[way] for way in ("paste", "glued"))
    half_to_seven_tenths = (looks["paste"] + share * lead for share in (0.5, 0.7))
    filled = min(skill["glued"], skill["glued-near"])
    return {
        "glue goes nearly two thirds of the way": (looks["glued"], *half_to_seven_tenths),
        "one picture in seven is left": (left, 0.1, 0.18),
        "a tenth at equal seams": (length_results.lead_at_equal_seams(*pooled), 0.08, 0.13),
        "and where as full": (length_results.lead_where_as_full(*pooled), 0.08, 0.13),
        "glued near it is nearly as coherent": (looks["nearest"] - looks["glued-near"], 0, 0.08),
        "glued pastes fill more": (filled, skill["nearest"], inf),
        "glue halves the seams": (seams["glued"], 0, seams["paste"] / 2),
    }


def _of_one_label(rows) -> dict[str, Bounds]:
    """Of either network that was told one label, by the ways in which it was asked."""
    skill = length_results.average(rows, "skill")
    two = {way: np.mean(values) for way, values in second_requests(rows).items()}
    near, fail = skill["nearest"], max(skill[w] for w in ("all", "mean", "random", "displaced"))
    return {
        "all, the mean, at random and elsewhere fail": (fail, -inf, 0.15),
        "differences added do not": (skill["composed"], 0.4, inf),
        "near fills most, scissors more": (near, 0.6, skill["paste"]),
        "near below 3 is nearly as good": (skill["nearest-below-3"], 0.9 * near, inf),
        "near above 1 is not": (skill["nearest-above-1"], -inf, 0.5 * near),
        "a second in one call harms": (
            max(two["pair-near"], two["pair-far"]),
            -inf,
            two["alone"] - 0.15,
        ),
        "near as much as far": (two["pair-near"] - two["pair-far"], -0.1, 0.1),
        "answers added do not": (min(two["added-near"], two["added-far"]), two["alone"] - 0.1, inf),
    }


def _of_both(answers) -> dict[str, Bounds]:
    """Of the network told one label as a row beside the one with windows; ten beside six."""
    rows = {name: length_results.by_way(answers[name]) for name in ONE_LABEL}
    pairs = {name: second_requests(each) for name, each in rows.items()}
    two, one = ({n: np.mean(each[w]) for n, each in pairs.items()} for w in ("pair-far", "alone"))
    looks = {name: length_results.average(each, "coherence") for name, each in rows.items()}
    lead = {name: each["nearest"] - each["paste"] for name, each in looks.items()}
    skill = length_results.average(rows[SEEN_BEFORE], "skill")
    again = length_results.of_seeds(answers[SEEN_BEFORE], length_results.CONFIRMING)
    fresh = {K: length_results.by_way(again, K) for K in (6, 10)}
    ten = length_results.average(fresh[10], "coherence")
    closed, gap = ten["glued"] - ten["paste"], ten["nearest"] - ten["paste"]
    far = [fresh[6][way]["skill"] for way in ("pair-far", "pair-near")]
    return {
        "two at once keep half": (_share(two[SEEN_BEFORE], one[SEEN_BEFORE]), 0.45, 0.6),
        "with windows, a quarter of it": (_share(two[ASKED], one[ASKED]), 0.15, 0.3),
        "adding keeps three fifths": (_share(skill["composed"], skill["nearest"]), 0.55, 0.65),
        "with windows half the lead": (_share(lead[ASKED], lead[SEEN_BEFORE]), 0.4, 0.6),
        "at ten glue closes three fifths": (_share(closed, gap), 0.55, 0.65),
        "at ten nine tenths pass": (ten["nearest"], 0.85, 0.95),
        "near or far, within .1": (length_results.equivalent(length_results.less(*far)), 0.5, 1.5),
    }


def _share(part: float, whole: float) -> float:
    """Part over whole; of nothing no share is within any bounds."""
    return part / whole if whole else np.nan


def _of_pixels(near) -> dict[str, Bounds]:
    """Of what a pixel of the answer depends on, in pictures of three."""
    at = length_results.LEVELS.index(length_results.FAR)
    seeing = [seeds for name, seeds in near.items() if ".local_" not in name]
    three = [part["3"]["pixel"][: at + 1] for seeds in seeing for part in seeds.values()]
    return {"up to a noise of 3 pixels reach farther and farther": (np.diff(three).min(), 0, 1)}


def _of_far_shares(near, told_all) -> dict[str, Bounds]:
    """Of what changes far away when a request moves, at a noise level of 1."""
    at = length_results.LEVELS.index(length_results.SIGMA)
    one, all_ = (
        length_results.far_shares(part, (1, 2, 6))[:, :, at].mean(0) for part in (near, told_all)
    )
    return {
        "one request moves nothing far away": (one[0], -inf, 0.05),
        "two of a network told all labels neither": (max(all_[:2]), -inf, 0.05),
        "two of this do": (one[1], 0.1, inf),
        "and six, more than there": (one[2], all_[2] + 0.2, inf),
    }


def _of_windows(results, answers) -> dict[str, Bounds]:
    """Of the network that hears near."""
    skill = {w: np.array(r["skill"]) for w, r in length_results.by_way(answers[NEAR]).items()}
    own, gain = skill["nearest-window"].mean(), skill["nearest-window"] - skill["all"]
    hears_all = length_results.by_way(answers[ASKED])
    without = np.array(hears_all["nearest"]["skill"])
    window, beside = length_results.asked_in(answers[ASKED], ("window-2", "nearest")).mean(1)
    left = np.subtract(hears_all["nearest"]["coherence"], hears_all["glued"]["coherence"])
    fewer = length_results.less_by_seed(
        length_results.asked_so(answers[NEAR], "nearest-window"),
        length_results.asked_so(answers[ASKED], "nearest"),
    )
    kept, kept_seeing = (length_results.retention(results[n]) for n in (NEAR, SEES_NEAR))
    ones = [
        length_results.skills([run], 1)[0]
        for run in results[NEAR]
        if run["setting"]["seed"] in answers[NEAR]
    ]
    runs = {name: {r["setting"]["seed"]: r for r in seeds} for name, seeds in results.items()}
    sixes = {
        n: {s: length_results.skills([r], 6)[0] for s, r in runs[n].items()}
        for n in (NEAR, SEES_NEAR)
    }
    fewer_seeing = length_results.less_by_seed(sixes[SEES_NEAR], sixes[NEAR])
    seeing = length_results.seeing(runs, answers)
    passing = seeing["length.pixels.coherence"]
    sees = {w: np.array(r["skill"]) for w, r in length_results.by_way(answers[SEES_NEAR]).items()}
    return {
        "the nearest of a window fills .13 more": (min(gain), 0.125, 0.135),
        "to .21": (max(gain), 0.205, 0.215),
        "as the nearest, however far": (own - skill["nearest"].mean(), -0.05, 0.05),
        "without a window, asked near, .05 fewer": (min(fewer), 0.045, 0.055),
        "up to .09 fewer": (max(fewer), 0.085, 0.095),
        "without, in windows a quarter less": (window, 0.7 * beside, 0.8 * beside),
        "without, glue leaves .05": (left.mean(), 0.045, 0.055),
        "at least -.02": (min(left), -0.025, -0.015),
        "at most .09": (max(left), 0.085, 0.095),
        "it fills .68": (without.mean(), 0.675, 0.69),
        "beside .60": (skill["all"].mean(), 0.595, 0.61),
        "and .75": (own, 0.745, 0.76),
        "about half comes back": (np.mean(gain / (ones - skill["all"])), 0.4, 0.65),
        "hearing near, seven tenths are kept": (np.mean(kept), 0.65, 0.75),
        "seeing near too, .03 fewer of six": (-np.mean(fewer_seeing), 0.025, 0.035),
        "by less than .1 for sure": (length_results.equivalent(fewer_seeing), 0.5, inf),
        "it keeps .69": (min(kept), 0.685, 0.695),
        "to .75": (max(kept), 0.745, 0.755),
        "a fifth is seen beyond": (np.mean(seeing["length.pixels.far"]), 0.17, 0.23),
        "seeing near, .63 are kept": (min(kept_seeing), 0.625, 0.635),
        "to .75 again": (max(kept_seeing), 0.745, 0.755),
        "in two of three seeds more pass": (sorted(passing)[1], 0, inf),
        "and in one fewer": (min(passing), -inf, 0),
        "one of its window fills more there too": (
            min(sees["nearest-window"] - sees["all"]),
            0.1,
            inf,
        ),
    }
