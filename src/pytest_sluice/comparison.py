"""When measured rows are the printed ones, by the types of their columns. Pure.

Values of different kinds are never equal: true is not 1, a text is no number, and 1 is not 1.0,
unless a tolerance is declared: then any two numbers are equal that differ by no more than it. The
client answers decimals as texts; in such a column a printed number or text is read as a decimal.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import isfinite, isnan
from typing import Any

from pytest_sluice.sql import Row

Tolerance = int | float | Decimal | None

_TYPE = re.compile(r"(?P<base>[^(]+)(?:\((?P<arguments>.*)\))?(?P<rest>.*)", re.DOTALL)
_FIELD = re.compile(r'(?:"[^"]*"|\w+)\s+(?P<type>.+)', re.DOTALL)
_NESTED = frozenset({"array", "map", "row"})
# Doubles that JSON has no number for; the client answers their names.
_NO_DIGITS = ("NaN", "Infinity", "-Infinity")
_NUMBERS = frozenset({"integer", "double", "decimal"})

# A value with its kind: "integer", 1. Hashable, and equal only to one of the same kind.
Cell = tuple[Hashable, ...]
Cells = tuple[Cell, ...]


def same(
    printed: Sequence[Row],
    measured: Sequence[Row],
    types: Sequence[str],
    key: Sequence[int] = (),
    tolerance: Tolerance = None,
) -> bool:
    """Whether rows are the same, in any order but for the columns ``key``, which are in order.

    ``types`` are Presto's, a column each; ``tolerance`` is absolute.
    """
    wanted = [_cells(row, types, _expected) for row in printed]
    found = [_cells(row, types, _answered) for row in measured]
    if len(wanted) != len(found):
        return False
    for one, other in zip(wanted, found, strict=True):
        if not all(_alike(one[place], other[place], tolerance) for place in key):
            return False
    if tolerance is None:
        return Counter(wanted) == Counter(found)
    return _paired([[_alike(one, other, tolerance) for other in found] for one in wanted])


def plain(value: Any) -> Any:
    """A printed cell as JSON gives it back; raises TypeError for what is no value of a query."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if isfinite(value) else str(value)
        case Decimal():
            return str(value)
        case list() | tuple():
            return [plain(each) for each in value]
        case dict():
            return {str(key): plain(each) for key, each in value.items()}
    raise TypeError(f"{value!r} is no value that a query answers")


def _cells(row: Row, types: Sequence[str], read: Callable[[Any, str], Any]) -> Cells:
    known = [*types, *[""] * (len(row) - len(types))]
    return tuple(_cell(read(value, known[place])) for place, value in enumerate(row))


def _answered(value: Any, type_: str) -> Any:
    """What Presto's client means by a value of that type."""
    base, arguments = _parsed(type_)
    if base in _NESTED:
        return _within(value, base, arguments, _answered)
    if base in ("double", "real") and (type(value) is int or value in _NO_DIGITS):
        return float(value)
    return _decimal(value) if base == "decimal" else value


def _key(key: str, type_: str) -> Any:
    """What the client means by the key of a map, which is always a text."""
    base, _ = _parsed(type_)
    try:
        match base:
            case "tinyint" | "smallint" | "integer" | "bigint":
                return int(key)
            case "double" | "real":
                return float(key)
            case "boolean":
                return key == "true"
    except ValueError:
        return key
    return _answered(key, type_)


def _expected(value: Any, type_: str) -> Any:
    """What a printed value means in a column of that type."""
    base, arguments = _parsed(type_)
    if base in _NESTED:
        return _within(value, base, arguments, _expected)
    return _decimal(value) if base == "decimal" else value


def _within(value: Any, base: str, types: Sequence[str], read: Callable[[Any, str], Any]) -> Any:
    if base == "map" and isinstance(value, dict) and len(types) == 2:
        of_key = _key if read is _answered else read
        return {of_key(key, types[0]): read(each, types[1]) for key, each in value.items()}
    if base == "array" and isinstance(value, (list, tuple)) and types:
        return [read(each, types[0]) for each in value]
    if base == "row" and isinstance(value, (list, tuple)) and len(value) == len(types):
        fields = [match["type"] if (match := _FIELD.fullmatch(t)) else t for t in types]
        return [read(each, field) for each, field in zip(value, fields, strict=True)]
    return value


def _parsed(type_: str) -> tuple[str, list[str]]:
    """``map(varchar, array(bigint))`` as ``map`` and the two types within."""
    match = _TYPE.fullmatch(type_.strip())
    if not match or match["rest"]:
        return "", []
    return match["base"].strip().lower(), _split(match["arguments"] or "")


def _split(arguments: str) -> list[str]:
    parts, depth = [""], 0
    for character in arguments:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _decimal(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return value


def _cell(value: Any) -> Cell:
    match value:
        case None:
            return ("null",)
        case bool():
            return ("boolean", value)
        case int():
            return ("integer", value)
        case float():
            return ("nan",) if isnan(value) else ("double", value)
        case Decimal():
            return ("nan",) if value.is_nan() else ("decimal", value)
        case str():
            return ("text", value)
        case list() | tuple():
            return ("array", *map(_cell, value))
        case dict():
            pairs = ((_cell(key), _cell(each)) for key, each in value.items())
            return ("map", *sorted(pairs, key=repr))
    return ("other", repr(value))


def _alike(one: Any, other: Any, tolerance: Tolerance) -> bool:
    """Whether two cells, or rows of them, are equal as far as the tolerance allows."""
    if tolerance is None or one == other:
        return bool(one == other)
    if not (isinstance(one, tuple) and isinstance(other, tuple) and one and other):
        return False
    if {one[0], other[0]} <= _NUMBERS:
        return _near(one[1], other[1], tolerance)
    return len(one) == len(other) and all(
        _alike(a, b, tolerance) for a, b in zip(one, other, strict=True)
    )


def _near(one: Any, other: Any, tolerance: Any) -> bool:
    if not all(isinstance(value, int) or isfinite(value) for value in (one, other)):
        return False  # the same infinity is equal already
    distance = abs(Fraction(str(one)) - Fraction(str(other)))
    return distance <= Fraction(str(tolerance))


def _paired(alike: Sequence[Sequence[bool]]) -> bool:
    """Whether every row has a partner of its own: rows near to one need not be near to another."""
    owners: dict[int, int] = {}
    neighbours = [[at for at, good in enumerate(row) if good] for row in alike]
    return all(_augmented(row, neighbours, owners) for row in range(len(neighbours)))


def _augmented(row: int, neighbours: Sequence[Iterable[int]], owners: dict[int, int]) -> bool:
    """Find a partner for a row, where others may have to change theirs."""
    came_from: dict[int, int] = {}
    queue = deque([row])
    while queue:
        current = queue.popleft()
        for place in neighbours[current]:
            if place in came_from:
                continue
            came_from[place] = current
            if place not in owners:
                _hand_over(place, row, came_from, owners)
                return True
            queue.append(owners[place])
    return False


def _hand_over(place: int, row: int, came_from: dict[int, int], owners: dict[int, int]) -> None:
    held = {owner: at for at, owner in owners.items()}
    while (taker := came_from[place]) != row:
        owners[place], place = taker, held[taker]
    owners[place] = row
