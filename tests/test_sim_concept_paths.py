"""SIM laid over measured places: what was put in comes out, and (1, 1) is foretold."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from lib.sim import concept_paths
from lib.sim.concept_paths import Fit

SIGNALS = np.array([0.1, 0.3, 0.5, 0.8])
MU = np.stack([np.sqrt(2) * SIGNALS, np.full(4, 0.4)], 1)
SIGMA = np.stack([0.07 * SIGNALS, np.full(4, 0.087)], 1)
STEPS = (np.arange(1, 13) * 10.0) ** 2 / 5
TRUE = Fit(0.02, 0.8, ((0.04, 0.02), (0.02, 0.03)))


def test_second_moments_have_the_origin_cluster():
    mu, sigma = np.array([0.5, 0.4]), np.array([0.1, 0.05])
    generator = np.random.default_rng(0)
    cluster = generator.integers(3, size=400_000)
    x = (cluster[:, None] == [1, 2]) * mu + sigma * generator.normal(size=(400_000, 2))
    assert concept_paths.second_moments(mu, sigma) == pytest.approx((x**2).mean(0), rel=0.01)
    assert concept_paths.second_moments(mu, sigma, 2)[0] == pytest.approx(
        4 * (x[:, 0] ** 2).mean(), 0.01
    )


@pytest.mark.parametrize("v", [(1, 0), (0, 1), (1, 1)])
def test_a_path_is_the_flow_of_the_theory(v):
    found = concept_paths.path(TRUE, MU, SIGMA, STEPS, v)
    for i in range(4):
        a = np.diag(concept_paths.second_moments(MU[i], SIGMA[i], TRUE.gain))

        def field(_, w, a=a):
            w = w.reshape(2, 2)
            return (w @ a + a @ w - (a @ w @ w + w @ w @ a + 2 * w @ a @ w) / 2).ravel()

        times = TRUE.rate * STEPS
        solution = solve_ivp(
            field, (0, times[-1]), np.ravel(TRUE.w0), t_eval=times, rtol=1e-10, atol=1e-12
        )
        seen = MU[i] * [TRUE.gain, 1]
        expected = solution.y.T.reshape(-1, 2, 2) @ (np.array(v) * seen) / seen
        assert np.linalg.norm(found[i] - expected) < 1e-6 * np.linalg.norm(expected)


def test_no_digit_that_is_held_depends_on_how_the_integrator_steps(monkeypatch):
    """Two processors round differently, and an adaptive method may then step differently."""
    held = concept_paths.path(TRUE, MU, SIGMA, STEPS, (1, 1))
    for tolerance in (1e-11, 1e-13):
        monkeypatch.setattr(concept_paths, "RTOL", tolerance)
        other = concept_paths.path(TRUE, MU, SIGMA, STEPS, (1, 1))
        assert np.linalg.norm(other - held) < 1e-9 * np.linalg.norm(held)


def test_one_layer_from_zero_learns_each_concept_alone():
    fit = Fit(0.02, 0.8, None)
    a = concept_paths.second_moments(MU, SIGMA, 0.8)[:, None, :]
    expected = 1 - np.exp(-a * 0.02 * STEPS[:, None])
    assert np.allclose(concept_paths.path(fit, MU, SIGMA, STEPS, (1, 1)), expected, atol=1e-12)
    assert not concept_paths.path(fit, MU, SIGMA, STEPS, (1, 0))[..., 1].any()


def test_the_fit_finds_what_was_put_in_and_foretells_the_held_out_path():
    measured = {v: concept_paths.path(TRUE, MU, SIGMA, STEPS, v) for v in concept_paths.SINGLE}
    measured[1, 0][2, :3] = np.nan  # not yet readable
    fit = concept_paths.fit_paths(STEPS, measured, MU, SIGMA)
    assert fit.left < 1e-4
    assert fit.rate == pytest.approx(TRUE.rate, rel=0.01)
    assert fit.gain == pytest.approx(TRUE.gain, rel=0.01)
    held_out = [
        concept_paths.path(f, MU, SIGMA, STEPS, concept_paths.HELD_OUT) for f in (fit, TRUE)
    ]
    assert concept_paths.distance(*held_out) < 1e-3
    alone = concept_paths.fit_paths(STEPS, measured, MU, SIGMA, one_layer=True)
    assert alone.w0 is None
    assert alone.left > 10 * fit.left


def test_what_a_fit_leaves_is_its_distance_to_what_was_measured():
    noise = np.random.default_rng(0).normal(0, 0.05, (2, len(SIGMA), len(STEPS), 2))
    measured = {
        v: concept_paths.path(TRUE, MU, SIGMA, STEPS, v) + off
        for v, off in zip(concept_paths.SINGLE, noise, strict=True)
    }
    measured[1, 0][2, :3] = np.nan
    fit = concept_paths.fit_paths(STEPS, measured, MU, SIGMA)
    predicted = [concept_paths.path(fit, MU, SIGMA, STEPS, v) for v in measured]
    left = concept_paths.distance(np.array(predicted), np.array(list(measured.values())))
    assert fit.left == pytest.approx(left, rel=1e-6)
    assert left > 0.05


def test_independent_exponentials_are_found_too():
    true = Fit(0.02, 1.3, None)
    measured = {v: concept_paths.path(true, MU, SIGMA, STEPS, v) for v in concept_paths.SINGLE}
    fit = concept_paths.fit_paths(STEPS, measured, MU, SIGMA, one_layer=True)
    assert (fit.rate, fit.gain) == pytest.approx((0.02, 1.3), rel=1e-4)


def test_the_distance_leaves_out_what_was_not_measured():
    measured = np.array([[0.0, 0.0], [np.nan, np.nan], [3.0, 4.0]])
    assert concept_paths.distance(np.zeros((3, 2)), measured) == pytest.approx(np.sqrt(12.5))


def test_nothing_measured_is_refused():
    nothing = {v: np.full((4, 12, 2), np.nan) for v in concept_paths.SINGLE}
    for measured in (nothing, {(1, 0): nothing[1, 0]}):
        with pytest.raises(ValueError, match="need measured places"):
            concept_paths.fit_paths(STEPS, measured, MU, SIGMA)


@pytest.mark.parametrize("w0", [None, ((0.1, 0.0), (0.0, 0.1))])
def test_places_in_units_of_nothing_are_refused(w0):
    fit = concept_paths.Fit(rate=0.1, gain=1.0, w0=w0)
    with pytest.raises(ValueError, match="no mu may be 0"):
        concept_paths.maps(fit, [(1.0, 0.0)], [(0.1, 0.1)], STEPS)
