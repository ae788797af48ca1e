"""Command-line options out of dataclasses and functions, and what a field may not be."""

import argparse
import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args


def add(parser: argparse.ArgumentParser, *kinds: type) -> None:
    """Adds an option for each field of these dataclasses: `learning_rate` is --learning-rate.

    A field of a later one that is called as one before is --scale-NAME, by the dataclass's name.
    """
    known = set()
    for kind in kinds:
        group = parser.add_argument_group(kind.__name__, (kind.__doc__ or "").split("\n")[0])
        for field in fields(kind):
            name = f"{kind.__name__.lower()}_{field.name}" if field.name in known else field.name
            _option(group, name, f"{kind.__name__}.{field.name}", field.type, field.default)
            known.add(field.name)


def check_positive(made: Any, *names: str) -> None:
    """Raises ValueError unless these fields of a dataclass are above 0."""
    for name in names:
        if not getattr(made, name) > 0:
            raise ValueError(f"{name} must be above 0, not {getattr(made, name)}")


def add_keywords(parser: argparse.ArgumentParser, function: Callable) -> None:
    """Adds an option for each keyword of a function that is a number, a word or a path."""
    for name, parameter in _keywords(function).items():
        _option(parser, name, name, parameter.annotation, parameter.default)


def from_options(options: argparse.Namespace, kind: type, usual: Any = None) -> Any:
    """The dataclass that the options say; what they leave unsaid is as in `usual`, or the default.

    Raises:
        ValueError: It refuses them.
    """
    said = _said(options, [field.name for field in fields(kind)], f"{kind.__name__}.")
    return replace(usual, **said) if usual else kind(**said)


def keywords(options: argparse.Namespace, function: Callable) -> dict[str, Any]:
    """The keywords of a function that the options say."""
    return _said(options, list(_keywords(function)))


def _keywords(function: Callable) -> dict[str, inspect.Parameter]:
    return {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
        and parameter.annotation in (int, float, str, Path)
    }


def _option(group: Any, name: str, dest: str, kind: Any, default: Any) -> None:
    several = get_args(kind)  # tuple[int, ...]
    usual = " ".join(map(str, default)) if several else default
    more = {"nargs": "*"} if several else {}
    group.add_argument(
        f"--{name.replace('_', '-')}",
        dest=dest,
        type=several[0] if several else kind,
        help=f"usually {usual}",
        metavar=name.upper(),
        **more,
    )


def _said(options: argparse.Namespace, names: list[str], prefix: str = "") -> dict[str, Any]:
    said = {name: getattr(options, prefix + name) for name in names}
    return {n: tuple(v) if isinstance(v, list) else v for n, v in said.items() if v is not None}
