"""Apache Bench (`ab`) sends the bursts; it comes from the system's packages, not from the lock."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from pytest_sluice.distributions.problems import ProvisioningFailed
from pytest_sluice.errors import SluiceError

PACKAGES = {
    "Debian, Ubuntu": "apt-get install apache2-utils",
    "Fedora": "dnf install httpd-tools",
    "macOS": "it comes with the system, in /usr/sbin",
    "Alpine": "apk add apache2-utils",
}
APT_INSTALL = ("apt-get", "install", "-y", "--no-install-recommends", "apache2-utils")

Which = Callable[[str], str | None]
Run = Callable[[Sequence[str], Mapping[str, str]], int]


class BenchMissing(SluiceError):
    """`ab` is not there where it shall run: the machine lacks it, and the API is not to blame."""

    @classmethod
    def told(cls, *facts: str) -> Self:
        """``facts`` are what was tried."""
        ways = "; ".join(f"{system}: {how}" for system, how in PACKAGES.items())
        return cls("Apache Bench (`ab`) is missing", checked=facts, remedy=f"install it: {ways}")


class AbMissing(BenchMissing, ProvisioningFailed):
    """`ab` is not on the PATH and could not be installed."""


def ensure_ab(which: Which = shutil.which, run: Run | None = None) -> str:
    """Find `ab`, or install it where apt-get and root allow; the outcome in a few words.

    Raises AbMissing, which names the package of each system.
    """
    if found := which("ab"):
        return f"found {found}"
    if which("apt-get") is None or os.geteuid() != 0:
        raise AbMissing.told("`ab` is not on the PATH", "apt-get as root is not at hand")
    for command in (("apt-get", "update"), APT_INSTALL):
        if code := (run or _apt)(command, {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}):
            raise AbMissing.told(f"`{' '.join(command)}` ended with exit code {code}")
    if found := which("ab"):
        return f"installed {found}"
    raise AbMissing.told("apt-get installed apache2-utils, but `ab` is not on the PATH")


def _apt(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run it with its output on ours, since it takes a while."""
    return subprocess.run(command, env=environment, check=False).returncode
