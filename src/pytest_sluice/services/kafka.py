"""Kafka: brokers that are their own controllers, or the last version, one of it, with ZooKeeper."""

from collections.abc import Mapping
from functools import partial
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
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=1
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=4194304
"""

KRAFT = """\
process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
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


def _kraft(site: Site, number: int, of: int) -> dict[str, str]:
    size = _size(of)
    own = KRAFT.format(number=number, voters=_voters(site, of), **size)
    controller = {"CONTROLLER": site.endpoints["controller"]}
    return {"server.properties": _common(site, size, controller) + own}


def _with_zookeeper(site: Site) -> dict[str, str]:
    own = ZOOKEEPER.format(id=BROKER_ID, zookeeper=site.peers["zookeeper.client"])
    return {"server.properties": _common(site, _size(1)) + own}


def _size(of: int) -> dict[str, int]:
    """How often the broker's own topics are kept, with so many brokers."""
    return {"replicas": of, "in_sync": min(of, 2)}


def _common(site: Site, size: Mapping[str, int], more: Mapping[str, Endpoint] = {}) -> str:
    """What both modes have, with ``more`` listeners that no client is told of."""
    client = site.endpoints["client"]
    listeners = {"PLAINTEXT": client}
    advertised = dict(listeners)
    if published := site.published.get("client"):
        # A broker tells each client where to go on: to the host another address than inside.
        listeners["HOST"] = Endpoint(client.host, OUTSIDE["client"])
        advertised["HOST"] = published
    return PROPERTIES.format(
        listeners=_urls({**listeners, **more}),
        advertised=_urls(advertised),
        state=site.state,
        **size,
    )


def _urls(listeners: Mapping[str, Endpoint]) -> str:
    return ",".join(f"{name}://{endpoint}" for name, endpoint in listeners.items())


def _voters(site: Site, of: int) -> str:
    """The quorum: every broker is a controller as well, and knows all of them beforehand."""
    if of == 1:
        return f"1@{site.endpoints['controller']}"
    return ",".join(f"{n}@{site.peers[f'{_name(n, of)}.controller']}" for n in range(1, of + 1))


def render(site: Site, number: int = 1, of: int = 1) -> Launch:
    """Broker ``number`` of so many in KRaft mode, on a formatted ``state``."""
    return _launch(site, _kraft(site, number, of), "kafka", "kafka.Kafka", str(_config(site)))


def render_format(site: Site, number: int = 1, of: int = 1) -> Launch:
    """The command that formats an empty ``state``."""
    main = ("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(_config(site)))
    return _launch(site, _kraft(site, number, of), "kafka-format", *main)


def render_with_zookeeper(site: Site) -> Launch:
    """The broker that runs with ZooKeeper; an empty ``state`` will do."""
    main = ("kafka.Kafka", str(_config(site)))
    return _launch(site, _with_zookeeper(site), WITH_ZOOKEEPER, *main)


def await_unregistered(site: Site) -> None:
    """Wait until ZooKeeper has forgotten a broker that died: it takes no second one of its id."""
    zookeeper.await_absence(site.peers["zookeeper.client"], IDS, BROKER_ID)


def _config(site: Site) -> Path:
    return site.directory / "server.properties"


def _launch(site: Site, files: Mapping[str, str], name: str, *main: str) -> Launch:
    jars = site.tools.jars[WITH_ZOOKEEPER if name == WITH_ZOOKEEPER else "kafka"]
    return Launch(java(site.tools, site.directory, name, jars, main, heap="256m"), files=files)


def _name(number: int, of: int) -> str:
    return "kafka" if of == 1 else f"kafka-{number}"


def role(number: int = 1, of: int = 1) -> Role:
    """Broker ``number`` of ``of``, counted from 1: ``kafka`` where it is the only one."""
    shift = 100 * (number - 1)
    return Role(
        _name(number, of),
        partial(render, number=number, of=of),
        "kafka",
        ports={"client": 29092 + shift, "controller": 29093 + shift},
        peers=tuple(f"{_name(n, of)}.controller" for n in range(1, of + 1) if of > 1),
        outside=OUTSIDE,
        prepare=partial(render_format, number=number, of=of),
    )


ROLE = role()

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
