"""The private copy in which mutants run: what is left of a run is ended, and the copy goes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import psutil
import pytest

from pytest_sluice.waiting import Deadline, NotYet, wait_for
from tools.mutants.levels import Level
from tools.mutants.mutant import Mutant
from tools.mutants.place import Place, Stopped
from tools.mutants.tree import ROOT, copy

TOOL = ["tools/mutants/__init__.py", "tools/mutants/marks.py"]
LEVEL = Level("own", ("tests",))
TESTS = """
import subprocess, sys
import pytest
from own import ANSWER

@pytest.mark.hive
def test_answer():
    assert ANSWER == 42

def test_leaves_a_process_in_a_session_of_its_own():
    # It waits for input that never comes.
    left = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    )
    assert left.poll() is None
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with one module and its tests."""
    root = tmp_path / "tree"
    copy(ROOT, TOOL, root)
    (root / "tests").mkdir()
    (root / "own.py").write_text("ANSWER = 42\n")
    (root / "tests/test_own.py").write_text(TESTS)
    return root


@pytest.fixture
def stopping() -> Event:
    """Return what asks for the end."""
    return Event()


@pytest.fixture
def place(tree: Path, stopping: Event) -> Iterator[Place]:
    """Return a place with a copy of that tree."""
    names = [path.relative_to(tree).as_posix() for path in tree.rglob("*.py")]
    place = Place(tree, names, stopping)
    yield place
    place.remove()
    assert not place.folder.exists()


def of(place: Place) -> list[int]:
    """The processes whose temporary files would be in a place."""
    found = []
    for process in psutil.process_iter(["environ"]):
        if str(place.folder) in (process.info["environ"] or {}).get("TMPDIR", ""):
            found.append(process.pid)
    return found


def test_a_mutant_is_run_in_the_copy_and_the_tree_stays_as_it_is(place: Place, tree: Path) -> None:
    wrong = Mutant("m", "pipeline", "own.py", "ANSWER = 42\n", "ANSWER = 41\n", ("own",), "hive")
    assert place.run(LEVEL, 60).kind == "green"
    outcome = place.run(LEVEL, 60, wrong)
    assert (outcome.kind, outcome.stage) == ("red", "hive")
    assert outcome.failures[0].test.endswith("::test_answer")
    assert "assert 41 == 42" in outcome.tail
    assert (tree / "own.py").read_text() == "ANSWER = 42\n"
    assert place.run(LEVEL, 60).kind == "green"


def test_what_a_run_leaves_is_ended(place: Place) -> None:
    assert place.run(LEVEL, 60).kind == "green"
    wait_for("the process that was left to be gone", lambda: nothing_of(place), Deadline(10))


def nothing_of(place: Place) -> None:
    if left := of(place):
        raise NotYet(f"processes {left}")


def test_a_run_that_hangs_is_late(place: Place) -> None:
    hangs = "import subprocess\ndef test_hangs():\n    subprocess.Popen(['cat'], stdin=-1).wait()\n"
    mutant = Mutant("m", "plugin", "tests/test_own.py", TESTS, hangs, ("own",))
    assert place.run(LEVEL, 5, mutant).kind == "late"
    wait_for("all of it to be gone", lambda: nothing_of(place), Deadline(10))


def test_what_a_run_changed_or_removed_is_there_again(place: Place) -> None:
    removes = "import shutil\ndef test_removes():\n    shutil.rmtree('tools')\n"
    mutant = Mutant("m", "plugin", "tests/test_own.py", TESTS, removes, ("own",))
    assert place.run(LEVEL, 60, mutant).kind == "green"
    assert place.run(LEVEL, 60).kind == "green"


def test_a_run_that_someone_stops_says_nothing(place: Place, stopping: Event) -> None:
    stopping.set()
    with pytest.raises(Stopped):
        place.run(LEVEL, 60)


def test_by_sigterm_the_tool_ends_and_removes_its_copies(tmp_path: Path) -> None:
    temporary, output = tmp_path / "t", tmp_path / "output.txt"
    temporary.mkdir()
    options = ["--light", "--only=*", f"--json={tmp_path / 'mutants.json'}"]
    with output.open("wb") as file:
        tool = subprocess.Popen(
            [sys.executable, "-m", "tools.mutants", *options],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )

    def judged() -> None:
        if "1 of " not in output.read_text():
            raise NotYet(output.read_text())

    try:
        wait_for("a first mutant to be judged", judged, Deadline(120))
        assert len(list(temporary.glob("mut-*"))) == 2
        tool.send_signal(signal.SIGTERM)
        assert tool.wait(30) == 130
    finally:
        tool.kill()
        tool.wait()
    assert "the same call goes on from here" in output.read_text()
    assert list(temporary.iterdir()) == []
