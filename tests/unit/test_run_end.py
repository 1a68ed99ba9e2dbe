"""The end of a run: what it started is dead, and it starts nothing more."""

import threading
from pathlib import Path
from typing import Any

import pytest

from pytest_sluice.contracts import Launch, Role
from pytest_sluice.declaration import Pipeline, Topic
from pytest_sluice.errors import ClusterLost
from pytest_sluice.events import Journal
from pytest_sluice.flow.deployment import Deployment
from pytest_sluice.flow.run import Run
from tests.fakes import KILLED, FakeBackend

ROLE = Role("api-r2", lambda _site: Launch(("api",)))


class SlowBackend(FakeBackend):
    """It takes until somebody lets it go on that a role has started."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.begun, self.go_on = threading.Event(), threading.Event()

    def start(self, role: Role) -> None:
        """Begin, wait, start."""
        self.begun.set()
        assert self.go_on.wait(10)
        super().start(role)


@pytest.fixture
def backend(tmp_path: Path) -> SlowBackend:
    """Where the run's components are."""
    return SlowBackend(tmp_path)


@pytest.fixture
def run(backend: SlowBackend, tmp_path: Path) -> Run:
    """Run 2 of a pipeline that is a topic."""
    deployment = Deployment(backend, Journal(tmp_path / "events.jsonl"))
    return Run(2, Pipeline(Topic("clicks")), deployment)


def in_a_thread(act: Any) -> threading.Thread:
    """Something that goes on beside the test."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def test_what_it_started_is_killed(run: Run, backend: SlowBackend) -> None:
    backend.go_on.set()
    run._start(ROLE)
    assert backend.exit_code("api-r2") is None
    run.close()
    assert backend.exit_code("api-r2") == KILLED


def test_what_starts_just_now_is_awaited_and_killed(run: Run, backend: SlowBackend) -> None:
    starting = in_a_thread(lambda: run._start(ROLE))
    assert backend.begun.wait(10)
    closing = in_a_thread(run.close)
    closing.join(0.05)
    backend.go_on.set()
    for thread in (starting, closing):
        thread.join(10)
        assert not thread.is_alive()
    assert backend.exit_code("api-r2") == KILLED
    assert backend.leftovers() == []


def test_nothing_starts_any_more_when_it_is_over(run: Run, backend: SlowBackend) -> None:
    backend.go_on.set()
    run.close()
    with pytest.raises(ClusterLost, match="run 2 is over: api-r2 does not start any more"):
        run._start(ROLE)
    assert backend.leftovers() == []
    assert not backend.processes
