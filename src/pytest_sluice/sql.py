"""SQL: queries to Presto by its Python client, and their results as values."""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from pytest_sluice.access import PrestoAccess, forget_frames
from pytest_sluice.errors import BadDeclaration, SluiceError

MappingName = Literal["position", "name"]
"""How the columns of a Parquet file are mapped to those of its table."""

Row = tuple[Any, ...]

_TRANSIENT = frozenset({"NO_NODES_AVAILABLE", "SERVER_STARTING_UP", "HTTP_503"})
# Errors that say that the query does not fit these tables and files. Each is provoked on the real
# engine by tests/integration/test_presto.py; one that nobody has provoked does not belong here.
# HIVE_BAD_DATA does not either: the file may be one that is being written.
MISFITS = frozenset(
    {
        "DIVISION_BY_ZERO",
        "HIVE_PARTITION_SCHEMA_MISMATCH",  # the type of a column in the file is another
        "INVALID_CAST_ARGUMENT",
        "INVALID_FUNCTION_ARGUMENT",
        "NUMERIC_VALUE_OUT_OF_RANGE",
        "SUBQUERY_MULTIPLE_ROWS",
        "SYNTAX_ERROR",  # also of a table, column or function that is not there, and of types
    }
)
# The parser's own words: a query that is no SQL says nothing of tables and files.
_UNREAD = re.compile(r"mismatched input|extraneous input|no viable alternative|missing '")
_MAPPING_PROPERTY = "parquet_use_column_names"
_REQUEST_SECONDS = 60.0


class QueryFailed(SluiceError):
    """Presto refused a query, or could not be asked.

    ``name`` is Presto's name of the error, or ``HTTP_503``, ``HTTP_ERROR`` or ``NOT_REACHABLE``
    where none was answered; ``message`` is its text. ``transient`` tells that an engine that has
    just started says so, and then recovers; ``misfit``, that the query does not fit the tables and
    files, so that it would be refused again. Any other error says nothing of the query.
    """

    def __init__(self, sql: str, name: str, message: str) -> None:
        self.sql = sql
        self.name = name
        self.message = message
        self.transient = name in _TRANSIENT
        self.misfit = name in MISFITS and not _UNREAD.search(message)
        super().__init__(
            f"the query failed with {name}: {message}",
            checked=[f"the query is: {sql}"],
            remedy="ask again: the engine is still starting" if self.transient else "",
        )


@dataclass(frozen=True)
class Result:
    """The answer to a query: names and Presto types of the columns, and the rows in order."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def rows_as_multiset(self) -> Counter[Row]:
        """How often each row occurs; lists and maps within a row become tuples."""
        return multiset(self.rows)

    def __str__(self) -> str:
        """The text that the Presto CLI prints in its aligned format."""
        return aligned(self.columns, self.rows)


@dataclass(frozen=True)
class Presto:
    """A Presto server; ``catalogs`` names the catalog for each mapping of Parquet columns."""

    host: str
    port: int
    schema: str
    catalogs: Mapping[MappingName, str]
    access: PrestoAccess = field(default_factory=PrestoAccess)

    def query(self, sql: str, mapping: MappingName = "position") -> Result:
        """Run one statement on a connection of its own; raises QueryFailed."""
        client = import_module("prestodb.dbapi")
        connection = client.connect(
            host=self.host,
            port=self.port,
            user=self.access.user,
            catalog=self.catalogs[mapping],
            schema=self.schema,
            http_scheme=self.access.scheme,
            auth=self._authentication(),
            max_attempts=1,  # the client would sleep and ask again, hiding what it saw
            request_timeout=_REQUEST_SECONDS,
        )
        # A proxy of the environment knows nothing of a loopback address such as 127.5.6.7.
        connection._http_session.trust_env = False
        connection._http_session.verify = self.access.cafile or True
        outer = sys.exception()
        try:
            return _fetch(connection.cursor(), sql)
        except BaseException as error:
            if self.access.password.reveal():
                forget_frames(error, outer)
            if failure := _failure(sql, error):
                raise failure from error
            raise

    def _authentication(self) -> Any:
        """What the client sends with every request; None without a password."""
        if not (password := self.access.password.reveal()):
            return None
        return import_module("prestodb.auth").BasicAuthentication(self.access.user, password)

    def verify_mappings(self) -> None:
        """Ask the server how each catalog maps the columns of Parquet files.

        Raises BadDeclaration for a catalog that does not map as its name here says.
        """
        session = {row[0]: row[1] for row in self.query("show session").rows}
        for mapping, catalog in self.catalogs.items():
            wanted = "true" if mapping == "name" else "false"
            found = session.get(f"{catalog}.{_MAPPING_PROPERTY}", "not a property of it")
            if found != wanted:
                raise BadDeclaration(
                    f"catalog {catalog} does not map columns by {mapping}: its "
                    f"{_MAPPING_PROPERTY} is {found}, not {wanted}",
                    remedy=f"set hive.parquet.use-column-names={wanted} in the properties of "
                    f"{catalog}, or name another catalog as catalogs.{mapping}",
                )

    def visible_files(self, table: str, mapping: MappingName = "name") -> dict[str, int]:
        """How many rows Presto reads now out of each file of a table that has any, by URL."""
        name = ".".join(f'"{part}"' for part in table.split("."))
        sql = f'select "$path", count(*) from {name} group by 1'
        return dict(self.query(sql, mapping).rows)


def multiset(rows: Iterable[Row]) -> Counter[Row]:
    """How often each row occurs; lists and maps within a row become tuples."""
    return Counter(tuple(_frozen(value) for value in row) for row in rows)


def aligned(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Rows as the Presto CLI prints them: headings centred, numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    lines = [
        "|".join(_centred(name, width) for name, width in zip(columns, widths, strict=True)),
        "+".join("-" * (width + 2) for width in widths),
    ]
    for row, texts in zip(rows, cells, strict=True):
        parts = zip(row, texts, widths, strict=True)
        lines.append("|".join(_padded(value, text, width) for value, text, width in parts))
    lines.append(f"({len(rows)} row{'' if len(rows) == 1 else 's'})")
    return "\n".join(lines)


def _fetch(cursor: Any, sql: str) -> Result:
    cursor.execute(sql)
    rows = tuple(tuple(row) for row in cursor.fetchall())
    described = cursor.description or []
    return Result(
        columns=tuple(column[0] for column in described),
        types=tuple(column[1] for column in described),
        rows=rows,
    )


def _failure(sql: str, error: BaseException) -> QueryFailed | None:
    """The error of the client as ours; None where it is neither Presto's nor the network's."""
    exceptions = import_module("prestodb.exceptions")
    if isinstance(error, exceptions.PrestoQueryError):
        return QueryFailed(sql, str(error.error_name), str(error.message))
    if isinstance(error, exceptions.Http503Error):
        return QueryFailed(sql, "HTTP_503", str(error))
    if isinstance(error, exceptions.HttpError):
        return QueryFailed(sql, "HTTP_ERROR", str(error))
    if isinstance(error, import_module("requests").RequestException):
        return QueryFailed(sql, "NOT_REACHABLE", str(error))
    return None


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(sorted((key, _frozen(item)) for key, item in value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item) for item in value)
    return value


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "NULL" if value is None else str(value).replace("\n", "\\n")


def _centred(text: str, width: int) -> str:
    left = (width - len(text)) // 2
    return " " * (left + 1) + text + " " * (width - len(text) - left + 1)


def _padded(value: Any, text: str, width: int) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f" {text:>{width}} " if is_number else f" {text:<{width}} "
