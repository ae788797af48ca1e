"""The same weights asked in other ways: on a tiny untrained network, which need not draw well."""

import itertools
import json
from dataclasses import asdict, replace
from functools import partial

import pytest
import torch

from lib.book import ledger
from lib.diffusion import asking, edm, hearing, networks, train
from lib.experiments import __main__ as program
from lib.experiments import length_asking
from lib.experiments import length_generalization as length
from lib.experiments.length_generalization import Scale, Setting
from lib.scenes import annotate, coherence, detector, labelling
from tests.test_diffusion_networks import randomised

SCALE = Scale(parameters=250_000, steps=3, batch=2)
FULL_ALL = Setting(pathway="window", pixels="full", conditions="all")
SIGMAS = {"steps": 2, "sigma_min": 0.2, "sigma_max": 5.0}
COUNTS = (2, 3)
RUN = length_asking.Setting("label_one.full_all", 3)
WAYS = {"all", "mean", "random", "nearest", "soft", "composed", "displaced", "paste", "paste-apart"}
WAYS |= {f"window-{k}" for k in (0, 1, 2, 4, 8)}
PAIRS = {f"{kind}-{other}" for kind in ("pair", "added") for other in ("near", "far")}
PAIRS |= {f"embedded-pair-{other}" for other in ("near", "far")}
WAYS |= PAIRS
GLUED = {"glued", "glued-near"}
WAYS |= {*GLUED, "nearest-window", "embedded", "embedded-window"}
LEVELS = ("0.1", "0.3", "1", "3", "10")
WAYS |= {f"nearest-{side}-{level}" for side in ("above", "below") for level in LEVELS}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def made(setting):
    network = randomised(length.network(setting, SCALE)).float()
    for name, parameter in network.named_parameters():
        if name.endswith("table"):
            parameter.data *= 20  # requests are to matter
    return edm.Preconditioned(network, 0.2).requires_grad_(False).eval()


@pytest.fixture(scope="module")
def windows():
    return made(FULL_ALL)


@pytest.fixture(scope="module")
def vector():
    return made(Setting())


@pytest.fixture
def toy(monkeypatch):
    finder = networks.initialise(detector.Detector(), generator()).eval()
    judge = networks.initialise(coherence.Judge(), generator()).eval()
    monkeypatch.setattr(detector, "load", lambda: finder)
    monkeypatch.setattr(coherence, "load", lambda: judge)
    monkeypatch.setattr(length_asking, "SAMPLES", 2)
    monkeypatch.setattr(length_asking, "SAMPLER", SIGMAS)
    return finder, judge


@pytest.fixture
def folder(windows, tmp_path):
    """A finished run, as far as its weights are concerned."""
    stem = tmp_path / "label_one.full_all.seed3"
    setting = Setting(**asdict(FULL_ALL) | {"seed": 3})
    text = json.dumps({"setting": asdict(setting), "scale": asdict(SCALE)})
    stem.with_name(stem.name + ".json").write_text(text)
    train.save_weights(stem.with_name(stem.name + ".safetensors"), windows, {"steps": 3})
    return tmp_path


def test_the_ways_are_those_of_the_ledger(windows, vector):
    assert set(length_asking.ways(windows, 0)) == WAYS
    assert set(length_asking.ways(vector, 0)) == WAYS | {"nearest-heard", "window-heard"}
    rows = [row.id for row in ledger.ROWS if row.id.startswith("length.asked.")]
    assert rows
    assert {id.removeprefix("length.asked.") for id in rows} <= WAYS


def test_cells_attend_alike_or_to_each_request_alone(monkeypatch):
    denoiser = made(Setting(pathway="attending"))
    pathway, x = denoiser.network.condition, torch.zeros(1, 3, 32, 32)
    conditions = labelling.request([(0.3, 0.6), (0.8, 0.2)], 1)
    usual = pathway.attention(conditions, x)
    alike, loud, apart = (
        length_asking.attending(denoiser, how) for how in ("alike", "loud", "apart")
    )
    found = alike.network.condition.attention(conditions, x)
    assert torch.allclose(found, usual.mean((2, 3), keepdim=True).expand(1, 2, 16, 16))
    found = loud.network.condition.attention(conditions, x)
    for j, (row, column) in enumerate([(9, 4), (3, 12)]):
        assert torch.allclose(found[0, j], usual[0, j, row, column])
    for j, place in enumerate([(0.3, 0.6), (0.8, 0.2)]):
        one = pathway.attention(labelling.request([place], 1), x)
        found = apart.network.condition.attention(conditions, x)[:, j : j + 1]
        assert torch.allclose(found, one)
        assert torch.linalg.norm(found - usual[:, j : j + 1]) > 1e-3
    assert torch.equal(pathway.attention(conditions, x), usual)  # a twin attends, not the network
    monkeypatch.setattr(length_asking, "SAMPLER", SIGMAS)
    draws, noise = length_asking.ways(denoiser, 0), torch.randn(1, 3, 32, 32)
    ways = {"all", *(f"attending-{how}" for how in ("alike", "loud", "apart"))}
    drawn = [draws[way](noise, conditions) for way in sorted(ways)]
    assert min(torch.linalg.norm(a - b) for a, b in itertools.combinations(drawn, 2)) > 1e-3
    assert set(draws) == WAYS | {"nearest-heard", "window-heard"} | ways


@pytest.fixture
def drawn_from(monkeypatch):
    """In place of sampling: each call's noise and conditions are kept; the noise is the picture."""
    calls = []

    def sampled(denoiser, noise, conditions):
        calls.append((noise, conditions))
        return noise.clamp(-1, 1)

    monkeypatch.setattr(length_asking, "sampled", sampled)
    return calls


def test_every_way_starts_from_the_same_noise(windows, toy, drawn_from):
    names = sorted(WAYS - GLUED)  # which begin with the paste
    found = length_asking.measure_ways(*toy, windows, 3, names, 7)
    assert list(found) == ["real", *names]
    noise = torch.randn(2, 3, 32, 32, generator=train.stream(7, 3, 2))
    for name, (start, _) in zip(names, drawn_from, strict=True):
        parts = start.view(-1, 2, 3, 32, 32)  # request by request
        assert len(parts) == (3 if name.startswith("paste") else 1)
        if name == "paste-apart":
            assert len({float(part[0, 0, 0, 0]) for part in parts}) == 3
            assert all((part - noise).norm() > 1 for part in parts)
        else:
            assert all(torch.equal(part, noise) for part in parts)
    # Drawn alike, all are scored alike: the requests and the real pictures are the same too.
    alike = [found[name] for name in names if name != "paste-apart"]
    assert all(scores == alike[0] for scores in alike)


def test_pictures_of_one_object_have_no_seams_and_are_scored(windows, toy, drawn_from):
    found = length_asking.measure_ways(*toy, windows, 1, ["all"], 7)
    assert "hits" in found["all"]
    assert "looks" in found["all"]
    assert not any("seams" in part for part in found.values())


@pytest.mark.parametrize("which", ["windows", "vector"])
def test_asked_for_one_all_ways_that_hear_it_everywhere_agree(which, request, monkeypatch):
    monkeypatch.setattr(length_asking, "SAMPLER", SIGMAS)
    denoiser = request.getfixturevalue(which)
    noise = torch.randn(2, 3, 32, 32, generator=generator(1))
    conditions = labelling.request([(0.3, 0.6)], 2)
    draws = length_asking.ways(denoiser, 0, 1)
    plain = draws["all"](noise, conditions)
    elsewhere = {
        "displaced",
        "paste-apart",
        "nearest-window",
        "embedded-window",
        *(f"window-{k}" for k in (0, 1, 2, 4, 8)),
    }
    for name in WAYS - elsewhere - PAIRS - GLUED:
        assert torch.linalg.norm(draws[name](noise, conditions) - plain) < 1e-3, name
    for name in PAIRS:
        with pytest.raises(ValueError, match="needs two in the picture"):
            draws[name](noise, conditions)
    for name in ("displaced", "paste-apart", "window-2", "nearest-window"):
        assert torch.linalg.norm(draws[name](noise, conditions) - plain) > 1e-2, name
    heard = "window-heard" if which == "vector" else "window-2"
    change = draws["embedded-window"](noise, conditions) - draws[heard](noise, conditions)
    assert torch.linalg.norm(change) < 1e-3


def test_each_way_of_several_is_what_its_name_says(windows, monkeypatch):
    monkeypatch.setattr(length_asking, "SAMPLER", SIGMAS)
    noise = torch.randn(2, 3, 32, 32, generator=generator(1))
    conditions = labelling.request([(0.3, 0.6), (0.8, 0.2), (0.6, 0.8)], 2)
    draws = length_asking.ways(windows, 0, 3)
    found = {name: draws[name](noise, conditions) for name in sorted(WAYS)}

    def same(name, other):
        return bool(torch.linalg.norm(found[name] - other) < 1e-3)

    def plain(function):
        return edm.sample(function, noise, conditions, **SIGMAS).clamp(-1, 1)

    def differences(hear):
        return plain(asking.by_place(windows, lambda c, sigma: hear(c, length.GRID)))

    # In this network the answers to single requests, put together, are the answer in one call.
    assert same("nearest", differences(hearing.nearest))
    assert same("composed", differences(hearing.everywhere))
    assert not same("mean", differences(hearing.mean))  # of embeddings, not of answers
    assert same("all", plain(windows))
    for name, far in (("near", False), ("far", True)):
        pair = partial(hearing.accompanied, far=far)
        assert same(f"added-{name}", differences(pair))
        twin = length_asking.adding_up(windows, partial(pair, grid=length.GRID))
        assert same(f"embedded-pair-{name}", plain(twin))
        weights = pair(conditions, length.GRID)
        assert same(f"pair-{name}", plain(lambda x, s, c, w=weights: windows(x, s, (*c, w))))
        assert not same(
            f"pair-{name}", found[f"added-{name}"]
        )  # a sum of rows is no sum of answers
    assert same("embedded-window", found["window-2"])  # no two places share a window here
    close = labelling.request([(0.3, 0.6), (0.35, 0.6)], 2)
    apart = draws["embedded-window"](noise, close) - draws["window-2"](noise, close)
    assert torch.linalg.norm(apart) > 1e-2
    own = hearing.nearest(conditions, length.GRID) * hearing.window(conditions, length.GRID, 2)
    assert same("nearest-window", plain(lambda x, s, c: windows(x, s, (*c, own))))
    one = hearing.one_at_random(conditions, 16, train.stream(0, 3, 3))
    elsewhere = asking.displaced(lambda c, sigma: hearing.window(c, 16, 2))
    heard = {"soft": asking.nearest(16, 0.1), "displaced": elsewhere, "random": lambda c, s: one}
    heard |= {f"window-{k}": lambda c, s, k=k: hearing.window(c, 16, k) for k in (0, 1, 2, 4, 8)}
    for name, hear in heard.items():
        assert same(name, plain(asking.with_hearing(windows, hear))), name
    # Noise from 5 down to .2, and the first level at which nothing is left to be asked otherwise.
    assert same("nearest-above-0.1", found["nearest"])
    assert same("nearest-below-10", found["nearest"])
    assert same("nearest-above-10", found["all"])
    assert same("nearest-below-0.1", found["all"])
    assert not same("nearest-above-1", found["nearest"])
    assert not same("nearest-above-1", found["nearest-below-1"])
    # The paste: each pixel is of the picture of its nearest request.
    alone = [draws["all"](noise, (conditions[0][:, [j]], conditions[1][:, [j]])) for j in range(3)]
    which = asking.enlarged(hearing.nearest(conditions, length.GRID), 32).argmax(1)
    pasted = torch.stack(alone, 1).gather(1, which[:, None, None].expand(-1, 1, 3, -1, -1))[:, 0]
    assert same("paste", pasted)
    # Of other noises, request by request.
    noises = torch.randn(2, 3, 3, 32, 32, generator=train.stream(0, 3, 4))
    alone = [draws["all"](noises[:, j], (conditions[0][:, [j]], conditions[1][:, [j]]))
             for j in range(3)]  # fmt: skip
    alone = torch.stack(alone, 1).gather(1, which[:, None, None].expand(-1, 1, 3, -1, -1))[:, 0]
    assert same("paste-apart", alone)
    # Glue: the paste noised, and denoised from there.
    again = torch.randn(noise.shape, generator=train.stream(0, 3, 5))
    silent = (conditions[0], torch.zeros_like(conditions[1]))
    near = asking.by_place(windows, asking.nearest(length.GRID))
    for name, how, level, asked in (
        ("glued", windows, 0.3, silent),
        ("glued-near", near, 1.0, conditions),
    ):
        steps = sum(sigma < level for sigma in edm.noise_levels(**SIGMAS))
        levels = {"steps": steps, "sigma_min": 0.2, "sigma_max": level}
        from_there = edm.sample(how, pasted / level + again, asked, **levels)
        assert same(name, from_there.clamp(-1, 1))
    apart = ("all", "mean", "random", "nearest", "soft", "composed", "paste", "paste-apart")
    apart += tuple(GLUED)
    for i, name in enumerate(apart):
        assert not any(same(name, found[other]) for other in apart[i + 1 :]), name
    # What is drawn at random is drawn the same again, and otherwise for another seed.
    again, other = (length_asking.ways(windows, seed, 3) for seed in (0, 1))
    for name in ("random", "paste-apart"):
        assert torch.equal(again[name](noise, conditions), found[name])
        assert not same(name, other[name](noise, conditions))


def test_a_paste_is_not_glued_below_all_levels(windows, monkeypatch):
    monkeypatch.setattr(length_asking, "SAMPLER", SIGMAS)
    conditions, blank = labelling.request([(0.3, 0.6)], 1), torch.zeros(1, 3, 32, 32)
    with pytest.raises(ValueError, match=r"need 0 < sigma_min < sigma_max, not 0\.2 and 0\.1"):
        length_asking.glued(windows, blank, blank, 0.1, conditions)


def test_what_is_asked_is_of_the_seed_and_looks_are_to_three_digits(windows, toy, drawn_from):
    finder, judge = toy
    found = length_asking.measure_ways(finder, judge, windows, 3, ["all"], 7)
    heard = drawn_from[0][1]
    asked, other = (labelling.request_scenes(2, 3, train.stream(7, 3, shard)) for shard in (0, 1))
    assert torch.equal(heard[0], labelling.label_all(asked)[0])
    pictures = length_asking.render(other, 32)
    looks = coherence.logits(judge, pictures).tolist()
    assert found["real"]["looks"] == [round(v, 3) for v in looks]
    owners = asking.enlarged(hearing.nearest(heard, 16), 32).argmax(1)
    seams = coherence.seams(pictures, owners).tolist()
    assert found["real"]["seams"] == [round(v, 4) for v in seams]


def test_a_run_is_asked_with_a_seed_of_its_own(folder, toy, monkeypatch):
    asked = []
    monkeypatch.setattr(length_asking, "measure_ways", lambda *a: asked.append(a[3:]) or {})
    length_asking.run(RUN, length_asking.Scale((2,), ("all",)), folder)
    assert asked == [(2, ["all"], 2003)]


def test_an_interrupted_run_goes_on_to_the_same_numbers(folder, toy, interrupted):
    names = ("all", "nearest", "random", "paste-apart")
    path = folder / "asked.label_one.full_all.seed3.json"
    whole = length_asking.run(RUN, length_asking.Scale(COUNTS, names), folder)
    assert json.loads(path.read_text()) == whole
    assert list(whole["counts"]) == ["2", "3"]
    for count, by_way in whole["counts"].items():
        assert set(by_way) == {"real", *names}
        assert all(len(scores["looks"]) == 2 for scores in by_way.values())
        assert all(by_way[name]["count"] == int(count) for name in names)
    assert (
        length_asking.run(RUN, length_asking.Scale(COUNTS, names), folder) == whole
    )  # nothing is left
    path.unlink()
    with interrupted(length_asking, "measure_ways", 2):
        length_asking.run(RUN, length_asking.Scale(COUNTS, names), folder)
    assert list(json.loads(path.read_text())["counts"]) == ["2"]
    resumed = length_asking.run(RUN, length_asking.Scale(COUNTS, names), folder)
    assert resumed["counts"] == whole["counts"]
    path.unlink()
    for name in ("random", "all"):  # one way after the other, one number after the other
        length_asking.run(RUN, length_asking.Scale(COUNTS[1:], (name,)), folder)
    again = length_asking.run(RUN, length_asking.Scale(COUNTS, names), folder)
    assert again["counts"] == whole["counts"]
    assert length.finished_runs(folder) == {}  # what was asked is no run


def test_what_cannot_be_asked_is_refused(folder, toy, windows):
    with pytest.raises(ValueError, match=r"there is no way 'shouting': choose among \['all', "):
        length_asking.run(RUN, length_asking.Scale(ways=("all", "shouting")), folder)
    with pytest.raises(FileNotFoundError, match=r"label_one\.full_all\.seed4\.json"):
        length_asking.run(replace(RUN, seed=4), length_asking.Scale(), folder)
    vector, path = length_asking.Setting("label_one.vector"), folder / "label_one.vector.seed0"
    text = json.dumps({"setting": asdict(Setting()), "scale": asdict(SCALE)})
    path.with_name(path.name + ".json").write_text(text)
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        length_asking.run(vector, length_asking.Scale(), folder)
    train.save_weights(path.with_name(path.name + ".safetensors"), windows, {"steps": 3})
    with pytest.raises(ValueError, match="is a checkpoint of the network 'window"):
        length_asking.run(vector, length_asking.Scale(), folder)
    assert not list(folder.glob("asked.*"))


def test_numbers_of_another_scale_are_not_added_to(folder, toy):
    path = folder / "asked.label_one.full_all.seed3.json"
    setting = asdict(FULL_ALL) | {"seed": 3}
    other = {"setting": setting, "scale": asdict(Scale()), "samples": 2, "counts": {}}
    path.write_text(json.dumps(other))
    with pytest.raises(ValueError, match=r"is of scale .* move it elsewhere"):
        length_asking.run(RUN, length_asking.Scale(ways=("all",)), folder)


def test_the_command_line_names_run_and_ways(monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(length_asking, "run", lambda *arguments: made.append(arguments))
    program.main(["length_asking", "run"])
    words = f"--name label_one.vector --seed 2 --ways all paste --counts 6 --folder {tmp_path}"
    program.main(["length_asking", "run", *words.split()])
    usual, named = made
    assert usual == (length_asking.Setting(), length_asking.Scale(), length.RUNS)
    assert set(length_asking.Scale().counts) == {3, 6, 10}
    asked = length_asking.Scale((6,), ("all", "paste"))
    assert named == (length_asking.Setting("label_one.vector", 2), asked, tmp_path)


def test_a_network_of_other_data_is_not_asked_about_these(folder, toy):
    path = folder / "label_one.full_all.seed3.json"
    result = json.loads(path.read_text())
    result["setting"]["data"] = "discs"
    path.write_text(json.dumps(result))
    with pytest.raises(ValueError, match="was trained on discs at 32 pixels"):
        length_asking.run(RUN, length_asking.Scale(), folder)
    assert not list(folder.glob("asked.*"))


def test_answers_of_weights_that_were_trained_anew_are_not_taken_for_done(folder, toy):
    ways = length_asking.Scale(counts=(3,), ways=("all",))
    length_asking.run(RUN, ways, folder)
    path = folder / "label_one.full_all.seed3.json"
    anew = json.loads(path.read_text()) | {"provenance": {"made": "2026-01-02"}}
    path.write_text(json.dumps(anew))
    with pytest.raises(ValueError, match="is of trained , not 2026-01-02"):
        length_asking.run(RUN, ways, folder)


def test_places_that_hear_a_second_are_counted(monkeypatch):
    """Counted by hand from the requests: two of three within two cells of each other, or none."""
    asked = torch.tensor(
        [[[0.1, 0.1], [0.2, 0.15], [0.8, 0.8]], [[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]]]
    )
    drawn = []
    monkeypatch.setattr(labelling, "request_scenes", lambda *a: drawn.append(a[:2]))
    monkeypatch.setattr(labelling, "label_all", lambda _: (asked, torch.ones(2, 3) > 0))
    assert length_asking.crowding(0, 3).tolist() == [2, 0]
    assert length_asking.crowding(0, 3, k=1).tolist() == [0, 0]  # cells (1, 1) and (3, 2)
    assert drawn == [(length_asking.SAMPLES, 3)] * 2


def test_the_most_hidden_object_is_of_the_requests_that_a_run_was_asked(monkeypatch):
    monkeypatch.setattr(length_asking, "SAMPLES", 8)
    scenes, _ = length_asking.scenes_and_noise(6, length_asking.FIRST + 5)
    one_by_one = [float(min(annotate(scenes[i : i + 1]).visibility[0])) for i in range(8)]
    found = length_asking.least_seen(5)
    assert found.tolist() == pytest.approx(one_by_one)
    assert 0.3 <= min(one_by_one) < 0.9


def test_crowding_is_of_the_requests_that_a_run_was_asked(drawn_from, toy, windows):
    finder, judge = toy
    length_asking.measure_ways(finder, judge, windows, 3, ["all"], length_asking.FIRST + 5)
    heard = drawn_from[0][1]
    cell = (heard[0] * length_asking.GRID).long()
    apart = (cell[:, :, None] - cell[:, None]).abs().amax(-1)
    beside = ((apart <= 2).sum(-1) > 1).sum(-1)
    assert length_asking.crowding(5, 3).tolist() == beside.tolist()
