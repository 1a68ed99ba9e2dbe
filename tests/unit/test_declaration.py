"""The declaration: names of runs, placeholders, triggers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def query(**parts: Any) -> Query:
    """A query, some parts of it as told."""
    told = {"name": "q", "checkpoint": "{root}/c", "trigger": Fixed("1 second"), "tables": ()}
    return Query(**{**told, **parts})


def job(*queries: Query, **parts: Any) -> Job:
    """A job of queries."""
    return Job(Path("job.py"), queries, **parts)


def table(schema: str = "{schema}", path: str = "/t", **parts: Any) -> Table:
    """A table of one name."""
    return Table("t", path, schema, **parts)


def api(**parts: Any) -> Api:
    """An API, some parts of it as told."""
    return Api(**{"command": ("serve",), "directory": Path(), **parts})


TOPIC = Topic("t")


def untyped(kind: type) -> Any:
    """A type that a type checker does not know, as in a conftest that nobody checks."""
    return kind


NOT_USABLE: dict[str, tuple[Callable[[], object], str]] = {
    "parts in parentheses": (
        lambda: untyped(Pipeline)(TOPIC, job=(1, 2)),
        r"Pipeline.job is a tuple of 2; .* a Job or None",
    ),
    "topic": (lambda: untyped(Pipeline)("t"), r"Pipeline.topic is 't'; .* a Topic"),
    "api": (lambda: untyped(Pipeline)(TOPIC, job()), r"Pipeline.api is a Job; .* an Api or None"),
    "one burst": (
        lambda: untyped(Pipeline)(TOPIC, traffic=Burst(1, "/")),
        r"Pipeline.traffic is a Burst; .* a tuple",
    ),
    "a burst": (
        lambda: untyped(Pipeline)(TOPIC, traffic=("/",)),
        r"Pipeline.traffic\[0\] is '/'; .* a Burst",
    ),
    "root": (lambda: untyped(Pipeline)(TOPIC, root="tmp"), r"Pipeline.root is 'tmp'; .* a folder"),
    "root with a slash": (
        lambda: untyped(Pipeline)(TOPIC, root="/tmp/"),
        r"Pipeline.root is '/tmp/'",
    ),
    "schema": (
        lambda: untyped(Pipeline)(TOPIC, schema="{schema}"),
        r"Pipeline.schema is '{schema}'",
    ),
    "topic's name": (
        lambda: untyped(Topic)("{topic}"),
        r"Topic.name is '{topic}'; .* a topic's bare name",
    ),
    "partitions": (
        lambda: untyped(Topic)("t", partitions=0),
        r"Topic.partitions is 0; .* an int of at least 1",
    ),
    "a bool": (lambda: untyped(Topic)("t", partitions=True), r"Topic.partitions is True"),
    "replication": (
        lambda: untyped(Topic)("t", replication_factor=-1),
        r"Topic.replication_factor is -1",
    ),
    "unkept": (
        lambda: untyped(Topic)("t", unkept="default"),
        r"Topic.unkept is 'default'; .* a tuple",
    ),
    "command": (lambda: api(command="serve {port}"), r"Api.command is 'serve {port}'; .* a tuple"),
    "no command": (lambda: api(command=()), r"Api.command is a tuple of 0; .* one word"),
    "a word": (lambda: api(command=("-p", 80)), r"Api.command\[1\] is 80; .* a str"),
    "directory": (lambda: api(directory=None), r"Api.directory is None; .* a Path"),
    "environment": (
        lambda: api(environment=[("A", "b")]),
        r"Api.environment is a list of 1; .* a mapping",
    ),
    "a number": (lambda: api(environment={"A": 1}), r"Api.environment\['A'\] is 1; .* a str"),
    "port": (lambda: api(port=70000), r"Api.port is 70000; .* at most 65535"),
    "ready": (lambda: api(ready="/health"), r"Api.ready is '/health'; .* a method and a path"),
    "trigger": (
        lambda: query(trigger="1 second"),
        r"Query.trigger is '1 second'; .* Env\(name, default\) or Fixed",
    ),
    "tables": (lambda: query(tables=table()), r"Query.tables is a Table; .* a tuple"),
    "a table": (lambda: query(tables=["t"]), r"Query.tables\[0\] is 't'; .* a Table"),
    "checkpoint": (lambda: query(checkpoint="c"), r"Query.checkpoint is 'c'; .* begins with /"),
    "file system": (
        lambda: query(checkpoint="{root}/{hdfs_url}/c"),
        r"'hdfs_url' in '{root}/{hdfs_url}/c', which is Query.checkpoint",
    ),
    "path": (lambda: table(path="{hdfs_url}/t"), r"Table.path is '{hdfs_url}/t'; .* begins with /"),
    "beside root": (lambda: table(path="{root}s/t"), r"Table.path is '{root}s/t'; .* {root}/"),
    "interval": (lambda: Fixed("soon"), r"cannot read the trigger interval 'soon'"),
    "default": (lambda: Env("T", "often"), r"cannot read the trigger interval 'often'"),
    "topic in a schema": (lambda: table("{topic}"), r"'topic' in '{topic}', which is Table.schema"),
    "format": (lambda: table(path="/{root:>9}"), r"Table.path, has a format"),
    "keeps": (lambda: table(keeps="join"), r"Table.keeps is 'join'; .* a tuple"),
    "batches": (
        lambda: table(batches="batch_id=*"),
        r"Table.batches is 'batch_id=\*'; .* \{batch\}",
    ),
    "batches elsewhere": (lambda: table(batches="/t/{batch}"), r"Table.batches is '/t/{batch}'"),
    "queries": (lambda: untyped(Job)(Path("j"), "q"), r"Job.queries is 'q'; .* a tuple"),
    "one name": (
        lambda: job(query(), query(checkpoint="/d")),
        r"Job.queries has two of the name 'q'",
    ),
    "one checkpoint": (lambda: job(query(), query(name="p")), r"two of the checkpoint '{root}/c'"),
    "conf": (
        lambda: job(conf={"spark.executor.cores": 2}),
        r"Job.conf\['spark.executor.cores'\] is 2; .* '2'",
    ),
    "script": (lambda: untyped(Ddl)(None), r"Ddl.script is None; .* a Path"),
    "variables": (
        lambda: untyped(Ddl)(Path("x"), "schema=x"),
        r"Ddl.variables is 'schema=x'; .* a mapping",
    ),
    "requests": (lambda: untyped(Burst)(0, "/"), r"Burst.requests is 0; .* an int of at least 1"),
    "burst's path": (lambda: untyped(Burst)(1, "buy"), r"Burst.path is 'buy'; .* begins with /"),
    "headers": (
        lambda: untyped(Burst)(1, "/", {"Host": "x"}),
        r"Burst.headers is a dict of 1; .* a pair of str",
    ),
    "a header": (
        lambda: untyped(Burst)(1, "/", ("Host: x",)),
        r"Burst.headers\[0\] is 'Host: x'; .* a pair",
    ),
    "statuses": (lambda: untyped(Burst)(1, "/", expects=(4040,)), r"Burst.expects\[0\] is 4040"),
    "one status": (
        lambda: untyped(Burst)(1, "/", expects=404),
        r"Burst.expects is 404; .* a tuple",
    ),
}


@pytest.mark.parametrize("case", NOT_USABLE)
def test_what_cannot_be_used_is_named_with_its_field_and_what_is_allowed(case: str) -> None:
    make, told = NOT_USABLE[case]
    with pytest.raises(BadDeclaration, match=told):
        make()


def test_a_secret_in_an_environment_is_not_shown() -> None:
    with pytest.raises(BadDeclaration) as caught:
        api(environment={1: "hush"})
    assert "hush" not in str(caught.value)


def test_a_list_becomes_a_tuple_and_a_str_a_path() -> None:
    declared = Job("job.py", [query(tables=[table(keeps=["a"])])])  # type: ignore[arg-type]
    assert declared == job(query(tables=(table(keeps=("a",)),)))
    assert hash(declared.queries[0]) == hash(query(tables=(table(keeps=("a",)),)))
    assert api(command=["serve"], directory=".") == api()
    burst = Burst(1, "/", [["Host", "x"]], [404])  # type: ignore[arg-type]
    assert burst == Burst(1, "/", (("Host", "x"),), (404,))


def test_two_tables_of_one_name_have_two_schemas() -> None:
    def declared(first: str, second: str) -> Pipeline:
        return Pipeline(TOPIC, job=job(query(tables=(table(first), table(second)))))

    assert len(declared("{schema}", "{schema}_q").tables) == 2
    with pytest.raises(BadDeclaration, match="two of the schema and name"):
        declared("{schema}", "{schema}")


def test_claims_are_ids_each_once() -> None:
    assert untyped(Pipeline)(TOPIC, claims=["1", "2"]).claims == ("1", "2")
    with pytest.raises(BadDeclaration, match=r"Pipeline.claims is '12'; it must be a tuple"):
        untyped(Pipeline)(TOPIC, claims="12")
    with pytest.raises(BadDeclaration, match=r"Pipeline.claims\[1\] is 2; it must be a str"):
        untyped(Pipeline)(TOPIC, claims=("1", 2))
    with pytest.raises(BadDeclaration, match=r"Pipeline.claims has two of the id '1'"):
        Pipeline(TOPIC, claims=("1", "1"))


def test_a_kind_is_kept_or_unkept() -> None:
    kept = job(query(tables=(table(keeps=("join",)),)))
    with pytest.raises(BadDeclaration, match=r"unkept has 'join', which the table 't' keeps"):
        Pipeline(Topic("t", unkept=("join",)), job=kept)


def test_an_environment_that_would_overrule_the_trigger_is_refused() -> None:
    timed = query(trigger=Env("TRIGGER", "120 seconds"))
    with pytest.raises(
        BadDeclaration, match="sets TRIGGER, which the trigger of query 'q' reads"
    ) as caught:
        job(timed, environment={"TRIGGER": "5 seconds"})
    assert "--sluice-trigger" in caught.value.remedy
    with pytest.raises(BadDeclaration, match="'120 seconds' and '1 second'"):
        job(timed, query(name="p", checkpoint="/d", trigger=Env("TRIGGER", "1 second")))
