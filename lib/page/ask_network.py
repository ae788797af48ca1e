"""A network to ask: the stored networks of chapter 9 draw in the page what the reader asks for.

`ask_network.js` goes on from the first state that is drawn here. Weights are no part of the page:
they are copied to the site and read from there when they are first needed.
"""

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from torch import Tensor

from lib import storage
from lib.book import figures
from lib.page import surface
from lib.page.surface import Panel
from lib.scenes import detector, measure
from lib.storage import checkpoint

STORED = storage.RESULTS / "length_generalization"
DETECTOR = "detector.safetensors"
FOLDER = "../_static/networks/"  # on the site, from a chapter
SIDE, LIMIT = 32, 16  # pixels; requests at most
STEPS = (6, 9, 12, 18, 24, 36)
SIZE = (3.2, 3.4)  # inches: two side by side on a page, one on a phone
WAYS = {  # of `drawing.js`, as the reader chooses them
    "all": "all requests, as trained",
    "nearest": "its nearest request",
    "nearest-heard": "its nearest, all in one call",
    "window-2": "those in a window of 5 x 5 cells",
    "paste": "one alone: scissors and paste",
}


def files() -> dict[str, Path]:
    """Everything that a page may ask the site for: the networks of seed 0, and the detector."""
    stored = {path.name: path for path in sorted(STORED.glob("*.seed0.safetensors"))}
    return stored | {DETECTOR: detector.WEIGHTS}


def publish(folder: Path) -> None:
    """Writes these files to a folder of the site, packed: half precision leaves a fifth of air."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in files().items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))


def ways(name: str) -> list[str]:
    """The ways of asking that a network takes, by the name in its file."""
    heard = name.startswith("unet.vector")
    return [way for way in WAYS if way != "nearest-heard" or heard]


def show(
    asked: Tensor,
    picture: Tensor,
    networks: Mapping[str, str],
    network: str,
    way: str = "all",
    sampler: Mapping[str, float] | None = None,
    caption: str = "",
) -> None:
    """Puts a network on the page that the reader asks.

    Args:
        asked: Requests at first, (K, 2) in [0, 1], K at most 16.
        picture: What was drawn for them, (3, 32, 32) in [-1, 1].
        networks: To choose from, in order: names on the page by the stored files' names, without
            `.seed0.safetensors`.
        network: The one that drew the picture.
        way: Of `WAYS`, in which it was asked.
        sampler: `steps`, one of `STEPS`, `sigma_min` and `sigma_max`, as of `edm.sample`.
        caption: As in `figures.show`.

    Raises:
        FileNotFoundError: A network is not stored.
        ValueError: An argument outside its range, or a damaged file.
    """
    panels, settings = parts(asked, picture, networks, network, way, sampler)
    surface.show("ask_network", panels, settings, caption)


def parts(
    asked, picture, networks, network, way="all", sampler=None
) -> tuple[dict[str, Panel], dict]:
    """The panels of the first state, and the settings that the module begins with."""
    if asked.shape[1:] != (2,) or len(asked) > LIMIT or not ((asked >= 0) & (asked <= 1)).all():
        raise ValueError(f"need at most {LIMIT} requests (K, 2) in [0, 1], not {asked.tolist()}")
    if picture.shape != (3, SIDE, SIDE) or not picture.isfinite().all():
        raise ValueError(f"need a finite picture (3, {SIDE}, {SIDE}), not {tuple(picture.shape)}")
    offered = {name: _offered(name, label) for name, label in networks.items()}
    if network not in offered or way not in offered[network]["ways"]:
        raise ValueError(f"{network!r}, asked by {way!r}, is none of {offered}")
    steps = int((sampler or {}).get("steps", 18))
    if steps not in STEPS:
        raise ValueError(f"the steps of the sampler lie in {STEPS}, not {steps}")
    places, there = detector.detect(detector.load(), picture[None])
    found = places[0][there[0]]
    hits = measure.pairs(found, asked)[1].sort().values
    settings = {
        "asked": asked.double().numpy().round(4).tolist(),
        "judged": {"found": found.double().numpy().round(4).tolist(), "hits": hits.tolist()},
        "networks": list(offered.values()),
        "network": offered[network]["file"],
        "ways": WAYS,
        "way": way,
        "steps": steps,
        "offered": list(STEPS),
        "low": float((sampler or {}).get("sigma_min", 0.01)),
        "high": float((sampler or {}).get("sigma_max", 20.0)),
        "folder": FOLDER,
        "detector": DETECTOR,
        "checksums": {file: zlib.crc32(path.read_bytes()) for file, path in files().items()},
        "code": f"{surface.script('drawing')}\ndrawing_js.serve(self);",
    }
    return {"asked": _asked(asked, picture), "drawn": _drawn(asked, picture, found, hits)}, settings


def _offered(name: str, label: str) -> dict:
    """What the page knows of a network before it reads its weights."""
    file, known = f"{name}.seed0.safetensors", files()
    if file not in known:
        raise FileNotFoundError(f"no network {file} is stored: there are {', '.join(known)}")
    told = checkpoint.load(known[file])[1]["network"]
    return {"file": file, "label": label, "ways": ways(told)}


def _axes(picture: Tensor, title: str):
    """Axes over a picture: places in [0, 1] from its upper left corner."""
    ax = plt.subplots(figsize=SIZE)[1]
    pixels = ((picture + 1) / 2).clamp(0, 1).permute(1, 2, 0).numpy()
    ax.imshow(pixels, extent=(0, 1, 1, 0), interpolation="nearest")
    ax.set(xlim=(0, 1), ylim=(1, 0), title=title)
    ax.axis("off")
    return ax


def _asked(asked: Tensor, picture: Tensor) -> Panel:
    """Where the reader places requests."""
    ax = _axes(picture, "requests, and the picture on its way")
    (places,) = ax.plot(*asked.T.numpy(), "o", ms=12, mfc="none", mec="white", mew=1.5)
    alt = (
        f"A picture of a scene with {len(asked)} requests on it, rings where objects are asked for."
    )
    return Panel(ax, {"places": places}, alt)


def _drawn(asked: Tensor, picture: Tensor, found: Tensor, hits: Tensor) -> Panel:
    """What the network takes it for; at the end, what it drew, and what of it was asked for."""
    ax = _axes(picture, "what the network takes it for")
    missed = [q for q in range(len(asked)) if q not in hits.tolist()]
    marks = {}
    rings = {"hit": (hits.tolist(), figures.GREEN, "-"), "missed": (missed, figures.RED, "--")}
    for name, (which, colour, style) in rings.items():
        (marks[name],) = ax.plot(*_rings(asked[which].numpy()), style, color=colour, lw=2)
    (marks["found"],) = ax.plot(*_crosses(found.numpy()), color="white", lw=1.2)
    alt = (
        f"What was drawn for {len(asked)} requests: {len(hits)} of them are hit, ringed; "
        f"{len(missed)} are not, ringed dashed; crosses mark the {len(found)} objects found."
    )
    return Panel(ax, marks, alt)


def _rings(centres: np.ndarray) -> np.ndarray:
    """Circles of the measure's radius about places (n, 2), as one line (2, ...)."""
    turn = np.append(np.linspace(0, 2 * np.pi, 25), np.nan)
    ring = measure.MEASURE.radius * np.array([np.cos(turn), np.sin(turn)])
    return (centres.T[:, :, None] + ring[:, None]).reshape(2, -1)


def _crosses(centres: np.ndarray) -> np.ndarray:
    """Small crosses at places (n, 2), as one line (2, ...)."""
    arm = 0.015 * np.array([[-1, 1, np.nan, 0, 0, np.nan], [0, 0, np.nan, -1, 1, np.nan]])
    return (centres.T[:, :, None] + arm[:, None]).reshape(2, -1)
