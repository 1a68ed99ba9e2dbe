"""The committed lock file as a value: which files make up each distribution, by sha256."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

from pytest_sluice.distributions.problems import BadLock, UnknownDistribution

DIGEST_LENGTH = 12


@dataclass(frozen=True)
class Artifact:
    """A file of a Maven repository; it lands under its own name in each folder of ``into``."""

    coordinate: str
    sha256: str
    size: int
    into: tuple[str, ...] = ("",)

    @property
    def parts(self) -> tuple[str, str, str, str, str]:
        """(group, artifact, version, classifier, packaging)."""
        group, artifact, version, *rest = self.coordinate.split(":")
        classifier, packaging = [*rest, "", ""][:2]
        return group, artifact, version, classifier, packaging or "jar"

    @property
    def filename(self) -> str:
        """The name that Maven repositories give the file."""
        _, artifact, version, classifier, packaging = self.parts
        return f"{artifact}-{version}{f'-{classifier}' if classifier else ''}.{packaging}"

    @property
    def paths(self) -> tuple[str, ...]:
        """Where the file goes, relative to the distribution's directory."""
        return tuple(str(PurePosixPath(folder, self.filename)) for folder in self.into)


@dataclass(frozen=True)
class LockedFile:
    """One file of a package's tree: path in the distribution, sha256, size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Tree:
    """A folder of an installed Python package; no ``files`` means: verify by its RECORD."""

    package: str
    version: str
    folder: str
    into: str = ""
    files: tuple[LockedFile, ...] = ()


@dataclass(frozen=True)
class Distribution:
    """What one directory of the cache holds; ``classpath`` is the folder of its jars."""

    name: str
    digest: str
    classpath: str
    artifacts: tuple[Artifact, ...] = ()
    tree: Tree | None = None

    @property
    def directory(self) -> str:
        """The name of its directory in the cache."""
        return f"{self.name}-{self.digest[:DIGEST_LENGTH]}"

    @property
    def locked(self) -> dict[str, str]:
        """Relative path -> sha256 of every file that the lock file itself names."""
        named = {path: a.sha256 for a in self.artifacts for path in a.paths}
        return named | {f.path: f.sha256 for f in (self.tree.files if self.tree else ())}


Lock = Mapping[str, Distribution]


@cache
def committed() -> Lock:
    """The lock file that comes with this package."""
    return parse(files(__package__).joinpath("lock.toml").read_text("utf-8"))


def parse(text: str) -> Lock:
    """Read a lock file's text; raises BadLock with the entry that is wrong."""
    try:
        sections = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _bad(f"it is not TOML: {error}") from error
    return {name: _distribution(name, section) for name, section in sections.items()}


def find(lock: Lock, name: str) -> Distribution:
    """One distribution of the lock; raises UnknownDistribution."""
    if name not in lock:
        raise UnknownDistribution.named(name, sorted(lock))
    return lock[name]


def _distribution(name: str, section: Any) -> Distribution:
    try:
        found = Distribution(
            name=name,
            digest=_digest(section),
            classpath=section.get("classpath", ""),
            artifacts=tuple(_artifact(entry) for entry in section.get("artifacts", ())),
            tree=_tree(section["tree"]) if "tree" in section else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad(f"[{name}]: {type(error).__name__}: {error}") from error
    if not found.artifacts and found.tree is None:
        raise _bad(f"[{name}]: it has neither artifacts nor a tree")
    return found


def _artifact(entry: Mapping[str, Any]) -> Artifact:
    artifact = Artifact(
        coordinate=entry["coordinate"],
        sha256=_sha256(entry),
        size=_size(entry),
        into=tuple(_inside(folder) for folder in entry.get("into", ("",))),
    )
    if not 3 <= len(artifact.coordinate.split(":")) <= 5 or "/" in artifact.coordinate:
        raise ValueError(
            f"'{artifact.coordinate}' is no group:artifact:version[:classifier[:packaging]]"
        )
    return artifact


def _tree(entry: Mapping[str, Any]) -> Tree:
    return Tree(
        package=entry["package"],
        version=entry["version"],
        folder=_inside(entry["folder"]),
        into=_inside(entry.get("into", "")),
        files=tuple(
            LockedFile(_inside(file["path"]), _sha256(file), _size(file))
            for file in entry.get("files", ())
        ),
    )


def _sha256(entry: Mapping[str, Any]) -> str:
    value: str = entry["sha256"]
    if len(value) != 64 or not set(value) <= set("0123456789abcdef"):
        raise ValueError(f"'{value}' is no sha256")
    return value


def _size(entry: Mapping[str, Any]) -> int:
    value = entry["size"]
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"'{value}' is no size in bytes")
    return value


def _inside(path: str) -> str:
    """Refuse a path that would leave the distribution's directory."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise ValueError(f"'{path}' leads out of the directory")
    return path


def _digest(section: Any) -> str:
    return hashlib.sha256(json.dumps(section, sort_keys=True).encode()).hexdigest()


def _bad(fact: str) -> BadLock:
    return BadLock(
        "the lock file of the distributions cannot be used",
        checked=[f"pytest_sluice/distributions/lock.toml: {fact}"],
        remedy="reinstall pytest-sluice, or regenerate the file with `python tools/relock.py`",
    )
