"""What a chapter runs on: its budget, its device, its seeds and its progress."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "lib" / "results"
RUNS = ROOT / "runs"


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


def generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A random stream of its own: nothing in the book sets a global seed.

    Args:
        seed: any non-negative integer.
        device: where the numbers are drawn; the same seed gives other numbers on another device.

    Raises:
        ValueError: the seed is negative or no integer.
    """
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"The seed is {seed!r}; it must be an integer that is not negative.")
    return torch.Generator(device).manual_seed(int(seed))


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


def provenance() -> dict[str, str]:
    """Where a number comes from: commit, time, machine, versions. Plain strings."""
    return {
        "commit": _commit(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _commit() -> str:
    """The commit checked out, with `+` where tracked files differ from it; else `unknown`."""
    git = [
        "git",
        "-C",
        str(ROOT),
        "describe",
        "--always",
        "--abbrev=12",
        "--exclude=*",
        "--dirty=+",
    ]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def write_json(path: Path, data: Any) -> None:
    """Writes `data` as JSON, whole or not at all: an interrupted write leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(path.suffix + f".{os.getpid()}.part")
    part.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)


def read_json(path: Path) -> Any:
    """Reads JSON.

    Raises:
        FileNotFoundError: no such file; the message says so.
        ValueError: the file is not JSON; the message names it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist.") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}.") from None


def begun(path: Path, own: dict, **nothing: Any) -> dict:
    """The results so far of a run that can be taken up again.

    Args:
        path: where they are kept as JSON, if there are any.
        own: what makes it this run; kept with the results.
        nothing: what results begin with.

    Raises:
        ValueError: the file is of another run, or is not JSON.
    """
    if not path.exists():
        return own | nothing
    result = read_json(path)
    for name, value in own.items():
        if result.get(name) != value:
            raise ValueError(
                f"{path} is of {name} {result.get(name)}, not {value}: move it elsewhere first"
            )
    return result
