"""The same weights, asked in other ways: no training.

    python -m lib.experiments length_asking run --name label_one.full_all --seed 0

takes the weights of a finished run of `length_generalization` and asks them for 3, 6 and 10
locations in each of `ways`, always the same requests and the same noise. Of every picture it keeps
what was hit, how much it looks like one scene, and how high the seams along the borders between
the nearest requests are (`lib.scenes.coherence`). Which account of the failure predicts what stands
in `lib.experiments.length_generalization`, which stores and records what comes out.

**Scissors with glue** (`length.glue.*`) are the rival of "asked near it draws one scene, and
scissors do not". The paste is noised to a level and denoised from there: to .3, asked for nothing
at all, as a tenth of the training pictures were; and to 1, asked for the nearest. If what asking
near has over scissors is that nobody sees the cuts, a glued paste has it too, and fills more
places. If a scene is put together at the high levels, where light and ground are decided, glue at
the end does not help: its pieces have lamps and cameras of their own. Looked at first on seed 0 of
`label_one.vector` (skill .83 and coherence .72 glued at .3; .84 and .81 glued at 1; .76 and .78
asked near; .89 and .45 the plain paste), and written down before any other seed was asked so.

**What a network that hears near loses at six** (`length.windows.alone`), written down before its
first run had ended: where windows overlap, cells hear two requests, a sum that one label never
showed. If that is what it loses, the same weights keep more when each cell hears, of its window,
the nearest alone (`nearest-window`; cells in no window hear nothing, as in training). If it loses
places because they are crowded or hidden, or because it draws badly, nothing changes.

**Added after the small network** (`length.embedded.kept`), written down before any network was
asked so. Rows are summed, and the sum meets the places in a small network (`pathways.Meeting`); a
sum of six was never met there. In `embedded` each request goes through it alone, what each adds to
none is summed behind it, and the trunk is called once. *The small network is to blame*: then most
is kept, as by the network that is told a map, whose planes are a sum whatever it was trained on.
*The trunk is*, which never met the planes of six either, or *planes reach everywhere*, so that six
of them are unlike one wherever one looks: then hardly more than as it was trained.

**Reach or bending** (`length.reach.*`), written down before any network was asked so, when it was
known what is drawn as trained (a sum that bends .03, products .50), with each request bent alone
(.34) and with each cell told its nearest alone (.69 and .76). That bending costs and that planes
reach everywhere were not told apart. Two switches do: a request is told to all cells or only to
those of its window (5 x 5, where two may meet), and a sum is bent (`all`, `window-heard`) or its
parts are (`embedded`, `embedded-window`; in products the two are one). *Reach*: told near, most is
drawn, bent before or after. *Bending*: told near, a sum that is bent still draws less than its
parts, for windows overlap; and each bent alone, nearness adds little. *The trunk*, which never met
two requests: little helps. That a request is cut off at its window must not harm by itself: asked
for one, skill stays (`length.reach.one*`, the gate).

**What attention does** (`length.attending.*`). Seed 0 of the network whose places attend to their
requests (`pathways.Attending`) kept .69 as trained. It does not hear its nearest: of all attention
to six requests a quarter goes to it, by chance a sixth. Looked at on that seed alone: attending to
each request as if it were alone it draws .64 in place of .67; all cells attending alike, .02; each
row bent alone, .66. So what serves it is that rows are weighed place by place before they are
added, and not that requests compete. Written down before any other seed was asked: three fresh
seeds decide. *Requests compete*, as they do in a mean or where the nearest is told: apart, less is
drawn. *The softmax keeps a sum small*, wherever a cell is: alike in all cells, as much is drawn.
Asked alike as on average, it turned out, it hardly draws one either, which any fainter request
would bring about; so the rule is against all cells as loud as that where the request stands, which
one is drawn at, and a fourth fresh seed was declared when its gate was undecided by a hair.

**What was hoped for** (`length.glued.*`, `length.objects.ten`): nine tenths of skill at one kept at
six, eight tenths at ten, and pictures that pass for one scene more often than pastes. Asking near
is about there, undecided. `glued-near` was at .93 of six on seeds 0 to 3 of `label_one.vector` and
not asked at ten; the network that met one object alone was at .93 of six asked near, and not asked
at ten. Three fresh seeds of the first, and the three of the second, decide. That places are filled
scissors can do, so these rows say what is reached and nothing of why.
"""

import copy
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lib import storage
from lib.book import runtime
from lib.diffusion import asking, edm, hearing, patch, pathways, train
from lib.experiments import length_generalization as length
from lib.experiments.length_generalization import GRID, RUNS, SAMPLER
from lib.experiments.length_results import ASKED
from lib.scenes import annotate, coherence, detector, labelling, render
from lib.scenes.scene import Scenes

SAMPLES = 64
LEVELS = (0.1, 0.3, 1.0, 3.0, 10.0)  # of noise, above or below which the asking is local
FIRST = 2000  # of the seeds of requests and noise: a run's own is added
SOFT = 0.1  # widths over which borders are soft
GLUED, GLUED_NEAR = 0.3, 1.0  # levels of noise to which a paste is noised, to be denoised again
Draw = Callable[[Tensor, tuple], Tensor]  # noise (B, 3, H, H), conditions -> pictures like it


@dataclass(frozen=True)
class Setting:
    """A finished run, whose weights are asked.

    Attributes:
        name: Of its setting, as `length_generalization.Setting.name`.
        seed: Of it.
    """

    name: str = ASKED
    seed: int = 0


@dataclass(frozen=True)
class Scale:
    """How much they are asked.

    Attributes:
        counts: Numbers of locations.
        ways: Those of `ways` that are asked in; all if none are named.
    """

    counts: tuple[int, ...] = (6, 3, 10)
    ways: tuple[str, ...] = ()


def tell_cells(denoiser: edm.Preconditioned, hear: asking.Hear) -> edm.Denoiser:
    """Asked so that each cell hears what `hear` says.

    In one call where conditions enter after the last layer that mixes places; else the answers to
    single requests are put together.
    """
    if isinstance(denoiser.network, patch.WindowNetwork):
        return asking.with_hearing(denoiser, hear)
    return asking.by_place(denoiser, hear)


def adding_up(
    denoiser: edm.Preconditioned, heard: Callable[[tuple], Tensor] | None = None
) -> edm.Preconditioned:
    """A twin in which requests are added after the small network that takes them in.

    Args:
        denoiser: Of which it is one.
        heard: How much of each request a cell is told, see `asking.AddedUp`.
    """
    twin = copy.deepcopy(denoiser)
    name = "encoder" if isinstance(twin.network, patch.WindowNetwork) else "condition"
    setattr(twin.network, name, asking.AddedUp(getattr(twin.network, name), heard))
    return twin


def attending(denoiser: edm.Preconditioned, how: str) -> edm.Preconditioned:
    """A twin whose cells attend otherwise than they learned to, see `pathways.Attending`.

    Args:
        denoiser: Of which it is one.
        how: `apart`, to each request as if it were asked for alone; `alike`, all cells as much as
            they do on average; `loud`, all cells as much as that in which the request stands.
    """
    twin = copy.deepcopy(denoiser)
    pathway, attend = twin.network.condition, denoiser.network.condition.attention

    def otherwise(conditions, x):
        locations, mask = conditions
        if how == "apart":
            each = [slice(j, j + 1) for j in range(mask.shape[1])]
            return torch.cat([attend((locations[:, j], mask[:, j]), x) for j in each], 1)
        weights = attend(conditions, x)
        if how == "alike":
            return weights.mean((2, 3), keepdim=True).expand_as(weights)
        own = hearing.window(conditions, GRID, 0)
        return (weights * own).sum((2, 3), keepdim=True).expand_as(weights)

    pathway.attention = otherwise
    return twin


def sampled(denoiser: edm.Denoiser, noise: Tensor, conditions: tuple) -> Tensor:
    """Pictures drawn of a noise."""
    return edm.sample(denoiser, noise, conditions, **SAMPLER).clamp(-1, 1)


def glued(
    denoiser: edm.Denoiser, pictures: Tensor, noise: Tensor, level: float, conditions: tuple
) -> Tensor:
    """Pictures noised to a level and denoised from there (Meng et al. 2022, SDEdit)."""
    steps = sum(sigma < level for sigma in edm.noise_levels(**SAMPLER))  # the last one is 0
    levels = SAMPLER | {"steps": steps, "sigma_max": level}
    return edm.sample(denoiser, pictures / level + noise, conditions, **levels).clamp(-1, 1)


def ways(denoiser: edm.Preconditioned, seed: int, count: int = 0) -> dict[str, Draw]:
    """Every way of asking, by name.

    Args:
        denoiser: That is asked.
        seed: With `count`, of what a way draws at random: who hears what, other noise.
        count: Locations asked for.
    """

    def everywhere(conditions, sigma):
        return hearing.everywhere(conditions, GRID)

    def mean(conditions, sigma):
        return hearing.mean(conditions, GRID)

    def window(k):
        return lambda conditions, sigma: hearing.window(conditions, GRID, k)

    def at_random(noise, conditions):
        # The same throughout the sampling.
        fixed = hearing.one_at_random(conditions, GRID, train.stream(seed, count, 3))
        return sampled(tell_cells(denoiser, lambda conditions, sigma: fixed), noise, conditions)

    @cache  # by identity: three ways begin with the same paste
    def paste(noise, conditions, apart=False):
        if apart:
            shape = (len(noise), conditions[1].shape[1], *noise.shape[1:])
            noise = torch.randn(shape, generator=train.stream(seed, count, 4))
        weights = hearing.nearest(conditions, GRID)
        return asking.pasted(partial(sampled, denoiser), noise, conditions, weights)

    def glue(denoiser, level, silent=False):
        def draw(noise, conditions):
            again = torch.randn(noise.shape, generator=train.stream(seed, count, 5))
            locations, mask = conditions
            request = (locations, torch.zeros_like(mask)) if silent else conditions
            return glued(denoiser, paste(noise, conditions), again, level, request)

        return draw

    near = asking.nearest(GRID)
    heard = {
        "mean": mean,
        "nearest": near,
        "soft": asking.nearest(GRID, SOFT),
        "nearest-window": lambda *asked: near(*asked) * window(2)(*asked),
        **{f"window-{k}": window(k) for k in (0, 1, 2, 4, 8)},
        "displaced": asking.displaced(window(2)),
    }
    found: dict[str, Draw] = {"all": partial(sampled, denoiser)}
    found |= {name: partial(sampled, tell_cells(denoiser, hear)) for name, hear in heard.items()}

    def added_up(heard, *asked):  # copies when it draws
        return sampled(adding_up(denoiser, heard and partial(heard, sigma=0.0)), *asked)

    def attended(how, *asked):
        return sampled(attending(denoiser, how), *asked)

    for name, far in (("near", False), ("far", True)):

        def pair(conditions, sigma, far=far):
            return hearing.accompanied(conditions, GRID, far)

        # Two rows in one call, a sum that was never met; and two answers added, each of which was.
        found[f"pair-{name}"] = partial(sampled, asking.with_hearing(denoiser, pair))
        found[f"added-{name}"] = partial(sampled, asking.by_place(denoiser, pair))
        found[f"embedded-pair-{name}"] = partial(added_up, pair)
    found["random"] = at_random
    found["embedded"] = partial(added_up, None)
    found["embedded-window"] = partial(added_up, window(2))
    if isinstance(getattr(denoiser.network, "condition", None), pathways.Attending):
        for how in ("alike", "loud", "apart"):
            found[f"attending-{how}"] = partial(attended, how)
    found["composed"] = partial(sampled, asking.by_place(denoiser, everywhere))
    if not isinstance(denoiser.network, patch.WindowNetwork):
        for name, hear in (("nearest", near), ("window", window(2))):
            found[f"{name}-heard"] = partial(sampled, asking.with_hearing(denoiser, hear))
    found["paste"], found["paste-apart"] = paste, partial(paste, apart=True)
    locally = tell_cells(denoiser, near)
    found["glued"] = glue(denoiser, GLUED, silent=True)
    found["glued-near"] = glue(locally, GLUED_NEAR)
    for level in LEVELS:
        above = asking.by_level(level, float("inf"), locally, denoiser)
        below = asking.by_level(0, level, locally, denoiser)
        found[f"nearest-above-{level:g}"] = partial(sampled, above)
        found[f"nearest-below-{level:g}"] = partial(sampled, below)
    return found


def scenes_and_noise(count: int, seed: int) -> tuple[Scenes, Tensor]:
    """The scenes whose places every way is asked for, and the noise that each begins with."""
    scenes = labelling.request_scenes(SAMPLES, count, train.stream(seed, count))
    return scenes, torch.randn(SAMPLES, 3, 32, 32, generator=train.stream(seed, count, 2))


def check_known(names: Collection[str], known: Collection[str]) -> None:
    """Raises ValueError unless all names are of ways that there are."""
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"there is no way {unknown[0]!r}: choose among {list(known)}")


def crowding(seed: int, count: int = 6, k: int = 2) -> Tensor:
    """How many places of each request of a run hear a second place in their window.

    Args:
        seed: Of the run whose weights were asked.
        count: Locations asked for.
        k: Half the width of the window, in cells.

    Returns:
        (SAMPLES,), from 0 to `count`: 0 where no place stands in another's window.
    """
    request = labelling.label_all(scenes_and_noise(count, FIRST + seed)[0])
    heard = hearing.window(request, GRID, k).sum(1).flatten(1)
    return (heard.gather(1, pathways.cells(request[0], GRID)) > 1).sum(1)


def least_seen(seed: int, count: int = 6) -> Tensor:
    """How much is seen of the most hidden object of each real scene behind a run's requests.

    Args:
        seed: As of `crowding`, as `count` is.
        count: Locations asked for.

    Returns:
        (SAMPLES,), from 0 to 1.
    """
    return annotate(scenes_and_noise(count, FIRST + seed)[0]).visibility.amin(1)


def measure_ways(finder, judge, denoiser, count: int, names: list[str], seed: int) -> dict:
    """What each way of asking makes of the same requests and the same noise.

    Returns:
        By way, what `lib.experiments.length_generalization.scores` gives, `looks`, how much each
        picture looks like one scene, and `seams`, how high they are; under `real` both of real
        pictures of other scenes of so many objects.
    """
    scenes, noise = scenes_and_noise(count, seed)
    others = labelling.request_scenes(SAMPLES, count, train.stream(seed, count, 1))
    conditions, real = labelling.label_all(scenes), detector.detect(finder, render(scenes, 32))
    draws = ways(denoiser, seed, count)
    owners = asking.enlarged(hearing.nearest(conditions, GRID), 32).argmax(1)

    def judged(pictures: Tensor) -> dict[str, list[float]]:
        """How much each picture looks like one scene, to three digits, and its seams, to four.

        One request has no borders, and no seams.
        """
        looks = {"looks": [round(v, 3) for v in coherence.logits(judge, pictures).tolist()]}
        if count == 1:
            return looks
        return looks | {"seams": [round(v, 4) for v in coherence.seams(pictures, owners).tolist()]}

    found = {"real": judged(render(others, 32))}
    for name in names:
        pictures = draws[name](noise, conditions)
        scores = length.scores(detector.detect(finder, pictures), conditions, real)
        found[name] = scores | judged(pictures)
    return found


def run(setting: Setting, scale: Scale, folder: Path = RUNS) -> dict:
    """Asks one finished run in every way, and keeps what is done after each number of objects.

    Args:
        setting: Whose weights are asked.
        scale: How much.
        folder: Where the run is; `asked.NAME.seedS.json` is written beside it.

    Raises:
        FileNotFoundError: There is no such run, or no judge or detector.
        ValueError: A file is damaged or of another network, a way is unknown, or the network was
            trained on other data than it is asked about.
    """
    finder, judge = detector.load(), coherence.load()
    return ask_run("asked", "looks", setting, scale, folder, partial(measure_ways, finder, judge))


def ask_run(
    kind: str, key: str, setting: Setting, scale: Any, folder: Path, ask: Callable[..., dict]
) -> dict:
    """Asks one finished run for what is missing, and keeps what is done after each number.

    Args:
        kind: Of what is asked: `KIND.NAME.seedS.json` is written beside the run.
        key: What is kept of a way that was asked; one without is asked again.
        setting: Whose weights.
        scale: `counts` and `ways`, see `Scale`.
        folder: Where the run is.
        ask: `ask(denoiser, count, names, seed)` gives by way what is kept.

    Raises:
        FileNotFoundError, ValueError: As `run`.
    """
    stem, seed = f"{setting.name}.seed{setting.seed}", setting.seed
    result = storage.read_json(folder / f"{stem}.json")
    length.check_plain(result)
    denoiser = length.load_denoiser(setting.name, folder, seed)
    known = list(ways(denoiser, seed))
    check_known(scale.ways, known)
    path = folder / f"{kind}.{stem}.json"
    stored = storage.begin(path, length.identity(result) | {"samples": SAMPLES}, counts={})
    for count in runtime.progress(scale.counts, f"{kind} {stem}"):
        done = stored["counts"].setdefault(str(count), {})
        missing = [way for way in scale.ways or known if key not in done.get(way, {})]
        if missing:
            done |= ask(denoiser, count, missing, FIRST + seed)
            stored["provenance"] = storage.provenance()
            storage.write_json(path, stored)
    return stored
