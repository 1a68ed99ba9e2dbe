"""The Spark application of the pipeline under test, as a role: spark-submit, client mode."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_sluice.contracts import Launch, Role, Site
from pytest_sluice.declaration import Env, Job, fill_all
from pytest_sluice.services.jvm import java, log_file, log_option, opens

HADOOP_FOLDERS = ("HADOOP_CONF_DIR", "YARN_CONF_DIR")
MAIN = "org.apache.spark.deploy.SparkSubmit"

# What Spark's launcher gives every driver, less --add-modules=jdk.incubator.vector: the JRE at hand
# has no such module, and with it the JVM does not start. So the main class is run directly.
MODULE_OPTIONS = (
    *opens(
        *(
            f"java.base/{package}"
            for package in (
                "java.lang",
                "java.lang.invoke",
                "java.lang.reflect",
                "java.io",
                "java.net",
                "java.nio",
                "java.util",
                "java.util.concurrent",
                "java.util.concurrent.atomic",
                "jdk.internal.ref",
                "sun.nio.ch",
                "sun.nio.cs",
                "sun.security.action",
                "sun.util.calendar",
            )
        ),
        "java.security.jgss/sun.security.krb5",
    ),
    "-Djdk.reflect.useDirectMethodHandle=false",
    "-Dio.netty.tryReflectionSetAccessible=true",
)


# Each start of a query has a runId of its own. Its thread names that and the query's id, and tells
# where it resumes; Spark's own logging.level of the root, which jobs set, leaves it as it is.
QUERIES_LOGGED = """\
logger.queries.name = org.apache.spark.sql.execution.streaming.runtime.MicroBatchExecution
logger.queries.level = info
logger.queries.additivity = false
logger.queries.appenderRef.queries.ref = queries
appender.queries.type = Console
appender.queries.name = queries
appender.queries.target = SYSTEM_ERR
appender.queries.layout.type = PatternLayout
appender.queries.layout.pattern = %d{HH:mm:ss.SSS} %-5p %c{1}: %m [%t]%n
"""
_BEGUN = re.compile(
    r"(?:Resuming at batch|Starting new streaming query).*"
    r"\[id = (?P<query>[0-9a-f-]+), runId = (?P<start>[0-9a-f-]+)"
)


def begun(lines: Iterable[str]) -> set[tuple[str, str]]:
    """The starts of queries that a job's log tells of: a query's id, and that of the start."""
    found = (_BEGUN.search(line) for line in lines)
    return {(match["query"], match["start"]) for match in found if match}


def role(name: str, job: Job, values: Mapping[str, str], hdfs: Mapping[str, str]) -> Role:
    """The declared application; ``hdfs`` are settings of the file system's client."""

    def render(site: Site) -> Launch:
        environment = {**_triggers(job), **fill_all(job.environment, values)}
        conf = {**{f"spark.hadoop.{k}": v for k, v in hdfs.items()}, **job.conf}
        launch = submit(site, conf, (str(job.application),), environment)
        return replace(launch, environment={**launch.environment, **environment})

    return Role(name, render, "spark", ports={"driver": 0})


def is_local(master: str) -> bool:
    """Whether driver and executors are one process."""
    return master.startswith("local")


def _class_path(site: Site, environment: Mapping[str, str]) -> Sequence[Path]:
    """The connector is among them, not in --jars: so the class data archive holds it as well.

    The folders of a Hadoop configuration are where Spark looks for YARN.
    """
    folders = [environment[name] for name in HADOOP_FOLDERS if name in environment]
    return (*site.tools.jars["spark"], *site.tools.jars["spark-kafka"], *map(Path, folders))


def _executors(site: Site) -> dict[str, str]:
    """For executors elsewhere: the connector's jars, and so little that it fits anywhere."""
    return {
        "spark.jars": ",".join(map(str, site.tools.jars["spark-kafka"])),
        "spark.executor.memory": "512m",
        "spark.executor.cores": "1",
        "spark.executor.instances": "2",  # yarn, k8s://
        "spark.cores.max": "2",  # spark://
    }


def submit(
    site: Site,
    conf: Mapping[str, str],
    arguments: Sequence[str],
    environment: Mapping[str, str] = {},
) -> Launch:
    """spark-submit with ``conf`` on top of our defaults, and below what ``arguments`` say."""
    settings = {**_conf(site), **conf}
    if not is_local(settings["spark.master"]):
        settings = {**_executors(site), **settings}
    words = [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
    return Launch(
        argv=java(
            site.tools,
            site.directory,
            "spark",
            _class_path(site, environment),
            (MAIN, *words, *arguments),
            heap="600m",
            options=(*MODULE_OPTIONS, log_option(site.directory)),
        ),
        environment=_environment(site),
        files={"log4j2.properties": log_file()["log4j2.properties"] + QUERIES_LOGGED},
    )


def _conf(site: Site) -> dict[str, str]:
    host = site.endpoints["driver"].host
    return {
        "spark.master": "local[2]",
        "spark.ui.enabled": "false",
        "spark.driver.host": host,
        "spark.driver.bindAddress": host,
        "spark.sql.shuffle.partitions": "2",
        "spark.local.dir": str(site.directory / "local"),
        "spark.sql.warehouse.dir": str(site.directory / "warehouse"),
    }


def _environment(site: Site) -> dict[str, str]:
    return {
        "PYSPARK_PYTHON": str(site.tools.python),
        # A job may declare another PYSPARK_PYTHON: that of the executors.
        "PYSPARK_DRIVER_PYTHON": str(site.tools.python),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SPARK_LOCAL_DIRS": str(site.directory / "local"),
    }


def _triggers(job: Job) -> dict[str, str]:
    """The trigger intervals that the job reads from its environment."""
    declared = (query.trigger for query in job.queries)
    return {t.name: t.default for t in declared if isinstance(t, Env)}
