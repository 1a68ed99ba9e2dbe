"""Fetching, verifying, healing: against a source in memory, without network or process."""

import errno
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from pytest_sluice.distributions import manifest
from pytest_sluice.distributions.cache import Place
from pytest_sluice.distributions.fetch import Fetcher, append
from pytest_sluice.distributions.lock import Artifact, Distribution, parse
from pytest_sluice.distributions.maven import MavenSource, Unreachable
from pytest_sluice.distributions.problems import (
    DiskFull,
    Exposed,
    NetworkDown,
    NotProvisioned,
    WrongContent,
)
from pytest_sluice.distributions.provisioning import Provisioner
from pytest_sluice.distributions.report import Summary

FILES = {f"part{n}": bytes([65 + n]) * (1000 + n) for n in range(4)}
PIECE = 100


@dataclass
class Memory:
    """A repository in memory; it can serve other bytes, break off, or be out of reach."""

    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    asked: list[tuple[str, int]] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    wrong: list[bytes] = field(default_factory=list)
    down: bool = False

    @contextmanager
    def open(self, artifact: Artifact, offset: int) -> Iterator[Iterator[bytes]]:
        """Serve one file from an offset on."""
        name = artifact.parts[1]
        self.asked.append((name, offset))
        if self.down:
            raise Unreachable("no route to the repository")
        content = self.wrong.pop(0) if self.wrong else self.files[name]
        yield self._pieces(content[offset:])

    def _pieces(self, content: bytes) -> Iterator[bytes]:
        until = self.breaks.pop(0) if self.breaks else None
        for start in range(0, len(content), PIECE):
            if until is not None and start >= until:
                raise Unreachable("the connection broke")
            yield content[start : start + PIECE]


def distribution(into: str = '[""]') -> Distribution:
    lines = []
    for name, content in FILES.items():
        lines += ["[[tool.artifacts]]", f'coordinate = "org.example:{name}:1"', f"into = {into}"]
        lines += [f'sha256 = "{hashlib.sha256(content).hexdigest()}"', f"size = {len(content)}"]
    return parse("\n".join(lines))["tool"]


@dataclass
class Bench:
    """A provisioner over a fresh cache, and what it left there."""

    place: Place
    source: Memory = field(default_factory=Memory)
    opener: Callable[[Path], IO[bytes]] = append
    report: Summary = field(default_factory=Summary)

    def run(self, *, thorough: bool = False) -> str:
        """Set up; the outcome."""
        fetcher = Fetcher(self.source, self.opener)
        Provisioner(self.place, fetcher, self.report, thorough).run()
        return self.report.steps[-1].outcome

    def jar(self, name: str) -> Path:
        """A file of the finished directory."""
        return self.place.directory / f"{name}-1.jar"

    @property
    def leftovers(self) -> set[str]:
        """What staging holds."""
        return set(manifest.present(self.place.staging))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Place(tmp_path / "a cache", distribution()))


def test_the_directory_appears_complete_and_verified(bench: Bench) -> None:
    assert bench.run() == "complete"
    bench.place.check(thorough=True)
    assert {name: bench.jar(name).read_bytes() for name in FILES} == FILES
    assert bench.report.steps[-1].downloaded == sum(map(len, FILES.values()))


def test_a_second_set_up_asks_for_nothing(bench: Bench) -> None:
    bench.run()
    bench.source.down = True
    assert bench.run() == "already complete"
    assert bench.report.steps[-1].downloaded == 0


def test_what_was_never_set_up_names_the_command(bench: Bench) -> None:
    with pytest.raises(NotProvisioned) as caught:
        bench.place.check()
    assert "python -m pytest_sluice setup" in caught.value.remedy
    assert "make setup" in caught.value.remedy


def test_a_directory_that_is_gone_is_not_set_up(bench: Bench) -> None:
    bench.run()
    bench.place.directory.rename(bench.place.root / "elsewhere")
    with pytest.raises(NotProvisioned, match="is not set up"):
        bench.place.check()


def append_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"!")


def overwrite(path: Path) -> None:
    path.write_bytes(b"Z" * path.stat().st_size)


@pytest.mark.parametrize(
    ("damage", "fact"),
    [
        (append_byte, "part2-1.jar: changed (1,003 bytes, verified were 1,002)"),
        (overwrite, "part2-1.jar: changed (another sha256)"),
        (Path.unlink, "part2-1.jar: missing"),
        (lambda path: path.with_name("more.jar").write_bytes(b"x"), "more.jar: added"),
        (lambda path: path.with_name("more.jar").symlink_to(path), "more.jar: a link"),
        (lambda path: path.with_name("more.jar").symlink_to(path.parent), "more.jar: a link"),
    ],
)
def test_damage_is_detected_and_healed(
    bench: Bench, damage: Callable[[Path], Any], fact: str
) -> None:
    bench.run()
    bench.source.asked.clear()
    damage(bench.jar("part2"))
    with pytest.raises(NotProvisioned) as caught:
        bench.place.check()
    assert fact in caught.value.checked
    assert bench.run() == "healed"
    bench.place.check(thorough=True)
    assert {name for name, _ in bench.source.asked} <= {"part2"}, "good files were fetched again"


def test_damage_behind_the_same_size_and_time_is_found_and_healed(bench: Bench) -> None:
    bench.run()
    jar = bench.jar("part1")
    stat = jar.stat()
    overwrite(jar)
    manifest.restore_times(jar.parent, {jar.name: manifest.Entry(1, stat.st_mtime_ns, "")})
    with pytest.raises(NotProvisioned, match="another sha256"):
        bench.place.check()
    assert bench.run() == "healed"
    assert jar.read_bytes() == FILES["part1"]


def test_a_directory_behind_a_link_is_made_anew_and_the_other_one_is_left(bench: Bench) -> None:
    bench.run()
    elsewhere = bench.place.root / "elsewhere"
    bench.place.directory.rename(elsewhere)
    (elsewhere / "mine").touch()
    bench.place.directory.symlink_to(elsewhere)
    with pytest.raises(NotProvisioned, match="a link"):
        bench.place.check()
    bench.run()
    assert not bench.place.directory.is_symlink()
    assert {path.name for path in elsewhere.iterdir()} >= {"mine", "part0-1.jar"}


def test_a_link_in_staging_is_removed_and_what_it_leads_to_is_left(bench: Bench) -> None:
    elsewhere = bench.place.root / "elsewhere"
    elsewhere.mkdir(parents=True)
    (elsewhere / "thesis").touch()
    bench.place.staging.parent.mkdir()
    bench.place.staging.symlink_to(elsewhere)
    bench.run()
    assert (elsewhere / "thesis").exists()
    assert not bench.place.directory.is_symlink()


def test_nothing_is_written_below_a_cache_that_others_can_change(bench: Bench) -> None:
    bench.place.root.mkdir(parents=True, exist_ok=True)
    bench.place.root.chmod(0o777)
    with pytest.raises(Exposed):
        bench.run()
    assert list(bench.place.root.iterdir()) == []


@pytest.mark.parametrize("mask", [0o002, 0])
def test_nobody_else_can_write_what_was_set_up_whatever_the_umask(bench: Bench, mask: int) -> None:
    before = os.umask(mask)
    try:
        bench.run()
    finally:
        os.umask(before)
    bench.place.check()


def test_a_cache_that_others_can_write_is_not_filled(bench: Bench) -> None:
    bench.place.root.mkdir()
    bench.place.root.chmod(0o777)
    with pytest.raises(Exposed, match="chmod -R go-w"):
        bench.run()
    assert not bench.source.asked


@dataclass
class Answer:
    """What requests gives for a file of a server that knows no Range."""

    content: bytes
    status_code: int = 200

    def __enter__(self) -> "Answer":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def iter_content(self, size: int) -> Iterator[bytes]:
        """In pieces that do not end where the half file did."""
        yield from (self.content[at : at + 300] for at in range(0, len(self.content), 300))


@dataclass
class WithoutRange:
    """A session of requests with a server that sends the whole file whatever it is asked."""

    content: bytes
    asked: list[dict[str, str]] = field(default_factory=list)

    def get(self, url: str, headers: dict[str, str], **options: Any) -> Answer:
        """The whole file, with the status 200."""
        self.asked.append(headers)
        return Answer(self.content)


def test_a_server_that_ignores_the_range_is_read_past_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact, content = distribution().artifacts[1], FILES["part1"]
    server, source, told = WithoutRange(content), MavenSource(), list[int]()
    vars(source)["_session"] = server
    monkeypatch.setattr(source, "urls", lambda artifact: ["repository/part1"])
    (tmp_path / "part1.part").write_bytes(content[:400])
    Fetcher(source).fetch(artifact, tmp_path / "part1", told.append)
    assert (tmp_path / "part1").read_bytes() == content
    assert server.asked == [{"Range": "bytes=400-"}], "it was appended, and fetched once more"
    assert sum(told) == len(content) - 400


def test_a_touched_file_is_read_again_and_gets_its_time_back(bench: Bench) -> None:
    bench.run()
    jar = bench.jar("part0")
    before = jar.stat().st_mtime_ns
    jar.touch()
    bench.place.check()
    assert bench.run() == "already complete"
    assert jar.stat().st_mtime_ns == before


def test_healed_files_have_the_time_that_class_data_archives_saw(bench: Bench) -> None:
    bench.run()
    before = bench.jar("part3").stat().st_mtime_ns
    bench.jar("part3").unlink()
    bench.run()
    assert bench.jar("part3").stat().st_mtime_ns == before


def test_a_manifest_that_does_not_agree_with_the_lock_is_not_believed(bench: Bench) -> None:
    bench.run()
    overwrite(bench.jar("part0"))
    digest = manifest.sha256_of(bench.jar("part0"))
    old = manifest.read(bench.place.manifest) or {}
    forged = {"part0-1.jar": digest} | {p: e.sha256 for p, e in old.items() if "part0" not in p}
    manifest.write(bench.place.manifest, manifest.record(bench.place.directory, forged))
    with pytest.raises(NotProvisioned, match=r"part0-1\.jar: not the file of the lock"):
        bench.place.check()


def test_a_broken_connection_is_taken_up_where_it_stopped(bench: Bench) -> None:
    bench.source.breaks = [300]
    bench.run()
    assert [offset for _, offset in bench.source.asked if offset] == [300]


def test_no_network_keeps_what_is_verified_and_the_next_run_goes_on(bench: Bench) -> None:
    bench.run()
    bench.place.directory.rename(bench.place.staging)
    (bench.place.staging / "part1-1.jar").unlink()
    bench.source.down = True
    with pytest.raises(NetworkDown) as caught:
        bench.run()
    assert "make setup" in caught.value.remedy
    assert "no route to the repository" in caught.value.checked[0]
    assert not bench.place.directory.exists()
    assert bench.leftovers >= {"part0-1.jar", "part2-1.jar", "part3-1.jar"}
    bench.source.down = False
    bench.source.asked.clear()
    assert bench.run() == "resumed"
    assert {name for name, _ in bench.source.asked} == {"part1"}


def test_a_half_file_of_a_killed_run_is_completed(bench: Bench) -> None:
    bench.place.staging.mkdir(parents=True)
    (bench.place.staging / "part1-1.jar.part").write_bytes(FILES["part1"][:400])
    assert bench.run() == "resumed"
    assert ("part1", 400) in bench.source.asked
    bench.place.check(thorough=True)


def test_foreign_and_wrong_files_of_a_killed_run_are_not_trusted(bench: Bench) -> None:
    bench.place.staging.mkdir(parents=True)
    (bench.place.staging / "part1-1.jar").write_bytes(b"Z" * len(FILES["part1"]))
    (bench.place.staging / "part2-1.jar.part").write_bytes(b"Z" * 400)
    (bench.place.staging / "evil.jar").write_bytes(b"Z")
    bench.run()
    bench.place.check(thorough=True)


def test_a_wrong_download_is_fetched_once_more(bench: Bench) -> None:
    bench.source.wrong = [b"Z" * 1000]
    bench.run()
    bench.place.check(thorough=True)


@pytest.mark.parametrize("content", [b"Z" * 1000, b"Z", b"", b"Z" * 10**6])
def test_a_file_that_is_wrong_twice_is_a_named_error(bench: Bench, content: bytes) -> None:
    bench.source.files["part0"] = content
    with pytest.raises(WrongContent) as caught:
        bench.run()
    assert "org.example:part0:1" in caught.value.cause
    assert not bench.place.directory.exists()
    assert not {name for name in bench.leftovers if name.startswith("part0")}
    assert bench.report.steps[-1].downloaded < 10_000, "an endless answer would fill the disk"


class Full(io.BytesIO):
    """A file on a disk that has room for 250 bytes more."""

    def write(self, data: Any) -> int:
        """Take what fits."""
        room = 250 - self.tell()
        if room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(bytes(data)[:room])


def full(path: Path) -> IO[bytes]:
    path.write_bytes(b"")
    return Full()


def test_a_full_disk_is_told_and_leaves_no_half_file(bench: Bench) -> None:
    bench.opener = full
    with pytest.raises(DiskFull) as caught:
        bench.run()
    assert "SLUICE_CACHE" in caught.value.remedy
    assert "bytes free" in caught.value.checked[0]
    assert not bench.leftovers
    bench.opener = append
    assert bench.run() == "resumed"


def test_a_file_with_two_places_is_downloaded_once(tmp_path: Path) -> None:
    bench = Bench(Place(tmp_path, distribution('["lib", "plugin/a"]')))
    bench.run()
    assert len(bench.source.asked) == len(FILES)
    (bench.place.directory / "plugin/a/part0-1.jar").unlink()
    bench.source.down = True
    assert bench.run() == "healed", "the other place has the file"


def test_two_set_ups_at_once_do_the_work_once(bench: Bench) -> None:
    other = Bench(bench.place, bench.source)
    with ThreadPoolExecutor() as pool:
        outcomes = list(pool.map(lambda each: each.run(), (bench, other)))
    assert sorted(outcomes) == ["already complete", "complete"]
    assert len(bench.source.asked) == len(FILES)


def test_the_first_error_stops_the_other_downloads(bench: Bench) -> None:
    bench.source.down = True
    fetcher = Fetcher(bench.source)
    with pytest.raises(NetworkDown):
        Provisioner(bench.place, fetcher).run()
    assert fetcher.stop.is_set()
