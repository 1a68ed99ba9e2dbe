"""Main classes of our own, for servers of Java that have no setting for the address they bind.

They are compiled once, at preparation, by the compiler that is among Spark's jars (Janino): the JRE
has none.
"""

import os
import subprocess
from pathlib import Path

from pytest_sluice.distributions import jars, java
from pytest_sluice.errors import ServiceNotReady

SOURCES = Path(__file__).parent / "java"
COMPILE = SOURCES / "Compile.java"
LAUNCHERS = (SOURCES / "HiveAuthUtils.java", SOURCES / "OwnAddressPresto.java")


def launchers_jar(root: Path) -> Path:
    """The jar of the launchers in a prepared folder."""
    return root / "launchers.jar"


def sources() -> tuple[str, ...]:
    """The texts that the jar is made from."""
    return tuple(path.read_text(encoding="utf-8") for path in (COMPILE, *LAUNCHERS))


def build(root: Path) -> Path:
    """Compile the launchers to their jar; ServiceNotReady with what the compiler says against it.

    Presto's jars come first: of the two Nettys at hand it is Presto's that is extended.
    """
    class_path = os.pathsep.join(map(str, (*jars("presto"), *jars("spark"))))
    target = launchers_jar(root)
    # The compiler compiles and runs the class that compiles the others and writes the jar.
    main = ("org.codehaus.janino.SimpleCompiler", COMPILE, COMPILE.stem, target, *LAUNCHERS)
    command = [str(java()), "-cp", class_path, *map(str, main)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).splitlines()
        raise ServiceNotReady(
            "the launchers of the metastore and of Presto could not be compiled",
            # What it says stands before and between the frames of its own stack.
            checked=[line for line in said if not line.startswith("\tat ")][:10],
        )
    return target
