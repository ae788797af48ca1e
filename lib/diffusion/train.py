"""Training: a generator that yields plain data, and a state that survives a kill.

Data come from any callable `batch(generator) -> (pictures, conditions)`, so that they can be made
while it trains. Random numbers of a step come from a stream that is a function of seed, step and
shard alone: whoever resumes at a step has the random state of that step.
"""

import copy
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lib.diffusion import edm
from lib.diffusion.muon import Muon
from lib.storage import checkpoint

Batch = Callable[[torch.Generator], tuple[Tensor, Any] | tuple[Tensor, Any, Tensor]]
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
TORCHRUN = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Attributes:
        steps: Number of steps.
        seed: Of the random streams.
        learning_rate: Of the optimiser, after the warm-up.
        warmup: Steps over which the learning rate rises linearly.
        cooldown: Steps at the end over which it falls linearly to 0.
        average: Decay a step of the averaged weights, less in the first steps: (1 + n) / (10 + n).
        p_mean: Mean of ln(sigma) of the noise levels trained on.
        p_std: Their standard deviation.
        shards: Batches that make one step; shared out among the processes.
        precision: `float32`, `bfloat16`, or None to take what runs faster here.
        optimizer: `adamw`, or `muon` for the weights inside the network.
        cosine: Whether the learning rate falls as half a cosine does, from the first step on.
        beta2: Decay of AdamW's mean square of the gradient.

    Raises:
        ValueError: One of them is outside its range.
    """

    steps: int
    seed: int = 0
    learning_rate: float = 1e-3
    warmup: int = 100
    cooldown: int = 0
    average: float = 0.999
    p_mean: float = -1.2
    p_std: float = 1.2
    shards: int = 1
    precision: str | None = None
    optimizer: str = "adamw"
    cosine: bool = False
    beta2: float = 0.99

    def __post_init__(self):
        """Refuses what no training can be run with."""
        for name, least in (("steps", 1), ("seed", 0), ("warmup", 0), ("cooldown", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}")
        for name, fits, range_ in (
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("average", 0 <= self.average < 1, "in [0, 1)"),
            ("beta2", 0 <= self.beta2 < 1, "in [0, 1)"),
            ("p_mean", True, "finite"),
            ("p_std", self.p_std >= 0, "at least 0"),
        ):
            if not fits or not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be {range_}, not {getattr(self, name)!r}")
        if not isinstance(self.shards, int) or self.shards < 1:
            raise ValueError(f"a step is made of 1 shard or more, not of {self.shards!r} shards")
        if self.precision not in (None, *PRECISIONS):
            raise ValueError(f"precision is one of {list(PRECISIONS)}, not {self.precision!r}")
        if self.optimizer not in ("adamw", "muon"):
            raise ValueError(f"the optimizer is 'adamw' or 'muon', not {self.optimizer!r}")

    def rate(self, step: int) -> float:
        """The learning rate of a step, the first being 0."""
        warm = (step + 1) / max(self.warmup, 1)
        cool = (self.steps - step) / max(self.cooldown, 1)
        fall = 0.5 * (1 + math.cos(math.pi * step / self.steps)) if self.cosine else 1.0
        return self.learning_rate * min(1.0, warm, cool) * fall


class Training:
    """One run: the denoiser, its averaged copy, the optimiser, and how far it has come.

    Any other network is trained likewise, by a loss of its own.

    Attributes:
        denoiser: What is trained, in place.
        averaged: The same with averaged weights.
        step: Steps done.
        seconds: Seconds spent on them.
        precision: The one in use; chosen when the first step is about to be made.
    """

    def __init__(
        self,
        denoiser: edm.Preconditioned | nn.Module,
        batch: Batch,
        settings: Settings,
        about: dict | None = None,
        loss: Callable[[Tensor, Any], Tensor] | None = None,
    ):
        """A run at its start.

        Args:
            denoiser: On the device to train on. Its network has a `name`; so has one that is no
                denoiser, which needs a loss.
            batch: Called with a generator on that device; gives pictures (B, C, H, W) and what
                the denoiser takes as their conditions, and may give how much each pixel's error
                counts (B, 1 or C, H, W). B is per shard.
            settings: How to train.
            about: What else makes it this run, such as the labels: flat JSON data, kept in its
                checkpoints. It resumes from none that says something else.
            loss: Of what the network makes of pictures, and their conditions; the weighted
                denoising error if not given.

        Raises:
            ValueError: The shards cannot be shared out evenly.
        """
        self.rank, self.world = _place()
        if settings.shards % self.world:
            raise ValueError(f"{settings.shards} shards cannot be shared by {self.world} processes")
        self.denoiser = denoiser.to(memory_format=torch.channels_last)
        self.averaged = copy.deepcopy(self.denoiser).requires_grad_(False).eval()
        self.batch, self.settings, self.about = batch, settings, about or {}
        self.loss = loss
        self.device = next(denoiser.parameters()).device
        self.optimizer = _optimizer(denoiser, settings)
        self.step, self.seconds = 0, 0.0
        self.precision = settings.precision or (
            loss and "float32"
        )  # a stopwatch needs the usual loss

    @property
    def name(self) -> str:
        """The network's."""
        return inside(self.denoiser).name

    def run(self, path: str | Path | None = None, save_every: int = 500) -> Iterator[dict]:
        """Trains from where the run stands, or from the checkpoint at `path` if there is one.

        Args:
            path: Where the state is kept; None keeps none.
            save_every: Steps between two checkpoints; one more is made at the end.

        Yields:
            After each step: `step` (from 1), `loss` (mean over the step's shards), `seconds`
            (of training so far, over all restarts).

        Raises:
            ValueError: The checkpoint is damaged, of another network or of another run.
            FloatingPointError: A step's loss or gradient is not finite; the message names the step,
                and neither weights nor averages nor checkpoints have it.
            OSError: A checkpoint could not be written; the last good one is still there.
        """
        if path is not None and Path(path).exists():
            self.restore(path)
        if self.precision is None:
            self.precision = _agreed(fastest_precision(self.denoiser, self._batch(0)[:3]))
        model = self._wrapped()
        while self.step < self.settings.steps:
            start = time.perf_counter()
            loss = self._advance(model)
            self.seconds += time.perf_counter() - start
            last = self.step == self.settings.steps
            if path is not None and (last or self.step % save_every == 0):
                self.save(path)
            yield {"step": self.step, "loss": loss, "seconds": self.seconds}

    def _wrapped(self) -> nn.Module:
        """The denoiser as it is called in training: compiled on a GPU, shared among processes."""
        model = self.denoiser
        if self.device.type == "cuda" and self.step < self.settings.steps:
            model = _compiled(model, self._tried)
        return DistributedDataParallel(model) if dist.is_initialized() else model

    def _tried(self, model: nn.Module) -> None:
        """One pass forward and back of this step's first batch, without a trace."""
        with _untouched(self.denoiser), _autocast(self.device, self.precision):
            self._loss(model, *self._batch(0)).backward()

    def _batch(self, shard: int) -> tuple[Tensor, Any, torch.Generator, Tensor | None]:
        """The data of this step, the stream that its noise comes from, and what pixels count."""
        generator = stream(self.settings.seed, self.step, shard, self.device)
        pictures, conditions, *counts = self.batch(generator)
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        return pictures, conditions, generator, *(counts or [None])

    def _advance(self, model: nn.Module) -> float:
        """One step over this process's shards; returns the mean loss of all shards."""
        own = range(self.rank, self.settings.shards, self.world)
        total = torch.zeros((), device=self.device)
        for shard in own:
            batch = self._batch(shard)
            alone = isinstance(model, DistributedDataParallel) and shard != own[-1]
            with (
                model.no_sync() if alone else nullcontext(),
                _autocast(self.device, self.precision),
            ):
                loss = self._loss(model, *batch)
            (loss / len(own)).backward()
            total += loss.detach() / len(own)
        value = self._finite(total)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate(self.step)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._average()
        return value

    def _finite(self, total: Tensor) -> float:
        """The step's mean loss over all processes, where it and the gradient are finite."""
        if self.world > 1:
            dist.all_reduce(total)  # of the gradient the last shard's backward pass has done so
        gradients = [p.grad for p in self.denoiser.parameters() if p.grad is not None]
        norm = torch.stack(torch._foreach_norm(gradients)).sum()
        value, size = torch.stack([total / self.world, norm.to(total)]).tolist()
        if not math.isfinite(value + size):
            self.optimizer.zero_grad(set_to_none=True)
            raise FloatingPointError(
                f"step {self.step + 1}: the loss is {value:g} and its gradient's norm {size:g}; "
                "nothing of this step was kept: lower the learning rate or look at its pictures"
            )
        return value

    def _loss(
        self, model: nn.Module, pictures: Tensor, conditions: Any, generator, counts=None
    ) -> Tensor:
        if self.loss is not None:
            if counts is not None:
                raise ValueError("a loss of its own takes no count of pixels")
            return self.loss(model(pictures), conditions)
        p_mean, p_std = self.settings.p_mean, self.settings.p_std
        sigma_data = self.denoiser.sigma_data
        return edm.loss(model, pictures, conditions, generator, p_mean, p_std, sigma_data, counts)

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.settings.average, (1 + self.step) / (10 + self.step))
        old, new = list(self.averaged.parameters()), list(self.denoiser.parameters())
        torch._foreach_lerp_(old, new, 1 - decay)
        # A batch normalisation's statistics are averaged as the weights are; counters are copied.
        for old, new in zip(self.averaged.buffers(), self.denoiser.buffers(), strict=True):
            old.lerp_(new, 1 - decay) if old.is_floating_point() else old.copy_(new)

    def save(self, path: str | Path) -> None:
        """Writes the whole state; in a distributed run the first process does."""
        if self.rank:
            return
        tensors = {f"denoiser.{n}": t for n, t in self.denoiser.state_dict().items()}
        tensors |= {f"averaged.{n}": t for n, t in self.averaged.state_dict().items()}
        for name, parameter in self.denoiser.named_parameters():
            # A parameter that never had a gradient has no state.
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"{key}.{name}"] = value
        header = self._header() | {
            "step": self.step,
            "seconds": self.seconds,
            "precision": self.precision,
        }
        checkpoint.save(path, tensors, header)

    def restore(self, path: str | Path) -> None:
        """Continues from a state that `save` wrote.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is damaged, of another network, or of another run.
        """
        tensors, header = checkpoint.load(path, self.name)
        # A state without `about` was written before there was any, and is taken.
        header = {"settings": {}, "about": self.about} | header
        # What is set today and was not then, was as it usually is.
        usual = {f.name: f.default for f in fields(Settings) if f.default is not MISSING}
        header["settings"] = usual | header["settings"]
        for part in ("settings", "about"):
            own, stored = self._header()[part], header[part]
            names = [n for n in own | stored if own.get(n) != stored.get(n)]
            if names:
                was, now = ({n: d.get(n) for n in names} for d in (stored, own))
                raise ValueError(f"{path} was trained with {was}, not with {now}")
        parts: dict[str, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            part, _, name = name.partition(".")
            parts.setdefault(part, {})[name] = tensor
        for part, module in (("denoiser", self.denoiser), ("averaged", self.averaged)):
            checkpoint.fill(module, parts.get(part, {}), path)
        parameters = dict(self.denoiser.named_parameters())
        self.optimizer.state.clear()  # a parameter that had no gradient yet has none
        for key in parts.keys() - {"denoiser", "averaged"}:
            for name, stored in parts[key].items():
                # The fused step walks through memory: moments need their parameter's own layout.
                own = stored if key == "step" else torch.empty_like(parameters[name]).copy_(stored)
                self.optimizer.state[parameters[name]][key] = own.to(self.device)
        self.step, self.seconds = header["step"], header["seconds"]
        self.precision = header["precision"]

    def _header(self) -> dict:
        return {
            "network": self.name,
            "settings": asdict(self.settings),
            "about": self.about,
        }


def stream(
    seed: int, step: int, shard: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """The random stream of one step and shard: a function of these numbers and nothing else."""
    state = np.random.SeedSequence([seed, step, shard]).generate_state(1)
    return torch.Generator(device).manual_seed(int(state[0]))


def fastest_precision(denoiser: edm.Preconditioned, batch: tuple[Tensor, Any, Any]) -> str:
    """The precision whose forward and backward pass takes the least time here, tried out.

    What a processor says it supports tells little: without its own bfloat16 units a CPU takes it
    at a tenth of the speed.

    Args:
        denoiser: Left as it was, statistics of a batch normalisation included.
        batch: Pictures (B, C, H, W), conditions, and a generator that will be used up.

    Returns:
        `float32` or `bfloat16`.
    """
    pictures, conditions, generator = batch
    # On a CPU the processor's own time: other programs must not sway the choice.
    clock = time.process_time if pictures.device.type == "cpu" else time.perf_counter

    def seconds(precision: str) -> float:
        best = math.inf
        for _ in range(3):
            start = clock()
            with _autocast(pictures.device, precision):
                loss = edm.loss(denoiser, pictures, conditions, generator)
            loss.backward()
            loss.item()  # waits for the device
            best = min(best, clock() - start)
        return best

    with _untouched(denoiser):
        return min(PRECISIONS, key=seconds)


def join_processes() -> int:
    """Joins the processes that `torchrun` started, if it did; returns this one's rank.

    Raises:
        ValueError: The environment speaks of several processes, but not as `torchrun` does.
    """
    missing = [name for name in TORCHRUN if name not in os.environ]
    if missing and os.environ.get("WORLD_SIZE", "1") != "1":
        raise ValueError(
            f"WORLD_SIZE is set to {os.environ['WORLD_SIZE']}, but not {', '.join(missing)}: start "
            "with `torchrun --nproc-per-node=N -m lib.experiments ...`, or unset WORLD_SIZE to run "
            "alone"
        )
    if not missing and not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return _place()[0]


def inside(denoiser: nn.Module) -> nn.Module:
    """The network in a denoiser; a network itself."""
    return denoiser.network if isinstance(denoiser, edm.Preconditioned) else denoiser


def save_weights(
    path: str | Path, denoiser: nn.Module, header: dict, dtype: torch.dtype = torch.bfloat16
) -> None:
    """Stores a denoiser's or a network's weights, buffers as they are, with where they come from.

    Args:
        path: The file.
        denoiser: Its network has a `name`, which is stored too.
        header: JSON data: commit, device, seed, steps, seconds.
        dtype: Of the weights as stored.
    """
    network = inside(denoiser)
    weights = network.state_dict() | {n: p.to(dtype) for n, p in network.named_parameters()}
    own = {"network": network.name}
    if network is not denoiser:
        own["sigma_data"] = denoiser.sigma_data
    checkpoint.save(path, weights, header | own)


def load_weights(path: str | Path, network: nn.Module) -> tuple[edm.Preconditioned, dict]:
    """The denoiser whose weights `save_weights` stored, in float32, and the header.

    Args:
        path: The file.
        network: The network to put them into, with the `name` of the stored one.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, of another network, or does not say its sigma_data.
    """
    header = checkpoint.load_into(path, network)
    if "sigma_data" not in header:
        raise ValueError(f"{path} does not say its sigma_data: save it with `save_weights`")
    denoiser = edm.Preconditioned(network, header["sigma_data"])
    return denoiser.requires_grad_(False).eval(), header


def _place() -> tuple[int, int]:
    """Rank and number of processes."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def _agreed(precision: str) -> str:
    """What the first process chose."""
    choice = [precision]
    if dist.is_initialized():
        dist.broadcast_object_list(choice)
    return choice[0]


def _optimizer(denoiser: edm.Preconditioned, settings: Settings) -> torch.optim.Optimizer:
    """What moves the weights."""
    rate = settings.learning_rate
    if settings.optimizer == "muon":
        return Muon(denoiser.network, rate)
    betas = 0.9, settings.beta2
    return torch.optim.AdamW(denoiser.parameters(), rate, betas=betas, fused=True)


def _compiled(denoiser: nn.Module, tried: Callable[[nn.Module], None]) -> nn.Module:
    """The compiled denoiser, or the plain one where this machine cannot compile, and says so.

    Args:
        denoiser: What is compiled.
        tried: Called with it once: a compiler is not asked before the first pass.
    """
    model = torch.compile(denoiser)
    try:
        tried(model)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a missing compiler shows itself in many ways, none documented
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        print(f"Trains without torch.compile, which does not work here: {reason}", flush=True)
        torch.compiler.reset()
        return denoiser
    return model


@contextmanager
def _untouched(module: nn.Module) -> Iterator[None]:
    """What passes do to a module is undone: gradients, and buffers such as running statistics."""
    kept = [buffer.clone() for buffer in module.buffers()]
    try:
        yield
    finally:
        module.zero_grad(set_to_none=True)
        with torch.no_grad():
            for buffer, old in zip(module.buffers(), kept, strict=True):
                buffer.copy_(old)


def _autocast(device: torch.device, precision: str):
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
