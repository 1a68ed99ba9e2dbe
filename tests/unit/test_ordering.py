"""The outermost ORDER BY: which columns of the result are its keys, and which key is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sluice.ordering import order_keys

HEADINGS = ("host", "count", "Last_Seen")


@pytest.mark.parametrize(
    ("sql", "found", "unprinted"),
    [
        ("select * from t", [], ""),
        ("show tables", [], ""),
        ("", [], ""),
        ("select host, count(*) as count, x from t order by count", [1], ""),
        ("select host, count(*) as count, x from t ORDER\nBY Count DESC, HOST asc", [1, 0], ""),
        ("select host, count(*) count, x from t order by count(*) nulls last limit 3", [1], ""),
        ("select host, count( * ) from t group by 1 order by (COUNT(*)) desc nulls first", [1], ""),
        ("select 1 from t order by 2, 1", [1, 0], ""),
        ("select 1 from t order by 4", [], "4"),
        ("select 1 from t order by 0", [], "0"),
        ('select 1 from t order by "count", "HOST";', [1, 0], ""),
        ("select 1 from t order by last_seen ; -- by count", [2], ""),
        ("select host as h from t order by host", [0], ""),
        ("select host as h, x from t order by x", [1], ""),
        ("select h, b from t order by sum( a )", [], "sum( a )"),
        ("select h, b from t order by host, sum(a), count", [0], "sum(a)"),
        ("select t.h, b from t order by t.h", [0], ""),
        ("select h, b from t order by t.h", [0], ""),
        ("select -h as b from t order by h", [], "h"),
        ("select upper(h) as b from t order by t.h", [], "t.h"),
        ("select * from t order by t.host", [0], ""),
        ("select * from t order by t.h", [], "t.h"),
        ("select *, a from t order by a", [], "a"),
        ("select distinct h, b from t order by b", [1], ""),
        ("select distinct h, b from t order by h", [0], ""),
        ("select h x, b from t order by h", [0], ""),
        ("select 1 from t order by count nulls last", [1], ""),
        ('select * from t order by t."Host"', [0], ""),
        (
            "select h, case when a then 1 else 2 end from t order by case when a then 1 else 2 end",
            [1],
            "",
        ),
        ("select h, a + b from t order by a+b", [1], ""),
        ("select h, max(a, b), c from t order by c", [2], ""),
        ("with q as (select 1 from t order by host) select * from q", [], ""),
        ("with q as (select 1 from t order by host) select * from q order by count", [1], ""),
        ("select row_number() over (order by host) from t", [], ""),
        ("select row_number() over (order by host) from t order by count", [1], ""),
        ("select array_agg(host order by host) from t", [], ""),
        ("select * from (select host from t order by host) order by count", [1], ""),
        ("(select * from t order by count)", [1], ""),
        ("(select 1 from t) union (select 2 from u) order by count", [1], ""),
        ("select a from t union select b from u order by host", [0], ""),
        ("select a from t union select b from u order by a", [], "a"),
        ("select 'order by host' from t", [], ""),
        ("select 'it''s (' from t order by host", [0], ""),
        ("select 1 from t /* order by host */ -- order by host", [], ""),
        ("select 1 from t order by /* not host */ count -- order by host", [1], ""),
        ("select 1 from t order by 'host'", [], "'host'"),
        ("select 1 from t order by offset limit 3", [], "offset"),
        ("select 1 from t order by t.limit, host offset 3", [], "t.limit"),
        ("select 1 from t order by host, limit fetch first 3 rows only", [0], "limit"),
    ],
)
def test_the_keys_are_those_of_the_outermost_order_by(
    sql: str, found: list[int], unprinted: str
) -> None:
    assert order_keys(sql, HEADINGS) == (found, unprinted)


def test_a_heading_that_occurs_twice_is_no_key() -> None:
    assert order_keys("select * from a, b order by host", ("host", "host")) == ([], "host")


WORDS = st.sampled_from(
    [
        "select",
        "a",
        "b",
        "*",
        ",",
        "(",
        ")",
        "from",
        "t",
        "order",
        "by",
        "1",
        "desc",
        ".",
        "'",
        '"',
        "union",
        "limit",
        "as",
        "--",
        "/*",
        "*/",
        "[",
        "]",
        "nulls",
        "last",
        ";",
        "over",
        "case",
        "end",
    ]
)


@given(st.lists(WORDS, max_size=25).map(" ".join) | st.text())
def test_any_text_has_an_answer(sql: str) -> None:
    found, _ = order_keys(sql, ("a", "b"))
    assert all(place in (0, 1) for place in found)
