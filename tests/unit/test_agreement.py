"""What two sessions found is compared by rows: ties and moments of the run do not count."""

from typing import Any

import pytest

from bench.agreement import differing


def claim(*rows: tuple[object, ...], ordered_by: tuple[str, ...] = (), **other: Any) -> Any:
    """A claim as its JSON has it."""
    found = {"columns": ["item", "Count"], "types": ["varchar", "bigint"], "rows": list(rows)}
    whole = {"id": "7", "outcome": "holds", "sql": "select", "ordered_by": ordered_by}
    return {**whole, "measured": {"name": found}, **other}


BOW, ARMOR, SWORD = ("bow", 35), ("armor", 35), ("sword", 40)
BY_COUNT = ("count",)


@pytest.mark.parametrize(
    ("one", "two", "differs"),
    [
        (claim(BOW, SWORD), claim(SWORD, BOW), False),
        (claim(BOW, SWORD), claim(BOW, SWORD, SWORD), True),
        (claim(BOW, ARMOR, SWORD), claim(ARMOR, SWORD, ("bow", 36)), True),
        (
            claim(BOW, ARMOR, SWORD, ordered_by=BY_COUNT),
            claim(ARMOR, BOW, SWORD, ordered_by=BY_COUNT),
            False,
        ),
        (claim(BOW, SWORD, ordered_by=BY_COUNT), claim(SWORD, BOW, ordered_by=BY_COUNT), True),
        (claim(("2026-01-02 03:04:05.6", 1)), claim(("2026-01-02 03:04:07.8", 2)), False),
        (claim(("2026-01-02 03:04:05.6", 1)), claim(BOW), True),
        (claim(BOW), claim(BOW, outcome="fails"), True),
        (claim(measured={"fact": "nothing"}), claim(measured={"fact": "port 1"}), True),
    ],
)
def test_rows_agree_as_multisets_in_order_of_the_key(one: Any, two: Any, differs: bool) -> None:
    assert differing([one], [one]) == []
    assert differing([one], [two]) == (["7"] if differs else [])


def test_a_claim_that_one_of_both_lacks_differs() -> None:
    assert differing([claim(BOW), claim(BOW, id="12")], [claim(BOW, id="3")]) == ["3", "7", "12"]
