"""Files that pip has installed: checked against the lock or the package's RECORD, then linked."""

import base64
import os
import shutil
from contextlib import suppress
from importlib import metadata
from pathlib import Path, PurePosixPath

from pytest_sluice.distributions.fetch import SUFFIX
from pytest_sluice.distributions.listing import WRITABLE_BY_OTHERS, exposure, make_folder
from pytest_sluice.distributions.lock import LockedFile, Tree
from pytest_sluice.distributions.manifest import sha256_of
from pytest_sluice.distributions.problems import BadPackage


def wanted(tree: Tree) -> dict[str, LockedFile]:
    """Path in the package's folder -> the file to have; raises BadPackage."""
    listed = tree.files or _recorded(tree)
    return {_below(file.path, tree.into): file for file in listed}


def source(tree: Tree) -> Path:
    """The folder of the installed package; raises BadPackage."""
    installed = _installed(tree)
    return Path(str(installed.locate_file(tree.package))) / tree.folder


def bring(tree: Tree, origin: Path, target: Path, file: LockedFile) -> None:
    """Verify one file of the package and link (or copy) it to ``target``; raises BadPackage."""
    if not origin.is_file():
        raise _damaged(tree, f"{origin}: missing")
    if origin.stat().st_size != file.size or sha256_of(origin) != file.sha256:
        raise _damaged(tree, f"{origin}: not the file that was published (sha256 {file.sha256})")
    link(origin, target)


def link(origin: Path, target: Path) -> None:
    """A hard link to a file that we own and nobody else may write, where the file system allows.

    Else a copy with mode and time, which nobody else may write.
    """
    make_folder(target.parent)
    found = origin.stat()
    if found.st_uid == os.geteuid() and not exposure(found):
        with suppress(OSError):
            os.link(origin, target)
            return
    half = target.with_name(target.name + SUFFIX)
    shutil.copy2(origin, half)
    half.chmod(found.st_mode & 0o7777 & ~WRITABLE_BY_OTHERS)
    half.replace(target)


def _installed(tree: Tree) -> metadata.Distribution:
    try:
        installed = metadata.distribution(tree.package)
    except metadata.PackageNotFoundError as error:
        raise _damaged(tree, "it is not installed in this environment") from error
    if installed.version != tree.version:
        raise _damaged(tree, f"version {installed.version} is installed, not {tree.version}")
    return installed


def _recorded(tree: Tree) -> tuple[LockedFile, ...]:
    """What RECORD says of the files below the tree's folder."""
    top = PurePosixPath(tree.package, tree.folder)
    found = []
    for path in _installed(tree).files or ():
        if path.is_relative_to(top) and path.hash and path.size is not None:
            if path.hash.mode != "sha256":
                raise _damaged(tree, f"RECORD has no sha256 for {path}")
            inside = PurePosixPath(tree.into, path.relative_to(top))
            found.append(LockedFile(str(inside), _hex(path.hash.value), path.size))
    if not found:
        raise _damaged(tree, f"its RECORD names no file below {top}")
    return tuple(found)


def _below(path: str, folder: str) -> str:
    return str(PurePosixPath(path).relative_to(folder)) if folder else path


def _hex(value: str) -> str:
    """RECORD writes a digest in base64 without its padding."""
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()


def _damaged(tree: Tree, fact: str) -> BadPackage:
    return BadPackage.of(tree.package, tree.version, [fact])
