"""Two users of one machine share the folder of temporary files: nobody touches the other's things.

As root both are real. Who is not root cannot become somebody else, but can be taken for somebody
else by what is looked at: then the sweep asks who it is, and hears another number.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sluice.burial import sweep
from pytest_sluice.protocol import JOURNAL

NOBODY = 65534


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder as /tmp is."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


def plant(shared: Path) -> None:
    """Put there what a user may have there: a dead cluster, a link to a journal, and a loop."""
    dead = shared / "sluice-dead"
    dead.mkdir(mode=0o700)
    undo = ["/bin/sh", "-c", f"echo ran >> {shared}/proof"]
    for folder in (dead, shared):
        (folder / JOURNAL).write_text(json.dumps({"made": "it", "undo": undo}) + "\n")
        (folder / JOURNAL).chmod(0o666)
    (shared / "sluice-up").symlink_to(shared)
    (shared / "sluice-loop").symlink_to("sluice-loop")


def content(folder: Path) -> dict[str, tuple[int, int]]:
    """What is there: owner and time of the last change, by path."""
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {str(path): (each.st_uid, each.st_mtime_ns) for path, each in found.items()}


def test_nothing_of_another_user_is_touched_or_run(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(shared)
    if os.getuid() == 0:
        for path in shared.rglob("*"):
            os.lchown(path, NOBODY, NOBODY)
    else:
        monkeypatch.setattr(os, "getuid", lambda: NOBODY)
    before = content(shared)
    assert len(before) == 5
    swept = sweep([shared])
    assert content(shared) == before
    assert swept.buried == []
    assert swept.left == [
        f"{shared}/sluice-loop is a link: it is left alone",
        f"{shared}/sluice-up is a link: it is left alone",
    ]


def test_who_owns_it_sweeps_it(shared: Path) -> None:
    plant(shared)
    swept = sweep([shared])
    assert swept.buried == ["sluice-dead: 0 processes killed, directory removed"]
    assert len(swept.left) == 2
    assert (shared / "proof").read_text() == "ran\n"
    assert json.loads((shared / JOURNAL).read_text())["made"] == "it"
