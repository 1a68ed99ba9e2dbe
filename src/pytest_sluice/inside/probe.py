"""`python -m pytest_sluice probe ROLE...`: one real request a role, for health checks.

It waits for the answer by itself: a process that polls costs less than one process a poll, and a
role is known to be ready the moment that it is.
"""

from collections.abc import Callable, Sequence
from functools import partial

from pytest_sluice.contracts import Endpoint
from pytest_sluice.inside.place import endpoint, find
from pytest_sluice.services import hdfs, hive, kafka_metadata, presto, zookeeper
from pytest_sluice.waiting import Deadline, wait_for

# By role: the port that is asked, and the question. Nobody queries Presto, which slows its start.
PROBES: dict[str, tuple[str, Callable[[Endpoint], None]]] = {
    "zookeeper": ("client", zookeeper.probe_ready),
    "kafka": ("client", kafka_metadata.probe_ready),
    "namenode": ("http", hdfs.probe_ready),
    "datanode": ("http", hdfs.probe_datanode),
    "metastore": ("thrift", hive.probe_ready),
    "presto": ("http", presto.probe_started),
}


def probe(names: Sequence[str], seconds: float, host: str = "") -> None:
    """Ask each role until it is well, for so many seconds in all; WaitTimeout with what was seen.

    ``host`` is where they listen, by default at the names of their services.
    """
    deadline = Deadline(seconds)
    for name in names:
        role = find(name)
        port, question = PROBES[name]
        asked = endpoint(role, port, host)
        wait_for(f"{name} at {asked}", partial(question, asked), deadline)
