"""Waiting: the value when it comes, the story when it does not, and death at once."""

import pytest

from pytest_sluice import waiting
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.waiting import Deadline, NotYet, WaitTimeout, wait_for


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls follow each other without a pause."""
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.0)


def never() -> None:
    raise NotYet("an empty reply")


def test_the_value_of_the_first_probe_that_returns() -> None:
    answers = iter(["", "", "there"])

    def probe() -> str:
        if answer := next(answers):
            return answer
        raise NotYet("none")

    assert wait_for("it", probe, Deadline(10)) == "there"


def test_a_timeout_tells_what_how_long_what_was_seen_the_log_and_the_remedy() -> None:
    with pytest.raises(WaitTimeout) as caught:
        wait_for("a broker", never, Deadline(0), log=lambda: ["ERROR port taken"], remedy="free it")
    story = str(caught.value)
    for part in ("a broker", "0.0 s", "an empty reply", "ERROR port taken", "free it"):
        assert part in story


def test_a_dead_process_fails_at_once_with_its_own_error() -> None:
    def dead() -> None:
        raise ServiceNotReady("kafka died with exit code 1")

    with pytest.raises(ServiceNotReady, match="exit code 1"):
        wait_for("a broker", never, Deadline(1000), alive=dead)


def test_any_other_error_of_a_probe_is_not_swallowed() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wait_for("it", broken, Deadline(1000))


def test_progress_extends_the_deadline() -> None:
    deadline = Deadline(5)
    deadline.progressed -= 6
    assert deadline.expired
    deadline.extend()
    assert not deadline.expired
