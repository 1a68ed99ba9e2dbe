"""What a dead supervisor left: trusted or left alone, undone or kept. No process is started."""

import fcntl
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from pytest_sluice import burial, jsonl
from pytest_sluice.burial import Burial, Strange, bury, candidates, is_alive, left, places, sweep
from pytest_sluice.protocol import JOURNAL, UNDO_LOG, UNDO_SECONDS


@dataclass
class Commands:
    """Stands for subprocess.run: notes what is run; exit codes and errors by the first word."""

    ran: list[str] = field(default_factory=list)
    codes: dict[str, int | Exception] = field(default_factory=dict)
    watch: Callable[[], None] = lambda: None

    def kill(self, mark: str) -> int:
        """Kill nothing."""
        self.ran.append(mark)
        return 3

    def run(self, argv: list[str], **how: Any) -> "subprocess.CompletedProcess[bytes]":
        """Run nothing."""
        assert how["timeout"] == UNDO_SECONDS
        assert not how["check"]
        self.ran.append(argv[0])
        self.watch()
        code = self.codes.get(argv[0], 0)
        if isinstance(code, Exception):
            raise code
        how["stdout"].write(b"said\n")
        return subprocess.CompletedProcess(argv, code)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The undo commands; three processes bear the mark of every directory."""
    commands = Commands()
    monkeypatch.setattr(burial.subprocess, "run", commands.run)  # type: ignore[attr-defined]
    monkeypatch.setattr(burial, "kill_marked", commands.kill)
    return commands


def undo(name: str) -> dict[str, Any]:
    """A journal's entry whose command is the name."""
    return {"made": name, "undo": [name, "it"]}


@pytest.fixture
def dead(tmp_path: Path) -> Path:
    """The directory of a dead supervisor that made a process and three other things."""
    directory = tmp_path / "sluice-dead"
    directory.mkdir(mode=0o700)
    (directory / "logs").mkdir()
    (directory / "logs" / "a.log").touch()
    (directory / "socket").touch()
    process = {"made": "process", "name": "kafka", "pid": 1, "undo": "kill"}
    entries = [process, undo("first"), undo("second"), undo("third"), {"undone": "second"}]
    (directory / JOURNAL).write_text("".join(json.dumps(each) + "\n" for each in entries))
    return directory


@pytest.fixture
def locked(dead: Path) -> Iterator[None]:
    """A supervisor lives."""
    with (dead / JOURNAL).open("a") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        yield


class TestBurial:
    """Of a directory that is ours."""

    def test_all_is_killed_and_undone_in_reverse_and_removed(
        self, dead: Path, commands: Commands
    ) -> None:
        assert bury(dead) == Burial(3, ())
        assert commands.ran == [str(dead), "third", "first"]
        assert not dead.exists()

    def test_a_journal_that_takes_no_more_stops_no_undoing(
        self, dead: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_how: object) -> None:
            raise OSError(28, "no space left on the device")

        monkeypatch.setattr(jsonl, "write", full)
        found = bury(dead)
        assert commands.ran == [str(dead), "third", "first"]
        assert found is not None
        assert len(found.left) == 2  # tried again by the next session
        assert dead.exists()

    def test_a_promise_without_a_command_is_none(self, dead: Path, commands: Commands) -> None:
        (dead / JOURNAL).write_text('{"made": "x", "undo": []}\n')
        assert bury(dead) == Burial(3, ())

    def test_what_fails_keeps_the_directory_and_is_all_that_is_tried_again(
        self, dead: Path, commands: Commands
    ) -> None:
        commands.codes["third"] = 7
        story = (
            f"third: `third it` ended with 7; every session tries again as long as {dead} is "
            f"there (see its {UNDO_LOG})"
        )
        assert bury(dead) == Burial(3, (story,))
        assert left(dead) == [story]
        assert (dead / UNDO_LOG).read_text() == "said\n" * 2
        assert (dead / "logs" / "a.log").exists()
        commands.codes.clear()
        commands.ran.clear()
        assert bury(dead) == Burial(3, ())
        assert commands.ran == [str(dead), "third"]
        assert not dead.exists()

    @pytest.mark.parametrize(
        ("error", "why"),
        [
            (subprocess.TimeoutExpired("third", 60), "took more than 60 s"),
            (FileNotFoundError(2, "none"), "cannot be run: [Errno 2] none"),
            (ValueError("embedded null byte"), "cannot be run: embedded null byte"),
        ],
    )
    def test_a_command_that_does_not_end_or_begin_has_failed(
        self, dead: Path, commands: Commands, error: Exception, why: str
    ) -> None:
        commands.codes["third"] = error
        buried = bury(dead)
        assert buried
        assert buried.left[0].startswith(f"third: `third it` {why}; ")
        assert commands.ran[1:] == ["third", "first"]

    def test_what_was_never_tried_is_told_so(self, dead: Path) -> None:
        assert [told.partition(";")[0] for told in left(dead)] == [
            "first: `first it` was not run",
            "third: `third it` was not run",
        ]

    def test_nobody_else_buries_it_meanwhile(self, dead: Path, commands: Commands) -> None:
        meanwhile: list[object] = []
        commands.watch = lambda: meanwhile.extend([bury(dead), is_alive(dead)])
        assert bury(dead) == Burial(3, ())
        assert meanwhile == [None, True] * 2

    def test_who_waited_for_the_lock_of_one_that_is_gone_does_nothing(
        self, dead: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def last_moment(journal: IO[bytes], kind: int) -> None:
            (dead / JOURNAL).unlink()

        monkeypatch.setattr(burial.fcntl, "flock", last_moment)  # type: ignore[attr-defined]
        assert bury(dead) is None
        assert commands.ran == []

    @pytest.mark.usefixtures("locked")
    def test_a_living_one_is_left_alone(self, dead: Path, commands: Commands) -> None:
        assert bury(dead) is None
        assert is_alive(dead)
        assert commands.ran == []
        assert len(left(dead)) == 2  # what it promises can be read all the same

    def test_the_living_can_be_looked_for_by_two_at_once(self, dead: Path) -> None:
        with (dead / JOURNAL).open("a") as journal:
            fcntl.flock(journal, fcntl.LOCK_SH)
            assert not is_alive(dead)

    def test_garbage_in_a_journal_counts_for_nothing(self, dead: Path, commands: Commands) -> None:
        garbage = [
            b"{",
            b"\xff\xfe",
            b"[1]",
            b"7",
            b"null",
            b"",
            b"[" * 100_000,
            b'{"made": ["a"], "undo": ["made"]}',
            b'{"made": "x", "undo": ["x", 1]}',
            b'{"made": "y", "undo": "y"}',
            b'{"undo": ["no name"]}',
            b'{"failed": ["a"], "why": 1}',
            b'{"undone": ["a"]}',
        ]
        with (dead / JOURNAL).open("ab") as journal:
            journal.write(b"\n".join(garbage) + b'\n{"undone": "third"')
        assert bury(dead) == Burial(3, ())
        assert commands.ran == [str(dead), "third", "first"]

    def test_a_line_that_was_cut_off_spoils_no_later_one(
        self, dead: Path, commands: Commands
    ) -> None:
        with (dead / JOURNAL).open("ab") as journal:
            journal.write(b'{"made": "fou')
        commands.codes["first"] = 1
        buried = bury(dead)
        assert buried
        assert [told[:5] for told in buried.left] == ["first"]

    def test_a_later_command_for_a_name_counts(self, dead: Path, commands: Commands) -> None:
        with (dead / JOURNAL).open("a") as journal:
            journal.write(json.dumps({"made": "first", "undo": ["later"]}) + "\n")
        bury(dead)
        assert commands.ran[1:] == ["third", "later"]

    def test_a_link_in_it_is_removed_and_not_followed(
        self, dead: Path, tmp_path: Path, commands: Commands
    ) -> None:
        mine = tmp_path / "mine"
        mine.mkdir()
        (mine / "file").touch()
        (dead / "link").symlink_to(mine)
        assert bury(dead) == Burial(3, ())
        assert (mine / "file").exists()
        assert not dead.exists()

    def test_the_journal_goes_last(
        self, dead: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_path: object) -> None:
            raise PermissionError

        monkeypatch.setattr(burial.shutil, "rmtree", refuse)  # type: ignore[attr-defined]
        with pytest.raises(PermissionError):
            bury(dead)
        assert (dead / JOURNAL).exists()
        assert left(dead) == []

    def test_the_journal_goes_when_all_else_is_gone(
        self, dead: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        removed: list[str] = []
        real = Path.unlink

        def unlink(path: Path, missing_ok: bool = False) -> None:
            removed.append(path.name)
            real(path, missing_ok)

        monkeypatch.setattr(Path, "unlink", unlink)
        assert bury(dead) == Burial(3, ())
        assert sorted(removed[:-1]) == ["socket", UNDO_LOG]
        assert removed[-1] == JOURNAL

    def test_nothing_stays_open(self, dead: Path, commands: Commands) -> None:
        before = len(os.listdir("/dev/fd"))
        left(dead)
        is_alive(dead)
        bury(dead)
        bury(dead)
        assert len(os.listdir("/dev/fd")) == before

    def test_what_a_burial_left_without_a_journal_can_be_removed(self, dead: Path) -> None:
        (dead / JOURNAL).unlink()
        burial.remove(dead)
        assert not dead.exists()

    def test_nothing_is_left_of_one_that_is_gone(self, tmp_path: Path) -> None:
        assert left(tmp_path / "sluice-gone") == []
        assert bury(tmp_path / "sluice-gone") is None
        assert is_alive(tmp_path / "sluice-gone") is False


def link(dead: Path) -> None:
    """The directory is a link to a real one."""
    dead.rename(dead.with_name("real"))
    dead.symlink_to("real")


def loop(dead: Path) -> None:
    """The directory is a link to itself."""
    dead.rename(dead.with_name("real"))
    dead.symlink_to(dead.name)


def open_to_others(dead: Path) -> None:
    """Everybody may look into it."""
    dead.chmod(0o701)


def open_to_a_group(dead: Path) -> None:
    """The group may write into it."""
    dead.chmod(0o720)


def journal_is_a_link(dead: Path) -> None:
    """The journal is another file."""
    (dead / JOURNAL).rename(dead / "other")
    (dead / JOURNAL).symlink_to("other")


def journal_is_a_loop(dead: Path) -> None:
    """The journal is a link to itself."""
    (dead / JOURNAL).unlink()
    (dead / JOURNAL).symlink_to(JOURNAL)


def journal_is_a_fifo(dead: Path) -> None:
    """Whoever opens the journal waits for a writer."""
    (dead / JOURNAL).unlink()
    os.mkfifo(dead / JOURNAL)


def journal_is_a_folder(dead: Path) -> None:
    """There is nothing to be read."""
    (dead / JOURNAL).unlink()
    (dead / JOURNAL).mkdir()


class TestStrange:
    """What bears the name of a cluster's directory, and may be a trap."""

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (link, "{0} is a link"),
            (loop, "{0} is a link"),
            (open_to_others, "{0} has the mode 0701, and a cluster's has 0700"),
            (open_to_a_group, "{0} has the mode 0720, and a cluster's has 0700"),
            (journal_is_a_link, "{0}/journal.jsonl is not a regular file of this user"),
            (journal_is_a_loop, "{0}/journal.jsonl is not a regular file of this user"),
            (journal_is_a_fifo, "{0}/journal.jsonl is not a regular file of this user"),
            (journal_is_a_folder, "{0}/journal.jsonl is not a regular file of this user"),
        ],
    )
    def test_is_left_alone_and_said(
        self, dead: Path, commands: Commands, change: Callable[[Path], None], told: str
    ) -> None:
        change(dead)
        before = sorted(dead.parent.rglob("*"))
        swept = sweep([dead.parent])
        assert swept.left == [f"{told.format(dead)}: it is left alone"]
        assert swept.buried == []
        assert commands.ran == []
        assert sorted(dead.parent.rglob("*")) == before
        assert is_alive(dead) is False
        with pytest.raises(Strange):
            left(dead)

    def test_a_group_that_is_inherited_is_no_harm(self, dead: Path, commands: Commands) -> None:
        dead.chmod(0o2700)
        assert bury(dead) == Burial(3, ())

    def test_another_users_is_nothing_to_tell(
        self, dead: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "getuid", lambda: dead.stat().st_uid + 1)
        swept = sweep([dead.parent])
        assert (swept.buried, swept.left, commands.ran) == ([], [], [])
        assert dead.exists()

    def test_a_journal_of_another_user_is_strange(
        self, dead: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.stat

        def foreign(path: Any, **how: Any) -> os.stat_result:
            found = real(path, **how)
            return os.stat_result((*found[:4], found.st_uid + 1, *found[5:]))

        monkeypatch.setattr(os, "stat", foreign)
        with pytest.raises(Strange, match="not a regular file of this user"):
            bury(dead)

    def test_a_journal_that_cannot_be_opened_is_strange(
        self, dead: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.open

        def refuse(path: Any, flags: int, **how: Any) -> int:
            if path == JOURNAL:
                assert flags & os.O_NOFOLLOW
                assert flags & os.O_NONBLOCK
                raise PermissionError(13, "Permission denied")
            return real(path, flags, **how)

        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(Strange, match="cannot be opened: Permission denied"):
            bury(dead)


class TestSweep:
    """Of all places."""

    def test_what_is_buried_and_what_is_not_is_told(self, dead: Path, commands: Commands) -> None:
        other = dead.with_name("sluice-other")
        other.mkdir(mode=0o700)
        (other / JOURNAL).write_text(json.dumps(undo("stubborn")) + "\n")
        commands.codes["stubborn"] = 1
        swept = sweep([dead.parent])
        assert swept.buried == ["sluice-dead: 3 processes killed, directory removed"]
        assert [told.partition(";")[0] for told in swept.left] == [
            "stubborn: `stubborn it` ended with 1"
        ]

    def test_what_is_no_cluster_is_left_alone_in_silence(
        self, tmp_path: Path, commands: Commands
    ) -> None:
        (tmp_path / "sluice-notes").touch()
        (tmp_path / "sluice-begins").mkdir(mode=0o700)
        (tmp_path / "sluice-pictures").mkdir(mode=0o755)
        swept = sweep([tmp_path])
        assert (swept.buried, swept.left, commands.ran) == ([], [], [])
        assert len(list(tmp_path.iterdir())) == 3

    def test_one_that_cannot_be_removed_stops_no_other(
        self, dead: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = dead.with_name("sluice-a")
        other.mkdir(mode=0o700)
        (other / JOURNAL).touch()
        real = burial.remove

        def remove(directory: Path) -> None:
            if directory == other:
                raise PermissionError(1, "not permitted")
            real(directory)

        monkeypatch.setattr(burial, "remove", remove)
        swept = sweep([dead.parent])
        assert swept.left == [f"{other} cannot be swept: [Errno 1] not permitted"]
        assert not dead.exists()

    def test_what_bears_the_name_is_looked_at_in_order(self, tmp_path: Path) -> None:
        for name in ("sluice-b", "sluice-a", "other", "xsluice-c"):
            (tmp_path / name).mkdir()
        assert candidates([tmp_path]) == [tmp_path / "sluice-a", tmp_path / "sluice-b"]

    def test_all_places_are_swept_unless_some_are_given(
        self, dead: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(burial, "places", lambda: [dead.parent])
        assert len(sweep([]).buried) == 0
        assert len(sweep().buried) == 1

    def test_the_places_are_real_paths_and_each_is_named_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "link").symlink_to(os.path.realpath("/tmp"))
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "link"))
        assert places() == [Path(os.path.realpath("/tmp"))]
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        assert places() == [tmp_path, Path(os.path.realpath("/tmp"))]


def test_why_an_undo_failed() -> None:
    assert burial.failure(0) == ""
    assert burial.failure(-9) == "ended with -9"
    assert burial.failure(None) == "took more than 60 s"
    assert burial.outcome("it", "") == {"undone": "it"}
    assert burial.outcome("it", "ended with 1") == {"failed": "it", "why": "ended with 1"}
