"""sluice_check with fakes: what is asked, and what a landing says of a claim."""

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sluice import fixtures
from pytest_sluice.claims import Claim, Meant, Verdict
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.judgement import Breach
from pytest_sluice.ledger import Landing, Ledger
from pytest_sluice.sql import QueryFailed, Result

CLAIM = Claim("1", "s", "select a from t", ("a",), ((1,),), meant=Meant("select b from t"))
ONE = Result(("a",), ("integer",), ((1,),))
REFUSED = QueryFailed("q", "HIVE_PARTITION_SCHEMA_MISMATCH", "declared as type bigint")
LANDED = Landing(run=1, ledger=Ledger())


class FakePresto:
    """Answers by statement and mapping, and remembers what it was asked."""

    def __init__(self, **answers: Result | QueryFailed) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    def query(self, sql: str, mapping: str) -> Result:
        self.asked.append((sql, mapping))
        answer = self.answers.get(mapping, ONE)
        if isinstance(answer, QueryFailed):
            raise answer
        return answer


def check(landing: Landing, presto: FakePresto, records: list[Verdict]) -> Any:
    """The fixture, as pytest would make it."""

    def record(verdict: Verdict) -> Verdict:
        records.append(verdict)
        return verdict

    session = SimpleNamespace(landing=lambda: landing)
    make: Callable[..., Any] = inspect.unwrap(fixtures.sluice_check)
    return make(session, presto, record)


def test_a_claim_is_asked_under_both_mappings_and_so_is_what_was_meant() -> None:
    presto, records = FakePresto(position=REFUSED), list[Verdict]()
    verdict = check(LANDED, presto, records)(CLAIM)
    assert records == [verdict]
    assert verdict.outcome == "holds only by name"
    assert (verdict.meant.outcome, verdict.hop) == ("holds", "")
    assert presto.asked == [
        (CLAIM.sql, "position"),
        (CLAIM.sql, "name"),
        ("select b from t", "name"),
    ]


def test_a_claim_that_fails_names_every_hop_that_broke() -> None:
    breaches = (
        Breach("api", "requests that were answered", "220", 195, ()),
        Breach("stream", "messages that are rows", "195", 190, ()),
    )
    broken = Landing(run=1, ledger=Ledger(), breaches=breaches)
    verdict = check(broken, FakePresto(name=REFUSED), [])(CLAIM)
    assert f"broken hop: api: {breaches[0]}; stream: {breaches[1]}" in verdict.text()


def test_where_a_service_stopped_the_landing_no_claim_is_asked() -> None:
    stopped = Landing(run=1, ledger=Ledger(), stopped_at="hdfs", reason="the disk is full")
    presto = FakePresto()
    with pytest.raises(ServiceNotReady, match="run 1 stopped at hdfs: the disk is full"):
        check(stopped, presto, [])
    assert presto.asked == []
