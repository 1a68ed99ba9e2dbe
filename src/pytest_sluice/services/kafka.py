"""Kafka: one broker, in KRaft mode its own controller, or the last version with ZooKeeper."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pytest_sluice.contracts import Endpoint, Launch, Role, Site
from pytest_sluice.services import zookeeper
from pytest_sluice.services.jvm import java

Mode = Literal["kraft", "zookeeper"]

# Any 22 characters of URL-safe base64 that encode 16 bytes; one cluster never meets another.
CLUSTER_ID = "c2x1aWNlLWNsdXN0ZXItMQ"
BROKER_ID = "1"
# On which port a broker in a container serves the host.
OUTSIDE = {"client": 9092}

# The distribution of the broker that runs with ZooKeeper, and the name of its state and JVM.
WITH_ZOOKEEPER = "kafka-zookeeper"

PROPERTIES = """\
listeners={listeners}
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
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=4194304
"""

KRAFT = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
controller.listener.names=CONTROLLER
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
"""

# A broker that dies is in ZooKeeper until its session ends: soon, but not for a stall of the
# machine.
ZOOKEEPER = """\
broker.id={id}
zookeeper.connect={zookeeper}
zookeeper.session.timeout.ms=3000
zookeeper.connection.timeout.ms=30000
"""
# Where ZooKeeper has the brokers that live, and the topics.
IDS, TOPICS = "/brokers/ids", "/brokers/topics"


def _kraft(site: Site) -> dict[str, str]:
    controller = site.endpoints["controller"]
    common = _common(site, {"CONTROLLER": controller})
    return {"server.properties": common + KRAFT.format(controller=controller)}


def _with_zookeeper(site: Site) -> dict[str, str]:
    own = ZOOKEEPER.format(id=BROKER_ID, zookeeper=site.peers["zookeeper.client"])
    return {"server.properties": _common(site) + own}


def _common(site: Site, more: Mapping[str, Endpoint] = {}) -> str:
    """What both modes have, with ``more`` listeners that no client is told of."""
    client = site.endpoints["client"]
    listeners = {"PLAINTEXT": client}
    advertised = dict(listeners)
    if published := site.published.get("client"):
        # A broker tells each client where to go on: to the host another address than inside.
        listeners["HOST"] = Endpoint(client.host, OUTSIDE["client"])
        advertised["HOST"] = published
    return PROPERTIES.format(
        listeners=_urls({**listeners, **more}), advertised=_urls(advertised), state=site.state
    )


def _urls(listeners: Mapping[str, Endpoint]) -> str:
    return ",".join(f"{name}://{endpoint}" for name, endpoint in listeners.items())


def render(site: Site) -> Launch:
    """The broker in KRaft mode, on a formatted ``state``."""
    return _launch(site, "kafka", "kafka.Kafka", str(_config(site)))


def render_format(site: Site) -> Launch:
    """The command that formats an empty ``state``."""
    arguments = ("format", "-t", CLUSTER_ID, "-c", str(_config(site)))
    return _launch(site, "kafka-format", "kafka.tools.StorageTool", *arguments)


def render_with_zookeeper(site: Site) -> Launch:
    """The broker that runs with ZooKeeper; an empty ``state`` will do."""
    main = ("kafka.Kafka", str(_config(site)))
    jars = site.tools.jars[WITH_ZOOKEEPER]
    argv = java(site.tools, site.directory, WITH_ZOOKEEPER, jars, main, heap="256m")
    return Launch(argv, files=_with_zookeeper(site))


def await_unregistered(site: Site) -> None:
    """Wait until ZooKeeper has forgotten a broker that died: it takes no second one of its id."""
    zookeeper.await_absence(site.peers["zookeeper.client"], IDS, BROKER_ID)


def _config(site: Site) -> Path:
    return site.directory / "server.properties"


def _launch(site: Site, name: str, *main: str) -> Launch:
    argv = java(site.tools, site.directory, name, site.tools.jars["kafka"], main, heap="256m")
    return Launch(argv, files=_kraft(site))


ROLE = Role(
    "kafka",
    render,
    "kafka",
    ports={"client": 29092, "controller": 29093},
    outside=OUTSIDE,
    prepare=render_format,
)

ROLE_WITH_ZOOKEEPER = Role(
    "kafka",
    render_with_zookeeper,
    "kafka",
    ports={"client": 29092},
    peers=("zookeeper.client",),
    outside=OUTSIDE,
    template=WITH_ZOOKEEPER,
    before=await_unregistered,
)

BROKERS: Mapping[Mode, Role] = {"kraft": ROLE, "zookeeper": ROLE_WITH_ZOOKEEPER}
