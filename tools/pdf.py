"""A PDF of every page, printed by headless Chromium and offered on the page.

`python -m tools.pdf` (`make pdf`) prints the site of `make book` into its folder `pdf/`.
"""

import functools
import http.server
import re
import shutil
import sys
import threading
from pathlib import Path

from tools import checks

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_LINK = '<a class="book-pdf" href="../pdf/{}.pdf" download>PDF</a>'


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def printed(html: Path, names: list[str], browser: str) -> list[Path]:
    """Prints pages of a built site.

    Args:
        html: the site.
        names: pages, as `chapters/NAME`.
        browser: the path of a Chromium or Chrome.
    """
    from playwright.sync_api import sync_playwright

    handler = functools.partial(_Quiet, directory=str(html))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (html / "pdf").mkdir(exist_ok=True)
    made = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(color_scheme="light")
        for name in names:
            page.goto(f"http://127.0.0.1:{server.server_port}/{name}.html", timeout=120_000)
            page.evaluate("window.MathJax?.startup?.promise")
            made.append(html / "pdf" / f"{Path(name).name}.pdf")
            margin = dict.fromkeys(("top", "bottom", "left", "right"), "18mm")
            page.pdf(path=made[-1], format="A4", margin=margin, print_background=False)
        chromium.close()
    server.shutdown()
    server.server_close()
    return made


def offer(html: Path, made: list[Path]) -> None:
    """Puts a link to its PDF above the text of each page that has one."""
    for pdf in made:
        path = html / "chapters" / f"{pdf.stem}.html"
        text = path.read_text(encoding="utf-8")
        if 'class="book-pdf"' not in text:
            link = f'<p class="book-pdf-place">{_LINK.format(pdf.stem)}</p>'
            text = re.sub(r"(</h1>)", rf"\1{link}", text, count=1)
            path.write_text(text, encoding="utf-8")


def main() -> int:
    """Command line; 1 where there is no site or no browser."""
    html = ROOT / "_build" / "html"
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not (html / "index.html").exists() or browser is None:
        print("Needs the site (`make book`) and Chromium or Chrome.", file=sys.stderr)
        return 1
    made = printed(html, checks.toc_names(ROOT), browser)
    offer(html, made)
    print(f"{len(made)} PDFs in {html / 'pdf'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
