"""What runs inside a container, rendered: places, commands, and what they never import."""

from pathlib import Path

import pytest

from pytest_sluice.contracts import Completed, Endpoint, Launch, Role, Site, Tools
from pytest_sluice.errors import ServiceNotReady, SluiceError
from pytest_sluice.inside import commands, launch, probe
from pytest_sluice.inside.place import endpoint, find, parse_address, roles, site
from pytest_sluice.launching import CONTAINED, environment, lay_out, make_state, missing
from pytest_sluice.wire import Order, launch_json, order_from_json, tools_from_json, tools_json

NAMES = ("kafka", "hdfs", "hive", "spark", "spark-kafka", "presto", "launchers")
TOOLS = Tools(
    java=Path("/jre/bin/java"),
    jars={name: (Path(f"/{name}/lib/a.jar"),) for name in NAMES},
    class_data=lambda role: (f"-Darchive={role}",) if role == "spark" else (),
    python=Path("/venv/bin/python"),
)
HOME = Path("/var/lib/sluice/commands/x")


def test_a_role_listens_at_the_name_of_its_service() -> None:
    found = site(find("namenode"), TOOLS)
    assert found.directory == Path("/var/lib/sluice/namenode")
    assert found.endpoints["rpc"] == Endpoint("cloudera", 8020)


def test_a_role_finds_its_peers_at_the_names_of_theirs() -> None:
    found = site(find("presto"), TOOLS)
    assert found.peers["metastore.thrift"] == Endpoint("cloudera", 9083)
    assert found.peers["namenode.rpc"] == Endpoint("cloudera", 8020)


def test_another_host_is_that_of_the_role_alone() -> None:
    found = site(find("presto"), TOOLS, Path("/x"), "127.0.0.1")
    assert found.directory == Path("/x")
    assert found.endpoints["http"] == Endpoint("127.0.0.1", 8080)
    assert found.peers["namenode.rpc"] == Endpoint("cloudera", 8020)


def test_a_published_broker_tells_the_host_its_own_address() -> None:
    published = dict([parse_address("client=127.0.0.1:31000")])
    found = find("kafka").render(site(find("kafka"), TOOLS, published=published))
    lines = found.files["server.properties"].splitlines()
    assert "advertised.listeners=PLAINTEXT://kafka:29092,HOST://127.0.0.1:31000" in lines
    assert any(line.startswith("listeners=") and "HOST://kafka:9092" in line for line in lines)


@pytest.mark.parametrize("text", ["client", "client=", "=a:1", "client=host", "client=host:x"])
def test_a_published_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_address(text)


def test_an_unknown_role_is_refused_with_the_list() -> None:
    with pytest.raises(SluiceError) as caught:
        find("hbase")
    assert "datanode, kafka, metastore, namenode, presto" in str(caught.value)


@pytest.mark.parametrize("role", roles().values(), ids=lambda role: role.name)
def test_every_role_has_a_probe_at_one_of_its_ports(role: Role) -> None:
    port, _ = probe.PROBES[role.name]
    assert endpoint(role, port).host == role.service


@pytest.mark.parametrize("role", roles().values(), ids=lambda role: role.name)
def test_every_jvm_in_a_container_stays_with_ipv4(role: Role) -> None:
    assert "-Djava.net.preferIPv4Stack=true" in role.render(site(role, TOOLS)).argv


def test_spark_submit_has_our_defaults_before_what_it_is_told() -> None:
    argv = commands.render("spark-submit", TOOLS, HOME, ("--master", "local[4]", "job.py")).argv
    assert argv[-3:] == ("--master", "local[4]", "job.py")
    assert "spark.hadoop.fs.defaultFS=hdfs://cloudera:8020" in argv
    assert "-Darchive=spark" in argv


def test_hive_knows_the_metastore_of_the_cluster() -> None:
    found = commands.render("hive", TOOLS, HOME, ("-e", "show tables"))
    assert "hive.metastore.uris=thrift://cloudera:9083" in found.argv
    assert found.argv[-2:] == ("-e", "show tables")
    assert found.directory == Path.cwd()


def test_an_unknown_command_is_refused_with_the_list() -> None:
    with pytest.raises(SluiceError) as caught:
        commands.render("beeline", TOOLS, HOME, ())
    assert "hive, kafka-console-consumer" in str(caught.value)


def test_a_launch_goes_through_json_unchanged() -> None:
    sent = Launch(("a", "b"), {"X": "1"}, {"f/g": "text\n"}, Path("/code"))
    assert order_from_json(launch_json(sent, Path("/home"))) == Order(sent, Path("/home"))
    assert order_from_json(launch_json(Launch(("a",)))) == Order(Launch(("a",)))


def test_tools_go_through_json_unchanged() -> None:
    found = tools_from_json(tools_json(TOOLS, ("spark", "hive")))
    assert (found.java, found.python, found.jars) == (TOOLS.java, TOOLS.python, TOOLS.jars)
    assert [found.class_data(role) for role in ("spark", "hive", "other")] == [
        ("-Darchive=spark",),
        (),
        (),
    ]


def test_files_go_home_and_work_goes_on_where_the_code_is() -> None:
    code, home = Path("/code"), Path("/home")
    assert launch.home_of(Order(Launch(("a",), directory=code), home)) == home
    assert launch.home_of(Order(Launch(("a",), directory=code))) == code
    assert launch.home_of(Order(Launch(("a",)))).is_relative_to(CONTAINED)


def test_a_launch_that_is_no_json_is_refused() -> None:
    with pytest.raises(SluiceError, match="no launch as JSON"):
        launch.launch('{"files": {}}')


def test_a_process_sees_little_of_the_environment_around_it() -> None:
    around = {"PATH": "/bin", "JAVA_TOOL_OPTIONS": "-Xint", "TMPDIR": "/tmp"}
    seen = environment(Launch(("a",), {"X": "1"}), Path("/home"), around)
    assert seen == {"PATH": "/bin", "TMPDIR": "/home/tmp", "X": "1"}


def test_a_command_is_missing_where_the_path_of_its_process_has_none(tmp_path: Path) -> None:
    command = tmp_path / "serve"
    command.write_text("#!/bin/sh")
    around = {"PATH": str(tmp_path)}
    said = f"serve: not found on the PATH {tmp_path}"
    assert missing(Launch(("serve",)), around) == said  # not to be run
    command.chmod(0o755)
    assert missing(Launch(("serve",)), around) == ""
    assert missing(Launch(("serve",), {"PATH": "/nowhere"}), around)
    assert missing(Launch(("bin/serve",)), around) == ""  # seen from the folder where it will run


def test_files_and_a_temporary_folder_are_laid_out(tmp_path: Path) -> None:
    lay_out(Launch(("a",), files={"conf/x": "text\n"}), tmp_path / "home")
    assert (tmp_path / "home/conf/x").read_text() == "text\n"
    assert (tmp_path / "home/tmp").is_dir()


def prepared(tmp_path: Path, code: int = 0, template: bool = False) -> tuple[Site, list[Launch]]:
    """A state made for a role that has a ``prepare``, and what was run for it."""
    role = Role("x", lambda _: Launch(("run",)), prepare=lambda _: Launch(("format",)))
    where = Site(tmp_path / "home", {}, {}, TOOLS)
    ran: list[Launch] = []

    def run(command: Launch) -> Completed:
        ran.append(command)
        return Completed(code, b"it is full")

    if template:
        (tmp_path / "template").mkdir()
        (tmp_path / "template/file").write_text("prepared")
    make_state(role, where, tmp_path / "template", run)
    return where, ran


def test_a_first_state_is_a_copy_of_what_is_prepared(tmp_path: Path) -> None:
    where, ran = prepared(tmp_path, template=True)
    assert (where.state / "file").read_text() == "prepared"
    assert not ran
    assert [path.name for path in where.directory.iterdir()] == ["state"]


def test_half_a_copy_is_begun_anew(tmp_path: Path) -> None:
    half = tmp_path / "home/state.partial"
    half.mkdir(parents=True)
    (half / "half").touch()
    where, _ = prepared(tmp_path, template=True)
    assert [path.name for path in where.state.iterdir()] == ["file"]


def test_without_a_copy_the_role_makes_its_state_by_itself(tmp_path: Path) -> None:
    where, ran = prepared(tmp_path)
    assert ran == [Launch(("format",), directory=where.directory)]


def test_a_state_that_cannot_be_made_is_told_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ServiceNotReady) as caught:
        prepared(tmp_path, code=3)
    assert "exit code 3" in str(caught.value)
    assert "it is full" in str(caught.value)


def test_a_state_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "home/state").mkdir(parents=True)
    _, ran = prepared(tmp_path, template=True)
    assert not ran
    assert not list((tmp_path / "home/state").iterdir())
