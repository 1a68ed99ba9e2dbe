"""What a finished directory holds, kept beside it: the size, time and sha256 of each file."""

import hashlib
import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Timer

from pytest_sluice.distributions.listing import look
from pytest_sluice.distributions.problems import Exposed
from pytest_sluice.distributions.seen import Seen

THREADS = 4
NOTICE_SECONDS = 2.0

Stats = Mapping[str, os.stat_result]


@dataclass(frozen=True)
class Entry:
    """One verified file: size in bytes, modification time in nanoseconds, sha256."""

    size: int
    mtime_ns: int
    sha256: str

    def unchanged(self, stat: os.stat_result) -> bool:
        """True if size and time are those that were recorded."""
        return (stat.st_size, stat.st_mtime_ns) == (self.size, self.mtime_ns)


Manifest = Mapping[str, Entry]


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record(directory: Path, digests: Mapping[str, str]) -> Manifest:
    """Entries for files that have just been verified (relative path -> sha256)."""
    return {path: _entry(directory / path, digest) for path, digest in digests.items()}


def _entry(path: Path, digest: str) -> Entry:
    stat = path.stat()
    return Entry(stat.st_size, stat.st_mtime_ns, digest)


def write(path: Path, manifest: Manifest) -> None:
    """Write it so that a reader sees the old file or the new one, never a half."""
    partial = path.with_name(f"{path.name}.part")
    text = json.dumps({name: asdict(entry) for name, entry in sorted(manifest.items())}, indent=0)
    partial.write_text(text, "utf-8")
    partial.chmod(0o644)
    partial.replace(path)


def read(path: Path) -> Manifest | None:
    """The manifest, or None where there is none that can be read."""
    try:
        found = {name: Entry(**entry) for name, entry in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    sized = all(type(entry.size) is type(entry.mtime_ns) is int for entry in found.values())
    return found if sized else None


def faults(
    directory: Path,
    manifest: Manifest,
    locked: Mapping[str, str],
    thorough: bool = False,
    *,
    seen: Path | None = None,
    apart: Collection[str] = (),
) -> list[str]:
    """Every file that is missing, changed, added, a link, or not as locked, a line each.

    A file is read where the file ``seen`` does not know it as it is, or if ``thorough``; what was
    read and is right is noted there. The top entries named ``apart`` are not looked at. Raises
    Exposed where others may change a file or a folder.
    """
    listing = look(directory, apart)
    if listing.exposed:
        below = {f"{directory.name}/{path}": how for path, how in listing.exposed.items()}
        raise Exposed.below(directory.parent, below)
    wrong = [f"{p}: not the file of the lock" for p, d in locked.items() if _other(manifest, p, d)]
    wrong += [f"{path}: {what}" for path, what in listing.odd.items()]
    wrong += _changed(directory, manifest, listing.files, Seen(seen), thorough)
    return [*wrong, *(f"{path}: added" for path in listing.files if path not in manifest)]


def _other(manifest: Manifest, path: str, digest: str) -> bool:
    return path not in manifest or manifest[path].sha256 != digest


def _changed(
    directory: Path, manifest: Manifest, files: Stats, seen: Seen, thorough: bool
) -> Iterator[str]:
    """A line for each file that is missing or changed; the others are noted as seen."""
    right, unread = dict[str, tuple[os.stat_result, str]](), list[str]()
    for path, entry in manifest.items():
        found = files.get(path)
        if found is None:
            yield f"{path}: missing"
        elif found.st_size != entry.size:
            yield f"{path}: changed ({found.st_size:,} bytes, verified were {entry.size:,})"
        elif seen.knows(path, found, entry.sha256) and not thorough:
            right[path] = found, entry.sha256
        else:
            unread.append(path)
    for path, digest in _read_again(directory, unread, sum(files[p].st_size for p in unread)):
        if digest == manifest[path].sha256:
            right[path] = files[path], digest
        else:
            yield f"{path}: changed (another sha256)"
    seen.keep(right)


def _read_again(directory: Path, paths: Sequence[str], size: int) -> Iterable[tuple[str, str]]:
    """Each path with the file's sha256; says so on stderr where it takes a while."""
    if not paths:
        return ()
    line = f"sluice reads {len(paths)} files of {directory} again ({size >> 20} MiB): new here"
    notice = Timer(NOTICE_SECONDS, lambda: _tell(line))
    notice.daemon = True
    notice.start()
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            digests = pool.map(lambda path: sha256_of(directory / path), paths)
            return list(zip(paths, digests, strict=True))
    finally:
        notice.cancel()


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def present(directory: Path) -> Iterator[str]:
    """The relative paths, with forward slashes, of all files below a directory."""
    start = len(str(directory)) + 1
    for folder, _, names in os.walk(directory):
        for name in names:
            yield os.path.join(folder, name)[start:].replace(os.sep, "/")


def restore_times(directory: Path, manifest: Manifest) -> None:
    """Give verified files their recorded times again: class-data archives compare them."""
    for path, entry in manifest.items():
        if not entry.unchanged((directory / path).stat()):
            os.utime(directory / path, ns=(entry.mtime_ns, entry.mtime_ns))
