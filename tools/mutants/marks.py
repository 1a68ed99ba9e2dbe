"""A plugin for pytest: writes the stage that a test is marked with into the JUnit XML."""

import pytest

from pytest_sluice.declaration import STAGES

PROPERTY = "mutants_stage"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note the closest marker of a stage; one in a test's own decorators comes first."""
    stage = next((mark.name for mark in item.iter_markers() if mark.name in STAGES), None)
    if stage:
        item.user_properties.append((PROPERTY, stage))
