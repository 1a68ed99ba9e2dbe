"""What a dead supervisor left: found, buried where it is ours beyond doubt, else left alone.

Folders for temporary files are shared with other users, who may put anything there. A cluster's
directory is a real one (no link) of this user that nobody else may enter, with a journal in it
that is a regular file of this user. Who buries one holds the lock of its journal, as its
supervisor did, so that nobody else does the same at the same time.
"""

import contextlib
import fcntl
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pytest_sluice import jsonl
from pytest_sluice.children import kill_marked
from pytest_sluice.errors import SluiceError
from pytest_sluice.protocol import JOURNAL, PREFIX, UNDO_LOG, UNDO_SECONDS


class Strange(SluiceError):
    """Something bears the name of a cluster's directory, and may be a trap: it is left alone."""


@dataclass(frozen=True)
class Burial:
    """How many processes were killed, and what could not be undone, a sentence each."""

    killed: int
    left: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """What was buried, and what was left where it is and why; a sentence each."""

    buried: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def places() -> list[Path]:
    """The folders in which clusters have their directories."""
    found = (os.path.realpath(place) for place in (tempfile.gettempdir(), "/tmp"))
    return [Path(place) for place in dict.fromkeys(found)]


def candidates(parents: Iterable[Path]) -> list[Path]:
    """Whatever bears the name of a cluster's directory."""
    return [path for parent in parents for path in sorted(parent.glob(f"{PREFIX}*"))]


def sweep(parents: Iterable[Path] | None = None) -> Sweep:
    """Bury what dead supervisors left behind, in all places unless some are given."""
    swept = Sweep()
    for directory in candidates(places() if parents is None else parents):
        try:
            burial = bury(directory)
        except Strange as odd:
            swept.left.append(f"{odd.cause}: it is left alone")
        except OSError as error:
            swept.left.append(f"{directory} cannot be swept: {error}")
        else:
            _tell(swept, directory, burial)
    return swept


def _tell(swept: Sweep, directory: Path, burial: Burial | None) -> None:
    if burial is None:
        return
    if burial.left:
        swept.left.extend(burial.left)
    else:
        killed = f"{burial.killed} processes killed"
        swept.buried.append(f"{directory.name}: {killed}, directory removed")


def bury(directory: Path) -> Burial | None:
    """Do what the dead supervisor of a directory would have done.

    None where there is no journal, or another process holds its lock. What cannot be undone keeps
    the directory. Raises Strange, and OSError where the directory cannot be removed.
    """
    with _seized(directory) as journal:
        if journal is None:
            return None
        killed = kill_marked(str(directory))
        for name, argv in reversed(undos(_entries(journal)).items()):
            why = _run(argv, directory)
            with contextlib.suppress(OSError):  # a full disk: what is not noted is done once more
                jsonl.write(journal, outcome(name, why))
        left = told(directory, _entries(journal))
        if not left:
            remove(directory)
        return Burial(killed, tuple(left))


def is_alive(directory: Path) -> bool:
    """Whether a supervisor, or whoever buries what one left, holds the journal's lock."""
    try:
        journal = _journal(directory)
    except Strange:
        return False
    if journal is None:
        return False
    with journal:
        return not _locks(journal, fcntl.LOCK_SH)


def remove(directory: Path) -> None:
    """Remove a directory, its journal last: what a kill leaves of it is swept."""
    for path in directory.iterdir():
        if path.name != JOURNAL:
            shutil.rmtree(path) if _is_folder(path) else path.unlink(missing_ok=True)
    (directory / JOURNAL).unlink(missing_ok=True)
    directory.rmdir()


def undos(entries: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """What a journal names as made and not as undone, with the commands that undo it."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        name, argv = entry.get("made"), entry.get("undo")
        if isinstance(name, str) and isinstance(argv, list) and argv and all(map(_is_word, argv)):
            found[name] = argv
        found.pop(str(entry.get("undone")), None)
    return found


def outcome(name: str, why: str) -> dict[str, str]:
    """The journal's entry on an attempt to undo something, which failed where there is a why."""
    return {"failed": name, "why": why} if why else {"undone": name}


def told(directory: Path, entries: Iterable[dict[str, Any]]) -> list[str]:
    """What is still to be undone, and why it could not be, a sentence each."""
    entries = list(entries)
    why = {str(entry.get("failed")): entry.get("why") for entry in entries}
    return [
        f"{name}: `{shlex.join(argv)}` {why.get(name, 'was not run')}; every session tries again "
        f"as long as {directory} is there (see its {UNDO_LOG})"
        for name, argv in undos(entries).items()
    ]


def left(directory: Path) -> list[str]:
    """What a supervisor that has ended could not undo, a sentence each."""
    journal = _journal(directory)
    if journal is None:
        return []
    with journal:
        return told(directory, _entries(journal))


def failure(code: int | None) -> str:
    """Why an undo failed, by its exit code, None where it took too long; empty if it did not."""
    if code is None:
        return f"took more than {UNDO_SECONDS:.0f} s"
    return f"ended with {code}" if code else ""


def _run(argv: list[str], directory: Path) -> str:
    """Run the command that undoes something; why it failed."""
    with (directory / UNDO_LOG).open("ab") as log:
        try:
            done = subprocess.run(
                argv,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=UNDO_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return failure(None)
        except (OSError, ValueError) as error:
            return f"cannot be run: {error}"
    return failure(done.returncode)


@contextlib.contextmanager
def _seized(directory: Path) -> Iterator[IO[bytes] | None]:
    """The journal, with its lock; None where there is none, or somebody has the lock."""
    journal = _journal(directory)
    if journal is None:
        yield None
        return
    with journal:
        locked = _locks(journal, fcntl.LOCK_EX)
        # Who had the lock until now may have buried it.
        yield journal if locked and (directory / JOURNAL).exists() else None


def _locks(journal: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(journal, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _journal(directory: Path) -> IO[bytes] | None:
    """The journal of a directory that is this user's alone, opened without following any link.

    None where there is no such directory or journal, or where they are another user's. Raises
    Strange.
    """
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        if directory.is_symlink():
            raise Strange(f"{directory} is a link") from None
        return None
    try:
        return _journal_in(folder, directory)
    finally:
        os.close(folder)


def _journal_in(folder: int, directory: Path) -> IO[bytes] | None:
    found, path = os.fstat(folder), directory / JOURNAL
    if found.st_uid != os.getuid():
        return None
    try:
        file = os.stat(JOURNAL, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:  # no cluster, or one whose supervisor begins just now
        return None
    mode = stat.S_IMODE(found.st_mode) & 0o777
    if mode != 0o700:
        raise Strange(f"{directory} has the mode {mode:04o}, and a cluster's has 0700")
    if not stat.S_ISREG(file.st_mode) or file.st_uid != os.getuid():
        raise Strange(f"{path} is not a regular file of this user")
    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.fdopen(os.open(JOURNAL, flags, dir_fd=folder), "rb+")
    except OSError as error:
        raise Strange(f"{path} cannot be opened: {error.strerror}") from error


def _entries(journal: IO[bytes]) -> list[dict[str, Any]]:
    journal.seek(0)
    return list(jsonl.entries(journal.read()))


def _is_word(value: object) -> bool:
    return isinstance(value, str)


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)
