"""What a person sees: settings in the header, progress as it happens, claims at the end.

It reads events and recorded verdicts, nothing else.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast

import pytest
from _pytest.terminal import TerminalReporter

from pytest_sluice.events import Event
from pytest_sluice.ledger import Landing
from pytest_sluice.session import Session
from pytest_sluice.telling import entry, sentence, tally
from pytest_sluice.verdicts import PROPERTY, Verdict


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

    def __init__(self, config: pytest.Config, session: Session) -> None:
        self._config = config
        self._session = session
        self._verdicts: dict[str, Verdict] = {}
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
        for name, value in report.user_properties:
            if name == PROPERTY:
                self._judge(Verdict.from_json(cast("dict[str, Any]", value)))

    def pytest_sessionfinish(self) -> None:
        """Tell nothing of what breaks while all comes down; write the claims."""
        if self._lines:
            lines, self._lines = self._lines, None
            lines.close()
        self._landing = self._landing or self._session.landing_so_far()
        path = self._session.settings["claims"]
        if path and (self._verdicts or self._session.used):
            _write_claims(self._config.rootpath / path, self._sorted(), self._landing)

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """The claims with verdicts and figures, the ledger where they differ, and the logs."""
        if self._config.get_verbosity() < 0:
            return
        if self._verdicts:
            terminalreporter.write_sep("=", "claims of the report")
            for verdict in self._sorted():
                head, *figures = entry(verdict, self._config.get_terminal_writer().fullwidth)
                marks = {} if verdict.as_expected else {"red": True}
                terminalreporter.write_line(head, **marks)
                terminalreporter.write_line("\n".join(figures))
            terminalreporter.write_line(tally(self._sorted()))
        if self._landing and not self._is_well(self._landing):
            terminalreporter.write_sep("=", "how far the run came")
            terminalreporter.write_line(self._landing.story())
        for unseen in self._landing.unjudged if self._landing else ():
            terminalreporter.write_line(f"sluice: not judged: {unseen}")
        if self._session.used:
            terminalreporter.write_line(f"sluice: logs and events are in {self._place()}")

    def _judge(self, verdict: Verdict) -> None:
        """Keep a verdict; of several on one claim, the one that is not as expected."""
        known = self._verdicts.get(verdict.id)
        if known is None or known.as_expected:
            self._verdicts[verdict.id] = verdict

    def _place(self) -> Path:
        directory, root = self._session.directory, self._config.rootpath
        return directory.relative_to(root) if directory.is_relative_to(root) else directory

    def _is_well(self, landing: Landing) -> bool:
        return landing.landed and all(verdict.as_expected for verdict in self._verdicts.values())

    def _sorted(self) -> list[Verdict]:
        return sorted(self._verdicts.values(), key=lambda verdict: (len(verdict.id), verdict.id))

    def _take(self, event: Event) -> None:
        self._began = self._began or event["at"]
        if event["kind"] == "landing" and event["run"] == 1:
            self._landing = Landing.from_json(event["landing"])
        lines = self._lines
        if lines and (line := sentence(event)):
            lines.tell(f"sluice {event['at'] - self._began:6.1f} s  {line}")


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
