"""The declaration: names of runs, placeholders, triggers."""

from pathlib import Path

import pytest

from pytest_sluice import Api, Burst, Ddl, Env, Fixed, Job, Pipeline, Query, Table, Topic
from pytest_sluice.access import KafkaAccess, Secret
from pytest_sluice.declaration import fill, trigger_interval
from pytest_sluice.errors import BadDeclaration


def declared(trigger: Env | Fixed, **parts: Api | Ddl) -> Pipeline:
    query = Query("q", "{root}/checkpoint", trigger, (Table("orders", "{root}/orders"),))
    job = Job(Path("job.py"), (query,), {"TOPIC": "{topic}"})
    return Pipeline(topic=Topic("clicks"), job=job, **parts)  # type: ignore[arg-type]


def test_the_first_run_has_the_bare_names() -> None:
    names = declared(Env("TRIGGER", "1 second")).names(1)
    assert (names.topic, names.root, names.schema) == ("clicks", "/tmp", "default")


def test_later_runs_have_names_of_their_own() -> None:
    pipeline = declared(Env("TRIGGER", "1 second"))
    names = [pipeline.names(number) for number in (1, 2, 3)]
    for part in ("topic", "root", "schema"):
        assert len({getattr(name, part) for name in names}) == 3


def test_tables_are_those_of_every_query() -> None:
    assert [table.name for table in declared(Fixed("1 second")).tables] == ["orders"]
    assert Pipeline(topic=Topic("clicks")).tables == ()


def test_a_trigger_from_the_environment_can_be_set() -> None:
    pipeline = declared(Env("TRIGGER", "120 seconds")).with_trigger("1 second")
    assert trigger_interval(pipeline.queries[0]) == "1 second"


def test_a_fixed_trigger_is_refused_by_name() -> None:
    with pytest.raises(BadDeclaration, match="'q' is Fixed") as caught:
        declared(Fixed("120 seconds")).with_trigger("1 second")
    assert "--sluice-trigger" in caught.value.remedy


def test_an_unknown_placeholder_is_refused_where_it_is_declared() -> None:
    with pytest.raises(BadDeclaration, match=r"'topics' in 'X={topics}'"):
        declared(Fixed("1 second"), ddl=Ddl(Path("x.hql"), {"x": "X={topics}"}))


@pytest.mark.parametrize("text", ["{", "{}", "{topic"])
def test_a_broken_placeholder_is_refused(text: str) -> None:
    with pytest.raises(BadDeclaration):
        declared(Fixed("1 second"), api=Api((text,), Path()))


@pytest.mark.parametrize("name", ["python", "host", "port"])
def test_only_the_api_is_told_its_own_address(name: str) -> None:
    Pipeline(topic=Topic("clicks"), api=Api((f"{{{name}}}",), Path()))
    with pytest.raises(BadDeclaration, match=f"'{name}'"):
        declared(Fixed("1 second"), ddl=Ddl(Path("x.hql"), {"x": f"{{{name}}}"}))


def test_a_guest_shares_no_name_with_others() -> None:
    pipeline = declared(Fixed("1 second"))
    mine, yours = (pipeline.names(1, guest) for guest in ("aa", "bb"))
    for part in ("topic", "root", "schema"):
        names = {getattr(names, part) for names in (mine, yours, pipeline.names(1))}
        assert len(names) == 3


def test_literal_braces_are_written_twice() -> None:
    declared(Fixed("1 second"), api=Api(("{{x}}",), Path()))
    assert fill("{{x}} {topic}", {"topic": "clicks"}) == "{x} clicks"


def test_the_host_of_a_burst() -> None:
    assert Burst(1, "/", (("Accept", "*"), ("host", "a.example"))).host == "a.example"
    assert Burst(1, "/").host == ""


@pytest.mark.parametrize("name", KafkaAccess().placeholders)
def test_credentials_are_told_to_environments_only(name: str) -> None:
    text, script = f"{{{name}}}", Path("x")
    Pipeline(Topic("clicks"), Api(("x",), script, {"X": text}), Job(script, (), {"X": text}))
    with pytest.raises(BadDeclaration, match=f"'{name}'"):
        Pipeline(Topic("clicks"), Api((text,), script))
    with pytest.raises(BadDeclaration, match=f"'{name}'"):
        Pipeline(Topic("clicks"), ddl=Ddl(script, {"x": text}))


def test_a_text_with_a_password_is_not_shown() -> None:
    access = KafkaAccess("SASL_SSL", "PLAIN", "me", Secret("hush"))
    filled = fill("user={kafka_username} word={kafka_password}", access.placeholders)
    assert filled == "user=me word=hush"
    assert "hush" not in repr({"X": filled})
