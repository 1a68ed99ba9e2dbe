"""Whether two sessions found the same: the rows of their claims, as --sluice-claims writes them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Judged = Mapping[str, Any]

# The report queries columns under which a mapping may put when something happened.
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def differing(first: Sequence[Judged], other: Sequence[Judged]) -> list[str]:
    """The ids of the claims that were judged differently, or on other rows, or only once.

    Rows compare as multisets, and in order by the columns of ORDER BY: what ties may change places.
    Where rows tell the moments of their run, headings and types are compared alone.
    """
    one, two = ({claim["id"]: _essence(claim) for claim in claims} for claims in (first, other))
    return sorted((id for id in one.keys() | two.keys() if one.get(id) != two.get(id)), key=_number)


def _essence(claim: Judged) -> Any:
    measured = {by: _result(found, claim["ordered_by"]) for by, found in claim["measured"].items()}
    return claim["outcome"], claim["sql"], measured


def _result(found: Any, ordered_by: Sequence[str]) -> Any:
    if isinstance(found, str):  # a fact, or an engine's refusal
        return found
    rows = found["rows"]
    if any(isinstance(cell, str) and MOMENT.match(cell) for row in rows for cell in row):
        return found["columns"], found["types"]
    headings = [heading.lower() for heading in found["columns"]]
    key = [headings.index(name.lower()) for name in ordered_by if name.lower() in headings]
    in_order = [[row[place] for place in key] for row in rows]
    return found["columns"], found["types"], sorted(map(repr, rows)), in_order


def _number(id: str) -> tuple[int, str]:
    return (int(id) if id.isdecimal() else 0, id)
