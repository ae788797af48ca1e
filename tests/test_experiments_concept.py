"""The concept-learning experiment at toy size: runs, resumes, stores, and says what it should."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.book import runtime
from lib.concepts import circles, classifier
from lib.concepts.circles import COMPOSITIONS
from lib.diffusion import train
from lib.experiments import __main__ as program
from lib.experiments import concept_learning as experiment
from lib.experiments.concept_learning import Scale, Setting
from lib.sim import concept_paths

TINY = Scale(width=4, steps=4, batch=2, evaluations=2, held_out=4, others=3)
TRUE = concept_paths.Fit(0.2, 0.8, ((0.1, 0.07), (0.07, 0.1)))


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(experiment, "SAMPLER", experiment.SAMPLER | {"steps": 2})


def imagined(signal: float, seed: int, noise: float = 0.0, truth: concept_paths.Fit = TRUE) -> dict:
    """A stored run that follows the theory from (1/3, 1/3) on."""
    setting = Setting(signal=signal, seed=seed)
    steps = experiment.milestones(Scale())
    mu, sigma = [setting.world.mu], [setting.world.sigma]
    generator = np.random.default_rng(seed)
    ways = [concept_paths.path(truth, mu, sigma, steps, v)[0] for v in COMPOSITIONS.values()]
    place = np.stack(ways, 1) + noise * generator.normal(size=(len(steps), 4, 2))
    readable = np.ones((len(steps), 4))
    readable[:2] = 0.1
    look = {"place": place.tolist(), "readable": readable.tolist()}
    return {"setting": setting.__dict__, "steps": steps, "averaged": look, "raw": look}


@pytest.fixture(scope="module")
def seeds() -> dict[int, list[dict]]:
    return {s: [imagined(x, s, 1e-3) for x in experiment.SIGNALS] for s in (0, 1)}


def test_a_scale_at_which_nothing_is_seen_is_refused():
    for name in ("steps", "evaluations", "others"):
        with pytest.raises(ValueError, match=f"{name} must be above 0, not 0"):
            Scale(**{name: 0})


def test_a_run_s_end_is_its_last_fifth():
    assert np.arange(23)[experiment.end_of(range(23))].tolist() == [19, 20, 21, 22]
    assert np.arange(3)[experiment.end_of(range(3), 2)].tolist() == [1, 2]


def test_evaluations_are_even_in_the_square_root_of_the_step():
    steps = experiment.milestones(Scale())
    assert len(steps) == 20
    assert steps[-1] == 3000
    assert np.ptp(np.diff(np.sqrt(steps))) < 0.3
    assert steps[0] < 10


def test_a_run_looks_stores_and_resumes(tmp_path, interrupted):
    setting = Setting(signal=0.4, seed=3)
    whole = experiment.run(setting, TINY, tmp_path / "whole")
    assert sorted(p.name for p in (tmp_path / "whole").iterdir()) == [
        "signal0.4.seed3.film.safetensors",
        "signal0.4.seed3.json",
        "signal0.4.seed3.safetensors",
    ]
    assert list(whole["evaluations"]) == ["1", "4"]
    look = whole["evaluations"]["4"]["averaged"]
    assert list(look) == list(COMPOSITIONS)
    assert look["blue small"]["readable"] == 0
    assert look["blue small"]["place"] is None
    assert experiment.run(setting, TINY, tmp_path / "whole") == whole

    with interrupted(experiment, "looked_at", 4):
        experiment.run(setting, TINY, tmp_path / "cut")
    path = tmp_path / "cut" / "signal0.4.seed3.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"cpu_seconds": 1000.0}))
    resumed = experiment.run(setting, TINY, tmp_path / "cut")
    assert resumed["cpu_seconds"] >= 1000
    for name in ("evaluations", "losses", "parameters", "setting", "accuracy"):
        assert resumed[name] == whole[name]
    with pytest.raises(ValueError, match=r"is of scale .* move it elsewhere"):
        experiment.run(setting, replace(TINY, steps=7), tmp_path / "cut")


def test_no_stopwatch_chooses_a_reported_run_s_precision():
    assert experiment.prepared(Setting(), TINY).precision == "float32"


def test_counted_alike_discs_are_the_same_pictures_and_cost_what_big_ones_do():
    """Only what pixels count differs; where they count 1, so does the loss."""
    plain, alike = (
        experiment.prepared(Setting(0.5, 3, counted=what), Scale(batch=4)).batch
        for what in ("pixels", "discs")
    )
    pictures, told = plain(train.stream(3, 0))
    again, told_again, counts = alike(train.stream(3, 0))
    assert torch.equal(pictures, again)
    assert torch.equal(told, told_again)
    areas = np.pi * (16 * told[:, 3]) ** 2  # in pixels
    more = (counts - 1).flatten(1)
    more = more.gather(1, more.abs().argmax(1, keepdim=True))[:, 0]  # of a pixel inside the disc
    big = np.pi * (16 * circles.RADIUS[0]) ** 2
    assert torch.allclose(more * areas, big - areas, rtol=0.25, atol=10)  # but for blurred edges


def test_a_bad_classifier_stops_the_run(tmp_path, monkeypatch):
    bad = classifier.Finder()
    monkeypatch.setattr(classifier, "load", lambda: bad)
    with pytest.raises(ValueError, match="each must be at least"):
        experiment.run(Setting(), TINY, tmp_path)


def test_pictures_differ_by_the_denoiser_alone():
    setting = Setting(signal=0.4)
    training = experiment.prepared(setting, TINY)
    once, twice = (
        experiment.draw_composition(training.averaged, setting, "red big", 3) for _ in range(2)
    )
    assert torch.equal(once, twice)
    assert once.shape == (3, 3, 32, 32)
    with pytest.raises(ValueError, match="a composition is one of"):
        experiment.draw_composition(training.averaged, setting, "red huge", 3)


def test_the_network_predicts_the_picture_above_its_level():
    training = experiment.prepared(Setting(), TINY)
    x = torch.randn(2, 3, 32, 32, generator=runtime.generator(0))
    network, sigma = training.denoiser.network, 5.0
    asked = torch.zeros(2, 4)
    inner = network.inner(x / 25.016**0.5, torch.full((2,), np.log(sigma) / 4), asked)
    total = (sigma**2 + experiment.SIGMA_DATA**2) ** 0.5
    inner = network.inner(x / total, torch.full((2,), float(np.log(sigma) / 4)), asked)
    expected = sigma * experiment.SIGMA_DATA / total * inner
    found = training.denoiser(x, sigma, asked)
    assert (found - expected).norm() < 1e-3 * x.norm()


def test_a_path_counts_from_where_pictures_show_something():
    run_ = imagined(0.4, 0)
    steps, places = experiment.path(run_)
    assert steps[0] == run_["steps"][2]
    assert places.shape == (18, 4, 2)
    blind = imagined(0.4, 0)
    blind["averaged"]["readable"] = np.zeros((20, 4)).tolist()
    with pytest.raises(ValueError, match=r"no evaluation of .* show a disc"):
        experiment.path(blind)


def test_the_theorys_own_paths_are_foretold():
    slow = replace(TRUE, rate=0.05)  # so that the evaluations see each path rise
    runs = [imagined(x, 0, 1e-3, slow) for x in experiment.SIGNALS]
    fitted = experiment.fits(runs)
    told = experiment.foretold(runs, fitted)
    assert fitted[0].rate == pytest.approx(slow.rate, rel=0.01)
    assert told["errors"]["sim"] < 0.01
    assert told["errors"]["sum"] < 0.01  # it is linear
    assert min(told["errors"][n] for n in ("line", "exponentials")) > 10 * told["errors"]["sim"]
    assert len(told["by_signal"]["sim"]) == 8


def test_the_rows_of_the_ledger_say_what_the_runs_do(seeds):
    fits = dict.fromkeys(seeds, (TRUE, concept_paths.Fit(0.2, 0.8, None)))
    samples = experiment.claims({"seeds": seeds, "fits": fits})
    assert sorted(samples) == sorted(f"concept.{name}" for name in experiment.ROWS)
    found = {s: [experiment.measure_run(r) for r in runs] for s, runs in seeds.items()}
    orders = [f["order_learnt"] for f in found[0]]
    assert orders[0] == -1  # a weak colour comes last
    assert orders[-1] == 1
    assert samples["concept.order"] == [1, 1]  # nothing turns back in these
    ends = np.array([[r["averaged"]["place"][-1][-1] for r in runs] for runs in seeds.values()])
    learnt = (ends.min(-1) >= 0.75)[:, [0, 1, 2, 5, 6, 7]].mean(1)
    assert samples["concept.learnt"] == pytest.approx(learnt.tolist())
    assert max(samples["concept.prediction"]) < 0.2
    assert samples["concept.competent"] == [1, 1]
    assert all(0 <= share <= 1 for share in samples["concept.speed.power"])
    alone = concept_paths.Fit(0.2, 0.8, None)
    for s, bend in zip(seeds, samples["concept.bend"], strict=True):
        own = np.array([f["bend"] for f in found[s]])
        farther = own - experiment.bends_alone(seeds[s], alone)
        assert bend == pytest.approx(min(-farther[:3].mean(), farther[-3:].mean()))
    assert all(abs(i) < 0.2 for i in samples["concept.interaction"])  # it is linear


def test_an_exponential_is_found_where_noise_does_not_hide_it():
    """At a weak signal, where 3,000 steps are few: one that has ended leaves noise alone."""
    assert experiment.power_of_speed(imagined(0.2, 0, noise=1e-4)) > 0.8
    assert experiment.power_of_speed(imagined(0.2, 0, noise=0.02)) < 0.2
    assert experiment.power_of_speed(imagined(0.8, 0, noise=1e-4)) < 0.2


def test_a_way_that_is_fastest_at_its_end_has_no_decay_and_all_else(monkeypatch):
    (run_, *_) = experiment.tables()["signal0.4"]
    whole = experiment.measure_run(run_)
    assert whole["decay"]["rate"] > 0
    monkeypatch.setattr(experiment.trajectory, "FITTED", 1000)
    assert experiment.measure_run(run_) == whole | {"decay": None}


def test_a_network_that_draws_nothing_in_the_end_is_not_competent():
    (run_, *_) = experiment.tables()["signal0.5"]
    assert experiment.measure_run(run_)["competent"]
    lost, last = copy.deepcopy(run_), len(run_["steps"]) // experiment.LATE
    for k in range(-last, 0):
        lost["averaged"]["readable"][k][1] = 0.0
        lost["averaged"]["place"][k][1] = [None, None]
    assert not experiment.measure_run(lost)["competent"]
    held_out = copy.deepcopy(run_)
    for k in range(-last, 0):
        held_out["averaged"]["readable"][k][-1] = 0.0
    assert experiment.shown_at_end(held_out) == experiment.shown_at_end(run_)


def test_a_way_without_a_decay_is_not_told_better_by_an_exponential():
    falls = {"exponential_left": 0.1, "power_left": 0.2}
    assert experiment._share_exponential([falls, None]) == 0.5


def test_what_is_stored_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "BASE", ("signal0.4",))
    monkeypatch.setattr(experiment, "SIGNALS", (0.4,))
    fit = concept_paths.Fit(0.1, 1.0, ((0.1, 0.0), (0.0, 0.1)), 0.2)
    monkeypatch.setattr(experiment, "fits", lambda runs: (fit, replace(fit, w0=None)))
    monkeypatch.setattr(experiment, "Scale", lambda: TINY)
    for seed in (1, 0):
        experiment.run(Setting(seed=seed), TINY, tmp_path / "runs")
    experiment.store(tmp_path / "runs", tmp_path / "book")
    runs = experiment.tables(tmp_path / "book")["signal0.4"]
    assert [r["setting"]["seed"] for r in runs] == [0, 1]
    assert runs == json.loads(json.dumps(experiment.tables(tmp_path / "runs")["signal0.4"]))
    assert experiment.film(0.4, tmp_path / "book").shape == (2, experiment.FILM, 32, 32, 3)
    sim, alone = experiment.stored_fits(tmp_path / "book")[1]
    assert (sim.rate, sim.gain, np.array(sim.w0).tolist()) == (0.1, 1, [[0.1, 0], [0, 0.1]])
    assert alone.w0 is None
    assert experiment.load_denoiser(0.4, tmp_path / "book").network.name.startswith(
        "unet.continuous"
    )
    with pytest.raises(FileNotFoundError, match=r"no film of signal 0.7"):
        experiment.film(0.7, tmp_path / "book")
    with pytest.raises(FileNotFoundError, match="no finished run"):
        experiment.tables(tmp_path)


def test_the_film_is_what_was_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "BASE", ("signal0.4",))
    monkeypatch.setattr(experiment, "by_seed", lambda stored: {})
    experiment.run(Setting(), TINY, tmp_path / "runs")
    experiment.store(tmp_path / "runs", tmp_path / "book")
    stored, _ = experiment.checkpoint.load(tmp_path / "runs/signal0.4.seed0.film.safetensors")
    film = experiment.film(0.4, tmp_path / "book")
    for k, step in enumerate(("1", "4")):
        expected = stored[step].permute(0, 2, 3, 1).numpy() / 255
        assert np.abs(film[k] - expected).max() < 1e-6


def test_the_command_line_runs_a_setting(monkeypatch):
    made = []
    monkeypatch.setattr(experiment, "run", lambda *arguments: made.append(arguments))
    words = "--signal .4 --seed 2 --learning-rate 1e-3 --steps 9 --scale-held-out 7"
    program.main(["concept_learning", "run", *words.split()])
    ((setting, scale, _),) = made
    assert setting == Setting(0.4, 2, learning_rate=1e-3)
    assert setting.name == "signal0.4.learning_rate-0.001.seed2"
    assert scale == Scale(steps=9, held_out=7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"signal": 0}, r"signal must lie in \(0, 1\]"),
        ({"signal": 1.5}, r"signal must lie in \(0, 1\]"),
        ({"jitter": 3}, "jitter must lie in"),
        ({"seed": -1}, "need seed >= 0"),
        ({"scale": 0}, "scale > 0"),
        ({"average": 1}, "decay must lie in"),
        ({"counted": "cells"}, "counted alike are pixels or discs, not 'cells'"),
    ],
)
def test_unknown_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Setting(**settings)
