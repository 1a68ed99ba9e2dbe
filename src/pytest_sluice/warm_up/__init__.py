"""A small pipeline of no meaning, run once at set-up so that class data can be recorded."""

from pathlib import Path

from pytest_sluice.declaration import Ddl, Env, Job, Pipeline, Query, Table, Topic

HERE = Path(__file__).parent


def pipeline() -> Pipeline:
    """Kafka -> Spark -> Parquet on HDFS -> Hive -> Presto, without an API."""
    query = Query(
        "warm_up",
        checkpoint="{root}/checkpoint",
        trigger=Env("TRIGGER", "1 second"),
        tables=(Table("warm_up", "{root}/warm_up"),),
    )
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": "{bootstrap_servers}",
        "KAFKA_TOPIC": "{topic}",
        "ROOT": "{hdfs_url}{root}",
    }
    return Pipeline(
        topic=Topic("warm_up"),
        job=Job(HERE / "stream.py", queries=(query,), environment=environment),
        ddl=Ddl(HERE / "tables.hql", variables={"root": "{root}"}),
        root="/warm_up",
    )
