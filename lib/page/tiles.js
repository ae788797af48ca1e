// The loop in which networks spend their time: sums of shifted, weighted rows of numbers. It holds
// eight places of four sums in registers. WebAssembly takes four numbers at a time where the browser
// has that, several times as fast as plain JavaScript, which does the same elsewhere.
//
// Its few instructions are put together below by name, so that there is neither a build step nor a
// file that nobody can read: https://webassembly.github.io/spec/core/binary/instructions.html

const AHEAD = 8;  // places at a time: the source is read, and sums are written, up to a multiple

/** Weights (outs, count) in fours of outputs: [outs / 4][count][4], zeros beyond the last. */
export function packed(weight, outs) {
  const count = weight.length / outs, fours = new Float32Array(4 * count * Math.ceil(outs / 4));
  for (let o = 0; o < outs; o++) {
    const from = 4 * count * (o >> 2) + o % 4;
    for (let k = 0; k < count; k++) fours[from + 4 * k] = weight[o * count + k];
  }
  return fours;
}

/** sum over k of weight[o][k] source[at[k] + p] for all outputs o and places p below `length`.
 *
 *  fours: weights as `packed`; at: Int32Array. Returns { data, stride }: the sum of o and p stands
 *  at o * stride + p until the next call. */
export function sums(source, at, fours, length) {
  return (wide() ?? plain)(source, at, fours, length);
}

/** The same in plain JavaScript. */
export function plain(source, at, fours, length) {
  const count = at.length, outs = fours.length / count, data = new Float32Array(outs * length);
  for (let o = 0; o < outs; o += 4) {  // four at a time: one reading serves them all
    const r0 = o * length, r1 = r0 + length, r2 = r1 + length, r3 = r2 + length;
    for (let k = 0, j = o * count; k < count; k++, j += 4) {
      const w0 = fours[j], w1 = fours[j + 1], w2 = fours[j + 2], w3 = fours[j + 3], from = at[k];
      for (let p = 0; p < length; p++) {
        const v = source[from + p];
        data[r0 + p] += w0 * v;
        data[r1 + p] += w1 * v;
        data[r2 + p] += w2 * v;
        data[r3 + p] += w3 * v;
      }
    }
  }
  return { data, stride: length };
}

let kernel;  // undefined until asked for, null where the browser has none

/** The same by WebAssembly, or null. */
export function wide() {
  if (kernel === undefined) {
    try {
      kernel = assembled();
    } catch {
      kernel = null;
    }
  }
  return kernel;
}

function assembled() {
  const memory = new WebAssembly.Memory({ initial: 16 });
  const module = new WebAssembly.Module(Uint8Array.from(binary()));
  const { fourSums } = new WebAssembly.Instance(module, { page: { memory } }).exports;
  return (source, at, fours, length) => {
    const count = at.length, outs = fours.length / count, stride = AHEAD * Math.ceil(length / AHEAD);
    // In memory, in numbers of four bytes: where to read, the weights, the source, the sums.
    const weights = count, from = weights + fours.length, to = from + source.length + AHEAD;
    const missing = 4 * (to + outs * stride) - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    const places = new Int32Array(memory.buffer), numbers = new Float32Array(memory.buffer);
    for (let k = 0; k < count; k++) places[k] = 4 * (from + at[k]);
    numbers.set(fours, weights);
    numbers.set(source, from);
    numbers.fill(0, from + source.length, to);
    for (let o = 0; o < outs; o += 4) {
      fourSums(0, 4 * count, 4 * (weights + o * count), 4 * (to + o * stride), 4 * stride);
    }
    return { data: numbers.subarray(to, to + outs * stride), stride };
  };
}

/** A module with one function: fourSums(places, end of places, weights, to, stride), in bytes. */
function binary() {
  const [PLACES, END, WEIGHTS, TO, STRIDE, P, AT, WEIGHT, FROM, ROW] = Array(10).keys();  // addresses
  const U = 10, V = 11, W = 12, SUM = 13;  // four numbers each: the source, a weight, 4 x 2 sums
  const number = (n) => n < 128 ? [n] : [n % 128 + 128, ...number(n >> 7)];
  const list = (items) => [...number(items.length), ...items.flat()];
  const section = (id, content) => [id, ...list(content)];
  const text = (word) => list([...word].map((c) => c.charCodeAt(0)));

  const get = (name) => [0x20, name], set = (name) => [0x21, name];
  const add = (a, b) => [...a, ...b, 0x6a], small = (n) => [0x41, n];
  const move = (name, by) => [...add(get(name), by), ...set(name)];
  const load = (address) => [...address, 0x28, 2, 0];
  const simd = (code, ...more) => [0xfd, ...number(code), ...more];
  const loadFour = (address, offset) => [...get(address), ...simd(0, 2, offset)];
  const repeated = (address, offset) => [...get(address), ...simd(9, 2, offset)];
  const store = (address, offset, name) => [...get(address), ...get(name), ...simd(11, 2, offset)];
  const zero = simd(12, ...Array(16).fill(0));
  const gain = (sum, v) => [...get(sum), ...get(W), ...get(v), ...simd(0xe6), ...simd(0xe4), ...set(sum)];
  const loop = (body, name, end) => [0x03, 0x40, ...body.flat(), ...get(name), ...get(end), 0x49, 0x0d, 0, 0x0b];
  const four = (f) => [0, 1, 2, 3].map(f).flat();

  const gather = loop([
    add(load(get(AT)), get(P)), set(FROM),
    loadFour(FROM, 0), set(U), loadFour(FROM, 16), set(V),
    four((q) => [...repeated(WEIGHT, 4 * q), ...set(W), ...gain(SUM + 2 * q, U), ...gain(SUM + 2 * q + 1, V)]),
    move(WEIGHT, small(16)), move(AT, small(4)),
  ], AT, END);
  const body = loop([
    four((q) => [...zero, ...set(SUM + 2 * q), ...zero, ...set(SUM + 2 * q + 1)]),
    get(PLACES), set(AT), get(WEIGHTS), set(WEIGHT),
    gather,
    add(get(TO), get(P)), set(ROW),
    four((q) => [...store(ROW, 0, SUM + 2 * q), ...store(ROW, 16, SUM + 2 * q + 1), ...move(ROW, get(STRIDE))]),
    move(P, small(4 * AHEAD)),
  ], P, STRIDE);

  const I32 = 0x7f, V128 = 0x7b, locals = list([[5, I32], [11, V128]]);
  return [
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, list([[0x60, ...list(Array(5).fill(I32)), 0]])),
    ...section(2, list([[...text("page"), ...text("memory"), 2, 0, 1]])),
    ...section(3, list([0])),
    ...section(7, list([[...text("fourSums"), 0, 0]])),
    ...section(10, list([list([...locals, ...body, 0x0b])])),
  ];
}
