"""What a curve did: against a search through all pairs of times, and on curves made by hand."""

import numpy as np
import pytest
import torch

from lib.sim import error_curves, swing


def test_a_swing_is_the_largest_rise_over_any_earlier_value():
    curves = np.random.default_rng(0).random((20, 12)) + 0.1
    expected = [
        max(late - early for j, late in enumerate(E) for early in E[: j + 1]) / E[0] for E in curves
    ]
    assert swing(curves).tolist() == pytest.approx(expected, abs=1e-12)
    assert swing([3.0, 2, 1]) == 0
    assert swing([[2.0, 1, 2], [2.0, 2, 1]]).tolist() == [0.5, 0]


def test_jitter_is_the_median_change_in_the_last_third():
    E = [4.0, 1, 8, 1, 8, 1, 2.0, 2.5, 2.4]  # the last three change by .5 and .1
    assert error_curves.jitter(E) == pytest.approx(0.1 / 4)  # the lower of the two middle ones
    steady = np.linspace(2, 1, 13)
    assert error_curves.jitter(np.stack([steady, 3 * steady])).tolist() == pytest.approx(
        [1 / 24] * 2
    )
    with pytest.raises(ValueError, match="needs 6 evaluations or more, not 5"):
        error_curves.jitter(steady[:5])


def test_a_noisy_curve_swings_where_its_rise_is_three_times_its_noise():
    rising = [1.0, 0.5, 0.8, 0.5, 0.4, 0.39, 0.38, 0.37, 0.36]
    noisy = [1.0, 0.5, 0.7, 0.5, 0.6, 0.5, 0.6, 0.5, 0.6]
    assert error_curves.swings([rising, noisy]).tolist() == [True, True]
    assert error_curves.swings([rising, noisy], noisy=True).tolist() == [True, False]
    assert error_curves.swings([rising, noisy], threshold=0.25).tolist() == [True, False]


def test_rises_are_counted_once_each():
    curves = torch.tensor(
        [
            [1.0, 0.8, 0.6, 0.4, 0.3, 0.2],  # only falls
            [1.0, 0.5, 0.6, 0.7, 0.3, 0.2],  # one rise in two steps
            [1.0, 0.5, 0.7, 0.3, 0.6, 0.2],  # two
            [1.0, 0.5, 0.504, 0.5, 0.504, 0.2],  # too small to count
            [1.0, 0.5, 0.7, 0.696, 0.9, 0.2],  # not interrupted by a fall that is too small
        ]
    )
    assert error_curves.rises(curves).tolist() == [0, 1, 2, 0, 1]
    assert error_curves.rises(curves, threshold=0.25).tolist() == [0, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("E", "message"),
    [
        (1.0, "must have a time axis"),
        ([], "must have a time axis"),
        ([0.0, 1], "must be positive at its first time"),
        ([1.0, float("nan")], "must be finite"),
    ],
)
@pytest.mark.parametrize("function", [swing, error_curves.rises, error_curves.swings])
def test_what_is_no_curve_is_refused(function, E, message):
    with pytest.raises(ValueError, match=message):
        function(E)
