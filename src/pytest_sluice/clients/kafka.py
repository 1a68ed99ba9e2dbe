"""A client of the broker."""

import itertools
import logging
import os
import socket
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pytest_sluice.access import KafkaAccess
from pytest_sluice.clients.heard import Heard
from pytest_sluice.errors import SluiceError
from pytest_sluice.waiting import Deadline, NotYet, WaitTimeout, wait_for

# The broker is near: its clients need not be patient with it.
QUICK = {
    "reconnect_backoff_ms": 20,
    "reconnect_backoff_max_ms": 100,
    "retry_backoff_ms": 10,
}
# A broker that is well hands out the next records within milliseconds.
SILENCE_SECONDS = 30.0
BOOTSTRAP_SECONDS = 30.0
# At level DEBUG these two log every byte that is sent, a password among them.
TALKATIVE = ("kafka.protocol.parser", "kafka.net.connection")
# A topic that was deleted is still listed by brokers which have not heard of it.
DELETED_SECONDS = 30.0

CLIENTS = itertools.count(1)


@dataclass(frozen=True)
class Message:
    """A record of a topic; ``value`` is None for a tombstone."""

    partition: int
    offset: int
    value: bytes | None


class BrokerFailed(SluiceError):
    """The broker did not do, or not in time, what it was asked."""


class Kafka:
    """A client of the brokers, for tests; every call opens and closes its own connections.

    ``bootstrap_servers`` are ``host:port``, one or several with commas between. ``patience`` is for
    how many seconds one of them may leave the first request unanswered.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        access: KafkaAccess | None = None,
        patience: float = BOOTSTRAP_SECONDS,
    ) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._patience = patience
        self._access = access or KafkaAccess()
        if self._access.password.reveal():
            for name in TALKATIVE:
                logging.getLogger(name).setLevel(logging.INFO)

    def probe_ready(self, brokers: int = 1) -> None:
        """Ready is a metadata reply that names so many brokers; an open port is not."""
        try:
            # First, because the client leaks the sockets of a bootstrap that was refused.
            self._require_one_open()
            named = len(self.brokers())
        except (BrokerFailed, OSError) as error:
            raise NotYet(f"{type(error).__name__}: {error}") from error
        if named < brokers:
            raise NotYet(f"a metadata reply with {named} brokers of {brokers}")

    def probe_led(self, topics: Collection[str]) -> None:
        """NotYet unless clients are told of a leader for every partition of these topics."""
        try:
            with self._admin() as admin:
                led = {topic["name"] for topic in admin.describe_topics() if _is_led(topic)}
        except BrokerFailed as error:
            raise NotYet(error.cause) from error
        if missing := set(topics) - led:
            raise NotYet(f"nobody leads {', '.join(sorted(missing))}")

    def brokers(self) -> list[tuple[str, int]]:
        """The addresses to which the brokers send their clients on: hosts and ports."""
        with self._admin() as admin:
            found = admin.describe_cluster()["brokers"]
        return [(broker["host"], broker["port"]) for broker in found]

    def _require_one_open(self) -> None:
        """Raise an OSError where none of the brokers can be connected to."""
        *others, last = self.bootstrap_servers.split(",")
        for server in others:
            with suppress(OSError):
                return _connect(server)
        return _connect(last)

    def create_topic(self, name: str, partitions: int = 1, replication_factor: int = 1) -> None:
        """Create a topic, or do nothing where it exists."""
        from kafka.admin import NewTopic
        from kafka.errors import InvalidReplicationFactorError, TopicAlreadyExistsError

        topic = NewTopic(name, num_partitions=partitions, replication_factor=replication_factor)
        with self._admin() as admin, suppress(TopicAlreadyExistsError):
            try:
                admin.create_topics([topic], wait_for_metadata=True)
            except InvalidReplicationFactorError as error:
                raise BrokerFailed(
                    f"there are too few brokers to keep topic {name!r} on {replication_factor}",
                    checked=[str(error)],
                    remedy="--sluice-replication=N: at most the number of brokers",
                ) from error

    def delete_topic(self, name: str) -> None:
        """Delete a topic, or do nothing where there is none; it is not listed when this returns."""
        from kafka.errors import UnknownTopicOrPartitionError

        with self._admin() as admin, suppress(UnknownTopicOrPartitionError):
            admin.delete_topics([name])

        def gone() -> None:
            if name in self.topics():
                raise NotYet("it is still listed")

        wait_for(f"topic {name} to be deleted", gone, Deadline(DELETED_SECONDS))

    def topics(self) -> list[str]:
        """Names of the topics that are not the broker's own."""
        with self._admin() as admin:
            return sorted(name for name in admin.list_topics() if not name.startswith("__"))

    def end_offsets(self, topic: str) -> dict[int, int]:
        """The end offset of each partition: the offset that the next message will get."""
        from kafka import TopicPartition
        from kafka.admin import OffsetSpec

        # Through the admin client: a consumer takes five times as long to find the partitions.
        with self._admin() as admin:
            numbers = self._partitions(admin, topic)
            latest = {TopicPartition(topic, number): OffsetSpec.LATEST for number in numbers}
            found = admin.list_partition_offsets(latest)
        return {part.partition: answer.offset for part, answer in found.items()}

    def messages(self, topic: str) -> list[Message]:
        """Every message up to the end offsets at the time of the call, partition by partition."""
        ends = self.end_offsets(topic)
        with self._consumer() as consumer:
            records = [
                record
                for partition, end in ends.items()
                for record in _read(consumer, topic, partition, end)
            ]
        return [Message(record.partition, record.offset, record.value) for record in records]

    def produce(self, topic: str, values: Iterable[bytes | None]) -> None:
        """Send values in their order; every one is acknowledged when this returns."""
        from kafka import KafkaProducer

        with self._connected(KafkaProducer) as producer:
            # Only a message with a key may lack a value.
            keyed = ((value, b"" if value is None else None) for value in values)
            for future in [producer.send(topic, value, key) for value, key in keyed]:
                future.get(timeout=30)

    def in_sync(self, topic: str) -> dict[int, tuple[int, ...]]:
        """The brokers, by number, that have all of each partition; its leader is the first."""
        with self._admin() as admin:
            found = self._described(admin, topic)
        return {
            part["partition_index"]: (
                part["leader_id"],
                *sorted(set(part["isr_nodes"]) - {part["leader_id"]}),
            )
            for part in found
        }

    def _partitions(self, admin: Any, topic: str) -> list[int]:
        return sorted(part["partition_index"] for part in self._described(admin, topic))

    def _described(self, admin: Any, topic: str) -> list[dict[str, Any]]:
        described = admin.describe_topics([topic])[0]
        if described["error_code"]:
            raise SluiceError(
                f"the broker has no topic {topic!r}",
                checked=[f"topics: {', '.join(self.topics()) or 'none'}"],
                remedy="create it before it is read: the fixture sluice_topic does",
            )
        found: list[dict[str, Any]] = described["partitions"]
        return found

    @contextmanager
    def _admin(self) -> Iterator[Any]:
        from kafka import KafkaAdminClient

        own = {"bootstrap_timeout_ms": int(self._patience * 1000)}
        with self._connected(KafkaAdminClient, **own) as admin:
            yield admin

    @contextmanager
    def _consumer(self) -> Iterator[Any]:
        from kafka import KafkaConsumer

        own = {"group_id": None, "enable_auto_commit": False, "fetch_max_wait_ms": 20}
        with self._connected(KafkaConsumer, **own) as consumer:
            yield consumer

    @contextmanager
    def _connected(self, client_class: Callable[..., Any], **own: Any) -> Iterator[Any]:
        """A client of kafka-python, closed at the end; its errors become BrokerFailed."""
        from kafka.errors import KafkaError

        name = f"sluice-{os.getpid()}-{next(CLIENTS)}"
        heard = Heard(name)
        try:
            with heard:
                client = client_class(client_id=name, **self._options(), **QUICK, **own)
            try:
                yield client
            finally:
                client.close()
        except KafkaError as error:
            raise BrokerFailed(
                f"the broker failed: {type(error).__name__}: {error}",
                checked=[f"asked {self.bootstrap_servers}", *filter(None, [heard.reason()])],
            ) from error

    def _options(self) -> dict[str, Any]:
        """Where and as whom, in the words of kafka-python; what is not given stays its default."""
        access = self._access
        given = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": access.security_protocol,
            "sasl_mechanism": access.sasl_mechanism,
            "sasl_plain_username": access.username,
            "sasl_plain_password": access.password.reveal(),
            "ssl_cafile": access.cafile,
        }
        return {name: value for name, value in given.items() if value}


def _connect(server: str) -> None:
    host, _, port = server.rpartition(":")
    socket.create_connection((host, int(port)), timeout=5).close()


def _is_led(topic: Any) -> bool:
    partitions = topic["partitions"]
    return bool(partitions) and all(part["leader_id"] >= 0 for part in partitions)


def _read(consumer: Any, topic: str, partition: int, end: int) -> Iterator[Any]:
    """The records of one partition below ``end``; WaitTimeout where none comes for so long."""
    from kafka import TopicPartition

    part = TopicPartition(topic, partition)
    consumer.assign([part])
    consumer.seek_to_beginning(part)
    deadline = Deadline(SILENCE_SECONDS)
    while (position := consumer.position(part)) < end:
        if deadline.expired:
            raise WaitTimeout(
                f"no record of {topic}[{partition}] for {SILENCE_SECONDS:g} s",
                checked=[f"at offset {position}, the end offset is {end}"],
            )
        for record in consumer.poll(timeout_ms=1000).get(part, ()):
            deadline.extend()
            if record.offset < end:
                yield record
