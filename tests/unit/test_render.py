"""Rendering: a pure function from addresses, directory and peers to argv and files."""

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_sluice.components import api as api_component
from pytest_sluice.components import job as job_component
from pytest_sluice.contracts import Endpoint, Launch, Role, Site, Tools
from pytest_sluice.declaration import Api, Env, Job, Query
from pytest_sluice.flow.deployment import ROLES
from pytest_sluice.services import hdfs, hive, kafka, presto, spark

HOST = "127.9.8.7"
NAMES = ("kafka", "hdfs", "hive", "spark", "spark-kafka", "presto")
TOOLS = Tools(
    java=Path("/jre/bin/java"),
    jars={name: (Path(f"/{name}/lib/a.jar"), Path(f"/{name}/lib/b.jar")) for name in NAMES},
    class_data=lambda role: (f"-Darchive={role}",),
)
PEERS = {
    "namenode.rpc": Endpoint(HOST, 8020),
    "metastore.thrift": Endpoint(HOST, 9083),
    "spark-master.rpc": Endpoint(HOST, 7077),
}


def endpoints(role: Role) -> dict[str, Endpoint]:
    return {name: Endpoint(HOST, port or 4242) for name, port in role.ports.items()}


def site(role: Role) -> Site:
    peers = {peer: PEERS[peer] for peer in role.peers}
    return Site(Path("/run/x"), endpoints(role), peers, TOOLS)


def rendered(role: Role) -> Launch:
    return role.render(site(role))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_same_site_gives_the_same_launch(role: Role) -> None:
    assert rendered(role) == rendered(role)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_jvm_is_java_with_a_small_heap_and_its_archive(role: Role) -> None:
    argv = rendered(role).argv
    assert argv[0] == "/jre/bin/java"
    assert argv[1].startswith("-Xmx")
    assert f"-Darchive={role.name}" in argv


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_class_path_holds_jars_only(role: Role) -> None:
    argv = rendered(role).argv
    entries = argv[argv.index("-cp") + 1].split(":")
    assert entries
    assert all(entry.endswith(".jar") for entry in entries)


def test_kafka_listens_on_the_own_address_only() -> None:
    text = rendered(kafka.ROLE).files["server.properties"]
    listeners = "listeners=PLAINTEXT://127.9.8.7:29092,CONTROLLER://127.9.8.7:29093"
    assert listeners in text.splitlines()


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


def test_a_format_runs_on_the_same_configuration_as_the_broker() -> None:
    assert kafka.ROLE.prepare is not None
    prepared = kafka.ROLE.prepare(site(kafka.ROLE))
    assert prepared.files == rendered(kafka.ROLE).files
    assert "format" in prepared.argv


def test_the_datanode_is_known_by_the_address_that_it_listens_on() -> None:
    text = rendered(hdfs.DATANODE_ROLE).files["hdfs-site.xml"]
    assert "<name>dfs.datanode.hostname</name><value>127.9.8.7</value>" in text
    assert "<name>dfs.client.use.datanode.hostname</name><value>true</value>" in text


def test_blocks_are_on_as_many_datanodes_as_is_asked_for() -> None:
    assert hdfs.client_settings(PEERS["namenode.rpc"])["dfs.replication"] == "1"
    assert hdfs.client_settings(PEERS["namenode.rpc"], 2)["dfs.replication"] == "2"


def test_a_client_that_asks_soon_asks_for_long() -> None:
    settings = hdfs.client_settings(PEERS["namenode.rpc"])
    name = "dfs.client.block.write.locateFollowingBlock"
    delay, retries = (int(settings[f"{name}.{part}"]) for part in ("initial.delay.ms", "retries"))
    waits = [delay * 2**number for number in range(retries)]
    assert waits[0] <= 10
    assert 10_000 <= sum(waits) <= 30_000


def test_a_configuration_value_is_escaped() -> None:
    assert "<value>a&amp;b&lt;c</value>" in hdfs.site_xml({"x": "a&b<c"})


def test_presto_has_a_catalog_for_each_mapping_over_one_metastore() -> None:
    files = rendered(presto.ROLE).files
    by_position, by_name = (
        files["catalog/hive.properties"],
        files["catalog/hive_by_name.properties"],
    )
    assert "hive.parquet.use-column-names=false" in by_position
    assert "hive.parquet.use-column-names=true" in by_name
    for catalog in (by_position, by_name):
        assert "hive.metastore.uri=thrift://127.9.8.7:9083" in catalog
        assert "hive.recursive-directories=true" in catalog


def test_hive_keeps_its_own_jars_behind_those_of_spark() -> None:
    settings = hdfs.client_settings(PEERS["namenode.rpc"])
    launch = hive.cli(TOOLS, Path("/x"), PEERS["metastore.thrift"], settings, ("-e",))
    entries = launch.argv[launch.argv.index("-cp") + 1].split(":")
    assert entries == ["/spark/lib/a.jar", "/spark/lib/b.jar", "/hive/lib/a.jar", "/hive/lib/b.jar"]


def test_the_api_gets_its_own_address_and_the_run_in_its_environment() -> None:
    declared = Api(
        ("{python}", "serve.py", "{host}:{port}"), Path("/app"), {"TOPIC": "{topic}"}, port=5000
    )
    launch = rendered(api_component.role("api", declared, {"topic": "clicks"}))
    assert launch.argv[1:] == ("serve.py", "127.9.8.7:5000")
    assert launch.environment["TOPIC"] == "clicks"
    assert launch.directory == Path("/app")


def test_the_job_gets_its_trigger_and_its_own_settings_last() -> None:
    query = Query("q", "/c", Env("TRIGGER", "120 seconds"), ())
    job = Job(Path("/app/job.py"), (query,), {"T": "{topic}"}, {"spark.master": "local[4]"})
    launch = rendered(job_component.role("stream", job, {"topic": "clicks"}, {"fs.x": "1"}))
    assert launch.environment["TRIGGER"] == "120 seconds"
    assert launch.environment["T"] == "clicks"
    assert "spark.master=local[4]" in launch.argv
    assert "spark.hadoop.fs.x=1" in launch.argv
    assert launch.argv[-1] == "/app/job.py"


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
