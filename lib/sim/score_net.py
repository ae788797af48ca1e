"""Small networks that learn the score of `lib.sim.blocks` by denoising, many runs at once.

A network sees the noisy picture (scaled) and the conditions, and answers F (n,), a guess of the
picture's mean; `Blocks.score` makes a score of it. *Global* networks let every hidden unit see all
pixels, hear all conditions and write everywhere. In *local* ones each unit belongs to one block: it
sees that block, hears that block's condition and writes into that block, so that no condition can
reach another block. Layers are (..., R, out, in): R runs, each with its own pictures, and before
them kinds of networks that are shown the same ones. Everything is float64.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from lib.sim import angle
from lib.sim.blocks import Blocks, denoising_loss

HELD = -1  # the held-out combination among the corners, which are in SIMTask's order
PROBES = 16  # noise draws at each corner when a network is measured, half of them mirrored


@dataclass(frozen=True)
class Net:
    """Networks of one shape.

    Attributes:
        weights: layers (..., R, out, in), first to last; the first takes (scaled picture,
            conditions).
        masks: where each may differ from zero, 0 and 1, broadcast with the layers.
        relu: whether there is a ReLU after each layer but the last.
    """

    weights: tuple[torch.Tensor, ...]
    masks: tuple[torch.Tensor, ...]
    relu: bool = False

    def __call__(self, seen: torch.Tensor) -> torch.Tensor:
        """Answers (..., R, batch, n) to inputs (batch, n + s), or (R, batch, n + s)."""
        for depth, layer in enumerate(self.weights):
            seen = seen @ layer.mT
            if self.relu and depth < len(self.weights) - 1:
                seen = seen.relu()
        return seen


def together(nets: Sequence[Net]) -> Net:
    """Kinds of networks as one, along a new first axis; `ValueError` if some have ReLU only."""
    if len({net.relu for net in nets}) > 1:
        raise ValueError("networks with and without ReLU cannot be trained as one")
    weights = zip(*(net.weights for net in nets), strict=True)
    masks = zip(*(net.masks for net in nets), strict=True)
    return Net(
        tuple(torch.stack(w) for w in weights),
        tuple(torch.stack(m).unsqueeze(1) for m in masks),
        nets[0].relu,
    )


def layer_from_zero(blocks: Blocks, runs: int) -> Net:
    """One layer that starts at zero: (R, n, n + s)."""
    shape = (blocks.n, blocks.n + blocks.task.s)
    zero = torch.zeros(runs, *shape, dtype=torch.float64)
    return Net((zero,), (torch.ones(shape, dtype=torch.float64),))


def two_layers(
    blocks: Blocks,
    runs: int,
    generator: torch.Generator,
    width: int = 32,
    omega: float = 0.1,
    lean: float = 1.0,
    tied: bool = True,
    local: bool = False,
    relu: bool = False,
) -> Net:
    """Two layers with random starts of the size omega.

    What units hear of the conditions are the columns of U (R, s, width), drawn by
    `lib.sim.angle.leaning_factor`. From a tied start they write B U, from a free one another draw.
    What they see of the picture is a third draw, of the same size on each block's pattern. A local
    network takes the same draws where it may and zero elsewhere, times sqrt(s), so that its blocks
    start at the same size.

    Args:
        blocks: the pictures.
        runs: R.
        generator: of the draws, the same ones whether `local` or not.
        width: hidden units, a multiple of s.
        omega: expected size of what a block answers to its own condition, over the condition.
        lean: of the entries: 0 zero mean, 1 one sign.
        tied: whether units write into the blocks what they hear of the conditions.
        local: whether units belong to blocks.
        relu: whether units are silent below zero.

    Raises:
        ValueError: a width that is no multiple of s; errors of `leaning_factor`.
    """
    s, n = blocks.task.s, blocks.n
    if width < 1 or width % s:
        raise ValueError(f"width must be a multiple of the {s} blocks, not {width}")
    u = angle.leaning_factor(runs, s, width, omega, lean, generator)
    other = angle.leaning_factor(runs, s, width, omega, lean, generator)
    seen = angle.leaning_factor(runs, n, width, omega / blocks.pixels, lean, generator)
    first = torch.cat([seen.mT, u.mT], -1)
    second = blocks.pattern @ (u if tied else other)
    unit = torch.arange(width) % s
    owner = torch.cat([blocks.owner, torch.arange(s)])
    masks = ((unit[:, None] == owner).double(), (blocks.owner[:, None] == unit).double())
    if not local:
        masks = tuple(torch.ones_like(mask) for mask in masks)
    size = s**0.5 if local else 1.0
    weights = tuple(w * m * size for w, m in zip((first, second), masks, strict=True))
    return Net(weights, masks, relu)


def response(blocks: Blocks, net: Net) -> torch.Tensor:
    """W (..., R, s, s): what a linear network's block i answers to condition j.

    :eq:`eq-blocks-map`, B^T Q with Q the part of the network's map that takes the conditions.

    Raises:
        ValueError: a network with ReLU, which has no such matrix.
    """
    if net.relu:
        raise ValueError("a network with ReLU is no matrix; measure its effects instead")
    return blocks.pattern.mT @ _linear(net)[..., blocks.n :]


def _linear(net: Net) -> torch.Tensor:
    """The map (..., out, in) of a network without ReLU."""
    whole = net.weights[0]
    for layer in net.weights[1:]:
        whole = layer @ whole
    return whole


def as_score(blocks: Blocks, net: Net, *run: int) -> Callable:
    """The score of one run, of one kind: what `lib.locality` takes, `f(x, sigma, conditions)`.

    `run` holds its indices. `conditions` is a tuple of (block, value); blocks that it does not name
    have 0. `sigma` must be the network's own noise level. The score raises `ValueError` for another
    one, and for a block that is not there.
    """
    one = Net(tuple(w[run] for w in net.weights), net.masks, net.relu)

    def score(x, sigma, conditions=None):
        if sigma != blocks.noise:
            raise ValueError(f"this network knows noise {blocks.noise} only, not {sigma}")
        c = torch.zeros(blocks.task.s, dtype=torch.float64)
        for block, value in conditions or ():
            if not 0 <= block < len(c):
                raise ValueError(f"there are the blocks 0..{len(c) - 1}, and no block {block}")
            c[block] = value
        flat = x.reshape(-1, blocks.n)
        answer = one(torch.cat([blocks.scale * flat, c.expand(len(flat), -1)], -1))
        return blocks.score(answer, flat).reshape(x.shape)

    return score


def train(
    blocks: Blocks,
    net: Net,
    generator: torch.Generator,
    steps: int = 400,
    rate: float = 0.025,
    batch: int | None = 64,
    every: int = 8,
) -> tuple[Net, dict[str, torch.Tensor]]:
    """Gradient descent on the denoising loss, over (1 - k)^2, with fresh pictures at each step.

    Args:
        blocks: the pictures, their noise level and the conditions of training.
        net: where it starts.
        generator: of the pictures: each run has its own, which all kinds of networks share.
        steps: how many. rate: learning rate. batch: pictures a step and run; None for infinitely
            many, that is for the expected loss (linear networks only).
        every: steps between two measurements; there is one at the start and one at the end.

    Returns:
        The trained networks, and what `measure` found along the way, time (T,) second: "time",
        steps times rate, (T,); the rest (..., R, T, ...).

    Raises:
        ValueError: training diverged, and the message says at which step; an expected loss asked
            of a network with ReLU.
    """
    if batch is None and net.relu:
        raise ValueError("with ReLU the expected loss has no closed form: name a batch")
    lead = net.weights[0].shape[:-2]
    weights = [w.clone().requires_grad_() for w in net.weights]
    moving = Net(tuple(weights), net.masks, net.relu)
    found, seen_after = [measure(blocks, net)], [0]
    for step in range(1, steps + 1):
        if batch is None:
            p, q = _linear(moving).split([blocks.n, blocks.task.s], -1)
            loss = denoising_loss(blocks, p, q).sum()
        else:
            loss = _denoising(blocks, moving, (lead[-1], batch), generator)
        for w, grad, mask in zip(
            weights, torch.autograd.grad(loss, weights), net.masks, strict=True
        ):
            w.data.sub_(rate * grad * mask)
        if step % every == 0 or step == steps:
            found.append(measure(blocks, moving))
            seen_after.append(step)
            if not found[-1]["error"].isfinite().all():
                raise ValueError(f"training diverged by step {step} at the rate {rate:g}: lower it")
    history = {name: torch.stack([f[name] for f in found], len(lead)) for name in found[0]}
    history["time"] = rate * torch.tensor(seen_after, dtype=torch.float64)
    return Net(tuple(w.detach() for w in weights), net.masks, net.relu), history


def _denoising(blocks: Blocks, net: Net, shape, generator) -> torch.Tensor:
    """The loss on fresh pictures (R, batch), summed over networks."""
    c = blocks.conditions(shape, generator)
    clean, noisy = blocks.pictures(c, generator)
    answer = net(torch.cat([blocks.scale * noisy, c], -1))
    return (answer - blocks.target(clean, noisy)).square().sum() / (2 * shape[-1])


@torch.no_grad()
def measure(blocks: Blocks, net: Net) -> dict[str, torch.Tensor]:
    """What networks answer at the corners of the hierarchy, all their conditions exactly at mu_j.

    Noise is the same `PROBES` draws each time, half of them mirrored, so that the mean answer of a
    linear network is exact.

    Returns:
        "error" (..., R, 2^s), half the mean of ||F - B c||^2 at each corner, that is nu^4 times
        half the Fisher error of the score there; the last one is the held-out combination.
        "tiled" (..., R), the same at the held-out combination if each block's answer is taken from
        its own condition asked alone. "answer" (..., R, 2^s, s), the mean answer on each block's
        pattern. "effect" (..., R, s, s), by how much condition j being there moves block i's answer
        at the held-out combination, on its pattern; "moved" (..., R, s, s), the norm of that over
        all of the block's pixels, root mean square over the noise.
    """
    s, n, corners = blocks.task.s, blocks.n, blocks.task.corners()
    lead = net.weights[0].shape[:-2]
    draws = torch.randn(
        PROBES // 2, n, generator=torch.Generator().manual_seed(7), dtype=torch.float64
    )
    noise = blocks.variance**0.5 * torch.cat([draws, -draws])

    def answers(shown, asked):
        """F (..., cases, probes, n) to pictures of `shown` and conditions `asked`, (cases, s)."""
        x = (shown @ blocks.pattern.mT)[:, None] + noise
        seen = torch.cat([blocks.scale * x, asked[:, None].expand(-1, PROBES, -1)], -1)
        return net(seen.reshape(-1, n + s)).reshape(*lead, len(shown), PROBES, n)

    at_corners, truth = answers(corners, corners), corners @ blocks.pattern.mT
    single = [2**j for j in reversed(range(s))]  # the corners with one condition each
    own = (blocks.owner[:, None] == torch.arange(s)).double().mT[:, None]  # (s, 1, n)
    tiled = (at_corners[..., single, :, :] * own).sum(-3)
    held = corners[HELD].expand(s, s)
    absent = held * (1 - torch.eye(s, dtype=torch.float64))
    moved = at_corners[..., HELD:, :, :] - answers(held, absent)  # (..., condition, probe, n)
    by_block = moved.square().mean(-2).unflatten(-1, (s, blocks.pixels)).sum(-1)
    return {
        "error": (at_corners - truth[:, None]).square().sum(-1).mean(-1) / 2,
        "tiled": (tiled - truth[HELD]).square().sum(-1).mean(-1) / 2,
        "answer": at_corners.mean(-2) @ blocks.pattern,
        "effect": (moved.mean(-2) @ blocks.pattern).mT,
        "moved": by_block.mT.sqrt(),
    }


def parts(effect) -> tuple[torch.Tensor, torch.Tensor]:
    """What a block's answer owes to its own condition, and what to all others: (..., s) each.

    `effect` (..., s, s), block i by condition j, as `measure` gives it. :eq:`eq-blocks-parts`
    """
    effect = torch.as_tensor(effect)
    own = effect.diagonal(dim1=-2, dim2=-1)
    return own, effect.sum(-1) - own


def last_above(curve, bound: float, time) -> torch.Tensor:
    """The last time (...) at which a curve (..., T) lies above `bound`; 0 if it never does.

    Raises:
        ValueError: a curve that is not finite: it would count as settled.
    """
    curve = _finite(curve)
    return torch.where(curve > bound, torch.as_tensor(time), 0.0).amax(-1)


def first_reaching(curve, bound: float, time) -> torch.Tensor:
    """The first time (...) at which a curve (..., T) is at least `bound`; infinite if never.

    Raises:
        ValueError: a curve that is not finite: it would count as late.
    """
    return torch.where(_finite(curve) >= bound, torch.as_tensor(time), torch.inf).amin(-1)


def first_minimum(error) -> torch.Tensor:
    """Where (...) a curve (..., T) is lowest before its largest rise: the turn of a swing.

    Raises:
        ValueError: a curve that is not finite: its largest rise would be there.
    """
    error = _finite(error)
    rise = error - error.cummin(-1).values
    before = torch.arange(error.shape[-1]) <= rise.argmax(-1, keepdim=True)
    return torch.where(before, error, torch.inf).argmin(-1)


def _finite(curve) -> torch.Tensor:
    curve = torch.as_tensor(curve)
    if not curve.isfinite().all():
        raise ValueError("the curve is not finite, so that no time can be read off it")
    return curve
