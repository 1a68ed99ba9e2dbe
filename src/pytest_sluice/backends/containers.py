"""The containers backend: each role a container of its own, made by testcontainers.

For one service of a test module, with whatever Docker there is and no compose file: its ports are
published on the cluster's own loopback address, so nothing is raced for.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_sluice.backends.docker_roles import (
    LAUNCHED,
    PROGRAM,
    DockerRoles,
    Start,
    inner_port,
    promise_removal,
)
from pytest_sluice.backends.engine import container, discard, engine, told
from pytest_sluice.cluster import Cluster
from pytest_sluice.contracts import Endpoint, Role

# Roles start in threads, and the configuration of testcontainers is one for all.
_CONFIGURING = threading.Lock()

LABEL = "pytest-sluice.cluster"
# More than any one role needs: a leak ends in its container, and not on the machine.
MEMORY = "1536m"


class ContainersBackend(DockerRoles):
    """Containers of ``image`` on a network of their own; ``root`` is mounted where it is.

    Several of one cluster have a ``name`` each.
    """

    name = "containers"

    def __init__(
        self,
        cluster: Cluster,
        roles: Sequence[Role],
        logs: Path,
        *,
        image: str,
        root: Path,
        name: str = "",
    ) -> None:
        self.prefix = "-".join(filter(None, (docker_name(cluster), name)))
        super().__init__(cluster, roles, logs, f"{LABEL}={self.prefix}")
        self._image = image
        self._services = {role.name for role in roles}
        self._root = root

    def ask_image(self, *words: str) -> bytes:
        """In a container of its own, which is gone when this returns."""
        with told(f"run {' '.join(words)} in {self._image}"):
            answer: bytes = engine().containers.run(
                self._image, [*PROGRAM, *words], remove=True, labels=self._labels
            )
        return answer

    def find(self, role: str) -> Any:
        """By its name."""
        return container(self._name(role))

    def inside_host(self, role: str) -> str:
        """The role's name, an alias on the cluster's network."""
        return role

    def published(self, role: str, number: int) -> Endpoint:
        """Claimed before the container is made, since a broker has to tell it to its clients."""
        return self.cluster.claim(self._name(role), str(number), number)

    def create(self, role: Role) -> None:
        """A container by testcontainers; its reaper is not needed, since the supervisor reaps."""
        from testcontainers.core.container import DockerContainer

        start = self.to_run(role)
        made = DockerContainer(self._image, env=dict(start.environment))
        made.with_name(self._name(role.name)).with_command(list(start.command))
        made.with_volume_mapping(self._root, str(self._root), "ro")
        made.with_network(self._network()).with_network_aliases(role.name)
        labels = {**self._labels, LAUNCHED: start.digest}
        made.with_kwargs(labels=labels, init=True, mem_limit=MEMORY)
        # Its own way to bind a port has no place for the address.
        made.ports = self._ports(role)  # type: ignore[assignment]
        with told(f"start {role.name}"), _without_reaper():
            made.start()

    def promise(self) -> None:
        """Have all that will be made removed when the cluster ends, however it ends."""
        promise_removal(self.cluster, self.label)

    def close(self) -> None:
        """Save the logs and remove everything now."""
        self.save_logs()
        discard(self.label)
        self.cluster.undone(self.label)

    def to_run(self, role: Role) -> Start:
        """A service knows how to make its first state; a component is rendered here."""
        if role.name not in self._services:
            return super().to_run(role)
        site = self.site(role)
        peers = [f"--peer={name}={where}" for name, where in site.peers.items()]
        published = [f"--published={port}={where}" for port, where in site.published.items()]
        return Start((*PROGRAM, "serve", role.name, f"--host={role.name}", *peers, *published))

    def _ports(self, role: Role) -> dict[str, tuple[str, int]]:
        numbers = {role.outside.get(port, inner_port(role, port)) for port in role.ports}
        claimed = {number: self.published(role.name, number) for number in numbers}
        return {f"{number}/tcp": (where.host, where.port) for number, where in claimed.items()}

    def _network(self) -> Any:
        """The cluster's network; made where it is not there yet."""
        from testcontainers.core.network import Network

        network = Network(docker_network_kw={"labels": self._labels})
        network.name = self.prefix
        with self.cluster.lock("network"), told("make a network"):
            # The engine's own filter takes every network that has the name as a part of its own.
            there = engine().networks.list(names=[self.prefix])
            if self.prefix not in [each.name for each in there]:
                network.create()
        return network

    @property
    def _labels(self) -> dict[str, str]:
        return {LABEL: self.prefix}

    def _name(self, role: str) -> str:
        return f"{self.prefix}-{role}"


def docker_name(cluster: Cluster) -> str:
    """What containers, networks and projects of a cluster are named after."""
    return docker_name_of(cluster.directory)


def docker_name_of(directory: Path) -> str:
    """The same, of the cluster whose directory this is.

    A name of a host has no underscore, and Java refuses one that has.
    """
    return directory.name.replace("_", "-")


@contextmanager
def _without_reaper() -> Iterator[None]:
    from testcontainers.core.config import testcontainers_config as config

    with _CONFIGURING:
        before, config.ryuk_disabled = config.ryuk_disabled, True
        try:
            yield
        finally:
            config.ryuk_disabled = before
