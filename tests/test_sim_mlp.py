from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lib.sim import SIMTask, linear, ood_loss, population_loss, swing, two_layer
from lib.sim.mlp import ACTIVATIONS, PRESETS, Setting, collect, draw, train

PATIENT = settings(deadline=None)  # a first call of torch is slow on a busy machine
SMALL = Setting((2, 1), (0.3, 0.5), d=3, hidden=5, n=50, batch=32, epochs=2, rate=0.05)


def run_by_torch(setting, seed):
    """The same run by torch.nn and torch.optim, and its loss at the held-out point each step."""
    run = draw(setting, seed)
    layers = []
    for w, b in zip(run.weights, run.biases, strict=True):
        layer = nn.Linear(w.shape[1], w.shape[0], bias=setting.bias, dtype=torch.float64)
        layer.weight.data.copy_(w)
        if setting.bias:
            layer.bias.data.copy_(b[:, 0])
        layers += [layer, nn.ReLU()] if setting.activation == "relu" else [layer]
    network = nn.Sequential(*layers[:-1] if setting.activation == "relu" else layers)
    optimizer = torch.optim.SGD(network.parameters(), lr=setting.rate)
    points = (run.basis @ run.points).T
    x_hat = run.basis @ torch.tensor(setting.mu, dtype=torch.float64)
    losses = []

    def evaluate():
        with torch.no_grad():
            losses.append(((network(x_hat) - x_hat) ** 2).sum().item() / 2)

    evaluate()
    for _ in range(setting.epochs):
        for x in points.split(setting.batch):
            optimizer.zero_grad()
            if setting.mean_over_d:
                loss = nn.functional.mse_loss(network(x), x)
            else:
                loss = ((network(x) - x) ** 2).sum(-1).mean() / 2
            loss.backward()
            optimizer.step()
            evaluate()
    return torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize("official", [False, True])
def test_against_torch(activation, layers, official):
    changes = {"layers": layers, "activation": activation}
    if official:
        changes |= dict.fromkeys(
            ("bias", "origin_cluster", "variance_as_sigma", "mean_over_d"), True
        )
    setting = replace(SMALL, **changes)
    both = [setting, replace(setting, mu=(1, 3), rate=0.02, scale=0.5)]
    found = collect(train(both, [0, 7], dtype=torch.float64))
    assert found["step"].tolist() == list(range(setting.steps + 1))
    for s, each in enumerate(both):
        for k, seed in enumerate((0, 7)):
            expected = run_by_torch(each, seed)
            error = (found["ood_loss"][s, k] - expected).norm()
            assert error < 1e-12 * expected.norm()


def test_what_is_not_said_is_as_in_the_public_code():
    plain, kinds = Setting((1, 2), (0.05, 0.05)), ("n", "batch", "rate", "epochs", "rotate")
    assert [getattr(plain, kind) for kind in kinds] == [5000, 128, 0.1, 40, True]
    assert all(PRESETS["paper"][kind] == getattr(plain, kind) for kind in kinds)
    assert (plain.d, plain.hidden, plain.layers, plain.scale) == (64, 64, 2, 1.0)
    assert not any((plain.tied, plain.bias, plain.correlation, plain.excluded))
    others = ("origin_cluster", "variance_as_sigma", "bias", "mean_over_d")
    assert Setting.preset("paper", (1, 2), (0.05, 0.05)) == plain
    assert PRESETS["official"] == PRESETS["paper"] | dict.fromkeys(others, True)


def test_float32_stays_near():
    fine = collect(train([SMALL], range(3), dtype=torch.float64))["ood_loss"]
    coarse = collect(train([SMALL], range(3)))["ood_loss"]
    assert (fine - coarse).norm() < 1e-5 * fine.norm()


def test_a_run_does_not_depend_on_its_ensemble():
    alone = collect(train([SMALL], [3], dtype=torch.float64))
    amid = collect(train([replace(SMALL, mu=(1, 1)), SMALL], [5, 3], dtype=torch.float64))
    for name in ("train_loss", "corner_loss", "outputs"):
        assert (alone[name][0, 0] - amid[name][1, 1]).norm() < 1e-12


def test_groups_of_runs_change_nothing(monkeypatch):
    together = collect(train([SMALL], range(5), dtype=torch.float64))["outputs"]
    monkeypatch.setattr("lib.sim.mlp.CACHED", 2 * SMALL.batch * SMALL.hidden)
    apart = collect(train([SMALL], range(5), dtype=torch.float64))["outputs"]
    assert (together - apart).norm() < 1e-12


def test_what_a_run_starts_from():
    setting = Setting.preset("official", (2, 1), (0.04, 0.25), d=8, hidden=6, layers=3)
    run = draw(setting, 0)
    assert run.points.shape == (2, 15_000)
    moment = run.points @ run.points.T / 15_000
    torch.testing.assert_close(moment.diagonal(), setting.task.a[:2], rtol=0.05, atol=0)
    assert setting.task.a[:2].tolist() == pytest.approx([0.04 + 4 / 3, 0.25 + 1 / 3])
    torch.testing.assert_close(run.basis.T @ run.basis, torch.eye(2).double())
    assert [tuple(w.shape) for w in run.weights] == [(6, 8), (6, 6), (8, 6)]
    assert max(w.abs().max() * w.shape[1] ** 0.5 for w in run.weights) <= 1
    assert run.weights[0].std().item() == pytest.approx((3 * 8) ** -0.5, rel=0.15)
    assert draw(replace(setting, bias=False), 0).biases[0].abs().max() == 0


def test_the_ball_about_the_held_out_point_is_empty_and_all_else_as_it_was():
    setting = Setting((1, 2), (0.5, 0.5), d=3, hidden=3, n=2000, batch=100, origin_cluster=True)
    whole, without = (draw(replace(setting, excluded=e), 3) for e in (False, True))
    away = (without.points - torch.tensor([[1.0], [2.0]])).norm(dim=0)
    near = (whole.points - torch.tensor([[1.0], [2.0]])).norm(dim=0) < 0.5
    assert away.min() >= 0.5
    assert 0.02 < near.double().mean() < 0.04
    assert torch.equal(whole.points[:, ~near], without.points[:, ~near])
    # What is drawn anew is of the same cluster: nearly all in the ball were of the second.
    assert (without.points[:, near].mean(1) - torch.tensor([-0.1, 2.0])).norm() < 0.3
    for one, other in zip(whole.weights, without.weights, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(whole.basis, without.basis)
    again = draw(replace(setting, excluded=True), 3)
    assert torch.equal(again.points, without.points)


@pytest.mark.parametrize("c", [0.0, 0.9, -1.0])
def test_tied_layers_correlate_as_told(c):
    setting = Setting((2, 1), (0, 0), d=4, hidden=400, tied=True, correlation=c)
    run = draw(setting, 0)
    w = run.basis.T @ run.weights[1] @ run.weights[0] @ run.basis
    assert torch.equal(run.weights[1], run.weights[0].T)
    assert (w[0, 1] / (w[0, 0] * w[1, 1]).sqrt()).item() == pytest.approx(c, abs=0.1)
    assert w[0, 0].item() == pytest.approx(400 / (3 * 4), rel=0.15)


def test_one_layer_follows_the_closed_form():
    setting = Setting((2, 1), (0.3, 0.5), d=2, layers=1, n=500, batch=1000, rate=0.01, epochs=100)
    setting = replace(setting, rotate=False)
    found = collect(train([setting], [0], dtype=torch.float64))
    w0 = draw(setting, 0).weights[0]
    expected = ood_loss(linear.jacobian(setting.task, w0, 0.01 * found["step"]), setting.task)
    assert (found["ood_loss"][0, 0] - expected).norm() < 0.05 * expected.norm()


def test_tied_linear_layers_follow_the_two_layer_flow():
    setting = Setting(
        (2, 1), (0.05, 0.05), d=2, hidden=4, n=100, batch=200, rate=0.01, epochs=400,
        scale=0.2, tied=True, correlation=0.9,
    )  # fmt: skip
    found = collect(train([setting], range(4), every=10, dtype=torch.float64))
    runs = [draw(setting, seed) for seed in range(4)]
    u = torch.stack([run.basis.T @ run.weights[1] for run in runs])
    a = torch.stack([(run.points**2).mean(-1) for run in runs])
    # The layers drift apart only slowly, and while they are tied W moves by V(W).
    w = two_layer.flow(u @ u.mT, a, 0.01 * found["step"])
    expected = ood_loss(w, setting.task)
    assert (found["ood_loss"][0] - expected).norm() < 0.1 * expected.norm()


def test_corners_and_training_loss():
    setting = replace(SMALL, d=2, layers=1, rotate=False, n=4000, epochs=1, batch=8000)
    first, last = train([setting], [1], dtype=torch.float64)
    w = draw(setting, 1).weights[0]
    corners = SIMTask(setting.mu, setting.sigma).corners()
    assert (first.outputs[0, 0] - corners @ w.T).norm() < 1e-12
    errors = ((corners @ w.T - corners) ** 2).sum(-1) / 2
    assert (first.corner_loss[0, 0] - errors).norm() < 1e-12
    assert first.ood_loss[0, 0].item() == pytest.approx(errors[-1].item())
    assert first.train_loss.item() == pytest.approx(
        population_loss(w, setting.task).item(), rel=0.1
    )
    assert last.step == 1
    assert last.train_loss < first.train_loss


def test_rotation_hides_nothing_from_a_rotated_network():
    setting = replace(SMALL, d=16, epochs=30)
    losses = collect(train([setting], range(4), every=10))["ood_loss"]
    assert losses[..., -1].max() < 0.1 * losses[..., 0].min()
    assert swing(losses).shape == (1, 4)


def test_evaluations_come_every_few_steps():
    assert [p.step for p in train([SMALL], [0], every=3)] == [0, 3, 6, 8]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_divergence_names_step_and_learning_rate(activation):
    calm = replace(SMALL, activation=activation, epochs=40)
    message = r"by step \d+ with learning rate 50 \(setting 1, seed 4\)"
    with pytest.raises(ValueError, match=message):
        list(train([calm, replace(calm, rate=50.0)], [4]))


@PATIENT
@given(st.sampled_from(["d", "hidden", "layers", "n", "batch", "epochs"]), st.integers(-3, 0))
def test_sizes_below_one(name, value):
    with pytest.raises(ValueError, match=r"at least 1|at least s"):
        replace(SMALL, **{name: value})


@PATIENT
@given(st.integers(1, 20), st.integers(1, 100), st.booleans())
def test_batch_larger_than_the_data(n, batch, origin):
    if batch > n * (2 + origin):
        with pytest.raises(ValueError, match="larger than"):
            replace(SMALL, n=n, batch=batch, origin_cluster=origin)
    else:
        assert replace(SMALL, n=n, batch=batch, origin_cluster=origin).points == n * (2 + origin)


@PATIENT
@given(st.text().filter(lambda name: name not in ACTIVATIONS))
def test_unknown_names(name):
    with pytest.raises(ValueError, match="activation must be one of"):
        replace(SMALL, activation=name)
    if name not in PRESETS:
        with pytest.raises(ValueError, match="preset must be one of"):
            Setting.preset(name, (2, 1), (0, 0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": 0}, "rate and scale"),
        ({"scale": float("nan")}, "rate and scale"),
        ({"correlation": 0.5}, "needs tied"),
        ({"tied": True, "correlation": 1.5}, "correlation"),
        ({"tied": True, "layers": 3}, "two layers"),
        ({"sigma": (0.1, -0.1)}, "negative"),
        ({"sigma": (0.1, -0.1), "variance_as_sigma": True}, "negative"),
        ({"mu": (1, 2, 3)}, "equally long"),
        ({"d": 1}, "at least s"),
    ],
)
def test_bad_settings(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **changes)


def test_settings_that_do_not_fit_together():
    for changes in ({"d": 4}, {"n": 40}, {"bias": True}, {"activation": "relu"}):
        with pytest.raises(ValueError, match="must share"):
            next(train([SMALL, replace(SMALL, **changes)], [0]))
    with pytest.raises(ValueError, match="at least one setting"):
        next(train([], [0]))


def test_a_ball_about_a_composition_of_either_sign():
    setting = Setting((2, -1), (0.3, 0.3), d=2, n=400, origin_cluster=True, excluded=True)
    near = (draw(setting, 0).points.T - setting.task.test_point).norm(dim=1).min()
    assert 0.5 <= near < 0.6


@pytest.mark.parametrize(
    ("mu", "changes", "message"),
    [
        ((1, 0), {"excluded": True}, "no mu of 0"),
        ((1,), {"excluded": True}, "two concepts or more"),
        ((1,), {"tied": True}, "tied layers need two concepts"),
    ],
)
def test_settings_of_too_few_concepts(mu, changes, message):
    with pytest.raises(ValueError, match=message):
        Setting(mu, [0.1] * len(mu), **changes)


@pytest.mark.parametrize(("seeds", "every"), [([], 1), ([0], 0)])
def test_a_training_of_nothing(seeds, every):
    with pytest.raises(ValueError, match="needs a seed and every of at least 1"):
        next(train([Setting((2, 1), (0.1, 0.1), d=2, n=8, batch=4)], seeds, every))
