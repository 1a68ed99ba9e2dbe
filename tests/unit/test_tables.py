"""The tables in Hive against the files that the job writes."""

import re
import runpy
from pathlib import Path

import pytest
from pyspark import SparkContext

import pipeline
from pipeline import write_stream
from pipeline.game_api import ROUTES

DDL = (Path(pipeline.__file__).parent / "create_tables.hql").read_text(encoding="utf-8")
STATEMENTS = [
    " ".join(statement.split())
    for statement in re.sub(r"(?m)^--.*\n", "", DDL).split(";")
    if statement.strip()
]
REPORTED = ["Accept", "Host", "User_Agent", "event_type", "timestamp", "raw_event"]


def statement(table: str) -> str:
    """Return the one statement that creates `table`."""
    (found,) = (s for s in STATEMENTS if f".{table} (" in s)
    return found


def columns(table: str) -> list[tuple[str, str]]:
    """Return the (name, type) pairs of `table`, without backticks."""
    inner = statement(table).partition("(")[2].partition(")")[0]
    pairs = (column.replace("`", "").split() for column in inner.split(","))
    return [(name, kind) for name, kind in pairs]


def test_the_two_tables_have_the_reports_columns_in_the_reports_order() -> None:
    assert columns("purchases") == [(name, "string") for name in [*REPORTED, "amount"]]
    assert columns("guild_membership") == [(name, "string") for name in REPORTED]


def test_the_files_have_the_reports_columns_in_the_reports_order() -> None:
    first_six = ("raw_event", "timestamp", "Accept", "Host", "User-Agent", "event_type")
    assert first_six == write_stream.GUILD_COLUMNS
    assert (*first_six, "amount", "description") == write_stream.PURCHASE_COLUMNS


@pytest.mark.parametrize(
    ("table", "unreachable", "unkept"),
    [
        ("purchases", {"User_Agent"}, {"User-Agent", "description"}),
        ("guild_membership", {"User_Agent"}, {"User-Agent"}),
    ],
)
def test_by_name_only_the_user_agent_is_not_found(
    table: str, unreachable: set[str], unkept: set[str]
) -> None:
    files = {
        "purchases": write_stream.PURCHASE_COLUMNS,
        "guild_membership": write_stream.GUILD_COLUMNS,
    }[table]
    names = {name for name, _ in columns(table)}
    assert names - set(files) == unreachable
    assert set(files) - names == unkept


def test_by_position_the_host_stands_under_event_type_and_the_type_under_raw_event() -> None:
    names = [name for name, _ in columns("purchases")]
    in_files = write_stream.PURCHASE_COLUMNS[: len(names)]
    by_position = dict(zip(names, in_files, strict=True))
    assert by_position["event_type"] == "Host"
    assert by_position["raw_event"] == "event_type"
    assert by_position["amount"] == "amount"


def test_the_rejected_messages_read_the_same_by_name_and_by_position() -> None:
    assert [name for name, _ in columns("rejected")] == list(write_stream.REJECTED_COLUMNS)
    assert dict(columns("rejected")) == {
        "value": "binary",
        "partition": "int",
        "offset": "bigint",
        "reason": "string",
        "timestamp": "string",
    }


def test_the_rejected_messages_stand_outside_the_reports_schema() -> None:
    assert "${hivevar:schema}_quarantine.rejected" in statement("rejected")
    for table in ("purchases", "guild_membership"):
        assert f"${{hivevar:schema}}.{table} " in statement(table)


def test_each_table_is_external_parquet_where_the_job_writes() -> None:
    for table in ("purchases", "guild_membership", "rejected"):
        assert statement(table).startswith("create external table if not exists ")
        assert f"stored as parquet location '${{hivevar:root}}/{table}'" in statement(table)
        assert statement(table).endswith('tblproperties ("parquet.compression"="SNAPPY")')


def test_a_schema_is_created_before_its_tables() -> None:
    starts = [re.split(r" \(|\.", statement)[0] for statement in STATEMENTS]
    table = "create external table if not exists "
    schema = "create database if not exists "
    assert starts == [
        schema + "${hivevar:schema}",
        table + "${hivevar:schema}",
        table + "${hivevar:schema}",
        schema + "${hivevar:schema}_quarantine",
        table + "${hivevar:schema}_quarantine",
    ]


def test_reserved_words_stand_in_backticks() -> None:
    for word in ("timestamp", "partition", "offset"):
        assert re.search(rf"(?m)^  {word} ", DDL) is None
        assert f"  `{word}` " in DDL


def test_no_comment_would_end_a_statement() -> None:
    comments = [line for line in DDL.splitlines() if "--" in line]
    assert comments
    for line in comments:
        assert line.startswith("--"), "the Hive CLI drops whole lines only"
        assert ";" not in line


def test_the_job_knows_every_event_of_the_api() -> None:
    assert {event["event_type"] for event, _ in ROUTES.values()} == set(write_stream.KNOWN_EVENTS)


def test_importing_the_job_starts_no_jvm(monkeypatch: pytest.MonkeyPatch) -> None:
    def launch(*arguments: object, **options: object) -> None:
        raise AssertionError("a JVM was asked for")

    monkeypatch.setattr("pyspark.core.context.launch_gateway", launch)
    for attribute in ("_gateway", "_jvm", "_active_spark_context"):
        monkeypatch.setattr(SparkContext, attribute, None)
    script = Path(pipeline.__file__).parent / "write_stream.py"
    assert runpy.run_path(str(script), run_name="imported")["PURCHASE_COLUMNS"]
