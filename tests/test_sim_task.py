import itertools

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lib.sim import SIMTask, ood_loss, population_loss, swing
from lib.sim.error_curves import jitter, rises, swings

PATIENT = settings(deadline=None)  # a first call of torch is slow on a busy machine
FINITE = st.floats(-10, 10, allow_nan=False)
SPREAD = st.floats(0, 10, allow_nan=False)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("origin_cluster", [False, True])
def test_a_is_the_uncentred_second_moment(origin_cluster):
    task = SIMTask((2, 1), (0.3, 0.5), d=3, origin_cluster=origin_cluster)
    x = task.sample(200_000, seeded())
    moment = x.T @ x / len(x)
    torch.testing.assert_close(moment, torch.diag(task.a), atol=0.01, rtol=0)
    covariance = x.T.cov(correction=0)
    clusters = 2 + origin_cluster
    assert covariance[0, 1].item() == pytest.approx(-2 * 1 / clusters**2, abs=0.01)


def test_samples_come_cluster_by_cluster():
    task = SIMTask((2, -1), (0.01, 0.02), d=3, origin_cluster=True)
    clusters = task.sample(5_000, seeded()).reshape(3, 5_000, 3)
    centres = torch.tensor([[2, 0, 0], [0, -1, 0], [0, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(clusters.mean(1), centres, atol=1e-3, rtol=0)
    expected = torch.tensor([0.01, 0.02, 0], dtype=torch.float64).expand(3, 3)
    torch.testing.assert_close(clusters.std(1), expected, atol=1e-3, rtol=0)


def test_samples_depend_on_the_generator_only():
    task = SIMTask((2, 1), (0.3, 0.5))
    assert torch.equal(task.sample(4, seeded(1)), task.sample(4, seeded(1)))
    assert not torch.equal(task.sample(4, seeded(1)), task.sample(4, seeded(2)))
    assert SIMTask((2, 1), (0.25, 0.5)) == SIMTask([2.0, 1.0], torch.tensor([0.25, 0.5]), d=2)


@pytest.mark.parametrize("mu", [(3,), (3, 2), (3, 2, 1)])
def test_corners_are_the_whole_hierarchy(mu):
    task = SIMTask(mu, (0,) * len(mu), d=4)
    expected = [
        [v * m for v, m in zip(bits, mu, strict=True)] + [0] * (4 - len(mu))
        for bits in itertools.product((0, 1), repeat=len(mu))
    ]
    assert task.corners().tolist() == expected
    assert torch.equal(task.corners()[-1], task.test_point)


def test_population_loss_is_the_mean_over_many_points():
    task = SIMTask((2, 1), (0.3, 0.5), d=3)
    w = torch.randn(4, 3, 3, generator=seeded(), dtype=torch.float64)
    x = task.sample(200_000, seeded(1))
    errors = torch.einsum("bij,nj->bni", w, x) - x
    torch.testing.assert_close(
        population_loss(w, task), (errors**2).sum(-1).mean(-1) / 2, rtol=0.01, atol=0
    )


def test_ood_loss_by_hand():
    task = SIMTask((2, 1), (0, 0))
    w = torch.tensor([[[1.0, 0], [0, 1]], [[0, 0], [0, 0]], [[1, 2], [0, 0]]])
    assert ood_loss(w, task).tolist() == [0, 2.5, 2.5]
    assert population_loss(w, task).tolist() == [0, 1.25, 1.25]


@PATIENT
@given(st.lists(FINITE, min_size=1, max_size=5), st.integers(-2, 4))
def test_more_concepts_than_dimensions(mu, d):
    if d < len(mu):
        with pytest.raises(ValueError, match="d must be"):
            SIMTask(mu, [0.1] * len(mu), d)
    else:
        assert SIMTask(mu, [0.1] * len(mu), d).a.shape == (d,)


@PATIENT
@given(
    st.lists(SPREAD, min_size=1, max_size=4),
    st.sampled_from([-1e-9, -1.0, float("nan"), float("inf"), -float("inf")]),
    st.data(),
)
def test_bad_sigma(sigma, bad, data):
    sigma[data.draw(st.integers(0, len(sigma) - 1))] = bad
    with pytest.raises(ValueError, match="sigma"):
        SIMTask([1.0] * len(sigma), sigma)


@PATIENT
@given(st.lists(FINITE, max_size=4), st.lists(SPREAD, max_size=4))
def test_mu_and_sigma_of_different_lengths(mu, sigma):
    if mu and len(mu) == len(sigma):
        assert SIMTask(mu, sigma).s == len(mu)
    else:
        with pytest.raises(ValueError, match=r"mu|sigma"):
            SIMTask(mu, sigma)


@pytest.mark.parametrize("mu", [1.0, [[1.0]], ["one"], None, [float("nan")]])
def test_mu_that_is_no_sequence_of_numbers(mu):
    with pytest.raises(ValueError, match="mu"):
        SIMTask(mu, [0.1])


@PATIENT
@given(st.integers(max_value=0) | st.floats(0, 3))
def test_bad_number_of_points(n):
    with pytest.raises(ValueError, match="n must be"):
        SIMTask((1,), (1,)).sample(n, seeded())


@PATIENT
@given(st.lists(st.integers(1, 4), max_size=3).filter(lambda shape: shape[-2:] != [3, 3]))
def test_maps_of_the_wrong_shape(shape):
    for loss in (ood_loss, population_loss):
        with pytest.raises(ValueError, match="w must have shape"):
            loss(torch.zeros(shape), SIMTask((2, 1), (0, 0), d=3))


def test_swing_by_hand():
    E = [[4, 3, 2, 1, 0.5], [4, 1, 3, 0, 0.4], [4, 5, 6, 0, 0], [4, 3, 3.5, 1, 3]]
    assert swing(E).tolist() == [0, 0.5, 0.5, 0.5]
    assert swings(E).tolist() == [False, True, True, True]


@PATIENT
@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=12))
def test_swing_against_its_definition(E):
    rises = [E[t] - min(E[: t + 1]) for t in range(len(E))]
    assert swing(E).item() == pytest.approx(max(rises) / E[0])


def test_a_swing_must_rise_above_the_noise_of_the_tail():
    # Rises by .4 of the start; the last third (4 evaluations) then moves by .1 or .2 each time.
    E = torch.tensor([1, 0.5, 0.9, 0.5, 0.4, 0.3, 0.3, 0.3, 0.3, 0.4, 0.3, 0.4]).repeat(2, 1)
    E[1, 9::2] = 0.5
    assert jitter(E).tolist() == pytest.approx([0.1, 0.2])
    assert swings(E).tolist() == [True, True]
    assert swings(E, noisy=True).tolist() == [True, False]


def test_rises_are_counted_once_each():
    E = [[4, 3, 2, 1, 0, 0], [4, 1, 2, 3, 0, 0], [4, 1, 2, 0, 1, 0], [4, 3, 3.01, 3, 3.01, 0]]
    assert rises(E, 0.1).tolist() == [0, 1, 2, 0]
    assert rises(E, 1e-4).tolist() == [0, 1, 2, 2]
    assert rises([1.0, 2.0, 1.0, 2.0]).tolist() == 2


@PATIENT
@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=12), st.floats(0.01, 0.5))
def test_a_curve_rises_where_it_swings(E, threshold):
    assume(abs(swing(E).item() - threshold) > 1e-9)
    assert (rises(E, threshold) > 0).item() == swings(E, threshold).item()


@pytest.mark.parametrize("E", [[], 1.0, [1.0, float("nan")], [0.0, 1.0], [-1.0, 1.0]])
def test_bad_curves(E):
    with pytest.raises(ValueError, match="E must"):
        swing(E)
    with pytest.raises(ValueError, match=r"E must|6 evaluations"):
        swings(E, noisy=True)
