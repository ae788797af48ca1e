"""Makes anew what the book reports: `python -m tools.results` (`make results`).

Runs every chapter alone, at `laptop` for the numbers and at `smoke` for its time, and copies the
records of chapters and experiments, and the chapters' times, into `lib/results/`; draws the
README's picture. Commit what changed.
"""

import os
import platform
import re
import shutil
import sys
from datetime import datetime
from pathlib import Path

import nbformat

from lib import storage
from lib.book import chapter, claims
from tools import build, checks, cover


def main(root: Path = build.ROOT) -> int:
    """Command line; 1 where a chapter failed."""
    times: dict[str, dict] = {}
    shutil.rmtree(claims.LIVE, ignore_errors=True)  # records of chapters that are gone
    copy_experiments(storage.RUNS, claims.COMMITTED)  # chapters show them
    os.environ["BOOK_NEW_RESULTS"] = "1"  # what is committed is not what these are held against
    try:
        for budget in ("laptop", "smoke"):
            copy = build.execute(budget, fresh=True, workers=1)
            for path in checks.toc_notebooks(root, copy):
                times.setdefault(path.stem, {})[budget] = measured(path)
            if budget == "laptop":
                copy_claims(claims.LIVE, claims.COMMITTED)
    except build.BuildError as error:
        print(error, file=sys.stderr)
        return 1
    storage.write_json(chapter.TIMES, times)
    cover.main()
    return 0


def measured(path: Path) -> dict:
    """How long an executed notebook's cells took, and where."""
    stamps = [
        datetime.fromisoformat(stamp.replace("Z", "+00:00"))
        for cell in nbformat.read(path, as_version=4).cells
        for stamp in cell.metadata.get("execution", {}).values()
    ]
    seconds = (max(stamps) - min(stamps)).total_seconds()
    return {"seconds": round(seconds, 1), "machine": f"{os.cpu_count()} cores, {processor()}"}


def processor() -> str:
    """The processor's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    found = (
        re.search(r"model name\s*:\s*(.+)", info.read_text(encoding="utf-8"))
        if info.exists()
        else None
    )
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def copy_claims(live: Path, committed: Path) -> None:
    """Copies the records of laptop runs, never of smoke runs."""
    for path in committed.glob("*.json"):
        path.unlink()
    for path in sorted(live.glob("*.laptop.json")):
        target = committed / f"{path.name.removesuffix('.laptop.json')}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def copy_experiments(runs: Path, committed: Path) -> None:
    """Copies the records of experiments."""
    for path in sorted(runs.glob("*/claims.json")):
        target = committed / "experiments" / f"{path.parent.name}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


if __name__ == "__main__":
    sys.exit(main())
