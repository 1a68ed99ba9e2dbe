"""What the mutation tool cosmic-ray makes of the plugin's modules, at each place one of it."""

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from tools.mutants.levels import ROOMS, Room
from tools.mutants.mutant import Mutant

Place = tuple[int, int]  # line from 1, column from 0


@dataclass(frozen=True)
class Candidate:
    """One thing that cosmic-ray can change: the `occurrence`-th of what `operator` changes."""

    path: str
    operator: str
    occurrence: int
    place: Place
    definition: str
    line: str
    number: int = 0

    @property
    def name(self) -> str:
        """A name without a line's number, so that it outlives a change elsewhere in the file."""
        module = self.path.removeprefix("src/pytest_sluice/")
        again = f" #{self.number + 1}" if self.number else ""
        operator = self.operator.removeprefix("core/")
        return f"{module} {self.definition}: {operator} in `{self.line}`{again}"

    def rank(self, seed: int) -> str:
        """Where it stands in the order that `seed` gives; it hangs on nothing but its name."""
        return hashlib.sha256(f"{seed} {self.name}".encode()).hexdigest()


def candidates(path: str, code: str) -> list[Candidate]:
    """List all that can be changed in a module, what stands in annotations apart.

    A changed annotation is an error at import, which every test sees: the easiest of mutants.
    """
    lines, annotated = code.splitlines(), _annotations(code)
    seen: Counter[str] = Counter()
    found = []
    for operator, occurrence, place, definition in _positions(code):
        if not any(start <= place < end for start, end in annotated):
            line = lines[place[0] - 1].strip()
            each = Candidate(path, operator, occurrence, place, definition, line)
            found.append(replace(each, number=seen[each.name]))
            seen[each.name] += 1
    return found


def one_a_place(found: list[Candidate], seed: int) -> list[Candidate]:
    """Keep of all candidates at one place the one that `seed` puts first, and order them by it.

    cosmic-ray knows eleven other operators for each ``+``: the places count, not those.
    """
    ordered = sorted(found, key=lambda each: each.rank(seed))
    first: dict[tuple[str, Place], Candidate] = {}
    for each in ordered:
        first.setdefault((each.path, each.place), each)
    return list(first.values())


def mutant(candidate: Candidate, code: str, room: Room) -> Mutant | None:
    """Make the mutant of `code`; None where it is no Python, or the same program."""
    after = mutate_code(code, get_operator(candidate.operator)(), candidate.occurrence)
    if after is None or _dump(after) in (None, _tree(code)):
        return None
    levels = ("unit", f"near {room.name}")
    return Mutant(candidate.name, "plugin", candidate.path, code, after, levels)


def in_order(root: Path, seed: int, rooms: tuple[Room, ...] = ROOMS) -> Iterator[Mutant]:
    """Yield the mutants of all rooms in the order that `seed` gives, each when it is asked for."""
    room_of = {path: room for room in reversed(rooms) for path in room.files(root)}
    code = {path: (root / path).read_text("utf-8") for path in room_of}
    found = [each for path in room_of for each in candidates(path, code[path])]
    for each in one_a_place(found, seed):
        if made := mutant(each, code[each.path], room_of[each.path]):
            yield made


def _positions(code: str) -> Iterator[tuple[str, int, Place, str]]:
    nodes = list(ast_nodes(get_ast(code)))
    for name in operator_names():
        kind = get_operator(name)
        if kind.arguments():  # those want a variable's name
            continue
        operator, occurrence = kind(), 0
        for node in nodes:
            for start, _end in operator.mutation_positions(node):
                yield name, occurrence, start, ASTQuery(node).get_definition_name() or "module"
                occurrence += 1


def _annotations(code: str) -> list[tuple[Place, Place]]:
    spans = []
    for node in ast.walk(ast.parse(code)):
        for name in ("annotation", "returns"):
            if (found := getattr(node, name, None)) is not None:
                spans.append(
                    (
                        (found.lineno, found.col_offset),
                        (found.end_lineno, found.end_col_offset),
                    )
                )
    return spans


@lru_cache(32)
def _tree(code: str) -> str | None:
    return _dump(code)


def _dump(code: str) -> str | None:
    try:
        compile(code, "mutant", "exec")
        return ast.dump(ast.parse(code))
    except (SyntaxError, ValueError):
        return None
