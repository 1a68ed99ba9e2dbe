"""How a JVM is started here: small heap, quick start, class data archives, quiet logs."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pytest_sluice.contracts import Endpoint, Site, Tools

# Tests are over before an optimizing compiler or a parallel collector would pay for itself.
FAST = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-XX:-UsePerfData")
# The folder of temporary files in a role's directory; the backend makes it.
TEMPORARY = "tmp"
# Addresses of the loopback range are IPv4; a dual-stack socket would listen beyond them.
NET = ("-Djava.net.preferIPv4Stack=true",)

LOG4J2 = """\
rootLogger.level = {level}
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{{HH:mm:ss.SSS}} %-5p %c{{1}}: %m%n
"""


def opens(*packages: str) -> tuple[str, ...]:
    """``--add-opens`` of ``module/package`` to all unnamed modules."""
    return tuple(f"--add-opens={package}=ALL-UNNAMED" for package in packages)


def class_path(jars: Iterable[Path]) -> str:
    """A class path of jars only, in the given order: archives hold for exactly this order."""
    return os.pathsep.join(map(str, jars))


def java(
    tools: Tools,
    directory: Path,
    role: str,
    jars: Iterable[Path],
    main: Sequence[str],
    *,
    heap: str,
    options: Sequence[str] = (),
) -> tuple[str, ...]:
    """The argv of a JVM that runs ``main`` (a class and its arguments) for ``role``.

    ``directory`` is the role's: what the JVM would leave in the machine's temporary directory goes
    below it.
    """
    head = (str(tools.java), f"-Xmx{heap}", *FAST, *NET, *tools.class_data(role))
    options = (f"-Djava.io.tmpdir={directory / TEMPORARY}", *options)
    return (*head, *options, "-cp", class_path(jars), *main)


def bind_address(site: Site, own: Endpoint) -> str:
    """What a server of the role binds: its own address, in a container every one."""
    return "0.0.0.0" if site.contained else own.host


def bind_option(site: Site, own: Endpoint) -> str:
    """The property by which a launcher (see ``java/``) is told what its server binds."""
    return f"-Dsluice.bind={bind_address(site, own)}"


def log_option(directory: Path) -> str:
    """Point log4j2 at the file ``log4j2.properties`` of a role's directory."""
    return f"-Dlog4j2.configurationFile={directory / 'log4j2.properties'}"


def log_file(level: str = "warn") -> dict[str, str]:
    """The ``log4j2.properties`` of a role that writes to stderr."""
    return {"log4j2.properties": LOG4J2.format(level=level)}
