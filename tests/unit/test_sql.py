"""data/presto.json is what PrestoDB 0.287 answered, request by request; its statistics are cut."""

import json
import traceback
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from pytest_sluice.access import PrestoAccess, Secret
from pytest_sluice.errors import BadDeclaration
from pytest_sluice.sql import Presto, QueryFailed, Result, aligned, multiset

RECORDED = json.loads((Path(__file__).parent / "data" / "presto.json").read_text())
PRESTO = Presto("127.0.0.1", 8080, "games", {"position": "hive", "name": "hive_by_name"})


class Replay:
    """Stands in the place of the network: gives recorded answers in their order."""

    def __init__(self, answers: list[dict[str, Any]]) -> None:
        self.answers = list(answers)
        self.sent: list[requests.PreparedRequest] = []
        self.proxies: list[Any] = []

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        self.sent.append(request)
        self.proxies.append(options["proxies"])
        recorded = self.answers.pop(0)
        response = requests.Response()
        response.status_code = recorded["status"]
        response._content = json.dumps(recorded["body"]).encode()
        return response


def replay(patch: pytest.MonkeyPatch, answers: list[dict[str, Any]]) -> Replay:
    network = Replay(answers)
    # A plain function in the class would be bound to the adapter; a bound method stays ours.
    patch.setattr(requests.adapters.HTTPAdapter, "send", network.send)
    return network


def answer(status: int, **body: Any) -> list[dict[str, Any]]:
    whole = {"id": "q", "infoUri": "http://127.0.0.1:8080/q", "stats": {}, **body}
    return [{"status": status, "body": whole}]


def test_a_query_gives_names_types_and_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    network = replay(monkeypatch, RECORDED["answered"])
    result = PRESTO.query("select 'red' as colour", mapping="name")
    assert result.columns == ("colour", "n", "x", "l", "m", "t", "d", "e", "dt")
    assert result.types[:4] == ("varchar(3)", "integer", "unknown", "array(integer)")
    assert result.rows == (("red", 5, None, [1, 2], {"k": 1}, True, "1.5", 1.0, "2026-01-01"),)
    assert result.rows_as_multiset == multiset(result.rows)
    assert network.answers == []
    assert network.sent[0].body == b"select 'red' as colour"


@pytest.mark.parametrize(("mapping", "catalog"), [("position", "hive"), ("name", "hive_by_name")])
def test_the_mapping_is_the_catalog(
    monkeypatch: pytest.MonkeyPatch, mapping: Any, catalog: str
) -> None:
    network = replay(monkeypatch, RECORDED["answered"])
    PRESTO.query("select 1", mapping=mapping)
    assert network.sent[0].headers["X-Presto-Catalog"] == catalog
    assert network.sent[0].headers["X-Presto-Schema"] == "games"


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    network = replay(monkeypatch, RECORDED["answered"])
    PRESTO.query("select 1")
    assert not any(network.proxies)


def test_a_password_goes_over_https_by_the_clients_own_means(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = replay(monkeypatch, RECORDED["answered"])
    access = PrestoAccess("gate", Secret("hush"), https=True)
    Presto("presto", 8443, "games", PRESTO.catalogs, access).query("select 1")
    assert network.sent[0].url == "https://presto:8443/v1/statement"
    assert network.sent[0].headers["Authorization"] == f"Basic {b64encode(b'gate:hush').decode()}"
    assert network.sent[0].headers["X-Presto-User"] == "gate"


@pytest.mark.parametrize("raised", [requests.ConnectionError, KeyboardInterrupt, KeyError])
def test_no_frame_that_holds_the_password_is_left_in_what_is_raised(
    monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    def send(_self: object, request: requests.PreparedRequest, **_options: object) -> None:
        try:
            raise OSError(len(request.headers))
        except OSError as error:
            raise raised("cut off") from error

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    access = PrestoAccess("gate", Secret("hush"), https=True)
    client = Presto("presto", 8443, "games", PRESTO.catalogs, access)
    try:
        raise LookupError("of somebody else")
    except LookupError as error:
        outer = error
        with pytest.raises((raised, QueryFailed)) as caught:
            client.query("select 1")
    assert outer.__traceback__  # whoever was at work before keeps all of theirs
    left = [caught.value]
    while cause := left[-1].__cause__:
        left.append(cause)
    assert isinstance(left[-1], OSError)
    traces = [traceback.extract_tb(error.__traceback__) for error in left]
    files = {Path(frame.filename).name for trace in traces for frame in trace}
    assert files <= {"test_sql.py", "sql.py"}
    assert "send" not in {frame.name for trace in traces for frame in trace}


def test_without_a_password_the_frames_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    replay(monkeypatch, answer(500))
    with pytest.raises(QueryFailed, match="HTTP_ERROR") as caught:
        PRESTO.query("select 1")
    cause = caught.value.__cause__
    assert cause is not None
    assert len(traceback.extract_tb(cause.__traceback__)) > 2


def test_a_refused_query_has_prestos_name_and_message_and_the_sql(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replay(monkeypatch, RECORDED["refused"])
    with pytest.raises(QueryFailed) as error:
        PRESTO.query("select nothing from t")
    assert error.value.name == "SYNTAX_ERROR"
    assert error.value.message == "line 1:8: Column 'nothing' cannot be resolved"
    assert not error.value.transient
    assert "select nothing from t" in str(error.value)


@pytest.mark.parametrize(
    ("name", "kind", "transient"),
    [
        ("NO_NODES_AVAILABLE", "INTERNAL_ERROR", True),
        ("SERVER_STARTING_UP", "INTERNAL_ERROR", True),
        ("HIVE_METASTORE_ERROR", "EXTERNAL", False),
        ("DIVISION_BY_ZERO", "USER_ERROR", False),
    ],
)
def test_what_an_engine_says_that_has_just_started_is_transient(
    monkeypatch: pytest.MonkeyPatch, name: str, kind: str, transient: bool
) -> None:
    replay(monkeypatch, answer(200, error={"errorName": name, "errorType": kind, "message": "m"}))
    with pytest.raises(QueryFailed, match=f"{name}: m") as error:
        PRESTO.query("select 1")
    assert error.value.transient is transient


def described(by_position: str, by_name: str) -> list[dict[str, Any]]:
    columns = [{"name": n, "type": "varchar"} for n in ("Name", "Value", "Default", "Type", "Note")]
    mapped = {"hive": by_position, "hive_by_name": by_name}
    rows = [
        [f"{catalog}.parquet_use_column_names", value, "false", "boolean", ""]
        for catalog, value in mapped.items()
    ]
    return answer(200, columns=columns, data=[["query_max_run_time", "1d", "", "", ""], *rows])


def test_catalogs_that_map_as_their_names_say_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    network = replay(monkeypatch, described("false", "true"))
    PRESTO.verify_mappings()
    assert network.sent[0].body == b"show session"


@pytest.mark.parametrize(
    ("answered", "catalogs", "cause", "remedy"),
    [
        (
            described("false", "false"),
            {"position": "hive", "name": "hive_by_name"},
            "catalog hive_by_name does not map columns by name: its parquet_use_column_names is "
            "false, not true",
            "set hive.parquet.use-column-names=true in the properties of hive_by_name, or name "
            "another catalog as catalogs.name",
        ),
        (
            described("true", "true"),
            {"position": "hive", "name": "hive_by_name"},
            "catalog hive does not map columns by position: its parquet_use_column_names is true",
            "hive.parquet.use-column-names=false",
        ),
        (
            described("false", "true"),
            {"position": "hive", "name": "lake"},
            "catalog lake does not map columns by name: its parquet_use_column_names is "
            "not a property of it",
            "catalogs.name",
        ),
    ],
)
def test_a_catalog_that_maps_otherwise_is_named_with_value_and_remedy(
    monkeypatch: pytest.MonkeyPatch, answered: Any, catalogs: Any, cause: str, remedy: str
) -> None:
    replay(monkeypatch, answered)
    with pytest.raises(BadDeclaration) as error:
        replace(PRESTO, catalogs=catalogs).verify_mappings()
    assert cause in error.value.cause
    assert remedy in error.value.remedy


@pytest.mark.parametrize(
    ("status", "name", "transient"), [(503, "HTTP_503", True), (500, "HTTP_ERROR", False)]
)
def test_an_http_error_is_asked_once_and_named(
    monkeypatch: pytest.MonkeyPatch, status: int, name: str, transient: bool
) -> None:
    network = replay(monkeypatch, answer(status))
    with pytest.raises(QueryFailed, match=name) as error:
        PRESTO.query("select 1")
    assert error.value.transient is transient
    assert len(network.sent) == 1


def test_an_engine_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise requests.ConnectionError("Connection refused")

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", refuse)
    with pytest.raises(QueryFailed, match="NOT_REACHABLE: Connection refused") as error:
        PRESTO.query("select 1")
    assert not error.value.transient


def test_an_error_of_our_own_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    replay(monkeypatch, [])
    with pytest.raises(IndexError):
        PRESTO.query("select 1")


@pytest.mark.parametrize(
    ("table", "sql"),
    [
        ("doors", 'select "$path", count(*) from "doors" group by 1'),
        ("games.doors", 'select "$path", count(*) from "games"."doors" group by 1'),
    ],
)
def test_visible_files_are_the_paths_that_presto_reads_by_name(
    monkeypatch: pytest.MonkeyPatch, table: str, sql: str
) -> None:
    columns = [{"name": "$path", "type": "varchar"}, {"name": "_col1", "type": "bigint"}]
    first = answer(200, nextUri="http://127.0.0.1:8080/next")
    rows = [["hdfs://h/a.parquet", 3], ["hdfs://h/b.parquet", 1]]
    network = replay(monkeypatch, first + answer(200, columns=columns, data=rows))
    assert PRESTO.visible_files(table) == {"hdfs://h/a.parquet": 3, "hdfs://h/b.parquet": 1}
    assert network.sent[0].body == sql.encode()
    assert network.sent[0].headers["X-Presto-Catalog"] == "hive_by_name"


def test_the_text_is_what_the_cli_prints() -> None:
    rows = (("user3.example", 55), ("u", 5))
    assert str(Result(("host", "_col1"), ("varchar", "bigint"), rows)).splitlines() == [
        "     host      | _col1 ",
        "---------------+-------",
        " user3.example |    55 ",
        " u             |     5 ",
        "(2 rows)",
    ]
    assert aligned(("_col0",), ((165,),)).splitlines() == [
        " _col0 ",
        "-------",
        "   165 ",
        "(1 row)",
    ]


def test_the_text_of_what_is_not_plain() -> None:
    assert aligned(("a",), ((None,), (True,), ("x\ny",))).splitlines()[2:] == [
        " NULL ",
        " true ",
        " x\\ny ",
        "(3 rows)",
    ]
    assert aligned(("a",), ()).splitlines() == [" a ", "---", "(0 rows)"]


ROWS = st.lists(st.tuples(st.text(), st.integers() | st.none() | st.booleans()))


@given(ROWS)
def test_every_line_of_a_table_has_the_same_width(rows: list[tuple[str, object]]) -> None:
    lines = aligned(("name", "n"), rows).split("\n")
    assert len(lines) == len(rows) + 3
    assert len({len(line) for line in lines[:-1]}) == 1


@given(st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.integers(0, 1), max_size=2))))
def test_a_multiset_counts_rows_in_any_order(rows: list[tuple[str, list[int]]]) -> None:
    assert multiset(rows) == multiset(reversed(rows))
    assert multiset(rows).total() == len(rows)
    assert multiset([*rows, ("a", [0])]) != multiset(rows)


def test_lists_and_maps_within_rows_can_be_counted() -> None:
    rows = [([[1], [2]], {"b": [1], "a": None}), ([[1], [2]], {"a": None, "b": [1]})]
    assert list(multiset(rows).values()) == [2]


@pytest.mark.parametrize(
    ("message", "misfit"),
    [
        ("line 1:15: Table hive.default.x does not exist", True),
        ("line 1:8: Column 'x' cannot be resolved", True),
        ("line 1:1: mismatched input 'selct'. Expecting: 'ALTER'", False),
        ("line 1:9: extraneous input ','", False),
    ],
)
def test_a_query_that_is_no_sql_says_nothing_of_the_tables(message: str, misfit: bool) -> None:
    assert QueryFailed("q", "SYNTAX_ERROR", message).misfit == misfit
