"""What makes a network learn to draw sooner: one thing changed at a time, in minutes of one core.

    python -m benchmarks.learning [--setting NAME] [--ideas NAME ...] [--pictures 48000]
    python -m benchmarks.learning --store

Every idea of `IDEAS` trains the same network on as many pictures (two on more), on a seed that no
result is reported of; `as reported` is what the book's runs do. One seed chooses, and concludes
nothing. Skill of the averaged weights is looked at along the way. The learning rate falls to 0 at
the end, so a shorter run is another run. What a step costs, rendering included, is timed apart, a
few steps of each idea in the folder in turns, so that a busy machine slows all alike. Training can
be interrupted, and resumes; an idea takes some five minutes under `label_all.vector`. `--store`
takes what is finished into the book.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from tqdm.auto import tqdm

from lib import storage
from lib.experiments import length_generalization as length
from lib.experiments._training import train_watched
from lib.experiments._worlds import CLEVR
from lib.experiments.length_generalization import Scale, Setting
from lib.experiments.length_results import skill

SEED = 100  # of no run that is reported
SETTINGS = {
    setting.name: setting
    for setting in (Setting("label_all"), Setting("label_one", "window", "full"))
}
IDEAS: dict[str, dict] = {  # what is changed, of the scale or of the setting
    "as reported": {},
    "AdamW": {"optimizer": "adamw", "learning_rate": 3e-3},
    "half the learning rate": {"learning_rate": 2.5e-3},
    "a quarter of the learning rate": {"learning_rate": 1.25e-3},
    "twice the learning rate": {"learning_rate": 1e-2},
    "three times the pictures": {"times": 3},
    "half the rate, three times the pictures": {"learning_rate": 2.5e-3, "times": 3},
    "batches of 16": {"batch": 16},
    "batches of 64": {"batch": 64},
    "a late fall of the rate": {"cooldown": 0.1},
    "more noise": {"p_mean": 0.3},
    "less noise": {"p_mean": -1.3},
    "half the parameters": {"parameters": 250_000},
    "places by Fourier features": {"pathway": "fourier"},
    "places as a map": {"pathway": "map"},
    "rows meet places in products": {"pathway": "product"},
    "places attend to requests": {"pathway": "attending"},
}
COUNTS = (1, 3, 6)  # objects that are asked for at a look
RUNS, KEPT = storage.RUNS / "learning", storage.RESULTS / "learning.json"


def ideas_of(name: str) -> list[str]:
    """The ideas that a network can follow: with windows, places are told as rows."""
    windows = SETTINGS[name].pathway == "window"
    return [idea for idea, changed in IDEAS.items() if not (windows and "pathway" in changed)]


def planned(name: str, idea: str, pictures: int) -> tuple[Setting, Scale]:
    """What an idea trains, of which network, and how long."""
    changed = dict(IDEAS[idea])
    pictures *= changed.pop("times", 1)
    of_setting = {field: value for field, value in changed.items() if field == "pathway"}
    setting = replace(SETTINGS[name], seed=SEED, **of_setting)
    of_scale = {field: value for field, value in changed.items() if field not in of_setting}
    scale = replace(length.reported(setting), **of_scale)
    return setting, replace(scale, steps=pictures // scale.batch)


def looked(setting: Setting, scale: Scale, stem: Path, looks: int, samples: int) -> dict:
    """Trains, and notes skill along the way; takes up a run where it was left.

    Args:
        setting: The network.
        scale: How it is trained.
        stem: Of its files, see `lib.experiments._training.train_watched`.
        looks: How many, evenly spaced; the last one is at the end.
        samples: Pictures a look and number of objects.

    Returns:
        Skill at each number of `COUNTS`, by step.
    """
    training = length.prepared(setting, scale)

    def look() -> dict:
        draw = length.painter(training.averaged, setting, CLEVR)
        return {
            f"skill_{count}": skill(
                length.judge_draws(draw, CLEVR, count, samples, setting.size, SEED)
            )
            for count in COUNTS
        }

    due = {round(scale.steps * (i + 1) / looks) for i in range(looks)}
    return train_watched(stem, setting, scale, training, due=due, look=look)["looks"]


def seconds_a_step(plans: dict[str, tuple[Setting, Scale]], steps: int, rounds: int) -> dict:
    """CPU seconds of one step of each idea, the median of rounds in which they take turns."""
    running = {
        idea: length.prepared(setting, replace(scale, steps=(rounds + 1) * steps)).run()
        for idea, (setting, scale) in plans.items()
    }
    spent: dict[str, list[float]] = {idea: [] for idea in plans}
    for turn in tqdm(range(rounds + 1), "timing"):
        for idea, each in running.items():
            start = time.process_time()
            for _ in range(steps):
                next(each)
            if turn:  # the first one warms up
                spent[idea].append((time.process_time() - start) / steps)
    return {idea: median(values) for idea, values in spent.items()}


def stem_of(folder: Path, name: str, idea: str) -> Path:
    """Of the files of one idea."""
    return folder / f"{name}.{idea.replace(' ', '_')}"


def finished(folder: Path, name: str, idea: str) -> dict | None:
    """What was noted of an idea, None before its training has ended."""
    stem = stem_of(folder, name, idea)
    file = stem.with_name(stem.name + ".json")
    noted = storage.read_json(file) if file.exists() else {}
    return noted if "seconds" in noted else None


def store(folder: Path, kept: Path) -> list[str]:
    """Takes over what is finished and timed; returns which."""
    found: dict[str, dict] = {}
    for name in SETTINGS:
        timed = folder / f"{name}.seconds.json"
        costs = storage.read_json(timed)["seconds"] if timed.exists() else {}
        for idea in (i for i in IDEAS if i in costs):
            if result := finished(folder, name, idea):
                about = {"batch": result["scale"]["batch"], "seconds": costs[idea]}
                looks = sorted((int(step), look) for step, look in result["looks"].items())
                along = [{"step": step} | look for step, look in looks]
                found.setdefault(name, {})[idea] = about | {"looks": along}
    if not found:
        raise FileNotFoundError(f"no idea is finished and timed in {folder}")
    told = {"provenance": storage.provenance(), "settings": found}
    storage.write_numbers(kept, told, {"settings": 4})
    return [f"{name}: {idea}" for name, ideas in found.items() for idea in ideas]


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning")
    parser.add_argument("--setting", choices=SETTINGS, default="label_all.vector")
    parser.add_argument("--ideas", nargs="+", choices=IDEAS, metavar="IDEA")
    parser.add_argument("--pictures", type=int, default=48_000, help="that a run is trained on")
    parser.add_argument("--looks", type=int, default=8, help="along a run")
    parser.add_argument("--samples", type=int, default=40, help="pictures a look and count")
    parser.add_argument("--rounds", type=int, default=5, help="of ten steps each, for timing")
    parser.add_argument("--folder", type=Path, default=RUNS)
    parser.add_argument("--kept", type=Path, default=KEPT, help="where --store puts it")
    parser.add_argument("--store", action="store_true", help="takes over what is finished")
    options = parser.parse_args(argv)
    if min(options.looks, options.rounds) < 1 or options.samples < 2:
        parser.error("--looks and --rounds must be at least 1, and --samples at least 2")
    name = options.setting
    ideas = options.ideas or ideas_of(name)
    if not set(ideas) <= set(ideas_of(name)):
        parser.error(f"{name} can follow: {', '.join(ideas_of(name))}")
    torch.set_num_threads(1)
    if options.store:
        print("\n".join(store(options.folder, options.kept)))
        return
    for idea in ideas:
        plan, stem = planned(name, idea, options.pictures), stem_of(options.folder, name, idea)
        looks = looked(*plan, stem, options.looks, options.samples)
        print(f"{idea}: {looks[str(plan[1].steps)]}")
    done = [idea for idea in ideas_of(name) if finished(options.folder, name, idea)]
    plans = {idea: planned(name, idea, options.pictures) for idea in done}
    seconds = seconds_a_step(plans, 10, options.rounds)
    storage.write_json(options.folder / f"{name}.seconds.json", {"seconds": seconds})
    for idea, value in seconds.items():
        print(f"{idea}: {1000 * value / plans[idea][1].batch:.2f} CPU milliseconds a picture")


if __name__ == "__main__":
    main()
