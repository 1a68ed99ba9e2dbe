"""The pre-flight without a socket: what is asked, what is missing, and reasons in words."""

import socket
from pathlib import Path

import pytest

from pytest_sluice.access import Access
from pytest_sluice.backends.external import ExternalBackend
from pytest_sluice.backends.inventory import Inventory
from pytest_sluice.contracts import Endpoint, Launch, Role, Site, Tools
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.events import Journal
from pytest_sluice.fixtures import may_need_anything
from pytest_sluice.flow.deployment import Deployment, roles
from pytest_sluice.flow.preflight import preflight, unreachable
from tests.fakes import FakeBackend

THERE = Endpoint("b1.example", 9092)


def deployment(folder: Path, access: Access | None = None) -> Deployment:
    """An attached one whose users gave no address."""
    backend = ExternalBackend(
        Inventory({}, access or Access()), FakeBackend(folder), [role.name for role in roles()]
    )
    return Deployment(backend, Journal(folder / "events.jsonl"))


def test_every_address_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ServiceNotReady) as caught:
        preflight(deployment(tmp_path), ["presto-server", "hdfs", "kafka"])
    story = str(caught.value)
    assert story.startswith("4 of the addresses that are needed cannot be used")
    for place, key in {
        "kafka.client": "bootstrap_servers in the table [kafka]",
        "namenode.rpc": "namenode in the table [hdfs]",
        "namenode.http": "webhdfs in the table [hdfs]",
        "presto.http": "address in the table [presto]",
    }.items():
        assert f"no address is given for {place}" in story
        assert key in story
    assert "metastore" not in story


def test_only_what_nodes_need_is_asked_for(tmp_path: Path) -> None:
    preflight(deployment(tmp_path), ["namenode", "datanode"])  # they are started, not asked


def test_of_the_other_addresses_those_are_asked_that_were_given(tmp_path: Path) -> None:
    preflight(deployment(tmp_path), [], given=True)  # none was


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (socket.gaierror(-2, "Name or service not known"), "the name b1.example does not resolve"),
        (ConnectionRefusedError(111, "x"), "connection refused: nothing listens there"),
        (TimeoutError(), "no connection within 5 s"),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
    ],
)
def test_a_reason_is_told_in_words(error: OSError, said: str) -> None:
    assert unreachable(THERE, error, 5) == said


@pytest.mark.parametrize(
    ("names", "anything"),
    [
        (["sluice_session", "sluice_run", "sluice_kafka"], False),
        (["sluice_session", "sluice_own_run"], True),
        (["sluice_session", "sluice_run", "sluice_kafka", "sluice_own_run"], True),
        (["sluice_session", "module_run"], True),
        (["tmp_path"], False),
    ],
)
def test_a_run_of_ones_own_may_need_anything(names: list[str], anything: bool) -> None:
    assert may_need_anything(names) == anything


def test_components_go_by_the_name_of_the_user_in_hadoop(tmp_path: Path) -> None:
    backend = deployment(tmp_path, Access(hdfs_user="etl")).backend
    local = backend._local  # type: ignore[attr-defined]

    def render(_site: Site) -> Launch:
        return Launch(("job",), {"HADOOP_USER_NAME": "declared"} if named else {})

    backend.start(Role("job", render))
    site = Site(tmp_path, {}, {}, Tools(Path("java"), {}))
    started = local.processes["job"].role
    for named in (False, True):
        user = started.render(site).environment["HADOOP_USER_NAME"]
        assert user == ("declared" if named else "etl")
