"""The pipeline of the report as a declaration, and the level markers of this repository."""

from pathlib import Path

import pytest

from pytest_sluice import Api, Ddl, Env, Job, Pipeline, Query, Table, Topic, read_traffic

HERE = Path(__file__).parent
PIPELINE = HERE / "pipeline"
PURCHASES = tuple(f"purchase_{item}" for item in ("sword", "knife", "armor", "bow", "arrow"))
BATCH = "batch_id={batch}"
# The claims of the report that tests/e2e answers: 1 to 13, and what the text adds to claim 3.
CLAIMS = (*map(str, range(1, 14)), "3b")


def pytest_sluice_pipeline(config: pytest.Config) -> Pipeline:
    """Flask API -> Kafka -> Spark -> Parquet on HDFS -> Hive -> Presto."""
    return Pipeline(
        topic=Topic("events", id="event_id", unkept=("default", "leave_guild", "attack_enemy")),
        api=Api(
            command=(
                *("{python}", "-m", "waitress", "--listen={host}:{port}", "--threads=16"),
                *("--call", "game_api:create_app"),
            ),
            directory=PIPELINE,
            environment={
                "KAFKA_BOOTSTRAP_SERVERS": "{bootstrap_servers}",
                "KAFKA_TOPIC": "{topic}",
            },
            id_header="X-Event-Id",
        ),
        job=Job(
            PIPELINE / "write_stream.py",
            environment={
                "KAFKA_BOOTSTRAP_SERVERS": "{bootstrap_servers}",
                "KAFKA_TOPIC": "{topic}",
                "HDFS_URL": "{hdfs_url}",
                "LANDING_ROOT": "{root}",
                "CHECKPOINT_LOCATION": "{root}/checkpoints_for_events",
            },
            queries=(
                Query(
                    "events",
                    checkpoint="{root}/checkpoints_for_events",
                    trigger=Env("TRIGGER", "120 seconds"),
                    tables=(
                        Table("purchases", "{root}/purchases", keeps=PURCHASES, batches=BATCH),
                        Table(
                            "guild_membership",
                            "{root}/guild_membership",
                            keeps=("join_guild",),
                            batches=BATCH,
                        ),
                        Table(
                            "rejected",
                            "{root}/rejected",
                            schema="{schema}_quarantine",
                            rejected="value",
                            batches=BATCH,
                        ),
                    ),
                ),
            ),
        ),
        ddl=Ddl(PIPELINE / "create_tables.hql", variables={"schema": "{schema}", "root": "{root}"}),
        traffic=read_traffic(PIPELINE / "traffic.sh"),
        claims=CLAIMS,
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by its folder: unit, integration, e2e."""
    for item in items:
        item.add_marker(item.path.relative_to(HERE / "tests").parts[0])
