"""The warm-up's Spark application: what most streaming jobs use of Spark, once."""

import os

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F


def main() -> None:
    """Stream a topic into Parquet until the process is stopped."""
    env = os.environ
    spark = SparkSession.builder.appName("warm-up").getOrCreate()
    messages = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", env["KAFKA_BOOTSTRAP_SERVERS"])
        .option("subscribe", env["KAFKA_TOPIC"])
        .option("startingOffsets", "earliest")
        .option("minPartitions", "2")
        .load()
    )

    def write(batch: DataFrame, number: int) -> None:
        text = F.col("value").cast("string")
        rows = batch.select(
            text.alias("message"),
            F.col("timestamp").cast("string").alias("moment"),
            F.from_json(text, "kind string, amount string").alias("json"),
            F.get_json_object(text, "$.kind").alias("path_kind"),
            F.try_variant_get(F.try_parse_json(text), "$.kind", "string").alias("variant_kind"),
        ).select("message", "moment", "json.kind", "path_kind", "variant_kind")
        kept = rows.where(F.col("kind").isNotNull() & ~F.col("kind").rlike("^x")).persist()
        kept.write.mode("overwrite").parquet(f"{env['ROOT']}/warm_up/batch_id={number}")
        kept.unpersist()

    (
        messages.writeStream.queryName("warm_up")
        .option("checkpointLocation", f"{env['ROOT']}/checkpoint")
        .trigger(processingTime=env["TRIGGER"])
        .foreachBatch(write)
        .start()
        .awaitTermination()
    )


if __name__ == "__main__":
    main()
