"""A client of the file system, over WebHDFS."""

from contextlib import suppress
from functools import cached_property
from typing import Any

from pytest_sluice.access import Access
from pytest_sluice.contracts import Endpoint


class Hdfs:
    """A client of the file system over WebHDFS, for tests. Paths are absolute: ``/tmp/table``.

    ``rpc`` is what files are called by inside the cluster, ``http`` where WebHDFS answers.
    """

    def __init__(self, rpc: Endpoint, http: Endpoint, access: Access | None = None) -> None:
        self.url = f"hdfs://{rpc}"
        self.http = http
        self._access = access or Access()
        self._rows: dict[str, int] = {}

    @cached_property
    def filesystem(self) -> Any:
        """The same file system for fsspec, and so for pyarrow and pandas; nothing is cached."""
        import fsspec

        return fsspec.filesystem(
            "webhdfs",
            host=self.http.host,
            port=self.http.port,
            user=self._access.hdfs_user or None,
            data_proxy=dict(self._access.data_nodes()),
            use_listings_cache=False,
        )

    def read(self, path: str) -> bytes | None:
        """The content of a file; None where there is none."""
        try:
            content: bytes = self.filesystem.cat_file(path)
        except FileNotFoundError:
            return None
        return content

    def names(self, path: str) -> list[str]:
        """Names of what lies in a folder, sorted; none where there is no such folder."""
        try:
            return sorted(entry.rpartition("/")[2] for entry in self.filesystem.ls(path, False))
        except FileNotFoundError:
            return []

    def write(self, path: str, content: bytes) -> None:
        """Write a file, and its folders."""
        self.filesystem.pipe_file(path, content)

    def delete(self, path: str) -> None:
        """Delete a file, or a folder with all that is in it; nothing where there is none."""
        # Not asked before: to fsspec's `exists` a file system that does not answer has no files.
        self.filesystem.rm(path, recursive=True)

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""
        try:
            self.filesystem.info(path)
        except FileNotFoundError:
            return False
        return True

    def delete_empty(self, path: str) -> None:
        """Delete a folder where nothing is in it; else, or where there is none, do nothing."""
        with suppress(FileNotFoundError):
            if not self.filesystem.ls(path, False):
                self.filesystem.rm(path, recursive=False)

    def default_replication(self) -> int:
        """On how many DataNodes a block is kept where its writer does not say; 3 as Hadoop has it.

        Raises an OSError where the NameNode does not answer.
        """
        try:
            answer = self.filesystem._call("GETSERVERDEFAULTS").json()
        except (ValueError, RuntimeError):  # a NameNode older than this question
            return 3
        return int(answer["FsServerDefaults"]["replication"])

    def data_files(self, path: str) -> list[str]:
        """Files that a reader of the directory sees: ``_x`` and ``.x`` are hidden from it."""
        files = []
        for name in self.names(path):
            if name.startswith(("_", ".")):
                continue
            below = f"{path}/{name}"
            files += [below] if self.filesystem.isfile(below) else self.data_files(below)
        return files

    def rows(self, file: str) -> int:
        """How many rows a Parquet file has, by its footer; asked once, since files never change."""
        if file not in self._rows:
            from pyarrow import parquet

            with self.filesystem.open(file, "rb") as stream:
                self._rows[file] = parquet.read_metadata(stream).num_rows
        return self._rows[file]

    def columns(self, file: str) -> list[str]:
        """The columns of a Parquet file, in its own order."""
        from pyarrow import parquet

        with self.filesystem.open(file, "rb") as stream:
            return list(parquet.read_schema(stream).names)

    def values(self, file: str, column: str) -> list[Any]:
        """What a Parquet file has in one column, row by row."""
        from pyarrow import parquet

        with self.filesystem.open(file, "rb") as stream:
            return list(parquet.read_table(stream, columns=[column])[column].to_pylist())

    def table(self, path: str) -> list[dict[str, Any]]:
        """Every row of the Parquet files below a folder, as read without Presto or Hive."""
        from pyarrow import parquet

        rows: list[dict[str, Any]] = []
        for file in self.data_files(path):
            with self.filesystem.open(file, "rb") as stream:
                rows += parquet.read_table(stream).to_pylist()
        return rows
