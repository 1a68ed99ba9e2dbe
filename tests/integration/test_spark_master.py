"""Spark's own cluster manager: a master and a worker, ready and out of nobody else's reach."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import pytest

from pytest_sluice.backends.process import ProcessBackend
from pytest_sluice.class_data import prepared_root, templates, tools
from pytest_sluice.cluster import Cluster
from pytest_sluice.services import spark
from pytest_sluice.waiting import Deadline, NotYet, wait_for
from tests.integration.sockets import listening

ADDED = ("-XX:+IgnoreUnrecognizedVMOptions", "--add-modules=jdk.incubator.vector")
ROLES = (spark.MASTER_ROLE, spark.worker(1))


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessBackend]:
    """A master and a worker, ready."""
    root, logs = prepared_root(), tmp_path_factory.mktemp("logs")
    with Cluster.create() as cluster:
        backend = ProcessBackend(cluster, tools(root), ROLES, logs, templates(root))
        for role in ROLES:
            backend.start(role)
        http = backend.endpoint("spark-master", "http")
        wait_for(
            "the master to count its worker",
            partial(spark.probe_ready, http),
            Deadline(60),
            alive=partial(require_alive, backend),
            log=lambda: [line for role in ROLES for line in backend.logs(role.name)],
        )
        yield backend


def require_alive(backend: ProcessBackend) -> None:
    """Raise for a dead one."""
    for role in ROLES:
        backend.require_alive(role.name)


def test_a_master_is_ready_when_it_counts_all_its_workers(backend: ProcessBackend) -> None:
    http = backend.endpoint("spark-master", "http")
    spark.probe_ready(http, 1)
    with pytest.raises(NotYet, match="1 workers alive of 2"):
        spark.probe_ready(http, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a whole loopback network")
def test_master_and_worker_listen_on_the_address_of_their_cluster(backend: ProcessBackend) -> None:
    own = backend.cluster.ask("status")["address"]
    sockets = sorted(listening(backend.cluster))
    assert {socket.host for socket in sockets} == {own}, "\n".join(map(str, sockets))
    wanted = {
        (role.name, backend.endpoint(role.name, port).port) for role in ROLES for port in role.ports
    }
    assert {(socket.role, socket.port) for socket in sockets} == wanted


def test_the_java_of_executors_starts_with_what_spark_adds(backend: ProcessBackend) -> None:
    java = backend.cluster.directory / "spark-worker-1" / "java" / "bin" / "java"
    refused = [str(tools(prepared_root()).java), *ADDED, "-version"]
    assert subprocess.run(refused, capture_output=True, check=False).returncode
    subprocess.run([java, *ADDED, "-version"], capture_output=True, check=True)
