"""A cluster of many, as roles of one process backend: brokers, DataNodes, Spark's workers."""

import json
from collections.abc import Callable, Sequence
from functools import partial

from bench.there import ADDRESSES
from pytest_sluice.backends.process import ProcessBackend
from pytest_sluice.clients.kafka import Kafka
from pytest_sluice.contracts import Role
from pytest_sluice.events import Journal
from pytest_sluice.flow.deployment import Deployment
from pytest_sluice.services import hdfs, hive, kafka, presto, spark

BROKERS = [kafka.role(number, of=3) for number in (1, 2, 3)]
DATANODES = [hdfs.datanode(number) for number in (1, 2)]
WORKERS = [spark.worker(number) for number in (1, 2)]
ROLES = [
    *BROKERS,
    hdfs.NAMENODE_ROLE,
    *DATANODES,
    hive.ROLE,
    presto.ROLE,
    spark.MASTER_ROLE,
    *WORKERS,
]


class Many:
    """The cluster on a process backend: its services are ready when :meth:`start` returns."""

    def __init__(self, backend: ProcessBackend, journal: Journal) -> None:
        self.backend = backend
        self.deployment = Deployment(backend, journal)
        for role in ROLES:
            # Those of the deployment itself, where it has one of this name.
            if role.name not in self.deployment.graph:
                self._add(role.name, (), partial(backend.start, role))
        self._add("brokers", names(BROKERS), self._await_brokers)
        self._add("file system", ["namenode", *names(DATANODES)], self._await_file_system)
        self._add("spark", ["spark-master", *names(WORKERS)], self._await_spark)

    def start(self) -> None:
        """Start everything side by side, and wait until each answers a real request."""
        ready = ["brokers", "file system", "metastore", "presto-server", "spark"]
        self.deployment.graph.start(ready)
        for name in ready:
            self.deployment.graph.join(name)

    def addresses(self) -> str:
        """Where everything is, as TOML for the backend external."""
        return ADDRESSES.format(
            brokers=json.dumps(self._brokers()),
            namenode=self._at("namenode", "rpc"),
            webhdfs=self._at("namenode", "http"),
            metastore=self._at("metastore", "thrift"),
            presto=self._at("presto", "http"),
        )

    @property
    def master(self) -> str:
        """The URL of Spark's master."""
        return f"spark://{self._at('spark-master', 'rpc')}"

    @property
    def master_page(self) -> str:
        """Where the master tells of its workers and applications, over HTTP."""
        return f"http://{self._at('spark-master', 'http')}"

    def _add(self, name: str, needs: Sequence[str], action: Callable[[], object]) -> None:
        self.deployment.graph.add(name, needs, action)

    def _at(self, role: str, port: str) -> str:
        return str(self.backend.endpoint(role, port))

    def _brokers(self) -> list[str]:
        return [self._at(name, "client") for name in names(BROKERS)]

    def _await_brokers(self) -> None:
        client = Kafka(",".join(self._brokers()))
        first, *others = names(BROKERS)
        self.deployment.await_role(first, lambda: client.probe_ready(len(BROKERS)), beside=others)

    def _await_file_system(self) -> None:
        http = self.backend.endpoint("namenode", "http")
        self.deployment.await_role(
            "namenode",
            lambda: hdfs.probe_ready(http, len(DATANODES)),
            beside=names(DATANODES),
        )

    def _await_spark(self) -> None:
        http = self.backend.endpoint("spark-master", "http")
        self.deployment.await_role(
            "spark-master", lambda: spark.probe_ready(http, len(WORKERS)), beside=names(WORKERS)
        )


def names(roles: Sequence[Role]) -> list[str]:
    """What they are called."""
    return [role.name for role in roles]
