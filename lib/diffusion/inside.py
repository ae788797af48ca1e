"""What a network holds on its way from picture to answer, and requests composed there.

Composed are single requests, never told together::

    h(none) + sum_j (h(c_j) - h(none))

with h the denoiser's answer (`pixels`: then scores are added) or what the U-Net holds at its
trunk's entry, after its first block, or before its last, from where the rest of it goes on. The
last layer is linear, so before the output there is no other place to add at than these.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

import torch
from torch import Tensor

from lib.diffusion import asking, edm
from lib.diffusion.pathways import Described

SPACES = ("entry", "first", "middle", "pixels")  # from input to output


def _hooks(denoiser: edm.Preconditioned) -> dict[str, Callable]:
    """How to get at what the network holds: by space, a function that registers a hook."""
    trunk = denoiser.network.trunk

    def before(module, change):
        return module.register_forward_pre_hook(lambda _, args: (change(args[0]), *args[1:]))

    return {
        "entry": partial(before, trunk.first),
        "first": lambda change: trunk.first.register_forward_hook(lambda _, args, h: change(h)),
        "middle": partial(before, trunk.last),
    }


def added_in(
    denoiser: edm.Preconditioned, parts: Sequence[Described], space: str = "pixels"
) -> edm.Denoiser:
    """A denoiser that composes single requests in a space of its network, :eq:`eq-inside`.

    In one call.

    Args:
        denoiser: D, a `lib.diffusion.networks.UNet` with the pathway `things`.
        parts: Of each request the conditions of the whole batch, (B, K, ...).
        space: One of `SPACES`.

    Raises:
        ValueError: There is no such space.
    """
    if space not in SPACES:
        raise ValueError(f"the space is one of {SPACES}, not {space!r}")
    said = [torch.cat([torch.zeros_like(p[0]), *p]) for p in list(zip(*parts, strict=True))[:2]]
    kinds = torch.cat([torch.full_like(parts[0][2], -1), *(p[2] for p in parts)])
    n = len(parts) + 1

    def mixed(h: Tensor) -> Tensor:
        none, *each = h.chunk(n)
        return asking.added(none, each)

    def function(x: Tensor, sigma: float | Tensor, conditions=None) -> Tensor:
        levels = torch.as_tensor(sigma, dtype=x.dtype).expand(len(x)).repeat(n)
        with ExitStack() as stack:
            if space != "pixels":
                hook = _hooks(denoiser)[space](lambda h: mixed(h).repeat(n, 1, 1, 1))
                stack.callback(hook.remove)
            answers = denoiser(x.repeat(n, 1, 1, 1), levels, (*said, kinds))
        return mixed(answers) if space == "pixels" else answers.chunk(n)[0]

    return function


@torch.no_grad()
def activations(
    denoiser: edm.Preconditioned, x: Tensor, sigma: float, conditions: Described
) -> dict[str, Tensor]:
    """What each space holds, (B, d), when the batch x is asked for `conditions`."""
    found: dict[str, Tensor] = {}

    def keep(h: Tensor, space: str) -> Tensor:
        found[space] = h.flatten(1)
        return h

    with ExitStack() as stack:
        for space, register in _hooks(denoiser).items():
            stack.callback(register(partial(keep, space=space)).remove)
        found["pixels"] = denoiser(x, sigma, conditions).flatten(1)
    return found
