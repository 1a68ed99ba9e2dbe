"""Runs that tests share, where they do not get into each other's way."""

from collections.abc import Iterator

import pytest

from pytest_sluice.flow.run import Run
from pytest_sluice.session import Session
from tests.integration.steps import SENT


@pytest.fixture(scope="module")
def module_run(sluice_session: Session) -> Iterator[Run]:
    """A run of this module: its topic, API, job and tables start when they are first asked for."""
    with sluice_session.own_run() as run:
        yield run


@pytest.fixture(scope="session")
def streamed_run(sluice_session: Session) -> Iterator[Run]:
    """A run for tests that read: its topic holds `steps.SENT`, from before its job starts."""
    with sluice_session.own_run() as run:
        run.topic.produce(SENT)
        yield run
