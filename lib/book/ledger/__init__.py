"""The ledger's rows: data, one file a recorder, and what a row may say.

`NAME.toml` holds the rows that a chapter records, `experiments/NAME.toml` those of an experiment: a
table a row, under the row's identifier. CONTRIBUTING.md says how to add one.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.book import intervals

BOOK = "this book"
KINDS = ("claim", "finding", "check")
VERDICTS = ("holds", "holds at our scale", "does not hold", "inconclusive", "not tested")
TURNED = ("no", "not known", *VERDICTS)
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Rule:
    """When a claim counts as holding.

    Attributes:
        text: the rule as the ledger page states it.
        holds: whether it is met, from value, low, high and whether several samples gave them.
        verdict: what the ledger says then. Otherwise it says "does not hold", of a sample whose
            interval reaches over the bound too: not shown, which is less than refuted.
    """

    text: str
    holds: Callable[[float, float, float, bool], bool]
    verdict: str = "holds"

    def __call__(self, value: float, low: float, high: float, sampled: bool) -> str:
        """The verdict."""
        return self.verdict if self.holds(value, low, high, sampled) else "does not hold"


def within(target: float, by: float, verdict: str = "holds") -> Rule:
    """The rule "the value is `target` to `by`", and so is the whole interval where there is one."""

    def holds(value, low, high, sampled):
        return all(abs(v - target) <= by for v in ((low, high) if sampled else (value,)))

    return Rule(f"{target:g} ± {by:g}", holds, verdict)


def above(bound: float, verdict: str = "holds") -> Rule:
    """The rule "the whole interval lies above `bound`"."""
    return Rule(f"interval above {bound:g}", lambda value, low, high, sampled: low > bound, verdict)


def below(bound: float, verdict: str = "holds") -> Rule:
    """The rule "the whole interval lies below `bound`"."""
    return Rule(
        f"interval below {bound:g}", lambda value, low, high, sampled: high < bound, verdict
    )


@dataclass(frozen=True)
class Row:
    """A row of the ledger.

    Attributes:
        id: a dotted name.
        recorder: the chapter (`01_sim_task`) or experiment (`experiments/NAME`) that measures it.
        claim: one sentence, Markdown.
        kind: `claim` (a paper says so, or is read so in its row), `finding` (this book does), or
            `check` (that a formula or a measure of this book is right, whoever wrote the formula
            down first).
        of: what the interval is of, one of `intervals.KINDS`.
        rule: decides on the verdict; None where none was fixed.
        unit: what was sampled independently: "run", "start", "picture", ...; "" for `exact`.
        source: where it is said: a paper, or "this book".
        paper: the paper's value, or "unknown"; "none" where the claim gives no number.
        untested: why the claim is not tested, or not yet: a rule may be fixed before the run.
        needs: rows of the same recorder without which this one does not hold.
        gate: rows of the same recorder without which nothing can be said: this one is then
            inconclusive, never "does not hold".
        changed: what its rule or interval was before, and why it is another.
        turned: of such a row whether the change turned its verdict: "no", "not known", or the
            verdict by what was before, as it was given or, if nothing was recorded yet, would be.
    """

    id: str
    recorder: str
    claim: str
    kind: str
    of: str
    rule: Rule | None
    unit: str = ""
    source: str = BOOK
    paper: str = "none"
    untested: str = ""
    needs: tuple[str, ...] = ()
    gate: tuple[str, ...] = ()
    changed: str = ""
    turned: str = ""

    def __post_init__(self):
        """Holds that a row says what it must, in words that are known."""
        if self.rule is None and not self.untested:
            raise ValueError(f"{self.id}: a row has a rule or a reason for not being tested.")
        for name, value, known in (
            ("kind", self.kind, KINDS),
            ("of", self.of, intervals.KINDS),
        ):
            if value not in known:
                raise ValueError(
                    f"{self.id}: {name} is {value!r}; it must be one of {', '.join(known)}."
                )
        if self.turned not in (TURNED if self.changed else ("",)):
            raise ValueError(
                f"{self.id}: turned is {self.turned!r}; beside changed, and only there, it is one "
                f"of {', '.join(TURNED)}."
            )
        if (self.of == "exact") == bool(self.unit):
            raise ValueError(f"{self.id}: a row has a sampling unit, unless its number is exact.")
        if self.kind == "claim" and self.source == BOOK:
            raise ValueError(f"{self.id}: a claim is a paper's; name its source.")


def read(path: Path, recorder: str) -> list[Row]:
    """The rows of one file.

    Args:
        path: TOML, a table a row. `above`, `below` (a bound each) or `within` (target and by how
            much) state the rule, `at_our_scale = true` its verdict; the rest are `Row`'s fields.
        recorder: who records them.

    Raises:
        ValueError: not TOML, a field that is unknown or missing, or a row that `Row` refuses.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}.") from None
    return [_row(id, recorder, fields) for id, fields in tables.items()]


def _row(id: str, recorder: str, fields: dict[str, Any]) -> Row:
    """A row from its table."""
    rules = {"above": above, "below": below, "within": lambda ends, verdict: within(*ends, verdict)}
    stated = [name for name in rules if name in fields]
    if len(stated) > 1:
        raise ValueError(f"{id}: a row has one rule, not {' and '.join(stated)}.")
    if fields.get("of") == "share" and (fields.get("above") == 0 or fields.get("below") == 1):
        raise ValueError(f"{id}: a single hit, or a single miss, meets this rule of a share.")
    fields = dict(fields)
    verdict = "holds at our scale" if fields.pop("at_our_scale", False) else "holds"
    rule = rules[stated[0]](fields.pop(stated[0]), verdict) if stated else None
    lists = {name: tuple(fields.pop(name, ())) for name in ("needs", "gate")}
    try:
        return Row(id, recorder, rule=rule, **lists, **fields)
    except TypeError as error:
        raise ValueError(f"{id}, in the ledger of {recorder}: {error}.") from None


def rows() -> list[Row]:
    """All rows, chapters before experiments."""
    paths = [*sorted(FOLDER.glob("*.toml")), *sorted(FOLDER.glob("*/*.toml"))]
    return [
        row
        for path in paths
        for row in read(path, path.relative_to(FOLDER).with_suffix("").as_posix())
    ]


ROWS = rows()
