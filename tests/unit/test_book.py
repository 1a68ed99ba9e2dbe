"""The book of claims: who answered which, and what is said of those that nobody answered."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sluice.book import Book, Selection
from pytest_sluice.verdicts import Verdict

ASKS = Selection(asks=True)


def verdict(id: str, holds: bool = True) -> Verdict:
    return Verdict.of_fact(id, "s", holds, "m")


def ids(book: Book) -> list[str]:
    return [each.id for each in book.verdicts]


def closed(*selections: Selection, whole: bool = True, early: bool = False, **more: str) -> Book:
    book = Book(["1", "2"])
    book.take("test_1", verdict("1"))
    if reason := more.get("reason"):
        book.hinder("test_2", reason)
    book.close(selections, whole, early)
    return book


def test_ids_come_in_their_natural_order() -> None:
    book = Book()
    for number, id in enumerate(["10", "b", "3b", "3", "2", "a1"]):
        book.take(f"test_{number}", verdict(id))
    assert ids(book) == ["2", "3", "3b", "10", "a1", "b"]
    assert book.is_well


def test_two_tests_that_answer_one_claim_are_named() -> None:
    book = Book()
    book.take("test_1", verdict("7", holds=False))
    book.take("test_1", verdict("7"))
    assert book.doubles == []
    book.take("test_2", verdict("7", holds=False))
    assert book.doubles == ["claim 7 is answered by more than one test: test_1, test_2"]
    assert [each.outcome for each in book.verdicts] == ["fails"]
    assert not book.is_well


def test_a_test_that_runs_again_has_said_nothing_yet() -> None:
    book = Book(["7"])
    book.take("test_1", verdict("7"))
    book.hinder("test_1", "kafka died")
    book.begin("test_1")
    book.close([ASKS], whole=True, early=False)
    assert [each.outcome for each in book.verdicts] == ["not answered"]


def test_a_declared_claim_without_an_answer_is_listed_and_not_well() -> None:
    book = closed(ASKS)
    (missing,) = book.unanswered
    assert (missing.id, missing.outcome, missing.reason) == (
        "2",
        "not answered",
        "no test answered it",
    )
    assert ids(book) == ["1", "2"]
    assert not book.is_well


def test_what_nobody_answered_comes_in_the_natural_order_as_well() -> None:
    book = Book(["10", "3b", "3"])
    book.close([ASKS], whole=True, early=False)
    assert [each.id for each in book.unanswered] == ["3", "3b", "10"]


@pytest.mark.parametrize(
    ("selections", "options"),
    [
        ([], {}),
        ([Selection()], {}),
        ([ASKS], {"whole": False}),
        ([ASKS], {"early": True}),
        ([ASKS, Selection(asks=True, deselected=1)], {}),
        ([Selection(asks=True, deselected=1)], {"reason": "kafka died"}),
    ],
)
def test_a_session_that_leaves_tests_out_misses_none(
    selections: list[Selection], options: dict[str, Any]
) -> None:
    book = closed(*selections, **options)
    assert book.unanswered == []
    assert book.is_well


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize(
    ("selection", "reason"),
    [(ASKS, "kafka died"), (Selection(asks=True, stopped="kafka died"), "")],
)
def test_where_infrastructure_was_in_the_way_the_rest_cannot_run(
    selection: Selection, reason: str, early: bool
) -> None:
    (missing,) = closed(selection, early=early, reason=reason).unanswered
    assert (missing.outcome, missing.reason) == ("cannot run", "kafka died")


@given(st.builds(Selection, st.booleans(), st.integers(), st.text()))
def test_a_selection_survives_its_way_to_the_controller(selection: Selection) -> None:
    assert Selection.from_json(selection.as_json()) == selection
