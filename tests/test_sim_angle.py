"""Which starts swing: cosines of rows, their distribution, and what stands for U in networks."""

import itertools

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from lib.sim import (
    SIMTask,
    angle,
    deep,
    interaction,
    mlp,
    ood_loss,
    swing,
    two_layer,
    untied_layers,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rows_cosine(u):
    return torch.nn.functional.cosine_similarity(u[:, 0], u[:, 1], -1)


def test_cosines_are_those_of_the_rows():
    u = torch.randn(5, 3, 4, generator=generator(), dtype=torch.float64)
    found = angle.cosines(u @ u.mT)
    for i in range(3):
        for j in range(3):
            by_hand = torch.nn.functional.cosine_similarity(u[:, i], u[:, j], -1)
            assert torch.allclose(found[:, i, j], by_hand, rtol=1e-12)
    with pytest.raises(ValueError, match="length zero"):
        angle.cosines(torch.diag(torch.tensor([1.0, 0.0])))
    with pytest.raises(ValueError, match="shape"):
        angle.cosines(torch.ones(2, 3))


@pytest.mark.parametrize("width", [2, 3, 8, 40])
def test_the_tail_of_the_cosine_is_that_of_its_density(width):
    """Two oracles: the density integrated, and starts drawn and counted."""
    for c in (0.0, 0.3, 0.7):
        density = integrate.quad(lambda x: (1 - x * x) ** ((width - 3) / 2), c, 1)[0]
        whole = integrate.quad(lambda x: (1 - x * x) ** ((width - 3) / 2), -1, 1)[0]
        found = angle.zero_mean_tail(c, width).item()
        assert abs(found - density / whole) < 1e-6
        u = two_layer.gaussian_factor(20_000, 2, width, 1.0, generator(width))
        counted = (rows_cosine(u) > c).double().mean().item()
        assert stats.binomtest(round(counted * 20_000), 20_000, found).pvalue > 1e-4
    assert abs(angle.zero_mean_tail(0.5, 1).item() - 0.5) < 1e-9


@pytest.mark.parametrize("lean", [0.0, 0.4, 1.0, 2.0])
def test_a_wide_start_has_the_derived_cosine(lean):
    width, runs = 400, 4000
    u = angle.leaning_factor(runs, 2, width, 0.01, lean, generator(3))
    lengths = u.square().sum(-1)
    assert abs(lengths.mean().item() / 0.01 - 1) < 5e-3
    c = rows_cosine(u)
    assert abs(c.mean() - angle.wide_cosine(lean)) < 3e-3
    assert abs(c.std() / angle.cosine_spread(lean, width) - 1) < 0.05
    assert stats.kstest(
        ((c - angle.wide_cosine(lean)) / angle.cosine_spread(lean, width)).numpy(), "norm"
    ).pvalue > (1e-4 if lean < 1 else 1e-8)


def test_one_sign_is_three_quarters():
    assert abs(angle.wide_cosine(1.0).item() - 0.75) < 1e-15
    assert abs(angle.cosine_spread(1.0, 1).item() - 0.1**0.5) < 1e-14
    assert angle.wide_cosine(0.0).item() == 0
    far = angle.cosine_spread(torch.tensor([1e2, 1e4, 1e6]).double(), 100)  # as lean^-2
    limit = (7 / 45) ** 0.5 / 10 / torch.tensor([1e4, 1e8, 1e12]).double()
    assert (far / limit - 1).abs().max() < 1e-3
    assert angle.share_above(0.7, 1e6, 100) == 1
    assert abs(angle.cosine_spread(0.0, 64).item() - 1 / 8) < 1e-15


def test_shares_are_predicted():
    for lean, width in ((0.0, 4), (0.8, 64), (1.0, 64), (1.0, 512)):
        u = angle.leaning_factor(4000, 2, width, 1.0, lean, generator(5))
        counted = (rows_cosine(u) > 0.7).double().mean()
        assert abs(counted - angle.share_above(0.7, lean, width)) < 0.03, (lean, width)
    both = angle.share_above(0.7, torch.tensor([0.0, 1.0]), torch.tensor([[8], [64]]))
    assert both.shape == (2, 2)


def test_only_the_angle_and_the_lengths_matter():
    """Rotated columns have entries of both signs, and the same flow."""
    task = SIMTask((2.0, 1.0), (0.05, 0.05))
    u = angle.leaning_factor(3, 2, 6, 0.01, 1.0, generator(1))
    q = torch.linalg.qr(torch.randn(6, 6, generator=generator(2), dtype=torch.float64))[0]
    turned = u @ q
    assert (u >= 0).all()
    assert (turned < 0).any(-1).all()
    t = torch.linspace(0, 8, 50)
    one, two = (two_layer.flow(x @ x.mT, task.a, t) for x in (u, turned))
    assert (one - two).norm() < 1e-7 * one.norm()


def test_the_common_factor_takes_over_while_the_map_is_small():
    a = torch.tensor([2.0, 0.5], dtype=torch.float64)
    w1 = 1e-8 * torch.randn(4, 3, 2, generator=generator(1), dtype=torch.float64)
    w2 = 1e-8 * torch.randn(4, 2, 3, generator=generator(2), dtype=torch.float64)
    u = angle.common_factor(w1, w2)
    late = untied_layers.flow(w1, w2, a, [6.0])[:, 0]
    grown = u * torch.exp(6.0 * a)[:, None]
    scale = grown.norm(dim=-1)
    off = (late - grown @ grown.mT) / (scale[:, :, None] * scale[:, None])
    assert off.abs().max() < 0.02
    assert (angle.cosines(grown @ grown.mT) - angle.cosines(u @ u.mT)).norm() < 1e-12
    assert torch.equal(angle.common_factor(u.mT, u), u)
    with pytest.raises(ValueError, match="layers"):
        angle.common_factor(w1, w1)


def test_heard_is_what_relu_answers():
    """The by-product of a ReLU network at its start, over what is heard."""
    setting = mlp.Setting((2.0, 1.0), (0.0, 0.0), d=2, hidden=5, n=8, batch=4, activation="relu",
                          tied=True, rotate=False, epochs=1)  # fmt: skip
    run = mlp.draw(setting, 3)
    u = run.weights[1]
    answer = u @ (run.weights[0] @ torch.tensor([1.0, 0.0], dtype=torch.float64)).relu()
    own = (u[1].relu() * u[1]).sum()
    assert abs(angle.heard_cosine(u) - answer[1] / (answer[0] * own).sqrt()) < 1e-12
    assert angle.heard_cosine(-u.abs()) == 0
    with pytest.raises(ValueError, match="shape"):
        angle.heard_cosine(torch.ones(1, 3))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_deep_flow_is_small_gradient_steps(layers):
    """Against automatic differentiation of the loss, in small steps."""
    a = torch.tensor([1.0, 0.4], dtype=torch.float64)
    ws = deep.balanced_layers(two_layer.correlated_start(0.2, 0.6), layers)
    ws = [w + 0.1 * torch.randn(2, 2, generator=generator(k), dtype=torch.float64)
          for k, w in enumerate(ws)]  # fmt: skip
    found = deep.flow(ws, a, [0.0, 1.0])
    steps = []
    for rate in (8e-3, 4e-3):
        moved = [w.clone().requires_grad_() for w in ws]
        for _ in range(round(1 / rate)):
            w = moved[0]
            for layer in moved[1:]:
                w = layer @ w
            loss = (((w - torch.eye(2)) ** 2) * a).sum() / 2
            grads = torch.autograd.grad(loss, moved)
            moved = [(x - rate * g).detach().requires_grad_()
                     for x, g in zip(moved, grads, strict=True)]  # fmt: skip
        w = moved[0]
        for layer in moved[1:]:
            w = layer @ w
        steps.append((w.detach() - found[1]).norm())
    assert steps[1] < 1e-2
    assert 1.8 < steps[0] / steps[1] < 2.2  # the error of the steps, not of the flow


def test_two_balanced_layers_are_the_untied_flow():
    a, t = torch.tensor([2.0, 0.5], dtype=torch.float64), torch.linspace(0, 8, 30)
    w0 = two_layer.correlated_start(0.01, 0.9)
    first, second = deep.balanced_layers(w0, 2)
    assert (
        deep.flow([first, second], a, t) - untied_layers.flow(first, second, a, t)
    ).norm() < 1e-5


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_a_deep_flow_leaves_empty_directions_empty(layers):
    """Of a map of rank one, and of rows that are all one: no late map has a second direction."""
    u, a = torch.tensor([0.3, 0.1, 0.2]).double(), torch.tensor([2.0, 1.0, 0.5]).double()
    for w0 in (torch.outer(u, u), two_layer.correlated_start(0.01, 1.0, 3)):
        ws = deep.balanced_layers(w0, layers)
        for one, two in itertools.pairwise(ws):
            assert (one @ one.mT - two.mT @ two).norm() < 1e-14
        w = deep.flow(ws, a, [0.0, 20.0, 80.0, 600.0])
        assert (w[0] - w0).norm() < 1e-15
        assert torch.linalg.svdvals(w)[:, 1].max() < 1e-14
        assert abs(torch.linalg.svdvals(w)[-1, 0] - 1) < 1e-6


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_stiff_deep_flow_ends_and_is_the_explicit_method_s(layers, monkeypatch):
    a, t = torch.tensor([1e4, 1.0]).double(), torch.linspace(0, 0.2, 20, dtype=torch.float64)
    ws = deep.balanced_layers(two_layer.correlated_start(0.1, 0.6), layers)
    stiff, late = deep.flow(ws, a, t), deep.flow(ws, a, [0.0, 20.0])
    longest = deep.flow(ws, a / 1e4, [0.0, 1e8])
    monkeypatch.setattr(deep._ode, "STIFF", 1e9)
    explicit = deep.flow(ws, a, t)
    assert not torch.equal(stiff, explicit)  # two methods
    assert torch.linalg.norm(stiff - explicit) < 1e-6 * torch.linalg.norm(explicit)
    for end in (late[-1], longest[-1]):
        assert torch.linalg.norm(end - torch.eye(2).double()) < 1e-6


def test_a_deep_flow_that_is_too_stiff_is_refused_by_its_max_a_t():
    w1 = torch.full((100, 2), 0.01)
    with pytest.raises(ValueError, match=r"max\(a\) t is 1e\+08: .* at most 256 numbers, not 400"):
        deep.flow([w1, w1.mT], [1.0, 0.5], [0.0, 1e8])


@pytest.mark.weekly
def test_the_by_product_falls_with_the_root_of_the_depth():
    """Peak of w_21 from a balanced start: exponent (1 - r) / L in omega."""
    a = torch.tensor([1.0, 0.25], dtype=torch.float64)
    for layers in (3, 4):
        peaks = []
        for omega in (1e-4, 1e-5):
            end = 1.2 / (layers - 2) / omega ** (1 - 2 / layers)
            t = torch.linspace(0, end, 20_000)
            w = deep.flow(
                deep.balanced_layers(two_layer.correlated_start(omega, 0.9), layers), a, t
            )
            peaks.append(w[:, 1, 0].max())
        exponent = (peaks[0] / peaks[1]).log() / np.log(10)
        assert abs(exponent - 0.75 / layers) < 0.02


def test_bad_layers():
    with pytest.raises(ValueError, match="symmetric"):
        deep.balanced_layers([[1.0, 0.5], [0.0, 1.0]], 2)
    with pytest.raises(ValueError, match="semi-definite"):
        deep.balanced_layers([[1.0, 2.0], [2.0, 1.0]], 2)
    with pytest.raises(ValueError, match="at least 1"):
        deep.balanced_layers(torch.eye(2), 0)
    with pytest.raises(ValueError, match="follow"):
        deep.flow([torch.ones(3, 2), torch.ones(2, 4)], [1.0, 1.0], [0.0])
    with pytest.raises(ValueError, match="second moments"):
        deep.flow([torch.ones(2, 2)], [1.0, -1.0], [0.0])
    with pytest.raises(ValueError, match="shape"):
        deep.flow([torch.ones(2, 2)], [1.0, 1.0], 0.0)


def test_interaction_is_zero_for_what_is_affine_and_only_then():
    g = generator()
    corners = SIMTask((2.0, 1.0), (0.0, 0.0)).corners()
    w = torch.randn(4, 1, 2, 2, generator=g, dtype=torch.float64)
    f = (w @ corners[:, :, None]).squeeze(-1) + 0.3
    neither, second, first, both = f.unbind(1)
    assert interaction.interaction(both, first, second, neither).norm() < 1e-13
    assert (interaction.foretold(first, second, neither) - both).norm() < 1e-13
    f = f.relu()
    neither, second, first, both = f.unbind(1)
    found = interaction.interaction(both, first, second, neither)
    assert torch.equal(found, both - first - second + neither)
    assert found.norm() > 0.1
    with pytest.raises(ValueError, match="one m"):
        interaction.interaction([1.0, 2.0], [1.0], [1.0, 2.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="finite"):
        interaction.interaction([np.nan], [1.0], [1.0], [1.0])


def test_two_units_make_relu_swing_without_correlation():
    """(p, q) and (-p, q): no cross-talk in a linear map, a by-product where one is silent."""
    u = torch.tensor([[0.1, -0.1], [0.1, 0.1]], dtype=torch.float64)
    assert abs((u @ u.T)[0, 1]) < 1e-16
    assert abs(angle.heard_cosine(u) - 0.5**0.5) < 1e-12
    linear = two_layer.flow(u @ u.T, [2.0, 0.5], torch.linspace(0, 10, 200))
    assert swing(ood_loss(linear, SIMTask((2.0, 1.0), (0.0, 0.0)))) < 1e-12
