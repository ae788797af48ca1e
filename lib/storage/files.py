"""Files: the book's folders, JSON, atomic writes, and where a number comes from."""

import io
import json
import math
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "lib" / "results"  # what the book keeps
RUNS = ROOT / "runs"  # what experiments write


def write_atomically(path: str | Path, data: bytes) -> None:
    """Replaces the file at `path` by `data`: a reader sees the old file or the new one, whole.

    Args:
        path: The file; missing folders are made.
        data: What it shall hold.

    Raises:
        OSError: The disk is full or the place not writable. The old file is still there.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave the new name on old blocks
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_picture(path: str | Path, picture: Any) -> None:
    """Writes a picture as PNG, whole or not at all.

    Args:
        path: The file.
        picture: (H, W, 3) or (H, W, 4), numbers from 0 to 1, or bytes.
    """
    import matplotlib.image  # here alone: what reads weights needs no drawing

    data = io.BytesIO()
    matplotlib.image.imsave(data, picture, format="png")
    write_atomically(path, data.getvalue())


def write_json(path: str | Path, data: Any) -> None:
    """Writes `data` as JSON, whole or not at all: an interrupted write leaves the old file.

    Raises:
        ValueError: A number is not finite; the message names its place. JSON has none such.
    """
    write_atomically(path, (_as_text(path, data) + "\n").encode())


def write_numbers(path: str | Path, data: Any, digits: dict[str, int]) -> None:
    """Writes measurements as JSON, a list of numbers a line, with the digits that count.

    Args:
        path: The file.
        data: What was measured.
        digits: How many decimals are kept of the numbers under a key, and under what it holds.

    Raises:
        ValueError: As `write_json`.
    """

    def rounded(value: Any, places: int | None = None) -> Any:
        if isinstance(value, dict):
            return {key: rounded(item, digits.get(key, places)) for key, item in value.items()}
        if isinstance(value, list):
            return [rounded(item, places) for item in value]
        return round(value, places) if places and isinstance(value, float) else value

    text = _as_text(path, rounded(data))
    text = re.sub(r"\[\s+([-\d.,e\s]+?)\s+\]", lambda m: f"[{''.join(m[1].split())}]", text)
    write_atomically(path, (text + "\n").encode())


def _as_text(path: str | Path, data: Any) -> str:
    """JSON text of what goes to `path`, all of it finite."""
    for place, value in _not_finite(data):
        raise ValueError(f"{path} is not written: {' / '.join(place)} is {value}, not finite")
    return json.dumps(data, indent=1, sort_keys=True)


def _not_finite(data: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Where in JSON data a number is NaN or infinite, and which of them."""
    if isinstance(data, float) and not math.isfinite(data):
        yield place, data
    if isinstance(data, dict | list | tuple):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _not_finite(value, (*place, str(key)))


def copy_files(folder: Path, kept: Path, *names: str) -> list[str]:
    """Copies files from one folder to another, each whole or not at all; returns their names.

    Raises:
        FileNotFoundError: One is not there.
    """
    for name in names:
        write_atomically(kept / name, (folder / name).read_bytes())
    return list(names)


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


def begin(path: Path, own: dict, **nothing: Any) -> dict:
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
