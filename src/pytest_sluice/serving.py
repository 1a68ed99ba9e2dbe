"""Inside a container: become the process of a launch. Never downloads, never imports pytest."""

import os
from pathlib import Path
from typing import NoReturn

from pytest_sluice.contracts import Launch
from pytest_sluice.services.jvm import TEMPORARY

# Where a command without a folder of its own runs.
PLACE = Path("/var/lib/sluice/commands")


def become(launch: Launch, place: Path) -> NoReturn:
    """Write the launch's files into its directory, and be its process from here on.

    ``place`` has the folders that every role has: its state, and that of temporary files.
    """
    directory = launch.directory or place
    for folder in (directory, place / TEMPORARY, place / "state"):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in launch.files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    os.chdir(directory)
    environment = {**os.environ, "TMPDIR": str(place / TEMPORARY), **launch.environment}
    os.execvpe(launch.argv[0], launch.argv, environment)
