"""Order, bend, speed and decay of paths whose answers are known."""

import numpy as np
import pytest

from lib.concepts import trajectory

STEPS = np.linspace(1, 55, 40) ** 2


def exponentials(color: float, size: float) -> np.ndarray:
    return 1 - np.exp(-np.outer(STEPS, [color, size]))


def test_the_error_is_the_squared_distance_from_blue_and_small():
    path = [[0, 0], [1, 0], [0.5, 1], [1, 1]]
    assert trajectory.error(path).tolist() == [2, 1, 0.25, 0]


def test_a_concept_comes_when_it_should():
    fine = np.linspace(0.1, 55, 4000) ** 2
    path = 1 - np.exp(-np.outer(fine, [0.01, 0.002]))
    passing = trajectory.first_passing(path, fine)
    assert passing == pytest.approx(np.log(4) / np.array([0.01, 0.002]), rel=1e-3)


def test_a_concept_that_never_comes_is_last():
    path = np.stack([np.linspace(0, 0.5, 40), np.linspace(0, 1, 40)], 1)
    color, size = trajectory.first_passing(path, STEPS)
    assert np.isinf(color)
    assert np.isfinite(size)
    assert np.isinf(trajectory.first_passing(path / 2, STEPS)).all()
    assert trajectory.first_passing(path + 1, STEPS).tolist() == [1, 1]


def test_a_first_passing_counts_though_the_path_turns_back():
    path = np.array([[0.2, 0.2], [0.9, 0.3], [0.5, 0.9], [1, 1]])
    color, size = trajectory.first_passing(path, [1, 4, 9, 16])
    assert color == pytest.approx((1 + 0.55 / 0.7) ** 2)
    assert size == pytest.approx((2 + 0.45 / 0.6) ** 2)


def test_a_concept_is_learnt_where_it_stays():
    path = np.zeros((6, 2))
    path[:, 0] = [0, 0.8, 0.9, 0.5, 0.8, 0.75]  # passes, goes, and comes back to stay
    path[:, 1] = [0, 0.8, 0.9, 0.9, 0.9, 0.7]  # passes and is lost at the end
    steps = [1, 4, 9, 16, 25, 36]
    assert trajectory.step_learnt(path, steps).tolist() == [25, np.inf]
    assert trajectory.step_learnt(np.ones((2, 6, 2)), steps).tolist() == [[1, 1], [1, 1]]
    assert np.isfinite(trajectory.first_passing(path, steps)).all()


def test_the_bend_is_one_through_a_corner_and_none_on_the_diagonal():
    assert trajectory.bend([[0, 0], [1, 0], [1, 1]]) == 1
    assert trajectory.bend([[0, 0], [0, 1], [1, 1]]) == -1
    assert trajectory.bend([[0.3, 0.3], [1, 1]]) == 0
    peak = trajectory.bend(exponentials(0.02, 0.005))
    fine = np.linspace(0, 500, 100_000)
    assert peak == pytest.approx((np.exp(-0.005 * fine) - np.exp(-0.02 * fine)).max(), abs=0.01)


def test_speed_is_way_over_steps():
    middle, speeds = trajectory.speed([[0, 0], [0.3, 0.4], [0.3, 0.4]], [10, 20, 40])
    assert middle.tolist() == [15, 30]
    assert speeds.tolist() == pytest.approx([0.05, trajectory.STILL / 20])


@pytest.mark.parametrize("kind", ["exponential", "power"])
def test_a_decay_is_told_by_its_form(kind):
    generator = np.random.default_rng(0)
    noise = np.exp(0.1 * generator.normal(size=40))
    rising = np.array([1e-9, 1e-8])
    steps = np.concatenate([[0.1, 0.5], STEPS])
    law = np.exp(-0.002 * STEPS) if kind == "exponential" else STEPS**-1.5
    found = trajectory.decay(steps, np.concatenate([rising, law * noise]))
    other = {"exponential": "power", "power": "exponential"}[kind]
    assert found[f"{kind}_left"] < 0.1 * found[f"{other}_left"]
    value, name = (0.002, "rate") if kind == "exponential" else (1.5, "power")
    assert found[name] == pytest.approx(value, rel=0.05)


def test_what_is_no_path_is_refused():
    with pytest.raises(ValueError, match=r"a path has shape \(..., T, 2\), not \(3,\)"):
        trajectory.bend([0, 1, 2])
    with pytest.raises(ValueError, match="as many steps"):
        trajectory.first_passing(np.zeros((4, 2)), [1, 2, 3])
    with pytest.raises(ValueError, match="4 speeds or more"):
        trajectory.decay([1, 2, 3, 4], [1, 2, 3, 1])
    with pytest.raises(ValueError, match="4 speeds or more from the maximum on, not 3"):
        trajectory.decay([1, 2, 3, 4], [1, 3, 2, 1])
    four = trajectory.decay([1, 2, 3, 4, 5], [1, 8, 4, 2, 1])  # halves at each step
    assert four["rate"] == pytest.approx(np.log(2))
    assert four["exponential_left"] == pytest.approx(0, abs=1e-12)


def test_a_concept_is_heard_where_asking_for_it_alone_changes_the_answer():
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1.0]])
    assert trajectory.hears(corners)
    assert not trajectory.hears(np.full((4, 2), 0.5))
    assert trajectory.hears(corners * 0.26)
    only_colour = corners * [1, 0.24]
    assert not trajectory.hears(only_colour)
    assert trajectory.hears(np.stack([corners, only_colour])).tolist() == [True, False]


def test_the_largest_rise_begins_at_its_minimum():
    path = np.stack([np.array([0.2, 0.9, 0.4, 0.3, 0.8]), np.ones(5)], 1)
    assert trajectory.largest_rise(path) == (1, 3)
    path = [[0, 0], [0.8, 0.5], [0.7, 0.5], [1, 0.6], [0.5, 0.9], [1, 1]]
    assert trajectory.largest_rise(path) == (3, 4)
    low, top = trajectory.largest_rise([[0, 0], [0.5, 0.6], [1, 1]])
    assert low == top


def test_speeds_that_do_not_fall_have_no_decay():
    with pytest.raises(ValueError, match="speeds that fall"):
        trajectory.decay(np.arange(1.0, 9.0), np.full(8, 0.3))
