import argparse
from dataclasses import asdict, dataclass

import pytest

from lib.experiments import _options
from lib.experiments.length_generalization import Scale, Setting


@dataclass(frozen=True)
class Wall:
    """A wall.

    Attributes: not shown.
    """

    colour: str = "red"
    bricks: int = 7
    mean_height: float = 0.5

    def __post_init__(self):
        if self.bricks < 1:
            raise ValueError(f"bricks must be above 0, not {self.bricks}")


@dataclass(frozen=True)
class Roof:
    """A roof."""

    slope: float = 1.0


def parsed(text, *kinds):
    parser = argparse.ArgumentParser()
    _options.add(parser, *kinds)
    return parser.parse_args(text.split())


def test_every_field_is_an_option_and_its_default_the_default():
    for kind in (Wall, Scale, Setting):
        assert _options.from_options(parsed("", kind), kind) == kind()
    options = parsed("--mean-height 2 --bricks 3 --slope 4", Wall, Roof)
    assert _options.from_options(options, Wall) == Wall(bricks=3, mean_height=2.0)
    assert _options.from_options(options, Roof) == Roof(4.0)
    assert _options.from_options(options, Wall, Wall("blue", 9, 1.0)) == Wall("blue", 3, 2.0)


@pytest.mark.parametrize(
    "made",
    [
        Setting("label_all", "window", "full", "nearest", objects=5, data="plain", seed=4),
        Scale(1000, 7, 3, "adamw", 1e-4, 0.1, 0.0, 0.5, 2.0, "bfloat16"),
    ],
)
def test_all_that_can_be_set_can_be_said(made):
    words = [f"--{name.replace('_', '-')}={value}" for name, value in asdict(made).items()]
    found = _options.from_options(parsed(" ".join(words), type(made)), type(made))
    assert found == made
    assert list(map(type, asdict(found).values())) == list(map(type, asdict(made).values()))


def test_help_says_what_the_dataclass_is(capsys):
    with pytest.raises(SystemExit) as done:
        parsed("--help", Wall, Roof)
    assert done.value.code == 0
    text = capsys.readouterr().out
    assert "A wall." in text
    assert "not shown" not in text
    assert "--mean-height" in text


@pytest.mark.parametrize("text", ["--bricks many", "--bricks 1.5", "--mean-height", "--door 1"])
def test_what_is_no_option_or_no_number_ends_the_program(text, capsys):
    with pytest.raises(SystemExit) as done:
        parsed(text, Wall)
    assert done.value.code == 2
    assert text.split()[0].lstrip("-") in capsys.readouterr().err


def test_what_the_dataclass_refuses_is_refused():
    with pytest.raises(ValueError, match="bricks must be above 0, not 0"):
        _options.from_options(parsed("--bricks 0", Wall), Wall)
