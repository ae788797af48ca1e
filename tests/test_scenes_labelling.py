"""What networks are told of scenes."""

from dataclasses import replace

import pytest
import torch

from lib.scenes import annotate, locations, sample_scenes
from lib.scenes.labelling import label_all, label_one, request, request_scenes
from lib.scenes.measure import MEASURE


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_label_all_tells_every_object_in_the_picture():
    scenes = sample_scenes(20, 0, 5, generator())
    place, mask = label_all(scenes)
    assert torch.equal(mask, scenes.mask)
    assert torch.equal(place[mask], locations(scenes)[mask])
    assert (place[~mask] == 0).all()
    aside = replace(scenes, coords=scenes.coords * torch.tensor([4.0, 4.0, 1.0]))
    place, mask = label_all(aside)
    assert 0 < mask.sum() < aside.mask.sum()
    assert place.min() >= 0
    assert place.max() <= 1


def test_label_one_tells_any_one_object():
    scenes = sample_scenes(1, 3, 3, generator())[[0] * 3000]
    place, mask = label_one(scenes, generator(1))
    assert place.shape == (3000, 1, 2)
    assert mask.all()
    chosen = (place == locations(scenes)).all(-1)
    assert (chosen.sum(1) == 1).all()
    assert (chosen.double().mean(0) - 1 / 3).abs().max() < 0.035


def test_label_one_of_scenes_without_objects():
    place, mask = label_one(sample_scenes(3, 0, 0, generator()), generator())
    assert place.shape == (3, 1, 2)
    assert not mask.any()
    place, mask = label_one(sample_scenes(50, 0, 2, generator()), generator())
    assert torch.equal(mask[:, 0], sample_scenes(50, 0, 2, generator()).mask.any(1))


@pytest.mark.parametrize("count", [0, 1, 8, 12])
def test_requests_come_from_scenes_that_show_all_their_objects(count):
    scenes = request_scenes(20, count, generator())
    place, mask = label_all(scenes)
    assert mask.shape == (20, count)
    assert mask.all()
    assert (annotate(scenes).visibility >= MEASURE.visible).all()
    between = torch.cdist(place, place) + torch.eye(count)
    assert count < 2 or between.min() > MEASURE.radius / 2


def test_places_of_ones_own():
    place, mask = request([(0.2, 0.5), (1, 0)], batch=3)
    assert place.shape == (3, 2, 2)
    assert mask.shape == (3, 2)
    assert mask.all()
    assert request([])[0].shape == (1, 0, 2)
    with pytest.raises(ValueError, match=r"place 1, \[0.5, 1.2\S*\], is outside the picture"):
        request([(0.5, 0.5), (0.5, 1.2)])
    with pytest.raises(ValueError, match="outside the picture"):
        request([(float("nan"), 0.5)])
    for places in ([0.5, 0.5], [(0.1, 0.2, 0.3)], [(0.1,)]):
        with pytest.raises(ValueError, match="pairs"):
            request(places)
