"""Landing a run: send the traffic, wait until it is committed and visible, count at every hop.

Committed means that Spark's checkpoint has it, visible that every committed file with rows is among
the files out of which Presto reads. Neither asks for the figures that a test expects.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from pytest_sluice import offsets
from pytest_sluice.declaration import Burst, Query, Stage, Table
from pytest_sluice.flow.handles import RunApi, RunStream, RunTopic
from pytest_sluice.flow.hops import Stopped, hop
from pytest_sluice.flow.run import ComponentFailed, Run
from pytest_sluice.ledger import Landing, Ledger, count_kinds
from pytest_sluice.sql import Presto
from pytest_sluice.waiting import Deadline, NotYet, wait_for

Ends = Mapping[int, int]

# On top of the trigger interval: a micro-batch of a megabyte takes some seconds on a busy machine.
COMMIT_SECONDS = 60.0
VISIBLE_SECONDS = 30.0


def _told(answers: Mapping[int, int]) -> str:
    return ", ".join(f"{number} x {status}" for status, number in sorted(answers.items()))


def _sums(rows: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    return {table: sum(by_file.values()) for table, by_file in rows.items()}


class Lander:
    """Brings one run to its landing; what it counted so far is the landing, wherever it stops."""

    # What it brings about of its run.
    NODES = ("api", "stream", "presto")

    def __init__(self, run: Run) -> None:
        self.run = run
        self.requests = 0
        self.answers: Counter[int] = Counter()
        self.ends: dict[str, Ends] = {}
        self.committed: dict[str, Mapping[str, Mapping[int, int]]] = {}
        # Rows by file, of each table.
        self.rows: dict[str, dict[str, int]] = {}
        self.visible: dict[str, dict[str, int]] = {}

    def land(self, traffic: Sequence[Burst]) -> Landing:
        """Send the traffic and follow it down; a hop that stops it is told by the landing."""
        self.run.graph.start(map(self.run.node, self.NODES))
        try:
            self._send(traffic)
            self._commit()
            self._see()
        except ComponentFailed as error:
            return self._landing(error.stage, str(error))
        except Stopped as stopped:
            return self._landing(stopped.stage, stopped.reason)
        return self._landing(None, "")

    def _send(self, traffic: Sequence[Burst]) -> None:
        api, topic = self.run.api, self.run.topic
        self.run.join("stream")  # a burst before the first pinned offset could be missed
        total = sum(burst.requests for burst in traffic)
        self._emit("traffic", requests=total, bursts=len(traffic))
        self._mark_ends(topic)
        for burst in traffic:
            self._send_burst(api, topic, burst)
        self._judge_answers()

    def _send_burst(self, api: RunApi, topic: RunTopic, burst: Burst) -> None:
        """Send one burst, count its answers, and record its interval of end offsets."""
        begin = self.ends[topic.name]
        self.requests += burst.requests
        with hop("api", f"GET {burst.path}"):
            answers = api.burst(burst).by_status
        self.answers.update(answers)
        end = self._mark_ends(topic)
        if answers and min(answers) >= 500:
            # Nothing is stored: each further request would only wait for its time-out.
            raise Stopped("api", f"GET {burst.path}: every answer is {_told(answers)}")
        self._emit("burst", path=burst.path, host=burst.host, answers=answers, begin=begin, end=end)

    def _mark_ends(self, topic: RunTopic) -> Ends:
        with hop("kafka", "asking for the end offsets"):
            self.ends[topic.name] = topic.end_offsets()
        return self.ends[topic.name]

    def _judge_answers(self) -> None:
        refused = {status: n for status, n in self.answers.items() if not 200 <= status < 300}
        if refused:
            raise Stopped("api", f"of {self.requests} answers {_told(refused)}")

    def _commit(self) -> None:
        stream = self.run.stream
        for query in stream.queries:
            self._await_commit(stream, query)
        self._count_committed(stream)

    def _await_commit(self, stream: RunStream, query: Query) -> None:
        interval = stream.interval(query)
        due = offsets.next_trigger(interval, time.time())
        self._emit(
            "waiting",
            what=f"query {query.name} to commit",
            due=due,
            due_at=datetime.fromtimestamp(due).strftime("%H:%M:%S"),
            interval=interval,
        )
        scale = self.run.deployment.timeout_factor
        deadline = Deadline(offsets.interval_seconds(interval) + COMMIT_SECONDS * scale)
        seen: list[offsets.Committed | None] = [None]

        def probe() -> None:
            done = stream.committed(query)
            if done != seen[0]:
                seen[0] = done
                deadline.extend()
            if not offsets.covers(self.ends, done):
                raise NotYet(f"lag {offsets.lag(self.ends, done)}")

        try:
            with hop("stream"):
                wait_for(
                    f"query {query.name} to commit {self.ends}",
                    probe,
                    deadline,
                    alive=lambda: self.run.deployment.backend.require_alive(stream.role),
                    log=stream.logs,
                )
        finally:
            self.committed[query.name] = seen[0].ends if seen[0] else {}

    def _count_committed(self, stream: RunStream) -> None:
        for query in stream.queries:
            for table in query.tables:
                with hop("hdfs", f"counting the rows of {table.name}"):
                    self.rows[table.name] = self._rows_by_file(table)

    def _rows_by_file(self, table: Table) -> dict[str, int]:
        """The rows of every file of a table that has any, by URL, as its footer says."""
        hdfs = self.run.hdfs
        rows = {hdfs.url + file: hdfs.rows(file) for file in hdfs.data_files(self.run.path(table))}
        return {url: number for url, number in rows.items() if number}

    def _see(self) -> None:
        presto = self.run.presto
        for table in self.run.pipeline.tables:
            with hop("presto"):
                self._await_visible(presto, table)

    def _await_visible(self, presto: Presto, table: Table) -> None:
        wanted = self.rows[table.name].keys()

        def probe() -> dict[str, int]:
            seen = presto.visible_files(self.run.qualified(table))
            if missing := wanted - seen.keys():
                raise NotYet(f"{len(missing)} of {len(wanted)} files are not visible")
            return seen

        deadline = self.run.deployment.deadline(VISIBLE_SECONDS)
        self.visible[table.name] = wait_for(f"Presto to see {table.name}", probe, deadline)

    def _landing(self, stage: Stage | None, reason: str) -> Landing:
        landing = Landing(
            run=self.run.number,
            ledger=Ledger(
                requests=self.requests,
                answers=dict(self.answers),
                messages=self._messages(),
                committed=_sums(self.rows),
                visible=_sums(self.visible),
            ),
            ends=self.ends,
            committed=self.committed,
            files={table: frozenset(rows) for table, rows in self.visible.items()},
            stopped_at=stage,
            reason=reason,
        )
        self._emit("landing", landing=landing.as_json())
        return landing

    def _messages(self) -> dict[str, int]:
        """What the topic holds by kind; nothing where there is no broker to ask any more."""
        if not self.ends:
            return {}
        try:
            with hop("kafka"):
                values = [message.value for message in self.run.topic.messages()]
        except Stopped:
            return {}
        return dict(count_kinds(values, self.run.pipeline.topic.kind))

    def _emit(self, kind: str, **fields: object) -> None:
        self.run.deployment.journal.emit(kind, run=self.run.number, **fields)
