"""What a session's settings make of the declared pipeline: its trigger, its size, its place.

A setting counts before the declaration; what is not set is as declared.
"""

from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from pytest_sluice.components.job import HADOOP_FOLDERS, is_local
from pytest_sluice.declaration import Job, Pipeline
from pytest_sluice.errors import BadDeclaration
from pytest_sluice.settings import Settings

# How Spark and Hadoop find a cluster and who they are there. A job that runs on one gets them from
# the environment of the tests; one that runs by itself does not.
INHERITED = (
    *HADOOP_FOLDERS,
    "KRB5_CONFIG",
    "KRB5CCNAME",
    "KUBECONFIG",
    "SPARK_CONF_DIR",
)
IMAGES = ("spark.kubernetes.container.image", "spark.kubernetes.executor.container.image")


def scaled(pipeline: Pipeline, settings: Settings, environment: Mapping[str, str]) -> Pipeline:
    """The pipeline with what the settings say in the place of what was declared."""
    if trigger := settings["trigger"]:
        pipeline = pipeline.with_trigger(trigger)
    topic = replace(
        pipeline.topic,
        partitions=settings["partitions"] or pipeline.topic.partitions,
        replication_factor=settings["replication"] or pipeline.topic.replication_factor,
    )
    job = pipeline.job and _placed(pipeline.job, settings, environment)
    return replace(pipeline, topic=topic, job=job)


def block_replication(settings: Settings) -> int:
    """On how many DataNodes clients ask for each block that they write; 0 where nobody said."""
    return int(settings["hdfs_replication"] or settings["replication"] or 0)


def _placed(job: Job, settings: Settings, environment: Mapping[str, str]) -> Job:
    """The job with its master, and with what it needs to get there."""
    host = settings["driver_host"]
    wanted = {
        "spark.master": settings["spark_master"],
        "spark.driver.host": host,
        "spark.driver.bindAddress": host,
    }
    conf = {**job.conf, **{name: value for name, value in wanted.items() if value}}
    if is_local(conf.get("spark.master", "local")):
        return replace(job, conf=conf)
    inherited = {**_spark_home(), **_inherited(environment)}
    placed = replace(job, conf=conf, environment={**inherited, **job.environment})
    _require(placed)
    return placed


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    found = {name: environment[name] for name in INHERITED if name in environment}
    # Braces stand for placeholders in a declaration; here they are meant as they are.
    return {name: text.replace("{", "{{").replace("}", "}}") for name, text in found.items()}


def _spark_home() -> dict[str, str]:
    """Where Spark finds what it sends to YARN: its jars, and pyspark as archives."""
    spec = find_spec("pyspark")
    return {"SPARK_HOME": str(Path(spec.origin).parent)} if spec and spec.origin else {}


def _require(job: Job) -> None:
    """Refuse a master that cannot be found, or that cannot start an executor."""
    master = job.conf["spark.master"]
    if master == "yarn" and not any(job.environment.get(name) for name in HADOOP_FOLDERS):
        raise BadDeclaration(
            "the job's master is yarn, and nothing says where that is",
            checked=[f"neither {' nor '.join(HADOOP_FOLDERS)} is set"],
            remedy="set HADOOP_CONF_DIR to the folder of yarn-site.xml and core-site.xml",
        )
    if master.startswith("k8s://") and not any(job.conf.get(name) for name in IMAGES):
        raise BadDeclaration(
            "the job's master is Kubernetes, and there is no image for its executors",
            remedy=f'declare Job(..., conf={{"{IMAGES[0]}": "..."}})',
        )
