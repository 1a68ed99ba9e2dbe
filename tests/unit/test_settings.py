"""Settings: option > environment > ini > default, with the source; bad values with a remedy."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_sluice.errors import BadDeclaration
from pytest_sluice.services.kafka import BROKERS
from pytest_sluice.settings import IMAGE, SETTINGS, Setting, Settings, resolve


def resolved(
    option: Mapping[str, str] = {}, environment: Mapping[str, str] = {}, ini: Mapping[str, str] = {}
) -> Settings:
    return resolve(option.get, environment, ini.get)


def test_the_defaults() -> None:
    settings = resolved()
    assert settings["backend"] == "process"
    assert settings["timeout_factor"] == 1.0
    assert settings["trigger"] is None


def test_option_before_environment_before_ini() -> None:
    ini = {"sluice_trigger": "3 seconds"}
    environment = {"SLUICE_TRIGGER": "2 seconds"}
    option = {"sluice_trigger": "1 second"}
    assert resolved(ini=ini)["trigger"] == "3 seconds"
    assert resolved(environment=environment, ini=ini)["trigger"] == "2 seconds"
    assert resolved(option, environment, ini)["trigger"] == "1 second"


def test_the_header_says_where_each_value_came_from() -> None:
    text = resolved(environment={"SLUICE_TRIGGER": "1 second"}).text()
    assert "trigger=1 second (environment)" in text
    assert "backend=process (default)" in text
    assert "claims" not in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("backend", "kubernetes"),
        ("kafka", "raft"),
        ("trigger", "soon"),
        ("spark_master", "mesos://there:5050"),
        ("spark_master", "local-cluster[2,1,512]"),
        ("spark_master", "spark://there"),
        ("spark_master", "k8s://"),
        ("spark_master", ""),
        ("partitions", "0"),
        ("partitions", "many"),
        ("replication", "-1"),
        ("hdfs_replication", "1.5"),
        ("timeout_factor", "0"),
        ("timeout_factor", "fast"),
    ],
)
def test_a_bad_value_names_its_place_and_the_remedy(name: str, value: str) -> None:
    with pytest.raises(BadDeclaration) as caught:
        resolved(environment={f"SLUICE_{name.upper()}": value})
    assert f"SLUICE_{name.upper()}" in str(caught.value)
    assert f"--sluice-{name.replace('_', '-')}" in caught.value.remedy


def test_the_modes_of_kafka_are_those_that_there_is_a_broker_for() -> None:
    for mode in BROKERS:
        assert resolved(environment={"SLUICE_KAFKA": mode})["kafka"] == mode
    assert resolved()["kafka"] == "kraft"
    with pytest.raises(BadDeclaration, match="kraft or zookeeper"):
        resolved(environment={"SLUICE_KAFKA": "both"})


@pytest.mark.parametrize(
    "master",
    [
        "local",
        "local[4]",
        "local[*]",
        "local[2,3]",
        "spark://10.0.0.1:7077",
        "spark://one:7077,two:7077",
        "yarn",
        "k8s://https://10.0.0.1:6443",
        "k8s://there:6443",
    ],
)
def test_every_master_of_spark_can_be_set(master: str) -> None:
    assert resolved({"sluice_spark_master": master})["spark_master"] == master


def test_an_empty_value_is_a_value_and_not_the_default() -> None:
    with pytest.raises(BadDeclaration, match="SLUICE_BACKEND"):
        resolved(environment={"SLUICE_BACKEND": ""})


@pytest.mark.parametrize("row", [row for row in SETTINGS if row.default], ids=lambda r: r.name)
def test_every_default_is_a_usable_value(row: Setting) -> None:
    assert row.default is not None
    row.parse(row.default)


def test_the_image_is_that_of_the_compose_file_and_of_this_version() -> None:
    root = Path(__file__).parents[2]
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    assert f"pytest-sluice:{version}" == IMAGE
    assert f"image: ${{SLUICE_IMAGE:-{IMAGE}}}" in (root / "docker-compose.yml").read_text()
