"""How well pictures show what was asked for: fixed before any network was looked at.

A picture's detected places are matched one to one to those asked for. `hits` is the matched share
of the asked, `blind` what the same pictures score against another scene's request for as many
objects, `ceiling` what real pictures of the asked scenes score. Then

    skill = (hits - blind) / (ceiling - blind)

is 0 for drawing without looking and 1 for drawing as well as a real picture: a ratio of sums, whose
interval is `lib.book.intervals.ratio`'s.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

Places = tuple[Tensor, Tensor]  # (B, M, 2) in [0, 1] and a mask (B, M), as of conditions


@dataclass(frozen=True)
class Measure:
    """The numbers that the measure rests on.

    Attributes:
        radius: How far a match may be, as a share of the picture's width.
        threshold: How sure the detector must be of an object.
        visible: An object seen less than this is heavily hidden. Scenes that set a request or
            judge the detector hold none; so neither truth nor result counts one.
        samples: Pictures for each number of objects and each training seed.
        counts: Numbers of objects asked for.
        levels: Of skill, for K_max; the first is the verdict's.
    """

    radius: float = 1 / 20
    threshold: float = 0.5
    visible: float = 0.3
    samples: int = 96
    counts: tuple[int, ...] = (0, 1, 2, 3, 4, 6, 8, 10)
    levels: tuple[float, ...] = (0.8, 0.6, 0.9)


MEASURE = Measure()


def match_best(cost: Tensor, fits: Tensor) -> tuple[Tensor, Tensor]:
    """The best one-to-one matching: most matches first, then the least sum of costs.

    Args:
        cost: (M, K), finite and far below 1000 where it fits.
        fits: (M, K), which of the M may be matched with which of the K.

    Returns:
        Which of the M and which of the K, (H,) each, H <= min(M, K).
    """
    # One match weighs more than any sum of costs, so as many are made as can be.
    weighed = torch.where(fits, cost, 1e3)
    rows, columns = map(torch.as_tensor, linear_sum_assignment(weighed.numpy()))
    chosen = fits[rows, columns]
    return rows[chosen], columns[chosen]


def distance(found: Tensor, asked: Tensor) -> Tensor:
    """How far places found (M, 2) are from those asked for (K, 2): (M, K), in float64 on the CPU.

    Raises:
        ValueError: A place is not finite: it would match nothing.
    """
    for name, places in (("found", found), ("asked for", asked)):
        if not places.isfinite().all():
            raise ValueError(f"a place {name} is not finite: {places.tolist()}")
    return torch.cdist(found.double().cpu(), asked.double().cpu())


def pairs(
    found: Tensor, asked: Tensor, radius: float = MEASURE.radius
) -> tuple[Tensor, Tensor, Tensor]:
    """The best one-to-one matching within a radius, see `match_best`.

    Args:
        found: (M, 2), in [0, 1].
        asked: (K, 2), in [0, 1].
        radius: The longest match.

    Returns:
        Which of the found, which of the asked, and how far apart: (H,) each, H <= min(M, K).

    Raises:
        ValueError: A place is not finite: it would match nothing.
    """
    apart = distance(found, asked)
    rows, columns = match_best(apart, apart <= radius)
    return rows, columns, apart[rows, columns]


def matched(found: Tensor, asked: Tensor, radius: float = MEASURE.radius) -> Tensor:
    """Distances (H,) of the best one-to-one matching, see `pairs`."""
    return pairs(found, asked, radius)[2]


def tally(
    found: Sequence[Tensor], locations: Tensor, mask: Tensor, radius: float = MEASURE.radius
) -> dict[str, Tensor]:
    """Objects found in pictures against those asked for, one to one.

    Args:
        found: B tensors (n, 2), where each picture shows objects, in the units of `locations`.
        locations: (B, K, 2), asked for.
        mask: (B, K), which of them are.
        radius: How far from its location an object may be.

    Returns:
        A dict of (B,) tensors: `hits`, the share of the asked that are there, nan if nothing was
        asked; `blind`, the same against what the other pictures were asked, on average; `extras`,
        objects that match none.

    Raises:
        ValueError: There are fewer than two pictures, or a place is not finite.
    """
    if len(found) < 2:
        raise ValueError("the blind baseline needs at least two pictures")
    asked = [place[there] for place, there in zip(locations, mask, strict=True)]
    hits = torch.tensor(
        [[len(matched(seen, places, radius)) for places in asked] for seen in found]
    ).double()
    share = hits / mask.sum(1)
    others = share.masked_fill(torch.eye(len(found), dtype=torch.bool), torch.nan)
    return {
        "hits": share.diagonal(),
        "blind": others.nanmean(1),
        "extras": torch.tensor([len(seen) for seen in found]) - hits.diagonal(),
    }


def raw_scores(
    found: Places, asked: Places, real: Places, radius: float = MEASURE.radius
) -> dict[str, list]:
    """Raw numbers of pictures that were asked for K objects each, to be stored and summed up.

    Args:
        found: Places detected in n drawn pictures.
        asked: The n requests, (n, K, 2) and a mask that is all true.
        real: Places detected in real pictures of the n asked scenes.
        radius: How far a hit may be.

    Returns:
        `count`, K, and lists of n numbers: `hits` (matched), `blind` (matched to the next
        picture's request), `ceiling` (matched in the real picture), `found` (detected), `error`
        (sum of the distances of the hits, in widths).

    Raises:
        ValueError: The batches differ in length or hold fewer than two pictures, the requests
            differ in K, a place asked for is outside the picture, or a place is not finite.
    """
    place, mask = asked
    if not len(place) == len(found[0]) == len(real[0]) or len(place) < 2:
        raise ValueError("found, asked and real must be of the same two or more pictures")
    if not mask.all():
        raise ValueError("every picture must be asked for the same number of places")
    if not ((place >= 0) & (place <= 1)).all():
        raise ValueError("a place asked for is outside the picture: x and y must be in [0, 1]")
    hits, blind, ceiling = (
        [matched(p[m], a, radius) for p, m, a in zip(*places, requests, strict=True)]
        for places, requests in ((found, place), (found, place.roll(-1, 0)), (real, place))
    )
    return {
        "count": place.shape[1],
        "hits": list(map(len, hits)),
        "blind": list(map(len, blind)),
        "ceiling": list(map(len, ceiling)),
        "found": found[1].sum(1).tolist(),
        "error": [round(float(distances.sum()), 6) for distances in hits],
    }


def summary(seeds: Sequence[dict]) -> dict:
    """What the pictures of all training seeds say for one number of objects: :eq:`eq-skill`.

    Args:
        seeds: What `raw_scores` returned, one a training seed, all with equal K and equally many
            pictures.

    Returns:
        `count`; `hits`, `blind`, `ceiling` as shares of the asked; `skill`, and each seed's own
        in `skills`; `extras` a picture (detected, not hits); `exact`, the
        share of pictures with as many detected as asked; `error`, the mean distance of hits in
        widths. For K = 0 all but `count`, `extras` and `exact` are None.

    Raises:
        ValueError: Different K, numbers that are not finite, or real pictures hit no more than
            blind ones.
    """
    count = seeds[0]["count"]
    if any(seed["count"] != count for seed in seeds):
        raise ValueError(f"all seeds must be asked for {count} objects")
    numbers = _numbers(seeds, "hits", "blind", "ceiling")
    hits, found, error = _numbers(seeds, "hits", "found", "error")
    result = {
        "count": count,
        "extras": float((found - hits).mean()),
        "exact": float((found == count).double().mean()),
    }
    names = ("hits", "blind", "ceiling", "skill", "skills", "error")
    if count == 0:
        return result | dict.fromkeys(names)
    if numbers[2].sum() <= numbers[1].sum():
        raise ValueError(f"real pictures of {count} objects hit no more than blind ones")
    values = [float(part.mean()) / count for part in numbers]
    values += [float(skill(numbers.sum((1, 2)))), skill(numbers.sum(2)).tolist()]
    values.append(float(error.sum() / hits.sum()) if hits.sum() else None)
    return result | dict(zip(names, values, strict=True))


def _numbers(seeds: Sequence[dict], *names: str) -> Tensor:
    """Raw numbers (names, seeds, n)."""
    numbers = torch.tensor([[seed[name] for seed in seeds] for name in names], dtype=torch.float64)
    for name, each in zip(names, numbers, strict=True):
        if not each.isfinite().all():
            raise ValueError(f"{name} of K = {seeds[0]['count']} are not finite in some pictures")
    return numbers


def skill(sums: Tensor) -> Tensor:
    """Skill (...) from sums (3, ...) over pictures: of hits, of blind hits, of ceilings.

    Raises:
        ValueError: A number is not finite, or real pictures hit no more than blind ones.
    """
    hits, blind, ceiling = sums
    if not (sums.isfinite().all() and (blind < ceiling).all()):
        hits, blind, ceiling = sums.tolist()
        raise ValueError(
            f"skill needs finite hits ({hits}) and a ceiling ({ceiling}) above blind hits ({blind})"
        )
    return (hits - blind) / (ceiling - blind)


def k_max(lows: dict[int, float], level: float = MEASURE.levels[0]) -> int:
    """How many objects a network composes.

    Args:
        lows: Lower 95 % bound of skill by number of objects asked for, 1 or more.
        level: Of skill.

    Returns:
        The largest of these K such that it and all smaller ones reach the level; 0 if none does.

    Raises:
        ValueError: A bound is not finite.
    """
    if not all(map(math.isfinite, lows.values())):
        raise ValueError(f"bounds of skill must be finite: {lows}")
    reached = 0
    for count, low in sorted(lows.items()):
        if not low >= level:
            break
        reached = count
    return reached


def implied_extras(rule: str, low: int, high: int, count: int) -> float:
    """Objects beyond the K asked for that a network's training data imply.

    Args:
        rule: `label_all` or `label_one`.
        low, high: Objects in a training scene, uniform, ends included.
        count: K.

    Returns:
        For `label_all` 0: all objects are labelled. For `label_one` the others in a scene of at
        least K objects, on average; 0 where no training scene has so many.

    Raises:
        ValueError: An unknown rule.
    """
    if rule not in ("label_all", "label_one"):
        raise ValueError(f"the rule must be 'label_all' or 'label_one', not {rule!r}")
    others = [n - count for n in range(max(low, count), high + 1)]
    return sum(others) / len(others) if rule == "label_one" and others else 0.0
