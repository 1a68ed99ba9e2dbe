"""Waiting until the engine reads what is committed, under both mappings of Parquet columns."""

import re
import time
from collections.abc import Iterator, Mapping

from pytest_sluice.conservation import visible_hop
from pytest_sluice.declaration import Stage
from pytest_sluice.flow.counting import ROLES, TableCount, announce
from pytest_sluice.flow.hops import Broke, Stopped, hop, joined
from pytest_sluice.flow.run import Run
from pytest_sluice.judgement import Hop
from pytest_sluice.sql import MappingName, QueryFailed
from pytest_sluice.waiting import NotYet, WaitTimeout, wait_for

VISIBLE_SECONDS = 30.0
MAPPINGS: tuple[MappingName, ...] = ("position", "name")

_NO_TABLE = re.compile(r"(Table|Schema) \S+ does not exist")

Rows = Mapping[str, int]


class Sight:
    """What the engine sees of a run's tables: rows by file, for each table and mapping."""

    def __init__(self, run: Run, tables: Mapping[str, TableCount]) -> None:
        self._run = run
        self._tables = tables
        self.rows: dict[str, dict[MappingName, Rows]] = {}
        self.seen_at: dict[str, float] = {}

    def look(self) -> None:
        """Wait for every committed file, in each table; what does not come is for the judge."""
        joined("presto", lambda: self._run.presto)
        for label, count in self._tables.items():
            self.rows[label] = {}
            complete = [self._await(label, count, mapping) for mapping in MAPPINGS]
            if all(complete):
                self.seen_at[label] = time.time()

    def hops(self) -> Iterator[Hop]:
        """What is visible is what is committed, file by file."""
        for label, seen in self.rows.items():
            count = self._tables[label]
            for mapping, rows in seen.items():
                yield visible_hop(label, mapping, count.rows, count.others, rows)

    def _await(self, label: str, count: TableCount, mapping: MappingName) -> bool:
        what = f"the files of {label} to be visible by {mapping}"
        seen: dict[str, int] = {}
        announced = False

        def probe() -> None:
            nonlocal seen, announced
            seen = self._visible(label, count, mapping)
            if missing := count.rows.keys() - seen.keys():
                if not announced:
                    announce(self._run, what)
                    announced = True
                raise NotYet(f"{len(missing)} of {len(count.rows)} files are not visible")

        deadline = self._run.deployment.deadline(VISIBLE_SECONDS)
        try:
            wait_for(what, probe, deadline, alive=self._alive)
        except WaitTimeout as error:
            if _is_unanswered(error):
                raise Stopped("presto", str(error)) from error
        self.rows[label][mapping] = seen
        return count.rows.keys() <= seen.keys()

    def _visible(self, label: str, count: TableCount, mapping: MappingName) -> dict[str, int]:
        try:
            return self._run.presto.visible_files(self._run.qualified(count.table), mapping)
        except QueryFailed as error:
            if error.misfit:
                # A table that is not there is the DDL's fault, and no reader's.
                stage: Stage = "hive" if _NO_TABLE.search(error.message) else "presto"
                raise Broke(stage, f"{label} as read by {mapping}", error.cause) from error
            if error.transient:
                raise NotYet(error.cause) from error
            raise Stopped("presto", str(error)) from error

    def _alive(self) -> None:
        with hop("presto"):
            for role in ROLES["presto"]:
                self._run.deployment.backend.require_alive(role)


def _is_unanswered(timeout: WaitTimeout) -> bool:
    """Whether the engine, asked last, did not answer: then nothing is known of what it sees."""
    last = timeout.__cause__
    return last is not None and isinstance(last.__cause__, QueryFailed)
