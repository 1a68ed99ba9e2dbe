"""Rendering: a pure function from addresses, directory and peers to argv and files."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_sluice.components import api as api_component
from pytest_sluice.components import job as job_component
from pytest_sluice.contracts import Endpoint, Role, Site
from pytest_sluice.declaration import Api, Env, Job, Query
from pytest_sluice.flow.deployment import roles
from pytest_sluice.services import hdfs, hive, kafka, presto, zookeeper
from tests.unit.rendering import HOST, PEERS, TOOLS, rendered, site

PUBLISHED = {"client": Endpoint("127.0.0.1", 39092)}
ROLES = (*roles("kraft"), *roles("zookeeper")[:2])


def name_of(role: Role) -> str:
    """The name of a role's JVM and of its first state, which is its own unless there are two."""
    return role.template or role.name


def broker(mode: kafka.Mode, published: Mapping[str, Endpoint] = {}) -> dict[str, str]:
    """The properties of a broker."""
    role = kafka.BROKERS[mode]
    text = role.render(replace(site(role), published=published)).files["server.properties"]
    return dict(line.split("=", 1) for line in text.splitlines())


@pytest.mark.parametrize("role", ROLES, ids=name_of)
def test_the_same_site_gives_the_same_launch(role: Role) -> None:
    assert rendered(role) == rendered(role)


@pytest.mark.parametrize("role", ROLES, ids=name_of)
def test_every_jvm_is_java_with_a_small_heap_and_its_archive(role: Role) -> None:
    argv = rendered(role).argv
    assert argv[0] == "/jre/bin/java"
    assert argv[1].startswith("-Xmx")
    assert f"-Darchive={name_of(role)}" in argv


@pytest.mark.parametrize("role", ROLES, ids=name_of)
def test_a_class_path_holds_jars_only(role: Role) -> None:
    argv = rendered(role).argv
    entries = argv[argv.index("-cp") + 1].split(":")
    assert entries
    assert all(entry.endswith(".jar") for entry in entries)


INSIDE, CONTROLLER = "PLAINTEXT://127.9.8.7:29092", "CONTROLLER://127.9.8.7:29093"


@pytest.mark.parametrize(
    ("mode", "listeners"), [("kraft", f"{INSIDE},{CONTROLLER}"), ("zookeeper", INSIDE)]
)
def test_kafka_listens_on_the_own_address_only(mode: kafka.Mode, listeners: str) -> None:
    properties = broker(mode)
    assert properties["listeners"] == listeners
    assert properties["advertised.listeners"] == INSIDE


@pytest.mark.parametrize("mode", kafka.BROKERS)
def test_a_published_broker_tells_the_host_another_address(mode: kafka.Mode) -> None:
    properties = broker(mode, PUBLISHED)
    assert "HOST://127.9.8.7:9092" in properties["listeners"].split(",")
    assert properties["advertised.listeners"] == f"{INSIDE},HOST://127.0.0.1:39092"


def test_what_a_client_meets_is_the_same_in_both_modes() -> None:
    one, other = (broker(mode, PUBLISHED) for mode in kafka.BROKERS)
    common = {key for key in one if key in other}
    assert {key for key in common if one[key] != other[key]} == {"listeners"}
    assert {key for key in other if key not in common} == {
        "broker.id",
        "zookeeper.connect",
        "zookeeper.session.timeout.ms",
        "zookeeper.connection.timeout.ms",
    }
    assert other["zookeeper.connect"] == "127.9.8.7:32181"


def test_each_kafka_runs_with_its_own_jars_and_zookeeper_with_those_of_its_broker() -> None:
    paths = {
        name_of(role): argv[argv.index("-cp") + 1]
        for role in (*kafka.BROKERS.values(), zookeeper.ROLE)
        for argv in [rendered(role).argv]
    }
    assert paths == {
        "kafka": "/kafka/lib/a.jar:/kafka/lib/b.jar",
        "kafka-zookeeper": "/kafka-zookeeper/lib/a.jar:/kafka-zookeeper/lib/b.jar",
        "zookeeper": "/kafka-zookeeper/lib/a.jar:/kafka-zookeeper/lib/b.jar",
    }


def test_zookeeper_listens_on_the_own_address_and_has_no_web_server() -> None:
    lines = rendered(zookeeper.ROLE).files["zoo.cfg"].splitlines()
    assert {"clientPortAddress=127.9.8.7", "clientPort=32181"} <= set(lines)
    assert "admin.enableServer=false" in lines
    assert "dataDir=/run/x/state" in lines


def test_a_session_of_the_broker_is_one_that_zookeeper_grants() -> None:
    text = rendered(zookeeper.ROLE).files["zoo.cfg"]
    tick = int(dict(line.split("=") for line in text.splitlines())["tickTime"])
    asked = int(broker("zookeeper")["zookeeper.session.timeout.ms"])
    assert 2 * tick <= asked <= 20 * tick


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


def test_presto_listens_on_every_address_where_it_is_alone() -> None:
    endpoints = {"http": Endpoint("presto", 8080)}
    text = presto.ROLE.render(Site(Path("/run/x"), endpoints, PEERS, TOOLS, contained=True)).files[
        "config.properties"
    ]
    assert "node.bind-ip=0.0.0.0" in text.splitlines()
    assert "discovery.uri=http://presto:8080" in text.splitlines()
    alone = rendered(presto.ROLE).files["config.properties"]
    assert f"node.bind-ip={HOST}" in alone.splitlines()


@pytest.mark.parametrize("role", [hive.ROLE, presto.ROLE], ids=name_of)
def test_a_server_without_a_setting_for_it_is_bound_by_a_launcher(role: Role) -> None:
    argv = rendered(role).argv
    entries = argv[argv.index("-cp") + 1].split(":")
    assert entries[:2] == ["/launchers/lib/a.jar", "/launchers/lib/b.jar"]
    launchers = {
        "org.apache.hadoop.hive.common.auth.HiveAuthUtils",
        "pytest_sluice.OwnAddressPresto",
    }
    assert launchers & set(argv)
    assert f"-Dsluice.bind={HOST}" in argv
    contained = role.render(replace(site(role), contained=True)).argv
    assert "-Dsluice.bind=0.0.0.0" in contained


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


@pytest.mark.parametrize(
    "declared",
    [
        {"spark.sql.shuffle.partitions": "7"},
        {"spark.ui.enabled": "true"},
        {"spark.hadoop.dfs.replication": "3"},
        {"spark.driver.host": "10.0.0.7"},
        {"spark.master": "spark://there:7077", "spark.executor.memory": "2g"},
    ],
    ids=lambda declared: next(reversed(declared)),
)
def test_what_the_job_declares_counts_before_what_is_ours(declared: dict[str, str]) -> None:
    job = Job(Path("/app/job.py"), (), conf=declared)
    launch = rendered(job_component.role("stream", job, {}, {"dfs.replication": "1"}))
    words = list(zip(launch.argv, launch.argv[1:], strict=False))
    told = [word.partition("=") for option, word in words if option == "--conf"]
    for name, value in declared.items():
        assert [said for key, _, said in told if key == name] == [value]


def test_the_environment_that_the_job_declares_counts_before_what_is_ours() -> None:
    job = Job(Path("/app/job.py"), (), {"PYSPARK_PYTHON": "/of/the/executors"})
    found = rendered(job_component.role("stream", job, {}, {})).environment
    assert found["PYSPARK_PYTHON"] == "/of/the/executors"
    assert found["PYSPARK_DRIVER_PYTHON"] != "/of/the/executors"
