"""A lease, and the end of a cluster, as whoever holds it sees them; nobody is there to be asked."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_sluice import __main__ as commands
from pytest_sluice import burial
from pytest_sluice import cluster as room
from pytest_sluice.burial import Burial, Strange
from pytest_sluice.cluster import Cluster, clusters
from pytest_sluice.errors import ClusterLost, SluiceError
from pytest_sluice.protocol import JOURNAL, LEFT_BEHIND, SOCKET
from pytest_sluice.waiting import WaitTimeout


class Wire:
    """Stands for a socket: what is written to it, and the lines that are answered."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = BytesIO(b"".join(json.dumps(each).encode() + b"\n" for each in answers))
        self.asked: list[dict[str, Any]] = []
        self.acts: list[object] = []
        self.broken: type[Exception] | None = None

    def makefile(self, _mode: str) -> "Wire":
        """It is one."""
        return self

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_raised: object) -> None:
        self.acts.append("closed")

    def write(self, line: bytes) -> None:
        """One request."""
        if self.broken:
            raise self.broken
        self.asked.append(json.loads(line))

    def flush(self) -> None:
        """Nothing is held back."""

    def readline(self) -> bytes:
        """The next answer."""
        return self.answers.readline()

    def shutdown(self, how: int) -> None:
        """For all who have it."""
        if self.broken:
            raise OSError("not connected")
        self.acts.append(how)

    def close(self) -> None:
        """For this process."""
        self.acts.append("closed")


@dataclass
class Ended:
    """Stands for the supervisor's process: what its polls answer, the last one for ever."""

    codes: list[int | None] = field(default_factory=lambda: [0])

    def poll(self) -> int | None:
        """The next one."""
        return self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A cluster's, with a journal."""
    directory = tmp_path / "sluice-x"
    directory.mkdir(mode=0o700)
    (directory / JOURNAL).touch()
    return directory


def cluster(directory: Path, wire: Wire | None = None, supervisor: Ended | None = None) -> Cluster:
    """A cluster that was attached, or created where there is a supervisor."""
    return Cluster(directory, cast("Any", wire or Wire()), cast("Any", supervisor))


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Wire]:
    """Let every connection be one wire with these answers."""

    def answer(*answers: dict[str, Any]) -> Wire:
        wire = Wire(*answers)
        monkeypatch.setattr(room, "_connect", lambda _directory: wire)
        return wire

    return answer


class TestLease:
    """It is given back once, by the process that has it."""

    def test_closing_ends_it_for_forks_too(self, directory: Path) -> None:
        wire = Wire()
        cluster(directory, wire).close()
        assert wire.acts == [socket.SHUT_RDWR, "closed"]

    def test_closing_it_twice_is_no_error(self, directory: Path) -> None:
        wire = Wire()
        wire.broken = OSError
        cluster(directory, wire).close()
        assert wire.acts == ["closed"]

    def test_a_fork_drops_its_copy_and_ends_nothing(self, directory: Path) -> None:
        wires = [Wire(), Wire()]
        held = [cluster(directory, wire, Ended([None])) for wire in wires]
        room._disown()
        for each, wire in zip(held, wires, strict=True):
            assert wire.acts == ["closed"]
            assert each.await_end(0) == []  # the cluster is its parent's
        assert directory.exists()

    def test_a_fork_can_ask_all_the_same(
        self, directory: Path, answered: Callable[..., Wire]
    ) -> None:
        one = cluster(directory)
        one.disown()
        answered({"number": 2})
        assert one.ask("number") == {"number": 2}

    def test_when_it_was_given_back_nothing_more_is_asked(
        self, directory: Path, answered: Callable[..., Wire]
    ) -> None:
        wire = answered({})
        one = cluster(directory)
        one.close()
        acts: list[Callable[[], object]] = [
            lambda: one.ask("status"),
            lambda: one.once("it", lambda: 1),
            lambda: one.lock("it").__enter__(),
        ]
        for act in acts:
            with pytest.raises(ClusterLost, match="was given back"):
                act()
        assert wire.asked == []
        assert [path.name for path in directory.iterdir()] == [JOURNAL]

    def test_one_that_is_refused_is_closed(
        self, directory: Path, answered: Callable[..., Wire]
    ) -> None:
        wire = answered({"error": "the cluster is being brought down", "ending": True})
        with pytest.raises(ClusterLost, match="is being brought down"):
            Cluster.attach(directory)
        assert wire.asked == [{"op": "hold"}]
        assert wire.acts[-1] == "closed"
        assert len(wire.acts) == 2

    def test_one_that_is_granted_is_kept(
        self, directory: Path, answered: Callable[..., Wire]
    ) -> None:
        wire = answered({"held": True})
        with Cluster.attach(directory) as attached:
            assert attached.directory == directory
            assert wire.acts == ["closed"]  # the file, which is not the socket
        assert wire.acts[1:] == [socket.SHUT_RDWR, "closed"]
        assert directory.exists()


class TestRequests:
    """Each on a connection of its own."""

    def test_what_is_asked_and_answered(
        self, directory: Path, answered: Callable[..., Wire]
    ) -> None:
        wire = answered({"host": "127.1.1.1", "port": 9}, {}, {}, {})
        one = cluster(directory)
        endpoint = one.claim("kafka", "client", 9092)
        one.undo("it", ("undo", "it"))
        one.undone("it")
        one.kill_all()
        assert (endpoint.host, endpoint.port) == ("127.1.1.1", 9)
        claim = {"role": "kafka", "port": "client", "preferred": 9092}
        assert wire.asked == [
            {"op": "endpoint", **claim},
            {"op": "undo", "name": "it", "argv": ["undo", "it"]},
            {"op": "undone", "name": "it"},
            {"op": "kill_all"},
        ]

    def test_an_error_is_told_with_what_was_asked(
        self, directory: Path, answered: Callable[..., Wire]
    ) -> None:
        answered({"error": "KeyError: 'x'"})
        with pytest.raises(SluiceError, match="the supervisor could not poll: KeyError: 'x'") as e:
            cluster(directory).ask("poll", name="x")
        assert not isinstance(e.value, ClusterLost)

    @pytest.mark.parametrize("broken", [None, BrokenPipeError, ConnectionResetError])
    def test_a_supervisor_that_dies_meanwhile_is_lost(
        self, directory: Path, answered: Callable[..., Wire], broken: type[Exception] | None
    ) -> None:
        answered().broken = broken
        with pytest.raises(ClusterLost, match="the supervisor ended while it was asked") as caught:
            cluster(directory).ask("status")
        assert caught.value.checked == ("op: status",)

    def test_what_is_made_once_is_in_the_directory(self, directory: Path) -> None:
        one = cluster(directory)
        assert one.made("it") is None
        assert one.once("it", lambda: {"n": 1}) == one.made("it") == {"n": 1}
        with one.lock("it"):
            assert (directory / "it.lock").exists()


class TestEnd:
    """Of a cluster that was created here; one that was attached is somebody else's."""

    @pytest.fixture(autouse=True)
    def buried(self, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
        """What is buried, as if nothing had to be undone."""
        buried: list[Path] = []

        def bury(directory: Path) -> Burial:
            buried.append(directory)
            burial.remove(directory)
            return Burial(0, ())

        monkeypatch.setattr(burial, "bury", bury)
        return buried

    def test_that_of_an_attached_one_is_not_awaited(
        self, directory: Path, buried: list[Path]
    ) -> None:
        with cluster(directory):
            pass
        assert directory.exists()
        assert buried == []

    def test_the_supervisor_is_awaited(self, directory: Path, buried: list[Path]) -> None:
        with pytest.raises(WaitTimeout, match="the supervisor has not ended"):
            cluster(directory, None, Ended([None])).await_end(0)
        assert buried == []

    def test_it_has_removed_everything(self, directory: Path, buried: list[Path]) -> None:
        burial.remove(directory)
        assert cluster(directory, None, Ended([None, 0])).await_end() == []
        assert buried == []

    def test_what_a_killed_one_left_is_buried(self, directory: Path, buried: list[Path]) -> None:
        with cluster(directory, None, Ended([None, -signal.SIGKILL])):
            pass
        assert buried == [directory]
        assert not directory.exists()

    def test_what_came_after_the_journal_was_removed_is_removed(
        self, directory: Path, buried: list[Path]
    ) -> None:
        (directory / JOURNAL).rename(directory / "late.log")
        assert cluster(directory, None, Ended()).await_end() == []
        assert not directory.exists()
        assert buried == []

    def test_what_cannot_be_removed_is_tried_until_the_deadline(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried: list[Path] = []

        def busy(path: Path) -> Burial:
            tried.append(path)
            if len(tried) < 3:
                raise OSError(39, "Directory not empty")
            burial.remove(path)
            return Burial(0, ())

        monkeypatch.setattr(burial, "bury", busy)
        assert cluster(directory, None, Ended()).await_end() == []
        assert len(tried) == 3

    def test_while_somebody_else_buries_it_it_is_still_there(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(burial, "bury", lambda _directory: None)
        with pytest.raises(WaitTimeout, match=f"{directory} is still there"):
            cluster(directory, None, Ended()).await_end(0)

    def test_what_a_trap_is_is_told(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def trap(_directory: Path) -> Burial:
            raise Strange("a link")

        monkeypatch.setattr(burial, "bury", trap)
        with pytest.raises(Strange):
            cluster(directory, None, Ended()).await_end()

    def test_what_the_supervisor_could_not_undo_is_told_and_not_tried_at_once(
        self, directory: Path, buried: list[Path]
    ) -> None:
        (directory / JOURNAL).write_text('{"made": "it", "undo": ["undo"]}\n')
        one = cluster(directory, None, Ended([LEFT_BEHIND]))
        (told,) = one.await_end()
        assert told.startswith("it: `undo` was not run; ")
        assert buried == []
        with pytest.raises(SluiceError, match="not everything was undone") as caught, one:
            pass
        assert caught.value.checked == (told,)
        error = ZeroDivisionError()
        one.__exit__(ZeroDivisionError, error, None)
        assert error.__notes__ == [f"not undone at the cluster's end:\n{told}"]

    def test_what_is_left_of_a_killed_one_is_told(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(burial, "bury", lambda _directory: Burial(1, ("it: left",)))
        assert cluster(directory, None, Ended([-9])).await_end() == ["it: left"]


class TestPlace:
    """Where the directories are."""

    def test_a_path_that_is_too_long_for_a_socket_is_not_taken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deep, short = tmp_path / ("x" * 100), tmp_path
        deep.mkdir()
        length = len(str(short / "sluice-12345678" / SOCKET))
        monkeypatch.setattr(room, "LONGEST_SOCKET", length)
        monkeypatch.setattr(burial, "places", lambda: [deep, short])
        assert room._private_directory().parent == short
        assert list(deep.iterdir()) == []
        monkeypatch.setattr(room, "LONGEST_SOCKET", length - 1)
        with pytest.raises(SluiceError, match="short enough for a Unix socket"):
            room._private_directory()

    def test_the_living_are_found(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(burial, "places", lambda: [directory.parent])
        monkeypatch.setattr(burial, "is_alive", lambda path: path == directory)
        directory.with_name("sluice-dead").mkdir()
        assert clusters() == [directory]


class TestStatus:
    """The command ``status``."""

    @pytest.fixture(autouse=True)
    def two(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two clusters, of which the first is ending."""
        other = directory.with_name("sluice-y")
        monkeypatch.setattr(room, "clusters", lambda: [directory, other])
        rows = [{"name": "a", "pid": 1, "code": None}, {"name": "b", "pid": 2, "code": 3}]
        found = {"address": "127.1.1.1", "leases": 2, "roles": rows}

        def attach(_cls: object, path: Path) -> Cluster:
            if path == directory:
                raise ClusterLost("it is being brought down")
            return cluster(other)

        monkeypatch.setattr(Cluster, "attach", classmethod(attach))
        monkeypatch.setattr(Cluster, "ask", lambda _self, _op: found)

    def test_one_that_is_ending_is_told_and_hides_no_other(
        self, directory: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert commands.main(["status"]) == 0
        assert capsys.readouterr().out.splitlines() == [
            f"{directory} is ending",
            f"{directory.with_name('sluice-y')} on 127.1.1.1, 1 leases",
            "  a                    pid       1  running",
            "  b                    pid       2  ended with 3",
        ]

    def test_one_that_has_ended_is_not_told(
        self, directory: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        burial.remove(directory)
        assert commands.main(["status"]) == 0
        assert str(directory) not in capsys.readouterr().out


def test_undoing_commands_end_red_where_something_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def left(_label: str) -> None:
        raise WaitTimeout("container x is left")

    monkeypatch.setattr("pytest_sluice.backends.engine.discard", left)
    assert commands.main(["discard", "a=b"]) == 1
    assert "container x is left" in capsys.readouterr().err
    for gone, code in ((True, 0), (False, 1)):
        monkeypatch.setattr("pytest_sluice.flow.forget.forget", lambda *_, gone=gone: gone)
        assert commands.main(["forget", str(tmp_path / "list"), "--external=x"]) == code


@pytest.mark.parametrize("folder", ["there", "gone"])
def test_what_is_forgotten_is_told_though_the_folder_of_logs_is_gone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder: str,
) -> None:
    def forget(_list: Path, _external: str, _root: Path, say: Callable[[str], None]) -> bool:
        say("all of it is gone")
        return True

    (tmp_path / "there").mkdir()
    log = tmp_path / folder / "left.log"
    monkeypatch.setattr("pytest_sluice.flow.forget.forget", forget)
    for _ in range(2):
        assert commands.main(["forget", "list", "--external=x", f"--log={log}"]) == 0
    told = log.read_text() if log.exists() else capsys.readouterr().out
    assert log.exists() == (folder == "there")
    assert told == "all of it is gone\n" * 2


@pytest.mark.parametrize("label", ["", "com.docker.compose.project", "key=", "=value"])
def test_what_has_no_key_and_value_is_no_label_to_discard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], label: str
) -> None:
    discarded: list[str] = []
    monkeypatch.setattr("pytest_sluice.backends.engine.discard", discarded.append)
    assert commands.main(["discard", label]) == 1
    assert discarded == []
    assert "KEY=VALUE" in capsys.readouterr().err


def test_a_supervisor_that_cannot_be_started_leaves_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_how: object) -> None:
        raise BlockingIOError(11, "no process left")

    monkeypatch.setattr(burial, "places", lambda: [tmp_path])
    monkeypatch.setattr(room, "_start", refuse)
    with pytest.raises(BlockingIOError):
        Cluster.create()
    assert list(tmp_path.iterdir()) == []


def test_the_supervisor_is_started_apart_with_its_first_lease(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    def popen(argv: list[str], **how: Any) -> object:
        started.append((argv, how))
        return None

    monkeypatch.setattr(subprocess, "Popen", popen)
    lease = cast("Any", SimpleNamespace(fileno=lambda: 7))
    room._start(directory, lease, cast("Any", None))
    ((argv, how),) = started
    assert argv == [sys.executable, "-m", "pytest_sluice", "supervise", str(directory), "7"]
    assert how["pass_fds"] == [7]
    assert how["start_new_session"]
    assert how["cwd"] == directory
    assert how["stdin"] == subprocess.DEVNULL
    assert how["stderr"] == subprocess.STDOUT
