"""What pictures are read as: against the properties they were drawn with."""

import pytest
import torch

from lib.concepts import circles, classifier
from lib.concepts.circles import COMPOSITIONS, Circles
from lib.concepts.classifier import Finder
from lib.diffusion import networks
from lib.experiments._training import Seed, judge_training
from lib.experiments.classifier import Scale
from lib.storage import checkpoint


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def finder() -> Finder:
    return classifier.load()


class Known(torch.nn.Module):
    """A finder that knows where the discs are."""

    def __init__(self, centre, radius):
        super().__init__()
        self.answer = torch.cat([centre, radius[:, None]], 1)

    def forward(self, pictures):
        return self.answer


def test_least_squares_finds_the_colours_exactly_where_the_disc_is_known():
    properties = torch.rand(20, 4, generator=generator()) * 0.5 + 0.2
    centre, background = circles.surroundings(20, generator(1))
    pictures = circles.render(properties, centre, background)
    reading = classifier.read(Known(centre, properties[:, 3]), pictures)
    assert torch.allclose(reading.properties, properties, atol=1e-3)
    assert (reading.explained > 0.9999).all()


@pytest.mark.parametrize("signal", [0.1, 0.45, 0.8])
def test_places_are_read_between_the_classes_too(finder, signal):
    world = Circles(signal)
    places = 1.4 * torch.rand(300, 2, generator=generator(2)) - 0.2
    pictures = circles.draw(world.means(places), generator(3))
    reading = classifier.read(finder, pictures)
    off = (world.places(reading.properties) - places).square().mean(0).sqrt()
    assert off.max() < 0.1
    assert reading.readable.double().mean() > 0.99


def test_an_empty_picture_and_noise_show_no_disc(finder):
    empty = torch.full((5, 3, 32, 32), 0.8) + 0.05 * torch.randn(
        5, 3, 32, 32, generator=generator()
    )
    noise = torch.randn(5, 3, 32, 32, generator=generator(1))
    flat = torch.zeros(1, 3, 32, 32)
    for pictures in (empty, noise, flat):
        reading = classifier.read(finder, pictures)
        assert not reading.readable.any()
        assert reading.properties.isfinite().all()


@pytest.mark.parametrize("signal", [0.1, 0.8])
def test_it_is_accurate_on_fresh_pictures_the_held_out_composition_included(finder, signal):
    shares = classifier.check_accuracy(finder, Circles(signal), generator(4))
    assert list(shares) == list(COMPOSITIONS)
    assert min(shares.values()) >= classifier.ACCURACY


def test_a_classifier_below_its_accuracy_is_refused():
    untrained = networks.initialise(Finder(), generator())
    with pytest.raises(ValueError, match=r"right on .* each must be at least 0.99; train it anew"):
        classifier.check_accuracy(untrained, Circles(0.4), generator(), samples=20)


def test_training_improves_it_and_follows_its_seed():
    made = []
    for _ in range(2):
        training = judge_training(
            Finder(4), classifier.batch, classifier.loss, Seed(7), Scale(15, 16), warmup=4
        )
        assert len(list(training.run())) == 15
        made.append(training.averaged)
    for a, b in zip(made[0].parameters(), made[1].parameters(), strict=True):
        assert torch.equal(a, b)
    before = networks.initialise(Finder(4), generator(7))
    places = torch.rand(200, 2, generator=generator(9))
    pictures = circles.draw(Circles(0.5).means(places), generator(10))
    truth = Circles(0.5).means(places)[:, 3]
    off = [(f(pictures)[:, 2] - truth).square().mean().item() for f in (before, made[0])]
    assert off[1] < 0.5 * off[0]


def test_bad_pictures_and_bad_weights_are_refused(finder, tmp_path):
    with pytest.raises(
        ValueError, match=r"pictures must be \(B, 3, 32, 32\), not \(2, 3, 16, 16\)"
    ):
        classifier.read(finder, torch.zeros(2, 3, 16, 16))
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        classifier.load(tmp_path / "none.safetensors")
    other = tmp_path / "other.safetensors"
    checkpoint.save(other, {"w": torch.zeros(1)}, {"network": "another"})
    with pytest.raises(ValueError, match="of the network 'another'"):
        classifier.load(other)
