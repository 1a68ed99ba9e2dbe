"""Sending a run's traffic: each burst's answers counted, and its interval of end offsets told."""

from collections.abc import Sequence

from pytest_sluice.answers import Answer, TrafficError
from pytest_sluice.conservation import Sent, answers_hop, ids_hop, is_accepted, is_doubtful
from pytest_sluice.declaration import Burst
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.flow.counting import TopicCount
from pytest_sluice.flow.hops import Broke, hop, joined
from pytest_sluice.flow.run import Run
from pytest_sluice.judgement import Hop


class Sender:
    """Sends bursts one after the other; what became of each is in ``sent``."""

    def __init__(self, run: Run, topic: TopicCount) -> None:
        self._run = run
        self._topic = topic
        self._header = run.pipeline.api.id_header if run.pipeline.api else ""
        self.sent: list[Sent] = []

    def send(self, traffic: Sequence[Burst]) -> None:
        """Send every burst, unless one shows that the API is broken: then the rest is not sent.

        Raises Broke where the API did not come up.
        """
        try:
            joined("api", lambda: self._run.api)
        except Broke:
            self.sent += [Sent(burst, reason="not sent", tried=False) for burst in traffic]
            raise
        with hop("api"):
            self._send_all(traffic)

    def hops(self) -> list[Hop]:
        """What was due of the API, and what it did."""
        hops = [answers_hop(self.sent)]
        return [*hops, ids_hop(self.sent, self._header)] if self._header else hops

    def _send_all(self, traffic: Sequence[Burst]) -> None:
        reason = ""
        for burst in traffic:
            if reason:
                self.sent.append(Sent(burst, reason=f"not sent, since {reason}", tried=False))
                continue
            self.sent.append(self._send(burst))
            reason = self._broken(self.sent[-1])

    def _send(self, burst: Burst) -> Sent:
        begin = self._topic.ends
        try:
            sent = self._read(burst, self._run.api.burst(burst).answers)
        except TrafficError as error:
            sent = self._read(burst, error.answers, self._story(error))
        end = self._topic.mark()
        self._run.deployment.journal.emit(
            "burst",
            run=self._run.number,
            path=burst.path,
            host=burst.host,
            answers=sent.answers,
            begin=begin,
            end=end,
        )
        return sent

    def _read(self, burst: Burst, answers: Sequence[Answer], reason: str = "") -> Sent:
        by_status: dict[int, int] = {}
        for answer in answers:
            by_status[answer.status] = by_status.get(answer.status, 0) + 1
        accepted = [answer for answer in answers if is_accepted(answer.status)]
        doubtful = [answer for answer in answers if is_doubtful(answer.status)]
        return Sent(burst, by_status, self._ids(accepted), self._ids(doubtful), reason)

    def _ids(self, answers: Sequence[Answer]) -> tuple[str | None, ...]:
        return tuple(a.header(self._header) or None if self._header else None for a in answers)

    def _story(self, error: TrafficError) -> str:
        """Why answers are missing: the death of the API, if that is why."""
        try:
            self._run.deployment.backend.require_alive(self._run.api.role)
        except ServiceNotReady as death:
            return death.cause
        return error.cause

    def _broken(self, sent: Sent) -> str:
        """Why nothing more is sent: each further request would only wait for its time-out."""
        if sent.unanswered:
            return sent.reason
        statuses = [status for status in sent.answers if status not in sent.burst.expects]
        if statuses and min(statuses) >= 500 and len(statuses) == len(sent.answers):
            return f"every answer to {sent.label} was {', '.join(map(str, sorted(statuses)))}"
        return ""
