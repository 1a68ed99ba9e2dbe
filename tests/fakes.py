"""An in-memory backend: the contract of :class:`pytest_sluice.contracts.Backend` without a process.

For unit tests of what stands on a backend. It passes the same contract test as the real ones.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_sluice.access import Access
from pytest_sluice.contracts import Completed, Endpoint, Launch, Role, Tools, View
from pytest_sluice.errors import ServiceNotReady, SluiceError
from pytest_sluice.waiting import NotYet

KILLED, TERMINATED = -9, 0
FIRST_PORT = 40_000


@dataclass
class FakeProcess:
    """A role that was started: its exit code is None while it runs."""

    role: Role
    starts: int = 0
    code: int | None = None
    paused: bool = False
    lines: list[str] = field(default_factory=list)


def no_command(launch: Launch) -> Completed:
    """Refuse every command."""
    raise SluiceError(f"the fake knows no command {launch.argv}")


class FakeBackend:
    """Roles as values. ``command`` answers ``exec``; roles of ``stubborn`` ignore SIGTERM."""

    name = "fake"
    attached = False
    access = Access()

    tools = Tools(Path("java"), {})

    def __init__(
        self,
        directory: Path,
        command: Callable[[Launch], Completed] = no_command,
        stubborn: Collection[str] = (),
    ) -> None:
        self.processes: dict[str, FakeProcess] = {}
        self._directory = directory
        self._command = command
        self._stubborn = stubborn
        self._ports: dict[tuple[str, str], int] = {}

    def start(self, role: Role) -> None:
        """Let the role run, unless it does."""
        process = self.processes.setdefault(role.name, FakeProcess(role, code=KILLED))
        if process.code is not None:
            process.role, process.code, process.paused = role, None, False
            process.starts += 1
            process.lines.append(f"start {process.starts}")

    def endpoint(self, role: str, port: str, view: View = "host") -> Endpoint:
        """A port that no other role has; nobody listens there."""
        if port not in self._process(role).role.ports:
            raise SluiceError(f"the role {role!r} has no port {port!r}")
        number = self._ports.setdefault((role, port), FIRST_PORT + len(self._ports))
        return Endpoint("127.0.0.1", number)

    def endpoints(self, role: str, port: str, view: View = "host") -> tuple[Endpoint, ...]:
        """The one port."""
        return (self.endpoint(role, port, view),)

    def exec(self, role: str, launch: Launch, *, seconds: float = 60) -> Completed:
        """What ``command`` answers."""
        return self._command(launch)

    def exit_code(self, role: str) -> int | None:
        """None while it runs."""
        return self._process(role).code

    def require_alive(self, role: str) -> None:
        """Raise for a dead role."""
        if (code := self.exit_code(role)) is not None:
            raise ServiceNotReady(f"{role} died with exit code {code}", checked=self.logs(role))

    def logs(self, role: str, lines: int = 20) -> list[str]:
        """The last lines; none of a role that was never started."""
        return self.processes[role].lines[-lines:] if role in self.processes else []

    def save_logs(self) -> None:
        """Nothing: there are no files."""

    def kill(self, role: str) -> None:
        """End it as SIGKILL does."""
        self.die(role, KILLED)

    def pause(self, role: str) -> None:
        """Let it answer nothing."""
        self._process(role).paused = True

    def resume(self, role: str) -> None:
        """Let it answer again."""
        self._process(role).paused = False

    def stop(self, role: str, *, grace: float = 10) -> int:
        """End it as SIGTERM does; a paused or stubborn role only as SIGKILL does."""
        deaf = self._process(role).paused or role in self._stubborn
        self.die(role, KILLED if deaf else TERMINATED)
        return self.processes[role].code or 0

    def scratch(self, name: str) -> Path:
        """A folder."""
        directory = self._directory / name
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def leftovers(self) -> Sequence[str]:
        """Roles that run."""
        return [name for name, process in self.processes.items() if process.code is None]

    def die(self, role: str, code: int, *lines: str) -> None:
        """Let a role die by itself, with an exit code and last words."""
        process = self._process(role)
        process.lines += lines
        if process.code is None:
            process.code = code

    def answer(self, role: str) -> str:
        """What a living role would answer to a request: how often it was started."""
        process = self._process(role)
        if process.code is not None or process.paused:
            raise NotYet(f"{role} does not answer")
        return f"start {process.starts}"

    def _process(self, role: str) -> FakeProcess:
        if role not in self.processes:
            raise SluiceError(f"no role {role!r}", checked=[f"known are {list(self.processes)}"])
        return self.processes[role]
