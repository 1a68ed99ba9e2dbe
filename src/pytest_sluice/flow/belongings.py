"""What a session makes on a cluster that is not its own: noted before it is made, removed after.

A list of plain values in a file, so that another process can remove what a killed one made.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pytest_sluice import jsonl
from pytest_sluice.clients.hdfs import Hdfs
from pytest_sluice.clients.hive import identifier
from pytest_sluice.clients.kafka import Kafka
from pytest_sluice.errors import SluiceError

Kind = Literal["schema", "folder", "parent", "topic"]
# In this order: a schema lies over a folder, and a parent goes when its folders are gone.
KINDS: tuple[Kind, ...] = ("schema", "folder", "parent", "topic")


@dataclass(frozen=True)
class Thing:
    """A topic, a folder with all that is in it, a schema with its tables, or a folder's parent.

    A parent was not there before; it is removed where it is empty.
    """

    kind: Kind
    name: str

    def __str__(self) -> str:
        """``topic events_1a2b3c4d_r1``."""
        return f"{self.kind} {self.name}"


class Belongings:
    """The list, a JSON object a line; whoever appends to it may be one of several processes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, thing: Thing) -> None:
        """Write a thing down, on the disk when this returns, unless it is in the list."""
        if thing not in self.rest():
            self._append({"made": asdict(thing)})

    def gone(self, thing: Thing) -> None:
        """Write down that a thing has been removed."""
        self._append({"gone": asdict(thing)})

    def rest(self) -> list[Thing]:
        """What was made and is not gone, oldest first."""
        things: dict[Thing, None] = {}
        for entry in self._entries():
            for act, thing in entry.items():
                if act == "made":
                    things[Thing(**thing)] = None
                else:
                    things.pop(Thing(**thing), None)
        return list(things)

    def _append(self, entry: object) -> None:
        jsonl.append(self.path, entry)

    def _entries(self) -> Iterator[dict[str, dict[str, Any]]]:
        if self.path.exists():
            yield from jsonl.entries(self.path.read_bytes())


@dataclass(frozen=True)
class Hands:
    """By what things are removed; ``hive`` executes statements. Made when first needed."""

    kafka: Callable[[], Kafka]
    hdfs: Callable[[], Hdfs]
    hive: Callable[[str], object]

    def remove(self, things: Sequence[Thing]) -> None:
        """Remove things of one kind; nothing where they are gone already."""
        if things[0].kind == "schema":  # one process for all, since it takes seconds
            names = [identifier(each.name) for each in things]
            self.hive("; ".join(f"drop database if exists {name} cascade" for name in names))
            return
        for thing in things:
            match thing.kind:
                case "topic":
                    self.kafka().delete_topic(thing.name)
                case "folder":
                    self.hdfs().delete(thing.name)
                case _:
                    self.hdfs().delete_empty(thing.name)


def remove(belongings: Belongings, things: Iterable[Thing], hands: Hands) -> list[str]:
    """Remove things; why something could not be removed, a sentence each. One does not stop others.

    What is gone is taken from the list, the rest stays in it.
    """
    things = list(things)
    batches = [[thing for thing in things if thing.kind == kind] for kind in KINDS]
    return [told for batch in batches if batch for told in _attempt(belongings, batch, hands)]


def _attempt(belongings: Belongings, batch: Sequence[Thing], hands: Hands) -> list[str]:
    try:
        hands.remove(batch)
    except Exception as error:  # whatever it is, it is told, and keeps nothing else back
        if len(batch) > 1:
            return [told for each in batch for told in _attempt(belongings, [each], hands)]
        return [f"{batch[0]}: {_reason(error)}"]
    for thing in batch:
        belongings.gone(thing)
    return []


def _reason(error: Exception) -> str:
    """One line; of our own errors the last fact too, which is the last line of a command's log."""
    first = (str(error) or repr(error)).splitlines()[0]
    facts = error.checked if isinstance(error, SluiceError) else ()
    return f"{first} ({facts[-1].strip()})" if facts else first
