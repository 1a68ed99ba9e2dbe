"""The services as nodes and roles, in each mode of Kafka."""

from pathlib import Path

import pytest

from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.events import Journal
from pytest_sluice.flow.deployment import Deployment, roles
from pytest_sluice.services import kafka, zookeeper
from tests.fakes import FakeBackend

COMMON = {"kafka", "namenode", "datanode", "metastore", "presto"}


def deployment(folder: Path, mode: kafka.Mode) -> Deployment:
    backend = FakeBackend(folder)
    return Deployment(backend, Journal(folder / "e.jsonl"), mode=mode)


def test_the_roles_of_each_mode() -> None:
    assert {role.name for role in roles()} == COMMON
    assert {role.name for role in roles("zookeeper")} == {*COMMON, "zookeeper"}
    assert roles() == roles("kraft")


@pytest.mark.parametrize("mode", kafka.BROKERS)
def test_every_peer_of_a_role_is_a_port_of_another(mode: kafka.Mode) -> None:
    ports = {f"{role.name}.{port}" for role in roles(mode) for port in role.ports}
    assert {peer for role in roles(mode) for peer in role.peers} <= ports


def test_there_is_a_zookeeper_only_for_a_broker_that_needs_it(tmp_path: Path) -> None:
    assert "zookeeper" in deployment(tmp_path, "zookeeper").graph
    assert "zookeeper" not in deployment(tmp_path, "kraft").graph


def test_a_broker_is_not_started_beside_a_dead_zookeeper(tmp_path: Path) -> None:
    services = deployment(tmp_path, "zookeeper")
    services.backend.start(zookeeper.ROLE)
    services.backend.kill("zookeeper")
    with pytest.raises(ServiceNotReady, match="zookeeper died"):
        services.start_kafka()
    assert services.backend.leftovers() == []
