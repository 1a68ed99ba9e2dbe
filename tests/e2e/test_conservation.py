"""Nothing is lost and nothing doubled: the same figures at every hop. And claim 13."""

import json
from collections.abc import Callable
from itertools import pairwise

import pytest

from pytest_sluice import Burst, offsets
from pytest_sluice.claims import Verdict
from pytest_sluice.flow.handles import RunStream, RunTopic
from pytest_sluice.flow.landing import Lander
from pytest_sluice.flow.run import Run
from pytest_sluice.ledger import Landing
from pytest_sluice.sql import Presto

MESSAGES = {
    "default": 30,
    "purchase_sword": 40,
    "purchase_knife": 30,
    "purchase_armor": 35,
    "purchase_bow": 35,
    "purchase_arrow": 25,
    "join_guild": 25,
}
ROWS = {"purchases": 165, "guild_membership": 25, "rejected": 0}
NEVER_SENT = ("leave_guild", "attack_enemy")
KEPT_BY_NO_TABLE = ("default", *NEVER_SENT)


@pytest.mark.api
def test_every_request_was_answered_200(sluice_landing: Landing) -> None:
    assert sluice_landing.ledger.requests == 220
    assert sluice_landing.ledger.answers == {200: 220}


@pytest.mark.kafka
def test_every_answer_is_a_message(sluice_landing: Landing) -> None:
    assert sluice_landing.ledger.messages == MESSAGES
    assert sum(MESSAGES.values()) == sluice_landing.ledger.answers[200]


@pytest.mark.kafka
def test_every_message_is_an_event_of_its_own(
    sluice_topic: RunTopic, sluice_landing: Landing
) -> None:
    ids = [json.loads(message.value or b"")["event_id"] for message in sluice_topic.messages()]
    assert len(ids) == len(set(ids)) == sluice_landing.ledger.requests


@pytest.mark.stream
def test_every_message_is_a_row_or_kept_by_no_table(sluice_landing: Landing) -> None:
    ledger = sluice_landing.ledger
    assert ledger.committed == ROWS
    not_kept = sum(ledger.messages.get(kind, 0) for kind in KEPT_BY_NO_TABLE)
    assert sum(ledger.messages.values()) == sum(ledger.committed.values()) + not_kept


@pytest.mark.stream
def test_batches_begin_at_multiples_of_the_trigger(
    sluice_stream: RunStream, sluice_landing: Landing
) -> None:
    (query,) = sluice_stream.queries
    interval = offsets.interval_seconds(sluice_stream.interval(query))
    begun = [at for number, at in sorted(sluice_landing.batches[query.name].items()) if number]
    assert begun  # batch 0 begins when the query does
    if interval >= 30:  # of a short one a busy machine misses a beat
        assert all(at % interval < offsets.TRIGGER_SECONDS for at in begun)
    assert all(later - at > interval / 2 for at, later in pairwise(begun))


@pytest.mark.presto
def test_every_row_is_visible_once(sluice_presto: Presto, sluice_landing: Landing) -> None:
    committed = sluice_landing.ledger.committed
    assert sluice_landing.ledger.visible == committed
    event_id = "json_extract_scalar(raw_event, '$.event_id')"
    for table in ("purchases", "guild_membership"):
        distinct = f"select count(distinct {event_id}) from {table}"
        assert sluice_presto.query(distinct, "name").rows == ((committed[table],),)


@pytest.mark.presto
def test_rows_are_visible_within_the_trigger_and_a_minute(
    sluice_landing: Landing, sluice_stream: RunStream
) -> None:
    (query,) = sluice_stream.queries
    longest = offsets.interval_seconds(sluice_stream.interval(query)) + 60
    for table in ROWS:
        assert 0 < sluice_landing.freshness(table) < longest


@pytest.mark.stream
def test_nothing_of_the_landing_was_left_unjudged(sluice_landing: Landing) -> None:
    assert sluice_landing.unjudged == ()


@pytest.mark.report
def test_claim_13_users_also_leave_guilds_and_attack_enemies(
    sluice_landing: Landing, sluice_own_run: Run, sluice_record: Callable[[Verdict], Verdict]
) -> None:
    of_the_report = {kind: sluice_landing.ledger.messages.get(kind, 0) for kind in NEVER_SENT}

    user = (("Host", "user1.comcast.com"),)
    traffic = [
        Burst(2, "/leave_guild", user),
        Burst(3, "/attack_enemy", user),
        Burst(4, "/purchase_bow", user),
    ]
    # What is claimed here does not hang on the interval, and a second one need not be waited for.
    sluice_own_run.pipeline = sluice_own_run.pipeline.with_trigger("1 second")
    landing = Lander(sluice_own_run).land(traffic)
    assert landing.landed, landing.story()
    messages, rows = landing.ledger.messages, landing.ledger.visible

    verdict = Verdict.of_fact(
        "13",
        "Users also leave guilds and attack enemies.",
        all(of_the_report.values()),
        f"the report's traffic: {_told(of_the_report)}; traffic of our own: messages: "
        f"{_told(messages)}; rows: {_told(rows)}",
        expected="fails",
        because="the report's traffic has none of these events",
    )
    assert sluice_record(verdict).as_expected, verdict.text()
    # What the pipeline here can do: it takes both events, and no table keeps them.
    assert messages == {"leave_guild": 2, "attack_enemy": 3, "purchase_bow": 4}
    assert rows == {"purchases": 4, "guild_membership": 0, "rejected": 0}


def _told(counts: object) -> str:
    assert isinstance(counts, dict)
    return ", ".join(f"{name} {number}" for name, number in counts.items())
