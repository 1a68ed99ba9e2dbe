"""Steps that several tests take: ask the API, wait for the job, change a run's declaration."""

import http.client
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from pytest_sluice import offsets
from pytest_sluice.answers import TrafficError
from pytest_sluice.declaration import Burst
from pytest_sluice.flow.handles import RunApi
from pytest_sluice.flow.run import Run
from pytest_sluice.waiting import Deadline, NotYet, wait_for
from tests.integration.malformed import event

EVENT_TYPES = (
    "default",
    "purchase_sword",
    "purchase_knife",
    "purchase_armor",
    "purchase_bow",
    "purchase_arrow",
    "join_guild",
    "leave_guild",
    "attack_enemy",
)
# Seven events of each type, and one message that is no event.
SENT = [event(n, event_type=EVENT_TYPES[n % 9], event_id=f"e{n}") for n in range(63)] + [b"{"]


@dataclass(frozen=True)
class Reply:
    """An answer of the API: status, headers by their lower-case name, body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def event_id(self) -> str:
        """The identity of the event that the request became."""
        return self.headers["x-event-id"]


def get(url: str, path: str, headers: Mapping[str, str] | None = None) -> Reply:
    """GET a path, on a connection of its own; gives up after 20 seconds."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, names, response.read().decode())
    finally:
        connection.close()


def promised(api: RunApi, burst: Burst) -> set[str]:
    """Send a burst with the real ab; the identities of the events that were answered 200.

    A burst that the API did not survive counts for as far as it came.
    """
    try:
        answers = api.burst(burst).answers
    except TrafficError as error:
        answers = error.answers
    ids = (answer.header("X-Event-Id") for answer in answers if answer.status == 200)
    return {event_id for event_id in ids if event_id}


def await_commit(run: Run, seconds: float = 60) -> offsets.Committed:
    """Wait until the run's only query has committed all that the topic holds now."""
    stream = run.stream
    (query,) = stream.queries
    ends = {run.names.topic: run.topic.end_offsets()}

    def probe() -> offsets.Committed:
        done = stream.committed(query)
        if done is None or not offsets.covers(ends, done):
            raise NotYet(f"lag {offsets.lag(ends, done)}")
        return done

    return wait_for(
        "the job to commit",
        probe,
        Deadline(seconds),
        alive=partial(run.deployment.backend.require_alive, stream.role),
        log=stream.logs,
    )


def rows(run: Run, table: str) -> list[dict[str, Any]]:
    """The rows of a table as its files hold them, read without Hive and Presto."""
    return run.hdfs.table(run.path(run.table(table)))


def event_ids(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The identities of the events that rows came from."""
    return [json.loads(row["raw_event"])["event_id"] for row in rows]


def set_environment(run: Run, **variables: str) -> None:
    """Start the run's API and job, when they start, with other variables."""
    pipeline = run.pipeline
    if pipeline.api and pipeline.job:
        api = replace(pipeline.api, environment={**pipeline.api.environment, **variables})
        job = replace(pipeline.job, environment={**pipeline.job.environment, **variables})
        run.pipeline = replace(pipeline, api=api, job=job)
