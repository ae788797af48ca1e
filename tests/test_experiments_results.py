"""What the book keeps of its runs: nothing that intervals need is lost, no claim goes astray."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from lib.book import claims, ledger, runtime
from lib.diffusion import checkpoint, edm, networks, train
from lib.experiments import length_generalization as length
from lib.experiments import length_results
from lib.experiments.length_generalization import Scale, Setting
from lib.scenes import measure

SCALE = Scale(parameters=250_000)


def scored(count, hits, seed, n=40):
    rng = np.random.default_rng([seed, count])
    return {
        "count": count,
        "hits": rng.binomial(count, hits, n).tolist(),
        "blind": rng.binomial(count, 0.1, n).tolist(),
        "ceiling": [count] * n,
        "found": [count] * n,
        "error": (rng.random(n) * 0.02).round(6).tolist(),
    }


def run(setting, hits):
    counts = {str(K): scored(K, hits, setting.seed) for K in range(11)}
    return {
        "setting": asdict(setting),
        "scale": asdict(SCALE),
        "counts": counts,
        "losses": {"40": 0.123456789},
        "training": {"4": {"counts": {"1": counts["1"]}, "locality": {"pixel": [0.123456789]}}},
    }


@pytest.fixture
def runs(tmp_path):
    """Two seeds of two settings, with weights of seed 0, and one run of the search."""
    for pathway, windows, hits in (("window", "local", 0.8), ("window", "all", 0.2)):
        for seed in (0, 1):
            pixels = "local" if windows == "local" else "full"
            setting = Setting("label_one", pathway, pixels, windows, seed=seed)
            stem = tmp_path / "runs" / f"{setting.name}.seed{seed}"
            stem.parent.mkdir(exist_ok=True)
            stem.with_name(stem.name + ".json").write_text(json.dumps(run(setting, hits)))
            made = edm.Preconditioned(length.network(setting, SCALE), 0.2)
            train.save_weights(stem.with_name(stem.name + ".safetensors"), made, {"steps": 1})
    (tmp_path / "search/1.2").mkdir(parents=True)
    (tmp_path / "search/1.2/label_all.vector.seed100.json").write_text('{"training": {}}')
    return tmp_path


def test_what_is_stored_is_what_was_measured_to_the_digits_that_count(runs):
    written = length_results.store(runs / "runs", runs / "search", runs / "kept")
    assert len(written) == 4 + 2 + 1  # measurements, weights of seed 0, the search
    assert (runs / "kept/search/1.2.json").exists()
    kept = length.finished(runs / "kept")
    for name, results in length.finished(runs / "runs").items():
        for ours, theirs in zip(kept[name], results, strict=True):
            for K, numbers in theirs["counts"].items():
                for key in ("count", "hits", "blind", "ceiling", "found"):
                    assert ours["counts"][K][key] == numbers[key]
                assert np.allclose(ours["counts"][K]["error"], numbers["error"], atol=5e-5)
            assert ours["losses"] == {"40": 0.1235}
            assert ours["training"]["4"]["locality"]["pixel"] == [0.12346]
    text = (runs / "kept/label_one.local_local.seed0.json").read_text()
    assert len(text.splitlines()) < 200  # a list of numbers is one line


def test_stored_weights_are_those_of_their_setting(runs):
    length_results.store(runs / "runs", runs / "search", runs / "kept")
    denoiser = length_results.denoiser("label_one.local_local", runs / "kept")
    assert denoiser.network.name.startswith("window.local.local")
    expected = length.network(Setting(pathway="window"), SCALE)
    for found, made in zip(denoiser.network.parameters(), expected.parameters(), strict=True):
        assert torch.equal(found, made.to(torch.bfloat16).float())
    with pytest.raises(FileNotFoundError):
        length_results.denoiser("label_all.vector", runs / "kept")


def test_runs_of_another_scale_and_foreign_weights_are_refused(runs):
    path = runs / "runs/label_one.full_all.seed0"
    weights = path.with_name(path.name + ".safetensors")
    foreign = runs / "runs/label_one.local_local.seed0.safetensors"
    weights.write_bytes(foreign.read_bytes())
    with pytest.raises(ValueError, match=r"is a checkpoint of the network 'window\.local\.local"):
        length_results.store(runs / "runs", runs / "search", runs / "kept")
    path = path.with_name(path.name + ".json")
    result = json.loads(path.read_text())
    path.write_text(json.dumps(result | {"scale": asdict(replace(SCALE, steps=5))}))
    with pytest.raises(ValueError, match="differ in scale"):
        length_results.store(runs / "runs", runs / "search", runs / "kept")


def test_the_book_keeps_all_that_the_first_settings_measured():
    kept = length.finished(length_results.FOLDER)
    assert set(length_results.FIRST) <= set(kept)
    for name, results in kept.items():
        first = length_results.FIRST.get(name)
        seeds = [result["setting"]["seed"] for result in results]
        assert len(set(seeds)) == len(seeds)
        assert first is None or {0, 1, 2} <= set(seeds)
        for result in results:
            assert result["scale"] == asdict(Scale())
            assert set(result["counts"]) == set(map(str, range(11)))
            assert set(map(len_of, result["counts"].values())) == {256}
            assert set(result["training"]) == set(map(str, length.milestones(Scale().steps)))
            for watched in result["training"].values():
                assert set(watched["counts"]) == {"1", "3", "6"}
                assert set(map(len_of, watched["counts"].values())) == {64}
                assert {len(v) for v in watched["locality"].values()} == {5}
                assert set(watched["locality"]) == {"pixel", "moved", "removed"}
            assert result["provenance"]["commit"]


def len_of(scores):
    """For how many pictures there are scores, the same for each of them."""
    (n,) = {len(values) for key, values in scores.items() if key != "count"}
    return n


@pytest.mark.parametrize("name", length_results.FIRST)
def test_the_book_s_weights_are_bfloat16_and_say_where_they_come_from(name):
    denoiser = length_results.denoiser(name)
    assert abs(networks.parameters(denoiser.requires_grad_()) / Scale().parameters - 1) < 0.1
    path = length_results.FOLDER / f"{name}.seed0.safetensors"
    tensors, header = checkpoint.load(path)
    assert {t.dtype for t in tensors.values()} == {torch.bfloat16}
    assert header["setting"] == asdict(length_results.FIRST[name])
    assert header["steps"] == Scale().steps
    assert header["provenance"]["commit"]
    measured = json.loads(path.with_suffix(".json").read_text())
    assert header["provenance"] == measured["provenance"]


def test_the_book_s_weights_are_small():
    sizes = [path.stat().st_size for path in runtime.RESULTS.rglob("*.safetensors")]
    assert len(sizes) >= len(length_results.FIRST)
    assert sum(sizes) <= 16e6


@pytest.fixture
def book(tmp_path, monkeypatch):
    """The ledger with the rows of the runs' settings tested and no others, whatever it says."""
    tested = (
        "length.label_one.local_local",
        "length.label_one.full_all",
        "length.causal",
        "length.detector",
    )
    rows = [
        replace(row, untested="" if row.id.startswith(tested) else row.untested or "not run")
        for row in ledger.ROWS
    ]
    monkeypatch.setattr(ledger, "ROWS", rows)
    monkeypatch.setattr(length_results, "ROWS", rows)
    monkeypatch.setattr(claims.runtime, "RUNS", tmp_path / "claims")
    return rows


def test_claims_are_the_measure_s_numbers(runs, book):
    results = length.finished(runs / "runs")
    found = length_results.record(results)
    for name in ("label_one.local_local", "label_one.full_all"):
        summary = length.summary(results[name])
        ours, theirs = found[f"length.{name}"], summary["counts"][6]
        assert np.isclose(ours.value, theirs["skill"])
        assert ours.n == len(results[name])  # runs; the measure's own interval is over its pictures
        assert ours.low < theirs["low"] < theirs["high"] < ours.high
        assert found[f"length.{name}.kmax"].value == summary["k_max"]["0.8"]
    six = {n: [r["counts"]["6"] for r in results[n]] for n in results}
    expected = measure.difference(
        six["label_one.local_local"], six["label_one.full_all"], torch.Generator().manual_seed(0)
    )
    causal = found["length.causal"]
    assert np.isclose(causal.value, expected[0])
    assert causal.low < expected[1] < expected[2] < causal.high
    assert found["length.detector.k8"].value == 1
    stored = json.loads((runs / "claims/length_generalization/claims.json").read_text())
    assert set(stored["records"]) == set(found)
    assert len(stored["records"]["length.causal"]["less"]) == 2


@pytest.mark.parametrize(
    ("full", "local", "verdict"),
    [(0.1, 0.8, "holds at our scale"), (0.5, 0.8, "does not hold"), (0.1, 0.1, "does not hold")],
)
def test_locality_is_the_cause_only_if_what_sees_everything_fails(book, full, local, verdict):
    results = {
        f"label_one.{windows}": [
            run(Setting("label_one", "window", *windows.split("_"), seed=seed), hits)
            for seed in range(5)
        ]
        for windows, hits in (("full_all", full), ("local_local", local))
    }
    found = length_results.record(results)
    assert (found["length.label_one.full_all"].high < 0.2) == (full == 0.1)
    assert (found["length.causal"].low > 0) == (local > full)
    rows = {row["id"]: row for row in claims.live_rows("experiments/length_generalization")}
    assert rows["length.causal"]["verdict"] == verdict


def test_what_was_run_must_be_what_the_ledger_says(runs, book):
    results = length.finished(runs / "runs")
    with pytest.raises(ValueError, match=r"but not measured: \['length.causal'"):
        length_results.record({"label_one.full_all": results["label_one.full_all"]})
    more = results | {"label_one.map": results["label_one.full_all"]}
    with pytest.raises(ValueError, match=r"declared not tested: \['length.label_one.map'"):
        length_results.record(more)


def test_how_much_farther_a_network_looks_is_taken_seed_by_seed_at_the_end():
    def looks(share, seed):
        at = {s: {"locality": {"pixel": [0, 0, x, 1, 1]}} for s, x in (("4", 0.9), ("40", share))}
        setting = asdict(Setting("label_all", seed=seed))
        return {"setting": setting, "scale": {"steps": 40}, "training": at}

    plain = [looks(0.1, 0), looks(0.3, 1)]
    found = length_results.farther([looks(0.6, 1), looks(0.2, 0)], plain, "pixel")
    assert np.allclose(found, [0.3, 0.1])
