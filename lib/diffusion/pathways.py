"""How conditions get into a network.

A pathway is an object with `forward(conditions, x)` that offers an embedding (B, E), which joins
the noise level's, or planes (B, width, grid, grid), which are added to the places; the other is
None. All that are told locations are told the exact place: a location stands between four cells,
and its share in each falls linearly with the distance to the cell's centre.

Conditions are either `(locations (B, K, 2), mask (B, K))`, locations as (x, y) in [0, 1] from the
upper left corner and mask true where there is one, or a vector (B, d); None is no condition.
`things` takes `(locations, mask, kinds (B, K))` instead: what has neither place nor kind (-1) is no
condition.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

Locations = tuple[Tensor, Tensor]  # (B, K, 2) in [0, 1] and (B, K)
Described = tuple[Tensor, Tensor, Tensor]  # the same, and kinds (B, K), -1 where unsaid


def check_sizes(least: int = 1, multiple: int = 1, **sizes: int) -> None:
    """Raises ValueError unless all sizes are integers of at least `least`, in whole multiples."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < least or size % multiple:
            kind = f"an integer of at least {least}" + (" and even" if multiple == 2 else "")
            raise ValueError(f"{name} must be {kind}, not {size!r}")


def fourier(positions: Tensor, width: int) -> Tensor:
    """Fourier features of positions: sines and cosines of plane waves in all directions.

    The waves are fixed and fill a disc of up to 5 periods a picture evenly, as seeds do in a
    sunflower. Two places' inner product falls with their distance, within a tenth of the picture,
    and a sum over places keeps which x belongs to which y.

    Args:
        positions: (..., 2) in [0, 1].
        width: Number of features, even.

    Returns:
        (..., width), of mean square 1/2.

    Raises:
        ValueError: The width is odd or less than 2.
    """
    check_sizes(2, 2, width=width)
    index = torch.arange(width // 2, device=positions.device, dtype=positions.dtype)
    angle = index * math.pi * (3 - math.sqrt(5))
    periods = 5 * ((index + 0.5) / (width // 2)).sqrt()
    x, y = positions[..., :1], positions[..., 1:]
    # Products and no matrix product: lower precision, where asked for, would blur the places.
    phase = 2 * math.pi * periods * (x * angle.cos() + y * angle.sin())
    return torch.cat([phase.cos(), phase.sin()], -1)


def centres(grid: int) -> Tensor:
    """The cells' centres (grid, grid, 2): (x, y) in [0, 1], rows first."""
    middle = (torch.arange(grid) + 0.5) / grid
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    return torch.stack([x, y], -1)


def described(conditions: object) -> str:
    """What was given for conditions, in words."""
    if isinstance(conditions, Tensor):
        return f"a tensor {tuple(conditions.shape)}"
    count = f" of {len(conditions)}" if isinstance(conditions, tuple | list) else ""
    return f"a {type(conditions).__name__}{count}"


def check_conditions(conditions: Locations | None, x: Tensor, limit: int) -> Locations:
    """The conditions of a batch x, or none at all for None, if a network can take them.

    What is masked may be anything, and comes back as 0.

    Raises:
        ValueError: They are of another kind, a shape is off, there are more conditions than `limit`
            in a picture, or a location lies outside the picture.
    """
    if conditions is None:
        return x.new_zeros(len(x), 0, 2), x.new_zeros(len(x), 0, dtype=torch.bool)
    batch = len(x)
    kind = f"conditions are locations ({batch}, K, 2) and a boolean mask ({batch}, K)"
    if not isinstance(conditions, tuple | list) or len(conditions) != 2:
        raise ValueError(f"{kind}, not {described(conditions)}")
    locations, mask = conditions
    if locations.shape != (*mask.shape, 2) or len(mask) != batch or mask.ndim != 2:
        raise ValueError(f"{kind}, not {tuple(locations.shape)} and {tuple(mask.shape)}")
    if mask.dtype != torch.bool:
        raise ValueError(f"{kind}, not one of {mask.dtype}")
    if not torch.compiler.is_compiling():  # these checks read values, which a compiled graph cannot
        if mask.shape[1] and int(mask.sum(1).max()) > limit:
            raise ValueError(f"at most {limit} conditions a picture, not {int(mask.sum(1).max())}")
        if not ((locations >= 0) & (locations <= 1))[mask].all():
            raise ValueError("a location lies outside the picture: x and y must be within [0, 1]")
    return torch.where(mask[..., None], locations, 0), mask


def described_things(conditions: Described | None, x: Tensor, limit: int, most: int) -> Described:
    """The things that a batch x is asked for, or none at all for None, if a network can take them.

    Places that are not said may be anything, and come back as 0.

    Raises:
        ValueError: A shape or dtype is off, there are more things than `limit` in a picture, a kind
            is none of `most`, or a location lies outside the picture.
    """
    if conditions is None:
        none = x.new_zeros(len(x), 0)
        return x.new_zeros(len(x), 0, 2), none.bool(), none.long()
    said = f"things are locations ({len(x)}, K, 2), which are said (boolean) and kinds (integers)"
    if not isinstance(conditions, tuple | list) or len(conditions) != 3:
        raise ValueError(f"{said}, ({len(x)}, K) each, not {described(conditions)}")
    locations, placed, kinds = conditions
    locations, placed = check_conditions((locations, placed), x, limit)
    if kinds.shape != placed.shape or kinds.dtype != torch.int64:
        raise ValueError(f"{said}, not kinds {tuple(kinds.shape)} of {kinds.dtype}")
    if not torch.compiler.is_compiling() and not ((kinds >= -1) & (kinds < most)).all():
        raise ValueError(f"a kind is -1, unsaid, or one of 0 to {most - 1}: {kinds.tolist()}")
    return locations, placed, kinds


def check_heard(
    conditions: Locations | None, x: Tensor, limit: int, grid: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """As `check_conditions`, and which cell hears which, see `lib.diffusion.hearing`.

    Raises:
        ValueError: As `check_conditions`, or the weights are of another shape or not finite.
    """
    if not isinstance(conditions, tuple | list) or len(conditions) != 3:
        return *check_conditions(conditions, x, limit), None
    locations, mask = check_conditions(tuple(conditions[:2]), x, limit)
    weights = conditions[2]
    fits = isinstance(weights, Tensor) and weights.shape == (*mask.shape, grid, grid)
    if not fits or not weights.isfinite().all():
        raise ValueError(
            f"who hears what is {(*mask.shape, grid, grid)} finite weights, not "
            f"{described(weights)}"
        )
    return locations, mask, weights * mask[..., None, None]


def cells(locations: Tensor, grid: int) -> Tensor:
    """The number of the cell (row * grid + column) that each location lies in: (B, K)."""
    column, row = (locations * grid).long().clamp(0, grid - 1).unbind(-1)
    return row * grid + column


def shares(locations: Tensor, grid: int) -> Tensor:
    """The share that each location has in each cell: (..., 2) -> (..., grid * grid), rows first.

    Bilinear between the four nearest centres, so the shares add up to 1 and their mean place is the
    location; one closer to the border than the outermost centres is taken as beside it.
    """
    index = torch.arange(grid, device=locations.device)
    place = (locations * grid - 0.5).clamp(0, grid - 1)[..., None]  # (..., 2, 1)
    x, y = (1 - (place - index).abs()).clamp(min=0).unbind(-2)  # (..., grid) each
    return (y[..., :, None] * x[..., None, :]).flatten(-2)


def summed(conditions: Locations, grid: int) -> Tensor:
    """The shares of all conditions of a picture, added: (B, grid * grid)."""
    locations, mask = conditions
    return (shares(locations, grid) * mask[..., None]).sum(1)


class Meeting(nn.Module):
    """Where an embedding of conditions meets the places: a small network at each cell."""

    def __init__(self, embedding: int, hidden: int, width: int, grid: int):
        """Planes (B, width, grid, grid) out of an embedding of `embedding` channels."""
        super().__init__()
        self.told = nn.Conv2d(embedding, hidden, 1)
        self.here = nn.Parameter(fourier(centres(grid), hidden).movedim(-1, 0))
        self.leave = nn.Conv2d(hidden, width, 1)

    def forward(self, embedding: Tensor) -> Tensor:
        """(B, embedding), or one a place (B, embedding, grid, grid) -> planes."""
        told = embedding if embedding.ndim == 4 else embedding[..., None, None]
        return self.leave(self.joined(self.told(told)))

    def joined(self, told: Tensor) -> Tensor:
        """What is told and the place: (B, hidden, 1 or grid, 1 or grid) -> (.., grid, grid)."""
        return functional.silu(told + self.here)


class Crossing(Meeting):
    """As `Meeting`, but by products: the planes of a sum are the sum of planes, less none's."""

    def joined(self, told: Tensor) -> Tensor:
        """As `Meeting.joined`."""
        return told * self.here


class Vector(nn.Module):
    """A sum of rows of a table over the absolute cells, which then meets the places.

    The table starts as the Fourier features of the cells' centres.
    """

    def __init__(self, grid: int, embedding: int, hidden: int, width: int, limit: int):
        """Planes (B, width, grid, grid) of at most `limit` locations."""
        super().__init__()
        self.grid, self.limit = grid, limit
        self.table = nn.Parameter(fourier(centres(grid), embedding).flatten(0, 1))
        self.meeting = Meeting(embedding, hidden, width, grid)

    def rows(self, locations: Tensor) -> Tensor:
        """The row of each location: (B, K, 2) -> (B, K, embedding)."""
        return shares(locations, self.grid).to(self.table) @ self.table

    def embedding(self, conditions: Locations | None, x: Tensor) -> Tensor:
        """The sum of rows of the conditions of a batch x: (B, embedding), or one a cell."""
        locations, mask, weights = check_heard(conditions, x, self.limit, self.grid)
        if weights is None:
            return summed((locations, mask), self.grid).to(self.table) @ self.table
        rows = self.rows(locations)
        return (weights.flatten(2).mT.to(rows) @ rows).mT.unflatten(2, (self.grid, self.grid))

    def forward(self, conditions: Locations | None, x: Tensor) -> tuple[None, Tensor]:
        """The planes of the conditions of a batch x."""
        return None, self.meeting(self.embedding(conditions, x))


class Product(Vector):
    """As `Vector`, but the sum meets the places in products: in nothing that bends."""

    def __init__(self, grid: int, embedding: int, hidden: int, width: int, limit: int):
        """Planes (B, width, grid, grid) of at most `limit` locations."""
        super().__init__(grid, embedding, hidden, width, limit)
        self.meeting = Crossing(embedding, hidden, width, grid)


class Attending(Vector):
    """As `Vector`, but each cell attends to the requests and to none, and hears what it attends to.

    Attention is a softmax of inner products of a row of the cell's own with those of the requests;
    none counts as one more. The cells' rows start at zero, so that a cell attends to all alike.
    """

    def __init__(self, grid: int, embedding: int, hidden: int, width: int, limit: int):
        """Planes (B, width, grid, grid) of at most `limit` locations."""
        super().__init__(grid, embedding, hidden, width, limit)
        self.attends = nn.Parameter(torch.zeros(grid**2, embedding))
        self.none = nn.Parameter(torch.zeros(1))

    def attention(self, conditions: Locations | None, x: Tensor) -> Tensor:
        """How much each cell attends to each request: (B, K, grid, grid), the rest is for none.

        Weights that say who hears what (`lib.diffusion.hearing`), not negative, take part in the
        softmax: what has none is not attended to.
        """
        locations, mask, weights = check_heard(conditions, x, self.limit, self.grid)
        scores = self.rows(locations) @ self.attends.T / self.table.shape[1] ** 0.5
        allowed = mask[..., None] if weights is None else weights.flatten(2)
        scores = scores + allowed.to(scores).log()
        none = self.none.expand(len(scores), 1, scores.shape[2])
        attended = torch.cat([none, scores], 1).softmax(1)[:, 1:]
        return attended.unflatten(2, (self.grid, self.grid))

    def embedding(self, conditions: Locations | None, x: Tensor) -> Tensor:
        """The mixture of rows that each cell hears: (B, embedding, grid, grid); none of None."""
        if conditions is not None:
            conditions = (*conditions[:2], self.attention(conditions, x))
        return super().embedding(conditions, x)


class Scattered(Attending):
    """As `Attending`, but rows of close places begin as unlike as those of far ones: shuffled."""

    def __init__(self, grid: int, embedding: int, hidden: int, width: int, limit: int):
        """Planes (B, width, grid, grid) of at most `limit` locations."""
        super().__init__(grid, embedding, hidden, width, limit)
        order = torch.randperm(grid**2, generator=torch.Generator().manual_seed(0))
        self.table = nn.Parameter(self.table.detach()[order])


class Fourier(nn.Module):
    """Fourier features of the locations, summed, which then meet the places."""

    def __init__(self, grid: int, embedding: int, hidden: int, width: int, limit: int):
        """Planes (B, width, grid, grid) of at most `limit` locations."""
        super().__init__()
        self.features, self.limit = embedding, limit
        self.meeting = Meeting(embedding, hidden, width, grid)

    def embedding(self, conditions: Locations | None, x: Tensor) -> Tensor:
        """The summed features (B, embedding) of the conditions of a batch x."""
        locations, mask = check_conditions(conditions, x, self.limit)
        return (fourier(locations, self.features) * mask[..., None]).sum(1)

    def forward(self, conditions: Locations | None, x: Tensor) -> tuple[None, Tensor]:
        """The planes of the conditions of a batch x."""
        return None, self.meeting(self.embedding(conditions, x).to(self.meeting.here))


class Things(nn.Module):
    """Things asked for by place, by kind or by both: each through a small network, then summed.

    The sum keeps together what is said of one thing. It meets the places as a vector's does.
    """

    def __init__(self, grid: int, embedding: int, hidden: int, width: int, limit: int, kinds: int):
        """Planes (B, width, grid, grid) of at most `limit` things of so many `kinds`."""
        super().__init__()
        self.features, self.limit, self.kinds = embedding, limit, kinds
        self.each = nn.Sequential(
            nn.Linear(embedding + 1 + kinds, hidden), nn.SiLU(), nn.Linear(hidden, embedding)
        )
        self.meeting = Meeting(embedding, hidden, width, grid)

    def embedding(self, conditions: Described | None, x: Tensor) -> Tensor:
        """The sum of what is said of each thing: (B, embedding)."""
        locations, placed, kinds = described_things(conditions, x, self.limit, self.kinds)
        where = fourier(locations, self.features) * placed[..., None]
        what = functional.one_hot(kinds + 1, self.kinds + 1)[..., 1:]
        told = torch.cat([where, placed[..., None].to(where), what.to(where)], -1)
        said = (placed | (kinds >= 0))[..., None]
        return (self.each(told.to(self.meeting.here)) * said).sum(1)

    def forward(self, conditions: Described | None, x: Tensor) -> tuple[None, Tensor]:
        """The planes of the things that a batch x is asked for."""
        return None, self.meeting(self.embedding(conditions, x))


class Map(nn.Module):
    """A picture of the locations, a spot of mass 1 on the pixels about each."""

    def __init__(self, size: int, grid: int, width: int, limit: int):
        """Planes (B, width, grid, grid) of at most `limit` locations, for pictures of a size."""
        super().__init__()
        self.size, self.cell, self.limit = size, size // grid, limit
        self.enter = nn.Conv2d(self.cell**2, width, 1, bias=False)

    def picture(self, conditions: Locations | None, x: Tensor) -> Tensor:
        """The map (B, 1, size, size) of the conditions of a batch x."""
        flat = summed(check_conditions(conditions, x, self.limit), self.size)
        return flat.view(len(x), 1, self.size, self.size)

    def forward(self, conditions: Locations | None, x: Tensor) -> tuple[None, Tensor]:
        """The planes of the conditions of a batch x."""
        drawn = functional.pixel_unshuffle(self.picture(conditions, x), self.cell)
        return None, self.enter(drawn.to(self.enter.weight))


class Continuous(nn.Module):
    """A vector of numbers, such as a colour and a radius, through a small network."""

    def __init__(self, dimensions: int, width: int):
        """An embedding (B, width) of vectors (B, dimensions)."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dimensions, width), nn.SiLU(), nn.Linear(width, width)
        )

    def forward(self, conditions: Tensor | None, x: Tensor) -> tuple[Tensor, None]:
        """The embedding (B, width) of vectors (B, dimensions); zeros for None."""
        first, last = self.layers[0], self.layers[-1]
        if conditions is None:
            return x.new_zeros(len(x), last.out_features), None
        expected = (len(x), first.in_features)
        if not isinstance(conditions, Tensor) or conditions.shape != expected:
            raise ValueError(f"the condition must be {expected}, not {described(conditions)}")
        return self.layers(conditions), None


class Silent(nn.Module):
    """No conditions."""

    def forward(self, conditions: None, x: Tensor) -> tuple[None, None]:
        """Nothing, and nothing is taken."""
        if conditions is not None:
            raise ValueError("this network takes no conditions")
        return None, None


# What each pathway is made of, out of a network's own settings; a new one is a class and a line.
Made = dict[str, Callable[..., nn.Module]]
OF_LOCATIONS: Made = {
    "vector": lambda n: Vector(n.grid, n.told, n.hidden, n.width, n.limit),
    "product": lambda n: Product(n.grid, n.told, n.hidden, n.width, n.limit),
    "attending": lambda n: Attending(n.grid, n.told, n.hidden, n.width, n.limit),
    "scattered": lambda n: Scattered(n.grid, n.told, n.hidden, n.width, n.limit),
    "map": lambda n: Map(n.size, n.grid, n.width, n.limit),
    "fourier": lambda n: Fourier(n.grid, n.told, n.hidden, n.width, n.limit),
}
PATHWAYS: Made = OF_LOCATIONS | {
    "things": lambda n: Things(n.grid, n.told, n.hidden, n.width, n.limit, n.dimensions),
    "continuous": lambda n: Continuous(n.dimensions, n.embedding),
    "none": lambda n: Silent(),
}
