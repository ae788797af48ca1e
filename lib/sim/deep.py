"""Deep linear networks f(x) = W_L ... W_1 x on the SIM task, under gradient flow.

What `lib.sim.untied_layers` is for two layers, for any number of them, with balanced starts, in
which every layer carries the same share of the map. Time is gradient flow's: steps times learning
rate. Derived in the book; the flow of balanced layers is known from Arora et al. (2018). Everything
is float64, on the CPU.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch

from lib.sim import _arguments, _ode

RTOL = 1e-8  # of the integrator


def balanced_layers(w0, layers: int) -> list[torch.Tensor]:
    """Layers (..., d, d), first to last, whose product is w0: each its root of order `layers`.

    Where w0 = V D V^T has an empty direction they are D^{1/L} V^T, D^{1/L}, ..., V D^{1/L}: the
    same roots in the hidden units' own basis. There that direction is a unit of exact zeros, which
    `flow` leaves empty; spread over all units, rounding would fill it.

    Args:
        w0: initial maps (..., d, d), symmetric and positive semi-definite. An eigenvalue below
            1e-14 of the largest counts as zero.
        layers: their number, at least 1.

    Raises:
        ValueError: w0 of another kind, fewer than one layer.
    """
    w = _arguments.as_float64(w0, "w0")
    if w.ndim < 2 or w.shape[-1] != w.shape[-2] or not torch.allclose(w, w.mT, rtol=1e-9, atol=0):
        raise ValueError("w0 must be symmetric (..., d, d): a root of it is one of all layers")
    if layers < 1:
        raise ValueError(f"there must be at least 1 layer, not {layers}")
    values, vectors = _arguments.spectrum(w, "w0")
    size = values ** (1 / layers)
    root = vectors * size.unsqueeze(-2) @ vectors.mT
    if layers == 1:
        return [root]
    inner = [torch.diag_embed(size)] * (layers - 2)
    own = [size.unsqueeze(-1) * vectors.mT, *inner, vectors * size.unsqueeze(-2)]
    empty = (values == 0).any(-1)[..., None, None]
    return [torch.where(empty, layer, root) for layer in own]


def flow(layers: Sequence, a, t) -> torch.Tensor:
    """W(t) = W_L ... W_1 from the layers at time 0. :eq:`eq-deep-flow`

    Each layer moves by its own gradient, W_l' = (W_L ... W_{l+1})^T (I - W) A (W_{l-1} ... W_1)^T,
    integrated by scipy's DOP853; where max(a) t is above a thousand by LSODA.

    Args:
        layers: first to last, (..., n_l, n_{l-1}) each, with n_0 = n_L = d and leading dimensions
            that broadcast.
        a: diagonals of A (d,), not negative.
        t: times (T,), not negative and not going backwards.

    Returns:
        Maps (..., T, d, d).

    Raises:
        ValueError: layers that do not follow each other, a or t of another kind, a network of more
            than 256 weights up to max(a) t beyond 1e6.
    """
    a, t = _arguments.as_float64(a, "a"), _arguments.times(t)
    layers = [_arguments.as_float64(w, f"layer {k}") for k, w in enumerate(layers, 1)]
    _check(layers, a, t)
    lead = _arguments.broadcast(**{f"layer {k}": w.shape[:-2] for k, w in enumerate(layers, 1)})
    flat = [w.expand(*lead, *w.shape[-2:]).reshape(-1, *w.shape[-2:]).numpy() for w in layers]
    numbers = sum(w.shape[-2] * w.shape[-1] for w in layers)
    ((_, stiff),) = _ode.parts(a[None], t, numbers, 1)  # of each network alike: one a for all
    maps = [
        _integrate([w[k] for w in flat], a.numpy(), t.numpy(), stiff) for k in range(len(flat[0]))
    ]
    return torch.from_numpy(np.stack(maps)).reshape(*lead, len(t), len(a), len(a))


def _check(layers: list[torch.Tensor], a: torch.Tensor, t: torch.Tensor) -> None:
    if a.ndim != 1 or (a < 0).any():
        raise ValueError(f"a holds second moments (d,), none negative, not {a.tolist()}")
    if t.ndim != 1 or not len(t):
        raise ValueError(f"t must have shape (T,) with T >= 1, not {tuple(t.shape)}")
    if not layers or any(w.ndim < 2 for w in layers):
        raise ValueError("layers must be one or more matrices (..., n_l, n_{l-1})")
    sizes = [w.shape[-2:] for w in layers]
    ends = (sizes[0][1], sizes[-1][0])
    follow = all(one[0] == two[1] for one, two in pairwise(sizes))
    if ends != (len(a), len(a)) or not follow:
        raise ValueError(f"layers {sizes} must follow each other from {len(a)} to {len(a)}")


def _integrate(layers: list[np.ndarray], a: np.ndarray, t: np.ndarray, stiff: bool) -> np.ndarray:
    """The maps (T, d, d) of one network; one at a time, for depths differ in their clocks."""
    shapes = [w.shape for w in layers]
    ends = np.cumsum([w.size for w in layers])[:-1]

    def unpacked(state):
        return [x.reshape(shape) for x, shape in zip(np.split(state, ends), shapes, strict=True)]

    def velocity(_, state):
        ws = unpacked(state)
        below = [np.eye(len(a))]
        for w in ws:
            below.append(w @ below[-1])
        back = (np.eye(len(a)) - below[-1]) * a
        grown = []
        for w, under in zip(reversed(ws), reversed(below[:-1]), strict=True):
            grown.append(back @ under.T)
            back = w.T @ back
        return np.concatenate([g.ravel() for g in reversed(grown)])

    start = np.concatenate([w.ravel() for w in layers])
    floor = np.full(start.shape, 1e-3 * RTOL * np.abs(start).max() + 1e-300)
    states = _ode.solve(velocity, start, t, floor, RTOL, stiff)
    maps = []
    for state in states.T:
        product = np.eye(len(a))
        for w in unpacked(state):
            product = w @ product
        maps.append(product)
    return np.stack(maps)
