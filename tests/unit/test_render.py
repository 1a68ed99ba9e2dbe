"""Rendering: a pure function from addresses, directory and peers to argv and files."""

from pathlib import Path

import pytest

from pytest_sluice.components import api as api_component
from pytest_sluice.components import job as job_component
from pytest_sluice.contracts import Endpoint, Launch, Role, Site, Tools
from pytest_sluice.declaration import Api, Env, Job, Query
from pytest_sluice.flow.deployment import ROLES
from pytest_sluice.services import hdfs, hive, kafka, presto

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
}


def site(role: Role) -> Site:
    endpoints = {name: Endpoint(HOST, port or 4242) for name, port in role.ports.items()}
    return Site(Path("/run/x"), endpoints, {peer: PEERS[peer] for peer in role.peers}, TOOLS)


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


def test_a_format_runs_on_the_same_configuration_as_the_broker() -> None:
    assert kafka.ROLE.prepare is not None
    prepared = kafka.ROLE.prepare(site(kafka.ROLE))
    assert prepared.files == rendered(kafka.ROLE).files
    assert "format" in prepared.argv


def test_the_datanode_is_known_by_the_address_that_it_listens_on() -> None:
    text = rendered(hdfs.DATANODE_ROLE).files["hdfs-site.xml"]
    assert "<name>dfs.datanode.hostname</name><value>127.9.8.7</value>" in text
    assert "<name>dfs.client.use.datanode.hostname</name><value>true</value>" in text


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
