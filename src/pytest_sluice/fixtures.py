"""The fixtures ``sluice_*``. Each starts only its own upstream; all share one run.

A fixture whose component (API, job, DDL) did not come up hands out a :class:`Broken` value, and the
test that asked for it fails at that stage; a service that is not well is an error in set-up.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_sluice.claims import Claim, Verdict, judge
from pytest_sluice.clients.hdfs import Hdfs
from pytest_sluice.clients.hive import Hive
from pytest_sluice.clients.kafka import Kafka
from pytest_sluice.declaration import Stage
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.flow.deployment import Deployment
from pytest_sluice.flow.handles import RunApi, RunStream, RunTopic
from pytest_sluice.flow.run import ComponentFailed, Run
from pytest_sluice.ledger import Landing
from pytest_sluice.recording import RECORDER
from pytest_sluice.session import Session
from pytest_sluice.sql import Presto, QueryFailed, Result

SESSION = pytest.StashKey[Session]()

STAGE_OF: dict[str, Stage] = {
    "sluice_api": "api",
    "sluice_kafka": "kafka",
    "sluice_topic": "kafka",
    "sluice_stream": "stream",
    "sluice_hdfs": "hdfs",
    "sluice_hive": "hive",
    "sluice_presto": "presto",
    "sluice_landing": "report",
    "sluice_check": "report",
}
# The nodes of the graph that each fixture joins.
NODES_OF = {
    "sluice_api": ("api",),
    "sluice_kafka": ("kafka",),
    "sluice_topic": ("topic",),
    "sluice_stream": ("stream",),
    "sluice_hdfs": ("hdfs",),
    "sluice_hive": ("tables",),
    "sluice_presto": ("presto",),
    "sluice_landing": ("landing",),
    "sluice_check": ("landing", "presto"),
}
# Fixtures that go no further than the stage of the test that asks for them.
ELASTIC = ("sluice_landing",)


@dataclass(frozen=True)
class Broken:
    """In the place of a component that did not come up; whoever uses it hears why."""

    error: ComponentFailed

    @property
    def stage(self) -> Stage:
        """Where the pipeline broke."""
        return self.error.stage

    def story(self) -> str:
        """What happened."""
        return str(self.error)

    def __getattr__(self, name: str) -> Any:
        """There is no component to ask."""
        raise self.error


def nodes_of(fixture_names: Iterable[str]) -> list[str]:
    """The nodes that fixtures of these names will join."""
    return sorted({node for name in fixture_names for node in NODES_OF.get(name, ())})


def may_need_anything(fixture_names: Iterable[str]) -> bool:
    """Whether a test with these fixtures has a run of its own, which may come to need any node."""
    names = set(fixture_names)
    return "sluice_own_run" in names or ("sluice_session" in names and not names & NODES_OF.keys())


def _or_broken(join: Callable[[], Any]) -> Any:
    try:
        return join()
    except ComponentFailed as error:
        return Broken(error)


@pytest.fixture(scope="session")
def sluice_session(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Session:
    """The session: settings, journal, cluster, runs; with compose its project is up."""
    session = pytestconfig.stash[SESSION]
    if session.awaits_project:
        request.getfixturevalue("sluice_compose")
    return session


@pytest.fixture(scope="module")
def sluice_containers(sluice_session: Session) -> Iterator[Deployment]:
    """Services of the module's own, a container each; ``join("kafka")`` starts what it needs."""
    with sluice_session.containers() as deployment:
        yield deployment


@pytest.fixture(scope="session")
def sluice_run(sluice_session: Session) -> Run:
    """The run that the claims share: its names, and everything else of it; starts nothing."""
    return sluice_session.run


@pytest.fixture
def sluice_own_run(sluice_session: Session) -> Iterator[Run]:
    """A run with topic, folder and schema of its own, for a test that writes or breaks things."""
    with sluice_session.own_run() as run:
        yield run


@pytest.fixture(scope="session")
def sluice_kafka(sluice_run: Run) -> Kafka:
    """The broker, ready."""
    return sluice_run.kafka


@pytest.fixture(scope="session")
def sluice_topic(sluice_run: Run) -> RunTopic:
    """The run's topic, created."""
    return sluice_run.topic


@pytest.fixture(scope="session")
def sluice_hdfs(sluice_run: Run) -> Hdfs:
    """The file system, with a live DataNode."""
    return sluice_run.hdfs


@pytest.fixture(scope="session")
def sluice_hive(sluice_run: Run) -> Hive:
    """The real Hive CLI, after the declared tables were made."""
    hive: Hive = _or_broken(lambda: sluice_run.join("tables") or sluice_run.hive)
    return hive


@pytest.fixture(scope="session")
def sluice_presto(sluice_run: Run) -> Presto:
    """Presto over the run's tables."""
    presto: Presto = _or_broken(lambda: sluice_run.presto)
    return presto


@pytest.fixture(scope="session")
def sluice_api(sluice_run: Run) -> RunApi:
    """The API, answering."""
    api: RunApi = _or_broken(lambda: sluice_run.api)
    return api


@pytest.fixture(scope="session")
def sluice_stream(sluice_run: Run) -> RunStream:
    """The job, every query of it with pinned start offsets."""
    stream: RunStream = _or_broken(lambda: sluice_run.stream)
    return stream


@pytest.fixture(scope="session")
def sluice_landing(sluice_session: Session) -> Landing:
    """What the run came to after the declared traffic, judged; who asks for a broken one fails.

    It goes as far as the tests that ask for it need: a test that is marked with a stage needs no
    later one.
    """
    return sluice_session.landing()


@pytest.fixture
def sluice_record(request: pytest.FixtureRequest) -> Callable[[Verdict], Verdict]:
    """Record a verdict for the summary: directly, where the statement is no query.

    A verdict that is not as expected fails the test, and so does a second one on a claim.
    """
    recorder = request.config.stash[RECORDER]
    recorder.begin(request.node)

    def record(verdict: Verdict) -> Verdict:
        return recorder.record(request.node, verdict)

    return record


@pytest.fixture
def sluice_check(
    sluice_session: Session,
    sluice_presto: Presto,
    sluice_record: Callable[[Verdict], Verdict],
) -> Callable[[Claim], Verdict]:
    """Judge a claim under both mappings, and record its verdict for the summary.

    It is judged as well where the landing is broken: as long as the services answer. A verdict
    that is not as expected fails the test.
    """
    landing = sluice_session.landing()
    if landing.stopped_at:
        raise ServiceNotReady(landing.headline())
    hop = "; ".join(f"{breach.stage}: {breach}" for breach in landing.breaches)

    def answer(sql: str, mapping: Any) -> Result | QueryFailed:
        try:
            return sluice_presto.query(sql, mapping)
        except QueryFailed as error:
            return error

    def check(claim: Claim) -> Verdict:
        by_position, by_name = answer(claim.sql, "position"), answer(claim.sql, "name")
        meant = answer(claim.meant.sql, claim.meant.mapping) if claim.meant else None
        return sluice_record(judge(claim, by_position, by_name, meant, hop=hop))

    return check
