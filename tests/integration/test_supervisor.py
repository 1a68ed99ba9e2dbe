"""Who owns the processes: whatever dies first, nothing of a cluster outlives it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from pytest_sluice import burial
from pytest_sluice.__main__ import main
from pytest_sluice.backends.process import ProcessBackend
from pytest_sluice.burial import sweep
from pytest_sluice.cluster import Cluster, clusters
from pytest_sluice.contracts import Launch, Role
from pytest_sluice.errors import ClusterLost, SluiceError
from pytest_sluice.protocol import MARK, SOCKET
from pytest_sluice.waiting import Deadline, NotYet, wait_for
from tests.integration.roles import PORT, ask, process_backend, web

SECONDS = 10
PAUSE = (sys.executable, "-c", "import signal; signal.pause()")

HOLDER = """
import signal, sys
from contextlib import suppress
from pathlib import Path
from pytest_sluice.cluster import Cluster
from tests.integration.roles import process_backend, web

cluster = Cluster.create()
process_backend(cluster, Path(sys.argv[1])).start(web("held"))
print(cluster.directory, flush=True)
signal.pause()
"""
# A role that leaves a process behind in a session of its own, and ends.
PARENT = """
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"],
                         start_new_session=True)
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
"""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster; whatever a test did to it, nothing of it stays."""
    with Cluster.create() as cluster:
        yield cluster


@pytest.fixture
def backend(cluster: Cluster, tmp_path: Path) -> ProcessBackend:
    """The process backend on that cluster."""
    return process_backend(cluster, tmp_path / "logs")


def running(backend: ProcessBackend, name: str) -> int:
    """Start a role and wait for its answer; its pid."""
    backend.start(web(name))
    wait_for(name, lambda: ask(backend.endpoint(name, "http")), Deadline(SECONDS))
    return pid_of(backend.cluster, name)


def pid_of(cluster: Cluster, name: str) -> int:
    """The pid of a role."""
    return int(cluster.ask("poll", name=name)["pid"])


def orphan(backend: ProcessBackend, tmp_path: Path) -> int:
    """The pid of a process that left the group of its role, whose parent has ended."""
    note = tmp_path / "pid"
    role = Role("parent", lambda _site: Launch((sys.executable, "-c", PARENT, str(note))))
    backend.start(role)
    backend.cluster.ask("wait", name="parent", seconds=SECONDS)
    return int(note.read_text())


def supervisor_of(pid: int) -> int:
    """The pid of the supervisor that started a role."""
    return psutil.Process(pid).ppid()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def await_death(*pids: int) -> None:
    """Wait until none of the processes is alive, at most ten seconds."""

    def probe() -> None:
        if alive := [pid for pid in pids if is_alive(pid)]:
            raise NotYet(f"{alive} live")

    wait_for("all processes to die", probe, Deadline(SECONDS))


def await_removal(directory: Path) -> None:
    """Wait until a supervisor has removed its directory, at most ten seconds."""

    def probe() -> None:
        if directory.exists():
            raise NotYet(f"{directory} is still there")

    wait_for("the directory to go", probe, Deadline(SECONDS))


def test_the_last_lease_closed_ends_everything(cluster: Cluster, backend: ProcessBackend) -> None:
    pids = [running(backend, "first"), running(backend, "second")]
    supervisor = supervisor_of(pids[0])
    second = Cluster.attach(cluster.directory)
    cluster.close()
    assert second.ask("status")["leases"] == 1
    assert all(map(is_alive, pids))
    second.close()
    await_death(*pids, supervisor)
    await_removal(cluster.directory)


def test_a_lease_can_be_handed_on(cluster: Cluster, backend: ProcessBackend) -> None:
    pid, holder = running(backend, "role"), cluster
    for _ in range(20):
        successor = Cluster.attach(cluster.directory)
        holder.close()
        holder = successor
    assert holder.ask("poll", name="role") == {"pid": pid, "code": None}
    holder.close()
    await_death(pid)


def test_a_role_that_is_paused_dies_as_well(cluster: Cluster, backend: ProcessBackend) -> None:
    pid = running(backend, "frozen")
    backend.pause("frozen")
    cluster.close()
    await_death(pid)
    await_removal(cluster.directory)


def test_commands_under_way_die_as_well(cluster: Cluster, backend: ProcessBackend) -> None:
    pid = running(backend, "role")
    supervisor = supervisor_of(pid)
    hang = Launch((sys.executable, "-c", "import signal; signal.pause()"))

    def run() -> None:
        with suppress(SluiceError, OSError):  # the cluster is gone before the command has ended
            backend.exec("role", hang)

    def under_way() -> None:
        if len(backend.leftovers()) < 1 + len(commands):
            raise NotYet("not all commands run")

    commands = [threading.Thread(target=run) for _ in range(4)]
    for command in commands:
        command.start()
    wait_for("the commands to run", under_way, Deadline(SECONDS))
    cluster.close()
    await_death(pid, supervisor)
    await_removal(cluster.directory)
    for command in commands:
        command.join()


def test_a_process_that_left_its_group_dies_as_well(
    cluster: Cluster, backend: ProcessBackend, tmp_path: Path
) -> None:
    lost = orphan(backend, tmp_path)
    assert is_alive(lost)
    assert supervisor_of(lost) == supervisor_of(running(backend, "sibling"))
    cluster.close()
    await_death(lost)
    await_removal(cluster.directory)


def test_a_holder_that_is_killed_takes_everything_along(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLDER, str(tmp_path)]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment, text=True) as holder:
        assert holder.stdout is not None
        directory = Path(holder.stdout.readline().strip())
        assert directory in clusters()
        watcher = Cluster.attach(directory)
        pid = pid_of(watcher, "held")
        supervisor = supervisor_of(pid)
        watcher.close()
        assert is_alive(pid)
        holder.kill()
    await_death(pid, supervisor)
    await_removal(directory)


def test_a_supervisor_that_is_killed_takes_its_roles_along(
    cluster: Cluster, backend: ProcessBackend
) -> None:
    pid = running(backend, "role")
    os.kill(supervisor_of(pid), signal.SIGKILL)
    await_death(pid)
    with pytest.raises(ClusterLost, match="no supervisor answers"):
        cluster.ask("status")


def test_the_owner_buries_what_its_killed_supervisor_left(
    cluster: Cluster, backend: ProcessBackend, tmp_path: Path
) -> None:
    lost, pid = orphan(backend, tmp_path), running(backend, "role")
    os.kill(supervisor_of(pid), signal.SIGKILL)
    await_death(pid)
    assert is_alive(lost)
    cluster.close()
    cluster.await_end()
    await_death(lost)
    assert not cluster.directory.exists()


def test_a_supervisor_that_dies_at_its_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = Path(tempfile.mkdtemp(dir="/tmp"))  # tmp_path is too long for a socket
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no python here >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(ClusterLost, match="died at its start") as lost:
        Cluster.create()
    assert "no python here" in str(lost.value)
    temporary.rmdir()  # which it can only be when it is empty


def test_two_roles_that_want_one_port_get_two(cluster: Cluster) -> None:
    wish = {"port": "http", "preferred": PORT}
    first, second = (cluster.ask("endpoint", role=role, **wish) for role in ("first", "second"))
    assert first["port"] == PORT
    assert second["port"] != PORT
    assert cluster.ask("endpoint", role="first", **wish) == first


def test_a_request_may_be_long(cluster: Cluster, backend: ProcessBackend) -> None:
    words = "x" * 100_000
    done = backend.exec("role", Launch((sys.executable, "-c", "import sys; print(1)", words)))
    assert done.stdout == b"1\n"


def test_what_was_begun_and_not_ended_is_not_begun_again(cluster: Cluster) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    assert cluster.once("whole", lambda: {"n": 1}) == cluster.once("whole", fail) == {"n": 1}
    with pytest.raises(ZeroDivisionError):
        cluster.once("half", fail)
    with pytest.raises(ClusterLost, match="the half failed for whoever began it: ZeroDivision"):
        cluster.once("half", lambda: {})


def test_what_a_killed_supervisor_left_is_swept(
    cluster: Cluster, backend: ProcessBackend, tmp_path: Path
) -> None:
    other = Cluster.create()
    try:
        lost, pid = orphan(backend, tmp_path), running(backend, "role")
        os.kill(supervisor_of(pid), signal.SIGKILL)
        await_death(pid)
        assert is_alive(lost)
        assert cluster.directory.exists()
        swept = sweep().buried
        assert f"{cluster.directory.name}: 1 processes killed, directory removed" in swept
        await_death(lost)
        assert not cluster.directory.exists()
        assert other.ask("status")["roles"] == []  # a living cluster is left alone
        assert other.directory in clusters()
    finally:
        other.close()
        other.await_end()


def test_a_supervisor_that_is_asked_to_end_buries_everything(
    cluster: Cluster, backend: ProcessBackend
) -> None:
    pid = running(backend, "role")
    supervisor = supervisor_of(pid)
    os.kill(supervisor, signal.SIGTERM)
    await_death(pid, supervisor)
    await_removal(cluster.directory)


def test_what_is_no_process_is_undone_at_the_end_in_reverse(
    cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "undone"
    for name in ("first", "second", "third"):
        cluster.undo(name, append(name, log))
    cluster.undo("second", append("second, as told later", log))
    cluster.undone("third")
    cluster.close()
    cluster.await_end()
    assert log.read_text().splitlines() == ["second, as told later", "first"]


def test_an_undo_that_fails_does_not_keep_the_others_back(cluster: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "undone"
    cluster.undo("first", append("first", log))
    cluster.undo("second", ["/no/such/command"])
    cluster.undo("third", [sys.executable, "-c", "raise SystemExit(1)"])
    cluster.undo("fourth", append("fourth", log))
    cluster.close()
    second, third = cluster.await_end()
    assert log.read_text().splitlines() == ["fourth", "first"]
    assert second.startswith("second: `/no/such/command` cannot be run: ")
    assert third.startswith(f"third: `{sys.executable} -c 'raise SystemExit(1)'` ended with 1; ")
    assert str(cluster.directory) in third
    shutil.rmtree(cluster.directory)


def test_what_cannot_be_undone_keeps_its_directory_until_it_can(
    cluster: Cluster, tmp_path: Path
) -> None:
    log, may = tmp_path / "undone", tmp_path / "may"
    cluster.undo("first", append("first", log))
    cluster.undo("second", append("second", log, may))
    cluster.undo("third", append("third", log))
    cluster.close()
    (left,) = cluster.await_end()
    assert left.startswith("second: ")
    assert log.read_text().splitlines() == ["third", "first"]
    assert cluster.directory not in clusters()
    assert any(told.startswith("second: ") for told in sweep([cluster.directory.parent]).left)
    assert cluster.directory.exists()
    may.touch()
    swept = sweep([cluster.directory.parent])
    assert f"{cluster.directory.name}: 0 processes killed, directory removed" in swept.buried
    assert not cluster.directory.exists()
    assert log.read_text().splitlines() == ["third", "first", "second"]


def test_what_a_killed_supervisor_left_and_its_owner_cannot_undo_is_told(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.undo("it", append("it", tmp_path / "undone", tmp_path / "may"))
    os.kill(cluster.ask("status")["pid"], signal.SIGKILL)
    cluster.close()
    (left,) = cluster.await_end()
    assert left.startswith("it: ")
    assert cluster.directory.exists()
    shutil.rmtree(cluster.directory)


def a_block(raised: Exception | None = None) -> None:
    """A block whose cluster cannot undo what it made."""
    with Cluster.create() as cluster:
        cluster.undo("it", ["/bin/false"])
        if raised:
            raise raised


def remove_what_is_kept(told: str) -> None:
    """Remove the directory that is named by what is told."""
    shutil.rmtree(told.partition("as long as ")[2].partition(" is there")[0])


def test_the_end_of_a_block_is_red_where_something_is_left() -> None:
    with pytest.raises(SluiceError, match="not everything was undone") as caught:
        a_block()
    (told,) = caught.value.checked
    assert told.startswith("it: `/bin/false` ended with 1; ")
    remove_what_is_kept(told)


def test_an_error_in_a_block_is_not_replaced_by_what_is_left() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        a_block(ZeroDivisionError())
    (told,) = caught.value.__notes__
    assert "it: `/bin/false` ended with 1; " in told
    remove_what_is_kept(told)


def test_an_undo_that_hangs_is_killed_and_kept(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.undo("it", PAUSE)
    supervisor = cluster.ask("status")["pid"]
    os.kill(supervisor, signal.SIGKILL)
    await_death(supervisor)
    monkeypatch.setattr(burial, "UNDO_SECONDS", 0.1)
    buried = burial.bury(cluster.directory)
    assert buried is not None
    assert "took more than" in buried.left[0]
    assert cluster.directory.exists()
    shutil.rmtree(cluster.directory)


def test_a_lease_that_was_attached_ends_alone(cluster: Cluster, backend: ProcessBackend) -> None:
    pid = running(backend, "role")
    with Cluster.attach(cluster.directory) as guest:
        assert guest.ask("status")["leases"] == 2
    assert is_alive(pid)
    assert cluster.ask("poll", name="role") == {"pid": pid, "code": None}


def test_a_fork_holds_no_lease(cluster: Cluster, backend: ProcessBackend) -> None:
    pid = running(backend, "role")
    with forked():
        cluster.close()
        assert cluster.await_end(SECONDS) == []
        await_death(pid)


def test_a_fork_that_ends_takes_nothing_along(cluster: Cluster, backend: ProcessBackend) -> None:
    pid = running(backend, "role")
    child = os.fork()
    if child == 0:
        cluster.close()
        os._exit(len(cluster.await_end()))
    assert os.waitpid(child, 0)[1] == 0
    assert cluster.ask("poll", name="role") == {"pid": pid, "code": None}


def test_a_killed_holder_does_not_live_on_in_its_forks(tmp_path: Path) -> None:
    fork = "import os\nif os.fork() == 0:\n    signal.pause()\n"
    words = [sys.executable, "-c", HOLDER.replace("print(", f"{fork}print("), str(tmp_path)]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment, text=True) as holder:
        assert holder.stdout is not None
        directory = Path(holder.stdout.readline().strip())
        # The other child is the supervisor, whose command line names the directory.
        children = psutil.Process(holder.pid).children()
        (fork_of_it,) = [each for each in children if str(directory) not in each.cmdline()]
        holder.kill()
        try:
            await_removal(directory)
            assert is_alive(fork_of_it.pid)
        finally:
            fork_of_it.kill()


def test_everything_is_dead_when_all_is_killed(cluster: Cluster, backend: ProcessBackend) -> None:
    pids = [running(backend, "first"), running(backend, "second")]

    def many_commands() -> None:
        for _ in range(10):
            backend.exec("role", Launch(("/bin/true",)))

    commands = [threading.Thread(target=many_commands) for _ in range(2)]
    for command in commands:
        command.start()
    for _ in range(20):  # their names come and go meanwhile
        cluster.kill_all()
    for command in commands:
        command.join()
    assert not any(map(is_alive, pids))


def test_status_tells_a_cluster_that_is_ending(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fifo = tmp_path / "go on"
    os.mkfifo(fifo)
    cluster.undo("it", ["/bin/sh", "-c", f'cat "{fifo}"'])
    assert main(["status"]) == 0
    assert f"{cluster.directory} on 127." in capsys.readouterr().out
    older = socket.socket(socket.AF_UNIX)
    older.connect(str(cluster.directory / SOCKET))
    cluster.close()
    with older, fifo.open("w"):  # the undo has begun, and does not end
        older.sendall(b'{"op": "status"}\n')
        assert b'"ending": true' in older.recv(1000)
        assert main(["status"]) == 0
    assert f"{cluster.directory} is ending\n" in capsys.readouterr().out
    assert cluster.await_end() == []


@contextmanager
def forked() -> Iterator[None]:
    """A process that was forked from this one, and does nothing for as long as the block."""
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_who_makes_what_is_undone_is_dead_by_then(cluster: Cluster, tmp_path: Path) -> None:
    log, mark = tmp_path / "undone", {**os.environ, MARK: str(cluster.directory)}
    maker = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], env=mark)
    look = f"import pathlib, psutil; pathlib.Path({str(log)!r}).write_text("
    status = f"psutil.Process({maker.pid}).status())"
    cluster.undo("made", [sys.executable, "-c", look + status])
    cluster.close()
    cluster.await_end()
    assert maker.wait(SECONDS) == -signal.SIGKILL
    assert log.read_text() == psutil.STATUS_ZOMBIE  # dead, and not yet waited for


def test_what_a_killed_supervisor_did_not_undo_is_undone_by_the_sweep(
    cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "undone"
    for name in ("first", "second", "third"):
        cluster.undo(name, append(name, log))
    cluster.undone("second")
    supervisor = cluster.ask("status")["pid"]
    os.kill(supervisor, signal.SIGKILL)
    await_death(supervisor)
    assert not log.exists()
    sweep()
    assert log.read_text().splitlines() == ["third", "first"]
    assert not cluster.directory.exists()


def append(line: str, log: Path, may: Path | None = None) -> list[str]:
    """A command that appends a line to a file; it fails while ``may`` is not there."""
    condition = f'test -e "{may}" && ' if may else ""
    return ["/bin/sh", "-c", f'{condition}echo "$0" >> "{log}"', line]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a whole loopback network")
def test_two_clusters_live_on_the_same_ports(
    cluster: Cluster, backend: ProcessBackend, tmp_path: Path
) -> None:
    other = Cluster.create()
    try:
        backends = (backend, process_backend(other, tmp_path / "other"))
        pids = {running(each, "web") for each in backends}
        endpoints = {each.endpoint("web", "http") for each in backends}
        assert len(pids) == len({endpoint.host for endpoint in endpoints}) == 2
        assert {endpoint.port for endpoint in endpoints} == {PORT}
        assert cluster.directory != other.directory
    finally:
        other.close()
        other.await_end()
    assert ask(backend.endpoint("web", "http")) == "start 1"
