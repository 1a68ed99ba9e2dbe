"""`python -m pytest_sluice tool NAME ...`: the commands of the document, in a container's PATH."""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from pytest_sluice.class_data import prepared_root, tools
from pytest_sluice.components import job
from pytest_sluice.contracts import Endpoint, Launch, Site, Tools
from pytest_sluice.distributions import jars
from pytest_sluice.errors import SluiceError
from pytest_sluice.inside.place import become, endpoint, find
from pytest_sluice.launching import CONTAINED
from pytest_sluice.services import hive, kafka_tools, presto
from pytest_sluice.services.hdfs import client_settings
from pytest_sluice.services.jvm import TEMPORARY

Arguments = tuple[str, ...]
Command = Callable[[Tools, Path, Arguments], Launch]


def _hive(at_hand: Tools, home: Path, arguments: Arguments) -> Launch:
    hdfs = client_settings(_peer("namenode", "rpc"))
    return hive.cli(at_hand, home, _peer("metastore", "thrift"), hdfs, arguments)


def _presto(at_hand: Tools, home: Path, arguments: Arguments) -> Launch:
    return presto.cli(at_hand, home, jars("presto-cli"), arguments)


def _spark_submit(at_hand: Tools, home: Path, arguments: Arguments) -> Launch:
    # The driver's own name: with executors elsewhere, they have to find it.
    site = Site(home, {"driver": Endpoint(socket.gethostname(), 0)}, {}, at_hand)
    conf = {f"spark.hadoop.{k}": v for k, v in client_settings(_peer("namenode", "rpc")).items()}
    return job.submit(site, conf, arguments)


def _kafka(main: str) -> Command:
    def render(at_hand: Tools, home: Path, arguments: Arguments) -> Launch:
        return kafka_tools.tool(at_hand, home, jars("kafka-tools"), (main, *arguments))

    return render


COMMANDS: dict[str, Command] = {
    "hive": _hive,
    "presto": _presto,
    "spark-submit": _spark_submit,
    **{name: _kafka(main) for name, main in kafka_tools.TOOLS.items()},
}


def run(name: str, arguments: Sequence[str]) -> NoReturn:
    """Turn this process into the command, with the environment and working directory of both."""
    home = CONTAINED / "commands" / f"{name}-{os.getpid()}"
    launch = render(name, tools(prepared_root()), home, tuple(arguments))
    own = {"TMPDIR": str(home / TEMPORARY)}
    become(launch, home, {**os.environ, **own, **_unless_set(launch.environment)})


def render(name: str, at_hand: Tools, home: Path, arguments: Arguments) -> Launch:
    """The launch of a command, in the caller's working directory; SluiceError for another name."""
    if name not in COMMANDS:
        raise SluiceError(
            f"no command {name!r}", checked=[f"commands are {', '.join(sorted(COMMANDS))}"]
        )
    return replace(COMMANDS[name](at_hand, home, arguments), directory=Path.cwd())


def _unless_set(own: Mapping[str, str]) -> dict[str, str]:
    return {name: os.environ.get(name, value) for name, value in own.items()}


def _peer(role: str, port: str) -> Endpoint:
    return endpoint(find(role), port)
