"""Offsets: what Spark's checkpoint says of them, the lag, and the time of the next trigger.

Spark commits to no consumer group, so its checkpoint is the only place that knows. A batch is
committed once ``commits/N`` is there; ``offsets/N`` has its end offsets, exclusive.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from pytest_sluice.errors import BadDeclaration, SluiceError

Offsets = Mapping[str, Mapping[int, int]]
"""An offset by topic and partition."""

# How late a batch may begin on a busy machine and still be on time.
TRIGGER_SECONDS = 5.0

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
    """The last committed batch, and its end offsets, exclusive.

    ``settled`` is false where Spark will run one more batch, without data: a query with a watermark
    emits in it what the batch before has completed.
    """

    batch: int
    ends: Offsets
    settled: bool = True


@dataclass(frozen=True)
class Batch:
    """A micro-batch that was begun, and when, in seconds since the epoch."""

    number: int
    started_at: float


def pinned(files: Files, checkpoint: str) -> dict[str, dict[int, int]] | None:
    """The offsets at which a query starts; None until it has pinned them.

    From then on no message is missed, also by a query that starts from ``latest``. Of a topic that
    several sources of the query read it is the least.
    """
    numbers = sorted(filter(str.isdecimal, files.names(f"{checkpoint}/sources")), key=int)
    found = [_pinned(files, f"{checkpoint}/sources/{number}/0") for number in numbers or ["0"]]
    starts = [start for start in found if start is not None]
    return _least(starts) if starts and len(starts) == len(found) else None


def _pinned(files: Files, path: str) -> dict[str, dict[int, int]] | None:
    content = files.read(path)
    if content is None:
        return None
    lines = _versioned_lines(path, content.removeprefix(b"\0"))
    if len(lines) != 1:
        raise _malformed(path, f"{len(lines)} lines after v1 where one is due", content)
    return _offsets(path, lines[0])


def committed(files: Files, checkpoint: str) -> Committed | None:
    """The last committed batch of a query; None before the first."""
    last = max(_numbers(files, f"{checkpoint}/commits"), default=-1)
    if last < 0:
        return None
    path = f"{checkpoint}/offsets/{last}"
    content = files.read(path)
    if content is not None:
        settled = not _emits_later(files, checkpoint, last, path, content)
        return Committed(last, _ends(path, content), settled)
    raise BadCheckpoint(
        f"batch {last} is committed, and {checkpoint}/offsets has no such batch",
        checked=[f"offsets: {', '.join(sorted(files.names(f'{checkpoint}/offsets'))) or 'none'}"],
    )


def begun(files: Files, checkpoint: str) -> int:
    """The number of the last batch that a query began, from 0; -1 before the first."""
    return max(_numbers(files, f"{checkpoint}/offsets"), default=-1)


def batches(files: Files, checkpoint: str, after: int = -1) -> tuple[Batch, ...]:
    """The batches with greater numbers than ``after`` that a query began, in their order."""
    numbers = sorted(_numbers(files, f"{checkpoint}/offsets"))
    paths = {number: f"{checkpoint}/offsets/{number}" for number in numbers if number > after}
    found = {number: files.read(path) for number, path in paths.items()}
    return tuple(
        Batch(number, _milliseconds(paths[number], content, "batchTimestampMs") / 1000)
        for number, content in found.items()
        if content is not None
    )


def off_schedule(interval: str, started: Sequence[Batch]) -> tuple[Batch, ...]:
    """The batches that began at another time than their trigger says.

    Spark begins a batch at a multiple of the interval since the epoch, or at once where the batch
    before it took longer than the interval. The first of a query, which begins when the query does,
    is not to be among ``started``, except to be looked at as the one before. What is due is known
    to TRIGGER_SECONDS: of a shorter interval nothing is said.
    """
    seconds = interval_seconds(interval)
    return tuple(
        batch
        for before, batch in pairwise(started)
        if batch.started_at % seconds > TRIGGER_SECONDS
        and batch.started_at - before.started_at < seconds
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


def _numbers(files: Files, folder: str) -> list[int]:
    return [int(name) for name in files.names(folder) if name.isdecimal()]


def _emits_later(files: Files, checkpoint: str, batch: int, path: str, content: bytes) -> bool:
    """Whether a query with state has got a later watermark by a batch than it had in it."""
    if "state" not in files.names(checkpoint):
        return False
    commit = f"{checkpoint}/commits/{batch}"
    after = _milliseconds(commit, files.read(commit) or b"v1\n{}", "nextBatchWatermarkMs")
    return after > _milliseconds(path, content, "batchWatermarkMs")


def _milliseconds(path: str, content: bytes, key: str) -> int:
    """A number of the metadata, which is the first line after the version; 0 without it."""
    metadata = (_versioned_lines(path, content) or ["{}"])[0]
    try:
        return int(json.loads(metadata).get(key, 0))
    except (ValueError, AttributeError, TypeError) as error:
        raise _malformed(path, f"no metadata with {key}: {error}", content) from error


def _ends(path: str, content: bytes) -> dict[str, dict[int, int]]:
    """The end offsets of all sources; a source that has none yet is a line with a dash."""
    _metadata, *sources = _versioned_lines(path, content) or [""]
    if not sources:
        raise _malformed(path, "no line for a source", content)
    return _least([_offsets(path, line) for line in sources if line != "-"])


def _least(sources: Iterable[Offsets]) -> dict[str, dict[int, int]]:
    """By topic and partition; a partition that two sources read is as far as the slower of them."""
    least: dict[str, dict[int, int]] = {}
    for source in sources:
        for topic, partitions in source.items():
            known = least.setdefault(topic, {})
            for partition, offset in partitions.items():
                known[partition] = min(offset, known.get(partition, offset))
    return least


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
