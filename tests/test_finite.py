"""A failure is no measurement: what is not finite raises, by name, wherever something is measured.

Each of these once went through as a number, and often as the best one: NaN compares as false, so
that it lies outside nothing, matches nothing and exceeds nothing.
"""

import ast
import math
import re

import nbformat
import numpy as np
import pytest
import torch

from lib import storage
from lib.concepts import classifier, trajectory
from lib.diffusion import edm
from lib.diffusion.train import Settings, Training
from lib.exact import discs, feature, row
from lib.exact.flow import probability_flow
from lib.experiments import classifier as classifier_training
from lib.experiments import concept_learning, local_features, nonlinear_sim
from lib.experiments import detector as detector_training
from lib.locality import outside_share
from lib.scenes import coherence, colours, detector, measure
from tests.conftest import ROOT
from tests.test_diffusion_train import batch, denoiser, weights

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_maps_of_locality(bad):
    inside = torch.tensor([True, False])
    for place in (0, 1):
        maps = torch.ones(2)
        maps[place] = bad
        with pytest.raises(ValueError, match="maps are not finite: 1 of 2"):
            outside_share(maps, inside)


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_jacobians_of_blocks(bad):
    """NaN is not above 0: such a matrix was read as one that is zero throughout."""
    for place in ((0, 0), (0, 1)):
        jacobians = torch.eye(2).repeat(3, 1, 1)
        jacobians[1][place] = bad
        with pytest.raises(ValueError, match="jacobians are not finite: 1 of 12"):
            feature.off_block(jacobians, [[0], [1]])


@pytest.mark.parametrize("bad", [NAN, INF])
def test_pictures_in_which_objects_are_looked_for(bad):
    pictures = torch.zeros(3, 3, 32, 32)
    pictures[1, 0, 5, 5] = bad
    with pytest.raises(ValueError, match="not finite: 1 of 3, first 1"):
        detector.detect(detector.Detector(), pictures)
    with pytest.raises(ValueError, match="not finite: 1 of 3, first 1"):
        classifier.read(classifier.Finder(), pictures)
    with pytest.raises(ValueError, match="finite"):
        discs.find(pictures)


@pytest.mark.parametrize("bad", [NAN, INF])
def test_networks_that_look_at_pictures_and_say_no_number(bad):
    """As after a training that went wrong: nothing found in any picture is no failure of those."""
    pictures = torch.rand(3, 3, 32, 32)

    def spoilt(network):
        def forward(shown):
            output = network(shown)
            output[1] = bad
            return output

        return forward

    for read in (
        lambda: detector.detect(spoilt(detector.Detector()), pictures),
        lambda: classifier.read(spoilt(classifier.Finder()), pictures),
    ):
        with pytest.raises(ValueError, match="the network's outputs are not finite: 1 of 3, fir"):
            read()


@pytest.mark.parametrize("bad", [NAN, -INF])
def test_pictures_whose_colours_and_seams_are_read(bad):
    pixels, colour = torch.rand(16, 3), torch.arange(16) % 8
    rule = colours.fitted(pixels, colour)
    pixels[3, 1] = bad
    for read in (colours.fitted, lambda pixels, _: colours.read(rule, pixels)):
        with pytest.raises(ValueError, match="pixels are not finite: 1 of 16"):
            read(pixels, colour)
    pictures, owners = torch.zeros(2, 3, 8, 8), (torch.arange(8) > 3).long().expand(2, 8, 8)
    pictures[1, 0, 0, 0] = bad  # off every border
    with pytest.raises(ValueError, match="not finite"):
        coherence.seams(pictures, owners)


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_what_is_stored_is_finite_or_nothing_is(bad, tmp_path):
    """Whatever an experiment measures goes through these two."""
    path = tmp_path / "run.json"
    storage.write_json(path, {"good": [1.0]})
    for write in (storage.write_json, lambda *to: storage.write_numbers(*to, {"b": 3})):
        with pytest.raises(ValueError, match=rf"run\.json is not written: a / b / 1 is {bad}, not"):
            write(path, {"a": {"b": [0.5, bad]}, "c": (1.0,)})
        assert storage.read_json(path) == {"good": [1.0]}


def places(*values):
    """Two pictures, one place each."""
    return torch.tensor(values).reshape(2, 1, 2), torch.ones(2, 1, dtype=torch.bool)


GOOD, BAD = places(0.1, 0.2, 0.3, 0.4), places(0.1, 0.2, NAN, 0.4)


@pytest.mark.parametrize("which", range(3))
def test_places_that_are_scored(which):
    found_asked_real = [BAD if k == which else GOOD for k in range(3)]
    with pytest.raises(ValueError, match=r"not finite|outside the picture"):
        measure.raw_scores(*found_asked_real)


def test_a_place_that_is_masked_is_none():
    """Detections come padded; what stands in a slot without an object does not matter."""
    found = BAD[0], torch.tensor([[True], [False]])
    assert measure.raw_scores(found, GOOD, GOOD)["found"] == [1, 0]


def test_places_that_are_tallied():
    for found, asked in ((BAD, GOOD), (GOOD, BAD)):
        with pytest.raises(ValueError, match="is not finite"):
            measure.tally(list(found[0]), *asked)


@pytest.mark.parametrize("name", ["hits", "blind", "ceiling", "found", "error"])
def test_numbers_that_are_summed_up(name):
    seeds = [measure.raw_scores(GOOD, GOOD, GOOD) for _ in range(2)]
    measure.summary(seeds)
    seeds[1][name][0] = NAN
    with pytest.raises(ValueError, match=f"{name} of K = 1 are not finite"):
        measure.summary(seeds)


def test_bounds_of_what_a_network_composes():
    assert measure.k_max({1: 0.9, 2: 0.85, 3: 0.1}) == 2
    with pytest.raises(ValueError, match="must be finite"):
        measure.k_max({1: 0.9, 2: NAN})


@pytest.mark.parametrize("bad", [NAN, INF])
def test_training_stops_at_the_step_and_keeps_nothing_of_it(bad, tmp_path):
    calls = []

    def spoilt(generator):
        calls.append(0)
        pictures, conditions = batch(generator)
        return (pictures * bad if len(calls) == 4 else pictures), conditions

    training = Training(denoiser(), spoilt, Settings(6, precision="float32"))
    run = training.run(tmp_path / "state", save_every=1)
    assert [next(run)["step"] for _ in range(3)] == [1, 2, 3]
    before = weights(training.denoiser).clone(), weights(training.averaged).clone()
    with pytest.raises(FloatingPointError, match="step 4: the loss is"):
        next(run)
    assert training.step == 3
    assert torch.equal(weights(training.denoiser), before[0])
    assert torch.equal(weights(training.averaged), before[1])
    # Whoever mends the data goes on from the step before.
    again = Training(denoiser(1), batch, Settings(6, precision="float32"))
    assert [r["step"] for r in again.run(tmp_path / "state")] == [4, 5, 6]
    assert weights(again.averaged).isfinite().all()


def test_a_gradient_that_overflows_stops_training_too(monkeypatch):
    training = Training(denoiser(), batch, Settings(6, precision="float32"))
    next(training.run())
    before = weights(training.denoiser).clone()
    parameter = next(training.denoiser.parameters())
    parameter.register_hook(lambda gradient: gradient * INF)
    with pytest.raises(FloatingPointError, match=r"step 2: the loss is [\d.]+ and its gradient"):
        next(training.run())
    assert torch.equal(weights(training.denoiser), before)


def test_samples_and_flows():
    noise = torch.randn(4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def lost(x, sigma, conditions=None):
        return torch.where(torch.arange(len(x))[:, None] == 1, x * NAN, x)

    with pytest.raises(FloatingPointError, match="1 of 4 samples are not finite after 5 steps"):
        edm.sample(lost, noise, steps=5)
    with pytest.raises(FloatingPointError, match="not finite at noise level 1"):
        probability_flow(lambda x, s, c: x * (NAN if s <= 1 else 1), noise, [3.0, 2.0, 1.0, 0.5])


def test_rows_in_which_objects_are_counted():
    x = torch.ones(2, 16)
    x[1, 3] = NAN
    with pytest.raises(ValueError, match="must be finite"):
        row.Row(16).hits(x, (2,))


def test_paths_through_concept_space():
    path = np.zeros((5, 2))
    path[3, 1] = NAN
    for reads in (trajectory.error, trajectory.bend, trajectory.largest_rise):
        with pytest.raises(ValueError, match=r"its place at \[3\] is not"):
            reads(path)
    with pytest.raises(ValueError, match=r"its place at \[3\] is not"):
        trajectory.first_passing(path, np.arange(5))
    with pytest.raises(ValueError, match="finite and positive"):
        trajectory.decay(np.arange(1, 7), [6, 5, 4, 3, NAN, 1])


def test_a_run_whose_swing_is_no_number_is_not_one_that_does_not_swing():
    good = {"swing": [0.5, 0.0], "jitter": [0.0, 0.0]}
    assert nonlinear_sim.swings(good).tolist() == [True, False]
    for name in good:
        with pytest.raises(ValueError, match="run 1 is not finite"):
            nonlinear_sim.swings(good | {name: [0.1, NAN]})


@pytest.mark.parametrize("bad", [NAN, INF])
def test_rules_that_compare(bad):
    """Whether a rise is training's own noise; whether a picture shows what was asked for."""
    for place in range(3):
        numbers = [0.5, 0.01, 0.1]
        numbers[place] = bad
        with pytest.raises(ValueError, match="rise, jitter and worst must be finite"):
            concept_learning.turns(*numbers)
    seen = torch.tensor([[0.5, bad]]), torch.tensor([1])
    with pytest.raises(ValueError, match="a place found is not finite"):
        local_features.is_shown(seen, (local_features.Thing((0.5, 0.5)),))


def test_training_of_what_looks_at_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "render", lambda *a: torch.full((2, 3, 32, 32), NAN))
    for module in (classifier_training, detector_training):
        with pytest.raises(FloatingPointError, match="step 1: the loss is nan"):
            module.run(module.Setting(), module.Scale(steps=1, batch=2), tmp_path)
        monkeypatch.setattr(detector_training, "loss", lambda output, _: NAN * output.sum())
    assert not list(tmp_path.glob("*.safetensors"))


def test_no_chapter_takes_the_largest_by_a_comparison_that_nan_loses():
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                assert not deaf_to_nan(cell.source), path.name


def deaf_to_nan(source):
    """Where the code of a cell takes a largest or least past which NaN can slip.

    `max(worst, nan)` is `worst`: what a loop accumulates goes through `np.maximum`. `max([1, nan])`
    is 1: what a cell that records takes of many goes through `np.max`. With a key it chooses.
    """
    found = [m[0] for m in re.finditer(r"\b(\w+) = (?:max|min)\(\1, .*", source)]
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    names = [ast.unparse(node.func) for node in calls]
    if "claims.record" in names or "claims.record_ratio" in names:
        for node, name in zip(calls, names, strict=True):
            if name in ("max", "min") and len(node.args) == 1 and not node.keywords:
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("worst = max(worst, error)", 1),
        ("worst = np.maximum(worst, error)\nlonger = max(worst, 1)", 0),
        ("claims.record('a', max(errors))", 1),
        ("e = claims.record_ratio('a', [min(e for e in errors)], less=max(two.values()))", 2),
        ("claims.record('a', np.max(errors) + max(1, 2))\nrun = max(runs, key=len)", 0),
        ("print(max(errors))", 0),  # of a cell that records nothing
    ],
)
def test_which_largest_is_deaf_to_nan(source, count):
    assert len(deaf_to_nan(source)) == count
