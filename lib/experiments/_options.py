"""Command-line options out of dataclasses: a field is an option, its default the default."""

import argparse
from dataclasses import fields, replace
from typing import Any


def add(parser: argparse.ArgumentParser, *kinds: type) -> None:
    """Adds an option for each field of these dataclasses: `learning_rate` is --learning-rate."""
    for kind in kinds:
        group = parser.add_argument_group(kind.__name__, (kind.__doc__ or "").split("\n")[0])
        for field in fields(kind):
            name = "--" + field.name.replace("_", "-")
            group.add_argument(name, type=type(field.default), help=f"usually {field.default}")


def taken(options: argparse.Namespace, kind: type, usual: Any = None) -> Any:
    """The dataclass that the options say; what they leave unsaid is as in `usual`, or the default.

    Raises:
        ValueError: It refuses them.
    """
    said = {field.name: getattr(options, field.name) for field in fields(kind)}
    said = {name: value for name, value in said.items() if value is not None}
    return replace(usual or kind(), **said)
