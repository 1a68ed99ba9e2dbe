"""What several processes make once, in a folder that they share: a value, or why there is none."""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pytest_sluice.errors import ClusterLost, SluiceError

NOTHING = object()


@contextlib.contextmanager
def lock(folder: Path, name: str) -> Iterator[None]:
    """Held by one process at a time; one that dies lets go."""
    with (folder / f"{name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def once(folder: Path, name: str, make: Callable[[], Any]) -> Any:
    """What ``make`` returned (as JSON) for whoever asked first.

    Raises what ``make`` raised; for those who ask later, ClusterLost with the same cause. They
    get it also where the first died before it was made: half of it may be done.
    """
    begun = folder / f"{name}.begun"
    with lock(folder, name):
        value = _read(folder / f"{name}.json")
        if value is not NOTHING:
            return value
        if begun.exists():
            raise _lost(folder, name)
        begun.touch()
        return _make(folder, name, make)


def made(folder: Path, name: str) -> Any:
    """What :func:`once` made; None where nobody asked for it, or it is not there yet."""
    value = _read(folder / f"{name}.json")
    return None if value is NOTHING else value


def _make(folder: Path, name: str, make: Callable[[], Any]) -> Any:
    try:
        _write(folder / f"{name}.json", make())
    except BaseException as error:
        _write(folder / f"{name}.failed", _story(error))
        raise
    return _read(folder / f"{name}.json")


def _story(error: BaseException) -> dict[str, Any]:
    if isinstance(error, SluiceError):
        return {"cause": error.cause, "checked": error.checked, "remedy": error.remedy}
    return {"cause": f"{type(error).__name__}: {error}", "checked": (), "remedy": ""}


def _lost(folder: Path, name: str) -> ClusterLost:
    story = _read(folder / f"{name}.failed")
    if story is NOTHING:
        return ClusterLost(f"whoever began the {name} did not end it")
    return ClusterLost(
        f"the {name} failed for whoever began it: {story['cause']}",
        checked=story["checked"],
        remedy=story["remedy"],
    )


def _write(path: Path, value: object) -> None:
    """Whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(value), encoding="utf-8")
    os.replace(partial, path)


def _read(path: Path) -> Any:
    """The value in a file; NOTHING where there is none, or half of one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return NOTHING
