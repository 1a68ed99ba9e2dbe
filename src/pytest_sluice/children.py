"""Processes as a supervisor has them: started in groups of their own, signalled, reaped."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_sluice.protocol import MARK

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# Orphans are killed so many times, since one may start another meanwhile.
ROUNDS = 30

LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass
class Child:
    """A process that was started for a name; ``code`` is None while it runs."""

    name: str
    process: subprocess.Popen[bytes]
    code: int | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int:
        """Of the process, and of the group that it leads."""
        return self.process.pid

    def signal(self, number: int) -> None:
        """Signal the whole group; nothing once it has ended, for its number may be another's."""
        if self.code is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def end(self, code: int) -> None:
        """Take note of the end."""
        self.code = self.process.returncode = code
        self.ended.set()

    async def wait(self, seconds: float) -> int | None:
        """Wait for the end, at most so many seconds; the exit code, None while it runs."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), seconds)
        return self.code


def spawn(request: Mapping[str, Any], mark: Mapping[str, str]) -> Child:
    """Start ``argv`` with its output in files, and ``mark`` in the environment of all its kin."""
    with open(request["out"], "ab") as out, open(request["err"], "ab") as err:
        process = subprocess.Popen(
            request["argv"],
            cwd=request["directory"],
            env={**request["environment"], **mark},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            # Safe because a supervisor has one thread.
            preexec_fn=_die_with_parent if LIBC else None,
        )
    return Child(request["name"], process)


def ended_pids() -> Iterator[tuple[int, int]]:
    """Reap every child that has ended: its pid and exit code, minus the signal."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            yield pid, os.waitstatus_to_exitcode(status)


def adopt_orphans() -> None:
    """Become the parent of whatever loses its own below this process (Linux only)."""
    if LIBC:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)


def kill_orphans() -> None:
    """Kill what left its process group: on Linux every orphan has become a child of this one.

    Gives up after so many rounds of a second each: then the kernel does not let one die.
    """
    import psutil

    for _ in range(ROUNDS):
        orphans = psutil.Process().children(recursive=True)
        if not orphans:
            return
        for orphan in orphans:
            with contextlib.suppress(psutil.Error):
                orphan.kill()
        psutil.wait_procs(orphans, timeout=1)


def kill_marked(mark: str) -> int:
    """Kill whatever carries a cluster's mark in its environment; how many they were."""
    import psutil

    killed = 0
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error):
            # It knows when it started, and is not killed where another has its pid by now.
            process = psutil.Process(pid)
            if process.environ().get(MARK) == mark:
                process.kill()
                killed += 1
    return killed


def _die_with_parent() -> None:
    if LIBC:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
