"""Verdicts: what was found of a claim, for people and for JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from pytest_sluice.sql import Result, Row, aligned

Outcome = Literal["holds", "holds only by position", "holds only by name", "fails", "cannot run"]
Expected = Literal["both", "position", "name"]

# The property of a test under which its verdict travels from wherever it ran to the summary.
PROPERTY = "sluice_verdict"

_EXPECTED_OUTCOME: Mapping[Expected, Outcome] = {
    "both": "holds",
    "position": "holds only by position",
    "name": "holds only by name",
}
_TITLES = {
    "position": "measured by position",
    "name": "measured by name",
    "fact": "measured",
}
_WIDTH = 100
_ROWS_SHOWN = 40


@dataclass(frozen=True)
class Verdict:
    """What was found of a claim: its outcome, what is printed, what was measured and how.

    ``measured`` has a Result, or a text where there is none (an error, a fact that is no query),
    under ``position``, ``name`` or ``fact``.
    """

    id: str
    statement: str
    outcome: Outcome
    measured: Mapping[str, Result | str]
    sql: str = ""
    columns: tuple[str, ...] = ()
    printed: tuple[Row, ...] = ()
    ordered_by: tuple[str, ...] = ()
    expected_mapping: Expected = "both"

    @classmethod
    def of_fact(cls, id: str, statement: str, holds: bool, measured: str) -> "Verdict":
        """The verdict on a statement that is no query; ``measured`` says what was seen."""
        return cls(id, statement, "holds" if holds else "fails", {"fact": measured})

    @property
    def as_expected(self) -> bool:
        """Whether it holds under the mappings under which it is known to hold, and no other."""
        return self.outcome == _EXPECTED_OUTCOME[self.expected_mapping]

    def text(self) -> str:
        """The claim with its query, what is printed and what was measured side by side."""
        expected = _EXPECTED_OUTCOME[self.expected_mapping]
        judged = "as expected" if self.as_expected else f"expected: {expected}"
        lines = [*self.statement.splitlines(), *self.sql.splitlines(), *_arranged(self._blocks())]
        head = f"claim {self.id}: {self.outcome} ({judged})"
        return "\n".join([head, *(f"  {line}".rstrip() for line in lines)])

    def _blocks(self) -> list[str]:
        found = {_TITLES[name]: answer for name, answer in self.measured.items()}
        if len(found) == 2 and self.measured["position"] == self.measured["name"]:
            found = {"measured by position and by name": self.measured["name"]}
        blocks = [_block(title, answer) for title, answer in found.items()]
        if not self.columns:
            return blocks
        order = f", in order of {', '.join(self.ordered_by)}" if self.ordered_by else ""
        return [_block(f"printed{order}", Result(self.columns, (), self.printed)), *blocks]

    def as_json(self) -> dict[str, Any]:
        """A value that JSON can hold, with ``as_expected``; rows become lists."""
        return {
            "id": self.id,
            "statement": self.statement,
            "outcome": self.outcome,
            "as_expected": self.as_expected,
            "expected_mapping": self.expected_mapping,
            "sql": self.sql,
            "columns": list(self.columns),
            "printed": [list(row) for row in self.printed],
            "ordered_by": list(self.ordered_by),
            "measured": {name: _to_json(found) for name, found in self.measured.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Verdict":
        """The verdict that ``as_json`` was taken from."""
        return cls(
            id=value["id"],
            statement=value["statement"],
            outcome=value["outcome"],
            measured={name: _from_json(found) for name, found in value["measured"].items()},
            sql=value["sql"],
            columns=tuple(value["columns"]),
            printed=tuple(map(tuple, value["printed"])),
            ordered_by=tuple(value["ordered_by"]),
            expected_mapping=value["expected_mapping"],
        )


def _block(title: str, found: Result | str) -> str:
    """A result under its title, cut after the rows that a person still reads."""
    if isinstance(found, str):
        return f"{title}:\n{found}"
    more = len(found.rows) - _ROWS_SHOWN
    end = f"\n... and {more} rows more" if more > 0 else ""
    return f"{title}:\n{aligned(found.columns, found.rows[:_ROWS_SHOWN])}{end}"


def _arranged(blocks: Sequence[str]) -> Iterable[str]:
    """The lines of blocks side by side where the width allows it, else one under the other."""
    columns = [block.splitlines() for block in blocks]
    widths = [max(map(len, lines)) for lines in columns]
    if sum(widths) + 3 * len(widths) > _WIDTH:
        return [line for lines in columns for line in lines]
    rows = zip_longest(*columns, fillvalue="")
    return [
        "   ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]


def _to_json(found: Result | str) -> dict[str, Any] | str:
    if isinstance(found, str):
        return found
    rows = [list(row) for row in found.rows]
    return {"columns": list(found.columns), "types": list(found.types), "rows": rows}


def _from_json(found: Mapping[str, Any] | str) -> Result | str:
    if isinstance(found, str):
        return found
    rows = tuple(map(tuple, found["rows"]))
    return Result(tuple(found["columns"]), tuple(found["types"]), rows)
