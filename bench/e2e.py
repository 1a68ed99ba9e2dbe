"""How long a person waits for the claims: whole cold sessions, and as ratios of one run.

    python bench/e2e.py [--repeat 3] [--json build/bench-e2e.json]

Seconds from the start of `pytest tests/e2e` with a trigger of one second: to the services ready,
to the landing of the traffic, to the last claim on the report's tables, and to the end, which has
two more clusters in it. The ratios are to the services alone, started together (see start.py).
"""

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent.parent
sys.path.insert(0, str(HERE))

from bench.sessions import Session  # noqa: E402
from bench.start import EVERYTHING, measure, report  # noqa: E402


def session() -> dict[str, float]:
    """Run the end-to-end tests once; seconds from their start."""
    with tempfile.TemporaryDirectory() as folder, Session(Path(folder)) as started:
        if started.process.wait():
            raise SystemExit(started.output())
        return started.seconds()


def benchmark(repeat: int) -> dict[str, Any]:
    """Medians of ``repeat`` rounds, and the ratios."""
    rounds = [{"together_s": measure(EVERYTHING)["wall_s"], **session()} for _ in range(repeat)]
    medians = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
    together = medians["together_s"]
    names = ("ready", "landing", "claims", "whole")
    ratios = {f"{name}_ratio_to_together": medians[f"{name}_s"] / together for name in names}
    return {"rounds": rounds, "medians": medians, **ratios}


if __name__ == "__main__":
    report(benchmark, __doc__)
