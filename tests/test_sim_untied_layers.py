import math

import pytest
import torch
from scipy.integrate import solve_ivp

from lib.book.runtime import generator
from lib.sim import SIMTask, mlp, two_layer, untied_layers


def layers(runs, d, width, scale, seed):
    draw = torch.randn(2, runs, width, d, generator=generator(seed), dtype=torch.float64) * scale
    return draw[0], draw[1].mT.contiguous()


def gradients(w1, w2, a):
    """Of the stated loss, by autograd."""
    w1, w2 = w1.clone().requires_grad_(), w2.clone().requires_grad_()
    error = (w2 @ w1 - torch.eye(len(a), dtype=a.dtype)) * a.sqrt()
    return torch.autograd.grad((error**2).sum() / 2, (w1, w2))


@pytest.mark.parametrize("width", [1, 2, 5])
def test_field_is_minus_the_gradient(width):
    a = torch.tensor([2.0, 0.7, 0.0], dtype=torch.float64)
    (w1,), (w2,) = layers(1, 3, width, 0.8, 1)
    g1, g2 = gradients(w1, w2, a)
    expected = -(w2 @ g1 + g2 @ w1)
    found = untied_layers.field(w2 @ w1, w1.mT @ w1, w2 @ w2.mT, a)
    assert (found - expected).norm() < 1e-13 * expected.norm()


def test_flow_against_a_solver_that_knows_only_the_loss():
    w1, w2 = layers(40, 2, 3, 0.1, 2)
    a = torch.tensor([2.0, 0.5], dtype=torch.float64)
    t = torch.tensor([0.0, 1.0, 4.0, 15.0], dtype=torch.float64)
    found = untied_layers.flow(w1, w2, a, t)
    for k in (0, 7, 39):
        start = torch.cat([w1[k].reshape(-1), w2[k].reshape(-1)]).numpy()

        def velocity(_, state):
            first, second = torch.as_tensor(state).reshape(2, -1)
            g1, g2 = gradients(first.reshape(3, 2), second.reshape(2, 3), a)
            return -torch.cat([g1.reshape(-1), g2.reshape(-1)]).numpy()

        solved = solve_ivp(velocity, (0, 15), start, "LSODA", t.numpy(), rtol=1e-10, atol=1e-12)
        first, second = torch.as_tensor(solved.y.T).reshape(4, 2, 6).unbind(1)
        expected = second.reshape(4, 2, 3) @ first.reshape(4, 3, 2)
        error = (found[k] - expected).norm(dim=(1, 2)) / expected.norm(dim=(1, 2))
        assert error.max() < 1e-6


def test_a_commuting_tied_start_is_the_tied_flow():
    a = torch.tensor([2.0, 0.5], dtype=torch.float64)
    t = torch.linspace(0, 8, 20, dtype=torch.float64)
    u = torch.diag(torch.tensor([0.1, 0.2], dtype=torch.float64))
    expected = torch.diag_embed(two_layer.commuting(u.diagonal() ** 2, a, t))
    assert (untied_layers.flow(u.mT, u, a, t) - expected).norm() < 1e-6 * expected.norm()


def test_the_hardest_flows_are_as_exact_as_told(monkeypatch):
    """One at work among a thousand at rest; and a concept that starts at nearly nothing."""
    a = torch.tensor([2.0, 0.5], dtype=torch.float64)
    u, t = torch.linalg.cholesky(two_layer.correlated_start(1e-3, 0.9)), torch.linspace(0, 8, 41)
    every = torch.eye(2, dtype=torch.float64).repeat(1001, 1, 1)
    every[500] = u
    small, late = torch.tensor([0.5, 1e-20]).double(), torch.linspace(0, 120, 200)
    root = torch.diag(small.sqrt())
    found = [
        untied_layers.flow(every.mT, every, a, t)[500],
        untied_layers.flow(root, root, a, late),
    ]
    monkeypatch.setattr(untied_layers, "RTOL", 1e-12)
    exact = [untied_layers.flow(u.mT, u, a, t)]
    exact.append(torch.diag_embed(two_layer.commuting(small, a, late)))
    for ours, expected in zip(found, exact, strict=True):
        error = (ours - expected).norm(dim=(1, 2)) / expected.norm(dim=(1, 2))
        assert error.max() < 1e-5


def test_a_correlated_tied_start_is_not():
    task, t = SIMTask((2, 1), (0.05, 0.05)), torch.linspace(0, 8, 20, dtype=torch.float64)
    u = torch.linalg.cholesky(two_layer.correlated_start(0.01, 0.9))
    tied = two_layer.flow(u @ u.mT, task.a, t)
    own = untied_layers.flow(u.mT, u, task.a, t)
    assert (tied[0] - own[0]).norm() < 1e-12
    assert (tied - own).norm(dim=(1, 2)).max() > 0.05
    start = untied_layers.field(
        u @ u.mT, u @ u.mT, u @ u.mT, task.a
    )  # symmetric part: the paper's V
    v = two_layer.field(u @ u.mT, task.a)
    assert ((start + start.mT) / 2 - v).norm() < 1e-12 * v.norm()


def test_layers_of_a_network_follow_it():
    setting = mlp.Setting(
        (2, 1), (0.05, 0.05), d=2, hidden=3, n=200, batch=400, rate=0.005, epochs=1500
    )
    run = mlp.draw(setting, 3)
    w1, w2 = run.weights[0] @ run.basis, run.basis.mT @ run.weights[1]
    second_moment = run.points @ run.points.T / run.points.shape[1]
    a = second_moment.diagonal()
    found = mlp.collect(mlp.train([setting], [3], 300, dtype=torch.float64))
    maps = untied_layers.flow(w1, w2, a, setting.rate * found["step"])
    outputs = maps @ torch.tensor(setting.mu, dtype=torch.float64)
    assert (found["outputs"][0, 0, :, -1] - outputs).norm() < 0.03 * outputs.norm()


def test_leading_dimensions_and_bad_input():
    w1, w2 = layers(6, 2, 3, 0.1, 4)
    a = torch.tensor([[1.0, 0.5], [2.0, 0.1]], dtype=torch.float64)
    many = untied_layers.flow(w1[:, None], w2[:, None], a, [0.0, 2.0, 2.0])
    assert many.shape == (6, 2, 3, 2, 2)
    assert (many[4, 1] - untied_layers.flow(w1[4], w2[4], a[1], [0.0, 2.0, 2.0])).norm() < 1e-6
    with pytest.raises(ValueError, match="layers must be"):
        untied_layers.flow(w1, w1, a[0], [1.0])
    with pytest.raises(ValueError, match="negative"):
        untied_layers.flow(w1, w2, -a[0], [1.0])
    with pytest.raises(ValueError, match="times"):
        untied_layers.flow(w1, w2, a[0], [-1.0])
    with pytest.raises(ValueError, match="shape"):
        untied_layers.flow(w1, w2, a[0], 1.0)
    with pytest.raises(ValueError, match="finite"):
        untied_layers.flow(w1 * math.nan, w2, a[0], [1.0])
    with pytest.raises(ValueError, match="m1"):
        untied_layers.field(torch.eye(2), torch.eye(3), torch.eye(2), a[0])


def test_a_stiff_flow_ends_and_is_the_explicit_method_s(monkeypatch):
    w1, w2 = layers(1, 2, 3, 0.1, 0)
    a, t = torch.tensor([1e4, 1.0]).double(), torch.linspace(0, 0.2, 20, dtype=torch.float64)
    stiff, late = untied_layers.flow(w1, w2, a, t), untied_layers.flow(w1, w2, a, [0.0, 20.0])
    longest = untied_layers.flow(w1, w2, a / 1e4, [0.0, 1e8])
    monkeypatch.setattr(untied_layers._ode, "STIFF", 1e9)
    explicit = untied_layers.flow(w1, w2, a, t)
    assert not torch.equal(stiff, explicit)  # two methods
    assert torch.linalg.norm(stiff - explicit) < 1e-6 * torch.linalg.norm(explicit)
    for end in (late[0, -1], longest[0, -1]):
        assert torch.linalg.norm(end - torch.eye(2).double()) < 1e-6


def test_what_is_too_stiff_is_refused_by_its_max_a_t():
    w1 = torch.full((100, 2), 0.01)
    with pytest.raises(ValueError, match=r"max\(a\) t is 1e\+08: .* at most 256 numbers, not 400"):
        untied_layers.flow(w1, w1.mT, [1.0, 0.5], [0.0, 1e8])
