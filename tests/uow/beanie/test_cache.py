"""The cache of a class; numbers are those of the inventory."""
# pyright: reportArgumentType=false

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from tests.support.mongodb import database_of
from uow import Database, Document, MappingError, Session
from uow.session.document_cache import DocumentCache, cache_of

pytestmark = pytest.mark.anyio


class Kept(Document):
    """Is kept for a while."""

    class Settings:
        use_cache = True
        cache_capacity = 3
        cache_expiration_time = timedelta(minutes=1)

    name: str
    tags: list[str] = []  # noqa: RUF012 - it is copied


ALL = (Kept,)
K: Any = Kept


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The client library is for asyncio."""
    return "asyncio"


@contextmanager
def behind(database: Database) -> Iterator[Any]:
    """Write past this process: nobody is told."""
    with database_of(str(database.url)) as store:
        yield store.Kept


async def test_cache(bound: Database) -> None:
    """77-79, 182, 277, 278: an answer is given again without asking, until something is written."""
    cache_of(Kept._uow_mapper).clear()
    made = await Kept(name="ann", tags=["a"]).insert()
    assert [one.name for one in await Kept.find(K.name == "ann").to_list()] == ["ann"]
    with behind(bound) as store:
        store.update_one({}, {"$set": {"tags": ["behind"]}})

    (found,) = await Kept.find(K.name == "ann").to_list()
    assert found.tags == ["a"]
    found.tags.append("in memory")
    (again,) = await Kept.find(K.name == "ann").to_list()
    assert again is not found
    assert again.tags == ["a"]
    one = await Kept.find_one(K.name == "ann", ignore_cache=True)
    assert one is not None
    assert one.tags == ["behind"]
    assert (await Kept.find_one(K.name == "ann")) is not None
    assert (await K.get(made.id)).tags == ["behind"]
    with behind(bound) as store:
        store.update_one({}, {"$set": {"tags": ["later"]}})
    assert (await K.get(made.id)).tags == ["behind"]
    assert (await K.get(made.id, ignore_cache=True)).tags == ["later"]


@pytest.mark.parametrize("write", ["save", "update", "bulk", "delete", "insert", "one"])
async def test_invalidation(bound: Database, write: str) -> None:
    """277: trap 45: after a write of whatever kind the answer is not the old one."""
    made = await Kept(name="ann").insert()
    query = Kept.find().sort("name")
    assert len(await query.to_list()) == 1

    match write:
        case "save":
            made.name = "bob"
            await made.save()
        case "update":
            await made.set({K.name: "bob"})
        case "bulk":
            await Kept.find(K.name == "ann").set({K.name: "bob"})
        case "one":
            await Kept.find_one(K.name == "ann").set({K.name: "bob"}, response_type="NEW_DOCUMENT")
        case "delete":
            await made.delete()
        case _:
            await Kept.insert_many([Kept(name="bob")])
    names = {"delete": [], "insert": ["ann", "bob"]}.get(write, ["bob"])
    assert [one.name for one in await query.to_list()] == names


async def test_cache_and_transactions(bound: Database) -> None:
    """277: what a transaction wrote is seen in it, by nobody else, and by all after its commit."""
    await Kept(name="ann").insert()
    query = Kept.find().sort("name")
    await query.to_list()
    async with Session(bound) as session:
        session.add(Kept(name="bob"))
        await session.flush()
        assert len(await query.to_list()) == 2
        other = Session(bound)
        assert len(await query.set_session(await other.__aenter__()).to_list()) == 1
        await other.aclose()
        await session.commit()
    assert len(await query.to_list()) == 2


def test_bounds() -> None:
    """78, 79: the least recently asked goes first, and nothing is kept for too long."""
    now = 0.0
    cache = DocumentCache(2, timedelta(seconds=10), lambda: now)
    for name in "ab":
        cache.put(name, [name], cache.generation)
    assert cache.get("a") == ["a"]
    cache.put("c", ["c"], cache.generation)

    assert cache.get("b") is None
    assert len(cache) == 2
    cache.put("late", [], cache.generation - 1)
    assert cache.get("late") is None
    now = 11.0
    assert cache.get("a") is None


def test_settings() -> None:
    """77-79: a setting of another kind is refused."""
    with pytest.raises(MappingError, match="cache_expiration_time must be a timedelta"):

        class Wrong(Document):
            class Settings:
                cache_expiration_time = 3

            name: str
