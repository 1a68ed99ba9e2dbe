"""Values of the contracts as JSON, on their way into a container and out of it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_sluice.access import unshown
from pytest_sluice.contracts import Launch, Tools

# The variable by which a launch goes into a container: a command line is for everybody to see.
LAUNCH = "SLUICE_LAUNCH"


@dataclass(frozen=True)
class Order:
    """A launch on its way: its files and temporary files go to ``home``, where that is given.

    The working directory is the launch's own, which may be read-only; without one it is ``home``.
    """

    launch: Launch
    home: Path | None = None


def launch_json(launch: Launch, home: Path | None = None) -> str:
    """What ``python -m pytest_sluice launch`` finds in :data:`LAUNCH`; no ``repr`` shows it."""
    value = {
        **asdict(launch),
        "directory": _text(launch.directory),
        "home": _text(home),
    }
    return unshown(json.dumps(value))


def order_from_json(text: str) -> Order:
    """What :func:`launch_json` was given; ValueError or KeyError for anything else."""
    value = json.loads(text)
    launch = Launch(
        argv=tuple(value["argv"]),
        environment=dict(value.get("environment") or {}),
        files=dict(value.get("files") or {}),
        directory=_path(value.get("directory")),
    )
    return Order(launch, _path(value.get("home")))


def tools_json(tools: Tools, roles: tuple[str, ...]) -> str:
    """The tools of a place as JSON, with the class data options of these roles."""
    return json.dumps(
        {
            "java": str(tools.java),
            "python": str(tools.python),
            "jars": {name: [str(jar) for jar in jars] for name, jars in tools.jars.items()},
            "class_data": {role: tools.class_data(role) for role in roles},
        }
    )


def tools_from_json(text: str) -> Tools:
    """What :func:`tools_json` was given; a role that was not named has no class data."""
    value: dict[str, Any] = json.loads(text)
    options = {role: tuple(words) for role, words in value["class_data"].items()}
    return Tools(
        java=Path(value["java"]),
        jars={name: tuple(map(Path, jars)) for name, jars in value["jars"].items()},
        class_data=lambda role: options.get(role, ()),
        python=Path(value["python"]),
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
