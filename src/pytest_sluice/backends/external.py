"""The external backend: services that are there already. It attaches, and never stops anything.

The components of a run (API, job) and commands run as local processes, as on the process backend.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pytest_sluice.backends.inventory import PLACES, Inventory
from pytest_sluice.contracts import Backend, Completed, Endpoint, Launch, Role, Site, Tools, View
from pytest_sluice.errors import ServiceNotReady, Unsupported


class ExternalBackend:
    """The services of an inventory; every other role is a component that runs locally.

    ``services`` are the names of roles that are services, whether they have an address or not: of
    some, DataNodes for one, nobody needs to know it.
    """

    name = "external"
    attached = True

    def __init__(self, inventory: Inventory, local: Backend, services: Sequence[str] = ()) -> None:
        self.access = inventory.access
        self._inventory = inventory
        self._local = local
        addressed = (name.partition(".")[0] for name in inventory.addresses)
        self._services = {*services, *addressed}

    @property
    def tools(self) -> Tools:
        """Those of the components and commands, which run locally."""
        return self._local.tools

    def start(self, role: Role) -> None:
        """Start a component; a service is there already."""
        if not self._is_external(role.name):
            self._local.start(self._as_user(role))

    def endpoint(self, role: str, port: str, view: View = "host") -> Endpoint:
        """The first of the given addresses."""
        return self.endpoints(role, port, view)[0]

    def endpoints(self, role: str, port: str, view: View = "host") -> tuple[Endpoint, ...]:
        """The given addresses, which are the same from every side."""
        if not self._is_external(role):
            return self._local.endpoints(role, port, view)
        try:
            return self._inventory.addresses[f"{role}.{port}"]
        except KeyError:
            raise self._no_address(role, port) from None

    def exec(self, role: str, launch: Launch, *, seconds: float = 60) -> Completed:
        """Run a command locally, against the external services."""
        return self._local.exec(role, self._launched(launch), seconds=seconds)

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

    def _as_user(self, role: Role) -> Role:
        def render(site: Site) -> Launch:
            return self._launched(role.render(site))

        return replace(role, render=render)

    def _launched(self, launch: Launch) -> Launch:
        """The same process, by the name that Hadoop's clients shall go by."""
        user = {"HADOOP_USER_NAME": self.access.hdfs_user} if self.access.hdfs_user else {}
        return replace(launch, environment={**user, **launch.environment})

    def _no_address(self, role: str, port: str) -> ServiceNotReady:
        place = f"{role}.{port}"
        table, key = next((at for at, named in PLACES.items() if named == place), ("", ""))
        in_file = f", or {key} in the table [{table}] of a TOML file" if key else ""
        return ServiceNotReady(
            f"no address is given for {place}",
            checked=[f"{self._inventory.origin} gives {', '.join(self._inventory.addresses)}"],
            remedy=f"--sluice-external=...,{place}=HOST:PORT{in_file}",
        )

    def _owned(self, act: str, role: str) -> Backend:
        if self._is_external(role):
            raise Unsupported(f"the backend external cannot {act} {role}: it did not start it")
        return self._local

    def _is_external(self, role: str) -> bool:
        return role in self._services
