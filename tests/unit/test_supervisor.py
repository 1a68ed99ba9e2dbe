"""The supervisor's answers, its leases and its end, with children that are no processes."""

import asyncio
import fcntl
import json
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_sluice import supervisor as room
from pytest_sluice.burial import left, undos
from pytest_sluice.children import Child
from pytest_sluice.jsonl import entries
from pytest_sluice.protocol import JOURNAL, LEFT_BEHIND, LONGEST_LINE, MARK, SOCKET, UNDO_LOG
from pytest_sluice.supervisor import Supervisor

RUNS = 10**6  # a code that stands for "it does not end by itself"


@dataclass
class World:
    """What is spawned, signalled and killed; ``codes`` are those of commands by first word."""

    supervisor: Supervisor | None = None
    spawned: list[dict[str, Any]] = field(default_factory=list)
    acts: list[str] = field(default_factory=list)
    codes: dict[str, int | Exception] = field(default_factory=dict)
    deaf: set[int] = field(default_factory=set)

    def spawn(self, request: dict[str, Any], mark: dict[str, str]) -> Child:
        """A child of which only the number is there."""
        code = self.codes.get(request["argv"][0], RUNS)
        self.acts.append(f"spawn {request['name']}")
        if isinstance(code, Exception):
            raise code
        self.spawned.append({**request, "mark": mark})
        process = SimpleNamespace(pid=100 + len(self.spawned), returncode=None)
        child = Child(request["name"], cast("Any", process))
        if code != RUNS:
            child.end(code)
        return child

    def killpg(self, pid: int, number: int) -> None:
        """The signal ends it, unless it is deaf to it."""
        self.acts.append(f"{signal.Signals(number).name} {pid}")
        if number == signal.SIGKILL or number not in self.deaf:
            assert self.supervisor
            by_pid = {child.pid: child for child in self.supervisor.children.values()}
            by_pid[pid].end(-number)


class FakeAddresses:
    """Hands out numbers instead of ports."""

    host = "127.9.9.9"

    def claim(self, name: str, preferred: int) -> tuple[str, int]:
        """As it was asked."""
        return name, preferred


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """In the place of the machine."""
    world = World()
    monkeypatch.setattr(room, "spawn", world.spawn)
    monkeypatch.setattr(room, "Addresses", FakeAddresses)
    monkeypatch.setattr(room, "kill_marked", lambda mark: world.acts.append(f"marked {mark}"))
    monkeypatch.setattr(room, "kill_orphans", lambda: world.acts.append("orphans"))
    monkeypatch.setattr(os, "killpg", world.killpg)
    return world


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A cluster's."""
    directory = tmp_path / "sluice-x"
    directory.mkdir(mode=0o700)
    return directory


Play = Callable[[Callable[[Supervisor], Awaitable[Any]]], Any]


@pytest.fixture
def play(world: World, directory: Path) -> Play:
    """Let a supervisor live for one scene."""

    def run(scene: Callable[[Supervisor], Awaitable[Any]]) -> Any:
        async def act() -> Any:
            world.supervisor = Supervisor(directory)
            with world.supervisor.journal:
                return await asyncio.wait_for(scene(world.supervisor), 10)

        return asyncio.run(act())

    return run


async def ask(supervisor: Supervisor, op: str, **fields: object) -> dict[str, Any]:
    """The answer to a request."""
    return await supervisor.answer(json.dumps({"op": op, **fields}).encode() + b"\n")


async def spawn(supervisor: Supervisor, name: str, word: str = "run") -> dict[str, Any]:
    """The answer to a request for a process."""
    files = {"environment": {}, "directory": "/", "out": "/dev/null", "err": "/dev/null"}
    return await ask(supervisor, "spawn", name=name, argv=[word], **files)


class TestAnswers:
    """A request is a line, and so is its answer, whatever the line is."""

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            (b"no json\n", "JSONDecodeError"),
            (b"\xff\n", "UnicodeDecodeError"),
            (b"[1]\n", "TypeError"),
            (b"7\n", "AttributeError"),
            (b"{}\n", "KeyError: 'op'"),
            (b'{"op": "dance"}\n', "KeyError: 'dance'"),
            (b'{"op": ["poll"]}\n', "TypeError"),
            (b'{"op": "poll", "name": "nobody"}\n', "KeyError: 'nobody'"),
            (b'{"op": "undo", "name": "x"}\n', "KeyError: 'argv'"),
        ],
    )
    def test_what_is_wrong_becomes_an_answer(self, play: Play, line: bytes, told: str) -> None:
        answer = play(lambda supervisor: supervisor.answer(line))
        assert answer["error"].startswith(told)
        assert "ending" not in answer

    def test_a_command_that_cannot_be_started_becomes_an_answer(
        self, play: Play, world: World
    ) -> None:
        world.codes["run"] = FileNotFoundError(2, "none")
        assert play(lambda s: spawn(s, "role")) == {"error": "FileNotFoundError: [Errno 2] none"}

    def test_at_the_end_everything_is_refused_and_said_to_end(self, play: Play) -> None:
        async def scene(supervisor: Supervisor) -> object:
            supervisor.done.set()
            return [await spawn(supervisor, "late"), await ask(supervisor, "hold")]

        refusal = {"error": "the cluster is being brought down", "ending": True}
        assert play(scene) == [refusal, refusal]

    def test_a_process_is_started_once_with_the_mark(
        self, play: Play, world: World, directory: Path
    ) -> None:
        async def scene(supervisor: Supervisor) -> object:
            first, second = await spawn(supervisor, "role"), await spawn(supervisor, "role")
            supervisor.children["role"].end(1)
            return [first, second, await spawn(supervisor, "role")]

        assert play(scene) == [
            {"pid": 101, "already": False},
            {"pid": 101, "already": True},
            {"pid": 102, "already": False},
        ]
        assert world.spawned[0]["mark"] == {MARK: str(directory)}
        noted = list(entries((directory / JOURNAL).read_bytes()))
        made = {"made": "process", "name": "role", "undo": "kill"}
        assert noted == [{**made, "pid": 101}, {**made, "pid": 102}]

    def test_what_runs_is_told_in_order_with_codes(self, play: Play) -> None:
        async def scene(supervisor: Supervisor) -> object:
            await spawn(supervisor, "b")
            await spawn(supervisor, "a")
            supervisor.children["b"].end(3)
            return [await ask(supervisor, "status"), await ask(supervisor, "poll", name="b")]

        status, polled = play(scene)
        assert status == {
            "pid": os.getpid(),
            "address": "127.9.9.9",
            "leases": 0,
            "roles": [
                {"name": "b", "pid": 101, "code": 3},
                {"name": "a", "pid": 102, "code": None},
            ],
        }
        assert polled == {"pid": 101, "code": 3}

    def test_addresses_and_numbers_are_handed_out(self, play: Play) -> None:
        async def scene(supervisor: Supervisor) -> object:
            asked = {"role": "kafka", "port": "client", "preferred": 9092}
            numbers = [(await ask(supervisor, "number"))["number"] for _ in range(2)]
            return [await ask(supervisor, "endpoint", **asked), *numbers]

        assert play(scene) == [{"host": "kafka.client", "port": 9092}, 2, 3]

    def test_a_signal_goes_to_the_name(self, play: Play, world: World) -> None:
        async def scene(supervisor: Supervisor) -> object:
            await spawn(supervisor, "a")
            await spawn(supervisor, "b")
            world.deaf.add(signal.SIGSTOP)
            return await ask(supervisor, "signal", name="b", number=signal.SIGSTOP)

        assert play(scene) == {}
        assert world.acts[-1] == "SIGSTOP 102"

    def test_the_name_of_a_command_is_free_when_it_has_ended(self, play: Play) -> None:
        async def scene(supervisor: Supervisor) -> list[object]:
            await spawn(supervisor, "role")
            asked = {"name": "role", "seconds": 0.001, "forget": True}
            early = await ask(supervisor, "wait", **asked)
            supervisor.children["role"].end(4)
            kept = await ask(supervisor, "wait", name="role", seconds=1)
            there = "role" in supervisor.children
            late = await ask(supervisor, "wait", **asked)
            return [early, kept, there, late, "role" in supervisor.children]

        assert play(scene) == [{"code": None}, {"code": 4}, True, {"code": 4}, False]

    def test_two_may_wait_for_one_and_the_next_of_its_name_is_not_forgotten(
        self, play: Play
    ) -> None:
        async def scene(supervisor: Supervisor) -> list[object]:
            await spawn(supervisor, "role")
            asked = {"name": "role", "seconds": 10, "forget": True}
            waits = [asyncio.create_task(ask(supervisor, "wait", **asked)) for _ in range(2)]
            await asyncio.sleep(0)
            supervisor.children["role"].end(4)
            await spawn(supervisor, "role")
            return [*await asyncio.gather(*waits), supervisor.children["role"].pid]

        assert play(scene) == [{"code": 4}, {"code": 4}, 102]

    @pytest.mark.parametrize(
        ("deaf", "code", "acts"),
        [(False, -15, ["SIGTERM 101"]), (True, -9, ["SIGTERM 101", "SIGKILL 101"])],
    )
    def test_one_that_is_deaf_is_stopped_by_force(
        self, play: Play, world: World, deaf: bool, code: int, acts: list[str]
    ) -> None:
        if deaf:
            world.deaf.add(signal.SIGTERM)

        async def scene(supervisor: Supervisor) -> object:
            await spawn(supervisor, "role")
            return await ask(supervisor, "stop", name="role", seconds=0.001)

        assert play(scene) == {"code": code}
        assert world.acts[1:] == acts

    def test_all_are_killed_the_last_first_though_names_are_forgotten_meanwhile(
        self, play: Play, world: World
    ) -> None:
        async def scene(supervisor: Supervisor) -> object:
            for name in ("a", "b", "command"):
                await spawn(supervisor, name)
            supervisor.children["a"].end(0)
            asked = {"name": "command", "seconds": 10, "forget": True}
            waits = asyncio.create_task(ask(supervisor, "wait", **asked))
            await asyncio.sleep(0)
            answer = await ask(supervisor, "kill_all")
            await waits
            return [answer, sorted(supervisor.children)]

        assert play(scene) == [{}, ["a", "b"]]
        assert world.acts[3:] == ["SIGKILL 103", "SIGKILL 102"]

    def test_all_are_dead_when_the_answer_comes(
        self, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def scene(supervisor: Supervisor) -> object:
            await spawn(supervisor, "role")
            child = supervisor.children["role"]

            def soon(_pid: int, number: int) -> None:
                asyncio.get_running_loop().call_later(0.01, child.end, -number)

            monkeypatch.setattr(os, "killpg", soon)
            await ask(supervisor, "kill_all")
            return child.code

        assert play(scene) == -9

    def test_whoever_ended_is_taken_note_of(
        self, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(room, "ended_pids", lambda: iter([(999, 0), (102, -9)]))

        async def scene(supervisor: Supervisor) -> object:
            await spawn(supervisor, "a")
            await spawn(supervisor, "b")
            supervisor.reap()
            return [child.code for child in supervisor.children.values()]

        assert play(scene) == [None, -9]


class TestUndo:
    """What is no process."""

    def test_it_is_promised_in_the_journal_before_it_is_answered(
        self, play: Play, directory: Path
    ) -> None:
        async def scene(supervisor: Supervisor) -> object:
            assert await ask(supervisor, "undo", name="a", argv=["undo", "a"]) == {}
            first = undos(entries((directory / JOURNAL).read_bytes()))
            for name in ("a", "never"):
                assert await ask(supervisor, "undone", name=name) == {}
            return [first, undos(entries((directory / JOURNAL).read_bytes())), supervisor.undos]

        assert play(scene) == [{"a": ["undo", "a"]}, {}, {}]
        assert len((directory / JOURNAL).read_text().splitlines()) == 2

    def test_at_the_end_all_is_killed_then_undone_in_reverse_then_removed(
        self, play: Play, world: World, directory: Path
    ) -> None:
        world.codes["undo"] = 0

        async def scene(supervisor: Supervisor) -> object:
            await spawn(supervisor, "role")
            for name in ("a", "b"):
                await ask(supervisor, "undo", name=name, argv=["undo", name])
            return await supervisor.bury()

        assert play(scene) is True
        assert world.acts[1:] == [
            "SIGKILL 101",
            f"marked {directory}",
            "spawn b",
            "spawn a",
            "orphans",
        ]
        assert not directory.exists()
        request = world.spawned[1]
        assert request["mark"] == {}  # else the next sweep would kill it
        assert request["directory"] == str(directory)
        assert request["out"] == request["err"] == str(directory / UNDO_LOG)
        assert request["environment"]["PATH"] == os.environ["PATH"]

    @pytest.mark.parametrize(
        ("code", "why"),
        [
            (2, "ended with 2"),
            (OSError(2, "none"), "cannot be run: [Errno 2] none"),
            (ValueError("null byte"), "cannot be run: null byte"),
        ],
    )
    def test_what_fails_keeps_the_directory_and_the_promise(
        self, play: Play, world: World, directory: Path, code: int | Exception, why: str
    ) -> None:
        world.codes.update(bad=code, good=0)

        async def scene(supervisor: Supervisor) -> object:
            for name in ("good", "bad", "good 2"):
                await ask(supervisor, "undo", name=name, argv=[name.split()[0]])
            return await supervisor.bury()

        assert play(scene) is False
        assert world.acts[1:] == ["spawn good 2", "spawn bad", "spawn good", "orphans"]
        (told,) = left(directory)
        assert told.startswith(f"bad: `bad` {why}; ")

    def test_what_cannot_be_killed_holds_nothing_up(
        self, play: Play, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.codes["undo"] = 0
        monkeypatch.setattr(room, "KILL_SECONDS", 0.001)
        monkeypatch.setattr(os, "killpg", lambda *_: None)

        async def scene(supervisor: Supervisor) -> object:
            await spawn(supervisor, "role")
            stopped = await ask(supervisor, "stop", name="role", seconds=0.001)
            await ask(supervisor, "undo", name="a", argv=["undo", "a"])
            return stopped, await supervisor.bury()

        assert play(scene) == ({"error": "TimeoutError: role does not let itself be killed"}, True)
        assert "spawn a" in world.acts

    def test_a_journal_that_takes_no_more_stops_no_undoing(
        self, play: Play, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.codes["undo"] = 0

        def full(_entry: object) -> None:
            raise OSError(28, "no space left on the device")

        async def scene(supervisor: Supervisor) -> object:
            for name in ("a", "b"):
                await ask(supervisor, "undo", name=name, argv=["undo", name])
            monkeypatch.setattr(supervisor, "note", full)
            return await supervisor.bury()

        assert play(scene) is True
        assert world.acts[1:] == ["spawn b", "spawn a", "orphans"]

    def test_one_that_hangs_is_killed_and_has_failed(
        self, play: Play, world: World, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(room, "UNDO_SECONDS", 0.001)

        async def scene(supervisor: Supervisor) -> object:
            await ask(supervisor, "undo", name="it", argv=["hang"])
            return await supervisor.bury()

        assert play(scene) is False
        assert world.acts[2:] == ["SIGKILL 101", "orphans"]
        assert "it: `hang` took more than 60 s; " in left(directory)[0]

    def test_a_holder_that_writes_at_the_end_is_no_failure(
        self, play: Play, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def busy(_directory: Path) -> None:
            raise OSError(39, "Directory not empty")

        monkeypatch.setattr(room, "remove", busy)
        assert play(lambda supervisor: supervisor.bury()) is True


@dataclass
class Writer:
    """What is written to a connection; ``look`` is called before it is on its way."""

    look: Callable[[], None] = lambda: None
    lines: list[Any] = field(default_factory=list)
    closed: bool = False

    def write(self, line: bytes) -> None:
        """One line."""
        assert line.endswith(b"\n")
        self.lines.append(json.loads(line))

    async def drain(self) -> None:
        """On its way."""
        self.look()

    def close(self) -> None:
        """No more."""
        self.closed = True


class TestConnection:
    """Of a holder, or of somebody who asks."""

    def test_each_line_is_answered_until_there_are_no_more(self, play: Play) -> None:
        writer = Writer()

        async def scene(supervisor: Supervisor) -> object:
            reader = asyncio.StreamReader()
            reader.feed_data(b'{"op": "number"}\nrubbish\n{"op": "number"}\n')
            reader.feed_eof()
            await supervisor.connected(reader, cast("Any", writer))
            return supervisor.done.is_set()

        assert play(scene) is False
        assert [line.get("number") for line in writer.lines] == [2, None, 3]
        assert writer.closed

    def test_a_lease_counts_before_its_holder_hears_of_it_and_ends_with_the_connection(
        self, play: Play
    ) -> None:
        counts: list[int] = []

        async def scene(supervisor: Supervisor) -> object:
            reader = asyncio.StreamReader()
            writer = Writer(lambda: counts.append(supervisor.leases))
            reader.feed_data(b'{"op": "hold"}\n')
            connection = asyncio.create_task(supervisor.connected(reader, cast("Any", writer)))
            while not counts:
                await asyncio.sleep(0)
            with supervisor.leased():
                before = (supervisor.leases, supervisor.done.is_set())
                reader.feed_eof()
                await connection
                after = (supervisor.leases, supervisor.done.is_set())
            return [writer.lines, before, after, supervisor.leases, supervisor.done.is_set()]

        assert play(scene) == [[{"held": True}], (2, False), (1, False), 0, True]
        assert counts == [1]

    def test_whoever_dies_while_being_answered_is_no_error(self, play: Play) -> None:
        def dead() -> None:
            raise ConnectionResetError

        async def scene(supervisor: Supervisor) -> object:
            reader, writer = asyncio.StreamReader(), Writer(dead)
            reader.feed_data(b'{"op": "hold"}\n')
            await supervisor.connected(reader, cast("Any", writer))
            return [writer.closed, supervisor.leases, supervisor.done.is_set()]

        assert play(scene) == [True, 0, True]

    def test_the_first_lease_is_one_until_it_is_closed(self, play: Play) -> None:
        async def scene(supervisor: Supervisor) -> object:
            reader = asyncio.StreamReader()
            lease = asyncio.create_task(supervisor.held(reader))
            await asyncio.sleep(0)
            during = supervisor.leases
            reader.feed_eof()
            await lease
            return [during, supervisor.leases, supervisor.done.is_set()]

        assert play(scene) == [1, 0, True]


@pytest.mark.parametrize("end", ["lease", signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=str)
def test_it_serves_until_the_last_lease_or_a_signal(
    play: Play, directory: Path, monkeypatch: pytest.MonkeyPatch, end: object
) -> None:
    acts: list[object] = []
    handlers: dict[object, Callable[[], None]] = {}
    writer = Writer()

    async def scene(supervisor: Supervisor) -> object:
        reader = asyncio.StreamReader()

        async def listen(_connected: object, path: str, limit: int) -> object:
            acts.append((path, limit))
            return SimpleNamespace(close=lambda: acts.append("deaf"))

        async def take(sock: object) -> object:
            acts.append(sock)
            return reader, writer

        async def bury() -> bool:
            acts.append("buried")
            return False

        loop = SimpleNamespace(add_signal_handler=handlers.__setitem__)
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
        monkeypatch.setattr(asyncio, "start_unix_server", listen)
        monkeypatch.setattr(asyncio, "open_unix_connection", take)
        monkeypatch.setattr(supervisor, "bury", bury)
        running = asyncio.create_task(supervisor.run(cast("Any", "lease")))
        while not supervisor.leases:
            await asyncio.sleep(0)
        before = list(acts)
        reader.feed_eof() if end == "lease" else handlers[end]()
        undone = await running
        await asyncio.sleep(0)
        return [before, undone, supervisor.leases, writer.closed]

    served = ["lease", (str(directory / SOCKET), LONGEST_LINE)]
    assert play(scene) == [served, False, 0, True]
    assert acts == [*served, "deaf", "buried"]
    assert getattr(handlers[signal.SIGCHLD], "__name__", "") == "reap"


def test_the_journal_is_locked_for_as_long_as_the_supervisor_lives(
    play: Play, directory: Path
) -> None:
    async def scene(supervisor: Supervisor) -> object:
        with (directory / JOURNAL).open("a") as journal, pytest.raises(BlockingIOError):
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return [path.name for path in directory.iterdir()]

    assert play(scene) == [JOURNAL]


@pytest.mark.parametrize(("undone", "code"), [(True, 0), (False, LEFT_BEHIND)])
def test_its_exit_code_tells_whether_something_is_left(
    directory: Path, world: World, monkeypatch: pytest.MonkeyPatch, undone: bool, code: int
) -> None:
    async def run(_supervisor: Supervisor, lease: object) -> bool:
        world.acts.append(f"run with lease {lease}")
        return undone

    monkeypatch.setattr(Supervisor, "run", run)
    monkeypatch.setattr(room, "_locked", lambda _path: None)
    monkeypatch.setattr(room, "adopt_orphans", lambda: world.acts.append("adopt"))
    monkeypatch.setattr(room, "socket", SimpleNamespace(socket=lambda fileno: fileno))
    assert room.main(directory, 7) == code
    assert world.acts == ["adopt", "run with lease 7"]
