"""What the page says of the length experiments: by measurements made up, and by the book's own."""

import copy
import functools
import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from lib import storage
from lib.experiments import length_asking, length_results
from lib.experiments import length_generalization as length
from lib.experiments import length_words as words
from lib.experiments.length_results import ASKED, NEAR, SEEN_BEFORE, SEES_NEAR, TOLD_ALL


def scores(hits, looks=(1.0, -1.0), seams=(0.01, 0.03)):
    """Two pictures asked for some objects, of which so many are hit: skill is hits / 10."""
    raw = {"hits": [hits, hits], "blind": [0, 0], "ceiling": [10, 10], "found": [4, 4]}
    return raw | {"looks": list(looks), "seams": list(seams)}


def seeds(*by_seed):
    """Answers at six: by seed, by way; of real pictures too."""
    real = {"looks": [1.0, 1.0], "seams": [0.0, 0.002]}
    return {seed: {"6": ways | {"real": real}} for seed, ways in enumerate(by_seed)}


@functools.cache
def kept():
    runs = length.finished_runs(length.KEPT)
    return runs, length.answers(), length.answers(kind="local")


def rows(table):
    """The cells of a table, its rule left out."""
    lines = [[cell.strip() for cell in line[1:-1].split("|")] for line in table.split("\n")]
    assert set(lines.pop(1)) == {"---"}
    assert len(set(map(len, lines))) == 1
    return lines


def test_the_measurements_bear_out_every_sentence():
    assert words.untrue(words.statements(*kept())) == []


def exchanged(parts, one, other):
    if {one, other} <= set(parts):
        parts[one], parts[other] = parts[other], parts[one]


def tampered(how):
    """The book's measurements, changed so that some sentences are not true any more."""
    results, answers, near = map(copy.deepcopy, kept())
    asked = [
        ways for counts in answers.values() for seed in counts.values() for ways in seed.values()
    ]
    drawn = [part for ways in asked for way, part in ways.items() if way != "real"]
    at_six = [
        run["counts"][K] for runs in results.values() for run in runs for K in ("3", "6", "10")
    ]
    if how in ("blind", "ceiling"):  # nothing is drawn where it is asked, or all
        for part in drawn + at_six:
            part["hits"] = [0.999 * v if how == "ceiling" else v for v in part[how]]
    elif how == "weak":  # hardly competent at one object
        for run in (run for runs in results.values() for run in runs):
            one = run["counts"]["1"]
            one["hits"] = [0.7 * most + 0.3 * least for most, least in zip(
                one["ceiling"], one["blind"], strict=True)]  # fmt: skip
    elif how in ("pass", "fail"):
        for part in drawn:
            part["looks"] = [1.0 if how == "pass" else -1.0 for _ in part["looks"]]
    elif how in ("near", "far"):  # nothing changes far away, or much
        for counts in (part for seeds_ in near.values() for part in seeds_.values()):
            for part in counts.values():
                for what in ("moved", "pixel"):
                    part[what] = [float(how == "far") for _ in part[what]]
        for run in results[NEAR]:
            for watched in run["training"].values():
                watched["locality"]["pixel"] = [float(how == "far")] * 5
    elif how == "spot":  # what is not hit at one is not near either
        for run in results[NEAR]:
            run["counts"]["1"]["wide"]["hits"] = run["counts"]["1"]["hits"]
    elif how == "alone":  # who met one alone draws half of them
        for run in results[length_results.ALONE]:
            run["counts"]["1"]["hits"] = [0.5 * v for v in run["counts"]["1"]["ceiling"]]
    elif how == "shown":  # what was shown one object is what was shown five, and the reverse
        for name in words.SHOWN:
            few, many = (f"{name}.objects-{most}" for most in (1, 5))
            exchanged(results, many, few if few in results else name)
        for one, five in zip(
            *(answers[f"{SEEN_BEFORE}.objects-{most}"].values() for most in (1, 5)), strict=False
        ):
            six = one["6"], five["6"]
            six[0]["composed"], six[1]["composed"] = six[1]["composed"], six[0]["composed"]
    elif how == "looks":  # along training six are drawn by the way alone
        for name in (SEES_NEAR, *(f"{SEES_NEAR}.objects-{most}" for most in (1, 5))):
            for seen in (seen for run in results[name] for seen in run["training"].values()):
                seen["counts"]["6"]["hits"] = seen["counts"]["6"]["blind"]
    elif how == "wide":  # what is not hit after five objects is not near either
        for run in results[f"{SEES_NEAR}.objects-5"]:
            for K in ("1", "6"):
                run["counts"][K]["wide"]["hits"] = run["counts"][K]["hits"]
        for run in results[f"{SEES_NEAR}.objects-1"]:
            run["counts"]["6"]["wide"]["hits"] = run["counts"]["6"]["wide"]["ceiling"]
    elif how == "wider":
        exchanged(results, f"{NEAR}.k-4", f"{NEAR}.k-8")
        exchanged(results, f"{NEAR}.k-0", f"{NEAR}.k-1")
    elif how == "farther":  # after five objects four are drawn as one, told a row
        for run in results[f"{SEEN_BEFORE}.objects-5"]:
            run["counts"] |= dict.fromkeys("1234", run["counts"]["1"] | {
                "hits": run["counts"]["1"]["ceiling"]})  # fmt: skip
    elif how == "sees":  # who sees near draws nothing at six
        for run in results[SEES_NEAR]:
            run["counts"]["6"]["hits"] = run["counts"]["6"]["blind"]
    else:
        for ways in asked:
            exchanged(ways, *how)
    return results, answers, near


TAMPERED = {
    "blind": "asked near, most of what it can",
    "ceiling": "told one label, next to nothing",
    "weak": "it is competent at one object",
    "pass": "one picture in seven is left",
    "fail": "but pass less, and real pictures more",
    "near": "one labelled: and six, more than there",
    "far": "sees all, hears all: one request moves nothing far away",
    "alone": "it draws one",
    "sees": "by less than .1 for sure",
    "shown": "placed less exactly the more there were",
    "wide": "and six at .65",
    "looks": "to .50 where as good at one",
    "wider": "eight next to nothing",
    ("window-4", "window-8"): "in asking .15 at four",
    ("window-1", "soft"): "soft borders .67",
    "farther": "told a row K_max is 1",
    "spot": "at one, windows miss by little",
    ("nearest", "all"): "one labelled: near fills most, scissors more",
    ("nearest", "glued"): "and where as full",
    ("paste", "glued"): "glue halves the seams",
    ("nearest-window", "paste"): "up to .09 fewer",
    ("nearest-window", "all"): "the nearest of a window fills .13 more",
    ("nearest", "paste"): "glued pastes fill more",
    ("nearest-above-3", "nearest-below-3"): "near above 3 or below 0.3 is not",
    ("nearest-above-1", "nearest-below-1"): "sees all, hears all: near above 1 is not",
    ("pair-near", "added-near"): "one labelled: answers added do not",
    ("pair-far", "added-far"): "two at once keep half",
    ("composed", "random"): "adding keeps three fifths",
    ("glued-near", "random"): "glued near, .93",
    ("nearest-heard", "random"): "in a single call, two thirds",
    ("nearest-heard", "paste"): "and .44 of ten",
}


def test_every_sentence_can_fail_by_name():
    """A sentence that no measurement could break would say nothing."""
    broken = set()
    for how, sentence in TAMPERED.items():
        found = [line.split(": ") for line in words.untrue(words.statements(*tampered(how)))]
        found = {": ".join(parts[:-1]) for parts in found}
        assert sentence in found, how
        broken |= found
    said = set(words.statements(*kept()))
    assert broken <= said
    assert said - broken == set()


SAID = {"half": 0.5, "nine of ten": 0.9, "eight tenths": 0.8, "seven tenths": 0.7, "a fifth": 0.2,
        "three fifths": 0.6, "nine tenths": 0.9, "a quarter of": 0.25,
        "one picture in seven": 1 / 7, "a tenth": 0.1}  # fmt: skip


def test_the_bounds_of_a_sentence_are_about_the_number_in_its_words():
    """Of two digits to half of the last one, and a little; of a fraction in words to a tenth."""
    told = words.statements(*kept())
    exact = {s: re.search(r"-?\.\d\d\b", s) for s in told}
    numbers = [(s, float(found[0]), 0.0101) for s, found in exact.items() if found]
    assert len(numbers) >= 20
    rough = [(s, SAID[word], 0.1501) for s in told for word in SAID if word in s]
    assert len(rough) >= 8
    for sentence, number, by in numbers + rough:
        _, low, high = told[sentence]
        for end in (low, high):
            assert not np.isfinite(end) or abs(end - number) <= by, sentence


def test_a_mean_is_said_with_the_ends_of_what_the_seeds_gave():
    assert words.mean_and_ends([0.5]) == "0.50"
    assert words.mean_and_ends([0.75, 0.25, 0.5]) == "0.50 (0.25 to 0.75)"


def run(setting, one, six):
    counts = {"1": scores(one), "6": scores(six)}
    return {"setting": {"seed": 0}, "counts": {"0": scores(0)} | counts}


def test_the_table_of_networks_says_who_sees_and_hears_what():
    made = {name: [run(name, 8, 6), run(name, 8, 2)] for name in (TOLD_ALL, "label_one.local_all")}
    made["label_one.local_local"] = [run("", 5, 4)]
    made["label_all.full_nearest"] = [run("", 5, 5)]
    passing = seeds({"all": scores(5, (1.0, 1.0))}, {"all": scores(4)})  # one of four does not
    own = seeds({"all": scores(5), "nearest": scores(5, (-1.0, -1.0))})  # as it was trained
    asked = {TOLD_ALL: passing, "label_all.full_nearest": own}
    _, first, second, third, fourth = rows(words.networks_table(made, asked))
    assert first[1:] == ["0.80", "0.40", "50%", "75%", "2", "all", *["everything"] * 2]
    assert second[-3:] == ["one", "5 × 5 cells", "everything"]
    assert third[1:] == ["0.50", "0.40", "80%", "", "1", "one", *["5 × 5 cells"] * 2]
    assert fourth[-1] == "its nearest"
    assert fourth[3:5] == ["100%", "0%"]


def test_the_table_of_learning_says_when_a_goal_was_first_seen():
    def looked(at):
        """Skill by step, at one and at six; a minute of one core is 100 steps."""
        training = {
            str(step): {"counts": {"1": scores(one), "6": scores(six)}}
            for step, (one, six) in at.items()
        }
        return {"scale": {"batch": 32}, "steps": 1000, "cpu_seconds": 600, "training": training}

    fast = looked({100: (7, 0), 1000: (9, 7), 500: (9, 6)})  # the order of a file is none
    slow = looked({100: (8, 0), 500: (9, 5), 1000: (9, 7)}) | {"seconds": 1e9}  # beside others
    table = words.learning_table({TOLD_ALL: [fast, slow], ASKED: [slow]})
    head, first, second = rows(table)
    assert head == ["pictures (minutes) to", "skill 0.8 at 1", "skill 0.6 at 6", "skill 0.8 at 6"]
    assert first == ["**all labelled**", "16,000 (5.0)", "32,000 (10.0)", ""]
    assert second[1] == "3,200 (1.0)"
    never = looked({100: (0, 0), 1000: (2, 2)})
    assert rows(words.learning_table({ASKED: [never]}))[1][1:] == [""] * 3
    wall = {k: v for k, v in fast.items() if k != "cpu_seconds"} | {"seconds": 1200}
    assert rows(words.learning_table({ASKED: [wall]}))[1][1] == "16,000"  # no minutes were taken
    assert rows(words.learning_table({ASKED: [wall, fast]}))[1][1] == "16,000 (5.0)"


def test_the_table_of_ideas_is_in_minutes_of_each_best_first():
    def tried(seconds, *skills):
        looks = [
            {"step": 100 * (i + 1), "skill_1": one, "skill_3": three, "skill_6": six}
            for i, (one, three, six) in enumerate(skills)
        ]
        return {"batch": 32, "seconds": seconds, "looks": looks}

    usual, slow = (0.7, 0.5, 0.1), (0.9, 0.79, 0.4)
    ideas = {"as reported": tried(0.6, usual, slow), "better": tried(1.2, slow, (0.9, 0.8, 0.6))}
    assert rows(words.ideas_table(ideas))[1:] == [
        ["**better**", "0.60", "2.0", "4.0", "", "4.0"],
        ["**nothing (Muon, batches of 32, rows)**", "0.40", "2.0", "", "", "2.0"],
    ]


def test_what_is_said_of_ideas_is_what_was_timed_and_seen():
    kept_ideas = storage.read_json(storage.RESULTS / "learning.json")["settings"][TOLD_ALL]
    assert words.untrue(words.of_ideas(kept_ideas)) == []
    broken = copy.deepcopy(kept_ideas)
    exchanged(broken, "AdamW", "places attend to requests")
    exchanged(broken, "places as a map", "more noise")
    exchanged(broken, "as reported", "batches of 16")
    exchanged(broken, "twice the learning rate", "half the learning rate")
    exchanged(broken, "batches of 64", "a late fall of the rate")
    exchanged(broken, "a quarter of the learning rate", "places by Fourier features")
    exchanged(broken, "half the parameters", "rows meet places in products")
    exchanged(broken, "less noise", "half the rate, three times the pictures")
    for run_ in broken.values():
        run_["seconds"] *= 10
    found = {line.split(":")[0] for line in words.untrue(words.of_ideas(broken))}
    assert found == words.of_ideas(kept_ideas).keys() - {"and ends no lower"}
    exchanged(broken, "AdamW", "batches of 16")
    exchanged(broken, "as reported", "AdamW")
    assert any("ends no lower" in line for line in words.untrue(words.of_ideas(broken)))


def test_the_table_of_the_reader_of_lamps_is_by_number_of_objects():
    row = {"real": 0.3, "smeared": 0.29, "scissors": 0.02, "scissors_one_light": 0.333}
    found = rows(words.painters_of_light({"10": row, "6": row | {"real": 0.4}}))
    assert found[0][1:] == ["real scenes", "smeared", "scissors, one light",
                            "scissors, own lights"]  # fmt: skip
    assert found[1:] == [["6 objects", "0.40", "0.29", "0.33", "0.02"],
                         ["10 objects", "0.30", "0.29", "0.33", "0.02"]]  # fmt: skip


def test_the_table_of_ways_leaves_open_what_was_not_asked():
    near = seeds({"all": scores(1), "nearest": scores(6)}, {"nearest": scores(8)})
    answers = {SEEN_BEFORE: near, TOLD_ALL: seeds({"all": scores(5)})}
    alone = rows(words.ways_table(answers))
    assert alone[0] == ["each cell hears", "skill at 6", "one scene", "seams"]
    by_name = {line[0].strip("*"): line[1:] for line in alone}
    assert by_name["its nearest request"] == ["0.70 (0.60 to 0.80)", "50% (50 to 50)", "20"]
    assert by_name["all requests, as trained"][0] == "0.10"
    assert by_name["one at random"] == [""] * 3
    assert by_name["another, told all labels, asked for all"][0] == "0.50"
    assert by_name["real pictures"] == ["1", "100% (100 to 100)", "1"]
    both = rows(words.ways_table(answers | {ASKED: seeds({"nearest": scores(3)})}))
    assert both[0][1::3] == ["one labelled: skill at 6", "sees all, hears all: skill at 6"]
    assert [line[:4] for line in both[1:]] == alone[1:]
    assert both[2][4] == "0.30"
    assert both[-2][4:] == [""] * 3  # the other network has one kind


def test_the_tables_of_networks_that_hear_near_and_of_ten():
    windows = seeds({"all": scores(4), "nearest-window": scores(7), "nearest": scores(6)})
    found = rows(words.ways_near_table({NEAR: windows}))
    assert [line[1] for line in found] == ["skill at 6", "0.40", "0.70", "0.60", ""]
    names = (NEAR, "label_one.local_local")
    found = rows(words.ways_near_table(dict.fromkeys(names, windows), names))
    assert found[0][4] == "sees near, hears near: skill at 6"
    assert [line[4] for line in found[1:]] == ["0.40", "0.70", "0.60", ""]
    asked = ("all", "composed", "nearest", "glued", "paste")
    counts = {str(K): {way: scores(hits) for way in asked} for K, hits in ((6, 8), (10, 4))}
    assert rows(words.ten_table({1: counts}))[1][1:] == ["0.80", "0.40", "50%", "50%"]


def test_the_table_of_the_most_objects_is_of_the_seeds_mean():
    made = {SEEN_BEFORE: [run("", 9, 6), run("", 8, 7)], NEAR: [run("", 7, 5)]}
    found = rows(words.k_max_table(made))[1:]
    assert [line[1:] for line in found] == [["1", "6"], ["0", "1"]]


def test_the_table_of_what_networks_were_shown_is_a_row_a_network_and_number():
    def seed(most, *hits):
        setting = asdict(replace(length.SETTINGS[SEEN_BEFORE], objects=most))
        counts = {str(K): scores(h) for K, h in zip((1, 6), hits, strict=True)}
        return {"counts": counts, "setting": setting}

    shown = {1: [seed(1, 9, 1), seed(1, 7, 1)], 5: [seed(5, 8, 6)]}
    asked = {f"{SEEN_BEFORE}.objects-1": seeds({"nearest": scores(7)}, {"nearest": scores(8)})}
    asked[f"{SEEN_BEFORE}.objects-5"] = seeds({"all": scores(7)})  # one of two passes
    head, one, five = rows(words.objects_table({SEEN_BEFORE: shown}, asked))
    assert head[1:] == ["shown", "skill at 1", "at 6", "kept", "one scene", "near",
                        "scissors", "$K_{\\max}$", "paper's", "seeds"]  # fmt: skip
    assert one == ["**one labelled**", "1", "0.80", "0.10", "13%", "", "0.75", "", "1", "1", "2"]
    assert five == ["", "1–5", "0.80", "0.60", "75%", "50%", "", "", "1", "3", "1"]


def test_the_nearest_alone_is_told_in_one_call():
    asked = {way: scores(hits) for hits, way in enumerate(words.PAIRS) if way != "alone"}
    asked |= {"nearest": scores(7)}
    by_way = {way: {"skill": [part["hits"][0] / 10]} for way, part in asked.items()}
    assert words.second_requests(by_way)["alone"] == [0.7]
    assert words.second_requests(by_way | {"nearest-heard": {"skill": [0.6]}})["alone"] == [0.6]
    assert list(words.second_requests(by_way)) == list(words.PAIRS)
    assert words.second_requests(by_way)["pair-far"] == [0.2]


def test_what_is_downloaded_is_skill_and_coherence():
    found = words.plain_answers(
        {SEEN_BEFORE: seeds({"all": scores(3)}, {"all": scores(4, (1, 1))})}
    )
    assert list(found[SEEN_BEFORE][0]["6"]) == ["all"]
    assert np.allclose(found[SEEN_BEFORE][0]["6"]["all"], [0.3, 0.5])
    assert np.allclose(found[SEEN_BEFORE][1]["6"]["all"], [0.4, 1])


@pytest.mark.parametrize("name", sorted(length.SETTINGS))
def test_every_network_has_a_name(name):
    assert words.LABELS[name]


def test_what_is_lost_where_places_are_crowded():
    """The sentences hold, and each of them can fail."""
    _, answers, _ = kept()
    crowding = {seed: length_asking.crowding(seed).numpy() for seed in answers[SEEN_BEFORE]}
    found = words.crowded_skill(answers, crowding)
    said = words.of_crowds(found)
    assert words.untrue(said) == []
    assert len(rows(words.crowded_table(found))) == 1 + len(found)
    other = {which: [0.2 * i, 0.5, 0.5, 1.0] for i, which in enumerate(reversed(found))}
    assert len(words.untrue(words.of_crowds(other))) == len(said)


def all_hit(part):
    """Every place is filled."""
    part["hits"] = part["ceiling"]


def test_what_is_said_of_bending_is_so_and_can_fail():
    product = length_results.PRODUCT
    results, answers, _ = map(copy.deepcopy, kept())
    assert words.untrue(words.of_bends(results, answers)) == []
    for run in [*results[product], *results[SEEN_BEFORE]]:
        all_hit(run["counts"]["6"])
    networks = (SEEN_BEFORE, ASKED, product, length_results.ALONE)
    for asked in (asked for name in networks for asked in answers[name].values()):
        for way, part in asked["6"].items():
            part["looks"] = [1.0] * len(part["looks"])
            if way != "real":
                all_hit(part)
        for way in {"embedded-window", "window-heard"} & set(asked.get("1", {})):
            asked["1"][way]["hits"] = asked["1"][way]["blind"]
    said = words.of_bends(results, answers)
    assert len(words.untrue(said)) == len(said)
    reach = {product: 0.53, SEEN_BEFORE: 0.75, "label_one.map": 0.0}
    assert words.untrue(words.of_reach(reach)) == []
    assert len(words.untrue(words.of_reach(dict.fromkeys(reach, 0.9)))) == 3


def test_what_is_said_of_ideas_where_near_is_heard_is_so_and_can_fail():
    ideas = storage.read_json(storage.RESULTS / "learning.json")["settings"][NEAR]
    assert words.untrue(words.of_ideas_near(ideas)) == []
    for run in ideas.values():
        run["looks"] = [look | {"skill_1": 0.5, "skill_6": 0.1} for look in run["looks"]]
    said = words.of_ideas_near(ideas)
    assert len(words.untrue(said)) == len(said)


def test_what_is_said_of_attention_is_so_and_can_fail():
    results, answers, _ = map(copy.deepcopy, kept())
    own, asked = results[length_results.ATTENDS], answers[length_results.ATTENDS]
    shares = {
        1: {"at": 0.44, "elsewhere": 0.08, "nearest": 1.0},
        6: {"at": 0.34, "elsewhere": 0.05, "nearest": 0.25},
    }
    assert words.untrue(words.of_attention(results, answers, shares)) == []
    found = rows(words.attention_table(asked))
    assert len(found) == 1 + len(words.ATTENDED)
    six = [length_results.skill(a["6"]["attending-apart"]) for a in asked.values()]
    assert found[2][1:4] == ["", f"{np.mean(six):.2f}", ""]
    for run in own:
        run["counts"]["1"]["hits"] = [0.5 * most for most in run["counts"]["1"]["ceiling"]]
    for run in (run for name in results for run in results[name]):
        for watched in run["training"].values():
            watched["locality"]["moved"] = [0.9] * 5
    for run in results[length_results.PRODUCT] + results[length_results.SCATTERED]:
        all_hit(run["counts"]["6"])
    for run in results[length_results.ATTENDS_ALL] + results[length_results.AS_MAP]:
        for K in ("6", "10"):
            run["counts"][K]["hits"] = run["counts"][K]["blind"]
    for count, ways in ((K, ways) for counts in asked.values() for K, ways in counts.items()):
        for way, part in ways.items():
            part["looks"] = [1.0] * len(part["looks"])
            if way != "real":
                usual = way in ("all", "nearest-heard")
                quiet = usual or (way == "attending-loud" and count == "1")
                part["hits"] = part["blind" if quiet else "ceiling"]
    for part in (a["6"] for a in answers[length_results.ATTENDS_ALL].values()):
        part["all"]["looks"], part["paste"]["looks"] = part["paste"]["looks"], part["all"]["looks"]
    none = {count: dict.fromkeys(part, 0.0) for count, part in shares.items()}
    said = words.of_attention(results, answers, none)
    assert {line.split(":")[0] for line in words.untrue(said)} == set(said)


def test_what_is_said_of_the_rate_is_so_and_can_fail():
    measured = length.results()
    runs, slower = measured["results"], measured["slower"]
    assert words.untrue(words.of_the_rate(runs, slower)) == []
    for run in runs[SEEN_BEFORE] + runs[length_results.PRODUCT]:
        all_hit(run["counts"]["6"])
    for name, seeds_ in slower.items():
        for run in seeds_:
            six = run["counts"]["6"]
            six["hits"] = six["ceiling" if name == SEEN_BEFORE else "blind"]
    said = words.of_the_rate(runs, slower)
    assert len(words.untrue(said)) == len(said)


def test_what_is_said_of_the_third_experiment_is_so_and_can_fail():
    measured = length.results()
    results, third, asked = (measured[n] for n in ("results", "third", "third_answers"))
    assert words.untrue(words.of_third(results, third, asked)) == []
    third[SEES_NEAR] = third[SEES_NEAR][:1]
    for run in results[SEES_NEAR] + third[SEES_NEAR]:
        for count in ("1", "6"):
            all_hit(run["counts"][count])
    for counts in asked[SEES_NEAR].values():
        counts["6"]["all"]["looks"] = [1.0] * len(counts["6"]["all"]["looks"])
        counts["6"]["paste"]["looks"] = [-1.0] * len(counts["6"]["paste"]["looks"])
    said = words.of_third(results, third, asked)
    assert len(words.untrue(said)) == len(said)


def test_who_is_hidden_does_not_explain_the_crowd_or_it_is_said():
    seen = {0: np.array([0.3, 0.4, 0.9, 0.95, 0.9, 1.0])}
    crowding = {0: np.array([0, 6, 0, 0, 4, 5])}

    def drawn(*hits):
        part = {"hits": hits, "blind": [0] * 6, "ceiling": [100] * 6}
        return words.of_hidden({0: {"6": {"nearest": part}}}, seen, crowding)

    assert words.untrue(drawn(0, 0, 83, 85, 71, 73)) == []
    assert len(words.untrue(drawn(84, 72, 80, 80, 80, 80))) == 2


def test_skill_is_of_the_pictures_that_are_chosen():
    part = {"hits": [3, 1, 2], "blind": [0, 0, 1], "ceiling": [4, 4, 5]}
    answers = {seed: {"6": {"all": part}} for seed in (0, 2)}
    chosen = {0: np.array([True, False, False]), 1: None, 2: np.array([False, False, True])}
    assert length_results.skill_where(answers, "all", chosen) == pytest.approx((3 + 1) / (4 + 4))
    with pytest.raises(ValueError):  # noqa: PT011 - of no picture there is no skill
        length_results.skill_where(answers, "all", {0: np.zeros(3, bool), 2: np.zeros(3, bool)})
