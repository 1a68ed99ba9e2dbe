"""The cache outside the clone: where distributions are, and whether they still are as verified."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_dir

from pytest_sluice.distributions import manifest
from pytest_sluice.distributions.lock import Distribution, Lock, committed, find
from pytest_sluice.distributions.problems import NotProvisioned

ENVIRONMENT = "SLUICE_CACHE"


def cache_root() -> Path:
    """``SLUICE_CACHE``, or the user cache directory for pytest-sluice; it may not exist yet."""
    chosen = os.environ.get(ENVIRONMENT)
    return Path(chosen or user_cache_dir("pytest-sluice", appauthor=False)).expanduser().absolute()


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
    def guard(self) -> Path:
        """The lock file that lets one process at a time set it up."""
        return self.root / "locks" / f"{self.distribution.directory}.lock"

    def check(self, thorough: bool = False) -> None:
        """Raise NotProvisioned unless the directory is what was verified; never writes."""
        recorded = manifest.read(self.manifest)
        if recorded is None or not self.directory.is_dir():
            raise NotProvisioned.absent(self.distribution.name, self.directory)
        locked = self.distribution.locked
        if wrong := manifest.faults(self.directory, recorded, locked, thorough):
            raise NotProvisioned.damaged(self.distribution.name, self.directory, wrong)

    def well(self, thorough: bool = False) -> bool:
        """True if ``check`` finds nothing."""
        try:
            self.check(thorough)
        except NotProvisioned:
            return False
        return True


def require(name: str) -> Path:
    """The verified directory of a distribution; raises NotProvisioned with the remedy."""
    place = Place(cache_root(), find(committed(), name))
    place.check()
    return place.directory


def jars(name: str) -> tuple[Path, ...]:
    """The jars of a distribution's classpath, sorted by name; raises NotProvisioned."""
    folder = require(name) / find(committed(), name).classpath
    return tuple(sorted(folder.glob("*.jar")))


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
