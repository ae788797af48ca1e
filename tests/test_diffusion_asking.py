from functools import partial

import numpy as np
import pytest
import torch

from lib.diffusion import asking, edm, hearing
from tests.test_diffusion_networks import ALL, LOCATIONS, random, tiny
from tests.test_diffusion_patch import tiny as windows

GRID = 8
CONDITIONS = (LOCATIONS, ALL)
SIGMA = 0.7


def everywhere(conditions, sigma):
    return hearing.everywhere(conditions, GRID)


@pytest.fixture
def denoiser():
    return edm.Preconditioned(tiny("vector"), 0.3)


def alone(denoiser, x):
    each = [denoiser(x, SIGMA, (LOCATIONS[:, [j]], ALL[:, :1])) for j in range(3)]
    return each, denoiser(x, SIGMA, None)


def test_by_place_is_the_sum_of_differences(denoiser):
    x = random(1, 3, 16, 16)
    each, none = alone(denoiser, x)
    expected = none + sum(answer - none for answer in each)
    found = asking.by_place(denoiser, everywhere)(x, SIGMA, CONDITIONS)
    assert torch.linalg.norm(found - expected) < 1e-10


def test_asked_for_the_nearest_each_cell_is_the_answer_to_it_alone(denoiser):
    x = random(1, 3, 16, 16)
    each, _ = alone(denoiser, x)
    found = asking.by_place(denoiser, asking.nearest(GRID))(x, SIGMA, CONDITIONS)
    which = hearing.nearest(CONDITIONS, GRID).argmax(1)
    for row, column in ((0, 0), (3, 6), (7, 4)):
        cell = (..., slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2))
        assert torch.linalg.norm(found[cell] - each[which[0, row, column]][cell]) < 1e-10


def test_one_call_is_the_same_where_conditions_enter_after_the_trunk():
    network = edm.Preconditioned(windows("full", "all").double(), 0.3)
    x = random(1, 3, 16, 16)
    apart, heard = (
        way(network, asking.nearest(GRID))(x, SIGMA, CONDITIONS)
        for way in (asking.by_place, asking.with_hearing)
    )
    assert torch.linalg.norm(apart) > 1
    assert torch.linalg.norm(apart - heard) < 1e-5


@pytest.mark.parametrize("kind", ["vector", "windows"])
def test_added_up_each_request_goes_through_the_small_network_alone(denoiser, kind):
    x = random(1, 3, 16, 16)
    inner = (
        denoiser.network.condition if kind == "vector" else windows("full", "all").double().encoder
    )

    def told(*chosen):
        found = inner((LOCATIONS[:, chosen], ALL[:, : len(chosen)]), x)
        return found[1] if kind == "vector" else found

    found = asking.AddedUp(inner)(CONDITIONS, x)
    assert kind == "windows" or found[0] is None
    expected = told(0) + told(1) + told(2) - 2 * told()
    assert torch.linalg.norm((found[1] if kind == "vector" else found) - expected) < 1e-10
    assert torch.linalg.norm(expected - told(0, 1, 2)) > 1e-3


def test_added_up_each_request_is_heard_where_it_is_told_to(denoiser):
    x, inner = random(1, 3, 16, 16), denoiser.network.condition
    hear = partial(hearing.window, grid=GRID, k=1)
    _, found = asking.AddedUp(inner, hear)(CONDITIONS, x)
    none, expected = inner(None, x)[1], inner(None, x)[1].clone()
    for j, place in enumerate((LOCATIONS[0] * GRID).long().tolist()):
        column, row = (max(0, at - 1) for at in place)
        here = (..., slice(row, place[1] + 2), slice(column, place[0] + 2))
        one = inner((LOCATIONS[:, j : j + 1], ALL[:, :1]), x)[1]
        expected[here] += (one - none)[here]
    assert torch.linalg.norm(found - expected) < 1e-10
    assert torch.linalg.norm(found - asking.AddedUp(inner)(CONDITIONS, x)[1]) > 1e-3


def test_added_up_what_is_a_sum_already_is_the_same(monkeypatch):
    """A map of the places is linear in the requests; masked ones and none are left out."""
    denoiser = edm.Preconditioned(tiny("map"), 0.3)
    x, mask = random(1, 3, 16, 16), torch.tensor([[True, False, True]])
    for conditions in (CONDITIONS, (LOCATIONS, mask), (LOCATIONS[:, :0], ALL[:, :0])):
        expected = denoiser(x, SIGMA, conditions)
        inner = denoiser.network.condition
        with monkeypatch.context() as patched:
            patched.setitem(denoiser.network._modules, "condition", asking.AddedUp(inner))
            assert torch.linalg.norm(denoiser(x, SIGMA, conditions) - expected) < 1e-10


def test_no_request_and_one_are_answered_as_ever(denoiser):
    x, near = random(1, 3, 16, 16), asking.by_place(denoiser, asking.nearest(GRID))
    for count in (0, 1):
        conditions = (LOCATIONS[:, :count], ALL[:, :count])
        change = near(x, SIGMA, conditions) - denoiser(x, SIGMA, conditions)
        assert torch.linalg.norm(change) < 1e-10


def test_a_paste_is_cut_of_pictures_drawn_separately():
    def draw(noise, conditions):
        return noise + conditions[0][..., 0, 0][:, None, None, None]

    noise = random(2, 3, 16, 16)
    conditions = (LOCATIONS.expand(2, -1, -1), ALL.expand(2, -1))
    weights = hearing.nearest(conditions, GRID)
    found = asking.pasted(draw, noise, conditions, weights)
    which = asking.enlarged(weights, 16).argmax(1)
    expected = noise + LOCATIONS[0, :, 0][which][:, None]
    assert torch.linalg.norm(found - expected) < 1e-12
    apart = torch.stack([noise, noise + 5, noise + 7], 1)
    found = asking.pasted(draw, apart, conditions, weights)
    expected = expected + torch.tensor([0.0, 5.0, 7.0])[which][:, None]
    assert torch.linalg.norm(found - expected) < 1e-12


def test_displaced_windows_are_as_large_and_elsewhere():
    def window(conditions, sigma):
        return hearing.window(conditions, GRID, 1)

    here, there = window(CONDITIONS, 1), asking.displaced(window)(CONDITIONS, 1)
    assert here.sum() == there.sum()
    assert (here * there).sum() == 0
    for row, column in ((0, 0), (2, 5), (7, 4)):
        away = there[..., (row + GRID // 2) % GRID, (column + GRID // 2) % GRID]
        assert torch.equal(away, here[..., row, column])


def test_the_way_of_asking_can_depend_on_the_noise_level(denoiser):
    x, near = random(1, 3, 16, 16), asking.by_place(denoiser, asking.nearest(GRID))
    mixed = asking.by_level(0.5, 2, near, denoiser)
    for level in (0.5, 1.0, 2.0):  # its ends are its own
        assert torch.equal(mixed(x, level, CONDITIONS), near(x, level, CONDITIONS))
    assert torch.equal(mixed(x, 3.0, CONDITIONS), denoiser(x, 3.0, CONDITIONS))


def test_a_cell_hears_its_nearest_request_and_the_next_or_the_farthest():
    """By sorting distances in numpy; masked requests are heard by nobody."""
    generator = torch.Generator().manual_seed(3)
    locations = torch.rand(5, 4, 2, generator=generator)
    mask = torch.tensor(
        [[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 1, 1]]
    ).bool()
    middles = (np.arange(GRID) + 0.5) / GRID
    for far in (False, True):
        heard = hearing.accompanied((locations, mask), GRID, far)
        for b in range(5):
            known = np.flatnonzero(mask[b].numpy())
            for row, y in enumerate(middles):
                for column, x in enumerate(middles):
                    away = np.linalg.norm(locations[b, known].numpy() - (x, y), axis=1)
                    order = known[np.argsort(away)]
                    expected = np.zeros(4)
                    expected[[order[0], order[-1] if far else order[1]]] = 1
                    assert heard[b, :, row, column].tolist() == expected.tolist()
    with pytest.raises(ValueError, match="needs two in the picture"):
        hearing.accompanied((locations, mask & (torch.arange(4) == 1)), GRID, False)
    with pytest.raises(ValueError, match="needs two in the picture"):
        hearing.accompanied((locations[:0], mask[:0]), GRID, False)


def test_pictures_at_levels_of_their_own_are_refused(denoiser):
    """Who is heard depends on the level, and was that of the first picture for all."""
    x = random(2, 3, 16, 16)
    conditions = LOCATIONS.expand(2, -1, -1), ALL.expand(2, -1)
    for way in (
        asking.by_place(denoiser, asking.nearest(GRID)),
        asking.by_level(0.5, 2, denoiser, denoiser),
        asking.with_hearing(denoiser, asking.nearest(GRID)),
    ):
        with pytest.raises(ValueError, match="at one noise level"):
            way(x, torch.tensor([0.1, 5.0]), conditions)
    assert asking.level_of(torch.tensor([0.5, 0.5])) == asking.level_of(0.5) == 0.5
