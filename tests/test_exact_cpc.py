import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.exact import CPC, GaussianMixture, composed, independent, noise_levels, probability_flow
from lib.exact.divergence import mixed_difference

PATIENT = settings(deadline=None, max_examples=25)
BLOCKS = ((0, 3), (1, 4), (2, 5))


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def mixture(d, seed=0, K=3):
    roots = normal(K, d, d, seed=seed)
    weights = torch.softmax(normal(K, seed=seed + 1), 0)
    return GaussianMixture(weights, 2 * normal(K, d, seed=seed + 2), roots @ roots.mT)


def three_blocks(background):
    factors = {f"c{i}": (block, mixture(2, seed=10 * i)) for i, block in enumerate(BLOCKS)}
    factors["c0 other"] = (BLOCKS[0], mixture(2, seed=99))
    return CPC(background, factors)


def factorised_background():
    return independent([(block, mixture(2, seed=50 + i)) for i, block in enumerate(BLOCKS)])


# T1: three blocks of two pixels, whose joint has 27 components.
@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.0, 5.0, 50.0])
@pytest.mark.parametrize("conditions", [(), ("c1",), ("c2", "c0"), ("c0", "c1", "c2")])
def test_t1_local_scores_are_the_joints(sigma, conditions):
    cpc = three_blocks(mixture(6, seed=30, K=2))
    joint = cpc.joint(conditions)
    x = (1 + sigma) * normal(20, 6, seed=4)
    local, whole = cpc.score(x, sigma, conditions), joint.score(x, sigma)
    assert (local - whole).abs().max() < 1e-12 * whole.abs().max()
    if len(conditions) == 3:
        assert joint.weights.shape == (27,)
        hessian = torch.func.vmap(torch.func.jacrev(lambda y: joint.score(y, sigma)))(x)
        label = torch.tensor([0, 1, 2, 0, 1, 2])
        assert (hessian * (label[:, None] != label)).abs().max() < 1e-12 * hessian.abs().max()


@given(sigma=st.floats(1e-3, 1e3), seed=st.integers(0, 100))
@PATIENT
def test_values_elsewhere_do_not_matter_and_presence_does(sigma, seed):
    """Statement (a): a present block sees itself alone, the background which blocks are gone."""
    cpc = three_blocks(mixture(6, seed=30, K=2))
    x = normal(6, seed=seed)
    y = x.clone()
    y[[1, 4, 2, 5]] += 3
    score = cpc.score(x, sigma, ("c0",))
    assert torch.equal(score[[0, 3]], cpc.score(y, sigma, ("c0",))[[0, 3]])
    assert torch.equal(score[[0, 3]], cpc.score(x, sigma, ("c2", "c0"))[[0, 3]])
    other = cpc.score(x, sigma, ("c0 other",))
    assert torch.equal(score[[1, 4, 2, 5]], other[[1, 4, 2, 5]])


def test_case_c_removal_reaches_the_background():
    """Statement (c): a correlated background tells that c_1 is gone."""
    background = GaussianMixture([1.0], [[0.0, 0.0]], [[[1, 0.8], [0.8, 1]]])
    unit = {
        name: ((0,), GaussianMixture([1.0], [[m]], [[[1.0]]])) for name, m in (("+", 1), ("-", -1))
    }
    cpc, x = CPC(background, unit), torch.tensor([1.5, -0.5])
    none, plus, minus = (cpc.score(x, 0.5, c) for c in ((), ("+",), ("-",)))
    assert none[1].item() == pytest.approx(0.8 * 1.5 / 0.9225 + 1.25 * 0.5 / 0.9225, abs=1e-14)
    assert none[1].item() == pytest.approx(1.978, abs=5e-4)
    assert plus[1].item() == pytest.approx(0.4, abs=1e-14)
    assert (plus - minus).tolist() == pytest.approx([2 / 1.25, 0], abs=1e-14)


@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_t2_separable_and_consistent_is_factorised(sigma):
    """Statement (b): mixed second differences vanish, and a block's score is the same in any J."""
    cpc = three_blocks(factorised_background())
    x, y = normal(2, 30, 6, seed=8)
    for conditions in ((), ("c0",), ("c0", "c1", "c2")):
        joint = cpc.joint(conditions)
        for block in BLOCKS:
            mixed = mixed_difference(lambda z, p=joint: p.log_prob(z, sigma), x, y, list(block))
            assert mixed.norm() < 1e-11
    alone, among = cpc.score(x, sigma, ("c1",)), cpc.score(x, sigma, ("c0", "c1"))
    assert torch.equal(alone[:, [1, 4]], among[:, [1, 4]])
    assert (alone[:, [2, 5]] - among[:, [2, 5]]).norm() < 1e-13


def test_t2_a_markov_chain_is_local_and_not_separable():
    """Overlapping neighbourhoods: the converse breaks."""
    precision = torch.eye(3) * 1.5 - 0.6 * (torch.eye(3).roll(1, 0) + torch.eye(3).roll(-1, 0))
    precision[0, 2] = precision[2, 0] = 0
    chain = GaussianMixture([1.0], torch.zeros(1, 3), torch.linalg.inv(precision.double())[None])
    hessian = torch.func.jacrev(lambda z: chain.score(z, 0.0))(normal(3))
    assert hessian[0, 2].abs() < 1e-14  # local: pixel 1 does not see pixel 3
    x, y = normal(2, 10, 3)
    assert mixed_difference(lambda z: chain.log_prob(z, 0.0), x, y, [0]).norm() > 1
    noisy = torch.func.jacrev(lambda z: chain.score(z, 1.0))(normal(3))
    assert noisy[0, 2].abs() > 1e-2  # and noise undoes that locality


@pytest.mark.parametrize("sigma", [0.1, 1.0, 10.0])
def test_composition_is_exact_only_with_a_factorised_background(sigma):
    x = normal(10, 6, seed=8)
    for background, exact in ((factorised_background(), True), (mixture(6, seed=30, K=2), False)):
        cpc = three_blocks(background)
        score = cpc.score(x, sigma, ("c0", "c1"))
        apart = (composed(cpc.score)(x, sigma, ("c0", "c1")) - score).norm() / score.norm()
        assert (apart < 1e-12) if exact else (apart > 1e-3)
        assert torch.equal(composed(cpc.score)(x, sigma), cpc.score(x, sigma))


def test_t8_the_flow_decouples_by_block():
    cpc, sigmas = three_blocks(mixture(6, seed=30, K=2)), noise_levels(20)
    noise = sigmas[0] * normal(5, 6)
    moved = noise.clone()
    moved[:, [0, 3]] = sigmas[0] * normal(5, 2, seed=1)
    conditions = ("c0", "c1", "c2")
    a, b = (probability_flow(cpc.score, n, sigmas, conditions)[-1] for n in (noise, moved))
    others = [1, 2, 4, 5]
    assert torch.equal(a[:, others], b[:, others])
    assert (a[:, [0, 3]] - b[:, [0, 3]]).norm() > 0.1


def gaussian(d=1):
    return GaussianMixture([1.0], torch.zeros(1, d), torch.eye(d)[None])


@pytest.mark.parametrize(
    ("factors", "words"),
    [
        ({"a": ((0, 1), gaussian(2)), "b": ((1, 2), gaussian(2))}, "overlap in part"),
        ({"a": ((0, 1), gaussian(2)), "b": ((1,), gaussian())}, "overlap in part"),
        ({"a": ((3,), gaussian())}, "distinct pixels in 0..2"),
        ({"a": ((0, 0), gaussian(2))}, "distinct pixels"),
        ({"a": ((0, 1), gaussian())}, "needs 1 distinct"),
    ],
)
def test_bad_blocks(factors, words):
    with pytest.raises(ValueError, match=words):
        CPC(gaussian(3), factors)


def test_bad_calls():
    cpc = CPC(gaussian(3), {"a": ((0, 1), gaussian(2)), "b": ((1, 0), gaussian(2))})
    with pytest.raises(ValueError, match="unknown condition 'z'"):
        cpc.score(torch.zeros(3), 1.0, ("z",))
    with pytest.raises(ValueError, match="same pixels"):
        cpc.score(torch.zeros(3), 1.0, ("a", "b"))
    with pytest.raises(ValueError, match="same pixels"):
        cpc.joint(("a", "a"))
    with pytest.raises(ValueError, match="tuple of names"):
        cpc.score(torch.zeros(3), 1.0, "a")
    with pytest.raises(ValueError, match="x must be"):
        cpc.score(torch.zeros(2), 1.0)
    with pytest.raises(ValueError, match="named once"):
        composed(cpc.score)(torch.zeros(3), 1.0, ("a", "a"))
    with pytest.raises(ValueError, match="tuple of names"):
        composed(cpc.score)(torch.zeros(3), 1.0, "ab")
    points = GaussianMixture([1.0], torch.zeros(1, 1), torch.zeros(1, 1, 1))
    with pytest.raises(ValueError, match="point mass"):
        CPC(gaussian(2), {"a": ((0,), points)}).score(torch.zeros(2), 0.0, ("a",))
