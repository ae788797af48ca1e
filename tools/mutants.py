"""Mutants: breaks `lib` at random places and asks the tests whether they see it (`make mutants`).

Cosmic Ray makes the mutants and runs the tests on each, in a copy of the book below `_mutants/` and
in an environment of its own there. Which tests: those that import the mutated module, the one of
the same name first. A run takes up where the last one stopped. At least nine of ten must die; what
survives is listed in `tests/mutants.toml`, each with its answer or, as `since`, the test that sees
it now, or the run fails. A draw from all of `lib`, once it is complete, is kept with the results.
"""

import argparse
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "_mutants"
COPY = FOLDER / "book"
ANSWERED = ROOT / "tests" / "mutants.toml"
KEPT = ROOT / "lib" / "results" / "mutants.json"
COSMIC_RAY = "cosmic-ray==8.7.0"
TIMEOUT = 1200  # seconds for the tests of one mutant
LEAST = 0.9  # of the mutants must die


def main(argv: list[str] | None = None) -> int:
    """Command line; 1 where too many survive, or one without an answer.

    Args:
        argv: arguments, those of the process if not given.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--within", default="lib", help="a folder or file to draw from")
    parser.add_argument("--most", type=int, help="mutants to run now; the others another time")
    parser.add_argument("--report", action="store_true", help="runs none: says how it stands")
    options = parser.parse_args(argv)
    place = "" if options.within == "lib" else options.within.replace("/", ".") + "."
    results = FOLDER / f"{place}seed{options.seed}.json"
    if not options.report:
        prepare()
        inside = [str(FOLDER / "venv/bin/python"), __file__, "--inside", str(results)]
        limits = [options.count, options.seed, options.most or options.count]
        subprocess.run([*inside, options.within, *map(str, limits)], cwd=COPY, check=True)
    drawn = json.loads(results.read_text())["mutants"]
    done = [mutant for mutant in drawn if "outcome" in mutant]
    if options.within == "lib" and len(done) == len(drawn):
        keep(options.seed, done)
    return report(done)


def prepare() -> None:
    """Makes the copy of the book anew, and the environment where there is none."""
    python = FOLDER / "venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", COSMIC_RAY], check=True)
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    shutil.rmtree(COPY, ignore_errors=True)
    for name in filter(None, tracked.split("\0")):
        (COPY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, COPY / name)


def files_for(module: Path, root: Path = ROOT) -> list[str]:
    """The test files that import a module, the one named after it first.

    One that fills names into `PACKAGE.{name}` imports every module of the package. Where none does
    by name, as of what a package keeps to itself, all of the package's.

    Args:
        module: below `root`, such as `lib/sim/task.py`.
        root: of the book.
    """
    *package, name = module.with_suffix("").parts
    package = re.escape(".".join(package))
    own = "test_" + "_".join(module.with_suffix("").parts[1:])
    # What stands after `import` may be in brackets, over several lines.
    listed = rf"from {package} import (?:\([^)]*\b{name}\b|[^(\n]*\b{name}\b)"
    pattern = re.compile(rf"\b{package}\.(?:{name}\b|{{)|{listed}")
    every = [p for p in (root / "tests").glob("test_*.py") if p.stem != "test_site"]
    chosen = [p for p in every if own.startswith(p.stem) or pattern.search(p.read_text())]
    chosen = chosen or [p for p in every if p.stem.startswith("_".join(own.split("_")[:2]))]
    chosen.sort(key=lambda p: (p.stem != own, not own.startswith(p.stem), p.stat().st_size))
    return [p.relative_to(root).as_posix() for p in chosen]


def inside(results: Path, within: str, count: int, seed: int, most: int) -> None:
    """Draws the mutants and runs the tests on those that have no outcome yet; in the copy.

    Args:
        results: where outcomes are kept, as JSON.
        within: a folder or file below the copy.
        count: mutants to draw from all that there are.
        seed: of the draw.
        most: mutants to run now.
    """
    from cosmic_ray.commands import init
    from cosmic_ray.mutating import mutate_and_test
    from cosmic_ray.work_db import WorkDB, use_db

    with use_db(str(results.with_suffix(".sqlite")), WorkDB.Mode.create) as every:
        found = Path(within)
        init(sorted(found.rglob("*.py")) if found.is_dir() else [found], every, {})
        specs = [item.mutations[0] for item in every.work_items]
    specs = [spec for spec in specs if not spec.operator_name.endswith("NoOp")]
    specs.sort(key=lambda s: (str(s.module_path), s.operator_name, s.occurrence))
    drawn = random.Random(seed).sample(specs, min(count, len(specs)))
    kept = json.loads(results.read_text())["mutants"] if results.exists() else []
    known = {(m["module"], m["operator"], m["occurrence"]): m for m in kept}
    mutants, sound = [], {}
    for spec in drawn:
        key = str(spec.module_path), spec.operator_name, spec.occurrence
        named = dict(zip(("module", "operator", "occurrence"), key, strict=True))
        mutants.append(known.get(key, named | {"line": spec.start_pos[0]}))
    for spec, mutant in zip(drawn, mutants, strict=True):
        if "outcome" in mutant or most <= 0:
            continue
        most -= 1
        files = files_for(spec.module_path, Path.cwd())
        command = command_for(files)
        if files and mutant["module"] not in sound:
            sound[mutant["module"]] = not subprocess.run(shlex.split(command)).returncode
        if files and not sound[mutant["module"]]:
            raise SystemExit(f"{', '.join(files)} fail without any mutant: mend them first")
        found = mutate_and_test([spec], command, TIMEOUT) if files else None
        mutant["outcome"] = found.test_outcome.value if found else "survived"
        mutant["diff"] = (found.diff if found else None) or "no test imports this module"
        results.write_text(json.dumps({"seed": seed, "mutants": mutants}, indent=1))
        print(mutant["outcome"], mutant["module"], mutant["line"], flush=True)


def command_for(files: list[str]) -> str:
    """What runs these test files, the quick ones of them, up to the first failure."""
    python = shlex.quote(str(ROOT / ".venv/bin/python"))
    quick = "-x -q -p no:cacheprovider -m 'not weekly and not site'"
    return f"{python} -m pytest {quick} {' '.join(map(shlex.quote, files))}"


def change(diff: str) -> str:
    """The lines that a mutant takes away and puts in, without their numbers."""
    lines = [line for line in diff.splitlines() if re.match(r"[-+](?![-+])", line)]
    return "\n".join(line[0] + line[1:].strip() for line in lines)


def survivors(mutants: list[dict]) -> list[dict[str, str]]:
    """The mutants that no test saw: module, line, change, and `answer` or `since` if there is one.

    Both come from `tests/mutants.toml`: why nothing can see the mutant, or why it does not matter;
    or which test sees it by now.
    """
    stated = tomllib.loads(ANSWERED.read_text()).get("mutant", []) if ANSWERED.exists() else []
    known = {(entry["module"], entry["change"].strip()): entry for entry in stated}
    found = []
    for mutant in mutants:
        if mutant["outcome"] == "survived":
            lines = change(mutant["diff"]) or mutant["diff"]
            entry = known.get((mutant["module"], lines), {})
            said = {name: entry[name] for name in ("answer", "since") if name in entry}
            found.append(
                {"module": mutant["module"], "line": mutant["line"], "change": lines} | said
            )
    return found


def keep(seed: int, mutants: list[dict]) -> None:
    """Writes a complete draw to `lib/results/mutants.json`: how many died, and who survived."""
    from lib import storage  # not on top: inside the copy's environment there is no torch

    storage.write_json(
        KEPT,
        {
            "seed": seed,
            "count": len(mutants),
            "killed": sum(m["outcome"] == "killed" for m in mutants),
            "survived": survivors(mutants),
            "provenance": storage.provenance(),
        },
    )


def page() -> str:
    """What the page on planted faults says of the draw that is kept, in Markdown."""
    if not KEPT.exists():
        return "No draw is complete yet."
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    commit, day = kept["provenance"]["commit"], kept["provenance"]["made"][:10]
    lines = [
        f"In the last draw (seed {kept['seed']}, commit `{commit}`, {day}) {kept['killed']} of "
        f"{kept['count']} died. Those that survived, by module:",
        "",
    ]
    for one in kept["survived"]:
        said = one.get("answer") or f"seen since by `{one.get('since', 'no test')}`"
        lines.append(f"- `{one['module']}`, line {one['line']}: {said}")
    return "\n".join(lines)


def report(mutants: list[dict]) -> int:
    """Says how many died and who survived; 1 where that is not enough."""
    alive = survivors(mutants)
    died = sum(m["outcome"] == "killed" for m in mutants)
    open_ = 0
    for one in alive:
        said = one.get("answer") or one.get("since")
        open_ += said is None
        print(f"\n{one['module']}, line {one['line']}: survived\n{one['change']}")
        print(f"answer: {said or 'none yet: add a test, or an answer to tests/mutants.toml'}")
    if unclear := len(mutants) - died - len(alive):  # as where a mutant cannot be made
        print(f"\n{unclear} neither died nor survived")
    share = died / len(mutants) if mutants else 0.0
    print(f"\n{died} of {len(mutants)} mutants died ({share:.0%}); {open_} survive unanswered")
    return int(share < LEAST or open_ > 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        os.environ["OMP_NUM_THREADS"] = "1"
        inside(Path(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
    else:
        sys.exit(main())
