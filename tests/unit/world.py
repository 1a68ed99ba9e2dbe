"""A pipeline in memory, for tests of a landing: every hop can lose, double, change and delay.

The landing sees it through the same methods as the real one. Its clock goes on when somebody
sleeps, so that a test of a deadline needs milliseconds.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pytest_sluice.answers import Answer, Answers, TrafficError
from pytest_sluice.clients.kafka import Message
from pytest_sluice.declaration import (
    Api,
    Burst,
    Ddl,
    Fixed,
    Job,
    Pipeline,
    Query,
    Stage,
    Table,
    Topic,
)
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.flow.landing import Lander
from pytest_sluice.flow.run import Run
from pytest_sluice.ledger import Landing
from pytest_sluice.offsets import Batch, Committed
from pytest_sluice.sinks import Progress
from pytest_sluice.sql import MappingName
from pytest_sluice.waiting import Clock, Deadline

URL = "hdfs://namenode:8020"
CLICKS = Table("clicks", "/clicks", schema="web", keeps=("click",), batches="batch={batch}")
JOINS = Table("joins", "/joins", schema="web", keeps=("join",), batches="batch={batch}")
REJECTED = Table("rejected", "/rejected", schema="odd", rejected="raw", batches="batch={batch}")
TABLES = (CLICKS, JOINS, REJECTED)
TOPIC = Topic("t", kind="kind", id="id", unkept=("look",))
API = Api(("api",), Path(), id_header="X-Id")


def pipeline(
    *tables: Table,
    topic: Topic = TOPIC,
    api: Api | None = API,
    trigger: str = "1 second",
    queries: Sequence[Query] = (),
) -> Pipeline:
    """A declaration with one query that writes these tables, or with these queries."""
    own = queries or (Query("q", "/checkpoint", Fixed(trigger), tables or TABLES),)
    return Pipeline(
        topic, api, Job(Path("job.py"), tuple(own)), Ddl(Path("tables.hql")), traffic=()
    )


def event(number: int, kind: str = "click") -> bytes:
    """A message with an id."""
    return json.dumps({"kind": kind, "id": f"id-{number}"}).encode()


@dataclass
class World:
    """What each hop of the pipeline holds, and how it misbehaves.

    ``answer`` is what the API does with request number n: a status, and the messages that it sends.
    ``late`` are messages that come to the topic only after so many seconds. ``files`` are rows by
    path, ``visible`` by mapping and path (as committed where it says nothing). The sleep of a poll
    takes ``step`` seconds.
    """

    pipeline: Pipeline = field(default_factory=pipeline)
    answer: Callable[[int, Burst], tuple[int, Sequence[bytes]]] = lambda n, _b: (200, [event(n)])
    header: Callable[[int], str | None] = lambda n: f"id-{n}"
    messages: list[bytes | None] = field(default_factory=list)
    late: list[tuple[float, bytes | None]] = field(default_factory=list)
    committed_to: int | None = None
    settled_at: float = 0.0
    start_offset: int = 0
    commit_at: float = 0.0
    batches: tuple[Batch, ...] = ()
    progress: Progress = field(default_factory=lambda: Progress(0, 0))
    files: dict[str, int] = field(default_factory=dict)
    raw: dict[str, list[Any]] = field(default_factory=dict)
    logs: dict[str, bytes] = field(default_factory=dict)
    visible: dict[MappingName, dict[str, int]] = field(default_factory=dict)
    visible_at: float = 0.0
    dead: dict[str, str] = field(default_factory=dict)
    failing: dict[str, Exception] = field(default_factory=dict)
    trouble: dict[str, list[Exception]] = field(default_factory=dict)
    dies_after: int | None = None
    unreadable: bool = False
    stream_starts: int = 1
    now: float = 0.0
    step: float = 1.0
    requests: int = 0
    asked: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def land(self, *bursts: Burst, until: Stage = "report") -> Landing:
        """The landing of these bursts."""
        return Lander(cast(Run, self._run())).land(bursts, until)

    def _run(self) -> SimpleNamespace:
        backend = SimpleNamespace(require_alive=self._require_alive)
        journal = SimpleNamespace(emit=lambda kind, **f: self.events.append({"kind": kind, **f}))
        run = _LazyRun(self)
        run.number = 1
        run.graph = SimpleNamespace(start=lambda names: self.asked.extend(names))
        run.node = lambda name: name
        run.names = SimpleNamespace(topic=self.pipeline.topic.name)
        run.pipeline = self.pipeline
        run.stream_starts = self.stream_starts
        run.deployment = SimpleNamespace(backend=backend, journal=journal, deadline=self._deadline)
        run.path = lambda table: table.path
        run.qualified = lambda table: f"{table.schema}.{table.name}"
        run.join = lambda name: self._part(name)
        return run

    def _deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds, Clock(lambda: self.now, self._sleep))

    def _sleep(self, _seconds: float) -> None:
        self.now += self.step
        due = [value for at, value in self.late if at <= self.now]
        self.late = [(at, value) for at, value in self.late if at > self.now]
        self.messages += due

    def _require_alive(self, role: str) -> None:
        if role in self.dead:
            raise ServiceNotReady(self.dead[role])

    def _part(self, name: str) -> object:
        """A part of the run, or the error with which it does not come up."""
        if error := self.failing.get(name):
            raise error
        return None

    def _troubled(self, name: str) -> None:
        """Raise what this service answers in its next moments, if it is anything."""
        if errors := self.trouble.get(name):
            raise errors.pop(0)

    # The topic

    def end_offsets(self) -> dict[int, int]:
        self._troubled("kafka")
        return {0: len(self.messages)}

    def read_messages(self) -> list[Message]:
        self._troubled("kafka")
        return [Message(0, offset, value) for offset, value in enumerate(self.messages)]

    # The API

    def burst(self, burst: Burst) -> Answers:
        answers: list[Answer] = []
        for _ in range(burst.requests):
            if self.dies_after == self.requests:
                self.dead["api"] = "api died with exit code 1"
                raise TrafficError("ab ended with exit code 104", "reset", tuple(answers))
            number, self.requests = self.requests, self.requests + 1
            status, messages = self.answer(number, burst)
            self.messages += messages
            header = self.header(number)
            answers.append(Answer(status, (("X-Id", header),) if header else ()))
        refused = sum(not answer.is_2xx for answer in answers)
        return Answers(tuple(answers), burst.requests, 0, refused)

    # The job, and the file system

    def committed(self, _query: Query) -> Committed | None:
        self._troubled("hdfs")
        if self.now < self.commit_at:
            return None
        end = len(self.messages) if self.committed_to is None else self.committed_to
        return Committed(self.progress.committed, {"t": {0: end}}, self.now >= self.settled_at)

    def read(self, path: str) -> bytes | None:
        return self.logs.get(path)

    def names(self, path: str) -> list[str]:
        return [p.removeprefix(f"{path}/") for p in self.logs if p.startswith(f"{path}/")]

    def data_files(self, path: str) -> list[str]:
        self._troubled("hdfs")
        return [file for file in self.files if file.startswith(f"{path}/")]

    def rows(self, file: str) -> int:
        if self.unreadable:
            raise ValueError(f"{file} has no footer")
        return self.files[file]

    # The engine

    def visible_files(self, table: str, mapping: MappingName) -> dict[str, int]:
        self._troubled("presto")
        if self.now < self.visible_at:
            return {}
        folder = next(t.path for t in self.pipeline.tables if f"{t.schema}.{t.name}" == table)
        seen = self.visible.get(mapping, self.files)
        return {URL + f: n for f, n in seen.items() if n and f.startswith(f"{folder}/")}


class _LazyRun(SimpleNamespace):
    """The parts of a run that come up, or fail, when they are first asked for."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    @property
    def api(self) -> SimpleNamespace:
        self._world._part("api")
        return SimpleNamespace(burst=self._world.burst, role="api")

    @property
    def topic(self) -> SimpleNamespace:
        self._world._part("topic")
        world = self._world
        return SimpleNamespace(
            name="t", end_offsets=world.end_offsets, messages=world.read_messages
        )

    @property
    def stream(self) -> SimpleNamespace:
        self._world._part("stream")
        world = self._world
        return SimpleNamespace(
            queries=world.pipeline.queries,
            role="stream",
            interval=lambda query: query.trigger.value,
            committed=world.committed,
            progress=lambda _query: world.progress,
            start_offsets=lambda _query: {"t": {0: world.start_offset}},
            batches=lambda _query, after: tuple(b for b in world.batches if b.number > after),
        )

    @property
    def hdfs(self) -> SimpleNamespace:
        world = self._world
        return SimpleNamespace(
            url=URL,
            read=world.read,
            names=world.names,
            data_files=world.data_files,
            rows=world.rows,
            values=lambda file, _column: world.raw[file],
        )

    @property
    def presto(self) -> SimpleNamespace:
        self._world._part("presto")
        return SimpleNamespace(visible_files=self._world.visible_files)


def breaches(landing: Landing) -> list[tuple[str, str]]:
    """Stage and name of every broken hop."""
    return [(breach.stage, breach.hop) for breach in landing.breaches]


def batch(table: Table, number: int, name: str = "part-0") -> str:
    """The path of a file in the folder of a micro-batch."""
    return f"{table.path}/batch={number}/{name}"
