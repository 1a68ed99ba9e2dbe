"""Runs mutants level by level: light levels two at a time, the others one after the other."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue
from threading import Event, Lock
from time import monotonic

from pytest_sluice.errors import SluiceError
from tools.mutants.levels import Level
from tools.mutants.mutant import Mutant
from tools.mutants.place import Place
from tools.mutants.record import Record, Result

Say = Callable[[str], None]

CLEAN_SECONDS = 900.0


class Judges:
    """Judge mutants in `places`; each result is in `record` before the next begins."""

    def __init__(
        self,
        places: Sequence[Place],
        levels: Mapping[str, Level],
        record: Record,
        stopping: Event,
        say: Say,
    ) -> None:
        self._places, self._levels, self._record = places, levels, record
        self._stopping, self._say = stopping, say
        self._measuring = Lock()

    def judge(self, mutants: Sequence[Mutant], only_light: bool = False) -> list[Result]:
        """Judge all: first at their light levels, then those that passed at the others."""
        self._pass([(mutant, self._names(mutant, light=True)) for mutant in mutants], self._places)
        if not only_light:
            heavy = [(mutant, self._names(mutant, light=False)) for mutant in mutants]
            self._pass(heavy, self._places[:1])
        return [self._record.result(mutant) for mutant in mutants]

    def _names(self, mutant: Mutant, light: bool) -> list[str]:
        return [name for name in mutant.levels if self._levels[name].light is light]

    def _pass(self, asked: Sequence[tuple[Mutant, list[str]]], places: Sequence[Place]) -> None:
        """Run what is left of the asked levels, as many mutants at once as there are places."""
        left = [(self._record.result(mutant), names) for mutant, names in asked]
        left = [(result, result.left(names)) for result, names in left if result.left(names)]
        free: SimpleQueue[Place] = SimpleQueue()
        for place in places:
            free.put(place)
        with ThreadPoolExecutor(len(places)) as pool:
            futures = [pool.submit(self._one, free, *each) for each in left]
            try:
                for number, future in enumerate(as_completed(futures), 1):
                    self._say(f"{number} of {len(left)}  {future.result()}")
            except BaseException:
                self._stopping.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _one(self, free: SimpleQueue[Place], result: Result, names: Sequence[str]) -> str:
        """Run one mutant until a level catches it; a line that tells what came of it."""
        place, started = free.get(), monotonic()
        try:
            for name in result.left(names):
                limit = self._limit(self._levels[name], place)
                result.steps.append(place.run(self._levels[name], limit, result.mutant))
                self._record.note(result)
                if result.by:
                    break
        finally:
            free.put(place)
        return f"{result.mutant.name}: {told(result)}, {monotonic() - started:.0f} s"

    def _limit(self, level: Level, place: Place) -> float:
        """How long a run of a level may take; the first to ask runs it without a mutant."""
        with self._measuring:
            if (clean := self._record.clean(level.name)) is None:
                clean = self._measure(level, place)
        return level.limit(clean)

    def _measure(self, level: Level, place: Place) -> float:
        """Run a level without a mutant: it has to be green, and tells the time."""
        outcome = place.run(level, CLEAN_SECONDS)
        if outcome.kind != "green":
            raise SluiceError(
                f"the tests of level {level.name!r} are {outcome.kind} without any mutant",
                checked=[*level.tests, outcome.tail],
                remedy=f"mend them first: pytest {' '.join(level.tests)}",
            )
        self._record.note_clean(level.name, outcome.seconds)
        self._say(f"without a mutant  {level.name}: green, {outcome.seconds:.0f} s")
        return outcome.seconds


def told(result: Result) -> str:
    """Tell in a few words what came of a mutant."""
    if (by := result.by) is None:
        last = result.steps[-1]
        return f"NOT CAUGHT ({last.kind} at level {last.level})"
    if result.mutant.group == "plugin":
        return f"caught ({by.kind} at level {by.level})"
    if result.at_right_stage:
        return f"caught at stage {by.stage} (level {by.level})"
    return f"caught at stage {by.stage}, WRONG: {result.mutant.stage} expected (level {by.level})"
