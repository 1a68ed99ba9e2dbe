"""Tiny real roles for the tests of backends and supervisors: a Python process each."""

from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

from pytest_sluice.backends.process import ProcessBackend
from pytest_sluice.cluster import Cluster
from pytest_sluice.contracts import Endpoint, Launch, Role, Site, Tools
from pytest_sluice.waiting import NotYet

PORT = 8080

# Answers every request with the number of its start, which outlives it in its state.
SERVER = """
import http.server, os, pathlib, signal, sys

host, port, state, stubborn = sys.argv[1:]
pathlib.Path(state).mkdir(parents=True, exist_ok=True)
starts = pathlib.Path(state, "starts")
number = int(starts.read_text()) + 1 if starts.exists() else 1
starts.write_text(str(number))

class Handler(http.server.BaseHTTPRequestHandler):
    log_message = lambda *_: None
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"start {number}".encode())

def end(*_):
    print("ended in good order", flush=True)
    sys.exit(0)

signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn == "True" else end)
server = http.server.HTTPServer((host, int(port)), Handler)
word = [f"with {os.environ['WORD']}"] if "WORD" in os.environ else []
print(f"start {number}", *word, flush=True)
server.serve_forever()
"""


def web(name: str, *, stubborn: bool = False) -> Role:
    """A role that serves HTTP on its port ``http``; a stubborn one ignores SIGTERM."""

    def render(site: Site) -> Launch:
        own = site.endpoints["http"]
        words = (own.host, str(own.port), str(site.state), str(stubborn))
        return Launch((str(site.tools.python), "-c", SERVER, *words))

    return Role(name, render, "mids", ports={"http": PORT, "other": 0})


def with_environment(name: str, **variables: str) -> Role:
    """The same with an environment of its own; a ``WORD`` of it is in the log."""
    role = web(name)
    return replace(
        role, render=lambda site: replace(role.render(site), environment=dict(variables))
    )


def ask(endpoint: Endpoint) -> str:
    """What a role answers within half a second."""
    try:
        with urlopen(f"http://{endpoint}/", timeout=0.5) as answer:
            text: str = answer.read().decode()
            return text
    except OSError as error:
        raise NotYet(f"{type(error).__name__}: {error}") from error


def process_backend(cluster: Cluster, logs: Path) -> ProcessBackend:
    """The process backend without any distribution: its roles are Python."""
    return ProcessBackend(cluster, Tools(Path("java"), {}), [], logs, logs / "templates")
