((name) => {
  // By its name: VS Code moves scripts away from their figure. The same output may be there twice.
  const root = document.currentScript?.closest(".book-player") ??
    [...document.querySelectorAll(`[id="${name}"]`)].find((figure) => !figure.dataset.started);
  root.dataset.started = "yes";
  const spec = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const svgNS = "http://www.w3.org/2000/svg";
  const scroll = root.querySelector(".book-scroll");
  const state = spec.sliders.map((slider) => slider.start);

  // The position in a flat array over (part of) the grid; axes of length 1 do not depend.
  const flat = (shape) => shape.reduce((k, n, axis) => k * n + (n === 1 ? 0 : state[axis]), 0);
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const coordinates = (part) => {
    const all = new Int16Array(bytes(part.data).buffer);
    return () => {
      const from = flat(part.shape) * part.n;
      return all.subarray(from, from + part.n);
    };
  };

  // A mark is in the picture twice where there is one for phones, whose axes lie elsewhere.
  function line(group, mark, fit) {
    const [ax, bx, ay, by] = fit ?? [1, 0, 1, 0];
    const xs = coordinates(mark.x), ys = coordinates(mark.y);
    // Matplotlib leaves the path out where the first state has nothing to draw.
    const path = [...group.children].find((child) => child.tagName === "path");
    // Nor does it draw a marker that lies off the picture, or it clips one into two.
    const markers = [...group.querySelectorAll("use")];
    while (markers.length && markers.length < ys().length) {
      markers.push(markers[0].parentNode.appendChild(markers[0].cloneNode()));
    }
    while (markers.length > ys().length) markers.pop().remove();
    return () => {
      const x = xs(), y = ys(), n = Math.max(x.length, y.length);
      const at = (values, k) => values[values.length === 1 ? 0 : k];
      let d = "", pen = "M";
      for (let k = 0; k < n; k++) {
        const px = at(x, k), py = at(y, k);
        if (px === -32768 || py === -32768) { pen = "M"; continue; }
        const sx = (ax * px / 40 + bx).toFixed(2), sy = (ay * py / 40 + by).toFixed(2);
        d += `${pen}${sx} ${sy}`;
        pen = "L";
        if (markers[k]) {
          markers[k].setAttribute("x", sx);
          markers[k].setAttribute("y", sy);
        }
      }
      if (path) path.setAttribute("d", d);
    };
  }

  function image(element, mark) {
    const canvas = document.createElement("canvas");
    canvas.width = mark.width;
    canvas.height = mark.height;
    const context = canvas.getContext("2d");
    const put = () => {
      element.setAttribute("href", canvas.toDataURL());
      element.removeAttribute("xlink:href");
    };
    if (mark.sheet) {
      const sheet = new Image();
      sheet.src = `data:image/webp;base64,${mark.sheet}`;
      const show = () => {
        if (!sheet.complete) return;
        const k = flat(mark.shape), x = (k % mark.across) * mark.width;
        const y = Math.floor(k / mark.across) * mark.height;
        context.drawImage(sheet, -x, -y);
        put();
      };
      sheet.decode().then(show);
      return show;
    }
    const data = bytes(mark.data), palette = mark.palette && bytes(mark.palette);
    const size = mark.width * mark.height;
    const pixels = context.createImageData(mark.width, mark.height);
    const channels = palette ? 1 : 3;
    return () => {
      const from = flat(mark.shape) * size * channels;
      for (let k = 0; k < size; k++) {
        const source = palette || data;
        const at = palette ? 3 * data[from + k] : from + 3 * k;
        pixels.data.set([source[at], source[at + 1], source[at + 2], 255], 4 * k);
      }
      context.putImageData(pixels, 0, 0);
      put();
    };
  }

  function label(group, mark, fit) {
    const text = document.createElementNS(svgNS, "text"), { at, size } = fit ?? mark;
    text.setAttribute("x", at[0]);
    text.setAttribute("y", at[1]);
    text.setAttribute("text-anchor", mark.anchor);
    text.setAttribute("font-size", size);
    text.setAttribute("fill", mark.colour);
    text.setAttribute("dominant-baseline", mark.baseline);
    text.setAttribute("font-family", "DejaVu Sans, Verdana, sans-serif");
    group.replaceChildren(text);
    return () => { text.textContent = mark.strings[flat(mark.shape)]; };
  }

  const kinds = { line, image, label };
  const updates = (spec.marks || []).flatMap((mark, k) =>
    [...root.querySelectorAll(`[id$="-mark-${k}"]`)].map((element, second) =>
      kinds[mark.kind](element, mark, second ? mark.narrow : null)));

  function draw() {
    if (spec.frames) scroll.innerHTML = spec.frames[flat(spec.sliders.map((s) => s.values.length))];
    updates.forEach((update) => update());
    const words = {};
    spec.sliders.forEach((slider, axis) => {
      words[slider.label] = slider.values[state[axis]];
      inputs[axis].show(words[slider.label]);
    });
    spec.readouts.forEach((readout, k) => {
      words[readout.label] = readout.values[flat(readout.shape)];
      readouts[k].textContent = words[readout.label];
    });
    const alt = spec.alt.replace(/\{([^{}]*)\}/g, (whole, name) => words[name] ?? whole);
    for (const svg of scroll.querySelectorAll("svg")) {
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", alt);
    }
  }

  // Controls: native inputs, so that mouse, touch, keyboard and screen readers all work.
  const controls = root.querySelector(".book-controls");
  controls.style.cssText = "display:grid;gap:.4em;max-width:44em;margin-top:.5em";
  const make = (tag, parent, css = "", attributes = {}) => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.style.cssText = css;
    parent.append(element);
    return element;
  };
  const rowStyle = "display:flex;flex-wrap:wrap;align-items:center;gap:.2em .8em";
  let timer = null;

  function player(axis, row, input) {
    const button = make("button", row, "min-width:5.5em;padding:.2em .6em;font:inherit", { type: "button" });
    const label = (playing) => {
      button.textContent = playing ? "❚❚ Pause" : "▶ Play";
      button.setAttribute("aria-label", `${playing ? "Pause" : "Play"}: ${spec.sliders[axis].label}`);
    };
    const stop = () => { clearInterval(timer); timer = null; label(false); };
    const last = spec.sliders[axis].values.length - 1;
    const step = () => {
      if (!root.isConnected) return stop();
      state[axis] += 1;
      draw();
      if (state[axis] >= last) stop();
    };
    button.addEventListener("click", () => {
      if (timer) return stop();
      if (state[axis] >= last) state[axis] = 0;
      draw();
      label(true);
      timer = setInterval(step, Math.max(40, Math.min(400, 6000 / last)));
    });
    input.addEventListener("input", () => timer && stop());
    label(false);
  }

  const inputs = spec.sliders.map((slider, axis) => {
    const row = make("div", controls, rowStyle);
    const name = make("label", row, `${rowStyle};flex:1 1 20em`);
    make("span", name, "min-width:7em", { textContent: slider.label });
    if (slider.choice) {
      const select = make("select", name, "font:inherit;max-width:100%");
      slider.values.forEach((value, k) => select.add(new Option(value, k)));
      select.addEventListener("change", () => { state[axis] = Number(select.value); draw(); });
      if (slider.play) player(axis, row, select);
      return { show: () => { select.value = state[axis]; } };
    }
    const input = make("input", name, "flex:1 1 6em;min-width:6em", {
      type: "range", min: 0, max: slider.values.length - 1, step: 1, value: slider.start,
    });
    const value = make("output", name, "min-width:3.5em;font-variant-numeric:tabular-nums");
    input.addEventListener("input", () => { state[axis] = Number(input.value); draw(); });
    if (slider.play) player(axis, row, input);
    return {
      show: (text) => {
        input.value = state[axis];
        input.setAttribute("aria-valuetext", text);
        value.textContent = text;
      },
    };
  });
  const list = make("div", controls, "display:flex;flex-wrap:wrap;gap:.2em 1.6em;font-variant-numeric:tabular-nums");
  const readouts = spec.readouts.map((readout) => {
    const item = make("span", list);
    make("span", item, "opacity:.85", { textContent: `${readout.label}: ` });
    return make("strong", item);
  });
  // JupyterLab would take the arrow keys for its own shortcuts.
  controls.addEventListener("keydown", (event) => event.stopPropagation());
  draw();
})("PLAYER");
