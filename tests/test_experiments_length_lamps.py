"""What is read of the lamps in drawn pictures, and what the rows rest on."""

import copy
import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from lib.book import ledger
from lib.diffusion import edm, networks, train
from lib.experiments import length_asking, length_generalization, length_lamps, length_words
from lib.experiments.length_generalization import Scale, Setting
from lib.scenes import detector, labelling, lamps, measure, render

RUN = length_asking.Setting("label_one.vector", 3)
SMALL = Scale(parameters=170_000, steps=3, batch=2)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A finished run, as far as its weights are concerned; sampling gives its noise."""
    setting = Setting(seed=3)
    made = edm.Preconditioned(length_generalization.network(setting, SMALL), 0.2)
    stem = tmp_path / "label_one.vector.seed3"
    text = json.dumps({"setting": asdict(setting), "scale": asdict(SMALL)})
    stem.with_name(stem.name + ".json").write_text(text)
    train.save_weights(stem.with_name(stem.name + ".safetensors"), made, {"steps": 3})
    finder = networks.initialise(detector.Detector(), torch.Generator().manual_seed(0)).eval()
    monkeypatch.setattr(detector, "load", lambda: finder)
    monkeypatch.setattr(length_asking, "SAMPLES", 3)
    monkeypatch.setattr(
        length_asking, "sampled", lambda denoiser, noise, conditions: noise.clamp(-1, 1)
    )
    return tmp_path


def test_lamps_are_read_where_places_were_asked_for(folder):
    found = length_lamps.run(RUN, length_lamps.Scale((3,), ("all", "paste-apart")), folder)
    scenes = labelling.request_scenes(3, 3, train.stream(2003, 3))
    noise = torch.randn(3, 3, 32, 32, generator=train.stream(2003, 3, 2)).clamp(-1, 1)
    places = labelling.label_all(scenes)[0]
    reader, real = lamps.load(), render(scenes, 32)
    for way, pictures in (("real", real), ("all", noise)):
        read = lamps.readings(reader, pictures, places)
        sums = lamps.shared(read, lamps.disjoint(places))
        assert np.abs(sums.numpy() - found["counts"]["3"][way]["lamps"]).max() <= 5e-5
    standing = detector.detect(detector.load(), real)
    hits = measure.raw_scores(
        detector.detect(detector.load(), noise), labelling.label_all(scenes), standing
    )
    assert found["counts"]["3"]["all"]["hits"] == hits["hits"]
    assert set(found["counts"]["3"]) == {"real", "all", "paste-apart"}
    assert "hits" not in found["counts"]["3"]["real"]


def test_a_reading_goes_on_where_it_stopped(folder, interrupted):
    scale = length_lamps.Scale((2, 3), ("all", "paste"))
    path = folder / "lamps.label_one.vector.seed3.json"
    whole = length_lamps.run(RUN, scale, folder)
    assert json.loads(path.read_text()) == whole
    path.unlink()
    with interrupted(length_lamps, "read_ways", 2):
        length_lamps.run(RUN, scale, folder)
    assert list(json.loads(path.read_text())["counts"]) == ["2"]
    assert length_lamps.run(RUN, scale, folder)["counts"] == whole["counts"]
    path.unlink()
    for way in scale.ways:
        length_lamps.run(RUN, length_lamps.Scale((3, 2), (way,)), folder)
    assert length_lamps.run(RUN, scale, folder)["counts"] == whole["counts"]
    kept = folder / "kept"
    assert length_lamps.store(folder, kept) == [path.name]
    assert length_lamps.results(kept)["read"]["label_one.vector"][3] == whole["counts"]
    assert length_generalization.finished_runs(folder) == {}  # what was read is no run


def test_what_cannot_be_read_is_refused(folder):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        length_lamps.run(length_asking.Setting("label_one.map", 3), length_lamps.Scale(), folder)
    with pytest.raises(ValueError, match="there is no way 'shouting': choose among"):
        length_lamps.run(RUN, length_lamps.Scale((3,), ("shouting",)), folder)
    setting = Setting(data="one_colour", seed=3)
    text = json.dumps({"setting": asdict(setting), "scale": asdict(SMALL)})
    (folder / "label_one.vector.seed3.json").write_text(text)
    with pytest.raises(ValueError, match="was trained on one_colour"):
        length_lamps.run(RUN, length_lamps.Scale(), folder)


def part(common, hits=5):
    """One picture, whose readings share so much of their variance, with so many hits of ten."""
    raw = {"hits": [hits], "blind": [0], "ceiling": [10]}
    return raw | {"lamps": [[common, 1.0], [0.0, 0.0]]}


def test_what_the_rows_rest_on_is_of_fresh_seeds_and_paired():
    told_all = {
        0: {"3": {way: part(0.9) for way in ("all", "paste", "paste-apart")}},
        4: {"3": {"all": part(0.2, 8), "paste": part(0.3), "paste-apart": part(0.0)}},
        3: {"3": {"all": part(0.5, 9), "paste": part(0.1)}},
    }
    sees = {s: {"6": {"all": part(v)}} for s, v in ((0, 0.5), (1, 0.4), (2, 0.3))}
    near = {s: {"6": {"all": part(v)}} for s, v in ((2, 0.1), (1, 0.05), (3, 0.0))}
    names = ("label_all.vector", "label_one.full_local", "label_one.local_local")
    trial = {"real": 0.3, "scissors": 0.02, "scissors_one_light": 0.34, "smeared": 0.29}
    measured = {
        "read": dict(zip(names, (told_all, sees, near), strict=True)),
        "painters": {"6": trial, "3": {}},
    }
    found = length_lamps.claims(measured)
    assert {row: pytest.approx(values) for row, values in found.items()} == {
        "length.lamps.real": [0.3],
        "length.lamps.scissors": [0.02],
        "length.lamps.borders": [0.04],
        "length.lamps.three.filled": [0.9, 0.8],
        "length.lamps.three.noise": [0.3],
        "length.lamps.three.beyond": [0.2],
        "length.lamps.three.one": [0.4, -0.1],
        "length.lamps.window": [-0.35, -0.2],
    }
    rows = {row.id for row in ledger.ROWS if row.recorder == "experiments/length_lamps"}
    assert set(found) <= rows
    name = "label_all.vector"
    assert length_lamps.mean_agreement(measured, name, "3", "paste") == pytest.approx(0.2)
    every = length_lamps.mean_agreement(measured, name, "3", "paste", fresh=False)
    assert every == pytest.approx((0.9 + 0.3 + 0.1) / 3)


def test_what_is_downloaded_is_the_agreement_of_each_way():
    read = {"net": {3: {"6": {"all": part(0.2), "real": part(0.4)}, "3": {"all": part(0.1)}}}}
    found = length_lamps.plain_agreements({"read": read})
    assert found == {"net": {3: {"6": {"all": 0.2, "real": 0.4}, "3": {"all": 0.1}}}}


def stored(change=lambda ways: None):
    """What the book keeps, each seed's ways at one number of places changed."""
    measured = copy.deepcopy(length_lamps.results())
    for seeds in measured["read"].values():
        for counts in seeds.values():
            for ways in counts.values():
                change(ways)
    return measured


def shared_by(way, value):
    def change(ways):
        if way in ways:
            ways[way]["lamps"] = [[value, 1.0]] * len(ways[way]["lamps"])

    return change


def test_the_sentences_hold_and_each_can_fail():
    assert length_words.untrue(length_lamps.statements(stored())) == []
    broken = set()
    changes = ("all", 0.9), ("paste", 0.0), ("paste-apart", 0.5), ("real", 0.9), ("nearest", 0.9)
    for way, value in changes:
        found = length_words.untrue(length_lamps.statements(stored(shared_by(way, value))))
        broken |= {line.split(": ")[0] for line in found}
    assert broken == set(length_lamps.statements(stored()))
