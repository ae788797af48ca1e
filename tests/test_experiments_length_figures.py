"""The pictures of the length experiments: as many marks as measurements, where these say."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from lib.book import figures, player
from lib.experiments import coherence as painters
from lib.experiments import length_colours, length_line, length_results, length_words
from lib.experiments import length_figures as pictures
from lib.experiments import length_generalization as length
from lib.experiments.length_results import ASKED, NEAR, ONE_LABEL, SEEN_BEFORE, TOLD_ALL
from lib.scenes import coherence, detector, labelling, render

MEASURED = length.results()
KEPT, ANSWERS, NEAR_BY = (MEASURED[what] for what in ("results", "answers", "near"))
RUNS = {name: KEPT[name] for name in length.SETTINGS if name in KEPT}
KINDS_BY = {K: length_line.kinds(MEASURED, str(K)) for K in (6, 1, 2, 3)}


@pytest.fixture(autouse=True)
def style():
    figures.use_style()
    yield
    plt.close("all")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def marks(ax, kind="o"):
    """The marks of one kind in a panel, (n, 2)."""
    points = [line.get_xydata() for line in ax.lines if line.get_marker() == kind]
    return np.concatenate(points) if points else np.empty((0, 2))


def names(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_skill_by_count_draws_every_network_in_the_panel_of_its_kind():
    fig, alt = pictures.skill_by_count(RUNS)
    windowed = [n for n in RUNS if length.SETTINGS[n].pathway == "window"]
    for ax, own in zip(fig.axes, ([n for n in RUNS if n not in windowed], windowed), strict=True):
        assert names(ax) == [length_words.LABELS[n] for n in own]
        each = [length_results.by_count(RUNS[n]) for n in own]
        assert len(marks(ax, ".")) == sum(len(v) for part in each for v in part.values())
        line = next(line for line in ax.lines if line.get_label() == names(ax)[0])
        assert np.allclose(line.get_ydata(), [np.mean(v) for v in each[0].values()])
    assert f"{length_words.LABELS[SEEN_BEFORE]} 0.88 and 0.03" in alt
    fig, alt = pictures.skill_by_count({TOLD_ALL: RUNS[TOLD_ALL]})  # no network with windows
    assert names(fig.axes[0]) == ["all labelled"]
    assert fig.axes[1].get_legend() is None
    assert "one labelled" not in alt


PANELS = {
    "counts": lambda: pictures.skill_by_count(RUNS)[0],
    "coherence": lambda: pictures.skill_and_coherence(ANSWERS)[0],
    "glue": lambda: pictures.glue_bars(ANSWERS[SEEN_BEFORE])[0],
    "second": lambda: pictures.second_request_bars(ANSWERS)[0],
    "kept": lambda: pictures.kept_by_reach(KINDS_BY)[0],
    "far": lambda: pictures.far_share_lines(NEAR_BY, (1, 2, 3, 6))[0],
    "levels": lambda: pictures.skill_by_level(ANSWERS)[0],
    "told to": lambda: pictures.told_to(ANSWERS)[0],
    "training": lambda: pictures.along_training(RUNS),
}


@pytest.mark.parametrize("name", PANELS)
def test_all_that_is_measured_lies_inside_its_panel(name):
    for ax in PANELS[name]().axes:
        low, high = np.sort(np.transpose([ax.get_xlim(), ax.get_ylim()]), 0)
        for line in ax.lines:
            if line.get_transform() == ax.transData:  # and no line across the panel
                points = np.asarray(line.get_xydata(), float)
                assert ((points >= low) & (points <= high)).all(), ax.get_title()


def test_numbers_that_were_trained_on_are_shaded():
    """One to three objects, and no more."""
    for ax in (*pictures.skill_by_count(RUNS)[0].axes,
               pictures.far_share_lines(NEAR_BY, (1, 2, 3, 6))[0].axes[0]):  # fmt: skip
        (span,) = ax.patches
        ends = span.get_x(), span.get_x() + span.get_width()
        assert 0 < ends[0] < 1
        assert 3 < ends[1] < 4


def test_ways_of_asking_are_a_mark_a_seed_coloured_by_what_they_tell():
    fig, alt = pictures.skill_and_coherence(ANSWERS)
    shown = [way for ways, *_ in pictures.ASKED_INKS.values() for way in ways]
    assert sorted(shown) == sorted(length_words.WAYS)
    for ax, name in zip(fig.axes, ONE_LABEL, strict=True):
        rows = length_results.by_way(ANSWERS[name])
        lines = {line.get_label(): line for line in ax.lines}
        for told, (ways, colour, mark) in pictures.ASKED_INKS.items():
            known = [rows[way] for way in ways if way in rows]
            for kind, found in zip(("skill", "coherence"), lines[told].get_data(), strict=True):
                assert [*found] == [value for row in known for value in row[kind]], told
            assert (lines[told].get_color(), lines[told].get_marker()) == (colour, mark)
        assert np.allclose(lines["real"].get_ydata(), np.mean(rows["real"]["coherence"]))
    names = [text.get_text() for text in fig.legends[0].get_texts()]
    assert names == [*pictures.ASKED_INKS, "real"]
    assert "asked near 0.76, of which 83% pass; scissors 0.88, of which 48% pass" in alt
    fig, _ = pictures.skill_and_coherence({SEEN_BEFORE: ANSWERS[SEEN_BEFORE]})
    assert len(fig.axes) == 1


def test_glue_is_a_bar_a_way_and_a_point_a_seed():
    fig, alt = pictures.glue_bars(ANSWERS[SEEN_BEFORE])
    rows = length_results.by_way(ANSWERS[SEEN_BEFORE])
    for ax, kind in zip(fig.axes, ("skill", "coherence", "seams"), strict=True):
        assert np.allclose(
            [bar.get_width() for bar in ax.patches], [np.mean(rows[w][kind]) for w in pictures.GLUE]
        )
        assert len(marks(ax)) == 4 * len(ANSWERS[SEEN_BEFORE])
        green = [line for line in ax.lines if line.get_color() == figures.GREEN]
        assert len(green) == (kind != "skill")  # real pictures have no skill
    labels = [label.get_text() for label in fig.axes[0].get_yticklabels()]
    assert labels == [
        "scissors",
        "scissors, then glue",
        "its nearest request",
        "scissors, glued near",
    ]
    assert "scissors, then glue: skill 0.82, 72% pass, seams 0.010" in alt
    few = {0: {"6": {w: ANSWERS[SEEN_BEFORE][0]["6"][w] for w in ("paste", "nearest", "real")}}}
    fig, alt = pictures.glue_bars(few)
    assert len(fig.axes[0].patches) == 2
    assert "glue" not in alt


def lit(*values):
    """Agreement of some ways at three and six places: one picture, two pastes, real ones."""
    ways = ("all", "nearest", "paste", "paste-apart", "real")
    one = {way: {"lamps": [[value, 1.0]]} for way, value in zip(ways, values, strict=True)}
    return {"3": one, "6": one}


def test_light_is_a_bar_a_way_and_a_point_a_seed_but_the_first():
    seeds = {0: lit(*[0.9] * 5), 4: lit(0.2, 0.1, 0.3, 0.0, 0.5), 5: lit(0.4, 0.3, 0.1, -0.1, 0.3)}
    fig, alt = pictures.light_bars({"read": {TOLD_ALL: seeds, SEEN_BEFORE: seeds}})
    expected = ([0.3, 0.2, -0.05], [0.2, 0.2, -0.05])
    for ax, means in zip(fig.axes, expected, strict=True):
        assert np.allclose([bar.get_width() for bar in ax.patches], means)
        assert len(marks(ax)) == 6
        (real,) = (line for line in ax.lines if line.get_color() == figures.GREEN)
        assert np.allclose(real.get_xdata(), 0.4)
    assert "all labelled, asked for three: one picture 0.30, scissors, one noise 0.20" in alt
    assert "one labelled, asked near, for six: one picture 0.20" in alt
    first_alone = {"read": {TOLD_ALL: seeds, SEEN_BEFORE: {0: seeds[0]}}}
    assert len(pictures.light_bars(first_alone)[0].axes) == 1


def test_a_second_request_is_a_bar_a_way_red_where_two_are_told_in_one_call():
    fig, alt = pictures.second_request_bars(ANSWERS)
    for ax, name in zip(fig.axes, ONE_LABEL, strict=True):
        found = length_words.second_requests(length_results.by_way(ANSWERS[name]))
        assert np.allclose(
            [bar.get_width() for bar in ax.patches], [np.mean(v) for v in found.values()]
        )
        red = [
            bar.get_facecolor()[:3] == plt.matplotlib.colors.to_rgb(figures.RED)
            for bar in ax.patches
        ]
        assert red == [False, True, True, False, False]
        assert len(marks(ax)) == sum(map(len, found.values()))
    assert "sees all, hears all: its nearest alone 0.68" in alt
    assert len(pictures.second_request_bars({ASKED: ANSWERS[ASKED]})[0].axes) == 1


def test_far_shares_are_squared_and_a_line_a_network():
    fig, alt = pictures.far_share_lines(NEAR_BY, (1, 2, 3, 6))
    left, right = fig.axes
    kinds = ["one labelled", "sees all, hears all", "all labelled", "all labelled, as a map"]
    assert names(left) == kinds
    drawn = (SEEN_BEFORE, ASKED, length_results.TOLD_ALL, length_results.AS_MAP)
    assert len(marks(left, ".")) == 4 * sum(len(NEAR_BY[name]) for name in drawn)
    assert len(right.lines) == 2 * 4
    for line, at, count in (
        (left.lines[0], 0, "1"),
        (right.lines[0], 2, "1"),
        (right.lines[1], 2, "3"),
    ):
        moved = [counts[count]["moved"][2] for counts in NEAR_BY[SEEN_BEFORE].values()]
        assert np.isclose(line.get_ydata()[at], np.mean(np.square(moved)))
    assert "asked for 1, 2, 3 and 6: one labelled: 0.03, 0.11, 0.28, 0.59;" in alt
    fig, _ = pictures.far_share_lines({ASKED: NEAR_BY[ASKED]}, (1, 3))
    assert names(fig.axes[0]) == ["sees all, hears all"]


def test_what_is_kept_is_drawn_by_reach_and_what_was_held_out_is_open():
    fig, said = pictures.kept_by_reach(KINDS_BY)
    left, right = fig.axes
    kinds = [line for line in left.lines if line.get_marker() == "o"]
    of = KINDS_BY[6]
    where = {tuple(np.ravel(line.get_xydata())): line for line in kinds}
    assert len(where) == len(length_line.KNOWN) + len(length_line.HELD_OUT)
    for name in (*length_line.KNOWN, *length_line.HELD_OUT):
        line = where[of[name]["removed"], of[name]["kept"]]
        assert (line.get_markerfacecolor() == "none") == (name in length_line.HELD_OUT)
    assert names(left) == list(pictures.REACHING)
    assert list(right.lines[0].get_xdata()) == [1, 2, 3, 6]
    missed = np.mean(list(length_line.errors(of).values()))
    assert np.isclose(right.lines[0].get_ydata()[-1], missed)
    assert f", {missed:.2f}; a request moves" in said


def test_changes_at_a_level_are_a_point_a_seed():
    fig, alt = pictures.skill_by_level(ANSWERS)
    for ax, name in zip(fig.axes, ONE_LABEL, strict=True):
        rows = length_results.by_way(ANSWERS[name])
        levels = [w for w in rows if w.startswith(("nearest-above", "nearest-below"))]
        assert len(marks(ax)) == sum(len(rows[w]["skill"]) for w in levels)
    assert "near above 1 and all below 0.25" in alt
    assert names(fig.axes[0]) == ["near above, all below", "all above, near below"]


def test_accounts_add_up_to_what_was_asked_and_found():
    account = {"all": np.array([1.0, 2, 3, 0.5, 4]), "paste": np.array([5.0, 0, 1, 0, 0])}
    fig, alt = pictures.account_bars(account, {"all": "as trained", "paste": "scissors"})
    bars = fig.axes[0].patches
    assert [bar.get_width() for bar in bars[::5]] == [-3, -1]  # what is missing, to the left
    assert [max(b.get_x() + b.get_width() for b in bars[i : i + 5]) for i in (0, 5)] == [7.5, 5]
    told = [text.get_text() for text in fig.legends[0].get_texts()]
    assert told == ["missing", "hit", "misplaced", "blended", "extra"]
    assert alt.startswith("as trained: 1.0 hit, 2.0 misplaced, 3.0 missing")


def test_errors_of_a_network_are_those_of_its_pictures():
    part = {"hits": [3, 1], "wide": {"hits": [4, 3]}, "found": [6, 3]}
    found = length_results.errors([{"counts": {"6": part}}, {"counts": {"6": part}}])
    assert found == [2, 1.5, 2.5, 1]


def test_training_is_a_line_a_run_named_once():
    fig = pictures.along_training(RUNS)
    runs = sum(map(len, RUNS.values()))
    told_all = sum(len(RUNS[n]) for n in (length_results.NEAREST, length_results.AT_RANDOM))
    assert [len(ax.lines) for ax in fig.axes] == [runs, runs, runs - told_all]
    assert names(fig.axes[2]) == [length_words.LABELS[n] for n in RUNS]
    last = RUNS[TOLD_ALL][0]["training"]
    last = last[max(last, key=int)]
    before = sum(len(RUNS[name]) for name in list(RUNS)[: list(RUNS).index(TOLD_ALL)])
    drawn = [ax.lines[before].get_ydata()[-1] for ax in fig.axes]
    assert np.allclose(drawn[:2], [length_results.skill(last["counts"][K]) for K in ("1", "6")])
    assert drawn[2] == last["locality"]["moved"][2]
    assert len(pictures.along_training({NEAR: RUNS[NEAR][:1]}).axes[0].lines) == 1


def test_maps_of_attention_add_up_requests_on_one_scale():
    weights = [torch.full((1, 4, 4), 0.2), torch.full((3, 4, 4), 0.1)]
    weights[1][2, 1, 3] = 0.5
    places = [torch.tensor([[0.5, 0.5]]), torch.tensor([[0.1, 0.1], [0.5, 0.2], [0.875, 0.375]])]
    fig, said = pictures.attention_maps(weights, places)
    one, three = fig.axes[:2]
    for ax, part in ((one, weights[0]), (three, weights[1])):
        assert np.allclose(ax.images[0].get_array(), part.sum(0))
        assert ax.images[0].get_clim() == pytest.approx((0, 0.7))
    ring = three.patches[2]
    assert np.allclose(ring.center, (3, 1))  # on the cell's own middle
    assert ring.radius == 2.5
    assert "at most 0.20, 0.70" in said
    assert three.get_title("left") == "$K = 3$"


def test_where_requests_are_told_is_a_line_a_way_of_meeting():
    fig, said = pictures.told_to(ANSWERS)
    for ax, kind in zip(fig.axes, ("skill", "coherence"), strict=True):
        means = [line for line in ax.lines if line.get_marker() == "None"]
        assert len(means) == len(length_words.TOLD_HOW)
        for line, (name, ways) in zip(means, length_words.TOLD_HOW.values(), strict=True):
            seeds = [a["6"] for a in ANSWERS[name].values() if set(ways) <= set(a["6"])]
            assert len(seeds) >= 3
            for y, way in zip(line.get_ydata(), ways, strict=True):
                of = {"skill": lambda p, w: length_results.skill(p[w]),
                      "coherence": length_results.coherent}[kind]  # fmt: skip
                assert np.isclose(y, np.mean([of(part, way) for part in seeds]))
        assert [text.get_text() for text in ax.get_xticklabels()] == list(length_words.TOLD_TO)
    assert "a sum of rows, bent 0.02, 0.57, 0.68" in said


def test_a_window_in_training_is_drawn_beside_the_same_in_asking():
    def kept(one, six):
        counts = {
            K: {"wide": {}, "hits": [h], "blind": [0], "ceiling": [10]}
            for K, h in (("1", one), ("6", six))
        }
        return {"counts": counts}

    trained = {1: [kept(8, 4), kept(8, 6)], 4: [kept(10, 2)], 15: [kept(10, 1)]}
    fig, said = pictures.window_in_training(trained, {1: [0.7], 15: [0.2]})
    (ax,) = fig.axes
    points = {(round(x), round(y, 3)) for x, y in marks(ax)}
    assert points == {(0, 0.5), (0, 0.75), (1, 0.2), (2, 0.1), (0, 0.7), (2, 0.2)}
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "4", "15"]
    first, second = (line for line in ax.lines if line.get_marker() == "None")
    assert np.allclose(first.get_ydata(), [0.625, 0.2, 0.1])
    assert np.allclose(second.get_xydata(), [[0, 0.7], [2, 0.2]])
    assert "the window in training 1: 0.62, 4: 0.20, 15: 0.10" in said


def test_the_judge_is_drawn_on_each_painter():
    made = {str(K): dict.fromkeys(pictures.PAINTERS, K / 10) for K in (3, 6)}
    (ax,) = pictures.judge_on_painters(made).axes
    assert len(ax.lines) == len(names(ax)) == 5
    assert all(line.get_xydata().tolist() == [[3, 0.3], [6, 0.6]] for line in ax.lines)
    assert set(pictures.PAINTERS) == set(painters.painters(3, 1, generator()))


def test_a_strip_is_pictures_side_by_side_and_spots_lie_in_them():
    shown = torch.rand(3, 3, 8, 8, generator=generator()) * 2 - 1
    found = pictures.strip(shown)
    assert found.shape == (8, 3 * 8 + 2 * pictures.GAP, 3)
    assert np.allclose(found[:, 20:], (shown[2].permute(1, 2, 0) + 1) / 2)
    assert np.allclose(found[:, 8:10], 0.5)
    places = torch.tensor([[[0.0, 0.5]], [[1.0, 0.25]], [[0.5, 1.0]]])
    assert pictures.spots(places, 8).tolist() == [[-0.5, 3.5], [17.5, 1.5], [23.5, 7.5]]


SCENES = {K: labelling.request_scenes(2, K, generator(K)) for K in (3, 6)}
PLACES = {K: labelling.label_all(scenes)[0] for K, scenes in SCENES.items()}


def test_the_opening_rings_every_place_under_what_was_drawn():
    ways = ("real", "told all", "all", "nearest", "paste")
    drawn = {way: render(SCENES[6], 32) for way in ways}
    fig, alt = pictures.opening(drawn, PLACES[6], dict.fromkeys(ways, 0.25))
    assert [len(marks(ax)) for ax in fig.axes] == [12] * 5
    assert fig.axes[1].get_title(loc="left") == "told all labels,\nas a map: 0.25"
    assert alt.count("0.25") == 3
    second = fig.axes[0].images[0].get_array()[32 + pictures.GAP :]  # below the first
    assert np.allclose(second, (drawn["real"][1].permute(1, 2, 0) + 1) / 2)
    below = np.array([0, 32 + pictures.GAP])
    assert np.allclose(marks(fig.axes[0])[6:], PLACES[6][1].numpy() * 32 - 0.5 + below)


def test_scenes_are_shown_as_they_are_and_as_networks_see_them():
    fig = pictures.examples(
        {"two": labelling.request_scenes(1, 2, generator()), "six": SCENES[6][:1]}
    )
    above, below = np.array(fig.axes).reshape(2, 2)
    assert [ax.get_title(loc="left") for ax in above] == ["two", "six"]
    assert [ax.images[0].get_array().shape[0] for ax in (above[0], below[0])] == [128, 32]
    shown = (render(SCENES[6][:1], 32)[0].permute(1, 2, 0) + 1) / 2
    assert np.allclose(below[1].images[0].get_array(), shown.clamp(0, 1))
    assert [len(marks(ax)) for ax in below] == [2, 6]
    small = render(SCENES[3], 32)
    read = [(small[i], small[i], PLACES[3][i]) for i in range(2)]
    fig = pictures.read_again(read, torch.zeros(3, 32, 48), torch.ones(5, 2))
    assert [len(marks(ax, "+")) for ax in fig.axes] == [3, 3, 3, 3, 5]


def test_the_player_tells_what_was_hit_and_what_passes():
    finder, judge = detector.load(), coherence.load()
    elsewhere = {K: render(labelling.request_scenes(2, K, generator(9)), 32) for K in SCENES}
    drawn = {
        K: {"nearest": render(scenes, 32), "real": torch.zeros(2, 3, 32, 32) + elsewhere[K]}
        for K, scenes in SCENES.items()
    }
    found = pictures.asked_otherwise(drawn, PLACES, finder, judge)
    assert found["sliders"] == {
        "each cell hears": ["its nearest request", "real pictures"],
        "K": [3, 6],
    }
    assert found["start"] == {"each cell hears": 0, "K": 1}
    hits = found["readouts"]["hits"]
    assert hits.shape == (2, 2)
    assert hits[0, 0] == "6 of 6 places hit, 2 of 2 pass"
    assert int(hits[1, 1].split()[0]) < int(hits[0, 1].split()[0])
    assert hits[0, 1].endswith("2 of 2 pass")
    flat = pictures.hits_and_passes(torch.full((2, 3, 32, 32), -1.0), PLACES[3], finder, judge)
    assert flat.startswith("0 of 6 places hit")
    image, rings = found["marks"]
    (ax,) = found["figure"].axes
    height, width, _ = ax.images[0].get_array().shape
    assert (*ax.get_xlim(), *ax.get_ylim()) == (-0.5, width - 0.5, height - 0.5, -0.5)
    ring = np.stack([rings.x, rings.y], -1).reshape(1, 2, 12, 15, 2)[0, 1, :, :-1]
    away = np.linalg.norm(ring - pictures.spots(PLACES[6])[:, None].numpy(), axis=-1)
    assert np.allclose(away, 1.6, atol=1e-4)
    assert np.allclose(ring[:, 0], ring[:, -1], atol=1e-4)  # it closes
    assert isinstance(image, player.Image)
    assert np.isfinite(rings.x).reshape(1, 2, 12, 15)[0, :, :, :-1].all(-1).sum(1).tolist() == [
        6,
        12,
    ]


def test_painters_of_known_worth_paint_what_their_names_say():
    scenes, others = SCENES[6], labelling.request_scenes(2, 6, generator(7))
    found = length.known_painters(scenes, others)
    assert torch.equal(found["blind"], render(others, 32))
    assert torch.equal(found["half"][0], found["perfect"][0])
    assert torch.equal(found["half"][1], found["blind"][1])
    assert (found["perfect"] - render(scenes, 32)).norm() > 1  # other colours
    assert torch.equal(found["perfect"], render(replace(
        scenes, color=(scenes.color + 3) % 8, material=1 - scenes.material), 32))  # fmt: skip


def test_shared_colours_are_a_dot_a_network_and_a_line_by_distance():
    measured = length_colours.results()
    fig, alt = pictures.shared_colours(measured)
    left, right = fig.axes
    kinds = [name for pair in length_colours.PLAIN.items() for name in pair]
    agree = {name: length_colours.agreement_of(measured, name, "3") for name in kinds}
    dots = [value for seeds in agree.values() for value in seeds.values()]
    drawn = [y for line in left.lines for y in line.get_ydata() if line.get_marker() == "o"]
    assert drawn == pytest.approx(dots)
    lines = [line for line in right.lines if line.get_marker() == "o"]
    assert len(lines) == sum(len(seeds) for seeds in measured["distances"].values())
    apart = measured["distances"][length_colours.SEES_NEAR][0]["3"]
    share = length_colours.by_distance(apart, length_colours.APART)
    assert any(np.allclose(line.get_ydata(), share) for line in lines)
    said = [f"{who}{data}" for who in pictures.SEEING for data in ("", ", plain scenes")]
    assert names(right) == said
    assert f"sees near, plain scenes {agree[length_results.SEES_NEAR][0]:.2f}" in alt


def test_pictures_of_one_colour_stand_row_by_row_with_their_places():
    drawn = {"real": torch.zeros(2, 3, 32, 32), "sees all": torch.ones(2, 3, 32, 32)}
    places = torch.tensor([[[0.25, 0.5], [0.5, 0.5], [0.75, 0.5]]]).expand(2, 3, 2)
    fig, alt = pictures.rows_of_pictures(drawn, places, "Look.")
    assert [ax.get_title(loc="left") for ax in fig.axes] == list(drawn)
    assert [len(marks(ax)) for ax in fig.axes] == [6, 6]
    assert [ax.images[0].get_array().mean() for ax in fig.axes] == pytest.approx([0.5, 1], abs=0.02)
    assert alt == "Rows of pictures: real; sees all. Look."
