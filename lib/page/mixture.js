// A mixture of round Gaussians in the plane, its score after noise and the flow of that score, as
// `lib.exact.GaussianMixture` and `lib.diffusion.edm` have them, to 1e-6 (tests/test_page_mixture.py).
//
// A mixture is { means: [[x, y], ...], spreads: [s, ...] }, its components of equal weight.

/** The posterior probability of each component at (x, y) after noise sigma, written to `share`. */
export function shares({ means, spreads }, x, y, sigma, share) {
  let most = -Infinity, sum = 0;
  for (let k = 0; k < means.length; k++) {
    const variance = spreads[k] ** 2 + sigma ** 2;
    const dx = x - means[k][0], dy = y - means[k][1];
    share[k] = -(dx * dx + dy * dy) / (2 * variance) - Math.log(variance);
    most = Math.max(most, share[k]);
  }
  for (let k = 0; k < means.length; k++) sum += share[k] = Math.exp(share[k] - most);
  for (let k = 0; k < means.length; k++) share[k] /= sum;
  return share;
}

/** The best denoiser, E[x0 | x]: each component's own guess, weighed by its probability. */
export function denoised(mixture, x, y, sigma, share, out) {
  shares(mixture, x, y, sigma, share);
  out[0] = out[1] = 0;
  mixture.means.forEach((mean, k) => {
    const variance = mixture.spreads[k] ** 2, pull = variance / (variance + sigma ** 2);
    out[0] += share[k] * (mean[0] + pull * (x - mean[0]));
    out[1] += share[k] * (mean[1] + pull * (y - mean[1]));
  });
  return out;
}

/** The levels of `steps` steps from `high` to `low`, and then 0: see `lib.diffusion.edm.noise_levels`. */
export function noiseLevels(steps, low, high, rho = 7) {
  const levels = Array.from({ length: steps }, (_, i) =>
    (high ** (1 / rho) + i / Math.max(steps - 1, 1) * (low ** (1 / rho) - high ** (1 / rho))) ** rho);
  return [...levels, 0];
}

/** Walks every point down the levels by Heun's method: see `lib.diffusion.edm.path`.
 *
 *  noise: standard normal (x1, y1, x2, y2, ...). churn in [0, 1]: how much of the most that makes
 *  sense is noised anew before each step (Karras et al., algorithm 2); normal() draws it.
 *  Returns the points at every level, levels.length arrays like `noise`. */
export function path(mixture, noise, levels, churn = 0, normal = null) {
  const n = noise.length / 2, share = new Float64Array(mixture.means.length), guess = [0, 0];
  let points = noise.map((v) => v * levels[0]);
  const walk = [points];
  for (let i = 0; i + 1 < levels.length; i++) {
    const level = levels[i] * (1 + churn * (Math.SQRT2 - 1)), after = levels[i + 1];
    const anew = Math.sqrt(level ** 2 - levels[i] ** 2), step = after - level;
    const next = new Float64Array(noise.length);
    for (let k = 0; k < n; k++) {
      const x = points[2 * k] + (anew && anew * normal()), y = points[2 * k + 1] + (anew && anew * normal());
      denoised(mixture, x, y, level, share, guess);
      let sx = (x - guess[0]) / level, sy = (y - guess[1]) / level;
      if (after > 0) {
        const ex = x + step * sx, ey = y + step * sy;
        denoised(mixture, ex, ey, after, share, guess);
        sx = (sx + (ex - guess[0]) / after) / 2;
        sy = (sy + (ey - guess[1]) / after) / 2;
      }
      next[2 * k] = x + step * sx;
      next[2 * k + 1] = y + step * sy;
    }
    walk.push(points = next);
  }
  return walk;
}
