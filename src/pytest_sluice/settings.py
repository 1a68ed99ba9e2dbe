"""Settings: one row each. Option > environment > ini > default, shown with its source."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pytest_sluice import parsers
from pytest_sluice.errors import BadDeclaration

Source = Literal["option", "environment", "ini", "default"]

# What `docker compose build` makes.
IMAGE = "pytest-sluice:0.1.0"


@dataclass(frozen=True)
class Setting:
    """A row of the table. Its option is ``--sluice-name``, its variable ``SLUICE_NAME``.

    The option of a ``flag`` takes no value.
    """

    name: str
    default: str | None
    metavar: str
    help: str
    parse: Callable[[str], Any]
    flag: bool = False

    @property
    def option(self) -> str:
        """The command line option."""
        return "--sluice-" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "SLUICE_" + self.name.upper()

    @property
    def ini(self) -> str:
        """The key in pytest's configuration file."""
        return "sluice_" + self.name


SETTINGS = (
    Setting(
        "backend",
        "process",
        "NAME",
        "how the services run: process (local processes, no Docker), compose (docker compose, by "
        "pytest-docker), containers (single containers, by testcontainers) or external (attach)",
        parsers.backend,
    ),
    Setting(
        "image",
        IMAGE,
        "NAME",
        "the image of the backend containers; the compose file takes the same variable",
        str,
    ),
    Setting(
        "require_docker",
        "false",
        "BOOLEAN",
        "make it an error, and no skip, when tests need a Docker engine and none can be reached",
        parsers.flag,
        flag=True,
    ),
    Setting(
        "external",
        None,
        "ROLE.PORT=HOST:PORT,...",
        "addresses of the services that are there already, for the backend external",
        str,
    ),
    Setting(
        "kafka",
        "kraft",
        "MODE",
        "what holds Kafka together: kraft (the broker itself) or zookeeper (Kafka 3.9, ZooKeeper)",
        parsers.kafka,
    ),
    Setting(
        "trigger",
        None,
        "INTERVAL",
        'trigger interval of every streaming query, such as "1 second" (default: as declared)',
        parsers.interval,
    ),
    Setting(
        "spark_master",
        None,
        "MASTER",
        "where the job runs: local[N], spark://HOST:PORT,..., yarn or k8s://HOST:PORT "
        "(default: as declared, else local[2])",
        parsers.master,
    ),
    Setting(
        "driver_host",
        None,
        "HOST",
        "address of this machine at which the executors of a remote master reach the job "
        "(default: the job's own loopback address)",
        str,
    ),
    Setting(
        "partitions",
        None,
        "N",
        "partitions of the topic (default: as declared, else 1)",
        parsers.number,
    ),
    Setting(
        "replication",
        None,
        "N",
        "on how many brokers each message is kept, and on how many DataNodes each block "
        "(default: as declared, else 1, and of blocks as the file system has it)",
        parsers.number,
    ),
    Setting(
        "hdfs_replication",
        None,
        "N",
        "on how many DataNodes each block is kept, where that differs (default: as replication)",
        parsers.number,
    ),
    Setting(
        "timeout_factor",
        "1",
        "FACTOR",
        "multiplies the deadlines of readiness and landing, for slow machines",
        parsers.factor,
    ),
    Setting(
        "directory",
        ".pytest_cache/sluice",
        "PATH",
        "where logs and events.jsonl of the last sessions are kept, below the root directory",
        Path,
    ),
    Setting(
        "claims",
        None,
        "PATH",
        "write every claim with its verdict and figures to this JSON file",
        Path,
    ),
)


@dataclass(frozen=True)
class Value:
    """A resolved setting and where it came from."""

    value: Any
    source: Source


class Settings:
    """Every setting, resolved."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        """The value of a setting; None where it has none."""
        return self._values[name].value

    def text(self) -> str:
        """Every setting that has a value, with its source."""
        return ", ".join(
            f"{name}={found.value} ({found.source})"
            for name, found in self._values.items()
            if found.value is not None
        )


def resolve(
    option: Callable[[str], str | None],
    environment: Mapping[str, str],
    ini: Callable[[str], str | None],
) -> Settings:
    """Resolve every row; a value that cannot be used is refused with the place it came from."""
    return Settings({row.name: _resolve(row, option, environment, ini) for row in SETTINGS})


def _resolve(
    row: Setting,
    option: Callable[[str], str | None],
    environment: Mapping[str, str],
    ini: Callable[[str], str | None],
) -> Value:
    found: tuple[tuple[Source, str, str | None], ...] = (
        ("option", row.option, option(row.ini)),
        ("environment", row.variable, environment.get(row.variable)),
        ("ini", row.ini, ini(row.ini)),
        ("default", row.name, row.default),
    )
    for source, place, text in found:
        if text is not None:
            return Value(_parse(row, place, text), source)
    return Value(None, "default")


def _parse(row: Setting, place: str, text: str) -> Any:
    try:
        return row.parse(text)
    except (ValueError, BadDeclaration) as error:
        raise BadDeclaration(
            f"{place}: cannot use {text!r}: {error}",
            remedy=f"{row.option}={row.metavar}: {row.help}",
        ) from error
