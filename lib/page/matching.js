// Which request each found object fulfils: `lib.scenes.measure.pairs`.

const FAR = 1e3;  // one match weighs more than any sum of distances, so as many are made as can be

/** The best one-to-one matching of places: [[found, asked], ...], none longer than the radius. */
export function pairs(found, asked, radius = 1 / 20) {
  if (found.length > asked.length) return pairs(asked, found, radius).map(([a, f]) => [f, a]);
  const cost = found.map((f) => asked.map((a) => {
    const distance = Math.hypot(f[0] - a[0], f[1] - a[1]);
    return distance <= radius ? distance : FAR;
  }));
  return assigned(cost, asked.length).map((column, row) => [row, column]).filter(([row, column]) => cost[row][column] < FAR);
}

/** The column of each row, least in sum: the Hungarian algorithm, one row after the other by the
 *  cheapest way of moving those before it. At most as many rows as columns. */
function assigned(cost, width) {
  const ofRow = new Float64Array(cost.length), ofColumn = new Float64Array(width);  // potentials
  const row = new Int32Array(width).fill(-1);  // that has the column
  for (let next = 0; next < cost.length; next++) {
    const least = new Float64Array(width).fill(Infinity), before = new Int32Array(width).fill(-1);
    const done = new Uint8Array(width), visited = [];
    let at = -1, here = next;
    do {
      let best = -1;
      for (let c = 0; c < width; c++) {
        if (done[c]) continue;
        const more = cost[here][c] - ofRow[here] - ofColumn[c];
        if (more < least[c]) { least[c] = more; before[c] = at; }
        if (best < 0 || least[c] < least[best]) best = c;
      }
      const step = least[best];
      ofRow[next] += step;
      for (const c of visited) { ofRow[row[c]] += step; ofColumn[c] -= step; }
      for (let c = 0; c < width; c++) if (!done[c]) least[c] -= step;
      done[best] = 1;
      visited.push(best);
      at = best;
      here = row[best];
    } while (here >= 0);
    for (; at >= 0; at = before[at]) row[at] = before[at] < 0 ? next : row[before[at]];
  }
  const column = new Array(cost.length);
  row.forEach((r, c) => { if (r >= 0) column[r] = c; });
  return column;
}
