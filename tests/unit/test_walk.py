"""What the walk through the document's commands reads from the Presto CLI."""

from tools.project import printed

PRINTED = """\
presto:default> show tables; select 1 where false;
      Table
------------------
 guild_membership
 purchases
(2 rows)

Query 20261124_172315_00001_ux2kk, FINISHED, 1 node
Splits: 19 total, 19 done (100.00%)

 a | b
---+---
(0 rows)

   Column   |  Type   | Extra | Comment
------------+---------+-------+---------
 accept     | varchar |       |
(1 row)
"""


def test_the_rows_of_every_table_are_read() -> None:
    assert list(printed(PRINTED)) == [
        [("guild_membership",), ("purchases",)],
        [],
        [("accept", "varchar", "", "")],
    ]


def test_a_table_that_is_cut_off_is_none() -> None:
    assert list(printed(PRINTED.partition("(2 rows)")[0])) == []
