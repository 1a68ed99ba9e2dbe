"""Addresses of a cluster: on Linux a loopback address of its own, and the document's ports on it.

So no port is raced for, and two clusters live side by side. Elsewhere, or where a port of that
address is taken (by a listener on every interface), any free port.
"""

import random
import socket
import sys
from contextlib import suppress

# Bound for as long as the cluster lives: whoever can bind it owns the address.
CLAIM_PORT = 47127
# After so many addresses that cannot be bound it is not that they are taken.
ATTEMPTS = 32


class Addresses:
    """Claims a host and hands out its ports; the same name gets the same port again."""

    def __init__(self) -> None:
        self.host, self._claim = _own_host()
        self._ports: dict[str, int] = {}

    def claim(self, name: str, preferred: int) -> tuple[str, int]:
        """The host and port for ``name``: ``preferred`` where it can be bound, else a free one.

        No two names get one port, though neither may be listening yet.
        """
        if name not in self._ports:
            self._ports[name] = self._bindable(preferred)
        return self.host, self._ports[name]

    def _bindable(self, preferred: int) -> int:
        if preferred and preferred not in self._ports.values():
            with suppress(OSError):
                return _probe(self.host, preferred)
        while (free := _probe(self.host, 0)) in self._ports.values():
            pass
        return free


def _own_host() -> tuple[str, socket.socket | None]:
    if sys.platform != "linux":
        return "127.0.0.1", None
    for _ in range(ATTEMPTS):
        # 127.0.x.y is left to people; the last number avoids the ends of the range.
        host = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.{random.randint(2, 254)}"
        claim = socket.socket()
        try:
            claim.bind((host, CLAIM_PORT))
            return host, claim
        except OSError:
            claim.close()
    return "127.0.0.1", None


def _probe(host: str, port: int) -> int:
    with socket.socket() as probe:
        # As every server does: connections of a former owner that are being closed do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])
