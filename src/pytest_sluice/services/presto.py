"""PrestoDB: coordinator and worker in one process, two catalogs over one metastore."""

import json
import ssl
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.request import urlopen

from pytest_sluice.access import PrestoAccess
from pytest_sluice.contracts import Endpoint, Launch, Role, Site, Tools
from pytest_sluice.services.hdfs import client_settings, site_xml
from pytest_sluice.services.jvm import bind_address, bind_option, java, opens
from pytest_sluice.sql import MappingName
from pytest_sluice.waiting import NotYet

# How the columns of a Parquet file are found: where they stand, as the document did, or by name.
CATALOGS: Mapping[MappingName, str] = {"position": "hive", "name": "hive_by_name"}

CONFIG = """\
node.environment=sluice
node.id=sluice-1
node.internal-address={host}
node.bind-ip={bind}
coordinator=true
node-scheduler.include-coordinator=true
http-server.http.port={port}
discovery-server.enabled=true
discovery.uri=http://{host}:{port}
plugin.dir={plugins}
plugin.config-dir={directory}/catalog
nested-data-serialization-enabled=false
query.max-memory=64MB
query.max-memory-per-node=64MB
query.max-total-memory-per-node=96MB
memory.heap-headroom-per-node=32MB
"""

CATALOG = """\
connector.name=hive-hadoop2
hive.metastore.uri=thrift://{metastore}
hive.config.resources={directory}/hdfs-site.xml
hive.recursive-directories=true
hive.allow-drop-table=true
hive.parquet.use-column-names={by_name}
"""

OPENS = opens("java.base/java.lang", "java.base/java.lang.reflect", "java.base/java.net")

# Its own main class, com.facebook.presto.server.PrestoServer, speaks Thrift on every interface.
MAIN = "pytest_sluice.OwnAddressPresto"

# The server starts a JMX agent, which listens on every interface, unless the JVM seems to have one:
# a port is all that it looks at. So it is told one, and the JVM is not to listen there.
NO_JMX_AGENT = ("-Dcom.sun.management.jmxremote.port=1", "-XX:-ManagementServer")


def _files(site: Site) -> dict[str, str]:
    http = site.endpoints["http"]
    plugins = site.tools.jars["presto"][0].parent.parent / "plugin"
    config = CONFIG.format(
        host=http.host,
        bind=bind_address(site, http),  # it takes no name
        port=http.port,
        plugins=plugins,
        directory=site.directory,
    )
    return {
        "config.properties": config,
        "log.properties": "Bootstrap=WARN\norg.glassfish=ERROR\n",
        "hdfs-site.xml": site_xml(client_settings(site.peers["namenode.rpc"])),
        **{f"catalog/{CATALOGS[by]}.properties": _catalog(site, by == "name") for by in CATALOGS},
    }


def _catalog(site: Site, by_name: bool) -> str:
    return CATALOG.format(
        metastore=site.peers["metastore.thrift"],
        directory=site.directory,
        by_name=str(by_name).lower(),
    )


def render(site: Site) -> Launch:
    """The server."""
    options = (
        *OPENS,
        f"-Dlog.levels-file={site.directory}/log.properties",
        *NO_JMX_AGENT,
        bind_option(site, site.endpoints["http"]),
        f"-Dconfig={site.directory}/config.properties",
    )
    argv = java(
        site.tools,
        site.directory,
        "presto",
        (*site.tools.jars["launchers"], *site.tools.jars["presto"]),
        (MAIN,),
        heap="512m",
        options=options,
    )
    return Launch(argv, files=_files(site))


def cli(tools: Tools, directory: Path, jars: Iterable[Path], arguments: Sequence[str]) -> Launch:
    """The real Presto CLI with ``arguments``; without ``--execute`` it reads statements."""
    main = ("com.facebook.presto.cli.Presto", *arguments)
    argv = java(tools, directory, "presto-cli", jars, main, heap="128m")
    # It would page through `less`, which need not be there.
    return Launch(argv, environment={"PRESTO_PAGER": ""})


ROLE = Role(
    "presto",
    render,
    "presto",
    ports={"http": 8080},
    peers=("namenode.rpc", "metastore.thrift"),
)


def probe_started(endpoint: Endpoint, access: PrestoAccess | None = None) -> None:
    """Started is a server that says so; it listens seconds before that, and must not be queried."""
    access = access or PrestoAccess()
    trust = ssl.create_default_context(cafile=access.cafile or None) if access.https else None
    try:
        with urlopen(f"{access.scheme}://{endpoint}/v1/info", timeout=5, context=trust) as answer:
            starting = json.load(answer)["starting"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise NotYet(f"{type(error).__name__}: {error}") from error
    if starting:
        raise NotYet("a server that is starting")
