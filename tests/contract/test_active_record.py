"""The active-record verbs: in the ambient session, or each a unit of its own (U3)."""

from __future__ import annotations

from contextlib import nullcontext
from types import ModuleType

import anyio
import pytest

from tests.contract.sent import Sent, rows
from uow import (
    ConstraintError,
    Database,
    NotFoundError,
    ObjectStateError,
    Session,
    StaleObjectError,
    State,
    UnknownFieldError,
    ValidationError,
    changes,
    state,
    transaction,
)
from uow.session.events import session_hooks

pytestmark = pytest.mark.anyio


@pytest.mark.needs("verbs")
async def test_verbs_on_their_own(database: Database, models: ModuleType) -> None:
    """Outside of a session each verb is a unit of its own on the default database."""
    note = await models.Note.insert(text="a")

    assert note.id is not None
    assert state(note) is State.DETACHED
    note.text = "b"
    assert await note.save() is note
    assert await rows(database, models.Note.text) == [("b",)]
    await note.update(rank=3)

    assert (await models.Note.get(note.id)).rank == 3
    async with Session.begin(database) as session:
        (await session.get_one(models.Note, note.id)).text = "c"
    await note.refresh()

    assert note.text == "c"
    await note.delete()

    assert state(note) is State.DETACHED
    assert await rows(database, models.Note.id) == []
    assert database.pool.stats.in_use == 0


@pytest.mark.needs("verbs")
async def test_statements_of_verbs(database: Database, models: ModuleType, sent: Sent) -> None:
    """A verb that is one statement sends just that."""
    note = await models.Note.insert(text="a")
    await note.update(text="b")
    await note.refresh()
    await models.Note.get(note.id)
    await models.Note.count()
    await note.delete()

    assert sent.words == ["INSERT", "UPDATE", "SELECT", "SELECT", "SELECT", "DELETE"]


@pytest.mark.needs("verbs")
async def test_verbs_in_a_session(database: Database, models: ModuleType) -> None:
    """Inside of a session the verbs use that session, and flush."""
    async with Session(database) as session:
        note = await models.Note.insert(text="a")

        assert note in session
        assert session.in_transaction
        assert await models.Note.get(note.id) is note
        assert await models.Note.find_one(models.Note.text == "a") is note
        assert await models.Note.find().to_list() == [note]
        await note.update(text="b")
        await session.rollback()

        assert state(note) is State.TRANSIENT
        await note.save()
        await session.commit()

    assert await rows(database, models.Note.text) == [("b",)]


@pytest.mark.needs("verbs")
async def test_an_object_is_of_one_unit_at_a_time(database: Database, models: ModuleType) -> None:
    """A verb of an object that another open session holds is refused by name, and does nothing."""
    note = await models.Note.insert(text="a")
    async with Session(database) as session:
        session.add(note)
        other = Session(database)
        async with other:
            with pytest.raises(ObjectStateError, match="belongs to another open session"):
                await note.refresh()
            with pytest.raises(ObjectStateError, match="belongs to another open session"):
                await note.save()
        note.text = "b"
        await session.commit()

    assert await rows(database, models.Note.text) == [("b",)]


@pytest.mark.needs("verbs", "returning_insert")
async def test_save_by_state(database: Database, models: ModuleType, sent: Sent) -> None:
    """`save` inserts what is transient, and updates what is detached by what changed."""
    author = models.Author(email="a@x.org", name="Ann")
    await author.save()
    author.age = 3
    await author.save()
    await author.save()

    assert sent.words == ["INSERT", "UPDATE"]
    assert (author.version, changes(author)) == (2, {})
    assert await rows(database, models.Author.name, models.Author.age) == [("Ann", 3)]


@pytest.mark.needs("verbs")
async def test_save_after_delete_inserts(database: Database, models: ModuleType) -> None:
    """An object that was deleted and is saved is inserted again."""
    note = await models.Note.insert(text="a")
    await note.delete()
    await note.save()

    assert await rows(database, models.Note.id, models.Note.text) == [(note.id, "a")]


@pytest.mark.needs("verbs")
async def test_delete_twice(database: Database, models: ModuleType) -> None:
    """Deleting what was deleted, or never stored, is an error."""
    note = await models.Note.insert(text="a")
    await note.delete()
    with pytest.raises(ObjectStateError):
        await note.delete()
    with pytest.raises(ObjectStateError):
        await models.Note(text="b").delete()


@pytest.mark.needs("verbs")
async def test_get_of_nothing(database: Database, models: ModuleType) -> None:
    """`Table.get` of an absent row is an error; `find_one` gives None."""
    with pytest.raises(NotFoundError, match="Note"):
        await models.Note.get(1)
    with pytest.raises(ValidationError):
        await models.Note.get("1")
    assert await models.Note.find_one(models.Note.text == "x") is None


@pytest.mark.needs("verbs")
async def test_refresh_of_nothing(database: Database, models: ModuleType) -> None:
    """`refresh` of what was never stored, or is gone, is an error."""
    with pytest.raises(ObjectStateError):
        await models.Note(text="a").refresh()
    note = await models.Note.insert(text="a")
    await models.Note.find().delete(all=True)
    with pytest.raises(NotFoundError):
        await note.refresh()


@pytest.mark.needs("verbs")
async def test_refresh_of_a_new_object_adds_nothing(database: Database, models: ModuleType) -> None:
    """A `refresh` that is refused leaves the object out of the session."""
    async with Session(database) as session:
        note = models.Note(text="a")
        with pytest.raises(ObjectStateError):
            await note.refresh()

        assert note not in session
        assert state(note) is State.TRANSIENT


@pytest.mark.needs("verbs")
async def test_update_of_unknown_fields(database: Database, models: ModuleType, sent: Sent) -> None:
    """`update` with a name that is no field sets nothing and sends nothing."""
    note = await models.Note.insert(text="a")
    sent.clear()
    with pytest.raises(UnknownFieldError):
        await note.update(text="b", txt="c")
    with pytest.raises(ValidationError):
        await note.update(text=5)

    assert sent == []
    note.text = "d"
    await note.save()
    assert await rows(database, models.Note.text) == [("d",)]


@pytest.mark.needs("verbs")
async def test_failed_verbs_can_be_repeated(database: Database, models: ModuleType) -> None:
    """A verb that fails leaves its object as it was, to be repaired (U6)."""
    await models.Slot.insert(id=1, position=1)
    slot = models.Slot(id=2, position=1)
    with pytest.raises(ConstraintError):
        await slot.save()

    assert state(slot) is State.TRANSIENT
    slot.position = 2
    await slot.save()
    with pytest.raises(ConstraintError):
        await slot.update(position=1)

    assert changes(slot) == {"position": (2, 1)}
    assert slot.position == 1
    slot.position = 3
    await slot.save()
    assert await rows(database, models.Slot.id, models.Slot.position) == [(1, 1), (2, 3)]


@pytest.mark.needs("verbs")
@pytest.mark.parametrize("how", ["hook", "cancelled", "sent"])
async def test_interrupted_verbs_can_be_repeated(
    database: Database, models: ModuleType, how: str
) -> None:
    """What a hook raises and a cancellation take nothing from the object either."""
    slot = await models.Slot.insert(id=1, position=1)

    async def interrupt(session: Session) -> None:
        if how == "hook":
            raise ValueError("a hook's own")
        await anyio.sleep_forever()

    new, slot.position = models.Slot(id=2, position=2), 3
    name = "after_flush" if how == "sent" else "before_commit"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(session_hooks._by_event, name, [interrupt])
        for one in (slot, new):
            with anyio.move_on_after(0.3) as scope:
                with pytest.raises(ValueError, match="own") if how == "hook" else nullcontext():
                    await one.save()
            assert scope.cancelled_caught is (how != "hook")

    assert changes(slot) == {"position": (1, 3)}
    assert (state(new), new.position) == (State.TRANSIENT, 2)
    assert await rows(database, models.Slot.id, models.Slot.position) == [(1, 1)]
    for one in (slot, new):
        await one.save()
    assert await rows(database, models.Slot.id, models.Slot.position) == [(1, 3), (2, 2)]


@pytest.mark.needs("verbs")
async def test_stale_save(database: Database, models: ModuleType) -> None:
    """`save` of an object somebody else changed is refused; refreshed, it is saved (U5)."""
    mine = await models.Author.insert(email="a@x.org", name="Ann")
    theirs = await models.Author.get(mine.id)
    await theirs.update(name="theirs")
    with pytest.raises(StaleObjectError):
        await mine.update(age=3)
    await mine.refresh()
    await mine.update(age=3)

    assert await rows(database, models.Author.name, models.Author.age) == [("theirs", 3)]


@pytest.mark.needs("verbs")
async def test_two_copies_saved(database: Database, models: ModuleType) -> None:
    """Trap 21: two copies of a row that change two fields lose none."""
    one = await models.Note.insert(text="a")
    two = await models.Note.get(one.id)
    await one.update(text="b")
    await two.update(rank=5)

    assert await rows(database, models.Note.text, models.Note.rank) == [("b", 5)]


@pytest.mark.needs("verbs")
async def test_verbs_of_parallel_tasks(database: Database, models: ModuleType) -> None:
    """Verbs of several tasks outside of any session are units side by side."""
    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(lambda text: models.Note.insert(text=text), str(number))

    assert len(await rows(database, models.Note.id)) == 10


@pytest.mark.needs("verbs")
async def test_queries_of_verbs(database: Database, models: ModuleType) -> None:
    """`find` and `count` of a class run without a session, bulk writes commit."""
    for number in range(5):
        await models.Note.insert(text=str(number), rank=number)

    assert await models.Note.count(models.Note.rank > 2) == 2
    assert await models.Note.find(models.Note.rank > 2).update({"text": "x"}) == 2
    assert await models.Note.find(models.Note.text == "x").delete() == 2
    assert [note.rank async for note in models.Note.find().order_by(-models.Note.rank)] == [2, 1, 0]
    assert await rows(database, models.Note.rank) == [(0,), (1,), (2,)]


@pytest.mark.needs("verbs")
async def test_object_of_another_session(database: Database, models: ModuleType) -> None:
    """A verb on an object of another open session than the ambient one is refused."""
    async with Session(database) as outer:
        note = models.Note(text="a")
        outer.add(note)
        async with Session(database):
            with pytest.raises(ObjectStateError):
                await note.save()
        await outer.commit()

    assert await rows(database, models.Note.text) == [("a",)]


@pytest.mark.needs("verbs")
async def test_session_named_a_database(database: Database, models: ModuleType) -> None:
    """The ambient session wins over the default database, innermost first."""
    async with Session(database) as outer, transaction() as tx:
        note = await models.Note.insert(text="a")

        assert tx.session is outer
        assert note in outer
