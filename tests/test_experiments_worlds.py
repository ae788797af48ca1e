"""Worlds: four callables that fit together, and experiments that ask nothing else of data."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from lib.diffusion import pathways
from lib.experiments import _worlds
from lib.experiments import length_generalization as length
from lib.experiments._worlds import CLEVR, DISCS, WORLDS
from lib.experiments.length_generalization import Scale, Setting
from lib.scenes import clevr, labelling, locations, measure, render, sample_scenes
from tests.test_experiments_length import TINY, toy

BEFORE = {  # the first loss of a step when data were no worlds, setting by setting
    Setting(): 1.545361042022705,
    Setting("label_all"): 1.545693039894104,
    Setting(data="one_colour"): 1.536972165107727,
    Setting(data="three"): 1.550339698791504,
    Setting("label_all", "window", "full", "nearest"): 1.5862669944763184,
    Setting("label_one", "window", "full", "random"): 1.5417379140853882,
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("setting", BEFORE, ids=lambda s: s.name)
def test_a_step_is_what_it_was_before_there_were_worlds(setting):
    scale = Scale(parameters=250_000, steps=3, batch=4, unasked=0.3)
    training, numbers = length.prepared(setting, scale), generator(1)
    for p in training.denoiser.parameters():  # a new network is deaf: its last layer is zero
        p.data += 0.05 * torch.randn(p.shape, generator=numbers)
    assert next(training.run())["loss"] == pytest.approx(BEFORE[setting], rel=1e-5)


@pytest.mark.parametrize("name", ["plain", "one_colour", "three", "large", "discs"])
def test_the_four_callables_fit_together(name):
    world = WORLDS[name]("", 32)
    scenes = world.sample(6, 3, 3, generator())
    pictures, (place, mask) = world.render(scenes, 32), world.ask(scenes)
    assert pictures.shape == (6, 3, 32, 32)
    assert pictures.abs().max() <= 1
    assert place.shape == (6, 3, 2)
    assert mask.all()
    assert torch.equal(world.render(scenes[2:4], 32), pictures[2:4])
    assert len(scenes[2:4]) == 2
    clear = world.sample(6, 2, 2, generator(), clear=True)
    found, asked = world.find(world.render(clear, 32)), world.ask(clear)
    scores = measure.raw_scores(found, asked, found)
    assert sum(scores["hits"]) >= 10  # of 12
    assert sum(scores["blind"]) < 6


def test_discs_are_found_where_they_were_asked_for_and_none_is_found_in_the_dark():
    scenes = DISCS.sample(20, 0, 4, generator())
    assert set(scenes.mask.sum(1).tolist()) == set(range(5))
    place, mask = DISCS.ask(scenes)
    found, there = DISCS.find(DISCS.render(scenes, 32))
    assert torch.equal(there.sum(1), mask.sum(1))
    for p, m, asked, asked_mask in zip(found, there, place, mask, strict=True):
        off = measure.matched(p[m], asked[asked_mask], 0.02)
        assert len(off) == asked_mask.sum()
    places, none = DISCS.find(-torch.ones(2, 3, 32, 32))
    assert places.shape == (2, 0, 2)
    assert none.shape == (2, 0)


def test_an_experiment_runs_in_another_world_by_its_name(monkeypatch, tmp_path):
    toy(monkeypatch.setattr)
    monkeypatch.setattr(_worlds.detector, "load", lambda: pytest.fail("no detector of CLEVR's"))
    setting = Setting("label_all", data="discs")
    result = length.run(setting, TINY, tmp_path, samples=3)
    assert (tmp_path / "label_all.vector.data-discs.seed0.json").exists()
    assert [result["counts"][k]["ceiling"] for k in ("1", "2")] == [[1] * 3, [2] * 3]


def test_a_new_data_set_is_a_line_of_worlds(monkeypatch):
    """No other file knows it: the setting takes it, names it, and trains on it."""
    with pytest.raises(ValueError, match="data is one of"):
        Setting(data="dim")
    dim = replace(DISCS, render=lambda scenes, size: DISCS.render(scenes, size) / 2 - 0.5)
    monkeypatch.setitem(WORLDS, "dim", lambda files, size: dim)
    setting = Setting("label_all", data="dim")
    assert setting.name == "label_all.vector.data-dim"
    training = length.prepared(setting, Scale(parameters=250_000, steps=1, batch=2))
    pictures, _ = training.batch(generator())
    assert pictures.max() <= 0
    assert next(training.run())["loss"] > 0


class Left(nn.Module):
    """Hears how far left the first location is, and no more."""

    def __init__(self, width):
        super().__init__()
        self.enter = nn.Linear(1, width)

    def forward(self, conditions, x):
        places, mask = conditions
        first = (places[:, 0, :1] * mask[:, :1]).to(self.enter.weight)
        return None, self.enter(first)[:, :, None, None]


def test_a_new_pathway_is_a_class_and_a_line(monkeypatch):
    """No other file knows it: the setting takes it, and a network of its size is trained."""
    for known in (pathways.OF_LOCATIONS, pathways.PATHWAYS):  # one line in the file: see there
        monkeypatch.setitem(known, "left", lambda n: Left(n.width))
    setting, scale = Setting(pathway="left"), Scale(parameters=250_000, steps=1, batch=2)
    training = length.prepared(setting, scale)
    made = training.denoiser.network
    assert made.name.startswith("unet.left.")
    assert abs(sum(p.numel() for p in made.parameters()) / scale.parameters - 1) < 0.1
    assert next(training.run())["loss"] > 0


def test_what_is_said_of_an_object_goes_with_it_where_one_is_chosen():
    """A world of colours is the same with another way of telling."""

    def ask(scenes):
        return *labelling.label_all(scenes), scenes.color

    world, scale = replace(CLEVR, ask=ask, render=lambda scenes, size: scenes), Scale(batch=40)
    scenes, (place, mask, colour) = length.batch(Setting(), scale, world, generator())
    assert place.shape == (40, 1, 2)
    assert mask.shape == colour.shape == (40, 1)
    same = (locations(scenes) == place).all(-1) & scenes.mask
    told = mask[:, 0]
    assert told.any()
    assert torch.equal(same.sum(1)[told], torch.ones_like(same.sum(1)[told]))
    assert torch.equal(scenes.color[same & told[:, None]], colour[:, 0][told])


@pytest.fixture
def folder(tmp_path):
    """Eight scenes of 3 to 5 objects in CLEVR's format, with pictures of nothing in particular."""
    pictures = 2 * torch.rand(8, 3, 320, 480, generator=generator()) - 1
    clevr.save_scenes(tmp_path / "clevr", sample_scenes(8, 3, 5, generator()), pictures)
    return tmp_path / "clevr"


def test_official_pictures_are_trained_on_as_they_are(folder):
    setting, scale = Setting("label_all", data="official", objects=4), Scale(batch=20, unasked=0.0)
    world = length.world_of(setting, str(folder))
    pictures, (place, mask) = length.batch(setting, scale, world, generator())
    stored = clevr.load_scenes(folder)
    distance = torch.cdist(pictures.flatten(1), stored.pictures.flatten(1))
    which = distance.argmin(1)
    assert distance.amin(1).max() < 1e-3
    assert len(which.unique()) > 2
    counts = stored.scenes.mask.sum(1)
    assert set(counts[which].tolist()) <= {3, 4}
    expected, there = labelling.label_all(stored.scenes[which])
    assert torch.equal(mask, there)
    assert torch.equal(place, expected)
    # Tests ask as ever, for rendered scenes.
    asked = world.sample(2, 1, 1, generator(3), clear=True)
    same = CLEVR.sample(2, 1, 1, generator(3), clear=True)
    assert torch.equal(world.render(asked, 32), render(same, 32))
    assert torch.equal(world.ask(asked)[0], CLEVR.ask(same)[0])


def test_official_files_are_read_once(folder, monkeypatch):
    world, reads, load = (
        length.world_of(Setting(data="official"), str(folder)),
        [],
        clevr.load_scenes,
    )
    monkeypatch.setattr(clevr, "load_scenes", lambda *a, **k: reads.append(a) or load(*a, **k))
    for seed in range(3):
        assert len(world.sample(2, 1, 5, generator(seed))) == 2
    assert len(reads) == 1


def test_official_pictures_that_cannot_be_had_are_named(folder):
    setting = Setting(data="official")
    with pytest.raises(ValueError, match="are read from files: name their folder"):
        length.world_of(setting).sample(2, 1, 3, generator())
    with pytest.raises(FileNotFoundError, match="nowhere"):
        length.world_of(setting, str(folder / "nowhere")).sample(2, 1, 3, generator())
    world = length.world_of(setting, str(folder))
    with pytest.raises(ValueError, match=r"no scene in .* has 1 to 2 objects: they have 3 to 5"):
        world.sample(2, 1, 2, generator())
    with pytest.raises(ValueError, match=r"read in size 32, not 64"):
        world.render(world.sample(2, 1, 3, generator()), 64)
