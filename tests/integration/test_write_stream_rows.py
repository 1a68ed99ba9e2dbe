"""The job's rows, from messages of Kafka's shape, in a real Spark: no broker and no HDFS."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from pipeline import write_stream
from tests.integration.malformed import KINDS, MEGABYTE, event, malformed_messages
from tests.integration.spark_local import local_session

SCHEMA = (
    "key binary, value binary, topic string, partition int, offset bigint,"
    " timestamp timestamp, timestampType int"
)
WHEN = datetime(2026, 11, 24, 13, 40, 0, 90_000, tzinfo=UTC)
WHEN_TEXT = "2026-11-24 13:40:00.09"
KNOWN = {"event_type": "default"}


def deep(levels: int) -> str:
    """Return an array in an array in an array."""
    return "[" * levels + "]" * levels


# id: (value, reason); None for an event.
CASES: dict[str, tuple[str | bytes | None, str | None]] = {
    "event": ('{"event_type":"default"}', None),
    "blanks around": (' \r\n\t{ "event_type" : "default" }\r\n ', None),
    "unknown fields are ignored": ('{"event_type":"default","x":[1,{"y":null}]}', None),
    "a NUL, escaped, in a field": ('{"event_type":"default","Host":"a\\u0000b"}', None),
    "half a surrogate pair": ('{"event_type":"default","Host":"\\ud800"}', None),
    "900 deep in a field nobody reads": ('{"event_type":"default","x":' + deep(900) + "}", None),
    "a number beyond a double": ('{"event_type":"default","x":1e999999}', None),
    "100 digits": ('{"event_type":"default","x":' + "9" * 100 + "}", None),
    "a megabyte in a field": (json.dumps(KNOWN | {"Host": "h" * MEGABYTE}), None),
    "50,000 keys": (json.dumps(KNOWN | {f"k{n}": n for n in range(50_000)}), None),
    "50,000 equal keys": ('{"a":1' + ',"a":2' * 50_000 + ',"event_type":"default"}', None),
    "the last of two types wins": ('{"event_type":7,"event_type":"default"}', None),
    "the last of two types is unknown": (
        '{"event_type":"default","event_type":"x"}',
        "unknown_event_type",
    ),
    "the last of two types is no string": ('{"event_type":"default","event_type":7}', "wrong_type"),
    "tombstone": (None, "not_json"),
    "empty": ("", "not_json"),
    "blank": (" \n", "not_json"),
    "byte order mark": ("\ufeff" + json.dumps(KNOWN), "not_json"),
    "a word behind": ('{"event_type":"default"} x', "not_json"),
    "a brace behind": ('{"event_type":"default"}}', "not_json"),
    "a bracket behind": ('{"event_type":"default"}]', "not_json"),
    "a comma behind": ('{"event_type":"default"},', "not_json"),
    "another event behind": ('{"event_type":"default"},{"event_type":"default"}', "not_json"),
    "an array's end and more": ('{"event_type":"default"},"seal"] x', "not_json"),
    "NUL behind": ('{"event_type":"default"}\0', "not_json"),
    "NUL inside": ('{"event_type":"default","Host":"a\0b"}', "not_json"),
    "single quotes": ("{'event_type':'default'}", "not_json"),
    "a comment": ('{"event_type":"default"} // x', "not_json"),
    "NaN alone": ("NaN", "not_json"),
    "NaN inside": ('{"event_type":"default","x":NaN}', "not_json"),
    "an open string": ('{"event_type":"default', "not_json"),
    "an open quote": ('"', "not_json"),
    "a backslash": ('"\\', "not_json"),
    "10,000 deep": ('{"event_type":"default","x":' + deep(10_000) + "}", "not_json"),
    "10,000 deep, open": ("[" * 10_000, "not_json"),
    "2,000 digits": ('{"event_type":"default","x":' + "9" * 2_000 + "}", "not_json"),
    "a name of 60,000": (json.dumps(KNOWN | {"k" * 60_000: 1}), "not_json"),
    "Latin-1": (b'{"event_type":"default","Host":"caf\xe9"}', "not_utf8"),
    "overlong": (b'{"event_type":"default","Host":"\xc0\x80"}', "not_utf8"),
    "surrogate bytes": (b'{"event_type":"default","Host":"\xed\xa0\x80"}', "not_utf8"),
    "compressed": (b"\x1f\x8b\x08\x00\x00", "not_utf8"),
    "array": ("[]", "not_object"),
    "array of an event": ('[{"event_type":"default"}]', "not_object"),
    "string": ('"default"', "not_object"),
    "number": ("7", "not_object"),
    "true": ("true", "not_object"),
    "null": ("null", "not_object"),
    "object, empty": ("{}", "no_event_type"),
    "type one level down": ('{"event":{"event_type":"default"}}', "no_event_type"),
    "type in capitals": ('{"EVENT_TYPE":"default"}', "no_event_type"),
    "a dot is no path": ('{"event_type.x":"default"}', "no_event_type"),
    "wrong type elsewhere, no type": ('{"amount":1}', "no_event_type"),
    "type null": ('{"event_type":null}', "wrong_type"),
    "type number": ('{"event_type":1}', "wrong_type"),
    "type array": ('{"event_type":["default"]}', "wrong_type"),
    "amount number": ('{"event_type":"purchase_sword","amount":1}', "wrong_type"),
    "amount null": ('{"event_type":"purchase_sword","amount":null}', "wrong_type"),
    "host object": ('{"event_type":"default","Host":{"a":"b"}}', "wrong_type"),
    "accept boolean": ('{"event_type":"default","Accept":true}', "wrong_type"),
    "agent array 900 deep": (
        '{"event_type":"default","User-Agent":' + deep(900) + "}",
        "wrong_type",
    ),
    "description number": ('{"event_type":"join_guild","description":1.5}', "wrong_type"),
    "wrong and unknown": ('{"event_type":"x","amount":1}', "wrong_type"),
    "type empty": ('{"event_type":""}', "unknown_event_type"),
    "type with a blank": ('{"event_type":"default "}', "unknown_event_type"),
    "type by another case": ('{"event_type":"Default"}', "unknown_event_type"),
    "a purchase of something else": ('{"event_type":"purchase_horse"}', "unknown_event_type"),
}


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Yield a session configured as the job configures its own."""
    config = {key: str(value) for key, value in write_stream.SPARK_CONFIG.items()}
    with local_session(tmp_path_factory.mktemp("spark"), config) as session:
        yield session


def messages(spark: SparkSession, values: Sequence[str | bytes | None]) -> DataFrame:
    """Return `values` as Kafka's source would: in partition 0, with offsets from 0."""
    raw = [value.encode() if isinstance(value, str) else value for value in values]
    rows = [(None, value, "events", 0, offset, WHEN, 0) for offset, value in enumerate(raw)]
    return spark.createDataFrame(rows, SCHEMA)


def classified(spark: SparkSession, *values: str | bytes | None) -> DataFrame:
    """Return `values` as the batch that the job's query hands to its writer."""
    return write_stream.classify(messages(spark, values))


def rows_of(spark: SparkSession, *values: str | bytes | None) -> dict[str, list[Row]]:
    """Return the rows that `values` become, by table."""
    split = write_stream.tables(classified(spark, *values))
    return {name: frame.collect() for name, frame in split.items()}


@pytest.fixture(scope="module")
def reasons(spark: SparkSession) -> dict[str, str | None]:
    """Return the reason that each case was given, by id; all cases go as one batch."""
    batch = classified(spark, *(value for value, _ in CASES.values()))
    found = {row.offset: row.reason for row in batch.select("offset", "reason").collect()}
    return {name: found[offset] for offset, name in enumerate(CASES)}


@pytest.mark.parametrize("name", CASES)
def test_a_message_is_an_event_or_has_this_reason(
    reasons: dict[str, str | None], name: str
) -> None:
    assert reasons[name] == CASES[name][1]


@pytest.mark.parametrize("event_type", write_stream.PURCHASES)
def test_a_purchase_becomes_a_row_with_the_documents_columns(
    spark: SparkSession, event_type: str
) -> None:
    value = event(1, event_type=event_type)
    rows = rows_of(spark, value)
    assert [row.asDict() for row in rows.pop("purchases")] == [
        {
            "raw_event": value.decode(),
            "timestamp": WHEN_TEXT,
            "Accept": "*/*",
            "Host": "user1.comcast.com",
            "User-Agent": "ApacheBench/2.3",
            "event_type": event_type,
            "amount": "1",
            "description": "upgrade sword strength",
        }
    ]
    assert rows == {"guild_membership": [], "rejected": []}


def test_a_join_becomes_a_row_with_the_first_six_columns(spark: SparkSession) -> None:
    value = event(1, event_type="join_guild")
    rows = rows_of(spark, value)
    assert [row.asDict() for row in rows.pop("guild_membership")] == [
        {
            "raw_event": value.decode(),
            "timestamp": WHEN_TEXT,
            "Accept": "*/*",
            "Host": "user1.comcast.com",
            "User-Agent": "ApacheBench/2.3",
            "event_type": "join_guild",
        }
    ]
    assert rows == {"purchases": [], "rejected": []}


@pytest.mark.parametrize("event_type", ["default", "leave_guild", "attack_enemy"])
def test_a_known_event_that_no_table_keeps_is_not_written(
    spark: SparkSession, event_type: str
) -> None:
    rows = rows_of(spark, event(1, event_type=event_type))
    assert rows == {"purchases": [], "guild_membership": [], "rejected": []}


def test_what_is_absent_is_null(spark: SparkSession) -> None:
    (row,) = rows_of(spark, '{"event_type":"purchase_bow"}')["purchases"]
    absent = ("Accept", "Host", "User-Agent", "amount", "description")
    assert [row[name] for name in absent] == [None] * 5


@pytest.mark.parametrize(
    "text",
    [
        ' {"amount" : "1",\n"event_type":"purchase_bow", "x": 1.50e2, "é": "\\u00e9" } ',
        '{"event_type":"purchase_sword","event_type":"purchase_bow"}',
    ],
)
def test_the_raw_event_is_the_text_as_it_was_sent(spark: SparkSession, text: str) -> None:
    (row,) = rows_of(spark, text)["purchases"]
    assert row.raw_event == text
    assert row.event_type == "purchase_bow"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2020-08-02", "2020-08-02"),
        ("007", "007"),
        ('say "hi"', 'say "hi"'),
        ("日本 \U0001f5e1", "日本 \U0001f5e1"),
        ("", ""),
        ("a\0b", "a\0b"),
        ("null", "null"),
    ],
)
def test_a_field_is_read_as_the_string_that_it_is(
    spark: SparkSession, sent: str, read: str
) -> None:
    (row,) = rows_of(spark, event(1, Host=sent))["purchases"]
    assert row.Host == read


@pytest.mark.parametrize("value", [None, b"", b"\xff\x00\xfe", b"{", b'{"event_type":"x"}'])
def test_a_rejected_message_keeps_its_bytes_and_its_place(
    spark: SparkSession, value: bytes | None
) -> None:
    rows = rows_of(spark, event(1), value)
    (row,) = rows["rejected"]
    kept = None if row.value is None else bytes(row.value)
    assert (kept, row.partition, row.offset, row.timestamp) == (value, 0, 1, WHEN_TEXT)
    assert len(rows["purchases"]) == 1


def test_the_files_have_these_columns_in_this_order(spark: SparkSession, tmp_path: Path) -> None:
    write_stream.batch_writer(str(tmp_path))(classified(spark, event(1)), 7)
    written = {
        path.parent.name: spark.read.parquet(str(path)).dtypes
        for path in tmp_path.glob("*/batch_id=7")
    }
    six = ["raw_event", "timestamp", "Accept", "Host", "User-Agent", "event_type"]
    assert written == {
        "purchases": [(name, "string") for name in [*six, "amount", "description"]],
        "guild_membership": [(name, "string") for name in six],
        "rejected": [
            ("value", "binary"),
            ("partition", "int"),
            ("offset", "bigint"),
            ("reason", "string"),
            ("timestamp", "string"),
        ],
    }


def test_the_same_batch_again_replaces_its_rows_and_no_others(
    spark: SparkSession, tmp_path: Path
) -> None:
    write = write_stream.batch_writer(str(tmp_path))
    write(classified(spark, event(1), event(2), b"x"), 0)
    write(classified(spark, event(3), b"y"), 1)
    write(classified(spark, event(1), event(2), b"x"), 0)

    counts = {
        table: spark.read.option("recursiveFileLookup", "true")
        .parquet(str(tmp_path / table))
        .count()
        for table in ("purchases", "guild_membership", "rejected")
    }
    assert counts == {"purchases": 3, "guild_membership": 0, "rejected": 2}


def test_each_message_is_parsed_once(
    spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    classified(spark, event(1)).explain()
    assert capsys.readouterr().out.count("parseJson(") == 1


def test_a_batch_leaves_nothing_in_the_cache(spark: SparkSession, tmp_path: Path) -> None:
    write_stream.batch_writer(str(tmp_path))(classified(spark, event(1)), 0)
    assert spark.sparkContext._jsc.getPersistentRDDs().isEmpty()


def test_a_thousand_malformed_messages_are_kept_with_their_reasons(spark: SparkSession) -> None:
    malformed = malformed_messages()
    good = [event(n) for n in range(165)] + [event(n, event_type="join_guild") for n in range(25)]
    rows = rows_of(spark, *good, *(message.value for message in malformed))

    assert len(rows["purchases"]) == 165
    assert len(rows["guild_membership"]) == 25
    kept = [(row.value and bytes(row.value), row.reason) for row in rows["rejected"]]
    expected = [(message.value, message.reason) for message in malformed]
    assert Counter((value or None, why) for value, why in kept) == Counter(
        (value or None, why) for value, why in expected
    )
    offsets = sorted(row.offset for row in rows["rejected"])
    assert offsets == list(range(len(good), len(good) + 1000))


def test_the_malformed_messages_are_a_thousand_of_20_kinds() -> None:
    malformed = malformed_messages()
    kinds = Counter(message.kind for message in malformed)
    assert len(malformed) == 1000
    assert set(kinds) == {kind.name for kind in KINDS}
    assert len(kinds) == 20
    assert kinds["1,000,000 bytes"] == 10
    assert min(kinds[name] for name in kinds if name != "1,000,000 bytes") >= 52
    assert malformed == malformed_messages()
    assert {message.reason for message in malformed} == {
        "not_utf8", "not_json", "not_object", "no_event_type", "unknown_event_type", "wrong_type",
    }  # fmt: skip
    megabytes = [message.value for message in malformed if message.kind == "1,000,000 bytes"]
    assert {len(value or b"") for value in megabytes} == {1_000_000}
