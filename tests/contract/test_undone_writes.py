"""After what undoes a write, objects are what they were: values, places, and what is watched."""

from __future__ import annotations

from types import ModuleType

import pytest

from uow import Database, NotLoadedError, Session, State, state

pytestmark = pytest.mark.anyio


async def stored_tags(database: Database, models: ModuleType, key: int) -> list[str]:
    """The tags of an author, as another session reads them."""
    async with Session(database) as session:
        author = await session.get_one(models.Author, key)
        return list(author.tags)


async def make_author(database: Database, models: ModuleType) -> int:
    """Store an author with a list."""
    async with Session.begin(database) as session:
        author = models.Author(email="a@x.org", name="A", tags=["a"])
        session.add(author)
        await session.flush()
        key: int = author.id
    return key


@pytest.mark.parametrize("verb", ["update", "delete"])
async def test_lists_are_watched_after_an_undone_bulk_statement(
    database: Database, models: ModuleType, verb: str
) -> None:
    """A list that was read before a bulk statement is still compared after its rollback."""
    key = await make_author(database, models)
    async with Session(database) as session:
        author = await session.get_one(models.Author, key)
        assert author.tags == ["a"]
        query = session.find(models.Author, models.Author.id == key)
        assert await (query.update({"name": "B"}) if verb == "update" else query.delete()) == 1
        await session.rollback()

        assert state(author) is State.PERSISTENT
        author.tags.append("b")
        assert session.dirty == {author}
        await session.commit()
    assert await stored_tags(database, models, key) == ["a", "b"]


async def test_written_after_a_bulk_update_and_rolled_back(
    database: Database, models: ModuleType
) -> None:
    """A rollback gives back what was there before a bulk update, whatever was written since."""
    key = await make_author(database, models)
    async with Session(database) as session:
        author = await session.get_one(models.Author, key)
        assert author.tags == ["a"]
        changed = {"name": "bulk", "tags": ["bulk"]}
        await session.find(models.Author, models.Author.id == key).update(changed)
        await session.refresh(author)
        author.name = "mine"
        author.tags.append("mine")
        await session.rollback()

        assert (author.name, author.tags) == ("A", ["a"])
        assert not session.dirty


async def test_written_to_an_expired_object_and_rolled_back(
    database: Database, models: ModuleType
) -> None:
    """What was not known before a write is not known after its rollback, and says so."""
    key = await make_author(database, models)
    async with Session(database) as session:
        author = await session.get_one(models.Author, key)
        session.expire(author)
        author.name = "mine"
        await session.rollback()

        with pytest.raises(NotLoadedError):
            _ = author.name
        await session.refresh(author)
        assert author.name == "A"


@pytest.mark.parametrize("verb", ["flush", "bulk"])
async def test_deleted_and_added_again_and_rolled_back(
    database: Database, models: ModuleType, verb: str
) -> None:
    """An object whose row was deleted and made again is stored after a rollback, and tracked."""
    key = await make_author(database, models)
    async with Session(database) as session:
        author = await session.get_one(models.Author, key)
        assert author.tags == ["a"]
        if verb == "flush":
            session.delete(author)
            await session.flush()
        else:
            await session.find(models.Author, models.Author.id == key).delete()
        session.add(author)
        author.tags.append("again")
        await session.flush()
        assert state(author) is State.PERSISTENT
        await session.rollback()

        assert state(author) is State.PERSISTENT
        assert await session.get_one(models.Author, key) is author
        assert (author.tags, author.version) == (["a"], 1)
        author.tags.append("b")
        author.name = "B"
        await session.commit()
        assert author.version == 2
    assert await stored_tags(database, models, key) == ["a", "b"]
