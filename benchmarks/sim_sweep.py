"""Speed of a sweep of two-layer flows, beside what a user would write instead.

    python benchmarks/sim_sweep.py

A phase diagram of 64 x 64 x 8 flows (r, c, omega), d = 2, up to t = 12 at 121 times. What runs one
flow at a time is timed on a few flows and multiplied up. Errors are the largest relative ones, by
the norm of W, against DOP853 at its tightest tolerance, over 16 flows. torchdiffeq and torchode,
where installed, integrate the same sweep with the same field, at the loosest power of ten of their
tolerance that keeps the error below 1e-6.
"""

import sys
import time
from importlib.util import find_spec
from pathlib import Path

import torch
from scipy.integrate import solve_ivp

sys.path.insert(0, str(Path(__file__).parents[1]))
from lib.sim import two_layer

TIMES = torch.linspace(0, 12, 121, dtype=torch.float64)


def sweep():
    omega = torch.logspace(-4, -1, 8, dtype=torch.float64)
    r, c = torch.linspace(0.05, 0.95, 64).double(), torch.linspace(0, 0.98, 64).double()
    omega, r, c = (x.ravel() for x in torch.meshgrid(omega, r, c, indexing="ij"))
    return two_layer.correlated_start(omega, c), torch.stack((torch.ones_like(r), r), -1) * 2


def seconds(function, *args, repeat=1):
    """Shortest wall time of a call, and what the call returned."""
    best = float("inf")
    for _ in range(repeat):
        start = time.perf_counter()
        result = function(*args)
        best = min(best, time.perf_counter() - start)
    return best, result


def one_solve_ivp_a_flow(w0, a, rtol=1e-8):
    def solve(w, b):
        A = torch.diag(b).numpy()

        def velocity(_, state):
            w = state.reshape(len(A), -1)
            x = (A - (A @ w + w @ A) / 2) @ w
            return (x + x.T).ravel()

        y = solve_ivp(velocity, (0, 12), w.ravel(), "DOP853", TIMES, rtol=rtol, atol=1e-4 * rtol).y
        return torch.from_numpy(y.T.copy()).reshape(-1, *w.shape)

    return torch.stack([solve(w, b) for w, b in zip(w0, a, strict=True)])


def torch_loop(w0, a, step, order):
    """One flow at a time, one step at a time: Euler (as the official code) or Runge-Kutta 4."""

    def velocity(w, A):
        x = (A - (A @ w + w @ A) / 2) @ w
        return x + x.T

    def stepped(w, A):
        k1 = velocity(w, A)
        if order == 1:
            return w + step * k1
        k2 = velocity(w + step / 2 * k1, A)
        k3 = velocity(w + step / 2 * k2, A)
        k4 = velocity(w + step * k3, A)
        return w + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    every, flows = round(0.1 / step), []
    for w, A in zip(w0, torch.diag_embed(a), strict=True):
        kept = [w]
        for k in range(1, 120 * every + 1):
            w = stepped(w, A)
            if k % every == 0:
                kept.append(w)
        flows.append(torch.stack(kept))
    return torch.stack(flows)


def batched_field(a):
    """The field on stacks (2, 2, B), entry by entry: the fastest form we know for torch."""
    a = a.T.contiguous()
    pair = (a[:, None] + a[None]) / 2
    growth = pair * torch.eye(2, dtype=a.dtype)[:, :, None]

    def velocity(w):
        k = growth - pair * w
        x = k[:, 0, None] * w[0] + k[:, 1, None] * w[1]
        return x + x.transpose(0, 1)

    return velocity


def with_torchdiffeq(w0, a, rtol):
    from torchdiffeq import odeint

    velocity = batched_field(a)
    start = w0.permute(1, 2, 0).contiguous()
    w = odeint(lambda _, w: velocity(w), start, TIMES, rtol=rtol, atol=1e-4 * rtol, method="dopri5")
    return w.permute(3, 0, 1, 2)


def with_torchode(w0, a, rtol):
    import torchode

    velocity = batched_field(a)

    def flat(_, w):
        return velocity(w.T.reshape(2, 2, -1)).reshape(4, -1).T

    term = torchode.ODETerm(flat)
    control = torchode.IntegralController(atol=1e-4 * rtol, rtol=rtol, term=term)
    solver = torchode.AutoDiffAdjoint(torchode.Tsit5(term=term), control)
    times = TIMES.expand(len(w0), -1)
    solution = solver.solve(torchode.InitialValueProblem(y0=w0.reshape(-1, 4), t_eval=times))
    return solution.ys.reshape(len(w0), -1, 2, 2)


def main():
    w0, a = sweep()
    few = torch.linspace(0, len(w0) - 1, 16).long()
    exact = one_solve_ivp_a_flow(w0[few], a[few], rtol=1e-13)

    def error(w):
        return ((w - exact).norm(dim=(-2, -1)) / exact.norm(dim=(-2, -1))).max().item()

    ours, w = seconds(two_layer.flow, w0, a, TIMES, repeat=3)
    print(f"{len(w0)} flows{'':33}seconds    error")
    print(f"{'two_layer.flow':45}{ours:9.1f}  {error(w[few]):.0e}")

    def row(name, total, w, note=""):
        print(f"{name:45}{total:9.1f}  {error(w):.0e}  {total / ours:8.1f} times ours{note}")
        return total / ours

    ratios = {}
    for name, key, function, args, count in (
        ("one solve_ivp (DOP853) a flow", "solve_ivp", one_solve_ivp_a_flow, (), 16),
        ("loop of torch RK4 steps, dt = .0125", "torch_loop", torch_loop, (0.0125, 4), 16),
        ("loop of torch Euler steps, dt = .01", "torch_loop_euler", torch_loop, (0.01, 1), 16),
    ):
        took, w = seconds(function, w0[few[:count]], a[few[:count]], *args)
        ratios[key] = row(name, took * len(w0) / count, w, f"  (from {count} flows)")
    for name, function, rtol in (
        ("torchdiffeq", with_torchdiffeq, 1e-7),
        ("torchode", with_torchode, 1e-7),
    ):
        if find_spec(name) is None:
            print(f"{name:45}not installed")
            continue
        took, w = seconds(function, w0, a, rtol)
        ratios[name] = row(f"{name}, all flows as one batch", took, w[few])

    growth()
    for name, value in ratios.items():
        print(f"ratio: {name} {value:.1f}")


def growth():
    """How the cost of `flow` grows with dimension, concepts and batch."""
    print(f"\n{'d':>4}{'s':>4}{'flows':>8}{'seconds':>10}{'ms a flow':>11}")
    cases = [(d, d, 64) for d in (2, 4, 8, 16, 32, 64)]
    cases += [(32, s, 64) for s in (2, 8)] + [(2, 2, flows) for flows in (1, 512, 4096, 32768)]
    for d, s, flows in cases:
        u = two_layer.gaussian_factor(flows, d, d, 0.01, torch.Generator().manual_seed(0))
        a = torch.zeros(d, dtype=torch.float64)
        a[:s] = torch.linspace(2, 0.5, s)
        took, _ = seconds(two_layer.flow, u @ u.mT, a, TIMES)
        print(f"{d:4}{s:4}{flows:8}{took:10.2f}{1000 * took / flows:11.2f}", flush=True)
    print()


if __name__ == "__main__":
    main()
