"""A query with a watermark and Spark's own file sink: what it emits later is waited for."""

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_sluice.declaration import Fixed, Job, Pipeline, Query, Table, Topic
from pytest_sluice.flow.landing import Lander
from pytest_sluice.flow.run import Run

WINDOWS = Table("windows", "{root}/windows")
ENVIRONMENT = {
    "BROKERS": "{bootstrap_servers}",
    "TOPIC": "{topic}",
    "CHECKPOINT": "{hdfs_url}{root}/checkpoint",
    "WINDOWS": "{hdfs_url}{root}/windows",
}
PIPELINE = Pipeline(
    topic=Topic("events"),
    job=Job(
        Path(__file__).with_name("watermark_job.py"),
        (Query("windows", "{root}/checkpoint", Fixed("1 second"), (WINDOWS,)),),
        ENVIRONMENT,
    ),
)


@pytest.mark.stream
def test_what_the_batch_without_data_emits_is_part_of_the_landing(sluice_own_run: Run) -> None:
    run = sluice_own_run
    run.pipeline = replace(PIPELINE, traffic=())
    times = ("2026-01-01 00:00:01", "2026-01-01 00:00:02", "2026-01-01 00:01:00")
    run.topic.produce([f'{{"at": "{at}"}}'.encode() for at in times])
    landing = Lander(run).land((), until="hdfs")
    assert landing.landed, landing.story()
    assert run.hdfs.table(run.path(WINDOWS)) == [{"start": "2026-01-01 00:00:00", "count": 2}]
    assert landing.ledger.committed == {"windows": 1}
    # Spark's sink keeps a log, so an orphan would be known.
    assert not any("orphans" in sentence for sentence in landing.unjudged)
    run.hdfs.write(f"{run.path(WINDOWS)}/part-of-a-killed-batch.parquet", file_of(run))
    again = Lander(run).land((), until="hdfs")
    assert [breach.hop for breach in again.breaches] == ["files of windows"]
    assert "part-of-a-killed-batch.parquet" in again.headline()
    assert again.ledger.committed == {"windows": 1}


def file_of(run: Run) -> bytes:
    """The content of one of the files that the job has committed."""
    files = run.hdfs.data_files(run.path(WINDOWS))
    content = next(content for file in files if (content := run.hdfs.read(file)))
    return content
