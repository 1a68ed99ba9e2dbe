"""What one run of pytest came to, as its JUnit XML and its exit code tell it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from pytest_sluice.declaration import STAGES
from tools.mutants.marks import PROPERTY

# red: a test failed. broken: errors in set-up or collection, or no report. late: out of time.
Kind = Literal["green", "red", "broken", "late"]
# The plugin puts it on a test that a landing failed; it tells more than the test's own marker.
BY_LANDING = "sluice_stage"


@dataclass(frozen=True)
class Failure:
    """A test that failed, and the stage that it is of; "" where nothing says one."""

    test: str
    stage: str


@dataclass(frozen=True)
class Outcome:
    """One run at one level; `tail` is the end of what pytest printed."""

    level: str
    kind: Kind
    seconds: float
    failures: tuple[Failure, ...] = ()
    tail: str = ""

    @property
    def stage(self) -> str | None:
        """The first stage, in the order of the pipeline, of those that failed."""
        stages = [failure.stage for failure in self.failures if failure.stage in STAGES]
        return min(stages, key=STAGES.index, default=None)


def kind_of(code: int | None, failures: tuple[Failure, ...]) -> Kind:
    """Tell the kind from pytest's exit `code`, None where it was out of time."""
    if code is None:
        return "late"
    if code == 0:
        return "green"
    return "red" if failures else "broken"


def failures_in(report: Path, stage: str | None) -> tuple[Failure, ...]:
    """Read the tests that failed, errors apart; `stage` is for those that tell none."""
    try:
        cases = ElementTree.parse(report).getroot().iter("testcase")
    except (OSError, ElementTree.ParseError):
        return ()
    return tuple(_failure(case, stage) for case in cases if case.find("failure") is not None)


def _failure(case: ElementTree.Element, stage: str | None) -> Failure:
    told = {each.get("name"): each.get("value") for each in case.iter("property")}
    test = f"{case.get('classname')}::{case.get('name')}"
    return Failure(test, told.get(BY_LANDING) or told.get(PROPERTY) or stage or "")
