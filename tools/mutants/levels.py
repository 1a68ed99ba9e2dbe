"""The levels of tests that judge mutants, and the rooms of the plugin with their nearest tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_sluice.errors import SluiceError

PLUGIN = "src/pytest_sluice"


@dataclass(frozen=True)
class Level:
    """A selection of tests.

    `tests` are arguments of pytest; `stage` is the stage of those tests that carry no marker of
    one. A light level starts no process. At a level that is `whole`, pytest goes on after the
    first failure, so that the first hop is known whatever the order of the tests.
    """

    name: str
    tests: tuple[str, ...]
    stage: str | None = None
    light: bool = False
    whole: bool = False
    trigger: str = "1 second"

    def limit(self, clean: float) -> float:
        """The seconds that a run may take, where it took `clean` seconds without a mutant."""
        return 4 * clean + (20 if self.light else 150)


END_TO_END = ("tests/e2e", "--ignore=tests/e2e/test_teardown.py")

LEVELS: Mapping[str, Level] = {
    level.name: level
    for level in (
        Level("unit", ("tests/unit", "--ignore-glob=*/test_mutants*"), light=True),
        Level("game_api", ("tests/unit/test_game_api.py",), "api", light=True),
        Level("traffic", ("tests/unit/test_traffic_file.py",), "api", light=True),
        Level("rows", ("tests/integration/test_write_stream_rows.py",), "stream"),
        Level("api", ("tests/integration/test_api.py",), "api"),
        Level("stream", ("tests/integration/test_stream.py",), "stream"),
        Level("killed", ("tests/integration/test_killed_batch.py",), "stream"),
        Level("hive", ("tests/integration/test_hive.py",), "hive"),
        Level("e2e", END_TO_END, whole=True),
        # None of the intervals that a careless job has in its code; long enough to be judged.
        Level("trigger", END_TO_END, whole=True, trigger="30 seconds"),
    )
}


@dataclass(frozen=True)
class Room:
    """A part of the plugin that judges or owns, as names of modules anywhere in the plugin.

    A name stands for ``name.py`` and for a folder ``name``, and may be a pattern. One of `modules`
    has to be there: a room whose modules were all renamed is an error, not an empty room.
    """

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...] = field(default=())

    def files(self, root: Path) -> list[str]:
        """List the room's files, relative to `root`."""
        plugin = root / PLUGIN
        found = {
            path.relative_to(root).as_posix()
            for module in self.modules
            for pattern in (f"{module}.py", f"{module}/*.py")
            for path in plugin.rglob(pattern)
        }
        if not found:
            raise SluiceError(
                f"no module of the room {self.name!r} is in {PLUGIN}",
                checked=self.modules,
                remedy="name its modules anew in ROOMS of tools/mutants/levels.py",
            )
        return sorted(found)

    def level(self, root: Path) -> Level:
        """Return the level of the tests nearest to this room; each has to be there."""
        missing = [test for test in self.tests if not any(root.glob(test))]
        if missing:
            raise SluiceError(
                f"tests near the room {self.name!r} are not there: {', '.join(missing)}",
                checked=self.tests,
                remedy="name them anew in ROOMS of tools/mutants/levels.py",
            )
        found = sorted(
            path.relative_to(root).as_posix() for test in self.tests for path in root.glob(test)
        )
        return Level(f"near {self.name}", (*found, "-m", "not docker"))


CONSERVATION = "tests/e2e/test_conservation.py"

ROOMS = (
    Room(
        "landing",
        (
            *("landing", "judge", "judgement", "conservation", "hops", "sinks"),
            *("committing", "counting", "rows", "seeing", "sending"),
        ),
        (CONSERVATION, "tests/integration/test_stream.py"),
    ),
    Room("offsets", ("offsets",), (CONSERVATION, "tests/integration/test_stream.py")),
    Room("answers", ("answers",), (CONSERVATION, "tests/integration/test_api.py")),
    Room(
        "claims",
        ("claims", "verdicts", "comparison", "ordering"),
        ("tests/e2e/test_report_*.py", "tests/integration/test_plugin.py"),
    ),
    Room("sql", ("sql",), ("tests/integration/test_presto.py",)),
    Room("ledger", ("ledger",), (CONSERVATION, "tests/integration/test_plugin.py")),
    Room("run", ("run",), (CONSERVATION, "tests/integration/test_api.py")),
    Room("graph", ("graph",), (CONSERVATION, "tests/integration/test_plugin.py")),
    Room(
        "cluster",
        ("cluster", "supervisor"),
        ("tests/integration/test_supervisor.py", "tests/integration/test_interrupt.py"),
    ),
)


def all_levels(root: Path, rooms: Sequence[Room] = ROOMS) -> dict[str, Level]:
    """Return every level by name, those near the rooms of the plugin too."""
    near = [room.level(root) for room in rooms]
    return {**LEVELS, **{level.name: level for level in near}}
