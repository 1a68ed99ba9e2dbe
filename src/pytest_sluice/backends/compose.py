"""The compose backend: the services of a compose project, which pytest-docker brings up and down.

A service's role is the project's container of the same name, or of the role's service. A component
of a run is one more container of its service (``docker compose run``), so that it can be killed,
paused and read by itself, as every role.
"""

import os
import shlex
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_sluice.backends.containers import LABEL, docker_name
from pytest_sluice.backends.docker_roles import (
    LAUNCHED,
    PROGRAM,
    DockerRoles,
    bindings,
    inner_port,
)
from pytest_sluice.backends.engine import container, labelled, told
from pytest_sluice.cluster import Cluster
from pytest_sluice.contracts import Endpoint, Role
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.waiting import Deadline, NotYet, wait_for

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONE_OFF = "com.docker.compose.oneoff"

# Services in which components of a run are run.
COMPONENTS = ("mids", "spark")
# From the command to a container that runs, with the image to be built by then.
UP_SECONDS = 600.0

# The variable of the compose file that moves a published port, by role and port.
PORT_VARIABLES: Mapping[tuple[str, str], str] = {
    ("zookeeper", "client"): "ZOOKEEPER_PORT",
    ("kafka", "client"): "KAFKA_PORT",
    ("namenode", "rpc"): "NAMENODE_PORT",
    ("namenode", "http"): "WEBHDFS_PORT",
    ("datanode", "http"): "DATANODE_PORT",
    ("metastore", "thrift"): "METASTORE_PORT",
    ("presto", "http"): "PRESTO_PORT",
    ("mids", "http"): "MIDS_PORT",
}


@dataclass(frozen=True)
class Project:
    """A compose project as pytest-docker names it: command, files, name."""

    command: str
    files: tuple[str, ...]
    name: str
    up: threading.Event = field(default_factory=threading.Event, compare=False)

    @property
    def is_up(self) -> bool:
        """Whether pytest-docker has done its set-up, so that nothing more appears by itself."""
        return self.up.is_set()

    @property
    def label(self) -> str:
        """What compose puts on everything of the project."""
        return label_of(self.name)

    def argv(self, *words: str) -> list[str]:
        """A compose command on this project."""
        files = [word for file in self.files for word in ("-f", file)]
        return [*shlex.split(self.command), *files, "-p", self.name, *words]


def label_of(project: str) -> str:
    """The label of everything that compose makes for a project of this name."""
    return f"{PROJECT}={project}"


class ComposeBackend(DockerRoles):
    """The containers of one project."""

    name = "compose"

    def __init__(
        self, cluster: Cluster, roles: Sequence[Role], logs: Path, project: Project
    ) -> None:
        super().__init__(cluster, roles, logs, project.label)
        self._project = project
        self._services = {role.name: role.service for role in roles}
        self._ids: dict[str, str] = {}

    def ask_image(self, *words: str) -> bytes:
        """In a container for components, of which a project has one or the other."""
        found = self._await_running(*COMPONENTS)
        if found is None:
            raise ServiceNotReady(
                f"the compose project {self._project.name} has no container for components",
                checked=[f"looked for the services {' and '.join(COMPONENTS)}"],
            )
        with told(f"run {' '.join(words)} in {found.name}"):
            code, (out, err) = found.exec_run([*PROGRAM, *words], demux=True)
        if code:
            raise ServiceNotReady(
                f"{' '.join((*PROGRAM, *words))} in {found.name} ended with exit code {code}",
                checked=(err or b"").decode("utf-8", "replace").splitlines()[-10:],
                remedy="build the image of this version: docker compose build",
            )
        return out or b""

    def start(self, role: Role) -> None:
        """Wait until pytest-docker has brought a service up; start a component, or what is dead."""
        if role.name in self._services and not self._project.is_up:
            self._await_running(role.name, role.service)
        super().start(role)

    def _await_running(self, *services: str) -> Any:
        """The container of the first of these services that has one; None where none will have."""

        def probe() -> Any:
            is_last_look = self._project.is_up
            found = self._first_of(services)
            if not is_last_look and (found is None or found.status != "running"):
                raise NotYet(f"no container of {' or '.join(services)} runs")
            return found

        return wait_for(f"compose to bring up {services[0]}", probe, Deadline(UP_SECONDS))

    def find(self, role: str) -> Any:
        """A service's container by its labels, a component's by its name."""
        if role not in self._services:
            return container(self._name(role))
        return self._first_of((role, self._services[role]))

    def inside_host(self, role: str) -> str:
        """The service's name; for a component the name of its container."""
        return self._services.get(role) or self._name(role)

    def published(self, role: str, number: int) -> Endpoint:
        """Where the engine published the port: a service's ports are those of its host."""
        service = self._services.get(role)
        found = self._first_of((service,)) if service else self.find(role)
        ports = bindings(found) if found is not None else {}
        if number not in ports:
            raise ServiceNotReady(
                f"port {number} of {role} is not published",
                checked=[f"published are {', '.join(map(str, sorted(ports))) or 'none'}"],
                remedy=f"publish it in {', '.join(self._project.files)}",
            )
        return ports[number]

    def create(self, role: Role) -> None:
        """Run a component in a container of its service; a service has to be there already."""
        if role.name in self._services:
            raise ServiceNotReady(
                f"the compose project {self._project.name} has no container for {role.name}",
                checked=[f"looked for the services {role.name} and {role.service}"],
                remedy=f"declare it in {', '.join(self._project.files)}, and let docker_setup "
                "bring it up",
            )
        start = self.to_run(role)
        options = ["--detach", "--no-deps", "--name", self._name(role.name), *self._publish(role)]
        for label in (f"{LAUNCHED}={start.digest}", own_label(self.cluster)):
            options += ["--label", label]
        for name in start.environment:  # compose has its value from its own environment
            options += ["--env", name]
        self._compose(start.environment, "run", *options, role.service, *start.command)

    def _publish(self, role: Role) -> list[str]:
        words = []
        for port in role.ports:
            number = inner_port(role, port)
            words += ["--publish", f"{self.cluster.claim(role.name, port, number)}:{number}"]
        return words

    def _compose(self, environment: Mapping[str, str], *words: str) -> None:
        done = subprocess.run(
            self._project.argv(*words),
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServiceNotReady(
                f"docker compose {words[0]} ended with exit code {done.returncode}",
                checked=(done.stdout + done.stderr).splitlines()[-20:],
            )

    def _first_of(self, services: Sequence[str]) -> Any:
        """The container of the first of these services that has one; None where none has.

        It is asked for by its id as soon as that is known: whoever waits asks many times a second.
        """
        if (known := self._ids.get(services[0])) and (found := container(known)):
            return found
        ids = {
            labels[SERVICE]: number
            for number, labels in labelled(self.label).items()
            if labels.get(ONE_OFF) != "True"
        }
        self._ids |= ids
        return next((container(ids[name]) for name in services if name in ids), None)

    def _name(self, role: str) -> str:
        # After the cluster, whosever the project is: a name of the project's may be its user's.
        return f"{docker_name(self.cluster)}-{role}"


def own_label(cluster: Cluster) -> str:
    """The label of the components that a session runs in a project, whosever that is."""
    return f"{LABEL}={docker_name(cluster)}"


def variables(cluster: Cluster, roles: Sequence[Role], root: Path) -> dict[str, str]:
    """What the compose file asks for: an own address, ports on it, and where the project is."""
    found = {"SLUICE_ROOT": str(root)}
    known = {role.name: dict(role.ports) for role in roles} | {"mids": {"http": 5000}}
    for (role, port), variable in PORT_VARIABLES.items():
        if role in known:
            where = cluster.claim(role, port, known[role][port])
            found |= {"SLUICE_ADDRESS": where.host, variable: str(where.port)}
    return found
