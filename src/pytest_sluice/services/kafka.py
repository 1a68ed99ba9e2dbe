"""Kafka in KRaft mode: brokers that are their own controllers, one of them or several."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pytest_sluice.contracts import Endpoint, Launch, Role, Site
from pytest_sluice.services.jvm import java

# Any 22 characters of URL-safe base64 that encode 16 bytes; one cluster never meets another.
CLUSTER_ID = "c2x1aWNlLWNsdXN0ZXItMQ"
# On which port a broker in a container serves the host.
OUTSIDE = {"client": 9092}

PROPERTIES = """\
process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners={listeners},CONTROLLER://{controller}
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
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=4194304
"""


def _properties(site: Site, number: int, of: int) -> dict[str, str]:
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
        number=number,
        voters=_voters(site, of),
        replicas=of,
        in_sync=min(of, 2),
    )
    return {"server.properties": text}


def _urls(listeners: Mapping[str, Endpoint]) -> str:
    return ",".join(f"{name}://{endpoint}" for name, endpoint in listeners.items())


def _voters(site: Site, of: int) -> str:
    """The quorum: every broker is a controller as well, and knows all of them beforehand."""
    if of == 1:
        return f"1@{site.endpoints['controller']}"
    return ",".join(f"{n}@{site.peers[f'{_name(n, of)}.controller']}" for n in range(1, of + 1))


def render(site: Site, number: int = 1, of: int = 1) -> Launch:
    """Broker ``number`` of so many, on a formatted ``state``."""
    return _launch(site, _properties(site, number, of), "kafka", "kafka.Kafka", str(_config(site)))


def render_format(site: Site, number: int = 1, of: int = 1) -> Launch:
    """The command that formats an empty ``state``."""
    main = ("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(_config(site)))
    return _launch(site, _properties(site, number, of), "kafka-format", *main)


def _config(site: Site) -> Path:
    return site.directory / "server.properties"


def _launch(site: Site, files: Mapping[str, str], name: str, *main: str) -> Launch:
    argv = java(site.tools, site.directory, name, site.tools.jars["kafka"], main, heap="256m")
    return Launch(argv, files=files)


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
