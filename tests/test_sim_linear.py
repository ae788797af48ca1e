import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from lib.sim import SIMTask, linear, ood_loss, population_loss, swing

PATIENT = settings(deadline=None)  # a first call of torch is slow on a busy machine
TASK = SIMTask((2, 1), (0.3, 0.5), d=3)


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def test_against_scipy():
    w0, t = normal(3, 3), torch.linspace(0, 4, 9, dtype=torch.float64)
    A = torch.diag(TASK.a).numpy()

    def field(_, flat):
        w = flat.reshape(3, 3)
        return (-(w - torch.eye(3).numpy()) @ A).ravel()

    solution = solve_ivp(field, (0, 4), w0.numpy().ravel(), "DOP853", t, rtol=1e-11, atol=1e-12)
    expected = torch.from_numpy(solution.y.T.copy()).reshape(9, 3, 3)
    w = linear.jacobian(TASK, w0, t)
    assert (w - expected).norm() < 1e-6 * expected.norm()


def test_against_gradient_descent():
    w = normal(3, 3).requires_grad_()
    rate, steps = 1e-4, 10_000
    expected = linear.jacobian(TASK, w.detach().clone(), rate * steps)
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(population_loss(w, TASK), w)
        w = (w - rate * gradient).detach().requires_grad_()
    assert (w - expected).norm() < 1e-3 * expected.norm()


def test_derivative_is_the_gradient_flow_of_the_loss():
    t = torch.tensor(0.7, dtype=torch.float64)
    w0 = normal(3, 3)
    velocity = torch.autograd.functional.jacobian(lambda t: linear.jacobian(TASK, w0, t), t)
    w = linear.jacobian(TASK, w0, t)
    gradient = torch.autograd.functional.jacobian(lambda w: population_loss(w, TASK), w)
    assert (velocity + gradient).norm() < 1e-12


@PATIENT
@given(st.integers(0, 1000), st.floats(0, 10))
def test_output_is_the_map_applied_to_any_input(seed, t):
    w0, z = normal(3, 3, seed=seed), normal(3, seed=seed + 1)
    f = linear.output(TASK, w0, t, z)
    assert (f - linear.jacobian(TASK, w0, t) @ z).norm() < 1e-12 * (1 + w0.norm())
    assert (linear.output(TASK, w0, 0, z) - w0 @ z).norm() < 1e-12 * (1 + w0.norm())


def test_coordinates_without_data_keep_their_initial_map():
    w0, e3 = normal(3, 3), torch.tensor([0.0, 0, 1])
    assert torch.equal(linear.output(TASK, w0, 1e3, e3), w0[:, 2])
    assert (linear.growth(TASK, 1e3, torch.ones(3)) - torch.tensor([1.0, 1, 0])).norm() < 1e-12


def test_leading_dimensions_broadcast():
    w0, t, z = normal(5, 1, 1, 3, 3), torch.linspace(0, 2, 4).double().unsqueeze(-1), normal(7, 3)
    f = linear.output(TASK, w0, t, z)
    assert f.shape == (5, 4, 7, 3)
    assert linear.jacobian(TASK, w0, t).shape == (5, 4, 1, 3, 3)
    torch.testing.assert_close(f[2, 3, 6], linear.output(TASK, w0[2, 0, 0], t[3, 0], z[6]))


def test_monotone_from_zero():
    t = torch.linspace(0, 8, 200, dtype=torch.float64)
    E = ood_loss(linear.jacobian(TASK, torch.zeros(3, 3), t), TASK)
    assert swing(E).item() == 0
    mu, a = TASK.test_point, TASK.a
    expected = (mu**2 * torch.exp(-2 * a * t.unsqueeze(-1))).sum(-1) / 2
    torch.testing.assert_close(E, expected)


def test_counterexample_is_not_monotone():
    # mu = (2, 1), a = (2, .5): sigma = 0. The error rises from .025 to .120 at t = .84, then to 0.
    task = SIMTask((2, 1), (0, 0))
    assert task.a.tolist() == [2, 0.5]
    t = torch.linspace(0, 30, 3001, dtype=torch.float64)
    E = ood_loss(linear.jacobian(task, [[0.9, 0], [0.45, 0]], t), task)
    assert E[0].item() == pytest.approx(0.025, abs=5e-4)
    assert E.max().item() == pytest.approx(0.120, abs=5e-4)
    assert t[E.argmax()].item() == pytest.approx(0.84, abs=5e-3)
    assert E[-1].item() < 1e-6


@PATIENT
@given(st.lists(st.integers(1, 4), max_size=3).filter(lambda shape: shape[-2:] != [3, 3]))
def test_initial_map_of_the_wrong_shape(shape):
    with pytest.raises(ValueError, match="w0 must have shape"):
        linear.output(TASK, torch.zeros(shape), 1.0, torch.ones(3))
    with pytest.raises(ValueError, match="w0 must have shape"):
        linear.jacobian(TASK, torch.zeros(shape), 1.0)


@PATIENT
@given(st.lists(st.floats(0, 10), min_size=2, max_size=6))
def test_times_that_go_backwards(t):
    if t == sorted(t):
        assert linear.output(TASK, torch.zeros(3, 3), t, torch.ones(3)).shape == (len(t), 3)
        return
    for times in (t, torch.tensor(t, dtype=torch.float64).unsqueeze(-1)):
        with pytest.raises(ValueError, match="backwards"):
            linear.output(TASK, torch.zeros(3, 3), times, torch.ones(3))


@PATIENT
@given(st.floats(max_value=-1e-9) | st.just(float("nan")) | st.just(float("inf")))
def test_times_that_are_none(t):
    with pytest.raises(ValueError, match=r"times must not be negative|t must be finite"):
        linear.jacobian(TASK, torch.zeros(3, 3), [0.0, t])


def test_inputs_of_the_wrong_shape():
    with pytest.raises(ValueError, match="z must have shape"):
        linear.output(TASK, torch.zeros(3, 3), 1.0, torch.ones(2))
    with pytest.raises(ValueError, match="do not broadcast"):
        linear.output(TASK, torch.zeros(5, 3, 3), torch.zeros(4), torch.ones(3))
