"""What the plugin says where a backend cannot do something, or where there is no Docker engine."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No engine where the client looks for one."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    monkeypatch.delenv("SLUICE_REQUIRE_DOCKER", raising=False)


def test_what_a_backend_cannot_do_is_a_skip_with_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pytest_sluice.errors import Unsupported

        def test_kill():
            raise Unsupported("the backend external cannot kill kafka: it did not start it")
        """
    )
    result = pytester.runpytest_subprocess("-ra")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*not on this backend: *external cannot kill kafka*"])


WORKERS = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])


@WORKERS
@pytest.mark.usefixtures("nobody")
def test_without_an_engine_what_needs_one_is_left_out_and_said_to_be(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.docker
        def test_marked(): ...
        def test_contained(sluice_containers): ...
        def test_plain(): ...
        """
    )
    result = pytester.runpytest_subprocess(*workers)
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(
        ["*left out*", "2 tests need a Docker engine: *no Docker engine can be reached*"]
    )
    assert result.stdout.str().count("tests need a Docker engine") == 1


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("backend", ["compose", "containers"])
def test_on_a_docker_backend_every_test_of_a_service_needs_an_engine(
    pytester: pytest.Pytester, backend: str
) -> None:
    pytester.makepyfile("def test_it(sluice_kafka): ...")
    result = pytester.runpytest_subprocess(f"--sluice-backend={backend}")
    result.assert_outcomes(skipped=1)


@WORKERS
@pytest.mark.usefixtures("nobody")
def test_where_docker_is_required_its_absence_is_an_error(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile("def test_it(sluice_containers): ...\ndef test_plain(): ...")
    result = pytester.runpytest_subprocess("--sluice-require-docker", *workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    result.stdout.no_fnmatch_line("*passed*")
    result.stderr.fnmatch_lines(
        ["*1 tests need Docker: no Docker engine can be reached*", "*remedy: start the engine*"]
    )
