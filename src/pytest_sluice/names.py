"""Short names for the fixtures, by opt-in: ``pytest_plugins = ["pytest_sluice.names"]``."""

from typing import Any

import pytest


@pytest.fixture(scope="session")
def kafka(sluice_kafka: Any) -> Any:
    """:func:`pytest_sluice.fixtures.sluice_kafka`."""
    return sluice_kafka


@pytest.fixture(scope="session")
def topic(sluice_topic: Any) -> Any:
    """:func:`pytest_sluice.fixtures.sluice_topic`."""
    return sluice_topic


@pytest.fixture(scope="session")
def hdfs(sluice_hdfs: Any) -> Any:
    """:func:`pytest_sluice.fixtures.sluice_hdfs`."""
    return sluice_hdfs


@pytest.fixture(scope="session")
def hive(sluice_hive: Any) -> Any:
    """:func:`pytest_sluice.fixtures.sluice_hive`."""
    return sluice_hive


@pytest.fixture(scope="session")
def presto(sluice_presto: Any) -> Any:
    """:func:`pytest_sluice.fixtures.sluice_presto`."""
    return sluice_presto


@pytest.fixture(scope="session")
def api(sluice_api: Any) -> Any:
    """:func:`pytest_sluice.fixtures.sluice_api`."""
    return sluice_api


@pytest.fixture(scope="session")
def stream(sluice_stream: Any) -> Any:
    """:func:`pytest_sluice.fixtures.sluice_stream`."""
    return sluice_stream


@pytest.fixture(scope="session")
def landing(sluice_landing: Any) -> Any:
    """:func:`pytest_sluice.fixtures.sluice_landing`."""
    return sluice_landing
