"""What acts and exits, and is no test: set up, look at what runs."""

import argparse
import sys
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


def _supervise(args: argparse.Namespace) -> int:
    from pytest_sluice.supervisor import main as supervise

    return supervise(args.directory, args.lease)


def _launch(args: argparse.Namespace) -> int:
    from pytest_sluice.serving import become
    from pytest_sluice.wire import launch_from_json

    become(launch_from_json(args.launch), args.place)


def _tools(_args: argparse.Namespace) -> int:
    from pytest_sluice.class_data import ROLES, prepared_root, tools
    from pytest_sluice.wire import tools_to_json

    print(tools_to_json(tools(prepared_root()), ROLES))
    return 0


def _discard(args: argparse.Namespace) -> int:
    from pytest_sluice.backends.engine import discard

    discard(args.label)
    return 0


def _parser() -> argparse.ArgumentParser:
    from pytest_sluice.distributions.command import add_arguments
    from pytest_sluice.serving import PLACE

    parser = argparse.ArgumentParser(prog="python -m pytest_sluice", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    setup = commands.add_parser("setup", help="fetch, verify, heal and prepare the real services")
    add_arguments(setup)
    setup.set_defaults(run=_setup)
    status = commands.add_parser("status", help="the clusters that run on this machine")
    status.set_defaults(run=_status)
    launch = commands.add_parser("launch", help="become a process, in a container (internal)")
    launch.add_argument("--place", type=Path, default=PLACE, help="folder of the role")
    launch.add_argument("launch", help="what to run, as JSON")
    launch.set_defaults(run=_launch)
    tools = commands.add_parser("tools", help="what roles are run with here, as JSON (internal)")
    tools.set_defaults(run=_tools)
    discard = commands.add_parser("discard", help="remove containers by their label (internal)")
    discard.add_argument("label", metavar="KEY=VALUE")
    discard.set_defaults(run=_discard)
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
