"""A chapter's head, its budget and seeds, its downloads and its rows of the ledger."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from IPython.display import HTML, Markdown, display

from lib import storage
from lib.book import claims, figures, runtime
from lib.book.runtime import Budget

TIMES = storage.RESULTS / "times.json"


@dataclass(frozen=True)
class Chapter:
    """What a chapter runs with.

    Attributes:
        name: the notebook's name without its ending.
        budget: how much it computes live.
        device: where its tensors live.
    """

    name: str
    budget: Budget
    device: torch.device

    def generator(self, seed: int) -> torch.Generator:
        """A random stream on the CPU: the same numbers whatever the device."""
        return runtime.generator(seed)

    def download(self, numbers: Mapping[str, Any]) -> None:
        """Shows a link that saves the chapter's numbers, with their provenance, as JSON."""
        data = {
            "chapter": self.name,
            "budget": self.budget.name,
            "provenance": storage.provenance(),
            "numbers": _plain(numbers),
        }
        text = base64.b64encode(json.dumps(data, indent=1, allow_nan=False).encode()).decode()
        display(
            HTML(
                f'<a download="{self.name}.json" href="data:application/json;base64,{text}">'
                f"The numbers of this chapter as JSON</a>, {len(numbers)} entries with provenance."
            )
        )

    def ledger(self, *ids: str) -> None:
        """Shows rows of the chapter's claims, with what this run measured.

        Args:
            ids: which rows; without any the five that matter most, see `claims.foremost`.
        """
        _show_rows(claims.live_rows(self.name), ids)

    def experiment(self, name: str, *ids: str) -> None:
        """Shows rows of the ledger that an experiment measured, from its committed records.

        Args:
            name: of the experiment.
            ids: as for `ledger`.
        """
        _show_rows(claims.committed_rows(f"experiments/{name}"), ids)


def _show_rows(rows: list[dict], ids: Sequence[str]) -> None:
    """Shows the foremost rows, and where the others stand."""
    shown = claims.foremost(rows, ids)
    more = len(rows) - len(shown)
    other = f"The other {more} rows stand" if more > 1 else "The other row stands"
    rest = f"\n\n{other} in [the ledger](claims.md)." if more else ""
    display(Markdown(claims.markdown(shown) + rest))


def start(name: str) -> Chapter:
    """Begins a chapter: sets the figure style, forgets its old records, shows budget and time."""
    chapter = Chapter(name, runtime.budget(), runtime.device())
    figures.use_style()
    claims.live_path(name).unlink(missing_ok=True)
    display(HTML(f'<p class="book-head">{_head(chapter)}</p>'))
    return chapter


def _head(chapter: Chapter) -> str:
    times = storage.read_json(TIMES) if TIMES.exists() else {}
    last = times.get(chapter.name, {}).get(chapter.budget.name)
    took = (
        f"The last recorded run took {last['seconds'] / 60:.1f} minutes ({last['machine']})"
        if last
        else "No run is recorded yet"
    )
    minutes = _reading(storage.ROOT / "chapters" / f"{chapter.name}.ipynb")
    took = f"About {minutes} minutes to read. {took}" if minutes else took
    where = "a GPU" if chapter.budget.name == "gpu" else "2 CPU cores"
    run = ' <a href="copy.html">How to run it</a>.' if runtime.static() else ""  # else it runs
    return (
        f"{took}, with the setting <strong>{chapter.budget.name}</strong>: at most "
        f"{chapter.budget.seconds / 60:.1f} minutes on {where}.{run}"
    )


def _reading(notebook: Path) -> int:
    """Minutes to read a chapter's text, at 200 words a minute; 0 where it is not at hand."""
    if not notebook.exists():
        return 0
    cells = storage.read_json(notebook)["cells"]
    text = " ".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return round(len(text.split()) / 200)


def _plain(value: Any) -> Any:
    """Tensors and arrays as lists, at any depth."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
