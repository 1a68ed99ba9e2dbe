"""A run on a backend without processes: readiness, restarts, and whether it is a run of its own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from pytest_sluice import Api, Ddl, Env, Job, Pipeline, Query, Table, Topic
from pytest_sluice.contracts import Launch, Role
from pytest_sluice.errors import BadDeclaration, ServiceNotReady
from pytest_sluice.events import Journal
from pytest_sluice.flow.deployment import Deployment, roles
from pytest_sluice.flow.run import ComponentFailed, Run
from pytest_sluice.graph import Node
from pytest_sluice.sql import QueryFailed
from pytest_sluice.waiting import WaitTimeout
from tests.fakes import FakeBackend

ID, START = "0a-1", "Resuming at batch 3 with committed offsets"
CHECKPOINT = "/tmp/c"


def pipeline(**parts: Any) -> Pipeline:
    """A pipeline of which every run can have names of its own."""
    query = Query("q", "{root}/c", Env("TRIGGER", "1 second"), (Table("orders", "{root}/orders"),))
    whole = Pipeline(
        Topic("clicks"),
        Api(("serve",), Path(), {"TOPIC": "{topic}"}),
        Job(Path("job.py"), (query,), {"TOPIC": "{topic}", "OUT": "{root}"}),
        Ddl(Path("tables.hql"), {"schema": "{schema}", "root": "{root}"}),
    )
    return replace(whole, **parts)


@dataclass
class Files:
    """A file system as a mapping."""

    content: dict[str, bytes] = field(default_factory=dict)

    def read(self, path: str) -> bytes | None:
        """The content of a file."""
        return self.content.get(path)

    def names(self, path: str) -> list[str]:
        """The bare names in a folder."""
        return [p.rpartition("/")[2] for p in self.content if p.rpartition("/")[0] == path]

    def pin(self) -> None:
        """Write what a query leaves that has started."""
        self.content |= {
            f"{CHECKPOINT}/metadata": json.dumps({"id": ID}).encode(),
            f"{CHECKPOINT}/sources/0/0": b'\0v1\n{"clicks":{"0":0}}',
            f"{CHECKPOINT}/offsets/3": b"v1\n{}\n{}",
            f"{CHECKPOINT}/commits/3": b"v1\n{}",
        }


class Engine:
    """A Presto that fails with each of the errors, in their order, and then answers.

    ``tables`` are the errors of queries over tables; those of catalogs have others.
    """

    catalogs: Mapping[str, str] = {"position": "hive", "name": "hive_by_name"}

    def __init__(self, *errors: str, then: Callable[[], None] = lambda: None) -> None:
        self.errors = list(errors)
        self.tables: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self._then = then

    def verify_mappings(self) -> None:
        """Both catalogs map as their names say."""

    def query(self, sql: str, mapping: str = "position") -> None:
        """Fail, or answer; note what was asked."""
        self.asked.append((mapping, sql.partition(" from ")[2]))
        errors = self.errors if "information_schema" in sql else self.tables
        if errors:
            name = errors.pop(0)
            self._then()
            raise QueryFailed(sql, name, "no")


class World(Deployment):
    """Services that are values. ``on_start`` is called after a component has started."""

    def __init__(self, folder: Path, engine: Engine | None = None) -> None:
        self.fake = FakeBackend(folder)
        super().__init__(self.fake, Journal(folder / "e.jsonl"), replication=1)
        self.files = Files()
        self.engine = engine or Engine()
        self.on_start: Callable[[], object] = lambda: None
        for role in roles():
            super().start(role)

    def start(self, role: Role, group: str = "") -> None:
        """Start it, and see what comes of that."""
        super().start(replace(role, render=lambda _site: Launch(("x",))), group)
        if group:
            self.on_start()

    def kafka(self) -> Any:
        """A broker on which every topic can be made."""
        return cast("Any", type("Kafka", (), {"__getattr__": lambda *_: lambda *_, **__: None})())

    def hdfs(self) -> Any:
        """The files."""
        return self.files

    def hive(self, name: str) -> Any:
        """A CLI that runs every script."""
        return self.kafka()

    def presto(self, schema: str) -> Any:
        """The engine."""
        return self.engine


@pytest.fixture
def world(tmp_path: Path) -> World:
    return ready(World(tmp_path))


def ready(world: World) -> World:
    """The world with every service there."""
    there = {"kafka": world.kafka(), "hdfs": world.files, "metastore": None, "presto-server": None}
    for node, client in there.items():
        world.graph._nodes[node] = Node(node, (), partial(lambda value: value, client))
    return world


class TestEngine:
    """Ready is an engine that answers, whatever the pipeline has written."""

    def test_both_catalogs_are_asked(self, world: World) -> None:
        assert cast("Any", Run(1, pipeline(), world).presto) is world.engine
        assert world.engine.asked == [
            ("position", '"hive".information_schema.schemata'),
            ("position", "default.orders limit 1"),
            ("name", '"hive_by_name".information_schema.schemata'),
            ("name", "default.orders limit 1"),
        ]

    def test_a_table_that_cannot_be_read_is_no_matter_of_the_engine(self, world: World) -> None:
        world.engine.tables = ["HIVE_METASTORE_ERROR", "SYNTAX_ERROR"]
        assert cast("Any", Run(1, pipeline(), world).presto) is world.engine
        assert len(world.engine.asked) == 4

    def test_an_engine_that_has_no_nodes_for_tables_is_not_ready(self, world: World) -> None:
        world.engine.tables = ["NO_NODES_AVAILABLE"] * 2
        assert cast("Any", Run(1, pipeline(), world).presto) is world.engine
        assert world.engine.asked.count(("position", "default.orders limit 1")) == 3

    def test_without_tables_the_catalogs_are_enough(self, world: World) -> None:
        assert cast("Any", Run(1, Pipeline(Topic("clicks")), world).presto) is world.engine
        assert len(world.engine.asked) == 2

    @pytest.mark.parametrize("name", ["NO_NODES_AVAILABLE", "HIVE_METASTORE_ERROR"])
    def test_what_passes_is_waited_for(self, world: World, name: str) -> None:
        world.engine.errors = [name, name]
        assert cast("Any", Run(1, pipeline(), world).presto) is world.engine
        assert not world.engine.errors

    def test_what_is_final_is_told_at_once_after_what_broke_first(self, world: World) -> None:
        run = Run(1, pipeline(), world)
        world.start(Role("api", lambda _site: Launch(("x",)), "mids"), run.group)
        world.fake.die("api", 7, "no app")
        world.engine.errors = ["GENERIC_INTERNAL_ERROR"]
        with pytest.raises(QueryFailed) as caught:
            _ = run.presto
        assert caught.value.cause.startswith("first: api died with exit code 7; then: the query")
        assert str(caught.value).startswith(caught.value.cause)

    def test_a_metastore_that_dies_meanwhile_is_named(self, tmp_path: Path) -> None:
        world = ready(World(tmp_path))
        world.engine = Engine(
            *["HIVE_METASTORE_ERROR"] * 3, then=lambda: world.fake.die("metastore", 1, "gone")
        )
        with pytest.raises(ServiceNotReady, match="metastore died with exit code 1"):
            _ = Run(1, pipeline(), world).presto


class TestRestart:
    """A job that starts again shows a sign of its new life; what is pinned is older."""

    @pytest.fixture
    def run(self, world: World) -> Run:
        """A run whose job has run, and was killed."""
        run = Run(1, pipeline(), world)
        world.on_start = world.files.pin
        run.start_stream()
        self.write(world, "run-1")
        run.stream.kill()
        world.on_start = lambda: None
        world.timeout_factor = 0
        return run

    def write(self, world: World, start: str, query: str = ID) -> None:
        """Let the job's log tell of a start."""
        thread = f"[stream execution thread for q [id = {query}, runId = {start}]]"
        world.fake.processes["stream"].lines.append(f"INFO MicroBatchExecution: {START} {thread}")

    def test_the_old_checkpoint_is_no_sign(self, run: Run) -> None:
        with pytest.raises(WaitTimeout, match="'Resuming at batch' of MicroBatchExecution"):
            run.start_stream()

    def test_a_death_at_the_start_names_the_role(self, run: Run, world: World) -> None:
        world.on_start = lambda: world.fake.die("stream", 1, "no such trigger")
        with pytest.raises(ServiceNotReady, match="stream died with exit code 1"):
            run.start_stream()

    def test_a_new_start_in_the_log_is_one(self, run: Run, world: World) -> None:
        world.on_start = lambda: self.write(world, "5e")
        assert run.start_stream().exit_code() is None

    @pytest.mark.parametrize(("start", "query"), [("1", ID), ("5e", "0b-2")])
    def test_neither_an_old_start_nor_that_of_another_query_is(
        self, run: Run, world: World, start: str, query: str
    ) -> None:
        world.fake.processes["stream"].lines.clear()
        self.write(world, "1")
        world.on_start = lambda: self.write(world, start, query)
        with pytest.raises(WaitTimeout):
            run.start_stream()

    @pytest.mark.parametrize("folder", ["offsets", "commits"])
    def test_a_new_batch_is_one(self, run: Run, world: World, folder: str) -> None:
        new = {f"{CHECKPOINT}/{folder}/4": b"v1\n{}\n{}"}
        world.on_start = lambda: world.files.content.update(new)
        assert run.start_stream().exit_code() is None

    def test_a_job_that_runs_already_needs_none(self, run: Run, world: World) -> None:
        world.on_start = lambda: self.write(world, "5e")
        run.start_stream()
        world.on_start = lambda: None
        assert run.start_stream().exit_code() is None


def without(part: str, name: str) -> Pipeline:
    """The pipeline with a part that is not told of one name."""
    whole = pipeline()

    def kept(texts: Mapping[str, str]) -> dict[str, str]:
        return {key: text for key, text in texts.items() if name not in text}

    match part:
        case "api":
            assert whole.api
            return pipeline(api=replace(whole.api, environment=kept(whole.api.environment)))
        case "job":
            assert whole.job
            return pipeline(job=replace(whole.job, environment=kept(whole.job.environment)))
        case _:
            assert whole.ddl
            return pipeline(ddl=replace(whole.ddl, variables=kept(whole.ddl.variables)))


class TestOwn:
    """A run of its own shares nothing."""

    @pytest.mark.parametrize(
        ("part", "name"),
        [("api", "topic"), ("job", "topic"), ("job", "root"), ("ddl", "schema"), ("ddl", "root")],
    )
    def test_a_part_that_is_not_told_a_name_is_refused(
        self, world: World, part: str, name: str
    ) -> None:
        fixed = without(part, name)
        Run(1, fixed, world)
        with pytest.raises(BadDeclaration, match="share with others") as caught:
            Run(2, fixed, world)
        assert f"{{{name}}}" in caught.value.checked[0]

    @pytest.mark.parametrize("path", ["/orders", "/tmp/orders"])
    def test_a_fixed_path_is_refused(self, world: World, path: str) -> None:
        query = Query("q", "{root}/c", Env("TRIGGER", "1 second"), (Table("orders", path),))
        fixed = pipeline(job=Job(Path("job.py"), (query,), {"X": "{topic} {root}"}))
        with pytest.raises(BadDeclaration, match="where others may"):
            Run(2, fixed, world)

    def test_one_that_is_told_all_is_welcome(self, world: World) -> None:
        assert Run(2, pipeline(), world).names.topic == "clicks_r2"
        Run(3, Pipeline(Topic("clicks")), world)


def test_a_component_that_dies_is_named_by_its_role(world: World) -> None:
    world.on_start = lambda: world.fake.die("stream", 3, "no such class")
    with pytest.raises(ComponentFailed, match="stream died with exit code 3"):
        _ = Run(1, pipeline(), world).stream


def test_tables_of_one_name_are_told_apart_by_their_schemas(world: World) -> None:
    tables = (Table("t", "{root}/a"), Table("t", "{root}/b", "{schema}_q"), Table("u", "{root}/c"))
    query = Query("q", "{root}/c", Env("TRIGGER", "1 second"), tables)
    run = Run(1, pipeline(job=Job(Path("job.py"), (query,))), world)
    assert run.table("u") is tables[2]
    assert [run.table(name) for name in ("default.t", "default_q.t")] == list(tables[:2])
    with pytest.raises(BadDeclaration, match="2 tables 't'") as caught:
        run.table("t")
    assert "'default.t' or 'default_q.t'" in caught.value.remedy
    with pytest.raises(BadDeclaration, match="no table 'v'"):
        run.table("v")
