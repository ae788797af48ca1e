"""The reader of lamps: what it is shown, what agreement is, what it says of known painters."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
import torch

from lib.diffusion.networks import initialise
from lib.experiments import lamps as experiment
from lib.scenes import lamps, render, sample_scenes
from lib.storage import checkpoint


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_crop_is_the_picture_about_its_place():
    pictures = 2 * torch.rand(2, 3, 32, 32, generator=generator()) - 1
    places = torch.tensor([[[0.5, 0.25], [0.0, 1.0]], [[0.99, 0.03], [0.4, 0.6]]])
    found = lamps.crops(pictures, places)
    assert found.shape == (2, 2, 6, 11, 11)
    for b in range(2):
        for k, (x, y) in enumerate(places[b].tolist()):
            column, row = (min(int(32 * v), 31) for v in (x, y))
            for i, j in ((0, 0), (5, 5), (10, 2), (3, 10)):
                r, c = row + i - 5, column + j - 5
                inside = 0 <= r < 32 and 0 <= c < 32
                own = torch.zeros(6)
                if inside:
                    at = [1.0, 2 * c / 31 - 1, 2 * r / 31 - 1]
                    own = torch.cat([pictures[b, :, r, c], torch.tensor(at)])
                assert (found[b, k, :, i, j] - own).abs().max() < 1e-6


def test_two_crops_are_disjoint_if_they_share_no_pixel():
    places = torch.rand(3, 5, 2, generator=generator(1))
    covered = []
    for picture in lamps.pixels(places).tolist():
        covered.append(
            [{(x + i, y + j) for i in range(-5, 6) for j in range(-5, 6)} for x, y in picture]
        )
    found = lamps.disjoint(places)
    for b, crops in enumerate(covered):
        for i in range(5):
            for j in range(5):
                assert bool(found[b, i, j]) == (i < j and not crops[i] & crops[j])
    assert found.any()
    assert not found.all()


def test_the_truth_is_of_mean_nothing_and_variance_one():
    told = lamps.truth(sample_scenes(20_000, 1, 1, generator(2)))
    assert told.shape == (20_000, 9)
    assert told.mean(0).abs().max() < 0.03
    assert (told.var(0) - 1).abs().max() < 0.03
    assert told.abs().max() <= 3**0.5 + 1e-5
    scenes, moved = (sample_scenes(1, 1, 1, generator(3)) for _ in range(2))
    moved.lamps[0, 1, 2] += 1.0  # the back lamp, higher by the jitter
    change = (lamps.truth(moved) - lamps.truth(scenes))[0]
    assert change[5] == pytest.approx(3**0.5, abs=1e-5)
    assert change.abs().sum() == pytest.approx(3**0.5, abs=1e-5)


def one_way(read, pairs):
    """What pairs have in common over what they vary by, pair by pair, in NumPy."""
    both = [
        (read[b, i].double().numpy(), read[b, j].double().numpy())
        for b, i, j in pairs.nonzero().tolist()
    ]
    middle = np.mean([each for pair in both for each in pair], 0)
    common = sum((one - middle) @ (other - middle) for one, other in both)
    total = sum(((one - middle) ** 2 + (other - middle) ** 2).sum() / 2 for one, other in both)
    return common / total


def test_agreement_is_the_intraclass_correlation_of_the_pairs():
    read = torch.randn(7, 4, 9, generator=generator(4)) + 3.0
    read += torch.randn(7, 1, 9, generator=generator(5))
    pairs = (torch.rand(7, 4, 4, generator=generator(6)) < 0.6).triu(1)
    pairs[2] = False  # a picture without a pair
    sums = lamps.shared(read, pairs)
    assert sums.shape == (7, 2)
    assert sums[2].tolist() == [0, 0]
    assert lamps.agreement(sums) == pytest.approx(one_way(read, pairs), abs=1e-12)


@pytest.mark.parametrize("part", [0.0, 0.3, 1.0])
def test_agreement_is_the_part_of_the_variance_that_a_picture_s_readings_share(part):
    common = torch.randn(20_000, 1, 9, generator=generator(7))
    own = torch.randn(20_000, 3, 9, generator=generator(8))
    read = part**0.5 * common + (1 - part) ** 0.5 * own + torch.arange(9)
    pairs = torch.ones(20_000, 3, 3).triu(1) > 0
    assert lamps.agreement(lamps.shared(read, pairs)) == pytest.approx(part, abs=0.01)


def test_what_cannot_be_read_is_refused():
    pictures, places = torch.zeros(2, 3, 32, 32), torch.full((2, 4, 2), 0.5)
    with pytest.raises(ValueError, match=r"need pictures \(B, 3, 32, 32\) and places"):
        lamps.crops(pictures[..., :16], places)
    with pytest.raises(ValueError, match=r"need pictures \(B, 3, 32, 32\) and places"):
        lamps.crops(pictures, places[:1])
    with pytest.raises(ValueError, match="a place is outside the picture"):
        lamps.crops(pictures, places + 0.6)
    with pytest.raises(ValueError, match="a place is outside the picture"):
        lamps.crops(pictures, places * math.nan)
    with pytest.raises(ValueError, match="not finite"):
        lamps.crops(pictures / 0, places)
    read = torch.zeros(2, 4, 9)
    none = lamps.shared(read + 1, lamps.disjoint(places))
    assert none.tolist() == [[0, 0], [0, 0]]
    with pytest.raises(ValueError, match="no two crops are disjoint, or all are read alike"):
        lamps.agreement(none)
    pairs = torch.ones(2, 4, 4).triu(1) > 0
    with pytest.raises(ValueError, match="not finite"):
        lamps.shared(read * math.inf, pairs)
    with pytest.raises(ValueError, match="or all are read alike"):
        lamps.agreement(lamps.shared(read, pairs))


def test_a_crop_is_read_by_itself():
    reader = initialise(lamps.Reader(), generator()).eval().requires_grad_(False)
    pictures = 2 * torch.rand(3, 3, 32, 32, generator=generator(9)) - 1
    places = torch.rand(3, 4, 2, generator=generator(10))
    found = lamps.readings(reader, pictures, places)
    assert found.shape == (3, 4, 9)
    alone = lamps.readings(reader, pictures[1:2], places[1:2, 2:3])
    assert torch.linalg.norm(alone[0, 0] - found[1, 2]) < 1e-5
    changed = pictures.clone()
    row = int(lamps.pixels(places)[1, 2, 1])
    changed[1, :, (row + 16) % 32] += 0.5  # 16 rows away
    again = lamps.readings(reader, changed, places)
    assert torch.linalg.norm(again[1, 2] - found[1, 2]) < 1e-5
    changed[1, :, row] += 0.5
    again = lamps.readings(reader, changed, places)
    assert torch.linalg.norm(again[1, 2] - found[1, 2]) > 1e-3


def test_a_batch_holds_crops_about_objects_and_anywhere(monkeypatch):
    seen = {}
    cut = lamps.crops
    monkeypatch.setattr(lamps, "crops", lambda x, at: seen.update(x=x, at=at) or cut(x, at))
    rendered = []
    monkeypatch.setattr(experiment, "render", lambda s, size: rendered.append(s) or render(s, size))
    found, told = experiment.batch(5, generator(11))
    assert found.shape == (5 * experiment.CROPS, 6, 11, 11)
    assert told.shape == (5 * experiment.CROPS, 9)
    own = lamps.truth(rendered[0])
    for i in range(5):
        assert torch.equal(told[i * experiment.CROPS], own[i])
        assert torch.equal(told[(i + 1) * experiment.CROPS - 1], own[i])
    objects = experiment.locations(rendered[0])
    near = (seen["at"][:, :, None] - objects[:, None]).abs().amax(-1).amin(-1) < 1e-6
    half = experiment.CROPS // 2
    assert near[:, :half].all()
    assert not near[:, half:].any()
    sharp = render(rendered[0], 32)
    left, other = ((seen["x"] - x).flatten(1).norm(dim=1) for x in (sharp, sharp.roll(1, 0)))
    assert (left > 0).all()
    assert (2 * left < other).all()


def test_a_reader_that_is_not_there_or_another_network_s_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        lamps.load(tmp_path / "lamps.safetensors")
    checkpoint.save(tmp_path / "other.safetensors", {"w": torch.ones(1)}, {"network": "oracle"})
    with pytest.raises(ValueError, match="a checkpoint of the network 'oracle'"):
        lamps.load(tmp_path / "other.safetensors")


def test_the_stored_reader_knows_one_light_and_takes_no_notice_of_borders():
    """Pictures of a seed that neither its training nor its trial saw."""
    reader = lamps.load()
    painted, places = experiment.painters(6, 160, generator(77))
    pairs = lamps.disjoint(places)
    found = {
        name: lamps.agreement(lamps.shared(lamps.readings(reader, pictures, places), pairs))
        for name, pictures in painted.items()
    }
    assert found["real"] > 0.2
    assert abs(found["scissors"]) < 0.08
    assert abs(found["scissors_one_light"] - found["real"]) < 0.1


def test_one_brightness_is_read_as_one_light():
    """What the reader cannot tell: a shade that a whole picture has."""
    reader = lamps.load()
    found = []
    for spread in (0.0, 0.1):
        pictures, places = experiment.one_shade(160, generator(78), spread=spread)
        read = lamps.readings(reader, pictures, places)
        found.append(lamps.agreement(lamps.shared(read, lamps.disjoint(places))))
    assert abs(found[0]) < 0.1
    assert found[1] > 0.25


def test_the_stored_trial_is_that_of_the_stored_weights():
    trial = json.loads(lamps.WEIGHTS.with_suffix(".json").read_text())
    header = checkpoint.load(lamps.WEIGHTS)[1]
    assert all(trial[name] == said for name, said in header.items())
    assert trial["setting"] == asdict(experiment.Setting())
    assert trial["scale"] == asdict(experiment.Scale())
    assert set(trial["painters"]) == set(map(str, experiment.COUNTS))
    for row in trial["painters"].values():
        assert set(row) == {"real", "smeared", "scissors", "scissors_one_light"}
        assert all(-1 <= value <= 1 for value in row.values())


def test_the_reader_can_be_trained_and_what_is_run_is_tried(tmp_path):
    scale = experiment.Scale(steps=2, batch=2)
    found = experiment.run(experiment.Setting(), scale, tmp_path, samples=3)
    assert found["samples"] == 3
    assert set(found["painters"]) == set(map(str, experiment.COUNTS))
    assert lamps.load(tmp_path / "lamps.safetensors").layers
    assert experiment.run(experiment.Setting(), scale, tmp_path, samples=3) == found
