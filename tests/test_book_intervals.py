"""Intervals: against scipy, against what they promise in a simulation, and never guessed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lib.book import claims, intervals
from lib.book.ledger import Row, above


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=50))
def test_the_interval_of_a_mean_is_student_s_whatever_its_values(samples):
    e = intervals.mean(samples)
    assert np.isclose(e.value, np.mean(samples))
    assert e.n == len(samples)
    if np.std(samples) > 1e-6:
        low, high = stats.t.interval(0.95, len(samples) - 1, np.mean(samples), stats.sem(samples))
        assert np.allclose([e.low, e.high], [low, high], rtol=1e-6, atol=1e-9)


@given(st.lists(st.sampled_from([0, 1]), min_size=2, max_size=200))
def test_the_interval_of_a_share_is_wilson_s(samples):
    e, n, z = intervals.share(samples), len(samples), stats.norm.ppf(0.975)
    middle = (e.value + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(e.value * (1 - e.value) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert np.allclose([e.value, e.low, e.high], [np.mean(samples), middle - half, middle + half])


def test_a_computed_number_has_its_tolerance_about_it():
    found = intervals.exact(2.0, 0.5)
    assert (found.value, found.low, found.high, found.n) == (2.0, 1.5, 2.5, 1)
    assert intervals.exact([3.0], 0).high == 3.0
    for tolerance in (-0.1, np.inf, np.nan, None):
        with pytest.raises(ValueError, match="tolerance of at least 0"):
            intervals.exact(2.0, tolerance)
    with pytest.raises(ValueError, match="one; these are 2"):
        intervals.exact([1.0, 2.0], 0.1)
    with pytest.raises(ValueError, match="finite numbers; there is nan"):
        intervals.exact(np.nan, 0.1)


@pytest.mark.parametrize("estimate", [intervals.mean, intervals.share])
def test_one_sample_and_none_have_no_interval(estimate):
    with pytest.raises(ValueError, match="One sample"):
        estimate([1.0])
    with pytest.raises(ValueError, match="finite numbers; there is none"):
        estimate([])
    assert estimate([1.0, 0.0]).n == 2


def test_a_share_is_of_ones_and_zeros():
    with pytest.raises(ValueError, match=r"0 or 1; one of these is 0\.5"):
        intervals.share([0, 1, 0.5, 2])


def test_one_in_a_hundred_is_no_difference_from_zero():
    """Paired differences without a -1 look like a share; they are none."""
    assert intervals.mean([0] * 99 + [1]).low < 0
    assert np.isclose(intervals.mean([0] * 99 + [1 + 1e-9]).low, intervals.mean([0] * 99 + [1]).low)


def pictures(rng, n, skill):
    """Cases of a ratio: hits of six requests each."""
    return [(int(h), 6, 1) for h in rng.binomial(6, skill, n)]


def test_a_ratio_over_pictures_has_the_interval_of_its_cases():
    run = pictures(np.random.default_rng(1), 400, 0.3)
    e = intervals.ratio([run], unit="picture")
    hits = np.array([h for h, _, _ in run]) / 6
    assert np.isclose(e.value, hits.mean())
    assert e.n == 400
    low, high = stats.norm.interval(0.95, hits.mean(), stats.sem(hits))
    assert np.allclose([e.low, e.high], [low, high], atol=0.003)


def test_a_ratio_over_pictures_less_another_has_the_interval_of_both():
    rng = np.random.default_rng(6)
    run, other = pictures(rng, 400, 0.6), pictures(rng, 900, 0.2)
    e = intervals.ratio([run], [other], unit="picture")
    one, two = (np.array([h for h, _, _ in part]) / 6 for part in (run, other))
    assert np.isclose(e.value, one.mean() - two.mean())
    half = stats.norm.ppf(0.975) * np.hypot(stats.sem(one), stats.sem(two))
    assert np.allclose([e.low, e.high], [e.value - half, e.value + half], atol=0.003)
    assert e.n == 400  # the fewer


def test_equal_cases_are_as_many_as_they_are():
    run = [(1, 2, 3), (2, 2, 4)]
    assert intervals.ratio([run], unit="picture").n == 7
    assert np.isclose(intervals.ratio([run], unit="picture").value, 11 / 14)
    assert intervals.units([run, run], "picture").tolist() == ([[1, 2]] * 3 + [[2, 2]] * 4) * 2
    assert intervals.units([run], "run").tolist() == [[11, 14]]


def test_runs_that_do_not_differ_have_no_width():
    e = intervals.ratio([[(1, 2, 3)], [(1, 2, 5)]], [[(1, 4, 2)], [(1, 4, 1)]])
    assert (e.value, e.low, e.high, e.n) == (0.25, 0.25, 0.25, 2)


def test_a_bootstrap_that_draws_no_denominator_is_refused():
    with pytest.raises(ValueError, match="a bootstrap draws none of them"):
        intervals.ratio([[(1, 1, 1), (0, 0, 50)]], unit="picture")


def test_a_ratio_over_runs_is_as_uncertain_as_they_differ():
    runs = [[(h, 6, 500)] for h in (1, 2, 3)]  # no spread within a run
    e = intervals.ratio(runs)
    low, high = stats.t.interval(0.95, 2, 1 / 3, stats.sem([1 / 6, 2 / 6, 3 / 6]))
    assert np.allclose([e.value, e.low, e.high], [1 / 3, low, high])
    assert e.n == 3


def test_a_run_with_more_requests_weighs_more():
    e = intervals.ratio([[(1, 1, 90)], [(0, 1, 10)]])
    assert np.isclose(e.value, 0.9)  # and not the mean of the runs' ratios, 0.5


def test_a_ratio_less_another_has_welch_s_interval():
    a, b = (1, 2, 3), (2, 2, 3, 3)
    e = intervals.ratio(*([[(h, 6, 9)] for h in hits] for hits in (a, b)))
    welch = stats.ttest_ind(np.array(a) / 6, np.array(b) / 6, equal_var=False)
    interval = welch.confidence_interval()
    assert np.allclose([e.low, e.high], [interval.low, interval.high])
    assert np.isclose(e.value, -1 / 12)


@pytest.mark.parametrize(
    ("runs", "less", "message"),
    [
        ([[(0, 0, 3)], [(1, 1, 1)]], (), "denominators"),
        ([[(1, 2, 3)]], (), "One run"),
        ([[(1, 2, 3)], [(1, 2, 3)]], [[(1, 2, 3)]], "One run"),
        ([[(1, 2)]], (), "list of cases"),
        ([], (), "denominators"),
        ([[(float("nan"), 2, 1)], [(1, 2, 1)]], (), "there is nan"),
    ],
)
def test_runs_that_give_no_interval_are_refused(runs, less, message):
    with pytest.raises(ValueError, match=message):
        intervals.ratio(runs, less)


def covered(estimate, truth, draw, times=400):
    """How often the interval holds the true value."""
    found = [estimate(draw()) for _ in range(times)]
    return np.mean([e.low <= truth <= e.high for e in found])


def test_the_interval_over_three_runs_covers_what_it_promises():
    """Runs whose skill scatters by .05 about .4, 60 pictures each; a bootstrap covers 3 of 4."""
    rng = np.random.default_rng(3)

    def draw():
        return [pictures(rng, 60, p) for p in rng.normal(0.4, 0.05, 3)]

    assert covered(intervals.ratio, 0.4, draw) > 0.92

    def bootstrap(runs):
        chosen = rng.integers(3, size=(500, 3))
        means = np.array([np.mean([h for h, _, _ in run]) / 6 for run in runs])
        low, high = np.quantile(means[chosen].mean(1), (0.025, 0.975))
        return intervals.Estimate(0, low, high)

    assert covered(bootstrap, 0.4, draw) < 0.85


def test_a_correlation_is_scipy_s():
    pairs = np.random.default_rng(1).normal(size=(9, 2)) @ [[1, 0.6], [0, 1]]
    found, theirs = intervals.correlation(pairs), stats.pearsonr(*pairs.T)
    low, high = theirs.confidence_interval(0.95)
    assert np.allclose((found.value, found.low, found.high), (theirs.statistic, low, high))
    assert found.n == 9


def test_a_partial_correlation_is_that_of_the_inverse_covariance():
    x = np.random.default_rng(2).normal(size=(40, 4)) @ np.random.default_rng(3).normal(size=(4, 4))
    precision = np.linalg.inv(np.cov(x.T))
    expected = -precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1])
    found = intervals.correlation(x)
    assert np.isclose(found.value, expected)
    half = stats.norm.ppf(0.975) / np.sqrt(40 - 2 - 3)  # two are held equal
    assert np.isclose(np.arctanh(found.high) - np.arctanh(found.value), half)


def test_its_interval_holds_the_true_correlation_of_few_units():
    rng, inside = np.random.default_rng(4), 0
    for _ in range(2000):
        x, y, held = rng.normal(size=(3, 12))
        found = intervals.correlation(np.stack([x + held, y - 0.5 * x + held, held], -1))
        inside += found.low <= -0.5 / np.sqrt(1.25) <= found.high
    assert 0.93 < inside / 2000 < 0.97


@pytest.mark.parametrize("sign", [1, -1])
def test_a_perfect_correlation_has_an_interval_too(sign):
    found = intervals.correlation([[k, sign * 2.0 * k] for k in range(5)])
    assert np.isclose([found.low, found.value, found.high], sign).all()


def test_two_correlations_are_compared_as_fisher_does():
    rng = np.random.default_rng(7)
    one, other = rng.normal(size=(9, 2)), rng.normal(size=(20, 3))
    a, b = (intervals.correlation(x).value for x in (one, other))
    z = abs(np.arctanh(a) - np.arctanh(b)) / np.sqrt(1 / (9 - 3) + 1 / (20 - 4))
    assert np.isclose(intervals.same_correlation(one, other), 2 * (1 - stats.norm.cdf(z)))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([0.1, 0.2, 0.3, 0.4], "two numbers a unit"),
        ([[1.0, 2.0], [2.0, 3.0], [3.0, 5.0]], "at least four units"),
        ([[1.0, 2.0, 1.0], [2.0, 3.0, 0.0], [3.0, 5.0, 1.0], [4.0, 1.0, 1.0]], "four units"),
        ([[1.0, 2.0], [1.0, 3.0], [1.0, 5.0], [1.0, 4.0]], "numbers that vary"),
        ([[1.0, 2.0], [2.0, np.nan], [3.0, 5.0], [4.0, 4.0]], "finite"),
    ],
)
def test_what_is_no_correlation_is_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        intervals.correlation(samples)


def alarms(row, draw, sizes, times):
    """How often a run of an unchanged book would be held to differ, of this many."""
    pairs = [[draw(n) for n in sizes] for _ in range(times)]
    return sum(claims.chance(row, *pair) < claims.ALARM for pair in pairs)


KINDS = ("share", "mean", "ratio.run", "ratio.picture", "correlation")


@pytest.mark.parametrize("kind", KINDS)
def test_chance_alone_raises_an_alarm_once_in_a_thousand(kind):
    rng = np.random.default_rng(5)
    of, _, unit = kind.partition(".")
    row = Row("x", "01_one", "x", "finding", of, above(0.5), unit or "run")

    def draw(n, shift=0.0):
        if of == "share":
            return {"samples": (rng.random(n) < 0.93 - shift).astype(int)}
        if of == "mean":
            return {"samples": rng.normal(-shift, 1, n)}
        if of == "correlation":  # of two numbers that share a third, which is held equal
            x, y, held = rng.normal(0, 1, (3, n))
            return {"samples": np.stack([x + held, (0.5 - shift) * x + y + held, held], -1)}
        if unit == "run":  # runs differ by more than their pictures say
            skills = rng.normal(0.5 - shift, 0.1, n).clip(0.01, 0.99)
            return {"samples": [pictures(rng, 20, p) for p in skills]}
        return {"samples": [pictures(rng, n, 0.5 - shift)]}

    times, sizes = 2000, (4, 12) if unit == "run" else (15, 120)
    assert alarms(row, draw, sizes, times) <= stats.binom.ppf(0.999, times, claims.ALARM)
    broken = {"share": 0.5, "mean": 2.0, "ratio": 0.45, "correlation": 4.0}[
        of
    ]  # and what broke is seen

    def breaks(n):
        return draw(n, broken if n == sizes[0] else 0.0)

    assert alarms(row, breaks, sizes, 100) > 80


def test_two_means_are_compared_as_scipy_does():
    a, b = np.random.default_rng(0).normal([[0.0], [1.0]], 1, (2, 7))
    row = Row("x", "01_one", "x", "finding", "mean", above(0.5), "run")
    found = claims.chance(row, {"samples": a[:4]}, {"samples": b})
    assert np.isclose(found, stats.ttest_ind(a[:4], b).pvalue, rtol=1e-12)


def test_two_shares_are_compared_by_fisher_s_exact_test():
    row = Row("x", "01_one", "x", "finding", "share", above(0.5), "run")
    found = claims.chance(row, {"samples": [1] * 3 + [0] * 9}, {"samples": [1] * 15 + [0] * 5})
    assert np.isclose(found, stats.fisher_exact([[3, 9], [15, 5]]).pvalue)


def test_of_two_ratios_the_less_likely_counts_and_that_there_are_two():
    row = Row("x", "01_one", "x", "finding", "ratio", above(0.5), "run")
    rng = np.random.default_rng(8)
    ours, stored = (
        {
            part: [pictures(rng, 20, p + more) for p in rng.uniform(0.2, 0.6, 4)]
            for part in ("samples", "less")
        }
        for more in (0, 0.2)
    )
    each = [
        claims.chance(row, {"samples": ours[part]}, {"samples": stored[part]})
        for part in ("samples", "less")
    ]
    assert min(each) < 0.5
    assert np.isclose(claims.chance(row, ours, stored), 2 * min(each))
    assert claims.chance(row, ours, ours) == 1


def test_what_never_varies_is_compared_as_it_is():
    row = Row("x", "01_one", "x", "finding", "mean", above(0.5), "run")
    same = {"samples": [1.0, 1.0]}
    assert claims.chance(row, same, {"samples": [1.0] * 9}) == 1
    assert claims.chance(row, same, {"samples": [1.001] * 9}) == 0
