"""Verdicts with teeth, through pytester: what fails a test, and what makes a session red."""

import json

import pytest

from pytest_sluice.distributions import cache_root

pytest_plugins = ["pytester"]

CACHE = cache_root()  # before pytester gives its runs another home

CONFTEST = """
import pytest
from pytest_sluice import Pipeline, Topic
from pytest_sluice.claims import Claim, Verdict, judge
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.sql import QueryFailed, Result

def pytest_sluice_pipeline(config):
    return Pipeline(topic=Topic("clicks"), claims=("1", "2", "10"))

@pytest.fixture
def say(sluice_record):
    def record(id, holds=True, **more):
        return sluice_record(Verdict.of_fact(id, "Doors are blue.", holds, "7 of 9", **more))
    return record

@pytest.fixture
def crash(sluice_record):
    claim = Claim("1", "Doors are blue.", "select 1", ("a",), ((1,),))
    good = Result(("a",), ("integer",), ((1,),))
    bad = QueryFailed("select 1", "HIVE_METASTORE_ERROR", "refused")
    return lambda: sluice_record(judge(claim, good, bad))

@pytest.fixture
def broken(sluice_record):
    raise ServiceNotReady("kafka died with exit code 1")
"""
ALL = "def test_{0}(say): say('{0}')\n"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A directory whose pipeline declares the claims 1, 2 and 10; nothing is started in it."""
    monkeypatch.setenv("SLUICE_CACHE", str(CACHE))
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider\n")
    pytester.makeconftest(CONFTEST)
    return pytester


def answered(*ids: str) -> str:
    return "".join(ALL.format(id) for id in ids)


def test_a_verdict_that_is_not_as_expected_fails_its_test_without_an_assertion(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        """
        import pytest

        def test_1(say): say("1", holds=False)
        def test_2(say): say("2", holds=False, expected="fails", because="they are red")
        def test_skipped(say):
            say("10", holds=False)
            pytest.skip("so that nobody sees it")
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        ["claim 1: fails (expected: holds)", "*Doors are blue.", "*7 of 9", "*test_skipped*"]
    )
    result.stdout.no_fnmatch_line("*recording.py*")
    result.stdout.fnmatch_lines(["ok    2  fails: Doors are blue.", "*because they are red"])


def test_a_failure_of_the_test_itself_stays_what_it_is(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_1(say):
            say("1", holds=False)
            assert False, "its own words"
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: its own words*"])
    result.stdout.no_fnmatch_line("claim 1: fails*")


def test_no_mark_makes_a_verdict_that_is_not_as_expected_green(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.xfail
        def test_1(say): say("1", holds=False)
        """
    )
    result = project.runpytest_subprocess("-k", "test_1")
    result.assert_outcomes(xfailed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_unittest_is_judged_as_well(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import unittest, pytest

        class TestDoors(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def give(self, say): self.say = say

            def test_1(self): self.say("1", holds=False)
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["claim 1: fails (expected: holds)"])


@pytest.mark.parametrize("where", ["by another test", "within one test"])
def test_a_second_answer_to_a_claim_names_both_tests(project: pytest.Pytester, where: str) -> None:
    second = "def test_b(say): say('1')" if where == "by another test" else "    say('1')"
    project.makepyfile(f"def test_a(say):\n    say('1')\n{second}\n")
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1, passed=int(where == "by another test"))
    told = {
        "by another test": "claim 1 is answered twice: by *::test_a and by *::test_b",
        "within one test": "claim 1 is answered twice: by *::test_a",
    }
    result.stdout.fnmatch_lines([told[where]])


def test_a_test_that_runs_again_replaces_its_answer(project: pytest.Pytester) -> None:
    project.makeconftest(
        CONFTEST
        + """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):  # what plugins that run a test again do
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    runtestprotocol(item, nextitem=None, log=False)
    runtestprotocol(item, nextitem=nextitem)
    return True
"""
    )
    project.makepyfile(
        """
        runs = []

        def test_1(say):
            runs.append(1)
            say("1", holds=len(runs) > 1)
        """
    )
    result = project.runpytest_subprocess("test_a_test_that_runs_again_replaces_its_answer.py")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
class TestDeclared:
    """Claims that are declared, with and without xdist."""

    def test_all_answered_is_green(
        self, project: pytest.Pytester, workers: tuple[str, ...]
    ) -> None:
        project.makepyfile(answered("10", "2", "1"))
        result = project.runpytest_subprocess(*workers)
        result.assert_outcomes(passed=3)
        assert result.ret == pytest.ExitCode.OK
        result.stdout.fnmatch_lines(["ok    1 *", "ok    2 *", "ok   10 *", "3 of 3 claims*"])

    def test_one_that_no_test_answered_is_listed_and_red(
        self, project: pytest.Pytester, workers: tuple[str, ...]
    ) -> None:
        project.makepyfile(answered("1", "2"))
        result = project.runpytest_subprocess(*workers, "--sluice-claims=claims.json")
        result.assert_outcomes(passed=2)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(["NOT  10  not answered", "*no test answered it"])
        written = json.loads((project.path / "claims.json").read_text())["claims"]
        assert [claim["outcome"] for claim in written] == ["holds", "holds", "not answered"]

    @pytest.mark.parametrize(
        "arguments",
        [("-k", "test_1"), ("test_it.py",), ("test_it.py::test_1",), ("plain",), ("-x",)],
    )
    def test_where_tests_are_left_out_none_is_missed(
        self, project: pytest.Pytester, workers: tuple[str, ...], arguments: tuple[str, ...]
    ) -> None:
        first = "def test_0(): assert False\n" if "-x" in arguments else ""
        project.makepyfile(test_it=first + answered("1", "2"))
        project.mkdir("plain").joinpath("test_plain.py").write_text("def test_plain(): ...")
        result = project.runpytest_subprocess(*workers, *arguments)
        result.stdout.no_fnmatch_line("*not answered*")
        red = (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
        assert result.ret in (red if "-x" in arguments else (pytest.ExitCode.OK,))

    def test_where_infrastructure_stopped_the_run_all_cannot_run(
        self, project: pytest.Pytester, workers: tuple[str, ...]
    ) -> None:
        project.makepyfile("def test_1(broken): ...")
        result = project.runpytest_subprocess(*workers, "-x")
        result.assert_outcomes(errors=1)
        for id in ("  1", "  2", " 10"):
            result.stdout.fnmatch_lines([f"NOT {id}  cannot run", "*kafka died with exit code 1"])

    def test_a_claim_that_cannot_run_is_an_error_of_its_test(
        self, project: pytest.Pytester, workers: tuple[str, ...]
    ) -> None:
        project.makepyfile(
            """
            def test_1(crash): crash()
            def test_too(say, crash): assert crash().as_expected
            """
        )
        result = project.runpytest_subprocess(*workers, "-k", "test_1")
        result.assert_outcomes(errors=1, deselected=0 if workers else 1)
        result.stdout.fnmatch_lines(
            ["cannot run: HIVE_METASTORE_ERROR: refused", "NOT   1  cannot run: Doors are blue."]
        )
        result = project.runpytest_subprocess(*workers, "-k", "test_too")
        result.assert_outcomes(errors=1, deselected=0 if workers else 1)


def test_two_workers_that_answer_one_claim_are_named(project: pytest.Pytester) -> None:
    project.makepyfile(test_a=answered("1"), test_b=answered("1", "2", "10"))
    result = project.runpytest_subprocess("-n", "2", "--dist=loadfile")
    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["claim 1 is answered by more than one test: test_?.py::test_1, test_?.py::test_1"]
    )


def test_where_nothing_can_start_every_declared_claim_is_told(project: pytest.Pytester) -> None:
    project.makepyfile("def test_1(sluice_kafka, say): ...")
    result = project.runpytest_subprocess(
        "--sluice-backend=external", "--sluice-external=kafka.client=127.0.0.1:9"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(
        ["NOT  10  cannot run", "*1 of the addresses that are needed cannot be used"]
    )
