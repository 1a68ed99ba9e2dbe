"""Claims: when a result has what the report prints, and what follows from both mappings."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sluice.claims import Claim, Meant, Verdict, judge
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
BY_COUNT = replace(CLAIM, ordered_by=())
UNORDERED = replace(BY_COUNT, sql="select colour, count(*) as count from doors group by colour")
EMPTY = Result(("colour", "count"), ("varchar", "bigint"), ())
REFUSED = QueryFailed("select 1", "SYNTAX_ERROR", "line 1:8: no such column")
MISMATCH = QueryFailed("select 1", "HIVE_PARTITION_SCHEMA_MISMATCH", "declared as type bigint")
STARTING = QueryFailed("select 1", "NO_NODES_AVAILABLE", "No nodes available")


# What says nothing of a query: the engine, its store or the way to it was not well.
CRASHES = (
    "NOT_REACHABLE",
    "HTTP_ERROR",
    "HIVE_METASTORE_ERROR",
    "HIVE_FILESYSTEM_ERROR",
    "HIVE_BAD_DATA",
    "EXCEEDED_LOCAL_MEMORY_LIMIT",
    "EXCEEDED_TIME_LIMIT",
    "GENERIC_INTERNAL_ERROR",
    "an error that nobody has met",
)


def result(*rows: Row, columns: tuple[str, ...] = ("colour", "count")) -> Result:
    return Result(columns, ("varchar", *["bigint"] * (len(columns) - 1)), rows)


FALSE = replace(CLAIM, expected="fails", because="there are no blue doors")
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
        (GOOD, MISMATCH, "holds only by position"),
        (REFUSED, REFUSED, "fails"),
        (MISMATCH, REFUSED, "fails"),
        (GOOD, STARTING, "cannot run"),
        (STARTING, GOOD, "cannot run"),
        (STARTING, REFUSED, "cannot run"),
        (STARTING, STARTING, "cannot run"),
        *(
            (*answers, "cannot run")
            for name in CRASHES
            for crash in [QueryFailed("select 1", name, "boom")]
            for answers in ((GOOD, crash), (crash, GOOD), (BAD, crash), (REFUSED, crash))
        ),
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
        "refused": judge(claim, REFUSED, REFUSED),
        "unknown": judge(claim, STARTING, STARTING),
    }
    assert [name for name, verdict in judged.items() if verdict.as_expected] == [expected]


@pytest.mark.parametrize("outcome", [judge(FALSE, GOOD, BAD), judge(FALSE, STARTING, BAD)])
def test_a_claim_that_is_expected_to_fail_must_fail_under_both_mappings(outcome: Verdict) -> None:
    assert judge(FALSE, BAD, BAD).as_expected
    assert judge(FALSE, BAD, REFUSED).as_expected
    assert not judge(FALSE, GOOD, GOOD).as_expected
    assert not outcome.as_expected


@pytest.mark.parametrize(
    "half", [{"expected": "fails"}, {"because": "no"}, {"expected": "holds", "because": "no"}]
)
def test_an_expectation_to_fail_and_its_reason_go_together(half: dict[str, Any]) -> None:
    with pytest.raises(BadDeclaration, match='claim 7: expected="fails" needs a reason'):
        replace(CLAIM, **half)
    with pytest.raises(BadDeclaration, match="claim 8"):
        Verdict.of_fact("8", "s", True, "m", **half)


def test_a_query_that_is_refused_is_no_proof_of_a_false_claim() -> None:
    verdict = judge(FALSE, REFUSED, REFUSED)
    assert verdict.outcome == "fails"
    assert not verdict.as_expected
    assert "no answer was measured" in verdict.text()


def test_the_hop_that_was_broken_is_told_of_a_claim_that_is_not_as_expected() -> None:
    hop = "api: 25 of 25 requests to GET /join_a_guild were answered 404"
    failed = judge(CLAIM, BAD, BAD, hop=hop)
    assert f"broken hop: {hop}" in failed.text()
    assert failed.as_json()["hop"] == hop
    assert hop not in judge(CLAIM, GOOD, GOOD, hop=hop).text()


class TestMeant:
    """The corrected query, which is judged under the mapping that it names."""

    SQL = "select material, count(*) from doors group by material order by count(*)"
    CLAIM = replace(BY_COUNT, meant=Meant(SQL))
    RIGHT = result(*CLAIM.printed, columns=("material", "_col1"))

    def test_what_the_claim_prints_holds_whatever_the_headings(self) -> None:
        verdict = judge(self.CLAIM, GOOD, GOOD, self.RIGHT)
        assert verdict.as_expected
        assert verdict.meant is not None
        assert verdict.meant.ordered_by == ("count",)
        assert "what was meant, by name: holds" in verdict.text()
        assert self.SQL in verdict.text()

    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [
            (result(("red", 5), columns=("material", "_col1")), "fails"),
            (result(*CLAIM.printed[::-1], columns=("material", "_col1")), "fails"),
            (result(*((*row, 1) for row in CLAIM.printed), columns=("a", "b", "c")), "fails"),
            (result(*((n,) for n, _ in CLAIM.printed), columns=("a",)), "fails"),
            (REFUSED, "fails"),
            (STARTING, "cannot run"),
        ],
    )
    def test_a_verdict_whose_meaning_does_not_hold_is_not_as_expected(
        self, answer: Result | QueryFailed, outcome: str
    ) -> None:
        verdict = judge(self.CLAIM, GOOD, GOOD, answer)
        assert verdict.meant is not None
        assert verdict.meant.outcome == outcome
        assert not verdict.as_expected
        assert verdict.outcome == ("cannot run" if outcome == "cannot run" else "holds")

    def test_it_may_print_rows_and_headings_of_its_own(self) -> None:
        meant = Meant(self.SQL, "position", ("material", "n"), (("oak", 1),))
        claim = replace(CLAIM, meant=meant, expected="fails", because="all doors are of oak")
        assert judge(claim, BAD, BAD, result(("oak", 1), columns=("material", "n"))).as_expected
        assert not judge(claim, BAD, BAD, result(("oak", 1))).as_expected
        rows_alone = replace(claim, meant=replace(meant, columns=()))
        assert judge(rows_alone, BAD, BAD, result(("oak", 1))).as_expected

    def test_one_that_no_result_could_meet_is_refused(self) -> None:
        with pytest.raises(BadDeclaration, match="claim 7"):
            replace(CLAIM, meant=Meant(self.SQL, columns=("only one",)))

    def test_it_is_asked_exactly_if_it_is_given(self) -> None:
        for claim, answer in ((CLAIM, GOOD), (self.CLAIM, None)):
            with pytest.raises(ValueError, match="claim 7"):
                judge(claim, GOOD, GOOD, answer)


class TestOrder:
    """The outermost ORDER BY counts without being told."""

    SWAPPED = result(("blue", 9), ("red", 5), ("green", 9))

    def test_the_printed_key_of_the_query_is_in_order(self) -> None:
        assert BY_COUNT.holds_for(GOOD)
        assert BY_COUNT.holds_for(result(("red", 5), ("green", 9), ("blue", 9)))
        assert not BY_COUNT.holds_for(self.SWAPPED)
        assert judge(BY_COUNT, GOOD, GOOD).ordered_by == ("count",)

    def test_a_key_that_is_not_printed_is_told(self) -> None:
        sql = "select colour, count(*) as count from doors group by colour order by max(age) desc"
        claim = replace(BY_COUNT, sql=sql)
        assert claim.holds_for(self.SWAPPED)
        verdict = judge(claim, GOOD, GOOD)
        assert verdict.note == "max(age) of ORDER BY is not printed, so rows compare in any order"
        assert f"note: {verdict.note}" in verdict.text()
        assert verdict.as_json()["note"] == verdict.note

    def test_a_second_key_that_is_not_printed_leaves_the_first(self) -> None:
        claim = replace(BY_COUNT, sql=f"{BY_COUNT.sql}, max(age)")
        assert not claim.holds_for(self.SWAPPED)
        assert "max(age) of ORDER BY is not printed, so rows among equal count compare" in (
            judge(claim, GOOD, GOOD).note
        )

    def test_a_key_that_is_printed_and_not_compared_is_told(self) -> None:
        claim = replace(BY_COUNT, compare_columns=("colour",))
        assert claim.holds_for(self.SWAPPED)
        assert judge(claim, GOOD, GOOD).note.startswith("count of ORDER BY is not printed")

    def test_what_is_said_wins(self) -> None:
        by_colour = replace(BY_COUNT, ordered_by=("colour",))
        assert by_colour.holds_for(result(("red", 5), ("blue", 9), ("green", 9)))
        assert not by_colour.holds_for(result(("red", 5), ("green", 9), ("blue", 9)))
        assert judge(by_colour, GOOD, GOOD).note == ""


class TestValues:
    """Which cells are equal; test_comparison.py has the details."""

    @pytest.mark.parametrize(
        ("printed", "measured", "kind", "equal"),
        [
            (1, True, "boolean", False),
            (1, 1.0, "double", False),
            (1, "1", "varchar", False),
            (("x", "y"), ["x", "y"], "array(varchar)", True),
            (Decimal("1.5"), "1.50", "decimal(10,2)", True),
            (0.3, 0.1 + 0.2, "double", False),
        ],
    )
    def test_cells(self, printed: Any, measured: Any, kind: str, equal: bool) -> None:
        claim = Claim("1", "s", "select a from t order by a", ("a",), ((printed,),))
        answer = Result(("a",), (kind,), ((measured,),))
        assert claim.holds_for(answer) is equal
        json.dumps(judge(claim, answer, answer).as_json())

    def test_numbers_within_a_declared_tolerance_are_equal(self) -> None:
        claim = Claim("1", "s", "select a from t", ("a",), ((0.3,),), tolerance=1e-9)
        assert claim.holds_for(Result(("a",), ("double",), ((0.1 + 0.2,),)))

    @pytest.mark.parametrize("change", [{"tolerance": -1}, {"printed": (("red", {1}),)}])
    def test_what_cannot_be_compared_is_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(BadDeclaration, match="claim 7"):
            replace(CLAIM, **change)


@given(ROWS, ROWS)
def test_a_judged_verdict_says_what_each_mapping_answered(
    by_position: list[tuple[str, int]], by_name: list[tuple[str, int]]
) -> None:
    verdict = judge(CLAIM, result(*by_position), result(*by_name))
    assert verdict.measured == {"position": result(*by_position), "name": result(*by_name)}
    assert json.loads(json.dumps(verdict.as_json()))["printed"] == [list(r) for r in CLAIM.printed]
