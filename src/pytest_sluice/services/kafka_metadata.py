"""Whether a broker answers, asked by hand: a health check has no time to import a client."""

import socket
import struct

from pytest_sluice.contracts import Endpoint
from pytest_sluice.waiting import NotYet

# Metadata, version 1, about no topic; then a null client id. What its reply begins with are its
# number and the count of the brokers.
NUMBER = 1
METADATA = struct.pack(">hhihi", 3, 1, NUMBER, -1, 0)


def probe_ready(endpoint: Endpoint) -> None:
    """Ready is a metadata reply that names a broker; an open port is not."""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=5) as connection:
            connection.sendall(struct.pack(">i", len(METADATA)) + METADATA)
            answer = connection.makefile("rb").read(12)
    except OSError as error:
        raise NotYet(f"{type(error).__name__}: {error}") from error
    if len(answer) < 12:
        raise NotYet(f"an answer that ends early: {answer!r}")
    _size, number, brokers = struct.unpack(">iii", answer)
    if number != NUMBER or brokers < 1:
        raise NotYet(f"a metadata reply without a broker: {answer!r}")
