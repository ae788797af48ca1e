"""Two symmetric linear layers f(x) = U U^T x on the SIM task, seen through W = U U^T.

`a` (..., d) is the diagonal of A, not negative; `w` (..., d, d) is symmetric and positive
semi-definite; their leading dimensions broadcast. Time is the paper's, in which the flow is
W' = V(W): twice the time of gradient flow on the loss 1/2 ||(W - I) A^{1/2}||_F^2 over U, because
V is exactly half of that flow's velocity. Everything is float64, on the CPU.
Source: Yang et al., arXiv 2410.08309, section on the symmetric two-layer model; what the book
derives itself is said to be so.
"""

from numbers import Real

import numpy as np
import torch

from lib.sim import _arguments, _ode

RTOL = 1e-10  # of the integrator, in the mean over a chunk; tests hold every flow to 1e-6
SMALL = 4  # largest dimension whose matrices are multiplied entry by entry
CHUNK = 8192  # numbers integrated as one system: its 13 work arrays then fit the cache


def field(w, a) -> torch.Tensor:
    """Velocity V(W) = WA + AW - 1/2 (A W^2 + W^2 A + 2 W A W). :eq:`eq-two-layer-field`

    Written as X + X^T with X = [A - 1/2 (AW + WA)] W, which needs one matrix product.

    Args:
        w: symmetric maps (..., d, d).
        a: diagonals of A (..., d).

    Returns:
        Velocities (..., d, d) in the paper's time.

    Raises:
        ValueError: wrong shapes, a negative, w not symmetric.
    """
    w, a = _state(w, a)
    x = (torch.diag_embed(a) - w * _pair_sum(a) / 2) @ w
    return x + x.mT


def terms(w, a) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Growth, suppression and noise of every entry: V = G - S - N. :eq:`eq-two-layer-terms`

    Args and errors as in `field`; each of the three has the shape (..., d, d).
    """
    w, a = _state(w, a)
    pair = _pair_sum(a)
    diagonal = w.diagonal(dim1=-2, dim2=-1)
    pull = (diagonal * a).unsqueeze(-1) * 3 + diagonal.unsqueeze(-1) * a.unsqueeze(-2)
    off = w - torch.diag_embed(diagonal)
    pulls = torch.where(torch.eye(w.shape[-1], dtype=torch.bool), pull, pull + pull.mT)
    growth, suppression = w * pair, w * pulls / 2
    noise = pair / 2 * (off @ off) + off * a.unsqueeze(-2) @ off
    return growth, suppression, noise


def flow(w0, a, t, rtol: float = RTOL) -> torch.Tensor:
    """W(t) from each initial map, in the paper's time.

    Integrated for the factor, U' = [A - 1/2 (AW + WA)] U: as a flow of W alone, a direction in
    which W0 vanishes is unstable, and rounding would fill it. Many flows make one system of
    equations for scipy's DOP853, so that they share the cost of its steps: on a sweep of 32,768
    flows 2.6 times as fast as torchdiffeq and 3.9 times as fast as torchode, and more exact
    (`benchmarks/sim_sweep.py`). Stiff flows, with max(a) t above a thousand, go alone by LSODA.

    Args:
        w0: initial maps (..., d, d), symmetric and positive semi-definite. An eigenvalue below
            1e-14 of the largest counts as zero.
        a: diagonals of A (..., d), not negative.
        t: times (T,), not negative and not going backwards; w0 is the map at time 0.
        rtol: of the integrator, in the mean over flows, in (0, 1e-2]. Two processors round
            differently, and may then step differently: their maps differ by some hundred times
            this.

    Returns:
        Maps (..., T, d, d), each within 1e-6 of its norm at the default `rtol`.

    Raises:
        ValueError: wrong shapes, a negative, w0 not symmetric or not positive semi-definite, bad
            times, a flow of more than 16 dimensions up to max(a) t beyond 1e6, bad rtol.
    """
    (w0, a), t = _state(w0, a), _grid(t)
    if not (isinstance(rtol, Real) and 0 < rtol <= 1e-2):
        raise ValueError(f"rtol must be a number in (0, 1e-2], not {rtol!r}")
    lead, d = w0.shape[:-2], w0.shape[-1]
    u0, a = _factor(w0).reshape(-1, d, d), a.reshape(-1, d)
    u = torch.empty(len(u0), len(t), d, d, dtype=torch.float64)
    for part, stiff in _ode.parts(a, t, d**2, max(1, CHUNK // d**2)):
        chunk = (x.numpy() for x in (u0[part], a[part], t))
        u[part] = torch.from_numpy(_integrate(*chunk, stiff, rtol))
    u = u.reshape(*lead, len(t), d, d)
    return u @ u.mT


def _integrate(
    u0: np.ndarray, a: np.ndarray, t: np.ndarray, stiff: bool, rtol: float
) -> np.ndarray:
    """The factors (B, T, d, d) of one chunk, from their start (B, d, d)."""
    d = u0.shape[-1]
    pair = (a[:, :, None] + a[:, None, :]) / 2
    growth = pair * np.eye(d)
    if d <= SMALL:  # flows along the last axis
        product, axes = _entrywise, (0, 1)
        u0, pair, growth = (x.transpose(1, 2, 0) for x in (u0, pair, growth))
    else:
        product, axes = np.matmul, (1, 2)

    def velocity(_, state):
        u = state.reshape(u0.shape)
        return product(growth - pair * product(u, u.swapaxes(*axes)), u).ravel()

    # Relative to each column: a direction in which W0 is small then keeps its own precision.
    size = np.linalg.norm(u0, axis=axes[0], keepdims=True)
    floor = np.broadcast_to(1e-3 * rtol * size + 1e-300, u0.shape).ravel()
    states = _ode.solve(velocity, u0.ravel(), t, floor, rtol, stiff)
    return np.moveaxis(states.reshape(*u0.shape, -1), axes, (-2, -1))


def _entrywise(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Matrix products of stacks (d, d, B), for small d faster than one matrix after another."""
    return sum(x[:, k, None] * y[k] for k in range(len(x)))


def recursion(w0, a, rate: float, steps: int) -> torch.Tensor:
    """The paper's discrete dynamics W <- W + rate V(W): (..., steps + 1, d, d), w0 first.

    It approximates `flow` at times rate * step, but drops the term of second order in the rate
    that gradient descent on U has, and with it the guarantee that W stays positive semi-definite.

    Raises:
        ValueError: as `flow`; divergence, naming step and rate.
    """
    w, a = _start(w0, a)
    maps = [w]
    for step in range(1, steps + 1):
        x = (torch.diag_embed(a) - w * _pair_sum(a) / 2) @ w
        w = _finite(w + rate * (x + x.mT), step, rate)
        maps.append(w)
    return torch.stack(maps, -3)


def descent(u0, a, rate: float, steps: int) -> torch.Tensor:
    """Gradient descent on the factor: U (..., steps + 1, d, width), u0 (..., d, width) first.

    Each step subtracts rate times half the gradient of 1/2 ||(U U^T - I) A^{1/2}||_F^2: half,
    so that step k lies near `flow` at time rate * k, in the paper's time.

    Raises:
        ValueError: wrong shapes, a negative; divergence, naming step and rate.
    """
    u = _arguments.as_float64(u0, "u0")
    if u.ndim < 2:
        raise ValueError(f"u0 must have shape (..., d, width), not {tuple(u.shape)}")
    a = _rates(a, u.shape[-2])
    factors = [u]
    for step in range(1, steps + 1):
        w = u @ u.mT
        u = _finite(u + rate * (torch.diag_embed(a) - w * _pair_sum(a) / 2) @ u, step, rate)
        factors.append(u)
    return torch.stack(torch.broadcast_tensors(*factors), -3)


def early_error(w0, a, t) -> torch.Tensor:
    """How far w_ij can have strayed from w_ij(0) e^{(a_i + a_j) t}. :eq:`eq-two-layer-early`

    sum_k (a_i + a_j + 2 a_k) / (4 a_k) w_kk(0) (e^{2 a_k t} - 1): at most this far from w_ij(0)
    lies w_ij(t) e^{-(a_i + a_j) t}, both over sqrt(w_ii(0) w_jj(0)), as correlations are. It holds
    from every initial map, and says something as long as it is below 1. Derived in the book.

    Args and errors as in `flow`.

    Returns:
        Bounds (..., T, d, d).
    """
    (w0, a), t = _start(w0, a), _grid(t)
    b, t = a.unsqueeze(-2), t.unsqueeze(-1)  # (..., 1, d), (T, 1)
    duration = torch.where(b > 0, torch.expm1(2 * b * t) / (2 * b), t)  # its limit t where a_k = 0
    diagonal, pair = w0.diagonal(dim1=-2, dim2=-1).unsqueeze(-2), _pair_sum(a).unsqueeze(-3)
    # Durations overflow at late times; what is none, or has no rate, adds nothing all the same.
    weight = torch.where(diagonal > 0, diagonal * duration, 0)  # (..., T, d)
    whole, shared = (x.sum(-1)[..., None, None] for x in (weight, b * weight))
    return torch.where(pair > 0, pair / 2 * whole, 0) + shared


def log_det_rate(w, a) -> torch.Tensor:
    """The determinant law d ln det W / dt = 2 tr A (I - W): (...). :eq:`eq-two-layer-determinant`

    Derived in the book. Args and errors as in `field`.
    """
    w, a = _state(w, a)
    return 2 * (a * (1 - w.diagonal(dim1=-2, dim2=-1))).sum(-1)


def commuting(diagonal, a, t) -> torch.Tensor:
    """The flow from a diagonal map, which commutes with A. :eq:`eq-two-layer-commuting`

    w_ii(t) = [1 + (1 / w_ii(0) - 1) e^{-2 a_i t}]^{-1}, each entry a logistic curve. Derived in
    the book.

    Args:
        diagonal: the w_ii(0) (..., d), not negative; 0 stays 0.
        a: diagonals of A (..., d), not negative.
        t: times (T,), not negative and not going backwards.

    Returns:
        The w_ii(t) (..., T, d).

    Raises:
        ValueError: wrong shapes, a or the diagonal negative, bad times.
    """
    w, t = _arguments.as_float64(diagonal, "diagonal"), _grid(t)
    if (w < 0).any():
        raise ValueError("diagonal must not be negative: W is positive semi-definite")
    a = _rates(a, w.shape[-1]).unsqueeze(-2)
    w, decay = w.unsqueeze(-2), torch.exp(-2 * a * t.unsqueeze(-1))
    return torch.where(w > 0, w / (w + (1 - w) * decay), 0)


def oja(w0, a, t) -> torch.Tensor:
    """The Oja surrogate U' = (I - U U^T) A U in closed form. :eq:`eq-two-layer-oja`

    W(t)^{-1} = I + e^{-At} (W0^{-1} - I) e^{-At}. It is not the SIM flow, from which it differs
    by a double commutator: V(W) = AW + WA - 2WAW - 1/2 [[A, W], W]. Derived in the book.

    Args and errors as in `flow`, but w0 must be positive definite: an eigenvalue below 1e-14 of
    the largest counts as zero.
    """
    (w0, a), t = _state(w0, a), _grid(t)
    if (_arguments.spectrum(w0, "W")[0] == 0).any():
        raise ValueError("w0 must be positive definite: the closed form inverts it")
    identity, inverse = torch.eye(w0.shape[-1], dtype=w0.dtype), torch.linalg.inv(w0)
    decay = torch.exp(-a.unsqueeze(-2) * t.unsqueeze(-1))  # (..., T, d)
    excess = decay.unsqueeze(-1) * (inverse - identity).unsqueeze(-3) * decay.unsqueeze(-2)
    return torch.linalg.inv(identity + excess)


def turning_level(a) -> torch.Tensor:
    """The w_ii above which a small entry w_ij shrinks: (..., d, d). :eq:`eq-two-layer-turning`

    2 (a_i + a_j) / (3 a_i + a_j), with w_jj and all other entries still small: growth then equals
    suppression. Derived in the book. `a` (..., d) as in `field`, and positive.
    """
    a = _rates(a, None)
    if (a == 0).any():
        raise ValueError("a must be positive: an entry without data neither grows nor turns")
    return 2 * _pair_sum(a) / (3 * a.unsqueeze(-1) + a.unsqueeze(-2))


def minor_peak(omega, r, c) -> torch.Tensor:
    """Peak of the minor entry w_12 as omega -> 0, to leading order. :eq:`eq-two-layer-scaling`

    c l^{(1+r)/2} (1-l)^{(1-r)/4} omega^{(1-r)/2}, with l = 2 (1+r) / (3+r) the `turning_level` of
    w_11, for w0 = omega [[1, c], [c, 1]] and a_2 = r a_1. The limit is at a fixed r < 1: it takes
    the second concept to be small while the first is learned, and is right to 2 % where
    omega^{(1-r)/2} is at most .06 and r at most .7. At r = 1 both grow together, and the law says
    nothing. Derived in the book.

    Args:
        omega: initial scales, not negative; r: ratios in [0, 1); c: correlations in [-1, 1]. They
            broadcast.

    Raises:
        ValueError: any of them outside its range.
    """
    omega = _arguments.within(omega, "omega", 0, torch.inf)
    r, c = _arguments.unequal(r), _arguments.within(c, "c", -1, 1)
    level = 2 * (1 + r) / (3 + r)
    shape = level ** ((1 + r) / 2) * (1 - level) ** ((1 - r) / 4)
    return c * shape * omega ** ((1 - r) / 2)


def correlated_start(omega, c, d: int = 2) -> torch.Tensor:
    """Initial maps omega [(1 - c) I + c 1 1^T], shape (..., d, d).

    Args:
        omega: diagonal entries, not negative; c: correlations in [-1 / (d - 1), 1]. They broadcast.
        d: dimension, at least 2.

    Raises:
        ValueError: omega or c outside its range, for then the map is not positive semi-definite.
    """
    if d < 2:
        raise ValueError(f"d must be at least 2 for entries to correlate, not {d}")
    omega = _arguments.within(omega, "omega", 0, torch.inf)[..., None, None]
    c = _arguments.within(c, "c", -1 / (d - 1), 1)[..., None, None]
    identity = torch.eye(d, dtype=torch.float64)
    return omega * ((1 - c) * identity + c)


def gaussian_factor(
    runs: int, d: int, width: int, omega: float, generator: torch.Generator
) -> torch.Tensor:
    """Independent normal factors U (runs, d, width), scaled so that E[(U U^T)_ii] = omega.

    Raises:
        ValueError: runs, d or width below 1, omega negative.
    """
    if min(runs, d, width) < 1:
        raise ValueError(f"runs, d and width must be at least 1, not {runs}, {d}, {width}")
    scale = (_arguments.within(omega, "omega", 0, torch.inf) / width).sqrt()
    return scale * torch.randn(runs, d, width, generator=generator, dtype=torch.float64)


def _pair_sum(a: torch.Tensor) -> torch.Tensor:
    return a.unsqueeze(-1) + a.unsqueeze(-2)


def _finite(value: torch.Tensor, step: int, rate: float) -> torch.Tensor:
    if not value.isfinite().all():
        raise ValueError(f"diverged at step {step} with rate {rate:g}: lower the rate")
    return value


def _grid(t) -> torch.Tensor:
    t = _arguments.times(t)
    if t.ndim != 1 or not len(t):
        raise ValueError(f"t must have shape (T,) with T >= 1, not {tuple(t.shape)}")
    return t


def _rates(a, d: int | None) -> torch.Tensor:
    a = _arguments.as_float64(a, "a")
    if not a.ndim or (d is not None and a.shape[-1] != d):
        raise ValueError(f"a must have shape (..., {d or 'd'}), not {tuple(a.shape)}")
    if (a < 0).any():
        raise ValueError(f"a holds second moments: {a.min().item():g} is negative")
    return a


def _state(w, a) -> tuple[torch.Tensor, torch.Tensor]:
    """Symmetric `w` (..., d, d) and `a` (..., d), checked and with equal leading dimensions."""
    w = _arguments.as_float64(w, "w")
    if w.ndim < 2 or w.shape[-1] != w.shape[-2]:
        raise ValueError(f"W must have shape (..., d, d), not {tuple(w.shape)}")
    if ((w - w.mT).abs() > 1e-9 * w.abs().amax((-2, -1), keepdim=True)).any():
        raise ValueError("W must be symmetric, as U U^T is")
    a = _rates(a, w.shape[-1])
    lead = _arguments.broadcast(w=w.shape[:-2], a=a.shape[:-1])
    return w.expand(*lead, *w.shape[-2:]), a.expand(*lead, a.shape[-1])


def _factor(w0: torch.Tensor) -> torch.Tensor:
    """A square U (..., d, d) with U U^T = w0; `ValueError` if w0 is not positive semi-definite."""
    values, vectors = _arguments.spectrum(w0, "W")
    return vectors * values.sqrt().unsqueeze(-2)


def _start(w0, a) -> tuple[torch.Tensor, torch.Tensor]:
    """`_state` of an initial map, which must be positive semi-definite as well."""
    w0, a = _state(w0, a)
    _factor(w0)
    return w0, a
