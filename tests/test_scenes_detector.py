"""The detector: its decoding on outputs that are known, its stored weights on new pictures."""

import json

import pytest
import torch

from lib.experiments import detector as experiment
from lib.scenes import Annotations, annotate, render, sample_scenes
from lib.scenes.detector import NEAR, SIZE, SPREAD, WEIGHTS, Detector, detect, load, loss
from lib.scenes.labelling import label_all, request_scenes
from lib.scenes.measure import MEASURE, matched, raw_scores


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def perfect(places):
    """The output (1, 3, 32, 32) that objects at places (K, 2) should have."""
    middles = torch.cartesian_prod(torch.arange(SIZE), torch.arange(SIZE)).flip(1) + 0.5
    way = places[:, None] * SIZE - middles  # (K, 1024, 2)
    distance, nearest = way.square().sum(-1).min(0)
    logit = torch.logit(torch.exp(-distance / (2 * SPREAD**2)), eps=1e-6)
    way = way[nearest, torch.arange(SIZE**2)]
    return torch.cat([logit[:, None], way], 1).T.reshape(1, 3, SIZE, SIZE)


def truth(places, visibility=None):
    mask = torch.ones(1, len(places), dtype=torch.bool)
    visibility = torch.ones(1, len(places)) if visibility is None else visibility
    return Annotations(places[None], torch.ones(1, len(places)), visibility, mask)


PLACES = torch.tensor([[0.11, 0.49], [0.51, 0.515], [0.99, 0.01], [0.59, 0.52], [0.24, 0.76]])


def test_objects_are_found_where_the_output_says():
    found, mask = detect(lambda _: perfect(PLACES), torch.zeros(1, 3, 32, 32))
    assert mask.sum() == len(PLACES)
    assert len(matched(found[0], PLACES, 1e-4)) == len(PLACES)


@pytest.mark.parametrize(
    "peaks",
    [
        {(8, 8): 30.0, (8, 9): 20.0},  # both are 1 after a sigmoid
        {(8, 8): 5.0, (8, 9): 5.0},
        {(8, 8): 40.0, (8, 9): 40.0, (9, 8): 40.0, (9, 9): 40.0},
        {(8, column): 30.0 for column in range(8, 14)},  # a ridge without a top
    ],
    ids=["saturated", "equal", "square", "ridge"],
)
def test_neighbours_that_are_equally_sure_are_one_object(peaks):
    output = torch.zeros(1, 3, SIZE, SIZE)
    output[:, 0] = -10
    for (row, column), logit in peaks.items():
        output[0, 0, row, column] = logit
    output[0, 0, 20, 20] = 30.0  # another, elsewhere
    assert detect(lambda _: output, torch.zeros(1, 3, 32, 32))[1].sum() == 2


def test_a_score_counts_wherever_in_its_pixel_an_object_lies():
    """A heat 0.6 times as high as a sure object's is found at a threshold of 0.5, not of 0.7."""
    for place in torch.rand(20, 1, 2, generator=generator()):
        output = perfect(place)
        output[:, 0] = torch.logit(0.6 * output[:, 0].sigmoid())
        assert detect(lambda _, o=output: o, torch.zeros(1, 3, 32, 32), 0.5)[1].sum() == 1
        assert detect(lambda _, o=output: o, torch.zeros(1, 3, 32, 32), 0.7)[1].sum() == 0


@pytest.mark.parametrize("way", [(0.5, 0.5), (0.5, -0.5), (2.0, 0.0)])
def test_a_sure_object_at_its_pixel_s_corner_has_two_thirds_of_the_heat(way):
    """exp(-0.5 / (2 * 0.8^2)) = 0.677 in pixels, and no less: so half of it is the threshold."""
    for heat, count in ((0.333, 0), (0.344, 1)):
        output = torch.full((1, 3, SIZE, SIZE), -9.0)
        output[0, 1:] = torch.tensor(way)[:, None, None]
        output[0, 0, 12, 20] = torch.logit(torch.tensor(heat))
        assert detect(lambda _, o=output: o, torch.zeros(1, 3, 32, 32))[1].sum() == count


def test_no_pictures_show_nothing():
    found, mask = detect(lambda pictures: pictures, torch.zeros(0, 3, 32, 32))
    assert found.shape == (0, 0, 2)
    assert mask.shape == (0, 0)


def test_pictures_with_few_and_no_objects():
    outputs = torch.cat([perfect(PLACES[:1]), perfect(PLACES), torch.full((1, 3, 32, 32), -9.0)])
    found, mask = detect(lambda _: outputs, torch.zeros(3, 3, 32, 32))
    assert found.shape == (3, 5, 2)
    assert mask.sum(1).tolist() == [1, 5, 0]
    nothing, mask = detect(lambda _: outputs[2:], torch.zeros(1, 3, 32, 32))
    assert nothing.shape == (1, 0, 2)


def test_the_loss_is_least_where_the_output_is_right():
    right = perfect(PLACES)
    least = loss(right, truth(PLACES))
    for change in (0.3, -0.3):
        for channel in range(3):
            wrong = right.clone()
            wrong[:, channel] += change
            assert loss(wrong, truth(PLACES)) > least
    assert loss(perfect(PLACES[:4]), truth(PLACES)) > 2 * least


def test_a_way_that_is_off_costs_a_tenth_of_it_near_objects():
    """Two pixels too far in one direction: 1.5 by the smooth loss, at the pixels within NEAR."""
    right = perfect(PLACES)
    off = right.clone()
    off[:, 1] += 2
    near = sum((w**2).sum() < NEAR**2 for w in right[0, 1:].flatten(1).T)
    expected = 0.1 * 1.5 * float(near) / SIZE**2
    found = float(loss(off, truth(PLACES)) - loss(right, truth(PLACES)))
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_heavily_hidden_object_is_neither_right_nor_wrong():
    hidden = torch.ones(1, 5)
    hidden[0, 4] = MEASURE.visible - 0.01  # alone in its corner
    labelled = truth(PLACES, hidden)
    found, missed = loss(perfect(PLACES), labelled), loss(perfect(PLACES[:4]), labelled)
    assert abs(found - missed) < 0.02 * loss(perfect(PLACES[:4]), truth(PLACES))


def test_the_stored_detector_finds_what_new_pictures_show():
    network = load()
    for count, least in ((1, 0.97), (4, 0.95), (8, 0.85)):
        scenes = request_scenes(100, count, generator(count))
        request = label_all(scenes)
        found = detect(network, render(scenes, 32))
        record = raw_scores(found, request, found)
        assert sum(record["hits"]) / (100 * count) > least
        assert sum(record["found"]) - sum(record["hits"]) < 10 * count
        assert sum(record["blind"]) / (100 * count) < 0.4


def test_larger_pictures_and_no_objects():
    network = load()
    scenes = sample_scenes(40, 3, 3, generator(7))
    found = detect(network, render(scenes, 64))
    hits = sum(
        len(matched(p[m], place))
        for p, m, place in zip(*found, annotate(scenes).location, strict=True)
    )
    assert hits > 0.93 * 120
    _, mask = detect(network, render(sample_scenes(40, 0, 0, generator()), 32))
    assert mask.sum() <= 2


def test_a_measurement_counts_hits_and_what_is_found_besides(monkeypatch):
    """Of three pictures of two objects one shows an extra one, and one lacks one: by hand."""
    scenes = request_scenes(3, 2, experiment.stream(6, 2, 1, experiment.device()))
    places, _ = label_all(scenes)
    extra = 1 - places[:, :1]  # far from one of the two at least, and outside no picture
    found = torch.cat([places, extra], 1), torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0]]).bool()
    monkeypatch.setattr(experiment, "detect", lambda network, pictures: found)
    monkeypatch.setattr(experiment, "MOST", 2)
    (row,) = experiment.measure(None, 3, 5, [2])
    assert row["hits"] == pytest.approx(5 / 6)
    assert row["false"] == pytest.approx(1 / 3)
    assert row["exact"] == pytest.approx(1 / 3)
    assert row["error"] == pytest.approx(0, abs=1e-6)


def test_of_no_objects_none_is_hit_and_scenes_are_of_the_next_seed(monkeypatch):
    """Not of the seed itself, with which it was trained."""
    streams, draw = [], experiment.request_scenes
    monkeypatch.setattr(
        experiment,
        "request_scenes",
        lambda n, count, numbers: streams.append(numbers.initial_seed()) or draw(n, count, numbers),
    )
    found = torch.full((3, 1, 2), 0.5), torch.tensor([[True], [False], [True]])
    monkeypatch.setattr(experiment, "detect", lambda network, pictures: found)
    (row,) = experiment.measure(None, 3, 5, [0])
    assert streams == [experiment.stream(6, 0, 1).initial_seed()]
    nothing = dict.fromkeys(("hits", "blind", "error"))
    assert row == nothing | {
        "count": 0,
        "false": pytest.approx(2 / 3),
        "exact": pytest.approx(1 / 3),
    }


def test_stored_measurements_are_of_the_stored_weights():
    stored = json.loads(WEIGHTS.with_suffix(".json").read_text())
    made = stored["provenance"]["settings"]
    assert made == {"seed": 0, "steps": experiment.Scale().steps, "batch": experiment.Scale().batch}
    assert WEIGHTS.stat().st_size < 1e6
    assert [row["count"] for row in stored["rows"]] == list(range(13))
    row = experiment.measure(load(), 100, 1, [6])[0]
    assert abs(row["hits"] - stored["rows"][6]["hits"]) < 0.03
    assert abs(row["blind"] - stored["rows"][6]["blind"]) < 0.06


def test_bad_input(tmp_path):
    network = Detector()
    for shape in ((3, 32, 32), (1, 1, 32, 32), (1, 3, 32, 64)):
        with pytest.raises(ValueError, match=r"\(B, 3, S, S\)"):
            detect(network, torch.zeros(shape))
    for size in (40, 0):
        with pytest.raises(ValueError, match=f"multiple of 32: {size}"):
            detect(network, torch.zeros(1, 3, size, size))
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    (tmp_path / "half").write_bytes(WEIGHTS.read_bytes()[:1000])
    with pytest.raises(ValueError, match="cut short"):
        load(tmp_path / "half")
