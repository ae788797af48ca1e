"""Whether objects of one picture share their colour: by real pictures of which it is known."""

import numpy as np
import pytest
import torch

from lib.diffusion import train
from lib.experiments import length_colours, length_generalization
from lib.experiments._worlds import WORLDS
from lib.scenes import detector


@pytest.fixture(scope="module")
def reader():
    finder = detector.load()
    return finder, length_colours.make_rule(finder, detector.SIZE)


@pytest.mark.parametrize(("data", "low", "high"), [("one_colour", 0.8, 1), ("plain", 0, 0.3)])
def test_real_pictures_are_read_for_what_they_are(reader, data, low, high):
    world = length_generalization.world_of(length_generalization.Setting(data=data))
    scenes = world.sample(48, 3, 3, train.stream(1, 3), clear=True)
    pairs = length_colours.agreement(*reader, world.render(scenes, detector.SIZE))
    assert sum(every for _, every in pairs) > 80
    assert low <= np.mean(length_colours.shares(pairs)) <= high
    assert data in WORLDS


def test_pairs_are_counted_once(reader, monkeypatch):
    seen = torch.tensor([[1, 1, 2, 1], [3, 3, 0, 0]])
    there = torch.tensor([[True, True, True, False], [True, False, False, False]])
    monkeypatch.setattr(detector, "detect", lambda finder, x: (torch.zeros(2, 4, 2), there))
    monkeypatch.setattr(length_colours.colours, "read", lambda rule, x: seen)
    pairs = length_colours.agreement(*reader, torch.zeros(2, 3, 8, 8))
    assert pairs == [[1, 3], [0, 0]]
    assert length_colours.shares(pairs) == [1 / 3]
    with pytest.raises(ValueError, match="no pair to agree"):
        length_colours.shares(pairs[1:])
