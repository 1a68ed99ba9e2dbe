"""What pytest-docker is told where the backend is compose. Override each as its users know it.

The project has an own name and an own loopback address, so that two sessions do not meet. Its
containers belong to the supervisor: when pytest is killed, they are removed none the less.

That holds for this name alone. A project whose name you choose is yours: the end of the session
takes it down in good order, and a killed session leaves it. One that is there already is used as
it is, and stays: only the components that the session runs in it are removed.
"""

import os
import shlex
from collections.abc import Iterator, Sequence

import pytest

from pytest_sluice.backends.compose import COMPONENTS, Project, label_of, variables
from pytest_sluice.backends.containers import docker_name
from pytest_sluice.backends.engine import left
from pytest_sluice.backends.ownership import promise_own, to_bring_up, to_take_down, was_there
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.fixtures import SESSION
from pytest_sluice.flow.deployment import roles
from pytest_sluice.protocol import MARK
from pytest_sluice.session import Session


@pytest.fixture(scope="session")
def docker_compose_file(pytestconfig: pytest.Config) -> str:
    """The file ``docker-compose.yml`` of the root directory."""
    return str(pytestconfig.rootpath / "docker-compose.yml")


@pytest.fixture(scope="session")
def docker_compose_project_name(pytestconfig: pytest.Config) -> Iterator[str]:
    """The name of the cluster, which xdist's workers share."""
    cluster = pytestconfig.stash[SESSION].cluster
    name = docker_name(cluster)
    yield name
    label = label_of(name)
    if not left(label):  # in good order, so that the supervisor need not look for anything
        cluster.undone(label)


@pytest.fixture(scope="session")
def docker_compose_command(pytestconfig: pytest.Config) -> str:
    """``docker compose`` with the variables of the cluster, and its mark, by which it is killed."""
    session = pytestconfig.stash[SESSION]
    path = session.cluster.directory / "compose.env"
    mode = session.settings["kafka"]
    found = variables(session.cluster, roles(mode), pytestconfig.rootpath)
    found |= {"SLUICE_IMAGE": session.settings["image"], "SLUICE_KAFKA": mode}
    if mode == "zookeeper":
        found["COMPOSE_PROFILES"] = "zookeeper"
    path.write_text("".join(f"{name}={value}\n" for name, value in found.items()), "utf-8")
    mark = f"{MARK}={session.cluster.directory}"
    return shlex.join(["env", mark, "docker", "compose", "--env-file", str(path)])


@pytest.fixture(scope="session")
def docker_setup(pytestconfig: pytest.Config, docker_compose_project_name: str) -> Sequence[str]:
    """Build what is not built; bring up what the selected tests need, and wait until it is well.

    A project that is there already is left as it is.
    """
    session = pytestconfig.stash[SESSION]
    before = was_there(session.cluster, docker_compose_project_name)
    return to_bring_up(before, [*(role.name for role in session.wanted_roles), *COMPONENTS])


@pytest.fixture(scope="session")
def docker_cleanup(pytestconfig: pytest.Config, docker_compose_project_name: str) -> Sequence[str]:
    """Remove everything at once; under xdist the controller does, when the last worker is done.

    What was there before stays: a project that ran, or the volumes of one that did not.
    """
    if hasattr(pytestconfig, "workerinput"):
        return []
    return to_take_down(was_there(pytestconfig.stash[SESSION].cluster, docker_compose_project_name))


@pytest.fixture(scope="session")
def sluice_compose(
    pytestconfig: pytest.Config,
    request: pytest.FixtureRequest,
    docker_compose_command: str,
    docker_compose_file: str | Sequence[str],
    docker_compose_project_name: str,
) -> Iterator[Project]:
    """The project, brought up by ``docker_services``; its services are used as they come up."""
    session = pytestconfig.stash[SESSION]
    files = docker_compose_file
    paths = (files,) if isinstance(files, (str, os.PathLike)) else tuple(files)
    project = Project(docker_compose_command, tuple(map(str, paths)), docker_compose_project_name)
    promise_own(session.cluster, project.name)
    session.tell_project(project)
    with session.cluster.lock("compose"), session.journal.node("compose"):
        _bring_up(session, request, project)
    project.up.set()
    yield project
    session.save_logs()


def _bring_up(session: Session, request: pytest.FixtureRequest, project: Project) -> None:
    try:
        request.getfixturevalue("docker_services")
    except Exception as error:
        session.save_logs()
        raise ServiceNotReady(
            f"the compose project {project.name} did not come up",
            checked=str(error).replace("\\n", "\n").splitlines()[-20:],
            remedy=f"the logs of its containers are in {session.directory / 'logs'}",
        ) from error
