"""A job that is killed in the middle of a batch: Presto sees every row exactly once."""

from collections import Counter
from collections.abc import Callable

import pytest

from pytest_sluice.flow.run import Run
from pytest_sluice.waiting import Deadline, NotYet, wait_for
from tests.integration.malformed import event
from tests.integration.steps import await_commit

pytestmark = pytest.mark.stream

ROWS = 20_000


def values() -> list[bytes]:
    """Events, every third of them a join, and after all of them one message that is none."""
    types = ("purchase_bow", "purchase_sword", "join_guild")
    events = [event(n, event_type=types[n % 3], event_id=f"e{n}") for n in range(ROWS)]
    return [*events, b"no event"]


def in_the_middle(run: Run, written: Callable[[Run], list[str]]) -> None:
    """Wait until batch 0 has planned its offsets and written something, then kill the job."""
    checkpoint = run.stream.queries[0].checkpoint.format_map(run.values)

    def probe() -> None:
        if "0" in run.hdfs.names(f"{checkpoint}/commits"):
            pytest.fail("batch 0 was committed before the job could be killed")
        if not written(run):
            raise NotYet("nothing is written")

    wait_for("the middle of batch 0", probe, Deadline(60), log=run.stream.logs)
    run.stream.kill()
    assert "0" in run.hdfs.names(f"{checkpoint}/offsets")
    assert "0" not in run.hdfs.names(f"{checkpoint}/commits")


def temporary_files(run: Run) -> list[str]:
    """What the batch has begun to write for purchases."""
    return run.hdfs.names(f"{run.path(run.table('purchases'))}/batch_id=0/_temporary/0")


def visible_files(run: Run) -> list[str]:
    """What a reader that lists the folder of purchases sees."""
    return run.hdfs.data_files(run.path(run.table("purchases")))


def test_presto_sees_every_row_exactly_once_after_two_kills(sluice_own_run: Run) -> None:
    run = sluice_own_run
    run.topic.produce(values())
    run.graph.start([run.node("presto")])
    run.join("stream")
    in_the_middle(run, temporary_files)
    assert run.stream.exit_code() == -9
    run.start_stream()
    in_the_middle(run, visible_files)  # the worst moment: a part of an uncommitted batch is read
    assert run.presto.query("select count(*) from purchases").rows[0][0] > 0

    run.start_stream()
    assert await_commit(run).batch == 0
    run.topic.produce([event(ROWS, event_id=f"e{ROWS}")])
    assert await_commit(run).batch == 1

    wanted = Counter({f"e{n}": 1 for n in range(ROWS + 1)})
    assert seen(run, "purchases") + seen(run, "guild_membership") == wanted
    rejected = f'select "offset" from {run.qualified(run.table("rejected"))}'
    assert run.presto.query(rejected, "name").rows == ((ROWS,),)


def seen(run: Run, table: str) -> Counter[str]:
    """How often Presto sees each event, by the identity that the API gave it."""
    identity = "json_extract_scalar(raw_event, '$.event_id')"
    found = run.presto.query(f"select {identity}, count(*) from {table} group by 1", "name")
    return Counter(dict(found.rows))
