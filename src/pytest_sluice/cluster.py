"""The cluster as its users hold it: a lease on a supervisor, and requests to it."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any
from weakref import WeakSet

from pytest_sluice import burial, once
from pytest_sluice.contracts import Endpoint
from pytest_sluice.errors import ClusterLost, SluiceError
from pytest_sluice.protocol import JOURNAL, LEFT_BEHIND, PREFIX, SOCKET, UNDO_SECONDS
from pytest_sluice.waiting import Deadline, NotYet, wait_for

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
        HELD.add(self)

    @classmethod
    def create(cls) -> "Cluster":
        """Start a supervisor with a private directory, and hold its first lease."""
        directory = _private_directory()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with theirs, (directory / "supervisor.log").open("wb") as log:
                process = _start(directory, theirs, log)
        except BaseException:  # there is no journal yet, by which a sweep would know it
            ours.close()
            shutil.rmtree(directory, ignore_errors=True)
            raise
        cluster = cls(directory, ours, process)
        try:
            cluster._await_socket(process)
        except BaseException:
            cluster.close()
            process.kill()
            process.wait()
            _clear(directory)
            raise
        return cluster

    @classmethod
    def attach(cls, directory: Path) -> "Cluster":
        """Hold another lease on the supervisor of ``directory``; it counts when this returns."""
        lease = _connect(directory)
        try:
            _ask(lease, "hold")
        except BaseException:
            lease.close()
            raise
        return cls(directory, lease)

    def __enter__(self) -> "Cluster":
        """The cluster, for as long as the block."""
        return self

    def __exit__(self, _kind: object, raised: BaseException | None, _trace: object) -> None:
        """Give the lease back; wait for the end of a cluster that was created here.

        Raises SluiceError where something could not be undone.
        """
        self.close()
        left = self.await_end()
        if left and raised:
            raised.add_note("\n".join(["not undone at the cluster's end:", *left]))
        elif left:
            raise SluiceError("not everything was undone at the cluster's end", checked=left)

    def close(self) -> None:
        """Give the lease back; whoever still asks in another thread hears that it is gone."""
        self._closed = True
        with contextlib.suppress(OSError):
            # Whatever else has this socket too, by a fork that Python did not see, say.
            self._lease.shutdown(socket.SHUT_RDWR)
        self._lease.close()

    def disown(self) -> None:
        """Hold no lease from here on, in a process that was forked: its parent has the lease."""
        self._lease.close()
        self._supervisor = None

    def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """One request to the supervisor, on a connection of its own so that waits do not queue."""
        self._require_lease()
        with _connect(self.directory) as connection:
            return _ask(connection, op, **fields)

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Held by one holder of the cluster at a time; a holder that dies lets go."""
        self._require_lease()
        with once.lock(self.directory, name):
            yield

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What ``make`` returned (as JSON) for whichever holder of the cluster asked first.

        Raises ClusterLost where that holder failed, with the cause, or died before it was made:
        half of it may be done.
        """
        self._require_lease()
        return once.once(self.directory, name, make)

    def made(self, name: str) -> Any:
        """What :meth:`once` made; None where it was not asked for, or is not there yet."""
        return once.made(self.directory, name)

    def await_end(self, seconds: float = 30 + UNDO_SECONDS) -> list[str]:
        """Wait until the supervisor has brought everything down and removed its directory.

        What could not be undone is answered, a sentence each. There is nothing to wait for where
        the lease was attached: that cluster is somebody else's.
        """
        supervisor = self._supervisor
        if supervisor is None:
            return []

        def gone() -> list[str]:
            code = supervisor.poll()
            if code is None:
                raise NotYet("the supervisor has not ended")
            if code == LEFT_BEHIND:
                return burial.left(self.directory)
            # The supervisor was killed, or a thread of this process wrote into it at the end.
            if not (left := _clear(self.directory)) and self.directory.exists():
                raise NotYet(f"{self.directory} is still there")
            return left

        return wait_for("the end of the cluster", gone, Deadline(seconds))

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
        self.ask("kill_all")

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


def clusters() -> list[Path]:
    """Directories of the clusters that have a living supervisor."""
    return [path for path in burial.candidates(burial.places()) if burial.is_alive(path)]


def _private_directory() -> Path:
    for parent in burial.places():
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
    line = b""
    with contextlib.suppress(ConnectionError), connection.makefile("rwb") as stream:
        stream.write(json.dumps({"op": op, **fields}).encode() + b"\n")
        stream.flush()
        line = stream.readline()
    if not line:
        raise ClusterLost("the supervisor ended while it was asked", checked=[f"op: {op}"])
    answer: dict[str, Any] = json.loads(line)
    if answer.get("ending"):
        raise ClusterLost(answer["error"], checked=[f"op: {op}"])
    if "error" in answer:
        raise SluiceError(f"the supervisor could not {op}: {answer['error']}")
    return answer


def _clear(directory: Path) -> list[str]:
    """Remove what a supervisor left whose end this process has seen; what cannot be undone."""
    if not (directory / JOURNAL).exists():  # it removed that last, and something came after it
        shutil.rmtree(directory, ignore_errors=True)
        return []
    with contextlib.suppress(OSError):  # something is written into it just now
        if buried := burial.bury(directory):
            return list(buried.left)
    return []


def _disown() -> None:
    for cluster in list(HELD):
        cluster.disown()


# A lease ends with the process that was given it, though a test may have forked others from that.
HELD: WeakSet[Cluster] = WeakSet()
os.register_at_fork(after_in_child=_disown)
