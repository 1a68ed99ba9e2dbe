"""What travels into a container arrives as it was."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pytest_sluice.contracts import Launch, Tools
from pytest_sluice.wire import launch_from_json, launch_to_json, tools_from_json, tools_to_json

TEXT = st.text()
LAUNCHES = st.builds(
    Launch,
    argv=st.lists(TEXT, min_size=1).map(tuple),
    environment=st.dictionaries(TEXT, TEXT),
    files=st.dictionaries(TEXT, TEXT),
    directory=st.none() | st.just(Path("/a folder/of files")),
)


@given(LAUNCHES)
def test_a_launch_arrives_as_it_was(launch: Launch) -> None:
    text = launch_to_json(launch)
    assert "\n" not in text
    assert launch_from_json(text) == launch


def test_tools_arrive_with_the_options_of_each_role() -> None:
    tools = Tools(
        java=Path("/jre/bin/java"),
        jars={"kafka": (Path("/kafka/b.jar"), Path("/kafka/a.jar"))},
        class_data=lambda role: (f"-XX:SharedArchiveFile={role}.jsa",) if role == "kafka" else (),
        python=Path("/venv/bin/python"),
    )
    arrived = tools_from_json(tools_to_json(tools, ("kafka", "presto")))
    assert (arrived.java, arrived.jars, arrived.python) == (tools.java, tools.jars, tools.python)
    assert arrived.class_data("kafka") == ("-XX:SharedArchiveFile=kafka.jsa",)
    assert arrived.class_data("presto") == ()
    assert arrived.class_data("nobody") == ()
