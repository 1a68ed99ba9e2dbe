"""The hop ledger and the landing: what a run came to, hop by hop, as values."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from pytest_sluice.declaration import STAGES, Stage
from pytest_sluice.errors import BadDeclaration
from pytest_sluice.judgement import Breach, require_stage

UNREADABLE = "(unreadable)"

_LONGEST_NAME = 40


@dataclass(frozen=True)
class Ledger:
    """Counts per hop: requests, answers by status, messages by kind, rows by table."""

    requests: int = 0
    answers: Mapping[int, int] = field(default_factory=dict)
    messages: Mapping[str, int] = field(default_factory=dict)
    committed: Mapping[str, int] = field(default_factory=dict)
    visible: Mapping[str, int] = field(default_factory=dict)

    def text(self) -> str:
        """A table for people: a hop a block, with its sum."""
        blocks = [
            ("requests sent", self.requests, {}),
            ("answers by status", *_summed(self.answers)),
            ("messages by kind", *_summed(self.messages)),
            ("rows committed", *_summed(self.committed)),
            ("rows visible", *_summed(self.visible)),
        ]
        return "\n".join(line for block in blocks for line in _block(*block))

    def as_json(self) -> dict[str, Any]:
        """A value that JSON can hold; the statuses become strings."""
        return {
            "requests": self.requests,
            "answers": {str(status): number for status, number in self.answers.items()},
            "messages": dict(self.messages),
            "committed": dict(self.committed),
            "visible": dict(self.visible),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Ledger":
        """The ledger that ``as_json`` was taken from."""
        return cls(**{**value, "answers": {int(key): n for key, n in value["answers"].items()}})


@dataclass(frozen=True)
class Times:
    """When things were seen, in seconds since the epoch; 0 or absent where they were not.

    ``acknowledged`` is the last answer to the traffic, ``committed`` is by query, ``visible`` by
    table, under both mappings.
    """

    acknowledged: float = 0.0
    committed: Mapping[str, float] = field(default_factory=dict)
    visible: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Landing:
    """What a run came to, judged hop by hop, up to the stage ``until``.

    ``breaches`` are the hops that the pipeline broke, the first one first. ``stopped_at`` is the
    stage at which a service did not answer, for a reason: what comes behind it was not counted.
    ``unjudged`` are sentences on what the declaration does not let one see.

    ``ends`` are the end offsets by topic and partition; ``committed`` those that each query has
    committed; ``batches`` when each query began its micro-batches, by number; ``files`` the visible
    files by table.
    """

    run: int
    ledger: Ledger
    ends: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    committed: Mapping[str, Mapping[str, Mapping[int, int]]] = field(default_factory=dict)
    batches: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    files: Mapping[str, frozenset[str]] = field(default_factory=dict)
    times: Times = field(default_factory=Times)
    breaches: tuple[Breach, ...] = ()
    unjudged: tuple[str, ...] = ()
    until: Stage = STAGES[-1]
    stopped_at: Stage | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse a stage that is none, which a report would print as if it were one."""
        require_stage(self.until)
        if self.stopped_at is not None:
            require_stage(self.stopped_at)

    @property
    def landed(self) -> bool:
        """Whether no hop is broken, and none was left out because a service did not answer."""
        return self.stopped_at is None and not self.breaches

    def broken(self, until: Stage) -> Breach | None:
        """The first hop that is broken, if it is at ``until`` or before it."""
        first = next(iter(self.breaches), None)
        return first if first and STAGES.index(first.stage) <= STAGES.index(until) else None

    def freshness(self, table: str) -> float:
        """The seconds from the last answer to the traffic until all rows of a table were visible.

        Raises BadDeclaration for a table that has not been seen.
        """
        if table not in self.times.visible or not self.times.acknowledged:
            raise BadDeclaration(
                f"the landing of run {self.run} does not say when {table} was visible",
                checked=[f"it says so of {', '.join(self.times.visible) or 'no table'}"],
            )
        return self.times.visible[table] - self.times.acknowledged

    def headline(self) -> str:
        """One line: whether it landed, else the first hop that did not let it through, and why."""
        if self.breaches:
            return f"run {self.run} broke at {self.breaches[0].stage}: {self.breaches[0]}"
        if self.stopped_at:
            return f"run {self.run} stopped at {self.stopped_at}: {self.reason}"
        return f"run {self.run} landed"

    def story(self) -> str:
        """The text that a failed test shows: the hops that broke, the reason, the ledger."""
        lines = [self.headline()]
        for number, breach in enumerate(self.breaches):
            lines += [f"  then at {breach.stage}: {breach}"] if number else []
            lines += [f"    {line.strip()}" for line in breach.detail.splitlines()]
        if self.breaches and self.stopped_at:
            lines.append(f"  then stopped at {self.stopped_at}: {self.reason}")
        if not self.landed:
            lines.append(f"  end offsets: {_offsets(self.ends)}")
            lines += [
                f"  {query} committed: {_offsets(of)}" for query, of in self.committed.items()
            ]
        lines += [f"  not judged: {sentence}" for sentence in self.unjudged]
        return "\n".join([*lines, self.ledger.text()])

    def as_json(self) -> dict[str, Any]:
        """A value that JSON can hold; partitions and batches become strings, sets sorted lists."""
        return {
            "run": self.run,
            "until": self.until,
            "landed": self.landed,
            "breaches": [breach.as_json() for breach in self.breaches],
            "unjudged": list(self.unjudged),
            "stopped_at": self.stopped_at,
            "reason": self.reason,
            "ledger": self.ledger.as_json(),
            "ends": _string_keys(self.ends),
            "committed": {query: _string_keys(of) for query, of in self.committed.items()},
            "batches": _string_keys(self.batches),
            "files": {table: sorted(names) for table, names in self.files.items()},
            "times": asdict(self.times),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Landing":
        """The landing that ``as_json`` was taken from."""
        return cls(
            run=value["run"],
            ledger=Ledger.from_json(value["ledger"]),
            ends=_int_keys(value["ends"]),
            committed={query: _int_keys(of) for query, of in value["committed"].items()},
            batches=_int_keys(value["batches"]),
            files={table: frozenset(names) for table, names in value["files"].items()},
            times=Times(**value["times"]),
            breaches=tuple(map(Breach.from_json, value["breaches"])),
            unjudged=tuple(value["unjudged"]),
            until=value["until"],
            stopped_at=value["stopped_at"],
            reason=value["reason"],
        )


def count_kinds(values: Iterable[bytes | None], kind: str) -> Counter[str]:
    """Count messages by the string in their JSON field ``kind``; others as unreadable."""
    found = (text_field(value, kind) for value in values)
    return Counter(UNREADABLE if each is None else each for each in found)


def text_field(value: bytes | None, name: str) -> str | None:
    """The string in a field of the JSON object that a message is; None where there is none."""
    try:
        message = json.loads((value or b"").decode("utf-8"))
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or nested too deep
        return None
    found = message.get(name) if isinstance(message, dict) else None
    return found if isinstance(found, str) else None


def _summed(counts: Mapping[Any, int]) -> tuple[int, dict[str, int]]:
    named = {str(key): number for key, number in counts.items()}
    return sum(named.values()), dict(sorted(named.items()))


def _block(title: str, total: int, parts: Mapping[str, int]) -> list[str]:
    lines = [f"  {_shown(name):<{_LONGEST_NAME}} {number:>9,}" for name, number in parts.items()]
    return [f"{title:<{_LONGEST_NAME + 2}} {total:>9,}", *lines]


def _shown(name: str) -> str:
    """A name that came from outside, cut to a line that any terminal can print."""
    plain = name.encode("unicode_escape").decode("ascii") if not name.isprintable() else name
    return plain if len(plain) <= _LONGEST_NAME else plain[: _LONGEST_NAME - 3] + "..."


def _offsets(offsets: Mapping[str, Mapping[int, int]]) -> str:
    found = [f"{topic}[{p}]={n}" for topic, of in offsets.items() for p, n in sorted(of.items())]
    return " ".join(found) or "none"


N = TypeVar("N", int, float)


def _string_keys(by_number: Mapping[str, Mapping[int, N]]) -> dict[str, dict[str, N]]:
    return {name: {str(key): n for key, n in of.items()} for name, of in by_number.items()}


def _int_keys(by_text: Mapping[str, Mapping[str, N]]) -> dict[str, dict[int, N]]:
    return {name: {int(key): n for key, n in of.items()} for name, of in by_text.items()}
