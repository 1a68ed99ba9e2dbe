"""A thousand malformed messages between the report's traffic: the job lives and keeps each."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_sluice.flow.landing import Lander
from pytest_sluice.flow.run import Run
from pytest_sluice.ledger import Landing
from pytest_sluice.session import Session
from tests.integration.malformed import MESSAGES, malformed_messages
from tests.integration.steps import event_ids, rows

pytestmark = pytest.mark.stream

USERS = ("user1.comcast.com", "user2.att.com", "user3.spectrum.com")


@pytest.fixture(scope="module")
def run(sluice_session: Session) -> Iterator[Run]:
    """A run of this module."""
    with sluice_session.own_run() as run:
        yield run


@pytest.fixture(scope="module")
def landing(run: Run) -> Landing:
    """The landing of the report's 21 bursts, with malformed messages after each of them."""
    values = [message.value for message in malformed_messages()]
    share = -(-MESSAGES // len(run.pipeline.traffic))
    before = Lander(run).land(())
    if not before.landed:
        return before
    for number, burst in enumerate(run.pipeline.traffic):
        run.api.burst(burst)
        run.topic.produce(values[number * share : (number + 1) * share])
    return Lander(run).land(())


@pytest.fixture(scope="module")
def kept(landing: Landing, run: Run) -> list[dict[str, Any]]:
    """The rows of what was rejected, after the landing."""
    return rows(run, "rejected")


def test_what_was_sent_straight_to_the_topic_is_judged_as_well(landing: Landing) -> None:
    assert landing.landed, landing.story()
    assert landing.unjudged == ()


def test_the_job_lives(landing: Landing, run: Run) -> None:
    assert run.stream.exit_code() is None
    assert landing.ends == {run.names.topic: {0: 220 + MESSAGES}}


def test_each_is_kept_with_its_reason(landing: Landing, kept: list[dict[str, Any]]) -> None:
    expected = Counter((message.value, message.reason) for message in malformed_messages())
    assert Counter((row["value"], row["reason"]) for row in kept) == expected
    assert landing.ledger.visible["rejected"] == MESSAGES


def test_each_is_kept_with_its_place(
    landing: Landing, run: Run, kept: list[dict[str, Any]]
) -> None:
    sent = {message.offset: message.value for message in run.topic.messages()}
    values = {row["offset"]: row["value"] for row in kept}
    assert len(values) == len(kept) == MESSAGES
    assert values == {offset: sent[offset] for offset in values}


def test_presto_counts_them_by_reason(landing: Landing, run: Run) -> None:
    table = run.qualified(run.table("rejected"))
    found = run.presto.query(f"select reason, count(*) from {table} group by reason", "name")
    assert dict(found.rows) == Counter(message.reason for message in malformed_messages())


def test_every_message_is_somewhere(landing: Landing, run: Run) -> None:
    visible = landing.ledger.visible
    assert visible == {"purchases": 165, "guild_membership": 25, "rejected": MESSAGES}
    assert sum(visible.values()) + landing.ledger.messages["default"] == 220 + MESSAGES
    landed = [row for name in ("purchases", "guild_membership") for row in rows(run, name)]
    assert set(Counter(event_ids(landed)).values()) == {1}


def test_the_claims_still_hold(landing: Landing, run: Run) -> None:
    ask = run.presto.query
    assert ask("select count(amount) from purchases").rows == ((165,),)
    assert ask("select count(*) from guild_membership").rows == ((25,),)
    by_host = ask("select host, count(*) from purchases group by host", "name")
    assert dict(by_host.rows) == dict(zip(USERS, (50, 60, 55), strict=True))
    by_type = ask("select event_type, count(*) from purchases group by event_type", "name")
    assert dict(by_type.rows) == {
        "purchase_arrow": 25,
        "purchase_knife": 30,
        "purchase_bow": 35,
        "purchase_armor": 35,
        "purchase_sword": 40,
    }
    members = ask("select distinct(event_type) from guild_membership", "position")
    assert members.rows_as_multiset == Counter((user,) for user in USERS)
