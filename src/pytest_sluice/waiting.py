"""Waiting: one polling loop, one deadline, and a timeout that tells the story."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_fixed

from pytest_sluice.errors import SluiceError

POLL_SECONDS = 0.05

T = TypeVar("T")


class NotYet(Exception):
    """Raised by a probe: not there yet; the message is what was seen instead."""


class WaitTimeout(SluiceError):
    """What was awaited did not come before the deadline."""


@dataclass(frozen=True)
class Clock:
    """What time it is, in seconds, and how to let some of it go by; tests put their own here."""

    now: Callable[[], float] = monotonic
    sleep: Callable[[float], None] = sleep


@dataclass
class Deadline:
    """A point in time shared by stacked waits; ``extend`` when there was progress."""

    seconds: float
    clock: Clock = Clock()
    started: float = field(init=False)
    progressed: float = field(init=False)

    def __post_init__(self) -> None:
        """Count from now on."""
        self.started = self.progressed = self.clock.now()

    def extend(self) -> None:
        """Count ``seconds`` from now again: something moved, so it is slow and not stuck."""
        self.progressed = self.clock.now()

    @property
    def elapsed(self) -> float:
        """Seconds since the wait began."""
        return self.clock.now() - self.started

    @property
    def expired(self) -> bool:
        """Whether ``seconds`` have gone by since the last progress."""
        return self.clock.now() - self.progressed > self.seconds


def wait_for(
    what: str,
    probe: Callable[[], T],
    deadline: Deadline,
    *,
    alive: Callable[[], None] = lambda: None,
    log: Callable[[], Sequence[str]] = lambda: (),
    remedy: str = "",
) -> T:
    """Poll ``probe`` until it returns instead of raising :class:`NotYet`, and hand on its value.

    ``alive`` is called before each poll and raises when the awaited process is dead, so that a
    death fails at once with its own error. On timeout :class:`WaitTimeout` says what was awaited,
    for how many seconds, what was seen last, and the end of the ``log``.
    """

    def attempt() -> T:
        alive()
        return probe()

    def give_up(state: RetryCallState) -> T:
        seen = state.outcome.exception() if state.outcome else None
        raise WaitTimeout(
            f"waited {deadline.elapsed:.1f} s for {what}, and it did not come",
            checked=[f"last seen: {seen or 'nothing'}", *log()],
            remedy=remedy,
        ) from seen

    retrying = Retrying(
        retry=retry_if_exception_type(NotYet),
        wait=wait_fixed(POLL_SECONDS),
        stop=lambda _state: deadline.expired,
        sleep=deadline.clock.sleep,
        retry_error_callback=give_up,
    )
    return retrying(attempt)
