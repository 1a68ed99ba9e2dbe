"""Claims 1, 2 and 4: the tables and their columns. No file is read, so no mapping counts."""

from collections.abc import Callable

import pytest

from pytest_sluice.claims import Claim, Verdict
from pytest_sluice.clients.hdfs import Hdfs
from pytest_sluice.clients.hive import Hive
from pytest_sluice.flow.run import Run

Check = Callable[[Claim], Verdict]

# Today's DESCRIBE prints a column "Extra" between these.
PRINTED_BY_DESCRIBE = ("Column", "Type", "Comment")


def test_claim_1_there_are_two_tables(sluice_check: Check) -> None:
    claim = Claim(
        id="1",
        statement="There are two tables, one for joins and one for purchases.",
        sql="show tables",
        columns=("Table",),
        printed=(("guild_membership",), ("purchases",)),
    )
    verdict = sluice_check(claim)
    assert verdict.as_expected, verdict.text()


def test_claim_2_purchases_have_seven_columns(sluice_check: Check) -> None:
    claim = Claim(
        id="2",
        statement="The table of purchases has seven columns of text.",
        sql="describe purchases",
        columns=PRINTED_BY_DESCRIBE,
        printed=(
            ("accept", "varchar", ""),
            ("host", "varchar", ""),
            ("user_agent", "varchar", ""),
            ("event_type", "varchar", ""),
            ("timestamp", "varchar", ""),
            ("raw_event", "varchar", ""),
            ("amount", "varchar", ""),
        ),
        ordered_by=("Column",),
        compare_columns=PRINTED_BY_DESCRIBE,
    )
    verdict = sluice_check(claim)
    assert verdict.as_expected, verdict.text()


def test_claim_4_guild_membership_has_the_same_columns_without_amount(sluice_check: Check) -> None:
    claim = Claim(
        id="4",
        statement="The table of joins has six columns: those of purchases without the amount.",
        sql="describe guild_membership",
        columns=PRINTED_BY_DESCRIBE,
        printed=(
            ("accept", "varchar", ""),
            ("host", "varchar", ""),
            ("user_agent", "varchar", ""),
            ("event_type", "varchar", ""),
            ("timestamp", "varchar", ""),
            ("raw_event", "varchar", ""),
        ),
        ordered_by=("Column",),
        compare_columns=PRINTED_BY_DESCRIBE,
    )
    verdict = sluice_check(claim)
    assert verdict.as_expected, verdict.text()


def test_hive_lists_the_tables_of_the_report(sluice_hive: Hive, sluice_run: Run) -> None:
    listed = sluice_hive.execute(f"show tables in {sluice_run.names.schema}").split()
    assert listed == ["guild_membership", "purchases"]


@pytest.mark.hdfs
def test_the_files_have_more_columns_in_another_order(
    sluice_hdfs: Hdfs, sluice_run: Run, sluice_landing: object
) -> None:
    of_a_join = ("raw_event", "timestamp", "Accept", "Host", "User-Agent", "event_type")
    of_a_purchase = (*of_a_join, "amount", "description")
    for table, columns in {"purchases": of_a_purchase, "guild_membership": of_a_join}.items():
        files = sluice_hdfs.data_files(sluice_run.path(sluice_run.table(table)))
        assert {tuple(sluice_hdfs.columns(file)) for file in files} == {columns}
