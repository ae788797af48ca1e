"""Where trained networks look, and when: what a denoiser depends on, noise level by noise level.

    python -m lib.experiments local_scores run --name label_one.vector --seed 0
    python -m lib.experiments local_scores store
    python -m lib.experiments local_scores record

takes the weights of a finished run of `length_generalization`; nothing is trained. Of each run it
measures, and writes to runs/local_scores/NAME.seedS.json:

- `exchange`: pictures that are asked for one place above a noise level and for another from there
  on, always from the same noise: which of the two is drawn.
- `changes`: how much the answer at an asked place changes when pixels near or far are exchanged,
  its own request goes, or others are added.
- `listens`: how much of an object that the picture shows is kept when it is asked for, when nothing
  is, and when another place is; and what a request moves where the picture shows nothing.
- `machine`: how much of the denoiser is that of training pictures seen through windows.

It is said that at high noise the requests decide and at low noise the pixels. Written down before
any run, three accounts of what an exchange of the request shows:

===========  ================  ===================  =====================  =======================
account      new one, from 3   new one, from .3     an exact denoiser      what sets the level
===========  ================  ===================  =====================  =======================
*phases*     drawn             not drawn            the same: a fact of    the noise
                                                    diffusion
*posterior*  drawn             drawn: the request   drawn                  whether an object that
                                                                           shows may stay
*neglect*    drawn             not drawn            drawn                  where a request still
                                                                           told training anything
===========  ================  ===================  =====================  =======================

The rule of `local.high_noise` (new one drawn from 3 on, not from .3 on) tells *posterior* from the
other two. Those two are told apart by an exact denoiser asked in the same way (chapter 10), and by
whether a request stops moving the answer at the level at which, on pictures that do fit it, it has
nothing left to tell. None of the three speaks of windows: a network that hears near must show the
same, or locality is part of the account (`local.high_noise.near`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from lib import storage
from lib.book import runtime
from lib.diffusion import asking, edm, hearing, train
from lib.diffusion.pathways import Locations
from lib.exact import PatchMachine
from lib.experiments import length_asking, length_results
from lib.experiments import length_generalization as length
from lib.experiments.length_asking import Setting
from lib.scenes import detector, labelling, measure, render, sample_scenes
from lib.scenes.scene import SIZES, Scenes

RUNS = storage.RUNS / "local_scores"
KEPT = storage.RESULTS / "local_scores"
LEVELS = (0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)  # of noise
EXCHANGES = (0.0, 0.03, 0.1, 0.3, 0.6, 1.0, 1.7, 3.0, 5.5, 10.0, 100.0)  # never .. from the start
HIGH, LOW = 3.0, 0.3  # of the rule
SAMPLES = 64
GAP = 2 * measure.MEASURE.radius  # between old and new places: no object hits both
WINDOWS = {"5 x 5 pixels": (2, 2), "5 x 5 cells": (5, 2), "everything": (31, 15)}
PICTURES = 1024  # that the machine keeps


def apart(scenes: Scenes, seed: int) -> Scenes:
    """As many other requests, each at least `GAP` from the places of its scene.

    Raises:
        ValueError: There are too few such requests, as where a scene has many places.
    """
    count, own = scenes.mask.shape[1], labelling.label_all(scenes)[0]
    others = labelling.request_scenes(4 * len(scenes), count, train.stream(seed, count, 1))
    far = torch.cdist(own[:, None], labelling.label_all(others)[0][None]).amin((2, 3)) > GAP
    rows, chosen = linear_sum_assignment(far.int().numpy(), maximize=True)  # none is taken twice
    if not far[rows, chosen].all():
        raise ValueError(f"no {len(scenes)} requests of {count} places keep clear of the scenes'")
    return others[torch.from_numpy(chosen)]


def draw_exchanged(
    denoiser: edm.Denoiser, noise: Tensor, first: tuple, second: tuple, level: float
) -> Tensor:
    """Pictures asked for `first` above a noise level and for `second` from there on."""

    def asks(conditions: tuple) -> edm.Denoiser:
        return lambda x, sigma, _: denoiser(x, sigma, conditions)

    asked = asking.by_level(0, level, asks(second), asks(first))
    return length_asking.sampled(asked, noise, None)


def exchange(denoiser: edm.Denoiser, finder, setting: length.Setting, count: int, seed: int):
    """Which of two requests of `count` places is drawn when one follows the other.

    Returns:
        By level of the exchange, for `first` and `second`, what `lib.scenes.measure.raw_scores`
        gives.
    """
    scenes = labelling.request_scenes(SAMPLES, count, train.stream(seed, count))
    pair = scenes, apart(scenes, seed)
    noise = torch.randn(SAMPLES, 3, 32, 32, generator=train.stream(seed, count, 2))
    requests = [labelling.label_all(one) for one in pair]
    told = [length.add_hearing(setting, r, train.stream(seed, count, 3)) for r in requests]
    real = [detector.detect(finder, render(one, 32)) for one in pair]
    found = {}
    for level in EXCHANGES:
        seen = detector.detect(finder, draw_exchanged(denoiser, noise, *told, level))
        found[f"{level:g}"] = {
            name: measure.raw_scores(seen, request, truth)
            for name, request, truth in zip(("first", "second"), requests, real, strict=True)
        }
    return found


def around(place: Tensor, k: int) -> Tensor:
    """The pixels of the (2k + 1)^2 cells about places (B, 2): (B, 1, 32, 32), boolean."""
    mask = torch.ones(len(place), 1, dtype=torch.bool)
    return asking.enlarged(hearing.window((place[:, None], mask), length.GRID, k), 32).bool()


def rms(values: Tensor, where: Tensor) -> float:
    """Root of the mean square of pictures (B, 3, H, W) over pixels (B, 1, H, W)."""
    chosen = values.square().masked_select(where.expand_as(values))
    return round(float(chosen.mean().sqrt()), 6)


def mean_picture(samples: int = 256) -> Tensor:
    """Of the training scenes, (3, 32, 32)."""
    return render(sample_scenes(samples, 1, 3, runtime.generator(0)), 32).mean(0)


def changes(
    denoiser: edm.Denoiser,
    setting: length.Setting,
    shown: int,
    seed: int,
    levels: Sequence[float] = (),
) -> dict:
    """How much the answer at an asked place changes, in units of the pictures, by noise level.

    The answer: the 3 x 3 cells about the first of six places. What is near it: 5 x 5 cells. The
    noisy picture shows the first object, or all six; asked for are as many.

    Args:
        denoiser: Of the setting.
        setting: Says how it is told.
        shown: Objects in the picture, 1 or 6.
        seed: Of scenes and noise.
        levels: Of noise: `LEVELS` if none are named.

    Returns:
        `says`, the answer less the mean picture; and by what was changed, the change: `near` and
        `far` pixels became another picture's, its `own` request went, five `others` were added to
        it alone (or taken off, so that it is alone). Root mean squares over 32 pictures, by level.
    """
    scenes = labelling.request_scenes(SAMPLES // 2, 6, train.stream(seed, 6, 4))
    place, mask = labelling.label_all(scenes)
    own, near, here = torch.arange(6) == 0, around(place[:, 0], 2), around(place[:, 0], 1)
    pictures = render(replace(scenes, mask=scenes.mask & own) if shown == 1 else scenes, 32)
    noise, mean = torch.randn(pictures.shape, generator=train.stream(seed, 6, 5)), mean_picture()
    alone, everyone = mask & own, mask
    asked, other = (alone, everyone) if shown == 1 else (everyone, alone)
    found: dict[str, list[float]] = {"says": [], "near": [], "far": [], "own": [], "others": []}
    for sigma in levels or LEVELS:
        x = pictures + sigma * noise

        def answer(x, mask, sigma=sigma):
            told = length.add_hearing(setting, (place, mask), train.stream(seed, 6, 6))
            with torch.no_grad():
                return denoiser(x, sigma, told)

        said, foreign = answer(x, asked), x.roll(1, 0)
        for name, value in (
            ("says", mean),
            ("near", answer(torch.where(near, foreign, x), asked)),
            ("far", answer(torch.where(near, x, foreign), asked)),
            ("own", answer(x, asked & ~own)),
            ("others", answer(x, other)),
        ):
            found[name].append(rms(value - said, here))
    return found


def listens(denoiser: edm.Denoiser, setting: length.Setting, seed: int) -> dict:
    """What is left of an object that the picture shows, and what a request moves, at `LEVELS`.

    Of scenes with one object: `amplitude`, the norm of picture less empty scene, and the share of
    it in the denoised picture (a projection) when the object is asked for (`kept`), nothing is
    (`unasked`), another place is (`elsewhere`); a list a size, small and large. `moved.fitting`:
    what asking moves about an object that is there; `moved.unfitting`: about a place that the
    picture shows empty. Root mean squares.
    """
    scenes = labelling.request_scenes(SAMPLES, 1, train.stream(seed, 1, 7))
    place, mask = labelling.label_all(scenes)
    elsewhere = labelling.label_all(apart(scenes, seed))[0]
    empty = render(replace(scenes, mask=scenes.mask & False), 32)
    pictures = render(scenes, 32)
    thing = pictures - empty
    square = thing.square().sum((1, 2, 3))
    noise = torch.randn(pictures.shape, generator=train.stream(seed, 1, 8))
    sizes = {name: scenes.size[:, 0] == list(SIZES).index(name) for name in ("small", "large")}
    told = {"kept": (place, mask), "unasked": (place, mask & False), "elsewhere": (elsewhere, mask)}
    found: dict = {name: {size: [] for size in sizes} for name in told}
    found |= {"moved.fitting": [], "moved.unfitting": []}
    found["amplitude"] = {s: float(square[there].sqrt().mean()) for s, there in sizes.items()}
    for sigma in LEVELS:
        answers = {}
        for name, request in told.items():
            request = length.add_hearing(setting, request, train.stream(seed, 1, 9))
            with torch.no_grad():
                answers[name] = denoiser(pictures + sigma * noise, sigma, request)
            share = ((answers[name] - empty) * thing).sum((1, 2, 3)) / square
            for size, there in sizes.items():
                found[name][size].append(round(float(share[there].mean()), 5))
        for name, other, where in (
            ("moved.fitting", "kept", place),
            ("moved.unfitting", "elsewhere", elsewhere),
        ):
            moved = answers[other] - answers["unasked"]
            found[name].append(rms(moved, around(where[:, 0], 1)))
    return found


def machine(denoiser: edm.Denoiser, setting: length.Setting, seed: int, samples: int = 8) -> dict:
    """How much of a denoiser is that of training pictures seen through windows, at `LEVELS`.

    The machine (`lib.exact.PatchMachine`, patches in place) keeps `PICTURES` training pictures. The
    baseline is linear: at each pixel alone, mean + v / (v + sigma^2) (x - mean) of these pictures.

    Returns:
        `error`: mean squared error, of the `network`, the baseline `linear` and each of `WINDOWS`,
        against the clean picture. `explained`: for each window, 1 less the mean squared difference
        between network and machine over that between network and baseline.
    """

    def tell(scenes: Scenes, stream: int) -> Locations:
        if setting.labels == "label_all":
            return labelling.label_all(scenes)
        return labelling.label_one(scenes, train.stream(seed, stream))

    kept = sample_scenes(PICTURES, 1, 3, train.stream(seed, 20))
    album, known = render(kept, 32), tell(kept, 21)
    scenes = sample_scenes(samples, 1, 3, train.stream(seed, 22))
    clean, request = render(scenes, 32), tell(scenes, 23)
    noise = torch.randn(clean.shape, generator=train.stream(seed, 24))
    mean, spread = album.mean(0), album.var(0)
    machines = {
        name: PatchMachine(album, *known, *radii, same_position=True)
        for name, radii in WINDOWS.items()
    }
    errors: dict = {name: [] for name in ("network", "linear", *WINDOWS)}
    explained: dict = {name: [] for name in WINDOWS}
    heard = length.add_hearing(setting, request, train.stream(seed, 25))
    for sigma in LEVELS:
        x = clean + sigma * noise
        with torch.no_grad():
            said = denoiser(x, sigma, heard)
        linear = mean + spread / (spread + sigma**2) * (x - mean)
        answers = {"network": said, "linear": linear}
        answers |= {n: m.denoise(x, sigma, request).float() for n, m in machines.items()}
        for name, answer in answers.items():
            errors[name].append(round(float((answer - clean).square().mean()), 7))
        base = (said - linear).square().mean()
        for name in WINDOWS:
            gap = (said - answers[name]).square().mean()
            explained[name].append(round(float(1 - gap / base), 4))
    return {"error": errors, "explained": explained}


def parts(denoiser, setting: length.Setting, finder, seed: int) -> dict[str, Callable[[], dict]]:
    """What is measured of a run, by name; each by itself."""
    counts = (1, 3) if setting.labels == "label_all" else (1,)
    by_count = {f"exchange.{K}": K for K in counts}
    found: dict[str, Callable[[], dict]] = {
        name: lambda K=K: exchange(denoiser, finder, setting, K, seed)
        for name, K in by_count.items()
    }
    for shown in (1, 6):
        found[f"changes.{shown}"] = lambda n=shown: changes(denoiser, setting, n, seed)
    found["listens"] = lambda: listens(denoiser, setting, seed)
    found["machine"] = lambda: machine(denoiser, setting, seed)
    return found


@dataclass(frozen=True)
class Scale:
    """Nothing is left to choose."""


def run(
    setting: Setting, scale: Scale, folder: Path = RUNS, *, weights: Path = length.KEPT
) -> dict:
    """Measures one finished run, and keeps what is done after each part.

    Args:
        setting: Whose weights.
        scale: How much.
        folder: Where NAME.seedS.json is written.
        weights: The folder that holds NAME.seedS.json and .safetensors.

    Raises:
        FileNotFoundError: There is no such run, or no detector.
        ValueError: A file is damaged or of another network, or that was trained on other data.
    """
    stem = f"{setting.name}.seed{setting.seed}"
    result = storage.read_json(weights / f"{stem}.json")
    length.check_plain(result)
    denoiser = length.load_denoiser(setting.name, weights, setting.seed)
    own = length.identity(result) | {"levels": list(LEVELS)}
    stored = storage.begin(folder / f"{stem}.json", own)
    asked = length.Setting(**result["setting"])
    todo = parts(denoiser, asked, detector.load(), 3000 + setting.seed)
    for part in runtime.progress([p for p in todo if p not in stored], f"looking at {stem}"):
        stored[part] = todo[part]()
        stored["provenance"] = storage.provenance()
        storage.write_json(folder / f"{stem}.json", stored)
    return stored


def results(folder: Path = KEPT) -> dict[str, list[dict]]:
    """What is stored, by setting in the order of the tables, seeds in order."""
    found: dict[str, dict[int, dict]] = {}
    for path in sorted(folder.glob("label_*.json")):
        result = storage.read_json(path)
        setting = length.Setting(**result["setting"])
        found.setdefault(setting.name, {})[setting.seed] = result
    return {
        name: [found[name][seed] for seed in sorted(found[name])]
        for name in length.SETTINGS
        if name in found
    }


def skill(result: dict, level: float, which: str, count: int = 1) -> float:
    """Skill on the `first` or the `second` request when they are exchanged at a level."""
    return length_results.skill(result[f"exchange.{count}"][f"{level:g}"][which])


def claims(measured: dict[str, list[dict]]) -> dict[str, list[float]]:
    """What stands behind each row of the ledger: a number a run."""
    found = {}
    for row, name in (("", "label_one.vector"), (".near", "label_one.full_local")):
        seeds = measured.get(name, [])
        ends = [[skill(r, level, "second") for level in (HIGH, LOW)] for r in seeds]
        found[f"local.high_noise{row}"] = (
            length_results.less(*zip(*ends, strict=True)) if ends else []
        )
        found[f"local.competent{row}"] = [skill(r, EXCHANGES[0], "first") for r in seeds]
    return found


def store(folder: Path = RUNS, kept: Path = KEPT) -> list[str]:
    """Takes over what has been measured; returns the files' names."""
    paths = sorted(folder.glob("label_*.json"))
    for path in paths:
        storage.write_numbers(kept / path.name, storage.read_json(path), length.DIGITS)
    return [path.name for path in paths]
