"""The mutants themselves: each applies, is drawn by its seed, and has tests that can judge it."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from pytest_sluice.declaration import STAGES
from pytest_sluice.errors import SluiceError
from tools.mutants.__main__ import main
from tools.mutants.generated import candidates, in_order, mutant, one_a_place
from tools.mutants.levels import PLUGIN, ROOMS, Room, all_levels
from tools.mutants.mutant import Mutant
from tools.mutants.sample import SIZE, draw, reasons
from tools.mutants.tree import ROOT
from tools.mutants.wrong import wrong_versions

VERSIONS = wrong_versions(ROOT)
ROOM = Room("some", ("some",))
CODE = '''"""A module."""


def total(numbers: list[int] | None, more: int = 1) -> int:
    """Add."""
    if not numbers:
        return more
    return numbers[0] + more
'''

ONE = """
[[mutant]]
name = "n"
file = "some.txt"
old = "{old}"
new = "x"
stage = "api"
levels = ["game_api"]
"""


def test_there_are_forty_wrong_versions_or_more_with_names_of_their_own() -> None:
    names = [each.name for each in VERSIONS]
    assert len(names) >= 40
    assert [name for name, times in Counter(names).items() if times > 1] == []


@pytest.mark.parametrize("version", VERSIONS, ids=lambda each: each.name)
def test_a_wrong_version_differs_and_can_be_judged(version: Mutant) -> None:
    assert version.before != version.after
    assert version.stage in STAGES
    assert set(version.levels) <= all_levels(ROOT).keys()
    if version.path.endswith(".py"):
        assert ast.dump(ast.parse(version.before)) != ast.dump(ast.parse(version.after))


def test_every_part_of_the_pipeline_has_wrong_versions() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "pipeline").glob("[!_]*.*")}
    assert {each.path for each in VERSIONS} == files | {"conftest.py"}


@pytest.mark.parametrize("old", ["b", "c"])
def test_an_old_text_that_occurs_twice_or_not_at_all_is_an_error(tmp_path: Path, old: str) -> None:
    (tmp_path / "some.txt").write_text("a b b")
    with pytest.raises(SluiceError, match=r"does not apply.*some\.txt"):
        wrong_versions(tmp_path, ONE.format(old=old))


def test_a_wrong_version_is_the_file_with_that_text_replaced(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("a b b")
    (version,) = wrong_versions(tmp_path, ONE.format(old="a"))
    assert version.after == "x b b"
    assert "-a b b\n+x b b" in version.diff


def test_each_room_of_the_plugin_is_found_with_its_nearest_tests() -> None:
    found = [file for room in ROOMS for file in room.files(ROOT)]
    assert all(file.startswith(PLUGIN) for file in found)
    assert {f"near {room.name}" for room in ROOMS} <= all_levels(ROOT).keys()


def test_a_room_whose_modules_have_moved_is_found_and_one_without_any_is_an_error(
    tmp_path: Path,
) -> None:
    room = Room("some", ("some",))
    with pytest.raises(SluiceError, match="no module of the room 'some'"):
        room.files(tmp_path)
    for moved in ("flow/some.py", "run/some/part.py"):
        path = tmp_path / PLUGIN / moved
        path.parent.mkdir(parents=True)
        path.touch()
    assert room.files(tmp_path) == [f"{PLUGIN}/flow/some.py", f"{PLUGIN}/run/some/part.py"]


def test_nearest_tests_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SluiceError, match=r"tests/gone\.py"):
        Room("some", ("some",), ("tests/gone.py",)).level(tmp_path)


def test_annotations_are_left_alone() -> None:
    found = candidates("some.py", CODE)
    assert {each.place[0] for each in found} == {4, 6, 8}
    assert [each.operator for each in found if each.place[0] == 4] == ["core/NumberReplacer"] * 2


def test_at_each_place_one_candidate_is_kept_whichever_the_seed_says() -> None:
    found = candidates("some.py", CODE)
    orders = {seed: one_a_place(found, seed) for seed in range(10)}
    places = {each.place for each in found}
    assert all({each.place for each in order} == places for order in orders.values())
    assert all(len(order) == len(places) for order in orders.values())
    assert len({order[0].name for order in orders.values()}) > 1


def test_a_candidate_becomes_a_file_with_one_line_changed() -> None:
    (each,) = [one for one in candidates("some.py", CODE) if one.operator.endswith("Add_Sub")]
    made = mutant(each, CODE, ROOM)
    assert made
    assert "-    return numbers[0] + more\n+    return numbers[0] - more" in made.diff
    assert made.levels == ("unit", "near some")
    assert made.name == "some.py total: ReplaceBinaryOperator_Add_Sub in `return numbers[0] + more`"


def test_what_is_no_python_is_no_mutant() -> None:
    code = "def f(a, *, b):\n    return a\n"
    found = [each for each in candidates("some.py", code) if each.operator.endswith("Mul_Add")]
    assert found  # the star is taken for a product
    assert [mutant(each, code, ROOM) for each in found] == [None] * len(found)


def plugin(root: Path, **modules: str) -> tuple[Room, ...]:
    """Write a plugin of these modules under `root`; a room for each."""
    (root / PLUGIN).mkdir(parents=True, exist_ok=True)
    for name, code in modules.items():
        (root / PLUGIN / f"{name}.py").write_text(code)
    return tuple(Room(name, (name,)) for name in modules)


def test_a_seed_gives_the_same_order_each_time_and_another_seed_another(tmp_path: Path) -> None:
    rooms = plugin(tmp_path, some=CODE)
    first, again, other = (list(in_order(tmp_path, seed, rooms)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_change_in_one_module_leaves_what_was_drawn_of_the_others(tmp_path: Path) -> None:
    rooms = plugin(tmp_path, some=CODE, other=CODE)
    before = [each.name for each in in_order(tmp_path, 1, rooms)]
    plugin(tmp_path, other=f"LIMIT = 3\n{CODE}")
    after = [each.name for each in in_order(tmp_path, 1, rooms)]
    assert len(after) > len(before)
    assert [name for name in after if "LIMIT" not in name] == before


def test_the_sample_is_drawn_from_the_rooms_of_the_plugin() -> None:
    drawn = draw(ROOT, size=12)
    assert len(drawn.mutants) + len(drawn.equivalent) == 12
    assert len({each.path for each in drawn.mutants}) > 2
    assert SIZE >= 80


def test_the_share_in_ci_is_what_unit_tests_judge_and_what_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--list", "--share=ci"]) == 0
    listed = capsys.readouterr().out.splitlines()
    levels = all_levels(ROOT)
    for version in VERSIONS:
        cheap = levels[version.levels[0]].light
        assert (version.name in listed) is (cheap or version.in_ci), version.name
    assert sum(version.in_ci for version in VERSIONS) >= 1


def test_a_pattern_chooses_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--share=ci", "--only=acks: 1"]) == 0
    _sample, *lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith("equivalent, ")] == ["acks: 1"]


@pytest.mark.parametrize("kind", ["equivalent", "survivors"])
def test_whoever_excuses_a_mutant_gives_a_reason(kind: str) -> None:
    assert all(len(reason.split()) > 2 for reason in reasons(kind).values())
