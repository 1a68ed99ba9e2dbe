"""Claims of a report, and how they are judged. Pure: the results come from whoever asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_sluice.errors import BadDeclaration
from pytest_sluice.sql import QueryFailed, Result, Row, multiset
from pytest_sluice.verdicts import Expected, Outcome, Verdict

__all__ = ["Claim", "Expected", "Outcome", "Verdict", "judge"]


@dataclass(frozen=True)
class Claim:
    """A statement of a report, its query, and the result that the report prints.

    Rows compare as multisets, and in order only by the columns in ``ordered_by``, the key of the
    query's ORDER BY: rows that tie may change places. ``compare_columns`` are the columns that
    count: all with their headings by default, or a number of leading ones whatever their headings,
    or headings to be looked up in the result. Headings compare without regard to case.
    """

    id: str
    statement: str
    sql: str
    columns: tuple[str, ...]
    printed: tuple[Row, ...]
    ordered_by: tuple[str, ...] = ()
    expected_mapping: Expected = "both"
    compare_columns: int | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse a claim that no result could meet."""
        if any(len(row) != len(self.columns) for row in self.printed):
            raise BadDeclaration(
                f"claim {self.id}: a printed row has not as many cells as columns are printed",
                checked=[f"the columns are {', '.join(self.columns)}"],
            )
        if self._places(self.columns) is None or not set(self.ordered_by) <= set(self._compared):
            raise BadDeclaration(
                f"claim {self.id} compares or orders by a column that it does not print",
                checked=[f"compared are {self.compare_columns or self.columns}"],
                remedy="name in compare_columns and ordered_by only columns of the printed result",
            )

    def holds_for(self, result: Result) -> bool:
        """Whether a result has the printed rows, in the printed order as far as that counts."""
        places = self._places(result.columns)
        if places is None:
            return False
        printed = _pick(self.printed, self._places(self.columns) or ())
        measured = _pick(result.rows, places)
        key = [self._compared.index(name) for name in self.ordered_by]
        in_order = _pick(printed, key) == _pick(measured, key)
        return in_order and multiset(printed) == multiset(measured)

    @property
    def _compared(self) -> tuple[str, ...]:
        if isinstance(self.compare_columns, int):
            return self.columns[: self.compare_columns]
        return self.compare_columns or self.columns

    def _places(self, headings: Sequence[str]) -> Sequence[int] | None:
        """Where the compared columns stand under some headings; None if they are not all there."""
        if isinstance(self.compare_columns, int):
            number = self.compare_columns
            return range(number) if 1 <= number <= len(headings) else None
        found = [heading.lower() for heading in headings]
        wanted = [name.lower() for name in self._compared]
        if self.compare_columns is None:
            return range(len(wanted)) if found == wanted else None
        return [found.index(name) for name in wanted] if set(wanted) <= set(found) else None


def judge(
    claim: Claim, by_position: Result | QueryFailed, by_name: Result | QueryFailed
) -> Verdict:
    """Compare a claim with what its query answered under both mappings.

    A query that one mapping refuses does not hold under it; if both refuse it, or an engine was
    not ready, nothing can be said: it cannot run.
    """
    answers = (by_position, by_name)
    failures = [answer for answer in answers if isinstance(answer, QueryFailed)]
    held = tuple(isinstance(answer, Result) and claim.holds_for(answer) for answer in answers)
    outcome = _outcome(held)
    if len(failures) == 2 or any(failure.transient for failure in failures):
        outcome = "cannot run"
    return Verdict(
        id=claim.id,
        statement=claim.statement,
        outcome=outcome,
        measured={"position": _measured(by_position), "name": _measured(by_name)},
        sql=claim.sql,
        columns=claim.columns,
        printed=claim.printed,
        ordered_by=claim.ordered_by,
        expected_mapping=claim.expected_mapping,
    )


def _outcome(held: tuple[bool, ...]) -> Outcome:
    match held:
        case (True, True):
            return "holds"
        case (True, False):
            return "holds only by position"
        case (False, True):
            return "holds only by name"
        case _:
            return "fails"


def _measured(answer: Result | QueryFailed) -> Result | str:
    return answer if isinstance(answer, Result) else f"{answer.name}: {answer.message}"


def _pick(rows: Sequence[Row], places: Sequence[int]) -> list[Row]:
    return [tuple(row[place] for place in places) for row in rows]
