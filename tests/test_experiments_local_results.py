"""What is read off the local scores, by numbers made up; the chapter's sentences, by the book's."""

import copy
import functools

import numpy as np
import pytest

from lib.experiments import length_generalization as length
from lib.experiments import length_results, length_words, local_scores
from lib.experiments import local_results as local
from lib.experiments.length_results import ASKED, NEAR, SEEN_BEFORE, TOLD_ALL

LEVELS = local_scores.LEVELS


def scores(hits):
    return {"hits": [hits], "blind": [0], "ceiling": [10]}


def seed(rises=0.0, scale=1.0):
    """Measurements of one run: half of the new requests are drawn between noise 1 and 1.7."""
    drawn = {f"{v:g}": {"second": scores(0 if v < 1.5 else 8)} for v in local_scores.EXCHANGES}
    falls = [scale * max(0.0, 1 - 0.1 * k) for k in range(len(LEVELS))]
    changes = {"says": [2.0 * scale] * len(LEVELS), "own": [k * scale for k in range(len(LEVELS))]}
    moved = {"moved.fitting": [1.0] * len(LEVELS), "moved.unfitting": [0.01, 0.5, *[1.25] * 11]}
    listens = {"unasked": {"small": falls, "large": falls[:1] + falls[:-1]}} | moved
    return {"exchange.1": drawn, "changes.1": changes, "listens": listens}


def test_seeds_are_averaged_and_changes_told_by_what_is_said():
    seeds = [seed(), seed(scale=3.0)]
    assert np.allclose(local.over_seeds(seeds, "changes.1", "own"), 2.0 * np.arange(len(LEVELS)))
    at = LEVELS.index(3.0)
    assert np.isclose(local.relative(seeds, 1, "own"), at / 2)
    assert np.isclose(local.relative(seeds, 1, "own", 0.1), 1 / 2)
    assert local.mean_skill(seeds, "second", 1.7) == 0.8


def test_half_of_a_falling_share_is_found_between_levels():
    assert np.isclose(local.half_level([1.0, 0.75, 0.25], [0.1, 1.0, 10.0]), 10**0.5)
    assert np.isclose(local.half_level([0.9, 0.5, 0.1, 0.8], [0.1, 1.0, 10.0, 20.0]), 1.0)
    for share in ([0.4, 0.2], [0.9, 0.8]):
        with pytest.raises(ValueError, match="falls through one half"):
            local.half_level(share, [0.1, 1.0])
    small, large = (local.half_kept([seed()], size) for size in ("small", "large"))
    assert np.isclose(small, LEVELS[5])
    assert np.isclose(large, LEVELS[6])


def test_a_crossing_is_where_half_of_the_new_ones_are_drawn():
    assert np.isclose(local.crossing([seed()]), (1.0 * 1.7) ** 0.5)


def test_the_largest_ratio_counts_from_a_level_up_and_in_both_directions():
    assert local.largest_ratio([seed()]) == 2.0  # of .5, and not of .01 below
    assert local.largest_ratio([seed()], 0.2) == 1.25


def run(setting, number, removed):
    far = [9, 9, removed, 9, 9]
    part = {
        "locality": {"removed": far, "pixel": [*far]},
        "counts": {"1": scores(8), "6": scores(2)},
    }
    first = copy.deepcopy(part)
    first["locality"]["pixel"][2] = 0.5
    return {"setting": {"seed": number}, "training": {"1000": part, "50": first}}


def test_training_is_told_in_the_order_of_its_steps():
    found = local.along_training(run("", 0, 0.25))
    assert found == {"steps": [50, 1000], "removed": [0.25] * 2, "pixel": [0.5, 0.25],
                     "one": [0.8] * 2, "six": [0.2] * 2}  # fmt: skip


def test_networks_are_compared_by_seeds_that_both_have_but_the_first():
    results = {
        SEEN_BEFORE: [run("", s, 0.75) for s in (0, 1, 2, 3)],
        TOLD_ALL: [run("", s, 0.25 * s) for s in (0, 1, 2)],
    }
    assert local.less_local(results) == {1: 0.5, 2: 0.25}
    near = {s: {"6": {"removed": [0, 0, 0.5 * s, 0, 0]}} for s in (0, 1)}
    assert local.removed_of_six(near) == 0.25


@functools.cache
def kept():
    return local_scores.results(), length.answers(kind="local")


def broken(looked, near):
    return {
        line.rpartition(": ")[0] for line in length_words.untrue(local.statements(looked, near))
    }


def test_the_measurements_bear_out_every_sentence_of_the_chapter():
    assert broken(*kept()) == set()


def flatten(looked, near, how):
    """The book's measurements with all numbers of a kind made alike."""
    value = {"nothing": 0.01, "much": 9.0}[how]
    for result in (r for seeds in looked.values() for r in seeds):
        for part in ("changes.1", "changes.6"):
            for key in ("own", "others", "far"):
                result[part][key] = [value] * len(LEVELS)
        result["machine"]["explained"]["5 x 5 pixels"] = [value / 10] * len(LEVELS)
        for count in ("exchange.1",):
            for k, scored in enumerate(result[count].values()):
                part = scored["second"]
                part["hits"] = part["blind"] if how == "nothing" and k < 10 else part["ceiling"]
        for name in ("moved.fitting", "moved.unfitting"):
            result["listens"][name] = [1.0] * len(LEVELS)
        result["listens"]["unasked"]["large"] = result["listens"]["unasked"]["small"]
    for counts in (c for seeds in near.values() for c in seeds.values()):
        counts["6"]["removed"] = [value] * 5


def swap(looked, near, how):
    """Two networks told apart wrongly, of which one moreover reacts where nothing fits."""
    looked[TOLD_ALL], looked[SEEN_BEFORE] = looked[SEEN_BEFORE], looked[TOLD_ALL]
    looked[NEAR], looked[ASKED] = looked[ASKED], looked[NEAR]
    for result in (run for seeds in looked.values() for run in seeds):
        result["listens"]["moved.unfitting"] = [7.0] * len(LEVELS)


def test_every_sentence_can_fail_by_name():
    found = set()
    for change, how in ((flatten, "nothing"), (flatten, "much"), (swap, "")):
        tampered = copy.deepcopy(kept())
        change(*tampered, how)
        found |= broken(*tampered)
    assert set(local.statements(*kept())) - found == set()
    assert length_results.LEVELS[local.AT] == 1.0
    assert ASKED in kept()[0]


def test_what_is_said_of_the_line_is_measured_and_can_fail():
    measured = length.results()

    def off(measured):
        said = length_words.untrue(local.of_the_line(measured))
        return {line.rpartition(": ")[0] for line in said}

    def changed(into):
        other = copy.deepcopy(measured)
        for near in (other["near"], other["slower_near"]):
            for part in (
                c for seeds in near.values() for counts in seeds.values() for c in counts.values()
            ):
                into(part)
        return off(other)

    def swap(part):
        part["pixel"], part["removed"] = part["removed"], [(1 - v) ** 0.5 for v in part["removed"]]

    def silence(part):
        if "own" in part:
            part["own"] = [v**4 for v in part["own"]]

    assert off(measured) == set()
    of_reach, of_own = changed(swap), changed(silence)
    assert "held out, missed by .04" in of_reach
    assert of_own == {"its own place by .16", "beside the others by .015"}
    fewer = copy.deepcopy(measured)
    for run in (r for runs in fewer["results"].values() for r in runs):
        run["counts"]["6"]["hits"] = [0.1 * hits for hits in run["counts"]["6"]["hits"]]
        last = run["training"][max(run["training"], key=int)]
        last["locality"]["removed"] = [1.0] * 5
        last["counts"]["6"]["hits"] = last["counts"]["6"]["blind"]
    whole = set(local.of_the_line(measured))
    assert whole - (of_reach | of_own | off(fewer)) == set()
