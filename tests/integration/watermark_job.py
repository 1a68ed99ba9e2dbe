"""A job with a watermark, for test_watermark: it counts events by window of ten seconds."""

import os

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

if __name__ == "__main__":
    spark = SparkSession.builder.appName("windows").getOrCreate()
    at = F.get_json_object(F.col("value").cast("string"), "$.at").cast("timestamp")
    events = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", os.environ["BROKERS"])
        .option("subscribe", os.environ["TOPIC"])
        .option("startingOffsets", "earliest")
        .load()
        .select(at.alias("at"))
        .withWatermark("at", "0 seconds")
    )
    windows = events.groupBy(F.window("at", "10 seconds")).count()
    (
        windows.select(F.col("window.start").cast("string").alias("start"), "count")
        .writeStream.outputMode("append")
        .option("checkpointLocation", os.environ["CHECKPOINT"])
        .trigger(processingTime="1 second")
        .start(os.environ["WINDOWS"], format="parquet")
        .awaitTermination()
    )
