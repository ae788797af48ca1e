"""Composing inside a network, against the network's parts put together by hand."""

import pytest
import torch
from torch.nn import functional

from lib.diffusion import edm, inside
from lib.diffusion.networks import UNet
from tests.test_diffusion_networks import randomised

x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)).double()


@pytest.fixture(scope="module")
def denoiser():
    sizes = {"size": 16, "grid": 8, "width": 8, "embedding": 8, "told": 8, "hidden": 8}
    return edm.Preconditioned(randomised(UNet("things", **sizes, dimensions=5)), 0.5).double()


def thing(place=None, kind=-1):
    """One thing for each of two pictures."""
    at = torch.tensor(place or (0.0, 0.0)).double().expand(2, 1, 2)
    return at, torch.full((2, 1), place is not None), torch.full((2, 1), kind)


PARTS = [thing((0.2, 0.3)), thing((0.7, 0.6), 2), thing(kind=4)]
NONE = thing()


def by_hand(denoiser, sigma, space):
    """The forward pass, written out, with what three requests move added where it is said."""
    network, total = denoiser.network, (sigma**2 + 0.25) ** 0.5
    level = network.noise(torch.tensor([sigma, sigma], dtype=torch.float64).log() / 4)[
        ..., None, None
    ]
    trunk = network.trunk

    def add(states, here):
        if here != space:
            return states
        return [states[0] + sum(s - states[0] for s in states[1:])] * len(states)

    def each(function, states):
        return [function(s) for s in states]

    pixels = functional.pixel_unshuffle(x / total, network.cell)
    asked = [NONE, *PARTS]
    places = [network.enter(pixels) + network.positions + network.condition(c, x)[1] for c in asked]
    fine = add(each(lambda h: trunk.first(h, level), add(places, "entry")), "first")
    coarse = each(lambda h: trunk.before(trunk.down(h), level), fine)
    coarse = each(lambda h: trunk.up(trunk.after(trunk.attention(h), level)), coarse)
    last = add([f + c for f, c in zip(fine, coarse, strict=True)], "middle")
    raw = each(lambda h: functional.pixel_shuffle(network.leave(trunk.last(h, level)), 2), last)
    return add([(0.5 / total) ** 2 * x + sigma * 0.5 / total * r for r in raw], "pixels")[0]


@pytest.mark.parametrize("space", inside.SPACES)
def test_composing_is_adding_where_it_is_said(denoiser, space):
    for sigma in (0.3, 4.0):
        found = inside.added_in(denoiser, PARTS, space)(x, sigma)
        wanted = by_hand(denoiser, sigma, space)
        assert torch.linalg.norm(found - wanted) < 1e-10 * torch.linalg.norm(wanted)
        assert torch.linalg.norm(found - denoiser(x, sigma, NONE)) > 1e-3
    one = inside.added_in(denoiser, PARTS[1:2], space)(x, 1.0)
    assert torch.linalg.norm(one - denoiser(x, 1.0, PARTS[1])) < 1e-10
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in denoiser.modules())


def test_the_spaces_differ(denoiser):
    answers = [inside.added_in(denoiser, PARTS, s)(x, 1.0) for s in inside.SPACES]
    for i in range(4):
        for j in range(i):
            assert torch.linalg.norm(answers[i] - answers[j]) > 1e-4


def test_what_is_held_ends_in_the_answer(denoiser):
    found = inside.activations(denoiser, x, 1.0, PARTS[1])
    assert list(found) == list(inside.SPACES)
    assert torch.equal(found["pixels"], denoiser(x, 1.0, PARTS[1]).flatten(1))
    trunk, level = denoiser.network.trunk, denoiser.network.noise(torch.zeros(2).double())
    level = level[..., None, None]
    entry = found["entry"].view(2, 8, 8, 8)
    assert torch.allclose(trunk.first(entry, level).flatten(1), found["first"])


def test_an_unknown_space_is_refused(denoiser):
    with pytest.raises(ValueError, match="the space is one of"):
        inside.added_in(denoiser, PARTS, "elsewhere")
