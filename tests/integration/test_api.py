"""The game's API under its production server, before a real broker."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_sluice.declaration import Burst
from pytest_sluice.flow.handles import RunApi
from pytest_sluice.flow.run import Run
from pytest_sluice.session import Session
from pytest_sluice.waiting import Deadline, NotYet, wait_for
from tests.integration.steps import Reply, get, promised, set_environment

pytestmark = pytest.mark.api

ACK_TIMEOUT_SECONDS = 1.0
AT_ONCE = 8

ROUTES = {
    "/": ("default", "This is the default response!\n"),
    "/purchase_a_sword": ("purchase_sword", "Sword Purchased!\n"),
    "/purchase_a_knife": ("purchase_knife", "Knife Purchased!\n"),
    "/purchase_armor": ("purchase_armor", "Armor Purchased!\n"),
    "/purchase_bow": ("purchase_bow", "Bow Purchased!\n"),
    "/purchase_arrow": ("purchase_arrow", "Arrow Purchased!\n"),
    "/join_guild": ("join_guild", "Joined Guild!\n"),
    "/join_a_guild": ("join_guild", "Joined Guild!\n"),
    "/leave_guild": ("leave_guild", "Left Guild!\n"),
    "/attack_enemy": ("attack_enemy", "Enemy Attacked!\n"),
}


def stored(run: Run) -> list[dict[str, str]]:
    """Every event of the run's topic."""
    return [json.loads(message.value or b"null") for message in run.topic.messages()]


def stored_ids(run: Run) -> Counter[str]:
    """How often each event is in the run's topic."""
    return Counter(event["event_id"] for event in stored(run))


@pytest.mark.parametrize("path", ROUTES)
def test_a_route_answers_200_and_stores_one_message(module_run: Run, path: str) -> None:
    event_type, text = ROUTES[path]
    before = sum(module_run.topic.end_offsets().values()) if path != "/" else 0
    reply = get(module_run.api.url, path, {"Host": "user1.comcast.com"})
    assert (reply.status, reply.body) == (200, text)
    new = stored(module_run)[before:]
    assert [(event["event_type"], event["Host"]) for event in new] == [
        (event_type, "user1.comcast.com")
    ]
    assert new[0]["event_id"] == reply.event_id


def test_a_header_cannot_overwrite_a_field(module_run: Run) -> None:
    forged = {"event_type": "purchase_bow", "amount": "99", "event_id": "mine"}
    headers = forged | {"description": "nothing", "X-Event-Id": "mine", "User-Agent": "me"}
    reply = get(module_run.api.url, "/purchase_a_sword", headers)
    (event,) = [event for event in stored(module_run) if event["event_id"] == reply.event_id]
    assert event | {"Host": ""} == {
        "Host": "",
        "User-Agent": "me",
        "event_type": "purchase_sword",
        "amount": "1",
        "description": "upgrade sword strength",
        "event_id": reply.event_id,
    }


@pytest.mark.parametrize("path", ["/join_guild", "/join_a_guild"])
def test_ab_is_answered_200_by_both_routes_to_a_guild(module_run: Run, path: str) -> None:
    answers = module_run.api.burst(Burst(25, path, (("Host", "user2.att.com"),)))
    assert answers.by_status == {200: 25}
    ids = answers.header_values("X-Event-Id")
    assert len(set(ids)) == 25
    joins = {e["event_id"] for e in stored(module_run) if e["event_type"] == "join_guild"}
    assert set(ids) <= joins


def test_a_path_that_the_api_lacks_is_404_and_stores_nothing(module_run: Run) -> None:
    api, before = module_run.api, module_run.topic.end_offsets()
    answers = api.burst(Burst(25, "/join_the_guild"))
    assert (answers.complete, answers.failed) == (25, 0)  # all that ab itself complains of
    assert answers.by_status == {404: 25}
    assert module_run.topic.end_offsets() == before


@pytest.fixture(scope="module")
def impatient(sluice_session: Session) -> Iterator[Run]:
    """A run whose API waits a second for the broker."""
    with sluice_session.own_run() as run:
        set_environment(run, ACK_TIMEOUT_SECONDS=str(ACK_TIMEOUT_SECONDS))
        yield run


def asked_in_an_outage(run: Run) -> list[tuple[Reply, float]]:
    """What requests at once are answered while the broker stands still, and after how long."""

    def timed(_number: int) -> tuple[Reply, float]:
        started = time.monotonic()
        return get(run.api.url, "/purchase_a_knife"), time.monotonic() - started

    backend = run.deployment.backend
    backend.pause("kafka")
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(timed, range(AT_ONCE)))
    finally:
        backend.resume("kafka")


def serves_again(run: Run) -> Reply:
    """Wait until the API stores events again; the first answer that says so."""

    def probe() -> Reply:
        reply = get(run.api.url, "/")
        if reply.status != 200:
            raise NotYet(f"{reply.status}: {reply.body}")
        return reply

    return wait_for("the API to store events again", probe, Deadline(20))


def test_503_while_the_broker_stands_still_and_at_most_one_message_after(impatient: Run) -> None:
    assert get(impatient.api.url, "/").status == 200
    outage = asked_in_an_outage(impatient)
    for reply, seconds in outage:
        assert reply.status == 503
        assert seconds < ACK_TIMEOUT_SECONDS + 1
        refusal = json.loads(reply.body)
        assert "did not acknowledge" in refusal["reason"]
        assert refusal["event_id"] == reply.event_id
    again = serves_again(impatient)
    found = stored_ids(impatient)
    assert found[again.event_id] == 1
    assert {found[reply.event_id] for reply, _ in outage} <= {0, 1}


@pytest.mark.parametrize("end", [RunApi.kill, RunApi.stop], ids=["SIGKILL", "SIGTERM"])
def test_every_event_answered_200_outlives_the_api(
    sluice_own_run: Run, end: Callable[[RunApi], object]
) -> None:
    run, api = sluice_own_run, sluice_own_run.api
    bursts = [Burst(5000, "/purchase_a_sword")] * 4

    def busy() -> None:
        if (sent := sum(run.topic.end_offsets().values())) < 200:
            raise NotYet(f"{sent} messages")

    with ThreadPoolExecutor(len(bursts)) as pool:
        sent = [pool.submit(promised, api, burst) for burst in bursts]
        wait_for("200 messages", busy, Deadline(20))
        end(api)
        by_burst = [future.result() for future in sent]

    assert all(0 < len(ids) < 5000 for ids in by_burst)  # it ended in the middle of each
    ids = set().union(*by_burst)
    found = stored_ids(run)
    lost = [event_id for event_id in ids if event_id not in found]
    assert lost == []
    assert set(found.values()) == {1}


def test_an_api_that_starts_again_goes_on(sluice_own_run: Run) -> None:
    run = sluice_own_run
    first = get(run.api.url, "/purchase_bow").event_id
    run.api.kill()
    assert run.api.exit_code() == -9
    second = get(run.start_api().url, "/purchase_bow").event_id
    assert stored_ids(run) == {first: 1, second: 1}
