"""A folder that was made on this machine, with its own record of what it held when it was whole."""

from dataclasses import dataclass
from pathlib import Path

from pytest_sluice.distributions import manifest
from pytest_sluice.distributions.cache import require_own
from pytest_sluice.distributions.listing import look, withdraw
from pytest_sluice.distributions.problems import NotProvisioned

RECORD = "complete"
# What is in the folder and is never executed.
APART = (RECORD, "lock", "logs")


@dataclass(frozen=True)
class MadeFolder:
    """``directory`` is directly below the cache's root; it is whole once it has its record."""

    directory: Path

    @property
    def record(self) -> Path:
        """The sizes and sha256 of its files; it is written last."""
        return self.directory / RECORD

    @property
    def seen(self) -> Path:
        """Which files this machine has read and found right, beside the folder."""
        return self.directory.with_name(f"{self.directory.name}.seen.json")

    def finish(self) -> None:
        """Record every file, after nobody else may write it."""
        withdraw(self.directory)
        paths = look(self.directory, APART).files
        digests = {path: manifest.sha256_of(self.directory / path) for path in paths}
        manifest.write(self.record, manifest.record(self.directory, digests))

    def faults(self, thorough: bool = False) -> list[str]:
        """What is not as recorded, a line each; raises Exposed where others may change it."""
        require_own(self.directory.parent, self.directory, self.record, self.seen)
        recorded = manifest.read(self.record)
        if recorded is None:
            return [f"{RECORD}: it is no record"]
        if self.directory.is_symlink():
            return [f"{self.directory}: a link"]
        return manifest.faults(self.directory, recorded, {}, thorough, seen=self.seen, apart=APART)

    def check(self) -> None:
        """Raise NotProvisioned where it is not what was made."""
        if wrong := self.faults():
            raise NotProvisioned.damaged("prepared services", self.directory, wrong)
