"""Counting a run's messages and rows; a service that does not answer at once is asked again."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pytest_sluice.clients.kafka import Message
from pytest_sluice.declaration import Stage, Table
from pytest_sluice.flow.hops import Broke, Stopped, patiently
from pytest_sluice.flow.run import Run
from pytest_sluice.ledger import count_kinds, text_field
from pytest_sluice.offsets import BadCheckpoint
from pytest_sluice.sinks import Listing, Progress, listing
from pytest_sluice.waiting import NotYet, WaitTimeout, wait_for

T = TypeVar("T")
Ends = Mapping[int, int]

# For so long a service may be in no state to answer, on a machine of ordinary speed.
PATIENCE_SECONDS = 30.0
# For so long an asynchronous producer may keep back what the API has accepted already.
MESSAGES_SECONDS = 30.0

ROLES: Mapping[Stage, tuple[str, ...]] = {
    "kafka": ("kafka",),
    "stream": ("namenode", "datanode"),  # where its checkpoint is
    "hdfs": ("namenode", "datanode"),
    "presto": ("presto",),
}


def asked(run: Run, stage: Stage, doing: str, ask: Callable[[], T]) -> T:
    """What a service answers; :class:`pytest_sluice.flow.hops.Stopped` if it does not in time.

    A checkpoint that cannot be read is what the pipeline broke: Broke, at once.
    """
    deployment = run.deployment

    def alive() -> None:
        for role in ROLES[stage]:
            deployment.backend.require_alive(role)

    deadline = deployment.deadline(PATIENCE_SECONDS)
    try:
        return patiently(stage, doing, ask, deadline, alive=alive, final=(BadCheckpoint,))
    except BadCheckpoint as error:
        raise Broke(stage, "checkpoint that can be read", str(error)) from error


def announce(run: Run, what: str) -> None:
    """Say that something is waited for."""
    run.deployment.journal.emit("waiting", run=run.number, what=what)


class TopicCount:
    """The messages of a run's topic: from a baseline, which is where its end was at first."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.baseline: Ends = {}
        self.ends: Ends = {}

    def begin(self) -> None:
        """Take the baseline."""
        self.baseline = self.mark()

    def mark(self) -> Ends:
        """Take the end offsets."""
        topic = self._run.topic
        self.ends = asked(self._run, "kafka", "asking for the end offsets", topic.end_offsets)
        return self.ends

    def await_messages(self, number: int, wanted: Collection[str] = ()) -> None:
        """Wait until so many messages have come since the baseline, or no more come.

        ``wanted`` are ids that have to be among them, where ids are declared.
        """
        if not self._lacks(number, wanted):
            return
        deadline = self._run.deployment.deadline(MESSAGES_SECONDS)
        before = self.ends
        announce(self._run, f"{number} messages")

        def probe() -> None:
            nonlocal before
            if self.mark() != before:
                before = self.ends
                deadline.extend()
            if lacking := self._lacks(number, wanted):
                raise NotYet(lacking)

        try:
            wait_for(f"{number} messages", probe, deadline)
        except WaitTimeout:
            return  # whoever judges says what is missing

    def _lacks(self, number: int, wanted: Collection[str]) -> str:
        """What of the messages has not come, in words; empty when all have."""
        if (found := self._since_baseline()) < number:
            return f"{found} messages"
        missing = set(wanted) - self._ids()
        return f"{len(missing)} of {len(wanted)} ids are missing" if missing else ""

    def _since_baseline(self) -> int:
        return sum(end - self.baseline.get(part, 0) for part, end in self.ends.items())

    def _ids(self) -> set[str | None]:
        return set(ids(self.since_baseline(self.read()), self._run.pipeline.topic.id))

    def read(self) -> list[Message]:
        """Every message up to now; the end offsets become those of the last of them."""
        messages = asked(self._run, "kafka", "reading the topic", self._run.topic.messages)
        for message in messages:
            known = self.ends.get(message.partition, 0)
            self.ends = {**self.ends, message.partition: max(known, message.offset + 1)}
        return messages

    def since_baseline(self, messages: Iterable[Message]) -> list[Message]:
        """Those that came after the baseline."""
        return [m for m in messages if m.offset >= self.baseline.get(m.partition, 0)]


def between(messages: Iterable[Message], starts: Ends, ends: Ends) -> list[Message]:
    """The messages from start offsets on, below end offsets; a partition without ends has none."""
    return [
        m for m in messages if starts.get(m.partition, 0) <= m.offset < ends.get(m.partition, 0)
    ]


def ids(messages: Iterable[Message], name: str) -> Counter[str | None]:
    """Count messages by the string in their field ``name``."""
    return Counter(text_field(message.value, name) for message in messages)


def kinds(messages: Iterable[Message], name: str) -> Counter[str]:
    """Count messages by their kind."""
    return count_kinds((message.value for message in messages), name)


@dataclass
class TableCount:
    """One table's files, and the rows of each that has any, by URL."""

    table: Table
    listing: Listing = field(default_factory=Listing)
    rows: Mapping[str, int] = field(default_factory=dict)
    # Files that a reader may see, and of which nothing is due at its hop.
    others: frozenset[str] = frozenset()

    @property
    def total(self) -> int:
        """The committed rows."""
        return sum(self.rows.values())


def count_table(run: Run, table: Table, progress: Callable[[], Progress]) -> TableCount:
    """List the files of a table and count the rows of those that are committed.

    Progress is asked for before and after the listing, which holds only where both are the same.
    """

    def look() -> TableCount:
        before = progress()
        hdfs, folder = run.hdfs, run.path(table)
        found = listing(hdfs, folder, hdfs.data_files(folder), table.batches, before)
        rows = {hdfs.url + file: hdfs.rows(file) for file in found.committed}
        if progress() != before:
            raise NotYet("a batch was committed meanwhile")
        return TableCount(
            table,
            found,
            {url: number for url, number in rows.items() if number},
            frozenset(hdfs.url + file for file in (*found.orphans, *found.in_flight)),
        )

    try:
        return asked(run, "hdfs", f"counting the rows of {table.name}", look)
    except Stopped as stopped:
        if isinstance(_root(stopped), ValueError):  # it was read, and is no Parquet
            raise Broke(
                "hdfs", f"files of {table.name} that are Parquet", str(stopped)
            ) from stopped
        raise


def _root(error: BaseException) -> BaseException:
    return _root(error.__cause__) if error.__cause__ else error


def rejected_kinds(run: Run, count: TableCount) -> Counter[str]:
    """The kinds of the messages that a table of rejected ones holds."""

    def look() -> Counter[str]:
        hdfs = run.hdfs
        files = [url.removeprefix(hdfs.url) for url in count.rows]
        values = [value for file in files for value in hdfs.values(file, count.table.rejected)]
        raw = (value.encode() if isinstance(value, str) else value for value in values)
        return count_kinds(raw, run.pipeline.topic.kind)

    try:
        return asked(run, "hdfs", f"reading the messages in {count.table.name}", look)
    except KeyError as error:
        what = f"column {count.table.rejected} in the files of {count.table.name}"
        raise Broke("hdfs", what, "Table.rejected names it, and it is not there") from error
