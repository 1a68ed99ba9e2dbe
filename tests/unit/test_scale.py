"""A setting counts before the declaration; what is not set is as declared."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_sluice.declaration import Job, Pipeline, Topic
from pytest_sluice.errors import BadDeclaration
from pytest_sluice.scale import block_replication, scaled
from pytest_sluice.settings import Settings, resolve


def settings(**options: str) -> Settings:
    given = {f"sluice_{name}": text for name, text in options.items()}
    return resolve(given.get, {}, lambda _key: None)


def pipeline(**conf: str) -> Pipeline:
    declared = Job(Path("/app/job.py"), (), {"MINE": "{topic}"}, conf)
    return Pipeline(Topic("clicks", partitions=2, replication_factor=1), job=declared)


def job(declared: Pipeline, env: Mapping[str, str] = {}, **options: str) -> Job:
    found = scaled(declared, settings(**options), env).job
    assert found is not None
    return found


def test_without_settings_all_is_as_declared() -> None:
    declared = pipeline(**{"spark.master": "local[7]"})
    assert scaled(declared, settings(), {"HADOOP_CONF_DIR": "/etc/hadoop"}) == declared


def test_a_pipeline_without_a_job_is_scaled_as_well() -> None:
    found = scaled(Pipeline(Topic("clicks")), settings(partitions="3", spark_master="yarn"), {})
    assert found.job is None
    assert found.topic == Topic("clicks", partitions=3)


def test_partitions_and_copies_of_the_topic() -> None:
    found = scaled(pipeline(), settings(replication="3"), {}).topic
    assert (found.partitions, found.replication_factor) == (2, 3)
    found = scaled(pipeline(), settings(partitions="5"), {}).topic
    assert (found.partitions, found.replication_factor) == (5, 1)


@pytest.mark.parametrize(
    ("options", "copies"),
    [
        ({}, 0),
        ({"replication": "3"}, 3),
        ({"replication": "3", "hdfs_replication": "2"}, 2),
        ({"hdfs_replication": "2"}, 2),
    ],
)
def test_blocks_have_as_many_copies_as_messages_unless_told_otherwise(
    options: dict[str, str], copies: int
) -> None:
    assert block_replication(settings(**options)) == copies


def test_the_master_that_is_set_counts_before_the_declared_one() -> None:
    declared = pipeline(**{"spark.master": "local[7]", "spark.app.name": "mine"})
    conf = job(declared, spark_master="spark://there:7077").conf
    assert conf == {"spark.master": "spark://there:7077", "spark.app.name": "mine"}


def test_the_drivers_address_that_is_set_counts_before_the_declared_one() -> None:
    declared = pipeline(**{"spark.driver.host": "10.0.0.1", "spark.driver.port": "4040"})
    conf = job(declared, driver_host="10.0.0.7").conf
    assert (conf["spark.driver.host"], conf["spark.driver.port"]) == ("10.0.0.7", "4040")


def test_executors_find_the_driver_where_it_is_said_to_be() -> None:
    conf = job(pipeline(), spark_master="spark://there:7077", driver_host="10.0.0.7").conf
    assert conf["spark.driver.host"] == conf["spark.driver.bindAddress"] == "10.0.0.7"


def test_a_job_on_a_cluster_is_told_where_that_is() -> None:
    env = {"HADOOP_CONF_DIR": "/etc/{hadoop}", "KUBECONFIG": "/home/me/kube", "JAVA_HOME": "/jdk"}
    found = job(pipeline(), env, spark_master="yarn").environment
    assert found["HADOOP_CONF_DIR"].format_map({}) == "/etc/{hadoop}"
    assert found["KUBECONFIG"] == "/home/me/kube"
    assert found["MINE"] == "{topic}"
    assert found["SPARK_HOME"]
    assert "JAVA_HOME" not in found


def test_a_declared_environment_counts_before_that_of_the_tests() -> None:
    declared = Job(Path("/app/job.py"), (), {"YARN_CONF_DIR": "/mine"}, {"spark.master": "yarn"})
    found = job(Pipeline(Topic("clicks"), job=declared), {"YARN_CONF_DIR": "/other"})
    assert found.environment["YARN_CONF_DIR"] == "/mine"


def test_yarn_that_nobody_told_of_is_refused() -> None:
    with pytest.raises(BadDeclaration, match="yarn") as caught:
        job(pipeline(), spark_master="yarn")
    assert "HADOOP_CONF_DIR" in caught.value.remedy


def test_kubernetes_without_an_image_is_refused() -> None:
    with pytest.raises(BadDeclaration, match="image") as caught:
        job(pipeline(), spark_master="k8s://there:6443")
    assert "spark.kubernetes.container.image" in caught.value.remedy
    with_image = pipeline(**{"spark.kubernetes.container.image": "registry/spark:4.1.1"})
    assert job(with_image, spark_master="k8s://there:6443").conf["spark.master"]
