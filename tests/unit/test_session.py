"""A session: the folder of its logs, what it sweeps, and what it tells at its end."""

from pathlib import Path
from typing import Any

import pytest

from pytest_sluice import session as room
from pytest_sluice.burial import Sweep
from pytest_sluice.cluster import Cluster
from pytest_sluice.events import Event
from pytest_sluice.session import Session, Shared
from pytest_sluice.settings import resolve
from pytest_sluice.waiting import WaitTimeout


class FakeCluster:
    """A lease on nothing; ``left`` is what its end answers or raises."""

    def __init__(self, directory: Path, left: list[str] | Exception) -> None:
        self.directory = directory
        self.left = left
        self.acts: list[str] = []

    def close(self) -> None:
        """Give it back."""
        self.acts.append("close")

    def await_end(self) -> list[str]:
        """What could not be undone."""
        self.acts.append("await the end")
        if isinstance(self.left, Exception):
            raise self.left
        return self.left


def session(root: Path, directory: str = "logs", shared: Shared | None = None) -> Session:
    """A session without a pipeline."""
    settings = resolve({"sluice_directory": directory}.get, {}, lambda _key: None)
    return Session(None, settings, root, shared)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """The cluster that every session gets; a sweep that found something."""
    fake = FakeCluster(tmp_path / "cluster", ["it: left"])
    swept = Sweep(["sluice-x: buried"], ["sluice-y is a link"])
    monkeypatch.setattr(room, "sweep", lambda: swept)
    monkeypatch.setattr(Cluster, "create", lambda: fake)
    monkeypatch.setattr(Cluster, "attach", lambda _directory: fake)
    return fake


def test_a_folder_full_of_other_things_keeps_them(tmp_path: Path) -> None:
    names = [".git", "bench", "docs", "pipeline", "src", "tests", "tools"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    own = session(tmp_path, ".").directory
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, own.name])


def test_the_folder_is_made_once_and_is_the_controllers_in_a_worker(tmp_path: Path) -> None:
    one = session(tmp_path)
    assert one.directory is one.directory
    shared = Shared(tmp_path / "cluster", one.directory)
    assert session(tmp_path, shared=shared).directory == one.directory


def test_what_was_swept_and_what_was_not_is_told(tmp_path: Path, fake: FakeCluster) -> None:
    told: list[Event] = []
    one = session(tmp_path)
    one.follow(told.append)
    assert one.cluster is fake  # type: ignore[comparison-overlap]
    assert [(each["kind"], each["what"]) for each in told] == [
        ("swept", "sluice-x: buried"),
        ("not swept", "sluice-y is a link"),
    ]


def test_what_could_not_be_undone_is_told_once(tmp_path: Path, fake: FakeCluster) -> None:
    one = session(tmp_path)
    assert one.close() == []  # nothing was asked for
    assert one.cluster
    assert one.close() == ["it: left"]
    assert one.close() == []
    assert fake.acts == ["close", "await the end"]


def test_an_end_that_does_not_come_is_told(tmp_path: Path, fake: FakeCluster) -> None:
    fake.left = WaitTimeout("waited 90 s for the end of the cluster")
    one = session(tmp_path)
    assert one.cluster
    assert one.close() == ["waited 90 s for the end of the cluster"]


@pytest.mark.usefixtures("fake")
def test_a_worker_sweeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise AssertionError

    monkeypatch.setattr(room, "sweep", refuse)
    assert session(tmp_path, shared=Shared(tmp_path / "cluster", tmp_path)).cluster
