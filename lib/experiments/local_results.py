"""What is read off the measurements of `local_scores`, and the sentences that rest on them."""

from collections.abc import Sequence
from functools import reduce
from math import inf
from operator import getitem

import numpy as np

from lib.experiments import length_line, length_results
from lib.experiments.length_results import (
    AS_MAP,
    ASKED,
    ATTENDS,
    NEAR,
    PRODUCT,
    SEEN_BEFORE,
    SIGMA,
    TOLD_ALL,
)
from lib.experiments.length_words import Bounds
from lib.experiments.local_scores import EXCHANGES, LEVELS, skill

AT = length_results.LEVELS.index(SIGMA)  # of the levels at which locality is measured


def over_seeds(seeds: Sequence[dict], *path: str) -> np.ndarray:
    """The mean over seeds of the list that stands under some names, such as `changes.1`, `says`."""
    return np.mean([reduce(getitem, path, seed) for seed in seeds], 0)


def relative(seeds: Sequence[dict], shown: int, key: str, sigma: float = 3.0) -> float:
    """A change of the answer over the answer, at a noise level; see `local_scores.changes`."""
    part, at = f"changes.{shown}", LEVELS.index(sigma)
    return float(over_seeds(seeds, part, key)[at] / over_seeds(seeds, part, "says")[at])


def mean_skill(seeds: Sequence[dict], which: str, level: float, count: int = 1) -> float:
    """The seeds' mean skill on the `first` or `second` request, exchanged at a noise level."""
    return float(np.mean([skill(seed, level, which, count) for seed in seeds]))


def half_level(share: Sequence[float], levels: Sequence[float] = LEVELS) -> float:
    """The noise at which a falling share first passes one half, by interpolation in its logarithm.

    Raises:
        ValueError: It does not begin above one half, or never falls to it.
    """
    below = np.asarray(share) <= 0.5
    k = int(np.argmax(below))  # the first level at which half or less is kept
    if not k:
        raise ValueError(f"a share that falls through one half is needed, not {list(share)}")
    part = (share[k - 1] - 0.5) / (share[k - 1] - share[k])
    return float(np.exp(np.log(levels[k - 1]) * (1 - part) + np.log(levels[k]) * part))


def half_kept(seeds: Sequence[dict], size: str) -> float:
    """The noise at which half of a `small` or `large` object is kept unasked, a mean of seeds."""
    return float(np.mean([half_level(seed["listens"]["unasked"][size]) for seed in seeds]))


def crossing(seeds: Sequence[dict]) -> float:
    """The noise of an exchange at which half of the new requests that can be are drawn."""
    share = [mean_skill(seeds, "second", level) for level in EXCHANGES]
    rises = np.maximum.accumulate(share)
    return float(np.exp(np.interp(share[-1] / 2, rises[1:], np.log(EXCHANGES[1:]))))


def largest_ratio(seeds: Sequence[dict], least: float = 0.1) -> float:
    """What a request moves where the picture does not fit it, over where it does, or the inverse.

    Args:
        seeds: Of `local_scores.results`, of one network.
        least: Noise level; the largest ratio from there up counts.
    """
    fits, not_ = (over_seeds(seeds, "listens", f"moved.{k}fitting") for k in ("", "un"))
    ratio = (not_ / fits)[np.array(LEVELS) >= least]
    return float(np.maximum(ratio, 1 / ratio).max())


def along_training(result: dict) -> dict[str, list]:
    """One run of `length_generalization` while it trained, at a noise level of 1.

    Returns:
        `steps`; outside shares when a request is `removed` and of what a `pixel` sees; skill at
        `one` and at `six`.
    """
    steps = sorted(map(int, result["training"]))
    parts = [result["training"][str(step)] for step in steps]
    found = {k: [p["locality"][k][AT] for p in parts] for k in ("removed", "pixel")}
    for name, K in (("one", "1"), ("six", "6")):
        found[name] = [length_results.skill(p["counts"][K]) for p in parts]
    return {"steps": steps} | found


def less_local(results: dict[str, list[dict]]) -> dict[int, float]:
    """Outside share when a request goes: told one label less told all, by seed, without seed 0.

    Args:
        results: Of `length_generalization.finished_runs`; seed 0 was seen before the rule.
    """
    one, all_ = (
        {r["setting"]["seed"]: along_training(r)["removed"][-1] for r in results[name]}
        for name in (SEEN_BEFORE, TOLD_ALL)
    )
    return {seed: one[seed] - all_[seed] for seed in sorted(set(one) & set(all_) - {0})}


def removed_of_six(near: dict[int, dict]) -> float:
    """Outside share when one of six requests goes, a mean of seeds; see `length_locality`."""
    return float(np.mean(list(length_results.outside_of_six(near).values())))


def statements(looked: dict[str, list[dict]], near: dict[str, dict]) -> dict[str, Bounds]:
    """The chapter's sentences that rest on stored measurements, see `length_words.statements`.

    Args:
        looked: Of `local_scores.results`.
        near: Of `length_generalization.answers`, kind `local`.
    """
    all_, one = looked[TOLD_ALL], looked[SEEN_BEFORE]
    (own, others), (own_one, others_one) = (
        [relative(seeds, 1, key) for key in ("own", "others")] for seeds in (all_, one)
    )
    level, level_one = crossing(all_), crossing(one)
    late = [looked[name] for name in (ASKED, NEAR)]
    latest = [crossing([run]) for run in looked[NEAR]]
    earlier = [crossing([run]) for name in looked if name != NEAR for run in looked[name]]
    six, six_one = (removed_of_six(near[name]) for name in (TOLD_ALL, SEEN_BEFORE))
    found: dict[str, Bounds] = {
        "far pixels hardly count": (max(relative(s, 1, "far") for s in looked.values()), 0, 0.15),
        "told all, others count less than its own": (others, -inf, 0.75 * own),
        "told one, they count as much": (others_one, 0.8 * own_one, inf),
        "told one, its own drowns among six": (relative(one, 6, "own"), -inf, 0.4),
        "told all, it does not": (relative(all_, 6, "own"), 0.7, inf),
        "told late, reactions are not alike": (min(map(largest_ratio, late)), 2, inf),
        "and differ by four at most": (max(map(largest_ratio, late)), -inf, 4),
        "hearing near, it is decided latest": (max(latest), -inf, min(earlier)),
        "half-way at .5": (crossing(looked[NEAR]), 0.5, 0.55),
        "told one, the new one is decided a little earlier": (level_one, level, 1.5 * level),
        "of six, told one reacts more far away": (six_one, six + 0.3, inf),
        "told all as a map, less than told rows": (
            removed_of_six(near[AS_MAP]),
            -inf,
            0.6 * six,
        ),
    }
    for label, seeds in (("told all", all_), ("told one", one)):
        sizes = half_kept(seeds, "large") / half_kept(seeds, "small")
        window = over_seeds(seeds, "machine", "explained", "5 x 5 pixels")
        far = over_seeds(seeds, "changes.6", "far")
        said = {
            "the new one is drawn from 3 on": (mean_skill(seeds, "second", 3.0), 0.75, inf),
            "and not from .3": (mean_skill(seeds, "second", 0.3), -inf, 0.15),
            "in between at about .8": (crossing(seeds), 0.6, 1.0),
            "both reactions are alike": (largest_ratio(seeds), -inf, 1.6),
            "large objects are kept to twice the noise": (sizes, 1.5, 3.5),
            "patches explain two fifths and more": (min(window[LEVELS.index(0.3) :]), 0.4, inf),
            "far pixels of six move .05 at 1": (far[LEVELS.index(1.0)], 0.03, 0.07),
            "and at 3": (far[LEVELS.index(3.0)], 0.03, 0.07),
        }
        found |= {f"{label}: {sentence}": bounds for sentence, bounds in said.items()}
    return found


def of_the_line(measured: dict) -> dict[str, Bounds]:
    """The chapter's sentences about what is kept and how far answers reach, see `statements`.

    Args:
        measured: Of `length_generalization.results`.
    """
    by_count = {K: length_line.kinds(measured, str(K)) for K in (1, 2, 3, 6)}
    of, two = by_count[6], by_count[2]
    slope, start = length_line.line(of)
    none = length_line.errors_of_the_mean(of)
    missed = {
        (by, K): length_line.errors(by_count[K], by) for by in length_line.SHARES for K in by_count
    }
    between = [name for name in length_line.HELD_OUT if 0.1 < of[name]["kept"] < 0.8]
    seeing = [name for name in length_line.HELD_OUT if two[name]["pixel"] > 0]
    low = length_line.errors(length_line.kinds(measured, sigma=0.1))
    runs = length_line.within(measured)
    products = {PRODUCT: runs[PRODUCT]}
    pairs = length_results.less_of_six(measured["near"], measured["slower_near"])
    apart = {row.rpartition(".")[2]: values for row, values in pairs.items()}
    steady = [along_training(r) for n in (ATTENDS, PRODUCT) for r in measured["results"][n]]

    def mean(errors: dict[str, float], names: Sequence[str] = length_line.HELD_OUT) -> float:
        return float(np.mean([errors[name] for name in names]))

    return {
        "1.28 times what is outside": (slope, -1.29, -1.275),
        "off 1.12": (start, 1.115, 1.13),
        "held out, missed by .04": (mean(missed["removed", 6]), 0.03, 0.045),
        "at most by .09": (max(missed["removed", 6].values()), 0.085, 0.095),
        "by the mean .29": (mean(none), 0.28, 0.295),
        "six are between": (len(between), 5.5, 6.5),
        "missed by .04 too": (mean(missed["removed", 6], between), 0.035, 0.045),
        "by the mean .17": (mean(none, between), 0.16, 0.175),
        "a step misses by .08": (mean(length_line.errors_of_a_step(of)), 0.075, 0.085),
        "its own place by .16": (mean(length_line.errors(of, "own")), 0.155, 0.165),
        "beside the others by .015": (mean(length_line.errors(of, "beside")), 0.01, 0.0175),
        "asked for one, by .32": (mean(missed["removed", 1]), 0.315, 0.325),
        "for two .12": (mean(missed["removed", 2]), 0.115, 0.125),
        "for three .07": (mean(missed["removed", 3]), 0.065, 0.075),
        "what a place sees, worse than none": (
            min(mean(missed["pixel", K]) for K in by_count),
            mean(none),
            inf,
        ),
        "of those that see, .15 at two": (mean(missed["pixel", 2], seeing), 0.145, 0.155),
        "for .26": (mean(none, seeing), 0.25, 0.265),
        "at a noise of .1, .21": (mean(low), 0.2, 0.215),
        "within a kind -.22": (length_line.about_their_means(runs), -0.25, -0.19),
        "products -.91": (length_line.about_their_means(products), -0.93, -0.89),
        "twelve runs told one label do not turn": (
            max(part["removed"][-1] - min(part["removed"][:-1]) for part in steady),
            -1,
            0.02,
        ),
        "and rise at six": (min(p["six"][-1] - p["six"][0] for p in steady), 0.3, 1),
        "attention, one label: .53": (min(apart["rows"]), 0.525, 0.535),
        "to .57": (max(apart["rows"]), 0.56, 0.575),
        "all labels: .17": (min(apart["all"]), 0.165, 0.175),
        "to .26": (max(apart["all"]), 0.25, 0.265),
        "products: .32": (min(apart["products"]), 0.315, 0.325),
        "to .42": (max(apart["products"]), 0.41, 0.425),
        "half the rate: .06": (min(apart["rate"]), 0.055, 0.065),
        "to .12": (max(apart["rate"]), 0.115, 0.125),
    }
