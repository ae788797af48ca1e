"""From committed measurement to committed claim, by a second hand.

Each number that an experiment recorded is computed here again from the stored measurements, in
plain numpy and without the recorder's own helpers: a wrong row, width, sign or average in either
of the two ways shows.
"""

import copy
import inspect
import json
from itertools import product

import numpy as np
import pytest

from lib import storage
from lib.book import claims, ledger

RESULTS = storage.RESULTS


def recorded(recorder):
    """What the experiment recorded: samples by id, or those of both ratios."""
    stored = json.loads((claims.COMMITTED / f"{recorder}.json").read_text())["records"]
    due = {row.id for row in ledger.ROWS if row.recorder == recorder and not row.untested}
    assert set(stored) == due
    return stored


def study(name):
    """Settings with what their runs measured, of one study of the networks on SIM."""
    stored = json.loads((RESULTS / f"nonlinear_sim/{name}.json").read_text())
    return list(zip(stored["settings"], stored["runs"], strict=True))


def the_one(name, **wanted):
    """The runs of the one setting of a study that is so."""
    found = [run for setting, run in study(name) if wanted.items() <= setting.items()]
    assert len(found) == 1, (name, wanted)
    return found[0]


def swung(run):
    """1 for each run that rises by more than 1 % and three times its noise."""
    return np.array(
        [float(s > 0.01 and s > 3 * j) for s, j in zip(run["swing"], run["jitter"], strict=True)]
    )


def agreement(name):
    """Of each seed the share of settings in which network and theory say the same."""
    runs = [run for _, run in study(name)]
    return np.mean([(swung(run) == 1) == (np.array(run["theory"]) > 0.01) for run in runs], axis=0)


def before(run, first, second):
    """Whether each run learned one concept before another; what never came is last."""
    when = [[np.inf if step is None else step for step in one] for one in run["learnt"]]
    return np.array([float(one[first] < one[second]) for one in when])


def falling(run):
    """Whether each run learned the four single concepts from the strongest to the weakest.

    Corners are counted in binary, the first concept first and without the origin: 0001 is the
    fourth concept alone, 1000 the first.
    """
    alone = [1, 2, 4, 8]
    when = [[np.inf if s is None else s for s in one] for one in run["corner_learnt"]]
    return np.array([float(np.all(np.diff([one[k - 1] for k in alone]) > 0)) for one in when])


def areas(run, size):
    """Of each group of seeds how often one that swings has the columns of larger cosine."""
    score = [
        (p * q + r * s) / np.sqrt((p * p + r * r) * (q * q + s * s))
        for (p, q), (r, s) in run["jacobian"]
    ]
    found, swings = [], swung(run)
    for first in range(0, len(score), size):
        group = range(first, first + size)
        pairs = [(i, j) for i in group for j in group if swings[i] > swings[j]]
        found.append(np.mean([score[i] > score[j] for i, j in pairs]))
    return np.array(found)


def nonlinear():
    """Samples of every row about networks on SIM."""
    linear, relu = {"activation": "linear"}, {"activation": "relu"}
    (_, plane), (_, cube) = study("four_layers_d2")[0], study("four_layers_d64")[0]
    stored = json.loads((RESULTS / "nonlinear_sim/four_layers_d2.json").read_text())
    own = stored["published"][0]["swing"][0]
    found = {
        "mlp.share.d2": swung(plane),
        "mlp.share.d64": swung(cube),
        "mlp.share.d3.weak": swung(the_one("three_layers_d3", mu=[1, 2])),
        "mlp.share.d3.strong": swung(the_one("three_layers_d3", mu=[2, 4])),
        "mlp.published.seed": np.array([float(s < own) for s in plane["swing"]]),
        "mlp.depth": swung(the_one("depth", layers=4, **linear))
        - swung(the_one("depth", layers=1, **linear)),
        "mlp.depth.angle": areas(the_one("depth", layers=4, **linear), 20),
        "mlp.width": swung(the_one("width", hidden=2, **linear))
        - swung(the_one("width", hidden=64, **linear)),
        "mlp.scale": swung(the_one("scale", scale=2, **linear))
        - swung(the_one("scale", scale=0.05, **linear)),
        "mlp.correlation": swung(the_one("correlation_linear", correlation=0.9))
        - swung(the_one("correlation_linear", correlation=-0.9)),
        "mlp.relu": swung(the_one("width", hidden=4, **relu))
        - swung(the_one("width", hidden=4, **linear)),
        "mlp.tied.correlation": agreement("correlation_linear"),
        "mlp.tied.map": agreement("map_tied"),
    }
    over = [the_one("balanced_four", layers=layers) for layers in (2, 4)]
    found["mlp.depth.balanced"] = np.array(
        [
            four - two
            for two, four, ((p, q), (r, s)) in zip(
                *map(swung, over), over[0]["jacobian"], strict=True
            )
            if p * s > q * r
        ]
    )
    for id, variance in (("", 0.05), (".wide", 0.25)):
        pairs = [run for s, run in study("ball") if s["sigma"] == [variance] * 2]
        whole, without = map(swung, pairs)
        found[f"mlp.excluded_ball{id}"] = without[whole > 0]
        found[f"mlp.excluded_ball{id}.moved"] = np.array(pairs[1]["moved"])
    (paper,) = [run for s, run in study("ball") if s["sigma"][0] < 0.01]
    found["mlp.excluded_ball.paper"] = np.array([max(paper["moved"])])
    for network in ("one_layer", "two_linear_layers", "two_relu_layers"):
        by_mu = f"order_by_mu_{network}"
        weaker, stronger = the_one(by_mu, mu=[1, 2]), the_one(by_mu, mu=[3, 2])
        both = [before(weaker, 1, 0), before(stronger, 0, 1)]
        found[f"mlp.order.mu.{network}"] = np.mean(both, axis=0)
        diverse = the_one(f"order_by_sigma_{network}", sigma=[2, 0.05])
        found[f"mlp.order.sigma.{network}"] = before(diverse, 0, 1)
    for network in ("one_layer", "two_relu_layers"):
        found[f"mlp.hierarchy.{network}"] = falling(study(f"hierarchy_{network}")[0][1])
    return found


def test_networks_on_sim():
    stored, found = recorded("experiments/nonlinear_sim"), nonlinear()
    assert set(found) == set(stored)
    for id, samples in found.items():
        assert np.allclose(stored[id]["samples"], samples, rtol=0, atol=1e-12), id


def test_a_stored_number_that_was_changed_is_seen(monkeypatch):
    """In each row, of one run."""
    stored, found = recorded("experiments/nonlinear_sim"), nonlinear()
    monkeypatch.setitem(globals(), "nonlinear", lambda: found)
    for id in stored:
        changed = copy.deepcopy(stored)
        changed[id]["samples"][-1] = 1 - changed[id]["samples"][-1]
        if stored[id]["samples"][-1] == 0.5:
            changed[id]["samples"][-1] += 0.1
        monkeypatch.setitem(globals(), "recorded", lambda _, changed=changed: changed)
        with pytest.raises(AssertionError, match=id):
            test_networks_on_sim()


@pytest.mark.parametrize("recorder", ["experiments/concept_arrival", "experiments/local_retention"])
def test_every_row_is_computed_again(recorder, monkeypatch):
    """Of the recorders whose rows several tests share; the others' tests say so themselves."""
    stored, looked_at = recorded(recorder), set()

    class Noted(dict):
        def __getitem__(self, id):
            looked_at.add(id)
            return super().__getitem__(id)

        def items(self):
            return [(id, self[id]) for id in self]

    monkeypatch.setitem(globals(), "recorded", lambda _: Noted(stored))
    for name, test in list(globals().items()):
        if name.startswith("test_") and f'recorded("{recorder}")' in inspect.getsource(test):
            test()
    assert looked_at == set(stored)


SIGNALS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
CORNERS = {"red big": (0, 0), "blue big": (1, 0), "red small": (0, 1), "blue small": (1, 1)}


def seen(run):
    """Steps and places (T, 4, 2) of averaged weights, from where all pictures show something."""
    shown = np.min(run["averaged"]["readable"], axis=1) >= 0.25
    first = int(np.flatnonzero(shown)[0])
    return np.array(run["steps"][first:], float), np.array(run["averaged"]["place"][first:], float)


def largest_rise(errors):
    """Of a curve, the most by which it exceeds what it was before."""
    return max(errors[j] - min(errors[: j + 1]) for j in range(len(errors)))


def what_is_left(x, y):
    """The share of the variance of y that a straight line in x leaves."""
    line = np.vander(x, 2)
    return np.sum((y - line @ np.linalg.lstsq(line, y, rcond=None)[0]) ** 2) / np.var(y)


def listened(run):
    """The same, from where blue alone and small alone each go a quarter of their way."""
    steps, places = seen(run)
    quarter = (places[:, 1, 0] - places[:, 0, 0] > 0.25) & (
        places[:, 2, 1] - places[:, 0, 1] > 0.25
    )
    first = int(np.flatnonzero(quarter)[0])
    return steps[first:], places[first:]


def from_one_layer(signal, seed, steps):
    """Where concepts would be that are learned each by itself, by the stored fit: (T, 2)."""
    from lib.experiments.concept_learning import Setting  # for mu and sigma of its worlds

    alone = json.loads((RESULTS / "concept_learning/fits.json").read_text())[str(seed)][1]
    world = Setting(signal=signal).world
    a = np.array([alone["gain"] ** 2, 1]) * (
        np.array(world.sigma) ** 2 + np.array(world.mu) ** 2 / 3
    )
    return 1 - np.exp(-a * alone["rate"] * steps[:, None])


def farthest(path):
    """Colour less size, where it is largest in size."""
    lead = path[:, 0] - path[:, 1]
    return lead[np.argmax(np.abs(lead))]


def turned_and_gate(steps, places):
    """Whether the held-out error turns as no other does, and whether what was shown is drawn."""
    errors = np.sum((places - np.array(list(CORNERS.values()))) ** 2, axis=2).T
    last = np.sort(np.abs(np.diff(errors[3][-(len(steps) // 3) :])))
    noise = last[(len(last) - 1) // 2]  # the median; of an even number the lower one
    rise, others = largest_rise(errors[3]), max(map(largest_rise, errors[:3]))
    turned = rise > 0.01 * errors[3][0] and rise > 3 * noise and rise > 2 * others
    late = errors[:3, -max(len(steps) // 5, 1) :].mean(1)
    return turned, late.max() < 0.05


def concept_row(signal, run):
    """One run: sign of the expected lead, and what it did."""
    steps, places = listened(run)
    held_out = places[:, 3]
    own = np.sum((held_out - 1) ** 2, axis=1)
    swings, competent = turned_and_gate(steps, places)
    top = max(range(len(own)), key=lambda k: own[k] - min(own[: k + 1]))
    low = min(range(top + 1), key=lambda k: own[k])
    cross = places[:, 3, 0] - places[:, 1, 0] - places[:, 2, 0] + places[:, 0, 0]
    stays = []
    for concept in (0, 1):
        below = np.flatnonzero(held_out[:, concept] < 0.75)
        late = not len(below) or below[-1] + 1 < len(steps)
        stays.append(steps[below[-1] + 1 if len(below) else 0] if late else np.inf)
    way = np.linalg.norm(np.diff(held_out, axis=0), axis=1)
    speed, when = np.maximum(way, 1e-4) / np.diff(steps), (steps[1:] + steps[:-1]) / 2
    fall = slice(int(np.argmax(speed)), None)
    logs = np.log(speed[fall])
    alone = from_one_layer(signal, run["setting"]["seed"], steps)
    return {
        "wanted": -1 if signal < 0.35 else 1 if signal > 0.55 else 0,
        "between": 0.25 < signal < 0.75,
        "stays": stays,
        "farther": farthest(held_out) - farthest(alone),
        "swings": swings,
        "part": (cross[top] - cross[low]) / (held_out[top, 0] - held_out[low, 0])
        if top > low else np.nan,
        "exponential": what_is_left(when[fall], logs) < what_is_left(np.log(when[fall]), logs),
        "competent": competent,
        "power": found_if_exponential(steps, places),
    }  # fmt: skip


def found_if_exponential(steps, places, draws=40):
    """Share of noisy exponentials like this run's path in which an exponential fits better."""
    held_out, rng = places[:, 3], np.random.default_rng(99)
    ends = places[-max(len(steps) // 5, 2) :, :3]
    noise = (ends[1:] - ends[:-1]).std() / 2**0.5
    shapes = [np.exp(-(steps - steps[0]) / tau)[:, None] for tau in np.geomspace(30, 3000, 100)]
    paths = [1 - shape * (1 - held_out[0]) for shape in shapes]
    path = min(paths, key=lambda p: np.linalg.norm(p - held_out))
    won = 0
    for _ in range(draws):
        drawn = path + rng.normal(scale=noise, size=path.shape)
        way = np.linalg.norm(drawn[1:] - drawn[:-1], axis=1)
        speed, when = np.maximum(way, 1e-4) / np.diff(steps), (steps[1:] + steps[:-1]) / 2
        fall = slice(int(np.argmax(speed)), None)
        logs = np.log(speed[fall])
        won += what_is_left(when[fall], logs) < what_is_left(np.log(when[fall]), logs)
    return won / draws


def concept():
    """Samples of every row about the diffusion model's concepts, but for SIM's prediction."""
    files = {x: RESULTS / f"concept_learning/signal{x:g}.json" for x in SIGNALS}
    runs = {x: json.loads(path.read_text())["runs"] for x, path in files.items()}
    names = ("order", "learnt", "bend", "swing", "interaction", "speed", "competent")
    names = (*names, "speed.power")
    found = {name: [] for name in names}
    for seed in range(5):
        rows = [
            concept_row(x, next(r for r in runs[x] if r["setting"]["seed"] == seed))
            for x in SIGNALS
        ]
        told = [row for row in rows if row["wanted"]]
        assert len(told) == 6
        order = [np.sign(row["stays"][1] - row["stays"][0]) == row["wanted"]
                 if np.isfinite(min(row["stays"])) else False for row in told]  # fmt: skip
        found["order"].append(float(all(order)))
        found["learnt"].append(np.mean([np.isfinite(max(row["stays"])) for row in told]))
        sides = [
            np.mean([row["farther"] * row["wanted"] for row in told if row["wanted"] == side])
            for side in (-1, 1)
        ]
        found["bend"].append(min(sides))
        found["swing"].append(np.mean([row["swings"] for row in rows]))
        parts = [row["part"] for row in rows if row["swings"] and row["between"]]
        found["interaction"].append(np.median(parts))
        found["speed"].append(np.mean([row["exponential"] for row in rows]))
        found["competent"].append(np.mean([row["competent"] for row in rows]))
        found["speed.power"].append(np.mean([row["power"] for row in rows]))
    return {f"concept.{name}": samples for name, samples in found.items()}


def test_another_corner_held_out():
    """(blue, big) held out: seen from (red, small), so that size counts downwards."""
    stored, changes = recorded("experiments/concept_arrival"), []
    for seed in (5, 6, 7):
        path = RESULTS / f"concept_arrival/signal0.5.held_out-blue_big.seed{seed}.json"
        run = json.loads(path.read_text())
        assert run["setting"]["held_out"] == "blue big"
        place = np.array(run["averaged"]["place"], float)
        place[..., 1] = 1 - place[..., 1]
        place = place[:, [2, 3, 0, 1]]  # red small, blue small, red big, and the held-out one
        _, places = listened({**run, "averaged": run["averaged"] | {"place": place}})
        error = np.sum((places[:, 3] - 1) ** 2, axis=1)
        top = max(range(len(error)), key=lambda k: error[k] - min(error[: k + 1]))
        low = min(range(top + 1), key=lambda k: error[k])
        changes.append(places[top, 3, 0] - places[low, 3, 0])
    assert np.allclose(stored["concept.corner"]["samples"], changes, atol=1e-12)


def test_a_wrong_colour_that_costs_alike_in_every_disc():
    """What is left of colour's way back, and the worst late error of what was trained on."""
    stored, left, off = recorded("experiments/concept_arrival"), [], []
    for seed in (5, 6, 7):
        back = []
        for counted in ("", ".counted-discs"):
            path = RESULTS / f"concept_arrival/signal0.5{counted}.seed{seed}.json"
            _, places = listened(json.loads(path.read_text()))
            error = np.sum((places[:, 3] - 1) ** 2, axis=1)
            top = max(range(len(error)), key=lambda k: error[k] - min(error[: k + 1]))
            low = min(range(top + 1), key=lambda k: error[k])
            back.append(places[top, 3, 0] - places[low, 3, 0])
        left.append(back[1] / back[0])
        late = places[-max(len(places) // 5, 1) :, :3]
        corners = [[0, 0], [1, 0], [0, 1]]
        off.append(max(np.mean(np.sum((late - corners) ** 2, axis=2), axis=0)))
    assert np.allclose(stored["concept.pixels"]["samples"], left, rtol=0, atol=1e-12)
    assert np.allclose(stored["concept.pixels.competent"]["samples"], off, rtol=0, atol=1e-12)


def test_lost_or_mis_addressed():
    """Scans where the rise begins and ends, and at the end, by loops."""
    stored, lost, left = recorded("experiments/concept_arrival"), [], []
    seen = {"lost.shown": [], "reached.shown": [], "paired": []}
    for seed in (5, 6, 7):
        sums, shares, changes = np.zeros((3, 2)), {1: [], 2: []}, []
        for signal in (0.5, 0.4, 0.6, 0.3, 0.7):
            run = json.loads(
                (RESULTS / f"concept_arrival/signal{signal}.seed{seed}.json").read_text()
            )
            steps, places = listened(run)
            error = np.sum((places[:, 3] - 1) ** 2, axis=1)
            top = max(range(len(error)), key=lambda k: error[k] - min(error[: k + 1]))
            low = min(range(top + 1), key=lambda k: error[k])
            for moment, step in enumerate((steps[low], steps[top], steps[-1])):
                scan = run["turned"][str(int(step))]
                off = {}  # by request, of both halves
                for colour, size in product(range(6), range(5)):
                    off[colour, size] = [
                        np.nan if x is None or y is None else (x - 1) ** 2 + (y - 1) ** 2
                        for x, y in scan["places"][colour][size]
                    ]
                there = {request: pair for request, pair in off.items() if np.isfinite(pair).all()}
                best = [min(there, key=lambda request: there[request][half]) for half in (0, 1)]
                sums[moment, 0] += np.nanmean(off[1, 3])  # of colour 1 and size 1
                sums[moment, 1] += (there[best[0]][1] + there[best[1]][0]) / 2
                if moment:
                    shares[moment] += [scan["readable"][colour][size] for colour, size in best]
            pairs = run["paired"][f"{int(steps[low])}-{int(steps[top])}"]["places"]
            changes += [later[0] - sooner[0] for sooner, later in pairs]
        seen["lost.shown"].append(np.mean(shares[1]))
        seen["reached.shown"].append(np.mean(shares[2]))
        seen["paired"].append(np.mean(changes))
        lost.append((sums[1, 1] - sums[0, 1]) / (sums[1, 0] - sums[0, 0]))
        left.append(sums[2, 1] / sums[2, 0])
    found = {"lost": lost, "reached": left, **seen}
    for name, samples in found.items():
        assert np.allclose(stored[f"concept.{name}"]["samples"], samples, rtol=0, atol=1e-12), name


def test_what_goes_on_to_the_end():
    """Which runs arrive, and whether more than blue reaches it; a number a seed."""
    stored = recorded("experiments/concept_arrival")
    found = {
        name: [] for name in ("arrives", "arrives.competent", "reached.end", "reached.end.shown")
    }
    for seed in (8, 9, 10):
        arrives, competent, honest, best, shown = [], [], 0.0, 0.0, []
        for signal in (0.3, 0.4, 0.5, 0.6, 0.7):
            path = RESULTS / f"concept_arrival/signal{signal}.seed{seed}.json"
            run = json.loads(path.read_text())
            steps, places = listened(run)
            turns, drawn = turned_and_gate(steps, places)
            off = np.sum((places[:, 3] - 1) ** 2, axis=1)
            top = max(range(len(off)), key=lambda k: off[k] - min(off[: k + 1]))
            low = min(off[: top + 1])
            last = places[-(len(steps) // 5) :, 3]
            back = np.mean(off[-(len(steps) // 5) :]) < low and min(last.mean(0)) > 0.75
            arrives.append(turns and low < off[0] / 2 and back)
            readable = np.array(run["averaged"]["readable"])[-12:, :3]
            competent.append(drawn and readable.mean(0).min() > 0.5)
            assert run["steps"][-1] == steps[-1] == 20000
            end = run["turned"]["20000"]
            off = np.sum((np.array(end["places"], float) - 1) ** 2, axis=-1)  # (6, 5, 2 halves)
            honest += np.nanmean(off[1, 3])
            both = np.where(np.isfinite(off).all(-1, keepdims=True), off, np.inf)
            chosen = [np.unravel_index(both[..., h].argmin(), (6, 5)) for h in (0, 1)]
            best += (off[chosen[0]][1] + off[chosen[1]][0]) / 2
            shares = np.array(end["readable"], float)
            shown.append(np.mean([shares[c] for c in chosen]))
        for name, value in zip(
            found,
            (np.mean(arrives), np.mean(competent), best / honest, np.mean(shown)),
            strict=True,
        ):
            found[name].append(value)
    for name, samples in found.items():
        assert np.allclose(stored[f"concept.{name}"]["samples"], samples, rtol=0, atol=1e-12), name


def test_told_in_words():
    """Shares of three signals, a number a seed: whether the error turns, and the gate."""
    stored, turn, gate = recorded("experiments/concept_arrival"), [], []
    for seed in (5, 6, 7):
        told = []
        for signal in (0.3, 0.5, 0.7):
            path = RESULTS / f"concept_arrival/signal{signal}.told-words.seed{seed}.json"
            told.append(turned_and_gate(*listened(json.loads(path.read_text()))))
        turn.append(np.mean([t for t, _ in told]))
        gate.append(np.mean([g for _, g in told]))
    assert np.allclose(stored["concept.text"]["samples"], turn, rtol=0, atol=1e-12)
    assert np.allclose(stored["concept.text.competent"]["samples"], gate, rtol=0, atol=1e-12)


def test_concepts_of_a_diffusion_model():
    stored, found = recorded("experiments/concept_learning"), concept()
    assert set(stored) == {*found, "concept.prediction"}
    for id, samples in found.items():
        drawn = {"atol": 0.1} if id == "concept.speed.power" else {"atol": 1e-12}  # by chance
        assert np.allclose(stored[id]["samples"], samples, rtol=1e-9, **drawn), id


@pytest.mark.parametrize("seed", range(5))
def test_sim_s_prediction_of_a_diffusion_model(seed):
    """Its error is that of the stored fit, by an ODE of the theory's own; rivals by hand."""
    from scipy.integrate import solve_ivp

    from lib.experiments.concept_learning import Setting  # for mu and sigma of its worlds

    fits = json.loads((RESULTS / "concept_learning/fits.json").read_text())
    stored = recorded("experiments/concept_learning")["concept.prediction"]["samples"]
    fit, alone = fits[str(seed)]
    off = {"sim": [], "alone": [], "line": []}
    for x in SIGNALS:
        runs = json.loads((RESULTS / f"concept_learning/signal{x:g}.json").read_text())["runs"]
        steps, places = seen(next(r for r in runs if r["setting"]["seed"] == seed))
        ways = places - places[:, :1]
        world = Setting(signal=x).world
        mu, sigma = np.array(world.mu), np.array(world.sigma)

        def moments(gain, mu=mu, sigma=sigma):
            return np.array([gain**2, 1]) * (sigma**2 + mu**2 / 3)

        a, seen_mu = np.diag(moments(fit["gain"])), mu * [fit["gain"], 1]

        def velocity(t, w, a=a):
            w = w.reshape(2, 2)
            return (w @ a + a @ w - (a @ w @ w + w @ w @ a + 2 * w @ a @ w) / 2).ravel()

        times = fit["rate"] * steps
        w = solve_ivp(velocity, (0, times[-1]), np.ravel(fit["w0"]), t_eval=times,
                      method="LSODA", rtol=1e-7, atol=1e-9).y.T.reshape(-1, 2, 2)  # fmt: skip
        predicted = {
            "sim": (w @ seen_mu) / seen_mu,
            "alone": 1 - np.exp(-moments(alone["gain"]) * alone["rate"] * steps[:, None]),
            "line": np.repeat((ways[:, 1, :1] + ways[:, 2, 1:]) / 2, 2, axis=1),
        }
        for name, path in predicted.items():
            off[name] += np.sum((path - ways[:, 3]) ** 2, axis=1).tolist()
    left = {name: np.sqrt(np.mean(each)) for name, each in off.items()}
    assert stored[seed] == pytest.approx(left["sim"] / min(left["alone"], left["line"]), rel=1e-3)


def skill(scores):
    """Hits over ceiling, both above blind ones."""
    hits, blind, ceiling = (sum(scores[part]) for part in ("hits", "blind", "ceiling"))
    return (hits - blind) / (ceiling - blind)


def length_runs(pattern):
    """All committed runs of a name, seeds in order."""
    paths = sorted((RESULTS / "length_generalization").glob(f"{pattern}.seed*.json"))
    return [json.loads(path.read_text()) for path in paths]


def kept_by_seed(name):
    """What each run of a network keeps: skill at six over skill at one."""
    return {
        r["setting"]["seed"]: skill(r["counts"]["6"]) / skill(r["counts"]["1"])
        for r in length_runs(name)
    }


def declared(name):
    """Of the runs that count in a network's own rows, what was found."""
    last = 3 if name == "label_one.local_local" else 99
    runs = length_runs(name)
    return [r["counts"] for r in runs if r["setting"]["seed"] <= last]


def missed(share):
    """By how much a line through the first seven kinds of networks misses the other nine."""
    from scipy import stats

    at_half = "half_rate/label_one.vector", "half_rate/label_one.product"
    kinds = [
        *("label_one.vector", "label_all.vector", "half_rate/label_all.vector"),
        *("label_one.attending", "label_all.attending", "label_all.map", "label_one.full_all"),
        *("label_one.product", "label_one.scattered", *at_half, "label_one.vector.objects-1"),
        *("label_one.vector.objects-5", "label_all.vector.objects-5", "label_one.map"),
        "label_one.local_all",
    ]
    x, y = [], []
    for kind in kinds:
        folder, _, name = kind.rpartition("/")
        parts = [r["counts"]["6"] for r in length_runs(f"{folder}/local.{name}".lstrip("/"))]
        x.append(np.mean([part[share][2] for part in parts if share in part]))
        counts = [r["counts"] for r in length_runs(kind)]
        y.append(np.mean([skill(c["6"]) / skill(c["1"]) for c in counts]))
    fit = stats.linregress(x[:7], y[:7])
    return np.abs(fit.intercept + fit.slope * np.array(x[7:]) - y[7:])


def test_length_generalisation():
    rows = {row["id"]: row for row in claims.committed_rows("experiments/length_generalization")}
    asked = [run["counts"]["6"] for run in length_runs("asked.label_one.full_all")]
    ways = set.intersection(*(set(r) for r in asked)) if asked else set()
    looks = {way: [np.mean(np.array(r[way]["looks"]) > 0) for r in asked] for way in ways}
    painters = json.loads((RESULTS / "coherence.json").read_text())["painters"].values()
    fresh = [
        r["counts"]["6"]
        for r in length_runs("asked.label_one.vector")
        if r["setting"]["seed"] in (1, 2, 3)
    ]
    passing = {
        w: [np.mean(np.array(r.get(w, r["all"])["looks"]) > 0) for r in fresh]
        for w in ("nearest", "paste", "glued")
    }
    cuts = {
        w: np.array([np.mean(r.get(w, {}).get("seams", 0)) for r in fresh])
        for w in ("nearest", "paste", "real")
    }

    of_six = {
        name: {
            r["setting"]["seed"]: r["counts"]["6"]["removed"][2]
            for r in length_runs(f"{folder}local.{label}")
        }
        for name, folder, label in (
            ("map", "", "label_all.map"),
            ("one", "", "label_one.vector"),
            ("one attends", "", "label_one.attending"),
            ("one multiplies", "", "label_one.product"),
            ("all", "", "label_all.vector"),
            ("all attends", "", "label_all.attending"),
            ("all slower", "half_rate/", "label_all.vector"),
        )
    }

    def farther(name, other, least=0):
        seeds = sorted(set(of_six[name]) & set(of_six[other]))
        return [of_six[name][s] - of_six[other][s] for s in seeds if s >= least]

    shuffled, alike = (kept_by_seed(f"label_one.{start}") for start in ("scattered", "attending"))

    def less(runs, way, other):
        return [skill(r[way]) - skill(r[other]) for r in runs if {way, other} <= set(r)]

    local = {
        name: {
            r["setting"]["seed"]: [r["counts"][K]["moved"][2] for K in ("1", "3")]
            for r in length_runs(f"local.{name}")
            if r["setting"]["seed"]
        }
        for name in ("label_one.vector", "label_one.full_all", "label_all.vector")
    }
    slopes = {n: {s: b - a for s, (a, b) in seeds.items()} for n, seeds in local.items()}

    def beyond(network):
        told_all = slopes["label_all.vector"]
        return [slopes[network][s] - told_all[s] for s in slopes[network] if s in told_all]

    (six, ten), (six_anew, ten_anew) = (  # by seed, of networks that were not looked at before
        [
            {
                r["setting"]["seed"]: r["counts"].get(K, {})
                for r in length_runs("asked.label_one.vector")
                if r["setting"]["seed"] in seeds
            }
            for K in ("6", "10")
        ]
        for seeds in ((1, 2, 3), (4, 5, 6))
    )
    one = {r["setting"]["seed"]: skill(r["counts"]["1"]) for r in length_runs("label_one.vector")}

    def kept(asked, one=one, way="nearest"):
        return [skill(ways[way]) / one[s] for s, ways in asked.items() if way in ways]

    def lead(asked, way):
        passes = [{w: np.mean(np.array(a[w]["looks"]) > 0) for w in (way, "paste")} for a in asked]
        return [p[way] - p["paste"] for p in passes]

    alone = [
        {
            r["setting"]["seed"]: r["counts"]
            for r in length_runs(f"{asked_}label_one.vector.objects-1")
        }
        for asked_ in ("", "asked.")
    ]

    passing_ten = {
        w: [np.mean(np.array(ways[w]["looks"]) > 0) for ways in ten.values() if w in ways]
        for w in ("nearest", "paste")
    }
    keep = {labels: kept_by_seed(f"label_{labels}.vector") for labels in ("all", "one")}
    both = set(keep["all"]) & set(keep["one"])

    def half_rate(labels, of=lambda counts: skill(counts["6"]) / skill(counts["1"])):
        return [of(r["counts"]) for r in length_runs(f"half_rate/label_{labels}.vector")]

    trained = [kept_by_seed(f"label_all.full_{hears}") for hears in ("nearest", "random")]
    shown = [
        {r["setting"]["seed"]: skill(r["counts"]["6"]) for r in runs}
        for runs in (length_runs(f"label_one.local_local.objects-{most}") for most in (5, 1))
    ]
    doses = [kept_by_seed(f"label_one.full_local{k}") for k in (".k-8", "")]
    pixels = {"keeps": {}, "passes": {}, "far": []}
    for network in ("full_local", "local_local"):
        for r in length_runs(f"label_one.{network}"):
            share = skill(r["counts"]["6"]) / skill(r["counts"]["1"])
            pixels["keeps"][network, r["setting"]["seed"]] = share
        for r in length_runs(f"asked.label_one.{network}"):
            looks_ = np.array(r["counts"]["6"]["all"]["looks"])
            pixels["passes"][network, r["setting"]["seed"]] = np.mean(looks_ > 0)
    for r in length_runs("label_one.full_local"):
        pixels["far"].append(r["training"]["3000"]["locality"]["pixel"][3])

    def near_less_all(of):
        seeds = [s for n, s in of if n == "local_local" and ("full_local", s) in of]
        return [of["local_local", s] - of["full_local", s] for s in seeds]

    near = {
        network: {
            r["setting"]["seed"]: r["counts"]["6"]
            for r in length_runs(f"asked.label_one.{network}")
        }
        for network in ("vector", "product", "attending")
    }

    def reached(network, count, way, other, of):
        asked_ = [r["counts"].get(count, {}) for r in length_runs(f"asked.label_one.{network}")]
        return [of(skill(a[way]), skill(a[other])) for a in asked_ if {way, other} <= set(a)]

    third = [r["counts"] for r in length_runs("third/label_one.local_local")]
    third_asked = [r["counts"]["6"] for r in length_runs("third/asked.label_one.local_local")]
    special = {
        "length.third.one": [skill(counts["1"]) for counts in third],
        "length.third.kept": [skill(counts["6"]) / skill(counts["1"]) for counts in third],
        "length.third.coherence": lead(third_asked, "all"),
        "length.pixels.far": pixels["far"],
        "length.pixels.kept": near_less_all(pixels["keeps"]),
        "length.pixels.coherence": near_less_all(pixels["passes"]),
        "local.generalise": farther("one", "map", 1),
        "local.generalise.rows": farther("one", "one attends", 1),
        "local.generalise.products": farther("one", "one multiplies"),
        "local.generalise.all": farther("all", "all attends"),
        "local.generalise.rate": farther("all", "all slower"),
        "local.line": missed("removed"),
        "local.line.own": np.subtract(missed("own"), missed("removed")),
        "length.attending.start": [kept_ - alike[s] for s, kept_ in shuffled.items()],
        "length.contrast": [keep["all"][seed] - keep["one"][seed] for seed in both],
        "length.trained.near": [near - trained[1][seed] for seed, near in trained[0].items()],
        "length.dose.wide": [wide - doses[1][seed] for seed, wide in doses[0].items()],
        "length.objects.local": [five - shown[1][seed] for seed, five in shown[0].items()],
        "length.local.one": [a for a, _ in local["label_one.vector"].values()],
        "length.local.one.all": [a for a, _ in local["label_one.full_all"].values()],
        "length.local.grows": beyond("label_one.vector"),
        "length.local.grows.all": beyond("label_one.full_all"),
        "length.level.below": less(asked, "nearest-below-3", "nearest"),
        "length.level.above": [
            skill(r["nearest-above-3"]) for r in asked if "nearest-above-3" in r
        ],
        "length.sum.second": less(fresh, "pair-near", "nearest-heard"),
        "length.sum.far": less(fresh, "pair-far", "pair-near"),
        "length.sum.added": less(fresh, "added-far", "pair-far"),
        "length.again.near": less(fresh, "nearest", "random"),
        "length.again.weights": less(fresh, "nearest", "all"),
        "length.again.below": less(fresh, "nearest-below-3", "nearest"),
        "length.again.coherence": np.subtract(passing["nearest"], passing["paste"]),
        "length.glue.filled": less(fresh, "glued", "nearest"),
        "length.glue.lifts": np.subtract(passing["glued"], passing["paste"]),
        "length.glue.beyond": np.subtract(passing["nearest"], passing["glued"]),
        "length.seams.scissors": cuts["paste"] - cuts["real"],
        "length.seams.near": cuts["nearest"] - cuts["real"],
        "length.windows.alone": less(
            [r["counts"]["6"] for r in length_runs("asked.label_one.full_local")],
            "nearest-window",
            "all",
        ),
        "length.objects.near": kept(
            {s: counts["6"] for s, counts in alone[1].items()},
            {s: skill(counts["1"]) for s, counts in alone[0].items()},
        ),
        "length.objects.ten": kept(
            {s: counts.get("10", {}) for s, counts in alone[1].items()},
            {s: skill(counts["1"]) for s, counts in alone[0].items()},
        ),
        "length.objects.coherence": lead(
            [c["10"] for c in alone[1].values() if "10" in c], "nearest"
        ),
        "length.embedded.kept": kept(six_anew, way="embedded"),
        "length.glued.six": kept(six_anew, way="glued-near"),
        "length.glued.ten": kept(ten_anew, way="glued-near"),
        "length.glued.coherence": lead(ten_anew.values(), "glued-near"),
        "length.product.more": [
            skill(r["counts"]["6"]) / skill(r["counts"]["1"]) - keep["one"][r["setting"]["seed"]]
            for r in length_runs("label_one.product")
            if r["setting"]["seed"]
        ],
        "length.reach.one": reached("vector", "1", "embedded-window", "all", np.divide),
        "length.reach.one.product": reached("product", "1", "window-heard", "all", np.divide),
        "length.reach.parts": reached("vector", "6", "embedded-window", "embedded", np.subtract),
        "length.reach.bends": reached(
            "vector", "6", "embedded-window", "window-heard", np.subtract
        ),
        "length.reach.product": reached("product", "6", "window-heard", "all", np.subtract),
        "length.reach.left": [
            skill(near["product"][s]["window-heard"]) - skill(near["vector"][s]["embedded-window"])
            for s in (0, 4, 5, 6)
        ],
        "length.attending.one": reached("attending", "1", "attending-loud", "all", np.divide)[1:],
        "length.reach.second": [
            skill(near["vector"][s]["embedded-pair-far"])
            - skill(near["vector"][s]["nearest-heard"])
            for s in (4, 5, 6)
        ],
        "length.attending.place": [
            skill(near["attending"][s]["all"]) - skill(near["attending"][s]["attending-loud"])
            for s in (1, 2, 3, 4)
        ],
        "length.attending.apart": [
            skill(near["attending"][s]["attending-apart"]) - skill(near["attending"][s]["all"])
            for s in (1, 2, 3, 4)
        ],
        "length.rate.kept": half_rate("all"),
        "length.rate.more": [
            v - keep["all"][seed] for seed, v in enumerate(half_rate("all")) if seed in keep["all"]
        ],
        "length.rate.one": half_rate("one"),
        "length.rate.competent.all": half_rate("all", of=lambda counts: skill(counts["1"])),
        "length.rate.competent": half_rate("one", of=lambda counts: skill(counts["1"])),
        "length.near.six": kept(six),
        "length.near.ten": kept(ten),
        "length.near.coherence": np.subtract(passing_ten["nearest"], passing_ten["paste"]),
        "length.account.near": less(asked, "nearest", "random"),
        "length.account.weights": less(asked, "nearest", "all"),
        "length.coherence.gain": np.subtract(*(looks.get(w, 0) for w in ("nearest", "paste"))),
        "length.coherence.real": [min(p["smeared"], p["recoloured"]) for p in painters],
        "length.coherence.scissors": [p["scissors"] for p in painters],
    }
    checked = set()
    for id, row in rows.items():
        if row["verdict"] == "not tested" or id == "length.told":
            continue
        kind, _, name = id.removeprefix("length.").partition(".")
        if id in special:
            expected = np.mean(special[id])
        elif kind == "detector":
            by_seed = {r["setting"]["seed"]: r for r in length_runs("label_*")}.values()
            expected = np.mean([c for r in by_seed for c in r["counts"]["8"]["ceiling"]]) / 8
        elif kind == "one":
            expected = np.mean([skill(c["1"]) for c in declared(name)])
        elif kind == "three":
            expected = np.mean([skill(r["counts"]["3"]) for r in length_runs(name)])
        elif kind == "retention":
            expected = np.mean([skill(c["6"]) / skill(c["1"]) for c in declared(name)])
        elif kind == "asked":
            expected = np.mean([skill(r[name]) for r in asked])
        else:
            expected = np.mean(looks[name])
        assert row["value"] == pytest.approx(expected, abs=1e-12), id
        checked.add(id)
    assert {"length.coherence.real", "length.coherence.scissors"} <= checked


def test_what_a_request_decides_by_noise():
    """Skill on a new request, exchanged at noise 3 less exchanged at .3; and never exchanged."""
    stored, found = recorded("experiments/local_scores"), {}
    for row, network in (("", "vector"), (".near", "full_local")):
        files = [f"local_scores/label_one.{network}.seed{seed}.json" for seed in range(3)]
        runs = [json.loads((RESULTS / file).read_text())["exchange.1"] for file in files]
        found[f"local.high_noise{row}"] = [
            skill(r["3"]["second"]) - skill(r["0.3"]["second"]) for r in runs
        ]
        found[f"local.competent{row}"] = [skill(r["0"]["first"]) for r in runs]
    assert set(found) == set(stored)
    for id, samples in found.items():
        assert np.allclose(stored[id]["samples"], samples, rtol=0, atol=1e-12), id


def partial_ranks(foretells, outcome, *rivals):
    """Spearman's partial correlation, from the inverse of the matrix of all."""
    from scipy import stats

    ranks = np.array([stats.rankdata(x) for x in (foretells, outcome, *rivals)])
    inverse = np.linalg.inv(np.corrcoef(ranks))
    return -inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1])


def of_one_network(kinds):
    """What each row of `local_features` says of one network, rank correlations by other means."""
    from lib.scenes import COLORS  # sRGB of what the requests name

    found, spread, mean = {}, [], {"heuristic": [], "heuristic.beyond": [], "heuristic.middle": []}
    for kind, one in kinds.items():
        name, pairs = kind.replace(", ", "_"), one["pairs"]
        shown = {
            way: np.array(one["drawn"][way]) / one["noises"]
            for way in ("joint", "pixels", "middle")
        }
        cosine, first, second = np.abs(one["angles"]["10"]["pixels"]).T
        inner = np.abs(one["angles"]["10"]["middle"])[:, 0]
        kept, within = (shown[way] - shown["joint"] for way in ("pixels", "middle"))
        rivals = [np.minimum(first, second), np.maximum(first, second)]
        if kind == "place, place":
            rivals.append([-np.linalg.norm(np.subtract(a[0], b[0])) for a, b in pairs])
        if kind == "colour, colour":
            shade = np.array(list(COLORS.values()), float)
            rivals.append([-np.linalg.norm(shade[a[1]] - shade[b[1]]) for a, b in pairs])
        if kind == "place, colour":
            single = np.mean(np.array(one["drawn"]["single"]) / one["noises"], 0)
            found["local.single.place"], found["local.single.colour"] = single
        found[f"local.joint.{name}"] = np.mean(shown["joint"])
        found[f"local.composes.pixels.{name}"] = np.mean(kept)
        found[f"local.composes.middle.{name}"] = np.mean(within)
        lost = (shown["pixels"] < shown["joint"] / 2).tolist()
        found[f"local.spread.{name}"] = np.mean(lost)
        spread += lost
        each = (
            partial_ranks(-cosine, kept), partial_ranks(-cosine, kept, *rivals),
            partial_ranks(-inner, within),
        )  # fmt: skip
        found[f"local.heuristic.{name}"] = each[0]
        for row, value in zip(mean, each, strict=True):
            mean[row].append((len(pairs), value))
    for row, parts in mean.items():
        counts, values = np.array(parts).T
        found[f"local.{row}"] = np.average(values, weights=counts)
    return found | {"local.spread": np.mean(spread)}


def test_places_and_colours():
    """A number a network: means over its pairs of requests, rank correlations."""
    stored = {id: row["samples"] for id, row in recorded("experiments/local_features").items()}
    paths = sorted((RESULTS / "local_features").glob("seed*.json"))
    runs = [json.loads(path.read_text()) for path in paths]
    assert stored.pop("local.colour_rule") == [float(v) for v in runs[0]["colour_rule"]]
    found = [of_one_network(run["kinds"]) for run in runs]
    assert set(found[0]) == set(stored)
    for id, samples in stored.items():
        assert np.allclose(samples, [rows[id] for rows in found], rtol=0, atol=1e-9), id


def test_locality_and_retention():
    """Twelve seeds of one setting: the rows' numbers from hits, and the partial correlation."""
    from scipy import stats

    stored = {id: row["samples"] for id, row in recorded("experiments/local_retention").items()}
    runs = [json.loads(p.read_text()) for p in (RESULTS / "local_retention").glob("seed*.json")]
    runs.sort(key=lambda run: run["setting"]["seed"])
    assert [run["setting"]["seed"] for run in runs] == list(range(3, 15))

    def skill_of(part, every=slice(None)):
        hits, blind, ceiling = (np.sum(part[n][every]) for n in ("hits", "blind", "ceiling"))
        return (hits - blind) / (ceiling - blind)

    def kept(run, every=slice(None)):
        return skill_of(run["counts"]["6"], every) / skill_of(run["counts"]["1"])

    far = np.array([run["removed"] for run in runs])
    x, y = far.mean(1), np.array([kept(run) for run in runs])
    held = np.array([skill_of(run["counts"]["3"]) for run in runs])
    halves = [[kept(run, slice(k, None, 2)) for k in (0, 1)] for run in runs]
    found = {"far": far, "kept": halves, "plain": np.stack([x, y], 1), "level": y}
    found["one"] = [skill_of(run["counts"]["1"]) for run in runs]
    for name, samples in found.items():
        assert np.allclose(stored[f"local.retention.{name}"], samples, rtol=0, atol=1e-12), name
    assert np.allclose(stored["local.retention"], np.stack([x, y, held], 1), rtol=0, atol=1e-12)
    a, b, c = (stats.pearsonr(*pair)[0] for pair in ((x, y), (x, held), (y, held)))
    partial = (a - b * c) / np.sqrt((1 - b**2) * (1 - c**2))
    rows = {row["id"]: row for row in claims.committed_rows("experiments/local_retention")}
    assert rows["local.retention"]["value"] == pytest.approx(partial)
    assert rows["local.retention.plain"]["value"] == pytest.approx(a)


def test_far_sight():
    """Data of one colour a picture: pairs of networks of one seed, from hits and pairs."""
    kinds = {"all": "full_local", "near": "local_local"}

    def stored(prefix, kind):
        name = f"{prefix}label_one.{kinds[kind]}.data-one_colour.seed*.json"
        paths = sorted((RESULTS / "length_colours").glob(name))
        return {int(p.stem[-1]): json.loads(p.read_text())["counts"] for p in paths}

    def paired(of):
        return [of["near"][s] - of["all"][s] for s in sorted(set(of["near"]) & set(of["all"]))]

    def share(pairs):
        same, every = np.array(pairs).T
        return np.mean(same[every > 0] / every[every > 0])

    runs, read = ({k: stored(prefix, k) for k in kinds} for prefix in ("", "colours."))
    kept = {k: {s: skill(c["6"]) / skill(c["1"]) for s, c in runs[k].items()} for k in kinds}
    agree = {
        K: {k: {s: share(c[K]["drawn"]) for s, c in read[k].items()} for k in kinds} for K in "13"
    }
    real = [pair for c in read["all"].values() for pair in c["3"]["real"]]
    found = {
        "one_colour": [c["3"]["pixel"][3] for c in stored("local.", "all").values()],
        "agree.real": [same / every for same, every in real if every],
        "agree.all": list(agree["3"]["all"].values()),
        "agree": paired(agree["3"]),
        "agree.one": paired(agree["1"]),
        "one.all": [skill(c["1"]) for c in runs["all"].values()],
        "one.near": [skill(c["1"]) for c in runs["near"].values()],
        "six": [skill(c["6"]) for c in runs["all"].values()],
        "kept": paired(kept),
    }
    rows = recorded("experiments/length_colours")
    assert {f"length.far.{name}" for name in found} == set(rows)
    for name, samples in found.items():
        assert np.allclose(rows[f"length.far.{name}"]["samples"], samples, rtol=0, atol=1e-12), name


def test_light():
    """Agreement on the lamps: of each run what its readings share over what they vary by."""
    parts = {
        "three": ("label_all.vector", "3", "all"),
        "near": ("label_one.vector", "6", "nearest"),
    }
    trial = json.loads((RESULTS / "lamps.json").read_text())["painters"]["6"]

    def read(name, count, way, of):
        paths = (RESULTS / "length_lamps").glob(f"lamps.{name}.seed*.json")
        runs = [json.loads(path.read_text()) for path in paths]
        runs = {r["setting"]["seed"]: r["counts"].get(count, {}) for r in runs}
        return {s: of(ways[way]) for s, ways in runs.items() if s and way in ways}

    def agreement(part):
        common, total = np.sum(part["lamps"], 0)
        return common / total

    def less(one, other):
        return [one[s] - other[s] for s in sorted(set(one) & set(other))]

    found = {"real": [trial["real"]], "scissors": [trial["scissors"]]}
    found["borders"] = [trial["scissors_one_light"] - trial["real"]]
    for row, (name, count, way) in parts.items():
        one, same, other = (read(name, count, w, agreement) for w in (way, "paste", "paste-apart"))
        filled = read(name, count, way, skill)
        found[f"{row}.filled"] = [filled[seed] for seed in sorted(filled)]
        found[f"{row}.noise"], found[f"{row}.beyond"] = less(same, other), less(one, other)
        found[f"{row}.one"] = less(one, same)
    near, all_ = (
        read(f"label_one.{sees}_local", "6", "all", agreement) for sees in ("local", "full")
    )
    found["window"] = less(near, all_)
    rows = recorded("experiments/length_lamps")
    assert rows
    for id, row in rows.items():
        samples = found[id.removeprefix("length.lamps.")]
        assert np.allclose(row["samples"], samples, rtol=0, atol=1e-12), id
