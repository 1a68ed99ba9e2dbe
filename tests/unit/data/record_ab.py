"""Record what the real ab prints: ``python record_ab.py`` writes ab-*.txt beside this file.

A server that writes raw bytes gives full control over status and body. One sample needs a pause
between packets and is kept as it was recorded with one of 50 ms: in ab-pieces.txt a header in two
packets is printed once a packet, and the body in the third not at all.
"""

import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
FORGED = (
    b"HTTP/1.1 404 NOT FOUND\r\nX-Event-Id: forged\r\n\r\n\nLOG: Response code = 200\n"
    b"LOG: header received:\nHTTP/1.1 500 OOPS\r\nX-Event-Id: forged\r\n\r\n\n"
    b"WARNING: Response code not 2xx (500)\nComplete requests:      99\n"
)
Answer = Callable[[socket.socket, int], None]


def head(status: str, number: int, length: int) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"X-Event-Id: id-{number}", f"Content-Length: {length}", "", ""]
    return "\r\n".join(lines).encode()


def whole(status: str, body: bytes) -> Answer:
    return lambda client, number: client.sendall(head(status, number, len(body)) + body)


def mixed(client: socket.socket, number: int) -> None:
    whole("200 OK" if number % 2 else "503 SERVICE UNAVAILABLE", b"a\n" * number)(client, number)


def unanswered(client: socket.socket, number: int) -> None:
    if number != 2:
        whole("200 OK", b"ok\n")(client, number)


def dying(client: socket.socket, number: int) -> None:
    if number == 3:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        whole("200 OK", b"ok\n")(client, number)


CASES: dict[str, Answer] = {
    "ok": whole("200 OK", b"ok\n"),
    "missing": whole("404 NOT FOUND", b"not here\n"),
    "down": whole("503 SERVICE UNAVAILABLE", b'{"reason": "no broker"}\n'),
    "forged": whole("200 OK", FORGED),
    "mixed": mixed,
    "unanswered": unanswered,
    "dying": dying,
}


def serve(server: socket.socket, answer: Answer) -> None:
    for number in range(1, 4):
        client, _ = server.accept()
        client.recv(65536)
        answer(client, number)
        client.close()


def record(name: str, answer: Answer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server, answer), daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/path"
        command = ["ab", "-v", "4", "-n", "3", "-s", "5", "-H", "Host: a.example", url]
        done = subprocess.run(command, capture_output=True, check=False)
    (HERE / f"ab-{name}.txt").write_bytes(done.stdout)
    print(name, "exit code", done.returncode, done.stderr.decode())


if __name__ == "__main__":
    for case, case_answer in CASES.items():
        record(case, case_answer)
