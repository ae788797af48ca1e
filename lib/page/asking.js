// Ways of asking a denoiser of `network.js` for several requests, without training it for them:
// `lib.diffusion.asking`. `hear(places, sigma)` gives weights as in `hearing.js`; the grid is D.grid.

import { path } from "./network.js";

/** The answers to single requests, and to none, put together place by place, in K + 1 calls. */
export function byPlace(D, hear) {
  return (x, sigma, places) => {
    const none = D(x, sigma, []), weights = hear(places, sigma), sum = none.data.slice();
    places.forEach((place, q) => {
      const alone = D(x, sigma, [place]).data;
      eachPixel(x, D.grid, (k, cell) => {
        sum[k] += (alone[k] - none.data[k]) * weights[q * D.grid ** 2 + cell];
      });
    });
    return { ...none, data: sum };
  };
}

/** The network itself is told who hears what, in one call. */
export const heard = (D, hear) => (x, sigma, places) => D(x, sigma, places, hear(places, sigma));

/** One denoiser at noise levels from `low` to `high`, another at all others. */
export const byLevel = (low, high, inside, outside) => (x, sigma, places) =>
  (low <= sigma && sigma <= high ? inside : outside)(x, sigma, places);

/** Scissors: pictures drawn separately, one a request, from one noise, cut along the borders that
 *  the weights `hear(places)` have and put together. Yields as `path` does. */
export function* pasted(D, noise, places, levels, hear) {
  if (!places.length) throw new Error("scissors cut between requests, and there is none");
  const weights = hear(places), paths = places.map((place) => path(D, noise, [place], levels));
  const cut = (pictures) => {
    const whole = { ...pictures[0], data: new Float32Array(pictures[0].data.length) };
    pictures.forEach((picture, q) => eachPixel(whole, D.grid, (k, cell) => {
      whole.data[k] += picture.data[k] * weights[q * D.grid ** 2 + cell];
    }));
    return whole;
  };
  for (let i = 0; i < levels.length; i++) {
    const parts = paths.map((part) => part.next().value);
    yield { ...cut(parts), guess: i ? cut(parts.map((part) => part.guess)) : null };
  }
}

/** f(place in the data, cell that it lies in), over all channels. */
function eachPixel(x, grid, f) {
  const side = x.h / grid;
  for (let k = 0; k < x.data.length; k++) {
    const row = Math.floor(k / x.w) % x.h, column = k % x.w;
    f(k, Math.floor(row / side) * grid + Math.floor(column / side));
  }
}
