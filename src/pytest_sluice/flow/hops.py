"""Asking services while a run lands: what breaks is tried again, and then stops the run there.

Only infrastructure stops a landing. What the pipeline breaks is counted, and judged.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pytest_sluice.declaration import Stage
from pytest_sluice.errors import SluiceError
from pytest_sluice.flow.run import ComponentFailed
from pytest_sluice.judgement import Hop, exactly
from pytest_sluice.waiting import Deadline, NotYet, wait_for

T = TypeVar("T")


class Stopped(Exception):
    """A service that did not answer at a stage, and why: nothing behind it can be counted."""

    def __init__(self, stage: Stage, reason: str) -> None:
        super().__init__(reason)
        self.stage = stage
        self.reason = reason


class Broke(Exception):
    """A hop that the pipeline broke in such a way that nothing can be counted at it."""

    def __init__(self, stage: Stage, what: str, reason: str) -> None:
        super().__init__(reason)
        head, *more = reason.splitlines()
        self.hop = Hop(stage, what, {what: exactly(1)}, {}, {what: head}, "\n".join(more))


# What clients raise when their service goes away in the middle, or is in no state to answer (a
# NameNode in safe mode, say): ours an error of their own, fsspec an OSError or a RuntimeError,
# requests an OSError, pyarrow a ValueError.
BREAKS = (SluiceError, OSError, ValueError, RuntimeError)


@contextmanager
def hop(stage: Stage, doing: str = "") -> Iterator[None]:
    """Turn whatever breaks within into :class:`Stopped` at ``stage``."""
    try:
        yield
    except BREAKS as error:
        raise Stopped(stage, f"{doing}: {_told(error)}" if doing else _told(error)) from error


def joined(stage: Stage, join: Callable[[], T]) -> T:
    """What a node of the graph brings about: Broke where the code under test did not come up.

    A service that did not come up is :class:`Stopped` at ``stage``.
    """
    with hop(stage):
        try:
            return join()
        except ComponentFailed as error:
            reason, failed = str(error), error
    raise Broke(failed.stage, "component that came up", reason) from failed


def patiently(
    stage: Stage,
    doing: str,
    ask: Callable[[], T],
    deadline: Deadline,
    *,
    alive: Callable[[], None] = lambda: None,
    final: tuple[type[Exception], ...] = (),
) -> T:
    """What ``ask`` returns; whatever breaks in it is tried again until the deadline.

    Then, or once ``alive`` raises, it is :class:`Stopped` at ``stage``. An error that is ``final``
    is raised as it is, at once.
    """

    def probe() -> T:
        try:
            return ask()
        except final:
            raise
        except BREAKS as error:
            raise NotYet(_told(error)) from error

    def living() -> None:
        with hop(stage, doing):
            alive()

    try:
        return wait_for(doing, probe, deadline, alive=living)
    except final:
        raise
    except SluiceError as error:
        raise Stopped(stage, _told(error)) from error


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, SluiceError) else f"{type(error).__name__}: {error}"
