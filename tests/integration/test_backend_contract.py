"""The contract of backends: the same tests for each of them, and for the fake.

On a Docker engine the roles run in the image of this project, which has to be built.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from pytest_docker.plugin import get_docker_services

from pytest_sluice.backends.compose import ComposeBackend, Project, label_of
from pytest_sluice.backends.containers import ContainersBackend, docker_name
from pytest_sluice.backends.docker_roles import DockerRoles, promise_removal
from pytest_sluice.backends.engine import left
from pytest_sluice.backends.external import ExternalBackend
from pytest_sluice.backends.inventory import Inventory
from pytest_sluice.cluster import Cluster
from pytest_sluice.contracts import NO_COMMAND, Backend, Completed, Endpoint, Launch
from pytest_sluice.errors import ServiceNotReady, SluiceError, Unsupported
from pytest_sluice.settings import IMAGE
from pytest_sluice.waiting import Deadline, NotYet, wait_for
from tests.fakes import FakeBackend
from tests.integration.roles import ask, process_backend, web, with_environment

SPEAK = (
    "import os, sys; sys.stdout.write(open('words').read() + os.environ['WHO']);"
    " sys.stderr.write('aside'); sys.exit(3)"
)
HANG = "import signal; signal.pause()"
# Every command line that can be seen from beside the role and has the secret word in it.
LOOK = """
import glob, os, pathlib
for path in glob.glob("/proc/[0-9]*/cmdline"):
    try:
        words = pathlib.Path(path).read_bytes()
    except OSError:
        continue
    if os.environ["WORD"].encode() in words:
        print(path, words)
print("known as", os.environ["WORD"])
"""
SERVICE = "service"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Case:
    """A backend, and how to ask one of its roles for an answer."""

    backend: Backend
    ask: Callable[[str], str]

    def started(self, name: str, *, stubborn: bool = False) -> str:
        """Start a role of this name and wait until it answers; the name."""
        self.backend.start(web(name, stubborn=stubborn))
        self.answered(name)
        return name

    def answered(self, name: str) -> str:
        """What the role answers, once it does."""
        return wait_for(
            f"{name} to answer",
            partial(self.ask, name),
            Deadline(30),
            alive=partial(self.backend.require_alive, name),
        )


def by_http(backend: Backend) -> Case:
    """A case whose roles are asked over HTTP."""
    return Case(backend, lambda name: ask(backend.endpoint(name, "http")))


def python(backend: Backend, program: str, **more: Any) -> Launch:
    """A program for the Python of the place where commands run."""
    return Launch((str(backend.tools.python), "-c", program), **more)


def fake_command(launch: Launch) -> Completed:
    """What the fake answers to the commands of this module."""
    if HANG in launch.argv:
        raise SluiceError("python ran for 0.5 s without an end, and was killed")
    if LOOK in launch.argv:
        return Completed(0, f"known as {launch.environment['WORD']}\n".encode())
    if launch.argv[0] == "no-such-bench":
        return Completed(NO_COMMAND, b"", b"no-such-bench: not found")
    if SPEAK in launch.argv:
        return Completed(3, (launch.files["words"] + launch.environment["WHO"]).encode(), b"aside")
    return Completed(0, b"noted")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of this module, for roles that are Python."""
    with Cluster.create() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def owner(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The backend that owns the service to which the external one attaches."""
    case = by_http(process_backend(cluster, tmp_path_factory.mktemp("owner")))
    case.started(SERVICE)
    return case


@pytest.fixture(scope="module")
def attached(owner: Case, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """An external backend that is attached to a service which it did not start."""
    endpoint = owner.backend.endpoint(SERVICE, "http")
    local = process_backend(cluster, tmp_path_factory.mktemp("attached"))
    return by_http(ExternalBackend(Inventory({f"{SERVICE}.http": (endpoint,)}), local))


@pytest.fixture(scope="module")
def contained(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """A backend whose roles are single containers."""
    logs = tmp_path_factory.mktemp("containers")
    image = os.environ.get("SLUICE_IMAGE", IMAGE)
    backend = ContainersBackend(cluster, [], logs, image=image, root=ROOT)
    backend.promise()
    yield by_http(backend)
    backend.close()
    assert left(backend.label) == []


@pytest.fixture(scope="module")
def composed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """A backend whose roles run in containers of a service of a compose project."""
    name = f"{docker_name(cluster)}-composed"
    promise_removal(cluster, label_of(name))
    project = Project("docker compose", (str(ROOT / "docker-compose.yml"),), name)
    up, down = "up --wait mids", "down --volumes --remove-orphans --timeout 1"
    with get_docker_services(project.command, list(project.files), name, up, down):
        project.up.set()
        yield by_http(ComposeBackend(cluster, [], tmp_path_factory.mktemp("composed"), project))
    assert left(project.label) == []
    cluster.undone(project.label)


@pytest.fixture(
    params=[
        "process",
        "external",
        "fake",
        pytest.param("contained", marks=pytest.mark.docker),
        pytest.param("composed", marks=pytest.mark.docker),
    ]
)
def case(
    request: pytest.FixtureRequest, cluster: Cluster, owner: Case, attached: Case, tmp_path: Path
) -> Iterator[Case]:
    """Each backend, with roles that it starts itself: on the external one a run's components."""
    if request.param == "fake":
        backend = FakeBackend(tmp_path, fake_command, stubborn=["stubborn"])
        yield Case(backend, backend.answer)
        return
    if request.param in ("contained", "composed"):
        case = request.getfixturevalue(request.param)
        yield case
        for role in case.backend.leftovers():
            case.backend.kill(role)
        return
    case = attached
    if request.param == "process":
        case = by_http(process_backend(cluster, tmp_path / "logs"))
    yield case
    for row in cluster.ask("status")["roles"]:
        if row["code"] is None and row["name"] != SERVICE:
            owner.backend.kill(row["name"])


class TestContract:
    """What every backend does with a role that it starts."""

    def test_a_started_role_runs_and_answers(self, case: Case) -> None:
        name = case.started("one")
        assert case.backend.exit_code(name) is None
        case.backend.require_alive(name)
        assert case.backend.logs(name)[-1].startswith("start ")

    def test_a_role_that_runs_is_not_started_again(self, case: Case) -> None:
        before = case.answered(case.started("twice"))
        assert case.answered(case.started("twice")) == before
        assert len([row for row in case.backend.leftovers() if "twice" in row]) == 1

    def test_a_port_has_one_address(self, case: Case) -> None:
        name = case.started("addressed")
        first = case.backend.endpoint(name, "http")
        assert isinstance(first, Endpoint)
        assert case.backend.endpoint(name, "http", "host") == first
        assert case.backend.endpoints(name, "http") == (first,)
        assert case.backend.endpoint(name, "other") != first

    def test_a_port_has_an_address_from_inside(self, case: Case) -> None:
        inside = case.backend.endpoint(case.started("inner"), "http", "inside")
        assert inside.host
        assert 0 < inside.port < 65536

    def test_two_roles_have_two_addresses(self, case: Case) -> None:
        names = [case.started("left"), case.started("right")]
        assert len({case.backend.endpoint(name, "http") for name in names}) == 2

    def test_a_role_that_nobody_knows_is_named(self, case: Case) -> None:
        with pytest.raises(SluiceError, match="nobody"):
            case.backend.endpoint("nobody", "http")
        with pytest.raises(SluiceError, match="nobody"):
            case.backend.exit_code("nobody")
        assert case.backend.logs("nobody") == []

    def test_a_command_has_a_code_and_two_streams(self, case: Case) -> None:
        launch = python(
            case.backend, SPEAK, environment={"WHO": "world"}, files={"words": "hello "}
        )
        completed = case.backend.exec(case.started("one"), launch)
        assert completed == Completed(3, b"hello world", b"aside")
        assert completed.output == "hello worldaside"

    def test_what_an_environment_holds_is_on_no_command_line(self, case: Case) -> None:
        word = f"$HOME \"{{}}' {token_hex()}"  # as it stands, whoever would expand it on its way
        case.backend.start(with_environment("guarded", WORD=word))
        case.answered("guarded")
        completed = case.backend.exec(
            "guarded", python(case.backend, LOOK, environment={"WORD": word})
        )
        assert completed.output == f"known as {word}\n"
        if isinstance(case.backend, DockerRoles):
            config = case.backend.find("guarded").attrs["Config"]
            assert word not in str([config["Cmd"], config["Labels"], config["Entrypoint"]])

    def test_what_was_declared_anew_counts_at_the_next_start(self, case: Case) -> None:
        for word in ("one", "two"):
            role = with_environment("renewed", WORD=word)
            case.backend.start(role)
            case.answered("renewed")
            if isinstance(case.backend, FakeBackend):
                assert case.backend.processes["renewed"].role is role
            else:
                assert case.backend.logs("renewed")[-1].endswith(f"with {word}")
            case.backend.kill("renewed")

    def test_a_command_that_is_not_there_has_the_code_of_a_shell(self, case: Case) -> None:
        completed = case.backend.exec(case.started("one"), Launch(("no-such-bench", "-n", "1")))
        assert completed.code == NO_COMMAND
        assert "no-such-bench: not found" in completed.output

    def test_a_command_without_an_end_is_ended(self, case: Case) -> None:
        name = case.started("one")
        before = list(case.backend.leftovers())
        with pytest.raises(SluiceError, match="without an end, and was killed"):
            case.backend.exec(name, python(case.backend, HANG), seconds=0.5)
        assert list(case.backend.leftovers()) == before

    def test_a_killed_role_is_dead_at_once(self, case: Case) -> None:
        name = case.started("killed")
        case.backend.kill(name)
        assert case.backend.exit_code(name) == -9
        with pytest.raises(NotYet):
            case.ask(name)
        assert not any(re.match(r"killed\b", row) for row in case.backend.leftovers())

    def test_a_death_is_told_with_its_log(self, case: Case) -> None:
        name = case.started("mourned")
        case.backend.kill(name)
        with pytest.raises(ServiceNotReady, match=r"mourned died with exit code -9") as death:
            case.backend.require_alive(name)
        assert any(fact.startswith("start ") for fact in death.value.checked)

    def test_a_killed_role_starts_again_on_its_state(self, case: Case) -> None:
        name = case.started("again")
        number = int(case.answered(name).removeprefix("start "))
        case.backend.kill(name)
        case.started(name)
        assert case.answered(name) == f"start {number + 1}"
        assert case.backend.logs(name)[-2:] == [f"start {number}", f"start {number + 1}"]

    def test_a_paused_role_lives_and_is_silent_until_it_is_resumed(self, case: Case) -> None:
        name = case.started("paused")
        case.backend.pause(name)
        with pytest.raises(NotYet):
            case.ask(name)
        assert case.backend.exit_code(name) is None
        case.backend.resume(name)
        assert case.answered(name).startswith("start ")

    def test_a_stopped_role_ends_in_good_order(self, case: Case) -> None:
        name = case.started("stopped")
        assert case.backend.stop(name) == 0
        assert case.backend.exit_code(name) == 0

    def test_a_role_that_will_not_stop_is_killed_after_its_grace(self, case: Case) -> None:
        name = case.started("stubborn", stubborn=True)
        assert case.backend.stop(name, grace=0.2) == -9

    def test_a_paused_role_can_be_killed_and_stopped(self, case: Case) -> None:
        for end in (case.backend.kill, lambda name: case.backend.stop(name, grace=0.2)):
            name = case.started("frozen")
            case.backend.pause(name)
            end(name)
            assert case.backend.exit_code(name) == -9

    def test_leftovers_are_what_still_runs(self, case: Case) -> None:
        name = case.started("leftover")
        assert any(re.match(r"leftover\b", row) for row in case.backend.leftovers())
        case.backend.stop(name)
        assert not any(re.match(r"leftover\b", row) for row in case.backend.leftovers())

    def test_scratch_is_a_folder_that_stays_the_same(self, case: Case) -> None:
        folder = case.backend.scratch("notes")
        assert case.backend.scratch("notes") == folder
        assert case.backend.scratch("others") != folder
        name = case.started("one")
        write = python(case.backend, "open('note', 'w').write('noted')", directory=folder)
        read = python(case.backend, "print(open('note').read(), end='')", directory=folder)
        assert case.backend.exec(name, write).code == 0
        assert case.backend.exec(name, read).stdout == b"noted"

    def test_an_attached_service_has_the_given_address(self, owner: Case, attached: Case) -> None:
        given = owner.backend.endpoint(SERVICE, "http")
        assert attached.backend.endpoint(SERVICE, "http") == given
        assert attached.backend.endpoint(SERVICE, "http", "inside") == given

    def test_an_attached_service_may_have_many_addresses(self, attached: Case) -> None:
        many = (Endpoint("one", 1), Endpoint("two", 2))
        backend = ExternalBackend(Inventory({f"{SERVICE}.http": many}), attached.backend)
        assert backend.endpoints(SERVICE, "http") == many
        assert backend.endpoint(SERVICE, "http") == many[0]

    def test_an_address_that_was_not_given_is_asked_for(self, attached: Case) -> None:
        with pytest.raises(ServiceNotReady, match=r"--sluice-external=.*service\.other=HOST:PORT"):
            attached.backend.endpoint(SERVICE, "other")

    def test_an_attached_service_is_not_started(self, owner: Case, attached: Case) -> None:
        before = owner.ask(SERVICE)
        attached.backend.start(web(SERVICE))
        assert attached.answered(SERVICE) == before
        attached.backend.require_alive(SERVICE)
        assert attached.backend.exit_code(SERVICE) is None
        assert attached.backend.logs(SERVICE) == []

    @pytest.mark.parametrize("act", ["kill", "pause", "resume", "stop"])
    def test_an_attached_service_is_left_alone(self, owner: Case, attached: Case, act: str) -> None:
        before = owner.ask(SERVICE)
        with pytest.raises(Unsupported, match=rf"cannot {act} service: it did not start it"):
            getattr(attached.backend, act)(SERVICE)
        assert attached.answered(SERVICE) == before
        assert owner.backend.exit_code(SERVICE) is None

    def test_backends_say_whether_they_are_attached(self, case: Case, attached: Case) -> None:
        assert attached.backend.attached
        assert case.backend.attached == (case.backend.name == "external")


@pytest.mark.parametrize(("template", "number"), [("", 42), ("variant", 1)])
def test_a_first_state_is_that_of_the_roles_template(
    cluster: Cluster, tmp_path: Path, template: str, number: int
) -> None:
    backend = process_backend(cluster, tmp_path)
    role = replace(web(f"stated{template}"), template=template)
    prepared = backend.templates / role.name
    prepared.mkdir(parents=True)
    (prepared / "starts").write_text("41")
    backend.start(role)
    assert by_http(backend).answered(role.name) == f"start {number}"
    backend.kill(role.name)


def test_what_a_role_waits_for_is_waited_for_before_each_start(
    cluster: Cluster, tmp_path: Path
) -> None:
    backend, seen = process_backend(cluster, tmp_path), list[bool]()
    role = replace(web("waiting"), before=lambda site: seen.append(site.state.is_dir()))
    case = by_http(backend)
    backend.start(role)
    backend.start(role)  # it runs already
    assert case.answered("waiting") == "start 1"
    backend.kill("waiting")
    backend.start(role)
    assert case.answered("waiting") == "start 2"
    assert seen == [True, True]
    backend.kill("waiting")
