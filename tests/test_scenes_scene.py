"""Scenes and the camera, against a pinhole written out by hand and CLEVR's own numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.scenes import Camera, locations, project, sample_scenes
from lib.scenes.scene import (
    BEHIND,
    CROWD,
    EYE,
    LAMPS,
    MARGIN,
    MIN_GAP,
    RIGHT,
    SHAPES,
    unproject,
    with_locations,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pinhole(point, eye):
    """The picture of one point: by tangents of the angles from the view, with numpy alone."""
    forward = -eye / np.linalg.norm(eye)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    offset = point - eye
    depth = offset @ forward
    return 240 + 525 * (offset @ right) / depth, 160 - 525 * (offset @ up) / depth, depth


def test_project_is_a_pinhole_that_looks_at_the_origin():
    rng = np.random.default_rng(0)
    eyes, points = rng.normal(EYE, 0.3, (5, 3)), rng.uniform(-3, 3, (5, 4, 3))
    found = project(points, Camera(torch.tensor(eyes)))
    wanted = [[pinhole(p, eye) for p in row] for row, eye in zip(points, eyes, strict=True)]
    assert np.abs(found.numpy() - np.array(wanted)).max() < 1e-9
    center = project([0.0, 0.0, 0.0], Camera(torch.tensor(EYE)))
    assert torch.allclose(center, torch.tensor([240, 160, math.hypot(*EYE)]), atol=1e-3)
    right = project([*RIGHT, 0.0], Camera(torch.tensor(EYE)))
    behind = project([*BEHIND, 0.0], Camera(torch.tensor(EYE)))
    assert right[0] > 240
    assert abs(right[1] - 160) < 0.1
    assert behind[1] < 160
    assert abs(behind[0] - 240) < 0.1


def test_unproject_is_the_inverse_of_project():
    rng = np.random.default_rng(1)
    camera = Camera(torch.tensor(rng.normal(EYE, 0.3, (5, 3))))
    points = torch.tensor(rng.uniform(-3, 3, (5, 4, 3)))
    seen = project(points, camera)[..., :2]
    assert seen.dtype == torch.float64
    assert (unproject(seen, points[..., 2], camera) - points).norm() < 1e-10
    higher = points[..., 2] + 0.5
    other = unproject(seen, higher, camera)
    assert torch.linalg.norm(other[..., 2] - higher) < 1e-10
    assert torch.linalg.norm(project(other, camera)[..., :2] - seen) < 1e-8
    assert (other - points).norm(dim=-1).min() > 0.1


def doubled(scenes):
    """The same scenes in double precision."""
    eye, lamps = scenes.camera.eye.double(), scenes.lamps.double()
    return replace(
        scenes, coords=scenes.coords.double(), camera=replace(scenes.camera, eye=eye), lamps=lamps
    )


def test_moved_objects_appear_where_they_were_moved_and_keep_their_height():
    scenes = doubled(sample_scenes(20, 1, 4, generator()))
    places = 0.2 + 0.6 * torch.rand(20, 4, 2, generator=generator(1), dtype=torch.float64)
    found = with_locations(scenes, places)
    assert torch.linalg.norm((locations(found) - places)[scenes.mask]) < 1e-9
    assert torch.linalg.norm(found.coords[..., 2] - scenes.coords[..., 2]) < 1e-12
    assert torch.equal(found.coords[~scenes.mask], scenes.coords[~scenes.mask])
    assert torch.equal(found.color, scenes.color)
    back = with_locations(found, locations(scenes))
    assert torch.linalg.norm((back.coords - scenes.coords)[scenes.mask]) < 1e-9
    camera = Camera(
        torch.tensor(EYE, dtype=torch.float64) + torch.rand(20, 3, generator=generator(2))
    )
    elsewhere = with_locations(scenes, places, camera)
    assert torch.linalg.norm((locations(elsewhere) - places)[scenes.mask]) < 1e-9
    assert torch.equal(elsewhere.camera.eye, camera.eye)


def test_project_says_which_shapes_it_takes():
    with pytest.raises(ValueError, match=r"must be \(\.\.\., 3\)"):
        project([1.0, 2.0], Camera(torch.tensor(EYE)))
    with pytest.raises(ValueError, match="camera's dimensions"):
        project(torch.zeros(2, 3), Camera(torch.zeros(4, 3)))


@pytest.mark.parametrize("most", [3, 10])
def test_scenes_keep_clevrs_distances(most):
    scenes = sample_scenes(64, 1, most, generator())
    xy, scale, mask = scenes.coords[..., :2], scenes.coords[..., 2], scenes.mask
    assert (mask.sum(1) >= 1).all()
    assert set(mask.sum(1).tolist()) == set(range(1, most + 1))
    assert xy[mask].abs().max() <= 3
    pair = mask[:, :, None] & mask[:, None] & ~torch.eye(most, dtype=torch.bool)
    between = (xy[:, :, None] - xy[:, None]).double()
    gap = between.norm(dim=-1) - scale[:, :, None] - scale[:, None]
    cubes = scenes.shape == SHAPES.index("cube")
    assert gap[pair].min() > MIN_GAP - 1e-5
    nearest = gap[pair & ~cubes[:, None] & ~cubes[:, :, None]].min()
    assert most == 3 or nearest < MIN_GAP + 0.05  # and no more than that
    for direction in (RIGHT, BEHIND):
        along = (between @ torch.tensor(direction, dtype=torch.float64)).abs()
        assert along[pair].min() > MARGIN - 1e-5
        assert most == 3 or along[pair].min() < MARGIN + 0.02
    radius = torch.tensor([0.7, 0.35])[scenes.size]
    assert torch.allclose(scale, torch.where(cubes, radius / 2**0.5, radius))


def test_every_object_is_wholly_in_the_picture_and_its_centre_in_sight():
    scenes = sample_scenes(64, 1, 8, generator(1))
    seen = project(scenes.coords, scenes.camera)
    radius = scenes.camera.focal * torch.tensor([0.7, 0.35])[scenes.size] / seen[..., 2]
    place, mask = locations(scenes), scenes.mask
    reach = (radius / 320)[..., None]
    assert (place - reach)[mask].min() >= -1e-5
    assert (place + reach)[mask].max() <= 1 + 1e-5
    assert (place - reach)[mask][:, 0].min() < 0.03  # and as near to the sides as that
    assert (place + reach)[mask][:, 0].max() > 0.97
    apart = (seen[:, :, None, :2] - seen[:, None, :, :2]).norm(dim=-1)
    pair = mask[:, :, None] & mask[:, None]
    in_front = pair & (seen[:, :, None, 2] < seen[:, None, :, 2])
    assert (apart >= radius[:, :, None] - 1e-3)[in_front].all()
    assert (apart - radius[:, :, None])[in_front].min() < 2  # pixels


def test_scenes_are_uniform_where_nothing_stands_against_it():
    scenes = sample_scenes(3000, 0, 2, generator(2))
    counts = torch.bincount(scenes.mask.sum(1), minlength=3)
    assert (counts - 1000).abs().max() < 4 * (3000 * 2 / 9) ** 0.5
    for values, n in ((scenes.shape, 3), (scenes.size, 2), (scenes.material, 2), (scenes.color, 8)):
        share = torch.bincount(values.flatten(), minlength=n) / values.numel()
        assert (share - 1 / n).abs().max() < 0.03
    for values, center, reach in (
        (scenes.camera.eye, torch.tensor(EYE), 0.5),
        (scenes.lamps, torch.tensor(LAMPS), 1.0),
        (scenes.rotation, math.pi, math.pi),
    ):
        off = (values - center) / reach
        assert 0.99 < off.abs().max() <= 1 + 1e-6
        assert off.mean(0).abs().max() < 0.06
        assert (off.std(0) - 3**-0.5).abs().max() < 0.03


def test_a_generator_decides_everything():
    one, same = sample_scenes(8, 0, 5, generator()), sample_scenes(8, 0, 5, generator())
    assert torch.equal(one.coords, same.coords)
    assert torch.equal(one.lamps, same.lamps)
    assert not torch.equal(one.coords, sample_scenes(8, 0, 5, generator(1)).coords)


def test_empty_and_crowded_scenes():
    assert sample_scenes(4, 0, 0, generator()).coords.shape == (4, 0, 3)
    crowded = sample_scenes(16, 12, 12, generator())
    assert crowded.mask.all()
    assert crowded[3:5].coords.shape == (2, 12, 3)
    between = (crowded.coords[:, :, None, :2] - crowded.coords[:, None, :, :2])[
        :, *torch.triu_indices(12, 12, 1)
    ]
    for direction in (RIGHT, BEHIND):
        nearest = (between @ torch.tensor(direction)).abs().min()
        assert abs(nearest - MARGIN * (10 / 12) ** 2) < 0.01
    assert CROWD == 10  # CLEVR's most, up to which its own margin holds


@pytest.mark.parametrize(("batch", "low", "high"), [(0, 1, 3), (4, -1, 3), (4, 3, 2)])
def test_impossible_requests(batch, low, high):
    with pytest.raises(ValueError, match="min_objects <= max_objects"):
        sample_scenes(batch, low, high, generator())


def test_no_room(monkeypatch):
    monkeypatch.setattr("lib.scenes.scene.RESTARTS", 2)
    with pytest.raises(ValueError, match="40 objects find no room"):
        sample_scenes(2, 40, 40, generator())


def test_a_seed_s_scenes_stay_what_they_are():
    """Stored requests are named by their seeds alone."""
    scenes = sample_scenes(2, 3, 3, torch.Generator().manual_seed(0))
    assert scenes.color.tolist() == [[5, 3, 4], [6, 3, 5]]
    last = [[0.68971, 1.98154, 0.35], [-2.13801, 1.27637, 0.24749]]
    assert torch.allclose(scenes.coords[:, -1], torch.tensor(last), atol=1e-4)
