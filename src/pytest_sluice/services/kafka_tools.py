"""Kafka's own command line tools."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pytest_sluice.contracts import Launch, Tools
from pytest_sluice.services.jvm import java

TOOLS = {
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}


def tool(tools: Tools, directory: Path, own: Iterable[Path], main: Sequence[str]) -> Launch:
    """One of Kafka's command line tools; ``own`` are the jars that the broker does without."""
    jars = (*tools.jars["kafka"], *own)
    quiet = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",)
    return Launch(java(tools, directory, "kafka-tool", jars, main, heap="128m", options=quiet))
