"""What a container runs, run here: it becomes the role, and no health check imports pytest."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_sluice.addresses import Addresses
from pytest_sluice.contracts import NO_COMMAND, Launch
from pytest_sluice.wire import LAUNCH, launch_json

ANY_BROKER_SECONDS = 90
# Modules that only tests, their clients and the backends need.
HEAVY = {"pytest", "_pytest", "kafka", "pyspark", "prestodb", "docker", "pyarrow", "rich", "psutil"}


@contextmanager
def program(*words: str, errors: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The program with its imports in ``errors``, ended with the block."""
    command = [sys.executable, "-X", "importtime", "-m", "pytest_sluice", *words]
    with errors.open("wb") as err:
        started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=err)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(30)


def imported(errors: Path) -> set[str]:
    """The top modules that -X importtime has listed so far."""
    lines = errors.read_text("utf-8", "replace").splitlines()
    listed = (line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:"))
    return {name.partition(".")[0] for name in listed}


@pytest.mark.kafka
def test_a_role_is_served_and_probed_without_what_only_tests_need(tmp_path: Path) -> None:
    addresses = Addresses()
    served, probed = tmp_path / "served", tmp_path / "probed"
    place = ("--host", addresses.host)
    directory = ("--directory", str(tmp_path / "kafka"))
    with program("serve", "kafka", *place, *directory, errors=served) as role:
        seconds = ("--seconds", str(ANY_BROKER_SECONDS))
        with program("probe", "kafka", *place, *seconds, errors=probed) as probe:
            assert probe.wait(ANY_BROKER_SECONDS + 30) == 0
        # The process itself has become the broker: what a container is sent reaches the JVM.
        assert Path(f"/proc/{role.pid}/exe").resolve().name == "java"
    assert (tmp_path / "kafka/state/meta.properties").exists()
    for errors in (served, probed):
        assert "pytest_sluice" in imported(errors)
        assert not imported(errors) & HEAVY


def test_a_command_that_was_rendered_elsewhere_is_become(tmp_path: Path) -> None:
    script = "import os, sys; print(os.getcwd(), open(sys.argv[1]).read(), os.environ['TMPDIR'])"
    home = tmp_path / "home"
    launch = Launch(
        (sys.executable, "-c", script, str(home / "conf/file")),
        files={"conf/file": "text"},
        directory=tmp_path,
    )
    done = launched(launch_json(launch, home))
    assert done.stdout.split() == [str(tmp_path), "text", str(home / "tmp")]


def test_a_command_that_is_not_there_has_the_code_of_a_shell(tmp_path: Path) -> None:
    done = launched(launch_json(Launch(("no-such-bench",)), tmp_path))
    assert done.returncode == NO_COMMAND
    assert done.stderr.startswith("no-such-bench: not found on the PATH")


def test_an_order_that_cannot_be_read_is_refused_and_not_shown() -> None:
    done = launched('{"environment": {"WORD": "open-sesame-7391"}}')
    assert done.returncode == 1
    assert "this is no launch as JSON" in done.stderr
    assert "sesame" not in done.stderr


def launched(order: str) -> "subprocess.CompletedProcess[str]":
    """What becomes of an order, in a process of its own."""
    command = [sys.executable, "-m", "pytest_sluice", "launch"]
    around = {**os.environ, LAUNCH: order}
    return subprocess.run(command, env=around, capture_output=True, text=True, check=False)


def test_a_probe_of_nothing_fails_with_what_it_saw() -> None:
    address = Addresses().host
    command = [sys.executable, "-m", "pytest_sluice", "probe", "presto", "--host", address]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"presto at {address}:8080" in done.stderr
    assert "Connection refused" in done.stderr
