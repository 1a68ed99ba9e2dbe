"""Landing a run: send the traffic, wait until it is committed and visible, judge each hop.

Committed means that Spark's checkpoint has it, visible that the engine reads every committed file.
Neither asks for the figures that a test expects. What the pipeline breaks is counted, and judged at
the end; only a service that does not answer stops the counting.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from pytest_sluice.clients.kafka import Message
from pytest_sluice.conservation import messages_hop
from pytest_sluice.declaration import STAGES, Burst, Pipeline, Stage
from pytest_sluice.flow import counting
from pytest_sluice.flow.committing import Committer, QueryCount
from pytest_sluice.flow.counting import Ends, TopicCount
from pytest_sluice.flow.hops import Broke, Stopped, joined
from pytest_sluice.flow.rows import Rows
from pytest_sluice.flow.run import Run
from pytest_sluice.flow.seeing import Sight
from pytest_sluice.flow.sending import Sender
from pytest_sluice.judgement import Hop, judge
from pytest_sluice.ledger import Landing, Ledger, Times

# How often what came late is followed down as well; who sends without an end is not waited for.
ROUNDS = 2


def reaches(until: Stage, stage: Stage) -> bool:
    """Whether a landing that ends at ``until`` comes to ``stage``."""
    return STAGES.index(stage) <= STAGES.index(until)


def nodes_for(pipeline: Pipeline, until: Stage) -> list[str]:
    """What a landing that ends at a stage brings about of its run."""
    wanted: list[tuple[str, Stage, object]] = [
        ("topic", "api", pipeline.topic),
        ("api", "api", pipeline.api),
        ("stream", "stream", pipeline.job),
        ("tables", "hive", pipeline.ddl),
        ("presto", "presto", pipeline.tables),
    ]
    return [node for node, stage, declared in wanted if declared and reaches(until, stage)]


class Lander:
    """Brings one run to its landing, and judges what it counted on the way."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._topic = TopicCount(run)
        self._sender = Sender(run, self._topic)
        self._committer: Committer | None = None
        self._rows: Rows | None = None
        self._sight: Sight | None = None
        self._broken: list[Hop] = []
        self._messages: list[Message] | None = None
        self._awaited: Ends = {}
        self._acknowledged_at = 0.0

    def land(self, traffic: Sequence[Burst], until: Stage = STAGES[-1]) -> Landing:
        """Send the traffic and follow it down to a stage; the landing tells how far it came."""
        nodes = nodes_for(self.run.pipeline, until)
        own = [self.run.node(node) for node in nodes if traffic or node != "api"]
        self.run.graph.start(own)
        stopped: Stopped | None = None
        try:
            self._follow(traffic, until, own)
        except Stopped as error:
            stopped = error
        landing = self._landing(until, stopped)
        self.run.deployment.journal.emit("landing", run=self.run.number, landing=landing.as_json())
        return landing

    def _follow(self, traffic: Sequence[Burst], until: Stage, nodes: Sequence[str]) -> None:
        if self.run.node("stream") in nodes:
            self._attempt(self._join_stream)
        self._send(traffic)
        if reaches(until, "kafka"):
            self._await_messages()
        for _ in range(ROUNDS):
            self._awaited = self._topic.ends
            self._follow_down(nodes)
            if self._topic.mark() == self._awaited:
                break  # nothing came meanwhile
        if reaches(until, "kafka"):
            self._messages = self._topic.read()

    def _await_messages(self) -> None:
        """An asynchronous producer may still be sending what the API has accepted."""
        sent = self._sender.sent
        wanted = {each for one in sent for each in one.ids if each} if self._by_id else set()
        self._topic.await_messages(sum(each.accepted for each in sent), wanted)

    def _follow_down(self, nodes: Sequence[str]) -> None:
        if self._committer:
            self._attempt(self._commit)
        if self.run.node("tables") in nodes:
            self._attempt(lambda: joined("hive", lambda: self.run.join("tables")))
        if self.run.node("presto") in nodes and self._rows:
            self._attempt(self._see)

    def _attempt(self, part: Callable[[], object]) -> None:
        """Do a part; what the pipeline broke in it is kept, and the next part goes on."""
        try:
            part()
        except Broke as broke:
            if broke.hop not in self._broken:
                self._broken.append(broke.hop)

    def _join_stream(self) -> None:
        """Before anything is sent: what comes before the first pinned offset could be missed."""
        stream = joined("stream", lambda: self.run.stream)
        self._committer = Committer(self.run, stream)

    def _send(self, traffic: Sequence[Burst]) -> None:
        joined("kafka", lambda: self.run.topic)
        self._topic.begin()
        if traffic:
            total = sum(burst.requests for burst in traffic)
            self.run.deployment.journal.emit(
                "traffic", run=self.run.number, requests=total, bursts=len(traffic)
            )
            self._attempt(lambda: self._sender.send(traffic))
            self._acknowledged_at = time.time()

    def _commit(self) -> None:
        assert self._committer
        self._committer.await_commit({self.run.names.topic: self._awaited})
        rows = Rows(self.run, self._committer)
        rows.count()
        self._rows = rows

    def _see(self) -> None:
        assert self._rows
        self._sight = Sight(self.run, self._rows.tables)
        self._sight.look()

    def _landing(self, until: Stage, stopped: Stopped | None) -> Landing:
        counts = self._counts
        seen = self._sight.rows if self._sight else {}
        return Landing(
            run=self.run.number,
            ledger=self._ledger(),
            ends={self.run.names.topic: self._topic.ends} if self._topic.ends else {},
            committed={c.query.name: c.done.ends if c.done else {} for c in counts},
            batches={c.query.name: {b.number: b.started_at for b in c.batches} for c in counts},
            files={label: frozenset(by["name"]) for label, by in seen.items() if "name" in by},
            times=Times(
                self._acknowledged_at,
                {c.query.name: c.seen_at for c in counts if c.seen_at},
                self._sight.seen_at if self._sight else {},
            ),
            breaches=judge(self._hops()),
            unjudged=tuple(dict.fromkeys(self._unjudged())),
            until=until,
            stopped_at=stopped.stage if stopped else None,
            reason=stopped.reason if stopped else "",
        )

    def _hops(self) -> list[Hop]:
        """Everything that was counted, and what was due of it."""
        hops = list(self._broken)
        if self._sender.sent:
            hops += self._sender.hops()
        if self._messages is not None:
            hops.append(self._messages_hop(self._messages))
        for count in self._counts:
            hops += count.hops({self.run.names.topic: self._awaited})
        if self._rows and self._messages is not None:
            hops += self._rows.hops(self._messages, self._awaited, self._topic.ends)
        return [*hops, *self._sight.hops()] if self._sight else hops

    @property
    def _counts(self) -> list[QueryCount]:
        """The queries that were followed to their end, good or bad."""
        counts = self._committer.counts.values() if self._committer else ()
        return [count for count in counts if count.is_complete]

    def _messages_hop(self, messages: Sequence[Message]) -> Hop:
        since, name = self._topic.since_baseline(messages), self.run.names.topic
        found = counting.ids(since, self.run.pipeline.topic.id) if self._by_id else len(since)
        return messages_hop(name, self._sender.sent, found)

    @property
    def _by_id(self) -> bool:
        api, topic = self.run.pipeline.api, self.run.pipeline.topic
        return bool(self._sender.sent and api and api.id_header and topic.id)

    def _unjudged(self) -> list[str]:
        found = [sentence for count in self._counts for sentence in count.unjudged()]
        if self._messages is None:
            return found
        if self._sender.sent and not self._by_id:
            found.append("which message is whose: declare both Api.id_header and Topic.id")
        return (
            [*found, *self._rows.unjudged(self._messages, self._topic.ends)]
            if self._rows
            else found
        )

    def _ledger(self) -> Ledger:
        sent = self._sender.sent
        tables = self._rows.tables if self._rows else {}
        seen = self._sight.rows if self._sight else {}
        return Ledger(
            requests=sum(each.burst.requests for each in sent if each.tried),
            answers=sum((Counter(each.answers) for each in sent), Counter[int]()),
            messages=counting.kinds(self._messages or (), self.run.pipeline.topic.kind),
            committed={label: count.total for label, count in tables.items()},
            visible={label: sum(by["name"].values()) for label, by in seen.items() if "name" in by},
        )
