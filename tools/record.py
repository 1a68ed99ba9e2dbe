"""Cycles of sessions that end or are killed: which there are to be, and what came of each."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["up", "kill"]


@dataclass(frozen=True)
class Cycle:
    """One session. ``moment`` is when it is killed, in seconds; None is when its test waits."""

    kind: Kind
    number: int

    @property
    def moment(self) -> float | None:
        """Mid-test for one kill of five; the others 1, 2, 3, ... seconds after the start."""
        row, place = divmod(self.number - 1, 5)
        return None if self.kind == "up" or place == 0 else float(4 * row + place)

    def told(self) -> str:
        """In words."""
        when = "in mid-test" if self.moment is None else f"after {self.moment:.0f} s"
        how = "ended in good order" if self.kind == "up" else f"killed {when}"
        return f"{self.kind} {self.number}, {how}"


@dataclass
class Result:
    """What came of a cycle; ``seen`` is how much there was of each kind before the end.

    ``labels`` are those of its projects on the engine: what has them must not show up later either.
    """

    kind: Kind
    number: int
    moment_s: float | None
    seen: Mapping[str, int] = field(default_factory=dict)
    labels: Sequence[str] = ()
    gone_s: float | None = None
    left: Sequence[str] = ()
    trouble: str = ""

    @property
    def clean(self) -> bool:
        """Whether it ended as it should and nothing of it was left."""
        return not self.left and not self.trouble


def planned(ups: int, kills: int) -> Iterator[Cycle]:
    """All cycles, in turns as long as there are both."""
    for number in range(1, max(ups, kills) + 1):
        if number <= ups:
            yield Cycle("up", number)
        if number <= kills:
            yield Cycle("kill", number)


class Record:
    """The results so far, in a JSON file."""

    def __init__(self, path: Path, cycles: Sequence[Cycle]) -> None:
        self._path = path
        self._asked = {(cycle.kind, cycle.number) for cycle in cycles}
        known = json.loads(path.read_text("utf-8"))["cycles"] if path.exists() else []
        self.results = [Result(**each) for each in known]
        if self._asked <= self._there:  # a whole proof; this is to be another one
            self.results = []

    @property
    def _there(self) -> set[tuple[Kind, int]]:
        return {(each.kind, each.number) for each in self.results}

    def has(self, cycle: Cycle) -> bool:
        """Whether its result is there."""
        return (cycle.kind, cycle.number) in self._there

    def add(self, result: Result) -> None:
        """Write one more."""
        self.results.append(result)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".part")
        partial.write_text(json.dumps(self.as_json(), indent=2) + "\n", "utf-8")
        partial.replace(self._path)

    def as_json(self) -> dict[str, Any]:
        """A summary and every cycle."""
        done = Counter(each.kind for each in self.results)
        slowest = max((each.gone_s or 0.0 for each in self.results), default=0.0)
        return {
            "ups": done["up"],
            "kills": done["kill"],
            "clean": sum(each.clean for each in self.results),
            "slowest_gone_s": slowest,
            "cycles": [asdict(each) for each in self.results],
        }
