"""A cluster of many for one command: three brokers, two DataNodes, Spark master and two workers.

    python tools/distributed.py [--json PATH] [--claims PATH] [--junit PATH] -- COMMAND...

In COMMAND `{addresses}` becomes the path of a file for `--sluice-external`, and `{master}` the URL
for `--sluice-spark-master`. The command's exit code is this one's; however it ends, the cluster
comes down. All of it are processes of this machine, on a loopback address of their own. The JSON
has seconds and MiB, and what the command wrote to `--claims` and `--junit` of it, which are those
of `--sluice-claims` and pytest.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent.parent
sys.path.insert(0, str(HERE))

from bench.memory import MIB, Peak, below  # noqa: E402
from bench.sessions import last_claim_at  # noqa: E402
from bench.there import ADDRESSES  # noqa: E402
from pytest_sluice.backends.process import ProcessBackend  # noqa: E402
from pytest_sluice.class_data import prepared_root, templates, tools  # noqa: E402
from pytest_sluice.clients.kafka import Kafka  # noqa: E402
from pytest_sluice.cluster import Cluster, sweep  # noqa: E402
from pytest_sluice.contracts import Role  # noqa: E402
from pytest_sluice.errors import SluiceError  # noqa: E402
from pytest_sluice.events import Event, Journal  # noqa: E402
from pytest_sluice.flow.deployment import Deployment  # noqa: E402
from pytest_sluice.services import hdfs, hive, kafka, presto, spark  # noqa: E402
from pytest_sluice.telling import sentence  # noqa: E402

BROKERS = [kafka.role(number, of=3) for number in (1, 2, 3)]
DATANODES = [hdfs.datanode(number) for number in (1, 2)]
WORKERS = [spark.worker(number) for number in (1, 2)]
ROLES = [
    *BROKERS,
    hdfs.NAMENODE_ROLE,
    *DATANODES,
    hive.ROLE,
    presto.ROLE,
    spark.MASTER_ROLE,
    *WORKERS,
]

# In the environment of the command: for whoever wants to see what became of its jobs.
MASTER_PAGE = "DISTRIBUTED_SPARK_MASTER"


class Many:
    """The cluster on a process backend: its services are ready when :meth:`start` returns."""

    def __init__(self, backend: ProcessBackend, journal: Journal) -> None:
        self.backend = backend
        self.deployment = Deployment(backend, journal)
        for role in ROLES:
            # Those of the deployment itself, where it has one of this name.
            if role.name not in self.deployment.graph:
                self._add(role.name, (), partial(backend.start, role))
        self._add("brokers", names(BROKERS), self._await_brokers)
        self._add("file system", ["namenode", *names(DATANODES)], self._await_file_system)
        self._add("spark", ["spark-master", *names(WORKERS)], self._await_spark)

    def start(self) -> None:
        """Start everything side by side, and wait until each answers a real request."""
        ready = ["brokers", "file system", "metastore", "presto-server", "spark"]
        self.deployment.graph.start(ready)
        for name in ready:
            self.deployment.graph.join(name)

    def addresses(self) -> str:
        """Where everything is, as TOML for the backend external."""
        return ADDRESSES.format(
            brokers=json.dumps(self._brokers()),
            namenode=self._at("namenode", "rpc"),
            webhdfs=self._at("namenode", "http"),
            metastore=self._at("metastore", "thrift"),
            presto=self._at("presto", "http"),
        )

    @property
    def master(self) -> str:
        """The URL of Spark's master."""
        return f"spark://{self._at('spark-master', 'rpc')}"

    @property
    def master_page(self) -> str:
        """Where the master tells of its workers and applications, over HTTP."""
        return f"http://{self._at('spark-master', 'http')}"

    def _add(self, name: str, needs: Sequence[str], action: Any) -> None:
        self.deployment.graph.add(name, needs, action)

    def _at(self, role: str, port: str) -> str:
        return str(self.backend.endpoint(role, port))

    def _brokers(self) -> list[str]:
        return [self._at(name, "client") for name in names(BROKERS)]

    def _await_brokers(self) -> None:
        client = Kafka(",".join(self._brokers()))
        first, *others = names(BROKERS)
        self.deployment.await_role(first, lambda: client.probe_ready(len(BROKERS)), beside=others)

    def _await_file_system(self) -> None:
        http = self.backend.endpoint("namenode", "http")
        self.deployment.await_role(
            "namenode",
            lambda: hdfs.probe_ready(http, len(DATANODES)),
            beside=names(DATANODES),
        )

    def _await_spark(self) -> None:
        http = self.backend.endpoint("spark-master", "http")
        self.deployment.await_role(
            "spark-master", lambda: spark.probe_ready(http, len(WORKERS)), beside=names(WORKERS)
        )


def names(roles: Sequence[Role]) -> list[str]:
    """What they are called."""
    return [role.name for role in roles]


def tell(event: Event) -> None:
    """A line for what a person wants to know; of a role alone nobody knows yet whether it works."""
    started = event.get("state") == "ready" and event.get("name") in names(ROLES)
    if not started and (line := sentence(event)):
        print(f"distributed: {line}", flush=True)


@contextmanager
def many(folder: Path) -> Iterator[Many]:
    """The cluster, for as long as the block; its logs are in ``folder``."""
    journal = Journal(folder / "events.jsonl")
    journal.follow(tell)
    root = prepared_root()
    with Cluster.create() as cluster:
        backend = ProcessBackend(cluster, tools(root), ROLES, folder / "logs", templates(root))
        started = Many(backend, journal)
        started.start()
        yield started


def run(command: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run the command beside the cluster: its exit code, times of day, peak of memory in MiB."""
    peak, began = Peak(below(psutil.Process())), time.time()
    with many(folder) as cluster:
        ready = time.time()
        addresses = folder / "addresses.toml"
        addresses.write_text(cluster.addresses(), encoding="utf-8")
        places = {"{addresses}": str(addresses), "{master}": cluster.master}
        words = [filled(word, places) for word in command]
        print(f"distributed: ready in {ready - began:.1f} s: {shlex.join(words)}", flush=True)
        environment = {**os.environ, MASTER_PAGE: cluster.master_page}
        code = subprocess.run(words, env=environment, check=False).returncode
    return {"exit_code": code, "began": began, "ready": ready, "peak_mib": peak.stop() / MIB}


def filled(word: str, places: Mapping[str, str]) -> str:
    """A word of the command with what its braces stand for."""
    for name, value in places.items():
        word = word.replace(name, value)
    return word


def told(ran: Mapping[str, Any], claims: Path | None, junit: Path | None) -> dict[str, Any]:
    """What came of it: verdicts by claim, seconds to ready and from there to the last claim."""
    figures = {"exit_code": ran["exit_code"], "ready_s": ran["ready"] - ran["began"]}
    if junit:
        figures["last_claim_s"] = last_claim_at(junit) - ran["ready"]
    if claims:
        judged = json.loads(claims.read_text(encoding="utf-8"))["claims"]
        figures["verdicts"] = {claim["id"]: claim["outcome"] for claim in judged}
    return {**figures, "peak_mib": ran["peak_mib"]}


def main() -> int:
    """Do what the command line says."""
    args = _parsed()
    for path in filter(None, (args.claims, args.junit)):
        path.unlink(missing_ok=True)  # what is there afterwards is of this command
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for swept in sweep():
        print(f"distributed: swept what a killed one left: {swept}", flush=True)
    try:
        ran = run(args.command, args.logs)
    except SluiceError as error:
        print(error, file=sys.stderr)
        return 1
    if args.json:
        text = json.dumps(told(ran, args.claims, args.junit), indent=2)
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(text + "\n", encoding="utf-8")
    return int(ran["exit_code"])


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--claims", type=Path)
    parser.add_argument("--junit", type=Path)
    parser.add_argument("--logs", type=Path, default=HERE / "build" / "distributed")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
