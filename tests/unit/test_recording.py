"""Verdicts with teeth, with fakes: records, second answers, and why a test could not answer."""

from collections.abc import Generator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_sluice.book import Book, Selection
from pytest_sluice.claims import Claim, judge
from pytest_sluice.errors import BadDeclaration, ServiceNotReady, SluiceError
from pytest_sluice.flow.run import ComponentFailed
from pytest_sluice.recording import CANNOT_RUN, Recorder, take_report, verdicts_of
from pytest_sluice.sql import QueryFailed, Result
from pytest_sluice.verdicts import PROPERTY, Verdict

HOLDS = Verdict.of_fact("1", "s", True, "m")
FAILS = Verdict.of_fact("1", "s", False, "m")
DOWN = ServiceNotReady("kafka died", checked=["its log"])
CRASH = QueryFailed("q", "HIVE_METASTORE_ERROR", "refused")
REFUSED = QueryFailed("q", "SYNTAX_ERROR", "no such column")
CANNOT = judge(Claim("1", "s", "q", ("a",), ((1,),)), Result(("a",), (), ((1,),)), CRASH)


def item(name: str = "test_a", *fixtures: str) -> Any:
    return SimpleNamespace(nodeid=name, user_properties=[("other", 1)], fixturenames=fixtures)


def report(when: Any, outcome: Any, *properties: tuple[str, object]) -> pytest.TestReport:
    place = (__file__, 1, "test_a")
    return pytest.TestReport(
        "test_a", place, {}, outcome, None, when, user_properties=list(properties)
    )


def ended(wrapper: Generator[None, Any, Any], value: object) -> Any:
    """What a hook wrapper answers around ``value``, an exception or the answer of the others."""
    next(wrapper)
    try:
        if isinstance(value, BaseException):
            wrapper.throw(value)
        else:
            wrapper.send(value)
    except StopIteration as end:
        return end.value
    raise AssertionError("a wrapper yields once")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def test_a_verdict_becomes_a_property_of_its_test(recorder: Recorder) -> None:
    one = item()
    assert recorder.record(one, FAILS) is FAILS
    assert verdicts_of(one) == [FAILS]
    assert one.user_properties[0] == ("other", 1)


def test_a_second_answer_names_both_tests_and_is_not_recorded(recorder: Recorder) -> None:
    recorder.record(item("test_a"), HOLDS)
    other = item("test_b")
    with pytest.raises(pytest.fail.Exception, match="1 is answered twice: by test_a and by test_b"):
        recorder.record(other, FAILS)
    assert verdicts_of(other) == []


def test_one_test_that_answers_twice_is_named(recorder: Recorder) -> None:
    one = item()
    recorder.record(one, HOLDS)
    with pytest.raises(pytest.fail.Exception, match=r"claim 1 is answered twice: by test_a$"):
        recorder.record(one, HOLDS)


def test_a_test_that_begins_again_has_said_nothing(recorder: Recorder) -> None:
    one = item()
    recorder.record(one, FAILS)
    recorder.begin(one)
    assert one.user_properties == [("other", 1)]
    recorder.record(one, HOLDS)
    recorder.begin(item("test_b"))
    with pytest.raises(pytest.fail.Exception):
        recorder.record(item("test_c"), HOLDS)


@pytest.mark.parametrize("end", ["done", pytest.skip.Exception("left")])
def test_a_test_that_did_not_fail_is_failed_by_its_verdict(recorder: Recorder, end: object) -> None:
    one = item()
    recorder.record(one, FAILS)
    with pytest.raises(pytest.fail.Exception, match="claim 1: fails") as failed:
        ended(recorder.pytest_runtest_call(one), end)
    assert not failed.value.pytrace


def test_what_a_test_did_by_itself_stays(recorder: Recorder) -> None:
    one, good = item(), item("test_b")
    recorder.record(one, FAILS)
    with pytest.raises(KeyError):
        ended(recorder.pytest_runtest_call(one), KeyError("its own"))
    assert ended(recorder.pytest_runtest_call(good), "done") == "done"
    with pytest.raises(pytest.skip.Exception):
        ended(recorder.pytest_runtest_call(good), pytest.skip.Exception("left"))


def test_a_claim_that_cannot_run_says_so_first(recorder: Recorder) -> None:
    one = item()
    recorder.record(one, CANNOT)
    with pytest.raises(pytest.fail.Exception, match=r"^cannot run: HIVE_METASTORE_ERROR: refused"):
        ended(recorder.pytest_runtest_call(one), None)


@pytest.mark.parametrize(
    ("when", "error", "verdicts", "reason"),
    [
        ("setup", DOWN, [], "kafka died"),
        ("call", DOWN, [], "kafka died"),
        ("call", CRASH, [], "the query failed with HIVE_METASTORE_ERROR: refused"),
        ("call", REFUSED, [], ""),
        ("setup", BadDeclaration("no catalog"), [], "no catalog"),
        ("call", BadDeclaration("a claim of one's own"), [], ""),
        ("setup", ComponentFailed("api", DOWN), [], ""),
        ("call", AssertionError("no"), [], ""),
        ("setup", OSError("of a fixture"), [], ""),
        (
            "setup",
            pytest.fail.Exception("stage hdfs: cannot run: it is full\nmore"),
            [],
            "it is full",
        ),
        ("call", pytest.fail.Exception("stage hdfs: cannot run: no"), [], ""),
        ("call", AssertionError("no"), [CANNOT], "HIVE_METASTORE_ERROR: refused"),
        ("call", DOWN, [FAILS], ""),
        ("call", AssertionError("no"), [HOLDS], ""),
    ],
)
def test_infrastructure_that_was_in_the_way_is_the_reason(
    recorder: Recorder, when: Any, error: BaseException, verdicts: list[Verdict], reason: str
) -> None:
    one = item("test_a", "sluice_check")
    for verdict in verdicts:
        recorder.record(one, verdict)
    call: Any = SimpleNamespace(when=when, excinfo=SimpleNamespace(value=error))
    made = ended(recorder.pytest_runtest_makereport(one, call), report(when, "failed"))
    assert made.user_properties == ([(CANNOT_RUN, reason)] if reason else [])


def test_what_keeps_other_tests_is_no_reason(recorder: Recorder) -> None:
    call: Any = SimpleNamespace(when="setup", excinfo=SimpleNamespace(value=DOWN))
    one = item("test_a", "sluice_kafka")
    made = ended(recorder.pytest_runtest_makereport(one, call), report("setup", "failed"))
    assert made.user_properties == []


def test_a_test_that_could_not_run_is_shown_as_an_error(recorder: Recorder) -> None:
    hindered = report("call", "failed", (CANNOT_RUN, "kafka died"))
    assert recorder.pytest_report_teststatus(hindered) == ("error", "E", "ERROR")
    for other in (
        report("call", "failed"),
        report("setup", "failed", (CANNOT_RUN, "kafka died")),
        report("call", "passed", (CANNOT_RUN, "of an earlier run")),
    ):
        assert recorder.pytest_report_teststatus(other) is None


def test_the_selection_tells_what_was_asked_and_left_out(recorder: Recorder) -> None:
    recorder.expect([("sluice_kafka",), ()])
    assert recorder.selection == Selection()
    recorder.expect([("sluice_kafka",), ("tmp_path", "sluice_record")])
    recorder.pytest_deselected([item(), item()])
    with pytest.raises(SluiceError):
        recorder.watched(_down)()
    assert recorder.selection == Selection(asks=True, deselected=2, stopped="kafka died")


def test_a_worker_tells_its_selection(recorder: Recorder) -> None:
    worker = SimpleNamespace(config=SimpleNamespace(workeroutput={}))
    recorder.pytest_sessionfinish(cast("pytest.Session", worker))
    assert worker.config.workeroutput == {"sluice_selection": Selection().as_json()}
    alone = SimpleNamespace(config=SimpleNamespace())
    recorder.pytest_sessionfinish(cast("pytest.Session", alone))


def test_reports_are_entered_into_the_book() -> None:
    book = Book(["1", "2"])
    take_report(book, report("call", "passed", (PROPERTY, FAILS.as_json()), (CANNOT_RUN, "x")))
    assert [each.outcome for each in book.verdicts] == ["fails"]
    take_report(book, report("setup", "passed"))
    assert book.verdicts == []
    take_report(book, report("setup", "failed", (CANNOT_RUN, "kafka died")))
    book.close([Selection(asks=True)], whole=True, early=True)
    assert {each.reason for each in book.unanswered} == {"kafka died"}


def _down() -> None:
    raise DOWN
