"""End-to-end sessions as a person starts them: whole, cold, with a trigger of one second."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pytest_sluice.events import Event, read_events
from pytest_sluice.protocol import JOURNAL, PREFIX

HERE = Path(__file__).parent.parent
COMMAND = (sys.executable, "-m", "pytest", "tests/e2e", "--sluice-trigger=1 second")
CLAIMS = "tests.e2e.test_report_"
SERVICES = frozenset({"kafka", "hdfs", "metastore", "presto-server"})


class Session:
    """One session as a process, for as long as the block; what it writes is in ``folder``."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self.junit, self.claims = folder / "junit.xml", folder / "claims.json"
        self._logs, self._output = folder / "logs", folder / "output.txt"
        # Of its own, so that its cluster can be told from others; short, since a socket is in it.
        self._temporary = tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)
        files = (f"--junit-xml={self.junit}", f"--sluice-claims={self.claims}")
        with self._output.open("wb") as output:
            self.started = time.time()
            self.process = subprocess.Popen(
                [*COMMAND, *files, f"--sluice-directory={self._logs}", *options],
                cwd=HERE,
                env={**os.environ, "TMPDIR": self._temporary.name},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> "Session":
        """The session, which runs."""
        return self

    def __exit__(self, *_raised: object) -> None:
        """End it, if it still runs: its supervisor takes everything down."""
        self.process.terminate()
        self.process.wait()
        self._temporary.cleanup()

    @property
    def cluster(self) -> Path | None:
        """The directory of its cluster; None before there is one, and after."""
        found = Path(self._temporary.name).glob(f"{PREFIX}*/{JOURNAL}")
        return next((journal.parent for journal in found), None)

    def output(self) -> str:
        """What it has printed."""
        return self._output.read_text("utf-8", "replace")

    def seconds(self) -> dict[str, float]:
        """From its start to the services ready, the landing, the last claim, and the end.

        To be asked at its end. Raises StopIteration or OSError where it did not get so far.
        """
        whole = time.time() - self.started
        events = list(read_events(journal_of(self._logs)))
        return {
            "ready_s": ready_at(events) - self.started,
            "landing_s": landed_at(events) - self.started,
            "claims_s": last_claim_at(self.junit) - self.started,
            "whole_s": whole,
        }

    def judged(self) -> list[dict[str, Any]]:
        """Its claims, as --sluice-claims writes them."""
        claims: list[dict[str, Any]] = json.loads(self.claims.read_text("utf-8"))["claims"]
        return claims


def journal_of(logs: Path) -> Path:
    """The events of the only session whose logs are in a folder."""
    return next(logs.glob("*/events.jsonl"))


def ready_at(events: Sequence[Event]) -> float:
    """When the last of the services was ready for the first time, in seconds since the epoch."""
    return max(
        next(at(event) for event in events if is_ready(event, service)) for service in SERVICES
    )


def landed_at(events: Sequence[Event]) -> float:
    """When the traffic of the shared run had landed, in seconds since the epoch."""
    return next(at(event) for event in events if event["kind"] == "landing" and event["run"] == 1)


def last_claim_at(junit: Path) -> float:
    """When the last claim on the report's tables was judged, in seconds since the epoch."""
    return max(end for name, end in _ends(junit) if name.startswith(CLAIMS))


def is_ready(event: Event, node: str) -> bool:
    """Whether this tells that a node of the graph is ready."""
    return (event["kind"], event.get("name"), event.get("state")) == ("node", node, "ready")


def at(event: Event) -> float:
    """When it was, in seconds since the epoch."""
    return float(event["at"])


def _ends(junit: Path) -> Iterator[tuple[str, float]]:
    """The module of every test, and when it ended: they ran one after the other."""
    (suite,) = ElementTree.parse(junit).iter("testsuite")
    now = datetime.fromisoformat(suite.attrib["timestamp"]).timestamp()
    for case in suite.iter("testcase"):
        now += float(case.attrib["time"])
        yield case.attrib["classname"], now
