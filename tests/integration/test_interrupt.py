"""Ctrl-C: a session that is interrupted ends by itself, and its cluster with it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pytest_sluice.protocol import MARK
from pytest_sluice.waiting import Deadline, NotYet, wait_for

SECONDS = 15

CONFTEST = """
from pytest_sluice import Pipeline, Topic

def pytest_sluice_pipeline(config):
    return Pipeline(topic=Topic("clicks"))
"""
TEST = """
import pathlib, threading

def test_it(sluice_topic, sluice_hdfs):
    pathlib.Path("waits").touch()
    threading.Event().wait()
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files, with a path short enough for a supervisor's socket."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def heed_interrupts() -> None:
    """Undo what a shell does to its background jobs, and they to their children: ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def session(tmp_path: Path, temporary: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A pytest session over Kafka and HDFS whose only test waits for ever."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, preexec_fn=heed_interrupts
    ) as session:
        yield session
        session.kill()


def marked(temporary: Path) -> list[int]:
    """The processes of clusters that keep their files in the folder of temporary files."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK, "").startswith(str(temporary)):
                found.append(process.pid)
    return found


def reached(sight: Callable[[], object]) -> None:
    """Raise NotYet while there is nothing to be seen."""
    if not sight():
        raise NotYet("nothing is to be seen of it")


def test_while_services_start(session: "subprocess.Popen[bytes]", temporary: Path) -> None:
    wait_for("a service to start", lambda: reached(lambda: marked(temporary)), Deadline(60))
    interrupt(session, temporary)


def test_while_a_test_runs(
    session: "subprocess.Popen[bytes]", temporary: Path, tmp_path: Path
) -> None:
    wait_for("the test to wait", lambda: reached((tmp_path / "waits").exists), Deadline(60))
    assert len(marked(temporary)) >= 3
    assert list(temporary.glob("sluice-*"))
    interrupt(session, temporary)


def interrupt(session: "subprocess.Popen[bytes]", temporary: Path) -> None:
    """Press Ctrl-C: the session ends as interrupted, and nothing is left when it has."""
    session.send_signal(signal.SIGINT)
    assert session.wait(timeout=SECONDS) == pytest.ExitCode.INTERRUPTED
    assert marked(temporary) == []
    assert not list(temporary.glob("sluice-*"))
