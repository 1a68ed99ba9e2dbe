"""The addresses of a cluster that is already there, as its users write them: option or TOML file.

Whatever is wrong in the file is told with file, table and key, and never with the value: it might
be a secret.
"""

import getpass
import os
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from pytest_sluice.access import Access, KafkaAccess, PrestoAccess, Secret
from pytest_sluice.contracts import Endpoint
from pytest_sluice.errors import BadDeclaration

Addresses = Mapping[str, tuple[Endpoint, ...]]
Read = Callable[[object], Any]

OPTION = "--sluice-external=FILE.toml, or --sluice-external=ROLE.PORT=HOST:PORT,..."
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
KINDS = {str: "text", int: "an integer", bool: "a boolean", list: "a list", dict: "a table"}


@dataclass(frozen=True)
class Inventory:
    """What is there: addresses by ``role.port`` (several where many machines serve it), access.

    ``origin`` is where its users wrote it down.
    """

    addresses: Addresses
    access: Access = field(default_factory=Access)
    origin: str = "--sluice-external"


def read_inventory(text: str, root: Path, environment: Mapping[str, str] = os.environ) -> Inventory:
    """Read the value of the option: ``role.port=host:port,...`` or a TOML file, seen from ``root``.

    Raises BadDeclaration for what cannot be used.
    """
    if "=" in text:
        return Inventory(_addresses(text), _as_oneself(Access()))
    return read_file(root / text, environment)


def read_file(path: Path, environment: Mapping[str, str]) -> Inventory:
    """Read a TOML file; see the README for its tables."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _bad(f"cannot read {path}: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise _bad(f"{path} is no TOML: {error}") from error
    found = _tables(path, content, environment)
    return Inventory(_named(found), _access(path, found), str(path))


def _tables(path: Path, content: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    tables = _readers(path.parent, env)
    found = {}
    for name, table in content.items():
        if name not in tables:
            raise _unknown(f"{path}: [{name}]", "table", tables)
        if not isinstance(table, dict):
            raise _bad(f"{path}: {name} is {_kind(table)}, and must be a table: [{name}]")
        found[name] = _table(f"{path}: [{name}]", table, tables[name])
    return found


def _table(place: str, table: Mapping[str, Any], readers: Mapping[str, Read]) -> dict[str, Any]:
    found = {}
    for key, value in table.items():
        if key not in readers:
            raise _unknown(f"{place} {key}", "key", readers)
        try:
            found[key] = readers[key](value)
        except ValueError as error:
            raise _bad(f"{place} {key}: {error}") from None
    return found


def _readers(folder: Path, environment: Mapping[str, str]) -> dict[str, dict[str, Read]]:
    """How the value of each key of each table is read."""
    text = partial(_text, environment=environment)
    return {
        "kafka": {
            "bootstrap_servers": _endpoints,
            "security_protocol": lambda value: _one_of(text(value), PROTOCOLS),
            "sasl_mechanism": lambda value: _one_of(text(value), MECHANISMS),
            "username": text,
            "password": lambda value: Secret(text(value)),
            "cafile": lambda value: _file(folder, text(value)),
        },
        "hdfs": {"namenode": _endpoint, "webhdfs": _endpoint, "user": text},
        "metastore": {"thrift": _endpoint},
        "presto": {
            "address": _endpoint,
            "user": text,
            "password": lambda value: Secret(text(value)),
            "https": _boolean,
            "cafile": lambda value: _file(folder, text(value)),
            "catalogs": lambda value: _catalogs(value, text),
        },
    }


# The port of a role that each address of the file is.
PLACES = {
    ("kafka", "bootstrap_servers"): "kafka.client",
    ("hdfs", "namenode"): "namenode.rpc",
    ("hdfs", "webhdfs"): "namenode.http",
    ("metastore", "thrift"): "metastore.thrift",
    ("presto", "address"): "presto.http",
}


def _named(found: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Endpoint, ...]]:
    return {
        place: found[table][key]
        for (table, key), place in PLACES.items()
        if key in found.get(table, {})
    }


def _access(path: Path, found: Mapping[str, Mapping[str, Any]]) -> Access:
    """Whatever of the tables is no address, where it fits together."""
    kafka, presto = (
        {key: value for key, value in found.get(table, {}).items() if (table, key) not in PLACES}
        for table in ("kafka", "presto")
    )
    access = Access(
        kafka=KafkaAccess(**kafka),
        hdfs_user=found.get("hdfs", {}).get("user", ""),
        presto=PrestoAccess(**presto),
    )
    if access.kafka.security_protocol.startswith("SASL") and not access.kafka.sasl_mechanism:
        raise _bad(f"{path}: [kafka] sasl_mechanism: one is needed for SASL", MECHANISMS)
    if "password" in kafka and not access.kafka.security_protocol.startswith("SASL"):
        raise _bad(f"{path}: [kafka] password: without SASL nobody asks for it", PROTOCOLS[2:])
    if "password" in presto and not access.presto.https:
        raise _bad(f"{path}: [presto] password: it is sent over https only", ["https = true"])
    return _as_oneself(access)


def _as_oneself(access: Access) -> Access:
    """Over WebHDFS one goes by the same name as Hadoop's own clients do: the user's, if no other.

    Else what they write would not be this user's to remove.
    """
    if access.hdfs_user:
        return access
    with suppress(KeyError, OSError):  # a user without a name, as containers have
        return replace(access, hdfs_user=getpass.getuser())
    return access


def _addresses(text: str) -> dict[str, tuple[Endpoint, ...]]:
    """Read ``role.port=host:port,...``; a name that is given again has several addresses."""
    found: dict[str, tuple[Endpoint, ...]] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, address = part.partition("=")
        try:
            if "." not in name:
                raise ValueError("it must begin with ROLE.PORT=")
            found[name] = (*found.get(name, ()), *_endpoint(address))
        except ValueError as error:
            raise BadDeclaration(
                f"cannot read the address of {name!r}: {error}",
                remedy="write --sluice-external=kafka.client=127.0.0.1:29092,namenode.rpc=...",
            ) from None
    return found


def _endpoint(value: object) -> tuple[Endpoint, ...]:
    host, colon, port = _text(value).rpartition(":")
    if "@" in host:
        raise ValueError("credentials are no part of an address; the TOML file has keys for them")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError("it must be HOST:PORT")
    return (Endpoint(host, int(port)),)


def _endpoints(value: object) -> tuple[Endpoint, ...]:
    if not isinstance(value, list):
        return _endpoint(value)
    if not value:
        raise ValueError("the list is empty")
    return tuple(endpoint for each in value for endpoint in _endpoint(each))


def _text(value: object, environment: Mapping[str, str] | None = None) -> str:
    """A text, given directly or, where an environment is, as ``{ env = "NAME" }``."""
    if isinstance(value, dict) and environment is not None:
        return _from_environment(value, environment)
    if not isinstance(value, str):
        raise ValueError(f"it is {_kind(value)}, and must be text")
    if not value:
        raise ValueError("it is empty")
    return value


def _from_environment(table: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    name = table.get("env")
    if not isinstance(name, str) or len(table) != 1:
        raise ValueError('a table must be { env = "NAME" }')
    if not environment.get(name):
        raise ValueError(f"the environment variable {name} is not set")
    return environment[name]


def _one_of(value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"it must be one of {', '.join(known)}")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"it is {_kind(value)}, and must be true or false")
    return value


def _file(folder: Path, name: str) -> str:
    if not (folder / name).is_file():
        raise ValueError(f"there is no file {name}")
    return str(folder / name)


def _catalogs(value: object, text: Read) -> dict[str, str]:
    if not isinstance(value, dict) or not value.keys() <= {"position", "name"}:
        raise ValueError('it must be { position = "CATALOG", name = "CATALOG" }')
    return {mapping: text(catalog) for mapping, catalog in value.items()}


def _kind(value: object) -> str:
    return KINDS.get(type(value), f"a {type(value).__name__}")


def _unknown(place: str, what: str, known: Mapping[str, object]) -> BadDeclaration:
    return _bad(f"{place} is no {what} of this file", sorted(known))


def _bad(cause: str, known: "list[str] | tuple[str, ...]" = ()) -> BadDeclaration:
    checked = [f"known are {', '.join(known)}"] if known else []
    return BadDeclaration(cause, checked=checked, remedy=f"put it right, or give {OPTION}")
