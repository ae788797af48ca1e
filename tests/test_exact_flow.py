import pytest
import torch

from lib.exact import GaussianMixture, noise_levels, probability_flow
from lib.exact.flow import annealed_langevin


def test_a_gaussian_flows_along_its_closed_form():
    """From x at noise S, the flow of N(0, v) ends at x sqrt(v / (v + S^2))."""
    p = GaussianMixture([1.0], [[0.0]], [[[2.0]]])
    noise = torch.linspace(-40, 40, 9, dtype=torch.float64)[:, None]
    exact = noise * (2 / 402) ** 0.5
    errors = []
    for steps in (50, 100):
        path = probability_flow(p.score, noise, noise_levels(steps))
        assert path.shape == (steps + 1, 9, 1)
        assert torch.equal(path[0], noise)
        errors.append((path[-1] - exact).norm().item())
    assert errors[1] < errors[0] / 3.5 < 1e-2  # second order


def test_samples_have_the_mixtures_weights():
    p = GaussianMixture([0.25, 0.75], [[-2.0], [2.0]], torch.zeros(2, 1, 1))
    sigmas = noise_levels(40)
    noise = sigmas[0] * torch.randn(
        4000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    x = probability_flow(p.score, noise, sigmas)[-1]
    assert ((x.abs() - 2).abs() < 1e-3).double().mean() > 0.999
    assert (x < 0).double().mean().item() == pytest.approx(0.25, abs=0.03)


def test_noise_levels_fall_to_zero():
    levels = noise_levels(5, low=0.1, high=3.0)
    assert levels[[0, 4, 5]].tolist() == pytest.approx([3.0, 0.1, 0.0])
    assert (levels.diff() < 0).all()
    roots = noise_levels(9)[:9] ** (1 / 7)  # even in these, from 20 to 0.01
    assert roots[[0, 8]].tolist() == pytest.approx([20 ** (1 / 7), 0.01 ** (1 / 7)])
    assert torch.linalg.norm(roots.diff() - roots.diff().mean()) < 1e-12
    assert noise_levels(1).tolist() == pytest.approx([20.0, 0.0])


@pytest.mark.parametrize("sigmas", [[1.0], [1.0, 1.0], [1.0, 2.0], [1.0, -1.0], [[1.0, 0.0]]])
def test_bad_noise_levels(sigmas):
    with pytest.raises(ValueError, match="falling"):
        probability_flow(lambda x, sigma, c: -x, torch.zeros(1), sigmas)


@pytest.mark.parametrize(("steps", "low", "high"), [(0, 0.1, 1), (5, 0, 1), (5, 2, 1)])
def test_bad_schedules(steps, low, high):
    with pytest.raises(ValueError, match="needs"):
        noise_levels(steps, low, high)


def test_langevin_draws_from_the_density_of_the_last_level():
    """Mean and spread of a Gaussian at noise, from far away; the step's own bias is small."""
    p = GaussianMixture([1.0], [[3.0]], [[[1.0]]])
    g = torch.Generator().manual_seed(0)
    begun = torch.full((4000, 1), -20.0, dtype=torch.float64)
    x = annealed_langevin(p.score, begun, [3.0, 1.0, 0.5], g, steps=80, rate=0.1)
    assert x.mean().item() == pytest.approx(3.0, abs=0.08)
    assert x.std().item() == pytest.approx(1.25**0.5, abs=0.06)


def test_langevin_samples_what_is_no_noised_density():
    """Twice a Gaussian's score is that of half its variance, at every level."""
    p = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    g = torch.Generator().manual_seed(1)
    begun = 2 * torch.randn(4000, 1, dtype=torch.float64, generator=g)
    x = annealed_langevin(lambda x, s, c: c * p.score(x, s), begun, [1.0, 0.3], g, 2, 80, 0.1)
    assert x.std().item() == pytest.approx((1.09 / 2) ** 0.5, abs=0.04)


def test_langevin_takes_twenty_steps_a_level_of_a_fifth_of_its_square():
    g, seen = torch.Generator().manual_seed(0), []

    def still(x, sigma, conditions):
        seen.append(sigma)
        return 0 * x

    x = annealed_langevin(still, torch.zeros(20000, 1, dtype=torch.float64), [2.0, 1.0], g)
    assert seen == [2.0] * 20 + [1.0] * 20
    assert x.std().item() == pytest.approx((20 * 2 * 0.2 * 5) ** 0.5, rel=0.03)
    drift = annealed_langevin(
        lambda x, s, c: 1 + 0 * x, torch.zeros(1, 20000).double(), [2.0, 1.0], g, steps=3, rate=0.1
    )
    assert drift.mean().item() == pytest.approx(3 * 0.1 * 5, abs=0.05)


@pytest.mark.parametrize(("sigmas", "rate"), [([1.0, 2.0], 0.1), ([1.0, 0.0], 0.1), ([1.0], 1.0)])
def test_bad_langevin(sigmas, rate):
    g = torch.Generator()
    with pytest.raises(ValueError, match=r"falling|rate"):
        annealed_langevin(lambda x, s, c: -x, torch.zeros(1), sigmas, g, rate=rate)
