import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad, simpson
from scipy.stats import multivariate_normal, norm

from lib.exact import GaussianMixture
from lib.exact.divergence import (
    de_bruijn,
    entangled,
    expectation,
    factorised,
    fisher,
    kl,
    mutual_information,
    textured,
)

APART = [[0], [1]]


def gaussian(cov):
    cov = torch.as_tensor(cov, dtype=torch.float64)
    return GaussianMixture([1.0], torch.zeros(1, len(cov)), cov[None])


# T3: two points in the plane. The facts' table, to their last digit.
@pytest.mark.parametrize(
    ("sigma", "information", "error"),
    [
        (0.1, 0.693, 5e-19),
        (0.3, 0.691, 0.33),
        (0.5, 0.579, 1.97),
        (1, 0.174, 0.44),
        (10, 5e-5, 2e-6),
    ],
)
def test_t3_the_error_is_not_monotone_in_noise(sigma, information, error):
    p = entangled(1.0)
    q = factorised(p, APART)
    assert mutual_information(p, APART, sigma).value == pytest.approx(information, rel=0.03)
    found = fisher(p, q.score, sigma)
    assert found.value == pytest.approx(error, rel=0.05)
    assert found.error < 0.5 * found.value


def test_t3_de_bruijns_identity():
    p = entangled(1.0)
    q = factorised(p, APART)
    integral = de_bruijn(p, q, 0.05, 20, n=181, levels=48)
    drop = kl(p, q, 0.05).value - kl(p, q, 20.0).value
    assert drop == pytest.approx(0.69314407107, abs=1e-11)
    assert abs(integral.value - drop) < 1e-9
    assert abs(integral.value - drop) <= integral.error


def test_against_the_gaussian_closed_forms():
    """KL and Fisher error between N(0, A) and N(0, B), by quadrature and by Monte Carlo."""
    A, B = torch.tensor([[1.0, 0.6], [0.6, 2.0]]).double(), torch.eye(2).double()
    p, q, sigma = gaussian(A), gaussian(B), 0.7
    A, B = A + 0.49 * torch.eye(2).double(), B + 0.49 * torch.eye(2).double()
    gap = torch.linalg.inv(A) - torch.linalg.inv(B)
    exact_fisher = (gap @ A @ gap).trace().item()
    ratio = torch.linalg.solve(B, A)
    exact_kl = ((ratio.trace() - 2 - ratio.logdet()) / 2).item()
    assert fisher(p, q.score, sigma).value == pytest.approx(exact_fisher, rel=1e-12)
    assert kl(p, q, sigma).value == pytest.approx(exact_kl, rel=1e-12)
    whole = torch.linalg.inv(A).trace().item()
    relative = fisher(p, q.score, sigma, relative=True)
    assert relative.value == pytest.approx(exact_fisher / whole, rel=1e-12)
    generator = torch.Generator().manual_seed(0)
    for measure, exact in (
        (lambda: fisher(p, q.score, sigma, generator=generator), exact_fisher),
        (lambda: kl(p, q, sigma, generator=generator), exact_kl),
        (lambda: fisher(p, q.score, sigma, True, generator), exact_fisher / whole),
    ):
        found = measure()
        assert abs(found.value - exact) < 4 * found.error < 0.1 * exact


def test_information_in_three_dimensions_by_monte_carlo():
    cov = torch.tensor([[1.0, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]).double()
    p, generator = gaussian(cov), torch.Generator().manual_seed(0)
    exact = -0.5 * math.log(1 - (0.5 / 1.01) ** 2)
    found = mutual_information(p, [[0, 2], [1]], 0.1, generator, n=20_000)
    assert abs(found.value - exact) < 4 * found.error < 0.1 * exact
    with pytest.raises(ValueError, match="give a generator"):
        mutual_information(p, [[0, 2], [1]], 0.1)


def test_t4_slopes_of_a_gaussian_in_noise():
    p = gaussian([[1.0, 0.8], [0.8, 1.0]])
    q = factorised(p, APART)
    sigmas = np.geomspace(10, 100, 3)
    jacobians = [
        [
            torch.func.jacrev(lambda x, s=s, m=m: m.score(x, s))(torch.zeros(2).double())
            for s in sigmas
        ]
        for m in (p, q)
    ]
    gap = np.array([(a - b).norm().item() for a, b in zip(*jacobians, strict=True)])
    whole = np.array([a.norm().item() for a in jacobians[0]])
    error = np.array([fisher(p, q.score, s, n=61).value for s in sigmas.tolist()])
    information = np.array([kl(p, q, s, n=61).value for s in sigmas.tolist()])
    for values, slope in ((gap, -4), (gap / whole, -2), (error, -6), (information, -4)):
        fitted = np.polyfit(np.log(sigmas), np.log(values), 1)[0]
        assert fitted == pytest.approx(slope, abs=0.05)


@pytest.mark.parametrize("knob", [-1.0, -0.3, 0.0, 0.5, 1.0])
def test_the_entanglement_knob(knob):
    p = entangled(knob, spread=0.1)
    assert p.cov[0, 1].item() == pytest.approx(knob, abs=1e-15)
    assert (p.marginal([0]).weights - 0.5).norm() < 1e-15
    at_points = sum(w * math.log(2 * w) for w in ((1 + knob) / 2, (1 - knob) / 2) if w > 0)
    information = mutual_information(p, APART, 0.0, n=61).value
    assert information == pytest.approx(at_points, abs=1e-9)
    product = factorised(p, APART)
    assert (fisher(p, product.score, 0.6, n=61).value > 1e-6) == (knob != 0)


@pytest.mark.parametrize("sigma", [0.05, 0.4, 2.0])
def test_a_texture_only_gains_from_noise_in_closed_form(sigma):
    """Without a choice the two coordinates are one Gaussian."""
    p = textured(0.0, 0.6)
    rho = 0.6 / (1 + sigma**2)
    q = factorised(p, APART)
    assert mutual_information(p, APART, sigma).value == pytest.approx(-math.log(1 - rho**2) / 2)
    assert fisher(p, q.score, sigma, relative=True).value == pytest.approx(rho**2)


def test_without_a_texture_it_is_two_points():
    p, points = textured(math.inf), entangled(1.0)
    assert torch.equal(p.means.sort(0).values, points.means.sort(0).values)
    assert not p.covs.any()
    assert torch.allclose(textured(1e6).means, p.means)


@pytest.mark.parametrize("sigma", [0.1, 0.35, 1.0])
def test_between_texture_and_points_against_scipy(sigma):
    """Information and LCS error of ratio 5: densities of scipy, derivatives by differences."""
    ratio, rho = 5.0, 0.8
    w = 1 / math.sqrt(1 + ratio**2)
    cov = w**2 * np.array([[1, rho], [rho, 1]]) + sigma**2 * np.eye(2)
    side = math.sqrt(w**2 + sigma**2)
    axis = np.linspace(-1 - 9 * side, 1 + 9 * side, 401)
    at = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    m = ratio * w

    def log_joint(x):
        both = [multivariate_normal([s * m, s * m], cov).logpdf(x) for s in (-1, 1)]
        return np.logaddexp(*both) - math.log(2)

    def log_apart(x):
        both = [norm(s * m, side).logpdf(x) for s in (-1, 1)]
        return (np.logaddexp(*both) - math.log(2)).sum(-1)

    def mean(values):
        return simpson(simpson(np.exp(log_joint(at)) * values, x=axis), x=axis)

    def gap(x):
        return log_joint(x) - log_apart(x)

    steps = 1e-5 * np.eye(2)
    slopes = [(gap(at + h) - gap(at - h)) / 2e-5 for h in steps]
    p = textured(ratio, rho)
    found = fisher(p, factorised(p, APART).score, sigma).value
    assert mean(1.0) == pytest.approx(1, rel=1e-8)
    assert found == pytest.approx(mean(np.square(slopes).sum(0)), rel=1e-5)
    assert mutual_information(p, APART, sigma).value == pytest.approx(mean(gap(at)), rel=1e-7)


def test_each_coordinate_of_the_textured_family_has_variance_one():
    for ratio in (0.0, 0.5, 3.0, math.inf):
        assert torch.allclose(textured(ratio).cov.diagonal(), torch.ones(2).double())


def test_quadrature_in_one_dimension_against_scipy():
    p = GaussianMixture([0.3, 0.7], [[-1.0], [2.0]], [[[0.5]], [[0.1]]])

    def integrand(x):
        return math.exp(p.log_prob(torch.tensor([x], dtype=torch.float64), 0.2).item()) * math.cos(
            x
        )

    expected = quad(integrand, -12, 12, epsabs=1e-12, limit=200)[0]
    found = expectation(lambda x: torch.cos(x[:, 0]), p, 0.2)
    assert found.value == pytest.approx(expected, abs=1e-10)
    assert found.error < 1e-10


def test_the_error_of_a_quadrature_is_its_distance_to_every_other_node():
    p = GaussianMixture([0.3, 0.7], [[-1.0, 0.0], [2.0, 1.0]], torch.eye(2).expand(2, 2, 2))
    found, half = (expectation(lambda x: x.sin().exp().prod(1), p, 0.2, n=n) for n in (33, 17))
    assert found.error == pytest.approx(abs(found.value - half.value), rel=1e-9)
    assert found.error > 1e-6


def test_numbers_without_an_error_are_refused():
    p, generator = entangled(0.9, 0.3), torch.Generator().manual_seed(0)
    value, error = mutual_information(p, APART, 0.3)
    for n in (17, 21, 25, 33):
        fewer = mutual_information(p, APART, 0.3, n=n)
        assert abs(fewer.value - value) <= fewer.error + error
    for n in (0, 1, 5, 15, 28):
        with pytest.raises(ValueError, match=f"an odd number of points .* not {n}"):
            mutual_information(p, APART, 0.3, n=n)
    with pytest.raises(ValueError, match="2 draws for a number and its error, not 1"):
        mutual_information(p, APART, 0.3, generator, n=1)


def test_bad_input():
    p = entangled(0.0)
    with pytest.raises(ValueError, match="knob"):
        entangled(1.5)
    for ratio, correlation in ((-1.0, 0.8), (math.nan, 0.8), (1.0, 1.0)):
        with pytest.raises(ValueError, match="ratio of at least 0"):
            textured(ratio, correlation)
    with pytest.raises(ValueError, match="low < high"):
        de_bruijn(p, p, 1.0, 1.0)
    with pytest.raises(ValueError, match="each of"):
        factorised(p, [[0]])
    with pytest.raises(ValueError, match="point mass"):
        fisher(p, p.score, 0.0)
