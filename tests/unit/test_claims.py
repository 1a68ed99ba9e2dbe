"""Claims: when a result has what the report prints, and what follows from both mappings."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sluice.claims import Claim, judge
from pytest_sluice.errors import BadDeclaration
from pytest_sluice.sql import QueryFailed, Result, Row

CLAIM = Claim(
    id="7",
    statement="doors by colour",
    sql="select colour, count(*) as count from doors group by colour order by count",
    columns=("colour", "count"),
    printed=(("red", 5), ("blue", 9), ("green", 9)),
    ordered_by=("count",),
)
UNORDERED = replace(CLAIM, ordered_by=())
EMPTY = Result(("colour", "count"), ("varchar", "bigint"), ())
REFUSED = QueryFailed("select 1", "SYNTAX_ERROR", "line 1:8: no such column")
STARTING = QueryFailed("select 1", "NO_NODES_AVAILABLE", "No nodes available")


def result(*rows: Row, columns: tuple[str, ...] = ("colour", "count")) -> Result:
    return Result(columns, ("varchar",) * len(columns), rows)


GOOD = result(*CLAIM.printed)
BAD = result(("red", 5))


def test_rows_that_tie_may_change_places() -> None:
    assert CLAIM.holds_for(result(("red", 5), ("green", 9), ("blue", 9)))


def test_rows_out_of_the_order_of_the_key_do_not_hold() -> None:
    swapped = result(("blue", 9), ("red", 5), ("green", 9))
    assert not CLAIM.holds_for(swapped)
    assert UNORDERED.holds_for(swapped)


@pytest.mark.parametrize(
    "measured",
    [
        result(("red", 5), ("blue", 9)),
        result(*CLAIM.printed, ("red", 5)),
        result(("red", 5), ("blue", 9), ("blue", 9)),
        result(("red", 5), ("blue", 9), ("green", "9")),
        result(("red", 5), ("blue", 9), ("green", None)),
        result(*CLAIM.printed, columns=("colour", "_col1")),
        result(*((*row, "") for row in CLAIM.printed), columns=("colour", "count", "more")),
        EMPTY,
    ],
)
def test_other_rows_or_headings_do_not_hold(measured: Result) -> None:
    assert not UNORDERED.holds_for(measured)


def test_how_often_a_row_occurs_counts() -> None:
    claim = replace(UNORDERED, printed=(("red", 1), ("red", 1), ("blue", 1)))
    assert not claim.holds_for(result(("red", 1), ("blue", 1), ("blue", 1)))


def test_headings_compare_without_regard_to_case() -> None:
    assert CLAIM.holds_for(result(*CLAIM.printed, columns=("Colour", "COUNT")))


def test_only_the_printed_columns_of_a_describe_count() -> None:
    columns = ("Column", "Type", "Comment")
    printed = (("a", "varchar", ""), ("b", "varchar", ""))
    claim = Claim("2", "columns", "describe t", columns, printed, compare_columns=columns)
    today = result(
        ("a", "varchar", "x", ""),
        ("b", "varchar", "", ""),
        columns=("Column", "Type", "Extra", "Comment"),
    )
    assert claim.holds_for(today)
    assert not replace(claim, compare_columns=None).holds_for(today)
    assert not claim.holds_for(replace(today, columns=("Column", "Type", "Extra", "Note")))
    assert replace(claim, compare_columns=2).holds_for(today)
    assert not replace(claim, compare_columns=3).holds_for(today)  # the third is Extra, "x"


def test_a_number_of_columns_ignores_their_headings_and_keeps_the_order_of_the_key() -> None:
    claim = replace(CLAIM, compare_columns=2)
    other = ("a", "b", "c")
    rows = [(*row, "more") for row in CLAIM.printed]
    assert claim.holds_for(result(*rows, columns=other))
    assert not claim.holds_for(result(*reversed(rows), columns=other))
    assert not claim.holds_for(result(("red",), columns=("colour",)))


def test_columns_by_name_may_stand_elsewhere() -> None:
    claim = replace(CLAIM, compare_columns=("colour", "count"))
    assert claim.holds_for(result(*((n, c) for c, n in CLAIM.printed), columns=("count", "colour")))


@pytest.mark.parametrize(
    "change",
    [
        {"printed": (("red",),)},
        {"ordered_by": ("size",)},
        {"compare_columns": ("size",)},
        {"compare_columns": ("colour",)},
        {"compare_columns": 3},
        {"compare_columns": 0},
        {"compare_columns": 1},
    ],
)
def test_a_claim_that_nothing_could_meet_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadDeclaration, match="claim 7"):
        replace(CLAIM, **change)


ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=8)


@given(ROWS, st.randoms())
def test_any_order_of_the_same_rows_holds_and_any_other_count_does_not(
    rows: list[tuple[str, int]], random: Any
) -> None:
    claim = replace(UNORDERED, printed=tuple(rows))
    shuffled = random.sample(rows, len(rows))
    assert claim.holds_for(result(*shuffled))
    assert not claim.holds_for(result(*shuffled, ("a", 0)))
    assert not rows or not claim.holds_for(result(*shuffled[1:]))


@given(ROWS, st.randoms())
def test_an_ordered_claim_holds_exactly_if_the_keys_are_in_order(
    rows: list[tuple[str, int]], random: Any
) -> None:
    claim = replace(CLAIM, printed=tuple(sorted(rows, key=lambda row: row[1])))
    shuffled = random.sample(rows, len(rows))
    keys = [key for _, key in shuffled]
    assert claim.holds_for(result(*shuffled)) == (keys == sorted(keys))
    assert claim.holds_for(result(*sorted(shuffled, key=lambda row: row[1])))


@pytest.mark.parametrize(
    ("by_position", "by_name", "outcome"),
    [
        (GOOD, GOOD, "holds"),
        (GOOD, BAD, "holds only by position"),
        (BAD, GOOD, "holds only by name"),
        (BAD, BAD, "fails"),
        (GOOD, REFUSED, "holds only by position"),
        (REFUSED, GOOD, "holds only by name"),
        (BAD, REFUSED, "fails"),
        (REFUSED, REFUSED, "cannot run"),
        (GOOD, STARTING, "cannot run"),
        (STARTING, GOOD, "cannot run"),
    ],
)
def test_the_outcome_follows_from_both_mappings(
    by_position: Result | QueryFailed, by_name: Result | QueryFailed, outcome: str
) -> None:
    assert judge(CLAIM, by_position, by_name).outcome == outcome


@pytest.mark.parametrize("expected", ["both", "position", "name"])
def test_a_claim_is_as_expected_under_just_the_mappings_that_it_names(expected: Any) -> None:
    claim = replace(CLAIM, expected_mapping=expected)
    judged = {
        "both": judge(claim, GOOD, GOOD),
        "position": judge(claim, GOOD, BAD),
        "name": judge(claim, BAD, GOOD),
        "none": judge(claim, BAD, BAD),
        "unknown": judge(claim, REFUSED, REFUSED),
    }
    assert [name for name, verdict in judged.items() if verdict.as_expected] == [expected]


@given(ROWS, ROWS)
def test_a_judged_verdict_says_what_each_mapping_answered(
    by_position: list[tuple[str, int]], by_name: list[tuple[str, int]]
) -> None:
    verdict = judge(CLAIM, result(*by_position), result(*by_name))
    assert verdict.measured == {"position": result(*by_position), "name": result(*by_name)}
    assert json.loads(json.dumps(verdict.as_json()))["printed"] == [list(r) for r in CLAIM.printed]
