"""A launch brought to its place: the files, the temporary folder, the first state."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_sluice.contracts import Completed, Launch, Role, Site
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.services.jvm import TEMPORARY

# What a role inherits of the environment of the tests. JAVA_TOOL_OPTIONS, SPARK_HOME and the like
# would make a run differ from machine to machine.
INHERITED = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "USER")

# Where a container keeps what its roles and commands write.
CONTAINED = Path("/var/lib/sluice")

Run = Callable[[Launch], Completed]


def lay_out(launch: Launch, home: Path) -> None:
    """Write the launch's files below ``home``, and make the folder of its temporary files."""
    for file, text in launch.files.items():
        path = home / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if text.startswith("#!"):  # a script is there to be run
            path.chmod(0o755)
    (home / TEMPORARY).mkdir(parents=True, exist_ok=True)


def environment(launch: Launch, home: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """What the process sees: a little of ``inherited``, its temporary folder, its own variables."""
    kept = {name: inherited[name] for name in INHERITED if name in inherited}
    return {**kept, "TMPDIR": str(home / TEMPORARY), **launch.environment}


def missing(launch: Launch, inherited: Mapping[str, str]) -> str:
    """What to say of a command, called by its bare name, that is not there; empty where it is."""
    name, path = launch.argv[0], environment(launch, Path(), inherited).get("PATH")
    if os.sep in name or shutil.which(name, path=path):
        return ""
    return f"{name}: not found on the PATH {path}"


def make_state(role: Role, site: Site, template: Path, run: Run) -> Path:
    """Make the role's first state where it has none: a copy of ``template``, or by ``run``.

    ``run`` runs the role's own ``prepare`` command in the site's directory. Raises ServiceNotReady
    with the command's output where that fails.
    """
    if site.state.exists():
        return site.state
    site.directory.mkdir(parents=True, exist_ok=True)
    if template.exists():
        _copy(template, site.state)
    elif role.prepare:
        _prepare(role, role.prepare(site), site, run)
    else:
        site.state.mkdir()
    return site.state


def _copy(template: Path, state: Path) -> None:
    """Whole or not at all: a role that is killed meanwhile begins anew."""
    partial = state.with_name(f"{state.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(template, partial)
    os.replace(partial, state)


def _prepare(role: Role, launch: Launch, site: Site, run: Run) -> None:
    completed = run(Launch(launch.argv, launch.environment, launch.files, site.directory))
    if completed.code:
        raise ServiceNotReady(
            f"{role.name} could not be prepared: exit code {completed.code}",
            checked=completed.output.splitlines()[-20:],
        )
