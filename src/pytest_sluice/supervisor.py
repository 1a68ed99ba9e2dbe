"""The supervisor: a process that owns every process of a cluster, and is not pytest.

A lease is an open connection to its Unix socket, which the kernel closes however the holder dies.
When the last one is closed, everything that it started is killed, its directory removed, and it
ends. It runs in a session of its own, single-threaded, and as the subreaper of what it starts, so
that no orphan escapes; should it be killed itself, PR_SET_PDEATHSIG takes its children along.

What is no process of its own (containers, say, which an engine owns) is journaled with the command
that undoes it before it is made; these commands are run when everything else is gone. Where one
fails the directory stays, with the journal, and the supervisor ends with LEFT_BEHIND: every later
session tries again.

A request is one line of JSON, and so is the answer: ``{"op": "spawn", ...}`` -> ``{"pid": 1}`` or
``{"error": "..."}``. The request ``hold`` makes its connection a lease. The first lease is an
inherited socket, which is there before the socket file.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import IO, Any

from pytest_sluice.addresses import Addresses
from pytest_sluice.burial import failure, outcome, remove
from pytest_sluice.children import (
    Child,
    adopt_orphans,
    ended_pids,
    kill_marked,
    kill_orphans,
    spawn,
)
from pytest_sluice.protocol import (
    JOURNAL,
    LEFT_BEHIND,
    LONGEST_LINE,
    MARK,
    SOCKET,
    UNDO_LOG,
    UNDO_SECONDS,
)

Answer = dict[str, Any]

# From SIGKILL to the end of a process, where the kernel lets it be killed.
KILL_SECONDS = 30.0


class Supervisor:
    """Spawns, signals, awaits and buries the processes of the cluster in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.children: dict[str, Child] = {}
        self.addresses = Addresses()
        self.undos: dict[str, list[str]] = {}
        self.leases = 0
        self.runs = 1  # the shared run is number 1
        self.done = asyncio.Event()
        self.journal = _locked(directory / JOURNAL)
        self.operations: dict[str, Callable[[Answer], Awaitable[Answer]]] = {
            "spawn": self.spawn,
            "poll": self.poll,
            "signal": self.signal,
            "wait": self.wait,
            "stop": self.stop,
            "kill_all": self.kill_all,
            "status": self.status,
            "endpoint": self.endpoint,
            "number": self.number,
            "undo": self.undo,
            "undone": self.undone,
        }

    async def run(self, first_lease: socket.socket) -> bool:
        """Serve until the last lease is closed, then bring everything down.

        False where something could not be undone.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self.reap)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self.done.set)
        reader, writer = await asyncio.open_unix_connection(sock=first_lease)
        lease = asyncio.create_task(self.held(reader))
        path = str(self.directory / SOCKET)
        server = await asyncio.start_unix_server(self.connected, path, limit=LONGEST_LINE)
        await self.done.wait()
        server.close()
        lease.cancel()
        writer.close()
        return await self.bury()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, until it is closed or becomes a lease."""
        try:
            while line := await reader.readline():
                answer = await self.answer(line)
                # Whoever hears that it holds a lease does so already.
                with self.leased() if "held" in answer else contextlib.nullcontext():
                    writer.write(json.dumps(answer).encode() + b"\n")
                    await writer.drain()
                    if "held" in answer:
                        await reader.read()
        except ConnectionError:
            pass  # whoever died while it was being answered asks no more
        finally:
            writer.close()

    async def held(self, reader: asyncio.StreamReader) -> None:
        """A lease until its connection is closed."""
        with self.leased():
            await reader.read()

    @contextlib.contextmanager
    def leased(self) -> Iterator[None]:
        """A lease for as long as the block; the last one ends everything."""
        self.leases += 1
        try:
            yield
        finally:
            self.leases -= 1
            if self.leases == 0:
                self.done.set()

    async def answer(self, line: bytes) -> Answer:
        """Do what a request asks; an error becomes an answer, never the supervisor's end."""
        if self.done.is_set():
            return {"error": "the cluster is being brought down", "ending": True}
        try:
            request = json.loads(line)
            operation = request.pop("op")
            if operation == "hold":
                return {"held": True}
            return await self.operations[operation](request)
        except Exception as error:  # whatever is wrong with it is the asker's
            return {"error": f"{type(error).__name__}: {error}"}

    async def spawn(self, request: Answer) -> Answer:
        """Start a process under a name, unless one of this name runs already."""
        child = self.children.get(request["name"])
        if child and child.code is None:
            return {"pid": child.process.pid, "already": True}
        child = spawn(request, {MARK: str(self.directory)})
        self.children[child.name] = child
        self.note({"made": "process", "name": child.name, "pid": child.pid, "undo": "kill"})
        return {"pid": child.pid, "already": False}

    async def poll(self, request: Answer) -> Answer:
        """The pid and exit code of a name, None while it runs."""
        child = self.children[request["name"]]
        return {"pid": child.pid, "code": child.code}

    async def signal(self, request: Answer) -> Answer:
        """Send a signal to the whole process group of a name."""
        self.children[request["name"]].signal(request["number"])
        return {}

    async def wait(self, request: Answer) -> Answer:
        """Wait for the end of a name, at most ``seconds``; code None means it still runs.

        With ``forget`` the name is free again after its end: a command is asked for only once.
        """
        name = request["name"]
        child = self.children[name]
        code = await child.wait(request["seconds"])
        if code is not None and request.get("forget") and self.children.get(name) is child:
            del self.children[name]
        return {"code": code}

    async def stop(self, request: Answer) -> Answer:
        """SIGTERM, and SIGKILL after ``seconds``; answers the exit code."""
        child = self.children[request["name"]]
        child.signal(signal.SIGTERM)
        if await child.wait(request["seconds"]) is None:
            child.signal(signal.SIGKILL)
            if await child.wait(KILL_SECONDS) is None:
                raise TimeoutError(f"{child.name} does not let itself be killed")
        return {"code": child.code}

    async def kill_all(self, _request: Answer) -> Answer:
        """Kill what runs, last started first; all of it is dead when this returns.

        What does not let itself be killed, such as a command that became another user, is given up.
        """
        children = list(self.children.values())  # a command is forgotten when it ends
        for child in reversed(children):
            child.signal(signal.SIGKILL)
        for child in children:
            await child.wait(KILL_SECONDS)
        return {}

    async def status(self, _request: Answer) -> Answer:
        """Every name with its pid and exit code, in the order of their start."""
        rows = [
            {"name": child.name, "pid": child.pid, "code": child.code}
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
        name = f"{request['role']}.{request['port']}"
        host, port = self.addresses.claim(name, request["preferred"])
        return {"host": host, "port": port}

    async def number(self, _request: Answer) -> Answer:
        """A number that no other run of this cluster has."""
        self.runs += 1
        return {"number": self.runs}

    async def undo(self, request: Answer) -> Answer:
        """Promise to run ``argv`` when the cluster is brought down: it undoes ``name``."""
        self.undos[request["name"]] = request["argv"]
        self.note({"made": request["name"], "undo": request["argv"]})
        return {}

    async def undone(self, request: Answer) -> Answer:
        """Take note that ``name`` is undone already."""
        if self.undos.pop(request["name"], None):
            self.note({"undone": request["name"]})
        return {}

    def reap(self) -> None:
        """Take note of every child that ended, adopted orphans included."""
        by_pid = {child.pid: child for child in self.children.values()}
        for pid, code in ended_pids():
            if child := by_pid.get(pid):
                child.end(code)

    async def bury(self) -> bool:
        """Kill what runs, undo what was made, last first, and remove the directory.

        False where something could not be undone, which keeps the directory.
        """
        await self.kill_all({})
        kill_marked(str(self.directory))
        for name, argv in reversed(list(self.undos.items())):
            why = await self.run_undo(name, argv)
            with contextlib.suppress(OSError):  # a full disk: what is not noted is done once more
                self.note(outcome(name, why))
            if not why:
                del self.undos[name]
        kill_orphans()
        if self.undos:
            return False
        with contextlib.suppress(OSError):  # a holder writes into it: it removes the rest
            remove(self.directory)
        return True

    async def run_undo(self, name: str, argv: list[str]) -> str:
        """Run the command that undoes something, and kill one that hangs; why it failed."""
        log = str(self.directory / UNDO_LOG)
        request = {
            "name": name,
            "argv": argv,
            "environment": dict(os.environ),
            "directory": str(self.directory),
            "out": log,
            "err": log,
        }
        try:
            child = self.children[f"undo {name}"] = spawn(request, {})
        except (OSError, ValueError) as error:
            return f"cannot be run: {error}"
        code = await child.wait(UNDO_SECONDS)
        if code is None:
            child.signal(signal.SIGKILL)
            await child.wait(KILL_SECONDS)
        return failure(code)

    def note(self, entry: Answer) -> None:
        """Append to the journal what was made and how it is undone."""
        self.journal.write(json.dumps(entry) + "\n")
        self.journal.flush()


def _locked(path: Path) -> IO[str]:
    """The journal, locked for as long as this process lives: who can lock it may sweep.

    It gets its name when it is locked already, so that a sweep never finds it unlocked.
    """
    unnamed = path.with_suffix(".new")
    journal = unnamed.open("a", encoding="utf-8")
    fcntl.flock(journal, fcntl.LOCK_EX)
    unnamed.rename(path)
    return journal


def main(directory: Path, lease_fd: int) -> int:
    """Run a supervisor until its last lease is closed; LEFT_BEHIND where it could not undo all."""
    adopt_orphans()

    async def serve() -> bool:
        return await Supervisor(directory).run(socket.socket(fileno=lease_fd))

    return 0 if asyncio.run(serve()) else LEFT_BEHIND
