// A network to ask: requests are placed on the picture, the network draws, step by step, and the
// detector marks which requests are hit. Weights are read from the site when they are first needed;
// a worker draws (drawing.js). The first state comes from ask_network.py.

import { eachFrame } from "./surface.js";

const SIDE = 32, LIMIT = 16, RADIUS = 1 / 20;
const NEEDED = ["Worker", "Blob", "fetch", "DecompressionStream"];
const within = (value) => Math.min(1, Math.max(0, value));
const counted = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;

export function mount(page) {
  const lacking = NEEDED.find((name) => typeof globalThis[name] === "undefined");
  if (lacking) throw new Error(`the browser has no ${lacking}, which a network needs to draw here`);
  const { asked, drawn } = page.panels;
  const state = {
    ...structuredClone(page.settings), seed: 1, job: 0, drawing: false, worker: null,
    files: new Map(), path: [], grips: [], chosen: 0,
    paint: [asked.picture(SIDE, SIDE), drawn.picture(SIDE, SIDE)],
    marks: Object.fromEntries(["hit", "missed", "found"].map((name) => [name, drawn.line(name)])),
  };
  asked.line("places")([], []);  // the handles stand there now
  state.draw = eachFrame(() => redraw(page, state));
  const pad = asked.over("div", "cursor:copy");
  pad.addEventListener("click", (event) => place(page, state, asked.at(event)));
  choices(page, state);
  buttons(page, state);
  state.tell = page.readouts(["requests hit", "objects in the picture"]);
  requests(page, state);
  judge(state, page.settings.judged);
}

/** Handles for all requests, anew: their number changed. */
function requests(page, state) {
  state.grips.forEach(({ grip }) => grip.remove());
  state.grips = state.asked.map((_, q) => {
    const put = (x, y) => { state.asked[q] = [within(x), within(y)]; changed(page, state); };
    const follow = page.panels.asked.handle({
      name: `request ${q + 1}`, colour: "#fff", least: 0, most: 1,
      at: () => state.asked[q],
      dragged: put,
      pressed: (right, up, fine) => {
        const step = (fine ? 0.25 : 1) / SIDE, [x, y] = state.asked[q];
        put(x + step * right, y - step * up);
      },
      removed: () => without(page, state, q),
      now: () => state.asked[q][0],
      value: () => `${state.asked[q].map((v) => Math.round(100 * v)).join(" % from the left, ")} % from the top`,
    });
    follow.grip.addEventListener("focus", () => { state.chosen = q; });
    follow.grip.style.filter = "drop-shadow(0 0 1px #000)";  // white rings on white noise
    return follow;
  });
  judge(state, null);
}

function place(page, state, at) {
  if (state.asked.length >= LIMIT) {
    page.say(`A network takes at most ${LIMIT} requests: remove one first.`);
    return;
  }
  state.asked.push(at.map(within));
  requests(page, state);
  changed(page, state);
  state.grips.at(-1).grip.focus({ preventScroll: true });
}

function without(page, state, q) {
  if (!state.asked.length) return;
  const last = Math.min(q, state.asked.length - 1);
  state.asked.splice(last, 1);
  requests(page, state);
  changed(page, state, `${counted(state.asked.length, "request")} left. `);
  state.grips[Math.max(0, last - 1)]?.grip.focus({ preventScroll: true });
}

/** A place far from all requests, for those who add one by key. */
function free(asked) {
  const away = ([x, y]) => Math.min(1, ...asked.map((a) => Math.hypot(a[0] - x, a[1] - y)));
  const all = Array.from({ length: 49 }, (_, k) => [(k % 7 + 1.5) / 9, (Math.floor(k / 7) + 2.5) / 10]);
  return all.reduce((best, here) => away(here) > away(best) ? here : best);
}

function choices(page, state) {
  const { networks, ways, offered: counts } = page.settings, row = page.row();
  const offer = () => {
    const offered = networks.find(({ file }) => file === state.network).ways;
    if (!offered.includes(state.way)) state.way = offered[0];
    way.options(offered.map((name) => [name, ways[name]]), state.way);
  };
  const network = page.choice(row, "network", (file) => { state.network = file; offer(); changed(page, state); });
  const way = page.choice(row, "each place hears", (name) => { state.way = name; changed(page, state); });
  network.options(networks.map(({ file, label }) => [file, label]), state.network);
  page.slider("steps of the sampler", counts.length, counts.indexOf(state.steps),
    (k) => `${counts[k]}`, (k) => { state.steps = counts[k]; });
  const level = (sigma) => sigma ? sigma.toPrecision(2) : "0";
  state.shown = page.slider("step shown", 2, 0, (k) => state.path[k]
    ? `${k} of ${state.path[k].steps}, noise ${level(state.path[k].sigma)}` : "not drawn yet", (k) => show(state, k));
  state.shown.disabled = true;
  offer();
}

function buttons(page, state) {
  const row = page.row();
  state.go = page.button(row, "draw", () => state.drawing ? stopped(page, state, "Stopped.") : begin(page, state));
  page.button(row, "new noise", () => { state.seed += 1; stopped(page, state, ""); begin(page, state); });
  page.button(row, "add a request", () => place(page, state, free(state.asked)));
  page.button(row, "remove one", () => without(page, state, state.chosen));
  page.button(row, "first requests", () => {
    state.asked = structuredClone(page.settings.asked);
    requests(page, state);
    changed(page, state);
  });
}

/** What was packed by gzip; as it is, where the server's answer was unpacked on its way. */
async function unpacked(answer) {
  const bytes = await answer.blob(), [first, second] = new Uint8Array(await bytes.slice(0, 2).arrayBuffer());
  if (first !== 0x1f || second !== 0x8b) return bytes.arrayBuffer();
  return new Response(bytes.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** A file of weights: read once, and held against what the page was made with. */
async function weights(state, file) {
  if (!state.files.has(file)) {
    const answer = await fetch(`${state.folder}${file}.gz`).catch(() => null);
    if (!answer?.ok) {
      const why = answer ? `are not there (${answer.status})` : "can't be read from here";
      throw new Error(`the weights ${file} ${why}; they are part of the book's site`);
    }
    const buffer = await unpacked(answer).catch(() => null);
    if (!buffer || checksum(new Uint8Array(buffer)) !== state.checksums[file]) {
      throw new Error(`the weights ${file} are damaged, or newer than this page: load it again`);
    }
    state.files.set(file, buffer);
  }
  return state.files.get(file);
}

/** CRC-32, as Python's `zlib.crc32`. */
export function checksum(bytes) {
  const table = Int32Array.from({ length: 256 }, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? n >>> 1 ^ 0xedb88320 : n >>> 1;
    return n;
  });
  let crc = -1;
  for (let k = 0; k < bytes.length; k++) crc = crc >>> 8 ^ table[(crc ^ bytes[k]) & 255];
  return (crc ^ -1) >>> 0;
}

async function begin(page, state) {
  const job = state.job += 1, { network, way, seed, steps, low, high } = state;
  const request = { job, places: structuredClone(state.asked), way, seed, steps, low, high };
  state.drawing = true;
  state.request = request;
  state.go.textContent = "stop";
  page.say("Reading the weights.");
  judge(state, null);
  try {
    request.network = await weights(state, network);
    // Without the detector there is a picture still, and a sentence at its end.
    request.detector = await weights(state, state.detector).catch((error) => { state.unjudged = error.message; return null; });
    if (job !== state.job) return;
    page.say("");
    state.path = [];
    state.worker ??= hired(page, state);
    state.worker.postMessage(request);
  } catch (error) {
    if (job === state.job) stopped(page, state, `Nothing was drawn: ${error.message}.`);
  }
}

/** A worker from the page's own text: nothing is fetched for it. */
function hired(page, state) {
  state.address ??= URL.createObjectURL(new Blob([state.code], { type: "text/javascript" }));
  const worker = new Worker(state.address);
  worker.onmessage = ({ data }) => data.job === state.job && heard(page, state, data);
  worker.onerror = (event) => {
    event.preventDefault();
    failed(page, state, event.message ?? "the browser starts no worker here");
  };
  return worker;
}

function heard(page, state, message) {
  if (message.error) return failed(page, state, message.error);
  if (!message.done) {
    state.path.push(message);
    state.shown.max = message.steps;
    return show(state, message.step);
  }
  Object.assign(state.path.at(-1), { picture: message.picture, guess: message.picture });
  ended(state);
  show(state, state.path.length - 1);
  const took = `Drawn in ${message.seconds.toFixed(1)} seconds`, old = String(state.request.places) !== String(state.asked);
  if (!message.judged) return page.say(`${took}; which requests are hit can't be said: ${state.unjudged}.`);
  if (old) return page.say(`${took}, for the requests as they were.`);
  judge(state, message.judged);
  page.say(`${took}: ${verdict(state)}.`);
}

function ended(state) {
  state.drawing = false;
  state.go.textContent = "draw";
  state.shown.disabled = !state.path.length;
}

/** Ends what is being drawn, and its worker with it. */
function stopped(page, state, sentence) {
  state.job += 1;
  if (state.drawing) {
    state.worker?.terminate();
    state.worker = null;
  }
  ended(state);
  page.say(sentence);
}

/** No picture: the page's own first one stands there again. */
function failed(page, state, why) {
  state.path = [];
  state.paint.forEach((paint) => paint(null));
  stopped(page, state, `Nothing was drawn: ${why}.`);
}

/** One step: the picture with its noise, and what the network takes it for. */
function show(state, k) {
  const step = state.path[k], area = SIDE * SIDE;
  if (!step) return;
  const put = (paint, data, by) =>
    paint((at) => [0, 1, 2].map((c) => 127.5 * (1 + data[c * area + at] / by)));
  put(state.paint[0], step.picture, 1 + step.sigma);
  put(state.paint[1], step.guess ?? new Float32Array(3 * area), 1);
  if (Number(state.shown.value) !== k) {
    state.shown.value = k;
    state.shown.dispatchEvent(new Event("input"));
  }
}

/** What is asked is not what was drawn any more: no hits, and the last sentence is out of date. */
function changed(page, state, sentence = "") {
  if (!state.drawing) page.say(`${sentence}The picture is of what was asked before: draw again.`);
  judge(state, null);
}

/** Keeps what was found; nothing where the picture is not of these requests. */
function judge(state, judged) {
  state.judged = judged;
  state.draw();
}

function verdict({ asked, judged: { found, hits } }) {
  return `${hits.length} of ${counted(asked.length, "request")} hit, ${counted(found.length, "object")} in the picture`;
}

function redraw(page, state) {
  const { asked, judged, marks } = state, hit = (q) => judged?.hits.includes(q);
  state.grips.forEach((follow) => follow());
  marks.hit(...rings(asked.filter((_, q) => judged && hit(q))));
  marks.missed(...rings(asked.filter((_, q) => judged && !hit(q))));
  marks.found(...crosses(judged?.found ?? []));
  state.tell("requests hit", judged ? `${judged.hits.length} of ${asked.length}` : "not drawn yet");
  state.tell("objects in the picture", judged ? `${judged.found.length}` : "not drawn yet");
  page.panels.asked.describe(`A picture with ${counted(asked.length, "request")} on it.`);
  page.panels.drawn.describe(judged ? `What was drawn: ${verdict(state)}.` : "What was drawn before the last change.");
}

function rings(centres) {
  const turn = Array.from({ length: 25 }, (_, k) => 2 * Math.PI * k / 24);
  const along = (axis, f) => centres.flatMap((centre) => [...turn.map((v) => centre[axis] + RADIUS * f(v)), NaN]);
  return [along(0, Math.cos), along(1, Math.sin)];
}

function crosses(centres) {
  const arm = 0.015;
  return [centres.flatMap(([x]) => [x - arm, x + arm, NaN, x, x, NaN]),
    centres.flatMap(([, y]) => [y, y, NaN, y - arm, y + arm, NaN])];
}
