"""The journal of a session: an append-only ``events.jsonl``, and whoever follows it live.

Whatever flows upward (progress, timeline, ledger, verdicts) goes as an event; the terminal, a page
and the benchmarks are folds over the events.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Event = dict[str, Any]
Follower = Callable[[Event], None]


class Journal:
    """Appends events to a file, a JSON object a line, and hands each to the followers.

    Every event has ``kind`` and ``at`` (seconds since the epoch). Safe to call from threads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._followers: list[Follower] = []

    def follow(self, follower: Follower) -> None:
        """Hand every later event to ``follower``, in the thread that emits it."""
        self._followers.append(follower)

    def emit(self, kind: str, **fields: object) -> None:
        """Append one event."""
        event: Event = {"kind": kind, "at": round(time.time(), 3), **fields}
        with self._lock:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(event, default=str) + "\n")
            for follower in self._followers:
                follower(event)

    @contextmanager
    def node(self, name: str) -> Iterator[None]:
        """Tell that something is brought about: starting, then ready (in seconds) or failed."""
        started = time.monotonic()
        self.emit("node", name=name, state="starting")
        try:
            yield
        except BaseException as error:
            self.emit("node", name=name, state="failed", reason=str(error))
            raise
        seconds = round(time.monotonic() - started, 2)
        self.emit("node", name=name, state="ready", seconds=seconds)


def read_events(path: Path) -> Iterator[Event]:
    """The events of a journal, oldest first; a last line cut off by a kill is left out."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)
