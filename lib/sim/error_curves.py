"""What a curve of out-of-distribution losses E(t) did: whether it swung, and by how much."""

import torch

from lib.sim import _arguments


def swing(E) -> torch.Tensor:
    """Largest rise above an earlier minimum, relative to the start. :eq:`eq-swing`

    swing(E) = max_t [E(t) - min_{u <= t} E(u)] / E(0): `E` (..., T) -> (...), 0 for a curve that
    never rises. This is the book's own definition.

    Raises:
        ValueError: E not finite, without a time axis, or not positive at its start.
    """
    E = _curves(E)
    return (E - E.cummin(-1).values).amax(-1) / E[..., 0]


def jitter(E) -> torch.Tensor:
    """Training noise of a curve relative to its start: `E` (..., T) -> (...).

    The median absolute change between evaluations in the run's last third, over E(0).

    Raises:
        ValueError: as `swing`, or fewer than six evaluations.
    """
    E = _curves(E)
    if E.shape[-1] < 6:
        raise ValueError(f"the noise of a curve needs 6 evaluations or more, not {E.shape[-1]}")
    last_third = E[..., -(E.shape[-1] // 3) :]
    return last_third.diff(dim=-1).abs().median(-1).values / E[..., 0]


def swings(E, threshold: float = 0.01, noisy: bool = False) -> torch.Tensor:
    """Whether each curve swings by more than `threshold`: `E` (..., T) -> bool (...).

    With `noisy` the rise must exceed three times the curve's `jitter` as well.
    """
    rise = swing(E)
    return (rise > threshold) & (rise > 3 * jitter(E)) if noisy else rise > threshold


def rises(E, threshold: float = 0.01) -> torch.Tensor:
    """How often each curve rises by more than `threshold` of its start: `E` (..., T) -> (...).

    A rise counts once, and the next one only after the curve has fallen by as much: a double
    descent has one rise, a triple descent two.

    Raises:
        ValueError: as `swing`.
    """
    E = _curves(E)
    least = threshold * E[..., 0]
    count = torch.zeros(E.shape[:-1], dtype=torch.int64)
    rising = torch.zeros(E.shape[:-1], dtype=torch.bool)
    extreme = E[..., 0]  # the peak while rising, else the trough
    for value in E.unbind(-1):
        extreme = torch.where(rising, extreme.maximum(value), extreme.minimum(value))
        turned = (value - extreme).abs() > least
        count += turned & ~rising
        rising, extreme = rising ^ turned, torch.where(turned, value, extreme)
    return count


def _curves(E) -> torch.Tensor:
    E = _arguments.as_float64(E, "E")
    if not E.ndim or not E.shape[-1]:
        raise ValueError("E must have a time axis (..., T) with at least one time")
    if (E[..., 0] <= 0).any():
        raise ValueError("E must be positive at its first time: a swing is relative to it")
    return E
