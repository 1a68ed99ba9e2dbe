"""One file, downloaded: resumed where it stopped, verified, and only then under its name."""

import errno
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import IO

from pytest_sluice.distributions.listing import make_folder
from pytest_sluice.distributions.lock import Artifact
from pytest_sluice.distributions.maven import Source, Unreachable
from pytest_sluice.distributions.problems import DiskFull, NetworkDown, WrongContent

SUFFIX = ".part"
CONNECTIONS = 3  # tries without a new byte before the network counts as down
DOWNLOADS = 2  # a wrong file is fetched once more
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Stopped(Exception):
    """Another file failed, or the user gave up; what is on disk is kept."""


def append(path: Path) -> IO[bytes]:
    """How a partial file is written; tests put a full disk in its place."""
    return path.open("ab", buffering=0)


@dataclass(frozen=True)
class Fetcher:
    """Brings artifacts to disk from a source."""

    source: Source
    opener: Callable[[Path], IO[bytes]] = append
    stop: Event = field(default_factory=Event)

    def fetch(self, artifact: Artifact, target: Path, advance: Callable[[int], None]) -> None:
        """Leave the verified artifact at ``target``; ``advance`` is told each batch of bytes.

        Raises WrongContent, NetworkDown, DiskFull, or Stopped.
        """
        part = target.with_name(target.name + SUFFIX)
        make_folder(part.parent)
        got = ""
        for _ in range(DOWNLOADS):
            got = self._download(artifact, part, advance)
            if got == f"{artifact.sha256} ({artifact.size} bytes)":
                part.replace(target)
                return
            part.unlink()
        expected = f"{artifact.sha256} ({artifact.size} bytes)"
        raise WrongContent.of(artifact.coordinate, expected, got)

    def _download(self, artifact: Artifact, part: Path, advance: Callable[[int], None]) -> str:
        """Fill the partial file to its end; return "sha256 (size bytes)" of what came."""
        sink, refused = _Sink.resume(part, advance), list[str]()
        while len(refused) < CONNECTIONS:
            before = sink.size
            try:
                self._stream(artifact, part, sink)
            except Unreachable as error:
                refused = [*(refused if sink.size == before else []), str(error)]
            else:
                if sink.size >= artifact.size or sink.size == before:
                    return sink.summary
        raise NetworkDown.during(artifact.coordinate, refused)

    def _stream(self, artifact: Artifact, part: Path, sink: "_Sink") -> None:
        if sink.size >= artifact.size:
            return
        try:
            with self.opener(part) as file, self.source.open(artifact, sink.size) as pieces:
                for piece in pieces:
                    if self.stop.is_set():
                        raise Stopped
                    sink.write(file, piece)
                    if sink.size > artifact.size:  # never let a wrong answer fill the disk
                        break
        except OSError as error:
            raise no_room(error, part) from error


@dataclass
class _Sink:
    """The running sha256 and size of a partial file."""

    advance: Callable[[int], None]
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    size: int = 0

    @classmethod
    def resume(cls, part: Path, advance: Callable[[int], None]) -> "_Sink":
        sink = cls(advance)
        if part.exists():
            with part.open("rb") as file:
                while piece := file.read(1 << 20):
                    sink._count(piece)
        return sink

    def write(self, file: IO[bytes], piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            view = view[file.write(view) :]
        self._count(piece)
        self.advance(len(piece))

    def _count(self, piece: bytes) -> None:
        self.digest.update(piece)
        self.size += len(piece)

    @property
    def summary(self) -> str:
        return f"{self.digest.hexdigest()} ({self.size} bytes)"


def no_room(error: Exception, where: Path) -> Exception:
    """A full disk as DiskFull; any other error as it is."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return DiskFull.at(where, shutil.disk_usage(where.parent).free)
    return error
