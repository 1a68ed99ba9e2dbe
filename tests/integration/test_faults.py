"""Where the report's own pipeline went wrong at the joints: each fault, and what it comes to here.

The faults of one stage alone are in that stage's tests: both routes to a guild and forged headers
(test_api), the mapping of columns (test_presto), messages from before the job (test_stream),
``timestamp`` (test_hive). Malformed messages and killed batches have modules of their own.
"""

import pytest

from pytest_sluice.declaration import Burst
from pytest_sluice.events import read_events
from pytest_sluice.flow.landing import Lander
from pytest_sluice.flow.run import Run
from pytest_sluice.waiting import Deadline, NotYet, wait_for
from tests.integration.steps import await_commit

HOST = (("Host", "user1.comcast.com"),)


def test_a_burst_of_404_is_marked_at_the_api_and_counting_goes_on(module_run: Run) -> None:
    bursts = [Burst(10, "/join_a_guild", HOST), Burst(25, "/join_the_guild", HOST)]
    landing = Lander(module_run).land(bursts)
    assert [breach.stage for breach in landing.breaches] == ["api"]
    assert "GET /join_the_guild of user1.comcast.com: 0 of 25 (25 x 404)" in landing.headline()
    assert landing.ledger.requests == 35
    assert landing.ledger.answers == {200: 10, 404: 25}
    assert landing.ledger.messages == {"join_guild": 10}
    assert landing.ledger.visible["guild_membership"] == 10


@pytest.mark.stream
def test_the_topic_is_there_before_the_job_starts(module_run: Run) -> None:
    module_run.join("stream")
    topic, stream = module_run.node("topic"), module_run.node("stream")
    events = list(read_events(module_run.deployment.journal.path))
    nodes = [(event["name"], event["state"]) for event in events if event["kind"] == "node"]
    assert nodes.index((topic, "ready")) < nodes.index((stream, "starting"))


@pytest.mark.stream
def test_a_query_that_dies_ends_the_job_with_its_error(sluice_own_run: Run) -> None:
    run, stream = sluice_own_run, sluice_own_run.stream
    await_commit(run)
    folder = run.path(run.table("guild_membership"))
    run.hdfs.delete(folder)
    run.hdfs.write(folder, b"a file where the job wants a folder")

    landing = Lander(run).land([Burst(5, "/purchase_a_sword", HOST)])

    assert landing.breaches[0].stage == "stream"
    assert f"{stream.role} died with exit code 1" in landing.headline()
    assert landing.breaches[0].detail
    assert landing.ledger.answers == {200: 5}
    assert exit_code(run) == 1
    log = "\n".join(stream.logs(2000))
    assert "ParentNotDirectoryException" in log
    assert "StreamingQueryException" in log
    assert folder in log


def exit_code(run: Run) -> int:
    """The exit code of the run's job, once it has ended."""

    def probe() -> int:
        if (code := run.stream.exit_code()) is None:
            raise NotYet("it runs")
        return code

    return wait_for("the job to end", probe, Deadline(30), log=run.stream.logs)
