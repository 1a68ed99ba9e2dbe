"""The two scores: how many mutants were caught, and of the pipeline's how many where they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from tools.mutants.record import Result


@dataclass(frozen=True)
class Floor:
    """The shares that have to be reached, from 0 to 1."""

    pipeline: float
    stage: float
    plugin: float


# All levels of tests; and the share in CI, where unit tests alone judge a few of the plugin's.
WHOLE = Floor(0.95, 0.90, 0.85)
IN_CI = Floor(1.0, 1.0, 0.5)


@dataclass(frozen=True)
class Score:
    """Counts of mutants of one group."""

    caught: int
    all: int
    at_right_stage: int = 0

    @classmethod
    def of(cls, results: Sequence[Result]) -> "Score":
        """Count."""
        caught = [result for result in results if result.by]
        right = [result for result in caught if result.at_right_stage]
        return cls(len(caught), len(results), len(right))

    def reaches(self, caught: float, stage: float = 0.0) -> bool:
        """Whether the shares of all are reached; none of none is."""
        return self.caught >= caught * self.all and self.at_right_stage >= stage * self.all


def last_lines(pipeline: Score, plugin: Score) -> list[str]:
    """The two lines that a run ends with."""
    return [
        f"pipeline mutants: {pipeline.caught}/{pipeline.all},"
        f" at the right stage: {pipeline.at_right_stage}",
        f"plugin mutants: {plugin.caught}/{plugin.all}",
    ]


def survivors(results: Sequence[Result], reasons: dict[str, str]) -> list[dict[str, str]]:
    """List what no test caught, with the change and the reason, where someone gave one."""
    return [
        {
            "name": result.mutant.name,
            "levels left": ", ".join(result.left(result.mutant.levels)),
            "reason": reasons.get(result.mutant.name, "none given yet"),
            "diff": result.mutant.diff,
        }
        for result in results
        if not result.by
    ]
