"""Addresses of a cluster that is there: the option's text; a TOML file, and what is wrong in it."""

import dataclasses
import json
from pathlib import Path

import pytest

from pytest_sluice.access import Access, KafkaAccess, Secret
from pytest_sluice.backends.inventory import Inventory, read_inventory
from pytest_sluice.contracts import Endpoint
from pytest_sluice.errors import BadDeclaration

WHOLE = """
[kafka]
bootstrap_servers = ["b1:9092", "b2:9093"]
security_protocol = "SASL_PLAINTEXT"
sasl_mechanism = "PLAIN"
username = "gate"
password = { env = "KAFKA_WORD" }

[hdfs]
namenode = "nn:8020"
webhdfs = "nn:9870"
user = "etl"

[metastore]
thrift = "hms:9083"

[presto]
address = "presto:8443"
user = "gate"
password = "open sesame"
https = true
catalogs = { position = "lake", name = "lake_by_name" }
"""
ENVIRONMENT = {"KAFKA_WORD": "hush-hush"}


def read(folder: Path, text: str) -> Inventory:
    """What a file of this text says, where the environment is `ENVIRONMENT`."""
    (folder / "there.toml").write_text(text)
    return read_inventory("there.toml", folder, ENVIRONMENT)


def refused(folder: Path, text: str) -> str:
    """The story of the refusal of a file."""
    with pytest.raises(BadDeclaration) as caught:
        read(folder, text)
    assert "--sluice-external=" in caught.value.remedy
    return str(caught.value)


class TestFile:
    """A TOML file."""

    def test_addresses_are_those_of_the_roles_ports(self, tmp_path: Path) -> None:
        assert read(tmp_path, WHOLE).addresses == {
            "kafka.client": (Endpoint("b1", 9092), Endpoint("b2", 9093)),
            "namenode.rpc": (Endpoint("nn", 8020),),
            "namenode.http": (Endpoint("nn", 9870),),
            "metastore.thrift": (Endpoint("hms", 9083),),
            "presto.http": (Endpoint("presto", 8443),),
        }

    def test_access_is_given_directly_or_by_the_environment(self, tmp_path: Path) -> None:
        access = read(tmp_path, WHOLE).access
        assert access.kafka == KafkaAccess("SASL_PLAINTEXT", "PLAIN", "gate", Secret("hush-hush"))
        assert access.hdfs_user == "etl"
        assert access.presto.password.reveal() == "open sesame"
        assert access.presto.scheme == "https"
        assert access.presto.catalogs == {"position": "lake", "name": "lake_by_name"}

    def test_one_broker_needs_no_list(self, tmp_path: Path) -> None:
        found = read(tmp_path, '[kafka]\nbootstrap_servers = "b1:9092"').addresses
        assert found == {"kafka.client": (Endpoint("b1", 9092),)}

    def test_without_a_user_one_goes_by_ones_own_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOGNAME", "somebody")
        assert read(tmp_path, "").access == Access(hdfs_user="somebody")

    def test_the_origin_is_the_file(self, tmp_path: Path) -> None:
        assert read(tmp_path, WHOLE).origin == str(tmp_path / "there.toml")

    def test_an_authority_is_looked_for_beside_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").touch()
        text = '[kafka]\nsecurity_protocol = "SSL"\ncafile = "ca.pem"'
        assert read(tmp_path, text).access.kafka.cafile == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[kafka", "is no TOML"),
        ("[zookeeper]\nx = 1", "[zookeeper] is no table of this file"),
        ("kafka = 1", "kafka is an integer, and must be a table: [kafka]"),
        ('[kafka]\nbroker = "b1:9092"', "[kafka] broker is no key of this file"),
        ("[kafka]\nbootstrap_servers = 9092", "bootstrap_servers: it is an integer, and must be"),
        ("[kafka]\nbootstrap_servers = []", "bootstrap_servers: the list is empty"),
        ('[kafka]\nbootstrap_servers = ["b1"]', "bootstrap_servers: it must be HOST:PORT"),
        ('[kafka]\nsecurity_protocol = "TLS"', "must be one of PLAINTEXT, SSL"),
        ('[kafka]\nsecurity_protocol = "SASL_SSL"', "[kafka] sasl_mechanism: one is needed"),
        ('[kafka]\npassword = "x"', "[kafka] password: without SASL nobody asks for it"),
        ('[kafka]\ncafile = "ca.pem"', "[kafka] cafile: there is no file ca.pem"),
        ('[hdfs]\nnamenode = "nn:http"', "[hdfs] namenode: it must be HOST:PORT"),
        ('[hdfs]\nnamenode = "nn:70000"', "[hdfs] namenode: it must be HOST:PORT"),
        ('[hdfs]\nuser = ""', "[hdfs] user: it is empty"),
        ("[metastore]\nthrift = true", "[metastore] thrift: it is a boolean, and must be text"),
        ('[presto]\nhttps = "yes"', "[presto] https: it is text, and must be true or false"),
        ('[presto]\npassword = "x"', "[presto] password: it is sent over https only"),
        ('[presto]\npassword = { env = "NO" }', "the environment variable NO is not set"),
        ('[presto]\npassword = { file = "x" }', 'a table must be { env = "NAME" }'),
        ('[presto]\ncatalogs = "hive"', "[presto] catalogs: it must be { position ="),
        ("[presto]\ncatalogs = { position = 1 }", "[presto] catalogs: it is an integer"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_by_table_and_key(
    tmp_path: Path, text: str, said: str
) -> None:
    story = refused(tmp_path, text)
    assert said in story
    assert str(tmp_path / "there.toml") in story


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadDeclaration, match=r"cannot read .*none\.toml: No such file"):
        read_inventory("none.toml", tmp_path, {})
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(BadDeclaration, match=r"bytes\.toml: it is no text"):
        read_inventory("bytes.toml", tmp_path, {})


@pytest.mark.parametrize("key", ["password", "passwort"])
@pytest.mark.parametrize(
    "value", ['["hush-hush"]', "{ hush-hush = 1 }", '"hush-hush"', "'''hush-hush"]
)
def test_a_refusal_does_not_tell_the_value(tmp_path: Path, key: str, value: str) -> None:
    assert "hush-hush" not in refused(tmp_path, f"[kafka]\n{key} = {value}")


class TestText:
    """The option's own form."""

    def test_addresses_by_role_and_port(self, tmp_path: Path) -> None:
        found = read_inventory("kafka.client=b1:1, metastore.thrift=hms:2", tmp_path)
        assert found.addresses == {
            "kafka.client": (Endpoint("b1", 1),),
            "metastore.thrift": (Endpoint("hms", 2),),
        }

    def test_a_name_given_twice_has_two_addresses(self, tmp_path: Path) -> None:
        found = read_inventory("kafka.client=b1:1,kafka.client=b2:2", tmp_path).addresses
        assert found == {"kafka.client": (Endpoint("b1", 1), Endpoint("b2", 2))}

    @pytest.mark.parametrize("text", ["kafka=b1:1", "kafka.client=b1", "kafka.client=:1", "a.b="])
    def test_what_cannot_be_read_is_refused(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(BadDeclaration, match=r"write --sluice-external=kafka\.client="):
            read_inventory(text, tmp_path)

    def test_credentials_in_an_address_are_refused_and_not_told(self, tmp_path: Path) -> None:
        with pytest.raises(BadDeclaration, match="credentials are no part of an") as caught:
            read_inventory("presto.http=me:hush-hush@presto:8080", tmp_path)
        assert "hush-hush" not in str(caught.value)


class TestSecret:
    """What is never shown, however it is printed."""

    def test_no_way_of_printing_shows_it(self) -> None:
        access = Access(KafkaAccess(password=Secret("hush-hush")))
        shown = [
            *(repr(access), str(access), f"{access}", f"{access.kafka.password!s}"),
            repr(dataclasses.asdict(access)),
            json.dumps({"access": access}, default=str),
            repr({"password": access.kafka.password.reveal()}),
        ]
        assert "hush-hush" not in "".join(shown)

    def test_a_client_gets_it(self) -> None:
        assert Secret("hush-hush").reveal() == "hush-hush"
