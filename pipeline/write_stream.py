"""Read the game's events from Kafka and land them as Parquet: one job, one streaming query.

Run it with ``spark-submit write_stream.py`` (Spark 4.1 and its Kafka connector). Every message
ends up in one of three tables, each batch in a directory of its own, which a replay overwrites;
known events that no table keeps are the only ones not written.

Environment: KAFKA_BOOTSTRAP_SERVERS (kafka:29092), KAFKA_TOPIC (events), TRIGGER (120 seconds),
HDFS_URL (hdfs://cloudera:8020) and, as paths in that file system, LANDING_ROOT (/tmp) and
CHECKPOINT_LOCATION (/tmp/checkpoints_for_events).
"""

import os
from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any
from uuid import uuid4

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

PURCHASES = tuple(f"purchase_{item}" for item in ("sword", "knife", "armor", "bow", "arrow"))
KNOWN_EVENTS = ("default", *PURCHASES, "join_guild", "leave_guild", "attack_enemy")
FIELDS = ("Accept", "Host", "User-Agent", "event_type", "amount", "description")

# The columns of the files, in the order of the files; the tables in Hive have another.
GUILD_COLUMNS = ("raw_event", "timestamp", "Accept", "Host", "User-Agent", "event_type")
PURCHASE_COLUMNS = (*GUILD_COLUMNS, "amount", "description")
REJECTED_COLUMNS = ("value", "partition", "offset", "reason", "timestamp")

SPARK_CONFIG: dict[str, Any] = {
    "spark.log.level": "WARN",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.variant.allowDuplicateKeys": "true",  # the last of several equal keys wins
    # HDFS clients wait 400 ms before they ask again whether a block is complete, and twice as long
    # each time; after 12 times from 5 ms on, which is 20 s, they give up.
    "spark.hadoop.dfs.client.block.write.locateFollowingBlock.initial.delay.ms": "5",
    "spark.hadoop.dfs.client.block.write.locateFollowingBlock.retries": "12",
}
SEAL = uuid4().hex


def parse(messages: DataFrame) -> DataFrame:
    """Return `messages` with the JSON that each holds as the variant `sealed`, else NULL.

    Spark's parser stops after the first value and would take ``{"a": 1} x`` for JSON. Here it
    reads ``[message,"seal"]``: with anything behind the message's first value, the second element
    is not the seal, which no sender knows.
    """
    text = F.col("value").cast("string")
    sealed = F.try_parse_json(F.concat(F.lit("["), text, F.lit(f',"{SEAL}"]')))
    return messages.withColumn("sealed", sealed)


def classify(messages: DataFrame) -> DataFrame:
    """Return Kafka's `messages` with the document's fields as strings and, for no event, a reason.

    Takes value, partition, offset and timestamp; `reason` is NULL for a known event.
    """
    fields = [F.try_variant_get("sealed", f"$[0]['{name}']", "variant") for name in FIELDS]
    parsed = parse(messages).select(
        "value",
        "partition",
        "offset",
        F.col("timestamp").cast("string").alias("timestamp"),
        F.try_variant_get("sealed", "$[1]", "string").alias("seal"),
        *[field.alias(name) for field, name in zip(fields, FIELDS, strict=True)],
    )
    strings = {name: F.try_variant_get(name, "$", "string") for name in FIELDS}
    return parsed.withColumns({"reason": reason()} | strings).drop("seal")


def reason() -> Column:
    """Return why a message is not an event: the first that is true, or NULL."""
    text = F.col("value").cast("string")
    not_strings = [F.schema_of_variant(name) != "STRING" for name in FIELDS]
    event_type = F.try_variant_get("event_type", "$", "string")
    return (
        F.when(~F.is_valid_utf8(text), "not_utf8")
        .when(~F.col("seal").eqNullSafe(SEAL), "not_json")  # no value at all, too
        .when(~text.rlike(r"^\s*\{"), "not_object")
        .when(F.col("event_type").isNull(), "no_event_type")
        .when(reduce(or_, not_strings), "wrong_type")  # an absent field is NULL, and no reason
        .when(~event_type.isin(*KNOWN_EVENTS), "unknown_event_type")
    )


def tables(classified: DataFrame) -> dict[str, DataFrame]:
    """Split `classified` messages into the rows of the three tables, by name."""
    event_type = F.col("event_type")
    events = classified.where("reason is null").withColumn(
        "raw_event", F.col("value").cast("string")
    )
    rejected = classified.where("reason is not null")
    return {
        "purchases": events.where(event_type.isin(*PURCHASES)).select(*PURCHASE_COLUMNS),
        "guild_membership": events.where(event_type == "join_guild").select(*GUILD_COLUMNS),
        "rejected": rejected.select(*REJECTED_COLUMNS),
    }


def batch_writer(root: str) -> Callable[[DataFrame, int], None]:
    """Return what writes a classified batch under `root`; a batch once more replaces itself."""

    def write(classified: DataFrame, batch_id: int) -> None:
        classified.persist()
        try:
            for name, rows in tables(classified).items():
                # The first table fills the cache with all tasks; the small ones need one file.
                files = rows if name == "purchases" else rows.coalesce(1)
                files.write.mode("overwrite").parquet(f"{root}/{name}/batch_id={batch_id}")
        finally:
            classified.unpersist()

    return write


def start(spark: SparkSession) -> StreamingQuery:
    """Start the query that the environment describes."""
    env = os.environ.get
    messages = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", env("KAFKA_BOOTSTRAP_SERVERS", "kafka:29092"))
        .option("subscribe", env("KAFKA_TOPIC", "events"))
        .option("startingOffsets", "earliest")
        .option("minPartitions", "2")  # two tasks, though the topic has one partition
        .option("kafka.fetch.max.wait.ms", "20")  # by default an empty fetch waits for 500
        .load()
    )
    hdfs = env("HDFS_URL", "hdfs://cloudera:8020")
    root = hdfs + env("LANDING_ROOT", "/tmp")
    checkpoint = hdfs + env("CHECKPOINT_LOCATION", "/tmp/checkpoints_for_events")
    return (
        classify(messages)
        .writeStream.queryName("events")
        .option("checkpointLocation", checkpoint)
        .trigger(processingTime=env("TRIGGER", "120 seconds"))
        .foreachBatch(batch_writer(root))
        .start()
    )


def main() -> None:
    """Run until the query ends; its error, if it has one, ends the job with a non-zero exit."""
    spark = SparkSession.builder.appName("ExtractEventsJob").config(map=SPARK_CONFIG).getOrCreate()
    start(spark).awaitTermination()


if __name__ == "__main__":
    main()
