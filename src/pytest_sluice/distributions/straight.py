"""A path that Java writes as it is: a class data archive knows no class below another one.

The JVM compares the path of a jar with its URL, in which a space is `%20` (the same goes for any
letter beyond ASCII). A link does not help: the JVM looks where it leads to.
"""

import re
from pathlib import Path

from pytest_sluice.distributions.problems import NotStraight

STRAIGHT = re.compile(r"[A-Za-z0-9/._~@+-]*")


def is_straight(path: Path) -> bool:
    """True if Java needs to encode nothing in the path, after all links."""
    return bool(STRAIGHT.fullmatch(str(path.resolve())))


def require_straight(path: Path) -> Path:
    """The path of a cache; raises NotStraight where Java would have to encode it."""
    if not is_straight(path):
        raise NotStraight.cache(path)
    return path
