"""Sinks: which files of a table's folder a query has committed, which are orphans.

A reader that lists the folder, as Presto does, sees all of them. Spark's own file sink keeps a log
of what it has committed, under ``_spark_metadata``. Where a query writes a folder for each
micro-batch, the number in its name is compared with the checkpoint. Of any other sink nothing is
known: all that is there counts as committed.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlparse

from pytest_sluice.offsets import BadCheckpoint, Files

LOG = "_spark_metadata"
BATCH = "{batch}"
_ENTRY = re.compile(r"(\d+)(\.compact)?")


@dataclass(frozen=True)
class Progress:
    """How far a query is: the last batch that it committed and the last that it began, from 0.

    Both are -1 before the first. A query that began a batch and has not committed it may have
    written files of it.
    """

    committed: int = -1
    begun: int = -1

    @property
    def is_writing(self) -> bool:
        """Whether a batch is under way."""
        return self.begun > self.committed


@dataclass(frozen=True)
class Listing:
    """Paths in the folder of a table. ``known`` says whether the sink lets one tell them apart.

    ``in_flight`` are those of the batch that is under way, ``lost`` those which the log of the sink
    has and the folder has not.
    """

    committed: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    in_flight: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    known: bool = True


def listing(
    files: Files, folder: str, present: Sequence[str], batches: str, progress: Progress
) -> Listing:
    """Tell the files that are ``present`` below ``folder`` apart.

    ``batches`` is the declared folder of a micro-batch, such as ``batch_id={batch}``; empty where
    none is. Raises BadCheckpoint for a log of the sink that cannot be read.
    """
    if batches:
        return _by_batch(folder, present, batches, progress)
    log = _logged(files, f"{folder}/{LOG}")
    if log is None:
        return Listing(committed=tuple(present), known=False)
    rest = [path for path in present if path not in log]
    return Listing(
        committed=tuple(path for path in present if path in log),
        orphans=() if progress.is_writing else tuple(rest),
        in_flight=tuple(rest) if progress.is_writing else (),
        lost=tuple(sorted(log - set(present))),
    )


def _by_batch(folder: str, present: Iterable[str], batches: str, progress: Progress) -> Listing:
    """Batches are committed in their order, so a number is enough."""
    before, _, after = batches.partition(BATCH)
    pattern = re.compile(re.escape(f"{folder}/{before}") + r"(\d+)" + re.escape(f"{after}/") + ".+")
    committed, in_flight, orphans = [], [], []
    for path in present:
        match = pattern.fullmatch(path)
        if match and int(match[1]) <= progress.committed:
            committed.append(path)
        elif match and int(match[1]) <= progress.begun:
            in_flight.append(path)
        else:
            orphans.append(path)
    return Listing(tuple(committed), tuple(orphans), tuple(in_flight))


def _logged(files: Files, log: str) -> frozenset[str] | None:
    """The paths in the log of a file sink; None where there is no log."""
    entries = [match for name in files.names(log) if (match := _ENTRY.fullmatch(name))]
    if not entries:
        return None
    # A compact file has everything before it as well.
    start = max((int(match[1]) for match in entries if match[2]), default=-1)
    found: set[str] = set()
    for match in entries:
        is_new = int(match[1]) > start or (int(match[1]) == start and bool(match[2]))
        if is_new:
            found |= _paths(f"{log}/{match[0]}", files.read(f"{log}/{match[0]}") or b"")
    return frozenset(found)


def _paths(path: str, content: bytes) -> set[str]:
    """The paths, without scheme and host, that one file of the log adds."""
    version, *lines = content.decode("utf-8", "replace").splitlines() or [""]
    try:
        if version != "v1":
            raise ValueError(f"the version is {version!r} and not 'v1'")
        entries = [json.loads(line) for line in lines]
        return {unquote(urlparse(e["path"]).path) for e in entries if e["action"] == "add"}
    except (ValueError, KeyError, TypeError) as error:
        raise BadCheckpoint(
            f"cannot read {path}, the log of a file sink: {error}",
            checked=[f"it begins with {content[:200]!r}"],
        ) from error
