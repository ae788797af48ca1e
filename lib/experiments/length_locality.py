"""How local the answer of a trained network is, by how many requests it is asked for at once.

    python -m lib.experiments length_locality run --name label_one.full_all --seed 0

measures `lib.experiments.length_generalization.localities` of a finished run's weights at each
number of requests; `length_generalization` stores and records what comes out. A network that was
told one label a picture never met two requests. If it fails at many because its *answers* look too
far, the answer to one request does so already; if because a sum of requests was never met, one is
answered locally, and far sight comes with the second. The rival of the second account: pictures of
more objects are less local for every network, since objects hide and light each other; a network
told all labels shows how much that is.

Seed 0 was looked at before the rows `length.local.*` were written, so they count the others.

A share outside is large where much changes far away, and also where little changes near by. So for
six requests it is noted, beside, how much of what is said at a place goes with its own request, and
how much with the five others (`lib.experiments.local_scores.changes`).
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from lib import storage
from lib.diffusion import edm, hearing
from lib.experiments import length_asking, local_scores
from lib.experiments import length_generalization as length
from lib.experiments.length_asking import Setting
from lib.experiments.length_generalization import RUNS
from lib.experiments.length_results import LEVELS
from lib.scenes import labelling


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        counts: Numbers of requests.
        scenes: Pictures of each.
    """

    counts: tuple[int, ...] = (1, 2, 3, 6)
    scenes: int = 16


def run(setting: Setting, scale: Scale, folder: Path = RUNS) -> dict:
    """Measures one finished run at each number of requests.

    Args:
        setting: Whose weights.
        scale: How much.
        folder: Where the run is; `local.NAME.seedS.json` is written beside it.

    Returns:
        What is in that file: `counts`, by number of requests what `localities` gives, and of six
        what `at_its_place` does.

    Raises:
        FileNotFoundError: There is no such run.
        ValueError: A file is damaged or of another network.
    """
    stem = f"{setting.name}.seed{setting.seed}"
    result, trained, denoiser, world = length.load_run(setting.name, folder, setting.seed)
    found = {
        "setting": result["setting"],
        "scale": result["scale"],
        "levels": list(LEVELS),
        "scenes": scale.scenes,
        "counts": {
            str(K): length.localities(denoiser, world, trained.size, trained.seed, K, scale.scenes)
            for K in scale.counts
        },
        "provenance": storage.provenance(),
    }
    if "6" in found["counts"]:
        found["counts"]["6"] |= at_its_place(denoiser, trained)
    storage.write_numbers(folder / f"local.{stem}.json", found, {"counts": 4})
    return found


def at_its_place(denoiser: edm.Preconditioned, trained: length.Setting) -> dict:
    """Of what is said at one of six places, how much changes when requests go, at `LEVELS`.

    Returns:
        `own`, when its own request does; `others`, when the five others do. In units of the answer
        less the mean picture, see `lib.experiments.local_scores.changes`.
    """
    found = local_scores.changes(denoiser, trained, 6, trained.seed, LEVELS)
    return {
        what: [change / said for change, said in zip(found[what], found["says"], strict=True)]
        for what in ("own", "others")
    }


@torch.no_grad()
def added_outside(denoiser: edm.Preconditioned, seed: int, k: int = 2) -> float:
    """Of what one request adds to the places, before the picture is looked at, the share far away.

    Args:
        denoiser: Of a U-Net whose pathway offers planes.
        seed: Of the run: the requests are those of `length_asking`, the first of each alone.
        k: Outside its window of (2k + 1) x (2k + 1) cells.

    Returns:
        The share of the squared change, over all pictures together.
    """
    scenes, x = length_asking.scenes_and_noise(1, length_asking.FIRST + seed)
    request, pathway = labelling.label_all(scenes), denoiser.network.condition
    change = (pathway(request, x)[1] - pathway(None, x)[1]).square().sum(1)
    inside = hearing.window(request, length.GRID, k)[:, 0]
    return float(1 - (change * inside).sum() / change.sum())


@torch.no_grad()
def attention_shares(denoiser: edm.Preconditioned, seed: int, count: int, k: int = 2) -> dict:
    """Whom the cells of a network attend to (`pathways.Attending`) when asked for `count` requests.

    Args:
        denoiser: Of a U-Net whose pathway attends.
        seed: Of the run: the requests are those of `length_asking`.
        count: Locations asked for.
        k: Elsewhere is outside the (2k + 1) x (2k + 1) cells about a request.

    Returns:
        `at` and `elsewhere`, the mean attention to a request of the cell that it stands in and of
        those elsewhere; `nearest`, the share of all attention to requests that goes to a cell's
        nearest.
    """
    scenes, x = length_asking.scenes_and_noise(count, length_asking.FIRST + seed)
    request = labelling.label_all(scenes)
    weights = denoiser.network.condition.attention(request, x)

    def mean(heard: torch.Tensor) -> float:
        return float((weights * heard).sum() / heard.sum())

    near = hearing.nearest(request, length.GRID)
    return {
        "at": mean(hearing.window(request, length.GRID, 0)),
        "elsewhere": mean(1 - hearing.window(request, length.GRID, k)),
        "nearest": float((weights * near).sum() / weights.sum()),
    }
