"""What the Docker backends know without an engine: ports, names, commands."""

from types import SimpleNamespace

import pytest

from pytest_sluice.backends.compose import Project
from pytest_sluice.backends.docker_roles import FIRST_FREE_PORT, bindings, inner_port
from pytest_sluice.backends.stories import died
from pytest_sluice.contracts import Endpoint, Launch, Role
from pytest_sluice.errors import SluiceError

ROLE = Role("web", lambda _site: Launch(("web",)), "mids", ports={"http": 5000, "a": 0, "b": 0})


def test_a_port_has_the_number_of_the_document_or_one_of_its_own() -> None:
    assert inner_port(ROLE, "http") == 5000
    assert len({inner_port(ROLE, port) for port in ROLE.ports}) == 3
    assert inner_port(ROLE, "a") >= FIRST_FREE_PORT


def test_a_port_that_a_role_does_not_have_is_named() -> None:
    with pytest.raises(SluiceError, match="'web' has no port 'https'"):
        inner_port(ROLE, "https")


def test_published_ports_have_addresses() -> None:
    asked = {
        "8020/tcp": [{"HostIp": "127.1.2.3", "HostPort": "18020"}],
        "9083/tcp": [{"HostIp": "", "HostPort": "0"}],  # any
    }
    given = {
        "8020/tcp": [{"HostIp": "127.1.2.3", "HostPort": "18020"}],
        "9083/tcp": [{"HostIp": "0.0.0.0", "HostPort": "40001"}],
        "50070/tcp": None,  # exposed and not published
    }
    alive = attrs(asked, given)
    fixed = Endpoint("127.1.2.3", 18020)
    assert bindings(alive) == {8020: fixed, 9083: Endpoint("0.0.0.0", 40001)}
    assert bindings(attrs(asked, {})) == {8020: fixed}
    assert bindings(attrs(None, None)) == {}


def attrs(asked: object, given: object) -> SimpleNamespace:
    """A container as the engine tells of it."""
    return SimpleNamespace(
        attrs={"HostConfig": {"PortBindings": asked}, "NetworkSettings": {"Ports": given}}
    )


def test_a_project_names_its_files_and_itself_in_every_command() -> None:
    project = Project("env A='b c' docker compose", ("/a file.yml", "/more.yml"), "own")
    files = ["-f", "/a file.yml", "-f", "/more.yml"]
    head = ["env", "A=b c", "docker", "compose"]
    assert project.argv("down", "-v") == [*head, *files, "-p", "own", "down", "-v"]
    assert project.label == "com.docker.compose.project=own"
    assert not project.is_up
    project.up.set()
    assert project.is_up


def test_a_death_is_told_with_the_exceptions_that_stand_far_above_the_end() -> None:
    log = ["java.io.IOException: no room", *(f"\tat frame {n}" for n in range(100))]
    error = died("kafka", 1, log, "/logs/kafka.log")
    assert error.cause == "kafka died with exit code 1"
    assert error.checked[0] == "java.io.IOException: no room"
    assert error.checked[-1] == "\tat frame 99"
    assert error.remedy == "its whole log is /logs/kafka.log"
