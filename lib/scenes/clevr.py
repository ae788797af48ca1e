"""The official files: CLEVR v1.0's scenes and pictures read, and our own written in their format.

A data set is a folder with `scenes/CLEVR_SPLIT_scenes.json` and `images/SPLIT/*.png` of 480x320
pixels, or what CLEVR's generator writes by itself: `CLEVR_scenes.json` beside `images/*.png` of
320x240. What the files say is taken as the generator means it:

- `rotation` is a number from 0 to 360 that the generator hands to Blender as radians;
- `pixel_coords` are rounded to whole pixels, their third number is the depth, unrounded;
- `3d_coords` are centres. In v1.0 itself those of cubes are as high as those of spheres, so its
  cubes are sqrt(2) times as large as the published generator's; both are read by their height;
- `directions` are those of the camera before its jitter, which is stored nowhere: see
  `recover_camera`;
- the lamps' jitter is stored nowhere either: a scene read has them in the middle of their range.

Needs Pillow, which Colab has.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import least_squares
from torch import Tensor
from tqdm import tqdm

from lib.scenes.scene import (
    BEHIND,
    COLORS,
    EYE,
    EYE_JITTER,
    LAMPS,
    MATERIALS,
    RIGHT,
    SHAPES,
    SIZES,
    Camera,
    Scenes,
    project,
)
from lib.storage import write_atomically

NAMES = {
    "shape": list(SHAPES),
    "size": list(SIZES),
    "material": list(MATERIALS),
    "color": list(COLORS),
}
NUMBERS = {"rotation": 1, "3d_coords": 3, "pixel_coords": 3}  # and how many they are
LARGEST = 1e6  # far above the size of any of these
DEPTH_WEIGHT = 100.0  # pixels that a unit of depth counts as: the files hold it unrounded
WORST = 3.0  # pixels that a label may be off, rounding and depth included
EYE_REACH = EYE_JITTER + 0.01  # of a camera from EYE, along each axis
FOCAL = 35 / 32  # of the lens, in widths of the sensor
PATIENCE = 1000  # scenes without a progress bar
CHUNK = 500  # scenes whose cameras are recovered at a time
LEFT_OF = 0.2  # farther along a direction than this is a relationship, world units
DIRECTIONS = {
    "right": (*RIGHT, 0.0),
    "behind": (*BEHIND, 0.0),
    "above": (0.0, 0.0, 1.0),
    "below": (0.0, 0.0, -1.0),
    "left": (-RIGHT[0], -RIGHT[1], 0.0),
    "front": (-BEHIND[0], -BEHIND[1], 0.0),
}

# Of CLEVR_val_000000 of CLEVR v1.0 (Johnson et al. 2017, CC BY 4.0), to try a camera on.
OFFICIAL = {
    "image_index": 0,
    "objects": [
        {"3d_coords": [-1.4937210, -1.9936031, 0.7], "pixel_coords": [119, 131, 10.8019686]},
        {"3d_coords": [1.5557086, -2.1047366, 0.7], "pixel_coords": [198, 190, 8.6010399]},
        {"3d_coords": [-2.3421842, -0.5205015, 0.35], "pixel_coords": [161, 118, 12.3727274]},
        {"3d_coords": [-0.8073106, 1.9141238, 0.7], "pixel_coords": [282, 100, 12.4950018]},
        {"3d_coords": [2.6763813, 0.0345387, 0.35], "pixel_coords": [337, 195, 9.1612120]},
    ],
}


class Loaded(NamedTuple):
    """B scenes of a file, and their pictures (B, 3, size, size) in [-1, 1], cropped to squares."""

    scenes: Scenes
    pictures: Tensor


def load_scenes(
    path: str | Path, split: str | None = None, size: int = 32, limit: int | None = None
) -> Loaded:
    """Reads scenes and their pictures.

    Args:
        path: The data set's folder, or one of its JSON files; `~` is the home folder.
        split: `train`, `val` or another; not needed where there is but one.
        size: Of the pictures returned: their central square is scaled to size x size pixels. They
            may be of any width and height on disk, all of the same.
        limit: The first so many scenes; None for all.

    Returns:
        Scenes, with room for as many objects as the fullest has, and pictures.

    Raises:
        FileNotFoundError: The folder, the JSON file or a picture is not there.
        ValueError: The JSON is broken or lacks a key, a name or number in it is none of CLEVR's,
            coordinates do not fit together, or a picture is cut short or of another size: the
            message
            names the file and the fault. Or `size` or `limit` is less than 1.
    """
    if size < 1:
        raise ValueError(f"a picture needs a size of at least 1 pixel, got {size}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1 scene, or None for all, got {limit}")
    file = _scene_file(Path(path).expanduser(), split)
    entries = _entries(file)[:limit]
    for entry in entries:
        _check_scene(entry, file)
    files = [_picture_file(file, entry) for entry in entries]
    quick = len(files) < PATIENCE
    total = 3 * len(files)  # heads, cameras, pictures
    with tqdm(total=total, desc="CLEVR", file=sys.stdout, mininterval=0.5, disable=quick) as bar:
        # All pictures are looked for before the long work begins.
        sizes = list(_of_each(_size, files, bar))
        for picture, found in zip(files, sizes, strict=True):
            if found != sizes[0]:
                raise ValueError(
                    f"{picture} is {found[0]}x{found[1]}, not {sizes[0][0]}x{sizes[0][1]}"
                )
        scenes = _scenes(entries, file, *sizes[0], bar)
        pictures = torch.empty(len(files), 3, size, size)
        read = partial(_picture, size=size, square=scenes.camera.square)
        for place, picture in zip(pictures, _of_each(read, files, bar), strict=True):
            place.copy_(picture)
    return Loaded(scenes, pictures)


def _of_each(function: Callable, files: Sequence[Path], bar: tqdm) -> Iterator:
    """What a function says of each file, in order; several threads, for decoding takes most."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for found in pool.map(function, files):
            bar.update()
            yield found
    finally:
        pool.shutdown(cancel_futures=True)


def recover_camera(scene: dict[str, Any], width: int = 480, height: int = 320) -> Camera:
    """The camera of an official scene, whose jitter its file does not hold.

    Least squares over the eye's place alone, within the jitter's range: a pinhole there that looks
    at the origin must see each object's `3d_coords` at its `pixel_coords`, depth included.

    Args:
        scene: One entry of the JSON's `scenes` list, with at least one object.
        width, height: Of its picture, pixels.

    Returns:
        The camera, `eye` (3,) float64.

    Raises:
        ValueError: A label is missing or none of CLEVR's, there is no object, or no camera sees
            the objects where the `pixel_coords` say.
    """
    where = f"scene {scene.get('image_index', '?')}" if isinstance(scene, dict) else "the scene"
    objects = _get(scene, "objects", list, where)
    if not objects:
        raise ValueError(f"{where} has no objects, so its camera cannot be recovered")
    points, pixel_coords = (
        torch.tensor(
            [_numbers(o, name, f"{where}, object {k}") for k, o in enumerate(objects)],
            dtype=torch.float64,
        )
        for name in ("3d_coords", "pixel_coords")
    )
    weights = torch.tensor([1.0, 1.0, DEPTH_WEIGHT], dtype=torch.float64)

    def seen(eye: np.ndarray) -> Tensor:
        return project(points, _camera(torch.from_numpy(eye), width, height))

    def residuals(eye: np.ndarray) -> np.ndarray:
        return ((seen(eye) - pixel_coords) * weights).flatten().numpy()

    usual = np.array(EYE)
    depth = seen(usual)[:, 2]
    if not depth.min() > 0:
        raise ValueError(
            f"{where}, object {int(depth.argmin())}: 3d_coords are not before a CLEVR camera, "
            f"which looks at the origin from near {EYE}"
        )
    fit = least_squares(residuals, usual, bounds=(usual - EYE_REACH, usual + EYE_REACH))
    off = np.linalg.norm(fit.fun.reshape(-1, 3), axis=1)
    if not off.max() <= WORST:
        raise ValueError(
            f"{where}, object {off.argmax()}: pixel_coords are {off.max():.1f} pixels from where "
            f"any CLEVR camera would see its 3d_coords in a picture of {width}x{height}; "
            f"{DEPTH_WEIGHT:g} pixels are 1 of depth"
        )
    return _camera(torch.from_numpy(fit.x), width, height)


def reproject(scene: dict[str, Any]) -> tuple[Camera, float]:
    """The camera that a scene's labels give, and how far off it sees them.

    Args:
        scene: As for `recover_camera`.

    Returns:
        The camera; of the objects the largest distance to the label, in pixels of CLEVR's frame.

    Raises:
        ValueError: As `recover_camera`.
    """
    camera = recover_camera(scene)
    written = torch.tensor([o["pixel_coords"] for o in scene["objects"]]).double()
    seen = project([o["3d_coords"] for o in scene["objects"]], camera)
    return camera, (seen - written)[:, :2].norm(dim=1).max().item()


def _camera(eye: Tensor, width: int, height: int) -> Camera:
    """CLEVR's camera at `eye` (..., 3) for pictures of a size."""
    return Camera(eye, width, height, FOCAL * max(width, height))


def _eyes(points: Tensor, pixel_coords: Tensor, mask: Tensor, width: int, height: int) -> Tensor:
    """What `recover_camera` finds, for many scenes at once: (B, 3) float64, NaN where unsure.

    Gauss-Newton steps. Unsure is where they do not settle, leave the jitter's range, or a label is
    too far off.

    Args:
        points: `3d_coords` (B, K, 3) float64.
        pixel_coords: As in the file, (B, K, 3) float64.
        mask: Which objects are there (B, K).
        width, height: Of the pictures, pixels.
    """
    weights = mask[..., None] * torch.tensor([1.0, 1.0, DEPTH_WEIGHT], dtype=torch.float64)
    usual = torch.tensor(EYE, dtype=torch.float64)
    eye = usual.repeat(len(points), 1)
    points = torch.where(mask[..., None], points, 0.0)

    def residuals(eye: Tensor) -> Tensor:
        return ((project(points, _camera(eye, width, height)) - pixel_coords) * weights).flatten(1)

    low, high = usual - EYE_REACH, usual + EYE_REACH
    ways = torch.eye(3, dtype=torch.float64)
    for _ in range(20):
        columns = [residuals(eye + 1e-5 * way) - residuals(eye - 1e-5 * way) for way in ways]
        slope = torch.stack(columns, 2) / 2e-5  # (B, 3 K, 3)
        square = slope.mT @ slope + 1e-9 * ways
        step = torch.linalg.solve(square, slope.mT @ residuals(eye)[..., None])[..., 0]
        moved = (eye - step).clamp(low, high)
        settled, eye = (moved - eye).norm(dim=1) < 1e-7, moved
        if settled.all():
            break
    off = residuals(eye).unflatten(1, (-1, 3)).norm(dim=2).amax(1)
    before = project(points, _camera(usual.expand_as(eye), width, height))[..., 2] > 0
    inside = ((eye > low) & (eye < high)).all(1)  # at the edge the least squares are others
    sure = settled & inside & (off <= WORST) & (before | ~mask).all(1)
    return torch.where(sure[:, None], eye, torch.nan)


def save_scenes(path: str | Path, scenes: Scenes, pictures: Tensor, split: str = "new") -> Path:
    """Writes scenes and pictures as a data set in CLEVR's format.

    Args:
        path: The data set's folder; made if it is not there.
        scenes: B scenes.
        pictures: (B, 3, 320, 480) in [-1, 1], of `render_frame`.
        split: Its name.

    Returns:
        The JSON file, written last.

    Raises:
        ValueError: The pictures are of another number or size.
    """
    from PIL import Image

    camera = scenes.camera
    if pictures.shape != (len(scenes), 3, camera.height, camera.width):
        raise ValueError(
            f"need {len(scenes)} pictures of {camera.width}x{camera.height}, "
            f"got {tuple(pictures.shape)}"
        )
    path = Path(path).expanduser()
    folder = path / "images" / split
    folder.mkdir(parents=True, exist_ok=True)
    entries = [_entry(scenes, i, split) for i in range(len(scenes))]
    levels = ((pictures + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu()
    for entry, picture in zip(entries, levels, strict=True):
        Image.fromarray(picture.numpy()).save(folder / entry["image_filename"])
    info = {
        "split": split,
        "license": "CC BY 4.0",
        "version": "1.0",
        "date": f"{date.today():%m/%d/%Y}",
    }
    file = path / "scenes" / f"CLEVR_{split}_scenes.json"
    write_atomically(file, json.dumps({"info": info, "scenes": entries}).encode())
    return file


def _entry(scenes: Scenes, i: int, split: str) -> dict[str, Any]:
    """Scene i as an entry of the JSON's list."""
    present = scenes.mask[i].nonzero()[:, 0].tolist()
    seen = project(scenes.coords, scenes.camera)[i]
    objects = []
    for k in present:
        x, y, depth = seen[k].tolist()
        item = {name: values[int(getattr(scenes, name)[i, k])] for name, values in NAMES.items()}
        item |= {
            "rotation": float(scenes.rotation[i, k]),
            "3d_coords": scenes.coords[i, k].tolist(),
        }
        objects.append(item | {"pixel_coords": [round(x), round(y), depth]})
    return {
        "split": split,
        "image_index": i,
        "image_filename": f"CLEVR_{split}_{i:06d}.png",
        "objects": objects,
        "directions": {name: list(way) for name, way in DIRECTIONS.items()},
        "relationships": _relationships(scenes.coords[i, present]),
    }


def _relationships(coords: Tensor) -> dict[str, list[list[int]]]:
    """Which objects are right of, behind, in front and left of each: CLEVR's rule."""
    between = coords - coords[:, None]  # from the first index to the second
    result = {}
    for name in ("right", "behind", "front", "left"):
        beyond = between @ between.new_tensor(DIRECTIONS[name]) > LEFT_OF
        result[name] = [row.nonzero()[:, 0].tolist() for row in beyond]
    return result


def _scene_file(path: Path, split: str | None) -> Path:
    """The JSON file that a path and a split name."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise FileNotFoundError(f"no CLEVR folder or file at {path}")
    file = path / "scenes" / f"CLEVR_{split or '*'}_scenes.json"
    found = sorted(file.parent.glob(file.name))
    own = path / "CLEVR_scenes.json"  # the generator's own name
    if not found and split is None and own.is_file():
        return own
    if not found:
        raise FileNotFoundError(f"no scenes at {file}")
    if len(found) > 1:
        splits = ", ".join(f.name[6:-12] for f in found)
        raise ValueError(f"{file.parent} holds the splits {splits}: say which")
    return found[0]


def _entries(file: Path) -> list[dict]:
    """The entries of a scene file."""
    try:
        content = json.loads(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file} is no JSON: {error}") from error
    entries = _get(content, "scenes", list, str(file))
    if not entries:
        raise ValueError(f"{file} holds no scenes")
    return entries


def _check_scene(entry: dict, file: Path) -> None:
    """Raises ValueError if an entry lacks something or holds what CLEVR does not."""
    index = _get(entry, "image_index", int, f"{file}: a scene")
    where = f"{file}: scene {index}"
    for name in ("split", "image_filename"):
        value = _get(entry, name, str, where)
        if Path(value).name != value or value in ("", ".."):
            raise ValueError(f"{where}: {name} {value!r} is no plain name")
    for name in ("directions", "relationships"):
        _get(entry, name, dict, where)
    for k, item in enumerate(_get(entry, "objects", list, where)):
        for name, known in NAMES.items():
            value = _get(item, name, str, f"{where}, object {k}")
            if value not in known:
                raise ValueError(
                    f"{where}, object {k}: {name} {value!r} is none of {', '.join(known)}"
                )
        for name in NUMBERS:
            _numbers(item, name, f"{where}, object {k}")
        if item["3d_coords"][2] <= 0:
            raise ValueError(f"{where}, object {k}: its centre is not above the ground")


def _get(holder: Any, name: str, kind: type, where: str) -> Any:
    """A value of a JSON object, of the right kind."""
    if not isinstance(holder, dict) or name not in holder:
        raise ValueError(f"{where} has no {name!r}")
    if not isinstance(holder[name], kind):
        raise ValueError(f"{where}: {name!r} must be a {kind.__name__}, not {holder[name]!r:.40}")
    return holder[name]


def _numbers(item: Any, name: str, where: str) -> Sequence[float]:
    """A value of a JSON object that must be numbers, as many as NUMBERS says."""
    if not isinstance(item, dict) or name not in item:
        raise ValueError(f"{where} has no {name!r}")
    values = [item[name]] if NUMBERS[name] == 1 else item[name]
    if (
        not isinstance(values, list | tuple)
        or len(values) != NUMBERS[name]
        or not all(map(_is_number, values))
    ):
        raise ValueError(
            f"{where}: {name!r} must be {NUMBERS[name]} numbers of size below {LARGEST:.0f}, "
            f"not {item[name]!r:.80}"
        )
    return values


def _is_number(value: Any) -> bool:
    """Whether a JSON value is a number of sensible size; True, NaN and "12" are not."""
    return type(value) in (int, float) and -LARGEST < value < LARGEST


def _scenes(entries: Sequence[dict], file: Path, width: int, height: int, bar: tqdm) -> Scenes:
    """Checked entries as one batch."""
    batch, most = len(entries), max(len(entry["objects"]) for entry in entries)
    indices = {name: torch.zeros(batch, most, dtype=torch.int64) for name in NAMES}
    rotation, coords = torch.zeros(batch, most), torch.ones(batch, most, 3)
    mask = torch.zeros(batch, most, dtype=torch.bool)
    items = [item for entry in entries for item in entry["objects"]]
    for i, entry in enumerate(entries):
        mask[i, : len(entry["objects"])] = True
    for name, known in NAMES.items():
        number = {value: k for k, value in enumerate(known)}
        indices[name][mask] = torch.tensor([number[o[name]] for o in items], dtype=torch.int64)
    exact = torch.zeros(2, batch, most, 3, dtype=torch.float64)  # in the world, and in the picture
    if items:
        turns = [item["rotation"] % (2 * np.pi) for item in items]
        rotation[mask] = torch.tensor(turns)
        for part, name in zip(exact, ("3d_coords", "pixel_coords"), strict=True):
            part[mask] = torch.tensor([item[name] for item in items], dtype=torch.float64)
        coords[mask] = exact[0][mask].float()
    eyes = torch.tensor(EYE, dtype=torch.float64).repeat(batch, 1)
    for part in torch.arange(batch).split(CHUNK):
        some = part[mask[part].any(1)]
        if len(some):
            eyes[some] = _eyes(*exact[:, some], mask[some], width, height)
        for i in part[eyes[part].isnan().any(1)].tolist():  # with words for what is wrong
            try:
                eyes[i] = recover_camera(entries[i], width, height).eye
            except ValueError as error:
                raise ValueError(f"{file}: {error}") from error
        bar.update(len(part))
    lamps = torch.tensor(LAMPS).repeat(batch, 1, 1)
    camera = _camera(eyes.float(), width, height)
    return Scenes(
        **indices, rotation=rotation, coords=coords, mask=mask, camera=camera, lamps=lamps
    )


def _picture_file(file: Path, entry: dict) -> Path:
    """Where the picture of a scene lies: where v1.0 has it, or where the generator writes it."""
    name, split = entry["image_filename"], entry["split"]
    usual = file.parent.parent / "images" / split / name
    if file.parent.name == "scenes" or usual.is_file():
        return usual
    return file.parent / "images" / name


def _size(file: Path) -> tuple[int, int]:
    """Width and height of a picture, by its head."""
    from PIL import Image

    if not file.is_file():
        raise FileNotFoundError(f"no picture at {file}")
    try:
        with Image.open(file) as picture:
            return picture.size
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{file} is cut short or no picture: {error}") from error


def _picture(file: Path, size: int, square: tuple[float, float, float]) -> Tensor:
    """A picture's central square (3, size, size) in [-1, 1]."""
    from PIL import Image

    left, top, side = map(int, square)
    try:
        with Image.open(file) as picture:
            cut = picture.crop((left, top, left + side, top + side)).convert("RGB")
            levels = np.array(cut)
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{file} is cut short or no picture: {error}") from error
    cut = torch.from_numpy(levels).permute(2, 0, 1)[None].float()
    return torch.nn.functional.interpolate(cut, size=(size, size), mode="area")[0] / 127.5 - 1
