"""The HTTP API of the pipeline under test, as a role."""

import http.client
from collections.abc import Mapping

from pytest_sluice.contracts import Endpoint, Launch, Role, Site
from pytest_sluice.declaration import Api, fill, fill_all
from pytest_sluice.waiting import NotYet


def role(name: str, api: Api, values: Mapping[str, str]) -> Role:
    """The declared command, with the run's ``values`` in its placeholders."""

    def render(site: Site) -> Launch:
        own = site.endpoints["http"]
        filled = {
            **values,
            "python": str(site.tools.python),
            "host": "0.0.0.0" if site.contained else own.host,
            "port": str(own.port),
        }
        return Launch(
            argv=tuple(fill(word, filled) for word in api.command),
            # Nothing is left in the folder of the code under test.
            environment={"PYTHONDONTWRITEBYTECODE": "1", **fill_all(api.environment, filled)},
            directory=api.directory,
        )

    return Role(name, render, "mids", ports={"http": api.port})


def probe_ready(api: Api, endpoint: Endpoint) -> None:
    """Ready is an answer below 500 to the declared request."""
    method, path = api.ready.split(maxsplit=1)
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=5)
    try:
        connection.request(method, path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise NotYet(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()
    if status >= 500:
        raise NotYet(f"{api.ready} is answered {status}")
