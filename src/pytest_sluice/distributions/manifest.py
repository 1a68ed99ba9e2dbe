"""What a finished directory holds, kept beside it, so that a look at each file's stat is enough."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


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
    partial.replace(path)


def read(path: Path) -> Manifest | None:
    """The manifest, or None where there is none that can be read."""
    try:
        return {name: Entry(**entry) for name, entry in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def faults(
    directory: Path, manifest: Manifest, locked: Mapping[str, str], thorough: bool = False
) -> list[str]:
    """Every file that is missing, changed, added or not as locked, a line each.

    A file is read only where its stat differs, or if ``thorough``.
    """
    wrong = [f"{p}: not the file of the lock" for p, d in locked.items() if _other(manifest, p, d)]
    top = str(directory)  # plain strings: this runs in every session, over a thousand files
    for path, entry in manifest.items():
        if fault := _fault(os.path.join(top, path), entry, thorough):
            wrong.append(f"{path}: {fault}")
    known = manifest.keys()
    return [*wrong, *(f"{path}: added" for path in present(directory) if path not in known)]


def _other(manifest: Manifest, path: str, digest: str) -> bool:
    return path not in manifest or manifest[path].sha256 != digest


def _fault(path: str, entry: Entry, thorough: bool) -> str:
    try:
        stat = os.stat(path)
    except OSError:
        return "missing"
    if entry.unchanged(stat) and not thorough:
        return ""
    if stat.st_size != entry.size:
        return f"changed ({stat.st_size:,} bytes, verified were {entry.size:,})"
    return "" if sha256_of(Path(path)) == entry.sha256 else "changed (another sha256)"


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
