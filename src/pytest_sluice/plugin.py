"""The pytest plugin: hooks only. What they do is in rooms below, most of which know no pytest."""

import os
from collections.abc import Callable, Generator
from itertools import chain
from typing import Any

import pytest

from pytest_sluice import compose_fixtures, fixtures, hooks, terminal
from pytest_sluice.backends.engine import EngineMissing, engine
from pytest_sluice.backing import ON_DOCKER
from pytest_sluice.book import Book
from pytest_sluice.declaration import STAGES, Stage
from pytest_sluice.errors import BadDeclaration, SluiceError, Unsupported
from pytest_sluice.fixtures import (
    ELASTIC,
    SESSION,
    STAGE_OF,
    Broken,
    may_need_anything,
    nodes_of,
)
from pytest_sluice.ledger import Landing
from pytest_sluice.recording import RECORDER, Recorder
from pytest_sluice.session import Session, Shared
from pytest_sluice.settings import SETTINGS, resolve

# What a worker is told by its controller.
SHARED = "sluice_shared"
# How many tests were left out for want of an engine, and what was tried. A worker tells it to its
# controller, and why it runs no test, under these names.
LEFT_OUT = pytest.StashKey[tuple[int, str]]()
LEFT_OUT_BY_WORKER, REFUSED_BY_WORKER = "sluice_left_out", "sluice_refused"
# What is left behind: on a cluster that is not the session's own, or of the session's own.
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
            "sluice fixture that a test asks for; a test that has a mark of its own needs no later "
            "stage)",
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
    config.stash[RECORDER] = recorder = Recorder()
    config.pluginmanager.register(recorder, "sluice-recorder")
    if settings["backend"] == "compose":
        config.pluginmanager.register(compose_fixtures, "sluice-compose-fixtures")
    if not hasattr(config, "workerinput"):
        narrator = terminal.Narrator(config, session, Book(pipeline.claims if pipeline else ()))
        config.pluginmanager.register(narrator, "sluice-narrator")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker what all of them share: the cluster, and the folder of its logs."""
    session = node.config.stash[SESSION]
    if session.has_pipeline:
        _guard(lambda: node.workerinput.update({SHARED: session.to_share().as_json()}))


@pytest.hookimpl(trylast=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test with the stage of the deepest fixture that it asks for, unless it has a mark."""
    asked = _asked(item)
    if asked and stage_of(item) is None:
        item.add_marker(max(asked.values(), key=STAGES.index))


def stage_of(item: pytest.Item) -> Stage | None:
    """The stage that a test is marked with: it needs that one, and none behind it."""
    marks = [stage for stage in STAGES if item.get_closest_marker(stage)]
    return marks[-1] if marks else None


def _asked(item: pytest.Item) -> dict[str, Stage]:
    """The stage of each of our fixtures that a test asks for."""
    names = getattr(item, "fixturenames", ())
    return {name: STAGE_OF[name] for name in names if name in STAGE_OF}


def _require_marks(items: list[pytest.Item]) -> None:
    """Refuse a test that is marked with a stage and asks for a fixture of a later one."""
    wrong = []
    for item in items:
        stage = stage_of(item)
        for name, needed in _asked(item).items():
            if stage and name not in ELASTIC and STAGES.index(needed) > STAGES.index(stage):
                wrong.append(f"{item.nodeid} is marked {stage} and asks for {name}, of {needed}")
    if wrong:
        error = BadDeclaration(
            "a test asks for more than the stage that it is marked with",
            checked=wrong,
            remedy="leave the mark out: the deepest fixture sets it",
        )
        raise pytest.UsageError(str(error))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a Docker engine where none can be reached, or refuse to go on."""
    _require_marks(items)
    needy = [item for item in items if _needs_docker(item)]
    if not needy or config.option.collectonly:
        return
    try:
        engine()
    except EngineMissing as error:
        if config.stash[SESSION].settings["require_docker"]:
            _refuse(config, f"{len(needy)} tests need Docker: {error}")
        _leave_out(config, needy, error)


def _refuse(config: pytest.Config, reason: str) -> None:
    """End the session; a worker cannot, since its errors are internal ones to its controller."""
    if not hasattr(config, "workeroutput"):
        raise pytest.UsageError(reason)
    config.workeroutput[REFUSED_BY_WORKER] = reason


def _leave_out(config: pytest.Config, items: list[pytest.Item], error: EngineMissing) -> None:
    for item in items:
        item.add_marker(pytest.mark.skip(reason=f"left out: {error.cause}"))
    config.stash[LEFT_OUT] = (len(items), str(error))
    if hasattr(config, "workeroutput"):
        config.workeroutput[LEFT_OUT_BY_WORKER] = config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take up what an xdist worker has to say of an engine that it did not find."""
    told = getattr(node, "workeroutput", {})  # none of a worker that died
    if REFUSED_BY_WORKER in told:
        raise pytest.UsageError(told[REFUSED_BY_WORKER])
    if LEFT_OUT_BY_WORKER in told:
        number, error = told[LEFT_OUT_BY_WORKER]
        node.config.stash[LEFT_OUT] = (number, error)


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
        terminalreporter.write_line(f"sluice: {told}", red=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Start the union of what the selected tests need, while the first of them is set up."""
    options = session.config.option
    collected = not session.testsfailed or options.continue_on_collection_errors
    if not collected or options.collectonly or getattr(options, "setupplan", False):
        return None
    own = session.config.stash[SESSION]
    asked = [getattr(i, "fixturenames", ()) for i in session.items if not _is_left_out(i)]
    recorder = session.config.stash[RECORDER]
    recorder.expect(asked)
    nodes, more = nodes_of(chain(*asked)), any(map(may_need_anything, asked))
    own.until = _until([item for item in session.items if not _is_left_out(item)])
    if REFUSED_BY_WORKER in getattr(session.config, "workeroutput", {}):
        return True
    if hasattr(session.config, "workerinput"):
        # It starts what it comes to, and the others find it there.
        return _stop_worker(session, recorder.watched(lambda: own.ask(nodes, more)))
    _guard(recorder.watched(lambda: own.start(nodes, more)))
    return None


def _until(items: list[pytest.Item]) -> Stage:
    """The deepest stage that a test which asks for the landing needs; the last where none does."""
    asking = [item for item in items if "landing" in nodes_of(getattr(item, "fixturenames", ()))]
    stages = [stage for item in asking if (stage := stage_of(item))]
    return max(stages, key=STAGES.index, default=STAGES[-1])


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A landing that a service stopped is an error in set-up, for the tests behind that stage."""
    until = stage_of(item) or STAGES[-1]
    for value in getattr(item, "funcargs", {}).values():
        stopped_at = value.stopped_at if isinstance(value, Landing) else None
        if stopped_at and STAGES.index(stopped_at) <= STAGES.index(until):
            _fail(item, stopped_at, f"cannot run: {value.story()}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave nothing behind, here and on a cluster of others; what stays makes the session red."""
    own = session.config.stash.get(SESSION, None)
    if own is None:
        return
    left = [f"still on the cluster: {told}" for told in own.leave()]
    left += [f"not undone: {told}" for told in own.close()]
    if left:
        session.config.stash[LEFT] = left
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Judge what the test was given: a pipeline that did not come through is its failure.

    A test that asks its backend for what that cannot do is skipped with the reason.
    """
    until = stage_of(pyfuncitem) or STAGES[-1]
    for value in pyfuncitem.funcargs.values():
        if isinstance(value, Broken):
            _fail(pyfuncitem, value.stage, value.story())
        if isinstance(value, Landing) and (breach := value.broken(until)):
            _fail(pyfuncitem, breach.stage, value.story())
    try:
        return (yield)
    except Unsupported as error:
        pytest.skip(f"not on this backend: {error.cause}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Bring down what this session owns where it did not come to its finish."""
    if session := config.stash.get(SESSION, None):
        session.close()


def _fail(item: pytest.Item, stage: str, story: str) -> None:
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
