// Draws on request, off the page's main thread: what runs in the worker that ask_network.js makes.
// It reads weights that it is sent, and reports every step; whoever wants to stop it ends it.

import { byPlace, heard, pasted } from "./asking.js";
import { finder } from "./finder.js";
import { nearest, within } from "./hearing.js";
import { pairs } from "./matching.js";
import { noiseLevels } from "./mixture.js";
import { denoiser, path, planes } from "./network.js";
import { stream } from "./random.js";

/** Ways of asking: `ways` of `lib.experiments.length_asking`, by the same names.
 *  way(D, noise, places, levels) yields as `path` does. */
export const WAYS = {
  all: path,
  nearest: told(nearest),
  "window-2": told((places, grid) => within(places, grid, 2)),
  "nearest-heard": (D, noise, places, levels) =>
    path(heard(D, (asked) => nearest(asked, D.grid)), noise, places, levels),
  paste: (D, noise, places, levels) => pasted(D, noise, places, levels, (asked) => nearest(asked, D.grid)),
};

/** In one call where requests come after the last layer that mixes places, else put together. */
function told(hear) {
  return (D, noise, places, levels) => {
    const way = D.family === "window" ? heard : byPlace;
    return path(way(D, (asked) => hear(asked, D.grid)), noise, places, levels);
  };
}

/** The noise of a seed, as a stack of planes. */
export function noiseOf(seed, size) {
  const { normal } = stream(seed), noise = planes(3, size, size);
  for (let k = 0; k < noise.data.length; k++) noise.data[k] = normal();
  return noise;
}

/** Draws one picture; `report` gets each step's picture, its noise level and the network's guess. */
export function draw(D, { way, places, seed, steps, low, high }, report) {
  const levels = noiseLevels(steps, low, high);
  let step = 0, last;
  for (last of WAYS[way](D, noiseOf(seed, D.size), places, levels)) {
    if (!last.data.every(Number.isFinite)) throw new Error("the network's picture is not finite");
    report({ step, steps, sigma: levels[step], picture: last.data, guess: last.guess?.data ?? null });
    step += 1;
  }
  return { ...last, data: last.data.map((v) => Math.min(1, Math.max(-1, v))) };
}

/** What objects a picture shows, and which of them fulfil a request. */
export function judged(find, picture, places) {
  const found = find(picture);
  return { found, hits: pairs(found, places).map(([, asked]) => asked).sort((a, b) => a - b) };
}

/** Answers a page's messages { job, network, detector, ...request }: weights as buffers, the
 *  detector's null where there is none. Steps, then the end, or a sentence. */
export function serve(scope) {
  scope.onmessage = ({ data: { job, network, detector, ...request } }) => {
    try {
      const begun = performance.now();
      const picture = draw(denoiser(network), request, (step) => scope.postMessage({ job, ...step }));
      const seconds = (performance.now() - begun) / 1000;
      const told = detector && judged(finder(detector), picture, request.places);
      scope.postMessage({ job, done: true, picture: picture.data, seconds, judged: told });
    } catch (error) {
      scope.postMessage({ job, error: error.message });
    }
  };
}
