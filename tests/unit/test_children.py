"""Signals go to whom they are meant for, and to nobody else. No process is started."""

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from pytest_sluice import children
from pytest_sluice.children import Child, ended_pids, kill_marked, kill_orphans
from pytest_sluice.protocol import MARK


def child(pid: int = 7) -> Child:
    """A child whose process is a number."""
    return Child("role", cast("Any", SimpleNamespace(pid=pid, returncode=None)))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The signals that were sent to groups."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "killpg", lambda pid, number: sent.append((pid, number)))
    return sent


class TestChild:
    """A process that was started for a name."""

    def test_a_signal_goes_to_its_group(self, sent: list[tuple[int, int]]) -> None:
        child(7).signal(signal.SIGTERM)
        assert sent == [(7, signal.SIGTERM)]

    @pytest.mark.parametrize("code", [0, -9])
    def test_no_signal_goes_to_one_that_was_reaped(
        self, sent: list[tuple[int, int]], code: int
    ) -> None:
        ended = child()
        ended.end(code)
        ended.signal(signal.SIGKILL)
        assert sent == []
        assert ended.code == ended.process.returncode == code
        assert ended.ended.is_set()

    @pytest.mark.parametrize("error", [ProcessLookupError, PermissionError])
    def test_a_signal_that_comes_too_late_is_no_error(
        self, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
    ) -> None:
        def refuse(_pid: int, _number: int) -> None:
            raise error

        monkeypatch.setattr(os, "killpg", refuse)
        child().signal(signal.SIGKILL)

    def test_its_end_is_awaited_no_longer_than_asked(self) -> None:
        async def wait() -> tuple[int | None, int | None]:
            one = child()
            before = await one.wait(0.001)
            asyncio.get_running_loop().call_soon(one.end, 3)
            return before, await one.wait(10)

        assert asyncio.run(wait()) == (None, 3)


@pytest.mark.parametrize("last", [(0, 0), ChildProcessError()], ids=["some run", "none runs"])
def test_all_that_ended_is_reaped_at_once(
    monkeypatch: pytest.MonkeyPatch, last: tuple[int, int] | Exception
) -> None:
    answers = iter([(5, 3 << 8), (6, 9), last])

    def waitpid(pid: int, options: int) -> tuple[int, int]:
        assert (pid, options) == (-1, os.WNOHANG)
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(os, "waitpid", waitpid)
    assert list(ended_pids()) == [(5, 3), (6, -9)]


@dataclass
class Machine:
    """Processes by pid: their environments; some cannot be looked at, or are others by now."""

    environments: dict[int, dict[str, str] | psutil.Error]
    reused: int = 0
    killed: list[int] = field(default_factory=list)

    def process(self, pid: int) -> Any:
        """Stands for psutil.Process: the process that has the pid now."""

        def environ() -> dict[str, str]:
            found = self.environments[pid]
            if isinstance(found, psutil.Error):
                raise found
            return found

        def kill() -> None:
            if pid == self.reused:  # psutil compares when it began
                raise psutil.NoSuchProcess(pid)
            self.killed.append(pid)

        return SimpleNamespace(environ=environ, kill=kill)


@pytest.fixture
def no_bare_kill(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever kills by number alone may kill somebody else."""

    def refuse(pid: int, number: int) -> None:
        raise AssertionError(f"{number} to {pid}, whoever that is by now")

    with monkeypatch.context() as patched:
        patched.setattr(os, "kill", refuse)
        yield


@pytest.mark.usefixtures("no_bare_kill")
def test_what_bears_the_mark_is_killed_and_nobody_who_has_its_number_by_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = {MARK: "/tmp/sluice-1"}
    machine = Machine(
        {
            1: {},
            2: psutil.AccessDenied(2),
            3: mine,
            4: {MARK: "/tmp/sluice-2"},
            5: mine,
            6: psutil.ZombieProcess(6),
            7: mine,
        },
        reused=5,
    )
    monkeypatch.setattr(psutil, "pids", lambda: sorted(machine.environments))
    monkeypatch.setattr(psutil, "Process", machine.process)
    assert kill_marked("/tmp/sluice-1") == 2
    assert machine.killed == [3, 7]


class Generations:
    """Stands for the supervisor's own process: orphans by round; each may be gone by then."""

    def __init__(self, rounds: Iterator[list[int]]) -> None:
        self.rounds = rounds
        self.killed: list[int] = []

    def children(self, recursive: bool) -> list[Any]:
        """The orphans of this round."""
        assert recursive
        return [SimpleNamespace(kill=lambda pid=pid: self.kill(pid)) for pid in next(self.rounds)]

    def kill(self, pid: int) -> None:
        """Negative ones are gone."""
        self.killed.append(pid)
        if pid < 0:
            raise psutil.NoSuchProcess(pid)


def test_orphans_are_killed_until_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Generations(iter([[1, -2, 3], [4], []]))
    waited: list[int] = []
    monkeypatch.setattr(psutil, "Process", lambda: own)
    monkeypatch.setattr(psutil, "wait_procs", lambda found, timeout: waited.append(len(found)))
    kill_orphans()
    assert own.killed == [1, -2, 3, 4]
    assert waited == [3, 1]


def test_an_orphan_that_cannot_die_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Generations(iter([[1]] * 1000))
    monkeypatch.setattr(psutil, "Process", lambda: own)
    monkeypatch.setattr(psutil, "wait_procs", lambda found, timeout: None)
    kill_orphans()
    assert len(own.killed) == children.ROUNDS


def test_the_kernel_is_asked_for_what_belongs_to_a_supervisor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(children, "LIBC", SimpleNamespace(prctl=lambda *a: asked.append(a)))
    children.adopt_orphans()
    children._die_with_parent()
    assert asked == [(36, 1), (1, signal.SIGKILL)]
    monkeypatch.setattr(children, "LIBC", None)
    children.adopt_orphans()
    children._die_with_parent()
    assert len(asked) == 2


def test_an_orphan_that_may_not_be_killed_keeps_no_other_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed: list[str] = []

    def deny() -> None:
        raise psutil.AccessDenied(5)

    orphans = [SimpleNamespace(kill=deny), SimpleNamespace(kill=lambda: killed.append("other"))]
    rounds = iter([orphans, []])
    here = SimpleNamespace(children=lambda recursive: next(rounds))
    monkeypatch.setattr(psutil, "Process", lambda: here)
    monkeypatch.setattr(psutil, "wait_procs", lambda *_how, **_more: None)
    kill_orphans()
    assert killed == ["other"]
