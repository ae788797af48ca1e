"""Which cell hears which request: weights (B, K, grid, grid) that go with locations and mask.

`(locations, mask, heard)` are conditions that a network with an embedding a cell takes: the cell
then knows the sum of the requests' rows, each times its weight there. Nothing is trained for it, so
a network can be asked in ways that it was never trained for.
"""

import torch
from torch import Tensor

from lib.diffusion.pathways import cells, centres

Locations = tuple[Tensor, Tensor]


def window(conditions: Locations, grid: int, k: int) -> Tensor:
    """A cell hears what lies in the (2k + 1) x (2k + 1) cells about it: 1, else 0."""
    locations, mask = conditions
    cell = cells(locations, grid)[..., None, None]  # (B, K, 1, 1)
    index = torch.arange(grid, device=locations.device)
    rows = (cell // grid - index[:, None]).abs() <= k
    columns = (cell % grid - index).abs() <= k
    return (rows & columns & mask[..., None, None]).to(locations)


def everywhere(conditions: Locations, grid: int) -> Tensor:
    """Each cell hears every request."""
    locations, mask = conditions
    return mask[..., None, None].to(locations).expand(-1, -1, grid, grid)


def mean(conditions: Locations, grid: int) -> Tensor:
    """Each cell hears the requests' mean: weights that add up to 1."""
    heard = everywhere(conditions, grid)
    return heard / heard.sum(1, keepdim=True).clamp(min=1)


def distances(conditions: Locations, grid: int) -> Tensor:
    """From each request to each cell's centre, in widths (B, K, grid, grid); infinite if masked."""
    locations, mask = conditions
    middles = centres(grid).to(locations).flatten(0, 1)
    distance = (locations[..., None, :] - middles).norm(dim=-1).unflatten(-1, (grid, grid))
    return distance.masked_fill(~mask[..., None, None], torch.inf)


def nearest(conditions: Locations, grid: int, softness: float = 0.0) -> Tensor:
    """Each cell hears the request nearest to its centre, however far.

    Args:
        conditions: Locations (B, K, 2) and mask (B, K).
        grid: Cells a side.
        softness: Of the borders, in widths: weights fall as exp(-(d^2 - d_nearest^2) / 2 s^2).

    Returns:
        Weights that add up to 1 at each cell, or 0 everywhere for K = 0.
    """
    square = distances(conditions, grid).square()
    if not square.shape[1]:
        return square
    square = torch.where(square.isinf(), square.new_tensor(1e6), square)
    if softness > 0:
        heard = (-square / (2 * softness**2)).softmax(1)
    else:
        heard = torch.zeros_like(square).scatter_(1, square.argmin(1, keepdim=True), 1.0)
    return heard * conditions[1][..., None, None]


def accompanied(conditions: Locations, grid: int, far: bool) -> Tensor:
    """Each cell hears its nearest request and one more: the second nearest, or the farthest.

    Args:
        conditions: Locations (B, K, 2) and mask (B, K), two or more in each picture.
        grid: Cells a side.
        far: Whether the other is the farthest.

    Raises:
        ValueError: A picture has fewer than two requests.
    """
    mask = conditions[1]
    if not len(mask) or int(mask.sum(1).min()) < 2:
        raise ValueError("to hear its nearest request and another, a cell needs two in the picture")
    order = distances(conditions, grid).argsort(1)  # those that are masked come last
    last = (mask.sum(1) - 1).view(-1, 1, 1, 1).expand(-1, 1, grid, grid)
    other = order.gather(1, last if far else torch.ones_like(last))
    heard = torch.zeros(order.shape, device=order.device)
    return heard.scatter_(1, order[:, :1], 1.0).scatter_(1, other, 1.0)


def one_at_random(conditions: Locations, grid: int, generator: torch.Generator) -> Tensor:
    """Each cell hears one request, drawn at random for each cell alone."""
    mask = conditions[1]
    if not mask.shape[1]:
        return everywhere(conditions, grid)
    shape = (*mask.shape, grid, grid)
    chance = torch.rand(shape, generator=generator, device=generator.device).to(mask.device)
    chance = chance.masked_fill(~mask[..., None, None], -1.0)
    heard = torch.zeros_like(chance).scatter_(1, chance.argmax(1, keepdim=True), 1.0)
    return heard * mask[..., None, None]
