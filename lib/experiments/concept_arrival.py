"""Does it arrive? A diffusion model's way to an unseen composition, to the end.

The runs of `concept_learning` stop at 3,000 steps, while the held-out error has risen and hardly
fallen again. These go on to 20,000, as published, with seeds that were not looked at before; what
else they are is as there. Written down before the first of them:

**Arrives** (`concept.arrives`). Rivals: the model *approaches, turns back and arrives*; it turns
back *for good*, drawn to what it was trained on; the rise is *a jump of training*, as those of
trained compositions are. A run arrives if its largest rise exceeds 1 % of the error's start, three
times its jitter and `AHEAD` times the largest rise of any training composition in the same run, the
mean error of its last fifth lies below the minimum before that rise, and both concepts are there
beyond `LEARNED`. A path counts from where a change of either concept alone changes the answer by
`HEARD`: before, all four compositions share one grey disc of a wandering size. Were the held-out
composition like the others, it would exceed the worst of three controls in one run of four. The
gate: at the end each training composition's error is below `GATE`. Holds if the interval of the
share of signals .3 to .7, a number a seed, lies above one half.

**Lost, or mis-addressed?** (`concept.lost`). At the peak of the rise the model either can't draw
(blue, small) any more, or draws it when asked for something else. A scan of what is asked, beyond
the training range too: the error of the nearest place that any request obtains, the request chosen
by one half of the pictures and the place read off the other. Its rise from the minimum to the peak
over the rise at the honest request: 1 if lost, 0 if mis-addressed. Below one half: mis-addressed.

**At which noise level** does blue turn purple? The denoisers of minimum and peak draw one picture
together, one above a level, the other below. No rule: a description.

**Why does only colour retreat?** (`concept.corner`). Either a wrong colour of a *small* disc costs
few pixels, so that the prior over colours, red, wins there; then with (blue, big) held out instead,
where the colour covers a big disc, colour does not retreat. Or colour is the concept that retreats
in this network, whatever is held out; then it retreats there too. Or what is rarer retreats: then
with as many blue as red discs (a half of them blue and big) it is no longer colour. Share of runs
in which colour goes back during the largest rise.

**Interaction** (`concept.interaction`). f(11) - f(10) - f(01) + f(00) of the places is zero for
every linear map. The part of colour's retreat that is its change: 0 if the ways of the single
concepts retreat, 1 if their interaction does. Above one half: the interaction.

**Told in words** (`concept.text`). The same world, a sentence in place of four numbers, read by a
small transformer that is trained along. The rule of a swing that controls do not meet, as above.

The commands ::

    python -m lib.experiments concept_arrival --all
    python -m lib.experiments concept_arrival --store
    python -m lib.experiments concept_arrival --record

run what is missing of `QUEUE` in its order, wherever it was stopped, keep what is finished with the
book, and record the ledger's rows from there.
"""

import argparse
from functools import partial
from itertools import pairwise
from pathlib import Path

import matplotlib.image
import numpy as np
import torch
from torch import Tensor

from lib.book import claims, runtime
from lib.concepts import circles, classifier, trajectory
from lib.concepts.circles import COMPOSITIONS
from lib.diffusion import checkpoint, edm, train
from lib.experiments import concept_learning as learning
from lib.experiments import length_results
from lib.experiments.concept_learning import SAMPLER, Network, Scale, Setting
from lib.sim import curves

RUNS = runtime.RUNS / "concept_arrival"
STORED = runtime.RESULTS / "concept_arrival"
SCALE = Scale(steps=20_000, evaluations=60, held_out=48, others=16)
PUBLISHED_RATE = 1e-3  # of learning; a third of ours
SIGNALS = (0.3, 0.4, 0.5, 0.6, 0.7)
ENDS = (0.1, 0.8)
SEEDS = (5, 6, 7)  # those of `concept_learning` are 0 to 4
SCAN_EVERY = 3  # evaluations
ASKED = {"colour": (0.5, 1.0, 1.5, 2.0, 2.5, 3.0), "size": (0.4, 0.7, 1.0, 1.3)}
TRIES = 8  # pictures a request; one half chooses, the other is read
HEARD = 0.25  # of the way between class means
AHEAD = 2.0  # of the worst control's rise, that a swing must exceed
GATE = 0.05  # squared error that a training composition may have at the end
LATE = 5  # a run's end is its last fifth


MAIN = [Setting(signal, seed) for seed in SEEDS for signal in (0.5, 0.4, 0.6, 0.3, 0.7)]
CORNERS = [Setting(0.5, seed, held_out="blue big") for seed in SEEDS]
BALANCED = [Setting(0.5, seed, balance="colour") for seed in SEEDS]
WORDS = [Setting(s, seed, told="words") for seed in SEEDS for s in (0.5, 0.3, 0.7)]
SLOWLY = [Setting(0.5, seed, PUBLISHED_RATE) for seed in SEEDS]
WEIGHTED = MAIN[0]  # whose weights are stored with the book
QUEUE = [*MAIN, *(Setting(s, SEEDS[0]) for s in ENDS), *CORNERS, *BALANCED, *WORDS, *SLOWLY]


def run(setting: Setting, scale: Scale = SCALE, folder: Path = RUNS) -> dict:
    """Trains one setting to the end, looks at it on the way, and exchanges its denoisers.

    Takes up what there is of it, as `concept_learning.run` does, whose errors it raises.

    Returns:
        What is in NAME.json.
    """
    kept = folder / f"{setting.name}.kept"
    result = learning.run(setting, scale, folder, partial(_look, kept))
    if "exchange" not in result:
        result["exchange"] = exchanges(learning.table(result), kept)
        runtime.write_json(folder / f"{setting.name}.json", result)
    return result


def _look(kept: Path, training: train.Training, finder, setting: Setting, scale: Scale):
    """What `concept_learning.run` does at a milestone; keeps the weights too."""
    step = training.step
    seen, film = learning.looked_at(training.averaged, finder, setting, scale)
    kept.mkdir(parents=True, exist_ok=True)
    train.save_weights(kept / f"{step}.safetensors", training.averaged, {"step": step})
    looks = {"averaged": seen}
    due = learning.milestones(scale).index(step) % SCAN_EVERY == SCAN_EVERY - 1
    if due and setting.told == "numbers":
        looks["scan"] = scanned(training.averaged, finder, setting)
    return looks, film


def scanned(denoiser, finder, setting: Setting) -> list:
    """What is obtained when colour and size are asked for at and beyond the held-out composition.

    Returns:
        Places (colours, sizes, 2 halves, 2) of `ASKED`, seen from the opposite corner, as lists:
        means over each half of `TRIES` pictures; None where none of them shows a disc.
    """
    grid = torch.cartesian_prod(*map(torch.tensor, ASKED.values()))
    places = circles.towards(grid, setting.held_out).repeat_interleave(TRIES, 0)
    noise = torch.randn(TRIES, 3, 32, 32, generator=train.stream(3000 + setting.seed, 0))
    device = runtime.device()
    conditions = (setting.scale * setting.world.means(places)).to(device)
    many = noise.repeat(len(grid), 1, 1, 1).to(device)
    reading = classifier.read(finder, edm.sample(denoiser, many, conditions, **SAMPLER).cpu())
    found = circles.towards(setting.world.places(reading.properties), setting.held_out)
    found = torch.where(reading.readable[:, None], found.double(), torch.nan)
    halves = found.unflatten(0, (len(grid), 2, TRIES // 2)).nanmean(2)
    shape = [len(values) for values in ASKED.values()]
    return _listed(halves.unflatten(0, shape))


def exchanges(run_: dict, kept: Path) -> dict:
    """Places drawn by two denoisers together, one above a noise level, the other below.

    Args:
        run_: Of `concept_learning.table`.
        kept: The folder of a run's weights.

    Returns:
        `levels` (13,), above which the first one draws, and for `minimum-peak`, `peak-minimum`,
        `peak-end` and `end-peak` the places (13, 2) that come out, seen from the opposite corner.
        `steps` are those of minimum, peak and end.
    """
    setting, finder = Setting(**run_["setting"]), classifier.trained()
    moments = turning(run_)["steps"]
    denoisers = {}
    for name, step in moments.items():
        network = Network(run_["scale"]["width"], setting.told)
        denoisers[name], _ = train.load_weights(kept / f"{step}.safetensors", network)
        denoisers[name].to(runtime.device())
    levels = edm.noise_levels(**SAMPLER)[:-1]
    between = [2 * levels[0], *(np.sqrt(a * b) for a, b in pairwise(levels)), levels[-1] / 2]
    result = {"steps": moments, "levels": np.round(between, 4).tolist()}
    for pair in (("minimum", "peak"), ("peak", "end")):
        for above, below in (pair, pair[::-1]):
            drawers = [exchanged(denoisers[above], denoisers[below], level) for level in between]
            result[f"{above}-{below}"] = [_held_out_place(d, finder, setting) for d in drawers]
    return result


def exchanged(above: edm.Denoiser, below: edm.Denoiser, level: float) -> edm.Denoiser:
    """The denoiser that is one above a noise level, and another below."""

    def function(x: Tensor, sigma: float, conditions=None) -> Tensor:
        return (above if sigma > level else below)(x, sigma, conditions)

    return function


def _held_out_place(denoiser, finder, setting: Setting) -> list:
    pictures = learning.drawn(denoiser, setting, setting.held_out, 16, runtime.device())
    place = learning.read_off(finder, setting, pictures)["place"]
    return [None, None] if place is None else _listed(_towards(place, setting))


def _towards(places, setting: Setting) -> np.ndarray:
    return circles.towards(np.array(places, float), setting.held_out)


def _listed(values) -> list:
    """Lists of numbers to three digits, None for what is none."""
    values = np.round(np.asarray(values, float), 3)
    return np.where(np.isfinite(values), values.astype(object), None).tolist()


def way(run_: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A run's steps (T,), places (T, 2) of the held-out composition and all (T, 4, 2).

    Seen from the corner opposite to the held-out one, from where both concepts are heard.

    Raises:
        ValueError: They never are.
    """
    setting = Setting(**run_["setting"])
    steps, places = learning.path(run_)
    places = _towards(places, setting)
    corners = _towards(list(COMPOSITIONS.values()), setting).tolist()
    origin, color, size, own = (corners.index(c) for c in ([0, 0], [1, 0], [0, 1], [1, 1]))
    alone = np.stack([places[:, color, 0], places[:, size, 1]], 1) - places[:, origin]
    heard = (alone > HEARD).all(1)
    if not heard.any():
        raise ValueError(f"{setting.name} never tells its compositions apart")
    first = int(np.argmax(heard))
    return steps[first:], places[first:, own], places[first:]


def turning(run_: dict) -> dict:
    """Where the largest rise of the held-out error begins and ends.

    Returns:
        `low` and `top`, indices into `way`, and `steps` of `minimum`, `peak` and `end`.
    """
    steps, held_out, _ = way(run_)
    low, top = trajectory.largest_rise(held_out)
    named = zip(("minimum", "peak", "end"), (low, top, -1), strict=True)
    return {"low": low, "top": top, "steps": {name: int(steps[i]) for name, i in named}}


def judged(run_: dict) -> dict:
    """What one run did, by the rules above.

    Returns:
        `rise` and `worst`, the largest rise of the held-out error and of any training composition,
        over the held-out error's start; `jitter`; `approaches`, whether the error had halved before
        it rose; `turns`, whether the rise passes the rule; `arrives`; `competent`, the gate;
        `minimum`, `peak` and `late` errors; `end`, the mean place of the last fifth; `retreat`, the
        change of colour and size during the rise; `interaction`, the part of colour's change that
        the interaction has.
    """
    steps, held_out, places = way(run_)
    error, setting = trajectory.error(held_out), Setting(**run_["setting"])
    corners = _towards(list(COMPOSITIONS.values()), setting)
    own = list(COMPOSITIONS).index(setting.held_out)
    others = np.delete(((places - corners) ** 2).sum(-1), own, 1).T  # (3, T)
    low, top = trajectory.largest_rise(held_out)
    late = slice(-max(len(steps) // LATE, 1), None)
    rise, jitter = float(curves.swing(error)), float(curves.jitter(error))
    worst = float((curves.swing(others).numpy() * others[:, 0]).max() / error[0])
    turns = rise > max(0.01, 3 * jitter, AHEAD * worst)
    end = held_out[late].mean(0)
    back = error[late].mean() < error[low] and (end > trajectory.LEARNED).all()
    cross = interaction(places, setting)
    retreat = held_out[top] - held_out[low]
    return {
        "rise": rise,
        "worst": worst,
        "jitter": jitter,
        "approaches": bool(error[low] < error[0] / 2),
        "turns": bool(turns),
        "arrives": bool(turns and error[low] < error[0] / 2 and back),
        "competent": bool(others[:, late].mean(1).max() < GATE),
        "minimum": float(error[low]),
        "peak": float(error[top]),
        "late": float(error[late].mean()),
        "end": end.tolist(),
        "retreat": retreat.tolist(),
        "interaction": float((cross[top] - cross[low])[0] / retreat[0]) if retreat[0] else 0.0,
    }


def interaction(places, setting: Setting) -> np.ndarray:
    """f(11) - f(10) - f(01) + f(00) of places (T, 4, 2) in the order of `COMPOSITIONS`: (T, 2).

    1 is the held-out value of a concept. Zero for everything linear.
    """
    corners = _towards(list(COMPOSITIONS.values()), setting)
    sign = np.where(corners.sum(1) == 1, -1.0, 1.0)
    return np.einsum("tki,k->ti", np.asarray(places, float), sign)


def reach(scan) -> tuple[float, float]:
    """How near the held-out place comes at the honest request, and at the best one: errors.

    The best is chosen by one half of the pictures and read off the other, both ways, and averaged.

    Args:
        scan: Of `scanned`.

    Raises:
        ValueError: The honest request shows nothing.
    """
    error = ((np.array(scan, float) - 1) ** 2).sum(-1)  # (colours, sizes, 2)
    honest = error[ASKED["colour"].index(1.0), ASKED["size"].index(1.0)]
    if not np.isfinite(honest).any():
        raise ValueError("a scan needs pictures that show something at the honest request")
    halves = np.where(np.isfinite(error), error, np.inf).reshape(-1, 2)
    best = [halves[halves[:, half].argmin(), 1 - half] for half in (0, 1)]
    return float(np.nanmean(honest)), float(np.mean(best))


def lost(run_: dict) -> dict:
    """Whether (blue, small) was lost at the peak, or answered to another request.

    Returns:
        `honest` and `best` errors (2,) at the scans nearest to minimum and peak, `steps` (2,) of
        these, and `lost`, the rise of `best` over that of `honest`; None where `honest` fell.
    """
    scans = {int(step): scan for step, scan in run_["scans"].items() if scan is not None}
    found = turning(run_)["steps"]
    steps = [min(scans, key=lambda s: abs(np.sqrt(s) - np.sqrt(found[m]))) for m in found][:2]
    honest, best = np.array([reach(scans[step]) for step in steps]).T
    rose = honest[1] - honest[0]
    share = float((best[1] - best[0]) / rose) if rose > 0 else None
    return {"honest": honest.tolist(), "best": best.tolist(), "steps": steps, "lost": share}


def table(result: dict) -> dict:
    """A finished run as `concept_learning.table` has it, with `scans` by step."""
    looks = result["evaluations"].items()
    scans = {step: look["scan"] for step, look in looks if "scan" in look}
    return learning.table(result) | {"scans": scans}


def finished(folder: Path = RUNS) -> dict[str, dict]:
    """The runs of `QUEUE` that are finished in a folder, by name; see `table`."""
    files = {s.name: folder / f"{s.name}.json" for s in QUEUE}
    found = {name: runtime.read_json(file) for name, file in files.items() if file.exists()}
    return {name: table(result) for name, result in found.items() if "exchange" in result}


def stored(folder: Path = STORED) -> dict[str, dict]:
    """The runs that the book has stored, by name; see `table`."""
    files = {s.name: folder / f"{s.name}.json" for s in QUEUE}
    return {name: runtime.read_json(file) for name, file in files.items() if file.exists()}


def store(folder: Path = RUNS, target: Path = STORED) -> list[str]:
    """Stores finished runs with the book, with a film of the first seed's; returns their names.

    Of `WEIGHTED` the weights at minimum, peak and end too.
    """
    done = finished(folder)
    for name, run_ in done.items():
        length_results.write(target / f"{name}.json", run_)
        if run_["setting"]["seed"] != SEEDS[0]:
            continue
        film, _ = checkpoint.load(folder / f"{name}.film.safetensors")
        matplotlib.image.imsave(target / f"{name}.film.png", _sheet(film, run_))
        for moment, step in turning(run_)["steps"].items() if name == WEIGHTED.name else ():
            weights = (folder / f"{name}.kept" / f"{step}.safetensors").read_bytes()
            checkpoint.write_atomically(target / f"{name}.{moment}.safetensors", weights)
    return list(done)


def _sheet(film: dict[str, Tensor], run_: dict) -> np.ndarray:
    """Side by side, the pictures of the one noise that shows its disc best over the run."""
    frames = torch.stack([film[str(step)] for step in run_["steps"]], 1)  # (FILM, T, 3, 32, 32)
    finder = classifier.trained()
    seen = [classifier.read(finder, f.float() / 127.5 - 1).explained.mean() for f in frames]
    return frames[int(np.argmax(seen))].permute(2, 0, 3, 1).reshape(32, -1, 3).numpy()


def film(name: str, folder: Path = STORED) -> np.ndarray:
    """Pictures (T, 32, 32, 3) in [0, 1] of the held-out composition on the way.

    Raises:
        FileNotFoundError: There are none of this run.
    """
    file = folder / f"{name}.film.png"
    if not file.exists():
        raise FileNotFoundError(f"no film of {name} in {folder}; there is of the first seed alone")
    sheet = matplotlib.image.imread(file)[..., :3]
    return sheet.reshape(32, -1, 32, 3).transpose(1, 0, 2, 3)


def denoiser(moment: str, folder: Path = STORED) -> edm.Preconditioned:
    """The denoiser of `WEIGHTED` at its `minimum`, `peak` or `end`, as stored.

    Raises:
        FileNotFoundError: There is none of this moment.
    """
    network = Network(SCALE.width, WEIGHTED.told)
    return train.load_weights(folder / f"{WEIGHTED.name}.{moment}.safetensors", network)[0]


def verdict_samples(runs: dict[str, dict]) -> dict[str, list[float]]:
    """What the ledger's rows are decided by, where all their runs are there.

    Args:
        runs: By name; see `table`.

    Returns:
        By row. `concept.arrives`, `concept.lost` and `concept.interaction`: a number a seed, over
        the signals of `SIGNALS`; `concept.corner`: a number a run.
    """
    samples = {}
    if all(s.name in runs for s in MAIN):
        for seed in SEEDS:
            own = [runs[s.name] for s in MAIN if s.seed == seed]
            found = [judged(r) for r in own]
            away = [lost(r)["lost"] for r in own]
            values = {
                "arrives": np.mean([f["arrives"] for f in found]),
                "lost": np.mean([a for a in away if a is not None]),
                "interaction": np.median([f["interaction"] for f in found]),
            }
            for name, value in values.items():
                samples.setdefault(f"concept.{name}", []).append(float(value))
    if all(s.name in runs for s in CORNERS):
        backs = [judged(runs[s.name])["retreat"][0] < 0 for s in CORNERS]
        samples["concept.corner"] = list(map(float, backs))
    if all(s.name in runs for s in WORDS):
        samples["concept.text"] = [float(judged(runs[s.name])["turns"]) for s in WORDS]
    return samples


def main(argv: list[str] | None = None) -> None:
    """Command line: runs what is missing, stores runs, records the ledger, or runs one setting."""
    parser = argparse.ArgumentParser(
        prog="python -m lib.experiments concept_arrival", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--all", action="store_true", help="what is missing, in order")
    parser.add_argument("--store", action="store_true", help="keeps finished runs with the book")
    parser.add_argument("--record", action="store_true", help="the ledger's rows, as stored")
    parser.add_argument("--folder", type=Path, default=RUNS)
    options = parser.parse_args(argv)
    if options.store:
        print("\n".join(store(options.folder)))
    elif options.record:
        for id, samples in verdict_samples(stored()).items():
            claims.record(id, samples)
    elif options.all:
        for setting in QUEUE:
            run(setting, SCALE, options.folder)
    else:
        parser.error("say --all, --store or --record")
