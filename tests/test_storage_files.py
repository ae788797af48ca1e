"""JSON files, pictures and provenance."""

import json
import math
import re

import matplotlib.image
import numpy as np
import pytest
import torch

from lib import storage
from lib.storage import files
from tests.conftest import ROOT


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "x.json"
    storage.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        storage.write_json(path, {"a": object()})
    assert storage.read_json(path) == {"a": 1}
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]


def test_a_picture_is_written_whole_or_not_at_all(tmp_path, interrupted):
    path = tmp_path / "deep" / "film.png"
    first = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    storage.write_picture(path, first)
    kept = path.read_bytes()
    with pytest.raises(ValueError, match="dimension"):
        storage.write_picture(path, np.zeros((4, 2, 7)))
    with interrupted(files.os, "fsync", 1):  # when all is written, and before it has its name
        storage.write_picture(path, first[::-1])
    assert path.read_bytes() == kept
    assert [p.name for p in path.parent.iterdir()] == ["film.png"]
    assert np.allclose(matplotlib.image.imread(path)[..., :3] * 255, first)


def test_experiments_write_through_storage_alone():
    """What writes by itself leaves half a file where it is broken off."""
    writes = (
        r"imsave\(|\.write_(?:text|bytes)\(|\bnp\.savez?\(|torch\.save\(|\bopen\([^)]*[\"'][wa]"
    )
    assert re.search(writes, "matplotlib.image.imsave(kept / name, sheet)")
    for path in sorted((ROOT / "lib/experiments").glob("*.py")):
        assert not re.search(writes, path.read_text()), path.name


def test_bad_json_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json does not exist"):
        storage.read_json(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text('{"a": ')
    with pytest.raises(ValueError, match=r"bad\.json is not JSON"):
        storage.read_json(tmp_path / "bad.json")


def test_what_is_not_finite_is_not_written_and_its_place_is_named(tmp_path):
    for value in (math.nan, -math.inf):
        with pytest.raises(ValueError, match=rf"x\.json is not written: a / 1 / b is {value}, not"):
            storage.write_json(tmp_path / "x.json", {"a": [1.0, {"b": value}], "c": math.nan})
    assert not list(tmp_path.iterdir())


def test_numbers_keep_the_digits_of_the_nearest_key_and_lists_stand_on_one_line(tmp_path):
    path = tmp_path / "x.json"
    data = {
        "fine": [0.123456, [1.23456, 7]],
        "part": {"fine": 0.123456, "own": 0.123456, "words": ["ab", "cd"]},
        "free": 0.123456,
    }
    storage.write_numbers(path, data, {"fine": 4, "part": 2})
    assert storage.read_json(path) == {
        "fine": [0.1235, [1.2346, 7]],
        "part": {"fine": 0.1235, "own": 0.12, "words": ["ab", "cd"]},
        "free": 0.123456,
    }
    text = path.read_text()
    assert "[1.2346,7]" in text
    assert text.endswith("}\n")


def test_a_run_is_taken_up_where_its_file_is_of_the_same(tmp_path):
    path, own = tmp_path / "x.json", {"seed": 3, "size": 8}
    assert storage.begin(path, own, rows=[]) == {"seed": 3, "size": 8, "rows": []}
    storage.write_json(path, own | {"rows": [1]})
    assert storage.begin(path, own, rows=[])["rows"] == [1]
    with pytest.raises(ValueError, match=r"x\.json is of seed 3, not 4: move it elsewhere first"):
        storage.begin(path, {"size": 8, "seed": 4}, rows=[])
    with pytest.raises(ValueError, match="is of kind None, not 1"):
        storage.begin(path, own | {"kind": 1})


def test_files_are_copied_by_name(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    assert storage.copy_files(tmp_path, tmp_path / "kept", "b") == ["b"]
    assert [p.read_bytes() for p in (tmp_path / "kept").iterdir()] == [b"two"]
    with pytest.raises(FileNotFoundError):
        storage.copy_files(tmp_path, tmp_path / "kept", "a", "c")


def test_rows_that_are_not_finite_are_counted_and_the_first_is_named():
    rows = torch.zeros(5, 2, 3)
    storage.check_finite(rows, "pictures")
    rows[2, 1, 0], rows[4, 0, 2] = math.inf, math.nan
    with pytest.raises(ValueError, match="pictures are not finite: 2 of 5, first 2"):
        storage.check_finite(rows, "pictures")


def test_provenance_is_plain_text():
    assert json.loads(json.dumps(storage.provenance()))["torch"] == torch.__version__
