"""The contracts between services, components and backends: Role, Site, Launch, Backend."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from pytest_sluice.access import Access

# Who looks: the tests, the other roles, or a command that runs beside the role itself.
View = Literal["host", "inside", "beside"]


@dataclass(frozen=True)
class Endpoint:
    """Where a role listens: an address and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"


def joined(endpoints: Iterable[Endpoint]) -> str:
    """``host:port,host:port``, as Kafka's clients take their brokers."""
    return ",".join(map(str, endpoints))


@dataclass(frozen=True)
class Tools:
    """What a role is run with: the JRE, the jars by distribution, and class data options.

    ``class_data`` maps a role's name to JVM options; it returns none where no archive is at hand.
    ``python`` is the interpreter that runs the code under test. All paths are those of the place
    where the roles run, which may be the inside of a container.
    """

    java: Path
    jars: Mapping[str, tuple[Path, ...]]
    class_data: Callable[[str], tuple[str, ...]] = lambda _role: ()
    python: Path = Path(sys.executable)


@dataclass(frozen=True)
class Site:
    """Where one role shall run: its directory, its own endpoints, and those of its peers.

    ``endpoints`` are by port name, ``peers`` by ``role.port``. ``published`` has, by port name, the
    address under which the host reaches a port of a container; it is empty for a process.
    ``contained`` is a place whose every interface is its own, so that a role may listen on all.
    """

    directory: Path
    endpoints: Mapping[str, Endpoint]
    peers: Mapping[str, Endpoint]
    tools: Tools
    published: Mapping[str, Endpoint] = field(default_factory=dict)
    contained: bool = False

    @property
    def state(self) -> Path:
        """The folder of everything that outlives a restart of the role."""
        return self.directory / "state"


@dataclass(frozen=True)
class Launch:
    """How to run a process: argv, additional environment, files to write into its directory."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None


Render = Callable[[Site], Launch]


@dataclass(frozen=True)
class Role:
    """One process of a service or component: the unit of start, kill, pause and logs.

    ``service`` is what the document's cluster calls the place where it runs. ``ports`` are the
    ports of the document by name, 0 where any free one will do. ``outside`` are the ports on which
    a container serves the host in the place of those of the same name, where a service has to tell
    its clients another address there. ``prepare`` renders the command that makes the role's first
    ``state`` (a format, say). ``template`` is the name under which a prepared first state is kept,
    where it is not the role's own: variants of a role must not be given each other's. ``before`` is
    called before each start, once the state is there; it waits until nothing of an earlier life of
    the role is in the way, and raises a SluiceError where that does not end.
    """

    name: str
    render: Render
    service: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    peers: tuple[str, ...] = ()
    outside: Mapping[str, int] = field(default_factory=dict)
    prepare: Render | None = None
    template: str = ""
    before: Callable[[Site], None] = lambda _site: None


# The exit code of a command that is not there, as of a shell.
NO_COMMAND = 127


@dataclass(frozen=True)
class Completed:
    """What came of a command: its exit code, and the bytes of stdout and stderr."""

    code: int
    stdout: bytes
    stderr: bytes = b""

    @property
    def output(self) -> str:
        """Both streams as text, stderr last."""
        return (self.stdout + self.stderr).decode("utf-8", "replace")


class Backend(Protocol):
    """How roles run. ``attached`` backends use what is there and never stop it.

    ``access`` is as whom, and how, clients speak to the services. What a backend cannot do raises
    :class:`pytest_sluice.errors.Unsupported`.
    """

    name: str
    attached: bool
    access: Access

    @property
    def tools(self) -> Tools:
        """What roles and commands are run with, in the place where they run."""

    def start(self, role: Role) -> None:
        """Start the role, or do nothing where it already runs."""

    def endpoint(self, role: str, port: str, view: View = "host") -> Endpoint:
        """The address of a role's port, as whoever looks (see :data:`View`) reaches it."""

    def endpoints(self, role: str, port: str, view: View = "host") -> tuple[Endpoint, ...]:
        """Every address of a role's port: more than one where many machines serve it.

        :meth:`endpoint` is the first of them.
        """

    def exec(self, role: str, launch: Launch, *, seconds: float = 60) -> Completed:
        """Run a command where the role runs, wait for it, and end it after ``seconds``.

        One that is not there has the exit code :data:`NO_COMMAND`.
        """

    def exit_code(self, role: str) -> int | None:
        """None while the role runs; its exit code (minus the signal) when it is dead."""

    def require_alive(self, role: str) -> None:
        """Raise :class:`pytest_sluice.errors.ServiceNotReady`, with the log, for a dead role."""

    def logs(self, role: str, lines: int = 20) -> list[str]:
        """The last lines that the role wrote."""

    def kill(self, role: str) -> None:
        """SIGKILL: the role is dead when this returns."""

    def pause(self, role: str) -> None:
        """Freeze the role; its sockets stay open."""

    def resume(self, role: str) -> None:
        """Undo :meth:`pause`."""

    def stop(self, role: str, *, grace: float = 10) -> int:
        """SIGTERM, after ``grace`` seconds SIGKILL; the exit code."""

    def save_logs(self) -> None:
        """Bring logs that would go with their roles into the folder of the session's logs."""

    def scratch(self, name: str) -> Path:
        """A folder for the files of commands, where they run; removed with the cluster."""

    def leftovers(self) -> Sequence[str]:
        """What still runs of what was started here, a description each; empty is clean."""
