import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from lib.exact import GaussianMixture, independent

PATIENT = settings(deadline=None, max_examples=25)


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def mixture(K=3, d=2, seed=0, singular=False):
    roots = normal(K, d, d, seed=seed)
    if singular:
        roots[0] = 0  # a point mass
        roots[1, :, 1:] = 0  # a line
    weights = torch.softmax(normal(K, seed=seed + 1), 0)
    return GaussianMixture(weights, 2 * normal(K, d, seed=seed + 2), roots @ roots.mT)


@pytest.mark.parametrize("sigma", [0.0, 0.3, 5.0])
def test_density_against_scipy(sigma):
    p, x = mixture(), normal(50, 2, seed=5)
    expected = sum(
        w * multivariate_normal(m, c + sigma**2 * np.eye(2)).pdf(x)
        for w, m, c in zip(p.weights.numpy(), p.means.numpy(), p.covs.numpy(), strict=True)
    )
    assert (p.log_prob(x, sigma).exp() - torch.from_numpy(expected)).norm() < 1e-14


@pytest.mark.parametrize("singular", [False, True])
@given(sigma=st.floats(0.05, 100), seed=st.integers(0, 1000))
@PATIENT
def test_score_is_the_gradient_and_posteriors_are_tweedies(singular, sigma, seed):
    p = mixture(seed=seed, singular=singular)
    x = (3 + sigma) * normal(4, 2, seed=seed)
    gradient = torch.func.vmap(torch.func.grad(lambda y: p.log_prob(y, sigma)))(x)
    hessian = torch.func.vmap(torch.func.jacrev(lambda y: p.score(y, sigma)))(x)
    score = p.score(x, sigma)
    scale = score.norm() + 1e-300
    assert (score - gradient).norm() < 1e-10 * scale
    mean, cov = p.posterior_mean(x, sigma), p.posterior_cov(x, sigma)
    assert (mean - (x + sigma**2 * score)).norm() < 1e-9 * (x.norm() + mean.norm())
    tweedie = sigma**2 * torch.eye(2).double() + sigma**4 * hessian
    assert (cov - tweedie).norm() < 1e-10 * (1 + sigma**2 + sigma**4 * hessian.norm())


@pytest.mark.parametrize("sigma", [1e-3, 1e3])
@pytest.mark.parametrize("far", [0.0, 1.0, 1e3])
def test_nothing_overflows(sigma, far):
    p = mixture(singular=True)
    x = p.means + far
    for value in (p.score, p.log_prob, p.posterior_mean, p.posterior_cov, p.responsibilities):
        assert torch.isfinite(value(x, sigma)).all()
    if far == 0 and sigma == 1e-3:  # on the point mass
        assert (p.responsibilities(x, sigma)[0, 0] - 1).abs() < 1e-6
        assert (p.posterior_mean(x, sigma)[0] - p.means[0]).norm() < 1e-6


def test_posterior_against_an_exact_sum_over_points():
    points, x, sigma = normal(5, 3), normal(3, seed=3), 0.7
    p = GaussianMixture(torch.full((5,), 0.2), points, torch.zeros(5, 3, 3))
    weight = torch.exp(-(x - points).square().sum(1) / (2 * sigma**2))
    weight = weight / weight.sum()
    mean = weight @ points
    cov = torch.einsum("k,ki,kj->ij", weight, points - mean, points - mean)
    assert (p.responsibilities(x, sigma) - weight).norm() < 1e-14
    assert (p.posterior_mean(x, sigma) - mean).norm() < 1e-14
    assert (p.posterior_cov(x, sigma) - cov).norm() < 1e-14


def test_batches_over_points_and_noise():
    p, x, sigma = mixture(), normal(4, 2), torch.tensor([[0.1], [1.0], [9.0]])
    for value in (p.score, p.log_prob, p.posterior_mean, p.posterior_cov):
        together = value(x, sigma)
        assert together.shape[:2] == (3, 4)
        alone = torch.stack([torch.stack([value(y, s.item()) for y in x]) for s in sigma])
        assert (together - alone).norm() < 1e-6 * alone.norm()  # sigma is float32 here


def test_marginal_and_push_forward_against_each_other_and_samples():
    p = mixture(d=3)
    select = torch.eye(3, dtype=torch.float64)[[2, 0]]
    y = normal(6, 2, seed=7)
    marginal, pushed = p.marginal((2, 0)), p.push_forward(select)
    assert (marginal.score(y, 0.4) - pushed.score(y, 0.4)).norm() < 1e-13
    x = p.sample(200_000, torch.Generator().manual_seed(0), sigma=0.5) @ select.T
    assert (x.mean(0) - marginal.mean).norm() < 0.03
    assert (x.T.cov() - marginal.cov - 0.25 * torch.eye(2)).norm() < 0.1


def test_marginal_merges_equal_components():
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)
    p = GaussianMixture(torch.full((8,), 1 / 8), corners, torch.zeros(8, 3, 3))
    assert p.marginal([1]).weights.tolist() == [0.5, 0.5]


def test_independent_blocks():
    a, b = mixture(K=2, d=1), mixture(K=3, d=2, seed=9)
    joint, x = independent([((2,), a), ((0, 1), b)]), normal(5, 3)
    assert joint.weights.shape == (6,)
    expected = a.log_prob(x[:, 2:], 0.3) + b.log_prob(x[:, :2], 0.3)
    assert (joint.log_prob(x, 0.3) - expected).norm() < 1e-13


def test_samples_come_from_the_generator():
    p = mixture(singular=True)
    draws = [p.sample(10, torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_rounding_of_float32_is_no_error():
    root = normal(3, 4, 2).float()
    covs = root @ root.mT  # singular, and so only up to rounding
    p = GaussianMixture(torch.full((3,), 1 / 3), torch.zeros(3, 4), covs)
    assert torch.isfinite(p.score(normal(4), 1e-2)).all()


ONE = torch.eye(2).expand(2, 2, 2)


@pytest.mark.parametrize(
    ("weights", "means", "covs", "words"),
    [
        ([0.5, 0.6], torch.zeros(2, 2), ONE, "sum to 1"),
        ([1.5, -0.5], torch.zeros(2, 2), ONE, "sum to 1"),
        ([0.5, 0.5], torch.zeros(2, 3), ONE, r"\(K, d, d\)"),
        ([0.5, 0.5], torch.zeros(3, 2), ONE, r"\(K, d, d\)"),
        ([1.0], torch.zeros(2), torch.eye(2), r"\(K, d, d\)"),
        ([0.5, 0.5], torch.zeros(2, 2), -ONE, "negative eigenvalue"),
        ([0.5, 0.5], torch.zeros(2, 2), ONE + torch.tensor([[0, 1], [0, 0]]), "symmetric"),
        ([0.5, 0.5], torch.full((2, 2), math.nan), ONE, "finite"),
    ],
)
def test_bad_parameters(weights, means, covs, words):
    with pytest.raises(ValueError, match=words):
        GaussianMixture(weights, means, covs)


def test_bad_calls():
    regular, singular = mixture(), mixture(singular=True)
    x = normal(4, 2)
    with pytest.raises(ValueError, match="point mass or singular"):
        singular.score(x, 0.0)
    with pytest.raises(ValueError, match="point mass or singular"):
        singular.log_prob(x, torch.tensor([0.0, 1, 1, 1]))
    with pytest.raises(ValueError, match="negative"):
        regular.score(x, -1.0)
    with pytest.raises(ValueError, match="broadcast"):
        regular.score(x, torch.ones(3))
    with pytest.raises(ValueError, match="x must be"):
        regular.score(normal(4, 3), 1.0)
    with pytest.raises(ValueError, match="no conditions"):
        regular.score(x, 1.0, ("a",))
    with pytest.raises(ValueError, match="A must be"):
        regular.push_forward(torch.eye(3))
    for pixels in ([], [0, 0], [2]):
        with pytest.raises(ValueError, match=r"distinct and in 0\.\.1, got"):
            regular.marginal(pixels)
    with pytest.raises(ValueError, match="each once"):
        independent([((0, 1), regular), ((1, 2), regular)])


def test_what_the_caller_writes_later_changes_no_mixture():
    weights, means = torch.tensor([0.4, 0.6]).double(), torch.tensor([[-1.0], [1.0]]).double()
    mixture, x = GaussianMixture(weights, means, torch.ones(2, 1, 1).double()), normal(4, 1)
    before = mixture.score(x, 0.5)
    means += 3
    weights.copy_(weights.flip(0))
    assert torch.equal(mixture.score(x, 0.5), before)


@pytest.mark.parametrize("sigma", [0.0, 0.3, 5.0])
def test_a_root_times_itself_is_the_noised_covariance(sigma):
    m = mixture()
    root = m.roots(sigma)
    expected = m.covs + sigma**2 * torch.eye(2, dtype=torch.float64)
    assert (root @ root.mT - expected).norm() < 1e-12 * expected.norm()
