"""The geometry of pictures: which rays meet which objects, and which lamps are hidden from where.

Work goes only where something is: an object, and each shadow that it throws, is met by the rays of
its own bounding box in the picture, all boxes of a batch laid end to end in one list. So the cost
of a picture grows with the area that its objects cover.

Vectors are (3, M), coordinates first, so that every operation runs over contiguous memory.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from lib.scenes.scene import COLORS, MATERIALS, SHAPES, Camera, Scenes, project

SOFTEST = 0.02  # half width of a contact shadow's edge, world units


class Grid(NamedTuple):
    """A part of the camera's picture, cut into squares with a ray through the middle of each."""

    rows: int
    columns: int
    left: float  # of the part, in pixels of the camera's picture
    top: float
    step: float  # side of a square

    @classmethod
    def square(cls, camera: Camera, n: int) -> "Grid":
        """The picture's central square in n x n."""
        left, top, side = camera.square
        return cls(n, n, left, top, side / n)

    @classmethod
    def frame(cls, camera: Camera) -> "Grid":
        """The camera's whole picture, pixel by pixel."""
        return cls(camera.height, camera.width, 0.0, 0.0, 1.0)

    @property
    def rays(self) -> int:
        """Their number."""
        return self.rows * self.columns

    def finer(self, samples: int) -> "Grid":
        """Every square cut into samples x samples."""
        scaled = (self.rows * samples, self.columns * samples, self.left, self.top)
        return Grid(*scaled, self.step / samples)

    def slopes(self, camera: Camera) -> tuple[Tensor, Tensor]:
        """Of the rays: right over forward (columns,) and down over forward (rows,)."""
        kwargs = {"device": camera.eye.device, "dtype": camera.eye.dtype}
        x = self.left + (torch.arange(self.columns, **kwargs) + 0.5) * self.step
        y = self.top + (torch.arange(self.rows, **kwargs) + 0.5) * self.step
        return (x - camera.width / 2) / camera.focal, (y - camera.height / 2) / camera.focal


class Objects(NamedTuple):
    """The N objects that are there, of all scenes of a batch, sorted by shape."""

    scene: Tensor  # (N,) in which scene
    slot: Tensor  # (N,) in which of the batch's B K places
    shape: Tensor  # (N,)
    center: Tensor  # (3, N)
    scale: Tensor  # (N,) half the height
    bound: Tensor  # (N,) radius of the bounding sphere
    turn: Tensor  # (2, N) cosine and sine of the rotation
    albedo: Tensor  # (3, N)
    metal: Tensor  # (N,) bool


class Hits(NamedTuple):
    """Where M rays meet objects, sorted by object."""

    object: Tensor  # (M,) index into Objects
    ray: Tensor  # (M,) index into the batch's rays (B, rows, columns)
    depth: Tensor  # (M,) along the view
    local: Tensor  # (3, M) the place in the object's frame: [-1, 1] along its height
    seen: Tensor  # (M,) bool: no other object is nearer


def objects_of(scenes: Scenes) -> Objects:
    """The objects of a batch in one list."""
    slot = scenes.mask.flatten().nonzero()[:, 0]
    slot = slot[scenes.shape.flatten()[slot].sort(stable=True).indices]
    shape, size, rotation, material, color, center = (
        values.flatten(0, 1)[slot]
        for values in (
            scenes.shape,
            scenes.coords[..., 2],
            scenes.rotation,
            scenes.material,
            scenes.color,
            scenes.coords,
        )
    )
    palette = center.new_tensor(list(COLORS.values())) / 255  # linear, as CLEVR's generator has it
    return Objects(
        scene=slot // max(1, scenes.mask.shape[1]),
        slot=slot,
        shape=shape,
        center=center.T.contiguous(),
        scale=size,
        bound=size * center.new_tensor([3, 1, 2]).sqrt()[shape],
        turn=torch.stack([rotation.cos(), rotation.sin()]),
        albedo=palette[color].T.contiguous(),
        metal=material == MATERIALS.index("metal"),
    )


def expand(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Lists laid end to end: of counts (N,), the owner (M,) of every item and its place (M,)."""
    owner = torch.repeat_interleave(counts)
    start = counts.cumsum(0) - counts
    return owner, torch.arange(len(owner), device=counts.device) - take(start, owner)


def take(values: Tensor, index: Tensor) -> Tensor:
    """Columns (..., M) of values (..., N), in contiguous memory."""
    return values.index_select(-1, index)


def length(vectors: Tensor) -> Tensor:
    """Euclidean norm (...) of vectors (2 or 3, ...); much faster than `norm` along that side."""
    return (vectors * vectors).sum(0).sqrt()


def by_shape(functions: Sequence, objects: Objects, owner: Tensor, *values: Tensor) -> Tensor:
    """Applies a shape's own function to what belongs to its objects.

    Args:
        functions: One for each of SHAPES.
        objects: The objects.
        owner: (M,) which of them, sorted.
        *values: (..., M), arguments of the functions.

    Returns:
        (..., M), in the order of `owner`.
    """
    sizes = torch.bincount(objects.shape[owner], minlength=len(SHAPES)).tolist()
    parts = zip(*(value.split(sizes, -1) for value in values), strict=True)
    return torch.cat([f(*part) for f, part in zip(functions, parts, strict=True)], -1)


def trace(objects: Objects, camera: Camera, grid: Grid) -> Hits:
    """Meets the objects with a grid of rays a scene."""
    axes = camera.axes[objects.scene].permute(1, 2, 0)  # (3 axes, 3, N)
    eye = camera.eye[objects.scene].T
    view = (axes * (objects.center - eye)).sum(1)
    owner, row, column = _rays_in(*_silhouette(view, objects.bound), camera, grid)
    x, y = grid.slopes(camera)
    # Into each object's own frame: it is the unit cube, sphere or cylinder there.
    origin = rotate((eye - objects.center) / objects.scale, objects.turn)
    right, down, forward = (
        take(rotate(axis / objects.scale, objects.turn), owner) for axis in axes
    )
    rays = right * take(x, column) + down * take(y, row) + forward
    origin = take(origin, owner)
    depth = by_shape(_MEET, objects, owner, origin, rays)
    hit = depth.isfinite().nonzero()[:, 0]
    owner, depth, row, column = (take(values, hit) for values in (owner, depth, row, column))
    ray = take(objects.scene, owner) * grid.rays + row * grid.columns + column
    nearest = depth.new_full((len(camera.eye) * grid.rays,), torch.inf)
    nearest.scatter_reduce_(0, ray, depth, "amin")
    local = take(origin, hit) + depth * take(rays, hit)
    return Hits(owner, ray, depth, local, depth == take(nearest, ray))


def rotate(vectors: Tensor, turn: Tensor) -> Tensor:
    """World vectors (3, N) in frames that are rotated about the vertical."""
    (x, y, z), (cos, sin) = vectors, turn
    return torch.stack([cos * x + sin * y, cos * y - sin * x, z])


def _silhouette(view: Tensor, radius: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Slopes of the planes that touch spheres: least and greatest x (N,), least and greatest y."""
    x, y, depth = view
    square = depth**2 - radius**2
    bounds = []
    for side in (x, y):
        spread = radius * (side**2 + square).sqrt()
        bounds += [(side * depth - spread) / square, (side * depth + spread) / square]
    return tuple(bounds)


def _rays_in(
    x0: Tensor, x1: Tensor, y0: Tensor, y1: Tensor, camera: Camera, grid: Grid
) -> tuple[Tensor, Tensor, Tensor]:
    """Rays of a grid within boxes (N,) of slopes: owner (M,), row (M,) and column (M,)."""

    def index(slope: Tensor, middle: float, start: float, end: int) -> Tensor:
        place = (middle + camera.focal * slope - start) / grid.step - 0.5
        return place.clamp(-1, end).ceil().long().clamp(0, end)

    column, right = (index(x, camera.width / 2, grid.left, grid.columns) for x in (x0, x1))
    row, bottom = (index(y, camera.height / 2, grid.top, grid.rows) for y in (y0, y1))
    width, height = right - column, bottom - row
    owner, place = expand(width * height)
    width = take(width, owner)
    down = torch.div(place, width, rounding_mode="floor")
    return owner, take(row, owner) + down, take(column, owner) + place - down * width


def _meet_cube(origin: Tensor, ray: Tensor) -> Tensor:
    """Depth (M,) at which rays enter the cube [-1, 1]^3, inf where they miss it."""
    one, other = (-1 - origin) / ray, (1 - origin) / ray
    near = torch.minimum(one, other).amax(0)
    far = torch.maximum(one, other).amin(0)
    return torch.where(near < far, near, torch.inf)


def _meet_sphere(origin: Tensor, ray: Tensor) -> Tensor:
    """Depth (M,) at which rays enter the unit sphere, inf where they miss it."""
    near, far = _quadratic(origin, ray)
    return torch.where(near < far, near, torch.inf)


def _meet_cylinder(origin: Tensor, ray: Tensor) -> Tensor:
    """Depth (M,) at which rays enter the unit cylinder, inf where they miss it."""
    near, far = _quadratic(origin[:2], ray[:2])
    one, other = (-1 - origin[2]) / ray[2], (1 - origin[2]) / ray[2]
    near = torch.maximum(near, torch.minimum(one, other))
    far = torch.minimum(far, torch.maximum(one, other))
    return torch.where(near < far, near, torch.inf)


def _quadratic(origin: Tensor, ray: Tensor) -> tuple[Tensor, Tensor]:
    """Both roots t of |origin + t ray| = 1; nan where there are none."""
    a, b, c = (ray * ray).sum(0), (origin * ray).sum(0), (origin * origin).sum(0) - 1
    root = (b * b - a * c).sqrt()
    return (-b - root) / a, (-b + root) / a


_MEET = (_meet_cube, _meet_sphere, _meet_cylinder)


def hidden_share(
    objects: Objects, owner: Tensor, point: Tensor, lamp: Tensor, radius: Tensor
) -> Tensor:
    """How much of a lamp an object hides.

    Args:
        objects: The occluders.
        owner: (M,) which of them, sorted.
        point: (3, M) from where one looks, on the ground or above it.
        lamp: (3, M) the lamp's centre.
        radius: (M,) the lamp's radius.

    Returns:
        (M,) in [0, 1].
    """
    center, scale = take(objects.center, owner), take(objects.scale, owner)
    start, way = (point - center) / scale, (lamp - point) / scale
    turn = take(objects.turn, owner)
    gap, where = by_shape(_MISS, objects, owner, start, way, turn)
    blur = (radius * where).clamp(min=SOFTEST)
    share = (0.5 - gap * scale / (2 * blur)).clamp(0, 1)
    return share * share * (3 - 2 * share)


def _miss_cube(start: Tensor, way: Tensor, turn: Tensor) -> Tensor:
    """By how much the way to a lamp misses the cube, and where on it (0 start, 1 lamp): (2, M).

    Negative: how deep it enters. Seen from above, a segment and a square are apart by the largest
    of their distances along the square's sides and across the segment.
    """
    start, way = rotate(start, turn), rotate(way, turn)
    top = _below_top(start, way)
    half = way[:2] * top / 2
    apart = (start[:2] + half).abs() - half.abs() - 1
    across = torch.stack([-way[1], way[0]]) / length(way[:2])
    beside = (start[:2] * across).sum(0).abs() - across.abs().sum(0)
    return torch.stack([torch.maximum(apart.amax(0), beside), _closest(start[:2], way[:2], top)])


def _miss_sphere(start: Tensor, way: Tensor, turn: Tensor) -> Tensor:
    """As `_miss_cube`, of the unit sphere."""
    where = _closest(start, way, 1.0)
    return torch.stack([length(start + where * way) - 1, where])


def _miss_cylinder(start: Tensor, way: Tensor, turn: Tensor) -> Tensor:
    """As `_miss_cube`, of the unit cylinder: seen from above, a segment and a circle."""
    where = _closest(start[:2], way[:2], _below_top(start, way))
    return torch.stack([length(start[:2] + where * way[:2]) - 1, where])


def _below_top(start: Tensor, way: Tensor) -> Tensor:
    """Up to where (M,) the way is not above the object."""
    return ((1 - start[2]) / way[2]).clamp(0, 1)


def _closest(start: Tensor, way: Tensor, end: Tensor | float) -> Tensor:
    """Where (M,) in [0, end] the way passes closest to the object's centre or axis."""
    where = -(start * way).sum(0) / (way * way).sum(0)
    return where.clamp(min=0).minimum(torch.as_tensor(end, device=where.device))


_MISS = (_miss_cube, _miss_sphere, _miss_cylinder)


def shadows(
    objects: Objects, camera: Camera, lamps: Tensor, radius: Tensor, grid: Grid
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where on the ground objects may hide lamps.

    Args:
        objects: The N occluders.
        camera: One eye a scene.
        lamps: (B, L, 3).
        radius: (L,) of the lamps.
        grid: Of rays to the ground.

    Returns:
        Occluder (M,), sorted, lamp (M,), row (M,) and column (M,) of a pixel: all that matter, and
        some more.
    """
    corners = _shadow_corners(objects, lamps[objects.scene].permute(2, 1, 0), radius)
    eyes = replace(camera, eye=camera.eye[objects.scene])
    x, y, depth = project(corners.permute(3, 2, 1, 0), eyes).unbind(-1)  # (N, L, 8)
    x, y = (x - camera.width / 2) / camera.focal, (y - camera.height / 2) / camera.focal
    far = (depth.amin(2) < 0.5) * 1e3  # a shadow that passes under the camera may be anywhere
    box = (x.amin(2) - far, x.amax(2) + far, y.amin(2) - far, y.amax(2) + far)
    owner, row, column = _rays_in(*(bound.flatten() for bound in box), camera, grid)
    return owner // len(radius), owner % len(radius), row, column


def _shadow_corners(objects: Objects, lamp: Tensor, radius: Tensor) -> Tensor:
    """Corners (3, 8, L, N) of squares on the ground around an object's foot and its top's shadow.

    The top's shadow is the top moved away from the lamp (3, L, N) and enlarged.
    """
    height = 2 * objects.scale
    beyond = height / (lamp[2] - height).clamp(min=0.1)
    reach = objects.center.new_tensor([2, 1, 1]).sqrt()[objects.shape] * objects.scale
    reach = torch.stack(
        [
            (reach + SOFTEST).expand_as(beyond),
            reach * (1 + beyond) + radius[:, None] * beyond + SOFTEST,
        ]
    )
    foot = objects.center[:2, None].expand_as(lamp[:2])
    middle = torch.stack([foot, foot + (foot - lamp[:2]) * beyond], 1)  # (2, ends, L, N)
    sides = torch.tensor([[1, 1, -1, -1], [1, -1, 1, -1]], device=lamp.device)
    corners = middle[:, None] + sides[:, :, None, None, None] * reach
    return torch.nn.functional.pad(corners.flatten(1, 2), (0, 0, 0, 0, 0, 0, 0, 1))


def neighbours(objects: Objects, lamps: Tensor, radius: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Which objects may throw a shadow on which others.

    Args:
        objects: All of them.
        lamps: (B, L, 3).
        radius: (L,) of the lamps.

    Returns:
        Occluder (M,), sorted, the object in its shadow (M,) and the lamp (M,), in bounding spheres.
    """
    same = objects.scene[:, None] == objects.scene
    occluder, shaded = same.fill_diagonal_(False).nonzero().T
    start = take(objects.center, shaded) - take(objects.center, occluder)  # (3, M)
    way = lamps[objects.scene[shaded]].permute(2, 1, 0) - take(objects.center, shaded)[:, None]
    start = start[:, None].expand_as(way)
    where = _closest(start, way, 1.0)
    near = objects.bound[occluder] + objects.bound[shaded] + radius[:, None] * where
    lamp, pair = (length(start + where * way) < near).nonzero().T
    order = pair.sort(stable=True).indices
    return occluder[pair[order]], shaded[pair[order]], lamp[order]
