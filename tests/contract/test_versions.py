"""The optimistic lock: versions in every UPDATE and DELETE, vanished rows (U5, trap 27)."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from tests.contract.sent import Sent, rows
from uow import (
    Database,
    ObjectStateError,
    Outcome,
    Session,
    StaleObjectError,
    State,
    changes,
    delete,
    state,
    update,
)

pytestmark = pytest.mark.anyio


async def stored_authors(database: Database, models: ModuleType, count: int) -> list[Any]:
    """Store authors named `0`, `1`, ... with a session of their own."""
    authors = [models.Author(email=f"{n}@x.org", name=str(n)) for n in range(count)]
    async with Session.begin(database) as session:
        session.add_all(authors)
    return authors


async def touch(database: Database, models: ModuleType, *keys: int) -> None:
    """Somebody else changes these authors."""
    async with Session.begin(database) as session:
        for key in keys:
            (await session.get_one(models.Author, key)).name = "theirs"


@pytest.mark.needs("returning_insert")
async def test_version_counts_writes(database: Database, models: ModuleType, sent: Sent) -> None:
    """A version begins at 1, counts updates that are sent, and is checked without a SELECT."""
    async with Session(database) as session:
        author = models.Author(email="a@x.org", name="0")
        session.add(author)
        await session.commit()
        seen = [author.version]
        for name in ("1", "1", "2"):
            author.name = name
            await session.commit()
            seen.append(author.version)

    assert seen == [1, 2, 2, 3]
    assert sent.words == ["INSERT", "UPDATE", "UPDATE"]
    assert await rows(database, models.Author.version) == [(3,)]


async def test_stale_update(database: Database, models: ModuleType) -> None:
    """Trap 27: an update of a row somebody else changed is refused and names the object."""
    (author,) = await stored_authors(database, models, 1)
    async with Session(database) as session:
        mine = await session.get_one(models.Author, author.id)
        mine.name = "mine"
        await touch(database, models, author.id)
        for _ in range(2):
            with pytest.raises(StaleObjectError) as caught:
                await session.commit()

            assert caught.value.objects == (mine,)
            assert caught.value.outcome is Outcome.NOT_APPLIED
            assert mine.version == 1
            assert changes(mine) == {"name": ("0", "mine")}

        await session.refresh(mine)

        assert (mine.name, mine.version) == ("theirs", 2)
        mine.name = "mine"
        await session.commit()

    assert await rows(database, models.Author.name, models.Author.version) == [("mine", 3)]


async def test_stale_delete(database: Database, models: ModuleType) -> None:
    """Trap 27: the version is checked on DELETE as well."""
    (author,) = await stored_authors(database, models, 1)
    async with Session(database) as session:
        mine = await session.get_one(models.Author, author.id)
        session.delete(mine)
        await touch(database, models, author.id)
        with pytest.raises(StaleObjectError) as caught:
            await session.commit()

        assert caught.value.objects == (mine,)
        assert session.deleted == {mine}
        assert state(mine) is State.DELETED
        session.add(mine)
        await session.refresh(mine)
        session.delete(mine)
        await session.commit()

    assert await rows(database, models.Author.id) == []


async def test_delete_looks_at_the_version_it_loaded(
    database: Database, models: ModuleType
) -> None:
    """A changed object that is deleted is checked by its version, and its changes are not sent."""
    (author,) = await stored_authors(database, models, 1)
    async with Session(database) as session:
        mine = await session.get_one(models.Author, author.id)
        mine.name = "mine"
        session.delete(mine)
        await session.commit()

    assert await rows(database, models.Author.id) == []


@pytest.mark.needs("batches")
async def test_stale_rows_of_a_batch(database: Database, models: ModuleType, sent: Sent) -> None:
    """U8: of a batch exactly the stale objects are named, and none of the rows is written."""
    authors = await stored_authors(database, models, 50)
    async with Session(database) as session:
        mine = await session.find(models.Author).order_by(models.Author.id).to_list()
        for author in mine:
            author.name = "mine"
        await touch(database, models, authors[7].id, authors[40].id)
        sent.clear()
        with pytest.raises(StaleObjectError) as caught:
            await session.commit()

        # Where one count is all that comes back, rows are looked at with a lock before.
        looks_first = not database.dialect.capabilities.returning_update
        assert sent.words == ["BEGIN", "SELECT" if looks_first else "UPDATE", "ROLLBACK"]
        assert caught.value.objects == (mine[7], mine[40])
        assert session.dirty == set(mine)
        assert {author.version for author in mine} == {1}
        for author in (mine[7], mine[40]):
            await session.refresh(author)
        await session.commit()

    stored = await rows(database, models.Author.name)
    assert stored.count(("mine",)) == 48
    assert stored.count(("theirs",)) == 2


async def test_vanished_rows_of_a_batch(database: Database, models: ModuleType) -> None:
    """U8: rows without a version are looked up again, to say which of many are gone."""
    notes = [models.Note(text=f"{number}") for number in range(50)]
    async with Session.begin(database) as session:
        session.add_all(notes)
    async with Session(database) as session:
        mine = await session.find(models.Note).order_by(models.Note.id).to_list()
        for note in mine:
            note.text = "mine"
        async with Session.begin(database) as other:
            gone = models.Note.id.in_([mine[3].id, mine[31].id])
            await other.execute(delete(models.Note).where(gone))
        with pytest.raises(StaleObjectError, match="gone") as caught:
            await session.commit()

        assert caught.value.objects == (mine[3], mine[31])
        assert session.dirty == set(mine)
        await session.rollback()
        for note in mine:
            session.delete(note)
        with pytest.raises(StaleObjectError, match="gone") as caught:
            await session.commit()

        assert caught.value.objects == (mine[3], mine[31])
        await session.rollback()

    assert len(await rows(database, models.Note.id)) == 48


async def test_vanished_rows(database: Database, models: ModuleType) -> None:
    """Trap 27: a row that is gone is reported, with a version or without, changed or deleted."""
    authors = await stored_authors(database, models, 2)
    notes = [models.Note(text=text) for text in "ab"]
    async with Session.begin(database) as session:
        session.add_all(notes)
    for model, keys, field in (
        (models.Author, [author.id for author in authors], "name"),
        (models.Note, [note.id for note in notes], "text"),
    ):
        async with Session(database) as session:
            first = await session.get_one(model, keys[0])
            second = await session.get_one(model, keys[1])
            async with Session.begin(database) as other:
                await other.execute(delete(model).all())
            setattr(first, field, "mine")
            with pytest.raises(StaleObjectError, match="gone") as caught:
                await session.flush()

            assert caught.value.objects == (first,)
            await session.rollback()
            session.delete(second)
            with pytest.raises(StaleObjectError, match="gone") as caught:
                await session.flush()

            assert caught.value.objects == (second,)
            await session.rollback()


@pytest.mark.needs("composite_keys")
async def test_rows_with_generated_columns_are_checked(
    database: Database, models: ModuleType
) -> None:
    """A vanished row is reported where the UPDATE returns generated columns, too."""
    async with Session(database) as session:
        session.add(models.Order(id=1))
        lines = [models.Line(order_id=1, no=number) for number in range(5)]
        session.add_all(lines)
        await session.commit()
        async with Session.begin(database) as other:
            await other.execute(delete(models.Line).where(models.Line.no == 3))
        for line in lines:
            line.quantity = 9
        with pytest.raises(StaleObjectError) as caught:
            await session.commit()

        assert caught.value.objects == (lines[3],)
        session.expunge(lines[3])
        await session.commit()

    assert [row for (row,) in await rows(database, models.Line.total)] == [9] * 4


async def test_bulk_update_counts_versions(database: Database, models: ModuleType) -> None:
    """A bulk update counts the version up, so that others notice (U5)."""
    (author,) = await stored_authors(database, models, 1)
    async with Session(database) as session:
        mine = await session.get_one(models.Author, author.id)
        async with Session.begin(database) as other:
            await other.execute(update(models.Author).set(name="bulk").all())
        mine.name = "mine"
        with pytest.raises(StaleObjectError):
            await session.commit()

        await session.rollback()
    assert await rows(database, models.Author.name, models.Author.version) == [("bulk", 2)]


async def test_two_flushes_of_one_transaction(database: Database, models: ModuleType) -> None:
    """Trap 27: the version is raised once by each write, and not before it is sent."""
    (author,) = await stored_authors(database, models, 1)
    async with Session(database) as session:
        mine = await session.get_one(models.Author, author.id)
        mine.name = "1"

        assert mine.version == 1
        await session.flush()

        assert mine.version == 2
        mine.name = "2"
        await session.commit()

        assert mine.version == 3
    assert await rows(database, models.Author.name, models.Author.version) == [("2", 3)]


async def test_stale_object_among_others(database: Database, models: ModuleType) -> None:
    """A stale row fails the whole unit, and the unit is repeated as a whole (U6)."""
    (author,) = await stored_authors(database, models, 1)
    async with Session(database) as session:
        mine = await session.get_one(models.Author, author.id)
        note = models.Note(text="n")
        session.add(note)
        mine.age = 5
        await touch(database, models, author.id)
        with pytest.raises(StaleObjectError):
            await session.commit()

        assert await rows(database, models.Note.id) == []
        assert session.new == {note}
        assert note.id is None
        await session.refresh(mine)
        mine.age = 5
        await session.commit()

    assert await rows(database, models.Note.text) == [("n",)]
    assert await rows(database, models.Author.name, models.Author.age) == [("theirs", 5)]


async def test_version_given_by_hand(database: Database, models: ModuleType) -> None:
    """A version that is given for a new object is where it begins to count."""
    async with Session(database) as session:
        author = models.Author(email="a@x.org", name="0", version=10)
        session.add(author)
        await session.commit()
        author.name = "1"
        await session.commit()

        assert author.version == 11
    assert await rows(database, models.Author.version) == [(11,)]


async def test_version_of_a_stored_object_is_not_set_by_hand(
    database: Database, models: ModuleType
) -> None:
    """Trap 27: nobody gets round the check by setting the version to what somebody else made it."""
    (author,) = await stored_authors(database, models, 1)
    async with Session(database) as session:
        mine = await session.get_one(models.Author, author.id)
        await touch(database, models, author.id)
        mine.version = 1
        with pytest.raises(ObjectStateError, match=r"Author\.version"):
            mine.version = 2
        mine.name = "mine"
        with pytest.raises(StaleObjectError):
            await session.commit()

        await session.rollback()

    with pytest.raises(ObjectStateError, match=r"Author\.version"):
        mine.version = 2
    assert await rows(database, models.Author.name, models.Author.version) == [("theirs", 2)]
