"""The pytest plugin: hooks only. What they do is in rooms below, most of which know no pytest."""

import os
from collections.abc import Callable, Generator
from itertools import chain
from typing import Any

import pytest

from pytest_sluice import compose_fixtures, fixtures, hooks, terminal
from pytest_sluice.backends.engine import EngineMissing, engine
from pytest_sluice.backing import ON_DOCKER
from pytest_sluice.declaration import STAGES
from pytest_sluice.errors import SluiceError, Unsupported
from pytest_sluice.fixtures import SESSION, STAGE_OF, Broken, may_need_anything, nodes_of
from pytest_sluice.ledger import Landing
from pytest_sluice.session import Session, Shared
from pytest_sluice.settings import SETTINGS, resolve

# What a worker is told by its controller.
SHARED = "sluice_shared"
# How many tests were left out for want of an engine, and what was tried.
LEFT_OUT = pytest.StashKey[tuple[int, EngineMissing]]()
# What could not be removed from a cluster that is not the session's own.
LEFT = pytest.StashKey[list[str]]()
# The stories that were told in full.
TOLD = pytest.StashKey[set[str]]()

STAGE_HELP = {
    "api": "the HTTP API alone: answers, statuses, headers",
    "kafka": "what the topic holds",
    "stream": "what the streaming job reads, commits and survives",
    "hdfs": "the files that the job wrote",
    "hive": "the tables in the metastore",
    "presto": "what queries see",
    "report": "the claims of the report, end to end",
}


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make the declaration's hook known."""
    pluginmanager.add_hookspecs(hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option and an ini key for each row of the table of settings."""
    group = parser.getgroup("sluice", "whole data pipelines on real services (pytest-sluice)")
    for row in SETTINGS:
        default = f" (default: {row.default})" if row.default else ""
        form: dict[str, Any] = {"metavar": row.metavar}
        if row.flag:
            form = {"action": "store_const", "const": "true"}
        group.addoption(
            row.option,
            dest=row.ini,
            **form,
            help=f"{row.help}{default}; environment: {row.variable}, ini: {row.ini}",
        )
        parser.addini(row.ini, row.help, default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Register the stage markers; resolve the settings; make the session, which starts nothing."""
    for stage in STAGES:
        config.addinivalue_line(
            "markers",
            f"{stage}: stage {stage} of the pipeline: {STAGE_HELP[stage]} (set by the deepest "
            "sluice fixture that a test asks for)",
        )
    config.addinivalue_line(
        "markers",
        "docker: needs a Docker engine on every backend; without one it is left out, which "
        "--sluice-require-docker makes an error",
    )
    for function in ("read_text", "open_text"):
        # kafka-python 3.0 reads its schemas so; a project with filterwarnings = error may use it.
        config.addinivalue_line(
            "filterwarnings", f"ignore:{function} is deprecated:DeprecationWarning"
        )
    config.pluginmanager.register(fixtures, "sluice-fixtures")
    if config.option.help or config.option.version:
        return  # the help must work however broken the configuration is
    try:
        settings = resolve(config.getoption, os.environ, config.getini)
        pipeline = hooks.declared(config)
    except SluiceError as error:
        raise pytest.UsageError(str(error)) from error
    shared = Shared.from_json(getattr(config, "workerinput", {}).get(SHARED))
    session = Session(pipeline, settings, config.rootpath, shared)
    config.stash[SESSION] = session
    if settings["backend"] == "compose":
        config.pluginmanager.register(compose_fixtures, "sluice-compose-fixtures")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(terminal.Narrator(config, session), "sluice-narrator")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker what all of them share: the cluster, and the folder of its logs."""
    session = node.config.stash[SESSION]
    if session.has_pipeline:
        node.workerinput[SHARED] = session.to_share().as_json()


@pytest.hookimpl(trylast=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test with the stage of the deepest fixture that it asks for."""
    asked = [STAGE_OF[name] for name in getattr(item, "fixturenames", ()) if name in STAGE_OF]
    if asked:
        item.add_marker(max(asked, key=STAGES.index))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a Docker engine where none can be reached, or refuse to go on."""
    needy = [item for item in items if _needs_docker(item)]
    if not needy or config.option.collectonly:
        return
    try:
        engine()
    except EngineMissing as error:
        if config.stash[SESSION].settings["require_docker"]:
            raise pytest.UsageError(f"{len(needy)} tests need Docker: {error}") from error
        for item in needy:
            item.add_marker(pytest.mark.skip(reason=f"left out: {error.cause}"))
        config.stash[LEFT_OUT] = (len(needy), error)


def _needs_docker(item: pytest.Item) -> bool:
    if item.get_closest_marker("docker"):
        return True
    asked = getattr(item, "fixturenames", ())
    if "sluice_containers" in asked:
        return True
    on_docker = item.config.stash[SESSION].settings["backend"] in ON_DOCKER
    return on_docker and "sluice_session" in asked


def _is_left_out(item: pytest.Item) -> bool:
    return LEFT_OUT in item.config.stash and _needs_docker(item)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was left out, and what could not be removed, with -q as well."""
    if LEFT_OUT in config.stash:
        number, error = config.stash[LEFT_OUT]
        terminalreporter.write_sep("=", "left out")
        terminalreporter.write_line(f"{number} tests need a Docker engine: {error}")
    for told in config.stash.get(LEFT, ()):
        terminalreporter.write_line(f"sluice: still on the cluster: {told}", red=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Start the union of what the selected tests need, while the first of them is set up."""
    options = session.config.option
    collected = not session.testsfailed or options.continue_on_collection_errors
    if not collected or options.collectonly or getattr(options, "setupplan", False):
        return None
    own = session.config.stash[SESSION]
    asked = [getattr(i, "fixturenames", ()) for i in session.items if not _is_left_out(i)]
    nodes, more = nodes_of(chain(*asked)), any(map(may_need_anything, asked))
    if hasattr(session.config, "workerinput"):
        # It starts what it comes to, and the others find it there.
        return _stop_worker(session, lambda: own.ask(nodes, more))
    _guard(lambda: own.start(nodes, more))
    return None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave nothing on a cluster that is not this session's own; what stays there is an error."""
    own = session.config.stash.get(SESSION, None)
    if own and (left := own.leave()):
        session.config.stash[LEFT] = left
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Judge what the test was given: a pipeline that did not come through is its failure.

    A test that asks its backend for what that cannot do is skipped with the reason.
    """
    for value in pyfuncitem.funcargs.values():
        if isinstance(value, Broken):
            _fail(pyfuncitem, value.stage, value.story())
        if isinstance(value, Landing) and value.stopped_at:
            _fail(pyfuncitem, value.stopped_at, value.story())
    try:
        return (yield)
    except Unsupported as error:
        pytest.skip(f"not on this backend: {error.cause}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Bring down what this session owns, however it ends."""
    if session := config.stash.get(SESSION, None):
        session.close()


def _fail(item: pytest.Function, stage: str, story: str) -> None:
    item.user_properties.append(("sluice_stage", stage))
    told = item.config.stash.setdefault(TOLD, set())
    if story in told:  # one landing fails many tests
        story = f"{story.splitlines()[0]}\n(told in full by the first test that it failed)"
    told.add(story)
    pytest.fail(f"stage {stage}: {story}", pytrace=False)


def _guard(start: Callable[[], None]) -> None:
    """A declaration that cannot be used, or a missing distribution, ends the session at once."""
    try:
        start()
    except SluiceError as error:
        raise pytest.UsageError(str(error)) from error


def _stop_worker(session: pytest.Session, ask: Callable[[], None]) -> bool | None:
    """True where a worker runs no test: its controller then tells why, and stops all of them."""
    try:
        ask()
    except SluiceError as error:
        session.shouldstop = str(error)
    return bool(session.shouldstop) or None
