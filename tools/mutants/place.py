"""A private copy of the tree in which mutants are run, and everything that such a run starts."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Event

import psutil

from pytest_sluice.protocol import MARK
from tools.mutants.levels import Level
from tools.mutants.mutant import Mutant
from tools.mutants.outcome import Outcome, failures_in, kind_of
from tools.mutants.tree import copy

# Short: sockets lie below it, and their paths may have 104 bytes.
PREFIX = "mut-"
LINES_KEPT = 25


class Stopped(Exception):
    """Someone asked for the end: the run that was under way says nothing."""


class Place:
    """One copy of the tree, with a folder for temporary files beside it.

    A mutant of the plugin may sweep, remove and kill wrongly. All that it runs has its temporary
    folder here, so it finds nobody else's clusters; and whatever it leaves is known by that.
    """

    def __init__(self, root: Path, names: Iterable[str], stopping: Event) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
        self.copy, self._temporary = self.folder / "c", self.folder / "t"
        self._pristine, self._stopping = self.folder / "p", stopping
        copy(root, names, self._pristine)

    def run(self, level: Level, limit: float, mutant: Mutant | None = None) -> Outcome:
        """Run the tests of a level on a fresh copy, with the mutant in it where there is one.

        It takes `limit` seconds at most. What it leaves behind is cleared away.
        """
        self._renew(mutant)
        report, output = self.folder / "junit.xml", self.folder / "output.txt"
        report.unlink(missing_ok=True)
        started = time.monotonic()
        try:
            code = self._wait(_command(level, report), level, output, limit)
        finally:
            self._clear()
        if self._stopping.is_set():
            raise Stopped
        seconds, failures = time.monotonic() - started, failures_in(report, level.stage)
        tail = "\n".join(output.read_text("utf-8", "replace").splitlines()[-LINES_KEPT:])
        return Outcome(level.name, kind_of(code, failures), round(seconds, 1), failures, tail)

    def remove(self) -> None:
        """End what still runs here and remove the folder."""
        self._clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _renew(self, mutant: Mutant | None) -> None:
        """Begin anew: what ran before may have changed or removed anything."""
        for folder in (self.copy, self._temporary):
            shutil.rmtree(folder, ignore_errors=True)
        self._temporary.mkdir()
        shutil.copytree(self._pristine, self.copy)
        if mutant:
            (self.copy / mutant.path).write_text(mutant.after, "utf-8")

    def _wait(self, command: list[str], level: Level, output: Path, limit: float) -> int | None:
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=self.copy,
                env=self._environment(level),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            return self._code(process, limit)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _code(self, process: subprocess.Popen[bytes], limit: float) -> int | None:
        end = time.monotonic() + limit
        while time.monotonic() < end and not self._stopping.is_set():
            with suppress(subprocess.TimeoutExpired):
                return process.wait(0.2)
        return None

    def _environment(self, level: Level) -> dict[str, str]:
        path = os.pathsep.join((str(self.copy / "src"), str(self.copy)))
        kept = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
        return {
            **kept,
            "PYTHONPATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",  # a mutant of the same size and second looks unchanged
            "TMPDIR": str(self._temporary),
            "SLUICE_TRIGGER": level.trigger,
        }

    def _clear(self) -> None:
        """End all processes that were started from here, those of other sessions too."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if self._is_mine(process):
                    process.kill()

    def _is_mine(self, process: psutil.Process) -> bool:
        if process.pid == os.getpid():
            return False
        environment = process.environ()
        told = (environment.get("TMPDIR", ""), environment.get(MARK, ""), *process.cmdline())
        return any(word.startswith(f"{self.folder}/") for word in told)


def _command(level: Level, report: Path) -> list[str]:
    options = ["-q", "-p", "no:cacheprovider", "-p", "tools.mutants.marks"]
    if not level.whole:
        options.append("-x")
    return [sys.executable, "-m", "pytest", *level.tests, *options, f"--junit-xml={report}"]
