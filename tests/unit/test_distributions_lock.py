"""The lock file: what it names, and what is said of one that is wrong."""

import pytest

from pytest_sluice.distributions.lock import Artifact, committed, find, parse
from pytest_sluice.distributions.problems import BadLock, UnknownDistribution

SHA = "0" * 64
SERVICES = {"kafka-zookeeper", "jre", "spark", "kafka", "spark-kafka", "hdfs", "hive", "presto"}
TOOLS = {"kafka-tools", "presto-cli"}


def entry(coordinate: str = "org.example:tool:1.0", **more: str) -> str:
    fields = {"sha256": f'"{SHA}"', "size": "3", **more}
    lines = [f"{key} = {value}" for key, value in fields.items()]
    return "\n".join(["[[tool.artifacts]]", f'coordinate = "{coordinate}"', *lines, ""])


@pytest.mark.parametrize(
    ("coordinate", "filename"),
    [
        ("org.example:tool:1.0", "tool-1.0.jar"),
        ("org.example:tool:1.0:executable", "tool-1.0-executable.jar"),
        ("org.example:tool:1.0::tar.gz", "tool-1.0.tar.gz"),
        ("org.example:tool:1.0:src:zip", "tool-1.0-src.zip"),
    ],
)
def test_a_coordinate_names_its_file(coordinate: str, filename: str) -> None:
    assert Artifact(coordinate, SHA, 3).filename == filename


def test_an_artifact_may_stand_in_several_folders() -> None:
    tool = parse(entry(into='["lib", "plugin/a"]'))["tool"]
    assert set(tool.locked) == {"lib/tool-1.0.jar", "plugin/a/tool-1.0.jar"}


def test_the_directory_changes_with_the_section_and_with_nothing_else() -> None:
    one = parse(entry())["tool"].directory
    assert one == parse("# a comment\n" + entry())["tool"].directory
    turned = "\n".join(reversed(entry().splitlines()[1:]))
    assert one == parse(f"[[tool.artifacts]]\n{turned}")["tool"].directory
    assert one != parse(entry(size="4"))["tool"].directory
    assert one.startswith("tool-")
    assert len(one) == len("tool-") + 12


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("[tool", "not TOML"),
        ("tool = 3\n", "[tool]"),
        ("[tool]\n", "neither artifacts nor a tree"),
        (entry(sha256='"abc"'), "'abc' is no sha256"),
        (entry(size='"3"'), "'3' is no size"),
        (entry("org.example:tool"), "'org.example:tool' is no group:artifact:version"),
        (entry("org.example:../tool:1"), "is no group:artifact:version"),
        (entry(into='["../up"]'), "'../up' leads out of the directory"),
        (entry(into='["/etc"]'), "'/etc' leads out of the directory"),
        (f'[[tool.artifacts]]\nsha256 = "{SHA}"\nsize = 3\n', "coordinate"),
        ('[tool.tree]\npackage = "p"\nversion = "1"\n', "folder"),
    ],
)
def test_a_bad_lock_file_is_named_with_its_entry(text: str, fact: str) -> None:
    with pytest.raises(BadLock) as caught:
        parse(text)
    assert fact in str(caught.value)
    assert "tools/relock.py" in caught.value.remedy


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownDistribution) as caught:
        find(parse(entry()), "tol")
    assert "tool" in caught.value.checked[0]


def test_the_committed_lock_has_every_service_and_tool() -> None:
    assert set(committed()) == SERVICES | TOOLS


def test_presto_has_no_asm_that_cannot_read_java_17() -> None:
    names = [path for path in committed()["presto"].locked if "/asm" in path]
    assert len(names) == 8
    assert all(name.endswith("-9.7.1.jar") for name in names)


def test_the_kafka_broker_has_one_binding_for_its_logging_interface() -> None:
    names = {artifact.filename for artifact in committed()["kafka"].artifacts}
    assert {"slf4j-api-1.7.36.jar", "slf4j-simple-1.7.36.jar"} <= names
    assert len(names) == 46
