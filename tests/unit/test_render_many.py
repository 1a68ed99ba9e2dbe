"""Rendering of what there is several of: brokers, DataNodes, workers; and of a job on them."""

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_sluice.components import job as job_component
from pytest_sluice.contracts import Endpoint, Launch, Role
from pytest_sluice.declaration import Job
from pytest_sluice.services import hdfs, kafka, spark
from tests.unit.rendering import HOST, PEERS, TOOLS, endpoints, rendered, site


def broker(number: int, of: int) -> dict[str, str]:
    """The properties of one broker of several."""
    role = kafka.role(number, of)
    peers = {peer: Endpoint(HOST, 9000 + n) for n, peer in enumerate(role.peers, 1)}
    launch = role.render(replace(site(kafka.ROLE), endpoints=endpoints(role), peers=peers))
    rows = launch.files["server.properties"].splitlines()
    return {key: value for key, _, value in (row.partition("=") for row in rows)}


def test_each_of_three_brokers_knows_its_number_and_the_whole_quorum() -> None:
    brokers = [broker(number, 3) for number in (1, 2, 3)]
    assert [properties["node.id"] for properties in brokers] == ["1", "2", "3"]
    voters = f"1@{HOST}:9001,2@{HOST}:9002,3@{HOST}:9003"
    assert {properties["controller.quorum.voters"] for properties in brokers} == {voters}
    assert len({properties["listeners"] for properties in brokers}) == 3


@pytest.mark.parametrize(("of", "copies", "in_sync"), [(1, "1", "1"), (3, "3", "2")])
def test_what_brokers_keep_for_themselves_is_on_all_of_them(
    of: int, copies: str, in_sync: str
) -> None:
    properties = broker(1, of)
    for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
        assert properties[f"{topic}.replication.factor"] == copies
    for topic in ("transaction.state.log", "share.coordinator.state.topic"):
        assert properties[f"{topic}.min.isr"] == in_sync


def test_roles_of_many_have_names_and_ports_of_their_own() -> None:
    for roles in (
        [kafka.role(number, 3) for number in (1, 2, 3)],
        [hdfs.datanode(number) for number in (1, 2)],
        [spark.MASTER_ROLE, spark.worker(1), spark.worker(2)],
    ):
        ports = [port for role in roles for port in role.ports.values()]
        assert len(set(ports)) == len(ports)
        assert len({role.name for role in roles}) == len(roles)


@pytest.mark.parametrize("role", [spark.MASTER_ROLE, spark.worker(1)], ids=lambda role: role.name)
def test_spark_binds_ports_and_pages_to_the_own_address(role: Role) -> None:
    launch = rendered(role)
    argv, ports = list(launch.argv), role.ports
    assert argv[argv.index("--host") + 1] == HOST
    assert argv[argv.index("--port") + 1] == str(ports["rpc"])
    assert argv[argv.index("--webui-port") + 1] == str(ports["http"])
    assert launch.environment["SPARK_LOCAL_IP"] == HOST


def test_a_worker_launches_executors_with_a_java_of_its_own() -> None:
    launch = rendered(spark.worker(1))
    assert launch.argv[-1] == f"spark://{HOST}:7077"
    assert launch.environment["JAVA_HOME"] == "/run/x/java"
    wrapper = launch.files["java/bin/java"]
    assert wrapper.startswith("#!/bin/sh\n")
    assert "exec /jre/bin/java -XX:" in wrapper
    assert launch.environment["SPARK_HOME"] == "/spark"


def test_blocks_are_on_as_many_datanodes_as_is_asked_for() -> None:
    assert hdfs.client_settings(PEERS["namenode.rpc"])["dfs.replication"] == "1"
    assert hdfs.client_settings(PEERS["namenode.rpc"], 2)["dfs.replication"] == "2"


def submitted(conf: dict[str, str], environment: dict[str, str] | None = None) -> Launch:
    """A job with these settings of Spark's."""
    job = Job(Path("/app/job.py"), (), environment or {}, conf)
    return rendered(job_component.role("stream", job, {}, {}))


def test_executors_elsewhere_are_small_and_get_the_connector() -> None:
    argv = submitted({"spark.master": "spark://there:7077", "spark.executor.memory": "2g"}).argv
    assert "spark.jars=/spark-kafka/lib/a.jar,/spark-kafka/lib/b.jar" in argv
    assert "spark.cores.max=2" in argv
    assert "spark.executor.memory=2g" in argv
    assert not any("spark.executor.memory=512m" in word for word in argv)


def test_a_local_job_has_no_executors() -> None:
    assert not any(word.startswith(("spark.jars=", "spark.exec")) for word in submitted({}).argv)


def test_the_folder_of_yarn_is_behind_all_jars() -> None:
    launch = submitted({"spark.master": "yarn"}, {"HADOOP_CONF_DIR": "/etc/hadoop"})
    entries = launch.argv[launch.argv.index("-cp") + 1].split(":")
    assert entries[-1] == "/etc/hadoop"
    assert all(entry.endswith(".jar") for entry in entries[:-1])


def test_a_job_may_name_the_interpreter_of_its_executors_and_no_other() -> None:
    environment = submitted({}, {"PYSPARK_PYTHON": "python3.11"}).environment
    assert environment["PYSPARK_PYTHON"] == "python3.11"
    assert environment["PYSPARK_DRIVER_PYTHON"] == str(TOOLS.python)
