"""Executes every chapter once, checks what came out, and makes the site from that execution.

`python -m tools.build --budget laptop`. Chapters run through nbmake in a copy, two at a time; tests
and site share the execution. What has not changed is not done again: an execution stands for the
contents of chapters, `lib`, the lock and the budget.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import nbformat
import yaml
from filelock import FileLock, Timeout

from lib.book import figures, runtime
from tools import checks, cover

ROOT = Path(__file__).resolve().parents[1]
NO_TESTS = 5  # what pytest ends with where it found nothing to run
COPIES = "_executed"  # one folder a budget; nbmake runs nothing that lies below a `_build`


class BuildError(Exception):
    """The book is not fit to be read; the message lists why."""


def fingerprint(root: Path, paths: list[Path], *more: str) -> str:
    """A hash over the contents of files and folders, and over `more`; hidden files don't count."""
    digest = hashlib.sha256("\0".join(more).encode())
    for top in paths:
        files = [top] if top.is_file() else sorted(p for p in top.rglob("*") if p.is_file())
        for path in files:
            parts = path.relative_to(root).parts
            if not any(part.startswith(".") or part == "__pycache__" for part in parts):
                digest.update("/".join(parts).encode() + path.read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def alone(folder: Path):
    """Only one build at a time works in a folder; the lock goes with its process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock"), timeout=0):
        yield


def execute(budget: str, root: Path = ROOT, fresh: bool = False, workers: int = 2) -> Path:
    """Runs every chapter of the table of contents at a budget.

    Args:
        budget: what the chapters compute live.
        root: the book.
        fresh: run them even if nothing changed.
        workers: how many chapters run at a time.

    Returns:
        The folder of the copy, whose notebooks hold their outputs.

    Raises:
        BuildError: a cell failed.
    """
    copy = root / COPIES / budget
    if "_build" in copy.resolve().parts:
        raise BuildError(
            f"nbmake runs nothing below a folder `_build`: move the book out of {root}"
        )
    sources = checks.toc_notebooks(root, root)
    inputs = [root / name for name in ("lib", "requirements.txt", "_toc.yml")]
    installed = [version(name) for name in ("torch", "numpy", "matplotlib")]
    key = fingerprint(root, sources + inputs, budget, sys.version, *installed)
    stamp = copy / "executed"
    if not fresh and stamp.exists() and stamp.read_text(encoding="utf-8") == key:
        print(f"Chapters: nothing changed since they last ran ({budget}).", flush=True)
        return copy
    shutil.rmtree(copy, ignore_errors=True)
    copy_pages(root, copy)
    (copy / "chapters").mkdir(exist_ok=True)
    for path in sources:
        shutil.copy(path, copy / "chapters")
    # Relative names: pytest takes a bracket in a folder's name for a test's parameters.
    notebooks = [f"chapters/{p.name}" for p in sources]
    count = f"{len(notebooks)}, {workers} at a time,"
    print(
        f"Chapters: running {count} at the budget `{budget}`; a line each as they end.", flush=True
    )
    pytest = [sys.executable, "-m", "pytest", "--nbmake", "--overwrite", "--nbmake-timeout=900"]
    options = [
        f"-n{workers}",
        "-v",
        "--no-header",
        "-p",
        "no:cacheprovider",
        "--rootdir=.",
        "-c",
    ]
    threads = str(max(1, (os.cpu_count() or 2) // workers))
    environment = os.environ | {
        "BOOK_BUDGET": budget,
        "BOOK_STATIC": "1",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads),
        "PYTHONPATH": "",
        "PYTEST_ADDOPTS": "",
        **own_kernel(copy),
    }
    done = subprocess.run([*pytest, *options, os.devnull, *notebooks], cwd=copy, env=environment)
    if done.returncode == NO_TESTS:
        raise BuildError("No chapter ran: _toc.yml names no notebook.")
    if done.returncode:
        raise BuildError("A chapter failed: see above.")
    stamp.write_text(key, encoding="utf-8")
    return copy


def own_kernel(folder: Path) -> dict[str, str]:
    """The environment in which a notebook's kernel is this Python, without the reader's own set-up.

    Elsewhere on the machine another `python3` kernel may come first, and IPython's start-up files
    may change what a cell does.
    """
    paths = [str(Path(sys.prefix) / "share" / "jupyter"), os.environ.get("JUPYTER_PATH")]
    return {
        "JUPYTER_PATH": os.pathsep.join(filter(None, paths)),
        "IPYTHONDIR": str(folder / ".ipython"),
    }


def site(budget: str, root: Path = ROOT) -> Path:
    """Builds the site from an execution, warnings as errors.

    Returns:
        The folder that holds `index.html`.

    Raises:
        BuildError: Sphinx warned, or a check found a fault.
    """
    copy = root / COPIES / budget
    html = root / "_build" / ("html" if budget == "laptop" else f"{budget}/html")
    inputs = ["_config.yml", "_toc.yml", "assets", "tools", "lib", "requirements.txt", "chapters"]
    # What came out counts too: with an upgraded package it differs where nothing here changed.
    came_out = [copy / "executed", *checks.toc_notebooks(root, copy)]
    key = fingerprint(root, [root / name for name in inputs] + came_out)
    stamp = html.with_name(f"{html.name}.built")
    _raise(checks.execution(root, copy))
    if stamp.exists() and stamp.read_text(encoding="utf-8") == key and html.exists():
        print("Site: nothing changed since it was built.")
        return html
    stamp.unlink(missing_ok=True)
    copy_pages(root, copy)
    config = published_config(yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8")))
    (copy / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    shutil.copy(root / "_toc.yml", copy)
    shutil.copytree(root / "assets", copy / "assets", dirs_exist_ok=True)
    figures.use_style()
    (copy / "chapters" / "cover.html").write_text(cover.opening(), encoding="utf-8")
    (copy / "chapters" / "flow.html").write_text(cover.flow(), encoding="utf-8")
    print("Site: building.", flush=True)
    _sphinx(copy, root)
    shutil.rmtree(html, ignore_errors=True)
    shutil.move(copy / "_build" / "html", html)
    for path in (html / "_sources").rglob("*.ipynb"):
        strip_outputs(path)
    _raise(checks.site(html, copy))
    stamp.write_text(key, encoding="utf-8")
    return html


def strip_outputs(path: Path) -> None:
    """Takes the outputs out of a notebook that readers download.

    JupyterLab shows no HTML of a notebook that it does not trust: figures and their texts would be
    missing, where a notebook without outputs is plainly one that has to be run.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, path)


def copy_pages(root: Path, copy: Path) -> None:
    """Copies what of the chapters is no notebook, as it is now."""
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.ipynb")
    shutil.copytree(root / "chapters", copy / "chapters", ignore=ignored, dirs_exist_ok=True)


def published_config(config: dict) -> dict:
    """The configuration without what would lead nowhere while the book has no address."""
    if not (config["repository"]["url"] or "").startswith("https://github.com/"):
        for part in ("repository", "launch_buttons"):
            del config[part]
        config["html"] = {k: v for k, v in config["html"].items() if not k.startswith("use_")}
    return config


def _sphinx(copy: Path, root: Path) -> None:
    """Runs Jupyter Book on the copy; its log is shown only where something is wrong."""
    shutil.rmtree(copy / "_build", ignore_errors=True)
    cli = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", cli, "build", str(copy), "-W", "--keep-going"]
    environment = os.environ | {"PYTHONPATH": str(root), "BOOK_STATIC": "1"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    (copy / "sphinx.log").write_text(done.stdout, encoding="utf-8")
    if done.returncode:
        lines = done.stdout.splitlines()
        warnings = [line for line in lines if "WARNING" in line or "ERROR" in line]
        raise BuildError("The site has warnings:\n" + "\n".join(warnings or lines[-40:]))


def _raise(faults: list[str]) -> None:
    if faults:
        raise BuildError("The book has faults:\n" + "\n".join(f"- {fault}" for fault in faults))


def main(argv: list[str] | None = None) -> int:
    """Command line; 1 where the book is not fit to be read."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--budget", choices=runtime.BUDGETS, default="laptop")
    parser.add_argument("--fresh", action="store_true", help="run chapters that did not change too")
    arguments = parser.parse_args(argv)
    try:
        with alone(ROOT / COPIES / arguments.budget):
            _raise(checks.sources(ROOT))
            execute(arguments.budget, fresh=arguments.fresh)
            html = site(arguments.budget)
    except (BuildError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    except Timeout:
        print("Another build of this budget is running here; wait for it.", file=sys.stderr)
        return 1
    more = "" if arguments.budget == "laptop" else f" BUDGET={arguments.budget}"
    print(f"Open {html / 'index.html'} in a browser, or run `make serve{more}`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
