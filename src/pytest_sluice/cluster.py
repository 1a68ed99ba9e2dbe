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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from pytest_sluice.children import kill_marked
from pytest_sluice.contracts import Endpoint
from pytest_sluice.errors import ClusterLost, SluiceError
from pytest_sluice.protocol import JOURNAL, SOCKET, UNDO_SECONDS
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
        self._closed = False

    @classmethod
    def create(cls) -> "Cluster":
        """Start a supervisor with a private directory, and hold its first lease."""
        directory = _private_directory()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs, (directory / "supervisor.log").open("wb") as log:
            process = _start(directory, theirs, log)
        cluster = cls(directory, ours, process)
        try:
            cluster._await_socket(process)
        except BaseException:
            cluster.close()
            process.kill()
            process.wait()
            _bury(directory)
            raise
        return cluster

    @classmethod
    def attach(cls, directory: Path) -> "Cluster":
        """Hold another lease on the supervisor of ``directory``; it counts when this returns."""
        lease = _connect(directory)
        try:
            _ask(lease, "hold")
        except SluiceError:
            lease.close()
            raise
        return cls(directory, lease)

    def __enter__(self) -> "Cluster":
        """The cluster, for as long as the block."""
        return self

    def __exit__(self, *_raised: object) -> None:
        """Give the lease back, and wait for the end: of a lease that was the last, that is."""
        self.close()
        self.await_end()

    def close(self) -> None:
        """Give the lease back; whoever still asks in another thread hears that it is gone."""
        self._closed = True
        self._lease.close()

    def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """One request to the supervisor, on a connection of its own so that waits do not queue."""
        self._require_lease()
        with _connect(self.directory) as connection:
            return _ask(connection, op, **fields)

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Held by one holder of the cluster at a time; a holder that dies lets go."""
        self._require_lease()
        with (self.directory / f"{name}.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What ``make`` returned (as JSON) for whichever holder of the cluster asked first.

        Raises ClusterLost where that holder died before it was made: half of it may be done.
        """
        path, begun = self.directory / f"{name}.json", self.directory / f"{name}.begun"
        with self.lock(name):
            if not path.exists():
                if begun.exists():
                    raise ClusterLost(f"whoever began the {name} did not end it")
                begun.touch()
                path.write_text(json.dumps(make()), encoding="utf-8")
            return json.loads(path.read_text(encoding="utf-8"))

    def made(self, name: str) -> Any:
        """What :meth:`once` made; None where it was not asked for, or is not there yet."""
        try:
            return json.loads((self.directory / f"{name}.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def await_end(self, seconds: float = 30 + UNDO_SECONDS) -> None:
        """Wait until the supervisor has brought everything down and removed its directory."""

        def gone() -> None:
            if self._supervisor and self._supervisor.poll() is None:
                raise NotYet("the supervisor has not ended")
            if self.directory.exists():
                # The supervisor was killed, or a thread of this process wrote into it at the end.
                _bury(self.directory)
                raise NotYet(f"{self.directory} is still there")

        wait_for("the end of the cluster", gone, Deadline(seconds))

    def claim(self, role: str, port: str, preferred: int) -> Endpoint:
        """An address for a role's port: the same one whenever it is asked for.

        It is ``preferred`` where that can be bound, else any free one; 0 asks for any.
        """
        answer = self.ask("endpoint", role=role, port=port, preferred=preferred)
        return Endpoint(answer["host"], answer["port"])

    def undo(self, name: str, argv: Sequence[str]) -> None:
        """Have ``argv`` run when the cluster ends, however it ends: it undoes ``name``.

        To be called before ``name`` is made. Under the same name the later command counts.
        """
        self.ask("undo", name=name, argv=list(argv))

    def undone(self, name: str) -> None:
        """Say that ``name`` has been undone in good order."""
        self.ask("undone", name=name)

    def kill_all(self) -> None:
        """Kill every process of the cluster; they are dead when this returns."""
        running = [row["name"] for row in self.ask("status")["roles"] if row["code"] is None]
        for name in running:
            self.ask("signal", name=name, number=signal.SIGKILL)
        for name in running:
            self.ask("wait", name=name, seconds=30)

    def _require_lease(self) -> None:
        if self._closed:
            raise ClusterLost("the lease on the cluster was given back")

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


def _start(directory: Path, lease: socket.socket, log: IO[bytes]) -> subprocess.Popen[bytes]:
    words = ["supervise", str(directory), str(lease.fileno())]
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


def _ask(connection: socket.socket, op: str, **fields: object) -> dict[str, Any]:
    with connection.makefile("rwb") as stream:
        stream.write(json.dumps({"op": op, **fields}).encode() + b"\n")
        stream.flush()
        line = stream.readline()
    if not line:
        raise ClusterLost("the supervisor ended while it was asked", checked=[f"op: {op}"])
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise SluiceError(f"the supervisor could not {op}: {answer['error']}")
    return answer


def _directories() -> Iterator[Path]:
    for parent in {Path(tempfile.gettempdir()), Path("/tmp")}:
        for directory in sorted(parent.glob(f"{PREFIX}*")):
            with contextlib.suppress(FileNotFoundError):  # another session ends just now
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
    """Do what a dead supervisor would have done; how many processes were killed."""
    killed = kill_marked(str(directory))
    for argv in reversed(_undos(directory).values()):
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):
            subprocess.run(argv, capture_output=True, check=False, timeout=UNDO_SECONDS)
    shutil.rmtree(directory, ignore_errors=True)
    return killed


def _undos(directory: Path) -> dict[str, list[str]]:
    """What the journal names as made and not as undone, with the commands that undo it."""
    undos: dict[str, list[str]] = {}
    for entry in _journal(directory):
        if isinstance(entry.get("undo"), list):
            undos[entry["made"]] = entry["undo"]
        undos.pop(entry.get("undone", ""), None)
    return undos


def _journal(directory: Path) -> Iterator[dict[str, Any]]:
    with contextlib.suppress(FileNotFoundError):
        for line in (directory / JOURNAL).read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):  # else the kill cut it off
                yield json.loads(line)
