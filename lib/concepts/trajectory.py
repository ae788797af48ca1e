"""What a path through concept space did: which concept came first, how far it bent, how it slowed.

A path is places (..., T, 2), colour and size, at steps (T,), from (0, 0), red and big, towards
(1, 1), blue and small. Definitions are the book's own.
"""

import numpy as np

LEARNED = 0.75  # of a concept, when it counts as learned
HEARD = 0.25  # effect of a concept asked for that must be exceeded, of the way between class means
FITTED = 4  # speeds at least, from the maximum on, for two numbers of a decay
STILL = 1e-4  # shortest way that counts as one: places are stored to as many digits


def error(path) -> np.ndarray:
    """Squared distance of places from blue and small: (..., T, 2) -> (..., T)."""
    return ((_checked(path) - 1) ** 2).sum(-1)


def first_passing(path, steps, level: float = LEARNED) -> np.ndarray:
    """The step at which each concept first reaches `level`: (..., T, 2) -> (..., 2).

    Linear in the square root of the step between two evaluations; the first step where it is there
    from the start, infinity where it never is.

    Raises:
        ValueError: Steps and path do not fit each other.
    """
    path, root = _checked(path, steps), np.sqrt(np.asarray(steps, float))
    reached = path >= level
    index = reached.argmax(-2)  # 0 where it never is, too
    after = np.take_along_axis(path, index[..., None, :], -2)[..., 0, :]
    before = np.take_along_axis(path, np.maximum(index - 1, 0)[..., None, :], -2)[..., 0, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(index > 0, (level - before) / (after - before), 1.0)
    start = root[np.maximum(index - 1, 0)]
    passing = (start + share * (root[index] - start)) ** 2
    return np.where(reached.any(-2), passing, np.inf)


def step_learnt(path, steps, level: float = LEARNED) -> np.ndarray:
    """The evaluation from which on each concept is at `level` or above to the end: (..., T, 2) ->
    (..., 2), a step; infinity where it is not at the end.

    Raises:
        ValueError: Steps and path do not fit each other.
    """
    path, steps = _checked(path, steps), np.asarray(steps, float)
    stays = np.minimum.accumulate((path >= level)[..., ::-1, :], -2)[..., ::-1, :]
    return np.where(stays, steps[:, None], np.inf).min(-2)


def hears(places) -> np.ndarray:
    """Whether asking for one concept alone changes the answer: (..., T, 4, 2) -> (..., T).

    Of both concepts, by more than `HEARD`. Before, the answers share one wandering place.

    Args:
        places: Of the compositions (0, 0), (1, 0), (0, 1) and (1, 1) in this order.
    """
    places = np.asarray(places, float)
    alone = places[..., (1, 2), (0, 1)] - places[..., 0, :]
    return (alone > HEARD).all(-1)


def bend(path) -> np.ndarray:
    """How far a path leaves the diagonal: (..., T, 2) -> (...), from -1 to 1.

    The value of colour - size where it is largest in size: 1 passes through blue and big, -1
    through red and small, 0 learns both concepts at the same pace.
    """
    path = _checked(path)
    lead = path[..., 0] - path[..., 1]
    return np.take_along_axis(lead, np.abs(lead).argmax(-1)[..., None], -1)[..., 0]


def largest_rise(path) -> tuple[int, int]:
    """Where the error's largest rise begins, at a minimum, and ends: (T, 2) -> two indices."""
    off = error(path)
    top = int((off - np.minimum.accumulate(off)).argmax())
    return int(off[: top + 1].argmin()), top


def speed(path, steps) -> tuple[np.ndarray, np.ndarray]:
    """Middle steps (T - 1,) and way a step between evaluations, (..., T, 2) -> (..., T - 1).

    A way shorter than `STILL` counts as that long.
    """
    path, steps = _checked(path, steps), np.asarray(steps, float)
    way = np.linalg.norm(np.diff(path, axis=-2), axis=-1)
    return (steps[1:] + steps[:-1]) / 2, np.maximum(way, STILL) / np.diff(steps)


def slowing(speeds) -> slice:
    """From a path's largest speed on: where `decay` is fitted, to `FITTED` of them at least."""
    return slice(int(np.argmax(speeds)), len(speeds))


def decay(steps, speeds) -> dict[str, float]:
    """How a speed falls off from its maximum on: two straight lines through its logarithm.

    ln v = a - rate t is an exponential, ln v = a - power ln t a power law: two numbers each.

    Args:
        steps: (T,), positive.
        speeds: (T,), positive.

    Returns:
        `rate`, `power`, and what each line leaves of the variance of ln v, `exponential_left` and
        `power_left`.

    Raises:
        ValueError: Fewer than four speeds from the maximum on, one that is not positive, or all of
            them equal.
    """
    if not (np.isfinite(speeds) & (np.asarray(speeds) > 0)).all():
        raise ValueError(f"speeds must be finite and positive: {list(speeds)}")
    part = slowing(speeds)
    steps, logs = np.asarray(steps, float)[part], np.log(np.asarray(speeds, float)[part])
    if len(logs) < FITTED:
        raise ValueError(
            f"a decay needs {FITTED} speeds or more from the maximum on, not {len(logs)}"
        )
    if not np.ptp(logs) > 1e-9:
        raise ValueError("a decay needs speeds that fall; these are all equal")
    result = {}
    for name, left, x in (("rate", "exponential", steps), ("power", "power", np.log(steps))):
        slope, level = np.polyfit(x, logs, 1)
        result[name] = float(-slope)
        result[f"{left}_left"] = float(np.var(logs - slope * x - level) / np.var(logs))
    return result


def _checked(path, steps=None) -> np.ndarray:
    path = np.asarray(path, float)
    if path.ndim < 2 or path.shape[-1] != 2:
        raise ValueError(f"a path has shape (..., T, 2), not {path.shape}")
    if not np.isfinite(path).all():
        bad = np.argwhere(~np.isfinite(path).all(-1))[0].tolist()
        raise ValueError(f"a path must be finite: its place at {bad} is not")
    if steps is not None and np.shape(steps) != path.shape[-2:-1]:
        raise ValueError(
            f"a path of {path.shape[-2]} places needs as many steps: {np.shape(steps)}"
        )
    return path
