// Where a picture shows objects: the detector of `lib.scenes.detector`, from its stored weights.
// Places agree with Python's to 1e-3 of the picture's width (tests/test_page_ask.py).

import { Layers, planes, readWeights, shuffled, silu, unshuffled } from "./network.js";

const SIZE = 32, SPREAD = 0.8, THRESHOLD = 0.5, GROUPS = 8;

/** What a file of weights finds: find(picture) gives places [x, y] in [0, 1].
 *
 *  Throws a sentence where the file is damaged or another network's, or a picture is none. */
export function finder(buffer) {
  const { tensors, header } = readWeights(buffer);
  if (header.network !== "detector-32") throw new Error(`the file holds ${header.network}, not the detector`);
  const layers = new Layers(tensors);
  return (picture) => {
    if (picture.w !== SIZE || picture.h !== SIZE) throw new Error(`the detector looks at ${SIZE} x ${SIZE} pixels`);
    if (!picture.data.every(Number.isFinite)) throw new Error("the picture is not finite");
    return peaks(seen(layers, picture));
  };
}

/** Logit of the heat, way right and way down, at every pixel. */
function seen(layers, picture) {
  const three = (part, x, half) => residual(layers, `${part}.2`, residual(layers, `${part}.1`, block(layers, `${part}.0`, x, half)));
  const fine = three("fine", unshuffled(picture, 2)), coarse = three("coarse", fine, true);
  const out = residual(layers, "out.1", block(layers, "out.0", joined(doubled(coarse), fine)));
  return shuffled(layers.conv("out.2", out), 2);
}

/** Convolution, group normalisation, SiLU. */
function block(layers, name, x, half = false) {
  const whole = layers.conv(`${name}.0`, x), h = half ? halved(whole) : whole;
  const { data: scale } = layers.tensor(`${name}.1.weight`), { data: shift } = layers.tensor(`${name}.1.bias`);
  const area = h.h * h.w, each = h.c / GROUPS * area;
  for (let from = 0; from < h.data.length; from += each) {
    let sum = 0, square = 0;
    for (let k = from; k < from + each; k++) sum += h.data[k];
    const mean = sum / each;
    for (let k = from; k < from + each; k++) square += (h.data[k] - mean) ** 2;
    const slope = 1 / Math.sqrt(square / each + 1e-5);
    for (let k = from; k < from + each; k++) {
      const c = Math.floor(k / area);
      h.data[k] = silu((h.data[k] - mean) * slope * scale[c] + shift[c]);
    }
  }
  return h;
}

function residual(layers, name, x) {
  const end = block(layers, `${name}.body.1`, block(layers, `${name}.body.0`, x));
  for (let k = 0; k < end.data.length; k++) end.data[k] += x.data[k];
  return end;
}

/** Every second place: what a stride of two keeps. */
function halved(x) {
  const out = planes(x.c, x.h / 2, x.w / 2);
  moved(out, x, (small, large) => { out.data[small] = x.data[large]; }, true);
  return out;
}

/** Each place four times. */
function doubled(x) {
  const out = planes(x.c, 2 * x.h, 2 * x.w);
  moved(x, out, (small, large) => { out.data[large] = x.data[small]; });
  return out;
}

/** Every place of the small stack beside those, or the first of those, that it is in the large. */
function moved(small, large, move, first = false) {
  for (let c = 0; c < small.c; c++) {
    for (let y = 0; y < large.h; y += first ? 2 : 1) {
      for (let x = 0; x < large.w; x += first ? 2 : 1) {
        move((c * small.h + (y >> 1)) * small.w + (x >> 1), (c * large.h + y) * large.w + x);
      }
    }
  }
}

function joined(x, y) {
  const out = planes(x.c + y.c, x.h, x.w);
  out.data.set(x.data);
  out.data.set(y.data, x.data.length);
  return out;
}

/** Objects: local maxima of the heat that are sure enough, moved to where the network points. */
function peaks({ data }) {
  const area = SIZE * SIZE, found = [];
  const higher = (a, b) => data[a] > data[b] || (data[a] === data[b] && a > b);  // equal ones count once
  for (let at = 0; at < area; at++) {
    const row = Math.floor(at / SIZE), column = at % SIZE;
    let peak = true;
    for (let y = Math.max(0, row - 1); y <= Math.min(SIZE - 1, row + 1); y++) {
      for (let x = Math.max(0, column - 1); x <= Math.min(SIZE - 1, column + 1); x++) {
        if (higher(y * SIZE + x, at)) peak = false;
      }
    }
    const right = data[area + at], down = data[2 * area + at], heat = 1 / (1 + Math.exp(-data[at]));
    const aside = Math.min(right ** 2 + down ** 2, 0.5);  // at most a pixel's corner away
    if (!peak || heat < THRESHOLD * Math.exp(-aside / (2 * SPREAD ** 2))) continue;
    found.push([column + 0.5 + right, row + 0.5 + down].map((v) => Math.min(1, Math.max(0, v / SIZE))));
  }
  return found;
}
