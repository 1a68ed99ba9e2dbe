"""The declaration: the pipeline under test as a value.

A conftest returns it from the hook ``pytest_sluice_pipeline(config)``; it is read once, before
collection. Strings in ``command``, ``environment``, ``variables``, ``path``, ``schema`` and
``checkpoint`` may name what differs from run to run, in braces (the first two for the API only):

===================== =========================================================================
``{python}``          the interpreter that runs the tests
``{host}`` ``{port}`` the address that the component itself shall listen on
``{bootstrap_servers}`` the brokers, ``host:port``
``{topic}``           the run's topic
``{hdfs_url}``        the file system, ``hdfs://host:port``
``{root}``            the folder of the run's tables and checkpoints in that file system
``{schema}``          the run's schema in the metastore
===================== =========================================================================

The environments of API and job, and nothing else, may also name how one gets into Kafka:
``{kafka_security_protocol}`` (PLAINTEXT where nobody asks), ``{kafka_sasl_mechanism}``,
``{kafka_username}`` and ``{kafka_password}``, which are empty then. So no password is on a command
line, in a script or in the name of a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Formatter
from typing import Literal

from pytest_sluice.access import KafkaAccess, unshown
from pytest_sluice.errors import BadDeclaration

PLACEHOLDERS = frozenset(
    {"python", "host", "port", "bootstrap_servers", "topic", "hdfs_url", "root", "schema"}
)
# What only the API is told: its own address, and with what to run.
OF_THE_API = frozenset({"python", "host", "port"})
# What only an environment is told, since it is as secret as the process.
CREDENTIALS = frozenset(KafkaAccess().placeholders)


@dataclass(frozen=True)
class Env:
    """A trigger interval that the job reads from the environment variable ``name``."""

    name: str
    default: str


@dataclass(frozen=True)
class Fixed:
    """A trigger interval that is written into the job and cannot be changed from outside."""

    value: str


@dataclass(frozen=True)
class Topic:
    """A Kafka topic; ``kind`` is the JSON field by which its messages are counted.

    ``id`` is the JSON field that has an event's id, where there is one: with
    :attr:`Api.id_header` a landing follows each event by it. ``unkept`` are the kinds that no table
    keeps.
    """

    name: str
    partitions: int = 1
    replication_factor: int = 1
    kind: str = "event_type"
    id: str = ""
    unkept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Api:
    """The HTTP API as a command; ``directory`` is its working directory.

    ``ready`` is the request that proves it serves, as ``METHOD path``. It must publish nothing:
    Flask answers OPTIONS by itself. Every answer below 500 counts. ``id_header`` is the header of
    an answer that has the id of the event which it promises, where there is one.
    """

    command: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 5000
    ready: str = "OPTIONS /"
    id_header: str = ""


@dataclass(frozen=True)
class Table:
    """An external table and the folder that a query of the job writes for it.

    A landing judges what these say, and nothing where they say nothing. ``keeps`` are the kinds of
    messages each of which becomes a row of the table. ``rejected`` is the column, if this is the
    table of messages that are no events, that has the raw message. ``batches`` is the folder of a
    micro-batch below ``path``, such as ``batch_id={batch}``, where the query overwrites one for
    each: files of a batch that is not committed are orphans. Spark's own file sink needs no such
    word, since it keeps a log.
    """

    name: str
    path: str
    schema: str = "{schema}"
    keeps: tuple[str, ...] = ()
    rejected: str = ""
    batches: str = ""


@dataclass(frozen=True)
class Query:
    """A streaming query: its checkpoint, its trigger, and the tables that it writes."""

    name: str
    checkpoint: str
    trigger: Env | Fixed
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Job:
    """A Spark application for spark-submit, with the streaming queries that it runs."""

    application: Path
    queries: tuple[Query, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    conf: Mapping[str, str] = field(default_factory=dict)
    name: str = "stream"


@dataclass(frozen=True)
class Ddl:
    """A HiveQL script for the real Hive CLI, and its ``--hivevar`` variables."""

    script: Path
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Burst:
    """One ``ab`` command: ``requests`` GETs of ``path``, one after the other, with ``headers``.

    ``expects`` are the statuses, beside 2xx, that are no breach: a burst may ask to be refused.
    """

    requests: int
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    expects: tuple[int, ...] = ()

    @property
    def host(self) -> str:
        """The Host header, or an empty string."""
        return next((value for name, value in self.headers if name.lower() == "host"), "")


@dataclass(frozen=True)
class Names:
    """What a run calls its own: topic, folder, schema."""

    topic: str
    root: str
    schema: str


@dataclass(frozen=True)
class Pipeline:
    """The pipeline under test. ``names`` are the bare names, which the first run has.

    ``claims`` are the ids of the claims that the suite answers: a session that leaves no test out
    is red where one of them is not answered.
    """

    topic: Topic
    api: Api | None = None
    job: Job | None = None
    ddl: Ddl | None = None
    traffic: tuple[Burst, ...] = ()
    root: str = "/tmp"
    schema: str = "default"
    claims: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a placeholder that nothing fills, where it stands."""
        for part in (self.api, self.job, self.ddl):
            known = PLACEHOLDERS if part is self.api else PLACEHOLDERS - OF_THE_API
            for text in _texts(part):
                _check_placeholders(text, known)
            for text in _environment(part):
                _check_placeholders(text, known | CREDENTIALS)

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table of every query, in the order of the declaration."""
        return tuple(table for query in self.queries for table in query.tables)

    @property
    def queries(self) -> tuple[Query, ...]:
        """The streaming queries of the job; none without a job."""
        return self.job.queries if self.job else ()

    def names(self, run: int, guest: str = "") -> Names:
        """Names of run number ``run``, counted from 1: the first has the declared, bare ones.

        On a cluster that is not owned every run has names of its own, by the word ``guest``.
        """
        if run == 1 and not guest:
            return Names(self.topic.name, self.root, self.schema)
        own = f"{guest}_r{run}" if guest else f"r{run}"
        return Names(f"{self.topic.name}_{own}", f"/runs/{own}", f"run_{own}")

    def with_trigger(self, trigger: str) -> "Pipeline":
        """The same pipeline with another trigger interval; refused where a query's is Fixed."""
        if self.job is None:
            return self
        queries = tuple(_retriggered(query, trigger) for query in self.job.queries)
        return replace(self, job=replace(self.job, queries=queries))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Fill the placeholders of ``text`` with a run's values; no ``repr`` shows a secret."""
    filled = text.format_map(values)
    return unshown(filled) if _named(text) & CREDENTIALS else filled


def fill_all(texts: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Fill every value of a mapping; the keys stay."""
    return {key: fill(text, values) for key, text in texts.items()}


def trigger_interval(query: Query) -> str:
    """The trigger interval of a query, as Spark writes it: ``120 seconds``."""
    trigger = query.trigger
    return trigger.value if isinstance(trigger, Fixed) else trigger.default


def _retriggered(query: Query, trigger: str) -> Query:
    if isinstance(query.trigger, Fixed):
        raise BadDeclaration(
            f"the trigger of query {query.name!r} is Fixed({query.trigger.value!r}), "
            f"so it cannot be set to {trigger!r}",
            remedy="leave out --sluice-trigger, or let the job read its trigger from the "
            "environment and declare it with Env(name, default)",
        )
    return replace(query, trigger=replace(query.trigger, default=trigger))


def _check_placeholders(text: str, known: frozenset[str]) -> None:
    try:
        named = _named(text)
    except ValueError as error:
        raise BadDeclaration(f"cannot read the placeholders of {text!r}: {error}") from error
    if unknown := named - known:
        raise BadDeclaration(
            f"unknown placeholder {', '.join(sorted(unknown))!r} in {text!r}",
            checked=[f"known here are {', '.join(sorted(known))}"],
            remedy="write literal braces twice: {{ and }}",
        )


def _named(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def _environment(part: object) -> list[str]:
    return list(part.environment.values()) if isinstance(part, (Api, Job)) else []


def _texts(part: object) -> list[str]:
    """Every string of a declared part that may hold placeholders, less its environment."""
    match part:
        case Api():
            return list(part.command)
        case Job():
            tables = [text for q in part.queries for t in q.tables for text in (t.path, t.schema)]
            return [*(q.checkpoint for q in part.queries), *tables]
        case Ddl():
            return list(part.variables.values())
        case _:
            return []


Stage = Literal["api", "kafka", "stream", "hdfs", "hive", "presto", "report"]
STAGES: tuple[Stage, ...] = ("api", "kafka", "stream", "hdfs", "hive", "presto", "report")
