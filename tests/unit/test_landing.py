"""A landing against a pipeline in memory: each way to be wrong is marked, and nothing else is."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pytest_sluice.declaration import Burst, Fixed, Query, Table
from pytest_sluice.errors import ServiceNotReady, SluiceError
from pytest_sluice.flow.run import ComponentFailed
from pytest_sluice.offsets import BadCheckpoint, Batch
from pytest_sluice.sinks import Progress
from pytest_sluice.sql import QueryFailed
from tests.unit.world import (
    API,
    CLICKS,
    JOINS,
    REJECTED,
    TOPIC,
    URL,
    World,
    batch,
    breaches,
    event,
    pipeline,
)

TEN = Burst(10, "/click", (("Host", "ann"),))


def good(**changes: object) -> World:
    """Ten clicks that become ten rows."""
    return replace(World(files={batch(CLICKS, 0): 10}), **changes)  # type: ignore[arg-type]


def test_a_pipeline_that_loses_and_doubles_nothing_landed() -> None:
    landing = good().land(TEN)
    assert landing.landed, landing.story()
    assert landing.unjudged == ()
    assert landing.ledger.answers == {200: 10}
    assert landing.ledger.messages == {"click": 10}
    assert landing.ledger.committed == {"clicks": 10, "joins": 0, "rejected": 0}
    assert landing.ledger.visible == landing.ledger.committed
    assert landing.ends == {"t": {0: 10}} == landing.committed["q"]
    assert landing.files["clicks"] == {URL + batch(CLICKS, 0)}


def test_ten_answers_and_no_message_is_marked_at_kafka() -> None:
    landing = good(answer=lambda _n, _b: (200, []), files={}).land(TEN)
    assert breaches(landing) == [("kafka", "messages of t by id")]
    assert "0 of 10" in landing.story()
    assert "id-0: 0 of 1" in landing.story()


def test_without_ids_messages_are_counted() -> None:
    plain = pipeline(topic=replace(TOPIC, id=""))
    landing = good(pipeline=plain, answer=lambda _n, _b: (200, []), files={}).land(TEN)
    assert breaches(landing) == [("kafka", "messages of t")]
    assert "0 of 10" in landing.story()
    assert any("which message is whose" in sentence for sentence in landing.unjudged)


@pytest.mark.parametrize(
    "change", [{"topic": replace(TOPIC, id="")}, {"api": replace(API, id_header="")}]
)
def test_one_word_about_ids_is_not_enough_to_follow_them(change: dict[str, object]) -> None:
    declared = replace(pipeline(), **change)  # type: ignore[arg-type]
    landing = good(pipeline=declared).land(TEN)
    assert landing.landed, landing.story()
    assert len(landing.unjudged) == 1


def test_a_message_that_replaces_another_is_seen_by_its_id_only() -> None:
    def twice(number: int, _burst: Burst) -> tuple[int, Sequence[bytes]]:
        return 200, [event(0)] if number == 1 else [event(number)]

    landing = good(answer=twice).land(TEN)
    assert breaches(landing) == [("kafka", "messages of t by id")]
    assert "id-0: 2 of 1" in landing.story()
    assert "id-1: 0 of 1" in landing.story()
    assert good(answer=twice, pipeline=pipeline(topic=replace(TOPIC, id=""))).land(TEN).landed


def test_a_message_that_nobody_asked_for_is_marked() -> None:
    def more(number: int, _burst: Burst) -> tuple[int, Sequence[bytes]]:
        return 200, [event(number), *([event(99)] if number == 3 else [])]

    landing = good(answer=more, files={batch(CLICKS, 0): 11}).land(TEN)
    assert breaches(landing) == [("kafka", "messages of t by id")]
    assert "(an id of no answer): 1, due 0" in landing.story()


def test_a_message_without_an_id_is_marked() -> None:
    landing = good(answer=lambda n, _b: (200, [event(n) if n else b'{"kind": "click"}'])).land(TEN)
    assert breaches(landing) == [("kafka", "messages of t by id")]
    assert "(no id): 1, due 0" in landing.story()


def test_an_answer_without_an_id_or_with_another_ones_is_marked_at_the_api() -> None:
    landing = good(header=lambda n: f"id-{n}" if n else None).land(TEN)
    assert breaches(landing) == [("api", "answers with an X-Id of their own")]
    assert "(no id): 1, due 0" in landing.story()
    landing = good(header=lambda _n: "id-0").land(TEN)
    assert breaches(landing)[0] == ("api", "answers with an X-Id of their own")
    assert "id-0: 10 of 1" in landing.story()


def test_what_an_asynchronous_producer_sends_late_is_waited_for() -> None:
    world = good(answer=lambda n, _b: (200, [] if n > 4 else [event(n)]))
    world.late = [(3.0 * n, event(n)) for n in range(5, 10)]
    landing = world.land(TEN)
    assert landing.landed, landing.story()
    assert landing.ends == {"t": {0: 10}}


def test_messages_from_before_the_landing_are_none_of_it() -> None:
    world = good(messages=[event(100), event(101)], files={batch(CLICKS, 0): 12})
    landing = world.land(TEN)
    assert landing.landed, landing.story()
    assert landing.ledger.messages == {"click": 12}


def test_a_duplicate_that_comes_after_the_commit_is_seen() -> None:
    world = good(visible_at=8.0, late=[(6.0, event(4))], files={batch(CLICKS, 0): 11})
    landing = world.land(TEN)
    assert breaches(landing) == [("kafka", "messages of t by id")]
    assert "id-4: 2 of 1" in landing.story()


def test_refused_requests_are_named_by_burst_and_counting_goes_on() -> None:
    def missing(number: int, burst: Burst) -> tuple[int, Sequence[bytes]]:
        return (404, []) if burst.path == "/join" else (200, [event(number)])

    landing = good(answer=missing).land(TEN, Burst(5, "/join", (("Host", "bob"),)))
    assert breaches(landing) == [("api", "answers as expected")]
    assert "GET /join of bob: 0 of 5 (5 x 404)" in landing.headline()
    assert landing.ledger.visible["clicks"] == 10
    assert landing.broken("api") == landing.breaches[0]


@pytest.mark.parametrize("status", [301, 302, 400, 500, 199])
def test_only_2xx_is_an_answer_as_expected(status: int) -> None:
    landing = good(answer=lambda n, _b: (200, [event(n)]) if n else (status, [])).land(TEN)
    assert breaches(landing)[0] == ("api", "answers as expected")


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_every_2xx_promises_a_message(status: int) -> None:
    assert good(answer=lambda n, _b: (status, [event(n)])).land(TEN).landed
    landing = good(answer=lambda n, _b: (status, [event(n)] if n else [])).land(TEN)
    assert breaches(landing)[0] == ("kafka", "messages of t by id")


def test_a_burst_may_expect_to_be_refused() -> None:
    refused = Burst(3, "/nowhere", expects=(404,))
    world = good(answer=lambda n, b: (404, []) if b.path == "/nowhere" else (200, [event(n)]))
    assert world.land(TEN, refused).landed
    world = good(answer=lambda n, b: (404, [event(n)]) if b.expects else (200, [event(n)]))
    landing = world.land(TEN, refused)
    assert ("kafka", "messages of t by id") in breaches(landing)


@pytest.mark.parametrize("by_id", [True, False])
@pytest.mark.parametrize(("stored", "lands"), [(0, True), (1, True), (2, False)])
def test_503_may_be_a_message_and_at_most_one(stored: int, lands: bool, by_id: bool) -> None:
    def unsure(number: int, _burst: Burst) -> tuple[int, Sequence[bytes]]:
        return (200, [event(number)]) if number else (503, [event(number)] * stored)

    burst = replace(TEN, expects=(503,))
    declared = pipeline(topic=TOPIC if by_id else replace(TOPIC, id=""))
    world = good(pipeline=declared, answer=unsure, files={batch(CLICKS, 0): 9 + stored})
    landing = world.land(burst)
    assert landing.landed == lands, landing.story()


def test_after_a_burst_of_server_errors_alone_nothing_more_is_sent() -> None:
    world = good(answer=lambda n, _b: (503, []), files={})
    landing = world.land(TEN, TEN, TEN)
    assert world.requests == 10
    assert breaches(landing)[0] == ("api", "answers as expected")
    assert "0 of 30" in landing.headline()
    assert "not sent, since every answer to GET /click of ann was 503" in landing.story()
    assert landing.ledger.requests == 10


def test_one_good_answer_lets_the_traffic_go_on() -> None:
    world = good(answer=lambda n, _b: (200, [event(n)]) if n % 10 == 0 else (503, []), files={})
    world.land(TEN, TEN)
    assert world.requests == 20


def test_server_errors_that_are_expected_let_the_traffic_go_on() -> None:
    world = good(answer=lambda n, _b: (503, []), files={})
    assert world.land(replace(TEN, expects=(503,)), replace(TEN, expects=(503,))).landed
    assert world.requests == 20


def test_the_death_of_the_api_is_named_and_what_it_had_answered_is_counted() -> None:
    world = good(dies_after=4, files={batch(CLICKS, 0): 4})
    landing = world.land(TEN, TEN)
    assert breaches(landing) == [("api", "answers as expected")]
    assert "4 of 20" in landing.headline()
    assert "api died with exit code 1" in landing.headline()
    assert landing.ledger.visible["clicks"] == 4


def test_an_unanswered_request_may_be_a_message() -> None:
    def first(number: int, _burst: Burst) -> tuple[int, Sequence[bytes]]:
        return 200, [event(number), event(99)] if number == 3 else [event(number)]

    world = good(dies_after=4, answer=first, files={batch(CLICKS, 0): 5})
    assert breaches(world.land(TEN)) == [("api", "answers as expected")]


def test_an_api_that_does_not_come_up_is_a_broken_hop() -> None:
    death = ServiceNotReady("api died with exit code 3", checked=["ImportError: no app"])
    error = ComponentFailed("api", death)
    landing = good(failing={"api": error}, files={}).land(TEN)
    assert breaches(landing) == [("api", "component that came up"), ("api", "answers as expected")]
    assert landing.headline().endswith("component that came up: 0 of 1 (api died with exit code 3)")
    assert "    checked: ImportError: no app" in landing.story().splitlines()
    assert landing.stopped_at is None
    assert landing.ledger.requests == 0


def test_lost_and_doubled_rows_are_marked_at_the_stream() -> None:
    for rows in (3, 9, 11, 100):
        landing = good(files={batch(CLICKS, 0): rows}).land(TEN)
        assert breaches(landing) == [("stream", "rows that query q committed")]
        assert f"clicks: {rows} of 10" in landing.headline()


def test_a_row_in_the_wrong_table_is_marked_for_both() -> None:
    landing = good(files={batch(CLICKS, 0): 9, batch(JOINS, 0): 1}).land(TEN)
    assert breaches(landing) == [("stream", "rows that query q committed")]
    assert "clicks: 9 of 10; joins: 1, due 0" in landing.headline()


def test_a_message_of_a_kind_that_nobody_keeps_is_rejected_or_marked() -> None:
    odd = event(3, "odd")

    def answer(number: int, _burst: Burst) -> tuple[int, Sequence[bytes]]:
        return 200, [odd if number == 3 else event(number)]

    files = {batch(CLICKS, 0): 9, batch(REJECTED, 0): 1}
    assert good(answer=answer, files=files, raw={batch(REJECTED, 0): [odd]}).land(TEN).landed
    landing = good(answer=answer, files={batch(CLICKS, 0): 9}).land(TEN)
    assert breaches(landing) == [("stream", "rows that query q committed")]
    assert "rejected of kind odd: 0 of 1" in landing.headline()


def test_an_event_that_is_rejected_is_no_row_of_its_table() -> None:
    files = {batch(CLICKS, 0): 9, batch(REJECTED, 0): 1}
    assert good(files=files, raw={batch(REJECTED, 0): [event(1)]}).land(TEN).landed
    # A rejected join does not stand for the click that was lost.
    landing = good(files=files, raw={batch(REJECTED, 0): [event(1, "join")]}).land(TEN)
    assert breaches(landing) == [("stream", "rows that query q committed")]
    assert "clicks: 9 of 10" in landing.headline()


def test_rejected_messages_may_be_text_and_their_column_has_to_be_there() -> None:
    files = {batch(CLICKS, 0): 9, batch(REJECTED, 0): 1}
    text = event(1).decode()
    assert good(files=files, raw={batch(REJECTED, 0): [text]}).land(TEN).landed
    landing = good(files=files, raw={}).land(TEN)
    assert breaches(landing) == [("hdfs", "column raw in the files of rejected")]


def test_unkept_kinds_are_no_rows_and_may_be_rejected() -> None:
    def looks(number: int, _burst: Burst) -> tuple[int, Sequence[bytes]]:
        return 200, [event(number, "look")]

    assert good(answer=looks, files={}).land(TEN).landed
    raw = {batch(REJECTED, 0): [event(1, "look")]}
    assert good(answer=looks, files={batch(REJECTED, 0): 1}, raw=raw).land(TEN).landed
    assert not good(answer=looks, files={batch(CLICKS, 0): 1}).land(TEN).landed


def test_tables_that_share_a_kind_are_judged_by_their_sum() -> None:
    left = Table("left", "/left", schema="web", keeps=("click",), batches="batch={batch}")
    right = replace(left, name="right", path="/right")
    declared = pipeline(left, right)
    for files, lands in [((4, 6), True), ((10, 10), True), ((4, 5), False), ((11, 0), False)]:
        found = {batch(table, 0): n for table, n in zip((left, right), files, strict=True)}
        landing = World(pipeline=declared, files=found).land(TEN)
        assert landing.landed == lands, landing.story()
        assert landing.unjudged == (
            "which of left and right has a message of a kind that they share",
        )


def test_tables_of_one_name_in_two_schemas_are_two_tables() -> None:
    other = replace(CLICKS, path="/other", schema="old", keeps=(), rejected="raw")
    world = World(pipeline=pipeline(CLICKS, other), files={batch(CLICKS, 0): 10})
    landing = world.land(TEN)
    assert landing.landed, landing.story()
    assert landing.ledger.committed == {"web.clicks": 10, "old.clicks": 0}


def test_a_declaration_that_says_less_is_judged_on_less_and_that_is_said() -> None:
    silent = Table("silent", "/silent", schema="web")
    world = World(pipeline=pipeline(silent), files={"/silent/a": 3})
    landing = world.land(TEN)
    assert landing.landed
    assert landing.unjudged == (
        "rows of silent against messages: its declaration keeps no kind",
        "orphans of silent: nothing says which batch wrote a file",
    )
    world = World(pipeline=pipeline(CLICKS), answer=lambda n, _b: (200, [event(n, "odd")]))
    assert world.land(TEN).unjudged == ("messages of the kinds odd: no table is declared for them",)


def test_messages_before_the_pinned_offset_are_due_to_no_table() -> None:
    world = good(messages=[event(50)], start_offset=1)
    assert world.land(TEN).landed
    assert not good(messages=[event(50)], start_offset=0).land(TEN).landed


def test_what_comes_late_is_followed_down_as_well() -> None:
    for rows, lands in [(10, False), (11, True), (12, False)]:
        files = {batch(CLICKS, 0): rows}
        world = good(visible_at=7.0, files=files, late=[(5.0, event(99))])
        marked = ("stream", "rows that query q committed") in breaches(world.land(TEN))
        assert marked != lands


def test_who_sends_without_an_end_is_not_waited_for_and_may_be_rows() -> None:
    for rows, lands in [(10, False), (17, False), (18, True), (19, False)]:
        files = {batch(CLICKS, 0): rows}
        late = [(float(n), event(1000 + n)) for n in range(1, 2000)]
        world = good(commit_at=8.0, files=files, late=late)
        marked = ("stream", "rows that query q committed") in breaches(world.land(TEN))
        assert marked != lands, rows
        assert world.now < 1000


def test_an_id_that_is_late_is_waited_for_though_the_number_is_reached() -> None:
    world = good(answer=lambda n, _b: (200, [event(n)] if n else [event(50)]))
    world.late = [(6.0, event(0))]
    landing = world.land(TEN)
    assert "id-0" not in landing.story()
    assert "(an id of no answer): 1, due 0" in landing.story()


def test_an_orphan_is_marked_at_hdfs_and_is_no_committed_row() -> None:
    files = {batch(CLICKS, 0): 10, batch(CLICKS, 7): 4}
    landing = good(files=files).land(TEN)
    assert breaches(landing) == [("hdfs", "files of clicks")]
    assert batch(CLICKS, 7) in landing.headline()
    assert landing.ledger.committed["clicks"] == 10
    assert landing.ledger.visible["clicks"] == 14


def test_a_file_of_the_batch_under_way_is_no_orphan() -> None:
    files = {batch(CLICKS, 0): 10, batch(CLICKS, 1): 4}
    assert good(files=files, progress=Progress(0, 1)).land(TEN).landed


@pytest.mark.parametrize("mapping", ["position", "name"])
def test_what_is_committed_has_to_be_visible_under_both_mappings(mapping: str) -> None:
    for seen in ({}, {batch(CLICKS, 0): 9}, {batch(CLICKS, 0): 10, "/clicks/batch=0/x": 1}):
        landing = good(visible={mapping: seen}).land(TEN)
        assert breaches(landing) == [("presto", f"rows of clicks visible by {mapping}")]
        assert "clicks" not in landing.times.visible or seen


def test_where_no_file_is_read_the_location_of_the_table_is_asked_for() -> None:
    elsewhere = good(visible={"name": {}}).land(TEN)
    assert "is its location the declared one?" in elsewhere.headline()
    part = good(visible={"name": {batch(CLICKS, 0): 9}}).land(TEN)
    assert "location" not in part.headline()


def test_what_becomes_visible_late_is_waited_for_and_that_is_said() -> None:
    world = good(visible_at=20.0)
    landing = world.land(TEN)
    assert landing.landed, landing.story()
    waited = [event["what"] for event in world.events if event["kind"] == "waiting"]
    assert waited[1:] == ["the files of clicks to be visible by position"]


def test_messages_that_are_waited_for_are_announced() -> None:
    world = good(answer=lambda n, _b: (200, [] if n > 4 else [event(n)]))
    world.late = [(3.0, event(n)) for n in range(5, 10)]
    world.land(TEN)
    assert {"kind": "waiting", "run": 1, "what": "10 messages"} in world.events


def test_a_query_that_does_not_commit_is_marked_with_its_lag() -> None:
    landing = good(committed_to=7, files={batch(CLICKS, 0): 7}).land(TEN)
    assert breaches(landing)[0] == ("stream", "offsets that query q committed")
    assert "t[0]: 7 of 10 or more" in landing.headline()
    assert ("stream", "rows that query q committed") in breaches(landing)


def test_the_death_of_the_job_is_told_at_once_and_counting_goes_on() -> None:
    world = good(committed_to=7, files={batch(CLICKS, 0): 7}, dead={"stream": "stream died: 1"})
    landing = world.land(TEN)
    assert breaches(landing)[0] == ("stream", "offsets that query q committed")
    assert "stream died: 1" in landing.headline()
    assert landing.ledger.visible["clicks"] == 7
    assert world.now < 60


def test_a_job_that_does_not_come_up_is_a_broken_hop() -> None:
    error = ComponentFailed("stream", ServiceNotReady("stream died with exit code 1"))
    landing = good(failing={"stream": error}).land(TEN)
    assert breaches(landing) == [("stream", "component that came up")]
    assert "stream died with exit code 1" in landing.headline()
    assert landing.ledger.messages == {"click": 10}


def test_tables_that_hive_refuses_are_a_broken_hop() -> None:
    error = ComponentFailed("hive", SluiceError("the Hive CLI ended with exit code 1"))
    landing = good(failing={"tables": error, "presto": error}).land(TEN)
    assert ("hive", "component that came up") in breaches(landing)
    assert landing.ledger.committed["clicks"] == 10


def test_a_checkpoint_that_cannot_be_read_is_a_broken_hop() -> None:
    landing = good(trouble={"hdfs": [BadCheckpoint("no v1")]}).land(TEN)
    assert breaches(landing) == [("stream", "checkpoint that can be read")]
    assert landing.stopped_at is None


def test_a_batch_without_data_that_is_due_is_waited_for() -> None:
    world = good(settled_at=12.0)
    assert world.land(TEN).landed
    assert world.now >= 12
    landing = good(settled_at=1e9).land(TEN)
    assert landing.landed
    assert any("keeps back" in sentence for sentence in landing.unjudged)


def batches(*starts: float) -> tuple[Batch, ...]:
    return tuple(Batch(number, at) for number, at in enumerate(starts))


@pytest.mark.parametrize(
    ("starts", "lands"),
    [
        ((37.0, 120.2), True),
        ((37.0, 38.0), False),
        ((37.0, 120.2, 240.1), True),
        ((37.0, 120.2, 121.2), True),  # within what a busy machine may be late
        ((37.0, 120.2, 180.0), False),
        ((37.0, 120.2, 250.0), True),  # the one before took so long
        ((37.0,), True),
        ((), True),
    ],
)
def test_a_batch_that_begins_before_its_trigger_is_marked(
    starts: Sequence[float], lands: bool
) -> None:
    world = good(
        pipeline=pipeline(trigger="120 seconds"),
        batches=batches(*starts),
        progress=Progress(-1, -1),
        files={},
        answer=lambda n, _b: (200, [event(n, "look")]),
    )
    landing = world.land(TEN)
    name = "batches of query q off its trigger (120 seconds)"
    assert (("stream", name) in breaches(landing)) != lands
    assert landing.batches == {"q": dict(enumerate(starts))}


def test_a_job_that_was_started_again_begins_a_batch_at_once() -> None:
    world = good(
        pipeline=pipeline(trigger="120 seconds"),
        batches=batches(37.0, 120.2, 151.0),
        progress=Progress(1, 1),
        stream_starts=2,
    )
    assert world.land(TEN).landed
    world.stream_starts = 1
    world.progress = Progress(0, 0)
    assert not world.land(TEN).landed


def test_a_service_that_is_in_no_state_to_answer_for_a_moment_is_asked_again() -> None:
    passing = [
        RuntimeError("Operation category READ is not supported in state standby"),
        ConnectionRefusedError(111, "refused"),
        ValueError("cut off"),
    ]
    world = good(trouble={"hdfs": list(passing), "kafka": list(passing)})
    landing = world.land(TEN)
    assert landing.landed, landing.story()


@pytest.mark.parametrize(
    ("service", "stage", "role"),
    [("kafka", "kafka", "kafka"), ("hdfs", "stream", "namenode"), ("presto", "presto", "presto")],
)
def test_a_service_that_does_not_answer_stops_the_landing(
    service: str, stage: str, role: str
) -> None:
    error = QueryFailed("q", "NOT_REACHABLE", "no") if service == "presto" else OSError("no")
    landing = good(trouble={service: [error] * 1000}).land(TEN)
    assert landing.stopped_at == stage
    assert landing.breaches == ()
    assert not landing.landed
    dead = good(dead={role: f"{role} died"}, trouble={service: [error] * 1000})
    assert f"{role} died" in dead.land(TEN).reason


def test_a_service_that_does_not_come_up_stops_the_landing() -> None:
    for node, stage in {"topic": "kafka", "presto": "presto"}.items():
        landing = good(failing={node: ServiceNotReady(f"no {node}")}).land(TEN)
        assert (landing.stopped_at, landing.breaches) == (stage, ())
        assert f"no {node}" in landing.reason


def test_what_broke_before_a_service_stopped_is_still_told() -> None:
    world = good(
        answer=lambda n, _b: (404, []),
        files={},
        trouble={"presto": [QueryFailed("q", "NOT_REACHABLE", "no")] * 1000},
    )
    landing = world.land(TEN)
    assert breaches(landing) == [("api", "answers as expected")]
    assert landing.stopped_at == "presto"
    assert landing.headline().startswith("run 1 broke at api")


def test_an_engine_that_is_starting_is_asked_again_and_a_query_that_does_not_fit_is_not() -> None:
    starting = QueryFailed("q", "NO_NODES_AVAILABLE", "soon")
    assert good(trouble={"presto": [starting, starting]}).land(TEN).landed
    for message, stage in [("wrong type", "presto"), ("Table x does not exist", "hive")]:
        misfit = [QueryFailed("q", "SYNTAX_ERROR", message)] * 1000
        landing = good(trouble={"presto": misfit}).land(TEN)
        assert breaches(landing) == [(stage, "clicks as read by position")]
        assert message in landing.headline()
        assert len(misfit) == 999
    internal = [QueryFailed("q", "GENERIC_INTERNAL_ERROR", "boom")] * 1000
    landing = good(trouble={"presto": internal}).land(TEN)
    assert (landing.breaches, landing.stopped_at, len(internal)) == ((), "presto", 999)


def test_a_committed_file_that_is_no_parquet_is_a_broken_hop() -> None:
    landing = good(trouble={"hdfs": [ValueError("no footer")] * 10_000}).land(TEN)
    assert landing.stopped_at == "stream"  # a checkpoint cannot be read either
    world = good(progress=Progress(0, 0))
    world.unreadable = True
    landing = world.land(TEN)
    assert ("hdfs", "files of clicks that are Parquet") in breaches(landing)
    assert landing.stopped_at is None


@pytest.mark.parametrize(
    ("until", "nodes", "counted"),
    [
        ("api", ["topic", "api"], (10, 0, 0, 0)),
        ("kafka", ["topic", "api"], (10, 10, 0, 0)),
        ("stream", ["topic", "api", "stream"], (10, 10, 10, 0)),
        ("hdfs", ["topic", "api", "stream"], (10, 10, 10, 0)),
        ("hive", ["topic", "api", "stream", "tables"], (10, 10, 10, 0)),
        ("presto", ["topic", "api", "stream", "tables", "presto"], (10, 10, 10, 10)),
        ("report", ["topic", "api", "stream", "tables", "presto"], (10, 10, 10, 10)),
    ],
)
def test_a_landing_ends_at_a_stage(
    until: str, nodes: list[str], counted: tuple[int, int, int, int]
) -> None:
    world = good()
    landing = world.land(TEN, until=until)  # type: ignore[arg-type]
    assert landing.landed
    assert landing.until == until
    assert world.asked == nodes
    ledger = landing.ledger
    sums = (ledger.answers, ledger.messages, ledger.committed, ledger.visible)
    assert tuple(sum(each.values()) for each in sums) == counted


def test_a_broken_hop_counts_for_its_stage_and_those_behind_it() -> None:
    landing = good(files={batch(CLICKS, 0): 9}).land(TEN)
    assert landing.broken("kafka") is None
    for stage in ("stream", "hdfs", "report"):
        assert landing.broken(stage) == landing.breaches[0]


def test_without_traffic_no_api_is_started_and_what_is_there_is_judged() -> None:
    world = good(messages=[event(n) for n in range(10)])
    landing = world.land()
    assert landing.landed, landing.story()
    assert "api" not in world.asked
    assert not good(messages=[event(1)]).land().landed


def test_a_pipeline_without_a_job_lands_at_its_topic() -> None:
    world = good(pipeline=replace(pipeline(), job=None), files={})
    assert world.land(TEN).landed
    assert world.asked == ["topic", "api", "tables"]


def test_freshness_is_the_time_from_the_last_answer_to_the_last_file() -> None:
    landing = good().land(TEN)
    assert landing.times.acknowledged > 0
    assert landing.times.committed["q"] >= landing.times.acknowledged
    assert landing.freshness("clicks") >= 0
    with pytest.raises(SluiceError, match="does not say when moon was visible"):
        landing.freshness("moon")


def test_two_queries_are_both_waited_for_and_judged_by_their_own_tables() -> None:
    queries = [
        Query("clicks", "/c", Fixed("1 second"), (CLICKS,)),
        Query("joins", "/j", Fixed("1 second"), (JOINS,)),
    ]
    world = World(pipeline=pipeline(queries=queries), files={batch(CLICKS, 0): 9})
    landing = world.land(TEN)
    assert breaches(landing) == [("stream", "rows that query clicks committed")]
    assert set(landing.committed) == {"clicks", "joins"}


def test_the_events_of_a_landing_tell_its_way() -> None:
    world = good()
    world.land(TEN)
    assert [e["kind"] for e in world.events] == ["traffic", "burst", "waiting", "landing"]
    burst = world.events[1]
    assert (burst["begin"], burst["end"]) == ({0: 0}, {0: 10})
