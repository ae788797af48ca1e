"""What the book keeps of its runs: nothing that intervals need is lost, no claim goes astray."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from scipy import stats

from lib import storage
from lib.book import claims, ledger
from lib.diffusion import edm, networks, train
from lib.experiments import length_asking, length_colours, length_generalization, length_results
from lib.experiments.length_generalization import Scale, Setting
from lib.scenes import measure
from lib.storage import checkpoint

RECORDER = "experiments/length_generalization"
SCALE = Scale(parameters=250_000)
COUNTS = measure.MEASURE.counts
WAYS = {"all": 0.2, "nearest": 0.8, "random": 0.3, "mean": 0.25, "composed": 0.6, "paste": 0.9}
LEVELS = {"nearest-below-3": 0.7, "nearest-above-3": 0.15, "glued": 0.85}
EIGHT = {"length.detector.k8": [[(8, 8)] * 2] * 2}  # of two seeds
NOTHING = {}, {}, {}, {}, {}  # of who hears what, of runs at half the rate, of later ones
PAINTERS = {
    "3": {"smeared": 0.9, "recoloured": 0.95, "scissors": 0.2},
    "6": {"smeared": 1.0, "recoloured": 0.85, "scissors": 0.1},
}


def scored(count, hits, seed, n=40):
    rng = np.random.default_rng([seed, count, round(100 * hits)])
    narrow = {
        "hits": rng.binomial(count, hits, n).tolist(),
        "blind": rng.binomial(count, 0.1, n).tolist(),
        "ceiling": rng.binomial(count, 0.97, n).tolist(),
    }
    wide = {
        "hits": rng.binomial(count, min(1, hits + 0.1), n).tolist(),
        "blind": rng.binomial(count, 0.2, n).tolist(),
        "ceiling": [count] * n,
    }
    found = {"found": [count] * n, "error": (rng.random(n) * 0.02).round(6).tolist()}
    return {"count": count, "wide": wide} | narrow | found


def run(setting, hits):
    counts = {str(K): scored(K, 0.95 if K == 1 else hits, setting.seed) for K in COUNTS}
    return {
        "setting": asdict(setting),
        "scale": asdict(SCALE),
        "counts": counts,
        "losses": {"40": 0.123456789},
        "training": {"4": {"counts": {"1": counts["1"]}, "locality": {"pixel": [0.123456789] * 5}}},
    }


def answers(setting, ways=WAYS | LEVELS):
    counts = {}
    for K in (3, 6, 10):
        rng = np.random.default_rng([setting.seed, K])
        looks = {way: rng.normal(h - 0.5, 1, 40).round(3).tolist() for way, h in ways.items()}
        counts[str(K)] = {
            w: scored(K, h, setting.seed) | {"looks": looks[w]} for w, h in ways.items()
        }
        counts[str(K)]["real"] = {"looks": rng.normal(1, 1, 40).round(3).tolist()}
        for part in counts[str(K)].values():
            part["seams"] = rng.normal(0.01, 0.01, 40).round(4).tolist()
    return {"setting": asdict(setting), "scale": asdict(SCALE), "samples": 40, "counts": counts}


FULL_ALL = Setting("label_one", "window", "full", "all")
LOCAL = Setting("label_one", "window")


@pytest.fixture
def runs(tmp_path):
    """Two seeds of two settings, with weights of seed 0, and what was asked of one of them."""
    folder = tmp_path / "runs"
    folder.mkdir()
    for setting, hits in ((LOCAL, 0.8), (FULL_ALL, 0.2)):
        for seed in (0, 1):
            own = replace(setting, seed=seed)
            stem = folder / f"{own.name}.seed{seed}"
            stem.with_name(stem.name + ".json").write_text(json.dumps(run(own, hits)))
            made = edm.Preconditioned(length_generalization.network(own, SCALE), 0.2)
            train.save_weights(stem.with_name(stem.name + ".safetensors"), made, {"steps": 1})
    for seed in (0, 1):
        path = folder / f"asked.{FULL_ALL.name}.seed{seed}.json"
        path.write_text(json.dumps(answers(replace(FULL_ALL, seed=seed))))
    return tmp_path


def independent(scores):
    """Skill, by numpy: the shares of the asked, not sums."""
    share = {n: np.mean(scores[n]) / scores["count"] for n in ("hits", "blind", "ceiling")}
    return (share["hits"] - share["blind"]) / (share["ceiling"] - share["blind"])


@pytest.mark.parametrize("apart", ["half_rate", "third"])
def test_runs_of_another_kind_are_stored_apart_and_without_weights(runs, apart):
    within = runs / "runs" / apart
    within.mkdir()
    slow = replace(Setting(), seed=0)
    name = f"{slow.name}.seed0.json"
    (within / name).write_text(json.dumps(run(slow, 0.5)))
    written = length_generalization.store(runs / "runs", runs / "kept")
    assert f"{apart}/{name}" in written
    assert [path.name for path in (runs / "kept" / apart).iterdir()] == [name]
    assert slow.name not in length_generalization.finished_runs(runs / "kept")
    measured = length_generalization.finished_runs(runs / "kept" / apart)
    assert list(measured) == [slow.name]


def test_what_is_stored_is_what_was_measured_to_the_digits_that_count(runs):
    written = length_generalization.store(runs / "runs", runs / "kept")
    assert sorted(written) == sorted(path.name for path in (runs / "kept").iterdir())
    assert len(written) == 4 + 2 + 2  # measurements, weights of seed 0, what was asked
    kept = length_generalization.finished_runs(runs / "kept")
    for name, results in length_generalization.finished_runs(runs / "runs").items():
        for ours, theirs in zip(kept[name], results, strict=True):
            for K, numbers in theirs["counts"].items():
                for key in ("count", "hits", "blind", "ceiling", "found", "wide"):
                    assert ours["counts"][K][key] == numbers[key]
                assert np.allclose(ours["counts"][K]["error"], numbers["error"], atol=5e-5)
            assert ours["losses"] == {"40": 0.1235}
            assert ours["training"]["4"]["locality"]["pixel"] == [0.12346] * 5
    ours = length_generalization.answers(runs / "kept")[FULL_ALL.name][1]["6"]["paste"]
    theirs = answers(replace(FULL_ALL, seed=1))["counts"]["6"]["paste"]
    assert np.allclose(ours.pop("error"), theirs.pop("error"), atol=5e-5)
    assert ours == theirs
    text = (runs / "kept/label_one.local_local.seed0.json").read_text()
    assert len(text.splitlines()) < 200  # a list of numbers is one line


def test_what_is_not_reported_is_stored_without_weights_and_one_colour_elsewhere(runs):
    wide, red = replace(LOCAL, k=4), replace(LOCAL, data="one_colour")
    for setting in (wide, red):
        path = runs / f"runs/{setting.name}.seed0.json"
        path.write_text(json.dumps(run(setting, 0.5)))
        made = edm.Preconditioned(length_generalization.network(setting, SCALE), 0.2)
        train.save_weights(path.with_suffix(".safetensors"), made, {"steps": 1})
    written = length_generalization.store(runs / "runs", runs / "kept")
    assert [name for name in written if wide.name in name] == [f"{wide.name}.seed0.json"]
    assert not [name for name in written if red.name in name]
    both = [f"{red.name}.seed0{kind}" for kind in (".json", ".safetensors")]
    assert sorted(length_colours.store(runs / "runs", runs / "red")) == both


def test_stored_weights_are_those_of_their_setting(runs):
    length_generalization.store(runs / "runs", runs / "kept")
    denoiser = length_generalization.load_denoiser("label_one.local_local", runs / "kept")
    assert denoiser.network.name.startswith("window.local.local")
    expected = length_generalization.network(LOCAL, SCALE)
    for found, made in zip(denoiser.network.parameters(), expected.parameters(), strict=True):
        assert torch.equal(found, made.to(torch.bfloat16).float())
    with pytest.raises(FileNotFoundError):
        length_generalization.load_denoiser("label_all.vector", runs / "kept")


def test_runs_of_another_scale_and_foreign_weights_are_refused(runs):
    path = runs / "runs/label_one.full_all.seed0"
    weights = path.with_name(path.name + ".safetensors")
    foreign = runs / "runs/label_one.local_local.seed0.safetensors"
    weights.write_bytes(foreign.read_bytes())
    with pytest.raises(ValueError, match=r"is a checkpoint of the network 'window\.local\.local"):
        length_generalization.store(runs / "runs", runs / "kept")
    for name in ("label_one.full_all.seed0.json", "asked.label_one.full_all.seed1.json"):
        path = runs / "runs" / name
        text = path.read_text()
        path.write_text(json.dumps(json.loads(text) | {"scale": asdict(replace(SCALE, steps=5))}))
        with pytest.raises(ValueError, match="differ in scale"):
            length_generalization.store(runs / "runs", runs / "kept")
        path.write_text(text)


def test_skill_and_retention_are_numpy_s(runs):
    results = length_generalization.finished_runs(runs / "runs")["label_one.full_all"]
    for K in (1, 6, 10):
        found = length_results.skills(results, K)
        assert np.allclose(found, [independent(r["counts"][str(K)]) for r in results])
        wide = [independent(r["counts"][str(K)]["wide"] | {"count": K}) for r in results]
        assert np.allclose(length_results.skills(results, K, wide=True), wide)
        assert not np.allclose(found, wide)
    summary = length_generalization.summary(results)
    assert np.allclose(summary["counts"][6]["skills"], length_results.skills(results, 6))
    kept = length_results.retention(results)
    expected = [independent(r["counts"]["6"]) / independent(r["counts"]["1"]) for r in results]
    assert np.allclose(kept, expected)
    assert np.allclose(length_results.retention(results[::-1]), expected[::-1])


def test_the_interval_of_skill_is_the_ledgers():
    """Student's over seeds; of a single one as wide as hits of so many pictures scatter."""
    rng = np.random.default_rng(0)
    hits = [(rng.random(256) < p).astype(int).tolist() for p in (0.4, 0.5, 0.6)]
    flat = {"count": 1, "blind": [0] * 256, "ceiling": [1] * 256, "found": [1] * 256}
    runs = [{"counts": {"1": flat | {"hits": h, "error": [0.0] * 256}}} for h in hits]
    found = length_generalization.summary(runs)["counts"][1]
    each = np.mean(hits, 1)
    ends = stats.t.interval(0.95, 2, each.mean(), stats.sem(each))
    assert np.allclose([found["low"], found["high"]], ends)
    one = length_generalization.summary(runs[:1])["counts"][1]
    half = 1.96 * (each[0] * (1 - each[0]) / 256) ** 0.5
    assert np.allclose([one["low"], one["high"]], [each[0] - half, each[0] + half], atol=0.01)
    none = {"counts": {"0": runs[0]["counts"]["1"] | {"count": 0}}}
    assert length_generalization.summary([none])["counts"][0]["low"] is None


@pytest.mark.parametrize(
    "bad",
    [
        {"hits": [math.nan]},
        {"blind": [math.nan]},
        {"ceiling": [math.inf]},
        {"ceiling": [0]},  # no more than blind ones
    ],
)
def test_what_is_no_skill_is_refused(bad):
    good = {"hits": [1], "blind": [0], "ceiling": [1]}
    assert length_results.skill(good) == 1
    with pytest.raises(ValueError, match="skill needs finite hits"):
        length_results.skill(good | bad)


def test_nothing_is_kept_of_no_skill():
    nothing = {"hits": [0, 0], "blind": [1, 0], "ceiling": [1, 1]}
    all_ = {"hits": [6, 6], "blind": [1, 0], "ceiling": [6, 6]}
    with pytest.raises(ValueError, match="skill above 0 at one object"):
        length_results.retention([{"counts": {"1": nothing, "6": all_}}])


def test_coherence_of_a_way_is_the_share_that_passes():
    part = {"near": {"looks": [-1.0, 0.5, 2.0, 0.0]}, "real": {"looks": [1.0]}}
    assert length_results.coherent(part, "near") == 0.5
    for looks in ([1.0, math.nan], []):
        with pytest.raises(ValueError, match="finite"):
            length_results.coherent({"near": {"looks": looks}}, "near")


@pytest.mark.parametrize("spread", [0.02, 0.05, 0.2])
@pytest.mark.parametrize("middle", [0.0, 0.06, -0.09])
def test_equivalence_is_two_one_sided_tests(middle, spread):
    values = middle + spread * np.random.default_rng(3).normal(size=6)
    above = stats.ttest_1samp(values, -0.1, alternative="greater").pvalue
    below = stats.ttest_1samp(values, 0.1, alternative="less").pvalue
    assert length_results.equivalent(values.tolist()) == (max(above, below) < 0.05)


def test_equivalence_needs_two_finite_differences():
    assert length_results.equivalent([0.05, 0.05])  # no spread at all
    assert not length_results.equivalent([0.15, 0.15])
    for bad in ([0.0], [], [0.0, math.nan]):
        with pytest.raises(ValueError, match="two or more finite differences"):
            length_results.equivalent(bad)


def test_samples_are_those_of_the_rows_and_paired_by_seed(runs):
    results = length_generalization.finished_runs(runs / "runs")
    given = {FULL_ALL.name: {s: answers(replace(FULL_ALL, seed=s))["counts"] for s in (1, 0)}}
    found = length_results.samples(results, given, PAINTERS, *NOTHING)
    six = [given[FULL_ALL.name][seed]["6"] for seed in (1, 0)]
    for way in WAYS:
        assert np.allclose(found[f"length.asked.{way}"], [independent(part[way]) for part in six])
        passed = [np.mean(np.array(part[way]["looks"]) > 0) for part in six]
        assert np.allclose(found[f"length.coherence.{way}"], passed)
    near, chance, plain = (
        np.array([independent(part[way]) for part in six]) for way in ("nearest", "random", "all")
    )
    assert np.allclose(found["length.account.near"], near - chance)
    assert np.allclose(found["length.account.weights"], near - plain)
    looks = [[np.mean(np.array(p[w]["looks"]) > 0) for p in six] for w in ("nearest", "paste")]
    assert np.allclose(found["length.coherence.gain"], np.subtract(*looks))
    below, above = (np.array([independent(part[way]) for part in six]) for way in [*LEVELS][:2])
    assert np.allclose(found["length.level.below"], below - near)
    assert np.allclose(found["length.level.above"], above)
    for name, seeds in results.items():
        assert np.allclose(
            found[f"length.one.{name}"], [independent(r["counts"]["1"]) for r in seeds]
        )
    assert np.allclose(found["length.coherence.real"], [(0.9 + 0.85) / 2])
    assert np.allclose(found["length.coherence.scissors"], [0.15])


def test_experiments_are_compared_by_the_seeds_that_both_have():
    every = {"label_all.vector": (0, 1, 2), "label_one.vector": (2, 1)}
    results = {
        name: [run(Setting(name.split(".")[0], seed=s), 0.2 + 0.1 * s) for s in seeds]
        for name, seeds in every.items()
    }
    found = length_results.samples(results, {}, PAINTERS, *NOTHING)
    kept = {
        name: {
            r["setting"]["seed"]: independent(r["counts"]["6"]) / independent(r["counts"]["1"])
            for r in runs
        }
        for name, runs in results.items()
    }
    expected = [kept["label_all.vector"][s] - kept["label_one.vector"][s] for s in (1, 2)]
    assert np.allclose(found["length.contrast"], expected)
    assert "length.contrast" not in length_results.samples(
        {"label_all.vector": results["label_all.vector"]}, {}, PAINTERS, *NOTHING
    )


def test_six_is_read_where_one_reached_a_level():
    def looked(one, six):
        parts = {"1": one, "6": six}
        scores = {"blind": [0], "ceiling": [10]}
        return {"counts": {K: scores | {"hits": [hits]} for K, hits in parts.items()}}

    seeds = [{"training": {"100": looked(4, 1), "20": looked(2, 0), "300": looked(8, 5)}}] * 2
    assert length_results.six_where_one(seeds, 0.6) == pytest.approx((0.1 + 0.5) / 2)


def test_networks_at_half_the_rate_are_compared_with_the_same_seeds():
    name = "label_all.vector"
    results = {
        name: [run(replace(Setting("label_all"), seed=s), h) for s, h in ((1, 0.4), (2, 0.8))]
    }
    slower = {name: [*results[name][1:], results[name][0] | {"setting": {"seed": 7}}]}
    found = length_results.at_half_the_rate(results, slower)
    assert found["length.rate.more"] == [0.0]  # the same run; the other seed has no pair
    assert found["length.rate.kept"] == length_results.retention(slower[name])
    assert found["length.rate.one"] == found["length.rate.competent"] == []


def test_a_way_that_one_seed_was_not_asked_in_is_not_paired(runs):
    """Rather no number than one of other seeds."""
    results = length_generalization.finished_runs(runs / "runs")
    given = {FULL_ALL.name: {s: answers(replace(FULL_ALL, seed=s))["counts"] for s in (0, 1)}}
    del given[FULL_ALL.name][1]["6"]["random"]
    found = length_results.samples(results, given, PAINTERS, *NOTHING)
    assert "length.asked.random" not in found
    assert "length.account.near" not in found
    assert len(found["length.account.weights"]) == 2
    del given[FULL_ALL.name][1]["6"]  # this seed was interrupted
    found = length_results.samples(results, given, PAINTERS, *NOTHING)
    assert {len(v) for id, v in found.items() if id.startswith("length.asked")} == {1}
    with pytest.raises(ValueError, match="shorter"):
        length_results.less([1.0, 2.0], [1.0])


def test_ways_are_told_a_seed_at_a_time_and_a_seed_not_asked_so_is_left_out():
    seeds = {s: answers(replace(FULL_ALL, seed=s))["counts"] for s in (1, 0)}
    del seeds[0]["6"]["paste"]
    found = length_results.by_way(seeds)
    assert set(found) == {*WAYS, *LEVELS, "real"}
    assert found["real"]["skill"] == []
    seams = [np.mean(seeds[s]["6"]["real"]["seams"]) for s in (0, 1)]
    assert np.allclose(found["real"]["seams"], seams)
    means = length_results.average(found, "skill")
    assert "real" not in means
    assert np.isclose(means["all"], np.mean(found["all"]["skill"]))
    pooled = length_results.pool({1: seeds[1]}, "paste")
    assert np.array_equal(pooled["looks"], seeds[1]["6"]["paste"]["looks"])
    both = length_results.pool(seeds, "all")["seams"]
    assert np.array_equal(both, [v for s in (0, 1) for v in seeds[s]["6"]["all"]["seams"]])
    assert list(length_results.leave_out_first(seeds)) == [1]
    assert np.allclose(found["all"]["skill"], [independent(seeds[s]["6"]["all"]) for s in (0, 1)])
    assert np.allclose(found["paste"]["skill"], [independent(seeds[1]["6"]["paste"])])
    looks = np.array(seeds[1]["6"]["paste"]["looks"])
    assert np.allclose(found["paste"]["coherence"], [(looks > 0).mean()])
    assert length_results.by_way(seeds, 8) == {}


def pooled(looks, seams=(), found=()):
    return {"looks": np.array(looks), "seams": np.array(seams), "found": np.array(found)}


def test_a_lead_at_equal_seams_is_what_seams_do_not_explain():
    these = pooled([1, 1, -1, 1], [0, 1, 2, 3])  # groups below and above 1.5
    others = pooled([-1, 1, 1, -1], [0, 3, 3, 3])
    lead = length_results.lead_at_equal_seams(these, others, 2)
    assert np.isclose(lead, ((1 - 0) + (1 / 2 - 2 / 3)) / 2)
    smooth, rough = np.linspace(0, 1, 600), np.linspace(0, 1, 600) ** 0.5
    looks = [np.where(seams < 0.5, 1.0, -1.0) for seams in (smooth, rough)]  # by seams alone
    assert (looks[0] > 0).mean() - (looks[1] > 0).mean() > 0.2
    explained = length_results.lead_at_equal_seams(
        pooled(looks[0], smooth), pooled(looks[1], rough)
    )
    assert abs(explained) < 0.01
    with pytest.raises(ValueError, match="take fewer"):
        length_results.lead_at_equal_seams(these, pooled([1, 1], [0, 0]), 2)


def test_a_lead_where_as_full_is_of_pairs_that_show_no_less():
    these = pooled([1, -1, -1, 1], found=[3, 1, 2, 6])
    others = pooled([-1, 1, -1, 1], found=[2, 2, 2, 5])
    assert np.isclose(length_results.lead_where_as_full(these, others), 2 / 3 - 1 / 3)
    assert length_results.lead_where_as_full(others, these) == 1 / 2 - 0
    with pytest.raises(ValueError, match="as many objects"):
        length_results.lead_where_as_full(pooled([1], found=[1]), pooled([1], found=[2]))


def test_far_shares_are_of_the_squared_change():
    near = {s: {"1": {"moved": [0.1 * s] * 5}, "3": {"moved": [0.5] * 5}} for s in (1, 2)}
    found = length_results.far_shares(near, (3, 1))
    assert found.shape == (2, 2, 5)
    assert np.allclose(found[:, :, 0], [[0.25, 0.01], [0.25, 0.04]])


def test_networks_are_read_by_the_mean_of_their_seeds():
    """Two objects are composed by the mean, though by one seed only one is."""
    flat = {"blind": [0], "ceiling": [10]}
    hits = {"0": (0, 0), "1": (9, 10), "10": (6, 8), "2": (7, 10)}  # as they are stored
    seeds = [{"counts": {K: flat | {"hits": [h[s]]} for K, h in hits.items()}} for s in (0, 1)]
    found = length_results.by_count(seeds)
    assert list(found.items()) == [(1, [0.9, 1.0]), (2, [0.7, 1.0]), (10, [0.6, 0.8])]
    assert length_results.k_max_of_means(seeds, 0.8) == 2
    assert length_results.k_max_of_means(seeds[:1], 0.8) == 1
    cases = np.array(length_results.cases(scored(6, 0.5, 0)))
    assert np.isclose(np.divide(*cases.sum(0)), independent(scored(6, 0.5, 0)))
    six = {name: [{"counts": {"6": flat | {"hits": [h]}}}] for name, h in (("a", 3), ("b", 9))}
    six["a"].append({"counts": {"6": flat | {"hits": [10]}}})
    assert length_results.best_first(six) == ["b", "a"]


def test_a_seed_that_was_looked_at_before_its_rule_does_not_count(runs):
    seeds = {s: answers(Setting("label_one", seed=s))["counts"] for s in (0, 1, 2)}
    found = length_results.samples({}, {length_results.SEEN_BEFORE: seeds}, PAINTERS, *NOTHING)
    fresh = [seeds[s]["6"] for s in (1, 2)]
    skills = {way: np.array([independent(part[way]) for part in fresh]) for way in fresh[0]
              if way != "real"}  # fmt: skip
    for id, way, other in (
        ("near", "nearest", "random"),
        ("weights", "nearest", "all"),
        ("below", "nearest-below-3", "nearest"),
    ):
        assert np.allclose(found[f"length.again.{id}"], skills[way] - skills[other])
    looks = [[np.mean(np.array(p[w]["looks"]) > 0) for p in fresh] for w in ("nearest", "paste")]
    assert np.allclose(found["length.again.coherence"], np.subtract(*looks))
    passing = [np.mean(np.array(p["glued"]["looks"]) > 0) for p in fresh]
    assert np.allclose(found["length.glue.filled"], skills["glued"] - skills["nearest"])
    assert np.allclose(found["length.glue.lifts"], np.subtract(passing, looks[1]))
    assert np.allclose(found["length.glue.beyond"], np.subtract(looks[0], passing))
    cuts = {w: np.array([np.mean(p[w]["seams"]) for p in fresh]) for w in fresh[0]}
    assert np.allclose(found["length.seams.scissors"], cuts["paste"] - cuts["real"])
    assert np.allclose(found["length.seams.near"], cuts["nearest"] - cuts["real"])
    kept = length_results.kept_near(
        {0: 0.5, 1: 0.8, 5: 1.0}, seeds, "6"
    )  # seed 2 has no skill at 1
    near = [independent(seeds[s]["6"]["nearest"]) for s in (0, 1)]
    assert np.allclose(kept, np.array(near) / [0.5, 0.8])
    with pytest.raises(ValueError, match="above 0 at one object"):
        length_results.kept_near({1: 0.0}, seeds, "6")
    del seeds[2]["6"]["nearest"]["seams"]  # measured before there were any
    found = length_results.samples({}, {length_results.SEEN_BEFORE: seeds}, PAINTERS, *NOTHING)
    assert "length.seams.near" not in found
    assert len(found["length.seams.scissors"]) == 2
    assert not any(id.startswith(("length.asked", "length.level")) for id in found)


def test_a_perfect_drawer_told_so_is_perfect():
    assert length_generalization.perfect_skill(count=2, samples=8) > 0.9


@pytest.fixture
def book(tmp_path, monkeypatch):
    """The ledger with the rows of what was run tested and no others, whatever it says."""
    names = ("label_one.local_local", "label_one.full_all")
    tested = {f"length.{kind}.{name}" for name in names for kind in ("one", "retention")}
    tested |= {f"length.asked.{way}" for way in WAYS}
    tested |= {"length.account.near", "length.account.weights", "length.coherence.gain"}
    tested |= {f"length.coherence.{way}" for way in ("nearest", "paste", "all")}
    tested |= {"length.coherence.real", "length.coherence.scissors", "length.detector.k8"}
    tested |= {"length.told", "length.level.below", "length.level.above"}
    rows = [
        replace(row, untested="" if row.id in tested else row.untested or "not run")
        for row in ledger.ROWS
    ]
    assert tested <= {row.id for row in rows}
    monkeypatch.setattr(ledger, "ROWS", rows)
    monkeypatch.setattr(claims.storage, "RUNS", tmp_path / "claims")
    return tested


def student(values):
    """The mean and the ends of its 95 % interval, by scipy."""
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return np.mean(values), low, high


def test_claims_are_the_samples_and_student_s_intervals(runs, book):
    results = length_generalization.finished_runs(runs / "runs")
    given = {FULL_ALL.name: {s: answers(replace(FULL_ALL, seed=s))["counts"] for s in (0, 1)}}
    measured = length_results.samples(results, given, PAINTERS, *NOTHING) | {"length.told": [0.99]}
    ceilings = [r["counts"]["8"]["ceiling"] for r in results["label_one.full_all"]]
    cases = [[(n, 8) for n in hits] for hits in ceilings]
    found = claims.record_all(RECORDER, measured | {"length.detector.k8": cases})
    assert set(found) == book
    rows = {row.id: row for row in ledger.ROWS}
    for id in book - {"length.detector.k8"}:
        ours = found[id]
        if rows[id].of == "exact":
            assert (ours.value, ours.low, ours.high) == (*measured[id] * 3,)
        else:
            assert np.allclose((ours.value, ours.low, ours.high), student(measured[id]))
            assert ours.n == 2
    assert np.isclose(found["length.detector.k8"].value, np.mean(ceilings) / 8)
    stored = json.loads((runs / "claims/length_generalization/claims.json").read_text())
    assert set(stored["records"]) == set(found)


def test_what_the_ledger_says_was_tested_must_be_measured(runs, book):
    results = length_generalization.finished_runs(runs / "runs")
    measured = length_results.samples(results, {}, PAINTERS, *NOTHING)
    with pytest.raises(ValueError, match=r"but not measured: \['length.account.near'"):
        claims.record_all(RECORDER, measured | EIGHT)
    complete = measured | {id: [0.5, 0.6] for id in book if id not in measured}
    with pytest.raises(ValueError, match=r"length\.told is recorded as exact"):
        claims.record_all(RECORDER, complete | EIGHT)
    bad = complete | {"length.told": [0.99], "length.one.label_one.full_all": [0.9, math.nan]}
    with pytest.raises(ValueError, match="finite"):
        claims.record_all(RECORDER, bad | EIGHT)


def test_an_incompetent_network_makes_no_verdict(book):
    """A setting that cannot draw one object says nothing about six."""

    def verdicts(one, six):
        kept = {f"length.retention.{FULL_ALL.name}": [six - 0.01, six, six + 0.01]}
        kept[f"length.one.{FULL_ALL.name}"] = [one - 0.01, one, one + 0.01]
        others = {id: [0.5, 0.6] for id in book if id not in kept}
        exact = [row.id for row in ledger.ROWS if row.id in book and row.of == "exact"]
        others |= {id: [0.99] for id in exact}
        claims.record_all(RECORDER, others | kept | EIGHT)
        rows = {row["id"]: row for row in claims.live_rows(RECORDER)}
        return rows[f"length.retention.{FULL_ALL.name}"]["verdict"]

    assert verdicts(0.95, 0.1) == "holds at our scale"
    assert verdicts(0.95, 0.9) == "does not hold"
    assert verdicts(0.4, 0.1) == "inconclusive"


def test_every_setting_of_the_tables_has_its_rows():
    rows = {row.id for row in ledger.ROWS if row.recorder == RECORDER}
    for name, setting in length_generalization.SETTINGS.items():
        assert name == setting.name
        assert setting.seed == 0
        assert {f"length.one.{name}", f"length.retention.{name}"} <= rows
    settings = set(length_generalization.SETTINGS)
    assert settings.isdisjoint(length_generalization.BESIDE)
    named = {id.split(".", 2)[2] for id in rows if id.startswith(("length.one.", "length.retent"))}
    assert settings <= named <= settings | set(length_generalization.BESIDE)
    assert length_results.ASKED in settings


# What is in lib/results: whichever settings and seeds are there, they are whole.


def kept():
    return length_generalization.finished_runs(length_generalization.KEPT)


def len_of(scores):
    """For how many pictures there are scores, the same for each of them."""
    lists = [v for k, v in scores.items() if k not in ("count", "wide")]
    (n,) = set(map(len, [*lists, *scores["wide"].values()]))
    return n


def test_the_book_keeps_all_that_its_runs_measured():
    for name, results in kept().items():
        assert name in length_generalization.SETTINGS | length_generalization.BESIDE
        for result in results:
            scale = length_generalization.reported(Setting(**result["setting"]))
            assert result["scale"] == asdict(scale)
            assert set(result["counts"]) == set(map(str, COUNTS))
            assert set(map(len_of, result["counts"].values())) == {measure.MEASURE.samples}
            assert all(int(K) == scores["count"] for K, scores in result["counts"].items())
            due = length_generalization.milestones(scale.steps)
            assert set(result["training"]) == set(map(str, due))
            for watched in result["training"].values():
                assert set(watched["counts"]) == {"1", "3", "6"}
                assert set(map(len_of, watched["counts"].values())) == {32}
                assert {len(v) for v in watched["locality"].values()} == {5}
                assert set(watched["locality"]) == {"pixel", "moved", "removed"}
            assert result["provenance"]["commit"]


def test_all_settings_were_asked_for_the_same():
    """Differences are paired by seed: the requests, and so the ceilings, are those of the seed."""
    ceilings: dict[int, set] = {}
    for results in kept().values():
        for result in results:
            numbers = json.dumps([result["counts"][str(K)]["ceiling"] for K in COUNTS])
            ceilings.setdefault(result["setting"]["seed"], set()).add(numbers)
    assert set(map(len, ceilings.values())) <= {1}
    assert len(set.union(set(), *ceilings.values())) == len(ceilings)  # other seeds, other requests


def test_the_book_keeps_all_that_was_asked_of_weights():
    for name, seeds in length_generalization.answers().items():
        assert set(seeds) <= {result["setting"]["seed"] for result in kept()[name]}
        for counts in seeds.values():
            assert set(counts) <= {"1", *map(str, length_asking.Scale().counts)}
            assert "6" in counts
            for count, by_way in counts.items():
                assert "real" in by_way
                for way, scores in by_way.items():
                    assert len(scores["looks"]) == length_asking.SAMPLES
                    assert np.isfinite(scores["looks"]).all()
                    assert way == "real" or len(scores["hits"]) == length_asking.SAMPLES
                    assert way == "real" or scores["count"] == int(count)


def test_the_book_s_weights_are_bfloat16_small_and_say_where_they_come_from():
    paths = sorted(length_generalization.KEPT.glob("*.safetensors"))
    shown = (*length_generalization.SETTINGS, *length_results.DRAWN_BESIDE)
    of_tables = ((name, kept().get(name, [])) for name in shown)
    first = [n for n, results in of_tables if any(r["setting"]["seed"] == 0 for r in results)]
    assert {path.name for path in paths} == {f"{name}.seed0.safetensors" for name in first}
    for path in paths:
        assert path.stat().st_size <= 1.2e6, path.name
        name = path.name.removesuffix(".seed0.safetensors")
        denoiser = length_generalization.load_denoiser(name)
        assert abs(networks.parameters(denoiser.requires_grad_()) / Scale().parameters - 1) < 0.1
        tensors, header = checkpoint.load(path)
        assert {t.dtype for t in tensors.values()} == {torch.bfloat16}
        assert all(t.isfinite().all() for t in tensors.values())
        setting = (length_generalization.SETTINGS | length_generalization.BESIDE)[name]
        assert header["setting"] == asdict(setting)
        scale = length_generalization.reported(setting)
        assert header["scale"] == asdict(scale)
        assert header["steps"] == scale.steps
        measured = json.loads(path.with_suffix(".json").read_text())
        assert header["provenance"] == measured["provenance"]


def test_all_of_the_book_s_weights_together_are_small():
    sizes = [path.stat().st_size for path in storage.RESULTS.rglob("*.safetensors")]
    assert sum(sizes) <= 19e6


def test_seeing_near_is_compared_seed_by_seed():
    """Runs of one seed are paired whatever their order, and who was not asked is left out."""

    def exact(hits):
        return {"hits": [hits], "blind": [0], "ceiling": [1]}

    def run(six, far):
        counts = {"1": exact(1.0), "6": exact(six)}
        pixel = [0, 0, 0, far, 0]
        return {"counts": counts, "training": {"9": _pixel([1] * 5), "30": _pixel(pixel)}}

    runs = {
        "label_one.full_local": {0: run(0.5, 0.2), 2: run(0.7, 0.4)},
        "label_one.local_local": {2: run(0.75, 0.9), 1: run(0.1, 0.9), 0: run(0.25, 0.9)},
    }
    looks = {"label_one.full_local": [1, 1, -1, -1], "label_one.local_local": [1, -1, -1, -1]}
    answers = {n: {0: {"6": {"all": {"looks": row}}}, 2: {"6": {}}} for n, row in looks.items()}
    found = length_results.seeing(runs, answers)
    assert found["length.pixels.far"] == [0.2, 0.4]
    kept = length_results.less_of_runs(runs)
    assert kept == {"length.pixels.kept": pytest.approx([-0.25, 0.05])}
    assert found["length.pixels.coherence"] == [-0.25]
    assert length_results.seeing({}, {}) == {}


def _pixel(shares):
    return {"locality": {"pixel": shares}}
