"""What Presto sees of Parquet files in the report's layout, through the report's tables."""

import io
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import prestodb
import pyarrow as pa
import pytest
from pyarrow import parquet

from pytest_sluice.claims import Claim, judge
from pytest_sluice.errors import BadDeclaration
from pytest_sluice.flow.run import Run
from pytest_sluice.sql import MISFITS, MappingName, Presto, QueryFailed
from tests.integration.test_hdfs import COLUMNS

pytestmark = pytest.mark.presto

USERS = ("user1.comcast.com", "user2.att.com", "user3.spectrum.com")


def purchase(n: int) -> dict[str, str]:
    """A row of the job, in which every column can be told from the others."""
    return {
        "raw_event": f"raw {n}",
        "timestamp": f"time {n}",
        "Accept": f"accept {n}",
        "Host": USERS[n % 3],
        "User-Agent": f"agent {n}",
        "event_type": "purchase_bow",
        "amount": "1",
        "description": f"description {n}",
    }


def write(run: Run, name: str, rows: Iterable[dict[str, str]], table: str = "purchases") -> str:
    """Write a Parquet file as the job does, with its columns in their order; the file's URL."""
    columns = COLUMNS[table]
    schema = pa.schema([(column, pa.string()) for column in columns])
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(list(rows), schema), buffer)
    path = f"{run.path(run.table(table))}/{name}"
    run.hdfs.write(path, buffer.getvalue())
    return run.hdfs.url + path


def test_by_position_a_column_shows_what_stands_in_its_place(sluice_own_run: Run) -> None:
    run = sluice_own_run
    write(run, "batch_id=0/part-0.parquet", [purchase(1)])
    described = run.presto.query("select * from purchases", "position")
    assert described.columns == (
        "accept",
        "host",
        "user_agent",
        "event_type",
        "timestamp",
        "raw_event",
        "amount",
    )
    assert described.rows == (
        ("raw 1", "time 1", "accept 1", USERS[1], "agent 1", "purchase_bow", "1"),
    )
    by_name = run.presto.query("select * from purchases", "name")
    assert by_name.columns == described.columns
    # The file's column is User-Agent, so by name there is no user_agent.
    assert by_name.rows == (("accept 1", USERS[1], None, "purchase_bow", "time 1", "raw 1", "1"),)


@pytest.fixture(scope="module")
def run(module_run: Run) -> Run:
    """A run with ten purchases in two batches, and what its readers must not see."""
    write(module_run, "batch_id=0/part-0.parquet", map(purchase, range(6)))
    write(module_run, "batch_id=1/part-0.parquet", map(purchase, range(6, 10)))
    write(module_run, "batch_id=1/part-1.parquet", [])
    write(module_run, "batch_id=2/_temporary/0/part-0.parquet", map(purchase, range(50)))
    write(module_run, "batch_id=2/.part-0.parquet", map(purchase, range(50)))
    return module_run


QUERIES: dict[MappingName, str] = {
    # The report's claim 9 holds by position; the corrected one beside it by name.
    "position": "select event_type, count(*) from purchases where raw_event = 'purchase_bow'"
    " group by event_type",
    "name": "select host, count(*) from purchases where event_type = 'purchase_bow' group by host",
}


@pytest.mark.parametrize("mapping", QUERIES)
def test_the_same_figures_by_position_and_by_name(run: Run, mapping: MappingName) -> None:
    answer = run.presto.query(QUERIES[mapping], mapping)
    assert dict(answer.rows) == {USERS[0]: 4, USERS[1]: 3, USERS[2]: 3}


@pytest.mark.parametrize(("asked", "other"), [("position", "name"), ("name", "position")])
def test_a_query_under_the_other_mapping_has_no_rows(
    run: Run, asked: MappingName, other: MappingName
) -> None:
    assert run.presto.query(QUERIES[asked], other).rows == ()


@pytest.mark.parametrize("mapping", QUERIES)
def test_the_session_property_switches_a_catalog_to_the_other_mapping(
    run: Run, mapping: MappingName
) -> None:
    server, other = run.presto, "name" if mapping == "position" else "position"
    catalog = server.catalogs[mapping]
    switched = {f"{catalog}.parquet_use_column_names": str(other == "name").lower()}
    connection = prestodb.dbapi.connect(
        host=server.host,
        port=server.port,
        user="test",
        catalog=catalog,
        schema=server.schema,
        session_properties=switched,
    )
    connection._http_session.trust_env = False  # a proxy knows nothing of this address
    figures = {name: answer(connection, sql) for name, sql in QUERIES.items()}
    assert figures == {other: {USERS[0]: 4, USERS[1]: 3, USERS[2]: 3}, mapping: {}}


def answer(connection: prestodb.dbapi.Connection, sql: str) -> dict[str, int]:
    cursor = connection.cursor()
    cursor.execute(sql)
    return dict(cursor.fetchall())


def test_both_catalogs_stand_over_one_metastore(run: Run) -> None:
    join = (
        "select count(*) from hive.{0}.purchases old join hive_by_name.{0}.purchases new"
        " on old.raw_event = new.event_type and old.accept = new.raw_event"
    )
    assert run.presto.query(join.format(run.names.schema)).rows == ((10,),)
    for mapping in QUERIES:
        tables = run.presto.query("show tables", mapping)
        assert tables.rows_as_multiset == {("guild_membership",): 1, ("purchases",): 1}


def test_folders_may_nest_and_hidden_files_are_not_read(run: Run) -> None:
    assert run.presto.query("select count(*) from purchases").rows == ((10,),)


def test_the_visible_files_are_those_with_rows(run: Run) -> None:
    folder = run.hdfs.url + run.path(run.table("purchases"))
    assert set(run.presto.visible_files(f"{run.names.schema}.purchases")) == {
        f"{folder}/batch_id=0/part-0.parquet",
        f"{folder}/batch_id=1/part-0.parquet",
    }


def test_a_file_is_visible_as_soon_as_it_is_there(sluice_own_run: Run) -> None:
    run, count = sluice_own_run, "select count(*) from guild_membership"
    assert run.presto.query(count).rows == ((0,),)
    write(run, "batch_id=7/part-0.parquet", map(purchase, range(3)), "guild_membership")
    assert run.presto.query(count).rows == ((3,),)
    assert len(run.presto.visible_files(run.qualified(run.table("guild_membership")))) == 1


FOLDERS = {"swapped": pa.table({"a": ["x"], "n": [1]}), "texts": pa.table({"a": ["x", "-1"]})}
TABLES = ("swapped (n bigint, a varchar)", "texts (a varchar)")

# Each error that is a verdict on a claim, and queries that the engine refuses with it.
REFUSED = (
    ("HIVE_PARTITION_SCHEMA_MISMATCH", "select n from swapped"),
    ("HIVE_PARTITION_SCHEMA_MISMATCH", "select a from swapped"),
    ("INVALID_CAST_ARGUMENT", "select cast(a as bigint) from texts"),
    ("INVALID_FUNCTION_ARGUMENT", "select from_iso8601_timestamp(a) from texts"),
    ("DIVISION_BY_ZERO", "select 1 / count(*) from texts where a = 'y'"),
    ("NUMERIC_VALUE_OUT_OF_RANGE", "select cast(1000 * length(a) as tinyint) from texts"),
    ("SUBQUERY_MULTIPLE_ROWS", "select (select a from texts)"),
    ("SYNTAX_ERROR", "select a from no_such_table"),
    ("SYNTAX_ERROR", "select no_such_column from texts"),
    ("SYNTAX_ERROR", "select no_such_function(a) from texts"),
    ("SYNTAX_ERROR", "select a from texts where a > 3"),
)
UNREAD = (
    "selec a from texts",
    "select a texts where",
    "select a,, a from texts",
    "select (a from texts",
)


@pytest.fixture(scope="module")
def misfits(run: Run) -> Presto:
    """Presto over two more tables: the columns of one stand in another order than its file's."""
    for (folder, content), table in zip(FOLDERS.items(), TABLES, strict=True):
        buffer = io.BytesIO()
        parquet.write_table(content, buffer)
        run.hdfs.write(f"{run.names.root}/{folder}/part-0.parquet", buffer.getvalue())
        place = f"external_location = '{run.hdfs.url}{run.names.root}/{folder}'"
        run.presto.query(f"create table {table} with ({place}, format = 'PARQUET')")
    return run.presto


def test_every_error_that_is_a_verdict_is_provoked_here() -> None:
    assert {name for name, _ in REFUSED} == MISFITS


@pytest.mark.parametrize(("name", "sql"), REFUSED)
def test_a_query_that_does_not_fit_is_refused_with_an_error_that_says_so(
    misfits: Presto, name: str, sql: str
) -> None:
    with pytest.raises(QueryFailed) as refused:
        misfits.query(sql, "position")
    assert refused.value.name == name
    assert refused.value.misfit
    assert not refused.value.transient


@pytest.mark.parametrize("sql", UNREAD)
def test_a_query_that_is_no_sql_says_nothing_of_the_tables(misfits: Presto, sql: str) -> None:
    with pytest.raises(QueryFailed, match="SYNTAX_ERROR") as refused:
        misfits.query(sql)
    assert not refused.value.misfit, refused.value.message


def test_a_claim_that_one_mapping_refuses_for_its_types_holds_by_the_other(
    misfits: Presto,
) -> None:
    claim = Claim("1", "n of a", "select a, n from swapped order by a", ("a", "n"), (("x", 1),))
    with pytest.raises(QueryFailed) as refused:
        misfits.query(claim.sql, "position")
    verdict = judge(claim, refused.value, misfits.query(claim.sql, "name"))
    assert verdict.outcome == "holds only by name"


def test_the_server_says_how_each_catalog_maps(run: Run) -> None:
    run.presto.verify_mappings()
    turned: dict[MappingName, str] = {"position": "hive_by_name", "name": "hive_by_name"}
    with pytest.raises(BadDeclaration, match="hive_by_name does not map columns by position"):
        replace(run.presto, catalogs=turned).verify_mappings()


def test_values_compare_as_the_engine_answers_them(run: Run) -> None:
    claim = Claim(
        "1",
        "values of every kind",
        "select cast(1.5 as decimal(10,2)) d, 1 i, 1.0e0 f, true b, array[1, 2] a,"
        " map(array[7], array['x']) m,"
        " cast(row(1, decimal '2.50') as row(k bigint, v decimal(9,2))) r,"
        " 0.1e0 + 0.2e0 s, nan() n order by a",
        ("d", "i", "f", "b", "a", "m", "r", "s", "n"),
        ((Decimal("1.5"), 1, 1.0, True, (1, 2), {7: "x"}, (1, 2.5), 0.1 + 0.2, float("nan")),),
    )
    answer = run.presto.query(claim.sql)
    assert judge(claim, answer, answer).outcome == "holds", judge(claim, answer, answer).text()


def test_the_engine_is_ready_whatever_the_pipeline_has_written(sluice_own_run: Run) -> None:
    run = sluice_own_run
    run.hdfs.write(f"{run.path(run.table('purchases'))}/half.parquet", b"half of a file")
    assert run.presto.query("select 1").rows == ((1,),)
