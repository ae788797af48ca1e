"""Pictures of scenes, ray traced in plain tensor operations on any device, and what they
show.

Lamps are spheres, so a shadow's edge is as soft as its lamp is large and its occluder far. Rubber
is matt with a broad gloss; metal mirrors the lamps and a ground without objects. Light is linear
until it is encoded as sRGB at the end.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lib.scenes.ray_tracing import (
    Grid,
    Hits,
    Objects,
    by_shape,
    expand,
    hidden_share,
    length,
    neighbours,
    objects_of,
    rotate,
    shadows,
    take,
    trace,
)
from lib.scenes.scene import Camera, Scenes, locations, project

GROUND = 0.8  # reflectance
SKY = 0.07  # radiance from above that fills the shadows
STUDIO = 0.4  # radiance from above that metal mirrors
HORIZON = 0.4  # slope over which a mirrored ground fades into it
SUN = (0.4015, -0.2282, 0.8871)  # direction to it
SUN_DISTANCE, SUN_RADIUS, SUN_POWER = 1e3, 0.1, 0.45  # radius over distance; irradiance here
LAMP_RADIUS = 0.5
LAMP_POWER = (32.0, 16.0, 9.6)  # irradiance of the key, back and fill lamps at distance 1
BEVEL = 0.08  # edges of cubes and cylinders shine as if rounded, on this share of half a side
GLOSS = {"rubber": (12, 0.04), "metal": (60, 2.5)}  # sharpness and strength of a lamp's reflection
MIRROR = 0.75  # of the light that metal sends back
EXPOSURE = 1.05
SAMPLES = {32: 3}  # rays a pixel along each axis, by size; 2 for the others
CHUNK = 2**19  # rays traced at once: a cache's worth; a GPU takes 32 times that


@dataclass(frozen=True)
class Annotations:
    """What a picture shows of its scene.

    Attributes:
        location: (B, K, 2), the centres, as fractions of the picture; see `lib.scenes.scene`.
        depth: (B, K), of the centres along the view, world units.
        visibility: (B, K), share of the object's pixels in the picture that no other object hides;
            0 where it has none.
        mask: (B, K) bool, which objects are there.
    """

    location: Tensor
    depth: Tensor
    visibility: Tensor
    mask: Tensor


def render(scenes: Scenes, size: int) -> Tensor:
    """Draws scenes: the central square of the camera's picture.

    Args:
        scenes: B scenes.
        size: Width and height, pixels.

    Returns:
        (B, 3, size, size), sRGB in [-1, 1], on the scenes' device.

    Raises:
        ValueError: `size` is less than 1.
    """
    if size < 1:
        raise ValueError(f"a picture needs a size of at least 1 pixel, got {size}")
    return _pictures(scenes, Grid.square(scenes.camera, size), SAMPLES.get(size, 2))


def render_frame(scenes: Scenes) -> Tensor:
    """Draws the camera's whole picture, as in CLEVR's own files: (B, 3, 320, 480) in [-1, 1]."""
    return _pictures(scenes, Grid.frame(scenes.camera), 2)


def annotate(scenes: Scenes, size: int = 64) -> Annotations:
    """Location, depth and visibility of every object.

    Args:
        scenes: B scenes.
        size: Rays along each side of the picture, to measure visibility with.
    """
    objects = objects_of(scenes)
    hits = trace(objects, scenes.camera, Grid.square(scenes.camera, size))
    slot, seen = objects.slot[hits.object], hits.seen.to(hits.depth.dtype)
    none = hits.depth.new_zeros(scenes.mask.numel())
    total = none.index_add(0, slot, torch.ones_like(seen)).clamp(min=1)
    return Annotations(
        location=locations(scenes),
        depth=project(scenes.coords, scenes.camera)[..., 2],
        visibility=(none.index_add(0, slot, seen) / total).view_as(scenes.mask),
        mask=scenes.mask,
    )


def _pictures(scenes: Scenes, grid: Grid, samples: int) -> Tensor:
    """(B, 3, rows, columns), a few scenes at a time."""
    rays = CHUNK if scenes.mask.device.type == "cpu" else 32 * CHUNK
    step = max(1, rays // (grid.rays * samples**2))
    chunks = [scenes[i : i + step] for i in range(0, len(scenes), step)]
    return torch.cat([_picture(chunk, grid, samples) for chunk in chunks])


def _picture(scenes: Scenes, grid: Grid, samples: int) -> Tensor:
    """(B, 3, rows, columns): the objects' light over the ground's, averaged, then encoded."""
    objects, lamps, fine = objects_of(scenes), _Lamps.of(scenes), grid.finer(samples)
    hits = trace(objects, scenes.camera, fine)
    hits = Hits(*(values[..., hits.seen] for values in hits))
    light = _object_light(objects, hits, scenes, lamps)
    light = torch.cat([light, torch.ones_like(light[:1])]) / samples**2
    row, column = hits.ray // fine.columns, hits.ray % fine.columns  # rows of the whole batch
    pixel = row // samples * grid.columns + column // samples
    total = light.new_zeros(4, len(scenes) * grid.rays).index_add_(1, pixel, light)
    ground = _ground_light(objects, scenes, lamps, grid).flatten()
    linear = total[:3] + ground * (1 - total[3])
    shape = (3, len(scenes), grid.rows, grid.columns)
    return _encoded(linear).view(shape).transpose(0, 1).contiguous()


def _encoded(linear: Tensor) -> Tensor:
    """Linear light as sRGB in [-1, 1]."""
    linear = (EXPOSURE * linear).clamp(0, 1)
    curve = torch.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-6) ** (1 / 2.4) - 0.055
    )
    return 2 * curve - 1


class _Lamps(NamedTuple):
    """The L lamps, the sun first: a lamp too, far away."""

    place: Tensor  # (B, L, 3)
    radius: Tensor  # (L,)
    power: Tensor  # (L,) irradiance at distance 1

    @classmethod
    def of(cls, scenes: Scenes) -> "_Lamps":
        sun = scenes.lamps.new_tensor(SUN) * SUN_DISTANCE
        place = torch.cat([sun.expand(len(scenes), 1, 3), scenes.lamps], 1)
        radius = place.new_tensor([SUN_RADIUS * SUN_DISTANCE, *[LAMP_RADIUS] * 3])
        return cls(place, radius, place.new_tensor([SUN_POWER * SUN_DISTANCE**2, *LAMP_POWER]))

    def of_pairs(self, scene: Tensor, lamp: Tensor) -> tuple[Tensor, Tensor]:
        """Places (3, M) and radii (M,) of lamps (M,) of scenes (M,)."""
        places = self.place.flatten(0, 1).T.contiguous()
        return take(places, scene * len(self.radius) + lamp), take(self.radius, lamp)


def _ground_light(objects: Objects, scenes: Scenes, lamps: _Lamps, grid: Grid) -> Tensor:
    """(B, rays): radiance of the ground, with soft shadows."""
    spots = _ground(scenes.camera, grid)  # (2, B, rays)
    owner, lamp, row, column = shadows(objects, scenes.camera, lamps.place, lamps.radius, grid)
    scene, pixel = take(objects.scene, owner), row * grid.columns + column
    point = take(spots.flatten(1), scene * grid.rays + pixel)
    point = torch.nn.functional.pad(point, (0, 0, 0, 1))
    share = hidden_share(objects, owner, point, *lamps.of_pairs(scene, lamp))
    lit = spots.new_ones(len(lamps.power), *spots.shape[1:])
    index = (lamp * len(scenes) + scene) * grid.rays + pixel
    lit.view(-1).scatter_reduce_(0, index, 1 - share, "amin")
    return _ground_radiance(spots, lamps.place.permute(1, 2, 0)[..., None], lamps.power, lit)


def _ground_radiance(spots: Tensor, place: Tensor, power: Tensor, lit=None) -> Tensor:
    """Radiance (...) of the ground at spots (2, ...), of whose lamps (L, 3, ...) `lit` is seen."""
    total = torch.full_like(spots[0], SKY * math.pi)
    for i, (x, y, z) in enumerate(place):
        square = (spots[0] - x) ** 2 + (spots[1] - y) ** 2 + z**2
        light = power[i] * z / (square * square.sqrt())
        total += light if lit is None else light * lit[i]
    return GROUND / math.pi * total


def _ground(camera: Camera, grid: Grid) -> Tensor:
    """(2, B, rays): the places on the ground that the rays meet."""
    x, y = grid.slopes(camera)
    right, down, forward = (axis.T[:, :, None, None] for axis in camera.axes.unbind(-2))
    rays = (right * x + down * y[:, None] + forward).flatten(2)  # (3, B, rays)
    eye = camera.eye.T[:, :, None]
    return eye[:2] - rays[:2] * (eye[2] / rays[2])


def _object_light(objects: Objects, hits: Hits, scenes: Scenes, lamps: _Lamps) -> Tensor:
    """(3, M): radiance of the objects where rays meet them."""
    owner = hits.object
    scene = take(objects.scene, owner)
    turn = take(objects.turn * objects.turn.new_tensor([[1], [-1]]), owner)  # back to the world
    normal = rotate(by_shape(_NORMAL, objects, owner, hits.local), turn)
    point = take(objects.center, owner) + take(objects.scale, owner) * rotate(hits.local, turn)
    view = point - take(scenes.camera.eye.T, scene)
    view = view / length(view)
    mirrored = view - 2 * (view * normal).sum(0) * normal
    lit = _lit(objects, hits, point, lamps)
    metal = take(objects.metal, owner)
    matt, gloss = SKY * math.pi * (1 + normal[2]) / 2, 0.0
    sharp = torch.where(metal, GLOSS["metal"][0], GLOSS["rubber"][0])
    for i, power in enumerate(lamps.power):
        way = take(lamps.place[:, i].T, scene) - point
        square = (way * way).sum(0)
        way = way / square.sqrt()
        strength = power / square * lit[i]
        matt = matt + strength * (way * normal).sum(0).clamp(min=0)
        gloss = gloss + strength * (way * mirrored).sum(0).clamp(min=0) ** sharp
    seen = _surroundings(point, mirrored, scene, lamps)
    albedo = take(objects.albedo, owner)
    rubber = albedo * matt / math.pi + GLOSS["rubber"][1] * gloss
    shiny = albedo * ((1 - MIRROR) * matt / math.pi + MIRROR * seen + GLOSS["metal"][1] * gloss)
    return torch.where(metal, shiny, rubber)


def _lit(objects: Objects, hits: Hits, point: Tensor, lamps: _Lamps) -> Tensor:
    """(L, M): how much of each lamp the points (3, M) of objects see past the other objects."""
    occluder, shaded, lamp = neighbours(objects, lamps.place, lamps.radius)
    count = torch.bincount(hits.object, minlength=len(objects.scale))
    pair, place = expand(count[shaded])
    hit = (count.cumsum(0) - count)[shaded[pair]] + place
    lamp, scene = lamp[pair], objects.scene[shaded[pair]]
    share = hidden_share(objects, occluder[pair], take(point, hit), *lamps.of_pairs(scene, lamp))
    lit = point.new_ones(len(lamps.power), point.shape[1])
    lit.view(-1).scatter_reduce_(0, lamp * lit.shape[1] + hit, 1 - share, "amin")
    return lit


def _surroundings(point: Tensor, way: Tensor, scene: Tensor, lamps: _Lamps) -> Tensor:
    """(M,): radiance that comes from the ground or the sky to points (3, M) along ways (3, M)."""
    down = (-way[2]).clamp(min=0.05)
    spot = point[:2] + way[:2] * (point[2] / down)
    light = _ground_radiance(spot, lamps.place[scene].permute(1, 2, 0), lamps.power)
    return torch.lerp(torch.full_like(light, STUDIO), light, (-way[2] / HORIZON).clamp(0, 1))


def _normal_box(local: Tensor) -> Tensor:
    """Outward direction (3, M) on a cube with bevelled edges."""
    normal = _beyond_bevel(local)
    return normal / length(normal)


def _normal_ball(local: Tensor) -> Tensor:
    """Outward direction (3, M) on a sphere."""
    return local


def _normal_tube(local: Tensor) -> Tensor:
    """Outward direction (3, M) on a cylinder with bevelled edges."""
    radius = length(local[:2])
    side = local[:2] / radius * _beyond_bevel(radius)
    normal = torch.cat([side, _beyond_bevel(local[2:])])
    return normal / length(normal)


def _beyond_bevel(value: Tensor) -> Tensor:
    return value.sign() * (value.abs() - (1 - BEVEL)).clamp(min=0)


_NORMAL = (_normal_box, _normal_ball, _normal_tube)
