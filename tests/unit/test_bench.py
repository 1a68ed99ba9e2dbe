"""A burst where `ab` is missing: the machine lacks a tool, and the API is not to blame."""

from pathlib import Path

import pytest

from pytest_sluice.answers import TrafficError
from pytest_sluice.contracts import Completed, Launch, Role
from pytest_sluice.declaration import Burst
from pytest_sluice.distributions.bench_tool import BenchMissing
from pytest_sluice.flow.handles import RunApi
from tests.fakes import FakeBackend

API = Role("api", lambda _site: Launch(("serve",)), "mids", ports={"http": 5000})


def burst(folder: Path, done: Completed) -> None:
    """Send a burst by a command that comes to this."""
    backend = FakeBackend(folder, lambda _launch: done)
    backend.start(API)
    RunApi(backend, "api").burst(Burst(1, "/"))


def test_it_is_told_with_what_installs_it(tmp_path: Path) -> None:
    with pytest.raises(BenchMissing, match=r"Apache Bench \(`ab`\) is missing") as caught:
        burst(tmp_path, Completed(127, b"", b"ab: not found"))
    assert caught.value.checked == ("a burst was to be sent where api runs", "ab: not found")
    for how in ("apt-get install apache2-utils", "dnf install httpd-tools"):
        assert how in caught.value.remedy


def test_an_ab_that_is_there_and_fails_is_about_the_traffic(tmp_path: Path) -> None:
    with pytest.raises(TrafficError, match="exit code 104"):
        burst(tmp_path, Completed(104, b"", b"apr_socket_recv: Connection reset by peer (104)"))
