"""The judge: what is due of a key and what was found, compared."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sluice.declaration import STAGES, Stage
from pytest_sluice.errors import BadDeclaration
from pytest_sluice.judgement import Breach, Due, Hop, Wrong, exactly, judge

NUMBERS = st.integers(0, 50)


def hop(due: dict[str, Due], found: dict[str, int], stage: Stage = "kafka") -> Hop:
    return Hop(stage, "things", due, found)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_span_allows_its_ends_and_what_is_between(least: int, more: int, number: int) -> None:
    assert Due(least, least + more).allows(number) == (least <= number <= least + more)
    assert Due(least, None).allows(number) == (number >= least)
    assert exactly(least).allows(number) == (number == least)


def test_what_is_due_of_two_keys_is_their_sum() -> None:
    assert Due(1, 2) + Due(3, 4) == Due(4, 6)
    assert Due(1, 2) + Due(3, None) == Due(4, None) == Due(3, None) + Due(1, 2)


@pytest.mark.parametrize(
    ("due", "text"), [(Due(3, 3), "3"), (Due(0, 2), "0 to 2"), (Due(1000, None), "1,000 or more")]
)
def test_what_is_due_in_words(due: Due, text: str) -> None:
    assert str(due) == text


def test_nothing_is_due_of_a_key_that_nobody_named() -> None:
    assert judge([hop({"a": exactly(1)}, {"a": 1})]) == ()
    assert judge([hop({"a": exactly(1)}, {"a": 1, "b": 0})]) == ()
    (breach,) = judge([hop({"a": exactly(1)}, {"a": 1, "b": 2})])
    assert breach == Breach("kafka", "things", "1", 3, (Wrong("b", "0", 2),))


def test_a_key_that_was_not_found_was_found_no_times() -> None:
    (breach,) = judge([hop({"a": exactly(2), "b": Due(0, 1)}, {})])
    assert breach == Breach("kafka", "things", "2 to 3", 0, (Wrong("a", "2", 0),))


def test_equal_sums_do_not_make_up_for_different_keys() -> None:
    (breach,) = judge([hop({"a": exactly(1), "b": exactly(1)}, {"a": 2})])
    assert [wrong.key for wrong in breach.wrong] == ["a", "b"]


def test_breaches_come_in_the_order_of_the_stages_and_hops_of_one_stage_in_their_own() -> None:
    stages: list[Stage] = ["presto", "api", "stream", "api"]
    hops = [Hop(stage, str(n), {}, {"x": 1}) for n, stage in enumerate(stages)]
    assert [breach.hop for breach in judge(hops)] == ["1", "3", "2", "0"]


def test_a_breach_tells_both_figures_a_few_keys_and_how_many_more() -> None:
    found = {f"key {n}": 1 for n in range(6)}
    notes = {"key 0": "why"}
    (breach,) = judge([Hop("api", "answers", {"key 0": exactly(7)}, found, notes)])
    assert str(breach) == (
        "answers: 6 of 7 (key 0: 1 of 7 (why); key 1: 1, due 0; key 2: 1, due 0; key 3: 1, due 0; "
        "and 2 more)"
    )
    (breach,) = judge([hop({}, {f"{n}": 1 for n in range(4)})])
    assert "more" not in str(breach)


@given(
    st.builds(
        Breach,
        st.sampled_from(STAGES),
        st.text(),
        st.text(),
        NUMBERS,
        st.lists(st.builds(Wrong, st.text(), st.text(), NUMBERS, st.text())).map(tuple),
    )
)
def test_a_breach_survives_json(breach: Breach) -> None:
    assert Breach.from_json(json.loads(json.dumps(breach.as_json()))) == breach


def test_a_stage_that_is_none_is_refused() -> None:
    with pytest.raises(BadDeclaration, match="'moon' is no stage"):
        Breach("moon", "x", "1", 0, ())  # type: ignore[arg-type]
