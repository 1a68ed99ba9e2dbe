"""Prove that nothing is left: sessions on docker compose that end in good order, or are killed.

    python tools/cycles.py [--ups 20] [--kills 10] [--json build/cycles.json]

The kills are by SIGKILL, at moments that are spread over the start-up, and in mid-test. After each
end there must be no container, network, volume, process nor file of the session, 15 seconds later
at the latest. Each result is written at once, and a second call goes on where the first stopped;
when all are there, it starts afresh. Exit code 1 if anything was left.
"""

import argparse
import signal
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE))

from pytest_sluice.backends.engine import engine, left  # noqa: E402
from pytest_sluice.errors import SluiceError  # noqa: E402
from pytest_sluice.waiting import Deadline, NotYet, WaitTimeout, wait_for  # noqa: E402
from tools.child import Child  # noqa: E402
from tools.record import Cycle, Record, Result, planned  # noqa: E402

BACKEND = "--sluice-backend=compose"
SECONDS_AFTER_END = 15.0
# With the image to be built by then; for slow machines.
READY_SECONDS = 300.0
END_SECONDS = 120.0


def run(cycle: Cycle) -> Result:
    """Run one session, end it, and look what is left of it."""
    result = Result(cycle.kind, cycle.number, cycle.moment)
    child = Child([BACKEND])
    try:
        _await_moment(child, cycle)
        result.seen = dict(Counter(thing.split()[0] for thing in child.look()))
        _end(child, cycle)
        _await_nothing(child, result)
    except SluiceError as error:
        result.trouble = f"{error}\n{child.output()[-3000:]}"
    finally:
        result.labels = child.labels()
        child.clear()
    return result


def _await_moment(child: Child, cycle: Cycle) -> None:
    """Wait for the moment of its end; its clusters are noticed all the while."""
    started = time.monotonic()

    def moment() -> None:
        child.notice()
        come = child.is_ready if cycle.moment is None else _past(started, cycle.moment)
        if not come:
            raise NotYet("the session starts")

    def alive() -> None:
        if child.process.poll() is not None and not child.is_ready:
            raise SluiceError(f"the session ended by itself, with {child.process.returncode}")

    wait_for("the moment to end it", moment, Deadline(READY_SECONDS), alive=alive)


def _past(started: float, seconds: float) -> bool:
    return time.monotonic() - started >= seconds


def _end(child: Child, cycle: Cycle) -> None:
    """End it, in good order or not, and see that it ended so."""
    if cycle.kind == "up":
        child.let_end()
    else:
        child.process.kill()

    def ended() -> int:
        if (code := child.process.poll()) is None:
            raise NotYet("it runs")
        return code

    code = wait_for("the end of the session", ended, Deadline(END_SECONDS))
    if code != (wanted := 0 if cycle.kind == "up" else -signal.SIGKILL):
        raise SluiceError(f"the session ended with {code} in place of {wanted}")


def _await_nothing(child: Child, result: Result) -> None:
    deadline = Deadline(SECONDS_AFTER_END)

    def gone() -> None:
        if found := child.look():
            raise NotYet(", ".join(found))

    try:
        wait_for("nothing to be left", gone, deadline)
        result.gone_s = round(deadline.elapsed, 2)
    except WaitTimeout:
        result.left = child.look()


def tell(cycle: Cycle, result: Result) -> None:
    """A line of progress."""
    there = ", ".join(f"{kind} {number}" for kind, number in sorted(result.seen.items()))
    outcome = f"nothing left after {result.gone_s} s" if result.clean else "NOT CLEAN"
    print(f"cycles: {cycle.told()}: there were {there or 'nothing yet'}; {outcome}", flush=True)
    for line in (*result.left, *result.trouble.splitlines()):
        print(f"    {line}", flush=True)


def main() -> int:
    """Run what is not recorded yet; 0 if every cycle was clean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ups", type=int, default=20)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--json", type=Path, default=Path("build/cycles.json"))
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    cycles = list(planned(args.ups, args.kills))
    try:
        engine()
    except SluiceError as error:
        print(error, file=sys.stderr)
        return 1
    record = Record(args.json, cycles)
    for cycle in cycles:
        if not record.has(cycle):
            record.add(result := run(cycle))
            tell(cycle, result)
    unclean = sum(not each.clean for each in record.results)
    late = [thing for each in record.results for label in each.labels for thing in left(label)]
    print(f"cycles: {len(record.results)} of them, {unclean} not clean; see {args.json}")
    print(f"cycles: on the engine now: {', '.join(late) or 'nothing of them'}")
    return 1 if unclean or late else 0


if __name__ == "__main__":
    sys.exit(main())
