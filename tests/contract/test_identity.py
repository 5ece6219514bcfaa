"""Identity: one object a row, found by class and typed key (traps 10 to 20)."""

from __future__ import annotations

import gc
from types import ModuleType
from typing import Any, cast
from uuid import UUID

import attrs
import pytest

from tests.contract.sent import Sent, rows
from uow import (
    Column,
    Database,
    Mapped,
    NotLoadedError,
    ObjectStateError,
    QueryError,
    Registry,
    Session,
    StaleObjectError,
    State,
    Table,
    ValidationError,
    changes,
    current_session,
    select,
    state,
    update,
)

pytestmark = pytest.mark.anyio


async def store(database: Database, *objects: object) -> None:
    """Store objects with a session of their own."""
    async with Session.begin(database) as session:
        session.add_all(objects)  # type: ignore[arg-type]


async def test_new_objects_without_keys(database: Database, models: ModuleType) -> None:
    """Trap 10: new objects without a key do not collide, and each gets its own written back."""
    notes = [models.Note(text=str(number)) for number in range(50)]
    async with Session(database) as session:
        session.add_all(notes)
        await session.commit()

        assert len({note.id for note in notes}) == 50
        for note in notes:
            assert await session.get(models.Note, note.id) is note

    stored = dict(await rows(database, models.Note.id, models.Note.text))
    assert stored == {note.id: note.text for note in notes}


async def test_keys_come_back_in_order(database: Database, models: ModuleType) -> None:
    """Generated keys are those of the row each object became, in batches too (U8)."""
    notes = [models.Note(text=f"t{number}", rank=number) for number in range(2000)]
    await store(database, *notes)

    stored = dict(await rows(database, models.Note.id, models.Note.rank))
    assert [stored[note.id] for note in notes] == list(range(2000))


async def test_equal_but_different_keys(database: Database, models: ModuleType) -> None:
    """Trap 11: `1`, `True`, `1.0` and `"1"` are different keys, and only `1` is an integer."""
    await store(database, models.Order(id=1), models.Log(id="1"))
    async with Session(database) as session:
        order = await session.get(models.Order, 1)
        log = await session.get(models.Log, "1")

        assert order is not None
        assert log is not None
        for number in (True, "1", 1.0, None, (1,)):
            with pytest.raises(ValidationError, match=r"Order"):
                await session.get(models.Order, number)
        for text in (1, b"1", UUID(int=1)):
            with pytest.raises(ValidationError, match=r"Log\.id"):
                await session.get(models.Log, text)


async def test_large_keys(database: Database, models: ModuleType) -> None:
    """Trap 11: keys are compared whole: the smallest and the largest integer are two rows."""
    low, high = models.Order(id=-(2**63)), models.Order(id=2**63 - 1)
    await store(database, low, high)
    async with Session(database) as session:
        first = await session.get_one(models.Order, -(2**63))
        second = await session.get_one(models.Order, 2**63 - 1)

        assert (first.id, second.id) == (-(2**63), 2**63 - 1)


async def test_two_gets_give_one_object(database: Database, models: ModuleType, sent: Sent) -> None:
    """Trap 12: however an object is read, it is the same one; the second `get` sends nothing."""
    author = models.Author(email="a@x.org", name="Ann")
    await store(database, author)
    key = author.id
    async with Session(database) as session:
        sent.clear()
        found = await session.get(models.Author, key)
        again = await session.get(models.Author, key)

        assert found is again
        assert sent.words == ["SELECT"]
        assert await session.find(models.Author).to_list() == [found]
        assert await session.find(models.Author, models.Author.email == "a@x.org").one() is found
        assert [one async for one in session.find(models.Author)] == [found]
        assert (await session.execute(select(models.Author)))[0] is found
        assert (await session.fan_out(session.find(models.Author)))[0][0] is found


async def test_sessions_do_not_share_objects(database: Database, models: ModuleType) -> None:
    """Each session has its own object for a row (U1)."""
    note = models.Note(text="a")
    await store(database, note)
    async with Session(database) as one, Session(database) as two:
        assert await one.get(models.Note, note.id) is not await two.get(models.Note, note.id)


async def test_same_key_in_two_classes(database: Database, models: ModuleType) -> None:
    """Keys of different classes never meet (trap 11)."""
    await store(database, models.Order(id=1), models.Slot(id=1))
    async with Session(database) as session:
        order = await session.get(models.Order, 1)
        slot = await session.get(models.Slot, 1)

        assert type(order) is models.Order
        assert type(slot) is models.Slot


async def test_reading_leaves_changed_objects_alone(database: Database, models: ModuleType) -> None:
    """Trap 13: a query that meets a changed object yields it as it is, clean or dirty."""
    note = models.Note(text="a", rank=1)
    await store(database, note)
    async with Session(database) as session:
        found = await session.get_one(models.Note, note.id)
        found.text = "mine"
        async with Session.begin(database) as other:
            await other.execute(update(models.Note).set(text="theirs", rank=2).all())

        assert await session.find(models.Note).to_list() == [found]
        assert (found.text, found.rank) == ("mine", 1)
        await session.commit()

    assert await rows(database, models.Note.text, models.Note.rank) == [("mine", 2)]


async def test_get_of_a_deleted_object_does_not_cancel_it(
    database: Database, models: ModuleType
) -> None:
    """Trap 13: reading an object that is marked as deleted leaves it marked."""
    note = models.Note(text="a")
    await store(database, note)
    async with Session(database) as session:
        found = await session.get_one(models.Note, note.id)
        session.delete(found)
        await session.get(models.Note, note.id)
        await session.find(models.Note).to_list()

        assert session.deleted == {found}
        assert state(found) is State.DELETED
        await session.commit()

    assert await rows(database, models.Note.id) == []


async def test_changed_object_survives_collection(database: Database, models: ModuleType) -> None:
    """Trap 14: the identity map holds its objects strongly."""
    note = models.Note(text="a")
    await store(database, note)
    async with Session(database) as session:
        (await session.get_one(models.Note, note.id)).text = "b"
        gc.collect()
        await session.commit()

    assert await rows(database, models.Note.text) == [("b",)]


async def test_state_goes_with_the_object(database: Database, models: ModuleType) -> None:
    """Trap 15: what is known of an object is in the object, so no other one inherits it by id()."""
    async with Session(database) as session:
        for number in range(200):
            note = models.Note(text=f"n{number}")

            assert changes(note) == {}
            assert state(note) is State.TRANSIENT
            session.add(note)
            note.text += "!"
            session.expunge(note)
            del note

        assert session.new == set()


async def test_current_session_is_the_tasks(database: Database, models: ModuleType) -> None:
    """Trap 15: the ambient session is of the task, the innermost first, and gone afterwards."""
    assert current_session() is None
    async with Session(database) as outer:
        assert current_session() is outer
        async with Session(database) as inner:
            assert current_session() is inner
        assert current_session() is outer
    assert current_session() is None


async def test_defaults_are_not_shared(database: Database, models: ModuleType) -> None:
    """Trap 16: each object has a default list of its own."""
    one = models.Author(email="a@x.org", name="Ann")
    two = models.Author(email="b@x.org", name="Bob")
    one.tags.append("x")

    assert two.tags == []
    await store(database, one, two)
    assert await rows(database, models.Author.name, models.Author.tags) == [
        ("Ann", ["x"]),
        ("Bob", []),
    ]


@pytest.mark.needs("numbered_keys")
async def test_zero_is_a_key(database: Database, models: ModuleType, sent: Sent) -> None:
    """Trap 17: 0 and the empty string are keys like any other, in memory and in the store."""
    await store(database, models.Order(id=0), models.Note(id=0, text="a"), models.Log(id=""))
    async with Session(database) as session:
        order = await session.get_one(models.Order, 0)
        note = await session.get_one(models.Note, 0)
        log = await session.get_one(models.Log, "")
        order.customer = "x"
        note.text = "b"
        log.text = "c"
        sent.clear()
        await session.commit()

    assert set(sent.writes) == {"UPDATE"}
    assert await rows(database, models.Order.id, models.Order.customer) == [(0, "x")]
    assert await rows(database, models.Note.id, models.Note.text) == [(0, "b")]
    assert await rows(database, models.Log.id, models.Log.text) == [("", "c")]


async def test_rollback_of_a_field_that_was_absent(database: Database, models: ModuleType) -> None:
    """Trap 18: rolling back a field that had no value leaves it without one, not None."""
    note = models.Note(text="a", rank=1)
    await store(database, note)
    async with Session(database) as session:
        found = await session.get_one(models.Note, note.id)
        session.expire(found)
        found.rank = 3
        await session.flush()

        assert found.rank == 3
        await session.rollback()

        with pytest.raises(NotLoadedError):
            _ = found.rank
        await session.refresh(found)

        assert found.rank == 1


async def test_rollback_keeps_the_class_of_embedded_values(
    database: Database, models: ModuleType
) -> None:
    """Trap 18: an embedded object is one after a rollback as well, with what it held."""
    author = models.Author(email="a@x.org", name="Ann")
    await store(database, author)
    book = models.Book(author_id=author.id, title="t", dims=models.Dimensions(1, 2, ["a"]))
    await store(database, book)
    async with Session(database) as session:
        found = await session.get_one(models.Book, book.id)
        found.dims.width = 9
        found.dims.labels.append("b")
        await session.flush()
        found.dims = None
        await session.rollback()

        assert found.dims == models.Dimensions(1, 2, ["a"])
        assert found.dims.__class__ is models.Dimensions
        assert session.dirty == set()


async def test_key_of_a_stored_object_is_fixed(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """Trap 19: the key of a stored object cannot change, so no UPDATE looks for the new one."""
    async with Session(database) as session:
        order = models.Order(id=1)
        session.add(order)
        order.id = 2
        await session.commit()
        with pytest.raises(ObjectStateError, match=r"Order\.id"):
            order.id = 3
        order.id = 2
        order.customer = "x"
        sent.clear()
        await session.commit()

        assert order.id == 2
        assert sent.writes == ["UPDATE"]
        assert await session.get_one(models.Order, 2) is order

    with pytest.raises(ObjectStateError, match=r"Order\.id"):
        order.id = 3
    assert await rows(database, models.Order.id, models.Order.customer) == [(2, "x")]


async def test_objects_without_a_database() -> None:
    """Trap 20: a class can be instantiated, changed and copied with no database in sight."""

    class Loner(Table):
        class Settings:
            registry = Registry()

        id: Mapped[int] = Column(primary_key=True)
        name: Mapped[str] = Column(default="x")

    loner = Loner(id=1)
    loner.name = "y"
    copy = attrs.evolve(cast("Any", loner), id=2)

    assert (loner.name, copy.id, copy.name) == ("y", 2, "y")
    assert state(loner) is state(copy) is State.TRANSIENT


@pytest.mark.parametrize("count", [2, 3])
async def test_two_new_objects_with_one_key(
    database: Database, models: ModuleType, sent: Sent, count: int
) -> None:
    """Two new objects that claim one key are refused before anything is sent."""
    async with Session(database) as session:
        for number in range(count):
            session.add(models.Order(id=1, customer=str(number)))
        with pytest.raises(ObjectStateError, match="same key"):
            await session.commit()

        assert sent == []
        for surplus in sorted(session.new, key=lambda order: order.customer)[1:]:
            session.expunge(surplus)
        await session.commit()

    assert await rows(database, models.Order.customer) == [("0",)]


@pytest.mark.needs("composite_keys")
async def test_composite_keys(database: Database, models: ModuleType) -> None:
    """A composite key is a tuple, in the order of the fields, every part checked (trap 6, M5)."""
    await store(database, models.Order(id=1), models.Order(id=2))
    await store(database, *(models.Line(order_id=o, no=n) for o in (1, 2) for n in (1, 2)))
    async with Session(database) as session:
        line = await session.get_one(models.Line, (1, 2))

        assert (line.order_id, line.no) == (1, 2)
        assert await session.get_one(models.Line, (1, 2)) is line
        assert await session.get(models.Line, (2, 1)) is not line
        assert await session.get(models.Line, (3, 1)) is None
        for wrong in (1, (1,), (1, 2, 3), [1, 2], (1, "2"), (True, 2), (1, None)):
            with pytest.raises(ValidationError):
                await session.get(models.Line, wrong)


@pytest.mark.needs("locks")
async def test_lock_refreshes_clean_fields(database: Database, models: ModuleType) -> None:
    """`for_update` reads the row again: clean fields are refreshed, changed ones stay."""
    note = models.Note(text="a", rank=1)
    await store(database, note)
    async with Session(database) as session:
        found = await session.get_one(models.Note, note.id)
        found.text = "mine"
        async with Session.begin(database) as other:
            await other.execute(update(models.Note).set(text="theirs", rank=2).all())

        assert await session.get_one(models.Note, note.id, for_update=True) is found
        assert (found.text, found.rank) == ("mine", 2)
        assert changes(found) == {"text": ("theirs", "mine")}
        await session.commit()

    assert await rows(database, models.Note.text, models.Note.rank) == [("mine", 2)]


@pytest.mark.needs("locks")
async def test_lock_after_a_change_that_was_set_back(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """A field set back to what it was is clean: a lock refreshes it, and nothing is written."""
    author = models.Everything(text="a", names=["x"], number=1)
    await store(database, author)
    async with Session(database) as session:
        found = await session.get_one(models.Everything, author.id)
        found.text, found.names[0] = "b", "y"
        found.text, found.names[0] = "a", "x"
        found.number = 2
        async with Session.begin(database) as other:
            await other.execute(update(models.Everything).set(text="c", names=["z"]).all())
        await session.find(models.Everything).for_update().to_list()

        assert (found.text, found.names, found.number) == ("c", ["z"], 2)
        assert changes(found) == {"number": (1, 2)}
        sent.clear()
        await session.commit()

    assert "text" not in sent.text("UPDATE").partition("WHERE")[0]
    assert await rows(database, models.Everything.text, models.Everything.names) == [("c", ["z"])]


@pytest.mark.parametrize("option", ["nowait", "skip_locked"])
@pytest.mark.needs("locks")
async def test_lock_options(
    database: Database, models: ModuleType, sent: Sent, option: str
) -> None:
    """A lock the store cannot take in that way is refused before anything is sent (Q7)."""
    note = models.Note(text="a")
    await store(database, note)
    sent.clear()
    options: dict[str, Any] = {option: True}
    async with Session(database) as session:
        if getattr(database.dialect.capabilities, option):
            assert await session.get(models.Note, note.id, **options)
        else:
            with pytest.raises(QueryError, match=option):
                await session.get(models.Note, note.id, **options)
            with pytest.raises(QueryError, match=option):
                await session.find(models.Note).for_update(**options).to_list()

            assert sent == []
        await session.rollback()


@pytest.mark.needs("locks")
async def test_lock_of_a_deleted_object(database: Database, models: ModuleType) -> None:
    """A lock on a row whose object is marked as deleted leaves it marked."""
    note = models.Note(text="a", meta={"a": [1]})
    await store(database, note)
    async with Session(database) as session:
        found = await session.get_one(models.Note, note.id)
        session.delete(found)
        found.meta["a"].append(2)

        assert await session.get_one(models.Note, note.id, for_update=True) is found
        assert session.deleted == {found}
        await session.flush()
        await session.rollback()

        assert found.meta == {"a": [1]}
        session.delete(found)
        await session.commit()

    assert await rows(database, models.Note.id) == []


@pytest.mark.needs("locks")
async def test_lock_of_a_moved_version(database: Database, models: ModuleType) -> None:
    """`for_update` raises if the version moved under a changed object, not under a clean one."""
    clean = models.Author(email="a@x.org", name="Ann")
    dirty = models.Author(email="b@x.org", name="Bob")
    await store(database, clean, dirty)
    async with Session(database) as session:
        one = await session.get_one(models.Author, clean.id)
        two = await session.get_one(models.Author, dirty.id)
        two.name = "mine"
        async with Session.begin(database) as other:
            await other.execute(update(models.Author).set(name="theirs").all())

        await session.get(models.Author, clean.id, for_update=True)

        assert (one.name, one.version) == ("theirs", 2)
        with pytest.raises(StaleObjectError) as caught:
            await session.find(models.Author).for_update().to_list()
        assert caught.value.objects == (two,)
        assert two.name == "mine"
        await session.rollback()
