"""The tables' definition, through the real Hive CLI into a real metastore.

Each call of the CLI is a process of some seconds, so statements go together.
"""

import pytest

from pytest_sluice.clients.hive import HiveQLFailed
from pytest_sluice.declaration import fill_all
from pytest_sluice.flow.run import Run

pytestmark = pytest.mark.hive

PURCHASES = ["accept", "host", "user_agent", "event_type", "timestamp", "raw_event", "amount"]
REJECTED = [
    ["value", "binary"],
    ["partition", "int"],
    ["offset", "bigint"],
    ["reason", "string"],
    ["timestamp", "string"],
]


def answered(run: Run, statements: str) -> list[list[str]]:
    """The rows that the CLI prints for statements, cut at their tabs, without empty cells."""
    run.join("tables")
    rows = [line.split("\t") for line in run.hive.execute(statements).splitlines()]
    return [[cell.strip() for cell in row if cell.strip()] for row in rows]


def strings(names: list[str]) -> list[list[str]]:
    """What ``describe`` prints of columns that are strings."""
    return [[name, "string"] for name in names]


def test_the_schema_holds_two_tables_and_what_was_rejected_stands_apart(module_run: Run) -> None:
    schema = module_run.names.schema
    rows = answered(module_run, f"show tables in {schema}_quarantine; show tables in {schema}")
    assert rows == [["rejected"], ["guild_membership"], ["purchases"]]


def test_describe_prints_the_reports_columns_in_its_order(module_run: Run) -> None:
    schema = module_run.names.schema
    tables = (
        f"{schema}.purchases",
        f"{schema}.guild_membership",
        f"{schema}_quarantine.rejected",
    )
    rows = answered(module_run, "; ".join(f"describe {table}" for table in tables))
    assert rows == strings(PURCHASES) + strings(PURCHASES[:-1]) + REJECTED


def test_a_table_lies_over_the_folder_that_the_job_writes(module_run: Run) -> None:
    rows = answered(module_run, f"describe formatted {module_run.names.schema}.purchases")
    said = {row[0]: row[1] for row in rows if len(row) > 1}
    path = module_run.path(module_run.table("purchases"))
    assert said["Location:"] == module_run.hdfs.url + path
    assert said["Table Type:"] == "EXTERNAL_TABLE"
    assert said["InputFormat:"].endswith("MapredParquetInputFormat")


def test_each_table_lies_over_the_folder_that_the_job_writes(module_run: Run) -> None:
    schema, run = module_run.names.schema, module_run
    names = (
        f"{schema}.purchases",
        f"{schema}.guild_membership",
        f"{schema}_quarantine.rejected",
    )
    rows = answered(run, "; ".join(f"describe formatted {name}" for name in names))
    keys = ("Location:", "Table Type:")
    said = {key: [row[1] for row in rows if row[:1] == [key]] for key in keys}
    tables = [run.table(name.rpartition(".")[2]) for name in names]
    assert said == {
        "Location:": [run.hdfs.url + run.path(table) for table in tables],
        "Table Type:": ["EXTERNAL_TABLE"] * len(tables),
    }


def test_the_definition_may_run_again(module_run: Run) -> None:
    module_run.join("tables")
    ddl = module_run.pipeline.ddl
    assert ddl is not None
    module_run.hive.run_script(ddl.script, fill_all(ddl.variables, module_run.values))
    rows = answered(module_run, f"describe {module_run.names.schema}.purchases")
    assert rows == strings(PURCHASES)


def test_timestamp_is_a_column_in_backticks_only(module_run: Run) -> None:
    table = f"{module_run.names.schema}.probe"
    with pytest.raises(HiveQLFailed, match="ParseException") as refused:
        answered(module_run, f"create table {table} (timestamp string)")
    assert "'timestamp'" in str(refused.value)
    quoted = f"create table {table} (`timestamp` string); describe {table}; drop table {table}"
    assert answered(module_run, quoted) == [["timestamp", "string"]]


def test_a_statement_that_hive_refuses_tells_its_reason(module_run: Run) -> None:
    with pytest.raises(HiveQLFailed, match="exit code") as refused:
        answered(module_run, "describe no_such_table")
    assert "Table not found no_such_table" in str(refused.value)
