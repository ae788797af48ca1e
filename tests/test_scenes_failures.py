"""The account of a picture: cases by hand, and sums that must come out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.scenes import failures

ASKED = [(0.2, 0.2), (0.8, 0.2), (0.2, 0.8)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (ASKED, (3, 0, 0, 0, 0)),
        ([], (0, 0, 3, 0, 0)),
        ([(0.2, 0.3), (0.8, 0.2)], (1, 1, 1, 0, 0)),  # 1/10 of the width off the spot
        ([(0.2, 0.34), (0.8, 0.2)], (1, 1, 1, 0, 0)),  # as far as three radii is near
        ([(0.2, 0.36), (0.8, 0.2)], (1, 0, 2, 0, 1)),
        ([(0.5, 0.2), (0.2, 0.8)], (1, 0, 2, 1, 0)),  # halfway between two
        ([(0.8, 0.8), (0.2, 0.2)], (1, 0, 2, 0, 1)),
        # Halfway between two of which one is hit: nothing was blended.
        ([(0.5, 0.2), (0.2, 0.2)], (1, 0, 2, 0, 1)),
        # Two objects for one place: the second is extra, being near a place that is hit.
        ([(0.2, 0.2), (0.22, 0.2), (0.8, 0.2), (0.2, 0.8)], (3, 0, 0, 0, 1)),
    ],
)
def test_an_account_by_hand(found, expected):
    places = torch.tensor(found).reshape(-1, 2)
    assert tuple(failures.account(places, torch.tensor(ASKED)).tolist()) == expected


places = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=8)


@given(places, places)
def test_everything_asked_and_everything_found_is_accounted_for(found, asked):
    found, asked = (torch.tensor(p).reshape(-1, 2) for p in (found, asked))
    hit, misplaced, missing, blended, extra = failures.account(found, asked).tolist()
    assert hit + misplaced + missing == len(asked)
    assert hit + misplaced + blended + extra == len(found)
    assert min(hit, misplaced, missing, blended, extra) >= 0


def test_masks_say_what_counts():
    found = torch.tensor([ASKED, ASKED]), torch.tensor([[True] * 3, [True, False, False]])
    asked = torch.tensor([ASKED, ASKED]), torch.tensor([[True, False, True], [False] * 3])
    assert failures.accounts(found, asked).tolist() == [[2, 0, 0, 0, 1], [0, 0, 0, 0, 1]]
    with pytest.raises(ValueError, match="2 pictures cannot have 1 requests"):
        failures.accounts(found, tuple(part[:1] for part in asked))
