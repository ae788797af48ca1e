import numpy as np
import pytest
import torch

from lib.diffusion import hearing, pathways
from lib.scenes import render
from lib.scenes.detector import detect, load
from lib.scenes.labelling import label_all, request_scenes
from lib.scenes.measure import raw_scores
from lib.scenes.scene import locations, with_locations
from tests.test_diffusion_networks import ALL, LOCATIONS, NOISE, random, randomised, tiny

GRID = 8


def test_shares_add_up_and_their_mean_place_is_the_location():
    places = 0.5 / GRID + torch.rand(50, 2, dtype=torch.float64) * (1 - 1 / GRID)
    found = pathways.shares(places, GRID)
    assert torch.linalg.norm(found.sum(-1) - 1) < 1e-12
    assert (found > 0).sum(-1).max() <= 4
    middles = pathways.centres(GRID).double().flatten(0, 1)
    assert torch.linalg.norm(found @ middles - places) < 1e-12


def test_at_a_centre_all_of_the_share_is_the_cell_s():
    middles = pathways.centres(GRID).double().flatten(0, 1)
    assert torch.linalg.norm(pathways.shares(middles, GRID) - torch.eye(GRID**2)) < 1e-12


def test_beyond_the_outermost_centres_a_location_is_taken_as_beside_it():
    corner = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    assert pathways.shares(corner, GRID)[0].nonzero().tolist() == [[GRID * (GRID - 1)]]


@pytest.mark.parametrize("pathway", ["vector", "product", "fourier"])
def test_embeddings_of_locations_add(pathway):
    condition, x = tiny(pathway).condition, random(1, 3, 16, 16)
    together = condition.embedding((LOCATIONS, ALL), x)
    each = sum(condition.embedding((LOCATIONS[:, [i]], ALL[:, :1]), x) for i in range(3))
    assert torch.linalg.norm(together - each) < 1e-12


@pytest.mark.parametrize("pathway", ["product", "map", "vector"])
def test_where_nothing_bends_planes_of_a_sum_are_the_sum_of_planes(pathway):
    condition, x = tiny(pathway).condition, random(1, 3, 16, 16)
    together, none = condition((LOCATIONS, ALL), x)[1], condition(None, x)[1]
    each = sum(condition((LOCATIONS[:, [i]], ALL[:, :1]), x)[1] - none for i in range(3))
    off = torch.linalg.norm(together - none - each)
    assert torch.linalg.norm(each) > 0.03
    assert off > 0.01 if pathway == "vector" else off < 1e-12


def test_cells_attend_to_all_alike_at_first_and_to_what_their_rows_say_after():
    condition, x = tiny("attending").condition, random(1, 3, 16, 16)
    mask = torch.tensor([[True, False, True]])
    found = condition.attention((LOCATIONS, mask), x)
    rows = pathways.shares(LOCATIONS[0], GRID).to(x) @ condition.table  # (3, embedding)
    scores = (rows @ condition.attends.T / rows.shape[-1] ** 0.5).exp()
    expected = scores * mask.mT / (condition.none.exp() + (scores * mask.mT).sum(0))
    assert torch.linalg.norm(found[0].flatten(1) - expected) < 1e-12
    told = condition.embedding((LOCATIONS, mask), x)[0].flatten(1)
    assert torch.linalg.norm(told - rows.T @ expected) < 1e-12
    only = torch.zeros(1, 3, GRID, GRID).double()
    only[0, 2, :3] = 1
    one = condition.attention((LOCATIONS, ALL, only), x)
    assert torch.equal(one > 0, only > 0)
    fresh = pathways.Attending(GRID, 8, 8, 8, 3)
    alike = fresh.attention((LOCATIONS.float(), mask), x.float())
    assert torch.allclose(alike[0, [0, 2]], torch.full((2, GRID, GRID), 1 / 3))


def test_scattered_rows_are_the_same_rows_but_close_places_begin_unlike():
    made = (of(16, 64, 8, 8, 3) for of in (pathways.Attending, pathways.Scattered))
    near, far = (each.table.detach() for each in made)
    assert torch.equal(near.sum(1).sort().values, far.sum(1).sort().values)

    def beside(table):
        rows = table.unflatten(0, (16, 16))
        return float((rows[:, 1:] * rows[:, :-1]).sum(-1).mean() / rows.square().sum(-1).mean())

    assert beside(near) > 0.5
    assert abs(beside(far)) < 0.1


def test_a_map_is_a_spot_of_mass_one_a_location():
    picture = tiny("map").condition.picture((LOCATIONS, ALL), random(1, 3, 16, 16))
    assert picture.shape == (1, 1, 16, 16)
    assert torch.allclose(picture.sum(), torch.tensor(3.0).double())
    middles = pathways.centres(16).double()
    one = tiny("map").condition.picture((LOCATIONS[:, :1], ALL[:, :1]), random(1, 3, 16, 16))
    assert torch.linalg.norm((one[0, 0, ..., None] * middles).sum((0, 1)) - LOCATIONS[0, 0]) < 1e-12


def test_a_small_move_within_a_cell_changes_what_a_network_is_told():
    for pathway in pathways.OF_LOCATIONS:
        network, x = tiny(pathway), random(1, 3, 16, 16)
        near = LOCATIONS + 0.01
        change = network(x, NOISE, (near, ALL)) - network(x, NOISE, (LOCATIONS, ALL))
        assert torch.linalg.norm(change) > 1e-4, pathway


@pytest.mark.parametrize("count", [1, 3, 6, 10])
def test_a_perfect_drawer_told_what_the_pathways_tell_is_perfect(count):
    """Real pictures whose objects stand where the shares say: skill of at least .97."""
    scenes = request_scenes(48, count, torch.Generator().manual_seed(count))
    told = pathways.shares(locations(scenes), 16) @ pathways.centres(16).flatten(0, 1)
    finder = load()
    drawn = detect(finder, render(with_locations(scenes, told), 32))
    found = raw_scores(drawn, label_all(scenes), detect(finder, render(scenes, 32)))
    hits, blind, ceiling = (sum(found[name]) for name in ("hits", "blind", "ceiling"))
    assert (hits - blind) / (ceiling - blind) >= 0.97


def test_who_hears_what():
    conditions = (LOCATIONS, torch.tensor([[True, True, False]]))
    near = hearing.nearest(conditions, GRID)
    assert torch.equal(near.sum(1), torch.ones(1, GRID, GRID).double())
    assert near[0, 2].sum() == 0  # masked
    middles = pathways.centres(GRID).double()
    away = torch.stack([(middles - place).norm(dim=-1) for place in LOCATIONS[0, :2]])
    assert torch.equal(near[0, :2].argmax(0), away.argmin(0))
    assert torch.equal(hearing.everywhere(conditions, GRID)[0, :2], torch.ones(2, GRID, GRID))
    assert torch.allclose(hearing.mean(conditions, GRID).sum(1), torch.ones(1, GRID, GRID).double())
    chance = hearing.one_at_random(conditions, GRID, torch.Generator().manual_seed(0))
    assert torch.equal(chance.sum(1), torch.ones(1, GRID, GRID))
    assert 8 < chance[0, 0].sum() < GRID**2 - 8
    soft = hearing.nearest(conditions, GRID, 0.1)
    assert torch.allclose(soft.sum(1), torch.ones(1, GRID, GRID).double())
    assert ((soft > 0.01) & (soft < 0.99)).any()
    assert torch.allclose(hearing.nearest(conditions, GRID, 1e-3), near)
    none = (LOCATIONS[:, :0], ALL[:, :0])
    assert hearing.nearest(none, GRID).shape == (1, 0, GRID, GRID)


def test_soft_borders_fall_as_a_gaussian_of_the_distance():
    conditions = (LOCATIONS, torch.tensor([[True, True, False]]))
    soft = hearing.nearest(conditions, GRID, 0.2)
    middles = pathways.centres(GRID).double()
    away = [(middles - place).square().sum(-1) for place in LOCATIONS[0, :2]]
    expected = ((away[0] - away[1]) / (2 * 0.2**2)).exp()
    assert torch.linalg.norm(soft[0, 1] / soft[0, 0] - expected) < 1e-9 * expected.norm()
    assert not soft[0, 2].any()


def test_the_mean_of_one_request_is_it_and_of_none_nothing():
    mask = torch.tensor([[True, False, False], [False, False, False]])
    heard = hearing.mean((LOCATIONS.expand(2, -1, -1), mask), GRID)
    assert torch.equal(heard, mask[..., None, None].double().expand(-1, -1, GRID, GRID))


def test_a_place_on_the_border_lies_in_the_outermost_cell():
    corners = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.26]]])
    expected = [[0, GRID - 1, GRID * (GRID - 1), GRID**2 - 1, 2 * GRID + 4]]
    assert pathways.cells(corners, GRID).tolist() == expected
    locations, mask = pathways.check_conditions((corners, torch.ones(1, 5).bool()), corners, 5)
    assert torch.equal(locations, corners)
    assert mask.all()


def test_fourier_features_are_waves_whose_ways_are_a_sunflower_s():
    """Seed i of n: turned on by the golden angle, as far out as the root of its share of 5."""
    places = torch.rand(7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = pathways.fourier(places, 24).numpy()
    golden = 2 * np.pi * (1 - 2 / (1 + np.sqrt(5)))
    seeds = np.array([5 * np.sqrt((i + 0.5) / 12) * np.exp(1j * golden * i) for i in range(12)])
    phase = 2 * np.pi * (np.outer(places[:, 0], seeds.real) + np.outer(places[:, 1], seeds.imag))
    assert np.linalg.norm(found - np.hstack([np.cos(phase), np.sin(phase)])) < 1e-9


def test_a_window_is_a_square_of_cells():
    conditions = (torch.tensor([[[0.3, 0.6]]]), ALL[:, :1])  # cell: row 4, column 2
    index = torch.arange(GRID)
    expected = ((index[:, None] - 4).abs() <= 1) & ((index - 2).abs() <= 1)
    assert torch.equal(hearing.window(conditions, GRID, 1)[0, 0].bool(), expected)


def test_a_sum_over_all_heard_by_each_cell_is_the_plain_sum():
    network, x = tiny("vector"), random(1, 3, 16, 16)
    told = (LOCATIONS, ALL, hearing.everywhere((LOCATIONS, ALL), GRID))
    plain = network(x, NOISE, (LOCATIONS, ALL))
    assert torch.linalg.norm(network(x, NOISE, told) - plain) < 1e-10
    near = (LOCATIONS, ALL, hearing.nearest((LOCATIONS, ALL), GRID))
    assert torch.linalg.norm(network(x, NOISE, near) - plain) > 1e-3


@pytest.mark.parametrize("shape", [(1, 3, GRID, GRID + 1), (1, 2, GRID, GRID)])
def test_bad_weights_are_refused(shape):
    with pytest.raises(ValueError, match="who hears what is"):
        tiny("vector")(random(1, 3, 16, 16), NOISE, (LOCATIONS, ALL, torch.ones(shape)))
    weights = torch.full((1, 3, GRID, GRID), torch.nan)
    with pytest.raises(ValueError, match="finite weights"):
        tiny("vector")(random(1, 3, 16, 16), NOISE, (LOCATIONS, ALL, weights))
    with pytest.raises(ValueError, match=r"who hears what is .* not a str"):
        tiny("vector")(random(1, 3, 16, 16), NOISE, (LOCATIONS, ALL, "near"))


@pytest.mark.parametrize("pathway", ["fourier", "map"])
def test_pathways_without_an_embedding_a_cell_take_no_weights(pathway):
    weights = hearing.everywhere((LOCATIONS, ALL), GRID)
    with pytest.raises(ValueError, match="not a tuple of 3"):
        tiny(pathway)(random(1, 3, 16, 16), NOISE, (LOCATIONS, ALL, weights))


def test_randomised_networks_tell_pathways_apart():
    assert randomised(pathways.Meeting(4, 6, 8, GRID))(random(1, 4)).shape == (1, 8, GRID, GRID)


PLACE = torch.tensor([[[0.2, 0.7], [0.6, 0.1]]], dtype=torch.float64)


def things(placed, kinds, place=PLACE):
    return place, torch.tensor([placed]), torch.tensor([kinds])


def test_things_are_told_one_by_one_and_added():
    condition, x = tiny("things", dimensions=5).condition, random(1, 3, 16, 16)
    told = [
        condition.embedding(c, x)
        for c in (
            things([True, True], [2, -1]),
            things([True, False], [2, -1]),
            things([False, True], [-1, -1]),
            things([True, True], [-1, 2]),  # the kind is said of the other
            None,
            things([False, False], [-1, -1]),
        )
    ]
    assert torch.linalg.norm(told[0] - told[1] - told[2]) < 1e-12
    assert torch.linalg.norm(told[0] - told[3]) > 1e-2
    assert told[4].norm() == told[5].norm() == 0
    place = PLACE.clone()
    place[0, 1] = 0.9  # of a thing whose place is not said
    for kind in (-1, 3):
        pair = [condition.embedding(things([True, False], [1, kind], p), x) for p in (PLACE, place)]
        assert torch.equal(*pair)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ((PLACE, torch.ones(1, 2, dtype=torch.bool)), "things are locations"),
        (things([True, True], [5, 0]), "a kind is -1, unsaid, or one of 0 to 4"),
        (things([True, True], [4, -2]), "a kind is -1, unsaid, or one of 0 to 4"),
        (things([True, True], [0.0, 1.0]), "not kinds"),
        (things([True, True], [0]), "not kinds"),
        (things([True, True], [0, 0], PLACE + 1), "outside the picture"),
    ],
)
def test_things_that_are_not_described_well_are_refused(conditions, message):
    with pytest.raises(ValueError, match=message):
        tiny("things", dimensions=5).condition(conditions, random(1, 3, 16, 16))
