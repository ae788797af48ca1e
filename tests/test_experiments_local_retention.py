"""Whether locality goes with retention: the rows, on seeds of which one knows."""

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from lib.book import claims, intervals
from lib.experiments import length_generalization as length
from lib.experiments import length_words, local_retention

TINY = local_retention.Scale(parameters=250_000, steps=3, batch=2, scenes=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retention")
    with pytest.MonkeyPatch.context() as patch:
        few = replace(length.measure.MEASURE, counts=(1, 3, 6))
        patch.setattr(length.measure, "MEASURE", few)
        patch.setattr(length, "SAMPLER", {**length.SAMPLER, "steps": 2})
        patch.setattr(length, "run", partial(length.run, samples=2))
        patch.setattr(length, "observed", partial(length.observed, samples=2))
        for seed in (3, 4):
            local_retention.run(local_retention.Setting(seed), TINY, folder)
    return folder


def test_what_is_kept_says_what_the_rows_need(folder, tmp_path):
    assert local_retention.store(folder, tmp_path) == ["seed3.json", "seed4.json"]
    first, second = local_retention.results(tmp_path)
    assert (first["setting"]["seed"], second["setting"]["seed"]) == (3, 4)
    assert len(first["removed"]) == 2
    assert first["removed"][0] != first["removed"][1]
    assert set(first["counts"]) == {"1", "3", "6"}
    assert len(first["along"]["six"]) == len(first["along"]["steps"])


def test_a_finished_seed_is_not_run_again(folder):
    seeds = [setting.seed for setting, _ in local_retention.missing(folder)]
    assert seeds == list(range(5, 15))


def seed(number, far, six, three=0.9, one=1.0):
    """A network's record with these shares and skills."""

    def counts(skill, n=100):
        hits = np.random.default_rng(number).permutation(np.arange(n) < round(skill * n))
        return {"hits": hits.astype(int).tolist(), "blind": [0] * n, "ceiling": [1] * n}

    return {
        "setting": {"seed": number},
        "counts": {"1": counts(one), "3": counts(three), "6": counts(six)},
        "removed": [far, far + 0.001 * number],
    }


def test_the_rows_hold_a_mechanism_and_not_maturity():
    rng = np.random.default_rng(0)
    ahead = rng.uniform(0.4, 0.9, 12)
    noise = rng.uniform(-0.03, 0.03, (2, 12))
    numbers = enumerate(zip(ahead, *noise, strict=True))
    mature = [seed(k, 0.5 - 0.3 * a + n, a + m, three=a) for k, (a, n, m) in numbers]
    found = local_retention.claims(mature)
    assert intervals.correlation(found["local.retention.plain"]).high < -0.6
    assert intervals.correlation(found["local.retention"]).high > 0  # nothing at equal skill
    far = rng.uniform(0.2, 0.5, 12)
    causal = [seed(k, f, 0.9 - f, three=a) for k, (f, a) in enumerate(zip(far, ahead, strict=True))]
    assert intervals.correlation(local_retention.claims(causal)["local.retention"]).high < -0.6


def test_retention_is_six_over_one_and_its_halves_are_every_second_picture():
    record = seed(1, 0.3, six=0.5, one=0.8)
    assert np.isclose(local_retention.retention(record), 0.5 / 0.8)
    record["counts"]["6"]["hits"] = [1, 0] * 50
    halves = local_retention.claims([record])["local.retention.kept"][0]
    assert np.allclose(halves, [1 / 0.8, 0])
    assert local_retention.claims([record])["local.retention.far"] == [[0.3, 0.301]]


def test_half_way_is_interpolated_in_the_logarithm_of_the_step():
    assert np.isclose(local_retention.half_way([1, 10, 100], [1.0, 0.6, 0.2]), 10)
    assert np.isclose(local_retention.half_way([1, 100], [0.0, 2.0]), 10)
    assert np.isclose(local_retention.half_way([1, 10, 100, 1000], [0, 0.8, 0.4, 1]), 10**0.625)
    with pytest.raises(ValueError, match="no half of it"):
        local_retention.half_way([1, 2], [0.3, 0.3])
    record = {"along": {"steps": [1, 100], "removed": [1, 0], "one": [0, 1], "six": [0, 1]}}
    assert {len(v) for v in local_retention.half_ways([record, record]).values()} == {2}


def kept():
    """What the book keeps, and the ledger's rows of it."""
    rows = claims.committed_rows("experiments/local_retention")
    return local_retention.results(), {row["id"]: row for row in rows}


def test_the_chapter_s_sentences_are_borne_out_and_in_its_words():
    measured, rows = kept()
    assert length_words.untrue(local_retention.statements(measured, rows)) == []
    words = local_retention.in_words(measured, rows)
    assert f"Seeds: {len(measured)}." in words
    assert f"at equal skill at three: {rows['local.retention']['value']:.2f} (" in words


def test_each_of_these_sentences_can_be_untrue_by_name():
    measured, rows = kept()
    told = copy.deepcopy(rows)
    told["local.retention.kept"]["low"], told["local.retention.far"]["low"] = 0.1, -0.1
    late = copy.deepcopy(measured)
    for result in late:
        for name in ("removed", "one"):  # all of their change is made in the end
            values = result["along"][name]
            result["along"][name] = [values[0]] * (len(values) - 1) + [values[-1]]
    found = length_words.untrue(local_retention.statements(late, told))
    for result in late:
        result["along"]["removed"] = list(np.linspace(1, 0, len(result["along"]["removed"])))
        result["along"]["six"] = [0.0] + [1.0] * (len(result["along"]["six"]) - 1)
    found += length_words.untrue(local_retention.statements(late, told))
    names = {one.rpartition(": ")[0] for one in found}
    assert names == set(local_retention.statements(measured, rows))


def test_nothing_is_kept_of_no_skill():
    with pytest.raises(ValueError, match="skill above 0 at one object"):
        local_retention.retention(seed(1, 0.3, six=0.5, one=0.0))
