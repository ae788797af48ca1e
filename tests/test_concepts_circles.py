"""The colour-size world: its pictures, its concept space, and what cannot be drawn."""

import math

import numpy as np
import pytest
import torch

from lib.concepts import circles
from lib.concepts.circles import COMPOSITIONS, HELD_OUT, Circles, render


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_places_and_properties_are_inverse_to_each_other():
    world = Circles(0.3)
    places = torch.rand(50, 2, generator=generator()).double() * 3 - 1
    assert torch.allclose(world.places(world.means(places)), places, atol=1e-12)


def test_class_means_are_the_published_ones():
    world = Circles(0.4)
    means = {n: world.means(torch.tensor(p)).tolist() for n, p in COMPOSITIONS.items()}
    assert means["red big"] == pytest.approx([0.7, 0.3, 0.3, 0.65])
    assert means["blue big"] == pytest.approx([0.3, 0.3, 0.7, 0.65])
    assert means["red small"] == pytest.approx([0.7, 0.3, 0.3, 0.25])
    assert means["blue small"] == pytest.approx([0.3, 0.3, 0.7, 0.25])


@pytest.mark.parametrize("jitter", [1.0, 0.5])
def test_mu_and_sigma_are_those_of_the_conditions(jitter):
    world = Circles(0.6, jitter)
    means = {n: world.means(torch.tensor(p)) for n, p in COMPOSITIONS.items()}
    ways = [means[n] - means["red big"] for n in ("blue big", "red small")]
    assert world.mu == pytest.approx([w.norm().item() for w in ways])
    drawn = world.properties(torch.zeros(40_000, 2), generator())
    for way, sigma in zip(ways, world.sigma, strict=True):
        along = (drawn - means["red big"]) @ (way / way.norm())
        assert along.std().item() == pytest.approx(sigma, rel=0.02)
        assert abs(along.mean().item()) < 0.02 * sigma
    limit = jitter * torch.tensor([0.6 / 8] * 3 + [0.15])
    assert ((drawn - means["red big"]).abs() <= limit + 1e-6).all()


def test_training_never_shows_the_held_out_composition():
    _, properties, places, _ = Circles(0.2).batch(3000, generator())
    assert torch.equal(Circles(0.2).places(properties) > 0.5, places > 0.5)
    color, size = (places > 0.5).unbind(1)
    assert not (color & size).any()
    for kind in (~color & ~size, color & ~size, ~color & size):
        assert abs(kind.double().mean().item() - 1 / 3) < 0.03
    assert HELD_OUT not in Circles(0.2).training


@pytest.mark.parametrize("held_out", list(COMPOSITIONS))
def test_any_corner_can_be_held_out_and_its_rare_values_shown_as_often(held_out):
    asked = torch.tensor(COMPOSITIONS[held_out])
    plain = Circles(0.4, held_out=held_out)
    assert len(plain.training) == 3
    assert held_out not in plain.training
    for concept, name in enumerate(circles.CONCEPTS):
        drawn = Circles(0.4, held_out=held_out, balance=name).classes(8000, generator(1))
        assert not (drawn == asked).all(1).any()
        like = (drawn == asked).double().mean(0)  # how often each value of it is seen
        assert abs(like[concept].item() - 0.5) < 0.03
        assert abs(like[1 - concept].item() - 0.25) < 0.03
        shares = Circles(0.4, held_out=held_out, balance=name).shares
        assert sum(shares) == 1


@pytest.mark.parametrize("held_out", list(COMPOSITIONS))
def test_seen_from_the_opposite_corner_the_held_out_one_lies_at_one_one(held_out):
    corners = torch.tensor(list(COMPOSITIONS.values()))
    seen = circles.towards(corners, held_out)
    own = list(COMPOSITIONS).index(held_out)
    assert seen[own].tolist() == [1, 1]
    assert torch.equal(torch.cdist(corners, corners), torch.cdist(seen, seen))
    assert np.array_equal(circles.towards(corners.numpy(), held_out), seen.numpy())
    assert corners.tolist() == list(map(list, COMPOSITIONS.values()))  # left as they were


def test_a_disc_covers_its_area_and_has_its_colour():
    properties = torch.tensor([[0.9, 0.2, 0.3, 0.4]])
    centre, background = torch.tensor([[0.25, -0.5]]), torch.tensor([[0.8, 0.9, 1.0]])
    picture = (circles.render(properties, centre, background, 64)[0] + 1) / 2
    disc = (background[0, :, None, None] - picture) / (background - properties[:, :3]).T[..., None]
    area = disc.sum((1, 2)) * (2 / 64) ** 2
    # A blurred edge lets a little more out than in: pi (r^2 + pixel^2).
    assert area.tolist() == pytest.approx([math.pi * (0.4**2 + (2 / 64) ** 2)] * 3, rel=1e-3)
    middle = (torch.arange(64) + 0.5) / 32 - 1
    mass = disc[0] / disc[0].sum()
    assert (mass.sum(0) @ middle).item() == pytest.approx(0.25, abs=1e-3)
    assert (mass.sum(1) @ middle).item() == pytest.approx(-0.5, abs=1e-3)
    assert picture[:, 16, 40].tolist() == pytest.approx([0.9, 0.2, 0.3], abs=1e-3)


def test_the_edge_is_a_gaussian_of_one_pixel():
    from scipy.stats import norm

    disc = circles.coverage(torch.zeros(1, 2), torch.tensor([0.5]), 32)[0]
    x = (np.arange(32) + 0.5) / 16 - 1
    row = norm.cdf((0.5 - np.hypot(x, x[16])) * 16)
    assert np.abs(disc[16].numpy() - row).max() < 1e-5


def test_pictures_lie_in_range_and_follow_their_seed():
    pictures, properties, *_ = Circles(0.8).batch(200, generator(3))
    assert pictures.shape == (200, 3, 32, 32)
    assert properties.shape == (200, 4)
    assert pictures.abs().max() < 1.02
    again, *_ = Circles(0.8).batch(200, generator(3))
    assert torch.equal(pictures, again)
    corners = (pictures[:, :, ::31, ::31] + 1) / 2  # a disc never hides all four
    brightest = corners.flatten(2).amax(2)
    assert ((brightest > 0.79) & (brightest < 1.01)).all()


def test_pictures_have_noise_of_a_thousandth_and_surroundings_of_their_own():
    properties = torch.tensor([[0.7, 0.3, 0.3, 0.4]]).expand(300, 4)
    centre, background = circles.surroundings(300, generator(4))
    noise = circles.draw(properties, generator(4)) - circles.render(properties, centre, background)
    assert noise.std().item() == pytest.approx(0.002, rel=0.02)  # of pixels in [-1, 1]
    assert abs(noise.mean().item()) < 1e-5
    for values, low, high in ((centre, -0.5, 0.5), (background, 0.8, 1.0)):
        assert low <= values.min() < low + 0.01
        assert high - 0.01 < values.max() <= high
        assert values.mean().item() == pytest.approx((low + high) / 2, abs=0.1 * (high - low))


@pytest.mark.parametrize("held_out", list(COMPOSITIONS))
def test_all_compositions_are_seen_from_the_opposite_corner(held_out):
    """Each answer at its own composition's place: then all lie at the corners in their order."""
    corners = np.array(list(COMPOSITIONS.values()))
    assert np.array_equal(circles.all_towards(corners, held_out), corners)
    own = list(COMPOSITIONS).index(held_out)
    marked = corners + 0.1 * np.eye(4)[:, [own]]
    moved = circles.all_towards(marked, held_out) - corners
    assert not moved[:3].any()
    assert np.allclose(abs(moved[3]), 0.1)


def test_worlds_at_the_ends_of_their_ranges_can_be_drawn():
    assert Circles(1.0, 0.0).mu[0] == pytest.approx(2**0.5)
    assert Circles(0.1, 1.66).properties(torch.tensor([[0.0, 1.0]]), generator())[0, 3] > 0
    with pytest.raises(ValueError, match="jitter must lie"):
        Circles(0.4, -0.1)
    with pytest.raises(ValueError, match="jitter must lie"):
        Circles(0.4, 0.25 / 0.15)


@pytest.mark.parametrize("signal", [0, -0.1, 1.01, float("nan")])
def test_a_signal_outside_is_refused(signal):
    with pytest.raises(ValueError, match=r"signal must lie in \(0, 1\]"):
        Circles(signal)


def test_a_jitter_that_makes_a_radius_negative_is_refused():
    with pytest.raises(ValueError, match=r"jitter must lie in \[0, 1.67\)"):
        Circles(0.4, 2.0)


def test_a_composition_that_does_not_exist_is_refused():
    assert circles.place_of("red small") == (0, 1)
    with pytest.raises(ValueError, match=r"a composition is one of .*'green small'"):
        circles.place_of("green small")


def test_unknown_compositions_and_concepts_are_refused():
    with pytest.raises(ValueError, match=r"a composition is one of .* not 'blue huge'"):
        Circles(0.4, held_out="blue huge")
    with pytest.raises(ValueError, match=r"balanced is one of .* not 'shape'"):
        Circles(0.4, balance="shape")


def test_a_wrong_colour_costs_alike_in_every_disc_where_discs_count_alike():
    """Two colours of the same disc in the same place, apart by d, cost what a big disc costs."""
    radii, d = [0.1, 0.25, 0.65, 0.8], 0.2
    centre, background = torch.zeros(4, 2).double(), torch.full((4, 3), 0.9).double()
    red = torch.tensor([[0.7, 0.3, 0.3, r] for r in radii]).double()
    off = red - d * torch.tensor([1, 0, 0, 0])
    errors = (render(red, centre, background) - render(off, centre, background))[:, 0] ** 2
    discs = circles.coverage(centre, red[:, 3])
    counts = circles.counted_alike(discs)
    assert counts.shape == (4, 1, 32, 32)
    assert (counts > 0).all()
    costs, plain = (counts[:, 0] * errors).sum((1, 2)), errors.sum((1, 2))
    assert torch.allclose(costs, plain[2].expand(4), rtol=1e-6)  # as the mean big disc's, uncounted
    assert plain[2] > 5 * plain[1]
    assert torch.allclose(counts[:, 0, 0, 0], torch.ones(4).double(), atol=1e-6)  # beside the disc
