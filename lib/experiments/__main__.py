"""Runs an experiment by name: `python -m lib.experiments NAME [options]`, `--help` for each."""

import importlib
import pkgutil
import sys

import lib.experiments


def main(argv: list[str]) -> int | None:
    """Hands the options to the experiment's own `main(argv)`."""
    names = sorted(
        m.name for m in pkgutil.iter_modules(lib.experiments.__path__) if m.name[0] != "_"
    )
    if not argv or argv[0] not in names:
        print(
            f"usage: python -m lib.experiments NAME [options]; NAME is one of {', '.join(names)}."
        )
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    return importlib.import_module(f"lib.experiments.{argv[0]}").main(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
