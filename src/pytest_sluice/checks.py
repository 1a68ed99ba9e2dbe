"""Checks of a declared value, where it stands: each error names field, value and what is allowed.

They are called by ``__post_init__`` of frozen dataclasses. A list becomes a tuple and a str a Path,
which changes nothing for whoever reads the declaration.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Any

from pytest_sluice.errors import BadDeclaration


def refuse(owner: object, field: str, seen: object, allowed: str, remedy: str = "") -> None:
    """Raise BadDeclaration for a field of ``owner``; ``allowed`` completes "it must be"."""
    name = f"{type(owner).__name__}.{field}"
    raise BadDeclaration(f"{name} is {shown(seen)}; it must be {allowed}", remedy=remedy)


def shown(value: object) -> str:
    """A value in a few words: a simple one as it is, one with parts by type and length."""
    if value is None or isinstance(value, (str, int, float)):
        return repr(value)
    kind = type(value).__name__
    article = "an" if kind[0] in "AEIOUaeiou" else "a"
    size = f" of {len(value)}" if isinstance(value, (Sequence, Mapping, set, frozenset)) else ""
    return f"{article} {kind}{size}"


def require(owner: object, field: str, ok: Callable[[Any], bool], allowed: str) -> None:
    """Refuse the value of a field that is not ``ok``."""
    if not ok(value := getattr(owner, field)):
        refuse(owner, field, value, allowed)


def require_kind(owner: object, field: str, kinds: type | tuple[type, ...], allowed: str) -> None:
    """Refuse a value of another type."""
    require(owner, field, lambda value: isinstance(value, kinds), allowed)


def require_text(owner: object, *fields: str, empty: bool = False) -> None:
    """Refuse what is no str, and an empty one unless ``empty``."""
    for field in fields:
        allowed = "a str" if empty else "a str that is not empty"
        require(owner, field, lambda text: isinstance(text, str) and bool(empty or text), allowed)


def require_number(owner: object, field: str, least: int = 1, most: int | None = None) -> None:
    """Refuse what is no int between ``least`` and ``most``; True is none."""
    allowed = f"an int of at least {least}" + ("" if most is None else f" and at most {most}")
    require(
        owner,
        field,
        lambda number: type(number) is int and least <= number and (most is None or number <= most),
        allowed,
    )


def matches(pattern: str) -> Callable[[Any], bool]:
    """Whether a value is a text of that form, whole."""
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def is_header(item: Any) -> bool:
    """Whether an item is a name and a value."""
    pair = isinstance(item, (tuple, list)) and len(item) == 2
    return pair and all(isinstance(text, str) for text in item)


def is_status(item: Any) -> bool:
    """Whether an item is a status of HTTP."""
    return type(item) is int and 100 <= item <= 599


def freeze(owner: object, field: str, ok: Callable[[Any], bool], allowed: str) -> None:
    """Make a sequence, each item of it ``ok``, a tuple; a str is no sequence here.

    ``allowed`` is what an item must be.
    """
    items = getattr(owner, field)
    if isinstance(items, (str, bytes)) or not isinstance(items, Sequence):
        refuse(owner, field, items, f"a tuple, each item of it {allowed}")
    for number, item in enumerate(items):
        if not ok(item):
            refuse(owner, f"{field}[{number}]", item, allowed)
    object.__setattr__(owner, field, tuple(items))


def freeze_texts(owner: object, field: str) -> None:
    """Make a sequence of str a tuple."""
    freeze(owner, field, lambda text: isinstance(text, str), "a str")


def freeze_kinds(owner: object, field: str, kind: type) -> None:
    """Make a sequence of values of one type a tuple."""
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    freeze(owner, field, lambda item: isinstance(item, kind), f"{article} {kind.__name__}")


def make_path(owner: object, field: str) -> None:
    """Make a str a Path; refuse anything else that is none."""
    value = getattr(owner, field)
    if not isinstance(value, (str, Path)) or not str(value):
        refuse(owner, field, value, "a Path")
    object.__setattr__(owner, field, Path(value))


def require_mapping(owner: object, field: str) -> None:
    """Refuse what does not map str to str; no value of it is shown, since it may be a secret."""
    values = getattr(owner, field)
    if not isinstance(values, Mapping):
        refuse(owner, field, values, "a mapping of str to str")
    for key, value in values.items():
        if not isinstance(key, str) or not key:
            refuse(owner, f"{field}, by one of its keys,", key, "a str that is not empty")
        if not isinstance(value, str):
            refuse(owner, f"{field}[{key!r}]", value, f"a str, such as {str(value)!r}")


def require_texts(owner: object, field: str, known: frozenset[str]) -> None:
    """Refuse what does not map str to str, and placeholders that nothing fills in its values."""
    require_mapping(owner, field)
    for key, text in getattr(owner, field).items():
        require_placeholders(owner, f"{field}[{key!r}]", text, known)


def require_path_inside(owner: object, field: str, known: frozenset[str]) -> None:
    """Refuse what is no path in the file system of the run."""
    require(
        owner,
        field,
        lambda path: isinstance(path, str) and path.startswith(("/", "{root}/")),
        "a path that begins with / or with {root}/",
    )
    require_placeholders(owner, field, getattr(owner, field), known)


def require_different(owner: object, field: str, names: Sequence[object], what: str) -> None:
    """Refuse two parts of one name; ``what`` they are called by."""
    for number, name in enumerate(names):
        if name in names[:number]:
            owned = f"{type(owner).__name__}.{field}"
            raise BadDeclaration(f"{owned} has two of the {what} {name!r}; it must be one each")


def require_placeholders(owner: object, field: str, text: str, known: frozenset[str]) -> None:
    """Refuse a placeholder that nothing fills, in a text that is (part of) a field."""
    where = f"{type(owner).__name__}.{field}"
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise BadDeclaration(
            f"cannot read the placeholders of {text!r}, which is {where}: {error}"
        ) from error
    named = {name for _, name, _, _ in parts if name is not None}
    bent = any(form or conversion for _, _, form, conversion in parts)
    if unknown := named - known:
        raise BadDeclaration(
            f"unknown placeholder {', '.join(sorted(unknown))!r} in {text!r}, which is {where}",
            checked=[f"known here are {', '.join(sorted(known)) or 'none'}"],
            remedy="write literal braces twice: {{ and }}",
        )
    if bent:
        raise BadDeclaration(
            f"a placeholder of {text!r}, which is {where}, has a format; it must be a bare name"
        )
