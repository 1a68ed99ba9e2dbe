"""The cluster as its users hold it: a lease on a supervisor, and requests to it."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pytest_sluice.errors import ClusterLost, SluiceError
from pytest_sluice.supervisor import JOURNAL, MARK, SOCKET
from pytest_sluice.waiting import Deadline, NotYet, wait_for

PREFIX = "sluice-"
# The path of a Unix socket has at most 104 bytes on macOS, 108 on Linux.
LONGEST_SOCKET = 103


class Cluster:
    """A lease on a supervisor. Closing it, or dying, gives the lease back."""

    def __init__(
        self,
        directory: Path,
        lease: socket.socket,
        supervisor: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self.directory = directory
        self._lease = lease
        self._supervisor = supervisor

    @classmethod
    def create(cls, keep_seconds: float = 0) -> "Cluster":
        """Start a supervisor with a private directory, and hold its first lease."""
        directory = _private_directory()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs, (directory / "supervisor.log").open("wb") as log:
            process = _start(directory, theirs, log, keep_seconds)
        cluster = cls(directory, ours, process)
        cluster._await_socket(process)
        return cluster

    @classmethod
    def attach(cls, directory: Path) -> "Cluster":
        """Hold another lease on the supervisor of ``directory``; it counts when this returns."""
        cluster = cls(directory, _connect(directory))
        try:
            cluster.ask("status")  # answered in turn, so after the lease was counted
        except SluiceError:
            cluster.close()
            raise
        return cluster

    def close(self) -> None:
        """Give the lease back."""
        self._lease.close()

    def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """One request to the supervisor, on a connection of its own so that waits do not queue."""
        with _connect(self.directory) as connection, connection.makefile("rwb") as stream:
            stream.write(json.dumps({"op": op, **fields}).encode() + b"\n")
            stream.flush()
            line = stream.readline()
        if not line:
            raise ClusterLost("the supervisor ended while it was asked", checked=[f"op: {op}"])
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SluiceError(f"the supervisor could not {op}: {answer['error']}")
        return answer

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Held by one holder of the cluster at a time; a holder that dies lets go."""
        with (self.directory / f"{name}.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What ``make`` returned (as JSON) for whichever holder of the cluster asked first."""
        path = self.directory / f"{name}.json"
        with self.lock(name):
            if not path.exists():
                path.write_text(json.dumps(make()), encoding="utf-8")
            return json.loads(path.read_text(encoding="utf-8"))

    def await_end(self, seconds: float = 30) -> None:
        """Wait until the supervisor has brought everything down and removed its directory."""

        def gone() -> None:
            if self.directory.exists():
                raise NotYet(f"{self.directory} is still there")
            if self._supervisor and self._supervisor.poll() is None:
                raise NotYet("the supervisor has not ended")

        wait_for("the end of the cluster", gone, Deadline(seconds))

    def _await_socket(self, process: subprocess.Popen[bytes]) -> None:
        def there() -> None:
            try:
                _connect(self.directory).close()
            except ClusterLost as error:
                raise NotYet(error.cause) from error

        def alive() -> None:
            if process.poll() is not None:
                log = (self.directory / "supervisor.log").read_text(errors="replace")
                raise ClusterLost("the supervisor died at its start", checked=log.splitlines()[-5:])

        wait_for("the supervisor's socket", there, Deadline(20), alive=alive)


def sweep() -> list[str]:
    """Bury what supervisors that were killed left behind; a description of each."""
    return [
        f"{directory.name}: {_bury(directory)} processes killed, directory removed"
        for directory in _directories()
        if _abandoned(directory)
    ]


def clusters() -> list[Path]:
    """Directories of the clusters that have a living supervisor."""
    return [directory for directory in _directories() if not _abandoned(directory)]


def _private_directory() -> Path:
    for parent in (tempfile.gettempdir(), "/tmp"):
        directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        if len(os.fsencode(directory / SOCKET)) <= LONGEST_SOCKET:
            return directory
        directory.rmdir()
    raise SluiceError("no directory with a path short enough for a Unix socket")


def _start(
    directory: Path, lease: socket.socket, log: Any, keep_seconds: float
) -> subprocess.Popen[bytes]:
    words = ["supervise", str(directory), str(lease.fileno()), str(keep_seconds)]
    return subprocess.Popen(
        [sys.executable, "-m", "pytest_sluice", *words],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        pass_fds=[lease.fileno()],
        start_new_session=True,
    )


def _connect(directory: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(directory / SOCKET))
    except OSError as error:
        connection.close()
        raise ClusterLost(
            f"no supervisor answers for {directory}: {error}",
            remedy="run the tests again; what was left behind is swept first",
        ) from error
    return connection


def _directories() -> Iterator[Path]:
    for parent in {Path(tempfile.gettempdir()), Path("/tmp")}:
        for directory in sorted(parent.glob(f"{PREFIX}*")):
            if directory.stat().st_uid == os.getuid() and (directory / JOURNAL).exists():
                yield directory


def _abandoned(directory: Path) -> bool:
    """Whether nobody holds the journal's lock, which a supervisor does as long as it lives."""
    try:
        with (directory / JOURNAL).open("a") as journal:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


def _bury(directory: Path) -> int:
    """Kill the processes that carry the directory's mark, and remove it; how many were killed."""
    marked = list(_marked(str(directory)))
    for pid in marked:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)
    return len(marked)


def _marked(mark: str) -> Iterator[int]:
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark:
                yield process.pid
