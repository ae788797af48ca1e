"""What is kept at six, told from how far answers reach."""

import numpy as np
import pytest

from lib.experiments import length_generalization as length
from lib.experiments import length_line as line_
from lib.experiments import length_results
from lib.experiments.length_results import SEEN_BEFORE


def on_a_line(off=0.0, own=0.5):
    """Kinds that keep 1 less what is outside; those held out are `off` it."""
    of = {}
    for i, name in enumerate((*line_.KNOWN, *line_.HELD_OUT)):
        kept = 1 - i / 20 + off * (name in line_.HELD_OUT)
        of[name] = {"kept": kept, "removed": i / 20, "own": own + i % 2 / 10}
    return of


def test_a_line_is_found_and_missed_by_as_much_as_is_put_in():
    assert line_.line(on_a_line()) == pytest.approx((-1, 1))
    assert list(line_.errors(on_a_line(0.07)).values()) == pytest.approx([0.07] * 9)
    assert max(line_.errors(on_a_line(), "own").values()) > 0.3
    part = on_a_line()
    del part[line_.HELD_OUT[3]]
    assert line_.errors(part) == {}


def test_kinds_are_means_of_the_runs_and_half_the_rate_is_another_kind():
    def run(seed, six):
        scores = {"hits": [1.0], "blind": [0.0], "ceiling": [1.0]}
        counts = {"1": scores, "6": scores | {"hits": [six]}}
        return {"setting": {"seed": seed}, "counts": counts}

    def near(removed, own):
        shares = {what: [9, 9, removed, 9, 9] for what in ("removed", "moved", "pixel")}
        return {
            "1": {"removed": [8] * 5},
            "6": shares | {"own": [9, 9, own, 9, 9], "others": [9, 9, own, 9, 9]},
        }

    measured = {
        "results": {SEEN_BEFORE: [run(0, 0.25), run(1, 0.5)], "label_one.map": [run(0, 1)]},
        "near": {SEEN_BEFORE: {0: near(0.5, 0.1), 1: near(0.75, 0.2)}, "other": {0: near(1, 1)}},
        "slower": {SEEN_BEFORE: [run(0, 0.75)]},
        "slower_near": {SEEN_BEFORE: {0: near(0.25, 0.3)}},
    }
    del measured["near"][SEEN_BEFORE][1]["6"]["own"]
    half = SEEN_BEFORE + line_.HALF
    same = ("removed", "moved", "pixel")
    assert {name: pytest.approx(kind) for name, kind in line_.kinds(measured).items()} == {
        SEEN_BEFORE: {"kept": 0.375, "own": 0.1, "beside": 0.5} | dict.fromkeys(same, 0.625),
        half: {"kept": 0.75, "own": 0.3, "beside": 0.5} | dict.fromkeys(same, 0.25),
    }
    assert line_.kinds(measured, "1") == {
        SEEN_BEFORE: {"kept": 0.375, "removed": 8},
        half: {"kept": 0.75, "removed": 8},
    }
    assert line_.samples(measured) == {}


def test_errors_are_paired_by_kind(monkeypatch):
    of = on_a_line(0.05)
    monkeypatch.setattr(line_, "kinds", lambda measured: of)
    found = line_.samples({})
    assert found["local.line"] == pytest.approx([0.05] * 9)
    own = line_.errors(of, "own")
    assert found["local.line.own"] == pytest.approx([own[n] - 0.05 for n in line_.HELD_OUT])


def test_without_a_line_the_mean_of_those_known_is_said():
    of = on_a_line()
    mean = sum(of[name]["kept"] for name in line_.KNOWN) / 7
    expected = {name: abs(of[name]["kept"] - mean) for name in line_.HELD_OUT}
    assert line_.errors_of_the_mean(of) == pytest.approx(expected)


def test_a_step_says_the_mean_of_either_side():
    of = on_a_line()
    last = line_.HELD_OUT[-1]
    of[last]["removed"], of[line_.KNOWN[0]]["removed"] = 0.7, 0.65
    found = line_.errors_of_a_step(of)
    assert found[last] == pytest.approx(abs(1 - of[last]["kept"]))  # the one known beyond keeps 1
    near = sum(of[name]["kept"] for name in line_.KNOWN[1:]) / 6
    first = line_.HELD_OUT[0]
    assert found[first] == pytest.approx(abs(near - of[first]["kept"]))


def test_runs_are_taken_from_the_mean_of_their_kind():
    falls = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]])
    assert line_.about_their_means({"a": falls, "b": 5 + falls}) == pytest.approx(-1)
    rises = falls * [1, -1]
    assert line_.about_their_means({"a": falls, "b": rises}) == pytest.approx(0)
    found = line_.within(length.results())
    assert set(found) <= {*line_.KNOWN, *line_.HELD_OUT}
    run = length.finished_runs(length.KEPT)["label_one.product"][3]
    near = length.answers(kind="local")["label_one.product"][3]["6"]["removed"][2]
    assert found["label_one.product"][3] == pytest.approx([near, *length_results.retention([run])])
