"""Reading an object's colour from one pixel: made-up pixels, and real pictures."""

import pytest
import torch

from lib.diffusion.train import stream
from lib.scenes import COLORS, colours, labelling, render
from lib.scenes.scene import locations


def test_the_pixel_is_the_one_in_which_the_place_lies():
    pictures = torch.arange(2 * 3 * 4 * 4).view(2, 3, 4, 4).float()
    places = torch.tensor([[[0.3, 0.9], [1.0, 0.0]], [[0.0, 0.0], [0.49, 0.51]]])
    found = colours.pixel(pictures, places)
    assert torch.equal(found[0, 0], pictures[0, :, 3, 1])
    assert torch.equal(found[0, 1], pictures[0, :, 0, 3])
    assert torch.equal(found[1, 1], pictures[1, :, 2, 1])


def test_the_rule_is_the_linear_discriminant():
    g = torch.Generator().manual_seed(2)
    root = torch.tensor([[1.0, 0, 0], [4.0, 0.3, 0], [0, 0, 0.2]])  # long along one direction
    centre = torch.randn(8, 3, generator=g)
    label = torch.arange(800) % 8
    pixels = centre[label] + 0.3 * torch.randn(800, 3, generator=g) @ root.T
    rule = colours.fitted(pixels, label)
    shared = torch.distributions.MultivariateNormal(rule.means, torch.linalg.inv(rule.precision))
    best = shared.log_prob(pixels[:, None]).argmax(1)
    assert torch.equal(colours.read(rule, pixels), best)
    nearest = torch.cdist(pixels, rule.means).argmin(1)
    assert (best == label).sum() > (nearest == label).sum()


def test_real_colours_are_read_nearly_all():
    halves = []
    for k in range(2):
        scenes = labelling.request_scenes(160, 1, stream(7, k))
        pixels = colours.pixel(render(scenes, 32), locations(scenes))[:, 0]
        halves.append((pixels, scenes.color[:, 0]))
    rule = colours.fitted(*halves[0])
    assert (colours.read(rule, halves[1][0]) == halves[1][1]).float().mean() > 0.95


def test_a_colour_without_objects_is_refused():
    label = torch.arange(14) % 7
    with pytest.raises(ValueError, match=list(COLORS)[7]):
        colours.fitted(torch.zeros(14, 3), label)
    pixels = torch.rand(16, 3, generator=torch.Generator().manual_seed(0))
    label = torch.arange(16) % 8  # two of each are enough, one is not
    assert torch.allclose(colours.fitted(pixels, label).means, (pixels[:8] + pixels[8:]) / 2)
    with pytest.raises(ValueError, match=rf"\['{list(COLORS)[7]}'\]"):
        colours.fitted(pixels[:15], label[:15])
