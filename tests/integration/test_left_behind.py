"""A session whose cluster could not undo everything is red; later ones try again, and say so."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

CONFTEST = """
from pytest_sluice import Pipeline, Topic

def pytest_sluice_pipeline(config):
    return Pipeline(topic=Topic("clicks"))
"""
# It starts no service: the supervisor alone.
TEST = """
def test_it(sluice_session):
    sluice_session.cluster.undo("the thing", ["/bin/sh", "-c", "test -e FLAG"])

def test_nothing(sluice_session):
    assert sluice_session.cluster.directory.exists()

def test_topic(sluice_topic):
    pass
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files, with a path short enough for a supervisor's socket."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def run(
    folder: Path, temporary: Path, test: str, *options: str
) -> "subprocess.CompletedProcess[str]":
    """Run one of the tests, in a session of its own."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, f"test_it.py::{test}", *options],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def write_project(folder: Path, flag: Path) -> None:
    """A pipeline that is a topic, and tests of it."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(TEST.replace("FLAG", str(flag)))


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_place_for_logs_that_cannot_be_written_ends_the_session_at_once(
    tmp_path: Path, temporary: Path, options: tuple[str, ...]
) -> None:
    write_project(tmp_path, tmp_path / "flag")
    place = "--sluice-directory=pytest.ini/logs"
    done = run(tmp_path, temporary, "test_topic", place, *options)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert f"cannot be written below {tmp_path}/pytest.ini/logs" in done.stderr
    assert "--sluice-directory=PATH" in done.stderr
    assert "INTERNALERROR" not in done.stdout
    assert not list(temporary.glob("sluice-*"))


def test_an_undo_that_fails_is_red_and_tried_until_it_succeeds(
    tmp_path: Path, temporary: Path
) -> None:
    flag = tmp_path / "flag"
    write_project(tmp_path, flag)
    first = run(tmp_path, temporary, "test_it")
    assert first.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 passed" in first.stdout
    (kept,) = temporary.glob("sluice-*")
    command = f"`/bin/sh -c 'test -e {flag}'` ended with 1"
    assert f"sluice: not undone: the thing: {command}; every session tries again" in first.stdout
    assert str(kept) in first.stdout

    second = run(tmp_path, temporary, "test_nothing")
    assert second.returncode == 0, second.stdout
    assert f"not swept: the thing: {command}" in second.stdout
    assert list(temporary.glob("sluice-*")) == [kept]

    flag.touch()
    third = run(tmp_path, temporary, "test_nothing")
    assert third.returncode == 0, third.stdout
    assert f"swept what a killed session left: {kept.name}: 0 processes killed" in third.stdout
    assert not list(temporary.glob("sluice-*"))
