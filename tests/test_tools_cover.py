"""What the opening pages show of an answer that turns back is a turn that the eye sees."""

import pytest
import torch

from lib.book import figures
from lib.sim import two_layer
from tools import cover, five_minutes


def test_the_answer_forgets_most_of_what_it_knew_of_the_weak_concept():
    t = torch.linspace(0, 9, 1201, dtype=torch.float64)
    start = two_layer.correlated_start(**five_minutes.START)
    weak = (two_layer.flow(start, five_minutes.CLEAR.a, t) @ five_minutes.CLEAR.test_point)[:, 1]
    top = weak[:200].argmax()
    assert weak[top].item() == pytest.approx(0.73, abs=0.005)
    assert weak[top:600].min().item() == pytest.approx(0.08, abs=0.005)


def test_the_flow_to_drag_begins_with_it():
    figures.use_style()
    text = cover.flow()
    assert "at 3 on the first axis and 1 on the second" in text
    assert "of squared length 0.1 each, 14 degrees apart" in text
    assert "its largest rise is 9.5% of its start" in text
