"""docker-compose.yml as compose itself reads it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pytest_sluice.backends.compose import PORT_VARIABLES

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
IDLE = {"cloudera", "spark", "mids"}
POD = {"namenode", "datanode", "metastore"}
# The document's ports; the DataNode's is needed by who reads files over WebHDFS.
PORTS = {
    "KAFKA_PORT": ("kafka", 9092, 29092),
    "NAMENODE_PORT": ("cloudera", 8020, 8020),
    "WEBHDFS_PORT": ("cloudera", 50070, 50070),
    "DATANODE_PORT": ("cloudera", 50075, 50075),
    "METASTORE_PORT": ("cloudera", 9083, 9083),
    "PRESTO_PORT": ("presto", 8080, 8080),
    "MIDS_PORT": ("mids", 5000, 5000),
    "ZOOKEEPER_PORT": ("zookeeper", 32181, 32181),
}


def services(**variables: str) -> dict[str, Any]:
    """Every service, with these variables and none of this session's own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = ["docker", "compose", "--profile", "*", "config", "--format", "json"]
    done = subprocess.run(
        command, cwd=ROOT, env={**kept, **variables}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""  # it has nothing to warn of
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


@pytest.fixture(scope="module")
def by_default() -> dict[str, Any]:
    return services()


def published(found: dict[str, Any]) -> dict[tuple[str, int], tuple[str, int]]:
    """Where each port of each service is published."""
    return {
        (name, port["target"]): (port["host_ip"], int(port["published"]))
        for name, service in found.items()
        for port in service.get("ports", [])
    }


def test_every_port_is_published_on_the_loopback_interface(by_default: dict[str, Any]) -> None:
    wanted = {(s, inner): ("127.0.0.1", outer) for s, inner, outer in PORTS.values()}
    assert published(by_default) == wanted


def test_every_port_is_moved_by_its_variable_and_all_by_one_address() -> None:
    moved = {name: str(31000 + number) for number, name in enumerate(PORTS)}
    found = services(SLUICE_ADDRESS="127.9.8.7", **moved)
    wanted = {(s, inner): ("127.9.8.7", int(moved[n])) for n, (s, inner, _) in PORTS.items()}
    assert published(found) == wanted
    assert f"client=127.9.8.7:{moved['KAFKA_PORT']}" in found["kafka"]["command"]


def test_the_backend_moves_every_port(by_default: dict[str, Any]) -> None:
    assert set(PORT_VARIABLES.values()) == set(PORTS)


def test_every_container_has_an_init_and_a_limit_of_memory(by_default: dict[str, Any]) -> None:
    for name, service in by_default.items():
        assert service["init"] is True, name
        assert 128 << 20 <= int(service["mem_limit"]) <= 2 << 30, name


def test_one_image_with_a_version_serves_all(by_default: dict[str, Any]) -> None:
    (image,) = {service["image"] for service in by_default.values()}
    assert image.partition(":")[2] not in ("", "latest")
    assert [name for name, service in by_default.items() if "build" in service] == ["cloudera"]


def test_every_role_is_probed_and_the_others_are_idle(by_default: dict[str, Any]) -> None:
    for name, service in by_default.items():
        command, check = service["command"], service.get("healthcheck", {}).get("test", ())
        if name in IDLE:
            assert command == ["sleep", "infinity"]
        else:
            assert command[:5] == ["python", "-m", "pytest_sluice", "serve", name]
            assert check[-1] == name


def test_the_pod_has_the_documents_name(by_default: dict[str, Any]) -> None:
    assert by_default["cloudera"]["hostname"] == "cloudera"
    sharing = {n for n, s in by_default.items() if s.get("network_mode") == "service:cloudera"}
    assert sharing == POD


def test_the_project_is_read_only_and_nothing_else_is_mounted(by_default: dict[str, Any]) -> None:
    for name, service in by_default.items():
        ((target, read_only),) = [(v["target"], v["read_only"]) for v in service["volumes"]]
        assert (target, read_only) == ("/w205", True), name


def test_zookeeper_is_there_on_demand_alone() -> None:
    command = ["docker", "compose", "config", "--services"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "kafka" in done.stdout.split()
    assert "zookeeper" not in done.stdout.split()
