"""Which starts swing: the angle between the rows of U, and what takes its place in networks.

The flow of two tied layers depends on U through W(0) = U U^T only, that is on the lengths of U's
rows and on the cosines between them. This module says how those cosines are distributed for random
starts of any width, and which cosine counts where layers have weights of their own, or units that
fall silent. Derived in the book. Everything is float64, on the CPU.
"""

import torch
from scipy import special, stats

from lib.sim import _arguments


def cosines(w) -> torch.Tensor:
    """Cosines w_ij / sqrt(w_ii w_jj) of the rows of U, from W = U U^T: (..., d, d).

    Raises:
        ValueError: w not square, or a diagonal entry that is not positive.
    """
    w = _arguments.as_float64(w, "w")
    if w.ndim < 2 or w.shape[-1] != w.shape[-2]:
        raise ValueError(f"w must have shape (..., d, d), not {tuple(w.shape)}")
    diagonal = w.diagonal(dim1=-2, dim2=-1)
    if (diagonal <= 0).any():
        raise ValueError("a row of length zero has no angle: w needs a positive diagonal")
    length = diagonal.sqrt()
    return w / (length.unsqueeze(-1) * length.unsqueeze(-2))


def leaning_factor(
    runs: int, d: int, width: int, omega: float, lean: float, generator: torch.Generator
) -> torch.Tensor:
    """Factors U (runs, d, width) with independent entries, uniform on [lean - 1, lean + 1].

    Scaled so that E[(U U^T)_ii] = omega. A lean of 0 has zero mean; 1 is uniform on [0, b], as the
    official code draws U.

    Raises:
        ValueError: runs, d or width below 1, omega or lean negative.
    """
    if min(runs, d, width) < 1:
        raise ValueError(f"runs, d and width must be at least 1, not {runs}, {d}, {width}")
    omega = _arguments.within(omega, "omega", 0, torch.inf)
    lean = _arguments.within(lean, "lean", 0, torch.inf)
    entries = torch.rand(runs, d, width, generator=generator, dtype=torch.float64) * 2 - 1 + lean
    return entries * (omega / width / (lean**2 + 1 / 3)).sqrt()


def wide_cosine(lean) -> torch.Tensor:
    """Cosine of two rows of a wide `leaning_factor`: its limit. :eq:`eq-start-limit`

    m^2 / E[u^2] = lean^2 / (lean^2 + 1/3), with m the mean of the entries: 0 for a zero mean, 3/4
    for entries uniform on [0, b]. `lean` (...), not negative.

    Raises:
        ValueError: lean negative.
    """
    square = _arguments.within(lean, "lean", 0, torch.inf) ** 2
    return square / (square + 1 / 3)


def cosine_spread(lean, width) -> torch.Tensor:
    """Standard deviation of that cosine at a large width. :eq:`eq-start-spread`

    1 / sqrt(width) for a zero mean, 1 / sqrt(10 width) for entries uniform on [0, b]: by the delta
    method, from the entries' first four moments.

    Args:
        lean: (...), not negative. width: (...), at least 1. They broadcast.

    Raises:
        ValueError: lean negative, width below 1.
    """
    m = _arguments.within(lean, "lean", 0, torch.inf)
    width = _arguments.within(width, "width", 1, torch.inf)
    v, k = 1 / 3, 4 / 45  # of the entries less their mean: the variance, and that of their squares
    second = m**2 + v
    limit, rest = m**2 / second, v / second  # written so that nothing cancels where m is large
    variance = 2 * m**2 * v * rest**2 + v**2 + limit**2 * k / 2
    return (variance / width).sqrt() / second


def zero_mean_tail(cosine, width) -> torch.Tensor:
    """P(C > cosine) for two rows of independent normal entries. :eq:`eq-start-tail`

    The cosine of two such rows has a density proportional to (1 - c^2)^((width - 3) / 2), so the
    tail is half a regularised incomplete beta function. It falls like (1 - c^2)^(width / 2).

    Args:
        cosine: (...), in [0, 1]. width: (...), at least 1. They broadcast.

    Raises:
        ValueError: cosine or width outside its range.
    """
    cosine = _arguments.within(cosine, "cosine", 0, 1)
    width = _arguments.within(width, "width", 1, torch.inf)
    order, x = torch.broadcast_tensors((width - 1) / 2, 1 - cosine**2)
    tail = special.betainc(order.clamp(min=1e-12).numpy(), 0.5, x.numpy()) / 2  # width 1: 1/2
    return torch.as_tensor(tail)


def share_above(cosine, lean, width) -> torch.Tensor:
    """Share of starts whose first two rows have a cosine above `cosine`, predicted.

    Where the mean is zero by `zero_mean_tail`, which is exact for normal entries; else by the
    normal law of `wide_cosine` and `cosine_spread`.

    Args:
        cosine: (...), in [0, 1]. lean: (...), not negative. width: (...), at least 2. They
            broadcast.

    Raises:
        ValueError: an argument outside its range.
    """
    cosine = _arguments.within(cosine, "cosine", 0, 1)
    width = _arguments.within(width, "width", 2, torch.inf)
    score = (wide_cosine(lean) - cosine) / cosine_spread(lean, width)
    leaning = torch.as_tensor(stats.norm.cdf(score.numpy()))
    return torch.where(torch.as_tensor(lean) == 0, zero_mean_tail(cosine, width), leaning)


def common_factor(w1, w2) -> torch.Tensor:
    """What plays the part of U where two layers have weights of their own. :eq:`eq-start-common`

    (W1^T + W2) / 2, shape (..., d, width): while W is small, what a hidden unit hears of a concept
    and what it writes of it approach their mean, which grows, while their difference decays.

    Args:
        w1: first layers (..., width, d). w2: second layers (..., d, width).

    Raises:
        ValueError: shapes that do not belong together.
    """
    w1, w2 = _arguments.as_float64(w1, "w1"), _arguments.as_float64(w2, "w2")
    if min(w1.ndim, w2.ndim) < 2 or w1.mT.shape[-2:] != w2.shape[-2:]:
        shapes = f"{tuple(w1.shape)} and {tuple(w2.shape)}"
        raise ValueError(f"layers must be (..., width, d) and (..., d, width), not {shapes}")
    return (w1.mT + w2) / 2


def heard_cosine(u) -> torch.Tensor:
    """Cosine of the first two rows of U over the units that hear the first. :eq:`eq-start-heard`

    With ReLU a unit k answers the first concept only where u_1k > 0. Of the second concept it
    answers where u_2k > 0. So the by-product of the first concept is the sum of u_1k u_2k over the
    units that hear the first, here over the lengths of what is heard of each; 0 where nothing is.

    Args:
        u: factors (..., d, width), d at least 2.

    Raises:
        ValueError: fewer than two rows.
    """
    u = _arguments.as_float64(u, "u")
    if u.ndim < 2 or u.shape[-2] < 2:
        raise ValueError(f"u must have shape (..., d, width) with d >= 2, not {tuple(u.shape)}")
    first, second = u[..., 0, :], u[..., 1, :]
    heard = first.clamp(min=0)
    lengths = (heard.square().sum(-1) * second.clamp(min=0).square().sum(-1)).sqrt()
    return torch.where(lengths > 0, (heard * second).sum(-1) / lengths, 0.0)
