"""Nested values: changed at any depth, written as they are in memory, and only then (T1-T4)."""

from __future__ import annotations

import copy
import dataclasses
import gc
import heapq
import json
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.sent import Sent, rows
from tests.uow.tracking.mutations import DEQUES, JSON, SETS
from uow import (
    Array,
    Column,
    Database,
    InvalidUnitError,
    Mapped,
    ObjectStateError,
    Registry,
    Session,
    State,
    Table,
    UnknownFieldError,
    ValidationError,
    changes,
    state,
)
from uow.statement import Sendable
from uow.types import Json


@attrs.define
class Part:
    """An attrs class."""

    name: str
    sizes: list[int] = attrs.field(factory=list)
    data: bytearray = attrs.field(factory=bytearray)


@dataclasses.dataclass
class Box:
    """A dataclass that holds objects of another kind."""

    parts: list[Part] = dataclasses.field(default_factory=list)
    notes: dict[str, list[int]] = dataclasses.field(default_factory=dict)


class Plan(pydantic.BaseModel):
    """A pydantic model."""

    title: str
    steps: list[str] = []
    limits: dict[str, int] = {}


@attrs.frozen
class Place:
    """A value of several columns."""

    street: str
    number: int | None = None


class Nest(Table):
    """A field of every kind of nested value."""

    class Settings:
        name = "nests"
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    label: Mapped[str] = Column(default="")
    version: Mapped[int] = Column(version=True)
    document: Mapped[Any] = Column(default=None)
    numbers: Mapped[list[int] | None] = Column(type=Array(int), default=None)
    names: Mapped[set[str] | None] = Column(default=None)
    queue: Mapped[deque[Any] | None] = Column(default=None)
    pair: Mapped[tuple[int, list[int]] | None] = Column(default=None)
    box: Mapped[Box | None] = Column(default=None)
    part: Mapped[Part | None] = Column(default=None)
    plan: Mapped[Plan | None] = Column(default=None)
    place: Mapped[Place | None] = Column(prefix="place_", default=None)
    deep: Mapped[list[Any] | None] = Column(type=Json(max_depth=200), default=None)


@pytest.fixture
async def nests(database: Database) -> Database:
    """The database, with the table of nested values."""
    await database.create_all([Nest])
    return database


async def loaded(session: Session) -> list[Any]:
    """The objects, in the order of keys."""
    return list(await session.find(Nest).order_by(Nest.id).to_list())


async def stored(database: Database, field: str) -> list[Any]:
    """What the table holds in a field, in the order of keys."""
    async with Session(database) as session:
        found = await loaded(session)
        return [copy.deepcopy(getattr(one, field)) for one in found]


def nested(value: Any, depth: int) -> Any:
    """A value as far down."""
    for level in range(depth):
        value = {"k": value, "other": [1]} if level % 2 else [0, value]
    return value


def below(value: Any, depth: int) -> Any:
    """The value that `nested` was given."""
    for level in reversed(range(depth)):
        value = value["k" if level % 2 else 1]
    return value


@pytest.mark.parametrize("depth", range(1, 6))
@pytest.mark.needs("table_classes")
async def test_every_change_is_written(nests: Database, sent: Sent, depth: int) -> None:
    """T1: every way of changing lists and dicts, of loaded and of new objects, is written."""
    wanted: list[Any] = []
    async with Session.begin(nests) as session:
        session.add_all([Nest(document=nested(make(), depth - 1)) for make, _ in JSON.values()])
    async with Session.begin(nests) as session:
        found = await loaded(session)
        fresh = [Nest(document=nested(make(), depth - 1)) for make, _ in JSON.values()]
        session.add_all(fresh)
        await session.flush()
        sent.clear()
        for objects in (found, fresh):
            for obj, (make, change) in zip(objects, JSON.values(), strict=True):
                model = nested(make(), depth - 1)
                change(below(model, depth - 1))
                change(below(obj.document, depth - 1))
                wanted.append(model)
                assert session.is_modified(obj)
        await session.flush()
        assert sent.writes
        sent.clear()
        await session.flush()
        assert not sent.writes

    assert await stored(nests, "document") == wanted


@pytest.mark.needs("table_classes")
async def test_changes_of_sets_and_deques(nests: Database) -> None:
    """T1: every way of changing sets and deques is written too."""
    work = [("names", case) for case in SETS.values()]
    work += [("queue", case) for case in DEQUES.values()]
    work = [
        (field, case) for field, case in work if field == "queue" or case != SETS["add a tuple"]
    ]
    wanted: list[Any] = []
    async with Session.begin(nests) as session:
        for field, (make, _) in work:
            value = make()
            given: dict[str, Any] = {field: value}
            if field == "names":
                given["names"] = {str(item) for item in value}
            session.add(Nest(**given))
    async with Session.begin(nests) as session:
        found = await loaded(session)
        for obj, (field, (_, change)) in zip(found, work, strict=True):
            value = getattr(obj, field)
            if field == "names":
                value.add("z")
                value.discard("1")
            else:
                change(value)
            wanted.append(copy.deepcopy(value))

    async with Session(nests) as session:
        again = await loaded(session)
        assert [getattr(one, field) for one, (field, _) in zip(again, work, strict=True)] == wanted


@pytest.mark.needs("table_classes")
async def test_objects(nests: Database, sent: Sent) -> None:
    """M6, T1: attrs classes, dataclasses and pydantic models, and any mix of them."""
    nest: Any = Nest(
        box=Box([Part("a", [1])], {"n": [1]}),
        part=Part("p"),
        plan=Plan(title="t", steps=["one"]),
        pair=(1, [2]),
        numbers=[1, 2],
    )
    async with Session.begin(nests) as session:
        session.add(nest)
    changed: list[Callable[[Any], object]] = [
        lambda n: setattr(n.part, "name", "q"),
        lambda n: n.box.parts[0].sizes.append(2),
        lambda n: n.box.parts.append(Part("new")),
        lambda n: n.box.parts[-1].sizes.append(7),
        lambda n: n.box.notes["n"].append(2),
        lambda n: n.box.notes.setdefault("m", []).append(3),
        lambda n: setattr(n.box, "parts", [Part("only")]),
        lambda n: n.plan.steps.insert(0, "zero"),
        lambda n: setattr(n.plan, "title", "u"),
        lambda n: n.plan.limits.update(a=1),
        lambda n: n.pair[1].append(3),
        lambda n: n.numbers.sort(reverse=True),
        lambda n: n.part.data.extend(b"xyz"),
    ]
    for number, change in enumerate(changed):
        async with Session(nests) as session:
            found: Any = await session.get_one(Nest, nest.id)
            change(found)
            assert len(changes(found)) == 1, number
            sent.clear()
            await session.commit()
            assert sent.writes == ["UPDATE"], number
            sent.clear()
            await session.commit()
            assert not sent.writes, number
            change(found)
            await session.rollback()
            assert not session.dirty, number
    async with Session(nests) as session:
        found = await session.get_one(Nest, nest.id)
        assert found.box == Box([Part("only")], {"n": [1, 2], "m": [3]})
        assert found.part == Part("q", [], bytearray(b"xyz"))
        assert found.plan == Plan(title="u", steps=["zero", "one"], limits={"a": 1})
        assert found.pair == (1, [2, 3])
        assert found.numbers == [2, 1]


@pytest.mark.needs("table_classes")
async def test_what_a_user_holds_is_tracked(nests: Database) -> None:
    """An object that was given to a new one is the same object later, and tells of its changes."""
    part, tags = Part("a", [1]), [1]
    nest: Any = Nest(part=part, document=tags)
    async with Session(nests) as session:
        session.add(nest)
        await session.commit()
        part.sizes.append(2)
        part.name = "b"
        tags.append(2)
        assert nest.part is part
        assert nest.document is not tags
        nest.document = tags
        tags.append(3)
        assert nest.document == [1, 2]
        await session.commit()

    assert await stored(nests, "part") == [Part("b", [1, 2])]
    assert await stored(nests, "document") == [[1, 2]]


@pytest.mark.needs("table_classes")
async def test_reading_is_no_change(nests: Database, sent: Sent) -> None:
    """T2: what is read, compared, copied and iterated is clean, and costs the flush nothing."""
    async with Session.begin(nests) as session:
        session.add(Nest(document={"a": [[1], {"b": 2}]}, box=Box([Part("a")])))
    async with Session(nests) as session:
        (found,) = await loaded(session)
        copy.deepcopy(found.document)
        assert [*found.document.items()] == [("a", [[1], {"b": 2}])]
        assert found.box == Box([Part("a")])
        sent.clear()
        await session.commit()

        assert not session.dirty
        assert sent.writes == []


@pytest.mark.needs("table_classes")
async def test_set_then_revert(nests: Database, sent: Sent) -> None:
    """Trap 22: what is as it was is not written, and tracked on."""
    async with Session.begin(nests) as session:
        session.add(Nest(document={"a": [1]}))
    async with Session(nests) as session:
        (found,) = await loaded(session)
        for _ in range(2):
            found.document["a"].append(2)
            found.document["a"].pop()
            sent.clear()
            await session.commit()
            assert sent.writes == []
        found.document["a"].append(2)
        await session.commit()
        assert sent.writes == ["UPDATE"]
        found.document["a"].pop()
        await session.commit()

    assert await stored(nests, "document") == [{"a": [1]}]


@pytest.mark.needs("table_classes")
async def test_put_in_after_loading(nests: Database) -> None:
    """Trap 30: what was put into a loaded value is tracked after it was written."""
    async with Session.begin(nests) as session:
        session.add(Nest(document={}))
    async with Session(nests) as session:
        (found,) = await loaded(session)
        found.document["new"] = [1]
        await session.commit()
        found.document["new"].append(2)
        await session.commit()

    assert await stored(nests, "document") == [{"new": [1, 2]}]


@pytest.mark.needs("table_classes")
async def test_shared_values(nests: Database) -> None:
    """A value in two objects is written for both; taken out of one, for the other alone."""
    async with Session.begin(nests) as session:
        session.add_all([Nest(document={"a": [1]}), Nest(document={"b": []})])
    async with Session(nests) as session:
        one, two = await loaded(session)
        shared = one.document["a"]
        two.document["b"] = shared
        await session.commit()
        shared.append(2)
        assert session.dirty == {one, two}
        await session.commit()
        two.document.clear()
        await session.commit()
        shared.append(3)
        assert session.dirty == {one}
        await session.commit()

    assert await stored(nests, "document") == [{"a": [1, 2, 3]}, {}]


@pytest.mark.needs("table_classes")
async def test_changes_and_rollback(nests: Database) -> None:
    """The old value is the stored one; a rollback brings that back, and lets go of the other."""
    async with Session.begin(nests) as session:
        session.add(Nest(document={"a": [1]}, part=Part("a")))
    async with Session(nests) as session:
        (found,) = await loaded(session)
        document, part = found.document, found.part
        document["a"].append(2)
        part.name = "b"
        assert changes(found) == {
            "document": ({"a": [1]}, {"a": [1, 2]}),
            "part": (Part("a"), Part("b")),
        }
        await session.flush()
        assert changes(found) == {}
        document["a"].append(3)
        await session.rollback()

        assert (found.document, found.part) == ({"a": [1]}, Part("a"))
        assert found.document is not document
        document["a"].append(4)
        part.name = "c"
        assert not session.dirty
        found.document["a"].append(5)
        await session.commit()

    assert await stored(nests, "document") == [{"a": [1, 5]}]


@pytest.mark.needs("table_classes")
async def test_savepoints(nests: Database) -> None:
    """A savepoint gives back what was changed before it, flushed or not, and it is tracked on."""
    async with Session.begin(nests) as session:
        session.add(Nest(document={"a": [1]}, part=Part("a")))
    async with Session(nests) as session:
        (found,) = await loaded(session)
        found.document["a"].append(2)
        found.part.sizes.append(1)
        async with session.begin_nested() as savepoint:
            found.document["a"].append(3)
            found.part.sizes.append(2)
            await session.flush()
            found.document["b"] = 1
            await savepoint.rollback()
            assert (found.document, found.part) == ({"a": [1, 2]}, Part("a", [1]))
            assert changes(found)["document"] == ({"a": [1]}, {"a": [1, 2]})
        found.document["a"].append(4)
        found.part.sizes.append(5)
        await session.commit()

    assert await stored(nests, "document") == [{"a": [1, 2, 4]}]
    assert await stored(nests, "part") == [Part("a", [1, 5])]


@pytest.mark.needs("table_classes")
async def test_a_failed_flush_keeps_what_was_set(nests: Database) -> None:
    """A flush that fails leaves the values as the user made them, and the next one writes them."""
    async with Session.begin(nests) as session:
        session.add_all([Nest(document=[1]), Nest(document=[1])])
    async with Session(nests) as session:
        good, bad = await loaded(session)
        good.document.append(2)
        bad.document.append(2)
        bad.document.append({1: "no text"})
        with pytest.raises(InvalidUnitError, match=r"Nest\.document\[2\]: JSON keys are str"):
            await session.flush()
        assert good.document == [1, 2]
        bad.document.pop()
        await session.commit()

    assert await stored(nests, "document") == [[1, 2], [1, 2]]


@pytest.mark.needs("table_classes")
async def test_a_stale_write_keeps_what_was_set(nests: Database) -> None:
    """After a flush that the store refused, the changes are still there to be written."""
    async with Session.begin(nests) as session:
        session.add(Nest(document=[1]))
    async with Session(nests) as session:
        (found,) = await loaded(session)
        found.document.append(2)
        await session.flush()
        await session.rollback()
        found.document.append(3)
        document = found.document
        await session.flush()
        document.append(4)
        await session.commit()

    assert await stored(nests, "document") == [[1, 3, 4]]


@pytest.mark.needs("table_classes")
async def test_new_objects_are_checked_again(nests: Database) -> None:
    """M4: what was changed inside of a new object is checked before it is sent; paths are told."""
    nest: Any = Nest(box=Box([Part("a")]), names={"a"})
    nest.box.parts[0].sizes.append("no number")
    nest.names.add(5)
    async with Session(nests) as session:
        session.add(nest)
        with pytest.raises(InvalidUnitError) as caught:
            await session.flush()
        assert nest.box.parts[0].sizes.pop() == "no number"
        nest.names.remove(5)
        await session.commit()

    assert "Nest.box.parts[0].sizes[0]: expected int, got str" in str(caught.value)
    assert "Nest.names[" in str(caught.value)
    assert await stored(nests, "box") == [Box([Part("a")])]


@pytest.mark.needs("table_classes")
async def test_cycles_and_depth(nests: Database) -> None:
    """T3: what holds itself is fine in memory, and refused by name where it cannot be stored."""
    async with Session(nests) as session:
        nest: Any = Nest(document={"a": []})
        session.add(nest)
        await session.commit()
        nest.document["a"].append(nest.document)
        assert nest.document["a"][0]["a"][0] is nest.document
        with pytest.raises(InvalidUnitError, match=r"Nest\.document\.a\[0\]: a cycle"):
            await session.flush()
        nest.document = nested([], 101)
        with pytest.raises(InvalidUnitError, match=r"Nest\.document: more than 100 levels"):
            await session.flush()
        nest.document = {"fine": []}
        await session.commit()
    with pytest.raises(ValidationError, match="a cycle"):
        Nest(document=cycle())

    assert await stored(nests, "document") == [{"fine": []}]


@pytest.mark.needs("deep_json", "table_classes")
async def test_depth(nests: Database) -> None:
    """T3: as many levels as the field allows are stored and tracked."""
    async with Session(nests) as session:
        nest: Any = Nest(document=nested([], 99), deep=[nested([], 198)])
        session.add(nest)
        await session.commit()
        below(nest.document, 99).append(1)
        below(nest.deep[0], 198).append(2)
        await session.commit()

    assert await stored(nests, "document") == [nested([1], 99)]
    assert await stored(nests, "deep") == [[nested([2], 198)]]


def cycle() -> list[Any]:
    """A list that holds itself."""
    made: list[Any] = []
    made.append(made)
    return made


@pytest.mark.needs("table_classes")
async def test_mark_changed(nests: Database, sent: Sent) -> None:
    """What no hook can see is said, and tracked from then on."""
    async with Session(nests) as session:
        nest: Any = Nest(document=[[3], [1]], label="x")
        session.add(nest)
        await session.commit()
        sent.clear()
        heapq.heapify(nest.document)
        heapq.heappush(nest.document, [0])
        session.mark_changed(nest, "document", "label", "numbers")
        await session.commit()
        assert sent.writes == ["UPDATE"]
        nest.document[0].append(5)
        await session.commit()
        session.mark_changed(nest, "document")
        sent.clear()
        await session.commit()
        assert sent.writes == []
        with pytest.raises(UnknownFieldError, match="Nest has no field 'nothing'"):
            session.mark_changed(nest, "nothing")
        with pytest.raises(ObjectStateError, match="not in this session"):
            session.mark_changed(Nest(), "document")

    assert await stored(nests, "document") == [[[0, 5], [3], [1]]]


@pytest.mark.needs("table_classes")
async def test_detached_objects_track_on(nests: Database) -> None:
    """An object that left its session keeps its changes, old and new, for the next one."""
    async with Session.begin(nests) as session:
        session.add_all([Nest(document=[1]), Nest(document=[1])])
    async with Session(nests) as session:
        one, two = await loaded(session)
        one.document.append(2)
        session.expunge(one)
    two.document.append(2)
    assert state(two) is State.DETACHED
    assert changes(two) == {"document": ([1], [1, 2])}
    async with Session(nests) as session:
        session.add_all([one, two])
        one.document.append(3)
        await session.commit()

    assert await stored(nests, "document") == [[1, 2, 3], [1, 2]]


@pytest.mark.needs("table_classes")
async def test_written_while_a_flush_is_under_way(nests: Database) -> None:
    """What is changed while a flush waits is a new change, whatever it was before."""
    async with Session(nests) as session:
        nest: Any = Nest(document=[1])
        session.add(nest)
        await session.commit()
        late: list[Callable[[], object]] = [
            lambda: nest.document.append("late"),
            lambda: setattr(nest, "document", [1]),
        ]

        def meanwhile(statement: Sendable | str) -> None:
            if late and is_write(statement):
                late.pop(0)()

        nests.observers.append(meanwhile)
        nest.document.append(2)
        await session.flush()
        assert nest.document == [1, 2, "late"]
        await session.flush()
        assert nest.document == [1]
        await session.commit()

    assert await stored(nests, "document") == [[1]]


def is_write(statement: Any) -> bool:
    """Whether an UPDATE is sent."""
    return (statement if isinstance(statement, str) else statement.sql).startswith("UPDATE")


@pytest.mark.needs("table_classes")
async def test_threads(nests: Database) -> None:
    """T3: changes that other threads make, while the session flushes, are all written."""
    count, each = 4, 200
    async with Session(nests) as session:
        nest: Any = Nest(
            document={str(n): {"l": [[]]} for n in range(count)},
            queue=deque(),
            names=set(),
            box=Box([Part(str(n)) for n in range(count)]),
        )
        session.add(nest)
        await session.commit()
        async with Session(nests) as other:
            (found,) = await loaded(other)
            started = threading.Barrier(count + 1)

            def change(number: int) -> None:
                started.wait()
                for value in range(each):
                    found.document[str(number)]["l"][0].append(value)
                    found.queue.append(value)
                    found.document[str(number)][str(value)] = value
                    found.names.add(f"{number}.{value}")
                    found.box.notes[f"{number}.{value}"] = [value]
                    found.box.parts[number].name = f"{number}.{value}"

            threads = [threading.Thread(target=change, args=(n,)) for n in range(count)]
            for thread in threads:
                thread.start()
            started.wait()
            while any(thread.is_alive() for thread in threads):
                await other.flush()
            for thread in threads:
                thread.join()
            await other.commit()

    (document,) = await stored(nests, "document")
    (queue,) = await stored(nests, "queue")
    (names,) = await stored(nests, "names")
    (box,) = await stored(nests, "box")
    both = {f"{n}.{value}": [value] for n in range(count) for value in range(each)}
    assert document == {
        str(n): {"l": [list(range(each))]} | {str(value): value for value in range(each)}
        for n in range(count)
    }
    assert len(queue) == count * each
    assert names == both.keys()
    assert box == Box([Part(f"{n}.{each - 1}") for n in range(count)], both)


@pytest.mark.needs("table_classes")
async def test_nothing_is_kept_alive(nests: Database) -> None:
    """T3: without the cyclic collector, a dropped object and its values go at once."""

    class Watched(list[Any]):
        """A list that can be referred to weakly."""

    async with Session.begin(nests) as session:
        session.add(Nest(document={"a": [[1], {"b": [2]}]}, box=Box([Part("a", [1])])))
    gc.collect()
    gc.disable()
    try:
        async with Session(nests) as session:
            (found,) = await loaded(session)
            found.document["a"][1]["b"].append(3)
            found.box.parts[0].sizes.append(2)
            found.document["w"] = Watched([1])
            going: list[weakref.ref[Any]] = [
                weakref.ref(found),
                weakref.ref(found.box),
                weakref.ref(found.box.parts[0]),
            ]
            going.append(weakref.ref(found.document["w"]))
            await session.rollback()
            del found
            session.clear()
        del session

        assert [one for one in going if one() is not None] == []
    finally:
        gc.enable()


@pytest.mark.needs("table_classes")
async def test_expire_and_refresh(nests: Database) -> None:
    """A value that was dropped tells nobody, and the one that is read anew is tracked."""
    async with Session(nests) as session:
        nest: Any = Nest(document=[1])
        session.add(nest)
        await session.commit()
        old = nest.document
        session.expire(nest)
        old.append(2)
        await session.refresh(nest)
        old.append(3)
        assert nest.document == [1]
        assert not session.dirty
        nest.document.append(4)
        await session.commit()

    assert await stored(nests, "document") == [[1, 4]]


@pytest.mark.needs("table_classes")
async def test_values_of_several_columns(nests: Database, sent: Sent) -> None:
    """M6: they are written, found and rolled back column by column."""
    async with Session.begin(nests) as session:
        session.add_all([Nest(place=Place("a", 1)), Nest(), Nest(place=Place("b"))])
    async with Session(nests) as session:
        place: Any = Nest.place
        (found,) = await session.find(Nest, place["street"] == "a").to_list()
        (empty,) = await session.find(Nest, place == None).to_list()  # noqa: E711
        (equal,) = await session.find(Nest, place == Place("b")).to_list()
        assert await session.find(Nest, place != Place("b"), place["number"] == 1).count() == 1
        assert (found.place, empty.place, equal.place) == (Place("a", 1), None, Place("b"))
        found.place = Place("a", 2)
        assert changes(found) == {"place_number": (1, 2)}
        await session.rollback()
        assert found.place == Place("a", 1)
        found.place, empty.place = None, Place("c")
        await session.commit()

    assert await stored(nests, "place") == [None, Place("c"), Place("b")]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy", max_size=1), inner),
    max_leaves=12,
)
STEPS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 3), max_size=4),
        st.sampled_from(["put", "remove", "replace", "flush", "nothing", "revert"]),
        JSON_VALUES,
    ),
    max_size=8,
)


def walk(value: Any, path: list[int]) -> Any:
    """Follow a path as far as it leads to containers."""
    for step in path:
        members = value.values() if isinstance(value, dict) else value
        inner = [one for one in members if isinstance(one, list | dict)]
        if not inner:
            break
        value = inner[step % len(inner)]
    return value


def change(value: Any, kind: str, new: Any) -> None:
    """Do one thing to a container."""
    if isinstance(value, dict):
        if kind == "put":
            value["n"] = new
        elif kind == "remove" and value:
            value.popitem()
        elif kind == "replace" and value:
            value.update(dict.fromkeys(value, new))
    elif kind == "put":
        value.insert(0, new)
    elif kind == "remove" and value:
        value.pop()
    elif kind == "replace":
        value[:] = [new, *value[1:]]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(start=st.lists(JSON_VALUES, max_size=3), steps=STEPS)
def test_any_structure(start: list[Any], steps: list[Any]) -> None:
    """What is written equals what is in memory; nothing is written when nothing changed."""
    import anyio

    anyio.run(play, start, steps)


async def play(start: list[Any], steps: list[Any]) -> None:
    """Do random things to a stored value and to a plain one beside it."""
    async with Database("memory://") as database:
        await database.create_all([Nest])
        sent = Sent()
        async with Session.begin(database) as session:
            session.add(Nest(document=start))
        async with Session(database) as session:
            (nest,) = await loaded(session)
            database.observers.append(sent.append)
            model, last = (json.loads(json.dumps(start)) for _ in range(2))
            for path, kind, new in steps:
                if kind == "revert":
                    await session.rollback()
                    model = copy.deepcopy(last)
                elif kind == "flush":
                    sent.clear()
                    differs = not alike(model, last)
                    assert session.is_modified(nest) is differs
                    await session.commit()
                    assert bool(sent.writes) is differs
                    last = json.loads(json.dumps(model))  # what is shared is so in memory only
                else:
                    change(walk(model, path), kind, copy.deepcopy(new))
                    change(walk(nest.document, path), kind, copy.deepcopy(new))
                assert nest.document == model
            await session.commit()
        assert await stored(database, "document") == [model]


def alike(one: Any, other: Any) -> bool:
    """Whether two documents are one to a store: 1 is not True, and the order of keys is none."""
    return repr(ordered(one)) == repr(ordered(other))


def ordered(value: Any) -> Any:
    """A document with its keys in order."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


@pytest.mark.needs("table_classes")
async def test_rows_and_statements_are_plain(nests: Database) -> None:
    """Values of rows belong to nobody, and are builtin containers."""
    async with Session.begin(nests) as session:
        session.add(Nest(document=[[1]]))
    ((document,),) = await rows(nests, Nest.document)

    assert type(document) is list
