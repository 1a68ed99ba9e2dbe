"""The judge of a landing: hops are compared with what is due at each. Pure, and knows no service.

A hop is whatever arrives somewhere, counted by key: answers by burst, messages by id, rows by
table, rows by file. What is due of a key is a number, or a span where more than one is right. Who
counts (:mod:`pytest_sluice.conservation`) decides what is due; the judge only compares.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pytest_sluice.declaration import STAGES, Stage
from pytest_sluice.errors import BadDeclaration

# A breach of many keys names a few; the figures are those of all.
_NAMED = 4


@dataclass(frozen=True)
class Due:
    """At least ``least`` and at most ``most``; without ``most``, any number from ``least`` on."""

    least: int
    most: int | None

    def allows(self, number: int) -> bool:
        """Whether a number is one of those that are right."""
        return self.least <= number and (self.most is None or number <= self.most)

    def __add__(self, other: "Due") -> "Due":
        """What is due of two keys together."""
        unlimited = self.most is None or other.most is None
        most = None if unlimited else (self.most or 0) + (other.most or 0)
        return Due(self.least + other.least, most)

    def __str__(self) -> str:
        """``10``, ``10 to 12`` or ``10 or more``."""
        if self.most is None:
            return f"{self.least:,} or more"
        return f"{self.least:,}" if self.most == self.least else f"{self.least:,} to {self.most:,}"


NOTHING = Due(0, 0)


def exactly(number: int) -> Due:
    """That number and no other."""
    return Due(number, number)


@dataclass(frozen=True)
class Hop:
    """What arrived at a stage, and what was due: counts by key.

    ``name`` says what is counted. Of a key that is not in ``due`` nothing is due. ``notes`` say of
    a key, in a few words, what its figures do not; ``detail`` says more, such as the end of a log.
    """

    stage: Stage
    name: str
    due: Mapping[str, Due]
    found: Mapping[str, int]
    notes: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""


@dataclass(frozen=True)
class Wrong:
    """A key whose figures do not fit, as text and number; ``note`` may be empty."""

    key: str
    due: str
    found: int
    note: str = ""

    def __str__(self) -> str:
        """One phrase."""
        note = f" ({self.note})" if self.note else ""
        return f"{self.key}: {_figures(self.found, self.due)}{note}"


@dataclass(frozen=True)
class Breach:
    """A hop that is broken: the figures of the whole hop, and the keys that are wrong."""

    stage: Stage
    hop: str
    due: str
    found: int
    wrong: tuple[Wrong, ...]
    detail: str = ""

    def __post_init__(self) -> None:
        """Refuse a stage that is none, which a report would print as if it were one."""
        require_stage(self.stage)

    def __str__(self) -> str:
        """One sentence with both figures, and some of the keys."""
        named = "; ".join(w.note if w.key == self.hop else str(w) for w in self.wrong[:_NAMED])
        more = len(self.wrong) - _NAMED
        end = f"; and {more} more" if more > 0 else ""
        return f"{self.hop}: {_figures(self.found, self.due)} ({named}{end})"

    def as_json(self) -> dict[str, Any]:
        """A value that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Breach":
        """The breach that ``as_json`` was taken from."""
        return cls(**{**value, "wrong": tuple(Wrong(**each) for each in value["wrong"])})


def _figures(found: int, due: str) -> str:
    """What was found beside what was due."""
    return f"{found:,}, due {due}" if due == "0" else f"{found:,} of {due}"


def judge(hops: Iterable[Hop]) -> tuple[Breach, ...]:
    """The hops that are broken, in the order of the stages; none where everything fits."""
    broken = [breach for hop in hops if (breach := _breach(hop))]
    return tuple(sorted(broken, key=lambda breach: STAGES.index(breach.stage)))


def require_stage(stage: str) -> None:
    """Raise BadDeclaration for a word that is no stage."""
    if stage not in STAGES:
        raise BadDeclaration(
            f"{stage!r} is no stage", checked=[f"the stages are {', '.join(STAGES)}"]
        )


def _breach(hop: Hop) -> Breach | None:
    keys = dict.fromkeys([*hop.due, *hop.found])
    wrong = tuple(_wrong(hop, key) for key in keys if not _fits(hop, key))
    if not wrong:
        return None
    due = sum(hop.due.values(), NOTHING)
    return Breach(hop.stage, hop.name, str(due), sum(hop.found.values()), wrong, hop.detail)


def _fits(hop: Hop, key: str) -> bool:
    return hop.due.get(key, NOTHING).allows(hop.found.get(key, 0))


def _wrong(hop: Hop, key: str) -> Wrong:
    due = str(hop.due.get(key, NOTHING))
    return Wrong(key, due, hop.found.get(key, 0), hop.notes.get(key, ""))
