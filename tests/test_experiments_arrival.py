"""The long runs at toy size: what they keep, and what the rules say of runs that are made up."""

import numpy as np
import pytest

from lib.concepts import circles, classifier, trajectory
from lib.concepts.circles import COMPOSITIONS
from lib.diffusion import edm
from lib.experiments import concept_arrival as experiment
from lib.experiments import concept_learning as learning
from lib.experiments.concept_learning import Scale, Setting

TINY = Scale(width=4, steps=9, batch=2, evaluations=6, held_out=16, others=3)
CORNERS = np.array(list(COMPOSITIONS.values()))


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(learning, "SAMPLER", learning.SAMPLER | {"steps": 2})
    monkeypatch.setattr(experiment, "SAMPLER", experiment.SAMPLER | {"steps": 2})


def imagined(colour, setting: Setting | None = None, control: float = 0.0) -> dict:
    """A run of which the held-out colour is given, size arrives, and all else is at its place.

    Args:
        colour: (T,) at the held-out composition.
        setting: Whose.
        control: How far colour of (blue, big) goes back in the middle of the run.
    """
    setting = setting or Setting(0.5, 5)
    count = len(colour)
    seen = np.repeat(CORNERS[None] + 0.01, count, 0)
    seen[:, 3, 0] = colour
    seen[:, 3, 1] = np.linspace(0.5, 1, count)
    seen[count // 2, 1, 0] -= control
    # `all_towards` is its own inverse: back to where they lie in the world
    place = circles.all_towards(seen, setting.held_out)
    look = {"place": place.tolist(), "readable": np.ones((count, 4)).tolist()}
    steps = np.linspace(5, 100, count) ** 2
    return {"setting": setting.__dict__, "steps": steps.astype(int).tolist(), "averaged": look}


THERE_AND_BACK = np.interp(np.arange(30), (0, 6, 12, 29), (0.2, 0.9, 0.4, 1.0))
FOR_GOOD = np.interp(np.arange(30), (0, 6, 12, 29), (0.2, 0.9, 0.4, 0.5))
STRAIGHT = np.interp(np.arange(30), (0, 29), (0.2, 1.0))


def test_a_run_arrives_by_the_rule_alone():
    for colour, turns, arrives in (
        (THERE_AND_BACK, True, True),
        (FOR_GOOD, True, False),
        (STRAIGHT, False, False),
    ):
        found = learning.measure_run(imagined(colour))
        assert (found["turns"], found["arrives"]) == (turns, arrives)
        assert found["competent"]
        assert not any(learning.controls(imagined(colour)))
    back = learning.measure_run(imagined(THERE_AND_BACK))
    assert back["retreat"][0] == pytest.approx(-0.5)
    assert back["interaction"] == pytest.approx(1)
    assert back["learnt"][0] > back["passing"][0]
    assert learning.measure_run(imagined(FOR_GOOD))["learnt"][0] == np.inf


def test_each_part_of_arriving_is_needed():
    """It turns; its error had halved before; in the end it is less than ever, and all is learnt."""
    count, all_small = np.arange(30), np.ones(30)

    def found(colours, size):
        run_ = imagined(np.interp(count, (0, 6, 12, 29), colours))
        place = np.array(run_["averaged"]["place"])
        place[:, 3, 1] = size
        run_["averaged"]["place"] = place.tolist()
        return learning.measure_run(run_)

    assert found((0.2, 0.8, 0.4, 1.0), all_small)["arrives"]
    never_near = found((0.2, 0.35, 0.1, 1.0), all_small)
    assert never_near["turns"]
    assert not never_near["approaches"]
    assert not never_near["arrives"]
    not_as_near = found((0.2, 0.95, 0.4, 0.85), all_small)  # learnt, and yet farther than once
    assert not_as_near["approaches"]
    assert not not_as_near["arrives"]
    not_learnt = found((0.2, 0.5, 0.2, 0.74), 0.9 * all_small)  # nearer than ever, and too far
    assert not_learnt["late"] < not_learnt["minimum"] < 0.5
    assert not not_learnt["arrives"]


def test_a_control_that_turns_is_named_and_no_other():
    assert learning.controls(imagined(THERE_AND_BACK, control=0.5)) == [False, True, False]


def test_a_control_that_jumps_as_far_takes_the_swing_away():
    rise = learning.measure_run(imagined(THERE_AND_BACK))
    error = rise["peak"] - rise["minimum"]
    first = trajectory.error(np.array([[0.2, 0.5]]))[0]
    jump = np.sqrt(error * first / 1.5)  # less than twice as far below
    assert not learning.measure_run(imagined(THERE_AND_BACK, control=jump))["turns"]
    assert learning.measure_run(imagined(THERE_AND_BACK, control=jump / 2))["turns"]


@pytest.mark.parametrize("held_out", list(COMPOSITIONS))
def test_the_rules_are_the_same_from_every_corner(held_out):
    usual = learning.measure_run(imagined(THERE_AND_BACK))
    other = learning.measure_run(imagined(THERE_AND_BACK, Setting(0.5, 5, held_out=held_out)))
    assert usual.keys() == other.keys()
    for name in usual.keys() - {"decay"}:
        assert np.allclose(usual[name], other[name]), name
    assert other["decay"] == pytest.approx(usual["decay"])


def test_a_step_at_which_nothing_is_seen_has_no_place():
    whole, run_ = imagined(THERE_AND_BACK), imagined(THERE_AND_BACK)
    run_["averaged"]["place"][9][3] = [None, None]
    steps, places = learning.way(run_)
    assert run_["steps"][9] not in steps
    assert len(steps) == len(places) == len(learning.way(whole)[0]) - 1
    assert experiment.turning(run_) == experiment.turning(whole)
    assert learning.measure_run(run_)["rise"] == pytest.approx(learning.measure_run(whole)["rise"])


def test_what_is_shared_by_all_compositions_is_no_beginning():
    run_ = imagined(STRAIGHT)
    place = np.array(run_["averaged"]["place"])
    place[:4] = np.linspace(0.2, 0.6, 4)[:, None, None]  # one grey disc that shrinks
    run_["averaged"]["place"] = place.tolist()
    steps, _ = learning.way(run_)
    assert steps[0] == run_["steps"][4]
    run_["averaged"]["place"] = np.full_like(place, 0.5).tolist()
    with pytest.raises(ValueError, match="never tells its compositions apart"):
        learning.way(run_)


def scan(best: tuple[int, int], honest: float) -> list:
    """Errors of .5 everywhere, of 0 at one request, of `honest` at (1, 1)."""
    shape = [len(values) for values in experiment.ASKED.values()]
    places = np.full((*shape, 2, 2), 1 - np.sqrt(0.25))
    asked = (values.index(1.0) for values in experiment.ASKED.values())
    places[tuple(asked)] = 1 - np.sqrt(honest / 2)
    places[best] = 1
    return places.tolist()


def where_it_turns(run_: dict, *scans: list) -> dict:
    """The run with scans at its minimum, peak and end."""
    steps = map(str, experiment.turning(run_).values())
    readable = np.full((6, 5), 0.5)
    readable[experiment.HONEST], readable[3, 2] = 0.75, 0.25
    looks = [{"places": one, "readable": readable.tolist()} for one in scans]
    low, top, _ = experiment.turning(run_).values()
    places = [[[0.8, 0.9], [0.5, 1.0]], [[0.9, 0.8], [0.5, 1.0]]]
    pairs = {f"{low}-{top}": {"readable": [0.5, 0.5], "places": places}}
    return run_ | {"turned": dict(zip(steps, looks, strict=True)), "paired": pairs}


def gone(error: float) -> list:
    """A scan with one error everywhere."""
    return np.full_like(np.array(scan((3, 2), 0.4)), 1 - np.sqrt(error / 2)).tolist()


def test_a_scan_tells_lost_from_mis_addressed():
    run_ = imagined(THERE_AND_BACK)
    assert experiment.reach(scan((3, 2), 0.3)) == pytest.approx((0.3, 0))
    elsewhere = where_it_turns(run_, scan((1, 2), 0.1), scan((3, 2), 0.4), scan((3, 2), 0.2))
    errors = experiment.errors_at_turn(elsewhere)
    assert errors == pytest.approx(np.array([[0.1, 0], [0.4, 0], [0.2, 0]]))
    assert experiment.lost_or_reached(errors[None]) == pytest.approx((0, 0))
    shares = np.array([[0.75, 0.5], [0.75, 0.25], [0.75, 0.25]])
    assert experiment.readable_at_turn(elsewhere) == pytest.approx(shares)
    lost = experiment.errors_at_turn(where_it_turns(run_, gone(0.1), gone(0.4), gone(0.2)))
    assert experiment.lost_or_reached(lost[None]) == pytest.approx((1, 1))
    # Rises are summed before they are divided: .3 of .3 and 0 of .3.
    assert experiment.lost_or_reached(np.array([lost, errors])) == pytest.approx((0.5, 0.5))
    with pytest.raises(ValueError, match="need a rise to compare with"):
        experiment.lost_or_reached(lost[None, [1, 0, 2]])
    with pytest.raises(ValueError, match="show something at the honest request"):
        experiment.reach(np.full_like(np.array(gone(0.1)), np.nan))


def test_a_request_that_showed_nothing_in_one_half_is_not_the_best():
    places = np.zeros((6, 5, 2, 2))
    places[1, 3] = 0.5, 0.5
    places[4, 2, 1] = 1  # all right, in the half that shows something
    places[4, 2, 0] = np.nan
    assert experiment.reach(places)[1] == pytest.approx(0.5)


def test_the_best_request_is_read_off_other_pictures_than_chose_it():
    noise = np.random.default_rng(0).normal(0.5, 0.2, np.array(scan((3, 2), 0.3)).shape)
    _, best = experiment.reach(noise)
    assert best > 0.3  # 2 * .5^2 = .5 and its noise; the luckiest half alone would say less
    assert ((noise - 1) ** 2).sum(-1).min() < 0.15


def test_a_run_keeps_what_its_exchange_needs_and_resumes(tmp_path, monkeypatch, interrupted):
    monkeypatch.setattr(classifier, "READABLE", -1e9)
    monkeypatch.setattr(learning, "SHOWN", -1.0)
    monkeypatch.setattr(trajectory, "HEARD", -1e9)
    monkeypatch.setattr(experiment, "QUEUE", [(Setting(0.5, 5), 9)])
    monkeypatch.setattr(experiment, "SCALE", TINY)
    early = experiment.run(Setting(0.5, 5), TINY, tmp_path, until=4)
    assert "seconds" not in early
    assert experiment.finished_runs(tmp_path)["signal0.5.seed5"]["steps"] == [1, 2, 4]
    assert experiment.run(Setting(0.5, 5), TINY, tmp_path, until=4) == early
    with interrupted(learning, "looked_at", 1):
        experiment.run(Setting(0.5, 5), TINY, tmp_path, until=9)
    experiment.run(Setting(0.5, 5), TINY, tmp_path, until=9)
    (run_,) = experiment.finished_runs(tmp_path).values()
    assert run_["steps"] == learning.milestones(TINY)
    assert list(run_["scans"]) == [str(run_["steps"][experiment.SCAN_EVERY - 1])]
    assert run_["turned"].keys() >= {str(step) for step in experiment.turning(run_).values()}
    exchange = run_["exchange"]
    drawn_at = np.array(edm.noise_levels(**learning.SAMPLER)[:-1])
    assert len(exchange["minimum-peak"]) == len(exchange["levels"]) == len(drawn_at) + 1
    apart = np.array(exchange["levels"])
    assert (apart[:-1] > drawn_at).all()
    assert (apart[1:] < drawn_at).all()
    assert [apart[0], apart[-1]] == pytest.approx([2 * drawn_at[0], drawn_at[-1] / 2], abs=1e-4)
    assert apart[1:-1] ** 2 == pytest.approx(drawn_at[:-1] * drawn_at[1:], rel=1e-2)
    # One denoiser at all levels is that denoiser: what was read off at the peak.
    steps = experiment.turning(run_)
    at = run_["averaged"]["place"][run_["steps"].index(steps["peak"])][3]
    assert exchange["minimum-peak"][0] == pytest.approx(at, abs=0.05)
    assert experiment.store(tmp_path, tmp_path / "book") == ["signal0.5.seed5"]
    assert experiment.stored_runs(9, tmp_path / "book").keys() == {"signal0.5.seed5"}
    assert experiment.stored_runs(4, tmp_path / "book")["signal0.5.seed5"]["steps"] == [1, 2, 4]
    assert experiment.film("signal0.5.seed5", tmp_path / "book").shape == (5, 32, 32, 3)
    assert experiment.load_denoiser("end", tmp_path / "book").network.name.startswith("unet")
    with pytest.raises(FileNotFoundError, match=r"no film of signal0\.7"):
        experiment.film("signal0.7.seed5", tmp_path / "book")


def test_nothing_is_recorded_before_all_of_its_runs_are_there():
    runs = {s.name: imagined(THERE_AND_BACK, s) for s, _ in experiment.QUEUE}
    for name, run_ in runs.items():
        runs[name] = where_it_turns(run_, gone(0.1), scan((3, 2), 0.4), gone(0.2))
    samples = experiment.claims({3000: runs, 20000: runs})
    assert samples["concept.arrives"] == [1, 1, 1]
    assert samples["concept.lost"] == pytest.approx([-1 / 3] * 3)
    assert samples["concept.reached"] == pytest.approx([1] * 3)
    assert samples["concept.lost.shown"] == pytest.approx([0.25] * 3)
    assert samples["concept.paired"] == pytest.approx([-0.35] * 3)
    assert len(samples["concept.reached.shown"]) == 3
    assert samples["concept.reached.end"] == samples["concept.reached"]
    assert samples["concept.reached.end.shown"] == samples["concept.reached.shown"]
    assert samples["concept.arrives.competent"] == [1, 1, 1]
    assert samples["concept.corner"] == pytest.approx([-0.5] * 3)
    assert samples["concept.pixels"] == pytest.approx([1] * 3)
    assert max(samples["concept.pixels.competent"]) < learning.GATE
    assert samples["concept.text"] == [1, 1, 1]
    assert samples["concept.text.competent"] == [1, 1, 1]
    assert list(experiment.claims({3000: runs, 20000: {}})) == [
        n for n in samples if "arrives" not in n and "reached.end" not in n
    ]
    for settings in (experiment.MAIN, experiment.LONG, experiment.WORDS):
        del runs[settings[-1].name]
    rest = ["concept.pixels", "concept.pixels.competent", "concept.corner"]
    assert list(experiment.claims({3000: runs, 20000: runs})) == rest
    less = np.interp(np.arange(30), (0, 6, 12, 29), (0.2, 0.9, 0.6, 1.0))
    runs[experiment.DISCS[1].name] = imagined(less, experiment.DISCS[1])
    left = experiment.claims({3000: runs, 20000: runs})["concept.pixels"][1]
    assert left == pytest.approx(0.5)  # to .65, where the error is largest: size comes nearer
    del runs[experiment.PLAIN[0].name]
    assert list(experiment.claims({3000: runs, 20000: runs})) == ["concept.corner"]
