"""The address stands once, and a notebook finds `lib` by it wherever it lies."""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook

from tests.conftest import ROOT
from tools import stamp


def run(folder, url):
    """Runs the first cell in a folder, as a program; returns the book's folder that it found."""
    code = stamp.first_cell(url, "main") + "\nprint(root)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


@pytest.fixture
def published(tmp_path):
    """A repository with the code, at a file address."""
    source = tmp_path / "published"
    (source / "lib").mkdir(parents=True)
    shutil.copy(ROOT / "lib/__init__.py", source / "lib")
    shutil.copytree(ROOT / "lib/book", source / "lib/book")
    git = ["git", "-C", str(source), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run(
            [*git, *words], check=True, env=os.environ | {"GIT_CONFIG_GLOBAL": os.devnull}
        )
    return source.as_uri()


def test_inside_the_book_nothing_is_fetched(tmp_path):
    assert run(ROOT / "chapters", "file:///nowhere") == str(ROOT)


def test_outside_the_book_is_fetched_once(tmp_path, published):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    expected = str(folder / "compositional-diffusion-book")
    said, _, where = run(folder, published).partition("\n")
    assert said.startswith("Fetching the book's code from file:")
    assert where == expected
    assert run(folder, "file:///gone") == expected  # the second time, what was fetched is used


def test_without_an_address_the_cell_says_what_to_set(tmp_path):
    with pytest.raises(RuntimeError, match=r"REPOSITORY above to its address"):
        run(tmp_path, "")


def test_stamping_changes_the_first_cell_and_the_readme_only(tmp_path):
    (tmp_path / "chapters").mkdir()
    (tmp_path / "_config.yml").write_text(
        "repository:\n  url: https://github.com/someone/book/\n  branch: dev\n"
    )
    for name in ("README.md", "chapters/01_sim_task.ipynb"):
        shutil.copy(ROOT / name, tmp_path / name)
    stamp.main(tmp_path)
    before = nbformat.read(ROOT / "chapters/01_sim_task.ipynb", as_version=4)
    after = nbformat.read(tmp_path / "chapters/01_sim_task.ipynb", as_version=4)
    assert after.cells[0].source == stamp.first_cell("https://github.com/someone/book", "dev")
    assert after.cells[1:] == before.cells[1:]
    link = "github/someone/book/blob/dev/chapters/01_sim_task.ipynb"
    assert link in (tmp_path / "README.md").read_text()


def test_addresses_are_normalised(tmp_path):
    for url in ("https://github.com/a/b", "https://github.com/a/b/", "https://github.com/a/b.git"):
        (tmp_path / "_config.yml").write_text(f"repository:\n  url: {url}\n  branch:\n")
        assert stamp.repository(tmp_path) == ("https://github.com/a/b", "main")
    (tmp_path / "_config.yml").write_text("repository:\n  url:\n  branch: main\n")
    assert stamp.repository(tmp_path) == ("", "main")


def test_a_notebook_without_the_first_cell_gets_it(tmp_path):
    for cells in ([], [new_code_cell("import x")]):
        nbformat.write(new_notebook(cells=cells), tmp_path / "a.ipynb")
        stamp.stamp_notebook(tmp_path / "a.ipynb", "https://x/a", "main")
        after = nbformat.read(tmp_path / "a.ipynb", as_version=4).cells
        assert [c.source for c in after] == [
            stamp.first_cell("https://x/a", "main"),
            *(c.source for c in cells),
        ]


def test_a_half_fetched_folder_is_not_trusted(tmp_path):
    (tmp_path / "compositional-diffusion-book").mkdir()
    with pytest.raises(RuntimeError, match="REPOSITORY above to its address"):
        run(tmp_path, "")


def test_faults_are_named(tmp_path):
    for url, branch in [("github.com/a/b", "main"), ("https://x", "main"), ("https://x/a", 'a"b')]:
        config = {"repository": {"url": url, "branch": branch}}
        (tmp_path / "_config.yml").write_text(yaml.safe_dump(config))
        with pytest.raises(ValueError, match=r"repository\.(url|branch) is"):
            stamp.repository(tmp_path)
    for url in ("https://github.com/O", "https://github.com/O/N/tree/main"):
        (tmp_path / "_config.yml").write_text(f"repository:\n  url: {url}\n  branch: main\n")
        with pytest.raises(ValueError, match=r"it is https://github\.com/OWNER/NAME, no less"):
            stamp.repository(tmp_path)
    with pytest.raises(ValueError, match=r"README\.md needs the lines"):
        stamp.stamp_readme("nothing", "https://x", "main", [])


# A chapter's cells in IPython, as Colab runs them; a kernel of that age and today's client hang.
RUN_CELLS = """
import sys, nbformat
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in nbformat.read(sys.argv[1], as_version=4).cells:
    if cell.cell_type == "code":
        shell.run_cell(cell.source).raise_error()
"""


@pytest.mark.weekly
@pytest.mark.parametrize("path", sorted((ROOT / "chapters").glob("*.ipynb")), ids=lambda p: p.stem)
def test_chapters_run_with_colab_s_versions(path, tmp_path_factory, colab):
    """Outside the book, code fetched from a file address, in Colab's environment."""
    folder = tmp_path_factory.mktemp("colab")
    book = nbformat.read(path, as_version=4)
    head = subprocess.run(
        ["git", "-C", str(ROOT), "branch", "--show-current"], capture_output=True, text=True
    )
    book.cells[0].source = stamp.first_cell(ROOT.as_uri(), head.stdout.strip())
    nbformat.write(book, folder / path.name)
    environment = os.environ | {"BOOK_BUDGET": "smoke", "PYTHONPATH": "", "BOOK_STATIC": "0"}
    done = subprocess.run(
        [str(colab), "-c", RUN_CELLS, path.name],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (folder / "compositional-diffusion-book/lib/book/runtime.py").exists()


@pytest.fixture(scope="session")
def colab(tmp_path_factory):
    """The Python of an environment with Colab's versions."""
    folder = tmp_path_factory.mktemp("colab-environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    pins = [
        "torch>=2.11,<2.14", "numpy>=2.0,<2.2", "matplotlib==3.10.*", "ipython==7.34.0",
        "ipykernel==6.17.1", "ipywidgets==7.7.1", "scipy", "safetensors", "tqdm", "nbformat",
        "setuptools<81",
    ]  # fmt: skip
    subprocess.run([str(python), "-m", "pip", "install", "-q", *pins], check=True)
    return python


def test_what_the_site_folds_is_folded_in_jupyterlab():
    def cell(make, source, **metadata):
        return make(source, metadata=metadata)

    text, code = nbformat.v4.new_markdown_cell, new_code_cell
    book = new_notebook(
        cells=[
            cell(code, "1", tags=["hide-input"]),
            cell(code, "2"),
            cell(text, ":::{solution-start} ex-a\n:class: dropdown\n:::"),
            cell(text, "Because."),
            cell(code, "assert True"),
            cell(text, ":::{solution-end}\n:::"),
            cell(text, "On."),
        ]
    )
    assert stamp.fold(book)
    folded = [bool(c.metadata.get("jupyter", {}).get("source_hidden")) for c in book.cells]
    assert folded == [True, False, False, True, True, False, False]
    assert not stamp.fold(book)
