"""What the Dockerfile runs to fill an image's cache; not for use outside of it.

python tools/image.py bring ORIGIN       distributions from the host's cache, verified again
python tools/image.py prepare KEPT OUT   states and archives; those kept from an earlier build
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def bring(origin: Path) -> None:
    """Copy what ORIGIN has of each distribution, then verify it all and complete what is absent.

    Runs without the rest of the project, so that a change there does not copy a gigabyte.
    """
    from pytest_sluice.distributions import cache_root, provision
    from pytest_sluice.distributions.cache import Place
    from pytest_sluice.distributions.lock import committed
    from pytest_sluice.distributions.report import Summary, plain

    summary = Summary(plain)
    for distribution in committed().values():
        there, place = origin / distribution.directory, Place(cache_root(), distribution)
        if distribution.artifacts and there.is_dir():
            place.staging.parent.mkdir(parents=True, exist_ok=True)
            copy(there, place.staging)
    provision(report=summary)
    print(summary.total(), flush=True)


def copy(there: Path, target: Path) -> None:
    """Copy a folder of the host, for root: what belongs to another user is refused in a cache."""
    # Not shutil: it would make two files of the two names of one.
    command = ["cp", "-a", "--no-preserve=ownership", str(there), str(target)]
    subprocess.run(command, check=True)


def prepare(kept: Path, out: Path) -> None:
    """Leave the prepared folder below OUT, made anew where KEPT has none for these distributions.

    It has to be made where it will be used: an archive knows the paths of its jars.
    """
    from pytest_sluice.class_data import complete, prepared_root
    from pytest_sluice.preparation import prepare

    root = prepared_root()
    known = kept / root.name
    if not complete(known).exists():
        prepare(lambda line: print(line, flush=True))
        for name in ("lock", "logs"):
            _remove(root / name)
        for former in kept.iterdir():
            _remove(former)
        shutil.copytree(root, known)
        _remove(root)
    shutil.copytree(known, out / root.name)
    # Made by root, and to be copied by everybody; Hadoop keeps its folders to itself.
    subprocess.run(["chmod", "-R", "a+rX", str(out)], check=True)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


if __name__ == "__main__":
    os.umask(0o022)
    match sys.argv[1:]:
        case ["bring", origin]:
            bring(Path(origin))
        case ["prepare", kept, out]:
            prepare(Path(kept), Path(out))
        case _:
            raise SystemExit(__doc__)
