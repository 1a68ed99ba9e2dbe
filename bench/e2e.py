"""How long a person waits for the claims: whole cold sessions, and as ratios of one run.

    python bench/e2e.py [--repeat 3] [--json build/bench-e2e.json]

Seconds from the start of `pytest tests/e2e` with a trigger of one second: to the landing of the
traffic, to the last claim on the report's tables, and to the end, which has two more clusters in
it. The ratios are to the services alone, started together (see start.py).
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

HERE = Path(__file__).parent.parent
sys.path.insert(0, str(HERE))

from bench.start import EVERYTHING, measure, report  # noqa: E402
from pytest_sluice.events import read_events  # noqa: E402

COMMAND = (sys.executable, "-m", "pytest", "tests/e2e", "--sluice-trigger=1 second")
CLAIMS = "tests.e2e.test_report_"


def session() -> dict[str, float]:
    """Run the end-to-end tests once; seconds from their start."""
    with tempfile.TemporaryDirectory() as folder:
        junit, logs = Path(folder, "junit.xml"), Path(folder, "logs")
        started = time.time()
        done = subprocess.run(
            [*COMMAND, f"--junit-xml={junit}", f"--sluice-directory={logs}"],
            cwd=HERE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        whole = time.time() - started
        if done.returncode:
            raise SystemExit(done.stdout)
        return {
            "landing_s": landed_at(logs) - started,
            "claims_s": last_claim_at(junit) - started,
            "whole_s": whole,
        }


def landed_at(logs: Path) -> float:
    """When the traffic of the shared run had landed, in seconds since the epoch."""
    (journal,) = logs.glob("*/events.jsonl")
    events = read_events(journal)
    return next(float(e["at"]) for e in events if e["kind"] == "landing" and e["run"] == 1)


def last_claim_at(junit: Path) -> float:
    """When the last claim on the report's tables was judged, in seconds since the epoch."""
    return max(end for name, end in _ends(junit) if name.startswith(CLAIMS))


def _ends(junit: Path) -> Iterator[tuple[str, float]]:
    """The module of every test, and when it ended: they ran one after the other."""
    (suite,) = ElementTree.parse(junit).iter("testsuite")
    at = datetime.fromisoformat(suite.attrib["timestamp"]).timestamp()
    for case in suite.iter("testcase"):
        at += float(case.attrib["time"])
        yield case.attrib["classname"], at


def benchmark(repeat: int) -> dict[str, Any]:
    """Medians of ``repeat`` rounds, and the ratios."""
    rounds = [{"together_s": measure(EVERYTHING)["wall_s"], **session()} for _ in range(repeat)]
    medians = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
    together = medians["together_s"]
    names = ("landing", "claims", "whole")
    ratios = {f"{name}_ratio_to_together": medians[f"{name}_s"] / together for name in names}
    return {"rounds": rounds, "medians": medians, **ratios}


if __name__ == "__main__":
    report(benchmark, __doc__)
