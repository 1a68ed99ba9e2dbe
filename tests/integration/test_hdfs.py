"""The files that the job writes into a real HDFS."""

import re
from collections import Counter

import pytest

from pytest_sluice.flow.run import Run
from tests.integration.malformed import event
from tests.integration.steps import SENT, await_commit, event_ids, rows

pytestmark = pytest.mark.hdfs

GUILD_MEMBERSHIP = ["raw_event", "timestamp", "Accept", "Host", "User-Agent", "event_type"]
COLUMNS = {
    "guild_membership": GUILD_MEMBERSHIP,
    "purchases": [*GUILD_MEMBERSHIP, "amount", "description"],
    "rejected": ["value", "partition", "offset", "reason", "timestamp"],
}


def files(run: Run, table: str) -> list[str]:
    """The data files of a table, relative to its folder."""
    folder = run.path(run.table(table))
    return [file.removeprefix(f"{folder}/") for file in run.hdfs.data_files(folder)]


@pytest.mark.parametrize("table", COLUMNS)
def test_the_columns_stand_in_the_reports_order(streamed_run: Run, table: str) -> None:
    await_commit(streamed_run)
    folder = streamed_run.path(streamed_run.table(table))
    columns = {
        tuple(streamed_run.hdfs.columns(f"{folder}/{file}")) for file in files(streamed_run, table)
    }
    assert columns == {tuple(COLUMNS[table])}


@pytest.mark.parametrize("table", COLUMNS)
def test_every_file_lies_in_the_folder_of_its_batch(streamed_run: Run, table: str) -> None:
    last = await_commit(streamed_run).batch
    found = files(streamed_run, table)
    batches = [re.fullmatch(r"batch_id=(\d+)/part-[^/]+\.parquet", file) for file in found]
    assert found
    assert all(batch and int(batch[1]) <= last for batch in batches)


def test_every_message_is_in_the_files_once(streamed_run: Run) -> None:
    await_commit(streamed_run)
    landed = [row for name in ("purchases", "guild_membership") for row in rows(streamed_run, name)]
    assert set(Counter(event_ids(landed)).values()) == {1}
    assert len(landed) == 6 * 7
    assert [row["offset"] for row in rows(streamed_run, "rejected")] == [len(SENT) - 1]


def test_a_later_batch_adds_a_folder_and_changes_no_file(sluice_own_run: Run) -> None:
    run = sluice_own_run
    run.topic.produce([event(1, event_id="first")])
    first = await_commit(run).batch
    before = files(run, "purchases")
    run.topic.produce([event(2, event_id="second")])
    second = await_commit(run).batch
    after = files(run, "purchases")
    assert before == [file for file in after if not file.startswith(f"batch_id={second}/")]
    assert second > first
    assert event_ids(rows(run, "purchases")) == ["first", "second"]
