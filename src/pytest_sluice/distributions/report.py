"""What a person, and a machine, gets to see of a set-up: a bar, a line a step, or a summary."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@dataclass
class Step:
    """One distribution's set-up: bytes on disk, bytes that were downloaded, seconds, outcome."""

    name: str
    bytes: int
    downloaded: int = 0
    seconds: float = 0.0
    outcome: str = ""

    def line(self) -> str:
        """One line for a log."""
        sizes = f"{self.bytes / 1e6:8.1f} MB {self.downloaded / 1e6:8.1f} MB downloaded"
        return f"{self.name:<14}{sizes} {self.seconds:7.2f} s  {self.outcome}"


class Report(Protocol):
    """Who is told how a set-up goes on; called from several threads."""

    def begin(self, name: str, size: int) -> None:
        """A step starts; ``size`` is in bytes on disk."""
        ...

    def advance(self, name: str, count: int, downloaded: int = 0) -> None:
        """``count`` more bytes are there, ``downloaded`` of which came over the network."""
        ...

    def end(self, name: str, outcome: str) -> None:
        """The step is over; ``outcome`` is a word or two."""
        ...


class Silent:
    """Tells nobody."""

    def begin(self, name: str, size: int) -> None:
        """Nothing."""

    def advance(self, name: str, count: int, downloaded: int = 0) -> None:
        """Nothing."""

    def end(self, name: str, outcome: str) -> None:
        """Nothing."""


SILENT = Silent()


@dataclass
class Summary:
    """Keeps every step's figures, and hands each finished one to ``tell``."""

    tell: Callable[[Step], None] = lambda step: None
    clock: Callable[[], float] = time.monotonic
    steps: list[Step] = field(default_factory=list)
    _started: dict[str, float] = field(default_factory=dict)
    _guard: Lock = field(default_factory=Lock)

    def begin(self, name: str, size: int) -> None:
        """Start the step's clock."""
        self._started[name] = self.clock()
        self.steps.append(Step(name, size))

    def advance(self, name: str, count: int, downloaded: int = 0) -> None:
        """Add up what came over the network."""
        with self._guard:
            self._step(name).downloaded += downloaded

    def end(self, name: str, outcome: str) -> None:
        """Stop the clock and tell."""
        step = self._step(name)
        step.seconds = round(self.clock() - self._started[name], 3)
        step.outcome = outcome
        self.tell(step)

    def _step(self, name: str) -> Step:
        return next(step for step in reversed(self.steps) if step.name == name)

    def total(self) -> str:
        """The last line: everything together."""
        total = Step("in all", outcome="complete", bytes=sum(step.bytes for step in self.steps))
        total.downloaded = sum(step.downloaded for step in self.steps)
        total.seconds = sum(step.seconds for step in self.steps)
        return total.line()

    def write(self, path: Path, cache: Path) -> None:
        """The figures as JSON: seconds and bytes, in all and by step."""
        total = {
            "cache": str(cache),
            "seconds": round(sum(step.seconds for step in self.steps), 3),
            "bytes": sum(step.bytes for step in self.steps),
            "downloaded": sum(step.downloaded for step in self.steps),
            "steps": [asdict(step) for step in self.steps],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(total, indent=2) + "\n", "utf-8")


class Bar:
    """A progress bar for each step, on a terminal; close it in the end."""

    def __init__(self, progress: "Progress") -> None:
        self.progress = progress
        self._tasks: dict[str, TaskID] = {}
        progress.start()

    @classmethod
    def on(cls, stream: IO[str]) -> "Bar":
        """A bar with bytes, rate and remaining time."""
        from rich import progress
        from rich.console import Console

        columns = (
            progress.TextColumn("{task.description:<14}"),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
        )
        return cls(progress.Progress(*columns, console=Console(file=stream)))

    def begin(self, name: str, size: int) -> None:
        """Show a new bar."""
        self._tasks[name] = self.progress.add_task(name, total=size)

    def advance(self, name: str, count: int, downloaded: int = 0) -> None:
        """Move it."""
        self.progress.advance(self._tasks[name], count)

    def end(self, name: str, outcome: str) -> None:
        """Take it away; the summary's line stays."""
        self.progress.remove_task(self._tasks.pop(name))

    def close(self) -> None:
        """Give the terminal back."""
        self.progress.stop()


@dataclass(frozen=True)
class Both:
    """Two reports as one."""

    first: Report
    second: Report

    def begin(self, name: str, size: int) -> None:
        """Tell both."""
        self.first.begin(name, size)
        self.second.begin(name, size)

    def advance(self, name: str, count: int, downloaded: int = 0) -> None:
        """Tell both."""
        self.first.advance(name, count, downloaded)
        self.second.advance(name, count, downloaded)

    def end(self, name: str, outcome: str) -> None:
        """Tell both."""
        self.first.end(name, outcome)
        self.second.end(name, outcome)


def plain(step: Step, stream: IO[str] | None = None) -> None:
    """One line for a finished step, at once even into a pipe."""
    print(step.line(), file=stream or sys.stdout, flush=True)
