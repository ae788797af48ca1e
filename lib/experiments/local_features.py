"""A network that is told places and colours: which of its requests compose, and in which space.

    python -m lib.experiments local_features run --all
    python -m lib.experiments local_features store
    python -m lib.experiments local_features record

A denoiser is trained on scenes of one or two large rubber objects, 16 x 16 pixels: small enough for
minutes on one core. Of each object it is told the place, the colour, both or nothing, so that
single requests, pairs of them and none are all met in training.
Then pairs of single requests are composed, never told together:

    h(none) + (h(c_1) - h(none)) + (h(c_2) - h(none))

with h the network's answer (`pixels`: then scores are added), or what one of its layers holds
(`lib.diffusion.inside`), from where the rest of the network goes on. Beside that stands the joint
request, with the same noise. Pairs are of three kinds: two places, the place and the colour of one
object, two colours. What is asked is drawn if an object is found at each place asked for, and
objects of the colours asked for: of a place with a colour, the object at that place.

The quick test (`lib.exact.feature.cosines`) says: two requests compose if the shifts of the mean
that each makes alone are orthogonal. The mean under a request is what the denoiser says at high
noise (`HIGH`). What is foretold is how much of the joint request's success is kept. Written down
before any run, the accounts and what each predicts of many pairs *of one kind*:

============  =======================================  ==========================================
account       the cosine's size against what is kept   the same, at equal distance and norms
============  =======================================  ==========================================
*angle*       the smaller, the more is kept            still so
*distance*    the same: what is far is orthogonal      nothing is left
*strength*    none of itself: a short shift is lost    nothing is left
*all, none*   no spread, so nothing can be said        the same
*log-linear*  nothing: shifts that tilt one Gaussian   nothing
              compose at any angle
============  =======================================  ==========================================

A rotation of the pixels changes neither the cosines nor what composing draws (a sum of scores is
the same sum in any linear coordinates); so neither can say in which basis the answers are local.

An independent unit is a network: the pairs of one share its weights, and colours. All networks are
asked the same pairs. A first look, at seed 0 and with pairs as units, does not count.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import matplotlib.image
import numpy as np
import torch
from scipy import stats
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from lib import storage
from lib.book import runtime
from lib.diffusion import edm, inside, networks, train
from lib.diffusion.inside import SPACES, added_in
from lib.diffusion.pathways import Described
from lib.exact.feature import cosines
from lib.experiments._options import check_positive
from lib.experiments._training import train_watched
from lib.experiments._worlds import LARGE, Find
from lib.scenes import COLORS, colours, labelling, measure
from lib.scenes.scene import Scenes, locations

RUNS = storage.RUNS / "local_features"
KEPT = storage.RESULTS / "local_features"
SIZE, GRID = 16, 8  # of the pictures, in pixels, and cells a side
SIGMA_DATA = 0.15  # standard deviation of the pictures, about their mean
RADIUS = 0.1  # how far from its place an object may be, in widths: about its own radius
SAMPLER = {"steps": 10, "sigma_min": 0.01, "sigma_max": 20.0}
KINDS = ("place, place", "place, colour", "colour, colour")
DRAWN = ("joint", "pixels", "middle")  # what is drawn; of the other spaces the error is measured
LEVELS = (0.1, 0.3, 0.6, 1.0, 2.0, 4.0, 10.0)  # of noise, for cosines
ASKED_AT = (0.6, 1.5, 4.0)  # for errors
HIGH = 10.0  # where the answer is the mean under the request
REPORTED = (1, 2, 3)  # seeds; 0 was looked at first
DIGITS = {"angles": 4, "errors": 4, "losses": 4, "pairs": 4}  # that are kept
PAIRS = 32  # of places, and of a place and a colour; of colours there are 28
NOISES = 4  # pictures a pair and way of asking
SHOWN = 6  # pairs of each kind, in the book
CHUNK = 32  # pictures drawn at once
SEED = 5000  # of requests and noise: the same for all networks


class Thing(NamedTuple):
    """What is asked of one object: its place (x, y), its colour, both, or neither."""

    place: tuple[float, float] | None = None
    colour: int | None = None


Request = tuple[Thing, ...]


@dataclass(frozen=True)
class Setting:
    """One run.

    Attributes:
        seed: Of weights and data.
    """

    seed: int = 0


@dataclass(frozen=True)
class Scale:
    """How large and how long.

    Attributes:
        width: Of the network.
        steps: Of training.
        batch: Pictures a step.
        learning_rate: Of Muon.
    """

    width: int = 48
    steps: int = 1500
    batch: int = 32
    learning_rate: float = 5e-3

    def __post_init__(self):
        """Refuses what cannot be run."""
        check_positive(self, "width", "steps", "batch", "learning_rate")


def network(scale: Scale, seed: int) -> networks.UNet:
    """The network, with weights drawn from the seed."""
    made = networks.UNet(
        "things",
        SIZE,
        GRID,
        width=scale.width,
        embedding=64,
        told=64,
        hidden=128,
        dimensions=len(COLORS),
    )
    return networks.initialise(made, runtime.generator(seed))


def say_all(scenes: Scenes) -> Described:
    """All that may be said of scenes: places (B, K, 2), a mask, and which colour."""
    return *labelling.label_all(scenes), scenes.color


WORLD = replace(LARGE, ask=say_all)


def batch(scale: Scale, generator: torch.Generator) -> tuple[Tensor, Described]:
    """Fresh training pictures (batch, 3, 16, 16), and what is said of each object."""
    scenes = WORLD.sample(scale.batch, 1, 2, generator)
    place, mask, colour = WORLD.ask(scenes)
    placed, coloured = (torch.rand(2, *mask.shape, generator=generator) < 0.5) & mask
    told = place * placed[..., None], placed, torch.where(coloured, colour, -1)
    return WORLD.render(scenes, SIZE), told


def prepared(setting: Setting, scale: Scale) -> train.Training:
    """A training at its start.

    Its precision is a constant here and no field of `Scale`: the networks are small and reported
    runs are made on processors, so that there is nothing to choose, least of all by a stopwatch.
    """
    denoiser = edm.Preconditioned(network(scale, setting.seed), SIGMA_DATA)
    settings = train.Settings(
        scale.steps,
        setting.seed,
        scale.learning_rate,
        p_mean=-0.5,
        p_std=1.4,
        cooldown=round(0.4 * scale.steps),
        precision="float32",
        optimizer="muon",
    )
    return train.Training(
        denoiser, partial(batch, scale), settings, asdict(setting) | asdict(scale)
    )


def describe(requests: Sequence[Request]) -> Described:
    """Requests as the network takes them: B requests of up to K things."""
    most = max(1, *(len(r) for r in requests))
    place, kind = torch.zeros(len(requests), most, 2), torch.full((len(requests), most), -1)
    placed = torch.zeros(len(requests), most, dtype=torch.bool)
    for b, request in enumerate(requests):
        for k, thing in enumerate(request):
            if thing.place is not None:
                place[b, k], placed[b, k] = torch.tensor(thing.place), True
            if thing.colour is not None:
                kind[b, k] = thing.colour
    return place, placed, kind


class Pair(NamedTuple):
    """Two single requests, and both as one."""

    first: Request
    second: Request
    joint: Request


class Asked(NamedTuple):
    """Pairs of requests, and scenes that show both: their pictures are the ceiling."""

    pairs: list[Pair]
    scenes: Scenes

    def describe(self, which: int, times: int = 1) -> Described:
        """Of each pair one of `Pair`'s three, so many times in a row, as the network takes them."""
        return describe([pair[which] for pair in self.pairs for _ in range(times)])


def request_pairs(kind: str, pairs: int) -> Asked:
    """Pairs of requests of a kind.

    Places come from real scenes of two, and are as often near as far. Colours come in turn.

    Raises:
        ValueError: There is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"the kind is one of {KINDS}, not {kind!r}")
    stream = train.stream(SEED, KINDS.index(kind))
    if kind == "place, colour":
        colour = torch.arange(pairs)[:, None] % len(COLORS)
        scenes = _coloured(WORLD.sample(pairs, 1, 1, stream, clear=True), colour)
    elif kind == "colour, colour":
        colour = torch.combinations(torch.arange(len(COLORS)))
        scenes = _coloured(WORLD.sample(len(colour), 2, 2, stream, clear=True), colour)
    else:
        scenes = WORLD.sample(8 * pairs, 2, 2, stream, clear=True)
        apart = WORLD.ask(scenes)[0].diff(dim=1).norm(dim=-1)
        wanted = torch.linspace(float(apart.min()), float(apart.quantile(0.95)), pairs)
        scenes = scenes[torch.as_tensor(linear_sum_assignment((apart - wanted).abs().T)[1])]
    made = []
    where, _, which = WORLD.ask(scenes)
    for places, colour in zip(where.tolist(), which.tolist(), strict=True):
        here = [Thing(place=tuple(place)) for place in places]
        of = [Thing(colour=one) for one in colour]
        if kind == "place, colour":
            made.append(Pair((here[0],), (of[0],), (Thing(here[0].place, of[0].colour),)))
        else:
            both = here if kind == "place, place" else of
            made.append(Pair((both[0],), (both[1],), tuple(both)))
    return Asked(made, scenes)


def _coloured(scenes: Scenes, colour: Tensor) -> Scenes:
    return replace(scenes, color=colour.clone())


@dataclass(frozen=True)
class Judge:
    """Finds objects, and reads their colours.

    Attributes:
        find: Of a world.
        rule: On the pixel where an object is found.
    """

    find: Find
    rule: colours.Rule

    def seen(self, pictures: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Of each picture the places (M, 2) of its objects and their colours (M,)."""
        places, there = self.find(pictures)
        read = colours.read(self.rule, colours.pixel(pictures, places))
        return [(p[m], c[m]) for p, c, m in zip(places, read, there, strict=True)]


def pixels_of_single(find: Find, scenes: Scenes, pictures: Tensor) -> Tensor:
    """The pixels (B, 3) in which the only object of each picture is found.

    Raises:
        ValueError: In a picture no object is found: its pixel would be one of the ground.
    """
    places, there = find(pictures)
    if not there.any(1).all():
        raise ValueError(f"no object is found in {int((~there.any(1)).sum())} of the pictures")
    nearest = torch.cdist(places, locations(scenes))[..., 0].masked_fill(~there, 9).argmin(1)
    place = places[torch.arange(len(places)), nearest][:, None]
    return colours.pixel(pictures, place)[:, 0]


def load_judge(samples: int = 240) -> tuple[Judge, list[int]]:
    """The judge, and how its rule of colours does on as many new real objects: 0 or 1 each."""
    rule, right = None, []
    for k in range(2):
        scenes = WORLD.sample(samples, 1, 1, train.stream(SEED, 90, k))
        pixels = pixels_of_single(WORLD.find, scenes, WORLD.render(scenes, SIZE))
        if rule is None:
            rule = colours.fitted(pixels, scenes.color[:, 0])
        else:
            right = (colours.read(rule, pixels) == scenes.color[:, 0]).int().tolist()
    return Judge(WORLD.find, rule), right


def is_shown(seen: tuple[Tensor, Tensor], request: Request) -> bool:
    """Whether a picture shows what was asked for, each thing by an object of its own.

    Raises:
        ValueError: A place is not finite: nothing would be near it.
    """
    places, read = seen
    where, placed, kind = (part[0] for part in describe([request]))
    near, same = measure.distance(places, where) <= RADIUS, read[:, None] == kind
    fits = (near | ~placed) & (same | (kind < 0))
    matched, _ = measure.match_best(torch.zeros(fits.shape), fits)
    return len(matched) == fits.shape[1]


def draw(ask: Callable, size: int, stream: int, only: Tensor | None = None) -> Tensor:
    """Pictures (size, 3, 16, 16) of noises of their own.

    Args:
        ask: Of indices of them the denoiser and its conditions.
        size: How many.
        stream: Of the noise: the same for all ways of asking.
        only: The indices of those that are drawn, if not all are.
    """
    noise = torch.randn(size, 3, SIZE, SIZE, generator=train.stream(SEED, 91, stream))
    chunks = (torch.arange(size) if only is None else only).split(CHUNK)
    made = [edm.sample(ask(c)[0], noise[c], ask(c)[1], **SAMPLER) for c in chunks]
    return torch.cat(made).clamp(-1, 1)


def _cut(conditions: Described, index: Tensor) -> Described:
    return tuple(part[index] for part in conditions)


def list_ways(denoiser: edm.Preconditioned, what: Asked, n: int) -> dict[str, Callable]:
    """How pairs are asked for in each way of `DRAWN`, n pictures a pair: see `draw`."""
    *parts, joint = (what.describe(k, n) for k in range(3))
    found: dict[str, Callable] = {"joint": lambda c: (denoiser, _cut(joint, c))}
    for space in DRAWN[1:]:
        found[space] = lambda c, space=space: (
            added_in(denoiser, [_cut(part, c) for part in parts], space),
            None,
        )
    return found


def count_shown(
    denoiser: edm.Preconditioned, judged: Judge, kind: str, what: Asked, n: int
) -> dict[str, list]:
    """How often each pair of a kind is drawn, by way of asking.

    Returns:
        By way in `DRAWN`, of each pair how many of n pictures show both requests; `blind`, how many
        of the joint ones show the next pair's; `real`, whether a real picture does. Of a place and
        a colour also `single`, how many show the first, and the second, when it is asked for alone;
        `single_blind`, when the next pair's is; and `apart`, how many composed in pixels show the
        one and the other, by one object or by two.
    """
    pairs, size, stream = what.pairs, n * len(what.pairs), KINDS.index(kind)
    wanted = [[pair[k] for pair in pairs for _ in range(n)] for k in range(3)]

    def shown(pictures: Tensor, requests: Sequence[Request]) -> list[int]:
        hits = [is_shown(s, r) for s, r in zip(judged.seen(pictures), requests, strict=True)]
        return torch.tensor(hits).view(len(pairs), -1).sum(1).tolist()

    def both(pictures: Sequence[Tensor], turn: int = 0) -> list[list[int]]:
        each = [shown(p, w[turn:] + w[:turn]) for p, w in zip(pictures, wanted[:2], strict=True)]
        return [list(two) for two in zip(*each, strict=True)]

    asking = list_ways(denoiser, what, n)
    pictures = {way: draw(ask, size, stream) for way, ask in asking.items()}
    found: dict[str, list] = {way: shown(p, wanted[2]) for way, p in pictures.items()}
    found["blind"] = shown(pictures["joint"], wanted[2][n:] + wanted[2][:n])
    found["real"] = shown(WORLD.render(what.scenes, SIZE), [pair.joint for pair in pairs])
    if kind == "place, colour":
        found["apart"] = both([pictures["pixels"]] * 2)
        parts = [what.describe(k, n) for k in range(2)]
        alone = [draw(lambda c, p=p: (denoiser, _cut(p, c)), size, stream) for p in parts]
        found |= {"single": both(alone), "single_blind": both(alone, n)}
    return found


def pick_shown(pairs: int) -> Tensor:
    """Which of so many pairs are shown in the book: `SHOWN` of them, evenly, from first to last."""
    return torch.linspace(0, pairs - 1, SHOWN).round().long()


def draw_sheet(seed: int, folder: Path = RUNS) -> np.ndarray:
    """Pictures of a trained network side by side, (rows, columns, 3) in [0, 1].

    A row is a kind and a way of `DRAWN`, a column a pair; of each pair the first of the pictures
    that were counted.
    """
    trained, rows = load_denoiser(seed, folder), []
    for stream, kind in enumerate(KINDS):
        what = request_pairs(kind, PAIRS)
        first = NOISES * pick_shown(len(what.pairs))
        for ask in list_ways(trained, what, NOISES).values():
            pictures = draw(ask, NOISES * len(what.pairs), stream, first)
            rows.append(torch.cat(list(pictures), 2))
    return ((torch.cat(rows, 1) + 1) / 2).permute(1, 2, 0).numpy()


def mean_shifts(
    denoiser: edm.Preconditioned, requests: Sequence[Request], sigma: float, draws: int = 8
) -> dict[str, Tensor]:
    """By space, how far each request moves what it holds, on average over noisy pictures: (N, d).

    The pictures are real ones of one or two objects, the same for all requests.
    """
    x = WORLD.render(WORLD.sample(draws, 1, 2, train.stream(SEED, 92)), SIZE)
    x = x + sigma * torch.randn(x.shape, generator=train.stream(SEED, 93))
    none = {
        space: h.mean(0)
        for space, h in inside.activations(denoiser, x, sigma, describe([()] * draws)).items()
    }
    found: dict[str, list[Tensor]] = {space: [] for space in SPACES}
    for request in requests:
        for space, h in inside.activations(denoiser, x, sigma, describe([request] * draws)).items():
            found[space].append(h.mean(0) - none[space])
    return {space: torch.stack(each) for space, each in found.items()}


def measure_angles(
    denoiser: edm.Preconditioned, pairs: Sequence[Pair]
) -> dict[str, dict[str, list]]:
    """By noise level and space, of each pair the cosine and the two norms of its shifts."""
    names = list(dict.fromkeys(request for pair in pairs for request in pair[:2]))
    index = torch.tensor([[names.index(request) for request in pair[:2]] for pair in pairs])
    found = {}
    for sigma in LEVELS:
        by_space = {}
        for space, d in mean_shifts(denoiser, names, sigma).items():
            table = cosines(d.double(), torch.zeros(d.shape[1], dtype=torch.float64))
            norms = d.norm(dim=1)[index]
            by_space[space] = [
                [round(float(table[i, j]), 5), *(round(float(v), 5) for v in two)]
                for (i, j), two in zip(index.tolist(), norms, strict=True)
            ]
        found[f"{sigma:g}"] = by_space
    return found


@torch.no_grad()
def measure_errors(
    denoiser: edm.Preconditioned, kind: str, what: Asked, draws: int = 2
) -> dict[str, dict[str, list]]:
    """By noise level and space, how far composing is from the joint request, of each pair.

    On noisy real pictures of what is asked: the norm of composed less joint, over that of joint
    less none.
    """
    clean = WORLD.render(what.scenes, SIZE).repeat_interleave(draws, 0)
    noise = torch.randn(clean.shape, generator=train.stream(SEED, 94, KINDS.index(kind)))
    *parts, joint = (what.describe(k, draws) for k in range(3))
    nothing = describe([()] * len(clean))

    def norm(difference: Tensor) -> Tensor:
        return difference.view(len(what.pairs), -1).norm(dim=1)

    found = {}
    for sigma in ASKED_AT:
        x = clean + sigma * noise
        both, none = (denoiser(x, sigma, c) for c in (joint, nothing))
        found[f"{sigma:g}"] = {
            space: [
                round(v, 5)
                for v in (
                    norm(added_in(denoiser, parts, space)(x, sigma) - both) / norm(both - none)
                ).tolist()
            ]
            for space in SPACES
        }
    return found


def run(setting: Setting, scale: Scale, folder: Path = RUNS, *, until: int = 0) -> dict:
    """Trains, stores the weights and measures them, or does what is still missing of it.

    Args:
        setting: What is trained.
        scale: How large and how long.
        folder: Where files go.
        until: The step to stop at, to go on from there at the next call; 0 for the end.

    Returns:
        What is in seedN.json.

    Raises:
        ValueError, FloatingPointError: As `lib.experiments._training.train_watched`.
    """
    path = folder / f"seed{setting.seed}.json"
    result = train_watched(
        path.with_suffix(""), setting, scale, prepared(setting, scale), until=until or None
    )
    if "seconds" not in result:
        return result
    todo = [kind for kind in KINDS if kind not in result.get("kinds", {})]
    for kind in runtime.progress(todo, "asking"):
        result = look(setting.seed, kind, folder)
    return result


def look(seed: int, kind: str, folder: Path = RUNS) -> dict:
    """Measures pairs of one kind of a trained network, and adds them to its file."""
    path = folder / f"seed{seed}.json"
    trained, result = load_denoiser(seed, folder), storage.read_json(path)
    judged, right = load_judge()
    what = request_pairs(kind, PAIRS)
    result["colour_rule"] = right
    result.setdefault("kinds", {})[kind] = {
        "pairs": [
            [[t.place and list(t.place), t.colour] for t in pair.first + pair.second]
            for pair in what.pairs
        ],
        "noises": NOISES,
        "drawn": count_shown(trained, judged, kind, what, NOISES),
        "angles": measure_angles(trained, what.pairs),
        "errors": measure_errors(trained, kind, what),
    }
    storage.write_json(path, result)
    return result


def missing(folder: Path = RUNS) -> list[tuple[Setting, dict]]:
    """Reported seeds that are not finished."""
    done = {result["setting"]["seed"] for result in results(folder)}
    return [(Setting(seed), {}) for seed in REPORTED if seed not in done]


def store(folder: Path = RUNS, kept: Path = KEPT) -> list[str]:
    """Takes over the measurements of finished runs, and pictures of the first; the files' names."""
    names = []
    for result in results(folder):
        seed = result["setting"]["seed"]
        storage.write_numbers(kept / f"seed{seed}.json", result, DIGITS)
        if not names:
            storage.write_picture(kept / "drawn.png", draw_sheet(seed, folder))
        names.append(f"seed{seed}.json")
    return names


def load_pictures(folder: Path = KEPT) -> np.ndarray:
    """The stored pictures (kinds, ways, pairs, 16, 16, 3) of the first network: see `draw_sheet`.

    Raises:
        FileNotFoundError: There are none.
    """
    if not (folder / "drawn.png").exists():
        raise FileNotFoundError(f"no pictures in {folder}: `store` draws them")
    whole = matplotlib.image.imread(folder / "drawn.png")[..., :3]
    tiles = whole.reshape(len(KINDS), len(DRAWN), SIZE, -1, SIZE, 3)
    return tiles.transpose(0, 1, 3, 2, 4, 5)


def results(folder: Path = KEPT) -> list[dict]:
    """What is finished, seeds in order."""
    found = [storage.read_json(path) for path in folder.glob("seed*.json")]
    whole = [result for result in found if set(result.get("kinds", ())) == set(KINDS)]
    return sorted(whole, key=lambda result: result["setting"]["seed"])


def shares(measured: Sequence[dict], kind: str, way: str) -> np.ndarray:
    """Of each pair the share of pictures that show it, over all networks: (pairs,)."""
    each = [
        np.array(r["kinds"][kind]["drawn"][way], float) / r["kinds"][kind]["noises"]
        for r in measured
    ]
    return np.mean(each, 0)


def kept_shares(measured: Sequence[dict], kind: str, space: str = "pixels") -> np.ndarray:
    """Composed less joint, of each pair: (pairs,)."""
    return shares(measured, kind, space) - shares(measured, kind, "joint")


def pair_values(
    measured: Sequence[dict], kind: str, space: str = "pixels", sigma: float = HIGH
) -> dict[str, np.ndarray]:
    """Of each pair, over all networks: `cosine`, its size, and the rivals' `near` and norms.

    `near` is how close the two requests are: places in the picture, colours as means of sRGB; what
    has no distance has none.
    """
    every = np.array([r["kinds"][kind]["angles"][f"{sigma:g}"][space] for r in measured])
    norms = every[..., 1:].mean(0)
    found = {
        "cosine": np.abs(every[..., 0]).mean(0),
        "weaker": norms.min(1),
        "stronger": norms.max(1),
    }
    pairs = measured[0]["kinds"][kind]["pairs"]
    if kind == "place, place":
        found["near"] = -np.array([np.hypot(*np.subtract(a[0], b[0])) for a, b in pairs])
    elif kind == "colour, colour":
        shade = np.array(list(COLORS.values()), float)
        found["near"] = -np.array([np.linalg.norm(shade[a[1]] - shade[b[1]]) for a, b in pairs])
    return found


def rank_parts(values: np.ndarray, outcome: np.ndarray, *rivals: np.ndarray) -> np.ndarray:
    """Of each pair its part in the rank correlation of values and outcome: the mean is Spearman's.

    With rivals the partial one: of what is left of both ranks after a linear fit of the rivals'.
    Where one of the two does not vary nothing is foretold, and all parts are 0.
    """

    def ranks(x: np.ndarray) -> np.ndarray:
        return stats.rankdata(x) - (len(x) + 1) / 2

    given = np.stack([np.ones(len(values)), *map(ranks, rivals)], 1)
    left = []
    for x in (values, outcome):
        r = ranks(x)
        r = r - given @ np.linalg.lstsq(given, r, rcond=None)[0]
        spread = r.std()
        left.append(r / spread if spread > 1e-9 else 0 * r)
    return left[0] * left[1]


BY_KIND = ("local.joint", *(f"local.composes.{space}" for space in DRAWN[1:]))
BOTH = ("local.spread", "local.heuristic")  # by kind, and over all pairs
OVER_ALL = ("local.heuristic.beyond", "local.heuristic.middle")


def claims(measured: Sequence[dict]) -> dict[str, list[float]]:
    """What stands behind each row of the ledger: a number a network, or a real object."""
    found: dict[str, list[float]] = {"local.colour_rule": measured[0]["colour_rule"]}
    for result in measured:
        for id, value in rows_of(result).items():
            found.setdefault(id, []).append(value)
    return found


def rows_of(result: dict) -> dict[str, float]:
    """What each row says of one network: means over pairs, which share weights and requests."""
    alone = shares([result], "place, colour", "single").mean(0)
    found = {f"local.single.{name}": v for name, v in zip(("place", "colour"), alone, strict=True)}
    by_kind = {kind: rows_of_kind(result, kind) for kind in KINDS}
    for kind, rows in by_kind.items():
        for name in BY_KIND + BOTH:
            found[f"{name}.{kind.replace(', ', '_')}"] = rows[name].mean()
    for name in BOTH + OVER_ALL:
        found[name] = np.concatenate([rows[name] for rows in by_kind.values()]).mean()
    return {id: float(value) for id, value in found.items()}


def rows_of_kind(result: dict, kind: str) -> dict[str, np.ndarray]:
    """Of each pair of a kind its number in each row that is of pairs, of one network."""
    joint, left = shares([result], kind, "joint"), kept_shares([result], kind)
    values, inner = pair_values([result], kind), pair_values([result], kind, "middle")
    rivals = [v for name, v in values.items() if name != "cosine"]
    by_layer = kept_shares([result], kind, "middle")
    each = (
        joint,
        left,
        by_layer,
        (-left > joint / 2).astype(float),
        rank_parts(-values["cosine"], left),
        rank_parts(-values["cosine"], left, *rivals),
        rank_parts(-inner["cosine"], by_layer),
    )
    return dict(zip(BY_KIND + BOTH + OVER_ALL, each, strict=True))


def load_denoiser(seed: int = 0, folder: Path = RUNS) -> edm.Preconditioned:
    """A finished network, with the weights that were measured; the book keeps none.

    Raises:
        FileNotFoundError: There is none.
        ValueError: A file is damaged or of another network.
    """
    result = storage.read_json(folder / f"seed{seed}.json")
    made = network(Scale(**result["scale"]), seed)
    return train.load_weights(folder / f"seed{seed}.safetensors", made)[0]
