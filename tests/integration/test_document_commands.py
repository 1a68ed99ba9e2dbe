"""The document's own commands, from `up` to `down`, typed into a fresh compose project."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.docker
def test_the_commands_of_the_document_print_what_it_prints() -> None:
    words = [sys.executable, "-m", "tools.walk", "--trigger", "1 second"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    walk = subprocess.run(
        words,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert walk.returncode == 0, walk.stdout
