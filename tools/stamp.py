"""Writes the repository's address, which stands in `_config.yml`, into notebooks and README.

`python -m tools.stamp` (`make stamp`). The first cell of every notebook comes from here, so that it
is the same everywhere. What the site folds is folded in JupyterLab too.
"""

import json
import re
import sys
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[1]

FIRST_CELL = """\
# Finds the book's code, going up from here; where there is none (Colab, a
# downloaded notebook), fetches it. Nothing that is installed is changed.
import pathlib
import subprocess
import sys

REPOSITORY, BRANCH = {url}, {branch}  # from _config.yml, by `make stamp`
here = pathlib.Path.cwd()
above = (here, *here.parents)
found = [p for p in above if (p / "lib/book/runtime.py").is_file()]
root = found[0] if found else here / "compositional-diffusion-book"
if not (root / "lib/book/runtime.py").is_file():
    if not REPOSITORY:
        raise FileNotFoundError(
            "There is no folder `lib` of the book here or above, and no "
            "repository to fetch it from: run this notebook inside a copy of "
            "the book, or set REPOSITORY above to its address."
        )
    print(f"Fetching the book's code from {{REPOSITORY}}, branch {{BRANCH}}.")
    git = ["git", "clone", "--quiet", "--depth=1", f"--branch={{BRANCH}}"]
    subprocess.run([*git, REPOSITORY, str(root)], check=True)
sys.path.insert(0, str(root))"""

FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}  # tags of the site

README_MARKS = ("<!-- colab -->", "<!-- /colab -->")
UNSET = """\
The book's address isn't set yet. Set `repository.url` (and `branch`) in `_config.yml` and run
`make stamp`: that fills in this section and every notebook's first cell, and the site gets its
Colab, repository and issue buttons."""


def repository(root: Path = ROOT) -> tuple[str, str]:
    """URL and branch from `_config.yml`; the URL is empty until the book has an address."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]
    url = (config["url"] or "").rstrip("/").removesuffix(".git")
    branch = config["branch"] or "main"
    if url and not re.fullmatch(r"https://[\w.-]+(/[\w.~-]+)+|file:///.+", url):
        raise ValueError(
            f"repository.url is {url!r}; it must look like https://github.com/OWNER/NAME."
        )
    if url.startswith("https://github.com/") and not re.fullmatch(r"[^/]+/[^/]+", url[19:]):
        raise ValueError(
            f"repository.url is {url!r}: on GitHub it is https://github.com/OWNER/NAME, "
            "no less and no more."
        )
    if not re.fullmatch(r"[\w./-]+", branch):
        raise ValueError(f"repository.branch is {branch!r}; a branch has no such name.")
    return url, branch


def first_cell(url: str, branch: str) -> str:
    """The code of every notebook's first cell."""
    return FIRST_CELL.format(url=json.dumps(url), branch=json.dumps(branch))


def stamp_notebook(path: Path, url: str, branch: str) -> None:
    """Gives the notebook its first cell, where it is missing too, and folds what the site folds."""
    notebook = nbformat.read(path, as_version=4)
    code = first_cell(url, branch)
    if not notebook.cells or not is_first_cell(notebook.cells[0]):
        new = nbformat.v4.new_code_cell(metadata={"tags": ["remove-cell"]}, id="first")
        notebook.cells.insert(0, new)
    changed = notebook.cells[0].source != code
    notebook.cells[0].source = code
    if fold(notebook) or changed:
        nbformat.write(notebook, path)


def fold(notebook) -> bool:
    """Folds in JupyterLab what the site folds, code by its tags and solutions; whether it changed.

    A cell without such a tag is left as it is: whoever folds one by hand means it.
    """
    changed, solution = False, False
    for cell in notebook.cells:
        solution = solution and not cell.source.startswith(":::{solution-end}")
        if solution or FOLDED & set(cell.metadata.get("tags", [])):
            lab = cell.metadata.get("jupyter", {})
            changed |= not lab.get("source_hidden")
            cell.metadata["jupyter"] = {**lab, "source_hidden": True}
        solution = solution or cell.source.startswith(":::{solution-start}")
    return changed


def is_first_cell(cell) -> bool:
    """Whether this is the cell that finds `lib`, at whatever address."""
    return cell.cell_type == "code" and cell.source.startswith(FIRST_CELL.split("\n")[0])


def stamp_readme(text: str, url: str, branch: str, names: list[str]) -> str:
    """The README with its Colab section filled in."""
    before, _, rest = text.partition(README_MARKS[0])
    _, mark, after = rest.partition(README_MARKS[1])
    if not mark:
        raise ValueError(f"README.md needs the lines {' and '.join(README_MARKS)}.")
    where = url.removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{where}/blob/{branch}/chapters"
    links = "\n".join(f"- [{name}]({colab}/{name}.ipynb)" for name in names)
    filled = links if url.startswith("https://github.com/") else UNSET
    return f"{before}{README_MARKS[0]}\n{filled}\n{README_MARKS[1]}{after}"


def main(root: Path = ROOT) -> None:
    """Stamps everything below `root`."""
    url, branch = repository(root)
    paths = sorted((root / "chapters").glob("*.ipynb"))
    for path in paths:
        stamp_notebook(path, url, branch)
    readme = root / "README.md"
    text = stamp_readme(readme.read_text(encoding="utf-8"), url, branch, [p.stem for p in paths])
    readme.write_text(text, encoding="utf-8")
    print(f"Stamped {len(paths)} notebooks and the README with {url or 'no address'}.")


if __name__ == "__main__":
    sys.exit(main())
