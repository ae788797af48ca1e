"""The ledger's rows as data: what a row must say, and that a slip of the pen is named."""

import pytest

from lib.book import ledger


def read(tmp_path, text):
    path = tmp_path / "01_one.toml"
    path.write_text(text)
    return ledger.read(path, "01_one")


GOOD = """["a.b"]
claim = "It is so."
kind = "finding"
of = "share"
unit = "run"
above = 0.9
"""


def test_a_row_is_read_as_it_stands(tmp_path):
    text = GOOD + 'at_our_scale = true\ngate = ["a.c"]\n'
    (row,) = read(tmp_path, text)
    assert (row.id, row.recorder, row.claim, row.kind) == ("a.b", "01_one", "It is so.", "finding")
    assert (row.of, row.unit, row.gate, row.needs) == ("share", "run", ("a.c",), ())
    assert row.rule.text == "interval above 0.9"
    assert row.rule(0.95, 0.91, 0.99, True) == "holds at our scale"
    assert row.rule(0.95, 0.89, 0.99, True) == "does not hold"


@pytest.mark.parametrize(
    ("rule", "text", "met", "missed"),
    [
        (ledger.above(0.5), "interval above 0.5", (0.75, 1.0), (0.5, 1.0)),
        (ledger.below(0.5), "interval below 0.5", (0.0, 0.25), (0.0, 0.5)),
        (ledger.within(2.0, 0.5), "2 ± 0.5", (1.5, 2.5), (1.25, 2.5)),
        (ledger.within(2.0, 0.5), "2 ± 0.5", (1.5, 2.5), (1.5, 2.75)),
    ],
)
def test_a_rule_asks_for_the_whole_interval_and_its_bound_is_outside(rule, text, met, missed):
    assert rule.text == text
    assert rule(sum(met) / 2, *met, True) == "holds"
    assert rule(sum(met) / 2, *missed, True) == "does not hold"


def test_of_a_computed_number_the_tolerance_is_no_interval():
    assert ledger.within(2.0, 0.5)(2.5, 0.0, 9.0, False) == "holds"
    assert ledger.within(2.0, 0.5)(1.25, 2.0, 2.0, False) == "does not hold"


def test_each_rule_is_read_with_its_verdict(tmp_path):
    for stated, text in (("below = 0.9", "interval below 0.9"), ("within = [2.0, 0.5]", "2 ± 0.5")):
        (row,) = read(tmp_path, GOOD.replace("above = 0.9", stated) + 'needs = ["a.c", "a.d"]\n')
        assert (row.rule.text, row.rule.verdict) == (text, "holds")
        assert (row.needs, row.gate) == (("a.c", "a.d"), ())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("above = 0.9", "", "a rule or a reason"),
        ("above = 0.9", "above = 0.9\nbelow = 2.0", "one rule, not above and below"),
        ("above = 0.9", "above = 0.0", "a single hit"),
        ("above = 0.9", "below = 1.0", "a single hit"),
        ("above = 0.9", "abve = 0.9", "abve"),
        ('"finding"', '"fact"', "kind is 'fact'"),
        ('"finding"', '"claim"', "name its source"),
        ('"share"', '"proportion"', "of is 'proportion'"),
        ('"share"', '"exact"', "sampling unit"),
        ('unit = "run"', "", "sampling unit"),
        ('claim = "It is so."', "", "claim"),
        ("above = 0.9", 'above = 0.9\nturned = "no"', "turned is 'no'"),
        ("above = 0.9", 'above = 0.9\nchanged = "Was .8."', "turned is ''"),
        ("above = 0.9", 'above = 0.9\nchanged = "Was .8."\nturned = "yes"', "turned is 'yes'"),
        ("above = 0.9", "above = ", "not TOML"),
    ],
)
def test_a_slip_is_named(tmp_path, old, new, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, GOOD.replace(old, new))


def test_each_recorder_has_a_file_of_its_own():
    recorders = {row.recorder for row in ledger.ROWS}
    files = {p.relative_to(ledger.FOLDER).as_posix() for p in ledger.FOLDER.rglob("*.toml")}
    assert files == {f"{recorder}.toml" for recorder in recorders}
    assert len({row.id for row in ledger.ROWS}) == len(ledger.ROWS)


def test_an_interval_that_touches_the_bound_does_not_hold():
    for rule in (ledger.above(0.5), ledger.below(0.5)):
        assert rule(0.5, 0.5, 0.5, True) == "does not hold"
    assert ledger.above(0.5)(0.5, 0.4, 0.6, True) == "does not hold"
    assert ledger.below(0.5)(0.5, 0.4, 0.6, True) == "does not hold"
    assert ledger.within(0.5, 0.125)(0.5, 0.375, 0.625, True) == "holds"


def test_a_mean_may_lie_above_nothing(tmp_path):
    (row,) = read(tmp_path, GOOD.replace("share", "mean").replace("0.9", "0.0"))
    assert row.rule.text == "interval above 0"
