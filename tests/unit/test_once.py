"""What is made once by whoever asks first, and what the others get."""

import threading
from pathlib import Path
from typing import NoReturn

import pytest

from pytest_sluice.errors import BadDeclaration, ClusterLost
from pytest_sluice.once import lock, made, once


def fail() -> NoReturn:
    """A maker that must not be asked."""
    raise ZeroDivisionError("by nought")


@pytest.mark.parametrize("value", [{"n": 1}, "x", None, 0, []], ids=repr)
def test_the_first_makes_it_and_all_have_it(tmp_path: Path, value: object) -> None:
    assert made(tmp_path, "it") is None
    assert once(tmp_path, "it", lambda: value) == value
    assert once(tmp_path, "it", fail) == value
    assert made(tmp_path, "it") == value


def test_everybody_gets_it_as_json_has_it(tmp_path: Path) -> None:
    assert once(tmp_path, "it", lambda: (1, 2)) == [1, 2]


def test_the_cause_of_a_failure_is_told_to_all_who_ask_later(tmp_path: Path) -> None:
    def broken() -> NoReturn:
        raise BadDeclaration("the topic has no partition", checked=["it has 0"], remedy="say 1")

    with pytest.raises(BadDeclaration):
        once(tmp_path, "landing", broken)
    for _ in range(2):
        with pytest.raises(ClusterLost) as caught:
            once(tmp_path, "landing", lambda: 1)
        assert caught.value.cause == (
            "the landing failed for whoever began it: the topic has no partition"
        )
        assert caught.value.checked == ("it has 0",)
        assert caught.value.remedy == "say 1"
    assert made(tmp_path, "landing") is None


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ZeroDivisionError("by nought"), "ZeroDivisionError: by nought"),
        (KeyboardInterrupt(), "Key"),
    ],
)
def test_whatever_was_raised_is_told(tmp_path: Path, error: BaseException, cause: str) -> None:
    def broken() -> NoReturn:
        raise error

    with pytest.raises(type(error)):
        once(tmp_path, "it", broken)
    with pytest.raises(ClusterLost, match=f"failed for whoever began it: {cause}"):
        once(tmp_path, "it", lambda: 1)


def test_what_is_no_json_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        once(tmp_path, "it", object)
    with pytest.raises(ClusterLost, match="it failed for whoever began it: TypeError"):
        once(tmp_path, "it", lambda: 1)


@pytest.mark.parametrize("half", [None, "", '{"n":'])
def test_whoever_died_before_it_was_made_is_told_of(tmp_path: Path, half: str | None) -> None:
    (tmp_path / "guest.begun").touch()
    if half is not None:
        (tmp_path / "guest.json").write_text(half)
    assert made(tmp_path, "guest") is None
    with pytest.raises(ClusterLost, match="whoever began the guest did not end it"):
        once(tmp_path, "guest", lambda: 1)


def test_a_value_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_paths: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            once(tmp_path, "it", lambda: 1)
    assert not (tmp_path / "it.json").exists()
    with pytest.raises(ClusterLost, match="did not end it"):
        once(tmp_path, "it", lambda: 1)


def test_one_at_a_time_makes_it(tmp_path: Path) -> None:
    begun, go_on, values = threading.Event(), threading.Event(), []

    def make() -> int:
        begun.set()
        assert go_on.wait(10)
        return 1

    first = threading.Thread(target=lambda: values.append(once(tmp_path, "it", make)), daemon=True)
    second = threading.Thread(target=lambda: values.append(once(tmp_path, "it", fail)), daemon=True)
    first.start()
    assert begun.wait(10)
    second.start()
    go_on.set()
    for thread in (first, second):
        thread.join(10)
    assert values == [1, 1]


def test_a_lock_is_of_its_name(tmp_path: Path) -> None:
    with lock(tmp_path, "a"), lock(tmp_path, "b"):
        assert {path.name for path in tmp_path.iterdir()} == {"a.lock", "b.lock"}
