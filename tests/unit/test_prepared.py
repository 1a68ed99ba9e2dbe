"""The prepared folder: used where it is as it was recorded, and made again by set-up where not."""

from pathlib import Path

import pytest

from pytest_sluice import class_data, preparation
from pytest_sluice.distributions.made import MadeFolder
from pytest_sluice.distributions.problems import Exposed, NotProvisioned


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the prepared folder would be; its preparation takes no service."""

    def make(folder: Path, say: preparation.Say) -> None:
        (folder / "kafka.jsa").write_bytes(b"made")
        say("made")

    monkeypatch.setattr(preparation, "prepared_root", lambda: tmp_path / "prepared-1")
    monkeypatch.setattr(preparation, "_prepare", make)
    monkeypatch.setattr(class_data, "jars", lambda name: ())
    monkeypatch.setattr(class_data, "java", lambda: Path("java"))
    return tmp_path / "prepared-1"


def prepare() -> list[str]:
    told: list[str] = []
    preparation.prepare(told.append)
    return told


def test_it_is_made_once(root: Path) -> None:
    assert "made" in prepare()
    assert prepare() == []
    class_data.tools(root)


def test_what_was_changed_is_not_used_and_set_up_makes_it_again(root: Path) -> None:
    prepare()
    (root / "kafka.jsa").write_bytes(b"evil")
    with pytest.raises(NotProvisioned, match=r"kafka\.jsa: changed \(another sha256\)"):
        class_data.tools(root)
    told = prepare()
    assert told[0] == (
        "the prepared services were changed (kafka.jsa: changed (another sha256)): "
        "they are made again"
    )
    class_data.tools(root)


def test_the_empty_record_of_an_older_version_is_none(root: Path) -> None:
    root.mkdir()
    class_data.complete(root).touch()
    with pytest.raises(NotProvisioned, match="it is no record"):
        class_data.tools(root)
    assert "made" in prepare()
    class_data.tools(root)


def test_a_preparation_that_goes_on_needs_no_record(root: Path) -> None:
    root.mkdir()
    class_data.tools(root, making=True)
    class_data.tools(root, record=True)


def test_what_an_interrupted_preparation_left_is_not_used(root: Path) -> None:
    root.mkdir()
    (root / "launchers.jar").write_bytes(b"half")
    with pytest.raises(NotProvisioned, match="setup"):
        class_data.tools(root)


def test_a_folder_behind_a_link_is_made_anew_and_the_other_one_is_left(root: Path) -> None:
    prepare()
    elsewhere = root.rename(root.with_name("elsewhere"))
    root.symlink_to(elsewhere)
    with pytest.raises(NotProvisioned, match="a link"):
        class_data.tools(root)
    assert "made" in prepare()
    assert not root.is_symlink()
    assert (elsewhere / "kafka.jsa").exists()


@pytest.mark.parametrize("path", ["", "prepared-1", "prepared-1/complete", "prepared-1/kafka.jsa"])
def test_a_prepared_folder_that_others_can_write_is_refused(root: Path, path: str) -> None:
    prepare()
    exposed = root.parent / path
    exposed.chmod(exposed.stat().st_mode | 0o020)
    with pytest.raises(Exposed, match="chmod -R go-w"):
        MadeFolder(root).check()
