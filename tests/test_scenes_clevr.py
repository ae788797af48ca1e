"""CLEVR's files: its own first validation scene, our scenes there and back, and every fault."""

import copy
import json
import shutil
import time
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from PIL import Image

from lib.scenes import Camera, clevr, locations, project, render, render_frame, sample_scenes
from lib.scenes.clevr import OFFICIAL, load_scenes, recover_camera, reproject, save_scenes
from lib.scenes.scene import BEHIND, EYE, EYE_JITTER, LAMPS, RIGHT


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_an_official_camera_is_recovered():
    camera = recover_camera(OFFICIAL)
    assert (camera.eye - torch.tensor(EYE)).abs().max() <= 0.5
    pixel_coords = torch.tensor([o["pixel_coords"] for o in OFFICIAL["objects"]])
    off = project([o["3d_coords"] for o in OFFICIAL["objects"]], camera) - pixel_coords
    assert off[:, :2].norm(dim=1).max() < 0.6  # rounding alone makes up to 0.71
    assert off[:, 2].abs().max() < 3e-3
    assert (camera.width, camera.height, camera.focal) == (480, 320, 525)
    again, most = reproject(OFFICIAL)
    assert torch.equal(again.eye, camera.eye)
    assert abs(most - np.hypot(*off[:, :2].T.numpy()).max()) < 1e-4


@pytest.mark.parametrize("count", [1, 2, 6])
def test_any_camera_is_recovered_from_rounded_labels(count):
    scenes = sample_scenes(10, count, count, generator())
    exact = project(scenes.coords, scenes.camera)
    for i in range(10):
        pixel_coords = [[round(x), round(y), z] for x, y, z in exact[i].tolist()]
        pairs = zip(scenes.coords[i].tolist(), pixel_coords, strict=True)
        scene = {"objects": [{"3d_coords": p, "pixel_coords": q} for p, q in pairs]}
        found = project(scenes.coords[i], recover_camera(scene))
        assert (found - exact[i])[:, :2].norm(dim=1).max() < 1


def labelled(points, camera):
    """An entry of the JSON whose objects a camera sees at (K, 3) points, unrounded."""
    pairs = zip(points.tolist(), project(points, camera).tolist(), strict=True)
    return {"objects": [{"3d_coords": p, "pixel_coords": q} for p, q in pairs]}


@pytest.mark.parametrize("side", [-1, 1])
def test_a_camera_at_the_end_of_its_range_is_recovered(side):
    eye = torch.tensor(EYE, dtype=torch.float64) + side * EYE_JITTER
    points = sample_scenes(1, 8, 8, generator()).coords[0].double()
    found = recover_camera(labelled(points, Camera(eye)))
    assert torch.linalg.norm(found.eye - eye) < 1e-5


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("axis", range(3))
def test_a_camera_beyond_its_range_is_left_to_the_slower_search(axis, side):
    """A hair beyond: the labels still fit, but at the edge other steps are the best."""
    eye = torch.tensor(EYE, dtype=torch.float64)
    eye[axis] += side * (EYE_JITTER + 0.0105)
    points = sample_scenes(1, 8, 8, generator()).coords.double()
    seen = project(points[0], Camera(eye))[None]
    assert clevr._eyes(points, seen, torch.ones(1, 8).bool(), 480, 320).isnan().all()


def test_what_is_behind_the_camera_is_not_before_it():
    """Though a pinhole maps it into the picture, and its label fits."""
    camera = Camera(torch.tensor(EYE, dtype=torch.float64))
    points = torch.tensor([[1.0, 0.0, 0.7], [20.0, -16.0, 15.0]], dtype=torch.float64)
    with pytest.raises(ValueError, match="object 1: 3d_coords are not before"):
        recover_camera(labelled(points, camera))
    seen, both = project(points, camera)[None], torch.ones(1, 2).bool()
    assert clevr._eyes(points[None], seen, both, 480, 320).isnan().all()


@pytest.mark.parametrize(("off", "fits"), [(2.9, True), (3.3, False)])
def test_a_label_may_be_three_pixels_off(off, fits):
    """One of forty, so that the camera hardly follows it."""
    points = sample_scenes(5, 8, 8, generator()).coords.flatten(0, 1).double()
    scene = labelled(points, Camera(torch.tensor(EYE, dtype=torch.float64)))
    scene["objects"][3]["pixel_coords"][0] += off
    if fits:
        recover_camera(scene)
        return
    with pytest.raises(ValueError, match=r"object 3: .*; 100 pixels are 1 of depth"):
        recover_camera(scene)


@pytest.mark.parametrize(
    ("size", "fault"), [(1e6, "size below 1000000"), (999999.5, "pixels from")]
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_number_is_smaller_than_a_million(size, fault, sign):
    wrong = copy.deepcopy(OFFICIAL)
    wrong["objects"][0]["pixel_coords"][0] = sign * size
    with pytest.raises(ValueError, match=fault):
        recover_camera(wrong)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A data set of two scenes of ours."""
    scenes = sample_scenes(2, 1, 3, generator(1))
    frames = render_frame(scenes)
    folder = tmp_path_factory.mktemp("clevr")
    save_scenes(folder, scenes, frames, "val")
    return folder, scenes, frames


@pytest.fixture
def folder(written, tmp_path):
    """A copy of it that may be spoilt; its scenes and its JSON file."""
    shutil.copytree(written[0], tmp_path, dirs_exist_ok=True)
    return tmp_path, written[1], tmp_path / "scenes" / "CLEVR_val_scenes.json"


def test_our_scenes_come_back(folder):
    path, scenes, file = folder
    for place in (path, file):
        loaded, pictures = load_scenes(place, size=64)
        most = loaded.mask.shape[1]
        for field in fields(scenes):
            if field.name not in ("camera", "lamps"):
                mine, theirs = (getattr(s, field.name)[:, :most] for s in (scenes, loaded))
                assert torch.equal(mine[loaded.mask], theirs[loaded.mask])
        assert (locations(loaded) - locations(scenes))[loaded.mask].abs().max() < 1 / 320
        assert pictures.shape == (2, 3, 64, 64)
        assert (pictures - render(scenes, 64)).abs().mean() < 0.02
        assert torch.equal(loaded.lamps, torch.tensor([LAMPS] * 2))  # no file has their jitter
    one, pictures = load_scenes(path, "val", limit=1)
    assert len(one) == 1
    assert pictures.shape == (1, 3, 32, 32)
    whole = load_scenes(path, size=64).pictures
    assert (load_scenes(path, size=1).pictures - whole.mean((2, 3), True)).abs().max() < 1e-5


def test_every_level_of_a_picture_comes_back_and_what_is_beyond_is_cut_off(tmp_path):
    levels = torch.arange(320 * 320).view(1, 1, 320, 320).expand(1, 3, -1, -1) % 256
    frame = torch.full((1, 3, 320, 480), 0.3)
    frame[..., 80:400] = levels / 127.5 - 1
    save_scenes(tmp_path, sample_scenes(1, 1, 1, generator()), frame)
    square = load_scenes(tmp_path, size=320).pictures
    assert (square - frame[..., 80:400]).abs().max() < 1e-6
    save_scenes(tmp_path, sample_scenes(1, 1, 1, generator()), 1.3 * frame)
    beyond = load_scenes(tmp_path, size=320).pictures
    assert (beyond - (1.3 * frame[..., 80:400]).clamp(-1, 1)).abs().max() < 0.5 / 127.5 + 1e-6
    assert beyond.min() == -1
    assert beyond.max() == 1


def test_a_rotation_is_radians_however_often_it_turns_round(folder):
    path, _, file = folder
    changed(file, lambda s: s["objects"][0].update(rotation=300.0))
    turned = load_scenes(path).scenes.rotation[1, 0]
    assert abs(turned - (300 - 47 * 2 * np.pi)) < 1e-4  # the generator writes up to 360


def test_a_loaded_scene_is_rendered_as_it_looks(folder):
    """Apart from the lamps, which the files do not hold: here they stand as they did."""
    _, scenes, file = folder
    loaded, pictures = load_scenes(file, size=32)
    again = render(type(scenes)(**{**vars(loaded), "lamps": scenes.lamps}), 32)
    assert (again - pictures).abs().mean() < 0.02


def test_the_format_is_clevrs(folder):
    path, _, file = folder
    content = json.loads(file.read_text())
    assert set(content["info"]) == {"split", "license", "version", "date"}
    entry = content["scenes"][0]
    assert entry["image_filename"] == "CLEVR_val_000000.png"
    assert set(entry) == {
        "image_index", "image_filename", "split", "objects", "directions", "relationships",
    }  # fmt: skip
    assert set(entry["objects"][0]) == {
        "color", "material", "shape", "size", "rotation", "3d_coords", "pixel_coords",
    }  # fmt: skip
    assert all(isinstance(x, int) for x in entry["objects"][0]["pixel_coords"][:2])
    picture = np.array(Image.open(path / "images" / "val" / entry["image_filename"]))
    assert picture.shape == (320, 480, 3)


def test_relationships_are_clevrs(folder):
    """By the generator's own rule, object by object."""
    for entry in json.loads(folder[2].read_text())["scenes"]:
        objects = entry["objects"]
        for name in ("right", "behind", "front", "left"):
            way = entry["directions"][name]
            for i, one in enumerate(objects):
                beyond = [
                    j
                    for j, other in enumerate(objects)
                    if np.dot(np.subtract(other["3d_coords"], one["3d_coords"]), way) > 0.2
                ]
                assert entry["relationships"][name][i] == beyond


def test_directions_are_those_of_the_ground_in_the_camera_s_view(folder):
    entry = json.loads(folder[2].read_text())["scenes"][0]
    ways = {name: np.array(way) for name, way in entry["directions"].items()}
    assert np.allclose(ways["right"], [*RIGHT, 0])
    assert np.allclose(ways["behind"], [*BEHIND, 0])
    assert np.allclose(ways["above"], [0, 0, 1])
    for name, other in (("right", "left"), ("behind", "front"), ("above", "below")):
        assert np.allclose(ways[name], -ways[other])
    forward = -np.array(EYE) * [1, 1, 0]
    assert np.allclose(ways["behind"], forward / np.linalg.norm(forward), atol=1e-4)
    assert np.allclose(ways["right"], np.cross(ways["behind"], ways["above"]), atol=1e-4)


def test_scenes_without_objects_come_back(tmp_path):
    scenes = sample_scenes(2, 0, 0, generator())
    file = save_scenes(tmp_path, scenes, torch.zeros(2, 3, 320, 480))
    loaded, _ = load_scenes(file)
    assert loaded.mask.shape == (2, 0)


def changed(file, change):
    """Writes the scene file anew, its second scene changed."""
    content = json.loads(file.read_text())
    change(content["scenes"][1])
    file.write_text(json.dumps(content))


FAULTS = {
    "has no 'objects'": lambda s: s.pop("objects"),
    "has no 'color'": lambda s: s["objects"][0].pop("color"),
    "has no 'image_filename'": lambda s: s.pop("image_filename"),
    "has no 'relationships'": lambda s: s.pop("relationships"),
    "color 'pink' is none of gray": lambda s: s["objects"][0].update(color="pink"),
    "shape 'cone' is none of": lambda s: s["objects"][0].update(shape="cone"),
    "'3d_coords' must be 3 numbers": lambda s: s["objects"][0].update({"3d_coords": [1, 2]}),
    "'rotation' must be 1 numbers": lambda s: s["objects"][0].update(rotation="half"),
    "'pixel_coords' must be 3": lambda s: s["objects"][0].update(pixel_coords=[1, None, 2]),
    "'rotation' must be .* not '12'": lambda s: s["objects"][0].update(rotation="12"),
    "'rotation' must be .* not True": lambda s: s["objects"][0].update(rotation=True),
    r"'3d_coords' must be .* \['1'": lambda s: s["objects"][0].update({"3d_coords": ["1", 2, 1]}),
    r"'pixel_coords' must be .* \['1'": lambda s: s["objects"][0].update(pixel_coords=["1", 2, 9]),
    r"'pixel_coords' must be .* \[nan": lambda s: s["objects"][0].update(
        pixel_coords=[np.nan, 2, 9]
    ),
    r"'pixel_coords' must be .* \[1000": lambda s: s["objects"][0].update(
        pixel_coords=[10**400, 2, 9]
    ),
    "object 0: 3d_coords are not before": lambda s: s["objects"][0].update({"3d_coords": EYE}),
    "not above the ground": lambda s: s["objects"][0].update({"3d_coords": [0, 0, -1]}),
    "centre is not above": lambda s: s["objects"][0].update({"3d_coords": [1, 1, 0]}),
    "pixels from where": lambda s: s["objects"][0].update(pixel_coords=[0, 0, 11.0]),
    "'objects' must be a list": lambda s: s.update(objects="none"),
    "is no plain name": lambda s: s.update(image_filename="../../secret.png"),
    r"split '\.\.' is no plain name": lambda s: s.update(split=".."),
    "split '' is no plain name": lambda s: s.update(split=""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_labels_is_named(folder, fault):
    _, _, file = folder
    changed(file, FAULTS[fault])
    with pytest.raises(ValueError, match=fault) as error:
        load_scenes(file)
    assert str(file) in str(error.value)
    assert "scene" in str(error.value)


def test_a_fault_in_the_files_is_named(folder):
    path, _, file = folder
    picture = path / "images" / "val" / "CLEVR_val_000001.png"
    whole = picture.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"not a picture"):
        picture.write_bytes(broken)
        with pytest.raises(ValueError, match=r"000001\.png is cut short or no picture"):
            load_scenes(path)
    Image.new("RGB", (320, 240)).save(picture)
    with pytest.raises(ValueError, match=r"000001\.png is 320x240, not 480x320"):
        load_scenes(path)
    picture.unlink()
    with pytest.raises(FileNotFoundError, match=r"000001\.png"):
        load_scenes(path)
    for broken, fault in (
        ('{"scenes": [', "is no JSON"),
        ("{}", "no 'scenes'"),
        ('{"scenes": []}', "holds no"),
    ):
        file.write_text(broken)
        with pytest.raises(ValueError, match=fault) as error:
            load_scenes(path)
        assert str(file) in str(error.value)


@pytest.mark.parametrize("kind", [OSError, SyntaxError, ValueError])
@pytest.mark.parametrize("when", ["opened", "decoded"])
def test_whatever_pillow_says_of_a_picture_the_file_is_named(folder, monkeypatch, kind, when):
    def broken(*_):
        raise kind("broken chunk")

    monkeypatch.setattr(*((Image, "open") if when == "opened" else (Image.Image, "crop")), broken)
    with pytest.raises(ValueError, match=r"000000\.png is cut short or no picture: broken chunk"):
        load_scenes(folder[0])


def test_a_split_is_taken_before_the_generator_s_own_file_which_is_none(folder):
    path, _, file = folder
    shutil.copy(file, path / "CLEVR_scenes.json")
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"scenes": content["scenes"][:1]}))
    assert len(load_scenes(path).scenes) == 1
    with pytest.raises(FileNotFoundError, match=r"no scenes at .*CLEVR_test_scenes\.json"):
        load_scenes(path, "test")


def test_what_is_not_there_is_named(folder, written):
    path, scenes, _ = folder
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_scenes(path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"CLEVR_test_scenes\.json"):
        load_scenes(path, "test")
    save_scenes(path, scenes, written[2], "train")
    with pytest.raises(ValueError, match="splits train, val: say which"):
        load_scenes(path)
    with pytest.raises(ValueError, match="2 pictures of 480x320"):
        save_scenes(path, scenes, torch.zeros(2, 3, 32, 32))


@pytest.mark.parametrize("bad", [{"size": 0}, {"size": -3}, {"limit": 0}, {"limit": -1}])
def test_no_pictures_or_empty_ones_are_no_request(folder, bad):
    (name, value), *_ = bad.items()
    with pytest.raises(ValueError, match=f"{name}.* at least 1 .*, got {value}"):
        load_scenes(folder[0], **bad)


@pytest.mark.parametrize("k", range(5))
@pytest.mark.parametrize(("number", "by"), [(0, 60), (1, -60), (2, 3.0), (2, -16.0)])
def test_a_wrong_label_is_not_blamed_on_the_camera(k, number, by):
    """A single object, which an eye that may be anywhere could see at any pixel, at any depth."""
    alone = copy.deepcopy(OFFICIAL["objects"][k])
    alone["3d_coords"] = tuple(alone["3d_coords"])  # of one's own making, not of a file
    eye = recover_camera({"objects": [alone]}).eye
    assert (eye - torch.tensor(EYE)).abs().max() <= 0.52
    alone["pixel_coords"][number] += by
    with pytest.raises(ValueError, match="object 0: pixel_coords are"):
        recover_camera({"objects": [alone]})


def test_what_no_camera_can_be_recovered_from():
    with pytest.raises(ValueError, match="has no objects"):
        recover_camera({"image_index": 7, "objects": []})
    for number, by in ((0, 60), (2, 0.1)):
        wrong = copy.deepcopy(OFFICIAL)
        wrong["objects"][1]["pixel_coords"][number] += by
        with pytest.raises(ValueError, match="scene 0, object 1: pixel_coords are"):
            recover_camera(wrong)
    with pytest.raises(ValueError, match="has no 'pixel_coords'"):
        recover_camera({"objects": [{"3d_coords": [0, 0, 1]}]})
    with pytest.raises(ValueError, match="has no 'objects'"):
        recover_camera([])
    assert isinstance(recover_camera(OFFICIAL), Camera)


@pytest.fixture
def generated(tmp_path):
    """What CLEVR's generator writes: 320x240, no folder for the split, one file beside."""
    scenes = sample_scenes(3, 1, 4, generator(5))
    scenes = replace(scenes, camera=Camera(scenes.camera.eye, 320, 240, 350.0))
    file = save_scenes(tmp_path, scenes, render_frame(scenes), "new")
    file.rename(tmp_path / "CLEVR_scenes.json")
    for picture in (tmp_path / "images/new").glob("*.png"):
        picture.rename(tmp_path / "images" / picture.name)
    (tmp_path / "scenes/CLEVR_new_000000.json").write_text("{}")
    return tmp_path, scenes


def test_the_generator_s_own_output_is_read(generated):
    path, scenes = generated
    for place in (path, path / "CLEVR_scenes.json"):
        loaded, pictures = load_scenes(place, size=32)
        off = project(loaded.coords, loaded.camera) - project(scenes.coords, scenes.camera)
        assert off[..., :2][scenes.mask].norm(dim=1).max() < 1
        assert (pictures - render(scenes, 32)).abs().mean() < 0.02


def test_labels_of_another_picture_size_are_named_with_the_size(folder):
    path, _, _ = folder
    for picture in (path / "images/val").glob("*.png"):
        Image.open(picture).resize((240, 160)).save(picture)
    with pytest.raises(ValueError, match="see its 3d_coords in a picture of 240x160"):
        load_scenes(path)


def test_the_home_folder_is_found(generated, monkeypatch):
    path, _ = generated
    monkeypatch.setenv("HOME", str(path.parent))
    monkeypatch.setenv("USERPROFILE", str(path.parent))
    assert len(load_scenes(f"~/{path.name}").scenes) == 3


def test_a_missing_picture_is_found_before_any_camera(folder, monkeypatch):
    path, _, _ = folder
    (path / "images/val/CLEVR_val_000001.png").unlink()
    monkeypatch.setattr(clevr, "_scenes", lambda *_: pytest.fail("cameras came first"))
    with pytest.raises(FileNotFoundError, match=r"no picture at .*000001\.png"):
        load_scenes(path)


def test_long_loads_show_how_far_they_are(folder, monkeypatch, capsys):
    load_scenes(folder[0])
    assert "CLEVR" not in capsys.readouterr().out
    monkeypatch.setattr(clevr, "PATIENCE", 2)
    load_scenes(folder[0])
    out = capsys.readouterr().out
    assert "CLEVR: 100%" in out
    assert "6/6" in out  # heads, cameras and pictures of two scenes: all that takes long


def test_many_scenes_take_little_longer_than_reading_their_pictures(written, tmp_path, monkeypatch):
    """All of it: labels, heads, cameras and pictures; two pictures stand for all."""
    many, (folder, _, _) = 200, written
    shutil.copytree(folder / "images", tmp_path / "images")
    scenes = sample_scenes(many, 3, 8, generator(4))
    entries = [clevr._entry(scenes, i, "val") for i in range(many)]
    for i, entry in enumerate(entries):
        entry["image_filename"] = f"CLEVR_val_{i % 2:06d}.png"
    file = tmp_path / "scenes/CLEVR_val_scenes.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"scenes": entries}))
    monkeypatch.setattr(clevr, "CHUNK", 70)  # the last one is not full
    load_scenes(file, limit=2)  # torch wakes up
    files = sorted((tmp_path / "images").rglob("*.png"))
    seconds, reading = [], []
    for _ in range(3):  # the least is what it takes; the rest is what else runs
        start = time.perf_counter()
        loaded, pictures = load_scenes(file)
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
        for i in range(many):
            with Image.open(files[i % 2]) as picture:
                picture.convert("RGB")
        reading.append(time.perf_counter() - start)
    off = project(loaded.coords, loaded.camera) - project(scenes.coords, scenes.camera)
    assert off[..., :2][scenes.mask].norm(dim=1).max() < 1  # each by its own camera
    assert torch.equal(pictures[:2].repeat(many // 2, 1, 1, 1), pictures)
    assert not torch.equal(pictures[0], pictures[1])
    assert min(seconds) < 2 * min(reading)  # 4.8 where cameras are found one by one


def test_cameras_of_many_scenes_are_those_of_each_and_take_no_time():
    scenes = sample_scenes(300, 1, 8, generator(3))
    pixel_coords = project(scenes.coords, scenes.camera).double()
    pixel_coords[..., :2] = pixel_coords[..., :2].round()
    arguments = scenes.coords.double(), pixel_coords, scenes.mask, 480, 320
    clevr._eyes(*arguments)  # torch wakes up
    start = time.process_time()
    eyes = clevr._eyes(*arguments)
    assert (time.process_time() - start) / 300 < 1e-3
    sure = eyes.isfinite().all(1)
    assert sure[scenes.mask.sum(1) > 2].double().mean() > 0.97  # CLEVR's have three or more
    for i in sure.nonzero()[:8, 0].tolist():
        keys = ("3d_coords", "pixel_coords")
        pairs = zip(scenes.coords[i].tolist(), pixel_coords[i].tolist(), strict=True)
        objects = [dict(zip(keys, pair, strict=True)) for pair in pairs]
        alone = recover_camera({"objects": objects[: int(scenes.mask[i].sum())]})
        assert torch.linalg.norm(eyes[i] - alone.eye) < 1e-5
    pixel_coords[7, 0, 0] += 60
    assert clevr._eyes(*arguments)[7].isnan().all()
