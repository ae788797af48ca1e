import pytest
import torch

from lib.diffusion import muon
from lib.diffusion.networks import UNet


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (16, 16)])
def test_a_matrix_becomes_nearly_orthogonal(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    found = muon.orthogonalised(matrix)
    values = torch.linalg.svdvals(found)
    assert 0.6 < values.min() < values.max() < 1.3
    mixed = u.T @ found @ v.T  # diagonal in the matrix's own bases
    assert torch.linalg.norm(mixed - torch.diag(mixed.diagonal())) < 1e-3


def test_steps_are_those_of_torch():
    """torch's own Muon, made to iterate in the same precision, on one matrix."""
    generator = torch.Generator().manual_seed(1)
    start, slopes = (torch.randn(n, 12, 20, generator=generator) for n in (1, 4))
    theirs = torch.nn.Parameter(start[0].clone())
    ours = torch.nn.Linear(20, 12, bias=False)
    ours.weight.data = start[0].clone()
    network = torch.nn.ModuleList([ours, torch.nn.Linear(3, 3)])
    reference = torch.optim.Muon(
        [theirs], lr=0.02, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
    )
    optimizer = muon.Muon(network, 0.02)
    for slope in slopes:
        theirs.grad, ours.weight.grad = slope.clone(), slope.clone()
        reference.step()
        optimizer.step()
    moved = torch.linalg.norm(theirs - start[0])
    assert torch.linalg.norm(ours.weight - theirs) < 0.02 * moved  # theirs rounds to bfloat16


def test_muon_takes_the_weights_inside_and_adamw_the_rest():
    network = UNet("vector", width=8)
    inside, rest = muon.split_weights(network)
    names = {id(p): n for n, p in network.named_parameters()}
    assert len(inside) + len(rest) == len(names)
    for p in inside:
        assert names[id(p)].endswith(".weight")
        assert p.ndim in (2, 4)
    outside = {names[id(p)] for p in rest}
    assert {"enter.weight", "leave.weight", "positions", "condition.table"} <= outside


def test_all_else_moves_as_adamw_moves_it():
    """Biases, and whatever is no matrix: decay of means .9 and .99."""
    network = torch.nn.ModuleList([torch.nn.Linear(4, 3)])
    bias = network[0].bias
    reference = torch.nn.Parameter(bias.detach().clone())
    ours, theirs = muon.Muon(network, 0.1), torch.optim.AdamW([reference], 0.1, (0.9, 0.99))
    for slope in torch.randn(5, 3, generator=torch.Generator().manual_seed(2)):
        bias.grad, reference.grad = slope.clone(), slope.clone()
        ours.step(), theirs.step()
    assert torch.linalg.norm(bias - reference) < 1e-5


def test_a_parameter_without_gradient_stays():
    network = torch.nn.ModuleList([torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)])
    before = [p.clone() for p in network.parameters()]
    optimizer = muon.Muon(network, 0.1)
    network[0](torch.ones(1, 4)).sum().backward()
    optimizer.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True)]
    assert moved == [True, True, False, False]
