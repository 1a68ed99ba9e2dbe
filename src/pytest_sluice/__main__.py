"""What acts and exits, and is no test: set up, look at what runs."""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from pytest_sluice.errors import ClusterLost, SluiceError


def _setup(args: argparse.Namespace) -> int:
    from pytest_sluice.distributions.command import run
    from pytest_sluice.preparation import prepare

    if code := run(args):
        return code
    if not args.names:
        prepare(lambda line: print(line, flush=True))
    return 0


def _status(args: argparse.Namespace) -> int:
    from pytest_sluice.cluster import Cluster, clusters

    for directory in clusters():
        try:
            cluster = Cluster.attach(directory)
            found = cluster.ask("status")
        except ClusterLost:
            continue  # it ended just now
        print(f"{directory} on {found['address']}, {found['leases'] - 1} leases")
        for row in found["roles"]:
            state = "running" if row["code"] is None else f"ended with {row['code']}"
            print(f"  {row['name']:<20} pid {row['pid']:>7}  {state}")
        cluster.close()
    return 0


def _forget(args: argparse.Namespace) -> int:
    from pytest_sluice.flow.forget import forget

    with args.log.open("a", encoding="utf-8") if args.log else nullcontext(sys.stdout) as log:

        def say(line: str) -> None:
            print(line, file=log, flush=True)

        try:
            return 0 if forget(args.list, args.external, args.root, say) else 1
        except SluiceError as error:
            say(str(error))
            return 1


def _supervise(args: argparse.Namespace) -> int:
    from pytest_sluice.supervisor import main as supervise

    return supervise(args.directory, args.lease)


def _parser() -> argparse.ArgumentParser:
    from pytest_sluice.distributions.command import add_arguments

    parser = argparse.ArgumentParser(prog="python -m pytest_sluice", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    setup = commands.add_parser("setup", help="fetch, verify, heal and prepare the real services")
    add_arguments(setup)
    setup.set_defaults(run=_setup)
    status = commands.add_parser("status", help="the clusters that run on this machine")
    status.set_defaults(run=_status)
    forget = commands.add_parser("forget", help="remove what a session made elsewhere (internal)")
    forget.add_argument("list", type=Path, help="the list of what it made")
    forget.add_argument("--external", required=True, help="where: as --sluice-external")
    forget.add_argument("--root", type=Path, default=Path(), help="of relative paths in that")
    forget.add_argument("--log", type=Path, help="where to say what became of it")
    forget.set_defaults(run=_forget)
    supervise = commands.add_parser("supervise", help="own one cluster's processes (internal)")
    supervise.add_argument("directory", type=Path)
    supervise.add_argument("lease", type=int, help="file descriptor of the first lease")
    supervise.set_defaults(run=_supervise)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; the exit code, 1 with the error on stderr where it could not."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except SluiceError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
