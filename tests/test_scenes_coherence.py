"""The judge of coherence: what it takes, what it says of pictures of known worth."""

import json
import math

import pytest
import torch

from lib.diffusion.asking import enlarged
from lib.diffusion.hearing import nearest
from lib.diffusion.networks import initialise
from lib.experiments.coherence import scissors
from lib.scenes import coherence as judge
from lib.scenes import render
from lib.scenes.labelling import label_all, request_scenes
from lib.storage import checkpoint


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def untrained():
    return initialise(judge.Judge(), generator()).eval().requires_grad_(False)


def test_a_picture_is_judged_by_itself(untrained):
    pictures = 2 * torch.rand(3, 3, 32, 32, generator=generator(1)) - 1
    found = judge.logits(untrained, pictures)
    assert found.shape == (3,)
    alone = torch.cat([judge.logits(untrained, pictures[[i]]) for i in range(3)])
    assert torch.linalg.norm(found - alone) < 1e-4
    assert torch.linalg.norm(found - found.mean()) > 1e-4


def test_a_judge_is_shown_a_picture_and_its_edges_ten_times_as_high(untrained):
    """Edges: what a pixel is above the mean of the nine about it, the border's own repeated."""
    picture = 2 * torch.rand(1, 3, 32, 32, generator=generator(1)) - 1
    picture[..., 16:] = 0.3 + 0.01 * picture[..., 16:]  # so that some edges are not cut off
    seen = []
    hook = untrained.body.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    judge.logits(untrained, picture)
    hook.remove()
    index = torch.arange(-1, 33).clamp(0, 31)
    wide = picture[..., index, :][..., index]
    around = sum(wide[..., i : i + 32, j : j + 32] for i in range(3) for j in range(3)) / 9
    edges = (10 * (picture - around)).clamp(-1, 1)
    assert 0.2 < (edges.abs() < 1).float().mean() < 0.8
    assert (seen[0] - torch.cat([picture, edges], 1)).abs().max() < 1e-5


def test_larger_pictures_are_looked_at_in_the_small(untrained):
    small = 2 * torch.rand(2, 3, 32, 32, generator=generator(1)) - 1
    large = small.repeat_interleave(2, -1).repeat_interleave(2, -2)
    found = judge.logits(untrained, large)
    assert torch.linalg.norm(found - judge.logits(untrained, small)) < 1e-4


@pytest.mark.parametrize(
    "shape", [(3, 32, 32), (2, 1, 32, 32), (2, 3, 32, 48), (2, 3, 16, 32), (2, 3, 0, 0), (1, 3)]
)
def test_pictures_of_other_shapes_are_refused(untrained, shape):
    with pytest.raises(ValueError, match=r"pictures are \(B, 3, S, S\), 32 dividing S"):
        judge.logits(untrained, torch.zeros(shape))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_pictures_that_are_not_finite_are_refused(untrained, value):
    pictures = torch.zeros(2, 3, 32, 32)
    pictures[1, 2, 5, 7] = value
    with pytest.raises(ValueError, match="not finite"):
        judge.logits(untrained, pictures)


def test_coherence_is_the_share_of_pictures_that_pass():
    assert judge.coherence(torch.tensor([-1.0, 0.1, 3.0, -0.1])) == 0.5
    assert judge.coherence(torch.tensor([-1.0, 0.0])) == 0.0  # as likely pasted as not: no pass
    assert judge.coherence(torch.tensor([0.5])) == 1.0
    for bad in ([], [1.0, math.nan], [math.inf]):
        with pytest.raises(ValueError, match="finite logits"):
            judge.coherence(torch.tensor(bad))


def test_a_judge_that_is_not_there_or_another_network_s_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        judge.load(tmp_path / "coherence.safetensors")
    checkpoint.save(tmp_path / "other.safetensors", {"w": torch.ones(1)}, {"network": "oracle"})
    with pytest.raises(ValueError, match="a checkpoint of the network 'oracle'"):
        judge.load(tmp_path / "other.safetensors")


def test_the_stored_judge_passes_real_scenes_and_fails_scissors():
    """Pictures of a seed that neither its training nor its trial saw."""
    if not judge.WEIGHTS.exists():
        pytest.skip("the judge has not been trained: python -m lib.experiments coherence")
    network = judge.load()
    real = request_scenes(48, 6, generator(77))
    pasted = request_scenes(48, 6, generator(78))
    passed = judge.coherence(judge.logits(network, render(real, 32)))
    cut = judge.coherence(judge.logits(network, scissors(pasted, 32, generator(79))))
    assert passed > 0.75
    assert cut < 0.25


def test_the_stored_trial_is_that_of_the_stored_weights():
    if not judge.WEIGHTS.exists():
        pytest.skip("the judge has not been trained: python -m lib.experiments coherence")
    trial = json.loads(judge.WEIGHTS.with_suffix(".json").read_text())
    header = checkpoint.load(judge.WEIGHTS)[1]
    assert trial["provenance"] == header
    for row in trial["painters"].values():
        assert all(0 <= value <= 1 for value in row.values())
        passed = [trial["samples"] * value for value in row.values()]
        assert all(abs(n - round(n)) < 1e-9 for n in passed)  # a share of so many pictures
        assert {"real", "smeared", "recoloured", "scissors", "scissors_one_light"} <= set(row)


def test_a_seam_is_as_high_as_the_step_and_a_slope_is_none():
    ramp = torch.linspace(-0.5, 0.5, 32).expand(2, 3, 32, 32)
    owners = torch.zeros(2, 32, 32, dtype=torch.long)
    owners[:, :, 11:] = 1
    owners[:, 20:] = 2
    assert torch.linalg.norm(judge.seams(ramp, owners)) < 1e-6  # no picture's business
    stepped = ramp + 0.2 * (owners == 2)[:, None]
    across, along = 32, 20  # pairs on two sides of a border, the lower and the upright one
    found = judge.seams(stepped, owners)
    assert torch.linalg.norm(found - 0.2 * across / (across + along)) < 1e-6
    turned = judge.seams(stepped.mT, owners.mT)
    assert torch.linalg.norm(turned - found) < 1e-6
    for side in (-1, -2):  # pieces may have any numbers, falling ones too
        flipped = judge.seams(stepped.flip(side), owners.flip(side))
        assert torch.linalg.norm(flipped - found) < 1e-6


def test_scissors_have_seams_and_real_scenes_have_none():
    scenes = request_scenes(48, 6, generator(3))
    locations, mask = label_all(scenes)
    owners = enlarged(nearest((locations, mask), 16), 32).argmax(1)
    real = judge.seams(render(scenes, 32), owners)
    other = judge.seams(render(request_scenes(48, 6, generator(4)), 32), owners)
    cut = judge.seams(scissors(scenes, 32, generator(5)), owners)
    assert max(real.mean(), other.mean()) < 0.005
    assert cut.mean() > 0.02


def test_seams_need_borders():
    with pytest.raises(ValueError, match="one piece has no border"):
        judge.seams(torch.zeros(1, 3, 32, 32), torch.zeros(1, 32, 32, dtype=torch.long))
    with pytest.raises(ValueError, match=r"owners are \(B, S, S\)"):
        judge.seams(torch.zeros(1, 3, 32, 32), torch.zeros(1, 16, 16, dtype=torch.long))
