"""The traffic file, and the ab commands that come out of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sluice.declaration import Burst
from pytest_sluice.errors import BadDeclaration
from pytest_sluice.traffic import ab_command, read_traffic

LINE = 'ab -n 10 -H "Host: a.example" http://localhost:5000/path'


def read(folder: Path, *lines: str) -> tuple[Burst, ...]:
    file = folder / "traffic.sh"
    file.write_text("\n".join(lines) + "\n")
    return read_traffic(file)


def test_a_line_becomes_a_burst(tmp_path: Path) -> None:
    assert read(tmp_path, LINE) == (Burst(10, "/path", (("Host", "a.example"),)),)


def test_comments_and_blank_lines_are_skipped_and_the_order_stays(tmp_path: Path) -> None:
    lines = ["#!/bin/sh", "# it's a comment", "", LINE, "  ", LINE.replace("10", "5") + "  # why"]
    assert [burst.requests for burst in read(tmp_path, *lines)] == [10, 5]


@pytest.mark.parametrize("prefix", ["docker-compose exec mids ", "docker compose exec -T api "])
def test_the_way_into_a_container_is_left_out(tmp_path: Path, prefix: str) -> None:
    assert read(tmp_path, prefix + LINE) == read(tmp_path, LINE)


def test_every_form_that_a_shell_and_ab_accept(tmp_path: Path) -> None:
    line = "ab -c 1 -n3 -H 'Host: b.example:80' -H Accept:text http://127.0.0.1/a?x=1"
    expected = Burst(3, "/a?x=1", (("Host", "b.example:80"), ("Accept", "text")))
    assert read(tmp_path, line) == (expected,)
    assert read(tmp_path, "ab -n 1 http://[::1]:5000/")[0].host == ""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("curl http://localhost:5000/", "not an ab command but 'curl'"),
        ("ab -n 10 -c 4 http://localhost:5000/", "only -c 1"),
        ("ab http://localhost:5000/", "option -n"),
        ("ab -n 0 http://localhost:5000/", "option -n"),
        ("ab -n ten http://localhost:5000/", "option -n"),
        ("ab -n 1 -n 2 http://localhost:5000/", "option -n"),
        ("ab -n 1 -k http://localhost:5000/", "option -k not recognized"),
        ("ab -n 1 http://localhost:5000", "needs one URL"),
        ("ab -n 1 https://localhost:5000/", "needs one URL"),
        ("ab -n 1 http://example.org/", "needs one URL"),
        ("ab -n 1", "needs one URL"),
        ("ab -n 1 http://localhost/ http://localhost/", "needs one URL"),
        ("ab -n 1 http://localhost/ && true", "needs one URL"),
        ("ab -n 1 http://localhost/; rm x", "needs one URL"),
        ("ab -n 1 http://localhost/;true", "needs one URL"),
        ("ab -n 1 http://localhost/&", "needs one URL"),
        ("ab -n 1 http://localhost/ > out", "needs one URL"),
        ("ab -n $N http://localhost/", "expand"),
        ("ab -n 1 -H nonsense http://localhost/", "not a header"),
        ('ab -n 1 -H "Host: a http://localhost/', "No closing quotation"),
    ],
)
def test_anything_else_is_refused_with_its_line(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(BadDeclaration, match=r"traffic\.sh:2: ") as refusal:
        read(tmp_path, LINE, line)
    assert reason in refusal.value.cause
    assert line.strip() in str(refusal.value)


def test_a_file_that_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDeclaration, match="cannot read the traffic"):
        read_traffic(tmp_path / "absent.sh")
    with pytest.raises(BadDeclaration, match="holds no ab command"):
        read(tmp_path, "# nothing")


def test_the_command_keeps_the_burst_and_takes_the_address_of_the_run() -> None:
    burst = Burst(10, "/path", (("Host", "a.example"), ("Accept", "*/*")))
    assert ab_command(burst, "127.5.6.7", 5001) == [
        *("ab", "-v", "4", "-n", "10", "-s", "30"),
        *("-H", "Host: a.example", "-H", "Accept: */*"),
        "http://127.5.6.7:5001/path",
    ]
    assert ab_command(burst, "::1", 80)[-1] == "http://[::1]:80/path"


@pytest.mark.parametrize("host", ["example.org", "10.0.0.1", "0.0.0.0", ""])
def test_traffic_goes_to_loopback_addresses_only(host: str) -> None:
    with pytest.raises(BadDeclaration, match="not a loopback address"):
        ab_command(Burst(1, "/"), host, 80)


@given(
    st.integers(1, 10**6),
    st.from_regex(r"/[a-z_/?=]{0,20}", fullmatch=True),
    st.from_regex(r"[a-z0-9.:]{1,20}", fullmatch=True),
)
def test_what_the_command_says_is_what_the_file_says(
    tmp_path_factory: pytest.TempPathFactory, requests: int, path: str, host: str
) -> None:
    line = f"ab -n {requests} -H 'Host: {host}' http://localhost:5000{path}"
    (burst,) = read(tmp_path_factory.mktemp("traffic"), line)
    command = ab_command(burst, "127.0.0.1", 5000)
    assert command[command.index("-n") + 1] == str(requests)
    assert command[-3:] == ["-H", f"Host: {host}", f"http://127.0.0.1:5000{path}"]
