"""What a person sees of a request that fails, with all that the frames hold: never a password."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from pytest_sluice.contracts import Endpoint

pytest_plugins = ["pytester"]

USER, PASSWORD = "gate", "open-sesame-7391"
# In plain text, as HTTP's Basic authentication sends it, and what base64 makes of it alone.
SPELLINGS = (
    PASSWORD,
    base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
    base64.b64encode(PASSWORD.encode()).decode().rstrip("="),
)
CONFTEST = """
import os
import pytest
from pytest_sluice.access import PrestoAccess, Secret
from pytest_sluice.sql import Presto

@pytest.fixture
def asked():
    access = PrestoAccess(os.environ["GATE_USER"], Secret(os.environ["GATE_WORD"]), https=True)
    return Presto("127.0.0.1", int(os.environ["GATE_PORT"]), "x", {"position": "hive"}, access)
"""
TESTS = """
from pytest_sluice.sql import QueryFailed

def test_it(asked):
    asked.query("select 1")

def test_what_it_is_caused_by(asked):
    try:
        asked.query("select 1")
    except QueryFailed as error:
        raise error.__cause__
"""


@pytest.fixture(params=["nobody listens", "no TLS", "nobody answers"])
def place(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    """An address where a request fails: at once, at the handshake, or when it is cut off."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if request.param != "nobody listens":
            listening.listen()
            greeting = b"220 hello\r\n" if request.param == "no TLS" else b""
            threading.Thread(target=_receive, args=(listening, greeting), daemon=True).start()
        yield Endpoint(*listening.getsockname())
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def _receive(listening: socket.socket, greeting: bytes) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1)
                connection.sendall(greeting)


@pytest.mark.parametrize("how", ["--tb=auto", "--tb=long", "--full-trace"])
def test_no_traceback_with_locals_tells_the_password_of_presto(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, place: Endpoint, how: str
) -> None:
    for name, value in {"USER": USER, "WORD": PASSWORD, "PORT": str(place.port)}.items():
        monkeypatch.setenv(f"GATE_{name}", value)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("--showlocals", how, "--junit-xml=junit.xml")
    result.assert_outcomes(failed=2)
    output = result.stdout.str() + result.stderr.str()
    assert "NOT_REACHABLE" in output
    assert "Presto(host=" in output  # the locals were shown
    written = (pytester.path / "junit.xml").read_text()
    assert not [text for text in SPELLINGS if text in output or text in written]
