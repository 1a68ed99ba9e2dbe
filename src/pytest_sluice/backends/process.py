"""The process backend: every role is a local process that the supervisor owns. No Docker."""

import itertools
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from pytest_sluice.access import Access
from pytest_sluice.backends.stories import SEARCHED_LINES, died, known, overdue
from pytest_sluice.cluster import Cluster
from pytest_sluice.contracts import NO_COMMAND, Completed, Endpoint, Launch, Role, Site, Tools, View
from pytest_sluice.launching import environment, lay_out, make_state, missing

# Of the process, not of a backend: two backends of one cluster must not share a command's files.
COMMANDS = itertools.count(1)


class ProcessBackend:
    """Roles as processes of one :class:`Cluster`; their logs go to ``logs``.

    ``templates`` holds prepared first states, each by the name of its template, which is the
    role's where it has no other; where one is missing the role's own ``prepare`` command makes it.
    """

    name = "process"
    attached = False
    access = Access()

    def __init__(
        self, cluster: Cluster, tools: Tools, roles: Sequence[Role], logs: Path, templates: Path
    ) -> None:
        self.cluster = cluster
        self.tools = tools
        self.log_directory = logs
        self.templates = templates
        self._roles = {role.name: role for role in roles}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, role: Role) -> None:
        """Render the role for its place, write its files, and have it spawned."""
        self._roles.setdefault(role.name, role)
        site = self.site(role)
        with self.cluster.lock(role.name):
            if self._runs(role.name):
                return
            self.make_state(role)
            role.before(site)
            self._spawn(role.name, role.render(site), site.directory)

    def endpoint(self, role: str, port: str, view: View = "host") -> Endpoint:
        """The role's port on the cluster's own address, which is the same from every side."""
        return self.cluster.claim(role, port, self._known(role).ports[port])

    def endpoints(self, role: str, port: str, view: View = "host") -> tuple[Endpoint, ...]:
        """The one address: a role is one process."""
        return (self.endpoint(role, port, view),)

    def exec(self, role: str, launch: Launch, *, seconds: float = 60) -> Completed:
        """Run a command as a process of the cluster; its output goes to a file of its own."""
        if lacking := missing(launch, os.environ):
            return Completed(NO_COMMAND, b"", lacking.encode())
        name = f"{role}-command-{os.getpid()}-{next(COMMANDS)}"
        directory = launch.directory or self.scratch(name)
        directory.mkdir(parents=True, exist_ok=True)
        out, err = directory / f"{name}.out", directory / f"{name}.err"
        self._spawn(name, launch, directory, out, err)
        code = self.cluster.ask("wait", name=name, seconds=seconds, forget=True)["code"]
        if code is None:
            self.kill(name)
        completed = Completed(-1 if code is None else code, out.read_bytes(), err.read_bytes())
        if code is None:
            raise overdue(launch, seconds, completed.output)
        return completed

    def exit_code(self, role: str) -> int | None:
        """None while it runs."""
        code: int | None = self.cluster.ask("poll", name=role)["code"]
        return code

    def logs(self, role: str, lines: int = 20) -> list[str]:
        """The end of the role's log; empty before its first start."""
        try:
            text = self.log_path(role).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        return text.splitlines()[-lines:]

    def save_logs(self) -> None:
        """Nothing: they are files already."""

    def log_path(self, role: str) -> Path:
        """Where the role's output goes; it stays after the cluster."""
        return self.log_directory / f"{role}.log"

    def kill(self, role: str) -> None:
        """SIGKILL to the role's whole process group; returns when it is dead."""
        self._signal(role, signal.SIGKILL)
        self.cluster.ask("wait", name=role, seconds=30)

    def pause(self, role: str) -> None:
        """SIGSTOP to the whole process group."""
        self._signal(role, signal.SIGSTOP)

    def resume(self, role: str) -> None:
        """SIGCONT to the whole process group."""
        self._signal(role, signal.SIGCONT)

    def stop(self, role: str, *, grace: float = 10) -> int:
        """SIGTERM, then SIGKILL; the exit code, negative for a signal."""
        return int(self.cluster.ask("stop", name=role, seconds=grace)["code"])

    def scratch(self, name: str) -> Path:
        """A folder in the cluster's directory."""
        directory = self.cluster.directory / "commands" / name
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def leftovers(self) -> Sequence[str]:
        """Roles that still run."""
        roles = self.cluster.ask("status")["roles"]
        return [f"{row['name']} (pid {row['pid']})" for row in roles if row["code"] is None]

    def require_alive(self, role: str) -> None:
        """Raise :class:`ServiceNotReady` with the end of the log when the role is dead."""
        code = self.exit_code(role)
        if code is not None:
            raise died(role, code, self.logs(role, SEARCHED_LINES), str(self.log_path(role)))

    def site(self, role: Role) -> Site:
        """The place of a role: its directory, endpoints, and those of its peers."""
        return Site(
            directory=self.cluster.directory / role.name,
            endpoints={port: self.endpoint(role.name, port) for port in role.ports},
            peers={peer: self.endpoint(*_role_and_port(peer)) for peer in role.peers},
            tools=self.tools,
        )

    def make_state(self, role: Role) -> Path:
        """Make the role's first state where it has none: a copy of its template, or by itself."""
        return make_state(
            role,
            self.site(role),
            self.templates / (role.template or role.name),
            lambda launch: self.exec(f"{role.name}-prepare", launch),
        )

    def _spawn(
        self,
        name: str,
        launch: Launch,
        directory: Path,
        out: Path | None = None,
        err: Path | None = None,
    ) -> None:
        lay_out(launch, directory)
        self.cluster.ask(
            "spawn",
            name=name,
            argv=launch.argv,
            environment=environment(launch, directory, os.environ),
            directory=str(launch.directory or directory),
            out=str(out or self.log_path(name)),
            err=str(err or out or self.log_path(name)),
        )

    def _runs(self, role: str) -> bool:
        rows = self.cluster.ask("status")["roles"]
        return any(row["name"] == role and row["code"] is None for row in rows)

    def _signal(self, role: str, number: int) -> None:
        self.cluster.ask("signal", name=role, number=number)

    def _known(self, role: str) -> Role:
        return known(self._roles, role)


def _role_and_port(peer: str) -> tuple[str, str]:
    role, _, port = peer.partition(".")
    return role, port
