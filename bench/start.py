"""How long the services take to be ready, together and alone, as ratios of one run.

    python bench/start.py [--repeat 3] [--json build/bench-start.json]

Wall: everything together against the slowest chain alone (HDFS, metastore, tables, Presto, first
query over a Hive table). CPU: everything together against the sum of each chain alone; what chains
share is counted once. Memory: the peak of the sum of proportional set sizes (PSS).
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent.parent
sys.path.insert(0, str(HERE))

from bench.memory import MIB, Peak, below  # noqa: E402
from conftest import pytest_sluice_pipeline  # noqa: E402
from pytest_sluice.backends.process import ProcessBackend  # noqa: E402
from pytest_sluice.class_data import prepared_root, templates, tools  # noqa: E402
from pytest_sluice.cluster import Cluster  # noqa: E402
from pytest_sluice.events import Journal  # noqa: E402
from pytest_sluice.flow.deployment import Deployment, roles  # noqa: E402
from pytest_sluice.flow.run import Run  # noqa: E402

CHAINS = {
    "kafka": ["kafka"],
    "hdfs": ["hdfs"],
    "metastore": ["metastore"],
    "presto chain": ["presto"],
    "stream chain": ["stream"],
    "api chain": ["api"],
}
# What stands below each chain and is measured as a chain of its own.
BELOW = {
    "presto chain": ("hdfs", "metastore"),
    "stream chain": ("kafka", "hdfs"),
    "api chain": ("kafka",),
}
EVERYTHING = ["presto", "stream", "api"]


def measure(nodes: Sequence[str]) -> dict[str, float]:
    """Start nodes in a cluster of their own: wall and CPU seconds until ready, peak MiB."""
    root = prepared_root()
    with tempfile.TemporaryDirectory() as logs, Cluster.create() as cluster:
        backend = ProcessBackend(cluster, tools(root), roles(), Path(logs), templates(root))
        deployment = Deployment(backend, Journal(Path(logs) / "events.jsonl"))
        run = Run(1, pytest_sluice_pipeline(None), deployment)  # type: ignore[arg-type]
        return _measured(run, nodes, psutil.Process(cluster.ask("status")["pid"]))


def _measured(run: Run, nodes: Sequence[str], supervisor: psutil.Process) -> dict[str, float]:
    peak = Peak(below(supervisor))
    started = time.monotonic()
    names = [run.node(name) if run.node(name) in run.graph else name for name in nodes]
    run.graph.start(names)
    for name in names:
        run.graph.join(name)
    wall = time.monotonic() - started
    return {"wall_s": wall, "cpu_s": _cpu(supervisor), "peak_mib": peak.stop() / MIB}


def _cpu(supervisor: psutil.Process) -> float:
    """CPU seconds of everything below the supervisor, what has ended included."""
    family = [supervisor, *supervisor.children(recursive=True)]
    times = [process.cpu_times() for process in family]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


def benchmark(repeat: int) -> dict[str, Any]:
    """Medians of ``repeat`` rounds, and the ratios."""
    rounds = [
        {name: measure(nodes) for name, nodes in {**CHAINS, "together": EVERYTHING}.items()}
        for _ in range(repeat)
    ]
    medians = {
        name: {key: statistics.median(r[name][key] for r in rounds) for key in rounds[0][name]}
        for name in rounds[0]
    }
    cpu = {name: medians[name]["cpu_s"] for name in CHAINS}
    own = sum(cpu[name] - sum(cpu[below] for below in BELOW.get(name, ())) for name in CHAINS)
    together = medians["together"]
    return {
        "rounds": repeat,
        "medians": medians,
        "wall_ratio_to_slowest_chain": together["wall_s"] / medians["presto chain"]["wall_s"],
        "cpu_ratio_to_sum_of_chains": together["cpu_s"] / own,
    }


def report(benchmark: Callable[[int], dict[str, Any]], description: str | None) -> None:
    """Run a benchmark as the command line says: print its JSON, and write it where asked."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    tell(benchmark(args.repeat), args.json)


def tell(figures: dict[str, Any], path: Path | None, *, aloud: bool = True) -> None:
    """Print figures as JSON, if aloud, and write them where that is wanted."""
    text = json.dumps(figures, indent=2)
    if aloud:
        print(text, flush=True)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    report(benchmark, __doc__)
