"""Which requests compose: the measures, on painters and numbers whose answer is known."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from scipy import stats

from lib.book import ledger
from lib.diffusion import networks, train
from lib.experiments import local_features as features
from lib.experiments.local_features import KINDS, Scale, Setting, Thing
from lib.scenes import detector, measure, render, sample_scenes
from lib.scenes.scene import locations

TINY = Scale(width=8, steps=3, batch=2)


@pytest.fixture
def toy(monkeypatch):
    sigmas = {"steps": 2, "sigma_min": 0.2, "sigma_max": 5.0}
    monkeypatch.setattr(features, "SAMPLER", sigmas)
    monkeypatch.setattr(features, "LEVELS", (1.0, 10.0))
    monkeypatch.setattr(features, "ASKED_AT", (1.0,))
    monkeypatch.setattr(features, "PAIRS", 3)
    monkeypatch.setattr(features, "NOISES", 1)
    finder = networks.initialise(detector.Detector(), torch.Generator().manual_seed(0)).eval()
    monkeypatch.setattr(detector, "load", lambda: finder)
    some = torch.tensor([[0, 1], [2, 3], [0, 3]])
    monkeypatch.setattr(torch, "combinations", lambda _: some)  # of colours
    whole = features.load_judge
    monkeypatch.setattr(features, "load_judge", lambda: whole(64))


def test_a_step_is_what_it_was_before_there_was_a_world():
    """Its scenes, its pictures and what is said of them, and so the first loss: to the digit."""
    training = features.prepared(Setting(), Scale(width=16, steps=3, batch=4))
    numbers = torch.Generator().manual_seed(1)
    for p in training.denoiser.parameters():  # a new network is deaf: its last layer is zero
        p.data += 0.05 * torch.randn(p.shape, generator=numbers)
    assert next(training.run())["loss"] == pytest.approx(3.4424727, rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "total", "first"),
    [
        (KINDS[0], 5.5363315, [6, 2, 2, 3, 5, 6]),
        (KINDS[1], 2.8006777, [0, 1, 2]),
        (KINDS[2], 54.4353109, [0, 1, 0, 2, 0, 3]),
    ],
)
def test_requests_are_what_they_were_before_there_was_a_world(kind, total, first):
    scenes = features.request_pairs(kind, 3).scenes
    assert float(locations(scenes).double().sum()) == pytest.approx(total, rel=1e-6)
    assert scenes.color.flatten().tolist()[:6] == first


def test_the_world_is_four_callables_and_small_pictures_are_looked_at_enlarged():
    world = features.WORLD
    scenes = world.sample(12, 1, 2, torch.Generator().manual_seed(2), clear=True)
    place, mask, colour = world.ask(scenes)
    assert torch.equal(colour, scenes.color)
    found, there = world.find(world.render(scenes, features.SIZE))
    hits = [
        len(measure.matched(f[t], p[m], features.RADIUS))
        for f, t, p, m in zip(found, there, place, mask, strict=True)
    ]
    assert sum(hits) > 0.8 * mask.sum()


def test_half_of_the_objects_are_told_by_place_and_half_by_colour():
    pictures, (place, placed, kind) = features.batch(Scale(batch=200), torch.Generator())
    assert pictures.shape == (200, 3, 16, 16)
    there = 300  # objects in 200 scenes of one or two, about
    for said in (placed, kind >= 0, placed & (kind >= 0)):
        share = said.sum() / there
        assert abs(share - (0.25 if said.sum() < 110 else 0.5)) < 0.08
    assert (place[~placed] == 0).all()
    assert ((place > 0) & (place < 1)).all(-1)[placed].all()


def test_requests_are_told_as_they_are():
    place, placed, kind = features.describe(
        [(), (Thing(colour=3),), (Thing((0.1, 0.2), 5), Thing())]
    )
    assert placed.tolist() == [[False, False], [False, False], [True, False]]
    assert kind.tolist() == [[-1, -1], [3, -1], [5, -1]]
    assert np.allclose(place[2, 0], (0.1, 0.2))


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_asked_of_scenes_that_show_them(kind):
    what = features.request_pairs(kind, 9)
    assert len(what.pairs) == len(what.scenes) == (28 if kind == "colour, colour" else 9)
    places = locations(what.scenes)
    for b, (first, second, joint) in enumerate(what.pairs):
        shown = places[b], what.scenes.color[b]
        for request in (first, second, joint):
            assert features.is_shown(shown, request)
        said = {(t.place, t.colour) for t in joint}
        if kind == "place, colour":
            assert said == {(first[0].place, second[0].colour)}
        else:
            assert said == {(t.place, t.colour) for t in first + second}
    if kind == "place, place":  # near pairs and far ones
        apart = places.diff(dim=1).norm(dim=-1)[:, 0]
        assert apart.min() < 0.25
        assert apart.max() > 0.4
        assert len(torch.unique(places[:, 0], dim=0)) == 9
    else:
        colours = torch.bincount(what.scenes.color.flatten(), minlength=8)
        assert colours.max() - colours.min() <= 1


@pytest.fixture(scope="module")
def stored():
    return features.results()


@pytest.mark.parametrize("kind", ["place, colour", "colour, colour"])
def test_the_stored_pairs_are_asked_again(kind, stored):
    """All networks are asked the same pairs: those that stand in their files."""
    pairs = features.request_pairs(kind, features.PAIRS).pairs
    for result in stored:
        told = result["kinds"][kind]["pairs"]
        assert len(told) == len(pairs)
        for (one, other), pair in zip(told, pairs, strict=True):
            for (place, colour), (thing,) in ((one, pair.first), (other, pair.second)):
                assert colour == thing.colour
                assert (place is None) == (thing.place is None)
                assert place is None or np.allclose(place, thing.place, atol=1e-3)


def test_the_reported_runs_are_of_the_usual_size_and_measured_as_it_stands_here(stored):
    assert [result["setting"]["seed"] for result in stored] == list(features.REPORTED)
    made = features.prepared(Setting(1), Scale())
    assert (made.settings.p_mean, made.settings.p_std) == (-0.5, 1.4)
    assert made.settings.cooldown == 600  # two fifths of the steps
    for result in stored:
        assert result["scale"] == asdict(Scale())
        assert result["network"] == made.name
        assert result["parameters"] == networks.parameters(made.denoiser)
        assert len(result["colour_rule"]) == 240
        for measured in result["kinds"].values():
            assert measured["noises"] == features.NOISES
            assert set(measured["angles"]) == {f"{level:g}" for level in features.LEVELS}
            assert set(measured["errors"]) == {f"{level:g}" for level in features.ASKED_AT}
    tiles = features.load_pictures()
    assert tiles.shape == (3, 3, features.SHOWN, features.SIZE, features.SIZE, 3)
    assert features.SAMPLER == {"steps": 10, "sigma_min": 0.01, "sigma_max": 20.0}
    assert (features.SIGMA_DATA, features.HIGH, features.RADIUS) == (0.15, 10.0, 0.1)


def test_pairs_are_shown_evenly_from_first_to_last():
    assert features.pick_shown(11).tolist() == [0, 2, 4, 6, 8, 10]


def test_pictures_are_drawn_in_parts_from_noises_of_their_own(monkeypatch):
    asked = []
    monkeypatch.setattr(
        features.edm, "sample", lambda d, noise, c, **_: (asked.append(c), noise)[1]
    )
    noise = torch.randn(70, 3, 16, 16, generator=train.stream(5000, 91, 2))
    drawn = features.draw(lambda index: (None, index), 70, 2)
    assert torch.equal(drawn, noise.clamp(-1, 1))
    assert [index.tolist() for index in asked] == [
        [*range(32)],
        [*range(32, 64)],
        [*range(64, 70)],
    ]
    few = features.draw(lambda index: (None, index), 70, 2, torch.tensor([69, 3]))
    assert torch.equal(few, noise[[69, 3]].clamp(-1, 1))


@pytest.mark.parametrize("kind", ["place, place", "place, colour"])
def test_what_is_drawn_is_counted_pair_by_pair_and_blind_by_the_next_pair(kind, monkeypatch):
    """Of three pairs two pictures each, told apart by their number.

    Each shows the own joint request and the own first one; the second one of its pair shows the
    own second; the first one of its pair also shows the joint and the first request of the next.
    """
    pairs = [features.Pair(f"f{b}", f"s{b}", f"j{b}") for b in range(3)]
    what = features.Asked(pairs, None)

    def shows(picture, request):
        pair, second = divmod(int(picture), 2)
        own, following = int(request[1]) == pair, int(request[1]) == (pair + 1) % 3
        return own and bool(second) if request[0] == "s" else own or (following and not second)

    class Judge:
        def seen(self, pictures):
            return list(pictures)

    monkeypatch.setattr(features.Asked, "describe", lambda *_: ())
    monkeypatch.setattr(features, "is_shown", shows)
    monkeypatch.setattr(features, "draw", lambda ask, size, stream: torch.arange(size))
    shown = replace(features.WORLD, render=lambda scenes, size: torch.tensor([0, 2, 5]))
    monkeypatch.setattr(features, "WORLD", shown)
    found = features.count_shown(None, Judge(), kind, what, 2)
    expected = {"joint": [2] * 3, "pixels": [2] * 3, "middle": [2] * 3, "blind": [1] * 3}
    expected["real"] = [1] * 3
    if kind == "place, colour":
        expected |= {"apart": [[2, 1]] * 3, "single": [[2, 1]] * 3, "single_blind": [[1, 0]] * 3}
    assert found == expected


def test_each_thing_needs_an_object_of_its_own():
    seen = torch.tensor([[0.2, 0.2], [0.8, 0.5]]), torch.tensor([1, 4])
    here, there = Thing((0.22, 0.2)), Thing((0.8, 0.5))
    assert features.is_shown(seen, (here, there))
    assert features.is_shown(seen, (there, Thing(colour=1)))
    assert features.is_shown(seen, (Thing((0.2, 0.2), 1),))
    assert not features.is_shown(seen, (Thing((0.2, 0.2), 4),))  # of the other object
    assert not features.is_shown(seen, (here, Thing(colour=1)))  # one object for both
    assert not features.is_shown(seen, (Thing((0.31, 0.2)),))  # too far
    assert not features.is_shown(seen, (Thing(colour=1), Thing(colour=1)))
    assert not features.is_shown((seen[0][:0], seen[1][:0]), (here,))
    assert features.is_shown(seen, ())


def test_what_foretells_is_the_rank_correlation_and_the_partial_one():
    g = np.random.default_rng(0)
    a, b, c = g.normal(size=(3, 50))
    outcome = np.round(a + b + 0.3 * c, 1)
    found = features.rank_parts(a, outcome)
    assert found.mean() == pytest.approx(stats.spearmanr(a, outcome).statistic, abs=1e-12)
    ranks = [stats.rankdata(x) for x in (a, outcome, b, c)]
    inverse = np.linalg.inv(np.corrcoef(ranks))
    partial = -inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1])
    assert features.rank_parts(a, outcome, b, c).mean() == pytest.approx(partial, abs=1e-12)
    assert (features.rank_parts(a, np.ones(50)) == 0).all()
    assert features.rank_parts(np.arange(3), np.arange(3)).mean() == pytest.approx(1)


def test_shifts_are_those_of_a_denoiser_that_is_known(monkeypatch):
    moved = torch.randn(9, 12, generator=torch.Generator().manual_seed(3))

    def held(denoiser, x, sigma, conditions):
        base = x.flatten(1)[:, :12]
        at = conditions[2][:, 0] + 1  # the colour, or none
        return dict.fromkeys(features.SPACES, base + moved[at] - moved[0])

    monkeypatch.setattr(features.inside, "activations", held)
    what = features.request_pairs("colour, colour", 0)
    found = features.measure_angles(None, what.pairs)
    d = (moved - moved[0])[1:].double()
    for row, pair in zip(found["1"]["middle"], what.pairs, strict=True):
        u, v = (d[pair[k][0].colour] for k in range(2))
        assert row[0] == pytest.approx(float(u @ v / u.norm() / v.norm()), abs=1e-4)
        assert row[1:] == pytest.approx([u.norm().item(), v.norm().item()], abs=1e-4)


def test_a_network_whose_answers_add_up_composes_without_error(monkeypatch):
    class Adds:
        def __call__(self, x, sigma, conditions):
            place, placed, kind = conditions
            told = (place.sum(-1) * placed).sum(1) + (kind + 1).sum(1)
            return x + told[:, None, None, None]

    monkeypatch.setattr(features, "SPACES", ("pixels",))
    for kind in ("place, place", "colour, colour"):
        found = features.measure_errors(Adds(), kind, features.request_pairs(kind, 3), draws=1)
        assert max(max(by["pixels"]) for by in found.values()) < 1e-4


def test_an_error_is_of_what_the_joint_request_moves(monkeypatch):
    """A second thing moves the answer twice as far as the first: a third is left out."""
    seen = []

    class More:
        def __call__(self, x, sigma, conditions):
            seen.append((x, sigma))
            things = (conditions[2] >= 0).sum(1)
            return x + (things + (things > 1))[:, None, None, None]

    monkeypatch.setattr(features, "SPACES", ("pixels",))
    what = features.request_pairs("colour, colour", 0)
    found = features.measure_errors(More(), "colour, colour", what)
    assert list(found) == ["0.6", "1.5", "4"]
    assert all(by["pixels"] == [0.33333] * 28 for by in found.values())
    clean = render(what.scenes, 16).repeat_interleave(2, 0)
    noise = torch.randn(clean.shape, generator=train.stream(5000, 94, 2))
    assert torch.equal(seen[0][0], clean + 0.6 * noise)


def test_shifts_are_looked_for_in_noisy_pictures_of_one_and_two_objects(monkeypatch):
    seen = []

    def held(denoiser, x, sigma, conditions):
        seen.append((x, len(conditions[0])))
        return dict.fromkeys(features.SPACES, x.flatten(1))

    monkeypatch.setattr(features.inside, "activations", held)
    found = features.mean_shifts(None, [(Thing(colour=1),)] * 3, 2.0)
    assert all(shift.shape == (3, 3 * 16 * 16) for shift in found.values())
    clean = render(features.WORLD.sample(8, 1, 2, train.stream(5000, 92)), 16)
    noisy = clean + 2 * torch.randn(clean.shape, generator=train.stream(5000, 93))
    assert all(torch.equal(x, noisy) and asked == 8 for x, asked in seen)


def test_a_run_is_trained_measured_and_stored(toy, tmp_path):
    begun = features.run(Setting(4), TINY, tmp_path / "runs", until=2)
    assert "seconds" not in begun
    assert features.results(tmp_path / "runs") == []
    result = features.run(Setting(4), TINY, tmp_path / "runs")
    assert features.run(Setting(4), TINY, tmp_path / "runs") == result
    assert [s.seed for s, _ in features.missing(tmp_path / "runs")] == [1, 2, 3]
    assert features.store(tmp_path / "runs", tmp_path / "kept") == ["seed4.json"]
    (kept,) = features.results(tmp_path / "kept")
    tiles = features.load_pictures(tmp_path / "kept")
    assert tiles.shape == (3, 3, 6, 16, 16, 3)
    what, trained = (
        features.request_pairs(KINDS[1], 3),
        features.load_denoiser(4, tmp_path / "runs"),
    )
    drawn = features.draw(features.list_ways(trained, what, 1)["pixels"], 3, 1)
    for place, pair in enumerate(features.pick_shown(3)):
        wanted = (drawn[pair].permute(1, 2, 0) + 1) / 2
        assert np.abs(tiles[1, 1, place] - wanted.numpy()).max() < 0.01
    samples = features.claims([kept, kept])
    rows = {r.id for r in ledger.ROWS if r.recorder == "experiments/local_features"}
    assert set(samples) == rows - {"local.heuristic.large"}
    assert {len(v) for k, v in samples.items() if k != "local.colour_rule"} == {2}  # networks
    joint = np.mean(features.shares([kept], KINDS[0], "joint"))
    assert samples["local.joint.place_place"] == [joint, joint]
    assert np.isfinite(np.concatenate([np.asarray(v, float) for v in samples.values()])).all()
    for kind in KINDS:
        measured = kept["kinds"][kind]
        assert set(measured["drawn"]) >= {"joint", "pixels", "middle", "blind", "real"}
        assert all(len(v) == len(measured["pairs"]) for v in measured["drawn"].values())
        assert set(measured["angles"]) == {"1", "10"}
    x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert trained(x, 1.0, features.describe([(Thing((0.5, 0.5), 2),)])).isfinite().all()


def test_kept_is_composed_less_joint_over_all_networks():
    def network(joint, pixels):
        drawn = {"joint": joint, "pixels": pixels}
        return {"kinds": {"place, place": {"noises": 4, "drawn": drawn}}}

    measured = [network([4, 2], [2, 2]), network([4, 4], [4, 0])]
    assert features.shares(measured, "place, place", "joint").tolist() == [1.0, 0.75]
    assert features.kept_shares(measured, "place, place").tolist() == [-0.25, -0.5]


def test_what_is_kept_at_right_angles_speaks_for_the_heuristic():
    kind, drawn = "place, colour", [0, 1, 2, 3, 4, 5]
    steep = [[-0.9, 1, 2], [0.8, 1, 2], [-0.6, 1, 2], [0.4, 1, 2], [-0.2, 1, 2], [0.1, 1, 2]]
    angles = {"10": {"pixels": steep, "middle": steep[::-1]}}
    by_way = {"joint": [5] * 6, "pixels": drawn, "middle": drawn}
    of_pairs = {"noises": 5, "drawn": by_way, "angles": angles, "pairs": [None] * 6}
    found = features.rows_of_kind({"kinds": {kind: of_pairs}}, kind)
    assert found["local.heuristic"].mean() == pytest.approx(1)
    assert found["local.heuristic.beyond"].mean() == pytest.approx(1)
    assert found["local.heuristic.middle"].mean() == pytest.approx(-1)


def test_what_cannot_be_run_is_refused():
    with pytest.raises(ValueError, match="steps must be above 0"):
        Scale(steps=0)
    with pytest.raises(ValueError, match="the kind is one of"):
        features.request_pairs("taste", 3)


def test_a_picture_without_an_object_gives_no_colour():
    scenes = sample_scenes(4, 1, 1, torch.Generator().manual_seed(0))
    empty = sample_scenes(1, 0, 0, torch.Generator().manual_seed(0))
    pictures = torch.cat([render(scenes[:3], 32), render(empty, 32)])
    with pytest.raises(ValueError, match="no object is found in 1 of the pictures"):
        features.pixels_of_single(features.WORLD.find, scenes, pictures)
