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
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent.parent
sys.path.insert(0, str(HERE))

from bench.memory import MIB, Peak, below  # noqa: E402
from bench.sessions import last_claim_at  # noqa: E402
from pytest_sluice.backends.process import ProcessBackend  # noqa: E402
from pytest_sluice.burial import sweep  # noqa: E402
from pytest_sluice.class_data import prepared_root, templates, tools  # noqa: E402
from pytest_sluice.cluster import Cluster  # noqa: E402
from pytest_sluice.errors import SluiceError  # noqa: E402
from pytest_sluice.events import Event, Journal  # noqa: E402
from pytest_sluice.telling import sentence  # noqa: E402
from tools.many import ROLES, Many, names  # noqa: E402

# In the environment of the command: for whoever wants to see what became of its jobs.
MASTER_PAGE = "DISTRIBUTED_SPARK_MASTER"


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
    swept = sweep()
    for what in swept.buried:
        print(f"distributed: swept what a killed one left: {what}", flush=True)
    for what in swept.left:
        print(f"distributed: not swept: {what}", flush=True)
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
