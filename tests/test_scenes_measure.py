"""The measure, on results whose skill is known because they were made to have it."""

from itertools import combinations, permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.scenes.measure import (
    MEASURE,
    Measure,
    implied_extras,
    k_max,
    match_best,
    matched,
    raw_scores,
    summary,
    tally,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def all_of(places):
    return places, torch.ones(places.shape[:2], dtype=torch.bool)


def drawn(n, count, skill, seed):
    """A record of n pictures: each, with chance `skill`, all that was asked, else some other."""
    g = generator(seed)
    asked, elsewhere = torch.rand(2, n, count, 2, generator=g)
    lucky = torch.rand(n, 1, 1, generator=g) < skill
    found = torch.where(lucky, asked, elsewhere)
    return raw_scores(all_of(found), all_of(asked), all_of(asked))


def best_by_trying_all(found, asked, radius):
    """Most matches, then the least sum, over every one-to-one pairing."""
    best = (0, 0.0)
    for size in range(1, min(len(found), len(asked)) + 1):
        for rows in combinations(range(len(found)), size):
            for columns in permutations(range(len(asked)), size):
                distances = (found[list(rows)] - asked[list(columns)]).norm(dim=1)
                if (distances <= radius).all():
                    best = min(best, (-size, float(distances.sum())))
    return best


def test_the_measure_is_the_one_fixed_before_any_result():
    """A rule: a change here asks for a new measurement of everything, not for a new number."""
    counts, levels = (0, 1, 2, 3, 4, 6, 8, 10), (0.8, 0.6, 0.9)
    assert Measure(1 / 20, 0.5, 0.3, 96, counts, levels) == MEASURE


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 10**6))
def test_the_matching_is_the_best_there_is(m, k, seed):
    found = torch.rand(m, 2, generator=generator(seed)).double() * 0.2
    asked = torch.rand(k, 2, generator=generator(seed + 1)).double() * 0.2
    distances = matched(found, asked, 0.1)
    size, total = best_by_trying_all(found, asked, 0.1)
    assert -len(distances) == size
    assert abs(float(distances.sum()) - total) < 1e-9


def test_a_match_may_be_as_far_as_the_radius():
    found, asked = torch.tensor([[0.25, 0.5]]), torch.tensor([[0.5, 0.5]])
    assert matched(found, asked, 0.25).tolist() == [0.25]
    assert len(matched(found, asked, 0.2499)) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 10**6))
def test_what_fits_is_matched_as_far_as_it_can_be(m, k, seed):
    """Whatever makes a thing fit: what is shown of places and colours is matched by the same."""
    fits = torch.rand(m, k, generator=generator(seed)) < 0.4
    cost = torch.rand(m, k, generator=generator(seed + 1))
    rows, columns = match_best(cost, fits)
    assert len(set(rows.tolist())) == len(set(columns.tolist())) == len(rows)
    assert fits[rows, columns].all()
    best = (0, 0.0)
    for size in range(1, min(m, k) + 1):
        for some in combinations(range(m), size):
            for others in permutations(range(k), size):
                if fits[some, others].all():
                    best = min(best, (-size, float(cost[some, others].sum())))
    assert -len(rows) == best[0]
    assert float(cost[rows, columns].sum()) == pytest.approx(best[1], abs=1e-5)


def test_one_object_fills_one_request():
    asked = torch.tensor([[0.50, 0.5], [0.52, 0.5]])
    assert len(matched(asked[:1], asked)) == 1
    assert len(matched(torch.tensor([[0.5, 0.551]]), asked)) == 0


@pytest.mark.parametrize("count", [1, 4, 8])
@pytest.mark.parametrize("skill", [0.0, 0.6, 1.0])
def test_a_known_skill_is_found(count, skill):
    seeds = [drawn(256, count, skill, seed) for seed in range(3)]
    found = summary(seeds)
    assert abs(found["skill"] - skill) < 0.06
    assert found["ceiling"] == 1
    assert found["exact"] == 1
    assert len(found["skills"]) == 3


def test_raw_numbers():
    asked = torch.tensor([[[0.2, 0.2], [0.8, 0.8]], [[0.2, 0.8], [0.5, 0.5]]])
    found = torch.tensor(
        [[[0.2, 0.23], [0.5, 0.5], [0.9, 0.1]], [[0.2, 0.8], [0.0, 0.0], [0.0, 0.0]]]
    )
    mask = torch.tensor([[True, True, True], [True, False, False]])
    record = raw_scores((found, mask), all_of(asked), all_of(asked))
    assert record == {
        "count": 2,
        "hits": [1, 1],
        "blind": [1, 0],
        "ceiling": [2, 2],
        "found": [3, 1],
        "error": [0.03, 0.0],
    }
    total = summary([record])
    assert total["hits"] == 0.5
    assert total["blind"] == 0.25
    assert total["skill"] == pytest.approx(1 / 3)
    assert total["extras"] == 1
    assert total["exact"] == 0
    assert total["error"] == pytest.approx(0.015)


def test_blind_is_the_next_picture_s_request():
    """Each picture shows what the one after it was asked for."""
    asked = torch.tensor([[[0.0, 0.2]], [[0.5, 1.0]], [[1.0, 0.0]]])  # the borders are inside
    record = raw_scores(all_of(asked.roll(-1, 0)), all_of(asked), all_of(asked))
    assert record["blind"] == [1, 1, 1]
    assert record["hits"] == [0, 0, 0]
    with pytest.raises(ValueError, match="two or more pictures"):
        raw_scores(*[all_of(asked[:1])] * 3)


def test_a_tally_by_hand():
    """Two pictures: the first shows one of its two and the other's, the second one of its own."""
    asked = torch.tensor([[[0.1, 0.1], [0.9, 0.1]], [[0.5, 0.9], [0.0, 0.0]]])
    mask = torch.tensor([[True, True], [True, False]])
    found = [torch.tensor([[0.1, 0.1], [0.5, 0.9], [0.3, 0.5]]), torch.tensor([[0.5, 0.92]])]
    result = tally(found, asked, mask)
    assert result["hits"].tolist() == [0.5, 1]
    assert result["blind"].tolist() == [1, 0]
    assert result["extras"].tolist() == [2, 0]
    with pytest.raises(ValueError, match="at least two pictures"):
        tally(found[:1], asked[:1], mask[:1])


def test_a_seed_without_a_ceiling_has_no_skill():
    """Nor does the sum over seeds hide it."""
    good = {"count": 1, "hits": [1], "blind": [0], "ceiling": [1], "found": [1], "error": [0.0]}
    assert summary([good, good])["skills"] == [1, 1]
    with pytest.raises(ValueError, match=r"a ceiling \(\[1.0, 0.0\]\) above blind hits"):
        summary([good, good | {"ceiling": [0]}])


def test_nothing_asked_counts_extras_only():
    found = torch.rand(4, 2, 2, generator=generator())
    none = (torch.zeros(4, 0, 2), torch.zeros(4, 0, dtype=torch.bool))
    total = summary([raw_scores(all_of(found), none, none)])
    assert total["extras"] == 2
    assert total["exact"] == 0
    assert total["skill"] is None


def test_k_max():
    lows = {1: 0.9, 2: 0.85, 3: 0.79, 4: 0.95}
    assert k_max(lows) == 2
    assert k_max(lows, 0.6) == 4
    assert k_max(lows, 0.9) == 1
    assert k_max({1: 0.1, 2: 1.0}) == 0
    assert k_max({}) == 0
    # Not all numbers need be asked for; those that were not do not count.
    assert k_max({1: 0.9, 4: 0.85, 6: 0.8, 10: 0.1}) == 6
    with pytest.raises(ValueError, match="must be finite"):
        k_max({10: 0.9, 1: 0.9, 4: float("nan")})


def test_extras_that_the_data_imply():
    assert [implied_extras("label_one", 1, 3, k) for k in range(5)] == [2, 1, 0.5, 0, 0]
    assert implied_extras("label_one", 3, 3, 1) == 2
    assert implied_extras("label_all", 1, 3, 1) == 0
    with pytest.raises(ValueError, match="'label_two'"):
        implied_extras("label_two", 1, 3, 1)


def test_bad_results():
    places = all_of(torch.full((3, 2, 2), 0.5))
    with pytest.raises(ValueError, match="same two or more pictures"):
        raw_scores(places, all_of(torch.rand(2, 2, 2)), places)
    with pytest.raises(ValueError, match="outside the picture"):
        raw_scores(places, all_of(torch.full((3, 2, 2), 1.2)), places)
    with pytest.raises(ValueError, match="same number of places"):
        raw_scores(places, (places[0], torch.zeros(3, 2, dtype=torch.bool)), places)
    with pytest.raises(ValueError, match="no more than blind"):
        summary([raw_scores(places, places, places)])
    with pytest.raises(ValueError, match="asked for 2 objects"):
        summary([drawn(4, 2, 1, 0), drawn(4, 3, 1, 0)])


def test_a_picture_asked_for_nothing_leaves_the_blind_share_of_others_alone():
    places = torch.tensor([[[0.2, 0.2]], [[0.2, 0.2]], [[0.7, 0.7]]])
    mask = torch.tensor([[True], [True], [False]])
    result = tally(list(places), places, mask)
    assert result["blind"].tolist() == [1, 1, 0]  # of what the others were asked
    assert torch.isnan(result["hits"]).tolist() == [False, False, True]
