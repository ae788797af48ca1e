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
# What the table compares, in its order: the benchmark, what of ours, and beside what by the name of
# the ratio that it prints.
COMPARED = (
    (
        "sim_sweep",
        "32,768 flows of the linear theory, at equal error or a smaller one",
        {
            "torchdiffeq": "torchdiffeq, all as one batch",
            "torchode": "torchode, all as one batch",
            "solve_ivp": "SciPy's solve_ivp, a flow at a time",
            "torch_loop": "Runge-Kutta steps in a torch loop, a flow at a time",
            "torch_loop_euler": "Euler steps in a torch loop, a flow at a time",
        },
    ),
    (
        "sim_ensembles",
        "Networks of the theory's task, trained all at once",
        {
            f"d{d}_h{hidden}_{kind}": f"torch.nn, {count} of {d}-{hidden}-{d} ({name}) in turn"
            for d, hidden, count in ((2, 2, 512), (2, 64, 128), (64, 64, 64))
            for kind, name in (("linear", "linear"), ("relu", "ReLU"))
        },
    ),
    (
        "diffusion",
        "A training step of the same network",
        {
            "train.smalldiffusion": "smalldiffusion's loop",
            "train.denoising_diffusion_pytorch": "denoising-diffusion-pytorch's loop",
            "train.diffusers": "a loop with diffusers",
            "train.limit": "forward and backward pass alone",
        },
    ),
    (
        "diffusion",
        "A picture by the same network, as many calls",
        {
            "sample.smalldiffusion": "smalldiffusion's sampler",
            "sample.denoising_diffusion_pytorch": "denoising-diffusion-pytorch's sampler",
            "sample.diffusers": "diffusers' sampler",
        },
    ),
    (
        "diffusion",
        "Time to the loss that the other's own network has after a minute, equal size, as it comes",
        {
            "time_to_loss.smalldiffusion": "smalldiffusion",
            "time_to_loss.denoising_diffusion_pytorch": "denoising-diffusion-pytorch",
            "time_to_loss.diffusers": "diffusers",
        },
    ),
    (
        "diffusion",
        "A network that sees windows, all in one pass",
        {"local_windows": "a pass for each cell"},
    ),
    (
        "render",
        "Pictures of three objects",
        {f"render_{n}_mitsuba": f"Mitsuba's path tracer, {n} pixels wide" for n in (32, 64, 128)},
    ),
)
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
    """Runs one benchmark, whose output is shown; its ratios, when, and how busy the machine was."""
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
    versions, lines = table["libraries"], ["| ours | beside | ours is faster by |", "|---|---|---|"]
    for name, what, keys in COMPARED:
        ratios = table["runs"].get(name, {"ratios": {}})["ratios"]
        for key in (key for key in keys if key in ratios):
            times = f"{ratios[key]:{',.0f' if ratios[key] > 100 else '.3g'}}"
            lines.append(f"| {what} | {keys[key]} | {times} |")
            what = ""  # said once
    said = []
    limit = table["runs"].get("diffusion", {"ratios": {}})["ratios"].get("train.limit")
    if limit is not None:
        said.append(
            "No loop is faster than the forward and backward pass alone; beside it ours came out "
            f"at {limit:.3g}, so a ratio as near to 1 means *as fast*."
        )
    missing = [name for name in PEERS if versions.get(name) is None]
    there = ", ".join(f"{name} {versions[name]}" for name in PEERS if versions.get(name))
    days = sorted({run["date"] for run in table["runs"].values()})
    said.append(
        f"Measured on {' and '.join(days)}: {table['machine']}; torch {versions['torch']}, {there}."
    )
    if missing:
        said.append(f"Not installed there: {', '.join(missing)}.")
    if not_run := [name for name in RUNS if name not in table["runs"]]:
        said.append(f"Not run: {', '.join(not_run)}.")
    if failed := [name for name, run in table["runs"].items() if run["failed"]]:
        said.append(
            f"Ended in an error, so only what came before it is shown: {', '.join(failed)}."
        )
    return "\n".join([*lines, "", " ".join(said)])


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
