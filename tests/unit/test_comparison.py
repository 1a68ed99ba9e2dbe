"""Which cells are equal: kinds, decimals, what is within a type, and a tolerance."""

import json
from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sluice.comparison import plain, same

NAN = float("nan")


def equal(printed: Any, measured: Any, kind: str = "", tolerance: Any = None) -> bool:
    return same([(printed,)], [(measured,)], [kind] if kind else [], tolerance=tolerance)


@pytest.mark.parametrize("one", [1, 1.0, True, "1", None, [1], {"1": 1}, (("1",),)])
@pytest.mark.parametrize("other", [1, 1.0, True, "1", None, [1], {"1": 1}, (("1",),)])
def test_values_of_different_kinds_are_never_equal(one: Any, other: Any) -> None:
    assert equal(one, other) == (type(one) is type(other) and one == other)


@pytest.mark.parametrize("printed", ["1.5", "1.50", 1.5, Decimal("1.5"), Decimal("1.500")])
def test_a_decimal_column_is_read_as_decimals(printed: Any) -> None:
    assert equal(printed, "1.50", "decimal(10,2)")
    assert not equal(printed, "1.51", "decimal(10,2)")
    assert equal([printed], ["1.50"], "array(decimal(10,2))")


@pytest.mark.parametrize(
    ("printed", "measured", "kind", "as_one"),
    [
        (2, "2.00", "decimal(38,2)", True),
        (True, "1", "decimal(1,0)", False),
        ("two", "2", "decimal(1,0)", False),
        ("two", None, "decimal(1,0)", False),
        (None, None, "decimal(1,0)", True),
        (None, "0", "decimal(1,0)", False),
        ("1.5", "1.50", "varchar", False),
        (1, 1, "double", False),
        (1.0, 1, "double", True),
        (NAN, "NaN", "double", True),
        ("NaN", "NaN", "double", False),
        (float("inf"), "Infinity", "real", True),
        (("a", "b"), ["a", "b"], "array(varchar)", True),
        (["b", "a"], ["a", "b"], "array(varchar)", False),
        ([[1.0]], [[1.0]], "array(array(double))", True),
        ({1: "a"}, {"1": "a"}, "map(bigint, varchar)", True),
        ({"1": "a"}, {"1": "a"}, "map(bigint, varchar)", False),
        ({True: 1}, {"true": 1}, "map(boolean, bigint)", True),
        ({1.5: 1}, {"1.5": 1}, "map(double, bigint)", True),
        ({None: 1}, {"1.5": 1}, "map(double, bigint)", False),
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}, "map(varchar, bigint)", True),
        ({"a": Decimal(2)}, {"a": "2.0"}, "map(varchar,decimal(2,1))", True),
        ((1, 2), [1, "2.0"], 'row(a bigint, "b c" decimal(2,1))', True),
        ((1, 2), [1, "2.0"], "row(bigint, decimal(2,1))", True),
        ("2026-01-01 00:00", "2026-01-01 00:00", "timestamp with time zone", True),
        (5, 5, "", True),
    ],
)
def test_what_the_client_answers_is_read_by_its_type(
    printed: Any, measured: Any, kind: str, as_one: bool
) -> None:
    assert equal(printed, measured, kind) is as_one


@pytest.mark.parametrize(
    ("printed", "measured", "kind", "near"),
    [
        (1, 1.0, "double", True),
        (0.3, 0.31, "double", True),
        (0.3, 0.311, "double", False),
        (Decimal("0.3"), "0.29", "decimal(3,2)", True),
        (10**17, 10**17 + 1, "bigint", False),
        ([1, 2], [1.005, 2], "array(double)", True),
        ({"a": 1}, {"a": 1.005}, "map(varchar,double)", True),
        ("1", 1, "bigint", False),
        (True, 1, "bigint", False),
        (1, "1", "varchar", False),
        (NAN, 1.0, "double", False),
        (float("inf"), 1.0, "double", False),
        ([1], [1, 1], "array(bigint)", False),
    ],
)
def test_numbers_may_differ_by_the_tolerance(
    printed: Any, measured: Any, kind: str, near: bool
) -> None:
    assert equal(printed, measured, kind, 0.01) is near


NUMBERS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=5)


@given(NUMBERS, NUMBERS, st.integers(0, 4))
def test_with_a_tolerance_rows_are_the_same_exactly_if_they_can_be_paired(
    printed: list[tuple[int, int]], measured: list[tuple[int, int]], tolerance: int
) -> None:
    def near(one: tuple[int, int], other: tuple[int, int]) -> bool:
        return all(abs(Fraction(a) - b) <= tolerance for a, b in zip(one, other, strict=True))

    by_trying = len(printed) == len(measured) and any(
        all(map(near, printed, order)) for order in permutations(measured)
    )
    assert same(printed, measured, ["bigint"] * 2, tolerance=tolerance) == by_trying


CELLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5), st.randoms(), st.sampled_from([None, 0]))
def test_any_order_of_the_same_rows_is_the_same_and_one_row_less_is_not(
    rows: list[tuple[Any, Any]], random: Any, tolerance: Any
) -> None:
    shuffled = random.sample(rows, len(rows))
    assert same(rows, shuffled, [], tolerance=tolerance)
    assert not same([*rows, (1, 1)], shuffled, [], tolerance=tolerance)


@given(CELLS)
def test_a_printed_cell_survives_json(cell: Any) -> None:
    assert json.loads(json.dumps(plain(cell), allow_nan=False)) == plain(cell)


@pytest.mark.parametrize("value", [{1}, b"x", object()])
def test_what_no_query_answers_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no value that a query answers"):
        plain([value])
