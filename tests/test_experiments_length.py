import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest
import torch

from lib.diffusion import networks, train
from lib.experiments import __main__ as program
from lib.experiments import _training
from lib.experiments import length_generalization as length
from lib.experiments._worlds import CLEVR
from lib.experiments.length_generalization import Scale, Setting
from lib.scenes import detector, labelling, measure, sample_scenes
from lib.storage import checkpoint
from tests.conftest import ROOT

OBSERVED = length.observed  # as it is: `toy` puts a smaller one in its place
TINY = Scale(parameters=250_000, steps=3, batch=2)
FOUR = [
    Setting(pathway="window", pixels=pixels, conditions=conditions)
    for pixels in ("local", "full")
    for conditions in ("local", "all")
]
ONE_AT_A_CELL = [Setting("label_all", "window", "full", heard) for heard in ("nearest", "random")]


def toy(replace_):
    """Makes an experiment take seconds; `replace_(owner, name, value)` sets an attribute."""
    network = networks.initialise(detector.Detector(), torch.Generator().manual_seed(0)).eval()
    plain = length.observed, length.localities
    replace_(detector, "load", lambda: network)
    replace_(length, "TRACED", (1, 2))
    replace_(length, "LEVELS", (0.3, 3.0))
    replace_(length, "SAMPLER", {"steps": 2, "sigma_min": 0.01, "sigma_max": 20.0})
    replace_(length.measure, "MEASURE", replace(measure.MEASURE, counts=(0, 1, 2)))
    replace_(length, "milestones", lambda steps: [steps // 2, steps])
    replace_(length, "observed", lambda *a: plain[0](*a, samples=2))
    replace_(length, "localities", lambda *a: plain[1](*a, count=2, scenes=2))
    replace_(_training, "SAVE_EVERY", 2)
    return network


@pytest.fixture
def finder(monkeypatch):
    return toy(monkeypatch.setattr)


def main(argv):
    return program.main(["length_generalization", *argv])


def test_names_are_the_ledgers():
    assert [s.name for s in FOUR] == [
        "label_one.local_local",
        "label_one.local_all",
        "label_one.full_local",
        "label_one.full_all",
    ]
    names = [s.name for s in ONE_AT_A_CELL]
    assert names == ["label_all.full_nearest", "label_all.full_random"]
    assert Setting("label_all").name == "label_all.vector"
    assert Setting(pathway="map", objects=5, size=64).name == "label_one.map.objects-5.size-64"


def test_all_settings_have_equal_parameters_and_the_same_head():
    settings = [Setting(pathway=p) for p in ("vector", "map", "fourier")] + FOUR + ONE_AT_A_CELL
    made = [length.network(setting, Scale()) for setting in settings]
    counts = [networks.parameters(network) for network in made]
    assert max(counts) / min(counts) < 1.2
    assert all(abs(count / Scale().parameters - 1) < 0.1 for count in counts)
    heads = [[t.shape for t in (*n.head.parameters(), *n.leave.parameters())] for n in made[3:]]
    assert all(head == heads[0] for head in heads)
    assert len(heads[0]) > 2


@pytest.mark.parametrize("labels", ["label_all", "label_one"])
def test_batches_say_what_the_setting_says(labels):
    scale = Scale(batch=40, unasked=0.0)
    pictures, (locations, mask) = length.batch(Setting(labels), scale, CLEVR, generator())
    assert pictures.shape == (40, 3, 32, 32)
    assert locations.shape == (40, mask.shape[1], 2)
    assert set(mask.sum(1).tolist()) == ({1, 2, 3} if labels == "label_all" else {1})


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def unseen(setting, seen=None):
    """The setting's world, whose pictures nobody looks at: they are not rendered, but noted."""
    seen = [] if seen is None else seen
    return replace(length.world_of(setting), render=lambda scenes, size: seen.append(scenes))


def test_a_share_of_the_pictures_is_shown_without_any_label():
    world = unseen(Setting(), seen := [])
    for labels, most in (("label_all", 3), ("label_one", 1)):
        scale = Scale(batch=400, unasked=0.25)
        _, (_, mask) = length.batch(Setting(labels), scale, world, generator())
        told = mask.sum(1)
        assert set(told.tolist()) == set(range(most + 1))
        share = float((told == 0).double().mean())
        assert abs(share - 0.25) < 4 * (0.25 * 0.75 / 400) ** 0.5
        assert seen[-1].mask.any(1).all()  # no scene is empty: the labels were withheld
    _, (_, everyone) = length.batch(Setting(), Scale(batch=400, unasked=0.0), world, generator())
    assert everyone.any(1).all()


@pytest.mark.parametrize("setting", ONE_AT_A_CELL, ids=lambda s: s.conditions)
def test_each_cell_is_told_one_request_or_none(setting):
    scale, world = Scale(batch=60, unasked=0.3), unseen(setting)
    _, (places, mask, heard) = length.batch(setting, scale, world, generator())
    assert heard.shape == (*mask.shape, 16, 16)
    assert set(heard.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(heard.sum(1), mask.any(1)[:, None, None].float().expand(-1, 16, 16))
    assert not heard[~mask].any()
    if setting.conditions == "nearest":
        assert torch.equal(heard, length.hearing.nearest((places, mask), 16))
    several = heard[(mask.sum(1) == 3)].flatten(2)
    share = several.mean(2).mean()  # either way of hearing shares the cells out among three
    assert abs(share - 1 / 3) < 1e-6
    again = length.batch(setting, scale, world, generator())[1][2]
    assert torch.equal(again, heard)


def test_a_painter_is_asked_as_it_was_trained(monkeypatch):
    seen = []

    def sample(denoiser, noise, conditions, **kwargs):
        seen.append((noise, conditions))
        return 3 * noise

    monkeypatch.setattr(length.edm, "sample", sample)
    scenes = length.labelling.request_scenes(2, 2, generator())
    settings = (Setting("label_all"), *ONE_AT_A_CELL)
    for setting in settings:
        drawn = length.painter(torch.nn.Linear(1, 1), setting, CLEVR)(scenes, generator(5))
        assert drawn.shape == (2, 3, 32, 32)
        assert drawn.abs().max() <= 1
    (noise, plain), *others = seen
    asked = length.labelling.label_all(scenes)
    assert len(plain) == 2
    for other, conditions in others:
        assert torch.equal(other, noise)  # the same for every setting
        assert len(conditions) == 3
        assert torch.equal(conditions[0], asked[0])
        assert torch.equal(conditions[2].sum(1), torch.ones(2, 16, 16))
    assert torch.equal(others[0][1][2], length.hearing.nearest(asked, 16))
    assert not torch.equal(others[1][1][2], others[0][1][2])


def test_hits_are_counted_at_both_radii(monkeypatch):
    """A painter who misses by .07 of the width hits nothing at 1/20 and all at 1/10."""
    places = length.labelling.label_all(length.labelling.request_scenes(6, 1, train.stream(3, 1)))
    away = places[0] + torch.where(places[0] < 0.5, 0.07, -0.07) * torch.tensor([1.0, 0.0])
    found = iter([(away, places[1]), places])
    monkeypatch.setattr(detector, "detect", lambda finder, pictures: next(found))
    scores = length.judge_draws(lambda s, g: torch.zeros(len(s), 3, 32, 32), CLEVR, 1, 6, 32, 3)
    assert scores["hits"] == [0] * 6
    assert scores["ceiling"] == scores["wide"]["ceiling"] == scores["wide"]["hits"] == [1] * 6
    far = (away - places[0].roll(-1, 0)).norm(dim=-1)[:, 0]
    assert scores["blind"] == (far <= 1 / 20).int().tolist()
    assert scores["wide"]["blind"] == (far <= 1 / 10).int().tolist()
    assert set(scores["wide"]) == {"hits", "blind", "ceiling"}


def test_requests_and_noise_are_of_the_seed_and_the_number_asked_for():
    """The same requests for every setting; each part of 64 pictures has a noise of its own."""
    heard, places = [], torch.rand(70, 2, 2, generator=generator())

    def sample(batch, least, most, stream, clear):
        assert (batch, least, most, clear) == (70, 2, 2, True)
        heard.append(stream.initial_seed())
        return places[:batch]

    def draw(scenes, stream):
        assert torch.equal(scenes, places[64 * (len(heard) - 1) :][:64])
        heard.append(stream.initial_seed())
        return scenes

    there = torch.ones(70, 2, dtype=torch.bool)
    world = length.World(sample, lambda s, size: s, lambda s: (s, there), lambda s: (s, there))
    scores = length.judge_draws(draw, world, 2, 70, 32, 5)
    assert heard == [train.stream(5, 2, part).initial_seed() for part in (0, 1, 2)]
    assert scores["hits"] == scores["ceiling"] == [2] * 70


def test_stored_weights_are_as_local_as_their_file_says():
    name = "label_one.full_all"
    (moved, removed, pixel) = (
        length.answers(kind="local")[name][0]["1"][kind][2]
        for kind in ("moved", "removed", "pixel")
    )
    found = length.localities(length.load_denoiser(name), CLEVR, 32, 0, 1, 16, (1.0,))
    assert found["moved"] == pytest.approx([moved], rel=0.01, abs=1e-3)
    assert found["removed"] == pytest.approx([removed], rel=0.01, abs=1e-3)
    assert found["pixel"] == pytest.approx([pixel], rel=0.01, abs=1e-3)


def test_other_data_differ_as_they_say():
    seen = []
    for data in ("plain", "one_colour", "three"):
        setting = Setting("label_all", data=data)
        length.batch(setting, Scale(batch=30), unseen(setting, seen), generator())
    plain, one_colour, three = seen
    assert (plain.color != plain.color[:, :1]).any()
    assert (one_colour.color == one_colour.color[:, :1]).all()
    assert set(plain.mask.sum(1).tolist()) == set(one_colour.mask.sum(1).tolist()) == {1, 2, 3}
    assert set(three.mask.sum(1).tolist()) == {3}


def test_milestones_are_five_and_end_with_the_run():
    steps = length.milestones(1500)
    assert len(steps) == 5
    assert steps[-1] == 1500
    assert length.milestones(1) == [1]
    ratios = [b / a for a, b in itertools.pairwise(steps)]
    assert max(ratios) / min(ratios) < 1.1
    assert abs(ratios[-1] - 2) < 0.05


def test_locality_is_what_the_windows_say(finder):
    shares = {}
    for setting in FOUR:
        network = length.network(setting, TINY)
        numbers = generator(1)
        for p in network.parameters():
            p.data += 0.2 * torch.randn(p.shape, generator=numbers)
        denoiser = train.edm.Preconditioned(network, 0.2)
        shares[setting.pixels, setting.conditions] = length.localities(denoiser, CLEVR, 32, 0)
    for (pixels, conditions), found in shares.items():
        assert (max(found["pixel"]) == 0) == (pixels == "local")
        assert (max(found["moved"]) == 0) == (conditions == "local")
        assert (max(found["removed"]) == 0) == (conditions == "local")


def test_a_run_watches_stores_and_resumes(finder, tmp_path, interrupted):
    setting = Setting("label_all", seed=3)
    whole = length.run(setting, TINY, samples=2, folder=tmp_path / "whole")
    stem = tmp_path / "whole" / "label_all.vector.seed3"
    assert sorted(path.name for path in stem.parent.iterdir()) == [
        "label_all.vector.seed3.json",
        "label_all.vector.seed3.safetensors",
    ]
    assert json.loads(stem.with_name(stem.name + ".json").read_text()) == whole
    assert list(whole["counts"]) == ["0", "1", "2"]
    assert all(
        set(scores["wide"]) == {"hits", "blind", "ceiling"} for scores in whole["counts"].values()
    )
    assert list(whole["training"]) == ["1", "3"]
    traced = whole["training"]["3"]
    assert list(traced["counts"]) == ["1", "2"]
    assert {name: len(v) for name, v in traced["locality"].items()} == {
        "pixel": 2,
        "moved": 2,
        "removed": 2,
    }
    again = length.run(setting, TINY, samples=2, folder=tmp_path / "whole")
    assert again == whole  # nothing is left to do

    with interrupted(length, "observed", 2):
        length.run(setting, TINY, samples=2, folder=tmp_path / "cut")
    resumed = length.run(setting, TINY, samples=2, folder=tmp_path / "cut")
    for name in ("counts", "losses", "training", "parameters", "setting"):
        assert resumed[name] == whole[name]
    with pytest.raises(ValueError, match=r"is of scale .* move it elsewhere"):
        length.run(setting, replace(TINY, steps=7), samples=2, folder=tmp_path / "cut")


def test_what_is_measured_is_what_was_said_before_any_run():
    assert length.TRACED == (1, 3, 6)
    assert length.LEVELS == (0.1, 0.3, 1.0, 3.0, 10.0)
    assert length.SAMPLER == {"steps": 18, "sigma_min": 0.01, "sigma_max": 20.0}
    assert (length.GRID, length.SIGMA_DATA, length.SEEDS) == (16, 0.2, 3)
    assert measure.MEASURE.radius == 1 / 20
    assert measure.MEASURE.counts == (0, 1, 2, 3, 4, 6, 8, 10)
    assert measure.MEASURE.samples == 96


@pytest.fixture
def parted(finder, monkeypatch):
    """A run whose averaged weights are not the raw ones, and a record of what is judged."""
    training = length.prepared(Setting(seed=3), TINY)
    numbers = generator(1)
    for p in training.averaged.parameters():
        p.data += 0.2 * torch.randn(p.shape, generator=numbers)
    seen = []

    def judged(painter, world, count, samples, size, seed):
        assert world is CLEVR
        seen.append((flat(painter), count, samples, size, seed))
        return {"count": count}

    monkeypatch.setattr(length, "judge_draws", judged)
    monkeypatch.setattr(length, "painter", lambda denoiser, setting, world: denoiser)
    return training, seen


def flat(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_the_averaged_weights_are_stored_and_judged_as_they_are_stored(
    parted, tmp_path, monkeypatch
):
    training, seen = parted
    exact = flat(training.averaged)
    kept = exact.bfloat16().float()
    assert not torch.equal(kept, exact)
    setting, stem = Setting(seed=3), tmp_path / "label_one.vector.seed3"
    training.step = TINY.steps  # nothing is left but to judge it
    monkeypatch.setattr(length, "prepared", lambda *_: training)
    monkeypatch.setattr(length, "observed", lambda *_: "seen")
    result = length.run(setting, TINY, tmp_path, samples=5)
    path = stem.with_name(stem.name + ".safetensors")
    loaded, header = train.load_weights(path, length.network(setting, TINY))
    assert torch.equal(flat(loaded), kept)
    assert {t.dtype for t in checkpoint.load(path)[0].values()} == {torch.bfloat16}
    assert [numbers[1:] for numbers in seen] == [(K, 5, 32, 1003) for K in (0, 1, 2)]
    assert all(torch.equal(weights, kept) for weights, *_ in seen)
    assert list(result["counts"]) == ["0", "1", "2"]
    assert json.loads(stem.with_name(stem.name + ".json").read_text()) == result
    assert header["setting"] == asdict(setting)
    assert header["scale"] == asdict(TINY)
    assert header["provenance"] == result["provenance"]


def test_the_averaged_network_is_watched_with_32_samples(parted, monkeypatch):
    training, seen = parted
    monkeypatch.setattr(length, "localities", lambda denoiser, *a: [flat(denoiser), *a])
    found = OBSERVED(training, CLEVR, Setting(seed=3))
    averaged = flat(training.averaged)
    assert [numbers[1:] for numbers in seen] == [(K, 32, 32, 3) for K in (1, 2)]
    assert all(torch.equal(weights, averaged) for weights, *_ in seen)
    assert found["counts"] == {"1": {"count": 1}, "2": {"count": 2}}
    weights, *rest = found["locality"]
    assert torch.equal(weights, averaged)
    assert rest == [CLEVR, 32, 3]


@pytest.mark.parametrize(
    ("other", "scale", "message"),
    [
        (Setting("label_all", seed=3), TINY, r"'label_one'}, not with {'labels': 'label_all'}"),
        (Setting(seed=3), replace(TINY, batch=4), r"{'batch': 2}, not with {'batch': 4}"),
        (Setting(seed=3), replace(TINY, optimizer="adamw"), r"'muon'}, not with .*'adamw'"),
        (Setting(seed=3), replace(TINY, unasked=0.2), r"{'unasked': 0.1}, not with .* 0.2}"),
    ],
)
def test_a_state_of_another_run_is_refused_by_name(tmp_path, other, scale, message):
    path = tmp_path / "run.state.safetensors"
    training = length.prepared(Setting(seed=3), TINY)
    next(training.run())
    training.save(path)
    with pytest.raises(ValueError, match=message):
        length.prepared(other, scale).restore(path)
    again = length.prepared(Setting(seed=3), TINY)
    again.restore(path)
    assert again.step == 1


LAUNCHED = []
SCRIPT = """
import sys
from tests.test_experiments_length import *
toy(setattr)
program.main(["length_generalization", "run", *sys.argv[1:]])
"""


def launch(folder, *options, processes=0):
    """The command line on a toy scale, in a process of its own or in several."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "toy.py"
    script.write_text(SCRIPT)
    torchrun = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--standalone"]
    command = [sys.executable, *(torchrun if processes else []), str(script)]
    command += ["--parameters", "250000", "--batch", "2", "--samples", "2", "--folder", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    LAUNCHED.append(
        subprocess.Popen(
            [*command, *options], stdout=subprocess.DEVNULL, env=environment, cwd=folder
        )
    )
    return LAUNCHED[-1]


@pytest.fixture(autouse=True)
def no_stragglers():
    """A test that fails leaves no process behind."""
    yield
    for process in LAUNCHED:
        process.kill()
        process.wait()
    LAUNCHED.clear()


def outcome(folder, name):
    """What must not depend on how a run came about: measurements, and weights as stored."""
    result = json.loads((folder / f"{name}.json").read_text())
    tensors, _ = checkpoint.load(folder / f"{name}.safetensors")
    return {k: result[k] for k in ("counts", "losses", "training", "network", "steps")}, tensors


def test_a_killed_experiment_resumes_and_ends_the_same(tmp_path):
    """With the momentum of Muon, which is of another kind than the averages of AdamW beside it."""
    assert Scale().optimizer == "muon"
    options = ("--pathway", "window", "--pixels", "local", "--conditions", "local", "--steps", "12")
    name = "label_one.local_local.seed0"
    whole, killed = launch(tmp_path / "whole", *options), launch(tmp_path / "killed", *options)
    state = tmp_path / "killed" / f"{name}.state.safetensors"
    while not state.exists():
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert "counts" not in json.loads((tmp_path / "killed" / f"{name}.json").read_text())
    assert checkpoint.load(state)[1]["step"] < 12
    assert launch(tmp_path / "killed", *options).wait() == 0
    assert whole.wait() == 0
    (found, weights), (wanted, others) = (outcome(tmp_path / f, name) for f in ("killed", "whole"))
    assert found == wanted
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[key], others[key]) for key in others)


@pytest.mark.weekly
def test_two_processes_run_the_experiment_of_one(tmp_path):
    options = ("--labels", "label_all", "--shards", "2", "--steps", "6")
    assert launch(tmp_path / "one", *options).wait() == 0
    assert launch(tmp_path / "two", *options, processes=2).wait() == 0
    (one, _), (two, _) = (outcome(tmp_path / f, "label_all.vector.seed0") for f in ("one", "two"))
    assert list(one["losses"]) == list(two["losses"]) == list("123456")
    assert list(two["losses"].values()) == pytest.approx(list(one["losses"].values()), rel=1e-4)
    assert two["training"].keys() == one["training"].keys()


def test_the_command_line_runs_and_reports(finder, tmp_path, capsys, monkeypatch):
    made = []

    def run(setting, scale, folder, *, samples: int = 96, shards: int = 1):
        made.append((setting, scale, samples, shards, folder))

    monkeypatch.setattr(length, "run", run)
    windows = "--pathway window --pixels full --conditions nearest"
    main(["run", "--labels", "label_one", *windows.split(), "--seed", "2"])
    main(["run", "--labels", "label_all", "--steps", "9", "--optimizer", "adamw"])
    main(["run"])
    (first, longer, *_), (second, scale, *_), usual = made
    assert longer == length.reported(first) != Scale()
    assert first == Setting("label_one", "window", "full", "nearest", seed=2)
    assert second == Setting("label_all")
    assert scale == Scale(steps=9, optimizer="adamw")
    assert usual == (Setting(), Scale(), measure.MEASURE.samples, 1, length.RUNS)
    ideal = {"count": 1, "hits": [1, 1], "blind": [0, 0], "ceiling": [1, 1], "found": [1, 1]}
    result = {"setting": Setting().__dict__, "counts": {"1": ideal | {"error": [0.01, 0.02]}}}
    (tmp_path / "label_one.vector.seed0.json").write_text(json.dumps(result))
    main(["report", "--folder", str(tmp_path)])
    table = json.loads(capsys.readouterr().out)
    assert table["label_one.vector"]["k_max"]["0.8"] == 1
    assert table["label_one.vector"]["counts"]["1"]["skill"] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": "label_two"}, "labels is one of .*'label_two'"),
        ({"pathway": "wire"}, "pathway is one of .*'wire'"),
        ({"data": "lots"}, "data is one of"),
        *(({"size": size}, f"a size that 32 divides, .* {size}") for size in (0, 16, 33, 48)),
        ({"objects": 0}, "objects >= 1"),
        ({"data": "three", "objects": 5}, "'three' are of 3 objects each, not of up to 5"),
        ({"data": "three", "objects": 1}, "'three' are of 3 objects each, not of up to 1"),
        ({"pixels": "full"}, "'vector' takes no pixels 'full'"),
        ({"pathway": "map", "conditions": "all"}, "'map' takes no .* conditions 'all'"),
        ({"k": 3}, "'vector' takes no .* k 3"),
        ({"pathway": "window", "pixels": "full", "conditions": "all", "k": 3}, "no k of 3"),
        ({"pathway": "window", "conditions": "some"}, "conditions is one of .*'some'"),
        ({"pathway": "window", "pixels": "full", "conditions": "nearest", "k": 3}, "no k of 3"),
        ({"conditions": "random"}, "'vector' takes no .* conditions 'random'"),
        ({"seed": -1}, "seed >= 0"),
        ({"pathway": "window", "k": 16}, "from 0 to 15"),
        ({"pathway": "window", "k": -1}, "from 0 to 15"),
    ],
)
def test_unknown_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Setting(**settings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--labels label_two", "labels is one of"),
        ("--pathway map --pixels full", "'map' takes no pixels 'full'"),
        ("--pathway fourier --conditions nearest", "'fourier' takes no .* conditions 'nearest'"),
        ("--k 3", "'vector' takes no"),
        ("--size 48", "a size that 32 divides"),
        ("--steps 0", "steps must be above 0, not 0"),
        ("--batch 0", "batch must be above 0, not 0"),
        ("--parameters -1", "parameters must be above 0"),
        ("--learning-rate 0", "learning_rate must be above 0"),
        ("--learning-rate nan", "learning_rate must be above 0, not nan"),
        ("--cooldown 1", "cooldown is a share below 1, not 1.0"),
        ("--unasked -0.1", "unasked is a share below 1, not -0.1"),
        ("--samples 1", "at least 2 samples"),
    ],
)
def test_options_that_say_nothing_are_refused_before_any_work(
    options, message, monkeypatch, tmp_path
):
    def trained():
        raise AssertionError("work began")

    monkeypatch.setattr(detector, "load", trained)
    with pytest.raises(ValueError, match=message):
        main(["run", *options.split(), "--folder", str(tmp_path)])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (replace(TINY, optimizer="sgd"), "the optimizer is 'adamw' or 'muon', not 'sgd'"),
        (replace(TINY, precision="float8"), "precision is one of .*'float8'"),
        (replace(TINY, parameters=10), "no width gives 10 parameters"),
    ],
)
def test_a_scale_that_cannot_be_trained_is_refused(scale, message):
    with pytest.raises(ValueError, match=message):
        length.prepared(Setting(), scale)


def test_finished_runs_are_in_the_order_of_their_seeds_and_nothing_else_is_taken(tmp_path):
    def write(name, setting, **more):
        text = json.dumps({"setting": asdict(setting), "scale": asdict(TINY)} | more)
        (tmp_path / f"{name}.json").write_text(text)

    for seed in (10, 2, 0):
        write(f"label_one.vector.seed{seed}", Setting(seed=seed), counts={})
    write("label_one.map.seed0", Setting(pathway="map"), training={})  # not finished
    write("asked.label_one.vector.seed0", Setting(), counts={"3": {}})  # of the same weights
    found = length.finished_runs(tmp_path)
    assert {n: [r["setting"]["seed"] for r in runs] for n, runs in found.items()} == {
        "label_one.vector": [0, 2, 10]
    }
    write("label_one.vector.again", Setting(seed=2), counts={})
    with pytest.raises(ValueError, match=r"a second run of label_one\.vector, seed 2"):
        length.finished_runs(tmp_path)


def test_what_is_missing_is_run_seed_by_seed_and_nothing_else(tmp_path, monkeypatch):
    folder, kept = tmp_path / "runs", tmp_path / "kept"

    def write(place, setting, scale, **more):
        place.mkdir(exist_ok=True)
        text = json.dumps({"setting": asdict(setting), "scale": asdict(scale)} | more)
        (place / f"{setting.name}.seed{setting.seed}.json").write_text(text)

    every = [(name, seed) for seed in range(length.SEEDS) for name in length.SETTINGS]
    every += [(name, seed) for seed in range(length.SEEDS_BESIDE) for name in length.BESIDE]

    def missing():
        return [(s.name, s.seed) for s, more in length.missing(folder, kept) if not more]

    assert missing() == every
    write(folder, Setting("label_all"), Scale(), counts={})
    write(folder, Setting("label_one", seed=1), Scale(), training={})  # begun
    write(kept, Setting("label_one", "map", seed=1), Scale(), counts={})
    write(kept, Setting("label_one"), replace(Scale(), steps=7), counts={})  # of another scale
    due = [run for run in every if run not in (("label_all.vector", 0), ("label_one.map", 1))]
    assert missing() == due
    made, found = [], length.missing(folder, kept)[:2]
    monkeypatch.setattr(length, "run", lambda *arguments: made.append(arguments))
    monkeypatch.setattr(length, "missing", lambda folder: found)
    main(["run", "--all", "--folder", str(folder)])
    assert made == [(s, length.reported(s), folder) for s, _ in found]


def test_what_is_varied_is_found_by_its_value():
    runs = {"label_one.vector": ["3"], "label_one.vector.objects-5": ["5"], "label_all.map": ["m"]}
    found = length.varied(runs, "label_one.vector", "objects", (5, 3, 1))
    assert found == {5: ["5"], 3: ["3"]}
    runs = {"label_one.full_local": ["2"], "label_one.full_local.k-8": ["8"]}
    assert list(length.varied(runs, "label_one.full_local", "k", (0, 2, 8))) == [2, 8]


def test_a_family_of_networks_is_reported_at_one_scale():
    scales = {s.pathway == "window": length.reported(s) for s in length.SETTINGS.values()}
    assert scales == {False: Scale(), True: replace(Scale(), steps=3000)}
    for name, setting in (length.SETTINGS | length.BESIDE).items():
        assert name == setting.name
        assert length.reported(setting) == scales[setting.pathway == "window"]


def test_a_window_that_reaches_across_the_grid_hears_everything():
    """So the largest window of the dose is the network that hears everything, which is run."""
    scenes = sample_scenes(4, 1, 3, torch.Generator().manual_seed(0))
    asked = labelling.label_all(scenes)
    widest = replace(Setting("label_one", "window", "full", "local"), k=length.GRID - 1)
    everything = replace(widest, conditions="all", k=2)
    noise = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    answers = []
    for setting in (widest, everything, replace(widest, k=8)):
        made = length.network(setting, Scale())
        generator = torch.Generator().manual_seed(2)
        for weights in made.parameters():  # the last ones are 0 at first
            torch.nn.init.normal_(weights, 0, 0.1, generator)
        answers.append(made(noise, torch.zeros(4), asked))
    assert torch.equal(*answers[:2])
    assert not torch.equal(*answers[1:])


def test_all_that_the_book_runs_can_be_set():
    for windows in itertools.product(("local", "full"), ("local", "all")):
        for k in (0, 1, 2, 15):
            if windows != ("full", "all") or k == 2:
                assert Setting("label_one", "window", *windows, k=k).k == k
    assert Setting(objects=1, seed=0).objects == 1
    assert Scale(cooldown=0, unasked=0).cooldown == 0
    for size in (32, 64, 128):
        assert Setting("label_all", data="three", size=size).size == size


@pytest.mark.parametrize(
    "other", [{"data": "discs"}, {"data": "three"}, {"size": 64}], ids=lambda other: str(other)
)
def test_what_is_asked_of_plain_pictures_is_refused_to_others(other):
    length.check_plain({"setting": asdict(Setting("label_all"))})
    with pytest.raises(ValueError, match="it would be asked about plain at 32"):
        length.check_plain({"setting": asdict(Setting("label_all", **other))})
