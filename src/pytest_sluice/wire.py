"""How a launch and tools travel between a backend and the inside of a container: as JSON."""

import json
from pathlib import Path

from pytest_sluice.contracts import Launch, Tools


def launch_to_json(launch: Launch) -> str:
    """A launch as one line of text."""
    return json.dumps(
        {
            "argv": launch.argv,
            "environment": dict(launch.environment),
            "files": dict(launch.files),
            "directory": str(launch.directory) if launch.directory else None,
        }
    )


def launch_from_json(text: str) -> Launch:
    """What :func:`launch_to_json` was given."""
    fields = json.loads(text)
    directory = fields.pop("directory")
    argv = tuple(fields.pop("argv"))
    return Launch(argv, directory=Path(directory) if directory else None, **fields)


def tools_to_json(tools: Tools, roles: tuple[str, ...]) -> str:
    """Tools, with the class data options of these ``roles``."""
    return json.dumps(
        {
            "java": str(tools.java),
            "python": str(tools.python),
            "jars": {name: [str(jar) for jar in jars] for name, jars in tools.jars.items()},
            "class_data": {role: tools.class_data(role) for role in roles},
        }
    )


def tools_from_json(text: str) -> Tools:
    """What :func:`tools_to_json` was given."""
    fields = json.loads(text)
    class_data = {role: tuple(options) for role, options in fields["class_data"].items()}
    return Tools(
        java=Path(fields["java"]),
        jars={name: tuple(map(Path, jars)) for name, jars in fields["jars"].items()},
        class_data=lambda role: class_data.get(role, ()),
        python=Path(fields["python"]),
    )
