"""HiveQL through the real Hive CLI."""

from collections.abc import Mapping
from pathlib import Path

from pytest_sluice.contracts import Backend
from pytest_sluice.errors import SluiceError
from pytest_sluice.services.hdfs import client_settings
from pytest_sluice.services.hive import cli

# A statement takes two seconds; ending while class data is recorded half a minute.
CLI_SECONDS = 180.0


class Hive:
    """HiveQL through the real Hive CLI; each call is a process of some seconds."""

    def __init__(self, backend: Backend, directory: Path, replication: int = 1) -> None:
        self._backend = backend
        self._directory = directory
        self._replication = replication

    def execute(self, statements: str) -> str:
        """Run statements, separated by semicolons; the rows, as the CLI printed them."""
        return self._run("-e", statements)

    def run_script(self, script: Path, variables: Mapping[str, str]) -> str:
        """Run a script with ``--hivevar`` variables; the rows, as the CLI printed them."""
        words = [w for k, v in variables.items() for w in ("--hivevar", f"{k}={v}")]
        return self._run(*words, "-f", str(script))

    def _run(self, *arguments: str) -> str:
        metastore = self._backend.endpoint("metastore", "thrift", "inside")
        namenode = self._backend.endpoint("namenode", "rpc", "inside")
        hdfs = client_settings(namenode, self._replication)
        launch = cli(self._backend.tools, self._directory, metastore, hdfs, arguments)
        completed = self._backend.exec("metastore", launch, seconds=CLI_SECONDS)
        if completed.code:
            raise HiveQLFailed(
                f"the Hive CLI ended with exit code {completed.code}",
                checked=[" ".join(arguments), *_without_frames(completed.output)[-15:]],
            )
        return completed.stdout.decode("utf-8", "replace")


def identifier(name: str) -> str:
    """A name as the CLI takes any: in backticks, and no semicolon of it ends the statement."""
    escaped = name.replace("`", "``").replace(";", "\\;")
    return f"`{escaped}`"


def _without_frames(output: str) -> list[str]:
    """The lines of a log less the frames of its stack traces, which bury the reason."""
    return [line for line in output.splitlines() if not line.startswith("\tat ")]


class HiveQLFailed(SluiceError):
    """The Hive CLI refused a statement."""
