"""The sockets on which the processes of a cluster listen."""

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import psutil

from pytest_sluice.cluster import Cluster
from pytest_sluice.protocol import MARK


class Socket(NamedTuple):
    """A listening TCP socket, and the role of its process."""

    role: str
    host: str
    port: int


def listening(cluster: Cluster) -> Iterator[Socket]:
    """Every TCP socket on which a process of the cluster accepts connections."""
    directory = cluster.directory
    roles = {row["pid"]: row["name"] for row in cluster.ask("status")["roles"]}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) != str(directory):
                continue
            role = roles.get(process.pid) or f"below {roles.get(process.ppid(), process.name())}"
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    yield Socket(role, *connection.laddr)
