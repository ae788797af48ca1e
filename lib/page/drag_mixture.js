// A mixture to drag: components, their spread and the start of one path are handles; the exact flow
// of the mixture's score follows, with or without noise on the way. The first state comes from
// drag_mixture.py.

import { noiseLevels, path, shares } from "./mixture.js";
import { stream } from "./random.js";
import { eachFrame } from "./surface.js";

const COLOURS = ["#2f7fd6", "#d2691e", "#23925a"], RED = "#d9436a";
const PLACE = [[-3, 3], [-2.4, 2.4]], SPREAD = [0.05, 1.2];
const CHURN = [0, 0.1, 0.2, 0.3, 0.5, 0.7, 1];
const within = (value, [low, high]) => Math.min(high, Math.max(low, value));
const digits = (value) => value.toFixed(2).replace("-", "−");

export function mount(page) {
  const state = structuredClone(page.settings);
  state.noise = Float64Array.from(state.noise);
  state.seed = 1;
  page.handles = [];
  const tell = page.readouts(["points on each cluster", "calls of the denoiser", "the red path ends at"]);
  const draw = eachFrame(drawing(page, state, tell));
  state.means.forEach((_, k) => componentHandles(page, state, k, draw));
  startHandle(page, state, draw);
  controls(page, state, draw);
  draw();
}

function drawing(page, state, tell) {
  const { plane, shares: decision } = page.panels, marks = {};
  for (const panel of [plane, decision]) {
    for (const name of Object.keys(panel.spec.marks)) marks[name] = panel.line(name);
  }
  return () => {
    const levels = noiseLevels(state.steps, state.low, state.high);
    // The noise on the way is the same at every drawing, so that a drag changes what is dragged only.
    const walk = path(state, state.noise, levels, state.churn, stream(state.seed + 1000).normal);
    drawPlane(marks, state, walk);
    const end = drawShares(marks, state, walk, levels);
    page.handles.forEach((place) => place());
    speak(page, state, walk, end, tell);
  };
}

function drawPlane(marks, state, walk) {
  const turn = Array.from({ length: 49 }, (_, k) => 2 * Math.PI * k / 48);
  state.means.forEach(([x, y], k) => marks[`ring${k + 1}`](
    turn.map((v) => x + 2 * state.spreads[k] * Math.cos(v)), turn.map((v) => y + 2 * state.spreads[k] * Math.sin(v))));
  const xs = [], ys = [];
  for (let k = 1; k <= state.paths; k++) {
    for (const points of walk) { xs.push(points[2 * k]); ys.push(points[2 * k + 1]); }
    xs.push(NaN);
    ys.push(NaN);
  }
  marks.paths(xs, ys);
  const last = walk.at(-1), odd = (_, k) => k % 2, even = (_, k) => k % 2 === 0;
  marks.points(last.filter(even), last.filter(odd));
  marks.marked(walk.map((points) => points[0]), walk.map((points) => points[1]));
}

function drawShares(marks, state, walk, levels) {
  const K = state.means.length, own = walk.slice(0, -1);
  const all = own.map((points, i) => shares(state, points[0], points[1], levels[i], new Float64Array(K)));
  for (let k = 0; k < K; k++) marks[`share${k + 1}`](levels.slice(0, -1), all.map((share) => share[k]));
  marks.levels(levels.slice(0, -1), own.map(() => 0));
  return all.at(-1).indexOf(Math.max(...all.at(-1)));
}

function speak(page, state, walk, end, tell) {
  const { plane, shares: decision } = page.panels, last = walk.at(-1), K = state.means.length;
  const counts = new Array(K).fill(0), share = new Float64Array(K);
  for (let k = 0; k < last.length; k += 2) {
    shares(state, last[k], last[k + 1], state.low, share);
    counts[share.indexOf(Math.max(...share))] += 1;
  }
  const noisy = state.churn > 0 ? "with noise on the way" : "without noise on the way";
  tell("points on each cluster", counts.join(", "));
  tell("calls of the denoiser", String(2 * state.steps - 1));
  tell("the red path ends at", `${digits(last[0])}, ${digits(last[1])}`);
  const places = state.means.map((mean) => mean.map(digits).join(", ")).join("; ");
  plane.describe(`Clusters at ${places}; of ${last.length / 2} points walked from noise ${state.high} in ` +
    `${state.steps} steps, ${noisy}, ${counts.join(", ")} end on them.`);
  decision.describe(`The probability of each cluster along the red path, from noise ${state.high} down: ` +
    `cluster ${end + 1} takes all in the end.`);
}

function componentHandles(page, state, k, draw) {
  const { plane } = page.panels, mean = () => state.means[k];
  const move = (x, y) => { state.means[k] = [within(x, PLACE[0]), within(y, PLACE[1])]; draw(); };
  page.handles.push(plane.handle({
    name: `cluster ${k + 1}: its place`, colour: COLOURS[k], least: PLACE[0][0], most: PLACE[0][1],
    at: mean, dragged: move,
    pressed: (right, up, fine) => move(mean()[0] + right * (fine ? 0.01 : 0.1), mean()[1] + up * (fine ? 0.01 : 0.1)),
    now: () => mean()[0],
    value: () => `at ${digits(mean()[0])} and ${digits(mean()[1])}`,
  }));
  const widen = (value) => { state.spreads[k] = within(value, SPREAD); draw(); };
  const side = Math.SQRT1_2 * (k === 0 ? -1 : 1), up = Math.SQRT1_2 * (k === 2 ? -1 : 1);
  page.handles.push(plane.handle({
    name: `cluster ${k + 1}: its spread`, colour: COLOURS[k], least: SPREAD[0], most: SPREAD[1],
    at: () => [mean()[0] + side * 2 * state.spreads[k], mean()[1] + up * 2 * state.spreads[k]],
    dragged: (x, y) => widen(Math.hypot(x - mean()[0], y - mean()[1]) / 2),
    pressed: (right, upwards, fine) => widen(state.spreads[k] + (right + upwards) * (fine ? 0.01 : 0.05)),
    now: () => state.spreads[k],
    value: () => `standard deviation ${digits(state.spreads[k])}`,
  }));
}

/** The start of the red path lies far outside the picture; its handle shows the direction of it,
 *  in standard normal units. */
function startHandle(page, state, draw) {
  const set = (x, y) => { state.noise[0] = within(x, PLACE[0]); state.noise[1] = within(y, PLACE[1]); draw(); };
  page.handles.push(page.panels.plane.handle({
    name: "the noise that the red path starts from", colour: RED, least: PLACE[0][0], most: PLACE[0][1],
    at: () => [state.noise[0], state.noise[1]], dragged: set,
    pressed: (right, up, fine) => set(state.noise[0] + right * (fine ? 0.01 : 0.1), state.noise[1] + up * (fine ? 0.01 : 0.1)),
    now: () => state.noise[0],
    value: () => `standard normal ${digits(state.noise[0])} and ${digits(state.noise[1])}`,
  }));
}

function controls(page, state, draw) {
  page.slider("steps", state.offered.length, state.offered.indexOf(state.steps), (k) => String(state.offered[k]),
    (k) => { state.steps = state.offered[k]; draw(); });
  page.slider("noise to start from", state.highs.length, state.highs.indexOf(state.high), (k) => `σ = ${state.highs[k]}`,
    (k) => { state.high = state.highs[k]; draw(); });
  page.slider("noise on the way", CHURN.length, CHURN.indexOf(state.churn), (k) => k ? `${Math.round(100 * CHURN[k])} %` : "none",
    (k) => { state.churn = CHURN[k]; draw(); });
  page.button(page.row(), "new noise", () => {
    const { normal } = stream(++state.seed);
    state.noise = state.noise.map((value, k) => k < 2 ? value : normal());
    draw();
  });
}
