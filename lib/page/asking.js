// Ways of asking a denoiser of `network.js` for several requests, without training it for them:
// `lib.diffusion.asking`. `hear(places, sigma)` gives weights as in `hearing.js`; the grid is D.grid.

/** The answers to single requests, and to none, put together place by place, in K + 1 calls. */
export function composed(D, hear) {
  return (x, sigma, places) => {
    const none = D(x, sigma, []), weights = hear(places, sigma), area = D.grid ** 2;
    const cell = x.h / D.grid, sum = none.data.slice();
    places.forEach((place, q) => {
      const alone = D(x, sigma, [place]).data;
      for (let k = 0; k < sum.length; k++) {
        const row = Math.floor(k / x.w) % x.h, column = k % x.w;
        const at = Math.floor(row / cell) * D.grid + Math.floor(column / cell);
        sum[k] += (alone[k] - none.data[k]) * weights[q * area + at];
      }
    });
    return { ...none, data: sum };
  };
}

/** The network itself is told who hears what, in one call. */
export const heard = (D, hear) => (x, sigma, places) => D(x, sigma, places, hear(places, sigma));

/** One denoiser at noise levels from `low` to `high`, another at all others. */
export const byLevel = (low, high, inside, outside) => (x, sigma, places) =>
  (low <= sigma && sigma <= high ? inside : outside)(x, sigma, places);
