"""The place of a role in a container: the document's ports at the services' names."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from pytest_sluice.contracts import NO_COMMAND, Endpoint, Launch, Role, Site, Tools
from pytest_sluice.errors import SluiceError
from pytest_sluice.flow import deployment
from pytest_sluice.launching import CONTAINED, lay_out, missing
from pytest_sluice.settings import resolve


def roles() -> dict[str, Role]:
    """The services' roles by name, with Kafka as the environment says."""
    settings = resolve(lambda _: None, os.environ, lambda _: None)
    return {role.name: role for role in deployment.roles(settings["kafka"])}


def find(name: str) -> Role:
    """A role by its name; SluiceError with the list of those that there are."""
    known = roles()
    if name not in known:
        raise SluiceError(f"no role {name!r}", checked=[f"roles are {', '.join(sorted(known))}"])
    return known[name]


def site(
    role: Role,
    at_hand: Tools,
    directory: Path | None = None,
    host: str = "",
    published: Mapping[str, Endpoint] = {},
    peers: Mapping[str, Endpoint] = {},
) -> Site:
    """Where the role runs: by default below :data:`CONTAINED`, at the name of its service."""
    return Site(
        directory=directory or CONTAINED / role.name,
        endpoints={port: endpoint(role, port, host) for port in role.ports},
        peers={peer: peers.get(peer) or _peer(peer) for peer in role.peers},
        tools=at_hand,
        published=published,
        contained=True,
    )


def endpoint(role: Role, port: str, host: str = "") -> Endpoint:
    """A port of the role at ``host``, by default the name of its service."""
    return Endpoint(host or role.service, role.ports[port])


def parse_address(text: str) -> tuple[str, Endpoint]:
    """``client=127.0.0.1:29092`` as a port's name and its address; ValueError for other text."""
    name, _, address = text.partition("=")
    host, _, port = address.rpartition(":")
    if not name or not host:
        raise ValueError(f"{text!r} is not PORT=HOST:NUMBER")
    return name, Endpoint(host, int(port))


def become(launch: Launch, home: Path, environment: Mapping[str, str]) -> NoReturn:
    """Write the launch's files below ``home`` and turn this process into it."""
    try:
        lay_out(launch, home)
        os.chdir(launch.directory or home)
        if lacking := missing(launch, environment):
            print(lacking, file=sys.stderr, flush=True)
            raise SystemExit(NO_COMMAND)
        os.execvpe(launch.argv[0], launch.argv, environment)
    except OSError as error:
        raise SluiceError(
            f"{launch.argv[0]} could not be started",
            checked=[f"{type(error).__name__}: {error}", f"its files go to {home}"],
            remedy="its command has to be there, and its folder has to be one that can be written",
        ) from error


def _peer(name: str) -> Endpoint:
    role, _, port = name.partition(".")
    return endpoint(find(role), port)
