"""HDFS: one NameNode, and one DataNode or several."""

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from xml.sax.saxutils import escape

from pytest_sluice.contracts import Endpoint, Launch, Role, Site
from pytest_sluice.services.jvm import java, log_file, log_option
from pytest_sluice.waiting import NotYet

# Of Spark's jars, what the daemons need beside their own: the client, and a way to log.
SHARED_JARS = (
    "hadoop-client-api-",
    "hadoop-client-runtime-",
    "slf4j-api-",
    "log4j-api-",
    "log4j-core-",
    "log4j-slf4j2-impl-",
    "log4j-1.2-api-",
    "jcl-over-slf4j-",
)
NAMENODE = "org.apache.hadoop.hdfs.server.namenode.NameNode"
DATANODE = "org.apache.hadoop.hdfs.server.datanode.DataNode"


def client_settings(namenode: Endpoint, replication: int = 1) -> dict[str, str]:
    """What every client of the file system is told: where it is, and how to reach the DataNode.

    ``replication`` is the number of DataNodes that shall have each block of what it writes.
    A DataNode on a loopback address of its own connects from 127.0.0.1, which is what the NameNode
    would hand to clients; its host name is the address that it listens on.
    """
    return {
        "fs.defaultFS": f"hdfs://{namenode}",
        "dfs.replication": str(replication),
        "dfs.client.use.datanode.hostname": "true",
        # The default of 400 ms is the wait for a block to be reported: most of a small batch. It is
        # doubled at each retry, so 12 of them are 20 s, where the default of 5 would be 0.2 s: too
        # short for a busy machine.
        "dfs.client.block.write.locateFollowingBlock.initial.delay.ms": "5",
        "dfs.client.block.write.locateFollowingBlock.retries": "12",
    }


def site_xml(settings: dict[str, str]) -> str:
    """A Hadoop configuration file."""
    rows = "".join(
        f"<property><name>{escape(name)}</name><value>{escape(value)}</value></property>\n"
        for name, value in settings.items()
    )
    return f'<?xml version="1.0"?>\n<configuration>\n{rows}</configuration>\n'


def _namenode_settings(site: Site) -> dict[str, str]:
    rpc, http = site.endpoints["rpc"], site.endpoints["http"]
    return {
        **client_settings(rpc),
        "dfs.permissions.enabled": "false",
        "dfs.namenode.name.dir": site.state.as_uri(),
        "dfs.namenode.http-address": str(http),
        "dfs.namenode.rpc-bind-host": rpc.host,
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        "dfs.namenode.safemode.threshold-pct": "0",
        "dfs.namenode.safemode.extension": "0",
    }


def _datanode_settings(site: Site) -> dict[str, str]:
    host = site.endpoints["data"].host
    return {
        **client_settings(site.peers["namenode.rpc"]),
        "dfs.datanode.data.dir": site.state.as_uri(),
        "dfs.datanode.address": str(site.endpoints["data"]),
        "dfs.datanode.http.address": str(site.endpoints["http"]),
        "dfs.datanode.ipc.address": str(site.endpoints["ipc"]),
        "dfs.datanode.hostname": host,
        "dfs.datanode.use.datanode.hostname": "true",
        "dfs.heartbeat.interval": "1",
        # The NameNode starts beside the DataNode: knock often instead of once a second.
        "ipc.client.connect.retry.interval": "100",
        "ipc.client.connect.max.retries": "300",
    }


def _launch(site: Site, name: str, settings: dict[str, str], *main: str) -> Launch:
    config = site.directory / "hdfs-site.xml"
    jars = [*site.tools.jars["hdfs"], *_shared(site)]
    argv = java(
        site.tools,
        site.directory,
        name,
        jars,
        (main[0], "-conf", str(config), *main[1:]),
        heap="128m",
        options=(log_option(site.directory),),
    )
    return Launch(argv, files={"hdfs-site.xml": site_xml(settings), **log_file()})


def _shared(site: Site) -> list[Path]:
    return [jar for jar in site.tools.jars["spark"] if jar.name.startswith(SHARED_JARS)]


def render_namenode(site: Site) -> Launch:
    """The NameNode, on a formatted ``state``."""
    return _launch(site, "namenode", _namenode_settings(site), NAMENODE)


def render_format(site: Site) -> Launch:
    """The command that formats an empty ``state``."""
    flags = ("-format", "-force", "-nonInteractive")
    return _launch(site, "namenode-format", _namenode_settings(site), NAMENODE, *flags)


def render_datanode(site: Site) -> Launch:
    """The DataNode; its ``state`` fills itself."""
    return _launch(site, "datanode", _datanode_settings(site), DATANODE)


NAMENODE_ROLE = Role(
    "namenode",
    render_namenode,
    "cloudera",
    ports={"rpc": 8020, "http": 50070},
    prepare=render_format,
)
DATANODE_ROLE = Role(
    "datanode",
    render_datanode,
    "cloudera",
    ports={"data": 50010, "http": 50075, "ipc": 50020},
    peers=("namenode.rpc",),
)


def datanode(number: int) -> Role:
    """One DataNode of several, counted from 1; the ports of the first are the document's."""
    ports = {name: port + 100 * (number - 1) for name, port in DATANODE_ROLE.ports.items()}
    return replace(DATANODE_ROLE, name=f"datanode-{number}", ports=ports)


def probe_ready(http: Endpoint, datanodes: int = 1) -> None:
    """Ready is a NameNode that counts so many live DataNodes."""
    live = _bean(http, "NameNode", "FSNamesystemState").get("NumLiveDataNodes", 0)
    if live < datanodes:
        raise NotYet(f"a NameNode with {live} live DataNodes of {datanodes}")


def probe_datanode(http: Endpoint) -> None:
    """Ready is a DataNode whose every NameNode has taken it in."""
    told = json.loads(_bean(http, "DataNode", "DataNodeInfo").get("BPServiceActorInfo", "[]"))
    states = [actor["ActorState"] for actor in told]
    if not states or set(states) != {"RUNNING"}:
        raise NotYet(f"a DataNode that is {', '.join(states) or 'of no NameNode'}")


def _bean(http: Endpoint, service: str, name: str) -> dict[str, Any]:
    """What a daemon tells of itself; empty before it knows."""
    url = f"http://{http}/jmx?qry=Hadoop:service={service},name={name}"
    try:
        with urlopen(url, timeout=5) as answer:
            beans = json.load(answer)["beans"]
            return dict(beans[0]) if beans else {}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise NotYet(f"{type(error).__name__}: {error}") from error


def probe_rpc(rpc: Endpoint, seconds: float = 5) -> None:
    """Ready is a Hadoop RPC port, which answers a request of HTTP with words of its own."""
    with socket.create_connection((rpc.host, rpc.port), seconds) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = connection.makefile("rb").read(1000)
    if b"Hadoop IPC port" not in answer:
        raise NotYet(f"an answer that is not Hadoop's: {answer[:60]!r}")
