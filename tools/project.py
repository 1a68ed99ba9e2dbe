"""A compose project that a script walks through: commands print themselves, answers are checked."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_sluice.backends.engine import discard

ROOT = Path(__file__).resolve().parents[1]

Rows = Sequence[tuple[str, ...]]


class Failed(Exception):
    """A command printed something else than it should."""


class Walk:
    """One compose project; commands print themselves, and end the walk where they fail."""

    def __init__(self, project: str, address: str, logs: Path) -> None:
        self.project = project
        self.address = address
        self._logs = logs
        self._environment = {**os.environ, "SLUICE_ADDRESS": address}
        self._aside: list[subprocess.Popen[bytes]] = []

    @property
    def label(self) -> str:
        """What everything of the project carries."""
        return f"com.docker.compose.project={self.project}"

    def compose(self, *words: str, stdin: str = "") -> str:
        """Run a compose command to its end; what it printed. Failed with that, where it failed."""
        print(f"$ docker compose {shlex.join(words)}", flush=True)
        done = subprocess.run(
            self._argv(*words),
            cwd=ROOT,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
            raise Failed(f"exit code {done.returncode}\n{tail}")
        return done.stdout

    def exec(self, service: str, *words: str, stdin: str = "") -> str:
        """Run a command in a service's container."""
        return self.compose("exec", "-T", service, *words, stdin=stdin)

    def in_another_terminal(self, name: str, *words: str) -> Path:
        """Start a command in a container that goes on beside the walk; where its output goes."""
        print(f"$ docker compose exec {shlex.join(words)} &", flush=True)
        log = self._logs / f"{name}.log"
        with log.open("wb") as out:
            started = subprocess.Popen(
                self._argv("exec", "-T", *words),
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self._aside.append(started)
        return log

    def alive(self) -> None:
        """Failed where a command beside the walk has ended."""
        for each in self._aside:
            if each.poll() is not None:
                raise Failed(f"{each.args!r} ended with exit code {each.returncode}")

    def tell(self) -> None:
        """Print the ends of all logs."""
        for log in sorted(self._logs.iterdir()):
            print(f"--- {log.name}", *_tail(log), sep="\n", flush=True)
        print(self.compose("logs", "--no-color", "--tail", "15"), flush=True)

    def down(self) -> None:
        """Take everything down."""
        for each in self._aside:
            each.terminate()
            each.wait()
        self._aside.clear()
        self.compose("--profile", "*", "down", "-v", "-t", "1", "--remove-orphans")

    def check_absence(self) -> None:
        """Failed with what is left of it."""
        if left := list(self.leftovers()):
            raise Failed(f"left behind: {', '.join(left)}")

    def leftovers(self) -> Iterator[str]:
        """Every container, network and volume of the project."""
        for kind, words in (("container", ["ps", "-a"]), ("network", []), ("volume", [])):
            listing = ["docker", *(words or [kind, "ls"]), "-q", "--filter", f"label={self.label}"]
            done = subprocess.run(listing, capture_output=True, text=True, check=True)
            yield from (f"{kind} {name}" for name in done.stdout.split())

    def _argv(self, *words: str) -> list[str]:
        return ["docker", "compose", "-p", self.project, *words]


def check(what: str, found: Any, wanted: Any) -> None:
    """Failed unless both are the same."""
    if found != wanted:
        raise Failed(f"{what}: expected {wanted!r}, found {found!r}")
    print(f"    {what}: {wanted}", flush=True)


def printed(text: str) -> Iterator[Rows]:
    """The rows of each table that the Presto CLI printed."""
    rows: list[tuple[str, ...]] | None = None
    for line in text.splitlines():
        if re.fullmatch(r"-[-+]*", line):
            rows = []
        elif rows is not None and re.match(r"\(\d+ rows?\)", line):
            yield rows
            rows = None
        elif rows is not None:
            rows.append(tuple(cell.strip() for cell in line.split("|")))


@contextmanager
def taken_down(walk: Walk) -> Iterator[None]:
    """Take the project down however the block ends; Failed where something of it is left then."""
    try:
        yield
        walk.down()
        walk.check_absence()
    except BaseException:
        try:
            walk.tell()
            walk.down()
        finally:
            # What the engine was asked for when a command was interrupted may come only now.
            discard(walk.label)
        raise
    finally:
        print(f"    left: {', '.join(walk.leftovers()) or 'nothing'}", flush=True)


def _tail(log: Path) -> list[str]:
    return log.read_text("utf-8", "replace").splitlines()[-15:]
