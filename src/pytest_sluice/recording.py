"""Verdicts with teeth, in the process that runs the tests.

A verdict that is not as expected fails its test, whether the test asserts it or not; two answers
to one claim are an error; a test that infrastructure kept from its claim is an error, no failure.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, cast

import pytest

from pytest_sluice.book import Book, Selection
from pytest_sluice.errors import BadDeclaration, SluiceError
from pytest_sluice.flow.run import ComponentFailed
from pytest_sluice.verdicts import PROPERTY, Verdict

# The property of a report that has the reason for which its test could not answer.
CANNOT_RUN = "sluice_cannot_run"
# Where a worker tells its controller about its selection.
SELECTION = "sluice_selection"
ASKING = frozenset({"sluice_check", "sluice_record", "sluice_landing"})


class Recorder:
    """Records the verdicts of tests, and sees to it that none goes unnoticed."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._asks = False
        self._deselected = 0
        self._stopped = ""

    @property
    def selection(self) -> Selection:
        """What is known of the tests that this process ran."""
        return Selection(self._asks, self._deselected, self._stopped)

    def begin(self, item: pytest.Item) -> None:
        """Forget what an earlier run of a test recorded."""
        self._owners = {id: test for id, test in self._owners.items() if test != item.nodeid}
        item.user_properties[:] = [each for each in item.user_properties if each[0] != PROPERTY]

    def record(self, item: pytest.Item, verdict: Verdict) -> Verdict:
        """Put a verdict among the properties of its test; a second one of a claim fails it."""
        owner = self._owners.setdefault(verdict.id, item.nodeid)
        if owner != item.nodeid or any(known.id == verdict.id for known in verdicts_of(item)):
            twice = f"by {owner} and by {item.nodeid}" if owner != item.nodeid else f"by {owner}"
            pytest.fail(f"claim {verdict.id} is answered twice: {twice}", pytrace=False)
        item.user_properties.append((PROPERTY, verdict.as_json()))
        return verdict

    def expect(self, asked: Iterable[Sequence[str]]) -> None:
        """Take note of the fixtures for which the tests ask that will run."""
        self._asks = any(not ASKING.isdisjoint(names) for names in asked)

    def watched(self, start: Callable[[], None]) -> Callable[[], None]:
        """The same act; where it fails no test runs, and that is the reason."""

        def act() -> None:
            try:
                start()
            except SluiceError as error:
                self._stopped = error.cause
                raise

        return act

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count the tests that were left out."""
        self._deselected += len(items)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Fail a test that did not fail by itself and has a verdict that is not as expected."""
        __tracebackhide__ = True
        try:
            result = yield
        except pytest.skip.Exception:
            _require_expected(item)
            raise
        _require_expected(item)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: "pytest.CallInfo[None]"
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Say in the report that infrastructure was in the way of a claim."""
        report = yield
        if (
            report.failed
            and call.excinfo
            and (reason := _hindrance(item, call.excinfo.value, call))
        ):
            report.user_properties.append((CANNOT_RUN, reason))
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Show a test that could not run as an error, no failure."""
        if report.when == "call" and report.failed and CANNOT_RUN in dict(report.user_properties):
            return "error", "E", "ERROR"
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the controller, if there is one, which tests ran here."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[SELECTION] = self.selection.as_json()


RECORDER = pytest.StashKey[Recorder]()


def take_report(book: Book, report: pytest.TestReport) -> None:
    """Enter into the book what a report says of claims."""
    if report.when == "setup":
        book.begin(report.nodeid)
    for verdict in _verdicts(report.user_properties):
        book.take(report.nodeid, verdict)
    if reason := dict(report.user_properties).get(CANNOT_RUN):
        book.hinder(report.nodeid, str(reason))


def verdicts_of(item: pytest.Item) -> list[Verdict]:
    """The verdicts that a test has recorded so far."""
    return _verdicts(item.user_properties)


def _verdicts(properties: Iterable[tuple[str, object]]) -> list[Verdict]:
    found = [value for name, value in properties if name == PROPERTY]
    return [Verdict.from_json(cast("dict[str, Any]", value)) for value in found]


def _require_expected(item: pytest.Item) -> None:
    odd = [verdict for verdict in verdicts_of(item) if not verdict.as_expected]
    if odd:
        pytest.fail("\n\n".join(map(_told, odd)), pytrace=False)


def _told(verdict: Verdict) -> str:
    if verdict.outcome == "cannot run":
        return f"cannot run: {verdict.reason}\n{verdict.text()}"
    return verdict.text()


def _hindrance(item: pytest.Item, error: BaseException, call: "pytest.CallInfo[None]") -> str:
    """The reason for which infrastructure made a test of a claim fail; empty if it did not."""
    odd = [verdict for verdict in verdicts_of(item) if not verdict.as_expected]
    if odd:
        cannot = all(verdict.outcome == "cannot run" for verdict in odd)
        return odd[0].reason if cannot else ""
    if ASKING.isdisjoint(getattr(item, "fixturenames", ())):
        return ""
    if isinstance(error, pytest.fail.Exception) and call.when == "setup":
        return str(error).partition("cannot run: ")[2].partition("\n")[0]  # a landing that stopped
    if not isinstance(error, SluiceError):
        return ""
    of_the_code = isinstance(error, ComponentFailed) or getattr(error, "misfit", False)
    of_the_test = call.when != "setup" and isinstance(error, BadDeclaration)
    return "" if of_the_code or of_the_test else error.cause
