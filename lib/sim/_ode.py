"""Integrating many flows at once, and stiff ones alone, for the models of `lib.sim`.

An explicit method takes steps no longer than about 3 / max(a) however still the flow stands, so
that a run over max(a) t = 1e6 would take minutes. Few such flows are cheaper one by one by LSODA,
which goes over to an implicit method by itself.
"""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy.integrate import odeint, solve_ivp

STIFF = 1000  # max(a) t above which LSODA is faster for a flow alone
SHARING = 0.05  # of that, what each further stiff flow adds: one system shares its steps among them
LARGEST = 256  # numbers a flow: LSODA inverts matrices of so many rows
PATIENCE = 1e6  # max(a) t up to which larger flows are integrated explicitly


def parts(
    a: torch.Tensor, t: torch.Tensor, numbers: int, size: int
) -> Iterator[tuple[torch.Tensor, bool]]:
    """What to integrate as one system: indices (b,) of flows, and whether they are stiff.

    Args:
        a: second moments (B, d), not negative.
        t: times (T,), the last one the largest.
        numbers: how many a flow's state has.
        size: flows in a chunk of the explicit method.

    Raises:
        ValueError: a flow is too long for an explicit method and too large for an implicit one.
    """
    reach = a.amax(-1) * t[-1]
    stiff = reach > STIFF * max(1.0, SHARING * int((reach > STIFF).sum()))
    if numbers > LARGEST and (reach > PATIENCE).any():
        raise ValueError(
            f"max(a) t is {reach.max():g}: beyond {PATIENCE:g} a flow must have at most {LARGEST} "
            f"numbers, not {numbers}; take fewer dimensions or an earlier last time"
        )
    if numbers > LARGEST:
        stiff = torch.zeros_like(stiff)
    for part in (~stiff).nonzero()[:, 0].split(size):
        if len(part):
            yield part, False
    for k in stiff.nonzero():
        yield k, True


def solve(
    velocity: Callable,
    start: np.ndarray,
    t: np.ndarray,
    floor: np.ndarray,
    rtol: float,
    stiff=False,
) -> np.ndarray:
    """The states (n, T) at times t (T,) of a flow that starts from `start` (n,) at time 0.

    Args:
        velocity: `velocity(time, state (n,)) -> (n,)`.
        start: the state at time 0.
        t: not negative and not going backwards.
        floor: absolute tolerances (n,).
        rtol: relative tolerance.
        stiff: LSODA instead of DOP853.

    Raises:
        ValueError: the integrator gave up.
    """
    times, position = np.unique(t, return_inverse=True)
    if stiff:
        grid = np.union1d(0.0, times)
        floor = np.maximum(floor, 1e-12 * floor.max())  # it divides one by another
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what went wrong is in its report
            states, report = odeint(
                velocity, start, grid, tfirst=True, rtol=rtol, atol=floor, mxstep=100_000,
                full_output=True,
            )  # fmt: skip
        states, message = states[len(grid) - len(times) :].T, report["message"]
        success = message == "Integration successful." and np.isfinite(states).all()
    else:
        end = times[-1] or 1.0  # solve_ivp returns nothing on an empty span
        solution = solve_ivp(velocity, (0, end), start, "DOP853", times, rtol=rtol, atol=floor)
        states, message, success = solution.y, solution.message, solution.success
    if not success:
        raise ValueError(f"no flow up to t = {times[-1]:g} from this start: {message}")
    return states[:, position]
