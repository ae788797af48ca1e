"""Concept learning: a diffusion model's way through concept space while it trains.

A denoiser learns discs of three compositions of colour and size, conditioned on the disc's own
RGB colour and radius, and is asked for all four, the held-out one included, while it trains.

    python -m lib.experiments classifier run
    python -m lib.experiments concept_learning run --signal .4 --seed 0
    python -m lib.experiments concept_learning store
    python -m lib.experiments concept_learning record

A run writes NAME.film.safetensors, pictures on the way, beside what every training does.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import matplotlib.image
import numpy as np
import torch
from torch import Tensor, nn

from lib import storage
from lib.book import runtime
from lib.concepts import circles, classifier, trajectory, words
from lib.concepts.circles import COMPOSITIONS, HELD_OUT, Circles
from lib.diffusion import edm, networks, train
from lib.experiments._options import check_positive
from lib.experiments._training import train_watched
from lib.experiments.classifier import SIGNALS
from lib.sim import concept_paths, error_curves, interaction
from lib.storage import checkpoint

RUNS = storage.RUNS / "concept_learning"
SIGMA_DATA = 0.4  # standard deviation of the pictures
LEVEL = 0.1  # of noise, below which details of pictures are not learned well
SAMPLER = {"steps": 12, "sigma_min": 0.05, "sigma_max": 20.0}
FILM = 4  # pictures of the held-out composition that are kept of each evaluation
AHEAD = 2.0  # of the worst control's rise, that a swing must exceed
GATE = 0.05  # squared error that a training composition may have at the end
LATE = 5  # a run's end is its last fifth
SHOWN = 0.25  # least share of readable pictures, from which on a path counts
SUMMARY = ("place", "spread", "share", "both")
ROWS = (  # of the ledger, after `concept.`
    *("order", "learnt", "bend", "swing", "interaction", "speed", "prediction"),
    *("speed.power", "competent"),
)
WEAK, STRONG = SIGNALS[:3], SIGNALS[-3:]
BASE = tuple(f"signal{signal:g}" for signal in SIGNALS)  # names of the settings
WEIGHTED = (0.2, 0.4, 0.7)  # signals whose weights are stored with the book
BLUE_BIG, RED_SMALL = (list(COMPOSITIONS).index(name) for name in ("blue big", "red small"))
KEPT = storage.RESULTS / "concept_learning"


@dataclass(frozen=True)
class Scale:
    """What is equal in all runs, fixed at signal .5 with a seed that is not reported.

    Attributes:
        width: Of the network, channels at a cell of 4x4 pixels.
        steps: Of training.
        batch: Pictures a step.
        evaluations: On the way, spaced evenly in the square root of the step.
        held_out: Pictures of the held-out composition at each.
        others: Pictures of each other composition.
    """

    width: int = 32
    steps: int = 3000
    batch: int = 32
    evaluations: int = 20
    held_out: int = 128
    others: int = 32

    def __post_init__(self):
        """Refuses what cannot be run, or looked at."""
        check_positive(self, *(field.name for field in fields(self)))


@dataclass(frozen=True)
class Setting:
    """One run.

    Attributes:
        signal: Of the colour, in (0, 1].
        seed: Of weights, data and noise.
        learning_rate: Of AdamW.
        average: Decay a step of the averaged weights.
        jitter: Factor on the scatter of colour and radius about their class means.
        scale: Factor on the condition as the network sees it.
        held_out: The composition that is not trained on.
        balance: The concept whose two values are shown alike often, `colour` or `size`, or `none`.
        told: Whether the network is told `numbers` or `words`.
        counted: Alike in the loss: `pixels`, or `discs`, where a wrong colour of a small disc
            costs as much as one of a big disc; see `lib.concepts.circles.counted_alike`.
    """

    signal: float = 0.4
    seed: int = 0
    learning_rate: float = 3e-3
    average: float = 0.99
    jitter: float = 1.0
    scale: float = 1.0
    held_out: str = HELD_OUT
    balance: str = "none"
    told: str = "numbers"
    counted: str = "pixels"

    def __post_init__(self):
        """Refuses what cannot be run."""
        _ = self.world
        if self.seed < 0 or not self.learning_rate > 0 or not self.scale > 0:
            raise ValueError(
                "need seed >= 0, learning_rate > 0 and scale > 0, not "
                f"{self.seed}, {self.learning_rate} and {self.scale}"
            )
        if not 0 <= self.average < 1:
            raise ValueError(f"the average's decay must lie in [0, 1), not be {self.average}")
        if self.counted not in ("pixels", "discs"):
            raise ValueError(f"counted alike are pixels or discs, not {self.counted!r}")
        if self.told not in ("numbers", "words") or (self.told == "words" and self.scale != 1):
            raise ValueError(
                f"told is numbers, or words (which have no scale), not {self.told!r} with scale "
                f"{self.scale}"
            )

    @property
    def world(self) -> Circles:
        """Where its pictures come from."""
        return Circles(self.signal, self.jitter, self.held_out, self.balance)

    @property
    def name(self) -> str:
        """The signal, what is unusual, and the seed."""
        usual, parts = Setting(), [f"signal{self.signal:g}"]
        for field in asdict(self):
            value = getattr(self, field)
            if field not in ("signal", "seed") and value != getattr(usual, field):
                text = value.replace(" ", "_") if isinstance(value, str) else f"{value:g}"
                parts.append(f"{field}-{text}")
        return ".".join([*parts, f"seed{self.seed}"])


class Network(nn.Module):
    """A small U-Net that need not carry the noise through.

    In the 4x4 pixels of a cell are more numbers than it has channels. Above the noise level `LEVEL`
    the denoiser is c_out times the U-Net's output, which is as simple as the pictures are; below,
    it goes over to what `lib.diffusion.edm.Preconditioned` makes of a plain network.
    """

    def __init__(self, width: int, told: str = "numbers"):
        """A network of `width` channels a cell, on 8x8 cells, told `numbers` or `words`."""
        super().__init__()
        pathway = words.Reader(2 * width) if told == "words" else "continuous"
        self.inner = networks.UNet(pathway, grid=8, width=width, embedding=2 * width)
        self.name = f"{self.inner.name}.level{LEVEL}"
        if told == "words":  # as states of such networks have it
            self.name = self.name.replace(".reader.", ".continuous.") + ".words"

    def forward(self, x: Tensor, noise: Tensor, conditions: Tensor) -> Tensor:
        """The raw output, like x (B, 3, 32, 32); noise is ln(sigma) / 4 (B,)."""
        sigma = (4 * noise).exp()[:, None, None, None]
        return self.inner(x, noise, conditions) - SIGMA_DATA * sigma / (sigma**2 + LEVEL**2) * x


def prepared(setting: Setting, scale: Scale, device: torch.device | str = "cpu") -> train.Training:
    """A training run at its start.

    Its precision is a constant here and no field of `Scale`: the networks are small and reported
    runs are made on processors, so that there is nothing to choose, least of all by a stopwatch.
    """
    network = Network(scale.width, setting.told)
    networks.initialise(network, runtime.generator(setting.seed))
    denoiser = edm.Preconditioned(network, SIGMA_DATA).to(device)
    settings = train.Settings(
        scale.steps,
        setting.seed,
        setting.learning_rate,
        average=setting.average,
        p_mean=0.5,
        p_std=1.3,
        precision="float32",
    )

    def batch(generator: torch.Generator) -> tuple[Tensor, ...]:
        pictures, properties, places, discs = setting.world.batch(scale.batch, generator)
        told = setting.scale * properties
        if setting.told == "words":
            told = words.sentences(places, generator)
        counts = [circles.counted_alike(discs)] if setting.counted == "discs" else []
        return pictures, told, *counts

    return train.Training(denoiser, batch, settings, asdict(setting) | asdict(scale))


def milestones(scale: Scale) -> list[int]:
    """The steps after which a run is looked at: evenly spaced in the square root."""
    shares = np.arange(1, scale.evaluations + 1) / scale.evaluations
    return sorted(set((scale.steps * shares**2).round().astype(int).clip(1).tolist()))


def draw_composition(denoiser, setting: Setting, name: str, count: int, device="cpu") -> Tensor:
    """Pictures (count, 3, 32, 32) that a denoiser draws when asked for a composition's means.

    From the same noise at every call, so that two of them differ by the denoiser alone; told in
    words, from the same sentences. The denoiser is on `device`.
    """
    place = torch.tensor(circles.place_of(name)).expand(count, 2)
    generator = train.stream(1000 + setting.seed, list(COMPOSITIONS).index(name))
    noise = torch.randn(count, 3, classifier.SIZE, classifier.SIZE, generator=generator)
    if setting.told == "words":
        asked = words.sentences(place, generator)
    else:
        asked = setting.scale * setting.world.means(place)
    return edm.sample(denoiser, noise.to(device), asked.to(device), **SAMPLER).cpu()


def looked_at(denoiser, finder, setting: Setting, scale: Scale) -> tuple[dict, Tensor]:
    """Where a denoiser's pictures of each composition lie in concept space.

    Returns:
        By composition `readable`, the share of pictures that show a disc; of these `place` and
        `spread`, mean and standard deviation of the coordinates colour and size, `share`, how many
        are blue and how many small, and `both`, how many are blue and small: None for fewer than
        two. And `FILM` pictures (FILM, 3, 32, 32) of the held-out composition.
    """
    result, kept = {}, None
    for name in COMPOSITIONS:
        count = scale.held_out if name == setting.held_out else scale.others
        pictures = draw_composition(denoiser, setting, name, count, runtime.device())
        result[name] = read_off(finder, setting, pictures)
        kept = pictures[:FILM] if name == setting.held_out else kept
    return result, kept


def read_off(finder, setting: Setting, pictures: Tensor) -> dict:
    """What pictures (B, 3, 32, 32) show; see `looked_at`."""
    reading = classifier.read(finder, pictures)
    places = setting.world.places(reading.properties)[reading.readable].double()
    result = {"readable": _rounded(reading.readable.double().mean())}
    return result | (_summary(places) if len(places) > 1 else dict.fromkeys(SUMMARY))


def looked_at_twice(training: train.Training, finder, setting: Setting, scale: Scale):
    """`looked_at` with averaged and raw weights, and the pictures of the averaged ones."""
    seen, frames = looked_at(training.averaged, finder, setting, scale)
    raw, _ = looked_at(training.denoiser, finder, setting, scale)
    return {"averaged": seen, "raw": raw}, frames


def _summary(places: Tensor) -> dict:
    beyond = (places > 0.5).double()
    values = places.mean(0), places.std(0), beyond.mean(0), beyond.prod(1).mean()
    return dict(zip(SUMMARY, map(_rounded, values), strict=True))


def run(
    setting: Setting,
    scale: Scale,
    folder: Path = RUNS,
    look: Callable | None = None,
    until: int | None = None,
) -> dict:
    """Trains one setting and looks at it on the way, or does what is still missing of it.

    Args:
        setting: What is run.
        scale: How large and how long.
        folder: Where files go.
        look: What is done at each milestone: called like `looked_at_twice`, which it is if not
            given, and returns as much.
        until: The step to stop at, to go on from there at the next call; None for the end.

    Returns:
        What is in NAME.json.

    Raises:
        ValueError: As `lib.experiments._training.train_watched`; or the classifier is not accurate
            enough.
        FileNotFoundError: The classifier has not been trained.
    """
    stem = folder / setting.name
    film_path = stem.with_name(f"{stem.name}.film.safetensors")
    finder = classifier.load()
    training = prepared(setting, scale, runtime.device())
    frames = checkpoint.load(film_path)[0] if film_path.exists() else {}

    def look_now() -> dict:
        found, pictures = (look or looked_at_twice)(training, finder, setting, scale)
        frames[str(training.step)] = ((pictures.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        checkpoint.save(film_path, frames, {"setting": asdict(setting)})
        return found

    return train_watched(
        stem,
        setting,
        scale,
        training,
        seen="evaluations",
        due=milestones(scale),
        look=look_now,
        before=lambda: {
            "accuracy": classifier.check_accuracy(finder, setting.world, runtime.generator(0))
        },
        until=until,
    )


def _rounded(values: Tensor) -> list | float:
    return np.round(values.double().tolist(), 4).tolist()


def table(result: dict) -> dict:
    """A run's evaluations as arrays, in the order of `COMPOSITIONS`, and what else it holds.

    Returns:
        `steps` (T,), and for each of `averaged` and `raw` `readable` and `both` (T, 4) and `place`,
        `spread` and `share` (T, 4, 2), as lists; None where nothing was readable.
    """
    looks = sorted(result["evaluations"].items(), key=lambda item: int(item[0]))
    kept = {name: value for name, value in result.items() if name != "evaluations"}
    kept["steps"] = [int(step) for step, _ in looks]
    for weights in (w for w in ("averaged", "raw") if w in looks[0][1]):
        kept[weights] = {
            field: [[_filled(look[weights][n], field) for n in COMPOSITIONS] for _, look in looks]
            for field in ("readable", *SUMMARY)
        }
    return kept


def _filled(seen: dict, field: str):
    nothing = None if field == "both" else [None, None]
    return nothing if seen[field] is None else seen[field]


def tables(folder: Path = KEPT) -> dict[str, list[dict]]:
    """The finished runs in a folder, by setting, seeds in order; see `table`.

    Args:
        folder: `runs/concept_learning`, or what the book has stored of it.

    Raises:
        FileNotFoundError: There is none.
    """
    found: dict[str, list[dict]] = {}
    for file in sorted(folder.glob("signal*.json")):
        stored = storage.read_json(file)
        for run_ in stored.get("runs") or ([table(stored)] if "seconds" in stored else []):
            name = Setting(**run_["setting"]).name.rpartition(".seed")[0]
            found.setdefault(name, []).append(run_)
    if not found:
        raise FileNotFoundError(f"no finished run in {folder}: see `--help` for how to make one")
    return {n: sorted(runs, key=lambda r: r["setting"]["seed"]) for n, runs in found.items()}


def store(folder: Path = RUNS, kept: Path = KEPT) -> list[str]:
    """Stores finished runs with the book: a file a setting, films and weights of seed 0, fits.

    Returns:
        The names of the settings.
    """
    finished = tables(folder)
    fitted = {s: [asdict(fit) for fit in fits(runs)] for s, runs in by_seed(finished).items()}
    storage.write_json(kept / "fits.json", fitted)
    for name, runs in finished.items():
        storage.write_json(kept / f"{name}.json", {"runs": runs})
        stem = folder / f"{name}.seed0"
        if runs[0]["setting"]["seed"] or name not in BASE:
            continue
        frames = filmed(folder, runs[0])
        storage.write_picture(kept / f"{name}.film.png", lay_out(frames))
        if runs[0]["setting"]["signal"] in WEIGHTED:
            weights = (stem.with_name(f"{stem.name}.safetensors")).read_bytes()
            storage.write_atomically(kept / f"{name}.safetensors", weights)
    return list(finished)


def filmed(folder: Path, run_: dict) -> Tensor:
    """Pictures (FILM, T, 3, 32, 32) of the held-out composition, at each of a run's steps."""
    name = Setting(**run_["setting"]).name
    frames, _ = checkpoint.load(folder / f"{name}.film.safetensors")
    return torch.stack([frames[str(step)] for step in run_["steps"]], 1)


def lay_out(frames: Tensor) -> np.ndarray:
    """Pictures (R, T, 3, S, S) as one (R S, T S, 3), a film a row."""
    rows, _, _, size, _ = frames.shape
    return frames.permute(0, 3, 1, 4, 2).reshape(rows * size, -1, 3).numpy()


def cut_sheet(sheet: np.ndarray, size: int = classifier.SIZE) -> np.ndarray:
    """The pictures (T, R, S, S, 3) of a sheet (R S, T S, 3 or 4): what `lay_out` put together."""
    rows, count = (side // size for side in sheet.shape[:2])
    return sheet[..., :3].reshape(rows, size, count, size, 3).transpose(2, 0, 1, 3, 4)


def film(signal: float, folder: Path = KEPT) -> np.ndarray:
    """Pictures (T, FILM, 32, 32, 3) in [0, 1] of the held-out composition, seed 0, on the way.

    Raises:
        FileNotFoundError: There are none of this signal.
    """
    file = folder / f"signal{signal:g}.film.png"
    if not file.exists():
        raise FileNotFoundError(f"no film of signal {signal:g} in {folder}; there is of {SIGNALS}")
    return cut_sheet(matplotlib.image.imread(file))


def load_denoiser(signal: float, folder: Path = KEPT) -> edm.Preconditioned:
    """The trained denoiser of a signal, seed 0, averaged weights as stored.

    Raises:
        FileNotFoundError: There is none of this signal.
    """
    return train.load_weights(folder / f"signal{signal:g}.safetensors", Network(Scale().width))[0]


def path(run_: dict, weights: str = "averaged") -> tuple[np.ndarray, np.ndarray]:
    """Steps (T,) and places (T, 4, 2) of a run, from where its pictures show something.

    That is the first evaluation at which, with averaged weights, at least `SHOWN` of the pictures
    of every composition are readable; whatever comes later counts.

    Raises:
        ValueError: There is no such evaluation.
    """
    shown = np.min(run_["averaged"]["readable"], 1) >= SHOWN
    if not shown.any():
        raise ValueError(f"no evaluation of {run_['setting']} has pictures that show a disc")
    first = int(np.argmax(shown))
    return np.array(run_["steps"][first:]), np.array(run_[weights]["place"][first:], float)


def way(run_: dict, weights: str = "averaged") -> tuple[np.ndarray, np.ndarray]:
    """Steps (T,) and places (T, 4, 2) of a run, from where both concepts are heard.

    By the averaged weights' places, see `trajectory.hears`. Seen from the corner opposite to the
    held-out composition, which comes last, as in `circles.all_towards`. Without the steps at which
    a composition's pictures show nothing: there is no place then.

    Raises:
        ValueError: Neither is ever heard.
    """
    setting = Setting(**run_["setting"])
    _, averaged = path(run_)
    heard = trajectory.hears(circles.all_towards(averaged, setting.held_out))
    if not heard.any():
        raise ValueError(f"{setting.name} never tells its compositions apart")
    first = int(np.argmax(heard))
    steps, places = (values[first:] for values in path(run_, weights))
    there = np.isfinite(places).all((1, 2))
    return steps[there], circles.all_towards(places[there], setting.held_out)


def measure_run(run_: dict, weights: str = "averaged") -> dict:
    """What one run says; by the rules that `concept_arrival` begins with.

    Errors are relative to the held-out one's start, so that those of the others compare.

    Returns:
        `passing` and `learnt`, the steps at which each concept is reached and from which it stays,
        `order` and `order_learnt` by these; `bend` of the path; `rise`, the held-out error's
        largest, its `jitter`, `others`, the largest rise of each training composition, and `turns`,
        whether the rise is none of theirs; `minimum` and `peak` of that rise and the `late` error;
        `approaches`, whether the error had halved before it rose, and `arrives`; `off`, the largest
        late error of a training composition, squared, and `competent`, the gate on it: and that
        most of its pictures show a disc, see `shown_at_end`; `retreat`,
        the change of colour and size during the rise, and `interaction`, the part of colour's that
        is the interaction's; `decay`, None where the way is fastest at its end; `end`, the last
        place.
    """
    steps, places = way(run_, weights)
    held_out, error = places[:, -1], trajectory.error(places[:, -1])
    corners = np.array(list(COMPOSITIONS.values()))
    others = ((places - corners)[:, :-1] ** 2).sum(-1).T  # (3, T)
    low, top = trajectory.largest_rise(held_out)
    late = end_of(steps)
    middles, speeds = trajectory.speed(held_out, steps)
    slowing = speeds[trajectory.slowing(speeds)]
    found = {
        "passing": trajectory.first_passing(held_out, steps).tolist(),
        "learnt": trajectory.step_learnt(held_out, steps).tolist(),
        "bend": float(trajectory.bend(held_out)),
        "rise": float(error_curves.swing(error)),
        "jitter": float(error_curves.jitter(error)),
        "others": (error_curves.swing(others).numpy() * others[:, 0] / error[0]).tolist(),
        "minimum": float(error[low] / error[0]),
        "peak": float(error[top] / error[0]),
        "late": float(error[late].mean() / error[0]),
        "off": float(others[:, late].mean(1).max()),
        "retreat": (held_out[top] - held_out[low]).tolist(),
        "interaction": _share_of_interaction(places[top] - places[low]),
        "decay": trajectory.decay(middles, speeds) if len(slowing) >= trajectory.FITTED else None,
        "end": held_out[-1].tolist(),
    }
    found["order"], found["order_learnt"] = (
        int(np.sign(s - c)) if s != c else 0 for c, s in (found["passing"], found["learnt"])
    )
    found["competent"] = found["off"] < GATE and shown_at_end(run_, weights) > 0.5
    found["turns"] = turns(found["rise"], found["jitter"], float(np.max(found["others"])))
    found["approaches"] = found["minimum"] < 0.5
    there = (held_out[late].mean(0) > trajectory.LEARNED).all()
    back = bool(found["late"] < found["minimum"] and there)
    found["arrives"] = found["turns"] and found["approaches"] and back
    return found


def shown_at_end(run_: dict, weights: str = "averaged") -> float:
    """Which share of pictures shows a disc over the last fifth: of the worst training composition.

    `way` leaves out what can't be read, so that places alone would call a network competent which
    in the end draws nothing.
    """
    trained = [name != Setting(**run_["setting"]).held_out for name in COMPOSITIONS]
    readable = np.asarray(run_[weights]["readable"], float)[:, trained]
    return float(readable[end_of(readable)].mean(0).min())


def end_of(steps, least: int = 1) -> slice:
    """The last fifth of a run's evaluations, `least` of them at least."""
    return slice(-max(len(steps) // LATE, least), None)


def turns(rise: float, jitter: float, worst: float) -> bool:
    """Whether a rise is one that training's own noise does not make; all over one error's start.

    Args:
        rise: Of an error.
        jitter: Of it.
        worst: The largest rise of any control in the same run.

    Raises:
        ValueError: One is not finite: what is no number exceeds nothing, and nothing exceeds it.
    """
    if not np.isfinite([rise, jitter, worst]).all():
        raise ValueError(f"rise, jitter and worst must be finite, not {rise}, {jitter}, {worst}")
    return bool(rise > max(0.01, 3 * jitter, AHEAD * worst))


def controls(run_: dict) -> list[bool]:
    """What the rule of `turns` says of each training composition, beside the other two."""
    _, places = way(run_)
    corners = np.array(list(COMPOSITIONS.values()))
    error = ((places - corners)[:, :-1] ** 2).sum(-1).T  # (3, T)
    rise, jitter = error_curves.swing(error).numpy(), error_curves.jitter(error).numpy()
    worst = [np.delete(rise * error[:, 0], k).max() / error[k, 0] for k in range(3)]
    return [turns(*numbers) for numbers in zip(rise, jitter, worst, strict=True)]


def power_of_speed(run_: dict, draws: int = 20) -> float:
    """Whether `trajectory.decay` would find an exponential in a run: a share of `draws`.

    Of exponential approaches to the goal, each as fast as the one nearest to the run's held-out
    path, evaluated at the same steps, whose places scatter as those of the training compositions do
    in the last fifth.
    """
    steps, places = way(run_)
    start, since = places[0, -1], (steps - steps[0])[:, None]
    scatter = np.diff(places[end_of(steps, 2), :-1], axis=0).std() / np.sqrt(2)

    def approach(tau: float) -> np.ndarray:
        return 1 - (1 - start) * np.exp(-since / tau)

    times = np.geomspace(30, 3000, 100)
    tau = times[np.argmin([((approach(tau) - places[:, -1]) ** 2).sum() for tau in times])]
    noise = scatter * np.random.default_rng(run_["setting"]["seed"]).normal(
        size=(draws, len(steps), 2)
    )
    return _share_exponential(
        [trajectory.decay(*trajectory.speed(approach(tau) + n, steps)) for n in noise]
    )


def _share_exponential(decays: list[dict | None]) -> float:
    """In which share of decays, of `trajectory.decay`, an exponential leaves less.

    A way that is fastest at its end has no decay, and is none that an exponential tells better.
    """
    return float(
        np.mean([d is not None and d["exponential_left"] < d["power_left"] for d in decays])
    )


def _share_of_interaction(change: np.ndarray) -> float | None:
    """Of the change of colour at the held-out place the interaction's part: (4, 2) -> a number.

    What is left is the change of the sum of the single concepts, all that a linear map could do.
    None where colour does not change.
    """
    cross = interaction.interaction(change[3], change[1], change[2], change[0])
    return float(cross[0] / change[3, 0]) if change[3, 0] else None


def ways(runs: list[dict], weights: str = "averaged") -> tuple[np.ndarray, np.ndarray]:
    """Steps (T,) and places (S, T, 4, 2) relative to those of (red, big); NaN where none counts.

    Args:
        runs: One a signal; see `table`.
        weights: `averaged` or `raw`.
    """
    steps = np.array(sorted({step for r in runs for step in r["steps"]}))
    found = np.full((len(runs), len(steps), 4, 2), np.nan)
    for i, run_ in enumerate(runs):
        own, places = path(run_, weights)
        found[i, np.searchsorted(steps, own)] = places - places[:, :1]
    return steps, found


def fits(
    runs: list[dict], weights: str = "averaged"
) -> tuple[concept_paths.Fit, concept_paths.Fit]:
    """SIM, and one layer from zero, fitted to (blue, big) and (red, small) at all signals."""
    steps, found = ways(runs, weights)
    single = {(1, 0): found[:, :, BLUE_BIG], (0, 1): found[:, :, RED_SMALL]}
    mu, sigma = mu_and_sigma(runs)
    return tuple(
        concept_paths.fit_paths(steps, single, mu, sigma, alone) for alone in (False, True)
    )


def mu_and_sigma(runs: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """SIM's numbers of each run's world, (S, 2) each, in units of the condition."""
    worlds = [Setting(**r["setting"]).world for r in runs]
    return np.array([w.mu for w in worlds]), np.array([w.sigma for w in worlds])


def foretold(
    runs: list[dict], fitted: tuple[concept_paths.Fit, concept_paths.Fit], weights: str = "averaged"
) -> dict:
    """SIM's prediction of the held-out paths of one seed, beside its rivals.

    Places are taken relative to those of (red, big), the origin.

    Args:
        runs: One a signal; see `table`.
        fitted: Of `fits`.
        weights: `averaged` or `raw`.

    Returns:
        `errors`, the root mean square distance over signals and evaluations, by name: `sim`,
        `exponentials` (one layer from zero, fitted likewise), `line` (both concepts at the mean
        pace of the two compositions) and `sum` (the sum of the two compositions' measured ways:
        what any linear map would do); `by_signal`, the same for each; `steps` (T,), and `measured`
        and the four kinds of `paths` (S, T, 2).
    """
    steps, found = ways(runs, weights)
    blue, small, truth = (found[:, :, k] for k in (BLUE_BIG, RED_SMALL, -1))
    mu, sigma = mu_and_sigma(runs)
    sim, alone = (
        concept_paths.path(fit, mu, sigma, steps, concept_paths.HELD_OUT) for fit in fitted
    )
    line = np.repeat((blue[..., :1] + small[..., 1:]) / 2, 2, -1)
    paths = {"sim": sim, "exponentials": alone, "line": line, "sum": blue + small}
    by_signal = {
        name: [concept_paths.distance(*pair) for pair in zip(p, truth, strict=True)]
        for name, p in paths.items()
    }
    return {
        "errors": {name: concept_paths.distance(p, truth) for name, p in paths.items()},
        "by_signal": by_signal,
        "steps": steps,
        "measured": truth,
        "paths": paths,
    }


def stored_fits(folder: Path = KEPT) -> dict[int, tuple[concept_paths.Fit, concept_paths.Fit]]:
    """`fits` of each complete seed, as stored with the book."""
    stored = storage.read_json(folder / "fits.json")
    return {int(seed): tuple(concept_paths.Fit(**f) for f in pair) for seed, pair in stored.items()}


def by_seed(stored: dict[str, list[dict]]) -> dict[int, list[dict]]:
    """The seeds with a finished run at each of `SIGNALS`, and these runs in order."""
    seeds = {r["setting"]["seed"]: {} for name in BASE for r in stored.get(name, [])}
    for name in BASE:
        for run_ in stored.get(name, []):
            seeds[run_["setting"]["seed"]][name] = run_
    return {s: [r[n] for n in BASE] for s, r in sorted(seeds.items()) if len(r) == len(BASE)}


def results(folder: Path = KEPT) -> dict[str, dict]:
    """The complete seeds of what is in a folder, see `by_seed`, and their `fits`."""
    seeds = by_seed(tables(folder))
    there = (folder / "fits.json").exists()
    fitted = stored_fits(folder) if there else {s: fits(runs) for s, runs in seeds.items()}
    return {"seeds": seeds, "fits": fitted}


def claims(kept: dict[str, dict]) -> dict[str, list[float]]:
    """What the ledger's rows are decided by, with averaged weights, a number a seed.

    `concept.order`: 1 if at all weak signals (`WEAK`) size is the first learned for good and at all
    strong ones colour; `concept.learnt`: at which share of these both are. `concept.bend`:
    how much farther than independent exponentials, fitted to the training compositions, the path
    bends towards size at weak signals and towards colour at strong ones, whichever is less.
    `concept.swing`: share of signals at which the held-out error turns. `concept.interaction`: the
    interaction's part in colour's retreat, median over the signals in between that turn.
    `concept.speed`: share at which an exponential leaves less than a power law, and
    `concept.speed.power`, at which it would if it were one, see `power_of_speed`.
    `concept.prediction`: SIM's error over that of its better rival, line or exponentials.
    `concept.competent`: share of signals at which it draws what it was trained on.

    Args:
        kept: Of `results`.
    """
    samples: dict[str, list[float]] = {f"concept.{name}": [] for name in ROWS}
    weak, strong = np.isin(SIGNALS, WEAK), np.isin(SIGNALS, STRONG)
    for seed, runs in kept["seeds"].items():
        found = [measure_run(run_) for run_ in runs]
        order = np.array([f["order_learnt"] for f in found])
        fitted = kept["fits"][seed]
        farther = [f["bend"] - b for f, b in zip(found, bends_alone(runs, fitted[1]), strict=True)]
        errors = foretold(runs, fitted)["errors"]
        between = [f for f in found[2:-1] if f["turns"] and f["interaction"] is not None]
        values = {
            "order": (order[weak] == -1).all() and (order[strong] == 1).all(),
            "learnt": np.isfinite([f["learnt"] for f in found])[weak | strong].all(1).mean(),
            "bend": min(-np.mean(np.array(farther)[weak]), np.mean(np.array(farther)[strong])),
            "swing": np.mean([f["turns"] for f in found]),
            "speed": _share_exponential([f["decay"] for f in found]),
            "speed.power": np.mean([power_of_speed(run_) for run_ in runs]),
            "competent": all(f["competent"] for f in found),
            "prediction": errors["sim"] / min(errors["line"], errors["exponentials"]),
        }
        if between:
            values["interaction"] = np.median([f["interaction"] for f in between])
        for name, value in values.items():
            samples[f"concept.{name}"].append(float(value))
    return samples


def bends_alone(runs: list[dict], alone: concept_paths.Fit) -> list[float]:
    """The bends of the held-out paths of concepts that are learned each by itself.

    Args:
        runs: One a signal; see `table`.
        alone: One layer from zero, fitted; see `fits`.
    """
    mu, sigma = mu_and_sigma(runs)
    steps = [way(run_)[0] for run_ in runs]
    return [
        float(
            trajectory.bend(
                concept_paths.path(alone, mu[k : k + 1], sigma[k : k + 1], s, (1, 1))[0]
            )
        )
        for k, s in enumerate(steps)
    ]
