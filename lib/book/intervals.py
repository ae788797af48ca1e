"""Values and their 95 % intervals: one function for each kind of quantity, and none that guesses.

What is sampled are *independent* units: runs, seeds, starts, pictures. Several numbers of one run
are one sample.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

KINDS = ("share", "mean", "difference", "ratio", "correlation", "exact")
RUNS = ("run", "seed")  # units over which a ratio's runs are samples; others are cases of a run
DRAWS = 2000  # of the bootstrap


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its interval.

    Attributes:
        value, low, high: the estimate and its interval.
        n: how many independent units gave it; 1 where it was computed, not sampled.
    """

    value: float
    low: float
    high: float
    n: int = 1


def exact(value: float, tolerance: float) -> Estimate:
    """A number that was computed, give or take its tolerance.

    Raises:
        ValueError: not one finite number, or a tolerance that is none.
    """
    x = _finite(value)
    if len(x) != 1:
        raise ValueError(f"A computed number is one; these are {len(x)}.")
    if tolerance is None or not 0 <= tolerance < math.inf:
        raise ValueError(
            f"A computed number needs a tolerance of at least 0; this is {tolerance!r}."
        )
    return Estimate(float(x[0]), float(x[0] - tolerance), float(x[0] + tolerance))


def share(samples: Sequence[float]) -> Estimate:
    """The share of units that did something, with Wilson's interval.

    Args:
        samples: 1 or True for each unit that did, 0 or False for each that did not.

    Raises:
        ValueError: fewer than two units, or a number that is not 0 or 1.
    """
    x = _several(samples)
    if not np.isin(x, (0, 1)).all():
        wrong = x[~np.isin(x, (0, 1))][0]
        raise ValueError(f"A share counts units as 0 or 1; one of these is {wrong:g}.")
    found = stats.binomtest(int(x.sum()), len(x)).proportion_ci(method="wilson")
    return Estimate(float(x.mean()), float(found.low), float(found.high), len(x))


def mean(samples: Sequence[float]) -> Estimate:
    """The mean over units, or of paired differences, with Student's interval.

    Args:
        samples: one number a unit.

    Raises:
        ValueError: fewer than two units, or a number that is not finite.
    """
    x = _several(samples)
    half = stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x))
    return Estimate(float(x.mean()), float(x.mean() - half), float(x.mean() + half), len(x))


def correlation(samples: Sequence[Sequence[float]]) -> Estimate:
    """The correlation of two numbers over units, partial given any others, with Fisher's interval.

    Args:
        samples: for each unit its two numbers, and those that are held equal (linearly).

    Raises:
        ValueError: units of unequal length, too few of them, a number that is not finite, or one of
            the two varies no further than the others say.
    """
    value, error = _fisher(samples)
    low, high = np.tanh(np.arctanh(value) + error * stats.norm.ppf([0.025, 0.975])).tolist()
    return Estimate(value, low, high, len(samples))


def same_correlation(one: Sequence, other: Sequence) -> float:
    """How often two samples of one correlation differ by as much as these (Fisher's test)."""
    (a, first), (b, second) = _fisher(one), _fisher(other)
    apart = abs(np.arctanh(a) - np.arctanh(b))
    return float(2 * stats.norm.sf(apart / math.hypot(first, second)))


def _fisher(samples) -> tuple[float, float]:
    """A correlation as `correlation` takes it, and the standard error of its inverse tangent."""
    x = np.asarray(samples, float)
    if x.ndim != 2 or x.shape[1] < 2 or len(x) < x.shape[1] + 2:
        raise ValueError("A correlation needs two numbers a unit or more, and at least four units.")
    _finite(x)
    held = np.column_stack([np.ones(len(x)), x[:, 2:]])
    left = x[:, :2] - held @ np.linalg.lstsq(held, x[:, :2], rcond=None)[0]
    if not (np.linalg.norm(left, axis=0) > 1e-9 * np.linalg.norm(x[:, :2], axis=0)).all():
        raise ValueError("A correlation needs numbers that vary.")
    value = float(np.clip(stats.pearsonr(*left.T)[0], -1 + 1e-12, 1 - 1e-12))
    return value, 1 / math.sqrt(len(x) - x.shape[1] - 1)


def ratio(runs: Sequence, less: Sequence = (), unit: str = "run") -> Estimate:
    """A ratio of sums over cases, such as hits over requests, in some runs.

    Where runs are the samples (`unit` is "run" or "seed") the interval is Student's over the runs'
    ratios, each weighted by its denominator (Cochran, Sampling Techniques, 6.4; for a difference
    Welch's degrees of freedom). A bootstrap over few runs would be too narrow: that of three holds
    the true value in 3 of 4 cases where 19 of 20 are meant. Else the runs are taken as they are,
    and the interval is the middle 95 % of a bootstrap (2,000 draws) over the cases of each: it says
    nothing of other runs.

    Args:
        runs: for each run its cases, (numerator, denominator, how many such cases) each.
        less: other runs, whose ratio is taken off.
        unit: what is sampled independently.

    Raises:
        ValueError: no cases, none with a denominator, or a single run where runs are the samples.
    """
    if unit in RUNS:
        return _over_runs(runs, less)
    rng = np.random.default_rng(0)
    value, draws = _bootstrapped(runs, rng)
    n = len(units(runs, unit))
    if len(less):
        other, taken = _bootstrapped(less, rng)
        value, draws = value - other, draws - taken
        n = min(n, len(units(less, unit)))
    low, high = np.quantile(draws, (0.025, 0.975)).tolist()
    return Estimate(float(value), low, high, n)


def _over_runs(runs: Sequence, less: Sequence) -> Estimate:
    """Student's interval over the runs of one ratio, or Welch's over those of two."""
    parts = [departures(units(part, "run")) for part in ((runs, less) if len(less) else (runs,))]
    sizes = [len(d) for _, d in parts]
    if min(sizes) < 2:
        raise ValueError("One run gives no interval over runs: record several, or name its cases.")
    value = parts[0][0] - sum(other for other, _ in parts[1:])
    errors = [d.var(ddof=1) / len(d) for _, d in parts]
    parted = sum(e**2 / (n - 1) for e, n in zip(errors, sizes, strict=True))
    df = sum(errors) ** 2 / parted if parted > 0 else min(sizes) - 1
    half = stats.t.ppf(0.975, df) * math.sqrt(sum(errors))
    return Estimate(float(value), float(value - half), float(value + half), min(sizes))


def units(runs: Sequence, unit: str) -> np.ndarray:
    """Numerator and denominator (n, 2) of each independent unit: of each run, or of each case."""
    if unit in RUNS:
        return _totals(runs)
    each = np.concatenate([_cases(run) for run in runs])
    return np.repeat(each[:, :2], each[:, 2].astype(int), axis=0)


def departures(counted: np.ndarray, value: float | None = None) -> tuple[float, np.ndarray]:
    """A ratio of sums over units (n, 2), and by how much each unit departs from it (n,).

    Args:
        counted: numerator and denominator of each unit, see `units`.
        value: what to depart from; the units' own ratio if not given.
    """
    numerators, denominators = counted.T
    own = numerators.sum() / denominators.sum()
    apart = numerators - (own if value is None else value) * denominators
    return float(own), apart / denominators.mean()


def _cases(run: Sequence) -> np.ndarray:
    """A run's cases as an array (cases, 3): numerator, denominator, how many.

    Raises:
        ValueError: not such triples, or a number that is not finite.
    """
    x = np.asarray(run, float)
    if x.ndim != 2 or x.shape[1] != 3 or not len(x):
        raise ValueError("A run is a list of cases (numerator, denominator, how many).")
    _finite(x)
    return x


def _totals(runs: Sequence) -> np.ndarray:
    """Numerator and denominator of each run (runs, 2).

    Raises:
        ValueError: no runs, or one whose denominators add up to 0.
    """
    sums = np.array([run[:, 2] @ run[:, :2] for run in map(_cases, runs)])
    if not len(sums) or not (sums[:, 1] != 0).all():
        raise ValueError("A ratio needs runs of cases whose denominators do not add up to 0.")
    return sums


def _bootstrapped(runs: Sequence, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """The ratio, and its draws (D,): each run keeps its place, its cases are drawn anew."""
    total, drawn = _totals(runs).sum(0), np.zeros((DRAWS, 2))
    for run in map(_cases, runs):
        n = int(run[:, 2].sum())
        drawn += rng.multinomial(n, run[:, 2] / n, DRAWS) @ run[:, :2]
    if not (drawn[:, 1] != 0).all():
        raise ValueError("Too few cases have a denominator: a bootstrap draws none of them.")
    return total[0] / total[1], drawn[:, 0] / drawn[:, 1]


def _finite(samples) -> np.ndarray:
    """The numbers as a flat array, none of them NaN or infinite."""
    x = np.asarray(samples, float).reshape(-1)
    if not len(x) or not np.isfinite(x).all():
        bad = x[~np.isfinite(x)][:1].tolist()
        raise ValueError(f"A claim needs finite numbers; there is {bad[0] if bad else 'none'}.")
    return x


def _several(samples) -> np.ndarray:
    """At least two finite numbers."""
    x = _finite(samples)
    if len(x) < 2:
        raise ValueError("One sample gives no interval: record several, or a computed number.")
    return x
