"""Trains the detector of objects in pictures and measures it: `python -m lib.experiments detector`.

Every step renders new scenes of 0 to 12 objects, takes their mirror images too, and adds a little
noise. What is measured, for each number of objects on new pictures, is the ceiling that results on
drawn pictures are read against. Writes to runs/detector/: `training.safetensors` (to resume from),
`detector.safetensors` (weights, bfloat16) and `detector.json` (measurements with these weights).
"""

import argparse
import math
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from lib import storage
from lib.book.runtime import device, generator, progress
from lib.diffusion.networks import initialise
from lib.diffusion.train import stream
from lib.scenes import Labels, labels, render, sample_scenes
from lib.scenes.conditions import asked, label_all
from lib.scenes.detector import NOISE, SIZE, Detector, detect, loss, trained
from lib.scenes.measure import MEASURE, scored
from lib.storage import checkpoint

MOST = 12  # objects
RATE = 3e-3  # highest learning rate
WARMUP = 50  # steps
SAVE_EVERY = 100  # steps


def main(argv: list[str]) -> None:
    """Trains, or resumes; stores the weights, measures them, stores the measurements.

    Args:
        argv: Command-line arguments; `--help` lists them.

    Raises:
        ValueError: The state to resume from is damaged, or of other settings.
    """
    parser = argparse.ArgumentParser(prog="python -m lib.experiments detector")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=32, help="scenes a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=1000, help="pictures to measure each K on")
    parser.add_argument("--out", type=Path, default=storage.RUNS / "detector")
    args = parser.parse_args(argv)
    settings = {"steps": args.steps, "batch": args.batch, "seed": args.seed}
    weights = args.out / "detector.safetensors"
    network, seconds = train(settings, args.out / "training.safetensors")
    header = storage.provenance() | {
        "network": network.name,
        "settings": settings,
        "seconds": seconds,
    }
    stored = {n: p.to(torch.bfloat16) for n, p in network.named_parameters()}
    checkpoint.save(weights, stored, header)
    rows = measured(trained(weights).to(device()), args.samples, args.seed)
    result = {"provenance": header, "measure": asdict(MEASURE), "rows": rows}
    storage.write_json(args.out / "detector.json", result)
    for row in rows:
        print(" ".join(f"{k} {v:.3f}" if v is not None else f"{k} -" for k, v in row.items()))


def train(settings: dict, path: Path) -> tuple[Detector, float]:
    """Trains from the state at `path`, if there is one, to the last step.

    Args:
        settings: `steps`, `batch` (scenes a step) and `seed`.
        path: Where the state is kept.

    Returns:
        The network and the seconds it took, over all restarts.

    Raises:
        ValueError: The state is damaged, or of other settings.
        FloatingPointError: A step's loss is not finite; the state before it is there.
    """
    network = initialise(Detector(), generator(settings["seed"])).to(device())
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, betas=(0.9, 0.99))
    step, seconds = restored(path, network, optimizer, settings) if path.exists() else (0, 0.0)
    bar = progress(range(step, settings["steps"]), "detector")
    for step in bar:
        start = time.perf_counter()
        pictures, truth = batch(settings["batch"], stream(settings["seed"], step, 0, device()))
        value = loss(network(pictures.contiguous(memory_format=torch.channels_last)), truth)
        if not value.isfinite():
            raise FloatingPointError(f"step {step + 1} of the detector: loss {value.item()}")
        value.backward()
        for group in optimizer.param_groups:
            group["lr"] = rate(step, settings["steps"])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds += time.perf_counter() - start
        bar.set_postfix(loss=f"{value.item():.4f}", refresh=False)
        if (step + 1) % SAVE_EVERY == 0:
            save(path, network, optimizer, settings | {"step": step + 1, "seconds": seconds})
    return network.eval(), seconds


def rate(step: int, steps: int) -> float:
    """The learning rate of a step: a short rise, then half a cosine down to 0."""
    fall = 0.5 * (1 + math.cos(math.pi * step / steps))
    return RATE * min(1.0, (step + 1) / WARMUP) * fall


def batch(size: int, stream: torch.Generator) -> tuple[Tensor, Labels]:
    """Pictures (2 size, 3, 32, 32) of new scenes and of their mirror images, and their labels."""
    scenes = sample_scenes(size, 0, MOST, stream)
    pictures, truth = render(scenes, SIZE), labels(scenes)
    pictures = torch.cat([pictures, pictures.flip(3)])
    sides = truth.location.new_tensor([[1, 1], [-1, 1]])
    location = torch.cat([truth.location, truth.location * sides[1] + (1 - sides[1]) / 2])
    noise, amount = (
        torch.empty(shape, device=pictures.device)
        for shape in (pictures.shape, (len(pictures), 1, 1, 1))
    )
    noise.normal_(generator=stream)
    amount.uniform_(0, NOISE, generator=stream)
    twice = {n: torch.cat([getattr(truth, n)] * 2) for n in ("depth", "visibility", "mask")}
    return pictures + amount * noise, Labels(location=location, **twice)


def save(path: Path, network: Detector, optimizer: torch.optim.Optimizer, header: dict) -> None:
    """Writes all that `restored` needs."""
    tensors = dict(network.named_parameters())
    for name, parameter in network.named_parameters():
        tensors |= {f"{key}:{name}": v for key, v in optimizer.state[parameter].items()}
    checkpoint.save(path, tensors, header | {"network": network.name})


def restored(
    path: Path, network: Detector, optimizer: torch.optim.Optimizer, settings: dict
) -> tuple[int, float]:
    """Sets network and optimiser to what `save` wrote; returns the steps done and the seconds.

    Raises:
        ValueError: The file is damaged, of another network, or of other settings.
    """
    tensors, header = checkpoint.load(path, network.name)
    if any(header.get(name) != value for name, value in settings.items()):
        raise ValueError(f"{path} was trained with other settings than {settings}; remove it first")
    network.load_state_dict({name: tensors[name] for name, _ in network.named_parameters()})
    for name, parameter in network.named_parameters():
        moments = {
            key: torch.empty_like(parameter).copy_(tensors[f"{key}:{name}"])
            for key in ("exp_avg", "exp_avg_sq")
        }
        optimizer.state[parameter] = moments | {"step": tensors[f"step:{name}"]}
    return header["step"], header["seconds"]


def measured(
    network: Detector, samples: int, seed: int, counts: Iterable[int] = range(MOST + 1)
) -> list[dict]:
    """What the detector finds in new pictures of K objects, none heavily hidden.

    Args:
        network: Trained.
        samples: Pictures for each K.
        seed: Of the scenes.
        counts: Values of K.

    Returns:
        For each K: `count`, `hits` and `blind` (shares of the objects), `false` (detections a
        picture that match none), `exact` (share of pictures counted right) and `error` (mean
        distance of the hits, in widths).
    """
    rows = []
    for count in progress(counts, "measuring"):
        scenes = asked(samples, count, stream(seed + 1, count, 1, device()))
        found = detect(network, render(scenes, SIZE))
        record = scored(found, label_all(scenes), found)
        hits, objects = sum(record["hits"]), samples * count
        row = {
            "count": count,
            "hits": hits / objects if objects else None,
            "blind": sum(record["blind"]) / objects if objects else None,
            "false": (sum(record["found"]) - hits) / samples,
            "exact": record["found"].count(count) / samples,
            "error": sum(record["error"]) / hits if hits else None,
        }
        rows.append(row)
    return rows
