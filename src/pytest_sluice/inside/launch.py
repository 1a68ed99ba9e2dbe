"""`python -m pytest_sluice launch`: become a command that another place has rendered."""

import os
from pathlib import Path
from typing import NoReturn

from pytest_sluice.errors import SluiceError
from pytest_sluice.inside.place import become
from pytest_sluice.launching import CONTAINED, environment
from pytest_sluice.wire import LAUNCH, Order, order_from_json


def launch(text: str) -> NoReturn:
    """Write its files, make its folders, and turn this process into it."""
    order = _order(text)
    home = home_of(order)
    become(order.launch, home, environment(order.launch, home, os.environ))


def home_of(order: Order) -> Path:
    """The folder of its files: as ordered, or the working directory, or one of its own."""
    own = CONTAINED / "commands" / str(os.getpid())
    return order.home or order.launch.directory or own


def _order(text: str) -> Order:
    try:
        return order_from_json(text)
    except (ValueError, KeyError, TypeError) as error:
        raise SluiceError(
            "this is no launch as JSON",
            # Not the text itself, which may hold a secret.
            checked=[f"{LAUNCH} has {len(text)} characters", f"{type(error).__name__}: {error}"],
            remedy=f"set {LAUNCH} to what pytest_sluice.wire.launch_json makes",
        ) from error
