import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lib.exact import CPC, GaussianMixture
from lib.locality import conditional_locality, outside_share, pixel_locality, remove, window

PATIENT = settings(deadline=None, max_examples=20)


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def mixture(K, d, seed=0):
    roots = 0.3 * normal(K, d, d, seed=seed)
    return GaussianMixture(torch.full((K,), 1 / K), normal(K, d, seed=seed + 1), roots @ roots.mT)


def case_c():
    """An exact CPC with a correlated background, and the point of the facts."""
    background = GaussianMixture([1.0], [[0.0, 0.0]], [[[1, 0.8], [0.8, 1]]])
    factors = {
        n: ((0,), GaussianMixture([1.0], [[m]], [[[1.0]]])) for n, m in (("+", 1), ("-", -1))
    }
    return CPC(background, factors).score, torch.tensor([1.5, -0.5], dtype=torch.float64)


def test_pixel_locality_of_case_c():
    score, x = case_c()
    own = torch.tensor([False, True])
    entangled = pixel_locality(score, x, 0.5, (), 1)
    assert entangled.tolist() == pytest.approx([0.8 / 0.9225, 1.25 / 0.9225], abs=1e-14)
    assert outside_share(entangled, own) == pytest.approx(0.8 / math.hypot(0.8, 1.25), abs=1e-14)
    local = pixel_locality(score, x, 0.5, ("+",), 1)
    assert local.tolist() == pytest.approx([0, 0.8], abs=1e-14)
    assert outside_share(local, own) == 0


def test_condition_locality_of_case_c_tells_value_from_removal():
    score, x = case_c()
    block = torch.tensor([[True, False]])
    value = conditional_locality(score, x, 0.5, ("+",), lambda conditions, j: ("-",))
    assert value.tolist() == [pytest.approx([1.6, 0], abs=1e-14)]
    assert outside_share(value, block) == 0
    removal = conditional_locality(score, x, 0.5, ("+",), remove)
    there, elsewhere = 2.275 / 0.9225 - 0.4, 1.825 / 0.9225 - 0.4
    assert removal.tolist() == [pytest.approx([there, elsewhere], abs=1e-14)]
    assert elsewhere == pytest.approx(1.578, abs=5e-4)
    share = elsewhere / math.hypot(there, elsewhere)
    assert outside_share(removal, block) == pytest.approx(share, abs=1e-14)


@given(sigma=st.floats(0.2, 20), pixel=st.tuples(st.integers(0, 2), st.integers(0, 3)))
@PATIENT
def test_heat_maps_of_pictures_are_posterior_covariances(sigma, pixel):
    """Second-order Tweedie: d s / d x = Cov(x_0 | x) / sigma^4 - I / sigma^2."""
    C, H, W = 2, 3, 4
    p, picture = mixture(3, C * H * W), normal(C, H, W, seed=4)

    def score(x, sigma, conditions=None):
        return p.score(x.flatten(), sigma).view(C, H, W)

    cov = p.posterior_cov(picture.flatten(), sigma)
    hessian = (cov / sigma**4 - torch.eye(C * H * W).double() / sigma**2).view(C, H, W, C, H, W)
    expected = hessian[:, *pixel].square().sum((0, 1)).sqrt()
    heat = pixel_locality(score, picture, sigma, None, pixel)
    assert heat.shape == (H, W)
    assert (heat - expected).norm() < 1e-11 * (1 + 1 / sigma**2)


def test_heat_maps_of_flat_points_are_posterior_covariances_averaged():
    p, x = mixture(3, 5), normal(7, 5)
    hessian = p.posterior_cov(x, 0.7) / 0.7**4 - torch.eye(5).double() / 0.49
    heat = pixel_locality(p.score, x, 0.7, None, 2)
    assert (heat - hessian[:, 2].abs().mean(0)).norm() < 1e-12


def test_a_block_sees_itself_only():
    background = mixture(2, 4)
    cpc = CPC(background, {"a": ((0, 2), mixture(2, 2, seed=5))})
    heat = pixel_locality(cpc.score, normal(6, 4), 0.5, ("a",), 0)
    assert (heat > 0).tolist() == [True, False, True, False]


def network(channels=3):
    generator = torch.Generator().manual_seed(0)
    first, second = nn.Conv2d(channels, 16, 3, padding=1), nn.Conv2d(16, channels, 3, padding=1)
    net = nn.Sequential(first, nn.SiLU(), second)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    return net


def test_full_heat_maps_of_a_network():
    net, x = network(), normal(2, 3, 32, 32).float()

    def score(x, sigma, conditions=None):
        return net(x)

    for pixel in ((16, 16), (0, 31)):
        heat = pixel_locality(score, x, 1.0, None, pixel)
        assert heat.shape == (32, 32)
        inside = window(32, 32, pixel, 2)
        assert torch.equal(heat > 0, inside)
        assert outside_share(heat, inside) == 0
        assert outside_share(heat, window(32, 32, pixel, 1)) > 0.1
    assert all(p.grad is None for p in net.parameters())
    alone = [pixel_locality(score, one[None], 1.0, None, (0, 31)) for one in x]
    assert (heat - torch.stack(alone).mean(0)).norm() < 1e-6


def test_conditions_of_networks_are_slots():
    """A score that lights a disc at each location: removing one changes that disc only."""
    rows = torch.arange(16) / 16

    def score(x, sigma, conditions):
        locations, mask = conditions
        near = (rows - locations[..., 0, None, None]) ** 2
        near = near + (rows[:, None] - locations[..., 1, None, None]) ** 2 < 0.02
        return -x + torch.einsum("bkhw,bk->bhw", near.to(x), mask.to(x))[:, None]

    locations = torch.tensor([[[0.25, 0.25], [0.75, 0.5], [0.5, 0.9]]]).expand(2, 3, 2)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    x = torch.zeros(2, 3, 16, 16)
    maps = conditional_locality(score, x, 1.0, (locations, mask), remove)
    assert maps.shape == (3, 16, 16)
    assert maps[0, 4, 4] == pytest.approx(math.sqrt(3))  # in both pictures, over three channels
    assert maps[1, 8, 12] == pytest.approx(math.sqrt(3) / 2)  # in one of them
    assert maps[2].norm() == 0  # an empty slot
    blocks = torch.stack([window(16, 16, p, 3) for p in ((4, 4), (8, 12), (14, 8))])
    assert outside_share(maps, blocks) == 0
    assert outside_share(maps, blocks.flip(0)) > 0.5


def test_remove_takes_away_one_name():
    assert remove(("a", "b", "c"), 1) == ("a", "c")


def test_outside_share_is_between_nothing_and_all():
    maps, inside = torch.tensor([3.0, 0, 4]), torch.tensor([True, True, False])
    assert outside_share(maps, inside) == pytest.approx(0.8)
    assert outside_share(maps, ~inside) == pytest.approx(0.6)
    assert outside_share(0 * maps, inside) == 0


def test_bad_input():
    score, x = case_c()
    picture = torch.zeros(3, 4, 4)
    for bad in (2, -1, (0, 0)):
        with pytest.raises(ValueError, match="pixel must be an index"):
            pixel_locality(score, x, 0.5, (), bad)
    own = pixel_locality(score, x, 0.5, (), 1)
    assert torch.equal(pixel_locality(score, x, 0.5, (), torch.tensor(1)), own)
    for bad in (0, (4, 0), (0, 0, 0), (0.5, 1)):
        with pytest.raises(ValueError, match=r"pixel must be \(row, column\)"):
            pixel_locality(lambda x, s, c: x, picture, 0.5, (), bad)
    with pytest.raises(ValueError, match="x must be"):
        pixel_locality(lambda x, s, c: x, picture[None, None], 0.5, (), (0, 0))
    for nothing in ((), None):
        with pytest.raises(ValueError, match="nothing that could be changed"):
            conditional_locality(score, x, 0.5, nothing, remove)
    with pytest.raises(ValueError, match="inside must be boolean"):
        outside_share(torch.ones(3), torch.ones(3))
    with pytest.raises(ValueError, match="inside must be boolean"):
        outside_share(torch.ones(3), torch.ones(2).bool())


def test_the_condition_map_of_a_batch_of_points_is_the_mean_of_theirs():
    score, _ = case_c()
    x = normal(5, 2, seed=3)
    each = [conditional_locality(score, point, 0.5, ("+",), remove) for point in x]
    whole = conditional_locality(score, x, 0.5, ("+",), remove)
    assert whole.shape == (1, 2)
    assert torch.allclose(whole, torch.stack(each).mean(0), rtol=1e-12)
