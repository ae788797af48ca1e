// One linear layer on two concepts in closed form, as `lib.sim.linear.output` has it.

/** The answer W mu at every time: what has been learned, and what is left of W(0).
 *
 *  w0: (w11, w12, w21, w22) at the start; a: the two rates. */
export function output(w0, a, mu, times) {
  const n = times.length, x = new Float64Array(n), y = new Float64Array(n), loss = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    const e1 = Math.exp(-a[0] * times[k]), e2 = Math.exp(-a[1] * times[k]);
    x[k] = mu[0] * (1 - e1) + e1 * w0[0] * mu[0] + e2 * w0[1] * mu[1];
    y[k] = mu[1] * (1 - e2) + e1 * w0[2] * mu[0] + e2 * w0[3] * mu[1];
    loss[k] = ((x[k] - mu[0]) ** 2 + (y[k] - mu[1]) ** 2) / 2;
  }
  return { x, y, loss };
}
