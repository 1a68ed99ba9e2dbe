"""Which backend a session has, as its settings say, and what has to be there for it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pytest_sluice.backends.compose import ComposeBackend, Project
from pytest_sluice.backends.containers import ContainersBackend
from pytest_sluice.backends.external import ExternalBackend
from pytest_sluice.backends.inventory import OPTION, read_inventory
from pytest_sluice.backends.process import ProcessBackend
from pytest_sluice.class_data import prepared_root, templates, tools
from pytest_sluice.cluster import Cluster
from pytest_sluice.contracts import Backend, Role
from pytest_sluice.errors import SluiceError
from pytest_sluice.flow.deployment import roles
from pytest_sluice.settings import Settings

# Backends whose roles are containers of an engine.
ON_DOCKER = frozenset({"compose", "containers"})


@dataclass(frozen=True)
class Backing:
    """Makes the backend of a session: its settings, the root of the tests, and its log folder."""

    settings: Settings
    root: Path
    cluster: Cluster
    logs: Path

    def make(self, project: Project | None) -> Backend:
        """The backend that the settings name; ``project`` is what compose brings up."""
        makers: dict[str, Callable[[], Backend]] = {
            "process": self._process,
            "external": self._external,
            "containers": self._containers,
            "compose": lambda: self._compose(project),
        }
        return makers[self.settings["backend"]]()

    @property
    def _roles(self) -> tuple[Role, ...]:
        return roles(self.settings["kafka"])

    def _process(self) -> ProcessBackend:
        root = prepared_root()  # first: nothing is started where nothing is set up
        return ProcessBackend(self.cluster, tools(root), self._roles, self.logs, templates(root))

    def _external(self) -> ExternalBackend:
        addresses = self.settings["external"]
        if not addresses:
            raise SluiceError(
                "the backend external has no addresses",
                remedy=OPTION,
            )
        names = [role.name for role in roles()]  # how its brokers agree is their own matter
        return ExternalBackend(read_inventory(addresses, self.root), self._process(), names)

    def _containers(self) -> ContainersBackend:
        return self.containers("")

    def containers(self, name: str) -> ContainersBackend:
        """Single containers, as many sets of them as there are names; they do not outlive us."""
        image = self.settings["image"]
        backend = ContainersBackend(
            self.cluster, self._roles, self.logs, image=image, root=self.root, name=name
        )
        backend.promise()
        return backend

    def _compose(self, project: Project | None) -> ComposeBackend:
        if project is None:
            raise SluiceError(
                "the backend compose has no project yet",
                remedy="ask for the fixture sluice_session, which brings it up by docker_services",
            )
        return ComposeBackend(self.cluster, self._roles, self.logs, project)
