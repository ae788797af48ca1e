"""Scissors and blemishes: what the judge of coherence is shown, and that it can be trained."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from lib import storage
from lib.diffusion import hearing, networks
from lib.experiments import __main__ as program
from lib.experiments import coherence as experiment
from lib.scenes import coherence, render, sample_scenes
from lib.scenes.labelling import label_all
from lib.scenes.scene import locations
from lib.storage import checkpoint


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("one_light", [False, True])
def test_pieces_stand_at_the_same_places_each_alone(one_light):
    scenes = sample_scenes(5, 3, 3, generator())
    found = experiment.pieces(scenes, generator(1), one_light)
    assert found.mask.shape == (15, 1)
    assert found.mask.all()
    expected = locations(scenes).transpose(0, 1).reshape(15, 2)  # object by object
    assert (locations(found)[:, 0] - expected).abs().max() < 1e-4
    for name in ("shape", "size", "material", "color", "rotation"):
        own = getattr(scenes, name).T.reshape(15)
        assert torch.equal(getattr(found, name)[:, 0], own)
    own = [found.camera.eye.view(3, 5, 3), found.lamps.view(3, 5, *found.lamps.shape[1:])]
    theirs = [scenes.camera.eye, scenes.lamps]
    for piece, scene in zip(own, theirs, strict=True):
        kept = [torch.equal(part, scene) for part in piece]
        assert kept == [one_light] * 3
        if not one_light:
            assert len({float(x) for x in piece.flatten(2)[..., 0].flatten()}) == 15


def test_scissors_on_a_scene_of_one_object_under_one_light_are_the_scene():
    scenes = sample_scenes(4, 1, 1, generator(2))
    real = render(scenes, 32)
    found = experiment.scissors(scenes, 32, generator(3), one_light=True)
    assert torch.linalg.norm(found - real) < 1e-2 * torch.linalg.norm(real)
    other = experiment.scissors(scenes, 32, generator(3))
    assert torch.linalg.norm(other - real) > 5e-2 * torch.linalg.norm(real)


def test_a_pixel_of_a_paste_is_the_picture_of_its_nearest_object():
    scenes = sample_scenes(2, 3, 3, generator(4))
    found = experiment.scissors(scenes, 32, generator(5))
    drawn = render(experiment.pieces(scenes, generator(5)), 32)
    which = hearing.nearest(label_all(scenes), experiment.GRID).argmax(1)
    assert len(which.unique()) == 3
    for b, row, column in ((0, 3, 5), (0, 20, 11), (1, 12, 30), (1, 31, 0)):
        piece = int(which[b, row // 2, column // 2])
        assert torch.equal(found[b, :, row, column], drawn[2 * piece + b, :, row, column])


def test_a_smear_is_scipy_s_gaussian():
    pictures = torch.rand(3, 3, 20, 24, generator=generator(6), dtype=torch.float64)
    widths = torch.tensor([0.3, 0.6, 0.8], dtype=torch.float64)
    found = experiment.smeared(pictures, widths)
    for picture, width, ours in zip(pictures.numpy(), widths, found.numpy(), strict=True):
        sigma = (0, float(width), float(width))
        cut = ndimage.gaussian_filter(picture, sigma, mode="nearest", radius=2)
        assert np.abs(ours - cut).max() < 1e-12  # borders too
        # The whole Gaussian: what the kernel leaves out, on each axis, weighs this much at most.
        kernel = np.exp(-(np.arange(-8, 9) ** 2) / (2 * float(width) ** 2))
        left = 1 - kernel[6:11].sum() / kernel.sum()
        whole = ndimage.gaussian_filter(picture, sigma, mode="nearest", truncate=12)
        middle = (..., slice(8, -8), slice(8, -8))
        assert np.abs(ours - whole)[middle].max() < 2 * 2 * left + 1e-12
    assert torch.equal(experiment.smeared(pictures, 0.0), pictures)
    mean = experiment.smeared(torch.ones(1, 3, 8, 8), 0.7)
    assert torch.linalg.norm(mean - 1) < 1e-5


def test_colours_are_exchanged_the_same_all_over_a_picture():
    pictures = 1.6 * torch.rand(6, 3, 8, 8, generator=generator(7)) - 0.8
    found = experiment.recoloured(pictures, generator(8))
    assert found.isfinite().all()
    assert found.abs().max() <= 1
    orders = set()
    for before, after in zip(pictures, found, strict=True):
        inside = after.abs() < 1
        order = []
        for channel, kept in zip(after, inside, strict=True):
            ratio = [(channel / other)[kept] for other in before]
            spread = torch.stack([r.max() - r.min() for r in ratio])
            order.append(int(spread.argmin()))
            assert spread.min() < 1e-4
            assert 0.84 < ratio[order[-1]][0] < 1.16
        assert sorted(order) == [0, 1, 2]
        orders.add(tuple(order))
    assert len(orders) > 1
    assert torch.equal(found, experiment.recoloured(pictures, generator(8)))


def test_blemished_pictures_are_finite_and_none_is_as_it_was():
    pictures = 1.6 * torch.rand(4, 3, 32, 32, generator=generator(9)) - 0.8
    found = experiment.blemished(pictures, generator(10))
    assert found.shape == pictures.shape
    assert found.isfinite().all()
    assert (found - pictures).flatten(1).norm(dim=1).min() > 0.1


def test_blemishes_are_of_every_size_up_to_the_greatest(monkeypatch):
    """A blur of .8 pixels and noise of .05 at most, drawn evenly; here no colours are exchanged."""
    widths = []
    monkeypatch.setattr(experiment, "smeared", lambda x, width: widths.append(width) or x)
    monkeypatch.setattr(experiment, "recoloured", lambda x, stream: x)
    found = experiment.blemished(torch.zeros(400, 3, 16, 16), generator(11))
    for sizes, most in ((widths[0], 0.8), (found.flatten(1).std(1), 0.05)):
        assert 0.95 * most < sizes.max() < 1.1 * most
        assert sizes.min() < 0.05 * most
        assert abs(sizes.mean() / most - 0.5) < 0.08


def test_the_stored_judge_is_of_the_usual_training_and_painters():
    stored = storage.read_json(experiment.KEPT / "coherence.json")
    usual = experiment.Scale()
    made = {"seed": 0, "steps": usual.steps, "batch": usual.batch}
    assert stored["provenance"]["settings"] == made
    assert set(stored["painters"]) == set(map(str, experiment.COUNTS))


def test_a_batch_says_which_are_real(monkeypatch):
    """Real ones first; both kinds are blemished alike, here by nothing."""
    seen = {}

    def rendered(scenes, size):
        seen["scenes"] = scenes
        return torch.ones(len(scenes), 3, size, size)

    def cut(scenes, size, stream):
        seen["others"] = scenes
        return torch.zeros(len(scenes), 3, size, size)

    monkeypatch.setattr(experiment, "render", rendered)
    monkeypatch.setattr(experiment, "scissors", cut)
    monkeypatch.setattr(experiment, "blemished", lambda pictures, stream: pictures)
    pictures, truth = experiment.batch(5, generator(11), counts=(4,))
    assert truth.tolist() == [1.0] * 5 + [0.0] * 5
    assert torch.equal(pictures.mean((1, 2, 3)), truth)
    assert seen["scenes"].mask.sum(1).tolist() == seen["others"].mask.sum(1).tolist() == [4] * 5
    assert not torch.equal(seen["scenes"].coords, seen["others"].coords)
    counts = {experiment.batch(1, generator(i)) and seen["scenes"].mask.shape[1] for i in range(30)}
    assert counts == set(experiment.COUNTS)


def test_painters_are_asked_for_the_same_places():
    painted = experiment.painters(3, 2, generator(12))
    assert {"real", "smeared", "recoloured", "scissors", "scissors_one_light"} <= set(painted)
    for pictures in painted.values():
        assert pictures.shape == (2, 3, 32, 32)
        assert pictures.isfinite().all()
        assert pictures.abs().max() <= 1 + 1e-6
    for name, pictures in painted.items():
        assert (name == "real") == torch.equal(pictures, painted["real"])


def test_a_toy_training_stores_what_it_tried(monkeypatch, tmp_path):
    monkeypatch.setattr(experiment, "COUNTS", (1, 2))
    monkeypatch.setattr(experiment.batch, "__defaults__", ((1, 2),))
    words = f"--steps 2 --batch 2 --samples 2 --seed 3 --folder {tmp_path / 'runs'}"
    program.main(["coherence", "run", *words.split()])
    monkeypatch.setattr(experiment, "KEPT", tmp_path / "book")
    program.main(["coherence", "store", "--folder", str(tmp_path / "runs")])
    kept = sorted(path.name for path in (tmp_path / "book").iterdir())
    assert kept == ["coherence.json", "coherence.safetensors"]
    trained = coherence.load(tmp_path / "book/coherence.safetensors")
    first = networks.initialise(coherence.Judge(), torch.Generator().manual_seed(3))
    weights = zip(trained.parameters(), first.parameters(), strict=True)
    assert any(not torch.equal(a, b.bfloat16().float()) for a, b in weights)
    header = checkpoint.load(tmp_path / "book/coherence.safetensors")[1]
    rows = storage.read_json(tmp_path / "book/coherence.json")
    assert header["scale"] == rows["scale"] == {"steps": 2, "batch": 2, "learning_rate": 1e-3}
    assert rows["provenance"] == header["provenance"]
    assert rows["samples"] == 2
    assert rows["painters"] == experiment.coherence_of_painters(trained, 2, 1003)
    assert set(rows["painters"]) == {"1", "2"}
