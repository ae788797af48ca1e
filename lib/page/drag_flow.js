// A flow to drag: the two rows of U, the two clusters and the star are handles; path, error and
// the place in the phase diagram follow. The first state comes from drag_flow.py. One layer has no
// rows of U and no place in the diagram; it starts at zero, or at random in many ways at once.

import { output } from "./linear.js";
import { stream } from "./random.js";
import { eachFrame } from "./surface.js";
import { answer, criticalCorrelation, flow, rates, swing } from "./two_layer.js";

const COLOURS = ["#2f7fd6", "#d2691e"], STAR = "#23925a", RED = "#d9436a";
const SCALES = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5], EVERY = 4;  // of times, for many
const W = [1e-4, 0.6], MU = [0.3, 4], SIGMA = [0, 2], DOWN = -0.55;
const RATIOS = Array.from({ length: 20 }, (_, k) => 0.04 + 0.94 * k / 19);
const within = (value, [low, high]) => Math.min(high, Math.max(low, value));
const digits = (value, n = 2) => value.toFixed(n).replace("-", "−");
const short = (value) => value < 0.01 ? value.toExponential(1).replace("e-", "e−") : String(Number(value.toPrecision(2)));

export function mount(page) {
  const state = structuredClone(page.settings);
  const times = Float64Array.from(state.times);
  const two = state.layers === 2, draw = eachFrame(drawing(page, state, times));
  page.handles = [];
  for (const p of [0, 1]) {
    if (two) rowHandle(page, state, p, draw);
    clusterHandles(page, state, p, draw);
  }
  starHandle(page, state, draw);
  timeHandle(page, state, times, draw);
  if (two) startButtons(page, state, draw);
  if (state.starts.length) manyStarts(page, state, draw);
  guessButton(page, state, times, draw);
  draw();
}

/** The two rows of U as (u11, u12, u21, u22). */
function factor(rows) {
  return rows.flatMap(({ w, angle }) => [Math.sqrt(w) * Math.cos(angle), Math.sqrt(w) * Math.sin(angle)]);
}

/** Everything that follows from a state. */
export function follow(state, times) {
  const a = rates(state.mu, state.sigma), r = Math.min(...a) / Math.max(...a);
  if (state.layers === 1) {
    const curves = output(state.starts[0]?.map((v) => v * state.scale) ?? [0, 0, 0, 0], a, state.mu, times);
    return { a, r, ...curves, swing: swing(curves.loss) };
  }
  const curves = answer(flow(factor(state.rows), a, times), state.mu);
  const c = Math.cos(state.rows[0].angle - state.rows[1].angle);
  return { a, r, c, ...curves, swing: swing(curves.loss) };
}

function drawing(page, state, times) {
  const two = state.layers === 2, marks = {};
  for (const [where, panel] of Object.entries(page.panels)) {
    for (const name of Object.keys(panel.spec.marks)) marks[name === "now" ? `${where}Now` : name] = panel.line(name);
  }
  const tell = page.readouts(["signals μ", "diversities σ", "rates a",
    ...(two ? ["squared lengths", "correlation c", "swing"] : []),
    ...(state.starts.length ? ["errors that rise", "by more than 1 %"] : [])]);
  const some = times.filter((_, k) => k % EVERY === 0);
  let rest;
  return () => {
    const all = follow(state, times);
    const shown = state.guessing ? { ...all, x: [], y: [], loss: new Float64Array(0), swing: NaN } : all;
    const ratio = shown.loss.map((value) => value / shown.loss[0]), at = state.guessing ? [] : [state.now];
    drawPlane(marks, state, shown);
    marks.curve(times.subarray(1), ratio.subarray(1));
    marks.errorNow(at.map((k) => times[k]), at.map((k) => ratio[k]));
    page.handles.forEach((place) => place());
    speak(page, state, shown, tell);
    if (state.starts.length) drawMany(marks, state, all.a, some, tell);
    if (!two) return;
    drawRows(marks, state.rows);
    marks.here([all.r], [all.c]);
    speakOfRows(page, state, shown, tell);
    clearTimeout(rest);  // the border is some hundred flows: drawn when the hand rests
    rest = setTimeout(() => marks.border(RATIOS, border(state.rows, all.a)), 120);
  };
}

/** The answers and errors from all random starts of one layer, and how many of the errors rise. */
function drawMany(marks, { starts, scale, mu, guessing }, a, times, tell) {
  const all = starts.map((w) => output(w.map((v) => v * scale), a, mu, times));
  const joined = (f) => all.flatMap((curves) => [...f(curves), NaN]);
  const many = guessing ? [] : joined(({ x }) => x);
  marks.others(many, many.length ? joined(({ y }) => y) : []);
  marks.errors(joined(() => times.slice(1)), guessing ? [] : joined(({ loss }) => loss.slice(1).map((v) => v / loss[0])));
  const rises = all.map(({ loss }) => swing(loss)), count = (least) => rises.filter((v) => v > least).length;
  tell("errors that rise", guessing ? "hidden" : `${count(1e-9)} of ${starts.length}`);
  tell("by more than 1 %", guessing ? "hidden" : `${count(0.01)} of ${starts.length}`);
}

function drawRows(marks, rows) {
  rows.forEach(({ w, angle }, p) => {
    const reach = w ** 0.25, side = 0.1;
    const point = (length, turn) => [length * Math.cos(angle + turn), length * Math.sin(angle + turn)];
    const tip = point(reach, 0), head = [2.6, -2.6].map((turn) => {
      const [dx, dy] = point(side, turn);
      return [tip[0] + dx, tip[1] + dy];
    });
    const places = [[0, 0], tip, [NaN, NaN], head[0], tip, head[1]];
    marks[`row${p + 1}`](places.map((v) => v[0]), places.map((v) => v[1]));
  });
}

function drawPlane(marks, { mu, sigma, now }, { x, y }) {
  const turn = Array.from({ length: 49 }, (_, k) => 2 * Math.PI * k / 48);
  for (const p of [0, 1]) {
    const centre = [0, 0];
    centre[p] = mu[p];
    marks[`cluster${p + 1}`](turn.map((v) => centre[0] + sigma[0] * Math.cos(v)),
      turn.map((v) => centre[1] + sigma[1] * Math.sin(v)));
    const along = [mu[p], mu[p] + sigma[p]], off = [DOWN, DOWN];
    marks[`width${p + 1}`](...(p ? [off, along] : [along, off]));
  }
  marks.path(x, y);
  marks.star([mu[0]], [mu[1]]);
  marks.planeNow([x[now] ?? NaN], [y[now] ?? NaN]);
}

/** The correlations above which rows of these lengths swing, at each of RATIOS; NaN where none does.
 *  r is the slower rate over the faster one, so the row of the faster concept comes first. */
export function border(rows, a) {
  const [fast, slow] = a[0] < a[1] ? [rows[1], rows[0]] : rows;
  return RATIOS.map((r) => {
    const c = criticalCorrelation(fast.w, slow.w, r);
    return c > 0.99 ? NaN : c;
  });
}

const percent = (share) => Number.isNaN(share) ? "hidden" : `${digits(100 * share, 1)} %`;

function speak(page, { mu, sigma }, all, tell) {
  const { plane, error } = page.panels;
  tell("signals μ", mu.map((v) => digits(v)).join(", "));
  tell("diversities σ", sigma.map((v) => digits(v)).join(", "));
  tell("rates a", all.a.map((v) => digits(v)).join(", "));
  const turns = Number.isNaN(all.swing) ? "is hidden" : all.swing > 0.01 ? "turns back on its way" : "does not turn back";
  plane.describe(`Clusters at ${digits(mu[0])} and ${digits(mu[1])}; the answer's path from its start to the held-out star ${turns}.`);
  error.describe(`The error over time; its largest rise is ${percent(all.swing)} of its start.`);
}

function speakOfRows(page, state, all, tell) {
  const { rows, phase } = page.panels, lengths = state.rows.map(({ w }) => short(w)).join(", ");
  const angle = Math.round(Math.acos(within(all.c, [-1, 1])) * 180 / Math.PI);
  tell("squared lengths", lengths);
  tell("correlation c", `${digits(all.c)} (${angle}°)`);
  tell("swing", percent(all.swing));
  rows.describe(`Two arrows from a centre, of squared lengths ${lengths}, ${angle} degrees apart.`);
  phase.describe(`Ratio of rates r = ${digits(all.r)}, correlation c = ${digits(all.c)}; this flow swings by ${percent(all.swing)}.`);
}

function rowHandle(page, state, p, draw) {
  const row = () => state.rows[p];
  page.handles.push(page.panels.rows.handle({
    name: `row ${p + 1} of U: length and angle`, colour: COLOURS[p], least: 0, most: 0.6,
    at: () => [row().w ** 0.25 * Math.cos(row().angle), row().w ** 0.25 * Math.sin(row().angle)],
    dragged: (x, y) => {
      row().w = within(Math.hypot(x, y) ** 4, W);
      row().angle = Math.atan2(y, x);
      draw();
    },
    pressed: (right, up, fine) => {
      row().angle -= right * (fine ? 0.2 : 2) * Math.PI / 180;
      row().w = within(row().w * (fine ? 1.02 : 1.2) ** up, W);
      draw();
    },
    now: () => row().w,
    value: () => `squared length ${short(row().w)}, angle ${Math.round(row().angle * 180 / Math.PI)} degrees, ` +
      `correlation ${digits(Math.cos(state.rows[0].angle - state.rows[1].angle))}`,
  }));
}

function clusterHandles(page, state, p, draw) {
  const along = (value) => p ? [0, value] : [value, 0], off = (value) => p ? [DOWN, value] : [value, DOWN];
  const set = (key, range) => (value) => { state[key][p] = within(value, range); draw(); };
  const setMu = set("mu", MU), setSigma = set("sigma", SIGMA);
  const common = { colour: COLOURS[p] }, edge = page.panels.plane.spec[p ? "y" : "x"].to;
  page.handles.push(page.panels.plane.handle({
    ...common, name: `signal of concept ${p + 1}`, least: MU[0], most: MU[1],
    at: () => along(state.mu[p]),
    dragged: (x, y) => setMu(p ? y : x),
    pressed: (right, up, fine) => setMu(state.mu[p] + (right + up) * (fine ? 0.01 : 0.1)),
    now: () => state.mu[p],
    value: () => `mu ${p + 1} is ${digits(state.mu[p])}`,
  }));
  page.handles.push(page.panels.plane.handle({
    ...common, name: `diversity of concept ${p + 1}`, least: SIGMA[0], most: SIGMA[1],
    at: () => off(Math.min(state.mu[p] + state.sigma[p], edge)),  // its bar ends there too
    dragged: (x, y) => setSigma((p ? y : x) - state.mu[p]),
    pressed: (right, up, fine) => setSigma(state.sigma[p] + (right + up) * (fine ? 0.01 : 0.05)),
    now: () => state.sigma[p],
    value: () => `sigma ${p + 1} is ${digits(state.sigma[p])}`,
  }));
}

function starHandle(page, state, draw) {
  const set = (x, y) => { state.mu = [within(x, MU), within(y, MU)]; draw(); };
  page.handles.push(page.panels.plane.handle({
    name: "the held-out star: both signals", colour: STAR, least: MU[0], most: MU[1],
    at: () => state.mu,
    dragged: set,
    pressed: (right, up, fine) => set(state.mu[0] + right * (fine ? 0.01 : 0.1), state.mu[1] + up * (fine ? 0.01 : 0.1)),
    now: () => state.mu[0],
    value: () => `at ${digits(state.mu[0])} and ${digits(state.mu[1])}`,
  }));
}

function timeHandle(page, state, times, draw) {
  const last = times.length - 1, { error } = page.panels;
  const set = (k) => { state.now = within(k, [1, last]); draw(); };
  page.handles.push(error.handle({
    name: "training time", colour: RED, least: times[1], most: times[last],
    at: () => [times[state.now], 0],
    dragged: (x) => set(times.findLastIndex((t) => t <= x)),
    pressed: (right, up, fine) => set(state.now + (right + up) * (fine ? 1 : 8)),
    now: () => times[state.now],
    value: () => `time ${short(times[state.now])}`,
  }));
}

/** Rows whose lengths and angle are those of a random d x width factor, E[w_ii] = omega. */
export function drawn(entry, meanSquare, width, omega) {
  const u = [0, 1].map(() => Array.from({ length: width }, entry));
  const dot = (i, j) => u[i].reduce((sum, v, k) => sum + v * u[j][k], 0) * omega / (width * meanSquare);
  const w = [0, 1].map((i) => within(dot(i, i), W));
  const angle = Math.acos(within(dot(0, 1) / Math.sqrt(dot(0, 0) * dot(1, 1)), [-1, 1]));
  return [{ w: w[0], angle: Math.PI / 3 }, { w: w[1], angle: Math.PI / 3 - angle }];
}

/** Guess before you see: path and error are hidden until the reader has drawn the error. */
function guessButton(page, state, times, draw) {
  const sketch = page.panels.error.sketch({
    name: "your guess of the error", from: [times[1], 1],
    value: (t, ratio) => `at time ${short(t)} the error is ${digits(ratio)} of its start`,
  });
  const button = page.button(page.row(), "guess first", () => {
    state.guessing = !state.guessing;
    button.textContent = state.guessing ? "show it" : "guess first";
    if (state.guessing) {
      sketch.on();
      page.say("The answer's path and its error are hidden. Draw the error into its picture from left to right, by pointer or arrow keys; then show it.");
    } else {
      sketch.off();
      const [, guess] = sketch.points(), real = swing(follow(state, times).loss);
      page.say(guess.length > 1
        ? `You drew a largest rise of ${percent(swing(guess))} of the start; it rises by ${percent(real)}.`
        : `It rises by ${percent(real)} of the start.`);
    }
    draw();
  });
}

/** One layer from many random starts: their scale by slider, others by button. */
function manyStarts(page, state, draw) {
  const { normal } = stream(7);
  page.slider("scale of W(0)", SCALES.length, SCALES.indexOf(state.scale), (k) => `${SCALES[k]}`,
    (k) => { state.scale = SCALES[k]; draw(); });
  page.button(page.row(), "other starts", () => {
    state.starts = state.starts.map((w) => w.map(normal));
    draw();
  });
}

function startButtons(page, state, draw) {
  const { uniform, normal } = stream(7), row = page.row(), omega = 0.01;
  const first = structuredClone(page.settings.rows);
  const set = (rows) => { state.rows = rows; draw(); };
  page.button(row, "first state", () => {
    Object.assign(state, structuredClone({ mu: page.settings.mu, sigma: page.settings.sigma }));
    set(structuredClone(first));
  });
  page.button(row, "canonical", () => {
    Object.assign(state, { mu: [2, 1], sigma: [0.05, 0.05] });
    set([{ w: omega, angle: Math.PI / 3 }, { w: omega, angle: Math.PI / 3 - Math.acos(0.9) }]);
  });
  page.button(row, "Gaussian", () => set(drawn(normal, 1, 2, omega)));
  page.button(row, "one sign", () => set(drawn(uniform, 1 / 3, 8, omega)));
  page.button(row, "wide", () => set(drawn(normal, 1, 64, omega)));
}
