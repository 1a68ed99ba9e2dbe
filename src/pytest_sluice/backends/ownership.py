"""Whose a compose project is: what a session may bring up, take down, and have removed.

A session asks once what of a project is there before it comes. That stays as it is.
"""

from collections.abc import Sequence

from pytest_sluice.backends.compose import label_of, own_label
from pytest_sluice.backends.containers import docker_name
from pytest_sluice.backends.docker_roles import promise_removal
from pytest_sluice.backends.engine import left
from pytest_sluice.cluster import Cluster


def was_there(cluster: Cluster, project: str) -> list[str]:
    """What of a project there was before the session brought it up, in words.

    The first process of the session that asks looks, and all of them get its answer.
    """
    found: list[str] = cluster.once(f"compose-before-{project}", lambda: left(label_of(project)))
    return found


def promise_own(cluster: Cluster, project: str) -> None:
    """Have what the session makes removed when its cluster ends, and nothing of anybody else's.

    That is the whole project where it has the cluster's own name and was not there before; else
    the components that the session runs in it.
    """
    is_own = project == docker_name(cluster) and not was_there(cluster, project)
    promise_removal(cluster, label_of(project) if is_own else own_label(cluster))


def to_bring_up(before: Sequence[str], services: Sequence[str]) -> list[str]:
    """The compose commands that bring services up: none where the project was there ``before``."""
    if "container" in _kinds(before):
        return []
    return [f"up --build --wait --quiet-pull {' '.join(services)}"]


def to_take_down(before: Sequence[str]) -> list[str]:
    """The compose commands that take the project down, less what was there ``before``."""
    if "container" in _kinds(before):
        return []
    volumes = "" if "volume" in _kinds(before) else "--volumes "
    return [f"down {volumes}--remove-orphans --timeout 1"]


def _kinds(things: Sequence[str]) -> set[str]:
    return {thing.partition(" ")[0] for thing in things}
