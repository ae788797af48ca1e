"""The renderer, against rays marched through implicit solids and lamps sampled point by point."""

import importlib
from dataclasses import replace

import pytest
import torch

from lib.scenes import (
    Camera,
    Scenes,
    annotate,
    locations,
    project,
    render,
    render_frame,
    sample_scenes,
)
from lib.scenes.ray_tracing import Grid, hidden_share, objects_of, trace
from lib.scenes.scene import COLORS, EYE, LAMPS, MATERIALS, SHAPES, SIZES, in_square

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


def built(*objects):
    """One scene of large objects (shape, material, color, x, y), before the usual camera."""
    shape, material, color = (
        torch.tensor([[list(names).index(o[i]) for o in objects]])
        for i, names in enumerate((SHAPES, MATERIALS, COLORS))
    )
    height = [SIZES["large"] / 2**0.5 if o[0] == "cube" else SIZES["large"] for o in objects]
    return Scenes(
        shape=shape,
        size=torch.zeros_like(shape),
        material=material,
        color=color,
        rotation=torch.zeros(shape.shape),
        coords=torch.tensor([[[*o[3:], z] for o, z in zip(objects, height, strict=True)]]),
        mask=torch.ones(shape.shape, dtype=torch.bool),
        camera=Camera(torch.tensor([EYE])),
        lamps=torch.tensor([LAMPS]),
    )


def only(scenes, *slots):
    """The scenes without the objects in other slots."""
    mask = torch.zeros_like(scenes.mask)
    mask[:, list(slots)] = True
    return replace(scenes, mask=mask)


def light(scenes, size=64):
    """The linear light (3, size, size) of the only scene's picture."""
    level = (render(scenes, size)[0] + 1) / 2
    return torch.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


def covered(scenes, slot, size=64):
    """(size, size): the share of each pixel that an object covers, were it alone."""
    grid = Grid.square(scenes.camera, 4 * size)
    fine = torch.zeros(grid.rays)
    fine[trace(objects_of(only(scenes, slot)), scenes.camera, grid).ray] = 1
    return fine.view(size, 4, size, 4).mean((1, 3))


def hue(rgb):
    """Colours (3, ...), however bright."""
    return rgb / rgb.norm(dim=0)


def palette(color):
    """A colour's direction (3,)."""
    return hue(torch.tensor(COLORS[color]).float())


def pixel(scenes, point, size=64):
    """The row and column in which a point (3,) of the only scene appears."""
    place = in_square(project(point[None], scenes.camera)[0, :2], scenes.camera)
    return tuple((size * place.flip(0)).long().tolist())


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
    assert annotate(none).visibility.shape == (2, 0)


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
        share = hidden_share(objects, owner, places.T, lamps.T, torch.full((n,), radius).double())
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
    found = annotate(scenes, 96)
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
    assert torch.equal(found.depth, project(scenes.coords, scenes.camera)[..., 2])
    assert torch.equal(annotate(scenes).visibility, annotate(scenes, 64).visibility)
    far = replace(scenes, coords=scenes.coords + torch.tensor([-40.0, 40, 0]))
    assert not annotate(far).visibility.any()  # none has a pixel


def test_almost_nothing_is_heavily_hidden():
    visibility = annotate(sample_scenes(100, 8, 8, generator(8))).visibility
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


SUN_AND_LAMPS = torch.tensor([[401.5, -228.2, 887.1], *LAMPS], dtype=torch.float64)
POWERS = (0.45e6, 32.0, 16.0, 9.6)  # at distance 1, of the sun a thousand away


def ground_light(spots):
    """The radiance (...) of the bare ground at spots (..., 3)."""
    away = SUN_AND_LAMPS - spots[..., None, :]
    each = torch.tensor(POWERS) * SUN_AND_LAMPS[:, 2] / away.norm(dim=-1) ** 3
    return 0.8 / torch.pi * (each.sum(-1) + 0.07 * torch.pi)


def rays_of(scenes, grid):
    """The ways (rows * columns, 3) of the only scene's rays, 1 along the view."""
    (x, y), (right, down, forward) = grid.slopes(scenes.camera), scenes.camera.axes[0]
    return (x[None, :, None] * right + y[:, None, None] * down + forward).flatten(0, 1)


def test_the_bare_ground_is_as_light_as_its_lamps_make_it():
    scenes = doubled(only(built(("sphere", "rubber", "gray", 0.0, 0.0))))
    rays, eye = rays_of(scenes, Grid.square(scenes.camera, 24)), scenes.camera.eye[0]
    spots = eye - rays * eye[2] / rays[:, 2:]
    expected = (1.05 * ground_light(spots)).clamp(max=1)
    assert (expected < 1).double().mean() > 0.5
    assert (light(scenes, 24).flatten(1) - expected).abs().max() < 1e-6


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("material", MATERIALS)
def test_an_object_sends_on_what_lamps_and_surroundings_send_it(monkeypatch, shape, material):
    """Ray by ray; edges are rounded as of a body of 92 % with a skin of the rest."""
    monkeypatch.setattr(module, "SAMPLES", {48: 1})
    scenes = doubled(built((shape, material, "green", 0.3, -0.2)))
    scenes = replace(scenes, rotation=torch.full_like(scenes.rotation, 0.5))
    (center,), angle, grid = scenes.coords[0], scenes.rotation[0, 0], Grid.square(scenes.camera, 48)
    hits = trace(objects_of(scenes), scenes.camera, grid)
    ray = rays_of(scenes, grid)[hits.ray]
    point = scenes.camera.eye[0] + hits.depth[:, None] * ray
    cos, sin, none = angle.cos(), angle.sin(), torch.zeros_like(angle)
    turn = torch.stack([cos, -sin, none, sin, cos, none, none, none, none + 1]).view(3, 3)
    local = (point - center) @ turn / center[2]
    body = local.clamp(-0.92, 0.92)
    if shape == "sphere":
        body = 0 * local
    if shape == "cylinder":
        radius = local[:, :2].norm(dim=1, keepdim=True)
        body[:, :2] = local[:, :2] * (0.92 / radius).clamp(max=1)
    normal = torch.nn.functional.normalize(local - body, dim=1) @ turn.T
    view = torch.nn.functional.normalize(ray, dim=1)
    back = view - 2 * (view * normal).sum(1, keepdim=True) * normal
    matt, gloss = 0.07 * torch.pi * (1 + normal[:, 2]) / 2, 0.0
    for place, power in zip(SUN_AND_LAMPS, POWERS, strict=True):
        away = (place - point).norm(dim=1)
        way = (place - point) / away[:, None]
        matt = matt + power / away**2 * (way * normal).sum(1).clamp(min=0)
        sharp = 12 if material == "rubber" else 60
        gloss = gloss + power / away**2 * (way * back).sum(1).clamp(min=0) ** sharp
    falls = -back[:, 2]
    spot = point + back * (point[:, 2] / falls.clamp(min=0.05))[:, None]
    share = (falls / 0.4).clamp(0, 1)  # of the ground in what is mirrored, else the studio
    seen = share * ground_light(spot * torch.tensor([1, 1, 0])) + (1 - share) * 0.4
    color = torch.tensor(COLORS["green"], dtype=torch.float64)[:, None] / 255
    if material == "rubber":
        expected = color * matt / torch.pi + 0.04 * gloss
    else:
        expected = color * (0.25 * matt / torch.pi + 0.75 * seen + 2.5 * gloss)
    expected = (1.05 * expected).clamp(max=1)
    assert (expected < 1).double().mean() > 0.9
    found = light(scenes, 48).flatten(1)[:, hits.ray]
    assert (found - expected).abs().max() < 1e-6


def test_a_shadow_is_as_soft_as_the_part_of_the_lamp_that_is_hidden():
    """A sphere before a lamp's disc, on either side of its edge: to 5 % of the disc."""
    scenes = doubled(built(("sphere", "rubber", "gray", 0.0, 0.0)))
    center, up, aside = scenes.coords[0, 0], UP, torch.tensor([1.0, 0, 0], dtype=torch.float64)
    lamp, radius = center + 5 * up, 0.3
    point = center - 3 * up + torch.linspace(0, 3, 200, dtype=torch.float64)[:, None] * aside
    way = lamp - point
    where = ((center - point) * way).sum(1) / way.square().sum(1)
    gap = (point + where[:, None] * way - center).norm(dim=1) - SIZES["large"]
    beyond = (gap / (radius * where)).clamp(-1, 1)  # of the lamp's centre, in its radii
    hidden = (beyond.acos() - beyond * (1 - beyond**2).sqrt()) / torch.pi
    assert ((hidden > 0.05) & (hidden < 0.95)).sum() > 10
    owner, radii = torch.zeros(200, dtype=torch.long), torch.full((200,), radius).double()
    lamps = lamp.expand(200, 3).T.contiguous()
    found = hidden_share(objects_of(scenes), owner, point.T.contiguous(), lamps, radii)
    assert (found - hidden).abs().max() < 0.05
    assert torch.equal(found[beyond.abs() == 1], hidden[beyond.abs() == 1].round())


def test_a_pixel_of_a_small_picture_has_nine_rays_and_of_others_four(monkeypatch):
    seen = []
    monkeypatch.setattr(module, "trace", lambda o, c, grid: seen.append(grid) or trace(o, c, grid))
    scenes = built(("sphere", "rubber", "gray", 0.0, 0.0))
    render(scenes, 32), render(scenes, 40), render_frame(scenes)
    assert [(grid.rows, grid.columns) for grid in seen] == [(96, 96), (80, 80), (640, 960)]


@pytest.mark.parametrize("material", MATERIALS)
@pytest.mark.parametrize("color", COLORS)
def test_an_object_has_its_colour(material, color):
    scenes = built(("sphere", material, color, 0.0, 0.0))
    mean = light(scenes)[:, covered(scenes, 0) == 1].mean(1)
    assert (hue(mean) - palette(color)).norm() < 0.06


def test_highlights(monkeypatch):
    """They are where the key lamp is mirrored: white and faint on rubber, bright on metal."""
    monkeypatch.setattr(module, "SUN_POWER", 0.0)
    rubber, metal = (built(("sphere", name, "red", 0.0, 0.0)) for name in MATERIALS)
    center, normal = rubber.coords[0, 0], UP.float()
    for _ in range(20):  # to the place whose normal halves the angle between eye and lamp
        point = center + SIZES["large"] * normal
        ways = torch.stack([rubber.camera.eye[0], rubber.lamps[0, 0]]) - point
        normal = (ways / ways.norm(dim=1, keepdim=True)).sum(0)
        normal = normal / normal.norm()
    inside = covered(rubber, 0) == 1
    matt, shiny = (torch.where(inside, light(scenes), 1e-9) for scenes in (rubber, metal))
    pale = torch.where(inside, matt[2] / matt[0], 0)
    for brightness in (pale, shiny[0]):
        assert divmod(int(brightness.argmax()), 64) == pixel(rubber, point)
    red, _, blue = COLORS["red"]
    assert pale.max() > 1.2 * blue / red
    assert shiny.max() > 2 * matt.max()
    bright = [(p[0] > p[0].max() / 2).sum() for p in (shiny, matt)]
    assert bright[0] < bright[1] / 8


@pytest.mark.parametrize("lamp", range(4))
def test_the_ground_is_darker_in_a_shadow_by_what_the_lamp_gives(lamp):
    scenes = built(("sphere", "rubber", "gray", 0.0, 0.0))
    center = scenes.coords[0, 0]
    lamps = torch.cat([1e3 * torch.tensor([module.SUN]), scenes.lamps[0]])
    spot = center + (center - lamps[lamp]) * center[2] / (lamps[lamp, 2] - center[2])
    away = 9 * spot / spot.norm()  # a camera on the shadow's side
    scenes = replace(scenes, camera=Camera((away + 5 * UP.float())[None]))
    bare = light(only(scenes))[0]
    ratio = light(scenes)[0] / bare
    power = torch.tensor([module.SUN_POWER * 1e6, *module.LAMP_POWER])
    given = power * lamps[:, 2] / (lamps - spot).norm(dim=1) ** 3
    total = given.sum() + module.SKY * torch.pi
    at = pixel(scenes, spot)
    assert abs(bare[at] / (module.EXPOSURE * module.GROUND / torch.pi * total) - 1) < 0.02
    assert ratio[at] < 1 - given[lamp] / total + 0.01
    assert ratio[covered(scenes, 0) == 0].max() < 1 + 1e-5


def test_a_shadow_falls_on_another_object():
    scenes = built(
        ("sphere", "rubber", "gray", -1.0, 0.0), ("cylinder", "rubber", "gray", 0.6, -0.4)
    )
    ratio = (light(scenes) / light(only(scenes, 0)))[0]
    ratio = ratio[(covered(scenes, 0) == 1) & (covered(scenes, 1) == 0)]
    assert (ratio < 0.7).sum() > 10
    assert ratio.max() < 1 + 1e-5


@pytest.mark.parametrize("near", range(2))
def test_the_nearer_of_two_objects_is_seen(near):
    objects = [("sphere", "rubber", "red", 1.0, -0.87), ("sphere", "rubber", "blue", -0.6, 0.9)]
    scenes = built(*(objects if near == 0 else objects[::-1]))
    both = (covered(scenes, 0) == 1) & (covered(scenes, 1) == 1)
    assert both.sum() > 10
    assert (hue(light(scenes)[:, both]) - palette("red")[:, None]).norm(dim=0).max() < 0.06


@pytest.mark.parametrize("size", [32, 64])
def test_a_pixel_is_the_mean_of_what_is_in_it(size):
    scenes = sample_scenes(4, 6, 6, generator(10))
    scenes = replace(scenes, material=torch.zeros_like(scenes.material))
    square = []
    for one in (scenes[[i]] for i in range(4)):
        fine = light(one, 5 * size).unflatten(2, (size, 5)).unflatten(1, (size, 5)).mean((2, 4))
        square.append((light(one, size) - fine).square().mean())
    assert torch.stack(square).mean().sqrt() < 0.01
