"""The Docker engine, through its own client: is it there, and what of a label is left on it."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from time import monotonic
from typing import Any

from pytest_sluice.access import forget_frames
from pytest_sluice.errors import SluiceError
from pytest_sluice.waiting import Deadline, NotYet, wait_for

# An engine that was asked for something just before its client was killed still does it.
QUIET_SECONDS = 1.0
REMOVAL_SECONDS = 50.0


class EngineMissing(SluiceError):
    """No Docker engine can be reached, or not by this Python."""

    @classmethod
    def no_client(cls, error: ImportError) -> "EngineMissing":
        """The packages are not installed."""
        return cls(
            f"the packages for Docker are not installed: {error}",
            remedy='pip install "pytest-sluice[docker]"',
        )

    @classmethod
    def no_engine(cls, error: Exception) -> "EngineMissing":
        """Nobody answers where the engine should be."""
        return cls(
            "no Docker engine can be reached",
            checked=[f"{type(error).__name__}: {error}"],
            remedy="start the engine, or say where it is with DOCKER_HOST; "
            "--sluice-backend=process needs none",
        )


@cache
def engine() -> Any:
    """A client of the engine, which has answered; raises EngineMissing."""
    try:
        import docker
        from docker.errors import DockerException
    except ImportError as error:
        raise EngineMissing.no_client(error) from error
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        raise EngineMissing.no_engine(error) from error
    return client


@contextmanager
def told(doing: str) -> Iterator[None]:
    """Turn what the engine's client raises into an error that says what was being done.

    Its frames hold what was sent: the environment of a container, secrets included.
    """
    from docker.errors import DockerException
    from requests import RequestException

    outer = sys.exception()
    try:
        yield
    except (DockerException, RequestException) as error:
        forget_frames(error, outer)
        raise SluiceError(f"the Docker engine could not {doing}: {error}") from error


def container(name: str) -> Any:
    """The container of that name, as it is now; None where there is none."""
    from docker.errors import NotFound

    with told(f"look for container {name}"), suppress(NotFound):
        return engine().containers.get(name)
    return None


def containers(label: str) -> list[Any]:
    """Every container with a label (``key=value``), running or not."""
    from docker.errors import NotFound

    with told(f"list containers with {label}"):
        while True:
            # The client looks at each one of its list, and one may be gone by then.
            with suppress(NotFound):
                found: list[Any] = engine().containers.list(all=True, filters={"label": label})
                return found


def labelled(label: str) -> dict[str, dict[str, str]]:
    """The labels of every container with a label, by its id; one request, whatever their number."""
    with told(f"list containers with {label}"):
        found = engine().containers.list(all=True, sparse=True, filters={"label": label})
    return {each.id: each.attrs["Labels"] for each in found}


def left(label: str) -> list[str]:
    """Containers, networks and volumes with a label, in words; empty is clean."""
    return [f"{kind} {thing.name}" for kind, thing in _everything(label)]


def discard(label: str) -> None:
    """Remove every container, network and volume with a label, until no more show up."""
    last_seen = monotonic()

    def probe() -> None:
        nonlocal last_seen
        if found := list(_everything(label)):
            _remove(found)
            last_seen = monotonic()
        if monotonic() - last_seen < QUIET_SECONDS:
            raise NotYet(", ".join(f"{kind} {thing.name}" for kind, thing in found))

    wait_for(f"nothing to be left of {label}", probe, Deadline(REMOVAL_SECONDS))


def _everything(label: str) -> Iterator[tuple[str, Any]]:
    by_label = {"label": label}
    with told(f"list what has {label}"):
        yield from (("container", each) for each in containers(label))
        yield from (("network", each) for each in engine().networks.list(filters=by_label))
        yield from (("volume", each) for each in engine().volumes.list(filters=by_label))


def _remove(found: list[tuple[str, Any]]) -> None:
    """Containers first, since they hold the others; what is gone or busy is seen next time."""
    from docker.errors import APIError

    def remove(thing: Any, **how: Any) -> None:
        with suppress(APIError):
            thing.remove(**how)

    with ThreadPoolExecutor(max_workers=8) as pool:
        for kind, thing in found:
            if kind == "container":
                pool.submit(remove, thing, force=True, v=True)
    for kind, thing in found:
        if kind != "container":
            remove(thing)
