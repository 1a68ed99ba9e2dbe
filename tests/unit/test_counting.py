"""Counting a topic: end offsets go on with what is read."""

from types import SimpleNamespace
from typing import cast

from pytest_sluice.clients.kafka import Message
from pytest_sluice.flow.counting import TopicCount, between
from pytest_sluice.flow.run import Run
from pytest_sluice.waiting import Deadline

MESSAGES = [Message(0, 0, b"a"), Message(0, 1, b"b"), Message(1, 0, b"c")]


def count(ends: dict[int, int]) -> TopicCount:
    """A count of a topic whose end offsets were these when they were asked for."""
    topic = SimpleNamespace(end_offsets=lambda: ends, messages=lambda: MESSAGES)
    backend = SimpleNamespace(require_alive=lambda _role: None)
    deployment = SimpleNamespace(backend=backend, deadline=Deadline)
    return TopicCount(cast(Run, SimpleNamespace(topic=topic, deployment=deployment)))


def test_a_message_behind_the_end_offsets_moves_them() -> None:
    topic = count({0: 1, 1: 5})
    topic.begin()
    assert topic.read() == MESSAGES
    assert topic.ends == {0: 2, 1: 5}  # a transaction's marker is no message
    assert topic.since_baseline(MESSAGES) == [MESSAGES[1]]


def test_messages_between_start_and_end_offsets() -> None:
    assert between(MESSAGES, {0: 1}, {0: 2, 1: 1}) == MESSAGES[1:]
    assert between(MESSAGES, {}, {0: 1}) == MESSAGES[:1]
