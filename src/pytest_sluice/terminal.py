"""What a person sees: settings in the header, progress as it happens, claims at the end.

It reads events and recorded verdicts, nothing else.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from _pytest.terminal import TerminalReporter

from pytest_sluice.book import Book, Selection
from pytest_sluice.events import Event
from pytest_sluice.ledger import Landing
from pytest_sluice.recording import RECORDER, SELECTION, take_report
from pytest_sluice.session import Session
from pytest_sluice.telling import entry, sentence, tally
from pytest_sluice.verdicts import Verdict


class Lines:
    """Whole lines on the real stdout, past pytest's capture and between pytest's own lines.

    pytest writes the name of a test first and its result later, on the same line. A line told in
    between ends that name, and :meth:`resume` writes it again before the result.
    """

    def __init__(self, reporter: TerminalReporter, out: IO[str]) -> None:
        self._reporter = reporter
        self._out = out
        self._interrupted: object = None

    def tell(self, line: str) -> None:
        """Write a line of its own."""
        unfinished = self._reporter.currentfspath
        if unfinished is not None:
            self._interrupted = unfinished
            self._reporter.currentfspath = None
        self._out.write(f"\n{line}\n" if unfinished is not None else f"{line}\n")
        self._out.flush()

    def resume(self) -> None:
        """Write again what pytest had written of its line when it was interrupted."""
        unfinished, self._interrupted = self._interrupted, None
        if isinstance(unfinished, Path):
            # The empty line tells pytest, which counts the columns, that a new line has begun.
            self._reporter.write(f"\n{os.path.relpath(unfinished, self._reporter.startpath)} ")
            self._reporter.currentfspath = unfinished
        elif isinstance(unfinished, str):
            self._reporter.write(unfinished)
            self._reporter.currentfspath = unfinished

    def close(self) -> None:
        """Tell nothing more."""
        self._out.close()


class Narrator:
    """Tells of one session on the terminal: nothing with ``-q``."""

    def __init__(self, config: pytest.Config, session: Session, book: Book) -> None:
        self._config = config
        self._session = session
        self._book = book
        self._selections: list[Selection] = []
        self._landing: Landing | None = None
        self._lines: Lines | None = None
        self._began: float | None = None

    def pytest_report_header(self) -> str:
        """The settings, each with its source."""
        return f"sluice: {self._session.settings.text()}"

    def pytest_collection_finish(self) -> None:
        """Follow the events from here on, where any test has a pipeline to follow."""
        if self._config.option.collectonly or not self._session.has_pipeline:
            return
        if self._config.get_verbosity() >= 0:
            self._lines = _lines(self._config)
        self._session.follow(self._take)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take up the verdicts of a test, from wherever it ran."""
        if self._lines and (report.when == "call" or not report.passed):
            self._lines.resume()
        take_report(self._book, report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take up what an xdist worker says of its selection; one that crashed says nothing."""
        if said := (getattr(node, "workeroutput", None) or {}).get(SELECTION):
            self._selections.append(Selection.from_json(said))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell nothing of what breaks while all comes down; write the claims.

        A claim with two answers, with none, or with one that is not as expected is red.
        """
        if self._lines:
            lines, self._lines = self._lines, None
            lines.close()
        self._landing = self._landing or self._session.landing_so_far()
        self._close_book(session)
        path = self._session.settings["claims"]
        if path and (self._book.verdicts or self._session.used):
            _write_claims(self._config.rootpath / path, self._book.verdicts, self._landing)

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """The claims with verdicts and figures, the ledger where they differ, and the logs.

        With ``-q`` only the claims of which no test tells that they are red.
        """
        quiet = self._config.get_verbosity() < 0
        verdicts = self._book.unanswered if quiet else self._book.verdicts
        if verdicts or self._book.doubles:
            terminalreporter.write_sep("=", "claims of the report")
        for verdict in verdicts:
            self._tell(terminalreporter, verdict)
        for double in self._book.doubles:
            terminalreporter.write_line(double, red=True)
        if quiet:
            return
        if verdicts:
            terminalreporter.write_line(tally(verdicts))
        if self._landing and not (self._landing.landed and self._book.is_well):
            terminalreporter.write_sep("=", "how far the run came")
            terminalreporter.write_line(self._landing.story())
        for unseen in self._landing.unjudged if self._landing else ():
            terminalreporter.write_line(f"sluice: not judged: {unseen}")
        if self._session.used:
            terminalreporter.write_line(f"sluice: logs and events are in {self._place()}")

    def _tell(self, reporter: TerminalReporter, verdict: Verdict) -> None:
        head, *figures = entry(verdict, self._config.get_terminal_writer().fullwidth)
        marks = {} if verdict.as_expected else {"red": True}
        reporter.write_line(head, **marks)
        reporter.write_line("\n".join(figures))

    def _close_book(self, session: pytest.Session) -> None:
        selections = [self._config.stash[RECORDER].selection, *self._selections]
        ended = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        early = bool(not ended or session.shouldstop or session.shouldfail)
        self._book.close(selections, _is_whole(self._config), early)
        if session.exitstatus == pytest.ExitCode.OK and not self._book.is_well:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _place(self) -> Path:
        directory, root = self._session.directory, self._config.rootpath
        return directory.relative_to(root) if directory.is_relative_to(root) else directory

    def _take(self, event: Event) -> None:
        self._began = self._began or event["at"]
        if event["kind"] == "landing" and event["run"] == 1:
            self._landing = Landing.from_json(event["landing"])
        lines = self._lines
        if lines and (line := sentence(event)):
            lines.tell(f"sluice {event['at'] - self._began:6.1f} s  {line}")


def _is_whole(config: pytest.Config) -> bool:
    """Whether the command line names whole folders, and nothing that leaves tests out of them.

    What options deselect after collection is counted by the process that collects.
    """
    if any(config.getoption(option, None) for option in ("lf", "ignore", "ignore_glob")):
        return False
    there = config.invocation_params.dir
    chosen = config.args_source is config.ArgsSource.ARGS
    return not chosen or all((there / argument).is_dir() for argument in config.args)


def _lines(config: pytest.Config) -> Lines | None:
    """Lines on the real stdout, which is captured while tests run; None where there is none."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    try:
        out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    except OSError:  # pytest runs within a program that has put something else in its place
        return None
    return Lines(reporter, out) if reporter else None


def _write_claims(path: Path, verdicts: Sequence[Verdict], landing: Landing | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = {
        "claims": [verdict.as_json() for verdict in verdicts],
        "landing": landing.as_json() if landing else None,
    }
    path.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
