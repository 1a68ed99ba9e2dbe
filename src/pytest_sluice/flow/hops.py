"""Hops: what breaks at one of them stops the run there, and is told by its landing."""

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_sluice.declaration import Stage
from pytest_sluice.errors import SluiceError


class Stopped(Exception):
    """A hop that did not let the run through, and why."""

    def __init__(self, stage: Stage, reason: str) -> None:
        super().__init__(reason)
        self.stage = stage
        self.reason = reason


# What clients raise when their service goes away in the middle: ours an error of their own, fsspec
# and requests an OSError, pyarrow a ValueError.
BREAKS = (SluiceError, OSError, ValueError)


@contextmanager
def hop(stage: Stage, doing: str = "") -> Iterator[None]:
    """Turn whatever breaks within into :class:`Stopped` at ``stage``."""
    try:
        yield
    except BREAKS as error:
        told = str(error) if isinstance(error, SluiceError) else f"{type(error).__name__}: {error}"
        raise Stopped(stage, f"{doing}: {told}" if doing else told) from error
