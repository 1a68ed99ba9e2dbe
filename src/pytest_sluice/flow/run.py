"""A run: one traffic through one deployment of the pipeline, with topic, folder and schema."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import cached_property, partial
from threading import Lock
from typing import Any

from pytest_sluice.clients.hdfs import Hdfs
from pytest_sluice.clients.hive import Hive, HiveQLFailed
from pytest_sluice.clients.kafka import Kafka
from pytest_sluice.components import api as api_component
from pytest_sluice.components import job as job_component
from pytest_sluice.contracts import Role, joined
from pytest_sluice.declaration import Names, Pipeline, Query, Stage, Table, fill, fill_all
from pytest_sluice.errors import BadDeclaration, ClusterLost, ServiceNotReady, SluiceError
from pytest_sluice.flow.deployment import Deployment
from pytest_sluice.flow.guest import Owned, Stay
from pytest_sluice.flow.handles import LeftBehind, RunApi, RunProcess, RunStream, RunTopic
from pytest_sluice.flow.own import require_own
from pytest_sluice.graph import Graph
from pytest_sluice.services.hdfs import client_settings
from pytest_sluice.sql import MappingName, Presto, QueryFailed
from pytest_sluice.waiting import NotYet, WaitTimeout

# From spark-submit to the first pinned offset: 4 s with a class data archive, 16 s without.
STREAM_SECONDS = 120.0
# It proves a catalog and the metastore, and needs nothing of the pipeline. It needs no node either:
# after 2 of 4 starts it was answered, and then tables of Hive failed with NO_NODES_AVAILABLE.
CATALOG_QUERY = "select count(*) from {catalog}.information_schema.schemata"
# Only a table of Hive tells whether its connector has nodes. Whether the table is there, and can be
# read, is a matter of the pipeline, and not asked here.
TABLE_QUERY = "select 1 from {table} limit 1"
# While Presto and the metastore both live, these pass; a death of either is told at once.
MAY_RECOVER = frozenset({"HIVE_METASTORE_ERROR", "NOT_REACHABLE"})


class ComponentFailed(SluiceError):
    """The code under test did not come up: a failure of the pipeline at ``stage``."""

    def __init__(self, stage: Stage, error: SluiceError) -> None:
        self.stage = stage
        super().__init__(error.cause, checked=error.checked, remedy=error.remedy)


class Run:
    """Run ``number`` of a pipeline. Its nodes: topic, tables, api, stream, presto."""

    def __init__(self, number: int, pipeline: Pipeline, deployment: Deployment) -> None:
        self.number = number
        self.pipeline = pipeline
        self.deployment = deployment
        guest = deployment.guest
        self.names: Names = pipeline.names(number, guest.word if guest else "")
        if guest or number > 1:
            require_own(pipeline, self.names)
        self._stay = Stay(guest, pipeline, self.names) if guest else Owned()
        self._processes: list[RunProcess] = []
        # How often the job was started: a job that is started again begins a batch at once.
        self.stream_starts = 0
        self._starting = Lock()
        self._closed = False
        name = self.node
        self._add("topic", ["kafka"], self._topic)
        self._add("tables", ["hdfs", "metastore"], self._tables)
        self._add("api", [name("topic")], self._api)
        self._add("stream", [name("topic"), "hdfs"], self._stream)
        self._add("presto", ["presto-server", name("tables")], self._presto)

    @property
    def group(self) -> str:
        """The group of the run's nodes in the graph, and of its roles."""
        return f"run {self.number}"

    @property
    def graph(self) -> Graph:
        """The one graph, of services and runs."""
        return self.deployment.graph

    def node(self, name: str) -> str:
        """The name of one of the run's nodes, or roles, in the whole graph."""
        return name if self.number == 1 else f"{name}-r{self.number}"

    @cached_property
    def values(self) -> Mapping[str, str]:
        """What the placeholders of the declaration stand for in this run."""
        backend = self.deployment.backend
        return {
            "bootstrap_servers": joined(backend.endpoints("kafka", "client", "inside")),
            "hdfs_url": f"hdfs://{backend.endpoint('namenode', 'rpc', 'inside')}",
            "topic": self.names.topic,
            "root": self.names.root,
            "schema": self.names.schema,
        }

    @property
    def _told(self) -> Mapping[str, str]:
        """What components are told, credentials included; nothing else is filled with these."""
        return {**self.values, **self.deployment.backend.access.kafka.placeholders}

    def path(self, table: Table) -> str:
        """The folder of a table, as this run writes it."""
        return fill(table.path, self.values)

    def qualified(self, table: Table) -> str:
        """``schema.table``, as this run calls it."""
        return f"{fill(table.schema, {'schema': self.names.schema})}.{table.name}"

    def table(self, name: str) -> Table:
        """The declared table of that name, or of ``schema.name`` as this run calls it."""
        named = {self.qualified(t): t for t in self.pipeline.tables}
        found = {full: t for full, t in named.items() if name in (full, t.name)}
        if len(found) == 1:
            return next(iter(found.values()))
        if not found:
            raise BadDeclaration(f"the pipeline declares no table {name!r}")
        raise BadDeclaration(
            f"the pipeline declares {len(found)} tables {name!r}",
            remedy=f"say which: {' or '.join(map(repr, found))}",
        )

    @cached_property
    def hive(self) -> Hive:
        """HiveQL through the real CLI."""
        return self.deployment.hive(self.node("hive"))

    def join(self, name: str) -> Any:
        """Wait for one of the run's nodes."""
        return self.graph.join(self.node(name))

    @property
    def kafka(self) -> Kafka:
        """The broker, ready."""
        client: Kafka = self.graph.join("kafka")
        return client

    @property
    def hdfs(self) -> Hdfs:
        """The file system, ready; on one that others use the run's folder is noted as its own."""
        client: Hdfs = self.graph.join("hdfs")
        self._stay.note_folder(client)
        return client

    @property
    def topic(self) -> RunTopic:
        """The run's topic, created."""
        topic: RunTopic = self.join("topic")
        return topic

    @property
    def api(self) -> RunApi:
        """The run's API, answering."""
        api: RunApi = self.join("api")
        return api

    @property
    def stream(self) -> RunStream:
        """The run's job, every query of it with pinned offsets."""
        stream: RunStream = self.join("stream")
        return stream

    @property
    def presto(self) -> Presto:
        """Presto over the run's tables, answering queries."""
        client: Presto = self.join("presto")
        return client

    def start_api(self) -> RunApi:
        """Start the API (again) and wait until it answers."""
        declared = self.pipeline.api
        if declared is None:
            raise BadDeclaration("the pipeline declares no API")
        role = api_component.role(self.node("api"), declared, self._told)
        self._start(role)
        endpoint = self.deployment.backend.endpoint(role.name, "http")
        self.deployment.await_role(role.name, lambda: api_component.probe_ready(declared, endpoint))
        return RunApi(self.deployment.backend, role.name)

    def start_stream(self) -> RunStream:
        """Start the job (again) and wait until every query has pinned its start offsets.

        Offsets that an earlier life of the job pinned do not count: the query must have begun in
        this one.
        """
        role = self._stream_role()
        self._stay.note_folder(self.deployment.hdfs())
        self.stream_starts += 1
        checkpoints = {q: fill(q.checkpoint, self.values) for q in self.pipeline.queries}
        stream = RunStream(self.deployment.backend, role.name, self.hdfs, checkpoints)
        before = stream.left_behind()
        self._start(role)
        for query in stream.queries:
            probe = partial(self._probe_pinned, stream, query, before)
            self.deployment.await_role(stream.role, probe, STREAM_SECONDS)
        return stream

    def close(self) -> None:
        """Kill what processes the run has of its own, and remove what it made as a guest.

        The services stay. Raises SluiceError with what could not be removed. A component that
        starts just now is awaited, and none starts after that.
        """
        with self._starting:
            self._closed = True
        with ExitStack() as acts:  # the last first, and all of them whatever happens
            acts.callback(self._stay.end, self.deployment.hands())
            for process in self._processes:
                acts.callback(process.kill)

    def _add(self, name: str, needs: Iterable[str], action: Callable[[], Any]) -> None:
        self.graph.add(self.node(name), needs, action, self.group)

    def _start(self, role: Role) -> None:
        with self._starting:
            if self._closed:
                raise ClusterLost(f"run {self.number} is over: {role.name} does not start any more")
            self.deployment.start(role, self.group)
            self._processes.append(RunProcess(self.deployment.backend, role.name))

    def _stream_role(self) -> Role:
        job = self.pipeline.job
        if job is None:
            raise BadDeclaration("the pipeline declares no job")
        rpc = self.deployment.backend.endpoint("namenode", "rpc", "inside")
        hdfs = client_settings(rpc, self.deployment.replication)
        return job_component.role(self.node("stream"), job, self._told, hdfs)

    def _probe_pinned(self, stream: RunStream, query: Query, before: LeftBehind) -> None:
        if not stream.pinned(query):
            raise NotYet(f"query {query.name} has not pinned its start offsets")
        if not stream.has_begun(query, before):
            raise NotYet(
                f"query {query.name} has not begun again: {stream.role} has no new line "
                f"'Resuming at batch' of MicroBatchExecution in its log (which a log4j2 "
                f"configuration of the job's own may leave out), and the query no new batch in its "
                f"checkpoint"
            )

    def _topic(self) -> RunTopic:
        kafka, declared = self.deployment.kafka(), self.pipeline.topic
        self._stay.note_topic()
        kafka.create_topic(self.names.topic, declared.partitions, declared.replication_factor)
        return RunTopic(kafka, self.names.topic)

    def _tables(self) -> None:
        ddl = self.pipeline.ddl
        if ddl is None:
            return
        self._stay.note_folder(self.deployment.hdfs())
        self._stay.note_schemas()
        try:
            self.hive.run_script(ddl.script, fill_all(ddl.variables, self.values))
        except HiveQLFailed as error:
            raise ComponentFailed("hive", error) from error

    def _api(self) -> RunApi:
        try:
            return self.start_api()
        except (ServiceNotReady, WaitTimeout) as error:
            raise ComponentFailed("api", error) from error

    def _stream(self) -> RunStream:
        try:
            return self.start_stream()
        except (ServiceNotReady, WaitTimeout) as error:
            raise ComponentFailed("stream", error) from error

    def _presto(self) -> Presto:
        client = self.deployment.presto(self.names.schema)

        def probe() -> None:
            for mapping, catalog in client.catalogs.items():
                _ask(client, mapping, CATALOG_QUERY.format(catalog=f'"{catalog}"'))
                self._probe_nodes(client, mapping)

        self.deployment.await_role("presto", probe, beside=["metastore"])
        client.verify_mappings()
        return client

    def _probe_nodes(self, client: Presto, mapping: MappingName) -> None:
        """Ask the tables until one answers; only an engine that has no nodes yet counts."""
        for table in self.pipeline.tables:
            try:
                client.query(TABLE_QUERY.format(table=self.qualified(table)), mapping)
                return
            except QueryFailed as error:
                if error.transient:
                    raise NotYet(error.cause) from error


def _ask(client: Presto, mapping: MappingName, sql: str) -> None:
    """Ask a query; raises NotYet where an answer may still come, else QueryFailed."""
    try:
        client.query(sql, mapping)
    except QueryFailed as error:
        if not (error.transient or error.name in MAY_RECOVER):
            raise
        raise NotYet(error.cause) from error
