"""Execution and site: cached by content, loud when something is wrong."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.conftest import ROOT
from tools import build, install, results, sphinx_book, stamp


@pytest.fixture
def tiny(tmp_path):
    """A whole book of one small chapter."""
    for name in ("_config.yml", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "assets", tmp_path / "assets")
    (tmp_path / "lib/results/claims").mkdir(parents=True)
    shutil.copytree(
        ROOT / "lib/results/claims", tmp_path / "lib/results/claims", dirs_exist_ok=True
    )
    (tmp_path / "tools").mkdir()
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters/api.md").write_text("# The code\n")
    (tmp_path / "chapters/references.bib").write_text("")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: chapters/a\nchapters:\n- file: chapters/api\n"
    )
    write(tmp_path, "print(6 * 7)")
    return tmp_path


def write(root, code, text="# A chapter\n"):
    cells = [
        new_code_cell(stamp.first_cell("", "main"), metadata={"tags": ["remove-cell"]}, id="first"),
        new_markdown_cell(text, id="head"),
        new_code_cell(code, id="code"),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    # The tiny book has no `lib` of its own; it runs beside this one.
    book.cells[0].source = f"import sys; sys.path.insert(0, {str(ROOT)!r})"
    nbformat.write(book, root / "chapters/a.ipynb")


@pytest.fixture
def any_first_cell(monkeypatch):
    monkeypatch.setattr(build.checks, "other_first_cell", lambda *_: [])


def test_a_book_is_executed_built_and_not_done_again(tiny, any_first_cell, capfd):
    html = build.site(build.execute("smoke", tiny).name, tiny)
    assert "42" in (html / "chapters/a.html").read_text()
    assert (html / "_static/mathjax/startup.js").exists()
    (download,) = (html / "_sources").rglob("a.ipynb")
    assert not any(c.get("outputs") for c in nbformat.read(download, as_version=4).cells)
    capfd.readouterr()
    build.site(build.execute("smoke", tiny).name, tiny)
    out = capfd.readouterr().out
    assert "Chapters: nothing changed" in out
    assert "Site: nothing changed" in out


@pytest.mark.parametrize("folder", ["book [2]", "a::b"])
def test_a_book_runs_in_a_folder_of_any_name(tiny, tmp_path_factory, monkeypatch, folder):
    """With a foreign kernel, start-up files and options of the machine's own in its way."""
    root = tmp_path_factory.mktemp("clone") / folder
    shutil.move(tiny, root)
    machine = tmp_path_factory.mktemp("machine")
    kernel = {"argv": ["false", "{connection_file}"], "display_name": "Foreign", "language": "x"}
    (machine / "kernels/python3").mkdir(parents=True)
    (machine / "kernels/python3/kernel.json").write_text(json.dumps(kernel))
    (machine / "profile_default/startup").mkdir(parents=True)
    (machine / "profile_default/startup/a.py").write_text("print = None")
    monkeypatch.setenv("JUPYTER_PATH", str(machine))
    monkeypatch.setenv("IPYTHONDIR", str(machine))
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k nothing_is_called_so")
    copy = build.execute("smoke", root)
    cell = nbformat.read(copy / "chapters/a.ipynb", as_version=4).cells[2]
    assert cell.outputs[0].text == "42\n"


def test_where_notebooks_cannot_run_is_said(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "_build/book")
    with pytest.raises(build.BuildError, match="nothing below a folder `_build`"):
        build.execute("smoke", tmp_path / "_build/book")


def test_notebooks_to_download_have_no_outputs(tmp_path):
    cell = new_code_cell("1", execution_count=1, outputs=[new_output("stream", text="1")])
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "a.ipynb")
    build.strip_outputs(tmp_path / "a.ipynb")
    (cell,) = nbformat.read(tmp_path / "a.ipynb", as_version=4).cells
    assert (cell.source, cell.outputs, cell.execution_count) == ("1", [], None)


def test_a_failing_cell_fails_the_build(tiny):
    write(tiny, "raise RuntimeError('planted')")
    with pytest.raises(build.BuildError, match="A chapter failed"):
        build.execute("smoke", tiny)


def executed(tiny, code, text):
    """The tiny book as if executed: its outputs are written, not computed."""
    copy = tiny / build.COPIES / "smoke"
    shutil.rmtree(copy, ignore_errors=True)
    write(tiny, code, text)
    shutil.copytree(tiny / "chapters", copy / "chapters")
    book = nbformat.read(copy / "chapters/a.ipynb", as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.execution_count = 1
    book.cells[2].outputs = [new_output("stream", name="stderr", text=code)]
    nbformat.write(book, copy / "chapters/a.ipynb")
    (copy / "executed").write_text(code + text)
    return book, copy / "chapters/a.ipynb"


def test_a_faulty_book_is_refused(tiny, any_first_cell):
    book, path = executed(tiny, "planted", "# A\n\n[dead](#nowhere)\n")
    with pytest.raises(build.BuildError, match=r"wrote to stderr: planted"):
        build.site("smoke", tiny)
    book.cells[2].outputs = []
    nbformat.write(book, path)
    with pytest.raises(build.BuildError, match=r"The site has warnings:[\s\S]*nowhere"):
        build.site("smoke", tiny)
    assert not (tiny / "_build/smoke/html.built").exists()


def test_another_outcome_of_the_same_sources_is_checked_and_built(
    tiny, any_first_cell, monkeypatch
):
    """As after `--fresh` with an upgraded package: nothing but the outputs differs."""

    def sphinx(copy, _):
        (cell,) = nbformat.read(copy / "chapters/a.ipynb", as_version=4).cells[2:]
        page = copy / "_build/html/chapters/a.html"
        page.parent.mkdir(parents=True)
        page.write_text(cell.outputs[0].text)

    monkeypatch.setattr(build, "_sphinx", sphinx)
    book, path = executed(tiny, "print(1)", "# A\n")
    for outcome in ("one", "two"):
        book.cells[2].outputs = [new_output("stream", text=outcome)]
        nbformat.write(book, path)
        assert (build.site("smoke", tiny) / "chapters/a.html").read_text() == outcome
    book.cells[2].outputs = [new_output("stream", name="stderr", text="planted")]
    nbformat.write(book, path)
    with pytest.raises(build.BuildError, match="wrote to stderr: planted"):
        build.site("smoke", tiny)


def test_the_fingerprint_follows_contents(tmp_path):
    (tmp_path / "lib/__pycache__").mkdir(parents=True)
    (tmp_path / "lib/a.py").write_text("1")
    lib = [tmp_path / "lib"]
    first = build.fingerprint(tmp_path, lib, "smoke")
    (tmp_path / "lib/__pycache__/a.pyc").write_text("x")
    (tmp_path / "lib/.a.py.swp").write_text("x")
    assert build.fingerprint(tmp_path, lib, "smoke") == first
    assert build.fingerprint(tmp_path, lib, "laptop") != first
    (tmp_path / "lib/a.py").write_text("2")
    assert build.fingerprint(tmp_path, lib, "smoke") != first


def test_only_one_build_at_a_time(tmp_path):
    one, other = build.alone(tmp_path / "smoke"), build.alone(tmp_path / "smoke")
    with one, pytest.raises(build.Timeout), other:
        pass
    with build.alone(tmp_path / "smoke"):
        pass


def test_the_weekly_checks_have_time_and_no_push_ends_them():
    job = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    assert "github.event_name" in job["concurrency"]["group"]
    assert "'schedule' && 180" in job["jobs"]["test"]["timeout-minutes"]


def test_mutants_are_drawn_weekly_and_by_a_job_of_their_own():
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    weekly, drawn = (entry["cron"] for entry in workflow[True]["schedule"])  # YAML's word for `on`
    assert weekly != drawn
    tests, mutants = (workflow["jobs"][name] for name in ("test", "mutants"))
    assert tests["if"] == f"github.event.schedule != '{drawn}'"
    assert mutants["if"] == f"github.event.schedule == '{drawn}'"
    assert any("make mutants" in step.get("run", "") for step in mutants["steps"])


def test_the_page_on_faults_tells_of_the_draw_of_mutants(monkeypatch):
    monkeypatch.setattr(sphinx_book.mutants, "page", lambda: "9 of 10 died")
    text = [(ROOT / "chapters/faults.md").read_text()]
    sphinx_book.fill_page(None, "chapters/faults", text)
    assert "\n9 of 10 died\n" in text[0]
    assert "{mutants-draw}" not in text[0]


def test_torch_s_bounds_stand_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert install.TORCH in project["dependencies"]
    assert re.findall(r"(\d+), (\d+)", install.FITS) == re.findall(r"(\d+)\.(\d+)", install.TORCH)


def test_buttons_stay_out_until_the_book_has_an_address():
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    config["repository"]["url"] = ""
    bare = build.published_config(config)
    assert not {"repository", "launch_buttons"} & bare.keys()
    assert not any(key.startswith("use_") for key in bare["html"])
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    config["repository"]["url"] = "https://github.com/someone/book"
    assert build.published_config(config)["launch_buttons"]["colab_url"]


def test_only_laptop_records_and_experiments_are_committed(tmp_path):
    live, runs, committed = (tmp_path / name for name in ("live", "runs", "committed"))
    live.mkdir()
    (runs / "long").mkdir(parents=True)
    (live / "01_one.laptop.json").write_text("{}")
    (live / "01_one.smoke.json").write_text("no")
    committed.mkdir()
    (committed / "05_gone.json").write_text("{}")
    (runs / "long/claims.json").write_text("{}")
    results.copy_claims(live, committed)
    results.copy_experiments(runs, committed)
    found = sorted(str(p.relative_to(committed)) for p in committed.rglob("*.json"))
    assert found == ["01_one.json", "experiments/long.json"]


@pytest.mark.parametrize(
    ("system", "gpu", "reached", "index"),
    [
        ("Linux", None, True, True),
        ("Linux", None, False, False),
        ("Linux", "/usr/bin/nvidia-smi", True, False),
        ("Darwin", None, True, False),
    ],
)
def test_torch_comes_from_the_right_index(monkeypatch, system, gpu, reached, index):
    monkeypatch.setattr(install.platform, "system", lambda: system)
    monkeypatch.setattr(install.shutil, "which", lambda _: gpu)
    monkeypatch.setattr(install, "answers", lambda _: reached)
    assert ("--index-url" in install.torch_arguments()) == index
    assert install.TORCH in install.torch_arguments()


def test_what_does_not_answer_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, says nothing
        start = time.perf_counter()
        assert not install.answers(f"http://127.0.0.1:{silent.getsockname()[1]}/", 0.5)
        assert 0.4 < time.perf_counter() - start < 3


def test_formulas_in_docstrings_are_formulas():
    lines = ["At $x_0$ and", "$a", "b$: costs `$1`."]
    sphinx_book.dollar_formulas(None, "function", "f", None, None, lines)
    assert lines == ["At :math:`x_0` and", ":math:`a", "b`: costs `$1`."]


PROXIES = """
import http.server, threading, urllib.request
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
def reached():
    opener = urllib.request.build_opener()  # reads the environment
    try:
        with opener.open(f"http://127.0.0.1:{server.server_port}/", timeout=20) as page:
            return page.status
    except OSError as error:
        return type(error).__name__
print(reached())
import tests.conftest
print(reached())
"""


def test_no_proxy_is_asked_for_what_tests_serve(tmp_path):
    """Nothing listens at the one that is set, so that whoever asks it fails."""
    away = ("no_proxy", "NO_PROXY")
    environment = {name: value for name, value in os.environ.items() if name not in away}
    environment |= {"http_proxy": "http://127.0.0.1:9", "PYTHONPATH": str(build.ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROXIES],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["URLError", "200"]
