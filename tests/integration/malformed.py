"""A thousand messages of 20 kinds that are no event of the game, each with its reason.

Deterministic: the n-th message is the same in every run. A tombstone needs a key to be sent.
"""

import json
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import NamedTuple

MESSAGES = 1000
MEGABYTE = 1_000_000
DEPTH = 10_000


class Malformed(NamedTuple):
    """A message's value in Kafka, None for a tombstone, and the reason it is rejected with."""

    kind: str
    value: bytes | None
    reason: str


class Kind(NamedTuple):
    """A way to be no event: `make` turns a number into a value; at most `limit` are made."""

    name: str
    reason: str
    make: Callable[[int], bytes | None]
    limit: int = MESSAGES


def event(n: int, **fields: object) -> bytes:
    """Return an event of the game as the API writes it, with `fields` changed."""
    whole = {
        "Host": "user1.comcast.com",
        "User-Agent": "ApacheBench/2.3",
        "Accept": "*/*",
        "event_type": "purchase_sword",
        "description": "upgrade sword strength",
        "amount": "1",
        "event_id": f"malformed-{n}",
    }
    return json.dumps(whole | fields).encode()


def scalar(n: int) -> bytes:
    """Return a JSON text that is a string, a number, a boolean or null."""
    return json.dumps((f"purchase_sword {n}", n, n % 8 == 2, None)[n % 4]).encode()


def nested(n: int) -> bytes:
    """Return an event with a field of 10,000 arrays in one another."""
    return event(n, bag="BAG").replace(b'"BAG"', b"[" * DEPTH + b"]" * DEPTH)


def megabyte(n: int) -> bytes:
    """Return an event of 1,000,000 bytes; its type is long and unknown."""
    padding = MEGABYTE - len(event(n, event_type=""))
    return event(n, event_type="x" * padding)


def wrong_field(n: int) -> bytes:
    """Return an event in which one of the document's other fields is no string."""
    name = ("amount", "description", "Host", "User-Agent", "Accept")[n % 5]
    return event(n, **{name: (1, None, True, [], {"a": "1"}, 1.5)[n % 6]})


def without_type(n: int) -> bytes:
    """Return an object of another shape, in which the type stands where it does not count."""
    shapes: tuple[dict[str, object], ...] = (
        {"n": n},
        {"event": {"event_type": "join_guild"}, "n": n},
        {"event.type": "join_guild", "n": n},
        {"EVENT_TYPE": "join_guild", "n": n},
    )
    return json.dumps(shapes[n % 4]).encode()


def unknown_type(n: int) -> bytes:
    """Return an event whose type is close to a known one."""
    types = ("purchase_a_sword", "Join_Guild", "purchase_horse", "default ", "", "join_guild\0")
    return event(n, event_type=types[n % 6])


KINDS = (
    Kind("tombstone", "not_json", lambda n: None),
    Kind("empty", "not_json", lambda n: b""),
    Kind("blank", "not_json", lambda n: b" \t\r\n" * (n + 1)),
    Kind("plain text", "not_json", lambda n: f"user{n} purchased a sword".encode()),
    Kind("cut short", "not_json", lambda n: event(n)[: -1 - n % 40]),
    Kind("text behind", "not_json", lambda n: event(n) + (b" x", b"}", b"]", b",", b"\0")[n % 5]),
    Kind("two events", "not_json", lambda n: event(n) + (b"", b"\n", b",")[n % 3] + event(n)),
    Kind("NaN", "not_json", lambda n: event(n, amount=(float("nan"), float("inf"))[n % 2])),
    Kind("byte order mark", "not_json", lambda n: b"\xef\xbb\xbf" + event(n)),
    Kind(
        "raw control character", "not_json", lambda n: event(n, a="\x01").replace(b"\\u0001", b"\0")
    ),
    Kind("nested 10,000 deep", "not_json", nested),
    Kind("Latin-1", "not_utf8", lambda n: event(n, Host="HOST").replace(b"HOST", b"caf\xe9")),
    Kind("cut in a character", "not_utf8", lambda n: event(n) + "é".encode()[:1]),
    Kind("array", "not_object", lambda n: b"[" + event(n) + b"]"),
    Kind("scalar", "not_object", scalar),
    Kind("another shape", "no_event_type", without_type),
    Kind("unknown type", "unknown_event_type", unknown_type),
    Kind("1,000,000 bytes", "unknown_event_type", megabyte, limit=10),
    Kind("wrong type", "wrong_type", wrong_field),
    Kind(
        "duplicate keys",
        "wrong_type",
        lambda n: event(n)[:-1] + b', "event_type": %d}' % n,
    ),
)


def malformed_messages(number: int = MESSAGES) -> list[Malformed]:
    """Return the first `number` messages; the kinds take turns until a kind is used up."""
    return list(islice(_in_turns(), number))


def _in_turns() -> Iterator[Malformed]:
    for n in count():
        for kind in KINDS:
            if n < kind.limit:
                yield Malformed(kind.name, kind.make(n), kind.reason)
