"""A Docker engine as values: what its own client asks, and how often, without a socket.

The real client of the engine speaks to it, so that its requests are those that a real one gets.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import BaseAdapter

from pytest_sluice.contracts import Endpoint

ADDRESS = "http://engine.invalid:2375"


class FakeEngine(BaseAdapter):
    """Containers and networks by their ids; ``asked`` has every request, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.containers: dict[str, dict[str, Any]] = {}
        self.networks: list[dict[str, Any]] = []
        self.asked: list[str] = []

    def add(self, name: str, labels: Mapping[str, str], **config: Any) -> str:
        """A container that runs; its id."""
        number = f"{len(self.asked) + len(self.containers) + 0xC0FFEE:064x}"
        self.containers[number] = {
            "Id": number,
            "Name": f"/{name}",
            "Config": {"Image": "image", **config, "Labels": dict(labels), "Tty": True},
            "State": {"Running": True, "Paused": False, "ExitCode": 0, "Status": "running"},
            "HostConfig": {"PortBindings": {}},
            "NetworkSettings": {"Ports": {}},
        }
        return number

    def die(self, number: str) -> None:
        """A container ends as SIGKILL ends it."""
        self.containers[number]["State"] |= {"Running": False, "ExitCode": 137, "Status": "exited"}

    def client(self) -> Any:
        """The engine's own client, which asks this one."""
        import docker

        client = docker.DockerClient(base_url=ADDRESS, version="1.44")
        client.api.mount(ADDRESS, self)
        return client

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, **_options: object
    ) -> requests.Response:
        """Answer a request."""
        url = urlsplit(str(request.url))
        path = url.path.removeprefix("/v1.44")
        self.asked.append(f"{request.method} {path}")
        body = json.loads(request.body) if request.body else {}
        found = {key: values[0] for key, values in parse_qs(url.query).items()}
        response = requests.Response()
        response.status_code, answer = self._answer(str(request.method), path, found, body)
        response._content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        response.url, response.request = str(request.url), request
        return response

    def close(self) -> None:
        """Nothing is open."""

    def _answer(
        self, method: str, path: str, query: Mapping[str, str], body: dict[str, Any]
    ) -> tuple[int, Any]:
        filters = json.loads(query.get("filters", "{}"))
        match method, path.split("/")[1:]:
            case "GET", ["_ping"]:
                return 200, b"OK"
            case "GET", ["images", *_, "json"]:
                return 200, {"Id": "sha256:0", "RepoTags": ["image"]}
            case "GET", ["containers", "json"]:
                rows = [row for row in self.containers.values() if _has(row["Config"], filters)]
                return 200, [_brief(row) for row in rows]
            case "POST", ["containers", "create"]:
                labels = body.pop("Labels")
                return 201, {"Id": self.add(query["name"], labels, **body)}
            case "GET", ["networks"]:
                # As the engine does: a name matches where it is a part of another.
                names = filters.get("name", [""])
                rows = [row for row in self.networks if _has(row, filters)]
                return 200, [row for row in rows if re.search("|".join(names), row["Name"])]
            case "GET", ["volumes"]:
                return 200, {"Volumes": []}
            case "POST", ["networks", "create"]:
                self.networks.append({"Id": f"net-{len(self.networks)}", **body})
                return 201, self.networks[-1]
            case "GET", ["networks", number]:
                return 200, next(row for row in self.networks if row["Id"] == number)
            case _, ["containers", name, *act]:
                return self._on_container(method, name, act)
        raise NotImplementedError(f"{method} {path}")

    def _on_container(self, method: str, name: str, act: list[str]) -> tuple[int, Any]:
        rows = [c for c in self.containers.values() if name in (c["Id"], c["Name"].strip("/"))]
        if not rows:
            return 404, {"message": f"No such container: {name}"}
        (row,) = rows
        match method, act:
            case "GET", ["json"]:
                return 200, row
            case "GET", ["logs"]:
                return 200, b"last words\n"
            case "POST", ["start"]:
                row["State"] |= {"Running": True, "Status": "running"}
                return 204, b""
            case "DELETE", []:
                del self.containers[row["Id"]]
                return 204, b""
        raise NotImplementedError(f"{method} {act}")


class FakeCluster:
    """A lease without a supervisor; ``undos`` are the promises that hold."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.undos: dict[str, list[str]] = {}
        self._made: dict[str, Any] = {}

    @contextmanager
    def lock(self, _name: str) -> Iterator[None]:
        """Nobody else is there."""
        yield

    def claim(self, role: str, port: str, preferred: int, **_more: object) -> Endpoint:
        """A port of the cluster's own address."""
        return Endpoint("127.9.8.7", preferred)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What was made when it was first asked for."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def undo(self, name: str, argv: list[str]) -> None:
        """Take a promise down."""
        self.undos[name] = argv

    def undone(self, name: str) -> None:
        """It has been kept."""
        self.undos.pop(name, None)


def _has(labelled: Mapping[str, Any], filters: Mapping[str, list[str]]) -> bool:
    labels = {f"{key}={value}" for key, value in labelled["Labels"].items()}
    return labels.issuperset(filters.get("label", []))


def _brief(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a list tells of a container."""
    return {
        "Id": row["Id"],
        "Names": [row["Name"]],
        "Labels": row["Config"]["Labels"],
        "State": row["State"]["Status"],
    }
