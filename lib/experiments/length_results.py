"""What is read off the results of the length experiments, and what the ledger's rows rest on."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from scipy import stats

from lib.scenes import measure
from lib.scenes.coherence import coherence

TOLD_ALL, AS_MAP = "label_all.vector", "label_all.map"
ASKED = "label_one.full_all"  # whose weights the rows `length.asked.*` are about
SIX, TEN = "6", "10"
SEEN_BEFORE = "label_one.vector"  # seed 0 was looked at before its rules; the others confirm it
ONE_LABEL = (SEEN_BEFORE, ASKED)  # networks that hear everything
LEVELS = (0.1, 0.3, 1.0, 3.0, 10.0)  # of noise, at which locality is measured
SKILL, COHERENCE, SEAMS = range(3)  # in the order of `_in_all`
LESS = {  # rows that are one way of asking less another, of `ASKED`
    "length.account.near": (SKILL, "nearest", "random"),
    "length.account.weights": (SKILL, "nearest", "all"),
    "length.level.below": (SKILL, "nearest-below-3", "nearest"),
    "length.coherence.gain": (COHERENCE, "nearest", "paste"),
}
LESS_AGAIN = {  # of `SEEN_BEFORE`, `CONFIRMING`
    "length.again.near": (SKILL, "nearest", "random"),
    "length.again.weights": (SKILL, "nearest", "all"),
    "length.again.below": (SKILL, "nearest-below-3", "nearest"),
    "length.again.coherence": (COHERENCE, "nearest", "paste"),
    "length.glue.filled": (SKILL, "glued", "nearest"),
    "length.glue.lifts": (COHERENCE, "glued", "paste"),
    "length.glue.beyond": (COHERENCE, "nearest", "glued"),
    "length.seams.scissors": (SEAMS, "paste", "real"),
    "length.seams.near": (SEAMS, "nearest", "real"),
    "length.sum.second": (SKILL, "pair-near", "nearest-heard"),
    "length.sum.far": (SKILL, "pair-far", "pair-near"),
    "length.sum.added": (SKILL, "added-far", "pair-far"),
}
NEAR = "label_one.full_local"  # hears near; whose weights the next row is about
NEAREST, AT_RANDOM = (f"label_all.full_{who}" for who in ("nearest", "random"))  # hear one a cell
SEES_NEAR = "label_one.local_local"  # and sees near too
LAST = {SEES_NEAR: 3}  # seed of its own rows: no more was declared, whatever was trained later
PRODUCT = "label_one.product"  # rows that meet the places in products
ATTENDS = "label_one.attending"  # whose places attend to requests
ATTENDS_ALL = "label_all.attending"  # the same, told all places
ALONE = f"{SEEN_BEFORE}.objects-1"  # met one object in every picture
SCATTERED = "label_one.scattered"  # the same, but the rows of close places begin unlike
DRAWN_BESIDE = PRODUCT, ATTENDS, ALONE  # not reported on; whose pictures the book shows as well
LESS_NEAR = {"length.windows.alone": (SKILL, "nearest-window", "all")}
CONFIRMING, FRESH = (1, 2, 3), (4, 5, 6)  # seeds of `SEEN_BEFORE`, for rules after the first seed
LESS_TEN = {"length.near.coherence": (COHERENCE, "nearest", "paste")}  # as `LESS_AGAIN`, at ten
KEPT_NEAR = {"length.near.six": SIX, "length.near.ten": TEN}  # of `SEEN_BEFORE`, `CONFIRMING`
KEPT_FRESH = {  # of `SEEN_BEFORE`, `FRESH`
    "length.embedded.kept": ("embedded", SIX),
    "length.glued.six": ("glued-near", SIX),
    "length.glued.ten": ("glued-near", TEN),
}
LESS_FRESH = {"length.glued.coherence": (COHERENCE, "glued-near", "paste")}  # the same, at ten
KEPT_ALONE = {"length.objects.near": SIX, "length.objects.ten": TEN}  # of `ALONE`
LESS_ALONE = {"length.objects.coherence": (COHERENCE, "nearest", "paste")}  # the same, at ten
FAR = 3.0  # noise level of the row `length.pixels.far`
SIGMA = 1.0  # that the rows `length.local.*` are about


def skill(scores: dict, wide: bool = False) -> float:
    """Skill of one run at one number of objects, as `lib.scenes.measure` defines it.

    Args:
        scores: What `lib.scenes.measure.raw_scores` gave.
        wide: At twice the radius of the verdicts.

    Raises:
        ValueError: Real pictures hit no more than blind ones, or a number is not finite.
    """
    part = scores["wide"] if wide else scores
    sums = [sum(part[name]) for name in ("hits", "blind", "ceiling")]
    return float(measure.skill(torch.tensor(sums, dtype=torch.float64)))


def skills(results: Sequence[dict], count: int, wide: bool = False) -> list[float]:
    """Skill of each seed."""
    return [skill(result["counts"][str(count)], wide) for result in results]


def at_six(results: Sequence[dict]) -> list[float]:
    """Skill at six, seed by seed."""
    return skills(results, 6)


def by_count(results: Sequence[dict]) -> dict[int, list[float]]:
    """Skill of each seed, by the number of objects asked for, which is 1 or more."""
    return {K: skills(results, K) for K in sorted(map(int, results[0]["counts"])) if K}


def skill_along(results: Sequence[dict], count: int) -> dict[int, float]:
    """Skill along training by step, the mean over seeds, at a number of objects looked at there."""
    steps = sorted(map(int, results[0]["training"]))
    return {
        step: float(
            np.mean([skill(run["training"][str(step)]["counts"][str(count)]) for run in results])
        )
        for step in steps
    }


def six_where_one(results: Sequence[dict], level: float = 0.7) -> float:
    """Skill at six where that at one reached a level along training, the means of seeds, on a line
    between two looks.

    Args:
        results: Of one setting.
        level: Of skill at one, which only grows from look to look.
    """
    one, six = (list(skill_along(results, count).values()) for count in (1, 6))
    return float(np.interp(level, one, six))


def best_first(results: dict[str, list[dict]]) -> list[str]:
    """Networks by the skill at six of their first seed."""
    return sorted(results, key=lambda name: -skills(results[name][:1], 6)[0])


def errors(results: Sequence[dict], count: int = 6, hit: str = "hits") -> list[float]:
    """What the pictures of one setting show of what was asked, in objects a picture.

    Hit; off the spot, within twice the radius of a hit; missing, not even there; and elsewhere,
    what else the picture shows.

    Args:
        results: Of one setting.
        count: Objects asked for.
        hit: `hits`, or `blind` for other pictures' requests.
    """
    parts = [result["counts"][str(count)] for result in results]
    hits, near, found = (
        float(np.mean([values for part in parts for values in pick(part)]))
        for pick in (lambda p: p[hit], lambda p: p["wide"][hit], lambda p: p["found"])
    )
    return [hits, near - hits, count - near, found - near]


def k_max_of_means(results: Sequence[dict], level: float) -> int:
    """How many objects are composed by the seeds' mean skill, see `lib.scenes.measure.k_max`."""
    means = {K: float(np.mean(each)) for K, each in by_count(results).items()}
    return measure.k_max(means, level)


def cases(scores: dict) -> list[tuple[float, float]]:
    """Skill as a ratio of sums: of each picture hits and ceiling, both less blind hits."""
    parts = (scores[name] for name in ("hits", "blind", "ceiling"))
    return [(hits - blind, most - blind) for hits, blind, most in zip(*parts, strict=True)]


def retention(results: Sequence[dict]) -> list[float]:
    """Skill at six over skill at one, seed by seed.

    Raises:
        ValueError: A seed has no skill at one, of which nothing could be kept.
    """
    return _over_one(skills(results, 6), skills(results, 1))


def retained(runs: Sequence[dict]) -> dict[int, float]:
    """Retention by seed."""
    return {run["setting"]["seed"]: retention([run])[0] for run in runs}


def _over_one(values: Sequence[float], ones: Sequence[float]) -> list[float]:
    """Skills over those at one object, which are all above 0."""
    if min(ones, default=1.0) <= 0:
        raise ValueError(f"retention needs skill above 0 at one object, not {ones}")
    return [value / one for value, one in zip(values, ones, strict=True)]


def coherent(answers: dict, way: str) -> float:
    """Coherence of one way of asking, at one number of objects."""
    return coherence(torch.tensor(answers[way]["looks"]))


def seams(answers: dict, way: str) -> float:
    """How high seams are in the pictures of one way of asking; see `lib.scenes.coherence.seams`."""
    return float(np.mean(answers[way]["seams"]))


def by_way(answers: dict[int, dict], count: int = 6) -> dict[str, dict[str, list[float]]]:
    """Skill and coherence of each way of asking one setting's weights, a number a seed.

    Args:
        answers: Of `length_generalization.answers`, of one setting.
        count: Locations asked for.

    Returns:
        By way, `skill`, `coherence` and `seams` (where measured): of the seeds that were asked so,
        in their order. Of `real` pictures too, which have no skill.
    """
    return _by_way([answers[seed].get(str(count), {}) for seed in sorted(answers)])


def _by_way(parts: Sequence[dict]) -> dict[str, dict[str, list[float]]]:
    """As `by_way`, of one number of locations, seed by seed."""
    found: dict[str, dict[str, list[float]]] = {}
    for part in parts:
        for way in part:
            row = found.setdefault(way, {"skill": [], "coherence": [], "seams": []})
            row["coherence"].append(coherent(part, way))
            if way != "real":
                row["skill"].append(skill(part[way]))
            if "seams" in part[way]:
                row["seams"].append(seams(part, way))
    return found


def average(rows: dict[str, dict[str, list[float]]], kind: str) -> dict[str, float]:
    """The mean over seeds of one kind of what `by_way` gives, where it was measured."""
    return {way: float(np.mean(row[kind])) for way, row in rows.items() if row[kind]}


def leave_out_first(seeds: dict[int, Any]) -> dict[int, Any]:
    """What is known of the seeds that were not looked at before the rules were written."""
    return {seed: known for seed, known in seeds.items() if seed}


def of_seeds(answers: dict[int, dict], seeds: Iterable[int]) -> dict[int, dict]:
    """What was asked of some of the seeds, of those that were asked."""
    return {seed: answers[seed] for seed in seeds if seed in answers}


def pool(answers: dict[int, dict], way: str, count: int = 6) -> dict[str, np.ndarray]:
    """What was measured of each picture of one way, all seeds: `looks`, `seams`, `found`, (n,)."""
    parts = [answers[seed][str(count)][way] for seed in sorted(answers)]
    kinds = ("looks", "seams", "found")
    return {kind: np.concatenate([part[kind] for part in parts]) for kind in kinds}


def skill_where(
    answers: dict[int, dict], way: str, chosen: dict[int, np.ndarray], count: int = 6
) -> float:
    """Skill of one way of asking on some of the pictures, those of all seeds together.

    Args:
        answers: As of `by_way`.
        way: Of asking.
        chosen: By seed, which pictures (n,), as booleans.
        count: Locations asked for.

    Raises:
        ValueError: No picture is chosen, or real ones hit no more than blind ones there.
    """
    parts = {seed: answers[seed][str(count)][way] for seed in sorted(answers)}
    names = ("hits", "blind", "ceiling")
    some = {n: np.concatenate([np.array(p[n])[chosen[s]] for s, p in parts.items()]) for n in names}
    return skill({name: values.tolist() for name, values in some.items()})


def lead_at_equal_seams(
    these: dict[str, np.ndarray], others: dict[str, np.ndarray], bins: int = 6
) -> float:
    """How much more often pictures pass for one scene than others whose seams are as high.

    Args:
        these: Of `pool`; they are parted by their seams into groups of equal size.
        others: Whose pictures are compared with those in the group into which their seams fall.
        bins: How many groups, over which the lead is averaged.

    Raises:
        ValueError: A group is empty, so nothing is compared in it.
    """
    edges = np.quantile(these["seams"], np.linspace(0, 1, bins + 1)[1:-1])
    groups = [np.digitize(part["seams"], edges) for part in (these, others)]
    if any(set(group) != set(range(bins)) for group in groups):
        raise ValueError(f"of the {bins} groups by seams some hold no picture: take fewer")
    passing = [
        [(part["looks"][group == b] > 0).mean() for b in range(bins)]
        for part, group in zip((these, others), groups, strict=True)
    ]
    return float(np.subtract(*passing).mean())


def lead_where_as_full(these: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> float:
    """How much more often pictures pass than others of the same requests that show no more objects.

    Args:
        these: Of `pool`.
        others: Of the same requests, picture by picture; only pairs count in which at least as
            many objects are found in these.

    Raises:
        ValueError: There is no such pair.
    """
    full = these["found"] >= others["found"]
    if not full.any():
        raise ValueError("no picture shows as many objects as the one it is paired with")
    return float(np.subtract(*((part["looks"][full] > 0).mean() for part in (these, others))))


def equivalent(differences: Sequence[float], margin: float = 0.1) -> bool:
    """Whether paired differences are shown to be no larger than a margin: two one-sided t-tests.

    Args:
        differences: One a seed, two or more.
        margin: What counts as no difference.

    Raises:
        ValueError: There are fewer than two, or one is not finite.
    """
    values = np.asarray(differences, float)
    if len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"need two or more finite differences, not {values.tolist()}")
    half = stats.t.ppf(0.95, len(values) - 1) * stats.sem(values)
    return bool(abs(values.mean()) + half < margin)


def outside(counts: dict, count: int, sigma: float = SIGMA) -> float:
    """Outside share of the change when one of `count` requests moves, at one noise level."""
    return counts[str(count)]["moved"][LEVELS.index(sigma)]


def far_shares(near: dict[int, dict], counts: Sequence[int]) -> np.ndarray:
    """Shares of the *squared* change that lie outside, (seeds, counts, `LEVELS`); see `outside`.

    Args:
        near: By seed and number of requests, what was measured of one setting.
        counts: Numbers of requests.
    """
    return np.square([[part[str(k)]["moved"] for k in counts] for part in near.values()])


def local(
    near: dict[str, dict[int, dict]], slower: dict[str, dict[int, dict]]
) -> dict[str, list[float]]:
    """What stands behind the rows `length.local.*`, a number a run or a pair of one seed, not 0,
    and `local.generalise.*`.

    Args:
        near: How local answers are, of `length_generalization.answers`.
        slower: The same of networks trained at half the learning rate.
    """
    fresh = {name: leave_out_first(seeds) for name, seeds in near.items()}
    told_all, found = fresh.get(TOLD_ALL, {}), {}
    for name, end in zip(ONE_LABEL, ("", ".all"), strict=True):
        seeds = sorted(fresh.get(name, {}).items())
        found[f"length.local.one{end}"] = [outside(counts, 1) for _, counts in seeds]
        found[f"length.local.grows{end}"] = [
            growth(counts) - growth(told_all[seed]) for seed, counts in seeds if seed in told_all
        ]
    found |= less_of_six(near, slower)
    return {id: values for id, values in found.items() if values}


def less_of_six(
    near: dict[str, dict[int, dict]], slower: dict[str, dict[int, dict]]
) -> dict[str, list[float]]:
    """What stands behind the rows `local.generalise*`, see `local`: a pair a seed."""
    seen, fresh = (
        {name: outside_of_six(of(seeds)) for name, seeds in near.items()}
        for of in (dict, leave_out_first)
    )
    one, all_ = fresh.get(SEEN_BEFORE, {}), seen.get(TOLD_ALL, {})
    at_half = outside_of_six(slower.get(TOLD_ALL, {}))
    return {
        "local.generalise": less_by_seed(one, fresh.get(AS_MAP, {})),
        "local.generalise.rows": less_by_seed(one, fresh.get(ATTENDS, {})),
        "local.generalise.products": less_by_seed(seen.get(SEEN_BEFORE, {}), seen.get(PRODUCT, {})),
        "local.generalise.all": less_by_seed(all_, seen.get(ATTENDS_ALL, {})),
        "local.generalise.rate": less_by_seed(all_, at_half),
    }


def outside_of_six(near: dict[int, dict]) -> dict[int, float]:
    """Outside share when one of six requests goes, by seed, where six were asked for."""
    at = LEVELS.index(SIGMA)
    return {s: counts[SIX]["removed"][at] for s, counts in near.items() if SIX in counts}


def growth(counts: dict) -> float:
    """By how much more of the change lies outside at three requests than at one."""
    return outside(counts, 3) - outside(counts, 1)


LESS_RUNS = {  # rows that are one setting less another: of what, and which
    "length.contrast": (retention, TOLD_ALL, SEEN_BEFORE),
    "length.pixels.kept": (retention, SEES_NEAR, NEAR),
    "length.trained.near": (retention, NEAREST, AT_RANDOM),
    "length.dose.wide": (retention, f"{NEAR}.k-8", NEAR),
    "length.attending.start": (retention, SCATTERED, ATTENDS),
    "length.objects.local": (at_six, f"{SEES_NEAR}.objects-5", f"{SEES_NEAR}.objects-1"),
}


def samples(
    results: dict[str, list[dict]],
    answers: dict[str, dict[int, dict]],
    painters: dict,
    near: dict[str, dict[int, dict]],
    slower: dict[str, list[dict]],
    slower_near: dict[str, dict[int, dict]],
    third: dict[str, list[dict]],
    third_answers: dict[str, dict[int, dict]],
) -> dict[str, list[float]]:
    """What stands behind each row of the ledger: a number a seed, or one that was computed.

    Args:
        results: Of `length_generalization.finished_runs`.
        answers: Of `length_generalization.answers`.
        painters: What the judge of coherence made of painters of known worth, by number of objects:
            `lib/results/coherence.json`.
        near: See `local`.
        slower: As `results`, of networks trained at half the learning rate.
        slower_near: As `near`, of the same.
        third: As `results`, of the third experiment's later runs.
        third_answers: As `answers`, of the same.
    """
    found: dict[str, list[float]] = {}
    for name, seeds in results.items():
        counted = [r for r in seeds if r["setting"]["seed"] <= LAST.get(name, math.inf)]
        found[f"length.one.{name}"] = skills(counted, 1)
        found[f"length.retention.{name}"] = retention(counted)
    kept = {name: {r["setting"]["seed"]: r for r in seeds} for name, seeds in results.items()}
    found[f"length.three.{AT_RANDOM}"] = skills(results.get(AT_RANDOM, []), 3)
    found |= less_of_runs(kept) | at_half_the_rate(results, slower)
    found |= of_third(third.get(SEES_NEAR, []), third_answers.get(SEES_NEAR, {}))
    found["length.product.more"] = more_in_products(results)
    found |= reaching(answers) | attending(answers)
    skilled, looks, cuts = _in_all(answers.get(ASKED, {}))
    found |= {f"length.asked.{way}": values for way, values in skilled.items()}
    found |= {f"length.coherence.{way}": looks[way] for way in looks if way != "real"}
    if "nearest-above-3" in skilled:
        found["length.level.above"] = skilled["nearest-above-3"]
    found |= _paired(LESS, skilled, looks, cuts)
    own = results.get(SEEN_BEFORE, [])
    again, fresh = (of_seeds(answers.get(SEEN_BEFORE, {}), each) for each in (CONFIRMING, FRESH))
    found |= _paired(LESS_AGAIN, *_in_all(again)) | _paired(LESS_TEN, *_in_all(again, TEN))
    found |= {row: kept_of(own, again, count=count) for row, count in KEPT_NEAR.items()}
    found |= _paired(LESS_FRESH, *_in_all(fresh, TEN))
    found |= {row: kept_of(own, fresh, *which) for row, which in KEPT_FRESH.items()}
    alone, asked = results.get(ALONE, []), answers.get(ALONE, {})
    found |= _paired(LESS_ALONE, *_in_all(asked, TEN))
    found |= {row: kept_of(alone, asked, count=count) for row, count in KEPT_ALONE.items()}
    found |= _paired(LESS_NEAR, *_in_all(answers.get(NEAR, {})))
    found |= seeing(kept, answers)
    found |= local(near, slower_near)
    rows = painters.values()
    passed = [min(row["smeared"], row["recoloured"]) for row in rows]
    found["length.coherence.real"] = [sum(passed) / len(passed)]
    failed = [row["scissors"] for row in rows]
    found["length.coherence.scissors"] = [sum(failed) / len(failed)]
    return found


def more_in_products(results: dict[str, list[dict]]) -> list[float]:
    """What is kept where rows meet the places in products, less where sums are bent, by pairs."""
    products, sums = (retained(results.get(name, [])) for name in (PRODUCT, SEEN_BEFORE))
    return less_by_seed(leave_out_first(products), sums)


def asked_so(answers: dict[int, dict], way: str, count: str = SIX) -> dict[int, float]:
    """Skill of one way of asking one setting's weights, by seed, of those that were asked so."""
    parts = {seed: counts.get(count, {}) for seed, counts in answers.items()}
    return {seed: skill(part[way]) for seed, part in parts.items() if way in part}


def asked_in(answers: dict[int, dict], ways: Sequence[str], kind: str = "skill") -> np.ndarray:
    """Skill or coherence at six of the seeds that were asked in all of some ways: (ways, seeds)."""
    parts = [counts[SIX] for counts in answers.values() if set(ways) <= set(counts.get(SIX, {}))]
    rows = _by_way(parts)
    return np.array([rows[way][kind] for way in ways])


def _of_one(answers: dict[int, dict], way: str) -> list[float]:
    """Skill asked so for one object over that as trained, of the seeds that were asked so."""
    return kept_near(asked_so(answers, "all", "1"), answers, "1", way)


def reaching(answers: dict[str, dict[int, dict]]) -> dict[str, list[float]]:
    """What stands behind the rows `length.reach.*`, see `samples`: a number a run, or a pair."""
    bent, straight = (answers.get(name, {}) for name in (SEEN_BEFORE, PRODUCT))
    parts, products = asked_so(bent, "embedded-window"), asked_so(straight, "window-heard")
    return {
        "length.reach.one": _of_one(bent, "embedded-window"),
        "length.reach.one.product": _of_one(straight, "window-heard"),
        "length.reach.parts": less_by_seed(parts, asked_so(bent, "embedded")),
        "length.reach.bends": less_by_seed(parts, asked_so(bent, "window-heard")),
        "length.reach.product": less_by_seed(products, asked_so(straight, "all")),
        "length.reach.left": less_by_seed(products, parts),
        "length.reach.second": less_by_seed(
            *(asked_so(of_seeds(bent, FRESH), w) for w in ("embedded-pair-far", "nearest-heard"))
        ),
    }


def attending(answers: dict[str, dict[int, dict]]) -> dict[str, list[float]]:
    """What stands behind the rows `length.attending.*`, pairs of ways of the seeds after the first.

    Args:
        answers: As for `samples`.
    """
    own = leave_out_first(answers.get(ATTENDS, {}))
    usual, loud, apart = (asked_so(own, w) for w in ("all", "attending-loud", "attending-apart"))
    return {
        "length.attending.one": _of_one(own, "attending-loud"),
        "length.attending.place": less_by_seed(usual, loud),
        "length.attending.apart": less_by_seed(apart, usual),
    }


def of_third(runs: Sequence[dict], answers: dict[int, dict]) -> dict[str, list[float]]:
    """What stands behind the rows `length.third.*`: a number a run, or its pictures less its paste.

    Args:
        runs: The third experiment's later ones.
        answers: What was asked of their weights, by seed.
    """
    found = {"length.third.one": skills(runs, 1), "length.third.kept": retention(runs)}
    return found | _paired(
        {"length.third.coherence": (COHERENCE, "all", "paste")}, *_in_all(answers)
    )


def at_half_the_rate(
    results: dict[str, list[dict]], slower: dict[str, list[dict]]
) -> dict[str, list[float]]:
    """What stands behind the rows `length.rate.*`, see `samples`: a number a run, or a pair."""
    all_, one = slower.get(TOLD_ALL, []), slower.get(SEEN_BEFORE, [])
    return {
        "length.rate.kept": retention(all_),
        "length.rate.more": less_by_seed(retained(all_), retained(results.get(TOLD_ALL, []))),
        "length.rate.competent": skills(one, 1),
        "length.rate.competent.all": skills(all_, 1),
        "length.rate.one": retention(one),
    }


def seen_outside(run: dict, sigma: float = FAR, what: str = "pixel") -> float:
    """Of what a pixel of a trained network depends on, the share outside 5 x 5 cells about it.

    Args:
        run: With what was watched along its training.
        sigma: One of `LEVELS`.
        what: `pixel`; or `moved`, of the change when one of three requests moves.
    """
    last = max(run["training"], key=int)
    return run["training"][last]["locality"][what][LEVELS.index(sigma)]


def seeing(
    runs: dict[str, dict[int, dict]], answers: dict[str, dict[int, dict]]
) -> dict[str, list[float]]:
    """What stands behind the rows `length.pixels.far` and `.coherence`: a number a run, or a pair.

    Args:
        runs: Results, by setting and seed.
        answers: As for `samples`.
    """
    all_ = runs.get(NEAR, {})
    found = {"length.pixels.far": [seen_outside(all_[seed]) for seed in sorted(all_)]}
    looks = [
        {
            seed: coherent(counts[SIX], "all")
            for seed, counts in answers.get(name, {}).items()
            if "all" in counts.get(SIX, {})
        }
        for name in (SEES_NEAR, NEAR)
    ]
    found["length.pixels.coherence"] = less_by_seed(*looks)
    return {row: values for row, values in found.items() if values}


def less_of_runs(runs: dict[str, dict[int, dict]]) -> dict[str, list[float]]:
    """What stands behind the rows that are one setting less another, seed by seed: `LESS_RUNS`.

    Args:
        runs: Results, by setting and seed.
    """
    found = {
        row: less_by_seed(
            *({s: of([run])[0] for s, run in runs.get(name, {}).items()} for name in (one, other))
        )
        for row, (of, one, other) in LESS_RUNS.items()
    }
    return {row: values for row, values in found.items() if values}


def kept_near(
    ones: dict[int, float], answers: dict[int, dict], count: str, way: str = "nearest"
) -> list[float]:
    """Skill asked for the nearest, or otherwise, over skill at one as trained, seed by seed.

    Args:
        ones: Skill at one object, by seed; a seed that is not here is left out.
        answers: By seed and number of locations, as for `by_way`.
        count: Locations asked for.
        way: Of asking.

    Raises:
        ValueError: A seed that was asked has no skill at one.
    """
    near = asked_so(answers, way, count)
    both = sorted(set(near) & set(ones))
    return _over_one([near[seed] for seed in both], [ones[seed] for seed in both])


def kept_of(
    runs: Sequence[dict], answers: dict[int, dict], way: str = "nearest", count: str = SIX
) -> list[float]:
    """As `kept_near`, of the runs of a setting."""
    ones = {run["setting"]["seed"]: skills([run], 1)[0] for run in runs}
    return kept_near(ones, answers, count, way)


def _in_all(answers: dict[int, dict], count: str = SIX) -> list[dict[str, list[float]]]:
    """Skill, coherence and seams of the ways in which every seed was asked; see `by_way`."""
    parts = [counts[count] for counts in answers.values() if count in counts]
    rows = _by_way(parts)
    return [
        {way: row[kind] for way, row in rows.items() if parts and len(row[kind]) == len(parts)}
        for kind in ("skill", "coherence", "seams")
    ]


def _paired(rows: dict[str, tuple[int, str, str]], *kinds: dict[str, list[float]]) -> dict:
    """Of each row one way less another, seed by seed, where both were asked.

    Args:
        rows: By their ids which of `kinds`, and the two ways; see `LESS`.
        *kinds: Of `_in_all`.
    """
    return {
        id: less(kinds[kind][way], kinds[kind][other])
        for id, (kind, way, other) in rows.items()
        if {way, other} <= set(kinds[kind])
    }


def less(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Paired differences."""
    return [a - b for a, b in zip(values, others, strict=True)]


def less_by_seed(values: dict[int, float], others: dict[int, float]) -> list[float]:
    """Paired differences, of the seeds that both have."""
    return [values[seed] - others[seed] for seed in sorted(set(values) & set(others))]
