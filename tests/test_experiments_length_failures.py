"""The error budget of a network, picture by picture."""

import numpy as np
import pytest
import torch

from lib.diffusion import networks
from lib.experiments import length_asking, length_failures
from lib.experiments import length_generalization as length
from lib.experiments.length_generalization import SETTINGS
from lib.experiments.length_words import of_budgets, own_way, untrue
from lib.scenes import detector, labelling
from tests.test_experiments_length_asking import RUN, SIGMAS, folder, windows  # noqa: F401


@pytest.fixture
def small(monkeypatch):
    finder = networks.initialise(detector.Detector(), torch.Generator().manual_seed(0)).eval()
    monkeypatch.setattr(detector, "load", lambda: finder)
    monkeypatch.setattr(length_asking, "SAMPLES", 2)
    monkeypatch.setattr(length_asking, "SAMPLER", SIGMAS)


def test_all_that_is_asked_and_found_is_accounted_for(folder, small, monkeypatch):  # noqa: F811
    """Drawn is what was asked for but for one object, which stands half the picture away."""

    def found(finder, pictures):
        scenes, _ = length_asking.scenes_and_noise(3, length_asking.FIRST + RUN.seed)
        places, mask = labelling.label_all(scenes)
        places = places.clone()
        places[:, 0] = (places[:, 0] + 0.5) % 1
        return places, mask

    monkeypatch.setattr(detector, "detect", found)
    scale = length_failures.Scale(counts=(3,))
    made = length_failures.run(RUN, scale, folder)
    accounts = np.array(made["counts"]["3"]["all"]["accounts"])
    assert accounts.shape == (2, 5)
    assert (accounts[:, :3].sum(1) == 3).all()
    assert (accounts[:, [0, 1, 3, 4]].sum(1) == 3).all()
    assert (accounts[:, 0] == 2).all()
    kept = length.answers(folder, "failed")["label_one.full_all"]
    assert kept == {3: made["counts"]}
    assert length_failures.budget(kept, count=3) == pytest.approx(accounts.mean(0))


def test_the_budget_is_the_mean_over_seeds():
    def seed(*accounts):
        return {"6": {"all": {"accounts": list(accounts)}}}

    failed = {0: seed([6, 0, 0, 0, 0], [4, 1, 1, 0, 2]), 4: seed([0, 0, 6, 2, 0], [0, 0, 6, 1, 0])}
    assert length_failures.budget(failed).tolist() == [2.5, 0.25, 3.25, 0.75, 0.5]


def test_what_the_page_says_of_the_budgets_is_so_and_can_fail():
    failed = length.answers(kind="failed")
    budgets = {name: length_failures.budget(failed[name], own_way(name)) for name in SETTINGS}
    assert untrue(of_budgets(budgets)) == []
    assert untrue(of_budgets({name: budget + 1 for name, budget in budgets.items()}))
