"""A chapter in JupyterLab, as a reader with a kernel meets it: weekly, it takes a minute."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.weekly
IDLE = "document.querySelector('.jp-StatusBar-Left').textContent.includes('Idle')"


@pytest.fixture
def lab(tmp_path):
    """JupyterLab on a copy of the first chapter; yields its address."""
    shutil.copytree(ROOT / "chapters", tmp_path / "chapters")
    (tmp_path / "lib").symlink_to(ROOT / "lib")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0",
        "--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={tmp_path}",
        "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    environment = os.environ | {
        "BOOK_BUDGET": "smoke",
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_PATH": str(ROOT / "tools/lab"),  # as `make lab` has it
    }
    environment.pop("BOOK_STATIC", None)
    with open(tmp_path / "lab.log", "w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield wait(f"http://127.0.0.1:{port}")
        finally:
            end(server)


def end(server: subprocess.Popen) -> None:
    """Asks the server to stop: it lets its kernels end first, which may take long."""
    server.terminate()
    try:
        server.wait(60)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def wait(address: str) -> str:
    """Returns the address once something answers there."""
    for _ in range(120):
        try:
            with urllib.request.urlopen(f"{address}/api/status", timeout=2):
                return address
        except OSError:
            time.sleep(0.5)
    raise TimeoutError("JupyterLab did not start within a minute.")


def test_sliders_work_in_jupyterlab(lab, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{lab}/lab/tree/chapters/01_sim_task.ipynb?reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
    page.wait_for_function(IDLE, timeout=60_000)  # the kernel is there
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    player = page.locator(".book-player").first
    player.wait_for(state="attached", timeout=120_000)
    page.wait_for_function(IDLE, timeout=120_000)
    svg, slider = player.locator("svg").first, player.locator("input[type=range]").first
    slider.scroll_into_view_if_needed()
    before = svg.evaluate("e => e.outerHTML")
    slider.focus()
    slider.press("ArrowRight")
    assert slider.evaluate("e => document.activeElement === e")  # the arrow stayed with the slider
    assert svg.evaluate("e => e.outerHTML") != before
    assert svg.evaluate("e => getComputedStyle(e).color") != "rgba(0, 0, 0, 0)"
    page.close()


LIVE = """
import ipywidgets
import matplotlib.pyplot as plt
from lib.book import chapter, player
chapter.start("01_sim_task")
def draw(height):
    fig, ax = plt.subplots()
    ax.plot([0, height])
    ax.set(ylim=(0, 10))
    return fig
player.live(draw, "A line to {height}.", height=ipywidgets.FloatSlider(3, min=0, max=9))
"""


def test_live_cells_work_in_jupyterlab(lab, browser, tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LIVE)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    (tmp_path / "live.ipynb").write_text(nbformat.writes(notebook))
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{lab}/lab/tree/live.ipynb?reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
    page.wait_for_function(IDLE, timeout=60_000)
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    live = page.locator(".jupyter-widgets.widget-slider")
    live.first.wait_for(timeout=60_000)
    picture = page.locator(".jp-OutputArea .widget-output svg, .jp-OutputArea .jupyter-widgets svg")
    before = picture.first.evaluate("e => e.outerHTML")
    handle = live.first.locator(".noUi-handle")
    handle.focus()
    for _ in range(5):
        handle.press("ArrowRight")
    page.wait_for_timeout(3000)
    assert picture.first.evaluate("e => e.outerHTML") != before


def test_theorems_are_text_and_solutions_are_folded(lab, browser, tmp_path):
    """Of the lemma's chapter: a theorem with its proof, an exercise with its solution."""
    book = nbformat.read(tmp_path / "chapters/06_cpc_lcs_lemma.ipynb", as_version=4)
    begins = [
        next(k for k, cell in enumerate(book.cells) if kind in cell.source)
        for kind in ("{prf:theorem}", "{solution-start}")
    ]
    book.cells = [book.cells[begins[0]], *book.cells[begins[1] - 1 : begins[1] + 3]]
    solution = book.cells[3].source
    assert book.cells[3].cell_type == "markdown"
    nbformat.write(book, tmp_path / "chapters/few.ipynb")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{lab}/lab/tree/chapters/few.ipynb?reset")
    page.locator(".jp-RenderedMarkdown", has_text="Exercise (").wait_for(timeout=60_000)
    text = page.locator(".jp-NotebookPanel").inner_text()
    assert "Theorem (" in text
    assert not re.search(r":::|\{prf|\{exercise|\{solution|:label:", text)
    assert page.locator("details:not([open]) > summary", has_text="Proof").count() == 1
    page.locator(".jp-InputPlaceholder").nth(1).wait_for()  # the solution's text and its code
    folded = page.locator(".jp-MarkdownCell .jp-PlaceholderText")
    assert folded.text_content().strip() in solution
    assert folded.evaluate("e => getComputedStyle(e).fontSize") == "0px"
