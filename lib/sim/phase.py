"""Where the two-layer flow swings: turning points of one flow, phase diagrams of many.

The family of the diagrams has two concepts with mu = (1, sqrt(r)) and sigma = 0, so that
a_2 = r a_1, and starts from w0 = omega [[1, c], [c, 1]].
"""

import torch
from scipy.optimize import brentq

from lib.sim import _arguments, two_layer
from lib.sim.error_curves import swing
from lib.sim.task import SIMTask, ood_loss

SETTLED = 6.0  # a flow is followed until 1 - w_22 is about e^-6 where w_22 is logistic
DENSE = 1000.0  # max(a) t up to which turns are looked for at even times: nothing fast comes later
BATCH = 4096  # flows held in memory at once: 400 times of them are 50 MB


def flows(omega, r, c, points: int = 400) -> torch.Tensor:
    """W(t) of the family, each flow up to its own end: (..., points, 2, 2).

    The times are evenly spaced, from 0 to [ln(1 / omega) + 6] / (2 a_2), when the second concept
    has been learned.

    Args:
        omega: initial scales in (0, 1); r: ratios a_2 / a_1 in (0, 1]; c: correlations in
            [-1, 1]. They broadcast.
        points: number of times.

    Raises:
        ValueError: any of them outside its range.
    """
    omega, r, c = _family(omega, r, c)
    end = (torch.log(1 / omega) + SETTLED) / r  # in units of 1 / (2 a_1)
    a = torch.stack((end / 2, r * end / 2), -1)
    u = torch.linspace(0, 1, points, dtype=torch.float64)
    return two_layer.flow(two_layer.correlated_start(omega, c), a, u)


def swing_sizes(omega, r, c, points: int = 400) -> torch.Tensor:
    """swing(E) of every flow of the family: (...), the leading shape of the arguments.

    Args and errors as in `flows`.
    """
    omega, r, c = _family(omega, r, c)
    sizes = [
        _swing(*part, points)
        for part in zip(*(x.reshape(-1).split(BATCH) for x in (omega, r, c)), strict=True)
    ]
    return torch.cat(sizes).reshape(omega.shape)


def swing_law(omega, r, c) -> torch.Tensor:
    """swing(E) of the family as omega -> 0, to leading order. :eq:`eq-swing-law`

    (1 - b/2) 2 sqrt(r) / (1 + r) K (sqrt(r) b K)^{b / (2 - b)} with b = (1 - r) / 4 and
    K = c omega^{(1-r)/2}: a power of omega with the exponent 4 (1 - r) / (7 + r). The limit is at
    a fixed r < 1, and reached the later, the closer r is to 1: at omega = 1e-12 and c = .9 a flow
    swings by .96 of it at r = 1/4, by .44 at r = 1/2, and not at all at r = .8. At r = 1 nothing
    swings, and the law says nothing. Derived in the book.

    Args:
        omega: initial scales in (0, 1); r: ratios in (0, 1); c: correlations in [0, 1]. They
            broadcast.

    Raises:
        ValueError: any of them outside its range.
    """
    omega, r, c = _family(omega, _arguments.unequal(r), _arguments.within(c, "c", 0, 1))
    b, ratio = (1 - r) / 4, r.sqrt()
    k = c * omega ** (2 * b)
    return (1 - b / 2) * 2 * ratio / (1 + r) * k * (ratio * b * k) ** (b / (2 - b))


def critical_correlation(omega, r, threshold: float = 1e-4) -> torch.Tensor:
    """Smallest c in [0, 1] at which the swing exceeds `threshold`, to 1e-4; 1 if none does.

    By bisection, for the swing grows with c. Args and errors as in `flows`.
    """
    omega, r, low = _family(omega, r, 0.0)
    low, high = low.clone(), torch.ones_like(low)
    for _ in range(14):
        middle = (low + high) / 2
        swings = swing_sizes(omega, r, middle) > threshold
        low, high = torch.where(swings, low, middle), torch.where(swings, middle, high)
    return high


def turning_points(w0, task: SIMTask, end: float) -> list[tuple[float, float]]:
    """Times in (0, end) at which the OOD loss of one flow turns, each with the loss there.

    The roots of dE/dt, at least six digits of both numbers. They are looked for between 2,000 even
    times up to max(a) t = 1000, and 2,000 more in geometric progression after that; two turns
    between neighbours would be missed. Slopes below 1e-9 E(0) over the end of the even times count
    as rounding.

    Args:
        w0: initial map (d, d), as in `two_layer.flow`.
        task: the SIM task.
        end: time up to which the flow is followed, positive.

    Raises:
        ValueError: as `two_layer.flow`.
    """
    a, x = task.a, task.test_point

    def slope(w):
        return ((w @ x - x) * (two_layer.field(w, a) @ x)).sum(-1)

    def after(start, u):
        return two_layer.flow(start, a, [u])[0]

    even = min(end, DENSE / a.max().item()) if a.any() else end
    t = torch.linspace(0, even, 2001, dtype=torch.float64)
    if end > even:
        late = torch.logspace(0, 1, 2001, end / even, dtype=torch.float64)
        t = torch.cat([t, even * late[1:]])
    w = two_layer.flow(w0, a, t)
    slopes = slope(w)
    steep = slopes.abs() > 1e-9 * ood_loss(w[0], task) / even
    turns = (slopes[:-1] * slopes[1:] < 0) & (steep[:-1] | steep[1:])
    points = []
    for start, before, step in zip(
        w[:-1][turns], t[:-1][turns].tolist(), t.diff()[turns].tolist(), strict=True
    ):
        u = brentq(lambda u, w=start: slope(after(w, u)).item(), 0, step)
        points.append((before + u, ood_loss(after(start, u), task).item()))
    return points


def _swing(omega, r, c, points: int) -> torch.Tensor:
    mu = torch.stack((torch.ones_like(r), r.sqrt()), -1).unsqueeze(-2)
    outputs = (flows(omega, r, c, points) @ mu.unsqueeze(-1)).squeeze(-1)
    return swing(((outputs - mu) ** 2).sum(-1) / 2)


def _family(omega, r, c) -> tuple[torch.Tensor, ...]:
    omega = _arguments.within(omega, "omega", 0, 1)
    r, c = _arguments.within(r, "r", 0, 1), _arguments.within(c, "c", -1, 1)
    if (omega == 0).any() or (r == 0).any():
        raise ValueError("omega and r must be positive: from 0 nothing grows")
    return torch.broadcast_tensors(omega, r, c)
