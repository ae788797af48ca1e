"""The layer from measurement to claim: slips that no other test saw, each seen here."""

from dataclasses import replace
from types import SimpleNamespace

import nbformat
import pytest
import torch

from lib import storage
from lib.book import chapter, claims, runtime
from lib.experiments import concept_learning, length_generalization
from lib.experiments import detector as detector_training
from lib.experiments._worlds import CLEVR
from lib.scenes import annotate, detector, render, sample_scenes, scene
from tools import results


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_both_is_the_share_that_is_blue_and_small_at_once():
    places = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    found = concept_learning._summary(places[[0, 1, 2, 3, 3]])
    assert found["share"] == [0.4, 0.4]
    assert found["both"] == 0.2  # one in five, and not the mean of the two shares


def test_the_detector_learns_mirrored_pictures_with_mirrored_places(monkeypatch):
    monkeypatch.setattr(detector_training, "NOISE", 0.0)
    pictures, truth = detector_training.batch(3, generator(5))
    scenes = sample_scenes(3, 0, detector_training.MOST, generator(5))
    assert torch.equal(pictures[:3], render(scenes, detector.SIZE))
    assert torch.equal(pictures[3:], pictures[:3].flip(3))
    assert torch.equal(truth.location[:3], annotate(scenes).location)
    assert torch.allclose(truth.location[3:, :, 0], 1 - truth.location[:3, :, 0])
    assert torch.equal(truth.location[3:, :, 1], truth.location[:3, :, 1])
    assert torch.equal(truth.mask[3:], truth.mask[:3])


def test_noise_levels_of_training_are_those_of_the_reported_runs():
    """Measurements in `lib/results` were made with these: another value needs other results."""
    concept = concept_learning.prepared(concept_learning.Setting(), concept_learning.Scale())
    assert (concept.settings.p_mean, concept.settings.p_std) == (0.5, 1.3)
    length = length_generalization.prepared(
        length_generalization.Setting(), length_generalization.Scale()
    )
    assert (length.settings.p_mean, length.settings.p_std) == (-0.5, 1.4)


def test_each_chunk_of_judged_pictures_has_noise_of_its_own():
    drawn = []

    def draw(scenes, generator):
        drawn.append(torch.randn(3, generator=generator))
        return torch.zeros(len(scenes), 3, 32, 32)

    places = torch.zeros(130, 1, 2), torch.ones(130, 1, dtype=torch.bool)
    world = replace(CLEVR, render=lambda *a: torch.zeros(0), find=lambda pictures: places)
    length_generalization.judge_draws(draw, world, 1, 130, 32, seed=4)
    assert len(drawn) == 3
    assert all((drawn[i] - drawn[j]).abs().min() > 1e-3 for i in range(3) for j in range(i))


def test_objects_keep_clevr_s_distances():
    """0.25 between outlines and 0.4 along the axes, as in CLEVR's generator."""
    assert (scene.MIN_GAP, scene.MARGIN) == (0.25, 0.4)


def one_peak(heat, way):
    """An output with one object's heat in the middle and its way there, in pixels."""
    output = torch.full((1, 3, 32, 32), -20.0)
    output[:, 1:] = 0
    output[0, 0, 16, 16] = torch.logit(torch.tensor(heat))
    output[0, 1:, 16, 16] = torch.tensor(way)
    return lambda pictures: output


@pytest.mark.parametrize(
    ("heat", "way", "found"),
    [
        (0.51, (0.0, 0.0), 1),  # an object in the pixel's middle has a heat of 1: half is asked
        (0.49, (0.0, 0.0), 0),
        (0.35, (0.5, 0.5), 1),  # one in its corner has .68
        (0.33, (0.5, 0.5), 0),
        (0.33, (3.0, 0.0), 0),  # none is farther off than the corner, whatever the network says
    ],
)
def test_how_sure_the_detector_must_be(heat, way, found):
    assert detector.detect(one_peak(heat, way), torch.zeros(1, 3, 32, 32))[1].sum() == found


def test_a_place_off_the_picture_is_put_on_its_edge():
    places, _ = detector.detect(one_peak(0.99, (-40.0, 40.0)), torch.zeros(1, 3, 32, 32))
    assert places[0, 0].tolist() == [0, 1]


def test_a_chapter_forgets_what_it_recorded_before(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "LIVE", tmp_path)
    monkeypatch.setenv("BOOK_BUDGET", "smoke")
    old, other = tmp_path / "01_one.smoke.json", tmp_path / "01_one.laptop.json"
    for path in (old, other):
        path.write_text("{}")
    chapter.start("01_one")
    assert not old.exists()
    assert other.exists()


def test_a_chapter_s_time_is_from_its_first_cell_to_its_last(tmp_path):
    def cell(begin, end):
        made = nbformat.v4.new_code_cell("1")
        names = ("iopub.execute_input", "iopub.status.idle")
        made.metadata["execution"] = {
            name: f"2026-01-01T00:{minute:02d}:00.500000Z"
            for name, minute in zip(names, (begin, end), strict=True)
        }
        return made

    path = tmp_path / "one.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[cell(1, 2), nbformat.v4.new_markdown_cell("x")])
    notebook.cells.append(cell(2, 4))
    nbformat.write(notebook, path)
    assert results.measured(path)["seconds"] == 180


def test_records_are_read_where_the_chapter_wrote_them(tmp_path, monkeypatch):
    """A smoke run's records never pass for a laptop run's."""
    monkeypatch.setattr(claims, "LIVE", tmp_path)
    for name in ("smoke", "laptop"):
        monkeypatch.setattr(runtime, "budget", lambda name=name: SimpleNamespace(name=name))
        assert claims.live_path("01_one") == tmp_path / f"01_one.{name}.json"
    storage.write_json(tmp_path / "01_one.smoke.json", {"a": 1})
    results.copy_claims(tmp_path, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
    storage.write_json(tmp_path / "01_one.laptop.json", {"a": 2})
    results.copy_claims(tmp_path, tmp_path / "kept")
    assert storage.read_json(tmp_path / "kept/01_one.json") == {"a": 2}
