"""The class data archives of this machine fit the command lines that the roles run with."""

import os
import subprocess
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import pytest

from pytest_sluice.class_data import ROLES, prepared_root, tools
from pytest_sluice.components import job
from pytest_sluice.contracts import Endpoint, Role, Site
from pytest_sluice.declaration import Job
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
