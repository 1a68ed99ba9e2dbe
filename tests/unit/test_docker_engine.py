"""What the Docker backends ask of an engine, and what they leave alone; the engine is a fake."""

import json
import subprocess
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import docker
import pytest
import requests

from pytest_sluice.access import unshown
from pytest_sluice.backends import engine as engine_room
from pytest_sluice.backends.compose import ComposeBackend, Project, label_of
from pytest_sluice.backends.containers import LABEL, ContainersBackend, docker_name
from pytest_sluice.backends.ownership import (
    promise_own,
    to_bring_up,
    to_take_down,
    was_there,
)
from pytest_sluice.cluster import Cluster
from pytest_sluice.contracts import Launch, Role, Tools
from pytest_sluice.errors import ServiceNotReady, SluiceError
from pytest_sluice.wire import LAUNCH, order_from_json
from tests.fake_engine import FakeCluster, FakeEngine

WORD = "open-sesame-7391"
SERVICES = ("zookeeper", "kafka", "cloudera", "namenode", "datanode", "metastore", "spark", "mids")
KAFKA = Role("kafka", lambda _site: Launch(("kafka",)), "kafka", ports={"client": 9092})
SECRET = replace(
    KAFKA,
    name="api",
    service="mids",
    ports={"http": 5000},
    render=lambda _site: Launch(("serve",), {"WORD": unshown(WORD), "ODD": "$HOME \"{}'"}),
)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """The engine to which every client speaks."""
    fake = FakeEngine()
    monkeypatch.setattr(docker, "from_env", lambda **_how: fake.client())
    engine_room.engine.cache_clear()
    yield fake
    engine_room.engine.cache_clear()


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    """The session's own."""
    directory = tmp_path / "sluice-a_b"
    directory.mkdir()
    return FakeCluster(directory)


def labels(project: str, service: str, one_off: bool = False) -> dict[str, str]:
    """What compose puts on a container."""
    head = "com.docker.compose"
    return {
        f"{head}.project": project,
        f"{head}.service": service,
        f"{head}.oneoff": str(one_off),
    }


def composed(cluster: FakeCluster, folder: Path) -> ComposeBackend:
    """A backend on the project `own`, which is up."""
    project = Project("docker compose", ("docker-compose.yml",), "own")
    project.up.set()
    backend = ComposeBackend(cast("Cluster", cluster), [KAFKA], folder, project)
    backend.__dict__["tools"] = Tools(Path("java"), {})
    return backend


def contained(cluster: FakeCluster, folder: Path) -> ContainersBackend:
    """A backend whose roles are single containers."""
    backend = ContainersBackend(
        cast("Cluster", cluster), [KAFKA], folder / "logs", image="image", root=folder
    )
    backend.__dict__["tools"] = Tools(Path("java"), {})
    return backend


class TestPolls:
    """A poll asks for what it wants to know, and for nothing else."""

    def test_a_service_costs_two_requests_and_then_one_each(
        self, engine: FakeEngine, cluster: FakeCluster, tmp_path: Path
    ) -> None:
        ids = {name: engine.add(f"own-{name}-1", labels("own", name)) for name in SERVICES}
        engine.add("own-kafka-run", labels("own", "kafka", one_off=True))
        engine.add("other-kafka-1", labels("other", "kafka"))
        backend = composed(cluster, tmp_path)
        engine_room.engine()
        engine.asked.clear()
        backend.require_alive("kafka")
        assert len(engine.asked) == 2, engine.asked
        assert backend.find("kafka").id == ids["kafka"]
        for _ in range(9):
            backend.require_alive("kafka")
        assert len(engine.asked) == 12, engine.asked

    def test_what_took_the_place_of_a_service_is_found(
        self, engine: FakeEngine, cluster: FakeCluster, tmp_path: Path
    ) -> None:
        backend = composed(cluster, tmp_path)
        first = engine.add("own-kafka-1", labels("own", "kafka"))
        assert backend.find("kafka").id == first
        del engine.containers[first]
        assert backend.find("kafka") is None
        second = engine.add("own-kafka-2", labels("own", "kafka"))
        assert backend.find("kafka").id == second

    def test_a_role_of_its_own_is_found_before_the_place_where_it_would_be(
        self, engine: FakeEngine, cluster: FakeCluster, tmp_path: Path
    ) -> None:
        project = Project("docker compose", (), "own")
        namenode = replace(KAFKA, name="namenode", service="cloudera")
        backend = ComposeBackend(cast("Cluster", cluster), [namenode], tmp_path, project)
        pod = engine.add("own-cloudera-1", labels("own", "cloudera"))
        assert backend.find("namenode").id == pod
        own = engine.add("own-namenode-1", labels("own", "namenode"))
        assert backend.find("namenode").id == own


class TestNetwork:
    """A network is the cluster's own where it has its very name."""

    def test_one_that_only_begins_alike_is_not_taken_for_it(
        self, engine: FakeEngine, cluster: FakeCluster, tmp_path: Path
    ) -> None:
        backend = contained(cluster, tmp_path)
        engine.networks.append({"Id": "x", "Name": f"{backend.prefix}-c2", "Labels": {}})
        backend._network()
        assert [row["Name"] for row in engine.networks[1:]] == [backend.prefix]
        backend._network()
        assert len(engine.networks) == 2


class TestSecrets:
    """What an environment holds is on no command line."""

    def test_a_single_container_gets_it_by_its_environment(
        self, engine: FakeEngine, cluster: FakeCluster, tmp_path: Path
    ) -> None:
        contained(cluster, tmp_path).start(SECRET)
        (made,) = engine.containers.values()
        assert WORD not in json.dumps([made["Config"]["Cmd"], made["Name"]])
        assert made["Config"]["Cmd"] == ["python3", "-m", "pytest_sluice", "launch"]
        told = dict(each.split("=", 1) for each in made["Config"]["Env"])
        assert order_from_json(told[LAUNCH]).launch.environment["WORD"] == WORD

    def test_compose_gets_it_by_the_environment_of_its_own_process(
        self,
        engine: FakeEngine,
        cluster: FakeCluster,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        calls: list[tuple[list[str], dict[str, str]]] = []

        def run(argv: list[str], **how: Any) -> "subprocess.CompletedProcess[str]":
            calls.append((argv, how["env"]))
            return subprocess.CompletedProcess(argv, 0, "", "")

        monkeypatch.setattr(subprocess, "run", run)
        composed(cluster, tmp_path).start(SECRET)
        ((argv, environment),) = calls
        assert WORD not in " ".join(argv)
        assert argv[argv.index("--env") + 1] == LAUNCH
        assert order_from_json(environment[LAUNCH]).launch.environment["WORD"] == WORD
        assert WORD not in repr(environment)  # as a traceback with locals would show it

    def test_a_command_gets_it_by_its_environment(
        self,
        engine: FakeEngine,
        cluster: FakeCluster,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        ran: list[tuple[list[str], dict[str, str]]] = []

        def exec_run(_self: object, command: list[str], **how: Any) -> tuple[int, object]:
            ran.append((command, how["environment"]))
            return 0, (b"", b"")

        monkeypatch.setattr("docker.models.containers.Container.exec_run", exec_run)
        engine.add("own-kafka-1", labels("own", "kafka"))
        composed(cluster, tmp_path).exec("kafka", Launch(("tool",), {"WORD": WORD}))
        ((command, environment),) = ran
        assert WORD not in " ".join(command)
        assert order_from_json(environment[LAUNCH]).launch == Launch(("tool",), {"WORD": WORD})
        assert WORD not in repr(environment)

    @pytest.mark.parametrize("raised", [requests.ConnectionError, requests.ReadTimeout])
    def test_an_engine_that_fails_meanwhile_leaves_no_frame_that_holds_it(
        self,
        engine: FakeEngine,
        cluster: FakeCluster,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        raised: type[Exception],
    ) -> None:
        send = FakeEngine.send

        def fail(self: FakeEngine, request: requests.PreparedRequest, **how: object) -> object:
            if "containers/create" in str(request.url):
                raise raised("cut off")
            return send(self, request, **how)

        monkeypatch.setattr(FakeEngine, "send", fail)
        with pytest.raises(SluiceError, match="could not start api: cut off") as caught:
            contained(cluster, tmp_path).start(SECRET)
        cause = caught.value.__cause__
        assert isinstance(cause, raised)
        assert not traceback.extract_tb(cause.__traceback__)


class TestRestart:
    """What is dead starts again as it was declared, and on what it kept where it can."""

    @pytest.mark.parametrize("changed", [False, True])
    def test_a_component_with_another_environment_is_made_anew(
        self, engine: FakeEngine, cluster: FakeCluster, tmp_path: Path, changed: bool
    ) -> None:
        backend = contained(cluster, tmp_path)
        backend.start(SECRET)
        (first,) = engine.containers
        engine.die(first)
        again = replace(SECRET, render=lambda _site: Launch(("serve",), {"WORD": "another"}))
        backend.start(again if changed else SECRET)
        (second,) = engine.containers.values()
        assert (second["Id"] != first) == changed
        assert second["State"]["Running"]
        told = dict(each.split("=", 1) for each in second["Config"]["Env"])
        word = order_from_json(told[LAUNCH]).launch.environment["WORD"]
        assert word == ("another" if changed else WORD)
        saved = [path.read_text() for path in (tmp_path / "logs").glob("api-*.log")]
        assert saved == (["last words\n"] if changed else [])

    def test_what_runs_is_left_alone(
        self, engine: FakeEngine, cluster: FakeCluster, tmp_path: Path
    ) -> None:
        backend = contained(cluster, tmp_path)
        backend.start(SECRET)
        backend.start(replace(SECRET, render=lambda _site: Launch(("other",))))
        (only,) = engine.containers.values()
        told = dict(each.split("=", 1) for each in only["Config"]["Env"])
        assert order_from_json(told[LAUNCH]).launch.argv == ("serve",)

    def test_what_compose_made_is_started_as_it_is(
        self, engine: FakeEngine, cluster: FakeCluster, tmp_path: Path
    ) -> None:
        made = engine.add("own-kafka-1", labels("own", "kafka"))
        engine.die(made)
        composed(cluster, tmp_path).start(KAFKA)
        assert engine.containers[made]["State"]["Running"]


class TestPromise:
    """The end of the cluster removes what its session made, and nothing else."""

    def test_a_project_of_our_own_name_is_removed(
        self, engine: FakeEngine, cluster: FakeCluster
    ) -> None:
        name = docker_name(cast("Cluster", cluster))
        promise_own(cast("Cluster", cluster), name)
        assert list(cluster.undos) == [label_of(name)]
        assert cluster.undos[label_of(name)][-2:] == ["discard", label_of(name)]

    def test_of_a_project_that_its_user_named_only_our_components_are(
        self, engine: FakeEngine, cluster: FakeCluster
    ) -> None:
        promise_own(cast("Cluster", cluster), "mine")
        own = f"{LABEL}={docker_name(cast('Cluster', cluster))}"
        assert list(cluster.undos) == [own]

    def test_of_a_project_that_was_there_only_our_components_are(
        self, engine: FakeEngine, cluster: FakeCluster
    ) -> None:
        name = docker_name(cast("Cluster", cluster))
        engine.add(f"{name}-kafka-1", labels(name, "kafka"))
        promise_own(cast("Cluster", cluster), name)
        assert label_of(name) not in cluster.undos

    def test_whether_it_was_there_is_asked_before_it_is_brought_up_and_for_all(
        self, engine: FakeEngine, cluster: FakeCluster
    ) -> None:
        assert was_there(cast("Cluster", cluster), "own") == []
        engine.add("own-kafka-1", labels("own", "kafka"))  # by us
        assert was_there(cast("Cluster", cluster), "own") == []

    def test_what_was_there_of_one_project_says_nothing_of_another(
        self, engine: FakeEngine, cluster: FakeCluster
    ) -> None:
        engine.add("theirs-kafka-1", labels("theirs", "kafka"))
        assert was_there(cast("Cluster", cluster), "own") == []
        assert was_there(cast("Cluster", cluster), "theirs") == ["container theirs-kafka-1"]

    def test_a_container_of_the_users_that_has_a_components_name_is_not_ours(
        self, engine: FakeEngine, cluster: FakeCluster, tmp_path: Path
    ) -> None:
        engine.add("own-api", labels("own", "mids"))
        assert composed(cluster, tmp_path).find("api") is None

    @pytest.mark.parametrize(
        ("before", "up", "down"),
        [
            ([], True, ["down --volumes --remove-orphans --timeout 1"]),
            (["volume own_kept"], True, ["down --remove-orphans --timeout 1"]),
            (["network own_default"], True, ["down --volumes --remove-orphans --timeout 1"]),
            (["container own-kafka-1", "volume own_kept"], False, []),
        ],
        ids=str,
    )
    def test_what_was_there_is_neither_brought_up_nor_taken_down(
        self, before: list[str], up: bool, down: list[str]
    ) -> None:
        wanted = "up --build --wait --quiet-pull kafka mids"
        assert to_bring_up(before, ["kafka", "mids"]) == ([wanted] if up else [])
        assert to_take_down(before) == down

    def test_a_component_carries_the_name_of_its_cluster(
        self,
        engine: FakeEngine,
        cluster: FakeCluster,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        calls: list[list[str]] = []

        def run(argv: list[str], **_how: Any) -> "subprocess.CompletedProcess[str]":
            calls.append(argv)
            return subprocess.CompletedProcess(argv, 1, "", "no room")

        monkeypatch.setattr(subprocess, "run", run)
        with pytest.raises(ServiceNotReady, match="docker compose run ended with exit code 1"):
            composed(cluster, tmp_path).start(SECRET)
        assert f"{LABEL}={docker_name(cast('Cluster', cluster))}" in calls[0]
