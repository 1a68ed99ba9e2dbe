"""What is executed is what was verified: marks of files, links, modes, owners, records."""

import argparse
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from pytest_sluice.distributions import cache, command, jars, manifest, packages, seen
from pytest_sluice.distributions.cache import Place
from pytest_sluice.distributions.listing import exposure, make_folder
from pytest_sluice.distributions.lock import parse
from pytest_sluice.distributions.made import MadeFolder
from pytest_sluice.distributions.problems import Exposed, NotProvisioned, NotStraight
from pytest_sluice.errors import SluiceError

FILES = {"lib/a.jar": b"aaaa", "lib/b.jar": b"bbbb", "lib/readme": b"text", "lib/more/c.jar": b"c"}
LONG_AGO = 3600 * 10**9


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A complete distribution in a cache of its own."""
    entries = []
    for path, content in FILES.items():
        file = tmp_path / "content" / path
        make_folder(file.parent)
        file.write_bytes(content)
        digest = manifest.sha256_of(file)
        entries.append(f'{{path = "{path}", sha256 = "{digest}", size = {len(content)}}}')
    tree = f'tree = {{package = "p", version = "1", folder = "f", files = [{",".join(entries)}]}}'
    place = Place(tmp_path / "cache", parse(f'[tool]\nclasspath = "lib"\n{tree}')["tool"])
    make_folder(place.root)
    (tmp_path / "content").rename(place.directory)
    recorded = manifest.record(place.directory, place.distribution.locked)
    manifest.write(place.manifest, recorded)
    return place


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read."""
    names: list[str] = []
    real = manifest.sha256_of

    def read(path: Path) -> str:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(manifest, "sha256_of", read)
    return names


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every file had been written an hour ago."""
    monkeypatch.setattr(seen, "CLOCK_STEP", -LONG_AGO)


def test_a_file_is_read_once(
    place: Place, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    place.check()
    assert sorted(reads) == ["a.jar", "b.jar", "c.jar", "readme"]
    reads.clear()
    place.check()
    assert reads == []
    place.check(thorough=True)
    assert len(reads) == len(FILES)


def test_a_file_that_was_written_just_now_is_not_believed_yet(
    place: Place, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one step of the clock it could change again, with the same time."""
    monkeypatch.setattr(seen, "CLOCK_STEP", LONG_AGO)
    place.check()
    reads.clear()
    place.check()
    assert len(reads) == len(FILES)


def rewrite(jar: Path) -> None:
    """Other bytes of the same length, in the same inode, with the same date."""
    before = jar.stat()
    # The clock of the file system has to go on, as it does between two sessions.
    while jar.stat().st_ctime_ns == before.st_ctime_ns:
        jar.write_bytes(b"evil")
        os.utime(jar, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap(jar: Path) -> None:
    """Another file in its place, with the same length and date."""
    before, other = jar.stat(), jar.with_name("other")
    other.write_bytes(b"evil")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(jar)


@pytest.mark.parametrize("change", [rewrite, swap])
def test_the_same_size_and_date_do_not_hide_another_content(
    place: Place, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    settle(monkeypatch)
    place.check()
    change(place.directory / "lib/a.jar")
    with pytest.raises(NotProvisioned, match=r"lib/a\.jar: changed \(another sha256\)"):
        place.check()


def test_what_this_machine_has_seen_does_not_outweigh_the_manifest(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    place.check()
    other = dict.fromkeys(FILES, "another sha256")
    recorded = manifest.record(place.directory, other)
    found = manifest.faults(place.directory, recorded, {}, seen=place.seen)
    assert sorted(found) == [f"{path}: changed (another sha256)" for path in sorted(FILES)]


@pytest.mark.parametrize("text", ["", "[]", "nonsense", '{"lib/a.jar": 1}'])
def test_a_damaged_note_of_what_was_seen_costs_a_reading(
    place: Place, reads: list[str], text: str
) -> None:
    place.seen.write_text(text)
    place.check()
    assert len(reads) == len(FILES)


def test_a_copied_cache_is_read_once_and_noted(
    place: Place, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    place.check()
    shutil.copytree(place.root, place.root.with_name("copy"))
    copy = Place(place.root.with_name("copy"), place.distribution)
    reads.clear()
    copy.check()
    assert len(reads) == len(FILES)
    copy.check()
    assert len(reads) == len(FILES)


def test_a_cache_that_cannot_be_written_is_checked_all_the_same(
    place: Place, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)

    def refuse(path: Path, marks: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(seen, "_write", refuse)
    place.check()
    place.check()
    assert len(reads) == 2 * len(FILES)
    (place.directory / "lib/a.jar").write_bytes(b"evil")
    with pytest.raises(NotProvisioned):
        place.check()


def test_a_long_reading_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Event()
    monkeypatch.setattr(manifest, "NOTICE_SECONDS", 0.0)

    def tell(line: str) -> None:
        print(line)
        told.set()

    monkeypatch.setattr(manifest, "_tell", tell)
    real = manifest.sha256_of

    def slow(path: Path) -> str:
        assert told.wait(10)
        return real(path)

    monkeypatch.setattr(manifest, "sha256_of", slow)
    place.check()
    assert f"reads 4 files of {place.directory} again" in capsys.readouterr().out


def folder_as_a_jar(directory: Path) -> str:
    (directory.parent / "classes").mkdir()
    (directory / "lib/AAA.jar").symlink_to(directory.parent / "classes")
    return "lib/AAA.jar: a link"


def jar_elsewhere(directory: Path) -> str:
    (directory / "lib/a.jar").rename(directory.parent / "a.jar")
    (directory / "lib/a.jar").symlink_to(directory.parent / "a.jar")
    return "lib/a.jar: a link"


def pipe_as_a_jar(directory: Path) -> str:
    os.mkfifo(directory / "lib/AAA.jar")
    return "lib/AAA.jar: no file"


def all_elsewhere(directory: Path) -> str:
    directory.rename(directory.with_name("moved"))
    directory.symlink_to(directory.with_name("moved"))
    return f"{directory}: a link"


@pytest.mark.parametrize("odd", [folder_as_a_jar, jar_elsewhere, pipe_as_a_jar, all_elsewhere])
def test_a_link_in_a_distribution_is_a_fault(place: Place, odd: Callable[[Path], str]) -> None:
    fact = odd(place.directory)
    with pytest.raises(NotProvisioned) as caught:
        place.check()
    assert fact in caught.value.checked


def test_a_class_path_has_the_jars_of_the_manifest_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_CACHE", str(place.root))
    monkeypatch.setattr(cache, "committed", lambda: {"tool": place.distribution})
    # Whoever adds a jar after the check finds it on no class path.
    monkeypatch.setattr(manifest, "faults", lambda *look, **how: [])
    (place.directory / "lib/AAA.jar").write_bytes(b"evil")
    assert jars("tool") == (place.directory / "lib/a.jar", place.directory / "lib/b.jar")


@pytest.mark.parametrize("path", ["", "tool", "tool/lib", "tool/lib/a.jar", "tool.json"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_a_cache_that_others_can_write_is_refused(place: Place, path: str, mode: int) -> None:
    open_to_others = place.root / path.replace("tool", place.distribution.directory)
    open_to_others.chmod(open_to_others.stat().st_mode | mode)
    with pytest.raises(Exposed) as caught:
        place.check()
    assert str(open_to_others) in str(caught.value)
    assert f"chmod -R go-w {place.root}" in caught.value.remedy
    assert "SLUICE_CACHE" in caught.value.remedy


def test_files_of_root_and_of_this_user_are_trusted_and_no_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = place.root.stat().st_uid
    place.check()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1000)
    if owner == 0:
        place.check()  # a user reads what root has set up, as in a container
        for path in (place.root, *place.root.rglob("*")):
            os.chown(path, 4321, -1)
    with pytest.raises(Exposed, match="belongs to the user with the id"):
        place.check()


def test_whoever_owns_a_file_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    found = (place.directory / "lib/a.jar").stat()
    foreign = os.stat_result((found.st_mode, *found[1:4], 4321, *found[5:]))
    assert exposure(found) == ""
    assert exposure(foreign) == "it belongs to the user with the id 4321"


def test_folders_are_made_for_their_owner_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_folder(tmp_path / "x/y")
    finally:
        os.umask(before)
    assert not exposure((tmp_path / "x").stat())
    assert not exposure((tmp_path / "x/y").stat())


def test_a_file_of_another_owner_is_copied_and_not_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, target = tmp_path / "origin", tmp_path / "new/target"
    origin.write_bytes(b"jar")
    origin.chmod(0o755)
    mine = origin.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    packages.link(origin, target)
    assert target.read_bytes() == b"jar"
    assert os.access(target, os.X_OK)
    assert not target.samefile(origin), "its owner could still change it"


def test_a_file_that_its_group_may_write_is_copied_and_not_linked(tmp_path: Path) -> None:
    origin, target = tmp_path / "origin", tmp_path / "target"
    origin.write_bytes(b"jar")
    origin.chmod(0o775)
    packages.link(origin, target)
    assert not target.samefile(origin)
    assert target.stat().st_mode & 0o777 == 0o755
    assert origin.stat().st_mode & 0o777 == 0o775, "the environment's file is not ours to change"


@pytest.fixture
def made(tmp_path: Path) -> MadeFolder:
    """A prepared folder with its record."""
    folder = MadeFolder(tmp_path / "prepared-1")
    for path in ("kafka.jsa", "states/namenode/fsimage", "logs/kafka.log", "lock"):
        file = folder.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"made")
    folder.finish()
    return folder


def test_a_made_folder_is_as_it_was_recorded(made: MadeFolder) -> None:
    (made.directory / "logs/kafka.log").unlink()
    made.check()


@pytest.mark.parametrize("path", ["kafka.jsa", "states/namenode/fsimage"])
def test_a_made_file_that_was_changed_is_told(
    made: MadeFolder, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    made.check()
    rewrite(made.directory / path)
    with pytest.raises(NotProvisioned) as caught:
        made.check()
    assert f"{path}: changed (another sha256)" in caught.value.checked
    assert "python -m pytest_sluice setup" in caught.value.remedy


def test_an_added_state_and_a_record_that_is_none_are_faults(made: MadeFolder) -> None:
    (made.directory / "states/namenode/more").touch()
    assert made.faults() == ["states/namenode/more: added"]
    made.record.write_text("")
    assert made.faults() == ["complete: it is no record"]


def test_a_made_folder_is_closed_to_others(tmp_path: Path) -> None:
    folder = MadeFolder(tmp_path / "prepared-2")
    folder.directory.mkdir()
    (folder.directory / "base.jsa").touch()
    (folder.directory / "base.jsa").chmod(0o664)
    folder.directory.chmod(0o775)
    folder.finish()
    folder.check()


def test_a_link_of_somebody_else_in_place_of_the_cache_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = place.root.with_name("link")
    link.symlink_to(place.root)
    Place(link, place.distribution).check()  # our own, to a larger disk
    real = Path.lstat

    def foreign(path: Path) -> os.stat_result:
        found = real(path)
        owner = found.st_uid + 4321 if path == link else found.st_uid
        return os.stat_result((*found[:4], owner, *found[5:]))

    monkeypatch.setattr(Path, "lstat", foreign)
    with pytest.raises(Exposed, match="belongs to the user with the id"):
        Place(link, place.distribution).check()


@pytest.mark.parametrize("name", ["a cache", "cäche", "100%", "a#b", "link"])
def test_a_cache_that_java_cannot_use_is_refused(
    place: Place, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "committed", lambda: {"tool": place.distribution})
    monkeypatch.setenv("SLUICE_CACHE", str(place.root))
    assert jars("tool")
    place.root.rename(tmp_path / ("a b" if name == "link" else name))
    if name == "link":
        (tmp_path / "link").symlink_to(tmp_path / "a b")
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path / name))
    with pytest.raises(NotStraight, match="set SLUICE_CACHE to a path of ASCII letters"):
        jars("tool")


def test_nothing_is_downloaded_to_where_java_cannot_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path / "a cache"))
    assert command.run(argparse.Namespace(names=["jre"], verify=False, json=None)) == 1
    assert "set SLUICE_CACHE" in capsys.readouterr().err
    assert not (tmp_path / "a cache").exists()


@pytest.mark.parametrize("odd", ["file", "loop"])
def test_a_root_that_is_no_folder_is_refused_with_the_reason(tmp_path: Path, odd: str) -> None:
    root = tmp_path / "cache"
    if odd == "file":
        root.touch()
    else:
        root.symlink_to(root)
    with pytest.raises(SluiceError, match="cannot be used"):
        cache.require_own(root, root / "tool")


def test_a_manifest_whose_sizes_are_no_numbers_is_none(tmp_path: Path) -> None:
    path = tmp_path / "tool.json"
    path.write_text('{"a.jar": {"size": "x", "mtime_ns": 1, "sha256": "y"}}')
    assert manifest.read(path) is None
