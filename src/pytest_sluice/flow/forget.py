"""Forgetting: what a killed session made on a cluster that is not its own is removed by a command.

The command has nothing but plain values: the list of things, and where the addresses are written.
Credentials are read again from there.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from pytest_sluice.backends.external import ExternalBackend
from pytest_sluice.backends.inventory import read_inventory
from pytest_sluice.backends.process import ProcessBackend
from pytest_sluice.class_data import prepared_root, templates, tools
from pytest_sluice.cluster import Cluster
from pytest_sluice.events import Journal
from pytest_sluice.flow.belongings import Belongings, remove
from pytest_sluice.flow.deployment import Deployment, roles


def forget_command(belongings: Belongings, external: str, root: Path, log: Path) -> list[str]:
    """The argv that removes what is in the list, and says so in the log.

    ``external`` is the value of the setting, seen from ``root``.
    """
    words = ["forget", str(belongings.path.absolute()), f"--external={external}"]
    places = [f"--root={root.absolute()}", f"--log={log.absolute()}"]
    return [sys.executable, "-m", "pytest_sluice", *words, *places]


def forget(list_file: Path, external: str, root: Path, say: Callable[[str], None]) -> bool:
    """Remove what is in the list from the cluster at the given addresses; whether all is gone."""
    belongings = Belongings(list_file)
    things = belongings.rest()
    if not things:
        return True
    say(f"to be removed: {', '.join(map(str, things))}")
    prepared, inventory = prepared_root(), read_inventory(external, root)
    with Cluster.create() as cluster:
        logs = cluster.directory / "logs"
        services = roles()
        local = ProcessBackend(cluster, tools(prepared), services, logs, templates(prepared))
        backend = ExternalBackend(inventory, local, [role.name for role in services])
        deployment = Deployment(backend, Journal(logs / "events.jsonl"))
        left = remove(belongings, things, deployment.hands())
    for failure in left:
        say(f"still there: {failure}")
    say("not all of it is gone" if left else "all of it is gone")
    return not left
