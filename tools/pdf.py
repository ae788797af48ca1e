"""A PDF of every page, printed by headless Chromium and offered on the page.

`python -m tools.pdf` (`make pdf`) prints the site of `make book` into its folder `pdf/`; pages that
are named after it (`chapters/03_swing_by`) are printed alone.
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
_FOOT = """<div style="font-size: 8px; margin: 0 18mm; width: 100%; color: #48566b">
<span class="title"></span><span style="float: right" class="pageNumber"></span></div>"""
# A reader of paper cannot open what is folded: all of it is there, but for code that only draws.
_OPEN = """document.querySelectorAll('details:not(.hide)').forEach((e) => { e.open = true; });
document.querySelectorAll('.dropdown.toggle-hidden').forEach((e) => {
  e.classList.remove('toggle-hidden');
});"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def printed(html: Path, names: list[str], browser) -> list[Path]:
    """Prints pages of a built site.

    Args:
        html: the site.
        names: pages, as `chapters/NAME`.
        browser: Playwright's, a Chromium or Chrome.
    """
    handler = functools.partial(_Quiet, directory=str(html))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (html / "pdf").mkdir(exist_ok=True)
    made = []
    page = browser.new_page(color_scheme="light")
    for name in names:
        page.goto(f"http://127.0.0.1:{server.server_port}/{name}.html", timeout=120_000)
        page.evaluate("window.MathJax?.startup?.promise")
        page.evaluate(_OPEN)
        made.append(html / "pdf" / f"{Path(name).name}.pdf")
        page.pdf(
            path=made[-1],
            format="A4",
            margin=dict.fromkeys(("top", "bottom", "left", "right"), "18mm"),
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=_FOOT,
            outline=True,
            tagged=True,
        )
        print(f"{len(made)} of {len(names)}: {made[-1].name}", flush=True)
    page.close()
    server.shutdown()
    server.server_close()
    return made


def offer(html: Path, made: list[Path]) -> None:
    """Puts a link to its PDF beside the title of each page that has one."""
    for pdf in made:
        path = html / "chapters" / f"{pdf.stem}.html"
        text = path.read_text(encoding="utf-8")
        if 'class="book-pdf"' not in text:
            link = f'<p class="book-pdf-place">{_LINK.format(pdf.stem)}</p>'
            title = re.compile(r"<h1>(?=(?:(?!</h1>).)*headerlink)", re.S)  # not the printed copy's
            text = title.sub(f"{link}<h1>", text, count=1)
            path.write_text(text, encoding="utf-8")


def main(names: list[str] | None = None) -> int:
    """Command line, with names of pages where not all are wanted; 1 without a site or a browser."""
    html = ROOT / "_build" / "html"
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not (html / "index.html").exists() or browser is None:
        print("Needs the site (`make book`) and Chromium or Chrome.", file=sys.stderr)
        return 1
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        made = printed(html, names or checks.toc_names(ROOT), chromium)
        chromium.close()
    offer(html, made)
    print(f"{len(made)} PDFs in {html / 'pdf'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
