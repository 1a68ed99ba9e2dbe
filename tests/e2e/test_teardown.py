"""Claim 12: the cluster comes down and nothing is left of it, however its session ends.

A child session, with the conftest of this repository, brings up Kafka, HDFS and the API. One is
let to its end, another killed; then processes, ports and directories are looked at. On a cluster
that is not the session's own the services stay, and answer; what the session made there is gone.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from pytest_sluice.backends.engine import left
from pytest_sluice.claims import Verdict
from pytest_sluice.protocol import MARK
from pytest_sluice.session import Session
from pytest_sluice.settings import SETTINGS
from pytest_sluice.waiting import Deadline, NotYet, WaitTimeout, wait_for

CHILD = Path(__file__).with_name("child_session.py")
# An ordinary end has already waited for the cluster; who is killed cannot.
SECONDS_AFTER_END = 1
SECONDS_AFTER_SIGKILL = 10
# On a cluster that stays: the Hive CLI starts, beside that of the other session.
SECONDS_TO_FORGET = 20
ROLES = {"kafka", "namenode", "datanode", "api"}
# Those that listen at an address which the host reaches, whatever the backend.
PUBLISHED = {"kafka", "namenode", "api"}
# Settings that a child has of its own.
OWN = ("directory", "claims")

Address = tuple[str, int]


@pytest.mark.report
def test_claim_12_nothing_is_left_of_the_cluster(
    tmp_path: Path,
    pytestconfig: pytest.Config,
    sluice_session: Session,
    sluice_record: Callable[[Verdict], Verdict],
) -> None:
    place = Place(pytestconfig, sluice_session)
    with ThreadPoolExecutor() as both:  # two clusters side by side do not meet
        ended = both.submit(left_over, place, tmp_path / "ended", let_end, SECONDS_AFTER_END)
        after_kill = SECONDS_AFTER_SIGKILL + (SECONDS_TO_FORGET if place.attached else 0)
        killed = both.submit(left_over, place, tmp_path / "killed", kill, after_kill)
    found = {"after its end": ended.result(), "after SIGKILL": killed.result()}
    statement = "The cluster comes down, and nothing is left of it."
    measured = "; ".join(f"{when}: {', '.join(what) or 'nothing'}" for when, what in found.items())
    verdict = sluice_record(Verdict.of_fact("12", statement, not any(found.values()), measured))
    assert verdict.as_expected, verdict.text()


class Place:
    """Where child sessions run: as this one does, by its options."""

    def __init__(self, config: pytest.Config, session: Session) -> None:
        self.root = config.rootpath
        self.deployment = session.deployment
        self.attached = session.deployment.backend.attached
        mode = {"zookeeper"} if session.settings["kafka"] == "zookeeper" else set()
        self.expected = {"api"} if self.attached else ROLES | mode
        given = {row.option: config.getoption(row.ini) for row in SETTINGS if row.name not in OWN}
        self.options = [f"{option}={text}" for option, text in given.items() if text is not None]

    def holds(self, names: Mapping[str, str]) -> list[str]:
        """What of a run's names is there, on a cluster that outlives its sessions."""
        if not names:
            return []
        schemas = {row[0] for row in self.deployment.presto("default").query("show schemas").rows}
        own = [f"schema {name}" for name in schemas if name.startswith(names["schema"])]
        if names["topic"] in self.deployment.kafka().topics():
            own.append(f"topic {names['topic']}")
        if self.deployment.hdfs().exists(names["root"]):
            own.append(f"folder {names['root']}")
        return own


def let_end(session: "ChildSession") -> None:
    """Let the child come to its end, which must be green."""
    (session.folder / "end").touch()
    assert session.process.wait(timeout=60) == 0, session.output()


def kill(session: "ChildSession") -> None:
    """Kill the child's pytest while its test is running."""
    os.kill(session.told["pytest"], signal.SIGKILL)
    assert session.process.wait(timeout=60) == -signal.SIGKILL


def left_over(
    place: Place, folder: Path, end: Callable[["ChildSession"], None], seconds: float
) -> list[str]:
    """What is left of a cluster, so many seconds after its session was ended."""
    with child_session(place, folder) as session:
        session.await_word()
        processes, ports = session.processes(), session.ports()
        assert place.expected <= session.roles
        if session.label:  # containers are the engine's, and not processes of ours
            assert len(left(session.label)) > len(session.roles)  # these, and their network
        else:
            assert len(processes) > len(session.roles)  # these, and the supervisor
        assert len(ports) >= len(session.roles & PUBLISHED)
        assert all(map(is_open, ports))
        assert session.files()
        assert len(place.holds(session.told["names"])) == (4 if place.attached else 0)
        end(session)

        def gone() -> None:
            if found := session.left_of(processes, ports):
                raise NotYet(", ".join(found))

        with suppress(WaitTimeout):
            wait_for("the cluster to be gone", gone, Deadline(seconds))
        return session.left_of(processes, ports)


class ChildSession:
    """A pytest session as a process; its temporary files go to a folder of its own."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        command = [sys.executable, "-m", "pytest", str(CHILD), "-p", "no:cacheprovider"]
        with (folder / "output.txt").open("w") as output:
            self.process = subprocess.Popen(
                [*command, *place.options, f"--sluice-directory={folder / 'logs'}"],
                cwd=place.root,
                env={**os.environ, "CHILD_SESSION": str(folder), "TMPDIR": str(self.temporary)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def output(self) -> str:
        """What the child has printed."""
        return (self.folder / "output.txt").read_text()

    def await_word(self) -> None:
        """Wait until the child's services are ready and it has told what they are."""

        def word() -> str:
            try:
                return (self.folder / "told.json").read_text()
            except FileNotFoundError:
                raise NotYet("no word of it") from None

        def alive() -> None:
            assert self.process.poll() is None, self.output()

        self.told = json.loads(wait_for("the child session", word, Deadline(120), alive=alive))
        self.directory = self.told["directory"]
        self.label = self.told["label"]
        self.roles = set(self.told["roles"])

    def processes(self) -> set[psutil.Process]:
        """The supervisor, and every process that carries the cluster's mark."""
        return {process for process in psutil.process_iter() if self._owns(process)}

    def ports(self) -> set[Address]:
        """Where the cluster's processes listen, or where its containers are published."""
        published = {(host, port) for host, port in self.told["published"]}
        return published | {at for process in self.processes() for at in listening(process)}

    def left_of(self, processes: set[psutil.Process], ports: set[Address]) -> list[str]:
        """What is still there, in words; the processes and ports are those of its best days."""
        alive = {process for process in processes if process.is_running()} | self.processes()
        return [
            *(f"process {process.pid}" for process in alive),
            *(f"port {host}:{port}" for host, port in ports if is_open((host, port))),
            *(f"file {path}" for path in self.files()),
            *(left(self.label) if self.label else ()),
            *self.place.holds(self.told["names"]),
        ]

    def files(self) -> list[Path]:
        """The cluster's directory, wherever it had to go, and all temporary files of the child."""
        own = Path(self.directory)
        return [*self.temporary.iterdir(), *([own] if own.exists() else [])]

    def _owns(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            is_marked = process.environ().get(MARK) == self.directory
            return is_marked or self.directory in process.cmdline()
        return False


@contextmanager
def child_session(place: Place, folder: Path) -> Iterator[ChildSession]:
    """A child session that does not outlive the test."""
    session = ChildSession(place, folder)
    try:
        yield session
    finally:
        session.process.kill()
        session.process.wait()


def listening(process: psutil.Process) -> Iterator[Address]:
    """The addresses on which a process accepts connections, if it is still there."""
    with suppress(psutil.Error):
        for connection in process.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                host, port = connection.laddr
                yield host.replace("::ffff:", ""), port


def is_open(address: Address) -> bool:
    """Whether somebody accepts connections at an address."""
    with suppress(OSError), socket.create_connection(address, timeout=1):
        return True
    return False
