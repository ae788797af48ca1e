"""Does it arrive? A diffusion model's way to an unseen composition, to the end.

The runs of `concept_learning` stop at 3,000 steps, while the held-out error has risen and hardly
fallen again. These are as there but for their seeds, which were not looked at before: some stop
there too, to be looked at closely, and fifteen go on to 20,000, as published, with seeds of their
own. Written down before the first of them:

**Arrives** (`concept.arrives`). Rivals: the model *approaches, turns back and arrives*; it turns
back *for good*, drawn to what it was trained on; the rise is *a jump of training*, as those of
trained compositions are. A run arrives if its largest rise exceeds 1 % of the error's start, three
times its jitter and `AHEAD` times the largest rise of any training composition in the same run, the
error had halved before, the mean of its last fifth lies below the minimum before that rise, and
both concepts are there beyond `LEARNED`. A path counts from where a change of either concept alone
changes the answer by `HEARD`: before, all four compositions share one grey disc of a wandering
size. Were the held-out composition like the others, it would exceed the worst of three controls in
one run of four. The gate: at the end each training composition's error is below `GATE`. Holds if
the interval of the share of signals .3 to .7, a number a seed, lies above one half.

**Lost, or mis-addressed?** (`concept.lost`). At the peak of the rise the model either can't draw
(blue, small) any more, or draws it when asked for something else. A scan of what is asked, beyond
the training range too: the error of the nearest place that any request obtains, the request chosen
by one half of the pictures and the place read off the other. Its rise from the minimum to the peak
over the rise at the honest request: 1 if lost, 0 if mis-addressed. Below one half: mis-addressed.
A number a seed: both rises are summed over signals first, so that a run that hardly rises weighs
little. The same scans say whether it is reached in the end (`concept.reached`): the best request's
error over the honest one's at the last step of 3,000, summed likewise. Were it out of reach, no
request would be better than the honest one: 1. Below one half it is drawn, under another name. The
gate of each, set when a look had told that at the peak few pictures show a disc at all: at the best
request half of them do. The same rule for the runs that go on to the end (`concept.reached.end`)
was written when four of the fifteen had been looked at.

**Or other pictures?** (`concept.paired`) At the minimum and at the peak many pictures show no disc,
and a place is a mean over those that do. So the rise might be a change of *which* show one. The
same noises, fresh ones, are drawn at both, and the change of colour is read off those that show a
disc both times, pooled over signals .3 to .7, a number a seed: about zero by that account, below it
if what is drawn goes back. Size, likewise, goes on. Written after a reader had found how few
pictures can be read, before the first pair was drawn.

**At which noise level** does blue turn purple? The denoisers of minimum and peak draw one picture
together, one above a level, the other below. No rule: a description.

**Why does only colour retreat?** (`concept.corner`). Either a wrong colour of a *small* disc costs
few pixels, so that the prior over colours, red, wins there; then with (blue, big) held out instead,
where the colour covers a big disc, colour does not retreat. Or colour is the concept that retreats
in this network, whatever is held out; then it retreats there too. Or what is rarer retreats: then
with as many blue as red discs (a half of them blue and big) it is no longer colour. The change of
colour during the largest rise, a number a run: below zero, colour goes back.

**Is it the pixels?** (`concept.pixels`) The two changes of `concept.corner` left one account: a
wrong colour of a small disc costs few pixels. It was not touched itself. Counted so that a wrong
colour costs alike in every disc (the same pictures, noise and seeds), *pixels* foretells that
colour no longer goes back; *what small discs were*, a prior over the colour of small things
whatever it costs, that it does. The part of colour's retreat that is left, of the run of the same
seed: 0 by the first, 1 by the second. Below one half: the pixels; in between both may act, or all
is learned sooner and goes back the less.

**Interaction** (`concept.interaction`). f(11) - f(10) - f(01) + f(00) of the places is zero for
every linear map. The part of colour's retreat that is its change: 0 if the ways of the single
concepts retreat, 1 if their interaction does. Above one half: the interaction. Read off the runs of
3,000 steps, in which the rise is complete.

**Told in words** (`concept.text`). The same world, a sentence in place of four numbers, read by a
small transformer that is trained along. The rule of a swing that controls do not meet, as above.

The commands ::

    python -m lib.experiments concept_arrival run --all
    python -m lib.experiments concept_arrival store
    python -m lib.experiments concept_arrival record

run what is missing of `QUEUE` in its order, wherever it was stopped, keep with the book what has
come to a step of it, and record the ledger's rows from there. By 3,000 steps the rise is complete
(but for one of the fifteen that go on, where a larger one follows): what needs no end is read off
there.
"""

from functools import partial
from itertools import pairwise
from pathlib import Path

import matplotlib.image
import numpy as np
import torch
from torch import Tensor

from lib import storage
from lib.book import runtime
from lib.concepts import circles, classifier, trajectory
from lib.diffusion import asking, edm, train
from lib.experiments import concept_learning as learning
from lib.experiments.concept_learning import SAMPLER, Network, Scale, Setting

RUNS = storage.RUNS / "concept_arrival"
KEPT = storage.RESULTS / "concept_arrival"
SCALE = Scale(steps=20_000, evaluations=60, held_out=48, others=16)
PUBLISHED_RATE = 1e-3  # of learning; a third of ours
SHORT = 3000  # steps after which the rise is complete: what needs no end is read off there
SIGNALS = (0.3, 0.4, 0.5, 0.6, 0.7)
ENDS = (0.1, 0.8)
SEEDS = (5, 6, 7)  # those of `concept_learning` are 0 to 4
LONG_SEEDS = (8, 9, 10)  # of the runs that go on to the end
SCAN_EVERY = 3  # evaluations
SCANNED = 32  # pictures a request where the rise begins and ends
PAIRED = 256  # noises of which pictures are drawn at both
ASKED = {"colour": (0.5, 1.0, 1.2, 1.4, 1.7, 2.5), "size": (0.4, 0.7, 0.85, 1.0, 1.15)}
HONEST = tuple(values.index(1.0) for values in ASKED.values())
TRIES = 8  # pictures a request; one half chooses, the other is read


MAIN = [Setting(signal, seed) for seed in SEEDS for signal in (0.5, 0.4, 0.6, 0.3, 0.7)]
LONG = [Setting(s.signal, seed) for seed in LONG_SEEDS for s in MAIN[: len(SIGNALS)]]
CORNERS = [Setting(0.5, seed, held_out="blue big") for seed in SEEDS]
BALANCED = [Setting(0.5, seed, balance="colour") for seed in SEEDS]
DISCS = [Setting(0.5, seed, counted="discs") for seed in SEEDS]
PLAIN = [s for s in MAIN if s.signal == DISCS[0].signal]  # what they are compared with
WORDS = [Setting(s, seed, told="words") for seed in SEEDS for s in (0.5, 0.3, 0.7)]
SLOWLY = [Setting(0.5, seed, PUBLISHED_RATE) for seed in SEEDS]
WEIGHTED = MAIN[0]  # whose weights are stored with the book
ENDED = [Setting(s, LONG_SEEDS[0]) for s in ENDS]
QUEUE = [  # setting and step to go to, in the order of worth
    *((s, SHORT) for s in MAIN if s.signal == 0.5),
    *((s, SHORT) for s in (*CORNERS, *WORDS[::3], *BALANCED)),
    *((s, SHORT) for s in DISCS),
    *((s, SHORT) for s in (*MAIN, *WORDS)),
    *((s, SCALE.steps) for s in (*LONG, *ENDED)),
    *((s, SHORT) for s in SLOWLY),
]


def reported(setting: Setting) -> Scale:
    """The scale of all runs."""
    return SCALE


def missing(folder: Path = RUNS) -> list[tuple[Setting, dict]]:
    """What is run, and to which step, in the order of worth; what is done is not repeated."""
    return [(setting, {"until": until}) for setting, until in QUEUE]


def run(setting: Setting, scale: Scale, folder: Path = RUNS, *, until: int = SCALE.steps) -> dict:
    """Trains one setting up to a step, looks at it on the way, and exchanges its denoisers.

    Takes up what there is of it, as `concept_learning.run` does, whose errors it raises.

    Returns:
        What is in NAME.json.
    """
    kept, file = folder / f"{setting.name}.kept", folder / f"{setting.name}.json"
    stop = None if until >= scale.steps else until
    result = learning.run(setting, scale, folder, partial(_look, kept), stop)
    run_ = table(result)
    if run_["steps"][-1] != result.get("exchange", {}).get("until"):
        result["exchange"] = exchanges(run_, kept) | {"until": run_["steps"][-1]}
        storage.write_json(file, result)
    if setting.told == "numbers":
        look_where_it_turns(file, kept)
    return storage.read_json(file)


def _look(kept: Path, training: train.Training, finder, setting: Setting, scale: Scale):
    """What `concept_learning.run` does at a milestone; keeps the weights too."""
    step = training.step
    seen, frames = learning.looked_at(training.averaged, finder, setting, scale)
    kept.mkdir(parents=True, exist_ok=True)
    train.save_weights(kept / f"{step}.safetensors", training.averaged, {"step": step})
    looks = {"averaged": seen}
    due = learning.milestones(scale).index(step) % SCAN_EVERY == SCAN_EVERY - 1
    if due and setting.told == "numbers":
        looks["scan"], _ = scan_requests(training.averaged, finder, setting)
    return looks, frames


def scan_requests(denoiser, finder, setting: Setting, tries: int = TRIES) -> tuple[list, list]:
    """What is obtained when colour and size are asked for at and beyond the held-out composition.

    Returns:
        Places (colours, sizes, 2 halves, 2) of `ASKED`, seen from the opposite corner, as lists:
        means over each half of `tries` pictures; None where none of them shows a disc. And the
        shares (colours, sizes) of pictures that do.
    """
    grid = torch.cartesian_prod(*map(torch.tensor, ASKED.values()))
    places = circles.towards(grid, setting.held_out).repeat_interleave(tries, 0)
    noise = torch.randn(tries, 3, 32, 32, generator=train.stream(3000 + setting.seed, 0))
    device = runtime.device()
    conditions = (setting.scale * setting.world.means(places)).to(device)
    many = noise.repeat(len(grid), 1, 1, 1).to(device)
    reading = classifier.read(finder, edm.sample(denoiser, many, conditions, **SAMPLER).cpu())
    found = circles.towards(setting.world.places(reading.properties), setting.held_out)
    found = torch.where(reading.readable[:, None], found.double(), torch.nan)
    halves = found.unflatten(0, (len(grid), 2, tries // 2)).nanmean(2)
    readable = reading.readable.double().unflatten(0, (len(grid), tries)).mean(1)
    shape = [len(values) for values in ASKED.values()]
    return _listed(halves.unflatten(0, shape)), _listed(readable.unflatten(0, shape))


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
    setting, finder = Setting(**run_["setting"]), classifier.load()
    moments = turning(run_)
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
            drawers = [
                asking.by_level(0, level, denoisers[below], denoisers[above]) for level in between
            ]
            result[f"{above}-{below}"] = [_held_out_place(d, finder, setting) for d in drawers]
    return result


def _held_out_place(denoiser, finder, setting: Setting) -> list:
    pictures = learning.draw_composition(denoiser, setting, setting.held_out, 16, runtime.device())
    place = learning.read_off(finder, setting, pictures)["place"]
    return [None, None] if place is None else _listed(_towards(place, setting))


def _towards(places, setting: Setting) -> np.ndarray:
    return circles.towards(np.array(places, float), setting.held_out)


def _listed(values) -> list:
    """Lists of numbers to three digits, None for what is none."""
    values = np.round(np.asarray(values, float), 3)
    return np.where(np.isfinite(values), values.astype(object), None).tolist()


def turning(run_: dict) -> dict[str, int]:
    """Where the largest rise of the held-out error begins and ends.

    Returns:
        The steps of `minimum`, `peak` and `end`.
    """
    steps, places = learning.way(run_)
    low, top = trajectory.largest_rise(places[:, -1])
    named = zip(("minimum", "peak", "end"), (low, top, -1), strict=True)
    return {name: int(steps[i]) for name, i in named}


def reach(scan) -> tuple[float, float]:
    """How near the held-out place comes at the honest request, and at the best one: errors.

    The best is chosen by one half of the pictures and read off the other, both ways, and averaged.

    Args:
        scan: Places of `scan_requests`.

    Raises:
        ValueError: The honest request shows nothing.
    """
    error = _errors(scan)
    honest = error[HONEST]
    if not np.isfinite(honest).any():
        raise ValueError("a scan needs pictures that show something at the honest request")
    best = [error[request][1 - half] for half, request in enumerate(_best(error))]
    return float(np.nanmean(honest)), float(np.mean(best))


def _errors(scan) -> np.ndarray:
    """Squared distances (colours, sizes, 2 halves) of a scan's places from what was asked for."""
    return ((np.array(scan, float) - 1) ** 2).sum(-1)


def _best(error: np.ndarray) -> list[tuple]:
    """The request that each half chooses, of those that show something in both."""
    there = np.where(np.isfinite(error).all(-1, keepdims=True), error, np.inf)
    return [np.unravel_index(there[..., half].argmin(), error.shape[:2]) for half in (0, 1)]


def look_where_it_turns(file: Path, kept: Path) -> None:
    """Adds to a run's file what is seen at its minimum, peak and end, as far as it is not there.

    `turned`, scans by step, and `paired`, by the steps of minimum and peak the share of pictures
    `readable` at each, and the `places` (pairs, 2, 2) of those that are at both.

    Args:
        file: NAME.json.
        kept: The folder of the run's weights.
    """
    result = storage.read_json(file)
    setting, finder = Setting(**result["setting"]), classifier.load()

    def load(step: int) -> edm.Preconditioned:
        network = Network(result["scale"]["width"], setting.told)
        denoiser, _ = train.load_weights(kept / f"{step}.safetensors", network)
        return denoiser.to(runtime.device())

    done = result.setdefault("turned", {})
    steps = list(turning(table(result)).values())
    for step in steps:
        if str(step) not in done:
            found = scan_requests(load(step), finder, setting, SCANNED)
            done[str(step)] = dict(zip(("places", "readable"), found, strict=True))
            storage.write_json(file, result)
    pairs = result.setdefault("paired", {})
    if (key := "-".join(map(str, steps[:2]))) not in pairs:
        found = [_places_of_noises(load(step), finder, setting) for step in steps[:2]]
        places = np.stack(found, 1)
        there = np.isfinite(places).all(-1)
        readable = there.mean(0).tolist()
        pairs[key] = {"readable": readable, "places": _listed(places[there.all(1)])}
        storage.write_json(file, result)


def _places_of_noises(denoiser, finder, setting: Setting) -> np.ndarray:
    """Places (PAIRED, 2) at the held-out composition, of the same noises always; NaN if unread."""
    noise = torch.randn(PAIRED, 3, 32, 32, generator=train.stream(4000 + setting.seed, 0))
    asked = circles.towards(torch.ones(1, 2), setting.held_out)
    conditions = (setting.scale * setting.world.means(asked)).expand(PAIRED, -1)
    device = runtime.device()
    pictures = edm.sample(denoiser, noise.to(device), conditions.to(device), **SAMPLER)
    reading = classifier.read(finder, pictures.cpu())
    found = circles.towards(setting.world.places(reading.properties), setting.held_out)
    return torch.where(reading.readable[:, None], found.double(), torch.nan).numpy()


def errors_at_turn(run_: dict) -> np.ndarray:
    """Errors (3, 2) at minimum, peak and end of a run, of the honest request and of the best.

    Args:
        run_: Of `table`, where `look_where_it_turns` has looked.

    Raises:
        ValueError: The honest request shows nothing in one of them.
    """
    return np.array([reach(scan["places"]) for scan in _scans_at_turn(run_)])


def readable_at_turn(run_: dict) -> np.ndarray:
    """Shares (3, 2) of pictures that show a disc, as `errors_at_turn`."""
    shares = []
    for scan in _scans_at_turn(run_):
        readable = np.array(scan["readable"])
        best = [readable[request] for request in _best(_errors(scan["places"]))]
        shares.append((readable[HONEST], np.mean(best)))
    return np.array(shares)


def pairs_at_turn(run_: dict) -> np.ndarray:
    """Places (pairs, 2, 2) at minimum and peak of pictures that show a disc at both.

    Args:
        run_: Of `table`, where `look_where_it_turns` has looked.
    """
    low, top, _ = turning(run_).values()
    return np.array(run_["paired"][f"{low}-{top}"]["places"]).reshape(-1, 2, 2)


def _scans_at_turn(run_: dict) -> list[dict]:
    return [run_["turned"][str(step)] for step in turning(run_).values()]


def lost_or_reached(errors: np.ndarray) -> tuple[float, float]:
    """What the best request's error rises by and ends at, in units of the honest one's.

    Args:
        errors: (R, 3, 2), `errors_at_turn` of each run.

    Raises:
        ValueError: The honest request's error does not rise.
    """
    low, top, end = errors.sum(0)
    honest, best = top - low
    if not honest > 0:
        raise ValueError("the errors at the honest request need a rise to compare with")
    return float(best / honest), float(end[1] / end[0])


def table(result: dict) -> dict:
    """A finished run as `concept_learning.table` has it, with `scans` by step."""
    looks = result["evaluations"].items()
    scans = {step: look["scan"] for step, look in looks if "scan" in look}
    return learning.table(result) | {"scans": scans}


def finished_runs(folder: Path = RUNS) -> dict[str, dict]:
    """The runs in a folder that have come to one of the steps of `QUEUE`, by name; see `table`."""
    files = {s.name: folder / f"{s.name}.json" for s, _ in QUEUE}
    found = {name: storage.read_json(file) for name, file in files.items() if file.exists()}
    done = {name: table(result) for name, result in found.items() if "exchange" in result}
    return {name: shortened(run_, run_["exchange"]["until"]) for name, run_ in done.items()}


def stored_runs(until: int, folder: Path = KEPT) -> dict[str, dict]:
    """The runs stored with the book that have come to a step, up to there, by name; see `table`."""
    files = {s.name: folder / f"{s.name}.json" for s, _ in QUEUE}
    found = {name: storage.read_json(file) for name, file in files.items() if file.exists()}
    return {
        n: shortened(r, until) for n, r in found.items() if r["steps"][-1] >= last_milestone(until)
    }


def last_milestone(until: int) -> int:
    """The last milestone of a run that stops at a step."""
    return max(step for step in learning.milestones(SCALE) if step <= until)


def shortened(run_: dict, until: int) -> dict:
    """A run of `table` as it stood at a step."""
    count = sum(step <= until for step in run_["steps"])
    averaged = {field: values[:count] for field, values in run_["averaged"].items()}
    short = {"steps": run_["steps"][:count], "averaged": averaged}
    for name in ("scans", "turned"):
        scans = run_.get(name, {}).items()
        short[name] = {step: scan for step, scan in scans if int(step) <= until}
    return run_ | short


def store(folder: Path = RUNS, kept: Path = KEPT) -> list[str]:
    """Stores finished runs with the book, with a film of the first seeds'; returns their names.

    Of `WEIGHTED` the weights at minimum, peak and end too.
    """
    done = finished_runs(folder)
    for name, run_ in done.items():
        storage.write_numbers(kept / f"{name}.json", run_, {"losses": 4})
        if run_["setting"]["seed"] not in (SEEDS[0], LONG_SEEDS[0]):
            continue
        frames = learning.filmed(folder, run_)
        storage.write_picture(kept / f"{name}.film.png", learning.lay_out(clearest(frames)))
        for moment, step in turning(run_).items() if name == WEIGHTED.name else ():
            weights = (folder / f"{name}.kept" / f"{step}.safetensors").read_bytes()
            storage.write_atomically(kept / f"{name}.{moment}.safetensors", weights)
    return list(done)


def clearest(frames: Tensor) -> Tensor:
    """Of films (R, T, 3, 32, 32) the one (1, T, ...) that shows its disc best over the run."""
    finder = classifier.load()
    seen = [classifier.read(finder, row.float() / 127.5 - 1).explained.mean() for row in frames]
    return frames[[int(np.argmax(seen))]]


def film(name: str, folder: Path = KEPT) -> np.ndarray:
    """Pictures (T, 32, 32, 3) in [0, 1] of the held-out composition on the way.

    Raises:
        FileNotFoundError: There are none of this run.
    """
    file = folder / f"{name}.film.png"
    if not file.exists():
        raise FileNotFoundError(f"no film of {name} in {folder}; there is of the first seeds alone")
    return learning.cut_sheet(matplotlib.image.imread(file))[:, 0]


def load_denoiser(moment: str, folder: Path = KEPT) -> edm.Preconditioned:
    """The denoiser of `WEIGHTED` at its `minimum`, `peak` or `end`, as stored.

    Raises:
        FileNotFoundError: There is none of this moment.
    """
    network = Network(SCALE.width, WEIGHTED.told)
    return train.load_weights(folder / f"{WEIGHTED.name}.{moment}.safetensors", network)[0]


def results(folder: Path = KEPT) -> dict[int, dict[str, dict]]:
    """What has come to `SHORT` and to all steps, by these and by name; see `stored_runs`."""
    return {until: stored_runs(until, folder) for until in (SHORT, SCALE.steps)}


def claims(runs: dict[int, dict[str, dict]]) -> dict[str, list[float]]:
    """What the ledger's rows are decided by, where all their runs are there.

    Args:
        runs: Of `results`.

    Returns:
        By row, a number a seed: `concept.arrives`, `concept.text` and of both `.competent`,
        shares of signals, `concept.lost`, `concept.reached` and `concept.reached.end`, of sums over
        signals, of each `.shown`, a mean over signals, `concept.paired`, one over pictures,
        `concept.corner`, colour's change, `concept.pixels`, the part of it that is left, and its
        `.competent`, an error.
    """
    short, whole = runs.values()
    samples: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        samples.setdefault(f"concept.{name}", []).append(float(value))

    def of(settings: list[Setting], seed: int, runs: dict = short) -> list[dict]:
        """The runs of a seed, or none where a seed's run is missing."""
        if not all(s.name in runs for s in settings):
            return []
        return [runs[s.name] for s in settings if s.seed == seed]

    for seed in LONG_SEEDS:
        if every := of(LONG, seed, whole):
            found = [learning.measure_run(run_) for run_ in every]
            add("arrives", np.mean([f["arrives"] for f in found]))
            add("arrives.competent", np.mean([f["competent"] for f in found]))
            _, left = lost_or_reached(np.array([errors_at_turn(run_) for run_ in every]))
            add("reached.end", left)
            add("reached.end.shown", np.mean([readable_at_turn(run_)[2, 1] for run_ in every]))
    for seed in SEEDS:
        if (every := of(MAIN, seed)) and all(run_["turned"] for run_ in every):
            lost, left = lost_or_reached(np.array([errors_at_turn(run_) for run_ in every]))
            add("lost", lost)
            add("reached", left)
            pairs = np.concatenate([pairs_at_turn(run_) for run_ in every])
            add("paired", (pairs[:, 1, 0] - pairs[:, 0, 0]).mean())
            _, top, end = np.mean([readable_at_turn(run_)[:, 1] for run_ in every], 0)
            add("lost.shown", top)
            add("reached.shown", end)
        for pair in zip(of(DISCS, seed), of(PLAIN, seed), strict=False):  # none without the other
            counted, plain = map(learning.measure_run, pair)
            add("pixels", counted["retreat"][0] / plain["retreat"][0])
            add("pixels.competent", counted["off"])
        for run_ in of(CORNERS, seed):
            add("corner", learning.measure_run(run_)["retreat"][0])
        if told := [learning.measure_run(run_) for run_ in of(WORDS, seed)]:
            add("text", np.mean([t["turns"] for t in told]))
            add("text.competent", np.mean([t["competent"] for t in told]))
    return samples
