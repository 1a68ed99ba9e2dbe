"""The cache of this machine: complete, verified, and healed where it was tampered with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sluice.distributions import NotProvisioned, jars, java, missing, provision, require
from pytest_sluice.distributions.cache import Place, cache_root, select
from pytest_sluice.distributions.lock import committed
from pytest_sluice.distributions.problems import Exposed
from pytest_sluice.distributions.report import Summary
from pytest_sluice.waiting import Deadline, NotYet, wait_for
from tools import image

JARS = {
    "kafka": 46,
    "kafka-zookeeper": 56,
    "spark": 286,
    "spark-kafka": 4,
    "hdfs": 2,
    "hive": 2,
    "presto": 184,
}


@pytest.mark.parametrize("name", list(committed()))
def test_every_file_of_a_distribution_has_its_sha256(name: str) -> None:
    (distribution,) = select(committed(), [name])
    Place(cache_root(), distribution).check(thorough=True)
    assert missing([name]) == ()


@pytest.mark.parametrize(("name", "count"), JARS.items())
def test_a_classpath_is_made_of_jars_alone_and_in_order(name: str, count: int) -> None:
    found = jars(name)
    assert len(found) == count
    assert list(found) == sorted(found)
    assert all(path.is_absolute() and path.suffix == ".jar" for path in found)


def test_the_java_of_the_cache_runs() -> None:
    answer = subprocess.run([str(java()), "-version"], capture_output=True, text=True, check=True)
    assert 'version "17.0.9"' in answer.stderr


@pytest.mark.parametrize("name", ["kafka", "kafka-zookeeper"])
def test_a_broker_finds_one_binding_for_its_log(name: str) -> None:
    classpath = os.pathsep.join(map(str, jars(name)))
    command = [str(java()), "-cp", classpath, "kafka.Kafka", "/there/is/no.properties"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "ERROR kafka.Kafka$ - Exiting Kafka due to fatal exception" in answer.stderr
    assert "SLF4J" not in answer.stderr, "no binding, or more than one"


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own with the JRE in it, whose files are no links into the real one."""
    root = tmp_path / "a cache"
    source = require("jre")
    shutil.copytree(source, root / source.name)
    shutil.copy2(source.with_name(f"{source.name}.json"), root)
    monkeypatch.setenv("SLUICE_CACHE", str(root))
    return root / source.name


def test_a_copy_of_the_cache_is_as_good(copy: Path) -> None:
    assert require("jre") == copy


def test_what_was_tampered_with_is_detected_and_healed_without_a_network(copy: Path) -> None:
    (copy / "lib/modules").write_bytes(b"not a JRE")
    (copy / "conf/net.properties").unlink()
    with pytest.raises(NotProvisioned) as caught:
        java()
    told = str(caught.value)
    assert "lib/modules: changed (9 bytes" in told
    assert "conf/net.properties: missing" in told
    assert "python -m pytest_sluice setup" in told
    summary = Summary()
    provision(["jre"], summary)
    assert (summary.steps[0].outcome, summary.steps[0].downloaded) == ("healed", 0)
    assert (
        subprocess.run([str(java()), "-version"], capture_output=True, check=True).returncode == 0
    )


def setup(*names: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "pytest_sluice", "setup", *names]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_two_processes_at_once_both_end_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path))
    both = [setup("spark"), setup("spark")]
    told = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    outcomes = sorted(line.split("  ")[-1] for text in told for line in text.splitlines()[:1])
    assert outcomes == ["already complete", "complete"]
    assert missing(["spark"]) == ()


def test_a_set_up_killed_in_the_middle_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path))
    (distribution,) = select(committed(), ["spark"])
    place = Place(tmp_path, distribution)
    process = setup("spark")

    def began() -> None:
        if process.poll() is None and not place.staging.exists():
            raise NotYet(f"{place.staging} is not there")

    wait_for("the set-up to begin", began, Deadline(60))
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode < 0
    assert not place.directory.exists()
    assert missing(["spark"]) == ("spark",)
    summary = Summary()
    provision(["spark"], summary)
    assert summary.steps[0].outcome == "resumed"
    assert missing(["spark"]) == ()


def test_an_image_keeps_no_owner_of_the_host(tmp_path: Path) -> None:
    """Its cache belongs to root; the files of any other user would be refused there."""
    there, target = tmp_path / "there", tmp_path / "target"
    there.mkdir()
    (there / "a.jar").write_bytes(b"jar")
    os.link(there / "a.jar", there / "b.jar")
    if os.geteuid() == 0:  # as it is in a build
        for path in (there, there / "a.jar"):
            os.chown(path, 4321, 4321)
    image.copy(there, target)
    assert {path.lstat().st_uid for path in (target, *target.iterdir())} == {os.geteuid()}
    assert (target / "a.jar").samefile(target / "b.jar")


def test_another_jre_behind_the_same_size_and_date_does_not_run(copy: Path) -> None:
    modules = copy / "lib/modules"
    java()
    before = modules.stat()
    with modules.open("r+b") as file:
        file.seek(before.st_size // 2)
        file.write(b"evil")
    os.utime(modules, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(NotProvisioned, match=r"lib/modules: changed \(another sha256\)"):
        java()


def test_a_program_beside_the_java_that_is_a_link_is_told(copy: Path) -> None:
    (copy / "lib/more.so").symlink_to("/bin/true")
    with pytest.raises(NotProvisioned, match=r"lib/more\.so: a link"):
        java()


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_nothing_runs_from_a_cache_that_others_can_write(copy: Path, mode: int) -> None:
    copy.parent.chmod(mode)
    with pytest.raises(Exposed, match="chmod -R go-w"):
        java()
