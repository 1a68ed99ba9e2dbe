"""One service in a container for a test module: real, on ports of its own, and gone afterwards."""

import pytest

from pytest_sluice.backends.docker_roles import DockerRoles
from pytest_sluice.backends.engine import containers, left
from pytest_sluice.clients.hdfs import Hdfs
from pytest_sluice.clients.kafka import Kafka
from pytest_sluice.flow.deployment import Deployment
from pytest_sluice.services.hive import probe_ready
from pytest_sluice.session import Session

pytestmark = pytest.mark.docker


@pytest.mark.kafka
def test_a_broker_serves_the_host(sluice_containers: Deployment) -> None:
    kafka: Kafka = sluice_containers.join("kafka")
    kafka.create_topic("contained")
    kafka.produce("contained", [b"one", b"two"])
    assert [message.value for message in kafka.messages("contained")] == [b"one", b"two"]


@pytest.mark.kafka
def test_a_broker_keeps_what_it_acknowledged_when_it_is_killed(
    sluice_containers: Deployment,
) -> None:
    kafka: Kafka = sluice_containers.join("kafka")
    kafka.create_topic("kept")
    kafka.produce("kept", [b"acknowledged"])
    sluice_containers.backend.kill("kafka")
    again = sluice_containers.start_kafka()
    assert [message.value for message in again.messages("kept")] == [b"acknowledged"]


@pytest.mark.hdfs
def test_a_file_system_hands_the_host_on_to_its_datanode(sluice_containers: Deployment) -> None:
    hdfs: Hdfs = sluice_containers.join("hdfs")
    hdfs.write("/folder/file", b"content")
    assert hdfs.read("/folder/file") == b"content"
    assert hdfs.url == "hdfs://namenode:8020"  # as it is called inside


@pytest.mark.hive
def test_a_metastore_answers_the_host(sluice_containers: Deployment) -> None:
    sluice_containers.join("metastore")
    probe_ready(sluice_containers.backend.endpoint("metastore", "thrift"))


@pytest.mark.kafka
def test_only_what_was_asked_for_is_started_and_nothing_is_left(sluice_session: Session) -> None:
    with sluice_session.containers() as deployment:
        backend = deployment.backend
        assert isinstance(backend, DockerRoles)
        deployment.join("kafka")
        assert list(backend.leftovers()) == ["kafka"]
        (broker,) = containers(backend.label)
        hosts = {binding["HostIp"] for ports in published(broker) for binding in ports}
        assert hosts
        assert all(host.startswith("127.") for host in hosts)
    assert left(backend.label) == []
    assert (sluice_session.directory / "logs" / f"{broker.name}.log").read_text()


def published(container: object) -> list[list[dict[str, str]]]:
    """The bindings of every published port."""
    attrs = getattr(container, "attrs")  # noqa: B009
    return [ports for ports in attrs["NetworkSettings"]["Ports"].values() if ports]
