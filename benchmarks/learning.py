"""How fast a network learns to draw: CPU minutes on one core until skill passes each of `GOALS`.

    python -m benchmarks.learning [--steps 1500] [--every 100] [--samples 48] [--folder DIR]

The same network from the same first weights on the same pictures, trained by AdamW as the book's
first networks were, and by Muon as they are now. The two take turns, so that a busy machine slows
both; minutes are of the processor, of rendering and of training, none of looking. Skill is of the
averaged weights, at one object and at six. The learning rate falls to 0 at the end of the `--steps`
of a run, so a shorter run is another run. It resumes after an interruption at the last look; a
folder holds runs of one length. Both settings take some two hours.
"""

import argparse
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from lib import storage
from lib.diffusion.train import Training
from lib.experiments import length_generalization as length
from lib.experiments._worlds import CLEVR
from lib.experiments.length_generalization import Scale, Setting
from lib.experiments.length_results import skill

SEED = 100  # of no run that is reported
SETTINGS = (Setting("label_all", seed=SEED), Setting("label_one", "window", "full", seed=SEED))
LOOPS = {"adamw": {"optimizer": "adamw", "learning_rate": 3e-3}, "muon": {}}
GOALS = ((1, 0.8), (6, 0.6), (6, 0.8))  # objects, skill


class Run:
    """One setting trained by one loop, and what was seen on the way."""

    def __init__(self, setting: Setting, scale: Scale, folder: Path):
        self.setting = setting
        stem = folder / f"{setting.name}.{scale.optimizer}"
        self.path = stem.with_name(stem.name + ".json")
        self.state = stem.with_name(stem.name + ".state.safetensors")
        own = {"setting": asdict(setting), "scale": asdict(scale)}
        self.result = storage.begin(self.path, own, looks=[])
        self.training: Training = length.prepared(setting, scale)
        if self.state.exists():
            self.training.restore(self.state)
        # A look is noted before its state is kept: steps that will be repeated count once.
        self.looks = [s for s in self.result["looks"] if s["step"] <= self.training.step]
        self.seconds = 60 * self.looks[-1]["minutes"] if self.looks else 0.0
        self.steps = self.training.run()

    def advance(self, steps: int) -> None:
        """Trains for some steps, or to the end."""
        start = time.process_time()
        for _ in range(min(steps, self.training.settings.steps - self.training.step)):
            next(self.steps)
        self.seconds += time.process_time() - start

    def look(self, samples: int) -> None:
        """Notes the skill so far, and keeps the run."""
        draw = length.painter(self.training.averaged, self.setting, CLEVR)
        seen = {"step": self.training.step, "minutes": self.seconds / 60}
        for count in sorted({count for count, _ in GOALS}):
            scores = length.judge_draws(draw, CLEVR, count, samples, self.setting.size, SEED)
            seen[f"skill_{count}"] = skill(scores)
        self.looks.append(seen)
        storage.write_json(self.path, self.result | {"looks": self.looks})
        self.training.save(self.state)

    def minutes(self, count: int, level: float) -> float | None:
        """CPU minutes until the first look at which skill at `count` objects is at the level."""
        passed = [s["minutes"] for s in self.looks if s[f"skill_{count}"] >= level]
        return passed[0] if passed else None

    @property
    def done(self) -> bool:
        """Whether its last step has been looked at."""
        return bool(self.looks) and self.looks[-1]["step"] == self.training.settings.steps


def raced(setting: Setting, scale: Scale, every: int, samples: int, folder: Path) -> dict[str, Run]:
    """Both loops, in turns of `every` steps."""
    runs = {name: Run(setting, replace(scale, **loop), folder) for name, loop in LOOPS.items()}
    while not all(run.done for run in runs.values()):
        for name, run in runs.items():
            # After an interruption the one that is behind catches up first.
            if run.training.step == min(r.training.step for r in runs.values()) and not run.done:
                run.advance(every)
                run.look(samples)
                seen = run.looks[-1]
                skills = ", ".join(f"{n} {v:.2f}" for n, v in seen.items() if n[:5] == "skill")
                print(
                    f"{setting.name} {name}: step {seen['step']}, {seen['minutes']:.1f} minutes, "
                    f"{skills}",
                    flush=True,
                )
    return runs


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning")
    parser.add_argument("--steps", type=int, default=Scale().steps)
    parser.add_argument("--batch", type=int, default=Scale().batch)
    parser.add_argument("--parameters", type=int, default=Scale().parameters)
    parser.add_argument("--every", type=int, default=100, help="steps between looks")
    parser.add_argument("--samples", type=int, default=48, help="pictures a look and count")
    parser.add_argument("--folder", type=Path, default=storage.RUNS / "learning")
    options = parser.parse_args(argv)
    if options.every < 1 or options.samples < 2:
        parser.error("--every must be at least 1 and --samples at least 2")
    torch.set_num_threads(1)
    scale = Scale(parameters=options.parameters, steps=options.steps, batch=options.batch)
    ratios = {}
    for setting in SETTINGS:
        runs = raced(setting, scale, options.every, options.samples, options.folder)
        for count, level in GOALS:
            passed = {name: run.minutes(count, level) for name, run in runs.items()}
            said = [f"{n} {'not yet' if m is None else f'{m:.1f}'}" for n, m in passed.items()]
            print(f"{setting.name}: CPU minutes to skill {level} at {count}: {', '.join(said)}")
            if None not in passed.values():
                key = f"{setting.name}_{count}_{level}"
                ratios[key] = passed["adamw"] / passed["muon"]
        seconds = {name: run.seconds for name, run in runs.items()}
        ratios[f"{setting.name}_step"] = seconds["adamw"] / seconds["muon"]
    for name, value in ratios.items():
        print(f"ratio: {name} {value:.2f}")


if __name__ == "__main__":
    main()
