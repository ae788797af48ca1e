"""SIM laid over a model that is measured in concept space: what of a path it foretells.

Places are displacements (..., 2) from the model's own (0, 0), in units of the class means, so that
a learned composition v in {0, 1}^2 lies at v. For the two-layer model that is W(t) (v mu) / mu. A
concept's mu and sigma are those of the condition; beyond them there is one gain of the first
concept over the second, one time scale and one W(0), shared by all settings and fitted to the two
single concepts alone, (1, 0) and (0, 1). What follows for (1, 1) is a prediction.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import least_squares

from lib.sim import two_layer

SINGLE = ((1, 0), (0, 1))
HELD_OUT = (1, 1)
RTOL = 1e-12  # of the flows: the same prediction to ten digits on any processor
STARTS = [(size, c) for size in (0.003, 0.03, 0.2) for c in (0.2, 0.7)]  # of the search


@dataclass(frozen=True)
class Fit:
    """What was fitted.

    Attributes:
        rate: Time of the theory a step of training.
        gain: Of the first concept over the second.
        w0: Initial map (2, 2); None for one layer from zero, which learns each concept alone.
        left: Root mean square distance from the paths it was fitted to.
    """

    rate: float
    gain: float
    w0: tuple[tuple[float, float], tuple[float, float]] | None
    left: float = float("nan")


def second_moments(mu, sigma, gain: float = 1.0) -> np.ndarray:
    """a_p = gain_p^2 (sigma_p^2 + mu_p^2 / 3), with a cluster at the origin: (..., 2) -> (..., 2).

    The gain is the first concept's; the second's is 1.
    """
    mu, sigma = np.asarray(mu, float), np.asarray(sigma, float)
    return np.array([gain**2, 1.0]) * (sigma**2 + mu**2 / 3)


def maps(fit: Fit, mu, sigma, steps) -> np.ndarray:
    """What each setting makes of places, at each step: (S, T, 2, 2), so that v lies at `map @ v`.

    Args:
        fit: The numbers shared by all settings.
        mu: (S, 2), of the condition.
        sigma: (S, 2).
        steps: (T,) of training.

    Raises:
        ValueError: A mu of 0, in units of which nothing lies anywhere.
    """
    if not np.all(mu):
        raise ValueError("no mu may be 0: places are in units of it")
    t = fit.rate * np.asarray(steps, float)
    a = second_moments(mu, sigma, fit.gain)
    if fit.w0 is None:
        return -np.expm1(-a[:, None, :] * t[:, None])[..., None] * np.eye(2)
    seen = (np.asarray(mu, float) * [fit.gain, 1.0])[:, None]  # (S, 1, 2)
    w = two_layer.flow(fit.w0, torch.from_numpy(a), torch.from_numpy(t), RTOL).numpy()
    return w * seen[..., None, :] / seen[..., :, None]


def path(fit: Fit, mu, sigma, steps, v) -> np.ndarray:
    """Places (S, T, 2) of the composition `v`, 0 and 1; the rest as in `maps`."""
    return maps(fit, mu, sigma, steps) @ np.asarray(v, float)


def fit_paths(steps, measured: dict, mu, sigma, one_layer: bool = False) -> Fit:
    """Fits the shared numbers to the paths of the single concepts.

    Args:
        steps: (T,) of training.
        measured: Places (S, T, 2) of each composition of `SINGLE`; NaN where there is none.
        mu: (S, 2), of the condition.
        sigma: (S, 2).
        one_layer: Whether to fit one layer from zero, that is independent exponentials.

    Raises:
        ValueError: Nothing was measured, or a composition is missing.
    """
    if set(measured) != set(SINGLE) or not all(np.isfinite(m).any() for m in measured.values()):
        raise ValueError(f"need measured places of each of {SINGLE}, and have {set(measured)}")

    truth = np.stack([measured[v] for v in SINGLE], -1)  # (S, T, 2, 2)

    def residual(x: np.ndarray) -> np.ndarray:
        columns = maps(_unpacked(x, one_layer), mu, sigma, steps)
        return np.nan_to_num(columns - truth).ravel()

    rate = 1 / (np.median(second_moments(mu, sigma)) * np.median(steps))
    rates = [np.log(rate * factor) for factor in (0.5, 2.0)]
    starts = [[r, 0.0] for r in rates]
    if not one_layer:
        starts = [[r, 0.0, *np.log([s, s]), np.arctanh(c)] for r in rates for s, c in STARTS]
    lower = [-np.inf, -3.0] + ([] if one_layer else [-12.0, -12.0, -4.0])
    upper = [np.inf, 3.0] + ([] if one_layer else [0.0, 0.0, 4.0])
    starts = sorted(starts, key=lambda x: np.square(residual(np.array(x))).sum())[:3]
    bounds = (lower, upper)
    best = min(
        (least_squares(residual, x, bounds=bounds, max_nfev=30) for x in starts),
        key=lambda solution: solution.cost,
    )
    best = least_squares(residual, best.x, bounds=bounds)  # the best of the tries, to the end
    count = sum(np.isfinite(m).all(-1).sum() for m in measured.values())
    fit = _unpacked(best.x, one_layer)
    return Fit(fit.rate, fit.gain, fit.w0, float(np.sqrt(2 * best.cost / count)))


def _unpacked(x: np.ndarray, one_layer: bool) -> Fit:
    if one_layer:
        return Fit(float(np.exp(x[0])), float(np.exp(x[1])), None)
    first, second = np.exp(x[2:4]).tolist()
    off = float(np.tanh(x[4]) * np.sqrt(first * second))
    return Fit(float(np.exp(x[0])), float(np.exp(x[1])), ((first, off), (off, second)))


def distance(predicted, measured) -> float:
    """Root mean square distance of places (..., 2), where both were measured."""
    off = np.linalg.norm(np.asarray(predicted) - np.asarray(measured), axis=-1)
    return float(np.sqrt(np.nanmean(off**2)))
