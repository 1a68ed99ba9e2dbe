"""Class data archives and prepared states: made once at set-up, beside the distributions.

An archive holds for exactly the jars, and the JRE, that it was made with; its folder is named by
their digest. A JVM goes on without an archive that does not fit.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pytest_sluice.contracts import Tools
from pytest_sluice.distributions import cache_root, jars, java, require
from pytest_sluice.distributions.made import RECORD, MadeFolder
from pytest_sluice.distributions.straight import require_straight
from pytest_sluice.launchers import launchers_jar, sources

DISTRIBUTIONS = ("jre", "kafka", "hdfs", "spark", "spark-kafka", "hive", "presto")
# These run without archives and prepared states, so they do not name the folder.
UNPREPARED = ("kafka-zookeeper",)
# Another word makes every machine prepare anew: to be changed with what the preparation makes.
RECIPE = "states, archives, web applications, launchers, a record of them"
ROLES = ("kafka", "namenode", "datanode", "metastore", "hive", "presto", "spark")


def prepared_root() -> Path:
    """The folder of archives and states for the distributions at hand, perhaps absent yet.

    Raises NotStraight where archives would have no class, and NotProvisioned.
    """
    names = "\n".join([RECIPE, *sources(), *(require(name).name for name in DISTRIBUTIONS)])
    digest = hashlib.sha256(names.encode()).hexdigest()
    return require_straight(cache_root()) / f"prepared-{digest[:12]}"


def made(root: Path) -> MadeFolder:
    """The folder with its record."""
    return MadeFolder(root)


def templates(root: Path) -> Path:
    """The folder of prepared first states, by role."""
    return root / "states"


def complete(root: Path) -> Path:
    """The file that says that everything in the folder is whole, and records it."""
    return root / RECORD


def base_archive(root: Path) -> Path:
    """The archive of the JRE's own classes."""
    return root / "base.jsa"


def archive(root: Path, role: str) -> Path:
    """The archive of one role's classes, on top of the base archive."""
    return root / f"{role}.jsa"


def reading(root: Path, role: str) -> Sequence[str]:
    """JVM options that use what archives there are for ``role``."""
    if role not in ROLES or not complete(root).exists():
        return ()
    return (f"-XX:SharedArchiveFile={base_archive(root)}:{archive(root, role)}",)


def recording(root: Path, role: str) -> Sequence[str]:
    """JVM options that write the archive of ``role`` when the JVM ends in good order."""
    if role not in ROLES:
        return ()
    return (
        f"-XX:SharedArchiveFile={base_archive(root)}",
        f"-XX:ArchiveClassesAtExit={archive(root, role)}",
    )


def web_applications(root: Path) -> Path:
    """A jar of the HDFS daemons' web applications alone.

    Jetty unpacks a web application by reading the whole jar that it is in: of 100 MB, at each
    start of a daemon, where it could be 1.
    """
    return root / "hdfs-web-applications.jar"


def tools(root: Path, *, record: bool = False, making: bool = False) -> Tools:
    """The tools of the process backend, with archives to use, or to ``record``.

    While the folder is in the ``making``, or recorded, there is no record of it to compare with.
    Raises NotProvisioned where a distribution, or what was prepared, is not what was verified.
    """
    if not (record or making):
        made(root).check()
    options = recording if record else reading
    found = {name: jars(name) for name in (*DISTRIBUTIONS, *UNPREPARED) if name != "jre"}
    found["hdfs"] = (web_applications(root), *found["hdfs"])
    found["launchers"] = (launchers_jar(root),)
    return Tools(
        java=java(),
        jars=found,
        class_data=lambda role: tuple(options(root, role)),
    )
