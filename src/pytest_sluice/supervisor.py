"""The supervisor: a process that owns every process of a cluster, and is not pytest.

A lease is an open connection to its Unix socket, which the kernel closes however the holder dies.
When the last one is closed, everything that it started is killed, its directory removed, and it
ends. It runs in a session of its own, single-threaded, and as the subreaper of what it starts, so
that no orphan escapes; should it be killed itself, PR_SET_PDEATHSIG takes its children along.

A request is one line of JSON, and so is the answer: ``{"op": "spawn", ...}`` -> ``{"pid": 1}`` or
``{"error": "..."}``. The first lease is an inherited socket, which is there before the socket file.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pytest_sluice.addresses import Addresses

MARK = "SLUICE_CLUSTER"
SOCKET = "socket"
JOURNAL = "journal.jsonl"

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

Answer = dict[str, Any]


@dataclass
class Child:
    """A process that was started for a name; ``code`` is None while it runs."""

    name: str
    process: subprocess.Popen[bytes]
    ended: asyncio.Event
    code: int | None = None


class Supervisor:
    """Spawns, signals, awaits and buries the processes of the cluster in ``directory``."""

    def __init__(self, directory: Path, keep_seconds: float = 0) -> None:
        self.directory = directory
        self.keep_seconds = keep_seconds
        self.children: dict[str, Child] = {}
        self.addresses = Addresses()
        self.leases = 0
        self.runs = 1  # the shared run is number 1
        self.done = asyncio.Event()
        self.idle: asyncio.TimerHandle | None = None
        self.journal = _locked(directory / JOURNAL)
        self.operations: dict[str, Callable[[Answer], Awaitable[Answer]]] = {
            "spawn": self.spawn,
            "poll": self.poll,
            "signal": self.signal,
            "wait": self.wait,
            "stop": self.stop,
            "status": self.status,
            "endpoint": self.endpoint,
            "number": self.number,
        }

    async def run(self, first_lease: socket.socket) -> None:
        """Serve until the last lease is closed, then bring everything down."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self.reap)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self.done.set)
        path = str(self.directory / SOCKET)
        server = await asyncio.start_unix_server(self.connected, path)
        lease = asyncio.create_task(self.inherited(first_lease))
        await self.done.wait()
        server.close()
        lease.cancel()
        await self.bury()

    async def inherited(self, first_lease: socket.socket) -> None:
        """Serve the lease that was there before the socket file."""
        await self.connected(*await asyncio.open_unix_connection(sock=first_lease))

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection; it is a lease for as long as it is open."""
        self.leases += 1
        if self.idle:
            self.idle.cancel()
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self.answer(line)).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass  # a holder that died while it was being answered holds no longer
        finally:
            writer.close()
            self.released()

    def released(self) -> None:
        """Count a closed lease; after the last one wait ``keep_seconds`` for another."""
        self.leases -= 1
        if self.leases == 0:
            loop = asyncio.get_running_loop()
            self.idle = loop.call_later(self.keep_seconds, self.done.set)

    async def answer(self, line: bytes) -> Answer:
        """Do what a request asks; an error becomes an answer, never the supervisor's end."""
        if self.done.is_set():
            return {"error": "the cluster is being brought down"}
        try:
            request = json.loads(line)
            return await self.operations[request.pop("op")](request)
        except (KeyError, ValueError, OSError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    async def spawn(self, request: Answer) -> Answer:
        """Start a process under a name, unless one of this name runs already."""
        child = self.children.get(request["name"])
        if child and child.code is None:
            return {"pid": child.process.pid, "already": True}
        with open(request["out"], "ab") as out, open(request["err"], "ab") as err:
            process = _popen(request, out, err, {MARK: str(self.directory)})
        child = Child(request["name"], process, asyncio.Event())
        self.children[child.name] = child
        self.note({"made": "process", "name": child.name, "pid": process.pid, "undo": "kill"})
        return {"pid": process.pid, "already": False}

    async def poll(self, request: Answer) -> Answer:
        """The pid and exit code of a name, None while it runs."""
        child = self.children[request["name"]]
        return {"pid": child.process.pid, "code": child.code}

    async def signal(self, request: Answer) -> Answer:
        """Send a signal to the whole process group of a name."""
        _signal_group(self.children[request["name"]], request["number"])
        return {}

    async def wait(self, request: Answer) -> Answer:
        """Wait for the end of a name, at most ``seconds``; code None means it still runs."""
        child = self.children[request["name"]]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.ended.wait(), request["seconds"])
        return {"code": child.code}

    async def stop(self, request: Answer) -> Answer:
        """SIGTERM, and SIGKILL after ``seconds``; answers the exit code."""
        child = self.children[request["name"]]
        _signal_group(child, signal.SIGTERM)
        answer = await self.wait(request)
        if answer["code"] is None:
            _signal_group(child, signal.SIGKILL)
            await child.ended.wait()
        return {"code": child.code}

    async def status(self, _request: Answer) -> Answer:
        """Every name with its pid and exit code, in the order of their start."""
        rows = [
            {"name": child.name, "pid": child.process.pid, "code": child.code}
            for child in self.children.values()
        ]
        return {
            "pid": os.getpid(),
            "address": self.addresses.host,
            "leases": self.leases,
            "roles": rows,
        }

    async def endpoint(self, request: Answer) -> Answer:
        """The address of a role's port: claimed at the first call, the same at every later one."""
        host, port = self.addresses.claim(
            f"{request['role']}.{request['port']}", request["preferred"], request["wildcard"]
        )
        return {"host": host, "port": port}

    async def number(self, _request: Answer) -> Answer:
        """A number that no other run of this cluster has."""
        self.runs += 1
        return {"number": self.runs}

    def reap(self) -> None:
        """Take note of every child that ended, adopted orphans included."""
        by_pid = {child.process.pid: child for child in self.children.values()}
        while pid_status := _waitpid():
            pid, status = pid_status
            if child := by_pid.get(pid):
                child.code = child.process.returncode = os.waitstatus_to_exitcode(status)
                child.ended.set()

    async def bury(self) -> None:
        """Kill what runs, last started first, and remove the directory."""
        for child in reversed(self.children.values()):
            _signal_group(child, signal.SIGKILL)
        for child in self.children.values():
            await child.ended.wait()
        _kill_orphans()
        shutil.rmtree(self.directory, ignore_errors=True)

    def note(self, entry: Answer) -> None:
        """Append to the journal what was made and how it is undone."""
        self.journal.write(json.dumps(entry) + "\n")
        self.journal.flush()


def _locked(path: Path) -> IO[str]:
    """The journal, locked for as long as this process lives: who can lock it may sweep."""
    journal = path.open("a", encoding="utf-8")
    fcntl.flock(journal, fcntl.LOCK_EX)
    return journal


def _popen(
    request: Answer, out: IO[bytes], err: IO[bytes], mark: dict[str, str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        request["argv"],
        cwd=request["directory"],
        env={**request["environment"], **mark},
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        start_new_session=True,
        # Safe because this process has one thread.
        preexec_fn=_die_with_parent if LIBC else None,
    )


LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    if LIBC:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal_group(child: Child, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.process.pid, number)


def _waitpid() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def _kill_orphans() -> None:
    """Kill what left its process group: on Linux every orphan has become our child."""
    import psutil

    while orphans := psutil.Process().children(recursive=True):
        for orphan in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()
        psutil.wait_procs(orphans, timeout=1)


def main(directory: Path, lease_fd: int, keep_seconds: float) -> int:
    """Run a supervisor until its last lease is closed."""
    if LIBC:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)

    async def serve() -> None:
        await Supervisor(directory, keep_seconds).run(socket.socket(fileno=lease_fd))

    asyncio.run(serve())
    return 0
