// Two tied layers on two concepts, as `lib.sim.two_layer` has them, to 1e-6 (tests/test_page_flow.py).
//
// For two concepts the flow of W = U U^T is three equations, in w11, w12 and w22. They are
// integrated as the factor U (two rows in a plane: lengths and angle are those three numbers),
// because a W without full rank is unstable as a flow of W alone: rounding would fill it.
// Time is the paper's.

// Dormand and Prince's pair of orders 5 and 4: the rows of its table one after another, and what
// its two orders differ by. A kept solver for the browser is older than typed arrays.
const TABLE = [
  [1 / 5], [3 / 40, 9 / 40], [44 / 45, -56 / 15, 32 / 9],
  [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
  [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
  [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
].map((row) => Float64Array.from(row));
const ERROR = Float64Array.from(
  [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40]);
const RTOL = 1e-9;

/** U' = [A - (A W + W A) / 2] U for u = (u11, u12, u21, u22), written to out[at], out[at + 1], ... */
function velocity(u, a1, a2, out, at) {
  const w11 = u[0] * u[0] + u[1] * u[1], w22 = u[2] * u[2] + u[3] * u[3];
  const cross = (a1 + a2) / 2 * (u[0] * u[2] + u[1] * u[3]);
  const g1 = a1 * (1 - w11), g2 = a2 * (1 - w22);
  out[at] = g1 * u[0] - cross * u[2];
  out[at + 1] = g1 * u[1] - cross * u[3];
  out[at + 2] = g2 * u[2] - cross * u[0];
  out[at + 3] = g2 * u[3] - cross * u[1];
}

/** One step of length h from y: fills `next` and the slopes k (7 of 4), returns its error over
 *  what is allowed. The first slope is there already. */
function tried(y, a1, a2, h, k, next, floor) {
  for (let stage = 1; stage < 7; stage++) {
    const row = TABLE[stage - 1];
    for (let i = 0; i < 4; i++) {
      let sum = 0;
      for (let j = 0; j < stage; j++) sum += row[j] * k[4 * j + i];
      next[i] = y[i] + h * sum;
    }
    velocity(next, a1, a2, k, 4 * stage);
  }
  let error = 0;
  for (let i = 0; i < 4; i++) {
    let sum = 0;
    for (let j = 0; j < 7; j++) sum += ERROR[j] * k[4 * j + i];
    const share = h * sum / (floor[i] + RTOL * Math.max(Math.abs(y[i]), Math.abs(next[i])));
    error += share * share / 4;
  }
  return Math.sqrt(error);
}

/** The maps at `times` (rising, from 0 on) as three arrays: w11, w12, w22.
 *
 *  u: the rows of U at time 0, (u11, u12, u21, u22); a: the two rates, not negative. */
export function flow(u, [a1, a2], times) {
  const n = times.length;
  const w = { w11: new Float64Array(n), w12: new Float64Array(n), w22: new Float64Array(n) };
  const k = new Float64Array(28);
  let y = Float64Array.from(u), next = new Float64Array(4);
  // Relative to each column, as in Python: a direction in which W is small keeps its precision.
  const floor = Float64Array.from(u, (_, i) => 1e-3 * RTOL * Math.hypot(u[i % 2], u[i % 2 + 2]) + 1e-300);
  let t = 0, step = 0.01 / (a1 + a2 + 1e-300);
  velocity(y, a1, a2, k, 0);
  for (let out = 0; out < n; out++) {
    // Arrived: what is left to come is below rounding, and steps of a stable length would be many.
    const arrived = Math.abs(y[0] * y[0] + y[1] * y[1] - 1) + Math.abs(y[2] * y[2] + y[3] * y[3] - 1) +
      Math.abs(y[0] * y[2] + y[1] * y[3]) < 1e-11;
    while (t < times[out] && !arrived) {
      const left = times[out] - t, h = Math.min(step, left);
      const error = tried(y, a1, a2, h, k, next, floor);
      if (!(error < 1e9)) throw new Error("the flow has no solution from here");
      const factor = Math.min(5, Math.max(0.2, 0.9 * error ** -0.2));
      if (error > 1) {
        step = h * factor;
        continue;
      }
      t = h === left ? times[out] : t + h;
      [y, next] = [next, y];
      k.copyWithin(0, 24);  // the last slope is the first of the next step
      // A step cut short by a time that was asked for says nothing against longer ones.
      step = h < step ? Math.max(step, h * factor) : h * factor;
    }
    w.w11[out] = y[0] * y[0] + y[1] * y[1];
    w.w12[out] = y[0] * y[2] + y[1] * y[3];
    w.w22[out] = y[2] * y[2] + y[3] * y[3];
  }
  return w;
}

/** The rate of each concept, sigma^2 + mu^2 / 2: see `lib.sim.SIMTask.a`. */
export function rates(mu, sigma) {
  return mu.map((m, p) => sigma[p] ** 2 + m ** 2 / 2);
}

/** The answer W mu and its loss 1/2 |W mu - mu|^2 at every time. */
export function answer({ w11, w12, w22 }, mu) {
  const x = w11.map((v, k) => v * mu[0] + w12[k] * mu[1]);
  const y = w22.map((v, k) => w12[k] * mu[0] + v * mu[1]);
  const loss = x.map((v, k) => ((v - mu[0]) ** 2 + (y[k] - mu[1]) ** 2) / 2);
  return { x, y, loss };
}

/** Largest rise above an earlier minimum, over the start: see `lib.sim.error_curves.swing`. */
export function swing(loss) {
  let low = Infinity, rise = 0;
  for (const value of loss) {
    low = Math.min(low, value);
    rise = Math.max(rise, value - low);
  }
  return rise / loss[0];
}

/** The rows of U with given squared lengths and the cosine between them. */
export function rows(w11, w22, c) {
  return [Math.sqrt(w11), 0, Math.sqrt(w22) * c, Math.sqrt(w22 * (1 - c * c))];
}

/** The smallest correlation at which arrows of these lengths, the faster concept's first, swing by
 *  more than `threshold`, for mu = (1, sqrt(r)) and sigma = 0; 1 where none does. By bisection, for
 *  the swing grows with c: see `lib.sim.phase.critical_correlation`, which has both lengths equal. */
export function criticalCorrelation(w11, w22, r, threshold = 0.01) {
  const mu = [1, Math.sqrt(r)], a = rates(mu, [0, 0]);
  const end = (Math.log(1 / Math.min(w11, w22)) + 6) / (2 * a[1]);
  const times = Float64Array.from({ length: 200 }, (_, k) => end * k / 199);
  let low = 0, high = 1;
  for (let k = 0; k < 8; k++) {
    const middle = (low + high) / 2;
    const size = swing(answer(flow(rows(w11, w22, middle), a, times), mu).loss);
    if (size > threshold) high = middle;
    else low = middle;
  }
  return high;
}
