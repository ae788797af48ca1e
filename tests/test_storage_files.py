"""JSON files and provenance."""

import json

import pytest
import torch

from lib import storage


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "x.json"
    storage.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        storage.write_json(path, {"a": object()})
    assert storage.read_json(path) == {"a": 1}
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]


def test_bad_json_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json does not exist"):
        storage.read_json(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text('{"a": ')
    with pytest.raises(ValueError, match=r"bad\.json is not JSON"):
        storage.read_json(tmp_path / "bad.json")


def test_provenance_is_plain_text():
    assert json.loads(json.dumps(storage.provenance()))["torch"] == torch.__version__
