"""Whose a compose project is: what a session made is removed, and what was there before stays."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from pytest_sluice.backends.compose import label_of
from pytest_sluice.backends.engine import containers, discard, left
from pytest_sluice.settings import IMAGE
from pytest_sluice.waiting import Deadline, NotYet, wait_for

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.docker

COMPOSE = f"""
x-container: &container
  image: {os.environ.get("SLUICE_IMAGE", IMAGE)}
  init: true
  command: sleep infinity
services:
  mids:
    <<: *container
    volumes: ["kept:/kept"]
  spark: *container
volumes:
  kept: {{}}
"""
CONFTEST = """
import pytest
from pytest_sluice import Pipeline, Topic

def pytest_sluice_pipeline(config):
    return Pipeline(Topic("clicks"))

@pytest.fixture(scope="session")
def docker_compose_project_name():
    return "{name}"

@pytest.fixture(scope="session")
def docker_setup(docker_setup):
    return [command.partition(" --wait")[0] + " --wait mids spark" for command in docker_setup]
"""
TESTS = """
import os, signal
from pytest_sluice.contracts import Launch, Role

def test_it(sluice_session):
    backend = sluice_session.deployment.backend
    backend.start(Role("own", lambda site: Launch(("sleep", "infinity")), "mids"))
    assert backend.exit_code("own") is None
    {end}
"""
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def name() -> Iterator[str]:
    """A project as its user has named it; whatever the test leaves of it is removed."""
    name = f"mine-{token_hex(4)}"
    yield name
    discard(label_of(name))


@pytest.fixture
def session(pytester: pytest.Pytester, name: str) -> Callable[[str], str]:
    """Run a session whose test ends like this; its output."""
    pytester.makefile(".yml", **{"docker-compose": COMPOSE})
    pytester.makeconftest(CONFTEST.format(name=name))

    def run(end: str) -> str:
        pytester.makepyfile(TESTS.format(end=end))
        result = pytester.runpytest_subprocess("--sluice-backend=compose")
        return result.stdout.str() + result.stderr.str()

    return run


def compose(folder: Path, name: str, *words: str) -> None:
    """What the project's user does."""
    subprocess.run(["docker", "compose", "-p", name, *words], cwd=folder, check=True)


def running(name: str) -> dict[str, str]:
    """The containers of the project that run, by name, with the times of their start."""
    found = [each for each in containers(label_of(name)) if each.status == "running"]
    return {each.name: each.attrs["State"]["StartedAt"] for each in found}


@pytest.mark.parametrize("end", ["pass", KILLED], ids=["ends", "is killed"])
def test_a_project_that_was_there_stays_as_it_was(
    pytester: pytest.Pytester, session: Callable[[str], str], name: str, end: str
) -> None:
    compose(pytester.path, name, "up", "--detach", "--wait")
    before, things = running(name), sorted(left(label_of(name)))
    output = session(end)
    assert end == KILLED or "1 passed" in output, output

    def gone() -> None:
        assert running(name).items() >= before.items()  # at every moment
        if (now := sorted(left(label_of(name)))) != things:
            raise NotYet(str(now))

    wait_for("the session's own component to be gone", gone, Deadline(60))
    assert running(name) == before
    assert len(before) == 2


def test_a_project_that_the_session_brought_up_is_taken_down_in_good_order(
    session: Callable[[str], str], name: str
) -> None:
    output = session("pass")
    assert "1 passed" in output, output
    assert left(label_of(name)) == []


def test_the_volumes_of_a_project_that_did_not_run_stay(
    pytester: pytest.Pytester, session: Callable[[str], str], name: str
) -> None:
    compose(pytester.path, name, "up", "--detach", "--wait", "mids")
    compose(pytester.path, name, "down", "--timeout", "1")
    before = left(label_of(name))
    assert before == [f"volume {name}_kept"]
    output = session("pass")
    assert "1 passed" in output, output
    assert left(label_of(name)) == before
