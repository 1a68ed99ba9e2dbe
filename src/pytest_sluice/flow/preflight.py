"""The pre-flight: before anything is started, every address that will be needed is asked.

Of services that somebody else runs. Each is asked with a real request, all of them at once, and
what cannot be used is told in one error.
"""

import socket
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException

from pytest_sluice.clients.hdfs import Hdfs
from pytest_sluice.clients.kafka import BrokerFailed, Kafka
from pytest_sluice.contracts import Endpoint
from pytest_sluice.errors import BadDeclaration, ServiceNotReady, SluiceError
from pytest_sluice.flow.deployment import Deployment
from pytest_sluice.services import hdfs, hive, presto
from pytest_sluice.sql import QueryFailed
from pytest_sluice.waiting import NotYet

# A cluster that is well answers within milliseconds; scaled by the setting timeout_factor.
SECONDS = 5.0
# Between the end of that time and word of it from whoever did have an answer.
GRACE = 1.0

# What is asked for each node of the graph: a role's port, and what is to answer there.
NEEDED = {
    "kafka": (("kafka", "client", "a Kafka broker"),),
    "hdfs": (
        ("namenode", "rpc", "the RPC port of a NameNode"),
        ("namenode", "http", "the WebHDFS of a NameNode"),
    ),
    "metastore": (("metastore", "thrift", "a Hive metastore"),),
    "presto-server": (("presto", "http", "a Presto coordinator"),),
}
# What clients and probes raise when something else answers, or the same and does not let them in.
MISFITS = (NotYet, SluiceError, OSError, ValueError, RuntimeError, HTTPException)


@dataclass(frozen=True)
class Question:
    """An address, what is to answer there, and the request that proves it."""

    place: str
    endpoint: Endpoint
    kind: str
    probe: Callable[[], None]

    def answer(self, seconds: float) -> str:
        """Why the address cannot be used; empty where it can."""
        try:
            socket.create_connection((self.endpoint.host, self.endpoint.port), seconds).close()
        except OSError as error:
            return unreachable(self.endpoint, error, seconds)
        try:
            self.probe()
        except MISFITS as error:
            told = (str(error) or repr(error)).replace("\n  checked: ", "; ")
            return f"it answers, but not as {self.kind} that is well: {told.splitlines()[0]}"
        return ""


def preflight(deployment: Deployment, nodes: Iterable[str], given: bool = False) -> None:
    """Ask every address that ``nodes`` of the graph need, all of it within some seconds.

    With ``given`` also every other address that somebody gave. Raises ServiceNotReady with every
    address that cannot be used, and why.
    """
    seconds = SECONDS * deployment.timeout_factor
    needed = deployment.graph.closure(nodes) & NEEDED.keys()
    questions, missing = _questions(deployment, needed, seconds)
    if given:  # what nobody gave is refused when it is asked for
        questions += _questions(deployment, NEEDED.keys() - needed, seconds)[0]
    with warnings.catch_warnings():
        # Of the modules that clients import now: no test runs yet whose filters would count.
        warnings.simplefilter("ignore")
        reasons = zip(questions, list(_answers(questions, seconds)), strict=True)
    failed = [f"{q.place}={q.endpoint}: {reason}" for q, reason in reasons if reason]
    if failed or missing:
        raise ServiceNotReady(
            f"{len(failed) + len(missing)} of the addresses that are needed cannot be used",
            checked=[*failed, *missing],
            remedy="put the addresses right in --sluice-external, or the services behind them; "
            "nothing was started. A slow network gets more time with --sluice-timeout-factor=3",
        )


def _questions(
    deployment: Deployment, services: Iterable[str], seconds: float
) -> tuple[list[Question], list[str]]:
    """What there is to ask, and which addresses nobody gave."""
    questions, missing = [], []
    for service in sorted(services):
        for role, port, kind in NEEDED[service]:
            try:
                endpoints = deployment.backend.endpoints(role, port)
            except ServiceNotReady as error:
                missing.append(f"{role}.{port}: {error.cause}; {error.remedy}")
                continue
            for endpoint in endpoints:
                probe = partial(PROBES[role, port], deployment, endpoint, seconds)
                questions.append(Question(f"{role}.{port}", endpoint, kind, probe))
    return questions, missing


def _answers(questions: Sequence[Question], seconds: float) -> Iterator[str]:
    # Connecting and asking have so many seconds each.
    futures = [_in_background(partial(question.answer, seconds)) for question in questions]
    wait(futures, 2 * seconds + GRACE)
    for future in futures:
        yield future.result() if future.done() else f"no answer within {2 * seconds:g} s"


def _in_background(call: Callable[[], str]) -> "Future[str]":
    """In a daemon, which nobody waits for: who does not answer must not hold up the end."""
    future: Future[str] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="sluice pre-flight", daemon=True).start()
    return future


def unreachable(endpoint: Endpoint, error: OSError, seconds: float) -> str:
    """Why nobody could be connected to, in words."""
    match error:
        case socket.gaierror():
            return f"the name {endpoint.host} does not resolve"
        case ConnectionRefusedError():
            return "connection refused: nothing listens there"
        case TimeoutError():
            return f"no connection within {seconds:g} s"
        case _:
            return error.strerror or str(error)


def _kafka(deployment: Deployment, endpoint: Endpoint, seconds: float) -> None:
    access = deployment.backend.access.kafka
    client = Kafka(str(endpoint), access, seconds)
    try:
        client.probe_ready()
    except NotYet as error:
        if not access.sasl_mechanism or "Authentication" in str(error):
            raise
        # A broker answers why, and closes; when both come at once the client sees the latter alone.
        raise NotYet(
            f"{error}; Authentication by {access.sasl_mechanism} may have failed"
        ) from error
    for host, port in client.brokers():
        there = Endpoint(host, port)
        try:
            socket.create_connection((host, port), seconds).close()
        except OSError as error:
            reason = unreachable(there, error, seconds)
            raise BrokerFailed(f"it sends its clients on to {there}: {reason}") from error


def _namenode_rpc(_deployment: Deployment, endpoint: Endpoint, seconds: float) -> None:
    hdfs.probe_rpc(endpoint, seconds)


def _namenode_http(deployment: Deployment, endpoint: Endpoint, _seconds: float) -> None:
    hdfs.probe_ready(endpoint)
    Hdfs(endpoint, endpoint, deployment.backend.access).names("/")


def _metastore(_deployment: Deployment, endpoint: Endpoint, _seconds: float) -> None:
    hive.probe_ready(endpoint)


def _presto(deployment: Deployment, endpoint: Endpoint, _seconds: float) -> None:
    access = deployment.backend.access.presto
    presto.probe_started(endpoint, access)
    client = deployment.presto("default")
    there = {row[0] for row in client.query("show catalogs").rows}
    for mapping, catalog in client.catalogs.items():
        if catalog not in there:
            known = ", ".join(sorted(there))
            reason = f"catalogs.{mapping} is {catalog}, and it has {known}"
            raise QueryFailed("show catalogs", "NO_CATALOG", reason)
    try:
        client.verify_mappings()
    except BadDeclaration as error:  # here an answer is one line, and has the remedy in it
        raise QueryFailed(
            "show session", "WRONG_MAPPING", f"{error.cause}; {error.remedy}"
        ) from error


PROBES = {
    ("kafka", "client"): _kafka,
    ("namenode", "rpc"): _namenode_rpc,
    ("namenode", "http"): _namenode_http,
    ("metastore", "thrift"): _metastore,
    ("presto", "http"): _presto,
}
