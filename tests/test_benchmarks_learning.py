"""The learning benchmark: what an idea changes, where a run is taken up, and what is stored."""

from dataclasses import asdict, replace

import pytest

from benchmarks import learning
from lib import storage
from lib.experiments import length_generalization as length
from lib.experiments.length_generalization import Scale

NAME = "label_all.vector"


def test_an_idea_changes_one_thing_and_sees_as_many_pictures():
    for name in learning.SETTINGS:
        first = learning.planned(name, "as reported", 4800)
        assert first[0] == replace(learning.SETTINGS[name], seed=learning.SEED)
        assert replace(first[1], steps=1) == replace(length.reported(first[0]), steps=1)
        for idea in learning.ideas_of(name):
            changed = learning.IDEAS[idea]
            setting, scale = learning.planned(name, idea, 4800)
            assert scale.steps * scale.batch == 4800
            now, then = asdict(setting) | asdict(scale), asdict(first[0]) | asdict(first[1])
            differ = {field for field in now if now[field] != then[field]}
            assert differ - {"steps"} == changed.keys()


class Toy:
    """A training of which only the steps count."""

    def __init__(self, steps):
        self.step, self.steps, self.averaged = 0, steps, None

    def run(self):
        while self.step < self.steps:
            self.step += 1
            yield {}

    def save(self, path):
        path.write_text(str(self.step))

    def restore(self, path):
        self.step = int(path.read_text())


@pytest.fixture
def toys(monkeypatch):
    """The trainings that were begun; skill is a tenth for every object that is asked for."""
    made = []

    def prepared(setting, scale):
        made.append(Toy(scale.steps))
        return made[-1]

    def judged(draw, world, count, samples, size, seed):
        return {"hits": [count], "blind": [0], "ceiling": [10]}

    monkeypatch.setattr(length, "prepared", prepared)
    monkeypatch.setattr(length, "painter", lambda *a: None)
    monkeypatch.setattr(length, "judge_draws", judged)
    return made


def test_a_run_is_looked_at_along_the_way_and_taken_up_at_its_last_look(toys, tmp_path):
    setting, scale = learning.planned(NAME, "as reported", 32 * 10)
    path = tmp_path / "run.json"
    whole = learning.looked(setting, scale, path, 5, 4)
    assert [look["step"] for look in whole["looks"]] == [2, 4, 6, 8, 10]
    assert whole["looks"][0] == {"step": 2, "skill_1": 0.1, "skill_3": 0.3, "skill_6": 0.6}
    assert storage.read_json(path) == whole
    assert not list(tmp_path.glob("*.safetensors"))
    storage.write_json(path, whole | {"looks": whole["looks"][:3]})
    path.with_suffix(".state.safetensors").write_text("4")  # its look at 6 was noted, not its state
    assert learning.looked(setting, scale, path, 5, 4) == whole
    toys.clear()
    assert learning.looked(setting, scale, path, 5, 4) == whole
    assert toys[-1].step == 0  # nothing is trained again
    with pytest.raises(ValueError, match="move it elsewhere"):
        learning.looked(setting, replace(scale, batch=7), path, 5, 4)


def test_steps_are_timed_in_turns(toys, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(learning.time, "process_time", lambda: next(clock))
    plans = {idea: learning.planned(NAME, idea, 32) for idea in ("as reported", "AdamW")}
    assert learning.seconds_a_step(plans, 4, 3) == {"as reported": 0.25, "AdamW": 0.25}
    assert [toy.step for toy in toys] == [16, 16]  # a round more, which warms up


def test_what_is_finished_and_timed_is_stored(toys, tmp_path):
    folder, kept = tmp_path / "runs", tmp_path / "learning.json"
    with pytest.raises(FileNotFoundError, match="finished and timed"):
        learning.store(folder, kept)
    places = ["--folder", str(folder), "--kept", str(kept)]
    ideas = ["as reported", "batches of 16"]
    learning.main(["--ideas", *ideas, "--pictures", "320", "--looks", "2", *places])
    begun = learning.file_of(folder, NAME, "AdamW")
    plan = learning.planned(NAME, "AdamW", 320)
    storage.write_json(
        begun, {"setting": asdict(plan[0]), "scale": asdict(plan[1]), "looks": [{"step": 3}]}
    )
    seconds = folder / f"{NAME}.seconds.json"
    timed = storage.read_json(seconds)["seconds"]
    storage.write_json(seconds, {"seconds": timed | {"AdamW": 1.0}})
    learning.main(["--store", *places])
    found = storage.read_json(kept)["settings"][NAME]
    assert set(found) == {"as reported", "batches of 16"}
    assert found["batches of 16"]["batch"] == 16
    assert [look["step"] for look in found["batches of 16"]["looks"]] == [10, 20]
    assert found["as reported"]["seconds"] == round(timed["as reported"], 4)


def test_few_pictures_and_no_looks_are_refused(capsys):
    windows = ["--setting", "label_one.full_local", "--ideas", "places as a map"]
    for bad in (["--looks", "0"], ["--samples", "1"], ["--ideas", "magic"], windows):
        with pytest.raises(SystemExit):
            learning.main(bad)
    assert "can follow: as reported, AdamW" in capsys.readouterr().err
    assert Scale().batch == 32  # so 48,000 pictures are the 1,500 steps of the book's runs
    assert learning.planned(NAME, "as reported", 48_000)[1].steps == 1500
