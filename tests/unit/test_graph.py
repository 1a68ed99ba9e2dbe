"""The graph: each node once, after its needs, in parallel, and errors reach whoever joins."""

import threading
from pathlib import Path
from queue import Queue
from typing import Any

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


def joined(graph: Graph, name: str) -> BaseException:
    """What a joiner is told within ten seconds; one that hangs is left behind."""
    told: Queue[BaseException] = Queue()

    def join() -> None:
        try:
            graph.join(name)
        except BaseException as error:
            told.put(error)

    threading.Thread(target=join, daemon=True).start()
    return told.get(timeout=10)


def test_nodes_run_in_daemon_threads_that_bear_their_names(graph: Graph) -> None:
    graph.add("a", (), threading.current_thread)
    thread = graph.join("a")
    assert thread.daemon  # an interrupted session does not wait for it
    assert thread.name == "sluice a"


class Interrupted(threading.Thread):
    """A thread that an interrupt keeps from starting."""

    def start(self) -> None:
        """Ctrl-C."""
        raise KeyboardInterrupt


class StartedAndInterrupted(threading.Thread):
    """A thread that has come to its end when the interrupt arrives."""

    def start(self) -> None:
        """Run, then Ctrl-C."""
        super().start()
        self.join()
        raise KeyboardInterrupt


def test_a_joiner_does_not_hang_where_a_start_was_interrupted(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph.add("a", (), lambda: None)
    graph.add("b", ["a"], lambda: None)
    with monkeypatch.context() as patched:
        patched.setattr("pytest_sluice.graph.threading.Thread", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            graph.start(["b"])
    for name in ("a", "b"):
        assert isinstance(joined(graph, name), KeyboardInterrupt)


def test_a_joiner_does_not_hang_where_the_note_of_a_start_was_interrupted(graph: Graph) -> None:
    class Noted(dict[str, Any]):
        """What an interrupt comes right after."""

        def __setitem__(self, name: str, future: Any) -> None:
            super().__setitem__(name, future)
            raise KeyboardInterrupt

        def setdefault(self, name: str, future: Any = None) -> Any:
            self[name] = future

    graph.add("a", (), lambda: None)
    graph._futures = Noted()
    with pytest.raises(KeyboardInterrupt):
        graph.start(["a"])
    assert isinstance(joined(graph, "a"), KeyboardInterrupt)


def test_an_interrupt_after_the_node_is_there_takes_nothing_back(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph.add("a", (), lambda: "there")
    with monkeypatch.context() as patched:
        patched.setattr("pytest_sluice.graph.threading.Thread", StartedAndInterrupted)
        with pytest.raises(KeyboardInterrupt):
            graph.start(["a"])
    assert graph.join("a") == "there"


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("fails", [False, True])
def test_a_node_that_comes_after_the_interrupt_does_no_harm(graph: Graph, fails: bool) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def action() -> None:
        begun.set()
        assert go_on.wait(10)
        if fails:
            raise SluiceError("too late")

    graph.add("a", (), action)
    graph.start(["a"])
    assert begun.wait(10)
    graph._futures["a"].set_exception(KeyboardInterrupt())
    (thread,) = [each for each in threading.enumerate() if each.name == "sluice a"]
    go_on.set()
    thread.join(10)
    assert not thread.is_alive()
    assert isinstance(joined(graph, "a"), KeyboardInterrupt)


def test_whatever_an_action_raises_reaches_its_joiner(graph: Graph) -> None:
    def leave() -> None:
        raise SystemExit(3)

    graph.add("a", (), leave)
    assert isinstance(joined(graph, "a"), SystemExit)


def test_a_node_is_started_once_somebody_asked_for_it(graph: Graph) -> None:
    graph.add("a", (), lambda: None)
    graph.add("b", ["a"], lambda: None)
    assert not graph.started("a")
    graph.start(iter(["b"]))
    assert graph.started("a")
    assert graph.started("b")
    assert "b" in graph


def test_what_is_declared_is_told_in_order_where_a_name_is_not(graph: Graph) -> None:
    for name in ("kafka", "hdfs"):
        graph.add(name, (), lambda: None)
    for ask in (graph.join, lambda name: graph.closure([name]), lambda name: graph.start([name])):
        with pytest.raises(SluiceError) as caught:
            ask("presto")
        assert caught.value.checked == ("declared are hdfs, kafka",)


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
