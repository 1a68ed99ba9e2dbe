"""What the text of a setting means: each parser returns its value, or raises ValueError."""

import re

from pytest_sluice.offsets import interval_seconds

BACKENDS = ("process", "compose", "containers", "external")


def backend(text: str) -> str:
    """One of the backends."""
    if text not in BACKENDS:
        raise ValueError(f"backends are {', '.join(BACKENDS)}")
    return text


def flag(text: str) -> bool:
    """A word for yes or no."""
    try:
        return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
            text.lower()
        ]
    except KeyError:
        raise ValueError("write true or false") from None


def kafka(text: str) -> str:
    """How the broker keeps its metadata."""
    if text not in ("kraft", "zookeeper"):
        raise ValueError("Kafka runs with kraft or zookeeper")
    return text


def interval(text: str) -> str:
    """A trigger interval, as Spark writes it."""
    interval_seconds(text)
    return text


# The forms of a master; what Spark makes of N, HOST and the rest is its own business.
_MASTERS = (
    r"local(\[(\d+|\*)(,\s*\d+)?\])?",
    r"spark://[^\s:,/]+:\d+(,[^\s:,/]+:\d+)*",
    r"yarn",
    r"k8s://\S+",
)


def master(text: str) -> str:
    """A master of Spark, in one of its four forms."""
    if not any(re.fullmatch(form, text) for form in _MASTERS):
        raise ValueError("masters are local[N], spark://HOST:PORT,..., yarn and k8s://HOST:PORT")
    return text


def number(text: str) -> int:
    """How many copies or parts: 1 or more."""
    if (found := int(text)) <= 0:
        raise ValueError("a number of copies or parts is 1 or more")
    return found


def factor(text: str) -> float:
    """By what deadlines are multiplied: more than 0."""
    if (found := float(text)) <= 0:
        raise ValueError("a factor is greater than 0")
    return found
