"""What two concepts do together beyond what each does alone: one number from SIM to pictures."""

import torch

from lib.sim import _arguments


def interaction(both, first, second, neither) -> torch.Tensor:
    """f(11) - f(10) - f(01) + f(00), of what a model answers at four corners. :eq:`eq-interaction`

    Zero for every map that is linear, or linear and a constant: there the answer to a composition
    is the sum of the answers to its parts. So what a model does at the held-out corner is foretold
    by the three corners that training shows exactly as far as this is small. Takes outputs in
    concept coordinates as well as places in concept space.

    Args:
        both, first, second, neither: answers (..., m) at the corners 11, 10, 01 and 00, finite;
            leading dimensions broadcast.

    Returns:
        (..., m), float64.

    Raises:
        ValueError: not finite, different m, or leading dimensions that do not broadcast.
    """
    named = {"both": both, "first": first, "second": second, "neither": neither}
    f = {name: _arguments.as_float64(value, name) for name, value in named.items()}
    if not all(x.ndim for x in f.values()) or len({x.shape[-1] for x in f.values()}) > 1:
        shapes = ", ".join(f"{name} {tuple(x.shape)}" for name, x in f.items())
        raise ValueError(f"answers must have shape (..., m) with one m, not {shapes}")
    _arguments.broadcast(**{name: x.shape[:-1] for name, x in f.items()})
    return f["both"] - f["first"] - f["second"] + f["neither"]


def foretold(first, second, neither) -> torch.Tensor:
    """What a map without interaction answers at the corner 11: f(10) + f(01) - f(00).

    Args, shapes and errors as in `interaction`.
    """
    return -interaction(torch.zeros_like(torch.as_tensor(first)), first, second, neither)
