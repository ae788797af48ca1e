import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.exact import PatchMachine, noise_levels, probability_flow
from lib.exact.discs import draw, find, sample_places
from lib.exact.patches import occupied_cells
from lib.locality import conditional_locality, pixel_locality, remove, window
from lib.scenes.measure import tally

PATIENT = settings(deadline=None, max_examples=40)
SIZE, GRID, PENALTY = 6, 3, 0.7


def rand(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def training(n=4, coarse=False):
    """Small random pictures with up to two conditions each; coarse ones repeat patches."""
    pictures = rand(n, 2, SIZE, SIZE, seed=1)
    return pictures.round() if coarse else pictures, rand(n, 2, 2, seed=2), rand(n, 2, seed=3) < 0.6


def by_hand(pictures, cells, x, asked, sigma, r, R, same_position):
    """One denoised picture and its least differences, pixel by pixel, patch by patch."""

    def cut(p):
        return min(p[0], r), min(p[1], r), min(SIZE - 1 - p[0], r), min(SIZE - 1 - p[1], r)

    def conditions(grid, p):
        row, column = p[0] * GRID // SIZE, p[1] * GRID // SIZE
        near = np.argwhere(grid).tolist()
        return {(i - row, j - column) for i, j in near if max(abs(i - row), abs(j - column)) <= R}

    def patch(picture, p):
        rows = slice(max(p[0] - r, 0), p[0] + r + 1)
        return picture[:, rows, max(p[1] - r, 0) : p[1] + r + 1]

    mean, least = torch.zeros_like(x), torch.zeros(SIZE, SIZE)
    pixels = list(itertools.product(range(SIZE), repeat=2))
    for p in pixels:
        total, weighted, best = 0.0, 0.0, math.inf
        for picture, grid in zip(pictures, cells, strict=True):
            for q in pixels:
                if (q != p) if same_position else (cut(q) != cut(p)):
                    continue
                n = len(conditions(asked, p) ^ conditions(grid, q))
                gap = (patch(x, p) - patch(picture, q)).square().sum().item()
                weight = math.exp(-gap / (2 * sigma**2) - PENALTY * n)
                total, weighted = total + weight, weighted + weight * picture[:, q[0], q[1]]
                best = min(best, n)
        mean[:, p[0], p[1]], least[p] = weighted / total, best
    return mean, least


@pytest.mark.parametrize(
    ("r", "R", "same_position"),
    [
        (0, 0, False),
        (1, 1, False),
        (1, 2, False),
        (2, 0, False),
        (3, 1, False),
        (5, 2, False),
        (1, 1, True),
    ],
)
@pytest.mark.parametrize("coarse", [False, True])
def test_against_the_definition(r, R, same_position, coarse):
    pictures, locations, mask = training(coarse=coarse)
    machine = PatchMachine(pictures, locations, mask, r, R, PENALTY, same_position, GRID)
    x, sigma = 2 * rand(2, 2, SIZE, SIZE, seed=5) - 0.5, 0.8
    asked = rand(2, 3, 2, seed=6), torch.tensor([[True, True, True], [True, False, False]])
    cells, wanted = occupied_cells(locations, mask, GRID), occupied_cells(*asked, GRID)
    expected = [
        by_hand(pictures, cells, x[b], wanted[b], sigma, r, R, same_position) for b in (0, 1)
    ]
    mean, least = (torch.stack(part) for part in zip(*expected, strict=True))
    assert (machine.denoise(x, sigma, asked) - mean).norm() < 1e-12
    assert torch.equal(machine.mismatch(asked).float(), least)
    assert (machine.score(x, sigma, asked) - (mean - x) / 0.64).norm() < 1e-11


def test_no_conditions_and_no_overflow():
    machine = PatchMachine(*training(), 1, 1, 1e4, grid=GRID)
    x = rand(2, 2, SIZE, SIZE, seed=5)
    none = torch.zeros(2, 1, 2), torch.zeros(2, 1, dtype=torch.bool)
    assert torch.equal(machine.denoise(x, 1.0), machine.denoise(x, 1.0, none))
    for sigma in (1e-3, 1e3):
        assert torch.isfinite(machine.denoise(x, sigma, (rand(2, 2, 2), torch.ones(2, 2)))).all()


def test_its_score_is_local_in_pixels_and_conditions():
    machine = PatchMachine(*training(), 1, 0, grid=GRID)
    asked = torch.tensor([[[0.1, 0.1]]]), torch.ones(1, 1, dtype=torch.bool)
    x = rand(1, 2, SIZE, SIZE, seed=5)
    heat = pixel_locality(machine.score, x, 0.8, asked, (2, 3))
    assert torch.equal(heat > 0, window(SIZE, SIZE, (2, 3), 1))
    moved = conditional_locality(machine.score, x, 0.8, asked, remove)[0]
    assert (moved[:2, :2] > 0).any()
    assert moved[2:].norm() == moved[:, 2:].norm() == 0


@given(st.data())
@PATIENT
def test_matching_is_one_to_one_and_the_largest(data):
    point = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(lambda p: [v / 50 for v in p])
    found, asked = (data.draw(st.lists(point, min_size=1, max_size=4)) for _ in range(2))
    few, many = sorted((found, asked), key=len)
    expected = max(
        sum(math.dist(a, b) <= 1 / 20 for a, b in zip(few, chosen, strict=True))
        for chosen in itertools.permutations(many, len(few))
    )
    far = [[0.9, 0.9]]
    locations = torch.zeros(2, 4, 2)
    locations[0, : len(asked)], locations[1, :1] = torch.tensor(asked), torch.tensor(far)
    mask = torch.arange(4) < torch.tensor([[len(asked)], [1]])
    scores = tally([torch.tensor(found), torch.tensor(far)], locations, mask)
    assert scores["hits"].tolist() == [pytest.approx(expected / len(asked)), 1]
    assert scores["extras"].tolist() == [len(found) - expected, 0]
    assert scores["blind"].tolist() == [0, 0]


def test_the_blind_baseline_is_what_other_pictures_were_asked():
    locations = torch.tensor([[[0.1, 0.1]], [[0.1, 0.1]], [[0.9, 0.9]]])
    mask = torch.ones(3, 1, dtype=torch.bool)
    scores = tally(list(locations), locations, mask)
    assert scores["blind"].tolist() == [0.5, 0.5, 0]
    assert scores["hits"].tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="two pictures"):
        tally([locations[0]], locations[:1], mask[:1])


def test_discs_are_found_where_they_are_drawn():
    generator = torch.Generator().manual_seed(0)
    locations, mask = sample_places(50, (0, 1, 8), generator)
    assert mask.sum(1).unique().tolist() == [0, 1, 8]
    apart = torch.cdist(locations, locations, p=math.inf) + 9 * torch.eye(8)
    assert apart[mask[:, :, None] & mask[:, None]].min() >= 4 / 16 - 1e-6
    pictures = draw(locations, mask, generator)
    assert pictures.shape == (50, 3, 32, 32)
    assert pictures.unique().tolist() == [-1, 1]
    for seen, places, there in zip(find(pictures), locations, mask, strict=True):
        order = torch.cdist(seen, places[there].double())
        assert seen.shape == (int(there.sum()), 2)
        assert (order.min(1).values < 1e-6).all() if len(seen) else True
    with pytest.raises(ValueError, match="do not fit"):
        sample_places(1, (60,), generator)


def table_row(pixel_radius, condition_radius, K, batch, steps, n=512):
    """Hits, blind baseline, extras and share of unseen condition sets after training on 1-3."""
    generator = torch.Generator().manual_seed(0)
    locations, mask = sample_places(n, (1, 2, 3), generator)
    pictures = draw(locations, mask, generator)
    one = torch.zeros_like(mask)
    one[:, 0] = True  # places are drawn in no order, so the first is a random one
    machine = PatchMachine(pictures, locations, one, pixel_radius, condition_radius)
    asked, sigmas = sample_places(batch, (K,), generator), noise_levels(steps, 0.02, 10.0)
    noise = 10 * torch.randn(batch, 3, 32, 32, generator=generator)
    drawn = probability_flow(machine.score, noise, sigmas, asked)[-1]
    scores = {name: v.mean().item() for name, v in tally(find(drawn), *asked).items()}
    return scores | {"unseen": (machine.mismatch(asked) > 0).double().mean().item()}


def test_it_draws_more_discs_than_it_ever_saw():
    row = table_row(2, 2, K=6, batch=4, steps=10, n=256)
    assert row["hits"] > 0.8 > 0.2 > row["blind"]
    assert row["unseen"] < 0.1


@pytest.mark.weekly
def test_either_window_as_wide_as_the_picture_fails():
    local = table_row(2, 2, K=8, batch=8, steps=18)
    assert local["hits"] > 0.9
    for windows in ((31, 2), (2, 15), (31, 15)):
        wide = table_row(*windows, K=8, batch=8, steps=18)
        assert wide["hits"] < local["hits"] / 2
        assert (wide["unseen"] > 0.9) == (windows[1] == 15)


def test_bad_input():
    pictures, locations, mask = training()
    with pytest.raises(ValueError, match="multiple of 16"):
        PatchMachine(pictures, locations, mask)
    with pytest.raises(ValueError, match="4 pictures, but 3 lists"):
        PatchMachine(pictures, locations[:3], mask[:3], grid=GRID)
    with pytest.raises(ValueError, match="negative"):
        PatchMachine(pictures, locations, mask, pixel_radius=-1, grid=GRID)
    for penalty in (float("inf"), float("nan")):
        with pytest.raises(ValueError, match="penalty must be finite"):
            PatchMachine(pictures, locations, mask, penalty=penalty, grid=GRID)
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        PatchMachine(pictures, 2 * locations, mask, grid=GRID)
    with pytest.raises(ValueError, match=r"\(B, K, 2\)"):
        PatchMachine(pictures, locations, mask[:, :1], grid=GRID)
    machine, x = PatchMachine(pictures, locations, mask, grid=GRID), rand(2, 2, SIZE, SIZE)
    with pytest.raises(ValueError, match="x must be"):
        machine.score(x[:, :1], 1.0)
    for sigma in (0.0, torch.ones(2)):
        with pytest.raises(ValueError, match="sigma must be > 0"):
            machine.score(x, sigma)
    with pytest.raises(ValueError, match="2 pictures, but conditions for 4"):
        machine.score(x, 1.0, (locations, mask))


@pytest.mark.parametrize("same_position", [False, True])
def test_what_the_caller_writes_later_changes_no_machine(same_position):
    pictures, locations, mask = training()
    size = {"pixel_radius": 1, "condition_radius": 1, "penalty": PENALTY, "grid": GRID}
    machine = PatchMachine(pictures, locations, mask, same_position=same_position, **size)
    x, asked, there = rand(1, 2, SIZE, SIZE, seed=4), rand(1, 2, 2, seed=5), torch.ones(1, 2).bool()
    before = machine.denoise(x, 0.5, (asked, there))
    pictures.zero_()
    locations.fill_(0.9)
    assert torch.equal(machine.denoise(x, 0.5, (asked, there)), before)
    asked.copy_(1 - asked)
    fresh = machine.denoise(x, 0.5, (asked.clone(), there.clone()))
    assert torch.linalg.norm(fresh - before) > 1e-3
    machine.denoise(x, 0.5, (1 - asked, there))  # the machine remembers what it was asked last
    last = 1 - asked
    machine.denoise(x, 0.5, (last, there))
    last.copy_(asked)
    assert torch.equal(machine.denoise(x, 0.5, (last, there)), fresh)
