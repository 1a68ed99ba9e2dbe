"""How mutants are judged: what counts as caught, at which stage, and that a second call goes on."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_sluice.errors import SluiceError
from tools.mutants import tree
from tools.mutants.judging import Judges, told
from tools.mutants.levels import Level
from tools.mutants.mutant import Group, Mutant
from tools.mutants.outcome import Failure, Kind, Outcome, failures_in, kind_of
from tools.mutants.record import Record, Result
from tools.mutants.score import IN_CI, WHOLE, Score, last_lines, survivors

LEVELS = {
    "unit": Level("unit", ("tests/unit",), "api", light=True),
    "near": Level("near", ("tests/integration",)),
}
JUNIT = """<testsuites><testsuite>
<testcase classname="t" name="passes"/>
<testcase classname="t" name="by_landing">
  <properties>
    <property name="sluice_stage" value="kafka"/><property name="mutants_stage" value="report"/>
  </properties>
  <failure message="m">f</failure>
</testcase>
<testcase classname="t" name="by_marker">
  <properties><property name="mutants_stage" value="presto"/></properties>
  <failure message="m">f</failure>
</testcase>
<testcase classname="t" name="plain"><failure message="m">f</failure></testcase>
<testcase classname="t" name="in_set_up"><error message="m">f</error></testcase>
</testsuite></testsuites>"""


def mutant(name: str = "m", group: Group = "pipeline") -> Mutant:
    """Return a mutant of stage kafka that both levels judge."""
    return Mutant(name, group, "some.py", "a\n", "b\n", ("unit", "near"), "kafka")


def outcome(kind: Kind, *stages: str, level: str = "unit") -> Outcome:
    """Return an outcome with a failure at each of these stages."""
    return Outcome(level, kind, 1.0, tuple(Failure("t", stage) for stage in stages))


class Fake:
    """A place whose runs come out as they are told, by the name of the mutant and the level."""

    def __init__(self, outcomes: dict[tuple[str, str], Outcome]) -> None:
        self.outcomes, self.runs = outcomes, list[tuple[str, str]]()

    def run(self, level: Level, limit: float, mutant: Mutant | None = None) -> Outcome:
        """Answer as told, green if nothing is."""
        run = (mutant.name if mutant else "", level.name)
        self.runs.append(run)
        return self.outcomes.get(run, outcome("green", level=level.name))


def judged(
    path: Path, outcomes: dict[tuple[str, str], Outcome], mutants: Sequence[Mutant], **options: Any
) -> tuple[Fake, list[Result], list[str]]:
    """Judge in a fake place; the place, the results and what was said."""
    fake, lines = Fake(outcomes), list[str]()
    record = Record(path, "tree")
    judges = Judges([fake], LEVELS, record, threading.Event(), lines.append)  # type: ignore[list-item]
    return fake, judges.judge(mutants, **options), lines


def test_failures_are_read_with_the_stage_of_the_landing_the_marker_or_the_file(
    tmp_path: Path,
) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(JUNIT)
    assert failures_in(report, "api") == (
        Failure("t::by_landing", "kafka"),
        Failure("t::by_marker", "presto"),
        Failure("t::plain", "api"),
    )
    assert failures_in(report, None)[-1].stage == ""


@pytest.mark.parametrize("content", [None, "", "<testsuites>"])
def test_without_a_whole_report_nothing_has_failed(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "junit.xml").write_text(content)
    assert failures_in(tmp_path / "junit.xml", "api") == ()


@pytest.mark.parametrize(
    ("code", "failures", "kind"),
    [
        (0, (), "green"),
        (1, (Failure("t", "api"),), "red"),
        (1, (), "broken"),  # errors in set-up alone
        (2, (), "broken"),
        (-11, (), "broken"),
        (None, (Failure("t", "api"),), "late"),
    ],
)
def test_red_is_a_test_that_failed(
    code: int | None, failures: tuple[Failure, ...], kind: Kind
) -> None:
    assert kind_of(code, failures) == kind


def test_the_stage_of_an_outcome_is_the_first_in_the_pipelines_order() -> None:
    assert outcome("red", "report", "kafka", "", "stream").stage == "kafka"
    assert outcome("red", "").stage is None


@pytest.mark.parametrize(
    ("group", "kind", "caught"),
    [
        ("pipeline", "red", True),
        ("pipeline", "broken", False),
        ("pipeline", "late", False),
        ("pipeline", "green", False),
        ("plugin", "red", True),
        ("plugin", "broken", True),
        ("plugin", "late", True),
        ("plugin", "green", False),
    ],
)
def test_a_wrong_pipeline_has_to_fail_a_test(group: Group, kind: Kind, caught: bool) -> None:
    assert (Result(mutant(group=group), [outcome(kind)]).by is not None) is caught


@pytest.mark.parametrize(("stage", "right"), [("kafka", True), ("stream", False), ("", False)])
def test_the_right_stage_is_the_mutants(stage: str, right: bool) -> None:
    assert Result(mutant(), [outcome("red", stage)]).at_right_stage is right


def test_a_mutant_goes_from_level_to_level_until_one_catches_it(tmp_path: Path) -> None:
    outcomes = {("a", "unit"): outcome("red", "kafka")}
    fake, results, _ = judged(tmp_path / "m.json", outcomes, [mutant("a"), mutant("b")])
    clean = [run for run in fake.runs if run[0] == ""]
    assert clean == [("", "unit"), ("", "near")]  # without a mutant, once for each level
    assert [run for run in fake.runs if run[0]] == [("a", "unit"), ("b", "unit"), ("b", "near")]
    assert [result.by is not None for result in results] == [True, False]


def test_a_level_that_no_mutant_comes_to_is_not_run(tmp_path: Path) -> None:
    outcomes = {("a", "unit"): outcome("red", "kafka")}
    fake, _, _ = judged(tmp_path / "m.json", outcomes, [mutant("a")])
    assert fake.runs == [("", "unit"), ("a", "unit")]


def test_only_light_levels_are_run_where_that_is_asked(tmp_path: Path) -> None:
    fake, _, _ = judged(tmp_path / "m.json", {}, [mutant("a")], only_light=True)
    assert fake.runs == [("", "unit"), ("a", "unit")]


def test_a_second_call_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    path, mutants = tmp_path / "m.json", [mutant("a"), mutant("b")]
    judged(path, {("a", "unit"): outcome("red", "kafka")}, mutants, only_light=True)
    fake, results, _ = judged(path, {}, mutants)
    assert fake.runs == [("", "near"), ("b", "near")]
    assert [len(result.steps) for result in results] == [1, 2]


def test_another_tree_or_another_change_is_judged_anew(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    Record(path, "tree").note(Result(mutant(), [outcome("green")]))
    other = Mutant("m", "pipeline", "some.py", "a\n", "c\n", ("unit", "near"), "kafka")
    assert len(Record(path, "tree").result(mutant()).steps) == 1
    assert Record(path, "tree").result(other).steps == []
    assert Record(path, "another").result(mutant()).steps == []
    assert Record(path, "tree", fresh=True).result(mutant()).steps == []


def test_a_tree_that_is_red_without_a_mutant_judges_nothing(tmp_path: Path) -> None:
    with pytest.raises(SluiceError, match="level 'unit' are red without any mutant"):
        judged(tmp_path / "m.json", {("", "unit"): outcome("red", "api")}, [mutant()])


def test_an_error_ends_the_judging_and_keeps_what_was_found(tmp_path: Path) -> None:
    class Full(Fake):
        def run(self, level: Level, limit: float, mutant: Mutant | None = None) -> Outcome:
            if mutant and mutant.name == "b":
                raise OSError("no space left")
            return super().run(level, limit, mutant)

    stopping, record = threading.Event(), Record(tmp_path / "m.json", "tree")
    judges = Judges([Full({})], LEVELS, record, stopping, print)  # type: ignore[list-item]
    with pytest.raises(OSError, match="no space"):
        judges.judge([mutant("a"), mutant("b")], only_light=True)
    assert stopping.is_set()
    assert len(Record(tmp_path / "m.json", "tree").result(mutant("a")).steps) == 1


def test_the_limit_of_a_run_is_a_multiple_of_the_clean_one() -> None:
    assert LEVELS["unit"].limit(10) == 4 * 10 + 20
    assert LEVELS["near"].limit(10) == 4 * 10 + 150


def test_each_line_tells_what_came_of_a_mutant(tmp_path: Path) -> None:
    outcomes = {
        ("a", "unit"): outcome("red", "kafka"),
        ("b", "unit"): outcome("red", "presto"),
        ("p", "unit"): outcome("late"),
    }
    mutants = [mutant("a"), mutant("b"), mutant("c"), mutant("p", "plugin")]
    _, results, lines = judged(tmp_path / "m.json", outcomes, mutants)
    assert [told(result) for result in results] == [
        "caught at stage kafka (level unit)",
        "caught at stage presto, WRONG: kafka expected (level unit)",
        "NOT CAUGHT (green at level near)",
        "caught (late at level unit)",
    ]
    assert lines[0] == "without a mutant  unit: green, 1 s"
    assert lines[1].startswith("1 of 4  a: caught at stage kafka (level unit), ")


def test_the_last_two_lines_are_the_scores() -> None:
    pipeline = [
        Result(mutant(), [outcome("red", "kafka")]),
        Result(mutant(), [outcome("red", "presto")]),
        Result(mutant(), [outcome("green")]),
    ]
    plugin = [Result(mutant(group="plugin"), [outcome("broken")])]
    assert last_lines(Score.of(pipeline), Score.of(plugin)) == [
        "pipeline mutants: 2/3, at the right stage: 1",
        "plugin mutants: 1/1",
    ]


def test_floors_are_shares_of_all() -> None:
    assert Score(38, 40, 36).reaches(WHOLE.pipeline, WHOLE.stage)
    assert not Score(37, 40, 37).reaches(WHOLE.pipeline, WHOLE.stage)
    assert not Score(40, 40, 35).reaches(WHOLE.pipeline, WHOLE.stage)
    assert not Score(39, 40, 39).reaches(IN_CI.pipeline, IN_CI.stage)
    assert Score(0, 0).reaches(WHOLE.plugin)


def test_a_survivor_is_listed_with_its_change_and_its_reason() -> None:
    results = [
        Result(mutant("a"), [outcome("red")]),
        *(Result(mutant(name), [outcome("green")]) for name in "bc"),
    ]
    listed = survivors(results, {"b": "nobody can see it"})
    assert [(each["name"], each["reason"]) for each in listed] == [
        ("b", "nobody can see it"),
        ("c", "none given yet"),
    ]
    assert listed[0]["diff"].endswith("-a\n+b")
    assert listed[0]["levels left"] == "near"


def test_the_file_has_the_scores_and_each_result(tmp_path: Path) -> None:
    path = tmp_path / "build/mutants.json"
    record = Record(path, "tree")
    record.note(Result(mutant(), [outcome("red", "kafka")]))
    record.finish({"seed": 9, "scores": ["pipeline mutants: 1/1"]})
    stored = json.loads(path.read_text())
    assert (stored["tree"], stored["seed"]) == ("tree", 9)
    (entry,) = stored["mutants"].values()
    assert (entry["caught"], entry["stage"], entry["red_at"]) == (True, "kafka", "kafka")
    assert entry["steps"][0]["failures"] == [{"test": "t", "stage": "kafka"}]


def test_the_digest_of_a_tree_hangs_on_what_judges_and_is_judged(tmp_path: Path) -> None:
    names = ["README.md", "src/a.py", "tests/unit/test_a.py", "tests/unit/test_mutants_a.py"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    before = tree.digest(tmp_path, names)
    (tmp_path / names[0]).write_text("2")
    (tmp_path / names[3]).write_text("2")
    assert tree.digest(tmp_path, names) == before
    (tmp_path / names[2]).write_text("2")
    assert tree.digest(tmp_path, names) != before
    assert tree.digest(tmp_path, names[:2]) != before
