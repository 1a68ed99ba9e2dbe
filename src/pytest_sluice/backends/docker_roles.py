"""What the backends on a Docker engine share: a role is a container, whoever made it."""

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

from pytest_sluice.access import Access
from pytest_sluice.backends.engine import containers, told
from pytest_sluice.backends.stories import SEARCHED_LINES, died, known, overdue
from pytest_sluice.cluster import Cluster
from pytest_sluice.contracts import Completed, Endpoint, Launch, Role, Site, Tools, View
from pytest_sluice.errors import ServiceNotReady, SluiceError
from pytest_sluice.launching import CONTAINED
from pytest_sluice.waiting import Deadline, NotYet, WaitTimeout, wait_for
from pytest_sluice.wire import LAUNCH, launch_json, tools_from_json

# In the image: what starts a role.
PROGRAM = ("python3", "-m", "pytest_sluice")

SIGKILLED = 137  # what a shell would say, and so the engine
OUT_OF_TIME = 124  # of timeout(1)
# The label of a container that we made: the digest of what it was made to run.
LAUNCHED = "pytest-sluice.launch"
# The end of a process that was sent SIGKILL, as the engine takes note of it.
KILL_SECONDS = 30.0
# Ports for which any free one will do have numbers from here on, in each container the same.
FIRST_FREE_PORT = 47130


@dataclass(frozen=True)
class Start:
    """What a container is made to run; its environment is what no list of processes shows."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Another one for whatever else is to be run."""
        told = json.dumps([self.command, dict(self.environment)], sort_keys=True)
        return sha256(told.encode()).hexdigest()


class DockerRoles(ABC):
    """Roles as containers of one cluster.

    ``label`` is what all of them carry, ``logs`` the folder to which :meth:`save_logs` writes.
    """

    name: str
    attached = False

    def __init__(self, cluster: Cluster, roles: Sequence[Role], logs: Path, label: str) -> None:
        self.cluster = cluster
        self.label = label
        self.log_directory = logs
        self._roles = {role.name: role for role in roles}
        self.access = Access(data_nodes=self._data_nodes)

    @abstractmethod
    def ask_image(self, *words: str) -> bytes:
        """What the program of the image answers to a subcommand."""

    @cached_property
    def tools(self) -> Tools:
        """Those of the image, which it is asked for once."""
        return tools_from_json(self.ask_image("describe").decode())

    @abstractmethod
    def find(self, role: str) -> Any:
        """The container of a role; None where it was never started."""

    @abstractmethod
    def create(self, role: Role) -> None:
        """Make the container of a role, and start it."""

    @abstractmethod
    def inside_host(self, role: str) -> str:
        """What the other containers call the host of a role."""

    @abstractmethod
    def published(self, role: str, number: int) -> Endpoint:
        """Where the host reaches a port of a role's container."""

    def start(self, role: Role) -> None:
        """Make the role's container, or start it again where it is dead.

        A dead one that was made to run something else is removed, and made anew.
        """
        self._roles.setdefault(role.name, role)
        with self.cluster.lock(role.name):
            found = self.find(role.name)
            if found is not None and self._is_outdated(found, role):
                self._remove(role.name, found)
                found = None
            if found is None:
                self.create(role)
            elif not found.attrs["State"]["Running"]:
                with told(f"start {role.name}"):
                    found.start()

    def endpoint(self, role: str, port: str, view: View = "host") -> Endpoint:
        """A published port as the host sees it; from inside the one that the role listens on."""
        known = self._known(role)
        if view != "host":
            host = "127.0.0.1" if view == "beside" else self.inside_host(role)
            return Endpoint(host, inner_port(known, port))
        return self.published(role, known.outside.get(port, inner_port(known, port)))

    def endpoints(self, role: str, port: str, view: View = "host") -> tuple[Endpoint, ...]:
        """The one address."""
        return (self.endpoint(role, port, view),)

    def exec(self, role: str, launch: Launch, *, seconds: float = 60) -> Completed:
        """Run a command in the role's container."""
        limit = ("timeout", "--kill-after=1", f"{seconds:g}")
        command, order = [*limit, *PROGRAM, "launch"], {LAUNCH: launch_json(launch)}
        found, started = self._required(role), monotonic()
        with told(f"run {launch.argv[0]} in {role}"):
            code, (out, err) = found.exec_run(command, environment=order, demux=True)
        completed = Completed(code, out or b"", err or b"")
        is_late = monotonic() - started >= seconds
        if code == OUT_OF_TIME or (code == SIGKILLED and is_late):
            raise overdue(launch, seconds, completed.output)
        return completed

    def exit_code(self, role: str) -> int | None:
        """None while it runs; the engine's 137 is a SIGKILL, -9 as elsewhere."""
        state = self._required(role).attrs["State"]
        if state["Running"]:
            return None
        return -9 if state["ExitCode"] == SIGKILLED else int(state["ExitCode"])

    def require_alive(self, role: str) -> None:
        """Raise :class:`ServiceNotReady` with the end of the log when the role is dead."""
        if (code := self.exit_code(role)) is not None:
            path = self._save_log(role, self._required(role))
            raise died(role, code, self.logs(role, SEARCHED_LINES), str(path))

    def logs(self, role: str, lines: int = 20) -> list[str]:
        """The end of the container's log; empty before its first start."""
        found = self.find(role) if role in self._roles else None
        if found is None:
            return []
        with told(f"read the log of {role}"):
            text: bytes = found.logs(tail=lines)
        return text.decode("utf-8", "replace").splitlines()

    def kill(self, role: str) -> None:
        """SIGKILL to the container; nothing where it is dead."""
        self._signal(role, "SIGKILL")
        self._await_end(role, KILL_SECONDS)

    def pause(self, role: str) -> None:
        """Freeze every process of the container."""
        found = self._required(role)
        if not found.attrs["State"]["Paused"]:
            with told(f"pause {role}"):
                found.pause()

    def resume(self, role: str) -> None:
        """Let the container go on."""
        found = self._required(role)
        if found.attrs["State"]["Paused"]:
            with told(f"resume {role}"):
                found.unpause()

    def stop(self, role: str, *, grace: float = 10) -> int:
        """SIGTERM, which reaches the role through the container's init, then SIGKILL.

        The engine would let a paused role go on to hear a SIGTERM: that one is killed.
        """
        if self._required(role).attrs["State"]["Paused"]:
            self.kill(role)
        self._signal(role, "SIGTERM")
        try:
            return self._await_end(role, grace)
        except WaitTimeout:
            self.kill(role)
            return self._await_end(role, KILL_SECONDS)

    def scratch(self, name: str) -> Path:
        """A folder in the container where the command runs; made when one runs there."""
        return CONTAINED / "commands" / name

    def leftovers(self) -> Sequence[str]:
        """Roles whose containers run."""
        running = {c.name: c for c in containers(self.label) if c.status in ("running", "paused")}
        found = {role: self.find(role) for role in self._roles}
        return [role for role, each in found.items() if each is not None and each.name in running]

    def site(self, role: Role) -> Site:
        """The place of a role: the inside of its container."""
        return Site(
            directory=CONTAINED / role.name,
            endpoints={port: self.endpoint(role.name, port, "inside") for port in role.ports},
            peers={peer: self._inside(peer) for peer in role.peers},
            tools=self.tools,
            published={port: self.endpoint(role.name, port) for port in role.outside},
            contained=True,
        )

    def to_run(self, role: Role) -> Start:
        """What the role's container runs, in a folder of the role's own."""
        site = self.site(role)
        order = launch_json(role.render(site), site.directory)
        return Start((*PROGRAM, "launch"), {LAUNCH: order})

    def _is_outdated(self, found: Any, role: Role) -> bool:
        made = found.labels.get(LAUNCHED)  # none where we did not make it
        is_dead = not found.attrs["State"]["Running"]
        return is_dead and made is not None and made != self.to_run(role).digest

    def _remove(self, role: str, found: Any) -> None:
        self._save_log(f"{role}-{found.short_id}", found)
        with told(f"remove {found.name}"):
            found.remove(v=True)

    def _inside(self, peer: str) -> Endpoint:
        role, _, port = peer.partition(".")
        return self.endpoint(role, port, "inside")

    def _data_nodes(self) -> dict[str, str]:
        inside = self.endpoint("datanode", "http", "inside")
        return {str(inside): str(self.endpoint("datanode", "http"))}

    def save_logs(self) -> None:
        """Write the log of every container to the folder of logs, before they are removed."""
        for each in containers(self.label):
            self._save_log(each.name, each)

    def _save_log(self, name: str, found: Any) -> Path:
        path = self.log_directory / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with told(f"read the log of {name}"):
            path.write_bytes(found.logs())
        return path

    def _signal(self, role: str, name: str) -> None:
        from docker.errors import APIError

        try:
            self._required(role).kill(name)
        except APIError as error:
            if self.exit_code(role) is None:
                raise SluiceError(f"cannot send {name} to {role}: {error}") from error

    def _await_end(self, role: str, seconds: float) -> int:
        def ended() -> int:
            if (code := self.exit_code(role)) is None:
                raise NotYet(f"{role} still runs")
            return code

        return wait_for(f"{role} to end", ended, Deadline(seconds))

    def _required(self, role: str) -> Any:
        self._known(role)
        found = self.find(role)
        if found is None:
            raise ServiceNotReady(f"{role} has no container: it was not started")
        return found

    def _known(self, role: str) -> Role:
        return known(self._roles, role)


def promise_removal(cluster: Cluster, label: str) -> None:
    """Have everything with a label removed when the cluster ends, however it ends."""
    cluster.undo(label, [sys.executable, "-m", "pytest_sluice", "discard", label])


def inner_port(role: Role, port: str) -> int:
    """The number of a port in a container: the document's, or one of our own."""
    if port not in role.ports:
        raise SluiceError(f"the role {role.name!r} has no port {port!r}")
    return role.ports[port] or FIRST_FREE_PORT + list(role.ports).index(port)


def bindings(found: Any) -> Mapping[int, Endpoint]:
    """The published ports of a container by their number in it: as asked for, and as they are.

    The latter are none while it is dead.
    """
    asked, given = (
        found.attrs["HostConfig"]["PortBindings"],
        found.attrs["NetworkSettings"]["Ports"],
    )
    return {
        int(number.partition("/")[0]): Endpoint(where[0]["HostIp"], int(where[0]["HostPort"]))
        for ports in (asked, given)
        for number, where in (ports or {}).items()
        if where and where[0]["HostPort"].strip("0")
    }
