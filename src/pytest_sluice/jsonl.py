"""Lists that outlive a kill: a JSON object a line, appended by whichever process has news."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


def append(path: Path, entry: object) -> None:
    """Write an entry on a line of its own; it is on the disk when this returns."""
    with path.open("ab+") as file:
        write(file, entry)


def write(file: IO[bytes], entry: object) -> None:
    """Write an entry at the end of an open file, which can be read, and onto the disk.

    A line that a kill has cut off is ended first, so that it spoils no other.
    """
    line = json.dumps(entry).encode() + b"\n"
    whole = _ends_whole(file)
    file.seek(0, os.SEEK_END)
    file.write(line if whole else b"\n" + line)
    file.flush()
    os.fsync(file.fileno())


def entries(text: bytes) -> Iterator[dict[str, Any]]:
    """The objects of all whole lines.

    A line that a kill has cut off counts for nothing: whoever wrote it had not begun what it
    announces.
    """
    for line in text.splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield from _object(line)


def _object(line: bytes) -> Iterator[dict[str, Any]]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict):
        yield value


def _ends_whole(file: IO[bytes]) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
