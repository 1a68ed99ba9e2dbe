"""ZooKeeper: one server, as the brokers up to Kafka 3.9 need it, and what it has under a path."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRWPair

from pytest_sluice.contracts import Endpoint, Launch, Role, Site
from pytest_sluice.services.jvm import java
from pytest_sluice.waiting import Deadline, NotYet, wait_for

# The shortest session is two ticks. What is written need not outlive a failure of power.
CONFIGURATION = """\
clientPort={port}
clientPortAddress={host}
dataDir={state}
tickTime=500
maxClientCnxns=0
admin.enableServer=false
forceSync=no
"""
# A session lasts for seconds; whoever waits longer waits for a server that does not answer.
SESSION_SECONDS = 60.0


def render(site: Site) -> Launch:
    """The server; an empty ``state`` will do."""
    own = site.endpoints["client"]
    text = CONFIGURATION.format(host=own.host, port=own.port, state=site.state)
    main = (
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        str(site.directory / "zoo.cfg"),
    )
    jars = site.tools.jars["kafka-zookeeper"]
    argv = java(site.tools, site.directory, "zookeeper", jars, main, heap="128m")
    return Launch(argv, files={"zoo.cfg": text})


ROLE = Role("zookeeper", render, "zookeeper", ports={"client": 32181})


def probe_ready(endpoint: Endpoint) -> None:
    """Ready is a session in which the server lists its own node."""
    if "zookeeper" not in (found := children(endpoint, "/")):
        raise NotYet(f"a root without its own node: {sorted(found)}")


def await_absence(endpoint: Endpoint, parent: str, name: str) -> None:
    """Wait until a session's node is gone: WaitTimeout where its owner lives, or nobody answers.

    A server that is not up yet is waited for; its sessions may be those of an earlier life.
    """

    def probe() -> None:
        if name in children(endpoint, parent):
            raise NotYet("it is there: its owner lives, or died within its session")

    wait_for(f"ZooKeeper to let go of {parent}/{name}", probe, Deadline(SESSION_SECONDS))


def children(endpoint: Endpoint, path: str) -> frozenset[str]:
    """The names under ``path``, none where it is not there; NotYet where nobody answers."""
    try:
        with _session(endpoint) as stream:
            code, body = _request(stream, GET_CHILDREN, _string(path) + NO_WATCH)
    except (OSError, struct.error) as error:
        raise NotYet(f"{type(error).__name__}: {error}") from error
    if code not in (0, NO_NODE):
        raise NotYet(f"ZooKeeper answers {path} with error {code}")
    return frozenset(_strings(body))


# The protocol is a length and a body, of big-endian numbers and strings that have their length.
INT = struct.Struct(">i")
# To connect: version, last transaction, milliseconds of the session, its id, a password of zeros.
CONNECT = struct.pack(">iqiqi16x", 0, 0, 5000, 0, 16)
REQUEST = struct.Struct(">ii")  # number, operation
REPLY = struct.Struct(">iqi")  # number, transaction, error
GET_CHILDREN, CLOSE = 8, -11
NO_WATCH = b"\0"
NO_NODE = -101


@contextmanager
def _session(endpoint: Endpoint) -> Iterator[BufferedRWPair]:
    address = (endpoint.host, endpoint.port)
    with (
        socket.create_connection(address, timeout=5) as connection,
        connection.makefile("rwb") as stream,
    ):
        _exchange(stream, CONNECT)
        yield stream
        _request(stream, CLOSE)


def _request(stream: BufferedRWPair, operation: int, body: bytes = b"") -> tuple[int, bytes]:
    """Error code, and the body of the reply."""
    answer = _exchange(stream, REQUEST.pack(1, operation) + body)
    return REPLY.unpack_from(answer)[2], answer[REPLY.size :]


def _exchange(stream: BufferedRWPair, message: bytes) -> bytes:
    stream.write(INT.pack(len(message)) + message)
    stream.flush()
    (length,) = INT.unpack(stream.read(INT.size))
    return stream.read(length)


def _string(text: str) -> bytes:
    encoded = text.encode()
    return INT.pack(len(encoded)) + encoded


def _strings(body: bytes) -> Iterator[str]:
    """The strings of a vector; of an empty body, none."""
    (count,) = INT.unpack_from(body) if body else (0,)
    start = INT.size
    for _ in range(count):
        (length,) = INT.unpack_from(body, start)
        start += INT.size + length
        yield body[start - length : start].decode()
