"""The concept-learning experiment at toy size: runs, resumes, stores, and says what it should."""

import copy
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from lib.book import runtime
from lib.concepts import circles, classifier, words
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


@pytest.mark.parametrize(
    ("told", "loss", "name"),
    [
        ("numbers", 4.2008519, "unet.continuous.size32.grid8.width8.embedding16.level0.1"),
        ("words", 3.8024605, "unet.continuous.size32.grid8.width8.embedding16.level0.1.words"),
    ],
)
def test_a_step_is_what_it_was_before_pathways_were_given(told, loss, name):
    """A reader was put in the place of another pathway: weights, data and names are as then."""
    training = experiment.prepared(Setting(told=told), Scale(width=8, batch=4, steps=3))
    numbers = torch.Generator().manual_seed(1)
    for p in training.denoiser.parameters():  # a new network is deaf: its last layer is zero
        p.data += 0.05 * torch.randn(p.shape, generator=numbers)
    assert training.denoiser.network.name == name
    assert next(training.run())["loss"] == pytest.approx(loss, rel=1e-5)
    parts = {key.split(".")[3] for key in training.denoiser.state_dict() if ".condition." in key}
    assert parts == ({"words", "order", "layers", "leave"} if told == "words" else {"layers"})


def test_a_scale_at_which_nothing_is_seen_is_refused():
    for name in ("steps", "evaluations", "others"):
        with pytest.raises(ValueError, match=f"{name} must be above 0, not 0"):
            Scale(**{name: 0})


def test_a_run_s_end_is_its_last_fifth():
    assert np.arange(23)[experiment.end_of(range(23))].tolist() == [19, 20, 21, 22]
    assert np.arange(3)[experiment.end_of(range(3), 2)].tolist() == [1, 2]
    assert np.arange(3)[experiment.end_of(range(3))].tolist() == [2]


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
    network, asked = training.denoiser.network, torch.zeros(2, 4)
    data, level = experiment.SIGMA_DATA, experiment.LEVEL
    for sigma, off in ((5.0, 1e-3), (0.1, None), (0.05, None)):
        total = (sigma**2 + data**2) ** 0.5
        inner = network.inner(x / total, torch.full((2,), float(np.log(sigma) / 4)), asked)
        predicted = sigma * data / total * inner
        found = training.denoiser(x, sigma, asked)
        # Of the input, what a plain network keeps, less what is not carried through above.
        kept = (data / total) ** 2 * (1 - sigma**2 / (sigma**2 + level**2))
        assert (found - kept * x - predicted).norm() < 1e-5 * x.norm()
        assert off is None or (found - predicted).norm() < off * x.norm()


@pytest.mark.parametrize("told", ["numbers", "words"])
def test_a_composition_is_asked_for_with_noise_of_the_seed_and_its_own(told, monkeypatch):
    heard = []
    monkeypatch.setattr(experiment.edm, "sample", lambda _, *a, **k: heard.append(a) or a[0])
    setting = Setting(0.5, 3, told=told, scale=1.0 if told == "words" else 2.0)
    drawn = experiment.draw_composition(None, setting, "red small", 3)
    ((noise, asked),) = heard
    stream = train.stream(1003, 2)  # the third composition
    assert torch.equal(noise, torch.randn(3, 3, 32, 32, generator=stream))
    assert torch.equal(drawn, noise)
    place = torch.tensor([[0.0, 1.0]]).expand(3, 2)
    means = 2 * setting.world.means(place)
    expected = words.sentences(place, stream) if told == "words" else means
    assert torch.equal(asked, expected)


def test_a_batch_tells_what_the_discs_are_times_the_scale():
    plain, doubled = (
        experiment.prepared(Setting(0.5, 3, scale=scale), Scale(batch=4)).batch(train.stream(3, 0))
        for scale in (1.0, 2.0)
    )
    assert torch.equal(plain[0], doubled[0])
    assert torch.equal(2 * plain[1], doubled[1])
    assert torch.equal(plain[1], Setting(0.5).world.batch(4, train.stream(3, 0))[1])


class Seen:
    """A finder's reading in which so many of the pictures show a disc."""

    def __init__(self, count, properties):
        self.readable = torch.arange(len(properties)) < count
        self.properties = properties


def test_pictures_are_summed_up_where_two_show_a_disc(monkeypatch):
    """A mean of one picture has no spread; a place half-way between two classes is beyond none."""
    setting = Setting(0.5)
    places = torch.tensor([[1.0, 1.0], [0.5, 1.0], [1.0, 0.0], [0.0, 0.0]])
    monkeypatch.setattr(circles.Circles, "places", lambda world, properties: properties)
    found = {}
    for count in (1, 2, 3):
        monkeypatch.setattr(classifier, "read", lambda *_, count=count: Seen(count, places))
        found[count] = experiment.read_off(None, setting, torch.zeros(4, 3, 32, 32))
    assert found[1] == {"readable": 0.25} | dict.fromkeys(experiment.SUMMARY)
    assert found[2]["place"] == [0.75, 1.0]
    assert found[2]["spread"] == [0.3536, 0.0]
    assert found[2]["share"] == [0.5, 1.0]
    assert found[3]["share"] == [0.6667, 0.6667]
    assert found[3]["both"] == 0.3333


def test_a_run_is_told_evaluation_by_evaluation_in_the_order_of_its_steps():
    def look(k, colour):
        whole = {"readable": k, "place": [k, k], "spread": [k, k], "share": [k, k], "both": k}
        blind = {"readable": 0.0} | dict.fromkeys(experiment.SUMMARY)
        return {name: blind if name == colour else whole for name in COMPOSITIONS}

    evaluations = {str(k): {"averaged": look(k, "red small")} for k in (10, 9)}
    found = experiment.table({"evaluations": evaluations, "seconds": 1})
    assert (found["steps"], found["seconds"]) == ([9, 10], 1)
    assert set(found) == {"steps", "seconds", "averaged"}
    assert found["averaged"]["readable"] == [[9, 9, 0.0, 9], [10, 10, 0.0, 10]]
    assert found["averaged"]["both"] == [[9, 9, None, 9], [10, 10, None, 10]]
    assert found["averaged"]["place"][1] == [[10, 10], [10, 10], [None, None], [10, 10]]


def test_the_film_keeps_pictures_to_a_byte(tmp_path):
    picture = torch.tensor([-1.0, -2.0, 0.0, 0.5, 1.0, 2.0]).view(1, 1, 1, 6)
    kept = experiment.FILM, 3, 4, 6
    experiment.run(Setting(), TINY, tmp_path, look=lambda *_: ({}, picture.expand(kept)))
    film, _ = experiment.checkpoint.load(tmp_path / "signal0.4.seed0.film.safetensors")
    assert set(film) == {"1", "4"}
    assert film["4"].shape == kept
    assert film["4"][0, 0, 0].tolist() == [0, 0, 128, 191, 255, 255]


def test_the_stored_network_draws_the_stored_film(monkeypatch):
    """To the digits of its weights: with other noise levels or another noise it does not."""
    monkeypatch.undo()  # all steps of sampling
    film = experiment.film(0.4)
    assert film.shape == (Scale().evaluations, experiment.FILM, 32, 32, 3)
    denoiser = experiment.load_denoiser(0.4)
    drawn = experiment.draw_composition(denoiser, Setting(0.4), "blue small", len(film[-1]))
    stored = torch.from_numpy(film[-1]).permute(0, 3, 1, 2) * 2 - 1
    assert (drawn.clamp(-1, 1) - stored).norm() < 0.006 * stored.norm()


def test_the_reported_runs_are_of_the_usual_setting_and_network():
    stored = experiment.tables()
    assert set(experiment.BASE) <= set(stored)
    for name, runs in stored.items():
        for run_ in runs:
            setting = Setting(**run_["setting"])
            assert run_["scale"] == asdict(Scale())
            if name in experiment.BASE:
                assert setting == Setting(setting.signal, setting.seed)
    made = experiment.prepared(setting, Scale())
    assert made.name == run_["network"]
    assert sum(p.numel() for p in made.denoiser.parameters()) == run_["parameters"]


def test_the_seeds_that_count_have_a_run_at_each_signal():
    def runs(*seeds):
        return [{"setting": {"seed": seed}} for seed in seeds]

    stored = {name: runs(4, 1) for name in experiment.BASE}
    stored[experiment.BASE[-1]] = runs(1)
    stored["signal0.4.jitter-2"] = runs(7)
    assert experiment.by_seed(stored) == {1: [{"setting": {"seed": 1}}] * len(experiment.BASE)}


def test_a_rise_must_exceed_noise_and_every_control():
    """By a hundredth, three times the jitter and twice the worst control, each alone."""
    for numbers in ((0.01, 0, 0), (0.75, 0.25, 0), (0.5, 0, 0.25)):
        assert not experiment.turns(*numbers)
        assert experiment.turns(numbers[0] + 0.001, *numbers[1:])


def test_what_is_shown_off_its_place_in_the_end_is_not_competent():
    """A gate of .05 on the squared error; and more than half of the pictures show something."""
    run_ = imagined(0.8, 0, 1e-4)
    assert experiment.measure_run(run_)["competent"]
    for name, off, competent in (("place", 0.22, True), ("place", 0.23, False),
                                 ("readable", 0.51, True), ("readable", 0.5, False)):  # fmt: skip
        changed = copy.deepcopy(run_)
        for row in changed["averaged"][name][-4:]:
            row[1] = [1 + off, 0.0] if name == "place" else off
        assert experiment.measure_run(changed)["competent"] == competent, (name, off)


def test_the_interaction_s_part_is_what_no_sum_of_concepts_does():
    change = np.array([[0.1, 0], [0.3, 0], [0.2, 0], [0.9, 0]])
    part = experiment._share_of_interaction(change)
    assert part == pytest.approx((0.9 - (0.1 + 0.2 + 0.1)) / 0.9)
    change[3, 0] = 0
    assert experiment._share_of_interaction(change) is None


def test_the_order_is_that_of_arrival_and_none_where_neither_arrives():
    weak, strong = (experiment.measure_run(imagined(x, 0, 1e-4)) for x in (0.2, 0.8))
    assert (weak["order"], weak["order_learnt"]) == (-1, -1)
    assert (strong["order"], strong["order_learnt"]) == (1, 1)
    lost = imagined(0.8, 0, 1e-4)
    for row in lost["averaged"]["place"]:
        row[3] = [0.5, 0.5]
    lost = experiment.measure_run(lost)
    assert (lost["order"], lost["order_learnt"]) == (0, 0)


def test_a_path_counts_from_where_pictures_show_something():
    run_ = imagined(0.4, 0)
    steps, places = experiment.path(run_)
    assert steps[0] == run_["steps"][2]
    assert places.shape == (18, 4, 2)
    run_["averaged"]["readable"][1] = [1, 1, 1, experiment.SHOWN]  # just enough
    assert experiment.path(run_)[0][0] == run_["steps"][1]
    assert experiment.SHOWN == 0.25
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
    steps, places = experiment.way(run_)
    _, speeds = experiment.trajectory.speed(places[:, -1], steps)
    left = len(speeds) - int(np.argmax(speeds))
    monkeypatch.setattr(experiment.trajectory, "FITTED", left)
    assert experiment.measure_run(run_) == whole
    monkeypatch.setattr(experiment.trajectory, "FITTED", left + 1)
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
        ({"learning_rate": 0}, "learning_rate > 0"),
        ({"average": 1}, "decay must lie in"),
        ({"average": -0.1}, "decay must lie in"),
        ({"told": "letters"}, "told is numbers, or words .* not 'letters'"),
        ({"told": "words", "scale": 2}, "not 'words' with scale 2"),
        ({"counted": "cells"}, "counted alike are pixels or discs, not 'cells'"),
    ],
)
def test_unknown_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Setting(**settings)


def test_settings_at_the_ends_of_their_ranges_are_taken():
    assert Setting(signal=1, seed=0, average=0).average == 0
    assert Setting(told="words").name == "signal0.4.told-words.seed0"
