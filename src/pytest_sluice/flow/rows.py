"""Rows against messages, and files against what was committed: what a job made of its topic."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

from pytest_sluice.clients.kafka import Message
from pytest_sluice.conservation import Kinds, Taken, files_hop, rows_hop, unjudged_rows
from pytest_sluice.declaration import Query, Table
from pytest_sluice.flow.committing import Committer
from pytest_sluice.flow.counting import (
    Ends,
    TableCount,
    between,
    count_table,
    kinds,
    rejected_kinds,
)
from pytest_sluice.flow.run import Run
from pytest_sluice.judgement import Hop


class Rows:
    """The tables of one run, by the labels under which its ledger has them."""

    def __init__(self, run: Run, committer: Committer) -> None:
        self._run = run
        self._committer = committer
        self._queries = committer.queries
        self._starts: dict[str, Ends] = {}
        self.tables: dict[str, TableCount] = {}
        self._rejected: Counter[str] | None = None

    def count(self) -> None:
        """Count the committed rows of every table, and the kinds of what was rejected."""
        for query in self._queries:
            self._starts[query.name] = self._committer.start_offsets(query)
            progress = partial(self._committer.progress, query)
            for table in query.tables:
                self.tables[label(self._run, table)] = count_table(self._run, table, progress)
        holders = [count for count in self.tables.values() if count.table.rejected]
        if holders:
            found = (rejected_kinds(self._run, count) for count in holders)
            self._rejected = sum(found, Counter[str]())

    def hops(self, messages: Sequence[Message], least: Ends, most: Ends) -> Iterator[Hop]:
        """What the tables had to take of the messages below ``least``, and might below ``most``."""
        for query in self._queries:
            taken = self._taken(query, messages, least, most)
            yield rows_hop(query.name, self._run.pipeline.topic, taken)
        for name, count in self.tables.items():
            yield files_hop(name, count.listing)

    def unjudged(self, messages: Sequence[Message], ends: Ends) -> Iterator[str]:
        """What the declaration does not let one see, a sentence each."""
        for query in self._queries:
            taken = self._taken(query, messages, ends, ends)
            yield from unjudged_rows(self._run.pipeline.topic, taken)
        for name, count in self.tables.items():
            if not count.listing.known:
                yield f"orphans of {name}: nothing says which batch wrote a file"

    def _taken(self, query: Query, messages: Sequence[Message], least: Ends, most: Ends) -> Taken:
        starts = self._starts[query.name]
        name = self._run.pipeline.topic.kind
        return Taken(
            query.tables,
            Kinds(*(kinds(between(messages, starts, ends), name) for ends in (least, most))),
            {label(self._run, t): self.tables[label(self._run, t)].total for t in query.tables},
            self._rejected,
        )


def label(run: Run, table: Table) -> str:
    """What a ledger calls a table: its name, with its schema where two tables have that name."""
    names = [each.name for each in run.pipeline.tables]
    return table.name if names.count(table.name) == 1 else run.qualified(table)
