"""How local answers are, by the number of requests."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from lib.diffusion import edm, train
from lib.experiments import length_asking, length_results, local_scores
from lib.experiments import length_generalization as length
from lib.experiments import length_locality as near
from lib.experiments.length_generalization import LEVELS, Scale, Setting
from lib.scenes import labelling

SCALE = Scale(parameters=250_000, steps=3, batch=2)
LOCAL = Setting("label_one", "window", seed=3)
RUN, FEW = near.Setting(LOCAL.name, 3), near.Scale((1, 2), 2)


@pytest.fixture
def folder(tmp_path):
    """A network that hears near, as if it had been trained."""
    made = edm.Preconditioned(length.network(LOCAL, SCALE), 0.2)
    stem = tmp_path / f"{LOCAL.name}.seed3"
    train.save_weights(stem.with_name(stem.name + ".safetensors"), made, {})
    text = json.dumps({"setting": asdict(LOCAL), "scale": asdict(SCALE)})
    stem.with_name(stem.name + ".json").write_text(text)
    return tmp_path


def test_a_network_that_hears_near_is_local_at_every_number(folder):
    found = near.run(RUN, FEW, folder)
    assert length.answers(folder, "local") == {LOCAL.name: {3: found["counts"]}}
    for counts in found["counts"].values():
        assert {len(values) for values in counts.values()} == {len(LEVELS)}
        assert np.allclose(counts["moved"], 0, atol=1e-3)
    assert length_results.outside(found["counts"], 2) == found["counts"]["2"]["moved"][2]


def test_rows_are_of_fresh_runs_alone():
    def counts(one, three):
        return {"1": {"moved": [9, 9, one, 9, 9]}, "3": {"moved": [9, 9, three, 9, 9]}}

    measured = {
        "label_one.vector": {0: counts(9, 9), 2: counts(0.2, 0.5), 1: counts(0.1, 0.3)},
        "label_one.full_all": {1: counts(0.3, 0.7)},
        "label_all.vector": {0: counts(9, 9), 1: counts(0.2, 0.25), 3: counts(9, 9)},
    }
    found = length_results.local(measured, {})
    assert found["length.local.one"] == [0.1, 0.2]
    assert found["length.local.one.all"] == [0.3]
    assert np.allclose(found["length.local.grows"], [0.2 - 0.05])  # of the seeds that both have
    assert np.allclose(found["length.local.grows.all"], [0.4 - 0.05])
    assert length_results.local({"label_one.vector": {0: counts(0.1, 0.2)}}, {}) == {}
    deaf = {"label_one.vector": {1: counts(0, 0)}}
    assert length_results.local(deaf, {}) == {"length.local.one": [0]}  # which competence must gate


def test_networks_are_compared_at_six_by_the_seeds_that_both_have():
    def measured(**six):
        return {
            name.replace("__", "."): {
                s: {"6": {"removed": [9, 9, value, 9, 9]}} for s, value in seeds.items()
            }
            for name, seeds in six.items()
        }

    found = length_results.less_of_six(
        measured(
            label_one__vector={0: 0.8, 1: 0.9, 2: 0.75},
            label_all__map={0: 0.1, 2: 0.5, 3: 1},
            label_one__attending={0: 0.2, 2: 0.25},
            label_one__product={0: 0.5, 4: 0.1},
            label_all__vector={0: 0.5, 1: 0.5},
            label_all__attending={0: 0.25},
        )
        | {"label_one.full_all": {0: {"1": {}}}},
        measured(label_all__vector={1: 0.375}),
    )
    assert {id: pytest.approx(values) for id, values in found.items()} == {
        "local.generalise": [0.25],  # the first seed of these two was seen before the rule
        "local.generalise.rows": [0.5],
        "local.generalise.products": [0.3],
        "local.generalise.all": [0.25],
        "local.generalise.rate": [0.125],
    }


def test_own_and_other_requests_count_in_units_of_what_is_said():
    def counting(x, sigma, told):  # the mean picture, and a tenth more for each request
        return mean + 0.1 * told[1].sum(1).view(-1, 1, 1, 1).expand_as(x)

    mean = local_scores.mean_picture()
    found = near.at_its_place(counting, Setting(seed=3))
    assert np.allclose(found["own"], 1 / 6, atol=1e-4)
    assert np.allclose(found["others"], 5 / 6, atol=1e-4)
    assert {len(values) for values in found.values()} == {len(LEVELS)}


def test_no_run_and_other_weights_are_refused(folder):
    with pytest.raises(FileNotFoundError):
        near.run(near.Setting(LOCAL.name, 4), FEW, folder)
    path = folder / f"{LOCAL.name}.seed3.json"
    other = asdict(Setting("label_one", seed=3))
    path.write_text(json.dumps({"setting": other, "scale": asdict(SCALE)}))
    with pytest.raises(ValueError, match="network"):
        near.run(RUN, FEW, folder)


def test_what_one_request_adds_far_away_is_none_of_a_spot_and_the_rest_by_hand():
    spots = edm.Preconditioned(length.network(Setting(pathway="map"), SCALE), 0.2)
    assert abs(near.added_outside(spots, 3)) < 1e-6
    rows = edm.Preconditioned(length.network(Setting(), SCALE), 0.2)
    scenes, x = length_asking.scenes_and_noise(1, length_asking.FIRST + 3)
    places, mask = labelling.label_all(scenes)
    pathway, far, all_ = rows.network.condition, 0.0, 0.0
    with torch.no_grad():
        change = pathway((places, mask), x)[1] - pathway((places, ~mask), x)[1]
    for picture, (column, row) in zip(change, (places[:, 0] * 16).long().tolist(), strict=True):
        square = picture.square().sum(0)
        inside = square[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3].sum()
        all_ += float(square.sum())
        far += float(square.sum() - inside)
    assert near.added_outside(rows, 3) == pytest.approx(far / all_, rel=1e-4)
    assert 0.1 < far / all_ < 1


def test_whom_cells_attend_to_by_hand():
    network = length.network(Setting(pathway="attending"), SCALE)
    torch.nn.init.normal_(network.condition.attends, generator=torch.Generator().manual_seed(0))
    scenes, x = length_asking.scenes_and_noise(3, length_asking.FIRST + 3)
    places, mask = labelling.label_all(scenes)
    with torch.no_grad():
        weights = network.condition.attention((places, mask), x)
    middles = (torch.arange(16) + 0.5) / 16
    at, far, to_nearest = [], [], 0.0
    for picture, where in zip(weights, places, strict=True):
        away = (middles[:, None] - where[:, 1, None, None]).square() + (
            middles - where[:, 0, None, None]
        ).square()
        to_nearest += float((picture * (away == away.amin(0))).sum())
        for part, (column, row) in zip(picture, (where * 16).long().tolist(), strict=True):
            at.append(float(part[row, column]))
            outside = torch.ones(16, 16, dtype=torch.bool)
            outside[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3] = False
            far += part[outside].tolist()
    found = near.attention_shares(edm.Preconditioned(network, 0.2), 3, 3)
    assert found["at"] == pytest.approx(sum(at) / len(at), rel=1e-4)
    assert found["elsewhere"] == pytest.approx(sum(far) / len(far), rel=1e-4)
    assert found["nearest"] == pytest.approx(to_nearest / float(weights.sum()), rel=1e-4)
    assert abs(found["at"] - found["elsewhere"]) > 1e-3
