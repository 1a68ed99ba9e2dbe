"""One graph of everything that has to be there: started in parallel, joined by whoever needs it."""

import contextlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any

from pytest_sluice.errors import SluiceError
from pytest_sluice.events import Journal


@dataclass(frozen=True)
class Node:
    """Something to bring about by ``action`` once all that it ``needs`` is there."""

    name: str
    needs: tuple[str, ...]
    action: Callable[[], Any]


class Graph:
    """Nodes by name. Each is brought about once, in a thread of its own, after its needs."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._nodes: dict[str, Node] = {}
        self._futures: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, needs: Iterable[str], action: Callable[[], Any]) -> None:
        """Declare a node; its needs must be declared already, so there are no cycles."""
        needs = tuple(needs)
        if unknown := [need for need in needs if need not in self._nodes]:
            raise SluiceError(f"node {name!r} needs {unknown}, which are not declared")
        self._nodes[name] = Node(name, needs, action)

    def __contains__(self, name: str) -> bool:
        """Whether a node of this name is declared."""
        return name in self._nodes

    def start(self, names: Iterable[str]) -> None:
        """Bring about the nodes and all that they need, in the background."""
        for name in names:
            self._future(name)

    def join(self, name: str) -> Any:
        """Wait for a node; its value, or the error of the node that failed first below it."""
        return self._future(name).result()

    def started(self, name: str) -> bool:
        """Whether somebody asked for the node."""
        return name in self._futures

    def closure(self, names: Iterable[str]) -> set[str]:
        """The nodes of these names, and all that they need."""
        found: set[str] = set()
        rest = list(names)
        while rest:
            node = self._node(rest.pop())
            found.add(node.name)
            rest += node.needs
        return found

    def _future(self, name: str) -> "Future[Any]":
        node = self._node(name)
        future: Future[Any] = Future()
        try:
            with self._lock:
                known = self._futures.setdefault(name, future)
            if known is not future:
                return known
            needs = [self._future(need) for need in node.needs]
            # A daemon: an interrupted session does not wait for what nobody asks for any more.
            threading.Thread(
                target=self._run, args=(node, needs, future), name=f"sluice {name}", daemon=True
            ).start()
        except BaseException as error:  # an interrupt, say: whoever joins later must not hang
            with _unless_settled():
                future.set_exception(error)
            raise
        return future

    def _node(self, name: str) -> Node:
        try:
            return self._nodes[name]
        except KeyError:
            raise SluiceError(
                f"no node {name!r}", checked=[f"declared are {', '.join(sorted(self._nodes))}"]
            ) from None

    def _run(self, node: Node, needs: "list[Future[Any]]", future: "Future[Any]") -> None:
        try:
            for need in needs:
                need.result()
            value = self._bring_about(node)
        except BaseException as error:
            with _unless_settled():
                future.set_exception(error)
        else:
            with _unless_settled():
                future.set_result(value)

    def _bring_about(self, node: Node) -> Any:
        with self._journal.node(node.name):
            return node.action()


def _unless_settled() -> contextlib.suppress:
    """An interrupt may have settled a future whose thread had started all the same."""
    return contextlib.suppress(InvalidStateError)
