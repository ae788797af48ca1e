"""What a network keeps of six, told from how far its answers reach: no picture is drawn for it.

On noisy real pictures of six, at a noise of 1, one of six requests goes: `length_locality` notes
which share of the change lies outside 5 x 5 cells. In the seven kinds of networks that had been
measured so, what is kept at six (skill at six over skill at one) falls with that share, on a line
to the eye, whatever the pathway, the labels or the learning rate. That was seen and not foretold.
So the seven whose line it is, `KNOWN`, were named, and nine more kinds, `HELD_OUT`, before any of
their answers was measured; what they keep was known, their shares were not. All may hear every
request at every place (where windows cut it off, nothing is outside, and the line would have more
kept than is), and draw one object at about .8 or better.

- *Locality and what is kept are two sides of one thing*: the line holds for the nine (mean error
  below .15).
- *Seven points make a line by chance or choice*: it does not; the mean of the seven is off by .3.
- *Deafness*: failing networks hardly answer at a place, and a share outside is large for that.
  Then a line of what is kept in what a request does at its own place does as well.

That a line holds says which networks fill places, and not why: what makes an answer reach far may
make it fail as well. Looked at afterwards (`errors` at other numbers of requests and levels of
noise, and by other shares): asked for one the share says nothing of what is kept at six, and a line
in what a pixel sees is no use, most of all where a network cannot see far. What an opponent found:
how loud a request is at its own place *beside the five others* (`beside`) does as well and better,
so that far reach and being drowned at the place are not told apart; five of the sixteen kinds keep
nothing; and within a kind it is mostly not seen (`within`). What the nine keep was known before
their shares were measured, but for one run; the seven gained three runs since, which moved slope
and start by .002.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from lib.experiments import length_results
from lib.experiments.length_results import (
    ALONE,
    AS_MAP,
    ASKED,
    ATTENDS,
    ATTENDS_ALL,
    PRODUCT,
    SCATTERED,
    SEEN_BEFORE,
    TOLD_ALL,
)

HALF = ", half the rate"  # behind the name of a network trained at half the learning rate
KNOWN = (SEEN_BEFORE, TOLD_ALL, TOLD_ALL + HALF, ATTENDS, ATTENDS_ALL, AS_MAP, ASKED)
HELD_OUT = (
    PRODUCT,
    SCATTERED,
    SEEN_BEFORE + HALF,
    PRODUCT + HALF,
    ALONE,
    f"{SEEN_BEFORE}.objects-5",
    f"{TOLD_ALL}.objects-5",
    "label_one.map",
    "label_one.local_all",
)

SHARES = {  # outside, and what they are of
    "removed": "a request goes",
    "moved": "a request moves",
    "pixel": "what a place sees",
}


def measured_kinds(measured: dict[str, Any]) -> Iterator[tuple[str, dict, list[dict]]]:
    """Of each kind of network its name, how local its answers are by seed, and its runs."""
    for runs, near, end in (
        (measured["results"], measured["near"], ""),
        (measured["slower"], measured["slower_near"], HALF),
    ):
        for name in set(near) & set(runs):
            yield name + end, near[name], runs[name]


def kinds(
    measured: dict[str, Any], count: str = "6", sigma: float = length_results.SIGMA
) -> dict[str, dict[str, float]]:
    """Means over the runs of each kind of network that was measured at a number of requests.

    Args:
        measured: Of `length_generalization.results`.
        count: Of requests.
        sigma: Noise level.

    Returns:
        By name: `kept`, skill at six over skill at one; the shares outside of `SHARES`; and, at
        six, `own`, what a request changes at its own place, of what is said there, and `beside`,
        the share of its square, with that of what the others change there.
    """
    at = length_results.LEVELS.index(sigma)
    found = {}
    for name, near, runs in measured_kinds(measured):
        parts = [counts[count] for counts in near.values() if count in counts]
        values = {what: [part[what][at] for part in parts if what in part] for what in SHARES}
        loud = [(part["own"][at], part["others"][at]) for part in parts if "own" in part]
        values["own"] = [own for own, _ in loud]
        values["beside"] = [own**2 / (own**2 + others**2) for own, others in loud]
        means = {what: float(np.mean(each)) for what, each in values.items() if each}
        if means:
            found[name] = means | {"kept": float(np.mean(length_results.retention(runs)))}
    return found


def within(measured: dict[str, Any]) -> dict[str, np.ndarray]:
    """Share outside and what is kept, (runs, 2), of each of the sixteen kinds with several runs."""
    found = {}
    for name, near, runs in measured_kinds(measured):
        kept, outside = length_results.retained(runs), length_results.outside_of_six(near)
        both = sorted(set(kept) & set(outside))
        if len(both) > 1 and name in (*KNOWN, *HELD_OUT):
            found[name] = np.array([[outside[seed], kept[seed]] for seed in both])
    return found


def about_their_means(parts: dict[str, np.ndarray]) -> float:
    """The correlation of `within`, each run taken from the mean of its kind."""
    return float(
        np.corrcoef(np.concatenate([part - part.mean(0) for part in parts.values()]).T)[0, 1]
    )


def errors(of: dict[str, dict[str, float]], by: str = "removed") -> dict[str, float]:
    """By how much a line through `KNOWN` misses what each of `HELD_OUT` keeps; {} if one lacks.

    Args:
        of: See `kinds`.
        by: What it is a line in.
    """
    if any(by not in of.get(name, {}) for name in (*KNOWN, *HELD_OUT)):
        return {}
    slope, start = line(of, by)
    return {name: abs(start + slope * of[name][by] - of[name]["kept"]) for name in HELD_OUT}


def line(of: dict[str, dict[str, float]], by: str = "removed") -> tuple[float, float]:
    """Slope and start of the line of least squares through `KNOWN`; see `errors`."""
    x, y = np.array([[of[name][by], of[name]["kept"]] for name in KNOWN]).T
    slope, start = np.polyfit(x, y, 1)
    return float(slope), float(start)


def errors_of_a_step(of: dict[str, dict[str, float]], cut: float = 0.6) -> dict[str, float]:
    """As `errors`, of two levels: the means of `KNOWN` with less outside than `cut`, and more."""
    level = {
        far: np.mean([of[n]["kept"] for n in KNOWN if (of[n]["removed"] > cut) == far])
        for far in (False, True)
    }
    return {n: abs(float(level[of[n]["removed"] > cut]) - of[n]["kept"]) for n in HELD_OUT}


def errors_of_the_mean(of: dict[str, dict[str, float]]) -> dict[str, float]:
    """By how much the mean of `KNOWN` misses what each of `HELD_OUT` keeps: no line at all."""
    mean = np.mean([of[name]["kept"] for name in KNOWN])
    return {name: abs(float(mean) - of[name]["kept"]) for name in HELD_OUT}


def samples(measured: dict[str, Any]) -> dict[str, list[float]]:
    """What stands behind the rows `local.line*`, a number a kind of network held out.

    Args:
        measured: Of `length_generalization.results`.
    """
    of = kinds(measured)
    far, own = (list(errors(of, by).values()) for by in ("removed", "own"))
    found = {"local.line": far, "local.line.own": length_results.less(own, far)}
    return {id: values for id, values in found.items() if values}
