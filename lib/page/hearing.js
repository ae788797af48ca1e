// Which cell hears which request: `lib.diffusion.hearing`.
//
// Requests are places [x, y] in [0, 1] from the upper left corner. Weights are a Float32Array,
// request after request, for each a value a cell, rows first.

/** Each cell hears every request. */
export const everywhere = (places, grid) => weights(places, grid, () => 1);

/** Each cell hears the requests' mean. */
export const mean = (places, grid) => weights(places, grid, () => 1 / places.length);

/** A cell hears what lies in the (2k + 1) x (2k + 1) cells about it. */
export function within(places, grid, k) {
  const cells = places.map((place) => place.map((v) => Math.min(grid - 1, Math.floor(v * grid))));
  return weights(places, grid, (q, row, column) =>
    Math.max(Math.abs(cells[q][0] - column), Math.abs(cells[q][1] - row)) <= k);
}

/** Each cell hears the request nearest to its centre; softness, in widths, is that of the borders. */
export function nearest(places, grid, softness = 0) {
  const square = weights(places, grid, (q, row, column) =>
    ((column + 0.5) / grid - places[q][0]) ** 2 + ((row + 0.5) / grid - places[q][1]) ** 2);
  const area = grid ** 2, first = new Uint8Array(area), sum = new Float32Array(area);
  square.forEach((d, k) => {
    if (d < square[first[k % area] * area + k % area]) first[k % area] = Math.floor(k / area);
  });
  const share = (d, at) => Math.exp((square[first[at] * area + at] - d) / (2 * softness ** 2));
  if (softness) square.forEach((d, k) => { sum[k % area] += share(d, k % area); });
  return square.map((d, k) =>
    softness ? share(d, k % area) / sum[k % area] : first[k % area] === Math.floor(k / area));
}

/** weight(request, row, column) for all of them. */
function weights(places, grid, weight) {
  return Float32Array.from({ length: places.length * grid ** 2 }, (_, k) =>
    weight(Math.floor(k / grid ** 2), Math.floor(k / grid) % grid, k % grid));
}
