"""The hook by which a conftest declares its pipeline."""

import pytest

from pytest_sluice.declaration import Pipeline


@pytest.hookspec(firstresult=True)
def pytest_sluice_pipeline(config: pytest.Config) -> Pipeline | None:
    """Return the pipeline under test. Called once a session, in xdist's workers as well."""
