"""CLEVR's world as batched tensors: what a scene holds, how scenes are drawn, where things appear.

A scene stands on the ground z = 0 around the origin, in CLEVR's own units; the camera looks at the
origin. Names, colours, sizes, placement rules and camera are those of the CLEVR generator (Johnson
et al. 2017, https://github.com/facebookresearch/clevr-dataset-gen). The lamps, which its Blender
file holds, are those that Kubric lists for it (Greff et al. 2022).

A network sees the central square of the camera's picture: of 480x320 pixels, columns 80 to 400.
Locations are fractions of that square: (0, 0) its upper left corner, (1, 1) its lower right.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import torch
from torch import Tensor

SHAPES = ("cube", "sphere", "cylinder")
SIZES = {"large": 0.7, "small": 0.35}  # radius; a cube's half side is this over sqrt(2)
MATERIALS = ("rubber", "metal")
COLORS = {
    "gray": (87, 87, 87),
    "red": (173, 35, 35),
    "blue": (42, 75, 215),
    "green": (29, 105, 20),
    "brown": (129, 74, 25),
    "purple": (129, 38, 192),
    "cyan": (41, 208, 208),
    "yellow": (255, 238, 51),
}

EYE = (7.481, -6.508, 5.344)
EYE_JITTER = 0.5
LAMPS = ((6.447, -2.905, 4.258), (-1.169, 2.646, 5.816), (-4.671, -4.014, 3.011))  # key, back, fill
LAMP_JITTER = 1.0
# The ground's directions in the unjittered camera's view. CLEVR's files hold these whatever the
# jitter, and its margins are measured along them.
RIGHT = (0.65631, 0.75449)
BEHIND = (-0.75449, 0.65631)

REACH = 3.0  # centres lie in [-3, 3]^2
MIN_GAP = 0.25  # between the outlines of two objects
MARGIN = 0.4  # between two centres, along RIGHT and along BEHIND
CROWD = 10  # CLEVR's most objects; of K > 10 the centres keep MARGIN (10 / K)^2 only
TRIES = 100  # for one object, before the whole scene is placed again
RESTARTS = 1000
AT_ONCE = 64  # least number of scenes that are placed at once


@dataclass(frozen=True)
class Camera:
    """A pinhole that looks at the origin, upright.

    Attributes:
        eye: (..., 3), its place.
        width, height: Of its picture, pixels.
        focal: Focal length, pixels: a 35 mm lens before a 32 mm sensor.
    """

    eye: Tensor
    width: int = 480
    height: int = 320
    focal: float = 525.0

    @property
    def axes(self) -> Tensor:
        """(..., 3, 3): unit vectors to the right, down and forward, as rows."""
        forward = -self.eye / self.eye.norm(dim=-1, keepdim=True)
        up = torch.zeros_like(forward)
        up[..., 2] = 1
        right = torch.linalg.cross(forward, up)
        right = right / right.norm(dim=-1, keepdim=True)
        return torch.stack([right, torch.linalg.cross(forward, right), forward], -2)

    @property
    def square(self) -> tuple[float, float, float]:
        """(left, top, side) of the picture's central square, pixels."""
        side = min(self.width, self.height)
        return (self.width - side) / 2, (self.height - side) / 2, side


@dataclass(frozen=True)
class Scenes:
    """A batch of B scenes with room for K objects each.

    Attributes:
        shape, size, material, color: (B, K) int64, indices into SHAPES, SIZES, MATERIALS, COLORS.
        rotation: (B, K), about the vertical, radians.
        coords: (B, K, 3), the centres. An object stands on the ground, so z is half its height:
            for a cube half its side, else its radius.
        mask: (B, K) bool, which objects are there.
        camera: One camera a scene, `eye` (B, 3).
        lamps: (B, 3, 3), the places of the key, back and fill lamps.
    """

    shape: Tensor
    size: Tensor
    material: Tensor
    color: Tensor
    rotation: Tensor
    coords: Tensor
    mask: Tensor
    camera: Camera
    lamps: Tensor

    def __len__(self) -> int:
        """The number of scenes."""
        return len(self.mask)

    def __getitem__(self, index) -> "Scenes":
        """The scenes at a slice, list or tensor of indices."""
        return self._map(lambda tensor: tensor[index])

    def to(self, device) -> "Scenes":
        """The same scenes on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def _map(self, function) -> "Scenes":
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "camera"}
        return Scenes(
            **{name: function(value) for name, value in values.items()},
            camera=replace(self.camera, eye=function(self.camera.eye)),
        )


def concatenated(parts: Sequence[Scenes]) -> Scenes:
    """One batch of the scenes of several, with equal K and the same kind of camera."""
    values = {
        f.name: torch.cat([getattr(part, f.name) for part in parts])
        for f in fields(Scenes)
        if f.name != "camera"
    }
    eyes = torch.cat([part.camera.eye for part in parts])
    return Scenes(**values, camera=replace(parts[0].camera, eye=eyes))


def project(points, camera: Camera) -> Tensor:
    """Where points appear in the camera's picture.

    Args:
        points: (..., 3), world coordinates; a tensor, an array or lists.
        camera: Its leading dimensions, if any, are the first ones of `points`.

    Returns:
        (..., 3): x to the right and y down, in pixels of the camera's own picture from its upper
        left corner, and the depth along the view, in world units. A depth of 0 or less is behind
        the camera, where x and y mean nothing.

    Raises:
        ValueError: The last dimension of `points` is not 3, or the leading ones do not fit.
    """
    points = torch.as_tensor(points, dtype=camera.eye.dtype, device=camera.eye.device)
    lead = camera.eye.shape[:-1]
    if points.shape[-1:] != (3,) or points.shape[: len(lead)] != lead:
        raise ValueError(
            f"points {tuple(points.shape)} must be (..., 3), after the camera's dimensions {lead}"
        )
    spread = (1,) * (points.ndim - 1 - len(lead))  # broadcasts a camera over its own points
    offset = points - camera.eye.reshape(*lead, *spread, 3)
    x, y, depth = (
        (camera.axes.reshape(*lead, *spread, 3, 3) * offset[..., None, :]).sum(-1).unbind(-1)
    )
    x = camera.width / 2 + camera.focal * x / depth
    y = camera.height / 2 + camera.focal * y / depth
    return torch.stack([x, y, depth], -1)


def unproject(pixels: Tensor, z: Tensor, camera: Camera) -> Tensor:
    """The points at height z that a camera sees at given pixels: the inverse of `project`.

    Args:
        pixels: (B, K, 2), x right and y down, in the camera's own picture.
        z: (B, K), their height above the ground.
        camera: One a scene, `eye` (B, 3).

    Returns:
        (B, K, 3). Where the ray does not fall, the point is behind the camera or not finite.
    """
    x = (pixels[..., 0] - camera.width / 2) / camera.focal
    y = (pixels[..., 1] - camera.height / 2) / camera.focal
    right, down, forward = camera.axes[:, None].unbind(-2)  # (B, 1, 3) each
    ray = x[..., None] * right + y[..., None] * down + forward
    eye = camera.eye[:, None]
    return eye + (z - eye[..., 2])[..., None] / ray[..., 2:] * ray


def with_locations(scenes: Scenes, places: Tensor, camera: Camera | None = None) -> Scenes:
    """The same objects where they appear at other places of the picture.

    Args:
        scenes: B scenes of K objects.
        places: (B, K, 2), as fractions of the central square, as `locations`.
        camera: That sees them; the scenes' own if not given.
    """
    camera = camera or scenes.camera
    left, top, side = camera.square
    pixels = places * side + places.new_tensor([left, top])
    coords = unproject(pixels, scenes.coords[..., 2], camera)
    coords = torch.where(scenes.mask[..., None], coords, scenes.coords)
    return replace(scenes, coords=coords, camera=camera)


def locations(scenes: Scenes) -> Tensor:
    """Where the objects' centres appear, (B, K, 2), as fractions of the central square."""
    return in_square(project(scenes.coords, scenes.camera)[..., :2], scenes.camera)


def in_square(pixels: Tensor, camera: Camera) -> Tensor:
    """Pixels (..., 2) of the camera's picture as fractions (..., 2) of its central square."""
    left, top, side = camera.square
    return (pixels - pixels.new_tensor([left, top])) / side


def sample_scenes(
    batch: int, min_objects: int, max_objects: int, generator: torch.Generator
) -> Scenes:
    """Draws scenes as the CLEVR generator does, and keeps every object in sight.

    The number of objects is uniform; shape, size, material, colour and rotation are too. A place
    is uniform in [-3, 3]^2 and drawn again until outlines are MIN_GAP and centres, along RIGHT and
    along BEHIND, MARGIN apart; after TRIES draws the scene starts over. Where CLEVR asks for 200
    visible pixels an object, which takes a rendering, a place here must pass two tests on discs of
    the objects' projected radii: the disc lies in the central square, and no disc covers the
    centre of one behind it. So an object is asked for where it can be seen.

    Args:
        batch: Number of scenes, B.
        min_objects, max_objects: Objects in a scene, ends included; K = max_objects.
        generator: Source of all randomness; its device is the scenes' device.

    Raises:
        ValueError: The numbers of objects make no range, or so many find no room.
    """
    if batch < 1 or not 0 <= min_objects <= max_objects:
        raise ValueError(
            f"need batch >= 1 and 0 <= min_objects <= max_objects, got {batch}, "
            f"{min_objects}, {max_objects}"
        )
    draw = _Draw(generator)
    count = draw.integers(min_objects, max_objects + 1, batch)
    camera = Camera(draw.around(EYE, EYE_JITTER, batch))
    mask = torch.arange(max_objects, device=generator.device) < count[:, None]
    shape, size, xy = _placed(draw, camera, mask)
    z = _scale(shape, size)
    return Scenes(
        shape=shape,
        size=size,
        material=draw.integers(0, len(MATERIALS), *mask.shape),
        color=draw.integers(0, len(COLORS), *mask.shape),
        rotation=draw.uniform(*mask.shape) * 2 * math.pi,
        coords=torch.cat([xy, z[..., None]], -1),
        mask=mask,
        camera=camera,
        lamps=draw.around(LAMPS, LAMP_JITTER, batch),
    )


class _Draw:
    """Random tensors from one generator, on its device."""

    def __init__(self, generator: torch.Generator):
        self.kwargs = {"generator": generator, "device": generator.device}

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high, shape, **self.kwargs)

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, **self.kwargs)

    def around(self, center: tuple, jitter: float, batch: int) -> Tensor:
        center = torch.tensor(center, device=self.kwargs["device"])
        return center + jitter * (2 * self.uniform(batch, *center.shape) - 1)


def _scale(shape: Tensor, size: Tensor) -> Tensor:
    """Half the height of objects, of any one shape of tensors."""
    radius = _radius(size)
    return torch.where(shape == SHAPES.index("cube"), radius / math.sqrt(2), radius)


def _radius(size: Tensor) -> Tensor:
    """The radius that a size stands for; of a cube, of the circle around its foot."""
    return torch.tensor(list(SIZES.values()), device=size.device)[size]


def _placed(draw: _Draw, camera: Camera, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Shapes (B, K), sizes (B, K) and places (B, K, 2); a scene that gets stuck starts over.

    The scenes still to place share the work of a whole batch: each starts over several times at
    once, and its first success counts, as if one attempt had followed the other.
    """
    batch, most = mask.shape
    shape = torch.zeros(batch, most, dtype=torch.int64, device=mask.device)
    size, xy = torch.zeros_like(shape), torch.zeros(batch, most, 2, device=mask.device)
    todo = torch.arange(batch, device=mask.device)
    for _ in range(RESTARTS):
        tried = todo.repeat(max(batch, AT_ONCE) // len(todo))
        new_shape = draw.integers(0, len(SHAPES), len(tried), most)
        new_size = draw.integers(0, len(SIZES), len(tried), most)
        new_xy, stuck = _placed_once(draw, camera, tried, mask[tried], new_shape, new_size)
        good = ~stuck.view(-1, len(todo))
        first = good.to(torch.uint8).argmax(0) * len(todo)
        first = (first + torch.arange(len(todo), device=mask.device))[good.any(0)]
        done = tried[first]
        shape[done], size[done], xy[done] = new_shape[first], new_size[first], new_xy[first]
        todo = todo[~good.any(0)]
        if len(todo) == 0:
            return shape, size, xy
    raise ValueError(f"{most} objects find no room in a scene; ask for fewer")


def _placed_once(
    draw: _Draw, camera: Camera, scenes: Tensor, mask: Tensor, shape: Tensor, size: Tensor
) -> tuple[Tensor, Tensor]:
    """Places (N, K, 2), one object after the other, in scenes (N,); and which (N,) got stuck."""
    camera = replace(camera, eye=camera.eye[scenes])
    crowded = mask.sum(1).clamp(min=CROWD)
    margin = (MARGIN * (CROWD / crowded) ** 2)[:, None]
    radius, scale = _radius(size), _scale(shape, size)
    xy = torch.zeros(*mask.shape, 2, device=mask.device)
    stuck = torch.zeros(len(mask), dtype=torch.bool, device=mask.device)
    rows = torch.arange(len(mask), device=mask.device)
    placed = []  # one _Candidates of (N, 1) an object
    for k in range(mask.shape[1]):
        tries = REACH * (2 * draw.uniform(len(mask), TRIES, 2) - 1)
        candidates = _Candidates.of(tries, radius[:, k, None], scale[:, k, None], camera)
        good = candidates.inside(camera)
        for other in placed:
            good &= candidates.apart(other, margin) & candidates.in_sight(other)
        stuck |= mask[:, k] & ~good.any(1)
        first = good.to(torch.uint8).argmax(1)
        xy[:, k] = tries[rows, first]
        placed.append(candidates.choose(rows, first))
    return xy, stuck


class _Candidates(NamedTuple):
    """Places that objects could take, all (N, T): on the ground and in the picture."""

    right: Tensor  # along RIGHT and BEHIND
    behind: Tensor
    radius: Tensor  # by SIZES
    scale: Tensor  # half the height
    x: Tensor  # of the centre, pixels
    y: Tensor
    depth: Tensor
    disc: Tensor  # radius in pixels

    @classmethod
    def of(cls, xy: Tensor, radius: Tensor, scale: Tensor, camera: Camera) -> "_Candidates":
        """From places (N, T, 2), for one object (N, 1) a scene."""
        radius, scale = (value.expand(xy.shape[:2]) for value in (radius, scale))
        x, y, depth = project(torch.cat([xy, scale[..., None]], -1), camera).unbind(-1)
        right, behind = (xy @ xy.new_tensor([RIGHT, BEHIND]).T).unbind(-1)
        return cls(right, behind, radius, scale, x, y, depth, camera.focal * radius / depth)

    def choose(self, rows: Tensor, columns: Tensor) -> "_Candidates":
        """One place (N, 1) of each row."""
        return _Candidates(*(field[rows, columns, None] for field in self))

    def inside(self, camera: Camera) -> Tensor:
        """Whether the disc lies in the picture's central square."""
        left, top, side = camera.square
        x, y = self.x - left, self.y - top
        return (torch.minimum(x, y) >= self.disc) & (torch.maximum(x, y) <= side - self.disc)

    def apart(self, other: "_Candidates", margin: Tensor) -> Tensor:
        """Whether CLEVR's distances from an object placed before are kept."""
        right, behind = (self.right - other.right).abs(), (self.behind - other.behind).abs()
        far = right**2 + behind**2 >= (self.radius + other.scale + MIN_GAP) ** 2
        return far & (torch.minimum(right, behind) >= margin)

    def in_sight(self, other: "_Candidates") -> Tensor:
        """Whether neither disc covers the other's centre from the front."""
        nearer = torch.where(self.depth < other.depth, self.disc, other.disc)
        return (self.x - other.x) ** 2 + (self.y - other.y) ** 2 >= nearer**2
