import pytest
import torch

from lib.exact import GaussianMixture, Row, composed, noise_levels, probability_flow
from lib.locality import pixel_locality


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def as_mixture(row, weights):
    covs = row.spread**2 * torch.eye(row.pixels, dtype=torch.float64)
    return GaussianMixture(weights, row.lit, covs.expand(len(row.lit), -1, -1))


def label_pairs(row):
    """Every layout with every choice of its label: weights (P,), layouts (P,), labels (P,)."""
    layout, label = row.objects.nonzero(as_tuple=True)
    return row.weights[layout] / row.objects.sum(1)[layout], layout, label


def sample(score, conditions, n, pixels, steps=24, seed=0):
    sigmas = noise_levels(steps)
    return probability_flow(score, sigmas[0] * normal(n, pixels, seed=seed), sigmas, conditions)[-1]


def test_layouts_keep_their_distance():
    row = Row(14, width=3, gap=2)
    assert len(row.lit) == 12 + 28 + 4  # 14 - 3 + 1, then C(8, 2) and C(4, 3)
    starts = [layout.nonzero().flatten() - 1 for layout in row.objects]
    assert all((s.diff() >= 5).all() and s.min() >= 0 and s.max() <= 11 for s in starts)
    assert torch.equal(row.lit.sum(1), 3 * row.objects.sum(1))
    assert len(row.lit.unique(dim=0)) == len(row.lit)
    by_count = [row.weights[row.objects.sum(1) == n].sum().item() for n in (1, 2, 3)]
    assert by_count == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("sigma", [0.05, 1.0, 20.0])
def test_scores_against_enumerated_mixtures(sigma):
    row, x = Row(9, width=2, gap=1), (1 + sigma) * normal(6, 9)
    weights, layout, label = label_pairs(row)
    given = torch.zeros_like(row.weights).index_add(0, layout, weights * (label == 4))
    for conditions, prior in (((), row.weights), ((4,), given / given.sum())):
        expected = as_mixture(row, prior).score(x, sigma)
        assert (row.score(x, sigma, conditions) - expected).norm() < 1e-11 * expected.norm()


@pytest.mark.parametrize("radius", [0, 1, 3])
@pytest.mark.parametrize("asked", [(), (2,), (2, 7)])
def test_local_scores_against_enumerated_windows(radius, asked):
    """The marginal on each window of the layouts whose label is, or is not, in it."""
    row, x, sigma = Row(9, width=3, gap=1, counts=(1, 2)), normal(4, 9), 0.5
    weights, layout, label = label_pairs(row)
    found = row.local_score(radius)(x, sigma, asked)
    for pixel in range(9):
        seen = list(range(max(pixel - radius, 0), min(pixel + radius, 8) + 1))
        inside = [place for place in asked if place in seen]
        elsewhere = ~torch.isin(label, torch.tensor(seen))
        keep = label == inside[0] if inside else elsewhere | ~elsewhere.any()
        prior = torch.zeros_like(row.weights).index_add(0, layout, weights * keep)
        window = as_mixture(row, prior / prior.sum()).marginal(seen)
        expected = window.score(x[:, seen], sigma)[:, seen.index(pixel)]
        assert len(inside) == 2 or (found[:, pixel] - expected).norm() < 1e-12


def test_its_score_sees_the_window_only():
    row, x = Row(12, width=3, gap=1), normal(12)
    heat = pixel_locality(row.local_score(2), x, 0.4, (3, 9), 6)
    assert (heat > 0).nonzero().flatten().tolist() == [4, 5, 6, 7, 8]


def test_a_window_as_wide_as_the_row_composes():
    row, x = Row(10, width=2), normal(5, 10)
    for conditions in ((), (3,), (1, 5, 8)):
        wide = row.local_score(10)(x, 0.4, conditions)
        expected = composed(row.score)(x, 0.4, conditions)
        assert (wide - expected).norm() < 1e-12 * expected.norm()


SITES = Row(16)
# The share of rows with every labelled site filled, by the flow in the limit of small steps. (The
# figures that the check started from, 1 .995 .935 .745 .215 .035 0, came from a toy whose spread
# and solver are not known: the composed flow is stiff, and K = 5 depends on both.)
FILLED = {1: 1, 2: 0.99, 3: 0.85, 4: 0.63, 5: 0.45, 6: 0.2, 8: 0.035}


@pytest.mark.parametrize(
    ("ks", "n"), [((1, 3, 8), 100), pytest.param(tuple(FILLED), 400, marks=pytest.mark.weekly)]
)
def test_t7_composition_falls_with_the_number_of_conditions(ks, n):
    for k in ks:
        x = sample(composed(SITES.score), range(k), n, 16, steps=40)
        filled = (SITES.hits(x, range(k))[0] == 1).double().mean().item()
        assert filled == pytest.approx(FILLED[k], abs=0.02 + 3 * (0.25 / n) ** 0.5 * (1 < k < 8))


@pytest.mark.parametrize("k", [1, 8, 16])
def test_t7_local_scores_fill_every_labelled_site(k):
    n = 40
    hits, extras = SITES.hits(sample(SITES.local_score(0), range(k), n, 16), range(k))
    assert (hits == 1).all()
    rate = (16 - k) / 15  # of the training rows' other sites, one in fifteen is filled
    assert extras.mean().item() == pytest.approx(rate, abs=4 * (rate / n) ** 0.5 + 1e-9)


def test_objects_that_keep_a_distance_need_a_window_of_the_right_size():
    row, asked = Row(24, width=3, gap=2), (1, 7, 12, 17)
    hits, extras = {}, {}
    for radius in (0, 3, 24):
        x = sample(row.local_score(radius), asked, 24, 24, steps=18)
        hits[radius], extras[radius] = (v.mean().item() for v in row.hits(x, asked))
    assert hits[0] < 0.2
    assert hits[3] > 0.95
    assert hits[24] < 0.9
    assert extras[3] < 0.3 < extras[0]


def test_hits_and_extras_by_hand():
    row = Row(8, width=2)
    x = torch.tensor([[0, 1, 1, 0, 0, 1, 0, 1.0]])
    hits, extras = row.hits(x, (2, 6))
    assert hits.tolist() == [0.5]
    assert extras.tolist() == [0.5]


def test_bad_input():
    with pytest.raises(ValueError, match="do not fit"):
        Row(6, width=3, gap=1)
    row, x = Row(8, width=3, gap=0, counts=(1, 2)), torch.zeros(8)
    for place in (0, 7):
        with pytest.raises(ValueError, match=r"middle pixel of an object, 1\.\.6"):
            row.score(x, 1.0, (place,))
    with pytest.raises(ValueError, match="one object is labelled"):
        row.score(x, 1.0, (1, 4))
    with pytest.raises(ValueError, match="no layout seen in training has an object at 2"):
        Row(6, width=3, counts=(2,)).score(torch.zeros(6), 1.0, (2,))
    with pytest.raises(ValueError, match="named once"):
        row.local_score(7)(x, 1.0, (3, 3))
    with pytest.raises(ValueError, match="radius must not be negative"):
        row.local_score(-1)
    with pytest.raises(ValueError, match="nothing is asked"):
        row.hits(x, ())
    for sigma, spread in ((-1.0, 0.1), (0.0, 0.0)):
        with pytest.raises(ValueError, match="sigma must be"):
            Row(8, spread=spread).score(x, sigma)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"counts": (0, 1)}, "count 0 must be an integer of at least 1"),  # nothing to label
        ({"counts": (-1,)}, "count -1 must be"),
        ({"width": (0, 1)}, "width must be an integer"),
        ({"width": 0}, "width must be"),
        ({"counts": ()}, "do not fit"),
        ({"gap": -1}, "gap and spread must not be negative"),
        ({"spread": -0.1}, "gap and spread must not be negative"),
        ({"spread": float("nan")}, "gap and spread"),
    ],
)
def test_rows_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Row(6, **arguments)
