import pytest
import torch

from lib.diffusion import networks, pathways
from lib.diffusion.networks import UNet
from lib.diffusion.pathways import PATHWAYS


def randomised(network, seed=0):
    """Random weights everywhere: many layers start at zero, where they would pass any test."""
    generator = torch.Generator().manual_seed(seed)
    for p in network.parameters():
        p.data = torch.randn(p.shape, generator=generator) * (0.5 / max(p[0].numel(), 1) ** 0.5)
    return network.double()


def random(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seen_by(function, x, row, column):
    """The places of x (1, C, H, W) that the output at one place depends on, by differentiation."""
    x = x.clone().requires_grad_()
    function(x)[0, :, row, column].square().sum().backward()
    return x.grad[0].norm(dim=0) > 0


def square(side, row, column, margin):
    places = torch.zeros(side, side, dtype=torch.bool)
    places[
        max(row - margin, 0) : row + margin + 1, max(column - margin, 0) : column + margin + 1
    ] = 1
    return places


def tiny(pathway="vector", **settings):
    sizes = {"size": 16, "grid": 8, "width": 8, "embedding": 16, "told": 16, "hidden": 12}
    settings = sizes | settings
    return randomised(UNet(pathway, **settings))


LOCATIONS = torch.tensor([[[0.1, 0.2], [0.8, 0.4], [0.5, 0.9]]], dtype=torch.float64)
ALL = torch.ones(1, 3, dtype=torch.bool)
NOISE = torch.tensor([-0.3], dtype=torch.float64)


def test_normalisation_sees_one_place():
    x = random(1, 5, 6, 6)
    assert torch.equal(seen_by(networks.normalise, x, 2, 3), square(6, 2, 3, 0))
    found = networks.normalise(x)
    assert torch.linalg.norm(found.mean(1)) < 1e-12
    assert torch.allclose(found.var(1, correction=0), torch.ones(()).double(), atol=1e-3)


@pytest.mark.parametrize(("kernel", "mixing"), [(1, 2), (3, 0), (3, 1), (3, 2), (5, 1), (5, 2)])
def test_a_block_sees_exactly_its_window(kernel, mixing):
    block = randomised(networks.Block(8, 4, kernel, mixing))
    embedding = random(1, 4, 1, 1)
    for row, column in ((5, 6), (0, 12)):
        seen = seen_by(lambda x: block(x, embedding), random(1, 8, 13, 13), row, column)
        assert torch.equal(seen, square(13, row, column, kernel // 2 * mixing))


def test_a_block_without_padding_is_the_middle_of_one_with_padding():
    padded = randomised(networks.Block(8, 4, 5, 2))
    bare = networks.Block(8, 4, 5, 2, pad=False).double()
    bare.load_state_dict(padded.state_dict())
    x, embedding = random(2, 8, 13, 13), random(2, 4, 1, 1)
    assert bare.margin == 4
    assert torch.allclose(bare(x, embedding), padded(x, embedding)[..., 4:-4, 4:-4])


def test_a_modulation_by_places_stays_at_its_place():
    block = randomised(networks.Block(8, 4, kernel=1))
    x = random(1, 8, 6, 6)
    seen = seen_by(lambda e: block(x, e), random(1, 4, 6, 6), 2, 3)
    assert torch.equal(seen, square(6, 2, 3, 0))


def test_a_block_is_what_it_says():
    """With windows of one cell, so that a convolution is a matrix."""
    block, x, embedding = randomised(networks.Block(8, 4, kernel=1)), random(2, 8), random(2, 4)

    def linear(conv, h):
        return h @ conv.weight[..., 0, 0].T + conv.bias

    def normal(h):
        return (h - h.mean(1, True)) / (h.var(1, correction=0, keepdim=True) + 1e-5).sqrt()

    def silu(h):
        return h / (1 + (-h).exp())

    scale, shift = linear(block.modulation, embedding).split(8, 1)
    h = normal(linear(block.conv1, silu(normal(x)))) * (1 + scale) + shift
    expected = x + linear(block.conv2, silu(h))
    found = block(x[..., None, None], embedding[..., None, None])[..., 0, 0]
    assert torch.linalg.norm(found - expected) < 1e-10


def test_a_noise_level_is_told_by_sixteen_waves_of_a_quarter_to_eight_periods():
    told, noise = networks.NoiseEmbedding(6).double(), random(5)
    seen = []
    told.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    told(noise)
    phase = 2 * torch.pi * noise[:, None] * 0.25 * 32 ** (torch.arange(16).double() / 15)
    assert torch.linalg.norm(seen[0] - torch.cat([phase.cos(), phase.sin()], 1)) < 1e-5


def test_a_matching_width_is_the_closest_multiple_of_four():
    def square(width):
        return torch.nn.Linear(width, width)

    assert [networks.matching_width(square, w * (w + 1)) for w in (20, 38.5, 37.5, 1020)] == [
        20, 40, 36, 1020,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no width gives 13 parameters to 10 %: 4 has 20"):
        networks.matching_width(square, 13)
    assert networks.matching_width(square, 18.2) == 4  # a tenth off


def test_attention_is_the_attention_of_torch():
    ours = randomised(networks.Attention(8, heads=2))
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
    theirs.in_proj_weight.data = ours.enter.weight.data[..., 0, 0]
    theirs.in_proj_bias.data = ours.enter.bias.data
    theirs.out_proj.weight.data = ours.leave.weight.data[..., 0, 0]
    theirs.out_proj.bias.data = ours.leave.bias.data
    x = random(3, 8, 4, 5)
    places = networks.normalise(x).flatten(2).mT
    expected = x + theirs(places, places, places)[0].mT.view(x.shape)
    assert torch.linalg.norm(ours(x) - expected) < 1e-12


@pytest.mark.parametrize("pathway", PATHWAYS)
def test_the_unet_sees_the_whole_picture_and_keeps_its_shape(pathway):
    network = tiny(pathway)
    own = {"none": None, "continuous": random(1, 4), "things": (LOCATIONS, ALL, -ALL.long())}
    conditions = own.get(pathway, (LOCATIONS, ALL))
    x = random(1, 3, 16, 16)
    assert network(x, NOISE, conditions).shape == x.shape
    assert seen_by(lambda x: network(x, NOISE, conditions), x, 3, 4).all()


@pytest.mark.parametrize("pathway", pathways.OF_LOCATIONS)
def test_only_what_is_asked_counts(pathway):
    network, x = tiny(pathway), random(1, 3, 16, 16)
    asked = network(x, NOISE, (LOCATIONS, ALL))
    order = [2, 0, 1]
    other_order = network(x, NOISE, (LOCATIONS[:, order], ALL))
    assert torch.linalg.norm(asked - other_order) < 1e-10
    masked = torch.tensor([[True, False, True]])
    fewer = network(x, NOISE, (LOCATIONS, masked))
    elsewhere = LOCATIONS.clone()
    elsewhere[:, 1] = 7.0  # what is masked may be anything
    cut = network(x, NOISE, (LOCATIONS[:, [0, 2]], ALL[:, :2]))
    assert torch.linalg.norm(fewer - cut) < 1e-10
    assert torch.linalg.norm(fewer - network(x, NOISE, (elsewhere, masked))) < 1e-10
    assert torch.linalg.norm(asked - fewer) > 1e-3
    nothing = network(x, NOISE, (LOCATIONS, ~ALL))
    assert torch.linalg.norm(nothing - network(x, NOISE, None)) < 1e-10


@pytest.mark.parametrize("pathway", pathways.OF_LOCATIONS)
def test_what_is_masked_is_not_read(pathway):
    network, x, mask = tiny(pathway), random(1, 3, 16, 16), torch.tensor([[True, False, True]])
    nowhere = torch.where(mask[..., None], LOCATIONS, float("nan"))
    expected = network(x, NOISE, (LOCATIONS, mask))
    assert torch.equal(network(x, NOISE, (nowhere, mask)), expected)


def test_fourier_features_tell_places_apart_even_when_summed():
    places = pathways.centres(16).double().flatten(0, 1)
    features = pathways.fourier(places, 64)
    assert torch.allclose(features.square().mean(1), torch.full((256,), 0.5).double())
    products = features @ features.T / 32
    assert (products - torch.eye(256)).max() < 0.85
    corners = pathways.fourier(torch.tensor([[0.2, 0.2], [0.7, 0.7], [0.2, 0.7], [0.7, 0.2]]), 64)
    assert torch.linalg.norm(corners[0] + corners[1] - corners[2] - corners[3]) > 3


def test_a_continuous_condition_changes_the_output_smoothly():
    network, x, c = tiny("continuous"), random(1, 3, 16, 16), random(1, 4)
    change = network(x, NOISE, c + 1e-6) - network(x, NOISE, c)
    assert 0 < torch.linalg.norm(change) < 1e-3
    assert network(x, NOISE, None).shape == x.shape


def test_larger_pictures_keep_the_grid():
    network = tiny(size=32)
    assert network.cell == 4
    assert network(random(2, 3, 32, 32), NOISE.expand(2), None).shape == (2, 3, 32, 32)


def test_parameters_are_counted():
    assert networks.parameters(torch.nn.Linear(3, 5)) == 20


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ((LOCATIONS * 2, ALL), "outside the picture"),
        ((LOCATIONS * float("nan"), ALL), "outside the picture"),
        ((LOCATIONS.expand(2, 3, 2), ALL.expand(2, 3)), r"conditions are locations \(1, K, 2\)"),
        ((LOCATIONS, ALL[:, :2]), "conditions are locations"),
        ((LOCATIONS, ALL.double()), r"a boolean mask \(1, K\), not one of torch.float64"),
        (LOCATIONS, r"conditions are locations .* and a boolean mask .* not a tensor \(1, 3, 2\)"),
        ((LOCATIONS, ALL, ALL, ALL), "conditions are locations .*, not a tuple of 4"),
        ("red", "conditions are locations .*, not a str"),
        ((torch.rand(1, 4, 2).double(), torch.ones(1, 4).bool()), "at most 3 conditions .* not 4"),
    ],
)
@pytest.mark.parametrize("pathway", pathways.OF_LOCATIONS)
def test_bad_conditions_are_refused(pathway, conditions, message):
    network = tiny(pathway, limit=3)
    with pytest.raises(ValueError, match=message):
        network(random(1, 3, 16, 16), NOISE, conditions)


def test_a_pathway_may_be_given_itself():
    """One that stands elsewhere needs no line, and weights load as if it had one."""
    sizes = {"size": 16, "grid": 8, "width": 8, "embedding": 8}
    named, given = UNet("continuous", **sizes), pathways.Continuous(4, 8)
    network = UNet(given, **sizes)
    assert network.condition is given
    assert network.name == named.name
    network.load_state_dict(randomised(named).state_dict())
    x, told = random(2, 3, 16, 16), random(2, 4)
    noise = torch.zeros(2, dtype=torch.float64)
    assert torch.equal(network.double()(x, noise, told), named(x, noise, told))


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="unknown pathway 'telepathy'"):
        UNet("telepathy")
    with pytest.raises(ValueError, match="divide the size"):
        UNet(size=30)
    with pytest.raises(ValueError, match="takes no conditions"):
        tiny("none")(random(1, 3, 16, 16), NOISE, (LOCATIONS, ALL))
    with pytest.raises(ValueError, match=r"must be \(1, 4\)"):
        tiny("continuous")(random(1, 3, 16, 16), NOISE, random(1, 3))
    with pytest.raises(ValueError, match=r"must be \(1, 4\), not a tuple of 2"):
        tiny("continuous")(random(1, 3, 16, 16), NOISE, (LOCATIONS, ALL))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 63}, "width must be an integer of at least 2 and even, not 63"),
        ({"width": 0}, "width must be"),
        ({"embedding": 17}, "embedding must be an integer of at least 2 and even, not 17"),
        ({"grid": 0}, "grid must be an integer of at least 1, not 0"),
        ({"size": -16}, "size must be"),
        ({"channels": 0}, "channels must be"),
        ({"dimensions": 2.5}, "dimensions must be"),
        ({"limit": True}, "limit must be"),
    ],
)
def test_sizes_that_fit_no_network_are_refused_at_once(settings, message):
    with pytest.raises(ValueError, match=message):
        tiny("fourier", **settings)


def test_layers_refuse_what_their_first_call_would():
    with pytest.raises(ValueError, match="kernel must be odd, not 4"):
        networks.Block(8, 4, kernel=4)
    with pytest.raises(ValueError, match="6 channels cannot be split evenly among 4 heads"):
        networks.Attention(6)
    with pytest.raises(ValueError, match="even, not 7"):
        pathways.fourier(LOCATIONS, 7)


def test_a_network_s_name_tells_every_size_of_its_weights():
    sizes = {"size": 32, "grid": 4, "channels": 1, "width": 12, "embedding": 32, "dimensions": 3}
    usual = tiny("continuous")
    for name, value in sizes.items():
        other = tiny("continuous", **{name: value})
        assert other.name != usual.name
        assert f"{name}{value}" in other.name
    assert tiny("vector", limit=3).name == tiny("vector").name  # has no weights
