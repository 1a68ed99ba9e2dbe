"""One stage at a time: what each ``-m`` starts of this repository's own end-to-end suite."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

API = {"api", "kafka", "topic"}
STREAM = API | {"stream", "namenode", "datanode", "hdfs"}
HIVE = {"namenode", "datanode", "hdfs", "metastore", "tables"}
STARTED = {
    "api": API | {"landing"},
    "kafka": API | {"landing"},
    "stream": STREAM | {"landing"},
    "hdfs": STREAM | {"landing"},
    "hive": HIVE,
    "presto": STREAM | HIVE | {"presto", "presto-server", "landing"},
}


@pytest.mark.parametrize("stage", STARTED)
def test_a_stage_starts_what_it_needs_and_no_later_one(
    stage: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    command = [sys.executable, "-m", "pytest", "tests/e2e", "-m", stage, "-p", "no:cacheprovider"]
    options = ["--sluice-trigger=1 second", f"--sluice-directory={tmp_path}"]
    done = subprocess.run(
        [*command, *options], cwd=pytestconfig.rootpath, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert started(tmp_path) == STARTED[stage]


def started(directory: Path) -> set[str]:
    """The nodes that the session with this directory brought about."""
    (journal,) = directory.glob("*/events.jsonl")
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    return {event["name"] for event in events if event["kind"] == "node"}
