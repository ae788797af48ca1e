"""What a picture shows instead of what was asked for: a full account of both.

Every place asked for is *hit*, *misplaced* (an object stands near it, but off the spot) or
*missing*. Every object found is one of the hits, one of the misplaced, *blended* (it stands halfway
between two places that were not hit) or *extra*. How often that happens by chance is told by the
account of the same pictures against other requests.
"""

import torch
from torch import Tensor

from lib.scenes.measure import MEASURE, Places, pairs

KINDS = ("hit", "misplaced", "missing", "blended", "extra")
NEAR = 3 * MEASURE.radius  # about half a local window of 5 x 5 cells


def accounts(found: Places, asked: Places) -> Tensor:
    """The account of each picture.

    Args:
        found: Places detected in n pictures.
        asked: Their requests.

    Returns:
        (n, 5), how many of each of `KINDS`. The first three add up to the asked; all but `missing`
        add up to the found.

    Raises:
        ValueError: The two are not of equally many pictures.
    """
    if len(found[0]) != len(asked[0]):
        raise ValueError(f"{len(found[0])} pictures cannot have {len(asked[0])} requests")
    return torch.stack([account(p[m], a[k]) for p, m, a, k in zip(*found, *asked, strict=True)])


def account(found: Tensor, asked: Tensor) -> Tensor:
    """The account (5,) of one picture: found (M, 2), asked (K, 2)."""
    found, asked = found.double().cpu(), asked.double().cpu()
    rows, columns, _ = pairs(found, asked)
    found, asked = _without(found, rows), _without(asked, columns)
    middles = torch.combinations(torch.arange(len(asked)))  # of pairs of places not hit
    middles = asked[middles].mean(1)
    near, missed, _ = pairs(found, asked, NEAR)
    found = _without(found, near)
    blended = pairs(found, middles)[0]
    missing, extra = len(asked) - len(missed), len(found) - len(blended)
    return torch.tensor([len(rows), len(near), missing, len(blended), extra])


def _without(places: Tensor, taken: Tensor) -> Tensor:
    """The places (N, 2) but those taken."""
    kept = torch.ones(len(places), dtype=torch.bool)
    kept[taken] = False
    return places[kept]
