"""`python -m pytest_sluice setup`: fetch, verify and heal what the services need."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_sluice.distributions import cache_root, provision
from pytest_sluice.distributions.bench_tool import ensure_ab
from pytest_sluice.distributions.report import Bar, Both, Report, Summary, plain
from pytest_sluice.distributions.straight import require_straight
from pytest_sluice.errors import SluiceError

AB = "ab"


def run(args: argparse.Namespace) -> int:
    """Set up, print a line a step; 0, or 1 with the error on stderr."""
    summary = Summary(plain)
    try:
        require_straight(cache_root())  # first: nothing is downloaded to where it cannot be used
        with _shown(summary) as report:
            provision(args.names or None, report, thorough=args.verify)
            _ab(report)
    except SluiceError as error:
        print(f"setup failed: {error}", file=sys.stderr)
        return 1
    finally:
        if args.json:
            summary.write(args.json, cache_root())
    print(summary.total(), f"in {cache_root()}", flush=True)
    return 0


def _ab(report: Report) -> None:
    report.begin(AB, 0)
    report.end(AB, ensure_ab())


@contextmanager
def _shown(summary: Summary) -> Iterator[Report]:
    """With a bar on a terminal; lines only, in a log."""
    if not sys.stdout.isatty():
        yield summary
        return
    bar = Bar.on(sys.stdout)
    summary.tell = lambda step: bar.progress.console.print(step.line(), highlight=False)
    try:
        yield Both(bar, summary)
    finally:
        bar.close()
