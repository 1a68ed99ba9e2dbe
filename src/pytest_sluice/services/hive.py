"""The Hive metastore, and HiveQL through the real Hive CLI."""

import socket
import struct
from collections.abc import Mapping
from pathlib import Path

from pytest_sluice.contracts import Endpoint, Launch, Role, Site, Tools
from pytest_sluice.services.hdfs import client_settings
from pytest_sluice.services.jvm import bind_option, java, log_file, log_option, opens
from pytest_sluice.waiting import NotYet

OPENS = opens("java.base/java.lang", "java.base/java.net", "java.base/java.util")
# Its own main class, org.apache.hadoop.hive.metastore.HiveMetaStore, listens on every interface.
MAIN = "org.apache.hadoop.hive.common.auth.HiveAuthUtils"


def _hiveconf(settings: Mapping[str, str]) -> list[str]:
    return [word for key, value in settings.items() for word in ("--hiveconf", f"{key}={value}")]


def _settings(site: Site) -> dict[str, str]:
    database = site.state / "metastore_db"
    return {
        **client_settings(site.peers["namenode.rpc"]),
        "javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={database};create=true",
        "javax.jdo.option.ConnectionDriverName": "org.apache.derby.jdbc.EmbeddedDriver",
        "datanucleus.schema.autoCreateAll": "true",
        "hive.metastore.schema.verification": "false",
        "hive.metastore.warehouse.dir": "/user/hive/warehouse",
        # The asynchronous log needs a library (LMAX disruptor) that Spark does not ship.
        "hive.async.log.enabled": "false",
    }


def render(site: Site) -> Launch:
    """The metastore over an embedded Derby database; it makes an empty one by itself."""
    own = site.endpoints["thrift"]
    argv = java(
        site.tools,
        site.directory,
        "metastore",
        # The launcher comes first: it stands before a class of Hive's.
        (*site.tools.jars["launchers"], *site.tools.jars["spark"]),
        (MAIN, "-p", str(own.port), *_hiveconf(_settings(site))),
        heap="256m",
        options=(
            *OPENS,
            bind_option(site, own),
            log_option(site.directory),
            f"-Dderby.system.home={site.directory}",
        ),
    )
    return Launch(argv, files=log_file())


ROLE = Role("metastore", render, "cloudera", ports={"thrift": 9083}, peers=("namenode.rpc",))


def cli(
    tools: Tools,
    directory: Path,
    metastore: Endpoint,
    hdfs: Mapping[str, str],
    arguments: tuple[str, ...],
) -> Launch:
    """The real Hive CLI with ``arguments`` (``-e statements`` or ``-f script``).

    ``hdfs`` are settings of the file system's client.
    """
    settings = {
        **hdfs,
        "hive.metastore.uris": f"thrift://{metastore}",
        "hive.execution.engine": "mr",
        "hive.exec.scratchdir": "/tmp/hive",
        "hive.exec.local.scratchdir": str(directory / "scratch"),
        "hive.downloaded.resources.dir": str(directory / "resources"),
        "hive.querylog.location": str(directory / "querylog"),
        "hive.async.log.enabled": "false",
        # Its own configuration would log to stdout, among the rows.
        "hive.log4j.file": str(directory / "log4j2.properties"),
    }
    argv = java(
        tools,
        directory,
        "hive",
        # Its own jars come last: with Calcite's Avatica first it fails, without them it hangs.
        (*tools.jars["spark"], *tools.jars["hive"]),
        ("org.apache.hadoop.hive.cli.CliDriver", *_hiveconf(settings), *arguments),
        heap="256m",
        options=(*OPENS, log_option(directory)),
    )
    return Launch(argv, files=log_file(), directory=directory)


def probe_ready(endpoint: Endpoint) -> None:
    """Ready is a Thrift reply to ``get_all_databases`` that lists the default database."""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=5) as connection:
            connection.sendall(_thrift_call(b"get_all_databases"))
            answer = connection.recv(4096)
    except OSError as error:
        raise NotYet(f"{type(error).__name__}: {error}") from error
    if answer[:4] != THRIFT_REPLY or b"default" not in answer:
        raise NotYet(f"an answer that lists no database: {answer[:60]!r}")


# The strict binary protocol of Thrift: version 1, then the kind of message.
THRIFT_CALL = struct.pack(">I", 0x80010001)
THRIFT_REPLY = struct.pack(">I", 0x80010002)


def _thrift_call(name: bytes) -> bytes:
    """A Thrift message that calls a method without arguments; the last byte ends the struct."""
    return THRIFT_CALL + struct.pack(">I", len(name)) + name + struct.pack(">IB", 1, 0)
