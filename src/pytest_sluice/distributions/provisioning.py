"""Puts distributions into the cache: keep what is verified, fetch the rest, then one rename."""

import os
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from pytest_sluice.distributions import manifest, packages
from pytest_sluice.distributions.cache import Place, cache_root, select
from pytest_sluice.distributions.fetch import SUFFIX, Fetcher, no_room
from pytest_sluice.distributions.listing import look, make_folder, withdraw
from pytest_sluice.distributions.lock import Artifact, LockedFile, Tree, committed
from pytest_sluice.distributions.maven import MavenSource
from pytest_sluice.distributions.problems import DiskFull
from pytest_sluice.distributions.report import SILENT, Report

T = TypeVar("T")

THREADS = 8
# One time for every file: class-data archives compare it, and so outlive healing and new clones.
STAMP = 1_000_000_000 * 10**9


def provision_all(names: Iterable[str] | None, report: Report, thorough: bool) -> None:
    """One after the other; each has its files in parallel."""
    root, fetcher = cache_root(), Fetcher(MavenSource())
    for distribution in select(committed(), names):
        Provisioner(Place(root, distribution), fetcher, report, thorough).run()


@dataclass
class Provisioner:
    """Sets up one distribution; a second process waits, then finds it done."""

    place: Place
    fetcher: Fetcher
    report: Report = SILENT
    thorough: bool = False

    def run(self) -> None:
        """Complete the directory, or raise with what is verified kept in staging."""
        name = self.place.distribution.name
        files = self._files()
        self.report.begin(name, sum({file.sha256: file.size for file in files.values()}.values()))
        self.place.require_own()
        make_folder(self.place.guard.parent)
        with FileLock(self.place.guard):
            self.report.end(name, self._complete(files))

    def _files(self) -> dict[str, LockedFile]:
        """Every file of the finished directory by its path."""
        distribution = self.place.distribution
        files = [LockedFile(p, a.sha256, a.size) for a in distribution.artifacts for p in a.paths]
        if distribution.tree:
            files += packages.wanted(distribution.tree).values()
        return {file.path: file for file in files}

    def _complete(self, files: dict[str, LockedFile]) -> str:
        if self.place.well(self.thorough):
            recorded = manifest.read(self.place.manifest) or {}
            manifest.restore_times(self.place.directory, recorded)
            return "already complete"
        outcome = self._take_back()
        try:
            self._keep_verified(files)
            self._fill()
            self._commit(files)
        except (DiskFull, OSError) as error:
            raise self._told(error) from error
        return outcome

    def _take_back(self) -> str:
        """Move a damaged directory into staging, where its good files are kept."""
        for path in (self.place.directory, self.place.staging):
            if path.is_symlink():
                path.unlink()
        if not self.place.directory.exists():
            return "resumed" if self.place.staging.exists() else "complete"
        if self.place.staging.exists():
            shutil.rmtree(self.place.staging)
        make_folder(self.place.staging.parent)
        self.place.directory.rename(self.place.staging)
        return "healed"

    def _keep_verified(self, files: dict[str, LockedFile]) -> None:
        """Delete from staging whatever is not, by its sha256, a file that belongs there."""
        if not self.place.staging.is_dir():
            return
        halves, listing = {path + SUFFIX for path in files}, look(self.place.staging)
        for path in listing.odd:
            (self.place.staging / path).unlink()
        there = [path for path in listing.files if path not in halves]
        self._each(lambda path: self._judge(path, files.get(path)), there)

    def _judge(self, path: str, file: LockedFile | None) -> None:
        there = self.place.staging / path
        if file and there.stat().st_size == file.size and manifest.sha256_of(there) == file.sha256:
            return
        there.unlink()

    def _fill(self) -> None:
        distribution = self.place.distribution
        self._each(self._artifact, distribution.artifacts)
        if tree := distribution.tree:
            origin = packages.source(tree)
            self._each(lambda item: self._linked(tree, origin / item[0], item[1]), _items(tree))

    def _artifact(self, artifact: Artifact) -> None:
        """Fetch what is absent; a file with several places is downloaded once."""
        targets = [self.place.staging / path for path in artifact.paths]
        there = next((target for target in targets if target.exists()), None)
        if there is None:
            there = targets[0]
            self.fetcher.fetch(artifact, there, self._downloaded)
        else:
            self.report.advance(self.place.distribution.name, artifact.size)
        for target in targets:
            if not target.exists():
                packages.link(there, target)

    def _linked(self, tree: Tree, origin: Path, file: LockedFile) -> None:
        target = self.place.staging / file.path
        if not target.exists():
            packages.bring(tree, origin, target, file)
        self.report.advance(self.place.distribution.name, file.size)

    def _downloaded(self, count: int) -> None:
        self.report.advance(self.place.distribution.name, count, count)

    def _commit(self, files: dict[str, LockedFile]) -> None:
        """Record the files, then let the directory appear."""
        for path in files:
            os.utime(self.place.staging / path, ns=(STAMP, STAMP))
        withdraw(self.place.staging)
        digests = {path: file.sha256 for path, file in files.items()}
        manifest.write(self.place.manifest, manifest.record(self.place.staging, digests))
        self.place.staging.rename(self.place.directory)

    def _told(self, error: Exception) -> Exception:
        """A full disk by its name, with no half-written file left; other errors as they are."""
        told = no_room(error, self.place.staging)
        if isinstance(told, DiskFull):
            for half in self.place.staging.rglob(f"*{SUFFIX}"):
                half.unlink()
        return told

    def _each(self, job: Callable[[T], None], items: Iterable[T]) -> None:
        """Do it for all, several at once; the first error stops the rest and is raised."""
        with ThreadPoolExecutor(THREADS) as pool:
            futures = [pool.submit(job, item) for item in items]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                self.fetcher.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise


def _items(tree: Tree) -> Iterable[tuple[str, LockedFile]]:
    return packages.wanted(tree).items()
