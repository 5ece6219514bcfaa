"""Verbs of documents that are cancelled at each of their waits (F01)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import anyio
import pytest

from tests.faults.steps import SCOPE, TASK, run_cancelled
from tests.support.mongodb import database_of, empty
from uow import Database, DeleteRules, Document, Link, Registry, WriteRules, init_documents
from uow.beanie import BulkWriter, MergeStrategy, UpdateResponse

pytestmark = pytest.mark.anyio

registry = Registry()


class _Door(Document):
    class Settings:
        name = "doors"
        registry = registry

    height: int = 0


class _House(Document):
    class Settings:
        name = "houses"
        use_revision = True
        registry = registry

    number: int = 0
    door: Link[_Door] | None = None
    doors: list[Link[_Door]] = []  # noqa: RUF012


# Fields are declared without `Mapped`, so that a type checker takes them for their values.
Door: Any = _Door
House: Any = _House


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The client libraries are for asyncio."""
    return "asyncio"


@pytest.fixture(params=["mongodb", "mongodb+motor"])
async def database(mongodb_database: str, request: Any) -> AsyncGenerator[Database]:
    """An empty database, to which the classes are bound, over either client."""
    empty(mongodb_database)
    url = mongodb_database.replace("mongodb:", f"{request.param}:", 1)
    found = await init_documents(connection_string=url, document_models=[Door, House])
    yield found
    await found.aclose()


async def _delete_with_links(key: Any) -> None:
    await (await House.get(key)).delete(link_rule=DeleteRules.DELETE_LINKS)


async def _replace_with_links(key: Any) -> None:
    house = await House.get(key, fetch_links=True)
    house.number, house.door.height = 50, 77
    house.doors.append(Door(height=5))
    await house.replace(link_rule=WriteRules.WRITE)


async def _replace_several(key: Any) -> None:
    houses = await House.find_all().to_list()
    for house in houses:
        house.number += 100
    await House.replace_many(houses)


async def _save_with_links(key: Any) -> None:
    house = await House.get(key)
    await house.fetch_all_links()
    house.number, house.door.height, house.doors[0].height = 50, 77, 88
    await house.save(link_rule=WriteRules.WRITE)


async def _insert_with_links(key: Any) -> None:
    await House(number=9, door=Door(height=10)).insert(link_rule=WriteRules.WRITE)


async def _update_changed(key: Any) -> None:
    house = await House.get(key)
    house.number = 5
    await house.inc({House.number: 10})


async def _sync_and_save(key: Any) -> None:
    house = await House.get(key)
    house.number = 4
    await house.sync(MergeStrategy.local)
    await house.save()


async def _upsert(key: Any) -> None:
    await House.find_one(House.number == 77).upsert(
        {"$set": {"number": 1}}, on_insert=House(number=77)
    )


async def _write_in_bulk(key: Any) -> None:
    async with BulkWriter() as bulk_writer:
        for number in (30, 31):
            await House.insert_one(House(number=number), bulk_writer=bulk_writer)
        await House.find(House.number == 2).set({House.number: 3}, bulk_writer=bulk_writer)


async def _replace_what_is_found(key: Any) -> None:
    await House.find_one(House.number == 2).replace_one(House(number=222))


async def _delete_by_linked_field(key: Any) -> None:
    await House.find(House.door.height == 1, fetch_links=True).delete()


async def _change_and_give(key: Any) -> None:
    await House.find_one(House.number == 2).set(
        {House.number: 8}, response_type=UpdateResponse.NEW_DOCUMENT
    )


VERBS = [
    _delete_with_links,
    _replace_with_links,
    _replace_several,
    _save_with_links,
    _insert_with_links,
    _update_changed,
    _sync_and_save,
    _upsert,
    _write_in_bulk,
    _replace_what_is_found,
    _delete_by_linked_field,
    _change_and_give,
]


async def fill(raw: Any) -> Any:
    """Store two houses, of which one has doors."""
    raw.houses.delete_many({})
    raw.doors.delete_many({})
    house = House(number=1, door=Door(height=1), doors=[Door(height=2), Door(height=3)])
    await house.insert(link_rule=WriteRules.WRITE)
    await House(number=2).insert()
    return house.id


def stored(raw: Any) -> Any:
    """What there is, by what does not depend on keys."""
    houses = sorted((one["number"], len(one["doors"])) for one in raw.houses.find())
    return houses, sorted(one["height"] for one in raw.doors.find())


@pytest.mark.parametrize("how", [SCOPE, TASK])
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__.strip("_"))
async def test_all_or_nothing(
    database: Database,
    mongodb_database: str,
    verb: Callable[[Any], Coroutine[Any, Any, None]],
    how: str,
) -> None:
    """37: whichever wait is cancelled, all of a verb is stored or nothing, links included."""
    with database_of(mongodb_database) as raw:
        await fill(raw)
        before = stored(raw)
        await verb(await fill(raw))
        after = stored(raw)
        assert after != before
        number = 0
        while True:
            number += 1
            run = await run_cancelled(verb(await fill(raw)), how, (number,))
            await anyio.sleep(0.01)  # a thread of Motor's takes its time to notice

            assert run.error is None
            assert stored(raw) in (before, after)
            assert database.pool.stats.in_use == 0
            if run.waits < number:
                break
        assert number > 2
