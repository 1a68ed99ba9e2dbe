"""What a session makes on a cluster that is not its own: the list, its removal, a run's part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from pytest_sluice.declaration import Api, Ddl, Fixed, Job, Names, Pipeline, Query, Table, Topic
from pytest_sluice.errors import BadDeclaration, ClusterLost, SluiceError
from pytest_sluice.flow.belongings import Belongings, Hands, Thing, remove
from pytest_sluice.flow.guest import Guest, Stay

TOPIC, FOLDER = Thing("topic", "clicks_w_r1"), Thing("folder", "/runs/w_r1")
PARENT = Thing("parent", "/runs")
SCHEMA, SECOND = Thing("schema", "run_w_r1"), Thing("schema", "run_w_r1_q")
NAMES = Names("clicks_w_r1", "/runs/w_r1", "run_w_r1")


def pipeline(
    path: str = "{root}/clicks", checkpoint: str = "{root}/c", schema: str = "{schema}_q"
) -> Pipeline:
    tables = (Table("clicks", path), Table("bad", "{root}/bad", schema))
    query = Query("q", checkpoint, Fixed("1 second"), tables)
    return Pipeline(Topic("clicks"), job=Job(Path("job.py"), (query,)))


@dataclass
class World:
    """A cluster as what was done to it, in order; whoever does what is in ``deaf`` fails."""

    done: list[str] = field(default_factory=list)
    deaf: Sequence[str] = ()
    folders: Sequence[str] = ()

    def act(self, verb: str) -> Callable[[str], None]:
        """A method that is taken down."""

        def do(name: str) -> None:
            if any(word in name for word in self.deaf):
                raise SluiceError(f"cannot {verb} {name}", checked=["long ago", "why"])
            self.done.append(f"{verb} {name}")

        return do

    def hands(self) -> Hands:
        """By which things are removed from this world."""
        return Hands(lambda: cast("Any", self), lambda: cast("Any", self), self.act("hive"))

    def exists(self, path: str) -> bool:
        """Whether a folder is there."""
        return path in self.folders

    def __getattr__(self, name: str) -> Callable[[str], None]:
        """Every other method of the clients."""
        return self.act(name)


@pytest.fixture
def belongings(tmp_path: Path) -> Belongings:
    return Belongings(tmp_path / "belongings.jsonl")


class TestList:
    """A file, so that another process can read it."""

    def test_what_was_made_and_is_not_gone_is_the_rest(self, belongings: Belongings) -> None:
        for thing in (TOPIC, FOLDER, TOPIC):
            belongings.note(thing)
        belongings.gone(FOLDER)
        assert Belongings(belongings.path).rest() == [TOPIC]

    def test_nothing_was_made_before_the_first_note(self, belongings: Belongings) -> None:
        assert belongings.rest() == []

    def test_a_line_that_a_kill_cut_off_counts_for_nothing(self, belongings: Belongings) -> None:
        belongings.note(TOPIC)
        with belongings.path.open("a") as file:
            file.write('{"made": {"kind": "fol')
        assert belongings.rest() == [TOPIC]

    @pytest.mark.parametrize("half", ['{"made": {"kind": "fol', "\\xff", '{"made"', "[1]\n7\n"])
    def test_a_line_that_was_cut_off_spoils_no_later_one(
        self, belongings: Belongings, half: str
    ) -> None:
        belongings.note(TOPIC)
        belongings.note(FOLDER)
        with belongings.path.open("a") as file:
            file.write(half)
        belongings.gone(TOPIC)
        belongings.note(SCHEMA)
        assert belongings.rest() == [FOLDER, SCHEMA]

    def test_what_is_noted_twice_is_written_once(self, belongings: Belongings) -> None:
        belongings.note(TOPIC)
        belongings.note(TOPIC)
        assert belongings.path.read_text().count("\n") == 1
        belongings.gone(TOPIC)
        assert belongings.path.read_text().count("\n") == 2

    def test_an_entry_is_on_the_disk_when_it_counts(
        self, belongings: Belongings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[str] = []
        monkeypatch.setattr("os.fsync", lambda _fd: seen.append(belongings.path.read_text()))
        belongings.note(TOPIC)
        assert seen == ['{"made": {"kind": "topic", "name": "clicks_w_r1"}}\n']


class TestRemoval:
    """Of what is in the list, by whoever has it."""

    def test_tables_go_before_their_folders_and_schemas_by_one_command(
        self, belongings: Belongings
    ) -> None:
        world = World()
        assert remove(belongings, [TOPIC, PARENT, FOLDER, SCHEMA, SECOND], world.hands()) == []
        assert world.done == [
            "hive drop database if exists `run_w_r1` cascade; "
            "drop database if exists `run_w_r1_q` cascade",
            "delete /runs/w_r1",
            "delete_empty /runs",
            "delete_topic clicks_w_r1",
        ]

    def test_one_that_fails_keeps_nothing_else_back_and_stays_in_the_list(
        self, belongings: Belongings
    ) -> None:
        things = [TOPIC, FOLDER, SCHEMA, SECOND]
        for thing in things:
            belongings.note(thing)
        world = World(deaf=["/runs", "run_w_r1_q"])
        told = remove(belongings, things, world.hands())
        assert told == [
            f"{SECOND}: cannot hive drop database if exists `run_w_r1_q` cascade (why)",
            f"{FOLDER}: cannot delete /runs/w_r1 (why)",
        ]
        assert world.done == [
            "hive drop database if exists `run_w_r1` cascade",
            "delete_topic clicks_w_r1",
        ]
        assert belongings.rest() == [FOLDER, SECOND]

    def test_an_odd_name_is_one_name(self, belongings: Belongings) -> None:
        world = World()
        assert remove(belongings, [Thing("schema", "a`b; drop c")], world.hands()) == []
        assert world.done == ["hive drop database if exists `a``b\\; drop c` cascade"]


class TestGuest:
    """The session."""

    def test_what_it_makes_is_in_the_list_before_it_is_made(self, belongings: Belongings) -> None:
        Guest("w", belongings).note([TOPIC])
        assert belongings.rest() == [TOPIC]

    def test_it_removes_what_any_of_its_processes_made(self, belongings: Belongings) -> None:
        belongings.note(TOPIC)
        world = World()
        assert Guest("w", belongings).leave(world.hands()) == []
        assert world.done == ["delete_topic clicks_w_r1"]
        assert belongings.rest() == []

    def test_after_it_has_left_nothing_is_made_any_more(self, belongings: Belongings) -> None:
        guest = Guest("w", belongings)
        guest.leave(World().hands())
        with pytest.raises(ClusterLost, match="topic clicks_w_r1 is not made any more"):
            guest.note([TOPIC])

    def test_what_it_has_removed_it_notes_again_before_it_is_made_again(
        self, belongings: Belongings
    ) -> None:
        guest = Guest("w", belongings)
        guest.note([TOPIC])
        assert guest.knows(TOPIC)
        assert guest.remove([TOPIC, FOLDER], World().hands()) == []
        assert not guest.knows(TOPIC)
        assert belongings.rest() == []
        guest.note([TOPIC])
        assert guest.knows(TOPIC)
        assert belongings.rest() == [TOPIC]

    def test_what_it_could_not_remove_is_tried_again_when_it_leaves(
        self, belongings: Belongings
    ) -> None:
        guest = Guest("w", belongings)
        guest.note([TOPIC])
        assert len(guest.remove([TOPIC], World(deaf=["clicks"]).hands())) == 1
        assert belongings.rest() == [TOPIC]
        world = World()
        assert guest.leave(world.hands()) == []
        assert world.done == ["delete_topic clicks_w_r1"]

    def test_what_it_did_not_note_it_does_not_remove(self, belongings: Belongings) -> None:
        belongings.note(FOLDER)  # by another process
        world = World()
        assert Guest("w", belongings).remove([FOLDER], world.hands()) == []
        assert world.done == []
        assert belongings.rest() == [FOLDER]

    def test_when_it_has_left_what_was_noted_before_may_be_noted_again(
        self, belongings: Belongings
    ) -> None:
        guest = Guest("w", belongings)
        guest.note([TOPIC])
        guest.leave(World().hands())
        guest.note([TOPIC])  # a run that is under way asks for what it has
        with pytest.raises(ClusterLost, match="the session ends"):
            guest.note([TOPIC, FOLDER])


class TestStay:
    """A run's part of it."""

    def test_it_removes_what_was_noted_and_nothing_else(self, belongings: Belongings) -> None:
        world, stay = World(), Stay(Guest("w", belongings), pipeline(), NAMES)
        stay.note_topic()
        stay.end(world.hands())
        assert world.done == ["delete_topic clicks_w_r1"]

    def test_every_schema_of_its_tables_is_its_own(self, belongings: Belongings) -> None:
        stay = Stay(Guest("w", belongings), pipeline(), NAMES)
        stay.note_schemas()
        assert set(belongings.rest()) == {SCHEMA, SECOND}

    @pytest.mark.parametrize("there", [True, False])
    def test_a_parent_is_its_own_where_it_was_not_there(
        self, belongings: Belongings, there: bool
    ) -> None:
        world = World(folders=["/runs"] if there else [])
        stay = Stay(Guest("w", belongings), pipeline(), NAMES)
        stay.note_folder(cast("Any", world))
        assert belongings.rest() == [*([] if there else [PARENT]), FOLDER]

    def test_what_could_not_be_removed_is_an_error(self, belongings: Belongings) -> None:
        stay = Stay(Guest("w", belongings), pipeline(), NAMES)
        stay.note_topic()
        with pytest.raises(SluiceError, match="could not remove all that it made") as caught:
            stay.end(World(deaf=["clicks"]).hands())
        assert str(TOPIC) in str(caught.value)

    @pytest.mark.parametrize(
        "shared",
        [
            {"path": "/clicks"},
            {"path": "{root}/../x"},
            {"path": "{root}/../w_r1/x"},  # it comes back, and the next run's does not
            {"path": "{root}/x/.."},
            {"path": "{root}//x"},
            {"path": "{root}/"},
            {"checkpoint": "/c"},
            {"checkpoint": "{root}/../c"},
            {"schema": "default"},
            {"schema": "{schema}; drop database default"},
            {"schema": "{schema}`"},
        ],
        ids=str,
    )
    def test_a_declaration_that_would_write_where_others_do_is_refused(
        self, belongings: Belongings, shared: dict[str, str]
    ) -> None:
        with pytest.raises(BadDeclaration, match="where others may") as caught:
            Stay(Guest("w", belongings), pipeline(**shared), NAMES)
        assert repr(next(iter(shared.values()))) in str(caught.value)

    @pytest.mark.parametrize(
        "unfilled",
        [
            {"path": "{hdfs_url}{root}/x"},
            {"checkpoint": "{root}/{bootstrap_servers}"},
            {"schema": "{schema}_{hdfs_url}"},
        ],
        ids=str,
    )
    def test_a_placeholder_that_is_no_name_of_the_runs_is_refused_where_it_stands(
        self, belongings: Belongings, unfilled: dict[str, str]
    ) -> None:
        with pytest.raises(BadDeclaration) as caught:
            Stay(Guest("w", belongings), pipeline(**unfilled), NAMES)
        assert repr(next(iter(unfilled.values()))) in str(caught.value)

    @pytest.mark.parametrize(
        "welcome",
        [
            {"path": "{root}/{topic}/..x"},
            {"path": "{root}/a b'c"},
            {"checkpoint": "{root}/{schema}/c"},
            {"schema": "{schema}_2"},
        ],
        ids=str,
    )
    def test_whatever_lies_below_the_runs_own_names_is_welcome(
        self, belongings: Belongings, welcome: dict[str, str]
    ) -> None:
        Stay(Guest("w", belongings), pipeline(**welcome), NAMES)

    @pytest.mark.parametrize("text", ["{root}/../x", "{hdfs_url}{root}/x/../../y"])
    def test_nobody_is_told_of_a_folder_beside_the_runs(
        self, belongings: Belongings, text: str
    ) -> None:
        declared = pipeline()
        assert declared.job
        for elsewhere in (
            replace(declared, ddl=Ddl(Path("tables.hql"), {"place": text})),
            replace(declared, job=replace(declared.job, environment={"PLACE": text})),
            replace(declared, api=Api(("serve",), Path(), {"PLACE": text})),
        ):
            with pytest.raises(BadDeclaration, match="where others may") as caught:
                Stay(Guest("w", belongings), elsewhere, NAMES)
            assert repr(text) in str(caught.value)

    def test_a_pipeline_without_a_job_is_welcome(self, belongings: Belongings) -> None:
        Stay(Guest("w", belongings), replace(pipeline(), job=None), NAMES)
