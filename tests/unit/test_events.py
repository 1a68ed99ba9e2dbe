"""The journal: append-only, followed live, readable after a kill."""

from pathlib import Path

from pytest_sluice.events import Event, Journal, read_events


def test_events_come_back_in_order_with_their_fields(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "events.jsonl")
    journal.emit("node", name="kafka")
    journal.emit("landing", run=1)
    kinds = [(event["kind"], event.get("name")) for event in read_events(journal.path)]
    assert kinds == [("node", "kafka"), ("landing", None)]


def test_a_follower_hears_what_comes_after_it(tmp_path: Path) -> None:
    heard: list[Event] = []
    journal = Journal(tmp_path / "events.jsonl")
    journal.emit("before")
    journal.follow(heard.append)
    journal.emit("after")
    assert [event["kind"] for event in heard] == ["after"]


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"kind": "whole"}\n{"kind": "cut')
    assert [event["kind"] for event in read_events(path)] == ["whole"]


def test_a_second_journal_appends(tmp_path: Path) -> None:
    for kind in ("first", "second"):
        Journal(tmp_path / "events.jsonl").emit(kind)
    assert len(list(read_events(tmp_path / "events.jsonl"))) == 2
