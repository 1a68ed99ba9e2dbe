"""A cluster that is there before a session comes: the services alone, on the process backend."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.sessions import SERVICES
from pytest_sluice.backends.process import ProcessBackend
from pytest_sluice.class_data import prepared_root, templates, tools
from pytest_sluice.cluster import Cluster
from pytest_sluice.events import Journal
from pytest_sluice.flow.deployment import Deployment, roles

ADDRESSES = """\
[kafka]
bootstrap_servers = {brokers}

[hdfs]
namenode = "{namenode}"
webhdfs = "{webhdfs}"

[metastore]
thrift = "{metastore}"

[presto]
address = "{presto}"
"""


@contextmanager
def there(folder: Path) -> Iterator[Path]:
    """The services, ready, for as long as the block; a file of their addresses.

    The file is one for `--sluice-external`; it and their logs are in ``folder``.
    """
    root = prepared_root()
    with Cluster.create() as cluster:
        backend = ProcessBackend(cluster, tools(root), roles(), folder, templates(root))
        deployment = Deployment(backend, Journal(folder / "events.jsonl"))
        deployment.graph.start(SERVICES)
        for service in SERVICES:
            deployment.graph.join(service)
        path = folder / "addresses.toml"
        path.write_text(addresses(backend), encoding="utf-8")
        yield path


def addresses(backend: ProcessBackend) -> str:
    """Where the services are, as TOML for the backend external."""
    return ADDRESSES.format(
        brokers=json.dumps([str(backend.endpoint("kafka", "client"))]),
        namenode=backend.endpoint("namenode", "rpc"),
        webhdfs=backend.endpoint("namenode", "http"),
        metastore=backend.endpoint("metastore", "thrift"),
        presto=backend.endpoint("presto", "http"),
    )
