"""Runs, stores, records or reports an experiment: `python -m lib.experiments NAME run --help`.

An experiment is a module of this folder that offers

- `Setting` and `Scale`, frozen dataclasses: what one run is, and what is equal in all runs. Every
  field is an option of `run`. `reported(setting)` gives the scale at which a setting is reported,
  where that is not `Scale()`;
- `run(setting, scale, folder)`: does what is still missing of one run. Its keywords that are
  numbers or words are options too;
- `missing(folder)`: what is reported and not yet run, (setting, keywords of `run`) in the order of
  worth, for `run --all`;
- `RUNS`, where it writes, and `KEPT`, what the book keeps;
- `store(folder, kept)`: takes finished runs over into the book, and names the files; if not there,
  NAME.json and NAME.safetensors;
- `results(folder)`, what has been measured: if not there, what is in NAME.json; and
  `claims(results)`, the samples behind each row of the ledger: see `lib.book.claims.record_all`;
- `report(results)`: plain data to print; if not there, the claims' samples, or the results.
"""

import argparse
import importlib
import json
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from lib import storage
from lib.book import claims
from lib.experiments import _options
from lib.experiments._training import OutOfTimeError, at_most

FOLDER = Path(__file__).parent
COMMANDS = {  # and what an experiment must offer for it
    "run": ("run", "does what is still missing of one run, or of all that are reported"),
    "store": ("KEPT", "takes finished runs over into the book"),
    "record": ("claims", "records the ledger's rows from what the book keeps"),
    "report": ("KEPT", "prints what was run here, or else what the book keeps, as JSON"),
}


def names() -> list[str]:
    """The experiments: the modules that can be run."""
    files = sorted(FOLDER.glob("[!_]*.py"))
    return [f.stem for f in files if "\ndef run(" in f.read_text(encoding="utf-8")]


def parsed(module: ModuleType, name: str, argv: list[str]) -> argparse.Namespace:
    """What the command line of one experiment says."""
    own = argparse.ArgumentParser(
        prog=f"python -m lib.experiments {name}", description=(module.__doc__ or "").split("\n")[0]
    )
    commands = own.add_subparsers(dest="command", required=True)
    for command, (needed, said) in COMMANDS.items():
        if hasattr(module, needed):
            parser = commands.add_parser(command, help=said, description=said)
            kept = command == "record" or (command == "report" and not any(module.RUNS.glob("*")))
            folder = module.KEPT if kept else module.RUNS
            parser.add_argument("--folder", type=Path, default=folder)
    parser = commands.choices["run"]
    _options.add(parser, module.Setting, module.Scale)
    _options.add_keywords(parser, module.run)
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="of training at most; call again to go on"
    )
    if hasattr(module, "missing"):
        parser.add_argument("--all", action="store_true", help="all that are reported and missing")
    return own.parse_args(argv)


def run(module: ModuleType, options: argparse.Namespace) -> None:
    """Runs one setting, or all that is missing."""
    one = (
        []
        if getattr(options, "all", False)
        else [(_options.from_options(options, module.Setting), {})]
    )
    usual = getattr(module, "reported", lambda setting: module.Scale())
    for setting, more in one or module.missing(options.folder):
        scale = _options.from_options(options, module.Scale, usual(setting))
        module.run(setting, scale, options.folder, **_options.keywords(options, module.run) | more)


def store(module: ModuleType, name: str, folder: Path) -> list[str]:
    """Takes over what has been run; the names of the files."""
    if hasattr(module, "store"):
        return module.store(folder, module.KEPT)
    return storage.copy_files(folder, module.KEPT, f"{name}.json", f"{name}.safetensors")


def results(module: ModuleType, name: str, folder: Path) -> Any:
    """What has been measured."""
    if hasattr(module, "results"):
        return module.results(folder)
    return storage.read_json(folder / f"{name}.json")


def report(module: ModuleType, measured: Any) -> Any:
    """What has been measured, as plain data."""
    if hasattr(module, "report"):
        return module.report(measured)
    if not hasattr(module, "claims"):
        return measured
    return {id: np.asarray(samples).tolist() for id, samples in module.claims(measured).items()}


def main(argv: list[str]) -> int:
    """Command line; 2 where it names no experiment."""
    if not argv or argv[0] not in names():
        known = ", ".join(names())
        print(f"usage: python -m lib.experiments NAME COMMAND; NAME is one of {known}.")
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    name = argv[0]
    module = importlib.import_module(f"lib.experiments.{name}")
    options = parsed(module, name, argv[1:])
    if options.command == "run":
        try:
            with at_most(options.minutes):
                run(module, options)
        except OutOfTimeError as error:
            print(f"{options.minutes:g} minutes are over: {error}.")
    elif options.command == "store":
        print("\n".join(store(module, name, options.folder)))
    elif options.command == "report":
        print(json.dumps(report(module, results(module, name, options.folder)), indent=1))
    else:
        samples = module.claims(results(module, name, options.folder))
        for id, e in claims.record_all(f"experiments/{name}", samples).items():
            print(f"{id}: {e.value:.3f} ({e.low:.3f} to {e.high:.3f})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
