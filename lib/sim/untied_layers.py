"""Two linear layers with weights of their own, f(x) = W2 W1 x, on the SIM task, as W = W2 W1.

What the two tied layers of `lib.sim.two_layer` become when each layer moves by its own gradient, as
the layers of a network do. Time is gradient flow's: steps times learning rate. From a tied start
that is the paper's time, for each of the two layers brings half of the tied model's velocity.
Derived in the book. Everything is float64, on the CPU.
"""

import numpy as np
import torch

from lib.sim import _arguments, _ode

RTOL = 1e-8  # of the integrator, in the mean over a chunk: see `flow` for what that gives each
CHUNK = 8192  # numbers integrated as one system, which then fits the cache


def field(w, m1, m2, a) -> torch.Tensor:
    """Velocity W' = R M1 + M2 R of the whole map, R = (I - W) A. :eq:`eq-untied-field`

    Args:
        w: maps W2 W1 (..., d, d). m1: W1^T W1 and m2: W2 W2^T, each (..., d, d).
        a: diagonals of A (..., d), not negative.

    Returns:
        Velocities (..., d, d).

    Raises:
        ValueError: wrong shapes, a negative.
    """
    a = _rates(a)
    w, m1, m2 = (
        _arguments.square(m, n, a.shape[-1]) for m, n in ((w, "w"), (m1, "m1"), (m2, "m2"))
    )
    missing = (torch.eye(a.shape[-1], dtype=w.dtype) - w) * a.unsqueeze(-2)
    return missing @ m1 + m2 @ missing


def flow(w1, w2, a, t) -> torch.Tensor:
    """W(t) = W2 W1 from each pair of layers, under gradient flow on the SIM loss.

    The layers are integrated, W1' = W2^T (I - W) A and W2' = (I - W) A W1^T, many pairs as one
    system of equations for scipy's DOP853; stiff pairs, with max(a) t above a thousand, alone by
    LSODA.

    Args:
        w1: first layers (..., width, d). w2: second layers (..., d, width).
        a: diagonals of A (..., d), not negative.
        t: times (T,), not negative and not going backwards; the layers given are those at time 0.

    Returns:
        Maps (..., T, d, d), each within 1e-6 of its norm where flows are alike. The tolerance is of
        a chunk's mean and relative to the whole pair: one at work among a thousand at rest, or from
        a concept of 1e-20 of the other, is within 1e-5.

    Raises:
        ValueError: wrong shapes, a negative, bad times, a flow of more than 256 weights up to
            max(a) t beyond 1e6.
    """
    a, t = _rates(a), _arguments.times(t)
    w1, w2 = _arguments.as_float64(w1, "w1"), _arguments.as_float64(w2, "w2")
    d = a.shape[-1]
    if min(w1.ndim, w2.ndim) < 2 or w1.mT.shape[-2:] != w2.shape[-2:] or w1.shape[-1] != d:
        shapes = f"{tuple(w1.shape)} and {tuple(w2.shape)}"
        raise ValueError(f"layers must be (..., width, {d}) and (..., {d}, width), not {shapes}")
    if t.ndim != 1 or not len(t):
        raise ValueError(f"t must have shape (T,) with T >= 1, not {tuple(t.shape)}")
    lead = _arguments.broadcast(w1=w1.shape[:-2], w2=w2.shape[:-2], a=a.shape[:-1])
    pairs = torch.stack([w1.mT.expand(*lead, *w2.shape[-2:]), w2.expand(*lead, *w2.shape[-2:])], -3)
    pairs, a = pairs.reshape(-1, *pairs.shape[-3:]), a.expand(*lead, d).reshape(-1, d)
    numbers = pairs[0].numel()
    maps = torch.empty(len(pairs), len(t), d, d, dtype=torch.float64)
    for part, stiff in _ode.parts(a, t, numbers, max(1, CHUNK // numbers)):
        found = _integrate(pairs[part].numpy(), a[part].numpy(), t.numpy(), stiff)
        maps[part] = torch.from_numpy(found)
    return maps.reshape(*lead, len(t), d, d)


def _integrate(pairs: np.ndarray, a: np.ndarray, t: np.ndarray, stiff: bool) -> np.ndarray:
    """The maps (B, T, d, d) of one chunk, from its layers W1^T and W2 (B, 2, d, width)."""
    identity, rates = np.eye(a.shape[-1]), a[:, None]

    def velocity(_, state):
        first, second = np.moveaxis(state.reshape(pairs.shape), 1, 0)
        missing = (identity - second @ first.swapaxes(1, 2)) * rates
        return np.stack([missing.swapaxes(1, 2) @ second, missing @ first], 1).ravel()

    size = np.sqrt((pairs**2).sum((1, 2, 3), keepdims=True))
    floor = np.broadcast_to(1e-3 * RTOL * size + 1e-300, pairs.shape).ravel()
    layers = _ode.solve(velocity, pairs.ravel(), t, floor, RTOL, stiff)
    layers = layers.reshape(*pairs.shape, -1)
    return np.einsum("bjht,biht->btij", layers[:, 0], layers[:, 1])


def _rates(a) -> torch.Tensor:
    a = _arguments.as_float64(a, "a")
    if not a.ndim or (a < 0).any():
        raise ValueError("a holds second moments (..., d), none of them negative")
    return a
