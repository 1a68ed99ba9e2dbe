"""The declaration: the pipeline under test as a value.

A conftest returns it from the hook ``pytest_sluice_pipeline(config)``; it is read once, before
collection. Strings in ``command``, ``environment``, ``variables``, ``path``, ``schema`` and
``checkpoint`` may name what differs from run to run, in braces (the first two for the API only;
``path`` and ``checkpoint`` know topic, root and schema, a table's ``schema`` knows schema alone):

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

from pytest_sluice import checks
from pytest_sluice.access import KafkaAccess, unshown
from pytest_sluice.errors import BadDeclaration
from pytest_sluice.offsets import interval_seconds

PLACEHOLDERS = frozenset(
    {"python", "host", "port", "bootstrap_servers", "topic", "hdfs_url", "root", "schema"}
)
# Only the API is told its own address, and with what to run.
OF_THE_API = frozenset({"python", "host", "port"})
OF_OTHERS = PLACEHOLDERS - OF_THE_API
# What only an environment is told, since it is as secret as the process.
CREDENTIALS = frozenset(KafkaAccess().placeholders)
# What a path in the file system, and a schema, may differ by; the file system is the run's.
OF_A_PATH = frozenset({"topic", "root", "schema"})
OF_A_SCHEMA = frozenset({"schema"})


@dataclass(frozen=True)
class Env:
    """A trigger interval that the job reads from the environment variable ``name``."""

    name: str
    default: str

    def __post_init__(self) -> None:
        """Refuse what is no interval of Spark's."""
        checks.require_text(self, "name", "default")
        interval_seconds(self.default)


@dataclass(frozen=True)
class Fixed:
    """A trigger interval that is written into the job and cannot be changed from outside."""

    value: str

    def __post_init__(self) -> None:
        """Refuse what is no interval of Spark's."""
        checks.require_text(self, "value")
        interval_seconds(self.value)


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

    def __post_init__(self) -> None:
        """Refuse what is no topic."""
        checks.require(
            self, "name", checks.matches(r"[a-zA-Z0-9._-]{1,200}"), "a topic's bare name"
        )
        checks.require_number(self, "partitions")
        checks.require_number(self, "replication_factor")
        checks.require_text(self, "kind")
        checks.require_text(self, "id", empty=True)
        checks.freeze_texts(self, "unkept")


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

    def __post_init__(self) -> None:
        """Refuse what cannot be run, and a placeholder that nothing fills."""
        checks.freeze_texts(self, "command")
        checks.require(self, "command", bool, "a command of one word or more")
        checks.make_path(self, "directory")
        checks.require_texts(self, "environment", PLACEHOLDERS | CREDENTIALS)
        checks.require_number(self, "port", most=65535)
        checks.require(
            self, "ready", checks.matches(r"[A-Z]+ +/\S*"), "a method and a path: OPTIONS /"
        )
        checks.require_text(self, "id_header", empty=True)
        for word in self.command:
            checks.require_placeholders(self, "command", word, PLACEHOLDERS)


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

    def __post_init__(self) -> None:
        """Refuse what is no table."""
        checks.require_text(self, "name", "schema")
        checks.require_path_inside(self, "path", OF_A_PATH)
        checks.require_placeholders(self, "schema", self.schema, OF_A_SCHEMA)
        checks.freeze_texts(self, "keeps")
        checks.require_text(self, "rejected", empty=True)
        checks.require(
            self,
            "batches",
            lambda folder: (
                folder == "" or checks.matches(r"[^/{}][^{}]*\{batch\}[^{}]*|\{batch\}")(folder)
            ),
            "empty, or a folder below path that has {batch} once: batch_id={batch}",
        )


@dataclass(frozen=True)
class Query:
    """A streaming query: its checkpoint, its trigger, and the tables that it writes."""

    name: str
    checkpoint: str
    trigger: Env | Fixed
    tables: tuple[Table, ...]

    def __post_init__(self) -> None:
        """Refuse what is no query."""
        checks.require_text(self, "name")
        checks.require_path_inside(self, "checkpoint", OF_A_PATH)
        checks.require_kind(self, "trigger", (Env, Fixed), "Env(name, default) or Fixed(interval)")
        checks.freeze_kinds(self, "tables", Table)


@dataclass(frozen=True)
class Job:
    """A Spark application for spark-submit, with the streaming queries that it runs."""

    application: Path
    queries: tuple[Query, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    conf: Mapping[str, str] = field(default_factory=dict)
    name: str = "stream"

    def __post_init__(self) -> None:
        """Refuse what cannot be run, and a trigger that its own environment would overrule."""
        checks.make_path(self, "application")
        checks.freeze_kinds(self, "queries", Query)
        checks.require_texts(self, "environment", OF_OTHERS | CREDENTIALS)
        checks.require_mapping(self, "conf")
        checks.require_text(self, "name")
        checks.require_different(self, "queries", [q.name for q in self.queries], "name")
        checks.require_different(
            self, "queries", [q.checkpoint for q in self.queries], "checkpoint"
        )
        _check_triggers(self)


@dataclass(frozen=True)
class Ddl:
    """A HiveQL script for the real Hive CLI, and its ``--hivevar`` variables."""

    script: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no script, and a placeholder that nothing fills."""
        checks.make_path(self, "script")
        checks.require_texts(self, "variables", OF_OTHERS)


@dataclass(frozen=True)
class Burst:
    """One ``ab`` command: ``requests`` GETs of ``path``, one after the other, with ``headers``.

    ``expects`` are the statuses, beside 2xx, that are no breach: a burst may ask to be refused.
    """

    requests: int
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    expects: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what ab could not send."""
        checks.require_number(self, "requests")
        checks.require(
            self, "path", checks.matches(r"/\S*"), "a path that begins with / and has no space"
        )
        checks.freeze(self, "headers", checks.is_header, 'a pair of str: ("Host", "user1.example")')
        object.__setattr__(self, "headers", tuple(map(tuple, self.headers)))
        checks.freeze(self, "expects", checks.is_status, "an int of at least 100 and at most 599")

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
        """Refuse parts of a wrong type, and parts that contradict each other."""
        checks.require_kind(self, "topic", Topic, "a Topic")
        for name, kind in (("api", Api), ("job", Job), ("ddl", Ddl)):
            article = "an" if kind is Api else "a"
            none = (kind, type(None))
            checks.require_kind(self, name, none, f"{article} {kind.__name__} or None")
        checks.freeze_kinds(self, "traffic", Burst)
        checks.freeze_texts(self, "claims")
        checks.require_different(self, "claims", self.claims, "id")
        checks.require(self, "root", checks.matches(r"(/[^/{}\s]+)+"), "a folder such as /tmp")
        checks.require(self, "schema", checks.matches(r"\w+"), "a bare name of a schema")
        called = [(table.schema, table.name) for table in self.tables]
        checks.require_different(self, "tables", called, "schema and name")
        _check_kinds(self)

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


def _check_triggers(job: Job) -> None:
    """Refuse a variable that would have two values: the interval of a query, and another."""
    defaults: dict[str, str] = {}
    for query in job.queries:
        if not isinstance(trigger := query.trigger, Env):
            continue
        if trigger.name in job.environment:
            raise BadDeclaration(
                f"Job.environment sets {trigger.name}, which the trigger of query {query.name!r} "
                f"reads: it is {trigger}",
                remedy=f"leave {trigger.name} out of the environment: the default of Env is the "
                "interval, unless --sluice-trigger sets another",
            )
        if (other := defaults.setdefault(trigger.name, trigger.default)) != trigger.default:
            raise BadDeclaration(
                f"two queries read their trigger from {trigger.name}, with the defaults "
                f"{other!r} and {trigger.default!r}; it must be one variable for each interval"
            )


def _check_kinds(pipeline: Pipeline) -> None:
    for table in pipeline.tables:
        if both := [kind for kind in table.keeps if kind in pipeline.topic.unkept]:
            raise BadDeclaration(
                f"Topic.unkept has {both[0]!r}, which the table {table.name!r} keeps; a kind must "
                "be kept by a table or by none"
            )


def _named(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


Stage = Literal["api", "kafka", "stream", "hdfs", "hive", "presto", "report"]
STAGES: tuple[Stage, ...] = ("api", "kafka", "stream", "hdfs", "hive", "presto", "report")
