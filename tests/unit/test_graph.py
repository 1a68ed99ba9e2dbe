"""The graph: each node once, after its needs, in parallel, and errors reach whoever joins."""

import threading
from pathlib import Path

import pytest

from pytest_sluice.errors import SluiceError
from pytest_sluice.events import Journal, read_events
from pytest_sluice.graph import Graph


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return Graph(Journal(tmp_path / "events.jsonl"))


def test_a_node_runs_after_what_it_needs(graph: Graph) -> None:
    done: list[str] = []
    graph.add("a", (), lambda: done.append("a"))
    graph.add("b", ["a"], lambda: done.append("b"))
    graph.add("c", ["b", "a"], lambda: done.append("c"))
    graph.join("c")
    assert done == ["a", "b", "c"]


def test_only_what_is_asked_for_runs(graph: Graph) -> None:
    done: list[str] = []
    graph.add("a", (), lambda: done.append("a"))
    graph.add("b", (), lambda: done.append("b"))
    graph.join("a")
    assert done == ["a"]
    assert not graph.started("b")


def test_a_node_runs_once_however_many_join_it(graph: Graph) -> None:
    calls = iter(["first", "second"])
    graph.add("a", (), lambda: next(calls))
    graph.start(["a", "a"])
    assert [graph.join("a"), graph.join("a")] == ["first", "first"]


def test_independent_nodes_run_at_the_same_time(graph: Graph) -> None:
    both_are_there = threading.Barrier(2, timeout=10)
    graph.add("a", (), both_are_there.wait)
    graph.add("b", (), both_are_there.wait)
    graph.add("c", ["a", "b"], lambda: "met")
    assert graph.join("c") == "met"


def test_a_failure_reaches_everything_above_and_is_told_once(graph: Graph, tmp_path: Path) -> None:
    def fail() -> None:
        raise SluiceError("no broker")

    done: list[str] = []
    graph.add("a", (), fail)
    graph.add("b", ["a"], lambda: done.append("b"))
    with pytest.raises(SluiceError, match="no broker"):
        graph.join("b")
    assert not done
    failed = [e["name"] for e in read_events(tmp_path / "events.jsonl") if e["state"] == "failed"]
    assert failed == ["a"]


def test_an_unknown_node_is_named_however_often_it_is_asked_for(graph: Graph) -> None:
    graph.add("kafka", (), lambda: None)
    for _ in range(2):
        with pytest.raises(SluiceError, match="no node 'kafak'"):
            graph.join("kafak")


def test_a_need_must_be_declared_first(graph: Graph) -> None:
    with pytest.raises(SluiceError, match="needs \\['b'\\]"):
        graph.add("a", ["b"], lambda: None)
    assert "a" not in graph


def test_the_closure_of_nodes_is_all_that_they_need(graph: Graph) -> None:
    for name, needs in {"a": (), "b": ["a"], "c": ["b"], "d": ["a"]}.items():
        graph.add(name, needs, lambda: None)
    assert graph.closure(["c"]) == {"a", "b", "c"}
    assert graph.closure(["b", "d"]) == {"a", "b", "d"}
    assert not graph.closure([])


class TestWhatBrokeFirst:
    """The error of a node begins with what broke before it."""

    def fail(self, graph: Graph, name: str, group: str, words: str) -> str:
        def act() -> None:
            raise SluiceError(words)

        graph.add(name, (), act, group)
        with pytest.raises(SluiceError) as caught:
            graph.join(name)
        return caught.value.cause

    def test_the_first_comes_first_and_all_are_told(self, graph: Graph) -> None:
        assert self.fail(graph, "api", "run 1", "api died") == "api died"
        assert self.fail(graph, "stream", "run 1", "too late") == "first: api died; then: too late"
        told = "first: api died; then: stream: too late; then: a bad file"
        assert self.fail(graph, "presto", "run 1", "a bad file") == told

    def test_another_run_is_no_cause_and_a_service_is(self, graph: Graph) -> None:
        self.fail(graph, "api", "run 1", "api died")
        self.fail(graph, "kafka", "", "no broker")
        told = "first: kafka: no broker; then: too late"
        assert self.fail(graph, "stream-r2", "run 2", "too late") == told

    def test_a_role_that_died_after_it_was_ready_is_named_until_it_runs_again(
        self, tmp_path: Path
    ) -> None:
        dead = {"run 1": {"api": "api died with exit code 3"}, "": {"presto": "presto died"}}
        graph = Graph(Journal(tmp_path / "e.jsonl"), lambda group: dict(dead.get(group, {})))
        told = "first: api died with exit code 3; then: presto died"
        assert self.fail(graph, "presto", "run 1", "presto died") == told
        del dead["run 1"]
        told = "first: presto died; then: too late"
        assert self.fail(graph, "stream", "run 1", "too late") == told

    def test_an_error_that_comes_from_below_is_told_once(self, graph: Graph) -> None:
        self.fail(graph, "api", "run 1", "api died")
        graph.add("landing", (), lambda: graph.join("api"), "run 1")
        with pytest.raises(SluiceError) as caught:
            graph.join("landing")
        assert caught.value.cause == "api died"
