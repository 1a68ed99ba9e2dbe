"""Events and verdicts in words: a line for an event, a few lines for a claim. Pure."""

import textwrap
from collections.abc import Iterator, Sequence

from pytest_sluice.events import Event
from pytest_sluice.ledger import Landing
from pytest_sluice.sql import Result, Row
from pytest_sluice.verdicts import Verdict

# Nodes that are there within this time, in seconds, are not worth a line.
SOON = 0.5
# Results of more rows are told by their number.
ROWS_SHOWN = 8
INDENT = " " * 8
HEADINGS = {"position": "by position: ", "name": "by name: ", "fact": ""}


def sentence(event: Event) -> str:
    """One line for an event, or nothing for one that a person need not see."""
    match event:
        case {"kind": "node", "state": "ready", "name": name, "seconds": seconds}:
            return f"{name} is ready ({seconds:.1f} s)" if _is_news(name, seconds) else ""
        case {"kind": "node", "state": "failed", "name": name, "reason": reason}:
            return f"{name} failed: {_first_line(reason)}"
        case {"kind": "traffic", "requests": requests, "bursts": bursts, "run": run}:
            plural = "" if bursts == 1 else "s"
            return f"run {run}: sending {requests} requests in {bursts} burst{plural}"
        case {"kind": "waiting", "what": what, "interval": interval, "due": due, "at": at}:
            clock = f"is due at {event['due_at']}, in {max(0, due - at):.0f} s"
            return f"run {event['run']}: waiting for {what}; the next trigger ({interval}) {clock}"
        case {"kind": "waiting", "what": what, "run": run}:
            return f"run {run}: waiting for {what}"
        case {"kind": "landing", "landing": landing}:
            return _landed(Landing.from_json(landing))
        case {"kind": "swept", "what": what}:
            return f"swept what a killed session left: {what}"
        case {"kind": "not swept", "what": what}:
            return f"not swept: {what}"
        case _:
            return ""


def entry(verdict: Verdict, width: int) -> Sequence[str]:
    """The lines on a claim: its outcome and statement, then what was measured."""
    mark = "ok " if verdict.as_expected else "NOT"
    statement = f": {_first_line(verdict.statement)}" if verdict.statement else ""
    return [
        f"{mark} {verdict.id:>3}  {verdict.outcome}{statement}",
        *(line for text in _figures(verdict) for line in _wrapped(text, width)),
    ]


def tally(verdicts: Sequence[Verdict]) -> str:
    """How many claims are as expected, and how many have which outcome."""
    outcomes = [verdict.outcome for verdict in verdicts]
    counts = ", ".join(f"{name}: {outcomes.count(name)}" for name in dict.fromkeys(outcomes))
    as_expected = sum(verdict.as_expected for verdict in verdicts)
    return f"{as_expected} of {len(verdicts)} claims are as expected ({counts})"


def _figures(verdict: Verdict) -> Iterator[str]:
    """What was measured, a line for each mapping unless both measured the same; and what else."""
    if verdict.because:
        yield f"expected to fail, because {_first_line(verdict.because)}"
    if verdict.told_hop:
        yield _first_line(verdict.told_hop)
    if not verdict.as_expected and verdict.columns:
        yield f"printed: {_rows(verdict.printed, verdict.ordered_by)}"
    told = {
        HEADINGS[name]: _told(found, verdict.ordered_by) for name, found in verdict.measured.items()
    }
    if len(told) == 2 and len(set(told.values())) == 1:
        told = {"": next(iter(told.values()))}
    for heading, figures in told.items():
        yield heading + figures
    if verdict.note:
        yield f"note: {_first_line(verdict.note)}"
    if meant := verdict.meant:
        figures = _told(meant.measured, meant.ordered_by)
        yield f"what was meant, by {meant.mapping}: {meant.outcome}: {figures}"
    if verdict.meant and verdict.meant.note:
        yield f"note: {_first_line(verdict.meant.note)}"


def _told(found: Result | str, ordered_by: Sequence[str]) -> str:
    return _first_line(found) if isinstance(found, str) else _rows(found.rows, ordered_by)


def _rows(rows: Sequence[Row], ordered_by: Sequence[str]) -> str:
    if not 0 < len(rows) <= ROWS_SHOWN:
        return f"{len(rows)} rows" if rows else "no rows"
    # A space that no line is broken at keeps the cells of a row together.
    told = ["\u00a0".join(str(cell) for cell in row if cell != "") for row in rows]
    return "; ".join(told if ordered_by else sorted(told))


def _wrapped(text: str, width: int) -> list[str]:
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=INDENT,
        subsequent_indent=INDENT + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\u00a0", " ") for line in lines]


def _is_news(node: str, seconds: float) -> bool:
    return seconds >= SOON and node != "landing"  # a landing tells of itself


def _landed(landing: Landing) -> str:
    if landing.stopped_at:
        return _first_line(landing.headline())
    ledger = landing.ledger
    counts = {
        "answers": sum(ledger.answers.values()),
        "messages": sum(ledger.messages.values()),
        "rows committed": sum(ledger.committed.values()),
        "rows visible": sum(ledger.visible.values()),
    }
    told = ", ".join(f"{number} {what}" for what, number in counts.items())
    return f"{_first_line(landing.headline())}{':' if landing.landed else ';'} {told}"


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
