import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from lib.book import claims, ledger
from lib.book.intervals import Estimate
from lib.experiments import __main__ as program
from lib.experiments import nonlinear_sim
from lib.experiments.nonlinear_sim import Study
from lib.sim import error_curves, mlp
from lib.sim.mlp import Setting

TOY = Setting((2, 1), (0.05, 0.05), d=2, hidden=3, n=40, batch=20, epochs=40)


@pytest.fixture
def toys(monkeypatch, tmp_path):
    """Two small studies in place of the real ones; returns the command that runs them."""
    two = (TOY, replace(TOY, layers=3, mu=(1, 1)), replace(TOY, mu=(1, 3)))
    official = replace(TOY, origin_cluster=True, bias=True, d=4)
    monkeypatch.setattr(nonlinear_sim, "variation_studies", lambda: [Study("a", "", two, 3)])
    monkeypatch.setattr(
        nonlinear_sim,
        "figure_studies",
        lambda: [Study("b", "", (official,), 4, published=True, detail=2)],
    )

    def run(*argv):
        words = argv or ("--all",)
        program.main(["nonlinear_sim", "run", *words, "--folder", str(tmp_path)])

    return run


def test_measurements_of_every_run(toys, tmp_path):
    toys()
    a = json.loads((tmp_path / "a.json").read_text())
    assert [row["hidden"] for row in a["settings"]] == [3, 3, 3]
    assert a["settings"][1]["layers"] == 3
    assert a["published"] is None
    for setting, row in zip((TOY, replace(TOY, mu=(1, 3))), a["runs"][::2], strict=True):
        found = mlp.collect(mlp.train([setting], range(3), nonlinear_sim.EVERY))
        E = found["ood_loss"][0]
        assert row["swing"] == pytest.approx(error_curves.swing(E).tolist(), rel=1e-3, abs=1e-12)
        assert row["end"] == pytest.approx(E[:, -1].tolist(), rel=1e-3)
        w = [run.weights[1] @ run.weights[0] for run in (mlp.draw(setting, k) for k in range(3))]
        basis = [mlp.draw(setting, k).basis for k in range(3)]
        expected = torch.stack([q.T @ each @ q for q, each in zip(basis, w, strict=True)])
        assert (torch.tensor(row["jacobian"]) - expected).norm() < 1e-3
        reached = found["outputs"][0, :, :, -1] / torch.tensor(setting.mu) >= 0.9
        for k in range(3):
            for p in range(2):
                steps = found["step"][reached[k, :, p]].tolist()
                assert row["learnt"][k][p] == (steps[0] if steps else None)
    b = json.loads((tmp_path / "b.json").read_text())
    assert len(b["runs"][0]["swing"]) == 4
    assert len(b["published"][0]["swing"]) == 1
    bands = b["runs"][0]["bands"]
    assert np.shape(bands["ood_loss"]) == (5, len(bands["step"]))
    assert np.shape(bands["outputs"]) == (5, len(bands["step"]), 2)


def test_of_three_concepts_every_corner_is_measured_and_of_two_none():
    """Corner losses made by hand: one falls and comes back, one falls and stays, the rest keep."""
    three = replace(TOY, mu=(1, 2, 3), sigma=(0.05,) * 3, d=3)
    step = torch.arange(8)
    found = {
        "step": step,
        "ood_loss": torch.ones(1, 8, dtype=torch.float64),
        "outputs": torch.zeros(1, 8, 8, 3, dtype=torch.float64),
        "corner_loss": torch.ones(1, 8, 8, dtype=torch.float64),
    }
    found["corner_loss"][0, 1, 2:5] = 0.25
    found["corner_loss"][0, 4, 3:] = 0.004  # 1/2 ||(1, 0, 0)||^2 = .5, a hundredth is .005
    row = nonlinear_sim.measure(three, found, detail=1)
    assert row["corner_swing"] == [[0.75, 0, 0, 0, 0, 0, 0]]
    assert row["corner_learnt"] == [[None, None, None, 3, None, None, None]]
    assert not {"corner_swing", "corner_learnt"} & set(
        nonlinear_sim.measure(three, found, detail=0)
    )
    two = {name: v[:, :4] if name == "corner_loss" else v for name, v in found.items()}
    two["outputs"] = found["outputs"][:, :, :4, :2]
    assert not {"corner_swing", "corner_learnt"} & set(nonlinear_sim.measure(TOY, two, detail=1))


def test_bands_are_quantiles_at_steps_from_first_to_last():
    numbers = torch.Generator().manual_seed(0)
    E = torch.rand(7, 101, generator=numbers, dtype=torch.float64) + 0.5
    outputs = torch.rand(7, 101, 4, 2, generator=numbers, dtype=torch.float64)
    found = {"step": 10 * torch.arange(101), "ood_loss": E, "outputs": outputs}
    bands = nonlinear_sim.measure(TOY, found, detail=2)["bands"]
    steps = np.array(bands["step"])
    assert (len(steps), steps[0], steps[-1]) == (40, 0, 1000)
    assert set(np.diff(steps)) == {20, 30}
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    for name, values in (("ood_loss", E), ("outputs", outputs[:, :, -1])):
        expected = np.quantile(values[:, steps // 10], levels, axis=0)
        assert np.allclose(bands[name], expected, rtol=1e-3), name


@pytest.mark.parametrize("published", [False, True])
def test_progress_is_as_many_evaluations_as_were_said(published, tmp_path):
    """One at the start, one every ten steps, and one at the end if that is none of these."""
    short = replace(TOY, n=3, batch=2, epochs=11, origin_cluster=True, bias=True)
    assert short.steps % nonlinear_sim.EVERY
    study = Study("a", "", (short, replace(short, layers=3)), 2, published=published)
    said = len(list(nonlinear_sim.evaluated(study, tmp_path)))
    assert nonlinear_sim.evaluations(study) == said


def test_done_studies_are_skipped(toys, tmp_path, monkeypatch):
    toys()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(before) == ["a.json", "b.json"]
    monkeypatch.setattr(mlp, "train", None)  # any training would fail
    toys()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_interrupted_experiment_goes_on(toys, tmp_path, monkeypatch):
    train = mlp.train

    def killed(settings, *args, **kwargs):
        if settings[0].d == 2:
            raise KeyboardInterrupt
        return train(settings, *args, **kwargs)

    monkeypatch.setattr(mlp, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        toys()
    assert [path.name for path in tmp_path.iterdir()] == ["b.json"]
    monkeypatch.setattr(mlp, "train", train)
    toys()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]


def test_other_seeds_are_another_measurement(toys, tmp_path):
    toys("--study", "a")
    toys("--study", "a", "--seeds", "5")
    assert json.loads((tmp_path / "a.json").read_text())["seeds"] == 5


def test_files_measured_otherwise_do_not_count(tmp_path, monkeypatch):
    study = Study("a", "", (TOY,), 3, detail=2)
    file = {"seeds": 3, "settings": nonlinear_sim.plain(study)}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(file | {"measure": nonlinear_sim.how(study)}))
    assert nonlinear_sim.done(study, tmp_path)
    assert not nonlinear_sim.done(replace(study, detail=1), tmp_path)
    path.write_text(json.dumps(file))  # as before it was said
    assert nonlinear_sim.done(study, tmp_path)
    for name, value in (("EVERY", 20), ("SHOWN", 30), ("LEVELS", (0.5,))):
        with monkeypatch.context() as patch:
            patch.setattr(nonlinear_sim, name, value)
            assert not nonlinear_sim.done(study, tmp_path)
            path.write_text(json.dumps(file | {"measure": nonlinear_sim.how(study)}))
            assert nonlinear_sim.done(study, tmp_path)
        assert not nonlinear_sim.done(study, tmp_path)
        path.write_text(json.dumps(file))


def test_bad_arguments(toys):
    with pytest.raises(ValueError, match="unknown study 'c': choose from b, a"):
        toys("--study", "c")
    with pytest.raises(ValueError, match="at least 1"):
        toys("--study", "a", "--seeds", "-1")


def test_the_real_studies():
    studies = nonlinear_sim.figure_studies() + nonlinear_sim.variation_studies()
    assert len({study.name for study in studies}) == len(studies)
    assert min(study.seeds for study in studies) >= 50
    for study in studies:
        assert nonlinear_sim.evaluations(study) > 0
        assert not study.theory or all(s.tied and s.activation == "linear" for s in study.settings)


def test_prediction_of_a_tied_run():
    setting = replace(
        TOY, n=200, batch=400, rate=0.02, epochs=600, scale=0.2, tied=True, correlation=0.9
    )
    found = mlp.collect(mlp.train([setting], range(6), nonlinear_sim.EVERY))
    predicted = nonlinear_sim.predicted_swing(setting, range(6), found["step"])
    measured = error_curves.swing(found["ood_loss"][0])
    assert predicted.max() > 0.01
    assert (predicted - measured).abs().max() < 0.02


@pytest.mark.parametrize("origin", [True, False])
def test_published_draw_is_what_global_seeds_give(origin):
    mu = (1, 2) if origin else (1, 2, 3)
    setting = Setting.preset(
        "official", mu, (0.05,) * len(mu), d=5, hidden=4, layers=3, n=30, batch=20,
        origin_cluster=origin,
    )  # fmt: skip
    run = nonlinear_sim.published_draw(setting, 7)
    state = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        np.random.seed(7)  # noqa: NPY002
        torch.manual_seed(7)
        order = [(0, 0), (0, 2), (1, 2), (1, 0)] if origin else [*np.diag(mu), mu]
        clusters = [
            np.random.multivariate_normal(mean, 0.05 * np.eye(len(mu), dtype=np.float32), 30)  # noqa: NPY002
            for mean in order
        ]
        clusters.pop(2 if origin else 3)
        points = np.concatenate(clusters)[torch.randperm(90).numpy()]
        torch.randperm(30)
        basis = torch.linalg.svd(torch.randn(5, 5))[0][: len(mu)].T
        if not origin:
            torch.randn(90, 5)
            torch.randn(30, 5)
        layers = [nn.Linear(5, 4), nn.Linear(4, 4), nn.Linear(4, 5)]
    np.random.set_state(state)  # noqa: NPY002
    assert np.abs(run.points.T.numpy() - points).max() < 1e-6
    assert (run.basis - basis).abs().max() < 1e-6
    for w, b, layer in zip(run.weights, run.biases, layers, strict=True):
        assert (w - layer.weight).abs().max() < 1e-6
        assert (b[:, 0] - layer.bias).abs().max() < 1e-6


def test_rows_of_the_ledger_come_from_the_files(monkeypatch, tmp_path):
    """Shares counted here by hand, from the committed measurements."""
    found = nonlinear_sim.claims(nonlinear_sim.results())
    ours = {row.id for row in ledger.ROWS if row.recorder == "experiments/nonlinear_sim"}
    assert set(found) == ours
    plane = json.loads((nonlinear_sim.KEPT / "four_layers_d2.json").read_text())
    row, published = plane["runs"][0], plane["published"][0]
    pairs = list(zip(row["swing"], row["jitter"], strict=True))
    assert found["mlp.share.d2"].tolist() == [s > 0.01 and s > 3 * j for s, j in pairs]
    assert found["mlp.published.seed"].sum() == sum(s < published["swing"][0] for s, _ in pairs)
    depth = json.loads((nonlinear_sim.KEPT / "depth.json").read_text())
    four, one = (
        next(
            np.array(run["swing"]) > 0.01
            for setting, run in zip(depth["settings"], depth["runs"], strict=True)
            if setting["activation"] == "linear" and setting["layers"] == layers
        )
        for layers in (4, 1)
    )
    assert found["mlp.depth"].mean() == pytest.approx(four.mean() - one.mean())
    recorded = {}
    monkeypatch.setattr(claims, "record", lambda id, *_: recorded.setdefault(id, Estimate(0, 0, 0)))
    monkeypatch.setattr(mlp, "train", None)  # any training would fail
    program.main(["nonlinear_sim", "record"])
    assert set(recorded) == ours
    with pytest.raises(FileNotFoundError):
        program.main(["nonlinear_sim", "record", "--folder", str(tmp_path)])


def test_a_ball_left_out_says_how_many_points_it_moved(toys, tmp_path, monkeypatch):
    wide = replace(TOY, mu=(1, 2), sigma=(0.5, 0.5))
    both = (wide, replace(wide, excluded=True))
    monkeypatch.setattr(nonlinear_sim, "variation_studies", lambda: [Study("c", "", both, 2)])
    monkeypatch.setattr(nonlinear_sim, "figure_studies", list)
    toys("--study", "c")
    stored = json.loads((tmp_path / "c.json").read_text())
    assert [row.get("excluded") for row in stored["settings"]] == [None, True]
    assert "moved" not in stored["runs"][0]
    inside = [
        (mlp.draw(wide, seed).points - torch.tensor([[1.0], [2.0]])).norm(dim=0) < 0.5
        for seed in range(2)
    ]
    assert stored["runs"][1]["moved"] == [float(near.double().mean()) for near in inside]
    assert max(stored["runs"][1]["moved"]) > 0
    assert nonlinear_sim.done(nonlinear_sim.studies()["c"], tmp_path)


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_a_product_is_shared_out_evenly(layers):
    setting = replace(TOY, hidden=2, layers=layers)
    for torch_layers in (2, 4):
        run = nonlinear_sim.balanced_draw(torch_layers)(setting, 5)
        deep = mlp.draw(replace(TOY, hidden=4, layers=torch_layers), 5)
        four = mlp.draw(replace(TOY, hidden=4, layers=4), 5)
        product, size = torch.eye(2).double(), torch.eye(2).double()
        for w in deep.weights:
            product = w @ product
        for w in four.weights:
            size = w @ size
        ours = torch.eye(2).double()
        for w in run.weights:
            ours = w @ ours
        wanted = product * (size**2).sum().sqrt() / (product**2).sum().sqrt()
        assert (ours - wanted).norm() < 1e-12 * wanted.norm()
        assert len(run.weights) == layers
        for below, above in zip(run.weights, run.weights[1:], strict=False):
            assert (above.T @ above - below @ below.T).norm() < 1e-12  # balanced
        assert (run.points - deep.points).norm() == 0
        mlp.collect(mlp.train([setting], [5], 50, start=nonlinear_sim.balanced_draw(torch_layers)))


def test_moves_are_those_of_the_largest_rise():
    generator = torch.Generator().manual_seed(3)
    E = torch.rand(7, 12, generator=generator).double() + 0.1
    outputs = torch.rand(7, 12, 4, 2, generator=generator).double()
    found = nonlinear_sim.moves(E, outputs, [1, 2])
    for k in range(7):
        rise, low, peak = max(
            (float(E[k, t] - E[k, u]), u, t) for t in range(12) for u in range(t + 1)
        )
        fall = (outputs[k, peak, 3] - outputs[k, low, 3]).norm().item()
        stirred = max(
            (outputs[k, t, v] - outputs[k, low, v]).norm().item()
            for t in range(low, peak + 1)
            for v in (1, 2)
        )
        assert rise > 0
        assert found["fall"][k] == pytest.approx(fall, rel=1e-3)
        assert found["stirred"][k] == pytest.approx(stirred, rel=1e-3)


def test_a_study_of_corners_keeps_their_moves(toys, tmp_path, monkeypatch):
    settings = (TOY, replace(TOY, bias=True, origin_cluster=True))
    study = Study("c", "", settings, 2, detail=0, corners=True)
    monkeypatch.setattr(nonlinear_sim, "variation_studies", lambda: [study])
    toys("--study", "c")
    rows = json.loads((tmp_path / "c.json").read_text())["runs"]
    for setting, row, corners in zip(settings, rows, ([1, 2], [0, 1, 2]), strict=True):
        found = mlp.collect(mlp.train([setting], range(2), nonlinear_sim.EVERY))
        wanted = nonlinear_sim.moves(found["ood_loss"][0], found["outputs"][0], corners)
        assert row["fall"] == wanted["fall"]
        assert row["stirred"] == wanted["stirred"]


def test_an_area_is_how_often_one_that_swings_ranks_above():
    score, swung = [0.1, 0.4, 0.4, 0.8], [False, True, False, True]
    assert nonlinear_sim.area(score, swung) == (1 + 0.5 + 1 + 1) / 4
    with pytest.raises(ValueError, match="runs that do not"):
        nonlinear_sim.area(score, [True] * 4)


def test_an_area_has_the_interval_of_its_runs():
    rng = np.random.default_rng(1)
    swung = rng.random(200) < 0.3
    apart = rng.normal(size=200) + 1.2 * swung
    found = nonlinear_sim.area_interval(apart, swung)
    assert found.value == nonlinear_sim.area(apart, swung)
    assert 0.03 < found.high - found.low < 0.2  # that of Hanley and McNeil is .13
    assert found.low < stats.norm.cdf(1.2 / 2**0.5) < found.high
    rare = np.arange(10) == 3  # in some draws nothing swings
    assert nonlinear_sim.area_interval(np.arange(10), rare).value == 3 / 9


def test_what_a_start_says_of_its_concepts():
    turn = [[0.6, -0.8], [0.8, 0.6]]
    row = {"jacobian": [[[1.0, 1.0], [0.0, 1.0]], turn, [[0.0, 1.0], [2.0, -2.0]]]}
    found = nonlinear_sim.start_scores(row)
    assert found["cosine"] == pytest.approx([2**-0.5, 0, -2 / 5**0.5])
    assert found["size of the cosine"] == pytest.approx([2**-0.5, 0, 2 / 5**0.5])
    assert found["cross-talk"] == pytest.approx([1, 0, 3])
    assert nonlinear_sim.able(row).tolist() == [True, True, False]


def test_who_retreats_alone():
    row = {"swing": [0.1, 0.1, 0.04], "fall": [0.5, 0.5, 0.5], "stirred": [0.04, 0.06, 0.0]}
    found = nonlinear_sim.retreats(row)
    assert found["rose"].tolist() == [True, True, False]
    assert found["alone"].tolist() == [True, False, False]
    assert found["stirred"] == pytest.approx([0.08, 0.12])
    assert nonlinear_sim.retreats(row, rise=0.03)["alone"].tolist() == [True, False, True]


def test_order_of_what_was_learnt():
    learnt = [[10, 20, None], [20, 10, 30], [10, 10, 20], [None, None, 5]]
    assert nonlinear_sim.in_order(learnt, (0, 1)).tolist() == [True, False, False, False]
    assert nonlinear_sim.in_order(learnt, (0, 1, 2)).tolist() == [True, False, False, False]
    assert nonlinear_sim.in_order(learnt, (2, 0)).tolist() == [False, False, False, True]


def test_jitter_bars_a_noisy_run():
    row = {"swing": [0.02, 0.02, 0.002], "jitter": [0.001, 0.01, 0.0]}
    assert nonlinear_sim.swings(row).tolist() == [True, False, False]
    assert nonlinear_sim.swings(row, 0.001).tolist() == [True, False, True]
    even = {"swing": [0.01, 0.75], "jitter": [0.0, 0.25]}  # no more than what is asked
    assert nonlinear_sim.swings(even).tolist() == [False, False]


def test_the_committed_studies_are_those_of_the_experiment():
    studies = nonlinear_sim.figure_studies() + nonlinear_sim.variation_studies()
    assert all(nonlinear_sim.done(study, nonlinear_sim.KEPT) for study in studies)
    assert {study.name for study in studies} == {
        path.stem for path in nonlinear_sim.KEPT.glob("*.json")
    }


def test_prediction_of_layers_with_their_own_weights():
    setting = replace(TOY, n=200, batch=400, rate=0.02, epochs=600, hidden=2, scale=0.5)
    found = mlp.collect(mlp.train([setting], range(12), nonlinear_sim.EVERY))
    predicted = nonlinear_sim.predicted_swing(setting, range(12), found["step"], tied=False)
    measured = error_curves.swing(found["ood_loss"][0])
    assert predicted.max() > 0.01
    assert (predicted - measured).abs().max() < 0.02
