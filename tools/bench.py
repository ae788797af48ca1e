"""Compares speed with other libraries, in an environment of its own: one table, `make bench`.

`python -m tools.bench` makes `.venv-bench` with what `benchmarks/requirements.txt` names, runs the
benchmarks one after the other there, and writes `lib/results/benchmarks.json` with machine, date
and what was not there to compare with. `--only NAME` runs one of them and keeps the others' rows.
"""

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from lib import storage
from tools import install, results

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".venv-bench"
TABLE = storage.RESULTS / "benchmarks.json"
# torchvision fits one torch only, and its compiled operators fit the build of torch it was made
# for: see `benchmarks/diffusion.py`.
TORCH, VISION = "torch>=2.13,<2.14", "torchvision>=0.28,<0.29"
# What each runs: its name, what it is about, and its options.
RUNS = {
    "sim_sweep": ("a sweep of 32,768 flows, beside a solver a flow and batched solvers", []),
    "sim_ensembles": ("networks trained at once, beside one after the other", []),
    "diffusion": ("training and sampling with the same network, and with each library's own", []),
    "render": ("pictures of scenes, beside a physically based renderer", ["--threads", "1"]),
}
PEERS = (
    "smalldiffusion",
    "denoising_diffusion_pytorch",
    "diffusers",
    "torchdiffeq",
    "torchode",
    "mitsuba",
)


def interpreter(folder: Path = FOLDER) -> Path:
    """Where an environment has its Python."""
    return folder / ("Scripts" if platform.system() == "Windows" else "bin") / "python"


def made(folder: Path = FOLDER) -> Path:
    """Makes the environment, as far as packages can be had; returns its Python."""
    python = interpreter(folder)
    if not python.exists():
        venv.create(folder, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    index = install.torch_arguments()[1:]
    subprocess.run([*pip, TORCH, *index], check=True)
    subprocess.run([*pip, "--no-deps", VISION, *index], check=False)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = [one for one in project["dependencies"] if not one.startswith("torch")]
    subprocess.run([*pip, *own], check=True)
    named = (ROOT / "benchmarks/requirements.txt").read_text(encoding="utf-8").splitlines()
    for peer in (line for line in named if line and line[0] != "#"):
        # One by one: where one cannot be had, the others are compared all the same.
        subprocess.run([*pip, peer, TORCH, VISION], check=False)
    return python


def versions(python: Path) -> dict[str, str | None]:
    """For each library its version, or None where it is not installed."""
    code = (
        "import importlib.metadata as m, json\nfound = {}\n"
        f"for name in {('torch', 'torchvision', *PEERS)!r}:\n"
        "    try: found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError: found[name] = None\nprint(json.dumps(found))"
    )
    done = subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def measured(python: Path, name: str, options: list[str]) -> dict:
    """Runs one benchmark; its ratios, what it printed, when, and how busy the machine was."""
    command = [str(python), "-m", f"benchmarks.{name}", *options]
    print(f"\n{name}: {' '.join(command[1:])}", flush=True)
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, flush=True)
    ratios = re.findall(r"^ratio: (\S+) (\S+)$", done.stdout, re.M)
    return {
        "command": " ".join(["python", *command[1:]]),
        "ratios": {key: float(value) for key, value in ratios},
        "failed": done.returncode != 0,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "busy": busy,
    }


def page(table: dict) -> str:
    """The table as Markdown: a row a comparison, and what was not there to compare with."""
    versions = table["libraries"]
    lines = ["| what | beside | ours is faster by | measured | waiting |", "|---|---|---|---|---|"]
    for name, run in table["runs"].items():
        busy = "unknown" if run["busy"] is None else f"{run['busy']:.0f}"
        for key, ratio in run["ratios"].items():
            lines.append(f"| `{name}` | `{key}` | {ratio:g} | {run['date']} | {busy} |")
    missing = [name for name in PEERS if versions.get(name) is None]
    there = ", ".join(f"{name} {versions[name]}" for name in PEERS if versions.get(name))
    said = [f"Machine: {table['machine']}; torch {versions['torch']}. Compared with {there}."]
    if missing:
        said.append(f"Not installed there: {', '.join(missing)}.")
    if not_run := [name for name in RUNS if name not in table["runs"]]:
        said.append(f"Not run: {', '.join(not_run)}.")
    if failed := [name for name, run in table["runs"].items() if run["failed"]]:
        said.append(
            f"Ended in an error, so only what came before it is shown: {', '.join(failed)}."
        )
    commands = [f"{run['command']}" for run in table["runs"].values()]
    return "\n".join([" ".join(said), "", *lines, "", "```", *commands, "```"])


def main(argv: list[str] | None = None) -> int:
    """Command line; 1 where a benchmark failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=RUNS, action="append", help="this one; may be repeated")
    parser.add_argument("--kept", action="store_true", help="use .venv-bench as it is")
    parser.add_argument("more", nargs="*", help="after --: further options of the one benchmark")
    options = parser.parse_args(argv)
    chosen = options.only or list(RUNS)
    if options.more and len(chosen) != 1:
        parser.error("further options are one benchmark's: name it with --only")
    python = interpreter() if options.kept else made()
    table = storage.read_json(TABLE) if TABLE.exists() else {"runs": {}}
    table["machine"] = f"{os.cpu_count()} cores, {results.processor()}"
    table["libraries"] = versions(python)
    for name in chosen:
        table["runs"][name] = measured(python, name, [*RUNS[name][1], *options.more])
    storage.write_json(TABLE, table)
    failed = [name for name in chosen if table["runs"][name]["failed"]]
    print(f"Written: {TABLE.relative_to(ROOT)}" + (f"; failed: {failed}" if failed else ""))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
