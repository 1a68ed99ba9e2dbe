"""Random histories of a pipeline: judged clean if and only if nothing that can be seen went wrong.

What can be seen is said here by the history itself, event by event, and not by the judge's figures.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sluice.declaration import Burst
from pytest_sluice.sql import MappingName
from tests.unit.world import CLICKS, JOINS, REJECTED, TOPIC, World, batch, event, pipeline

HISTORIES = 2000
TABLE_OF = {"click": CLICKS, "join": JOINS}


@dataclass(frozen=True)
class Request:
    """A request and its way: how often each hop hands it on (1 is right), and how late.

    ``malformed`` is an event that the job rightly rejects, though it has a kind. ``swapped`` means
    that its row, if it is one, is in the other table.
    """

    kind: str
    status: int = 200
    messages: int = 1
    late: int = 0
    malformed: bool = False
    rows: int = 1
    swapped: bool = False


@dataclass(frozen=True)
class History:
    """A traffic, what the declaration says, and what the engine makes of each committed file.

    ``seen`` are rows more or less by mapping and table.
    """

    requests: tuple[Request, ...]
    by_id: bool
    has_rejected: bool
    order: int
    seen: tuple[tuple[MappingName, str, int], ...] = ()
    orphan: bool = False


FAULTS = st.sampled_from([1, 1, 1, 1, 1, 1, 0, 2])
REQUESTS = st.builds(
    Request,
    kind=st.sampled_from(["click", "click", "join", "look", "odd"]),
    status=st.sampled_from([200, 200, 200, 200, 201, 404, 503]),
    messages=FAULTS,
    late=st.sampled_from([0, 0, 0, 4, 20]),
    malformed=st.sampled_from([False, False, False, True]),
    rows=FAULTS,
    swapped=st.sampled_from([False] * 9 + [True]),
)
# Nobody waits for what was not accepted: it may come when all is counted.
REQUESTS = REQUESTS.map(lambda r: replace(r, late=0 if r.status == 503 else r.late))
RIGHT = st.builds(
    Request,
    kind=st.sampled_from(["click", "join", "look", "odd"]),
    late=st.sampled_from([0, 0, 4, 20]),
    malformed=st.booleans(),
)
SEEN = st.tuples(
    st.sampled_from(["position", "name"]), st.sampled_from(["clicks", "joins"]), st.integers(-1, 1)
)


def histories(requests: st.SearchStrategy[Request], faults: bool) -> st.SearchStrategy[History]:
    return st.builds(
        History,
        st.lists(requests, max_size=8).map(tuple),
        by_id=st.booleans(),
        has_rejected=st.booleans(),
        order=st.integers(0, 10**6),
        seen=st.lists(SEEN, max_size=2).map(tuple) if faults else st.just(()),
        orphan=st.sampled_from([False] * 5 + [faults]),
    )


def sent(request: Request) -> int:
    """How many messages come of a request: an accepted one has one; 503 may have, and 404 none."""
    return 0 if request.status == 404 else request.messages


def outcome(request: Request, has_rejected: bool) -> str:
    """Where the job puts a message of the request: a table, the rejected ones, or nowhere."""
    if request.malformed or request.kind == "odd":
        return "rejected" if has_rejected else ""
    if request.kind == "look":
        return ""
    swap = {"click": "join", "join": "click"}
    return swap[request.kind] if request.swapped else request.kind


def world(history: History) -> World:
    """The history as a pipeline in memory."""
    requests = history.requests
    values = [event(number, request.kind) for number, request in enumerate(requests)]
    now = [number for number, request in enumerate(requests) if not request.late]
    rows: Counter[str] = Counter()
    raw: list[bytes | None] = []
    for number, request in enumerate(requests):
        where = outcome(request, history.has_rejected)
        copies = sent(request) * request.rows
        rows[where] += copies
        if where == "rejected":
            raw += [values[number]] * copies
    files = {batch(TABLE_OF[kind], 0): rows[kind] for kind in TABLE_OF if rows[kind]}
    if raw:
        files[batch(REJECTED, 0)] = len(raw)
    if history.orphan:
        files[batch(JOINS, 9)] = 3

    def answer(number: int, _burst: Burst) -> tuple[int, Sequence[bytes]]:
        # Whatever is sent at once comes with the first request, in an order of its own.
        first = sorted(now, key=lambda n: hash((history.order, n)))
        found = [values[n] for n in first for _ in range(sent(requests[n]))] if number == 0 else []
        return requests[number].status, found

    tables = (CLICKS, JOINS, REJECTED) if history.has_rejected else (CLICKS, JOINS)
    topic = TOPIC if history.by_id else replace(TOPIC, id="")
    late: list[tuple[float, bytes | None]] = [
        (float(request.late), values[number])
        for number, request in enumerate(requests)
        for _ in range(sent(request) if request.late else 0)
    ]
    return World(
        pipeline=pipeline(*tables, topic=topic),
        answer=answer,
        late=late,
        commit_at=25.0,  # behind everything that is late
        step=5.0,
        files=files,
        raw={batch(REJECTED, 0): raw},
        visible={
            mapping: {path: n + shift(history, mapping, path) for path, n in files.items()}
            for mapping in ("position", "name")
        },
    )


def shift(history: History, mapping: str, path: str) -> int:
    """By how many rows the engine is wrong about a file."""
    return sum(
        n for by, table, n in history.seen if by == mapping and path == f"/{table}/batch=0/part-0"
    )


def refused(history: History) -> bool:
    return any(not 200 <= request.status < 300 for request in history.requests)


def lost_or_doubled_messages(history: History) -> bool:
    """Of an accepted request one message is right, of 503 none or one."""
    spans = [
        {200: (1, 1), 201: (1, 1), 404: (0, 0), 503: (0, 1)}[request.status]
        for request in history.requests
    ]
    numbers = [sent(request) for request in history.requests]
    if history.by_id:
        return any(not low <= n <= high for (low, high), n in zip(spans, numbers, strict=True))
    return not sum(low for low, _ in spans) <= sum(numbers) <= sum(high for _, high in spans)


def lost_or_doubled_rows(history: History) -> bool:
    """By table the rows of its kinds, by kind the rejected ones, are what messages there are."""
    due: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for request in history.requests:
        number = sent(request)
        is_rejected = history.has_rejected and (request.malformed or request.kind == "odd")
        where = outcome(request, history.has_rejected)
        found[f"rejected {request.kind}" if where == "rejected" else where] += number * request.rows
        if request.kind in TABLE_OF:
            due[request.kind] += number
        if is_rejected and request.kind not in TABLE_OF:
            due[f"rejected {request.kind}"] += number
    for kind in TABLE_OF:
        if found[kind] != max(0, due[kind] - found[f"rejected {kind}"]):
            return True
        if found[f"rejected {kind}"] > due[kind]:
            return True
    looks = sum(sent(request) for request in history.requests if request.kind == "look")
    odd = history.has_rejected and found["rejected odd"] != due["rejected odd"]
    return odd or found["rejected look"] > looks


def misread(history: History, world: World) -> bool:
    paths = [path for path in world.files if shift(history, "position", path)]
    return bool(paths) or any(shift(history, "name", path) for path in world.files)


@settings(max_examples=HISTORIES)
@given(histories(REQUESTS, faults=True))
def test_a_history_is_marked_if_and_only_if_what_can_be_seen_went_wrong(history: History) -> None:
    made = world(history)
    landing = made.land(Burst(len(history.requests), "/")) if history.requests else made.land()
    is_marked = {breach.stage for breach in landing.breaches}
    assert landing.stopped_at is None
    assert ("api" in is_marked) == refused(history)
    if history.requests and made.requests == len(history.requests):
        assert ("kafka" in is_marked) == lost_or_doubled_messages(history)
    assert ("stream" in is_marked) == lost_or_doubled_rows(history), landing.story()
    assert ("hdfs" in is_marked) == history.orphan
    assert ("presto" in is_marked) == misread(history, made), landing.story()


@settings(max_examples=HISTORIES // 4)
@given(histories(RIGHT, faults=False))
def test_a_right_history_is_never_marked_however_late_and_in_whatever_order(
    history: History,
) -> None:
    right = [replace(r, malformed=r.malformed and history.has_rejected) for r in history.requests]
    landing = world(replace(history, requests=tuple(right))).land(
        *([Burst(len(right), "/")] if right else [])
    )
    assert landing.landed, landing.story()
