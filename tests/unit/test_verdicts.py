"""Verdicts: the text for people, and the way through JSON."""

import json
from dataclasses import replace
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from pytest_sluice.sql import Result
from pytest_sluice.verdicts import Correction, Outcome, Verdict

PRINTED = (("red", 5), ("blue", 10))
RIGHT = Result(("colour", "count"), ("varchar", "bigint"), (("red", 5), ("blue", 10)))
WRONG = Result(("colour", "count"), ("varchar", "bigint"), (("red", 7),))
VERDICT = Verdict(
    id="8",
    statement="Ten doors are blue.",
    outcome="holds only by name",
    measured={"position": WRONG, "name": RIGHT},
    sql="select colour, count(*) as count\nfrom doors group by colour order by count",
    columns=("colour", "count"),
    printed=PRINTED,
    ordered_by=("count",),
    expected_mapping="name",
)


def test_printed_and_measured_stand_side_by_side() -> None:
    assert VERDICT.text().splitlines() == [
        "claim 8: holds only by name (as expected)",
        "  Ten doors are blue.",
        "  select colour, count(*) as count",
        "  from doors group by colour order by count",
        "  printed, in order of count:   measured by position:   measured by name:",
        "   colour | count                colour | count          colour | count",
        "  --------+-------              --------+-------        --------+-------",
        "   red    |     5                red    |     7          red    |     5",
        "   blue   |    10               (1 row)                  blue   |    10",
        "  (2 rows)                                              (2 rows)",
    ]


def test_wide_results_stand_one_under_the_other() -> None:
    wide = Result(("text",), ("varchar",), (("x" * 80,),))
    text = Verdict("1", "s", "fails", {"position": wide, "name": WRONG}, "q", ("text",)).text()
    titles = [line for line in text.splitlines() if line.endswith(":")]
    assert titles == ["  printed:", "  measured by position:", "  measured by name:"]


def test_equal_results_are_shown_once() -> None:
    text = Verdict("1", "s", "holds", {"position": RIGHT, "name": RIGHT}, "q").text()
    assert "measured by position and by name:" in text
    assert text.count("(2 rows)") == 1


def test_what_was_not_expected_says_what_was() -> None:
    verdict = Verdict("1", "s", "fails", {"position": "SYNTAX_ERROR: no", "name": RIGHT}, "q")
    assert not verdict.as_expected
    assert verdict.text().startswith("claim 1: fails (expected: holds)\n")
    assert "SYNTAX_ERROR: no" in verdict.text()


def test_a_long_result_is_cut_with_a_word_on_the_rest() -> None:
    long = Result(("n",), ("bigint",), tuple((n,) for n in range(1000)))
    text = Verdict("1", "s", "fails", {"position": long, "name": long}, "q").text()
    assert "... and 960 rows more" in text
    of_41 = replace(long, rows=long.rows[:41])
    assert "... and 1 rows more" in Verdict("1", "s", "fails", {"position": of_41}, "q").text()
    of_40 = replace(long, rows=long.rows[:40])
    assert "rows more" not in Verdict("1", "s", "fails", {"position": of_40}, "q").text()
    assert len(text.splitlines()) < 60


def test_a_result_that_is_shown_whole_has_no_rest() -> None:
    whole = Result(("n",), ("bigint",), tuple((n,) for n in range(40)))
    assert "more" not in Verdict("1", "s", "fails", {"fact": whole}, "q").text()
    longer = Result(("n",), ("bigint",), tuple((n,) for n in range(41)))
    assert "... and 1 rows more" in Verdict("1", "s", "fails", {"fact": longer}, "q").text()


def test_a_fact_is_a_verdict_without_a_query() -> None:
    held = Verdict.of_fact("12", "Nothing is left.", True, "no process, no port")
    assert (held.outcome, held.as_expected) == ("holds", True)
    assert held.text().splitlines() == [
        "claim 12: holds (as expected)",
        "  Nothing is left.",
        "  measured:",
        "  no process, no port",
    ]
    assert not Verdict.of_fact("12", "Nothing is left.", False, "1 process").as_expected


def test_a_claim_that_is_known_to_fail_says_why_and_what_was_meant() -> None:
    verdict = replace(
        VERDICT,
        outcome="fails",
        expected_mapping="both",
        expected="fails",
        because="doors are red",
        note="age of ORDER BY is not printed",
        meant=Correction("select 1 as one", "position", "holds", Result(("one",), (), ((1,),))),
        measured={"fact": "none"},
        columns=(),
    )
    assert verdict.as_expected
    assert verdict.text().splitlines() == [
        "claim 8: fails (as expected)",
        "  Ten doors are blue.",
        "  because doors are red",
        "  select colour, count(*) as count",
        "  from doors group by colour order by count",
        "  note: age of ORDER BY is not printed",
        "  measured:",
        "  none",
        "  what was meant, by position: holds",
        "  select 1 as one",
        "  measured by position:",
        "   one",
        "  -----",
        "     1",
        "  (1 row)",
    ]


def test_a_meaning_that_does_not_hold_shows_what_was_wanted() -> None:
    meant = Correction("select", "name", "fails", WRONG, ("colour", "count"), PRINTED, ("count",))
    verdict = replace(VERDICT, meant=meant, hop="kafka: 9 of 10")
    assert not verdict.as_expected
    assert verdict.text().startswith("claim 8: holds only by name (what was meant does not hold)")
    assert "what was meant, by name: fails" in verdict.text()
    assert "wanted, in order of count:" in verdict.text()
    assert "broken hop: kafka: 9 of 10" in verdict.text()


CELLS = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers(), max_size=2)
RESULTS = st.builds(
    lambda rows: Result(("a", "b"), ("varchar", "bigint"), tuple(rows)),
    st.lists(st.tuples(CELLS, CELLS), max_size=3),
)
ORDERS = st.sampled_from([(), ("a",), ("a", "b")])
PRINTED_ROWS = st.lists(st.tuples(CELLS, CELLS), max_size=3).map(tuple)
CORRECTIONS = st.builds(
    Correction,
    sql=st.text(),
    mapping=st.sampled_from(["position", "name"]),
    outcome=st.sampled_from(["holds", "fails", "cannot run"]),
    measured=RESULTS | st.text(),
    columns=st.just(("a", "b")),
    printed=PRINTED_ROWS,
    ordered_by=ORDERS,
    note=st.text(),
)
VERDICTS = st.builds(
    lambda because, **rest: Verdict(
        expected="fails" if because else "holds", because=because, **rest
    ),
    because=st.text(),
    note=st.text(),
    hop=st.text(),
    meant=st.none() | CORRECTIONS,
    id=st.text(),
    statement=st.text(),
    outcome=st.sampled_from(get_args(Outcome)),
    measured=st.fixed_dictionaries({"position": RESULTS | st.text(), "name": RESULTS | st.text()}),
    sql=st.text(),
    columns=st.just(("a", "b")),
    printed=PRINTED_ROWS,
    ordered_by=ORDERS,
    expected_mapping=st.sampled_from(["both", "position", "name"]),
)


@given(VERDICTS)
def test_a_verdict_survives_json_and_always_has_a_text(verdict: Verdict) -> None:
    again = Verdict.from_json(json.loads(json.dumps(verdict.as_json())))
    assert again == verdict
    assert again.text() == verdict.text()
    assert verdict.text().startswith(f"claim {verdict.id}: {verdict.outcome} (")
