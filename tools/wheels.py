"""A wheelhouse in the cache: pip downloads once, with hash checking; every clone installs from it.

    python tools/wheels.py tools DIRECTORY    make a virtual environment that has tox in it
    python tools/wheels.py pip ARGUMENTS ...  pip, from the wheelhouse alone where there is one
    python tools/wheels.py install [NAME ...] these packages alone, or those of an image

Only the standard library: this runs before anything is installed.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements.txt"
IMAGE = ROOT / "requirements-image.txt"  # those of the former that a container needs
BUILDERS = ("setuptools", "wheel")  # what builds the packages that come as source
CHECKED = (
    *("install", "--quiet", "--no-cache-dir", "--no-deps", "--require-hashes"),
    "--no-build-isolation",
)
FROM_SOURCE = ("pyspark", "yattag")


def cache_root() -> Path:
    """As pytest_sluice.distributions.cache_root, which needs platformdirs."""
    if chosen := os.environ.get("SLUICE_CACHE"):
        return Path(chosen).expanduser().absolute()
    usual = Path(os.environ.get("XDG_CACHE_HOME", "").strip() or "~/.cache").expanduser()
    if sys.platform == "darwin":
        usual = Path.home() / "Library/Caches"
    if re.fullmatch(r"[A-Za-z0-9/._~@+-]*", str((usual / "pytest-sluice").resolve())):
        return usual / "pytest-sluice"
    return Path("/var/tmp") / f"pytest-sluice-{os.geteuid()}"


def wheelhouse() -> Path:
    """The directory for this requirements.txt, this version of Python and this platform."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    tag = f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
    return cache_root() / "wheels" / f"{digest}-{tag}"


def requirements(text: str) -> dict[str, str]:
    """Name -> its lines (pin and hashes) of a compiled requirements file."""
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    return {_canonical(re.split(r"[=\[ ;@]", block, maxsplit=1)[0]): block for block in blocks}


def _canonical(name: str) -> str:
    """As requirements files write it; the file name of a wheel has underscores."""
    return re.sub(r"[-_.]+", "-", name).lower()


def offline(house: Path) -> dict[str, str]:
    """The environment in which pip sees the wheelhouse alone; a URL, for paths with spaces."""
    return {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": house.as_uri()}


def sound(house: Path) -> bool:
    """True if every wheel is there with the sha256 that was recorded."""
    try:
        recorded = json.loads((house / "wheels.json").read_bytes())
        return all(_sha256(house / name) == digest for name, digest in recorded.items())
    except (OSError, ValueError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def build(house: Path, python: Path) -> None:
    """Fill the wheelhouse, or resume; it appears by a rename when it is complete."""
    house.parent.mkdir(parents=True, exist_ok=True)
    with _alone(house.with_suffix(".lock")):
        if sound(house):
            return
        shutil.rmtree(house, ignore_errors=True)
        partial = house.with_suffix(".partial")
        wanted = requirements(REQUIREMENTS.read_text("utf-8"))
        source = {name: wanted.pop(name) for name in FROM_SOURCE}
        _group(python, partial, "binary", wanted, "--only-binary=:all:")
        _pip(python, ["install", "--quiet", *BUILDERS], offline(partial))
        _group(python, partial, "source", source, "--no-build-isolation")
        _record(partial, [*wanted, *source])
        partial.rename(house)


def _group(python: Path, partial: Path, name: str, blocks: dict[str, str], option: str) -> None:
    """Bring some wheels into the partial house, unless an earlier try has done so."""
    lines = partial / f"{name}.txt"
    if lines.exists():
        return
    scratch = partial.with_suffix(f".{name}")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    (scratch / lines.name).write_text("".join(blocks.values()), "utf-8")
    bar = [] if sys.stdout.isatty() else ["--progress-bar=off"]
    wheels = ["--wheel-dir", str(scratch), "--no-deps", "--require-hashes", option, *bar]
    _pip(python, ["wheel", "--quiet", *wheels, "-r", str(scratch / lines.name)], dict(os.environ))
    partial.mkdir(exist_ok=True)
    for path in sorted(scratch.iterdir(), key=lambda path: path.suffix == ".txt"):
        path.replace(partial / path.name)
    scratch.rmdir()


def _record(house: Path, names: list[str]) -> None:
    """Write what is there, and the requirements with the hashes of the wheels at hand."""
    wheels = {path.name: _sha256(path) for path in sorted(house.glob("*.whl"))}
    lines = []
    for wheel, digest in wheels.items():
        name, version = wheel.split("-")[:2]
        lines.append(f"{name}=={version} --hash=sha256:{digest}\n")
    if len(lines) != len(names):
        raise SystemExit(f"the wheelhouse {house} has {len(lines)} wheels for {len(names)} names")
    (house / REQUIREMENTS.name).write_text("".join(lines), "utf-8")
    (house / "wheels.json").write_text(json.dumps(wheels, indent=0), "utf-8")


def _pip(python: Path, arguments: list[str], environment: dict[str, str]) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    if code := subprocess.run(command, env=environment, check=False).returncode:
        raise SystemExit(
            f"setup failed: `pip {arguments[0]}` ended with exit code {code} (see above)\n"
            "  remedy: connect to the network, or free some space in the cache "
            f"({cache_root()}, or where SLUICE_CACHE says); then run `make setup` again"
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time; the kernel lets go however the holder ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tools(directory: Path) -> None:
    """Make the virtual environment of the tools, and the wheelhouse if need be."""
    started, house = time.monotonic(), wheelhouse()
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    python = directory / "bin/python"
    there = sound(house)
    if not there:
        print(f"wheelhouse: filling {house}", flush=True)
        build(house, python)
    _pip(python, ["install", "--quiet", "tox"], offline(house))
    size = sum(path.stat().st_size for path in house.glob("*.whl")) / 1e6
    seconds, outcome = time.monotonic() - started, "already complete" if there else "complete"
    print(f"wheels        {size:8.1f} MB {seconds:7.2f} s  {outcome}", flush=True)


def pip(arguments: list[str]) -> None:
    """Become pip, with the wheelhouse in place of the index where it is complete."""
    house, environment = wheelhouse(), dict(os.environ)
    if (house / "wheels.json").exists():
        environment = offline(house)
        local = str(house / REQUIREMENTS.name)
        arguments = [local if _is_ours(argument) else argument for argument in arguments]
    os.execve(sys.executable, [sys.executable, "-I", "-m", "pip", *arguments], environment)


def install(names: list[str]) -> None:
    """Install these packages of requirements.txt, hash-checked, or those that the image needs.

    What comes as source is built without isolation, so that nothing unchecked takes part in it.
    """
    house, environment = wheelhouse(), dict(os.environ)
    known = requirements(REQUIREMENTS.read_text("utf-8"))
    if (house / "wheels.json").exists():
        environment = offline(house)
        known = requirements((house / REQUIREMENTS.name).read_text("utf-8"))
    for group in [names] if names else [BUILDERS, requirements(IMAGE.read_text("utf-8"))]:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("".join(known[name] for name in group))
            file.flush()
            _pip(Path(sys.executable), [*CHECKED, "-r", file.name], environment)


def _is_ours(argument: str) -> bool:
    return Path(argument).name == REQUIREMENTS.name and Path(argument).resolve() == REQUIREMENTS


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["tools", directory]:
            tools(Path(directory))
        case ["pip", *arguments]:
            pip(arguments)
        case ["install", *names]:
            install(names)
        case _:
            raise SystemExit(__doc__)
