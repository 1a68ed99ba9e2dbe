"""`python -m pytest_sluice describe`: the tools of a container, for who renders commands for it."""

from pytest_sluice.class_data import ROLES, prepared_root, tools
from pytest_sluice.wire import tools_json


def described() -> str:
    """The tools at hand as JSON; :func:`pytest_sluice.wire.tools_from_json` reads it."""
    return tools_json(tools(prepared_root()), ROLES)
