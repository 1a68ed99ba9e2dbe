"""The book of a session's claims: who answered which, and what became of the others. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_sluice.verdicts import Outcome, Verdict


@dataclass(frozen=True)
class Selection:
    """What a process that ran tests says of its selection at its end.

    ``asks`` tells whether any test asked for claims or the landing, ``deselected`` how many tests
    were left out, and ``stopped`` why none ran at all.
    """

    asks: bool = False
    deselected: int = 0
    stopped: str = ""

    def as_json(self) -> dict[str, Any]:
        """A value that travels to the controller of a worker."""
        return {"asks": self.asks, "deselected": self.deselected, "stopped": self.stopped}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Selection":
        """The selection that ``as_json`` was taken from."""
        return cls(**value)


class Book:
    """The verdicts of a session by claim and test, and the claims that nobody answered.

    ``declared`` are the ids of the claims that the suite answers when nothing is left out.
    """

    def __init__(self, declared: Sequence[str] = ()) -> None:
        self._declared = tuple(declared)
        self._answers: dict[str, dict[str, Verdict]] = {}
        self._hindrances: dict[str, str] = {}
        self._unanswered: list[Verdict] = []

    def begin(self, test: str) -> None:
        """Forget what a test said before: it runs again."""
        self._hindrances.pop(test, None)
        for answers in self._answers.values():
            answers.pop(test, None)

    def take(self, test: str, verdict: Verdict) -> None:
        """Enter the verdict of a test on a claim; one that it gave before is replaced."""
        self._answers.setdefault(verdict.id, {})[test] = verdict

    def hinder(self, test: str, reason: str) -> None:
        """Note that infrastructure kept a test from answering."""
        self._hindrances[test] = reason

    def close(self, selections: Sequence[Selection], whole: bool, early: bool) -> None:
        """Find the declared claims that nobody answered, at the end of a session.

        ``whole`` tells that no path or option left tests out, ``early`` that the session ended
        before all of them had run. Where infrastructure was in the way the claims cannot run;
        otherwise they count as not answered, unless the session ended early.
        """
        asking = [selection for selection in selections if selection.asks]
        if not (whole and asking) or any(selection.deselected for selection in asking):
            return
        stopped = [selection.stopped for selection in asking if selection.stopped]
        reason = next(iter([*stopped, *self._hindrances.values()]), "")
        if early and not reason:
            return
        outcome: Outcome = "cannot run" if reason else "not answered"
        said = {"fact": reason or "no test answered it"}
        missing = [id for id in self._declared if not self._answers.get(id)]
        self._unanswered = [Verdict(id, "", outcome, said) for id in sorted(missing, key=_natural)]

    @property
    def doubles(self) -> list[str]:
        """A sentence for each claim that several tests answered."""
        return [
            f"claim {id} is answered by more than one test: {', '.join(answers)}"
            for id, answers in self._answers.items()
            if len(answers) > 1
        ]

    @property
    def unanswered(self) -> Sequence[Verdict]:
        """The declared claims that nobody answered, known after :meth:`close`."""
        return self._unanswered

    @property
    def verdicts(self) -> list[Verdict]:
        """A verdict for each claim in order of the ids: of several the worst."""
        answers = [list(answers.values()) for answers in self._answers.values() if answers]
        worst = [min(several, key=lambda verdict: verdict.as_expected) for several in answers]
        return sorted([*worst, *self._unanswered], key=lambda verdict: _natural(verdict.id))

    @property
    def is_well(self) -> bool:
        """Whether every claim has one verdict, and that is as expected."""
        return not self.doubles and all(verdict.as_expected for verdict in self.verdicts)


def _natural(id: str) -> list[tuple[int, str]]:
    """3, 3b, 10: numbers by their value, and before words."""
    return [
        (int(part), "") if part.isdecimal() else (1 << 62, part)
        for part in re.findall(r"\d+|\D+", id)
    ]
