"""A session as the guest of a cluster that others use: it keeps to what bears its name."""

import re
import threading
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import PurePosixPath
from posixpath import normpath

from pytest_sluice.clients.hdfs import Hdfs
from pytest_sluice.declaration import Names, Pipeline, fill
from pytest_sluice.errors import BadDeclaration, ClusterLost, SluiceError
from pytest_sluice.flow.belongings import Belongings, Hands, Thing, remove


class Guest:
    """``word`` is part of the name of everything that the session makes there."""

    def __init__(self, word: str, belongings: Belongings) -> None:
        self.word = word
        self._belongings = belongings
        self._lock = threading.Lock()
        self._noted: set[Thing] = set()
        self._left = False

    def note(self, things: Iterable[Thing]) -> None:
        """Write down what is about to be made; raises ClusterLost once the guest has left."""
        with self._lock:
            for thing in set(things) - self._noted:
                if self._left:
                    raise ClusterLost(f"{thing} is not made any more: the session ends")
                self._belongings.note(thing)
                self._noted.add(thing)

    def knows(self, thing: Thing) -> bool:
        """Whether this process has noted it."""
        return thing in self._noted

    def remove(self, things: Iterable[Thing], hands: Hands) -> list[str]:
        """Remove those of the things that were noted; why some could not be, a sentence each."""
        with self._lock:
            noted = self._noted.intersection(things)
            self._noted -= noted
        return remove(self._belongings, noted, hands)

    def leave(self, hands: Hands) -> list[str]:
        """Remove whatever the session has made, in any of its processes, and make nothing more."""
        with self._lock:
            self._left = True
        return remove(self._belongings, self._belongings.rest(), hands)


class Stay:
    """One run's part of it: its topic, its folder, its schemas, each noted before it is made."""

    def __init__(self, guest: Guest, pipeline: Pipeline, names: Names) -> None:
        require_own_places(pipeline, names)
        self._guest = guest
        self._topic, self._folder = Thing("topic", names.topic), Thing("folder", names.root)
        schemas = {_filled(table.schema, names) for table in pipeline.tables}
        self._schemas = [Thing("schema", name) for name in sorted(schemas | {names.schema})]

    def note_topic(self) -> None:
        """The topic is about to be made."""
        self._guest.note([self._topic])

    def note_folder(self, hdfs: Hdfs) -> None:
        """The folder is about to be made, and its parent where that was not there before."""
        if self._guest.knows(self._folder):
            return
        parent = str(PurePosixPath(self._folder.name).parent)
        if not hdfs.exists(parent):
            self._guest.note([Thing("parent", parent)])
        self._guest.note([self._folder])

    def note_schemas(self) -> None:
        """The schemas are about to be made."""
        self._guest.note(self._schemas)

    def end(self, hands: Hands) -> None:
        """Remove what was noted; raises SluiceError with what could not be removed."""
        own = [self._topic, self._folder, *self._schemas]
        if left := self._guest.remove(own, hands):
            raise SluiceError("the run could not remove all that it made", checked=left)


class Owned:
    """In the place of a stay where the cluster is the session's own, and ends with it."""

    def note_topic(self) -> None:
        """Nothing to note."""

    def note_folder(self, hdfs: Hdfs) -> None:
        """Nothing to note."""

    def note_schemas(self) -> None:
        """Nothing to note."""

    def end(self, hands: Hands) -> None:
        """Nothing to remove."""


def require_own_places(pipeline: Pipeline, names: Names) -> None:
    """Refuse a declaration that writes where others may: every run has names of its own there."""
    paths = [table.path for table in pipeline.tables]
    paths += [query.checkpoint for query in pipeline.queries]
    schemas = [table.schema for table in pipeline.tables]
    shared = [text for text in paths if not _is_own_folder(_filled(text, names), names)]
    shared += [text for text in schemas if not _is_own_schema(text, names)]
    shared += [text for text in _told(pipeline) if "{root}" in text and ".." in text.split("/")]
    if shared:
        raise BadDeclaration(
            "the pipeline would write where others may, on a cluster that is not its own",
            checked=[f"declared is {text!r}" for text in dict.fromkeys(shared)],
            remedy="begin every path with {root}/, write none with .. or //, and put {schema} into "
            "the name of every schema, which has letters, digits and _ only. Of a run's own names "
            "these may hold {root}, {schema} and {topic}, and no other placeholder",
        )


def _filled(text: str, names: Names) -> str:
    """The text with a run's own names; empty where it asks for what is none of them."""
    try:
        return fill(text, asdict(names))
    except KeyError:
        return ""


def _is_own_folder(path: str, names: Names) -> bool:
    """Whether it lies in the run's folder as it stands: a file system follows each ``..``."""
    return path.startswith(f"{names.root}/") and normpath(path) == path


def _is_own_schema(text: str, names: Names) -> bool:
    name = _filled(text, names)
    return "{schema}" in text and re.fullmatch(r"\w+", name, re.ASCII) is not None


def _told(pipeline: Pipeline) -> list[str]:
    """What else is told where the run's folder is: the script of the tables, and the components."""
    told = (
        pipeline.ddl and pipeline.ddl.variables,
        pipeline.job and pipeline.job.environment,
        pipeline.api and pipeline.api.environment,
    )
    return [text for texts in told if texts for text in texts.values()]
