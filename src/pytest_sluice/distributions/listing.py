"""What lies below a folder, by one lstat an entry, and what of it others may change."""

import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Listing:
    """Relative paths, with forward slashes, of what is below a folder.

    ``odd`` says of each entry that is neither a file nor a folder what it is; ``exposed`` says of
    each one that others may change how they can.
    """

    files: Mapping[str, os.stat_result] = field(default_factory=dict)
    odd: Mapping[str, str] = field(default_factory=dict)
    exposed: Mapping[str, str] = field(default_factory=dict)


def look(directory: Path, apart: Collection[str] = ()) -> Listing:
    """List everything below a folder, through no link, without the top entries named ``apart``."""
    files, odd, exposed = dict[str, os.stat_result](), dict[str, str](), dict[str, str]()
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(directory / prefix) as entries:
            for entry in entries:
                path, found = prefix + entry.name, entry.stat(follow_symlinks=False)
                if path in apart:
                    continue
                if stat.S_ISDIR(found.st_mode):
                    pending.append(f"{path}/")
                elif stat.S_ISREG(found.st_mode):
                    files[path] = found
                else:
                    odd[path] = "a link" if stat.S_ISLNK(found.st_mode) else "no file"
                if why := exposure(found):
                    exposed[path] = why
    return Listing(files, odd, exposed)


def exposure(found: os.stat_result) -> str:
    """How others than this user and root may change a file or folder; empty if they cannot."""
    if found.st_uid not in (0, os.geteuid()):
        return f"it belongs to the user with the id {found.st_uid}"
    # The mode of a link says nothing: nobody can write one.
    if found.st_mode & WRITABLE_BY_OTHERS and not stat.S_ISLNK(found.st_mode):
        return f"its group or others may write it (mode {stat.S_IMODE(found.st_mode):o})"
    return ""


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, that only this user can write, whatever the umask is."""
    for folder in reversed([path, *path.parents]):
        if not folder.is_dir():
            folder.mkdir(mode=0o755, exist_ok=True)


def withdraw(directory: Path) -> None:
    """Let nobody but the owner write what is in a folder, links apart, nor the folder itself."""
    listing = look(directory)
    for path in (directory, *(directory / path for path in listing.exposed)):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & WRITABLE_BY_OTHERS:
            path.chmod(mode & ~WRITABLE_BY_OTHERS)
