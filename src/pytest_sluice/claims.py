"""Claims of a report, and how they are judged. Pure: the results come from whoever asked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_sluice.comparison import Tolerance, plain, same
from pytest_sluice.errors import BadDeclaration
from pytest_sluice.ordering import order_keys
from pytest_sluice.sql import MappingName, QueryFailed, Result, Row
from pytest_sluice.verdicts import Correction, Expectation, Expected, Outcome, Verdict

__all__ = ["Claim", "Expectation", "Expected", "Meant", "Outcome", "Verdict", "judge"]

Answer = Result | QueryFailed


@dataclass(frozen=True)
class Meant:
    """The query that says what a claim meant, and what it has to answer under one mapping.

    Without ``printed`` that is what the claim prints; without ``columns`` as many columns as the
    claim compares, whatever their headings.
    """

    sql: str
    mapping: MappingName = "name"
    columns: tuple[str, ...] = ()
    printed: tuple[Row, ...] | None = None


@dataclass(frozen=True)
class Claim:
    """A statement of a report, its query, and the result that the report prints.

    Rows compare as multisets, and in order by the printed keys of the query's outermost ORDER BY:
    rows that tie may change places. ``ordered_by`` names columns that are in order where the query
    does not tell. ``compare_columns`` are the columns that count: all with their headings by
    default, or a number of leading ones whatever their headings, or headings to be looked up in
    the result. Headings compare without regard to case.

    Cells of different kinds are not equal: true is not 1, ``"1"`` is no number, and 1 is not 1.0
    unless a ``tolerance`` is given, by which numbers may differ (absolute). In a decimal column
    a printed number or text is read as a decimal.

    ``expected`` is ``"fails"`` for a claim that is known to be false, and ``because`` says why.
    """

    id: str
    statement: str
    sql: str
    columns: tuple[str, ...]
    printed: tuple[Row, ...]
    ordered_by: tuple[str, ...] = ()
    expected_mapping: Expected = "both"
    compare_columns: int | tuple[str, ...] | None = None
    tolerance: Tolerance = None
    expected: Expectation = "holds"
    because: str = ""
    meant: Meant | None = None

    def __post_init__(self) -> None:
        """Refuse a claim that no result could meet, and an expectation without its reason."""
        for number, row in enumerate(self.printed):
            if not isinstance(row, (tuple, list)) or len(row) != len(self.columns):
                raise BadDeclaration(
                    f"claim {self.id}: printed[{number}] is {row!r}; it must be a tuple with a "
                    f"value for each of the {len(self.columns)} columns",
                    checked=[f"the columns are {', '.join(self.columns)}"],
                )
        if self._places(self.columns) is None or not set(self.ordered_by) <= set(self._compared):
            raise BadDeclaration(
                f"claim {self.id} compares or orders by a column that it does not print",
                checked=[f"compared are {self.compare_columns or self.columns}"],
                remedy="name in compare_columns and ordered_by only columns of the printed result",
            )
        if self.tolerance is not None and not self.tolerance >= 0:
            raise BadDeclaration(f"claim {self.id}: the tolerance {self.tolerance} is below 0")
        if self.meant:
            self._corrected(self.meant)  # refuses what that could not meet
        self._blank()  # refuses what no query answers, and an expectation without its reason

    def holds_for(self, result: Result) -> bool:
        """Whether a result has the printed rows, in the printed order as far as that counts."""
        places = self._places(result.columns)
        if places is None:
            return False
        types = [result.types[place] if place < len(result.types) else "" for place in places]
        printed = _pick(self.printed, self._places(self.columns) or ())
        key, _ = self._key(result.columns)
        return same(printed, _pick(result.rows, places), types, key, self.tolerance)

    def _blank(self, headings: Sequence[str] = ()) -> Verdict:
        """A verdict with what the claim says, before anything was measured."""
        try:
            printed = tuple(tuple(map(plain, row)) for row in self.printed)
        except TypeError as error:
            raise BadDeclaration(f"claim {self.id}: {error}") from error
        key, note = self._key(headings or self.columns)
        return Verdict(
            id=self.id,
            statement=self.statement,
            outcome="cannot run",
            measured={},
            sql=self.sql,
            columns=self.columns,
            printed=printed,
            ordered_by=tuple(self._compared[place] for place in key),
            expected_mapping=self.expected_mapping,
            expected=self.expected,
            because=self.because,
            note=note,
        )

    def _key(self, headings: Sequence[str]) -> tuple[list[int], str]:
        """Which compared columns are in order, and a word on a key that is not printed."""
        if self.ordered_by:
            return [self._compared.index(name) for name in self.ordered_by], ""
        found, unprinted = order_keys(self.sql, headings)
        places = list(self._places(headings) or ())
        key: list[int] = []
        for place in found:
            if place not in places:
                unprinted = headings[place]
                break
            key.append(places.index(place))
        if not unprinted:
            return key, ""
        equal = f" among equal {', '.join(self._compared[place] for place in key)}" if key else ""
        return key, f"{unprinted} of ORDER BY is not printed, so rows{equal} compare in any order"

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

    def _corrected(self, meant: Meant) -> "Claim":
        """The claim that the corrected query makes."""
        columns, printed = meant.columns, meant.printed
        if printed is None:
            columns = columns or self._compared
            printed = tuple(_pick(self.printed, self._places(self.columns) or ()))
        width = len(printed[0]) if printed else len(self._compared)
        return Claim(
            id=self.id,
            statement=self.statement,
            sql=meant.sql,
            columns=columns or tuple(f"_col{place}" for place in range(width)),
            printed=printed,
            compare_columns=None if meant.columns else width,
            tolerance=self.tolerance,
        )


def judge(
    claim: Claim,
    by_position: Answer,
    by_name: Answer,
    meant: Answer | None = None,
    *,
    hop: str = "",
) -> Verdict:
    """Compare a claim with what its query answered under both mappings, and what was meant.

    A query does not hold under a mapping that refuses it because it does not fit these files; an
    error of any other kind, under either mapping or of the corrected query, says nothing of the
    claim: it cannot run. ``hop`` names the hop that the landing found broken, for a claim that
    fails. Raises ValueError unless ``meant`` answers exactly a claim that has such a query.
    """
    if (claim.meant is None) != (meant is None):
        raise ValueError(f"claim {claim.id}: what was meant is to be asked exactly if it is given")
    answers = (by_position, by_name)
    found = next((answer for answer in answers if isinstance(answer, Result)), None)
    outcome = _outcome(tuple(_holds(claim, answer) for answer in answers))
    if any(map(_says_nothing, (*answers, meant))):
        outcome = "cannot run"
    return replace(
        claim._blank(found.columns if found else ()),
        outcome=outcome,
        measured={"position": _measured(by_position), "name": _measured(by_name)},
        meant=_correction(claim, claim.meant, meant) if claim.meant and meant else None,
        hop=hop,
    )


def _correction(claim: Claim, meant: Meant, answer: Answer) -> Correction:
    corrected = claim._corrected(meant)
    exact = isinstance(answer, QueryFailed) or len(answer.columns) == len(corrected.columns)
    outcome: Any = "holds" if exact and _holds(corrected, answer) else "fails"
    told = corrected._blank(answer.columns if isinstance(answer, Result) else ())
    return Correction(
        sql=meant.sql,
        mapping=meant.mapping,
        outcome="cannot run" if _says_nothing(answer) else outcome,
        measured=_measured(answer),
        columns=told.columns,
        printed=told.printed,
        ordered_by=told.ordered_by,
        note=told.note,
    )


def _holds(claim: Claim, answer: Answer) -> bool:
    return isinstance(answer, Result) and claim.holds_for(answer)


def _says_nothing(answer: Answer | None) -> bool:
    return isinstance(answer, QueryFailed) and not answer.misfit


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


def _measured(answer: Answer) -> Result | str:
    return answer if isinstance(answer, Result) else f"{answer.name}: {answer.message}"


def _pick(rows: Sequence[Row], places: Sequence[int]) -> list[Row]:
    return [tuple(row[place] for place in places) for row in rows]
