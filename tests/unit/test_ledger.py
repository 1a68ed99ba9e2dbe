"""The hop ledger and the landing: counting, the text for people, the way through JSON."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sluice.declaration import STAGES
from pytest_sluice.errors import BadDeclaration
from pytest_sluice.judgement import Breach, Wrong
from pytest_sluice.ledger import UNREADABLE, Landing, Ledger, Times, count_kinds, text_field

LEDGER = Ledger(
    requests=15,
    answers={503: 1, 200: 14},
    messages={"open": 9, UNREADABLE: 5},
    committed={"doors": 9, "rejected": 5},
    visible={"doors": 8},
)

COUNTS = st.dictionaries(st.text(max_size=8), st.integers(0, 10**9), max_size=4)
ENDS = st.dictionaries(
    st.text(max_size=5), st.dictionaries(st.integers(0, 9), st.integers(0, 10**12), max_size=3)
)
LEDGERS = st.builds(
    Ledger,
    requests=st.integers(0, 10**9),
    answers=st.dictionaries(st.integers(100, 599), st.integers(0, 10**9), max_size=4),
    messages=COUNTS,
    committed=COUNTS,
    visible=COUNTS,
)
LANDINGS = st.builds(
    Landing,
    run=st.integers(1, 99),
    ledger=LEDGERS,
    ends=ENDS,
    committed=st.dictionaries(st.text(max_size=5), ENDS, max_size=2),
    files=st.dictionaries(st.text(max_size=5), st.frozensets(st.text(max_size=9)), max_size=2),
    batches=st.dictionaries(
        st.text(max_size=5),
        st.dictionaries(st.integers(0, 9), st.floats(0, 1e10, allow_nan=False), max_size=2),
        max_size=2,
    ),
    times=st.builds(Times, st.floats(0, 1e10), committed=st.just({"q": 1.5})),
    breaches=st.lists(
        st.builds(
            Breach,
            st.sampled_from(STAGES),
            st.text(),
            st.text(),
            st.integers(0),
            st.just((Wrong("a", "1", 2),)),
        ),
        max_size=2,
    ).map(tuple),
    unjudged=st.lists(st.text(), max_size=2).map(tuple),
    until=st.sampled_from(STAGES),
    stopped_at=st.sampled_from([None, *STAGES]),
    reason=st.text(),
)


def test_kinds_are_counted_by_a_field_and_the_rest_as_unreadable() -> None:
    values = [b'{"kind": "a"}', b'{"kind": "b"}', b'{"kind": "a", "more": 1}']
    assert count_kinds(values, "kind") == {"a": 2, "b": 1}
    assert count_kinds(values, "more") == {UNREADABLE: 3}


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff\xfe",
        '{"kind": "a"}'.encode("utf-16"),
        b"no json",
        b'{"kind": "a"',
        b'["kind"]',
        b'"kind"',
        b"{}",
        b'{"kind": null}',
        b'{"kind": 1}',
        b'{"kind": ["a"]}',
        b'{"kind": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"n": ' + b"9" * 10_000 + b', "kind": "a"}',
    ],
    ids=range(14),
)
def test_what_is_no_event_is_unreadable(value: bytes | None) -> None:
    assert count_kinds([value], "kind") == {UNREADABLE: 1}


def test_the_last_of_duplicate_keys_wins() -> None:
    assert count_kinds([b'{"kind": "a", "kind": "b"}'], "kind") == {"b": 1}


@given(st.lists(st.binary(max_size=20) | st.none()))
def test_no_message_is_left_out_of_the_count(values: list[bytes | None]) -> None:
    assert count_kinds(values, "kind").total() == len(values)


def test_the_text_has_a_hop_a_block_with_its_sum() -> None:
    words = [line.split() for line in LEDGER.text().splitlines()]
    assert words == [
        ["requests", "sent", "15"],
        ["answers", "by", "status", "15"],
        ["200", "14"],
        ["503", "1"],
        ["messages", "by", "kind", "14"],
        [UNREADABLE, "5"],
        ["open", "9"],
        ["rows", "committed", "14"],
        ["doors", "9"],
        ["rejected", "5"],
        ["rows", "visible", "8"],
        ["doors", "8"],
    ]
    assert len({len(line) for line in LEDGER.text().splitlines()}) == 1


def test_a_hostile_name_stays_one_short_line_of_plain_text() -> None:
    names = ["x\n\x1b[31m", "\ud800", "y" * 1_000_000]
    lines = Ledger(messages=dict.fromkeys(names, 1)).text().splitlines()
    assert all(line.isprintable() and len(line) < 60 for line in lines)
    assert len(lines) == 5 + len(names)


@given(LEDGERS)
def test_a_ledger_survives_json(ledger: Ledger) -> None:
    assert Ledger.from_json(json.loads(json.dumps(ledger.as_json()))) == ledger


def test_a_ledger_of_counters_survives_json() -> None:
    ledger = Ledger(messages=Counter(["a", "a", "b"]), answers=Counter([200, 200]))
    assert Ledger.from_json(json.loads(json.dumps(ledger.as_json()))) == ledger


@given(LANDINGS)
def test_a_landing_survives_json(landing: Landing) -> None:
    assert Landing.from_json(json.loads(json.dumps(landing.as_json()))) == landing


def test_a_field_is_text_or_it_is_none() -> None:
    assert text_field(b'{"id": "a", "n": 1}', "id") == "a"
    assert text_field(b'{"id": ""}', "id") == ""
    assert text_field(b'{"id": "a", "n": 1}', "n") is None
    assert text_field(None, "id") is None


def test_the_first_breach_is_the_headline_and_the_others_follow() -> None:
    breaches = (
        Breach("api", "answers", "5", 0, (Wrong("GET /join", "5", 0, "5 x 404"),)),
        Breach("presto", "rows", "9", 8, (Wrong("a file", "9", 8),)),
    )
    landing = Landing(3, LEDGER, breaches=breaches, unjudged=("orphans of doors",))
    assert not landing.landed
    assert landing.story().splitlines()[:4] == [
        "run 3 broke at api: answers: 0 of 5 (GET /join: 0 of 5 (5 x 404))",
        "  then at presto: rows: 8 of 9 (a file: 8 of 9)",
        "  end offsets: none",
        "  not judged: orphans of doors",
    ]
    stopped = replace(landing, stopped_at="hive", reason="no metastore")
    assert "  then stopped at hive: no metastore" in stopped.story().splitlines()
    assert landing.broken("api") == landing.broken("report") == breaches[0]
    assert replace(landing, breaches=breaches[1:]).broken("hive") is None


def test_freshness_is_told_of_tables_that_were_seen() -> None:
    times = Times(acknowledged=10.0, visible={"doors": 12.5})
    assert Landing(1, LEDGER, times=times).freshness("doors") == 2.5
    for landing in (Landing(1, LEDGER, times=times), Landing(1, LEDGER)):
        with pytest.raises(BadDeclaration, match="when locks was visible"):
            landing.freshness("locks")
    with pytest.raises(BadDeclaration, match="when doors was visible"):
        Landing(1, LEDGER, times=Times(visible={"doors": 1.0})).freshness("doors")


def test_a_run_landed_unless_a_stage_stopped_it() -> None:
    assert Landing(1, LEDGER).landed
    assert Landing(1, LEDGER).story() == f"run 1 landed\n{LEDGER.text()}"
    assert not Landing(1, LEDGER, stopped_at="stream", reason="it died").landed


def test_the_story_names_the_hop_the_reason_the_offsets_and_the_ledger() -> None:
    landing = Landing(
        run=2,
        ledger=LEDGER,
        ends={"doors": {1: 4, 0: 10}},
        committed={"doors": {"doors": {0: 7}}, "locks": {}},
        stopped_at="stream",
        reason="the query doors ended with exit code 1",
    )
    assert landing.story().splitlines()[:4] == [
        "run 2 stopped at stream: the query doors ended with exit code 1",
        "  end offsets: doors[0]=10 doors[1]=4",
        "  doors committed: doors[0]=7",
        "  locks committed: none",
    ]
    assert landing.story().endswith(LEDGER.text())


def test_a_stage_that_is_none_is_refused() -> None:
    with pytest.raises(BadDeclaration, match="'moon' is no stage"):
        Landing.from_json({**Landing(1, LEDGER).as_json(), "stopped_at": "moon"})
