"""What the real ``ab`` says of the answers to a burst.

``ab`` exits with 0 when every answer was an error, so nothing here trusts its exit code alone:
each answer is read from ``-v 4``, counted by status, and checked against ab's own figures.
"""

import re
from collections import Counter
from dataclasses import dataclass

from pytest_sluice.errors import SluiceError

_HEADER_RECEIVED = "LOG: header received:\n"
_STATUS_LINE = re.compile(r"HTTP/\d\.\d (\d{3})")
_2XX = "\nLOG: Response code = {}\n"
_NOT_2XX = "\nWARNING: Response code not 2xx ({})\n"
_NEXT = rf"(?={_HEADER_RECEIVED}|\.\.done\n|\n\nServer Software:|Total of |\Z)"
_TAIL_LINES = 12


@dataclass(frozen=True)
class Answer:
    """One answer: its status and its headers, in the order received."""

    status: int
    headers: tuple[tuple[str, str], ...]

    @property
    def is_2xx(self) -> bool:
        """Whether ab counts it among the 2xx."""
        return 200 <= self.status <= 299

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever the case of its name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True)
class Answers:
    """Every answer of a burst, with ab's own figures.

    ``failed`` is ab's word for an answer whose length differs from the first one's, too: it is no
    error by itself.
    """

    answers: tuple[Answer, ...]
    complete: int
    failed: int
    non_2xx: int

    @property
    def by_status(self) -> dict[int, int]:
        """The number of answers by status, in the order of the statuses."""
        return dict(sorted(Counter(answer.status for answer in self.answers).items()))

    def header_values(self, name: str) -> tuple[str | None, ...]:
        """The value of a named header in each answer; None where an answer lacks it."""
        return tuple(answer.header(name) for answer in self.answers)


class TrafficError(SluiceError):
    """``ab`` could not send a burst, or says something that does not add up.

    ``answers`` are those that came nevertheless, so that their identities can be audited.
    """

    def __init__(self, cause: str, said: str, answers: tuple[Answer, ...] = ()) -> None:
        self.answers = answers
        lines = [line for line in said.splitlines() if line.strip()]
        super().__init__(
            cause,
            checked=[f"ab: {line}" for line in lines[-_TAIL_LINES:]] or ["ab said nothing"],
            remedy="look into the log of the API: it was ready when the burst began",
        )


def parse_ab(output: bytes, requests: int, *, exit_code: int = 0, stderr: bytes = b"") -> Answers:
    """Read the standard output of ``ab -v 4 -n requests``, as bytes: line ends carry meaning.

    Raises TrafficError where ab did not exit with 0, or its output is unreadable, has fewer
    answers than requests, or contradicts ab's own figures.
    """
    text = output.decode("latin-1")
    answers, rest = _read_answers(text, requests)
    said = text.partition("\nConnection Times")[0] + "\n" + stderr.decode("latin-1")
    if exit_code:
        cause = f"ab ended with exit code {exit_code} after {len(answers)} of {requests} answers"
        raise TrafficError(cause, said, answers)
    figures = [_figure(rest, name) for name in ("Complete requests", "Failed requests")]
    complete, failed = (-1 if figure is None else figure for figure in figures)
    result = Answers(answers, complete, failed, _figure(rest, "Non-2xx responses") or 0)
    if contradiction := _contradiction(result, requests):
        raise TrafficError(contradiction, said, answers)
    return result


def _contradiction(result: Answers, requests: int) -> str:
    """What does not add up in the output of ab; an empty string if everything does."""
    read = len(result.answers)
    refused = sum(not answer.is_2xx for answer in result.answers)
    if -1 in (result.complete, result.failed):
        return f"cannot read the output of ab: no figures after {read} of {requests} answers"
    if result.complete != requests:
        return f"ab completed {result.complete} of {requests} requests"
    if read != requests:
        return f"{read} answers came to {requests} requests"
    if refused != result.non_2xx:
        return f"{refused} answers are not 2xx, and ab counted {result.non_2xx}"
    return ""


def _read_answers(text: str, requests: int) -> tuple[tuple[Answer, ...], str]:
    """The answers in ab's output, and the text after the last of them.

    ab prints of a body what came together with the header: all of it, a part, or nothing. A body
    may contain what looks like another answer, so each is first taken by its Content-Length;
    where that does not come to the number of requests, by the first line that can end it and
    after which the next begins.
    """
    by_length = _follow(text, whole=True)
    if len(by_length[0]) == requests:
        return by_length
    by_line = _follow(text, whole=False)
    return by_line if len(by_line[0]) == requests else by_length


def _follow(text: str, *, whole: bool) -> tuple[tuple[Answer, ...], str]:
    answers: list[Answer] = []
    at = text.find(_HEADER_RECEIVED)
    while at >= 0 and text.startswith(_HEADER_RECEIVED, at):
        start = at + len(_HEADER_RECEIVED)
        end = text.find("\r\n\r\n", start)
        again = text.find("\n" + _HEADER_RECEIVED, start)
        if 0 <= again < end:  # a header in pieces is printed once a piece, each time from its start
            at = again + 1
            continue
        answer = _answer(text[start:end])
        if end < 0 or answer is None:
            break
        after = _end_of_body(text, end + 4, answer, whole=whole)
        if after < 0:
            break
        answers.append(answer)
        at = after
    return tuple(answers), text[max(at, 0) :]


def _answer(head: str) -> Answer | None:
    status_line, *lines = head.split("\r\n")
    status = _STATUS_LINE.match(status_line)
    if status is None:
        return None
    return Answer(int(status[1]), tuple(_header(line) for line in lines))


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _end_of_body(text: str, body: int, answer: Answer, *, whole: bool) -> int:
    """Where the line ends with which ab closes an answer; -1 where there is none."""
    mark = (_2XX if answer.is_2xx else _NOT_2XX).format(answer.status)
    length = answer.header("Content-Length") or ""
    if whole and length.isdecimal() and text.startswith(mark, body + int(length)):
        return body + int(length) + len(mark)
    found = re.compile(re.escape(mark) + _NEXT).search(text, body)
    return found.end() if found else -1


def _figure(text: str, name: str) -> int | None:
    found = re.search(rf"^{re.escape(name)}: +(\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else None
