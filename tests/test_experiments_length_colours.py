"""Whether objects of one picture share their colour: by real pictures of which it is known."""

import copy

import numpy as np
import pytest
import torch

from lib.book import ledger
from lib.diffusion import train
from lib.experiments import length_colours, length_generalization, length_words
from lib.experiments._worlds import CLEVR, WORLDS
from lib.scenes import detector


@pytest.fixture(scope="module")
def reader():
    return CLEVR.find, length_colours.make_rule(CLEVR.find, detector.SIZE)


@pytest.mark.parametrize(("data", "low", "high"), [("one_colour", 0.8, 1), ("plain", 0, 0.3)])
def test_real_pictures_are_read_for_what_they_are(reader, data, low, high):
    world = length_generalization.world_of(length_generalization.Setting(data=data))
    scenes = world.sample(48, 3, 3, train.stream(1, 3), clear=True)
    pairs = length_colours.agreement(
        length_colours.find_pairs(*reader, world.render(scenes, detector.SIZE))
    )
    assert sum(every for _, every in pairs) > 80
    assert low <= np.mean(length_colours.shares(pairs)) <= high
    assert data in WORLDS


def test_pairs_are_counted_once(reader, monkeypatch):
    seen = torch.tensor([[1, 1, 2, 1], [3, 3, 0, 0]])
    there = torch.tensor([[True, True, True, False], [True, False, False, False]])
    places = torch.tensor([[0.1, 0.2], [0.1, 0.5], [0.5, 0.5], [0, 0]]).expand(2, 4, 2)
    monkeypatch.setattr(detector, "detect", lambda finder, x: (places, there))
    monkeypatch.setattr(length_colours.colours, "read", lambda rule, x: seen)
    found = length_colours.find_pairs(*reader, torch.zeros(2, 3, 8, 8))
    pairs = length_colours.agreement(found)
    assert pairs == [[1, 3], [0, 0]]
    apart = length_colours.measure_distances(found)
    assert apart["same"] == pytest.approx([0.3])
    assert apart["other"] == pytest.approx([0.5, 0.4])
    assert length_colours.shares(pairs) == [1 / 3]
    with pytest.raises(ValueError, match="no pair to agree"):
        length_colours.shares(pairs[1:])


def test_pictures_are_drawn_in_parts_each_from_a_noise_of_its_own(monkeypatch, tmp_path):
    heard = []

    def sample(batch, least, most, stream, clear):
        assert (least, most, clear) == (3, 3, True)
        heard.append((batch, stream.initial_seed()))
        return torch.arange(batch)

    def draw(scenes, stream):
        heard.append((len(scenes), stream.initial_seed()))
        return scenes

    world = length_generalization.World(sample, lambda scenes, size: -scenes, None, None)
    trained, setting = length_generalization.Setting(seed=5), length_colours.Setting("net", 5)
    whole = {"setting": {"seed": 5}, "scale": {}}
    loaded = whole, trained, None, world
    monkeypatch.setattr(length_generalization, "load_run", lambda *_: loaded)
    monkeypatch.setattr(length_generalization, "painter", lambda *_: draw)
    monkeypatch.setattr(detector, "load", lambda: None)
    monkeypatch.setattr(length_colours, "make_rule", lambda finder, size: None)
    monkeypatch.setattr(length_colours, "find_pairs", lambda finder, rule, x: x)
    monkeypatch.setattr(length_colours, "agreement", lambda pairs: pairs[:, None].tolist())
    monkeypatch.setattr(length_colours, "measure_distances", len)
    found = length_colours.run(setting, length_colours.Scale((3,), 70), tmp_path)
    parts = [(70, 0), (32, 0), (32, 32), (6, 64)]
    assert heard == [(n, train.stream(5, 3, part).initial_seed()) for n, part in parts]
    assert found["counts"] == {"3": {"drawn": [[k] for k in range(70)],
                                     "real": [[-k] for k in range(70)]}}  # fmt: skip
    assert found["distances"] == {"3": 70}
    assert (tmp_path / "colours.net.seed5.json").exists()


def test_real_pictures_are_read_as_they_were():
    """The stored pairs of real pictures, made again: the same scenes, objects and rule."""
    stored = length_colours.results()["colours"][length_colours.SEES_ALL][0]
    assert set(stored) == set(map(str, length_colours.Scale().counts))
    assert len(stored["3"]["real"]) == length_colours.Scale().samples
    world = WORLDS["one_colour"]("", 32)
    scenes = world.sample(96, 3, 3, train.stream(0, 3), clear=True)
    rule = length_colours.make_rule(world.find, 32)
    found = length_colours.agreement(
        length_colours.find_pairs(world.find, rule, world.render(scenes, 32))
    )
    same = np.array(found) == stored["3"]["real"]
    assert same.mean() > 0.99  # but for what is on the edge of a rule


def run_of(seed, one, six):
    """A run whose skills at one and at six are given."""
    exact = {"blind": [0], "ceiling": [1]}
    counts = {"1": exact | {"hits": [one]}, "6": exact | {"hits": [six]}}
    return {"setting": {"seed": seed}, "counts": counts}


def pairs_of(one, three):
    """One picture each, of four pairs: how many share a colour."""
    real = [[4, 4], [0, 0], [1, 2]]
    return {
        "1": {"drawn": [[one, 4], [0, 0]], "real": [[0, 0]]},
        "3": {"drawn": [[three, 4]], "real": real},
    }


def test_what_the_rows_rest_on_is_paired_by_seed():
    all_, near = length_colours.SEES_ALL, length_colours.SEES_NEAR
    measured = {
        "runs": {all_: [run_of(0, 0.8, 0.4), run_of(2, 1, 0.6)], near: [run_of(2, 0.5, 0.4)]},
        "colours": {
            all_: {2: pairs_of(3, 2), 0: pairs_of(2, 4)},
            near: {0: pairs_of(1, 1), 5: pairs_of(4, 4), 2: pairs_of(1, 2)},
        },
        "local": {all_: {1: {"3": {"pixel": [0, 0, 0, 0.4, 0]}}}},
    }
    found = length_colours.claims(measured)
    assert found["length.far.one.all"] == [0.8, 1]
    assert found["length.far.one.near"] == [0.5]
    assert found["length.far.kept"] == pytest.approx([0.8 - 0.6])
    assert found["length.far.one_colour"] == [0.4]
    assert found["length.far.agree.real"] == [1, 0.5] * 2
    assert found["length.far.agree.all"] == [1, 0.5]
    assert found["length.far.agree"] == [-0.75, 0]
    assert found["length.far.agree.one"] == [-0.25, -0.5]
    rows = {row.id for row in ledger.ROWS if row.recorder == "experiments/length_colours"}
    assert set(found) == rows


def test_nothing_run_stands_behind_nothing(tmp_path):
    assert not any(length_colours.claims(length_colours.results(tmp_path)).values())


def test_pairs_are_counted_by_how_far_apart_they_stand():
    apart = {"same": [0.12, 0.3, 0.49], "other": [0.13, 0.14, 0.16, 0.05]}
    share = length_colours.by_distance(apart, (0.1, 0.15, 0.2, 0.25, 0.5))
    assert share[:2] == pytest.approx([1 / 3, 0])
    assert np.isnan(share[2])
    assert share[3] == 1


def stored():
    runs = length_generalization.finished_runs(length_generalization.KEPT)
    return length_colours.results(), runs


def spoiled(how):
    """The book's measurements, changed so that some sentences are not true any more."""
    measured, plain = map(copy.deepcopy, stored())
    everyone = [s for seeds in measured["colours"].values() for s in seeds.values()]
    if how == "plain":  # as if colours were shared after plain scenes too
        everyone = [measured["colours"][name][0] for name in length_colours.PLAIN.values()]
        how = "shared"
    if how in ("mixed", "shared"):
        for counts in everyone:
            for kinds in counts.values():
                for pairs in kinds.values():
                    pairs[:] = [[every if how == "shared" else 0, every] for _, every in pairs]
    elif how in ("same", "other"):  # all pairs of one kind, at every distance
        for seeds in measured["distances"].values():
            for counts in seeds.values():
                for apart in counts.values():
                    apart[how] = apart["same"] + apart["other"]
                    apart["other" if how == "same" else "same"] = []
    elif how == "blind":  # who sees all hardly looks
        for counts in measured["local"][length_colours.SEES_ALL].values():
            counts["3"]["pixel"] = [0.1] * 5
    else:  # who sees near draws nothing at six
        for run in measured["runs"][length_colours.SEES_NEAR]:
            run["counts"]["6"]["hits"] = run["counts"]["6"]["blind"]
    return measured, plain


def test_the_sentences_hold_and_each_can_fail():
    assert length_words.untrue(length_colours.statements(*stored())) == []
    broken = set()
    for how in ("mixed", "shared", "plain", "same", "other", "blind", "empty"):
        found = length_words.untrue(length_colours.statements(*spoiled(how)))
        broken |= {line.split(": ")[0] for line in found}
    assert broken == set(length_colours.statements(*stored()))
