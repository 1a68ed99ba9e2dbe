"""A pytest session that a tool ends as it likes, and what of it is still there."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from pytest_sluice.backends.compose import label_of
from pytest_sluice.backends.containers import docker_name_of
from pytest_sluice.backends.engine import discard, left
from pytest_sluice.children import kill_marked
from pytest_sluice.protocol import MARK, PREFIX

ROOT = Path(__file__).resolve().parents[1]
CHILD = ROOT / "tests" / "e2e" / "child_session.py"


class Child:
    """Brings up Kafka, HDFS and the API, tells that they are ready, and waits for word to end.

    Everything that it makes can be told from what others make: its temporary files have a folder
    of their own, in which its clusters are, and after these all the rest is named.
    """

    def __init__(self, options: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cycle-", ignore_cleanup_errors=True)
        self._temporary = self._path("tmp")
        self._temporary.mkdir()
        self._clusters: set[Path] = set()
        command = [sys.executable, "-m", "pytest", str(CHILD), "-p", "no:cacheprovider"]
        places = {"CHILD_SESSION": self._folder.name, "TMPDIR": str(self._temporary)}
        with self._path("output.txt").open("wb") as output:
            self.process = subprocess.Popen(
                [*command, *options, f"--sluice-directory={self._path('logs')}"],
                cwd=ROOT,
                env={**os.environ, **places},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def is_ready(self) -> bool:
        """Whether its test has begun."""
        return self._path("told.json").exists()

    def let_end(self) -> None:
        """Give the word."""
        self._path("end").touch()

    def output(self) -> str:
        """What it has printed."""
        return self._path("output.txt").read_text("utf-8", "replace")

    def labels(self) -> list[str]:
        """What everything carries that its clusters have on the engine."""
        return [label_of(docker_name_of(cluster)) for cluster in sorted(self._clusters)]

    def notice(self) -> None:
        """See what its clusters are called; to be called all the while that it runs."""
        self._clusters |= set(self._temporary.glob(f"{PREFIX}*"))

    def look(self) -> list[str]:
        """What is there of it now, in words: files, processes, and what the engine has."""
        self.notice()
        return [
            *(f"file {path.name}" for path in self._temporary.iterdir()),
            *(f"process {each.pid} {_words(each)}" for each in self._processes()),
            *(thing for label in self.labels() for thing in left(label)),
        ]

    def clear(self) -> None:
        """Remove all of it, so that a tool that is ended half-way leaves nothing either."""
        self.process.kill()
        self.process.wait()
        self.notice()
        for cluster in self._clusters:
            kill_marked(str(cluster))
        for process in self._processes():
            with suppress(psutil.Error):
                process.kill()
        for label in self.labels():
            discard(label)
        self._folder.cleanup()

    def _path(self, name: str) -> Path:
        return Path(self._folder.name) / name

    def _processes(self) -> Iterator[psutil.Process]:
        """Supervisors, which have a cluster's directory as an argument, and what is marked."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                mark = process.environ().get(MARK, "")
                if any(self._is_of(word) for word in (mark, *process.cmdline())):
                    yield process

    def _is_of(self, word: str) -> bool:
        return word.startswith(f"{self._temporary}/")


def _words(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())[:100]
    return "(gone by now)"
