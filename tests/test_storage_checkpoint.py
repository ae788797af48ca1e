import os
import pickle

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.storage import checkpoint


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 3, 3, 3, generator=generator)
    return {
        "weight": weight.to(memory_format=torch.channels_last),
        "half": weight[0].bfloat16(),
        "tied": weight,
        "state": generator.get_state(),
        "step": torch.tensor(7),
        "empty": torch.zeros(0, 3),
    }


@pytest.fixture
def file(tmp_path, tensors):
    path = tmp_path / "deep" / "net.safetensors"
    checkpoint.save(path, tensors, {"network": "unet", "seed": 3})
    return path


def test_what_is_read_is_what_was_written(file, tensors):
    loaded, header = checkpoint.load(file, network="unet")
    assert header == {"network": "unet", "seed": 3}
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_checkpoint_of_another_network_is_refused_by_name(file):
    with pytest.raises(ValueError, match=r"network 'unet', not of 'detector'"):
        checkpoint.load(file, network="detector")


@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_refused(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "net.safetensors"
    checkpoint.save(path, {"w": torch.arange(100.0)}, {"network": "unet"})
    raw = path.read_bytes()
    path.write_bytes(raw[: int(cut * len(raw))])
    with pytest.raises(ValueError, match=r"net\.safetensors is (cut short|damaged)"):
        checkpoint.load(path)


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed_wherever_it_falls(tmp_path_factory, place, bit):
    path = tmp_path_factory.mktemp("flip") / "net.safetensors"
    checkpoint.save(path, {"w": torch.arange(100.0)}, {"network": "unet"})
    raw = bytearray(path.read_bytes())
    raw[int(place * len(raw))] ^= 1 << bit
    path.write_bytes(raw)
    message = ""
    try:
        tensors, header = checkpoint.load(path)
    except ValueError as error:
        message = str(error)
    else:  # a flip in JSON's white space changes nothing
        assert torch.equal(tensors["w"], torch.arange(100.0))
        assert header == {"network": "unet"}
    assert not message or "net.safetensors" in message


def test_a_checksum_that_does_not_match_is_named(file):
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    with pytest.raises(ValueError, match="checksum"):
        checkpoint.load(file)


def test_headers_of_every_length_are_read(tmp_path):
    path = tmp_path / "net.safetensors"

    def length(note):
        checkpoint.save(path, {"w": torch.ones(1)}, {"network": "unet", "note": note * "x"})
        assert checkpoint.load(path)[1]["note"] == note * "x"
        return int.from_bytes(path.read_bytes()[:8], "little")

    shortest = length(0)
    assert {length(n) % 256 for n in range(0, 256, 8)} == set(range(0, 256, 8))
    assert length(0x4B50 - shortest) == 0x4B50  # begins with "PK", as a zip archive does


class Bomb:
    def __reduce__(self):
        return (os.abort, ())


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_pickle_is_refused_without_being_read(tmp_path, kind):
    path = tmp_path / "net.safetensors"
    if kind == "torch":
        torch.save(Bomb(), path)
    else:
        path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="pickle"):
        checkpoint.load(path)


def test_a_missing_file_and_a_foreign_one_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        checkpoint.load(tmp_path / "nowhere.safetensors")
    safetensors.torch.save_file({"w": torch.ones(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="foreign"):
        checkpoint.load(tmp_path / "foreign.safetensors")


@pytest.mark.parametrize(("many", "more"), [(3, ""), (5, ", and 2 more")])
def test_weights_that_do_not_fit_are_named_up_to_three(many, more):
    network = torch.nn.Linear(2, 2)
    extra = {f"w{k}": torch.ones(k, 1) for k in range(many)}
    with pytest.raises(ValueError) as error:  # noqa: PT011  (its whole text is what is asked)
        checkpoint.fill(network, extra | network.state_dict(), "file")
    places = "; ".join(f"w{k} ({k}, 1) has no place" for k in range(3))
    assert str(error.value) == f"file does not fit the network: {places}{more}"


def test_a_header_that_is_no_json_is_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        checkpoint.save(tmp_path / "net.safetensors", {}, {"network": object()})


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_a_failing_write_keeps_the_last_good_file(file, monkeypatch, failing, error):
    def fail(*_):
        raise error

    before = file.read_bytes()
    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(type(error)):
        checkpoint.save(file, {"w": torch.ones(3)}, {"network": "unet"})
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]
