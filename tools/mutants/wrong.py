"""The wrong versions of the pipeline and of its declaration, written by hand in pipeline.toml."""

import tomllib
from pathlib import Path
from typing import Any

from pytest_sluice.errors import SluiceError
from tools.mutants.mutant import Mutant

LIST = Path(__file__).with_name("pipeline.toml")


def wrong_versions(root: Path, text: str | None = None) -> list[Mutant]:
    """Read the list, or `text` in its place, against the files under `root`.

    Raises SluiceError where an old text does not occur exactly once in its file.
    """
    entries = tomllib.loads(LIST.read_text("utf-8") if text is None else text)["mutant"]
    return [_version(root, entry) for entry in entries]


def _version(root: Path, entry: dict[str, Any]) -> Mutant:
    before = (root / entry["file"]).read_text("utf-8")
    if (times := before.count(entry["old"])) != 1:
        raise SluiceError(
            f"the mutant {entry['name']!r} does not apply: its old text occurs {times} times"
            f" in {entry['file']}",
            checked=[entry["old"]],
            remedy="adapt it in tools/mutants/pipeline.toml: the text has to occur exactly once",
        )
    return Mutant(
        name=entry["name"],
        group="pipeline",
        path=entry["file"],
        before=before,
        after=before.replace(entry["old"], entry["new"]),
        levels=tuple(entry["levels"]),
        stage=entry["stage"],
        in_ci=entry.get("ci", False),
    )
