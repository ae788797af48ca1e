"""What the page "The book in five minutes" says in words, held against the ledger.

Each word or sentence stands here as it stands on the page: `VERDICTS` say what became of rows,
`statements` stand for numbers. `untrue` names those that are not borne out; a test asks it.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

from lib.concepts import trajectory
from lib.experiments import concept_learning, length_results, length_words
from lib.experiments import length_generalization as length
from lib.sim import SIMTask, ood_loss, two_layer
from lib.sim.error_curves import swing
from tools import five_minutes

# The verdict that each needs, and of which rows.
VERDICTS = {
    "the order of learning holds": (
        "holds",
        *("linear.order.mu", "linear.order.sigma"),
        *(
            f"mlp.order.{by}.{layers}"
            for by in ("mu", "sigma")
            for layers in ("one_layer", "two_linear_layers", "two_relu_layers")
        ),
    ),
    "two layers do turn back": ("holds", "swing.exists", "swing.figure5.a_squared"),
    "in the setting of figure 5 only by its code's $A^2$": ("does not hold", "swing.figure5.a"),
    "read as typical of their settings they are not": (
        "does not hold",
        *("mlp.share.d3.weak", "mlp.share.d3.strong", "mlp.figure8.rises", "mlp.figure9.rises"),
    ),
    "in two, whether most do is undecided": ("undecided", "mlp.share.d2"),
    "the held-out error does turn": ("holds at our scale", "concept.swing"),
    "the path does not bend as it says": ("does not hold", "concept.bend"),
    "order and slowing are inconclusive here": ("inconclusive", "concept.order", "concept.speed"),
    "arrival is undecided": ("undecided", "concept.arrives"),
    "whether they arrive is undecided": ("undecided", "concept.arrives"),
    "the equivalence holds where the background factorises": ("holds", "cpc.equivalence"),
    "keeps more than one told one place": ("holds at our scale", "length.contrast"),
    "so its first experiment holds": ("holds at our scale", "length.retention.label_all.map"),
    "it misses the 60% set for a success": ("holds at our scale", "local.retention.level"),
    "hears only of places near it": (
        "holds at our scale",
        "length.retention.label_one.full_local",
    ),
    "where it sees only near as well, the paper's own third experiment": (
        "holds at our scale",
        "length.third.kept",
    ),
    "what harms is several requests, summed in one call": (
        "holds at our scale",
        *("length.sum.second", "length.sum.far", "length.sum.added"),
    ),
}


def statements(rows: Sequence[dict]) -> dict[str, length_words.Bounds]:
    """Words of the page that stand for numbers: each number, and between what it makes them true.

    Args:
        rows: as `claims.rows` gives them.
    """
    value = {row["id"]: row["value"] for row in rows}
    task, t = SIMTask(mu=(2.0, 1.0), sigma=(0.05, 0.05)), torch.linspace(0, 20, 800).double()
    back = [  # from the angle of wide starts with entries between 0 and b
        swing(ood_loss(two_layer.flow(two_layer.correlated_start(scale, 0.75), task.a, t), task))
        for scale in (0.01, 0.001)
    ]
    results = length.finished_runs(length.KEPT)
    answers = length.answers()
    ways = five_minutes.asked_otherwise(answers)
    alone = five_minutes.asked_otherwise(answers, length_results.ALONE)["nearest"]
    as_map, all_, one = (
        np.mean(length_results.skills(results[f"label_{n}"], 6))
        for n in ("all.map", "all.vector", "one.vector")
    )
    weak, strong = value["mlp.share.d3.weak"], value["mlp.share.d3.strong"]
    return {
        "a little more than 1 %": (back[0].item(), 0.01, 0.02),
        "a start a tenth as large, by a little less": (back[1].item(), 0.005, 0.01),
        "41 degrees": (math.degrees(math.acos(3 / 4)), 40.5, 41.5),
        "at 50": (math.degrees(math.acos(2 / math.pi)), 49.5, 50.5),
        "most starts swing where": (value["swing.start.one_sign"], 0.5, 1.01),
        "no wide one": (value["swing.start.half_normal"], -0.01, 0.0001),
        "a quarter": (weak, 0.2, 0.3),
        "to a third": (strong, 0.3, 0.37),
        "rarer still": (value["mlp.figure8.rises"], -0.01, weak),
        "four in hardly any": (value["mlp.figure9.rises"], -0.01, 0.02),
        "that flow foretells no turn": (_foretold_rise(), -1, 0.01),
        "as a map, fills nine of ten": (as_map, 0.85, 0.95),
        "as rows of numbers, half": (all_, 0.45, 0.6),
        "as a row, hardly any": (one, -0.05, 0.1),
        "fill most of them": (ways["nearest"], 0.7, 0.9),
        "even nine of ten": (alone, 0.85, 0.95),
        "cut and pasted, fill more": (ways["paste"], ways["nearest"], 1.05),
        "nearly local at little noise": (value["noise.points.low"], 0, 1e-4),
        "and at much": (value["noise.points.high"], 0, 1e-4),
        "far from it in between": (value["noise.points.peak"], 1, 10),
    }


def _foretold_rise() -> float:
    """The largest rise of any held-out error that SIM, fitted to the trained, foretells."""
    runs, fits = concept_learning.by_seed(concept_learning.tables()), concept_learning.stored_fits()
    told = [concept_learning.foretold(runs[seed], fit) for seed, fit in fits.items()]
    rises = []
    for each in told:
        for path, measured in zip(each["paths"]["sim"], each["measured"], strict=True):
            seen = np.isfinite(measured).all(-1)
            rises.append(swing(trajectory.error(path[seen])))
    return max(rises)


def untrue(rows: Sequence[dict]) -> list[str]:
    """Those of the page's words that the ledger and its measurements do not bear out, and why."""
    found = {row["id"]: "undecided" if row["undecided"] else row["verdict"] for row in rows}
    return length_words.untrue(statements(rows)) + [
        f"{words}: {id} is {found[id]}, not {wanted}"
        for words, (wanted, *ids) in VERDICTS.items()
        for id in ids
        if found[id] != wanted
    ]
