"""A place to render roles for, without any machine behind it."""

from pathlib import Path

from pytest_sluice.contracts import Endpoint, Launch, Role, Site, Tools

HOST = "127.9.8.7"
NAMES = (
    *("kafka", "kafka-zookeeper", "hdfs", "hive", "spark", "spark-kafka", "presto"),
    "launchers",
)
TOOLS = Tools(
    java=Path("/jre/bin/java"),
    jars={name: (Path(f"/{name}/lib/a.jar"), Path(f"/{name}/lib/b.jar")) for name in NAMES},
    class_data=lambda role: (f"-Darchive={role}",),
)
PEERS = {
    "namenode.rpc": Endpoint(HOST, 8020),
    "metastore.thrift": Endpoint(HOST, 9083),
    "zookeeper.client": Endpoint(HOST, 32181),
    "spark-master.rpc": Endpoint(HOST, 7077),
}


def endpoints(role: Role) -> dict[str, Endpoint]:
    """The role's ports at one host; where any will do, one."""
    return {name: Endpoint(HOST, port or 4242) for name, port in role.ports.items()}


def site(role: Role) -> Site:
    """A place with the peers that the role asks for."""
    peers = {peer: PEERS[peer] for peer in role.peers}
    return Site(Path("/run/x"), endpoints(role), peers, TOOLS)


def rendered(role: Role) -> Launch:
    """The role's launch there."""
    return role.render(site(role))
