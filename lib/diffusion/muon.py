"""Muon: momentum whose matrices are made orthogonal before each step.

Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024
(https://kellerjordan.github.io/posts/muon/); the scale of a step is Moonshot's, which makes it as
long as AdamW's usual one (Liu et al. 2025, arXiv 2502.16982).

`torch.optim.Muon` is the same for matrices, but it refuses convolutions and iterates in bfloat16,
which a processor without such units does at a tenth of the speed of float32.
"""

import math

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration: steepest at 0
ITERATIONS = 5


def orthogonalised(matrix: Tensor) -> Tensor:
    """U V^T, nearly, of a matrix U S V^T (m, n): singular values come to between .7 and 1.2."""
    a, b, c = COEFFICIENTS
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if matrix.shape[0] > matrix.shape[1] else x


class Muon(torch.optim.Optimizer):
    """Muon inside a network, AdamW for all else: one optimiser with two groups and one state."""

    def __init__(self, network: nn.Module, lr: float, momentum: float = 0.95, betas=(0.9, 0.99)):
        """Steps of `lr`, in the units of AdamW, for a network's weights; see `split_weights`."""
        inside, rest = split_weights(network)
        super().__init__(inside, {"lr": lr, "momentum": momentum})
        self.others = torch.optim.AdamW(rest, lr, betas, fused=True)
        self.param_groups += self.others.param_groups
        self.others.state = self.state

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One step, with Nesterov's momentum; parameters without a gradient stay."""
        self.others.step()
        group = self.param_groups[0]
        for p in group["params"]:
            if p.grad is None:
                continue
            momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
            momentum.lerp_(p.grad, 1 - group["momentum"])
            ahead = p.grad.lerp(momentum, group["momentum"]).flatten(1)
            length = 0.2 * math.sqrt(max(ahead.shape))
            p.add_(orthogonalised(ahead).view(p.shape), alpha=-group["lr"] * length)


def split_weights(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The weights inside a network, which Muon takes, and all else, for AdamW.

    Inside is what maps channels to channels: tables, positions, biases, and the first and last
    layers (`enter` and `leave` of the network itself) are not.
    """
    inside, rest = [], []
    for name, p in network.named_parameters():
        plain = name.endswith(".weight") and name not in ("enter.weight", "leave.weight")
        (inside if plain and p.ndim >= 2 else rest).append(p)
    return inside, rest
