"""The folder of a session's logs and events, below a folder that may hold anything else.

Old ones are removed. A folder counts as one of these where its name has their form, this plugin's
marker is in it, and it belongs to this user; whatever else is there is left alone.
"""

import os
import re
import shutil
import stat
from datetime import datetime
from pathlib import Path

from pytest_sluice.errors import SluiceError

KEPT = 3
NAME = re.compile(r"\d{8}-\d{6}-\d{1,9}", re.ASCII)
MARKER = ".pytest-sluice"
MARKER_TEXT = "pytest-sluice made this folder, and removes it when later sessions have theirs.\n"


def session_folder(parent: Path) -> Path:
    """Make the folder of this session, and remove those of old ones but the last three.

    Raises SluiceError where the folder cannot be made.
    """
    folder = parent / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    try:
        folder.mkdir(parents=True)
        (folder / MARKER).write_text(MARKER_TEXT, encoding="utf-8")
    except OSError as error:
        raise SluiceError(
            f"the session's logs and events cannot be written below {parent}",
            checked=[f"{type(error).__name__}: {error}"],
            remedy="name a folder that can be written with --sluice-directory=PATH",
        ) from error
    ended = sorted(path for path in parent.iterdir() if is_session_folder(path) and not _runs(path))
    for path in ended[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
    return folder


def is_session_folder(path: Path) -> bool:
    """Whether this plugin made the folder, for this user; a link to such a folder is none."""
    if not NAME.fullmatch(path.name):
        return False
    try:
        folder, marker = path.lstat(), (path / MARKER).lstat()
    except OSError:
        return False
    own = folder.st_uid == os.getuid()
    return own and stat.S_ISDIR(folder.st_mode) and stat.S_ISREG(marker.st_mode)


def _runs(folder: Path) -> bool:
    """Whether the session that made the folder, named by its process, is still there."""
    import psutil

    return psutil.pid_exists(int(folder.name.rpartition("-")[2]))
