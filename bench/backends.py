"""The same session on every backend: verdicts, seconds, peak memory, and as ratios of one run.

    python bench/backends.py [--repeat 1] [--json build/bench-backends.json] [BACKEND ...]

Backends: process+kraft, process+zookeeper, compose+kraft, compose+zookeeper, external (default:
all). Each runs `pytest tests/e2e` with a trigger of one second; seconds are from its start, and
several rounds come to their medians. The image is built beforehand and timed by itself. With the
backend external the services stand before its session starts: its memory is of the session's own
processes alone. Ratios are to process+kraft. Exit code 1 unless every session was green with all
its claims as expected, on the same rows.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent.parent
sys.path.insert(0, str(HERE))

from bench.agreement import Judged, differing  # noqa: E402
from bench.memory import MIB, Peak, contained, marked  # noqa: E402
from bench.sessions import Session  # noqa: E402
from bench.start import tell  # noqa: E402
from bench.there import there  # noqa: E402
from pytest_sluice.backends.compose import label_of  # noqa: E402
from pytest_sluice.backends.containers import docker_name_of  # noqa: E402

BACKENDS = ("process+kraft", "process+zookeeper", "compose+kraft", "compose+zookeeper", "external")
BASE = "process+kraft"
CLAIMS = 14
FIGURES = ("ready_s", "landing_s", "claims_s", "whole_s", "peak_mib")
MEMORY = {
    "process": "PSS of all processes of the cluster",
    "compose": "all containers of the project, without inactive page cache",
    "external": "PSS of the session's own processes: API and jobs, not the services",
}
# Alike for all, and seldom enough that the looking is not what is measured.
SAMPLE_SECONDS = 1.0

Round = dict[str, Any]


class Rounds:
    """What came of the sessions so far; the rows of the very first are those to agree with."""

    def __init__(self) -> None:
        self.image_build_s: float | None = None
        self._of: dict[str, list[Round]] = {}
        self._first: Sequence[Judged] | None = None

    def add(self, name: str, session: Session, peak: int) -> None:
        """Take note of a session at its end."""
        code = session.process.wait()
        try:
            found = {"exit_code": code, **session.seconds(), "peak_mib": peak / MIB}
            self._of.setdefault(name, []).append({**found, **self._verdicts(session.judged())})
        except (OSError, StopIteration, ValueError) as error:
            tail = session.output().splitlines()[-30:]
            cause = f"{type(error).__name__}: {error}"
            broken = {"exit_code": code, "cause": cause, "output": tail}
            self._of.setdefault(name, []).append(broken)

    def figures(self) -> dict[str, Any]:
        """The table; ratios as far as there is something to compare."""
        medians = {name: median for name, rounds in self._of.items() if (median := _median(rounds))}
        base = medians.get(BASE, {})
        table = {
            name: {
                "memory_of": MEMORY[name.split("+")[0]],
                "medians": medians.get(name),
                "ratios": _ratios(medians.get(name, {}), base),
                "rounds": rounds,
            }
            for name, rounds in self._of.items()
        }
        cold = _ratios(medians.get("compose+kraft", {}), base).get("ready_ratio")
        return {
            "image_build_s": self.image_build_s,
            "compose_cold_start_ratio": cold,
            "backends": table,
        }

    def good(self) -> bool:
        """Whether every session was green, with all claims as expected and on the same rows."""
        return all(map(_good, (each for rounds in self._of.values() for each in rounds)))

    def _verdicts(self, judged: Sequence[Judged]) -> Round:
        self._first = self._first or judged
        return {
            "claims": len(judged),
            "as_expected": sum(claim["as_expected"] for claim in judged),
            "differing_claims": differing(self._first, judged),
        }


def _good(found: Round) -> bool:
    return (
        found["exit_code"] == 0
        and found.get("claims") == found.get("as_expected") == CLAIMS
        and not found["differing_claims"]
    )


def _median(rounds: Sequence[Round]) -> dict[str, float]:
    whole = [each for each in rounds if FIGURES[0] in each]
    return {key: statistics.median(each[key] for each in whole) for key in FIGURES if whole}


def _ratios(figures: dict[str, float], base: dict[str, float]) -> dict[str, float]:
    """Names end in _ratio in place of their unit."""
    return {
        f"{key.rpartition('_')[0]}_ratio": value / base[key]
        for key, value in figures.items()
        if base.get(key)
    }


def measure(name: str, rounds: Rounds) -> None:
    """Run the session on one backend."""
    backend, _, mode = name.partition("+")
    options = [f"--sluice-backend={backend}", f"--sluice-kafka={mode or 'kraft'}"]
    with (
        tempfile.TemporaryDirectory() as folder,
        _services(backend, Path(folder)) as where,
        Session(Path(folder), [*options, *where]) as session,
    ):
        peak = Peak(_memory(backend, session), SAMPLE_SECONDS)
        session.process.wait()
        rounds.add(name, session, peak.stop())


@contextmanager
def _services(backend: str, folder: Path) -> Iterator[list[str]]:
    """What has to stand before the session starts; the options that tell it."""
    if backend != "external":
        yield []
        return
    (services := folder / "there").mkdir()
    with there(services) as path:
        yield [f"--sluice-external={path}"]


def _memory(backend: str, session: Session) -> Callable[[], int]:
    if backend != "compose":
        return marked(psutil.Process(session.process.pid), lambda: session.cluster)

    def label() -> str:
        directory = session.cluster
        return label_of(docker_name_of(directory)) if directory else ""

    return contained(label)


def build_image() -> float:
    """Build what compose runs, as far as it is not built; seconds."""
    started = time.monotonic()
    subprocess.run(["docker", "compose", "build", "--quiet"], cwd=HERE, check=True)
    return time.monotonic() - started


def main() -> int:
    """Do what the command line says; what is there after each session is written at once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("backends", nargs="*", metavar="BACKEND", help=", ".join(BACKENDS))
    args = parser.parse_args()
    chosen = args.backends or BACKENDS
    if unknown := sorted(set(chosen) - set(BACKENDS)):
        parser.error(f"no backend {', '.join(unknown)}; there are {', '.join(BACKENDS)}")
    rounds = Rounds()
    if any(name.startswith("compose") for name in chosen):
        rounds.image_build_s = build_image()
    for name in [name for _ in range(args.repeat) for name in chosen]:
        print(f"backends: {name}", file=sys.stderr, flush=True)
        measure(name, rounds)
        tell(rounds.figures(), args.json, aloud=False)
    tell(rounds.figures(), args.json)
    return 0 if rounds.good() else 1


if __name__ == "__main__":
    sys.exit(main())
