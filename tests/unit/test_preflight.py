"""The pre-flight without a socket: what is asked, what is missing, and reasons in words."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
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
from pytest_sluice.flow.preflight import Question, preflight, unreachable
from tests.fakes import FakeBackend

THERE = Endpoint("b1.example", 9092)


def deployment(
    folder: Path,
    access: Access | None = None,
    addresses: Mapping[str, tuple[Endpoint, ...]] = {},
    timeout_factor: float = 1,
) -> Deployment:
    """An attached one, whose users gave no address by default."""
    backend = ExternalBackend(
        Inventory(addresses, access or Access()),
        FakeBackend(folder),
        [role.name for role in roles()],
    )
    return Deployment(backend, Journal(folder / "events.jsonl"), timeout_factor)


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


class TestLimit:
    """A service that accepts and never answers holds nobody up."""

    @pytest.fixture
    def silent(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[threading.Thread]]:
        """Whoever asks waits until the test is over; the threads in which that is."""
        over, asking = threading.Event(), list[threading.Thread]()

        def answer(_self: Question, _seconds: float) -> str:
            asking.append(threading.current_thread())
            over.wait()
            return ""

        monkeypatch.setattr(Question, "answer", answer)
        monkeypatch.setattr("pytest_sluice.flow.preflight.GRACE", 0.01)
        yield asking
        over.set()
        for thread in asking:
            thread.join(10)

    def test_it_is_told_when_the_time_is_up(
        self, tmp_path: Path, silent: list[threading.Thread]
    ) -> None:
        given = {"kafka.client": (THERE, Endpoint("b2.example", 9092))}
        deployed = deployment(tmp_path, addresses=given, timeout_factor=0)
        asked = in_background(partial(preflight, deployed, ["kafka"]))
        with pytest.raises(ServiceNotReady, match="2 of the addresses") as caught:
            asked.result(timeout=10)  # else the red of this test would be a hang
        for endpoint in given["kafka.client"]:
            assert f"kafka.client={endpoint}: no answer within 0 s" in caught.value.checked
        # Whoever still waits does not hold up the end of the session either.
        assert [thread.daemon for thread in silent] == [True, True]

    @pytest.mark.usefixtures("silent")
    def test_the_limit_is_that_of_the_machine(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limits: list[float] = []
        monkeypatch.setattr(
            "pytest_sluice.flow.preflight.wait", lambda _futures, limit: limits.append(limit)
        )
        for factor in (1, 3):
            deployed = deployment(
                tmp_path, addresses={"kafka.client": (THERE,)}, timeout_factor=factor
            )
            with pytest.raises(ServiceNotReady, match=f"no answer within {2 * 5 * factor} s"):
                preflight(deployed, ["kafka"])
        assert limits == [10.01, 30.01]  # connecting and asking, five seconds each


def in_background(call: Callable[[], None]) -> "Future[None]":
    """A call in a daemon: what never ends fails its test, and nothing else."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            call()
            future.set_result(None)
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


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
