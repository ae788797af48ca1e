import pytest
import torch

from lib.book.runtime import generator
from lib.exact import CPC, GaussianMixture
from lib.sim import SIMTask, blocks
from lib.sim.blocks import Blocks

TASK = SIMTask((3.0, 1.0), (0.4, 0.2))
PICTURES = Blocks(TASK, pixels=3, texture=0.5, noise=0.8)


def test_score_is_that_of_the_cpc_which_knows_nothing_of_blocks():
    cov = PICTURES.texture**2 * torch.eye(6, dtype=torch.float64)
    dark = GaussianMixture([1.0], torch.zeros(1, 6), cov[None])
    factors = {}
    for j, mu in enumerate(TASK.mu):
        mean = torch.full((1, 3), mu / 3**0.5, dtype=torch.float64)
        pixels = tuple(range(3 * j, 3 * j + 3))
        factors[f"c{j}"] = (pixels, GaussianMixture([1.0], mean, cov[None, :3, :3]))
    scene = CPC(dark, factors)
    x = torch.randn(9, 6, generator=generator(1), dtype=torch.float64)
    for names, c in ((("c0",), (3.0, 0.0)), (("c0", "c1"), (3.0, 1.0)), ((), (0.0, 0.0))):
        exact = scene.joint(names).score(x, PICTURES.noise)
        found = PICTURES.score(PICTURES.pattern @ torch.tensor(c, dtype=torch.float64), x)
        assert (found - exact).norm() < 1e-12 * exact.norm()
    denoised = PICTURES.denoise(x + PICTURES.variance * exact, x)
    assert (denoised - x - PICTURES.noise**2 * exact).norm() < 1e-12 * x.norm()  # Tweedie


@pytest.mark.parametrize("correlation", [0.0, 0.9, -0.9])
def test_conditions_have_the_moments_they_say(correlation):
    pictures = Blocks(TASK, correlation=correlation)
    c = pictures.conditions((400_000,), generator(2))
    assert (c.mT @ c / len(c) - pictures.moments).abs().max() < 0.02
    assert torch.equal(Blocks(TASK).moments.diagonal(), TASK.a)


def test_target_is_what_a_network_should_say_on_average():
    """Its residual is uncorrelated with picture and conditions: the theorem's proof, by draws."""
    g = generator(3)
    c = PICTURES.conditions((400_000,), g)
    clean, noisy = PICTURES.pictures(c, g)
    left = PICTURES.target(clean, noisy) - c @ PICTURES.pattern.mT
    with_picture = left.mT @ noisy / len(c)
    assert with_picture.abs().max() < 0.02
    assert (left.mT @ c / len(c)).abs().max() < 0.02
    pixel = PICTURES.texture**2 + PICTURES.noise**2
    assert ((noisy - c @ PICTURES.pattern.mT).var() - pixel).abs() < 0.01
    assert ((clean - c @ PICTURES.pattern.mT).var() - PICTURES.texture**2).abs() < 0.01


@pytest.mark.parametrize("bend", [lambda f: f, torch.tanh])
def test_denoising_loss_is_sims_for_any_network(bend):
    """Monte Carlo of the denoising loss, less its least, against the distance to B c."""
    g = generator(4)
    map_ = torch.randn(6, 8, generator=g, dtype=torch.float64) / 2
    c = PICTURES.conditions((200_000,), g)
    clean, noisy = PICTURES.pictures(c, g)
    answer = bend(torch.cat([noisy, c], -1) @ map_.mT)
    mean = c @ PICTURES.pattern.mT

    def denoising(f):
        return (PICTURES.denoise(f, noisy) - clean).square().sum(-1) / 2

    gained = (denoising(answer) - denoising(mean)) / (1 - PICTURES.kept_share) ** 2
    apart = gained - (answer - mean).square().sum(-1) / 2
    assert abs(apart.mean()) < 4 * apart.std() / len(c) ** 0.5
    assert abs(apart.mean()) < 0.02 * gained.mean()


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_expected_loss_against_draws(correlation):
    pictures = Blocks(TASK, pixels=2, noise=0.7, correlation=correlation)
    g = generator(5)
    p, q = (torch.randn(4, k, generator=g, dtype=torch.float64) for k in (4, 2))
    c = pictures.conditions((400_000,), g)
    _, noisy = pictures.pictures(c, g)
    answer = pictures.scale * noisy @ p.mT + c @ q.mT
    drawn = (answer - c @ pictures.pattern.mT).square().sum(-1) / 2
    found = blocks.denoising_loss(pictures, p, q)
    assert abs(drawn.mean() - found) < 4 * drawn.std() / len(c) ** 0.5
    assert blocks.denoising_loss(pictures, 0 * p, pictures.pattern) == 0
    assert abs((pictures.scale * noisy).square().mean() - 1) < 0.02


def test_one_layer_against_descent():
    pictures = Blocks(TASK, pixels=2, noise=0.5)
    p, q = (torch.zeros(4, k, dtype=torch.float64, requires_grad=True) for k in (4, 2))
    rate, steps = 1e-3, 800
    for _ in range(steps):
        loss = blocks.denoising_loss(pictures, p, q)
        slopes = torch.autograd.grad(loss, (p, q))
        p, q = (
            (w - rate * slope).detach().requires_grad_()
            for w, slope in zip((p, q), slopes, strict=True)
        )
    b = pictures.pattern
    heard, seen = (b.mT @ q).detach(), (b.mT @ p @ b).detach()
    of_picture, of_condition = blocks.one_layer(pictures, torch.tensor([0.0, rate * steps]))
    assert (heard.diagonal() - of_condition[1]).abs().max() < 2e-3
    assert (seen.diagonal() - of_picture[1]).abs().max() < 2e-3
    assert (heard - torch.diag(heard.diagonal())).abs().max() < 1e-15
    assert of_condition[0].abs().max() < 1e-15
    late = blocks.one_layer(pictures, torch.tensor([1e5]))
    assert late[0].abs().max() < 1e-9
    assert (late[1] - 1).abs().max() < 1e-9


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pixels": 0}, "pixels"),
        ({"texture": 0.0}, "texture"),
        ({"texture": float("inf")}, "texture"),
        ({"noise": -1.0}, "noise"),
        ({"correlation": 1.5}, "correlation"),
        ({"task": SIMTask((1.0,), (0.1,), 2)}, "d = s"),
        ({"task": SIMTask((1.0,), (0.1,), origin_cluster=True)}, "origin"),
    ],
)
def test_what_cannot_be_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        Blocks(**{"task": TASK} | wrong)


def test_maps_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="p and q must be"):
        blocks.denoising_loss(PICTURES, torch.zeros(6, 6), torch.zeros(2, 6))
    with pytest.raises(ValueError, match="t must have shape"):
        blocks.one_layer(PICTURES, 1.0)
    with pytest.raises(ValueError, match="uncorrelated"):
        blocks.one_layer(Blocks(TASK, correlation=0.5), torch.tensor([1.0]))
