"""Results of judged mutants in a JSON file, written after each, so that a second call goes on."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from tools.mutants.mutant import Mutant
from tools.mutants.outcome import Failure, Outcome


@dataclass
class Result:
    """How far a mutant was judged: the outcome of each level that was run."""

    mutant: Mutant
    steps: list[Outcome] = field(default_factory=list)

    @property
    def by(self) -> Outcome | None:
        """The outcome that caught it.

        A wrong pipeline has to fail a test. A broken plugin may as well raise in set-up or hang.
        """
        enough = ("red",) if self.mutant.group == "pipeline" else ("red", "broken", "late")
        return next((step for step in self.steps if step.kind in enough), None)

    @property
    def at_right_stage(self) -> bool:
        """Whether the first stage that failed is the one where the pipeline is wrong."""
        return self.by is not None and self.by.stage == self.mutant.stage

    def left(self, levels: Sequence[str]) -> list[str]:
        """List those of `levels` that are still to be run."""
        done = {step.level for step in self.steps}
        return [] if self.by else [level for level in levels if level not in done]


class Record:
    """The file; `tree` is the digest of the tree that the results are of."""

    def __init__(self, path: Path, tree: str, fresh: bool = False) -> None:
        self._path, self._tree, self._lock = path, tree, Lock()
        self._entries: dict[str, dict[str, Any]] = {}
        self._clean: dict[str, float] = {}
        if path.exists() and not fresh:
            stored = json.loads(path.read_text("utf-8"))
            if stored["tree"] == tree:
                self._entries, self._clean = stored["mutants"], stored["clean"]

    def result(self, mutant: Mutant) -> Result:
        """Return what is known of a mutant."""
        entry = self._entries.get(mutant.key(self._tree), {"steps": []})
        return Result(mutant, [_outcome(step) for step in entry["steps"]])

    def clean(self, level: str) -> float | None:
        """Return the seconds that a level took without a mutant, None before it was run."""
        return self._clean.get(level)

    def note_clean(self, level: str, seconds: float) -> None:
        """Keep what a level took without a mutant."""
        with self._lock:
            self._clean[level] = seconds
            self._write({})

    def note(self, result: Result) -> None:
        """Keep a result."""
        mutant, by = result.mutant, result.by
        entry = {
            "name": mutant.name,
            "group": mutant.group,
            "caught": by is not None,
            "stage": mutant.stage,
            "red_at": by.stage if by else None,
            "steps": [asdict(step) for step in result.steps],
            "diff": mutant.diff,
        }
        with self._lock:
            self._entries[mutant.key(self._tree)] = entry
            self._write({})

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the file with a summary beside the results."""
        with self._lock:
            self._write(summary)

    def _write(self, summary: dict[str, Any]) -> None:
        whole = {
            "tree": self._tree,
            **summary,
            "clean": self._clean,
            "mutants": self._entries,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(whole, indent=1) + "\n", "utf-8")
        os.replace(partial, self._path)


def _outcome(step: dict[str, Any]) -> Outcome:
    failures = tuple(Failure(**each) for each in step["failures"])
    return Outcome(**{**step, "failures": failures})
