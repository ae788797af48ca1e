"""Training that is watched at due steps, judged as it is stored, and resumed where it stopped."""

import contextlib
import math
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lib import storage
from lib.book import runtime
from lib.diffusion import networks, train
from lib.storage import checkpoint


@dataclass(frozen=True)
class Seed:
    """One training of a network that looks at pictures.

    Attributes:
        seed: Of weights and data.
    """

    seed: int = 0


POINTS = 100  # of the loss that are kept
SAVE_EVERY = 500  # steps
_ends = [math.inf]  # when training stops to be taken up later; by `time.monotonic`


class OutOfTimeError(Exception):
    """Training stopped between two steps, kept so that it can be taken up there."""


@contextlib.contextmanager
def at_most(minutes: float) -> Iterator[None]:
    """Within, training that takes longer is kept and stopped by an `OutOfTimeError`.

    Raises:
        ValueError: The time is not above 0.
    """
    if not minutes > 0:
        raise ValueError(f"minutes of training must be above 0, not {minutes}")
    _ends.append(time.monotonic() + 60 * minutes)
    try:
        yield
    finally:
        _ends.pop()


def train_watched(
    stem: Path,
    setting: Any,
    scale: Any,
    training: train.Training,
    *,
    seen: str = "looks",
    due: Collection[int] = (),
    look: Callable[[], Any] | None = None,
    before: Callable[[], dict] = dict,
    judge: Callable[[Any], dict] = lambda _: {},
    dtype: torch.dtype = torch.bfloat16,
    until: int | None = None,
) -> dict | None:
    """Does what is still missing of one run.

    Written are STEM.json (setting, scale, what was seen and measured), STEM.safetensors (averaged
    weights) and, until it is done, STEM.state.safetensors, from which it resumes. What was seen is
    written before the state is: a kill in between repeats steps, and loses none.

    Args:
        stem: Of the files. Processes on several machines must share the folder: each reads the
            state there, and the first alone writes.
        setting: A dataclass, which makes it this run, as `scale` does.
        scale: How large and how long.
        training: At its start.
        seen: Under which name what was seen is kept, by step.
        due: The steps after which it is looked at.
        look: Says what is seen there: JSON data.
        before: What is measured before the first step, or before it goes on.
        judge: What is measured at the end, given the denoiser with the weights as stored.
        dtype: Of these.
        until: The step to stop at, to go on from there at the next call; None for the end.

    Returns:
        What is in STEM.json, finished where it has `seconds`; None in all but the first of several
        processes.

    Raises:
        ValueError: There is a run of that name with another scale, or a damaged file.
        OutOfTimeError: See `at_most`.
    """
    file, state, weights = (
        stem.with_name(stem.name + end) for end in (".json", ".state.safetensors", ".safetensors")
    )
    own = {
        "setting": asdict(setting),
        "scale": asdict(scale),
        "network": training.name,
        "parameters": networks.parameters(training.denoiser),
    }
    result = storage.begin(file, own, **({seen: {}} if due else {}), losses={})
    if "seconds" in result:
        return result
    result |= before()
    if state.exists():
        training.restore(state)
    if until is not None and training.step >= until:
        return result
    if training.world > 1 and math.isfinite(min(_ends)):
        raise ValueError("several processes have a clock each: leave out the minutes")
    first, steps = not training.rank, training.settings.steps
    start = time.process_time() - result.get("cpu_seconds", 0.0)  # over all restarts

    def watch() -> None:
        if first and training.step in due and str(training.step) not in result[seen]:
            result[seen][str(training.step)] = look()
            storage.write_json(file, result)

    watch()
    bar = runtime.progress(training.run(), stem.name, steps - training.step)
    for record in bar:
        step = record["step"]
        bar.set_postfix(step=step, loss=f"{record['loss']:.3f}", refresh=False)
        if step % max(steps // POINTS, 1) == 0:
            result["losses"][str(step)] = round(record["loss"], 5)
        watch()
        late = step < steps and time.monotonic() > min(_ends)
        if late or step % SAVE_EVERY == 0 or step in (until, steps):
            if first:
                result["cpu_seconds"] = round(time.process_time() - start, 1)
                storage.write_json(file, result)
            training.save(state)
        if step == until:
            break
        if late:
            bar.close()
            raise OutOfTimeError(
                f"{stem.name} is kept at step {step:,} of {steps:,}; the same command goes on"
            )
    if not first or training.step < steps:
        return result if first else None
    header = {
        "setting": asdict(setting),
        "scale": asdict(scale),
        "steps": training.step,
        "seconds": round(training.seconds, 1),
        "cpu_seconds": round(time.process_time() - start, 1),
        "precision": training.precision,
        "provenance": storage.provenance(),
    }
    train.save_weights(weights, training.averaged, header, dtype)
    checkpoint.load_into(weights, train.inside(training.averaged))
    result |= judge(training.averaged) | header
    storage.write_json(file, result)
    state.unlink(missing_ok=True)
    return result


def judge_training(
    network: nn.Module,
    batch: Callable,
    loss: Callable,
    setting: Seed,
    scale: Any,
    device: torch.device | str = "cpu",
    **more: Any,
) -> train.Training:
    """A training at its start, of a network that looks at pictures.

    Args:
        network: Its weights are drawn anew.
        batch: Called with `scale.batch` and a generator; gives pictures and the truth.
        loss: Of what the network makes of the pictures, and the truth.
        setting: The seed.
        scale: With `steps`, `batch` and the highest `learning_rate`.
        device: Where.
        **more: Of `lib.diffusion.train.Settings`.
    """
    networks.initialise(network, runtime.generator(setting.seed)).to(device)
    numbers = scale.steps, setting.seed, scale.learning_rate
    settings = train.Settings(*numbers, cosine=True, average=0.0, **more)
    about = asdict(setting) | asdict(scale)
    return train.Training(network, partial(batch, scale.batch), settings, about, loss)
