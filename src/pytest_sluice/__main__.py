"""What acts and exits, and is no test: set up, look at what runs."""

import argparse
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NoReturn, TextIO

from pytest_sluice.contracts import Endpoint
from pytest_sluice.errors import ClusterLost, SluiceError


def _setup(args: argparse.Namespace) -> int:
    from pytest_sluice.distributions.command import run
    from pytest_sluice.preparation import prepare

    if code := run(args):
        return code
    if not args.names:
        prepare(lambda line: print(line, flush=True), thorough=args.verify)
    return 0


def _status(args: argparse.Namespace) -> int:
    from pytest_sluice.cluster import Cluster, clusters

    for directory in clusters():
        try:
            with Cluster.attach(directory) as cluster:
                found = cluster.ask("status")
        except ClusterLost:
            if directory.exists():
                print(f"{directory} is ending")
            continue
        print(f"{directory} on {found['address']}, {found['leases'] - 1} leases")
        for row in found["roles"]:
            state = "running" if row["code"] is None else f"ended with {row['code']}"
            print(f"  {row['name']:<20} pid {row['pid']:>7}  {state}")
    return 0


def _forget(args: argparse.Namespace) -> int:
    from pytest_sluice.flow.forget import forget

    with _log(args.log) as log:

        def say(line: str) -> None:
            print(line, file=log, flush=True)

        try:
            return 0 if forget(args.list, args.external, args.root, say) else 1
        except SluiceError as error:
            say(str(error))
            return 1


def _log(path: Path | None) -> AbstractContextManager[TextIO]:
    """Where to say what became of it: on the terminal where the session's folder is gone."""
    if path and path.parent.is_dir():
        return path.open("a", encoding="utf-8")
    return nullcontext(sys.stdout)


def _supervise(args: argparse.Namespace) -> int:
    from pytest_sluice.supervisor import main as supervise

    return supervise(args.directory, args.lease)


def _discard(args: argparse.Namespace) -> int:
    from pytest_sluice.backends.engine import discard

    key, _, value = args.label.partition("=")
    if not (key and value):  # a key alone would be whatever has that label, on the whole machine
        raise SluiceError(f"{args.label!r} is no label", remedy="write it as KEY=VALUE")
    discard(args.label)
    return 0


def _serve(args: argparse.Namespace) -> NoReturn:
    from pytest_sluice.inside.serve import serve

    serve(args.role, args.directory, args.host, dict(args.published), dict(args.peer))


def _launch(_args: argparse.Namespace) -> NoReturn:
    from pytest_sluice.inside.launch import launch
    from pytest_sluice.wire import LAUNCH

    launch(os.environ.get(LAUNCH, ""))


def _probe(args: argparse.Namespace) -> int:
    from pytest_sluice.inside.probe import probe

    probe(args.roles, args.seconds, args.host)
    return 0


def _tool(args: argparse.Namespace) -> NoReturn:
    from pytest_sluice.inside.commands import run

    run(args.name, args.arguments)


def _describe(_args: argparse.Namespace) -> int:
    from pytest_sluice.inside.describe import described

    print(described())
    return 0


def _parser() -> argparse.ArgumentParser:
    # Nothing heavy is imported for it: health checks come this way.
    parser = argparse.ArgumentParser(prog="python -m pytest_sluice", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    setup = commands.add_parser("setup", help="fetch, verify, heal and prepare the real services")
    setup.add_argument("names", nargs="*", metavar="name", help="distributions (default: all)")
    setup.add_argument("--json", type=Path, metavar="PATH", help="write seconds and bytes by step")
    setup.add_argument(
        "--verify", action="store_true", help="read every file again, changed or not"
    )
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
    _add_inside(commands)
    return parser


def _add_inside(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """What is run in containers."""
    serve = commands.add_parser("serve", help="become a service's role, in a container")
    serve.add_argument("role")
    serve.add_argument("--host", default="", help="its address (default: its service's name)")
    serve.add_argument("--directory", type=Path, help="its files (default: /var/lib/sluice/ROLE)")
    serve.add_argument(
        "--published",
        metavar="PORT=HOST:NUMBER",
        type=_address,
        action="append",
        default=[],
        help="where the host reaches a port of the role",
    )
    serve.add_argument(
        "--peer",
        metavar="ROLE.PORT=HOST:NUMBER",
        type=_address,
        action="append",
        default=[],
        help="where another role listens (default: at its service's name)",
    )
    serve.set_defaults(run=_serve)
    probe = commands.add_parser("probe", help="ask roles until they are well (health checks)")
    probe.add_argument("roles", nargs="+", metavar="role")
    probe.add_argument("--host", default="", help="their address (default: their services' names)")
    probe.add_argument("--seconds", type=float, default=1.0, help="for how long (default: 1)")
    probe.set_defaults(run=_probe)
    tool = commands.add_parser("tool", help="hive, presto, spark-submit, kafka-topics, ...")
    tool.add_argument("name")
    tool.add_argument("arguments", nargs=argparse.REMAINDER)
    tool.set_defaults(run=_tool)
    launch = commands.add_parser("launch", help="become a rendered command (internal)")
    launch.set_defaults(run=_launch)
    discard = commands.add_parser("discard", help="remove containers by their label (internal)")
    discard.add_argument("label", metavar="KEY=VALUE")
    discard.set_defaults(run=_discard)
    describe = commands.add_parser("describe", help="the tools at hand, as JSON (internal)")
    describe.set_defaults(run=_describe)


def _address(text: str) -> tuple[str, Endpoint]:
    from pytest_sluice.inside.place import parse_address

    return parse_address(text)


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
