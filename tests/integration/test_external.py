"""A whole session on services that it did not start: gate, guest, and nothing of it is left.

The services of this session are the cluster that is there; a broker that wants a password stands
beside them. Each child session is a process of its own, with a small pipeline.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pytest_sluice.access import Access, KafkaAccess, Secret
from pytest_sluice.backends.external import ExternalBackend
from pytest_sluice.backends.inventory import Inventory
from pytest_sluice.backends.process import ProcessBackend
from pytest_sluice.class_data import prepared_root, templates, tools
from pytest_sluice.clients.kafka import Kafka
from pytest_sluice.cluster import Cluster
from pytest_sluice.contracts import Endpoint, Launch, Site
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.events import Journal
from pytest_sluice.flow.deployment import Deployment, roles
from pytest_sluice.flow.preflight import preflight
from pytest_sluice.services import kafka
from pytest_sluice.session import Session
from pytest_sluice.waiting import Deadline, NotYet, wait_for
from tests.integration.roles import web

PASSWORD = "open-sesame-7391"
ACCESS = KafkaAccess("SASL_PLAINTEXT", "PLAIN", "gate", Secret(PASSWORD))
# Nobody listens on the discard port, least of all on this address.
CLOSED = Endpoint("127.0.0.1", 9)

CONFTEST = """
from pytest_sluice import Api, Burst, Ddl, Env, Job, Pipeline, Query, Table, Topic

KAFKA = {
    "BROKERS": "{bootstrap_servers}",
    "TOPIC": "{topic}",
    "PROTOCOL": "{kafka_security_protocol}",
    "MECHANISM": "{kafka_sasl_mechanism}",
    "NAME": "{kafka_username}",
    "WORD": "{kafka_password}",
}
LANDING = {"CLICKS": "{hdfs_url}{root}/clicks", "CHECKPOINT": "{hdfs_url}{root}/checkpoint"}


def pytest_sluice_pipeline(config):
    flask = "{python} -m flask --app shop run --host {host} --port {port}"
    query = Query(
        "clicks",
        "{root}/checkpoint",
        Env("TRIGGER", "1 second"),
        (Table("clicks", "{root}/clicks"),),
    )
    return Pipeline(
        topic=Topic("clicks", kind="page"),
        api=Api(tuple(flask.split()), config.rootpath, KAFKA),
        job=Job(config.rootpath / "land.py", (query,), KAFKA | LANDING),
        ddl=Ddl(config.rootpath / "tables.hql", {"root": "{root}", "schema": "{schema}"}),
        traffic=(Burst(10, "/click"),),
    )
"""
SHOP = """
import os
from flask import Flask
from kafka import KafkaProducer

env = os.environ
app = Flask(__name__)
producer = KafkaProducer(
    bootstrap_servers=env["BROKERS"],
    security_protocol=env["PROTOCOL"],
    sasl_mechanism=env["MECHANISM"],
    sasl_plain_username=env["NAME"],
    sasl_plain_password=env["WORD"],
)


@app.get("/click")
def click():
    producer.send(env["TOPIC"], b'{"page": "start"}').get(timeout=10)
    return "clicked"
"""
LAND = """
import os
from pyspark.sql import SparkSession, functions as F

env = os.environ
login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
security = {
    "kafka.security.protocol": env["PROTOCOL"],
    "kafka.sasl.mechanism": env["MECHANISM"],
    "kafka.sasl.jaas.config": f'{login} username="{env["NAME"]}" password="{env["WORD"]}";',
}
messages = (
    SparkSession.builder.getOrCreate()
    .readStream.format("kafka")
    .options(**security)
    .option("kafka.bootstrap.servers", env["BROKERS"])
    .option("subscribe", env["TOPIC"])
    .option("startingOffsets", "earliest")
    .load()
)
page = F.get_json_object(F.col("value").cast("string"), "$.page").alias("page")
landing = messages.select(page).writeStream.option("checkpointLocation", env["CHECKPOINT"])
landing.trigger(processingTime=env["TRIGGER"]).start(env["CLICKS"]).awaitTermination()
"""
TABLES = """
create database ${hivevar:schema};
create external table ${hivevar:schema}.clicks (page string) stored as parquet
location '${hivevar:root}/clicks';
"""
TESTS = """
from pathlib import Path

def test_every_click_is_a_row(sluice_presto, sluice_landing):
    clicks = "select page, count(*) from clicks group by page"
    assert sluice_presto.query(clicks, "name").rows == (("start", 10),)

def test_nothing_in_the_clusters_directory_tells_the_password(sluice_session, sluice_landing):
    word = sluice_session.deployment.backend.access.kafka.password.reveal()
    files = [path for path in sluice_session.cluster.directory.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if word.encode() in path.read_bytes()]

def test_that_shows_all_it_has(sluice_run, sluice_kafka):
    access = sluice_run.deployment.backend.access
    told, options, word = sluice_run._told, sluice_kafka._options(), access.kafka.password.reveal()
    print(access, told, options)
    sluice_kafka.end_offsets("nowhere")
"""
WAITING = """
import pathlib, threading

def test_it(sluice_topic, sluice_hdfs, sluice_run):
    sluice_hdfs.write(f"{sluice_run.names.root}/file", b"content")
    pathlib.Path("waits").touch()
    threading.Event().wait()
"""
CLUMSY = """
from pytest_sluice.flow.belongings import Thing

def test_it(sluice_topic, sluice_run):
    sluice_run.deployment.guest.note([Thing("schema", "odd; name`"), Thing("schema", "")])
"""


@dataclass(frozen=True)
class There:
    """The cluster that is there, as its owner sees it."""

    deployment: Deployment
    guarded: Kafka

    def holds(self) -> dict[str, object]:
        """Everything that a guest could leave; that the services answer is proven by it."""
        hdfs = self.deployment.hdfs()
        return {
            "topics": self.guarded.topics(),
            "runs": hdfs.names("/runs"),
            "root": [name for name in hdfs.names("/") if name == "runs"],
            "schemas": sorted(self.deployment.presto("default").query("show schemas").rows),
        }

    def toml(self) -> str:
        """Its addresses, as its owner would hand them out: the password is in the environment."""
        endpoint = self.deployment.backend.endpoint
        return f"""
[kafka]
bootstrap_servers = ["{self.guarded.bootstrap_servers}"]
security_protocol = "{ACCESS.security_protocol}"
sasl_mechanism = "{ACCESS.sasl_mechanism}"
username = "{ACCESS.username}"
password = {{ env = "KAFKA_WORD" }}
[hdfs]
namenode = "{endpoint("namenode", "rpc")}"
webhdfs = "{endpoint("namenode", "http")}"
[metastore]
thrift = "{endpoint("metastore", "thrift")}"
[presto]
address = "{endpoint("presto", "http")}"
catalogs = {{ position = "hive", name = "hive_by_name" }}
"""


def with_password(site: Site) -> Launch:
    """A broker whose clients, other than brokers, have to know a password."""
    launch, client = kafka.render(site), site.endpoints["client"]
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    users = f'{login} user_{ACCESS.username}="{PASSWORD}";'
    text = launch.files["server.properties"]
    for old, new in {
        f"listeners=PLAINTEXT://{client}": f"listeners=GUARDED://{client}",
        "PLAINTEXT:PLAINTEXT,": "GUARDED:SASL_PLAINTEXT,",
        "inter.broker.listener.name=PLAINTEXT": "inter.broker.listener.name=GUARDED",
    }.items():
        assert old in text
        text = text.replace(old, new)
    text += (
        "sasl.enabled.mechanisms=PLAIN\nsasl.mechanism.inter.broker.protocol=PLAIN\n"
        f"listener.name.guarded.plain.sasl.jaas.config={users[:-1]}"
        f' username="{ACCESS.username}" password="{PASSWORD}";\n'
    )
    return replace(launch, files={**launch.files, "server.properties": text})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that wants a password, in a cluster of its own."""
    logs, root = tmp_path_factory.mktemp("guarded"), prepared_root()
    role = replace(kafka.ROLE, render=with_password)
    with Cluster.create() as cluster:
        backend = ProcessBackend(cluster, tools(root), [role], logs, templates(root))
        backend.start(role)
        client = Kafka(str(backend.endpoint("kafka", "client")), ACCESS)
        deployment = Deployment(backend, Journal(logs / "events.jsonl"))
        deployment.await_role("kafka", client.probe_ready)
        yield client


@pytest.fixture(scope="module")
def there(sluice_session: Session, guarded: Kafka) -> There:
    """The services of this session, and the broker."""
    deployment = sluice_session.deployment
    nodes = ("hdfs", "metastore", "presto-server")
    deployment.graph.start(nodes)
    for node in nodes:
        deployment.graph.join(node)
    return There(deployment, guarded)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small pipeline; what child sessions are told is on their command line."""
    for name in [name for name in os.environ if name.startswith("SLUICE_")]:
        if name != "SLUICE_CACHE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("KAFKA_WORD", PASSWORD)
    files = {"conftest.py": CONFTEST, "shop.py": SHOP, "land.py": LAND, "tables.hql": TABLES}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def command(*arguments: str) -> list[str]:
    """A child session on the cluster that is there."""
    external = ("--sluice-backend=external", "--sluice-external=there.toml")
    return [sys.executable, "-m", "pytest", *external, *arguments]


def run(project: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A child session, to its end; a pre-flight ends it within seconds, a pipeline takes longer."""
    words = command(*arguments)
    return subprocess.run(
        words, cwd=project, capture_output=True, text=True, timeout=240, check=False
    )


def test_a_whole_session_leaves_nothing_and_tells_no_password(project: Path, there: There) -> None:
    (project / "there.toml").write_text(there.toml())
    (project / "test_it.py").write_text(TESTS)
    before = there.holds()
    done = run(
        project, "-l", "--junit-xml=junit.xml", "--log-file=all.log", "--log-file-level=DEBUG"
    )
    output = done.stdout + done.stderr
    assert "1 failed, 2 passed" in output, output
    assert "the broker has no topic 'nowhere'" in output
    assert there.holds() == before
    assert not left_logs(project)  # it was the session that removed all, not who buries it
    assert "'kafka_password': ***" in output  # the locals were shown, with all that they hold
    written = [path for path in project.rglob("*") if path.is_file()]
    assert {"junit.xml", "all.log", "events.jsonl"} <= {path.name for path in written}
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]
    assert PASSWORD not in output


def test_what_a_killed_session_made_is_removed_and_named(project: Path, there: There) -> None:
    (project / "there.toml").write_text(there.toml())
    (project / "test_it.py").write_text(WAITING)
    before = there.holds()
    with subprocess.Popen(command(), cwd=project, stdout=subprocess.DEVNULL) as session:
        try:
            wait_for("the test to wait", lambda: seen(project / "waits"), Deadline(60))
            during = there.holds()
        finally:
            os.kill(session.pid, signal.SIGKILL)
    assert len(during["topics"]) == len(before["topics"]) + 1  # type: ignore[arg-type]
    assert len(during["runs"]) == len(before["runs"]) + 1  # type: ignore[arg-type]

    def gone() -> None:
        if (now := there.holds()) != before:
            raise NotYet(str(now))

    wait_for("what it made to be gone", gone, Deadline(60))
    (log,) = left_logs(project)
    wait_for("word of it", lambda: seen(log, "all of it is gone"), Deadline(10))
    assert "topic clicks_" in log.read_text()
    assert "folder /runs/" in log.read_text()


def test_what_cannot_be_removed_is_named_and_the_session_is_red(
    project: Path, there: There
) -> None:
    (project / "there.toml").write_text(there.toml())
    (project / "test_it.py").write_text(CLUMSY)
    before = there.holds()
    done = run(project, "-q")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 passed" in done.stdout
    assert "sluice: still on the cluster: schema : the Hive CLI ended" in done.stdout
    (log,) = left_logs(project)  # it was tried once more
    assert "still there: schema : the Hive CLI" in log.read_text()
    assert "odd; name" not in done.stdout + log.read_text()
    assert there.holds() == before
    (told,) = re.findall("sluice: not undone: guest: .* as long as (.*) is there", done.stdout)
    shutil.rmtree(told)  # else every later session tries again


def left_logs(project: Path) -> list[Path]:
    """What those say who remove what a session has left."""
    return list(project.glob(".pytest_cache/sluice/*/logs/left.log"))


def seen(path: Path, text: str = "") -> None:
    """Raise NotYet while a file, or a text in it, is not to be seen."""
    if not path.exists() or text not in path.read_text():
        raise NotYet(f"no {path.name} with {text!r}")


class TestPreflight:
    """Every address that cannot be used is told, with its reason, before anything starts."""

    @pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
    def test_all_that_is_wrong_is_told_at_once(
        self, project: Path, there: There, workers: tuple[str, ...]
    ) -> None:
        endpoint = there.deployment.backend.endpoint
        http, presto = endpoint("namenode", "http"), endpoint("presto", "http")
        (project / "there.toml").write_text(
            f"""
            [kafka]
            bootstrap_servers = ["{CLOSED}", "no-such-host.invalid:9092"]
            [hdfs]
            namenode = "{http}"
            webhdfs = "{presto}"
            [metastore]
            thrift = "{http}"
            [presto]
            address = "{http}"
            """
        )
        (project / "test_it.py").write_text("def test_it(sluice_landing): ...")
        done = run(project, *workers)
        output = done.stdout + done.stderr
        for wrong in (
            f"kafka.client={CLOSED}: connection refused: nothing listens there",
            "kafka.client=no-such-host.invalid:9092: the name no-such-host.invalid does not",
            f"namenode.rpc={http}: it answers, but not as the RPC port of a NameNode",
            f"namenode.http={presto}: it answers, but not as the WebHDFS of a NameNode",
            f"metastore.thrift={http}: it answers, but not as a Hive metastore",
            f"presto.http={http}: it answers, but not as a Presto coordinator",
            "6 of the addresses that are needed cannot be used",
            "remedy: put the addresses right in --sluice-external",
        ):
            assert wrong in output
        assert done.returncode not in (0, 1)
        assert not [event for event in events(project) if event["kind"] == "node"]

    def test_only_what_the_selected_tests_need_is_asked(self, project: Path, there: There) -> None:
        text = there.toml().replace(str(there.deployment.backend.endpoint("presto", "http")), "x:1")
        (project / "there.toml").write_text(text)
        (project / "test_it.py").write_text(
            "def test_files(sluice_hdfs): ...\ndef test_rows(sluice_presto): ..."
        )
        assert run(project, "-m", "hdfs").returncode == 0
        done = run(project)
        assert done.returncode == pytest.ExitCode.USAGE_ERROR
        assert "presto.http=x:1: the name x does not resolve" in done.stderr

    @pytest.mark.parametrize(
        ("access", "reason"),
        [
            (replace(ACCESS, password=Secret("shibboleth-1")), "Authentication"),
            (KafkaAccess(), "not as a Kafka broker"),
        ],
        ids=["password", "none"],
    )
    def test_a_broker_that_does_not_let_one_in(
        self, guarded: Kafka, tmp_path: Path, access: KafkaAccess, reason: str
    ) -> None:
        story = refused(tmp_path, {"kafka.client": guarded.bootstrap_servers}, access)
        assert reason in story
        assert "shibboleth-1" not in story

    def test_a_service_that_accepts_and_never_answers(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            place = f"127.0.0.1:{deaf.getsockname()[1]}"
            story = refused(tmp_path, {"kafka.client": place, "metastore.thrift": place})
        assert "kafka.client" in story
        assert "metastore.thrift" in story

    def test_a_web_server_is_no_service(self, tmp_path: Path) -> None:
        with Cluster.create() as cluster:
            backend = ProcessBackend(
                cluster, tools(prepared_root()), [], tmp_path / "logs", tmp_path
            )
            backend.start(web("web"))
            place = str(backend.endpoint("web", "http"))
            wait_for("the web server", lambda: connected(place), Deadline(20))
            names = ("kafka.client", "namenode.rpc", "namenode.http", "metastore.thrift")
            story = refused(tmp_path, dict.fromkeys((*names, "presto.http"), place))
        assert story.count("it answers, but not as") == 5

    def test_catalogs_that_are_not_there_are_named(self, there: There, tmp_path: Path) -> None:
        address = {"presto.http": str(there.deployment.backend.endpoint("presto", "http"))}
        presto = replace(Access().presto, catalogs={"name": "lake"})
        story = refused(tmp_path, address, presto=presto)
        assert "catalogs.name is lake, and it has hive, hive_by_name" in story

    def test_a_catalog_that_maps_otherwise_is_named(self, there: There, tmp_path: Path) -> None:
        address = {"presto.http": str(there.deployment.backend.endpoint("presto", "http"))}
        presto = replace(Access().presto, catalogs={"name": "hive"})
        story = refused(tmp_path, address, presto=presto)
        assert "catalog hive does not map columns by name" in story
        assert "set hive.parquet.use-column-names=true in the properties of hive" in story


def connected(place: str) -> None:
    """Raise NotYet while nobody listens."""
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError as error:
        raise NotYet(str(error)) from error


def refused(folder: Path, addresses: dict[str, str], *kafka: KafkaAccess, **access: object) -> str:
    """The story of a pre-flight over all given addresses, which is over within 20 seconds."""
    parts = {name: text.rpartition(":") for name, text in addresses.items()}
    found = {name: (Endpoint(host, int(port)),) for name, (host, _, port) in parts.items()}
    granted = replace(Access(*kafka), **access)  # type: ignore[arg-type]
    deadline = Deadline(20)
    with Cluster.create() as cluster:
        local = ProcessBackend(cluster, tools(prepared_root()), [], folder / "logs", folder)
        backend = ExternalBackend(Inventory(found, granted), local, [role.name for role in roles()])
        deployment = Deployment(backend, Journal(folder / "events.jsonl"))
        with pytest.raises(ServiceNotReady, match=f"^{len(found)} of the addresses") as caught:
            preflight(deployment, [], given=True)
    assert not deadline.expired
    return str(caught.value)


def events(project: Path) -> list[dict[str, object]]:
    """What happened in the sessions of a project."""
    found = project.glob(".pytest_cache/sluice/*/events*.jsonl")
    return [json.loads(line) for path in found for line in path.read_text().splitlines()]
