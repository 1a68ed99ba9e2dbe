"""Traffic: bursts as ``ab`` commands in a shell file, and the real ``ab`` that sends them."""

import getopt
import re
import shlex
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from pytest_sluice.declaration import Burst
from pytest_sluice.errors import BadDeclaration

__all__ = ["ab_command", "read_traffic"]

TIMEOUT_SECONDS = 30

_INSIDE_A_CONTAINER = re.compile(r"^docker[- ]compose exec (-T )?\S+ ")
_URL = re.compile(r"http://(?P<host>\[[^]]+\]|[^/:]+)(:\d+)?(?P<path>/\S*)")


def read_traffic(path: Path) -> tuple[Burst, ...]:
    """Read a shell file of ``ab -n N [-c 1] [-H "Name: value"] http://localhost:PORT/PATH`` lines.

    Blank lines and comments are skipped, and a ``docker-compose exec SERVICE`` before the ab is
    left out. The address is not kept: a burst goes to the API of its run. Anything else raises
    BadDeclaration with the file and the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadDeclaration(f"cannot read the traffic {path}: {error}") from error
    bursts = tuple(_bursts(path, lines))
    if not bursts:
        raise BadDeclaration(
            f"{path} holds no ab command", remedy="write one ab command a line, or no traffic"
        )
    return bursts


def ab_command(burst: Burst, host: str, port: int) -> list[str]:
    """The argument list of ab for a burst against a loopback address."""
    if not _is_loopback(host):
        raise BadDeclaration(
            f"refusing to send traffic to {host!r}: it is not a loopback address",
            remedy="let the API listen on 127.0.0.1",
        )
    headers = [part for name, value in burst.headers for part in ("-H", f"{name}: {value}")]
    address = f"[{host}]" if ":" in host else host
    url = f"http://{address}:{port}{burst.path}"
    return ["ab", "-v", "4", "-n", str(burst.requests), "-s", str(TIMEOUT_SECONDS), *headers, url]


def _bursts(path: Path, lines: list[str]) -> Iterator[Burst]:
    for number, line in enumerate(lines, start=1):
        try:
            if words := _words(line):
                yield _burst(words)
        except (ValueError, getopt.GetoptError) as error:
            raise BadDeclaration(
                f"{path}:{number}: {error}",
                checked=[f"the line is: {line.strip()}"],
                remedy='write it as: ab -n N -H "Host: NAME" http://localhost:PORT/PATH',
            ) from error


def _words(line: str) -> list[str]:
    """The words of a line as a shell would cut it, without its comment."""
    if line.lstrip().startswith("#"):
        return []
    if "$" in line or "`" in line:
        raise ValueError("a shell would expand a part of this line")
    lexer = shlex.shlex(
        _INSIDE_A_CONTAINER.sub("", line.strip()), posix=True, punctuation_chars=True
    )
    lexer.whitespace_split = True
    lexer.commenters = ""
    words = list(lexer)
    comment = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:comment]


def _burst(words: list[str]) -> Burst:
    if words[0] != "ab":
        raise ValueError(f"not an ab command but {words[0]!r}")
    options, urls = getopt.getopt(words[1:], "n:c:H:")
    url = _URL.fullmatch(urls[0]) if len(urls) == 1 else None
    if url is None or not _is_loopback(url["host"].strip("[]")):
        raise ValueError(f"needs one URL like http://localhost:5000/path, has {urls}")
    if any(flag == "-c" and value != "1" for flag, value in options):
        raise ValueError("only -c 1: the answers of requests in parallel cannot be told apart")
    counts = [value for flag, value in options if flag == "-n"]
    if len(counts) != 1 or not re.fullmatch(r"[1-9]\d*", counts[0]):
        raise ValueError("needs one option -n with a number from 1 on")
    headers = tuple(_header(value) for flag, value in options if flag == "-H")
    return Burst(requests=int(counts[0]), path=url["path"], headers=headers)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ValueError(f"not a header: {text!r}")
    return name.strip(), value.strip()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
