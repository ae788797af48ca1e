"""One program for all experiments, one training for all that is trained, and what they record."""

import json
from dataclasses import asdict, is_dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from lib import storage
from lib.book import claims, ledger
from lib.experiments import __main__ as program
from lib.experiments import _training
from lib.experiments._training import Seed, judge_training, train_watched
from lib.experiments.detector import Scale

NAMES = program.names()
RECORDERS = [name for name in NAMES if f"experiments/{name}" in {r.recorder for r in ledger.ROWS}]


def module(name):
    return pytest.importorskip(f"lib.experiments.{name}")


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_offers_what_the_program_asks_of_it(name, capsys):
    made = module(name)
    assert is_dataclass(made.Setting)
    assert is_dataclass(made.Scale)
    assert hash(made.Setting()) == hash(made.Setting())  # frozen
    with pytest.raises(SystemExit) as done:
        program.main([name, "run", "--help"])
    assert done.value.code == 0
    assert "--folder" in capsys.readouterr().out


def test_every_recorder_of_the_ledger_is_an_experiment():
    recorders = {r.recorder for r in ledger.ROWS if r.recorder.startswith("experiments/")}
    assert {f"experiments/{name}" for name in RECORDERS} == recorders
    assert all(hasattr(module(name), "claims") for name in RECORDERS)


def test_what_is_no_experiment_is_told_which_there_are(capsys):
    assert program.main(["nothing", "run"]) == 2
    assert program.main(["--help"]) == 0
    assert capsys.readouterr().out.count("NAME is one of classifier, coherence,") == 2


@pytest.mark.parametrize("name", RECORDERS)
def test_what_the_book_keeps_says_what_is_recorded(name):
    """Before and after: the committed claims, made again by the program's own functions."""
    made = module(name)
    samples = made.claims(made.results())
    stored = claims.committed()
    for id in (row.id for row in ledger.ROWS if row.recorder == f"experiments/{name}"):
        if (entry := stored.get(id)) is None:
            continue  # declared untested
        found = samples[id]
        if ledger_row(id).of == "ratio":
            kept = [[case[:2] for case in run for _ in range(case[2])] for run in entry["samples"]]
            assert [sorted(map(list, run)) for run in found] == kept, id
        else:
            found = np.asarray(found, float)
            found = found if ledger_row(id).of == "correlation" else found.reshape(-1)
            assert np.allclose(found, entry["samples"], rtol=1e-9, atol=1e-9), id


def test_where_nothing_was_run_what_the_book_keeps_is_reported(tmp_path, monkeypatch, capsys):
    """As on a clone: there is no folder `runs`."""
    made = module("coherence")
    monkeypatch.setattr(made, "RUNS", tmp_path / "runs/coherence")
    assert program.main(["coherence", "report"]) == 0
    assert json.loads(capsys.readouterr().out) == storage.read_json(made.KEPT / "coherence.json")
    storage.write_json(made.RUNS / "coherence.json", {"here": 1})
    assert program.main(["coherence", "report"]) == 0
    assert json.loads(capsys.readouterr().out) == {"here": 1}


def ledger_row(id):
    return next(row for row in ledger.ROWS if row.id == id)


class Brightness(nn.Module):
    """A number for a picture."""

    name = "brightness"

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def forward(self, pictures):
        return self.linear(pictures.mean((2, 3)))


def batch(size, generator):
    pictures = torch.rand(size, 3, 4, 4, generator=generator)
    return pictures, pictures.mean((1, 2, 3))[:, None]


def squared(found, truth):
    return (found - truth).square().mean()


SCALE = Scale(steps=8, batch=4, learning_rate=0.1)


def trained(folder, look, until=None, scale=SCALE):
    training = judge_training(Brightness(), batch, squared, Seed(3), scale, warmup=2)
    judge = {"judge": lambda network: {"weight": network.linear.weight.tolist()}}
    seen = {"seen": "looks", "due": (3, 8), "look": lambda: look(training)}
    return train_watched(folder / "run", Seed(3), scale, training, **seen, **judge, until=until)


def test_a_training_of_many_steps_ends(tmp_path):
    """Of so many that Python makes the number anew each time."""
    whole = trained(tmp_path, lambda training: training.step, scale=replace(SCALE, steps=300))
    assert whole["steps"] == 300
    assert "seconds" in whole


def test_a_training_is_watched_when_due_judged_as_stored_and_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(_training, "SAVE_EVERY", 2)
    whole = trained(tmp_path / "whole", lambda training: training.step)
    assert whole["looks"] == {"3": 3, "8": 8}
    assert list(whole["losses"]) == list("12345678")
    assert whole["losses"]["8"] < whole["losses"]["1"]
    assert sorted(p.name for p in (tmp_path / "whole").iterdir()) == ["run.json", "run.safetensors"]
    stored, header = storage.checkpoint.load(tmp_path / "whole/run.safetensors", "brightness")
    assert stored["linear.weight"].dtype == torch.bfloat16
    assert whole["weight"] == stored["linear.weight"].float().tolist()
    assert header["scale"] == whole["scale"] == asdict(SCALE)

    stopped = trained(tmp_path / "cut", lambda training: training.step, until=5)
    assert "seconds" not in stopped
    assert stopped["looks"] == {"3": 3}
    for step in (4, 5):  # as far, or further along already
        assert trained(tmp_path / "cut", None, until=step) == stopped

    def killed(training):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut", killed)
    ended = trained(tmp_path / "cut", lambda training: training.step)
    times = ("seconds", "cpu_seconds", "provenance")
    assert {k: v for k, v in ended.items() if k not in times} == {
        k: v for k, v in whole.items() if k not in times
    }
    assert trained(tmp_path / "cut", killed) == ended  # nothing is left to do
    with pytest.raises(ValueError, match=r"run\.json is of scale .* move it elsewhere first"):
        trained(tmp_path / "cut", killed, scale=replace(SCALE, batch=5))


def test_a_hundred_losses_are_kept_to_five_digits(tmp_path):
    result = trained(tmp_path, lambda training: 0, scale=replace(SCALE, steps=300))
    assert list(map(int, result["losses"])) == list(range(3, 301, 3))
    digits = {len(f"{loss!r}".partition(".")[2]) for loss in result["losses"].values()}
    assert max(digits) == 5


def test_a_judge_s_learning_rate_falls_as_half_a_cosine_and_nothing_is_averaged():
    settings = judge_training(Brightness(), batch, squared, Seed(3), SCALE, warmup=2).settings
    assert (settings.cosine, settings.average) == (True, 0)
    assert (settings.steps, settings.seed, settings.learning_rate) == (8, 3, 0.1)


def test_training_that_runs_out_of_time_is_kept_and_goes_on(tmp_path, monkeypatch, capsys):
    whole = trained(tmp_path / "whole", lambda training: training.step)
    clock = iter(range(0, 600, 60))  # a minute at every look
    monkeypatch.setattr(_training.time, "monotonic", lambda: next(clock))
    with (
        pytest.raises(_training.OutOfTimeError, match=r"run is kept at step 4 of 8; the same comm"),
        _training.at_most(3),
    ):
        trained(tmp_path / "cut", lambda training: training.step)
    monkeypatch.undo()
    with _training.at_most(60):
        ended = trained(tmp_path / "cut", lambda training: training.step)
    assert ended["weight"] == whole["weight"]
    assert ended["losses"] == whole["losses"]
    with pytest.raises(ValueError, match=r"must be above 0, not 0"), _training.at_most(0):
        pass

    def late(*_):
        raise _training.OutOfTimeError("run is kept")

    monkeypatch.setattr(program, "run", late)
    assert program.main(["detector", "run", "--minutes", "2.5"]) == 0
    assert "2.5 minutes are over: run is kept." in capsys.readouterr().out


def test_a_state_from_before_a_setting_was_there_is_taken_and_no_other(tmp_path):
    training = judge_training(Brightness(), batch, squared, Seed(3), SCALE)
    next(training.run())
    training.save(tmp_path / "state")
    tensors, header = storage.checkpoint.load(tmp_path / "state")
    del header["settings"]["beta2"]
    storage.checkpoint.save(tmp_path / "old", tensors, header)
    again = judge_training(Brightness(), batch, squared, Seed(3), SCALE)
    again.restore(tmp_path / "old")
    assert again.step == 1
    other = judge_training(Brightness(), batch, squared, Seed(3), SCALE, beta2=0.5)
    with pytest.raises(ValueError, match="beta2"):
        other.restore(tmp_path / "old")


def test_numbers_are_stored_with_the_digits_that_count(tmp_path):
    data = {"a": {"error": [0.123456, 2]}, "b": [[1.23456, 2.0], [3.0, 4.0]], "n": 0.123456}
    storage.write_numbers(tmp_path / "x.json", data, {"error": 4})
    text = (tmp_path / "x.json").read_text()
    assert json.loads(text) == data | {"a": {"error": [0.1235, 2]}}
    assert "[0.1235,2]" in text
