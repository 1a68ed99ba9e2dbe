"""What is due at each hop of a landing, by the declaration and what was counted. Pure.

An accepted request is a message; a message is a row of a table that keeps its kind, of a kind that
no table keeps, or rejected; what is visible is what is committed, file by file. Where a declaration
says less, less is due, and it is said what was not judged.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_sluice.declaration import Burst, Table, Topic
from pytest_sluice.judgement import NOTHING, Due, Hop, exactly
from pytest_sluice.sinks import Listing

NO_ID = "(no id)"
UNKNOWN_ID = "(an id of no answer)"
ALL = "all"


@dataclass(frozen=True)
class Sent:
    """What became of one burst: answers by status, and the id that each of them carried.

    ``ids`` are of accepted answers, ``doubtful`` those of answers by which nobody knows whether the
    event was stored; None where an answer carried none. ``reason`` is why answers are missing: of a
    burst that was not ``tried`` all are.
    """

    burst: Burst
    answers: Mapping[int, int] = field(default_factory=dict)
    ids: tuple[str | None, ...] = ()
    doubtful: tuple[str | None, ...] = ()
    reason: str = ""
    tried: bool = True

    @property
    def accepted(self) -> int:
        """The answers that promise a message."""
        return sum(number for status, number in self.answers.items() if is_accepted(status))

    @property
    def unanswered(self) -> int:
        """The requests that were sent, or may have been, and of which no answer was read."""
        return self.burst.requests - sum(self.answers.values()) if self.tried else 0

    @property
    def label(self) -> str:
        """What the burst asked for, and as whom."""
        host = f" of {self.burst.host}" if self.burst.host else ""
        return f"GET {self.burst.path}{host}"


def is_accepted(status: int) -> bool:
    """Whether an answer promises that its event is stored."""
    return 200 <= status < 300


def is_doubtful(status: int) -> bool:
    """Whether an answer leaves open whether its event is stored: the server failed."""
    return status >= 500


def answers_hop(sent: Iterable[Sent]) -> Hop:
    """Every request is accepted, or answered as its burst expects."""
    due, found, notes = Counter[str](), Counter[str](), dict[str, list[str]]()
    for each in sent:
        expected = {s: n for s, n in each.answers.items() if _is_expected(each.burst, s)}
        due[each.label] += each.burst.requests
        found[each.label] += sum(expected.values())
        others = {s: n for s, n in each.answers.items() if s not in expected}
        notes.setdefault(each.label, []).extend(
            [*(f"{n} x {s}" for s, n in sorted(others.items())), *filter(None, [each.reason])]
        )
    told = {label: ", ".join(dict.fromkeys(texts)) for label, texts in notes.items()}
    return Hop("api", "answers as expected", _exactly(due), found, told)


def _is_expected(burst: Burst, status: int) -> bool:
    return is_accepted(status) or status in burst.expects


def ids_hop(sent: Iterable[Sent], header: str) -> Hop:
    """Every accepted answer carries an id of its own."""
    found = Counter(NO_ID if each is None else each for one in sent for each in one.ids)
    due = {each: exactly(1) for each in found if each != NO_ID}
    return Hop("api", f"answers with an {header} of their own", due, found)


def messages_hop(topic: str, sent: Sequence[Sent], found: Counter[str | None] | int) -> Hop:
    """Every accepted request is one message, and there is no other.

    ``found`` are the messages since the landing began: by id, None where a message has none, or
    where ids are not declared their number.
    """
    doubtful = sum(len(each.doubtful) + each.unanswered for each in sent)
    if isinstance(found, int):
        accepted = sum(each.accepted for each in sent)
        return Hop("kafka", f"messages of {topic}", {ALL: _upto(accepted, doubtful)}, {ALL: found})
    due = {i: exactly(1) for each in sent for i in each.ids if i is not None}
    maybe = [i for each in sent for i in each.doubtful]
    due |= {i: Due(0, 1) for i in maybe if i is not None and i not in due}
    # Requests whose id nobody read: their messages have some id that nobody knows.
    nameless = maybe.count(None) + sum(each.unanswered for each in sent)
    unread = sum(1 for each in sent for i in each.ids if i is None)
    counts = Counter[str]()
    for key, number in found.items():
        counts[NO_ID if key is None else key if key in due else UNKNOWN_ID] += number
    due[UNKNOWN_ID] = _upto(unread, nameless)
    return Hop("kafka", f"messages of {topic} by id", due, counts)


@dataclass(frozen=True)
class Kinds:
    """Messages by kind that a query has to have taken in, and those that it may have."""

    least: Mapping[str, int]
    most: Mapping[str, int]

    def of(self, kinds: Iterable[str]) -> Due:
        """How many messages of these kinds there are."""
        wanted = set(kinds)
        return Due(
            *(sum(n for k, n in by.items() if k in wanted) for by in (self.least, self.most))
        )


@dataclass(frozen=True)
class Taken:
    """What one query has made of messages: rows by table, and rejected messages by kind.

    ``rejected`` is None where no table is declared for them.
    """

    tables: tuple[Table, ...]
    kinds: Kinds
    rows: Mapping[str, int]
    rejected: Mapping[str, int] | None = None


def rows_hop(name: str, topic: Topic, taken: Taken) -> Hop:
    """Every message is a row of the table that keeps its kind, unkept, or rejected.

    Of tables that keep a kind between them the sum counts, and no one has more rows than messages.
    Rows are by the label of a table in ``taken.rows``.
    """
    keeping = {label: table for label, table in _labelled(taken) if table.keeps}
    due: dict[str, Due] = {}
    found: dict[str, int] = {}
    for group in _groups(keeping):
        kinds = {kind for label in group for kind in keeping[label].keeps}
        due_of_all = _less(taken.kinds.of(kinds), _sum(taken.rejected or {}, kinds))
        if len(group) == 1:
            due[group[0]], found[group[0]] = due_of_all, taken.rows[group[0]]
            continue
        for label in group:
            due[label] = Due(0, taken.kinds.of(keeping[label].keeps).most)
            found[label] = taken.rows[label]
        both = " and ".join(group)
        due[both] = Due(due_of_all.least, None)
        found[both] = sum(taken.rows[label] for label in group)
    if taken.rejected is not None and keeping:
        rejected = _rejected(topic, keeping.values(), taken)
        due |= {key: span for key, (span, _) in rejected.items()}
        found |= {key: number for key, (_, number) in rejected.items()}
    return Hop("stream", f"rows that query {name} committed", due, found)


def _rejected(topic: Topic, keeping: Iterable[Table], taken: Taken) -> dict[str, tuple[Due, int]]:
    """Of a kind that nobody keeps every message is rejected; of others some may be."""
    found = taken.rejected or {}
    kept = {kind for table in keeping for kind in table.keeps} | set(topic.unkept)
    spans = {}
    for kind in sorted({*taken.kinds.most, *found}):
        due = taken.kinds.of([kind])
        least = 0 if kind in kept else due.least
        if least or found.get(kind):
            spans[f"rejected of kind {kind}"] = (Due(least, due.most), found.get(kind, 0))
    return spans


def unjudged_rows(topic: Topic, taken: Taken) -> Iterator[str]:
    """What the declaration does not let one see of a query's rows, a sentence each."""
    silent = [label for label, table in _labelled(taken) if not (table.keeps or table.rejected)]
    for label in silent:
        yield f"rows of {label} against messages: its declaration keeps no kind"
    keeping = {label: table for label, table in _labelled(taken) if table.keeps}
    for group in _groups(keeping):
        if len(group) > 1:
            yield f"which of {' and '.join(group)} has a message of a kind that they share"
    if taken.rejected is None and keeping:
        kept = {kind for table in keeping.values() for kind in table.keeps}
        known = kept | set(topic.unkept)
        if others := sorted(kind for kind in taken.kinds.most if kind not in known):
            yield f"messages of the kinds {', '.join(others)}: no table is declared for them"


def files_hop(label: str, files: Listing) -> Hop:
    """No orphan is in the folder of a table, and nothing committed has gone from it."""
    found = dict.fromkeys(files.orphans, 1) | dict.fromkeys(files.lost, 0)
    due = dict.fromkeys(files.orphans, NOTHING) | dict.fromkeys(files.lost, exactly(1))
    notes = dict.fromkeys(files.orphans, "no committed batch wrote it")
    notes |= dict.fromkeys(files.lost, "committed, and gone")
    return Hop("hdfs", f"files of {label}", due, found, notes)


def visible_hop(
    label: str, mapping: str, rows: Mapping[str, int], may: Iterable[str], seen: Mapping[str, int]
) -> Hop:
    """A reader sees the rows of every committed file, and no other file.

    ``rows`` are by file; ``may`` are files that are judged elsewhere, or not yet.
    """
    due = {file: Due(0, None) for file in may} | _exactly(rows)
    asks = "no file of the table is read: is its location the declared one?"
    notes = {} if seen.keys() & rows.keys() else dict.fromkeys(rows, asks)
    return Hop("presto", f"rows of {label} visible by {mapping}", due, dict(seen), notes)


def _labelled(taken: Taken) -> Iterator[tuple[str, Table]]:
    return zip(taken.rows, taken.tables, strict=True)


def _groups(keeping: Mapping[str, Table]) -> list[tuple[str, ...]]:
    """Tables that share kinds, directly or by way of others."""
    groups: list[tuple[str, ...]] = []
    for label, table in keeping.items():
        shared = [g for g in groups if any(set(keeping[o].keeps) & set(table.keeps) for o in g)]
        groups = [g for g in groups if g not in shared]
        groups.append((*(label for group in shared for label in group), label))
    return groups


def _exactly(numbers: Mapping[str, int]) -> dict[str, Due]:
    return {key: exactly(number) for key, number in numbers.items()}


def _upto(number: int, more: int) -> Due:
    return Due(number, number + more)


def _less(due: Due, number: int) -> Due:
    most = None if due.most is None else max(0, due.most - number)
    return Due(max(0, due.least - number), most)


def _sum(numbers: Mapping[str, int], keys: Iterable[str]) -> int:
    return sum(numbers.get(key, 0) for key in keys)
