"""The plugin itself, driven through pytester: what is shown, marked, refused, started, judged."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest

from pytest_sluice.distributions import cache_root

pytest_plugins = ["pytester"]

CACHE = cache_root()  # before pytester gives its runs another home

DECLARATION = """
from pathlib import Path
from pytest_sluice import Api, Env, Fixed, Job, Pipeline, Query, Topic

def pytest_sluice_pipeline(config):
    return Pipeline(topic=Topic("clicks"){parts})
"""
FIXED = ', job=Job(Path("job.py"), (Query("q", "/c", Fixed("120 seconds"), ()),))'
# Answers nothing and ends: the code under test is broken, the services are not.
BROKEN_API = ', api=Api(("{python}", "-c", "raise SystemExit(\'no app\')"), Path.cwd())'


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A directory with a declaration, in which every run is a process of its own."""
    monkeypatch.setenv("SLUICE_CACHE", str(CACHE))
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider\n")
    declare(pytester)
    return pytester


def declare(pytester: pytest.Pytester, parts: str = "") -> None:
    pytester.makeconftest(DECLARATION.replace("{parts}", parts))


def test_help_names_every_option_and_its_variable(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--help")
    result.stdout.fnmatch_lines(["*--sluice-trigger=INTERVAL*", "*SLUICE_TRIGGER*"])


def test_markers_are_a_manual(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--markers")
    result.stdout.fnmatch_lines(["*pytest.mark.kafka: stage kafka of the pipeline: *"])


def test_the_header_shows_settings_with_their_source(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_TIMEOUT_FACTOR", "2")
    result = project.runpytest_subprocess("--sluice-trigger=1 second")
    result.stdout.fnmatch_lines(
        ["sluice: *trigger=1 second (option), timeout_factor=2.0 (environment)*"]
    )


def test_a_test_is_marked_by_the_deepest_fixture_and_starts_nothing_when_collected(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        """
        def test_deep(sluice_hdfs, sluice_topic): ...
        def test_shallow(sluice_api): ...
        def test_none(): ...
        """
    )
    result = project.runpytest_subprocess("--collect-only", "-q", "-m", "hdfs")
    result.stdout.fnmatch_lines(["*::test_deep", "*1/3 tests collected*"])
    assert not list(project.path.glob(".pytest_cache/sluice/*"))


def test_tests_without_the_fixtures_need_no_declaration_and_start_nothing(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("def test_plain(): ...")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    assert not list(pytester.path.glob(".pytest_cache/sluice/*"))


def test_a_missing_declaration_names_the_hook(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(sluice_kafka): ...")
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no pipeline is declared*", "*pytest_sluice_pipeline(config)*"])


@pytest.mark.parametrize(
    ("fixture", "part"),
    [("sluice_api", "api"), ("sluice_stream", "job"), ("sluice_landing", "traffic")],
)
def test_a_part_that_nobody_declared_is_a_usage_error(
    project: pytest.Pytester, fixture: str, part: str
) -> None:
    project.makepyfile(f"def test_it({fixture}): ...")
    for options in ((), ("-n", "1")):
        result = project.runpytest_subprocess(*options)
        assert result.ret != pytest.ExitCode.OK
        output = result.stdout.str() + result.stderr.str()
        assert f"a test asks for {fixture}, and Pipeline.{part} is not declared" in output
        assert not result.parseoutcomes().get("passed")


def test_a_fixed_trigger_refuses_the_option(project: pytest.Pytester) -> None:
    declare(project, FIXED)
    project.makepyfile("def test_it(sluice_stream): ...")
    result = project.runpytest_subprocess("--sluice-trigger=1 second")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*is Fixed('120 seconds')*", "*--sluice-trigger*"])


SET_TWICE = """, job=Job(
    "job.py",
    (Query("q", "/c", Env("TRIGGER", "2 seconds"), ()),),
    {"TRIGGER": "5 seconds"},
)"""


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (", job=(1, 2)", "*Pipeline.job is a tuple of 2; it must be a Job or None*"),
        (SET_TWICE, "*Job.environment sets TRIGGER, which the trigger of query 'q' reads*"),
        (") and (7", "*returned 7; it must be a Pipeline or None*"),
        (", job=unheard_of", "*raised NameError: name 'unheard_of' is not defined*"),
    ],
)
def test_a_declaration_that_cannot_be_used_is_a_usage_error(
    project: pytest.Pytester, parts: str, told: str
) -> None:
    declare(project, parts)
    result = project.runpytest_subprocess("--sluice-trigger=1 second", "--co")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([told])


def test_a_bad_option_is_a_usage_error(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--sluice-trigger=soon")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--sluice-trigger: cannot use 'soon'*"])


def test_distributions_that_are_not_there_name_the_command(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path / "empty"))
    project.makepyfile("def test_it(sluice_kafka): ...")
    result = project.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*python -m pytest_sluice setup*"])


@pytest.mark.parametrize(
    ("mode", "services"), [("kraft", {"kafka"}), ("zookeeper", {"zookeeper", "kafka"})]
)
def test_one_stage_starts_only_what_it_needs(
    project: pytest.Pytester, mode: str, services: set[str]
) -> None:
    project.makepyfile(
        """
        def test_topic(sluice_topic):
            sluice_topic.produce([b"x"])
            assert sluice_topic.end_offsets() == {0: 1}

        def test_presto(sluice_presto): ...
        """
    )
    result = project.runpytest_subprocess("-m", "kafka", f"--sluice-kafka={mode}")
    result.assert_outcomes(passed=1, deselected=1)
    assert ready_nodes(project.path) == {*services, "topic"}


def test_a_component_that_does_not_come_up_is_a_failure_at_its_stage(
    project: pytest.Pytester,
) -> None:
    declare(project, BROKEN_API)
    project.makepyfile("def test_it(sluice_api): ...")
    result = project.runpytest_subprocess("--junit-xml=junit.xml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*stage api: api died with exit code 1*", "*no app*"])
    assert 'name="sluice_stage" value="api"' in (project.path / "junit.xml").read_text()


LANDING = """
import pytest
from pytest_sluice.judgement import Breach, Wrong
from pytest_sluice.ledger import Landing, Ledger

BREACH = Breach("stream", "rows", "10", 9, (Wrong("clicks", "10", 9),))

@pytest.fixture(scope="session")
def landing():
    return Landing(1, Ledger(), {how})

@pytest.mark.kafka
def test_before(landing): ...

@pytest.mark.stream
def test_there(landing): ...

def test_behind(landing): ...

"""


def test_who_asks_for_a_broken_landing_fails_at_its_first_hop_and_who_needs_less_does_not(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(LANDING.replace("{how}", "breaches=(BREACH,)"))
    result = pytester.runpytest_subprocess("--junit-xml=junit.xml")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*stage stream: run 1 broke at stream: rows: 9 of 10 (clicks: *"])
    assert 'name="sluice_stage" value="stream"' in (pytester.path / "junit.xml").read_text()


def test_a_landing_that_a_service_stopped_is_an_error_and_no_failure(
    pytester: pytest.Pytester,
) -> None:
    how = "stopped_at='stream', reason='no HDFS'"
    pytester.makepyfile(LANDING.replace("{how}", how))
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*cannot run: run 1 stopped at stream: no HDFS*"])


def test_a_mark_that_says_less_than_the_fixtures_is_refused(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.kafka
        def test_it(sluice_landing, sluice_hdfs): ...
        """
    )
    result = project.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_it is marked kafka and asks for sluice_hdfs, of hdfs*"])


def test_a_test_that_is_marked_has_no_other_stage(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.kafka
        def test_it(sluice_landing): ...
        """
    )
    for stage, number in (("kafka", "1 test"), ("report", "no tests")):
        result = project.runpytest_subprocess("--collect-only", "-q", "-m", stage)
        result.stdout.fnmatch_lines([f"*{number} collected*"])


def test_where_no_test_will_run_nothing_is_started(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_good="def test_it(sluice_kafka): ...", test_bad="raise ValueError('cannot be read')"
    )
    result = project.runpytest_subprocess()
    result.stdout.fnmatch_lines(["*cannot be read*", "*1 error*"])
    for option in ("--fixtures", "--setup-plan"):
        project.runpytest_subprocess(option, "test_good.py")
    assert not list(project.path.glob(".pytest_cache/sluice/*"))


def test_help_works_on_a_broken_configuration(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_TRIGGER", "soon")
    result = project.runpytest_subprocess("--help")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*--sluice-trigger=INTERVAL*"])


def test_workers_without_a_pipeline_start_no_supervisor(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tempfile.mkdtemp(dir="/tmp")  # short enough for a supervisor's socket
    monkeypatch.setenv("TMPDIR", temporary)
    pytester.makepyfile(
        """
        import pathlib, tempfile

        def test_plain():
            assert not list(pathlib.Path(tempfile.gettempdir()).glob("sluice-*"))
        """
    )
    pytester.runpytest_subprocess("-n", "2").assert_outcomes(passed=1)
    shutil.rmtree(temporary)


def test_workers_share_one_cluster(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_topic(sluice_topic, sluice_session, number, record_property):
            record_property("cluster", str(sluice_session.cluster.directory))
            record_property("broker", sluice_topic.kafka.bootstrap_servers)
        """
    )
    result = project.runpytest_subprocess("-n", "2", "--junit-xml=junit.xml")
    result.assert_outcomes(passed=4)
    text = (project.path / "junit.xml").read_text()
    for name in ("cluster", "broker"):
        values = {part.split('"')[0] for part in text.split(f'name="{name}" value="')[1:]}
        assert len(values) == 1


def ready_nodes(root: Path) -> set[str]:
    """The nodes that the last session in ``root`` brought about."""
    (journal,) = root.glob(".pytest_cache/sluice/*/events.jsonl")
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    return {event["name"] for event in events if event.get("state") == "ready"}
