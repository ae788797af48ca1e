"""What a chapter runs on: its budget, its device, its seeds and its progress."""

import os
import sys
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import torch
from tqdm import tqdm


@dataclass(frozen=True)
class Budget:
    """How much a chapter computes live.

    Attributes:
        name: `smoke` (the tests), `laptop` (the default) or `gpu`.
        seconds: the most a chapter may take at this budget: alone on two CPU cores for `smoke` and
            `laptop`, on a T4 for `gpu`.
    """

    name: str
    seconds: int

    def pick(self, *, smoke: Any, laptop: Any, gpu: Any = None) -> Any:
        """The value that belongs to this budget; `gpu` falls back on `laptop`."""
        return {"smoke": smoke, "laptop": laptop, "gpu": laptop if gpu is None else gpu}[self.name]


BUDGETS = {b.name: b for b in (Budget("smoke", 20), Budget("laptop", 45), Budget("gpu", 300))}


def budget() -> Budget:
    """The budget named by `BOOK_BUDGET`; without it `gpu` in Colab with CUDA, else `laptop`.

    Raises:
        ValueError: `BOOK_BUDGET` names no budget.
    """
    in_colab_with_gpu = "google.colab" in sys.modules and torch.cuda.is_available()
    name = os.environ.get("BOOK_BUDGET") or ("gpu" if in_colab_with_gpu else "laptop")
    if name not in BUDGETS:
        raise ValueError(f"BOOK_BUDGET is {name!r}; it must be one of {', '.join(BUDGETS)}.")
    return BUDGETS[name]


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def generator(seed: int, place: torch.device | str = "cpu") -> torch.Generator:
    """A random stream of its own: nothing in the book sets a global seed.

    Args:
        seed: any non-negative integer.
        place: on which device they are drawn; the same seed gives other numbers on another one.

    Raises:
        ValueError: the seed is negative or no integer.
    """
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"The seed is {seed!r}; it must be an integer that is not negative.")
    return torch.Generator(place).manual_seed(int(seed))


def static() -> bool:
    """Whether this run makes the website (`BOOK_STATIC=1`), where no kernel answers a widget."""
    return os.environ.get("BOOK_STATIC") == "1"


def progress(steps, description: str, total: int | None = None):
    """Iterates over `steps` under one line that moves; the website shows none.

    Args:
        steps: any iterable.
        description: what is being done.
        total: how many steps there are, where `steps` has no length.
    """
    return tqdm(steps, description, total, file=sys.stdout, disable=static(), mininterval=0.5)
