import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from lib.sim import SIMTask, ood_loss, phase, swing, two_layer

PATIENT = settings(deadline=None)  # a first call of torch is slow on a busy machine
CANONICAL = SIMTask((2, 1), (0.05, 0.05))
TIMES = torch.linspace(0, 12, 49, dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_map(d, width=None, omega=0.3, runs=1, seed=0):
    u = two_layer.gaussian_factor(runs, d, width or d, omega, seeded(seed))
    return (u @ u.mT).squeeze(0)


def random_rates(d, seed=0):
    return 2 * torch.rand(d, generator=seeded(seed), dtype=torch.float64)


def paper_field(w, a):
    A = np.diag(a)
    return w @ A + A @ w - (A @ w @ w + w @ w @ A + 2 * w @ A @ w) / 2


def dop853(w0, a, t):
    """One flow by scipy, with the field as the paper writes it."""
    d = len(a)

    def velocity(_, state):
        return paper_field(state.reshape(d, d), a.numpy()).ravel()

    solution = solve_ivp(
        velocity, (0, t[-1]), w0.ravel(), "DOP853", t, rtol=1e-13, atol=1e-15 * w0.norm().item()
    )
    return torch.from_numpy(solution.y.T.copy()).reshape(-1, d, d)


def dop853_factor(u0, a, t):
    """The same through the factor, by autograd: for maps that are not of full rank."""

    def loss(u):
        return (((u @ u.T - torch.eye(len(a))) * a.sqrt()) ** 2).sum() / 2

    def velocity(_, state):
        u = torch.from_numpy(state.copy()).reshape(u0.shape).requires_grad_()
        return -torch.autograd.grad(loss(u), u)[0].ravel().numpy() / 2

    solution = solve_ivp(velocity, (0, t[-1]), u0.ravel(), "DOP853", t, rtol=1e-11, atol=1e-13)
    u = torch.from_numpy(solution.y.T.copy()).reshape(-1, *u0.shape)
    return u @ u.mT


def worst(w, expected):
    """Largest relative error over the maps of a flow, each by its norm."""
    return ((w - expected).norm(dim=(-2, -1)) / expected.norm(dim=(-2, -1))).max().item()


@PATIENT
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_field_and_terms_are_the_papers(seed, d):
    w, a = random_map(d, seed=seed), random_rates(d, seed)
    expected = torch.from_numpy(paper_field(w.numpy(), a.numpy()))
    growth, suppression, noise = two_layer.terms(w, a)
    assert (two_layer.field(w, a) - expected).norm() < 1e-13 * (1 + w.norm() ** 2)
    assert (growth - suppression - noise - expected).norm() < 1e-13 * (1 + w.norm() ** 2)


def test_terms_entry_by_entry():
    d = 4
    w, a = random_map(d), random_rates(d)
    growth, suppression, noise = two_layer.terms(w, a)
    for i in range(d):
        for j in range(d):
            pull = w[i, i] * (3 * a[i] + a[j]) + (i != j) * w[j, j] * (3 * a[j] + a[i])
            others = [k for k in range(d) if k not in (i, j)]
            spread = sum(w[k, i] * w[k, j] * (a[i] + a[j] + 2 * a[k]) for k in others) / 2
            assert growth[i, j].item() == pytest.approx((w[i, j] * (a[i] + a[j])).item())
            assert suppression[i, j].item() == pytest.approx((w[i, j] * pull / 2).item())
            assert noise[i, j].item() == pytest.approx(spread.item())


def test_field_is_half_of_gradient_flow():
    u = two_layer.gaussian_factor(1, 3, 5, 0.3, seeded())[0].requires_grad_()
    a = random_rates(3)

    def loss(u):
        return (((u @ u.T - torch.eye(3)) * a.sqrt()) ** 2).sum() / 2

    (gradient,) = torch.autograd.grad(loss(u), u)
    velocity = -(gradient @ u.T + u @ gradient.T)
    assert (two_layer.field(u @ u.T, a) - velocity / 2).norm() < 1e-13


@pytest.mark.parametrize(("d", "width"), [(1, 1), (2, 2), (3, 8), (7, 9), (12, 12)])
def test_flow_against_scipy(d, width):
    w0, a = random_map(d, width, omega=0.01), random_rates(d)
    assert worst(two_layer.flow(w0, a, TIMES), dop853(w0, a, TIMES.numpy())) < 1e-6


@pytest.mark.parametrize(("d", "width"), [(2, 1), (3, 2), (7, 3)])
def test_flow_that_is_not_of_full_rank(d, width):
    u0, a = two_layer.gaussian_factor(1, d, width, 0.01, seeded())[0], random_rates(d)
    t = torch.linspace(0, 60, 25, dtype=torch.float64)
    w = two_layer.flow(u0 @ u0.mT, a, t)
    assert worst(w, dop853_factor(u0, a, t)) < 1e-6
    assert torch.linalg.matrix_rank(w[-1], atol=1e-9).item() == width


def test_flow_from_an_ill_conditioned_map():
    # The smallest eigenvalue, 1e-11 of the largest, decides when the second concept is learned.
    u0, a = torch.tensor([[1, 1], [1, 1 + 4e-6]]).double() / 10, CANONICAL.a
    t = torch.linspace(0, 60, 25, dtype=torch.float64)
    assert worst(two_layer.flow(u0 @ u0.mT, a, t), dop853_factor(u0, a, t)) < 1e-3


@pytest.mark.parametrize("omega", [1e-12, 1e-4, 0.1, 3.0])
def test_flow_against_scipy_at_any_scale(omega):
    w0 = two_layer.correlated_start(omega, 0.9)
    w = two_layer.flow(w0, CANONICAL.a, TIMES)
    assert worst(w, dop853(w0, CANONICAL.a, TIMES.numpy())) < 1e-6


def test_one_hard_flow_among_easy_ones():
    # The integrator's error is a mean over the flows that share a step: the hardest case for it.
    w0 = torch.eye(2, dtype=torch.float64).repeat(2048, 1, 1)
    w0[77] = two_layer.correlated_start(1e-4, 0.9)
    a = CANONICAL.a.repeat(2048, 1)
    a[77] *= 3
    w = two_layer.flow(w0, a, TIMES)
    assert worst(w[77], dop853(w0[77], a[77], TIMES.numpy())) < 1e-6
    assert worst(w[5], torch.eye(2)) < 1e-6


def test_flow_is_batched():
    w0 = torch.stack([random_map(3, seed=s) for s in range(5)]).reshape(5, 1, 3, 3)
    a = torch.stack([random_rates(3, s) for s in range(4)])
    w = two_layer.flow(w0, a, TIMES)
    assert w.shape == (5, 4, 49, 3, 3)
    assert worst(w[3, 2], two_layer.flow(w0[3, 0], a[2], TIMES)) < 1e-6
    assert torch.equal(w, w.mT)


def test_times_of_a_flow():
    w0, a = random_map(2), random_rates(2)
    assert worst(two_layer.flow(w0, a, [0.0]), w0) < 1e-14
    repeated = two_layer.flow(w0, a, [0.5, 0.5, 2.0])
    assert torch.equal(repeated[0], repeated[1])
    assert worst(repeated[2], two_layer.flow(w0, a, [2.0])[0]) < 1e-6


def test_gradient_descent_on_the_factor_follows_the_flow():
    u0, a = two_layer.gaussian_factor(2, 2, 3, 0.1, seeded()), CANONICAL.a
    u = two_layer.descent(u0, a, rate=1e-3, steps=3000)
    w = two_layer.flow(u0 @ u0.mT, a, 1e-3 * torch.arange(3001).double())
    assert worst(u @ u.mT, w) < 5e-3
    fine = two_layer.descent(u0, a, rate=2.5e-4, steps=12_000)[:, ::4]
    assert worst(fine @ fine.mT, w) < 2e-3  # its error falls with the rate


def test_descent_is_gradient_descent():
    u = two_layer.gaussian_factor(1, 3, 2, 0.3, seeded())[0]
    a, v = random_rates(3), u.clone()
    for _ in range(20):
        v.requires_grad_()
        loss = (((v @ v.T - torch.eye(3)) * a.sqrt()) ** 2).sum() / 2
        (gradient,) = torch.autograd.grad(loss, v)
        v = (v - 0.1 * gradient / 2).detach()
    assert (two_layer.descent(u, a, 0.1, 20)[-1] - v).norm() < 1e-12


def test_recursion_is_eulers_method():
    w0, a = random_map(3), random_rates(3)
    first, second = two_layer.recursion(w0, a, 0.1, 2)[1:]
    assert (first - w0 - 0.1 * two_layer.field(w0, a)).norm() < 1e-14
    assert (second - first - 0.1 * two_layer.field(first, a)).norm() < 1e-14


@pytest.mark.parametrize("omega", [1e-4, 0.05, 2.0])
def test_early_error_bounds_what_happens(omega):
    w0 = random_map(3, omega=omega, runs=200)
    a, t = torch.tensor([1.0, 0.4, 0]).double(), torch.linspace(0.01, 4, 40).double()
    grown = torch.exp((a[:, None] + a) * t[:, None, None])
    diagonal = w0.diagonal(dim1=-2, dim2=-1)
    size = (diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)).sqrt().unsqueeze(1)
    strayed = (two_layer.flow(w0, a, t) / grown - w0.unsqueeze(1)).abs() / size
    ratio = strayed / two_layer.early_error(w0, a, t)
    assert ratio.max() < 1 + 1e-6
    assert ratio.max() > 0.9  # and it is sharp: some entries come that close


def test_early_error_of_one_coordinate():
    # d = 1: 2 w0 (e^{2at} - 1) / 2, to be compared with the logistic curve.
    bound = two_layer.early_error([[0.1]], [1.5], [0.0, 0.2])
    assert bound.flatten().tolist() == pytest.approx([0, 0.1 * np.expm1(0.6)])


def test_at_late_times_what_is_not_there_adds_nothing():
    assert two_layer.commuting([0.0, 0.5], [1.0, 1.0], [400.0]).tolist() == [[0.0, 1.0]]
    late = two_layer.early_error(torch.diag(torch.tensor([0.0, 0.5])), [1.0, 0.0], [1.0, 400.0])
    assert late[1].flatten().tolist() == pytest.approx([200, 100, 100, 0])  # a_ij t w_22
    grown = two_layer.early_error(torch.diag(torch.tensor([0.5, 0.0])), [1.0, 0.0], [400.0])
    assert (grown == torch.inf).all()


@pytest.mark.parametrize("rtol", [0, -1, 0.1, float("nan"), float("inf"), "1e-9", None])
def test_a_tolerance_that_is_none(rtol):
    with pytest.raises(ValueError, match=r"rtol must be a number in \(0, 1e-2\]"):
        two_layer.flow(random_map(2), random_rates(2), [1.0], rtol)


def test_determinant_law():
    w0, a = random_map(3), random_rates(3)
    t = torch.linspace(0, 3, 301, dtype=torch.float64)
    w = two_layer.flow(w0, a, t)
    rate = two_layer.log_det_rate(w, a)
    integral = torch.cumulative_trapezoid(rate, t)
    assert (torch.logdet(w)[1:] - torch.logdet(w0) - integral).norm() < 1e-3


def test_full_rank_reaches_the_identity():
    w0, a = random_map(3, omega=1e-3), torch.tensor([2.0, 1.0, 0.3]).double()
    w = two_layer.flow(w0, a, [60.0])[0]
    assert (w - torch.eye(3)).norm() < 1e-6


def test_commuting_solution():
    diagonal, a = torch.tensor([[0.01, 0.2, 0], [1.5, 1, 3]]).double(), random_rates(3)
    w = two_layer.flow(torch.diag_embed(diagonal), a, TIMES)
    expected = torch.diag_embed(two_layer.commuting(diagonal, a, TIMES))
    assert worst(w, expected) < 1e-6
    formula = 1 / (1 + (1 / diagonal[1] - 1) * torch.exp(-2 * a * 3))
    assert (two_layer.commuting(diagonal, a, [3.0])[1, 0] - formula).norm() < 1e-12


def test_oja_surrogate():
    w0, a = random_map(3), random_rates(3)
    A = torch.diag(a)

    def velocity(_, state):
        w = torch.from_numpy(state).reshape(3, 3)
        return (A @ w + w @ A - 2 * w @ A @ w).ravel().numpy()

    t = TIMES.numpy()
    solution = solve_ivp(velocity, (0, 12), w0.ravel(), "DOP853", t, rtol=1e-12, atol=1e-14)
    expected = torch.from_numpy(solution.y.T.copy()).reshape(-1, 3, 3)
    assert worst(two_layer.oja(w0, a, TIMES), expected) < 1e-9
    w = random_map(3, seed=1)
    commutator = A @ w - w @ A
    surrogate = A @ w + w @ A - 2 * w @ A @ w
    expected = surrogate - (commutator @ w - w @ commutator) / 2
    assert (two_layer.field(w, a) - expected).norm() < 1e-13


def test_oja_and_the_flow_in_the_canonical_case():
    w0 = two_layer.correlated_start(0.01, 0.9)
    t = torch.linspace(0, 12, 1201, dtype=torch.float64)
    ours, oja = two_layer.flow(w0, CANONICAL.a, t), two_layer.oja(w0, CANONICAL.a, t)
    diagonals = (ours - oja).diagonal(dim1=-2, dim2=-1).abs()
    assert diagonals.max().item() == pytest.approx(0.011, abs=5e-4)
    assert swing(ood_loss(oja, CANONICAL)) > 1e-3
    assert oja[:, 0, 1].max() < ours[:, 0, 1].max()  # stronger suppression
    commuting = torch.diag(torch.tensor([0.01, 0.02]).double())
    assert (
        worst(two_layer.flow(commuting, CANONICAL.a, t), two_layer.oja(commuting, CANONICAL.a, t))
        < 1e-6
    )


def test_rank_one_ends_at_the_partial_composition():
    u0 = torch.tensor([0.1, 0.1], dtype=torch.float64)
    w = two_layer.flow(torch.outer(u0, u0), CANONICAL.a, TIMES)
    # u(t) stays along e^{A tau} u0, for some tau: one number explains the whole map.
    tau = torch.log(w[:, 0, 0] / w[:, 1, 1]) / (2 * (CANONICAL.a[0] - CANONICAL.a[1]))
    direction = torch.exp(tau.unsqueeze(-1) * CANONICAL.a) * u0
    unit = direction / direction.norm(dim=-1, keepdim=True)
    trace = w.diagonal(dim1=-2, dim2=-1).sum(-1)
    expected = trace[:, None, None] * unit.unsqueeze(-1) * unit.unsqueeze(-2)
    assert (w - expected).norm(dim=(-2, -1)).max() < 1e-6
    E = ood_loss(two_layer.flow(torch.outer(u0, u0), CANONICAL.a, [0, 1, 40.0]), CANONICAL)
    assert E[-1].item() == pytest.approx(0.5, abs=1e-6)
    assert E.min() < 0.5


def test_turning_level_is_where_growth_equals_suppression():
    a = random_rates(3)
    level = two_layer.turning_level(a)
    w = 1e-9 * (torch.ones(3, 3) + torch.eye(3)).double()
    w[0, 0] = level[0, 2]
    growth, suppression, _ = two_layer.terms(w, a)
    assert ((growth - suppression)[0, 2] / growth[0, 2]).abs() < 1e-8
    assert level[0, 0].item() == pytest.approx(1)


def test_minor_peak_law():
    q = 2 * 1.25 / 0.75
    expected = 0.5 * q**0.625 * (1 + q) ** (-3.25 / 4) * 1e-6**0.375
    assert two_layer.minor_peak(1e-6, 0.25, 0.5).item() == pytest.approx(expected, rel=1e-12)
    peak = phase.flows(1e-6, 0.25, 0.5, 20_000)[:, 0, 1].max().item()
    assert peak == pytest.approx(expected, rel=1e-4)
    practical = phase.flows(0.01, 0.25, [0.1, 0.5, 0.9], 4000)[..., 0, 1].amax(-1)
    ratio = practical / two_layer.minor_peak(0.01, 0.25, [0.1, 0.5, 0.9])
    assert ratio.min() > 0.8
    assert ratio.max() < 1


def test_scaling_exponent():
    omega = torch.logspace(-12, -8, 5, dtype=torch.float64)
    peak = phase.flows(omega, 0.25, 0.9, 20_000)[..., 0, 1].amax(-1)
    exponents = peak.log().diff() / omega.log().diff()
    assert (exponents - 0.375).abs().max() < 1e-3


def test_published_discrete_settings():
    # The official figure code: its A^2 instead of A, its seeds, U = rand / 5 or rand / 10.
    u = torch.rand(3, 3, generator=seeded(2333)).double() / 5
    task = SIMTask((1, 1.5), (0.05, 0.05), d=3)
    a = task.a + torch.tensor([0, 0, 0.05**2])  # there sigma is on the third diagonal entry too
    for power, expected in ((1, (0.0308, 0.0320)), (2, (0.1810, 0.2546))):
        E = ood_loss(two_layer.recursion(u @ u.T, a**power, 0.01, 2000), task)
        turns = (E.diff().sign().diff() != 0).nonzero().flatten() + 1
        assert E[turns].tolist() == pytest.approx(expected, abs=5e-5)


def test_recursion_loses_positive_semidefiniteness():
    task = SIMTask((0.7, 1.7, 3), (0.05,) * 3)
    u = torch.rand(3, 3, generator=seeded(233333)).double() / 10
    w = two_layer.recursion(u @ u.T, task.a**2, 0.01, 200)
    lowest = torch.linalg.eigvalsh(w)[:, 0]
    assert (lowest < -1e-12).nonzero()[0].item() - 1 == 31  # counted from 0, as there
    factors = two_layer.descent(u, task.a**2, 0.01, 200)
    assert torch.linalg.eigvalsh(factors @ factors.mT).min() > -1e-12


@PATIENT
@given(st.floats(0.01, 10), st.integers(0, 5), st.integers(0, 1))
def test_maps_that_are_no_square_of_a_factor(size, seed, kind):
    bad = random_map(3, seed=seed)
    if kind:
        bad[0, 1] += size
    else:
        bad -= (bad.norm() + size) * torch.eye(3)
    message = "symmetric" if kind else "positive semi-definite"
    for solve in (two_layer.flow, two_layer.oja):
        with pytest.raises(ValueError, match=message):
            solve(bad, torch.ones(3), [1.0])
    with pytest.raises(ValueError, match=message):
        two_layer.recursion(bad, torch.ones(3), 0.1, 1)


@pytest.mark.parametrize("width", [0, -1])
def test_width_below_one(width):
    with pytest.raises(ValueError, match="width must be at least 1"):
        two_layer.gaussian_factor(3, 2, width, 0.1, seeded())


def test_bad_input():
    w0, a = random_map(3), random_rates(3)
    with pytest.raises(ValueError, match="a must have shape"):
        two_layer.flow(w0, a[:2], [1.0])
    with pytest.raises(ValueError, match="negative"):
        two_layer.flow(w0, -a, [1.0])
    with pytest.raises(ValueError, match="W must have shape"):
        two_layer.flow(w0[:2], a, [1.0])
    with pytest.raises(ValueError, match="backwards"):
        two_layer.flow(w0, a, [1.0, 0.5])
    with pytest.raises(ValueError, match="t must have shape"):
        two_layer.flow(w0, a, 1.0)
    with pytest.raises(ValueError, match="broadcast"):
        two_layer.flow(w0.expand(2, 3, 3), a.expand(5, 3), [1.0])
    with pytest.raises(ValueError, match="positive definite"):
        two_layer.oja(torch.ones(3, 3), a, [1.0])
    for seed in range(5):  # of rank one, which only some of them show as a pivot of zero
        with pytest.raises(ValueError, match="positive definite"):
            two_layer.oja(random_map(3, width=1, seed=seed), a, [1.0])
    with pytest.raises(ValueError, match="c must lie"):
        two_layer.correlated_start(0.1, 1.1)
    with pytest.raises(ValueError, match="positive"):
        two_layer.turning_level([1.0, 0.0])


def test_divergence_names_step_and_rate():
    w0, a = random_map(2), torch.tensor([30.0, 1.0])
    with pytest.raises(ValueError, match=r"diverged at step \d+ with rate 0.5"):
        two_layer.recursion(w0, a, 0.5, 200)
    with pytest.raises(ValueError, match=r"diverged at step \d+ with rate 0.5"):
        two_layer.descent(two_layer.gaussian_factor(1, 2, 2, 0.1, seeded()), a, 0.5, 200)


STIFF = torch.tensor([1e4, 1.0], dtype=torch.float64)


@pytest.mark.parametrize(
    ("a", "end"), [(STIFF, 20.0), (STIFF * 1e-2, 50.0), (torch.ones(2).double(), 1e8)]
)
def test_a_stiff_flow_ends_and_is_the_closed_form_s(a, end):
    start = torch.tensor([1e-3, 1e-5], dtype=torch.float64)
    t = torch.linspace(0, end, 50, dtype=torch.float64)
    found = two_layer.flow(torch.diag(start), a, t)
    exact = torch.diag_embed(two_layer.commuting(start, a, t))
    error = torch.linalg.matrix_norm(found - exact) / torch.linalg.matrix_norm(exact)
    assert error.max() < 1e-7


def test_a_stiff_flow_of_correlated_concepts_is_the_explicit_method_s(monkeypatch):
    w0, t = two_layer.correlated_start(1e-3, 0.5), torch.linspace(0, 0.2, 20, dtype=torch.float64)
    stiff = two_layer.flow(w0, STIFF, t)
    monkeypatch.setattr(two_layer._ode, "STIFF", 1e9)
    explicit = two_layer.flow(w0, STIFF, t)
    assert not torch.equal(stiff, explicit)  # two methods
    assert torch.linalg.norm(stiff - explicit) < 1e-7 * torch.linalg.norm(explicit)
    monkeypatch.undo()
    late = two_layer.flow(w0, STIFF, [0.0, 20.0])
    assert torch.linalg.norm(late[-1] - torch.eye(2).double()) < 1e-7


def test_stiff_flows_among_others_keep_their_places_and_empty_directions_stay_empty():
    line = torch.tensor([[0.01], [0.02]], dtype=torch.float64)
    w0 = torch.stack(
        [two_layer.correlated_start(1e-3, 0.5), line @ line.mT, torch.zeros(2, 2).double()]
    )
    w0, a = w0.unsqueeze(1), torch.stack([STIFF, STIFF / 1e4])
    t = torch.tensor([0.0, 0.0, 1.0, 20.0], dtype=torch.float64)
    together = two_layer.flow(w0, a, t)
    for i, j in np.ndindex(3, 2):
        single = two_layer.flow(w0[i, 0], a[j], t)
        assert torch.linalg.norm(together[i, j] - single) < 1e-7 * torch.linalg.norm(single) + 1e-30
    assert torch.linalg.matrix_rank(together[1]).max() == 1
    assert not together[2].any()


def test_what_is_too_stiff_is_refused_by_its_max_a_t():
    with pytest.raises(ValueError, match=r"max\(a\) t is 2e\+08: beyond 1e\+06 .* not 289"):
        two_layer.flow(torch.eye(17) * 1e-3, torch.linspace(1, 2, 17), [0.0, 1e8])


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_symmetry_is_asked_for_relative_to_the_size_of_w(size):
    off = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    w, a = size * torch.eye(2).double(), torch.ones(2)
    two_layer.field(w + 1e-10 * size * off, a)
    with pytest.raises(ValueError, match="symmetric"):
        two_layer.field(w + 1e-8 * size * off, a)
