"""The cache outside the clone: where distributions are, and whether they still are as verified."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from platformdirs import user_cache_dir

from pytest_sluice.distributions import manifest
from pytest_sluice.distributions.listing import exposure
from pytest_sluice.distributions.lock import Distribution, Lock, committed, find
from pytest_sluice.distributions.manifest import Manifest
from pytest_sluice.distributions.problems import Exposed, NotProvisioned
from pytest_sluice.distributions.straight import is_straight, require_straight
from pytest_sluice.errors import SluiceError

ENVIRONMENT = "SLUICE_CACHE"


# Where the cache is if the user's cache directory has a space in its path; it outlives a reboot.
STRAIGHT_PARENT = Path("/var/tmp")


def cache_root() -> Path:
    """``SLUICE_CACHE``, or the user cache directory for pytest-sluice; it may not exist yet.

    Java needs a path without spaces; where the latter has one, the cache is this user's own folder
    below :data:`STRAIGHT_PARENT`.
    """
    chosen = os.environ.get(ENVIRONMENT)
    usual = Path(chosen or user_cache_dir("pytest-sluice", appauthor=False)).expanduser().absolute()
    if chosen or is_straight(usual):
        return usual
    return STRAIGHT_PARENT / f"pytest-sluice-{os.geteuid()}"


@dataclass(frozen=True)
class Place:
    """One distribution's paths under a cache root."""

    root: Path
    distribution: Distribution

    @property
    def directory(self) -> Path:
        """The finished directory; it appears by a rename when it is complete."""
        return self.root / self.distribution.directory

    @property
    def staging(self) -> Path:
        """Where it is put together; what is verified there survives an interruption."""
        return self.root / "staging" / self.distribution.directory

    @property
    def manifest(self) -> Path:
        """The record of the finished directory, beside it."""
        return self.root / f"{self.distribution.directory}.json"

    @property
    def seen(self) -> Path:
        """Which files this machine has read and found right, beside it."""
        return self.root / f"{self.distribution.directory}.seen.json"

    @property
    def guard(self) -> Path:
        """The lock file that lets one process at a time set it up."""
        return self.root / "locks" / f"{self.distribution.directory}.lock"

    def check(self, thorough: bool = False) -> Manifest:
        """The manifest; raises NotProvisioned unless the directory is what was verified.

        Raises Exposed where others may change it. Writes nothing but what it has ``seen``.
        """
        self.require_own()
        recorded = manifest.read(self.manifest)
        if recorded is None or not self.directory.is_dir():
            raise NotProvisioned.absent(self.distribution.name, self.directory)
        if wrong := self._faults(recorded, thorough):
            raise NotProvisioned.damaged(self.distribution.name, self.directory, wrong)
        return recorded

    def _faults(self, recorded: Manifest, thorough: bool) -> list[str]:
        if self.directory.is_symlink():
            return [f"{self.directory}: a link"]
        locked = self.distribution.locked
        return manifest.faults(self.directory, recorded, locked, thorough, seen=self.seen)

    def require_own(self) -> None:
        """Raise Exposed where others may change the root, the directory or what is beside it."""
        require_own(self.root, self.directory, self.manifest, self.seen)

    def well(self, thorough: bool = False) -> bool:
        """True if ``check`` finds nothing."""
        try:
            self.check(thorough)
        except NotProvisioned:
            return False
        return True


def require_own(root: Path, *paths: Path) -> None:
    """Raise Exposed where others may change the cache's root or one of the paths directly below.

    The root may be a link to a larger disk, made by this user or root.
    """
    exposed = {}
    for path, look in ((root, Path.stat), *((path, Path.lstat) for path in (root, *paths))):
        try:
            found = look(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SluiceError(
                f"the cache {root} cannot be used: {error.strerror}",
                checked=[f"looked at {path}"],
                remedy=f"set {ENVIRONMENT} to a folder",
            ) from error
        if why := exposure(found):
            exposed[str(path.relative_to(root))] = why
    if exposed:
        raise Exposed.below(root, exposed)


def require(name: str) -> Path:
    """The verified directory of a distribution; raises NotProvisioned with the remedy."""
    place = Place(cache_root(), find(committed(), name))
    place.check()
    return place.directory


def jars(name: str) -> tuple[Path, ...]:
    """The jars of a distribution's classpath, sorted by name; raises NotProvisioned.

    They are those that the manifest names, and no more than that is believed of the folder.
    """
    place = Place(require_straight(cache_root()), find(committed(), name))
    found = (PurePosixPath(path) for path in place.check())
    folder = PurePosixPath(place.distribution.classpath)
    wanted = (path for path in found if path.parent == folder and path.suffix == ".jar")
    return tuple(sorted(place.directory / path for path in wanted))


def java() -> Path:
    """The java binary of the one JRE that runs every service; raises NotProvisioned."""
    return require("jre") / "bin" / "java"


def missing(names: Iterable[str] | None = None) -> tuple[str, ...]:
    """Those of ``names`` (default: all) that are not set up, or no longer what was verified."""
    lock, root = committed(), cache_root()
    return tuple(d.name for d in select(lock, names) if not Place(root, d).well())


def select(lock: Lock, names: Iterable[str] | None) -> tuple[Distribution, ...]:
    """The distributions of these names, in order, or all; raises UnknownDistribution."""
    return tuple(find(lock, name) for name in (lock if names is None else names))
