"""The services of a backend as nodes of the graph: started, and ready by a real request."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from pytest_sluice.clients.hdfs import Hdfs
from pytest_sluice.clients.hive import Hive
from pytest_sluice.clients.kafka import Kafka
from pytest_sluice.contracts import Backend, Role, joined
from pytest_sluice.errors import SluiceError
from pytest_sluice.events import Journal
from pytest_sluice.flow.belongings import Hands
from pytest_sluice.flow.guest import Guest
from pytest_sluice.graph import Graph
from pytest_sluice.services import hdfs, hive, kafka, presto, zookeeper
from pytest_sluice.sql import Presto
from pytest_sluice.waiting import Deadline, wait_for

# Seconds without an answer after which a role that still runs is given up; scaled by the setting
# timeout_factor. The slowest here needs 12 s on two busy cores.
READY_SECONDS = 90.0


def roles(mode: kafka.Mode = "kraft") -> tuple[Role, ...]:
    """The roles of all services, with Kafka in this mode."""
    ensemble = (zookeeper.ROLE,) if mode == "zookeeper" else ()
    return (
        *ensemble,
        kafka.BROKERS[mode],
        hdfs.NAMENODE_ROLE,
        hdfs.DATANODE_ROLE,
        hive.ROLE,
        presto.ROLE,
    )


class Deployment:
    """The services of one backend. Nodes: kafka, hdfs, metastore, presto-server.

    With Kafka in the mode zookeeper there is a node of that name as well, which kafka needs.
    """

    def __init__(
        self,
        backend: Backend,
        journal: Journal,
        timeout_factor: float = 1,
        mode: kafka.Mode = "kraft",
        replication: int = 0,
        guest: Guest | None = None,
    ) -> None:
        self.backend = backend
        self.journal = journal
        self.timeout_factor = timeout_factor
        self._replication = replication
        # Of a cluster that is not the session's own; there it keeps to what it made itself.
        self.guest = guest
        self.graph = Graph(journal, self._deaths)
        # The roles that were started, by the group of nodes to which they belong.
        self._started: dict[str, list[str]] = {}
        self.mode = mode
        self._broker = kafka.BROKERS[mode]
        # What the broker cannot be without.
        self._ensemble = ("zookeeper",) if mode == "zookeeper" else ()
        if self._ensemble:
            self.graph.add("zookeeper", (), self.start_zookeeper)
        self.graph.add("kafka", self._ensemble, self.start_kafka)
        self.graph.add("namenode", (), lambda: self.start(hdfs.NAMENODE_ROLE))
        self.graph.add("datanode", (), lambda: self.start(hdfs.DATANODE_ROLE))
        self.graph.add("hdfs", ("namenode", "datanode"), self._hdfs)
        self.graph.add("metastore", (), self._metastore)
        self.graph.add("presto-server", (), self._presto)

    def roles_for(self, nodes: Iterable[str]) -> tuple[Role, ...]:
        """The roles of services that these nodes of the graph come to need."""
        needed = {name.removesuffix("-server") for name in self.graph.closure(nodes)}
        return tuple(role for role in roles(self.mode) if role.name in needed)

    def start(self, role: Role, group: str = "") -> None:
        """Start a role (again) that belongs to a group of nodes; those of services are in ""."""
        roles = self._started.setdefault(group, [])
        if role.name not in roles:
            roles.append(role.name)
        self.backend.start(role)

    def _deaths(self, group: str) -> dict[str, str]:
        """How each dead role of a group died, in the order in which they were started first."""
        found: dict[str, str] = {}
        for role in tuple(self._started.get(group, ())):
            # A role that could not be started has no exit code.
            with suppress(SluiceError):
                if (code := self.backend.exit_code(role)) is not None:
                    found[role] = f"{role} died with exit code {code}"
        return found

    def join(self, node: str) -> Any:
        """Start a service with all that it needs, and wait until it is ready; its client."""
        return self.graph.join(node)

    @cached_property
    def replication(self) -> int:
        """Of the blocks that clients write: as told, else what the cluster itself does."""
        return self._replication or self.hdfs().default_replication()

    def deadline(self, seconds: float) -> Deadline:
        """A deadline of so many seconds on a machine of ordinary speed."""
        return Deadline(seconds * self.timeout_factor)

    def await_role(
        self,
        role: str,
        probe: Callable[[], None],
        seconds: float = READY_SECONDS,
        beside: Sequence[str] = (),
    ) -> None:
        """Wait until a role answers ``probe``; its death fails at once, with its log.

        So does the death of a role ``beside`` it, without which it will not be ready.
        """

        def alive() -> None:
            for name in (role, *beside):
                self.backend.require_alive(name)

        wait_for(
            f"{role} to be ready",
            probe,
            self.deadline(seconds),
            alive=alive,
            log=lambda: self.backend.logs(role),
            remedy="give a slow machine more time with --sluice-timeout-factor=3",
        )

    def kafka(self) -> Kafka:
        """A client of the brokers."""
        brokers = joined(self.backend.endpoints("kafka", "client"))
        return Kafka(brokers, self.backend.access.kafka)

    def hdfs(self) -> Hdfs:
        """A client of the file system."""
        rpc = self.backend.endpoint("namenode", "rpc", "inside")
        return Hdfs(rpc, self.backend.endpoint("namenode", "http"), self.backend.access)

    def hive(self, name: str) -> Hive:
        """The Hive CLI, with its files in a folder of that name."""
        return Hive(self.backend, self.backend.scratch(name), self.replication)

    def hands(self) -> Hands:
        """By what a guest removes what it made."""
        return Hands(self.kafka, self.hdfs, lambda sql: self.hive("hive-leaving").execute(sql))

    def presto(self, schema: str) -> Presto:
        """A client of Presto, over the tables of a schema."""
        endpoint, access = self.backend.endpoint("presto", "http"), self.backend.access.presto
        catalogs = {by: access.catalogs.get(by, own) for by, own in presto.CATALOGS.items()}
        return Presto(endpoint.host, endpoint.port, schema, catalogs, access)

    def start_kafka(self) -> Kafka:
        """Start the broker (again) and wait until it answers; its client."""
        for name in self._ensemble:
            self.backend.require_alive(name)
        self.start(self._broker)
        client = self.kafka()
        self.await_role("kafka", lambda: self._probe_kafka(client), beside=self._ensemble)
        return client

    def _probe_kafka(self, client: Kafka) -> None:
        client.probe_ready()
        if self._ensemble:
            # A broker that starts again with ZooKeeper tells of itself before it tells of its
            # topics.
            endpoint = self.backend.endpoint("zookeeper", "client")
            client.probe_led(zookeeper.children(endpoint, kafka.TOPICS))

    def start_zookeeper(self) -> None:
        """Start ZooKeeper (again) and wait until it answers."""
        self.start(zookeeper.ROLE)
        endpoint = self.backend.endpoint("zookeeper", "client")
        self.await_role("zookeeper", lambda: zookeeper.probe_ready(endpoint))

    def _hdfs(self) -> Hdfs:
        http = self.backend.endpoint("namenode", "http")
        self.await_role("namenode", lambda: hdfs.probe_ready(http), beside=["datanode"])
        return self.hdfs()

    def _metastore(self) -> None:
        self.start(hive.ROLE)
        endpoint = self.backend.endpoint("metastore", "thrift")
        self.await_role("metastore", lambda: hive.probe_ready(endpoint))

    def _presto(self) -> None:
        self.start(presto.ROLE)
        endpoint, access = self.backend.endpoint("presto", "http"), self.backend.access.presto
        self.await_role("presto", lambda: presto.probe_started(endpoint, access))
