"""What the stored networks say is what they said when they were stored: to 1e-4, on any machine.

Whatever is changed in a network, its pathway or its preconditioning, its weights still load; these
numbers say whether they also still mean the same.
"""

import pytest
import torch

from lib import storage
from lib.concepts import classifier
from lib.experiments import concept_arrival, concept_learning
from lib.experiments import length_generalization as length
from lib.scenes import coherence, detector, lamps

PICTURES = torch.linspace(-30, 30, 2 * 3 * 32 * 32).sin().view(2, 3, 32, 32)
PLACES = (
    torch.tensor([[[0.3, 0.6], [0.7, 0.2]], [[0.8, 0.9], [0.1, 0.5]]]),
    torch.tensor([[True, True], [True, False]]),
)
NUMBERS = torch.tensor([[0.6, 0.3, 0.2, 0.5], [0.2, 0.3, 0.6, 0.3]])  # two discs: RGB and radius
SAID = {  # norm of the answer to the pictures, of a denoiser at noise 1 and so asked
    "coherence": 3.942142,
    "concept_learning/classifier": 2.216998,
    "concept_learning/signal0.2": 31.10962,
    "concept_learning/signal0.4": 33.28845,
    "concept_learning/signal0.7": 33.70837,
    "detector": 377.8824,
    "lamps": 3.659614,
    "length_colours/label_one.full_local.data-one_colour.seed0": 16.90657,
    "length_colours/label_one.local_local.data-one_colour.seed0": 18.44583,
    "length_generalization/label_all.full_nearest.seed0": 14.68164,
    "length_generalization/label_all.full_random.seed0": 17.62692,
    "length_generalization/label_all.map.seed0": 21.098,
    "length_generalization/label_all.vector.seed0": 22.02611,
    "length_generalization/label_one.attending.seed0": 19.7946,
    "length_generalization/label_one.full_all.seed0": 18.40477,
    "length_generalization/label_one.full_local.seed0": 17.32045,
    "length_generalization/label_one.local_all.seed0": 18.49485,
    "length_generalization/label_one.local_local.seed0": 17.99195,
    "length_generalization/label_one.map.seed0": 20.41608,
    "length_generalization/label_one.product.seed0": 20.75407,
    "length_generalization/label_one.vector.objects-1.seed0": 16.32427,
    "length_generalization/label_one.vector.seed0": 20.76676,
}
LOOKING = {
    "coherence": coherence,
    "concept_learning/classifier": classifier,
    "detector": detector,
}


@torch.no_grad()
def answer(name: str) -> torch.Tensor:
    """What a stored network says."""
    path = storage.RESULTS / f"{name}.safetensors"
    if name == "lamps":
        return lamps.readings(lamps.load(path), PICTURES, PLACES[0])
    if name in LOOKING:
        return LOOKING[name].load(path)(PICTURES)
    folder, stem = name.split("/")
    if folder == "concept_learning":
        made = concept_learning.load_denoiser(float(stem.removeprefix("signal")), path.parent)
        return made(PICTURES, 1.0, NUMBERS)
    if folder == "concept_arrival":
        made = concept_arrival.load_denoiser(stem.rpartition(".")[2], path.parent)
        return made(PICTURES, 1.0, NUMBERS)
    made = length.load_denoiser(stem.removesuffix(".seed0"), path.parent)
    return made(PICTURES, 1.0, PLACES)


def stored() -> list[str]:
    """The names of all weights that the book keeps."""
    paths = storage.RESULTS.rglob("*.safetensors")
    return sorted(str(p.relative_to(storage.RESULTS).with_suffix("")) for p in paths)


@pytest.mark.parametrize("name", sorted({*stored(), *SAID}))
def test_a_stored_network_says_what_it_said(name):
    """One whose weights are new gets its line here."""
    assert float(answer(name).norm()) == pytest.approx(SAID.get(name), rel=1e-4)
