"""The hop ledger and the landing: what a run came to, hop by hop, as values."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_sluice.declaration import STAGES, Stage
from pytest_sluice.errors import BadDeclaration

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
class Landing:
    """What a run came to. It landed unless a stage stopped it, for a reason.

    ``ends`` are the end offsets by topic and partition; ``committed`` those that each query has
    committed; ``files`` the visible files by table.
    """

    run: int
    ledger: Ledger
    ends: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    committed: Mapping[str, Mapping[str, Mapping[int, int]]] = field(default_factory=dict)
    files: Mapping[str, frozenset[str]] = field(default_factory=dict)
    stopped_at: Stage | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse a stage that is none, which a report would print as if it were one."""
        if self.stopped_at is not None and self.stopped_at not in STAGES:
            raise BadDeclaration(
                f"{self.stopped_at!r} is no stage", checked=[f"the stages are {', '.join(STAGES)}"]
            )

    @property
    def landed(self) -> bool:
        """Whether no hop stopped the run."""
        return self.stopped_at is None

    def story(self) -> str:
        """The text that a failed test shows: the hop that stopped, the reason, the ledger."""
        if self.landed:
            return f"run {self.run} landed\n{self.ledger.text()}"
        offsets = [f"  end offsets: {_offsets(self.ends)}"]
        offsets += [f"  {query} committed: {_offsets(of)}" for query, of in self.committed.items()]
        head = f"run {self.run} stopped at {self.stopped_at}: {self.reason}"
        return "\n".join([head, *offsets, self.ledger.text()])

    def as_json(self) -> dict[str, Any]:
        """A value that JSON can hold; partitions become strings, sets sorted lists."""
        return {
            "run": self.run,
            "ledger": self.ledger.as_json(),
            "ends": _string_keys(self.ends),
            "committed": {query: _string_keys(of) for query, of in self.committed.items()},
            "files": {table: sorted(names) for table, names in self.files.items()},
            "stopped_at": self.stopped_at,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Landing":
        """The landing that ``as_json`` was taken from."""
        return cls(
            run=value["run"],
            ledger=Ledger.from_json(value["ledger"]),
            ends=_int_keys(value["ends"]),
            committed={query: _int_keys(of) for query, of in value["committed"].items()},
            files={table: frozenset(names) for table, names in value["files"].items()},
            stopped_at=value["stopped_at"],
            reason=value["reason"],
        )


def count_kinds(values: Iterable[bytes | None], kind: str) -> Counter[str]:
    """Count messages by the string in their JSON field ``kind``; others as unreadable."""
    return Counter(_kind(value, kind) for value in values)


def _kind(value: bytes | None, kind: str) -> str:
    try:
        message = json.loads((value or b"").decode("utf-8"))
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or nested too deep
        return UNREADABLE
    found = message.get(kind) if isinstance(message, dict) else None
    return found if isinstance(found, str) else UNREADABLE


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


def _string_keys(offsets: Mapping[str, Mapping[int, int]]) -> dict[str, dict[str, int]]:
    return {topic: {str(p): n for p, n in of.items()} for topic, of in offsets.items()}


def _int_keys(offsets: Mapping[str, Mapping[str, int]]) -> dict[str, dict[int, int]]:
    return {topic: {int(p): n for p, n in of.items()} for topic, of in offsets.items()}
