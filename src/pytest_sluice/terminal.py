"""What a person sees: settings in the header, progress as it happens, claims at the end.

It reads events and recorded verdicts, nothing else.
"""

import json
import os
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from pytest_sluice.events import Event
from pytest_sluice.fixtures import VERDICT
from pytest_sluice.session import Session
from pytest_sluice.verdicts import Verdict


class Narrator:
    """Tells of one session on the terminal. Progress goes past pytest's capture."""

    def __init__(self, config: pytest.Config, session: Session) -> None:
        self._config = config
        self._session = session
        self._verdicts: dict[str, Verdict] = {}
        self._out: IO[str] | None = None

    def pytest_report_header(self) -> str:
        """The settings, each with its source."""
        return f"sluice: {self._session.settings.text()}"

    def pytest_sessionstart(self) -> None:
        """Keep the real stdout, which is captured while tests run."""
        if self._config.get_verbosity() >= 0 and not self._config.option.collectonly:
            self._out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Follow the events from here on, where any test has a pipeline to follow."""
        if self._out and self._session.has_pipeline:
            self._session.follow(self._tell)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take up the verdicts of a test, from wherever it ran."""
        for name, value in report.user_properties:
            if name == VERDICT:
                verdict = Verdict.from_json(value)
                self._verdicts[verdict.id] = verdict

    def pytest_sessionfinish(self) -> None:
        """Write the claims where the settings say."""
        path = self._session.settings["claims"]
        if path and self._verdicts:
            _write_claims(self._config.rootpath / path, self._sorted())

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The claims, a line each, and where the logs are."""
        if self._verdicts:
            terminalreporter.section("claims of the report")
            for verdict in self._sorted():
                terminalreporter.write_line(_line(verdict))
        if self._session.used:
            terminalreporter.write_line(f"sluice: logs and events are in {self._session.directory}")

    def _sorted(self) -> list[Verdict]:
        return sorted(self._verdicts.values(), key=lambda verdict: (len(verdict.id), verdict.id))

    def _tell(self, event: Event) -> None:
        if self._out and (line := sentence(event)):
            self._out.write(f"\nsluice: {line}")
            self._out.flush()


def sentence(event: Event) -> str:
    """One line for an event, or nothing for one that a person need not see."""
    match event:
        case {"kind": "node", "state": "ready", "name": name, "seconds": seconds}:
            return f"{name} ready in {seconds:.1f} s"
        case {"kind": "node", "state": "failed", "name": name, "reason": reason}:
            return f"{name} failed: {reason.splitlines()[0]}"
        case {"kind": "waiting", "what": what, "due_at": due, "interval": interval}:
            return f"waiting for {what}; the next trigger (every {interval}) is due at {due}"
        case {"kind": "traffic", "requests": requests, "bursts": bursts}:
            return f"sending {requests} requests in {bursts} bursts"
        case {"kind": "swept", "what": what}:
            return f"swept what a killed session left: {what}"
        case _:
            return ""


def _line(verdict: Verdict) -> str:
    mark = "ok " if verdict.as_expected else "NOT"
    return f"{mark} {verdict.id:>3}  {verdict.outcome:<22} {verdict.statement.splitlines()[0]}"


def _write_claims(path: Path, verdicts: list[Verdict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    claims = [verdict.as_json() for verdict in verdicts]
    path.write_text(json.dumps({"claims": claims}, indent=2) + "\n", encoding="utf-8")
