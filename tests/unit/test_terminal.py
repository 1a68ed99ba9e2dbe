"""What is told of events and claims, and that no line of ours ends up within one of pytest's."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from _pytest.terminal import TerminalReporter

from pytest_sluice import Pipeline, Topic
from pytest_sluice.book import Book, Selection
from pytest_sluice.ledger import Landing, Ledger
from pytest_sluice.session import Session
from pytest_sluice.settings import resolve
from pytest_sluice.sql import Result
from pytest_sluice.telling import entry, sentence, tally
from pytest_sluice.terminal import Lines, Narrator
from pytest_sluice.verdicts import Correction, Verdict

HEADINGS, TYPES = ("colour", "count"), ("varchar", "bigint")
BLUE = Result(HEADINGS, TYPES, (("blue", 10), ("red", 5)))
NONE = Result(HEADINGS, TYPES, ())
MANY = Result(HEADINGS, TYPES, (("blue", 1),) * 9)
BY_NAME = Verdict(
    id="8",
    statement="Ten doors are blue.",
    outcome="holds only by name",
    measured={"position": NONE, "name": BLUE},
    sql="select colour, count(*) as count from doors group by colour",
    columns=HEADINGS,
    printed=BLUE.rows,
    expected_mapping="name",
)
LANDING = Landing(
    run=2,
    ledger=Ledger(9, {200: 9}, {"open": 6, "close": 3}, {"doors": 6}, {"doors": 6}),
)


def node(**fields: object) -> dict[str, Any]:
    return {"kind": "node", "at": 5.0, "name": "kafka", **fields}


def test_a_node_that_took_a_while_is_news() -> None:
    assert sentence(node(state="ready", seconds=6.61)) == "kafka is ready (6.6 s)"


@pytest.mark.parametrize(
    "event",
    [
        node(state="starting"),
        node(state="ready", seconds=0.1),
        node(state="ready", name="landing", seconds=40.0),
        {"kind": "burst", "at": 5.0, "run": 1, "path": "/", "answers": {200: 10}},
        {"kind": "something new", "at": 5.0},
    ],
)
def test_nothing_is_told_of_what_is_no_news(event: dict[str, Any]) -> None:
    assert sentence(event) == ""


def test_a_failure_is_told_in_one_line() -> None:
    reason = "kafka died with exit code 1\n  checked: its log"
    assert sentence(node(state="failed", reason=reason)) == (
        "kafka failed: kafka died with exit code 1"
    )
    assert sentence(node(state="failed", reason="")) == "kafka failed: "


def test_a_wait_says_when_the_next_trigger_is_due() -> None:
    event = {"kind": "waiting", "at": 100.4, "run": 1, "what": "query q to commit"}
    event |= {"interval": "120 seconds", "due": 120.0, "due_at": "13:44:00"}
    assert sentence(event) == (
        "run 1: waiting for query q to commit; "
        "the next trigger (120 seconds) is due at 13:44:00, in 20 s"
    )
    assert sentence({**event, "due": 100.0}).endswith("in 0 s")


def test_the_traffic_is_told_by_its_size() -> None:
    event = {"kind": "traffic", "at": 5.0, "run": 2, "requests": 9, "bursts": 3}
    assert sentence(event) == "run 2: sending 9 requests in 3 bursts"
    assert sentence({**event, "bursts": 1}) == "run 2: sending 9 requests in 1 burst"


def test_a_landing_is_told_by_its_sums() -> None:
    event = {"kind": "landing", "at": 5.0, "run": 2, "landing": LANDING.as_json()}
    assert sentence(event) == (
        "run 2 landed: 9 answers, 9 messages, 6 rows committed, 6 rows visible"
    )


def test_a_landing_that_stopped_says_where_and_why() -> None:
    stopped = replace(LANDING, stopped_at="stream", reason="stream died\n  checked: its log")
    event = {"kind": "landing", "at": 5.0, "run": 2, "landing": stopped.as_json()}
    assert sentence(event) == "run 2 stopped at stream: stream died"


def test_what_was_swept_is_told() -> None:
    event = {"kind": "swept", "at": 5.0, "what": "sluice-x: 3 processes killed"}
    assert sentence(event) == "swept what a killed session left: sluice-x: 3 processes killed"


def test_a_claim_is_told_with_its_figures_under_each_mapping() -> None:
    assert entry(BY_NAME, 80) == [
        "ok    8  holds only by name: Ten doors are blue.",
        "        by position: no rows",
        "        by name: blue 10; red 5",
    ]


def test_what_is_waited_for_is_told_with_a_clock_or_without() -> None:
    event = {"kind": "waiting", "at": 5.0, "what": "10 messages", "run": 1}
    assert sentence(event) == "run 1: waiting for 10 messages"


def test_what_was_not_swept_is_told() -> None:
    event = {"kind": "not swept", "at": 5.0, "what": "/tmp/sluice-x is a link: it is left alone"}
    assert sentence(event) == "not swept: /tmp/sluice-x is a link: it is left alone"


@pytest.mark.parametrize(
    ("rows", "told"), [(1, "blue 1"), (8, "; ".join(["blue 1"] * 8)), (9, "9 rows")]
)
def test_a_few_rows_are_told_and_more_are_counted(rows: int, told: str) -> None:
    few = Result(HEADINGS, TYPES, (("blue", 1),) * rows)
    assert entry(replace(BY_NAME, measured={"fact": few}), 120)[1] == f"        {told}"


def test_figures_that_are_the_same_under_both_mappings_are_told_once() -> None:
    both = {"position": BLUE, "name": BLUE}
    verdict = replace(BY_NAME, outcome="holds", expected_mapping="both", measured=both)
    assert entry(verdict, 80)[1:] == ["        blue 10; red 5"]


def test_a_claim_that_is_not_as_expected_says_what_is_printed() -> None:
    refused = "SYNTAX_ERROR: no such column\nand so on"
    verdict = replace(BY_NAME, outcome="fails", measured={"position": MANY, "name": refused})
    assert entry(verdict, 80) == [
        "NOT   8  fails: Ten doors are blue.",
        "        printed: blue 10; red 5",
        "        by position: 9 rows",
        "        by name: SYNTAX_ERROR: no such column",
    ]


def test_a_fact_is_told_as_it_was_measured() -> None:
    fact = Verdict.of_fact("12", "Nothing is left.", False, "process 7")
    assert entry(fact, 80) == ["NOT  12  fails: Nothing is left.", "        process 7"]


def test_empty_cells_are_left_out_and_rows_are_not_broken() -> None:
    columns = tuple((f"column{n}", "varchar", "") for n in range(6))
    described = Result(("Column", "Type", "Comment"), ("varchar",) * 3, columns)
    verdict = replace(BY_NAME, measured={"position": described, "name": described})
    assert entry(verdict, 60)[1:] == [
        "        column0 varchar; column1 varchar; column2 varchar;",
        "          column3 varchar; column4 varchar; column5 varchar",
    ]


def test_rows_that_no_query_orders_are_told_in_order() -> None:
    turned = Result(HEADINGS, TYPES, BLUE.rows[::-1])
    by_count = replace(BY_NAME, ordered_by=("count",), measured={"name": turned})
    assert entry(replace(by_count, ordered_by=()), 80)[1].endswith("blue 10; red 5")
    assert entry(by_count, 80)[1].endswith("red 5; blue 10")


def test_the_tally_counts_outcomes() -> None:
    holds = Verdict.of_fact("1", "a", True, "")
    fails = Verdict.of_fact("2", "b", False, "")
    assert tally([holds, BY_NAME, fails, BY_NAME]) == (
        "3 of 4 claims are as expected (holds: 1, holds only by name: 2, fails: 1)"
    )


class Screen:
    """A terminal on which pytest's reporter and our lines write."""

    def __init__(self, config: pytest.Config) -> None:
        self.out = StringIO()
        self.reporter = TerminalReporter(config, self.out)
        self.lines = Lines(self.reporter, self.out)

    def text(self) -> list[str]:
        return self.out.getvalue().splitlines()


@pytest.fixture
def screen(pytestconfig: pytest.Config) -> Screen:
    return Screen(pytestconfig)


def test_a_line_within_a_verbose_line_does_not_break_it(screen: Screen) -> None:
    screen.reporter.write_ensure_prefix("test_a.py::test_one ", "")
    screen.lines.tell("sluice: first")
    screen.lines.tell("sluice: second")
    screen.lines.resume()
    screen.reporter.write_ensure_prefix("test_a.py::test_one ", "PASSED")
    assert screen.text() == [
        "",
        "test_a.py::test_one ",
        "sluice: first",
        "sluice: second",
        "test_a.py::test_one PASSED",
    ]


def test_a_line_within_a_row_of_dots_does_not_break_it(screen: Screen) -> None:
    file = Path(screen.reporter.startpath, "tests", "test_a.py")
    screen.reporter.write_fspath_result(str(file), ".")
    screen.lines.tell("sluice: first")
    screen.lines.resume()
    screen.reporter.write(".")
    screen.reporter.write_fspath_result(str(file), ".")
    assert screen.text()[1:] == [
        "tests/test_a.py .",
        "sluice: first",
        "",
        "tests/test_a.py ..",
    ]


def test_lines_between_tests_stand_alone(screen: Screen) -> None:
    screen.lines.tell("sluice: first")
    screen.lines.resume()
    assert screen.text() == ["sluice: first"]


def report(test: str, when: Any, *properties: tuple[str, object]) -> pytest.TestReport:
    place = ("test_a.py", 1, test)
    return pytest.TestReport(
        test, place, {}, "passed", None, when, user_properties=list(properties)
    )


class Finished:
    """A pytest session that has ended."""

    def __init__(self, exitstatus: int = 0, shouldfail: str = "") -> None:
        self.exitstatus = exitstatus
        self.shouldfail = shouldfail
        self.shouldstop = ""


class Node:
    """An xdist worker that has ended, with what it told."""

    def __init__(self, **output: object) -> None:
        self.workeroutput = output


class Evening:
    """A session that ends: its narrator hears of a landing and verdicts, and sums up."""

    def __init__(self, config: pytest.Config, root: Path) -> None:
        self.claims = root / "build" / "claims.json"
        settings = resolve({"sluice_claims": str(self.claims)}.get, {}, lambda key: None)
        self.session = Session(Pipeline(Topic("t")), settings, root)
        self.narrator = Narrator(config, self.session, Book(["8", "12"]))
        self.narrator.pytest_collection_finish()
        self.screen = Screen(config)
        self.finished = Finished()

    def run(self, test: str, *properties: tuple[str, object]) -> None:
        self.narrator.pytest_runtest_logreport(report(test, "setup"))
        for when in ("call", "teardown"):
            self.narrator.pytest_runtest_logreport(report(test, when, *properties))

    def end(self, landing: Landing | None, *verdicts: Verdict) -> str:
        if landing:
            self.session.journal.emit("landing", run=1, landing=landing.as_json())
        for number, verdict in enumerate(verdicts):
            self.run(f"test_{number}", ("sluice_verdict", verdict.as_json()))
        self.narrator.pytest_sessionfinish(cast("pytest.Session", self.finished))
        self.narrator.pytest_terminal_summary(self.screen.reporter)
        return self.screen.out.getvalue()


@pytest.fixture
def evening(
    pytestconfig: pytest.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Evening:
    monkeypatch.setattr(pytestconfig.option, "verbose", 0)
    return Evening(pytestconfig, tmp_path)


HOLDS = Verdict.of_fact("12", "Nothing is left.", True, "nothing")
FAILS = Verdict.of_fact("12", "Nothing is left.", False, "process 7")


def test_the_summary_has_the_claims_in_their_order(evening: Evening) -> None:
    text = evening.end(LANDING, HOLDS, BY_NAME)
    assert text.index("ok    8") < text.index("blue 10") < text.index("ok   12")
    assert "2 of 2 claims are as expected" in text
    assert f"logs and events are in {evening.session.directory}" in text
    assert "how far" not in text


def test_the_summary_shows_how_far_the_run_came_where_a_claim_fails(evening: Evening) -> None:
    assert LANDING.story() in evening.end(LANDING, BY_NAME, FAILS)


def test_the_summary_shows_how_far_a_run_came_that_stopped(evening: Evening) -> None:
    stopped = replace(LANDING, stopped_at="api", reason="25 x 404")
    assert "run 2 stopped at api: 25 x 404" in evening.end(stopped)


def test_nothing_is_told_with_q(
    evening: Evening, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pytestconfig.option, "verbose", -1)
    assert evening.end(LANDING, HOLDS) == ""


def test_two_verdicts_on_a_claim_are_told_with_both_tests_and_the_worst_is_shown(
    evening: Evening,
) -> None:
    text = evening.end(None, FAILS, HOLDS)
    assert "claim 12 is answered by more than one test: test_0, test_1" in text
    assert "0 of 1 claims are as expected" in text
    assert evening.finished.exitstatus == pytest.ExitCode.TESTS_FAILED


def test_a_rerun_replaces_what_its_test_said(evening: Evening) -> None:
    evening.run("test_0", ("sluice_verdict", FAILS.as_json()))
    assert "1 of 1 claims are as expected" in evening.end(None, HOLDS)
    assert evening.finished.exitstatus == pytest.ExitCode.OK


def test_a_verdict_that_is_not_as_expected_is_red_even_if_its_test_is_not(
    evening: Evening,
) -> None:
    evening.end(None, FAILS)
    assert evening.finished.exitstatus == pytest.ExitCode.TESTS_FAILED


ASKS = Selection(asks=True).as_json()


@pytest.mark.parametrize("verbose", [0, -1])
def test_a_claim_that_no_test_answered_is_listed_and_red(
    evening: Evening, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, verbose: int
) -> None:
    whole(pytestconfig, monkeypatch)
    monkeypatch.setattr(pytestconfig.option, "verbose", verbose)
    evening.narrator.pytest_testnodedown(Node(sluice_selection=ASKS))
    text = evening.end(None, HOLDS)
    assert "NOT   8  not answered\n        no test answered it" in text
    assert ("ok   12" in text) == (verbose == 0)
    assert evening.finished.exitstatus == pytest.ExitCode.TESTS_FAILED
    assert [claim["outcome"] for claim in json.loads(evening.claims.read_text())["claims"]] == [
        "not answered",
        "holds",
    ]


def test_where_infrastructure_stopped_the_run_the_claims_cannot_run(
    evening: Evening, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole(pytestconfig, monkeypatch)
    evening.finished = Finished(pytest.ExitCode.INTERRUPTED)
    evening.narrator.pytest_testnodedown(Node(sluice_selection=ASKS))
    evening.run("test_0", ("sluice_cannot_run", "kafka died with exit code 1"))
    text = evening.end(None)
    for id in ("  8", " 12"):
        assert f"NOT {id}  cannot run\n        kafka died with exit code 1" in text
    assert evening.finished.exitstatus == pytest.ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("args", "output", "finished"),
    [
        (["."], {"sluice_selection": Selection().as_json()}, Finished()),
        (["."], {"sluice_selection": Selection(True, 1).as_json()}, Finished()),
        ([__file__], {"sluice_selection": ASKS}, Finished()),
        ([f"{__file__}::test_it"], {"sluice_selection": ASKS}, Finished()),
        (["."], {"sluice_selection": ASKS}, Finished(1, "stopping after 1 failures")),
        (["."], {"sluice_selection": ASKS}, Finished(pytest.ExitCode.INTERRUPTED)),
        (["."], {}, Finished()),
    ],
)
def test_where_tests_were_left_out_no_claim_is_missed(
    evening: Evening,
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    output: dict[str, Any],
    finished: Finished,
) -> None:
    whole(pytestconfig, monkeypatch, *args)
    evening.finished = finished
    exitstatus = finished.exitstatus
    evening.narrator.pytest_testnodedown(Node(**output))
    assert "not answered" not in evening.end(None, HOLDS)
    assert finished.exitstatus == exitstatus


def test_what_the_configuration_names_leaves_nothing_out(
    evening: Evening, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole(pytestconfig, monkeypatch, __file__)
    monkeypatch.setattr(pytestconfig, "args_source", pytestconfig.ArgsSource.TESTPATHS)
    evening.narrator.pytest_testnodedown(Node(sluice_selection=ASKS))
    assert "not answered" in evening.end(None, HOLDS)


@pytest.mark.parametrize("option", ["lf", "ignore", "ignore_glob"])
def test_an_option_that_leaves_files_out_leaves_tests_out(
    evening: Evening, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    whole(pytestconfig, monkeypatch)
    monkeypatch.setattr(pytestconfig.option, option, ["x"], raising=False)
    evening.narrator.pytest_testnodedown(Node(sluice_selection=ASKS))
    assert "not answered" not in evening.end(None, HOLDS)


def whole(config: pytest.Config, patch: pytest.MonkeyPatch, *args: str) -> None:
    """Let the command line name no more than a folder, or what is given."""
    patch.setattr(config, "args", list(args) or ["."])
    patch.setattr(config, "args_source", config.ArgsSource.ARGS)
    for option in ("lf", "ignore", "ignore_glob"):
        patch.setattr(config.option, option, None, raising=False)


def test_what_else_is_known_of_a_claim_is_told() -> None:
    refused = Correction("select", "name", "fails", "SYNTAX_ERROR: no", note="x is not printed")
    verdict = replace(
        BY_NAME,
        expected_mapping="both",
        expected="fails",
        because="doors are red",
        hop="api: 25 x 404",
        note="y is not printed",
        meant=refused,
    )
    assert [line.strip() for line in entry(verdict, 90)] == [
        "NOT   8  holds only by name: Ten doors are blue.",
        "expected to fail, because doors are red",
        "broken hop: api: 25 x 404",
        "printed: blue 10; red 5",
        "by position: no rows",
        "by name: blue 10; red 5",
        "note: y is not printed",
        "what was meant, by name: fails: SYNTAX_ERROR: no",
        "note: x is not printed",
    ]


def test_claims_and_landing_are_written_as_json(evening: Evening) -> None:
    evening.end(LANDING, HOLDS, BY_NAME)
    written = json.loads(evening.claims.read_text())
    assert written == {
        "claims": [BY_NAME.as_json(), HOLDS.as_json()],
        "landing": LANDING.as_json(),
    }


def test_a_session_that_used_nothing_does_not_overwrite_the_claims_of_another(
    evening: Evening,
) -> None:
    evening.claims.parent.mkdir()
    evening.claims.write_text("kept")
    evening.end(None)
    assert evening.claims.read_text() == "kept"
