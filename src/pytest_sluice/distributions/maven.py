"""Bytes of a Maven artifact; jgo knows the repositories, their mirrors and the paths in them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from pytest_sluice.distributions.lock import Artifact

if TYPE_CHECKING:
    from jgo.maven import MavenContext
    from requests import Response, Session

CHUNK = 1 << 18
TIMEOUT = 60.0  # seconds without a byte
CONNECTION_RETRIES = 3
RETRIED_STATUS = (429, 500, 502, 503, 504)


class Unreachable(Exception):
    """A repository did not answer, or stopped in the middle; the text says how."""


class Source(Protocol):
    """Where the bytes of artifacts come from."""

    def open(self, artifact: Artifact, offset: int) -> AbstractContextManager[Iterator[bytes]]:
        """The artifact's bytes from ``offset`` on, in pieces; raises Unreachable."""
        ...


class MavenSource:
    """The repositories of jgo's configuration, asked in its order."""

    @contextmanager
    def open(self, artifact: Artifact, offset: int) -> Iterator[Iterator[bytes]]:
        """Stream one artifact; a server that ignores the offset is read past it."""
        with self._answer(artifact, offset) as response:
            skip = 0 if response.status_code == 206 else offset
            yield _pieces(response, skip)

    def urls(self, artifact: Artifact) -> list[str]:
        """The artifact's address in each repository."""
        group, name, version, classifier, packaging = artifact.parts
        project = self._context.project(group, name)
        found = project.at_version(version).artifact(classifier, packaging)
        path = f"{found.component.path_prefix.as_posix()}/{found.filename}"
        return [f"{base.rstrip('/')}/{path}" for base in self._context.remote_repos.values()]

    def _answer(self, artifact: Artifact, offset: int) -> "Response":
        refused = []
        for url in self.urls(artifact):
            response = self._get(url, offset)
            if response.status_code in (200, 206):
                return response
            response.close()
            refused.append(f"{url}: HTTP {response.status_code}")
        raise Unreachable("; ".join(refused))

    def _get(self, url: str, offset: int) -> "Response":
        import requests

        headers = {"Range": f"bytes={offset}-"} if offset else {}
        try:
            return self._session.get(url, stream=True, timeout=TIMEOUT, headers=headers)
        except requests.RequestException as error:
            raise Unreachable(f"{url}: {error}") from error

    @cached_property
    def _context(self) -> "MavenContext":
        from jgo.config import GlobalSettings
        from jgo.maven import MavenContext

        context = MavenContext()
        context.remote_repos.update(GlobalSettings.load().repositories)
        return context

    @cached_property
    def _session(self) -> "Session":
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        retry = Retry(CONNECTION_RETRIES, backoff_factor=0.5, status_forcelist=RETRIED_STATUS)
        session = requests.Session()
        session.mount("https://", HTTPAdapter(pool_maxsize=16, max_retries=retry))
        return session


def _pieces(response: "Response", skip: int) -> Iterator[bytes]:
    import requests

    try:
        for piece in response.iter_content(CHUNK):
            kept = piece[skip:]
            skip = max(0, skip - len(piece))
            if kept:
                yield kept
    except requests.RequestException as error:
        raise Unreachable(f"{response.url}: {error}") from error
