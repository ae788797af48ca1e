// The networks of chapter 9 in plain JavaScript, from their stored weights: the layers of
// `lib.diffusion.networks`, `pathways` and `patch`, the wrapping and the sampler of `edm`.
// Pictures agree with Python's to 1e-3 (tests/test_page_network.py). Ways of asking: `asking.js`.
//
// A plane stack is { data: Float32Array, c, h, w }, channel after channel, one picture at a time.
// A runtime for networks in the browser is 10 MB and more; these networks are 1 MB each.

import { within } from "./hearing.js";
import { packed, sums } from "./tiles.js";

/** Reads a safetensors file: { tensors: { name: { shape, data } }, header }, all as 32-bit floats.
 *  Throws a sentence where the file is cut short, damaged or of another kind. */
export function readWeights(buffer) {
  const view = new DataView(buffer);
  const size = buffer.byteLength < 8 ? Infinity : Number(view.getBigUint64(0, true));
  if (8 + size > buffer.byteLength) throw new Error("the file of weights is cut short");
  let table, header;
  try {
    table = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
    header = JSON.parse(table.__metadata__.header);
  } catch {
    throw new Error("the file of weights is damaged");
  }
  const tensors = {};
  delete table.__metadata__;
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(table)) {
    if (8 + size + to > buffer.byteLength) throw new Error("the file of weights is cut short");
    tensors[name] = { shape, data: floats(buffer.slice(8 + size + from, 8 + size + to), dtype) };
  }
  return { tensors, header };
}

function floats(bytes, dtype) {
  if (dtype === "F32") return new Float32Array(bytes);
  if (dtype !== "BF16") throw new Error(`weights of the kind ${dtype} are not read here`);
  const half = new Uint16Array(bytes), whole = new Uint32Array(half.length);
  half.forEach((value, k) => { whole[k] = value << 16; });
  return new Float32Array(whole.buffer);
}

export const planes = (c, h, w, data = new Float32Array(c * h * w)) => ({ data, c, h, w });
export const silu = (v) => v / (1 + Math.exp(-v));

// Plain loops from here on: the arrays' own `map` and `from` take several times as long.
function silued(x) {
  const out = planes(x.c, x.h, x.w);
  for (let k = 0; k < out.data.length; k++) out.data[k] = silu(x.data[k]);
  return out;
}

/** a x + b y, for numbers a and b. */
function mixed(x, y, a = 1, b = 1) {
  const out = planes(x.c, x.h, x.w);
  for (let k = 0; k < out.data.length; k++) out.data[k] = a * x.data[k] + b * y.data[k];
  return out;
}

/** A convolution with square windows; `pad` zeros outside, or none and the picture shrinks. */
export function convolved(x, { shape: [outs, , side], data: weight }, bias, pad) {
  const margin = pad ? side >> 1 : 0, source = padded(x, margin), wide = source.w;
  const h = source.h - side + 1, w = wide - side + 1, taps = side * side, out = planes(outs, h, w);
  const at = new Int32Array(x.c * taps), area = source.h * wide;
  for (let k = 0; k < at.length; k++) {
    at[k] = Math.floor(k / taps) * area + Math.floor(k % taps / side) * wide + k % side;
  }
  // One long run over whole rows, the few places beyond a row's end computed and left out.
  const { data, stride } = sums(source.data, at, once(fours, weight, () => packed(weight, outs)), (h - 1) * wide + w);
  for (let o = 0; o < outs; o++) {
    const own = bias ? bias.data[o] : 0;
    for (let y = 0, to = o * h * w; y < h; y++) {
      for (let from = o * stride + y * wide, end = from + w; from < end;) out.data[to++] = data[from++] + own;
    }
  }
  return out;
}

const fours = new WeakMap(), turned = new WeakMap();  // of weights that were used before

/** What was made of `key` before, or is made now. */
function once(known, key, make) {
  if (!known.has(key)) known.set(key, make());
  return known.get(key);
}

/** Zeros around. */
export function padded(x, margin) {
  if (!margin) return x;
  const wide = x.w + 2 * margin, out = planes(x.c, x.h + 2 * margin, wide);
  for (let c = 0; c < x.c; c++) {
    for (let y = 0; y < x.h; y++) {
      const from = (c * x.h + y) * x.w;
      out.data.set(x.data.subarray(from, from + x.w), (c * out.h + y + margin) * wide + margin);
    }
  }
  return out;
}

/** The picture without a margin on each side. */
function inner(x, m) {
  if (!m) return x;
  const out = planes(x.c, x.h - 2 * m, x.w - 2 * m);
  for (let c = 0; c < x.c; c++) {
    for (let y = 0; y < out.h; y++) {
      const from = (c * x.h + y + m) * x.w + m;
      out.data.set(x.data.subarray(from, from + out.w), (c * out.h + y) * out.w);
    }
  }
  return out;
}

/** Zero mean and unit variance over channels, at each place alone. */
export function normalised(x) {
  const area = x.h * x.w, out = planes(x.c, x.h, x.w);
  for (let p = 0; p < area; p++) {
    let sum = 0, square = 0;
    for (let c = 0; c < x.c; c++) sum += x.data[c * area + p];
    const mean = sum / x.c;
    for (let c = 0; c < x.c; c++) square += (x.data[c * area + p] - mean) ** 2;
    const scale = 1 / Math.sqrt(square / x.c + 1e-5);
    for (let c = 0; c < x.c; c++) out.data[c * area + p] = (x.data[c * area + p] - mean) * scale;
  }
  return out;
}

/** Cells of m x m pixels as channels, and back: pixel_unshuffle and pixel_shuffle. */
export function unshuffled(x, m) {
  const out = planes(x.c * m * m, x.h / m, x.w / m);
  shuffle(x, m, (pixel, cell) => { out.data[cell] = x.data[pixel]; });
  return out;
}

export function shuffled(x, m) {
  const out = planes(x.c / (m * m), x.h * m, x.w * m);
  shuffle(out, m, (pixel, cell) => { out.data[pixel] = x.data[cell]; });
  return out;
}

function shuffle(picture, m, move) {
  const h = picture.h / m, w = picture.w / m;
  for (let c = 0; c < picture.c; c++) {
    for (let y = 0; y < picture.h; y++) {
      for (let x = 0; x < picture.w; x++) {
        const channel = (c * m + y % m) * m + x % m;
        move((c * picture.h + y) * picture.w + x, (channel * h + Math.floor(y / m)) * w + Math.floor(x / m));
      }
    }
  }
}

/** The layers of one network: each is looked up by the name that its weights have. */
export class Layers {
  constructor(tensors) {
    this.tensors = tensors;
  }

  has(name) {
    return name in this.tensors;
  }

  tensor(name) {
    if (!this.has(name)) throw new Error(`the file of weights lacks ${name}`);
    return this.tensors[name];
  }

  conv(name, x, pad = true) {
    return convolved(x, this.tensor(`${name}.weight`), this.tensors[`${name}.bias`], pad);
  }

  /** A linear layer of a vector: a convolution of a picture of one pixel. */
  linear(name, vector) {
    const { shape: [outs, ins], data } = this.tensor(`${name}.weight`);
    const x = planes(ins, 1, 1, Float32Array.from(vector));
    return convolved(x, { shape: [outs, ins, 1], data }, this.tensors[`${name}.bias`], false).data;
  }

  /** `NoiseEmbedding` of ln(sigma) / 4. */
  noise(level) {
    const phase = Array.from({ length: 16 }, (_, k) => level * 2 * Math.PI * 2 ** (-2 + k / 3));
    const hidden = this.linear("noise.layers.0", [...phase.map(Math.cos), ...phase.map(Math.sin)]);
    return this.linear("noise.layers.2", hidden.map(silu));
  }

  /** `Block`: the embedding is one for all places (1 x 1) or one a place. */
  block(name, x, embedding, pad = true) {
    const changed = this.conv(`${name}.modulation`, embedding);
    const h = this.conv(`${name}.conv1`, silued(normalised(x)), pad);
    const bent = normalised(h), area = h.h * h.w, each = area / (embedding.h * embedding.w);
    const { data: shift } = changed, half = shift.length / 2;
    for (let k = 0; k < bent.data.length; k++) {
      const at = each === 1 ? k : Math.floor(k / each);
      bent.data[k] = silu(shift[half + at] + bent.data[k] * (1 + shift[at]));
    }
    const end = this.conv(`${name}.conv2`, bent, pad);
    return mixed(inner(x, (x.h - end.h) / 2), end);
  }

  /** `Attention` over all places, added to its input. */
  attention(name, x, heads = 4) {
    const qkv = this.conv(`${name}.enter`, normalised(x)).data, area = x.h * x.w, each = x.c / heads;
    const heard = planes(x.c, x.h, x.w), row = new Float32Array(area);
    for (let head = 0; head < heads; head++) {
      const q = head * each * area, k = q + x.c * area, v = k + x.c * area;
      for (let i = 0; i < area; i++) {
        row.fill(0);
        for (let c = 0; c < each; c++) {
          const own = qkv[q + c * area + i] / Math.sqrt(each);
          for (let j = 0; j < area; j++) row[j] += own * qkv[k + c * area + j];
        }
        let most = -Infinity, sum = 0;
        for (let j = 0; j < area; j++) most = Math.max(most, row[j]);
        for (let j = 0; j < area; j++) sum += row[j] = Math.exp(row[j] - most);
        for (let c = 0; c < each; c++) {
          let value = 0;
          for (let j = 0; j < area; j++) value += row[j] * qkv[v + c * area + j];
          heard.data[q + c * area + i] = value / sum;
        }
      }
    }
    return mixed(x, this.conv(`${name}.leave`, heard));
  }

  /** `FullTrunk`: a small U-Net with attention. */
  fullTrunk(name, x, embedding) {
    const fine = this.block(`${name}.first`, x, embedding);
    const { shape: [outs, ins], data } = this.tensor(`${name}.down.weight`);
    const down = { shape: [outs, 4 * ins, 1], data };  // windows that do not overlap: cells
    let coarse = convolved(unshuffled(fine, 2), down, this.tensor(`${name}.down.bias`), false);
    coarse = this.attention(`${name}.attention`, this.block(`${name}.before`, coarse, embedding));
    const up = this.raised(`${name}.up`, this.block(`${name}.after`, coarse, embedding));
    return this.block(`${name}.last`, mixed(fine, up), embedding);
  }

  /** A transposed convolution of 2 x 2 without overlap. */
  raised(name, x) {
    const { shape: [ins, outs], data } = this.tensor(`${name}.weight`), n = 4 * outs;
    const weight = once(turned, data, () =>
      Float32Array.from(data, (_, k) => data[k % ins * n + Math.floor(k / ins)]));
    const bias = this.tensor(`${name}.bias`).data, spread = Float32Array.from({ length: n }, (_, k) => bias[k >> 2]);
    return shuffled(convolved(x, { shape: [n, ins, 1], data: weight }, { data: spread }, false), 2);
  }

  /** `LocalTrunk`: blocks without padding; how far each sees stands in its weights. */
  localTrunk(name, x, embedding) {
    for (let k = 0; this.has(`${name}.blocks.${k}.conv1.weight`); k++) {
      x = this.block(`${name}.blocks.${k}`, x, embedding, false);
    }
    return x;
  }
}

/** Fourier features of a place (x, y): see `lib.diffusion.pathways.fourier`. */
export function fourier(x, y, width) {
  const half = width / 2, out = new Float32Array(width);
  for (let k = 0; k < half; k++) {
    const angle = k * Math.PI * (3 - Math.sqrt(5)), periods = 5 * Math.sqrt((k + 0.5) / half);
    const phase = 2 * Math.PI * periods * (x * Math.cos(angle) + y * Math.sin(angle));
    out[k] = Math.cos(phase);
    out[half + k] = Math.sin(phase);
  }
  return out;
}

/** The cells between whose centres a place stands, each with its share: [[cell, share], ...]. */
export function shares(place, grid) {
  const [x, y] = place.map((v) => Math.min(grid - 1, Math.max(0, v * grid - 0.5)));
  const left = Math.min(grid - 2, Math.floor(x)), top = Math.min(grid - 2, Math.floor(y));
  const [right, below] = [x - left, y - top], at = top * grid + left;
  return [[at, (1 - below) * (1 - right)], [at + 1, (1 - below) * right],
    [at + grid, below * (1 - right)], [at + grid + 1, below * right]];
}

/** A request's row of a table over the cells, interpolated between them. */
function rowOf({ shape: [, features], data }, place, grid) {
  const row = new Float32Array(features);
  for (const [cell, share] of shares(place, grid)) {
    for (let f = 0; f < features; f++) row[f] += share * data[cell * features + f];
  }
  return row;
}

/** The sum of rows of the requests: one for all places, or with weights what each cell hears. */
function summed(rows, features, grid, weights) {
  const side = weights ? grid : 1, area = side ** 2, out = planes(features, side, side);
  rows.forEach((row, q) => row.forEach((value, f) => {
    for (let at = 0; at < area; at++) out.data[f * area + at] += (weights?.[q * area + at] ?? 1) * value;
  }));
  return out;
}

/** `Meeting`: what is told, one for all places or one a place, meets each place. */
function meeting(layers, embedding) {
  const { shape: [c, h, w], data: here } = layers.tensor("condition.meeting.here");
  const told = layers.conv("condition.meeting.told", embedding), each = h * w / (told.h * told.w);
  const met = planes(c, h, w);
  for (let k = 0; k < here.length; k++) {
    met.data[k] = silu(here[k] + told.data[each === 1 ? k : Math.floor(k / each)]);
  }
  return layers.conv("condition.meeting.leave", met);
}

/** `lib.diffusion.pathways`: what the requests add to the places, and whether weights are taken. */
const PATHWAYS = {
  vector: { weighed: true, add: (layers, { grid }, places, weights) => {
    const table = layers.tensor("condition.table");
    const rows = places.map((place) => rowOf(table, place, grid));
    return meeting(layers, summed(rows, table.shape[1], grid, weights));
  } },
  fourier: { add: (layers, { grid, told }, places) =>
    meeting(layers, summed(places.map((place) => fourier(...place, told)), told, grid)) },
  map: { add: (layers, { size, grid }, places) => {
    const drawn = planes(1, size, size);
    for (const place of places) {
      for (const [pixel, share] of shares(place, size)) drawn.data[pixel] += share;
    }
    return layers.conv("condition.enter", unshuffled(drawn, size / grid));
  } },
  none: { add: (layers, { width, grid }, places) => {
    if (places.length) throw new Error("this network takes no requests");
    return planes(width, grid, grid);
  } },
};

/** f(places, weights), remembered: what requests add depends on neither picture nor noise level. */
function kept(f) {
  const known = new Map();
  return (places, weights) => {
    if (known.size > 40) known.clear();
    return once(known, `${places}|${weights}`, () => f(places, weights));
  };
}

/** A `UNet`: the requests come in by a pathway, and are added to the places before the trunk. */
function unet(layers, [pathway], sizes) {
  if (!(pathway in PATHWAYS)) throw new Error(`the network hears by ${pathway}, which is not known here`);
  const m = sizes.size / sizes.grid, told = PATHWAYS[pathway];
  const add = kept((places, weights) => told.add(layers, sizes, places, weights));
  return (x, level, places, weights) => {
    if (weights && !told.weighed) throw new Error(`who hears what cannot be told to a network that hears by ${pathway}`);
    const noise = layers.noise(level);
    const here = mixed(layers.conv("enter", unshuffled(x, m)), layers.tensor("positions"));
    const all = mixed(here, add(places, weights));
    return shuffled(layers.conv("leave", layers.fullTrunk("trunk", all, planes(noise.length, 1, 1, noise))), m);
  };
}

/** A `WindowNetwork`: what a cell sees and which requests it hears are two windows. */
function windowed(layers, [sees, hears], { size, grid, k }) {
  const { shape: [width], data: positions } = layers.tensor("positions"), area = grid ** 2;
  const m = size / grid, margin = sees === "local" ? k : 0, reach = hears === "local" ? k : grid;
  const ways = padded(planes(width, grid, grid, positions), margin);
  const trunk = sees === "local" ? "localTrunk" : "fullTrunk";
  const known = kept((places, weights) => encoded(layers, places, grid, weights ?? within(places, grid, reach)));
  return (x, level, places, weights) => {
    const noise = layers.noise(level), pixels = unshuffled(x, m);
    const inside = planes(pixels.c + 1, grid, grid);
    inside.data.set(pixels.data);
    inside.data.fill(1, pixels.c * area);
    const seen = mixed(layers.conv("enter", padded(inside, margin)), ways);
    let h = layers.conv("join", layers[trunk]("trunk", seen, planes(noise.length, 1, 1, noise)));
    const told = known(places, weights);
    const embedding = planes(told.c, grid, grid);
    for (let k = 0; k < told.data.length; k++) embedding.data[k] = told.data[k] + noise[Math.floor(k / area)];
    for (let b = 0; layers.has(`head.${b}.conv1.weight`); b++) h = layers.block(`head.${b}`, h, embedding);
    return shuffled(layers.conv("leave", h), m);
  };
}

/** `CellEncoder`: at each cell the sum of rows that it hears, and where the cell is. */
function encoded(layers, places, grid, weights) {
  const table = layers.tensor("encoder.table"), features = table.shape[1], area = grid ** 2;
  const known = planes(2 * features, grid, grid);
  const rows = places.map((place) => rowOf(table, place, grid));
  known.data.set(summed(rows, features, grid, weights).data);
  for (let at = 0; at < area; at++) {
    const own = fourier((at % grid + 0.5) / grid, (Math.floor(at / grid) + 0.5) / grid, features);
    own.forEach((v, f) => { known.data[(features + f) * area + at] = v; });
  }
  return layers.conv("encoder.layers.2", silued(layers.conv("encoder.layers.0", known)));
}

/** Raises a sentence unless the network can take the requests: at most 16 places in the picture. */
function check(places, weights, grid, limit = 16) {
  if (places.length > limit) throw new Error(`the network takes at most ${limit} requests, not ${places.length}`);
  if (!places.every((place) => place.every((v) => v >= 0 && v <= 1))) throw new Error("a request lies outside the picture");
  const count = places.length * grid ** 2;
  if (weights && !(weights.length === count && weights.every(Number.isFinite))) {
    throw new Error(`who hears what is ${count} finite weights, one a request and cell, not ${weights.length}`);
  }
}

/** The denoiser that a file of weights holds: D(x, sigma, places, weights), x a stack of 3 planes.
 *
 *  Weights say which cell hears which request (`hearing.js`); without them it is as in training.
 *  D.grid is the number of cells a side, D.size that of pixels, D.family `unet` or `window`. */
export function denoiser(buffer) {
  const { tensors, header } = readWeights(buffer), name = header.network ?? "";
  const [family, ...kinds] = name.split("."), build = { unet, window: windowed }[family];
  if (!build) throw new Error(`the file holds the network ${name || "without a name"}, which is not known here`);
  const sizes = {};
  for (const [, key, value] of name.matchAll(/\.([a-z]+)(\d+)/g)) sizes[key] = Number(value);
  const raw = build(new Layers(tensors), kinds, sizes), spread = header.sigma_data, { size, grid } = sizes;
  const D = (x, sigma, places, weights = null) => {
    if (x.h !== size || x.w !== size) throw new Error(`the network's pictures are ${size} x ${size}, not ${x.h} x ${x.w}`);
    check(places, weights, grid);
    const total = Math.hypot(sigma, spread), skip = (spread / total) ** 2, out = sigma * spread / total;
    const said = raw(mixed(x, x, 1 / total, 0), Math.log(sigma) / 4, places, weights);
    return mixed(x, said, skip, out);
  };
  return Object.assign(D, { grid, size, family });
}

/** `lib.diffusion.edm.path`: yields the picture at every level, from the noise to the sample.
 *  `guess` of each is what the denoiser answered on the way there, null at the start. */
export function* path(D, noise, places, levels) {
  let x = mixed(noise, noise, levels[0], 0);
  yield { ...x, guess: null };
  for (let i = 0; i + 1 < levels.length; i++) {
    const sigma = levels[i], after = levels[i + 1], guess = D(x, sigma, places), here = x;
    const slope = mixed(x, guess, 1 / sigma, -1 / sigma);
    x = mixed(here, slope, 1, after - sigma);
    if (after > 0) {
      const ahead = mixed(x, D(x, after, places), 1 / after, -1 / after);
      x = mixed(here, mixed(slope, ahead, 0.5, 0.5), 1, after - sigma);
    }
    yield { ...x, guess };
  }
}
