"""The topic of a run, on a real broker."""

from dataclasses import replace

import pytest

from pytest_sluice.errors import SluiceError
from pytest_sluice.flow.run import Run
from tests.integration.malformed import MEGABYTE, event

pytestmark = pytest.mark.kafka


def test_a_topic_is_made_with_the_declared_partitions(sluice_own_run: Run) -> None:
    run = sluice_own_run
    run.pipeline = replace(run.pipeline, topic=replace(run.pipeline.topic, partitions=3))
    assert run.topic.end_offsets() == {0: 0, 1: 0, 2: 0}
    assert run.names.topic in run.kafka.topics()


def test_the_topic_of_the_report_has_one_partition(sluice_own_run: Run) -> None:
    assert sluice_own_run.topic.end_offsets() == {0: 0}


def test_end_offsets_count_the_messages(sluice_own_run: Run) -> None:
    topic = sluice_own_run.topic
    topic.produce([b"a", b"b"])
    assert topic.end_offsets() == {0: 2}
    topic.produce([b"c"])
    assert topic.end_offsets() == {0: 3}


def test_messages_come_back_byte_by_byte_in_their_order(sluice_own_run: Run) -> None:
    topic = sluice_own_run.topic
    sent = [b"", event(1), None, b"\xff\x00\xfe", "日本".encode(), None, b" "]
    topic.produce(sent)
    assert [(m.partition, m.offset, m.value) for m in topic.messages()] == [
        (0, offset, value) for offset, value in enumerate(sent)
    ]


def test_a_message_of_a_million_bytes_comes_back_whole(sluice_own_run: Run) -> None:
    topic = sluice_own_run.topic
    sent = [bytes([n]) * MEGABYTE for n in range(3)]
    topic.produce(sent)
    assert [message.value for message in topic.messages()] == sent


def test_every_partition_is_read(sluice_own_run: Run) -> None:
    run = sluice_own_run
    run.pipeline = replace(run.pipeline, topic=replace(run.pipeline.topic, partitions=3))
    sent = [b"%d" % n for n in range(300)]
    for n in range(0, 300, 30):  # the messages of a call may all go to one partition
        run.topic.produce(sent[n : n + 30])
    messages = run.topic.messages()
    assert sorted(message.value or b"" for message in messages) == sorted(sent)
    ends = run.topic.end_offsets()
    assert sum(ends.values()) == 300
    assert {message.partition for message in messages} == {p for p, end in ends.items() if end}
    assert len({(message.partition, message.offset) for message in messages}) == 300


def test_a_topic_that_is_made_again_keeps_its_messages(sluice_own_run: Run) -> None:
    run = sluice_own_run
    run.topic.produce([b"kept"])
    run.kafka.create_topic(run.names.topic)
    assert [message.value for message in run.topic.messages()] == [b"kept"]


def test_a_topic_that_nobody_made_is_named(sluice_own_run: Run) -> None:
    with pytest.raises(SluiceError, match="no topic 'nowhere'"):
        sluice_own_run.kafka.end_offsets("nowhere")
    assert "nowhere" not in sluice_own_run.kafka.topics()


def test_more_copies_than_brokers_are_refused_by_name(sluice_own_run: Run) -> None:
    with pytest.raises(SluiceError, match="too few brokers") as caught:
        sluice_own_run.kafka.create_topic("many", replication_factor=2)
    assert "--sluice-replication" in caught.value.remedy
    assert "many" not in sluice_own_run.kafka.topics()
