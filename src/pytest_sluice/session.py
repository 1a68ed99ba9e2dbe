"""One session's pipeline: its cluster, its deployment, its runs. Nothing starts before it is asked.

Knows nothing of pytest: the plugin makes one, fixtures ask it, the plugin closes it.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from pytest_sluice.backends.compose import Project
from pytest_sluice.backing import Backing
from pytest_sluice.burial import sweep
from pytest_sluice.cluster import Cluster
from pytest_sluice.contracts import Backend, Role
from pytest_sluice.declaration import STAGES, Pipeline, Stage
from pytest_sluice.errors import BadDeclaration, SluiceError
from pytest_sluice.events import Follower, Journal
from pytest_sluice.flow.belongings import Belongings
from pytest_sluice.flow.deployment import Deployment, roles
from pytest_sluice.flow.forget import forget_command
from pytest_sluice.flow.guest import Guest
from pytest_sluice.flow.landing import Lander, nodes_for
from pytest_sluice.flow.preflight import preflight
from pytest_sluice.flow.run import Run
from pytest_sluice.folders import session_folder
from pytest_sluice.ledger import Landing
from pytest_sluice.scale import block_replication, scaled
from pytest_sluice.settings import Settings

# In the cluster's directory: the word that tells this guest of a cluster from others, and the list
# of what it made there.
GUEST = "guest"
BELONGINGS = "belongings.jsonl"


@dataclass(frozen=True)
class Shared:
    """What the workers of one controller share: its cluster, and the folder of its logs."""

    cluster: Path
    directory: Path

    def as_json(self) -> dict[str, str]:
        """A value that travels to a worker."""
        return {"cluster": str(self.cluster), "directory": str(self.directory)}

    @classmethod
    def from_json(cls, value: Mapping[str, str] | None) -> "Shared | None":
        """What ``as_json`` was taken from; None where there is no controller."""
        return cls(Path(value["cluster"]), Path(value["directory"])) if value else None


class Session:
    """What the fixtures of one pytest session share."""

    def __init__(
        self,
        pipeline: Pipeline | None,
        settings: Settings,
        root: Path,
        shared: Shared | None = None,
    ) -> None:
        self.settings = settings
        self._pipeline = pipeline
        self._root = root
        self._shared = shared
        self._lock = threading.RLock()
        self._followers: list[Follower] = []
        self._project: Project | None = None
        self._wanted: list[str] = []
        self._wants_more = False
        # Where the landing of the shared run ends: at the deepest stage that a selected test needs.
        self.until: Stage = STAGES[-1]
        self._closed = False

    @property
    def pipeline(self) -> Pipeline:
        """The declared pipeline, as large and in such a place as the settings say."""
        if self._pipeline is None:
            raise BadDeclaration(
                "no pipeline is declared",
                remedy="return one from pytest_sluice_pipeline(config) in conftest.py",
            )
        return scaled(self._pipeline, self.settings, os.environ)

    @property
    def has_pipeline(self) -> bool:
        """Whether a conftest declared one."""
        return self._pipeline is not None

    @property
    def used(self) -> bool:
        """Whether anything was asked for, so that there are logs and events."""
        return "directory" in self.__dict__

    def follow(self, follower: Follower) -> None:
        """Hand every event to ``follower`` as it happens; opens nothing by itself."""
        self._followers.append(follower)

    @cached_property
    def directory(self) -> Path:
        """The folder of this session's logs and events; those of old sessions are removed."""
        if self._shared:
            return self._shared.directory
        return session_folder(self._root / self.settings["directory"])

    @cached_property
    def journal(self) -> Journal:
        """The session's events."""
        name = f"events-{os.getpid()}.jsonl" if self._shared else "events.jsonl"
        journal = Journal(self.directory / name)
        for follower in self._followers:
            journal.follow(follower)
        return journal

    @cached_property
    def cluster(self) -> Cluster:
        """The lease on the cluster: a new one, or that of the session that started this one."""
        if self._shared:
            return Cluster.attach(self._shared.cluster)
        swept = sweep()
        for what in swept.buried:
            self.journal.emit("swept", what=what)
        for what in swept.left:
            self.journal.emit("not swept", what=what)
        return Cluster.create()

    @property
    def deployment(self) -> Deployment:
        """The services, none of them started yet."""
        with self._lock:
            return self._deployment

    @property
    def run(self) -> Run:
        """The run that the claims share."""
        with self._lock:
            return self._run

    def to_share(self) -> Shared:
        """What the workers of this session are to be told."""
        return Shared(self.cluster.directory, self.directory)

    def landing_so_far(self) -> Landing | None:
        """The landing of the shared run, where any holder of the cluster has brought it about."""
        if "cluster" not in self.__dict__:
            return None
        found = self.cluster.made("landing")
        return Landing.from_json(found) if found else None

    def start(self, nodes: Sequence[str], more: bool = False) -> None:
        """Bring nodes of the shared run about in the background, once their addresses were asked.

        With compose they start once its project is told.

        ``more`` is as of :meth:`ask`.
        """
        self._require_declared(nodes)
        self._wanted = list(nodes)
        self._wants_more = more
        if self.awaits_project:
            return
        self.ask(self._wanted, more)
        if self._wanted:
            self.run.graph.start(map(self.run.node, self._wanted))

    @property
    def awaits_project(self) -> bool:
        """Whether the services are those of a compose project that was not told yet."""
        return self.settings["backend"] == "compose" and self._project is None

    def tell_project(self, project: Project) -> None:
        """Say which compose project has the services; what was wanted starts as they come up."""
        self._project = project
        self.start(self._wanted, self._wants_more)

    @property
    def wanted_roles(self) -> tuple[Role, ...]:
        """The services that the selected tests need; all where a run of their own may need any."""
        if self._wants_more or not self._wanted:
            return roles(self.settings["kafka"])
        return self.deployment.roles_for(self._needed(self._wanted))

    def ask(self, nodes: Sequence[str], more: bool = False) -> None:
        """On a cluster that is not the session's own, ask every address that nodes need.

        With ``more``, where runs of their own may need anything, every address that was given.
        Raises ServiceNotReady with all that cannot be used.
        """
        self._require_declared(nodes)
        if self.awaits_project or not (nodes or (more and self.settings["external"])):
            return
        names = self._needed(nodes)  # first: a declaration may be missing
        if self.deployment.backend.attached:
            preflight(self.deployment, names, more)

    def _require_declared(self, nodes: Sequence[str]) -> None:
        """Refuse tests that ask for a part of the pipeline which nobody declared."""
        for node, part in (("api", "api"), ("stream", "job"), ("landing", "traffic")):
            if node in nodes and not getattr(self.pipeline, part):
                raise BadDeclaration(
                    f"a test asks for sluice_{node}, and Pipeline.{part} is not declared",
                    remedy=f"declare Pipeline({part}=...), or leave the test out",
                )

    def _needed(self, nodes: Sequence[str]) -> list[str]:
        """The nodes as the graph names them; a landing asks for its own as it goes."""
        landing = nodes_for(self.pipeline, self.until) if "landing" in nodes else ()
        return [self.run.node(node) for node in (*nodes, *landing)]

    @contextmanager
    def own_run(self) -> Iterator[Run]:
        """A run with topic, folder and schema of its own; its processes end with the block."""
        run = Run(self._next_number(), self.pipeline, self.deployment)
        try:
            yield run
        finally:
            run.close()

    @contextmanager
    def containers(self) -> Iterator[Deployment]:
        """Services in single containers, none of them started yet; removed with the block."""
        backend = self._backing.containers(f"c{self._next_number()}")
        try:
            yield self._deployed(backend)
        finally:
            backend.close()

    def save_logs(self) -> None:
        """Bring the logs of roles that are not written to files into the folder of logs."""
        self.deployment.backend.save_logs()

    def landing(self) -> Landing:
        """The landing of the shared run; brought about once, whoever asks."""
        landing: Landing = self.run.join("landing")
        return landing

    def leave(self) -> list[str]:
        """End the components, and remove what the session made on a cluster that is not its own.

        What could not be removed is answered, a sentence each; it is tried once more when the
        cluster's directory is removed. The workers of a session leave that to it.
        """
        if self._shared or not self._used_as_guest:
            return []
        self.cluster.kill_all()
        deployment = self.deployment
        left = deployment.guest.leave(deployment.hands()) if deployment.guest else []
        if not left:
            self.cluster.undone(GUEST)
        self.journal.emit("left", things=left)
        return left

    def close(self) -> list[str]:
        """Give the lease back; wait until an owned cluster is gone, and prove it.

        What could not be undone is answered, a sentence each; once, however often this is called.
        """
        if "cluster" not in self.__dict__ or self._closed:
            return []
        self._closed = True
        self.cluster.close()
        try:
            return self.cluster.await_end()
        except SluiceError as error:
            return [str(error)]

    @cached_property
    def _deployment(self) -> Deployment:
        return self._deployed(self._backing.make(self._project))

    @cached_property
    def _backing(self) -> Backing:
        return Backing(self.settings, self._root, self.cluster, self.directory / "logs")

    def _deployed(self, backend: Backend) -> Deployment:
        return Deployment(
            backend,
            self.journal,
            self.settings["timeout_factor"],
            mode="kraft" if backend.attached else self.settings["kafka"],
            replication=block_replication(self.settings),
            guest=self._guest() if backend.attached else None,
        )

    @property
    def _used_as_guest(self) -> bool:
        return "cluster" in self.__dict__ and (self.cluster.directory / BELONGINGS).exists()

    def _guest(self) -> Guest:
        """One for all the processes of the session; what it makes is removed however they end."""
        word = self.cluster.once(GUEST, lambda: uuid4().hex[:8])
        belongings = Belongings(self.cluster.directory / BELONGINGS)
        log = self.directory / "logs" / "left.log"
        self.cluster.undo(
            GUEST, forget_command(belongings, self.settings["external"], self._root, log)
        )
        return Guest(word, belongings)

    @cached_property
    def _run(self) -> Run:
        run = Run(1, self.pipeline, self._deployment)
        run.graph.add("landing", (), lambda: self._shared_landing(run), run.group)
        return run

    def _shared_landing(self, run: Run) -> Landing:
        def land() -> object:
            return Lander(run).land(self.pipeline.traffic, self.until).as_json()

        return Landing.from_json(self.cluster.once("landing", land))

    def _next_number(self) -> int:
        return int(self.cluster.ask("number")["number"])
