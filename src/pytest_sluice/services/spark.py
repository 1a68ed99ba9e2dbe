"""Spark's own cluster manager: a master, and workers that launch the executors of applications."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

from pytest_sluice.contracts import Endpoint, Launch, Role, Site
from pytest_sluice.services.jvm import FAST, NET, TEMPORARY, java, log_file, log_option
from pytest_sluice.waiting import NotYet

MASTER = "org.apache.spark.deploy.master.Master"
WORKER = "org.apache.spark.deploy.worker.Worker"
# A port for the submission of jobs over HTTP would be open on it as well.
NO_SUBMISSION = "-Dspark.master.rest.enabled=false"

# What a worker offers to applications. It is what the master counts with, and reserves nothing: two
# applications at a time get an executor of one core on each of two workers.
CORES = 4
MEMORY = "2g"

# Spark asks every JVM that it launches for a module that a small JRE does not have.
WRAPPER = """\
#!/bin/sh
for argument do
  shift
  [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""
# So that an executor's log tells which tasks it ran.
TASKS_LOGGED = """\
logger.executor.name = org.apache.spark.executor.Executor
logger.executor.level = info
"""


def java_wrapper(java: Path, options: tuple[str, ...]) -> str:
    """A script for ``JAVA_HOME/bin/java`` with which Spark can launch JVMs on a small JRE."""
    return WRAPPER.format(java=shlex.join([str(java), *options]))


def _environment(site: Site) -> dict[str, str]:
    # It binds the web pages, which listen on every interface otherwise.
    return {"SPARK_LOCAL_IP": site.endpoints["rpc"].host}


def _launch(site: Site, main: str, heap: str, *more: str) -> Launch:
    rpc, http = site.endpoints["rpc"], site.endpoints["http"]
    listening = ("--host", rpc.host, "--port", str(rpc.port), "--webui-port", str(http.port))
    # The class path, and so the class data archive, of an application's driver.
    jars = (*site.tools.jars["spark"], *site.tools.jars["spark-kafka"])
    argv = java(
        site.tools,
        site.directory,
        "spark",
        jars,
        (main, *listening, *more),
        heap=heap,
        options=(log_option(site.directory), NO_SUBMISSION),
    )
    return Launch(argv, _environment(site), log_file())


def render_master(site: Site) -> Launch:
    """The master."""
    return _launch(site, MASTER, "192m")


def render_worker(site: Site) -> Launch:
    """A worker; its executors run with the interpreter and the Java of the tools."""
    work, home = site.directory / "work", site.directory / "java"
    offer = ("--cores", str(CORES), "--memory", MEMORY, "--work-dir", str(work))
    launch = _launch(site, WORKER, "128m", *offer, f"spark://{site.peers['spark-master.rpc']}")
    temporary = f"-Djava.io.tmpdir={site.directory / TEMPORARY}"
    wrapper = java_wrapper(site.tools.java, (*FAST, *NET, temporary))
    logging = log_file()["log4j2.properties"] + TASKS_LOGGED
    return Launch(
        launch.argv,
        {**launch.environment, **_of_executors(site, home)},
        {"log4j2.properties": logging, "java/bin/java": wrapper},
    )


def _of_executors(site: Site, home: Path) -> Mapping[str, str]:
    """What a worker finds Java, the jars and the log's configuration of its executors by."""
    return {
        "JAVA_HOME": str(home),
        # Spark would look for it in a build of its own, and find none.
        "SPARK_SCALA_VERSION": "2.13",
        "SPARK_HOME": str(site.tools.jars["spark"][0].parent.parent),
        "SPARK_CONF_DIR": str(site.directory),
        "SPARK_LOCAL_DIRS": str(site.directory / "local"),
        "PYSPARK_PYTHON": str(site.tools.python),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


MASTER_ROLE = Role("spark-master", render_master, "spark", ports={"rpc": 7077, "http": 8088})


def worker(number: int) -> Role:
    """One worker of several, counted from 1."""
    return Role(
        f"spark-worker-{number}",
        render_worker,
        "spark",
        ports={"rpc": 7078 + 10 * number, "http": 8088 + number},
        peers=("spark-master.rpc",),
    )


def probe_ready(http: Endpoint, workers: int = 1) -> None:
    """Ready is a master that counts so many workers alive."""
    try:
        with urlopen(f"http://{http}/json/", timeout=5) as answer:
            alive = json.load(answer)["aliveworkers"]
    except (OSError, ValueError) as error:
        raise NotYet(f"{type(error).__name__}: {error}") from error
    if alive < workers:
        raise NotYet(f"a master with {alive} workers alive of {workers}")
