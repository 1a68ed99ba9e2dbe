"""The class data archives of this machine fit the command lines that the roles run with."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from pytest_sluice.class_data import ROLES, prepared_root, tools
from pytest_sluice.components import job
from pytest_sluice.contracts import Endpoint, Role, Site
from pytest_sluice.declaration import Job
from pytest_sluice.distributions import jars, java
from pytest_sluice.distributions.straight import is_straight, require_straight
from pytest_sluice.services import hdfs, hive, kafka, presto

HOST = "127.0.0.1"  # nothing listens: each JVM tells its version and ends
RENDERED: Mapping[str, Role] = {
    "kafka": kafka.ROLE,
    "namenode": hdfs.NAMENODE_ROLE,
    "datanode": hdfs.DATANODE_ROLE,
    "metastore": hive.ROLE,
    "presto": presto.ROLE,
    "spark": job.role("stream", Job(Path("job.py"), ()), {}, {}),
}


def site(role: Role, directory: Path) -> Site:
    ports = count(1)
    return Site(
        directory=directory,
        endpoints={name: Endpoint(HOST, next(ports)) for name in role.ports},
        peers={name: Endpoint(HOST, next(ports)) for name in role.peers},
        tools=tools(prepared_root()),
    )


def argv_of(name: str, directory: Path) -> tuple[str, ...]:
    """The command line that a role is started with."""
    if name == "hive":
        settings = hdfs.client_settings(Endpoint(HOST, 2))
        return hive.cli(tools(prepared_root()), directory, Endpoint(HOST, 1), settings, ()).argv
    role = RENDERED[name]
    return role.render(site(role, directory)).argv


def version(argv: tuple[str, ...], class_path: str) -> "subprocess.CompletedProcess[str]":
    """Let the JVM of ``argv``, which must use its archive or end, tell its version."""
    options = argv[: argv.index("-cp")]
    command = [*options, "-cp", class_path, "-Xshare:on", "-version"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def class_path_of(argv: tuple[str, ...]) -> str:
    return argv[argv.index("-cp") + 1]


@pytest.mark.parametrize("name", ROLES)
def test_the_archive_of_a_role_fits_its_command_line(name: str, tmp_path: Path) -> None:
    argv = argv_of(name, tmp_path)
    (archives,) = (word for word in argv if word.startswith("-XX:SharedArchiveFile="))
    assert archives.endswith(f"{name}.jsa")
    answer = version(argv, class_path_of(argv))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert ", sharing" in answer.stderr
    assert "warning" not in answer.stdout + answer.stderr


@pytest.mark.parametrize("name", ROLES)
def test_with_another_class_path_it_does_not(name: str, tmp_path: Path) -> None:
    argv = argv_of(name, tmp_path)
    first, second, *others = class_path_of(argv).split(os.pathsep)
    answer = version(argv, os.pathsep.join([second, first, *others]))
    assert answer.returncode != 0
    assert "shared class paths mismatch" in answer.stdout + answer.stderr


BROKER = "kafka.Kafka"


@dataclass(frozen=True)
class Archived:
    """A broker with its jars below a folder, run with an archive that it has written itself."""

    directory: Path
    lib: Path

    def run(self, *options: str) -> str:
        """Let the broker tell its version; what the JVM and it said."""
        class_path = os.pathsep.join(str(self.lib / jar.name) for jar in jars("kafka"))
        command = [str(java()), *options, "-cp", class_path, BROKER, "--version"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def record(self) -> None:
        """Write the archive, on top of one of the JRE's own classes."""
        base = f"-XX:SharedArchiveFile={self.directory / 'base.jsa'}"
        dump = [str(java()), "-Xshare:dump", base]
        subprocess.run(dump, capture_output=True, text=True, check=True)
        self.run(base, f"-XX:ArchiveClassesAtExit={self.directory / 'broker.jsa'}")

    def own_classes(self) -> list[str]:
        """Where each class of the broker itself came from, a line each."""
        both = f"{self.directory / 'base.jsa'}:{self.directory / 'broker.jsa'}"
        told = self.run(f"-XX:SharedArchiveFile={both}", "-Xshare:on", "-Xlog:class+load")
        return [
            line for line in told.splitlines() if " org.apache.kafka." in line or " kafka." in line
        ]


def place(folder: Path) -> Path:
    """The folder, with the jars of a broker in it."""
    folder.mkdir()
    for jar in jars("kafka"):
        shutil.copy2(jar, folder)
    return folder


def test_classes_below_a_straight_path_come_from_the_archive(tmp_path: Path) -> None:
    archived = Archived(tmp_path, require_straight(place(tmp_path / "a_cache-1.0~x@+")))
    archived.record()
    lines = archived.own_classes()
    assert [line for line in lines if "shared objects file (top)" in line], lines


@pytest.mark.parametrize("name", ["a cache", "cäche", "a=b", "link"])
def test_java_archives_none_below_any_other(tmp_path: Path, name: str) -> None:
    """The reason why such a cache is refused: once this fails, it need not be."""
    folder = place(tmp_path / ("a b" if name == "link" else name))
    if name == "link":
        (tmp_path / name).symlink_to(folder)
    assert not is_straight(tmp_path / name)
    archived = Archived(tmp_path, tmp_path / name)
    archived.record()
    lines = archived.own_classes()
    assert lines
    assert not [line for line in lines if "shared objects file" in line]
