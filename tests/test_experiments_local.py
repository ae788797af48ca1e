"""What trained networks depend on: the measures, on denoisers whose dependence is known."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from lib.book import ledger
from lib.diffusion import edm, networks, train
from lib.experiments import length_generalization as length
from lib.experiments import local_scores
from lib.experiments.length_generalization import Scale, Setting
from lib.scenes import detector, labelling, render, sample_scenes
from tests.test_diffusion_networks import randomised

SCALE = Scale(parameters=250_000, steps=3, batch=2)
FEW = (0.1, 1.0, 10.0)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setattr(local_scores, "SAMPLES", 8)
    monkeypatch.setattr(local_scores, "LEVELS", FEW)
    monkeypatch.setattr(local_scores, "EXCHANGES", (0.0, 1.0, 100.0))
    monkeypatch.setattr(local_scores, "PICTURES", 16)
    sigmas = {"steps": 3, "sigma_min": 0.2, "sigma_max": 5.0}
    monkeypatch.setattr(local_scores.length_asking, "SAMPLER", sigmas)


def spots(x, sigma, conditions):
    """Draws a white square on black at each place asked for, and looks at nothing else."""
    places, mask = conditions
    drawn = torch.full_like(x, -1.0)
    for k in range(mask.shape[1]):
        square = local_scores.around(places[:, k], 0) & mask[:, k, None, None, None]
        drawn = torch.where(square, torch.ones_like(x), drawn)
    return drawn


def found(finder, pictures):
    """A detector of white squares: one place at most, the middle of what is bright."""
    bright = (pictures.mean(1) > 0).float()
    at = (torch.arange(32) + 0.5) / 32
    mass = bright.sum((1, 2)).clamp(min=1)
    x, y = (bright * at).sum((1, 2)) / mass, (bright * at[:, None]).sum((1, 2)) / mass
    return torch.stack([x, y], -1)[:, None], bright.amax((1, 2))[:, None] > 0


def test_what_the_stored_runs_measured_is_what_stands_here(monkeypatch):
    """Not at toy size: levels, pictures and exchanges are those of the files."""
    monkeypatch.undo()
    stored = local_scores.results()
    assert local_scores.GAP == 1 / 10  # two radii: no object hits both
    assert (local_scores.HIGH, local_scores.LOW) == (3.0, 0.3)
    for name, seeds in stored.items():
        for result in seeds:
            assert result["levels"] == list(local_scores.LEVELS)
            counts = ("1", "3") if name.startswith("label_all") else ("1",)
            assert {k for k in result if k.startswith("exchange")} == {
                f"exchange.{count}" for count in counts
            }
            for count in counts:
                by_level = result[f"exchange.{count}"]
                assert set(by_level) == {f"{level:g}" for level in local_scores.EXCHANGES}
                assert len(by_level["0"]["first"]["hits"]) == local_scores.SAMPLES
            assert set(result["machine"]["explained"]) == set(local_scores.WINDOWS)


@pytest.mark.parametrize("part", ["listens", "changes.1", "changes.6"])
def test_stored_weights_are_measured_again_at_one_level(part, monkeypatch):
    monkeypatch.undo()  # as many pictures as are reported
    name, at = "label_all.vector", local_scores.LEVELS.index(1.0)
    stored = local_scores.results()[name][0]
    denoiser = length.load_denoiser(name)
    monkeypatch.setattr(local_scores, "LEVELS", (1.0,))
    found = local_scores.parts(denoiser, Setting("label_all"), None, 3000)[part]()
    for key, values in stored[part].items():
        if key == "amplitude":
            assert found[key] == pytest.approx(values, rel=1e-3)
        elif isinstance(values, dict):  # by size
            assert {size: v[0] for size, v in found[key].items()} == pytest.approx(
                {size: v[at] for size, v in values.items()}, rel=0.01, abs=1e-3
            ), key
        else:
            assert found[key][0] == pytest.approx(values[at], rel=0.01, abs=1e-4), key


def test_an_exchange_is_of_scenes_and_noise_of_its_seed(monkeypatch):
    heard = []
    monkeypatch.setattr(detector, "detect", found)
    monkeypatch.setattr(
        local_scores,
        "draw_exchanged",
        lambda _, noise, *asked: heard.append((noise, *asked)) or noise,
    )
    local_scores.exchange(None, None, Setting("label_all"), 2, 5)
    scenes = labelling.request_scenes(8, 2, train.stream(5, 2))
    both = [labelling.label_all(one) for one in (scenes, local_scores.apart(scenes, 5))]
    assert [level for *_, level in heard] == list(local_scores.EXCHANGES)
    for noise, *asked, _ in heard:
        assert torch.equal(noise, torch.randn(8, 3, 32, 32, generator=train.stream(5, 2, 2)))
        assert all(torch.equal(a[0], b[0]) for a, b in zip(asked, both, strict=True))


def test_a_run_is_asked_with_a_seed_of_its_own(folder, tmp_path, monkeypatch):
    seeds = []
    monkeypatch.setattr(detector, "load", lambda: None)
    monkeypatch.setattr(local_scores, "parts", lambda *asked: seeds.append(asked[-1]) or {})
    run = local_scores.Setting("label_one.vector", 2)
    local_scores.run(run, local_scores.Scale(), tmp_path / "out", weights=folder)
    assert seeds == [3002]


def test_old_and_new_requests_are_apart():
    scenes = labelling.request_scenes(12, 2, torch.Generator().manual_seed(1))
    others = local_scores.apart(scenes, 1)
    own, new = labelling.label_all(scenes)[0], labelling.label_all(others)[0]
    assert torch.cdist(own, new).min() > local_scores.GAP
    assert len(torch.unique(new.flatten(1), dim=0)) == len(others) == 12


def test_an_exchange_asks_for_the_first_above_and_for_the_second_below():
    heard = []

    def denoiser(x, sigma, conditions):
        heard.append((conditions, float(sigma)))
        return x

    noise = torch.zeros(1, 3, 4, 4)
    local_scores.draw_exchanged(denoiser, noise, "first", "second", 1.0)
    assert {c for c, s in heard if s > 1} == {"first"}
    assert {c for c, s in heard if s <= 1} == {"second"}


def test_a_painter_that_obeys_draws_the_second(monkeypatch):
    monkeypatch.setattr(detector, "detect", found)
    monkeypatch.setattr(local_scores, "render", lambda scenes, size: spots(
        torch.zeros(len(scenes), 3, 32, 32), 0.0, labelling.label_all(scenes)))  # fmt: skip
    by_level = local_scores.exchange(spots, None, Setting(), 1, 3)
    assert list(by_level) == ["0", "1", "100"]
    result = {"exchange.1": by_level}
    assert local_scores.skill(result, 0.0, "first") == 1
    assert local_scores.skill(result, 0.0, "second") <= 0
    for level in (1.0, 100.0):  # it hears only who asks last
        assert local_scores.skill(result, level, "second") == 1
        assert local_scores.skill(result, level, "first") <= 0


def test_what_changes_is_what_a_denoiser_depends_on():
    looks = local_scores.changes(spots, Setting(), 1, 4)
    assert set(looks) == {"says", "near", "far", "own", "others"}
    assert looks["near"] == looks["far"] == [0.0] * len(FEW)
    assert min(looks["own"]) > 0.3
    six = local_scores.changes(spots, Setting(), 6, 4)
    assert min(six["own"]) > 0.3

    def copies(x, sigma, conditions):
        return x

    looks = local_scores.changes(copies, Setting(), 1, 4)
    assert looks["far"] == looks["own"] == looks["others"] == [0.0] * len(FEW)
    assert min(looks["near"]) > 0.05

    def blurs(x, sigma, conditions):
        return x.mean((2, 3), keepdim=True).expand_as(x)

    looks = local_scores.changes(blurs, Setting(), 6, 4)
    assert all(f > n > 0 for f, n in zip(looks["far"], looks["near"], strict=True))


def test_what_is_kept_of_an_object():
    def copies(x, sigma, conditions):
        return x - sigma * noise

    noise = torch.randn(8, 3, 32, 32, generator=train.stream(5, 1, 8))
    heard = local_scores.listens(copies, Setting(), 5)
    for name in ("kept", "unasked", "elsewhere"):
        for size in ("small", "large"):
            assert np.allclose(heard[name][size], 1, atol=1e-4)
    assert heard["moved.fitting"] == heard["moved.unfitting"] == [0.0] * len(FEW)
    assert heard["amplitude"]["large"] > heard["amplitude"]["small"] > 0
    assert min(local_scores.listens(spots, Setting(), 5)["moved.unfitting"]) > 0.3


def test_the_machine_explains_itself_and_nothing_of_noise():
    kept = sample_scenes(16, 1, 3, train.stream(6, 20))
    known = labelling.label_one(kept, train.stream(6, 21))
    own = local_scores.PatchMachine(render(kept, 32), *known, 5, 2, same_position=True)

    def itself(x, sigma, conditions):
        return own.denoise(x, sigma, conditions).float()

    result = local_scores.machine(itself, Setting("label_one"), 6, samples=2)
    assert min(result["explained"]["5 x 5 cells"]) > 1 - 1e-4
    assert max(result["explained"]["5 x 5 pixels"]) < 1 - 1e-4
    assert result["error"]["network"] == pytest.approx(result["error"]["5 x 5 cells"], rel=1e-4)
    assert result["error"]["linear"][0] < result["error"]["linear"][-1]


@pytest.fixture
def folder(tmp_path):
    """A finished run, as far as its weights are concerned."""
    setting = Setting(seed=2)
    denoiser = edm.Preconditioned(randomised(length.network(setting, SCALE)).float(), 0.2)
    stem = tmp_path / "label_one.vector.seed2"
    text = json.dumps({"setting": asdict(setting), "scale": asdict(SCALE)})
    stem.with_name(stem.name + ".json").write_text(text)
    train.save_weights(stem.with_name(stem.name + ".safetensors"), denoiser, {"steps": 3})
    return tmp_path


def test_a_run_is_measured_once_and_taken_up_where_it_stopped(folder, tmp_path, monkeypatch):
    finder = networks.initialise(detector.Detector(), torch.Generator().manual_seed(0)).eval()
    monkeypatch.setattr(detector, "load", lambda: finder)
    monkeypatch.setattr(local_scores, "mean_picture", lambda: torch.zeros(3, 32, 32))
    out = tmp_path / "out"
    first = local_scores.run(
        local_scores.Setting("label_one.vector", 2), local_scores.Scale(), out, weights=folder
    )
    assert {"exchange.1", "changes.1", "changes.6", "listens", "machine"} <= set(first)
    monkeypatch.setattr(local_scores, "exchange", None)  # not asked again
    again = local_scores.run(
        local_scores.Setting("label_one.vector", 2), local_scores.Scale(), out, weights=folder
    )
    assert again == first
    (name, (result,)), = local_scores.results(out).items()  # fmt: skip
    assert (name, result["setting"]["seed"]) == ("label_one.vector", 2)


def test_a_run_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        local_scores.run(local_scores.Setting(), local_scores.Scale(), tmp_path, weights=tmp_path)


def test_every_row_has_its_samples():
    rows = [r.id for r in ledger.ROWS if r.recorder == "experiments/local_scores"]
    assert set(local_scores.claims({})) == set(rows)
    hits = {"hits": [1, 1], "blind": [0, 0], "ceiling": [1, 1]}
    misses = hits | {"hits": [0, 0]}
    by_level = {"0": {"first": hits}, "3": {"second": hits}, "0.3": {"second": misses}}
    values = local_scores.claims({"label_one.vector": [{"exchange.1": by_level}]})
    assert values["local.high_noise"] == [1.0]
    assert values["local.competent"] == [1.0]


def test_too_few_requests_that_keep_clear_are_refused():
    scenes = labelling.request_scenes(64, 10, torch.Generator().manual_seed(1))
    with pytest.raises(ValueError, match="no 64 requests of 10 places keep clear"):
        local_scores.apart(scenes, 1)
