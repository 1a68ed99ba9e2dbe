"""Kafka in KRaft mode: one broker that is its own controller."""

import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pytest_sluice.contracts import Endpoint, Launch, Role, Site, Tools
from pytest_sluice.services.jvm import java
from pytest_sluice.waiting import NotYet

# Any 22 characters of URL-safe base64 that encode 16 bytes; one cluster never meets another.
CLUSTER_ID = "c2x1aWNlLWNsdXN0ZXItMQ"
# On which port a broker in a container serves the host.
OUTSIDE = {"client": 9092}

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
controller.listener.names=CONTROLLER
listeners={listeners},CONTROLLER://{controller}
advertised.listeners={advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,HOST:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={state}
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=4194304
"""


def _properties(site: Site) -> dict[str, str]:
    client = site.endpoints["client"]
    listeners = {"PLAINTEXT": client}
    advertised = dict(listeners)
    if published := site.published.get("client"):
        # A broker tells each client where to go on: to the host another address than inside.
        listeners["HOST"] = Endpoint(client.host, OUTSIDE["client"])
        advertised["HOST"] = published
    text = PROPERTIES.format(
        listeners=_urls(listeners),
        advertised=_urls(advertised),
        controller=site.endpoints["controller"],
        state=site.state,
    )
    return {"server.properties": text}


def _urls(listeners: Mapping[str, Endpoint]) -> str:
    return ",".join(f"{name}://{endpoint}" for name, endpoint in listeners.items())


def render(site: Site) -> Launch:
    """The broker, on a formatted ``state``."""
    return _launch(site, "kafka", "kafka.Kafka", str(_config(site)))


def render_format(site: Site) -> Launch:
    """The command that formats an empty ``state``."""
    arguments = ("format", "-t", CLUSTER_ID, "-c", str(_config(site)))
    return _launch(site, "kafka-format", "kafka.tools.StorageTool", *arguments)


def _config(site: Site) -> Path:
    return site.directory / "server.properties"


def _launch(site: Site, name: str, *main: str) -> Launch:
    argv = java(site.tools, site.directory, name, site.tools.jars["kafka"], main, heap="256m")
    return Launch(argv, files=_properties(site))


TOOLS = {
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}


def tool(tools: Tools, directory: Path, own: Iterable[Path], main: Sequence[str]) -> Launch:
    """One of Kafka's command line tools; ``own`` are the jars that the broker does without."""
    jars = (*tools.jars["kafka"], *own)
    quiet = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",)
    return Launch(java(tools, directory, "kafka-tool", jars, main, heap="128m", options=quiet))


ROLE = Role(
    "kafka",
    render,
    "kafka",
    ports={"client": 29092, "controller": 29093},
    outside=OUTSIDE,
    prepare=render_format,
)

# Metadata, version 1, about no topic; then a null client id. What its reply begins with are its
# number and the count of the brokers.
NUMBER = 1
METADATA = struct.pack(">hhihi", 3, 1, NUMBER, -1, 0)


def probe_ready(endpoint: Endpoint) -> None:
    """Ready is a metadata reply that names a broker; an open port is not.

    By hand, because a health check imports no client.
    """
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=5) as connection:
            connection.sendall(struct.pack(">i", len(METADATA)) + METADATA)
            answer = connection.makefile("rb").read(12)
    except OSError as error:
        raise NotYet(f"{type(error).__name__}: {error}") from error
    if len(answer) < 12:
        raise NotYet(f"an answer that ends early: {answer!r}")
    _size, number, brokers = struct.unpack(">iii", answer)
    if number != NUMBER or brokers < 1:
        raise NotYet(f"a metadata reply without a broker: {answer!r}")
