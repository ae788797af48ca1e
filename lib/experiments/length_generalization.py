"""Length generalisation: pictures of more objects than any training picture holds.

A denoiser is trained on scenes of 1 to 3 objects and asked for 0 to 10 locations. Settings differ
in the labels (all locations or one), in how conditions get into the network, and in the windows
through which it sees pixels and hears conditions. One run, all that are reported, and one on two
processors::

    python -m lib.experiments length_generalization run --pathway window --seed 1
    python -m lib.experiments length_generalization run --all
    torchrun --nproc-per-node 2 -m lib.experiments length_generalization run --shards 2

Why a network that was told one label fails at six is asked of the same weights, by
`lib.experiments.length_asking`. Three accounts were written down before any run, with what each
predicts of skill at six relative to skill at one:

- *Locality*: the answer at a place needs only the requests near it, and far ones disturb.
- *Support*: a sum of six rows was never met in training; one row at a time was.
- *Architecture*: only a network that was trained with windows can.

====================================================  ==========  ==================  ============
who is asked, and how                                 locality    support             architecture
====================================================  ==========  ==================  ============
as trained                                            falls       falls               falls
asked for the nearest request at each cell            restored    restored            falls
asked for one request at random at each cell          falls       restored            falls
asked for the mean of the requests                    falls       restored            falls
asked through windows, or differences added           restored    falls at sums       falls
asked through windows half a picture away             falls       falls               falls
trained with each cell hearing its nearest            restored    restored            restored
trained with each cell hearing one at random          falls       restored            falls
====================================================  ==========  ==================  ============

With one label a picture, a network that adds up its requests' embeddings after a small network
each, and one whose cells hear their nearest request alone, are trained as `full_all` is: they are
ways of asking it. Trained so with all labels they are other networks, and are run.

A rival of all three is scissors: pictures drawn separately and cut along the borders of the nearest
requests fill the places too, whatever the network has learned about composing. Hits cannot tell
them apart; `lib.scenes.coherence` can.
"""

import json
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lib import locality, storage
from lib.book import intervals, runtime
from lib.diffusion import edm, hearing, networks, patch, pathways, train
from lib.experiments import length_line, length_results
from lib.experiments._options import check_positive
from lib.experiments._training import train_watched
from lib.experiments._worlds import CLEVR, WORLDS, World
from lib.experiments.length_results import LEVELS
from lib.scenes import detector, labelling, measure, render
from lib.scenes.scene import Scenes, locations, with_locations

RUNS = storage.RUNS / "length_generalization"
KEPT = storage.RESULTS / "length_generalization"  # what the book keeps of finished runs
HALF_RATE = "half_rate"  # the folder within, of runs at half the learning rate
THIRD = "third"  # and of the third experiment's later runs, of three times the pictures
GRID = 16
SIGMA_DATA = 0.2  # standard deviation of the pictures
SAMPLER = {"steps": 18, "sigma_min": 0.01, "sigma_max": 20.0}
TRACED = (1, 3, 6)  # numbers of objects asked for while it trains
KINDS = "asked", "failed", "local"  # of what is asked of finished weights
SEEDS = 3  # of each setting that is reported
SEEDS_BESIDE = 2  # of each in `BESIDE`
DIGITS = {"error": 4, "losses": 4, "locality": 5}  # that are kept


@dataclass(frozen=True)
class Scale:
    """What is equal in all settings, fixed on `label_all.vector` with a seed that is not reported.

    Two families of networks differ in their steps: see `reported`.

    Attributes:
        parameters: Of every network, to 10 %.
        steps: Of training.
        batch: Pictures a step and shard.
        optimizer: `adamw` or `muon`.
        learning_rate: Of it.
        cooldown: Share of the steps over which the learning rate falls to 0.
        unasked: Share of the pictures shown without any label, so that the answer to no request
            is learned too.
        p_mean, p_std: Of ln(sigma).
        precision: Of training; a stopwatch does not choose it.
    """

    parameters: int = 500_000
    steps: int = 1500
    batch: int = 32
    optimizer: str = "muon"
    learning_rate: float = 5e-3
    cooldown: float = 0.4
    unasked: float = 0.1
    p_mean: float = -0.5
    p_std: float = 1.4
    precision: str = "float32"

    def __post_init__(self):
        """Refuses what cannot be run."""
        check_positive(self, "parameters", "steps", "batch", "learning_rate", "p_std")
        for name in ("cooldown", "unasked"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is a share below 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class Setting:
    """One run.

    Attributes:
        labels: `label_all` or `label_one`.
        pathway: `vector`, `product`, `attending`, `scattered`, `map`, `fourier`, or `window` for
            the networks of the causal test.
        pixels: Their pixel window, `local` or `full`.
        conditions: What a cell of theirs hears: `local` (its window), `all`, `nearest` (one
            request) or `random` (one request, drawn for each cell alone).
        k: Half the local windows, in cells.
        objects: Most objects in a training scene.
        data: One of `lib.experiments._worlds.WORLDS`: `plain`, `one_colour` (shared by the objects
            of a picture), `three` (objects), `large` (rubber ones), `official` (files) or `discs`.
        size: Of the pictures, in pixels: a multiple of the detector's 32.
        seed: Of weights, data and noise.
    """

    labels: str = "label_one"
    pathway: str = "vector"
    pixels: str = "local"
    conditions: str = "local"
    k: int = 2
    objects: int = 3
    data: str = "plain"
    size: int = 32
    seed: int = 0

    def __post_init__(self):
        """Refuses what there is not."""
        known = {
            "labels": ("label_all", "label_one"),
            "pathway": (*pathways.OF_LOCATIONS, "window"),
            "pixels": ("local", "full"),
            "conditions": ("local", "all", "nearest", "random"),
            "data": (*WORLDS,),
        }
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name} is one of {values}, not {getattr(self, name)!r}")
        if self.objects < 1 or self.seed < 0 or self.size % detector.SIZE or self.size < 1:
            raise ValueError(
                f"need objects >= 1, seed >= 0 and a size that {detector.SIZE} divides, not "
                f"{self.objects}, {self.seed} and {self.size}"
            )
        if self.data == "three" and self.objects != 3:
            raise ValueError(f"data 'three' are of 3 objects each, not of up to {self.objects}")
        windows, usual = (self.pixels, self.conditions, self.k), ("local", "local", 2)
        if self.pathway != "window" and windows != usual:
            raise ValueError(
                f"only the pathway 'window' has windows; {self.pathway!r} takes no pixels "
                f"{self.pixels!r}, conditions {self.conditions!r} and k {self.k}"
            )
        if "local" not in windows[:2] and self.k != 2:
            raise ValueError(f"k is of local windows; {windows[:2]} has none, so no k of {self.k}")
        if not 0 <= self.k < GRID:
            raise ValueError(f"k is from 0 to {GRID - 1} cells, not {self.k}")

    @property
    def name(self) -> str:
        """As in the ledger: labels and network, then what is unusual."""
        window = f"{self.pixels}_{self.conditions}"
        parts = [self.labels, window if self.pathway == "window" else self.pathway]
        usual = Setting()
        for name in ("k", "objects", "data", "size"):
            if getattr(self, name) != getattr(usual, name):
                parts.append(f"{name}-{getattr(self, name)}")
        return ".".join(parts)


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("label_all"),
        Setting("label_all", "map"),
        Setting("label_one"),
        Setting("label_one", "map"),
        *(
            Setting("label_one", "window", pixels, windows)
            for pixels in ("full", "local")
            for windows in ("all", "local")
        ),
        Setting("label_all", "window", "full", "nearest"),
        Setting("label_all", "window", "full", "random"),
    )
}  # that are reported, by name, in the order of the tables
BESIDE = {
    setting.name: setting
    for setting in (
        *(
            Setting("label_one", *network, objects=most)
            for network in (("vector",), ("window", "local", "local"))
            for most in (1, 5)
        ),
        Setting("label_all", objects=5),
        Setting("label_one", "product"),
        Setting("label_one", "attending"),
        Setting("label_all", "attending"),
        Setting("label_one", "scattered"),
        *(Setting("label_one", "window", "full", "local", k) for k in (0, 1, 4, 8)),
    )
}  # most objects in a picture (of one, one label is all), how rows meet the places, the window (of
# 15 cells: `full_all`)


def reported(setting: Setting) -> Scale:
    """The scale at which a setting is reported: equal within a family of networks.

    Networks with windows, whose conditions enter after the trunk, learn at half the pace: the first
    run of `full_all` came to .69 at one object in 1,500 steps, below the gate, which is about
    competence and not about steps. So they train twice as long, and are compared among themselves.
    """
    return Scale(steps=3000) if setting.pathway == "window" else Scale()


def network(setting: Setting, scale: Scale) -> torch.nn.Module:
    """The setting's network, of `scale.parameters` to 10 %, with weights drawn from its seed."""
    if setting.pathway == "window":
        reach = "local" if setting.conditions == "local" else "all"
        build = partial(patch.WindowNetwork, setting.pixels, reach, setting.size, GRID, k=setting.k)
        width = networks.matching_width(lambda w: build(trunk_width=w), scale.parameters)
        made = build(trunk_width=width)
    else:
        build = partial(networks.UNet, setting.pathway, setting.size, GRID)
        width = networks.matching_width(lambda w: build(width=w), scale.parameters)
        made = build(width=width)
    return networks.initialise(made, runtime.generator(setting.seed))


def world_of(setting: Setting, files: str = "") -> World:
    """The world of a setting; `official` is read from a folder of files."""
    return WORLDS[setting.data](files, setting.size)


def batch(
    setting: Setting, scale: Scale, world: World, generator: torch.Generator
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Fresh training pictures (batch, 3, size, size) and their conditions."""
    scenes = world.sample(scale.batch, 1, setting.objects, generator)
    conditions = world.ask(scenes)
    if setting.labels == "label_one":
        conditions = labelling.one_of(conditions, generator)
    places, mask, *more = conditions
    kwargs = {"generator": generator, "device": generator.device}
    told = torch.rand(len(scenes), 1, **kwargs) >= scale.unasked
    conditions = add_hearing(setting, (places, mask & told.to(mask.device), *more), generator)
    return world.render(scenes, setting.size), conditions


def add_hearing(setting: Setting, conditions: tuple, generator: torch.Generator) -> tuple:
    """Locations and mask, with who hears what where the setting says so."""
    if setting.conditions == "nearest":
        return *conditions, hearing.nearest(conditions, GRID)
    if setting.conditions == "random":
        return *conditions, hearing.one_at_random(conditions, GRID, generator)
    return conditions


def prepared(
    setting: Setting,
    scale: Scale,
    shards: int = 1,
    device: torch.device | str = "cpu",
    world: World | None = None,
) -> train.Training:
    """A training run at its start.

    Args:
        setting: What is trained.
        scale: How large and how long.
        shards: See `lib.diffusion.train.Settings`.
        device: Where.
        world: Of the pictures; left out, `world_of` the setting.
    """
    world = world or world_of(setting)
    denoiser = edm.Preconditioned(network(setting, scale), SIGMA_DATA).to(device)
    settings = train.Settings(
        scale.steps,
        setting.seed,
        scale.learning_rate,
        p_mean=scale.p_mean,
        p_std=scale.p_std,
        cooldown=round(scale.cooldown * scale.steps),
        shards=shards,
        precision=scale.precision,
        optimizer=scale.optimizer,
    )
    about = asdict(setting) | asdict(scale)
    return train.Training(denoiser, partial(batch, setting, scale, world), settings, about)


def painter(denoiser, setting: Setting, world: World) -> Callable[[Any, torch.Generator], Tensor]:
    """Draws pictures (B, 3, size, size) when asked for the locations of scenes, on the CPU."""
    place = next(iter(denoiser.parameters())).device

    def draw(scenes: Any, generator: torch.Generator) -> Tensor:
        noise = torch.randn(len(scenes), 3, setting.size, setting.size, generator=generator)
        asked = add_hearing(setting, world.ask(scenes), generator)
        asked = tuple(part.to(place) for part in asked)
        return edm.sample(denoiser, noise.to(place), asked, **SAMPLER).clamp(-1, 1).cpu()

    return draw


def judge_draws(draw, world: World, count: int, samples: int, size: int, seed: int) -> dict:
    """What `lib.scenes.measure` says of a painter asked for `count` locations, at two radii.

    Args:
        draw: `draw(scenes, generator)` gives pictures (B, 3, size, size), see `painter`.
        world: Where requests come from, and who finds objects.
        count: Locations a picture, K.
        samples: Pictures.
        size: Of them, pixels.
        seed: Of requests and noise: the same requests for every setting.

    Returns:
        See `scores`.
    """
    scenes = world.sample(samples, count, count, train.stream(seed, count), clear=True)
    chunks = [scenes[i : i + 64] for i in range(0, samples, 64)]
    pictures = torch.cat([draw(c, train.stream(seed, count, i + 1)) for i, c in enumerate(chunks)])
    found, real = map(world.find, (pictures, world.render(scenes, size)))
    return scores(found, world.ask(scenes)[:2], real)


def scores(found: measure.Places, asked: measure.Places, real: measure.Places) -> dict:
    """`lib.scenes.measure.raw_scores` at the verdict's radius; under `wide`, at twice that."""
    result = measure.raw_scores(found, asked, real)
    wide = measure.raw_scores(found, asked, real, 2 * measure.MEASURE.radius)
    return result | {"wide": {name: wide[name] for name in ("hits", "blind", "ceiling")}}


def localities(
    denoiser,
    world: World,
    size: int,
    seed: int,
    count: int = 3,
    scenes: int = 16,
    levels: Sequence[float] = (),
) -> dict:
    """How much of what a denoiser depends on lies outside windows of 5 x 5 cells, by noise level.

    Of the denoiser and not of the score, in which -x / sigma^2, a pixel's own noise, would hide
    the rest. Asked for the `count` locations of noisy real pictures. `pixel`: what the pixel of the
    first location depends on. `moved`, `removed`: what changes where a condition gets another
    value, or goes; outside its window, and that of the other value. `levels` of noise: `LEVELS` if
    none are named.

    Returns:
        Three lists, one mean over scenes a level.
    """
    cell = size // GRID
    place = next(iter(denoiser.parameters())).device
    asked = world.sample(scenes, count, count, train.stream(seed, 0), clear=True)
    pictures = world.render(asked, size).to(place)
    where = world.ask(asked)[0].to(place)
    noise = torch.randn(pictures.shape, generator=train.stream(seed, 1)).to(place)
    mask = torch.ones(1, count, dtype=torch.bool, device=place)
    near = hearing.window((where, mask.expand(scenes, -1)), GRID, 2).bool()  # (scenes, count, G, G)
    near = near.repeat_interleave(cell, -1).repeat_interleave(cell, -2)
    result: dict[str, list[float]] = {"pixel": [], "moved": [], "removed": []}
    for sigma in levels or LEVELS:
        shares = []
        for i in range(scenes):
            x, others = pictures[[i]] + sigma * noise[[i]], where[[i - 1]]
            conditions = where[[i]], mask
            column, row = (where[i, 0] * size).long().clamp(0, size - 1).tolist()
            pixel = locality.pixel_locality(denoiser, x, sigma, conditions, (row, column))

            def move(conditions, j, others=others):
                slot = torch.arange(count, device=place)[:, None] == j
                return torch.where(slot, others, conditions[0]), conditions[1]

            moved, removed = (
                locality.conditional_locality(denoiser, x, sigma, conditions, change)
                for change in (move, locality.remove)
            )
            shares.append(
                (
                    locality.outside_share(pixel, near[i, 0]),
                    locality.outside_share(moved, near[i] | near[i - 1]),
                    locality.outside_share(removed, near[i]),
                )
            )
        for name, values in zip(result, zip(*shares, strict=True), strict=True):
            result[name].append(float(np.mean(values)))
    return result


def milestones(steps: int) -> list[int]:
    """Five steps spaced in log, the last one the last."""
    return sorted(set(np.geomspace(max(steps / 16, 1), steps, 5).round().astype(int).tolist()))


def observed(training: train.Training, world: World, setting: Setting, samples: int = 32) -> dict:
    """What is recorded of a run while it trains: skill's raw numbers and locality."""
    denoiser = training.averaged
    draw = painter(denoiser, setting, world)
    counts = {
        str(K): judge_draws(draw, world, K, samples, setting.size, setting.seed) for K in TRACED
    }
    return {"counts": counts, "locality": localities(denoiser, world, setting.size, setting.seed)}


def run(
    setting: Setting,
    scale: Scale,
    folder: Path = RUNS,
    *,
    samples: int = measure.MEASURE.samples,
    shards: int = 1,
    files: str = "",
) -> dict | None:
    """Trains, watches and judges one setting, or what is still missing of it.

    Args:
        setting: What is run.
        scale: How large and how long.
        folder: Where files go.
        samples: Pictures for each number of objects at the end.
        shards: See `lib.diffusion.train.Settings`.
        files: The folder that data `official` are read from.

    Returns:
        What is in NAME.json; None in all but the first of several processes.

    Raises:
        ValueError: As `lib.experiments._training.train_watched`; or there are too few samples:
            pictures are scored against each other's requests.
        FileNotFoundError: The detector has not been trained, or a file of the data is missing.
    """
    if samples < 2:
        raise ValueError(f"need at least 2 samples for each number of objects, not {samples}")
    train.join_processes()
    world = world_of(setting, files)
    world.find(torch.zeros(1, 3, setting.size, setting.size))  # what can't be judged isn't trained
    training = prepared(setting, scale, shards, runtime.device(), world)

    def judge(denoiser) -> dict:
        draw, seed = painter(denoiser, setting, world), 1000 + setting.seed
        counts = measure.MEASURE.counts
        return {
            "counts": {
                str(K): judge_draws(draw, world, K, samples, setting.size, seed) for K in counts
            }
        }

    return train_watched(
        folder / f"{setting.name}.seed{setting.seed}",
        setting,
        scale,
        training,
        seen="training",
        due=milestones(scale.steps),
        look=lambda: observed(training, world, setting),
        judge=judge,
    )


def summary(runs: list[dict]) -> dict:
    """What the seeds of one setting say: `lib.scenes.measure.summary` by K, and K_max by level.

    `low` and `high` are the ends of skill's interval: over seeds; of a single one over pictures.

    Args:
        runs: Of `run`, one a seed.
    """
    by_count = {}
    for K in runs[0]["counts"]:
        seeds = [r["counts"][K] for r in runs]
        by_count[int(K)] = measure.summary(seeds) | _ends_of_skill(seeds)
    lows = {K: s["low"] for K, s in by_count.items() if K}
    levels = {str(level): measure.k_max(lows, level) for level in measure.MEASURE.levels}
    return {"seeds": len(runs), "counts": by_count, "k_max": levels}


def _ends_of_skill(seeds: list[dict]) -> dict[str, float | None]:
    """The interval of skill at one number of objects; none where nothing was asked."""
    if not seeds[0]["count"]:
        return {"low": None, "high": None}
    cases = [[(*case, 1) for case in length_results.cases(seed)] for seed in seeds]
    found = intervals.ratio(cases, unit="seed" if len(seeds) > 1 else "picture")
    return {"low": found.low, "high": found.high}


def finished_runs(folder: Path = RUNS) -> dict[str, list[dict]]:
    """The finished runs in a folder by setting, seeds in order.

    Raises:
        ValueError: A file is not JSON, or two are of the same run.
    """
    found: dict[str, dict[int, dict]] = {}
    for path in sorted(folder.glob("label_*.json")):  # and not what was asked of their weights
        result = storage.read_json(path)
        if "counts" in result:
            setting = Setting(**result["setting"])
            seeds = found.setdefault(setting.name, {})
            if setting.seed in seeds:
                raise ValueError(f"{path} is a second run of {setting.name}, seed {setting.seed}")
            seeds[setting.seed] = result
    return {name: [seeds[seed] for seed in sorted(seeds)] for name, seeds in found.items()}


def varied(runs: dict[str, list[dict]], name: str, field: str, values: Iterable) -> dict:
    """Runs of settings that differ from a reported one in one field, by its value.

    Args:
        runs: Of `finished_runs`.
        name: Of the setting, in `SETTINGS`.
        field: Of `Setting`, that is varied.
        values: Which it takes; one of which there is no run is left out.
    """
    names = {value: replace(SETTINGS[name], **{field: value}).name for value in values}
    return {value: runs[own] for value, own in names.items() if own in runs}


def missing(folder: Path = RUNS, kept: Path = KEPT) -> list[tuple[Setting, dict]]:
    """What is reported and not finished, in a run's folder or in the book: seed by seed."""
    done = {
        (name, result["setting"]["seed"])
        for place in (folder, kept)
        for name, runs in finished_runs(place).items()
        for result in runs
        if result["scale"] == asdict(reported(Setting(**result["setting"])))
    }
    plan = [
        replace(setting, seed=seed)
        for settings, seeds in ((SETTINGS, SEEDS), (BESIDE, SEEDS_BESIDE))
        for seed in range(seeds)
        for setting in settings.values()
    ]
    return [(setting, {}) for setting in plan if (setting.name, setting.seed) not in done]


def store(folder: Path = RUNS, kept: Path = KEPT) -> list[str]:
    """Takes over what has been run, and what was asked of its weights; see `store_runs`.

    Of settings that are not reported the measurements alone, but for those whose pictures the book
    shows; so of all in the folders `HALF_RATE` and `THIRD` within. What `length_colours` takes is
    left.
    """
    weighted = {*SETTINGS, *length_results.DRAWN_BESIDE}
    places = {folder: (kept, weighted)}
    places |= {folder / name: (kept / name, ()) for name in (HALF_RATE, THIRD)}
    return [
        str((to / name).relative_to(kept))
        for place, (to, own) in places.items()
        for name in store_runs(place, to, KINDS, own, lambda setting: setting.data != "one_colour")
    ]


def store_runs(
    folder: Path,
    kept: Path,
    kinds: tuple[str, ...],
    weighted: Container[str],
    taken: Callable[[Setting], bool],
) -> list[str]:
    """Takes over finished runs, and what was asked of their weights; returns the files' names.

    Of every seed the measurements, of seed 0 the weights. What is not finished stays where it is.

    Args:
        folder: Where they are.
        kept: Where they go.
        kinds: Of what was asked.
        weighted: Names of the settings whose weights are kept.
        taken: Whether a setting is taken.

    Raises:
        ValueError: Runs of a family of networks differ in scale, or weights are damaged or of
            another network.
    """
    found = {
        f"{name}.seed{result['setting']['seed']}.json": result
        for name, runs in finished_runs(folder).items()
        for result in runs
    }
    found |= {
        path.name: storage.read_json(path)
        for kind in kinds
        for path in folder.glob(f"{kind}.*.json")
    }
    found = {file: result for file, result in found.items() if taken(Setting(**result["setting"]))}
    scales: dict[Scale, set] = {}  # by the scale at which their family is reported
    for result in found.values():
        family = scales.setdefault(reported(Setting(**result["setting"])), set())
        family.add(json.dumps(result["scale"], sort_keys=True))
    for family in scales.values():
        if len(family) > 1:
            raise ValueError(f"the runs in {folder} differ in scale: {'; '.join(sorted(family))}")
    written = []
    for name, result in found.items():
        storage.write_numbers(kept / name, result, DIGITS)
        setting, weights = Setting(**result["setting"]), Path(name).with_suffix(".safetensors").name
        if not setting.seed and setting.name in weighted and not name.startswith(kinds):
            train.load_weights(folder / weights, network(setting, Scale(**result["scale"])))
            written += storage.copy_files(folder, kept, weights)
        written.append(name)
    return written


def answers(folder: Path = KEPT, kind: str = "asked") -> dict[str, dict[int, dict]]:
    """What was asked of weights, by setting and seed, and by number of requests.

    Args:
        folder: Where it is.
        kind: `asked`, see `lib.experiments.length_asking`; `failed`, see `length_failures`; or
            `local`, see `length_locality`.
    """
    found: dict[str, dict[int, dict]] = {}
    for path in sorted(folder.glob(f"{kind}.*.json")):
        result = storage.read_json(path)
        setting = Setting(**result["setting"])
        found.setdefault(setting.name, {})[setting.seed] = result["counts"]
    return found


def load_denoiser(name: str, folder: Path = KEPT, seed: int = 0) -> edm.Preconditioned:
    """The denoiser of a setting as it was stored and measured, in bfloat16.

    Args:
        name: Of the setting, as `Setting.name`.
        folder: Where it is; the book keeps seed 0.
        seed: Of the run.

    Raises:
        FileNotFoundError: The setting was not run.
        ValueError: The file is damaged, or of another network.
    """
    result = storage.read_json(folder / f"{name}.seed{seed}.json")
    made = network(Setting(**result["setting"]), Scale(**result["scale"]))
    return train.load_weights(folder / f"{name}.seed{seed}.safetensors", made)[0]


def identity(result: dict) -> dict:
    """What tells the weights of a finished run from others of its setting: kept with answers.

    Args:
        result: What its file holds.
    """
    made = result.get("provenance", {}).get("made", "")
    return {"setting": result["setting"], "scale": result["scale"], "trained": made}


def check_plain(result: dict) -> None:
    """Refuses a run of other data, where requests and pictures of `plain` are what is asked.

    Raises:
        ValueError: The run was trained on other data, or another size of pictures.
    """
    setting, plain = Setting(**result["setting"]), Setting()
    if (setting.data, setting.size) != (plain.data, plain.size):
        raise ValueError(
            f"{setting.name} was trained on {setting.data} at {setting.size} pixels; it would be "
            f"asked about {plain.data} at {plain.size}"
        )


def load_run(name: str, folder: Path, seed: int) -> tuple[dict, Setting, edm.Preconditioned, World]:
    """A finished run: what its file holds, its setting, its denoiser, and the world it learned.

    Raises as `load_denoiser`.
    """
    result = storage.read_json(folder / f"{name}.seed{seed}.json")
    setting = Setting(**result["setting"])
    return result, setting, load_denoiser(name, folder, seed), world_of(setting)


def perfect_skill(count: int = 6, samples: int = measure.MEASURE.samples) -> float:
    """Skill of a perfect drawer told what the pathways tell; `lib.scenes.measure` defines skill.

    It draws real scenes whose objects stand where the shares in the cells say.

    Args:
        count: Objects in a picture.
        samples: Pictures.

    Raises:
        FileNotFoundError: The detector has not been trained.
    """
    scenes = labelling.request_scenes(samples, count, train.stream(0, count))
    middles = pathways.centres(GRID).flatten(0, 1)
    places = pathways.shares(locations(scenes), GRID) @ middles
    pair = with_locations(scenes, places), scenes
    drawn, real = (CLEVR.find(render(s, detector.SIZE)) for s in pair)
    return length_results.skill(measure.raw_scores(drawn, labelling.label_all(scenes), real))


def known_painters(scenes: Scenes, others: Scenes, size: int = 32) -> dict[str, Tensor]:
    """Pictures (B, 3, size, size) whose skill is known before they are looked at.

    Args:
        scenes: That are asked for.
        others: Of as many objects, elsewhere.
        size: Of the pictures, in pixels.

    Returns:
        `perfect`, what is asked in other colours and materials; `blind`, the others; `half`, every
        second picture of either.
    """
    repainted = replace(scenes, color=(scenes.color + 3) % 8, material=1 - scenes.material)
    perfect, blind = render(repainted, size), render(others, size)
    listens = torch.arange(len(perfect)).view(-1, 1, 1, 1) % 2 == 0
    return {"perfect": perfect, "blind": blind, "half": torch.where(listens, perfect, blind)}


def results(folder: Path = KEPT) -> dict[str, dict]:
    """All that `lib.experiments.length_results.samples` takes, by name."""
    return {
        "results": finished_runs(folder),
        "answers": answers(folder),
        "painters": storage.read_json(storage.RESULTS / "coherence.json")["painters"],
        "near": answers(folder, "local"),
        "slower": finished_runs(folder / HALF_RATE),
        "slower_near": answers(folder / HALF_RATE, "local"),
        "third": finished_runs(folder / THIRD),
        "third_answers": answers(folder / THIRD),
    }


def claims(measured: dict[str, dict]) -> dict[str, list]:
    """What stands behind each row of the ledger, see `lib.experiments.length_results.samples`.

    Args:
        measured: Of `results`.
    """
    found = length_results.samples(**measured) | length_line.samples(measured)
    found |= {"length.told": [perfect_skill()]}
    every = [result for seeds in measured["results"].values() for result in seeds]
    ceilings = {r["setting"]["seed"]: r["counts"]["8"]["ceiling"] for r in every}
    cases = [[(hits, 8) for hits in ceiling] for ceiling in ceilings.values()]
    return found | {"length.detector.k8": cases}


def report(measured: dict[str, dict]) -> dict:
    """What each setting's seeds say, see `summary`."""
    return {name: summary(seeds) for name, seeds in measured["results"].items()}
