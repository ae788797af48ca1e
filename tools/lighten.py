"""What a finished page sheds, so that it is there at once: icons inline, and no idle scripts.

The theme loads a script and a webfont of thousands of icons for the dozen that a page shows, and
the whole search index on every page. Here the icons become part of the page, the index stays on
the search page, and MathJax comes in the parts that are used, asked for before the page is read.
"""

import functools
import html
import itertools
import re
import shutil
from importlib.metadata import files
from pathlib import Path

from tools import cover

# The parts of MathJax, in the order in which they are needed; its menu, two fifths of the whole,
# is left out: it makes every formula a stop of the Tab key.
MATHJAX = ("startup.js", "core.js", "input/tex.js", "output/chtml.js")
MATHJAX += ("output/chtml/fonts/tex.js", "a11y/assistive-mml.js")
FONTS = ("MathJax_Main-Regular.woff", "MathJax_Math-Italic.woff")
_MATHJAX_FOLDERS = ("output/chtml/fonts/woff-v2/", "input/tex/extensions/")

_ICON = re.compile(r'<(i|span) class="([^"]*\bfa-(?:solid|brands|regular) [^"]*)"([^>]*)></\1>')
_NAME = re.compile(r"\bfa-(?!solid|brands|regular|lg|fw)([\w-]+)")
_ICONS_SCRIPT = re.compile(r"\s*<script[^>]*scripts/fontawesome\.js[^>]*></script>")
_SEARCH = re.compile(
    r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>'
)
_MATHJAX_TAG = re.compile(r'<script[^>]*src="([^"]*)mathjax/startup\.js[^"]*"[^>]*></script>')
# The state of widgets, which no kernel answers here.
_WIDGETS = re.compile(
    r'<script type="application/vnd\.jupyter\.widget-state\+json">.*?</script>', re.S
)
_FIGURE = re.compile(r'<figure class="book-(?:figure|player)".*?</figure>', re.S)
_CODE = re.compile(r'(<div class="highlight[^"]*"><pre>)(.*?)(</pre>)', re.S)
_FITS = 72  # letters of a line of code that fit a page's column in any font
_OPENING = re.compile(r"</h1>.*?<p>(?=[^<]*\w)(.*?)</p>", re.S)
_ICON_FONT = re.compile(r"@font-face\{[^}]*Font ?Awesome[^}]*\}")
_ICON_RULE = re.compile(r"(?<=\})(?:\.fa[srb]?(?:-[\w-]+)?(?:::?(?:before|after))?,?)+\{[^}]*\}")


def site(folder: Path, address: str = "") -> None:
    """Lightens every page and style sheet of a built site, and removes what none asks for.

    Args:
        folder: that holds `index.html`; its files are changed in place.
        address: where the site is published, if that is known.
    """
    static = folder / "_static"
    script = static / "scripts" / "fontawesome.js"
    icons = script.read_text(encoding="utf-8")
    for path in folder.rglob("*.html"):
        if "_static" not in path.relative_to(folder).parts:
            text = path.read_text(encoding="utf-8")
            text = page(text, icons, path.name == "search.html", address)
            path.write_text(text, encoding="utf-8")
    sheet = static / "styles" / "pydata-sphinx-theme.css"
    sheet.write_text(style(sheet.read_text(encoding="utf-8")), encoding="utf-8")
    for idle in {*static.glob("scripts/fontawesome*"), *static.rglob("*.js.map")}:
        idle.unlink()
    shutil.rmtree(static / "vendor" / "fontawesome", ignore_errors=True)


def page(text: str, icons: str, search: bool = False, address: str = "") -> str:
    """A page with its icons in it, without the scripts that it does not use.

    Args:
        text: the page.
        icons: the theme's script of all icons, from which the drawings are taken.
        search: whether it is the search page, which needs the index.
        address: where the site is published, if that is known.

    Raises:
        ValueError: the page shows an icon that the script does not have.
    """
    text = _ICONS_SCRIPT.sub("", _ICON.sub(lambda match: _inline(match, icons), text))
    if not search:
        text = _SEARCH.sub("", text)
    if found := _MATHJAX_TAG.search(text):
        text = text.replace("<meta charset", _preloads(found[1]) + "<meta charset", 1)
    return wrapped(numbered(described(_WIDGETS.sub("", text), address)))


def wrapped(text: str) -> str:
    """A page whose long lines of code may go on in the next line, indented below where they began.

    What is longer than a line of code should be are captions and alternative texts.
    """

    def line(source: str) -> str:
        plain = html.unescape(re.sub(r"<[^>]+>", "", source))
        whole = source.count("<span") == source.count("</span")  # no string over several lines
        if len(plain) <= _FITS or not whole:
            return source
        indent = len(plain) - len(plain.lstrip()) + 4
        return f'<span class="book-long" style="--indent:{indent}ch">{source}</span>'

    def block(match: re.Match) -> str:
        return match[1] + "\n".join(map(line, match[2].split("\n"))) + match[3]

    return _CODE.sub(block, text)


def described(text: str, address: str = "") -> str:
    """A page that says what it is about to those who show links to it: its first paragraph.

    Most of these want the picture's whole address; where the site's is not known, `address` is
    empty, it is named from the page.
    """
    title, first = re.search(r"<title>(.*?)</title>", text, re.S), _OPENING.search(text)
    if not title or not first or 'name="description"' in text:
        return text
    words = html.escape(html.unescape(re.sub(r"<[^>]+>", "", first[1])).strip()[:300])
    tags = f'<meta name="description" content="{words}">\n'
    tags += f'<meta property="og:title" content="{title[1].strip()}">\n'
    tags += f'<meta property="og:description" content="{words}">\n'
    if style := re.search(r'href="((?:\.\./)*_static/)', text):
        static = f"{address.rstrip('/')}/_static/" if address else style[1]
        tags += f'<meta property="og:image" content="{static}{cover.CARD}">\n'
        tags += '<meta name="twitter:card" content="summary_large_image">\n'
    return text.replace("<title>", f"{tags}<title>", 1)


def numbered(text: str) -> str:
    """Numbers a chapter's figures, so that one can name them and link to them."""
    chapter = re.search(r'<h1><span class="section-number">(\d+)', text)
    count = itertools.count(1)

    def number(match):
        k = next(count)
        # In it and not on it: a player's figure has an id of its own, by which its script finds it.
        anchor = f'<span id="figure-{k}"></span>'
        figure = re.sub(r"<figure[^>]*>", lambda tag: tag[0] + anchor, match[0], count=1)
        if not chapter:
            return figure
        link = f'<a class="book-number" href="#figure-{k}">Figure {chapter[1]}.{k}</a> '
        if "<figcaption>" in figure:
            return figure.replace("<figcaption>", f"<figcaption>{link}", 1)
        return figure.replace("</figure>", f"<figcaption>{link}</figcaption></figure>")

    return _FIGURE.sub(number, text)


def style(text: str) -> str:
    """The theme's style sheet without its rules for icons that are no longer glyphs of a font."""
    text, before = _ICON_FONT.sub("", text), ""
    while text != before:  # a rule is known by the brace before it
        text, before = _ICON_RULE.sub("", text), text
    return text


def copy_mathjax(folder: Path) -> None:
    """Puts the parts of MathJax that pages use into the site's `_static/mathjax`."""
    root = "sphinx-mathjax-offline/static/mathjax/"
    for file in files("sphinx-mathjax-offline"):
        name = str(file).replace("\\", "/").removeprefix(root)
        if str(file) != name and (name in MATHJAX or name.startswith(_MATHJAX_FOLDERS)):
            target = folder / "_static" / "mathjax" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), target)


def _inline(match: re.Match, icons: str) -> str:
    """The icon of a matched element, drawn."""
    _, classes, more = match.groups()
    names = _NAME.findall(classes)
    width, height, path = _drawing(names[0], icons)
    return (
        f'<svg class="svg-inline--fa {classes}"{more} aria-hidden="true" focusable="false" '
        f'viewBox="0 0 {width} {height}"><path fill="currentColor" d="{path}"/></svg>'
    )


@functools.cache
def _drawing(name: str, icons: str) -> tuple[str, str, str]:
    """Width, height and path of an icon; the solid kind where there are several."""
    own = rf'(?<![\w-])"?{re.escape(name)}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]*)"\]'
    alias = r'\[(\d+),(\d+),\[[^\]]*"' + re.escape(name) + r'"[^\]]*\],"[0-9a-f]+","([^"]*)"\]'
    found = re.findall(own, icons) or re.findall(alias, icons)
    if not found:
        raise ValueError(f"The theme's script of icons has none called {name!r}.")
    return found[-1]


def _preloads(static: str) -> str:
    """Links that ask for MathJax before the page has been read."""
    scripts = [f'<link rel="preload" as="script" href="{static}mathjax/{n}">' for n in MATHJAX]
    font = '<link rel="preload" as="font" type="font/woff" crossorigin href="{}">'
    folder = f"{static}mathjax/output/chtml/fonts/woff-v2/"
    return "\n".join([*scripts, *(font.format(folder + name) for name in FONTS), ""])
