"""Kafka with ZooKeeper: who is registered, and what is left of a broker that dies or stands still.

The cluster is this module's own, so that all of this is looked at whichever mode the session has.
"""

from collections.abc import Iterator

import pytest

from pytest_sluice.backends.process import ProcessBackend
from pytest_sluice.class_data import prepared_root, templates, tools
from pytest_sluice.clients.kafka import Kafka
from pytest_sluice.cluster import Cluster
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.events import Journal
from pytest_sluice.flow.deployment import Deployment, roles
from pytest_sluice.services import zookeeper
from pytest_sluice.services.kafka import BROKER_ID, IDS, TOPICS
from pytest_sluice.waiting import Deadline, NotYet, wait_for

TOPIC = "clicks"
SENT = [b"%d" % n for n in range(100)]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Services of their own, Kafka with ZooKeeper; none is started yet."""
    root, logs = prepared_root(), tmp_path_factory.mktemp("logs")
    with Cluster.create() as cluster:
        backend = ProcessBackend(cluster, tools(root), roles("zookeeper"), logs, templates(root))
        journal = Journal(logs / "events.jsonl")
        yield Deployment(backend, journal, mode="zookeeper")


@pytest.fixture(scope="module")
def broker(deployment: Deployment) -> Kafka:
    """The broker, ready, with a topic and messages."""
    kafka: Kafka = deployment.graph.join("kafka")
    kafka.create_topic(TOPIC, partitions=2)
    kafka.produce(TOPIC, SENT)
    return kafka


def under(deployment: Deployment, path: str) -> frozenset[str]:
    """What ZooKeeper has under a path."""
    return zookeeper.children(deployment.backend.endpoint("zookeeper", "client"), path)


def await_brokers(deployment: Deployment, expected: set[str]) -> None:
    """Wait until just these brokers are registered."""

    def probe() -> None:
        if (found := under(deployment, IDS)) != expected:
            raise NotYet(f"there are {sorted(found)}")

    wait_for(f"the brokers {expected}", probe, Deadline(60))


def values(kafka: Kafka) -> list[bytes]:
    """What is in the topic, in some order of its partitions."""
    return sorted(message.value or b"" for message in kafka.messages(TOPIC))


def test_the_broker_and_its_topics_are_in_zookeeper(deployment: Deployment, broker: Kafka) -> None:
    assert under(deployment, IDS) == {BROKER_ID}
    assert under(deployment, TOPICS) == set(broker.topics()) == {TOPIC}
    assert under(deployment, "/nowhere") == frozenset()


def test_a_killed_broker_starts_again_at_once_and_has_its_topics(
    deployment: Deployment, broker: Kafka
) -> None:
    deployment.backend.kill("kafka")
    assert under(deployment, IDS) == {BROKER_ID}  # in its way, until the session ends
    deployment.start_kafka()
    assert set(broker.end_offsets(TOPIC)) == {0, 1}
    assert values(broker) == sorted(SENT)
    assert under(deployment, IDS) == {BROKER_ID}


def test_a_broker_that_is_stopped_takes_its_leave(deployment: Deployment, broker: Kafka) -> None:
    deployment.backend.stop("kafka")
    assert under(deployment, IDS) == frozenset()
    deployment.start_kafka()
    assert values(broker) == sorted(SENT)


def test_a_broker_that_stood_still_for_longer_than_its_session_is_one_again(
    deployment: Deployment, broker: Kafka
) -> None:
    deployment.backend.pause("kafka")
    try:
        await_brokers(deployment, set())
    finally:
        deployment.backend.resume("kafka")
    broker.produce(TOPIC, [b"after"])
    await_brokers(deployment, {BROKER_ID})
    assert values(broker) == sorted([*SENT, b"after"])


def test_a_killed_zookeeper_starts_again_on_its_state(
    deployment: Deployment, broker: Kafka
) -> None:
    before = under(deployment, TOPICS)
    deployment.backend.kill("zookeeper")
    with pytest.raises(NotYet):
        under(deployment, TOPICS)
    deployment.start_zookeeper()
    assert under(deployment, TOPICS) == before
    broker.create_topic("later")  # which the broker can only do with ZooKeeper
    assert under(deployment, TOPICS) == {*before, "later"}


def test_a_broker_without_zookeeper_is_not_started(deployment: Deployment, broker: Kafka) -> None:
    for role in ("kafka", "zookeeper"):
        deployment.backend.kill(role)
    with pytest.raises(ServiceNotReady, match="zookeeper died with exit code -9"):
        deployment.start_kafka()
    deployment.start_zookeeper()
    deployment.start_kafka()
    assert set(SENT) <= set(values(broker))
