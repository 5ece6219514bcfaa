"""Memory says what the store says: after a failed flush, a rollback, a savepoint (U6, trap 26)."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from tests.contract.sent import Sent, rows
from uow import (
    ConstraintError,
    Database,
    NotFoundError,
    NotLoadedError,
    ObjectStateError,
    QueryError,
    Session,
    StaleObjectError,
    State,
    TransactionPoisonedError,
    ValidationError,
    changes,
    delete,
    sql,
    state,
    update,
)

pytestmark = pytest.mark.anyio


async def store(database: Database, *objects: Any) -> None:
    """Store objects with a session of their own."""
    async with Session.begin(database) as session:
        session.add_all(objects)


# -- a failed flush


@pytest.mark.needs("store_values")
async def test_failed_flush_can_be_repaired(database: Database, models: ModuleType) -> None:
    """Trap 26: after a failed flush everything waits as before; repaired, it is written."""
    taken = models.Author(email="taken@x.org", name="T")
    doomed = models.Note(text="doomed")
    await store(database, taken, doomed)
    async with Session(database) as session:
        changed = await session.get_one(models.Author, taken.id)
        gone = await session.get_one(models.Note, doomed.id)
        changed.name = "U"
        changed.tags.append("x")
        session.delete(gone)
        fine = models.Author(email="fine@x.org", name="F", tags=["f"])
        clash = models.Author(email="taken@x.org", name="C")
        session.add_all([fine, clash])
        for _ in range(2):
            with pytest.raises(ConstraintError) as caught:
                await session.flush()

            assert caught.value.kind == "unique"
            assert session.new == {fine, clash}
            assert session.dirty == {changed}
            assert session.deleted == {gone}
            assert changes(changed) == {"name": ("T", "U"), "tags": ([], ["x"])}
            assert changed.version == 1
            assert (fine.id, clash.id) == (None, None)
            assert (state(fine), state(gone)) == (State.PENDING, State.DELETED)
            with pytest.raises(NotLoadedError):
                _ = fine.joined
            assert not session.in_transaction

        clash.email = "free@x.org"
        await session.commit()

        assert session.new == session.dirty == session.deleted == set()
        assert changed.version == 2
        assert await session.get_one(models.Author, clash.id) is clash
        assert await session.get_one(models.Author, fine.id) is fine

    assert await rows(database, models.Author.email, models.Author.name, models.Author.tags) == [
        ("fine@x.org", "F", ["f"]),
        ("free@x.org", "C", []),
        ("taken@x.org", "U", ["x"]),
    ]
    assert await rows(database, models.Note.id) == []


@pytest.mark.parametrize("verb", ["flush", "commit"])
async def test_failed_flush_then_rollback(
    database: Database, models: ModuleType, verb: str
) -> None:
    """Trap 26: after a failed flush a rollback gives the changes up, and the session goes on."""
    taken = models.Author(email="taken@x.org", name="T")
    await store(database, taken)
    async with Session(database) as session:
        changed = await session.get_one(models.Author, taken.id)
        changed.name = "U"
        clash = models.Author(email="taken@x.org", name="C")
        session.add(clash)
        with pytest.raises(ConstraintError):
            await getattr(session, verb)()
        await session.rollback()

        assert changed.name == "T"
        assert state(clash) is State.TRANSIENT
        assert session.new == session.dirty == set()
        changed.name = "V"
        await session.commit()

    assert await rows(database, models.Author.name, models.Author.version) == [("V", 2)]


async def test_failed_commit_of_one_statement(database: Database, models: ModuleType) -> None:
    """Trap 26: the same holds where the unit was sent as one statement without BEGIN."""
    await store(database, models.Slot(id=1, position=1), models.Slot(id=2, position=2))
    async with Session(database) as session:
        two = await session.get_one(models.Slot, 2)
        two.position = 1
        with pytest.raises(ConstraintError):
            await session.commit()

        assert changes(two) == {"position": (2, 1)}
        two.position = 3
        await session.commit()
        new = models.Slot(id=3, position=3)
        session.add(new)
        with pytest.raises(ConstraintError):
            await session.commit()

        assert session.new == {new}
        assert await session.get(models.Slot, 3) is None
        new.position = 4
        await session.commit()
        session.delete(new)
        async with Session.begin(database) as other:
            await other.execute(delete(models.Slot).where(models.Slot.id == 3))
        with pytest.raises(StaleObjectError):
            await session.commit()

        assert session.deleted == {new}
        await session.rollback()
        session.expunge(new)

    assert await rows(database, models.Slot.id, models.Slot.position) == [(1, 1), (2, 3)]


async def test_failed_flush_of_what_was_flushed_before(
    database: Database, models: ModuleType
) -> None:
    """A failed flush undoes the flushes before it in its transaction: all of it waits again."""
    await store(database, models.Slot(id=1, position=1), models.Note(text="n"))
    async with Session(database) as session:
        slot = await session.get_one(models.Slot, 1)
        note = await session.find(models.Note).one()
        author = models.Author(email="a@x.org", name="Ann")
        session.add(author)
        slot.position = 5
        session.delete(note)
        await session.flush()
        author.name = "Bob"
        slot.position = 6
        clash = models.Slot(id=2, position=6)
        session.add(clash)
        slot.name = "s"
        clash.position = 6
        with pytest.raises(ConstraintError):
            await session.flush()

        assert not session.in_transaction
        assert session.new == {author, clash}
        assert session.deleted == {note}
        assert changes(slot) == {"position": (1, 6), "name": ("", "s")}
        assert author.id is None
        assert author.name == "Bob"
        clash.position = 7
        await session.commit()

    assert await rows(database, models.Author.name, models.Author.version) == [("Bob", 1)]
    assert await rows(database, models.Slot.id, models.Slot.position) == [(1, 6), (2, 7)]
    assert await rows(database, models.Note.id) == []


async def test_failed_flush_after_bulk_statements_poisons(
    database: Database, models: ModuleType
) -> None:
    """A failed flush whose transaction also ran statements it cannot repeat must be rolled back."""

    await store(database, models.Slot(id=1, position=1), models.Note(text="n"))
    async with Session(database) as session:
        await session.execute(update(models.Note).set(rank=5).all())
        clash = models.Slot(id=2, position=1)
        session.add(clash)
        with pytest.raises(ConstraintError):
            await session.flush()
        clash.position = 2
        for verb in (session.flush, session.commit):
            with pytest.raises(TransactionPoisonedError):
                await verb()

        assert session.new == {clash}
        await session.rollback()
        session.add(clash)
        await session.commit()

    assert await rows(database, models.Slot.id) == [(1,), (2,)]
    assert await rows(database, models.Note.rank) == [(0,)]


@pytest.mark.needs("numbered_keys")
async def test_foreign_key_failure_is_repaired(database: Database, models: ModuleType) -> None:
    """A child without its parent fails; with the parent added the same flush is written (U6)."""
    async with Session(database) as session:
        post = models.Post(id=1, note_id=1)
        session.add(post)
        with pytest.raises(ConstraintError) as caught:
            await session.commit()

        assert caught.value.kind == "foreign_key"
        session.add(models.Note(id=1, text="late"))
        await session.commit()

    assert await rows(database, models.Post.note_id) == [(1,)]


async def test_mutable_values_after_a_failed_flush(database: Database, models: ModuleType) -> None:
    """What was appended to a list is still there, and still a change, after a failed flush."""
    ann = models.Author(email="a@x.org", name="Ann", tags=["x"])
    await store(database, ann, models.Author(email="b@x.org", name="Bob"))
    async with Session(database) as session:
        found = await session.get_one(models.Author, ann.id)
        tags = found.tags
        tags.append("y")
        found.email = "b@x.org"
        with pytest.raises(ConstraintError):
            await session.commit()

        assert found.tags is tags
        assert changes(found) == {"email": ("a@x.org", "b@x.org"), "tags": (["x"], ["x", "y"])}
        found.email = "a@x.org"
        tags.append("z")
        await session.commit()

        assert await rows(database, models.Author.name, models.Author.tags) == [
            ("Ann", ["x", "y", "z"]),
            ("Bob", []),
        ]
        tags.pop()
        await session.commit()

    assert await rows(database, models.Author.name, models.Author.tags) == [
        ("Ann", ["x", "y"]),
        ("Bob", []),
    ]


# -- a rollback


async def test_rollback_restores_values(database: Database, models: ModuleType) -> None:
    """Trap 26: after a rollback memory is as last committed, flushed or not, and tracked."""
    author = models.Author(email="a@x.org", name="Ann", age=1, tags=["x"])
    await store(database, author)
    async with Session(database) as session:
        found = await session.get_one(models.Author, author.id)
        found.name = "Bob"
        found.tags.append("y")
        await session.flush()
        found.name = "Cy"
        found.age = 2
        found.tags.append("z")

        assert found.version == 2
        await session.rollback()

        assert (found.name, found.age, found.tags, found.version) == ("Ann", 1, ["x"], 1)
        assert session.dirty == set()
        assert changes(found) == {}
        found.name = "Bob"
        found.tags.append("y")
        await session.commit()

        assert found.version == 2

    assert await rows(database, models.Author.name, models.Author.tags) == [("Bob", ["x", "y"])]


@pytest.mark.needs("store_values")
async def test_rollback_of_new_objects(database: Database, models: ModuleType) -> None:
    """Trap 26: new objects are transient after a rollback, without what the store gave them."""
    author = models.Author(email="a@x.org", name="Ann")
    unflushed = models.Note(text="u")
    async with Session(database) as session:
        session.add(author)
        await session.flush()
        key = author.id
        session.add(unflushed)
        author.name = "Bob"
        author.tags.append("x")
        await session.rollback()

        assert (state(author), state(unflushed)) == (State.TRANSIENT, State.TRANSIENT)
        assert author.id is None
        assert author not in session
        for name in ("joined", "version"):
            with pytest.raises(NotLoadedError, match="flush"):
                getattr(author, name)
        assert await session.get(models.Author, key) is None
        session.add(author)
        await session.commit()

        assert author.id is not None
        assert author.version == 1
        author.tags.append("y")
        await session.commit()

    assert await rows(database, models.Author.email, models.Author.version) == [("a@x.org", 2)]


@pytest.mark.parametrize("way", ["rollback", "failed flush", "savepoint"])
@pytest.mark.needs("savepoints")
async def test_undone_inserts_leave_the_map(
    database: Database, models: ModuleType, way: str
) -> None:
    """Trap 26: an object whose INSERT was undone is not found by the key it had."""
    await store(database, models.Slot(id=1, position=1))
    async with Session(database) as session, session.begin_nested() as savepoint:
        note, slot = models.Note(text="a"), models.Slot(id=2)
        session.add_all([note, slot])
        await session.flush()
        key = note.id

        assert await session.get_one(models.Note, key) is note
        if way == "savepoint":
            await savepoint.rollback()
        elif way == "rollback":
            await session.rollback()
        else:
            session.add(models.Slot(id=3, position=1))
            with pytest.raises(ConstraintError):
                await session.flush()

        assert await session.get(models.Note, key) is None
        assert await session.get(models.Slot, 2) is None
        await session.rollback()


@pytest.mark.needs("numbered_keys")
async def test_rollback_keeps_what_the_user_gave(database: Database, models: ModuleType) -> None:
    """A key, a version or a server default that the user set is not the store's to take back."""
    note = models.Note(id=77, text="a")
    counter = models.Counter(hits=3)
    async with Session(database) as session:
        session.add_all([note, counter])
        await session.flush()
        await session.rollback()

        assert note.id == 77
        assert counter.hits == 3
        assert counter.id is None


async def test_rollback_of_deletes(database: Database, models: ModuleType) -> None:
    """A delete is undone by a rollback, flushed or not, with the changes made before it."""
    one, two = models.Note(text="one"), models.Note(text="two")
    await store(database, one, two)
    async with Session(database) as session:
        first = await session.get_one(models.Note, one.id)
        second = await session.get_one(models.Note, two.id)
        first.text = "uno"
        session.delete(first)
        await session.flush()
        session.delete(second)
        await session.rollback()

        assert (state(first), state(second)) == (State.PERSISTENT, State.PERSISTENT)
        assert first.text == "one"
        assert session.deleted == session.dirty == set()
        assert await session.get_one(models.Note, one.id) is first
        first.text = "a"
        second.text = "b"
        await session.commit()

    assert await rows(database, models.Note.text) == [("a",), ("b",)]


async def test_added_again_after_a_flushed_delete_then_rolled_back(
    database: Database, models: ModuleType
) -> None:
    """Delete and insert of one object cancel out in a rollback: the row stands, the object too."""
    author = models.Author(email="a@x.org", name="Ann")
    await store(database, author)
    async with Session(database) as session:
        found = await session.get_one(models.Author, author.id)
        found.name = "Bob"
        await session.flush()
        session.delete(found)
        await session.flush()
        session.add(found)
        found.name = "Cy"
        await session.flush()

        assert state(found) is State.PERSISTENT
        await session.rollback()

        assert state(found) is State.PERSISTENT
        assert (found.name, found.version) == ("Ann", 1)
        assert session.dirty == set()
        assert await session.get_one(models.Author, author.id) is found
        found.name = "Di"
        await session.commit()

    assert await rows(database, models.Author.name, models.Author.version) == [("Di", 2)]


async def test_new_flushed_deleted_flushed_rolled_back(
    database: Database, models: ModuleType
) -> None:
    """An object inserted and deleted in one transaction is just an object after its rollback."""
    note = models.Note(text="a")
    async with Session(database) as session:
        session.add(note)
        await session.flush()
        session.delete(note)
        await session.flush()
        await session.rollback()

        assert state(note) is State.TRANSIENT
        assert note.id is None
        session.add(note)
        await session.commit()

    assert await rows(database, models.Note.text) == [("a",)]


async def test_rollback_of_expunged_objects(database: Database, models: ModuleType) -> None:
    """An object that left the session stays out of it, whatever is rolled back."""
    stored = models.Note(text="a")
    await store(database, stored)
    async with Session(database) as session:
        found = await session.get_one(models.Note, stored.id)
        found.text = "b"
        new = models.Note(text="n")
        session.add(new)
        await session.flush()
        session.expunge(found)
        session.expunge(new)
        await session.rollback()

        assert found not in session
        assert new not in session
        assert list(session) == []
        assert state(found) is State.DETACHED
        assert state(new) is State.TRANSIENT
        assert new.id is None
        # Its UPDATE was rolled back, so what was written is a change again.
        assert changes(found) == {"text": ("a", "b")}
    async with Session(database) as session:
        session.add_all([found, new])
        await session.commit()

    assert await rows(database, models.Note.text) == [("b",), ("n",)]


async def test_rollback_after_clear(database: Database, models: ModuleType) -> None:
    """`clear` in a transaction lets go of what was flushed; a rollback does not bring it back."""
    stored = models.Note(text="a")
    await store(database, stored)
    async with Session(database) as session:
        found = await session.get_one(models.Note, stored.id)
        found.text = "b"
        new = models.Note(text="n")
        session.add(new)
        await session.flush()
        session.clear()
        await session.rollback()

        assert list(session) == []
        assert session.dirty == session.new == set()
        assert (await session.get_one(models.Note, stored.id)).text == "a"
        assert state(new) is State.TRANSIENT
        assert new.id is None


async def test_refresh_of_flushed_changes_then_rollback(
    database: Database, models: ModuleType
) -> None:
    """What `refresh` reads of the transaction's own writes goes with its rollback."""
    stored = models.Author(email="a@x.org", name="Ann")
    await store(database, stored)
    async with Session(database) as session:
        found = await session.get_one(models.Author, stored.id)
        found.name = "Bob"
        await session.flush()
        await session.refresh(found)

        assert (found.name, found.version) == ("Bob", 2)
        await session.rollback()

        assert (found.name, found.version) == ("Ann", 1)
        found.name = "Cy"
        await session.commit()

    assert await rows(database, models.Author.name, models.Author.version) == [("Cy", 2)]


async def test_expired_after_a_flush_then_rollback(database: Database, models: ModuleType) -> None:
    """An object flushed and expired in a transaction shows nothing of it after the rollback."""
    stored = models.Note(text="a", rank=1)
    await store(database, stored)
    async with Session(database) as session:
        found = await session.get_one(models.Note, stored.id)
        found.text = "b"
        await session.flush()
        session.expire(found)
        await session.rollback()

        assert found.text == "a"
        await session.refresh(found)

        assert (found.text, found.rank) == ("a", 1)
        assert session.dirty == set()


async def test_loaded_again_after_expiry_then_rollback(
    database: Database, models: ModuleType
) -> None:
    """Values read from the transaction's own writes are not taken for committed ones."""
    stored = models.Note(text="a", rank=1)
    await store(database, stored)
    async with Session(database) as session:
        found = await session.get_one(models.Note, stored.id)
        found.text = "b"
        found.rank = 2
        await session.flush()
        session.clear()
        again = await session.get_one(models.Note, stored.id)

        assert again.text == "b"
        again.rank = 3
        await session.rollback()

        assert session.dirty == set()
        with pytest.raises(NotLoadedError):
            _ = again.text
        await session.refresh(again)

        assert (again.text, again.rank) == ("a", 1)


@pytest.mark.needs("relations")
async def test_what_the_store_carried_on_is_rolled_back(
    database: Database, models: ModuleType
) -> None:
    """Objects read after a delete that the store carries on show nothing of it afterwards."""
    author = models.Author(email="a@x.org", name="Ann")
    await store(database, author)
    await store(database, models.Book(author_id=author.id, title="t"), models.Note(text="n"))
    async with Session(database) as session:
        session.delete(await session.get_one(models.Author, author.id))
        await session.flush()

        assert await session.find(models.Book).to_list() == []
        note = await session.find(models.Note).one()
        await session.rollback()

        assert (await session.find(models.Book).one()).title == "t"
        assert note.text == "n"  # a table that the delete could not reach


@pytest.mark.needs("numbered_keys")
async def test_what_the_store_let_go_of_is_rolled_back(
    database: Database, models: ModuleType
) -> None:
    """A field that ON DELETE SET NULL emptied, read so, is not taken for empty afterwards."""
    await store(database, models.Note(id=1, text="n"), models.Bookmark(id=1, note_id=1))
    async with Session(database) as session:
        session.delete(await session.get_one(models.Note, 1))
        await session.flush()
        bookmark = await session.get_one(models.Bookmark, 1)

        assert bookmark.note_id is None
        await session.rollback()

        with pytest.raises(NotLoadedError):
            _ = bookmark.note_id
        await session.refresh(bookmark)

        assert bookmark.note_id == 1


@pytest.mark.needs("locks")
async def test_lock_then_rollback(database: Database, models: ModuleType) -> None:
    """A lock wrote nothing, so a rollback leaves what was read with it as it is."""
    await store(database, models.Note(text="a"))
    async with Session(database) as session:
        note = await session.find(models.Note).for_update().one()
        await session.rollback()

        assert note.text == "a"


async def test_failed_flush_keeps_what_was_written_to_objects_in_doubt(
    database: Database, models: ModuleType
) -> None:
    """A field the user wrote stays written, whatever the failed transaction showed around it."""
    await store(database, models.Note(text="a"), models.Slot(id=1, position=1))
    async with Session(database) as session:
        note = await session.find(models.Note).one()
        note.text = "b"
        await session.flush()
        session.expunge(note)
        again = await session.find(models.Note).one()

        assert again.text == "b"
        again.rank = 3
        clash = models.Slot(id=2, position=1)
        session.add(clash)
        with pytest.raises(ConstraintError):
            await session.commit()

        assert session.dirty == {again}
        assert again.rank == 3
        with pytest.raises(NotLoadedError):
            _ = again.text
        clash.position = 2
        await session.commit()

    assert await rows(database, models.Note.text, models.Note.rank) == [("a", 3)]
    assert await rows(database, models.Slot.id) == [(1,), (2,)]


@pytest.mark.needs("sql")
async def test_raw_sql_then_rollback(database: Database, models: ModuleType) -> None:
    """Objects read after raw SQL show nothing of it after the rollback."""
    stored = models.Note(text="a")
    await store(database, stored)
    async with Session(database) as session:
        await session.execute(sql("UPDATE notes SET text = {text}", text="raw"))
        found = await session.get_one(models.Note, stored.id)

        assert found.text == "raw"
        await session.rollback()

        with pytest.raises(NotLoadedError):
            _ = found.text
        await session.refresh(found)

        assert found.text == "a"


@pytest.mark.parametrize("is_set", [False, True])
async def test_list_read_after_a_flush_of_another_field(
    database: Database, models: ModuleType, is_set: bool
) -> None:
    """A list first read between two flushes is what it was after the rollback of both."""
    stored = models.Author(email="a@x.org", name="Ann", tags=["x"])
    await store(database, stored)
    async with Session(database) as session:
        author = await session.get_one(models.Author, stored.id)
        author.name = "Bob"
        await session.flush()
        author.tags.append("y")
        await session.flush()
        if is_set:
            author.tags = ["z"]
        author.name = "Cy"
        await session.rollback()

        assert (author.name, author.tags) == ("Ann", ["x"])
        assert session.dirty == set()
        author.tags.append("y")
        await session.commit()

    assert await rows(database, models.Author.name, models.Author.tags) == [("Ann", ["x", "y"])]


async def test_list_set_to_what_was_flushed_and_undone(
    database: Database, models: ModuleType
) -> None:
    """A list that equals what an undone flush wrote differs from the store, and is written."""
    stored = models.Author(email="a@x.org", name="Ann", tags=["x"])
    await store(database, stored, models.Slot(id=1, position=1))
    async with Session(database) as session:
        author = await session.get_one(models.Author, stored.id)
        author.tags.append("y")
        await session.flush()
        author.tags = ["x", "y", "z"]
        clash = models.Slot(id=2, position=1)
        session.add(clash)
        with pytest.raises(ConstraintError):
            await session.flush()
        author.tags = ["x", "y"]

        assert changes(author) == {"tags": (["x"], ["x", "y"])}
        clash.position = 2
        await session.commit()

    assert await rows(database, models.Author.tags) == [(["x", "y"],)]


@pytest.mark.needs("savepoints")
async def test_list_read_again_by_a_lock_and_undone(database: Database, models: ModuleType) -> None:
    """A list read anew of a flush that is undone is still compared with what the store holds."""
    stored = models.Author(email="a@x.org", name="Ann", tags=["x"])
    await store(database, stored, models.Slot(id=1, position=1))
    async with Session(database) as session:
        author = await session.get_one(models.Author, stored.id)
        author.tags.append("y")
        async with session.begin_nested():
            await session.flush()
            await session.find(models.Author).for_update().to_list()
            session.add(models.Slot(id=2, position=1))
            with pytest.raises(ConstraintError):
                await session.flush()

            assert changes(author) == {"tags": (["x"], ["x", "y"])}
            assert changes(author) == {"tags": (["x"], ["x", "y"])}  # looking changes nothing
            await session.rollback()

        assert author.tags == ["x"]


async def test_list_set_in_one_flush_and_changed_in_the_next(
    database: Database, models: ModuleType
) -> None:
    """A list that was replaced, flushed, changed in place and flushed is the first one again."""
    stored = models.Author(email="a@x.org", name="Ann", tags=["x"])
    await store(database, stored)
    async with Session(database) as session:
        author = await session.get_one(models.Author, stored.id)
        author.tags = ["y"]
        await session.flush()
        author.tags.append("z")
        await session.flush()
        await session.rollback()

        assert author.tags == ["x"]
        assert session.dirty == set()


@pytest.mark.needs("sql")
async def test_list_changed_on_what_is_deleted_and_rolled_back(
    database: Database, models: ModuleType
) -> None:
    """What was read of the transaction's own, changed and deleted is not taken for the store's."""
    stored = models.Author(email="a@x.org", name="Ann", tags=["x"])
    await store(database, stored)
    async with Session(database) as session:
        await session.execute(sql("UPDATE authors SET age = 5"))
        author = await session.get_one(models.Author, stored.id)
        author.name = "Bob"
        author.tags.append("y")
        session.delete(author)
        await session.flush()
        await session.rollback()

        for name in ("name", "tags", "age"):
            with pytest.raises(NotLoadedError):
                getattr(author, name)
        await session.refresh(author)

        assert state(author) is State.PERSISTENT
        assert (author.name, author.tags, author.age) == ("Ann", ["x"], None)
        assert session.dirty == set()


async def test_own_insert_read_again_and_rolled_back(
    database: Database, models: ModuleType
) -> None:
    """An object read of a row whose INSERT is undone has no row, and is not in the session."""
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        await session.flush()
        session.expunge(note)
        again = await session.get_one(models.Note, note.id)
        again.text = "b"

        assert again is not note
        await session.rollback()

        assert list(session) == []
        assert state(again) is State.DETACHED
        assert state(note) is State.TRANSIENT
        await session.commit()

    assert await rows(database, models.Note.id) == []


async def test_expired_after_a_flush_that_is_undone(database: Database, models: ModuleType) -> None:
    """What expired after a flush is no change when that flush is undone, and can be read again."""
    stored = models.Author(email="a@x.org", name="Ann", tags=["x"])
    await store(database, stored, models.Slot(id=1, position=1))
    async with Session(database) as session:
        author = await session.get_one(models.Author, stored.id)
        author.tags.append("y")
        await session.flush()
        session.expire(author)
        session.add(models.Slot(id=2, position=1))
        with pytest.raises(ConstraintError):
            await session.flush()

        assert session.dirty == set()
        await session.rollback()
        await session.refresh(author)

        assert author.tags == ["x"]


# -- bulk statements


@pytest.mark.needs("returning_update")
async def test_bulk_update_expires_the_affected(database: Database, models: ModuleType) -> None:
    """A bulk update expires the loaded objects it changed, and no others."""
    await store(
        database, *(models.Note(text=text, rank=number) for number, text in enumerate("ab"))
    )
    async with Session(database) as session:
        one, two = await session.find(models.Note).order_by(models.Note.rank).to_list()
        count = await session.find(models.Note, models.Note.rank == 0).update({"text": "z"})

        assert count == 1
        assert two.text == "b"
        with pytest.raises(NotLoadedError):
            _ = one.text
        await session.refresh(one)

        assert one.text == "z"
        await session.rollback()


async def test_bulk_update_rolled_back(database: Database, models: ModuleType) -> None:
    """A rollback gives the objects a bulk update expired what they held, read again or not."""
    await store(database, *(models.Author(email=f"{c}@x.org", name=c, tags=[c]) for c in "ab"))
    async with Session(database) as session:
        one, two = await session.find(models.Author).order_by(models.Author.name).to_list()
        await session.find(models.Author).update({"name": "z"}, all=True)
        await session.refresh(one)

        assert (one.name, one.version) == ("z", 2)
        await session.rollback()

        for author, name in ((one, "a"), (two, "b")):
            assert (author.name, author.tags, author.version) == (name, [name], 1)
        assert session.dirty == set()
        one.name = "c"
        await session.commit()

    assert await rows(database, models.Author.name, models.Author.version) == [("b", 1), ("c", 2)]


async def test_bulk_delete_detaches(database: Database, models: ModuleType) -> None:
    """Objects whose rows a bulk delete removed leave the session; a rollback brings them back."""
    await store(database, *(models.Note(text=text) for text in "ab"))
    async with Session(database) as session:
        one, two = await session.find(models.Note).order_by(models.Note.text).to_list()
        assert await session.find(models.Note, models.Note.text == "a").delete() == 1

        assert one not in session.deleted
        assert await session.get(models.Note, one.id) is None
        assert two in session
        await session.rollback()

        assert await session.get_one(models.Note, one.id) is one
        assert state(one) is State.PERSISTENT
        assert one.text == "a"
        await session.find(models.Note, models.Note.text == "a").delete()
        await session.commit()

        assert one not in session
        assert state(one) is State.DETACHED
        assert two in session

    assert await rows(database, models.Note.text) == [("b",)]


async def test_bulk_statement_refuses_unflushed_changes(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """A bulk statement would not see unflushed changes of its class, so it is refused before."""
    await store(database, models.Note(text="a"))
    async with Session(database) as session:
        note = await session.find(models.Note).one()
        sent.clear()

        async def refused() -> None:
            query = session.find(models.Note)
            with pytest.raises(QueryError, match="flush"):
                await query.update({"rank": 1}, all=True)
            with pytest.raises(QueryError, match="flush"):
                await query.delete(all=True)
            with pytest.raises(QueryError, match="flush"):
                await session.execute(update(models.Note).set(rank=1).all())
            assert sent == []

        note.text = "b"
        await refused()
        note.text = "a"
        session.delete(note)
        await refused()
        session.add(note)
        session.add(models.Order(id=1))  # another class is no obstacle
        await session.find(models.Note).update({"rank": 1}, all=True)
        await session.commit()

    assert await rows(database, models.Note.text, models.Note.rank) == [("a", 1)]
    assert await rows(database, models.Order.id) == [(1,)]


async def test_autoflush_flushes_before_bulk_and_queries(
    database: Database, models: ModuleType
) -> None:
    """`autoflush` writes first, so that queries and bulk statements see all there is."""
    async with Session(database, autoflush=True) as session:
        session.add(models.Note(text="a"))

        assert await session.find(models.Note).count() == 1
        session.add(models.Note(text="b"))

        assert await session.find(models.Note).update({"rank": 1}, all=True) == 2
        session.add(models.Note(text="c"))

        assert len(await session.find(models.Note).to_list()) == 3
        await session.commit()

    assert await rows(database, models.Note.text, models.Note.rank) == [
        ("a", 1),
        ("b", 1),
        ("c", 0),
    ]


# -- savepoints


@pytest.mark.needs("savepoints")
async def test_savepoint_is_rolled_back_alone(database: Database, models: ModuleType) -> None:
    """An exception in a nested block undoes what was done in it, in store and memory (U6)."""
    stored = models.Author(email="a@x.org", name="Ann", tags=["x"])
    doomed = models.Note(text="d")
    await store(database, stored, doomed)
    async with Session.begin(database) as session:
        author = await session.get_one(models.Author, stored.id)
        note = await session.get_one(models.Note, doomed.id)
        author.name = "flushed"
        await session.flush()
        author.age = 5
        author.tags.append("y")
        before = models.Note(text="before")
        session.add(before)
        with pytest.raises(KeyError):
            async with session.begin_nested():
                author.name = "inside"
                author.age = 6
                author.tags.append("z")
                inside = models.Note(text="inside")
                session.add(inside)
                session.delete(note)
                await session.flush()
                author.name = "unflushed"
                raise KeyError

        assert (author.name, author.age, author.tags) == ("flushed", 5, ["x", "y"])
        assert author.version == 2
        assert state(inside) is State.TRANSIENT
        assert inside.id is None
        assert state(before) is State.PENDING
        assert before.id is None
        assert state(note) is State.PERSISTENT
        assert session.dirty == {author}
        assert session.new == {before}
        assert session.deleted == set()

    assert await rows(database, models.Author.name, models.Author.age, models.Author.tags) == [
        ("flushed", 5, ["x", "y"])
    ]
    assert author.version == 3
    assert await rows(database, models.Note.text) == [("before",), ("d",)]


@pytest.mark.needs("savepoints")
async def test_savepoint_keeps_on_a_clean_exit(database: Database, models: ModuleType) -> None:
    """A clean exit flushes and keeps; the outer rollback still undoes all of it."""
    stored = models.Note(text="a")
    await store(database, stored)
    async with Session(database) as session:
        note = await session.get_one(models.Note, stored.id)
        async with session.begin_nested():
            note.text = "b"
            new = models.Note(text="n")
            session.add(new)

        assert new.id is not None
        assert session.dirty == set()
        await session.rollback()

        assert note.text == "a"
        assert state(new) is State.TRANSIENT
        assert new.id is None


@pytest.mark.needs("savepoints")
async def test_savepoint_rolled_back_by_hand(database: Database, models: ModuleType) -> None:
    """`savepoint.rollback()` goes back to the moment it was opened, and it goes on being used."""
    async with Session.begin(database) as session:
        note = models.Note(text="0")
        session.add(note)
        async with session.begin_nested() as savepoint:
            for text in "123":
                note.text = text
                await session.flush()

                assert note.id is not None
                await savepoint.rollback()

                assert note.text == "0"
                assert state(note) is State.PENDING
                assert note.id is None
            note.text = "4"

    assert await rows(database, models.Note.text) == [("4",)]


@pytest.mark.needs("savepoints")
async def test_nested_savepoints(database: Database, models: ModuleType) -> None:
    """Each savepoint restores to the moment it was opened, the outer one over the inner (U3)."""
    stored = models.Author(email="a@x.org", name="0")
    await store(database, stored)
    async with Session.begin(database) as session:
        author = await session.get_one(models.Author, stored.id)
        author.name = "1"
        async with session.begin_nested() as outer:
            author.name = "2"
            await session.flush()
            async with session.begin_nested() as inner:
                author.name = "3"
                await session.flush()
                await inner.rollback()

                assert (author.name, author.version) == ("2", 2)
                author.name = "4"
            assert author.version == 3
            await outer.rollback()

            assert (author.name, author.version) == ("1", 1)
            assert session.dirty == {author}
            async with session.begin_nested():
                author.name = "5"
            author.name = "6"

    assert await rows(database, models.Author.name, models.Author.version) == [("6", 3)]


@pytest.mark.needs("savepoints")
async def test_outer_rollback_inside_the_inner_block(
    database: Database, models: ModuleType
) -> None:
    """Rolling an outer savepoint back ends the inner one; its block says so, and leaves cleanly."""
    async with Session.begin(database) as session:
        note = models.Note(text="0")
        session.add(note)
        async with session.begin_nested() as outer:
            async with session.begin_nested() as inner:
                note.text = "1"
                await session.flush()
                await outer.rollback()

                assert note.text == "0"
                assert not inner.is_open
                with pytest.raises(ObjectStateError):
                    await inner.rollback()
            note.text = "2"

    assert await rows(database, models.Note.text) == [("2",)]


@pytest.mark.needs("savepoints")
async def test_failed_flush_in_a_savepoint(database: Database, models: ModuleType) -> None:
    """A failed flush rolls the innermost savepoint back, keeps what the user set, and repeats."""
    await store(database, models.Slot(id=1, position=1))
    async with Session.begin(database) as session:
        outside = models.Note(text="outside")
        session.add(outside)
        await session.flush()
        async with session.begin_nested():
            inside = models.Note(text="inside")
            clash = models.Slot(id=2, position=1)
            session.add(inside)
            await session.flush()
            session.add(clash)
            with pytest.raises(ConstraintError):
                await session.flush()

            assert session.in_transaction
            assert outside.id is not None
            assert session.new == {inside, clash}
            assert inside.id is None
            clash.position = 2
        assert session.new == set()

    assert await rows(database, models.Note.text) == [("inside",), ("outside",)]
    assert await rows(database, models.Slot.id) == [(1,), (2,)]


@pytest.mark.needs("savepoints")
async def test_failed_flush_at_the_end_of_a_savepoint(
    database: Database, models: ModuleType
) -> None:
    """A block whose last flush fails is undone, its error is raised, the transaction goes on."""
    await store(database, models.Slot(id=1, position=1))
    async with Session.begin(database) as session:
        note = models.Note(text="kept")
        session.add(note)
        with pytest.raises(ConstraintError):
            async with session.begin_nested():
                clash = models.Slot(id=2, position=1)
                session.add(clash)
        assert state(clash) is State.TRANSIENT
        assert session.new == {note}

    assert await rows(database, models.Note.text) == [("kept",)]


@pytest.mark.needs("savepoints")
async def test_objects_loaded_in_a_savepoint(database: Database, models: ModuleType) -> None:
    """An object loaded and changed inside of a savepoint is clean again when that is undone."""
    stored = models.Author(email="a@x.org", name="Ann", tags=["x"])
    await store(database, stored)
    async with Session.begin(database) as session:
        async with session.begin_nested() as savepoint:
            author = await session.get_one(models.Author, stored.id)
            author.name = "Bob"
            author.tags.append("y")
            await session.flush()
            author.name = "Cy"
            await savepoint.rollback()

            assert (author.name, author.tags, author.version) == ("Ann", ["x"], 1)
            assert session.dirty == set()
        author.name = "Di"

    assert await rows(database, models.Author.name, models.Author.version) == [("Di", 2)]


@pytest.mark.needs("savepoints")
async def test_bulk_statements_in_a_savepoint(database: Database, models: ModuleType) -> None:
    """What a bulk statement expired or detached in a savepoint comes back with its rollback."""
    await store(database, *(models.Note(text=text) for text in "ab"))
    async with Session.begin(database) as session:
        one, two = await session.find(models.Note).order_by(models.Note.text).to_list()
        async with session.begin_nested() as savepoint:
            await session.find(models.Note, models.Note.text == "a").update({"text": "z"})
            await session.find(models.Note, models.Note.text == "b").delete()
            await savepoint.rollback()

            assert (one.text, two.text) == ("a", "b")
            assert two in session
        one.text = "c"
        two.text = "d"

    assert await rows(database, models.Note.text) == [("c",), ("d",)]


@pytest.mark.needs("savepoints")
async def test_expunged_in_a_savepoint(database: Database, models: ModuleType) -> None:
    """A new object let go of in a savepoint waits again, as when the savepoint was opened."""
    async with Session.begin(database) as session:
        note = models.Note(text="a")
        session.add(note)
        async with session.begin_nested() as savepoint:
            await session.flush()
            session.expunge(note)
            await savepoint.rollback()

            assert await session.find(models.Note).to_list() == []
            assert session.new == {note}

    assert await rows(database, models.Note.text) == [("a",)]


@pytest.mark.needs("savepoints")
async def test_revived_before_and_deleted_in_a_savepoint(
    database: Database, models: ModuleType
) -> None:
    """U6: after the savepoint is undone the object still is one whose row was deleted before."""
    note = models.Note(text="n")
    await store(database, note)
    async with Session(database) as session:
        mine = await session.get_one(models.Note, note.id)
        session.delete(mine)
        await session.flush()
        session.add(mine)
        with pytest.raises(KeyError):
            async with session.begin_nested():
                session.delete(mine)
                raise KeyError
        assert state(mine) is State.PENDING
        session.delete(mine)
        assert state(mine) is State.DELETED
        await session.rollback()
        assert state(mine) is State.PERSISTENT
        assert mine in session


async def test_order_of_new_objects_after_a_failure(database: Database, models: ModuleType) -> None:
    """U6: objects of several flushes that are new again keep the order in which they were added."""
    taken = models.Author(email="taken@x.org", name="T")
    await store(database, taken)
    async with Session(database) as session:
        for number in range(3):
            session.add(models.Note(text=f"{number}"))
            await session.flush()
        clash = models.Author(email="taken@x.org", name="C")
        session.add_all([models.Note(text="3"), clash])
        with pytest.raises(ConstraintError):
            await session.commit()
        clash.email = "free@x.org"
        session.add(models.Note(text="4"))
        await session.commit()

    stored = await rows(database, models.Note.id, models.Note.text)
    assert [text for _, text in stored] == ["0", "1", "2", "3", "4"]


async def test_many_objects_written_in_several_fields(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """U2, U6: one statement a set of fields; a field set back is not written; all can be undone."""
    await store(database, *(models.Note(text=f"{n}", rank=n) for n in range(30)))
    async with Session(database) as session:
        notes = await session.find(models.Note).order_by(models.Note.id).to_list()
        for number, note in enumerate(notes):
            if number % 3 != 1:
                note.text += "!"
            if number % 3 != 0:
                note.rank += 100
        for note in notes[:3]:
            note.rank, note.text = note.rank % 100, note.text.rstrip("!")
        sent.clear()
        await session.flush()
        assert set(sent.writes) == {"UPDATE"}
        assert not session.dirty
        await session.rollback()
        assert [(note.text, note.rank) for note in notes] == [(f"{n}", n) for n in range(30)]
        assert not session.dirty

        for note in notes:
            note.text, note.rank = "x", -1
        notes[4].text = None
        with pytest.raises(ValidationError, match=r"Note\.text"):
            await session.commit()
        assert session.dirty == set(notes)
        assert changes(notes[3]) == {"text": ("3", "x"), "rank": (3, -1)}
        notes[4].text = "4"
        notes[5].text, notes[5].rank = "5", 5
        session.expunge(notes[6])
        await session.commit()
        notes[6].rank = -6
        assert changes(notes[6]) == {"text": ("6", "x"), "rank": (6, -6)}

    stored = dict(await pairs(database, models))
    assert [stored.pop(n) for n in (4, 5, 6)] == [("4", -1), ("5", 5), ("6", 6)]
    assert set(stored.values()) == {("x", -1)}


async def pairs(database: Database, models: ModuleType) -> list[tuple[int, tuple[str, int]]]:
    """What is stored, by the number each note was made with."""
    async with Session(database) as session:
        notes = await session.find(models.Note).order_by(models.Note.id).to_list()
        return [(number, (note.text, note.rank)) for number, note in enumerate(notes)]


@pytest.mark.needs("savepoints")
async def test_deleted_before_and_revived_in_a_savepoint(
    database: Database, models: ModuleType
) -> None:
    """A savepoint restores what was marked for deletion when it was opened."""
    stored = models.Note(text="a")
    await store(database, stored)
    async with Session.begin(database) as session:
        note = await session.get_one(models.Note, stored.id)
        note.text = "b"
        session.delete(note)
        async with session.begin_nested() as savepoint:
            session.add(note)
            note.text = "c"
            await session.flush()
            await savepoint.rollback()

            assert session.deleted == {note}
            assert state(note) is State.DELETED
            assert note.text == "b"

    assert await rows(database, models.Note.text) == []


@pytest.mark.needs("savepoints")
async def test_changed_before_and_deleted_in_a_savepoint(
    database: Database, models: ModuleType
) -> None:
    """An object changed before a savepoint and deleted in it is changed again, not deleted."""
    stored = models.Author(email="a@x.org", name="Ann", tags=["x"])
    await store(database, stored)
    async with Session.begin(database) as session:
        author = await session.get_one(models.Author, stored.id)
        author.name = "Bob"
        author.tags.append("y")
        new = models.Note(text="n")
        session.add(new)
        async with session.begin_nested() as savepoint:
            for flushes in range(3):
                session.delete(author)
                if flushes:
                    await session.flush()
                session.delete(new)
                if flushes > 1:
                    await session.flush()
                await savepoint.rollback()

                assert changes(author) == {"name": ("Ann", "Bob"), "tags": (["x"], ["x", "y"])}
                assert session.dirty == {author}
                assert session.new == {new}
                assert author.version == 1
                assert await session.get_one(models.Author, stored.id) is author

    assert await rows(database, models.Author.name, models.Author.tags) == [("Bob", ["x", "y"])]
    assert await rows(database, models.Note.text) == [("n",)]


@pytest.mark.needs("savepoints")
async def test_rollback_with_open_savepoints(database: Database, models: ModuleType) -> None:
    """A rollback of the session undoes every savepoint, and their blocks leave cleanly."""
    stored = models.Author(email="a@x.org", name="Ann")
    await store(database, stored)
    async with Session(database) as session:
        author = await session.get_one(models.Author, stored.id)
        async with session.begin_nested():
            author.name = "Bob"
            async with session.begin_nested():
                author.age = 3
                await session.flush()
                await session.rollback()

                assert (author.name, author.age, author.version) == ("Ann", None, 1)
                assert not session.in_transaction
        author.name = "Cy"
        await session.commit()

    assert await rows(database, models.Author.name, models.Author.version) == [("Cy", 2)]


@pytest.mark.needs("savepoints")
async def test_commit_in_a_nested_block(database: Database, models: ModuleType) -> None:
    """`commit` inside of a nested block is refused, and nothing is lost by that."""
    async with Session(database) as session:
        async with session.begin_nested():
            session.add(models.Note(text="a"))
            with pytest.raises(ObjectStateError, match="begin_nested"):
                await session.commit()
        await session.commit()

    assert await rows(database, models.Note.text) == [("a",)]


async def test_versions_show_what_was_written(database: Database, models: ModuleType) -> None:
    """Between flush and commit a version shows what was written; a rollback puts it back."""
    stored = models.Author(email="a@x.org", name="Ann")
    await store(database, stored)
    async with Session(database) as session:
        author = await session.get_one(models.Author, stored.id)
        for number, name in enumerate("xyz", 2):
            author.name = name
            await session.flush()

            assert author.version == number
        await session.rollback()

        assert author.version == 1


@pytest.mark.needs("composite_keys")
async def test_generated_values_are_rolled_back(database: Database, models: ModuleType) -> None:
    """What the store computed in a transaction goes with its rollback."""
    await store(database, models.Order(id=1), models.Line(order_id=1, no=1, quantity=2, price=3))
    async with Session(database) as session:
        line = await session.get_one(models.Line, (1, 1))
        line.price = 10
        await session.flush()

        assert line.total == 20
        await session.rollback()

        assert (line.price, line.total) == (3, 6)


async def test_rollback_of_a_vanished_object(database: Database, models: ModuleType) -> None:
    """A session whose object vanished from the store is right again after a rollback."""
    stored = models.Note(text="a")
    await store(database, stored)
    async with Session(database) as session:
        note = await session.get_one(models.Note, stored.id)
        async with Session.begin(database) as other:
            await other.find(models.Note).delete(all=True)
        note.text = "b"
        with pytest.raises(StaleObjectError) as caught:
            await session.commit()

        assert caught.value.objects == (note,)
        assert session.dirty == {note}
        await session.rollback()

        assert note.text == "a"
        with pytest.raises(NotFoundError):
            await session.refresh(note)
        await session.commit()


async def test_deleted_over_and_over(database: Database, models: ModuleType) -> None:
    """A row that was deleted and stored again, twice, is to be deleted again if that fails."""
    author, other = (models.Author(email=f"{c}@x.org", name=c) for c in "ab")
    await store(database, author, other)
    async with Session(database) as session:
        found = await session.get_one(models.Author, author.id)
        for _ in range(2):
            session.delete(found)
            await session.flush()
            session.add(found)
            await session.flush()
        session.delete(found)
        await session.flush()
        session.add(models.Author(email="b@x.org", name="again"))
        with pytest.raises(ConstraintError):
            await session.flush()

        assert session.deleted == {found}
        await session.rollback()
        assert state(found) is State.PERSISTENT
        assert found in session


@pytest.mark.needs("savepoints")
async def test_added_again_in_a_savepoint(database: Database, models: ModuleType) -> None:
    """A deleted object that was added again, changed and stored is as it was before, deleted."""
    author = models.Author(email="a@x.org", name="Ann", tags=["x"])
    await store(database, author)
    async with Session(database) as session:
        found = await session.get_one(models.Author, author.id)
        session.delete(found)
        await session.flush()
        async with session.begin_nested() as savepoint:
            session.add(found)
            found.name = "Bob"
            found.tags.append("y")
            await session.flush()
            await savepoint.rollback()

            assert (found.name, found.tags) == ("Ann", ["x"])
        assert state(found) is State.DELETED
        await session.rollback()
        assert (found.name, found.tags) == ("Ann", ["x"])
