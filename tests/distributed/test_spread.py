"""That one run is spread over many: its topic, its blocks, its tasks. See tools/distributed.py."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from pytest_sluice.clients.hdfs import Hdfs
from pytest_sluice.flow.handles import RunTopic
from pytest_sluice.flow.run import Run
from pytest_sluice.ledger import Landing
from pytest_sluice.session import Session

MASTER_PAGE = "DISTRIBUTED_SPARK_MASTER"
LONGEST_LOG = 1 << 24

pytestmark = pytest.mark.skipif(
    MASTER_PAGE not in os.environ, reason="the cluster of many is brought up by tox -e distributed"
)


def test_every_broker_leads_a_part_of_the_topic_and_has_all_of_it(sluice_topic: RunTopic) -> None:
    in_sync = sluice_topic.kafka.in_sync(sluice_topic.name)
    assert [set(brokers) for brokers in in_sync.values()] == [{1, 2, 3}] * 3
    assert {leader for leader, *_followers in in_sync.values()} == {1, 2, 3}


def test_every_partition_was_sent_to_and_committed(
    sluice_topic: RunTopic, sluice_landing: Landing
) -> None:
    ends = sluice_topic.end_offsets()
    assert len(ends) == 3
    assert all(ends.values())
    assert sum(ends.values()) == sluice_landing.ledger.requests
    assert sluice_landing.ends == {sluice_topic.name: ends}
    assert sluice_landing.committed == {"events": {sluice_topic.name: ends}}


def test_every_block_is_on_two_datanodes(
    sluice_hdfs: Hdfs, sluice_run: Run, sluice_landing: Landing
) -> None:
    folder = sluice_run.path(sluice_run.table("purchases"))
    replicas = [
        set(block["names"])
        for file in sluice_hdfs.data_files(folder)
        for block in blocks(sluice_hdfs, file)
    ]
    assert replicas
    assert {len(datanodes) for datanodes in replicas} == {2}
    assert len(set.union(*replicas)) == 2


def test_executors_on_both_workers_ran_tasks_of_one_job(
    sluice_session: Session, sluice_landing: Landing
) -> None:
    workers = asked(os.environ[MASTER_PAGE])["workers"]
    assert len(workers) == 2
    first, second = (tasks(worker["webuiaddress"]) for worker in workers)
    assert first.keys() & second.keys(), f"{first}, {second}"


def blocks(hdfs: Hdfs, file: str) -> list[dict[str, Any]]:
    """The blocks of a file; ``names`` are the addresses of the DataNodes that have it."""
    page = f"http://{hdfs.http}/webhdfs/v1{file}?op=GETFILEBLOCKLOCATIONS"
    with urlopen(page, timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)["BlockLocations"]["BlockLocation"]
    return found


def asked(page: str) -> dict[str, Any]:
    """What a master or worker tells of itself."""
    with urlopen(f"{page}/json/", timeout=10) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


def tasks(worker: str) -> Mapping[str, int]:
    """The number of tasks that a worker's executors ended, by application; none is left out."""
    told = asked(worker)
    ended: Counter[str] = Counter()
    for executor in (*told["executors"], *told["finishedexecutors"]):
        log = executor_log(worker, executor["appid"], executor["id"])
        ended[executor["appid"]] += log.count("Executor: Finished task")
    return +ended


def executor_log(worker: str, application: str, executor: str) -> str:
    """What an executor wrote to stderr."""
    words = {
        "appId": application,
        "executorId": executor,
        "logType": "stderr",
        "byteLength": LONGEST_LOG,
    }
    with urlopen(f"{worker}/log?{urlencode(words)}", timeout=10) as answer:
        text: str = answer.read().decode("utf-8", "replace")
    return text
