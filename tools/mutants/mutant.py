"""A mutant: one file with one small thing wrong in it, and the levels of tests that may see it."""

import difflib
import hashlib
from dataclasses import dataclass
from typing import Literal

Group = Literal["pipeline", "plugin"]


@dataclass(frozen=True)
class Mutant:
    """A wrong version of one file.

    `path` is relative to the root of the tree; `levels` are names of levels, the cheapest first;
    `stage` is the stage at which a suite should be red, None where that is not judged.
    """

    name: str
    group: Group
    path: str
    before: str
    after: str
    levels: tuple[str, ...]
    stage: str | None = None
    in_ci: bool = False

    @property
    def diff(self) -> str:
        """The change as a unified diff."""
        sides = (self.before.splitlines(), self.after.splitlines())
        return "\n".join(difflib.unified_diff(*sides, self.path, self.path, lineterm="", n=1))

    def key(self, tree: str) -> str:
        """What a result is stored under: a digest of the mutant and of the `tree` it is in."""
        parts = (tree, self.name, self.path, self.after, *self.levels, str(self.stage))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
