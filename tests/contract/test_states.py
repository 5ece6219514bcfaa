"""What a session does with objects: states, the sets, and the verbs that move objects."""

from __future__ import annotations

import gc
import warnings
import weakref
from types import ModuleType

import pytest

from tests.contract.sent import Sent, rows
from uow import (
    Database,
    InvalidUnitError,
    NotFoundError,
    NotLoadedError,
    ObjectStateError,
    Session,
    SessionClosedError,
    StaleObjectError,
    State,
    UncommittedChangesWarning,
    changes,
    state,
    update,
)

pytestmark = pytest.mark.anyio


async def test_states_of_a_life(database: Database, models: ModuleType) -> None:
    """An object is transient, pending, persistent, deleted, detached, in this order (U1)."""
    note = models.Note(text="a")
    seen = [state(note)]
    async with Session(database) as session:
        session.add(note)
        seen.append(state(note))
        await session.commit()
        seen.append(state(note))
        session.delete(note)
        seen.append(state(note))
        await session.commit()
        seen.append(state(note))

    assert seen == [
        State.TRANSIENT,
        State.PENDING,
        State.PERSISTENT,
        State.DELETED,
        State.DETACHED,
    ]


async def test_sets_say_what_a_flush_would_do(database: Database, models: ModuleType) -> None:
    """`new`, `dirty` and `deleted` are what waits, and are empty after the flush (U1)."""
    async with Session(database) as session:
        one, two = models.Note(text="one"), models.Note(text="two")
        session.add_all([one, two])
        await session.flush()

        assert session.new == session.dirty == session.deleted == set()

        three = models.Note(text="three")
        session.add(three)
        one.text = "uno"
        session.delete(two)

        assert session.new == {three}
        assert session.dirty == {one}
        assert session.deleted == {two}

        await session.flush()

        assert session.new == session.dirty == session.deleted == set()
        await session.rollback()


async def test_sets_are_read_only(database: Database) -> None:
    """The sets show, they cannot be changed (U1)."""
    async with Session(database) as session:
        for found in (session.new, session.dirty, session.deleted):
            assert isinstance(found, frozenset)


async def test_is_modified_and_changes(database: Database, models: ModuleType) -> None:
    """`is_modified` and `changes` name what differs from the store, with the old value (U2)."""
    async with Session(database) as session:
        note = models.Note(text="a", rank=1)

        assert changes(note) == {}

        session.add(note)
        await session.commit()

        assert not session.is_modified(note)

        note.text = "b"
        note.rank = 2

        assert session.is_modified(note)
        assert changes(note) == {"text": ("a", "b"), "rank": (1, 2)}

        note.rank = 1

        assert changes(note) == {"text": ("a", "b")}
        await session.commit()

        assert changes(note) == {}
        assert not session.is_modified(note)


async def test_contains_and_iteration(database: Database, models: ModuleType) -> None:
    """`in` and iteration know stored and new objects of this session only (U1)."""
    async with Session(database) as session:
        stored, new, other = (models.Note(text=text) for text in "abc")
        session.add(stored)
        await session.commit()
        session.add(new)

        assert stored in session
        assert new in session
        assert other not in session
        assert set(session) == {stored, new}
        session.expunge(new)


async def test_add_twice_is_one_insert(database: Database, models: ModuleType, sent: Sent) -> None:
    """Adding what is there changes nothing (U1)."""
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        session.add(note)
        session.add_all([note, note])
        await session.commit()
        session.add(note)
        await session.commit()

    assert sent.writes == ["INSERT"]
    assert await rows(database, models.Note.text) == [("a",)]


async def test_modified_and_added_again(database: Database, models: ModuleType) -> None:
    """Trap 13: an object that is changed and added again is still written."""
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        await session.commit()
        note.text = "b"
        session.add(note)
        await session.commit()

    assert await rows(database, models.Note.text) == [("b",)]


async def test_change_after_commit_is_written(database: Database, models: ModuleType) -> None:
    """Trap 13: objects are tracked after a commit as before it, again and again."""
    async with Session(database) as session:
        note = models.Note(text="0")
        session.add(note)
        await session.commit()
        for text in "123":
            note.text = text
            await session.commit()

            assert await rows(database, models.Note.text) == [(text,)]


async def test_expire_refuses_changes(database: Database, models: ModuleType) -> None:
    """Trap 13: expiring a changed object is refused, unless its changes are given up by name."""
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        await session.commit()
        note.text = "b"

        with pytest.raises(ObjectStateError, match="discard=True"):
            session.expire(note)

        assert note.text == "b"
        session.expire(note, discard=True)

        assert session.dirty == set()
        with pytest.raises(NotLoadedError):
            _ = note.text

        await session.refresh(note)

        assert note.text == "a"


async def test_expire_and_refresh(database: Database, models: ModuleType) -> None:
    """An expired object keeps its key and identity; `refresh` and reading it load it again."""
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        await session.commit()
        key = note.id
        session.expire(note)

        assert note.id == key
        assert state(note) is State.PERSISTENT
        with pytest.raises(NotLoadedError, match=r"Note\.text.*refresh"):
            _ = note.text

        async with Session(database) as other:
            await other.execute(update(models.Note).set(text="b").all())
            await other.commit()

        assert await session.find(models.Note).to_list() == [note]
        assert note.text == "b"


async def test_get_of_an_expired_object(database: Database, models: ModuleType) -> None:
    """`get` of an expired object gives that object, loaded."""
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        await session.commit()
        session.expire(note)

        assert await session.get_one(models.Note, note.id) is note
        assert note.text == "a"


async def test_writing_to_an_expired_object(database: Database, models: ModuleType) -> None:
    """A field of an expired object may be written without reading it, and is sent."""
    async with Session(database) as session:
        note = models.Note(text="a", rank=1)
        session.add(note)
        await session.commit()
        session.expire(note)
        note.text = "b"
        await session.commit()

        assert note.text == "b"
        with pytest.raises(NotLoadedError):
            _ = note.rank

    assert await rows(database, models.Note.text, models.Note.rank) == [("b", 1)]


async def test_writing_to_an_expired_object_with_a_version(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """Without its version an object cannot be checked, so it must be read before it is written."""
    async with Session(database) as session:
        author = models.Author(email="a@x.org", name="Ann")
        session.add(author)
        await session.commit()
        session.expire(author)
        author.name = "Bob"
        sent.clear()
        with pytest.raises(InvalidUnitError, match=r"Author\.version.*refresh") as caught:
            await session.commit()

        assert caught.value.objects == (author,)
        assert sent == []
        await session.refresh(author)
        author.name = "Cy"
        await session.commit()

    assert await rows(database, models.Author.name) == [("Cy",)]


async def test_refresh_drops_changes(database: Database, models: ModuleType) -> None:
    """Trap 18: `refresh` reads the row and leaves no stale tracker behind."""
    async with Session(database) as session:
        author = models.Author(email="a@x.org", name="Ann", tags=["x"])
        session.add(author)
        await session.commit()
        author.name = "Bob"
        author.tags.append("y")
        await session.refresh(author)

        assert (author.name, author.tags) == ("Ann", ["x"])
        assert session.dirty == set()
        assert changes(author) == {}

        author.tags.append("z")
        author.name = "Cy"
        await session.commit()

    assert await rows(database, models.Author.name, models.Author.tags) == [("Cy", ["x", "z"])]


async def test_refresh_of_a_vanished_row(database: Database, models: ModuleType) -> None:
    """`refresh` of an object whose row is gone is a `NotFoundError`."""
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        await session.commit()
        async with Session.begin(database) as other:
            await other.find(models.Note).delete(all=True)

        with pytest.raises(NotFoundError):
            await session.refresh(note)


@pytest.mark.parametrize("verb", ["refresh", "expire"])
async def test_only_stored_objects_are_read_again(
    database: Database, models: ModuleType, verb: str
) -> None:
    """`refresh` and `expire` refuse new, deleted and foreign objects, before anything is sent."""
    foreign = models.Note(text="f")
    async with Session(database) as session:
        new, deleted = models.Note(text="n"), models.Note(text="d")
        session.add(deleted)
        await session.commit()
        session.delete(deleted)
        session.add(new)
        for obj in (new, deleted, foreign):
            with pytest.raises(ObjectStateError):
                if verb == "refresh":
                    await session.refresh(obj)
                else:
                    session.expire(obj)

        await session.commit()

    assert await rows(database, models.Note.text) == [("n",)]


async def test_delete_of_a_new_object(database: Database, models: ModuleType, sent: Sent) -> None:
    """Deleting an object that was never written just lets go of it."""
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        session.delete(note)

        assert state(note) is State.TRANSIENT
        assert note not in session

        await session.commit()

    assert sent == []


async def test_deleted_and_added_again_before_the_flush(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """`add` after `delete` makes an object alive again, with the changes it had."""
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        await session.commit()
        note.text = "b"
        session.delete(note)
        session.add(note)

        assert state(note) is State.PERSISTENT
        assert session.dirty == {note}

        sent.clear()
        await session.commit()

    assert sent.writes == ["UPDATE"]
    assert await rows(database, models.Note.text) == [("b",)]


async def test_deleted_and_added_again_after_the_flush(
    database: Database, models: ModuleType
) -> None:
    """`add` after a flushed delete inserts the row again, under its key."""
    async with Session(database) as session:
        author = models.Author(email="a@x.org", name="Ann")
        session.add(author)
        await session.commit()
        key = author.id
        session.delete(author)
        await session.flush()

        assert author not in session.deleted
        assert await session.get(models.Author, key) is None

        session.add(author)

        assert state(author) is State.PENDING
        await session.commit()

        assert author.id == key
        assert await session.get_one(models.Author, key) is author

    assert await rows(database, models.Author.id, models.Author.name) == [(key, "Ann")]


async def test_deleted_committed_and_added_again(database: Database, models: ModuleType) -> None:
    """An object whose deletion was committed is new when it is added again, in any session."""
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        await session.commit()
        session.delete(note)
        await session.commit()

        assert note not in session
        assert state(note) is State.DETACHED
    async with Session(database) as session:
        session.add(note)

        assert state(note) is State.PENDING
        await session.commit()

    assert await rows(database, models.Note.text) == [("a",)]


async def test_expunge(database: Database, models: ModuleType, sent: Sent) -> None:
    """`expunge` lets go of an object; it keeps its changes, and nothing is written."""
    async with Session(database) as session:
        stored, new = models.Note(text="a"), models.Note(text="b")
        session.add(stored)
        await session.commit()
        session.add(new)
        stored.text = "c"
        sent.clear()
        session.expunge(stored)
        session.expunge(new)

        assert state(stored) is State.DETACHED
        assert state(new) is State.TRANSIENT
        assert changes(stored) == {"text": ("a", "c")}
        await session.commit()

        assert sent == []
        assert await session.get(models.Note, stored.id) is not stored

    async with Session(database) as session:
        session.add(stored)

        assert session.dirty == {stored}
        await session.commit()

    assert await rows(database, models.Note.text) == [("c",)]


async def test_expunge_refuses_what_is_not_here(database: Database, models: ModuleType) -> None:
    """Only an object of the session can be let go of."""
    async with Session(database) as session:
        with pytest.raises(ObjectStateError):
            session.expunge(models.Note(text="a"))


async def test_clear(database: Database, models: ModuleType, sent: Sent) -> None:
    """`clear` lets go of everything, and writes nothing."""
    async with Session(database) as session:
        stored = models.Note(text="a")
        session.add(stored)
        await session.commit()
        new, doomed = models.Note(text="b"), models.Note(text="d")
        session.add(new)
        stored.text = "c"
        sent.clear()
        session.clear()

        assert list(session) == []
        assert (state(stored), state(new)) == (State.DETACHED, State.TRANSIENT)
        assert changes(stored) == {"text": ("a", "c")}

        session.add(doomed)
        await session.commit()

        assert sent.writes == ["INSERT"]
        again = await session.get_one(models.Note, stored.id)

        assert again is not stored
        assert again.text == "a"


async def test_objects_outlive_their_session(database: Database, models: ModuleType) -> None:
    """After its session an object is readable, tracks, and is taken up with its changes."""
    async with Session(database) as session:
        author = models.Author(email="a@x.org", name="Ann", tags=["x"])
        session.add(author)
        await session.commit()
    author.name = "Bob"

    assert state(author) is State.DETACHED
    assert author.tags == ["x"]
    assert changes(author) == {"name": ("Ann", "Bob")}

    author.tags.append("y")
    async with Session(database) as session:
        session.add(author)

        assert session.dirty == {author}
        await session.commit()

    assert await rows(database, models.Author.name, models.Author.tags) == [("Bob", ["x", "y"])]


async def test_delete_of_a_detached_object(database: Database, models: ModuleType) -> None:
    """A detached object can be deleted by another session."""
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        await session.commit()
    async with Session(database) as session:
        session.delete(note)

        assert session.deleted == {note}
        await session.commit()

    assert await rows(database, models.Note.text) == []


async def test_delete_of_what_was_never_stored(database: Database, models: ModuleType) -> None:
    """There is nothing to delete of a transient object, and it is said."""
    async with Session(database) as session:
        with pytest.raises(ObjectStateError, match="never stored"):
            session.delete(models.Note(text="a"))


async def test_merge_of_a_detached_object(database: Database, models: ModuleType) -> None:
    """`merge` copies values onto the object of this session, and leaves the given one alone."""
    async with Session(database) as session:
        given = models.Note(text="a", rank=1)
        session.add(given)
        await session.commit()
    given.text = "b"
    async with Session(database) as session:
        merged = await session.merge(given)

        assert merged is not given
        assert merged is await session.get(models.Note, given.id)
        assert changes(merged) == {"text": ("a", "b")}
        assert given not in session
        await session.commit()

    assert state(given) is State.DETACHED
    assert await rows(database, models.Note.text, models.Note.rank) == [("b", 1)]


async def test_merge_of_new_objects(database: Database, models: ModuleType) -> None:
    """`merge` of an object without a row adds a copy of it; of one that is here, gives that."""
    async with Session(database) as session:
        keyed = await session.merge(models.Order(id=5, customer="x"))
        keyless = await session.merge(models.Note(text="a"))

        assert session.new == {keyed, keyless}
        assert await session.merge(keyed) is keyed
        await session.commit()

        assert await session.merge(keyed) is keyed

    assert await rows(database, models.Order.id) == [(5,)]
    assert await rows(database, models.Note.text) == [("a",)]


async def test_merge_of_an_older_version(database: Database, models: ModuleType) -> None:
    """`merge` refuses an object whose version is not the one in the session."""
    async with Session(database) as session:
        given = models.Author(email="a@x.org", name="Ann")
        session.add(given)
        await session.commit()
    async with Session(database) as session:
        author = await session.get_one(models.Author, given.id)
        author.name = "Bob"
        await session.commit()
        given.name = "Cy"
        with pytest.raises(StaleObjectError) as caught:
            await session.merge(given)

        assert caught.value.objects == (author,)
        assert author.name == "Bob"
        assert session.dirty == set()


async def test_merge_copies_mutable_values(database: Database, models: ModuleType) -> None:
    """What is merged shares no list with what was given (trap 33)."""
    given = models.Author(email="a@x.org", name="Ann", tags=["x"])
    async with Session(database) as session:
        merged = await session.merge(given)
        given.tags.append("y")

        assert merged.tags == ["x"]
        await session.commit()
    merged.tags = ["z"]
    async with Session(database) as session:
        target = await session.merge(merged)
        merged.tags.append("y")

        assert target.tags == ["z"]
        await session.commit()


async def test_leaving_without_commit_warns_and_rolls_back(
    database: Database, models: ModuleType
) -> None:
    """Leaving a session with unwritten changes warns, and nothing is stored."""
    note = models.Note(text="a")
    with pytest.warns(UncommittedChangesWarning):  # noqa: PT031 - it is the block that warns
        async with Session(database) as session:
            session.add(note)
            await session.flush()

    assert await rows(database, models.Note.text) == []
    assert state(note) is State.TRANSIENT
    assert note.id is None


async def test_leaving_with_an_exception_does_not_warn(
    database: Database, models: ModuleType
) -> None:
    """An exception out of the block rolls back and is what the user sees, alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(KeyError):
            async with Session(database) as session:
                session.add(models.Note(text="a"))
                await session.flush()
                raise KeyError

    assert await rows(database, models.Note.text) == []


@pytest.mark.needs("numbered_keys")
async def test_a_session_is_entered_once(database: Database, models: ModuleType) -> None:
    """A session must be entered before use, once, and is over after its block."""
    session = Session(database)
    with pytest.raises(SessionClosedError, match="async with"):
        await session.get(models.Note, 1)
    async with session:
        pass
    with pytest.raises(SessionClosedError):
        async with session:
            pass
    assert session.is_closed


async def test_dirty_object_is_never_lost(database: Database, models: ModuleType) -> None:
    """Trap 14: the session holds its objects; a changed one nobody else refers to is written."""
    async with Session.begin(database) as session:
        session.add_all([models.Note(text=text) for text in "ab"])
    async with Session(database) as session:
        for note in await session.find(models.Note).to_list():
            note.text += "!"
            del note
        gc.collect()
        await session.commit()

    assert await rows(database, models.Note.text) == [("a!",), ("b!",)]


async def test_objects_do_not_keep_their_session(database: Database, models: ModuleType) -> None:
    """Objects in the user's hands do not keep a session alive, nor what else was in it."""
    async with Session(database) as session:
        kept, other = models.Note(text="a"), models.Note(text="b")
        session.add_all([kept, other])
        await session.commit()
    gone = weakref.ref(other)
    del session, other
    gc.collect()

    assert gone() is None
    assert kept.text == "a"
