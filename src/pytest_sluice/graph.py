"""One graph of everything that has to be there: started in parallel, joined by whoever needs it."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
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
    group: str = ""


class Graph:
    """Nodes by name. Each is brought about once, in a thread of its own, after its needs.

    The error of a node begins with what broke before it.
    """

    def __init__(
        self,
        journal: Journal,
        deaths: Callable[[str], Mapping[str, str]] = lambda _group: {},
    ) -> None:
        """``deaths`` tells how each dead role of a group died."""
        self._journal = journal
        self._deaths = deaths
        # What broke, in its order: the group, the role where it is one, and what happened to it.
        self._broken: list[tuple[str, str, str]] = []
        self._told: list[BaseException] = []
        self._nodes: dict[str, Node] = {}
        self._futures: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()

    def add(
        self, name: str, needs: Iterable[str], action: Callable[[], Any], group: str = ""
    ) -> None:
        """Declare a node; its needs must be declared already, so there are no cycles.

        Its error begins with what broke before it in its ``group``, and in the group of services,
        which is "".
        """
        needs = tuple(needs)
        if unknown := [need for need in needs if need not in self._nodes]:
            raise SluiceError(f"node {name!r} needs {unknown}, which are not declared")
        self._nodes[name] = Node(name, needs, action, group)

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
            try:
                return node.action()
            except SluiceError as error:
                self._tell_what_broke_first(node, error)
                raise

    def _tell_what_broke_first(self, node: Node, error: SluiceError) -> None:
        """Begin the error with all that broke before; whoever joins the node is told."""
        groups = dict.fromkeys(("", node.group))
        deaths = {(g, role): told for g in groups for role, told in self._deaths(g).items()}
        with self._lock:
            if error in self._told or error.__cause__ in self._told:
                return  # the error of a node that this one joined
            self._told.append(error)
            earlier = self._broken_before(deaths, error.cause, tuple(groups))
            named = error.cause.startswith(node.name)
            own = error.cause if named else f"{node.name}: {error.cause}"
            self._broken.append((node.group, "", own))
        error.told_after(earlier)

    def _broken_before(
        self, deaths: Mapping[tuple[str, str], str], cause: str, groups: tuple[str, ...]
    ) -> list[str]:
        """What broke before, in its order; a role that was started again is well."""
        dead = [(group, role, told) for (group, role), told in deaths.items() if told != cause]
        self._broken = [part for part in self._broken if not part[1] or part in dead]
        known = {told for _, _, told in self._broken}
        self._broken += [part for part in dead if part[2] not in known]
        return [told for group, _, told in self._broken if group in groups]


def _unless_settled() -> contextlib.suppress:
    """An interrupt may have settled a future whose thread had started all the same."""
    return contextlib.suppress(InvalidStateError)
