"""Claims 9 to 11, which hold only by position: the table's event_type reads the file's Host.

Each has beside it the query that says what was meant, which is asked by name and judged as well.
"""

from collections.abc import Callable

import pytest

from pytest_sluice.claims import Claim, Meant, Verdict
from pytest_sluice.sql import Presto

Check = Callable[[Claim], Verdict]


def test_claim_9_bows_by_user(sluice_check: Check) -> None:
    claim = Claim(
        id="9",
        statement="Bows by user.",
        sql="select event_type, count(amount) as count from purchases"
        " where raw_event = 'purchase_bow' group by event_type order by count",
        columns=("event_type", "count"),
        printed=(
            ("user1.comcast.com", 5),
            ("user2.att.com", 15),
            ("user3.spectrum.com", 15),
        ),
        expected_mapping="position",
        meant=Meant(
            "select host, count(*) from purchases where event_type = 'purchase_bow'"
            " group by host order by count(*)"
        ),
    )
    verdict = sluice_check(claim)
    assert verdict.as_expected, verdict.text()


def test_claim_10_arrows_by_user(sluice_check: Check) -> None:
    claim = Claim(
        id="10",
        statement="Arrows by user.",
        sql="select event_type, count(amount) as count from purchases"
        " where raw_event = 'purchase_arrow' group by event_type order by count",
        columns=("event_type", "count"),
        printed=(
            ("user3.spectrum.com", 5),
            ("user1.comcast.com", 10),
            ("user2.att.com", 10),
        ),
        expected_mapping="position",
        meant=Meant(
            "select host, count(*) from purchases where event_type = 'purchase_arrow'"
            " group by host order by count(*)"
        ),
    )
    verdict = sluice_check(claim)
    assert verdict.as_expected, verdict.text()


def test_claim_11_every_user_joined(sluice_check: Check) -> None:
    claim = Claim(
        id="11",
        statement="Every user asked to join a guild.",
        sql="select distinct(event_type) from guild_membership group by event_type",
        columns=("event_type",),
        printed=(
            ("user1.comcast.com",),
            ("user2.att.com",),
            ("user3.spectrum.com",),
        ),
        expected_mapping="position",
        meant=Meant("select distinct host from guild_membership"),
    )
    verdict = sluice_check(claim)
    assert verdict.as_expected, verdict.text()


@pytest.mark.parametrize("table", ["purchases", "guild_membership"])
def test_by_name_user_agent_is_null(
    table: str, sluice_presto: Presto, sluice_landing: object
) -> None:
    # The files call the column User-Agent; by position the table reads their Accept for it.
    agents = f"select distinct user_agent from {table}"
    assert sluice_presto.query(agents, "name").rows == ((None,),)
    assert sluice_presto.query(agents, "position").rows == (("*/*",),)
