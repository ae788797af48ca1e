"""One linear layer f(x) = W x on the SIM task, trained by gradient flow: W' = -(W - I) A.

Its solution is known in closed form for every input z, whether or not the data vary along z:
a_i = 0 beyond the s concepts. In each function the leading dimensions of `w0` (..., d, d),
`t` (...) and `z` (..., d) broadcast: `w0` (64, 1, d, d) with `t` (100,) and `z` (d,) is 64
initialisations at 100 times. Time is that of gradient flow, step times learning rate.
Source: Yang et al., arXiv 2410.08309, section on the one-layer model.
"""

import torch

from lib.sim import _arguments
from lib.sim.task import SIMTask


def output(task: SIMTask, w0, t, z) -> torch.Tensor:
    """Output f(z) at time t from the initial map w0: growth plus noise. :eq:`eq-linear-output`

    Args:
        task: the SIM task, for A.
        w0: initial maps (..., d, d).
        t: times (...), not negative and not going backwards.
        z: inputs (..., d).

    Returns:
        Outputs (..., d), float64.

    Raises:
        ValueError: w0 or z of the wrong shape, bad times, or leading dimensions that do not
            broadcast.
    """
    return growth(task, t, z) + noise(task, w0, t, z)


def growth(task: SIMTask, t, z) -> torch.Tensor:
    """The part of the output that learns the identity, (1 - e^{-a_k t}) z_k: shape (..., d)."""
    t, z = _arguments.times(t), _inputs(task, z)
    _arguments.broadcast(t=t.shape, z=z.shape[:-1])
    return -torch.expm1(-t.unsqueeze(-1) * task.a.to(z)) * z


def noise(task: SIMTask, w0, t, z) -> torch.Tensor:
    """The part that forgets the initial map, sum_i e^{-a_i t} w_ki(0) z_i: shape (..., d)."""
    w0, t, z = _arguments.square(w0, "w0", task.d), _arguments.times(t), _inputs(task, z)
    _arguments.broadcast(w0=w0.shape[:-2], t=t.shape, z=z.shape[:-1])
    decayed = torch.exp(-t.unsqueeze(-1) * task.a.to(z)) * z
    return (w0 @ decayed.unsqueeze(-1)).squeeze(-1)


def jacobian(task: SIMTask, w0, t) -> torch.Tensor:
    """The map itself, W(t) = I + (W(0) - I) e^{-At}: shape (..., d, d). :eq:`eq-linear-jacobian`

    Raises:
        ValueError: as `output`.
    """
    w0, t = _arguments.square(w0, "w0", task.d), _arguments.times(t)
    _arguments.broadcast(w0=w0.shape[:-2], t=t.shape)
    exponent = -t.unsqueeze(-1) * task.a.to(w0)
    return torch.diag_embed(-torch.expm1(exponent)) + w0 * torch.exp(exponent).unsqueeze(-2)


def _inputs(task: SIMTask, z) -> torch.Tensor:
    z = _arguments.as_float64(z, "z")
    if z.shape[-1:] != (task.d,):
        raise ValueError(f"z must have shape (..., {task.d}), not {tuple(z.shape)}")
    return z
