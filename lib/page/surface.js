// What the reader takes hold of: pictures that Matplotlib drew, whose marks move and whose handles
// are dragged. Matplotlib stays the plotting surface, so that what a module draws looks like every
// other figure of the book, and the first state is there without scripts.
//
// A module exports `mount(page)`. It gets the page's panels by name, its settings, and makes
// handles, buttons, sliders and readouts with the methods below. `start` is called by the script
// that `lib.page.show` writes below the pictures.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and inline style: inline, because JupyterLab has not the site's css. */
export function make(tag, parent, css = "", attributes = {}) {
  const element = Object.assign(document.createElement(tag), attributes);
  element.style.cssText = css;
  parent.append(element);
  return element;
}

/** A map from data to the picture's units and back: linear, or logarithmic where `log` is set. */
export function scale({ log, from, to, start, end }) {
  const f = log ? Math.log : (v) => v, inverse = log ? Math.exp : (v) => v;
  const slope = (end - start) / (f(to) - f(from));
  const map = (value) => start + (f(value) - f(from)) * slope;
  map.invert = (place) => inverse(f(from) + (place - start) / slope);
  return map;
}

/** One picture: its axes as two scales, its moving marks by name. */
class Panel {
  constructor(box, spec) {
    this.box = box;
    this.svg = box.querySelector("svg");
    this.svg.style.display = "block";  // handles are placed by shares of its box
    // What moves lies on a sheet of its own, so that the text below is not painted again.
    this.sheet = document.createElementNS(SVG, "svg");
    this.sheet.setAttribute("viewBox", this.svg.getAttribute("viewBox"));
    this.sheet.style.cssText =
      "position:absolute;inset:0;width:100%;height:100%;pointer-events:none;will-change:transform";
    this.sheet.setAttribute("aria-hidden", "true");
    box.append(this.sheet);
    this.spec = spec;
    this.x = scale(spec.x);
    this.y = scale(spec.y);
  }

  /** A moving mark takes the place of what Matplotlib drew for it: returns `move(xs, ys)`.
   *  A value that is not finite lifts the pen. A mark of dots is a stroke of no length each. */
  line(name) {
    const mark = this.spec.marks[name];
    this.svg.querySelector(`[id$="-mark-${name}"]`).replaceChildren();
    const path = document.createElementNS(SVG, "path");
    const style = {
      fill: mark.fill ?? "none", stroke: mark.colour, "stroke-width": mark.width,
      "stroke-linecap": mark.dots ? "round" : "butt", "stroke-dasharray": mark.dashes,
      "stroke-opacity": mark.alpha, "fill-opacity": mark.alpha,
    };
    for (const [key, value] of Object.entries(style)) path.setAttribute(key, value);
    path.dataset.mark = name;
    path.setAttribute("clip-path", this.clip());
    this.sheet.append(path);
    return (xs, ys) => path.setAttribute("d", this.drawn(xs, ys, mark.dots));
  }

  drawn(xs, ys, dots) {
    let d = "", pen = "M";
    for (let k = 0; k < xs.length; k++) {
      const px = this.x(xs[k]), py = this.y(ys[k]);
      if (!Number.isFinite(px + py)) { pen = "M"; continue; }
      d += `${pen}${Math.round(100 * px) / 100} ${Math.round(100 * py) / 100}`;
      if (dots) d += "h0";
      else pen = "L";
    }
    return d;
  }

  /** Marks end where the axes do, whatever the reader drags them to. */
  clip() {
    const id = `${this.box.closest("figure").id}-${this.box.dataset.panel}-clip`;
    if (!this.sheet.querySelector(`[id="${id}"]`)) {
      const clip = document.createElementNS(SVG, "clipPath");
      const area = document.createElementNS(SVG, "rect");
      clip.id = id;
      const { x, y } = this.spec, edge = 3;
      const place = {
        x: x.start - edge, y: y.end - edge,
        width: x.end - x.start + 2 * edge, height: y.start - y.end + 2 * edge,
      };
      for (const [key, value] of Object.entries(place)) area.setAttribute(key, value);
      clip.append(area);
      this.sheet.append(clip);
    }
    return `url(#${id})`;
  }

  /** A curve that the reader draws from left to right, by pointer or by arrow keys; what is drawn
   *  again is replaced. name: what it is; from: where the pen of the keys begins, in data; value(x, y):
   *  what is spoken of its place. Returns { on(), off(), points() }, points as [xs, ys] in data. */
  sketch({ name, from, value }) {
    const path = document.createElementNS(SVG, "path"), places = [];
    const style = { fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-dasharray": "5 3" };
    for (const [key, text] of Object.entries(style)) path.setAttribute(key, text);
    path.dataset.mark = "sketch";
    this.sheet.append(path);
    const pad = this.over("div", "touch-action:none;cursor:crosshair", { hidden: true, tabIndex: 0 });
    const { x, y } = this.spec, edge = (v, a, b) => Math.min(Math.max(a, b), Math.max(Math.min(a, b), v));
    let pen;
    const drawn = (px, py) => {
      pen = [edge(px, x.start, x.end), edge(py, y.start, y.end)];
      places.splice(0, places.length, ...places.filter(([other]) => other < pen[0] - 0.5), pen);
      path.setAttribute("d", `M${places.map((place) => place.join(" ")).join("L")}`);
      pad.setAttribute("aria-valuenow", Number(this.y.invert(pen[1]).toPrecision(3)));
      pad.setAttribute("aria-valuetext", value(this.x.invert(pen[0]), this.y.invert(pen[1])));
    };
    const pointed = (event) => {
      const [px, py] = this.at(event);
      drawn(this.x(px), this.y(py));
    };
    pad.addEventListener("pointerdown", (event) => { pad.setPointerCapture(event.pointerId); pointed(event); });
    pad.addEventListener("pointermove", (event) => pad.hasPointerCapture(event.pointerId) && pointed(event));
    pad.addEventListener("keydown", (event) => {
      const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const fine = event.shiftKey ? 0.25 : 1;
      drawn(pen[0] + fine * step[0] * (x.end - x.start) / 25, pen[1] + fine * step[1] * (y.end - y.start) / 25);
    });
    const role = { role: "slider", "aria-label": name, "aria-valuemin": y.from, "aria-valuemax": y.to };
    return {
      on: () => {
        for (const [key, text] of Object.entries(role)) pad.setAttribute(key, text);
        pad.hidden = false;
        places.length = 0;
        drawn(this.x(from[0]), this.y(from[1]));
        pad.focus({ preventScroll: true });
      },
      off: () => {
        pad.hidden = true;
        pad.removeAttribute("role");  // what is hidden is nothing to move
      },
      points: () => [places.map((place) => this.x.invert(place[0])), places.map((place) => this.y.invert(place[1]))],
    };
  }

  /** An element that lies on the axes, edge on edge. */
  over(tag, css = "", attributes = {}) {
    const view = this.svg.viewBox.baseVal, { x, y } = this.spec;
    const share = (value, whole) => `${100 * value / whole}%`;
    return make(tag, this.box, `position:absolute;${css};` +
      `left:${share(x.start, view.width)};width:${share(x.end - x.start, view.width)};` +
      `top:${share(y.end, view.height)};height:${share(y.start - y.end, view.height)}`, attributes);
  }

  /** A picture of so many pixels on the axes, below all marks: returns `paint(colour)`, which asks
   *  colour(k) for [red, green, blue] in 0..255 of the pixels, rows first. */
  picture(width, height) {
    const canvas = this.over("canvas", "image-rendering:pixelated;pointer-events:none", { width, height });
    canvas.setAttribute("aria-hidden", "true");
    this.sheet.before(canvas);
    const context = canvas.getContext("2d"), pixels = context.createImageData(width, height);
    return (colour) => {
      if (!colour) return context.clearRect(0, 0, width, height);
      for (let k = 0; k < width * height; k++) pixels.data.set([...colour(k), 255], 4 * k);
      context.putImageData(pixels, 0, 0);
    };
  }

  /** The pointer's place (x, y) in data. */
  at(event) {
    const area = this.svg.getBoundingClientRect(), view = this.svg.viewBox.baseVal;
    return [this.x.invert((event.clientX - area.left) / area.width * view.width),
      this.y.invert((event.clientY - area.top) / area.height * view.height)];
  }

  describe(text) {
    this.svg.setAttribute("aria-label", text);
  }

  /** Something to drag, by pointer or by arrow keys.
   *
   *  name: what it is, spoken and shown as a tooltip; colour: of its ring.
   *  at(): its place (x, y) in data; dragged(x, y): the pointer is there.
   *  pressed(right, up, fine): arrow keys, in steps of -1, 0 or 1.
   *  value(): what is spoken; now(), least, most: the number behind it.
   *  removed(), if given: Delete or Backspace was pressed.
   *  Returns `follow()`, which puts it where it belongs; `follow.grip` is its element. */
  handle({ name, colour, at, dragged, pressed, value, now, least, most, removed }) {
    const size = 36;
    const grip = make("div", this.box,
      `position:absolute;width:${size}px;height:${size}px;margin:-${size / 2}px;border-radius:50%;` +
      "touch-action:none;cursor:grab;display:grid;place-items:center", { title: name, tabIndex: 0 });
    make("span", grip, `box-sizing:content-box;width:13px;height:13px;border-radius:50%;border:3px solid ${colour};pointer-events:none`);
    for (const [key, text] of Object.entries({
      role: "slider", "aria-label": name, "aria-valuemin": least, "aria-valuemax": most,
    })) grip.setAttribute(key, text);

    grip.addEventListener("pointerdown", (event) => {
      grip.setPointerCapture(event.pointerId);
      grip.style.cursor = "grabbing";
    });
    grip.addEventListener("pointermove", (event) => {
      if (grip.hasPointerCapture(event.pointerId)) dragged(...this.at(event));
    });
    grip.addEventListener("lostpointercapture", () => { grip.style.cursor = "grab"; });
    grip.addEventListener("keydown", (event) => {
      const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const gone = removed && ["Delete", "Backspace"].includes(event.key);
      if (!step[event.key] && !gone) return;
      event.preventDefault();
      event.stopPropagation();  // JupyterLab would take these keys for its own shortcuts
      if (gone) removed();
      else pressed(...step[event.key], event.shiftKey);
    });
    const follow = () => {
      const [x, y] = at(), view = this.svg.viewBox.baseVal;
      grip.style.left = `${100 * this.x(x) / view.width}%`;
      grip.style.top = `${100 * this.y(y) / view.height}%`;
      grip.setAttribute("aria-valuenow", Number(now().toPrecision(3)));
      grip.setAttribute("aria-valuetext", value());
    };
    return Object.assign(follow, { grip });
  }
}

/** What a module mounts on. */
class Page {
  constructor(root) {
    const spec = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    this.root = root;
    this.settings = spec.settings;
    this.panels = Object.fromEntries([...root.querySelectorAll(".book-panel")].map((box) =>
      [box.dataset.panel, new Panel(box, spec.panels[box.dataset.panel])]));
    this.note = root.querySelector(".book-note");
    this.controls = root.querySelector(".book-controls");
    this.controls.style.cssText = "display:grid;gap:.5em;max-width:44em;margin-top:.4em";
    this.controls.addEventListener("keydown", (event) => event.stopPropagation());
  }

  row() {
    return make("div", this.controls, "display:flex;flex-wrap:wrap;align-items:center;gap:.3em .8em");
  }

  button(row, text, pressed) {
    const button = make("button", row, "min-height:2.2em;padding:.2em .7em;font:inherit",
      { type: "button", textContent: text });
    button.addEventListener("click", pressed);
    return button;
  }

  /** A native slider over named values. `changed(k)` gets the index; `say(k)` is what is spoken. */
  slider(name, count, start, say, changed) {
    const label = make("label", this.row(), "display:flex;flex-wrap:wrap;align-items:center;gap:.2em .8em;flex:1 1 20em");
    make("span", label, "min-width:9em", { textContent: name });
    const input = make("input", label, "flex:1 1 6em;min-width:6em",
      { type: "range", min: 0, max: count - 1, step: 1, value: start });
    const output = make("output", label, "min-width:5em;font-variant-numeric:tabular-nums");
    const show = () => {
      output.textContent = say(Number(input.value));
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.addEventListener("input", () => { show(); changed(Number(input.value)); });
    show();
    return input;
  }

  /** A native list to choose from: { options(names), chosen() }; `changed(name)` gets the value.
   *  names: [[value, text], ...]. */
  choice(row, name, changed) {
    const label = make("label", row, "display:flex;flex-wrap:wrap;align-items:center;gap:.2em .6em");
    make("span", label, "", { textContent: name });
    const select = make("select", label, "min-height:2.2em;max-width:100%;font:inherit");
    select.addEventListener("change", () => changed(select.value));
    return {
      options: (names, first) => {
        select.replaceChildren(...names.map(([value, textContent]) =>
          Object.assign(document.createElement("option"), { value, textContent })));
        select.value = first;
      },
      chosen: () => select.value,
    };
  }

  /** Numbers that follow: returns `tell(name, text)`. */
  readouts(names) {
    const list = make("div", this.controls,
      "display:flex;flex-wrap:wrap;gap:.2em 1.6em;font-variant-numeric:tabular-nums");
    const places = Object.fromEntries(names.map((name) => {
      const item = make("span", list);
      make("span", item, "opacity:.85", { textContent: `${name}: ` });
      return [name, make("strong", item)];
    }));
    return (name, text) => { places[name].textContent = text; };
  }

  /** A sentence where something went wrong; the page goes on. */
  say(sentence) {
    this.note.textContent = sentence;
    this.note.hidden = !sentence;
  }
}

/** Draws at most once a frame, however often the pointer reports. */
export function eachFrame(draw) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };
}

/** Mounts a module on the figure with this id. What fails leaves the picture and says so. */
export function start(id, mount) {
  const root = document.getElementById(id);
  if (!root || root.dataset.mounted) return;
  root.dataset.mounted = "yes";
  const note = root.querySelector(".book-note");
  const failed = (error) => {
    note.hidden = false;
    note.textContent = `This picture can't be taken hold of here: ${error.message}. It shows its first state.`;
    root.dataset.mounted = "failed";
  };
  try {
    const page = new Page(root);
    page.failed = failed;
    note.hidden = true;
    note.textContent = "";
    mount(page);
  } catch (error) {
    failed(error);
  }
}
