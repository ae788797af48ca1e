"""The built site in a real browser, as readers see it."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.conftest import ROOT, SITE
from tools import checks, stamp

pytestmark = pytest.mark.site

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# Screens of 1280 x 800 up to **Where next.**, and chapters that are still longer.
SCREENS = 17
LENGTHS: dict[str, int] = {}
# The fold: a chapter's first picture begins above it, but for those that still begin with text.
FOLD = 600
LATE: set[str] = set()
# Texts of figures that leave the picture, or meet: share a sixth of the smaller one's box.
CROWDED = """() => [...document.querySelectorAll(".bd-article svg")].flatMap((svg) => {
  const frame = svg.getBoundingClientRect();
  const boxes = [...svg.querySelectorAll('g[id*="-text_"]')]
    .filter((text) => !/rotate\\((?!-90|90)/.test(text.innerHTML))  // a box says little of those
    .map((text) => [text.id, text.getBoundingClientRect()]).filter(([, box]) => box.width > 0);
  const cut = boxes.filter(([, box]) => box.left < frame.left - 2 || box.right > frame.right + 2
    || box.top < frame.top - 2 || box.bottom > frame.bottom + 2).map(([id]) => id);
  const area = (box) => box.width * box.height;
  const meets = (one, other) => {
    const width = Math.min(one.right, other.right) - Math.max(one.left, other.left);
    const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
    return Math.min(width, height) > 2
      && 6 * width * height > Math.min(area(one), area(other));
  };
  const meeting = boxes.flatMap(([id, box], k) => boxes.slice(k + 1)
    .filter(([, other]) => meets(box, other)).map(([other]) => `${id} and ${other}`));
  return frame.width ? [...cut, ...meeting] : [];
})"""
# A word that a reader would look for, and the chapter that must come up; for one that is not here
# `own_word` takes the longest of the words that no other chapter has.
TERMS = {
    "Tweedie": "diffusion_models",
    "diversity": "01_sim_task",
    "terminal slowing": "02_linear_closed_form",
    "cross-talk": "03_swing_by",
    "origin cluster": "04_nonlinear_sim",
    "colour signal": "05_concept_diffusion",
    "length generalisation": "06_cpc_lcs_lemma",
    "de Bruijn": "07_noise_and_locality",
    "whitening": "08_feature_space",
    "misplaced": "09_clevr_length_generalization",
    "neglect": "10_clevr_local_scores",
    "foreign part": "11_synthesis",
}


def own_word(name: str, texts: dict[str, str]) -> str:
    """The longest plain word in a chapter's prose that no other chapter has, the first of these."""
    words = {
        chapter: re.findall(
            r"(?<![\w$\\{.`-])[a-z]{6,14}(?=[\s,.;:])", re.sub(r"`[^`]*`", "", text)
        )
        for chapter, text in texts.items()
    }
    others = {word for chapter, found in words.items() if chapter != name for word in found}
    return max((word for word in words[name] if word not in others), key=len)


def prose() -> dict[str, str]:
    """What stands in words in each chapter, by its name."""
    return {
        path.stem: "\n".join(
            c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown"
        )
        for path in checks.toc_notebooks(ROOT, ROOT)
    }


def test_every_chapter_has_a_word_of_its_own_to_search_for():
    texts = prose()
    assert set(TERMS.values()) <= set(texts)
    words = {own_word(name, texts): name for name in texts}
    assert set(words.values()) == set(texts)
    texts = {
        "a": "of `coded.words`, $formula$ and shorter, or lattices: others",
        "b": "The others, ",
    }
    assert own_word("a", texts) == "lattices"


def pages() -> list[str]:
    """Every page of the table of contents."""
    return checks.toc_names(ROOT)


def visit(browser, address: str, viewport: dict, scheme: str):
    """A loaded page, and what went wrong while it loaded."""
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
    page.on(
        "response", lambda r: faults.append(f"{r.status}: {r.url}") if r.status >= 400 else None
    )
    page.goto(address)
    page.wait_for_function("!window.MathJax?.startup || window.MathJax.startup.promise")
    page.evaluate("window.MathJax?.startup?.promise")
    return context, page, faults


def check(browser, site: str, name: str, viewport: dict, scheme: str) -> None:
    """Everything a page must be, in one load."""
    context, page, faults = visit(browser, f"{site}/{name}.html", viewport, scheme)
    assert not faults
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"scrolls sideways by {wide} px"
    cut = page.evaluate(
        """[...document.querySelectorAll('.bd-article figure svg, tr:has(.book-row), td strong')]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.getAttribute('aria-label') ?? e.textContent)"""
    )
    assert not cut, "a part of a figure or of a verdict is hidden"
    assert not page.evaluate(CROWDED), "texts of a figure are cut, or meet"
    if viewport == WIDE:
        check_width(page)
        check_opening(page, name.removeprefix("chapters/"))
        check_length(page, name.removeprefix("chapters/"))
    raw = page.locator(".math:not(:has(mjx-container))")
    assert raw.count() == 0, f"not typeset: {raw.first.text_content()}"
    assert page.locator("mjx-merror").count() == 0
    stops = """async () => {
        await document.fonts.ready;
        await new Promise(requestAnimationFrame);
        const stop = (e) => e.hasAttribute("tabindex") ||
            e.matches("span") && /auto|scroll/.test(getComputedStyle(e).overflowX);
        const wide = (e) =>
            e.querySelector("mjx-math").getBoundingClientRect().width > e.clientWidth;
        return [...document.querySelectorAll(".bd-article :is(span.math, mjx-container)")]
            .filter((e) => stop(e) && !wide(e)).map((e) => e.textContent);
    }"""
    assert page.evaluate(stops) == [], "formulas that fit are no Tab stops"
    broken = page.evaluate("[...document.images].filter(i => !i.naturalWidth).map(i => i.src)")
    assert not broken
    for k in range(page.locator(".book-player").count()):
        check_player(page.locator(".book-player").nth(k))
    for k in range(page.locator(".book-page").count()):
        check_module(page.locator(".book-page").nth(k))
    if scheme == "dark":
        check_dark(page)
    assert not faults, "after its sliders were moved"
    results = Axe().run(page)
    serious = [
        f"{v['id']}: {v['nodes'][0]['html'][:200]}"
        for v in results.response["violations"]
        if v["impact"] in ("serious", "critical")
    ]
    assert not serious
    context.close()


def check_width(page) -> None:
    """Of its code, outputs and tables, folded ones too, at most a tenth scroll sideways."""
    page.evaluate("document.querySelectorAll('details.hide').forEach((e) => { e.open = true; })")
    blocks, wide = page.evaluate(
        """() => {
            const parts = "div.highlight pre, .cell_output pre, .cell_output table, " +
                "table.table, .pst-scrollable-table-container, .book-ledger, .cell_output .output";
            const seen = [...document.querySelectorAll(parts)].filter((e) => e.clientWidth);
            const wide = seen.filter((e) => e.scrollWidth > e.clientWidth + 1);
            return [seen.length, wide.map((e) => e.textContent.trim().slice(0, 80))];
        }"""
    )
    page.evaluate("document.querySelectorAll('details.hide').forEach((e) => { e.open = false; })")
    assert len(wide) <= blocks / 10, wide


def check_opening(page, name: str) -> None:
    """A chapter opens with its answer and a picture, and then asks its question."""
    answer, words, picture, question = page.evaluate(
        """() => {
            const top = (e) => e ? e.getBoundingClientRect().top + scrollY : null;
            const said = (words) => [...document.querySelectorAll(".bd-article p > strong")]
                .find((e) => e.textContent.startsWith(words));
            const figures = [...document.querySelectorAll(".bd-article figure")];
            const seen = figures.find((e) => e.getClientRects().length);
            const whole = said("The answer")?.parentElement.cloneNode(true);
            whole?.querySelectorAll("mjx-container").forEach((e) => e.replaceWith("x"));
            const begin = top(said("The answer"));
            return [begin, whole?.textContent, top(seen), top(said("The question"))];
        }"""
    )
    if question is not None:  # a chapter
        assert answer < question
        said = words.removeprefix("The answer.").strip()
        assert 3 <= len(re.findall(r"[.!?]\)?(?=\s+[A-Z(]|$)", said)) <= 5, said
        assert name in LATE or answer < picture <= FOLD, "its best picture is not above the fold"


def check_length(page, name: str) -> None:
    """A chapter's main line, up to where it says where next, is about fifteen screens long."""
    height = page.evaluate(
        """() => {
            const next = [...document.querySelectorAll(".bd-article p > strong")]
                .find((e) => e.textContent.startsWith("Where next"));
            const top = document.querySelector(".bd-article").getBoundingClientRect().top;
            return next ? next.parentElement.getBoundingClientRect().bottom - top : 0;
        }"""
    )
    print(f"{name}: {height / 800:.1f} screens to where next")
    assert height / 800 <= LENGTHS.get(name, SCREENS), "fold, or move behind **Where next.**"


def check_player(player) -> None:
    """Its sliders move by keyboard, the picture and its text alternative follow, Play plays."""
    svg = player.locator("svg").first
    for slider in player.locator("input[type=range]").all():
        before = svg.evaluate("e => e.innerHTML")
        at_end = slider.evaluate("e => e.value === e.max")
        slider.focus()
        slider.press("ArrowLeft" if at_end else "ArrowRight")
        assert svg.evaluate("e => e.innerHTML") != before, "the picture did not follow its slider"
    for choice in player.locator("select").all():
        before = svg.evaluate("e => e.innerHTML")
        choice.select_option(index=0 if choice.evaluate("e => e.selectedIndex") else 1)
        assert svg.evaluate("e => e.innerHTML") != before, "the picture did not follow its list"
    assert "{" not in svg.get_attribute("aria-label")
    for button in player.locator("button").all():
        before = svg.evaluate("e => e.innerHTML")
        button.click()
        # At once or soon: from its end it begins anew, and with few frames is soon there again.
        button.page.wait_for_function(
            "([e, before]) => e.innerHTML !== before",
            arg=[svg.element_handle(), before],
            timeout=5_000,
        )
        if "Pause" in button.text_content():
            button.click()


def check_module(figure) -> None:
    """It is alive, its handles move by keyboard, and the picture and its words follow."""
    assert figure.get_attribute("data-mounted") == "yes"
    for handle in figure.locator("[role=slider]").all():
        before = handle.get_attribute("aria-valuetext")
        handle.focus()
        handle.press("ArrowUp")
        handle.press("ArrowUp")
        handle.press("ArrowDown")  # one up in all, or one down where it was at its end
        figure.page.wait_for_function(
            "([e, before]) => e.getAttribute('aria-valuetext') !== before",
            arg=[handle.element_handle(), before],
            timeout=5_000,
        )


def check_dark(page) -> None:
    """In the dark, a figure's text is light on what is behind it."""
    for figure in page.locator(".book-figure svg, .book-player svg, .book-page svg").all():
        ink, ground = figure.evaluate(
            """e => {
                let ground = e;
                const clear = c => c === 'rgba(0, 0, 0, 0)' || c === 'transparent';
                while (ground && clear(getComputedStyle(ground).backgroundColor))
                    ground = ground.parentElement;
                return [getComputedStyle(e).color, getComputedStyle(ground).backgroundColor];
            }"""
        )
        assert contrast(ink, ground) >= 4.5, f"{ink} on {ground}"


def contrast(one: str, other: str) -> float:
    """WCAG's contrast of two CSS colours."""

    def luminance(colour):
        parts = [int(float(v)) / 255 for v in re.findall(r"[\d.]+", colour)[:3]]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", pages())
def test_page(browser, site, name):
    check(browser, site, name, WIDE, "light")


@pytest.mark.parametrize("name", ["chapters/index", "chapters/01_sim_task", "chapters/claims"])
def test_three_pages_dark_and_narrow(browser, site, name):
    check(browser, site, name, NARROW, "dark")


@pytest.mark.parametrize("name", ["chapters/api", "genindex"])
def test_long_names_break_on_a_phone(browser, site, name):
    context, page, _ = visit(browser, f"{site}/{name}.html", NARROW, "light")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    context.close()


@pytest.mark.parametrize("name", [name for name in pages() if re.search(r"/\d\d_", name)])
def test_texts_of_figures_neither_meet_nor_are_cut_on_a_phone(browser, site, name):
    context, page, _ = visit(browser, f"{site}/{name}.html", NARROW, "light")
    page.evaluate("document.querySelectorAll('details').forEach((folded) => folded.open = true)")
    assert page.locator(".bd-article svg:visible").count() > 1
    assert not page.evaluate(CROWDED)
    context.close()


@pytest.mark.weekly
@pytest.mark.parametrize("name", pages())
@pytest.mark.parametrize(
    ("viewport", "scheme"), [(WIDE, "dark"), (NARROW, "light"), (NARROW, "dark")]
)
def test_every_variant(browser, site, name, viewport, scheme):
    check(browser, site, name, viewport, scheme)


@pytest.mark.weekly
def test_search_finds_a_term_of_each_chapter(browser, site):
    texts = prose()
    unnamed = {own_word(name, texts): name for name in sorted(set(texts) - set(TERMS.values()))}
    for term, chapter in (TERMS | unnamed).items():
        _, page, faults = visit(browser, f"{site}/search.html?q={term}", WIDE, "light")
        page.wait_for_selector(f"#search-results a[href*='{chapter}']", timeout=10_000)
        assert not faults


def test_search_shows_text_of_chapters_first_and_leads_to_the_passage(browser, site):
    context, page, faults = visit(browser, f"{site}/search.html?q=mixture", WIDE, "light")
    found = page.locator("#search-results li")
    page.wait_for_function(  # until every passage has come: a click would cut off the others
        """() => document.querySelector(".search-summary")?.textContent.includes("found") &&
            [...document.querySelectorAll("#search-results li")].every(
                (li) => li.childElementCount > 1)"""
    )
    assert page.locator("#search-results .context").count() > 3
    assert re.search(r"chapters/\d\d_", found.first.locator("a").first.get_attribute("href"))
    snippets = page.locator("#search-results .context").all_inner_texts()
    assert "mixture" in snippets[0].lower()
    assert "Show the code" not in " ".join(snippets)
    found.first.locator("a").first.click()
    page.wait_for_function(
        """() => [...document.querySelectorAll("span.highlighted")].some((e) => {
            const at = e.getBoundingClientRect();
            return at.height && at.top >= 0 && at.bottom <= innerHeight;
        })"""
    )
    assert not faults
    context.close()


@pytest.mark.parametrize(
    "name",
    [
        name
        if name.endswith("02_linear_closed_form")
        else pytest.param(name, marks=pytest.mark.weekly)
        for name in pages()
    ],
)
def test_on_paper_ink_is_dark_and_no_line_is_cut(browser, site, name):
    """Printed from the dark theme, without backgrounds, on A4."""
    context, page, _ = visit(browser, f"{site}/{name}.html", {"width": 794, "height": 1123}, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    inks = page.evaluate(
        """() => [".bd-article :is(p, h1, h2, h3)", ".bd-article svg[role=img]", ".highlight span",
            "mjx-container"]
          .flatMap((part) => [...document.querySelectorAll(part)])
          .map((element) => getComputedStyle(element).color)"""
    )
    for ink in set(inks):
        assert sum(map(int, re.findall(r"\d+", ink)[:3])) < 3 * 110, ink
    pressed = ".book-controls, .copybtn, .toggle-button, .bd-article button, details.hide > summary"
    shown = page.evaluate(
        "(parts) => [...document.querySelectorAll(parts)].filter((e) => e.getClientRects().length)"
        ".map((e) => e.className)",
        pressed,
    )
    assert not shown, "there is nothing to press on paper"
    title = page.locator(".bd-article h1")
    assert title.is_visible(), "the title with its number"
    torn = page.evaluate(
        """() => [...document.querySelectorAll(".bd-article :is(pre, .cell, .cell_input, " +
              ".cell_output, .admonition, div[class^='highlight'])")]
            .filter((e) => e.getClientRects().length)
            .filter((e) => {
                const style = getComputedStyle(e);
                return style.overflowY !== "visible" || style.display === "flex" ||
                    style.breakInside !== "auto";
            }).map((e) => e.className)"""
    )
    assert not torn, "what can't be broken over pages leaves them half empty"
    words = page.evaluate(
        "[...document.querySelectorAll('.bd-article td')]"
        ".map((e) => getComputedStyle(e).overflowWrap)"
    )
    assert set(words) <= {"break-word"}, "else a column breaks its numbers"
    page.wait_for_function(  # the page is laid out anew for paper, which takes a moment
        """[...document.querySelectorAll(".bd-article pre")]
          .every((e) => e.scrollWidth <= e.clientWidth + 1)""",
        timeout=10_000,
    )
    context.close()


@pytest.mark.weekly
def test_without_scripts_each_player_is_a_picture(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/chapters/01_sim_task.html")
    assert page.locator(".book-player svg[role=img][aria-label] path").count() > 5
    context.close()


def test_the_ledger_can_be_searched_and_leads_to_its_cells(browser, site):
    context, page, faults = visit(browser, f"{site}/chapters/claims.html", WIDE, "light")
    rows = page.locator("tr:has(.book-row)")
    every = rows.count()
    folded = page.locator(".book-checks")
    assert folded.get_attribute("open") is None, "what few ask for is folded"
    for label in ("By", "Kind", "Verdict"):
        page.get_by_label(label).select_option(index=1)
        shown = page.locator("tr:has(.book-row):visible").count()
        assert 0 < shown < every
        assert page.locator("output").inner_text() == f"{shown} of {every} rows"
        page.get_by_label(label).select_option("all")
    assert folded.get_attribute("open") is not None, "a filter looks into it too"
    page.get_by_label("Kind").select_option("check")
    page.get_by_placeholder("words of a claim").fill("slowing terminal")
    assert page.locator("tr:has(.book-row):visible").count() == 1
    page.get_by_role("link", name="cell", exact=True).locator("visible=true").first.click()
    page.wait_for_url("**/02_linear_closed_form.html#cell-linear.slowing")
    assert page.locator("[id='cell-linear.slowing']").count() == 1
    page.locator("[id='cell-linear.slowing']").evaluate("e => e.click()")  # folded or not
    page.wait_for_url("**/claims.html#claim-linear.slowing")
    assert not faults
    context.close()


def test_a_chapter_s_rows_lead_to_their_rows_of_the_ledger(browser, site):
    context, page, _ = visit(browser, f"{site}/chapters/11_synthesis.html", WIDE, "light")
    for place, id in (("table:has(td:nth-child(6))", "synthesis."), ("table", "length.far.")):
        page.goto(f"{site}/chapters/11_synthesis.html")  # a row's own name; one that a text names
        page.locator(f"{place} a[href*='#claim-{id}']").first.click()
        page.wait_for_url(f"**/claims.html#claim-{id}*")
        assert page.locator("tr:has(.book-row:target)").count() == 1
    context.close()


@pytest.mark.parametrize("name", ["five_minutes", "11_synthesis"])
def test_rows_of_the_ledger_and_no_others_are_cards_on_a_phone(browser, site, name):
    context, page, _ = visit(browser, f"{site}/chapters/{name}.html", NARROW, "light")
    cards = "t => getComputedStyle(t.querySelector('td')).display === 'block'"
    tables = page.locator("table:has(td:nth-child(6))").all()
    assert tables
    for table in tables:
        rows = table.locator("a[href*='#claim-']").count() > 0
        assert table.evaluate(cards) == rows == (name != "five_minutes")
    context.close()


def test_on_a_phone_what_a_row_is_about_stays_in_sight(browser, site):
    page_name = f"{site}/chapters/09_clevr_length_generalization.html"
    context, page, _ = visit(browser, page_name, NARROW, "light")
    scrolled = page.evaluate(
        """() => [...document.querySelectorAll('.bd-article table.table')]
          .map(t => [t, t.parentElement]).filter(([t, box]) => t.scrollWidth > box.clientWidth + 20)
          .map(([t, box]) => { box.scrollLeft = 80;
            const cell = t.rows[1].cells[0].getBoundingClientRect();
            return [cell.left - box.getBoundingClientRect().left, cell.width]; })"""
    )
    assert scrolled
    for left, width in scrolled:
        assert abs(left) < 2
        assert 90 < width < 180  # words are whole, and room is left for the numbers
    context.close()


def test_prose_only_is_remembered_and_a_player_s_state_is_in_the_address(browser, site):
    context, page, _ = visit(browser, f"{site}/chapters/01_sim_task.html", WIDE, "light")
    page.get_by_role("button", name="Prose").click()
    assert page.locator(".cell_input:visible").count() == 0
    page.reload()
    assert page.locator(".cell_input:visible").count() == 0
    slider = page.locator("figure.book-player input[type=range]").first
    slider.focus()
    slider.press("ArrowRight")
    chosen = slider.input_value()
    assert "player-" in page.url
    page.goto(page.url)
    assert page.locator("figure.book-player input[type=range]").first.input_value() == chosen
    page.goto(f"{site}/chapters/06_cpc_lcs_lemma.html")
    assert page.locator(".theorem.proof:visible").count() == page.locator(".theorem.proof").count()
    proofs = page.locator(".admonition", has=page.locator(".admonition-title", has_text="Proof"))
    assert proofs.count()
    assert proofs.locator("visible=true").count() == 0
    context.close()


def test_where_nothing_may_be_remembered_the_page_works(browser):
    """A page of no origin has no storage, like one whose reader blocks all cookies."""
    page, faults = browser.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.set_content(
        "<div class=article-header-buttons></div><article class=bd-article><p class=cell_input>1"
        "</article>"
    )
    with pytest.raises(Exception, match=r"SecurityError|denied"):
        page.evaluate("localStorage.length")
    page.add_script_tag(content=(ROOT / "assets/book.js").read_text(encoding="utf-8"))
    page.get_by_role("button", name="Prose").click()
    assert page.locator("html[data-prose]").count() == 1
    assert page.locator(".book-preview").count() == 1  # what comes after the switch is there too
    assert not faults
    page.close()


def test_a_reference_shows_what_it_refers_to(browser, site):
    context, page, _ = visit(browser, f"{site}/chapters/01_sim_task.html", WIDE, "light")
    page.locator(".bd-article a.reference.internal[href*='bibliography']").first.hover()
    page.wait_for_selector(".book-preview:visible")
    page.keyboard.press("Escape")
    page.locator("a.book-term").first.hover()
    page.wait_for_selector(".book-preview:visible dd")
    page.goto(f"{site}/chapters/02_linear_closed_form.html")
    page.locator(".bd-article a.reference.internal[href*='#equation-']").first.hover()
    page.wait_for_selector(".book-preview:visible mjx-container")
    context.close()


def test_a_symbol_shows_its_row_of_the_notation_and_is_no_stop(browser, site):
    context, page, faults = visit(browser, f"{site}/chapters/08_feature_space.html", WIDE, "light")
    symbol = page.locator(".bd-article p [data-symbol]", has_text="A").first
    symbol.hover()
    shown = page.locator(".book-preview:visible")
    page.wait_for_selector(".book-preview:visible mjx-container")
    assert "features of a picture" in shown.inner_text()  # and not the first part's second moment
    assert page.locator("[data-symbol][tabindex]").count() == 0
    page.mouse.move(0, 0)
    page.wait_for_selector(".book-preview", state="hidden")
    symbol.click()  # as a finger does
    page.wait_for_selector(".book-preview:visible")
    page.locator("h1:visible").click()
    page.wait_for_selector(".book-preview", state="hidden")
    assert not faults
    context.close()


def test_buttons_lead_where_the_address_says(site):
    page = (SITE / "chapters/01_sim_task.html").read_text(encoding="utf-8")
    url, branch = stamp.repository()
    where = f"/github/{url.removeprefix('https://github.com/')}/blob/{branch}/chapters/01_sim_task.ipynb"
    assert (f"https://colab.research.google.com{where}" in page) == bool(url)
    assert (f"{url}/issues/new" in page) == bool(url)
    assert "btn-download-source-button" in page


def test_numbers_can_be_downloaded(browser, site):
    context, page, _ = visit(browser, f"{site}/chapters/01_sim_task.html", WIDE, "light")
    with page.expect_download() as waiting:
        page.locator("a[download]").click()
    data = json.loads(Path(waiting.value.path()).read_text())
    assert waiting.value.suggested_filename == "01_sim_task.json"
    assert data["provenance"]["torch"]
    assert len(data["numbers"]["relative_errors"]) >= 6
    context.close()
