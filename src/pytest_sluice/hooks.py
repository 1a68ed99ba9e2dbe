"""The hook by which a conftest declares its pipeline, and what it must come to."""

from pathlib import Path
from traceback import extract_tb

import pytest

from pytest_sluice.checks import shown
from pytest_sluice.declaration import Pipeline
from pytest_sluice.errors import BadDeclaration, SluiceError


@pytest.hookspec(firstresult=True)
def pytest_sluice_pipeline(config: pytest.Config) -> Pipeline | None:
    """Return the pipeline under test. Called once a session, in xdist's workers as well."""


def declared(config: pytest.Config) -> Pipeline | None:
    """The declared pipeline, or None; raises BadDeclaration for anything else."""
    try:
        found = config.hook.pytest_sluice_pipeline(config=config)
    except (SluiceError, pytest.UsageError, pytest.exit.Exception):
        raise
    except Exception as error:
        place = extract_tb(error.__traceback__)[-1]
        raise BadDeclaration(
            f"pytest_sluice_pipeline(config) raised {type(error).__name__}: {error}",
            checked=[f"at {Path(place.filename).name}:{place.lineno}: {place.line}"],
            remedy="let it return a Pipeline, or None",
        ) from error
    if found is None or isinstance(found, Pipeline):
        return found
    raise BadDeclaration(
        f"pytest_sluice_pipeline(config) returned {shown(found)}; it must be a Pipeline or None"
    )
