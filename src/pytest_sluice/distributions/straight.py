"""A path that Java writes as it is: a class data archive knows no class below another one.

The JVM compares the path of a jar with its URL, in which a space is `%20` (the same goes for any
letter beyond ASCII). A cache with such a path is reached by a link, in a folder that only this
user can change, and always by the same: an archive holds for the paths that it was made with.
"""

import hashlib
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from pytest_sluice.distributions.listing import exposure
from pytest_sluice.distributions.problems import NoStraightPath

STRAIGHT = re.compile(r"[A-Za-z0-9/._~=@+-]*")
# Not the folder for temporary files of the environment: the path has to stay the same.
SHARED = Path("/tmp")


def straight(path: Path, shared: Path = SHARED) -> Path:
    """The folder itself where its path needs no encoding in a URL, else a link to it.

    Raises NoStraightPath where there can be no link that nobody else may change.
    """
    if STRAIGHT.fullmatch(str(path)):
        return path
    folder = shared / f"pytest-sluice-links-{os.geteuid()}"
    link = folder / hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    try:
        _own(folder)
        _lead(link, path)
    except OSError as error:
        raise NoStraightPath.to(path, f"{type(error).__name__}: {error}") from error
    return link


def _own(folder: Path) -> None:
    """Make the folder, or see that it is one which nobody else can change or put in its place."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    above, found = folder.parent.stat(), folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise PermissionError(f"{folder} is no folder")
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to the user with the id {found.st_uid}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(f"{folder} is open to others (mode {stat.S_IMODE(found.st_mode):o})")
    if (why := exposure(above)) and not above.st_mode & stat.S_ISVTX:
        raise PermissionError(f"{folder.parent}: {why}")


def _lead(link: Path, path: Path) -> None:
    with suppress(FileExistsError):
        link.symlink_to(path)
    if (to := os.readlink(link)) != str(path):
        raise PermissionError(f"{link} leads to {to}")
