"""Spark's checkpoint, the lag, and the time of the next trigger."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sluice.errors import BadDeclaration
from pytest_sluice.offsets import (
    BadCheckpoint,
    Batch,
    Committed,
    batches,
    begun,
    committed,
    covers,
    interval_seconds,
    lag,
    next_trigger,
    off_schedule,
    pinned,
)

METADATA = '{"batchWatermarkMs":0,"batchTimestampMs":1795536006263,"conf":{}}'


class Folder:
    """Files of a checkpoint in memory, by path."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = {path: text.encode() for path, text in files.items()}

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def names(self, path: str) -> list[str]:
        below = [p.removeprefix(f"{path}/") for p in self.files if p.startswith(f"{path}/")]
        return sorted({p.partition("/")[0] for p in below})


def offsets(*sources: str, metadata: str = METADATA) -> str:
    return "\n".join(["v1", metadata, *sources])


def test_start_offsets_are_behind_a_zero_byte_and_the_version() -> None:
    files = Folder({"/c/sources/0/0": '\0v1\n{"events":{"0":10,"1":0}}'})
    assert pinned(files, "/c") == {"events": {0: 10, 1: 0}}
    assert pinned(files, "/other") is None


def test_the_last_committed_batch_is_the_highest_number_not_the_last_name() -> None:
    files = Folder(
        {
            **{f"/c/commits/{n}": 'v1\n{"nextBatchWatermarkMs":0}' for n in (9, 10)},
            **{f"/c/offsets/{n}": offsets(f'{{"events":{{"0":{n}0}}}}') for n in (9, 10, 11)},
        }
    )
    assert committed(files, "/c") == Committed(10, {"events": {0: 100}})


def test_a_batch_that_was_begun_is_not_committed() -> None:
    assert committed(Folder({"/c/offsets/0": offsets('{"events":{"0":7}}')}), "/c") is None


def test_temporary_and_foreign_names_are_no_batches() -> None:
    names = [".8.crc", ".9.1b2c.tmp", "10.tmp", ".tmp", "_11", "12.compact.tmp", "1e3"]
    files = Folder({f"/c/commits/{name}": "v1" for name in names})
    assert committed(files, "/c") is None
    files.files |= {"/c/commits/3": b"v1", "/c/offsets/3": offsets("{}").encode()}
    assert committed(files, "/c") == Committed(3, {})


def test_a_source_that_has_no_offsets_yet_adds_none() -> None:
    files = Folder({"/c/commits/0": "v1", "/c/offsets/0": offsets("-", '{"b":{"2":7}}')})
    assert committed(files, "/c") == Committed(0, {"b": {2: 7}})
    assert committed(Folder({"/c/commits/0": "v1", "/c/offsets/0": offsets("-")}), "/c") == (
        Committed(0, {})
    )


def test_a_partition_that_two_sources_read_is_as_far_as_the_slower_of_them() -> None:
    twice = offsets('{"events":{"0":5,"1":9}}', '{"events":{"0":10,"1":2}}')
    files = Folder({"/c/commits/0": "v1", "/c/offsets/0": twice})
    assert committed(files, "/c") == Committed(0, {"events": {0: 5, 1: 2}})
    assert not covers({"events": {0: 6}}, committed(files, "/c"))


def test_sources_that_were_assigned_partitions_of_one_topic_add_up() -> None:
    split = offsets('{"events":{"0":10}}', '{"events":{"1":7}}')
    files = Folder({"/c/commits/0": "v1", "/c/offsets/0": split})
    assert committed(files, "/c") == Committed(0, {"events": {0: 10, 1: 7}})


def test_every_source_of_a_query_has_to_be_pinned_and_the_least_counts() -> None:
    files = Folder({"/c/sources/0/0": '\0v1\n{"events":{"0":10}}', "/c/sources/1/x": ""})
    assert pinned(files, "/c") is None
    files.files["/c/sources/1/0"] = b'\0v1\n{"events":{"0":4},"more":{"0":1}}'
    assert pinned(files, "/c") == {"events": {0: 4}, "more": {0: 1}}


def test_a_query_has_begun_the_batch_with_the_highest_number() -> None:
    files = Folder({f"/c/offsets/{n}": "v1" for n in ("9", "10", ".11.tmp")})
    assert begun(files, "/c") == 10
    assert begun(files, "/other") == -1


def test_batches_have_the_time_at_which_they_began() -> None:
    files = Folder({f"/c/offsets/{n}": offsets("{}") for n in (0, 1, 10)})
    at = 1795536006.263
    assert batches(files, "/c") == (Batch(0, at), Batch(1, at), Batch(10, at))
    assert batches(files, "/c", after=1) == (Batch(10, at),)


@pytest.mark.parametrize(
    "metadata", ["[]", "{", '{"batchTimestampMs":"x"}', '{"batchTimestampMs":[]}']
)
def test_a_batch_whose_time_cannot_be_read_is_a_named_error(metadata: str) -> None:
    with pytest.raises(BadCheckpoint, match="/c/offsets/0"):
        batches(Folder({"/c/offsets/0": offsets("{}", metadata=metadata)}), "/c")


@pytest.mark.parametrize(
    ("state", "was", "will_be", "settled"),
    [
        (True, 0, 5000, False),
        (True, 5000, 5000, True),
        (True, 0, 0, True),
        (False, 0, 5000, True),  # without state nothing is kept back
    ],
)
def test_a_later_watermark_brings_about_one_more_batch(
    state: bool, was: int, will_be: int, settled: bool
) -> None:
    metadata = f'{{"batchWatermarkMs":{was},"batchTimestampMs":1}}'
    files = {
        "/c/commits/3": f'v1\n{{"nextBatchWatermarkMs":{will_be}}}',
        "/c/offsets/3": offsets("{}", metadata=metadata),
    }
    if state:
        files["/c/state/0/0/1.delta"] = ""
    assert committed(Folder(files), "/c") == Committed(3, {}, settled)


def at(*starts: float) -> tuple[Batch, ...]:
    return tuple(Batch(number, start) for number, start in enumerate(starts))


def test_a_batch_is_on_time_at_a_multiple_or_when_the_one_before_took_longer() -> None:
    assert off_schedule("120 seconds", at(37, 120.1, 240.0)) == ()
    assert off_schedule("120 seconds", at(37, 120.1, 250.0)) == ()
    assert off_schedule("120 seconds", at(37, 120.1, 244.9)) == ()
    (early,) = off_schedule("120 seconds", at(37, 38.0, 240.0))
    assert early.number == 1
    assert len(off_schedule("120 seconds", at(37, 60, 70, 80))) == 3
    assert off_schedule("1 second", at(0.1, 0.5, 0.9)) == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the version is ''"),
        ("v2\n{}\n{}", "the version is 'v2'"),
        ("v1", "no line for a source"),
        (f"v1\n{METADATA}", "no line for a source"),
        (offsets('{"events":{"0":1'), "no offsets by topic"),
        (offsets("[1]"), "no offsets by topic"),
        (offsets('{"events":3}'), "no offsets by topic"),
        (offsets('{"events":{"x":1}}'), "no offsets by topic"),
        (offsets('{"events":{"0":"1"}}'), "'1' is no offset"),
        (offsets('{"events":{"0":-1}}'), "-1 is no offset"),
        (offsets('{"events":{"0":true}}'), "True is no offset"),
    ],
)
def test_a_malformed_batch_is_a_named_error(text: str, reason: str) -> None:
    files = Folder({"/c/commits/0": "v1", "/c/offsets/0": text})
    with pytest.raises(BadCheckpoint, match=r"/c/offsets/0") as error:
        committed(files, "/c")
    assert reason in error.value.cause


@pytest.mark.parametrize("text", ["", "\0", "\0v1", "\0v1\n-", '\0v1\n{"a":{}}\n{}', "\0v3\n{}"])
def test_malformed_start_offsets_are_a_named_error(text: str) -> None:
    with pytest.raises(BadCheckpoint, match="sources/0/0"):
        pinned(Folder({"/c/sources/0/0": text}), "/c")


def test_bytes_that_are_no_text_are_a_named_error() -> None:
    files = Folder({"/c/sources/0/0": ""})
    files.files["/c/sources/0/0"] = b"\0v1\n\xff\xfe"
    with pytest.raises(BadCheckpoint, match="utf-8"):
        pinned(files, "/c")


def test_a_commit_without_its_offsets_is_a_named_error() -> None:
    with pytest.raises(BadCheckpoint, match="batch 4 is committed") as error:
        committed(Folder({"/c/commits/4": "v1", "/c/offsets/3": offsets("{}")}), "/c")
    assert error.value.checked == ("offsets: 3",)


def test_lag_is_what_no_batch_has_committed() -> None:
    ends = {"events": {0: 10, 1: 5}, "other": {0: 2}}
    done = Committed(3, {"events": {0: 12, 1: 4}})
    assert lag(ends, done) == {"events": {0: 0, 1: 1}, "other": {0: 2}}
    assert not covers(ends, done)
    assert covers({"events": {0: 12}}, done)


def test_nothing_committed_covers_only_nothing() -> None:
    assert not covers({"events": {0: 1}}, None)
    assert covers({"events": {0: 0}}, None)
    assert covers({}, None)


ENDS = st.dictionaries(
    st.from_regex(r"[a-z]{1,5}", fullmatch=True),
    st.dictionaries(st.integers(0, 9), st.integers(0, 10**12)),
    max_size=3,
)


@given(ENDS, ENDS)
def test_covered_means_every_end_offset_is_reached(
    ends: dict[str, dict[int, int]], done: dict[str, dict[int, int]]
) -> None:
    missing = [
        (topic, partition)
        for topic, partitions in ends.items()
        for partition, end in partitions.items()
        if done.get(topic, {}).get(partition, 0) < end
    ]
    assert covers(ends, Committed(0, done)) == (not missing)


@given(ENDS)
def test_what_spark_writes_is_read_back(ends: dict[str, dict[int, int]]) -> None:
    line = json.dumps(ends)
    files = Folder(
        {"/c/sources/0/0": f"\0v1\n{line}", "/c/commits/7": "v1", "/c/offsets/7": offsets(line)}
    )
    assert pinned(files, "/c") == ends
    assert committed(files, "/c") == Committed(7, ends)


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [
        ("120 seconds", 120),
        ("1 second", 1),
        ("2 minutes", 120),
        ("500 milliseconds", 0.5),
        ("0.5 seconds", 0.5),
        ("interval 1 Hour 30 minutes", 5400),
        ("1 day", 86400),
        ("0 seconds", 0),
    ],
)
def test_intervals_as_spark_reads_them(interval: str, seconds: float) -> None:
    assert interval_seconds(interval) == seconds


@pytest.mark.parametrize("interval", ["", "120", "seconds", "120seconds", "1 moon", "-1 second"])
def test_what_is_no_interval_is_refused(interval: str) -> None:
    with pytest.raises(BadDeclaration, match="cannot read the trigger interval"):
        next_trigger(interval, 0)


def test_triggers_are_multiples_since_the_epoch() -> None:
    assert next_trigger("120 seconds", 0) == 120
    assert next_trigger("120 seconds", 119.999) == 120
    assert next_trigger("120 seconds", 120) == 240
    assert next_trigger("500 milliseconds", 1.25) == 1.5
    assert next_trigger("0 seconds", 17.5) == 17.5


@given(st.integers(1, 10**7), st.integers(0, 4 * 10**12))
def test_the_next_trigger_is_the_first_multiple_after_now(step: int, now: int) -> None:
    due = round(next_trigger(f"{step} milliseconds", now / 1000) * 1000)
    assert due % step == 0
    assert now < due <= now + step
