"""Command-line options out of dataclasses: a field is an option, its default the default."""

import argparse
from dataclasses import fields
from typing import Any


def add(parser: argparse.ArgumentParser, *kinds: type) -> None:
    """Adds an option for each field of these dataclasses: `learning_rate` is --learning-rate."""
    for kind in kinds:
        group = parser.add_argument_group(kind.__name__, (kind.__doc__ or "").split("\n")[0])
        for field in fields(kind):
            name = "--" + field.name.replace("_", "-")
            group.add_argument(name, type=type(field.default), default=field.default)


def taken(options: argparse.Namespace, kind: type) -> Any:
    """The dataclass that the options say.

    Raises:
        ValueError: It refuses them.
    """
    return kind(**{field.name: getattr(options, field.name) for field in fields(kind)})
