"""`python -m pytest_sluice serve ROLE`: become a service's role."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from pytest_sluice.class_data import prepared_root, templates, tools
from pytest_sluice.contracts import Completed, Endpoint, Launch, Role
from pytest_sluice.errors import SluiceError
from pytest_sluice.inside.place import become, find, site
from pytest_sluice.launching import environment, lay_out, make_state


def serve(
    name: str,
    directory: Path | None = None,
    host: str = "",
    published: Mapping[str, Endpoint] = {},
    peers: Mapping[str, Endpoint] = {},
) -> NoReturn:
    """Make the role's first state where it has none, then turn this process into the role."""
    role, root = find(name), prepared_root()
    place = site(role, tools(root), directory, host, _known(role, published), peers)
    make_state(role, place, templates(root) / (role.template or role.name), _run)
    role.before(place)
    launch = role.render(place)
    become(launch, place.directory, environment(launch, place.directory, os.environ))


def _known(role: Role, published: Mapping[str, Endpoint]) -> Mapping[str, Endpoint]:
    """The published addresses of ports that the role serves the host on."""
    if strange := sorted(published.keys() - role.ports.keys()):
        raise SluiceError(
            f"{role.name} has no port {', '.join(strange)}",
            checked=[f"its ports are {', '.join(role.ports)}"],
            remedy="--published=PORT=HOST:NUMBER names a port of the role",
        )
    return published


def _run(launch: Launch) -> Completed:
    """Run the command that makes a first state; it writes into the launch's own directory."""
    home = launch.directory or Path.cwd()
    lay_out(launch, home)
    done = subprocess.run(
        launch.argv,
        cwd=home,
        env=environment(launch, home, os.environ),
        capture_output=True,
        check=False,
    )
    return Completed(done.returncode, done.stdout, done.stderr)
