"""Claims 1, 2 and 4: the tables and their columns. No file is read, so no mapping counts."""

from collections.abc import Callable

from pytest_sluice.claims import Claim, Verdict

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
