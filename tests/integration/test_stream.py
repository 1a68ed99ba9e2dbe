"""The streaming job between a real broker and a real HDFS: what it reads, keeps and commits."""

import json
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition

from pytest_sluice import offsets
from pytest_sluice.errors import ServiceNotReady, SluiceError
from pytest_sluice.flow.landing import Lander
from pytest_sluice.flow.run import Run
from pytest_sluice.waiting import Deadline, NotYet, wait_for
from tests.integration.malformed import event
from tests.integration.steps import (
    EVENT_TYPES,
    SENT,
    await_commit,
    event_ids,
    rows,
    set_environment,
)

pytestmark = pytest.mark.stream

ITEMS = ("sword", "knife", "armor", "bow", "arrow")


def kinds(run: Run, table: str) -> Counter[str]:
    """How many rows a table has of each type of event."""
    return Counter(row["event_type"] for row in rows(run, table))


def test_what_was_sent_before_the_job_started_lands(streamed_run: Run) -> None:
    assert streamed_run.topic.end_offsets() == {0: len(SENT)}
    committed = await_commit(streamed_run)
    assert committed.ends == {streamed_run.names.topic: {0: len(SENT)}}
    landed = [row for name in ("purchases", "guild_membership") for row in rows(streamed_run, name)]
    kept = [f"e{n}" for n in range(63) if EVENT_TYPES[n % 9].startswith(("purchase_", "join_"))]
    assert sorted(event_ids(landed)) == sorted(kept)


def test_the_query_pins_the_beginning_of_the_topic(streamed_run: Run) -> None:
    (query,) = streamed_run.stream.queries
    checkpoint = query.checkpoint.format_map(streamed_run.values)
    assert offsets.pinned(streamed_run.hdfs, checkpoint) == {streamed_run.names.topic: {0: 0}}


def test_purchases_holds_purchases_only(streamed_run: Run) -> None:
    await_commit(streamed_run)
    assert kinds(streamed_run, "purchases") == {f"purchase_{item}": 7 for item in ITEMS}


def test_guild_membership_holds_joins_only(streamed_run: Run) -> None:
    await_commit(streamed_run)
    assert kinds(streamed_run, "guild_membership") == {"join_guild": 7}


def test_known_events_that_no_table_keeps_are_not_rejected(streamed_run: Run) -> None:
    await_commit(streamed_run)
    (row,) = rows(streamed_run, "rejected")
    assert (row["value"], row["offset"], row["reason"]) == (b"{", 63, "not_json")


def test_a_row_is_its_event(streamed_run: Run) -> None:
    await_commit(streamed_run)
    (row,) = [row for row in rows(streamed_run, "purchases") if '"e1"' in row["raw_event"]]
    sent = SENT[1].decode()
    fields = ("Accept", "Host", "User-Agent", "event_type", "amount", "description")
    assert row["raw_event"] == sent
    assert {name: row[name] for name in fields} == {name: json.loads(sent)[name] for name in fields}


def test_the_lag_goes_to_zero_after_every_burst(sluice_own_run: Run) -> None:
    run, topic = sluice_own_run, sluice_own_run.names.topic
    (query,) = run.stream.queries
    batches = []
    for number in range(3):
        run.topic.produce([event(n, event_id=f"{number}-{n}") for n in range(40)])
        batches.append(await_commit(run).batch)
        ends = {topic: run.topic.end_offsets()}
        assert ends == {topic: {0: 40 * (number + 1)}}
        assert offsets.lag(ends, run.stream.committed(query)) == {topic: {0: 0}}
    assert batches == sorted(set(batches))
    ids = event_ids(rows(run, "purchases"))
    assert sorted(ids) == sorted(f"{number}-{n}" for number in range(3) for n in range(40))


def test_the_checkpoint_stands_where_the_tables_do(sluice_own_run: Run) -> None:
    run = sluice_own_run
    assert run.pipeline.job
    elsewhere = {"spark.hadoop.fs.defaultFS": "file:///"}
    run.pipeline = replace(run.pipeline, job=replace(run.pipeline.job, conf=elsewhere))
    run.topic.produce(SENT)
    await_commit(run)  # looks into HDFS
    assert len(rows(run, "guild_membership")) == 7


def test_a_job_whose_topic_does_not_exist_ends_with_an_error(sluice_own_run: Run) -> None:
    run = sluice_own_run
    set_environment(run, KAFKA_TOPIC="nowhere")
    landing = Lander(run).land(())
    assert [breach.stage for breach in landing.breaches] == ["stream"]
    assert "died with exit code 1" in landing.headline()
    log = "\n".join(run.deployment.backend.logs(run.node("stream"), 200))
    assert "UnknownTopicOrPartition" in log
    assert "nowhere" not in run.kafka.topics()


def test_a_job_that_starts_again_is_ready_by_a_sign_of_its_new_life(
    sluice_own_run: Run, tmp_path: Path
) -> None:
    run = sluice_own_run
    run.topic.produce(SENT)
    await_commit(run)
    run.stream.kill()
    assert run.start_stream().exit_code() is None  # though there is nothing to commit
    run.stream.kill()
    assert run.pipeline.job
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit(1)")
    run.pipeline = replace(run.pipeline, job=replace(run.pipeline.job, application=broken))
    with pytest.raises(ServiceNotReady, match="died with exit code 1"):
        run.start_stream()


def forget(run: Run, offset: int) -> None:
    """Let the broker delete all messages before an offset, as it does with those of old."""
    admin = KafkaAdminClient(bootstrap_servers=run.values["bootstrap_servers"])
    try:
        admin.delete_records({TopicPartition(run.names.topic, 0): offset})
    finally:
        admin.close()


def test_a_job_that_finds_messages_gone_ends_with_an_error(sluice_own_run: Run) -> None:
    run = sluice_own_run
    run.topic.produce(SENT)
    await_commit(run)
    run.stream.kill()
    run.topic.produce(SENT)
    forget(run, len(SENT) + 1)
    with suppress(SluiceError):  # it may end before it is seen to be ready
        run.start_stream()

    def ended() -> int:
        if (code := run.stream.exit_code()) is None:
            raise NotYet("the job runs")
        return code

    assert wait_for("the job to end", ended, Deadline(60), log=run.stream.logs) == 1
    assert "couldNotReadOffsetRange" in "\n".join(run.stream.logs(200))
