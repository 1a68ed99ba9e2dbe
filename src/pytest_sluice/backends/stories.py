"""What is told of a role that nobody knows, or that died, or of a command that came to no end."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_sluice.contracts import Launch, Role
from pytest_sluice.errors import ServiceNotReady, SluiceError

# How much of a log is searched for exceptions, and how much of its end is told.
SEARCHED_LINES = 2000
TOLD_LINES = 20
# An exception's own line: what it is about stands above its trace, far from the end of a log.
_EXCEPTION = re.compile(r"^(Caused by: |Exception in |[\w.]+(Error|Exception): )")


def known(roles: Mapping[str, Role], name: str) -> Role:
    """The role of that name; SluiceError with the names that there are."""
    try:
        return roles[name]
    except KeyError:
        raise SluiceError(
            f"no role {name!r}", checked=[f"known are {', '.join(sorted(roles))}"]
        ) from None


def died(role: str, code: int, log: Sequence[str], where: str) -> ServiceNotReady:
    """The error of a dead role: exceptions and end of its ``log``; all of it is at ``where``."""
    return ServiceNotReady(
        f"{role} died with exit code {code}",
        checked=[*_causes(log), *log[-TOLD_LINES:]],
        remedy=f"its whole log is {where}",
    )


def overdue(launch: Launch, seconds: float, output: str) -> SluiceError:
    """The error of a command that was ended because its time was up."""
    return SluiceError(
        f"{Path(launch.argv[0]).name} ran for {seconds:g} s without an end, and was killed",
        checked=[" ".join(launch.argv[-6:]), *output.splitlines()[-TOLD_LINES:]],
    )


def _causes(lines: Sequence[str]) -> list[str]:
    """The distinct lines that name an exception, the last few of them, cut to a readable length."""
    found = dict.fromkeys(line[:300] for line in lines if _EXCEPTION.match(line))
    return list(found)[-4:]
