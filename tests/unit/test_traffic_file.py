"""The traffic file: the report's 21 commands, and the sums that the claims rest on."""

import shlex
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

import pipeline
from pipeline.game_api import ROUTES

TRAFFIC = Path(pipeline.__file__).parent / "traffic.sh"

# Requests by path and user, as in the table of the report's facts: user1, user2, user3.
TABLE = {
    "/": (10, 10, 10),
    "/purchase_a_sword": (10, 15, 15),
    "/purchase_a_knife": (10, 10, 10),
    "/purchase_armor": (15, 10, 10),
    "/purchase_bow": (5, 15, 15),
    "/purchase_arrow": (10, 10, 5),
    "/join_a_guild": (10, 10, 5),
}
USERS = ("user1.comcast.com", "user2.att.com", "user3.spectrum.com")
ORDER = ["/", "/purchase_a_sword", "/purchase_a_knife", "/join_a_guild", "/purchase_armor"]
LAST_SIX = ["arrow", "bow", "arrow", "bow", "arrow", "bow"]


class Command(NamedTuple):
    """One line of the file, taken apart."""

    requests: int
    host: str
    path: str


def parse(line: str) -> Command:
    """Take apart ``ab -n N -H "Host: USER" URL``; anything else is a ValueError."""
    ab, dash_n, count, dash_h, header, url = shlex.split(line)
    name, _, host = header.partition(": ")
    if (ab, dash_n, dash_h, name) != ("ab", "-n", "-H", "Host"):
        raise ValueError(line)
    target = urlsplit(url)
    if (target.scheme, target.netloc) != ("http", "localhost:5000"):
        raise ValueError(line)
    return Command(int(count), host, target.path)


@pytest.fixture(scope="module")
def commands() -> list[Command]:
    """Return the file's commands in order."""
    lines = TRAFFIC.read_text(encoding="utf-8").splitlines()
    return [parse(line) for line in lines if line and not line.startswith("#")]


def total(commands: list[Command], key: str) -> Counter[str]:
    """Return the requests by "path" or by "host"."""
    sums: Counter[str] = Counter()
    for command in commands:
        sums[getattr(command, key)] += command.requests
    return sums


def purchases(commands: list[Command]) -> list[Command]:
    """Return the commands that buy something."""
    return [command for command in commands if command.path.startswith("/purchase")]


def test_there_are_21_bursts_and_220_requests(commands: list[Command]) -> None:
    assert len(commands) == 21
    assert sum(command.requests for command in commands) == 220


def test_each_burst_is_a_cell_of_the_table(commands: list[Command]) -> None:
    cells = {
        (path, user): requests
        for path, row in TABLE.items()
        for user, requests in zip(USERS, row, strict=True)
    }
    assert {(command.path, command.host): command.requests for command in commands} == cells


def test_the_sums_by_path(commands: list[Command]) -> None:
    assert total(commands, "path") == {
        "/": 30,
        "/purchase_a_sword": 40,
        "/purchase_a_knife": 30,
        "/purchase_armor": 35,
        "/purchase_bow": 35,
        "/purchase_arrow": 25,
        "/join_a_guild": 25,
    }


def test_the_sums_of_the_purchases_by_user(commands: list[Command]) -> None:
    by_user = total(purchases(commands), "host")
    assert by_user == dict(zip(USERS, (50, 60, 55), strict=True))
    assert sum(by_user.values()) == 165


def test_the_order_is_the_reports(commands: list[Command]) -> None:
    first = [(path, user) for path in ORDER for user in USERS]
    last = [(f"/purchase_{item}", user) for item, user in zip(LAST_SIX, USERS * 2, strict=True)]
    assert [(command.path, command.host) for command in commands] == first + last


def test_a_shell_that_knows_no_comments_swallows_no_command() -> None:
    # zsh takes what is pasted for commands: a quote in a comment would run on to the next one.
    comments = [line for line in TRAFFIC.read_text(encoding="utf-8").splitlines() if "#" in line]
    assert len(comments) > 7
    assert not set("".join(comments)) & set("'\"`")


def test_the_api_serves_every_path_of_the_traffic(commands: list[Command]) -> None:
    assert {command.path for command in commands} <= set(ROUTES)
