import pytest
import torch

from lib import locality
from lib.book.runtime import generator
from lib.sim import SIMTask, ood_loss, score_net, swing, untied_layers
from lib.sim.blocks import Blocks, one_layer

PICTURES = Blocks(SIMTask((3.0, 1.0), (0.05, 0.05)), pixels=2)
S, N = 2, 4


def nets(runs=3, seed=1, **kind):
    return score_net.two_layers(PICTURES, runs, generator(seed), width=8, **kind)


@pytest.mark.parametrize("relu", [False, True])
def test_effects_are_what_locality_finds(relu):
    net = nets(relu=relu)
    found = score_net.measure(PICTURES, net)
    noise = torch.randn(
        score_net.PROBES // 2, N, generator=torch.Generator().manual_seed(7), dtype=torch.float64
    )
    noise = PICTURES.variance**0.5 * torch.cat([noise, -noise])
    x = PICTURES.pattern @ PICTURES.task.test_point + noise
    both = tuple(enumerate(PICTURES.task.mu))
    for run in range(3):
        score = score_net.as_score(PICTURES, net, run)
        each = [
            locality.conditional_locality(score, one, PICTURES.noise, both, locality.remove)
            for one in x
        ]
        squares = torch.stack(each).square().mean(0).unflatten(-1, (S, 2)).sum(-1)
        moved = squares.sqrt().mT * PICTURES.variance  # block by condition
        assert (found["moved"][run] - moved).norm() < 1e-12 * moved.norm()


def test_the_map_is_the_scores_derivative_by_the_conditions():
    net = nets(tied=False)
    x = torch.randn(N, generator=generator(2), dtype=torch.float64)
    for run in range(3):
        score = score_net.as_score(PICTURES, net, run)
        columns = []
        for j in range(S):
            up, down = ([(i, (i == j) * h) for i in range(S)] for h in (0.5, -0.5))
            columns.append(score(x, PICTURES.noise, up) - score(x, PICTURES.noise, down))
        w = PICTURES.variance * PICTURES.pattern.mT @ torch.stack(columns, -1)
        assert (score_net.response(PICTURES, net)[run] - w).norm() < 1e-12 * w.norm()


def test_errors_at_corners_against_one_corner_after_the_other():
    net = nets(relu=True)
    found = score_net.measure(PICTURES, net)
    noise = torch.randn(
        score_net.PROBES // 2, N, generator=torch.Generator().manual_seed(7), dtype=torch.float64
    )
    noise = PICTURES.variance**0.5 * torch.cat([noise, -noise])
    tiles = torch.zeros(3, len(noise), N, dtype=torch.float64)
    for v, c in enumerate(PICTURES.task.corners()):
        x = PICTURES.pattern @ c + noise
        seen = torch.cat([PICTURES.scale * x, c.expand(len(x), -1)], -1)
        answer = torch.relu(seen @ net.weights[0].mT) @ net.weights[1].mT
        wrong = (answer - PICTURES.pattern @ c).square().sum(-1).mean(-1) / 2
        assert (found["error"][:, v] - wrong).abs().max() < 1e-12
        said = answer.mean(1) @ PICTURES.pattern
        assert (found["answer"][:, v] - said).abs().max() < 1e-12
        for block in range(S):
            if v == 2 ** (S - 1 - block):  # this block's condition alone
                own = PICTURES.owner == block
                tiles[:, :, own] = answer[:, :, own]
    wrong = (tiles - PICTURES.pattern @ PICTURES.task.test_point).square().sum(-1).mean(-1) / 2
    assert (found["tiled"] - wrong).abs().max() < 1e-12


def test_descent_of_the_expected_loss_is_sims_flow_where_nothing_is_seen():
    """At high noise, with no weight on the picture, W follows the untied flow of its own start."""
    blind = Blocks(PICTURES.task, pixels=2, noise=1e4)
    net = score_net.two_layers(blind, 4, generator(3), width=8)
    first = net.masks[0].clone()
    first[:, :N] = 0  # sees nothing
    net = score_net.Net((net.weights[0] * first, net.weights[1]), (first, net.masks[1]))
    _, found = score_net.train(blind, net, None, steps=2000, rate=0.002, batch=None, every=100)
    u = net.weights[0][..., N:].mT
    w = untied_layers.flow(u.mT, u, blind.task.a, found["time"])
    effect = w * blind.task.test_point
    assert (found["effect"] - effect).norm() < 5e-3 * effect.norm()
    assert (found["error"][..., -1] - ood_loss(w, blind.task)).abs().max() < 2e-2


def test_pictures_descend_like_their_expectation():
    """Mean over runs of one start: fresh pictures move the weights as the expected loss does."""
    net = nets(runs=1)
    many = score_net.Net(tuple(w.expand(64, -1, -1) for w in net.weights), net.masks)
    small = {"steps": 5, "rate": 0.01, "every": 5}
    drawn, _ = score_net.train(PICTURES, many, generator(4), batch=64, **small)
    expected, _ = score_net.train(PICTURES, net, None, batch=None, **small)
    for before, ours, theirs in zip(net.weights, drawn.weights, expected.weights, strict=True):
        step = (theirs - before).norm()
        assert (ours.mean(0) - theirs[0]).norm() < 0.1 * step


@pytest.mark.parametrize("relu", [False, True])
def test_local_networks_stay_local_and_take_the_same_draws(relu):
    both = score_net.together([nets(relu=relu), nets(relu=relu, local=True)])
    kept = both.masks[0][1] > 0
    for layer, mask in zip(both.weights, both.masks, strict=True):
        inside = mask[1].expand_as(layer[0]) > 0
        assert torch.allclose(layer[1][inside], S**0.5 * layer[0][inside])
    end, found = score_net.train(PICTURES, both, generator(5), steps=40, batch=8, every=20)
    others = ~torch.eye(S, dtype=torch.bool)
    assert found["moved"][1][..., others].abs().max() == 0
    assert found["moved"][0][..., others].norm(dim=-1).min() > 0.01
    assert (end.weights[0][1][:, ~kept[0]] == 0).all()
    _, foreign = score_net.parts(found["effect"])
    assert foreign[1].abs().max() == 0


def test_local_networks_do_not_swing_and_others_do():
    both = score_net.together([nets(runs=6, seed=6), nets(runs=6, seed=6, local=True)])
    _, found = score_net.train(PICTURES, both, None, batch=None)
    assert torch.allclose(found["time"], 0.2 * torch.arange(51).double())  # 400 steps of 0.025
    rises = swing(found["error"][..., score_net.HELD])
    assert rises[1].max() < 1e-6
    assert rises[0].median() > 0.01
    assert swing(found["tiled"]).max() < 1e-3


def test_kinds_trained_together_are_as_if_alone():
    kinds = [nets(), nets(local=True)]
    _, found = score_net.train(PICTURES, score_net.together(kinds), generator(7), steps=8, batch=4)
    for kind, net in enumerate(kinds):
        _, alone = score_net.train(PICTURES, net, generator(7), steps=8, batch=4)
        assert (found["error"][kind] - alone["error"]).abs().max() < 1e-12


def test_one_layer_from_zero_follows_its_closed_form():
    net = score_net.layer_from_zero(PICTURES, 40)
    end, found = score_net.train(PICTURES, net, generator(8), steps=120, rate=0.005, every=60)
    p, q = one_layer(PICTURES, found["time"])
    heard = score_net.response(PICTURES, end).mean(0)
    assert (heard.diagonal() - q[-1]).abs().max() < 0.01
    assert (heard - torch.diag(heard.diagonal())).abs().max() < 0.01
    alone = torch.stack([found["answer"][..., 2, 0], found["answer"][..., 1, 1]], -1).mean(0)
    told = (q + PICTURES.scale * p) * PICTURES.task.test_point
    assert (alone - told).abs().max() < 0.03


def test_networks_start_at_the_size_that_is_asked_for():
    usual = score_net.two_layers(PICTURES, 400, generator(9))
    assert usual.weights[0].shape == (400, 32, N + S)
    w = score_net.response(PICTURES, usual)
    assert (w.diagonal(dim1=-2, dim2=-1).mean(0) - 0.1).abs().max() < 0.01
    large = score_net.two_layers(PICTURES, 400, generator(9), omega=0.4)
    own = score_net.response(PICTURES, large).diagonal(dim1=-2, dim2=-1)
    assert (own.mean(0) - 0.4).abs().max() < 0.04
    signs = usual.weights[0][..., N:].sign().mean(1)  # of what units hear, all alike in a run
    assert (signs.abs() == 1).all()


def test_clocks():
    time = torch.arange(6) / 2
    curve = torch.tensor([[0.9, 0.4, 0.6, 0.2, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1, 0.1, 0.1]])
    assert score_net.last_above(curve, 0.3, time).tolist() == [1.0, 0.0]
    assert score_net.first_reaching(-curve, -0.3, time).tolist() == [1.5, 0.0]
    assert score_net.first_reaching(curve, 2.0, time).tolist() == [torch.inf, torch.inf]
    assert score_net.first_minimum(curve)[0] == 1
    lost = torch.tensor([1.0, torch.nan, 2.0])
    for read in (
        lambda: score_net.last_above(lost, 0.3, torch.arange(3)),
        lambda: score_net.first_reaching(lost, 1.5, torch.arange(3)),
        lambda: score_net.first_minimum(lost),
    ):
        with pytest.raises(ValueError, match="the curve is not finite"):
            read()


def test_parts_add_up_to_the_answer():
    net = nets(tied=False)
    found = score_net.measure(PICTURES, net)
    own, foreign = score_net.parts(found["effect"])
    w = score_net.response(PICTURES, net) * PICTURES.task.test_point
    assert (own - w.diagonal(dim1=-2, dim2=-1)).abs().max() < 1e-12
    assert (own + foreign - w.sum(-1)).abs().max() < 1e-12


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="multiple"):
        score_net.two_layers(PICTURES, 2, generator(1), width=7)
    with pytest.raises(ValueError, match="no matrix"):
        score_net.response(PICTURES, nets(relu=True))
    with pytest.raises(ValueError, match="closed form"):
        score_net.train(PICTURES, nets(relu=True), None, batch=None)
    with pytest.raises(ValueError, match="cannot be trained as one"):
        score_net.together([nets(), nets(relu=True)])
    with pytest.raises(ValueError, match="knows noise"):
        score_net.as_score(PICTURES, nets(), 0)(torch.zeros(N), 1.0, ())
    score = score_net.as_score(PICTURES, nets(), 0)
    for block in (-1, PICTURES.task.s):
        with pytest.raises(ValueError, match=f"no block {block}"):
            score(torch.zeros(N).double(), PICTURES.noise, ((block, 1.0),))
    with pytest.raises(ValueError, match="diverged by step"):
        score_net.train(PICTURES, nets(), generator(1), steps=200, rate=3.0)
