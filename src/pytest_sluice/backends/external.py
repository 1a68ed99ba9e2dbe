"""The external backend: services that are there already. It attaches, and never stops anything.

The components of a run (API, job) and commands run as local processes, as on the process backend.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_sluice.contracts import Backend, Completed, Endpoint, Launch, Role, Tools, View
from pytest_sluice.errors import BadDeclaration, ServiceNotReady, Unsupported


class ExternalBackend:
    """Endpoints by ``role.port``; what is not among them is a component that runs locally."""

    name = "external"
    attached = True

    def __init__(
        self, endpoints: Mapping[str, Endpoint], local: Backend, services: Sequence[str] = ()
    ) -> None:
        self._endpoints = dict(endpoints)
        self._local = local
        self._services = services

    @property
    def tools(self) -> Tools:
        """Those of the components and commands, which run locally."""
        return self._local.tools

    def start(self, role: Role) -> None:
        """Start a component; a service is there already, and one without an address is refused."""
        if self._is_external(role.name):
            return
        if role.name in self._services:
            raise self._no_address(role.name, next(iter(role.ports)))
        self._local.start(role)

    def endpoint(self, role: str, port: str, view: View = "host") -> Endpoint:
        """The given address, which is the same from every side."""
        if not self._is_external(role):
            return self._local.endpoint(role, port, view)
        try:
            return self._endpoints[f"{role}.{port}"]
        except KeyError:
            raise self._no_address(role, port) from None

    def exec(self, role: str, launch: Launch, *, seconds: float = 60) -> Completed:
        """Run a command locally, against the external services."""
        return self._local.exec(role, launch, seconds=seconds)

    def exit_code(self, role: str) -> int | None:
        """None for an external service: only a real request tells whether it lives."""
        return None if self._is_external(role) else self._local.exit_code(role)

    def require_alive(self, role: str) -> None:
        """Raise for a dead component."""
        if not self._is_external(role):
            self._local.require_alive(role)

    def logs(self, role: str, lines: int = 20) -> list[str]:
        """The log of a component; of an external service there is none to be seen."""
        return [] if self._is_external(role) else self._local.logs(role, lines)

    def kill(self, role: str) -> None:
        """Kill a component."""
        self._owned("kill", role).kill(role)

    def pause(self, role: str) -> None:
        """Pause a component."""
        self._owned("pause", role).pause(role)

    def resume(self, role: str) -> None:
        """Resume a component."""
        self._owned("resume", role).resume(role)

    def stop(self, role: str, *, grace: float = 10) -> int:
        """Stop a component; the exit code."""
        return self._owned("stop", role).stop(role, grace=grace)

    def save_logs(self) -> None:
        """Those of the components."""
        self._local.save_logs()

    def scratch(self, name: str) -> Path:
        """A local folder."""
        return self._local.scratch(name)

    def leftovers(self) -> Sequence[str]:
        """Components that still run."""
        return self._local.leftovers()

    def _no_address(self, role: str, port: str) -> ServiceNotReady:
        return ServiceNotReady(
            f"no address is given for {role}.{port}",
            checked=[f"given are {', '.join(sorted(self._endpoints))}"],
            remedy=f"--sluice-external=...,{role}.{port}=HOST:PORT",
        )

    def _owned(self, act: str, role: str) -> Backend:
        if self._is_external(role):
            raise Unsupported(f"the backend external cannot {act} {role}: it did not start it")
        return self._local

    def _is_external(self, role: str) -> bool:
        return any(name.partition(".")[0] == role for name in self._endpoints)


def parse_addresses(text: str) -> dict[str, Endpoint]:
    """Read ``role.port=host:port,...``."""
    return dict(_address(part.strip()) for part in text.split(",") if part.strip())


def _address(part: str) -> tuple[str, Endpoint]:
    name, equals, address = part.partition("=")
    host, colon, port = address.rpartition(":")
    if not (equals and colon and host and port.isdecimal() and "." in name):
        raise BadDeclaration(
            f"cannot read the address {part!r}",
            remedy="write --sluice-external=kafka.client=127.0.0.1:29092,namenode.rpc=...",
        )
    return name, Endpoint(host, int(port))
