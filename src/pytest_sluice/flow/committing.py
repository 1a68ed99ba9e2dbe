"""Waiting until a run's queries have committed what is in its topic, as their checkpoints say."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from pytest_sluice import offsets
from pytest_sluice.declaration import Query
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.flow.counting import asked
from pytest_sluice.flow.handles import RunStream
from pytest_sluice.flow.run import Run
from pytest_sluice.judgement import NOTHING, Due, Hop
from pytest_sluice.offsets import Batch, Committed, Offsets
from pytest_sluice.sinks import Progress
from pytest_sluice.waiting import NotYet, WaitTimeout, wait_for

T = TypeVar("T")

# On top of the trigger interval: a micro-batch of a megabyte takes some seconds on a busy machine.
COMMIT_SECONDS = 60.0


@dataclass
class QueryCount:
    """How far one query came: when its commit was seen, in seconds since the epoch, or why not.

    ``detail`` is the end of the job's log, where its death is the reason.
    """

    query: Query
    done: Committed | None = None
    seen_at: float = 0.0
    reason: str = ""
    detail: str = ""
    batches: tuple[Batch, ...] = ()
    interval: str = ""
    is_complete: bool = False

    def hops(self, wanted: Offsets) -> list[Hop]:
        """Every message is committed, and every batch began when its trigger said."""
        return [self._commit_hop(wanted), self._trigger_hop()]

    def unjudged(self) -> list[str]:
        """What cannot be said of it."""
        if self.done is None or self.done.settled:
            return []
        return [f"rows that query {self.query.name} keeps back: its last batch did not come"]

    def _commit_hop(self, wanted: Offsets) -> Hop:
        ends = self.done.ends if self.done else {}
        pairs = [(topic, part) for topic, parts in wanted.items() for part in parts]
        due = {f"{topic}[{part}]": Due(wanted[topic][part], None) for topic, part in pairs}
        found = {f"{topic}[{part}]": ends.get(topic, {}).get(part, 0) for topic, part in pairs}
        notes = dict.fromkeys(due, self.reason)
        name = f"offsets that query {self.query.name} committed"
        return Hop("stream", name, due, found, notes, self.detail)

    def _trigger_hop(self) -> Hop:
        early = offsets.off_schedule(self.interval, self.batches)
        keys = {f"batch {batch.number} at {_clock(batch.started_at)}": 1 for batch in early}
        name = f"batches of query {self.query.name} off its trigger ({self.interval})"
        return Hop("stream", name, dict.fromkeys(keys, NOTHING), keys)


class Committer:
    """Follows the queries of one run."""

    def __init__(self, run: Run, stream: RunStream) -> None:
        self._run = run
        self._stream = stream
        self.queries = stream.queries
        self.counts = {query.name: QueryCount(query) for query in stream.queries}
        self._first = {query.name: self._first_of_interest(query) for query in stream.queries}

    def await_commit(self, wanted: Offsets) -> None:
        """Wait until every query has committed the offsets ``wanted``, or will not."""
        for query in self._stream.queries:
            self._await(query, self.counts[query.name], wanted)

    def progress(self, query: Query) -> Progress:
        """How far the query is now."""
        return self._stream.progress(query)

    def start_offsets(self, query: Query) -> Mapping[int, int]:
        """Where the query started to read the run's topic."""
        starts = self._ask(lambda: self._stream.start_offsets(query))
        return starts.get(self._run.names.topic, {})

    def _first_of_interest(self, query: Query) -> int:
        """The batch after which the trigger is judged; not the first, which begins at once.

        A job that was started again begins one at once as well.
        """
        begun = self._ask(lambda: self._stream.progress(query)).begun
        return begun if self._run.stream_starts > 1 else max(begun, 0) - 1

    def _await(self, query: Query, count: QueryCount, wanted: Offsets) -> None:
        count.interval = self._stream.interval(query)
        self._announce(query, count.interval)
        deadline = self._run.deployment.deadline(COMMIT_SECONDS)
        deadline.seconds += offsets.interval_seconds(count.interval)

        def probe() -> None:
            last, count.done = count.done, self._ask(lambda: self._stream.committed(query))
            if count.done != last:
                deadline.extend()
            if not offsets.covers(wanted, count.done):
                raise NotYet(f"lag {offsets.lag(wanted, count.done)}")
            count.seen_at = time.time()
            if count.done and not count.done.settled:
                raise NotYet("a batch without data is due, since the watermark has moved")

        alive = partial(self._run.deployment.backend.require_alive, self._stream.role)
        try:
            wait_for(f"query {query.name} to commit {wanted}", probe, deadline, alive=alive)
        except WaitTimeout as error:
            count.reason = f"{error.checked[0]}, after {deadline.elapsed:.0f} s"
        except ServiceNotReady as error:
            count.reason, _, count.detail = str(error).partition("\n")
        count.batches = self._ask(lambda: self._stream.batches(query, self._first[query.name]))
        count.is_complete = True

    def _ask(self, ask: Callable[[], T]) -> T:
        return asked(self._run, "stream", "reading the checkpoint", ask)

    def _announce(self, query: Query, interval: str) -> None:
        due = offsets.next_trigger(interval, time.time())
        self._run.deployment.journal.emit(
            "waiting",
            run=self._run.number,
            what=f"query {query.name} to commit",
            due=due,
            due_at=datetime.fromtimestamp(due).strftime("%H:%M:%S"),
            interval=interval,
        )


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).isoformat(timespec="milliseconds", sep=" ")
