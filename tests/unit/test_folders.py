"""The folders of sessions: old ones go, and nothing that somebody else has made."""

import os
import re
from pathlib import Path

import psutil
import pytest

from pytest_sluice.errors import SluiceError
from pytest_sluice.folders import MARKER, is_session_folder, session_folder

# No process has these numbers: the kernel's go to 4,194,304.
ENDED = [f"20260101-00000{n}-999999{n}" for n in range(5)]


def session(parent: Path, name: str) -> Path:
    """A folder as a session has made it."""
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / MARKER).touch()
    (folder / "events.jsonl").touch()
    return folder


def names(parent: Path) -> list[str]:
    """What is there."""
    return sorted(path.name for path in parent.iterdir())


def test_it_bears_the_time_the_process_and_the_marker(tmp_path: Path) -> None:
    folder = session_folder(tmp_path / "deep" / "down")
    assert re.fullmatch(rf"\d{{8}}-\d{{6}}-{os.getpid()}", folder.name)
    assert folder.parent == tmp_path / "deep" / "down"
    assert "pytest-sluice made this folder" in (folder / MARKER).read_text()
    assert is_session_folder(folder)


def test_three_old_ones_are_kept(tmp_path: Path) -> None:
    for name in reversed(ENDED):
        session(tmp_path, name)
    folder = session_folder(tmp_path)
    assert names(tmp_path) == [*ENDED[2:], folder.name]


def test_that_of_a_session_that_runs_is_kept_and_not_counted(tmp_path: Path) -> None:
    own = session(tmp_path, f"20250101-000000-{os.getpid()}")
    for name in ENDED:
        session(tmp_path, name)
    session_folder(tmp_path)
    assert own.exists()
    assert not (tmp_path / ENDED[1]).exists()
    assert (tmp_path / ENDED[2]).exists()


def test_everything_else_is_left_alone(tmp_path: Path) -> None:
    for name in ENDED:
        session(tmp_path, name)
    foreign = [".git", "docs", "src", "20250101-000000", "20250101-000000-1x", "x20250101-000000-1"]
    for name in foreign:
        session(tmp_path, name)  # however much it looks like one from inside
    unmarked = tmp_path / "20250101-000000-9999990"
    unmarked.mkdir()
    (unmarked / "thesis.txt").touch()
    (tmp_path / "20250101-000000-9999991").touch()
    before = set(names(tmp_path))
    folder = session_folder(tmp_path)
    assert set(names(tmp_path)) == before - set(ENDED[:2]) | {folder.name}
    assert (unmarked / "thesis.txt").exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    mine = session(tmp_path / "mine", "20250101-000000-9999990")
    logs = tmp_path / "logs"
    logs.mkdir()
    link = logs / mine.name
    link.symlink_to(mine)
    for name in ENDED:
        session(logs, name)
    session_folder(logs)
    assert link.is_symlink()
    assert (mine / "events.jsonl").exists()


def test_a_link_in_one_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    for name in ENDED:
        (session(tmp_path / "logs", name) / "link").symlink_to(tmp_path / "mine")
    session_folder(tmp_path / "logs")
    assert not (tmp_path / "logs" / ENDED[0]).exists()
    assert (tmp_path / "mine" / "thesis.txt").exists()


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("events.jsonl")])
def test_a_marker_is_a_file(tmp_path: Path, make: object) -> None:
    folder = session(tmp_path, ENDED[0])
    (folder / MARKER).unlink()
    assert callable(make)
    make(folder / MARKER)
    assert not is_session_folder(folder)


def test_another_users_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = session(tmp_path, ENDED[0])
    assert is_session_folder(folder)
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    assert not is_session_folder(folder)


def test_one_that_cannot_be_removed_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_how: object) -> None:
        raise PermissionError

    for name in ENDED:
        session(tmp_path, name)
    monkeypatch.setattr(os, "unlink", refuse)
    assert session_folder(tmp_path).exists()


@pytest.mark.parametrize("place", ["file/logs", "file"])
def test_a_place_that_cannot_be_written_is_named_with_the_remedy(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SluiceError, match="cannot be written below") as caught:
        session_folder(tmp_path / place)
    assert str(tmp_path / place) in caught.value.cause
    assert "--sluice-directory=PATH" in caught.value.remedy
    assert "Error" in caught.value.checked[0]


def test_a_process_of_the_number_in_the_name_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def pid_exists(pid: int) -> bool:
        asked.append(pid)
        return False

    monkeypatch.setattr(psutil, "pid_exists", pid_exists)
    session(tmp_path, ENDED[3])
    session_folder(tmp_path)
    assert 9999993 in asked


def test_a_number_that_is_no_pid_is_no_session(tmp_path: Path) -> None:
    folder = tmp_path / ("20260101-000000-" + "9" * 25)
    folder.mkdir()
    (folder / MARKER).touch()
    assert not is_session_folder(folder)
    session_folder(tmp_path)
