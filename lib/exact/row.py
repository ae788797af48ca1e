"""Objects in a row of pixels, one of them labelled: exact, composed and local scores."""

import itertools

import torch

from lib.exact.cpc import once


class Row:
    r"""All layouts of a few objects in a row, every count and every layout of it equally likely.

    A lit pixel is $N(1, \text{spread}^2)$, a dark one $N(0, \text{spread}^2)$. In training, the
    label is the place (the middle pixel) of one object, drawn among those present. One-pixel
    objects with no gap fill sites freely; wider ones that keep a distance need a score to see
    some way beyond a pixel.
    """

    def __init__(self, pixels, width=1, gap=0, counts=(1, 2, 3), spread=0.1):
        """Enumerates the layouts.

        Args:
            pixels: the length of the row.
            width: pixels of an object.
            gap: dark pixels between two objects, at least.
            counts: the numbers of objects seen in training, at least 1: one is labelled.
            spread: standard deviation of a pixel around 0 or 1.

        Raises:
            ValueError: if some count of objects does not fit, or an argument is outside its range.
        """
        counts = tuple(counts)
        whole = {"pixels": pixels, "width": width, **{f"count {n}": n for n in counts}}
        for name, value in whole.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
        if not isinstance(gap, int) or gap < 0 or not 0 <= spread < torch.inf:
            raise ValueError(f"gap and spread must not be negative, got {gap!r} and {spread!r}")
        self.pixels, self.width, self.spread = pixels, width, spread
        by_count = [self._layouts(n, width + gap) for n in counts]
        if not by_count or not all(by_count):
            raise ValueError(f"{counts} objects of {width} do not fit in {pixels} pixels")
        objects = torch.zeros(sum(map(len, by_count)), pixels, dtype=torch.float64)
        for row, starts in zip(objects, itertools.chain(*by_count), strict=True):
            row[[s + width // 2 for s in starts]] = 1
        self.objects = objects  # (layouts, pixels): 1 at the middle of each object
        offsets = range(-(width // 2), width - width // 2)
        self.lit = sum(objects.roll(k, 1) for k in offsets)  # (layouts, pixels)
        self.weights = torch.cat(
            [
                torch.full((len(some),), 1 / len(some) / len(counts), dtype=torch.float64)
                for some in by_count
            ]
        )

    def score(self, x, sigma, conditions=None):
        """The exact score, (..., pixels), given no label or one, as `()` or `(place,)`."""
        if conditions is not None and len(conditions) > 1:
            raise ValueError(f"one object is labelled in training, got {conditions}")
        x = torch.as_tensor(x, dtype=torch.float64)
        log_prior = (self._given(*conditions) if conditions else self.weights).log()
        evidence = (x - 0.5) @ self.lit.T / self._variance(sigma)
        mean = torch.softmax(evidence + log_prior, -1) @ self.lit
        return (mean - x) / self._variance(sigma)

    def local_score(self, radius):
        """The Bayes-optimal score of each pixel from the pixels and labels within `radius`.

        A label is in a window if its place is. No label there: the posterior given that the label
        is elsewhere; one: given it; several, which training never shows: the composition of the
        single ones, so that a window as wide as the row is `composed(row.score)`.

        Returns:
            A score `f(x, sigma, conditions=None)` for tuples of places, each once.

        Raises:
            ValueError: a negative radius.
        """
        if not radius >= 0:
            raise ValueError(f"radius must not be negative: a pixel sees itself, not {radius}")
        every = torch.arange(self.pixels)
        window = (every[:, None] - every).abs() <= radius  # (pixel, pixel in its window)
        patterns, which = _distinct_windows(self.lit, window)
        centres = patterns[every, :, every]  # (pixel, pattern)
        elsewhere = self._label_elsewhere(window)

        def posterior_mean(fit, prior, seen):
            """How likely the pixels `seen` are lit, from a prior (pixels, layouts)."""
            pooled = torch.zeros_like(centres).scatter_add(1, which, prior.expand_as(which))
            share = torch.softmax(fit[..., seen, :] + pooled[seen].log(), -1)
            return (share * centres[seen]).sum(-1)

        def score(x, sigma, conditions=None):
            x, variance = torch.as_tensor(x, dtype=torch.float64), self._variance(sigma)
            fit = (x - 0.5) @ patterns.flatten(0, 1).T / variance
            fit = fit.unflatten(-1, centres.shape)  # (..., pixel, pattern)
            places = [self._place(place) for place in once(conditions)]
            inside = window[:, places].T  # (condition, pixel)
            prior = torch.where(inside.any(0)[:, None], self.weights, elsewhere)
            mean = base = posterior_mean(fit, prior, every)
            for place, seen in zip(places, inside, strict=True):
                mean = mean.clone()
                mean[..., seen] += posterior_mean(fit, self._given(place), seen) - base[..., seen]
            return (mean - x) / variance

        return score

    def hits(self, x, conditions):
        """The share of asked objects that are wholly lit and the objects' worth of other light.

        Returns:
            Two (...,) for rows `x` (..., pixels): hits in 0..1, and lit pixels outside every asked
            object over the width.

        Raises:
            ValueError: rows that are not finite, nothing asked, or a place that holds no object.
        """
        if not len(conditions):
            raise ValueError("nothing is asked for, so that no share of it is lit")
        if not torch.as_tensor(x).isfinite().all():
            raise ValueError("rows must be finite: a pixel that is not a number counts as dark")
        asked = torch.zeros(len(conditions), self.pixels, dtype=torch.bool)
        for row, place in zip(asked, conditions, strict=True):
            start = self._place(place) - self.width // 2
            row[start : start + self.width] = True
        lit = (x > 0.5)[..., None, :]
        extras = (lit & ~asked.any(0)).sum((-2, -1)).double() / self.width
        return (lit | ~asked).all(-1).double().mean(-1), extras

    def _layouts(self, n, spacing):
        """The starts of `n` objects at least `spacing` apart, a list of tuples."""
        free = self.pixels - self.width + 1 - (n - 1) * (spacing - 1)
        choices = itertools.combinations(range(max(free, 0)), n)
        return [tuple(c + k * (spacing - 1) for k, c in enumerate(chosen)) for chosen in choices]

    def _place(self, place):
        first, last = self.width // 2, self.pixels - self.width + self.width // 2
        if not first <= place <= last:
            raise ValueError(f"a place is the middle pixel of an object, {first}..{last}: {place}")
        return place

    def _given(self, place):
        """The probability of each layout with the label at `place`, up to a factor, (layouts,)."""
        given = self.weights * self.objects[:, self._place(place)] / self.objects.sum(1)
        if not given.any():
            raise ValueError(f"no layout seen in training has an object at {place}")
        return given

    def _label_elsewhere(self, window):
        """That of each layout with the label outside each window, (pixels, layouts).

        All weights, unconditional, where every label is inside.
        """
        share = 1 - window.double() @ self.objects.T / self.objects.sum(1)
        share = share.where(share > 1e-9, 0)  # rounding
        return self.weights * share.where(share.sum(1, keepdim=True) > 0, 1)

    def _variance(self, sigma):
        if not sigma**2 + self.spread**2 > 0 or sigma < 0:
            raise ValueError(f"sigma must be >= 0, and > 0 without spread, got {sigma}")
        return sigma**2 + self.spread**2


def _distinct_windows(rows, window):
    """The distinct rows (R, d) as seen through each of the windows (d, d), and who is which.

    Returns:
        (d, M, d), zero outside the window and where there are fewer than M; and (d, R) in 0..M-1.
    """
    seen = [torch.unique(rows * through, dim=0, return_inverse=True) for through in window]
    patterns = torch.nn.utils.rnn.pad_sequence([p for p, _ in seen], batch_first=True)
    return patterns, torch.stack([which for _, which in seen])
