"""What can go wrong while a distribution is fetched, kept or asked for; each with its remedy."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_sluice.errors import SluiceError

SETUP = "python -m pytest_sluice setup"
REMEDY = f"run `{SETUP}` (in this repository: `make setup`)"
AGAIN = f"{REMEDY} again; what is already complete and verified is kept"


class NotProvisioned(SluiceError):
    """A distribution is absent from the cache, or its files are not what was verified."""

    @classmethod
    def absent(cls, name: str, directory: Path) -> "NotProvisioned":
        """The directory or its manifest does not exist."""
        checked = [f"looked for {directory} and its manifest"]
        return cls(f"distribution '{name}' is not set up", checked=checked, remedy=REMEDY)

    @classmethod
    def damaged(cls, name: str, directory: Path, faults: Sequence[str]) -> "NotProvisioned":
        """Files of the directory are missing, changed or were added."""
        more = [f"... and {len(faults) - 5} more"] if len(faults) > 5 else []
        cause = f"distribution '{name}' was changed after it was verified: {len(faults)} file(s)"
        checked = [f"directory {directory}", *faults[:5], *more]
        return cls(cause, checked=checked, remedy=f"{REMEDY}, which heals it")


class Exposed(SluiceError):
    """Others than this user and root may change files that would be executed."""

    @classmethod
    def below(cls, root: Path, exposed: Mapping[str, str]) -> "Exposed":
        """``exposed`` says by path, relative to the cache's root, how others may change it."""
        facts = [f"{root / path}: {how}" for path, how in exposed.items()]
        more = [f"... and {len(facts) - 5} more"] if len(facts) > 5 else []
        return cls(
            "other users may change files of the cache, which this user would execute",
            checked=[*facts[:5], *more],
            remedy=(
                f"let their owner run `chmod -R go-w {shlex.quote(str(root))}`; or set "
                f"SLUICE_CACHE to a folder of your own, and {REMEDY}"
            ),
        )


class NotStraight(SluiceError):
    """The cache's path has a letter that Java encodes in a URL."""

    @classmethod
    def cache(cls, path: Path) -> "NotStraight":
        """``path`` is the cache's root."""
        return cls(
            "Java keeps no class below the path of the cache in an archive, so starts take long",
            checked=[f"the cache is {path}, which is {path.resolve()}"],
            remedy=(
                "set SLUICE_CACHE to a path of ASCII letters, digits and any of /._~@+- without "
                f"a space, also after all links; then {REMEDY}"
            ),
        )


class BadLock(SluiceError):
    """The lock file is not readable as one; its message names the entry."""


class UnknownDistribution(SluiceError):
    """A name that the lock file does not have."""

    @classmethod
    def named(cls, name: str, known: Sequence[str]) -> "UnknownDistribution":
        """``known`` are the names of the lock file."""
        return cls(
            f"there is no distribution '{name}'",
            checked=[f"the lock file has {', '.join(known)}"],
            remedy="use one of these names",
        )


class ProvisioningFailed(SluiceError):
    """A distribution could not be brought into the cache."""


class WrongContent(ProvisioningFailed):
    """A downloaded file has another size or sha256 than the lock file says, twice in a row."""

    @classmethod
    def of(cls, what: str, expected: str, got: str) -> "WrongContent":
        """``expected`` and ``got`` are "sha256 (size bytes)"."""
        return cls(
            f"{what} is not the file that the lock names, also after a second download",
            checked=[f"expected {expected}", f"got      {got}", "the wrong file was deleted"],
            remedy=(
                "look for a proxy that rewrites downloads, or a mirror in jgo's configuration "
                f"file that serves another file; then {AGAIN}"
            ),
        )


class NetworkDown(ProvisioningFailed):
    """No repository answered."""

    @classmethod
    def during(cls, what: str, tried: Sequence[str]) -> "NetworkDown":
        """``tried`` has a line for each attempt."""
        remedy = f"connect to the network (or set HTTPS_PROXY), then {AGAIN}"
        once = list(dict.fromkeys(tried))
        return cls(f"could not download {what}", checked=once, remedy=remedy)


class DiskFull(ProvisioningFailed):
    """The file system of the cache has no room left."""

    @classmethod
    def at(cls, path: Path, free: int) -> "DiskFull":
        """``free`` is in bytes; the half-written file is already deleted."""
        return cls(
            f"no space left on the device while writing {path.name}",
            checked=[f"{path.parent} has {free:,} bytes free", "no half-written file was kept"],
            remedy=f"free some space, or set SLUICE_CACHE to a larger disk; then {AGAIN}",
        )


class BadPackage(ProvisioningFailed):
    """An installed Python package does not hold the files that the lock, or its RECORD, names."""

    @classmethod
    def of(cls, package: str, version: str, facts: Sequence[str]) -> "BadPackage":
        """``version`` is the one that the lock file wants."""
        pip = f"python -m pip install --force-reinstall --no-deps {package}=={version}"
        cause = f"the installed package '{package}' cannot be used"
        return cls(cause, checked=facts, remedy=f"run `{pip}`, then {AGAIN}")
