// The networks of chapter 9 in plain JavaScript, from their stored weights: the layers of
// `lib.diffusion.networks` and `lib.diffusion.patch`, the wrapping and the sampler of
// `lib.diffusion.edm`. Pictures agree with Python's to 1e-3 (tests/test_page_network.py).
//
// A plane stack is { data: Float32Array, c, h, w }, channel after channel, one picture at a time.
// A runtime for networks in the browser is 10 MB and more; these networks are .4 MB.

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

const planes = (c, h, w, data = new Float32Array(c * h * w)) => ({ data, c, h, w });
const silu = (v) => v / (1 + Math.exp(-v));
const map = (x, f) => planes(x.c, x.h, x.w, x.data.map(f));
const added = (x, y) => planes(x.c, x.h, x.w, x.data.map((v, k) => v + y.data[k]));

/** A convolution with square windows; `pad` zeros outside, or none and the picture shrinks. */
export function convolved(x, { shape: [outs, , side], data: weight }, bias, pad) {
  const margin = pad ? side >> 1 : 0, wide = x.w + 2 * margin, high = x.h + 2 * margin;
  const h = high - side + 1, w = wide - side + 1, area = wide * high;
  const source = margin ? padded(x, margin).data : x.data;
  // One long loop over whole rows, the few places beyond a row's end computed and left out.
  const length = (h - 1) * wide + w, row = new Float32Array(4 * length), out = planes(outs, h, w);
  for (let o = 0; o < outs; o += 4) {  // four outputs at a time: one reading serves them all
    const n = Math.min(4, outs - o);
    for (let q = 0; q < n; q++) row.fill(bias ? bias.data[o + q] : 0, q * length, (q + 1) * length);
    accumulated(row, length, source, area, x.c, weight, o, n, side, wide);
    for (let q = 0; q < n; q++) {
      for (let y = 0; y < h; y++) {
        const from = q * length + y * wide;
        out.data.set(row.subarray(from, from + w), ((o + q) * h + y) * w);
      }
    }
  }
  return out;
}

function accumulated(row, length, source, area, channels, weight, o, n, side, wide) {
  const taps = side * side, stride = channels * taps;
  for (let i = 0; i < channels; i++) {
    for (let tap = 0; tap < taps; tap++) {
      const at = i * area + Math.floor(tap / side) * wide + tap % side, k = i * taps + tap;
      const w0 = weight[o * stride + k], w1 = n > 1 ? weight[(o + 1) * stride + k] : 0;
      const w2 = n > 2 ? weight[(o + 2) * stride + k] : 0, w3 = n > 3 ? weight[(o + 3) * stride + k] : 0;
      const r1 = length, r2 = 2 * length, r3 = 3 * length;
      for (let p = 0; p < length; p++) {
        const v = source[at + p];
        row[p] += w0 * v;
        row[r1 + p] += w1 * v;
        row[r2 + p] += w2 * v;
        row[r3 + p] += w3 * v;
      }
    }
  }
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
    const h = this.conv(`${name}.conv1`, map(normalised(x), silu), pad);
    const plain = normalised(h), area = h.h * h.w, single = embedding.h * embedding.w === 1;
    const bent = planes(h.c, h.h, h.w, plain.data.map((v, k) => {
      const at = single ? Math.floor(k / area) : k;
      return silu(changed.data[at + h.c * (single ? 1 : area)] + v * (1 + changed.data[at]));
    }));
    const end = this.conv(`${name}.conv2`, bent, pad);
    return added(inner(x, (x.h - end.h) / 2), end);
  }

  /** `Attention` over all places, added to its input. */
  attention(name, x, heads = 4) {
    const qkv = this.conv(`${name}.enter`, normalised(x)).data, area = x.h * x.w, each = x.c / heads;
    const mixed = planes(x.c, x.h, x.w), row = new Float32Array(area);
    for (let head = 0; head < heads; head++) {
      const q = head * each * area, k = q + x.c * area, v = k + x.c * area;
      for (let i = 0; i < area; i++) {
        row.fill(0);
        for (let c = 0; c < each; c++) {
          const own = qkv[q + c * area + i] / Math.sqrt(each);
          for (let j = 0; j < area; j++) row[j] += own * qkv[k + c * area + j];
        }
        const most = row.reduce((a, b) => Math.max(a, b), -Infinity);
        let sum = 0;
        for (let j = 0; j < area; j++) sum += row[j] = Math.exp(row[j] - most);
        for (let c = 0; c < each; c++) {
          let value = 0;
          for (let j = 0; j < area; j++) value += row[j] * qkv[v + c * area + j];
          mixed.data[q + c * area + i] = value / sum;
        }
      }
    }
    return added(x, this.conv(`${name}.leave`, mixed));
  }

  /** `FullTrunk`: a small U-Net with attention. */
  fullTrunk(name, x, embedding) {
    const fine = this.block(`${name}.first`, x, embedding);
    const { shape: [outs, ins], data } = this.tensor(`${name}.down.weight`);
    const down = { shape: [outs, 4 * ins, 1], data };  // windows that do not overlap: cells
    let coarse = convolved(unshuffled(fine, 2), down, this.tensor(`${name}.down.bias`), false);
    coarse = this.attention(`${name}.attention`, this.block(`${name}.before`, coarse, embedding));
    const up = this.raised(`${name}.up`, this.block(`${name}.after`, coarse, embedding));
    return this.block(`${name}.last`, added(fine, up), embedding);
  }

  /** A transposed convolution of 2 x 2 without overlap. */
  raised(name, x) {
    const { shape: [ins, outs], data } = this.tensor(`${name}.weight`);
    const bias = this.tensor(`${name}.bias`).data, turned = new Float32Array(data.length);
    for (let i = 0; i < ins; i++) {
      for (let k = 0; k < 4 * outs; k++) turned[k * ins + i] = data[i * 4 * outs + k];
    }
    const spread = { data: Float32Array.from({ length: 4 * outs }, (_, k) => bias[k >> 2]) };
    return shuffled(convolved(x, { shape: [4 * outs, ins, 1], data: turned }, spread, false), 2);
  }

  /** `LocalTrunk`: blocks without padding; how far each sees stands in its weights. */
  localTrunk(name, x, embedding) {
    for (let k = 0; this.has(`${name}.blocks.${k}.conv1.weight`); k++) {
      x = this.block(`${name}.blocks.${k}`, x, embedding, false);
    }
    return x;
  }
}

/** Fourier features of a place (x, y): see `lib.diffusion.networks.fourier`. */
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

const cell = ([x, y], grid) => [y, x].map((v) => Math.min(grid - 1, Math.max(0, Math.floor(v * grid))));

/** The requests of a picture, if the network can take them: places [x, y] in [0, 1]. */
function checked(places, limit = 16) {
  if (places.length > limit) throw new Error(`the network takes at most ${limit} requests, not ${places.length}`);
  if (!places.every((place) => place.every((v) => v >= 0 && v <= 1))) throw new Error("a request lies outside the picture");
  return places;
}

/** A `UNet`: the requests as a vector, as Fourier features or as a picture of their own. */
function unet(layers, pathway) {
  const { shape: [, grid] } = layers.tensor("positions");
  const m = Math.sqrt(layers.tensor("leave.weight").shape[0] / 3);
  const told = {
    vector: (sum, places) => {
      const table = layers.tensor("condition.table").data;
      const hot = new Set(places.map((place) => cell(place, grid)).map(([i, j]) => i * grid + j));
      for (const k of hot) sum.forEach((_, e) => { sum[e] += table[k * sum.length + e]; });
    },
    fourier: (sum, places) => {
      const features = new Float32Array(sum.length);
      for (const place of places) fourier(...place, sum.length).forEach((v, e) => { features[e] += v; });
      layers.linear("condition.linear", features).forEach((v, e) => { sum[e] += v; });
    },
    map: () => {}, none: () => {},
  }[pathway];
  if (!told) throw new Error(`the network hears by ${pathway}, which is not known here`);
  return (x, level, places) => {
    const sum = layers.noise(level), side = x.h;
    told(sum, places);
    if (pathway === "map") {
      const drawn = planes(x.c + 1, side, side);
      drawn.data.set(x.data);
      for (const [i, j] of places.map((place) => cell(place, side))) drawn.data[(x.c * side + i) * side + j] = 1;
      x = drawn;
    }
    const entered = layers.conv("enter", unshuffled(x, m));
    const h = layers.fullTrunk("trunk", added(entered, layers.tensor("positions")), planes(sum.length, 1, 1, sum));
    return shuffled(layers.conv("leave", h), m);
  };
}

/** A `WindowNetwork`: what a cell sees and which requests it hears are two windows. */
function windowed(layers, sees, hears, k) {
  const { shape: [width, grid], data: positions } = layers.tensor("positions");
  const m = Math.sqrt(layers.tensor("leave.weight").shape[0] / 3), margin = sees === "local" ? k : 0;
  const ways = padded(planes(width, grid, grid, positions), margin);
  const trunk = sees === "local" ? "localTrunk" : "fullTrunk";
  return (x, level, places) => {
    const noise = layers.noise(level), pixels = unshuffled(x, m), area = grid * grid;
    const inside = planes(pixels.c + 1, grid, grid);
    inside.data.set(pixels.data);
    inside.data.fill(1, pixels.c * area);
    const seen = added(layers.conv("enter", padded(inside, margin)), ways);
    let h = layers.conv("join", layers[trunk]("trunk", seen, planes(noise.length, 1, 1, noise)));
    const told = encoded(layers, places, grid, hears === "local" ? k : grid);
    const embedding = planes(told.c, grid, grid, told.data.map((v, at) => v + noise[Math.floor(at / area)]));
    for (let b = 0; layers.has(`head.${b}.conv1.weight`); b++) h = layers.block(`head.${b}`, h, embedding);
    return shuffled(layers.conv("leave", h), m);
  };
}

/** `CellEncoder`: at each cell the sum over the requests in its window, and where the cell is. */
function encoded(layers, places, grid, reach) {
  const { shape: [, features], data: table } = layers.tensor("encoder.table"), area = grid * grid;
  const heard = planes(2 * features, grid, grid), cells = places.map((place) => cell(place, grid));
  for (let i = 0; i < grid; i++) {
    for (let j = 0; j < grid; j++) {
      const own = fourier((j + 0.5) / grid, (i + 0.5) / grid, features), at = i * grid + j;
      own.forEach((v, f) => { heard.data[(features + f) * area + at] = v; });
      for (const [row, column] of cells) {
        if (Math.abs(row - i) > reach || Math.abs(column - j) > reach) continue;
        for (let f = 0; f < features; f++) heard.data[f * area + at] += table[(row * grid + column) * features + f];
      }
    }
  }
  return layers.conv("encoder.layers.2", map(layers.conv("encoder.layers.0", heard), silu));
}

/** The denoiser that a file of weights holds: D(x, sigma, places), x a stack of 3 planes. */
export function denoiser(buffer) {
  const { tensors, header } = readWeights(buffer), layers = new Layers(tensors);
  const name = header.network ?? "", [family, first, second] = name.split(".");
  const raw = family === "unet" ? unet(layers, first)
    : family === "window" ? windowed(layers, first, second, Number(/\.k(\d+)/.exec(name)?.[1])) : null;
  if (!raw) throw new Error(`the file holds the network ${name || "without a name"}, which is not known here`);
  const spread = header.sigma_data;
  return (x, sigma, places) => {
    const total = Math.hypot(sigma, spread), skip = (spread / total) ** 2, out = sigma * spread / total;
    const said = raw(map(x, (v) => v / total), Math.log(sigma) / 4, checked(places));
    return planes(x.c, x.h, x.w, x.data.map((v, k) => skip * v + out * said.data[k]));
  };
}

/** `lib.diffusion.edm.path`: yields the picture at every level, from the noise to the sample. */
export function* path(D, noise, places, levels) {
  let x = map(noise, (v) => v * levels[0]);
  yield x;
  for (let i = 0; i + 1 < levels.length; i++) {
    const sigma = levels[i], after = levels[i + 1], guess = D(x, sigma, places), here = x;
    const slope = x.data.map((v, k) => (v - guess.data[k]) / sigma);
    x = planes(x.c, x.h, x.w, x.data.map((v, k) => v + (after - sigma) * slope[k]));
    if (after > 0) {
      const ahead = D(x, after, places), tried = x;
      x = planes(x.c, x.h, x.w, here.data.map((v, k) =>
        v + (after - sigma) * (slope[k] + (tried.data[k] - ahead.data[k]) / after) / 2));
    }
    yield x;
  }
}
