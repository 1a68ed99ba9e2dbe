"""Which files were read and found right on this machine, so that a session need not read them.

A file's content cannot change without its inode, its size or its time of change (ctime) doing so;
no program can set the latter.
"""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

# The clock of a file system moves in steps: a file may change twice within one, unnoticed.
CLOCK_STEP = 50 * 10**6  # nanoseconds

Mark = list[int | str]


class Seen:
    """The files that were verified, by their path below a folder; kept in a file if possible."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._marks: dict[str, Mark] = _read(path) if path else {}
        self._begun = time.time_ns()

    def knows(self, name: str, found: os.stat_result, sha256: str) -> bool:
        """True if the file was verified against this sha256 and has not changed since."""
        return self._marks.get(name) == _mark(found, sha256)

    def keep(self, verified: Mapping[str, tuple[os.stat_result, str]]) -> None:
        """Remember these files, by what stat said *before* they were read, and no others.

        Of a cache that cannot be written nothing is remembered.
        """
        settled = {
            name: _mark(found, sha256)
            for name, (found, sha256) in verified.items()
            if found.st_ctime_ns + CLOCK_STEP < self._begun
        }
        if self.path and settled != self._marks:
            self._marks = settled
            with suppress(OSError):
                _write(self.path, settled)


def _mark(found: os.stat_result, sha256: str) -> Mark:
    return [found.st_ino, found.st_size, found.st_ctime_ns, sha256]


def _read(path: Path) -> dict[str, Mark]:
    try:
        marks = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return marks if isinstance(marks, dict) else {}


def _write(path: Path, marks: Mapping[str, Mark]) -> None:
    """Write it so that a reader sees the old file or the new one, with other writers about."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(json.dumps(marks), "utf-8")
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
