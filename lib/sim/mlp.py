"""Ensembles of small networks trained on the SIM task, all runs at once.

A run is a setting and a seed; everything random in it (its points, their order, its rotation, its
initial weights) comes from a generator of its own, so that a run does not depend on the ensemble it
is trained in. Points are columns: a batch is (runs, d, batch), a layer (runs, out, in), and one
batched matrix product advances all runs. The gradient is written out, which for these networks is
as short as autograd and twice as fast; a test holds it to torch.nn and torch.optim.
Source: Yang et al., arXiv 2410.08309, the multilayer models; their code for what it does otherwise.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from numbers import Integral

import torch

from lib.sim.task import SIMTask

ACTIVATIONS = ("linear", "relu")
SPARE = 2**40  # added to a seed, for what is drawn anew: all else is as without it
CACHED = 2**17  # numbers in the widest activation of the runs that a processor advances together

# What the paper says, and what its code does otherwise: an origin cluster, sigma as a variance,
# biases, the loss averaged over the coordinates instead of halved.
PRESETS = {
    "paper": {
        "d": 64, "hidden": 64, "n": 5000, "batch": 128, "rate": 0.1, "epochs": 40, "rotate": True,
    },
    "official": {
        "d": 64, "hidden": 64, "n": 5000, "batch": 128, "rate": 0.1, "epochs": 40, "rotate": True,
        "origin_cluster": True, "variance_as_sigma": True, "bias": True, "mean_over_d": True,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """One network, its task and its training by plain stochastic gradient descent.

    Args:
        mu: concept signal strengths, s numbers.
        sigma: data diversities, s numbers: standard deviations, or variances where
            `variance_as_sigma`.
        d: input and output dimension. hidden: width of the hidden layers. layers: number of
            linear maps, 1 or more. activation: "linear" or "relu", after all but the last layer.
        n: points a cluster. batch: points a step. rate: learning rate. epochs: passes over the
            points, always in the same order, the last batch of each possibly smaller.
        rotate: whether a random rotation of the d coordinates hides the concepts.
        scale: factor on the initial weights, which without it are uniform within
            1 / sqrt(fan-in), as torch.nn.Linear draws them.
        tied: start with the second of two layers as the transpose of the first, as the theory's
            U U^T does; training then moves each by its own gradient. correlation: with it, the
            mean correlation of the two first concepts' rows of U.
        bias: whether layers have one. origin_cluster: whether there is a cluster at the origin.
        excluded: whether training points nearer to the held-out composition than half the least
            size of a mu are drawn anew until none is there. Needs two concepts, and no mu of 0.
        mean_over_d: minimise the mean over the batch of ||f(x) - x||^2 / d, not of
            1/2 ||f(x) - x||^2.

    Raises:
        ValueError: anything outside its range, a batch larger than the data, an unknown
            activation.
    """

    mu: Sequence[float]
    sigma: Sequence[float]
    d: int = 64
    hidden: int = 64
    layers: int = 2
    activation: str = "linear"
    n: int = 5000
    batch: int = 128
    rate: float = 0.1
    epochs: int = 40
    rotate: bool = True
    scale: float = 1.0
    tied: bool = False
    correlation: float = 0.0
    bias: bool = False
    origin_cluster: bool = False
    variance_as_sigma: bool = False
    mean_over_d: bool = False
    excluded: bool = False

    def __post_init__(self):
        """Check everything that training would trip over later."""
        task = self.task
        object.__setattr__(self, "mu", task.mu)
        object.__setattr__(self, "sigma", tuple(float(v) for v in self.sigma))
        for name in ("d", "hidden", "layers", "n", "batch", "epochs"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name} must be a whole number, at least 1, not {value}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {ACTIVATIONS}, not {self.activation!r}")
        if not (self.rate > 0 and self.scale > 0):
            raise ValueError(f"rate and scale must be positive, not {self.rate}, {self.scale}")
        if self.batch > self.points:
            raise ValueError(f"batch {self.batch} is larger than the {self.points} points")
        if not -1 <= self.correlation <= 1 or (self.correlation and not self.tied):
            raise ValueError("correlation must lie in [-1, 1], and needs tied layers")
        if self.tied and self.layers != 2:
            raise ValueError(f"tied layers are two layers, not {self.layers}")
        if self.tied and len(self.mu) < 2:
            raise ValueError("tied layers need two concepts, whose rows correlate")
        if self.excluded and (len(self.mu) < 2 or 0 in self.mu):
            raise ValueError(
                "excluded needs two concepts or more and no mu of 0, else a cluster lies at the "
                f"held-out composition: not mu = {self.mu}"
            )

    @classmethod
    def preset(cls, name: str, mu, sigma, **changes) -> "Setting":
        """A setting of `PRESETS`, with changes; `ValueError` for an unknown name."""
        if name not in PRESETS:
            raise ValueError(f"preset must be one of {tuple(PRESETS)}, not {name!r}")
        return cls(mu, sigma, **PRESETS[name] | changes)

    @property
    def task(self) -> SIMTask:
        """The SIM task of this setting, its sigma a standard deviation."""
        sigma = self.sigma
        if self.variance_as_sigma:
            sigma = [abs(v) ** 0.5 if v >= 0 else v for v in sigma]  # the task says what is wrong
        return SIMTask(self.mu, sigma, self.d, self.origin_cluster)

    @property
    def points(self) -> int:
        """Number of training points."""
        return self.n * (len(self.mu) + self.origin_cluster)

    @property
    def steps(self) -> int:
        """Number of training steps."""
        return self.epochs * ceil(self.points / self.batch)


@dataclass(frozen=True)
class Progress:
    """Where an ensemble stands: S settings by K seeds, float64 on the CPU.

    Attributes:
        step: steps taken so far.
        train_loss: (S, K), 1/2 the mean of ||f(x) - x||^2 over the first batch of points.
        corner_loss: (S, K, 2**s), 1/2 ||f(x) - x||^2 at each corner of the hierarchy, in the
            order of `SIMTask.corners`.
        outputs: (S, K, 2**s, s), what the network makes of each corner, in concept coordinates.
    """

    step: int
    train_loss: torch.Tensor
    corner_loss: torch.Tensor
    outputs: torch.Tensor

    @property
    def ood_loss(self) -> torch.Tensor:
        """Loss at the held-out composition, the last corner: (S, K)."""
        return self.corner_loss[..., -1]


@dataclass(frozen=True)
class Run:
    """What one run starts from, float64; runs are stacked along a first axis.

    Attributes:
        points: training points in concept coordinates and training order, (s, points).
        basis: directions of the concepts, orthonormal columns (d, s).
        weights: layers (out, in). biases: (out, 1) each, zero where there are none.
    """

    points: torch.Tensor
    basis: torch.Tensor
    weights: Sequence[torch.Tensor]
    biases: Sequence[torch.Tensor]


def draw(setting: Setting, seed: int) -> Run:
    """Everything random of a run."""
    generator = torch.Generator().manual_seed(seed)
    s, d = len(setting.mu), setting.d
    task = replace(setting.task, d=s)
    points = task.sample(setting.n, generator)
    if setting.excluded:
        spare = torch.Generator().manual_seed(seed + SPARE)
        points = _outside(points, lambda: task.sample(setting.n, spare), task)
    points = points[torch.randperm(len(points), generator=generator)]
    basis = torch.eye(d, dtype=torch.float64)
    if setting.rotate:
        normal = torch.randn(d, d, generator=generator, dtype=torch.float64)
        q, r = torch.linalg.qr(normal)
        basis = q * r.diagonal().sign()  # makes the rotation uniform
    basis = basis[:, :s]
    widths = [d, *[setting.hidden] * (setting.layers - 1), d]
    weights, biases = [], []
    for fan_in, out in itertools.pairwise(widths):
        uniform = torch.rand(out, fan_in + 1, generator=generator, dtype=torch.float64) * 2 - 1
        layer = setting.scale * uniform / fan_in**0.5
        weights.append(layer[:, :-1])
        biases.append(layer[:, -1:] * setting.bias)
    if setting.tied:
        weights = _tied(weights[0], basis, setting.correlation)
    return Run(points.T.contiguous(), basis, weights, biases)


def _outside(points: torch.Tensor, anew: Callable[[], torch.Tensor], task: SIMTask) -> torch.Tensor:
    """The points (n, s), those near the held-out one drawn anew, the others as they are."""
    radius = min(map(abs, task.mu)) / 2
    while (near := (points - task.test_point).norm(dim=1) < radius).any():
        points = torch.where(near[:, None], anew(), points)
    return points


def _tied(first: torch.Tensor, basis: torch.Tensor, c: float) -> list[torch.Tensor]:
    """Layers W1, W1^T whose response to the second concept is drawn towards the first's."""
    lead, second = basis[:, 0], basis[:, 1]
    mixed = c * first @ lead + (1 - c**2) ** 0.5 * first @ second
    first = first + torch.outer(mixed - first @ second, second)
    return [first, first.T.contiguous()]


def train(
    settings: Sequence[Setting],
    seeds: Sequence[int],
    every: int = 1,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    start: Callable[[Setting, int], Run] = draw,
) -> Iterator[Progress]:
    """Train every setting with every seed, all at once, and yield the progress.

    Args:
        settings: S settings that may differ in numbers, not in shapes: see `SHARED`.
        seeds: K seeds.
        every: steps between two evaluations; the first is before the first step, and there is
            always one after the last.
        dtype: of the training; float32 as in the official code. device: where it runs.
        start: what a setting and a seed start from.

    Raises:
        ValueError: settings that cannot be trained together, no seeds, every below 1; divergence,
            naming the step, the learning rate and the seed.
    """
    check_shared(settings)
    if not len(seeds) or every < 1:
        raise ValueError(f"needs a seed and every of at least 1, not {seeds} and {every}")
    like = settings[0]
    run = _stack([start(setting, seed) for setting in settings for seed in seeds], dtype, device)
    corners = torch.stack([s.task.corners()[:, : len(s.mu)].T for s in settings for _ in seeds])
    corners = corners.to(run.points)
    rates = [s.rate * (2 / s.d if s.mean_over_d else 1) for s in settings for _ in seeds]
    rates = torch.tensor(rates, dtype=dtype, device=device).reshape(-1, 1, 1)

    def evaluate(step: int) -> Progress:
        progress = _evaluate(run, corners, like, step, (len(settings), len(seeds)))
        _check(progress, settings, seeds)
        return progress

    widest = like.batch * max(like.d, like.hidden)
    size = len(rates) if run.points.is_cuda else max(1, CACHED // widest)
    groups = list(zip(_split(run, size), rates.split(size), strict=True))
    step = 0
    yield evaluate(step)
    for _ in range(like.epochs):
        for start in range(0, like.points, like.batch):
            for group, rate in groups:
                points = group.points[..., start : start + like.batch]
                _descend(group, group.basis @ points, rate / points.shape[-1], like)
            step += 1
            if step % every == 0 or step == like.steps:
                yield evaluate(step)


SHARED = ("d", "hidden", "layers", "activation", "batch", "epochs", "bias", "points")


def check_shared(settings: Sequence[Setting]) -> None:
    """`ValueError` unless the settings have the same `SHARED` fields and number of concepts."""
    if not settings:
        raise ValueError("an ensemble needs at least one setting")
    for name in SHARED:
        values = {getattr(setting, name) for setting in settings}
        if len(values) > 1:
            raise ValueError(f"settings trained together must share {name}, not {sorted(values)}")
    if len({len(setting.mu) for setting in settings}) > 1:
        raise ValueError("settings trained together must have equally many concepts")


def _forward(run: Run, x: torch.Tensor, relu: bool) -> list[torch.Tensor]:
    """Activations (runs, width, batch) from the input to the output."""
    activations = [x]
    for layer, (w, b) in enumerate(zip(run.weights, run.biases, strict=True), 1):
        x = torch.baddbmm(b, w, x)
        if relu and layer < len(run.weights):
            x.relu_()
        activations.append(x)
    return activations


def _descend(run: Run, x: torch.Tensor, rates: torch.Tensor, setting: Setting) -> None:
    """One step of gradient descent, in place: `rates` already holds what the loss divides by."""
    relu = setting.activation == "relu"
    activations = _forward(run, x, relu)
    delta = (activations.pop() - x) * rates
    for layer in reversed(range(setting.layers)):
        w, below = run.weights[layer], activations.pop()
        back = w.mT @ delta if layer else None
        w.baddbmm_(delta, below.mT, alpha=-1)
        if setting.bias:
            run.biases[layer].sub_(delta.sum(-1, keepdim=True))
        if relu and layer:
            back.mul_(below.sign_())  # 1 where the unit was active: ReLU leaves nothing negative
        delta = back


def _evaluate(run: Run, corners, setting: Setting, step: int, shape) -> Progress:
    relu = setting.activation == "relu"

    def squared_errors(points):
        x = run.basis @ points
        outputs = _forward(run, x, relu)[-1]
        return ((outputs - x) ** 2).sum(-2) / 2, outputs

    train_errors, _ = squared_errors(run.points[..., : setting.batch])
    corner_errors, outputs = squared_errors(corners)
    found = (train_errors.mean(-1), corner_errors, (run.basis.mT @ outputs).mT)
    return Progress(step, *(x.double().cpu().reshape(*shape, *x.shape[1:]) for x in found))


def _check(progress: Progress, settings, seeds) -> None:
    bad = ~(progress.train_loss + progress.corner_loss.sum(-1)).isfinite()
    if bad.any():
        s, k = bad.nonzero()[0].tolist()
        raise ValueError(
            f"training diverged by step {progress.step} with learning rate {settings[s].rate:g} "
            f"(setting {s}, seed {seeds[k]}): lower the rate"
        )


def _stack(runs: list[Run], dtype: torch.dtype, device) -> Run:
    def stacked(parts):
        return torch.stack(tuple(parts)).to(dtype=dtype, device=device).contiguous()

    layers = range(len(runs[0].weights))
    return Run(
        stacked(run.points for run in runs),
        stacked(run.basis for run in runs),
        [stacked(run.weights[layer] for run in runs) for layer in layers],
        [stacked(run.biases[layer] for run in runs) for layer in layers],
    )


def _split(run: Run, size: int) -> list[Run]:
    """The stacked runs in groups of `size`, which share the memory of the whole."""
    weights = zip(*(w.split(size) for w in run.weights), strict=True)
    biases = zip(*(b.split(size) for b in run.biases), strict=True)
    parts = zip(run.points.split(size), run.basis.split(size), weights, biases, strict=True)
    return [Run(*part) for part in parts]


def collect(progress: Iterable[Progress]) -> dict[str, torch.Tensor]:
    """All of an ensemble's progress, time last but for the outputs.

    Returns:
        "step" (T,), "train_loss" (S, K, T), "ood_loss" (S, K, T), "corner_loss" (S, K, 2**s, T),
        "outputs" (S, K, T, 2**s, s).
    """
    steps = list(progress)
    return {
        "step": torch.tensor([p.step for p in steps]),
        "train_loss": torch.stack([p.train_loss for p in steps], -1),
        "ood_loss": torch.stack([p.ood_loss for p in steps], -1),
        "corner_loss": torch.stack([p.corner_loss for p in steps], -1),
        "outputs": torch.stack([p.outputs for p in steps], -3),
    }
