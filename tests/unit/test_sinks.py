"""What of a table's folder is committed, an orphan, or under way."""

import json

import pytest

from pytest_sluice.offsets import BadCheckpoint
from pytest_sluice.sinks import Listing, Progress, listing
from tests.unit.test_offsets import Folder

FOLDER = "/t/clicks"
NONE = Folder({})


def log(*paths: str, action: str = "add") -> str:
    entries = [{"path": f"hdfs://nn:8020{path}", "size": 1, "action": action} for path in paths]
    return "\n".join(["v1", *map(json.dumps, entries)])


def test_a_batch_is_committed_under_way_or_nobodys() -> None:
    files = [f"{FOLDER}/batch={n}/part" for n in range(4)]
    found = listing(NONE, FOLDER, files, "batch={batch}", Progress(1, 2))
    assert found == Listing(tuple(files[:2]), (files[3],), (files[2],))


@pytest.mark.parametrize(
    "path", ["part", "batch=x/part", "batch=1", "batch=1x/part", "old/batch=0/part", "abatch=0/p"]
)
def test_a_file_in_no_folder_of_a_batch_is_an_orphan(path: str) -> None:
    found = listing(NONE, FOLDER, [f"{FOLDER}/{path}"], "batch={batch}", Progress(5, 5))
    assert found.orphans == (f"{FOLDER}/{path}",)
    assert found.known


def test_a_folder_of_a_batch_may_be_deeper_and_have_letters_of_patterns() -> None:
    path = f"{FOLDER}/v1.0/b(3)/x/part"
    found = listing(NONE, FOLDER, [path], "v1.0/b({batch})", Progress(3, 3))
    assert found.committed == (path,)
    other = listing(NONE, FOLDER, [f"{FOLDER}/v1x0/b(3)/p"], "v1.0/b({batch})", Progress(3, 3))
    assert other.orphans


def test_a_file_sink_tells_its_files_by_its_log() -> None:
    a, b, c = (f"{FOLDER}/{name}" for name in ("a", "b b", "c"))
    logged = log(a, f"{FOLDER}/b%20b")
    files = Folder({f"{FOLDER}/_spark_metadata/0": logged})
    quiet = listing(files, FOLDER, [a, b, c], "", Progress(0, 0))
    assert quiet == Listing((a, b), (c,))
    writing = listing(files, FOLDER, [a, b, c], "", Progress(0, 1))
    assert writing == Listing((a, b), (), (c,))
    gone = listing(files, FOLDER, [a], "", Progress(0, 0))
    assert gone == Listing((a,), lost=(b,))


def test_a_compact_log_has_everything_before_it() -> None:
    files = Folder(
        {
            f"{FOLDER}/_spark_metadata/8": log(f"{FOLDER}/old"),
            f"{FOLDER}/_spark_metadata/9.compact": log(f"{FOLDER}/a"),
            f"{FOLDER}/_spark_metadata/10": log(f"{FOLDER}/b"),
            f"{FOLDER}/_spark_metadata/.11.tmp": log(f"{FOLDER}/c"),
        }
    )
    present = [f"{FOLDER}/{name}" for name in ("a", "b", "c", "old")]
    found = listing(files, FOLDER, present, "", Progress(10, 10))
    assert found.committed == tuple(present[:2])
    assert found.orphans == tuple(present[2:])


def test_a_file_that_the_log_deletes_is_not_committed() -> None:
    files = Folder({f"{FOLDER}/_spark_metadata/0": log(f"{FOLDER}/a", action="delete")})
    assert listing(files, FOLDER, [f"{FOLDER}/a"], "", Progress(0, 0)).orphans


def test_of_another_sink_nothing_is_known() -> None:
    assert listing(NONE, FOLDER, ["/t/clicks/a"], "", Progress()) == (
        Listing(("/t/clicks/a",), known=False)
    )


@pytest.mark.parametrize("text", ["", "v2", "v1\nx", "v1\n[1]", 'v1\n{"path": "/a"}'])
def test_a_log_that_cannot_be_read_is_a_named_error(text: str) -> None:
    files = Folder({f"{FOLDER}/_spark_metadata/0": text})
    with pytest.raises(BadCheckpoint, match="_spark_metadata/0"):
        listing(files, FOLDER, [], "", Progress())


def test_a_compact_log_that_cannot_be_read_is_named_as_it_is() -> None:
    files = Folder({f"{FOLDER}/_spark_metadata/9.compact": "v2"})
    with pytest.raises(BadCheckpoint, match=r"_spark_metadata/9\.compact"):
        listing(files, FOLDER, [], "", Progress())


def test_a_query_writes_while_it_has_begun_more_than_it_committed() -> None:
    assert Progress(0, 1).is_writing
    assert not Progress(1, 1).is_writing
    assert not Progress().is_writing
