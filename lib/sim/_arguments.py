"""What the functions of `lib.sim` ask of their arguments, said once."""

import numpy as np
import torch


def as_float64(value, name: str) -> torch.Tensor:
    """`value` as a float64 tensor; `ValueError` if it is no array of finite numbers."""
    try:
        tensor = torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from error
    if not tensor.isfinite().all():
        raise ValueError(f"{name} must be finite, but holds NaN or infinity")
    return tensor


def square(value, name: str, d: int) -> torch.Tensor:
    """`value` as float64 (..., d, d); `ValueError` for any other shape."""
    tensor = as_float64(value, name)
    if tensor.shape[-2:] != (d, d):
        raise ValueError(f"{name} must have shape (..., {d}, {d}), not {tuple(tensor.shape)}")
    return tensor


def times(value) -> torch.Tensor:
    """`value` as float64 times (...); `ValueError` if negative or going backwards.

    Time runs along the last axis that is longer than one, so that both (T,) and (T, 1) do.
    """
    t = as_float64(value, "t")
    if (t < 0).any():
        raise ValueError(f"times must not be negative, but t goes down to {t.min().item():g}")
    running = t.squeeze()
    if running.ndim and (running[..., 1:] < running[..., :-1]).any():
        raise ValueError("times must not go backwards: sort t along its last axis")
    return t


def broadcast(**shapes: torch.Size) -> tuple[int, ...]:
    """The common shape of named leading dimensions; `ValueError` naming them if there is none."""
    try:
        return np.broadcast_shapes(
            *shapes.values()
        )  # torch's own imports sympy, which takes a second
    except ValueError as error:
        given = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
        raise ValueError(f"leading dimensions do not broadcast: {given}") from error


def within(value, name: str, low: float, high: float) -> torch.Tensor:
    """`value` as float64; `ValueError` unless all of it lies in [low, high]."""
    tensor = as_float64(value, name)
    if ((tensor < low) | (tensor > high)).any():
        raise ValueError(f"{name} must lie in [{low:g}, {high:g}], not {tensor.tolist()}")
    return tensor


def unequal(r) -> torch.Tensor:
    """Ratios of rates `r` as float64; `ValueError` unless all of them lie in [0, 1)."""
    r = within(r, "r", 0, 1)
    if (r == 1).any():
        raise ValueError(
            "r must be below 1: equal concepts grow together, and the law is of others"
        )
    return r


def spectrum(w: torch.Tensor, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues (..., d), rising, and eigenvectors of a symmetric map `w` (..., d, d).

    One below 1e-14 of the largest is rounding and comes as exactly 0: what is empty stays empty.

    Raises:
        ValueError: `w` is not positive semi-definite.
    """
    values, vectors = torch.linalg.eigh(w)
    largest = values.abs().amax(-1, keepdim=True)
    if (values < -1e-9 * largest).any():
        found = f"has the eigenvalue {values.min():g}"
        raise ValueError(f"{name} must be positive semi-definite, as U U^T is, but {found}")
    return torch.where(values > 1e-14 * largest, values, 0), vectors
