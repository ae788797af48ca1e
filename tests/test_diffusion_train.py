import copy
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.diffusion import edm, networks, patch, train
from lib.diffusion.train import Settings, Training
from lib.storage import checkpoint

ROOT = Path(__file__).resolve().parents[1]


def batch(generator, n=8):
    """Pictures of one colour, which the condition names."""
    colours = torch.rand(n, 4, generator=generator) - 0.5
    return colours[:, :3, None, None].expand(-1, -1, 8, 8), colours


def denoiser(seed=0, **settings):
    settings = {"size": 8, "grid": 4, "width": 8, "embedding": 16} | settings
    network = networks.UNet("continuous", **settings)
    networks.initialise(network, torch.Generator().manual_seed(seed))
    return edm.Preconditioned(network, 0.3)


SETTINGS = Settings(steps=12, warmup=4, cooldown=3, average=0.9, precision="float32")


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_initial_weights_come_from_the_generator_alone():
    first, again, other = denoiser(0), denoiser(0), denoiser(1)
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))
    assert not first.network.leave.weight.any()  # what starts at zero stays there
    drawn = networks.initialise(torch.nn.Linear(400, 300), torch.Generator().manual_seed(0))
    assert drawn.weight.std().item() == pytest.approx((1 / 3 / 400) ** 0.5, rel=0.02)


def test_a_run_is_the_plain_loop_of_its_definition():
    ours, theirs = denoiser(), denoiser()
    averaged = copy.deepcopy(theirs)
    optimizer = torch.optim.AdamW(theirs.parameters(), betas=(0.9, 0.99), fused=False)
    losses = []
    for step in range(12):
        generator = train.stream(0, step, 0)
        pictures, conditions = batch(generator)
        loss = edm.loss(theirs, pictures, conditions, generator, sigma_data=0.3)
        loss.backward()
        optimizer.param_groups[0]["lr"] = 1e-3 * min(1, (step + 1) / 4, (12 - step) / 3)
        optimizer.step()
        optimizer.zero_grad()
        decay = min(0.9, (2 + step) / (11 + step))
        for old, new in zip(averaged.parameters(), theirs.parameters(), strict=True):
            old.data = decay * old.data + (1 - decay) * new.data
        losses.append(loss.item())
    training = Training(ours, batch, SETTINGS)
    records = list(training.run())
    assert [r["step"] for r in records] == list(range(1, 13))
    assert [r["loss"] for r in records] == pytest.approx(losses, rel=1e-4)
    assert torch.linalg.norm(weights(ours) - weights(theirs)) < 1e-4
    assert torch.linalg.norm(weights(training.averaged) - weights(averaged)) < 1e-4
    assert torch.linalg.norm(weights(ours) - weights(training.averaged)) > 1e-3


def test_what_a_pixel_counts_is_what_its_error_is_multiplied_by():
    """Counting nothing but the upper half trains as if the lower half were not there."""
    half = torch.zeros(1, 1, *batch(train.stream(0, 0, 0))[0].shape[2:])
    half[..., : half.shape[2] // 2, :] = 2

    def halved(generator):
        return *batch(generator), half

    ours = denoiser()
    record = next(iter(Training(ours, halved, SETTINGS).run()))
    generator = train.stream(0, 0, 0)
    pictures, conditions = batch(generator)
    theirs = denoiser()
    seen = []
    edm.loss(lambda x, s, c: seen.append((x, s)) or theirs(x, s, c), pictures, conditions,
             generator, sigma_data=0.3)  # fmt: skip
    ((noisy, sigma),) = seen
    weight = (sigma**2 + 0.3**2) / (0.3 * sigma) ** 2
    errors = ((theirs(noisy, sigma, conditions) - pictures) ** 2).unflatten(2, (2, -1))[:, :, 0]
    expected = (weight * errors.mean((1, 2, 3))).mean()
    assert record["loss"] == pytest.approx(expected.item(), rel=1e-4)
    own = Training(ours, halved, SETTINGS, loss=lambda answer, truth: answer.mean())
    with pytest.raises(ValueError, match="takes no count of pixels"):
        next(iter(own.run()))


def test_training_learns_what_the_condition_says():
    settings = Settings(200, learning_rate=5e-3, average=0.95, precision="float32", warmup=20)
    training = Training(denoiser(width=16, embedding=64), batch, settings)
    losses = [record["loss"] for record in training.run()]
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])
    pictures, conditions = batch(torch.Generator().manual_seed(7), 16)
    noise = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(8))
    drawn = edm.sample(training.averaged, noise, conditions, steps=12)
    error = (drawn - pictures).mean((2, 3)).square().mean().sqrt()
    assert error < 0.1  # blind: 0.29


def test_weights_and_pictures_are_channels_last():
    training = Training(denoiser(), batch, SETTINGS)
    tensors = [p for p in training.denoiser.parameters() if p.ndim == 4]
    tensors += [p for p in training.averaged.parameters() if p.ndim == 4]
    tensors.append(training._batch(0)[0])
    assert all(t.is_contiguous(memory_format=torch.channels_last) for t in tensors)


def test_streams_are_functions_of_seed_step_and_shard():
    def draw(*numbers):
        return torch.rand(4, generator=train.stream(*numbers))

    assert torch.equal(draw(1, 2, 3), draw(1, 2, 3))
    others = [(2, 2, 3), (1, 3, 3), (1, 2, 4), (2, 1, 3)]
    assert not any(torch.equal(draw(1, 2, 3), draw(*numbers)) for numbers in others)


def test_shards_make_one_step_of_their_mean(monkeypatch):
    double = Training(denoiser(), batch, replace(SETTINGS, steps=1, shards=2))
    slopes = []
    monkeypatch.setattr(
        double.optimizer,
        "step",
        lambda: slopes.extend(p.grad.flatten() for p in double.denoiser.parameters()),
    )
    record = next(double.run())
    model = denoiser()
    singles = [
        edm.loss(model, *batch(g := train.stream(0, 0, i)), g, sigma_data=0.3) for i in (0, 1)
    ]
    mean = sum(singles) / 2
    assert record["loss"] == pytest.approx(mean.item(), rel=1e-5)
    mean.backward()
    expected = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert torch.linalg.norm(torch.cat(slopes) - expected) < 1e-4 * torch.linalg.norm(expected)


def test_the_learning_rate_rises_stays_and_falls():
    plain = Settings(1000, learning_rate=0.2, cooldown=50)
    assert [plain.rate(step) for step in (0, 49, 99, 500, 950)] == pytest.approx(
        [0.002, 0.1, 0.2, 0.2, 0.2]  # the warm-up is of 100 steps
    )
    assert [plain.rate(step) for step in (960, 999)] == pytest.approx([0.16, 0.004])
    assert Settings(10, warmup=0).rate(0) == 1e-3
    round_ = Settings(900, learning_rate=0.2, cosine=True, warmup=300)
    half = [round_.rate(step) for step in (300, 450, 600, 899)]
    assert half == pytest.approx([0.15, 0.1, 0.05, 0.2 * (np.pi / 900) ** 2 / 4], rel=1e-3)
    assert round_.rate(149) == pytest.approx(0.2 / 2 * (1 + np.cos(np.pi * 149 / 900)) / 2)


def test_a_precision_that_is_asked_for_is_not_tried_out(monkeypatch):
    monkeypatch.setattr(train, "fastest_precision", lambda *_: pytest.fail("tried out"))
    for precision, loss, taken in (
        ("bfloat16", None, "bfloat16"),
        ("bfloat16", torch.nn.functional.mse_loss, "bfloat16"),
        (None, torch.nn.functional.mse_loss, "float32"),  # a stopwatch needs the usual loss
    ):
        settings = replace(SETTINGS, precision=precision)
        assert Training(denoiser(), batch, settings, loss=loss).precision == taken


def test_a_resumed_run_ends_with_the_same_bits(tmp_path):
    whole = Training(denoiser(), batch, SETTINGS)
    expected = list(whole.run(tmp_path / "whole.safetensors", save_every=5))
    first = Training(denoiser(), batch, SETTINGS).run(tmp_path / "run.safetensors", save_every=5)
    for record in first:
        if record["step"] == 8:
            break
    second = Training(denoiser(seed=3), batch, SETTINGS)
    records = list(second.run(tmp_path / "run.safetensors", save_every=5))
    assert [(r["step"], r["loss"]) for r in records] == [
        (r["step"], r["loss"]) for r in expected[5:]
    ]
    assert torch.equal(weights(second.denoiser), weights(whole.denoiser))
    assert torch.equal(weights(second.averaged), weights(whole.averaged))
    assert list(Training(denoiser(), batch, SETTINGS).run(tmp_path / "run.safetensors")) == []


SCRIPT = r"""
import sys, time
from tests.test_diffusion_train import *
pause = float(sys.argv[2])
training = Training(denoiser(), batch, Settings(40, shards=2, precision="float32"))
train.join_processes()
training = Training(denoiser(), batch, training.settings)
for record in training.run(sys.argv[1], save_every=7):
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()
    time.sleep(pause)
"""


def launch(path, pause=0.0, processes=0):
    torchrun = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--standalone"]
    script = Path(path).with_suffix(".py")
    script.write_text(SCRIPT)
    command = [sys.executable, *(torchrun if processes else []), str(script), str(path), str(pause)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, cwd=Path(path).parent
    )


def records(output):
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def state(path):
    tensors, header = checkpoint.load(path)
    return tensors, {k: v for k, v in header.items() if k != "seconds"}


def test_a_killed_run_resumes_at_the_same_step_and_ends_with_the_same_weights(tmp_path):
    killed, whole = tmp_path / "killed.safetensors", tmp_path / "whole.safetensors"
    uninterrupted, process = launch(whole), launch(killed, pause=0.05)
    seen = 0
    while seen < 17:
        seen = json.loads(process.stdout.readline())["step"]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    expected = records(uninterrupted.communicate()[0])
    resumed = records(launch(killed).communicate()[0])
    saved = max(n for n in range(0, resumed[0]["step"]) if n % 7 == 0)
    assert resumed[0]["step"] == saved + 1
    assert 15 <= resumed[0]["step"] <= 29
    assert [r["loss"] for r in resumed] == [r["loss"] for r in expected[saved:]]
    (found, found_header), (wanted, wanted_header) = state(killed), state(whole)
    assert found_header == wanted_header
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.weekly
def test_two_processes_give_the_loss_curve_of_one(tmp_path):
    one = records(launch(tmp_path / "one.safetensors").communicate()[0])
    two = records(launch(tmp_path / "two.safetensors", processes=2).communicate()[0])
    assert sorted(r["step"] for r in two) == sorted([*range(1, 41)] * 2)
    curve = {r["step"]: r["loss"] for r in two}
    assert [curve[r["step"]] for r in one] == pytest.approx([r["loss"] for r in one], rel=1e-4)


def test_precision_is_the_one_that_runs_faster(monkeypatch):
    plain = edm.loss

    def slow(precision):
        def loss(*arguments):
            if torch.is_autocast_enabled("cpu") == (precision == "bfloat16"):
                sum(range(3_000_000))  # takes the processor longer than a step
            return plain(*arguments)

        return loss

    for precision, faster in (("float32", "bfloat16"), ("bfloat16", "float32")):
        monkeypatch.setattr(edm, "loss", slow(precision))
        model = denoiser()
        before = weights(model)
        generator = torch.Generator().manual_seed(0)
        assert train.fastest_precision(model, (*batch(generator), generator)) == faster
        assert torch.equal(weights(model), before)
        assert all(p.grad is None for p in model.parameters())
        training = Training(model, batch, Settings(1, precision=None))
        list(training.run())
        assert training.precision == faster


def test_bfloat16_trains_too():
    losses = [
        r["loss"]
        for r in Training(denoiser(), batch, replace(SETTINGS, precision="bfloat16")).run()
    ]
    exact = [r["loss"] for r in Training(denoiser(), batch, SETTINGS).run()]
    assert losses == pytest.approx(exact, rel=0.05)


def test_stored_weights_come_back_in_bfloat16_precision(tmp_path):
    model = denoiser()
    train.save_weights(tmp_path / "net.safetensors", model, {"seed": 3})
    loaded, header = train.load_weights(tmp_path / "net.safetensors", denoiser(5).network)
    assert header["seed"] == 3
    assert loaded.sigma_data == 0.3
    assert torch.equal(weights(loaded), weights(model).bfloat16().float())
    with pytest.raises(ValueError, match="is a checkpoint of the network 'unet"):
        train.load_weights(tmp_path / "net.safetensors", denoiser(width=12).network)
    other = denoiser(dimensions=3).network
    other.name = model.network.name
    with pytest.raises(ValueError, match=r"does not fit .*0\.weight is \(16, 4\), not \(16, 3\)"):
        train.load_weights(tmp_path / "net.safetensors", other)


def test_weights_without_sigma_data_are_refused_by_name(tmp_path):
    path, network = tmp_path / "net.safetensors", denoiser().network
    checkpoint.save(path, dict(network.named_parameters()), {"network": network.name})
    with pytest.raises(ValueError, match=r"net\.safetensors does not say its sigma_data"):
        train.load_weights(path, network)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    list(Training(denoiser(), batch, replace(SETTINGS, steps=1)).run(path))
    with pytest.raises(ValueError, match=r"trained with {'steps': 1}, not with {'steps': 12}"):
        next(Training(denoiser(), batch, SETTINGS).run(path))
    with pytest.raises(ValueError, match=r"network 'unet.*width8.*not of 'unet.*width12"):
        next(Training(denoiser(width=12), batch, replace(SETTINGS, steps=1)).run(path))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="cut short"):
        next(Training(denoiser(), batch, replace(SETTINGS, steps=1)).run(path))


def test_a_checkpoint_says_what_makes_a_run_this_run(tmp_path):
    path, settings, about = tmp_path / "run.safetensors", replace(SETTINGS, steps=1), {"batch": 2}
    list(Training(denoiser(), batch, settings, about).run(path))
    assert checkpoint.load(path)[1]["about"] == about
    assert list(Training(denoiser(), batch, settings, about).run(path)) == []
    for other in ({"batch": 4}, None, {"batch": 2, "labels": "all"}):
        with pytest.raises(ValueError, match=r"run\.safetensors was trained with .*, not with {"):
            Training(denoiser(), batch, settings, other).restore(path)
    list(Training(denoiser(), batch, settings).run(bare := tmp_path / "bare.safetensors"))
    with pytest.raises(ValueError, match=r"with {'batch': None}, not with {'batch': 2}"):
        Training(denoiser(), batch, settings, about).restore(bare)
    tensors, header = checkpoint.load(bare)
    del header["about"]  # as it was written before
    checkpoint.save(bare, tensors, header)
    Training(denoiser(), batch, settings, about).restore(bare)
    train.save_weights(bare, denoiser(), {})
    with pytest.raises(ValueError, match=r"trained with {'steps': None, .*}, not with"):
        Training(denoiser(), batch, settings, about).restore(bare)


def test_a_failing_write_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    run = Training(denoiser(), batch, SETTINGS).run(path, save_every=5)
    for _ in range(5):
        next(run)
    before = path.read_bytes()

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        list(run)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "float8"}, "'float8'"),
        ({"shards": 0}, "not of 0 shards"),
        ({"steps": -3}, "steps must be an integer of at least 1, not -3"),
        ({"steps": 2.5}, "steps must be an integer"),
        ({"seed": -1}, "seed must be"),
        ({"warmup": -1}, "warmup must be"),
        ({"cooldown": -1}, "cooldown must be"),
        ({"average": 2}, r"average must be in \[0, 1\), not 2"),
        ({"average": 1}, "average must be"),
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"learning_rate": float("inf")}, "learning_rate must be"),
        ({"p_std": -1}, "p_std must be at least 0"),
        ({"p_mean": float("nan")}, "p_mean must be finite"),
        ({"average": -0.1}, "average must be"),
        ({"beta2": 1}, r"beta2 must be in \[0, 1\), not 1"),
        ({"beta2": -0.1}, "beta2 must be"),
        ({"steps": True}, "steps must be an integer of at least 1, not True"),
        ({"steps": 0}, "steps must be an integer of at least 1, not 0"),
        ({"shards": 1.5}, "not of 1.5 shards"),
        ({"optimizer": "sgd"}, "the optimizer is 'adamw' or 'muon', not 'sgd'"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **settings)


def test_settings_at_the_ends_of_their_ranges_are_taken():
    Settings(1, seed=0, warmup=0, cooldown=0, average=0, p_std=0, beta2=0, shards=1, p_mean=-9.0)
    Settings(1, learning_rate=1e-9, optimizer="muon", precision="bfloat16")


def unconditional(generator):
    return batch(generator)[0], None


def frozen(seed=0):
    made = denoiser(seed)
    made.network.trunk.requires_grad_(False)
    return made


@pytest.mark.parametrize(
    ("make", "data"), [(frozen, batch), (denoiser, unconditional)], ids=["frozen", "None"]
)
def test_a_run_resumes_where_a_parameter_had_no_gradient(tmp_path, make, data):
    path = tmp_path / "run.safetensors"
    whole = Training(make(), data, SETTINGS)
    expected = [r["loss"] for r in whole.run()]
    first = Training(make(), data, SETTINGS).run(path, save_every=5)
    assert [next(first)["loss"] for _ in range(5)] == expected[:5]
    second = Training(make(seed=3), data, SETTINGS)
    assert [r["loss"] for r in second.run(path)] == expected[5:]
    assert torch.equal(weights(second.averaged), weights(whole.averaged))


def test_a_run_resumes_that_was_saved_before_its_first_step(tmp_path):
    path = tmp_path / "run.safetensors"
    expected = [r["loss"] for r in Training(denoiser(), batch, SETTINGS).run()]
    Training(denoiser(), batch, SETTINGS).save(path)
    assert [r["loss"] for r in Training(denoiser(3), batch, SETTINGS).run(path)] == expected


class Normalised(torch.nn.Module):
    """An own network with a batch normalisation, whose running statistics are buffers."""

    name = "normalised"

    def __init__(self):
        super().__init__()
        self.enter = torch.nn.Conv2d(3, 4, 1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.leave = torch.nn.Conv2d(4, 3, 1)

    def forward(self, x, noise, conditions):
        return self.leave(self.norm(self.enter(x)))


def normalised(seed):
    made = networks.initialise(Normalised(), torch.Generator().manual_seed(seed))
    return edm.Preconditioned(made, 0.3)


def test_statistics_of_a_batch_normalisation_are_averaged_kept_and_resumed(tmp_path):
    path = tmp_path / "run.safetensors"
    whole = Training(normalised(0), batch, replace(SETTINGS, steps=4, warmup=1))
    mean = torch.zeros(4)
    for n, _ in enumerate(whole.run()):
        decay = min(0.9, (2 + n) / (11 + n))
        mean = decay * mean + (1 - decay) * whole.denoiser.network.norm.running_mean
    averaged = whole.averaged.network.norm
    assert mean.norm() > 0.01
    assert torch.linalg.norm(averaged.running_mean - mean) < 1e-6
    assert averaged.num_batches_tracked == 4
    next(Training(normalised(0), batch, whole.settings).run(path, save_every=1))
    second = Training(normalised(5), batch, whole.settings)
    list(second.run(path))
    for ours, theirs in ((second.averaged, whole.averaged), (second.denoiser, whole.denoiser)):
        for name, tensor in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], tensor)
    train.save_weights(path, whole.averaged, {})
    loaded, _ = train.load_weights(path, normalised(7).network)
    assert torch.equal(loaded.network.norm.running_var, averaged.running_var)
    assert loaded.network.norm.num_batches_tracked == 4


def test_trying_precisions_leaves_running_statistics_alone():
    model = normalised(0)
    generator = torch.Generator().manual_seed(0)
    train.fastest_precision(model, (*batch(generator), generator))
    assert not model.network.norm.running_mean.any()
    assert model.network.norm.num_batches_tracked == 0


def test_a_state_of_another_network_of_the_same_name_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    Training(denoiser(), batch, SETTINGS).save(path)
    tensors, header = checkpoint.load(path)
    extra = {"denoiser.network.head.2.weight": torch.ones(3, 2)}
    checkpoint.save(path, tensors | extra, header)
    other = Training(denoiser(1), batch, SETTINGS)
    before = weights(other.denoiser)
    with pytest.raises(ValueError, match=r"head\.2\.weight \(3, 2\) has no place"):
        other.restore(path)
    assert torch.equal(weights(other.denoiser), before)
    del tensors["averaged.network.leave.bias"]
    checkpoint.save(path, tensors, header)
    with pytest.raises(ValueError, match=r"network\.leave\.bias \(12,\) is missing"):
        other.restore(path)


def test_three_blocks_do_not_go_into_two(tmp_path):
    def windows(blocks):
        sizes = {"size": 8, "grid": 4, "k": 1, "trunk_width": 8, "width": 8, "embedding": 16}
        return edm.Preconditioned(patch.WindowNetwork(**sizes, blocks=blocks), 0.3)

    path = tmp_path / "run.safetensors"
    Training(windows(3), unconditional, SETTINGS).save(path)
    with pytest.raises(ValueError, match=r"a checkpoint of the network '.*blocks3'"):
        Training(windows(2), unconditional, SETTINGS).restore(path)


def test_without_a_compiler_a_gpu_trains_eagerly_and_says_so(monkeypatch, capsys):
    class Uncompiled(torch.nn.Module):
        def forward(self, *_):
            raise RuntimeError("Failed to find C compiler.\nSet CC.")

    monkeypatch.setattr(torch, "compile", lambda _: Uncompiled())
    training = Training(denoiser(), batch, SETTINGS)
    before = weights(training.denoiser)
    assert train._compiled(training.denoiser, training._tried) is training.denoiser
    assert "Trains without torch.compile, which does not work here: Failed to find C compiler." in (
        capsys.readouterr().out
    )
    assert torch.equal(weights(training.denoiser), before)
    assert all(p.grad is None for p in training.denoiser.parameters())
    monkeypatch.setattr(torch, "compile", lambda model: model)
    assert train._compiled(training.denoiser, training._tried) is training.denoiser
    assert not capsys.readouterr().out


def test_several_processes_without_torchrun_are_told_how_to_start(monkeypatch):
    for name in train.TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match=r"WORLD_SIZE is set to 2, but not RANK, .*torchrun"):
        train.join_processes()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert train.join_processes() == 0
