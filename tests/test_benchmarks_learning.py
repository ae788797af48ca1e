"""The learning benchmark: what an idea changes, where a run is taken up, and what is stored."""

from dataclasses import asdict, replace
from types import SimpleNamespace

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
            changed = dict(learning.IDEAS[idea])
            setting, scale = learning.planned(name, idea, 4800)
            assert scale.steps * scale.batch == 4800 * changed.pop("times", 1)
            now, then = asdict(setting) | asdict(scale), asdict(first[0]) | asdict(first[1])
            differ = {field for field in now if now[field] != then[field]}
            assert differ - {"steps"} == changed.keys()


@pytest.fixture
def judged(monkeypatch):
    """Skill is a tenth for every object that is asked for; the networks are small."""

    def counted(draw, world, count, samples, size, seed):
        return {"hits": [count], "blind": [0], "ceiling": [10]}

    plan = learning.planned

    def small(name, idea, pictures):
        setting, scale = plan(name, idea, pictures)
        return setting, replace(scale, parameters=170_000)

    monkeypatch.setattr(length, "judge_draws", counted)
    monkeypatch.setattr(learning, "planned", small)


def test_a_run_is_looked_at_along_the_way_and_not_trained_again(judged, tmp_path, monkeypatch):
    setting, scale = learning.planned(NAME, "as reported", 32 * 4)
    stem = learning.stem_of(tmp_path, NAME, "as reported")
    whole = learning.looked(setting, scale, stem, 2, 4)
    assert whole == {str(step): {"skill_1": 0.1, "skill_3": 0.3, "skill_6": 0.6} for step in (2, 4)}
    assert learning.finished(tmp_path, NAME, "as reported")["looks"] == whole
    monkeypatch.setattr(length, "judge_draws", None)  # nothing is looked at again
    assert learning.looked(setting, scale, stem, 2, 4) == whole
    with pytest.raises(ValueError, match="move it elsewhere"):
        learning.looked(setting, replace(scale, batch=7), stem, 2, 4)


def test_steps_are_timed_in_turns(monkeypatch):
    """With trainings of which only the steps count."""
    clock, taken = iter(range(1000)), []
    monkeypatch.setattr(learning.time, "process_time", lambda: next(clock))
    monkeypatch.setattr(
        length,
        "prepared",
        lambda setting, scale: SimpleNamespace(run=lambda: map(taken.append, range(scale.steps))),
    )
    plans = {idea: learning.planned(NAME, idea, 32) for idea in ("as reported", "AdamW")}
    assert learning.seconds_a_step(plans, 4, 3) == {"as reported": 0.25, "AdamW": 0.25}
    turn = [0, 1, 2, 3] * 2
    assert [step % 4 for step in taken] == turn * 4  # a round more, which warms up
    assert taken[-4:] == [12, 13, 14, 15]


def test_what_is_finished_and_timed_is_stored(judged, tmp_path):
    folder, kept = tmp_path / "runs", tmp_path / "learning.json"
    with pytest.raises(FileNotFoundError, match="finished and timed"):
        learning.store(folder, kept)
    places = ["--folder", str(folder), "--kept", str(kept)]
    ideas = ["as reported", "batches of 16"]
    learning.main(["--ideas", *ideas, "--pictures", "64", "--looks", "2", "--rounds", "1", *places])
    begun = learning.stem_of(folder, NAME, "AdamW")
    storage.write_json(begun.with_name(begun.name + ".json"), {"looks": {"1": {}}})
    seconds = folder / f"{NAME}.seconds.json"
    timed = storage.read_json(seconds)["seconds"]
    assert set(timed) == set(ideas)
    storage.write_json(seconds, {"seconds": timed | {"AdamW": 1.0}})
    learning.main(["--store", *places])
    found = storage.read_json(kept)["settings"][NAME]
    assert set(found) == {"as reported", "batches of 16"}
    assert found["batches of 16"]["batch"] == 16
    assert [look["step"] for look in found["batches of 16"]["looks"]] == [2, 4]
    assert found["as reported"]["seconds"] == round(timed["as reported"], 4)


def test_few_pictures_and_no_looks_are_refused(capsys):
    windows = ["--setting", "label_one.full_local", "--ideas", "places as a map"]
    for bad in (["--looks", "0"], ["--samples", "1"], ["--ideas", "magic"], windows):
        with pytest.raises(SystemExit):
            learning.main(bad)
    assert "can follow: as reported, AdamW" in capsys.readouterr().err
    assert Scale().batch == 32  # so 48,000 pictures are the 1,500 steps of the book's runs
    assert learning.planned(NAME, "as reported", 48_000)[1].steps == 1500
