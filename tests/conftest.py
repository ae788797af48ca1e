"""What several tests share: one thread a worker, a browser where there is one, a served site."""

import contextlib
import functools
import gzip
import http.server
import io
import os
import shutil
import threading
from pathlib import Path

import hypothesis
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build/smoke/html"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

# As many threads as are asked for; else the workers share the cores.
SHARED = max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1)))
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", SHARED)))

# What tests serve is here, and no proxy of the machine's is asked for it.
os.environ |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")

# A busy machine is no fault of the code.
hypothesis.settings.register_profile("book", deadline=None)
hypothesis.settings.load_profile("book")


def chromium() -> str | None:
    """The path of a Chromium or Chrome, if there is one."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
    return next(filter(None, map(shutil.which, (*names, mac))), None)


@pytest.fixture(scope="session")
def browser():
    """A headless browser; its tests are skipped, and say so, where none is installed."""
    path = chromium()
    if path is None:
        if os.environ.get("CI") and os.environ.get("GITHUB_ACTIONS"):
            pytest.fail("CI needs a browser, and there is no Chromium or Chrome")
        pytest.skip("no Chromium or Chrome on this machine: the browser checks are skipped")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)  # a busy machine draws late, not wrongly

    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield instance
        instance.close()


@pytest.fixture(scope="session")
def site():
    """The address of the site that `make test` built, served on this machine."""
    if not (SITE / "index.html").exists():
        pytest.skip("no site in _build/smoke/html: run `make test`, which builds it")
    handler = functools.partial(_Quiet, directory=str(SITE))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves text compressed, as hosts do."""

    def send_head(self):
        path = Path(self.translate_path(self.path))
        if path.suffix not in (".html", ".js", ".css", ".svg", ".json") or not path.is_file():
            return super().send_head()
        body = gzip.compress(path.read_bytes(), 6)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return io.BytesIO(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def interrupted(monkeypatch):
    """A context in which the n-th call of a module's function is an interruption by the user."""

    @contextlib.contextmanager
    def context(module, name: str, n: int):
        plain, calls = getattr(module, name), []

        def killed(*arguments):
            calls.append(arguments)
            if len(calls) == n:
                raise KeyboardInterrupt
            return plain(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(module, name, killed)
            with pytest.raises(KeyboardInterrupt):
                yield

    return context
