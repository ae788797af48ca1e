// What helps a reader through a page: prose only, previews of what is referred to, a player's state
// in the address, and the passage that was searched for. Everything works without it.
(() => {
  const article = document.querySelector(".bd-article");
  const html = document.documentElement;
  const make = (tag, attributes = {}) => Object.assign(document.createElement(tag), attributes);

  // One switch, remembered, that hides code and proofs.
  const PROSE = "book-prose";
  const remembering = (f) => { try { return f(localStorage); } catch { return null; } };  // may be blocked
  const setProse = (on) => {
    html.toggleAttribute("data-prose", on);
    button.setAttribute("aria-pressed", on);
    button.title = on ? "Show code and proofs again" : "Hide code and proofs";
  };
  const button = make("button", { type: "button", className: "btn btn-sm book-prose", textContent: "Prose" });
  const bar = document.querySelector(".article-header-buttons");
  if (bar && article?.querySelector(".cell_input, .admonition.dropdown")) {
    bar.prepend(button);
    setProse(remembering((store) => store.getItem(PROSE)) === "1");
    button.addEventListener("click", () => {
      const on = !html.hasAttribute("data-prose");
      remembering((store) => store.setItem(PROSE, on ? "1" : "0"));
      setProse(on);
    });
  }

  // A formula wider than a phone scrolls in its line: only then is it a stop of the Tab key. Fonts
  // that come late and a phone that is turned change which are. What is drawn is measured: an accent
  // that leans over its letter makes a box scroll by a pixel or two.
  const scrolling = () => {
    for (const formula of document.querySelectorAll('mjx-container[display="true"], .bd-article span.math')) {
      const drawn = formula.querySelector("mjx-math")?.getBoundingClientRect().width ?? 0;
      if (drawn > formula.clientWidth + 1) formula.tabIndex = 0;
      else formula.removeAttribute("tabindex");
    }
  };
  const typeset = () => {
    const done = window.MathJax?.startup?.promise;
    if (!done) return void setTimeout(typeset, 200);
    done.then(scrolling);
    done.then(() => document.fonts.ready).then(scrolling);
    window.addEventListener("resize", scrolling);
    for (const folded of document.querySelectorAll("details")) folded.addEventListener("toggle", scrolling);
  };
  if (document.querySelector(".math")) typeset();

  // Players: a state that was chosen stands in the address, and an address brings its state back.
  const inputs = (figure) => [...figure.querySelectorAll(".book-controls :is(input, select)")];
  const players = [...document.querySelectorAll("figure.book-player[id]")];
  players.forEach((figure) => {
    const chosen = new URLSearchParams(location.search).get(figure.id);
    chosen?.split("-").forEach((value, k) => {
      const input = inputs(figure)[k];
      if (!input) return;
      input.value = value;
      input.dispatchEvent(new Event(input.tagName === "SELECT" ? "change" : "input", { bubbles: true }));
    });
    figure.addEventListener("change", () => {
      const url = new URL(location.href);
      url.searchParams.set(figure.id, inputs(figure).map((input) => input.value).join("-"));
      history.replaceState(null, "", url);
    });
  });

  // Previews of formulas, theorems, sources and terms where the pointer rests on a link, and of the
  // notation where it rests on a formula that is one symbol (tools/symbols.py).
  const box = make("div", { className: "book-preview", hidden: true });
  box.setAttribute("role", "tooltip");
  document.body.append(box);
  const pages = new Map();
  const page = (url) => {
    if (!pages.has(url)) {
      const read = async () => new DOMParser().parseFromString(await (await fetch(url)).text(), "text/html");
      pages.set(url, read().catch(() => null));
    }
    return pages.get(url);
  };
  // The part of a page that an anchor names, if it is short enough for a preview.
  const passage = (from, id) => {
    let place = id && from?.getElementById(decodeURIComponent(id));
    if (!place) return null;
    if (place.tagName === "SPAN" && !place.textContent) place = place.nextElementSibling ?? place.parentElement;
    if (place.tagName === "DT" && place.classList.contains("sig")) return null;
    if (place.matches("tr[id^=symbol-]")) {
      const row = make("div", { className: "book-symbol" });
      row.append(...[...place.cells].slice(0, 3).flatMap((cell) => [...cell.cloneNode(true).childNodes, " "]));
      return row;
    }
    if (place.tagName === "DT") {
      const both = make("div");
      both.append(place.cloneNode(true), place.nextElementSibling?.cloneNode(true) ?? "");
      return both;
    }
    const fits = place.matches("div.math, .proof, .citation, .math-wrapper, li, tr, figure") ||
      place.closest(".citation, .proof");
    const whole = place.matches("div.math, .proof, .citation, figure, tr, li") ? place : place.closest(".citation, .proof") ?? place;
    return fits ? whole.cloneNode(true) : null;
  };
  let wanted = null;
  const hide = () => { wanted = null; box.hidden = true; };
  const address = (place) => place.href ?? new URL(`notation.html#${place.dataset.symbol}`, location.href).href;
  const preview = async (link) => {
    wanted = link;
    const [url, id] = address(link).split("#");
    const here = url === location.href.split("#")[0];
    const found = passage(here ? document : await page(url), id);
    if (wanted !== link || !found) return;
    found.querySelectorAll(".headerlink, script, [id]").forEach((part) =>
      part.matches("[id]") ? part.removeAttribute("id") : part.remove());
    found.removeAttribute("id");
    box.replaceChildren(found);
    box.hidden = false;
    if (!here) await window.MathJax?.typesetPromise?.([box]);
    const at = link.getBoundingClientRect();
    const above = at.top > box.offsetHeight + 16;
    box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - box.offsetWidth - 16)) + scrollX}px`;
    box.style.top = `${(above ? at.top - box.offsetHeight - 8 : at.bottom + 8) + scrollY}px`;
  };
  let timer = 0;
  const links = "a.reference.internal[href*='#'], .bd-article a.internal[href*='#']";
  article?.addEventListener("pointerover", (event) => {
    const link = event.target.closest?.(`${links}, [data-symbol]`);
    if (!link || event.pointerType === "touch") return;
    clearTimeout(timer);
    timer = setTimeout(() => preview(link), 250);
    link.addEventListener("pointerleave", () => { clearTimeout(timer); hide(); }, { once: true });
  });
  article?.addEventListener("focusin", (event) => event.target.matches?.(links) && preview(event.target));
  article?.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  // A finger does not rest: it touches a symbol, and then something else.
  document.addEventListener("click", (event) => {
    const symbol = event.target.closest?.("[data-symbol]");
    if (symbol && article?.contains(symbol) && wanted !== symbol) preview(symbol);
    else if (!box.contains(event.target)) hide();
  });

  // Search: text snippets without menus and code, and the passage itself on the page that is opened.
  if (typeof Search !== "undefined" && Search.htmlToText) {
    Search.htmlToText = (text, anchor) => {
      const parsed = new DOMParser().parseFromString(text, "text/html");
      const body = parsed.querySelector("article.bd-article") ?? parsed.body;
      const part = (anchor && body.querySelector(anchor)) || body;
      part.querySelectorAll("script, style, pre, summary, figure, .headerlink, .math, .toctree-wrapper, .book-head, h1")
        .forEach((other) => other.remove());
      return part.textContent.replace(/\s+/g, " ");
    };
  }
  const toPassage = () => {
    const mark = article?.querySelector("span.highlighted");
    if (!mark || location.hash) return;
    for (let p = mark.parentElement; p; p = p.parentElement) if (p.tagName === "DETAILS") p.open = true;
    mark.scrollIntoView({ block: "center" });
  };
  window.addEventListener("load", () => setTimeout(toPassage, 50));
})();

// The ledger: a search, and lists to choose from; rows and headings without a match are hidden.
(() => {
  const rows = [...document.querySelectorAll(".book-row")].map((mark) => ({ ...mark.dataset, row: mark.closest("tr") }));
  const first = document.querySelector("section[id='claims-of-the-papers']");
  if (!first || !rows.length) return;
  const make = (tag, attributes = {}) => Object.assign(document.createElement(tag), attributes);
  const form = make("form", { className: "book-filter" });
  form.setAttribute("role", "search");
  const field = make("input", { type: "search", placeholder: "words of a claim" });
  const labelled = (name, control) => {
    const label = make("label", { textContent: `${name} ` });
    label.append(control);
    form.append(label);
    return control;
  };
  labelled("Search", field);
  const lists = { source: "By", kind: "Kind", verdict: "Verdict" };
  const selects = Object.entries(lists).map(([key, name]) => {
    const select = labelled(name, make("select"));
    select.add(new Option("all", ""));
    [...new Set(rows.map((row) => row[key]))].forEach((value) => select.add(new Option(value, value)));
    return [key, select];
  });
  const count = make("output");
  form.append(count);
  first.before(form);
  const checks = document.querySelector(".book-checks");
  const update = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const one of rows) {
      const text = one.row.textContent.toLowerCase();
      const fits = words.every((word) => text.includes(word)) &&
        selects.every(([key, select]) => !select.value || one[key] === select.value);
      one.row.hidden = !fits;
      shown += fits;
    }
    for (const section of document.querySelectorAll("section section, section section section")) {
      const own = section.querySelectorAll("tbody tr:has(.book-row)");
      if (own.length) section.hidden = [...own].every((row) => row.hidden);
    }
    const filtered = words.length || selects.some(([, select]) => select.value);
    count.textContent = `${shown} of ${rows.length} rows`;
    if (checks && filtered) checks.open = true;
  };
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  const open = () => {
    const place = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (place && checks?.contains(place)) { checks.open = true; place.scrollIntoView({ block: "center" }); }
  };
  window.addEventListener("hashchange", open);
  update();
  open();
})();
