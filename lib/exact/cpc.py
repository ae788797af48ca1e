"""Conditional projective composition (CPC): exact distributions, scores and compositions."""

import functools

import torch

from lib.exact.mixture import independent


class CPC:
    r"""A conditional distribution whose conditions own disjoint blocks of pixels, :eq:`eq-cpc`.

    $p(x | c_J) = p(x_{M_J^c} | \emptyset) \prod_{j \in J} p(x_{M_j} | c_j)$: the pixels of a
    present condition are independent of all others, and the rest keeps the background's marginal.
    Wherever `conditions` is taken, it is a tuple of the names that are present, in any order.
    """

    def __init__(self, background, factors):
        """Checks that the blocks are disjoint or the same.

        Args:
            background: `GaussianMixture` over all d pixels, p(x | no condition).
            factors: {name: (pixels, mixture)}. Names may share exactly the same pixels: they are
                then the values of one condition, and a call may hold at most one of them.

        Raises:
            ValueError: unknown pixels, a mixture of another size, blocks that partly overlap.
        """
        self.background = background
        self.factors = {name: (tuple(p), mixture) for name, (p, mixture) in factors.items()}
        for name, (pixels, mixture) in self.factors.items():
            self._check_factor(name, pixels, mixture)
        self._marginal = functools.cache(background.marginal)

    @property
    def d(self):
        """The number of pixels."""
        return self.background.d

    def blocks(self, conditions=()):
        """The independent blocks under `conditions`, a list of (pixels, mixture).

        One block a condition, in the order given, then the background's marginal on the rest.
        """
        chosen = [self._factor(name) for name in names(conditions)]
        taken = [pixel for pixels, _ in chosen for pixel in pixels]
        if len(set(taken)) < len(taken):
            raise ValueError(f"two of the conditions {tuple(conditions)} have the same pixels")
        rest = tuple(sorted(set(range(self.d)) - set(taken)))
        return chosen + ([(rest, self._marginal(rest))] if rest else [])

    def score(self, x, sigma, conditions=None):
        r"""The score of $p_\sigma(x | c_J)$, (..., d), block by block, :eq:`eq-cpc-score`.

        A block's score is computed from that block's pixels alone, hence is the same to the last
        bit whatever the others hold. `x` (..., d), `sigma` as in `GaussianMixture`.
        """
        x = torch.as_tensor(x, dtype=torch.float64)
        if x.shape[-1:] != (self.d,):
            raise ValueError(f"x must be (..., {self.d}), got {tuple(x.shape)}")
        blocks = self.blocks(conditions)
        scores = [mixture.score(x[..., list(pixels)], sigma) for pixels, mixture in blocks]
        order = [pixel for pixels, _ in blocks for pixel in pixels]
        return torch.cat(scores, -1)[..., torch.tensor(order).argsort()]

    def joint(self, conditions=()):
        """p(x | conditions) as one enumerated `GaussianMixture` over all d pixels."""
        return independent(self.blocks(conditions))

    def _factor(self, name):
        if name not in self.factors:
            raise ValueError(f"unknown condition {name!r}; known are {list(self.factors)}")
        return self.factors[name]

    def _check_factor(self, name, pixels, mixture):
        inside = set(pixels) <= set(range(self.d))
        if not inside or len(set(pixels)) < len(pixels) or len(pixels) != mixture.d:
            raise ValueError(
                f"condition {name!r} needs {mixture.d} distinct pixels in 0..{self.d - 1}, "
                f"got {pixels}"
            )
        for other, (others, _) in self.factors.items():
            if set(pixels) & set(others) and set(pixels) != set(others):
                raise ValueError(
                    f"conditions {name!r} and {other!r} overlap in part: {pixels} and {others}; "
                    "blocks must be disjoint or the same"
                )


def names(conditions):
    """Conditions as a tuple, () for None; `ValueError` for a string, which is one name."""
    if isinstance(conditions, str):
        raise ValueError(f"conditions must be a tuple of names, got the string {conditions!r}")
    return () if conditions is None else tuple(conditions)


def once(conditions):
    """The same; `ValueError` as well where one is named twice, which would be added twice."""
    conditions = names(conditions)
    if len(set(conditions)) < len(conditions):
        raise ValueError(f"each condition is named once, got {conditions}")
    return conditions


def composed(score):
    r"""The product-of-experts composition of a score's single conditions.

    $s(x | \emptyset) + \sum_{j \in J} (s(x | c_j) - s(x | \emptyset))$: what composing models that
    each know one condition amounts to. On a CPC it is exact where the background factorises over
    the blocks.

    Args:
        score: `f(x, sigma, conditions)`, asked for () and for single conditions only.

    Returns:
        A score `f(x, sigma, conditions=None)` for tuples of any length, each name once.
    """

    def composition(x, sigma, conditions=None):
        unconditional = score(x, sigma, ())
        shifts = [score(x, sigma, (name,)) - unconditional for name in once(conditions)]
        return unconditional + sum(shifts)

    return composition
