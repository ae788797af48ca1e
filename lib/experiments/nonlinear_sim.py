"""What makes a network swing, beyond the two-layer theory: ensembles of small networks on SIM.

    python -m lib.experiments nonlinear_sim run --all
    python -m lib.experiments nonlinear_sim run --study depth --seeds 20
    python -m lib.experiments nonlinear_sim record

Each study trains a few settings with many seeds and writes one file with raw measurements of every
run, `runs/nonlinear_sim/STUDY.json`. A study whose file is there is skipped, so that an interrupted
experiment goes on where it stopped.

Two kinds of studies. The settings of the paper's figures, as its public code runs them
(github.com/FFTYYY/ConceptDynamics-code, `run.sh`), each with the run of the code's own seed, drawn
again number by number, so that its place in the ensemble shows. And variations of one small base
setting: depth, width, dimension, initial scale, correlation, and maps over the ratio of the
concepts' signals and the initial scale. Two of them start otherwise than torch does: the product
of two or four of torch's layers, shared out evenly over two layers or four, which parts what depth
does from what a deep start does. One is a look around and no test: is there a ReLU network whose
held-out corner retreats while its training corners stand still?
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from lib import storage
from lib.book import runtime
from lib.book.intervals import Estimate
from lib.sim import angle, error_curves, mlp, ood_loss, two_layer, untied_layers

EVERY = 10  # steps between evaluations
SHOWN = 40  # evaluations kept in the bands
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)  # quantiles of the bands
FIRST = {"every": 10, "shown": 40, "levels": [0.05, 0.25, 0.5, 0.75, 0.95]}
CHOSEN = ("published", "theory", "detail")  # of a study: what is measured
PUBLISHED_SEED = 2333  # of the official code
RUNS = storage.RUNS / "nonlinear_sim"
KEPT = storage.RESULTS / "nonlinear_sim"


@dataclass(frozen=True)
class Study:
    """Settings measured together, and written to one file.

    Attributes:
        name: of the file. about: what it is for.
        settings: what is trained; shapes may differ.
        seeds: runs a setting.
        published: whether to add the run of the official code's seed.
        theory: whether to predict the swing of each run by the two-layer flow from its own start
            (two tied linear layers only).
        detail: what is kept: 0 numbers of the held-out loss; 1 when what was learned, and from
            which initial map, too; 2 quantiles of the curves, too.
        draw: what a setting and a seed start from.
        corners: whether to keep how far the corners move while the held-out loss rises.
    """

    name: str
    about: str
    settings: tuple[mlp.Setting, ...]
    seeds: int = 50
    published: bool = False
    theory: bool = False
    detail: int = 1
    draw: Callable[[mlp.Setting, int], mlp.Run] = field(default_factory=lambda: mlp.draw)
    corners: bool = False


def figure_studies() -> list[Study]:
    """The networks behind the paper's figures, as the public code sets them."""

    def official(mu, sigma=(0.05, 0.05), **changes):
        return mlp.Setting.preset("official", mu, sigma, **changes)

    found = []
    for figure, name, network in (
        ("2a and 2b", "one_layer", {"layers": 1}),
        ("11 and 12", "two_linear_layers", {"layers": 2}),
        ("11 and 12", "two_relu_layers", {"layers": 2, "activation": "relu"}),
    ):
        by_mu = tuple(official((mu, 2), **network) for mu in (1, 2, 3))
        variances = (0.05, 0.1, 0.5, 1, 2)
        by_sigma = tuple(official((1, 2), (v, 0.05), **network) for v in variances)
        about = f"figures {figure}: the order of learning by"
        found += [
            Study(f"order_by_mu_{name}", f"{about} mu", by_mu, published=True, detail=2),
            Study(f"order_by_sigma_{name}", f"{about} sigma", by_sigma, published=True, detail=2),
        ]
    small = {"hidden": 3, "d": 3, "rate": 0.01, "rotate": False, "layers": 3}
    plane = {"hidden": 4, "d": 2, "rate": 0.01, "layers": 4}
    hierarchy = {"mu": (1, 2, 3, 4), "sigma": (0.5,) * 4, "origin_cluster": False}
    relu = {"layers": 2, "activation": "relu"}
    departures = ("bias", "origin_cluster", "variance_as_sigma")
    paper = mlp.Setting.preset("paper", (2, 4), (0.05, 0.05), **plane)
    found += [
        Study(
            "four_layers_d64", "figures 2c and 3, d = 64",
            (official((2, 4), layers=4),), 200, published=True, detail=2,
        ),
        Study(
            "four_layers_d2", "figures 2c and 3, d = 2",
            (official((2, 4), **plane),), 200, published=True, detail=2,
        ),
        Study(
            "four_layers_width", "figures 2c and 3 with the widths exchanged: d = 2, then d = 64",
            (official((2, 4), **plane | {"hidden": 64}), official((2, 4), layers=4, hidden=4)), 100,
        ),
        Study(
            "three_layers_d3", "figures 13 to 16, as far as the code runs them",
            tuple(official(mu, **small) for mu in ((1, 2), (2, 4))), 200, published=True, detail=2,
        ),
        Study(
            "ball", "figures 15 and 16: with points near the held-out one, and without",
            (
                *(official((1, 2), (v, v), excluded=e, **small)
                  for v in (0.05, 0.25) for e in (False, True)),
                official((1, 2), (0.05**2,) * 2, excluded=True, **small),
            ), 200,
        ),
        Study(
            "hierarchy_one_layer", "figure 7 as the code runs it: one linear layer",
            (official(**hierarchy, layers=1),), published=True, detail=2,
        ),
        Study(
            "hierarchy_two_relu_layers", "figure 7 as the paper has it: two layers, ReLU",
            (official(**hierarchy, **relu),), detail=2,
        ),
        Study(
            "switches", "figures 2c and 3, d = 2, by the paper and with each departure of the code",
            (paper, *(replace(paper, **{name: True}) for name in departures)), 200,
        ),
    ]  # fmt: skip
    return found


def variation_studies() -> list[Study]:
    """The base setting, d = 2, two linear layers of width 4 in the paper's conventions, varied."""
    base = mlp.Setting.preset("paper", (2, 1), (0.05, 0.05), d=2, hidden=4, rate=0.02)

    def varied(name, values, both=True, **fixed):
        activations = mlp.ACTIVATIONS if both else ("linear",)
        return tuple(
            replace(base, activation=activation, **fixed, **{name: value})
            for activation in activations
            for value in values
        )

    correlations = (-0.9, -0.5, 0, 0.3, 0.6, 0.9)
    tied = {"tied": True, "scale": 0.2}
    found = [
        Study("depth", "number of layers", varied("layers", (1, 2, 3, 4)), 100),
        Study("width", "hidden width", varied("hidden", (2, 4, 8, 16, 32, 64)), 100),
        Study("dimension", "d, at hidden width 64", varied("d", (2, 4, 8, 16, 32, 64), hidden=64)),
        Study("scale", "initial scale", varied("scale", (0.05, 0.1, 0.2, 0.5, 1, 2)), 100),
        Study(
            "correlation_linear", "correlation of the concepts at the start, tied linear layers",
            varied("correlation", correlations, both=False, **tied), 100, theory=True,
        ),
        Study(
            "correlation_relu", "the same start, ReLU between the layers",
            varied("correlation", correlations, **tied)[len(correlations) :], 100,
        ),
    ]  # fmt: skip
    for name, about, start in (
        ("map_tied", "tied linear layers, correlation .9", {"tied": True, "correlation": 0.9}),
        ("map_linear", "linear layers", {}),
        ("map_relu", "ReLU", {"activation": "relu"}),
    ):
        settings = tuple(
            replace(base, mu=(2, 2 * ratio), scale=scale, **start)
            for ratio in (0.3, 0.4, 0.5, 0.6, 0.75, 0.9)
            for scale in (0.05, 0.1, 0.2, 0.5, 1, 2)
        )
        about = f"share of swings over mu_2 / mu_1 and initial scale: {about}"
        found.append(Study(name, about, settings, 64, theory=name == "map_tied", detail=0))
    for layers, name in ((2, "balanced_two"), (4, "balanced_four")):
        about = f"products of {layers} of torch's layers, of one size, balanced over two and four"
        over = varied("layers", (2, 4), both=False, hidden=2)
        found.append(Study(name, about, over, 100, draw=balanced_draw(layers)))
    found.append(
        Study("retreat", "ReLU: what moves while the held-out loss rises", searched(base), 100,
              detail=0, corners=True)
    )  # fmt: skip
    return found


def searched(base: mlp.Setting) -> tuple[mlp.Setting, ...]:
    """Where the smallest network that retreats by itself was looked for: twenty ReLU networks."""
    changes = [{"layers": n, "hidden": w} for n in (2, 3) for w in (2, 4, 8, 16, 32)]
    changes += [{"layers": 4, "hidden": w} for w in (4, 8)]
    changes += [{"layers": n, "hidden": 8, "scale": 0.2} for n in (2, 3)]
    for origin in (False, True):
        some = ((2, 8), (3, 8)) if origin else ((2, 4), (2, 16), (3, 4), (3, 16))
        changes += [
            {"layers": n, "hidden": w, "bias": True, "origin_cluster": origin} for n, w in some
        ]
    return tuple(replace(base, activation="relu", **change) for change in changes)


def balanced_draw(layers: int) -> Callable[[mlp.Setting, int], mlp.Run]:
    """A way to draw: the product of torch's layers, shared out evenly over a setting's own layers.

    Every layer gets the same singular values, and each hands on the directions of the one below.
    All else of the run is as `mlp.draw` has it. Each product is brought to the size (Frobenius
    norm) of that of four layers of the same seed, so that those of two and of four layers differ in
    shape only.

    Args:
        layers: how many of torch's layers, of width 4, are multiplied.

    Returns:
        What `mlp.train` draws from, for settings whose hidden width is their d.
    """

    def product(setting: mlp.Setting, seed: int, count: int) -> tuple[mlp.Run, torch.Tensor]:
        drawn = mlp.draw(replace(setting, layers=count, hidden=4), seed)
        return drawn, torch.linalg.multi_dot(drawn.weights[::-1])

    def draw(setting: mlp.Setting, seed: int) -> mlp.Run:
        drawn, w = product(setting, seed, layers)
        w = w * product(setting, seed, 4)[1].norm() / w.norm()
        out, size, into = torch.linalg.svd(w)
        share = torch.diag(size ** (1 / setting.layers))
        weights = [share @ into, *[share] * (setting.layers - 2), out @ share]
        none = [torch.zeros(len(w), 1, dtype=w.dtype) for _ in weights]
        return mlp.Run(drawn.points, drawn.basis, weights, none)

    return draw


@dataclass(frozen=True)
class Setting:
    """One run of the program: a study.

    Attributes:
        study: Its name.
    """

    study: str = "depth"

    def __post_init__(self):
        """Refuses a study that there is not."""
        if self.study not in studies():
            raise ValueError(f"unknown study {self.study!r}: choose from {', '.join(studies())}")


@dataclass(frozen=True)
class Scale:
    """How large.

    Attributes:
        seeds: Runs a setting; 0 for each study's own number.
    """

    seeds: int = 0

    def __post_init__(self):
        """Refuses fewer than none."""
        if self.seeds < 0:
            raise ValueError(f"seeds must be at least 1, or 0 for a study's own, not {self.seeds}")


def studies() -> dict[str, Study]:
    """All studies by name."""
    return {study.name: study for study in figure_studies() + variation_studies()}


def missing(folder: Path = RUNS) -> list[tuple[Setting, dict]]:
    """The studies that are not done."""
    return [(Setting(name), {}) for name, study in studies().items() if not done(study, folder)]


def run(setting: Setting, scale: Scale, folder: Path = RUNS) -> None:
    """Does a study, if it is not done yet.

    Raises:
        ValueError: A training diverges.
    """
    study = studies()[setting.study]
    study = replace(study, seeds=scale.seeds or study.seeds)
    if not done(study, folder):
        for _ in runtime.progress(evaluated(study, folder), study.name, evaluations(study)):
            pass


def store(folder: Path = RUNS, kept: Path = KEPT) -> list[str]:
    """Copies the studies that are done to what the book keeps; returns the files' names."""
    names = [f"{name}.json" for name, study in studies().items() if done(study, folder)]
    return storage.copy_files(folder, kept, *names)


def done(study: Study, folder: Path) -> bool:
    """Whether the study's file is there, for the same settings, seeds and way of measuring."""
    path = folder / f"{study.name}.json"
    if not path.exists():
        return False
    own = {"seeds": study.seeds, "settings": plain(study), "measure": how(study)}
    # A file that does not say how it was measured is from before anything of it had changed.
    unsaid = {"measure": FIRST | {name: getattr(study, name) for name in CHOSEN}}
    stored = unsaid | storage.read_json(path)
    return all(stored.get(name) == value for name, value in own.items())


def how(study: Study) -> dict:
    """What of a file hangs on this program and not on the settings."""
    kept = {name: getattr(study, name) for name in CHOSEN}
    return {"every": EVERY, "shown": SHOWN, "levels": list(LEVELS)} | kept


def plain(study: Study) -> list[dict]:
    """The settings as JSON holds them; `excluded` where it is, for older files know none."""
    rows = [asdict(s) | {"mu": list(s.mu), "sigma": list(s.sigma)} for s in study.settings]
    return [{k: v for k, v in row.items() if v or k != "excluded"} for row in rows]


def together(study: Study) -> list[list[mlp.Setting]]:
    """The settings in ensembles that can be trained at once."""
    groups = {}
    for setting in study.settings:
        shape = (len(setting.mu), *(getattr(setting, name) for name in mlp.SHARED))
        groups.setdefault(shape, []).append(setting)
    return list(groups.values())


def evaluations(study: Study) -> int:
    """How often the study's ensembles are evaluated."""
    times = 2 if study.published else 1
    return times * sum(-(-group[0].steps // EVERY) + 1 for group in together(study))


def evaluated(study: Study, folder: Path) -> Iterator[int]:
    """Runs a study, writes it when it is complete, and yields after every evaluation."""
    start = time.perf_counter()
    rows, published = {}, {}
    for group in together(study):
        rows |= yield from measure_ensemble(group, range(study.seeds), study, study.draw)
        if study.published:
            published |= yield from measure_ensemble(group, [PUBLISHED_SEED], study, published_draw)
    data = {
        "name": study.name,
        "about": study.about,
        "seeds": study.seeds,
        "settings": plain(study),
        "measure": how(study),
        "runs": [rows[setting] for setting in study.settings],
        "published": [published[s] for s in study.settings] if published else None,
        "seconds": round(time.perf_counter() - start, 1),
        "provenance": storage.provenance(),
    }
    storage.write_json(folder / f"{study.name}.json", data)


def measure_ensemble(group: list[mlp.Setting], seeds, study: Study, draw) -> Iterator[int]:
    """Train one ensemble, yielding after each evaluation; return {setting: measurements}."""
    history = []
    for progress in mlp.train(group, seeds, EVERY, start=draw):
        history.append(progress)
        yield progress.step
    found = mlp.collect(history)
    rows = {}
    for index, setting in enumerate(group):
        one = {k: v if k == "step" else v[index] for k, v in found.items()}
        rows[setting] = measure(setting, one, study.detail)
        if study.corners:
            trained = [1, 2] if not setting.origin_cluster else [0, 1, 2]
            rows[setting] |= moves(one["ood_loss"], one["outputs"], trained)
        if setting.excluded:
            rows[setting]["moved"] = [moved(setting, seed) for seed in seeds]
        if study.theory:
            rows[setting]["theory"] = rounded(predicted_swing(setting, seeds, found["step"]))
    return rows


def measure(setting: mlp.Setting, found: dict[str, torch.Tensor], detail: int) -> dict:
    """Raw measurements of the K runs of one setting, as JSON.

    Args:
        setting: what was trained.
        found: as `mlp.collect`, of this setting alone: without the axis S.
        detail: as in `Study`.

    Returns:
        Lists over the runs. `start`, `end`, `swing`, `jitter` and `rises` of the held-out loss.
        From detail 1: `jacobian`, the initial map between the concepts (s, s); `learnt`, the step
        at which each concept's output first reaches nine tenths of mu at the held-out point, null
        if never; for more than two concepts `corner_swing` and `corner_learnt` (loss below a
        hundredth of the corner's 1/2 ||x||^2), in the order of `SIMTask.corners` without the
        origin. With detail 2: `bands`, the quantiles `LEVELS` over the runs of held-out loss and
        outputs at the steps `step`.
    """
    E, outputs, step = found["ood_loss"], found["outputs"], found["step"]
    mu = torch.tensor(setting.mu, dtype=torch.float64)
    row = {
        "start": E[:, 0],
        "end": E[:, -1],
        "swing": error_curves.swing(E),
        "jitter": error_curves.jitter(E),
    }
    row = {name: rounded(values) for name, values in row.items()}
    row["rises"] = error_curves.rises(E).tolist()
    if detail >= 1:
        single = [2**p for p in reversed(range(len(mu)))]  # the corners with one concept each
        row["jacobian"] = rounded((outputs[:, 0, single] - outputs[:, 0, :1]).mT / mu)
        row["learnt"] = first(outputs[:, :, -1] / mu >= 0.9, step)
    if detail >= 1 and len(mu) > 2:
        corner = found["corner_loss"][:, 1:]
        size = (setting.task.corners()[1:] ** 2).sum(-1, keepdim=True) / 2
        row["corner_swing"] = rounded(error_curves.swing(corner))
        row["corner_learnt"] = first((corner < 0.01 * size).mT, step)
    if detail >= 2:
        shown = torch.linspace(0, len(step) - 1, SHOWN).round().long().unique()
        levels = torch.tensor(LEVELS, dtype=torch.float64)
        row["bands"] = {
            "step": step[shown].tolist(),
            "ood_loss": rounded(E[:, shown].quantile(levels, 0)),
            "outputs": rounded(outputs[:, shown, -1].quantile(levels, 0)),
        }
    return row


def moved(setting: mlp.Setting, seed: int) -> float:
    """Share of a run's training points that lay in the ball and were drawn anew."""
    with_ball = mlp.draw(replace(setting, excluded=False), seed).points
    return float((mlp.draw(setting, seed).points != with_ball).any(0).double().mean())


def moves(E: torch.Tensor, outputs: torch.Tensor, trained: list[int]) -> dict[str, list]:
    """How far the answers go while the held-out loss makes its largest rise.

    Args:
        E: held-out losses (K, T).
        outputs: answers (K, T, corners, s), the held-out corner last.
        trained: the corners that training shows.

    Returns:
        Of each run `fall`, the way of the held-out answer from the loss's minimum to the peak that
        follows, and `stirred`, the farthest that the answer at a trained corner gets meanwhile from
        where it stood at the minimum.
    """
    when = torch.arange(E.shape[1])
    peak = (E - E.cummin(1).values).argmax(1, keepdim=True)
    low = torch.where(when <= peak, E, torch.inf).argmin(1, keepdim=True)
    runs = torch.arange(len(E))
    gone = (outputs - outputs[runs, low[:, 0]][:, None]).norm(dim=-1)  # (K, T, corners)
    between = ((low <= when) & (when <= peak))[..., None]
    stirred = torch.where(between, gone[..., trained], 0).amax((1, 2))
    return {"fall": rounded(gone[runs, peak[:, 0], -1]), "stirred": rounded(stirred)}


def first(reached: torch.Tensor, step: torch.Tensor) -> list:
    """For conditions (K, T, m) the step (K, m) at which each first holds, None if never."""
    steps = torch.where(reached, step[:, None], step[-1] + 1).amin(1)
    return [[v if v <= step[-1] else None for v in row] for row in steps.tolist()]


def rounded(values: torch.Tensor) -> list:
    """Nested lists with four significant digits."""
    if values.ndim:
        return [rounded(part) for part in values]
    return float(f"{values.item():.4g}")


def predicted_swing(
    setting: mlp.Setting, seeds, step: torch.Tensor, tied: bool = True
) -> torch.Tensor:
    """Swing (K,) that a flow predicts from the start of each run, with the A of its data.

    Args:
        setting: two linear layers without biases.
        seeds: K seeds.
        step: steps at which the loss is evaluated.
        tied: whether the flow is the theory's, from U U^T with U the second layer, or that of two
            layers with weights of their own.
    """
    drawn = [mlp.draw(setting, seed) for seed in seeds]
    w2 = torch.stack([one.basis.T @ one.weights[1] for one in drawn])
    a = torch.stack([(one.points**2).mean(-1) for one in drawn])
    t = setting.rate * step
    if tied:
        w = two_layer.flow(w2 @ w2.mT, a, t)
    else:
        w1 = torch.stack([one.weights[0] @ one.basis for one in drawn])
        w = untied_layers.flow(w1, w2, a, t)
    return error_curves.swing(ood_loss(w, replace(setting.task, d=len(setting.mu))))


def read_study(name: str, folder: Path = KEPT) -> dict:
    """A study's file, its settings as `lib.sim.mlp.Setting`.

    Args:
        name: of the study.
        folder: where it lies.

    Raises:
        FileNotFoundError: the study is not in the folder.
    """
    stored = storage.read_json(folder / f"{name}.json")
    return stored | {"settings": [mlp.Setting(**fields) for fields in stored["settings"]]}


def swings(row: dict, threshold: float = 0.01) -> np.ndarray:
    """Whether each run of a row of measurements swings by more than `threshold`: bool (K,).

    As `lib.sim.error_curves.swings` with `noisy`.

    Raises:
        ValueError: a measurement is not finite: it would count as a run that does not swing.
    """
    swing, jitter = (np.array(row[name], float) for name in ("swing", "jitter"))
    if not np.isfinite(swing + jitter).all():
        bad = int(np.flatnonzero(~np.isfinite(swing + jitter))[0])
        raise ValueError(f"swing or jitter of run {bad} is not finite: train it anew")
    return (swing > threshold) & (swing > 3 * jitter)


def area(score, swung) -> float:
    """How often one that swings scores above one that does not, half for ties: from 0 to 1.

    Args:
        score: a number a run. swung: whether each swings; some must, and some must not.

    Raises:
        ValueError: all swing, or none.
    """
    return float(_ahead(score, swung).mean())


def area_interval(score, swung, draws: int = 1000) -> Estimate:
    """`area` over runs, with the middle 95 % of a bootstrap over them.

    Args:
        score, swung: as for `area`.
        draws: of the bootstrap; one in which all runs swing, or none, is passed over.
    """
    ahead, swung = _ahead(score, swung), np.asarray(swung, bool)
    n = len(swung)
    times = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), draws)
    ones, others = times[:, swung], times[:, ~swung]
    pairs = ones.sum(1) * others.sum(1)
    found = ((ones @ ahead) * others).sum(1)[pairs > 0] / pairs[pairs > 0]
    low, high = np.quantile(found, (0.025, 0.975)).tolist()
    return Estimate(float(ahead.mean()), low, high, n)


def _ahead(score, swung) -> np.ndarray:
    """Whether each run that swings scores above each that does not, half for ties."""
    score, swung = np.asarray(score, float), np.asarray(swung, bool)
    if swung.all() or not swung.any():
        raise ValueError("an area needs runs that swing and runs that do not")
    one, other = score[swung][:, None], score[~swung]
    return (one > other) + 0.5 * (one == other)


def start_scores(row: dict) -> dict[str, np.ndarray]:
    """What each run's initial map says of its two concepts, (K,) each, by name.

    The cosine of its two columns, which are what it makes of the two concepts; that cosine's size;
    and its cross-talk, the sum of both entries off the diagonal.

    Args:
        row: measurements from detail 1, of two concepts.
    """
    w = torch.tensor(row["jacobian"], dtype=torch.float64)
    cosine = angle.cosines(w.mT @ w)[:, 0, 1]
    cross = w[:, 0, 1] + w[:, 1, 0]
    named = {"cosine": cosine, "size of the cosine": cosine.abs(), "cross-talk": cross}
    return {name: values.numpy() for name, values in named.items()}


def able(row: dict) -> np.ndarray:
    """Whether each run's initial map (K, 2, 2) has a positive determinant: bool (K,).

    The flow of balanced layers as wide as d cannot change its sign: from a negative one it never
    arrives, and a training does only when the noise of its steps has unbalanced the layers.
    """
    return np.linalg.det(np.array(row["jacobian"])) > 0


def retreats(row: dict, rise: float = 0.05, part: float = 0.1) -> dict[str, np.ndarray]:
    """Which runs of a study of corners retreat, and which while their training corners stand still.

    Args:
        row: measurements of one setting.
        rise: what counts as a rise of the held-out loss, of its start.
        part: how far a trained corner may move, of the way that the held-out answer goes.

    Returns:
        Of the K runs, bool: `rose`, and `alone`, those of them whose trained corners stand still.
        `stirred`: of those that rose, how far the trained corner that moves most does, of the
        held-out answer's way.
    """
    rose = np.array(row["swing"]) > rise
    fall, stirred = (np.array(row[name], float) for name in ("fall", "stirred"))
    return {
        "rose": rose,
        "alone": rose & (stirred < part * fall),
        "stirred": stirred[rose] / fall[rose],
    }


def results(folder: Path = KEPT) -> dict[str, dict]:
    """All studies, see `read_study`, by name.

    Raises:
        FileNotFoundError: a study is not in the folder.
    """
    return {name: read_study(name, folder) for name in studies()}


def claims(measured: dict[str, dict]) -> dict[str, np.ndarray]:
    """The samples of each row of the ledger that this experiment decides, by the row's id.

    Args:
        measured: of `results`.
    """

    def runs(name):
        return measured[name]["runs"]

    def gained(name, more, less):
        """Of each seed: 1 where only the first of two settings swings, -1 where the second."""
        rows = runs(name)
        return swings(rows[more]).astype(int) - swings(rows[less])

    def agreement(name):
        """Of each seed, whose runs share a start: in which share of settings both agree."""
        agree = [swings(row) == (np.array(row["theory"]) > 0.01) for row in runs(name)]
        return np.mean(agree, 0)

    def still(rows):
        """Of the seeds that swing with all points: whether they do without those in the ball."""
        whole, without = map(swings, rows)
        return without[whole]

    def areas(row, size):
        """By the angle at the start, of each group of seeds."""
        both = start_scores(row)["cosine"], swings(row)
        parts = (np.split(x, len(x) // size) for x in both)
        return [area(*group) for group in zip(*parts, strict=True)]

    ball = runs("ball")
    two, four = runs("balanced_four")
    study = measured["four_layers_d2"]
    plane, published = study["runs"][0], study["published"][0]
    small = runs("three_layers_d3")
    found = {
        "mlp.share.d2": swings(plane),
        "mlp.share.d3.weak": swings(small[0]),
        "mlp.share.d3.strong": swings(small[1]),
        "mlp.share.d64": swings(runs("four_layers_d64")[0]),
        "mlp.published.seed": np.array(plane["swing"]) < published["swing"][0],
        "mlp.depth": gained("depth", 3, 0),
        "mlp.depth.angle": areas(runs("depth")[3], 20),
        "mlp.depth.balanced": (swings(four).astype(int) - swings(two))[able(four)],
        "mlp.width": gained("width", 0, 5),
        "mlp.scale": gained("scale", 5, 0),
        "mlp.correlation": gained("correlation_linear", -1, 0),
        "mlp.relu": gained("width", 7, 1),
        "mlp.tied.correlation": agreement("correlation_linear"),
        "mlp.tied.map": agreement("map_tied"),
        "mlp.excluded_ball": still(ball[:2]),
        "mlp.excluded_ball.moved": np.array(ball[1]["moved"]),
        "mlp.excluded_ball.wide": still(ball[2:4]),
        "mlp.excluded_ball.wide.moved": np.array(ball[3]["moved"]),
        "mlp.excluded_ball.paper": [max(ball[4]["moved"])],
    }
    for network in ("one_layer", "two_linear_layers", "two_relu_layers"):
        weak, _, strong = runs(f"order_by_mu_{network}")
        by_mu = [in_order(weak["learnt"], (1, 0)), in_order(strong["learnt"], (0, 1))]
        found[f"mlp.order.mu.{network}"] = np.mean(by_mu, 0)  # a seed's two runs share a start
        varied = runs(f"order_by_sigma_{network}")[-1]
        found[f"mlp.order.sigma.{network}"] = in_order(varied["learnt"], (0, 1))
    singles = (0, 1, 3, 7)  # the corners 0001, 0010, 0100 and 1000: the strongest concept first
    for network in ("one_layer", "two_relu_layers"):
        row = runs(f"hierarchy_{network}")[0]
        found[f"mlp.hierarchy.{network}"] = in_order(row["corner_learnt"], singles)
    return found


def in_order(learnt: list, order: tuple[int, ...]) -> np.ndarray:
    """Whether each run learned things one after the other in this order: bool (K,).

    Args:
        learnt: for each run the steps at which it learned each thing, None if never.
        order: indices of the things.
    """
    steps = np.array(learnt, float)[:, order]  # None becomes NaN
    steps = np.where(np.isnan(steps), np.inf, steps)
    return (steps[:, :-1] < steps[:, 1:]).all(-1)


def published_draw(setting: mlp.Setting, seed: int) -> mlp.Run:
    """What the official code draws with this seed, in its order, from numpy's and torch's streams.

    The signs of the rotation's rows are those of the local linear algebra library.
    """
    stream, generator = np.random.RandomState(seed), torch.Generator().manual_seed(seed)
    s, d, n = len(setting.mu), setting.d, setting.n
    means = np.diag(setting.mu)
    if setting.origin_cluster:  # their order: origin, second, held-out, first
        means = np.array([np.zeros(s), means[1], means[0] + means[1], means[0]])
    else:
        means = np.vstack([means, means.sum(0)])
    covariance = np.diag(np.float32(setting.sigma))
    clusters = [torch.tensor(stream.multivariate_normal(mean, covariance, n)) for mean in means]
    points = torch.cat([c for c, mean in zip(clusters, means, strict=True) if (mean == 0).any()])
    points = points[torch.randperm(len(points), generator=generator)]
    torch.randperm(n, generator=generator)
    basis = torch.eye(d)
    if setting.rotate:
        basis = torch.linalg.svd(torch.randn(d, d, generator=generator))[0].T
    if not setting.origin_cluster:  # noise of size zero, which they draw all the same
        torch.randn(len(points), d, generator=generator)
        torch.randn(n, d, generator=generator)
    weights, biases = [], []
    for fan_in, out in pairwise([d, *[setting.hidden] * (setting.layers - 1), d]):
        bound = fan_in**-0.5
        weights.append(torch.empty(out, fan_in).uniform_(-bound, bound, generator=generator))
        biases.append(torch.empty(out, 1).uniform_(-bound, bound, generator=generator))
    return mlp.Run(points.T.contiguous(), basis[:, :s].double(), weights, biases)
