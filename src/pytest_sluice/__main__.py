"""What acts and exits: ``python -m pytest_sluice setup|supervise|...``."""

import argparse
import sys
from pathlib import Path


def _supervise(args: argparse.Namespace) -> int:
    from pytest_sluice.supervisor import main as supervise

    return supervise(args.directory, args.lease, args.keep)


def _setup(args: argparse.Namespace) -> int:
    from pytest_sluice.distributions.command import run

    return run(args)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run one subcommand; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pytest_sluice", description=__doc__)
    commands = parser.add_subparsers(required=True)
    supervise = commands.add_parser("supervise", help="own the processes of one cluster (internal)")
    supervise.add_argument("directory", type=Path)
    supervise.add_argument("lease", type=int, help="file descriptor of the first lease")
    supervise.add_argument("keep", type=float, help="seconds to wait for another lease")
    supervise.set_defaults(run=_supervise)
    args = parser.parse_args(argv)
    return int(args.run(args))


if __name__ == "__main__":
    sys.exit(main())
