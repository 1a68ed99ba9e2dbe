"""The samples in data/ are what the real ab printed (see data/record_ab.py)."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sluice.answers import Answers, TrafficError, parse_ab

DATA = Path(__file__).parent / "data"
IDS = ("id-1", "id-2", "id-3")


def sample(name: str) -> bytes:
    return (DATA / f"ab-{name}.txt").read_bytes()


@pytest.mark.parametrize(
    ("name", "by_status", "non_2xx"),
    [
        ("ok", {200: 3}, 0),
        ("missing", {404: 3}, 3),
        ("down", {503: 3}, 3),
        ("mixed", {200: 2, 503: 1}, 1),
        ("pieces", {200: 3}, 0),
        ("forged", {200: 3}, 0),
    ],
)
def test_every_answer_is_counted_by_its_status(
    name: str, by_status: dict[int, int], non_2xx: int
) -> None:
    answers = parse_ab(sample(name), 3)
    assert answers.by_status == by_status
    assert answers.header_values("x-event-id") == IDS
    assert (answers.complete, answers.non_2xx) == (3, non_2xx)


def test_answers_of_several_lengths_are_no_failure_though_ab_says_so() -> None:
    answers = parse_ab(sample("mixed"), 3)
    assert answers.failed == 2
    assert answers.header_values("X-Absent") == (None, None, None)


def test_an_exit_code_is_an_error_that_keeps_the_answers_until_then() -> None:
    said = b"apr_socket_recv: Connection reset by peer (104)\n"
    with pytest.raises(TrafficError, match="exit code 104 after 2 of 3 answers") as error:
        parse_ab(sample("dying"), 3, exit_code=104, stderr=said)
    assert [answer.header("X-Event-Id") for answer in error.value.answers] == ["id-1", "id-2"]
    assert error.value.checked[-1] == f"ab: {said.decode().strip()}"


@pytest.mark.parametrize(
    ("output", "requests", "reason"),
    [
        (sample("unanswered"), 3, "2 answers came to 3 requests"),
        (sample("ok"), 4, "ab completed 3 of 4 requests"),
        (sample("dying"), 3, "no figures after 2 of 3 answers"),
        (b"", 3, "no figures after 0 of 3 answers"),
        (sample("ok").replace(b"HTTP/1.1 200", b"hello there!"), 3, "0 answers came"),
        (sample("down").replace(b"responses:      3", b"responses:      2"), 3, "ab counted 2"),
        (sample("down").replace(b"Non-2xx", b"Nothing"), 3, "ab counted 0"),
        # More than were read: the answers that are shown are not those that came.
        (sample("down").replace(b"responses:      3", b"responses:      4"), 3, "ab counted 4"),
        (sample("mixed").replace(b"responses:      1", b"responses:      2"), 3, "ab counted 2"),
    ],
)
def test_what_does_not_add_up_is_an_error(output: bytes, requests: int, reason: str) -> None:
    with pytest.raises(TrafficError, match=reason):
        parse_ab(output, requests)


def test_the_error_shows_the_figures_of_ab_and_not_its_percentiles() -> None:
    with pytest.raises(TrafficError) as error:
        parse_ab(sample("unanswered"), 3)
    assert "ab: Complete requests:      3" in error.value.checked
    assert "longest request" not in str(error.value)


@given(st.integers(0, len(sample("mixed"))))
def test_output_that_is_cut_anywhere_is_never_taken_for_whole(length: int) -> None:
    whole = sample("mixed")
    figures = whole.index(b"Non-2xx responses:      1") + len(b"Non-2xx responses:      1")
    if length >= figures:
        assert parse_ab(whole[:length], 3).by_status == {200: 2, 503: 1}
        return
    with pytest.raises(TrafficError) as error:
        parse_ab(whole[:length], 3)
    assert len(error.value.answers) <= 3


@given(st.lists(st.tuples(st.sampled_from([200, 204, 404, 503]), st.binary(max_size=60))))
def test_any_bodies_shown_whole_or_in_part(parts: list[tuple[int, bytes]]) -> None:
    for shown in (None, 0, 3):
        answers = parse_ab(printed(parts, shown), len(parts))
        assert [answer.status for answer in answers.answers] == [status for status, _ in parts]


def test_a_body_without_a_length_may_say_what_ab_says() -> None:
    says = b"\nLOG: Response code = 200\nand no more\n"
    output = printed([(200, says), (200, says)], None).replace(b"Content-Length", b"X-Length")
    assert parse_ab(output, 2).by_status == {200: 2}


def test_a_long_burst_has_no_line_that_says_done() -> None:
    without = sample("ok").replace(b"..done\n", b"")  # above 150 requests, on stderr instead
    assert parse_ab(without.replace(b"Content-Length", b"X-Length"), 3).by_status == {200: 3}


def test_a_length_that_leads_by_chance_to_the_end_of_the_next_answer() -> None:
    one = printed([(200, b"")], None).partition(b"..done")[0]
    output = printed([(200, b"x" * (len(one) + 1))] * 2, 0)  # 1: the length has two digits
    assert parse_ab(output, 2).by_status == {200: 2}


def test_a_header_may_be_cut_within_its_status_line() -> None:
    cut = sample("pieces").replace(b"HTTP/1.1 200 OK\r\nX-Event\n", b"HTTP/1.1 2\n")
    assert cut != sample("pieces")
    assert parse_ab(cut, 3).header_values("X-Event-Id") == IDS


def printed(parts: list[tuple[int, bytes]], shown: int | None) -> bytes:
    """What ab prints of answers, of whose bodies the first ``shown`` bytes came at once."""
    text = b""
    for status, body in parts:
        is_2xx = 200 <= status <= 299
        end = (
            f"LOG: Response code = {status}"
            if is_2xx
            else (f"WARNING: Response code not 2xx ({status})")
        )
        text += b"LOG: header received:\nHTTP/1.1 %d X\r\n" % status
        text += b"Content-Length: %d\r\n\r\n%s\n" % (len(body), body[:shown])
        text += end.encode() + b"\n"
    non_2xx = sum(not 200 <= status <= 299 for status, _ in parts)
    figures = [f"Complete requests:      {len(parts)}", "Failed requests:        0"]
    figures += [f"Non-2xx responses:      {non_2xx}"] if non_2xx else []
    return text + b"..done\n\n" + "\n".join([*figures, ""]).encode()


def test_answers_is_a_plain_value() -> None:
    assert Answers((), 0, 0, 0) == Answers((), 0, 0, 0)
    assert Answers((), 0, 0, 0).by_status == {}
