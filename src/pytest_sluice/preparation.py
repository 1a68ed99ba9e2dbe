"""Made once at set-up: first states of the services, and class data archives of every JVM.

The services are started for real, a small pipeline is run through them, and each JVM writes its
archive when it ends. An interrupted preparation is begun again from the start.
"""

import fcntl
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from zipfile import ZIP_DEFLATED, ZipFile

from pytest_sluice import launchers, warm_up
from pytest_sluice.backends.process import ProcessBackend
from pytest_sluice.class_data import (
    ROLES as ARCHIVED,
)
from pytest_sluice.class_data import (
    archive,
    base_archive,
    complete,
    made,
    prepared_root,
    templates,
    tools,
    web_applications,
)
from pytest_sluice.cluster import Cluster
from pytest_sluice.distributions import jars
from pytest_sluice.distributions.listing import make_folder
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.events import Journal
from pytest_sluice.flow.deployment import Deployment, roles
from pytest_sluice.flow.run import Run
from pytest_sluice.services import hdfs, hive, kafka
from pytest_sluice.waiting import NotYet, wait_for

Say = Callable[[str], None]

# Writing an archive of Spark's or Presto's classes takes up to half a minute of one core.
DUMP_SECONDS = 300.0
# Recording is slower than running, and it is not what is measured.
TIMEOUT_FACTOR = 4.0

MESSAGES = tuple(b'{"kind": "k%d", "amount": "1"}' % number for number in range(100))


def prepare(say: Say = print, *, thorough: bool = False) -> Path:
    """Make states and archives where they are missing or changed; the folder that holds them.

    ``thorough`` reads every file again.
    """
    root = prepared_root()
    if made(root).directory.is_symlink():
        made(root).directory.unlink()
    make_folder(root)
    with (root / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process prepares the services: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if complete(root).exists() and _whole(root, say, thorough):
            return root
        started = monotonic()
        say("preparing the services (once): first states and class data archives")
        _prepare(root, say)
        made(root).finish()
        say(f"prepared in {monotonic() - started:.0f} s")
    return root


def _whole(root: Path, say: Say, thorough: bool) -> bool:
    if wrong := made(root).faults(thorough):
        say(f"the prepared services were changed ({wrong[0]}): they are made again")
    return not wrong


def _prepare(root: Path, say: Say) -> None:
    for path in root.iterdir():
        if path.name != "lock":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    _dump_base(root)
    _extract_web_applications(root)
    launchers.build(root)
    logs = root / "logs"  # they stay, for whoever has to find out why it failed
    with Cluster.create() as cluster:
        _make_states(root, cluster, logs)
        say("first states of kafka, namenode and metastore are made")
        recorder = ProcessBackend(cluster, tools(root, record=True), roles(), logs, templates(root))
        _record(root, recorder, Journal(logs / "events.jsonl"), say)


def _dump_base(root: Path) -> None:
    java = str(tools(root, making=True).java)
    command = [java, "-Xshare:dump", f"-XX:SharedArchiveFile={base_archive(root)}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceNotReady(
            "the JRE could not write its own class data archive",
            checked=(done.stdout + done.stderr).splitlines()[-10:],
        )


def _extract_web_applications(root: Path) -> None:
    """Copy what lies under webapps/, folders included: a class loader finds only what is listed."""
    target = web_applications(root)
    with ZipFile(target, "w", ZIP_DEFLATED) as small:
        for jar in jars("hdfs"):
            with ZipFile(jar) as whole:
                for entry in whole.infolist():
                    if entry.filename.startswith("webapps/"):
                        small.writestr(entry, whole.read(entry))


def _make_states(root: Path, cluster: Cluster, logs: Path) -> None:
    """Format Kafka and the NameNode, and let the metastore make its database; keep copies."""
    backend = ProcessBackend(cluster, tools(root, making=True), roles(), logs, templates(root))
    for role in (kafka.ROLE, hdfs.NAMENODE_ROLE):
        shutil.copytree(backend.make_state(role), templates(root) / role.name)
    deployment = Deployment(backend, Journal(logs / "states.jsonl"), TIMEOUT_FACTOR)
    deployment.graph.join("metastore")
    backend.stop("metastore", grace=60)
    shutil.copytree(backend.make_state(hive.ROLE), templates(root) / "metastore")


def _record(root: Path, backend: ProcessBackend, journal: Journal, say: Say) -> None:
    deployment = Deployment(backend, journal, TIMEOUT_FACTOR)
    run = Run(1, warm_up.pipeline(), deployment)
    run.graph.start(["topic", "tables", "stream", "presto"])
    run.topic.produce(MESSAGES)
    _await_visible(run)
    for mapping in ("position", "name"):
        run.presto.query("select kind, count(*) from warm_up group by kind order by 1", mapping)
    say("a small pipeline ran through; writing the archives")
    running = [name for name in ARCHIVED if name != "hive"]
    pool = ThreadPoolExecutor(max_workers=2)
    try:
        list(pool.map(lambda name: _stop(root, backend, name, say), reversed(running)))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _await_visible(run: Run) -> None:
    def probe() -> None:
        seen = run.presto.query("select count(*) from warm_up", "name").rows[0][0]
        if seen != len(MESSAGES):
            raise NotYet(f"{seen} of {len(MESSAGES)} rows")

    stream = run.stream
    wait_for(
        "the rows of the warm-up",
        probe,
        run.deployment.deadline(60),
        alive=lambda: run.deployment.backend.require_alive(stream.role),
        log=stream.logs,
    )


def _stop(root: Path, backend: ProcessBackend, name: str, say: Say) -> None:
    """End a role in good order, so that its JVM writes its archive."""
    started = monotonic()
    role = {"spark": "stream"}.get(name, name)
    backend.stop(role, grace=DUMP_SECONDS)
    path = archive(root, name)
    if not path.exists():
        raise ServiceNotReady(f"{role} wrote no class data archive", checked=backend.logs(role))
    say(f"{name}: {path.stat().st_size >> 20} MiB of class data in {monotonic() - started:.0f} s")
