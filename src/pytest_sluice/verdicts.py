"""Verdicts: what was found of a claim, for people and for JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from pytest_sluice.errors import BadDeclaration
from pytest_sluice.sql import MappingName, Result, Row, aligned

Outcome = Literal[
    "holds",
    "holds only by position",
    "holds only by name",
    "fails",
    "cannot run",
    "not answered",
]
Expected = Literal["both", "position", "name"]
Expectation = Literal["holds", "fails"]

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
class Correction:
    """What was found of the query that says what a claim meant, under the one mapping it names."""

    sql: str
    mapping: MappingName
    outcome: Literal["holds", "fails", "cannot run"]
    measured: Result | str
    columns: tuple[str, ...] = ()
    printed: tuple[Row, ...] = ()
    ordered_by: tuple[str, ...] = ()
    note: str = ""

    def lines(self) -> Sequence[str]:
        """The query with its outcome, and what was measured beside what had to be."""
        wanted = Result(self.columns, (), self.printed)
        blocks = [_block(f"measured by {self.mapping}", self.measured)]
        if self.outcome != "holds":
            blocks = [_block(f"wanted{_order(self.ordered_by)}", wanted), *blocks]
        head = f"what was meant, by {self.mapping}: {self.outcome}"
        return [head, *self.sql.splitlines(), *_noted(self.note), *_arranged(blocks)]

    def as_json(self) -> dict[str, Any]:
        """A value that JSON can hold."""
        return {
            "sql": self.sql,
            "mapping": self.mapping,
            "outcome": self.outcome,
            "measured": _to_json(self.measured),
            "columns": list(self.columns),
            "printed": [list(row) for row in self.printed],
            "ordered_by": list(self.ordered_by),
            "note": self.note,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Correction":
        """The correction that ``as_json`` was taken from."""
        return cls(
            sql=value["sql"],
            mapping=value["mapping"],
            outcome=value["outcome"],
            measured=_from_json(value["measured"]),
            columns=tuple(value["columns"]),
            printed=tuple(map(tuple, value["printed"])),
            ordered_by=tuple(value["ordered_by"]),
            note=value["note"],
        )


@dataclass(frozen=True)
class Verdict:
    """What was found of a claim: its outcome, what is printed, what was measured and how.

    ``measured`` has a Result, or a text where there is none (an error, a fact that is no query),
    under ``position``, ``name`` or ``fact``. ``because`` is the reason for which a claim is
    expected to fail; ``note`` says in how far the comparison could not be strict; ``hop`` is the
    hop at which the landing was broken, told of a claim that is not as expected; ``meant`` is the
    corrected query.
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
    expected: Expectation = "holds"
    because: str = ""
    note: str = ""
    hop: str = ""
    meant: Correction | None = None

    def __post_init__(self) -> None:
        """Refuse an expectation to fail without its reason, and a reason without it."""
        if (self.expected == "fails") != bool(self.because):
            raise BadDeclaration(
                f'claim {self.id}: expected="fails" needs a reason in because, and nothing else '
                "takes one",
                checked=[f"expected is {self.expected!r}, because is {self.because!r}"],
                remedy='give expected="fails" and because="..." together',
            )

    @classmethod
    def of_fact(
        cls,
        id: str,
        statement: str,
        holds: bool,
        measured: str,
        *,
        expected: Expectation = "holds",
        because: str = "",
    ) -> "Verdict":
        """The verdict on a statement that is no query; ``measured`` says what was seen."""
        outcome: Outcome = "holds" if holds else "fails"
        fact = {"fact": measured}
        return cls(id, statement, outcome, fact, expected=expected, because=because)

    @property
    def expected_outcome(self) -> Outcome:
        """The outcome that is known to be right."""
        return "fails" if self.expected == "fails" else _EXPECTED_OUTCOME[self.expected_mapping]

    @property
    def as_expected(self) -> bool:
        """Whether it has the outcome that is known to be right, and what was meant holds."""
        meant = self.meant is None or self.meant.outcome == "holds"
        return self.outcome == self.expected_outcome and meant and self._was_measured

    @property
    def _was_measured(self) -> bool:
        """Whether there was an answer: a query that is refused is no proof of a false claim."""
        answers = [found for name, found in self.measured.items() if name != "fact"]
        return not answers or any(isinstance(found, Result) for found in answers)

    @property
    def told_hop(self) -> str:
        """The broken hop, of a verdict that it may explain."""
        return f"broken hop: {self.hop}" if self.hop and not self.as_expected else ""

    @property
    def reason(self) -> str:
        """The first error that was answered in the place of a result; empty without one."""
        found = [*self.measured.values(), *([self.meant.measured] if self.meant else [])]
        return next((each for each in found if isinstance(each, str)), "")

    def text(self) -> str:
        """The claim with its query, what is printed and what was measured side by side."""
        head = f"claim {self.id}: {self.outcome} ({self._judged()})"
        told = (f"because {self.because}" if self.because else "", self.told_hop)
        lines = [
            *self.statement.splitlines(),
            *(line for text in told for line in text.splitlines()),
            *self.sql.splitlines(),
            *_noted(self.note),
            *_arranged(self._blocks()),
            *(self.meant.lines() if self.meant else ()),
        ]
        return "\n".join([head, *(f"  {line}".rstrip() for line in lines)])

    def _judged(self) -> str:
        if self.as_expected:
            return "as expected"
        if not self._was_measured:
            return "no answer was measured"
        if self.outcome == self.expected_outcome:
            return "what was meant does not hold"
        return f"expected: {self.expected_outcome}"

    def _blocks(self) -> list[str]:
        found = {_TITLES[name]: answer for name, answer in self.measured.items()}
        if len(found) == 2 and self.measured["position"] == self.measured["name"]:
            found = {"measured by position and by name": self.measured["name"]}
        blocks = [_block(title, answer) for title, answer in found.items()]
        if not self.columns:
            return blocks
        printed = Result(self.columns, (), self.printed)
        return [_block(f"printed{_order(self.ordered_by)}", printed), *blocks]

    def as_json(self) -> dict[str, Any]:
        """A value that JSON can hold, with ``as_expected``; rows become lists."""
        return {
            "id": self.id,
            "statement": self.statement,
            "outcome": self.outcome,
            "as_expected": self.as_expected,
            "expected_mapping": self.expected_mapping,
            "expected": self.expected,
            "because": self.because,
            "note": self.note,
            "hop": self.hop,
            "sql": self.sql,
            "columns": list(self.columns),
            "printed": [list(row) for row in self.printed],
            "ordered_by": list(self.ordered_by),
            "measured": {name: _to_json(found) for name, found in self.measured.items()},
            "meant": self.meant.as_json() if self.meant else None,
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
            expected=value["expected"],
            because=value["because"],
            note=value["note"],
            hop=value["hop"],
            meant=Correction.from_json(value["meant"]) if value["meant"] else None,
        )


def _order(ordered_by: Sequence[str]) -> str:
    return f", in order of {', '.join(ordered_by)}" if ordered_by else ""


def _noted(note: str) -> list[str]:
    return [f"note: {note}"] if note else []


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
    if not columns:
        return []
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
