"""Claims 3 and 5 hold under both mappings, 6 to 8 only by name; 3b is false."""

from collections.abc import Callable

from pytest_sluice.claims import Claim, Meant, Verdict
from pytest_sluice.sql import Presto

Check = Callable[[Claim], Verdict]


def test_claim_3_all_purchases_are_counted(sluice_check: Check) -> None:
    claim = Claim(
        id="3",
        statement="165 purchases were made.",
        sql="select count(amount) from purchases",
        columns=("_col0",),
        printed=((165,),),
    )
    verdict = sluice_check(claim)
    assert verdict.as_expected, verdict.text()


def test_claim_3b_they_are_different_purchases(sluice_check: Check) -> None:
    claim = Claim(
        id="3b",
        statement="There are 165 different purchases of items.",
        sql="select count(distinct event_type) from purchases",
        columns=("_col0",),
        printed=((165,),),
        expected="fails",
        because="the 165 purchases are of 5 items",
        meant=Meant(
            "select count(distinct event_type), count(*) from purchases", printed=((5, 165),)
        ),
    )
    verdict = sluice_check(claim)
    assert verdict.as_expected, verdict.text()


def test_claim_5_all_joins_are_counted(sluice_check: Check) -> None:
    claim = Claim(
        id="5",
        statement="A guild was joined 25 times.",
        sql="select count(*) from guild_membership",
        columns=("_col0",),
        printed=((25,),),
    )
    verdict = sluice_check(claim)
    assert verdict.as_expected, verdict.text()


def test_claim_6_purchases_by_user(sluice_check: Check, sluice_presto: Presto) -> None:
    claim = Claim(
        id="6",
        statement="Purchases by user: user2 made the most, user1 the fewest.",
        sql="select host, count(*) from purchases group by host",
        columns=("host", "_col1"),
        printed=(
            ("user3.spectrum.com", 55),
            ("user1.comcast.com", 50),
            ("user2.att.com", 60),
        ),
        expected_mapping="name",
    )
    verdict = sluice_check(claim)
    assert verdict.as_expected, verdict.text()

    by_number = "select host from purchases group by host order by count(*)"
    fewest, _, most = sluice_presto.query(by_number, "name").rows
    assert fewest == ("user1.comcast.com",)
    assert most == ("user2.att.com",)


def test_claim_7_purchases_by_item(sluice_check: Check, sluice_presto: Presto) -> None:
    claim = Claim(
        id="7",
        statement="Purchases by item: arrows are the fewest, swords the most.",
        sql="select event_type, count(amount) as count from purchases"
        " group by event_type order by count",
        columns=("event_type", "count"),
        printed=(
            ("purchase_arrow", 25),
            ("purchase_knife", 30),
            ("purchase_bow", 35),
            ("purchase_armor", 35),
            ("purchase_sword", 40),
        ),
        expected_mapping="name",
    )
    verdict = sluice_check(claim)
    assert verdict.as_expected, verdict.text()

    items = [item for item, _ in sluice_presto.query(claim.sql, "name").rows]
    assert items[0] == "purchase_arrow"
    assert items[-1] == "purchase_sword"
    assert items.index("purchase_sword") > items.index("purchase_knife")


def test_claim_8_purchases_of_user3_by_item(sluice_check: Check, sluice_presto: Presto) -> None:
    claim = Claim(
        id="8",
        statement="Purchases of user3 by item: more bows than arrows.",
        sql="select event_type, count(*) as count from purchases"
        " where host = 'user3.spectrum.com' group by event_type order by count",
        columns=("event_type", "count"),
        printed=(
            ("purchase_arrow", 5),
            ("purchase_knife", 10),
            ("purchase_armor", 10),
            ("purchase_sword", 15),
            ("purchase_bow", 15),
        ),
        expected_mapping="name",
    )
    verdict = sluice_check(claim)
    assert verdict.as_expected, verdict.text()

    number_of: dict[str, int] = dict(sluice_presto.query(claim.sql, "name").rows)
    assert number_of["purchase_bow"] > number_of["purchase_arrow"]
