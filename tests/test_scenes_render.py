"""The renderer, against rays marched through implicit solids and lamps sampled point by point."""

import importlib
from dataclasses import replace

import pytest
import torch

from lib.scenes import SHAPES, labels, locations, render, render_frame, sample_scenes
from lib.scenes.trace import Grid, hidden, objects_of, trace

module = importlib.import_module("lib.scenes.render")  # the package's `render` is the function


UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def outside(scenes, k, points):
    """Whether points (..., 3) are above 0 by the implicit form of object k of the only scene."""
    local = points - scenes.coords[0, k]
    cos, sin = scenes.rotation[0, k].cos(), scenes.rotation[0, k].sin()
    x, y, z = local.unbind(-1)
    local = torch.stack([cos * x + sin * y, cos * y - sin * x, z], -1) / scenes.coords[0, k, 2]
    shape = SHAPES[scenes.shape[0, k]]
    if shape == "cube":
        return local.abs().amax(-1) - 1
    if shape == "sphere":
        return local.norm(dim=-1) - 1
    return torch.maximum(local[..., :2].norm(dim=-1), local[..., 2].abs()) - 1


def doubled(scenes):
    return replace(scenes._map(lambda t: t.double() if t.is_floating_point() else t))


def test_pictures():
    scenes = sample_scenes(5, 0, 6, generator())
    for size in (32, 20):
        pictures = render(scenes, size)
        assert pictures.shape == (5, 3, size, size)
        assert pictures.dtype == torch.float32
        assert pictures.min() >= -1
        assert pictures.max() <= 1
        assert torch.equal(pictures, render(scenes, size))
    with pytest.raises(ValueError, match="at least 1 pixel"):
        render(scenes, 0)


def test_the_square_is_the_middle_of_the_frame():
    scenes = sample_scenes(1, 3, 6, generator())
    frame, square = render_frame(scenes), render(scenes, 320)
    assert frame.shape == (1, 3, 320, 480)
    assert (frame[..., 80:400] - square).abs().max() < 1e-5


def test_a_picture_does_not_depend_on_its_batch(monkeypatch):
    scenes = sample_scenes(5, 0, 6, generator(1))
    together = render(scenes, 32)
    alone = torch.cat([render(scenes[i : i + 1], 32) for i in range(5)])
    assert (together - alone).abs().max() < 1e-5
    monkeypatch.setattr(module, "CHUNK", 20_000)
    assert (together - render(scenes, 32)).abs().max() < 1e-5


def test_scenes_without_objects_show_the_bare_ground():
    none = sample_scenes(2, 0, 0, generator())
    masked = sample_scenes(2, 3, 3, generator())
    masked = replace(masked, mask=torch.zeros_like(masked.mask), camera=none.camera)
    assert (render(none, 32) - render(replace(masked, lamps=none.lamps), 32)).abs().max() < 1e-6
    assert (render(none, 32)[:, 0] - render(none, 32)[:, 2]).abs().max() < 1e-6  # gray
    assert labels(none).visibility.shape == (2, 0)


@pytest.mark.parametrize("seed", range(2))
def test_rays_meet_objects_where_marching_finds_them(seed):
    scenes = doubled(sample_scenes(1, 6, 6, generator(seed)))
    n, objects = 24, objects_of(scenes)
    grid = Grid.square(scenes.camera, n)
    hits = trace(objects, scenes.camera, grid)
    x, y = grid.slopes(scenes.camera)
    right, down, forward = scenes.camera.axes[0]
    rays = x[None, :, None] * right + y[:, None, None] * down + forward
    steps = torch.linspace(6, 18, 1201, dtype=torch.float64)
    points = scenes.camera.eye[0] + steps[:, None, None, None] * rays
    for index, k in enumerate(objects.slot.tolist()):
        inside = outside(scenes, k, points) < 0
        depth = torch.where(inside.any(0), steps[inside.to(torch.uint8).argmax(0)], torch.inf)
        found = torch.full((n * n,), torch.inf, dtype=torch.float64)
        mine = hits.object == index
        found[hits.ray[mine]] = hits.depth[mine]
        found = found.view(n, n)
        assert not (depth.isfinite() & found.isinf()).any()
        grazes = found.isfinite() & depth.isinf()  # too short for a step to fall inside
        assert grazes.sum() <= 2
        both = found.isfinite() & depth.isfinite()
        assert (found - depth)[both].abs().max() < 0.01


@pytest.mark.parametrize("shape", range(3))
def test_lamps_are_hidden_as_sampling_the_lamp_says(shape):
    """From points on the ground around an object, against 60 rays to the lamp's ball."""
    scenes = doubled(sample_scenes(8, 1, 1, generator(3)))
    scenes = replace(scenes, shape=torch.full_like(scenes.shape, shape))
    objects = objects_of(scenes)
    aside = torch.rand(8, 60, 2, generator=generator(4), dtype=torch.float64) * 4 - 2
    point = torch.nn.functional.pad(scenes.coords[:, :, :2] + aside, (0, 1))  # (scene, 60, 3)
    lamp, radius = scenes.lamps[:, 0], 0.3
    ball = torch.randn(60, 3, generator=generator(5), dtype=torch.float64)
    ball = radius * ball / ball.norm(dim=1, keepdim=True)
    steps = torch.linspace(0, 0.6, 200, dtype=torch.float64)[:, None, None, None]
    errors, dark = [], 0
    for scene in range(8):
        beside = outside(scenes[[scene]], 0, point[scene] + objects.scale[scene] * UP) > 0
        places = point[scene][beside]
        n = len(places)
        owner, lamps = torch.full((n,), scene), lamp[scene].expand(n, 3)
        share = hidden(objects, owner, places.T, lamps.T, torch.full((n,), radius).double())
        way = lamp[scene] + ball - places[:, None]
        blocked = outside(scenes[[scene]], 0, places[:, None] + steps * way) < 0
        wanted = blocked.any(0).double().mean(1)
        errors.append((share - wanted).abs())
        dark += (wanted > 0.5).sum()
    assert dark > 15
    assert torch.cat(errors).mean() < 0.01
    assert (torch.cat(errors) > 0.4).sum() <= 1


def test_no_shadow_is_missed(monkeypatch):
    """The boxes of shadows and the choice of neighbours leave out nothing that can be seen."""
    scenes = sample_scenes(3, 8, 8, generator(6))
    picture = render(scenes, 32)

    def everywhere(objects, camera, lamps, radius, grid):
        pairs = torch.cartesian_prod(
            *map(torch.arange, (len(objects.scale), 4, grid.rows, grid.columns))
        )
        return pairs.T

    def everyone(objects, lamps, radius):
        same = objects.scene[:, None] == objects.scene
        occluder, shaded = same.fill_diagonal_(False).nonzero().T
        return (
            occluder.repeat_interleave(4),
            shaded.repeat_interleave(4),
            torch.arange(4).repeat(len(shaded)),
        )

    monkeypatch.setattr(module, "shadows", everywhere)
    monkeypatch.setattr(module, "neighbours", everyone)
    assert (render(scenes, 32) - picture).abs().max() < 0.02


def test_visibility_is_the_share_seen_with_the_others_there():
    scenes = sample_scenes(4, 5, 5, generator(7))
    found = labels(scenes, 96)
    assert torch.equal(found.location, locations(scenes))
    grid = Grid.square(scenes.camera, 96)
    hits = trace(objects_of(scenes), scenes.camera, grid)
    slot = objects_of(scenes).slot[hits.object]
    for k in range(5):
        alone = replace(scenes, mask=torch.zeros_like(scenes.mask))
        alone.mask[:, k] = True
        owner = objects_of(alone).scene[trace(objects_of(alone), scenes.camera, grid).object]
        for scene in range(4):
            seen = hits.seen[slot == scene * 5 + k].sum() / (owner == scene).sum()
            assert abs(found.visibility[scene, k] - seen) < 1e-6
    assert found.visibility.min() >= 0
    assert found.visibility.max() == 1


def test_almost_nothing_is_heavily_hidden():
    visibility = labels(sample_scenes(100, 8, 8, generator(8))).visibility
    assert (visibility < 0.3).float().mean() < 0.02


def test_an_object_appears_at_its_location():
    """The middle of what a sphere covers is its location; removing it restores what was behind."""
    scenes = sample_scenes(16, 1, 1, generator(9))
    scenes = replace(scenes, shape=torch.ones_like(scenes.shape))
    objects = objects_of(scenes)
    hits = trace(objects, scenes.camera, Grid.square(scenes.camera, 128))
    for i in range(16):
        ray = hits.ray[hits.object == i] % 128**2
        middle = torch.stack([ray % 128, ray // 128]).float().mean(1) / 128 + 0.5 / 128
        assert (middle - locations(scenes)[objects.scene[i], 0]).norm() < 0.01
