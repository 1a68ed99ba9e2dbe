"""The outermost ORDER BY of a query, and which columns of the result are its keys. Pure.

It reads tokens, not grammar: what it does not recognise is a key that is not printed, so that no
order is claimed which the query does not ask for.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<nothing> \s+ | --[^\n]* | /\*.*?\*/ )
  | (?P<token> '(?:[^']|'')*' | "(?:[^"]|"")*" | \d+(?:\.\d*)? | \w+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_ENDS = frozenset({"limit", "offset", "fetch"})
_SETS = frozenset({"union", "intersect", "except"})
_LAST_WORDS = frozenset({"end", "null", "true", "false"})


class Token(NamedTuple):
    """A word, literal or sign; names are in lower case, with one ``"`` before a quoted one."""

    text: str
    start: int
    end: int
    depth: int

    @property
    def name(self) -> str:
        """The identifier that it is; empty for a literal or a sign."""
        if self.text.startswith('"'):
            return self.text[1:]
        return self.text if self.text[0].isalpha() or self.text[0] == "_" else ""


Expression = tuple[str, ...]


def order_keys(sql: str, headings: Sequence[str]) -> tuple[list[int], str]:
    """Where the leading keys of the outermost ORDER BY stand under the headings of the result.

    The second value is the text of the first key that is no column of the result, after which the
    others order nothing that can be seen; it is empty where there is none.
    """
    tokens = _unwrapped(_tokens(sql))
    items = _selected(tokens)
    found: list[int] = []
    for key in _keys(tokens):
        place = _place(_unwrapped(key), [heading.lower() for heading in headings], items)
        if place is None:
            return found, sql[key[0].start : key[-1].end] if key else ""
        found.append(place)
    return found, ""


def _tokens(sql: str) -> list[Token]:
    tokens, depth = [], 0
    for match in _TOKEN.finditer(sql):
        if (text := match["token"]) is None or text == ";":
            continue
        depth -= text in (")", "]")
        tokens.append(Token(_folded(text), match.start(), match.end(), depth))
        depth += text in ("(", "[")
    return tokens


def _folded(text: str) -> str:
    if text.startswith('"') and len(text) > 1:
        return '"' + text[1:-1].lower()
    return text if text.startswith("'") else text.lower()


def _unwrapped(tokens: Sequence[Token]) -> list[Token]:
    """The tokens within the parentheses that stand around all of them, at the depth 0."""
    tokens = list(tokens)
    while tokens and tokens[0].text == "(" and _closing(tokens) == len(tokens) - 1:
        tokens = tokens[1:-1]
    outer = min((token.depth for token in tokens), default=0)
    return [token._replace(depth=token.depth - outer) for token in tokens]


def _closing(tokens: Sequence[Token]) -> int:
    ends = (i for i, t in enumerate(tokens) if t.text == ")" and t.depth == tokens[0].depth)
    return next(ends, -1)


def _keys(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """The keys of the outermost ORDER BY, without their direction."""
    texts = [token.text if token.depth == 0 else "" for token in tokens]
    starts = [i + 2 for i in range(len(texts) - 1) if texts[i : i + 2] == ["order", "by"]]
    if not starts:
        return
    start = starts[-1]
    # LIMIT and its like may be names of columns: then they begin a key, or follow a point.
    ends = (
        i
        for i in range(start + 1, len(tokens))
        if texts[i] in _ENDS and texts[i - 1] not in (",", ".")
    )
    for key in _split(tokens[start : next(ends, len(tokens))]):
        yield _directionless(key)


def _directionless(key: list[Token]) -> list[Token]:
    if len(key) > 2 and key[-2].text == "nulls":
        key = key[:-2]
    return key[:-1] if len(key) > 1 and key[-1].text in ("asc", "desc") else key


def _split(tokens: Iterable[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.text == "," and token.depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _selected(tokens: Sequence[Token]) -> list[list[Token]]:
    """The columns that the query selects; none where a union or the like has several lists."""
    outer = [(i, token.text) for i, token in enumerate(tokens) if token.depth == 0]
    starts = [i for i, text in outer if text == "select"]
    if len(starts) != 1 or any(text in _SETS for _, text in outer):
        return []
    ends = (i for i, text in outer if i > starts[0] and text in ("from", "order", *_ENDS))
    items = _split(tokens[starts[0] + 1 : next(ends, len(tokens))])
    if items[0] and items[0][0].text in ("distinct", "all"):
        items[0] = items[0][1:]
    return items


def _place(
    key: Sequence[Token], headings: Sequence[str], items: Sequence[Sequence[Token]]
) -> int | None:
    """Which column of the result a key is: by its number, its name, or its expression."""
    if len(key) == 1 and key[0].text.isdecimal():
        number = int(key[0].text)
        return number - 1 if 1 <= number <= len(headings) else None
    wanted = _expression(key)
    if len(key) == 1 and headings.count(wanted[0]) == 1 and key[0].name:
        return headings.index(wanted[0])
    if any(item and item[-1].text == "*" for item in items):  # so nobody knows the places
        return _of_star(key, headings, items)
    accepted = {wanted, wanted[-1:]} if _is_qualified(key) else {wanted}
    for place, item in enumerate(items):
        if accepted & _expressions(item):
            return place if place < len(headings) else None
    return None


def _of_star(
    key: Sequence[Token], headings: Sequence[str], items: Sequence[Sequence[Token]]
) -> int | None:
    """The column of ``select *`` that a qualified name means."""
    name = key[-1].name
    known = len(items) == 1 and _is_qualified(key) and headings.count(name) == 1
    return headings.index(name) if known else None


def _is_qualified(key: Sequence[Token]) -> bool:
    points = {token.text for token in key[1::2]}
    return len(key) > 2 and points == {"."} and all(token.name for token in key[::2])


def _expressions(item: Sequence[Token]) -> set[Expression]:
    """What a selected column may be called by: its expression, with and without its alias."""
    whole = _expression(item)
    if len(item) > 2 and item[-2].text == "as":
        return {whole[:-2]}
    aliased = len(item) > 1 and item[-1].name and item[-1].text not in _LAST_WORDS
    return {whole, whole[:-1]} if aliased and item[-2].text != "." else {whole}


def _expression(tokens: Sequence[Token]) -> Expression:
    return tuple(token.text.removeprefix('"') for token in tokens)
