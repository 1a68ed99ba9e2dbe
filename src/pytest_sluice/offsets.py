"""Offsets: what Spark's checkpoint says of them, the lag, and the time of the next trigger.

Spark commits to no consumer group, so its checkpoint is the only place that knows. A batch is
committed once ``commits/N`` is there; ``offsets/N`` has its end offsets, exclusive.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pytest_sluice.errors import BadDeclaration, SluiceError

Offsets = Mapping[str, Mapping[int, int]]
"""An offset by topic and partition."""

_BATCH = re.compile(r"(\d+)(\.compact)?")
_INTERVAL = re.compile(r"(?:interval\s+)?(?P<parts>\d+(?:\.\d+)?\s+[a-z]+(?:\s+\d+\s+[a-z]+)*)")
_MILLISECONDS = {
    "millisecond": 1,
    "second": 1000,
    "minute": 60_000,
    "hour": 3_600_000,
    "day": 86_400_000,
}


class BadCheckpoint(SluiceError):
    """A file of a checkpoint that does not have the form that Spark writes."""


class Files(Protocol):
    """The little of a file system that a checkpoint is read through."""

    def read(self, path: str) -> bytes | None:
        """The content of a file, or None where there is none."""

    def names(self, path: str) -> list[str]:
        """The bare names in a folder; none where there is no folder."""


@dataclass(frozen=True)
class Committed:
    """The last committed batch, and its end offsets, exclusive."""

    batch: int
    ends: Offsets


def pinned(files: Files, checkpoint: str) -> dict[str, dict[int, int]] | None:
    """The offsets at which a query starts; None until it has pinned them.

    From then on no message is missed, also by a query that starts from ``latest``.
    """
    path = f"{checkpoint}/sources/0/0"
    content = files.read(path)
    if content is None:
        return None
    lines = _versioned_lines(path, content.removeprefix(b"\0"))
    if len(lines) != 1:
        raise _malformed(path, f"{len(lines)} lines after v1 where one is due", content)
    return _offsets(path, lines[0])


def committed(files: Files, checkpoint: str) -> Committed | None:
    """The last committed batch of a query; None before the first."""
    batches = [_batch(name) for name in files.names(f"{checkpoint}/commits")]
    last, _ = max((batch for batch in batches if batch is not None), default=(-1, ""))
    if last < 0:
        return None
    for name in (f"{last}", f"{last}.compact"):
        path = f"{checkpoint}/offsets/{name}"
        content = files.read(path)
        if content is not None:
            return Committed(last, _ends(path, content))
    raise BadCheckpoint(
        f"batch {last} is committed, and {checkpoint}/offsets has no such batch",
        checked=[f"offsets: {', '.join(sorted(files.names(f'{checkpoint}/offsets'))) or 'none'}"],
    )


def lag(ends: Offsets, done: Committed | None) -> dict[str, dict[int, int]]:
    """The number of messages below the end offsets ``ends`` that no batch has committed yet."""
    seen: Offsets = done.ends if done else {}
    return {
        topic: {
            partition: max(0, end - seen.get(topic, {}).get(partition, 0))
            for partition, end in partitions.items()
        }
        for topic, partitions in ends.items()
    }


def covers(ends: Offsets, done: Committed | None) -> bool:
    """Whether every message below the end offsets ``ends`` is committed."""
    return not any(any(behind.values()) for behind in lag(ends, done).values())


def interval_seconds(interval: str) -> float:
    """The length of a trigger interval as Spark reads it, such as ``120 seconds``, in seconds."""
    match = _INTERVAL.fullmatch(interval.strip().lower())
    words = match["parts"].split() if match else []
    units = [unit.removesuffix("s") for unit in words[1::2]]
    if not units or any(unit not in _MILLISECONDS for unit in units):
        raise BadDeclaration(
            f"cannot read the trigger interval {interval!r}",
            checked=[f"known units are {', '.join(_MILLISECONDS)}, in the plural too"],
            remedy='write it as Spark does: --sluice-trigger="120 seconds"',
        )
    parts = zip(words[::2], units, strict=True)
    return sum(float(number) * _MILLISECONDS[unit] for number, unit in parts) / 1000


def next_trigger(interval: str, now: float) -> float:
    """When Spark starts the next batch after ``now``, both in seconds since the epoch.

    Spark counts multiples of the interval from the epoch, not from the start of the query.
    """
    step = round(interval_seconds(interval) * 1000)
    if step == 0:
        return now
    milliseconds = math.floor(round(now * 1000, 3))  # 137438953.471 * 1000 is a bit too small
    return (milliseconds // step + 1) * step / 1000


def _batch(name: str) -> tuple[int, str] | None:
    match = _BATCH.fullmatch(name)
    return (int(match[1]), name) if match else None


def _ends(path: str, content: bytes) -> dict[str, dict[int, int]]:
    """The end offsets of all sources; a source that has none yet is a line with a dash."""
    _metadata, *sources = _versioned_lines(path, content) or [""]
    if not sources:
        raise _malformed(path, "no line for a source", content)
    ends: dict[str, dict[int, int]] = {}
    for line in sources:
        if line != "-":
            ends |= _offsets(path, line)
    return ends


def _versioned_lines(path: str, content: bytes) -> list[str]:
    """The lines after the version, which must be v1."""
    try:
        version, *lines = content.decode("utf-8").splitlines() or [""]
    except UnicodeDecodeError as error:
        raise _malformed(path, str(error), content) from error
    if version != "v1":
        raise _malformed(path, f"the version is {version!r} and not 'v1'", content)
    return lines


def _offsets(path: str, line: str) -> dict[str, dict[int, int]]:
    try:
        return {
            topic: {int(partition): _offset(offset) for partition, offset in partitions.items()}
            for topic, partitions in json.loads(line).items()
        }
    except (ValueError, AttributeError) as error:
        raise _malformed(path, f"no offsets by topic and partition: {error}", line) from error


def _offset(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no offset")
    return value


def _malformed(path: str, reason: str, content: bytes | str) -> BadCheckpoint:
    return BadCheckpoint(
        f"cannot read {path} of the checkpoint: {reason}",
        checked=[f"it begins with {content[:200]!r}"],
        remedy="a checkpoint belongs to one version of the job: give the run a new folder",
    )
