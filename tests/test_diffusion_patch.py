import itertools

import pytest
import torch

from lib.diffusion import hearing, networks, patch
from lib.diffusion.patch import WindowNetwork
from lib.experiments import length_generalization as length
from lib.experiments.length_generalization import Scale, Setting
from tests.test_diffusion_networks import randomised

FOUR = list(itertools.product(("local", "full"), ("local", "all")))
GRID = 8


def tiny(pixels="local", conditions="local", **settings):
    usual = {"size": 16, "grid": GRID, "k": 2, "trunk_width": 8, "width": 8, "embedding": 16}
    return randomised(WindowNetwork(pixels, conditions, **usual | settings)).float()


def pictures(n=2, size=16):
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(5))


def asked(*cells, n=2):
    """Conditions at the centres of cells (row, column), the same for each of n pictures."""
    places = torch.tensor([[(c + 0.5) / GRID, (r + 0.5) / GRID] for r, c in cells])
    return places.expand(n, -1, -1), torch.ones(n, len(cells), dtype=torch.bool)


NOISE = torch.tensor([-0.4, 0.2])


def outside(row, column, k):
    """Cells outside a window: (GRID, GRID)."""
    index = torch.arange(GRID)
    return ((index[:, None] - row).abs() > k) | ((index - column).abs() > k)


def at(out, row, column):
    return out[..., 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]


@pytest.mark.parametrize("k", [0, 1, 2, 3, 5])
def test_one_pass_equals_cell_by_cell(k):
    network = tiny(k=k)
    conditions = asked((0, 0), (3, 4), (7, 5))
    one_pass = network(pictures(), NOISE, conditions)
    assert torch.linalg.norm(one_pass) > 1
    oracle = patch.cell_by_cell(network, pictures(), NOISE, conditions)
    assert (one_pass - oracle).abs().max() < 1e-5


def test_a_cell_of_one_pixel_will_do():
    network, x = tiny(size=GRID), pictures(size=GRID)
    conditions = asked((0, 0), (3, 4))
    one_pass = network(x, NOISE, conditions)
    oracle = patch.cell_by_cell(network, x, NOISE, conditions)
    assert (one_pass - oracle).abs().max() < 1e-5


@pytest.mark.parametrize(("pixels", "conditions"), FOUR)
@pytest.mark.parametrize("cell", [(0, 0), (3, 4), (7, 2)])
def test_pixels_outside_the_window_change_no_bit(pixels, conditions, cell):
    network, x = tiny(pixels, conditions), pictures()
    far = outside(*cell, 2).repeat_interleave(2, 0).repeat_interleave(2, 1)
    changed = torch.where(far, 9.0 - 2 * x, x)
    before, after = (network(y, NOISE, asked((3, 3), (6, 1))) for y in (x, changed))
    assert torch.equal(at(before, *cell), at(after, *cell)) == (pixels == "local")


@pytest.mark.parametrize(("pixels", "conditions"), FOUR)
@pytest.mark.parametrize("cell", [(0, 0), (3, 4), (7, 2)])
def test_conditions_outside_the_window_change_no_bit(pixels, conditions, cell):
    network, x = tiny(pixels, conditions), pictures()
    places = outside(*cell, 2).nonzero().tolist()
    first, last = places[0], places[-1]
    base, mask = asked(cell, first, cell)
    moved, _ = asked(cell, last, cell)
    removed = mask & torch.tensor([True, False, True])
    before = network(x, NOISE, (base, mask))
    for changed in ((moved, mask), (base, removed)):
        after = network(x, NOISE, changed)
        assert torch.equal(at(before, *cell), at(after, *cell)) == (conditions == "local")


@pytest.mark.parametrize(("pixels", "conditions"), FOUR)
def test_what_is_inside_the_windows_counts(pixels, conditions):
    network, x, cell = tiny(pixels, conditions), pictures(), (3, 4)
    before = at(network(x, NOISE, asked((5, 2))), *cell)
    assert not torch.equal(before, at(network(x, NOISE, asked((5, 3))), *cell))
    for row, column in ((1, 2), (5, 6), (3, 4)):  # corners and middle of the window
        changed = x.clone()
        at(changed, row, column)[:] += 1
        assert not torch.equal(before, at(network(changed, NOISE, asked((5, 2))), *cell))


@pytest.mark.parametrize(("pixels", "conditions"), FOUR)
def test_conditions_enter_after_the_last_layer_that_mixes_places(pixels, conditions):
    network, seen = tiny(pixels, conditions), []
    network.trunk.register_forward_hook(lambda module, inputs, output: seen.append(output))
    network(pictures(), NOISE, asked((3, 3)))
    network(pictures(), NOISE, asked((6, 1)))
    assert torch.equal(*seen)


def test_the_four_networks_share_encoder_and_head():
    shapes = []
    for pixels, conditions in FOUR:
        state = WindowNetwork(pixels, conditions).state_dict()
        head = {n: t.shape for n, t in state.items() if n.startswith(("encoder.", "head."))}
        shapes.append(head)
    assert all(s == shapes[0] for s in shapes)
    encoders = [WindowNetwork(*four).encoder for four in FOUR]
    assert all(torch.equal(encoder.table, encoders[0].table) for encoder in encoders)
    flat = encoders[0].positions.flatten(1).T
    assert torch.equal(encoders[0].table, flat)


def test_at_the_experiment_s_scale_the_trunks_match_and_all_else_is_equal():
    four = {}
    for pixels, conditions in FOUR:
        setting = Setting(pathway="window", pixels=pixels, conditions=conditions)
        four[pixels, conditions] = length.network(setting, Scale())
    trunks = [networks.parameters(network.trunk) for network in four.values()]
    assert max(trunks) / min(trunks) < 1.2  # widths come in fours: the whole matches to 10 %
    wholes = [networks.parameters(network) for network in four.values()]
    assert max(wholes) / min(wholes) < 1.1
    for part in ("head", "leave", "encoder"):
        counts = {networks.parameters(getattr(network, part)) for network in four.values()}
        assert len(counts) == 1
        assert counts.pop() > 1000
    for pixels in ("local", "full"):  # the condition window costs nothing
        assert len({networks.parameters(four[pixels, window]) for window in ("local", "all")}) == 1


@pytest.mark.parametrize("pixels", ["local", "full"])
def test_padding_is_0_and_one_channel_says_what_is_inside(pixels):
    network, x = tiny(pixels), pictures()
    margin = 2 if pixels == "local" else 0
    inside = torch.zeros(GRID + 2 * margin, GRID + 2 * margin, dtype=torch.bool)
    inside[margin : margin + GRID, margin : margin + GRID] = True
    padded = network.padded(x)
    assert torch.equal(padded[:, -1], inside.float().expand(2, -1, -1))
    assert not padded[..., ~inside].any()
    for row, column in ((0, 0), (3, 4), (7, 2)):
        cell = padded[:, :-1, margin + row, margin + column]
        assert torch.equal(cell, at(x, row, column).flatten(1))
    places = network.places()
    assert torch.equal(places[:, inside], network.positions.flatten(1))
    assert not places[:, ~inside].any()


def test_a_local_trunk_knows_where_a_cell_is():
    network, seen = tiny(), []
    network.trunk.register_forward_hook(lambda module, inputs, output: seen.append(output[0]))
    network(torch.ones(2, 3, 16, 16), NOISE, asked((3, 3)))
    middle = seen[0][:, 2:-2, 2:-2].flatten(1).T  # whose windows end before the picture does
    assert torch.cdist(middle, middle)[~torch.eye(16, dtype=torch.bool)].min() > 1e-2


def test_a_local_trunk_knows_where_the_picture_ends():
    network, seen = tiny(), []
    network.positions.data.zero_()
    network.trunk.register_forward_hook(lambda module, inputs, output: seen.append(output[0]))
    network(torch.zeros(2, 3, 16, 16), NOISE, asked((3, 3)))
    assert torch.linalg.norm(seen[0][:, 0, 0] - seen[0][:, 3, 3]) > 1e-2


def test_with_all_conditions_the_sum_is_the_same_everywhere():
    encoder = tiny("local", "all").encoder
    read = []
    encoder.layers.register_forward_hook(lambda module, inputs, output: read.append(inputs[0]))
    conditions = asked((0, 0), (3, 4), (7, 7))
    encoder(conditions, pictures())
    sums = read[0][:, :64]
    expected = encoder.table[[0, 3 * GRID + 4, 7 * GRID + 7]].sum(0)
    assert torch.linalg.norm(sums - expected[:, None, None]) < 1e-4
    assert torch.equal(read[0][:, 64:], encoder.positions.expand(2, -1, -1, -1))


@pytest.mark.parametrize("k", [0, 1, 3, 8])
def test_windows_are_squares_about_the_cell(k):
    found = hearing.window(asked((2, 5), (7, 0), n=1), GRID, k)[0].bool()
    assert torch.equal(found[0], ~outside(2, 5, k))
    assert torch.equal(found[1], ~outside(7, 0, k))


@pytest.mark.parametrize(("pixels", "conditions"), FOUR)
def test_who_hears_what_takes_the_place_of_the_window(pixels, conditions):
    """Windows told as weights are those of the network that was built with them, and no others."""
    network, x, told = tiny(pixels, conditions), pictures(), asked((0, 0), (3, 4), (7, 7))
    other = tiny(pixels, "all" if conditions == "local" else "local")
    near, far = hearing.window(told, GRID, 2), hearing.everywhere(told, GRID)
    own, others = (near, far) if conditions == "local" else (far, near)
    found = network(x, NOISE, (*told, own))
    assert torch.linalg.norm(found - network(x, NOISE, told)) < 1e-5
    expected = other(x, NOISE, told)
    assert torch.linalg.norm(network(x, NOISE, (*told, others)) - expected) < 1e-5
    assert torch.linalg.norm(found - expected) > 1e-2


def test_a_request_between_cells_is_told_to_all_four():
    """The row of a place is the mean of its cells' rows, and moves with it."""
    encoder = tiny("local", "all").encoder
    corner = torch.tensor([[[3 / GRID, 5 / GRID]]]), torch.ones(1, 1, dtype=torch.bool)
    rows = encoder.table.unflatten(0, (GRID, GRID))[4:6, 2:4].mean((0, 1))
    heard = encoder.sum_heard(corner, pictures(1))
    assert torch.linalg.norm(heard - rows[:, None, None]) < 1e-4


@pytest.mark.parametrize("target", [300_000, 1_000_000])
def test_all_networks_can_have_equal_parameters(target):
    def four(pixels, k=2):
        return lambda width: WindowNetwork(pixels, "all", k=k, trunk_width=width)

    builds = [four("full"), *(four("local", k) for k in (1, 2, 4, 15))]
    builds.append(lambda width: networks.UNet("vector", width=width))
    for build in builds:
        found = networks.parameters(build(networks.matching_width(build, target)))
        assert abs(found / target - 1) < 0.1


def test_no_width_is_named():
    with pytest.raises(ValueError, match="no width gives 10 parameters"):
        networks.matching_width(lambda width: torch.nn.Linear(width, 100), 10)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pixels": "round"}, "'round'"),
        ({"conditions": "some"}, "'some'"),
        ({"k": 8}, "from 0 to 7"),
        ({"size": 17}, "divide the size"),
        ({"trunk_width": 63}, "trunk_width must be an integer of at least 2 and even, not 63"),
        ({"width": 0}, "width must be an integer of at least 1"),
        ({"embedding": 0}, "embedding must be"),
        ({"channels": 0}, "channels must be"),
        ({"blocks": -1}, "blocks must be an integer of at least 0"),
        ({"k": 1.5}, "k must be an integer"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        tiny(**settings)


@pytest.mark.parametrize(("pixels", "conditions"), FOUR)
def test_what_is_masked_is_not_read(pixels, conditions):
    network, (places, mask) = tiny(pixels, conditions), asked((3, 3), (6, 1))
    mask[:, 1] = False
    nowhere = torch.where(mask[..., None], places, float("nan"))
    before, after = (network(pictures(), NOISE, (p, mask)) for p in (places, nowhere))
    assert torch.equal(before, after)


def test_bad_conditions_are_refused():
    with pytest.raises(ValueError, match=r"a boolean mask .* not a tensor \(2, 3, 2\)"):
        tiny()(pictures(), NOISE, asked((0, 0), (1, 1), (2, 2))[0])
    with pytest.raises(ValueError, match="outside the picture"):
        tiny()(pictures(), NOISE, (torch.full((2, 1, 2), 1.2), torch.ones(2, 1).bool()))
    with pytest.raises(ValueError, match="at most 2 conditions"):
        tiny(limit=2)(pictures(), NOISE, asked((0, 0), (1, 1), (2, 2)))


def test_a_network_s_name_tells_every_size_of_its_weights():
    sizes = {"channels": 1, "embedding": 32, "blocks": 3, "k": 1, "trunk_width": 12, "width": 10}
    names = {tiny(**{name: value}).name for name, value in sizes.items()}
    assert len({*names, tiny().name}) == 7
