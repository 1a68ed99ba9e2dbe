"""The files of the tree that is judged, their digest, and a private copy of them."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A result holds as long as none of these changes; prose, benchmarks and these tools judge nothing.
COUNTED = ("conftest.py", "pipeline/", "pyproject.toml", "requirements.txt", "src/", "tests/")
# The tests of this tool judge the tool.
NOT_COUNTED = "tests/unit/test_mutants"


def files(root: Path = ROOT) -> list[str]:
    """List what git knows, or would add, as paths relative to `root`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in set(listed.split("\0")) if (root / name).is_file())


def digest(root: Path, names: Iterable[str]) -> str:
    """Digest the files that a result hangs on, by name and content."""
    total = hashlib.sha256()
    for name in names:
        if name.startswith(COUNTED) and not name.startswith(NOT_COUNTED):
            total.update(f"{name}\0".encode())
            total.update(hashlib.sha256((root / name).read_bytes()).digest())
    return total.hexdigest()[:16]


def copy(root: Path, names: Iterable[str], to: Path) -> None:
    """Copy these files of `root` into the folder `to`."""
    for name in names:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, to / name)
