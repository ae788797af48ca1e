import math

import pytest
import torch
from scipy import integrate, optimize, stats
from torch import distributions

from lib.diffusion import edm
from lib.diffusion.networks import UNet
from lib.exact import flow

WEIGHTS, MEANS, STDS = (0.3, 0.7), (-1.0, 0.8), (0.15, 0.3)


def mixture(sigma, dtype=torch.float64):
    """The noised one-dimensional mixture: an oracle made of torch's own distributions."""
    sigma = torch.as_tensor(sigma, dtype=dtype)
    stds = (torch.tensor(STDS, dtype=dtype) ** 2 + sigma[..., None] ** 2).sqrt()
    return distributions.MixtureSameFamily(
        distributions.Categorical(torch.tensor(WEIGHTS, dtype=dtype).expand(stds.shape)),
        distributions.Normal(torch.tensor(MEANS, dtype=dtype).expand(stds.shape), stds),
    )


def exact_score(x, sigma, conditions=None):  # x (B, 1)
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        sigma = torch.as_tensor(sigma, dtype=x.dtype).expand(len(x))
        return torch.autograd.grad(mixture(sigma).log_prob(x[:, 0]).sum(), x)[0]


class Constant(torch.nn.Module):
    def __init__(self, value=0.0):
        super().__init__()
        self.value = value

    def forward(self, x, noise, conditions):
        return torch.full_like(x, self.value)


def test_score_and_denoiser_are_each_others_inverse():
    x = torch.linspace(-3, 3, 50, dtype=torch.float64)[:, None]
    sigma = torch.linspace(0.1, 4, 50, dtype=torch.float64)
    again = edm.as_score(edm.as_denoiser(exact_score))(x, sigma)
    assert torch.linalg.norm(again - exact_score(x, sigma)) < 1e-11


def test_the_denoiser_is_the_posterior_mean():
    x, sigma = 0.4, 0.7

    def joint(v):
        prior = mixture(0.0).log_prob(torch.tensor(v, dtype=torch.float64)).exp().item()
        return prior * stats.norm.pdf(x, v, sigma)

    moments = [integrate.quad(lambda v, k=k: v**k * joint(v), -4, 4)[0] for k in (0, 1)]
    found = edm.as_denoiser(exact_score)(torch.tensor([[x]], dtype=torch.float64), sigma)
    assert abs(found.item() - moments[1] / moments[0]) < 1e-8


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 3, 8, 8)])
def test_a_silent_network_is_the_exact_denoiser_of_a_gaussian(shape):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    for sigma in (0.01, 3.0, torch.tensor([0.1, 0.5, 1.0, 9.0], dtype=torch.float64)):
        levels = (
            torch.as_tensor(sigma, dtype=torch.float64)
            .expand(4)
            .reshape(-1, *[1] * (len(shape) - 1))
        )
        exact = x * 0.4**2 / (0.4**2 + levels**2)
        found = edm.Preconditioned(Constant(), sigma_data=0.4)(x, sigma)
        assert torch.linalg.norm(found - exact) < 1e-12


def test_what_the_network_sees_and_shall_say_has_unit_variance():
    generator = torch.Generator().manual_seed(0)
    seen = {}

    class Spy(Constant):
        def forward(self, x, noise, conditions):
            seen.update(x=x, noise=noise, conditions=conditions)
            return super().forward(x, noise, conditions)

    x0 = 0.5 * torch.randn(20000, 1, generator=generator)
    for sigma in (0.02, 0.5, 20.0):
        x = x0 + sigma * torch.randn(20000, 1, generator=generator)
        silent = edm.Preconditioned(Spy(0.0))(x, sigma, "conditions")
        spoken = edm.Preconditioned(Spy(1.0))(x, sigma)
        target = (x0 - silent) / (spoken - silent)
        assert abs(seen["x"].std() - 1) < 0.02
        assert abs(target.std() - 1) < 0.02
        assert torch.allclose(seen["noise"], torch.tensor(math.log(sigma) / 4))


def test_loss_is_the_expectation_it_states():
    # On Gaussian data the best denoiser has loss 1; an error of size e adds E[weight e^2].
    generator = torch.Generator().manual_seed(0)
    x0 = 0.5 * torch.randn(200_000, 1, generator=generator, dtype=torch.float64)
    exact = edm.Preconditioned(Constant())

    def off(x, sigma, conditions=None):
        return exact(x, sigma) + 0.1

    def error(v):
        weight = (math.exp(v) ** 2 + 0.5**2) / (math.exp(v) * 0.5) ** 2
        return stats.norm.pdf(v, -0.4, 0.9) * weight * 0.1**2

    added, _ = integrate.quad(error, -9, 9)
    plain = edm.loss(exact, x0, None, generator, -0.4, 0.9).item()
    assert abs(plain - 1) < 0.01
    assert abs(edm.loss(off, x0, None, generator, -0.4, 0.9).item() - 1 - added) < 0.01


def test_a_silent_network_costs_one_whatever_the_spread_of_the_data():
    generator = torch.Generator().manual_seed(0)
    x0 = 0.3 * torch.randn(200_000, 1, generator=generator, dtype=torch.float64)

    class Silent(torch.nn.Module):
        def forward(self, x, noise, conditions):
            return torch.zeros_like(x)

    silent = edm.Preconditioned(Silent(), sigma_data=0.3)
    assert abs(edm.loss(silent, x0, None, generator).item() - 1) < 0.01
    with pytest.raises(ValueError, match=r"sigma_data is 0\.3, not 0\.5"):
        edm.loss(silent, x0, None, generator, sigma_data=0.5)


def test_noise_levels_of_a_batch_are_log_normal_and_stratified():
    drawn = {}

    def spy(x, sigma, conditions=None):
        drawn["sigma"] = sigma
        return x

    generator = torch.Generator().manual_seed(0)
    edm.loss(spy, torch.zeros(512, 1), None, generator)
    quantile = stats.norm.cdf(drawn["sigma"].log().numpy(), -1.2, 1.2)
    assert (quantile * 512).astype(int).tolist() == pytest.approx(list(range(512)), abs=1)


@pytest.mark.parametrize("drawn", [0.0, 1 - 2**-24])
def test_the_ends_of_what_may_be_drawn_are_noise_levels_too(monkeypatch, drawn):
    seen = []
    monkeypatch.setattr(torch, "rand", lambda n, **_: torch.full((n,), drawn))
    edm.loss(lambda x, s, c: seen.append(s) or x, torch.zeros(1, 2), None, torch.Generator())
    assert seen[0].isfinite().all()
    assert seen[0] > 0


def test_noise_levels_are_even_in_their_seventh_root():
    levels = torch.tensor(edm.noise_levels(9), dtype=torch.float64)
    assert levels[0].item() == pytest.approx(80.0)
    assert levels[8].item() == pytest.approx(0.002)
    assert levels[9] == 0
    steps = (levels[:9] ** (1 / 7)).diff()
    assert torch.linalg.norm(steps - steps.mean()) < 1e-9


def test_eighteen_steps_are_taken_if_none_are_named():
    calls = []
    noise = torch.ones(1, 1, dtype=torch.float64)
    edm.sample(lambda x, s, c: calls.append(s) or 0 * x, noise)
    assert len(calls) == 35
    assert len(list(edm.path(lambda x, s, c: 0 * x, noise))) == 19


def quantile_of(q, sigma):
    def difference(v):
        return mixture(sigma).cdf(torch.tensor(v, dtype=torch.float64)).item() - q

    return optimize.brentq(difference, -500, 500, xtol=1e-12)


def flow_errors(steps):
    """In one dimension the flow keeps quantiles: the sample of a quantile is known exactly."""
    quantiles = [0.01 + 0.98 * i / 40 for i in range(41)]
    noise = torch.tensor([[quantile_of(q, 80.0) / 80] for q in quantiles], dtype=torch.float64)
    ends = torch.tensor([quantile_of(q, 0.0) for q in quantiles], dtype=torch.float64)
    found = edm.sample(edm.as_denoiser(exact_score), noise, steps=steps)[:, 0]
    return torch.linalg.norm(found - ends) / len(ends) ** 0.5


def test_sampling_follows_the_exact_flow_of_a_mixture_to_second_order():
    coarse, fine = flow_errors(64), flow_errors(128)
    assert fine < 2e-3
    assert 3 < coarse / fine < 5.5


def test_a_path_starts_at_the_noise_ends_at_zero_and_repeats():
    calls = []

    def counted(x, sigma, conditions=None):
        assert conditions == "red"
        calls.append(sigma)
        return edm.as_denoiser(exact_score)(x, sigma)

    noise = torch.randn(5, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kept = noise.clone()
    walk = list(edm.path(counted, noise, "red", steps=7, sigma_max=10.0))
    assert torch.equal(noise, kept)
    assert len(walk) == 8
    assert len(calls) == 13
    assert walk[0][0] == pytest.approx(10.0)
    assert torch.equal(walk[0][1], noise * walk[0][0])
    assert walk[-1][0] == 0
    assert torch.equal(walk[-1][1], edm.sample(counted, noise, "red", steps=7, sigma_max=10.0))


@pytest.mark.parametrize("numbers", [{}, {"steps": 10, "sigma_min": 0.01, "sigma_max": 20.0}])
def test_a_sample_is_the_end_of_the_one_walk_over_its_levels(numbers):
    """To the digit: `path` adds the names of its levels to `flow.heun`, and nothing else."""
    noise = torch.randn(4, 1, generator=torch.Generator().manual_seed(0))
    levels = edm.noise_levels(**{"steps": 18} | numbers)
    low, high = numbers.get("sigma_min", 0.002), numbers.get("sigma_max", 80.0)
    assert levels == flow.noise_levels(len(levels) - 1, low, high).tolist()

    def denoiser(x, sigma, conditions=None):
        return x / (1 + sigma**2) + 0.2 * torch.sin(3 * x)

    walked = list(flow.heun(lambda x, s: (x - denoiser(x, s)) / s, noise * levels[0], levels))
    assert torch.equal(edm.sample(denoiser, noise, None, **numbers), walked[-1][1])
    assert [sigma for sigma, _ in edm.path(denoiser, noise, None, **numbers)] == levels


def test_one_step_is_the_denoised_noise():
    noise = torch.ones(1, 1, dtype=torch.float64)
    found = edm.sample(edm.as_denoiser(exact_score), noise, steps=1)
    assert torch.allclose(found, edm.as_denoiser(exact_score)(80 * noise, 80.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: edm.noise_levels(0), "at least 1 step"),
        (lambda: edm.noise_levels(3, sigma_min=2.0, sigma_max=1.0), "sigma_min < sigma_max"),
        (lambda: edm.Preconditioned(Constant(), sigma_data=0.0), "sigma_data"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("sigma", [0.0, torch.tensor([0.0, 0.5, 0.0])])
def test_without_noise_a_picture_is_its_own_denoised(sigma):
    made = edm.Preconditioned(UNet(size=8, grid=4, width=8, embedding=16), 0.3)
    torch.nn.init.normal_(made.network.leave.weight, generator=torch.Generator().manual_seed(0))
    x = torch.linspace(-1, 1, 576).view(3, 3, 8, 8)
    found = made(x, sigma)
    clean = torch.as_tensor(sigma).expand(3) == 0
    assert torch.equal(found[clean], x[clean])
    assert found.isfinite().all()
    found.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in made.parameters())


@pytest.mark.parametrize("sigma", [-0.1, math.nan, math.inf, torch.tensor([0.3, -1.0])])
def test_noise_levels_that_are_none_are_refused(sigma):
    x = torch.ones(2, 1, dtype=torch.float64)
    made = edm.Preconditioned(Constant())
    for function in (made, edm.as_score(made), edm.as_denoiser(exact_score)):
        with pytest.raises(ValueError, match="sigma must be finite and"):
            function(x, sigma)


def test_a_score_is_not_asked_for_without_noise():
    with pytest.raises(ValueError, match=r"sigma must be finite and above 0, not 0\.0"):
        edm.as_score(edm.Preconditioned(Constant()))(torch.ones(2, 1), 0.0)
